//! A job as PCS shows a transition.

use proto::job::v1::job_target::State as TargetState;
use proto::job::v1::{Job, JobTarget, job};
use proto::power::v1::transition::{Task, TaskCounts};
use proto::power::v1::{PowerTransition, Transition};
use state::bounds::JOB_REMEMBERED_MS;

use crate::operation;
use crate::switch::NOTHING_TO_DO;

/// The transition of a job; `None` for a job of another kind.
pub(crate) fn asked(job: &Job) -> Option<&PowerTransition> {
    match &job.work {
        Some(job::Work::PowerTransition(asked)) => Some(asked),
        Some(_) | None => None,
    }
}

/// What PCS tells of a transition, without its tasks.
pub(crate) fn transition<'a>(
    job: &Job,
    asked: &PowerTransition,
    targets: impl Iterator<Item = &'a JobTarget>,
) -> Transition {
    let created = job.meta.as_ref().and_then(|meta| meta.created.as_ref());
    let created_ms = created.map_or(0, |created| created.at_ms);
    Transition {
        transition_id: job.id.clone(),
        operation: operation::name(asked.operation()).to_owned(),
        create_time: state::time_text(created_ms),
        automatic_expiration_time: state::time_text(created_ms.max(job.ended_at_ms) + JOB_REMEMBERED_MS),
        transition_status: status(job).to_owned(),
        task_counts: Some(counts(targets)),
        tasks: Vec::new(),
    }
}

/// One that was given back to wait for another member is at work still.
fn status(job: &Job) -> &'static str {
    match job.state() {
        job::State::Unspecified | job::State::Waiting if job.started_at_ms == 0 => "new",
        job::State::Unspecified | job::State::Waiting | job::State::Running => "in-progress",
        job::State::Succeeded | job::State::Failed => "completed",
        job::State::Cancelling => "abort-signaled",
        job::State::Cancelled => "aborted",
    }
}

/// What PCS tells of one component.
pub(crate) fn task(target: &JobTarget) -> Task {
    let status = task_status(target);
    let is_well = matches!(
        status,
        TaskStatus::New | TaskStatus::InProgress | TaskStatus::Succeeded
    );
    let reason = match target.remedy.as_str() {
        "" => target.reason.clone(),
        remedy => format!("{}; {remedy}", target.reason),
    };
    let (description, error) = match (target.state(), is_well) {
        (TargetState::Running, _) => (format!("begun: {}", target.note), String::new()),
        (TargetState::Unknown, _) => ("nobody knows what came of it".to_owned(), reason),
        (TargetState::Skipped, false) => ("it was not begun".to_owned(), reason),
        (_, true) => (reason, String::new()),
        (_, false) => ("it was not done".to_owned(), reason),
    };
    Task {
        xname: target.target.clone(),
        task_status: status.name().to_owned(),
        task_status_description: description,
        error,
    }
}

/// PCS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskStatus {
    New,
    InProgress,
    Succeeded,
    Failed,
    Unsupported,
}

impl TaskStatus {
    fn name(self) -> &'static str {
        match self {
            TaskStatus::New => "new",
            TaskStatus::InProgress => "in-progress",
            TaskStatus::Succeeded => "succeeded",
            TaskStatus::Failed => "failed",
            TaskStatus::Unsupported => "unsupported",
        }
    }
}

/// What was where it should be succeeded; what was skipped because of an abort did not.
fn task_status(target: &JobTarget) -> TaskStatus {
    match target.state() {
        TargetState::Unspecified | TargetState::Waiting => TaskStatus::New,
        TargetState::Running => TaskStatus::InProgress,
        TargetState::Succeeded => TaskStatus::Succeeded,
        TargetState::Skipped if target.reason.starts_with(NOTHING_TO_DO) => TaskStatus::Succeeded,
        TargetState::Failed | TargetState::Unknown | TargetState::Skipped => TaskStatus::Failed,
        TargetState::Unsupported => TaskStatus::Unsupported,
    }
}

