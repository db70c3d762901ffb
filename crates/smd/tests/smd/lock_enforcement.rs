//! Locks and reservations on a member that enforces them, through its guard as every port has it.

use std::sync::Arc;

use crate::common::{admin, blade, node};
use proto::smd::v1::bulk_patch_nid_request::ComponentNid;
use proto::smd::v1::component::{Class, State};
use proto::smd::v1::component_patch_service_client::ComponentPatchServiceClient;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::lock_service_client::LockServiceClient;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;
use proto::smd::v1::reservation_service_client::ReservationServiceClient;
use proto::smd::v1::{
    BulkPatchEnabledRequest, BulkPatchNidRequest, BulkPatchStateDataRequest, Component,
    CreateComponentsRequest, DeleteComponentRequest, DeleteComponentsRequest, LockRequest,
    PatchEnabledRequest, PatchNidRequest, PatchRoleRequest, PatchStateDataRequest, PutComponentRequest,
    Reservation,
};
use raft::Store;
use rpc::{Guard, Guarded, HTTP_STATUS, RESERVATION_KEY, Rules};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tower::Layer as _;

const LOCKED: &str = "x1000c0s1b0n0";
const RESERVED: &str = "x1000c0s2b0n0";
const FREE: &str = "x1000c0s3b0n0";

/// SMD behind the guard of a member, and the store below it.
struct Member {
    store: Store,
    service: Guarded<Routes>,
}

impl Member {
    fn new(store: &Store, enforces_locks: bool) -> Member {
        let mut builder = Routes::builder();
        smd::add_services(&mut builder, store, &auth::Sealer::generate().unwrap());
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let guard = Guard::new(rules, None, Arc::new(store.clone())).enforcing_locks(enforces_locks);
        Member {
            service: guard.layer(builder.routes()),
            store: store.clone(),
        }
    }

    fn components(&self) -> ComponentServiceClient<Guarded<Routes>> {
        ComponentServiceClient::new(self.service.clone())
    }

    fn patches(&self) -> ComponentPatchServiceClient<Guarded<Routes>> {
        ComponentPatchServiceClient::new(self.service.clone())
    }

    fn stored(&self, id: &str) -> Option<Component> {
        let found = self.store.state().smd.component(&id.parse().unwrap());
        found.map(|component| component.as_ref().clone())
    }
}

/// A member that enforces locks, with a component that is locked and one that power control has reserved.
async fn machine() -> (Member, Reservation) {
    let member = Member::new(&Store::in_memory(), true);
    let create = CreateComponentsRequest {
        components: [LOCKED, RESERVED, FREE].map(|id| node(id, State::On)).to_vec(),
        ..CreateComponentsRequest::default()
    };
    member
        .components()
        .create_components(admin(create))
        .await
        .unwrap();
    let named = |id: &str| LockRequest {
        component_ids: vec![id.to_owned()],
        reservation_duration: 5,
        ..LockRequest::default()
    };
    let mut locks = LockServiceClient::new(member.service.clone());
    locks.lock_components(admin(named(LOCKED))).await.unwrap();
    let mut reservations = ReservationServiceClient::new(member.service.clone());
    let made = reservations
        .create_service_reservations(admin(named(RESERVED)))
        .await;
    let reservation = made.unwrap().into_inner().success.remove(0);
    (member, reservation)
}

/// A request that gives these keys, each by itself.
fn with<T>(keys: &[&str], message: T) -> Request<T> {
    let mut request = admin(message);
    for key in keys {
        request
            .metadata_mut()
            .append(RESERVATION_KEY, key.parse().unwrap());
    }
    request
}

fn disable(id: &str) -> PatchEnabledRequest {
    PatchEnabledRequest {
        id: id.to_owned(),
        enabled: Some(false),
        ..PatchEnabledRequest::default()
    }
}

