//! Real clients (dhclient, dhcpcd) on a real link, and behind a real relay (dhcrelay). In network namespaces of their own.
//! Runs with CHAMOIS_E2E=1 as root.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dhcp::{Loaders, Responder, UEFI_LOADER};
use dhcp6::{Count, Server, Socket};
use nix::unistd::Pid;
use timeline::Timeline;

use crate::namespace::{Process, in_own_network, other_namespace, run, run_in, wait_for};
use crate::testing::{network, world};

/// Writes what a client learned into a file named after the event; dhclient names it `reason` as dhcpcd does.
const SCRIPT: &str = r#"#!/bin/sh
env >"OUT/$reason.new" && mv "OUT/$reason.new" "OUT/$reason"
"#;
/// What dhclient asks for besides what it always does, and what it says it is.
const DHCLIENT_CONF: &str = "also request dhcp6.fqdn, dhcp6.bootfile-url;\n";
const DHCPCD_CONF: &str =
    "noipv6rs\nduid ll\ninterface cli\nia_na 1\noption dhcp6_name_servers\noption dhcp6_domain_search\n";

/// A client's end of a cable, in a namespace of its own.
struct Client {
    home: Process,
    out: tempfile::TempDir,
}

impl Client {
    /// At the other end of a new cable from `interface` here.
    async fn at(interface: &str, mac: &str) -> Client {
        let home = other_namespace().await;
        run(&format!(
            "ip link add {interface} type veth peer name cli netns {}",
            home.pid()
        ));
        run(&format!("ip link set {interface} up"));
        let client = Client {
            home,
            out: tempfile::tempdir().unwrap(),
        };
        let script = SCRIPT.replace("OUT", client.out.path().to_str().unwrap());
        for (name, text) in [
            ("script", script.as_str()),
            ("dhclient.conf", DHCLIENT_CONF),
            ("dhcpcd.conf", DHCPCD_CONF),
        ] {
            std::fs::write(client.path(name), text).unwrap();
        }
        std::fs::set_permissions(client.path("script"), std::fs::Permissions::from_mode(0o755)).unwrap();
        for command in [
            &format!("ip link set cli address {mac}"),
            "ip link set lo up",
            "ip link set cli up",
        ] {
            run_in(client.pid(), command);
        }
        wait_for("the client's own link-local address", || {
            is_usable(client.pid(), "cli")
        })
        .await;
        client
    }

