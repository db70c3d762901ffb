//! HSM's reservations as power control uses them: reserve, check, renew, release.

use crate::common::{admin, cut_off, node};
use proto::smd::v1::component::State;
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::lock_service_server::LockService as _;
use proto::smd::v1::reservation_service_server::ReservationService as _;
use proto::smd::v1::{
    CheckReservationsRequest, ComponentKey, CreateComponentsRequest, HeldReservations, LockFailure,
    LockRequest, LockResponse, Reservation, Reservations,
};
use raft::Store;
use smd::{ComponentService, LockService, ReservationService};
use tonic::{Code, Response, Status};

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";
const NOBODY: &str = "x9c0s0b0n0";

/// A store with two nodes, and the reservations of it.
async fn machine() -> (Store, ReservationService) {
    let store = Store::in_memory();
    let components = vec![node(A, State::On), node(B, State::On)];
    let create = CreateComponentsRequest {
        components,
        force: false,
        ..Default::default()
    };
    let service = ComponentService::new(store.clone());
    service.create_components(admin(create)).await.unwrap();
    (store.clone(), ReservationService::new(store))
}

fn wanted(ids: &[&str], minutes: i32) -> LockRequest {
    LockRequest {
        component_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        reservation_duration: minutes,
        ..LockRequest::default()
    }
}

fn flexible(ids: &[&str], minutes: i32) -> LockRequest {
    LockRequest {
        processing_model: "flexible".into(),
        ..wanted(ids, minutes)
    }
}

async fn reserve(service: &ReservationService, request: LockRequest) -> Result<Reservations, Status> {
    let answer = service.create_service_reservations(admin(request)).await;
    answer.map(Response::into_inner)
}

fn held(keys: &[(&str, &str)], model: &str, minutes: i32) -> HeldReservations {
    HeldReservations {
        reservation_keys: pairs(keys),
        processing_model: model.into(),
        reservation_duration: minutes,
    }
}

fn pairs(keys: &[(&str, &str)]) -> Vec<ComponentKey> {
    let pair = |(id, key): &(&str, &str)| ComponentKey {
        id: (*id).to_owned(),
        key: (*key).to_owned(),
    };
    keys.iter().map(pair).collect()
}

async fn check(service: &ReservationService, keys: &[(&str, &str)]) -> Result<Reservations, Status> {
    let request = CheckReservationsRequest {
        deputy_keys: pairs(keys),
    };
    let answer = service.check_service_reservations(admin(request)).await;
    answer.map(Response::into_inner)
}

fn done(answer: &LockResponse) -> Vec<&str> {
    let done = &answer.success.as_ref().unwrap().component_ids;
    done.iter().map(String::as_str).collect()
}

fn failures(failures: &[LockFailure]) -> Vec<(&str, &str)> {
    failures
        .iter()
        .map(|failure| (failure.id.as_str(), failure.reason.as_str()))
        .collect()
}

#[tokio::test]
async fn a_service_reserves_proves_renews_and_releases() {
    let (_, service) = machine().await;
    let granted = reserve(&service, wanted(&["X0c0s00b0n0", B], 1)).await.unwrap();
    assert!(granted.failure.is_empty());
    let [of_a, of_b] = granted.success.as_slice() else {
        panic!("{} reservations", granted.success.len());
    };
    assert_eq!((of_a.id.as_str(), of_b.id.as_str()), (A, B));
    assert!(of_a.reservation_key.starts_with("x0c0s0b0n0:rk:"));
    assert!(of_a.deputy_key.starts_with("x0c0s0b0n0:dk:"));
    assert_eq!(of_a.expiration_time, of_b.expiration_time);

    let upper = of_a.deputy_key.to_uppercase();
    let checked = check(&service, &[(A, &upper), (B, &of_a.deputy_key)])
        .await
        .unwrap();
    let proved = &checked.success[0];
    let expected = Reservation {
        id: A.into(),
        deputy_key: of_a.deputy_key.clone(),
        reservation_key: String::new(),
        creation_time: proved.creation_time.clone(),
        expiration_time: of_a.expiration_time.clone(),
    };
    assert_eq!(
        (checked.success.len(), proved),
        (1, &expected),
        "the other key is not told"
    );
    assert_eq!(failures(&checked.failure), [(B, "NotFound")]);

    let renewed = service
        .renew_service_reservations(admin(held(&[(A, &of_a.reservation_key)], "rigid", 15)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(done(&renewed), [A]);
    let checked = check(&service, &[(A, &of_a.deputy_key)]).await.unwrap();
    assert!(checked.success[0].expiration_time > of_a.expiration_time);

    let wrong = held(&[(A, &of_a.reservation_key), (B, &of_a.reservation_key)], "", 0);
    let refused = service
        .release_reservations(admin(wrong.clone()))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::InvalidArgument, "Component not found: x0c0s1b0n0")
    );
    let wrong = HeldReservations {
        processing_model: "flexible".into(),
        ..wrong
    };
    let released = service
        .release_reservations(admin(wrong))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (done(&released), failures(&released.failure)),
        (vec![A], vec![(B, "NotFound")])
    );
    let counts = released.counts.unwrap();
    assert_eq!((counts.total, counts.success, counts.failure), (2, 1, 1));
    assert!(
        check(&service, &[(A, &of_a.deputy_key)])
            .await
            .unwrap()
            .success
            .is_empty()
    );
}

