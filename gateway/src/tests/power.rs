//! Golden cases of PCS' routes: below `/power-control/v1`, as OpenCHAMI's gateway has them, and at the root, where today's `ochami`
//! asks.

use std::borrow::Cow;
use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use proto::power::v1 as power;
use tonic::Status;

use super::golden::{Sent, check};
use super::{Fake, answer, gateway, send};
use crate::Options;
use crate::routes::{Found, RouteTable};

const ID: &str = "16b0f8cc-9d9c-4b2c-a6b1-31b4a3f9a5c1";
const START: &str = "power.v1.TransitionService/StartTransition";
const STARTED: &str = r#"{"transitionID":"16b0f8cc-9d9c-4b2c-a6b1-31b4a3f9a5c1","operation":"Off"}"#;
const TRANSITION: &str = concat!(
    r#"{"transitionID":"16b0f8cc-9d9c-4b2c-a6b1-31b4a3f9a5c1","operation":"Off","#,
    r#""createTime":"2026-11-30T12:00:00Z","automaticExpirationTime":"2026-12-01T12:00:00Z","#,
    r#""transitionStatus":"completed","taskCounts":{"total":1,"new":0,"in-progress":0,"failed":0,"#,
    r#""succeeded":1,"un-supported":0}"#
);
const TASKS: &str = concat!(
    r#","tasks":[{"xname":"x0c0s0b0n0","taskStatus":"succeeded","#,
    r#""taskStatusDescription":"it is off"}]"#
);
/// What is at the root.
const AT_ROOT: [&str; 5] = ["transitions", "power-status", "liveness", "readiness", "health"];

/// A route below `/power-control/v1` and at the root: both are to be the same.
const PREFIXES: [&str; 2] = ["/power-control/v1", ""];

/// A line of text that lives as long as the test.
fn line(verb: &str, prefix: &str, rest: &str) -> &'static str {
    Box::leak(format!("{verb} {prefix}{rest}").into_boxed_str())
}

fn transition(tasks: Vec<power::transition::Task>) -> power::Transition {
    power::Transition {
        transition_id: ID.into(),
        operation: "Off".into(),
        create_time: "2026-11-30T12:00:00Z".into(),
        automatic_expiration_time: "2026-12-01T12:00:00Z".into(),
        transition_status: "completed".into(),
        task_counts: Some(power::transition::TaskCounts {
            total: 1,
            succeeded: 1,
            ..Default::default()
        }),
        tasks,
    }
}

/// `ochami` writes `null` where it has no deadline, and other clients the keys of reservations.
#[tokio::test]
async fn a_transition_is_started_as_ochami_and_others_write_it() {
    let location = |deputy_key: &str| {
        vec![power::start_transition_request::Location {
            xname: "x0c0s0b0n0".into(),
            deputy_key: deputy_key.into(),
        }]
    };
    let started = power::StartTransitionResponse {
        transition_id: ID.into(),
        operation: "Off".into(),
    };
    for prefix in PREFIXES {
        let of_ochami =
            r#"{"location":[{"xname":"x0c0s0b0n0"}],"operation":"off","taskDeadlineMinutes":null}"#;
        let asked = power::StartTransitionRequest {
            operation: "off".into(),
            location: location(""),
            ..Default::default()
        };
        let sent = Sent(line("POST", prefix, "/transitions"), of_ochami);
        check(sent, START, asked, answer(&started), 200, STARTED).await;
        let of_others = concat!(
            r#"{"operation":"Off","taskDeadlineMinutes":-1,"#,
            r#""location":[{"xname":"x0c0s0b0n0","deputyKey":"key"}]}"#
        );
        let asked = power::StartTransitionRequest {
            operation: "Off".into(),
            location: location("key"),
            task_deadline_minutes: Some(-1),
            ..Default::default()
        };
        let sent = Sent(line("POST", prefix, "/transitions"), of_others);
        check(sent, START, asked, answer(&started), 200, STARTED).await;
    }
}

