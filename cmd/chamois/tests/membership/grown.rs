//! A cluster that begins as one member and grows, of real processes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{CHAMOIS, Member, chamois, outcome, text};

/// Bound of every wait for a condition.
pub(crate) const AT_MOST: Duration = Duration::from_secs(60);

/// Its members by slot: the last byte of the address. Ids are the cluster's business.
pub(crate) struct Grown {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) net: lab::LoopbackNet,
    pub(crate) running: BTreeMap<u64, Member>,
}

impl Grown {
    /// `chamois init`, and the first member runs.
    pub(crate) fn init() -> Grown {
        let mut grown = Grown {
            dir: tempfile::tempdir().unwrap(),
            net: lab::claim_loopback_net().unwrap(),
            running: BTreeMap::new(),
        };
        let args = grown.host_args(1);
        let made = run(&[
            &["init", "--cluster", "test"],
            args.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
        ]
        .concat());
        assert_eq!(made.0, 0, "{made:?}");
        grown.start(1);
        grown.until("the first member to lead", |grown| {
            grown.status().is_some_and(|status| status["leaderId"] == 1)
        });
        grown
    }

    /// Address, folder and data of a slot.
    pub(crate) fn host_args(&self, slot: u64) -> [String; 6] {
        [
            "--address".into(),
            self.net.member_address(slot).to_string(),
            "--dir".into(),
            self.folder(slot).display().to_string(),
            "--data-dir".into(),
            self.data(slot).display().to_string(),
        ]
    }

    pub(crate) fn folder(&self, slot: u64) -> PathBuf {
        self.dir.path().join(format!("slot-{slot}"))
    }

    pub(crate) fn data(&self, slot: u64) -> PathBuf {
        self.dir.path().join(format!("var-{slot}/data"))
    }

    pub(crate) fn config(&self, slot: u64) -> PathBuf {
        self.folder(slot).join("chamois.toml")
    }

    /// Joins a new host as `kind` says (options of `chamois member add`) and starts it; gives its id.
    pub(crate) fn join(&mut self, slot: u64, kind: &[&str]) -> u64 {
        let (address, token) = self.token(kind);
        let id = self.join_with(slot, &address, &token);
        self.start(slot);
        id
    }

    /// What `chamois member add` prints: where to join, and with which token.
    pub(crate) fn token(&self, kind: &[&str]) -> (String, String) {
        let added = self.ask(&[&["member", "add", "-o", "json"], kind].concat());
        assert_eq!(added.0, 0, "{added:?}");
        let added: Value = serde_json::from_str(&added.1).unwrap();
        let part = |name: &str| added[name].as_str().unwrap().to_owned();
        (part("address"), part("token"))
    }

    /// Joins a slot's host, which is not started; gives its id.
    pub(crate) fn join_with(&self, slot: u64, address: &str, token: &str) -> u64 {
        let host = self.host_args(slot);
        let host: Vec<&str> = host.iter().map(String::as_str).collect();
        let joined = run(&[&["join", address, "--token", token][..], &host].concat());
        assert_eq!(joined.0, 0, "{joined:?}");
        let id = joined.1.split(' ').nth(1).unwrap();
        id.parse().unwrap()
    }

    /// Changes the text of a slot's `chamois.toml`.
    pub(crate) fn edit_config(&self, slot: u64, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config(slot)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(self.config(slot), text.replace(from, to)).unwrap();
    }

    /// Starts a slot's member.
    pub(crate) fn start(&mut self, slot: u64) {
        let log_file = self.dir.path().join(format!("log-{slot}"));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log_file)
            .unwrap();
        let child = std::process::Command::new(CHAMOIS)
            .args([
                "serve",
                "--config",
                text(&self.config(slot)),
                "--parent",
                &std::process::id().to_string(),
            ])
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.running.insert(slot, Member { child, log: log_file });
    }

    /// Ends a slot's member as a crash does.
    pub(crate) fn kill(&mut self, slot: u64) {
        self.running.remove(&slot);
    }

    /// Runs a client command, with all running members as endpoints.
    pub(crate) fn ask(&self, args: &[&str]) -> (i32, String, String) {
        let endpoints: Vec<String> = self
            .running
            .keys()
            .map(|slot| format!("{}:7441", self.net.member_address(*slot)))
            .collect();
        self.ask_at(&endpoints.join(","), args)
    }

    /// Runs a client command at `endpoints`.
    pub(crate) fn ask_at(&self, endpoints: &str, args: &[&str]) -> (i32, String, String) {
        let path = |name: &str| self.folder(1).join(name).display().to_string();
        let (ca, token) = (path("ca.pem"), path("admin.token"));
        let target = ["--endpoints", endpoints, "--ca", &ca, "--token-file", &token];
        run(&[args, &target].concat())
    }

    /// The leader's view of the cluster.
    pub(crate) fn status(&self) -> Option<Value> {
        let (code, answer, _) = self.ask(&["member", "list", "-o", "json"]);
        (code == 0).then(|| serde_json::from_str(&answer).unwrap())
    }

    /// Ids of the voters, as the leader sees them.
    pub(crate) fn voters(&self) -> Vec<u64> {
        let members = self.members();
        let voters = members.iter().filter(|member| member["voter"] == true);
        voters.map(|member| member["id"].as_u64().unwrap()).collect()
    }

    /// Ids of all members, as the leader sees them.
    pub(crate) fn ids(&self) -> Vec<u64> {
        let members = self.members();
        members
            .iter()
            .map(|member| member["id"].as_u64().unwrap())
            .collect()
    }

    /// One member, as the leader sees it.
    pub(crate) fn member(&self, id: u64) -> Option<Value> {
        self.members().into_iter().find(|member| member["id"] == id)
    }

    fn members(&self) -> Vec<Value> {
        let status = self.status().unwrap_or_default();
        status["members"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn leader(&self) -> u64 {
        self.until("a leader", |grown| grown.status().is_some());
        self.status().unwrap()["leaderId"].as_u64().unwrap()
    }

    pub(crate) fn until(&self, what: &str, condition: impl Fn(&Grown) -> bool) {
        let deadline = Instant::now() + AT_MOST;
        while !condition(self) {
            assert!(
                Instant::now() < deadline,
                "no {what}; the logs are\n{}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Every named group, as a linearizable read shows it.
    pub(crate) fn groups(&self) -> Vec<String> {
        let (code, answer, error) = self.ask(&["group", "list", "-o", "json"]);
        assert_eq!(code, 0, "{error}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let groups = answer["groups"].as_array().cloned().unwrap_or_default();
        groups
            .iter()
            .map(|group| group["label"].as_str().unwrap().to_owned())
            .collect()
    }

    fn logs(&self) -> String {
        let tail = |member: &Member| {
            let log = member.log();
            log.lines()
                .rev()
                .take(15)
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        };
        self.running
            .iter()
            .map(|(slot, member)| format!("slot {slot}:\n{}", tail(member)))
            .collect()
    }
}

/// Exit code, standard output, standard error.
pub(crate) fn run(args: &[&str]) -> (i32, String, String) {
    outcome(&chamois(args))
}
