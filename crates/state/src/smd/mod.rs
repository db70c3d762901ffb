//! SMD's part of the state: components, Ethernet interfaces, groups and partitions, Redfish endpoints and what is behind
//! them, locks and reservations, defaults of nodes, power supplies, subscriptions, hardware.

mod change_endpoints;
mod change_groups;
mod component_endpoints;
mod components;
mod create_components;
mod create_ethernet_interfaces;
mod discovery;
mod endpoint_address;
mod endpoint_queries;
mod ethernet_interfaces;
mod found_hardware;
mod found_interfaces;
mod groups;
mod hardware;
mod hardware_frus;
mod hardware_history;
mod hardware_queries;
mod ip_addresses;
mod lock_enforcement;
mod locks;
mod members;
mod nids;
mod node_maps;
mod obstacles;
mod partitions;
mod patch_components;
mod power_maps;
mod redfish_endpoints;
mod reservation_keys;
mod reservations;
mod service_endpoints;
mod subscriptions;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use model::{MacAddr, Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::smd_command::{Change, DeleteComponents};
use proto::smd::v1::{
    Component, ComponentReservation, EthernetInterface, Group, NodeMap, Partition, PowerMap, ScnSubscription,
    SmdCommand,
};

pub use self::hardware_frus::fru_id_of_place;
pub use self::lock_enforcement::lock_enforcement;
pub use self::redfish_endpoints::{DISCOVERY_STATUSES, password_name};
pub use self::reservation_keys::{Grant, ReservationKeys, key_sha256};

pub(crate) use self::lock_enforcement::check_lock_enforcement;
pub(crate) use self::redfish_endpoints::may_be_endpoint;

use self::component_endpoints::ComponentEndpoints;
use self::components::Components;
use self::ethernet_interfaces::EthernetInterfaces;
use self::groups::Groups;
use self::hardware::Hardware;
use self::lock_enforcement::Holds;
use self::node_maps::NodeMaps;
use self::partitions::Partitions;
use self::power_maps::PowerMaps;
use self::redfish_endpoints::RedfishEndpoints;
use self::reservations::Reservations;
use self::service_endpoints::ServiceEndpoints;
use self::subscriptions::Subscriptions;
use crate::apply::no_command;
use crate::bounds::check_ids;
use crate::changes::Changes;
use crate::cluster::{Cluster, FEATURE_LEVEL_DISCOVERY, FEATURE_LEVEL_FIRST, FEATURE_LEVEL_INVENTORY};
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Components and what is known of them, found by xname, NID, MAC, address, label, name, member and FQDN.
#[derive(Clone, Default)]
pub struct Smd {
    components: Components,
    interfaces: EthernetInterfaces,
    groups: Groups,
    partitions: Partitions,
    node_maps: NodeMaps,
    power_maps: PowerMaps,
    reservations: Reservations,
    subscriptions: Subscriptions,
    redfish_endpoints: RedfishEndpoints,
    component_endpoints: ComponentEndpoints,
    service_endpoints: ServiceEndpoints,
    hardware: Hardware,
}

impl Smd {
    /// A component by its xname.
    pub fn component(&self, id: &Xname) -> Option<Arc<Component>> {
        self.components.get(id).cloned()
    }

    /// Every component, sorted by xname.
    pub fn components(&self) -> impl Iterator<Item = &Arc<Component>> {
        self.components.iter()
    }

    /// The owner of a NID.
    pub fn component_by_nid(&self, nid: u64) -> Option<Arc<Component>> {
        self.components.by_nid(nid).cloned()
    }

    /// As [`Smd::components`], those after an xname if one is given.
    pub fn components_after(&self, xname: Option<&Xname>) -> impl Iterator<Item = &Arc<Component>> {
        self.components.after(xname)
    }

    /// The component `place`, if there is one, and every component below it, sorted by xname.
    pub fn components_below(&self, place: &Xname) -> impl Iterator<Item = &Arc<Component>> {
        self.components.below(place)
    }

    /// Owners of the NIDs in a range, sorted by NID.
    pub fn components_by_nids(
        &self,
        nids: std::ops::RangeInclusive<u64>,
    ) -> impl Iterator<Item = &Arc<Component>> {
        self.components.by_nids(nids)
    }

