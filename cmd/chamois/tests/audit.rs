//! The audit journal of real members: the same on each of them, whole through kills and restarts, without what was set.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::http::Administrator;
use common::{Member, Single, text};
use nix::sys::signal::Signal;
use serde_json::Value;

const COMPONENTS: &str = "/hsm/v2/State/Components";
/// Stands in what is set, and must stand in no journal.
const CANARY: &str = "c4n4ry-of-audit";

/// Three members.
struct Cluster {
    site: Single,
    members: Vec<Member>,
    administrator: Administrator,
}

impl Cluster {
    fn start() -> Cluster {
        Self::start_with("")
    }

    /// With more lines in `[raft]`.
    fn start_with(raft: &str) -> Cluster {
        let site = Single::prepare_one_of(3);
        (1..=3).for_each(|id| site.configure_raft(id, raft));
        let cluster = Cluster {
            members: (1..=3).map(|id| site.spawn_member(id)).collect(),
            administrator: Administrator::new(&site.dir.path().join("identities")),
            site,
        };
        for id in 1..=3 {
            cluster.until("every member answers", || {
                cluster.ask(id, &["subnet", "list"]).0 == 0
            });
        }
        cluster
    }

    /// Asks member `id` alone.
    fn ask(&self, id: u64, args: &[&str]) -> (i32, String, String) {
        let mut target = self.site.client_args();
        target[1] = format!("{}:7441", self.site.net.member_address(id));
        let mut all = args.to_vec();
        all.extend(target.iter().map(String::as_str));
        common::outcome(&common::chamois(&all))
    }

    /// What member `id` answers as one JSON object a line.
    fn audit(&self, id: u64, args: &[&str]) -> Vec<Value> {
        let (code, out, err) = self.ask(id, &[&["audit", "--jsonl", "--limit", "0"], args].concat());
        assert_eq!(code, 0, "member {id}: {err}");
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn create(&self, id: u64, xname: &str) {
        let body = format!(r#"{{"Components":[{{"ID":"{xname}","State":"On"}}]}}"#);
        let address = self.site.net.member_address(id);
        let answer = self.administrator.send(address, "POST", COMPONENTS, &body);
        assert!(answer.status < 300, "{answer:?}");
    }

    fn leader(&self) -> u64 {
        let mut leader = 0;
        self.until("a leader", || {
            for id in 1..=3 {
                let out = self.ask(id, &["cluster", "status", "-o", "json"]).1;
                let value: Value = serde_json::from_str(&out).unwrap_or_default();
                leader = value[0]["leader_id"].as_u64().unwrap_or(leader);
            }
            leader != 0
        });
        leader
    }

    fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        common::until(what, &self.members, condition);
    }

    fn folder(&self, id: u64) -> PathBuf {
        self.site.dir.path().join(format!("data-{id}/audit"))
    }

    /// The lines of the journal of member `id` by revision.
    fn journal(&self, id: u64) -> BTreeMap<u64, Value> {
        let mut found = BTreeMap::new();
        for line in lines(&self.folder(id), "audit-") {
            let line: Value = serde_json::from_str(&line).unwrap();
            let revision = line["revision"].as_u64().unwrap();
            let before = found.insert(revision, line);
            assert!(before.is_none(), "member {id} has revision {revision} twice");
        }
        found
    }
}

/// The whole lines of the files whose names begin so.
fn lines(folder: &Path, name: &str) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_meant = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(name);
    let mut found = Vec::new();
    for file in files.filter(is_meant) {
        let content = fs::read_to_string(file).unwrap();
        let end = content.rfind('\n').map_or(0, |at| at + 1);
        found.extend(content[..end].lines().map(str::to_owned));
    }
    found
}

/// Who created a component is known at every member, at the same revision.
#[test]
fn every_member_knows_who_created_what_at_which_revision() {
    let cluster = Cluster::start();
    cluster.create(2, "x1c0s0b0n0");
    let mut seen = Vec::new();
    for id in 1..=3 {
        let records = cluster.audit(id, &["--object", "x1c0s0b0n0", "--kind", "component"]);
        assert_eq!(records.len(), 1, "member {id}: {records:?}");
        let record = records.into_iter().next().unwrap();
        assert_eq!(record["command"], "smd.create-components", "{record}");
        assert_eq!(record["outcome"], "applied", "{record}");
        assert_eq!(record["objects"][0]["change"], "created", "{record}");
        assert!(
            record["principal"].as_str().unwrap().starts_with("token/"),
            "{record}"
        );
        seen.push(record);
    }
    assert!(seen.iter().all(|record| *record == seen[0]), "{seen:?}");
    let revision = seen[0]["revision"].to_string();
    let at = cluster.audit(3, &["--revision", &revision]);
    assert_eq!(at, seen[..1]);
    assert_eq!(cluster.audit(3, &["--principal", "nobody"]), Vec::<Value>::new());
    let (code, out, _) = cluster.ask(1, &["audit", "--object", "x1c0s0b0n0"]);
    assert!(code == 0 && out.contains("created component x1c0s0b0n0"), "{out}");
}

