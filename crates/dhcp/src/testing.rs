//! For tests, unit and integration alike: packets byte by byte, and a small world of nodes.

use std::net::Ipv4Addr;

use model::MacAddr;
use proto::dhcp::v1::subnet::UnknownClients;
use proto::dhcp::v1::{AddressPool, DhcpCommand, DhcpPolicy, Subnet, dhcp_command};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{AddIpAddress, Change, CreateComponents, CreateEthernetInterface};
use proto::smd::v1::{Component, EthernetInterface, IpAddressMapping, SmdCommand};
use raft::Store;

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
    let state = proto::smd::v1::component::State::On.into();
    let component = |id: &str, nid| Component {
        id: id.into(),
        nid,
        state,
        ..Component::default()
    };
    let components = vec![
        component("x1000c0s0b0n0", Some(1)),
        component("x1000c0s0b0n1", Some(2)),
        component("x1000c0s0b0", None),
    ];
    smd(
        &store,
        Change::CreateComponents(CreateComponents {
            components,
            force: false,
            ..Default::default()
        }),
    )
    .await;
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

/// Adds or replaces a subnet.
pub(crate) async fn put_subnet(store: &Store, subnet: Subnet) {
    let put = dhcp_command::PutSubnet { subnet: Some(subnet) };
    dhcp(store, dhcp_command::Change::PutSubnet(put)).await;
}

/// Adds or replaces a policy.
pub(crate) async fn put_policy(store: &Store, policy: DhcpPolicy) {
    let put = dhcp_command::PutPolicy { policy: Some(policy) };
    dhcp(store, dhcp_command::Change::PutPolicy(put)).await;
}

/// Applies a change of DHCP's.
pub(crate) async fn dhcp(store: &Store, change: dhcp_command::Change) {
    propose(store, Command::Dhcp(DhcpCommand { change: Some(change) })).await;
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
    let mapping = IpAddressMapping {
        ip_address: address.to_string(),
        network: network.into(),
    };
    let add = AddIpAddress {
        id: mac.id(),
        mapping: Some(mapping),
        ..AddIpAddress::default()
    };
    smd(store, Change::AddIpAddress(add)).await;
}

/// Adds an ethernet interface.
pub(crate) async fn put_interface(store: &Store, mac: MacAddr, owner: &str, addresses: Vec<String>) {
    let mapping = |ip_address| IpAddressMapping {
        ip_address,
        network: String::new(),
    };
    let interface = EthernetInterface {
        id: mac.id(),
        mac_address: mac.to_string(),
        component_id: owner.into(),
        ip_addresses: addresses.into_iter().map(mapping).collect(),
        ..EthernetInterface::default()
    };
    smd(
        store,
        Change::CreateEthernetInterface(CreateEthernetInterface {
            interface: Some(interface),
        }),
    )
    .await;
}

/// Applies a change of SMD's.
pub(crate) async fn smd(store: &Store, change: Change) {
    propose(store, Command::Smd(SmdCommand { change: Some(change) })).await;
}

async fn propose(store: &Store, command: Command) {
    store
        .propose("user/test", command, None)
        .await
        .expect("the change is legal");
}
