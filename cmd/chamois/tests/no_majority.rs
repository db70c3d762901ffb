//! Two of three members hang: the third boots whom it knows, and tells nobody what only a majority can know.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::dns;
use common::http::{Administrator, Answer, get};
use common::{Member, Single};
use nix::sys::signal::Signal;

const XNAME: &str = "x1000c0s0b0n0";
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SCRIPT: &str = "/boot/v1/bootscript?mac=02:00:00:00:00:01";
const SCRIPT_OF_NOBODY: &str = "/boot/v1/bootscript?mac=02:00:00:00:00:99&arch=x86_64";
const COMPONENTS: &str = "/hsm/v2/State/Components";
const NAME: &str = "nid0001.demo.example";
const NAME_OF_NOBODY: &str = "nid0009.demo.example";
const DHCP_PORT: u16 = 6767;
/// DHCP message types, RFC 2132 section 9.6.
const ACK: u8 = 5;
const NAK: u8 = 6;
/// No node and no administrator waits longer for a refusal.
const REFUSAL_MAX: Duration = Duration::from_secs(5);
/// A member gives up asking for a majority after 3 s; what has not come by then does not come.
const SILENCE: Duration = Duration::from_secs(4);

/// The whole story with real processes; every member is killed at the end, stopped or not.
#[test]
fn a_member_cut_off_boots_known_nodes_and_refuses_the_rest_for_now() {
    let cluster = Cluster::start();
    cluster.seed();
    let third = cluster.holder();
    let relay = Relay::at(&cluster.site);
    let node = cluster.site.net.node_address(0).unwrap();
    let stranger = cluster.site.net.node_address(9).unwrap();
    let own = SocketAddrV4::new(cluster.site.net.member_address(third), 8081);
    cluster.until("the node's script", || get(own, SCRIPT).status == 200);

    // with a majority each refusal is definite: what follows is about the majority and nothing else
    assert_eq!(cluster.readiness(third).status, 200);
    assert_eq!(get(own, SCRIPT_OF_NOBODY).status, 404);
    assert_eq!(relay.request(1, stranger), Some(NAK));
    let service = cluster.site.net.service_address();
    assert_eq!(dns::ask(service, NAME), Some((dns::NO_ERROR, 1)));
    assert_eq!(dns::ask(service, NAME_OF_NOBODY), Some((dns::NO_SUCH_NAME, 0)));

    cluster.signal_others(third, Signal::SIGSTOP);
    cluster.until_readiness(third, 503);

    for port in [own, cluster.site.http()] {
        let known = get(port, SCRIPT);
        assert!(
            known.status == 200 && known.body.starts_with("#!ipxe"),
            "{known:?}"
        );
    }
    assert_eq!(relay.request(2, node), Some(ACK), "a known node gets its address");
    refused_for_now(|| get(own, SCRIPT_OF_NOBODY));
    refused_for_now(|| cluster.post(third, "x1000c0s0b0n1"));
    assert_eq!(relay.request(3, stranger), None, "a NAK would need the majority");
    for server in [service, *own.ip()] {
        assert_eq!(dns::ask(server, NAME), Some((dns::NO_ERROR, 1)), "{server}");
        assert_eq!(
            dns::ask(server, NAME_OF_NOBODY),
            Some((dns::SERVER_FAILURE, 0)),
            "{server}"
        );
    }

    cluster.signal_others(third, Signal::SIGCONT);
    cluster.until_readiness(third, 200);
    let refused = cluster.ask(third, "GET", &format!("{COMPONENTS}/x1000c0s0b0n1"), "");
    assert_eq!(refused.status, 404, "refused means not done: {refused:?}");
    cluster.until("writes are accepted again", || {
        cluster.post(third, "x1000c0s0b0n1").status < 300
    });
    assert_eq!(relay.request(4, stranger), Some(NAK));
    assert_eq!(dns::ask(service, NAME_OF_NOBODY), Some((dns::NO_SUCH_NAME, 0)));
}

/// 503 with a time after which to try again, and soon.
fn refused_for_now(ask: impl FnOnce() -> Answer) {
    let asked = Instant::now();
    let answer = ask();
    let took = asked.elapsed();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.retry_after() >= Some(1), "{answer:?}");
    assert!(took < REFUSAL_MAX, "{took:?}: {answer:?}");
}

/// Three members and their administrator.
struct Cluster {
    site: Single,
    members: Vec<Member>,
    administrator: Administrator,
}

impl Cluster {
    fn start() -> Self {
        let site = Single::prepare_one_of(3);
        let members = (1..=3).map(|id| site.spawn_member(id)).collect();
        let administrator = Administrator::new(&site.dir.path().join("identities"));
        let cluster = Self {
            site,
            members,
            administrator,
        };
        for id in 1..=3 {
            cluster.until_readiness(id, 200);
        }
        cluster
    }

