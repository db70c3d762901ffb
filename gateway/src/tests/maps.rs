//! Golden cases of SMD's Defaults/NodeMaps and sysinfo/powermaps.

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::smd::v1 as smd;

use super::golden::{Sent, check};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

const NODE_MAP: &str =
    r#"{"ID":"x0c0s0b0n0","NID":7,"Role":"Compute","SubRole":"Worker","NodeInfo":{"any":"thing"}}"#;
const POWER_MAP: &str = r#"{"id":"x0c0s0b0n0","poweredBy":["x0m0p0v1","x0m0p0v2"]}"#;
const TWO: &str = r#"{"code":0,"message":"Created or modified 2 entries"}"#;
const DELETED: &str = r#"{"code":0,"message":"deleted 1 entry"}"#;

fn info() -> Option<Value> {
    let text = Value {
        kind: Some(Kind::StringValue("thing".into())),
    };
    let fields = [("any".to_owned(), text)].into();
    Some(Value {
        kind: Some(Kind::StructValue(Struct { fields })),
    })
}

fn node_map() -> smd::NodeMap {
    smd::NodeMap {
        id: "x0c0s0b0n0".into(),
        nid: 7,
        role: "Compute".into(),
        sub_role: "Worker".into(),
        node_info: info(),
        meta: None,
    }
}

fn power_map() -> smd::PowerMap {
    smd::PowerMap {
        id: "x0c0s0b0n0".into(),
        powered_by: vec!["x0m0p0v1".into(), "x0m0p0v2".into()],
        meta: None,
    }
}

fn two() -> Answer {
    answer(&smd::MapsResponse {
        code: 0,
        message: "Created or modified 2 entries".into(),
        revision: 5,
    })
}

fn deleted() -> Answer {
    answer(&smd::DeleteResponse {
        message: "deleted 1 entry".into(),
        ..Default::default()
    })
}

