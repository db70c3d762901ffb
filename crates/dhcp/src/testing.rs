//! For tests, unit and integration alike: packets byte by byte, and a small world of nodes.

use std::net::Ipv4Addr;

use ::dhcp::Network; // the crate: `dhcp` is a function here, too
use model::MacAddr;
use proto::dhcp::v1::subnet::UnknownClients;
use proto::dhcp::v1::{AddressPool, Subnet, dhcp_command};
use raft::Store;

#[allow(dead_code, reason = "shared with other crates' tests")]
#[path = "testing/changes.rs"]
mod changes;

#[allow(unused_imports, reason = "shared with other tests")]
pub(crate) use changes::{create_group, dhcp, put_policy, put_subnet, smd};

/// A client's packet, built without the code under test.
#[derive(Clone, Debug)]
pub(crate) struct RawPacket {
    pub(crate) xid: u32,
    pub(crate) flags: u16,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) mac: MacAddr,
    pub(crate) options: Vec<u8>,
}

impl RawPacket {
    /// The MAC of every packet that does not set another: that of the world's first node.
    pub(crate) const MAC: MacAddr = NODE;

    /// A message of this type (option 53) without other options.
    pub(crate) fn new(message_type: u8) -> RawPacket {
        RawPacket {
            xid: 0x1234_5678,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            mac: RawPacket::MAC,
            options: vec![53, 1, message_type],
        }
    }

    /// A DHCPDISCOVER.
    pub(crate) fn discover() -> RawPacket {
        RawPacket::new(1)
    }

    /// Adds options, code and value.
    pub(crate) fn options(mut self, options: &[(u8, &[u8])]) -> RawPacket {
        for (code, value) in options {
            self.options.push(*code);
            self.options.push(value.len() as u8);
            self.options.extend_from_slice(value);
        }
        self
    }

    /// The packet.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut packet = vec![0; 240];
        packet[..4].copy_from_slice(&[1, 1, 6, 0]);
        packet[4..8].copy_from_slice(&self.xid.to_be_bytes());
        packet[10..12].copy_from_slice(&self.flags.to_be_bytes());
        packet[12..16].copy_from_slice(&self.ciaddr.octets());
        packet[24..28].copy_from_slice(&self.giaddr.octets());
        packet[28..34].copy_from_slice(&self.mac.0);
        packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
        packet.extend_from_slice(&self.options);
        packet.push(255);
        packet
    }
}

/// A node with NID 1, at `.2.1` of the first subnet.
pub(crate) const NODE: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa1]);
/// A node with an address in each of the first two subnets, at `.2.2`.
pub(crate) const NODE_ON_TWO: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa2]);
/// A node whose interface has no address yet.
pub(crate) const NODE_WITHOUT_ADDRESS: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa3]);
/// A node with an address in no subnet: 192.0.2.7.
pub(crate) const NODE_ELSEWHERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa4]);
/// A node at `.2.5` of the third subnet only.
pub(crate) const NODE_ON_THIRD: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa5]);
/// A BMC, at `.3.1` of the first subnet.
pub(crate) const BMC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb1]);
/// An interface nobody owns, at `.4.1` of the first subnet.
pub(crate) const UNASSIGNED: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xc1]);

/// A store with the subnets `a.b.0.0/16` (full of options), `a.b+1.0.0/16` (bare, leases of 600 s) and
/// `a.b+2.0.0/16`, and the interfaces above.
pub(crate) async fn world(a: u8, b: u8) -> Store {
    let store = Store::in_memory();
    let at = |net: u8, c: u8, d: u8| Ipv4Addr::new(a, b + net, c, d).to_string();
    let first = Subnet {
        network: format!("{a}.{b}.0.0/16"),
        routers: vec![at(0, 0, 254)],
        dns_servers: vec![at(0, 0, 53), at(0, 0, 54)],
        domain: "demo.example".into(),
        mtu: 9000,
        ..Subnet::default()
    };
    let bare = |net: u8| Subnet {
        network: format!("{a}.{}.0.0/16", b + net),
        lease_time_s: 600,
        ..Subnet::default()
    };
    for subnet in [first, bare(1), bare(2)] {
        put_subnet(&store, subnet).await;
    }
    changes::create_components(&store).await;
    for (mac, owner, addresses) in [
        (NODE, "x1000c0s0b0n0", vec![at(0, 2, 1)]),
        (NODE_ON_TWO, "x1000c0s0b0n1", vec![at(0, 2, 2), at(1, 2, 2)]),
        (NODE_WITHOUT_ADDRESS, "x1000c0s0b0n2", vec![]),
        (NODE_ELSEWHERE, "x1000c0s0b0n3", vec!["192.0.2.7".to_owned()]),
        (NODE_ON_THIRD, "x1000c0s0b0n4", vec![at(2, 2, 5)]),
        (BMC, "x1000c0s0b0", vec![at(0, 3, 1)]),
        (UNASSIGNED, "", vec![at(0, 4, 1)]),
    ] {
        put_interface(&store, mac, owner, addresses).await;
    }
    store
}

/// The network of `world(10, 97)`: its first subnet, and the second one behind relays.
pub(crate) fn network() -> Network {
    Network {
        service_address: Ipv4Addr::new(10, 97, 0, 1),
        alternatives: vec![],
        members: vec![],
        http_port: Some(8081),
        relayed_subnets: vec!["10.98.0.0/16".parse().expect("a network")],
        isolated_lease_s: 300,
    }
}

/// Runs what has no other reason to wait than that it is async.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// The first subnet of the world, bare, with the pool `.200.1` to `.200.100`.
pub(crate) fn with_pool(a: u8, b: u8) -> Subnet {
    let pool = AddressPool {
        first: format!("{a}.{b}.200.1"),
        last: format!("{a}.{b}.200.100"),
        excluded: Vec::new(),
    };
    Subnet {
        network: format!("{a}.{b}.0.0/16"),
        pools: vec![pool],
        unknown_clients: UnknownClients::Address.into(),
        ..Subnet::default()
    }
}

/// Binds an address of a pool to a client that names itself by its MAC alone.
pub(crate) async fn bind(store: &Store, address: Ipv4Addr, mac: MacAddr) {
    let lease = dhcp_command::Bind {
        address: address.to_string(),
        mac: mac.to_string(),
        ..dhcp_command::Bind::default()
    };
    let leases = vec![lease];
    dhcp(
        store,
        dhcp_command::Change::BindLeases(dhcp_command::BindLeases { leases }),
    )
    .await;
}

/// Gives an interface one more address.
pub(crate) async fn add_address(store: &Store, mac: MacAddr, address: Ipv4Addr, network: &str) {
    changes::add_address(store, mac, &address.to_string(), network).await;
}

/// Adds an ethernet interface.
pub(crate) async fn put_interface(store: &Store, mac: MacAddr, owner: &str, addresses: Vec<String>) {
    changes::create_interface(store, mac, owner, "", addresses).await;
}
