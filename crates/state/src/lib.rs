//! The replicated state and the one function that changes it. Pure and deterministic: the same log gives the same
//! rows, digest and outcomes on every member. No I/O, no clock, no randomness, no floats. See `OVERVIEW.md`.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::float_cmp, clippy::iter_over_hash_type)]

mod apply;
pub mod auth;
mod boot_data;
pub mod boot_files;
pub mod bounds;
pub mod bss;
mod changes;
pub mod cloud_init;
pub mod cluster;
pub mod configurator;
pub mod dhcp;
mod digest;
pub mod discovery;
mod event;
mod hostname;
pub mod jobs;
mod join_tokens;
mod json_text;
mod last_changes;
mod log_position;
mod outcome;
pub mod revisions;
mod rfc3339;
mod rollback;
mod row_key;
mod sealed;
mod selectors;
mod session;
pub mod smd;
mod snapshot;
mod table;
mod together;
mod wire;

pub use apply::Applied;
pub use boot_choice::{
    BootChoice, BootClass, BootMatch, BootNode, BootSource, ParamWord, Selectors, choose, image_fits,
    is_there, selection,
};
pub use event::{Event, Object};
pub use outcome::{rejected, rejection};
pub use rfc3339::format as time_text;
pub use row_key::{RowKey, RowKind};
pub use sealed::{ciphertext_mark, sealed_for, sealing_key_id};
pub use snapshot::SnapshotError;
pub use wire::{WireError, decode_exact, encode_exact};

use crate::changes::Changes;
use crate::digest::Digest;
use crate::last_changes::LastChanges;
use crate::session::Sessions;

/// Everything the members agree on. Cloning is O(1) and shares all objects, so a clone is a consistent view that
/// readers may keep while the log moves on.
#[derive(Clone, Default)]
pub struct State {
    applied_index: u64,
    time_ms: u64,
    digest: Digest,
    sessions: Sessions,
    last_changes: LastChanges,
    /// What nodes boot with, as it was.
    pub revisions: revisions::Revisions,
    /// Components, their Ethernet interfaces and groups, hardware.
    pub smd: smd::Smd,
    /// Boot parameters and boot records.
    pub bss: bss::Bss,
    /// Instance-ids, what administrators set for nodes and groups, and to which boots what is secret is open.
    pub cloud_init: cloud_init::CloudInit,
    /// Subnets.
    pub dhcp: dhcp::Dhcp,
    /// The catalogue of boot files.
    pub boot_files: boot_files::BootFiles,
    /// Who may do what, and what proves who somebody is.
    pub auth: auth::Auth,
    /// BMCs that were found, which xnames they get, how they are logged in to, and their firmware.
    pub discovery: discovery::Discovery,
    /// Work that takes long.
    pub jobs: jobs::Jobs,
    /// Templates of files.
    pub configurator: configurator::Configurator,
    /// The cluster's id, name, feature level and sealed secrets.
    pub cluster: cluster::Cluster,
}

impl std::fmt::Debug for State {
    /// Where it stands, not what it holds: a state is too large for a log line, and holds what should not be in one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "state at index {}", self.applied_index())
    }
}

impl State {
    /// The state before the first entry.
    pub fn new() -> State {
        State::default()
    }

    /// As [`State::new`], of members that know everything up to this feature level.
    pub fn at_level(feature_level: u32) -> State {
        let mut state = State {
            cluster: cluster::Cluster::at_level(feature_level),
            ..State::default()
        };
        state.auth.set_level(feature_level);
        state
    }

    /// Log index of the last entry applied or skipped.
    pub fn applied_index(&self) -> u64 {
        self.applied_index
    }

    /// Cluster time: the greatest `proposed_at_ms` applied so far, milliseconds since the Unix epoch.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The same content in another cluster, `indexes` log indexes further on: no revision, cursor or ETag of the old
    /// cluster is ever met again in the new one, and no token of the old one is good in it. Members are given ids from
    /// `next_member_id` on, or higher ones.
    #[must_use]
    pub fn into_another_cluster(mut self, cluster_id: String, indexes: u64, next_member_id: u64) -> State {
        let mut changes = Changes::default();
        self.cluster
            .become_another(cluster_id, next_member_id, &mut changes);
        self.auth.become_another(&mut changes);
        self.jobs.become_another(self.time_ms, &mut changes);
        let (digest, changed, _) = changes.into_parts();
        self.digest.add(digest);
        self.applied_index += indexes;
        let level = self.feature_level();
        self.last_changes.note(self.applied_index, &changed, level, level);
        self
    }

    /// Random id given at bootstrap, 16 hex digits; empty before.
    pub fn cluster_id(&self) -> &str {
        self.cluster.id()
    }

    /// Name given at bootstrap; empty before.
    pub fn cluster_name(&self) -> &str {
        self.cluster.name()
    }

    /// What log and snapshot may contain. A member whose `cluster::FEATURE_LEVEL_KNOWN` is smaller must stop.
    pub fn feature_level(&self) -> u32 {
        self.cluster.feature_level()
    }

    /// Revision of the last change of any row of these kinds, at the latest; the same on every member. `None` as long as
    /// the cluster has members that do not keep it.
    pub fn last_change(&self, kinds: impl IntoIterator<Item = RowKind>) -> Option<u64> {
        if !last_changes::are_known(self.feature_level()) {
            return None;
        }
        kinds.into_iter().map(|kind| self.last_changes.of(kind)).max()
    }

    /// Digest of the whole state, 32 hex digits: equal on all members at one applied index. Costs O(1).
    pub fn digest(&self) -> String {
        let mut digest = self.digest;
        digest.add(Digest::of(&RowKey::header(), &self.header()));
        digest.to_string()
    }
}
