//! A new job: what it is to do, for whom, with which targets.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Rejection, Xname};
use prost::Message;
use proto::auth::v1::Grant;
use proto::job::v1::job::{State as Stage, Work};
use proto::job::v1::job_command::CreateJob;
use proto::job::v1::{Job, JobCounts, JobTarget, job_target};
use proto::raft::v1::outcome::Applied;

use super::{Jobs, count, is_over};
use crate::bounds::{
    GRANT_POLICIES_MAX, JOB_TARGETS_MAX, JOB_WORK_BYTES_MAX, JOBS_ACTIVE_MAX, SCAN_BYTES_MAX,
    SESSION_GROUPS_MAX, TARGETS_PER_JOB_MAX, check_count, check_name,
};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::sealed::uuid;

impl Jobs {
    /// The outcome's value is the id. Somebody who acts by policies makes jobs in his own name, whatever is given.
    pub(super) fn create(
        &mut self,
        create: &CreateJob,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = create
            .job
            .as_ref()
            .ok_or_else(|| Rejection::invalid("job", "it is missing"))?;
        let work = checked_work(given.work.as_ref())?;
        let (principal, grant) = match at.grant {
            Some(grant) => (at.principal.to_owned(), Some(grant.clone())),
            None => (given.principal.clone(), given.grant.clone()),
        };
        check_name("job.principal", &principal)?;
        check_grant(grant.as_ref())?;
        let targets = checked_targets(&create.targets, matches!(work, Work::Scan(_)))?;
        self.check_room(targets.len())?;
        let id = uuid(&at.random()?);
        if self.get(&id).is_some() {
            let detail = format!("there is a job {id}, from the same random bytes; repeat the request");
            return Err(Rejection::Conflict { detail });
        }
        let mut counts = JobCounts::default();
        for (place, target) in (0..).zip(targets) {
            count(&mut counts, job_target::State::Waiting, 1);
            self.put_target(waiting(&id, place, target), changes);
        }
        let job = Job {
            id: id.clone(),
            work: Some(work),
            state: Stage::Waiting.into(),
            counts: Some(counts),
            principal,
            grant,
            meta: at.created(),
            ..Job::default()
        };
        self.put(job, changes);
        Ok(Applied {
            created: vec![id.clone()],
            value: id,
            ..Applied::default()
        })
    }

    /// Jobs that are over make room, see `retention.rs`; those that are not do not.
    fn check_room(&self, targets: usize) -> Result<(), Rejection> {
        if self.active_jobs().count() >= JOBS_ACTIVE_MAX {
            let detail = format!("{JOBS_ACTIVE_MAX} jobs are not over; wait for one, or cancel it");
            return Err(Rejection::Conflict { detail });
        }
        self.check_targets_fit(targets)
    }

    /// Whether jobs that are not over may have so many targets more.
    pub(super) fn check_targets_fit(&self, more: usize) -> Result<(), Rejection> {
        let totals = self
            .active_jobs()
            .map(|job| job.counts.unwrap_or_default().total as usize);
        if totals.sum::<usize>() + more > JOB_TARGETS_MAX {
            let detail = format!(
                "jobs that are not over have more than {JOB_TARGETS_MAX} targets with these; wait for one, or cancel it"
            );
            return Err(Rejection::Conflict { detail });
        }
        Ok(())
    }

    fn active_jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.iter().filter(|job| !is_over(job))
    }
}

fn waiting(job: &str, place: u32, target: String) -> JobTarget {
    JobTarget {
        job: job.to_owned(),
        place,
        target,
        state: job_target::State::Waiting.into(),
        ..JobTarget::default()
    }
}

/// What is to be done. How its targets were written stays with it if that is short; they have rows of their own.
fn checked_work(given: Option<&Work>) -> Result<Work, Rejection> {
    let mut work = given
        .cloned()
        .ok_or_else(|| Rejection::invalid("job.work", "it is missing; say what is to be done"))?;
    let bytes_max = match &mut work {
        Work::Scan(_) => SCAN_BYTES_MAX,
        other => {
            if bytes(other) > JOB_WORK_BYTES_MAX {
                targets_of(other).clear();
            }
            JOB_WORK_BYTES_MAX
        }
    };
    let has = bytes(&work);
    if has > bytes_max {
        let problem = format!(
            "it has {has} bytes, at most {bytes_max} are accepted; write networks, ranges and nodesets"
        );
        return Err(Rejection::invalid("job.work", problem));
    }
    Ok(work)
}

fn bytes(work: &Work) -> usize {
    let job = Job {
        work: Some(work.clone()),
        ..Job::default()
    };
    job.encoded_len()
}

fn targets_of(work: &mut Work) -> &mut Vec<String> {
    match work {
        Work::Scan(scan) => &mut scan.targets,
        Work::Crawl(crawl) => &mut crawl.targets,
        Work::CredentialRotation(rotation) => &mut rotation.targets,
        Work::PowerTransition(transition) => &mut transition.targets,
        Work::FirmwareUpdate(update) => &mut update.targets,
    }
}

fn check_grant(grant: Option<&Grant>) -> Result<(), Rejection> {
    let Some(grant) = grant else { return Ok(()) };
    check_count("job.grant.policies", grant.policies.len(), GRANT_POLICIES_MAX)?;
    check_count("job.grant.groups", grant.groups.len(), SESSION_GROUPS_MAX)
}

/// Xnames in normal form, all different. A scan finds its own.
fn checked_targets(given: &[String], is_scan: bool) -> Result<Vec<String>, Rejection> {
    if given.is_empty() && !is_scan {
        return Err(Rejection::invalid("targets", "none is given; name at least one"));
    }
    check_count("targets", given.len(), TARGETS_PER_JOB_MAX)?;
    let (mut seen, mut targets) = (BTreeSet::new(), Vec::with_capacity(given.len()));
    for text in given {
        check_name("targets", text)?;
        let target = normal_target(text);
        if !seen.insert(target.clone()) {
            return Err(Rejection::invalid("targets", format!("{target} is given twice")));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// An xname in normal form, and anything else as it is.
pub(super) fn normal_target(text: &str) -> String {
    text.parse::<Xname>()
        .map_or_else(|_| text.to_owned(), |xname| xname.to_string())
}
