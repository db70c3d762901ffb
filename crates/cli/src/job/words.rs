//! Jobs and their targets in words: those of the API, so that what is read can be typed.

use proto::job::v1::job::{State, Work};
use proto::job::v1::job_target::State as TargetState;
use proto::job::v1::{Job, JobTarget};

/// What it does, as `--kind` takes it.
pub(super) fn kind(job: &Job) -> &'static str {
    match &job.work {
        Some(Work::Scan(_)) => "scan",
        Some(Work::Crawl(_)) => "crawl",
        Some(Work::CredentialRotation(_)) => "credential-rotation",
        Some(Work::PowerTransition(_)) => "power-transition",
        Some(Work::FirmwareUpdate(_)) => "firmware-update",
        None => "?",
    }
}

pub(super) fn state(job: &Job) -> &'static str {
    match job.state() {
        State::Unspecified => "?",
        State::Waiting => "waiting",
        State::Running => "running",
        State::Succeeded => "succeeded",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
        State::Cancelling => "cancelling",
    }
}

pub(super) fn target_state(target: &JobTarget) -> &'static str {
    match target.state() {
        TargetState::Unspecified => "?",
        TargetState::Waiting => "waiting",
        TargetState::Running => "running",
        TargetState::Succeeded => "succeeded",
        TargetState::Failed => "failed",
        TargetState::Unknown => "unknown",
        TargetState::Skipped => "skipped",
        TargetState::Unsupported => "unsupported",
    }
}

pub(super) fn is_over(job: &Job) -> bool {
    matches!(job.state(), State::Succeeded | State::Failed | State::Cancelled)
}

/// `197 succeeded, 2 failed, 1 unknown of 200`.
pub(super) fn counts(job: &Job) -> String {
    let counts = job.counts.unwrap_or_default();
    let named = [
        (counts.succeeded, "succeeded"),
        (counts.failed, "failed"),
        (counts.unknown, "unknown"),
        (counts.skipped, "skipped"),
        (counts.running, "running"),
        (counts.waiting, "waiting"),
    ];
    let said: Vec<String> = named
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    match said.as_slice() {
        [] => "no targets".to_owned(),
        said => format!("{} of {}", said.join(", "), counts.total),
    }
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::Crawl;
    use proto::job::v1::JobCounts;

    use super::*;

    #[test]
    fn a_job_is_counted_without_zeros() {
        let job = Job {
            work: Some(Work::Crawl(Crawl::default())),
            state: State::Running.into(),
            counts: Some(JobCounts {
                total: 200,
                succeeded: 197,
                failed: 2,
                unknown: 1,
                ..JobCounts::default()
            }),
            ..Job::default()
        };
        assert_eq!(counts(&job), "197 succeeded, 2 failed, 1 unknown of 200");
        assert_eq!(
            (kind(&job), state(&job), is_over(&job)),
            ("crawl", "running", false)
        );
        assert_eq!(counts(&Job::default()), "no targets");
    }

    /// A state of a newer member is shown as one that is not known, and does not end a wait.
    #[test]
    fn what_is_not_known_is_not_over() {
        let newer = Job {
            state: 99,
            ..Job::default()
        };
        assert_eq!((state(&newer), kind(&newer), is_over(&newer)), ("?", "?", false));
        let target = JobTarget {
            state: TargetState::Unknown.into(),
            ..JobTarget::default()
        };
        assert_eq!(target_state(&target), "unknown");
    }
}
