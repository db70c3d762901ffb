//! Slow, many and hostile watchers: whoever writes never waits for any of them.

use std::time::Duration;

use proto::watch::v1::event::Change;
use proto::watch::v1::watch_response::Message;
use raft::Store;
use tonic::Code;
use watch::{Limits, Service};

use crate::support::{Client, from, put, put_large, service, told, whole};
use crate::{NODE, OTHER};

/// A client that does not read is not waited for; when it reads on it gets everything, each change once.
#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_and_misses_nothing() {
    let store = Store::in_memory();
    let first = put(&store, NODE, "0").await;
    let mut slow = Client::begin(&service(&store), from(first)).await.unwrap();
    let mut last = first;
    for n in 1..=2000 {
        last = put_large(&store, n, 1).await;
    }
    let events = slow.upto(last).await;
    let revisions: Vec<u64> = events.iter().map(|event| event.revision).collect();
    assert_eq!(revisions, (first + 1..=last).collect::<Vec<_>>());
}

/// What is kept has a bound in bytes: a client that was away for too long begins again with the state.
#[tokio::test]
async fn a_client_that_is_too_far_behind_begins_again() {
    let store = Store::in_memory();
    let service = service(&store);
    let first = put(&store, NODE, "0").await;
    let mut slow = Client::begin(&service, from(first)).await.unwrap();
    for n in 1..=750 {
        put_large(&store, n, 8).await; // 90 MB, of which 64 MiB are kept
    }
    let status = loop {
        if let Err(status) = slow.next().await {
            break status;
        }
    };
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let oldest = status
        .metadata()
        .get(rpc::OLDEST_REVISION)
        .unwrap()
        .to_str()
        .unwrap();
    let oldest: u64 = oldest.parse().unwrap();
    assert!(oldest > slow.revision, "{oldest}");
    let refused = Client::begin(&service, from(oldest - 1)).await.err().unwrap();
    assert_eq!(refused.code(), Code::OutOfRange);
    let mut again = Client::begin(&service, from(oldest)).await.unwrap();
    assert_eq!(told(&again.events().await)[0].0, oldest + 1);
    let mut whole_again = Client::begin(&service, from(0)).await.unwrap();
    assert_eq!(whole_again.state().await.len(), whole(&store).len());
}

/// A thousand watches, none of them read while the writes are made: every one gets every change.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_watches_get_every_change_and_hold_up_no_write() {
    let store = Store::in_memory();
    let service = service(&store);
    let first = put(&store, NODE, "0").await;
    let mut clients = Vec::new();
    for n in 0..1000 {
        let request = if n % 2 == 0 { from(first) } else { from(0) };
        clients.push(Client::begin(&service, request).await.unwrap());
    }
    let mut last = first;
    for n in 1..=100 {
        last = put(&store, OTHER, &n.to_string()).await;
    }
    for (n, client) in clients.iter_mut().enumerate() {
        if n % 2 == 1 {
            client.state().await;
        }
        client.upto(last).await;
        let kept = client.copy.values().filter(|object| object.key == OTHER).count();
        assert_eq!((kept, client.revision), (1, last), "watch {n}");
    }
}

/// Ten thousand watches, of one node each: whose node changes is told of it, and the others of nothing but how far it is.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_watches_are_told_of_their_own_node_alone() {
    let store = Store::in_memory();
    let service = service(&store);
    let first = put(&store, NODE, "").await;
    let node = |n: usize| format!("x{}c0s{}b0n0", 1 + n / 64, n % 64);
    let mut clients = Vec::new();
    for n in 0..10_000 {
        let mut request = from(first);
        request.xnames = vec![node(n)];
        clients.push(Client::begin(&service, request).await.unwrap());
    }
    let changed = |n: usize| n.is_multiple_of(20);
    let mut made = Vec::new();
    for round in ["a", "b"] {
        for n in (0..10_000).filter(|n| changed(*n)) {
            made.push((n, put(&store, &node(n), round).await));
        }
    }
    for (n, client) in clients.iter_mut().enumerate() {
        let own: Vec<u64> = made
            .iter()
            .filter(|(of, _)| *of == n)
            .map(|(_, revision)| *revision)
            .collect();
        let mut seen = Vec::new();
        while seen.len() < own.len() {
            seen.extend(client.events().await.iter().map(|event| event.revision));
        }
        assert_eq!(seen, own, "{}", node(n));
    }
    let quiet = clients.iter_mut().enumerate().filter(|(n, _)| !changed(*n));
    for (n, client) in quiet.take(3) {
        let next = client.next().await.unwrap();
        assert!(matches!(next, Message::Progress(_)), "{n}: {next:?}");
    }
}

