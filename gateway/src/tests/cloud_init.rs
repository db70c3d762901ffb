//! Golden cases of cloud-init's administration, as `ochami cloud-init …` sends them and reads the answers.

use prost::Message as _;
use prost_types::{Struct, Value, value::Kind};
use proto::cloud_init::v1 as cloud_init;
use proto::google::api::HttpBody;
use proto::http::v1::ObjectMeta;

use super::golden::{Sent, check, check_with};
use super::{Fake, answer, gateway, send};
use crate::Options;

/// `ochami cloud-init group set`: the cloud-config in base64, meta-data of any shape.
const GROUP: &str = concat!(
    r#"{"name":"compute","description":"The compute group","meta-data":{"foo":"bar"},"#,
    r##""file":{"content":"I2Nsb3VkLWNvbmZpZwo=","filename":"string","encoding":"base64"}}"##
);

fn compute() -> cloud_init::Group {
    let bar = Value {
        kind: Some(Kind::StringValue("bar".into())),
    };
    cloud_init::Group {
        name: "compute".into(),
        description: "The compute group".into(),
        meta_data: Some(Struct {
            fields: [("foo".to_owned(), bar)].into(),
        }),
        file: Some(cloud_init::GroupFile {
            content: "I2Nsb3VkLWNvbmZpZwo=".into(),
            filename: "string".into(),
            encoding: "base64".into(),
        }),
        ..Default::default()
    }
}

fn group_change() -> cloud_init::GroupChange {
    cloud_init::GroupChange {
        revision: 9,
        location: "/cloud-init/admin/groups/compute".into(),
    }
}

/// Keys with an underscore here and hyphens there; unknown ones are ignored; 201 without a body.
#[tokio::test]
async fn defaults_are_set_and_shown() {
    let body = concat!(
        r#"{"cloud_provider":"openchami","region":"west","availability-zone":"a","cluster-name":"demo","#,
        r#""public-keys":["ssh-ed25519 AAAA a@b"],"base-url":"http://demo:8081/cloud-init","#,
        r#""boot-subnet":"10.97.0.0/16","wg-subnet":"10.98.0.0/16","short-name":"nid","nid-length":3}"#
    );
    let defaults = || cloud_init::ClusterDefaults {
        cloud_provider: "openchami".into(),
        region: "west".into(),
        availability_zone: "a".into(),
        cluster_name: "demo".into(),
        public_keys: vec!["ssh-ed25519 AAAA a@b".into()],
        base_url: "http://demo:8081/cloud-init".into(),
        boot_subnet: "10.97.0.0/16".into(),
        wg_subnet: "10.98.0.0/16".into(),
        short_name: "nid".into(),
        nid_length: 3,
        meta: None,
    };
    let asked = cloud_init::UpdateClusterDefaultsRequest {
        defaults: Some(defaults()),
        clear: vec!["region".into()],
        ..Default::default()
    };
    let sent = Sent("POST /cloud-init/admin/cluster-defaults?clear=region", body);
    let method = "cloud_init.v1.ClusterDefaultsService/UpdateClusterDefaults";
    let change = cloud_init::ClusterDefaultsChange { revision: 4 };
    check(sent, method, asked, answer(&change), 201, "").await;

    let shown = cloud_init::ClusterDefaults {
        meta: Some(ObjectMeta::default()),
        ..defaults()
    };
    let method = "cloud_init.v1.ClusterDefaultsService/GetClusterDefaults";
    let asked = cloud_init::GetClusterDefaultsRequest::default;
    let get = || Sent("GET /cloud-init/admin/cluster-defaults", "");
    check(get(), method, asked(), answer(&shown), 200, body).await;
    let none = cloud_init::ClusterDefaults::default();
    check(get(), method, asked(), answer(&none), 200, "{}").await;
}

