//! Makes an import's changes: some thousand objects a request, each request all or nothing.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use prost::Message;
use proto::smd::v1::bulk_patch_nid_request::ComponentNid;
use proto::smd::v1::component_patch_service_client::ComponentPatchServiceClient;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::node_map_service_client::NodeMapServiceClient;
use proto::smd::v1::power_map_service_client::PowerMapServiceClient;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;
use proto::smd::v1::{
    BulkPatchEnabledRequest, BulkPatchNidRequest, BulkPatchRoleRequest, BulkPatchSoftwareStatusRequest,
    Component, CreateComponentsRequest, CreateEthernetInterfaceRequest, CreateEthernetInterfacesRequest,
    EthernetInterface, Group, ListComponentsRequest, NodeMap, PatchComponentsResponse, PowerMap,
    PutNodeMapsRequest, PutPowerMapsRequest, RedfishEndpoint, RedfishEndpointPayload,
};
use rpc::client::ExactlyOnce;
use tonic::Response;

use super::components::{forced, is_forced};
use super::diff::{Change, Diff, revision};
use super::groups::moves;
use super::redfish_endpoints::payload;
use super::sets::Sets;
use crate::error::{CliError, Kind};

/// Objects of one request that creates.
const OBJECTS_PER_REQUEST: usize = 2000;
/// Objects of one request that changes: what changes hands must do so within one.
const CHANGES_PER_REQUEST: usize = 50_000;
/// Redfish endpoints of one request.
const ENDPOINTS_PER_REQUEST: usize = 1000;
/// Bytes of one request, half of what a change may have.
const BYTES_PER_REQUEST: usize = 4 << 20;

/// What is to be done, collection by collection.
#[derive(Default)]
pub(super) struct Work {
    pub(super) components: Diff<Component>,
    pub(super) interfaces: Diff<EthernetInterface>,
    pub(super) groups: Diff<Group>,
    pub(super) partitions: Diff<Group>,
    pub(super) node_maps: Diff<NodeMap>,
    pub(super) power_maps: Diff<PowerMap>,
    pub(super) endpoints: Diff<RedfishEndpoint>,
}

/// Does it. Changes come before what is new: a NID, an address or a member may be given up by one for another. Node maps come
/// before new components, which must not be given the NIDs that are promised there.
///
/// What was shown is what is done: every write has the revision that was seen as its condition, but for the patches of
/// components, before which all of them are looked at once more.
///
/// # Errors
/// At the first request that is refused, saying how far it came; all before it is done, and nothing of it.
pub(super) async fn apply(
    connection: &ExactlyOnce,
    work: Work,
    progress: &ProgressBar,
) -> Result<(), CliError> {
    let mut applying = Applying {
        connection: connection.clone(),
        progress,
    };
    let outcome = async {
        applying.change_components(&work.components.change).await?;
        applying.put_node_maps(work.node_maps).await?;
        applying.create_components(work.components.create).await?;
        applying.change_interfaces(work.interfaces.change).await?;
        applying.create_interfaces(work.interfaces.create).await?;
        progress.set_message("groups");
        applying
            .change_sets(Sets::groups(connection), &work.groups.change)
            .await?;
        applying
            .create_sets(Sets::groups(connection), work.groups.create)
            .await?;
        progress.set_message("partitions");
        applying
            .change_sets(Sets::partitions(connection), &work.partitions.change)
            .await?;
        applying
            .create_sets(Sets::partitions(connection), work.partitions.create)
            .await?;
        applying.put_power_maps(work.power_maps).await?;
        applying.change_endpoints(&work.endpoints.change).await?;
        applying.create_endpoints(&work.endpoints.create).await
    };
    outcome.await.map_err(|error: CliError| {
        let (done, all) = (progress.position(), progress.length().unwrap_or_default());
        let text = format!("{done} of {all} objects were imported, then: {error}");
        CliError::new(error.kind(), text).with_remedy("The same import again goes on from there.")
    })
}

