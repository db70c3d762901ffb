//! Leases of pools, held addresses and unknown clients over gRPC: what the log has, and how an administrator ends it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use proto::bss::v1::{BssCommand, bss_command};
use proto::dhcp::v1::dhcp_command::{Change, DeleteHeldAddress, DeleteLease};
use proto::dhcp::v1::dhcp_lease_service_server;
use proto::dhcp::v1::{
    AdoptUnknownClientRequest, AdoptUnknownClientResponse, DeleteDhcpLeaseRequest, DeleteDhcpLeaseResponse,
    DeleteHeldAddressRequest, DeleteHeldAddressResponse, DhcpCommand, DhcpLease, ListDhcpLeasesRequest,
    ListDhcpLeasesResponse, ListHeldAddressesRequest, ListHeldAddressesResponse, ListUnknownClientsRequest,
    ListUnknownClientsResponse,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error, page};
use tonic::{Request, Response, Status};

use crate::adoption::adopt;
use crate::lease_filter::{LeaseFilter, owner_of};

/// Leases, held addresses, unknown clients.
#[derive(Clone, Debug)]
pub struct LeaseService {
    store: Store,
}

impl LeaseService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> LeaseService {
        LeaseService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Dhcp(DhcpCommand { change: Some(change) }))
            .await
    }
}

#[tonic::async_trait]
impl dhcp_lease_service_server::DhcpLeaseService for LeaseService {
    #[tracing::instrument(level = "debug", name = "dhcp.list_leases", skip_all)]
    async fn list_dhcp_leases(
        &self,
        request: Request<ListDhcpLeasesRequest>,
    ) -> Result<Response<ListDhcpLeasesResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = LeaseFilter::of(&request)?;
        let (state, now_ms) = (self.store.state(), self.store.cluster_time_ms());
        let page = asked.of(&request, state.cluster_id())?;
        let is_ahead = |lease: &&Arc<DhcpLease>| {
            page.after().is_none_or(|after: &Ipv4Addr| {
                lease
                    .address
                    .parse()
                    .is_ok_and(|address: Ipv4Addr| address > *after)
            })
        };
        let owned = state
            .dhcp
            .leases()
            .filter(is_ahead)
            .map(|lease| (lease, owner_of(&state, lease)));
        let (shown, next_page_token) = page.cut(
            owned.filter(|(lease, owner)| filter.means(lease, owner, now_ms)),
            |(lease, _)| &lease.address,
            |(lease, owner)| (lease.as_ref().clone(), owner),
        );
        let (leases, component_ids) = shown.into_iter().unzip();
        Ok(Response::new(ListDhcpLeasesResponse {
            leases,
            component_ids,
            time_ms: now_ms,
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "dhcp.delete_lease", skip_all)]
    async fn delete_dhcp_lease(
        &self,
        request: Request<DeleteDhcpLeaseRequest>,
    ) -> Result<Response<DeleteDhcpLeaseResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteDhcpLeaseRequest { address, force } = request.into_inner();
        let address = ipv4(&address)?.to_string();
        let delete = Change::DeleteLease(DeleteLease { address, force });
        let revision = self.propose(&author, delete).await?.revision;
        Ok(Response::new(DeleteDhcpLeaseResponse { revision }))
    }

