//! Three members in network namespaces, as on three hosts: each with its configuration, its address helper, its log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lab::machine::{Namespace, Network, Process, member_address, run};
use serde_json::json;

use crate::error::{CliError, Kind};
use crate::init;

/// The address that the guest knows.
pub(super) const SERVICE_ADDRESS: &str = "10.97.0.1";
const CLUSTER: &str = "demo";
/// Bound of every wait for the members.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// A question to a member takes at most this long, seconds.
const ASK_S: &str = "5";

/// The running members. Dropping them kills them and their helpers.
pub(super) struct Members {
    dir: PathBuf,
    executable: PathBuf,
    bridge: Namespace,
    namespaces: BTreeMap<u64, Namespace>,
    /// Held, not read: a helper ends with it.
    helpers: Vec<Process>,
    serving: BTreeMap<u64, Process>,
    /// The administrator's header, in a file of the owner's only: arguments can be read by everyone.
    authorization: PathBuf,
}

impl Members {
    /// Identities, configurations and helpers in `dir`, boot files from `files`; returns when a member holds the
    /// service address and all are ready.
    pub(super) fn start(
        network: &Network,
        dir: &Path,
        files: &Path,
        stop: &AtomicBool,
    ) -> Result<Self, CliError> {
        let ids = 1..=network.members();
        let list = dir.join("static.toml");
        write(&list, &static_list(ids.clone()))?;
        let made = init::make(&list, &dir.join("identities"))?;
        let token = std::fs::read_to_string(&made.token)
            .map_err(|error| CliError::other("cannot read the administrator's token", error))?;
        let authorization = dir.join("authorization");
        write_private(
            &authorization,
            &format!("Authorization: Bearer {}\n", token.trim()),
        )?;
        let mut members = Self {
            dir: dir.to_owned(),
            executable: std::env::current_exe()
                .map_err(|error| CliError::other("cannot find this executable", error))?,
            bridge: network.bridge(),
            namespaces: ids.clone().map(|id| (id, network.member(id))).collect(),
            helpers: Vec::new(),
            serving: BTreeMap::new(),
            authorization,
        };
        for id in ids.clone() {
            write(&members.file(id, "toml"), &config(dir, files, id, ids.clone()))?;
            members.start_helper(id)?;
            members.launch(id)?;
        }
        members.wait("all members to be ready", |members| {
            stop.load(Ordering::Relaxed) || members.is_healthy()
        })?;
        if stop.load(Ordering::Relaxed) {
            return Err(CliError::new(Kind::Other, "interrupted"));
        }
        Ok(members)
    }

    /// What the guest is and boots, put in as today's scripts do it.
    pub(super) fn seed(&self, xname: &str, mac: &str, address: &str) -> Result<(), CliError> {
        let files = format!("http://{SERVICE_ADDRESS}:8081/files");
        let node = json!({"ID": xname, "Type": "Node", "State": "On", "Role": "Compute", "NID": 1});
        let interface = json!({
            "MACAddress": mac, "ComponentID": xname, "IPAddresses": [{"IPAddress": address}],
        });
        let boot = json!({
            "hosts": [xname], "params": "console=ttyS0 quiet",
            "kernel": format!("{files}/vmlinuz"), "initrd": format!("{files}/initrd"),
        });
        self.post(
            "/chamois/v1/subnets",
            &json!({"network": "10.97.0.0/16"}).to_string(),
        )?;
        self.post(
            "/hsm/v2/State/Components",
            &json!({"Components": [node]}).to_string(),
        )?;
        self.post("/hsm/v2/Inventory/EthernetInterfaces", &interface.to_string())?;
        self.post("/boot/v1/bootparameters", &boot.to_string())
    }

    /// Waits until all run and are ready, and one holds the service address; gives that one.
    pub(super) fn healthy(&mut self) -> Result<u64, CliError> {
        self.wait("all members to be ready", |members| members.is_healthy())?;
        self.holder()
    }

    /// Waits for the member on whose interface the service address is.
    pub(super) fn holder(&mut self) -> Result<u64, CliError> {
        self.wait("a holder of the service address", |members| {
            members.seen_holder().is_some()
        })?;
        self.seen_holder()
            .ok_or_else(|| CliError::other("the service address", "it moved while it was looked at"))
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self, id: u64) {
        drop(self.serving.remove(&id));
    }

    /// Starts a member that does not run, on its own data.
    pub(super) fn launch(&mut self, id: u64) -> Result<(), CliError> {
        let mut serve = self.namespaces[&id].command(&self.executable);
        serve.args(["serve", "--config"]).arg(self.file(id, "toml"));
        // so that the kernel ends it, however this process ends
        serve.arg("--parent").arg(std::process::id().to_string());
        let process = self.spawn(&mut serve, &format!("member-{id}.log"))?;
        self.serving.insert(id, process);
        Ok(())
    }

    fn start_helper(&mut self, id: u64) -> Result<(), CliError> {
        let socket = self.dir.join(format!("helper-{id}.sock"));
        let mut helper = self.namespaces[&id].command(&self.executable);
        let allow = format!("eth0={SERVICE_ADDRESS}");
        helper
            .args(["address-helper", "--allow", &allow, "--socket"])
            .arg(&socket);
        let process = self.spawn(&mut helper, &format!("helper-{id}.log"))?;
        self.helpers.push(process);
        self.wait("an address helper", |_| socket.exists())
    }

