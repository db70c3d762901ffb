//! What cloud-init itself needs to boot a node: Debian's package fetches, includes and merges, from a real member.
//!
//! Needs `apt-get download` and python3 with cloud-init's libraries; runs with CHAMOIS_E2E=1. The package is unpacked,
//! never installed: its services are no business of the machine that runs tests. PyPI has no cloud-init.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::http::{Administrator, get};
use common::{Single, text};
use serde_json::{Value, json};

const XNAME: &str = "x1000c0s0b0n0";
/// A jinja template, as OpenCHAMI's tutorial has it, that writes the keys of meta-data into an account.
const COMPUTE: &str = "## template: jinja\n#cloud-config\nusers:\n- name: root\n  ssh_authorized_keys: \
                       {{ ds.meta_data.instance_data.v1.public_keys }}\nwrite_files:\n- path: /etc/syslog\n  content: \
                       '{{ ds.meta_data.instance_data.v1.vendor_data.groups.compute.syslog }}'\n";
/// Text that readers of YAML 1.1 take for something else unless it is quoted: "no", a time, a number.
const TRAPS: &str = r#"{"syslog":"10.0.0.1","debug":"no","at":"12:30:45","mode":"0755","port":514}"#;
/// All documents of a boot together: cloud-init pauses 1 s before it repeats a request, so more than this is a repeat.
const DOCUMENTS_AT_MOST_S: f64 = 1.0;
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB4vVRvkzmGE5PyWX2fuzJEgEfET4PRLHXCnD1uFZ8ZL admin@head";

/// The requests of a boot, one by one: a repeat would be a second too late, a missing one a setting that is lost.
#[test]
fn cloud_init_needs_its_documents_once_each_and_finds_all_that_is_set() {
    let test = "cloud_init_needs_its_documents_once_each_and_finds_all_that_is_set";
    if !is_wanted(test) {
        return;
    }
    let single = Single::prepare();
    let mut member = single.start();
    seed(&single);
    let package = unpack(single.dir.path());
    let base = seed_url(&single);
    let boot = |first: &str| boot(&single, &package, &base, first);

    let debian = boot("meta-data");
    assert_eq!(
        documents(&debian, &base),
        ["meta-data", "user-data", "vendor-data"]
    );
    check_settings(&debian, &base);
    let newer = boot("network-config");
    assert_eq!(
        documents(&newer, &base),
        ["network-config", "meta-data", "user-data", "vendor-data"]
    );
    check_settings(&newer, &base);
    let mac = &newer["network_config"]["ethernets"]["boot"]["match"]["macaddress"];
    assert_eq!(
        mac, "52:54:00:12:34:56",
        "a text, though YAML 1.1 could read a number"
    );

    member.terminate();
    assert_eq!(
        member.exit_code(Duration::from_secs(30)),
        Some(0),
        "{}",
        member.log()
    );
    let _member = single.start();
    let again = boot("network-config");
    assert_eq!(
        again["meta_data"], newer["meta_data"],
        "with the same instance-id"
    );
    assert_eq!(documents(&again, &base).len(), 4);
    for (what, boot) in [
        ("3 documents", debian),
        ("4 documents", newer),
        ("after a restart", again),
    ] {
        println!("cloud-init {}, {what}: {} s", boot["version"], boot["seconds"]);
        let seconds = boot["seconds"].as_f64().unwrap();
        assert!(seconds < DOCUMENTS_AT_MOST_S, "{what} took {seconds} s");
    }
}

/// What `ochami` would send for one node in one group.
fn seed(single: &Single) {
    let administrator = Administrator::new(&single.dir.path().join("identities"));
    let address = single.net.node_address(0).unwrap();
    let group = json!({
        "name": "compute", "description": "cg", "meta-data": serde_json::from_str::<Value>(TRAPS).unwrap(),
        "file": { "content": COMPUTE, "filename": "compute.yaml", "encoding": "plain" }
    });
    let bodies = [
        (
            "/hsm/v2/State/Components",
            json!({ "Components": [{ "ID": XNAME, "State": "On", "NID": 7 }] }),
        ),
        (
            "/hsm/v2/Inventory/EthernetInterfaces",
            json!({
                "MACAddress": "52:54:00:12:34:56", "ComponentID": XNAME,
                "IPAddresses": [{ "IPAddress": address.to_string() }]
            }),
        ),
        (
            "/hsm/v2/groups",
            json!({ "label": "compute", "members": { "ids": [XNAME] } }),
        ),
        (
            "/boot/v1/bootparameters",
            json!({ "hosts": [XNAME], "kernel": "http://x/k" }),
        ),
        (
            "/cloud-init/admin/cluster-defaults",
            json!({ "short-name": "nid", "nid-length": 3, "region": "no", "public-keys": [KEY] }),
        ),
        ("/cloud-init/admin/groups", group),
    ];
    for (path, body) in bodies {
        let answer = administrator.send(single.own(), "POST", path, &body.to_string());
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    }
}

