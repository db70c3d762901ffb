//! Golden cases of SMD's groups and memberships, as `ochami smd group …` and cloud-init send them.

use prost::Message as _;
use proto::smd::v1 as smd;

use super::golden::{Sent, check, check_with};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

/// What `ochami smd group add` posts, and what it patches with when the label exists and `--overwrite` is given.
const COMPUTE: &str = concat!(
    r#"{"label":"compute","description":"The compute nodes","tags":["slurm","rack1"],"exclusiveGroup":"use","#,
    r#""members":{"ids":["x1000c0s0b0n0","x1000c0s0b1n0"]}}"#
);
/// The same as a GET answers it: in the order of HSM's Go structs.
const SHOWN: &str = concat!(
    r#"{"label":"compute","description":"The compute nodes","exclusiveGroup":"use","tags":["slurm","rack1"],"#,
    r#""members":{"ids":["x1000c0s0b0n0","x1000c0s0b1n0"]}}"#
);

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn compute() -> smd::Group {
    smd::Group {
        label: "compute".into(),
        description: "The compute nodes".into(),
        exclusive_group: "use".into(),
        tags: texts(&["slurm", "rack1"]),
        members: Some(smd::GroupMembers {
            ids: texts(&["x1000c0s0b0n0", "x1000c0s0b1n0"]),
        }),
        meta: None,
    }
}

fn uris(uris: &[&str], location: &str) -> Answer {
    let uris = uris.iter().map(|uri| smd::ResourceUri {
        uri: (*uri).into(),
        revision: 0,
    });
    answer(&smd::ResourceUris {
        uris: uris.collect(),
        location: location.into(),
        revision: 7,
    })
}

fn deleted() -> Answer {
    answer(&smd::DeleteResponse {
        message: "deleted 1 entry".into(),
        revision: 3,
        ..Default::default()
    })
}

fn method(name: &str) -> String {
    format!("smd.v1.GroupService/{name}")
}

/// 201 with an array of one URI, and `Location`.
#[tokio::test]
async fn a_posted_group_is_located() {
    let got = check_with(
        Sent("POST /apis/smd/hsm/v2/groups", COMPUTE),
        &[],
        &method("CreateGroup"),
        compute(),
        uris(&["/hsm/v2/groups/compute"], "/hsm/v2/groups/compute"),
        201,
        r#"[{"URI":"/hsm/v2/groups/compute"}]"#,
    )
    .await;
    assert_eq!(got.header("location"), "/hsm/v2/groups/compute");
    assert_eq!(got.header("content-type"), "application/json");
}

