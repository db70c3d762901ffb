//! Namespaces, processes and what they reported.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::roles::{REPORT, ROLE, member_address};

/// No condition may take longer than this, on the busiest machine.
const BOUND: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Process {
    Member(u64),
    Helper(u64),
    Sniffer,
    Node,
    /// A node with a connection of its own.
    Client(&'static str),
}

/// A bridge with members, each with its helper, and a node that listens.
pub(crate) struct World {
    /// Distinguishes concurrent runs and tests.
    prefix: String,
    folder: tempfile::TempDir,
    members: u64,
    children: BTreeMap<Process, Child>,
    reports: Receiver<(Process, String)>,
    sender: Sender<(Process, String)>,
    /// Everything reported, in order of arrival.
    seen: Vec<(Process, String)>,
    /// How many takes and losses the test has consumed.
    takes_consumed: usize,
    losses_consumed: usize,
}

impl World {
    pub(crate) fn new(members: u64) -> World {
        static WORLDS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = WORLDS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (sender, reports) = channel();
        let mut world = World {
            prefix: format!("cad{}x{number}", std::process::id()),
            folder: tempfile::tempdir().unwrap(),
            members,
            children: BTreeMap::new(),
            reports,
            sender,
            seen: Vec::new(),
            takes_consumed: 0,
            losses_consumed: 0,
        };
        world.build_network();
        world.start(Process::Sniffer, "node", "sniff");
        world.wait_report(Process::Sniffer, "sniffing", 1);
        for id in 1..=members {
            let socket = world.socket(id);
            world.start(
                Process::Helper(id),
                &format!("m{id}"),
                &format!("helper {}", socket.display()),
            );
            wait(&format!("the socket of helper {id}"), || socket.exists());
        }
        for id in 1..=members {
            world.start_member(id);
        }
        world
    }

    fn build_network(&self) {
        self.ip(&format!("netns add {}", self.namespace("hub")));
        self.ip(&format!(
            "-n {} link add br0 type bridge forward_delay 0 mcast_snooping 0",
            self.namespace("hub")
        ));
        self.ip(&format!("-n {} link set br0 up", self.namespace("hub")));
        for id in 1..=self.members {
            self.plug_in(&format!("m{id}"), id, &member_address(id).to_string());
        }
        self.plug_in("node", 100, "10.97.2.1");
    }

    /// Makes a namespace with `eth0` on the bridge; the last byte of its MAC is `number`.
    fn plug_in(&self, name: &str, number: u64, address: &str) {
        let (hub, namespace) = (self.namespace("hub"), self.namespace(name));
        self.ip(&format!("netns add {namespace}"));
        self.ip(&format!(
            "link add eth0 netns {namespace} address 02:00:00:00:00:{number:02x} type veth peer name {name} netns {hub}"
        ));
        self.ip(&format!("-n {hub} link set {name} master br0 up"));
        self.ip(&format!("-n {namespace} addr add {address}/16 dev eth0"));
        self.ip(&format!("-n {namespace} link set eth0 up"));
        self.ip(&format!("-n {namespace} link set lo up"));
    }

    fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn socket(&self, id: u64) -> PathBuf {
        self.folder.path().join(format!("helper{id}.sock"))
    }

    fn ip(&self, arguments: &str) -> String {
        let output = Command::new("ip")
            .args(arguments.split(' '))
            .output()
            .expect("`ip` (iproute2) is installed");
        assert!(
            output.status.success(),
            "ip {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(&mut self, process: Process, namespace: &str, role: &str) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.namespace(namespace)])
            .arg(std::env::current_exe().unwrap())
            .args([
                "roles::role_process",
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(ROLE, role)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(report) = line.strip_prefix(REPORT) {
                    let _ = sender.send((process, report.to_owned()));
                }
            }
        });
        self.children.insert(process, child);
    }

    pub(crate) fn start_member(&mut self, id: u64) {
        let role = format!("member {id} {} {}", self.members, self.socket(id).display());
        self.start(Process::Member(id), &format!("m{id}"), &role);
    }

    fn signal(&self, process: Process, signal: Signal) {
        let pid = i32::try_from(self.children[&process].id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    fn end(&mut self, process: Process, signal: Signal) {
        self.signal(process, signal);
        self.children.remove(&process).unwrap().wait().unwrap();
    }

    pub(crate) fn kill_member(&mut self, id: u64) {
        self.end(Process::Member(id), Signal::SIGKILL);
    }

    pub(crate) fn stop_member(&mut self, id: u64) {
        self.signal(Process::Member(id), Signal::SIGSTOP);
    }

    pub(crate) fn continue_member(&mut self, id: u64) {
        self.signal(Process::Member(id), Signal::SIGCONT);
    }

    pub(crate) fn kill_helper(&mut self, id: u64) {
        self.end(Process::Helper(id), Signal::SIGKILL);
    }

    /// Ends the helper as systemd does.
    pub(crate) fn end_helper(&mut self, id: u64) {
        self.end(Process::Helper(id), Signal::SIGTERM);
    }

    pub(crate) fn cut(&self, id: u64) {
        self.ip(&format!("-n {} link set m{id} nomaster", self.namespace("hub")));
    }

    /// Pulls the member's cable out of the bridge: nothing it sends reaches anybody.
    pub(crate) fn link_down(&self, id: u64) {
        self.ip(&format!("-n {} link set m{id} down", self.namespace("hub")));
    }

    /// Starts a node's process that connects by itself.
    pub(crate) fn start_client(&mut self, name: &'static str, role: &str) {
        self.start(Process::Client(name), "node", role);
    }

    /// Waits until a client has reported this so often.
    pub(crate) fn wait_client(&mut self, name: &'static str, report: &str, count: usize) {
        self.wait_report(Process::Client(name), report, count);
    }

    /// How often a client has reported this.
    pub(crate) fn count_client(&mut self, name: &'static str, report: &str) -> usize {
        self.pump();
        self.count(Process::Client(name), report)
    }

    pub(crate) fn heal(&self, id: u64) {
        self.ip(&format!("-n {} link set m{id} master br0", self.namespace("hub")));
    }

    fn pump(&mut self) {
        self.seen.extend(self.reports.try_iter());
    }

    fn wait_until(&mut self, what: &str, mut done: impl FnMut(&World) -> bool) {
        let end = Instant::now() + BOUND;
        loop {
            self.pump();
            if done(self) {
                return;
            }
            assert!(
                Instant::now() < end,
                "waited {BOUND:?} for {what}; seen: {:?}",
                self.seen
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_report(&mut self, process: Process, report: &str, count: usize) {
        let what = format!("{count} times {report:?} of {process:?}");
        self.wait_until(&what, |world| world.count(process, report) >= count);
    }

    fn count(&self, process: Process, report: &str) -> usize {
        self.seen
            .iter()
            .filter(|(from, text)| *from == process && text == report)
            .count()
    }

    fn members_that_said(&self, report: &str) -> Vec<u64> {
        let said = |(process, text): &(Process, String)| match process {
            Process::Member(id) if text == report => Some(*id),
            _ => None,
        };
        self.seen.iter().filter_map(said).collect()
    }

    /// Every takeover so far, in order.
    pub(crate) fn takers(&mut self) -> Vec<u64> {
        self.pump();
        self.members_that_said("held")
    }

    /// Waits for the next takeover and says whose it is.
    pub(crate) fn next_taker(&mut self) -> u64 {
        let index = self.takes_consumed;
        self.takes_consumed += 1;
        self.wait_until("a takeover", |world| {
            world.members_that_said("held").len() > index
        });
        self.members_that_said("held")[index]
    }

    /// Waits for the next loss that a member itself reports.
    pub(crate) fn next_loser(&mut self) -> u64 {
        let index = self.losses_consumed;
        self.losses_consumed += 1;
        self.wait_until("a loss", |world| world.members_that_said("lost").len() > index);
        self.members_that_said("lost")[index]
    }

    pub(crate) fn wait_lost(&mut self, id: u64) {
        self.wait_report(Process::Member(id), "lost", 1);
    }

    /// Waits until a member has believed ten adverts since its last start.
    pub(crate) fn wait_listening(&mut self, id: u64) {
        let starts = self.count(Process::Member(id), "listening");
        self.wait_report(Process::Member(id), "listening", starts.max(1));
    }

    /// The MACs (their last byte is the member's id) of the gratuitous ARPs that the node saw, in order.
    pub(crate) fn announcers(&mut self) -> Vec<u64> {
        self.pump();
        let garp = |(_, text): &(Process, String)| Some(text.strip_prefix("garp ")?.parse().unwrap());
        self.seen.iter().filter_map(garp).collect()
    }

    pub(crate) fn wait_announced(&mut self, id: u64, times: usize) {
        self.wait_report(Process::Sniffer, &format!("garp {id}"), times);
    }

    /// Which member answers a node on the service address.
    pub(crate) fn ask_who_answers(&mut self) -> u64 {
        let asked = self
            .seen
            .iter()
            .filter(|(process, _)| *process == Process::Node)
            .count();
        self.start(Process::Node, "node", "ask");
        let answer = |world: &World| {
            world
                .seen
                .iter()
                .filter(|(process, _)| *process == Process::Node)
                .nth(asked)
                .map(|(_, id)| id.clone())
        };
        self.wait_until("an answer on the service address", |world| {
            answer(world).is_some()
        });
        self.children.remove(&Process::Node).unwrap().wait().unwrap();
        answer(self).unwrap().parse().unwrap()
    }

    /// IPv4 addresses on a member's interface, sorted.
    pub(crate) fn addresses(&self, id: u64) -> Vec<String> {
        let shown = self.ip(&format!(
            "-n {} -o -4 addr show dev eth0",
            self.namespace(&format!("m{id}"))
        ));
        let mut addresses: Vec<String> = shown
            .lines()
            .map(|line| line.split_whitespace().nth(3).unwrap().to_owned())
            .collect();
        addresses.sort();
        addresses
    }

    pub(crate) fn wait_address_absent(&self, id: u64) {
        wait(&format!("the address to leave member {id}"), || {
            self.addresses(id).len() == 1
        });
    }

    /// Sends a line to a member's helper as another client and returns its answer.
    pub(crate) fn claim_from_helper(&self, id: u64, line: &str) -> String {
        let mut stream = UnixStream::connect(self.socket(id)).unwrap();
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !done() {
        assert!(Instant::now() < end, "waited {BOUND:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.children.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let mut names: Vec<String> = (1..=self.members).map(|id| format!("m{id}")).collect();
        names.extend(["hub".to_owned(), "node".to_owned()]);
        for name in names {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.namespace(&name)])
                .output();
        }
    }
}
