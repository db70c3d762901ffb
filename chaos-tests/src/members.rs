//! Three real members, each in its namespace with its address helper; started, seeded, broken and mended.
//!
//! For tests only: what cannot be done panics, as a test's assertion would.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // see above

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use lab::machine::{Namespace, Network, Process, member_address, run};
use nix::sys::signal::Signal;
use serde_json::Value;

/// The address that nodes know.
pub const SERVICE_ADDRESS: &str = "10.97.0.1";
/// Bound of every wait for a condition.
pub const AT_MOST: Duration = Duration::from_secs(120);

/// The member that answers the broadcasts of the client with this MAC while all three live and share the clients.
pub fn responder_of(mac: &str) -> u64 {
    let mac: model::MacAddr = mac.parse().unwrap();
    address::responder_among(mac.0, 1..=3).unwrap()
}

/// What a test adds to the members' configuration.
#[derive(Clone, Debug, Default)]
pub struct MembersConfig {
    /// Lines within `[[network]]` of the boot network, e.g. router advertisements.
    pub network_lines: String,
    /// Whole tables at the end of the file; `{id}` stands for the member's id.
    pub tables: String,
    /// Lines within `[boot]`.
    pub boot_lines: String,
    /// Address mode `external`: no helper runs, the test itself brings the service address to a member.
    pub external: bool,
    /// Further addresses that the helpers may touch, as `INTERFACE=ADDRESS`.
    pub helper_allows: Vec<String>,
    /// The first half of the addresses that API and peer port listen on, e.g. `10.99` for `10.99.1.<id>`, if that is not
    /// the boot network.
    pub api_network: Option<String>,
}

impl MembersConfig {
    fn api_address(&self, id: u64) -> String {
        match &self.api_network {
            Some(network) => format!("{network}.1.{id}"),
            None => member_address(id),
        }
    }
}

/// Members 1 to 3 of a cluster on a [`Network`].
#[derive(Debug)]
pub struct Members {
    folder: PathBuf,
    bridge: Namespace,
    namespaces: BTreeMap<u64, Namespace>,
    helpers: BTreeMap<u64, Process>,
    serving: BTreeMap<u64, Process>,
    frozen: BTreeSet<u64>,
    config: MembersConfig,
}

impl Members {
    /// Identities and configurations in `folder`, boot files from `files`; every member is started.
    pub fn start(network: &Network, folder: &Path, files: &Path, config: &MembersConfig) -> Members {
        fs::create_dir_all(folder).unwrap();
        let ids = 1..=network.members();
        let mut members = Members {
            folder: folder.to_owned(),
            bridge: network.bridge(),
            namespaces: ids.map(|id| (id, network.member(id))).collect(),
            helpers: BTreeMap::new(),
            serving: BTreeMap::new(),
            frozen: BTreeSet::new(),
            config: config.clone(),
        };
        members.make_identities();
        for id in members.ids() {
            fs::write(members.file(id, "toml"), members.config_file(id, files)).unwrap();
            if !config.external {
                members.start_helper(id);
            }
            members.launch(id);
        }
        members
    }

    /// All ids, running or not.
    pub fn ids(&self) -> Vec<u64> {
        self.namespaces.keys().copied().collect()
    }

    /// Those that run and are not frozen.
    pub fn running(&self) -> Vec<u64> {
        self.serving
            .keys()
            .copied()
            .filter(|id| !self.frozen.contains(id))
            .collect()
    }

    fn make_identities(&self) {
        let mut description = String::from("cluster = \"boot\"\n");
        for id in self.ids() {
            let own = self.config.api_address(id);
            writeln!(description, "[[member]]\nid = {id}\naddress = \"{own}:7440\"").unwrap();
            writeln!(
                description,
                "api-address = \"{own}:7441\"\nnames = [\"{SERVICE_ADDRESS}\"]"
            )
            .unwrap();
        }
        let (from, to) = (self.file_named("static.toml"), self.file_named("identities"));
        fs::write(&from, description).unwrap();
        run(Command::new(executable())
            .args(["init", "--static"])
            .arg(from)
            .arg("--out")
            .arg(to))
        .unwrap();
    }

    fn config_file(&self, id: u64, files: &Path) -> String {
        let (folder, files, own) = (self.folder.display(), files.display(), member_address(id));
        let peers: Vec<String> = self
            .ids()
            .iter()
            .map(|id| format!("{id} = \"{}\"", member_address(*id)))
            .collect();
        let MembersConfig {
            network_lines,
            boot_lines,
            external,
            ..
        } = &self.config;
        let mode = if *external { "external" } else { "helper" };
        let (api, tables) = (
            self.config.api_address(id),
            self.config.tables.replace("{id}", &id.to_string()),
        );
        format!(
            r#"cluster = "boot"
data-dir = "{folder}/data-{id}"
identity-dir = "{folder}/identities/member-{id}"
[member]
id = {id}
[raft]
peer-listen = "{api}:7440"
[api]
grpc-listen = "{api}:7441"
https-listen = "{api}:8443"
[boot]
files-dir = "{files}"
{boot_lines}
[address]
mode = "{mode}"
helper-socket = "{folder}/helper-{id}.sock"
[[network]]
name = "boot"
kind = "boot"
interface = "eth0"
member-address = "{own}"
peers = {{ {peers} }}
service-address = "{SERVICE_ADDRESS}"
roles = ["boot", "dhcp", "tftp", "dns"]
{network_lines}
{tables}
"#,
            peers = peers.join(", ")
        )
    }