/// A call without an identity shows at the member that has refused it, and in nobody's journal.
#[test]
fn a_refused_call_is_a_denial_of_the_member_that_was_asked() {
    let cluster = Cluster::start();
    let bad = cluster.site.dir.path().join("bad.token");
    fs::write(&bad, "not.a.token").unwrap();
    let mut target = cluster.site.client_args();
    target[1] = format!("{}:7441", cluster.site.net.member_address(2));
    target[5] = text(&bad).to_owned();
    let mut all = vec!["group", "create", "stolen"];
    all.extend(target.iter().map(String::as_str));
    assert_eq!(common::outcome(&common::chamois(&all)).0, 5);

    let denied = |id| cluster.audit(id, &["--denied", "--since", "10m"]);
    cluster.until("the denial", || !denied(2).is_empty());
    let denial = denied(2).into_iter().next().unwrap();
    assert_eq!(denial["principal"], "anonymous", "{denial}");
    assert_eq!(
        denial["method"], "/chamois.smd.v1.GroupService/CreateGroup",
        "{denial}"
    );
    assert_eq!(
        (&denial["outcome"], &denial["member"]),
        (&"unauthenticated".into(), &2.into())
    );
    assert!(denied(1).is_empty() && denied(3).is_empty());
    assert!(!denial.to_string().contains("not.a.token"), "{denial}");
    assert!(cluster.audit(2, &["--object", "stolen"]).is_empty());
}

/// Members are killed while there are writes; afterwards each journal has every revision once, and all say the same.
#[test]
fn kills_and_restarts_lose_nothing_and_double_nothing() {
    let mut cluster = Cluster::start();
    let mut created = 0;
    for round in 0..3 {
        let leader = cluster.leader();
        let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
        for _ in 0..20 {
            created += 1;
            cluster.create(leader, &format!("x{created}c0s0b0n0"));
        }
        let victim = if round == 1 { others[0] } else { leader };
        let place = usize::try_from(victim - 1).unwrap();
        cluster.members[place].signal(Signal::SIGKILL);
        cluster.members[place].exit_code(Duration::from_secs(10));
        cluster.members[place] = cluster.site.spawn_member(victim);
        cluster.until("the member is back", || {
            cluster.ask(victim, &["subnet", "list"]).0 == 0
        });
    }
    cluster.members[0].terminate();
    assert_eq!(cluster.members[0].exit_code(Duration::from_secs(20)), Some(0));
    cluster.members[0] = cluster.site.spawn_member(1);
    for id in 1..=3 {
        cluster.until("the member answers", || {
            cluster.ask(id, &["subnet", "list"]).0 == 0
        });
    }
    let mine = |id: u64| {
        let records = cluster.audit(id, &["--command", "smd.create-components"]);
        assert!(
            records.iter().all(|record| record["gap"].is_null()),
            "member {id}: {records:?}"
        );
        records
    };
    let first = mine(1);
    assert!(first.len() >= created, "{} of {created}", first.len());
    for id in 2..=3 {
        assert_eq!(mine(id), first, "member {id}");
    }
    let journals: Vec<_> = (1..=3).map(|id| cluster.journal(id)).collect();
    let last = *journals
        .iter()
        .filter_map(|journal| journal.keys().last())
        .min()
        .unwrap();
    for (place, journal) in journals.iter().enumerate() {
        let revisions: Vec<u64> = journal
            .keys()
            .copied()
            .take_while(|revision| *revision <= last)
            .collect();
        assert!(
            revisions.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{place}: {revisions:?}"
        );
        for (revision, line) in journal.range(..=last) {
            assert_eq!(Some(line), journals[0].get(revision), "member {}", place + 1);
        }
    }
}

