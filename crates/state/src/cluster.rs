//! The cluster itself: identity, feature level, sealed secrets.

use std::sync::Arc;

use model::Rejection;
use proto::cluster::v1::cluster_command::reseal_secrets::Resealed;
use proto::cluster::v1::cluster_command::{Bootstrap, Change, SetFeatureLevel};
use proto::cluster::v1::{ClusterCommand, JoinToken, SealedSecret, SealingKeys};
use proto::raft::v1::StateHeader;
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::apply::no_command;
use crate::bounds::{SECRET_BYTES_MAX, check_name};
use crate::changes::Changes;
use crate::event::Object;
use crate::join_tokens::JoinTokens;
use crate::log_position::LogPosition;
use crate::sealed::reseal_in;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Feature level of a cluster whose first entry names none.
pub const FEATURE_LEVEL_FIRST: u32 = 1;
/// Highest feature level that this version understands. A member stops when the cluster goes beyond its own.
pub const FEATURE_LEVEL_KNOWN: u32 = 8;
/// From this level on members join and leave.
pub const FEATURE_LEVEL_MEMBERSHIP: u32 = 2;
/// From this level on the log tells repeats of a request from other requests, knows idempotency keys, and takes an unknown
/// client for new only until half an hour after it opened its session; before that it was an hour.
pub const FEATURE_LEVEL_REQUESTS: u32 = 2;
/// From this level on the log has all of SMD: its other patches, Redfish endpoints, hardware, locks, partitions.
pub const FEATURE_LEVEL_INVENTORY: u32 = 3;
/// From this level on the log has the whole boot path: boot configurations, the timeline of boots, rollouts, revisions of what
/// nodes boot with, profiles, images.
pub const FEATURE_LEVEL_BOOT: u32 = 4;
/// Pools of addresses and their leases, held addresses, unknown clients.
pub const FEATURE_LEVEL_DHCP: u32 = 5;
/// Roles, policies, tokens, logins and keys; and what gives the author of an entry the right.
pub const FEATURE_LEVEL_AUTH: u32 = 6;
/// Jobs, BMCs that were found, their credentials and firmware; what the shipped roles give of them.
pub const FEATURE_LEVEL_DISCOVERY: u32 = 7;
/// Templates of files, and what the shipped roles give of them.
pub const FEATURE_LEVEL_CONFIGURATOR: u32 = 8;

/// Longest name of a cluster, in characters: it is part of SPIFFE ids and host names.
const CLUSTER_NAME_MAX: usize = 63;

/// What the members agree on about themselves.
#[derive(Clone)]
pub struct Cluster {
    id: String,
    name: String,
    feature_level: u32,
    secrets: Table<SealedSecret>,
    /// `None` before the first rotation.
    sealing: Option<SealingKeys>,
    joining: JoinTokens,
}

impl Default for Cluster {
    fn default() -> Self {
        let (id, name) = (String::new(), String::new());
        Cluster {
            id,
            name,
            feature_level: FEATURE_LEVEL_FIRST,
            secrets: Table::default(),
            sealing: None,
            joining: JoinTokens::default(),
        }
    }
}

impl Cluster {
    /// A sealed secret by name.
    pub fn secret(&self, name: &str) -> Option<Arc<SealedSecret>> {
        self.secrets.get(&name.to_owned()).cloned()
    }

    /// For which keys secrets are sealed; `None` before the first rotation.
    pub fn sealing_keys(&self) -> Option<&SealingKeys> {
        self.sealing.as_ref()
    }

    pub(crate) fn set_sealing_keys(&mut self, keys: SealingKeys) {
        self.sealing = Some(keys);
    }

