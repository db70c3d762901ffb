//! Which jobs this member takes: those that wait, or whose member is gone, and that it can do something for.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use proto::job::v1::{Job, JobTarget, job};
use raft::Store;
use state::State;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::claim::{Claim, Ended, is_left};
use crate::{JobKind, Work};

/// A cancelled job whose claim has lapsed so long ago is ended by anybody: no member that does its work is there.
const ORPHAN_MS: u64 = 60_000;

/// How long things take, and how many jobs a member does at once.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at the jobs, where no change of the state wakes.
    pub look: Duration,
    /// At least so long between two looks, however often the state changes.
    pub look_pause: Duration,
    /// Between two reports of one job, unless somebody waits for one or it is full.
    pub report: Duration,
    /// How long a claim is good without a report; whole seconds, 5 to 300. It is renewed after a third of that.
    pub lapse: Duration,
    /// Before the first repeat of what failed; each further one waits twice as long.
    pub backoff_first: Duration,
    /// The longest wait before a repeat.
    pub backoff_max: Duration,
    /// Jobs at once.
    pub jobs_max: usize,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            look: Duration::from_secs(1),
            look_pause: Duration::from_millis(100),
            report: Duration::from_secs(1),
            lapse: Duration::from_secs(30),
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            jobs_max: 16,
        }
    }
}

impl Pace {
    pub(crate) fn lapse_s(&self) -> u32 {
        u32::try_from(self.lapse.as_secs()).unwrap_or(u32::MAX)
    }

    /// How long this member trusts a claim by its own clock: less than the cluster does.
    pub(crate) fn good_for(&self) -> Duration {
        self.lapse - self.lapse / 6
    }
}

/// The jobs of this member.
pub struct Jobs {
    store: Store,
    member_id: u64,
    works: Vec<Arc<dyn Work>>,
    pace: Pace,
}

/// Jobs that this member works on, and those that it leaves alone for a while.
struct Taken {
    /// Dropping it ends them all.
    tasks: JoinSet<(String, Ended)>,
    running: BTreeMap<String, AbortHandle>,
    waits: BTreeMap<String, Wait>,
    stopping: watch::Sender<bool>,
}

/// Until when a job is left alone, and for how long the next time.
struct Wait {
    until: Instant,
    next: Duration,
}

impl Jobs {
    /// Those of `member_id` that one of `works` does; of each kind there is one work at most.
    #[must_use]
    pub fn new(store: Store, member_id: u64, works: Vec<Arc<dyn Work>>) -> Jobs {
        Jobs {
            store,
            member_id,
            works,
            pace: Pace::default(),
        }
    }

    /// The same in another pace than the usual one.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Jobs {
        Jobs { pace, ..self }
    }

    /// Claims jobs and sees them through until `stopped`; then it gives them back.
    pub async fn run(self, stopped: impl Future<Output = ()> + Send) {
        let mut taken = Taken {
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            waits: BTreeMap::new(),
            stopping: watch::Sender::new(false),
        };
        tokio::select! {
            () = self.follow(&mut taken) => {}
            () = stopped => {}
        }
        taken.stopping.send_replace(true);
        while taken.tasks.join_next().await.is_some() {}
    }

    async fn follow(&self, taken: &mut Taken) {
        loop {
            let state = self.store.state();
            let seen = state.applied_index();
            self.take(&state, taken);
            drop(state);
            tokio::select! {
                Some(ended) = taken.tasks.join_next(), if !taken.tasks.is_empty() => {
                    if let Ok((id, ended)) = ended {
                        taken.ended(id, ended, self.pace);
                    }
                }
                _ = self.store.wait_for(seen + 1, self.pace.look) => {
                    tokio::time::sleep(self.pace.look_pause).await;
                }
            }
        }
    }

    /// Begins with what can be begun.
    fn take(&self, state: &State, taken: &mut Taken) {
        let (now, now_ms) = (Instant::now(), self.store.cluster_time_ms());
        taken.running.retain(|_, task| !task.is_finished());
        taken.waits.retain(|id, _| state.jobs.get(id).is_some());
        for job in state.jobs.iter().filter(|job| is_free(job, now_ms)) {
            if taken.running.len() >= self.pace.jobs_max {
                return;
            }
            let is_left_alone = taken.waits.get(&job.id).is_some_and(|wait| now < wait.until);
            if taken.running.contains_key(&job.id) || is_left_alone {
                continue;
            }
            match self.work_for(state, job, now_ms) {
                Some(work) => self.spawn(job, work, taken),
                None => taken.wait(&job.id, now, self.pace.look),
            }
        }
    }

    /// What this member would do for the job: `Some(None)` is to end it; `None`: nothing.
    fn work_for(&self, state: &State, job: &Job, now_ms: u64) -> Option<Option<Arc<dyn Work>>> {
        let kind = JobKind::of(job)?;
        let left = || -> Vec<JobTarget> {
            let left = state.jobs.targets(&job.id).filter(|target| is_left(target));
            left.map(|target| target.as_ref().clone()).collect()
        };
        let mut of_kind = self.works.iter().filter(|work| work.kind() == kind);
        let able = of_kind.find(|work| work.can_run(job, &left()));
        match able {
            Some(work) => Some(Some(Arc::clone(work))),
            None => is_orphan(job, now_ms).then_some(None),
        }
    }

    fn spawn(&self, job: &Job, work: Option<Arc<dyn Work>>, taken: &mut Taken) {
        let claim = Claim {
            store: self.store.clone(),
            member_id: self.member_id,
            pace: self.pace,
            work,
            stopping: taken.stopping.subscribe(),
        };
        let id = job.id.clone();
        let task = taken.tasks.spawn(async move {
            let ended = Box::pin(claim.run(&id)).await;
            (id, ended)
        });
        taken.running.insert(job.id.clone(), task);
    }
}

