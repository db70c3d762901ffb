//! What some nodes boot with for a while, for a test.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use model::{GroupLabel, Rejection, Xname};
use prost::Message as _;
use proto::cloud_init::v1::cloud_init_command::{DeleteProfile, PutProfile};
use proto::cloud_init::v1::{ClusterDefaults, Group, InstanceInfo, Profile};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::{cluster_defaults, groups, instance_info};
use crate::bounds::{
    DESCRIPTION_BYTES_MAX, NODES_PER_PROFILE_MAX, PROFILE_BYTES_MAX, PROFILE_LIFETIME_S_DEFAULT,
    PROFILE_LIFETIME_S_MAX, PROFILES_MAX, VARIANTS_PER_PROFILE_MAX, check_count, check_text,
};
use crate::bss::{check_params, check_url};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::rfc3339;
use crate::smd::{node, stored_xname};
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "profile";

/// Profiles by name, and the one that each node is in.
#[derive(Clone, Default)]
pub(super) struct Profiles {
    table: Table<Profile>,
    by_node: OrdMap<Xname, Arc<str>>,
}

impl Profiles {
    /// In any case: names are kept in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.table.get(&name.to_ascii_lowercase())
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.table.values()
    }

    /// The profile that applies to a node at `time_ms`, cluster time.
    pub(super) fn of(&self, node: &Xname, time_ms: u64) -> Option<&Arc<Profile>> {
        let name = self.by_node.get(node)?;
        self.get(name).filter(|profile| is_live(profile, time_ms))
    }

    /// Creates or replaces; those that have expired go with it.
    ///
    /// # Errors
    /// `Invalid` for what a node could not boot with, `Conflict` for a node of another profile, `RevisionMismatch`.
    pub(super) fn put(
        &mut self,
        put: &PutProfile,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put.profile.as_ref();
        let mut profile = normalised(given.ok_or_else(|| Rejection::invalid("profile", "it is missing"))?)?;
        let before = self.get(&profile.name).cloned();
        let meta = before.as_ref().and_then(|before| before.meta.as_ref());
        check_revision(&profile.name, put.if_revision, meta)?;
        profile.expires_at_ms = expiry(put.lifetime_s, at)?;
        profile.expires_at = rfc3339::format(profile.expires_at_ms);
        self.check_free(&profile, at.time_ms)?;
        let is_other = |other: &&Arc<Profile>| other.name != profile.name;
        let live = self
            .iter()
            .filter(is_other)
            .filter(|other| is_live(other, at.time_ms));
        if live.count() >= PROFILES_MAX {
            let problem = format!("there are {PROFILES_MAX} profiles; delete one first");
            return Err(Rejection::invalid("name", problem));
        }
        let expired = self
            .iter()
            .filter(is_other)
            .filter(|other| !is_live(other, at.time_ms));
        for other in expired.cloned().collect::<Vec<_>>() {
            self.remove(&other, changes);
        }
        let mut applied = Applied {
            value: profile.expires_at.clone(),
            ..Default::default()
        };
        match &before {
            Some(before) => {
                profile.meta = at.modified(before.meta.as_ref());
                applied.updated.push(profile.name.clone());
                self.remove_nodes(before);
            }
            None => {
                profile.meta = at.created();
                applied.created.push(profile.name.clone());
            }
        }
        self.store(profile, changes);
        Ok(applied)
    }

    /// A node boots with one profile: two could contradict each other.
    fn check_free(&self, profile: &Profile, time_ms: u64) -> Result<(), Rejection> {
        for id in &profile.nodes {
            let owner = id.parse().ok().and_then(|node| self.of(&node, time_ms));
            if let Some(owner) = owner.filter(|owner| owner.name != profile.name) {
                let detail = format!(
                    "{id} is in the profile {} until {}, and was meant for {}; take it out of one of them",
                    owner.name, owner.expires_at, profile.name
                );
                return Err(Rejection::Conflict { detail }.of_another(KIND, &owner.name));
            }
        }
        Ok(())
    }

    /// # Errors
    /// `NotFound`, `RevisionMismatch`.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteProfile,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let name = normalised_name(&delete.name)?;
        let before = self.get(&name).cloned();
        let before = before.ok_or_else(|| Rejection::not_found(KIND, &name))?;
        check_revision(&name, delete.if_revision, before.meta.as_ref())?;
        self.remove(&before, changes);
        Ok(deleted(std::iter::once(name)))
    }

    fn store(&mut self, profile: Profile, changes: &mut Changes) {
        let name: Arc<str> = profile.name.as_str().into();
        for node in profile.nodes.iter().filter_map(|id| id.parse().ok()) {
            self.by_node.insert(node, Arc::clone(&name));
        }
        self.table.put(profile.name.clone(), profile, changes);
    }

    fn remove(&mut self, profile: &Profile, changes: &mut Changes) {
        self.remove_nodes(profile);
        self.table.remove(&profile.name, changes);
    }

    fn remove_nodes(&mut self, profile: &Profile) {
        for node in profile.nodes.iter().filter_map(|id| id.parse::<Xname>().ok()) {
            self.by_node.remove(&node);
        }
    }

    pub(super) fn load(&mut self, row: Profile, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::Profile)?;
        let malformed = |problem| SnapshotError::Malformed {
            kind: RowKind::Profile,
            problem,
        };
        for id in &row.nodes {
            let node = stored_xname(id).map_err(malformed)?;
            if let Some(other) = self.by_node.get(&node) {
                return Err(malformed(format!("{id} is in {} and {other}", row.name)));
            }
        }
        self.store(row, changes);
        Ok(())
    }
}

fn is_live(profile: &Profile, time_ms: u64) -> bool {
    profile.expires_at_ms > time_ms
}

