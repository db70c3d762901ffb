//! What a member counts of its Raft, and what monitoring reads of it. Counting takes one atomic addition, or two: a
//! write must not pay for being seen.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use openraft::async_runtime::WatchReceiver as _;
use rpc::{Histogram, HistogramReading};

use crate::log_store::LogStore;
use crate::replicated::Replicated;
use crate::snapshot_folder;

/// etcd's buckets for its log's sync and its backend's commit: 1 ms to 8 s, and finer below, where good disks are.
pub(crate) const DISK_SECONDS: &[f64] = &[
    0.000_125, 0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512,
    1.024, 2.048, 4.096, 8.192,
];
/// etcd's buckets for round trips begin at 0.1 ms.
const ROUND_TRIP_SECONDS: &[f64] = &[
    0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_6, 0.003_2, 0.006_4, 0.012_8, 0.025_6, 0.051_2, 0.102_4,
    0.204_8, 0.409_6, 0.819_2, 1.638_4, 3.276_8,
];
/// Snapshots take from milliseconds to minutes.
const SNAPSHOT_SECONDS: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/// A chunk of entries takes microseconds, unless something is wrong.
const APPLY_SECONDS: &[f64] = &[
    0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_6, 0.003_2, 0.006_4, 0.012_8, 0.025_6, 0.051_2, 0.102_4,
    0.204_8, 0.409_6, 0.819_2, 1.638_4, 3.276_8,
];

/// Counted while the member runs.
#[derive(Debug)]
pub(crate) struct Counters {
    proposals_pending: AtomicU64,
    proposals_failed: AtomicU64,
    leader_changes: AtomicU64,
    heartbeats_failed: AtomicU64,
    read_rounds: AtomicU64,
    read_rounds_failed: AtomicU64,
    read_callers: AtomicU64,
    /// Applying one chunk of committed entries.
    pub(crate) apply: Histogram,
    /// Writing one snapshot file.
    pub(crate) snapshot_save: Histogram,
    /// Locked only when a connection is made and when somebody reads.
    round_trips: Mutex<BTreeMap<u64, Arc<Histogram>>>,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            proposals_pending: AtomicU64::new(0),
            proposals_failed: AtomicU64::new(0),
            leader_changes: AtomicU64::new(0),
            heartbeats_failed: AtomicU64::new(0),
            read_rounds: AtomicU64::new(0),
            read_rounds_failed: AtomicU64::new(0),
            read_callers: AtomicU64::new(0),
            apply: Histogram::new(APPLY_SECONDS),
            snapshot_save: Histogram::new(SNAPSHOT_SECONDS),
            round_trips: Mutex::default(),
        }
    }
}

/// A proposal under way; it is over when this is dropped, also where its caller has given up.
pub(crate) struct Pending<'a>(&'a AtomicU64);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counters {
    pub(crate) fn proposal_begins(&self) -> Pending<'_> {
        self.proposals_pending.fetch_add(1, Ordering::Relaxed);
        Pending(&self.proposals_pending)
    }

    /// No outcome: refused, or not known.
    pub(crate) fn proposal_failed(&self) {
        self.proposals_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn heartbeat_failed(&self) {
        self.heartbeats_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// One round of the read index for so many callers.
    pub(crate) fn read_round(&self, callers: usize, confirmed: bool) {
        self.read_rounds.fetch_add(1, Ordering::Relaxed);
        self.read_callers.fetch_add(callers as u64, Ordering::Relaxed);
        if !confirmed {
            self.read_rounds_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Where the round trips to a member are counted.
    pub(crate) fn round_trips(&self, to: u64) -> Arc<Histogram> {
        let mut known = self.round_trips.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Histogram::new(ROUND_TRIP_SECONDS));
        Arc::clone(known.entry(to).or_insert_with(new))
    }

    fn all_round_trips(&self) -> BTreeMap<u64, HistogramReading> {
        let known = self.round_trips.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .map(|(to, histogram)| (*to, histogram.read()))
            .collect()
    }
}

/// Counts every new leadership that this member hears of, the first one too.
pub(crate) async fn count_leader_changes(member: Arc<Replicated>, counters: Arc<Counters>) {
    let mut metrics = member.raft().server_metrics();
    let mut known = None;
    loop {
        let now = {
            let metrics = metrics.borrow_watched();
            metrics
                .current_leader
                .map(|leader| (metrics.vote.leader_id().term, leader))
        };
        if now.is_some() && now != known {
            counters.leader_changes.fetch_add(1, Ordering::Relaxed);
            known = now;
        }
        if metrics.changed().await.is_err() {
            return; // Raft has stopped
        }
    }
}

/// See [`crate::Store::entries_behind`].
pub(crate) fn entries_behind(member: &Replicated) -> u64 {
    let committed = member.raft().metrics().borrow_watched().local_committed;
    let committed = committed.map_or(0, |id| id.index);
    committed.saturating_sub(member.published.load().applied_index())
}

/// A handle for monitoring; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) member: Arc<Replicated>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: LogStore,
    pub(crate) snapshots: PathBuf,
}

/// One look at a member. Counts begin at the member's start.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsReading {
    /// This member.
    pub member_id: u64,
    /// The member that leads as far as this one knows; a leader without a majority is named still.
    pub leader_id: Option<u64>,
    /// Whether a majority has answered this member lately.
    pub has_majority: bool,
    /// Whether it has applied up to a commit index that a leader has confirmed since the start.
    pub is_verified: bool,
    /// It follows without a vote.
    pub is_learner: bool,
    /// Raft's term.
    pub term: u64,
    /// New leaderships heard of.
    pub leader_changes: u64,
    /// Index of the last entry in this member's log.
    pub last_log_index: u64,
    /// Index up to which this member knows that entries are committed.
    pub committed_index: u64,
    /// Index up to which they are applied.
    pub applied_index: u64,
    /// Proposals of this member's clients that have no outcome yet.
    pub proposals_pending: u64,
    /// Those that ended without one.
    pub proposals_failed: u64,
    /// Heartbeats without an answer.
    pub heartbeats_failed: u64,
    /// Rounds of the read index.
    pub read_rounds: u64,
    /// Rounds that failed.
    pub read_rounds_failed: u64,
    /// Reads that those rounds were for.
    pub read_callers: u64,
    /// Bytes of commands in the log in memory.
    pub log_bytes: u64,
    /// Index of the last entry that was purged.
    pub purged_index: u64,
    /// Index that the newest snapshot file holds.
    pub snapshot_index: u64,
    /// When that file was written; `None` without one.
    pub snapshot_written: Option<SystemTime>,
    /// Bytes of that file.
    pub snapshot_bytes: u64,
    /// Snapshots of a leader that brought this member up to date.
    pub snapshots_installed: u64,
    /// Writing one snapshot file.
    pub snapshot_save: HistogramReading,
    /// Applying one chunk of entries.
    pub apply: HistogramReading,
    /// Bringing one batch of the log to disk.
    pub wal_sync: HistogramReading,
    /// One heartbeat and its answer, by member.
    pub round_trips: BTreeMap<u64, HistogramReading>,
}

