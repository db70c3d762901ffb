//! Golden cases of what old clients do not ask for: ETags and conditions, pages, fields, compression, and trials.

use std::sync::Arc;

use prost::Message;
use proto::http::v1::{Change, FieldChange, ObjectChange, ObjectMeta, WouldChange};
use proto::smd::v1::{self as smd, component};
use rpc::Etag;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::{Answer, Fake, Got, answer, gateway, send, send_to};
use crate::{Gateway, Options};

const CLUSTER: &str = "4f2a6c1e9b3d8a70";
const ETAG: &str = "\"4f2a6c1e9b3d8a70-7\"";
const LIST: &str = "/hsm/v2/State/Components";
const NODE: &str = "/hsm/v2/State/Components/x0c0s0b0n0";
const PATCH: &str = "/hsm/v2/State/Components/x0c0s0b0n0/StateData";

fn api(fake: &Fake) -> Gateway {
    let options = Options {
        cluster_id: Arc::new(|| CLUSTER.to_owned()),
        ..Options::default()
    };
    gateway(fake, options)
}

async fn ask(answered: Answer, line: &str, headers: &[(&str, &str)], body: &'static str) -> (Got, Fake) {
    let fake = Fake::new();
    fake.will_answer(answered);
    let (verb, uri) = line.split_once(' ').unwrap();
    let got = send(&api(&fake), verb, uri, headers, body).await;
    (got, fake)
}

/// A component that was last changed at revision 7.
fn node() -> smd::Component {
    let modified = Change {
        revision: 7,
        ..Change::default()
    };
    smd::Component {
        id: "x0c0s0b0n0".into(),
        r#type: "Node".into(),
        state: component::State::Ready.into(),
        nid: Some(1),
        meta: Some(ObjectMeta {
            created: None,
            modified: Some(modified),
        }),
        ..Default::default()
    }
}

/// A list with the ETag that the guard gives it.
fn list(count: usize, next_page_token: &str) -> Answer {
    let response = smd::ListComponentsResponse {
        components: vec![node(); count],
        revision: 9,
        next_page_token: next_page_token.into(),
    };
    let mut metadata = MetadataMap::new();
    rpc::set_etag(&mut metadata, &etag(7));
    Ok((response.encode_to_vec().into(), metadata))
}

fn etag(revision: u64) -> Etag {
    Etag {
        cluster_id: CLUSTER.into(),
        revision,
    }
}

fn patched() -> Answer {
    answer(&smd::PatchStateDataResponse {
        revision: 8,
        applied: true,
    })
}

const OFF: &str = r#"{"State":"Off"}"#;

#[tokio::test]
async fn objects_and_lists_have_the_etag_of_their_last_change() {
    for (answered, uri) in [(answer(&node()), NODE), (list(1, ""), LIST)] {
        let (got, _) = ask(answered, &format!("GET {uri}"), &[], "").await;
        assert_eq!((got.status, got.header("etag")), (200, ETAG), "{uri}");
    }
    let bare = smd::Component { meta: None, ..node() };
    let (got, _) = ask(answer(&bare), &format!("GET {NODE}"), &[], "").await;
    assert_eq!((got.status, got.header("etag")), (200, ""), "nothing to go by");
}

/// A client that has the object, also from a compressed answer or among others, gets no body.
#[tokio::test]
async fn an_object_that_the_client_has_is_304() {
    for seen in [
        ETAG,
        "W/\"4f2a6c1e9b3d8a70-7\"",
        "\"x\", \"4f2a6c1e9b3d8a70-7\"",
        "*",
    ] {
        let headers = [("if-none-match", seen)];
        let (got, _) = ask(answer(&node()), &format!("GET {NODE}"), &headers, "").await;
        assert_eq!(
            (got.status, got.text(), got.header("etag")),
            (304, "", ETAG),
            "{seen}"
        );
        assert_eq!(got.header("content-type"), "");
    }
    for other in ["\"4f2a6c1e9b3d8a70-6\"", "\"0000000000000000-7\"", ""] {
        let headers = [("if-none-match", other)];
        let (got, _) = ask(answer(&node()), &format!("GET {NODE}"), &headers, "").await;
        assert_eq!((got.status, got.header("etag")), (200, ETAG), "{other}");
    }
}