fn expiry(lifetime_s: u64, at: &LogPosition<'_>) -> Result<u64, Rejection> {
    let lifetime_s = match lifetime_s {
        0 => PROFILE_LIFETIME_S_DEFAULT,
        seconds if seconds <= PROFILE_LIFETIME_S_MAX => seconds,
        seconds => {
            let problem =
                format!("{seconds} is given, at most {PROFILE_LIFETIME_S_MAX} (30 days) are accepted");
            return Err(Rejection::invalid("lifetime_s", problem));
        }
    };
    Ok(at.time_ms.saturating_add(lifetime_s * 1000))
}

/// As it is stored, but for the times.
fn normalised(given: &Profile) -> Result<Profile, Rejection> {
    check_text("description", &given.description, DESCRIPTION_BYTES_MAX)?;
    check_params(&given.params)?;
    for (field, url) in [("kernel", &given.kernel), ("initrd", &given.initrd)] {
        if !url.is_empty() {
            check_url(field, url)?;
        }
    }
    let defaults = given.cluster_defaults.as_ref();
    let profile = Profile {
        name: normalised_name(&given.name)?,
        description: given.description.clone(),
        nodes: normalised_nodes(&given.nodes)?,
        cluster_defaults: defaults.map(normalised_defaults).transpose()?,
        groups: normalised_groups(&given.groups)?,
        instance_infos: normalised_infos(&given.instance_infos)?,
        kernel: given.kernel.clone(),
        initrd: given.initrd.clone(),
        params: given.params.clone(),
        ..Profile::default()
    };
    let bytes = profile.encoded_len();
    if bytes > PROFILE_BYTES_MAX {
        let problem = format!(
            "it has {bytes} bytes, at most {PROFILE_BYTES_MAX} are accepted; let a small file #include what is large"
        );
        return Err(Rejection::invalid("profile", problem));
    }
    Ok(profile)
}

fn normalised_name(name: &str) -> Result<String, Rejection> {
    let label = name.parse::<GroupLabel>();
    label
        .map(String::from)
        .map_err(|error| Rejection::invalid("name", error))
}

fn normalised_nodes(given: &[String]) -> Result<Vec<String>, Rejection> {
    if given.is_empty() {
        return Err(Rejection::invalid("nodes", "none is given; name at least one"));
    }
    check_count("nodes", given.len(), NODES_PER_PROFILE_MAX)?;
    let nodes = given.iter().map(|id| node("nodes", id));
    let nodes: BTreeSet<Xname> = nodes.collect::<Result<_, _>>()?;
    Ok(nodes.iter().map(Xname::to_string).collect())
}

fn normalised_defaults(given: &ClusterDefaults) -> Result<ClusterDefaults, Rejection> {
    cluster_defaults::check(given)?;
    if !given.short_name.is_empty() || given.nid_length != 0 {
        return Err(names_stay("cluster_defaults.short-name"));
    }
    Ok(ClusterDefaults {
        meta: None,
        ..given.clone()
    })
}

fn normalised_groups(given: &[Group]) -> Result<Vec<Group>, Rejection> {
    const FIELD: &str = "groups";
    check_count(FIELD, given.len(), VARIANTS_PER_PROFILE_MAX)?;
    if given.iter().any(|group| group.secret) {
        return Err(not_secret("groups.secret"));
    }
    let mut groups = given
        .iter()
        .map(groups::normalised)
        .collect::<Result<Vec<_>, _>>()?;
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    match groups.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(twice(FIELD, &pair[0].name)),
        None => Ok(groups),
    }
}

fn normalised_infos(given: &[InstanceInfo]) -> Result<Vec<InstanceInfo>, Rejection> {
    const FIELD: &str = "instance_infos";
    check_count(FIELD, given.len(), VARIANTS_PER_PROFILE_MAX)?;
    let mut infos = Vec::with_capacity(given.len());
    for info in given {
        instance_info::check(info)?;
        if info.secret {
            return Err(not_secret("instance_infos.secret"));
        }
        if !info.local_hostname.is_empty() {
            return Err(names_stay("instance_infos.local-hostname"));
        }
        if !info.instance_id.is_empty() {
            let problem = "an instance-id is the node's, with and without a profile; leave it out";
            return Err(Rejection::invalid("instance_infos.instance-id", problem));
        }
        infos.push(InstanceInfo {
            id: node("instance_infos.id", &info.id)?.to_string(),
            meta: None,
            ..info.clone()
        });
    }
    infos.sort_by(|one, other| one.id.cmp(&other.id));
    match infos.windows(2).find(|pair| pair[0].id == pair[1].id) {
        Some(pair) => Err(twice(FIELD, &pair[0].id)),
        None => Ok(infos),
    }
}

fn names_stay(field: &str) -> Rejection {
    let problem = "a profile leaves host names as they are, since DHCP tells them too; leave it out";
    Rejection::invalid(field, problem)
}

fn not_secret(field: &str) -> Rejection {
    let problem = "a profile holds nothing secret; put it into the group or the instance-info itself";
    Rejection::invalid(field, problem)
}

fn twice(field: &str, name: &str) -> Rejection {
    Rejection::invalid(field, format!("{name} is given twice"))
}

impl Record for Profile {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::profile(name)
    }

    fn key(&self) -> Result<String, String> {
        match normalised_name(&self.name) {
            Ok(name) if name == self.name => Ok(name),
            Ok(_) => Err(format!("the name `{}` is not normalised", self.name)),
            Err(rejection) => Err(rejection.to_string()),
        }
    }

    fn into_row(self) -> Row {
        Row::Profile(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::Profile(self))
    }
}
