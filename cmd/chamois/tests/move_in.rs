//! `chamois import bss`, `chamois import cloud-init` and `chamois migrate openchami` against a real member and services that
//! answer as OpenCHAMI's do: what comes in comes in once, what is hostile or broken does not, and nobody is surprised.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use common::{Member, Single, counts, text};
use serde_json::{Value, json};

/// A secret that a site keeps in cloud-init's data.
const SECRET: &str = "c4n4ry";

/// A cluster of one member that leads.
fn cluster() -> (Single, Member) {
    let single = Single::prepare();
    let mut member = single.start();
    member.until("the member leads at the newest level", || {
        single.ask(&["component", "list"]).0 == 0
    });
    (single, member)
}

/// Status, body and how many of its bytes are sent.
type Answer = (u16, String, usize);

/// An HTTP server that has a fixed answer for each path, and 404 for all others. It ends with the process.
#[derive(Clone, Default)]
struct OldSystem {
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl OldSystem {
    /// Gives its URL.
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let server = server.clone();
                std::thread::spawn(move || server.serve(stream.unwrap()));
            }
        });
        url
    }

    fn has(&self, path: &str, document: &Value) {
        self.answers_with(path, 200, document.to_string());
    }

    fn answers_with(&self, path: &str, status: u16, body: String) {
        let bytes = body.len();
        self.answers
            .lock()
            .unwrap()
            .insert(path.to_owned(), (status, body, bytes));
    }

    /// The connection breaks within the body.
    fn breaks_within(&self, path: &str, document: &Value) {
        let body = document.to_string();
        let half = body.len() / 2;
        self.answers
            .lock()
            .unwrap()
            .insert(path.to_owned(), (200, body, half));
    }

    fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let request = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
            while line.trim() != "" {
                line.clear();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
            }
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            self.asked.lock().unwrap().push(request);
            let known = self.answers.lock().unwrap().get(&path).cloned();
            let (status, body, sent) = known.unwrap_or((404, "404 page not found".into(), 18));
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n", body.len());
            let written = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&body.as_bytes()[..sent]));
            if written.is_err() || sent < body.len() {
                return;
            }
        }
    }
}

fn nodes() -> Value {
    let node = |n: u32| json!({ "ID": format!("x1000c0s{n}b0n0"), "Type": "Node", "State": "Ready", "Role": "Compute", "NID": 100 + n });
    json!({ "Components": [node(0), node(1), node(2)] })
}

fn interfaces() -> Value {
    let interface = |n: u32| json!({ "MACAddress": format!("02:00:00:00:00:0{n}"), "ComponentID": format!("x1000c0s{n}b0n0") });
    json!([interface(0), interface(1), interface(2)])
}

/// As BSS lists them with etcd behind it: images first, empty cloud-init data everywhere.
fn boot_parameters() -> Value {
    let nothing = json!({ "meta-data": null, "user-data": null,
        "phone-home": { "pub_key_dsa": "", "pub_key_rsa": "", "pub_key_ecdsa": "", "instance_id": "", "hostname": "", "fqdn": "" } });
    json!([
        { "kernel": "http://172.16.0.254:9000/k", "cloud-init": nothing },
        { "initrd": "http://172.16.0.254:9000/i", "cloud-init": nothing },
        { "hosts": ["Compute"], "params": "quiet root=live:http://172.16.0.254:9000/r ds=nocloud-net;s=http://172.16.0.254:8081/cloud-init",
          "kernel": "http://172.16.0.254:9000/k", "initrd": "http://172.16.0.254:9000/i", "cloud-init": nothing },
        { "hosts": ["02:00:00:00:00:02"], "params": "console=ttyS0", "kernel": "http://images.example/k", "cloud-init":
          { "meta-data": { "password": SECRET }, "user-data": null, "phone-home": {} } },
    ])
}

