//! What is here, what would be refused, and the changes themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use indicatif::ProgressBar;
use proto::dhcp::v1::dhcp_policy_service_client::DhcpPolicyServiceClient;
use proto::dhcp::v1::subnet_service_client::SubnetServiceClient;
use proto::dhcp::v1::{
    DhcpPolicy, ListDhcpPoliciesRequest, ListSubnetsRequest, PutDhcpPolicyRequest, PutSubnetRequest, Subnet,
};
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{
    Component, CreateComponentsRequest, CreateEthernetInterfaceRequest, CreateEthernetInterfacesRequest,
    EthernetInterface, ListComponentsRequest, ListEthernetInterfacesRequest,
};
use rpc::client::ExactlyOnce;
use tonic::{Code, Request, Status};

use crate::connect::ANSWER_BYTES_MAX;
use crate::error::{CliError, Kind};
use crate::import::apply::batches_at;
use crate::import::diff::{Diff, revision};
use crate::import::trial::{only_tried, refuse_in_advance};

/// Objects of one request.
const OBJECTS_PER_REQUEST: usize = 2000;
/// Interfaces of one request that changes some: addresses that change hands must do so within one.
const CHANGES_PER_REQUEST: usize = 50_000;

/// What this cluster has of what an import touches.
pub(super) struct Here {
    pub(super) subnets: Vec<Subnet>,
    pub(super) policies: Vec<DhcpPolicy>,
    pub(super) components: Vec<Component>,
    pub(super) interfaces: Vec<EthernetInterface>,
}

impl Here {
    pub(super) async fn read(connection: &ExactlyOnce) -> Result<Here, CliError> {
        let components = ComponentServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .list_components(ListComponentsRequest::default())
            .await?;
        let interfaces = EthernetInterfaceServiceClient::new(connection.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .list_ethernet_interfaces(ListEthernetInterfacesRequest::default())
            .await?;
        Ok(Here {
            subnets: list_subnets(connection).await?,
            policies: list_policies(connection).await?,
            components: components.into_inner().components,
            interfaces: interfaces.into_inner().interfaces,
        })
    }
}

pub(super) async fn list_subnets(connection: &ExactlyOnce) -> Result<Vec<Subnet>, CliError> {
    let listed = SubnetServiceClient::new(connection.clone())
        .max_decoding_message_size(ANSWER_BYTES_MAX)
        .list_subnets(ListSubnetsRequest {})
        .await?;
    Ok(listed.into_inner().subnets)
}

/// None on a member of an older version.
pub(super) async fn list_policies(connection: &ExactlyOnce) -> Result<Vec<DhcpPolicy>, CliError> {
    let listed = DhcpPolicyServiceClient::new(connection.clone())
        .max_decoding_message_size(ANSWER_BYTES_MAX)
        .list_dhcp_policies(ListDhcpPoliciesRequest {})
        .await;
    match listed {
        Ok(listed) => Ok(listed.into_inner().policies),
        Err(status) if status.code() == Code::Unimplemented => Ok(Vec::new()),
        Err(status) => Err(status.into()),
    }
}

/// What is to be done.
#[derive(Default)]
pub(super) struct Work {
    pub(super) components: Diff<Component>,
    pub(super) interfaces: Diff<EthernetInterface>,
    pub(super) policies: Diff<DhcpPolicy>,
    pub(super) subnets: Diff<Subnet>,
}

/// Asks the cluster what it would say to each object; what it would refuse is told with the rest, before anything is stored.
///
/// # Errors
/// When the cluster cannot be asked.
pub(super) async fn try_out(connection: &ExactlyOnce, work: &mut Work) -> Result<(), CliError> {
    let ask = async |subnet, _| put_subnet(connection, only_tried(subnet_request(subnet))).await;
    let id = |subnet: &Subnet| subnet.network.clone();
    refuse_in_advance(&mut work.subnets, id, |_| 0, ask).await?;
    let ask = async |policy, _| put_policy(connection, only_tried(policy_request(policy))).await;
    let id = |policy: &DhcpPolicy| policy.name.clone();
    refuse_in_advance(&mut work.policies, id, |_| 0, ask).await?;
    let ask = async |component, _| {
        let request = only_tried(components_request(vec![component]));
        create_components(connection, request).await
    };
    let id = |component: &Component| component.id.clone();
    refuse_in_advance(&mut work.components, id, |_| 0, ask).await?;
    try_interfaces(connection, &mut work.interfaces).await
}

/// Usually all are taken, and one request says so. Otherwise each is asked for by itself, with those that it takes addresses from.
async fn try_interfaces(
    connection: &ExactlyOnce,
    diff: &mut Diff<EthernetInterface>,
) -> Result<(), CliError> {
    let mut all_taken = true;
    for request in interface_requests(diff) {
        all_taken &= match put_interfaces(connection, only_tried(request)).await {
            Ok(()) => true,
            Err(status) if is_about_objects(status.code()) => false,
            Err(status) => return Err(status.into()),
        };
    }
    if all_taken {
        return Ok(());
    }
    let givers = Givers::of(diff);
    let ask = async |interface: EthernetInterface, seen| {
        let mut together = givers.of_interface(&interface);
        together.insert(interface.id.clone(), (interface, seen));
        let together: Vec<_> = together.into_values().collect();
        let request = interfaces_request(&together);
        put_interfaces(connection, only_tried(request)).await
    };
    let id = |interface: &EthernetInterface| interface.id.clone();
    let seen = |before: &EthernetInterface| revision(before.meta.as_ref());
    refuse_in_advance(diff, id, seen, ask).await
}

fn is_about_objects(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::ResourceExhausted
    )
}

