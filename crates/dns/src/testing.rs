//! For tests, unit and integration alike: questions byte by byte, and a small world of nodes.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use model::MacAddr;
use proto::cloud_init::v1::cloud_init_command::{PutInstanceInfo, UpdateClusterDefaults};
use proto::cloud_init::v1::{CloudInitCommand, ClusterDefaults, InstanceInfo, cloud_init_command};
use proto::dhcp::v1::{DhcpPolicy, Subnet};
use proto::raft::v1::entry::Command;
use raft::Store;

use dns::Network;

#[allow(dead_code, reason = "shared with other crates' tests")]
#[path = "../../dhcp/src/testing/changes.rs"]
mod changes;

/// The network of the world: its service address is in the first domain.
pub(crate) static NETWORK: LazyLock<Network> = LazyLock::new(|| Network {
    name_servers: vec![Ipv4Addr::new(10, 97, 0, 1)],
});

/// An OPT record: 1232 bytes, signatures understood.
pub(crate) const OPT_1232: &[u8] = &[0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0];

/// A question of number 0x1234 that desires recursion, as most clients do; built without the code under test.
pub(crate) fn question(name: &str, record_type: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(record_type.to_be_bytes());
    message.extend([0, 1]);
    message
}

/// With an OPT record or what looks like one.
pub(crate) fn question_with(name: &str, record_type: u16, additional: &[u8]) -> Vec<u8> {
    let mut message = question(name, record_type);
    message[11] = 1;
    message.extend(additional);
    message
}

/// A store with two domains, `demo.example` (10.97.0.0/16) and `bmc.example` (10.98.0.0/16), and a subnet without one
/// (10.99.0.0/16).
pub(crate) struct World {
    pub(crate) store: Store,
}

/// Owner, last byte of the MAC, addresses.
const INTERFACES: [(&str, u8, &[&str]); 8] = [
    ("x1000c0s0b0n0", 0xa1, &["10.97.2.1", "fd00::a1", "fe80::a1"]),
    ("x1000c0s0b0n1", 0xa2, &["10.97.2.2"]),
    ("x1000c0s0b0n1", 0xa3, &["10.98.2.2", "fd00::2"]),
    ("x1000c0s0b0n1", 0xa4, &["fd00::3"]),
    ("x1000c0s0b0n3", 0xa5, &["192.0.2.7"]),
    ("x1000c0s0b0n4", 0xa6, &["10.99.2.5"]),
    ("x1000c0s0b0", 0xb1, &["10.98.3.1"]),
    ("", 0xc1, &["10.97.4.1"]),
];

/// Nodes with the NIDs 1 and 2, of which the second is in both domains; two that are in none, a BMC, and an interface of
/// nobody.
pub(crate) async fn world() -> World {
    let store = Store::in_memory();
    put_subnet(&store, "10.97.0.0/16", "demo.example").await;
    put_subnet(&store, "10.98.0.0/16", "bmc.example").await;
    put_subnet(&store, "10.99.0.0/16", "").await;
    let defaults = ClusterDefaults {
        cluster_name: "demo".into(),
        ..ClusterDefaults::default()
    };
    let update = UpdateClusterDefaults {
        defaults: Some(defaults),
        ..UpdateClusterDefaults::default()
    };
    cloud_init(&store, cloud_init_command::Change::UpdateClusterDefaults(update)).await;
    changes::create_components(&store).await;
    for (owner, mac, addresses) in INTERFACES {
        put_interface(&store, owner, MacAddr([2, 0, 0, 0, 0, mac]), addresses).await;
    }
    World { store }
}

impl World {
    /// What the node calls itself from now on.
    pub(crate) async fn call(&self, node: &str, hostname: &str) {
        let info = InstanceInfo {
            id: node.into(),
            local_hostname: hostname.into(),
            ..InstanceInfo::default()
        };
        let put = PutInstanceInfo {
            info: Some(info),
            ..PutInstanceInfo::default()
        };
        cloud_init(&self.store, cloud_init_command::Change::PutInstanceInfo(put)).await;
    }
}

/// Adds or replaces a subnet.
pub(crate) async fn put_subnet(store: &Store, network: &str, domain: &str) {
    let subnet = Subnet {
        network: network.into(),
        domain: domain.into(),
        ..Subnet::default()
    };
    changes::put_subnet(store, subnet).await;
}

/// Adds or replaces a DHCP policy that gives names to clients in a network, or to all for an empty one.
pub(crate) async fn put_policy(store: &Store, name: &str, hostname: &str, network: &str) {
    let policy = DhcpPolicy {
        name: name.into(),
        hostname: hostname.into(),
        subnets: network.split_whitespace().map(str::to_owned).collect(),
        ..DhcpPolicy::default()
    };
    changes::put_policy(store, policy).await;
}

/// Adds an Ethernet interface.
pub(crate) async fn put_interface(store: &Store, owner: &str, mac: MacAddr, addresses: &[&str]) {
    changes::create_interface(store, mac, owner, "", addresses.iter().copied()).await;
}

async fn cloud_init(store: &Store, change: cloud_init_command::Change) {
    let command = CloudInitCommand { change: Some(change) };
    changes::propose(store, Command::CloudInit(command)).await;
}
