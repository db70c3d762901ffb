//! Golden cases of SMD's locks and reservations, as power control and administrators send them.

use proto::smd::v1 as smd;
use tonic::Status;

use super::golden::{Sent, check};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

const KEYED: &str = r#"{"ReservationKeys":[{"ID":"x0c0s0b0n0","Key":"x0c0s0b0n0:rk:1"}],"ProcessingModel":"rigid","ReservationDuration":5}"#;
const DONE: &str = r#"{"Counts":{"Total":2,"Success":1,"Failure":1},"Success":{"ComponentIDs":["x0c0s0b0n0"]},"Failure":[{"ID":"x0c0s1b0n0","Reason":"Locked"}]}"#;
const NOTHING: &str =
    r#"{"Counts":{"Total":0,"Success":0,"Failure":0},"Success":{"ComponentIDs":[]},"Failure":[]}"#;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// What power control's library sends: `omitempty` on the filters, lower case.
const RESERVE: &str =
    r#"{"ComponentIDs":["x0c0s0b0n0","x0c0s1b0n0"],"ProcessingModel":"flexible","ReservationDuration":1}"#;

fn meant() -> smd::LockRequest {
    smd::LockRequest {
        component_ids: texts(&["x0c0s0b0n0", "x0c0s1b0n0"]),
        processing_model: "flexible".into(),
        reservation_duration: 1,
        ..Default::default()
    }
}

fn failure() -> smd::LockFailure {
    smd::LockFailure {
        id: "x0c0s1b0n0".into(),
        reason: "Locked".into(),
    }
}

fn done() -> Answer {
    answer(&smd::LockResponse {
        counts: Some(smd::LockCounts {
            total: 2,
            success: 1,
            failure: 1,
        }),
        success: Some(smd::LockedIds {
            component_ids: texts(&["x0c0s0b0n0"]),
        }),
        failure: vec![failure()],
        revision: 9,
    })
}

/// Every key of every filter, in HSM's spelling and in others.
#[tokio::test]
async fn locks_are_set_by_body_and_tell_what_became_of_each() {
    let body = concat!(
        r#"{"ComponentIDs":["x0"],"NID":["7"],"Type":["Node"],"State":["!Off"],"Flag":["OK"],"Enabled":["true"],"#,
        r#""SoftwareStatus":["A"],"role":["Compute"],"Subrole":["Worker"],"Subtype":["s"],"arch":["X86"],"#,
        r#""Class":["River"],"Group":["g"],"partition":["p1"],"Locked":["false"],"ReservationDisabled":["true"],"#,
        r#""ProcessingModel":"rigid","Unknown":1}"#
    );
    let asked = smd::LockRequest {
        component_ids: texts(&["x0"]),
        nid: texts(&["7"]),
        r#type: texts(&["Node"]),
        state: texts(&["!Off"]),
        flag: texts(&["OK"]),
        enabled: texts(&["true"]),
        software_status: texts(&["A"]),
        role: texts(&["Compute"]),
        sub_role: texts(&["Worker"]),
        subtype: texts(&["s"]),
        arch: texts(&["X86"]),
        class: texts(&["River"]),
        group: texts(&["g"]),
        partition: texts(&["p1"]),
        locked: texts(&["false"]),
        reservation_disabled: texts(&["true"]),
        processing_model: "rigid".into(),
        ..Default::default()
    };
    let sent = Sent("POST /apis/smd/hsm/v2/locks/lock", body);
    check(
        sent,
        "smd.v1.LockService/LockComponents",
        asked,
        done(),
        200,
        DONE,
    )
    .await;
    for (line, method) in [
        ("POST /hsm/v2/locks/unlock", "UnlockComponents"),
        ("POST /hsm/v2/locks/disable", "DisableReservations"),
        ("POST /hsm/v2/locks/repair", "RepairReservations"),
    ] {
        let method = format!("smd.v1.LockService/{method}");
        check(Sent(line, RESERVE), &method, meant(), done(), 200, DONE).await;
        let empty = smd::LockResponse {
            counts: Some(smd::LockCounts::default()),
            success: Some(smd::LockedIds::default()),
            ..Default::default()
        };
        check(
            Sent(line, "{}"),
            &method,
            smd::LockRequest::default(),
            answer(&empty),
            200,
            NOTHING,
        )
        .await;
    }
}

