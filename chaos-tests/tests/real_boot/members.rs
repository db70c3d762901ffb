//! Three real members, each in its namespace, with its address helper.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::network::{Process, bridge_namespace, inside, member_namespace, succeed};

const SERVICE_ADDRESS: &str = "10.97.0.1";
/// Bound of every wait for a condition.
const AT_MOST: Duration = Duration::from_secs(120);

pub(crate) struct Members {
    folder: PathBuf,
    helpers: BTreeMap<u64, Process>,
    serving: BTreeMap<u64, Process>,
}

impl Members {
    /// Identities and configurations in `folder`, boot files from `files`; every member is started.
    pub(crate) fn start(folder: &Path, files: &Path) -> Members {
        let mut description = String::from("cluster = \"boot\"\n");
        for id in 1..=3 {
            writeln!(
                description,
                "[[member]]\nid = {id}\naddress = \"10.97.1.{id}:7440\""
            )
            .unwrap();
            writeln!(
                description,
                "api-address = \"10.97.1.{id}:7441\"\nnames = [\"{SERVICE_ADDRESS}\"]"
            )
            .unwrap();
        }
        fs::write(folder.join("static.toml"), description).unwrap();
        let (from, to) = (folder.join("static.toml"), folder.join("identities"));
        succeed(
            Command::new(executable())
                .args(["init", "--static"])
                .arg(from)
                .arg("--out")
                .arg(to),
        );
        let mut members = Members {
            folder: folder.to_owned(),
            helpers: BTreeMap::new(),
            serving: BTreeMap::new(),
        };
        for id in 1..=3 {
            fs::write(members.file(id, "toml"), members.config(id, files)).unwrap();
            members.start_helper(id);
            members.launch(id);
        }
        members
    }

    fn config(&self, id: u64, files: &Path) -> String {
        let (folder, files) = (self.folder.display(), files.display());
        format!(
            r#"cluster = "boot"
data-dir = "{folder}/data-{id}"
identity-dir = "{folder}/identities/member-{id}"
[member]
id = {id}
[raft]
peer-listen = "10.97.1.{id}:7440"
[api]
grpc-listen = "10.97.1.{id}:7441"
https-listen = "10.97.1.{id}:8443"
[boot]
files-dir = "{files}"
[address]
mode = "helper"
helper-socket = "{folder}/helper-{id}.sock"
[[network]]
name = "boot"
kind = "boot"
interface = "eth0"
member-address = "10.97.1.{id}"
peers = {{ 1 = "10.97.1.1", 2 = "10.97.1.2", 3 = "10.97.1.3" }}
service-address = "{SERVICE_ADDRESS}"
roles = ["boot", "dhcp", "tftp"]
"#
        )
    }

    fn start_helper(&mut self, id: u64) {
        let socket = self.file_named(&format!("helper-{id}.sock"));
        let helper = inside(&member_namespace(id), executable().to_str().unwrap())
            .args([
                "address-helper",
                "--allow",
                &format!("eth0={SERVICE_ADDRESS}"),
                "--socket",
            ])
            .arg(&socket)
            .stderr(self.log(&format!("helper-{id}.log")))
            .spawn()
            .unwrap();
        self.helpers.insert(id, Process(helper));
        wait("the helper's socket", || socket.exists().then_some(()));
    }

    pub(crate) fn launch(&mut self, id: u64) {
        let serving = inside(&member_namespace(id), executable().to_str().unwrap())
            .args(["serve", "--config"])
            .arg(self.file(id, "toml"))
            .stdout(Stdio::null())
            .stderr(self.log(&format!("member-{id}.log")))
            .spawn()
            .unwrap();
        self.serving.insert(id, Process(serving));
    }

    /// SIGKILL, without a word to anyone.
    pub(crate) fn kill(&mut self, id: u64) {
        drop(self.serving.remove(&id).expect("it runs"));
    }

    /// The leader that every running member names.
    pub(crate) fn leader(&self) -> u64 {
        wait("one leader", || {
            let named: Option<Vec<u64>> = self
                .serving
                .keys()
                .map(|id| self.status(*id)?["leader_id"].as_u64())
                .collect();
            let named = named?;
            (self.serving.contains_key(&named[0]) && named.iter().all(|id| *id == named[0])).then(|| named[0])
        })
    }

    /// The member on whose interface the service address is.
    pub(crate) fn holder(&self) -> u64 {
        wait("one holder of the service address", || {
            let holders: Vec<u64> = self
                .serving
                .keys()
                .copied()
                .filter(|id| self.has_address(*id))
                .collect();
            (holders.len() == 1).then(|| holders[0])
        })
    }

    fn has_address(&self, id: u64) -> bool {
        let shown =
            succeed(Command::new("ip").args(["-n", &member_namespace(id), "addr", "show", "dev", "eth0"]));
        String::from_utf8_lossy(&shown.stdout).contains(&format!("inet {SERVICE_ADDRESS}/"))
    }

    /// Makes the holder of the service address the leader: a leader that does not hold it is killed and
    /// restarted until the election falls on the holder, whose address nobody takes away.
    pub(crate) fn make_the_holder_lead(&mut self) -> u64 {
        for _ in 0..20 {
            let (leader, holder) = (self.leader(), self.holder());
            if leader == holder {
                return leader;
            }
            self.kill(leader);
            self.leader();
            self.launch(leader);
        }
        panic!("the holder of the service address was never elected");
    }

    fn status(&self, id: u64) -> Option<Value> {
        let output = self
            .chamois(id)
            .args(["cluster", "status", "-o", "json"])
            .output()
            .unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        // One object per endpoint asked; only one was.
        Some(if status.is_array() {
            status[0].clone()
        } else {
            status
        })
    }

    /// The command line, talking to member `id` as the administrator.
    pub(crate) fn chamois(&self, id: u64) -> Command {
        let mut command = inside(&bridge_namespace(), executable().to_str().unwrap());
        command
            .args([
                "--timeout",
                "5",
                "--endpoints",
                &format!("10.97.1.{id}:7441"),
                "--ca",
            ])
            .arg(self.file_named("identities/ca.pem"))
            .arg("--token-file")
            .arg(self.file_named("identities/admin.token"));
        command
    }

    /// `curl` with the administrator's token, as today's scripts do it; gives the body.
    pub(crate) fn post(&self, id: u64, path: &str, body: &str) -> String {
        let token = fs::read_to_string(self.file_named("identities/admin.token")).unwrap();
        let mut curl = inside(&bridge_namespace(), "curl");
        curl.args(["-sS", "--fail-with-body", "--max-time", "20", "--cacert"])
            .arg(self.file_named("identities/ca.pem"));
        curl.args([
            "-H",
            &format!("Authorization: Bearer {}", token.trim()),
            "-X",
            "POST",
            "-d",
            body,
        ]);
        let output = curl
            .arg(format!("https://10.97.1.{id}:8443{path}"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "POST {path}: {text} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    fn file(&self, id: u64, extension: &str) -> PathBuf {
        self.file_named(&format!("member-{id}.{extension}"))
    }

    pub(crate) fn file_named(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn log(&self, name: &str) -> File {
        File::options()
            .append(true)
            .create(true)
            .open(self.file_named(name))
            .unwrap()
    }
}

/// The executable under test, built by the same `cargo test`.
fn executable() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(Path::parent).unwrap().join("chamois");
    assert!(
        path.exists(),
        "{} is missing: run `cargo build -p chamois` first",
        path.display()
    );
    path
}

/// Waits for a condition on a value, with a bound.
pub(crate) fn wait<T>(what: &str, condition: impl Fn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < AT_MOST, "no {what} within {AT_MOST:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
