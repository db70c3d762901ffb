//! The end that was asked for: SIGTERM or SIGINT, stop accepting, finish what runs, end; all bounded.

use std::future::Future;
use std::time::Duration;

use proto::cluster::v1::ClusterStatus;
use raft::Member;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::ServeError;
use super::tasks::Tasks;

/// Requests, transfers and boot files in progress get this long; the servers' own bounds are shorter.
const FINISH_MAX: Duration = Duration::from_secs(12);
/// Until another member leads. Where all members are stopped at once, none takes over, and this is lost.
const HAND_OVER_MAX: Duration = Duration::from_secs(1);
/// Storing the checkpoint.
const RAFT_STEP_MAX: Duration = Duration::from_secs(3);
/// Pause between two looks at who leads.
const LEADER_LOOK: Duration = Duration::from_millis(10);
/// A voter that has not answered for longer takes nothing over, milliseconds.
const SEEN_MS_MAX: u64 = 3000;
/// The peer port has nothing left to say once Raft has stopped.
const PEER_PORT_MAX: Duration = Duration::from_secs(2);

/// SIGTERM and SIGINT.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they do not end the process by themselves.
    ///
    /// # Errors
    /// What the system said.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What the servers have been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    Running,
    /// Everything is served on; who asks is told that it ends soon.
    Leaving,
    /// Nodes and administrators are served to the end of what they asked for.
    Finishing,
    /// Raft has stopped: the peer port goes too.
    Ending,
}

/// Tells the servers when to stop.
#[derive(Debug, Default)]
pub(super) struct Drain(watch::Sender<Phase>);

/// One server's end of a [`Drain`].
#[derive(Clone, Debug)]
pub(super) struct Stop {
    phases: watch::Receiver<Phase>,
    at: Phase,
}

impl Stop {
    /// Completes when it is time to stop; at once if it was before.
    pub(super) async fn reached(mut self) {
        // an error means that the drain is gone: then everything is to end
        let _ = self.phases.wait_for(|now| *now >= self.at).await;
    }

    /// Whether it is time to stop.
    pub(super) fn is_reached(&self) -> bool {
        *self.phases.borrow() >= self.at
    }

    /// The outcome of `waiting`, or `None` when it is time to stop before there is one.
    pub(super) async fn unless<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            outcome = waiting => Some(outcome),
            () = self.clone().reached() => None,
        }
    }
}

impl Drain {
    /// From now on this member says of itself that it is stopping.
    pub(super) fn leave(&self) {
        self.0.send_replace(Phase::Leaving);
    }

    /// For what tells others whether to come here.
    pub(super) fn leaving(&self) -> Stop {
        Stop {
            phases: self.0.subscribe(),
            at: Phase::Leaving,
        }
    }

    /// Tells nodes' and administrators' servers to finish.
    pub(super) fn finish(&self) {
        self.0.send_replace(Phase::Finishing);
    }

    /// For the servers of nodes and administrators.
    pub(super) fn finishing(&self) -> Stop {
        Stop {
            phases: self.0.subscribe(),
            at: Phase::Finishing,
        }
    }

    /// For the peer port.
    pub(super) fn ending(&self) -> Stop {
        Stop {
            phases: self.0.subscribe(),
            at: Phase::Ending,
        }
    }

