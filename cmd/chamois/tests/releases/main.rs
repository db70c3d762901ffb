//! What a recorded release has stored must open: for each one from 0.4.0 on there is a member's whole folder beside this
//! file, made by that version (`CHAMOIS_MAKE_FIXTURE=1 cargo test --workspace --test releases`, before it is recorded).
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "../common/mod.rs"]
mod common;

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

    fn digest(&self) -> (u64, String) {
        let (_, status, _) = self.ask(&["cluster", "status", "-o", "json"]);
        let status: Value = serde_json::from_str(&status).unwrap();
        (
            status[0]["applied_index"].as_u64().unwrap(),
            status[0]["digest"].as_str().unwrap().to_owned(),
        )
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
        return make();
    }
    for version in recorded() {
        let archive = fixtures().join(format!("{version}.tar.xz"));
        assert!(
            archive.is_file(),
            "release {version} has no fixture: {}",
            archive.display()
        );
        let site = Site(tempfile::tempdir().unwrap());
        tar(&["-xJf", text(&archive), "-C", text(site.0.path())]);
        site.configure();
        site.new_token();
        let member = site.start();
        let (code, group, error) = site.ask(&["group", "show", GROUP, "-o", "json"]);
        assert_eq!(code, 0, "{version}: {error}");
        assert!(group.contains(XNAME), "{version}: {group}");
        let (_, groups, _) = site.ask(&["group", "list", "-o", "json"]);
        let groups: Value = serde_json::from_str(&groups).unwrap();
        assert_eq!(
            groups["groups"].as_array().unwrap().len(),
            WRITES + 1,
            "{version}"
        );
        let written = site.ask(&["group", "create", "later"]);
        assert_eq!(written.0, 0, "{version}: it goes on: {written:?}");
        drop(member);
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
    let (index, digest) = site.digest();
    assert!(index > 150 && !digest.is_empty());
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
    ]);
}