    /// One node: what SMD, BSS and DHCP need to know to boot it.
    fn seed(&self) {
        let (net, address) = (&self.site.net, self.site.net.node_address(0).unwrap());
        let (code, _, err) = self.site.ask(&[
            "subnet",
            "put",
            &net.subnet().to_string(),
            "--domain",
            "demo.example",
        ]);
        assert_eq!(code, 0, "{err}");
        let mac = "02:00:00:00:00:01";
        let bodies = [
            (
                COMPONENTS,
                format!(r#"{{"Components":[{{"ID":"{XNAME}","State":"On","NID":1}}]}}"#),
            ),
            (
                "/hsm/v2/Inventory/EthernetInterfaces",
                format!(
                    r#"{{"MACAddress":"{mac}","ComponentID":"{XNAME}","IPAddresses":[{{"IPAddress":"{address}"}}]}}"#
                ),
            ),
            (
                "/boot/v1/bootparameters",
                format!(r#"{{"hosts":["{XNAME}"],"kernel":"http://x/k","initrd":"http://x/i"}}"#),
            ),
        ];
        for (path, body) in bodies {
            let answer = self.ask(1, "POST", path, &body);
            assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        }
    }

    fn ask(&self, id: u64, method: &str, path: &str, body: &str) -> Answer {
        self.administrator
            .send(self.site.net.member_address(id), method, path, body)
    }

    /// A write: creates a component.
    fn post(&self, id: u64, xname: &str) -> Answer {
        let body = format!(r#"{{"Components":[{{"ID":"{xname}","State":"On"}}]}}"#);
        self.ask(id, "POST", COMPONENTS, &body)
    }

    fn readiness(&self, id: u64) -> Answer {
        self.ask(id, "GET", "/readyz", "")
    }

    fn until_readiness(&self, id: u64, status: u16) {
        let api = SocketAddrV4::new(self.site.net.member_address(id), 8443);
        self.until(&format!("/readyz of member {id} is {status}"), || {
            TcpStream::connect(api).is_ok() && self.readiness(id).status == status
        });
    }

    /// The member that holds the service address: nobody takes it from a holder that only hangs, because on
    /// loopback the bound socket is the lock.
    fn holder(&self) -> u64 {
        let service = self.site.net.service_address().to_string();
        let mut holder = None;
        self.until("somebody holds the service address", || {
            let (_, out, _) = self.site.ask(&["cluster", "status", "-o", "json"]);
            let views: serde_json::Value = serde_json::from_str(&out).unwrap_or_default();
            let mut views = views.as_array().into_iter().flatten();
            holder = views
                .find(|view| view["held_addresses"][0] == service.as_str())
                .and_then(|view| view["id"].as_u64());
            holder.is_some()
        });
        holder.unwrap()
    }

    fn signal_others(&self, id: u64, signal: Signal) {
        for (other, member) in (1..).zip(&self.members) {
            if other != id {
                member.signal(signal);
            }
        }
    }

    /// Waits for a condition, with a bound.
    fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition() {
            let logs = || self.members.iter().map(Member::log).collect::<Vec<_>>();
            assert!(Instant::now() < deadline, "{what}:\n{}", logs().join("\n\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The nodes' DHCP relay; the server answers to the port it asks from (RFC 8357).
struct Relay {
    socket: UdpSocket,
    address: Ipv4Addr,
    server: SocketAddrV4,
}

impl Relay {
    fn at(site: &Single) -> Self {
        let address = site.net.relay_address();
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.set_read_timeout(Some(SILENCE)).unwrap();
        Self {
            socket,
            address,
            server: SocketAddrV4::new(site.net.service_address(), DHCP_PORT),
        }
    }

    /// A DHCPREQUEST of the node for an address; the type of the answer, `None` for silence.
    fn request(&self, xid: u32, address: Ipv4Addr) -> Option<u8> {
        let mut packet = vec![0; 240];
        packet[..4].copy_from_slice(&[1, 1, 6, 1]); // BOOTREQUEST, Ethernet, its length, one hop
        packet[4..8].copy_from_slice(&xid.to_be_bytes());
        packet[24..28].copy_from_slice(&self.address.octets());
        packet[28..34].copy_from_slice(&MAC);
        packet[236..].copy_from_slice(&[99, 130, 83, 99]);
        packet.extend([53, 1, 3]); // DHCPREQUEST
        packet.extend([&[54, 4], self.server.ip().octets().as_slice()].concat());
        packet.extend([&[50, 4], address.octets().as_slice()].concat());
        packet.extend([82, 2, 19, 0, 255]); // answers to this port
        packet.resize(300, 0);
        self.socket.send_to(&packet, self.server).unwrap();
        let mut answer = [0; 1500];
        loop {
            let length = self.socket.recv(&mut answer).ok()?;
            let packet = &answer[..length];
            if packet[4..8] == xid.to_be_bytes() {
                return Some(message_type(&packet[240..]));
            }
        }
    }
}

/// Option 53 among the options of an answer.
fn message_type(mut options: &[u8]) -> u8 {
    loop {
        match *options {
            [53, 1, message_type, ..] => return message_type,
            [0, ref rest @ ..] => options = rest,
            [code, length, ref rest @ ..] if code != 255 => options = &rest[usize::from(length)..],
            _ => panic!("no option 53"),
        }
    }
}
