//! HSM's locks, method by method: what changes, what is answered, and with which code.

use crate::common::{admin, cut_off, node};
use proto::smd::v1::component::State;
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::lock_service_server::LockService as _;
use proto::smd::v1::reservation_service_server::ReservationService as _;
use proto::smd::v1::{
    ComponentLock, CreateComponentsRequest, ListComponentsRequest, ListLockStatusRequest, LockRequest,
    LockResponse, LockStatus,
};
use raft::Store;
use smd::{ComponentService, LockService, ReservationService};
use tonic::{Code, Response, Status};

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";
const NOBODY: &str = "x9c0s0b0n0";

/// A store with two nodes, one of them off, and the locks of it.
async fn machine() -> (Store, LockService) {
    let store = Store::in_memory();
    let components = vec![node(A, State::On), node(B, State::Off)];
    let create = CreateComponentsRequest {
        components,
        force: false,
        ..Default::default()
    };
    let service = ComponentService::new(store.clone());
    service.create_components(admin(create)).await.unwrap();
    (store.clone(), LockService::new(store))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn named(ids: &[&str]) -> LockRequest {
    LockRequest {
        component_ids: texts(ids),
        ..LockRequest::default()
    }
}

fn flexible(ids: &[&str]) -> LockRequest {
    LockRequest {
        processing_model: "Flexible".into(),
        ..named(ids)
    }
}

async fn lock(service: &LockService, request: LockRequest) -> Result<LockResponse, Status> {
    let answer = service.lock_components(admin(request)).await;
    answer.map(Response::into_inner)
}

async fn status(service: &LockService, request: LockRequest) -> Result<LockStatus, Status> {
    let answer = service.query_lock_status(admin(request)).await;
    answer.map(Response::into_inner)
}

/// The xnames done, the failures, and total, success and failure as counted.
fn shown(answer: &LockResponse) -> (Vec<&str>, Vec<(&str, &str)>, [u32; 3]) {
    let done = &answer.success.as_ref().unwrap().component_ids;
    let counts = answer.counts.unwrap();
    (
        done.iter().map(String::as_str).collect(),
        answer
            .failure
            .iter()
            .map(|failure| (failure.id.as_str(), failure.reason.as_str()))
            .collect(),
        [counts.total, counts.success, counts.failure],
    )
}

fn ids(status: &LockStatus) -> Vec<&str> {
    status.components.iter().map(|lock| lock.id.as_str()).collect()
}

#[tokio::test]
async fn locked_components_are_found_by_the_filters() {
    let (store, service) = machine().await;
    let answer = lock(&service, named(&["X0c0s00b0n0"])).await.unwrap();
    assert_eq!(shown(&answer), (vec![A], vec![], [1, 1, 0]));
    assert_eq!(answer.revision, 2);
    let components = ComponentService::new(store);
    for (value, expected) in [("true", A), ("false", B)] {
        let list = ListComponentsRequest {
            locked: texts(&[value]),
            ..ListComponentsRequest::default()
        };
        let found = components
            .list_components(admin(list))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(found.components.len(), 1, "{value}");
        assert_eq!(found.components[0].id, expected);
    }
    service.disable_reservations(admin(named(&[B]))).await.unwrap();
    let list = ListComponentsRequest {
        reservation_disabled: texts(&["true"]),
        ..ListComponentsRequest::default()
    };
    let found = components
        .list_components(admin(list))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.components[0].id, B);
}

/// Rigid is the default, and all or nothing; flexible does what can be done.
#[tokio::test]
async fn rigid_refuses_with_400_and_flexible_lists_failures() {
    let (_, service) = machine().await;
    lock(&service, named(&[A])).await.unwrap();
    let refused = lock(&service, named(&[B, A])).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::InvalidArgument, "Component is Locked: x0c0s0b0n0")
    );
    let refused = lock(&service, named(&[B, NOBODY])).await.unwrap_err();
    assert_eq!(refused.message(), "Component not found: x9c0s0b0n0");
    let answer = lock(&service, flexible(&[B, A, NOBODY])).await.unwrap();
    let failures = vec![(A, "Locked"), (NOBODY, "NotFound")];
    assert_eq!(shown(&answer), (vec![B], failures, [3, 1, 2]));
    let unlocked = service.unlock_components(admin(named(&[B, A]))).await.unwrap();
    assert_eq!(shown(unlocked.get_ref()), (vec![A, B], vec![], [2, 2, 0]));
    let loose = LockRequest {
        processing_model: "loose".into(),
        ..named(&[A])
    };
    for refused in [
        lock(&service, loose.clone()).await.unwrap_err(),
        status(&service, loose).await.unwrap_err(),
    ] {
        assert!(
            refused.message().starts_with("Invalid Processing Model"),
            "{refused:?}"
        );
    }
    let bad = lock(&service, named(&["nowhere"])).await.unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
}

