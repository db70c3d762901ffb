//! Golden cases of boot configurations: the native routes, explain, and OpenCHAMI's boot-service.

use proto::bss::v1 as bss;
use proto::http::v1::{Change, ObjectMeta};
use proto::smd::v1::component::Arch;

use super::golden::{Sent, check, check_with};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn native(method: &str) -> String {
    format!("bss.v1.BootConfigurationService/{method}")
}

fn boot_service(method: &str) -> String {
    format!("bss.v1.BootServiceService/{method}")
}

fn meta() -> Option<ObjectMeta> {
    let change = Some(Change {
        revision: 7,
        at_ms: 1000,
        principal: "user/admin".into(),
    });
    Some(ObjectMeta {
        created: change.clone(),
        modified: change,
    })
}

fn compute() -> bss::BootConfiguration {
    bss::BootConfiguration {
        name: "compute".into(),
        hosts: texts(&["x[0-1]c0"]),
        nids: vec![3],
        sub_roles: texts(&["Worker"]),
        is_default: true,
        arch: Arch::Arm.into(),
        priority: Some(0),
        kernel: "/files/k".into(),
        merge_params: true,
        ..Default::default()
    }
}

const COMPUTE: &str = r#"{"name":"compute","hosts":["x[0-1]c0"],"nids":[3],"sub_roles":["Worker"],"is_default":true,"arch":"ARM","priority":0,"kernel":"/files/k","merge_params":true}"#;

fn with_meta(body: &str) -> String {
    let change = r#"{"revision":7,"at_ms":1000,"principal":"user/admin"}"#;
    format!(
        "{},\"meta\":{{\"created\":{change},\"modified\":{change}}}}}",
        &body[..body.len() - 1]
    )
    .replace("\"at_ms\"", "\"atMs\"")
}

/// An image in the place of a kernel, in both directions.
#[tokio::test]
async fn a_configuration_of_an_image_is_created_and_shown() {
    const OF_IMAGE: &str = r#"{"name":"all","is_default":true,"image":"debian-12"}"#;
    let of_image = bss::BootConfiguration {
        name: "all".into(),
        is_default: true,
        image: "debian-12".into(),
        ..Default::default()
    };
    let create = bss::CreateBootConfigurationRequest {
        configuration: Some(of_image.clone()),
    };
    check(
        Sent("POST /chamois/v1/boot-configurations", OF_IMAGE),
        &native("CreateBootConfiguration"),
        create,
        answer(&of_image),
        201,
        OF_IMAGE,
    )
    .await;
}

#[tokio::test]
async fn a_configuration_is_created_shown_and_replaced() {
    let stored = bss::BootConfiguration {
        meta: meta(),
        ..compute()
    };
    let create = bss::CreateBootConfigurationRequest {
        configuration: Some(compute()),
    };
    let got = check_with(
        Sent("POST /chamois/v1/boot-configurations", COMPUTE),
        &[],
        &native("CreateBootConfiguration"),
        create,
        answer(&stored),
        201,
        &with_meta(COMPUTE),
    )
    .await;
    assert!(got.header("etag").contains('7'), "{got:?}");
    let get = bss::GetBootConfigurationRequest {
        name: "compute".into(),
    };
    check(
        Sent("GET /chamois/v1/boot-configurations/compute", ""),
        &native("GetBootConfiguration"),
        get,
        answer(&stored),
        200,
        &with_meta(COMPUTE),
    )
    .await;
    let replace = bss::ReplaceBootConfigurationRequest {
        name: "compute".into(),
        configuration: Some(compute()),
        if_revision: Some(7),
    };
    check_with(
        Sent("PUT /chamois/v1/boot-configurations/compute", COMPUTE),
        &[("if-match", &etag())],
        &native("ReplaceBootConfiguration"),
        replace,
        answer(&stored),
        200,
        &with_meta(COMPUTE),
    )
    .await;
}

/// Of the cluster without an id, which the gateway of these tests is in.
fn etag() -> String {
    rpc::Etag {
        cluster_id: String::new(),
        revision: 7,
    }
    .to_string()
}

