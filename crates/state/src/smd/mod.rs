//! SMD's part of the state: components, Ethernet interfaces and groups.

mod change_groups;
mod components;
mod create_components;
mod ethernet_interfaces;
mod groups;
mod ip_addresses;
mod nids;
mod patch_components;

use std::net::IpAddr;
use std::sync::Arc;

use model::{MacAddr, Rejection, Xname};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::smd_command::{Change, DeleteComponents};
use proto::smd::v1::{Component, EthernetInterface, Group, SmdCommand};

use self::components::Components;
use self::ethernet_interfaces::EthernetInterfaces;
use self::groups::Groups;
use crate::apply::no_command;
use crate::changes::Changes;
use crate::cluster::{FEATURE_LEVEL_FIRST, FEATURE_LEVEL_INVENTORY};
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::Record;
use crate::{RowKey, RowKind};

/// Components, their Ethernet interfaces and groups, found by xname, NID, MAC, address, label and member.
#[derive(Clone, Default)]
pub struct Smd {
    components: Components,
    interfaces: EthernetInterfaces,
    groups: Groups,
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

    /// The interface that has an address. If interfaces have it in different networks, none is meant: whoever asks
    /// for a node's identity must not be given another node's.
    pub fn interface_by_ip(&self, ip: IpAddr) -> Option<Arc<EthernetInterface>> {
        self.interfaces.by_ip(ip).cloned()
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

    /// Labels of the groups that a component is a member of, sorted. One look-up, however many groups there are.
    pub fn group_labels_of<'a>(
        &'a self,
        component: &Xname,
    ) -> impl ExactSizeIterator<Item = &'a str> + Clone + use<'a> {
        self.groups.labels_of(component.as_str())
    }

    /// Every component with the labels of its groups, sorted by xname; the labels are sorted, too.
    pub fn components_with_groups(
        &self,
    ) -> impl Iterator<Item = (&Arc<Component>, impl ExactSizeIterator<Item = &str> + Clone)> {
        self.components
            .iter()
            .map(|component| (component, self.groups.labels_of(&component.id)))
    }

    pub(crate) fn apply(
        &mut self,
        command: &SmdCommand,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::CreateComponents(create) => self.components.create(create, at, changes),
            Change::PatchState(patch) => self.components.patch_state(patch, at, changes),
            Change::DeleteComponents(delete) => self.delete_components(delete, at, changes),
            Change::CreateEthernetInterface(create) => self.interfaces.create(create, at, changes),
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
            Change::PatchComponents(patch) => self.components.patch_all(patch, at, changes),
            Change::SetNids(set) => self.components.set_nids(set, at, changes),
        }
    }

    /// A component that is gone leaves its groups; its interfaces stay, as in SMD.
    fn delete_components(
        &mut self,
        delete: &DeleteComponents,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let gone = self.components.delete(delete, changes)?;
        self.groups.forget(&gone, at, changes);
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
        let groups = self.groups.iter().map(|group| group.as_ref().clone().into_row());
        components.chain(interfaces).chain(groups)
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let components = self.components.iter().cloned().map(Object::Component);
        let interfaces = self.interfaces.iter().cloned().map(Object::EthernetInterface);
        components
            .chain(interfaces)
            .chain(self.groups.iter().cloned().map(Object::Group))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        if key.kind() == RowKind::Component {
            return self
                .component(&xname_of_key(key)?)
                .map(|component| component.as_ref().clone().into_row());
        }
        let text = std::str::from_utf8(key.key()).ok()?;
        if key.kind() == RowKind::Group {
            return self.group(text).map(|group| group.as_ref().clone().into_row());
        }
        let mac = text.parse().ok()?;
        self.interface(&mac)
            .map(|interface| interface.as_ref().clone().into_row())
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

    /// Checks between rows of several kinds, once all are loaded.
    pub(crate) fn check_loaded(&self) -> Result<(), SnapshotError> {
        self.groups.check_loaded(&self.components)
    }
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(command: &SmdCommand) -> u32 {
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
        Some(Change::PatchComponents(_) | Change::SetNids(_)) => FEATURE_LEVEL_INVENTORY,
    }
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
