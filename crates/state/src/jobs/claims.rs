//! Who works on a job: claims that lapse by cluster time, and the fence that tells a member from the one before it.

use std::sync::Arc;

use model::Rejection;
use proto::job::v1::job::State as Stage;
use proto::job::v1::job_command::{CancelJob, ClaimJob, EndJob};
use proto::job::v1::job_target::State as TargetStage;
use proto::job::v1::{Job, JobClaim, JobCounts, JobTarget};
use proto::raft::v1::outcome::Applied;

use super::{Jobs, count, updated};
use crate::bounds::{CLAIM_LAPSE_S_MAX, CLAIM_LAPSE_S_MIN, DESCRIPTION_BYTES_MAX, line};
use crate::changes::Changes;
use crate::log_position::LogPosition;

/// What is said of a target that waited when its job ended, if the member says nothing.
const NOT_BEGUN: &str = "the job ended before";
/// What is said of a target that was begun, and the member did not say how it ended.
const NOT_KNOWN: &str = "the job ended while it was worked on; nobody knows what became of it";
/// What to do about it.
const LOOK: &str = "look at it, and start another job for it if that is needed";

impl Jobs {
    /// The outcome's value is the fence: the log index of the claim.
    pub(super) fn claim(
        &mut self,
        claim: &ClaimJob,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.active(&claim.id)?;
        if claim.member_id == 0 {
            return Err(Rejection::invalid("member_id", "it is missing"));
        }
        let lapses_at_ms = lapse(claim.lapse_s, at)?;
        let is_good = |claim: &JobClaim| claim.lapses_at_ms > at.time_ms;
        if let Some(other) = before.claim.filter(is_good) {
            let detail = format!("member {} works on job {}", other.member_id, claim.id);
            return Err(Rejection::Conflict { detail });
        }
        let state = match before.state() {
            Stage::Cancelling => Stage::Cancelling,
            _ => Stage::Running,
        };
        let started_at_ms = match before.started_at_ms {
            0 => at.time_ms,
            earlier => earlier,
        };
        let job = Job {
            state: state.into(),
            reason: String::new(),
            claim: Some(JobClaim {
                member_id: claim.member_id,
                fence: at.index,
                lapses_at_ms,
            }),
            started_at_ms,
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        self.put(job, changes);
        Ok(Applied {
            value: at.index.to_string(),
            ..updated(&claim.id)
        })
    }

    /// The job, if this fence is that of the last claim to it. A claim that has lapsed counts until another one is there.
    ///
    /// # Errors
    /// `Conflict` for another fence, and for a job that is over; `NotFound`.
    pub(super) fn held(&self, id: &str, fence: u64) -> Result<Arc<Job>, Rejection> {
        let job = self.active(id)?;
        match job.claim.is_some_and(|claim| claim.fence == fence) {
            true => Ok(job),
            false => Err(Rejection::Conflict {
                detail: format!(
                    "fence {fence} is not that of job {id}: another member may have taken it over"
                ),
            }),
        }
    }

    pub(super) fn end(
        &mut self,
        end: &EndJob,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let job = self.held(&end.id, end.fence)?;
        let reason = line(&end.reason, DESCRIPTION_BYTES_MAX);
        let ended = self.ended(&job, reason, at.time_ms, changes);
        self.put(
            Job {
                meta: at.modified(job.meta.as_ref()),
                ..ended
            },
            changes,
        );
        Ok(updated(&end.id))
    }

    /// A job that nobody has begun is over at once. One with a target that was begun is not, though it waits: whoever takes it reads
    /// back what came of that.
    pub(super) fn cancel(
        &mut self,
        cancel: &CancelJob,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.active(&cancel.id)?;
        if before.state() == Stage::Cancelling {
            return Ok(Applied {
                unchanged: vec![cancel.id.clone()],
                ..Applied::default()
            });
        }
        let mut job = Job {
            state: Stage::Cancelling.into(),
            meta: at.modified(before.meta.as_ref()),
            ..before.as_ref().clone()
        };
        if job.claim.is_none() && job.counts.unwrap_or_default().running == 0 {
            job = self.ended(&job, String::new(), at.time_ms, changes);
        }
        self.put(job, changes);
        Ok(updated(&cancel.id))
    }

    /// The job as it is when it is over, and its targets brought to their end.
    pub(super) fn ended(&mut self, job: &Job, reason: String, time_ms: u64, changes: &mut Changes) -> Job {
        let before = job.counts.unwrap_or_default();
        let open = self.targets(&job.id).filter(|target| is_open(target.state()));
        let open: Vec<Arc<JobTarget>> = open.cloned().collect();
        let mut counts = before;
        for target in open {
            count(&mut counts, target.state(), -1);
            let closed = closed(&target, &reason, time_ms);
            count(&mut counts, closed.state(), 1);
            self.put_target(closed, changes);
        }
        Job {
            state: end_state(job.state(), &before, &counts).into(),
            reason,
            claim: None,
            counts: Some(counts),
            ended_at_ms: time_ms.max(1),
            ..job.clone()
        }
    }
}

/// Whether something may still become of a target.
pub(super) fn is_open(state: TargetStage) -> bool {
    matches!(
        state,
        TargetStage::Unspecified | TargetStage::Waiting | TargetStage::Running
    )
}

fn closed(target: &JobTarget, reason: &str, time_ms: u64) -> JobTarget {
    let (state, reason, remedy) = match target.state() {
        TargetStage::Running => (TargetStage::Unknown, NOT_KNOWN, LOOK),
        _ if reason.is_empty() => (TargetStage::Skipped, NOT_BEGUN, ""),
        _ => (TargetStage::Skipped, reason, ""),
    };
    JobTarget {
        state: state.into(),
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
        reported_at_ms: time_ms,
        ..target.clone()
    }
}

/// Whatever waited when the job ended was not reached, which is a failure unless somebody wanted it so.
fn end_state(state: Stage, before: &JobCounts, after: &JobCounts) -> Stage {
    match state {
        Stage::Cancelling => Stage::Cancelled,
        _ if before.waiting > 0 || after.failed > 0 || after.unknown > 0 => Stage::Failed,
        _ => Stage::Succeeded,
    }
}

/// When a claim lapses that is made or renewed now.
pub(super) fn lapse(lapse_s: u32, at: &LogPosition<'_>) -> Result<u64, Rejection> {
    match (CLAIM_LAPSE_S_MIN..=CLAIM_LAPSE_S_MAX).contains(&lapse_s) {
        true => Ok(at.time_ms.saturating_add(u64::from(lapse_s) * 1000)),
        false => {
            let problem =
                format!("{lapse_s} is given; write {CLAIM_LAPSE_S_MIN} to {CLAIM_LAPSE_S_MAX} seconds");
            Err(Rejection::invalid("lapse_s", problem))
        }
    }
}