#[tokio::test]
async fn configurations_are_listed_in_pages_and_deleted() {
    let list = bss::ListBootConfigurationsRequest {
        page_size: 1,
        page_token: "ab".into(),
    };
    let page = bss::ListBootConfigurationsResponse {
        configurations: vec![compute()],
        revision: 9,
        next_page_token: "cd".into(),
    };
    let got = check_with(
        Sent(
            "GET /chamois/v1/boot-configurations?page_size=1&page_token=ab",
            "",
        ),
        &[],
        &native("ListBootConfigurations"),
        list,
        answer(&page),
        200,
        &format!(r#"{{"configurations":[{COMPUTE}],"revision":9,"next_page_token":"cd"}}"#),
    )
    .await;
    assert_eq!(got.header("chamois-next-page-token"), "cd");
    let none = bss::ListBootConfigurationsResponse::default();
    let all = bss::ListBootConfigurationsRequest::default();
    let sent = Sent("GET /chamois/v1/boot-configurations", "");
    check(
        sent,
        &native("ListBootConfigurations"),
        all,
        answer(&none),
        200,
        r#"{"configurations":[]}"#,
    )
    .await;
    let delete = bss::DeleteBootConfigurationRequest {
        name: "compute".into(),
        if_revision: None,
    };
    check(
        Sent("DELETE /chamois/v1/boot-configurations/compute", ""),
        &native("DeleteBootConfiguration"),
        delete,
        answer(&bss::DeleteBootConfigurationResponse { revision: 9 }),
        200,
        r#"{"revision":9}"#,
    )
    .await;
}

fn refusals() -> [(rpc::Error, u16); 5] {
    [
        (rpc::invalid("kernel", "it is missing"), 400),
        (
            rpc::Error::NotFound {
                kind: "boot configuration".into(),
                id: "compute".into(),
            },
            404,
        ),
        (
            rpc::Error::AlreadyExists {
                kind: "boot configuration".into(),
                id: "compute".into(),
                detail: "replace it".into(),
            },
            409,
        ),
        (
            rpc::Error::RevisionMismatch {
                id: "compute".into(),
                expected: 3,
                actual: 7,
            },
            412,
        ),
        (
            rpc::Error::NoQuorum {
                retry_after: std::time::Duration::from_secs(1),
            },
            503,
        ),
    ]
}

#[tokio::test]
async fn a_refusal_is_a_problem_with_its_status() {
    for line in [
        "PUT /chamois/v1/boot-configurations/compute",
        "PUT /boot-service/bootconfigurations/compute",
    ] {
        for (error, status) in refusals() {
            let (verb, uri) = line.split_once(' ').unwrap();
            let text = error.to_string();
            let fake = Fake::new();
            fake.will_answer(Err(error.into()));
            let got = send(&gateway(&fake, Options::default()), verb, uri, &[], "{}").await;
            assert_eq!(got.status, status, "{line} {got:?}");
            assert!(got.text().contains(&text), "{line} {got:?}");
        }
    }
}

#[tokio::test]
async fn what_does_not_decode_never_reaches_the_service() {
    for (line, body) in [
        ("POST /chamois/v1/boot-configurations", r#"{"arch":"vax"}"#),
        ("POST /chamois/v1/boot-configurations", r#"{"hosts":"x0"}"#),
        ("PUT /chamois/v1/boot-configurations/c", "[]"),
        ("PATCH /boot-service/bootconfigurations/c", r#"{"nids":["3"]}"#),
        ("POST /boot-service/bootconfigurations", "{"),
    ] {
        let (verb, uri) = line.split_once(' ').unwrap();
        let fake = Fake::new();
        let got = send(&gateway(&fake, Options::default()), verb, uri, &[], body).await;
        assert_eq!(got.status, 400, "{line} {body} {got:?}");
        assert!(fake.take_asked().is_empty(), "{line}");
    }
}

#[tokio::test]
async fn an_explanation_has_words_for_its_numbers() {
    let explained = bss::BootExplanation {
        node: "x0c0s0b0n0".into(),
        nid: Some(0),
        candidates: vec![bss::BootCandidate {
            kind: "boot_configuration".into(),
            name: "compute".into(),
            class: bss::boot_candidate::Class::SubRole.into(),
            selector: "subrole Worker".into(),
            priority: 0,
            verdict: bss::boot_candidate::Verdict::Won.into(),
            reason: "the first match".into(),
        }],
        revision: 7,
        ..Default::default()
    };
    let asked = bss::ExplainBootRequest {
        node: "02:00:00:00:00:a1".into(),
        arch: "arm64".into(),
    };
    let body = concat!(
        r#"{"node":"x0c0s0b0n0","nid":0,"candidates":[{"kind":"boot_configuration","name":"compute","class":"subrole","#,
        r#""selector":"subrole Worker","priority":0,"verdict":"won","reason":"the first match"}],"params":[],"#,
        r#""interfaces":[],"revision":7,"documents":[]}"#
    );
    check(
        Sent("GET /chamois/v1/boot/explain/02:00:00:00:00:a1?arch=arm64", ""),
        "bss.v1.BootExplainService/ExplainBoot",
        asked,
        answer(&explained),
        200,
        body,
    )
    .await;
}

fn resource() -> bss::BootConfigurationResource {
    bss::BootConfigurationResource {
        api_version: "v1".into(),
        kind: "BootConfiguration".into(),
        metadata: Some(bss::ResourceMetadata {
            name: "c".into(),
            uid: "c".into(),
            created_at: "2026-08-14T00:00:00Z".into(),
            updated_at: "2026-08-14T00:00:01Z".into(),
        }),
        spec: Some(spec()),
        meta: meta(),
    }
}

fn spec() -> bss::BootConfigurationSpec {
    bss::BootConfigurationSpec {
        hosts: texts(&["x0c0s0b0n0"]),
        nids: vec![1],
        kernel: "http://i/k".into(),
        params: "quiet".into(),
        priority: Some(50),
        ..Default::default()
    }
}

const SPEC: &str =
    r#"{"hosts":["x0c0s0b0n0"],"nids":[1],"kernel":"http://i/k","params":"quiet","priority":50}"#;

fn resource_body() -> String {
    let metadata =
        r#"{"name":"c","uid":"c","createdAt":"2026-08-14T00:00:00Z","updatedAt":"2026-08-14T00:00:01Z"}"#;
    format!(r#"{{"apiVersion":"v1","kind":"BootConfiguration","metadata":{metadata},"spec":{SPEC}}}"#)
}

/// As `ochami boot config` sends them: an envelope whose metadata is mostly empty.
#[tokio::test]
async fn boot_service_takes_and_gives_its_envelope() {
    let empty = r#""createdAt":"0001-01-01T00:00:00Z","updatedAt":"0001-01-01T00:00:00Z""#;
    let body = format!(r#"{{"metadata":{{"name":"c","uid":"",{empty}}},"spec":{SPEC}}}"#);
    let metadata = || {
        Some(bss::ResourceMetadata {
            name: "c".into(),
            created_at: "0001-01-01T00:00:00Z".into(),
            updated_at: "0001-01-01T00:00:00Z".into(),
            ..Default::default()
        })
    };
    let create = bss::CreateBootConfigurationResourceRequest {
        metadata: metadata(),
        spec: Some(spec()),
    };
    let body: &'static str = body.leak();
    check(
        Sent("POST /boot-service/bootconfigurations", body),
        &boot_service("CreateBootConfigurationResource"),
        create,
        answer(&resource()),
        201,
        &resource_body(),
    )
    .await;
    let replace = bss::ReplaceBootConfigurationResourceRequest {
        uid: "c".into(),
        metadata: metadata(),
        spec: Some(spec()),
        if_revision: None,
    };
    check(
        Sent("PUT /boot-service/bootconfigurations/c", body),
        &boot_service("ReplaceBootConfigurationResource"),
        replace,
        answer(&resource()),
        200,
        &resource_body(),
    )
    .await;
}

#[tokio::test]
async fn boot_service_patches_the_spec_and_lists_bare() {
    let patch = bss::PatchBootConfigurationResourceRequest {
        uid: "c".into(),
        patch: Some(bss::BootConfigurationSpecPatch {
            params: Some(String::new()),
            replace_macs: true,
            priority: Some(0),
            ..Default::default()
        }),
        if_revision: None,
    };
    check_with(
        Sent(
            "PATCH /boot-service/bootconfigurations/c",
            r#"{"params":"","macs":[],"priority":0}"#,
        ),
        &[("content-type", "application/merge-patch+json")],
        &boot_service("PatchBootConfigurationResource"),
        patch,
        answer(&resource()),
        200,
        &resource_body(),
    )
    .await;
    let list = bss::ListBootConfigurationResourcesRequest {};
    let two = bss::ListBootConfigurationResourcesResponse {
        items: vec![resource(), resource()],
    };
    let body = format!("[{0},{0}]", resource_body());
    let sent = Sent("GET /boot-service/bootconfigurations", "");
    check(
        sent,
        &boot_service("ListBootConfigurationResources"),
        list,
        answer(&two),
        200,
        &body,
    )
    .await;
    let get = bss::GetBootConfigurationResourceRequest { uid: "c".into() };
    let sent = Sent("GET /boot-service/bootconfigurations/c", "");
    let body = resource_body();
    check(
        sent,
        &boot_service("GetBootConfigurationResource"),
        get,
        answer(&resource()),
        200,
        &body,
    )
    .await;
}

#[tokio::test]
async fn boot_service_deletes_with_a_message() {
    let delete = bss::DeleteBootConfigurationResourceRequest {
        uid: "c".into(),
        if_revision: None,
    };
    let deleted: Answer = answer(&bss::DeleteBootConfigurationResourceResponse {
        message: "deleted".into(),
        uid: "c".into(),
    });
    check(
        Sent("DELETE /boot-service/bootconfigurations/c", ""),
        &boot_service("DeleteBootConfigurationResource"),
        delete,
        deleted,
        200,
        r#"{"message":"deleted","uid":"c"}"#,
    )
    .await;
}

#[tokio::test]
async fn nodes_are_shown() {
    let node = bss::NodeResource {
        api_version: "v1".into(),
        kind: "Node".into(),
        spec: Some(bss::NodeSpec {
            xname: "x0c0s0b0n0".into(),
            nid: 1,
            boot_mac: "02:00:00:00:00:01".into(),
            sub_role: "Worker".into(),
            ..Default::default()
        }),
        status: Some(bss::NodeStatus {
            boot_configuration: "c".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let body = concat!(
        r#"{"apiVersion":"v1","kind":"Node","spec":{"xname":"x0c0s0b0n0","nid":1,"bootMac":"02:00:00:00:00:01","#,
        r#""subRole":"Worker"},"status":{"bootConfiguration":"c"}}"#
    );
    let get = bss::GetNodeResourceRequest {
        uid: "x0c0s0b0n0".into(),
    };
    let sent = Sent("GET /boot-service/nodes/x0c0s0b0n0", "");
    check(
        sent,
        &boot_service("GetNodeResource"),
        get,
        answer(&node),
        200,
        body,
    )
    .await;
    let all = bss::ListNodeResourcesResponse { items: vec![node] };
    let list = bss::ListNodeResourcesRequest {};
    let sent = Sent("GET /boot-service/nodes", "");
    check(
        sent,
        &boot_service("ListNodeResources"),
        list,
        answer(&all),
        200,
        &format!("[{body}]"),
    )
    .await;
    let fake = Fake::new();
    let got = send(
        &gateway(&fake, Options::default()),
        "PATCH",
        "/boot-service/nodes",
        &[],
        "{}",
    )
    .await;
    assert_eq!((got.status, got.header("allow")), (405, "GET,POST"), "{got:?}");
}

/// Nodes as `ochami boot node add|set|delete` sends them.
#[tokio::test]
async fn boot_service_takes_nodes() {
    let node = bss::NodeResource {
        kind: "Node".into(),
        spec: Some(bss::NodeSpec {
            xname: "x0c0s0b0n0".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let shown = r#"{"kind":"Node","spec":{"xname":"x0c0s0b0n0"}}"#;
    let spec = bss::NodeSpec {
        xname: "x0c0s0b0n0".into(),
        nid: 7,
        boot_mac: "02:00:00:00:00:01".into(),
        groups: vec!["rack".into()],
        ..Default::default()
    };
    let create = bss::CreateNodeResourceRequest {
        metadata: None,
        spec: Some(spec),
    };
    let body = r#"{"spec":{"xname":"x0c0s0b0n0","nid":7,"bootMac":"02:00:00:00:00:01","groups":["rack"]}}"#;
    check(
        Sent("POST /boot-service/nodes", body),
        &boot_service("CreateNodeResource"),
        create,
        answer(&node),
        201,
        shown,
    )
    .await;
    let patch = bss::PatchNodeResourceRequest {
        uid: "x0c0s0b0n0".into(),
        patch: Some(bss::NodeSpecPatch {
            role: Some("Service".into()),
            replace_groups: true,
            ..Default::default()
        }),
        if_revision: None,
    };
    check(
        Sent(
            "PATCH /boot-service/nodes/x0c0s0b0n0",
            r#"{"role":"Service","groups":[]}"#,
        ),
        &boot_service("PatchNodeResource"),
        patch,
        answer(&node),
        200,
        shown,
    )
    .await;
    let gone = bss::DeleteNodeResourceResponse {
        message: "Node deleted successfully".into(),
        uid: "x0c0s0b0n0".into(),
    };
    let delete = bss::DeleteNodeResourceRequest {
        uid: "x0c0s0b0n0".into(),
        if_revision: None,
    };
    check(
        Sent("DELETE /boot-service/nodes/x0c0s0b0n0", ""),
        &boot_service("DeleteNodeResource"),
        delete,
        answer(&gone),
        200,
        r#"{"message":"Node deleted successfully","uid":"x0c0s0b0n0"}"#,
    )
    .await;
}