/// One that sleeps while others are told of more than the history keeps has missed nothing: it goes on.
#[tokio::test]
async fn a_watch_that_nothing_concerns_is_never_too_far_behind() {
    let store = Store::in_memory();
    let first = put(&store, NODE, "0").await;
    let mut request = from(first);
    request.xnames = vec!["x9".to_owned()];
    request.progress_interval_ms = 60_000;
    let mut client = Client::begin(&service(&store), request).await.unwrap();
    for n in 1..=750 {
        put_large(&store, n, 8).await; // 90 MB, of which 64 MiB are kept
        if n % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let own = put(&store, "x9c0s0b0n0", "a").await;
    let events = client.events().await;
    assert_eq!(told(&events), [(own, Change::Created, "x9c0s0b0n0".to_owned())]);
}

/// Nobody watches for a while: who comes then is told of everything after where he begins, whatever became of the hub.
#[tokio::test]
async fn watches_come_back_after_the_last_has_gone() {
    let store = Store::in_memory();
    let service = service(&store);
    let mut seen = put(&store, NODE, "0").await;
    for round in 1..=5 {
        let mut client = Client::begin(&service, from(seen)).await.unwrap();
        let before = put(&store, NODE, &format!("{round} before")).await;
        assert_eq!(client.events().await[0].revision, before);
        drop(client);
        // the hub finds out with a change, sooner or later
        for n in 0..round {
            seen = put(&store, NODE, &format!("{round} without {n}")).await;
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    let mut late = Client::begin(&service, from(1)).await.unwrap();
    let revisions: Vec<u64> = late.upto(seen).await.iter().map(|event| event.revision).collect();
    assert_eq!(revisions, (2..=seen).collect::<Vec<_>>());
}

/// More than a member serves at once are refused with a word, and those that end make room.
#[tokio::test]
async fn the_number_of_watches_is_bounded() {
    assert!(
        Limits::default().watches_max >= 10_000,
        "what a member is to serve"
    );
    let store = Store::in_memory();
    let limits = Limits {
        watches_max: 100,
        ..Limits::default()
    };
    let service = impatient(&store, limits);
    let first = put(&store, NODE, "").await;
    let mut clients = Vec::new();
    let refused = loop {
        match Client::begin(&service, from(first)).await {
            Ok(client) => clients.push(client),
            Err(status) => break status,
        }
    };
    assert_eq!((clients.len(), refused.code()), (100, Code::ResourceExhausted));
    clients.truncate(10);
    let freed = async {
        while Client::begin(&service, from(first)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), freed)
        .await
        .unwrap();
}

/// A service whose bounds are short enough for a test.
fn impatient(store: &Store, limits: Limits) -> Service {
    Service::with_limits(store.clone(), 1, std::future::pending(), limits)
}

/// A revision that this member has not applied, or that never will be: the caller is sent elsewhere within a bound.
#[tokio::test]
async fn a_member_that_is_behind_says_so() {
    let store = Store::in_memory();
    put(&store, NODE, "").await;
    let limits = Limits {
        behind_at_most: Duration::from_millis(20),
        ..Limits::default()
    };
    for revision in [2, u64::MAX] {
        let status = Client::begin(&impatient(&store, limits), from(revision))
            .await
            .err()
            .unwrap();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
}

/// One that is only a little behind serves the watch as soon as it is there.
#[tokio::test]
async fn a_member_that_catches_up_in_time_serves_the_watch() {
    let store = Store::in_memory();
    put(&store, NODE, "").await;
    let begun = tokio::spawn({
        let service = service(&store);
        async move { Client::begin(&service, from(2)).await.unwrap() }
    });
    tokio::task::yield_now().await;
    put(&store, NODE, "b").await;
    let mut client = begun.await.unwrap();
    let third = put(&store, NODE, "c").await;
    assert_eq!(client.events().await[0].revision, third);
}

/// Whoever lost the right to watch does not watch for ever; everybody else goes on where he was.
#[tokio::test]
async fn a_watch_ends_after_its_time_and_can_go_on() {
    let store = Store::in_memory();
    let revision = put(&store, NODE, "").await;
    let limits = Limits {
        watch_at_most: Duration::from_millis(20),
        ..Limits::default()
    };
    let service = impatient(&store, limits);
    let mut client = Client::begin(&service, from(revision)).await.unwrap();
    let status = client.next().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("go on where it is"), "{status:?}");
    assert!(Client::begin(&service, from(client.revision)).await.is_ok());
    assert!(Limits::default().watch_at_most <= Duration::from_secs(3600));
}