struct Applying<'a> {
    connection: ExactlyOnce,
    progress: &'a ProgressBar,
}

impl Applying<'_> {
    fn done(&self, objects: usize) {
        self.progress.inc(objects as u64);
    }

    async fn change_components(&mut self, changes: &[Change<Component>]) -> Result<(), CliError> {
        self.progress.set_message("components, changed");
        self.check_unchanged(changes).await?;
        let patches = Patches::of(changes);
        self.overwrite(patches.forced).await?;
        let mut client = ComponentPatchServiceClient::new(self.connection.clone());
        for components in patches.nids.chunks(CHANGES_PER_REQUEST) {
            let components = components.to_vec();
            all_applied(client.bulk_patch_nid(BulkPatchNidRequest { components }).await?)?;
        }
        for ((role, sub_role), ids) in patches.roles {
            for ids in ids.chunks(CHANGES_PER_REQUEST) {
                let request = BulkPatchRoleRequest {
                    component_ids: ids.to_vec(),
                    role: role.clone(),
                    sub_role: sub_role.clone(),
                };
                all_applied(client.bulk_patch_role(request).await?)?;
            }
        }
        for (enabled, ids) in patches.enabled {
            for ids in ids.chunks(CHANGES_PER_REQUEST) {
                let request = BulkPatchEnabledRequest {
                    component_ids: ids.to_vec(),
                    enabled: Some(enabled),
                };
                all_applied(client.bulk_patch_enabled(request).await?)?;
            }
        }
        for (status, ids) in patches.software_statuses {
            for ids in ids.chunks(CHANGES_PER_REQUEST) {
                let request = BulkPatchSoftwareStatusRequest {
                    component_ids: ids.to_vec(),
                    software_status: Some(status.clone()),
                };
                all_applied(client.bulk_patch_software_status(request).await?)?;
            }
        }
        self.done(changes.len());
        Ok(())
    }

    /// Patches carry no condition: what was changed since it was shown is found by looking once more, right before.
    async fn check_unchanged(&mut self, changes: &[Change<Component>]) -> Result<(), CliError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut client = ComponentServiceClient::new(self.connection.clone());
        let now = client.list_components(ListComponentsRequest::default()).await?;
        let now: BTreeMap<String, u64> = now
            .into_inner()
            .components
            .into_iter()
            .map(|component| (component.id, revision(component.meta.as_ref())))
            .collect();
        let changed = changes.iter().find(|Change { before, .. }| {
            now.get(&before.id).copied() != Some(revision(before.meta.as_ref()))
        });
        match changed {
            Some(Change { before, .. }) => {
                let text = format!(
                    "{} was changed by somebody else since the difference was shown",
                    before.id
                );
                Err(CliError::new(Kind::Conflict, text))
            }
            None => Ok(()),
        }
    }

    /// Sets six fields of each at once, also those that stay as they were seen.
    async fn overwrite(&mut self, forced: Vec<(Component, u64)>) -> Result<(), CliError> {
        let mut client = ComponentServiceClient::new(self.connection.clone());
        for (components, if_revisions) in batches_at(forced, OBJECTS_PER_REQUEST) {
            let request = CreateComponentsRequest {
                components,
                if_revisions,
                force: true,
                ..CreateComponentsRequest::default()
            };
            client.create_components(request).await?;
        }
        Ok(())
    }

    /// Those with a NID first: one without is given the lowest that is free.
    async fn create_components(&mut self, components: Vec<Component>) -> Result<(), CliError> {
        self.progress.set_message("components");
        let (with, without): (Vec<_>, Vec<_>) = components
            .into_iter()
            .partition(|component| component.nid.is_some());
        let mut client = ComponentServiceClient::new(self.connection.clone());
        for components in batches(with, OBJECTS_PER_REQUEST).chain(batches(without, OBJECTS_PER_REQUEST)) {
            let count = components.len();
            let request = CreateComponentsRequest {
                components,
                as_given: true,
                if_revisions: vec![0; count], // what somebody made meanwhile is not taken for ours
                ..CreateComponentsRequest::default()
            };
            client.create_components(request).await?;
            self.done(count);
        }
        Ok(())
    }

    async fn change_interfaces(&mut self, changes: Vec<Change<EthernetInterface>>) -> Result<(), CliError> {
        self.progress.set_message("Ethernet interfaces, changed");
        let mut client = EthernetInterfaceServiceClient::new(self.connection.clone());
        let seen =
            |change: Change<EthernetInterface>| (sent(change.after), revision(change.before.meta.as_ref()));
        let changed = changes.into_iter().map(seen).collect();
        for (interfaces, if_revisions) in batches_at(changed, CHANGES_PER_REQUEST) {
            let count = interfaces.len();
            let request = CreateEthernetInterfacesRequest {
                interfaces,
                if_revisions,
                replace: true,
            };
            client.create_ethernet_interfaces(request).await?;
            self.done(count);
        }
        Ok(())
    }

    async fn create_interfaces(&mut self, interfaces: Vec<EthernetInterface>) -> Result<(), CliError> {
        self.progress.set_message("Ethernet interfaces");
        let mut client = EthernetInterfaceServiceClient::new(self.connection.clone());
        let interfaces = interfaces.into_iter().map(sent).collect();
        for interfaces in batches(interfaces, OBJECTS_PER_REQUEST) {
            let count = interfaces.len();
            let request = CreateEthernetInterfacesRequest {
                interfaces,
                ..CreateEthernetInterfacesRequest::default()
            };
            client.create_ethernet_interfaces(request).await?;
            self.done(count);
        }
        Ok(())
    }

    /// Members leave before they come into others: groups may exclude each other, and partitions do.
    async fn change_sets(&mut self, mut sets: Sets, changes: &[Change<Group>]) -> Result<(), CliError> {
        let mut at = Vec::with_capacity(changes.len());
        for Change { before, after } in changes {
            let seen = revision(before.meta.as_ref());
            let (ids, _) = moves(before, after);
            at.push(match ids.is_empty() {
                true => seen,
                false => sets.remove_members(&after.label, ids, seen).await?,
            });
        }
        for (Change { before, after }, mut at) in changes.iter().zip(at) {
            if before.description != after.description || before.tags != after.tags {
                at = sets.patch(after, at).await?;
            }
            let (_, ids) = moves(before, after);
            if !ids.is_empty() {
                sets.add_members(&after.label, ids, at).await?;
            }
            self.done(1);
        }
        Ok(())
    }

    async fn create_sets(&mut self, mut sets: Sets, groups: Vec<Group>) -> Result<(), CliError> {
        for group in groups {
            sets.create(group).await?;
            self.done(1);
        }
        Ok(())
    }

    async fn put_node_maps(&mut self, diff: Diff<NodeMap>) -> Result<(), CliError> {
        self.progress.set_message("node maps");
        let mut client = NodeMapServiceClient::new(self.connection.clone());
        let maps = diff.after(|map| map.meta.as_ref());
        for (node_maps, if_revisions) in batches_at(maps, CHANGES_PER_REQUEST) {
            let count = node_maps.len();
            let request = PutNodeMapsRequest {
                node_maps,
                if_revisions,
                ..PutNodeMapsRequest::default()
            };
            client.put_node_maps(request).await?;
            self.done(count);
        }
        Ok(())
    }

    async fn put_power_maps(&mut self, diff: Diff<PowerMap>) -> Result<(), CliError> {
        self.progress.set_message("power maps");
        let mut client = PowerMapServiceClient::new(self.connection.clone());
        let maps = diff.after(|map| map.meta.as_ref());
        for (power_maps, if_revisions) in batches_at(maps, OBJECTS_PER_REQUEST) {
            let count = power_maps.len();
            let request = PutPowerMapsRequest {
                power_maps,
                if_revisions,
            };
            client.put_power_maps(request).await?;
            self.done(count);
        }
        Ok(())
    }

    async fn change_endpoints(&mut self, changes: &[Change<RedfishEndpoint>]) -> Result<(), CliError> {
        self.progress.set_message("Redfish endpoints, changed");
        let mut client = RedfishEndpointServiceClient::new(self.connection.clone());
        for Change { before, after } in changes {
            let request = RedfishEndpointPayload {
                // What is not said of the last discovery stays, and whoever waits for the next one goes on.
                discovery_info: (after.discovery_info != before.discovery_info)
                    .then(|| after.discovery_info.clone())
                    .flatten(),
                if_revision: Some(revision(before.meta.as_ref())),
                ..payload(after)
            };
            client.update_redfish_endpoint(request).await?;
            self.done(1);
        }
        Ok(())
    }

    /// The endpoints alone: what is behind them is found by a discovery.
    async fn create_endpoints(&mut self, endpoints: &[RedfishEndpoint]) -> Result<(), CliError> {
        self.progress.set_message("Redfish endpoints");
        let mut client = RedfishEndpointServiceClient::new(self.connection.clone());
        for redfish_endpoints in batches(endpoints.iter().map(payload).collect(), ENDPOINTS_PER_REQUEST) {
            let count = redfish_endpoints.len();
            let request = RedfishEndpointPayload {
                redfish_endpoints,
                ..RedfishEndpointPayload::default()
            };
            client.create_redfish_endpoints(request).await?;
            self.done(count);
        }
        Ok(())
    }
}