    fn start_helper(&mut self, id: u64) {
        let socket = self.file_named(&format!("helper-{id}.sock"));
        let mut helper = self.namespaces[&id].command(executable());
        helper.args(["address-helper", "--allow", &format!("eth0={SERVICE_ADDRESS}")]);
        for further in &self.config.helper_allows {
            helper.args(["--allow", further]);
        }
        let helper = helper
            .arg("--socket")
            .arg(&socket)
            .stderr(self.log(&format!("helper-{id}.log")))
            .spawn()
            .unwrap();
        self.helpers.insert(id, Process::new(helper));
        wait("the helper's socket", || socket.exists().then_some(()));
    }

    /// Starts `chamois serve` of a member that does not run.
    pub fn launch(&mut self, id: u64) {
        let serving = self.namespaces[&id]
            .command(executable())
            .args(["serve", "--config"])
            .arg(self.file(id, "toml"))
            .stdout(Stdio::null())
            .stderr(self.log(&format!("member-{id}.log")))
            .spawn()
            .unwrap();
        self.serving.insert(id, Process::new(serving));
    }

    /// SIGKILL, without a word to anyone.
    pub fn kill(&mut self, id: u64) {
        drop(self.serving.remove(&id).expect("it runs"));
    }

    /// SIGSTOP: the process holds its sockets and answers nothing. Its helper goes on.
    pub fn freeze(&mut self, id: u64) {
        self.serving[&id].signal(Signal::SIGSTOP).unwrap();
        self.frozen.insert(id);
    }

    /// SIGCONT.
    pub fn thaw(&mut self, id: u64) {
        self.serving[&id].signal(Signal::SIGCONT).unwrap();
        self.frozen.remove(&id);
    }

    /// SIGTERM: it ends in order, which [`Members::ended`] sees.
    pub fn drain(&self, id: u64) {
        self.serving[&id].signal(Signal::SIGTERM).unwrap();
    }

    /// How a drained member has ended, if it has; after that it does not run.
    pub fn ended(&mut self, id: u64) -> Option<ExitStatus> {
        let status = self.serving.get_mut(&id)?.ended().unwrap()?;
        self.serving.remove(&id);
        Some(status)
    }

    /// The leader that every running member names.
    pub fn leader(&self) -> u64 {
        wait("one leader", || self.agreed_leader())
    }

    fn agreed_leader(&self) -> Option<u64> {
        let running = self.running();
        let named: Option<Vec<u64>> = running
            .iter()
            .map(|id| self.status(*id)?["leader_id"].as_u64())
            .collect();
        let named = named?;
        let first = *named.first()?;
        (running.contains(&first) && named.iter().all(|id| *id == first)).then_some(first)
    }

    /// The running member on whose interface the service address is.
    pub fn holder(&self) -> u64 {
        wait("one holder of the service address", || {
            let running = self.running();
            let holders: Vec<u64> = running.into_iter().filter(|id| self.has_address(*id)).collect();
            (holders.len() == 1).then(|| holders[0])
        })
    }

    /// Whether the service address is on the interface of member `id`, running or not.
    pub fn has_address(&self, id: u64) -> bool {
        self.namespaces[&id].has_address("eth0", SERVICE_ADDRESS).unwrap()
    }

