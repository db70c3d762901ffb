//! Jobs: who works on one, what becomes of its targets, and how it ends.

use model::Rejection;
use proto::auth::v1::Grant;
use proto::discovery::v1::{Crawl, Scan};
use proto::job::v1::job::{State as Stage, Work};
use proto::job::v1::job_command::{CancelJob, ClaimJob, CreateJob, EndJob, ReportJob};
use proto::job::v1::job_target::State as Target;
use proto::job::v1::{Job, JobClaim, JobCounts, JobTarget};
use proto::power::v1::PowerTransition;
use state::State;
use state::bounds::{JOB_TARGETS_PER_REPORT_MAX, JOB_WORK_BYTES_MAX, SCAN_BYTES_MAX, TARGETS_PER_JOB_MAX};

use crate::auth_support::texts;
use crate::support::{Log, START_MS};

/// Seconds for which claims of these tests are good.
const LAPSE_S: u32 = 30;

pub fn job(work: Work) -> Job {
    Job {
        work: Some(work),
        principal: "user/ada".into(),
        ..Job::default()
    }
}

pub fn create(work: Work, targets: &[&str]) -> CreateJob {
    CreateJob {
        job: Some(job(work)),
        targets: texts(targets),
    }
}

pub fn power(targets: &[&str]) -> CreateJob {
    create(Work::PowerTransition(PowerTransition::default()), targets)
}

pub fn scan() -> CreateJob {
    let scan = Scan {
        targets: texts(&["10.1.0.0/24"]),
        ..Scan::default()
    };
    create(Work::Scan(scan), &[])
}

pub fn claim(id: &str, member_id: u64) -> ClaimJob {
    ClaimJob {
        id: id.into(),
        member_id,
        lapse_s: LAPSE_S,
    }
}

pub fn report(id: &str, fence: u64, targets: &[(u32, Target)]) -> ReportJob {
    let target = |(place, state): &(u32, Target)| JobTarget {
        place: *place,
        state: (*state).into(),
        ..JobTarget::default()
    };
    ReportJob {
        id: id.into(),
        fence,
        lapse_s: LAPSE_S,
        targets: targets.iter().map(target).collect(),
        ..ReportJob::default()
    }
}

pub fn end(id: &str, fence: u64) -> EndJob {
    EndJob {
        id: id.into(),
        fence,
        reason: String::new(),
    }
}

pub fn cancel(id: &str) -> CancelJob {
    CancelJob { id: id.into() }
}

pub fn stored(state: &State, id: &str) -> Job {
    state.jobs.get(id).unwrap().as_ref().clone()
}

pub fn target(state: &State, id: &str, place: u32) -> JobTarget {
    state.jobs.target(id, place).unwrap().as_ref().clone()
}

/// A job with these targets and the fence of member 1, who has it.
pub fn claimed(log: &mut Log, create: CreateJob) -> (String, u64) {
    let id = log.ok(create).value;
    let fence = log.ok(claim(&id, 1)).value.parse().unwrap();
    (id, fence)
}

fn conflict(rejection: &Rejection) -> &str {
    match rejection {
        Rejection::Conflict { detail } => detail,
        other => panic!("refused otherwise: {other}"),
    }
}

#[test]
fn a_new_job_waits_with_its_targets() {
    let mut log = Log::latest();
    let made = log.ok(power(&["X0c0s0b0n0", "10.1.0.7:443"]));
    let id = made.value.clone();
    assert_eq!(made.created, std::slice::from_ref(&id));
    let parts: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
    let expected = Job {
        id: id.clone(),
        work: Some(Work::PowerTransition(PowerTransition::default())),
        state: Stage::Waiting.into(),
        counts: Some(JobCounts {
            total: 2,
            waiting: 2,
            ..JobCounts::default()
        }),
        principal: "user/ada".into(),
        meta: log.created(),
        ..Job::default()
    };
    assert_eq!(stored(&log.state, &id), expected);
    let targets: Vec<(u32, &str, Target)> = log
        .state
        .jobs
        .targets(&id)
        .map(|target| (target.place, target.target.as_str(), target.state()))
        .collect();
    let waiting = Target::Waiting;
    assert_eq!(
        targets,
        [(0, "x0c0s0b0n0", waiting), (1, "10.1.0.7:443", waiting)]
    );
    assert_eq!(log.state.jobs.targets_from(&id, 1).count(), 1);
    assert_eq!(log.state.jobs.targets("none").count(), 0);
}