/// The library of power control reads `Failure`, and the text of a 400.
#[tokio::test]
async fn what_is_reserved_is_refused_in_the_words_of_hsm() {
    let (_, service) = machine().await;
    reserve(&service, wanted(&[A], 15)).await.unwrap();
    let refused = reserve(&service, wanted(&[B, A], 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused
            .message()
            .starts_with("Component is Reserved: x0c0s0b0n0, by user/admin until "),
        "{refused:?}"
    );
    let some = reserve(&service, flexible(&[A, B, NOBODY], 1)).await.unwrap();
    assert_eq!((some.success.len(), some.success[0].id.as_str()), (1, B));
    assert_eq!(failures(&some.failure), [(A, "Reserved"), (NOBODY, "NotFound")]);
    let none = reserve(&service, flexible(&[A], 1)).await.unwrap();
    assert_eq!((none.success.len(), none.failure.len()), (0, 1));
}

/// A request that is repeated under its idempotency key gets the keys of the first; two grants share none.
#[tokio::test]
async fn every_grant_has_keys_of_its_own() {
    let (_, service) = machine().await;
    let first = reserve(&service, wanted(&[A], 1))
        .await
        .unwrap()
        .success
        .remove(0);
    let release = held(&[(A, &first.reservation_key)], "", 0);
    service
        .release_reservations(admin(release.clone()))
        .await
        .unwrap();
    let second = reserve(&service, wanted(&[A], 1))
        .await
        .unwrap()
        .success
        .remove(0);
    assert_ne!(first.reservation_key, second.reservation_key);
    assert_ne!(first.deputy_key, second.deputy_key);
    let refused = service.release_reservations(admin(release)).await.unwrap_err();
    assert_eq!(refused.message(), "Component not found: x0c0s0b0n0");
}

#[tokio::test]
async fn administrators_reserve_what_is_locked_and_remove_what_anybody_has() {
    let (store, service) = machine().await;
    let refused = service
        .create_reservations(admin(wanted(&[A], 0)))
        .await
        .unwrap_err();
    assert_eq!(refused.message(), "Component is Unlocked: x0c0s0b0n0");
    let locks = LockService::new(store);
    locks.lock_components(admin(wanted(&[A], 0))).await.unwrap();
    let refused = reserve(&service, wanted(&[A], 1)).await.unwrap_err();
    assert_eq!(refused.message(), "Component is Locked: x0c0s0b0n0");
    let granted = service
        .create_reservations(admin(wanted(&[A], 7)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        granted.success[0].expiration_time, "",
        "the duration does not count"
    );
    reserve(&service, wanted(&[B], 1)).await.unwrap();
    let removed = service
        .remove_reservations(admin(LockRequest::default()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(done(&removed), [A, B]);
    let again = service
        .remove_reservations(admin(wanted(&[A], 0)))
        .await
        .unwrap_err();
    assert_eq!(again.message(), "Component not found: x0c0s0b0n0");
}

#[tokio::test]
async fn durations_and_keys_are_checked_before_the_log() {
    let (store, service) = machine().await;
    let revision = store.state().applied_index();
    for (minutes, begin) in [
        (0, "ReservationDuration must be greater than 0"),
        (-5, "ReservationDuration must be greater than 0"),
        (16, "Invalid Reservation Duration"),
    ] {
        let refused = reserve(&service, wanted(&[A], minutes)).await.unwrap_err();
        assert!(refused.message().starts_with(begin), "{refused:?}");
        let renew = held(&[(A, "k")], "", minutes);
        let refused = service
            .renew_service_reservations(admin(renew))
            .await
            .unwrap_err();
        assert!(refused.message().starts_with(begin), "{refused:?}");
    }
    for request in [
        held(&[], "", 1),
        held(&[("nowhere", "k")], "", 1),
        held(&[(A, "k")], "loose", 1),
    ] {
        for refused in [
            service
                .release_reservations(admin(request.clone()))
                .await
                .unwrap_err(),
            service
                .renew_service_reservations(admin(request))
                .await
                .unwrap_err(),
        ] {
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        }
    }
    let bad = check(&service, &[("nowhere", "k")]).await.unwrap_err();
    assert!(bad.message().starts_with("DeputyKeys"), "{bad:?}");
    assert_eq!(store.state().applied_index(), revision);
}

#[tokio::test]
async fn without_a_majority_nothing_is_reserved_and_the_answer_says_so() {
    let (store, service) = machine().await;
    let granted = reserve(&service, wanted(&[A], 15)).await.unwrap();
    let alone = ReservationService::new(cut_off(&store));
    let refused = reserve(&alone, wanted(&[B], 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let key = &granted.success[0].deputy_key;
    assert_eq!(check(&alone, &[(A, key)]).await.unwrap().success.len(), 1);
}
