//! Members on a loopback network of their own, usually one, for tests of the real executable.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod dns;
pub(crate) mod exposition;
pub(crate) mod http;
pub(crate) mod routes;
pub(crate) mod streams;
pub(crate) mod two_nodes;

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The executable under test.
pub(crate) const CHAMOIS: &str = env!("CARGO_BIN_EXE_chamois");

/// Runs the executable to its end, without the caller's environment of endpoints and tokens.
pub(crate) fn chamois(args: &[&str]) -> Output {
    Command::new(CHAMOIS)
        .args(args)
        .env_remove("CHAMOIS_ENDPOINTS")
        .env_remove("CHAMOIS_CA")
        .env_remove("CHAMOIS_TOKEN")
        .env_remove("CHAMOIS_TOKEN_FILE")
        .env_remove("CHAMOIS_CLIENT_CERTIFICATE")
        .env_remove("CHAMOIS_CONTEXT")
        .env_remove("CHAMOIS_OUTPUT")
        // whoever runs the tests may have contexts of his own
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output()
        .unwrap()
}

/// Exit code, standard output, standard error.
pub(crate) fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The counts of a collection in the JSON of an import: created, changed, same, refused.
pub(crate) fn counts(out: &str, collection: &str) -> (usize, usize, u64, usize) {
    let report: serde_json::Value = serde_json::from_str(out).unwrap();
    let all = report["collections"].as_array().unwrap();
    let of = all.iter().find(|of| of["collection"] == collection).unwrap();
    let length = |key: &str| of[key].as_array().unwrap().len();
    (
        length("create"),
        length("change"),
        of["same"].as_u64().unwrap(),
        length("refused"),
    )
}

/// Identities and configurations of a cluster, not started. Usually it has member 1 only.
pub(crate) struct Single {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) net: lab::LoopbackNet,
}

impl Single {
    pub(crate) fn prepare() -> Self {
        Self::prepare_one_of(1)
    }

    /// Member 1 of `members`; the others run only if a test starts them.
    pub(crate) fn prepare_one_of(members: u64) -> Self {
        let single = Self {
            dir: tempfile::tempdir().unwrap(),
            net: lab::claim_loopback_net().unwrap(),
        };
        let path = |name: &str| single.dir.path().join(name);
        (1..=members).for_each(|id| std::fs::create_dir(single.files_dir(id)).unwrap());
        let mut list = "cluster = \"test\"\n".to_owned();
        for id in 1..=members {
            let own = single.net.member_address(id);
            list +=
                &format!("[[member]]\nid = {id}\naddress = \"{own}:7440\"\napi-address = \"{own}:7441\"\n");
        }
        std::fs::write(path("static.toml"), list).unwrap();
        let (file, out) = (path("static.toml"), path("identities"));
        let made = chamois(&[
            "init",
            "--static",
            file.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ]);
        assert!(made.status.success(), "{:?}", outcome(&made));
        for id in 1..=members {
            std::fs::write(single.config_of(id), single.configuration(id, members)).unwrap();
        }
        single
    }

    fn configuration(&self, id: u64, members: u64) -> String {
        let (own, service) = (self.net.member_address(id), self.net.service_address());
        let dir = self.dir.path();
        let peers: Vec<String> = (1..=members)
            .map(|id| format!("{id} = \"{}\"", self.net.member_address(id)))
            .collect();
        format!(
            "cluster = \"test\"\ndata-dir = {data:?}\nidentity-dir = {identity:?}\n[member]\nid = {id}\n\
             [raft]\nprofile = \"fast\"\npeer-listen = \"{own}:7440\"\n\
             [api]\ngrpc-listen = \"{own}:7441\"\nhttps-listen = \"{own}:8443\"\n\
             [boot]\nfiles-dir = {files:?}\n[dhcp]\nport = 6767\n[tftp]\nport = 6969\n[dns]\nport = 5353\n[address]\nmode = \"loopback\"\n\
             [[network]]\nname = \"boot\"\nkind = \"boot\"\ninterface = \"lo\"\nmember-address = \"{own}\"\n\
             peers = {{ {peers} }}\nservice-address = \"{service}\"\nroles = [\"boot\", \"dhcp\", \"tftp\", \"dns\"]\n\
             relayed-subnets = [\"{network}\"]\n",
            network = self.net.subnet(),
            peers = peers.join(", "),
            data = dir.join(format!("data-{id}")),
            identity = dir.join(format!("identities/member-{id}")),
            files = self.files_dir(id),
        )
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.config_of(1)
    }

    /// Where member `id` has its boot files.
    pub(crate) fn files_dir(&self, id: u64) -> PathBuf {
        match id {
            1 => self.dir.path().join("files"),
            _ => self.dir.path().join(format!("files-{id}")),
        }
    }

