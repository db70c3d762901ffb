//! `chamois watch` against real members that are killed, stopped and come back.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{CHAMOIS, Member, Single};
use nix::sys::signal::Signal;
use serde_json::Value;

/// A watcher that writes what it is told into a file; killed when dropped.
struct Watcher {
    child: Child,
    out: PathBuf,
}

impl Watcher {
    fn start(site: &Single, endpoints: &str, args: &[&str]) -> Self {
        let out = site.dir.path().join("watched");
        let mut options = site.client_args();
        endpoints.clone_into(&mut options[1]);
        let child = Command::new(CHAMOIS)
            .args(["watch", "--json"])
            .args(args)
            .args(options)
            .stdout(File::create(&out).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, out }
    }

    /// Lines that are whole, without those that only tell how far it is.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.out).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["change"] != "progress")
            .collect()
    }

    fn revisions_by_key(&self) -> BTreeMap<String, Vec<u64>> {
        let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for line in self.lines().iter().filter(|line| line["change"] == "created") {
            let key = line["key"].as_str().unwrap().to_owned();
            found
                .entry(key)
                .or_default()
                .push(line["revision"].as_u64().unwrap());
        }
        found
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three members; client commands go to all of them.
struct Cluster {
    site: Single,
    members: Vec<Member>,
    endpoints: String,
}

impl Cluster {
    fn start() -> Self {
        let site = Single::prepare_one_of(3);
        let members = (1..=3).map(|id| site.spawn_member(id)).collect();
        let endpoints: Vec<_> = (1..=3)
            .map(|id| format!("{}:7441", site.net.member_address(id)))
            .collect();
        let mut cluster = Self {
            site,
            members,
            endpoints: endpoints.join(","),
        };
        cluster.until("a leader", |cluster| cluster.ask(&["subnet", "list"]) == 0);
        cluster
    }

    fn ask(&self, args: &[&str]) -> i32 {
        let mut target = self.site.client_args();
        self.endpoints.clone_into(&mut target[1]);
        let mut all = args.to_vec();
        all.extend(target.iter().map(String::as_str));
        common::outcome(&common::chamois(&all)).0
    }

    /// Creates a group, however often it takes.
    fn create(&mut self, label: &str) {
        let label = label.to_owned();
        self.until("a write", |cluster| {
            // A retry of a write that was made is refused as a conflict: it is there.
            matches!(cluster.ask(&["group", "create", &label]), 0 | 4)
        });
    }

    fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !condition(self) {
            let logs = || {
                self.members
                    .iter()
                    .map(Member::log)
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            assert!(std::time::Instant::now() < deadline, "{what}\n{}", logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The first member that the watcher is at is killed, the next one is stopped in order, the last one hangs; the watcher
/// is told of every group once.
#[test]
fn a_watch_survives_the_members_that_it_is_at() {
    let mut cluster = Cluster::start();
    cluster.create("before");
    let watcher = Watcher::start(&cluster.site, &cluster.endpoints, &["--kind", "group"]);
    cluster.until("the state", |_| {
        watcher.lines().iter().any(|line| line["change"] == "state-ends")
    });
    assert_eq!(watcher.lines()[1]["object"]["label"], "before");

    let mut names = Vec::new();
    let mut step = |cluster: &mut Cluster, name: &str| {
        cluster.create(name);
        names.push(name.to_owned());
        cluster.until("the watcher to hear of it", |_| {
            watcher.revisions_by_key().contains_key(name)
        });
    };
    step(&mut cluster, "running");
    cluster.members[0].signal(Signal::SIGKILL);
    step(&mut cluster, "one-killed");
    cluster.members[0] = cluster.site.spawn_member(1);
    step(&mut cluster, "all-there");
    cluster.members[1].terminate();
    let stopped = cluster.members[1].exit_code(Duration::from_secs(20));
    assert_eq!(
        stopped,
        Some(0),
        "a watch must not hold up the end: {}",
        cluster.members[1].log()
    );
    step(&mut cluster, "one-stopped");
    cluster.members[1] = cluster.site.spawn_member(2);
    step(&mut cluster, "all-there-again");
    cluster.members[2].signal(Signal::SIGSTOP);
    step(&mut cluster, "one-hangs");
    cluster.members[2].signal(Signal::SIGCONT);

    let told = watcher.revisions_by_key();
    let mut expected = names.clone();
    expected.sort();
    assert_eq!(told.keys().cloned().collect::<Vec<_>>(), expected);
    assert!(told.values().all(|revisions| revisions.len() == 1), "{told:?}");
    let in_order: Vec<u64> = names.iter().map(|name| told[name][0]).collect();
    assert!(in_order.is_sorted(), "{told:?}");
    let begun = watcher
        .lines()
        .iter()
        .filter(|line| line["change"] == "begins")
        .count();
    assert_eq!(begun, 1, "the state was told once");
}

/// Whoever may not watch is told, and does not try for ever.
#[test]
fn a_watch_without_the_right_to_it_ends() {
    let site = Single::prepare();
    let _member = site.start();
    let bad = site.dir.path().join("bad.token");
    std::fs::write(&bad, "not.a.token").unwrap();
    let mut args = vec!["watch".to_owned()];
    args.extend(site.client_args());
    args[6] = bad.display().to_string();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (code, _, err) = common::outcome(&common::chamois(&args));
    assert_eq!(code, 5, "{err}");
    let (code, _, err) = site.ask(&["watch", "--kind", "node"]);
    assert_eq!(code, 2, "{err}");
}
