//! Router Advertisements on a real link, asked for by a real kernel and in iPXE's words. In network namespaces of its
//! own. Runs with CHAMOIS_E2E=1 as root.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

#[allow(dead_code, reason = "shared with other tests")]
mod namespace;

use std::io::IoSliceMut;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::process::Command;

use dhcp::RouterAdverts;
use namespace::{Process, in_own_network, other_namespace, run, run_in, wait_for};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, setsockopt, sockopt};
use nix::unistd::Pid;
use socket2::{Domain, Protocol, Socket, Type};

/// As iPXE solicits: its MAC in a source link-layer address option.
const SOLICITATION: [u8; 16] = [133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0xa1];
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// A raw ICMPv6 socket at a node's end of a cable.
struct Node {
    socket: Socket,
    index: u32,
}

/// A packet as a node meets it.
#[derive(Debug)]
struct Heard {
    bytes: Vec<u8>,
    from: Ipv6Addr,
    hop_limit: i32,
}

impl Node {
    fn open(pid: Pid, interface: &'static str) -> Node {
        in_namespace(pid, move || {
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
            socket.bind_device(Some(interface.as_bytes())).unwrap();
            setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true).unwrap();
            let index = if_nametoindex(interface).unwrap();
            Node { socket, index }
        })
    }

    fn solicit(&self, hop_limit: u32) -> bool {
        self.socket.set_multicast_hops_v6(hop_limit).unwrap();
        let to = SocketAddrV6::new(ALL_ROUTERS, 0, 0, self.index).into();
        self.socket.send_to(&SOLICITATION, &to).is_ok()
    }

    /// The next advertisement that has come already; what else ICMPv6 says is read and forgotten.
    fn advertisement(&self) -> Option<Heard> {
        loop {
            let heard = self.receive()?;
            if heard.bytes.first() == Some(&134) {
                return Some(heard);
            }
        }
    }

    fn receive(&self) -> Option<Heard> {
        let (mut bytes, mut control) = ([0; 1500], nix::cmsg_space!(i32));
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrIn6>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let message = match message {
            Ok(message) => message,
            Err(nix::errno::Errno::EAGAIN) => return None,
            Err(error) => panic!("{error}"),
        };
        let limit = message.cmsgs().unwrap().find_map(|control| match control {
            ControlMessageOwned::Ipv6HopLimit(limit) => Some(limit),
            _ => None,
        });
        let (from, len) = (message.address.unwrap().ip(), message.bytes);
        let hop_limit = limit.unwrap();
        Some(Heard {
            bytes: bytes[..len].to_vec(),
            from,
            hop_limit,
        })
    }
}

/// Does something in the namespace of `pid`, on a thread that goes there and ends.
fn in_namespace<T: Send + 'static>(pid: Pid, what: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        what()
    });
    thread.join().unwrap()
}

/// The node's kernel solicits nothing by itself, so that the only questions are the test's.
fn ask_no_questions(pid: Pid, interface: &str) {
    let setting = format!("/proc/sys/net/ipv6/conf/{interface}/router_solicitations");
    in_namespace(pid, move || std::fs::write(setting, "0").unwrap());
}

/// Two cables, `boot` and `quiet`, from the test's namespace to that of the nodes.
async fn cables() -> Process {
    let nodes = other_namespace().await;
    for (own, other) in [("boot", "boot-node"), ("quiet", "quiet-node")] {
        run(&format!(
            "ip link add {own} type veth peer name {other} netns {}",
            nodes.pid()
        ));
        run(&format!("ip link set {own} up"));
    }
    nodes
}

fn advertise(interface: &str) -> RouterAdverts {
    RouterAdverts::on_interface(interface).expect("CAP_NET_RAW and IPv6")
}

fn count(adverts: &RouterAdverts, name: &str) -> u64 {
    let all = adverts.counters().all();
    all.into_iter().find(|(known, _)| *known == name).unwrap().1
}