fn sent(interface: EthernetInterface) -> CreateEthernetInterfaceRequest {
    CreateEthernetInterfaceRequest {
        mac_address: interface.mac_address,
        component_id: interface.component_id,
        description: interface.description,
        ip_addresses: interface.ip_addresses,
    }
}

/// Changes of components by what one request can set.
#[derive(Default)]
struct Patches {
    nids: Vec<ComponentNid>,
    /// By role and subrole.
    roles: BTreeMap<(String, String), Vec<String>>,
    enabled: BTreeMap<bool, Vec<String>>,
    software_statuses: BTreeMap<String, Vec<String>>,
    /// What `force` overwrites, and the revision that it was seen at.
    forced: Vec<(Component, u64)>,
}

impl Patches {
    fn of(changes: &[Change<Component>]) -> Self {
        let mut patches = Self::default();
        for change in changes {
            let Change { before, after } = change;
            let id = || after.id.clone();
            if after.nid != before.nid {
                patches.nids.push(ComponentNid {
                    id: id(),
                    nid: after.nid,
                });
            }
            let role = |component: &Component| (component.role.clone(), component.sub_role.clone());
            if role(after) != role(before) {
                patches.roles.entry(role(after)).or_default().push(id());
            }
            if let Some(enabled) = after.enabled.filter(|_| after.enabled != before.enabled) {
                patches.enabled.entry(enabled).or_default().push(id());
            }
            if after.software_status != before.software_status {
                let status = after.software_status.clone();
                patches.software_statuses.entry(status).or_default().push(id());
            }
            if is_forced(change) {
                patches
                    .forced
                    .push((forced(after), revision(before.meta.as_ref())));
            }
        }
        patches
    }
}