/// `group add` is a POST, `group set` a PUT whose path names the group; both answer 201 with `Location`.
#[tokio::test]
async fn groups_are_added_and_set() {
    let post = Sent("POST /cloud-init/admin/groups", GROUP);
    let method = "cloud_init.v1.GroupService/CreateGroup";
    let got = check_with(post, &[], method, compute(), answer(&group_change()), 201, "").await;
    assert_eq!(got.header("location"), "/cloud-init/admin/groups/compute");

    let put = Sent("PUT /cloud-init/admin/groups/compute", GROUP);
    let asked = cloud_init::PutGroupRequest {
        name: "compute".into(),
        group: Some(compute()),
        ..Default::default()
    };
    let method = "cloud_init.v1.GroupService/PutGroup";
    let got = check_with(put, &[], method, asked, answer(&group_change()), 201, "").await;
    assert_eq!(got.header("location"), "/cloud-init/admin/groups/compute");
}

/// All groups are one object by name, in which each name stands again; none are `{}`.
#[tokio::test]
async fn groups_are_listed_by_name_and_shown_alone() {
    let list = || Sent("GET /cloud-init/admin/groups", "");
    let method = "cloud_init.v1.GroupService/ListGroups";
    let asked = cloud_init::ListGroupsRequest::default;
    let bare = cloud_init::Group {
        name: "a".into(),
        meta: Some(ObjectMeta::default()),
        ..Default::default()
    };
    let groups = [("compute".to_owned(), compute()), ("a".to_owned(), bare)];
    let two = cloud_init::ListGroupsResponse {
        groups: groups.into(),
    };
    let body = format!(r#"{{"a":{{"name":"a"}},"compute":{GROUP}}}"#);
    check(list(), method, asked(), answer(&two), 200, &body).await;
    let none = cloud_init::ListGroupsResponse::default();
    check(list(), method, asked(), answer(&none), 200, "{}").await;

    let one = Sent("GET /cloud-init/admin/groups/compute", "");
    let asked = cloud_init::GetGroupRequest {
        name: "compute".into(),
    };
    let method = "cloud_init.v1.GroupService/GetGroup";
    check(one, method, asked, answer(&compute()), 200, GROUP).await;
    let asked = cloud_init::DeleteGroupRequest {
        name: "compute".into(),
        ..Default::default()
    };
    let delete = Sent("DELETE /cloud-init/admin/groups/compute", "");
    let method = "cloud_init.v1.GroupService/DeleteGroup";
    check(delete, method, asked, answer(&group_change()), 200, "").await;
}

/// A group that does not decode is 422 there, and says what is wrong.
#[tokio::test]
async fn a_malformed_group_is_unprocessable() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for (line, body, detail) in [
        (
            "POST /cloud-init/admin/groups",
            r#"{"name":7}"#,
            "name: expected a string, got a number",
        ),
        (
            "PUT /cloud-init/admin/groups/a",
            r#"{"meta-data":[]}"#,
            "group.meta-data: expected an object, got an array",
        ),
        (
            "PUT /cloud-init/admin/groups/a",
            "",
            "error decoding JSON: the body is empty",
        ),
    ] {
        let (verb, uri) = line.split_once(' ').unwrap();
        let got = send(&gateway, verb, uri, &[], body).await;
        assert_eq!((got.status, got.detail().as_str()), (422, detail), "{line}");
    }
    assert!(fake.take_asked().is_empty());
}

