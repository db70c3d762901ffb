//! How long jobs that are over are remembered.

use std::sync::Arc;

use model::Rejection;
use proto::job::v1::Job;
use proto::job::v1::job_command::DeleteJobs;
use proto::raft::v1::outcome::Applied;

use super::{Jobs, KIND, is_over};
use crate::bounds::{
    JOB_REMEMBERED_MS, JOB_TARGETS_MAX, JOB_TARGETS_SWEPT_PER_ENTRY_MAX, JOBS_OVER_MAX, check_ids,
};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;

/// Why a job of another cluster is over in this one.
const ANOTHER_CLUSTER: &str = "the cluster was restored from a backup: the job is not begun again by itself";

impl Jobs {
    /// Jobs that are over go, the oldest first, when there are too many of them or of their targets, or they are too old. Whoever
    /// changes a job decides nothing of it, so it follows from the change by itself.
    pub(crate) fn follow(&mut self, at: &LogPosition<'_>, changes: &mut Changes) {
        let mut events = changes.events().iter();
        if !events.any(|event| matches!(event.after(), Some(Object::Job(_)))) {
            return;
        }
        let mut swept = 0;
        while swept < JOB_TARGETS_SWEPT_PER_ENTRY_MAX {
            let Some((ended_at_ms, id)) = self.over.get_min().cloned() else {
                return;
            };
            let is_old = ended_at_ms.saturating_add(JOB_REMEMBERED_MS) <= at.time_ms;
            let is_too_much = self.over.len() > JOBS_OVER_MAX || self.targets.len() > JOB_TARGETS_MAX;
            let Some(job) = self.get(&id).filter(|_| is_old || is_too_much).cloned() else {
                return;
            };
            swept += job.counts.unwrap_or_default().total as usize;
            self.remove(&job, changes);
        }
    }

    /// All or none.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteJobs,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_ids("ids", delete.ids.len())?;
        for id in &delete.ids {
            let job = self.get(id).ok_or_else(|| Rejection::not_found(KIND, id))?;
            if !is_over(job) {
                let detail = format!("job {id} is not over; cancel it first");
                return Err(Rejection::Conflict { detail });
            }
        }
        let jobs: Vec<Arc<Job>> = delete.ids.iter().filter_map(|id| self.get(id).cloned()).collect();
        for job in jobs {
            self.remove(&job, changes);
        }
        Ok(deleted(delete.ids.iter().cloned()))
    }

    /// What a backup has of jobs that were not over would be done a second time, to nodes that may do something else by now.
    pub(crate) fn become_another(&mut self, time_ms: u64, changes: &mut Changes) {
        let active = self.iter().filter(|job| !is_over(job));
        let active: Vec<Arc<Job>> = active.cloned().collect();
        for job in active {
            let ended = self.ended(&job, ANOTHER_CLUSTER.to_owned(), time_ms, changes);
            self.put(ended, changes);
        }
    }
}