    /// Makes the holder of the service address the leader: a leader that does not hold it is killed and
    /// restarted until the election falls on the holder, whose address nobody takes away.
    pub fn make_the_holder_lead(&mut self) -> u64 {
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

    /// Waits until every member runs, names the same leader and has applied the same log, and exactly one holds
    /// the service address; gives that one.
    pub fn wait_healthy(&self) -> u64 {
        assert_eq!(self.running(), self.ids(), "some member does not run");
        wait("a healthy cluster", || {
            self.agreed_leader()?;
            let applied: Option<BTreeSet<u64>> = self
                .ids()
                .iter()
                .map(|id| self.status(*id)?["applied_index"].as_u64())
                .collect();
            (applied?.len() == 1).then_some(())
        });
        self.holder()
    }

    /// What `chamois cluster status` says when member `id` is asked; `None` when it does not answer.
    pub fn status(&self, id: u64) -> Option<Value> {
        self.administrator().status(id)
    }

    /// The command line, talking to member `id` as the administrator.
    pub fn chamois(&self, id: u64) -> Command {
        self.administrator().chamois(id)
    }

    /// [`Administrator::request`].
    ///
    /// # Errors
    /// No answer, or an error status; with the body.
    pub fn request(&self, id: u64, method: &str, path: &str, body: &str) -> Result<String, String> {
        self.administrator().request(id, method, path, body)
    }

    /// Who may change things, beside whoever breaks and mends the members.
    pub fn administrator(&self) -> Administrator {
        Administrator {
            folder: self.folder.clone(),
            bridge: self.bridge.clone(),
            config: self.config.clone(),
        }
    }

    /// [`Members::request`] that must succeed.
    pub fn post(&self, id: u64, path: &str, body: &str) -> String {
        self.request(id, "POST", path, body)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// A node of type Node and role Compute with its NIC and address, through member `id`.
    pub fn add_node(&self, id: u64, node: &Node) {
        let Node {
            xname,
            nid,
            mac,
            address,
        } = node;
        let component = format!(
            r#"{{"Components":[{{"ID":"{xname}","Type":"Node","State":"On","Role":"Compute","NID":{nid}}}]}}"#
        );
        self.post(id, "/hsm/v2/State/Components", &component);
        let interface = format!(
            r#"{{"MACAddress":"{mac}","ComponentID":"{xname}","IPAddresses":[{{"IPAddress":"{address}"}}]}}"#
        );
        self.post(id, "/hsm/v2/Inventory/EthernetInterfaces", &interface);
    }

    /// The boot network's subnet, through member `id`.
    pub fn add_subnet(&self, id: u64) {
        self.post(id, "/chamois/v1/subnets", r#"{"network":"10.97.0.0/16"}"#);
    }

    /// What the node with this MAC boots: `vmlinuz` and `initrd` of the boot files, with these parameters.
    pub fn add_boot(&self, id: u64, mac: &str, params: &str) {
        let files = format!("http://{SERVICE_ADDRESS}:8081/files");
        let body = format!(
            r#"{{"macs":["{mac}"],"params":"{params}","kernel":"{files}/vmlinuz","initrd":"{files}/initrd"}}"#
        );
        self.post(id, "/boot/v1/bootparameters", &body);
    }

    fn file(&self, id: u64, extension: &str) -> PathBuf {
        self.file_named(&format!("member-{id}.{extension}"))
    }

    /// A file in the cluster's folder: `identities/ca.pem`, `member-1.log`, `helper-1.log`, …
    pub fn file_named(&self, name: &str) -> PathBuf {
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

/// The administrator of a cluster: identities from its folder, calls from the bridge.
#[derive(Clone, Debug)]
pub struct Administrator {
    folder: PathBuf,
    bridge: Namespace,
    config: MembersConfig,
}

impl Administrator {
    /// [`Members::status`].
    pub fn status(&self, id: u64) -> Option<Value> {
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

    /// [`Members::chamois`].
    pub fn chamois(&self, id: u64) -> Command {
        let mut command = self.bridge.command(executable());
        command
            .args(["--timeout", "5", "--endpoints"])
            .arg(format!("{}:7441", self.config.api_address(id)))
            .arg("--ca")
            .arg(self.folder.join("identities/ca.pem"))
            .arg("--token-file")
            .arg(self.folder.join("identities/admin.token"));
        command
    }

    /// `curl` with the administrator's token, as today's scripts do it; gives the body, or what went wrong.
    ///
    /// # Errors
    /// No answer, or an error status; with the body.
    pub fn request(&self, id: u64, method: &str, path: &str, body: &str) -> Result<String, String> {
        let token = fs::read_to_string(self.folder.join("identities/admin.token")).unwrap();
        let mut curl = self.bridge.command("curl");
        curl.args(["-sS", "--fail-with-body", "--max-time", "20", "--cacert"])
            .arg(self.folder.join("identities/ca.pem"))
            .arg("-H")
            .arg(format!("Authorization: Bearer {}", token.trim()))
            .args(["-X", method, "-d", body]);
        let output = curl
            .arg(format!("https://{}:8443{path}", self.config.api_address(id)))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(format!(
            "{method} {path}: {text} {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// A compute node as it is put into the inventory.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its location name.
    pub xname: String,
    /// Its number.
    pub nid: u64,
    /// MAC address of its NIC.
    pub mac: String,
    /// Its reserved address, in 10.97.0.0/16.
    pub address: String,
}

/// The executable under test, built by the same `cargo test`.
pub fn executable() -> PathBuf {
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
pub fn wait<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_at_most(AT_MOST, condition).unwrap_or_else(|| panic!("no {what} within {AT_MOST:?}"))
}

/// Waits for a condition on a value; `None` after `bound`.
pub fn wait_at_most<T>(bound: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if started.elapsed() > bound {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