    /// Sorted by name.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SealedSecret> {
        self.secrets.values().map(Arc::as_ref)
    }

    /// Whether it was one of these secrets, and was still the same.
    pub(crate) fn reseal(&mut self, resealed: &Resealed, changes: &mut Changes) -> bool {
        let Some(new) = &resealed.sealed else { return false };
        reseal_in(&mut self.secrets, &new.name, resealed, itself, changes)
    }

    /// A token for members that join, by its id.
    pub fn join_token(&self, id: &str) -> Option<Arc<JoinToken>> {
        self.joining.tokens.get(&id.to_owned()).cloned()
    }

    /// Ids from here on were never a member's; 0 before the first was given.
    pub fn next_member_id(&self) -> u64 {
        self.joining.next_member_id
    }

    /// Stores a secret that [`check_secret`] has passed.
    pub(crate) fn put_secret(&mut self, secret: SealedSecret, changes: &mut Changes) {
        self.secrets.put(secret.name.clone(), secret, changes);
    }

    pub(crate) fn forget_secret(&mut self, name: &str, changes: &mut Changes) {
        self.secrets.remove(&name.to_owned(), changes);
    }

    /// The same content as another cluster: with another id, and without tokens for the one that it was.
    pub(crate) fn become_another(&mut self, id: String, next_member_id: u64, changes: &mut Changes) {
        self.id = id;
        self.joining.next_member_id = self.joining.next_member_id.max(next_member_id);
        let tokens: Vec<String> = self.joining.tokens.keys().cloned().collect();
        for token in tokens {
            self.joining.tokens.remove(&token, changes);
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn feature_level(&self) -> u32 {
        self.feature_level
    }

    pub(crate) fn apply(
        &mut self,
        command: &ClusterCommand,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::Bootstrap(bootstrap) => self.bootstrap(bootstrap, at, changes),
            Change::SetFeatureLevel(set) => self.set_feature_level(set),
            Change::CreateJoinToken(create) => {
                self.need_level(FEATURE_LEVEL_MEMBERSHIP)?;
                self.joining.create(create, at, changes)
            }
            Change::AdmitMember(admit) => {
                self.need_level(FEATURE_LEVEL_MEMBERSHIP)?;
                self.joining.admit(admit, at, changes)
            }
            // of the whole state, which has taken them out before
            Change::RotateSealingKey(_) | Change::ResealSecrets(_) | Change::RetireSealingKey(_) => {
                Err(no_command())
            }
        }
    }

    /// The state of a cluster that begins at `level`.
    pub(crate) fn at_level(level: u32) -> Cluster {
        Cluster {
            feature_level: level,
            ..Cluster::default()
        }
    }

    pub(crate) fn need_level(&self, needed: u32) -> Result<(), Rejection> {
        let current = self.feature_level;
        match current < needed {
            true => Err(Rejection::FeatureLevel { needed, current }),
            false => Ok(()),
        }
    }

    /// Several members may propose the first entry at once; the log orders them and the first one counts.
    fn bootstrap(
        &mut self,
        bootstrap: &Bootstrap,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        if !self.id.is_empty() {
            let value = self.id.clone();
            return Ok(Applied {
                unchanged: vec![self.name.clone()],
                value,
                ..Default::default()
            });
        }
        check_cluster_name(&bootstrap.cluster_name)?;
        let secrets = [
            ("advert_key", &bootstrap.advert_key),
            ("ca_key", &bootstrap.ca_key),
            ("token_key", &bootstrap.token_key),
        ];
        let given = secrets
            .iter()
            .filter_map(|(field, secret)| Some((*field, secret.as_ref()?)));
        for (field, secret) in given.clone() {
            check_secret(field, secret)?;
        }
        let id = at.random_hex()?;
        self.joining.begin(bootstrap.join_token.as_ref(), at, changes)?;
        for (_, secret) in given {
            self.secrets.put(secret.name.clone(), secret.clone(), changes);
        }
        self.feature_level = self.feature_level.max(bootstrap.feature_level); // it never falls
        self.joining.next_member_id = bootstrap.next_member_id;
        self.name.clone_from(&bootstrap.cluster_name);
        self.id.clone_from(&id);
        Ok(Applied {
            created: vec![self.name.clone()],
            value: id,
            ..Default::default()
        })
    }

    /// One step at a time: a slip of the finger must not put the cluster beyond every member.
    fn set_feature_level(&mut self, set: &SetFeatureLevel) -> Result<Applied, Rejection> {
        let value = self.feature_level.max(set.level).to_string();
        if set.level <= self.feature_level {
            return Ok(Applied {
                unchanged: vec!["feature_level".into()],
                value,
                ..Default::default()
            });
        }
        if set.level - self.feature_level > 1 {
            let next = self.feature_level + 1;
            return Err(Rejection::invalid(
                "level",
                format!("it is raised one by one; the next is {next}"),
            ));
        }
        self.feature_level = set.level;
        Ok(Applied {
            updated: vec!["feature_level".into()],
            value,
            ..Default::default()
        })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let secrets = self
            .secrets
            .values()
            .map(|secret| secret.as_ref().clone().into_row());
        let tokens = self.joining.tokens.values();
        secrets.chain(tokens.map(|token| token.as_ref().clone().into_row()))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        let name = String::from_utf8(key.key().to_vec()).ok()?;
        match key.kind() {
            RowKind::JoinToken => Some(self.joining.tokens.get(&name)?.as_ref().clone().into_row()),
            _ => Some(self.secrets.get(&name)?.as_ref().clone().into_row()),
        }
    }

    pub(crate) fn load_join_token(
        &mut self,
        row: JoinToken,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let key = self.joining.tokens.check_load(&row, RowKind::JoinToken)?;
        self.joining.tokens.put(key, row, changes);
        Ok(())
    }

    pub(crate) fn load_secret(
        &mut self,
        row: SealedSecret,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let key = self.secrets.check_load(&row, RowKind::Secret)?;
        self.secrets.put(key, row, changes);
        Ok(())
    }

    pub(crate) fn load_header(&mut self, header: StateHeader) {
        (self.id, self.name) = (header.cluster_id, header.cluster_name);
        self.feature_level = header.feature_level;
        self.sealing = header.sealing_keys;
        self.joining.next_member_id = header.next_member_id;
    }
}

/// A row that is nothing but a secret.
fn itself(row: &mut SealedSecret) -> Option<&mut SealedSecret> {
    Some(row)
}

fn check_cluster_name(name: &str) -> Result<(), Rejection> {
    let label = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if name.is_empty()
        || name.len() > CLUSTER_NAME_MAX
        || !label
        || name.starts_with('-')
        || name.ends_with('-')
    {
        let problem = format!("write 1 to {CLUSTER_NAME_MAX} of a-z, 0-9 and inner dashes, e.g. prod-1");
        return Err(Rejection::invalid("cluster_name", problem));
    }
    Ok(())
}

/// A secret has a name and a ciphertext of bounded size.
pub(crate) fn check_secret(field: &str, secret: &SealedSecret) -> Result<(), Rejection> {
    check_name(&format!("{field}.name"), &secret.name)?;
    if secret.ciphertext.is_empty() || secret.ciphertext.len() > SECRET_BYTES_MAX {
        let problem = format!("it must have 1 to {SECRET_BYTES_MAX} bytes");
        return Err(Rejection::invalid(&format!("{field}.ciphertext"), problem));
    }
    Ok(())
}

impl Record for SealedSecret {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::secret(name)
    }

    fn key(&self) -> Result<String, String> {
        if self.name.is_empty() {
            Err("a secret has no name".into())
        } else {
            Ok(self.name.clone())
        }
    }

    fn into_row(self) -> Row {
        Row::Secret(self)
    }

    /// Nobody watches secrets.
    fn object(self: Arc<Self>) -> Option<Object> {
        None
    }
}