/// Tasks are shown of one that is asked for alone.
#[tokio::test]
async fn transitions_are_listed_shown_and_aborted() {
    let task = power::transition::Task {
        xname: "x0c0s0b0n0".into(),
        task_status: "succeeded".into(),
        task_status_description: "it is off".into(),
        error: String::new(),
    };
    let method = |name: &str| format!("power.v1.TransitionService/{name}");
    for prefix in PREFIXES {
        let all = power::ListTransitionsResponse {
            transitions: vec![transition(Vec::new())],
        };
        check(
            Sent(line("GET", prefix, "/transitions"), ""),
            &method("ListTransitions"),
            power::ListTransitionsRequest {},
            answer(&all),
            200,
            &format!(r#"{{"transitions":[{TRANSITION}}}]}}"#),
        )
        .await;
        let by_id = format!("/transitions/{ID}");
        let asked = power::GetTransitionRequest {
            transition_id: ID.into(),
        };
        check(
            Sent(line("GET", prefix, &by_id), ""),
            &method("GetTransition"),
            asked,
            answer(&transition(vec![task.clone()])),
            200,
            &format!("{TRANSITION}{TASKS}}}"),
        )
        .await;
        let asked = power::AbortTransitionRequest {
            transition_id: ID.into(),
        };
        let aborted = power::AbortTransitionResponse {
            abort_status: "Accepted - abort initiated".into(),
        };
        check(
            Sent(line("DELETE", prefix, &by_id), ""),
            &method("AbortTransition"),
            asked,
            answer(&aborted),
            202,
            r#"{"abortStatus":"Accepted - abort initiated"}"#,
        )
        .await;
    }
}

/// Every key is there, whether there is something to say or not; an empty list is `[]`.
#[tokio::test]
async fn power_is_told_by_query_and_by_body() {
    let one = power::PowerStatus {
        xname: "x0c0s0b0n0".into(),
        power_state: "on".into(),
        management_state: "available".into(),
        supported_power_transitions: vec!["Soft-Restart".into()],
        last_updated: "2026-11-30T12:00:00Z".into(),
        ..Default::default()
    };
    let shown = concat!(
        r#"{"status":[{"xname":"x0c0s0b0n0","powerState":"on","managementState":"available","#,
        r#""error":"","supportedPowerTransitions":["Soft-Restart"],"#,
        r#""lastUpdated":"2026-11-30T12:00:00Z"}]}"#
    );
    let told = power::ListPowerStatusResponse { status: vec![one] };
    let xnames = || vec!["x0c0s0b0n0".to_owned(), "x0c0s0b0n1".to_owned()];
    for prefix in PREFIXES {
        let query = "/power-status?xname=x0c0s0b0n0&xname=x0c0s0b0n1&powerStateFilter=on";
        let asked = power::ListPowerStatusRequest {
            xname: xnames(),
            power_state_filter: "on".into(),
            ..Default::default()
        };
        check(
            Sent(line("GET", prefix, query), ""),
            "power.v1.PowerStatusService/ListPowerStatus",
            asked,
            answer(&told),
            200,
            shown,
        )
        .await;
        let asked = power::QueryPowerStatusRequest {
            xname: xnames(),
            management_state_filter: "available".into(),
            ..Default::default()
        };
        let body = r#"{"xname":["x0c0s0b0n0","x0c0s0b0n1"],"managementStateFilter":"available"}"#;
        let none = power::ListPowerStatusResponse::default();
        check(
            Sent(line("POST", prefix, "/power-status"), body),
            "power.v1.PowerStatusService/QueryPowerStatus",
            asked,
            answer(&none),
            200,
            r#"{"status":[]}"#,
        )
        .await;
    }
}

/// `ochami pcs service status` asks for all three.
#[tokio::test]
async fn the_service_tells_how_it_is() {
    let method = |name: &str| format!("power.v1.PowerHealthService/{name}");
    let health = power::GetHealthResponse {
        kv_store: "connected, responding".into(),
        ..Default::default()
    };
    let shown = r#"{"KvStore":"connected, responding","StateManager":"","Vault":"","DistributedLocking":""}"#;
    for prefix in PREFIXES {
        check(
            Sent(line("GET", prefix, "/liveness"), ""),
            &method("GetLiveness"),
            power::GetLivenessRequest {},
            answer(&power::GetLivenessResponse {}),
            204,
            "",
        )
        .await;
        check(
            Sent(line("GET", prefix, "/readiness"), ""),
            &method("GetReadiness"),
            power::GetReadinessRequest {},
            answer(&power::GetReadinessResponse {}),
            204,
            "",
        )
        .await;
        check(
            Sent(line("GET", prefix, "/health"), ""),
            &method("GetHealth"),
            power::GetHealthRequest {},
            answer(&health),
            200,
            shown,
        )
        .await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_transition_is_said_by_field() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    let wrong = r#"{"operation":"Off","location":"x0c0s0b0n0"}"#;
    let got = send(&gateway, "POST", "/transitions", &[], wrong).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert!(got.detail().contains("location"), "{got:?}");
    assert!(fake.take_asked().is_empty());
    fake.will_answer(Err(Status::not_found("no such transition: x")));
    let got = send(&gateway, "GET", "/transitions/x", &[], "").await;
    assert_eq!(got.status, 404, "{got:?}");
    let got = send(&gateway, "PUT", "/power-status", &[], "").await;
    assert_eq!((got.status, got.header("allow")), (405, "GET,POST"), "{got:?}");
}

/// Names as general as `health` must mean nothing anywhere else: neither may another route lose a path to them, nor be begun by one.
#[test]
fn what_is_at_the_root_stands_in_nobodys_way() {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
    let table = RouteTable::new(&pool, |_| true).unwrap();
    let begin = |template: &str| {
        template
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap()
            .to_owned()
    };
    let mut at_root = BTreeSet::new();
    for route in table.routes() {
        let first = begin(&route.template);
        assert!(!first.starts_with('{'), "{} would be everything", route.template);
        let is_of_power = route.grpc_path.path().starts_with("/chamois.power.v1.");
        if AT_ROOT.contains(&first.as_str()) {
            assert!(is_of_power, "{} is at the root, too", route.template);
            at_root.insert(first);
        }
        for word in AT_ROOT {
            let segments = route.template.trim_start_matches('/').split('/');
            let filled = segments.map(|segment| if segment.starts_with('{') { word } else { segment });
            let filled: Vec<Cow<'_, str>> = filled.map(Cow::Borrowed).collect();
            match table.find(&route.verb, &filled) {
                Found::Route(found, _) => assert_eq!(found.template, route.template, "{filled:?}"),
                other => panic!("{filled:?}: {other:?}"),
            }
        }
    }
    assert_eq!(at_root, BTreeSet::from(AT_ROOT.map(str::to_owned)));
}
