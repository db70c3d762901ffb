//! A cluster with secrets, and what opens them: each member's own key file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use auth::Sealer;
use raft::another_cluster::inspect;
use serde_json::Value;
use state::State;

use crate::common::{chamois, outcome};
use crate::site::Site;

/// More than two entries of a rotation seal anew.
pub(crate) const PASSWORDS: usize = 150;
/// Bound of every wait.
const AT_MOST: Duration = Duration::from_secs(90);

pub(crate) struct Vault {
    pub(crate) site: Site,
}

impl Vault {
    /// Three members, signing keys, and the passwords of many BMCs.
    pub(crate) fn start() -> Vault {
        Self::start_with("")
    }

    /// With more lines in `[raft]`.
    pub(crate) fn start_with(raft: &str) -> Vault {
        let vault = Vault {
            site: Site::start_with(3, raft),
        };
        for bmc in 0..PASSWORDS {
            vault.put_password(1, bmc, "first");
        }
        vault
    }

    /// Sets a password at member `id`; it is answered with 2xx.
    pub(crate) fn put_password(&self, id: u64, bmc: usize, password: &str) {
        let body = endpoint(bmc, password);
        let path = "/hsm/v2/Inventory/RedfishEndpoints";
        let answer = self
            .site
            .administrator
            .send(self.site.ip(id), "POST", path, &body);
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }

    pub(crate) fn kek_file(&self, id: u64) -> PathBuf {
        self.site.identities().join(format!("member-{id}/kek.key"))
    }

    /// The audit journal of a member, all of it.
    pub(crate) fn journal(&self, id: u64) -> String {
        let folder = self.site.single.dir.path().join(format!("data-{id}/audit"));
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let texts = files.map(|file| std::fs::read_to_string(file).unwrap_or_default());
        texts.collect()
    }

    /// The keys that a member has on disk.
    pub(crate) fn keys(&self, id: u64) -> Sealer {
        Sealer::from_pem(&std::fs::read(self.kek_file(id)).unwrap()).unwrap()
    }

    /// Runs a client command with all running members as endpoints.
    pub(crate) fn ask(&self, args: &[&str]) -> (i32, String, String) {
        let ids = self.site.ids();
        let endpoints: Vec<String> = ids
            .iter()
            .map(|id| format!("{}:7441", self.site.ip(*id)))
            .collect();
        let path = |name: &str| self.site.identities().join(name).display().to_string();
        let (ca, token, endpoints) = (path("ca.pem"), path("admin.token"), endpoints.join(","));
        let target = ["--endpoints", &endpoints, "--ca", &ca, "--token-file", &token];
        outcome(&chamois(&[args, &target].concat()))
    }

    /// A file for the next key.
    pub(crate) fn out(&self, name: &str) -> String {
        let file = self.site.single.dir.path().join(name);
        file.display().to_string()
    }

    pub(crate) fn rotate(&self, name: &str) -> Value {
        let out = self.out(name);
        let (code, out, err) = self.ask(&["secrets", "rotate-kek", "--out", &out, "-o", "json"]);
        assert_eq!(code, 0, "{out}{err}");
        serde_json::from_str(&out).unwrap()
    }

    pub(crate) fn status(&self) -> Option<Value> {
        let (code, out, _) = self.ask(&["secrets", "status", "-o", "json"]);
        (code == 0).then(|| serde_json::from_str(&out).unwrap())
    }

    /// Nothing is sealed for the old key, which is retired.
    pub(crate) fn is_over(&self) -> bool {
        self.status().is_some_and(|status| {
            let retiring = status["retiringId"].as_str().unwrap_or_default();
            retiring.is_empty() && status["toBeResealed"].as_u64().unwrap_or(0) == 0
        })
    }

    /// The whole state, as a snapshot has it.
    pub(crate) fn state(&self) -> State {
        let file = self.site.single.dir.path().join("state.snap");
        // a leader may just have died
        self.until("a snapshot", || {
            let _ = std::fs::remove_file(&file);
            self.ask(&["snapshot", "save", file.to_str().unwrap()]).0 == 0
        });
        inspect(&file).unwrap().state
    }

    /// Every secret opens with what each of these members has on disk, as after a crash of all.
    pub(crate) fn all_open(&self, ids: &[u64]) {
        let state = self.state();
        assert!(state.sealed().count() > PASSWORDS);
        for id in ids {
            let keys = self.keys(*id);
            for sealed in state.sealed() {
                let opened = keys.open(sealed);
                assert!(opened.is_ok(), "member {id}: {}", opened.unwrap_err());
            }
        }
    }

    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + AT_MOST;
        while !condition() {
            let log = self
                .site
                .members
                .iter()
                .flatten()
                .next()
                .map(|member| member.log());
            let log = log.unwrap_or_default();
            let tail = log.get(log.len().saturating_sub(4000)..).unwrap_or(&log);
            assert!(Instant::now() < deadline, "{what}: it never was so\n{tail}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The member has this key alone.
    pub(crate) fn until_alone(&self, id: u64, key: &str) {
        self.until(&format!("the new key alone at member {id}"), || {
            self.keys(id).key_ids() == [key]
        });
    }

    pub(crate) fn leader(&self) -> u64 {
        let mut leader = 0;
        self.until("a leader", || {
            let (_, out, _) = self.ask(&["member", "list", "-o", "json"]);
            let status: Value = serde_json::from_str(&out).unwrap_or_default();
            leader = status["leaderId"].as_u64().unwrap_or(0);
            leader > 0
        });
        leader
    }

    pub(crate) fn kill(&mut self, id: u64) {
        self.site.members[usize::try_from(id).unwrap() - 1] = None;
    }

    pub(crate) fn start_again(&mut self, id: u64) {
        let member = self.site.single.spawn_member(id);
        self.site.members[usize::try_from(id).unwrap() - 1] = Some(member);
    }
}

/// A BMC as SMD's clients post it.
pub(crate) fn endpoint(bmc: usize, password: &str) -> String {
    let (chassis, slot) = (bmc / 64, bmc % 64);
    serde_json::json!({
        "ID": format!("x1c{chassis}s{slot}b0"),
        "FQDN": format!("bmc{bmc}.lab"),
        "User": "root",
        "Password": password,
    })
    .to_string()
}
