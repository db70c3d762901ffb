//! What became of targets, as the member that works on their job reports it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::Rejection;
use proto::job::v1::job::State as Stage;
use proto::job::v1::job_command::ReportJob;
use proto::job::v1::job_target::State as TargetStage;
use proto::job::v1::{Job, JobClaim, JobCounts, JobTarget};
use proto::raft::v1::outcome::Applied;

use super::claims::{is_open, lapse};
use super::create_job::normal_target;
use super::{Jobs, count, updated};
use crate::bounds::{
    DESCRIPTION_BYTES_MAX, JOB_NOTE_BYTES_MAX, JOB_TARGETS_PER_REPORT_MAX, NAME_BYTES_MAX,
    TARGETS_PER_JOB_MAX, check_count, line,
};
use crate::changes::Changes;
use crate::log_position::LogPosition;

impl Jobs {
    /// Stores a report and renews the claim, or gives it back.
    pub(super) fn report(
        &mut self,
        report: &ReportJob,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.held(&report.id, report.fence)?;
        let lapses_at_ms = match report.release {
            true => 0,
            false => lapse(report.lapse_s, at)?,
        };
        let mut counts = before.counts.unwrap_or_default();
        let mut targets = self.reported(report, &mut counts, at)?;
        targets.extend(self.found(report, &mut counts, at)?);
        for target in targets {
            self.put_target(target, changes);
        }
        let job = Job {
            counts: Some(counts),
            cursor: before.cursor.max(report.cursor),
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        self.put(held_on(job, report, lapses_at_ms), changes);
        Ok(updated(&report.id))
    }

    /// Targets as they become; what is reported twice in one report is what it was last.
    fn reported(
        &self,
        report: &ReportJob,
        counts: &mut JobCounts,
        at: &LogPosition<'_>,
    ) -> Result<Vec<JobTarget>, Rejection> {
        check_count("targets", report.targets.len(), JOB_TARGETS_PER_REPORT_MAX)?;
        let mut becoming: BTreeMap<u32, JobTarget> = BTreeMap::new();
        for given in &report.targets {
            let place = given.place;
            let stored = self.target(&report.id, place).map(Arc::as_ref);
            let before = becoming.get(&place).or(stored).ok_or_else(|| {
                Rejection::invalid("targets.place", format!("job {} has no place {place}", report.id))
            })?;
            let state = known_state("targets.state", given)?;
            // what was begun may have been done
            let was_begun = before.state() != TargetStage::Waiting;
            if (!is_open(before.state()) && is_open(state)) || (was_begun && state == TargetStage::Waiting) {
                let detail = format!(
                    "place {place} of job {} was begun or is over; it is not begun again",
                    report.id
                );
                return Err(Rejection::Conflict { detail });
            }
            count(counts, before.state(), -1);
            count(counts, state, 1);
            let after = JobTarget {
                target: before.target.clone(),
                ..told(&report.id, place, given, at)
            };
            becoming.insert(place, after);
        }
        Ok(becoming.into_values().collect())
    }

    /// Targets that are found and that the job does not have yet: whoever takes over a scan finds some again.
    fn found(
        &self,
        report: &ReportJob,
        counts: &mut JobCounts,
        at: &LogPosition<'_>,
    ) -> Result<Vec<JobTarget>, Rejection> {
        check_count(
            "new_targets",
            report.new_targets.len(),
            JOB_TARGETS_PER_REPORT_MAX,
        )?;
        let mut found = Vec::new();
        if report.new_targets.is_empty() {
            return Ok(found);
        }
        self.check_targets_fit(report.new_targets.len())?;
        let targets = self.targets(&report.id).map(|target| target.target.clone());
        let mut known: BTreeSet<String> = targets.collect();
        for given in &report.new_targets {
            let target = normal_target(&line(&given.target, NAME_BYTES_MAX));
            if target.is_empty() {
                return Err(Rejection::invalid("new_targets.target", "it is missing"));
            }
            let state = known_state("new_targets.state", given)?;
            if !known.insert(target.clone()) {
                continue;
            }
            let place = counts.total;
            if place as usize >= TARGETS_PER_JOB_MAX {
                let detail = format!(
                    "a job has at most {TARGETS_PER_JOB_MAX} targets; end it and go on with a smaller one"
                );
                return Err(Rejection::Conflict { detail });
            }
            count(counts, state, 1);
            found.push(JobTarget {
                target,
                ..told(&report.id, place, given, at)
            });
        }
        Ok(found)
    }
}

/// The job with its claim renewed, or waiting for another member.
fn held_on(job: Job, report: &ReportJob, lapses_at_ms: u64) -> Job {
    if !report.release {
        let claim = job.claim.map(|claim| JobClaim {
            lapses_at_ms,
            ..claim
        });
        return Job { claim, ..job };
    }
    let state = match job.state() {
        Stage::Cancelling => Stage::Cancelling,
        _ => Stage::Waiting,
    };
    Job {
        state: state.into(),
        reason: line(&report.reason, DESCRIPTION_BYTES_MAX),
        claim: None,
        ..job
    }
}

fn known_state(field: &str, given: &JobTarget) -> Result<TargetStage, Rejection> {
    match TargetStage::try_from(given.state) {
        Ok(TargetStage::Unspecified) | Err(_) => {
            Err(Rejection::invalid(field, format!("{} is none", given.state)))
        }
        Ok(state) => Ok(state),
    }
}

/// What is told of a target, but for what it is called.
fn told(job: &str, place: u32, given: &JobTarget, at: &LogPosition<'_>) -> JobTarget {
    JobTarget {
        job: job.to_owned(),
        place,
        target: String::new(),
        state: given.state,
        reason: line(&given.reason, DESCRIPTION_BYTES_MAX),
        remedy: line(&given.remedy, DESCRIPTION_BYTES_MAX),
        note: line(&given.note, JOB_NOTE_BYTES_MAX),
        reported_at_ms: at.time_ms,
    }
}