fn revision(single: &Single) -> u64 {
    let (code, out, err) = single.ask(&["cluster", "status", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    let members: Value = serde_json::from_str(&out).unwrap();
    members[0]["applied_index"].as_u64().unwrap()
}

/// The same, when the leader has written what each cluster begins with: the keys that sign, and its CA.
fn settled_revision(single: &Single) -> u64 {
    let mut seen = revision(single);
    loop {
        std::thread::sleep(std::time::Duration::from_secs(2));
        let now = revision(single);
        if now == seen {
            return now;
        }
        seen = now;
    }
}

/// A node's old system with an SMD, a BSS and a cloud-init server, at this URL.
fn whole_old_system() -> (OldSystem, String) {
    let old = OldSystem::default();
    let url = old.start();
    old.has("/hsm/v2/State/Components", &nodes());
    old.has("/hsm/v2/Inventory/EthernetInterfaces", &interfaces());
    let members = json!({ "ids": ["x1000c0s0b0n0", "x1000c0s1b0n0"] });
    old.has(
        "/hsm/v2/groups",
        &json!([{ "label": "compute", "members": members }]),
    );
    old.has("/boot/v1/bootparameters", &boot_parameters());
    old.has(
        "/cloud-init/admin/cluster-defaults",
        &json!({ "cloud_provider": "openchami", "base-url": format!("{url}/cloud-init"), "nid-length": 3 }),
    );
    let file = json!({ "content": format!("#cloud-config\n# {SECRET}\n"), "filename": "c.yaml", "encoding": "plain" });
    old.has(
        "/cloud-init/admin/groups",
        &json!({ "compute": { "name": "compute", "description": "all", "meta-data": { "p": SECRET }, "file": file } }),
    );
    (old, url)
}

/// What `chamois migrate openchami --diff` tells.
fn migrated(single: &Single, url: &str) -> Value {
    let (code, out, err) = single.ask(&["migrate", "openchami", "--url", url, "--diff", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    assert!(!out.contains(SECRET), "{out}");
    serde_json::from_str(&out).unwrap()
}

/// Everything an administrator does to move in, in order; at the end each node boots as before.
#[test]
fn a_cluster_takes_over_what_openchami_has() {
    let (single, _member) = cluster();
    let (old, url) = whole_old_system();
    let told = migrated(&single, &url);
    assert_eq!(
        (&told["nodes"], &told["notHere"]),
        (&json!(3), &json!(3)),
        "{told}"
    );
    let smd = format!("{url}/hsm/v2");
    assert_eq!(single.ask(&["import", "smd", &smd, "--yes"]).0, 0);
    let told = migrated(&single, &url);
    assert_eq!(told["changes"], json!({ "cloud-init": 2, "script": 3 }), "{told}");
    takes_over_boot_parameters(&single, &url);
    takes_over_cloud_inits_data(&single, &url);
    only_what_was_rewritten_is_left(&single, &old, &url);
}

fn takes_over_boot_parameters(single: &Single, url: &str) {
    let rewriting = ["--rewrite-host", "172.16.0.254:9000=10.97.0.1:8081"];
    let import = |more: &[&str]| {
        let mut args = vec!["import", "bss", url, "-o", "json"];
        args.extend(rewriting);
        args.extend(more);
        single.ask(&args)
    };
    let before = revision(single);
    let (code, out, err) = import(&["--dry-run"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "boot parameters"), (2, 0, 0, 0));
    assert_eq!(revision(single), before, "a dry run writes nothing");
    let hosts: Value = serde_json::from_str::<Value>(&out).unwrap()["hosts"].clone();
    assert_eq!(
        hosts,
        json!([
            { "field": "ds", "host": "172.16.0.254:8081", "times": 1 },
            { "field": "kernel", "host": "images.example", "times": 1 },
        ]),
        "a ds= that stays sends nodes to the old cloud-init server"
    );
    let (code, out, err) = import(&["--yes"]);
    assert_eq!(code, 0, "{err}");
    assert!(!out.contains(SECRET) && !err.contains(SECRET), "{out}{err}");
    let (code, out, err) = single.ask(&["boot", "script", "02:00:00:00:00:00"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("kernel --name kernel http://10.97.0.1:8081/k initrd=initrd quiet"),
        "{out}"
    );
    let (code, out, _) = import(&["--yes"]);
    let again = counts(&out, "boot parameters");
    assert_eq!((code, again), (0, (0, 0, 2, 0)), "once is enough");
}

fn takes_over_cloud_inits_data(single: &Single, url: &str) {
    let cloud_init = format!("{url}/cloud-init");
    let import = ["import", "cloud-init", &cloud_init, "--yes", "-o", "json"];
    let (code, out, err) = single.ask(&import);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        (counts(&out, "cluster-defaults"), counts(&out, "groups")),
        ((1, 0, 0, 0), (1, 0, 0, 0))
    );
    assert!(!out.contains(SECRET) && !err.contains(SECRET), "{out}{err}");
    assert!(
        out.contains("base-url") && out.contains("instance-info: left out"),
        "{out}"
    );
    let (_, out, _) = single.ask(&import);
    assert_eq!(
        (counts(&out, "cluster-defaults"), counts(&out, "groups")),
        ((0, 0, 1, 0), (0, 0, 1, 0))
    );
}

fn only_what_was_rewritten_is_left(single: &Single, old: &OldSystem, url: &str) {
    old.take_asked();
    let before = revision(single);
    let told = migrated(single, url);
    assert_eq!(
        (&told["changed"], &told["changes"], &told["defaults"]),
        (
            &json!(2),
            &json!({ "initrd": 2, "kernel": 2, "params": 2 }),
            &json!([])
        ),
        "{told}"
    );
    assert_eq!(revision(single), before, "a comparison writes nothing");
    let asked = old.take_asked();
    assert!(
        asked
            .iter()
            .all(|line| line.starts_with("GET ") && !line.contains("bootscript")),
        "{asked:?}"
    );
    let (code, out, _) = single.ask(&["migrate", "openchami", "--url", url, "--diff"]);
    assert!(
        code == 0 && out.contains("UNCHANGED") && out.contains("kernel: changes for 2"),
        "{out}"
    );
}

/// One object that is wrong hides none of the others, whoever finds out; and nothing is stored of the rest.
#[test]
fn everything_that_is_wrong_with_cloud_inits_data_is_told_at_once() {
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ci.json");
    let document = json!({
        "cluster-defaults": { "region": "west" },
        "groups": {
            "unreadable": { "file": { "content": 7 } },
            "not-base64": { "file": { "content": "#", "encoding": "base64" } },
            "fine": { "description": "fine" },
        },
        "instance-info": [
            { "id": "x1000c0s0b0n0", "local-hostname": "a_b c" },
            { "id": "x1000c0s1b0n0", "cloud-init-base-url": "ftp://x" },
            { "id": "x1000c0s2b0n0", "local-hostname": "fine" },
        ],
    });
    std::fs::write(&file, document.to_string()).unwrap();
    let before = settled_revision(&single);
    let import = ["import", "cloud-init", text(&file), "--yes"];
    let (code, out, err) = single.ask(&import);
    assert_eq!(code, 4, "{out}{err}");
    assert!(err.contains("4 objects"), "{err}");
    for told in [
        "! unreadable: file.content: ",
        "! not-base64: file.content: ",
        "! x1000c0s0b0n0: local-hostname: ",
        "! x1000c0s1b0n0: cloud-init-base-url: ",
    ] {
        assert!(out.contains(told), "{told}\n{out}");
    }
    assert_eq!(revision(&single), before, "all or nothing");
    let mut skipping = import.to_vec();
    skipping.extend(["--skip-refused", "-o", "json"]);
    let (code, out, err) = single.ask(&skipping);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "groups"), (1, 0, 0, 2));
    assert_eq!(counts(&out, "instance-info"), (1, 0, 0, 2));
}

/// What goes out comes into another, empty cluster and goes out again: the same bytes.
#[test]
fn boot_parameters_and_cloud_inits_data_go_out_and_come_in() {
    let (first, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let saved = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let cloud_init_data = json!({
        "cluster-defaults": { "region": "west", "nid-length": 3 },
        "groups": { "compute": { "name": "compute", "meta-data": { "n": 1.5 },
            "file": { "content": "#cloud-config\n", "filename": "c.yaml", "encoding": "plain" } } },
        "instance-info": [{ "id": "x1000c0s0b0n0", "local-hostname": "lh" }],
    });
    let boot = saved("bss.json", &boot_parameters().to_string());
    let data = saved("ci.json", &cloud_init_data.to_string());
    let export = |single: &Single, of: &str| {
        let (code, out, err) = single.ask(&["export", "--of", of]);
        assert_eq!(code, 0, "{err}");
        out
    };
    for (what, file, name) in [("bss", boot, "out-bss"), ("cloud-init", data, "out-ci")] {
        let (code, _, err) = first.ask(&["import", what, text(&file), "--yes"]);
        assert_eq!(code, 0, "{err}");
        saved(name, &export(&first, what));
    }
    let (second, _member) = cluster();
    for (what, name) in [("bss", "out-bss"), ("cloud-init", "out-ci")] {
        let file = dir.path().join(name);
        let (code, _, err) = second.ask(&["import", what, text(&file), "--yes"]);
        assert_eq!(code, 0, "{err}");
        assert_eq!(
            export(&second, what),
            std::fs::read_to_string(&file).unwrap(),
            "{what}"
        );
    }
    assert_eq!(first.ask(&["export", "--of", "bss", "folder"]).0, 2);
}

/// An answer that is none must not be taken for an empty one, and nothing of it may be stored.
#[test]
fn a_broken_source_changes_nothing_and_says_why() {
    let (single, _member) = cluster();
    let old = OldSystem::default();
    let url = old.start();
    let import = |what: &str| {
        let source = match what {
            "bss" => url.clone(),
            _ => format!("{url}/cloud-init"),
        };
        single.ask(&["import", what, &source, "--yes"])
    };
    let before = settled_revision(&single);
    let cases = [
        ("bss", "/boot/v1/bootparameters"),
        ("cloud-init", "/cloud-init/admin/cluster-defaults"),
    ];
    for (what, path) in cases {
        let (code, _, err) = import(what);
        assert_eq!(code, 3, "{err}");
        for (status, body, code, says) in [
            (500, String::new(), 6, "500"),
            (401, String::new(), 5, "--source-token-file"),
            (302, String::new(), 2, "redirections are not followed"),
            (200, "<html>".to_owned(), 2, "line 1 column 1"),
            (200, "[[[".to_owned(), 2, "line 1 column 3"),
            (200, "7".to_owned(), 2, "Accepted is"),
            (200, "x".repeat(20 << 20), 2, "line 1 column 1"),
            (200, "[".repeat(20 << 20), 2, "32 arrays"),
        ] {
            old.answers_with(path, status, body);
            let (got, out, err) = import(what);
            assert_eq!(got, code, "{what} {status}: {out}{err}");
            assert!(
                err.contains(says) && err.contains(path),
                "{what} {status} {says}: {err}"
            );
        }
        old.breaks_within(path, &boot_parameters());
        let (code, _, err) = import(what);
        assert_eq!(code, 6, "{what}: {err}");
    }
    assert_eq!(revision(&single), before);
    let (code, _, err) = single.ask(&["migrate", "openchami", "--url", &url, "--diff"]);
    assert_eq!(code, 3, "{err}");
    assert_eq!(
        single.ask(&["migrate", "openchami", "--url", &url]).0,
        2,
        "--diff is needed"
    );
    assert_eq!(
        single.ask(&["migrate", "openchami", "--diff"]).0,
        2,
        "--url is needed"
    );
}

/// BSS takes a line break in parameters and makes a command of it.
#[test]
fn hostile_values_stay_where_they_are() {
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bss.json");
    let document = json!({ "Components": [], "Params": [
        { "hosts": ["x1000c0s0b0n0"], "params": "quiet\nreboot", "kernel": "http://i/k" },
        { "hosts": ["x1000c0s1b0n0"], "params": "quiet || reboot", "kernel": "http://i/k" },
        { "hosts": ["evil\u{1b}[2Jhost"], "kernel": "http://i/k" },
        { "hosts": ["Default"], "params": "quiet", "kernel": "http://i/k" },
    ] });
    std::fs::write(&file, document.to_string()).unwrap();
    let (code, out, err) = single.ask(&["import", "bss", text(&file), "--yes"]);
    assert_eq!(code, 4, "{err}");
    assert!(
        err.contains("3 objects") && err.contains("--skip-refused"),
        "{err}"
    );
    assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "{out}{err}");
    let skipping = [
        "import",
        "bss",
        text(&file),
        "--yes",
        "--skip-refused",
        "-o",
        "json",
    ];
    let (code, out, err) = single.ask(&skipping);
    assert_eq!(code, 0, "{err}");
    assert_eq!(counts(&out, "boot parameters"), (1, 0, 0, 3));
    let (_, out, _) = single.ask(&skipping);
    assert_eq!(counts(&out, "boot parameters"), (0, 0, 1, 3));
    let (code, _, err) = single.ask(&["import", "bss", text(&file), "--rewrite-host", "a/b=c"]);
    assert!(code == 2 && err.contains("OLD=NEW"), "{err}");
}

/// Several requests; each entry has values of its own.
#[test]
fn thousands_of_entries_come_in_by_a_few_requests() {
    const ENTRIES: usize = 4500;
    let (single, _member) = cluster();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bss.json");
    let entry = |n: usize| {
        let host = format!("x{}c{}s{}b0n0", n / 512, n / 64 % 8, n % 64);
        json!({ "hosts": [host], "params": format!("word={n}"), "kernel": "http://i/k" })
    };
    let document: Vec<Value> = (0..ENTRIES).map(entry).collect();
    std::fs::write(&file, json!(document).to_string()).unwrap();
    let before = settled_revision(&single);
    let (code, out, err) = single.ask(&["import", "bss", text(&file), "--yes", "--timeout", "60"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("imported 4500 objects"), "{out}");
    let entries = revision(&single) - before;
    assert!(entries < 100, "{entries} entries of the log");
    let (_, out, _) = single.ask(&["import", "bss", text(&file), "--dry-run", "-o", "json"]);
    assert_eq!(counts(&out, "boot parameters"), (0, 0, ENTRIES as u64, 0));
}
