//! Who works on a job, and when another one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jobs::{JobKind, Outcome, Running};
use proto::job::v1::job_command::{Change, ClaimJob};
use proto::job::v1::{JobCommand, JobTarget, job, job_target};
use proto::raft::v1::entry::Command;
use raft::Store;

use crate::common::{AT_MOST, Member, Told, crawl, job_of, let_claims_lapse, over, succeed, targets, until};

/// Says when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn states(targets: &[JobTarget]) -> Vec<job_target::State> {
    targets.iter().map(JobTarget::state).collect()
}

#[tokio::test]
async fn a_waiting_job_is_claimed_done_and_ended() {
    let store = Store::in_memory();
    let work = Told::crawl(succeed);
    let member = Member::start(&store, 4, work.clone());
    let id = crawl(&store, 3).await;
    let done = over(&store, &id).await;
    assert_eq!(done.state(), job::State::Succeeded);
    assert_eq!(done.counts.unwrap_or_default().succeeded, 3);
    assert_eq!(states(&targets(&store, &id)), [job_target::State::Succeeded; 3]);
    member.stop().await;
    assert_eq!(work.begun(), 1);
}

/// A claim that nobody can use would only keep others away.
#[tokio::test]
async fn a_member_that_can_do_nothing_leaves_a_job_alone() {
    let store = Store::in_memory();
    let unable = Told {
        can_run: false,
        ..Arc::into_inner(Told::crawl(succeed)).unwrap()
    };
    let other_kind = Told {
        kind: JobKind::Scan,
        ..Arc::into_inner(Told::crawl(succeed)).unwrap()
    };
    let _first = Member::start(&store, 1, Arc::new(unable));
    let _second = Member::start(&store, 2, Arc::new(other_kind));
    let id = crawl(&store, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(job_of(&store, &id).state(), job::State::Waiting);
    let _able = Member::start(&store, 3, Told::crawl(succeed));
    over(&store, &id).await;
}

/// What a dead member began may have been done: nobody knows before it is read back.
#[tokio::test]
async fn after_a_lapse_another_member_gets_what_waits_and_what_was_begun() {
    let store = Store::in_memory();
    let first = Told::crawl(|running: Running| async move {
        running.report(0, Outcome::Succeeded("done".to_owned()));
        running.begin(1, "told").await.unwrap();
        std::future::pending::<()>().await;
    });
    let dying = Member::start(&store, 1, first);
    let id = crawl(&store, 3).await;
    until(&store, &id, |job| {
        job.counts.is_some_and(|counts| counts.running == 1)
    })
    .await;
    dying.kill().await;
    let_claims_lapse(&store);
    let second = Told::crawl(|running: Running| async move {
        let left = running.targets();
        assert_eq!(
            states(&left),
            [job_target::State::Running, job_target::State::Waiting]
        );
        assert_eq!((left[0].place, left[0].note.as_str()), (1, "told"));
        running.report(1, Outcome::unknown("nobody knows", "look"));
        running.report(2, Outcome::Skipped("stopped".to_owned()));
    });
    let _heir = Member::start(&store, 2, second);
    let done = over(&store, &id).await;
    assert_eq!(done.state(), job::State::Failed);
    let expected = [
        job_target::State::Succeeded,
        job_target::State::Unknown,
        job_target::State::Skipped,
    ];
    assert_eq!(states(&targets(&store, &id)), expected);
}

/// Two members that act on one BMC are worse than none.
#[tokio::test]
async fn a_member_drops_its_work_as_soon_as_the_log_says_that_the_claim_is_anothers() {
    let store = Store::in_memory();
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let work = Told::crawl(move |running: Running| {
        let guard = Dropped(Arc::clone(&flag));
        async move {
            let _guard = guard;
            running.begin(0, "").await.unwrap();
            std::future::pending::<()>().await;
        }
    });
    let _member = Member::start(&store, 1, work);
    let id = crawl(&store, 1).await;
    until(&store, &id, |job| {
        job.counts.is_some_and(|counts| counts.running == 1)
    })
    .await;
    let_claims_lapse(&store);
    let claim = ClaimJob {
        id: id.clone(),
        member_id: 2,
        lapse_s: 300,
    };
    let command = Command::Job(JobCommand {
        change: Some(Change::ClaimJob(claim)),
    });
    store.propose("cluster/jobs", command, None).await.unwrap();
    let waiting = async {
        while !dropped.load(Ordering::SeqCst) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(AT_MOST, waiting).await.unwrap();
    assert_eq!(job_of(&store, &id).claim.unwrap().member_id, 2);
}

#[tokio::test]
async fn a_member_that_stops_gives_its_jobs_back_at_once() {
    let store = Store::in_memory();
    let work = Told::crawl(|running: Running| async move {
        running.begin(0, "begun").await.unwrap();
        std::future::pending::<()>().await;
    });
    let member = Member::start(&store, 7, work);
    let id = crawl(&store, 2).await;
    until(&store, &id, |job| {
        job.counts.is_some_and(|counts| counts.running == 1)
    })
    .await;
    member.stop().await;
    let given_back = job_of(&store, &id);
    assert_eq!(given_back.state(), job::State::Waiting);
    assert!(given_back.claim.is_none());
    assert_eq!(
        states(&targets(&store, &id)),
        [job_target::State::Running, job_target::State::Waiting],
        "what was begun stays begun"
    );
}

#[tokio::test]
async fn no_member_does_more_jobs_at_once_than_it_may() {
    let store = Store::in_memory();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (at_once, seen) = (Arc::clone(&now), Arc::clone(&most));
    let work = Told::crawl(move |running: Running| {
        let (at_once, seen) = (Arc::clone(&at_once), Arc::clone(&seen));
        async move {
            seen.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            at_once.fetch_sub(1, Ordering::SeqCst);
            succeed(running).await;
        }
    });
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(crawl(&store, 1).await);
    }
    let _member = Member::start(&store, 1, work);
    for id in &ids {
        over(&store, id).await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

/// A bug in the work of one job must not end the member, nor keep the job for ever.
#[tokio::test]
async fn a_work_that_panics_ends_its_job_with_a_reason() {
    let store = Store::in_memory();
    let work = Told::crawl(|running: Running| async move {
        running.begin(0, "").await.unwrap();
        panic!("a tree that nobody has seen");
    });
    let _member = Member::start(&store, 5, work);
    let id = crawl(&store, 2).await;
    let failed = over(&store, &id).await;
    assert_eq!(failed.state(), job::State::Failed);
    assert!(failed.reason.contains("member 5"), "{}", failed.reason);
    let expected = [job_target::State::Unknown, job_target::State::Skipped];
    assert_eq!(states(&targets(&store, &id)), expected);
}

#[tokio::test]
async fn without_a_majority_nothing_is_begun() {
    let store = Store::in_memory();
    let id = crawl(&store, 1).await;
    let cut_off = Store::in_memory_without_majority(store.state().as_ref().clone());
    let work = Told::crawl(succeed);
    let member = Member::start(&cut_off, 1, work.clone());
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    member.stop().await;
    assert_eq!(work.begun(), 0);
    assert_eq!(job_of(&cut_off, &id).state(), job::State::Waiting);
}
