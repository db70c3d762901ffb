//! Real DHCP clients, each on an interface of its own namespace: Busybox's udhcpc, ISC's dhclient, dhcpcd.
//!
//! For tests only: what cannot be done panics, as a test's assertion would.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // see above

mod history;
mod rack;

use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lab::machine::{Namespace, Process};
use nix::sys::signal::Signal;

pub use history::{Event, History, shared_addresses};
pub use rack::Rack;

const SCRIPT: &str = include_str!("record-lease.sh");
/// Short times between tries, so that a test with losses ends soon; everything else is the client's default.
const DHCLIENT_CONF: &str = "timeout 120;\nretry 2;\nreboot 3;\ninitial-interval 2;\nbackoff-cutoff 4;\n\
     request subnet-mask, broadcast-address, routers, host-name, domain-name;\n";
/// As Debian's, without IPv6, link-local addresses and the wait for conflicts.
const DHCPCD_CONF: &str = "ipv4only\nnoipv4ll\nnoarp\nclientid\npersistent\ntimeout 0\nreboot 3\n\
     option host_name, domain_name\nrequire dhcp_server_identifier\n";

/// What a client was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// `yiaddr`.
    pub address: Ipv4Addr,
    /// Option 1.
    pub mask: Ipv4Addr,
    /// Option 3, one router.
    pub router: Ipv4Addr,
    /// Option 12.
    pub hostname: String,
    /// Option 54.
    pub server: Ipv4Addr,
    /// Option 51, seconds.
    pub lease_s: u32,
}

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Busybox's.
    Udhcpc,
    /// ISC's, which speaks through raw sockets.
    Dhclient,
    /// Roy Marples's, in a mount namespace of its own, as it keeps one control socket per interface name.
    Dhcpcd,
}

/// A client and its interface `eth0`.
#[derive(Debug)]
pub struct Client {
    name: String,
    kind: Kind,
    namespace: Namespace,
    folder: PathBuf,
    running: Option<Process>,
}

impl Client {
    /// A client that does not run yet; its files go to `folder`, its events to `history`.
    pub fn new(name: &str, kind: Kind, namespace: Namespace, folder: &Path, history: &History) -> Client {
        let client = Client {
            name: name.to_owned(),
            kind,
            namespace,
            folder: folder.to_owned(),
            running: None,
        };
        let script = SCRIPT
            .replace("@CLIENT@", name)
            .replace("@HISTORY@", history.file().to_str().unwrap());
        std::fs::write(client.file("sh"), script).unwrap();
        std::fs::set_permissions(client.file("sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let configuration = match kind {
            Kind::Udhcpc => "",
            Kind::Dhclient => DHCLIENT_CONF,
            Kind::Dhcpcd => DHCPCD_CONF,
        };
        std::fs::write(client.file("conf"), configuration).unwrap();
        client
    }

    /// Its name, as the history has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which program it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it runs.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Starts it without a memory of earlier leases, on an interface without an address.
    pub fn start(&mut self) {
        self.forget();
        self.start_again();
    }

    /// Starts it with what it remembers: dhclient and dhcpcd then ask for their old address (INIT-REBOOT).
    pub fn start_again(&mut self) {
        let mut command = match self.kind {
            Kind::Udhcpc => self.udhcpc(),
            Kind::Dhclient => self.dhclient(),
            Kind::Dhcpcd => self.dhcpcd(),
        };
        let log = self.log();
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.running = Some(Process::new(spawned.unwrap()));
    }

    fn udhcpc(&self) -> std::process::Command {
        let mut command = self.namespace.command("udhcpc");
        command.args(["-f", "-i", "eth0", "-t", "5", "-T", "2", "-A", "2", "-s"]);
        command.arg(self.file("sh"));
        command
    }

    fn dhclient(&self) -> std::process::Command {
        let mut command = self.namespace.command("dhclient");
        command.args(["-4", "-d", "-cf"]).arg(self.file("conf"));
        command.arg("-sf").arg(self.file("sh"));
        command.arg("-lf").arg(self.file("leases"));
        command.arg("-pf").arg(self.file("pid")).arg("eth0");
        command
    }

    /// In namespaces of its own for mounts and processes, so that killing the first one ends all of its helpers. The
    /// shell around it takes commands, because only there `dhcpcd -N` finds the control socket.
    fn dhcpcd(&self) -> std::process::Command {
        let own = self.file("dhcpcd");
        let (script, conf) = (self.file("sh"), self.file("conf"));
        std::fs::create_dir_all(&own).unwrap();
        let mut command = self.namespace.command("unshare");
        command.args([
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child=SIGKILL",
        ]);
        command.args(["sh", "-c"]).arg(format!(
            "mkdir -p /run/dhcpcd /var/lib/dhcpcd\n\
             mount -t tmpfs none /run/dhcpcd && mount --bind {own} /var/lib/dhcpcd || exit 1\n\
             dhcpcd -4 -B -d -f {conf} -c {script} eth0 &\n\
             while read -r line; do eval \"$line\"; done\nwait",
            own = own.display(),
            conf = conf.display(),
            script = script.display(),
        ));
        command
    }

    /// Ends it without a word to the server; its interface keeps what it has.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Ends it and takes its address off, as a power cut does; what it wrote down stays.
    pub fn power_off(&mut self) {
        self.kill();
        self.namespace.ip(&["addr", "flush", "dev", "eth0"]).unwrap();
    }

    fn forget(&mut self) {
        self.power_off();
        std::fs::remove_file(self.file("leases")).ok();
        std::fs::remove_dir_all(self.file("dhcpcd")).ok();
    }

    /// Writes the lease that dhclient remembers, valid for years: what an older server gave it.
    pub fn remember(&mut self, address: Ipv4Addr) {
        assert_eq!(self.kind, Kind::Dhclient);
        self.forget();
        let lease = format!(
            "lease {{\n interface \"eth0\";\n fixed-address {address};\n option subnet-mask 255.255.0.0;\n \
             option routers 10.97.0.254;\n option dhcp-lease-time 864000;\n \
             option dhcp-server-identifier 10.97.0.1;\n \
             renew 2 2035/01/01 00:00:00;\n rebind 3 2036/01/01 00:00:00;\n expire 4 2037/01/01 00:00:00;\n}}\n"
        );
        std::fs::write(self.file("leases"), lease).unwrap();
    }

    /// Makes a bound client renew now (RFC 2131: RENEWING, to the server). dhclient has no signal for it.
    pub fn renew(&mut self) {
        match self.kind {
            Kind::Udhcpc => self.running().signal(Signal::SIGUSR1).unwrap(),
            Kind::Dhcpcd => self.tell("dhcpcd -4 -N eth0"),
            Kind::Dhclient => panic!("dhclient renews when its lease says so"),
        }
    }

    /// Makes a bound dhcpcd rebind now (REBINDING, to all).
    pub fn rebind(&mut self) {
        assert_eq!(self.kind, Kind::Dhcpcd);
        self.tell("dhcpcd -4 -n eth0");
    }

    fn tell(&mut self, line: &str) {
        let stdin = self.running().child().stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    fn running(&mut self) -> &mut Process {
        self.running.as_mut().expect("it was started")
    }

    fn log(&self) -> File {
        let file = self.file("log");
        File::options().create(true).append(true).open(file).unwrap()
    }

    /// What it said so far, for a failure's text.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.name))
    }
}
