//! A real client (udhcpc) on a real link: broadcasts in, frames to a client without an address out, renewal by unicast.
//! In network namespaces of its own. Runs with CHAMOIS_E2E=1 as root.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

#[path = "real_interface/guards.rs"]
mod guards;
#[allow(dead_code, reason = "shared with other tests")]
mod namespace;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../src/testing.rs"]
mod testing;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dhcp::{BIOS_LOADER, Count, DhcpSocket, Loaders, Network, Responder, Server, UEFI_LOADER};
use namespace::{PATIENCE, Process, in_own_network, other_namespace, run, run_in, wait_for};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testing::RawPacket;

/// Writes what it learned into a file named after the event, and takes the address as a real one does.
const SCRIPT: &str = r#"#!/bin/sh
case "$1" in
bound) ip addr add "$ip/$mask" dev "$interface" ;;
esac
env >"$OUT/$1.new" && mv "$OUT/$1.new" "$OUT/$1"
"#;

/// The server's end of a cable, and a client's in a namespace of its own.
struct Link {
    client: Process,
    out: tempfile::TempDir,
}

impl Link {
    async fn new(client_mac: &str) -> Link {
        run("ip link set lo up");
        run("ip link add srv type veth peer name cli");
        run("ip addr add 10.97.1.1/16 dev srv");
        run("ip addr add 10.97.0.1/16 dev srv");
        run("ip link set srv up");
        let client = other_namespace().await;
        let pid = client.pid();
        run(&format!("ip link set cli netns {pid}"));
        let link = Link {
            client,
            out: tempfile::tempdir().unwrap(),
        };
        link.write_script();
        for command in [
            &format!("ip link set cli address {client_mac}"),
            "ip link set lo up",
            "ip link set cli up",
        ] {
            run_in(pid, command);
        }
        link
    }