/// The guard answers it before the list is made; the header reaches it as metadata.
#[tokio::test]
async fn a_list_that_has_not_changed_is_304() {
    let unchanged = Status::from(rpc::Error::NotModified { etag: etag(7) });
    let headers = [("if-none-match", ETAG)];
    let (got, fake) = ask(Err(unchanged), &format!("GET {LIST}?type=Node"), &headers, "").await;
    assert_eq!((got.status, got.text(), got.header("etag")), (304, "", ETAG));
    assert_eq!(fake.one_asked().metadata[rpc::IF_NONE_MATCH], ETAG);
}

#[tokio::test]
async fn if_match_becomes_the_revision_of_the_request() {
    for value in [ETAG, "W/\"4f2a6c1e9b3d8a70-7\""] {
        let (got, fake) = ask(patched(), &format!("PATCH {PATCH}"), &[("if-match", value)], OFF).await;
        assert_eq!(got.status, 204, "{got:?}");
        let asked = smd::PatchStateDataRequest::decode(fake.one_asked().message).unwrap();
        assert_eq!(
            (asked.if_revision, asked.state()),
            (Some(7), component::State::Off)
        );
    }
    let delete = format!("DELETE {NODE}");
    let (_, fake) = ask(
        answer(&smd::DeleteResponse::default()),
        &delete,
        &[("if-match", ETAG)],
        "",
    )
    .await;
    let asked = smd::DeleteComponentRequest::decode(fake.one_asked().message).unwrap();
    assert_eq!(asked.if_revision, Some(7));
    let (_, fake) = ask(patched(), &format!("PATCH {PATCH}"), &[], OFF).await;
    let asked = smd::PatchStateDataRequest::decode(fake.one_asked().message).unwrap();
    assert_eq!(asked.if_revision, None);
}

#[tokio::test]
async fn a_stale_if_match_is_412_with_the_etag_that_counts() {
    let stale = Status::from(rpc::Error::RevisionMismatch {
        id: "x0c0s0b0n0".into(),
        expected: 7,
        actual: 9,
    });
    let (got, _) = ask(Err(stale), &format!("PATCH {PATCH}"), &[("if-match", ETAG)], OFF).await;
    assert_eq!((got.status, got.header("etag")), (412, "\"4f2a6c1e9b3d8a70-9\""));
    let expected = concat!(
        r#"{"type":"about:blank","title":"Precondition Failed","detail":"x0c0s0b0n0 is at revision 9, not 7; "#,
        r#"read it again and repeat the change","status":412,"etag":"\"4f2a6c1e9b3d8a70-9\"","#,
        r#""reason":"REVISION_MISMATCH"}"#
    );
    assert_eq!(got.text(), expected);
}

/// A condition that cannot be checked must never pass for one that holds.
#[tokio::test]
async fn an_if_match_that_means_nothing_here_changes_nothing() {
    let patch = format!("PATCH {PATCH}");
    for (line, value, status, detail) in [
        (
            patch.as_str(),
            "\"0000000000000000-7\"",
            412,
            "If-Match: it is not one ETag of this cluster",
        ),
        (
            &patch,
            "\"a\", \"b\"",
            412,
            "If-Match: it is not one ETag of this cluster",
        ),
        (&patch, "*", 400, "If-Match: * is not accepted"),
        (
            "DELETE /hsm/v2/State/Components",
            ETAG,
            400,
            "If-Match: this route takes no condition",
        ),
    ] {
        let (got, fake) = ask(patched(), line, &[("if-match", value)], OFF).await;
        assert_eq!(got.status, status, "{line} {value}: {got:?}");
        assert!(got.detail().starts_with(detail), "{}", got.detail());
        assert!(fake.take_asked().is_empty(), "{line} {value}");
    }
}

