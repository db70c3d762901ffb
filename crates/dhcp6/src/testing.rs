//! For tests, unit and integration alike: packets byte by byte, and a small world of nodes.

use std::net::Ipv6Addr;

use dhcp::Limits;
use dhcp6::Network;
use model::MacAddr;
use proto::dhcp::v1::Subnet;
use proto::smd::v1::smd_command::{Change, DeleteIpAddress};
use raft::Store;

#[allow(dead_code, reason = "shared with other crates' tests")]
#[path = "../../dhcp/src/testing/changes.rs"]
mod changes;

#[allow(unused_imports, reason = "shared with other tests")]
pub(crate) use changes::{create_group, dhcp as change_dhcp, put_policy};

/// A client's message, built without the code under test.
#[derive(Clone, Debug)]
pub(crate) struct RawMessage {
    pub(crate) kind: u8,
    pub(crate) xid: [u8; 3],
    pub(crate) options: Vec<u8>,
}

impl RawMessage {
    /// A message of this type without options.
    pub(crate) fn new(kind: u8) -> RawMessage {
        RawMessage {
            kind,
            xid: [0x12, 0x34, 0x56],
            options: Vec::new(),
        }
    }

    /// Adds options, code and value.
    pub(crate) fn options(mut self, options: &[(u16, &[u8])]) -> RawMessage {
        for (code, value) in options {
            self.options.extend(option(*code, value));
        }
        self
    }

    /// The message.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&[self.kind][..], &self.xid, &self.options].concat()
    }
}

/// An option's bytes.
pub(crate) fn option(code: u16, value: &[u8]) -> Vec<u8> {
    [
        &code.to_be_bytes()[..],
        &(value.len() as u16).to_be_bytes(),
        value,
    ]
    .concat()
}

/// A RELAY-FORW with these options before the message.
pub(crate) fn relayed(message: &[u8], hops: u8, link: &str, peer: &str, options: &[(u16, &[u8])]) -> Vec<u8> {
    let octets = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
    let mut packet = [&[12, hops][..], &octets(link), &octets(peer)].concat();
    for (code, value) in options {
        packet.extend(option(*code, value));
    }
    packet.extend(option(9, message));
    packet
}

/// The value of an IA_NA that names these addresses.
pub(crate) fn ia_addresses(iaid: u32, addresses: &[&str]) -> Vec<u8> {
    let mut value = [&iaid.to_be_bytes()[..], &[0; 8]].concat();
    for address in addresses {
        let address: Ipv6Addr = address.parse().expect("an address");
        value.extend(option(5, &[&address.octets()[..], &[0; 8]].concat()));
    }
    value
}

/// A DUID that holds a MAC.
pub(crate) fn duid_ll(mac: MacAddr) -> Vec<u8> {
    [&[0, 3, 0, 1][..], &mac.0].concat()
}

/// A DUID that holds a time and a MAC.
pub(crate) fn duid_llt(mac: MacAddr) -> Vec<u8> {
    [&[0, 1, 0, 1, 0x1c, 0x39, 0xcf, 0x88][..], &mac.0].concat()
}

/// The value of option 16 with one text.
pub(crate) fn vendor_class(enterprise: u32, class: &[u8]) -> Vec<u8> {
    [
        &enterprise.to_be_bytes()[..],
        &(class.len() as u16).to_be_bytes(),
        class,
    ]
    .concat()
}

/// A node with NID 1, at `fd00:97::2:1`, and 10.97.2.1.
pub(crate) const NODE: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa1]);
/// A node at `fd00:97::2:2`, `fd00:9797::2:2` and, behind the relay, `fd00:98::2:2`.
pub(crate) const NODE_ON_TWO: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa2]);
/// A node that has an address of IPv4 only.
pub(crate) const NODE_OF_IPV4: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa3]);
/// Two nodes that SMD gives one address, `fd00:97::2:9`.
pub(crate) const ONE_OF_TWO: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa8]);
/// The other.
pub(crate) const OTHER_OF_TWO: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa9]);
/// A BMC, at `fd00:97::3:1`.
pub(crate) const BMC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb1]);
/// An interface nobody owns, at `fd00:97::4:1`.
pub(crate) const UNASSIGNED: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xc1]);
/// A MAC that SMD does not know.
pub(crate) const STRANGER: MacAddr = MacAddr([2, 9, 9, 9, 9, 9]);

/// The network of the world: a link with two prefixes, and one link behind relays.
pub(crate) fn network() -> Network {
    let net = |text: &str| text.parse().expect("a network");
    Network {
        prefixes: vec![net("fd00:97::/64"), net("fd00:9797::/64")],
        relayed_prefixes: vec![net("fd00:98::/64")],
        dns_servers: vec!["fd00:97::53".parse().expect("an address")],
        url_host: Some("fd00:97::1:1".parse().expect("an address")),
        http_port: Some(8081),
        service_address: [10, 97, 0, 1].into(),
        isolated_lease_s: 300,
        answer_only: Vec::new(),
        limits: Limits::default(),
    }
}

/// A store with the subnet 10.97.0.0/16 (domain `demo.example`, leases of 4000 s) and the interfaces above.
pub(crate) async fn world() -> Store {
    let store = Store::in_memory();
    let subnet = Subnet {
        network: "10.97.0.0/16".into(),
        domain: "demo.example".into(),
        lease_time_s: 4000,
        ..Subnet::default()
    };
    changes::put_subnet(&store, subnet).await;
    changes::create_components(&store).await;
    for (mac, owner, network, addresses) in [
        (NODE, "x1000c0s0b0n0", "", &["10.97.2.1", "fd00:97::2:1"][..]),
        (
            NODE_ON_TWO,
            "x1000c0s0b0n1",
            "",
            &["fd00:97::2:2", "fd00:9797::2:2", "fd00:98::2:2"],
        ),
        (NODE_OF_IPV4, "x1000c0s0b0n2", "", &["10.97.2.3"]),
        (ONE_OF_TWO, "x1000c0s0b0n3", "one", &["fd00:97::2:9"]),
        (OTHER_OF_TWO, "x1000c0s0b0n4", "other", &["fd00:97::2:9"]),
        (BMC, "x1000c0s0b0", "", &["fd00:97::3:1"]),
        (UNASSIGNED, "", "", &["fd00:97::4:1"]),
    ] {
        changes::create_interface(&store, mac, owner, network, addresses.iter().copied()).await;
    }
    store
}

/// Gives an interface one more address.
pub(crate) async fn add_address(store: &Store, mac: MacAddr, address: &str) {
    changes::add_address(store, mac, address, "").await;
}

/// Takes an address from one interface and gives it to another.
pub(crate) async fn move_address(store: &Store, from: MacAddr, to: MacAddr, address: &str) {
    let delete = DeleteIpAddress {
        id: from.id(),
        ip: address.to_owned(),
        ..DeleteIpAddress::default()
    };
    changes::smd(store, Change::DeleteIpAddress(delete)).await;
    add_address(store, to, address).await;
}
