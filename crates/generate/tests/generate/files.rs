//! Files of targets and templates.

use proto::bss::v1::BootConfiguration;
use proto::configurator::v1::generate_service_server::GenerateService as _;
use proto::configurator::v1::{GenerateMapRequest, GetHttpSdRequest, GetStatusRequest, ListTargetsRequest};
use tonic::{Code, Request};

use crate::support::{Site, asked};

const NODE: &str = "x1000c0s0b0n0";

async fn with_node() -> Site {
    let site = Site::new();
    site.node(NODE, "02:00:00:00:10:01", "172.16.0.1").await;
    site
}

fn map_of(target: &str) -> Request<GenerateMapRequest> {
    Request::new(GenerateMapRequest {
        target: target.into(),
        option: Vec::new(),
    })
}

#[tokio::test]
async fn a_target_is_made_of_the_state() {
    let site = with_node().await;
    let made = site
        .files
        .generate(asked("hosts", &[]))
        .await
        .unwrap()
        .into_inner();
    let [file] = &made.files[..] else {
        panic!("{:?}", made.files)
    };
    assert_eq!((file.target.as_str(), file.path.as_str()), ("hosts", "hosts"));
    assert!(file.content.contains("172.16.0.1"), "{}", file.content);
    assert_eq!(file.revision, made.revision);
}

/// A file that is made again because something else has changed would be reloaded by its program for nothing.
#[tokio::test]
async fn the_same_state_gives_the_same_bytes_whatever_else_has_changed() {
    let site = with_node().await;
    let made = || async {
        site.files
            .generate(asked("hosts", &[]))
            .await
            .unwrap()
            .into_inner()
    };
    let before = made().await;
    site.credential("default", "root", "secret").await;
    assert_eq!(made().await, before);
    site.node("x1000c0s1b0n0", "02:00:00:00:10:02", "172.16.0.2")
        .await;
    assert!(made().await.revision > before.revision);
}

#[tokio::test]
async fn a_template_is_filled_where_its_path_says() {
    let site = with_node().await;
    site.put("motd", "{% for node in nodes %}{{ node.xname }}{% endfor %}")
        .await
        .unwrap();
    for name in ["motd", "template:motd"] {
        let made = site.files.generate(asked(name, &[])).await.unwrap().into_inner();
        let file = &made.files[0];
        assert_eq!(
            (file.target.as_str(), file.path.as_str()),
            ("template:motd", "etc/motd")
        );
        assert!(file.content.contains(NODE), "{}", file.content);
    }
}

/// As its script: a configuration, not boot parameters alone; and the revision of the file is that of the change.
#[tokio::test]
async fn a_node_boots_in_files_what_its_configuration_says() {
    let site = with_node().await;
    let body =
        "{% for node in nodes if node.boot %}{{ node.boot.kernel }} {{ node.boot.params }}{% endfor %}";
    site.put("boots", body).await.unwrap();
    let made = || async {
        site.files
            .generate(asked("boots", &[]))
            .await
            .unwrap()
            .into_inner()
    };
    let before = made().await;
    assert_eq!(before.files[0].content.trim(), "");
    site.configure(BootConfiguration {
        name: "debian".into(),
        kernel: "http://b/vmlinuz".into(),
        params: "quiet".into(),
        is_default: true,
        ..BootConfiguration::default()
    })
    .await;
    let after = made().await;
    assert_eq!(after.files[0].content.trim(), "http://b/vmlinuz quiet");
    assert!(after.revision > before.revision);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_name_and_place() {
    let site = with_node().await;
    site.put("motd", "one\n{{ nothing }}").await.unwrap();
    for (target, options, code, part) in [
        ("hots", &[][..], Code::NotFound, "hosts"),
        ("template:none", &[], Code::NotFound, "none"),
        ("", &[], Code::InvalidArgument, "target: "),
        ("hosts", &["x=1"], Code::InvalidArgument, "no such option"),
        ("hosts", &["x"], Code::InvalidArgument, "name=value"),
        ("motd", &["x=1"], Code::InvalidArgument, "take none"),
        ("motd", &[], Code::InvalidArgument, "line 2"),
    ] {
        let refused = site.files.generate(asked(target, options)).await.unwrap_err();
        assert_eq!(refused.code(), code, "{target}: {refused}");
        assert!(refused.message().contains(part), "{target}: {refused}");
    }
}

#[tokio::test]
async fn todays_route_answers_with_paths_and_texts() {
    let site = with_node().await;
    let answer = site
        .files
        .generate_map(map_of("hosts"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.content_type, "application/json");
    let map: serde_json::Value = serde_json::from_slice(&answer.data).unwrap();
    assert!(map["hosts"].as_str().unwrap().contains("172.16.0.1"), "{map}");
    let refused = site.files.generate_map(map_of("hots")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "not an empty 200");
}

#[tokio::test]
async fn prometheus_gets_a_list() {
    let site = with_node().await;
    let request = Request::new(GetHttpSdRequest::default());
    let answer = site.files.get_http_sd(request).await.unwrap().into_inner();
    let list: serde_json::Value = serde_json::from_slice(&answer.data).unwrap();
    assert!(list.is_array(), "{list}");
}

fn etag<T>(answer: &tonic::Response<T>) -> &str {
    let etag = answer.metadata().get(rpc::ETAG).unwrap();
    etag.to_str().unwrap()
}

/// Who asks again and again has the files already, mostly: the gateway answers 304 to who names the ETag.
#[tokio::test]
async fn the_same_files_have_the_same_etag_and_others_another() {
    let site = with_node().await;
    let map = || async { site.files.generate_map(map_of("hosts")).await.unwrap() };
    let list = || async {
        let request = Request::new(GetHttpSdRequest::default());
        site.files.get_http_sd(request).await.unwrap()
    };
    let files = || async { site.files.generate(asked("hosts", &[])).await.unwrap() };
    let (before, listed) = (map().await, list().await);
    assert_eq!(etag(&files().await), etag(&before), "the same files");
    assert_ne!(etag(&listed), etag(&before));
    site.credential("default", "root", "secret").await;
    assert_eq!(etag(&map().await), etag(&before), "nothing in them has changed");
    let other = site
        .files
        .generate(asked("hosts", &["domain=other.example"]))
        .await;
    assert_ne!(etag(&other.unwrap()), etag(&before));
    site.node("x1000c0s1b0n0", "02:00:00:00:10:02", "172.16.0.2")
        .await;
    assert_ne!(etag(&map().await), etag(&before));
    assert_ne!(etag(&list().await), etag(&listed));
}

/// Passwords could be tried against it.
#[tokio::test]
async fn files_with_secrets_have_no_etag() {
    let site = with_node().await;
    let answer = site.files.generate_with_secrets(asked("hosts", &[])).await;
    assert!(answer.unwrap().metadata().get(rpc::ETAG).is_none());
}

#[tokio::test]
async fn status_and_targets_are_told() {
    let site = Site::new();
    let status = site.files.get_status(Request::new(GetStatusRequest {})).await;
    let told = status.unwrap().into_inner().data;
    assert_eq!(told, br#"{"code":200,"message":"Configurator is healthy"}"#);
    let targets = site.files.list_targets(Request::new(ListTargetsRequest {})).await;
    let targets = targets.unwrap().into_inner().targets;
    assert!(targets.iter().any(|target| target.name == "slurm"));
    assert!(targets.iter().all(|target| !target.summary.is_empty()));
}
