//! Golden cases of locks that are enforced: how keys travel, and what a client sees of a "no".

use prost::Message as _;
use proto::smd::v1::{self as smd, patch_components_response};
use rpc::RESERVATION_KEY;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::{Fake, Got, answer, gateway, send, send_to};
use crate::Options;

const NODE: &str = "/hsm/v2/State/Components/x0c0s0b0n0";
const ONE: &str = "x0c0s0b0n0:rk:59577b4e-4b5f-4624-a6b1-4782eb1643e8";
const OTHER: &str = "x0c0s1b0n0:dk:0a577b4e-4b5f-4624-a6b1-4782eb1643e8";
const HELD: &str =
    "x0c0s0b0n0 is locked; unlock it, or reserve it and give the key as chamois-reservation-key";

async fn ask(fake: &Fake, line: &str, headers: &[(&str, &str)], body: &'static str) -> Got {
    let (verb, uri) = line.split_once(' ').unwrap();
    send(&gateway(fake, Options::default()), verb, uri, headers, body).await
}

/// Every header of the name reaches the guard, as it was written and in order.
#[tokio::test]
async fn keys_travel_as_metadata() {
    let list = format!("{ONE}, {OTHER}");
    for (headers, expected) in [
        (&[][..], &[][..]),
        (&[(RESERVATION_KEY, ONE)], &[ONE]),
        (
            &[(RESERVATION_KEY, ONE), ("Chamois-Reservation-Key", OTHER)],
            &[ONE, OTHER],
        ),
        (&[(RESERVATION_KEY, list.as_str())], &[list.as_str()]),
    ] {
        let fake = Fake::new();
        fake.will_answer(answer(&smd::DeleteResponse {
            message: "deleted 1 entry".into(),
            ..smd::DeleteResponse::default()
        }));
        let got = ask(&fake, &format!("DELETE {NODE}"), headers, "").await;
        assert_eq!(
            (got.status, got.text()),
            (200, r#"{"code":0,"message":"deleted 1 entry"}"#)
        );
        let asked = fake.one_asked();
        assert_eq!(asked.path, "/chamois.smd.v1.ComponentService/DeleteComponent");
        let passed: Vec<_> = asked.metadata.get_all(RESERVATION_KEY).iter().collect();
        assert_eq!(passed, expected);
    }
}

/// A node's port is plain HTTP, where no secret belongs; and nodes change nothing that can be held.
#[tokio::test]
async fn the_nodes_port_passes_no_key_on() {
    let fake = Fake::new();
    let port = gateway(&fake, Options::default()).nodes;
    let uri = "/boot/v1/bootscript?mac=02:00:00:00:00:01";
    send_to(&port, "GET", uri, &[(RESERVATION_KEY, ONE)], "").await;
    assert!(!fake.one_asked().metadata.contains_key(RESERVATION_KEY));
}

/// Each route of a change that may be refused, with the status of HSM's other conflicts and the whole text.
#[tokio::test]
async fn what_is_held_is_a_409_that_says_by_whom() {
    let put = r#"{"component":{"ID":"x0c0s0b0n0","State":"On","Class":"Hill"},"force":true}"#;
    let post = r#"{"Components":[{"ID":"x0c0s0b0n0","State":"On","Class":"Hill"}],"Force":true}"#;
    for (line, body) in [
        (format!("PATCH {NODE}/Enabled"), r#"{"Enabled":false}"#),
        (format!("PATCH {NODE}/Role"), r#"{"Role":"Service"}"#),
        (format!("PATCH {NODE}/NID"), r#"{"NID":7}"#),
        (format!("PUT {NODE}"), put),
        ("POST /hsm/v2/State/Components".to_owned(), post),
        (format!("DELETE {NODE}"), ""),
        ("DELETE /hsm/v2/State/Components".to_owned(), ""),
    ] {
        let fake = Fake::new();
        let held = rpc::Error::Conflict { detail: HELD.into() };
        fake.will_answer(Err(Status::from(held)));
        let got = ask(&fake, &line, &[], body).await;
        assert_eq!((got.status, got.detail().as_str()), (409, HELD), "{line}");
        fake.one_asked();
    }
}

/// A bulk patch stays HSM's 204; who looks finds what was refused, and why.
#[tokio::test]
async fn a_bulk_patch_tells_what_is_held_in_a_header() {
    let response = smd::PatchComponentsResponse {
        revision: 9,
        applied: vec!["x0c0s1b0n0".into()],
        refused: vec![patch_components_response::Refusal {
            id: "x0c0s0b0n0".into(),
            reason: "it is locked".into(),
        }],
        refused_count: 1,
        ..smd::PatchComponentsResponse::default()
    };
    let mut metadata = MetadataMap::new();
    rpc::set_http_header(&mut metadata, "chamois-applied", "1");
    rpc::set_http_header(&mut metadata, "chamois-refused", "1 (x0c0s0b0n0: it is locked)");
    let fake = Fake::new();
    fake.will_answer(Ok((response.encode_to_vec().into(), metadata)));
    let line = "PATCH /hsm/v2/State/Components/BulkEnabled";
    let body = r#"{"ComponentIDs":["x0c0s0b0n0","x0c0s1b0n0"],"Enabled":false}"#;
    let got = ask(&fake, line, &[(RESERVATION_KEY, OTHER)], body).await;
    assert_eq!((got.status, got.text()), (204, ""));
    assert_eq!(got.header("chamois-applied"), "1");
    assert_eq!(got.header("chamois-refused"), "1 (x0c0s0b0n0: it is locked)");
    assert_eq!(fake.one_asked().metadata[RESERVATION_KEY], OTHER);
}
