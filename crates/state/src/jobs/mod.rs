//! Jobs: work that takes long and is done by one member for the whole cluster. From feature level 7 on.

mod claims;
mod create_job;
mod reports;
mod retention;

use std::sync::Arc;

use imbl::OrdSet;
use model::Rejection;
use proto::job::v1::job::State as Stage;
use proto::job::v1::job_command::Change;
use proto::job::v1::{Job, JobCommand, JobCounts, JobTarget, job_target};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use crate::apply::no_command;
use crate::changes::Changes;
use crate::cluster::FEATURE_LEVEL_DISCOVERY;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table, text_record};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "job";

/// Jobs by id, what became of their targets, and those that are over by when they ended.
#[derive(Clone, Default)]
pub struct Jobs {
    jobs: Table<Job>,
    /// By job and place.
    targets: Table<JobTarget>,
    over: OrdSet<(u64, String)>,
}

impl Jobs {
    /// A job by its id.
    pub fn get(&self, id: &str) -> Option<&Arc<Job>> {
        self.jobs.get(&id.to_owned())
    }

    /// Every job, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.values()
    }

    /// What became of the targets of a job, in its order.
    pub fn targets<'a>(&'a self, job: &str) -> impl DoubleEndedIterator<Item = &'a Arc<JobTarget>> + use<'a> {
        self.targets_from(job, 0)
    }

    /// As [`Jobs::targets`], from a place on.
    pub fn targets_from<'a>(
        &'a self,
        job: &str,
        place: u32,
    ) -> impl DoubleEndedIterator<Item = &'a Arc<JobTarget>> + use<'a> {
        let range = (job.to_owned(), place)..=(job.to_owned(), u32::MAX);
        self.targets.range(range).map(|(_, target)| target)
    }

    /// One target of a job.
    pub fn target(&self, job: &str, place: u32) -> Option<&Arc<JobTarget>> {
        self.targets.get(&(job.to_owned(), place))
    }

    pub(crate) fn apply(
        &mut self,
        command: &JobCommand,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        match command.change.as_ref().ok_or_else(no_command)? {
            Change::CreateJob(create) => self.create(create, at, changes),
            Change::ClaimJob(claim) => self.claim(claim, at, changes),
            Change::ReportJob(report) => self.report(report, at, changes),
            Change::EndJob(end) => self.end(end, at, changes),
            Change::CancelJob(cancel) => self.cancel(cancel, at, changes),
            Change::DeleteJobs(delete) => self.delete(delete, changes),
        }
    }

    /// A job that is not over.
    ///
    /// # Errors
    /// `NotFound`, and `Conflict` for one that is.
    fn active(&self, id: &str) -> Result<Arc<Job>, Rejection> {
        let job = self.get(id).ok_or_else(|| Rejection::not_found(KIND, id))?;
        match is_over(job) {
            false => Ok(Arc::clone(job)),
            true => Err(Rejection::Conflict {
                detail: format!("job {id} is over; start another one"),
            }),
        }
    }

    /// The only place where a job is stored.
    fn put(&mut self, job: Job, changes: &mut Changes) {
        if is_over(&job) {
            self.over.insert((job.ended_at_ms, job.id.clone()));
        }
        self.jobs.put(job.id.clone(), job, changes);
    }

    fn put_target(&mut self, target: JobTarget, changes: &mut Changes) {
        let key = (target.job.clone(), target.place);
        self.targets.put(key, target, changes);
    }

    /// The only place where a job goes, with its targets.
    fn remove(&mut self, job: &Job, changes: &mut Changes) {
        let places: Vec<u32> = self.targets(&job.id).map(|target| target.place).collect();
        for place in places {
            self.targets.remove(&(job.id.clone(), place), changes);
        }
        self.over.remove(&(job.ended_at_ms, job.id.clone()));
        self.jobs.remove(&job.id, changes);
    }
}

