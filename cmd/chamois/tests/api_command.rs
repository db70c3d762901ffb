//! `chamois api` and `/openapi.json` against a real member; a tool of others that knows the API by reflection alone.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::http::Administrator;
use common::{CHAMOIS, Single, chamois, outcome};
use serde_json::{Value, json};

/// Of npm, as `.ci/protos` has it.
const BUF: &str = "@bufbuild/buf@1.75.0";
const GROUP: &str = r#"{"label": "blue", "description": "by hand"}"#;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Nothing is asked of a cluster for these: they are what somebody tries first.
#[test]
fn the_api_is_explained_without_a_cluster() {
    let (code, out, err) = outcome(&chamois(&["api", "list", "/hsm/v2/groups"]));
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("smd.v1.GroupService.CreateGroup") && out.contains("POST /hsm/v2/groups"),
        "{out}"
    );
    let (code, out, err) = outcome(&chamois(&["api", "explain", "smd.v1.GroupService.CreateGroup"]));
    assert_eq!(code, 0, "{err}");
    for part in [
        "permission   smd.write",
        "--validate-only",
        "exclusiveGroup  string",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, out, _) = outcome(&chamois(&[
        "api",
        "explain",
        "smd.v1.Component.NID",
        "-o",
        "json",
    ]));
    assert_eq!((code, &parsed(&out)["kind"]), (0, &json!("field")));
    let (code, _, err) = outcome(&chamois(&["api", "explain", "CreateGruop"]));
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("GroupService.CreateGroup"), "{err}");
    let (code, _, err) = outcome(&chamois(&["api", "call", "CreateGroup"]));
    assert_eq!(code, 2, "SMD and cloud-init both have one: {err}");
}

/// What is served is what the command writes.
#[test]
fn the_document_is_served() {
    let site = Single::prepare();
    let _member = site.start();
    let (code, written, err) = outcome(&chamois(&["api", "openapi"]));
    assert_eq!(code, 0, "{err}");
    let administrator = Administrator::new(&site.identities());
    let served = administrator.send(site.own(), "GET", "/openapi.json", "");
    assert_eq!(served.status, 200, "{served:?}");
    assert_eq!(parsed(&served.body), parsed(&written));
    let etag = format!("If-None-Match: {}\r\n", served.header("etag").unwrap());
    let again = administrator.send_with(site.own(), "GET", "/openapi.json", &etag, "");
    assert_eq!(again.status, 304);
    let of_nodes = common::http::get(site.http(), "/openapi.json");
    assert_eq!(of_nodes.status, 404, "the plain port of nodes has none");
}

/// A write is tried out, made, read back and made no second time, all by names and JSON.
#[test]
fn any_method_is_called_with_json() {
    let site = Single::prepare();
    let _member = site.start();
    let create = ["api", "call", "smd.v1.GroupService.CreateGroup", "-d", GROUP];
    let get = [
        "api",
        "call",
        "smd.v1.GroupService.GetGroup",
        "-d",
        r#"{"label": "blue"}"#,
    ];

    let (code, out, err) = site.ask(&[&create[..], &["--validate-only"]].concat());
    assert_eq!(code, 0, "{err}");
    let tried = parsed(&out);
    assert_eq!(
        (&tried["validate_only"], &tried["changes"][0]["change"]),
        (&json!(true), &json!("created"))
    );
    let (code, _, err) = site.ask(&get);
    assert_eq!(code, 3, "it was only tried out: {err}");

    let (code, _, err) = site.ask(&create);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = site.ask(&get);
    assert_eq!(code, 0, "{err}");
    let group = parsed(&out);
    assert_eq!(
        (&group["label"], &group["description"]),
        (&json!("blue"), &json!("by hand"))
    );
    assert!(group["meta"]["created"]["revision"].as_u64() > Some(0), "{group}");
    let (code, _, err) = site.ask(&create);
    assert_eq!(code, 4, "it is there already: {err}");

    let local = [&get[..], &["-H", "chamois-consistency: local"]].concat();
    let (code, _, err) = site.ask(&local);
    assert_eq!(code, 0, "{err}");
    let slip = [
        "api",
        "call",
        "smd.v1.GroupService.GetGroup",
        "-d",
        r#"{"labl": "blue"}"#,
    ];
    let (code, _, err) = site.ask(&slip);
    assert!(code == 2 && err.contains("Is it label?"), "{code}: {err}");
    let not_tried = ["api", "call", "smd.v1.GroupService.GetGroup", "--validate-only"];
    assert_eq!(site.ask(&not_tried).0, 2);
}

/// Each message of a stream is a line, as soon as it is there.
#[test]
fn a_stream_is_shown_as_it_comes() {
    let site = Single::prepare();
    let _member = site.start();
    let mut watcher = Command::new(CHAMOIS)
        .args(["api", "call", "WatchService.Watch"])
        .args(site.client_args())
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let next = || parsed(&told.recv_timeout(Duration::from_secs(20)).unwrap());
    while next()["snapshotEnd"].is_null() {}
    let (code, _, err) = site.ask(&["api", "call", "smd.v1.GroupService.CreateGroup", "-d", GROUP]);
    assert_eq!(code, 0, "{err}");
    while !next().to_string().contains("blue") {}
    watcher.kill().unwrap();
    watcher.wait().unwrap();
}

/// Who has `buf` needs no .proto files. Runs with `CHAMOIS_E2E=1`: npm fetches it.
#[test]
fn buf_curl_knows_the_api_by_reflection() {
    if std::env::var_os("CHAMOIS_E2E").is_none() {
        eprintln!("NOT RUN: buf_curl_knows_the_api_by_reflection: set CHAMOIS_E2E=1 (npm and its registry)");
        return;
    }
    let site = Single::prepare();
    let _member = site.start();
    let (code, _, err) = site.ask(&["api", "call", "smd.v1.GroupService.CreateGroup", "-d", GROUP]);
    assert_eq!(code, 0, "{err}");
    let token = format!("authorization: Bearer {}", site.token().trim());
    let ca = site.identities().join("ca.pem");
    let curl = |more: &[&str]| {
        let output = Command::new("npx")
            .args([
                "--yes",
                "--package",
                BUF,
                "buf",
                "curl",
                "--protocol",
                "grpc",
                "--cacert",
            ])
            .arg(&ca)
            .args(["--header", &token, "--reflect-header", &token])
            .args(more)
            .output()
            .unwrap();
        outcome(&output)
    };
    let url = format!("https://{}:7441", site.own());
    let (code, out, err) = curl(&["--list-services", &url]);
    assert!(
        code == 0 && out.contains("chamois.smd.v1.GroupService"),
        "{code}: {out}{err}"
    );
    let method = format!("{url}/chamois.smd.v1.GroupService/GetGroup");
    let (code, out, err) = curl(&["--data", r#"{"label": "blue"}"#, &method]);
    assert!(code == 0 && out.contains("by hand"), "{code}: {out}{err}");
}