    fn pid(&self) -> Pid {
        self.home.pid()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// What the client learned with this event, once it has.
    async fn learned(&self, event: &str) -> BTreeMap<String, String> {
        let file = self.path(event);
        wait_for(event, || file.exists()).await;
        let learned = learned(&file);
        std::fs::remove_file(file).unwrap();
        learned
    }

    fn dhclient(&self, options: &[&str]) -> Process {
        let (script, leases) = (self.text("script"), self.text("leases"));
        let (pid, conf) = (self.text("dhclient.pid"), self.text("dhclient.conf"));
        let mut all = vec![
            "dhclient", "-6", "-d", "-sf", &script, "-lf", &leases, "-pf", &pid, "-cf", &conf,
        ];
        all.extend(options);
        all.push("cli");
        self.start(&all)
    }

    /// In a mount namespace of its own: dhcpcd writes into folders of the system.
    fn dhcpcd(&self) -> Process {
        let command = format!(
            "mkdir -p /run/dhcpcd /var/lib/dhcpcd\n\
             mount -t tmpfs none /run/dhcpcd && mount -t tmpfs none /var/lib/dhcpcd || exit 1\n\
             exec dhcpcd -6 -B -d -f {} -c {} cli",
            self.text("dhcpcd.conf"),
            self.text("script")
        );
        self.start(&["unshare", "--mount", "sh", "-c", &command])
    }

    fn start(&self, command: &[&str]) -> Process {
        start_in(self.pid(), command, &self.path("log"))
    }
}

fn start_in(pid: Pid, command: &[&str], log: &Path) -> Process {
    let log = std::fs::File::create(log).unwrap();
    let mut nsenter = Command::new("nsenter");
    nsenter.arg(format!("--net=/proc/{pid}/ns/net")).args(command);
    nsenter.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Process(nsenter.spawn().expect("nsenter"))
}

fn learned(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Whether the interface there has a link-local address that nobody else has.
fn is_usable(pid: Pid, interface: &str) -> bool {
    let mut nsenter = Command::new("nsenter");
    nsenter.arg(format!("--net=/proc/{pid}/ns/net")).arg("ip");
    has_link_local(&mut nsenter, interface)
}

fn has_link_local(ip: &mut Command, interface: &str) -> bool {
    let shown = ip
        .args(["-6", "-o", "addr", "show", "dev", interface, "scope", "link"])
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    shown.contains("fe80::") && !shown.contains("tentative")
}

/// A server on `srv`, which has an address of the link.
async fn serve() -> Server {
    run("ip link set lo up");
    run("ip -6 addr add fd00:97::1:1/64 dev srv nodad");
    wait_for("the server's link-local address", || {
        has_link_local(&mut Command::new("ip"), "srv")
    })
    .await;
    let loaders = Loaders::new([UEFI_LOADER]);
    let server = Server::new(
        world().await,
        network(),
        loaders,
        || Responder::Own,
        Timeline::default(),
    );
    let socket = Socket::on_interface("srv").expect("CAP_NET_RAW and CAP_NET_BIND_SERVICE");
    let running = server.clone();
    tokio::spawn(async move { running.run(socket, std::future::pending()).await });
    server
}

fn assert_learned(learned: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        assert_eq!(
            learned.get(*key).map(String::as_str),
            Some(*value),
            "{key} in {learned:?}"
        );
    }
}

#[test]
fn dhclient_gets_its_address_confirms_it_and_gives_it_back() {
    in_own_network(|| async {
        let client = Client::at("srv", "02:00:00:00:00:a1").await;
        let server = serve().await;
        let count = |what| server.counters().get(what);
        let running = client.dhclient(&[]);
        let bound = client.learned("BOUND6").await;
        assert_learned(
            &bound,
            &[
                ("new_ip6_address", "fd00:97::2:1"),
                ("new_max_life", "4000"),
                ("new_preferred_life", "3000"),
                ("new_dhcp6_name_servers", "fd00:97::53"),
                ("new_dhcp6_domain_search", "demo.example."),
                ("new_fqdn_fqdn", "nid0001.demo.example"),
            ],
        );
        assert!(
            !bound.contains_key("new_dhcp6_bootfile_url"),
            "it does not boot: {bound:?}"
        );
        for what in [Count::Advertises, Count::Requests] {
            assert!(count(what) > 0, "{}", what.name());
        }
        // what it remembers it asks about before it uses it again
        run_in(client.pid(), "ip -6 addr flush dev cli scope global");
        drop(running);
        let running = client.dhclient(&[]);
        let confirmed = client.learned("BOUND6").await;
        assert_learned(&confirmed, &[("new_ip6_address", "fd00:97::2:1")]);
        let log = std::fs::read_to_string(client.path("log")).unwrap();
        assert!(log.contains("status code Success"), "{log}");
        assert!(
            count(Count::Confirms) > 0,
            "it has asked about the address that it remembers"
        );
        drop(running);
        let _releasing = client.dhclient(&["-r"]);
        wait_for("the release", || count(Count::Released) > 0).await;
        assert_eq!(
            (
                count(Count::Refusals),
                count(Count::SendFailed),
                count(Count::Panicked)
            ),
            (0, 0, 0)
        );
    });
}

#[test]
fn dhcpcd_gets_its_address() {
    in_own_network(|| async {
        let client = Client::at("srv", "02:00:00:00:00:a1").await;
        let server = serve().await;
        let _running = client.dhcpcd();
        let bound = client.learned("BOUND6").await;
        let address = bound
            .iter()
            .find(|(key, value)| key.contains("dhcp6_ia_na1") && *value == "fd00:97::2:1");
        assert!(address.is_some(), "{bound:?}");
        assert_learned(&bound, &[("new_dhcp6_name_servers", "fd00:97::53")]);
        assert_eq!(server.counters().get(Count::Refusals), 0);
    });
}

#[test]
fn a_stranger_gets_nothing() {
    in_own_network(|| async {
        let client = Client::at("srv", "02:00:00:00:99:99").await;
        let server = serve().await;
        let _running = client.dhclient(&[]);
        wait_for("it asks twice", || server.counters().get(Count::UnknownMac) >= 2).await;
        assert_eq!(server.counters().get(Count::Advertises), 0);
        assert!(!client.path("BOUND6").exists());
    });
}

/// The relay says which link the client is on, and finds its way back by the interface id.
#[test]
fn dhclient_behind_dhcrelay_gets_its_address_of_that_link() {
    in_own_network(|| async {
        let relay = other_namespace().await;
        run(&format!(
            "ip link add srv type veth peer name up0 netns {}",
            relay.pid()
        ));
        run("ip link set srv up");
        let client = Client::at("dn0", "02:00:00:00:00:a2").await;
        run(&format!("ip link set dn0 netns {}", relay.pid()));
        for command in [
            "ip link set lo up",
            "ip link set up0 up",
            "ip link set dn0 up",
            "ip -6 addr add fd00:97::7/64 dev up0 nodad",
            "ip -6 addr add fd00:98::1/64 dev dn0 nodad",
        ] {
            run_in(relay.pid(), command);
        }
        let server = serve().await;
        for interface in ["up0", "dn0"] {
            wait_for("the relay's link-local addresses", || {
                is_usable(relay.pid(), interface)
            })
            .await;
        }
        let log = client.path("relay.log");
        let pid_file = client.text("relay.pid");
        let command = [
            "dhcrelay", "-6", "-d", "-I", "-pf", &pid_file, "-l", "dn0", "-u", "up0",
        ];
        let _relaying = start_in(relay.pid(), &command, &log);
        let _running = client.dhclient(&[]);
        let bound = client.learned("BOUND6").await;
        assert_learned(&bound, &[("new_ip6_address", "fd00:98::2:2")]);
        assert!(server.counters().get(Count::Relayed) >= 2);
    });
}
