//! Timer profiles. openraft notices a dead leader after election-max + [min..max]: each profile states its window.

use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

/// Entries purged at once.
const PURGE_BATCH_MAX: u64 = 1000;

/// When a snapshot file is written, and what stays in the log below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// Entries after which a snapshot is written.
    pub entries: u64,
    /// Bytes of log after which one is written, if they come first.
    pub log_bytes: u64,
    /// Entries kept below a snapshot, so that a short outage replays the log instead of a snapshot, and the log goes on
    /// from the snapshot before the newest, or from the checkpoint, where the newest cannot be read. Fewer are kept
    /// when the log as a whole is larger than twice `log_bytes`.
    pub entries_kept: u64,
}

impl Default for Snapshots {
    /// 50,000 entries or 64 MiB; 100,000 entries kept.
    fn default() -> Self {
        Snapshots {
            entries: 50_000,
            log_bytes: 64 << 20,
            entries_kept: 100_000,
        }
    }
}

/// How quickly members notice a dead leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Heartbeat 100 ms, election 300–600 ms: a dead leader is noticed in 0.9–1.2 s.
    #[default]
    Lan,
    /// Heartbeat 50 ms, election 150–300 ms: noticed in 450–600 ms. For quiet, fast machines.
    Fast,
    /// Heartbeat 100 ms, election 500–1,000 ms: noticed in 1.5–2.0 s, at worst as late as with etcd's defaults. For
    /// machines with other work, where an election that nobody needs is worse than a second without writes.
    Steady,
    /// Heartbeat 300 ms, election 1–2 s: noticed in 3–4 s. For members in several places.
    Wan,
}

impl Profile {
    /// Heartbeat interval and the bounds of the election time-out, milliseconds.
    fn timers(self) -> (u64, u64, u64) {
        match self {
            Profile::Lan => (100, 300, 600),
            Profile::Fast => (50, 150, 300),
            Profile::Steady => (100, 500, 1_000),
            Profile::Wan => (300, 1_000, 2_000),
        }
    }

    /// How long a linearizable request waits for a leader before it is answered with 503.
    pub fn leaderless_max(self) -> Duration {
        let (_, _, election_max) = self.timers();
        Duration::from_millis(2 * election_max + 500)
    }

    /// openraft's configuration for this profile.
    pub(crate) fn raft_config(
        self,
        cluster_name: &str,
        snapshots: Snapshots,
    ) -> Result<Arc<Config>, openraft::ConfigError> {
        let (heartbeat_interval, election_timeout_min, election_timeout_max) = self.timers();
        let config = Config {
            cluster_name: cluster_name.to_owned(),
            heartbeat_interval,
            election_timeout_min,
            election_timeout_max,
            enable_pre_vote: Some(true),
            // A leader sends entries before they are on its own disk. Leading on in its term after a restart, it would
            // give other entries the ids of those that it has lost and others have.
            enable_leader_restore: Some(false),
            max_payload_entries: 1024,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(snapshots.entries),
            max_in_snapshot_log_to_keep: snapshots.entries_kept,
            replication_lag_threshold: 2 * snapshots.entries,
            purge_batch_size: snapshots.entries_kept.clamp(1, PURGE_BATCH_MAX),
            install_snapshot_timeout: 60_000,
            ..Config::default()
        };
        config.validate().map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Upstream's rule: several heartbeats fit into the shortest election time-out, or elections come by themselves.
    #[test]
    fn every_profile_is_valid_and_leaves_room_for_heartbeats() {
        for profile in [Profile::Lan, Profile::Fast, Profile::Steady, Profile::Wan] {
            let config = profile.raft_config("test", Snapshots::default()).unwrap();
            assert!(
                config.heartbeat_interval * 3 <= config.election_timeout_min,
                "{profile:?}"
            );
            assert!(config.replication_lag_threshold > Snapshots::default().entries);
            assert_eq!(config.enable_pre_vote, Some(true));
            assert_eq!(config.enable_leader_restore, Some(false));
        }
    }

    /// The next snapshot is built while entries go on; until it is there the one before the newest must still do.
    #[test]
    fn the_log_reaches_back_beyond_the_snapshot_before_the_newest() {
        let snapshots = Snapshots::default();
        assert!(snapshots.entries_kept >= 2 * snapshots.entries);
    }
}
