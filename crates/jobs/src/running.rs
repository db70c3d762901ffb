//! A job that this member has claimed, as its work sees it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::job::v1::{Job, JobTarget, job, job_target};
use raft::Store;
use rpc::{Author, Error};
use state::bounds::JOB_NOTE_BYTES_MAX;
use tokio::sync::{Notify, oneshot};

use crate::pending::{Batch, Pending};
use crate::work::cut;
use crate::{JobKind, Outcome};

/// Between two looks at the state, where no change of it wakes.
const LOOK: Duration = Duration::from_secs(1);
/// At least so long between two looks, however often the state changes.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A claimed job. Clones are the same job.
#[derive(Clone)]
pub struct Running(Arc<Inner>);

struct Inner {
    store: Store,
    job: Job,
    targets: Vec<JobTarget>,
    fence: u64,
    pending: Mutex<Pending>,
    said: Notify,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("id", &self.0.job.id)
            .field("kind", &JobKind::of(&self.0.job))
            .field("fence", &self.0.fence)
            .finish_non_exhaustive()
    }
}

impl Running {
    /// `job` as it is under the claim `fence`, with what is left of it.
    pub(crate) fn new(store: Store, job: Job, targets: Vec<JobTarget>, fence: u64) -> Running {
        Running(Arc::new(Inner {
            store,
            job,
            targets,
            fence,
            pending: Mutex::new(Pending::default()),
            said: Notify::new(),
        }))
    }

    /// The job as it was claimed.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.0.job
    }

    /// Whose changes those of the job are: principal and grant of whoever asked for it.
    #[must_use]
    pub fn author(&self) -> Author {
        Author::of(&self.0.job.principal, self.0.job.grant.clone())
    }

    /// What was left when it was claimed: targets that wait, and those that another member has begun, which are only to be read
    /// back.
    #[must_use]
    pub fn targets(&self) -> Vec<JobTarget> {
        self.0.targets.clone()
    }

    /// Says that a target is begun; it is in the log when this returns, so that whoever takes over reads back and never repeats.
    ///
    /// # Errors
    /// `Conflict` when the claim is lost: nothing may be begun then. `Invalid` for a note that the log would not have whole: whoever
    /// takes over must find what was noted.
    pub async fn begin(&self, place: u32, note: &str) -> Result<(), Error> {
        if note.len() > JOB_NOTE_BYTES_MAX {
            let accepted = format!("{} bytes are given, {JOB_NOTE_BYTES_MAX} are kept", note.len());
            return Err(rpc::invalid("note", accepted));
        }
        let target = JobTarget {
            place,
            state: job_target::State::Running.into(),
            note: note.to_owned(),
            ..JobTarget::default()
        };
        self.say_and_wait(|pending| pending.target(target)).await
    }

    /// What became of a target. Reported within a second, together with others.
    pub fn report(&self, place: u32, outcome: Outcome) {
        self.say(|pending| pending.target(outcome.into_target(place)));
    }

    /// A target that a scan found, with its state.
    pub fn found(&self, target: JobTarget) {
        let target = JobTarget {
            job: self.0.job.id.clone(),
            reason: cut(target.reason),
            remedy: cut(target.remedy),
            ..target
        };
        self.say(|pending| pending.found(target));
    }

    /// Where a scan is to go on; in the log never before what was found until now.
    pub fn cursor(&self, cursor: u64) {
        self.say(|pending| pending.cursor(cursor));
    }

    /// Whether nothing more is to be begun.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let state = self.0.store.state();
        let job = state.jobs.get(&self.0.job.id);
        job.is_none_or(|job| job.state() != job::State::Running)
    }

    /// Returns when nothing more is to be begun.
    pub async fn cancelled(&self) {
        self.until(Running::is_cancelled).await;
    }

    /// Gives the job back: this member cannot do what is left of it. The work ends with this.
    pub async fn release(&self, reason: &str) {
        let reason = cut(reason.to_owned());
        // When it is lost instead, it is given back all the same.
        let _ = self.say_and_wait(|pending| pending.release(reason)).await;
    }

    /// Returns when the state says that the claim is another one.
    pub(crate) async fn lost(&self) {
        self.until(|running| !running.is_claimed()).await;
    }

    fn is_claimed(&self) -> bool {
        let state = self.0.store.state();
        let claim = state.jobs.get(&self.0.job.id).and_then(|job| job.claim.as_ref());
        claim.is_some_and(|claim| claim.fence == self.0.fence)
    }

    async fn until(&self, is_so: impl Fn(&Running) -> bool) {
        loop {
            let seen = self.0.store.state().applied_index();
            if is_so(self) {
                return;
            }
            self.0.store.wait_for(seen + 1, LOOK).await;
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    pub(crate) fn fence(&self) -> u64 {
        self.0.fence
    }

    /// What is to be said in the next report.
    pub(crate) fn say(&self, what: impl FnOnce(&mut Pending)) {
        what(&mut self.pending());
        self.0.said.notify_one();
    }

    async fn say_and_wait(&self, what: impl FnOnce(&mut Pending)) -> Result<(), Error> {
        let (waiter, done) = oneshot::channel();
        self.say(|pending| {
            what(pending);
            pending.wait(waiter);
        });
        match done.await {
            Ok(done) => done,
            Err(_) => Err(Error::Conflict {
                detail: format!(
                    "the claim of job {} is lost; another member goes on",
                    self.0.job.id
                ),
            }),
        }
    }

    /// Returns when something was said since the last call.
    pub(crate) async fn said(&self) {
        self.0.said.notified().await;
    }

    pub(crate) fn take(&self) -> Batch {
        self.pending().take()
    }

    pub(crate) fn put_back(&self, batch: Batch) {
        self.pending().put_back(batch);
    }

    pub(crate) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