impl Metrics {
    /// What the log has written, each count with its name.
    pub fn log_written(&self) -> [(&'static str, u64); 3] {
        self.log.counts().all()
    }

    /// Looks now. It reads the folder of the snapshots, so not on a path that must be quick.
    pub fn read(&self) -> MetricsReading {
        let metrics = self.member.raft().metrics().borrow_watched().clone();
        let state = self.member.published.load();
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let index = |id: Option<crate::type_config::LogId>| id.map_or(0, |id| id.index);
        let newest = snapshot_folder::newest_file(&self.snapshots);
        let counters = &self.counters;
        MetricsReading {
            member_id: metrics.id,
            leader_id: metrics.current_leader,
            has_majority: self.member.has_majority(),
            is_verified: self.member.is_verified(),
            is_learner: metrics.state.is_learner(),
            term: metrics.current_term,
            leader_changes: count(&counters.leader_changes),
            last_log_index: metrics.last_log_index.unwrap_or(0),
            committed_index: index(metrics.local_committed).max(state.applied_index()),
            applied_index: state.applied_index(),
            proposals_pending: count(&counters.proposals_pending),
            proposals_failed: count(&counters.proposals_failed),
            heartbeats_failed: count(&counters.heartbeats_failed),
            read_rounds: count(&counters.read_rounds),
            read_rounds_failed: count(&counters.read_rounds_failed),
            read_callers: count(&counters.read_callers),
            log_bytes: self.log.bytes(),
            purged_index: index(metrics.purged),
            snapshot_index: index(metrics.snapshot),
            snapshot_written: newest.and_then(|(written, _)| written),
            snapshot_bytes: newest.map_or(0, |(_, bytes)| bytes),
            snapshots_installed: self.member.published.snapshots_installed(),
            snapshot_save: counters.snapshot_save.read(),
            apply: counters.apply.read(),
            wal_sync: self.log.counts().sync_seconds(),
            round_trips: counters.all_round_trips(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A caller that goes away must not leave a proposal pending for ever.
    #[test]
    fn a_proposal_is_pending_until_it_is_dropped() {
        let counters = Counters::default();
        let pending = || counters.proposals_pending.load(Ordering::Relaxed);
        let (first, second) = (counters.proposal_begins(), counters.proposal_begins());
        assert_eq!(pending(), 2);
        drop(first);
        assert_eq!(pending(), 1);
        drop(second);
        assert_eq!(pending(), 0);
    }

    /// A connection that is made again goes on with the same histogram.
    #[test]
    fn round_trips_are_by_member_not_by_connection() {
        let counters = Counters::default();
        counters.round_trips(2).observe(Duration::from_millis(1));
        counters.round_trips(2).observe(Duration::from_millis(1));
        counters.round_trips(3).observe(Duration::from_millis(1));
        let all = counters.all_round_trips();
        let counts: Vec<_> = all
            .iter()
            .map(|(to, reading)| (*to, reading.buckets.last().unwrap().1))
            .collect();
        assert_eq!(counts, [(2, 2), (3, 1)]);
    }

    /// Reads by round say how well they are batched.
    #[test]
    fn rounds_and_their_callers_are_told_apart() {
        let counters = Counters::default();
        counters.read_round(64, true);
        counters.read_round(1, false);
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!(
            [
                &counters.read_rounds,
                &counters.read_rounds_failed,
                &counters.read_callers
            ]
            .map(count),
            [2, 1, 65]
        );
    }
}