fn said_in(pid: Pid, command: &str) -> String {
    let mut words = vec![format!("--net=/proc/{pid}/ns/net")];
    words.extend(command.split(' ').map(str::to_owned));
    let output = Command::new("nsenter").args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_kernel_that_solicits_hears_that_there_is_no_router() {
    in_own_network(|| async {
        let nodes = cables().await;
        let adverts = std::sync::Arc::new(advertise("boot"));
        let running = std::sync::Arc::clone(&adverts);
        tokio::spawn(async move { running.run(std::future::pending()).await });
        let node = Node::open(nodes.pid(), "boot-node");
        run_in(nodes.pid(), "ip link set boot-node up");
        wait_for("the kernel's solicitation", || {
            count(&adverts, "solicitations") > 0
        })
        .await;
        let mut heard = None;
        wait_for("the advertisement", || {
            heard = node.advertisement();
            heard.is_some()
        })
        .await;
        let heard = heard.unwrap();
        assert_eq!(heard.hop_limit, 255, "else the node drops it (RFC 4861 6.1.2)");
        assert!(heard.from.is_unicast_link_local(), "{}", heard.from);
        assert_eq!(heard.bytes[..2], [134, 0]);
        assert_eq!(heard.bytes[4..], [0; 12], "router lifetime 0, no option");
        assert_eq!(said_in(nodes.pid(), "ip -6 route show default"), "");
        let addresses = said_in(nodes.pid(), "ip -6 -o addr show dev boot-node scope global");
        assert_eq!(addresses, "", "it gives nobody an address");
    });
}

/// The unasked one comes each 60 s only, so what comes within the test's patience was asked for.
#[test]
fn only_the_network_that_asked_for_it_is_answered() {
    in_own_network(|| async {
        let nodes = cables().await;
        let adverts = std::sync::Arc::new(advertise("boot"));
        let running = std::sync::Arc::clone(&adverts);
        tokio::spawn(async move { running.run(std::future::pending()).await });
        for interface in ["boot-node", "quiet-node"] {
            ask_no_questions(nodes.pid(), interface);
            run_in(nodes.pid(), &format!("ip link set {interface} up"));
        }
        let boot = Node::open(nodes.pid(), "boot-node");
        let quiet = Node::open(nodes.pid(), "quiet-node");
        wait_for("the first, which nobody asked for", || {
            boot.advertisement().is_some()
        })
        .await;
        assert_eq!(count(&adverts, "solicitations"), 0);

        wait_for("its link-local address", || quiet.solicit(255)).await;
        // as if a router had passed it on: not from this link
        wait_for("its link-local address", || boot.solicit(64)).await;
        wait_for("the refusal", || count(&adverts, "malformed_solicitations") == 1).await;
        assert!(boot.advertisement().is_none());
        assert!(boot.solicit(255));
        wait_for("the answer", || boot.advertisement().is_some()).await;
        assert_eq!(
            count(&adverts, "solicitations"),
            1,
            "the quiet network was not heard"
        );
        assert!(quiet.advertisement().is_none());
    });
}

/// A host whose IPv6 is switched on later need not be restarted for it.
#[test]
fn an_interface_without_ipv6_ends_nothing_and_is_tried_again() {
    in_own_network(|| async {
        let nodes = cables().await;
        run_in(nodes.pid(), "ip link set boot-node up");
        run("ip link set boot mtu 1000"); // IPv6 needs 1280: the kernel takes it off the interface
        let counters = std::sync::Arc::new(dhcp::RouterAdvertCounters::default());
        let count = |name: &str| {
            let all = counters.all();
            all.into_iter().find(|(known, _)| *known == name).unwrap().1
        };
        let counted = std::sync::Arc::clone(&counters);
        let adverts = tokio::spawn(async move {
            dhcp::advertise_no_router("boot", &[], counted, std::future::pending()).await;
        });
        wait_for("the refusal", || count("not_opened") == 1).await;
        run("ip link set boot mtu 1500");
        for state in ["down", "up"] {
            run(&format!("ip link set boot {state}")); // and gives it a link-local address
        }
        wait_for("an advertisement", || count("advertisements") > 0).await;
        assert!(!adverts.is_finished());
    });
}