    /// An interface by its MAC.
    pub fn interface(&self, mac: &MacAddr) -> Option<Arc<EthernetInterface>> {
        self.interfaces.get(mac).cloned()
    }

    /// Every interface, sorted by MAC.
    pub fn interfaces(&self) -> impl Iterator<Item = &Arc<EthernetInterface>> {
        self.interfaces.iter()
    }

    /// As [`Smd::interfaces`], those after a MAC if one is given.
    pub fn interfaces_after(&self, mac: Option<&MacAddr>) -> impl Iterator<Item = &Arc<EthernetInterface>> {
        self.interfaces.after(mac)
    }

    /// The interface that has an address. If interfaces have it in different networks, none is meant: whoever asks
    /// for a node's identity must not be given another node's.
    pub fn interface_by_ip(&self, ip: IpAddr) -> Option<Arc<EthernetInterface>> {
        self.interfaces.by_ip(ip).cloned()
    }

    /// Every interface that has an address, in whichever network.
    pub fn interfaces_by_ip(&self, ip: IpAddr) -> impl Iterator<Item = &Arc<EthernetInterface>> {
        self.interfaces.all_by_ip(ip)
    }

    /// The addresses in a range that any interface has, each once, sorted; IPv4 comes before IPv6.
    pub fn ips(&self, range: std::ops::RangeInclusive<IpAddr>) -> impl Iterator<Item = IpAddr> {
        self.interfaces.ips(range)
    }

    /// The interfaces of a component, sorted by MAC.
    pub fn interfaces_of<'a>(
        &'a self,
        component: &Xname,
    ) -> impl Iterator<Item = &'a Arc<EthernetInterface>> + use<'a> {
        self.interfaces.of(component)
    }

    /// A group by its label.
    pub fn group(&self, label: &str) -> Option<Arc<Group>> {
        self.groups.get(label).cloned()
    }

