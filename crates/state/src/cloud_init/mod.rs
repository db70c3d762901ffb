//! Cloud-Init's part of the state: instance-ids, what administrators set for the cluster, groups and nodes, what some nodes
//! test, and to which boots what is secret is open.

mod boot_sessions;
mod cluster_defaults;
mod fields;
mod groups;
mod instance_info;
mod instances;
mod profiles;
mod secrets;

use std::sync::Arc;

use model::{Rejection, Xname};
use proto::cloud_init::v1::cloud_init_command::{Change, OpenBootSession, PutInstanceInfo};
use proto::cloud_init::v1::{
    BootSession, CloudInitCommand, ClusterDefaults, Group, Instance, InstanceInfo, Profile,
};
use proto::http::v1::ObjectMeta;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

pub use self::boot_sessions::BootAccess;
use self::boot_sessions::BootSessions;
use self::cluster_defaults::Defaults;
pub(crate) use self::cluster_defaults::FIELDS as DEFAULTS_FIELDS;
use self::groups::Groups;
pub use self::groups::file_bytes;
use self::instance_info::Infos;
use self::instances::Instances;
use self::profiles::Profiles;
pub(crate) use self::secrets::redacted;
pub use self::secrets::{BOOT_TOKEN_KEY, group_meta_data_secret, group_secret, instance_secret};
use crate::apply::no_command;
use crate::changes::Changes;
use crate::cluster::{Cluster, FEATURE_LEVEL_BOOT, FEATURE_LEVEL_FIRST};
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision, modified_revision};
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
    profiles: Profiles,
    sessions: BootSessions,
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

    /// The nodes that were given a `local-hostname`, in any case of its letters; sorted, and one unless an earlier release
    /// has stored them.
    pub fn nodes_named(&self, hostname: &str) -> impl Iterator<Item = &Xname> {
        self.infos.named(hostname)
    }

    /// Who last changed what is said about a node, or its instance-id, which is shown with it.
    pub fn instance_info_meta(&self, node: &Xname) -> Option<ObjectMeta> {
        let of_info = self.infos.get(node).and_then(|info| info.meta.as_ref())?;
        let of_instance = self
            .instances
            .get(node)
            .and_then(|instance| instance.meta.as_ref());
        let later =
            of_instance.filter(|meta| modified_revision(Some(meta)) > modified_revision(Some(of_info)));
        Some(ObjectMeta {
            created: of_info.created.clone(),
            modified: later.unwrap_or(of_info).modified.clone(),
        })
    }

    /// A profile by its name, in any case; whether it has expired or not.
    pub fn profile(&self, name: &str) -> Option<Arc<Profile>> {
        self.profiles.get(name).cloned()
    }

    /// Every profile, sorted by name.
    pub fn profiles(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.profiles.iter()
    }

    /// The profile that applies to a node at `time_ms`, cluster time.
    pub fn profile_of(&self, node: &Xname, time_ms: u64) -> Option<Arc<Profile>> {
        self.profiles.of(node, time_ms).cloned()
    }

    /// The last boot of a node that has used its token.
    pub fn boot_session(&self, node: &Xname) -> Option<Arc<BootSession>> {
        self.sessions.get(node).cloned()
    }

    /// Whether what is secret is open to a boot whose token is good, at `time_ms`, cluster time.
    pub fn boot_access(&self, node: &Xname, asked: &OpenBootSession, time_ms: u64) -> BootAccess {
        self.sessions.access(node, asked, time_ms)
    }

    /// What is said about all nodes and about this one, with what a profile says instead.
    pub fn effective(
        &self,
        node: &Xname,
        profile: Option<&Profile>,
    ) -> (Arc<ClusterDefaults>, Arc<InstanceInfo>) {
        let mut defaults = self.cluster_defaults().unwrap_or_default();
        if let Some(variant) = profile.and_then(|profile| profile.cluster_defaults.clone()) {
            cluster_defaults::overwrite(Arc::make_mut(&mut defaults), variant);
        }
        let variant = profile.and_then(|profile| {
            let infos = &profile.instance_infos;
            let found = infos.binary_search_by(|info| info.id.as_str().cmp(node.as_str()));
            found.ok().map(|place| Arc::new(infos[place].clone()))
        });
        let info = variant.or_else(|| self.instance_info(node));
        (defaults, info.unwrap_or_default())
    }

    /// `secrets` holds what is sealed.
    pub(crate) fn apply(
        &mut self,
        command: &CloudInitCommand,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::AssignInstanceId(assign) => self.instances.assign(assign, at, changes),
            Change::UpdateClusterDefaults(update) => self.defaults.update(update, at, changes),
            Change::PutGroup(put) => self.groups.put(put, secrets, at, changes),
            Change::DeleteGroup(delete) => self.groups.delete(delete, secrets, changes),
            Change::PutInstanceInfo(put) => self.put_instance_info(put, secrets, at, changes),
            Change::DeleteInstanceInfo(delete) => {
                self.check_info_revision(&delete.id, delete.if_revision)?;
                self.infos.delete(delete, secrets, changes)
            }
            Change::RenewInstanceId(renew) => self.instances.renew(renew, at, changes),
            Change::PutProfile(put) => self.profiles.put(put, at, changes),
            Change::DeleteProfile(delete) => self.profiles.delete(delete, changes),
            Change::OpenBootSession(open) => self.sessions.open(open, at, changes),
            Change::DeleteClusterDefaults(delete) => self.defaults.delete(delete, changes),
            Change::PatchGroup(patch) => self.groups.patch(patch, secrets, at, changes),
        }
    }

    /// A boot has phoned home.
    pub(crate) fn end_boot_session(
        &mut self,
        node: &Xname,
        boot_id: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) {
        self.sessions.end(node, boot_id, at, changes);
    }

    /// An info is shown with the node's instance-id, so it is at the later revision of the two.
    fn check_info_revision(&self, id: &str, if_revision: Option<u64>) -> Result<(), Rejection> {
        let node = node("id", id)?;
        let meta = self.instance_info_meta(&node);
        check_revision(node.as_str(), if_revision, meta.as_ref())
    }

    /// `value` of the outcome is the instance-id in force.
    fn put_instance_info(
        &mut self,
        put: &PutInstanceInfo,
        secrets: &mut Cluster,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put.info.as_ref();
        let given = given.ok_or_else(|| Rejection::invalid("info", "it is missing"))?;
        let node = node("id", &given.id)?;
        self.instances.check_given(&node, &given.instance_id)?;
        self.check_info_revision(&given.id, put.if_revision)?;
        let applied = self.infos.put(node.clone(), put, secrets, at, changes)?;
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
        let profiles = self.profiles.iter().map(|row| row.as_ref().clone().into_row());
        let sessions = self.sessions.iter().map(|row| row.as_ref().clone().into_row());
        instances
            .chain(defaults)
            .chain(groups)
            .chain(infos)
            .chain(profiles)
            .chain(sessions)
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let instances = self.instances.iter().cloned().map(Object::Instance);
        instances
            .chain(self.defaults.get().cloned().map(Object::ClusterDefaults))
            .chain(self.groups.iter().cloned().map(Object::CloudInitGroup))
            .chain(self.infos.iter().cloned().map(Object::InstanceInfo))
            .chain(self.profiles.iter().cloned().map(Object::Profile))
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
            RowKind::Profile => {
                let name = std::str::from_utf8(key.key()).ok()?;
                Some(self.profile(name)?.as_ref().clone().into_row())
            }
            RowKind::BootSession => {
                let session = self.boot_session(&xname_of_key(key)?)?;
                Some(session.as_ref().clone().into_row())
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

    pub(crate) fn load_profile(&mut self, row: Profile, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.profiles.load(row, changes)
    }

    pub(crate) fn load_boot_session(
        &mut self,
        row: BootSession,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        self.sessions.load(row, changes)
    }
}

/// A profile's variant of a group.
pub fn variant_of_group<'a>(profile: &'a Profile, label: &str) -> Option<&'a Group> {
    let found = profile
        .groups
        .binary_search_by(|group| group.name.as_str().cmp(label));
    found.ok().map(|place| &profile.groups[place])
}

