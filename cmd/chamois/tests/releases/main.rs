//! What a recorded release has stored must open: for each one from 0.4.0 on there is a member's whole folder beside this
//! file, made by that version (`CHAMOIS_MAKE_FIXTURE=1 cargo test --workspace --test releases`, before it is recorded).
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "../common/mod.rs"]
mod common;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{CHAMOIS, Member, chamois, outcome, text};
use serde_json::Value;

/// Written into certificates and membership, so it is the same for ever; no other test has it.
const ADDRESS: &str = "127.255.4.1";
const API: &str = "127.255.4.1:7441";
/// What every fixture holds: `label` and members of a group, and enough writes for a snapshot below a log.
const GROUP: &str = "kept";
const XNAME: &str = "x1000c0s0b0n0";
const WRITES: usize = 150;
/// Those groups, `GROUP`, a component, its boot parameters and a subnet.
const OBJECTS: usize = WRITES + 4;
/// In the fixture: what was in it when it was made, and what `chamois snapshot save` made of that.
const WAS: &str = "was.json";
const SAVED: &str = "kept.snap";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/releases")
}

/// Versions with a fixture to be, newest first.
fn recorded() -> Vec<String> {
    let list = include_str!("../../../../deploy/releases");
    let versions = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next());
    let number = |version: &str| {
        version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap())
            .collect::<Vec<_>>()
    };
    versions
        .filter(|version| number(version) >= vec![0, 4, 0])
        .map(str::to_owned)
        .collect()
}

/// The member of a folder.
struct Site(tempfile::TempDir);

impl Site {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The configuration names absolute paths: written anew where the folder is now.
    fn configure(&self) {
        std::fs::create_dir_all(self.path("files")).unwrap();
        let config = format!(
            "cluster = \"kept\"\ndata-dir = {:?}\nidentity-dir = {:?}\n[member]\nid = 1\n[raft]\npeer-listen = \
             \"{ADDRESS}:7440\"\nsnapshot-entries = 100\n[api]\ngrpc-listen = \"{API}\"\nhttps-listen = \
             \"{ADDRESS}:8443\"\n[boot]\nfiles-dir = {:?}\n",
            self.path("data"),
            self.path("chamois/identity"),
            self.path("files"),
        );
        std::fs::write(self.path("chamois.toml"), config).unwrap();
    }

    fn start(&self) -> Member {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let config = self.path("chamois.toml");
        let child = Command::new(CHAMOIS)
            .args([
                "serve",
                "--config",
                text(&config),
                "--parent",
                &std::process::id().to_string(),
            ])
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut member = Member {
            child,
            log: self.path("log"),
        };
        member.until("the member to lead", || self.ask(&["group", "list"]).0 == 0);
        member
    }

    fn ask(&self, args: &[&str]) -> (i32, String, String) {
        let (ca, token) = (self.path("chamois/identity/ca.pem"), self.path("admin.token"));
        let target = [
            "--endpoints",
            API,
            "--ca",
            text(&ca),
            "--token-file",
            text(&token),
        ];
        outcome(&chamois(&[args, &target].concat()))
    }

    /// The token of the fixture has ended long ago.
    fn new_token(&self) {
        let (key, out) = (self.path("chamois/identity/token.key"), self.path("admin.token"));
        let issued = chamois(&["token", "issue", "--key", text(&key), "--out", text(&out)]);
        assert!(issued.status.success(), "{:?}", outcome(&issued));
    }

    /// What the saved file says of itself, its digest and revision among it: it does not change.
    fn saved(&self) -> Value {
        let file = self.path(SAVED);
        let (code, inspected, error) = outcome(&chamois(&["snapshot", "inspect", text(&file), "-o", "json"]));
        assert_eq!(code, 0, "{error}");
        let all: Value = serde_json::from_str(&inspected).unwrap();
        serde_json::json!({ "revision": all["revision"], "digest": all["digest"], "rows": all["rows"] })
    }

    /// Every object that a watch begins with, in order. The digest of a running member is no measure: its first entry
    /// as the leader moves the index, which is in it.
    fn content(&self) -> Vec<Value> {
        let (ca, token) = (self.path("chamois/identity/ca.pem"), self.path("admin.token"));
        let mut watch = Command::new(CHAMOIS)
            .args(["watch", "--json", "--endpoints", API, "--ca", text(&ca)])
            .args(["--token-file", text(&token)])
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        let lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let state = lines.take_while(|line| line["change"] != "state-ends");
        let mut content: Vec<Value> = state.filter(|line| line["change"] == "state").collect();
        watch.kill().unwrap();
        watch.wait().unwrap();
        content.sort_by_key(|object| format!("{} {}", object["kind"], object["key"]));
        content
    }
}

