//! etcd's guarantees of a watch, each by its name, over watches that break and go on while somebody writes. With members that
//! are killed: `cmd/chamois/tests/watch_guarantees.rs`.

use std::time::Duration;

use proto::raft::v1::entry::Command;
use proto::smd::v1::SmdCommand;
use proto::smd::v1::smd_command::{Change, RemoveGroupMember};
use proto::watch::v1::object::Kind;
use proto::watch::v1::watch_service_server::WatchService as _;
use proto::watch::v1::{Event, WatchRequest};
use raft::Store;
use tokio::sync::OnceCell;
use tokio_stream::StreamExt as _;
use tonic::Request;
use watch::Service;

use crate::checker::{self, Record, Stretch};
use crate::support::{create_all, delete, from, group, join, put, service};

/// Bound of every wait.
const AT_MOST: Duration = Duration::from_secs(30);
/// Changes that are asked for; some of them come to nothing.
const CHANGES: u64 = 1500;

/// What all clients were sent in one run.
struct Run {
    /// Everything that happened, by a watch of everything that never broke.
    history: Vec<Event>,
    /// Revisions with changes, as the store's own history has them: without hub, line and filter.
    revisions: Vec<u64>,
    records: Vec<Record>,
}

/// The run that every test looks at for itself.
async fn run() -> &'static Run {
    static RUN: OnceCell<Run> = OnceCell::const_new();
    RUN.get_or_init(|| async {
        // of its own, so that it ends with none of the tests' runtimes
        let thread = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime.unwrap().block_on(watched_changes())
        });
        tokio::task::spawn_blocking(move || thread.join().unwrap())
            .await
            .unwrap()
    })
    .await
}

async fn watched_changes() -> Run {
    let store = Store::in_memory();
    let service = service(&store);
    let begin = put(&store, "x9c0s0b0n0", "").await;
    let (last, upto) = tokio::sync::watch::channel(None);
    let whole = tokio::spawn(record(service.clone(), from(begin), usize::MAX, upto.clone()));
    let clients = filters().into_iter().enumerate().map(|(n, request)| {
        let request = WatchRequest {
            from_revision: begin,
            progress_interval_ms: 100,
            ..request
        };
        tokio::spawn(record(service.clone(), request, 1 + n % 7, upto.clone()))
    });
    let clients: Vec<_> = clients.collect();
    for step in 0..CHANGES {
        change(&store, step).await;
    }
    last.send_replace(Some(put(&store, "x9c0s1b0n0", "last").await));
    let mut records = Vec::new();
    for client in clients {
        records.push(client.await.unwrap());
    }
    let whole = whole.await.unwrap();
    let history: Vec<Event> = whole.told().into_iter().cloned().collect();
    records.push(whole);
    Run {
        history,
        revisions: revisions_after(&store, begin).await,
        records,
    }
}

async fn revisions_after(store: &Store, begin: u64) -> Vec<u64> {
    let mut watch = store.watch_after(begin, Duration::ZERO).await.unwrap();
    let upto = store.state().applied_index();
    let mut revisions = Vec::new();
    while watch.revision() < upto {
        let next = watch.next().await.unwrap();
        revisions.extend(next.iter().map(|revision| revision.index));
    }
    revisions
}

/// One client: its watch breaks after every `messages` messages, but not before it has come further: a revision of several messages
/// is told from its beginning by the next watch.
async fn record(
    service: Service,
    request: WatchRequest,
    messages: usize,
    upto: tokio::sync::watch::Receiver<Option<u64>>,
) -> Record {
    let mut record = Record::new(request.clone());
    while upto.borrow().is_none_or(|upto| record.revision() < upto) {
        let mut watch = Stretch::new(record.revision());
        let asked = WatchRequest {
            from_revision: watch.from_revision,
            ..request.clone()
        };
        let mut stream = service.watch(Request::new(asked)).await.unwrap().into_inner();
        let goes_on =
            |watch: &Stretch| watch.messages.len() < messages || watch.revision() == watch.from_revision;
        while goes_on(&watch) && upto.borrow().is_none_or(|upto| watch.revision() < upto) {
            let next = tokio::time::timeout(AT_MOST, stream.next()).await;
            watch.messages.push(next.unwrap().unwrap().unwrap());
        }
        record.watches.push(watch);
    }
    record
}