impl Jobs {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let jobs = self.jobs.values().map(|job| job.as_ref().clone().into_row());
        let targets = self.targets.values();
        jobs.chain(targets.map(|target| target.as_ref().clone().into_row()))
    }

    pub(crate) fn row(&self, key: &RowKey) -> Option<Row> {
        match key.kind() {
            RowKind::JobTarget => {
                let (id, place) = key.key().split_last_chunk::<4>()?;
                let (zero, id) = id.split_last()?;
                let id = std::str::from_utf8(id).ok().filter(|_| *zero == 0)?;
                let target = self.target(id, u32::from_be_bytes(*place))?;
                Some(target.as_ref().clone().into_row())
            }
            _ => {
                let job = self.get(std::str::from_utf8(key.key()).ok()?)?;
                Some(job.as_ref().clone().into_row())
            }
        }
    }

    /// What can be watched, as it is sorted in rows.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let jobs = self.jobs.values().cloned().map(Object::Job);
        jobs.chain(self.targets.values().cloned().map(Object::JobTarget))
    }

    pub(crate) fn load_job(&mut self, row: Job, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.jobs.check_load(&row, RowKind::Job)?;
        let known = !matches!(Stage::try_from(row.state), Ok(Stage::Unspecified) | Err(_));
        if !known || is_over(&row) != (row.ended_at_ms > 0) || (is_over(&row) && row.claim.is_some()) {
            return Err(malformed(RowKind::Job, "its state and its end do not agree"));
        }
        self.put(row, changes);
        Ok(())
    }

    pub(crate) fn load_target(&mut self, row: JobTarget, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.targets.check_load(&row, RowKind::JobTarget)?;
        self.put_target(row, changes);
        Ok(())
    }

    /// Every target is of a job, which counts it.
    pub(crate) fn check_loaded(&self) -> Result<(), SnapshotError> {
        let mut loaded = 0;
        for job in self.iter() {
            let mut counts = JobCounts::default();
            for (expected, target) in (0..).zip(self.targets(&job.id)) {
                if target.place != expected {
                    return Err(malformed(RowKind::JobTarget, "a place of its job is missing"));
                }
                count(&mut counts, target.state(), 1);
                loaded += 1;
            }
            if job.counts.unwrap_or_default() != counts {
                return Err(malformed(RowKind::Job, "it does not count its targets right"));
            }
        }
        match loaded == self.targets.len() {
            true => Ok(()),
            false => Err(malformed(RowKind::JobTarget, "it is of no job")),
        }
    }
}

/// From which level on the log may have this command.
pub(crate) fn feature_level(_command: &JobCommand) -> u32 {
    FEATURE_LEVEL_DISCOVERY
}

/// Whether nothing more becomes of a job.
fn is_over(job: &Job) -> bool {
    matches!(job.state(), Stage::Succeeded | Stage::Failed | Stage::Cancelled)
}

/// Counts targets that are in a state, or are not any more (`by` below 0).
fn count(counts: &mut JobCounts, state: job_target::State, by: i32) {
    let place = match state {
        job_target::State::Unspecified | job_target::State::Waiting => &mut counts.waiting,
        job_target::State::Running => &mut counts.running,
        job_target::State::Succeeded => &mut counts.succeeded,
        job_target::State::Failed | job_target::State::Unsupported => &mut counts.failed,
        job_target::State::Unknown => &mut counts.unknown,
        job_target::State::Skipped => &mut counts.skipped,
    };
    *place = place.saturating_add_signed(by);
    counts.total = counts.total.saturating_add_signed(by);
}

fn malformed(kind: RowKind, problem: &str) -> SnapshotError {
    SnapshotError::Malformed {
        kind,
        problem: problem.to_owned(),
    }
}

fn updated(id: &str) -> Applied {
    Applied {
        updated: vec![id.to_owned()],
        ..Applied::default()
    }
}

text_record!(Job, id, |job| Some(Object::Job(job)));

impl Record for JobTarget {
    type Key = (String, u32);

    fn row_key((job, place): &(String, u32)) -> RowKey {
        RowKey::job_target(job, *place)
    }

    fn key(&self) -> Result<(String, u32), String> {
        match self.job.is_empty() {
            true => Err("it has no job".to_owned()),
            false => Ok((self.job.clone(), self.place)),
        }
    }

    fn into_row(self) -> Row {
        Row::JobTarget(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::JobTarget(self))
    }
}