    fn spawn(&self, command: &mut Command, log: &str) -> Result<Process, CliError> {
        let cannot = |error| CliError::other("cannot start a member", error);
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.dir.join(log))
            .map_err(cannot)?;
        let command = command.env_remove("CHAMOIS_TOKEN").stdin(Stdio::null());
        let child = command
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(cannot)?;
        Ok(Process::new(child))
    }

    fn is_healthy(&self) -> bool {
        let ready = |id: &u64| run(self.curl(*id, "/readyz?role=boot").arg("--fail")).is_ok();
        self.namespaces
            .keys()
            .all(|id| self.serving.contains_key(id) && ready(id))
            && self.seen_holder().is_some()
    }

    fn seen_holder(&self) -> Option<u64> {
        let holds = |id: &u64| {
            self.namespaces[id]
                .has_address("eth0", SERVICE_ADDRESS)
                .unwrap_or(false)
        };
        self.serving.keys().copied().find(holds)
    }

    /// `curl` from the administrator's place to a member's HTTPS port.
    fn curl(&self, id: u64, path: &str) -> Command {
        let mut curl = self.bridge.command("curl");
        curl.args(["-sS", "--max-time", ASK_S, "--cacert"]);
        curl.arg(self.dir.join("identities/ca.pem"));
        curl.arg(format!("https://{}:8443{path}", member_address(id)));
        curl
    }

    fn post(&self, path: &str, body: &str) -> Result<(), CliError> {
        let header = format!("@{}", self.authorization.display());
        run(self
            .curl(1, path)
            .args(["--fail-with-body", "-H", &header, "-d", body]))?;
        Ok(())
    }

    fn wait(&mut self, what: &str, condition: impl Fn(&Self) -> bool) -> Result<(), CliError> {
        let deadline = Instant::now() + WAIT_MAX;
        while !condition(self) {
            for (id, process) in &mut self.serving {
                if let Some(status) = process.ended()? {
                    let log = self.dir.join(format!("member-{id}.log"));
                    return Err(CliError::other(&format!("member {id} ended by itself"), status)
                        .with_remedy(format!("Its log: {}", log.display())));
                }
            }
            if Instant::now() > deadline {
                let text = format!("waited {} s for {what}", WAIT_MAX.as_secs());
                return Err(CliError::new(Kind::Unavailable, text));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn file(&self, id: u64, extension: &str) -> PathBuf {
        self.dir.join(format!("member-{id}.{extension}"))
    }
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text)
        .map_err(|error| CliError::other(&format!("cannot write {}", path.display()), error))
}

fn write_private(path: &Path, text: &str) -> Result<(), CliError> {
    let made = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    made.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| CliError::other(&format!("cannot write {}", path.display()), error))
}

/// The file that `chamois init --static` reads.
fn static_list(ids: impl Iterator<Item = u64>) -> String {
    let mut text = format!("cluster = \"{CLUSTER}\"\n");
    for id in ids {
        let own = member_address(id);
        let _ = writeln!(
            text,
            "[[member]]\nid = {id}\naddress = \"{own}:7440\"\napi-address = \"{own}:7441\"\nnames = [\"{SERVICE_ADDRESS}\"]"
        );
    }
    text
}

fn config(dir: &Path, files: &Path, id: u64, ids: impl Iterator<Item = u64>) -> String {
    let own = member_address(id);
    let peers: Vec<String> = ids
        .map(|id| format!("{id} = \"{}\"", member_address(id)))
        .collect();
    format!(
        r#"cluster = "{CLUSTER}"
data-dir = {data:?}
identity-dir = {identity:?}
[member]
id = {id}
[raft]
peer-listen = "{own}:7440"
[api]
grpc-listen = "{own}:7441"
https-listen = "{own}:8443"
[boot]
files-dir = {files:?}
[address]
mode = "helper"
helper-socket = {helper:?}
[[network]]
name = "boot"
kind = "boot"
interface = "eth0"
member-address = "{own}"
peers = {{ {peers} }}
service-address = "{SERVICE_ADDRESS}"
roles = ["boot", "dhcp", "tftp"]
router-advertisements = true
"#,
        data = dir.join(format!("data-{id}")),
        identity = dir.join(format!("identities/member-{id}")),
        helper = dir.join(format!("helper-{id}.sock")),
        peers = peers.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `--real` is only run where it may be; that its files are TOML and agree is known everywhere.
    #[test]
    fn configurations_are_toml_and_name_every_member() {
        let text = config(Path::new("/tmp/d"), Path::new("/tmp/d/files"), 2, 1..=3);
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["raft"]["peer-listen"].as_str(), Some("10.97.1.2:7440"));
        assert_eq!(table["network"][0]["peers"].as_table().unwrap().len(), 3);
        let list: toml::Table = static_list(1..=3).parse().unwrap();
        assert_eq!(list["member"].as_array().unwrap().len(), 3);
    }
}