fn filters() -> Vec<WatchRequest> {
    let kinds = |kinds: &[Kind]| kinds.iter().map(|kind| i32::from(*kind)).collect::<Vec<_>>();
    let make = |wanted: &[Kind], xnames: &[&str], group: &str| WatchRequest {
        kinds: kinds(wanted),
        xnames: xnames.iter().map(|name| (*name).to_owned()).collect(),
        group: group.to_owned(),
        ..WatchRequest::default()
    };
    vec![
        make(&[], &[], ""),
        make(&[Kind::Component], &[], ""),
        make(&[Kind::Group], &[], ""),
        make(&[], &["x0c0s1b0n0"], ""),
        make(&[], &["x0c0", "x1"], ""),
        make(&[], &[], "a"),
        make(&[Kind::Component], &[], "b"),
        make(&[], &["x0c0s2", "x0c0s3"], "a"),
        make(&[], &["x77"], ""),
    ]
}

/// Different from step to step and the same in every run; some of them are refused.
async fn change(store: &Store, step: u64) {
    let mixed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let id = format!("x0c0s{}b0n0", mixed % 6);
    let label = if (mixed / 8).is_multiple_of(2) { "a" } else { "b" };
    let is_there = store.state().smd.component(&id.parse().unwrap()).is_some();
    let _revision = match (step, mixed / 16 % 10) {
        (0, _) => group(store, "a").await,
        (1, _) => group(store, "b").await,
        // one revision that is larger than a message
        (700, _) => {
            let ids = (0..4000).map(|n| format!("x1c{}s{}b{}n0", n % 8, n / 8 % 64, n / 512));
            create_all(store, ids, &"s".repeat(250)).await
        }
        (_, 0..=1) if is_there => delete(store, &id).await,
        (_, 2..=3) if is_there => try_join(store, label, &id).await,
        (_, 4) => leave(store, label, &id).await,
        _ => put(store, &id, &step.to_string()).await,
    };
    if step.is_multiple_of(20) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Unless it is one already.
async fn try_join(store: &Store, label: &str, id: &str) -> u64 {
    let group = store.state().smd.group(label);
    let members = group.and_then(|group| group.members.clone()).unwrap_or_default();
    match members.ids.iter().any(|member| member == id) {
        true => 0,
        false => join(store, label, id).await,
    }
}

async fn leave(store: &Store, label: &str, id: &str) -> u64 {
    let remove = Change::RemoveGroupMember(RemoveGroupMember {
        label: label.to_owned(),
        ids: vec![id.to_owned()],
        ..Default::default()
    });
    let command = Command::Smd(SmdCommand { change: Some(remove) });
    // refused of what is no member
    let left = store.propose("user/admin", command, None).await;
    left.map_or(0, |committed| committed.revision)
}

/// What the others are about must have happened.
#[tokio::test]
async fn the_run_has_what_the_guarantees_speak_of() {
    let run = run().await;
    let broke: usize = run.records.iter().map(|record| record.watches.len() - 1).sum();
    assert!(broke > 50, "{broke}");
    let told: Vec<usize> = run.records.iter().map(|record| record.told().len()).collect();
    assert!(told.iter().filter(|told| **told > 10).count() >= 8, "{told:?}");
    let revisions = || run.history.chunk_by(|one, next| one.revision == next.revision);
    assert!(revisions().count() > 500 && revisions().any(|events| events.len() == 4000));
    // what all are compared with must not have lost anything itself
    let whole: Vec<u64> = revisions().map(|events| events[0].revision).collect();
    assert_eq!(whole, run.revisions);
}

#[tokio::test]
async fn ordered_no_event_comes_after_a_later_one() {
    run().await.records.iter().for_each(checker::ordered);
}

#[tokio::test]
async fn unique_no_event_comes_twice() {
    run().await.records.iter().for_each(checker::unique);
}

#[tokio::test]
async fn atomic_a_revision_comes_whole() {
    let run = run().await;
    run.records
        .iter()
        .for_each(|record| checker::atomic(record, &run.history));
}

#[tokio::test]
async fn reliable_no_event_is_left_out() {
    let run = run().await;
    run.records
        .iter()
        .for_each(|record| checker::reliable(record, &run.history));
}

#[tokio::test]
async fn resumable_a_watch_goes_on_with_the_next_event() {
    let run = run().await;
    run.records
        .iter()
        .for_each(|record| checker::resumable(record, &run.history));
}

#[tokio::test]
async fn bookmarkable_a_revision_that_was_told_is_past() {
    run().await.records.iter().for_each(checker::bookmarkable);
}

#[tokio::test]
async fn filter_nothing_comes_that_was_not_asked_for() {
    let run = run().await;
    run.records
        .iter()
        .for_each(|record| checker::filter(record, &run.history));
}

#[tokio::test]
async fn previous_value_what_is_deleted_comes_as_it_was() {
    let run = run().await;
    run.records
        .iter()
        .for_each(|record| checker::previous_value(record, &run.history));
}

#[tokio::test]
async fn is_create_created_is_what_was_not_there() {
    let run = run().await;
    run.records
        .iter()
        .for_each(|record| checker::is_create(record, &run.history));
}