/// A component that was deleted meanwhile is the only one that can be refused.
fn all_applied(answer: Response<PatchComponentsResponse>) -> Result<(), CliError> {
    match answer.into_inner().refused.first() {
        None => Ok(()),
        Some(refused) => {
            let text = format!("{}: {}", refused.id, refused.reason);
            Err(CliError::new(Kind::Conflict, text))
        }
    }
}

/// At most `objects_max` objects and [`BYTES_PER_REQUEST`] bytes each, in their order.
fn batches<M: Message>(objects: Vec<M>, objects_max: usize) -> impl Iterator<Item = Vec<M>> {
    let mut objects = objects.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut batch = vec![objects.next()?];
        let mut bytes = batch[0].encoded_len();
        while batch.len() < objects_max {
            let fits = |next: &M| bytes + next.encoded_len() <= BYTES_PER_REQUEST;
            let Some(next) = objects.next_if(fits) else { break };
            bytes += next.encoded_len();
            batch.push(next);
        }
        Some(batch)
    })
}

/// [`batches`] of objects that each go with the revision that they were seen at.
pub(super) fn batches_at<M: Message>(
    objects: Vec<(M, u64)>,
    objects_max: usize,
) -> impl Iterator<Item = (Vec<M>, Vec<u64>)> {
    let (objects, revisions): (Vec<M>, Vec<u64>) = objects.into_iter().unzip();
    let mut revisions = revisions.into_iter();
    batches(objects, objects_max).map(move |batch| {
        let at = revisions.by_ref().take(batch.len()).collect();
        (batch, at)
    })
}

