//! What a work says, and how it gets into the log.

use std::time::Duration;

use jobs::{Outcome, Running};
use proto::auth::v1::Grant;
use proto::discovery::v1::{Crawl, Scan};
use proto::job::v1::job_command::{CancelJob, Change};
use proto::job::v1::{JobCommand, JobTarget, job, job_target};
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::Author;
use tokio::sync::mpsc;

use crate::common::{Member, Told, crawl, over, targets, until};

async fn cancel(store: &Store, id: &str) {
    let cancel = CancelJob { id: id.to_owned() };
    let command = Command::Job(JobCommand {
        change: Some(Change::CancelJob(cancel)),
    });
    store.propose("user/admin", command, None).await.unwrap();
}

/// A member that dies after it told a BMC, and before the log knew, would leave it to be told twice.
#[tokio::test]
async fn what_is_begun_is_in_the_log_before_it_is_done() {
    let store = Store::in_memory();
    let seen = store.clone();
    let (tell, mut told) = mpsc::unbounded_channel();
    let work = Told::crawl(move |running: Running| {
        let (store, tell) = (seen.clone(), tell.clone());
        async move {
            for target in running.targets() {
                running.begin(target.place, "now").await.unwrap();
                let stored = targets(&store, &running.job().id).remove(target.place as usize);
                tell.send((stored.state(), stored.note)).unwrap();
                running.report(target.place, Outcome::Succeeded(String::new()));
            }
        }
    });
    let _member = Member::start(&store, 1, work);
    let id = crawl(&store, 3).await;
    over(&store, &id).await;
    for _ in 0..3 {
        let begun = told.recv().await.unwrap();
        assert_eq!(begun, (job_target::State::Running, "now".to_owned()));
    }
}

/// One entry for each of 1,000 targets would be a load that nobody has asked for.
#[tokio::test]
async fn reports_go_together() {
    let store = Store::in_memory();
    let work = Told::crawl(|running: Running| async move {
        for target in running.targets() {
            running.report(target.place, Outcome::failed("no route", "check the cable"));
        }
    });
    let id = crawl(&store, 1000).await;
    let before = store.state().applied_index();
    let _member = Member::start(&store, 1, work);
    let failed = over(&store, &id).await;
    let entries = store.state().applied_index() - before;
    assert!(
        entries <= 5,
        "a claim, reports of 500 each, and the end: {entries}"
    );
    assert_eq!(failed.counts.unwrap_or_default().failed, 1000);
    let last = targets(&store, &id).pop().unwrap();
    assert_eq!(
        (last.reason.as_str(), last.remedy.as_str()),
        ("no route", "check the cable")
    );
}

/// The claim is renewed though the work says nothing for long.
#[tokio::test]
async fn a_silent_work_keeps_its_claim() {
    let store = Store::in_memory();
    let work = Told::crawl(|running: Running| async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        running.report(0, Outcome::Succeeded(String::new()));
    });
    let id = crawl(&store, 1).await;
    let _member = Member::start(&store, 1, work.clone());
    let claimed = until(&store, &id, |job| job.claim.is_some()).await.claim.unwrap();
    let renewed = until(&store, &id, |job| {
        let claim = job.claim.as_ref();
        claim.is_some_and(|claim| claim.lapses_at_ms > claimed.lapses_at_ms)
    });
    assert_eq!(renewed.await.claim.unwrap().fence, claimed.fence);
    over(&store, &id).await;
    assert_eq!(work.begun(), 1);
}

/// Whoever takes over asks for the task that is noted: half of its URI would be another one's.
#[tokio::test]
async fn a_note_is_in_the_log_whole_or_not_at_all() {
    let store = Store::in_memory();
    let work = Told::crawl(|running: Running| async move {
        let uri = "/task".repeat(600);
        running.begin(0, &uri).await.unwrap();
        let refused = running.begin(0, &uri.repeat(2)).await.unwrap_err();
        assert!(refused.to_string().starts_with("note: 6000 bytes"), "{refused}");
        running.cancelled().await;
        running.report(0, Outcome::Succeeded(String::new()));
    });
    let _member = Member::start(&store, 1, work);
    let id = crawl(&store, 1).await;
    until(&store, &id, |job| {
        job.counts.is_some_and(|counts| counts.running == 1)
    })
    .await;
    assert_eq!(targets(&store, &id)[0].note.len(), 3000);
    cancel(&store, &id).await;
    over(&store, &id).await;
}