#[tokio::test]
async fn pages_are_asked_for_in_the_query_and_the_next_is_in_a_header() {
    let line = format!("GET {LIST}?page_size=2&PAGE_TOKEN=00ff&type=Node");
    let (got, fake) = ask(list(2, "00aa"), &line, &[], "").await;
    assert_eq!((got.status, got.header("chamois-next-page-token")), (200, "00aa"));
    assert!(got.text().starts_with(r#"{"Components":[{"#) && !got.text().contains("00aa"));
    let asked = smd::ListComponentsRequest::decode(fake.one_asked().message).unwrap();
    assert_eq!((asked.page_size, asked.page_token.as_str()), (2, "00ff"));
    let (got, _) = ask(list(2, ""), &format!("GET {LIST}"), &[], "").await;
    assert!(!got.headers.contains_key("chamois-next-page-token"));
    let (got, _) = ask(list(2, ""), &format!("GET {LIST}?page_size=many"), &[], "").await;
    assert_eq!(
        got.detail(),
        "page_size: \"many\" is not accepted; use a whole number"
    );
    let wrong = Err(Status::from(rpc::invalid("page_token", "it is no page token")));
    let (got, _) = ask(wrong, &format!("GET {LIST}?page_token=x"), &[], "").await;
    assert_eq!(
        (got.status, got.detail().as_str()),
        (400, "page_token: it is no page token")
    );
}

/// Of one object, of a wrapped list and of a bare one alike; in the order of the object, whatever was asked.
#[tokio::test]
async fn only_the_fields_that_are_asked_for_are_shown() {
    let group = smd::Group {
        label: "g".into(),
        ..Default::default()
    };
    let groups = smd::ListGroupsResponse {
        groups: vec![group.clone(), group],
        ..Default::default()
    };
    let members = smd::GroupMembers {
        ids: vec!["x0c0s0b0n0".into()],
    };
    for (answered, uri, body) in [
        (
            answer(&node()),
            format!("{NODE}?fields=State,ID"),
            r#"{"ID":"x0c0s0b0n0","State":"Ready"}"#,
        ),
        (
            answer(&node()),
            format!("{NODE}?Fields=id&fields=nid"),
            r#"{"ID":"x0c0s0b0n0","NID":1}"#,
        ),
        (answer(&node()), format!("{NODE}?fields=Role"), "{}"),
        (
            list(2, ""),
            format!("{LIST}?fields=NID"),
            r#"{"Components":[{"NID":1},{"NID":1}]}"#,
        ),
        (
            answer(&groups),
            "/hsm/v2/groups?fields=label".into(),
            r#"[{"label":"g"},{"label":"g"}]"#,
        ),
        (
            answer(&members),
            "/hsm/v2/groups/g/members?fields=ids".into(),
            r#"{"ids":["x0c0s0b0n0"]}"#,
        ),
    ] {
        let (got, _) = ask(answered, &format!("GET {uri}"), &[], "").await;
        assert_eq!((got.status, got.text()), (200, body), "{uri}");
    }
}

#[tokio::test]
async fn a_field_that_is_none_is_refused_with_those_that_are() {
    let (got, fake) = ask(list(1, ""), &format!("GET {LIST}?fields=ID,Name"), &[], "").await;
    assert_eq!(got.status, 400);
    let expected = concat!(
        "fields: \"Name\" is not accepted; use ID, Type, State, Flag, Enabled, SoftwareStatus, Role, SubRole, NID, ",
        "Subtype, NetType, Arch, Class, ReservationDisabled, Locked"
    );
    assert_eq!(got.detail(), expected);
    let (got, _) = ask(list(1, ""), &format!("GET {LIST}?fields=meta"), &[], "").await;
    assert_eq!(got.status, 400, "what JSON never shows");
    assert!(fake.take_asked().is_empty());
    // Of a boot script there is nothing to select, and BSS ignores what it does not know.
    let fake = Fake::new();
    let got = send_to(
        &api(&fake).nodes,
        "GET",
        "/boot/v1/bootscript?mac=1&fields=x",
        &[],
        "",
    )
    .await;
    assert_eq!(got.status, 200);
}

/// Compressed only where it helps and the client says so; what it gets is the same JSON.
#[tokio::test]
async fn long_json_is_compressed_for_clients_that_take_it() {
    let line = format!("GET {LIST}");
    let (plain, _) = ask(list(200, ""), &line, &[], "").await;
    assert_eq!(
        (plain.header("content-encoding"), plain.header("vary")),
        ("", "accept-encoding")
    );
    let (got, _) = ask(
        list(200, ""),
        &line,
        &[("accept-encoding", "gzip, zstd;q=0.5")],
        "",
    )
    .await;
    assert_eq!(got.header("content-encoding"), "gzip");
    assert_eq!(got.header("etag"), "W/\"4f2a6c1e9b3d8a70-7\"");
    let mut back = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(got.body.as_ref()), &mut back).unwrap();
    assert_eq!(back, plain.text());
    let (got, _) = ask(list(200, ""), &line, &[("accept-encoding", "zstd")], "").await;
    let back = zstd::bulk::decompress(&got.body, plain.body.len()).unwrap();
    assert_eq!(
        (got.header("content-encoding"), back.as_slice()),
        ("zstd", plain.body.as_ref())
    );
    let (got, _) = ask(list(1, ""), &line, &[("accept-encoding", "gzip")], "").await;
    assert_eq!((got.header("content-encoding"), got.header("vary")), ("", ""));
}

fn would_change() -> WouldChange {
    let text = |text: &str| {
        Some(prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue(text.into())),
        })
    };
    let state = FieldChange {
        field: "State".into(),
        before: text("Ready"),
        after: text("Off"),
    };
    let flag = FieldChange {
        field: "Flag".into(),
        before: None,
        after: text("OK"),
    };
    WouldChange {
        validate_only: true,
        changes: vec![ObjectChange {
            change: "updated".into(),
            kind: "component".into(),
            id: "x0c0s0b0n0".into(),
            fields: vec![state, flag],
        }],
        ..WouldChange::default()
    }
}

