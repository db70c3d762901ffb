//! `chamois demo` with three real processes: its contract with tools outside the repository, on few nodes.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{CHAMOIS, chamois, outcome, text};

const KEYS: [&str; 9] = [
    "booted",
    "failed",
    "seconds",
    "extra_boot_seconds_max",
    "script_p50_ms",
    "script_p99_ms",
    "leaderless_ms",
    "acked_writes",
    "lost_writes",
];

/// Two members die, every node boots, every acknowledged write is on every member.
#[test]
fn a_small_fleet_boots_while_members_die() {
    let (code, out, err) = outcome(&chamois(&["demo", "--nodes", "30", "--json"]));
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(
        out.lines().count(),
        1,
        "people's text is on standard error: {out}"
    );
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let object = value.as_object().unwrap();
    assert_eq!(object.len(), KEYS.len());
    for key in KEYS {
        assert!(object[key].is_number(), "{key}: {out}");
    }
    assert_eq!(
        (&value["booted"], &value["failed"], &value["lost_writes"]),
        (&30.into(), &0.into(), &0.into())
    );
    assert!(value["acked_writes"].as_u64() >= Some(1000), "{out}");
    assert!(
        value["leaderless_ms"].as_u64() > Some(0),
        "the leader was killed, and an election takes time: {out}"
    );
    assert_eq!(err.matches("killed member").count(), 2, "{err}");
    assert!(err.contains("writes lost"), "the summary for people: {err}");
}

/// A frozen leader costs an election, a frozen holder its life; no node and no acknowledged write is lost by either.
#[test]
fn a_small_fleet_boots_while_members_are_frozen() {
    let (code, out, err) = outcome(&chamois(&["demo", "--nodes", "60", "--freeze", "--json"]));
    assert_eq!(code, 0, "{out}\n{err}");
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let counts = ["booted", "failed", "lost_writes", "frozen"].map(|key| value[key].as_u64());
    assert_eq!(counts, [Some(60), Some(0), Some(0), Some(2)], "{out}");
    for key in KEYS {
        assert!(value[key].is_number(), "{key}: {out}");
    }
    assert_eq!(err.matches("killed member").count(), 2, "{err}");
    assert_eq!(err.matches("froze member").count(), 2, "{err}");
    assert!(err.contains("let it go on"), "SIGCONT: {err}");
    assert!(
        err.contains("its watchdog ended it, another member took the address"),
        "{err}"
    );
    assert!(value["frozen_leaderless_ms"].is_number(), "{out}");
}

/// Without an address that moves, nodes try one member after the other while two of them die.
#[test]
fn a_small_fleet_boots_without_a_service_address() {
    let (code, out, err) = outcome(&chamois(&[
        "demo",
        "--nodes",
        "60",
        "--addresses",
        "list",
        "--json",
    ]));
    assert_eq!(code, 0, "{out}\n{err}");
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let counts = ["booted", "failed", "lost_writes"].map(|key| value[key].as_u64());
    assert_eq!(counts, [Some(60), Some(0), Some(0)], "{out}");
    assert_eq!(err.matches("killed member").count(), 2, "{err}");
    assert!(err.contains("one of those that nodes use"), "{err}");
}

/// Without `--json` a pipe or a file gets everything that a person reads, and nothing else is said.
#[test]
fn people_read_standard_output() {
    let (code, out, err) = outcome(&chamois(&["demo", "--nodes", "5", "--members", "1"]));
    assert_eq!(code, 0, "{out}\n{err}");
    for needed in [
        "ENDPOINT",
        "leader",
        "seeding 5 nodes",
        "killed member 1",
        "PASS",
        "writes lost",
    ] {
        assert!(out.contains(needed), "{needed}:\n{out}");
    }
    assert_eq!(err, "");
}

/// Whoever waits for `endpoints.json` finds a cluster to talk to; SIGTERM ends all of it.
#[test]
fn a_kept_cluster_answers_until_sigterm_and_leaves_no_process() {
    let dir = tempfile::tempdir().unwrap();
    let (state, printed) = (dir.path().join("state"), dir.path().join("printed"));
    let mut demo = Kept(
        Command::new(CHAMOIS)
            .args(["demo", "--nodes", "0", "--keep", "--state-dir", text(&state)])
            .stdout(std::fs::File::create(&printed).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let endpoints = demo.endpoints(&state);
    let members = endpoints["members"].as_array().unwrap();
    assert_eq!(members.len(), 3);
    for member in members {
        assert!(std::path::Path::new(member["data_dir"].as_str().unwrap()).is_dir());
    }
    let grpc: Vec<&str> = endpoints["grpc"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e.as_str().unwrap())
        .collect();
    let token = dir.path().join("token");
    std::fs::write(&token, endpoints["token"].as_str().unwrap()).unwrap();
    let asked = chamois(&[
        "cluster",
        "status",
        "-o",
        "json",
        "--endpoints",
        grpc[2],
        "--ca",
        endpoints["ca"].as_str().unwrap(),
        "--token-file",
        text(&token),
    ]);
    let (code, out, err) = outcome(&asked);
    assert_eq!(code, 0, "{err}");
    let views: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        views.as_array().unwrap().len(),
        3,
        "the others are learned from one: {out}"
    );

    let printed = std::fs::read_to_string(printed).unwrap();
    assert!(printed.contains("export CHAMOIS_ENDPOINTS="), "{printed}");
    demo.terminate();
    assert!(demo.ended(Duration::from_secs(30)), "SIGTERM ends the demo");
    for pid in endpoints["pids"].as_array().unwrap() {
        assert!(
            !is_running(pid.as_u64().unwrap()),
            "member process {pid} is left over"
        );
    }
}

/// SIGKILL cannot be handled, so the kernel has to end the members.
#[test]
fn a_killed_demo_leaves_no_member() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut demo = Kept(
        Command::new(CHAMOIS)
            .args([
                "demo",
                "--nodes",
                "0",
                "--members",
                "1",
                "--keep",
                "--state-dir",
                text(&state),
            ])
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let endpoints = demo.endpoints(&state);
    let pid = endpoints["pids"][0].as_u64().unwrap();
    assert!(is_running(pid));
    demo.0.kill().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_running(pid) {
        assert!(
            Instant::now() < deadline,
            "member process {pid} outlived its demo"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A demo that is killed when dropped.
struct Kept(Child);

impl Kept {
    fn endpoints(&mut self, state: &std::path::Path) -> serde_json::Value {
        let file = state.join("endpoints.json");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !file.exists() {
            let ended = self.0.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "no endpoints.json: {ended:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    }

    fn terminate(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    fn ended(&mut self, at_most: Duration) -> bool {
        let deadline = Instant::now() + at_most;
        while Instant::now() < deadline {
            if self.0.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a process lives; a zombie that nobody has waited for does not count.
fn is_running(pid: u64) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}