#[tokio::test]
async fn a_cancelled_job_finishes_what_it_began() {
    let store = Store::in_memory();
    let work = Told::crawl(|running: Running| async move {
        assert!(!running.is_cancelled());
        running.begin(0, "").await.unwrap();
        running.cancelled().await;
        assert!(running.is_cancelled());
        running.report(0, Outcome::Succeeded("was begun".to_owned()));
    });
    let _member = Member::start(&store, 1, work);
    let id = crawl(&store, 2).await;
    until(&store, &id, |job| {
        job.counts.is_some_and(|counts| counts.running == 1)
    })
    .await;
    cancel(&store, &id).await;
    let cancelled = over(&store, &id).await;
    assert_eq!(cancelled.state(), job::State::Cancelled);
    let states: Vec<_> = targets(&store, &id).iter().map(JobTarget::state).collect();
    assert_eq!(states, [job_target::State::Succeeded, job_target::State::Skipped]);
}

#[tokio::test]
async fn a_released_job_waits_for_another_member() {
    let store = Store::in_memory();
    let first = Told::crawl(|running: Running| async move {
        running.report(0, Outcome::Succeeded(String::new()));
        running.release("x1c0s0b0 is out of reach").await;
        std::future::pending::<()>().await;
    });
    let member = Member::start(&store, 1, first);
    let id = crawl(&store, 2).await;
    let waiting = until(&store, &id, |job| !job.reason.is_empty()).await;
    assert_eq!(waiting.reason, "x1c0s0b0 is out of reach");
    assert_eq!(targets(&store, &id)[0].state(), job_target::State::Succeeded);
    member.stop().await;
}

#[tokio::test]
async fn what_a_scan_found_is_there_with_its_cursor() {
    let store = Store::in_memory();
    let scan = Told::crawl(|running: Running| async move {
        for host in 1..=3 {
            running.found(JobTarget {
                target: format!("10.1.0.{host}:443"),
                state: job_target::State::Succeeded.into(),
                reason: "redfish\n1.17".to_owned(),
                ..JobTarget::default()
            });
        }
        running.cursor(200);
    });
    let mut scan = std::sync::Arc::into_inner(scan).unwrap();
    scan.kind = jobs::JobKind::Scan;
    let _member = Member::start(&store, 1, std::sync::Arc::new(scan));
    let work = job::Work::Scan(Scan {
        targets: vec!["10.1.0.0/24".to_owned()],
        ..Scan::default()
    });
    let author = Author::of("user/admin", None);
    let id = jobs::create(&store, &author, work, Vec::new()).await.unwrap();
    let done = over(&store, &id).await;
    assert_eq!(done.cursor, 200);
    let found = targets(&store, &id);
    assert_eq!(found.len(), 3);
    assert_eq!(
        (found[2].target.as_str(), found[2].reason.as_str()),
        ("10.1.0.3:443", "redfish 1.17")
    );
}

/// What a job changes is judged by what gave its author the right.
#[tokio::test]
async fn a_job_acts_for_whoever_asked_for_it() {
    let store = Store::in_memory();
    let (tell, mut told) = mpsc::unbounded_channel();
    let work = Told::crawl(move |running: Running| {
        let author = running.author();
        tell.send((author.principal().to_owned(), author.grant().cloned()))
            .unwrap();
        async move { running.report(0, Outcome::Unsupported("no".to_owned())) }
    });
    let _member = Member::start(&store, 1, work);
    let author = Author::of("user/ada", None);
    let work = job::Work::Crawl(Crawl::default());
    jobs::create(&store, &author, work, vec!["x0c0s0b0".to_owned()])
        .await
        .unwrap();
    assert_eq!(told.recv().await, Some(("user/ada".to_owned(), None::<Grant>)));
}
