//! Golden cases of SMD's partitions.

use proto::smd::v1 as smd;

use super::golden::{Sent, check, check_with};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

const P1: &str =
    r#"{"name":"p1","description":"West","tags":["blue"],"members":{"ids":["x0c0s0b0n0","x0c0s1b0n0"]}}"#;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn p1() -> smd::Partition {
    smd::Partition {
        name: "p1".into(),
        description: "West".into(),
        tags: texts(&["blue"]),
        members: Some(smd::GroupMembers {
            ids: texts(&["x0c0s0b0n0", "x0c0s1b0n0"]),
        }),
        meta: None,
    }
}

fn located(uri: &str) -> Answer {
    answer(&smd::ResourceUris {
        uris: vec![smd::ResourceUri {
            uri: uri.into(),
            revision: 0,
        }],
        location: uri.into(),
        revision: 7,
    })
}

fn deleted() -> Answer {
    answer(&smd::DeleteResponse {
        message: "deleted 1 entry".into(),
        ..Default::default()
    })
}

const DELETED: &str = r#"{"code":0,"message":"deleted 1 entry"}"#;

fn method(name: &str) -> String {
    format!("smd.v1.PartitionService/{name}")
}

#[tokio::test]
async fn partitions_are_created_listed_and_shown() {
    let got = check_with(
        Sent("POST /apis/smd/hsm/v2/partitions", P1),
        &[],
        &method("CreatePartition"),
        p1(),
        located("/hsm/v2/partitions/p1"),
        201,
        r#"[{"URI":"/hsm/v2/partitions/p1"}]"#,
    )
    .await;
    assert_eq!(got.header("location"), "/hsm/v2/partitions/p1");
    let shown = smd::Partition {
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..p1()
    };
    let get = smd::GetPartitionRequest { name: "p1".into() };
    check(
        Sent("GET /hsm/v2/partitions/p1", ""),
        &method("GetPartition"),
        get,
        answer(&shown),
        200,
        P1,
    )
    .await;
    let list = smd::ListPartitionsRequest {
        partition: texts(&["p1", "p2"]),
        tag: texts(&["blue"]),
        ..Default::default()
    };
    let two = smd::ListPartitionsResponse {
        partitions: vec![
            p1(),
            smd::Partition {
                name: "p2".into(),
                members: Some(smd::GroupMembers::default()),
                ..Default::default()
            },
        ],
        revision: 4,
        ..Default::default()
    };
    let body = format!(r#"[{P1},{{"name":"p2","description":"","members":{{"ids":[]}}}}]"#);
    let line = "GET /hsm/v2/partitions?partition=p1&Partition=p2&tag=blue";
    check(
        Sent(line, ""),
        &method("ListPartitions"),
        list,
        answer(&two),
        200,
        &body,
    )
    .await;
    for (names, body) in [(texts(&["p1", "p2"]), r#"["p1","p2"]"#), (vec![], "[]")] {
        check(
            Sent("GET /hsm/v2/partitions/names", ""),
            &method("ListPartitionNames"),
            smd::ListPartitionNamesRequest {},
            answer(&smd::ListPartitionNamesResponse { names }),
            200,
            body,
        )
        .await;
    }
}

#[tokio::test]
async fn partitions_are_patched_and_deleted() {
    let asked = smd::PatchPartitionRequest {
        name: "p1".into(),
        description: Some("East".into()),
        tags: vec![],
        replace_tags: true,
        ..Default::default()
    };
    check(
        Sent(
            "PATCH /hsm/v2/partitions/p1",
            r#"{"description":"East","tags":[]}"#,
        ),
        &method("PatchPartition"),
        asked,
        answer(&smd::PartitionChange { revision: 9 }),
        204,
        "",
    )
    .await;
    let asked = smd::DeletePartitionRequest {
        name: "p1".into(),
        ..Default::default()
    };
    let sent = Sent("DELETE /hsm/v2/partitions/p1", "");
    check(sent, &method("DeletePartition"), asked, deleted(), 200, DELETED).await;
}

#[tokio::test]
async fn members_are_listed_added_and_removed() {
    let asked = smd::ListPartitionMembersRequest { name: "p1".into() };
    check(
        Sent("GET /hsm/v2/partitions/p1/members", ""),
        &method("ListPartitionMembers"),
        asked,
        answer(&smd::GroupMembers::default()),
        200,
        r#"{"ids":[]}"#,
    )
    .await;
    let uri = "/hsm/v2/partitions/p1/members/x0c0s0b0n0";
    let asked = smd::AddPartitionMemberRequest {
        name: "p1".into(),
        id: "x0c0s0b0n0".into(),
        ids: vec![],
        ..Default::default()
    };
    let got = check_with(
        Sent("POST /hsm/v2/partitions/p1/members", r#"{"id":"x0c0s0b0n0"}"#),
        &[],
        &method("AddPartitionMember"),
        asked,
        located(uri),
        201,
        r#"[{"URI":"/hsm/v2/partitions/p1/members/x0c0s0b0n0"}]"#,
    )
    .await;
    assert_eq!(got.header("location"), uri);
    let asked = smd::RemovePartitionMemberRequest {
        name: "p1".into(),
        id: "x0c0s0b0n0".into(),
        ids: vec![],
        ..Default::default()
    };
    let sent = Sent("DELETE /hsm/v2/partitions/p1/members/x0c0s0b0n0", "");
    check(
        sent,
        &method("RemovePartitionMember"),
        asked,
        deleted(),
        200,
        DELETED,
    )
    .await;
}

#[tokio::test]
async fn a_taken_name_and_a_member_of_another_partition_are_conflicts() {
    let exists = rpc::Error::AlreadyExists {
        kind: "partition".into(),
        id: "p1".into(),
        detail: "the same name".into(),
    };
    let conflict = rpc::Error::Conflict {
        detail: "x0c0s0b0n0 is in p2".into(),
    };
    for (error, line) in [
        (exists, "POST /hsm/v2/partitions"),
        (conflict, "POST /hsm/v2/partitions/p1/members"),
    ] {
        let fake = Fake::new();
        fake.will_answer(Err(error.into()));
        let (verb, uri) = line.split_once(' ').unwrap();
        let got = send(&gateway(&fake, Options::default()), verb, uri, &[], "{}").await;
        assert_eq!(got.status, 409, "{got:?}");
    }
}

/// Request line and body, status and detail of the answer.
#[rustfmt::skip]
const BAD: &[(&str, &str, u16, &str)] = &[
    ("POST /hsm/v2/partitions", "", 500, "error decoding JSON: the body is empty"),
    ("POST /hsm/v2/partitions", r#"{"tags":"b"}"#, 500, "tags: expected an array, got a string"),
    ("PATCH /hsm/v2/partitions/p1", r#"{"name":"p2"}"#, 400, "name: differs from \"p1\" in the path; leave it out"),
    ("PATCH /hsm/v2/partitions/p1", r#"{"description":7}"#, 500, "description: expected a string, got a number"),
    ("POST /hsm/v2/partitions/p1/members", r#"{"id":7}"#, 500, "id: expected a string, got a number"),
    ("PUT /hsm/v2/partitions/p1/members", "{}", 405, "allow GET,POST"),
    ("PUT /hsm/v2/partitions/p1", "{}", 405, "allow GET,PATCH,DELETE"),
    ("DELETE /hsm/v2/partitions", "", 405, "allow GET,POST"),
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
