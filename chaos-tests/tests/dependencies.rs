//! Rules about the code itself: who may depend on whom, and what must not be in the tree at all.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Our crates, and which of our crates each may use. Dependencies point one way: `chamois` → services,
/// `gateway`, `cli` → `raft` → `state` → `model`, with `proto` and `rpc` beside.
const ALLOWED: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("model", &[]),
    ("boot-choice", &["model", "proto"]),
    ("state", &["model", "proto", "boot-choice"]),
    ("rpc", &["model", "proto"]),
    ("auth", &["model", "proto", "rpc"]),
    ("raft", &["model", "state", "proto", "rpc"]),
    ("gateway", &["model", "proto", "rpc"]),
    ("openapi", &["proto", "rpc"]),
    ("smd", &["model", "state", "proto", "rpc", "auth", "raft"]),
    ("tally", &[]),
    ("timeline", &["model", "state", "proto", "rpc", "raft", "tally"]),
    (
        "bss",
        &["model", "state", "proto", "rpc", "auth", "raft", "timeline"],
    ),
    (
        "cloud-init",
        &["model", "state", "proto", "rpc", "auth", "raft", "timeline"],
    ),
    (
        "dhcp",
        &[
            "model", "state", "proto", "rpc", "raft", "address", "timeline", "tally",
        ],
    ),
    (
        "dhcp6",
        &["model", "state", "proto", "raft", "timeline", "dhcp", "tally"],
    ),
    ("boot-files", &["model", "state", "proto", "rpc", "raft"]),
    ("watch", &["model", "state", "proto", "rpc", "raft"]),
    ("access", &["model", "state", "proto", "rpc", "auth", "raft"]),
    ("audit", &["state", "proto", "rpc", "raft"]),
    ("tftp", &["tally"]),
    ("dns", &["model", "state", "proto", "raft", "tally"]),
    ("address", &[]),
    ("base2histogram", &[]),
    ("redfish", &[]),
    ("discovery", &["model", "proto", "redfish"]),
    ("jobs", &["model", "state", "proto", "rpc", "raft"]),
    (
        "bmcs",
        &[
            "model",
            "state",
            "proto",
            "rpc",
            "auth",
            "raft",
            "smd",
            "redfish",
            "discovery",
            "jobs",
        ],
    ),
    (
        "power",
        &[
            "model", "state", "proto", "rpc", "raft", "jobs", "bmcs", "redfish",
        ],
    ),
    (
        "firmware",
        &[
            "model", "state", "proto", "rpc", "raft", "jobs", "bmcs", "redfish",
        ],
    ),
    (
        "console",
        &["model", "state", "proto", "rpc", "raft", "bmcs", "redfish"],
    ),
    ("configurator", &["model", "proto", "boot-choice"]),
    (
        "generate",
        &[
            "model",
            "state",
            "proto",
            "rpc",
            "auth",
            "raft",
            "watch",
            "configurator",
        ],
    ),
    ("lab", &["model"]),
    ("bench", &["rpc"]),
    ("supply-chain", &[]),
    (
        "cli",
        &[
            "model",
            "configurator",
            "proto",
            "rpc",
            "auth",
            "lab",
            "bench",
            "address",
            "redfish",
            "discovery",
            "openapi",
        ],
    ),
];

/// Composes everything, or tests it.
const UNBOUND: &[&str] = &["chamois", "chaos-tests"];

/// Crates of others that only these of ours may name.
const ONLY_IN: &[(&str, &[&str])] = &[("openraft", &["raft"]), ("sled", &["raft"])];

/// The state machine is a pure function: these may not be linked into it, except below `proto`, whose stubs
/// bring tonic along.
const PURE: &[&str] = &["model", "boot-choice", "state"];
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "sled",
    "openraft",
    "rand",
    "getrandom",
    "nix",
    "socket2",
];