impl Taken {
    fn wait(&mut self, id: &str, now: Instant, for_now: Duration) {
        let wait = self.waits.entry(id.to_owned()).or_insert(Wait {
            until: now,
            next: Duration::ZERO,
        });
        wait.until = now + for_now;
    }

    /// A job that slipped away is left alone for ever longer: another member may do better.
    fn ended(&mut self, id: String, ended: Ended, pace: Pace) {
        self.running.remove(&id);
        if ended == Ended::Done {
            self.waits.remove(&id);
            return;
        }
        let waited = self.waits.get(&id).map_or(Duration::ZERO, |wait| wait.next);
        let next = (waited * 2).clamp(pace.backoff_first, pace.backoff_max);
        let until = Instant::now() + next;
        self.waits.insert(id, Wait { until, next });
    }
}

/// Whether it can be claimed: it waits, or the claim has lapsed.
fn is_free(job: &Job, now_ms: u64) -> bool {
    match job.state() {
        job::State::Waiting => true,
        job::State::Running | job::State::Cancelling => {
            lapsed_at(job).is_none_or(|lapses_at_ms| lapses_at_ms <= now_ms)
        }
        _ => false,
    }
}

fn lapsed_at(job: &Job) -> Option<u64> {
    job.claim.as_ref().map(|claim| claim.lapses_at_ms)
}

fn is_orphan(job: &Job, now_ms: u64) -> bool {
    let modified = job.meta.as_ref().and_then(|meta| meta.modified.as_ref());
    let since = lapsed_at(job).or_else(|| modified.map(|modified| modified.at_ms));
    let waited_ms = now_ms.saturating_sub(since.unwrap_or(now_ms));
    job.state() == job::State::Cancelling && waited_ms > ORPHAN_MS
}

#[cfg(test)]
mod tests {
    use proto::http::v1::{Change, ObjectMeta};
    use proto::job::v1::JobClaim;

    use super::*;

    const NOW_MS: u64 = 1_000_000;

    fn job(state: job::State, lapses_at_ms: Option<u64>) -> Job {
        Job {
            state: state.into(),
            claim: lapses_at_ms.map(|lapses_at_ms| JobClaim {
                lapses_at_ms,
                ..JobClaim::default()
            }),
            ..Job::default()
        }
    }

    #[test]
    fn a_job_is_free_while_nobody_has_a_good_claim() {
        assert!(is_free(&job(job::State::Waiting, None), NOW_MS));
        for state in [job::State::Running, job::State::Cancelling] {
            assert!(!is_free(&job(state, Some(NOW_MS + 1)), NOW_MS), "{state:?}");
            assert!(is_free(&job(state, Some(NOW_MS)), NOW_MS), "{state:?}");
        }
        for over in [job::State::Succeeded, job::State::Failed, job::State::Cancelled] {
            assert!(!is_free(&job(over, None), NOW_MS), "{over:?}");
        }
    }

    /// Else it would be there for ever, after the last member with the role is gone.
    #[test]
    fn only_a_cancelled_job_is_ended_without_its_work() {
        let lapsed = Some(NOW_MS - ORPHAN_MS - 1);
        assert!(is_orphan(&job(job::State::Cancelling, lapsed), NOW_MS));
        assert!(!is_orphan(&job(job::State::Cancelling, Some(NOW_MS - 1)), NOW_MS));
        assert!(!is_orphan(&job(job::State::Running, lapsed), NOW_MS));
        let given_back = |at_ms: u64| {
            let modified = Some(Change {
                at_ms,
                ..Change::default()
            });
            let meta = Some(ObjectMeta {
                modified,
                ..ObjectMeta::default()
            });
            Job {
                meta,
                ..job(job::State::Cancelling, None)
            }
        };
        assert!(is_orphan(&given_back(NOW_MS - ORPHAN_MS - 1), NOW_MS));
        assert!(!is_orphan(&given_back(NOW_MS - 1), NOW_MS));
    }

    #[test]
    fn a_member_trusts_its_claim_for_less_time_than_the_others_do() {
        let pace = Pace::default();
        assert!(pace.good_for() < pace.lapse && pace.lapse / 3 * 2 < pace.good_for());
        assert_eq!(pace.lapse_s(), 30);
    }
}