/// A member that was away for longer than the log goes back knows only what came of it. It must say so, and not that nothing
/// was done; the others know.
#[test]
fn what_a_snapshot_has_jumped_over_is_a_gap_that_others_fill() {
    /// More than what stays in the log below a snapshot, and a snapshot's worth beside.
    const ENTRIES: usize = 700;
    let mut cluster = Cluster::start_with("snapshot-entries = 100\n");
    let leader = cluster.leader();
    let away = (1..=3).find(|id| *id != leader).unwrap();
    let place = usize::try_from(away - 1).unwrap();
    cluster.members[place].signal(Signal::SIGKILL);
    cluster.members[place].exit_code(Duration::from_secs(10));
    for number in 0..ENTRIES {
        cluster.create(leader, &format!("x{number}c0s0b0n0"));
    }
    cluster.members[place] = cluster.site.spawn_member(away);
    let is_gap = |line: &Value| line["outcome"] == "gap" && line["reason"] == "snapshot";
    cluster.until("the gap", || cluster.journal(away).values().any(is_gap));
    cluster.until("the member is back", || {
        cluster.ask(away, &["subnet", "list"]).0 == 0
    });
    let told = cluster.audit(away, &[]);
    let gap = told
        .iter()
        .find(|line| line["gap"]["reason"] == "snapshot")
        .unwrap();
    let (after, upto) = (&gap["gap"]["after"], &gap["gap"]["upto"]);
    let (after, upto) = (after.as_u64().unwrap(), upto.as_u64().unwrap());
    assert!(after < upto, "{gap}");
    let missing = (after + 1).to_string();
    assert!(
        cluster
            .audit(away, &["--revision", &missing])
            .iter()
            .all(|line| !line["gap"].is_null()),
        "it cannot know it"
    );
    let known = cluster.audit(leader, &["--revision", &missing]);
    assert!(known.len() == 1 && known[0]["gap"].is_null(), "{known:?}");
    // and from there on nothing is missing
    cluster.create(leader, "x9999c0s0b0n0");
    cluster.until("what is done later", || {
        !cluster
            .audit(
                away,
                &["--object", "x9999c0s0b0n0", "--command", "smd.create-components"],
            )
            .is_empty()
    });
    let later: Vec<u64> = cluster
        .journal(away)
        .into_keys()
        .filter(|revision| *revision >= upto)
        .collect();
    assert!(later.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{later:?}");
}

/// What somebody sets is nobody else's to read in a journal, nor in what is sent to a collector.
#[test]
fn what_was_set_is_in_no_journal_and_in_no_export() {
    let site = Single::prepare();
    let exported = site.dir.path().join("exported.jsonl");
    let mut config = fs::read_to_string(site.config()).unwrap();
    config += &format!("[audit]\njson-lines = {exported:?}\n");
    fs::write(site.config(), config).unwrap();
    let _member = site.start();
    let administrator = Administrator::new(&site.dir.path().join("identities"));
    let file = site.dir.path().join("secret.yaml");
    fs::write(&file, format!("#cloud-config\nruncmd: [{CANARY}]\n")).unwrap();
    let words = [
        "cloud-init",
        "group",
        "put",
        "munge",
        "--secret",
        "--file",
        text(&file),
    ];
    assert_eq!(site.ask(&words).0, 0);
    let endpoint = format!(r#"{{"ID":"x1c0b0","FQDN":"x1c0b0","User":"root","Password":"{CANARY}"}}"#);
    for (path, body) in [
        ("/hsm/v2/Inventory/RedfishEndpoints", endpoint),
        (
            "/boot/v1/bootparameters",
            format!(r#"{{"hosts":["x1c0s0b0n0"],"params":"{CANARY}","kernel":"http://x/k"}}"#),
        ),
    ] {
        let answer = administrator.send(site.own(), "POST", path, &body);
        assert!(answer.status < 300, "{path}: {answer:?}");
    }
    let (code, shown, err) = site.ask(&["audit", "--jsonl", "--limit", "0"]);
    assert_eq!(code, 0, "{err}");
    for object in ["munge", "x1c0b0", "x1c0s0b0n0"] {
        assert!(
            shown.contains(&format!("\"object\":\"{object}\"")),
            "{object}: {shown}"
        );
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let export = || fs::read_to_string(&exported).unwrap_or_default();
    while !export().contains("x1c0s0b0n0") {
        assert!(Instant::now() < deadline, "{}", export());
        std::thread::sleep(Duration::from_millis(20));
    }
    let journal = lines(&site.dir.path().join("data-1/audit"), "audit-").join("\n");
    for text in [shown, export(), journal] {
        assert!(!text.contains(CANARY), "{text}");
    }
    let metrics = administrator.send(site.own(), "GET", "/metrics", "").body;
    let page = common::exposition::parse(&metrics).unwrap();
    assert_eq!(page.value("chamois_audit_gaps_total", &[]), 0.0);
    assert!(page.value("chamois_audit_revision", &[]) > 3.0);
    assert!(page.value("chamois_audit_exported_total", &[("target", "json-lines")]) > 3.0);
}

/// Who reads everything else does not read who did what.
#[test]
fn the_journal_is_for_whom_a_policy_names() {
    let site = Single::prepare();
    let _member = site.start();
    let token = |permissions: &str, name: &str| {
        let out = site.dir.path().join(name);
        let words = [
            "token",
            "create",
            permissions,
            "--for",
            "service/reader",
            "--out",
            text(&out),
        ];
        let (code, _, err) = site.ask(&words);
        assert_eq!(code, 0, "{err}");
        out
    };
    let policies = site.dir.path().join("policies.yaml");
    fs::write(
        &policies,
        "- {name: readers, role: viewer, principals: [service/reader]}\n",
    )
    .unwrap();
    assert_eq!(site.ask(&["policy", "put", text(&policies)]).0, 0);
    let reader = token("audit.read", "reader.token");
    let ask = |token: &Path| {
        let mut target = site.client_args();
        target[5] = text(token).to_owned();
        let mut all = vec!["audit"];
        all.extend(target.iter().map(String::as_str));
        common::outcome(&common::chamois(&all))
    };
    let (code, _, err) = ask(&reader);
    assert!(code == 5 && err.contains("audit.read"), "{code}: {err}");
    fs::write(
        &policies,
        "- {name: readers, role: security-admin, principals: [service/reader]}\n",
    )
    .unwrap();
    assert_eq!(site.ask(&["policy", "put", text(&policies)]).0, 0);
    let (code, out, err) = ask(&reader);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("auth.put-policy"), "{out}");
}