#[test]
fn what_is_no_job_is_refused() {
    let mut log = Log::latest();
    let crawl = || Work::Crawl(Crawl::default());
    let no_work = CreateJob {
        job: Some(Job::default()),
        targets: texts(&["x0c0s0b0"]),
    };
    let nobody = CreateJob {
        job: Some(Job {
            principal: String::new(),
            ..job(crawl())
        }),
        targets: texts(&["x0c0s0b0"]),
    };
    let too_many_policies = CreateJob {
        job: Some(Job {
            grant: Some(Grant {
                policies: vec!["p".into(); 33],
                ..Grant::default()
            }),
            ..job(crawl())
        }),
        targets: texts(&["x0c0s0b0"]),
    };
    let too_many = CreateJob {
        job: Some(job(crawl())),
        targets: (0..=TARGETS_PER_JOB_MAX).map(|n| n.to_string()).collect(),
    };
    let long = Scan {
        targets: vec!["10.1.0.0/24".into(); SCAN_BYTES_MAX / 8],
        ..Scan::default()
    };
    for (field, wrong) in [
        ("job", CreateJob::default()),
        ("job.work", no_work),
        ("job.principal", nobody),
        ("job.grant.policies", too_many_policies),
        ("targets", create(crawl(), &[])),
        ("targets", create(crawl(), &[""])),
        ("targets", create(crawl(), &["x0c0s0b0", "X0C0S0B0"])),
        ("targets", too_many),
        ("job.work", create(Work::Scan(long), &[])),
    ] {
        assert_eq!(log.invalid(wrong).0, field);
    }
    assert_eq!(log.state.jobs.iter().count(), 0);
}

/// The row of a job is written with every report; what its targets are, others say.
#[test]
fn a_long_list_of_targets_is_kept_once() {
    let mut log = Log::latest();
    let names: Vec<String> = (0..JOB_WORK_BYTES_MAX / 8)
        .map(|n| format!("x{n}c0s0b0n0"))
        .collect();
    let work = PowerTransition {
        targets: names.clone(),
        stagger_ms: 10,
        ..PowerTransition::default()
    };
    let id = log
        .ok(CreateJob {
            job: Some(job(Work::PowerTransition(work))),
            targets: names.clone(),
        })
        .value;
    let Some(Work::PowerTransition(kept)) = stored(&log.state, &id).work else {
        panic!("it has no work");
    };
    assert_eq!((kept.targets.len(), kept.stagger_ms), (0, 10));
    assert_eq!(log.state.jobs.targets(&id).count(), names.len());
}

#[test]
fn one_member_at_a_time_works_on_a_job() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, power(&["x0c0s0b0n0"]));
    let job = stored(&log.state, &id);
    assert_eq!((job.state(), job.started_at_ms), (Stage::Running, START_MS));
    let lapses_at_ms = START_MS + u64::from(LAPSE_S) * 1000;
    let held = JobClaim {
        member_id: 1,
        fence,
        lapses_at_ms,
    };
    assert_eq!(job.claim, Some(held));
    log.now_ms = lapses_at_ms - 1;
    assert!(conflict(&log.refused(claim(&id, 2))).contains("member 1"));
    assert!(
        conflict(&log.refused(claim(&id, 1))).contains("member 1"),
        "a member that was restarted does not know its fence"
    );
    log.now_ms = lapses_at_ms;
    let taken: u64 = log.ok(claim(&id, 2)).value.parse().unwrap();
    assert!(taken > fence);
    let job = stored(&log.state, &id);
    assert_eq!(job.claim.unwrap().member_id, 2);
    assert_eq!(job.started_at_ms, START_MS, "it was started once");
    let late = log.refused(report(&id, fence, &[(0, Target::Succeeded)]));
    assert!(conflict(&late).contains("taken it over"), "{late}");
    assert!(conflict(&log.refused(end(&id, fence))).contains("fence"));
    log.ok(report(&id, taken, &[(0, Target::Succeeded)]));
}

