//! What a member does besides answering: its background tasks, from the start until it stops.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use proto::cluster::v1::ClusterCommand;
use proto::raft::v1::entry::Command;

use crate::background::Background;
use crate::leader_gone::{self, Ends};
use crate::log_store::LogStore;
use crate::metrics::{Counters, count_leader_changes};
use crate::read_index::{self, Requests};
use crate::replicated::Replicated;
use crate::store::Store;
use crate::{autopilot, introduction, pinned_members};

/// How often the log's size is looked at for a snapshot.
const SNAPSHOT_LOOK: Duration = Duration::from_secs(1);
/// Pause between attempts to bootstrap the state or to learn a commit index.
const STARTUP_PAUSE: Duration = Duration::from_millis(50);

/// What the tasks of one member work on.
pub(crate) struct MemberTasks {
    pub(crate) replicated: Arc<Replicated>,
    pub(crate) store: Store,
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: LogStore,
    /// Bytes of log after which a snapshot is written.
    pub(crate) log_bytes: u64,
    pub(crate) lease_reads: bool,
    /// The first entry, should the cluster be new.
    pub(crate) bootstrap: ClusterCommand,
    pub(crate) read_index_requests: Requests,
    pub(crate) stream_ends: Ends,
}

impl MemberTasks {
    pub(crate) fn start(self) -> Background {
        let mut background = Background::new();
        let member = || Arc::clone(&self.replicated);
        let (reader, counters, requests) = (member(), Arc::clone(&self.counters), self.read_index_requests);
        background.spawn("read index", async move {
            read_index::run(requests, &counters, || reader.read_index()).await
        });
        background.spawn(
            "bootstrap",
            bootstrap_and_verify(self.store, member(), self.bootstrap),
        );
        let watcher = member();
        background.spawn("majority", async move { watcher.watch_majority().await });
        background.spawn("leader changes", count_leader_changes(member(), self.counters));
        background.spawn("log size", bound_log_by_size(member(), self.log, self.log_bytes));
        background.spawn("introduction", introduction::introduce(member()));
        background.spawn("pinned keys", pinned_members::follow(member()));
        background.spawn("autopilot", autopilot::run(member()));
        if !self.lease_reads {
            // A leader may answer by its lease for as long as it lives, and a refused connection does not prove that it
            // does not: with lease reads only the timers count.
            background.spawn("leader gone", leader_gone::run(member(), self.stream_ends));
        }
        background
    }
}

/// Gives a new cluster its id, and marks this member as verified once a leader has confirmed a commit index.
async fn bootstrap_and_verify(store: Store, replicated: Arc<Replicated>, bootstrap: ClusterCommand) {
    loop {
        if replicated.reach_read_index().await.is_ok() {
            if !store.state().cluster_id().is_empty() {
                replicated.set_verified();
                return;
            }
            let principal = format!("member/{}", replicated.peers().member_id);
            let proposed = store
                .propose(&principal, Command::Cluster(bootstrap.clone()), None)
                .await;
            tracing::info!(ok = proposed.is_ok(), "new cluster: bootstrap proposed");
        }
        tokio::time::sleep(STARTUP_PAUSE).await;
    }
}

/// openraft counts entries; this counts bytes, whichever comes first. What a snapshot holds and the log keeps for
/// short outages is purged early when the log is larger than twice that.
async fn bound_log_by_size(replicated: Arc<Replicated>, log: LogStore, log_bytes_max: u64) {
    let mut look = tokio::time::interval(SNAPSHOT_LOOK);
    loop {
        look.tick().await;
        let trigger = replicated.raft().trigger();
        if log.bytes_since_snapshot() > log_bytes_max {
            log.snapshot_taken();
            if trigger.snapshot().await.is_err() {
                return;
            }
        }
        let snapshot = replicated.raft().metrics().borrow_watched().snapshot;
        if log.bytes() > 2 * log_bytes_max
            && let Some(snapshot) = snapshot
            && trigger.purge_log(snapshot.index).await.is_err()
        {
            return;
        }
    }
}
