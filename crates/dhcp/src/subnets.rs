//! The subnets that DHCP serves, as a replicated resource: parse, propose, answer.

use model::Ipv4Net;
use proto::dhcp::v1::dhcp_explain_service_server::DhcpExplainServiceServer;
use proto::dhcp::v1::dhcp_lease_service_server::DhcpLeaseServiceServer;
use proto::dhcp::v1::dhcp_policy_service_server::DhcpPolicyServiceServer;
use proto::dhcp::v1::dhcp_watch_service_server::DhcpWatchServiceServer;
use proto::dhcp::v1::subnet_service_server::{self, SubnetServiceServer};
use proto::dhcp::v1::{
    DeleteSubnetRequest, DeleteSubnetResponse, DhcpCommand, ListSubnetsRequest, ListSubnetsResponse,
    PutSubnetRequest, Subnet, dhcp_command,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::service::RoutesBuilder;
use tonic::{Request, Response, Status};

use crate::explain::ExplainService;
use crate::guard::WatchService;
use crate::leases::LeaseService;
use crate::policies::PolicyService;
use crate::servers::Servers;

/// Prefix lengths that make sense for a network of nodes: a shorter one is a slip, a longer one has no room.
const PREFIX_LENGTHS: std::ops::RangeInclusive<u8> = 8..=30;

/// Adds DHCP's gRPC services to `routes`; `servers` are those that are explained and watched.
pub fn add_services(routes: &mut RoutesBuilder, store: &Store, servers: &Servers) {
    routes.add_service(SubnetServiceServer::new(SubnetService::new(store.clone())));
    routes.add_service(DhcpLeaseServiceServer::new(LeaseService::new(store.clone())));
    routes.add_service(DhcpPolicyServiceServer::new(PolicyService::new(store.clone())));
    routes.add_service(DhcpWatchServiceServer::new(WatchService::new(servers.clone())));
    let explain = ExplainService::new(store.clone(), servers.clone());
    routes.add_service(DhcpExplainServiceServer::new(explain));
}

/// Subnets and their options.
#[derive(Clone, Debug)]
pub struct SubnetService {
    store: Store,
}

impl SubnetService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> SubnetService {
        SubnetService { store }
    }

    async fn propose(&self, author: &Author, change: dhcp_command::Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Dhcp(DhcpCommand { change: Some(change) }))
            .await
    }
}

#[tonic::async_trait]
impl subnet_service_server::SubnetService for SubnetService {
    #[tracing::instrument(level = "debug", name = "dhcp.list_subnets", skip_all)]
    async fn list_subnets(
        &self,
        _request: Request<ListSubnetsRequest>,
    ) -> Result<Response<ListSubnetsResponse>, Status> {
        let subnets = self
            .store
            .state()
            .dhcp
            .subnets()
            .map(|subnet| subnet.as_ref().clone())
            .collect();
        Ok(Response::new(ListSubnetsResponse { subnets }))
    }

    #[tracing::instrument(name = "dhcp.put_subnet", skip_all)]
    async fn put_subnet(&self, request: Request<PutSubnetRequest>) -> Result<Response<Subnet>, Status> {
        let author = rpc::author(&request);
        let subnet = request
            .into_inner()
            .subnet
            .ok_or_else(|| rpc::invalid("subnet", "it is missing"))?;
        let net = network(&subnet.network)?;
        let put = dhcp_command::PutSubnet { subnet: Some(subnet) };
        self.propose(&author, dhcp_command::Change::PutSubnet(put))
            .await?;
        let stored = self.store.state_after(&author).dhcp.subnet_of(net.network());
        let stored = stored.ok_or_else(|| Error::Conflict {
            detail: format!("{net} was deleted by someone else"),
        })?;
        let stored = stored.as_ref().clone();
        Ok(Response::new(Subnet {
            meta: author.told_meta(stored.meta),
            ..stored
        }))
    }

    #[tracing::instrument(name = "dhcp.delete_subnet", skip_all)]
    async fn delete_subnet(
        &self,
        request: Request<DeleteSubnetRequest>,
    ) -> Result<Response<DeleteSubnetResponse>, Status> {
        let author = rpc::author(&request);
        // Any subnet that is there may go, so the text is all that is checked.
        let network: Ipv4Net = request
            .get_ref()
            .network
            .parse()
            .map_err(|e| rpc::invalid("network", e))?;
        let delete = dhcp_command::DeleteSubnet {
            network: network.to_string(),
        };
        let committed = self
            .propose(&author, dhcp_command::Change::DeleteSubnet(delete))
            .await?;
        Ok(Response::new(DeleteSubnetResponse {
            revision: committed.revision,
        }))
    }
}