    fn config_of(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("member-{id}.toml"))
    }

    /// Adds lines to `[api]` of member `id`.
    pub(crate) fn configure_api(&self, id: u64, lines: &str) {
        self.configure(id, "api", lines);
    }

    /// Adds lines to `[raft]` of member `id`.
    pub(crate) fn configure_raft(&self, id: u64, lines: &str) {
        self.configure(id, "raft", lines);
    }

    /// Gives member `id` the role `discovery` for BMCs in its own network.
    pub(crate) fn let_work_on_bmcs(&self, id: u64) {
        let text = std::fs::read_to_string(self.config_of(id)).unwrap();
        let with = format!(
            "\"dns\", \"discovery\"]\nbmc-subnets = [\"{}\"]\n",
            self.net.subnet()
        );
        let text = text.replace("\"dns\"]\n", &with);
        std::fs::write(self.config_of(id), text).unwrap();
    }

    fn configure(&self, id: u64, section: &str, lines: &str) {
        let text = std::fs::read_to_string(self.config_of(id)).unwrap();
        let begin = format!("[{section}]\n");
        let text = text.replace(&begin, &format!("{begin}{lines}"));
        std::fs::write(self.config_of(id), text).unwrap();
    }

    pub(crate) fn identities(&self) -> PathBuf {
        self.dir.path().join("identities")
    }

    /// The CA that the cluster began with.
    pub(crate) fn ca(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.identities().join("ca.pem")).unwrap()
    }

    /// The administrator's.
    pub(crate) fn token(&self) -> String {
        let token = std::fs::read_to_string(self.identities().join("admin.token")).unwrap();
        token.trim().to_owned()
    }

    pub(crate) fn own(&self) -> Ipv4Addr {
        self.net.member_address(1)
    }

    /// Where boot files are asked for.
    pub(crate) fn http(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.net.service_address(), 8081)
    }

    /// Options that make a client command talk to the member.
    pub(crate) fn client_args(&self) -> [String; 6] {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        [
            "--endpoints".into(),
            format!("{}:7441", self.own()),
            "--ca".into(),
            path("identities/ca.pem"),
            "--token-file".into(),
            path("identities/admin.token"),
        ]
    }

    /// Runs a client command against the member.
    pub(crate) fn ask(&self, args: &[&str]) -> (i32, String, String) {
        let target = self.client_args();
        let mut all: Vec<&str> = args.to_vec();
        all.extend(target.iter().map(String::as_str));
        outcome(&chamois(&all))
    }

    /// Starts the member and waits until nodes are answered on the service address.
    pub(crate) fn start(&self) -> Member {
        let mut member = self.spawn();
        member.until("the service address answers", || self.answers_nodes());
        member
    }

    /// Whether somebody listens on the service address.
    pub(crate) fn answers_nodes(&self) -> bool {
        TcpStream::connect(self.http()).is_ok()
    }

    /// Starts the member.
    pub(crate) fn spawn(&self) -> Member {
        self.spawn_member(1)
    }

    /// [`Single::start`] without a word about the log on the command line.
    pub(crate) fn start_as_configured(&self) -> Member {
        let mut member = self.spawn_with(1, &[]);
        member.until("the service address answers", || self.answers_nodes());
        member
    }

    /// Starts member `id`.
    pub(crate) fn spawn_member(&self, id: u64) -> Member {
        self.spawn_with(id, &["--log-format", "json"])
    }

    fn spawn_with(&self, id: u64, more: &[&str]) -> Member {
        self.spawn_in(id, more, &[])
    }

    /// Starts member `id` with more in its environment.
    pub(crate) fn spawn_in(&self, id: u64, more: &[&str], environment: &[(&str, &str)]) -> Member {
        let log_file = self.dir.path().join(format!("log-{id}"));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log_file)
            .unwrap();
        let config = self.config_of(id);
        let child = Command::new(CHAMOIS)
            .args([
                "serve",
                "--config",
                config.to_str().unwrap(),
                // the kernel ends the member with this test's thread, however that ends
                "--parent",
                &std::process::id().to_string(),
            ])
            .args(more)
            .envs(environment.iter().copied())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Member { child, log: log_file }
    }
}

/// A running member; killed when dropped.
pub(crate) struct Member {
    pub(crate) child: Child,
    pub(crate) log: PathBuf,
}

impl Member {
    /// Waits for a condition, at most 30 s, and ends early when the member does.
    pub(crate) fn until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{what}: {ended:?}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends a signal. A member that was stopped is killed like any other when this is dropped.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Its exit code, within a bound.
    pub(crate) fn exit_code(&mut self, at_most: Duration) -> Option<i32> {
        let deadline = Instant::now() + at_most;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = std::fs::File::open(&self.log) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    fn end_of_log(&self) -> String {
        let log = self.log();
        let begin = log.len().saturating_sub(4000);
        log.get(begin..).unwrap_or(&log).to_owned()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition, at most a minute; without it the ends of these members' logs are shown.
pub(crate) fn until<'m>(
    what: &str,
    members: impl IntoIterator<Item = &'m Member>,
    mut condition: impl FnMut() -> bool,
) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        if Instant::now() >= deadline {
            let logs: Vec<String> = members.into_iter().map(Member::end_of_log).collect();
            panic!("{what}: it never was so\n{}", logs.join("\n\n"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All files of a folder and of those in it.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