/// Who gives up which address in this import.
struct Givers {
    /// Interfaces that change, as they are to be, with the revision that they were seen at.
    changes: BTreeMap<String, (EthernetInterface, u64)>,
    /// Which of them has an address now.
    holders: BTreeMap<IpAddr, String>,
}

impl Givers {
    fn of(diff: &Diff<EthernetInterface>) -> Givers {
        let changes = diff.change.iter().map(|change| {
            let seen = revision(change.before.meta.as_ref());
            (change.after.id.clone(), (change.after.clone(), seen))
        });
        let held = diff.change.iter().flat_map(|change| {
            addresses(&change.before)
                .into_iter()
                .map(move |ip| (ip, change.before.id.clone()))
        });
        Givers {
            changes: changes.collect(),
            holders: held.collect(),
        }
    }

    /// Those that must change with `interface`, and those that must change with them.
    fn of_interface(&self, interface: &EthernetInterface) -> BTreeMap<String, (EthernetInterface, u64)> {
        let mut found: BTreeMap<String, (EthernetInterface, u64)> = BTreeMap::new();
        let mut seen = BTreeSet::from([interface.id.clone()]);
        let mut queue = addresses(interface);
        while let Some(address) = queue.pop() {
            let holder = self.holders.get(&address).filter(|id| !seen.contains(*id));
            let Some((id, change)) = holder.and_then(|id| Some((id, self.changes.get(id)?))) else {
                continue;
            };
            seen.insert(id.clone());
            queue.extend(addresses(&change.0));
            found.insert(id.clone(), change.clone());
        }
        found
    }
}

fn addresses(interface: &EthernetInterface) -> Vec<IpAddr> {
    let mappings = interface.ip_addresses.iter();
    mappings
        .filter_map(|mapping| mapping.ip_address.parse().ok())
        .collect()
}

/// Does it. Subnets come last: a node must be known before strangers are answered on its network.
///
/// # Errors
/// At the first request that is refused, saying how far it came; all before it is done, and nothing of it.
pub(super) async fn apply(
    connection: &ExactlyOnce,
    work: Work,
    progress: &ProgressBar,
) -> Result<(), CliError> {
    let outcome = do_all(connection, work, progress).await;
    outcome.map_err(|error| {
        let (done, all) = (progress.position(), progress.length().unwrap_or_default());
        let text = format!("{done} of {all} objects were imported, then: {error}");
        CliError::new(error.kind(), text).with_remedy("The same import again goes on from there.")
    })
}