/// Nobody else wants it, so nothing is lost by a pause that was too long.
#[test]
fn a_claim_that_has_lapsed_is_renewed_by_a_report() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, power(&["x0c0s0b0n0"]));
    log.now_ms += 60_000;
    log.ok(report(&id, fence, &[]));
    let claim = stored(&log.state, &id).claim.unwrap();
    assert_eq!(claim.lapses_at_ms, log.now_ms + u64::from(LAPSE_S) * 1000);
}

#[test]
fn claims_are_checked() {
    let mut log = Log::latest();
    let id = log.ok(power(&["x0c0s0b0n0"])).value;
    assert_eq!(log.invalid(claim(&id, 0)).0, "member_id");
    for lapse_s in [0, 4, 301, u32::MAX] {
        let wrong = ClaimJob {
            lapse_s,
            ..claim(&id, 1)
        };
        assert_eq!(log.invalid(wrong).0, "lapse_s");
    }
    assert!(matches!(
        log.refused(claim("none", 1)),
        Rejection::NotFound { .. }
    ));
    assert!(conflict(&log.refused(report(&id, 0, &[]))).contains("fence 0"));
}

#[test]
fn reports_replace_what_is_known_and_counts_follow() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, power(&["x0c0s0b0n0", "x0c0s0b0n1", "x0c0s0b0n2"]));
    log.ok(report(&id, fence, &[(0, Target::Running), (1, Target::Running)]));
    log.now_ms += 5;
    let mut told = report(
        &id,
        fence,
        &[
            (0, Target::Failed),
            (1, Target::Unsupported),
            (2, Target::Skipped),
        ],
    );
    told.targets[0].reason = "the BMC\nsays no".into();
    told.targets[0].remedy = "look at it".into();
    told.targets[0].note = "/redfish/v1/Tasks/1".into();
    told.targets[0].target = "another".into();
    told.cursor = 7;
    log.ok(told);
    let expected = JobTarget {
        job: id.clone(),
        place: 0,
        target: "x0c0s0b0n0".into(),
        state: Target::Failed.into(),
        reason: "the BMC says no".into(),
        remedy: "look at it".into(),
        note: "/redfish/v1/Tasks/1".into(),
        reported_at_ms: log.now_ms,
    };
    assert_eq!(target(&log.state, &id, 0), expected);
    let job = stored(&log.state, &id);
    let counts = JobCounts {
        total: 3,
        failed: 2,
        skipped: 1,
        ..JobCounts::default()
    };
    assert_eq!((job.counts, job.cursor), (Some(counts), 7));
    log.ok(ReportJob {
        cursor: 3,
        ..report(&id, fence, &[])
    });
    assert_eq!(stored(&log.state, &id).cursor, 7, "it never goes back");
}

/// What was begun once must never be begun again because of a report that came late.
#[test]
fn a_target_that_was_begun_or_is_over_stays_so() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, power(&["x0c0s0b0n0"]));
    log.ok(report(&id, fence, &[(0, Target::Running)]));
    let again = log.refused(report(&id, fence, &[(0, Target::Waiting)]));
    assert!(conflict(&again).contains("not begun again"), "{again}");
    log.ok(report(&id, fence, &[(0, Target::Unknown)]));
    for state in [Target::Waiting, Target::Running] {
        let again = log.refused(report(&id, fence, &[(0, state)]));
        assert!(conflict(&again).contains("not begun again"), "{again}");
    }
    log.ok(report(&id, fence, &[(0, Target::Succeeded)]));
}