    /// Every group, sorted by label.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.iter()
    }

    /// As [`Smd::groups`], those after a label if one is given.
    pub fn groups_after(&self, label: Option<&String>) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.after(label)
    }

    /// Labels of the groups that a component is a member of, sorted. One look-up, however many groups there are.
    pub fn group_labels_of<'a>(
        &'a self,
        component: &Xname,
    ) -> impl ExactSizeIterator<Item = &'a str> + Clone + use<'a> {
        self.groups.labels_of(component.as_str())
    }

    /// Every component with the labels of its groups, those after an xname if one is given; sorted by xname, and the
    /// labels are sorted, too.
    pub fn components_with_groups_after(
        &self,
        xname: Option<&Xname>,
    ) -> impl Iterator<Item = (&Arc<Component>, impl ExactSizeIterator<Item = &str> + Clone)> {
        self.components
            .after(xname)
            .map(|component| (component, self.groups.labels_of(&component.id)))
    }

    /// A partition by its name.
    pub fn partition(&self, name: &str) -> Option<Arc<Partition>> {
        self.partitions.get(name).cloned()
    }

    /// Every partition, sorted by name.
    pub fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions.iter()
    }

    /// As [`Smd::partitions`], those after a name if one is given.
    pub fn partitions_after(&self, name: Option<&String>) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions.after(name)
    }

    /// Name of the partition that a component is in. One look-up, however many partitions there are.
    pub fn partition_of(&self, component: &str) -> Option<&str> {
        self.partitions.name_of(component)
    }

    /// The reservation of a component, unless it has ended by `time_ms`, cluster time.
    pub fn reservation(&self, component: &Xname, time_ms: u64) -> Option<Arc<ComponentReservation>> {
        self.reservations.live(component, time_ms).cloned()
    }

    /// What a node is given at its creation.
    pub fn node_map(&self, node: &Xname) -> Option<Arc<NodeMap>> {
        self.node_maps.get(node).cloned()
    }

    /// What nodes are given at their creation, sorted by xname.
    pub fn node_maps(&self) -> impl Iterator<Item = &Arc<NodeMap>> {
        self.node_maps.iter()
    }

    /// As [`Smd::node_maps`], those after an xname if one is given.
    pub fn node_maps_after(&self, node: Option<&Xname>) -> impl Iterator<Item = &Arc<NodeMap>> {
        self.node_maps.after(node)
    }

    /// Where a component gets its power from.
    pub fn power_map(&self, id: &Xname) -> Option<Arc<PowerMap>> {
        self.power_maps.get(id).cloned()
    }

    /// Where components get their power from, sorted by xname.
    pub fn power_maps(&self) -> impl Iterator<Item = &Arc<PowerMap>> {
        self.power_maps.iter()
    }

    /// As [`Smd::power_maps`], those after an xname if one is given.
    pub fn power_maps_after(&self, id: Option<&Xname>) -> impl Iterator<Item = &Arc<PowerMap>> {
        self.power_maps.after(id)
    }

    /// A subscription by its id.
    pub fn subscription(&self, id: u64) -> Option<Arc<ScnSubscription>> {
        self.subscriptions.get(id).cloned()
    }

    /// Who is told of state changes, sorted by id.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Arc<ScnSubscription>> {
        self.subscriptions.iter()
    }

    /// `secrets` holds the passwords of Redfish endpoints.
    pub(crate) fn apply(
        &mut self,
        command: &SmdCommand,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let change = command.change.as_ref().ok_or_else(no_command)?;
        let applied = self.change(change, secrets, at, changes)?;
        self.reservations.sweep(at.time_ms, changes);
        Ok(applied)
    }

    fn change(
        &mut self,
        change: &Change,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let holds = Holds::of(at, &self.reservations);
        match change {
            Change::CreateComponents(create) => {
                self.components
                    .create(create, &self.node_maps, &holds, at, changes)
            }
            Change::PatchState(patch) => self.components.patch_state(patch, at, changes),
            Change::DeleteComponents(delete) => self.delete_components(delete, at, changes),
            Change::CreateEthernetInterface(create) => self.interfaces.create(create, at, changes),
            Change::CreateEthernetInterfaces(create) => self.interfaces.create_all(create, at, changes),
            Change::PatchEthernetInterface(patch) => self.interfaces.patch(patch, at, changes),
            Change::DeleteEthernetInterfaces(delete) => self.interfaces.delete(delete, changes),
            Change::AddIpAddress(add) => self.interfaces.add_ip(add, at, changes),
            Change::PatchIpAddress(patch) => self.interfaces.patch_ip(patch, at, changes),
            Change::DeleteIpAddress(delete) => self.interfaces.delete_ip(delete, at, changes),
            Change::CreateGroup(create) => self.groups.create(create, &self.components, at, changes),
            Change::PatchGroup(patch) => self.groups.patch(patch, at, changes),
            Change::DeleteGroup(delete) => self.groups.delete(delete, changes),
            Change::AddGroupMember(add) => self.groups.add_members(add, &self.components, at, changes),
            Change::ReplaceGroupMembers(replace) => {
                self.groups
                    .replace_members(replace, &self.components, at, changes)
            }
            Change::RemoveGroupMember(remove) => self.groups.remove_members(remove, at, changes),
            Change::PatchComponents(patch) => self.components.patch_all(patch, &holds, at, changes),
            Change::SetNids(set) => self.components.set_nids(set, &holds, at, changes),
            Change::StoreDiscovery(store) => self.store_discovery(store, secrets, at, changes),
            Change::PatchRedfishEndpoint(patch) => self.patch_redfish_endpoint(patch, secrets, at, changes),
            Change::DeleteRedfishEndpoints(delete) => {
                self.delete_redfish_endpoints(delete, secrets, at, changes)
            }
            Change::DeleteComponentEndpoints(delete) => self.delete_component_endpoints(delete, at, changes),
            Change::DeleteServiceEndpoints(delete) => self.service_endpoints.delete(delete, changes),
            Change::RequestDiscovery(request) => self.request_discovery(request, at, changes),
            Change::SetLocks(set) => self
                .components
                .set_locks(set, &mut self.reservations, at, changes),
            Change::Reserve(reserve) => self.reservations.reserve(reserve, &self.components, at, changes),
            Change::RemoveReservations(remove) => self.reservations.remove_all(remove, at, changes),
            Change::ReleaseReservations(release) => self.reservations.release(release, at, changes),
            Change::RenewReservations(renew) => self.reservations.renew(renew, at, changes),
            Change::CreatePartition(create) => self.partitions.create(create, &self.components, at, changes),
            Change::PatchPartition(patch) => self.partitions.patch(patch, at, changes),
            Change::DeletePartition(delete) => self.partitions.delete(delete, changes),
            Change::AddPartitionMember(add) => {
                self.partitions.add_members(add, &self.components, at, changes)
            }
            Change::RemovePartitionMember(remove) => self.partitions.remove_members(remove, at, changes),
            Change::PutNodeMaps(put) => self.node_maps.put_all(put, at, changes),
            Change::DeleteNodeMaps(delete) => self.node_maps.delete(delete, changes),
            Change::PutPowerMaps(put) => self.power_maps.put_all(put, at, changes),
            Change::DeletePowerMaps(delete) => self.power_maps.delete(delete, changes),
            Change::PutScnSubscription(put) => self.subscriptions.put(put, at, changes),
            Change::PatchScnSubscription(patch) => self.subscriptions.patch(patch, at, changes),
            Change::DeleteScnSubscriptions(delete) => self.subscriptions.delete(delete, changes),
            Change::AdvanceScnCursors(advance) => self.subscriptions.advance(advance, at, changes),
            Change::PutHardware(put) => self.hardware.put(put, at, changes),
            Change::DeleteHardware(delete) => self.hardware.delete(delete, at, changes),
            Change::DeleteHardwareFrus(delete) => self.hardware.delete_frus(delete, at, changes),
            Change::DeleteHardwareHistory(delete) => self.hardware.history.delete(delete, changes),
        }
    }

    /// A component that is gone leaves its groups and its partition, and nobody has it reserved; its interfaces stay, as
    /// in SMD.
    fn delete_components(
        &mut self,
        delete: &DeleteComponents,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let holds = Holds::of(at, &self.reservations);
        let gone = self.components.delete(delete, &holds, changes)?;
        self.groups.forget(&gone, at, changes);
        self.partitions.forget(&gone, at, changes);
        self.reservations.forget(&gone, changes);
        Ok(deleted(gone.iter().map(Xname::to_string)))
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let components = self
            .components
            .iter()
            .map(|component| component.as_ref().clone().into_row());
        let interfaces = self
            .interfaces
            .iter()
            .map(|interface| interface.as_ref().clone().into_row());
        components
            .chain(interfaces)
            .chain(rows_of(self.groups.iter()))
            .chain(self.endpoint_rows())
            .chain(self.hardware_rows())
            .chain(rows_of(self.partitions.iter()))
            .chain(rows_of(self.node_maps.iter()))
    }

    /// The rows that come after those of other services.
    pub(crate) fn later_rows(&self) -> impl Iterator<Item = Row> + '_ {
        rows_of(self.power_maps.iter())
            .chain(rows_of(self.reservations.iter()))
            .chain(rows_of(self.subscriptions.iter()))
            .chain(self.hardware_history_rows())
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let components = self.components.iter().cloned().map(Object::Component);
        let interfaces = self.interfaces.iter().cloned().map(Object::EthernetInterface);
        components
            .chain(interfaces)
            .chain(self.groups.iter().cloned().map(Object::Group))
            .chain(self.endpoint_objects())
            .chain(self.hardware_objects())
            .chain(self.partitions.iter().cloned().map(Object::Partition))
            .chain(self.node_maps.iter().cloned().map(Object::NodeMap))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let text = || std::str::from_utf8(key.key()).ok();
        match key.kind() {
            RowKind::Component => row_of(self.components.get(&xname_of_key(key)?)),
            RowKind::EthernetInterface => row_of(self.interfaces.get(&text()?.parse().ok()?)),
            RowKind::Group => row_of(self.groups.get(text()?)),
            RowKind::Partition => row_of(self.partitions.get(text()?)),
            RowKind::NodeMap => row_of(self.node_maps.get(&xname_of_key(key)?)),
            RowKind::PowerMap => row_of(self.power_maps.get(&xname_of_key(key)?)),
            RowKind::ComponentReservation => row_of(self.reservations.stored(&xname_of_key(key)?)),
            RowKind::ScnSubscription => {
                let id = u64::from_be_bytes(key.key().try_into().ok()?);
                row_of(self.subscriptions.get(id))
            }
            RowKind::HardwareLocation | RowKind::HardwareFru | RowKind::HardwareHistory => {
                self.hardware_row(key)
            }
            _ => self.endpoint_row(key),
        }
    }

    pub(crate) fn load_component(
        &mut self,
        row: Component,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.components.load(row, changes)
    }

    pub(crate) fn load_interface(
        &mut self,
        row: EthernetInterface,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.interfaces.load(row, changes)
    }

    pub(crate) fn load_group(&mut self, row: Group, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.groups.load(row, changes)
    }

    pub(crate) fn load_partition(
        &mut self,
        row: Partition,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.partitions.load(row, changes)
    }

    pub(crate) fn load_node_map(&mut self, row: NodeMap, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.node_maps.load(row, changes)
    }

    pub(crate) fn load_power_map(
        &mut self,
        row: PowerMap,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.power_maps.load(row, changes)
    }

    pub(crate) fn load_reservation(
        &mut self,
        row: ComponentReservation,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.reservations.load(row, changes)
    }

    pub(crate) fn load_subscription(
        &mut self,
        row: ScnSubscription,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.subscriptions.load(row, changes)
    }

    /// Checks between rows of several kinds, once all are loaded.
    pub(crate) fn check_loaded(&self) -> Result<(), SnapshotError> {
        self.groups.check_loaded(&self.components)?;
        self.hardware.check_loaded()?;
        self.partitions.check_loaded(&self.components)?;
        self.reservations.check_loaded(&self.components)?;
        self.component_endpoints.check_loaded(&self.redfish_endpoints)?;
        self.service_endpoints.check_loaded(&self.redfish_endpoints)
    }
}