    #[tracing::instrument(level = "debug", name = "dhcp.list_held_addresses", skip_all)]
    async fn list_held_addresses(
        &self,
        request: Request<ListHeldAddressesRequest>,
    ) -> Result<Response<ListHeldAddressesResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let (state, now_ms) = (self.store.state(), self.store.cluster_time_ms());
        let page = asked.of(&request, state.cluster_id())?;
        let held = state.dhcp.held_addresses().filter(|held| {
            page.after().is_none_or(|after: &IpAddr| {
                let address = held.address.parse();
                address.is_ok_and(|address: IpAddr| address > *after)
            })
        });
        let (addresses, next_page_token) = page.cut(
            held.filter(|held| held.ends_at_ms == 0 || held.ends_at_ms > now_ms),
            |held| &held.address,
            |held| held.as_ref().clone(),
        );
        Ok(Response::new(ListHeldAddressesResponse {
            addresses,
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "dhcp.delete_held_address", skip_all)]
    async fn delete_held_address(
        &self,
        request: Request<DeleteHeldAddressRequest>,
    ) -> Result<Response<DeleteHeldAddressResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteHeldAddressRequest { address, force } = request.into_inner();
        let address = ip_address(&address)?.to_string();
        if !force {
            let problem = format!(
                "whoever had {address} may use it still, and two hosts would have it; if you know that nobody does, repeat \
                 this with `force`"
            );
            return Err(rpc::invalid("force", problem).into());
        }
        let delete = Change::DeleteHeldAddress(DeleteHeldAddress { address });
        let revision = self.propose(&author, delete).await?.revision;
        Ok(Response::new(DeleteHeldAddressResponse { revision }))
    }

    #[tracing::instrument(name = "dhcp.adopt_unknown_client", skip_all, fields(mac = %request.get_ref().mac))]
    async fn adopt_unknown_client(
        &self,
        request: Request<AdoptUnknownClientRequest>,
    ) -> Result<Response<AdoptUnknownClientResponse>, Status> {
        let author = rpc::author(&request);
        let together = adopt(&self.store.state(), request.get_ref())?;
        let change = Some(bss_command::Change::Together(together));
        let committed = self
            .store
            .propose_by(&author, Command::Bss(BssCommand { change }))
            .await;
        Ok(Response::new(AdoptUnknownClientResponse {
            revision: committed?.revision,
        }))
    }

    #[tracing::instrument(level = "debug", name = "dhcp.list_unknown_clients", skip_all)]
    async fn list_unknown_clients(
        &self,
        request: Request<ListUnknownClientsRequest>,
    ) -> Result<Response<ListUnknownClientsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        // MACs are written in one way, so that texts are sorted as MACs are
        let clients = state.dhcp.unknown_clients().filter(|client| {
            let after = page.after();
            after.is_none_or(|after: &String| client.mac > *after)
        });
        let (clients, next_page_token) =
            page.cut(clients, |client| &client.mac, |client| client.as_ref().clone());
        Ok(Response::new(ListUnknownClientsResponse {
            clients,
            next_page_token,
        }))
    }
}

fn ipv4(text: &str) -> Result<Ipv4Addr, Error> {
    text.parse().map_err(|_| {
        let problem = format!(
            "`{}` is not an IPv4 address, e.g. 10.97.200.1",
            text.escape_debug()
        );
        rpc::invalid("address", problem)
    })
}

fn ip_address(text: &str) -> Result<IpAddr, Error> {
    text.parse().map_err(|_| {
        let problem = format!(
            "`{}` is not an IP address, e.g. 10.97.200.1 or fd00:97::1",
            text.escape_debug()
        );
        rpc::invalid("address", problem)
    })
}

#[cfg(test)]
mod tests {
    use model::MacAddr;
    use proto::dhcp::v1::UnknownClient;
    use proto::dhcp::v1::dhcp_command::NoteUnknownClients;
    use proto::dhcp::v1::dhcp_lease::State as LeaseState;
    use proto::dhcp::v1::dhcp_lease_service_server::DhcpLeaseService as _;
    use proto::smd::v1::IpAddressMapping;
    use proto::smd::v1::smd_command::{AddIpAddress, Change as SmdChange, DeleteIpAddress};
    use tonic::Code;

    use super::*;
    use crate::testing::{self, NODE};

    const A: MacAddr = MacAddr([2, 9, 9, 9, 9, 1]);
    const B: MacAddr = MacAddr([2, 9, 9, 9, 9, 2]);

    async fn service() -> LeaseService {
        let store = testing::world(10, 97).await;
        testing::put_subnet(&store, testing::with_pool(10, 97)).await;
        testing::bind(&store, Ipv4Addr::new(10, 97, 200, 1), A).await;
        testing::bind(&store, Ipv4Addr::new(10, 97, 200, 2), B).await;
        LeaseService::new(store)
    }