/// A list under its name, or one map as the body itself.
#[tokio::test]
async fn node_maps_are_posted_in_both_forms() {
    let asked = smd::PutNodeMapsRequest {
        node_maps: vec![
            node_map(),
            smd::NodeMap {
                id: "x0c0s1b0n0".into(),
                nid: 8,
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    let body = format!(r#"{{"NodeMaps":[{NODE_MAP},{{"ID":"x0c0s1b0n0","NID":8}}]}}"#);
    let fake = Fake::new();
    fake.will_answer(two());
    let gateway = gateway(&fake, Options::default());
    let got = send(&gateway, "POST", "/hsm/v2/Defaults/NodeMaps", &[], body).await;
    assert_eq!((got.status, got.text()), (200, TWO));
    let message = prost::Message::decode(fake.one_asked().message);
    assert_eq!(message, Ok(asked));
    let asked = smd::PutNodeMapsRequest {
        id: "x0c0s0b0n0".into(),
        nid: 7,
        role: "Compute".into(),
        sub_role: "Worker".into(),
        node_info: info(),
        node_maps: vec![],
        ..Default::default()
    };
    let sent = Sent("POST /hsm/v2/Defaults/NodeMaps", NODE_MAP);
    check(sent, "smd.v1.NodeMapService/PutNodeMaps", asked, two(), 200, TWO).await;
}

#[tokio::test]
async fn node_maps_are_listed_shown_replaced_and_deleted() {
    let method = |name: &str| format!("smd.v1.NodeMapService/{name}");
    let list = smd::ListNodeMapsResponse {
        node_maps: vec![node_map()],
        revision: 3,
        ..Default::default()
    };
    let body = format!(r#"{{"NodeMaps":[{NODE_MAP}]}}"#);
    for (list, body) in [(list, body.as_str()), (Default::default(), r#"{"NodeMaps":[]}"#)] {
        let sent = Sent("GET /hsm/v2/Defaults/NodeMaps", "");
        let asked = smd::ListNodeMapsRequest::default();
        check(sent, &method("ListNodeMaps"), asked, answer(&list), 200, body).await;
    }
    let line = "GET /apis/smd/hsm/v2/Defaults/NodeMaps/x0c0s0b0n0";
    let asked = smd::GetNodeMapRequest {
        id: "x0c0s0b0n0".into(),
    };
    check(
        Sent(line, ""),
        &method("GetNodeMap"),
        asked,
        answer(&node_map()),
        200,
        NODE_MAP,
    )
    .await;
    let sent = Sent("PUT /hsm/v2/Defaults/NodeMaps/x0c0s0b0n0", NODE_MAP);
    check(
        sent,
        &method("PutNodeMap"),
        node_map(),
        answer(&node_map()),
        200,
        NODE_MAP,
    )
    .await;
    let asked = smd::DeleteNodeMapRequest {
        id: "x0c0s0b0n0".into(),
        ..Default::default()
    };
    let sent = Sent("DELETE /hsm/v2/Defaults/NodeMaps/x0c0s0b0n0", "");
    check(sent, &method("DeleteNodeMap"), asked, deleted(), 200, DELETED).await;
    let sent = Sent("DELETE /hsm/v2/Defaults/NodeMaps", "");
    let asked = smd::DeleteNodeMapsRequest {};
    check(sent, &method("DeleteNodeMaps"), asked, deleted(), 200, DELETED).await;
}

/// The body of a POST is the list itself, and a GET answers one.
#[tokio::test]
async fn power_maps_are_bare_lists() {
    let method = |name: &str| format!("smd.v1.PowerMapService/{name}");
    let asked = smd::PutPowerMapsRequest {
        power_maps: vec![power_map(), power_map()],
        ..Default::default()
    };
    let sent = Sent(
        "POST /hsm/v2/sysinfo/powermaps",
        r#"[{"id":"x0c0s0b0n0","poweredBy":["x0m0p0v1","x0m0p0v2"]},{"ID":"x0c0s0b0n0","poweredby":["x0m0p0v1","x0m0p0v2"]}]"#,
    );
    check(sent, &method("PutPowerMaps"), asked, two(), 200, TWO).await;
    let list = smd::ListPowerMapsResponse {
        power_maps: vec![power_map()],
        revision: 3,
        ..Default::default()
    };
    let body = format!("[{POWER_MAP}]");
    for (list, body) in [(list, body.as_str()), (Default::default(), "[]")] {
        let sent = Sent("GET /hsm/v2/sysinfo/powermaps", "");
        let asked = smd::ListPowerMapsRequest::default();
        check(sent, &method("ListPowerMaps"), asked, answer(&list), 200, body).await;
    }
    let asked = smd::GetPowerMapRequest {
        id: "x0c0s0b0n0".into(),
    };
    let sent = Sent("GET /hsm/v2/sysinfo/powermaps/x0c0s0b0n0", "");
    check(
        sent,
        &method("GetPowerMap"),
        asked,
        answer(&power_map()),
        200,
        POWER_MAP,
    )
    .await;
    let sent = Sent("PUT /hsm/v2/sysinfo/powermaps/x0c0s0b0n0", POWER_MAP);
    check(
        sent,
        &method("PutPowerMap"),
        power_map(),
        answer(&power_map()),
        200,
        POWER_MAP,
    )
    .await;
    let asked = smd::DeletePowerMapRequest {
        id: "x0c0s0b0n0".into(),
        ..Default::default()
    };
    let sent = Sent("DELETE /hsm/v2/sysinfo/powermaps/x0c0s0b0n0", "");
    check(sent, &method("DeletePowerMap"), asked, deleted(), 200, DELETED).await;
    let sent = Sent("DELETE /hsm/v2/sysinfo/powermaps", "");
    let asked = smd::DeletePowerMapsRequest {};
    check(sent, &method("DeletePowerMaps"), asked, deleted(), 200, DELETED).await;
}

#[tokio::test]
async fn a_nid_of_another_node_is_a_conflict_and_an_unknown_map_is_missing() {
    let taken = rpc::Error::AlreadyExists {
        kind: "NID".into(),
        id: "7".into(),
        detail: "it is x0c0s1b0n0's".into(),
    };
    let missing = || rpc::Error::NotFound {
        kind: "xname".into(),
        id: "x0c0s0b0n0".into(),
    };
    for (error, line, status) in [
        (taken, "POST /hsm/v2/Defaults/NodeMaps", 409),
        (missing(), "GET /hsm/v2/Defaults/NodeMaps/x0c0s0b0n0", 404),
        (missing(), "GET /hsm/v2/sysinfo/powermaps/x0c0s0b0n0", 404),
        (missing(), "DELETE /hsm/v2/sysinfo/powermaps/x0c0s0b0n0", 404),
    ] {
        let fake = Fake::new();
        fake.will_answer(Err(error.into()));
        let (verb, uri) = line.split_once(' ').unwrap();
        let got = send(&gateway(&fake, Options::default()), verb, uri, &[], "{}").await;
        assert_eq!(got.status, status, "{line}: {got:?}");
    }
}

/// Request line and body, status and detail of the answer.
#[rustfmt::skip]
const BAD: &[(&str, &str, u16, &str)] = &[
    ("POST /hsm/v2/Defaults/NodeMaps", "", 500, "error decoding JSON: the body is empty"),
    ("POST /hsm/v2/Defaults/NodeMaps", r#"{"NodeMaps":[{"NID":"7"}]}"#, 500, "NodeMaps[0].NID: expected a whole number, got a string"),
    ("PUT /hsm/v2/Defaults/NodeMaps/x0", r#"{"ID":"x1"}"#, 400, "ID: differs from \"x0\" in the path; leave it out"),
    ("PATCH /hsm/v2/Defaults/NodeMaps/x0", "{}", 405, "allow GET,PUT,DELETE"),
    ("POST /hsm/v2/sysinfo/powermaps", "{}", 500, "powerMaps: expected an array, got an object"),
    ("PUT /hsm/v2/sysinfo/powermaps/x0", r#"{"poweredBy":"x1"}"#, 500, "poweredBy: expected an array, got a string"),
    ("PATCH /hsm/v2/sysinfo/powermaps", "{}", 405, "allow GET,POST,DELETE"),
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
