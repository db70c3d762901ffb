//! A password of a BMC is in no answer, no row, no outcome and no event: only its sealed form is stored.

use crate::common::{admin, blade};
use auth::Sealer;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointService as _;
use proto::smd::v1::{
    GetRedfishEndpointRequest, ListRedfishEndpointsRequest, PatchRedfishEndpointRequest,
    RedfishEndpointPayload,
};
use raft::Store;
use smd::RedfishEndpointService;

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