/// What `cargo metadata` says of the tree as it is built.
struct Tree {
    names: BTreeMap<String, String>,
    versions: BTreeMap<String, BTreeSet<String>>,
    normal: BTreeMap<String, Vec<String>>,
    members: Vec<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn tree() -> Tree {
    let arguments = [
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeMap<String, String> = packages
        .iter()
        .map(|p| (text(&p["id"]), text(&p["name"])))
        .collect();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        versions
            .entry(text(&package["name"]))
            .or_default()
            .insert(text(&package["version"]));
    }
    let is_normal = |d: &&Value| {
        d["dep_kinds"]
            .as_array()
            .unwrap()
            .iter()
            .any(|kind| kind["kind"].is_null())
    };
    let normal = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let dependencies = node["deps"].as_array().unwrap().iter().filter(is_normal);
            (text(&node["id"]), dependencies.map(|d| text(&d["pkg"])).collect())
        });
    let members = metadata["workspace_members"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    Tree {
        names,
        versions,
        normal: normal.collect(),
        members,
    }
}

impl Tree {
    fn member(&self, name: &str) -> &String {
        self.members
            .iter()
            .find(|id| self.names[*id] == name)
            .unwrap_or_else(|| panic!("no crate {name}"))
    }

    fn direct(&self, name: &str) -> BTreeSet<&str> {
        self.normal[self.member(name)]
            .iter()
            .map(|id| self.names[id].as_str())
            .collect()
    }

    /// Everything that `roots` reach, without going into `except`.
    fn reachable(&self, roots: &[String], except: &str) -> BTreeSet<&str> {
        let mut queue: Vec<&String> = roots.iter().collect();
        let mut seen: BTreeSet<&String> = queue.iter().copied().collect();
        while let Some(id) = queue.pop() {
            let below = self.normal[id].iter().filter(|next| self.names[*next] != except);
            queue.extend(below.filter(|next| seen.insert(next)));
        }
        seen.into_iter().map(|id| self.names[id].as_str()).collect()
    }
}

/// A service that named the gateway, or a state that named Raft, could not be understood alone any more.
#[test]
fn our_crates_depend_one_way() {
    let tree = tree();
    let ours: BTreeSet<&str> = tree.members.iter().map(|id| tree.names[id].as_str()).collect();
    for (name, allowed) in ALLOWED {
        for dependency in tree.direct(name).intersection(&ours) {
            assert!(
                allowed.contains(dependency),
                "{name} must not depend on {dependency}"
            );
        }
    }
    let listed: BTreeSet<&str> = ALLOWED
        .iter()
        .map(|(name, _)| name)
        .chain(UNBOUND)
        .copied()
        .collect();
    assert_eq!(ours, listed, "every crate has its line in ALLOWED");
}

#[test]
fn openraft_and_sled_stay_behind_the_facade() {
    let tree = tree();
    for (foreign, homes) in ONLY_IN {
        for id in &tree.members {
            let name = tree.names[id].as_str();
            assert!(
                homes.contains(&name) || !tree.direct(name).contains(foreign),
                "{name} names {foreign}"
            );
        }
    }
}

/// `apply` must give the same bytes everywhere: no clock, no randomness, no I/O within its reach.
#[test]
fn the_state_machine_reaches_nothing_impure() {
    let tree = tree();
    for name in PURE {
        let reached = tree.reachable(&[tree.member(name).clone()], "proto");
        for impure in IMPURE {
            assert!(!reached.contains(impure), "{name} reaches {impure}");
        }
    }
}

/// One crypto provider in the whole tree. `cargo metadata` names ring even where its feature is off, so the
/// tree that is built is asked.
#[test]
fn ring_is_not_in_the_tree() {
    let arguments = [
        "tree",
        "--workspace",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        listed.lines().any(|line| line.starts_with("aws-lc-rs v")),
        "aws-lc-rs is the provider"
    );
    assert!(
        !listed.lines().any(|line| line.starts_with("ring v")),
        "ring must stay out"
    );
}

/// Neither may move without the storage suites; the third panics on hostile bytes in other versions' own ways.
#[test]
fn unstable_crates_are_pinned_exactly() {
    let tree = tree();
    for (name, version) in [
        ("openraft", "0.10.0-alpha.37"),
        ("sled", "0.34.7"),
        ("dhcproto", "0.15.0"),
    ] {
        assert_eq!(
            tree.versions[name],
            BTreeSet::from([version.to_owned()]),
            "{name}"
        );
    }
}
