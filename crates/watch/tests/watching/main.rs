//! What a watcher is told: everything once and in order, whatever it misses in between.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)] // a test fails by panicking

mod checker;
mod dhcp;
mod filters;
mod guarantees;
mod guarded;
mod limits;
mod parts;
mod support;

use proto::watch::v1::event::Change;
use proto::watch::v1::watch_response::Message;
use raft::Store;
use support::{Client, create_all, delete, from, group, join, put, service, told, whole};
use tonic::Code;

const NODE: &str = "x0c0s0b0n0";
const OTHER: &str = "x0c0s1b0n0";

/// The state, its end, then the change: no gap and nothing twice.
#[tokio::test]
async fn the_state_comes_first_and_then_what_changes() {
    let store = Store::in_memory();
    let before = put(&store, NODE, "a").await;
    let mut client = Client::begin(&service(&store), from(0)).await.unwrap();
    assert_eq!(client.state().await.len(), 1);
    assert_eq!(client.revision, before);
    let changed = put(&store, NODE, "b").await;
    let deleted = delete(&store, NODE).await;
    let events = client.upto(deleted).await;
    let node = NODE.to_owned();
    assert_eq!(
        told(&events),
        [
            (changed, Change::Updated, node.clone()),
            (deleted, Change::Deleted, node)
        ]
    );
    assert!(client.copy.is_empty());
}

/// Watches begin while somebody writes: each copy is the state, wherever the beginning fell.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_begins_under_load_is_the_state() {
    let store = Store::in_memory();
    let service = service(&store);
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            let mut last = 0;
            for n in 0..2000 {
                last = match n % 5 {
                    4 => delete(&store, &format!("x0c0s{}b0n0", n % 40 - 4)).await,
                    _ => put(&store, &format!("x0c0s{}b0n0", n % 40), &n.to_string()).await,
                };
                if n % 50 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            last
        }
    });
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(Client::begin(&service, from(0)).await.unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let last = writer.await.unwrap();
    for mut client in clients {
        client.state().await;
        client.upto(last).await;
        assert_eq!(client.copy.keys().cloned().collect::<Vec<_>>(), whole(&store));
    }
}

/// All that one entry changed is told together: a component and the group that it leaves.
#[tokio::test]
async fn the_events_of_a_revision_come_together() {
    let store = Store::in_memory();
    put(&store, NODE, "").await;
    group(&store, "compute").await;
    join(&store, "compute", NODE).await;
    let mut client = Client::begin(&service(&store), from(0)).await.unwrap();
    client.state().await;
    let gone = delete(&store, NODE).await;
    let Message::Events(events) = client.next().await.unwrap() else {
        panic!("no events");
    };
    assert!(!events.continued);
    assert_eq!(
        told(&events.events),
        [
            (gone, Change::Deleted, NODE.into()),
            (gone, Change::Updated, "compute".into())
        ]
    );
}

/// A watch goes on exactly where it was, from any revision that is kept.
#[tokio::test]
async fn a_watch_goes_on_where_it_was() {
    let store = Store::in_memory();
    let mut revisions = Vec::new();
    for n in 0..600 {
        revisions.push(put(&store, NODE, &n.to_string()).await);
    }
    let service = service(&store);
    for seen in [1, 2, 255, 256, 257, 599] {
        let mut client = Client::begin(&service, from(seen)).await.unwrap();
        let events = client.upto(600).await;
        let told: Vec<u64> = events.iter().map(|event| event.revision).collect();
        let expected: Vec<u64> = revisions
            .iter()
            .copied()
            .filter(|revision| *revision > seen)
            .collect();
        assert_eq!(told, expected, "after {seen}");
    }
}

/// One entry may be larger than a message: its parts are marked, and a client that loses the rest gets all of it again.
#[tokio::test]
async fn a_large_revision_comes_in_parts_and_counts_as_seen_with_the_last() {
    let store = Store::in_memory();
    let first = put(&store, NODE, "").await;
    let service = service(&store);
    let mut client = Client::begin(&service, from(first)).await.unwrap();
    let ids = (0..10_000).map(|n| format!("x{}c{}s{}b0n0", 1 + n / 500, n / 64 % 8, n % 64));
    let large = create_all(&store, ids, &"s".repeat(200)).await;
    let Message::Events(part) = client.next().await.unwrap() else {
        panic!("no events");
    };
    assert!(part.continued && client.revision == first, "{}", client.revision);
    drop(client);
    let mut again = Client::begin(&service, from(first)).await.unwrap();
    let mut parts = 0;
    while again.revision < large {
        assert!(matches!(again.next().await.unwrap(), Message::Events(_)));
        parts += 1;
    }
    assert!(parts > 2, "{parts}");
    assert_eq!(again.copy.len() + 1, whole(&store).len());
}

/// Whoever keeps a copy knows how old it is, even when nothing happens.
#[tokio::test]
async fn a_quiet_watch_tells_its_revision() {
    let store = Store::in_memory();
    let revision = put(&store, NODE, "").await;
    let mut request = from(0);
    request.progress_interval_ms = 100;
    request.xnames = vec!["x9".into()];
    let mut client = Client::begin(&service(&store), request).await.unwrap();
    client.state().await;
    for _ in 0..3 {
        assert!(matches!(client.next().await.unwrap(), Message::Progress(_)));
    }
    assert_eq!(client.revision, revision);
    // What the filter leaves out moves the revision on all the same.
    let unseen = put(&store, OTHER, "").await;
    while client.revision < unseen {
        assert!(matches!(client.next().await.unwrap(), Message::Progress(_)));
    }
}

/// A revision of another cluster would fit by chance and be wrong.
#[tokio::test]
async fn a_revision_of_another_cluster_is_refused() {
    let store = Store::in_memory();
    let revision = put(&store, NODE, "").await;
    let mut request = from(revision);
    request.cluster_id = "0123456789abcdef".into();
    let status = Client::begin(&service(&store), request).await.err().unwrap();
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(status.metadata().get(rpc::OLDEST_REVISION).unwrap(), "1");
}

/// A member that ends says so, and to whom to go is the client's choice.
#[tokio::test]
async fn a_member_that_stops_ends_its_watches() {
    let store = Store::in_memory();
    put(&store, NODE, "").await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ending = async move { drop(stopped.await) };
    let service = watch::Service::new(store.clone(), 1, ending);
    let mut clients = Vec::new();
    for revision in [0, 0, 1] {
        clients.push(Client::begin(&service, from(revision)).await.unwrap());
    }
    clients[0].state().await;
    drop(stop);
    for mut client in clients {
        let status = loop {
            if let Err(status) = client.next().await {
                break status;
            }
        };
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("another member"), "{status:?}");
    }
    let late = Client::begin(&service, from(1))
        .await
        .unwrap()
        .next()
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::Unavailable);
}
