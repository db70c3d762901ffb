//! How long jobs are remembered, and what there is room for.

use model::Rejection;
use proto::job::v1::JobTarget;
use proto::job::v1::job::State as Stage;
use proto::job::v1::job_command::{CreateJob, DeleteJobs, ReportJob};
use proto::job::v1::job_target::State as Target;
use proto::raft::v1::outcome;
use state::bounds::{
    JOB_REMEMBERED_MS, JOB_TARGETS_MAX, JOBS_ACTIVE_MAX, JOBS_OVER_MAX, TARGETS_PER_JOB_MAX,
};
use state::cluster::FEATURE_LEVEL_KNOWN;
use state::{State, rejection};

use crate::auth_support::texts;
use crate::jobs::{cancel, claim, claimed, power, report, stored, target};
use crate::support::{IntoCommand, Log, START_MS, entry, session};

/// A log without the checks of [`Log`], which look at all rows, and with as many different ids as there are entries.
struct Bare {
    state: State,
    index: u64,
    now_ms: u64,
}

impl Bare {
    fn new() -> Bare {
        Bare {
            state: State::at_level(FEATURE_LEVEL_KNOWN),
            index: 0,
            now_ms: START_MS,
        }
    }

    fn apply(&mut self, command: impl IntoCommand) -> Result<outcome::Applied, Rejection> {
        self.index += 1;
        let mut entry = entry(
            self.index,
            self.now_ms,
            session(7, self.index, self.index),
            command,
        );
        let header = entry.header.get_or_insert_default();
        header.random = [self.index.to_be_bytes(); 2].concat();
        header.session.get_or_insert_default().opened_at_ms = self.now_ms;
        let outcome = self.state.apply(self.index, &entry).outcome;
        match (rejection(&outcome), outcome.result) {
            (None, Some(outcome::Result::Applied(applied))) => Ok(applied),
            (rejection, _) => Err(rejection.unwrap()),
        }
    }

    /// The id of a new job with one target.
    fn small(&mut self) -> String {
        self.apply(power(&["x0c0s0b0n0"])).unwrap().value
    }

    /// A job that is over.
    fn over(&mut self) -> String {
        let id = self.small();
        self.now_ms += 1;
        self.apply(cancel(&id)).unwrap();
        id
    }

    fn has(&self, id: &str) -> bool {
        self.state.jobs.get(id).is_some()
    }
}

fn delete(ids: &[&str]) -> DeleteJobs {
    DeleteJobs { ids: texts(ids) }
}

fn is_conflict<T>(result: &Result<T, Rejection>, part: &str) -> bool {
    matches!(result, Err(Rejection::Conflict { detail }) if detail.contains(part))
}

#[test]
fn jobs_that_are_over_are_forgotten_after_thirty_days() {
    let mut log = Bare::new();
    let old = log.over();
    let active = log.small();
    log.now_ms = START_MS + JOB_REMEMBERED_MS;
    log.small();
    assert!(log.has(&old), "it ended a moment later");
    log.now_ms += 1;
    log.small();
    assert!(
        !log.has(&old) && log.has(&active),
        "what is not over is not forgotten"
    );
    assert_eq!(log.state.jobs.targets(&old).count(), 0);
    let again = State::from_rows(log.state.rows()).unwrap();
    assert_eq!(again.digest(), log.state.digest());
}

#[test]
fn the_oldest_goes_where_there_are_too_many() {
    let mut log = Bare::new();
    let first = log.over();
    for _ in 1..JOBS_OVER_MAX {
        log.over();
    }
    assert!(log.has(&first));
    log.over();
    assert!(!log.has(&first));
    assert_eq!(log.state.jobs.iter().count(), JOBS_OVER_MAX);
}

#[test]
fn there_is_room_for_so_many_that_are_not_over() {
    let mut log = Bare::new();
    let first = log.small();
    for _ in 1..JOBS_ACTIVE_MAX {
        log.small();
    }
    let more = log.apply(power(&["x0c0s0b0n0"]));
    assert!(is_conflict(&more, "not over"), "{more:?}");
    log.apply(cancel(&first)).unwrap();
    log.small();
}

#[test]
fn there_is_room_for_so_many_targets() {
    let mut log = Bare::new();
    let large = || CreateJob {
        targets: (0..TARGETS_PER_JOB_MAX).map(|n| n.to_string()).collect(),
        ..power(&[])
    };
    let first = log.apply(large()).unwrap().value;
    for _ in 1..JOB_TARGETS_MAX / TARGETS_PER_JOB_MAX {
        log.apply(large()).unwrap();
    }
    let more = log.apply(power(&["x0c0s0b0n0"]));
    assert!(is_conflict(&more, "targets"), "{more:?}");
    let fence: u64 = log.apply(claim(&first, 1)).unwrap().value.parse().unwrap();
    let found = log.apply(ReportJob {
        new_targets: vec![JobTarget {
            target: "10.1.0.7:443".into(),
            state: Target::Succeeded.into(),
            ..JobTarget::default()
        }],
        ..report(&first, fence, &[])
    });
    assert!(is_conflict(&found, "targets"), "{found:?}");
    log.apply(ReportJob {
        release: true,
        ..report(&first, fence, &[])
    })
    .unwrap();
    log.apply(cancel(&first)).unwrap();
    assert_eq!(log.state.jobs.targets(&first).count(), TARGETS_PER_JOB_MAX);
    log.small();
    assert!(!log.has(&first), "what is over made room");
}

#[test]
fn only_what_is_over_is_deleted_and_all_or_nothing() {
    let mut log = Log::latest();
    let (one, active) = (
        log.ok(power(&["x0c0s0b0n0"])).value,
        log.ok(power(&["x0c0s0b0n0"])).value,
    );
    log.ok(cancel(&one));
    assert_eq!(log.invalid(delete(&[])).0, "ids");
    let refused = Err::<(), _>(log.refused(delete(&[&one, &active])));
    assert!(is_conflict(&refused, "cancel it"), "{refused:?}");
    assert!(matches!(
        log.refused(delete(&[&one, "none"])),
        Rejection::NotFound { .. }
    ));
    assert!(log.state.jobs.get(&one).is_some());
    assert_eq!(log.ok(delete(&[&one])).deleted, std::slice::from_ref(&one));
    assert!(log.state.jobs.get(&one).is_none());
}

/// A backup of a cluster that was switching nodes off must not do it again when it is restored.
#[test]
fn jobs_of_a_backup_are_over_in_another_cluster() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, power(&["x0c0s0b0n0", "x0c0s0b0n1"]));
    log.ok(report(&id, fence, &[(0, Target::Running)]));
    let other = log
        .state
        .clone()
        .into_another_cluster("00c0ffee00c0ffee".into(), 1000, 7);
    let job = stored(&other, &id);
    assert_eq!((job.state(), job.claim), (Stage::Failed, None));
    assert!(job.reason.contains("backup"), "{}", job.reason);
    assert_eq!(target(&other, &id, 0).state(), Target::Unknown);
    assert_eq!(target(&other, &id, 1).state(), Target::Skipped);
    let again = State::from_rows(other.rows()).unwrap();
    assert_eq!(again.digest(), other.digest());
}