#[tokio::test]
async fn the_status_is_asked_by_body_or_query() {
    let status = smd::LockStatus {
        components: vec![
            smd::ComponentLock {
                id: "x0c0s0b0n0".into(),
                locked: true,
                reserved_by: "user/admin".into(),
                ..Default::default()
            },
            smd::ComponentLock {
                id: "x0c0s1b0n0".into(),
                reserved: true,
                creation_time: "2025-11-25T07:35:44Z".into(),
                expiration_time: "2025-11-25T07:36:44Z".into(),
                ..Default::default()
            },
        ],
        not_found: texts(&["x9c0s0b0n0"]),
        revision: 4,
    };
    let shown = concat!(
        r#"{"Components":[{"ID":"x0c0s0b0n0","Locked":true,"Reserved":false,"ReservationDisabled":false},"#,
        r#"{"ID":"x0c0s1b0n0","Locked":false,"Reserved":true,"CreationTime":"2025-11-25T07:35:44Z","#,
        r#""ExpirationTime":"2025-11-25T07:36:44Z","ReservationDisabled":false}],"NotFound":["x9c0s0b0n0"]}"#
    );
    check(
        Sent("POST /hsm/v2/locks/status", RESERVE),
        "smd.v1.LockService/QueryLockStatus",
        meant(),
        answer(&status),
        200,
        shown,
    )
    .await;
    let asked = smd::ListLockStatusRequest {
        r#type: texts(&["Node", "NodeBMC"]),
        state: texts(&["Ready"]),
        role: texts(&["Compute"]),
        sub_role: texts(&["Worker"]),
        locked: texts(&["false"]),
        reserved: texts(&["true"]),
        reservation_disabled: texts(&["false"]),
    };
    let line = concat!(
        "GET /hsm/v2/locks/status?Type=Node&type=NodeBMC&State=Ready&Role=Compute&Subrole=Worker&Locked=false",
        "&Reserved=true&ReservationDisabled=false"
    );
    let none = answer(&smd::LockStatus::default());
    let method = "smd.v1.LockService/ListLockStatus";
    check(Sent(line, ""), method, asked, none, 200, r#"{"Components":[]}"#).await;
}

#[tokio::test]
async fn reservations_show_as_hsm_shows_them() {
    let granted = smd::Reservations {
        success: vec![smd::Reservation {
            id: "x0c0s0b0n0".into(),
            deputy_key: "x0c0s0b0n0:dk:1".into(),
            reservation_key: "x0c0s0b0n0:rk:1".into(),
            creation_time: String::new(),
            expiration_time: "2025-11-25T07:36:44Z".into(),
        }],
        failure: vec![failure()],
        revision: 9,
    };
    let shown = concat!(
        r#"{"Success":[{"ID":"x0c0s0b0n0","DeputyKey":"x0c0s0b0n0:dk:1","ReservationKey":"x0c0s0b0n0:rk:1","#,
        r#""ExpirationTime":"2025-11-25T07:36:44Z"}],"Failure":[{"ID":"x0c0s1b0n0","Reason":"Locked"}]}"#
    );
    for (line, method) in [
        (
            "POST /hsm/v2/locks/service/reservations",
            "CreateServiceReservations",
        ),
        ("POST /hsm/v2/locks/reservations", "CreateReservations"),
    ] {
        let method = format!("smd.v1.ReservationService/{method}");
        check(
            Sent(line, RESERVE),
            &method,
            meant(),
            answer(&granted),
            200,
            shown,
        )
        .await;
    }
    check(
        Sent("POST /hsm/v2/locks/reservations/remove", RESERVE),
        "smd.v1.ReservationService/RemoveReservations",
        meant(),
        done(),
        200,
        DONE,
    )
    .await;
}

/// The administrator's release and a service's are one.
#[tokio::test]
async fn keys_release_renew_and_prove() {
    let keys = |key: &str| {
        vec![smd::ComponentKey {
            id: "x0c0s0b0n0".into(),
            key: key.into(),
        }]
    };
    let held = || smd::HeldReservations {
        reservation_keys: keys("x0c0s0b0n0:rk:1"),
        processing_model: "rigid".into(),
        reservation_duration: 5,
    };
    for (line, method) in [
        ("POST /hsm/v2/locks/reservations/release", "ReleaseReservations"),
        (
            "POST /hsm/v2/locks/service/reservations/release",
            "ReleaseReservations",
        ),
        (
            "POST /hsm/v2/locks/service/reservations/renew",
            "RenewServiceReservations",
        ),
    ] {
        let method = format!("smd.v1.ReservationService/{method}");
        check(Sent(line, KEYED), &method, held(), done(), 200, DONE).await;
    }
    let asked = smd::CheckReservationsRequest {
        deputy_keys: keys("x0c0s0b0n0:dk:1"),
    };
    let none = answer(&smd::Reservations::default());
    check(
        Sent(
            "POST /hsm/v2/locks/service/reservations/check",
            r#"{"DeputyKeys":[{"ID":"x0c0s0b0n0","Key":"x0c0s0b0n0:dk:1"}]}"#,
        ),
        "smd.v1.ReservationService/CheckServiceReservations",
        asked,
        none,
        200,
        r#"{"Success":[],"Failure":[]}"#,
    )
    .await;
}

/// HSM's 400, whose detail power control shows.
#[tokio::test]
async fn a_rigid_refusal_is_a_400_with_the_text_of_hsm() {
    let fake = Fake::new();
    fake.will_answer(Err(Status::invalid_argument("Component is Reserved: x0c0s0b0n0")));
    let got = send(
        &gateway(&fake, Options::default()),
        "POST",
        "/hsm/v2/locks/service/reservations",
        &[],
        RESERVE,
    )
    .await;
    assert_eq!(
        (got.status, got.detail().as_str()),
        (400, "Component is Reserved: x0c0s0b0n0")
    );
}

/// Request line and body, status and detail of the answer.
#[rustfmt::skip]
const BAD: &[(&str, &str, u16, &str)] = &[
    ("POST /hsm/v2/locks/lock", "", 500, "error decoding JSON: the body is empty"),
    ("POST /hsm/v2/locks/unlock", "[]", 500, "expected a JSON object, got an array"),
    ("POST /hsm/v2/locks/disable", r#"{"ComponentIDs":"x0"}"#, 500, "ComponentIDs: expected an array, got a string"),
    ("POST /hsm/v2/locks/repair", r#"{"ProcessingModel":7}"#, 500, "ProcessingModel: expected a string, got a number"),
    ("POST /hsm/v2/locks/status", "{", 500, "error decoding JSON: EOF while parsing an object at line 1 column 1"),
    ("POST /hsm/v2/locks/reservations", "", 500, "error decoding JSON: the body is empty"),
    ("POST /hsm/v2/locks/reservations/remove", "7", 500, "expected a JSON object, got a number"),
    ("POST /hsm/v2/locks/reservations/release", r#"{"ReservationKeys":{}}"#, 500, "ReservationKeys: expected an array, got an object"),
    ("POST /hsm/v2/locks/service/reservations", r#"{"ReservationDuration":"1"}"#, 500, "ReservationDuration: expected a whole number, got a string"),
    ("POST /hsm/v2/locks/service/reservations/renew", r#"{"ReservationKeys":["k"]}"#, 500, "ReservationKeys[0]: expected an object, got a string"),
    ("POST /hsm/v2/locks/service/reservations/release", "", 500, "error decoding JSON: the body is empty"),
    ("POST /hsm/v2/locks/service/reservations/check", r#"{"DeputyKeys":"k"}"#, 500, "DeputyKeys: expected an array, got a string"),
    ("GET /hsm/v2/locks/lock", "", 405, "allow POST"),
    ("DELETE /hsm/v2/locks/status", "", 405, "allow POST,GET"),
    ("GET /hsm/v2/locks/service/reservations", "", 405, "allow POST"),
];

#[tokio::test]
async fn bad_bodies_and_verbs_are_answered_as_hsm_answers_them() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for (line, body, status, detail) in BAD {
        let (verb, uri) = line.split_once(' ').unwrap();
        let got = send(&gateway, verb, uri, &[], *body).await;
        assert_eq!(
            (got.status, got.detail().as_str()),
            (*status, *detail),
            "{line} {body}"
        );
    }
    assert!(
        fake.take_asked().is_empty(),
        "nothing of this may reach a service"
    );
}