/// Bare arrays; what is empty is `[]` and `{"ids":[]}`; tags and exclusiveGroup vanish when they are empty.
#[tokio::test]
async fn groups_show_as_hsm_shows_them() {
    let with_meta = smd::Group {
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..compute()
    };
    let get = smd::GetGroupRequest {
        label: "compute".into(),
        ..Default::default()
    };
    check(
        Sent("GET /hsm/v2/groups/compute", ""),
        &method("GetGroup"),
        get,
        answer(&with_meta),
        200,
        SHOWN,
    )
    .await;
    let list = smd::ListGroupsRequest {
        group: texts(&["Compute", "io"]),
        tag: texts(&["!slurm"]),
        partition: "NULL".into(),
        ..Default::default()
    };
    let two = smd::ListGroupsResponse {
        groups: vec![
            compute(),
            smd::Group {
                label: "io".into(),
                members: Some(smd::GroupMembers::default()),
                ..Default::default()
            },
        ],
        revision: 4,
        ..Default::default()
    };
    let body = format!(r#"[{SHOWN},{{"label":"io","description":"","members":{{"ids":[]}}}}]"#);
    let line = "GET /hsm/v2/groups?group=Compute&Group=io&TAG=!slurm&partition=NULL&partition=p1";
    check(
        Sent(line, ""),
        &method("ListGroups"),
        list,
        answer(&two),
        200,
        &body,
    )
    .await;
    let none = answer(&smd::ListGroupsResponse::default());
    let list = smd::ListGroupsRequest::default();
    check(
        Sent("GET /hsm/v2/groups/", ""),
        &method("ListGroups"),
        list,
        none,
        200,
        "[]",
    )
    .await;
}

/// The labels are an array of strings, on a route that looks like a group's.
#[tokio::test]
async fn labels_are_a_bare_array_of_texts() {
    for (labels, body) in [(texts(&["a", "b\"c"]), r#"["a","b\"c"]"#), (vec![], "[]")] {
        check(
            Sent("GET /hsm/v2/groups/labels", ""),
            &method("ListGroupLabels"),
            smd::ListGroupLabelsRequest {},
            answer(&smd::ListGroupLabelsResponse { labels }),
            200,
            body,
        )
        .await;
    }
}

/// On 409 `ochami … --overwrite` sends the whole group as a PATCH: members and exclusiveGroup are not patched.
#[tokio::test]
async fn a_conflict_is_answered_by_a_patch() {
    let fake = Fake::new();
    let exists = rpc::Error::AlreadyExists {
        kind: "group".into(),
        id: "compute".into(),
        detail: "operation would conflict with an existing group that has the same label".into(),
    };
    fake.will_answer(Err(exists.into()));
    let got = send(
        &gateway(&fake, Options::default()),
        "POST",
        "/hsm/v2/groups",
        &[],
        COMPUTE,
    )
    .await;
    assert_eq!(got.status, 409, "{got:?}");
    assert!(got.detail().contains("same label"), "{got:?}");
    let asked = smd::PatchGroupRequest {
        label: "compute".into(),
        description: Some("The compute nodes".into()),
        tags: texts(&["slurm", "rack1"]),
        replace_tags: true,
        ..Default::default()
    };
    let got = check_with(
        Sent("PATCH /hsm/v2/groups/compute", COMPUTE),
        &[],
        &method("PatchGroup"),
        asked,
        answer(&smd::GroupChange { revision: 9 }),
        204,
        "",
    )
    .await;
    assert!(!got.headers.contains_key("content-type"), "{got:?}");
}

/// `[]` clears the tags, absence and null keep them; an empty description is one.
#[tokio::test]
async fn a_patch_tells_empty_from_absent() {
    for (body, description, replace_tags) in [
        (r#"{"tags":[]}"#, None, true),
        (r#"{"Tags":null,"description":""}"#, Some(String::new()), false),
        (r#"{"description":null}"#, None, false),
        (r#"{"replaceTags":true,"replace_tags":true}"#, None, false),
    ] {
        let fake = Fake::new();
        let got = send(
            &gateway(&fake, Options::default()),
            "PATCH",
            "/hsm/v2/groups/compute",
            &[],
            body,
        )
        .await;
        assert_eq!((got.status, got.text()), (204, ""), "{body}");
        let asked = smd::PatchGroupRequest::decode(fake.one_asked().message).unwrap();
        assert_eq!(
            (asked.description, asked.replace_tags),
            (description, replace_tags),
            "{body}"
        );
    }
}

#[tokio::test]
async fn members_are_listed_added_replaced_and_removed() {
    let asked = smd::ListGroupMembersRequest {
        label: "compute".into(),
        ..Default::default()
    };
    check(
        Sent("GET /hsm/v2/groups/compute/members", ""),
        &method("ListGroupMembers"),
        asked,
        answer(&smd::GroupMembers::default()),
        200,
        r#"{"ids":[]}"#,
    )
    .await;
    let asked = smd::AddGroupMemberRequest {
        label: "compute".into(),
        id: "x1000c0s0b2n0".into(),
        ids: vec![],
        ..Default::default()
    };
    let uri = "/hsm/v2/groups/compute/members/x1000c0s0b2n0";
    let got = check_with(
        Sent("POST /hsm/v2/groups/compute/members", r#"{"id":"x1000c0s0b2n0"}"#),
        &[],
        &method("AddGroupMember"),
        asked,
        uris(&[uri], uri),
        201,
        r#"[{"URI":"/hsm/v2/groups/compute/members/x1000c0s0b2n0"}]"#,
    )
    .await;
    assert_eq!(got.header("location"), uri);
    let asked = smd::ReplaceGroupMembersRequest {
        label: "compute".into(),
        ids: texts(&["x1", "x2"]),
        ..Default::default()
    };
    let got = check_with(
        Sent("PUT /hsm/v2/groups/compute/members", r#"{"ids":["x1","x2"]}"#),
        &[],
        &method("ReplaceGroupMembers"),
        asked,
        uris(
            &[
                "/hsm/v2/groups/compute/members/x1",
                "/hsm/v2/groups/compute/members/x2",
            ],
            "/hsm/v2/groups",
        ),
        201,
        concat!(
            r#"[{"URI":"/hsm/v2/groups/compute/members/x1"},"#,
            r#"{"URI":"/hsm/v2/groups/compute/members/x2"}]"#
        ),
    )
    .await;
    assert_eq!(got.header("location"), "/hsm/v2/groups");
    let asked = smd::RemoveGroupMemberRequest {
        label: "compute".into(),
        id: "x1".into(),
        ids: vec![],
        ..Default::default()
    };
    check(
        Sent("DELETE /hsm/v2/groups/compute/members/x1", ""),
        &method("RemoveGroupMember"),
        asked,
        deleted(),
        200,
        r#"{"code":0,"message":"deleted 1 entry"}"#,
    )
    .await;
    let asked = smd::DeleteGroupRequest {
        label: "compute".into(),
        ..Default::default()
    };
    check(
        Sent("DELETE /hsm/v2/groups/compute", ""),
        &method("DeleteGroup"),
        asked,
        deleted(),
        200,
        r#"{"code":0,"message":"deleted 1 entry"}"#,
    )
    .await;
}

/// The service says 204 when it leaves no member; then there is neither body nor `Location`.
#[tokio::test]
async fn a_group_that_was_emptied_has_no_content() {
    let mut metadata = tonic::metadata::MetadataMap::new();
    rpc::set_http_status(&mut metadata, 204);
    let empty = smd::ResourceUris {
        revision: 4,
        ..Default::default()
    };
    let asked = smd::ReplaceGroupMembersRequest {
        label: "compute".into(),
        ids: vec![],
        ..Default::default()
    };
    let got = check_with(
        Sent("PUT /hsm/v2/groups/compute/members", r#"{"ids":[]}"#),
        &[],
        &method("ReplaceGroupMembers"),
        asked,
        Ok((empty.encode_to_vec().into(), metadata)),
        204,
        "",
    )
    .await;
    assert!(!got.headers.contains_key("location"), "{got:?}");
}

/// cloud-init asks so, once per node.
#[tokio::test]
async fn a_membership_always_has_its_three_keys() {
    let membership = smd::Membership {
        id: "x1000c0s0b0n0".into(),
        group_labels: texts(&["compute", "io"]),
        partition_name: String::new(),
    };
    let bare = smd::Membership {
        id: "x1000c0s0b1n0".into(),
        ..Default::default()
    };
    let shown = r#"{"id":"x1000c0s0b0n0","groupLabels":["compute","io"],"partitionName":""}"#;
    let asked = smd::GetMembershipRequest {
        id: "x1000c0s0b0n0".into(),
    };
    check(
        Sent("GET /apis/smd/hsm/v2/memberships/x1000c0s0b0n0", ""),
        "smd.v1.MembershipService/GetMembership",
        asked,
        answer(&membership),
        200,
        shown,
    )
    .await;
    let asked = smd::ListMembershipsRequest {
        r#type: texts(&["Node"]),
        software_status: texts(&["!Admin"]),
        sub_role: texts(&["Worker"]),
        nid_start: "1".into(),
        group: texts(&["compute", "!io"]),
        partition: texts(&["NULL"]),
        locked: texts(&["!true"]),
        reservation_disabled: texts(&["false"]),
        ..Default::default()
    };
    let line = concat!(
        "GET /hsm/v2/memberships?type=Node&SoftwareStatus=!Admin&subRole=Worker&nid_start=1&group=compute",
        "&Group=!io&partition=NULL&locked=!true&reservation_disabled=false"
    );
    let body = format!(r#"[{shown},{{"id":"x1000c0s0b1n0","groupLabels":[],"partitionName":""}}]"#);
    let two = smd::ListMembershipsResponse {
        memberships: vec![membership, bare],
        revision: 5,
        ..Default::default()
    };
    check(
        Sent(line, ""),
        "smd.v1.MembershipService/ListMemberships",
        asked,
        answer(&two),
        200,
        &body,
    )
    .await;
}

/// The filters of State/Components that look into the groups.
#[tokio::test]
async fn components_are_filtered_by_group_and_partition() {
    let asked = smd::ListComponentsRequest {
        group: texts(&["compute", "io"]),
        partition: texts(&["NULL"]),
        ..Default::default()
    };
    check(
        Sent(
            "GET /hsm/v2/State/Components?group=compute&GROUP=io&partition=NULL",
            "",
        ),
        "smd.v1.ComponentService/ListComponents",
        asked,
        answer(&smd::ListComponentsResponse::default()),
        200,
        r#"{"Components":[]}"#,
    )
    .await;
}

/// Request line and body, status and detail of the answer.
#[rustfmt::skip]
const BAD: &[(&str, &str, u16, &str)] = &[
    ("POST /hsm/v2/groups", "", 500, "error decoding JSON: the body is empty"),
    ("POST /hsm/v2/groups", "[]", 500, "expected a JSON object, got an array"),
    ("POST /hsm/v2/groups", r#"{"members":["x1"]}"#, 500, "members: expected an object, got an array"),
    ("PATCH /hsm/v2/groups/a", r#"{"tags":"b"}"#, 500, "tags: expected an array, got a string"),
    ("PATCH /hsm/v2/groups/a", r#"{"label":"b"}"#, 400, "label: differs from \"a\" in the path; leave it out"),
    ("POST /hsm/v2/groups/a/members", r#"{"id":7}"#, 500, "id: expected a string, got a number"),
    ("PUT /hsm/v2/groups/a/members", r#"{"ids":"x1"}"#, 500, "ids: expected an array, got a string"),
    ("PUT /hsm/v2/groups", "{}", 405, "allow GET,POST"),
    ("POST /hsm/v2/groups/a", "{}", 405, "allow GET,PATCH,DELETE"),
    ("POST /hsm/v2/memberships", "{}", 405, "allow GET"),
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