fn tar(args: &[&str]) {
    let done = Command::new("tar").args(args).output().unwrap();
    assert!(done.status.success(), "{:?}", outcome(&done));
}

/// A release whose data a later version cannot open would strand whoever upgrades. (One port for all: one test.)
#[test]
fn what_every_recorded_release_has_stored_opens() {
    if std::env::var_os("CHAMOIS_MAKE_FIXTURE").is_some() {
        make();
        return opens(env!("CARGO_PKG_VERSION"));
    }
    for version in recorded() {
        opens(&version);
    }
}

/// A fixture gives what was in it when it was made, and the member goes on.
fn opens(version: &str) {
    let archive = fixtures().join(format!("{version}.tar.xz"));
    assert!(
        archive.is_file(),
        "release {version} has no fixture: {}",
        archive.display()
    );
    let site = Site(tempfile::tempdir().unwrap());
    tar(&["-xJf", text(&archive), "-C", text(site.0.path())]);
    let was = std::fs::read_to_string(site.path(WAS)).unwrap();
    let was: Value = serde_json::from_str(&was).unwrap();
    assert_eq!(site.saved(), was["saved"], "{version}: what was saved");
    site.configure();
    site.new_token();
    let member = site.start();
    let (was, is) = (was["content"].as_array().unwrap(), site.content());
    assert_eq!((was.len(), is.len()), (OBJECTS, OBJECTS), "{version}");
    for (was, is) in was.iter().zip(&is) {
        assert!(is_within(was, is), "{version}: {was} has become {is}");
    }
    let (code, group, error) = site.ask(&["group", "show", GROUP, "-o", "json"]);
    assert_eq!(code, 0, "{version}: {error}");
    assert!(group.contains(XNAME), "{version}: {group}");
    let written = site.ask(&["group", "create", "later"]);
    assert_eq!(written.0, 0, "{version}: it goes on: {written:?}");
    drop(member);
}

/// Whether all that `was` has is in `is`, where a later version may have put more.
fn is_within(was: &Value, is: &Value) -> bool {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => was
            .iter()
            .all(|(name, was)| is.get(name).is_some_and(|is| is_within(was, is))),
        (was, is) => was == is,
    }
}

/// A member with components, groups, a subnet, cloud-init data and boot parameters; a snapshot, a log beyond it, and a
/// checkpoint.
fn make() {
    let site = Site(tempfile::tempdir().unwrap());
    let (dir, data) = (site.path("chamois"), site.path("data"));
    let made = chamois(&[
        "init",
        "--cluster",
        "kept",
        "--address",
        ADDRESS,
        "--dir",
        text(&dir),
        "--data-dir",
        text(&data),
    ]);
    assert!(made.status.success(), "{:?}", outcome(&made));
    site.configure();
    site.new_token();
    let mut member = site.start();
    let client = common::http::Administrator::new(&dir);
    let address: std::net::Ipv4Addr = ADDRESS.parse().unwrap();
    let components = format!("{{\"Components\":[{{\"ID\":\"{XNAME}\",\"State\":\"On\",\"NID\":1}}]}}");
    let post = |path: &str, body: &str| {
        let answer = client.send(address, "POST", path, body);
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    };
    post("/hsm/v2/State/Components", &components);
    let parameters = format!(
        "{{\"hosts\":[\"{XNAME}\"],\"params\":\"quiet\",\"kernel\":\"http://k\",\"initrd\":\"http://i\"}}"
    );
    post("/boot/v1/bootparameters", &parameters);
    assert_eq!(site.ask(&["group", "create", GROUP, XNAME]).0, 0);
    assert_eq!(site.ask(&["subnet", "put", "10.97.0.0/16"]).0, 0);
    for n in 0..WRITES {
        assert_eq!(site.ask(&["group", "create", &format!("g{n}")]).0, 0);
    }
    let saved = site.ask(&["snapshot", "save", text(&site.path(SAVED))]);
    assert_eq!(saved.0, 0, "{saved:?}");
    let was = serde_json::json!({ "saved": site.saved(), "content": site.content() });
    std::fs::write(site.path(WAS), was.to_string()).unwrap();
    member.until("a snapshot", || {
        site.path("data/snapshots").read_dir().unwrap().next().is_some()
    });
    member.terminate();
    assert_eq!(member.exit_code(Duration::from_secs(30)), Some(0));
    let archive = fixtures().join(format!("{}.tar.xz", env!("CARGO_PKG_VERSION")));
    tar(&[
        "-cSJf",
        text(&archive),
        "-C",
        text(site.0.path()),
        "chamois/identity",
        "data",
        WAS,
        SAVED,
    ]);
}