#[test]
fn reports_are_checked_before_anything_changes() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, power(&["x0c0s0b0n0"]));
    let new = |target: &str, state: Target| ReportJob {
        new_targets: vec![JobTarget {
            target: target.into(),
            state: state.into(),
            ..JobTarget::default()
        }],
        ..report(&id, fence, &[(0, Target::Running)])
    };
    let mut too_many = report(&id, fence, &[]);
    too_many.targets = vec![JobTarget::default(); JOB_TARGETS_PER_REPORT_MAX + 1];
    for (field, wrong) in [
        (
            "targets.place",
            report(&id, fence, &[(0, Target::Running), (1, Target::Running)]),
        ),
        ("targets.state", report(&id, fence, &[(0, Target::Unspecified)])),
        ("new_targets.target", new(" ", Target::Succeeded)),
        ("new_targets.state", new("a:443", Target::Unspecified)),
        ("targets", too_many),
        (
            "lapse_s",
            ReportJob {
                lapse_s: 1,
                ..report(&id, fence, &[])
            },
        ),
    ] {
        assert_eq!(log.invalid(wrong).0, field);
    }
    assert_eq!(target(&log.state, &id, 0).state(), Target::Waiting);
}

/// Whoever takes over a scan asks some addresses again.
#[test]
fn what_a_scan_finds_is_noted_once() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, scan());
    let found = |names: &[&str]| {
        let target = |name: &&str| JobTarget {
            target: (*name).into(),
            state: Target::Succeeded.into(),
            place: 99,
            ..JobTarget::default()
        };
        ReportJob {
            new_targets: names.iter().map(target).collect(),
            ..report(&id, fence, &[])
        }
    };
    log.ok(found(&["10.1.0.7:443", "10.1.0.8:443"]));
    log.ok(found(&["10.1.0.8:443", "10.1.0.9:443", "10.1.0.9:443"]));
    let targets = log.state.jobs.targets(&id);
    let names: Vec<(u32, String)> = targets
        .map(|target| (target.place, target.target.clone()))
        .collect();
    let expected = [(0, "10.1.0.7:443"), (1, "10.1.0.8:443"), (2, "10.1.0.9:443")];
    assert_eq!(names, expected.map(|(place, name)| (place, name.to_owned())));
    let counts = stored(&log.state, &id).counts.unwrap();
    assert_eq!((counts.total, counts.succeeded), (3, 3));
    log.ok(end(&id, fence));
    assert_eq!(stored(&log.state, &id).state(), Stage::Succeeded);
}

/// A member that does not reach the network gives the job to one that does.
#[test]
fn a_job_that_is_given_back_waits_for_another_member() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, scan());
    log.ok(ReportJob {
        release: true,
        lapse_s: 0,
        reason: "member 1 does not reach 10.1.0.0/24".into(),
        ..report(&id, fence, &[])
    });
    let job = stored(&log.state, &id);
    assert_eq!((job.state(), job.claim), (Stage::Waiting, None));
    assert!(job.reason.contains("does not reach"));
    assert!(conflict(&log.refused(end(&id, fence))).contains("fence"));
    log.ok(claim(&id, 2));
    let job = stored(&log.state, &id);
    assert_eq!((job.state(), job.reason.as_str()), (Stage::Running, ""));
}