async fn do_all(connection: &ExactlyOnce, work: Work, progress: &ProgressBar) -> Result<(), CliError> {
    progress.set_message("components");
    for components in work.components.create.chunks(OBJECTS_PER_REQUEST) {
        create_components(connection, Request::new(components_request(components.to_vec()))).await?;
        progress.inc(components.len() as u64);
    }
    progress.set_message("Ethernet interfaces");
    for request in interface_requests(&work.interfaces) {
        let count = request.interfaces.len() as u64;
        put_interfaces(connection, Request::new(request)).await?;
        progress.inc(count);
    }
    progress.set_message("DHCP policies");
    for (policy, _) in work.policies.after(|policy| policy.meta.as_ref()) {
        put_policy(connection, Request::new(policy_request(policy))).await?;
        progress.inc(1);
    }
    progress.set_message("subnets");
    check_unchanged(connection, &work.subnets).await?;
    for (subnet, _) in work.subnets.after(|subnet| subnet.meta.as_ref()) {
        put_subnet(connection, Request::new(subnet_request(subnet))).await?;
        progress.inc(1);
    }
    Ok(())
}

/// A put of a subnet has no condition: what was changed since it was shown is found by looking once more, right before.
async fn check_unchanged(connection: &ExactlyOnce, diff: &Diff<Subnet>) -> Result<(), CliError> {
    let now = list_subnets(connection).await?;
    let at = |network: &str| {
        let found = now.iter().find(|subnet| subnet.network == network);
        found.map_or(0, |subnet| revision(subnet.meta.as_ref()))
    };
    let changed = diff.change.iter();
    let changed = changed.map(|change| (&change.before.network, revision(change.before.meta.as_ref())));
    let new = diff.create.iter().map(|subnet| (&subnet.network, 0));
    let mut all = changed.chain(new);
    match all.find(|(network, seen)| at(network) != *seen) {
        None => Ok(()),
        Some((network, _)) => {
            let text = format!("{network} was changed by somebody else since the difference was shown");
            Err(CliError::new(Kind::Conflict, text))
        }
    }
}

/// Changed ones first, all in one request if they fit: an address may go from one to the other. Each with the revision that it was
/// seen at: nobody's change is lost.
fn interface_requests(diff: &Diff<EthernetInterface>) -> Vec<CreateEthernetInterfacesRequest> {
    let changed = diff.change.iter();
    let changed = changed.map(|change| (sent(&change.after), revision(change.before.meta.as_ref())));
    let new = diff.create.iter().map(|new| (sent(new), 0));
    batches_at(changed.chain(new).collect(), CHANGES_PER_REQUEST)
        .map(|(interfaces, if_revisions)| CreateEthernetInterfacesRequest {
            interfaces,
            if_revisions,
            replace: true,
        })
        .collect()
}

fn interfaces_request(together: &[(EthernetInterface, u64)]) -> CreateEthernetInterfacesRequest {
    CreateEthernetInterfacesRequest {
        if_revisions: together.iter().map(|(_, seen)| *seen).collect(),
        interfaces: together.iter().map(|(interface, _)| sent(interface)).collect(),
        replace: true,
    }
}

fn sent(interface: &EthernetInterface) -> CreateEthernetInterfaceRequest {
    CreateEthernetInterfaceRequest {
        mac_address: interface.mac_address.clone(),
        component_id: interface.component_id.clone(),
        description: interface.description.clone(),
        ip_addresses: interface.ip_addresses.clone(),
    }
}

/// What somebody made meanwhile is not taken for ours.
fn components_request(components: Vec<Component>) -> CreateComponentsRequest {
    CreateComponentsRequest {
        if_revisions: vec![0; components.len()],
        components,
        ..CreateComponentsRequest::default()
    }
}

fn subnet_request(subnet: Subnet) -> PutSubnetRequest {
    let subnet = Subnet {
        meta: None,
        longest_lease_time_s: 0, // the cluster's own
        ..subnet
    };
    PutSubnetRequest { subnet: Some(subnet) }
}

fn policy_request(policy: DhcpPolicy) -> PutDhcpPolicyRequest {
    let policy = DhcpPolicy { meta: None, ..policy };
    PutDhcpPolicyRequest { policy: Some(policy) }
}