/// What the boot script tells the kernel: `ds=nocloud-net;s=<URL>`.
fn seed_url(single: &Single) -> String {
    let script = get(single.http(), "/boot/v1/bootscript?mac=52:54:00:12:34:56").body;
    let url = script
        .split(";s=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let url = url.unwrap_or_else(|| panic!("no ds= in {script}"));
    assert!(url.contains("/cloud-init/b/"), "with the boot's context: {url}");
    format!("{}/", url.trim_end_matches('/'))
}

/// The names of the documents that were asked for, in order; each must have been answered at once.
fn documents(boot: &Value, base: &str) -> Vec<String> {
    let path = base.split_once("8081").unwrap().1;
    let attempts = boot["documents"].as_array().unwrap().iter();
    let name = |attempt: &Value| {
        let attempt = attempt.as_str().unwrap();
        let name = attempt
            .strip_prefix(&format!("GET {path}"))
            .and_then(|rest| rest.strip_suffix(" 200"));
        name.unwrap_or_else(|| panic!("{attempt}, below {path}"))
            .to_owned()
    };
    attempts.map(name).collect()
}

/// One more request for the group, and everything that was set is there, as texts.
fn check_settings(boot: &Value, base: &str) {
    let included = boot["included"].as_array().unwrap();
    assert!(
        included.len() == 1 && included[0].as_str().unwrap().ends_with("/compute.yaml 200"),
        "{included:?}"
    );
    assert_eq!(boot["complaints"], json!([]), "cloud-init warns of nothing");
    assert_eq!(boot["user_data"], "#cloud-config\n");
    let meta_data = &boot["meta_data"];
    assert!(
        meta_data["instance-id"].as_str().unwrap().starts_with("i-"),
        "{meta_data}"
    );
    assert_eq!(meta_data["local-hostname"], "nid007");
    assert_eq!(meta_data["instance_data"]["v1"]["region"], "no");
    let mut groups: Value = serde_json::from_str(TRAPS).unwrap();
    groups["Description"] = "cg".into();
    assert_eq!(
        meta_data["instance_data"]["v1"]["vendor_data"]["groups"],
        json!({ "compute": groups })
    );
    let cloud_config = &boot["cloud_config"];
    assert_eq!(
        cloud_config["users"],
        json!([{ "name": "root", "ssh_authorized_keys": [KEY] }])
    );
    assert_eq!(cloud_config["write_files"][0]["content"], "10.0.0.1");
    let phone_home = cloud_config["phone_home"]["url"].as_str().unwrap();
    let host = base.split("/cloud-init").next().unwrap();
    assert!(
        phone_home.starts_with(&format!("{host}/cloud-init/b/"))
            && phone_home.ends_with(&format!("/phone-home/{XNAME}")),
        "{phone_home}"
    );
}

/// Debian's cloud-init, unpacked below `dir`; gives its folder of Python modules.
fn unpack(dir: &Path) -> PathBuf {
    let dir = dir.join("cloud-init");
    std::fs::create_dir(&dir).unwrap();
    run(Command::new("apt-get")
        .args(["download", "cloud-init"])
        .current_dir(&dir));
    let deb = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    run(Command::new("dpkg-deb").args(["-x", text(&deb), text(&dir)]));
    dir.join("usr/lib/python3/dist-packages")
}

/// One boot by cloud-init's own code, from the node's address.
fn boot(single: &Single, package: &Path, base: &str, first: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cloud_init_client/boot.py");
    let address = single.net.node_address(0).unwrap().to_string();
    let output = run(Command::new("/usr/bin/python3")
        .args([script, text(package), base, &address, first])
        .env("PYTHONDONTWRITEBYTECODE", "1"));
    serde_json::from_slice(&output).unwrap()
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn is_wanted(test: &str) -> bool {
    let wanted = std::env::var("CHAMOIS_E2E").is_ok_and(|value| value == "1");
    if !wanted {
        let text = format!("\n*** NOT RUN: {test} (downloads cloud-init; set CHAMOIS_E2E=1) ***\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    wanted
}