/// A group as it would be stored: for what is checked before it is sealed.
///
/// # Errors
/// `Invalid` for what could not be served.
pub fn checked_group(group: &Group) -> Result<Group, Rejection> {
    groups::normalised(group)
}

/// Whether a node could use these values: for what is checked before it is sealed.
///
/// # Errors
/// `Invalid` naming the field.
pub fn check_instance_info(info: &InstanceInfo) -> Result<(), Rejection> {
    instance_info::check(info)
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(command: &CloudInitCommand) -> u32 {
    if command.change.as_ref().is_some_and(says_more) {
        return FEATURE_LEVEL_BOOT;
    }
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
        Some(
            Change::RenewInstanceId(_)
            | Change::PutProfile(_)
            | Change::DeleteProfile(_)
            | Change::OpenBootSession(_)
            | Change::DeleteClusterDefaults(_)
            | Change::PatchGroup(_),
        ) => FEATURE_LEVEL_BOOT,
    }
}

/// Whether a command of the first level names a revision, or brings what that level does not know.
fn says_more(change: &Change) -> bool {
    match change {
        Change::UpdateClusterDefaults(update) => update.if_revision.is_some(),
        Change::PutGroup(put) => {
            let is_more = |group: &Group| group.secret || !group.sealed.is_empty();
            let is_secret = put.group.as_ref().is_some_and(is_more);
            let has_sealed = put.sealed.is_some() || put.sealed_meta_data.is_some();
            put.if_revision.is_some() || is_secret || has_sealed || put.token_key.is_some()
        }
        Change::DeleteGroup(delete) => delete.if_revision.is_some(),
        Change::PutInstanceInfo(put) => {
            let info = put.info.as_ref();
            let has_more = info.is_some_and(|info| info.secret || info.meta_data.is_some());
            put.if_revision.is_some() || has_more || put.sealed.is_some() || put.token_key.is_some()
        }
        Change::DeleteInstanceInfo(delete) => delete.if_revision.is_some(),
        _ => false, // took no revision from the beginning, or is newer than the first level itself
    }
}