const DIFF: &str = concat!(
    r#"{"validate_only":true,"status":204,"changes":[{"change":"updated","kind":"component","id":"x0c0s0b0n0","#,
    r#""fields":[{"field":"State","before":"Ready","after":"Off"},{"field":"Flag","after":"OK"}]}]}"#
);

#[tokio::test]
async fn a_write_that_is_only_tried_out_is_answered_with_what_it_would_change() {
    let plain = format!("PATCH {PATCH}");
    for (line, headers) in [
        (format!("{plain}?validate_only=true"), &[][..]),
        (format!("{plain}?Validate_Only"), &[]),
        (plain.clone(), &[("chamois-validate-only", "true")]),
    ] {
        let fake = Fake::new();
        fake.will_answer(patched());
        fake.will_tell(would_change());
        let (verb, uri) = line.split_once(' ').unwrap();
        let got = send(&api(&fake), verb, uri, headers, OFF).await;
        assert_eq!((got.status, got.text()), (200, DIFF), "{line}");
        assert_eq!(got.header("content-type"), "application/json");
        let asked = fake.one_asked();
        assert_eq!(asked.metadata[rpc::VALIDATE_ONLY], "true");
        let asked = smd::PatchStateDataRequest::decode(asked.message).unwrap();
        assert_eq!(asked.state(), component::State::Off);
    }
    let (got, fake) = ask(patched(), &format!("{plain}?validate_only=false"), &[], OFF).await;
    assert_eq!((got.status, got.text()), (204, ""));
    assert!(!fake.one_asked().metadata.contains_key(rpc::VALIDATE_ONLY));
}