/// `node set` sends every key, empty ones too; the node is the one of the path.
#[tokio::test]
async fn instance_info_is_put_shown_listed_and_deleted() {
    let body = r#"{"id":"x0c0s0b0n0","instance-id":"","local-hostname":"c1","public-keys":["ssh-rsa A b"]}"#;
    let info = || cloud_init::InstanceInfo {
        id: "x0c0s0b0n0".into(),
        local_hostname: "c1".into(),
        public_keys: vec!["ssh-rsa A b".into()],
        ..Default::default()
    };
    let asked = cloud_init::PutInstanceInfoRequest {
        id: "x0c0s0b0n0".into(),
        info: Some(info()),
        ..Default::default()
    };
    let change = || {
        answer(&cloud_init::InstanceInfoChange {
            revision: 7,
            ..Default::default()
        })
    };
    let method = |name: &str| format!("cloud_init.v1.InstanceInfoService/{name}InstanceInfo");
    let path = "/cloud-init/admin/instance-info/x0c0s0b0n0";
    let line = |verb: &str| -> &'static str { format!("{verb} {path}").leak() };
    check(Sent(line("PUT"), body), &method("Put"), asked, change(), 201, "").await;

    let shown = r#"{"id":"x0c0s0b0n0","local-hostname":"c1","public-keys":["ssh-rsa A b"]}"#;
    let asked = cloud_init::GetInstanceInfoRequest {
        id: "x0c0s0b0n0".into(),
    };
    check(
        Sent(line("GET"), ""),
        &method("Get"),
        asked,
        answer(&info()),
        200,
        shown,
    )
    .await;
    let all = cloud_init::ListInstanceInfoResponse {
        items: vec![info()],
        ..Default::default()
    };
    let asked = cloud_init::ListInstanceInfoRequest::default();
    let list = Sent("GET /cloud-init/admin/instance-info", "");
    check(
        list,
        &method("List"),
        asked,
        answer(&all),
        200,
        &format!("[{shown}]"),
    )
    .await;
    let asked = cloud_init::DeleteInstanceInfoRequest {
        id: "x0c0s0b0n0".into(),
        ..Default::default()
    };
    check(
        Sent(line("DELETE"), ""),
        &method("Delete"),
        asked,
        change(),
        200,
        "",
    )
    .await;
}

/// `node get meta-data` and `node get group`: the bytes of the document, whatever they are.
#[tokio::test]
async fn an_impersonated_document_is_sent_as_it_is() {
    for document in ["meta-data", "vendor-data", "compute.yaml"] {
        let fake = Fake::new();
        fake.will_answer(answer(&HttpBody {
            content_type: "application/x-yaml".into(),
            data: b"a: 1\n\xff".to_vec(),
            ..Default::default()
        }));
        let uri = format!("/cloud-init/admin/impersonation/x0c0s0b0n0/{document}");
        let got = send(&gateway(&fake, Options::default()), "GET", &uri, &[], "").await;
        let asked = cloud_init::GetNodeDataRequest {
            id: "x0c0s0b0n0".into(),
            document: document.into(),
            ..Default::default()
        };
        let was_asked = fake.one_asked();
        assert_eq!(
            was_asked.path,
            "/chamois.cloud_init.v1.ImpersonationService/GetNodeData"
        );
        assert_eq!(
            cloud_init::GetNodeDataRequest::decode(was_asked.message).unwrap(),
            asked
        );
        assert_eq!((got.status, &got.body[..]), (200, &b"a: 1\n\xff"[..]));
        assert_eq!(got.header("content-type"), "application/x-yaml");
    }
}

/// A node asks for a group's file beside its documents, with and without a boot's segment.
#[tokio::test]
async fn the_file_of_a_group_has_two_routes_on_the_nodes_port() {
    for (uri, ctx) in [
        ("/cloud-init/compute.yaml", ""),
        ("/cloud-init/b/7-9/compute.yaml", "7-9"),
    ] {
        let fake = Fake::new();
        fake.will_answer(answer(&HttpBody::default()));
        let got = super::send_to(&gateway(&fake, Options::default()).nodes, "GET", uri, &[], "").await;
        assert_eq!(got.status, 200, "{uri}");
        let was_asked = fake.one_asked();
        assert_eq!(
            was_asked.path,
            "/chamois.cloud_init.v1.NodeDataService/GetGroupData"
        );
        let asked = cloud_init::GroupDataRequest {
            ctx: ctx.into(),
            file: "compute.yaml".into(),
            ..Default::default()
        };
        assert_eq!(
            cloud_init::GroupDataRequest::decode(was_asked.message).unwrap(),
            asked
        );
    }
}