/// A network that nodes can be in. Overlaps and options are judged where the answer is final, in `state`.
fn network(text: &str) -> Result<Ipv4Net, Error> {
    let network: Ipv4Net = text.parse().map_err(|e| rpc::invalid("network", e))?;
    if !PREFIX_LENGTHS.contains(&network.prefix_len()) {
        let (min, max) = (PREFIX_LENGTHS.start(), PREFIX_LENGTHS.end());
        let problem =
            format!("{network} has a prefix length outside {min} to {max}; write e.g. 10.97.0.0/16");
        return Err(rpc::invalid("network", problem));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::dhcp::v1::subnet_service_server::SubnetService as _;
    use tonic::Code;

    fn subnet(network: &str) -> Subnet {
        Subnet {
            network: network.into(),
            routers: vec!["10.97.0.254".into()],
            domain: "Demo.Example".into(),
            ..Subnet::default()
        }
    }

    async fn put(service: &SubnetService, subnet: Option<Subnet>) -> Result<Subnet, Status> {
        service
            .put_subnet(Request::new(PutSubnetRequest { subnet }))
            .await
            .map(Response::into_inner)
    }

    async fn networks(service: &SubnetService) -> Vec<String> {
        let listed = service
            .list_subnets(Request::new(ListSubnetsRequest {}))
            .await
            .unwrap();
        listed
            .into_inner()
            .subnets
            .into_iter()
            .map(|subnet| subnet.network)
            .collect()
    }

    #[tokio::test]
    async fn a_subnet_is_put_listed_replaced_and_deleted() {
        let service = SubnetService::new(Store::in_memory());
        let stored = put(&service, Some(subnet("10.97.0.0/16"))).await.unwrap();
        assert_eq!(stored.domain, "demo.example", "the stored form is answered");
        let created = stored.meta.unwrap().created.unwrap().revision;
        let changed = Subnet {
            lease_time_s: 600,
            ..subnet("10.97.0.0/16")
        };
        let stored = put(&service, Some(changed)).await.unwrap();
        let meta = stored.meta.unwrap();
        assert_eq!(
            (stored.lease_time_s, meta.created.unwrap().revision),
            (600, created)
        );
        assert!(meta.modified.unwrap().revision > created);
        assert_eq!(networks(&service).await, ["10.97.0.0/16"]);

        let delete = |network: &str| {
            Request::new(DeleteSubnetRequest {
                network: network.into(),
            })
        };
        assert!(
            service
                .delete_subnet(delete("10.97.0.0/16"))
                .await
                .unwrap()
                .into_inner()
                .revision
                > created
        );
        assert!(networks(&service).await.is_empty());
        let gone = service.delete_subnet(delete("10.97.0.0/16")).await.unwrap_err();
        assert_eq!(gone.code(), Code::NotFound);
    }

    #[tokio::test]
    async fn an_overlap_names_both_networks() {
        let service = SubnetService::new(Store::in_memory());
        put(&service, Some(subnet("10.97.0.0/16"))).await.unwrap();
        let refused = put(
            &service,
            Some(Subnet {
                routers: vec![],
                ..subnet("10.97.128.0/17")
            }),
        )
        .await
        .unwrap_err();
        assert!(refused.message().contains("10.97.0.0/16"), "{refused:?}");
        assert!(refused.message().contains("10.97.128.0/17"), "{refused:?}");
        assert_eq!(networks(&service).await, ["10.97.0.0/16"]);
    }

    #[tokio::test]
    async fn what_cannot_work_is_refused_with_the_field() {
        let service = SubnetService::new(Store::in_memory());
        let bad = [
            (None, "subnet"),
            (Some(subnet("")), "network"),
            (Some(subnet("10.97.0.0")), "network"),
            (Some(subnet("10.97.0.1/16")), "network"),
            (Some(subnet("0.0.0.0/0")), "network"),
            (Some(subnet("10.97.0.0/31")), "network"),
            (Some(subnet("10.98.0.0/16")), "routers"),
            (
                Some(Subnet {
                    mtu: 20,
                    ..subnet("10.97.0.0/16")
                }),
                "mtu",
            ),
            (
                Some(Subnet {
                    lease_time_s: 1,
                    ..subnet("10.97.0.0/16")
                }),
                "lease_time_s",
            ),
            (
                Some(Subnet {
                    dns_servers: vec!["ns1".into()],
                    ..subnet("10.97.0.0/16")
                }),
                "dns_servers",
            ),
            (
                Some(Subnet {
                    domain: "a b".into(),
                    ..subnet("10.97.0.0/16")
                }),
                "domain",
            ),
        ];
        for (subnet, field) in bad {
            let refused = put(&service, subnet.clone()).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{subnet:?}");
            assert!(
                refused.message().starts_with(field),
                "{field}: {}",
                refused.message()
            );
        }
        assert!(networks(&service).await.is_empty());
    }
}
