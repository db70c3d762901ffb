//! Cloud-Init's part of the state: instance-ids, and what administrators set for the cluster, groups and nodes.

mod cluster_defaults;
mod fields;
mod groups;
mod instance_info;
mod instances;

use std::sync::Arc;

use model::{Rejection, Xname};
use proto::cloud_init::v1::cloud_init_command::{Change, PutInstanceInfo};
use proto::cloud_init::v1::{CloudInitCommand, ClusterDefaults, Group, Instance, InstanceInfo};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use self::cluster_defaults::Defaults;
pub(crate) use self::cluster_defaults::FIELDS as DEFAULTS_FIELDS;
use self::groups::Groups;
pub use self::groups::file_bytes;
use self::instance_info::Infos;
use self::instances::Instances;
use crate::apply::no_command;
use crate::changes::Changes;
use crate::cluster::FEATURE_LEVEL_FIRST;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::smd::{node, xname_of_key};
use crate::snapshot::SnapshotError;
use crate::table::Record;
use crate::{RowKey, RowKind};

/// What cloud-init knows beside SMD's inventory.
#[derive(Clone, Default)]
pub struct CloudInit {
    instances: Instances,
    defaults: Defaults,
    groups: Groups,
    infos: Infos,
}

impl CloudInit {
    /// The instance-id of a node.
    pub fn instance(&self, node: &Xname) -> Option<Arc<Instance>> {
        self.instances.get(node).cloned()
    }

    /// What is said about every node; `None` until it was set.
    pub fn cluster_defaults(&self) -> Option<Arc<ClusterDefaults>> {
        self.defaults.get().cloned()
    }

    /// A group by its name, in any case.
    pub fn group(&self, name: &str) -> Option<Arc<Group>> {
        self.groups.get(name).cloned()
    }

    /// Every group, sorted by name.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.iter()
    }

    /// What is said about one node.
    pub fn instance_info(&self, node: &Xname) -> Option<Arc<InstanceInfo>> {
        self.infos.get(node).cloned()
    }

    /// What is said about single nodes, sorted by node.
    pub fn instance_infos(&self) -> impl Iterator<Item = &Arc<InstanceInfo>> {
        self.infos.iter()
    }

    pub(crate) fn apply(
        &mut self,
        command: &CloudInitCommand,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::AssignInstanceId(assign) => self.instances.assign(assign, at, changes),
            Change::UpdateClusterDefaults(update) => self.defaults.update(update, at, changes),
            Change::PutGroup(put) => self.groups.put(put, at, changes),
            Change::DeleteGroup(delete) => self.groups.delete(delete, changes),
            Change::PutInstanceInfo(put) => self.put_instance_info(put, at, changes),
            Change::DeleteInstanceInfo(delete) => self.infos.delete(delete, changes),
        }
    }

    /// `value` of the outcome is the instance-id in force.
    fn put_instance_info(
        &mut self,
        put: &PutInstanceInfo,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put.info.as_ref();
        let given = given.ok_or_else(|| Rejection::invalid("info", "it is missing"))?;
        let node = node("id", &given.id)?;
        self.instances.check_given(&node, &given.instance_id)?;
        let applied = self.infos.put(node.clone(), given, at, changes)?;
        let value = self.instances.give(&node, &given.instance_id, at, changes);
        Ok(Applied { value, ..applied })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let instances = self.instances.iter().map(|row| row.as_ref().clone().into_row());
        let defaults = self
            .defaults
            .get()
            .into_iter()
            .map(|row| row.as_ref().clone().into_row());
        let groups = self.groups.iter().map(|row| row.as_ref().clone().into_row());
        let infos = self.infos.iter().map(|row| row.as_ref().clone().into_row());
        instances.chain(defaults).chain(groups).chain(infos)
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let instances = self.instances.iter().cloned().map(Object::Instance);
        instances
            .chain(self.defaults.get().cloned().map(Object::ClusterDefaults))
            .chain(self.groups.iter().cloned().map(Object::CloudInitGroup))
            .chain(self.infos.iter().cloned().map(Object::InstanceInfo))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        match key.kind() {
            RowKind::ClusterDefaults => Some(self.cluster_defaults()?.as_ref().clone().into_row()),
            RowKind::CloudInitGroup => {
                let name = std::str::from_utf8(key.key()).ok()?;
                Some(self.group(name)?.as_ref().clone().into_row())
            }
            RowKind::InstanceInfo => {
                let info = self.instance_info(&xname_of_key(key)?)?;
                Some(info.as_ref().clone().into_row())
            }
            _ => {
                let instance = self.instance(&xname_of_key(key)?)?;
                Some(instance.as_ref().clone().into_row())
            }
        }
    }

    pub(crate) fn load_instance(
        &mut self,
        row: Instance,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.instances.load(row, changes)
    }

    pub(crate) fn load_defaults(
        &mut self,
        row: ClusterDefaults,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.defaults.load(row, changes)
    }

    pub(crate) fn load_group(&mut self, row: Group, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.groups.load(row, changes)
    }

    pub(crate) fn load_info(
        &mut self,
        row: InstanceInfo,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.infos.load(row, changes)
    }
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(command: &CloudInitCommand) -> u32 {
    match &command.change {
        None
        | Some(
            Change::AssignInstanceId(_)
            | Change::UpdateClusterDefaults(_)
            | Change::PutGroup(_)
            | Change::DeleteGroup(_)
            | Change::PutInstanceInfo(_)
            | Change::DeleteInstanceInfo(_),
        ) => FEATURE_LEVEL_FIRST,
    }
}
