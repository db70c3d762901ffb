//! A password of a BMC is in no answer, no row, no outcome and no event: only its sealed form is stored.

use crate::common::{admin, blade};
use auth::Sealer;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointService as _;
use proto::smd::v1::{
    GetRedfishEndpointRequest, ListRedfishEndpointsRequest, PatchRedfishEndpointRequest,
    RedfishEndpointPayload,
};
use raft::Store;
use rpc::{Guard, Guarded, Rules};
use smd::RedfishEndpointService;
use std::sync::Arc;
use tonic::service::Routes;
use tonic::{Code, Request};
use tower::Layer as _;

/// What is looked for.
const CANARY: &str = "c4n4ry-in-a-BMC";

fn with_password(password: &str) -> RedfishEndpointPayload {
    RedfishEndpointPayload {
        password: password.to_owned(),
        ..blade(0)
    }
}

/// Everything that the store holds, encoded: what a snapshot or a checkpoint would have.
fn rows(store: &Store) -> Vec<u8> {
    let state = store.state();
    let rows = state.rows().map(|row| {
        let debug = format!("{row:?}").into_bytes();
        [encoded(&row), debug].concat()
    });
    rows.collect::<Vec<_>>().concat()
}

fn encoded(message: &impl prost::Message) -> Vec<u8> {
    message.encode_to_vec()
}

fn has_canary(bytes: &[u8]) -> bool {
    bytes
        .windows(CANARY.len())
        .any(|window| window == CANARY.as_bytes())
}

#[tokio::test]
async fn a_posted_password_is_found_nowhere_and_opens_with_the_key() {
    let (store, sealer) = (Store::in_memory(), Sealer::generate().unwrap());
    let service = RedfishEndpointService::new(store.clone(), &sealer);
    let (_, mut watch) = store.watch();
    let mut seen = Vec::new();
    let posted = service
        .create_redfish_endpoints(admin(with_password(CANARY)))
        .await
        .unwrap();
    seen.extend(encoded(posted.get_ref()));
    let again = service
        .create_redfish_endpoints(admin(with_password(CANARY)))
        .await
        .unwrap_err();
    seen.extend(format!("{again:?}").into_bytes());
    let put = service
        .update_redfish_endpoint(admin(with_password(CANARY)))
        .await
        .unwrap();
    seen.extend(encoded(put.get_ref()));
    let patch = PatchRedfishEndpointRequest {
        id: "x1000c0s0b0".to_owned(),
        password: CANARY.to_owned(),
        ..PatchRedfishEndpointRequest::default()
    };
    seen.extend(format!("{patch:?} {:?}", with_password(CANARY)).into_bytes());
    let patched = service.patch_redfish_endpoint(admin(patch)).await.unwrap();
    seen.extend(encoded(patched.get_ref()));
    let get = GetRedfishEndpointRequest {
        id: "x1000c0s0b0".to_owned(),
    };
    seen.extend(encoded(
        service.get_redfish_endpoint(admin(get)).await.unwrap().get_ref(),
    ));
    let list = service
        .list_redfish_endpoints(admin(ListRedfishEndpointsRequest::default()))
        .await;
    seen.extend(encoded(list.unwrap().get_ref()));
    seen.extend(format!("{:?}", watch.next().await.unwrap()).into_bytes());
    seen.extend(rows(&store));
    assert!(!has_canary(&seen));
    let sealed = store.state().cluster.secret("bmc/x1000c0s0b0").unwrap();
    assert_eq!(sealed.version, 3, "each one replaces the one before");
    assert_eq!(sealer.open(&sealed).unwrap().bytes(), CANARY.as_bytes());
}

/// SMD behind the guard, which reads idempotency keys.
fn guarded(store: &Store) -> RedfishEndpointServiceClient<Guarded<Routes>> {
    let mut builder = Routes::builder();
    smd::add_services(&mut builder, store, &Sealer::generate().unwrap());
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let guard = Guard::new(rules, None, Arc::new(store.clone()));
    RedfishEndpointServiceClient::new(guard.layer(builder.routes()))
}

/// The same request whenever it is sent.
fn keyed<T>(message: T) -> Request<T> {
    let mut request = admin(message);
    let key = "k-1".parse().unwrap();
    request.metadata_mut().insert(rpc::IDEMPOTENCY_KEY, key);
    request
}

/// The digests that outcomes are stored with, of one endpoint posted under an idempotency key.
async fn digests(password: &str) -> Vec<Vec<u8>> {
    let store = Store::in_memory();
    let request = keyed(with_password(password));
    guarded(&store).create_redfish_endpoints(request).await.unwrap();
    let state = store.state();
    let sessions = state.rows().filter_map(|row| match row.row {
        Some(Row::Session(session)) => Some(session.outcomes),
        _ => None,
    });
    let outcomes = sessions.flatten().map(|outcome| outcome.request_digest);
    outcomes.collect()
}

/// A digest of it would let whoever has a snapshot try guesses.
#[tokio::test]
async fn no_digest_tells_one_password_from_another() {
    let first = digests("first").await;
    assert!(!first.is_empty(), "what is looked for is there");
    assert_eq!(first, digests("second").await);
}

/// Everything but the password tells one request from another.
#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let mut client = guarded(&Store::in_memory());
    let first = with_password("first");
    client
        .create_redfish_endpoints(keyed(first.clone()))
        .await
        .unwrap();
    client.create_redfish_endpoints(keyed(first)).await.unwrap(); // a repeat
    let other = RedfishEndpointPayload {
        password: "first".to_owned(),
        ..blade(1)
    };
    let refused = client.create_redfish_endpoints(keyed(other)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let patch = |user: &str, password: &str| PatchRedfishEndpointRequest {
        id: "x1000c0s0b0".to_owned(),
        user: Some(user.to_owned()),
        password: password.to_owned(),
        ..PatchRedfishEndpointRequest::default()
    };
    let mut client = guarded(&{
        let store = Store::in_memory();
        let service = RedfishEndpointService::new(store.clone(), &Sealer::generate().unwrap());
        service.create_redfish_endpoints(admin(blade(0))).await.unwrap();
        store
    });
    client
        .patch_redfish_endpoint(keyed(patch("root", "a")))
        .await
        .unwrap();
    let refused = client
        .patch_redfish_endpoint(keyed(patch("ada", "a")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
}

/// The test must be able to find it.
#[test]
fn the_canary_is_seen_where_it_is() {
    assert!(has_canary(&encoded(&with_password(CANARY))));
    assert!(!has_canary(b"c4n4ry"));
}

#[tokio::test]
async fn an_update_without_a_password_keeps_the_one_that_is_known() {
    let (store, sealer) = (Store::in_memory(), Sealer::generate().unwrap());
    let service = RedfishEndpointService::new(store.clone(), &sealer);
    service
        .create_redfish_endpoints(admin(with_password("first")))
        .await
        .unwrap();
    service
        .update_redfish_endpoint(admin(with_password("")))
        .await
        .unwrap();
    let sealed = store.state().cluster.secret("bmc/x1000c0s0b0").unwrap();
    assert_eq!(sealer.open(&sealed).unwrap().bytes(), b"first");
}

/// The service can seal, but not open what it has sealed.
#[test]
fn the_service_has_no_private_key() {
    let service = RedfishEndpointService::new(Store::in_memory(), &Sealer::generate().unwrap());
    assert!(format!("{service:?}").contains("can_open: false"), "{service:?}");
}