    async fn leases(service: &LeaseService, request: ListDhcpLeasesRequest) -> Vec<String> {
        let listed = service.list_dhcp_leases(Request::new(request)).await.unwrap();
        listed
            .into_inner()
            .leases
            .into_iter()
            .map(|lease| lease.address)
            .collect()
    }

    async fn delete(service: &LeaseService, address: &str, force: bool) -> Result<u64, Code> {
        let address = address.into();
        let request = Request::new(DeleteDhcpLeaseRequest { address, force });
        let answer = service.delete_dhcp_lease(request).await;
        answer
            .map(|answer| answer.into_inner().revision)
            .map_err(|status| status.code())
    }

    #[tokio::test]
    async fn leases_are_listed_by_network_mac_and_state() {
        let service = service().await;
        let all = ListDhcpLeasesRequest::default;
        assert_eq!(leases(&service, all()).await, ["10.97.200.1", "10.97.200.2"]);
        let of = |network: &str| ListDhcpLeasesRequest {
            network: network.into(),
            ..all()
        };
        assert_eq!(leases(&service, of("10.97.200.2/32")).await, ["10.97.200.2"]);
        assert!(leases(&service, of("10.98.0.0/16")).await.is_empty());
        let mac = "02-09-09-09-09-01".into();
        assert_eq!(
            leases(&service, ListDhcpLeasesRequest { mac, ..all() }).await,
            ["10.97.200.1"]
        );
        delete(&service, "10.97.200.1", false).await.unwrap();
        let state = LeaseState::Bound.into();
        assert_eq!(
            leases(&service, ListDhcpLeasesRequest { state, ..all() }).await,
            ["10.97.200.2"]
        );
        let wrong = of("10.97.0.1/16");
        let refused = service.list_dhcp_leases(Request::new(wrong)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }

    #[tokio::test]
    async fn leases_come_in_pages_with_the_components_of_their_clients() {
        let service = service().await;
        testing::bind(
            &service.store,
            Ipv4Addr::new(10, 97, 200, 10),
            testing::NODE_WITHOUT_ADDRESS,
        )
        .await;
        let page = async |page_token: String| {
            let request = ListDhcpLeasesRequest {
                page_size: 2,
                page_token,
                ..ListDhcpLeasesRequest::default()
            };
            service
                .list_dhcp_leases(Request::new(request))
                .await
                .unwrap()
                .into_inner()
        };
        let first = page(String::new()).await;
        assert_eq!(first.component_ids, ["", ""]);
        let second = page(first.next_page_token).await;
        assert_eq!(second.component_ids, ["x1000c0s0b0n2"]);
        let addresses = [first.leases, second.leases.clone()].concat();
        let addresses: Vec<_> = addresses.iter().map(|lease| lease.address.as_str()).collect();
        assert_eq!(
            addresses,
            ["10.97.200.1", "10.97.200.2", "10.97.200.10"],
            "by number"
        );
        assert!(second.next_page_token.is_empty());
        assert!(second.time_ms > 0 && second.leases[0].ends_at_ms > second.time_ms);
        let nodes = vec!["x1000c0s0b0n[1-3]".into()];
        let of_nodes = ListDhcpLeasesRequest {
            nodes,
            ..ListDhcpLeasesRequest::default()
        };
        assert_eq!(leases(&service, of_nodes).await, ["10.97.200.10"]);
        assert!(
            leases(
                &service,
                ListDhcpLeasesRequest {
                    ended: true,
                    ..Default::default()
                }
            )
            .await
            .is_empty()
        );
    }

    #[tokio::test]
    async fn a_lease_is_taken_away_at_its_end_or_at_once_by_force() {
        let service = service().await;
        delete(&service, "10.97.200.1", false).await.unwrap();
        assert_eq!(
            leases(&service, ListDhcpLeasesRequest::default()).await.len(),
            2,
            "until it ends"
        );
        delete(&service, "10.97.200.1", true).await.unwrap();
        assert_eq!(
            leases(&service, ListDhcpLeasesRequest::default()).await,
            ["10.97.200.2"]
        );
        assert_eq!(delete(&service, "10.97.200.1", true).await, Err(Code::NotFound));
        assert_eq!(delete(&service, "here", true).await, Err(Code::InvalidArgument));
    }

    #[tokio::test]
    async fn held_addresses_are_listed_and_let_go_of_by_force_alone() {
        const BOTH: [&str; 2] = ["10.97.2.1", "fd00:97::2:1"];
        let service = service().await;
        let mapping = IpAddressMapping {
            ip_address: BOTH[1].into(),
            ..IpAddressMapping::default()
        };
        let add = AddIpAddress {
            id: NODE.id(),
            mapping: Some(mapping),
            ..AddIpAddress::default()
        };
        testing::smd(&service.store, SmdChange::AddIpAddress(add)).await;
        for address in BOTH {
            let lose = DeleteIpAddress {
                id: NODE.id(),
                ip: address.into(),
                ..DeleteIpAddress::default()
            };
            testing::smd(&service.store, SmdChange::DeleteIpAddress(lose)).await;
        }
        let held = async || {
            let listed = service
                .list_held_addresses(Request::new(ListHeldAddressesRequest::default()))
                .await;
            let addresses = listed.unwrap().into_inner().addresses;
            addresses.into_iter().map(|held| held.address).collect::<Vec<_>>()
        };
        assert_eq!(held().await, BOTH);
        let page = async |page_token: String| {
            let request = ListHeldAddressesRequest {
                page_size: 1,
                page_token,
            };
            let answer = service.list_held_addresses(Request::new(request)).await;
            let answer = answer.unwrap().into_inner();
            (answer.addresses[0].address.clone(), answer.next_page_token)
        };
        let (first, token) = page(String::new()).await;
        let (second, end) = page(token).await;
        assert_eq!(
            (first.as_str(), second.as_str(), end.as_str()),
            (BOTH[0], BOTH[1], "")
        );
        let let_go = async |address: &str, force| {
            let address = address.into();
            let request = Request::new(DeleteHeldAddressRequest { address, force });
            service
                .delete_held_address(request)
                .await
                .map_err(|status| status.code())
        };
        for address in BOTH {
            assert_eq!(let_go(address, false).await.unwrap_err(), Code::InvalidArgument);
        }
        assert_eq!(held().await, BOTH);
        for address in BOTH {
            let_go(address, true).await.unwrap();
            assert_eq!(let_go(address, true).await.unwrap_err(), Code::NotFound);
        }
        assert!(held().await.is_empty());
        assert_eq!(let_go("here", true).await.unwrap_err(), Code::InvalidArgument);
    }

    #[tokio::test]
    async fn unknown_clients_are_listed() {
        let service = service().await;
        let clients = vec![UnknownClient {
            mac: A.to_string(),
            ..UnknownClient::default()
        }];
        testing::dhcp(
            &service.store,
            Change::NoteUnknownClients(NoteUnknownClients { clients }),
        )
        .await;
        let listed = service
            .list_unknown_clients(Request::new(ListUnknownClientsRequest::default()))
            .await;
        let macs: Vec<_> = listed
            .unwrap()
            .into_inner()
            .clients
            .into_iter()
            .map(|client| client.mac)
            .collect();
        assert_eq!(macs, [A.to_string()]);
    }

    #[tokio::test]
    async fn unknown_clients_come_in_pages() {
        let service = service().await;
        let macs = ["02:00:00:00:0a:01", "02:00:00:00:0a:02", "02:00:00:00:0a:03"];
        let clients = macs.map(|mac| UnknownClient {
            mac: mac.into(),
            ..UnknownClient::default()
        });
        let note = NoteUnknownClients {
            clients: clients.into(),
        };
        testing::dhcp(&service.store, Change::NoteUnknownClients(note)).await;
        let page = async |page_token: String| {
            let request = ListUnknownClientsRequest {
                page_size: 2,
                page_token,
            };
            let answer = service.list_unknown_clients(Request::new(request)).await?;
            let answer = answer.into_inner();
            let macs = answer.clients.into_iter().map(|client| client.mac);
            Ok::<_, Status>((macs.collect::<Vec<_>>(), answer.next_page_token))
        };
        let (first, token) = page(String::new()).await.unwrap();
        assert_eq!(first, macs[..2]);
        let (second, end) = page(token).await.unwrap();
        assert_eq!((second.as_slice(), end.as_str()), (&[macs[2].to_owned()][..], ""));
        assert_eq!(
            page("elsewhere".to_owned()).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }

    async fn adopt_as(
        service: &LeaseService,
        xname: &str,
        nid: Option<u64>,
        ip_address: &str,
    ) -> Result<u64, Status> {
        let request = Request::new(AdoptUnknownClientRequest {
            mac: A.to_string(),
            xname: xname.into(),
            nid,
            ip_address: ip_address.into(),
        });
        service
            .adopt_unknown_client(request)
            .await
            .map(|answer| answer.into_inner().revision)
    }

    #[tokio::test]
    async fn an_unknown_client_becomes_a_node_in_one_change() {
        let service = service().await;
        let before = service.store.state().applied_index();
        let revision = adopt_as(&service, "x1000c0s9b0n0", Some(9), "10.97.2.9")
            .await
            .unwrap();
        let state = service.store.state();
        assert_eq!((revision, state.applied_index()), (before + 1, before + 1));
        let node = state.smd.component(&"x1000c0s9b0n0".parse().unwrap()).unwrap();
        assert_eq!(node.nid, Some(9));
        let interface = state.smd.interface(&A).unwrap();
        assert_eq!(interface.component_id, "x1000c0s9b0n0");
        assert_eq!(interface.ip_addresses[0].ip_address, "10.97.2.9");
        let again = adopt_as(&service, "x1000c0s8b0n0", None, "").await.unwrap_err();
        assert_eq!(again.code(), Code::AlreadyExists);
        assert!(again.message().contains("x1000c0s9b0n0"), "{again:?}");
    }

    #[tokio::test]
    async fn an_unknown_client_becomes_a_bmc_without_an_address_or_one_more_interface_of_a_node() {
        for xname in ["x1000c0s9b0", "x1000c0s0b0n0"] {
            let service = service().await;
            adopt_as(&service, xname, None, "").await.unwrap();
            let interface = service.store.state().smd.interface(&A).unwrap();
            assert_eq!(interface.component_id, xname);
            assert!(interface.ip_addresses.is_empty());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_adopted_changes_nothing() {
        let service = service().await;
        let before = service.store.state().applied_index();
        for (xname, nid, ip_address, field) in [
            ("x", None, "", "xname"),
            ("x1000c0s9b0n0", None, "here", "ip_address"),
            ("x1000c0s0b0n0", Some(7), "", "nid"),
        ] {
            let refused = adopt_as(&service, xname, nid, ip_address).await.unwrap_err();
            assert!(refused.message().starts_with(field), "{refused:?}");
        }
        // the world's second node has it: the component is not made either
        adopt_as(&service, "x1000c0s9b0n0", Some(9), "10.97.2.2")
            .await
            .unwrap_err();
        let state = service.store.state();
        assert!(state.smd.component(&"x1000c0s9b0n0".parse().unwrap()).is_none());
        assert!(state.smd.interface(&A).is_none() && state.applied_index() <= before + 1);
        let nobody = Request::new(AdoptUnknownClientRequest {
            mac: "02:09:09:09:09:77".into(),
            xname: "x1000c0s9b0n0".into(),
            ..AdoptUnknownClientRequest::default()
        });
        assert_eq!(
            service.adopt_unknown_client(nobody).await.unwrap_err().code(),
            Code::NotFound
        );
    }
}