fn rows_of<'a, R: Record + 'a>(objects: impl Iterator<Item = &'a Arc<R>>) -> impl Iterator<Item = Row> {
    objects.map(|object| object.as_ref().clone().into_row())
}

fn row_of<R: Record>(object: Option<&Arc<R>>) -> Option<Row> {
    object.map(|object| object.as_ref().clone().into_row())
}

/// The objects that a delete means; one that does not exist refuses them all, and so does "all" of none.
fn ids_to_delete<R: Record<Key = Xname>>(
    kind: &str,
    given: &[String],
    all: bool,
    table: &Table<R>,
) -> Result<BTreeSet<Xname>, Rejection> {
    let ids: BTreeSet<Xname> = if all {
        table.keys().cloned().collect()
    } else {
        check_ids("ids", given.len())?;
        let parse = |text: &String| text.parse().map_err(|e| Rejection::invalid("ids", e));
        given.iter().map(parse).collect::<Result<_, _>>()?
    };
    if ids.is_empty() {
        return Err(Rejection::not_found(kind, "there are none"));
    }
    match ids.iter().find(|id| table.get(id).is_none()) {
        Some(missing) => Err(Rejection::not_found(kind, missing)),
        None => Ok(ids),
    }
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(command: &SmdCommand) -> u32 {
    if command.change.as_ref().is_some_and(empties_places) {
        return FEATURE_LEVEL_DISCOVERY;
    }
    if command.change.as_ref().is_some_and(says_more) {
        return FEATURE_LEVEL_INVENTORY;
    }
    match &command.change {
        None
        | Some(
            Change::CreateComponents(_)
            | Change::PatchState(_)
            | Change::DeleteComponents(_)
            | Change::CreateEthernetInterface(_)
            | Change::PatchEthernetInterface(_)
            | Change::DeleteEthernetInterfaces(_)
            | Change::AddIpAddress(_)
            | Change::PatchIpAddress(_)
            | Change::DeleteIpAddress(_)
            | Change::CreateGroup(_)
            | Change::PatchGroup(_)
            | Change::DeleteGroup(_)
            | Change::AddGroupMember(_)
            | Change::ReplaceGroupMembers(_)
            | Change::RemoveGroupMember(_),
        ) => FEATURE_LEVEL_FIRST,
        Some(
            Change::PatchComponents(_)
            | Change::SetNids(_)
            | Change::StoreDiscovery(_)
            | Change::PatchRedfishEndpoint(_)
            | Change::DeleteRedfishEndpoints(_)
            | Change::DeleteComponentEndpoints(_)
            | Change::DeleteServiceEndpoints(_)
            | Change::RequestDiscovery(_)
            | Change::SetLocks(_)
            | Change::Reserve(_)
            | Change::RemoveReservations(_)
            | Change::ReleaseReservations(_)
            | Change::RenewReservations(_)
            | Change::CreatePartition(_)
            | Change::PatchPartition(_)
            | Change::DeletePartition(_)
            | Change::AddPartitionMember(_)
            | Change::RemovePartitionMember(_)
            | Change::PutNodeMaps(_)
            | Change::DeleteNodeMaps(_)
            | Change::PutPowerMaps(_)
            | Change::DeletePowerMaps(_)
            | Change::PutScnSubscription(_)
            | Change::PatchScnSubscription(_)
            | Change::DeleteScnSubscriptions(_)
            | Change::AdvanceScnCursors(_)
            | Change::PutHardware(_)
            | Change::DeleteHardware(_)
            | Change::DeleteHardwareFrus(_)
            | Change::DeleteHardwareHistory(_)
            | Change::CreateEthernetInterfaces(_),
        ) => FEATURE_LEVEL_INVENTORY,
    }
}

/// Whether a discovery says of what it has found all that there is.
fn empties_places(change: &Change) -> bool {
    match change {
        Change::StoreDiscovery(store) => store
            .endpoints
            .iter()
            .any(|found| !found.complete_below.is_empty()),
        _ => false,
    }
}

/// Whether the command names a revision, or asks for more, where the first feature level knows none of it.
fn says_more(change: &Change) -> bool {
    let if_revision = match change {
        Change::CreateComponents(create) => return create.as_given || !create.if_revisions.is_empty(),
        Change::DeleteComponents(delete) => delete.if_revision,
        Change::PatchEthernetInterface(patch) => patch.if_revision,
        Change::DeleteEthernetInterfaces(delete) => delete.if_revision,
        Change::AddIpAddress(add) => add.if_revision,
        Change::PatchIpAddress(patch) => patch.if_revision,
        Change::DeleteIpAddress(delete) => delete.if_revision,
        Change::PatchGroup(patch) => patch.if_revision,
        Change::DeleteGroup(delete) => delete.if_revision,
        Change::AddGroupMember(add) => add.if_revision,
        Change::ReplaceGroupMembers(replace) => replace.if_revision,
        Change::RemoveGroupMember(remove) => remove.if_revision,
        _ => None, // knew it from the beginning, takes none, or is newer than the first level itself
    };
    if_revision.is_some()
}

/// Whether an interface may lose an address by it.
pub(crate) fn may_take_addresses(command: &SmdCommand) -> bool {
    matches!(
        command.change,
        Some(
            Change::PatchEthernetInterface(_)
                | Change::DeleteEthernetInterfaces(_)
                | Change::CreateEthernetInterfaces(_)
                | Change::PatchIpAddress(_)
                | Change::DeleteIpAddress(_)
                | Change::StoreDiscovery(_)
        )
    )
}

/// The xname of something that boots.
pub(crate) fn node(field: &str, text: &str) -> Result<Xname, Rejection> {
    let id: Xname = text.parse().map_err(|e| Rejection::invalid(field, e))?;
    if !id.is_node() {
        let problem = format!(
            "{id} is a {}, not a node; write e.g. x1000c0s0b0n0",
            id.hms_type()
        );
        return Err(Rejection::invalid(field, problem));
    }
    Ok(id)
}

/// The xname in a stored object: always normalised.
pub(crate) fn stored_xname(text: &str) -> Result<Xname, String> {
    let parsed = text.parse::<Xname>().map_err(|error| error.to_string())?;
    if parsed.as_str() != text {
        Err(format!("`{text}` is not normalised"))
    } else {
        Ok(parsed)
    }
}

pub(crate) fn xname_of_key(key: &RowKey) -> Option<Xname> {
    std::str::from_utf8(key.key()).ok()?.parse().ok()
}