#[cfg(test)]
mod tests {
    use proto::http::v1::ObjectMeta;
    use proto::smd::v1::component::State;

    use super::*;

    fn interface(bytes: usize) -> EthernetInterface {
        EthernetInterface {
            description: "x".repeat(bytes),
            ..EthernetInterface::default()
        }
    }

    /// A change above 8 MiB is refused, however few objects it has.
    #[test]
    fn batches_are_bounded_in_objects_and_bytes() {
        let sizes = |objects: Vec<EthernetInterface>, max| -> Vec<usize> {
            batches(objects, max).map(|batch| batch.len()).collect()
        };
        assert_eq!(sizes(vec![interface(1); 5], 2), [2, 2, 1]);
        assert_eq!(
            sizes(vec![interface(3 << 20), interface(3 << 20), interface(9)], 9),
            [1, 2]
        );
        assert_eq!(
            sizes(vec![interface(9 << 20)], 9),
            [1],
            "the cluster says what it thinks of it"
        );
        assert!(sizes(Vec::new(), 9).is_empty());
    }

    /// However the requests are cut.
    #[test]
    fn every_object_goes_with_its_own_revision() {
        let objects = (0..5).map(|n| (interface(n), n as u64)).collect();
        for (batch, at) in batches_at(objects, 2) {
            let lengths: Vec<u64> = batch.iter().map(|one| one.description.len() as u64).collect();
            assert_eq!(lengths, at);
        }
    }

    /// One request for all components that get the same value, and none for what stays.
    #[test]
    fn changes_are_put_together_by_what_they_set() {
        let before = |id: &str| Component {
            id: id.into(),
            state: State::On.into(),
            role: "Compute".into(),
            nid: Some(1),
            enabled: Some(true),
            meta: Some(ObjectMeta {
                modified: Some(proto::http::v1::Change {
                    revision: 5,
                    ..Default::default()
                }),
                ..ObjectMeta::default()
            }),
            ..Component::default()
        };
        let change = |id: &str, with: fn(&mut Component)| {
            let mut after = before(id);
            with(&mut after);
            let before = before(id);
            Change { before, after }
        };
        let patches = Patches::of(&[
            change("a", |c| c.role = "Service".into()),
            change("b", |c| c.role = "Service".into()),
            change("c", |c| c.nid = Some(9)),
            change("d", |c| c.enabled = Some(false)),
            change("e", |c| c.state = State::Ready.into()),
            change("f", |c| c.software_status = "AdminUp".into()),
        ]);
        let service = ("Service".to_owned(), String::new());
        assert_eq!(
            patches.roles,
            [(service, vec!["a".to_owned(), "b".to_owned()])].into()
        );
        assert_eq!((patches.nids[0].id.as_str(), patches.nids[0].nid), ("c", Some(9)));
        assert_eq!(patches.enabled, [(false, vec!["d".to_owned()])].into());
        assert_eq!((patches.forced[0].0.id.as_str(), patches.forced[0].1), ("e", 5));
        assert_eq!(patches.software_statuses.len(), 1);
        let counts = (patches.nids.len(), patches.forced.len(), patches.roles.len());
        assert_eq!(counts, (1, 1, 1));
    }
}