/// A body without ids means whatever its filters admit, as in SMD.
#[tokio::test]
async fn components_are_meant_by_filters_too() {
    let (_, service) = machine().await;
    let off = LockRequest {
        state: texts(&["off"]),
        ..LockRequest::default()
    };
    assert_eq!(shown(&lock(&service, off.clone()).await.unwrap()).0, [B]);
    let both_named = LockRequest {
        component_ids: texts(&[A, B]),
        ..off
    };
    let repaired = service.repair_reservations(admin(both_named)).await.unwrap();
    assert_eq!(shown(repaired.get_ref()).0, [B], "names and filters add up");
    let none = LockRequest {
        state: texts(&["Standby"]),
        ..LockRequest::default()
    };
    let refused = lock(&service, none).await.unwrap_err();
    assert!(
        refused.message().starts_with("Component not found"),
        "{refused:?}"
    );
    let bad = LockRequest {
        state: texts(&["warm"]),
        ..LockRequest::default()
    };
    let refused = lock(&service, bad).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "bad query param: Argument was not a valid HMS State"
    );
    let not_a = LockRequest {
        component_ids: texts(&["!x0c0s0b0n0"]),
        ..LockRequest::default()
    };
    assert_eq!(
        shown(
            &service
                .unlock_components(admin(not_a))
                .await
                .unwrap()
                .into_inner()
        )
        .0,
        [B]
    );
    let everything = service
        .disable_reservations(admin(LockRequest::default()))
        .await
        .unwrap();
    assert_eq!(shown(everything.get_ref()).0, [A, B]);
}

#[tokio::test]
async fn the_status_tells_locks_and_reservations() {
    let (store, service) = machine().await;
    lock(&service, named(&[B])).await.unwrap();
    let reserve = LockRequest {
        reservation_duration: 15,
        ..named(&[A])
    };
    ReservationService::new(store)
        .create_service_reservations(admin(reserve))
        .await
        .unwrap();
    let all = status(&service, named(&[B, A, NOBODY])).await.unwrap();
    assert_eq!(
        (ids(&all), all.not_found.as_slice()),
        (vec![B, A], &[NOBODY.to_owned()][..])
    );
    let locked = ComponentLock {
        id: B.into(),
        locked: true,
        ..ComponentLock::default()
    };
    assert_eq!(all.components[0], locked);
    let reserved = &all.components[1];
    assert!(reserved.reserved && !reserved.locked && !reserved.reservation_disabled);
    assert_eq!(reserved.reserved_by, "user/admin");
    for time in [&reserved.creation_time, &reserved.expiration_time] {
        assert!(time.ends_with('Z') && time.len() >= 20, "{time}");
    }
    assert!(reserved.creation_time < reserved.expiration_time);
    let list = |reserved: &str, locked: &str| ListLockStatusRequest {
        reserved: texts(&[reserved]),
        locked: if locked.is_empty() {
            vec![]
        } else {
            texts(&[locked])
        },
        ..ListLockStatusRequest::default()
    };
    for (request, expected) in [
        (list("true", ""), vec![A]),
        (list("false", "true"), vec![B]),
        (ListLockStatusRequest::default(), vec![A, B]),
    ] {
        let found = service
            .list_lock_status(admin(request))
            .await
            .unwrap()
            .into_inner();
        assert_eq!((ids(&found), found.not_found.len()), (expected, 0));
    }
    let nothing = service
        .list_lock_status(admin(list("true", "true")))
        .await
        .unwrap_err();
    assert!(
        nothing.message().starts_with("Component not found"),
        "{nothing:?}"
    );
    let bad = service
        .list_lock_status(admin(list("maybe", "")))
        .await
        .unwrap_err();
    assert_eq!(bad.message(), "bad 'Reserved' query parameter: maybe");
}

#[tokio::test]
async fn without_a_majority_nothing_is_locked_and_the_answer_says_so() {
    let (store, _) = machine().await;
    let alone = LockService::new(cut_off(&store));
    let off = LockRequest {
        state: texts(&["Off"]),
        ..LockRequest::default()
    };
    for request in [named(&[A]), off] {
        let refused = lock(&alone, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    }
    let status = status(&alone, named(&[A])).await.unwrap();
    assert!(!status.components[0].locked);
}