    /// Ends a member in order. `raft` is Raft's runtime; one task of `tasks` is the peer port.
    ///
    /// # Errors
    /// When a part failed while it finished; being cut off by a bound is only logged.
    pub(super) async fn run(self, member: Member, mut tasks: Tasks, raft: &Handle) -> Result<(), ServeError> {
        tracing::info!("stopping: no new requests, finishing what runs");
        self.finish();
        let handing_over = raft.spawn(async move {
            bounded("handing over leadership", HAND_OVER_MAX, hand_over(&member)).await;
            member
        });
        if !tasks.wait_until_left(1, FINISH_MAX).await? {
            tracing::warn!("some requests did not finish in time and are cut off");
        }
        let member = handing_over
            .await
            .map_err(ServeError::setup("the hand-over of leadership"))?;
        let stopped = raft.spawn(bounded(
            "storing the checkpoint",
            RAFT_STEP_MAX,
            member.shutdown(),
        ));
        stopped.await.map_err(ServeError::setup("the end of Raft"))?;
        self.0.send_replace(Phase::Ending);
        tasks.wait_until_left(0, PEER_PORT_MAX).await?;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn bounded(step: &'static str, at_most: Duration, work: impl Future<Output = ()>) {
    if tokio::time::timeout(at_most, work).await.is_err() {
        tracing::warn!(step, "did not finish in time; going on without");
    }
}

/// Hands leadership over and waits until another member has it, if one that can take it is there: what the others have
/// for the leader then goes to one that stays.
async fn hand_over(member: &Member) {
    let store = member.store();
    let before = store.status();
    if before.leader_id != before.member_id || !others_vote(&before) {
        return;
    }
    member.hand_over().await;
    loop {
        match store.status().leader_id {
            leader if leader != 0 && leader != before.member_id => {
                tracing::info!(to = leader, "leadership is handed over");
                return;
            }
            _ => tokio::time::sleep(LEADER_LOOK).await,
        }
    }
}

/// Whether another voter has answered lately.
fn others_vote(status: &ClusterStatus) -> bool {
    let mut others = status
        .members
        .iter()
        .filter(|member| member.voter && member.id != status.member_id);
    others.any(|member| member.last_seen_ms.is_some_and(|ms| ms <= SEEN_MS_MAX))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// The only voter, or the last one that is there, has nobody to wait for.
    #[test]
    fn leadership_is_handed_to_voters_that_are_there() {
        let status = |voter, last_seen_ms| ClusterStatus {
            member_id: 1,
            members: [(1, true, Some(0)), (2, voter, last_seen_ms)]
                .map(|(id, voter, last_seen_ms)| proto::cluster::v1::MemberStatus {
                    id,
                    voter,
                    last_seen_ms,
                    ..Default::default()
                })
                .into(),
            ..Default::default()
        };
        assert!(others_vote(&status(true, Some(SEEN_MS_MAX))));
        assert!(!others_vote(&status(true, Some(SEEN_MS_MAX + 1))));
        assert!(!others_vote(&status(true, None)));
        assert!(!others_vote(&status(false, Some(0))), "a learner");
    }

    /// The peer port must outlive the API: a write in progress still needs the majority.
    #[tokio::test]
    async fn phases_are_told_in_order() {
        let drain = Drain::default();
        let mut finishing = Box::pin(drain.finishing().reached());
        let mut ending = Box::pin(drain.ending().reached());
        assert!(!drain.leaving().is_reached());
        drain.leave();
        assert!(drain.leaving().is_reached());
        assert!((&mut finishing).now_or_never().is_none());
        drain.0.send_replace(Phase::Finishing);
        assert!((&mut finishing).now_or_never().is_some());
        assert!((&mut ending).now_or_never().is_none());
        drain.0.send_replace(Phase::Ending);
        assert!((&mut ending).now_or_never().is_some());
    }

    /// Whatever asks late or after the drain has gone is told to stop, never left to run.
    #[tokio::test]
    async fn a_drain_that_is_gone_means_stop() {
        let drain = Drain::default();
        let ending = drain.ending();
        drop(drain);
        ending.reached().await;
    }

    /// A port that waits for the service address must not keep a member from ending.
    #[tokio::test]
    async fn waiting_ends_when_it_is_time_to_stop() {
        let drain = Drain::default();
        let stop = drain.finishing();
        assert_eq!(stop.unless(async { 7 }).await, Some(7));
        drain.0.send_replace(Phase::Finishing);
        assert_eq!(stop.unless(std::future::pending::<()>()).await, None);
    }
}