fn counts<'a>(targets: impl Iterator<Item = &'a JobTarget>) -> TaskCounts {
    let mut counts = TaskCounts::default();
    for target in targets {
        counts.total += 1;
        match task_status(target) {
            TaskStatus::New => counts.new += 1,
            TaskStatus::InProgress => counts.in_progress += 1,
            TaskStatus::Succeeded => counts.succeeded += 1,
            TaskStatus::Failed => counts.failed += 1,
            TaskStatus::Unsupported => counts.un_supported += 1,
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use proto::http::v1::{Change, ObjectMeta};
    use proto::power::v1::power_transition::Operation;

    use super::*;

    fn target(state: TargetState, reason: &str, remedy: &str) -> JobTarget {
        JobTarget {
            target: "x0c0s0b0n0".to_owned(),
            state: state.into(),
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
            note: "ForceOff 1/1".to_owned(),
            ..JobTarget::default()
        }
    }

    fn all() -> Vec<(JobTarget, &'static str)> {
        let already = format!("{NOTHING_TO_DO}it is On");
        vec![
            (target(TargetState::Waiting, "", ""), "new"),
            (target(TargetState::Running, "", ""), "in-progress"),
            (target(TargetState::Succeeded, "On: On", ""), "succeeded"),
            (target(TargetState::Skipped, &already, ""), "succeeded"),
            (target(TargetState::Skipped, "cancelled", ""), "failed"),
            (target(TargetState::Failed, "it is locked", "unlock it"), "failed"),
            (target(TargetState::Unknown, "no answer", "look"), "failed"),
            (target(TargetState::Unsupported, "no reset", ""), "unsupported"),
        ]
    }

    #[test]
    fn tasks_have_pcss_words_and_their_reasons() {
        for (target, status) in all() {
            let task = task(&target);
            assert_eq!(task.task_status, status, "{target:?}");
            assert_eq!(
                task.error.is_empty(),
                !["failed", "unsupported"].contains(&status),
                "{task:?}"
            );
            if status != "new" {
                assert!(!task.task_status_description.is_empty(), "{task:?}");
            }
        }
        let locked = task(&target(TargetState::Failed, "it is locked", "unlock it"));
        assert_eq!(locked.error, "it is locked; unlock it");
    }

    /// Scripts wait until failed, succeeded and un-supported make the total.
    #[test]
    fn counts_add_up() {
        let targets: Vec<JobTarget> = all().into_iter().map(|(target, _)| target).collect();
        let counts = counts(targets.iter());
        assert_eq!((counts.total, counts.new, counts.in_progress), (8, 1, 1));
        assert_eq!((counts.succeeded, counts.failed, counts.un_supported), (2, 3, 1));
    }

    fn job(state: job::State, started_at_ms: u64, ended_at_ms: u64) -> Job {
        let created = Change {
            at_ms: 1_800_000_000_000,
            ..Change::default()
        };
        Job {
            id: "4f0c".to_owned(),
            work: Some(job::Work::PowerTransition(PowerTransition {
                operation: Operation::SoftRestart.into(),
                ..PowerTransition::default()
            })),
            state: state.into(),
            started_at_ms,
            ended_at_ms,
            meta: Some(ObjectMeta {
                created: Some(created),
                modified: None,
            }),
            ..Job::default()
        }
    }

    fn shown(job: &Job) -> Transition {
        transition(job, asked(job).unwrap(), std::iter::empty())
    }

    #[test]
    fn states_of_jobs_are_pcss_words() {
        for (state, started_at_ms, status) in [
            (job::State::Waiting, 0, "new"),
            (job::State::Waiting, 7, "in-progress"),
            (job::State::Running, 7, "in-progress"),
            (job::State::Succeeded, 7, "completed"),
            (job::State::Failed, 7, "completed"),
            (job::State::Cancelling, 7, "abort-signaled"),
            (job::State::Cancelled, 7, "aborted"),
        ] {
            assert_eq!(shown(&job(state, started_at_ms, 0)).transition_status, status);
        }
    }

    #[test]
    fn a_transition_has_its_operation_and_times() {
        let shown = shown(&job(job::State::Succeeded, 1, 1_800_000_060_000));
        assert_eq!(
            (shown.transition_id.as_str(), shown.operation.as_str()),
            ("4f0c", "Soft-Restart")
        );
        assert_eq!(shown.create_time, "2027-01-15T08:00:00.000Z");
        assert_eq!(shown.automatic_expiration_time, "2027-02-14T08:01:00.000Z");
        assert_eq!(shown.task_counts, Some(TaskCounts::default()));
    }

    #[test]
    fn jobs_of_other_kinds_are_no_transitions() {
        assert!(asked(&Job::default()).is_none());
        let scan = Job {
            work: Some(job::Work::Scan(proto::discovery::v1::Scan::default())),
            ..Job::default()
        };
        assert!(asked(&scan).is_none());
    }
}
