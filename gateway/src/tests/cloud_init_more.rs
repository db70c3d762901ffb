//! Golden cases of what Cloud-Init has beyond OpenCHAMI's administration: conditions, deletes and patches, profiles, renewed
//! instance-ids, tokens of boots; and of BSS's own cloud-init.

use prost::Message as _;
use prost_types::{Struct, Value, value::Kind};
use proto::bss::v1 as bss;
use proto::cloud_init::v1 as cloud_init;
use proto::google::api::HttpBody;
use proto::http::v1::{Change, ObjectMeta};
use tonic::Status;

use super::golden::{Sent, check, check_with};
use super::{Fake, answer, gateway, send_to};
use crate::Options;

const CHANGED: cloud_init::ClusterDefaultsChange = cloud_init::ClusterDefaultsChange { revision: 9 };
/// Of an object that was last changed at revision 7.
const AT_7: [(&str, &str); 1] = [("if-match", "\"-7\"")];

fn at_7() -> Option<ObjectMeta> {
    Some(ObjectMeta {
        created: None,
        modified: Some(Change {
            revision: 7,
            ..Change::default()
        }),
    })
}

#[tokio::test]
async fn defaults_are_changed_and_deleted_under_a_condition() {
    let method = "cloud_init.v1.ClusterDefaultsService/UpdateClusterDefaults";
    let defaults = cloud_init::ClusterDefaults {
        region: "west".into(),
        ..Default::default()
    };
    let asked = cloud_init::UpdateClusterDefaultsRequest {
        defaults: Some(defaults.clone()),
        clear: Vec::new(),
        if_revision: Some(7),
    };
    let sent = Sent("POST /cloud-init/admin/cluster-defaults", r#"{"region":"west"}"#);
    check_with(sent, &AT_7, method, asked, answer(&CHANGED), 201, "").await;
    let method = "cloud_init.v1.ClusterDefaultsService/DeleteClusterDefaults";
    let delete = || Sent("DELETE /cloud-init/admin/cluster-defaults", "");
    let asked = |if_revision| cloud_init::DeleteClusterDefaultsRequest { if_revision };
    check_with(delete(), &AT_7, method, asked(Some(7)), answer(&CHANGED), 200, "").await;
    let stale = Status::from(rpc::Error::RevisionMismatch {
        id: "cluster-defaults".into(),
        expected: 7,
        actual: 8,
    });
    let problem = concat!(
        r#"{"type":"about:blank","title":"Precondition Failed","detail":"cluster-defaults is at revision 8, not 7; read it "#,
        r#"again and repeat the change","status":412,"etag":"\"-8\"","reason":"REVISION_MISMATCH"}"#
    );
    check_with(delete(), &AT_7, method, asked(Some(7)), Err(stale), 412, problem).await;
    let shown = cloud_init::ClusterDefaults {
        meta: at_7(),
        ..defaults
    };
    let get = Sent("GET /cloud-init/admin/cluster-defaults", "");
    let method = "cloud_init.v1.ClusterDefaultsService/GetClusterDefaults";
    let asked = cloud_init::GetClusterDefaultsRequest {};
    let got = check_with(
        get,
        &[],
        method,
        asked,
        answer(&shown),
        200,
        r#"{"region":"west"}"#,
    )
    .await;
    assert_eq!(got.header("etag"), "\"-7\"");
}

/// Null removes a key, so it must arrive as one.
#[tokio::test]
async fn a_group_is_patched_key_by_key() {
    let null = Value {
        kind: Some(Kind::NullValue(0)),
    };
    let asked = cloud_init::PatchGroupRequest {
        name: "compute".into(),
        description: Some(String::new()),
        meta_data: Some(Struct {
            fields: [("a".to_owned(), null)].into(),
        }),
        clear: vec!["file".into()],
        if_revision: Some(7),
        ..Default::default()
    };
    let change = cloud_init::GroupChange {
        revision: 9,
        location: "/cloud-init/admin/groups/compute".into(),
    };
    let body = r#"{"description":"","meta-data":{"a":null},"clear":["file"]}"#;
    let sent = Sent("PATCH /cloud-init/admin/groups/compute", body);
    let method = "cloud_init.v1.GroupService/PatchGroup";
    check_with(sent, &AT_7, method, asked, answer(&change), 200, "").await;
}

/// What is secret comes in, and goes out as a flag.
#[tokio::test]
async fn a_secret_group_shows_that_it_is_secret_and_no_content() {
    let file = |content: &str| cloud_init::GroupFile {
        content: content.into(),
        filename: "m.yaml".into(),
        encoding: "plain".into(),
    };
    let group = |content: &str| cloud_init::Group {
        name: "munge".into(),
        file: Some(file(content)),
        secret: true,
        ..Default::default()
    };
    let asked = cloud_init::PutGroupRequest {
        name: "munge".into(),
        group: Some(group("#!")),
        if_revision: None,
    };
    let body =
        r##"{"name":"munge","file":{"content":"#!","filename":"m.yaml","encoding":"plain"},"secret":true}"##;
    let put = Sent("PUT /cloud-init/admin/groups/munge", body);
    let change = cloud_init::GroupChange::default();
    check(
        put,
        "cloud_init.v1.GroupService/PutGroup",
        asked,
        answer(&change),
        201,
        "",
    )
    .await;
    let shown = r#"{"name":"munge","file":{"filename":"m.yaml","encoding":"plain"},"secret":true}"#;
    let asked = cloud_init::GetGroupRequest { name: "munge".into() };
    let get = Sent("GET /cloud-init/admin/groups/munge", "");
    check(
        get,
        "cloud_init.v1.GroupService/GetGroup",
        asked,
        answer(&group("")),
        200,
        shown,
    )
    .await;
}

#[tokio::test]
async fn an_instance_id_is_shown_and_renewed() {
    let instance = cloud_init::Instance {
        node: "x0c0s0b0n0".into(),
        instance_id: "i-1".into(),
        meta: None,
    };
    let get = Sent("GET /chamois/v1/instances/x0c0s0b0n0", "");
    let asked = cloud_init::GetInstanceRequest {
        node: "x0c0s0b0n0".into(),
    };
    let method = "cloud_init.v1.InstanceService/GetInstance";
    let shown = r#"{"node":"x0c0s0b0n0","instanceId":"i-1"}"#;
    check(get, method, asked, answer(&instance), 200, shown).await;
    let renew = Sent("POST /chamois/v1/instances/x0c0s0b0n0/renew", "");
    let asked = cloud_init::RenewInstanceIdRequest {
        node: "x0c0s0b0n0".into(),
        if_revision: Some(7),
    };
    let change = cloud_init::InstanceChange {
        revision: 9,
        instance_id: "i-2".into(),
    };
    let method = "cloud_init.v1.InstanceService/RenewInstanceId";
    let shown = r#"{"revision":9,"instanceId":"i-2"}"#;
    check_with(renew, &AT_7, method, asked, answer(&change), 200, shown).await;
}

#[tokio::test]
async fn profiles_are_put_listed_shown_and_deleted() {
    let profile = || cloud_init::Profile {
        nodes: vec!["x0c0s0b0n0".into()],
        kernel: "http://k".into(),
        groups: vec![cloud_init::Group {
            name: "compute".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let body = r#"{"nodes":["x0c0s0b0n0"],"groups":[{"name":"compute"}],"kernel":"http://k"}"#;
    let put = Sent("PUT /chamois/v1/profiles/test?lifetime_s=3600", body);
    let asked = cloud_init::PutProfileRequest {
        name: "test".into(),
        profile: Some(profile()),
        lifetime_s: 3600,
        if_revision: None,
    };
    let change = cloud_init::ProfileChange {
        revision: 9,
        expires_at_ms: 1000,
        expires_at: "1970-01-01T00:00:01.000Z".into(),
    };
    let shown = r#"{"revision":9,"expiresAtMs":1000,"expiresAt":"1970-01-01T00:00:01.000Z"}"#;
    let method = |name: &str| format!("cloud_init.v1.ProfileService/{name}");
    check(put, &method("PutProfile"), asked, answer(&change), 200, shown).await;

    let get = Sent("GET /chamois/v1/profiles/test", "");
    let asked = cloud_init::GetProfileRequest { name: "test".into() };
    check(get, &method("GetProfile"), asked, answer(&profile()), 200, body).await;
    let list = || Sent("GET /chamois/v1/profiles", "");
    let asked = || cloud_init::ListProfilesRequest {};
    let one = cloud_init::ListProfilesResponse {
        profiles: vec![profile()],
    };
    let listed = format!(r#"{{"profiles":[{body}]}}"#);
    check(
        list(),
        &method("ListProfiles"),
        asked(),
        answer(&one),
        200,
        &listed,
    )
    .await;
    let none = cloud_init::ListProfilesResponse::default();
    check(
        list(),
        &method("ListProfiles"),
        asked(),
        answer(&none),
        200,
        r#"{"profiles":[]}"#,
    )
    .await;

    let delete = Sent("DELETE /chamois/v1/profiles/test", "");
    let asked = cloud_init::DeleteProfileRequest {
        name: "test".into(),
        if_revision: Some(7),
    };
    let gone = cloud_init::ProfileChange {
        revision: 9,
        ..Default::default()
    };
    check_with(
        delete,
        &AT_7,
        &method("DeleteProfile"),
        asked,
        answer(&gone),
        200,
        r#"{"revision":9}"#,
    )
    .await;
}

#[tokio::test]
async fn a_profile_is_tried_for_a_node_that_is_not_in_it() {
    let uri = "GET /cloud-init/admin/impersonation/x0c0s0b0n0/meta-data?profile=test";
    let asked = cloud_init::GetNodeDataRequest {
        id: "x0c0s0b0n0".into(),
        document: "meta-data".into(),
        profile: "test".into(),
    };
    let body = HttpBody {
        content_type: "application/x-yaml".into(),
        data: b"a: 1\n".to_vec(),
        ..Default::default()
    };
    let method = "cloud_init.v1.ImpersonationService/GetNodeData";
    check(Sent(uri, ""), method, asked, answer(&body), 200, "a: 1\n").await;
}

/// A request of a node, on the nodes' port.
async fn ask_as_node(
    verb: &str,
    uri: &str,
    answered: super::Answer,
    body: &'static str,
) -> (super::Got, Fake) {
    let fake = Fake::new();
    fake.will_answer(answered);
    let got = send_to(&gateway(&fake, Options::default()).nodes, verb, uri, &[], body).await;
    (got, fake)
}

#[tokio::test]
async fn every_document_is_there_below_the_token_of_a_boot() {
    for (document, method) in [
        ("network-config", "GetNetworkConfig"),
        ("meta-data", "GetMetaData"),
        ("user-data", "GetUserData"),
        ("vendor-data", "GetVendorData"),
    ] {
        let uri = format!("/cloud-init/b/7-9/t/19a-AB_c/{document}");
        let (got, fake) = ask_as_node("GET", &uri, answer(&HttpBody::default()), "").await;
        assert_eq!(got.status, 200, "{uri}");
        let was_asked = fake.one_asked();
        assert_eq!(
            was_asked.path,
            format!("/chamois.cloud_init.v1.NodeDataService/{method}")
        );
        let asked = cloud_init::NodeDataRequest {
            ctx: "7-9".into(),
            token: "19a-AB_c".into(),
        };
        assert_eq!(
            cloud_init::NodeDataRequest::decode(was_asked.message).unwrap(),
            asked
        );
    }
    let (_, fake) = ask_as_node(
        "GET",
        "/cloud-init/b/7-9/t/19a-AB_c/a.yaml",
        answer(&HttpBody::default()),
        "",
    )
    .await;
    let asked = cloud_init::GroupDataRequest {
        ctx: "7-9".into(),
        file: "a.yaml".into(),
        token: "19a-AB_c".into(),
    };
    assert_eq!(
        cloud_init::GroupDataRequest::decode(fake.one_asked().message).unwrap(),
        asked
    );
}

#[tokio::test]
async fn what_a_node_may_not_have_is_403_and_what_must_wait_is_503() {
    let uri = "/cloud-init/b/7-9/t/19a-AB_c/meta-data";
    let denied = Status::from(rpc::Error::Denied {
        reason: "what is secret is not given to x0c0s0b0n0 at 10.97.3.1: another peer has used the token"
            .into(),
    });
    let (got, _) = ask_as_node("GET", uri, Err(denied), "").await;
    assert_eq!(got.status, 403);
    assert!(!got.detail().contains("19a-AB_c"));
    let no_quorum = Status::from(rpc::Error::NoQuorum {
        retry_after: std::time::Duration::from_secs(1),
    });
    let (got, _) = ask_as_node("GET", uri, Err(no_quorum), "").await;
    assert_eq!((got.status, got.header("retry-after")), (503, "1"));
}

#[tokio::test]
async fn a_tunnel_is_501_and_the_problem_says_what_to_do() {
    let mut no = Status::failed_precondition("a WireGuard tunnel is not offered");
    rpc::set_http_status(no.metadata_mut(), 501);
    let (got, fake) = ask_as_node("POST", "/cloud-init/wg-init", Err(no), r#"{"public_key":"k"}"#).await;
    assert_eq!(
        (got.status, got.detail().as_str()),
        (501, "a WireGuard tunnel is not offered")
    );
    let asked = cloud_init::InitWireGuardRequest {
        public_key: "k".into(),
    };
    assert_eq!(
        cloud_init::InitWireGuardRequest::decode(fake.one_asked().message).unwrap(),
        asked
    );
}

#[tokio::test]
async fn the_version_is_public() {
    let version = cloud_init::GetVersionResponse {
        process_name: "chamois".into(),
        build_info: "Version: 1".into(),
    };
    let (got, _) = ask_as_node("GET", "/cloud-init/version", answer(&version), "").await;
    assert_eq!(
        got.text(),
        r#"{"process_name":"chamois","build_info":"Version: 1"}"#
    );
}

/// BSS's routes stand at the root of the port, and its phone-home is JSON where cloud-init's is a form.
#[tokio::test]
async fn bss_has_a_cloud_init_of_its_own_at_the_root() {
    let json = HttpBody {
        content_type: "application/json".into(),
        data: b"{}\n".to_vec(),
        ..Default::default()
    };
    let (got, fake) = ask_as_node("GET", "/meta-data?key=Global.ntp", answer(&json), "").await;
    assert_eq!(
        (got.status, got.header("content-type"), got.text()),
        (200, "application/json", "{}\n")
    );
    let asked = bss::LegacyMetaDataRequest::decode(fake.one_asked().message).unwrap();
    assert_eq!(asked.key, ["Global.ntp"]);
    let (got, fake) = ask_as_node("GET", "/user-data", answer(&json), "").await;
    assert_eq!(got.status, 200);
    assert_eq!(
        fake.one_asked().path,
        "/chamois.bss.v1.LegacyCloudInitService/GetUserData"
    );
    let body = r#"{"pub_key_rsa":"ssh-rsa A","instance_id":"i-1","hostname":"n1","fqdn":"n1.example.org"}"#;
    let (got, fake) = ask_as_node("POST", "/phone-home", answer(&json), body).await;
    assert_eq!(got.status, 200);
    let asked = bss::LegacyPhoneHomeRequest::decode(fake.one_asked().message).unwrap();
    assert_eq!(
        (asked.pub_key_rsa.as_str(), asked.hostname.as_str()),
        ("ssh-rsa A", "n1")
    );
}
