//! A watch behind the guard: who may, how fresh it begins, and that a deadline is for the beginning alone.

use std::sync::Arc;
use std::time::Duration;

use proto::watch::v1::watch_response::Message;
use proto::watch::v1::watch_service_client::WatchServiceClient;
use raft::Store;
use rpc::{Caller, Guard, Guarded, Identity, Rules};
use tonic::service::{Routes, RoutesBuilder};
use tonic::{Code, Request};
use tower::Layer as _;

use crate::NODE;
use crate::support::{from, put};

fn guarded(store: &Store) -> Guarded<Routes> {
    let mut routes = RoutesBuilder::default();
    watch::add_services(&mut routes, store, 1, std::future::pending());
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    Guard::new(rules, None, Arc::new(store.clone())).layer(routes.routes())
}

fn calling_as<T>(identity: Identity, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller {
        identity,
        ..Caller::anonymous()
    });
    request
}

fn admin<T>(message: T) -> Request<T> {
    calling_as(Identity::User { name: "admin".into() }, message)
}

/// A client gives each call a deadline; a watch that has begun is not cut off by it.
#[tokio::test]
async fn a_watch_outlives_the_deadline_of_its_call() {
    let store = Store::in_memory();
    let revision = put(&store, NODE, "").await;
    let mut client = WatchServiceClient::new(guarded(&store));
    let mut request = from(revision);
    request.progress_interval_ms = 100;
    let mut request = admin(request);
    request.set_timeout(Duration::from_millis(250));
    let mut stream = client.watch(request).await.unwrap().into_inner();
    for _ in 0..6 {
        let response = stream.message().await.unwrap().unwrap();
        assert!(
            matches!(response.message, Some(Message::Progress(_))),
            "{response:?}"
        );
    }
}

/// What is replicated is for administrators, whichever way it is asked for.
#[tokio::test]
async fn only_administrators_watch() {
    let store = Store::in_memory();
    let address = "127.0.0.1".parse().unwrap();
    for (identity, expected) in [
        (Identity::Anonymous, Code::Unauthenticated),
        (Identity::LegacyReader { address }, Code::Unauthenticated),
        (Identity::Node { address }, Code::PermissionDenied),
        (Identity::Member(2), Code::PermissionDenied),
    ] {
        let mut client = WatchServiceClient::new(guarded(&store));
        let status = client
            .watch(calling_as(identity.clone(), from(0)))
            .await
            .unwrap_err();
        assert_eq!(status.code(), expected, "{identity}: {status:?}");
    }
}

/// The state that is told holds every write that was acknowledged before; a member that cannot know says so, unless
/// what it has will do.
#[tokio::test]
async fn a_watch_begins_after_a_read_index_unless_the_caller_asks_for_local() {
    let store = Store::in_memory();
    put(&store, NODE, "").await;
    let cut_off = Store::in_memory_without_majority(store.state().as_ref().clone());
    let mut client = WatchServiceClient::new(guarded(&cut_off));
    let status = client.watch(admin(from(0))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let mut local = admin(from(0));
    local
        .metadata_mut()
        .insert(rpc::CONSISTENCY, rpc::CONSISTENCY_LOCAL.parse().unwrap());
    let mut stream = client.watch(local).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(matches!(first.message, Some(Message::Rows(_))));
    assert!(
        !first.header.unwrap().has_majority,
        "and is told that others may know more"
    );
}