/// Else `If-Match` with the ETag of a trial would let a change pass that somebody else made.
#[tokio::test]
async fn what_is_only_tried_out_has_no_etag() {
    const MAP: &str = "/hsm/v2/Defaults/NodeMaps/x0c0s0b0n0";
    let map = smd::NodeMap {
        id: "x0c0s0b0n0".into(),
        nid: 1,
        meta: node().meta,
        ..Default::default()
    };
    let mut metadata = MetadataMap::new();
    rpc::set_etag(&mut metadata, &etag(7));
    for (answered, is_tried) in [
        (answer(&map), true),
        (Ok((map.encode_to_vec().into(), metadata)), true),
        (answer(&map), false),
    ] {
        let fake = Fake::new();
        fake.will_answer(answered);
        fake.will_tell(would_change());
        let uri = format!("{MAP}?validate_only={is_tried}");
        let got = send(&api(&fake), "PUT", &uri, &[], r#"{"NID":1}"#).await;
        let expected = if is_tried { "" } else { ETAG };
        assert_eq!((got.status, got.header("etag")), (200, expected), "{got:?}");
    }
}

/// A client that says "only if there is none" must not overwrite what there is.
#[tokio::test]
async fn an_if_none_match_of_a_write_changes_nothing() {
    for line in [
        format!("PATCH {PATCH}"),
        format!("PUT {NODE}"),
        format!("POST {LIST}"),
        format!("DELETE {NODE}"),
    ] {
        for value in ["*", ETAG] {
            let (got, fake) = ask(patched(), &line, &[("if-none-match", value)], OFF).await;
            assert_eq!(got.status, 400, "{line} {value}: {got:?}");
            assert!(got.detail().starts_with("If-None-Match: "), "{}", got.detail());
            assert!(fake.take_asked().is_empty(), "{line} {value}");
        }
    }
}

/// Every write of one object whose GET has the ETag of its own last change.
#[tokio::test]
async fn every_object_with_a_revision_of_its_own_is_written_under_a_condition() {
    const ENDPOINT: &str = "/hsm/v2/Inventory/RedfishEndpoints/x0c0s0b0";
    const MAP: &str = "/hsm/v2/Defaults/NodeMaps/x0c0s0b0n0";
    const POWER: &str = "/hsm/v2/sysinfo/powermaps/x0c0s0b0n0";
    const PARTITION: &str = "/hsm/v2/partitions/p1";
    /// `if_revision` of any request: its number is the same in all but one.
    #[derive(Clone, PartialEq, Message)]
    struct Condition {
        #[prost(uint64, optional, tag = "102")]
        if_revision: Option<u64>,
    }
    let member = format!("{PARTITION}/members");
    for (verb, uri, body) in [
        ("PUT", NODE, r#"{"component":{"State":"On"}}"#),
        ("PUT", ENDPOINT, "{}"),
        ("PATCH", ENDPOINT, "{}"),
        ("DELETE", ENDPOINT, ""),
        ("PUT", MAP, r#"{"NID":1}"#),
        ("DELETE", MAP, ""),
        ("PUT", POWER, r#"{"poweredBy":["x0m0p0v1"]}"#),
        ("DELETE", POWER, ""),
        ("PATCH", PARTITION, r#"{"description":"a"}"#),
        ("DELETE", PARTITION, ""),
        ("POST", member.as_str(), r#"{"id":"x0c0s0b0n0"}"#),
        ("DELETE", &format!("{member}/x0c0s0b0n0"), ""),
    ] {
        let fake = Fake::new();
        let got = send(&api(&fake), verb, uri, &[("if-match", ETAG)], body).await;
        assert!(got.status < 300, "{verb} {uri}: {got:?}");
        let asked = Condition::decode(fake.one_asked().message).unwrap();
        assert_eq!(asked.if_revision, Some(7), "{verb} {uri}");
    }
}

/// The answer is the real one's: also the "no".
#[tokio::test]
async fn a_trial_that_fails_fails_as_the_write_would() {
    let missing = Status::from(rpc::Error::NotFound {
        kind: "component".into(),
        id: "x0c0s0b0n0".into(),
    });
    let (got, _) = ask(
        Err(missing),
        &format!("DELETE {NODE}?validate_only=true"),
        &[],
        "",
    )
    .await;
    assert_eq!(
        (got.status, got.detail().as_str()),
        (404, "no such component: x0c0s0b0n0")
    );
    let (got, fake) = ask(patched(), &format!("PATCH {PATCH}?validate_only=maybe"), &[], OFF).await;
    assert_eq!(
        got.detail(),
        "validate_only: \"maybe\" is not accepted; use true or false"
    );
    assert!(fake.take_asked().is_empty());
    // Should a service ever not say what it did, nobody is told that all is well.
    let (got, _) = ask(patched(), &format!("PATCH {PATCH}?validate_only=true"), &[], OFF).await;
    assert_eq!(got.status, 500, "{got:?}");
}