#[test]
fn the_end_follows_from_the_targets() {
    use Target::{Failed, Running, Skipped, Succeeded, Unknown, Unsupported, Waiting};
    for (first, second, expected) in [
        (Succeeded, Succeeded, Stage::Succeeded),
        (Succeeded, Skipped, Stage::Succeeded),
        (Succeeded, Failed, Stage::Failed),
        (Succeeded, Unsupported, Stage::Failed),
        (Succeeded, Unknown, Stage::Failed),
        (Succeeded, Running, Stage::Failed),
        (Succeeded, Waiting, Stage::Failed),
    ] {
        let mut log = Log::latest();
        let (id, fence) = claimed(&mut log, power(&["x0c0s0b0n0", "x0c0s0b0n1"]));
        log.ok(report(&id, fence, &[(0, first), (1, second)]));
        log.now_ms += 1000;
        log.ok(EndJob {
            reason: "too many failures".into(),
            ..end(&id, fence)
        });
        let job = stored(&log.state, &id);
        assert_eq!(job.state(), expected, "{first:?}, {second:?}");
        assert_eq!((job.claim, job.ended_at_ms), (None, log.now_ms));
        assert_eq!(job.reason, "too many failures");
        let last = target(&log.state, &id, 1);
        match second {
            Running => assert_eq!((last.state(), last.remedy.is_empty()), (Unknown, false)),
            Waiting => assert_eq!(
                (last.state(), last.reason.as_str()),
                (Skipped, "too many failures")
            ),
            other => assert_eq!(last.state(), other),
        }
        assert!(conflict(&log.refused(claim(&id, 2))).contains("is over"));
        assert!(conflict(&log.refused(cancel(&id))).contains("is over"));
        assert!(conflict(&log.refused(report(&id, fence, &[]))).contains("is over"));
    }
}

#[test]
fn a_job_that_waits_is_cancelled_at_once() {
    let mut log = Log::latest();
    let id = log.ok(power(&["x0c0s0b0n0"])).value;
    log.ok(cancel(&id));
    let job = stored(&log.state, &id);
    assert_eq!((job.state(), job.ended_at_ms), (Stage::Cancelled, START_MS));
    let target = target(&log.state, &id, 0);
    assert_eq!(target.state(), Target::Skipped);
    assert!(!target.reason.is_empty());
}

/// What was begun is finished, whoever finishes it.
#[test]
fn a_job_that_is_worked_on_is_cancelled_by_its_member() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, power(&["x0c0s0b0n0", "x0c0s0b0n1"]));
    log.ok(report(&id, fence, &[(0, Target::Running)]));
    log.ok(cancel(&id));
    assert_eq!(stored(&log.state, &id).state(), Stage::Cancelling);
    assert_eq!(log.ok(cancel(&id)).unchanged, std::slice::from_ref(&id));
    log.now_ms += 60_000;
    let fence: u64 = log.ok(claim(&id, 2)).value.parse().unwrap();
    assert_eq!(stored(&log.state, &id).state(), Stage::Cancelling);
    log.ok(report(&id, fence, &[(0, Target::Succeeded)]));
    log.ok(end(&id, fence));
    let job = stored(&log.state, &id);
    assert_eq!(job.state(), Stage::Cancelled);
    let counts = job.counts.unwrap();
    assert_eq!((counts.succeeded, counts.skipped), (1, 1));
}

/// It waits because its member gave it back, but a BMC was told something: another member must look at what came of it.
#[test]
fn a_job_that_waits_with_a_target_that_was_begun_is_not_over_at_once() {
    let mut log = Log::latest();
    let (id, fence) = claimed(&mut log, power(&["x0c0s0b0n0"]));
    log.ok(ReportJob {
        release: true,
        ..report(&id, fence, &[(0, Target::Running)])
    });
    log.ok(cancel(&id));
    assert_eq!(stored(&log.state, &id).state(), Stage::Cancelling);
    let fence: u64 = log.ok(claim(&id, 2)).value.parse().unwrap();
    log.ok(ReportJob {
        release: true,
        ..report(&id, fence, &[])
    });
    let job = stored(&log.state, &id);
    assert_eq!(
        (job.state(), job.claim),
        (Stage::Cancelling, None),
        "still to be ended"
    );
}