async fn put_subnet(connection: &ExactlyOnce, request: Request<PutSubnetRequest>) -> Result<(), Status> {
    let mut client = SubnetServiceClient::new(connection.clone());
    client.put_subnet(request).await.map(drop)
}

async fn put_policy(connection: &ExactlyOnce, request: Request<PutDhcpPolicyRequest>) -> Result<(), Status> {
    let mut client = DhcpPolicyServiceClient::new(connection.clone());
    client.put_dhcp_policy(request).await.map(drop)
}

async fn create_components(
    connection: &ExactlyOnce,
    request: Request<CreateComponentsRequest>,
) -> Result<(), Status> {
    let mut client = ComponentServiceClient::new(connection.clone());
    client.create_components(request).await.map(drop)
}

async fn put_interfaces(
    connection: &ExactlyOnce,
    request: Request<CreateEthernetInterfacesRequest>,
) -> Result<(), Status> {
    let mut client = EthernetInterfaceServiceClient::new(connection.clone());
    client.create_ethernet_interfaces(request).await.map(drop)
}

#[cfg(test)]
mod tests {
    use proto::http::v1::ObjectMeta;
    use proto::smd::v1::IpAddressMapping;

    use super::*;
    use crate::import::diff::Change;

    fn interface(id: &str, ip: &str, at: u64) -> EthernetInterface {
        EthernetInterface {
            id: id.to_owned(),
            mac_address: id.to_owned(),
            ip_addresses: vec![IpAddressMapping {
                ip_address: ip.to_owned(),
                network: String::new(),
            }],
            meta: Some(ObjectMeta {
                modified: Some(proto::http::v1::Change {
                    revision: at,
                    ..proto::http::v1::Change::default()
                }),
                ..ObjectMeta::default()
            }),
            ..EthernetInterface::default()
        }
    }

    fn change(id: &str, from: &str, to: &str, at: u64) -> Change<EthernetInterface> {
        Change {
            before: interface(id, from, at),
            after: interface(id, to, at),
        }
    }

    /// `a` -> `b` -> `c` -> `a`, and `d` takes what `a` gives up; `e` has nothing to do with them.
    #[test]
    fn an_interface_is_tried_out_with_those_that_it_takes_addresses_from() {
        let diff = Diff {
            change: vec![
                change("a", "10.0.0.1", "10.0.0.2", 1),
                change("b", "10.0.0.2", "10.0.0.3", 2),
                change("c", "10.0.0.3", "10.0.0.4", 3),
                change("e", "10.0.0.8", "10.0.0.9", 5),
            ],
            create: vec![interface("d", "10.0.0.1", 0)],
            ..Diff::default()
        };
        let givers = Givers::of(&diff);
        let with = |of: &EthernetInterface| givers.of_interface(of).into_keys().collect::<Vec<_>>().join("");
        assert_eq!(with(&diff.create[0]), "abc");
        assert_eq!(with(&diff.change[0].after), "bc");
        assert_eq!(with(&diff.change[2].after), "");
        assert_eq!(with(&diff.change[3].after), "");
    }

    /// All changes go with the new ones, so that what changes hands does so at once; each at its own revision.
    #[test]
    fn one_request_has_all_changes_and_the_revisions_that_were_seen() {
        let diff = Diff {
            change: vec![change("a", "10.0.0.1", "10.0.0.2", 7)],
            create: vec![interface("d", "10.0.0.1", 0)],
            ..Diff::default()
        };
        let requests = interface_requests(&diff);
        assert_eq!((requests.len(), &requests[0].if_revisions), (1, &vec![7, 0]));
        assert!(requests[0].replace);
    }

    #[test]
    fn what_is_the_clusters_own_is_not_sent() {
        let subnet = Subnet {
            longest_lease_time_s: 7,
            meta: Some(ObjectMeta::default()),
            ..Subnet::default()
        };
        assert_eq!(subnet_request(subnet).subnet, Some(Subnet::default()));
        assert_eq!(
            components_request(vec![Component::default(); 2]).if_revisions,
            [0, 0]
        );
    }
}