fn delete(id: &str) -> DeleteComponentRequest {
    DeleteComponentRequest {
        id: id.to_owned(),
        ..DeleteComponentRequest::default()
    }
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn header<T>(answer: &Response<T>, name: &str) -> String {
    let name = format!("{}{name}", rpc::HTTP_HEADER_PREFIX);
    let value = answer.metadata().get(name.as_str());
    value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

/// The text of a 409 that names the component, and whoever holds it.
fn conflict<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> String {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(status.metadata().get(HTTP_STATUS).unwrap(), "409", "{status:?}");
    status.message().to_owned()
}

#[tokio::test]
async fn every_change_of_what_an_administrator_decides_is_refused() {
    let (member, _) = machine().await;
    for (id, text) in [
        (LOCKED, "x1000c0s1b0n0 is locked; unlock it, or reserve it"),
        (RESERVED, "x1000c0s2b0n0 is reserved by user/admin until "),
    ] {
        let before = member.stored(id);
        let role = PatchRoleRequest {
            id: id.to_owned(),
            role: "Service".into(),
            ..PatchRoleRequest::default()
        };
        let nid = PatchNidRequest {
            id: id.to_owned(),
            nid: Some(77),
            ..PatchNidRequest::default()
        };
        let put = PutComponentRequest {
            id: id.to_owned(),
            component: Some(Component {
                class: Class::Hill.into(),
                ..node(id, State::On)
            }),
            force: true,
            if_revision: None,
        };
        let texts = [
            conflict(member.patches().patch_enabled(admin(disable(id))).await),
            conflict(member.patches().patch_role(admin(role)).await),
            conflict(member.patches().patch_nid(admin(nid)).await),
            conflict(member.components().put_component(admin(put)).await),
            conflict(member.components().delete_component(admin(delete(id))).await),
        ];
        for refused in texts {
            assert!(
                refused.starts_with(text) && refused.contains(RESERVATION_KEY),
                "{refused}"
            );
        }
        assert_eq!(member.stored(id), before);
    }
    let all = member
        .components()
        .delete_components(admin(DeleteComponentsRequest::default()))
        .await;
    assert!(conflict(all).starts_with(LOCKED));
    member
        .components()
        .delete_component(admin(delete(FREE)))
        .await
        .unwrap();
}

/// Power control changes what it has reserved, its deputies too; in a list with other keys, in any case.
#[tokio::test]
async fn the_keys_that_the_service_gave_let_it_through() {
    let (
        member,
        Reservation {
            reservation_key,
            deputy_key,
            ..
        },
    ) = machine().await;
    let list = format!(
        "{FREE}:rk:00000000-0000-4000-8000-000000000000, {}",
        deputy_key.to_uppercase()
    );
    for (place, keys) in [
        &[reservation_key.as_str()][..],
        &[&deputy_key],
        &[&list],
        &[&format!("{FREE}:dk:1"), &reservation_key],
    ]
    .into_iter()
    .enumerate()
    {
        let patch = PatchEnabledRequest {
            enabled: Some(place % 2 == 1),
            ..disable(RESERVED)
        };
        let answer = member.patches().patch_enabled(with(keys, patch)).await.unwrap();
        assert_eq!(answer.into_inner().applied, [RESERVED]);
    }
    conflict(
        member
            .patches()
            .patch_enabled(with(&[&reservation_key], disable(LOCKED)))
            .await,
    );
    let gone = member
        .components()
        .delete_component(with(&[&deputy_key], delete(RESERVED)))
        .await;
    gone.unwrap();
}

/// What nodes, discovery and power control tell is never held up, nor are the locks themselves.
#[tokio::test]
async fn states_and_discoveries_pass() {
    let (member, _) = machine().await;
    let state = PatchStateDataRequest {
        id: LOCKED.into(),
        state: State::Ready.into(),
        ..PatchStateDataRequest::default()
    };
    let told = member.components().patch_state_data(admin(state)).await.unwrap();
    assert!(told.into_inner().applied);
    let states = BulkPatchStateDataRequest {
        component_ids: ids(&[LOCKED, RESERVED]),
        state: State::Off.into(),
        ..BulkPatchStateDataRequest::default()
    };
    let told = member
        .patches()
        .bulk_patch_state_data(admin(states))
        .await
        .unwrap();
    assert_eq!(header(&told, "chamois-applied"), "2");
    let mut endpoints = RedfishEndpointServiceClient::new(member.service.clone());
    endpoints.create_redfish_endpoints(admin(blade(1))).await.unwrap();
}

#[tokio::test]
async fn a_bulk_patch_tells_what_is_held() {
    let (member, reservation) = machine().await;
    let enabled = || BulkPatchEnabledRequest {
        component_ids: ids(&[FREE, LOCKED, RESERVED]),
        enabled: Some(false),
    };
    let told = member
        .patches()
        .bulk_patch_enabled(admin(enabled()))
        .await
        .unwrap();
    assert_eq!(header(&told, "chamois-applied"), "1");
    let refused = header(&told, "chamois-refused");
    assert!(
        refused.starts_with("2 (x1000c0s1b0n0: it is locked; unlock it"),
        "{refused}"
    );
    let refused = &told.get_ref().refused[1];
    assert!(
        refused.reason.starts_with("it is reserved by user/admin until "),
        "{refused:?}"
    );
    let nids = BulkPatchNidRequest {
        components: [(LOCKED, 11), (RESERVED, 12)]
            .map(|(id, nid)| ComponentNid {
                id: id.to_owned(),
                nid: Some(nid),
            })
            .to_vec(),
    };
    let told = member
        .patches()
        .bulk_patch_nid(with(&[&reservation.reservation_key], nids))
        .await;
    let told = told.unwrap().into_inner();
    assert_eq!(
        (told.applied, told.refused[0].id.as_str()),
        (ids(&[RESERVED]), LOCKED)
    );
}

/// The option is the member's that the request comes to; a header that nobody reads may be anything.
#[tokio::test]
async fn a_member_without_the_option_holds_nothing_up() {
    let (member, _) = machine().await;
    let other = Member::new(&member.store, false);
    conflict(member.patches().patch_enabled(admin(disable(LOCKED))).await);
    other
        .patches()
        .patch_enabled(with(&["hunter2"], disable(LOCKED)))
        .await
        .unwrap();
    other
        .components()
        .delete_component(admin(delete(RESERVED)))
        .await
        .unwrap();
    let refused = member
        .patches()
        .patch_enabled(with(&["hunter2"], disable(FREE)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().starts_with(RESERVATION_KEY) && !refused.message().contains("hunter2"),
        "{refused}"
    );
}

/// Members that do not know enforcement would stop at an entry that asks for it.
#[tokio::test]
async fn an_older_cluster_has_no_such_entries() {
    let store = Store::in_memory_with(state::State::at_level(2));
    let member = Member::new(&store, true);
    let create = CreateComponentsRequest {
        components: vec![Component {
            locked: true,
            ..node(LOCKED, State::On)
        }],
        ..CreateComponentsRequest::default()
    };
    member
        .components()
        .create_components(admin(create))
        .await
        .unwrap();
    member
        .components()
        .delete_component(admin(delete(LOCKED)))
        .await
        .unwrap();
}

/// What is tried out is refused as the change would be, and opened by the same key.
#[tokio::test]
async fn a_trial_respects_locks() {
    let (member, reservation) = machine().await;
    for (keys, is_allowed) in [(&[][..], false), (&[reservation.deputy_key.as_str()], true)] {
        let mut request = with(keys, disable(RESERVED));
        request
            .metadata_mut()
            .insert(rpc::VALIDATE_ONLY, "true".parse().unwrap());
        let answer = member.patches().patch_enabled(request).await;
        assert_eq!(answer.is_ok(), is_allowed, "{answer:?}");
    }
    assert_eq!(member.stored(RESERVED).unwrap().enabled, Some(true));
}

/// A repeat gets the first answer; with the key it is another request, and must not be told the old "no".
#[tokio::test]
async fn a_refused_request_is_not_repeated_under_its_name_with_a_key() {
    let (member, reservation) = machine().await;
    let named = |keys: &[&str], name: &'static str| {
        let mut request = with(keys, disable(RESERVED));
        request
            .metadata_mut()
            .insert(rpc::IDEMPOTENCY_KEY, name.parse().unwrap());
        request
    };
    let first = conflict(member.patches().patch_enabled(named(&[], "a")).await);
    assert_eq!(
        conflict(member.patches().patch_enabled(named(&[], "a")).await),
        first
    );
    let key = [reservation.reservation_key.as_str()];
    let other = member
        .patches()
        .patch_enabled(named(&key, "a"))
        .await
        .unwrap_err();
    assert_eq!(other.metadata().get(HTTP_STATUS).unwrap(), "422", "{other}");
    member.patches().patch_enabled(named(&key, "b")).await.unwrap();
}

/// Not the state, nor what watchers and repeats are told.
#[tokio::test]
async fn no_key_is_stored() {
    let (member, reservation) = machine().await;
    let keys = [reservation.reservation_key.as_str(), &reservation.deputy_key];
    member
        .patches()
        .patch_enabled(with(&keys, disable(RESERVED)))
        .await
        .unwrap();
    let refused = conflict(member.patches().patch_enabled(with(&keys, disable(LOCKED))).await);
    assert!(keys.iter().all(|key| !refused.contains(key)), "{refused}");
    for row in member.store.state().rows() {
        let bytes = prost::Message::encode_to_vec(&row);
        for key in keys {
            let found = bytes.windows(key.len()).any(|window| window == key.as_bytes());
            assert!(!found, "{row:?}");
        }
    }
}