    fn write_script(&self) {
        std::fs::write(self.path("script"), SCRIPT).unwrap();
        std::fs::set_permissions(self.path("script"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    /// Starts udhcpc at the client's end.
    fn udhcpc(&self, options: &[&str]) -> Process {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.client.pid()))
            .args(["udhcpc", "-i", "cli", "-f"]);
        command
            .args(["-t", "5", "-T", "2", "-s"])
            .arg(self.path("script"))
            .args(options);
        command
            .env("OUT", self.out.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Process(command.spawn().expect("udhcpc"))
    }

    /// Runs udhcpc until it has an address or gives up; what it learned on `bound`.
    async fn lease(&self, options: &[&str]) -> Option<BTreeMap<String, String>> {
        let mut udhcpc = self.udhcpc(&[&["-n", "-q"], options].concat());
        let mut status = None;
        wait_for("udhcpc ends", || {
            status = udhcpc.0.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap().success().then(|| learned(&self.path("bound")))
    }
}

fn learned(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

async fn server() -> Server {
    let network = Network {
        relayed_subnets: Vec::new(),
        ..testing::network()
    };
    let store = testing::world(10, 97).await;
    let loaders = Loaders::new([BIOS_LOADER, UEFI_LOADER]);
    Server::new(
        store,
        network,
        loaders,
        || Responder::Own,
        timeline::Timeline::default(),
    )
}

fn serve(server: &Server) {
    let socket = DhcpSocket::on_interface("srv", 67).expect("CAP_NET_RAW and CAP_NET_BIND_SERVICE");
    let server = server.clone();
    tokio::spawn(async move { server.run(socket, std::future::pending()).await });
}

#[test]
fn udhcpc_gets_its_address_by_frame_and_by_broadcast() {
    in_own_network(|| async {
        let link = Link::new("02:00:00:00:00:a1").await;
        let server = server().await;
        serve(&server);
        let learned = link
            .lease(&["-O", "mtu"])
            .await
            .expect("an address, by frames to the MAC");
        for (key, value) in [
            ("ip", "10.97.2.1"),
            ("mask", "16"),
            ("router", "10.97.0.254"),
            ("dns", "10.97.0.53 10.97.0.54"),
            ("hostname", "nid0001"),
            ("domain", "demo.example"),
            ("serverid", "10.97.0.1"),
            ("lease", "3600"),
            ("mtu", "9000"),
        ] {
            assert_eq!(
                learned.get(key).map(String::as_str),
                Some(value),
                "{key} in {learned:?}"
            );
        }
        run_in(link.client.pid(), "ip addr flush dev cli");
        link.lease(&["-B"]).await.expect("an address, by broadcast");
        assert_eq!(server.counters().get(Count::Offers), 2);
        assert_eq!(server.counters().get(Count::Acks), 2);
        assert_eq!(server.counters().get(Count::SendFailed), 0);
    });
}

#[test]
fn a_pxe_client_is_told_its_loader() {
    in_own_network(|| async {
        let link = Link::new("02:00:00:00:00:a1").await;
        serve(&server().await);
        let options = [
            "-V",
            "PXEClient:Arch:00000:UNDI:002001",
            "-x",
            "0x5d:0000",
            "-O",
            "bootfile",
            "-O",
            "tftp",
        ];
        let learned = link.lease(&options).await.expect("an address");
        assert_eq!(
            learned.get("boot_file").map(String::as_str),
            Some(BIOS_LOADER),
            "{learned:?}"
        );
        assert_eq!(learned.get("siaddr").map(String::as_str), Some("10.97.0.1"));
        assert_eq!(learned.get("tftp").map(String::as_str), Some("10.97.0.1"));
    });
}

#[test]
fn udhcpc_renews_without_a_new_dora() {
    in_own_network(|| async {
        let link = Link::new("02:00:00:00:00:a1").await;
        let server = server().await;
        serve(&server);
        let udhcpc = link.udhcpc(&[]);
        wait_for("the lease", || link.path("bound").exists()).await;
        kill(udhcpc.pid(), Signal::SIGUSR1).unwrap();
        wait_for("the renewal", || link.path("renew").exists()).await;
        assert_eq!(
            learned(&link.path("renew")).get("ip").map(String::as_str),
            Some("10.97.2.1")
        );
        // Not exactly 2: an answer that comes before udhcpc closes its sending socket ends there, and it asks again.
        assert!(server.counters().get(Count::Acks) >= 2);
        assert_eq!(server.counters().get(Count::Offers), 1);
    });
}

/// The system would rather send from the member's own address, the first on the interface; a client that has connected
/// its socket to the service address would never see the answer.
#[test]
fn a_renewal_by_unicast_is_answered_from_the_service_address() {
    in_own_network(|| async {
        let link = Link::new("02:00:00:00:00:a1").await;
        serve(&server().await);
        let pid = link.client.pid();
        run_in(pid, "ip addr add 10.97.2.1/16 dev cli");
        let client = std::thread::spawn(move || renew(pid));
        wait_for("the answer", || client.is_finished()).await;
        assert_eq!(client.join().unwrap(), "10.97.0.1:67".parse().unwrap());
    });
}

/// Renews from the namespace of `pid`; where the answer came from.
fn renew(pid: Pid) -> SocketAddr {
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
    setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
    let client = UdpSocket::bind("10.97.2.1:68").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = RawPacket {
        ciaddr: Ipv4Addr::new(10, 97, 2, 1),
        ..RawPacket::new(3)
    };
    client.send_to(&request.bytes(), "10.97.0.1:67").unwrap();
    client.recv_from(&mut [0; 2048]).unwrap().1
}

#[test]
fn an_unknown_mac_gets_nothing() {
    in_own_network(|| async {
        let link = Link::new("02:00:00:00:99:99").await;
        let server = server().await;
        serve(&server);
        assert_eq!(link.lease(&["-t", "2", "-T", "1"]).await, None);
        assert!(server.counters().get(Count::UnknownMac) >= 2);
        assert_eq!(server.counters().get(Count::Offers), 0);
    });
}
