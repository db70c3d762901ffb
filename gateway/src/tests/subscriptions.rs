//! Golden cases of SMD's Subscriptions/SCN.

use proto::smd::v1 as smd;
use tonic::Status;

use super::golden::{Sent, check};
use super::{Fake, answer, gateway, send};
use crate::Options;

/// As services of CSM subscribe.
const POSTED: &str = concat!(
    r#"{"Subscriber":"hmnfd@x3000c0s1b0n0","Enabled":true,"Roles":["Compute"],"SubRoles":["Worker"],"#,
    r#""SoftwareStatus":["Admin"],"States":["Ready","Off"],"Url":"http://10.1.0.9:7000/scn"}"#
);
const SHOWN: &str = concat!(
    r#"{"ID":7,"Subscriber":"hmnfd@x3000c0s1b0n0","Enabled":true,"Roles":["Compute"],"SubRoles":["Worker"],"#,
    r#""SoftwareStatus":["Admin"],"States":["Ready","Off"],"Url":"http://10.1.0.9:7000/scn"}"#
);

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn posted() -> smd::ScnSubscription {
    smd::ScnSubscription {
        subscriber: "hmnfd@x3000c0s1b0n0".into(),
        enabled: Some(true),
        roles: texts(&["Compute"]),
        sub_roles: texts(&["Worker"]),
        software_status: texts(&["Admin"]),
        states: texts(&["Ready", "Off"]),
        url: "http://10.1.0.9:7000/scn".into(),
        ..Default::default()
    }
}

fn stored() -> smd::ScnSubscription {
    smd::ScnSubscription {
        id: 7,
        told_revision: 99,
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..posted()
    }
}

fn method(name: &str) -> String {
    format!("smd.v1.ScnSubscriptionService/{name}")
}

#[tokio::test]
async fn subscriptions_are_posted_listed_and_shown() {
    let sent = Sent("POST /apis/smd/hsm/v2/Subscriptions/SCN", POSTED);
    let name = method("CreateScnSubscription");
    check(sent, &name, posted(), answer(&stored()), 200, SHOWN).await;
    let asked = smd::GetScnSubscriptionRequest { id: "7".into() };
    let sent = Sent("GET /hsm/v2/Subscriptions/SCN/7", "");
    check(
        sent,
        &method("GetScnSubscription"),
        asked,
        answer(&stored()),
        200,
        SHOWN,
    )
    .await;
    let list = smd::ListScnSubscriptionsResponse {
        subscription_list: vec![stored()],
        revision: 3,
    };
    let body = format!(r#"{{"SubscriptionList":[{SHOWN}]}}"#);
    for (list, body) in [
        (list, body.as_str()),
        (Default::default(), r#"{"SubscriptionList":[]}"#),
    ] {
        let sent = Sent("GET /hsm/v2/Subscriptions/SCN", "");
        let asked = smd::ListScnSubscriptionsRequest {};
        check(
            sent,
            &method("ListScnSubscriptions"),
            asked,
            answer(&list),
            200,
            body,
        )
        .await;
    }
}

/// Whoever sends back what it was shown sends the id as a number; HSM does not look at it.
#[tokio::test]
async fn subscriptions_are_replaced_patched_and_deleted() {
    let asked = smd::PutScnSubscriptionRequest {
        subscription_id: "7".into(),
        subscriber: "hmnfd@x3000c0s1b0n0".into(),
        enabled: Some(true),
        roles: texts(&["Compute"]),
        sub_roles: texts(&["Worker"]),
        software_status: texts(&["Admin"]),
        states: texts(&["Ready", "Off"]),
        url: "http://10.1.0.9:7000/scn".into(),
    };
    let changed = || answer(&smd::ScnSubscriptionChange { revision: 4 });
    let sent = Sent("PUT /hsm/v2/Subscriptions/SCN/7", SHOWN);
    check(sent, &method("PutScnSubscription"), asked, changed(), 204, "").await;
    let asked = smd::PatchScnSubscriptionRequest {
        subscription_id: "7".into(),
        op: "add".into(),
        states: texts(&["On"]),
        ..Default::default()
    };
    let sent = Sent(
        "PATCH /hsm/v2/Subscriptions/SCN/7",
        r#"{"Op":"add","States":["On"]}"#,
    );
    check(sent, &method("PatchScnSubscription"), asked, changed(), 204, "").await;
    let gone = |message: &str| {
        answer(&smd::DeleteResponse {
            message: message.into(),
            ..Default::default()
        })
    };
    let asked = smd::DeleteScnSubscriptionRequest { id: "7".into() };
    check(
        Sent("DELETE /hsm/v2/Subscriptions/SCN/7", ""),
        &method("DeleteScnSubscription"),
        asked,
        gone("Subscription deleted"),
        200,
        r#"{"code":0,"message":"Subscription deleted"}"#,
    )
    .await;
    check(
        Sent("DELETE /hsm/v2/Subscriptions/SCN", ""),
        &method("DeleteScnSubscriptions"),
        smd::DeleteScnSubscriptionsRequest {},
        gone("2 Subscriptions deleted"),
        200,
        r#"{"code":0,"message":"2 Subscriptions deleted"}"#,
    )
    .await;
}

#[tokio::test]
async fn an_unknown_subscription_is_missing_and_a_bad_one_refused() {
    for (error, line, status) in [
        (
            Status::not_found("Subscription not found"),
            "GET /hsm/v2/Subscriptions/SCN/9",
            404,
        ),
        (
            Status::not_found("Subscription not found"),
            "DELETE /hsm/v2/Subscriptions/SCN/9",
            404,
        ),
        (
            Status::invalid_argument("Missing url"),
            "POST /hsm/v2/Subscriptions/SCN",
            400,
        ),
        (
            Status::invalid_argument("Invalid id - x"),
            "PUT /hsm/v2/Subscriptions/SCN/x",
            400,
        ),
        (
            Status::invalid_argument("Missing Patch Op"),
            "PATCH /hsm/v2/Subscriptions/SCN/7",
            400,
        ),
    ] {
        let detail = error.message().to_owned();
        let fake = Fake::new();
        fake.will_answer(Err(error));
        let (verb, uri) = line.split_once(' ').unwrap();
        let got = send(&gateway(&fake, Options::default()), verb, uri, &[], "{}").await;
        assert_eq!((got.status, got.detail()), (status, detail), "{line}");
    }
}

/// Request line and body, status and detail of the answer.
#[rustfmt::skip]
const BAD: &[(&str, &str, u16, &str)] = &[
    ("POST /hsm/v2/Subscriptions/SCN", "", 500, "error decoding JSON: the body is empty"),
    ("POST /hsm/v2/Subscriptions/SCN", r#"{"Enabled":"true"}"#, 500, "Enabled: expected true or false, got a string"),
    ("PUT /hsm/v2/Subscriptions/SCN/7", r#"{"States":"On"}"#, 500, "States: expected an array, got a string"),
    ("PATCH /hsm/v2/Subscriptions/SCN/7", "[]", 500, "expected a JSON object, got an array"),
    ("PUT /hsm/v2/Subscriptions/SCN", "{}", 405, "allow GET,POST,DELETE"),
    ("POST /hsm/v2/Subscriptions/SCN/7", "{}", 405, "allow GET,PUT,PATCH,DELETE"),
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
