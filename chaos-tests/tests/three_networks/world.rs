//! Three members on three disjoint networks (boot, BMC, management), somebody who asks on each, and a relayed rack.

use std::net::Ipv4Addr;
use std::path::Path;

use chaos_tests::dhcp_clients::Rack;
use chaos_tests::members::{Members, MembersConfig, Node, wait};
use lab::machine::{Namespace, Network, member_address};

/// The node's NIC on the boot network.
pub(crate) const NODE: [u8; 6] = [2, 0x97, 0, 0, 5, 1];
/// A second NIC of the same node, with an address on the BMC network.
pub(crate) const NODE_ON_BMC: [u8; 6] = [2, 0x98, 0, 0, 5, 2];
/// The BMC's NIC.
pub(crate) const BMC: [u8; 6] = [2, 0x98, 0, 0, 5, 1];
/// NICs of the same node and BMC that have an address of IPv6 only, each on its network.
pub(crate) const NODE_OF_IPV6: [u8; 6] = [2, 0x97, 0, 0, 6, 1];
pub(crate) const BMC_OF_IPV6: [u8; 6] = [2, 0x98, 0, 0, 6, 1];
/// The NIC of the node in the rack.
pub(crate) const RACK_NODE: [u8; 6] = [2, 0x97, 1, 0, 5, 1];

/// One of the networks; the discriminant is the place of its half in every address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Net {
    Boot = 97,
    Bmc = 98,
    Management = 99,
}

pub(crate) const NETS: [Net; 3] = [Net::Boot, Net::Bmc, Net::Management];

impl Net {
    /// Interface of the members there.
    pub(crate) fn interface(self) -> &'static str {
        match self {
            Net::Boot => "eth0",
            Net::Bmc => "eth1",
            Net::Management => "eth2",
        }
    }

    /// Port of a member on the network's bridge.
    fn port(self, member: u64) -> String {
        match self {
            Net::Boot => format!("m{member}"),
            Net::Bmc => format!("b{member}"),
            Net::Management => format!("g{member}"),
        }
    }

    fn bridge(self) -> &'static str {
        match self {
            Net::Boot => "br0",
            Net::Bmc => "bmc",
            Net::Management => "mgmt",
        }
    }

    pub(crate) fn member(self, id: u64) -> Ipv4Addr {
        let id = u8::try_from(id).unwrap();
        Ipv4Addr::new(10, self as u8, 1, id)
    }

    /// The service address; that of management is the API's.
    pub(crate) fn service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self as u8, 0, 1)
    }

    /// The address over IPv6 that ends with these numbers.
    pub(crate) fn ipv6(self, end: &str) -> String {
        format!("fd00:{}::{end}", self as u8)
    }

    /// Name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Net::Boot => "boot",
            Net::Bmc => "bmc",
            Net::Management => "management",
        }
    }
}

/// MAC of a member there.
pub(crate) fn member_mac(net: Net, member: u64) -> String {
    format!("02:{}:00:00:01:{member:02x}", net as u8)
}

pub(crate) struct World {
    pub(crate) members: Members,
    pub(crate) rack: Namespace,
    /// The node and the BMC that have IPv6 only.
    pub(crate) of_ipv6: [(Net, Namespace); 2],
    askers: [Namespace; 3],
    _rack: Rack,
    network: Network,
}

impl World {
    pub(crate) fn start(folder: &Path) -> World {
        let mut network = Network::create("t", 3).unwrap();
        network.add_bridge("bmc", "10.98.9.9/16").unwrap();
        network.add_bridge("mgmt", "10.99.9.9/16").unwrap();
        for id in 1..=network.members() {
            for net in [Net::Bmc, Net::Management] {
                plug(&network, net, id);
            }
            give_ipv6(&network, Net::Boot, id);
        }
        let relay = Rack::add(&mut network, 1, &["-a", "10.97.0.1"]);
        let rack = asker(&mut network, "rk", "rack1", "10.101.8.8/16");
        rack.ip(&["route", "add", "default", "via", "10.101.0.1"])
            .unwrap();
        let askers = NETS.map(|net| {
            let (name, address) = (format!("p{}", net as u8), format!("10.{}.8.8/16", net as u8));
            asker(&mut network, &name, net.bridge(), &address)
        });
        let of_ipv6 = [(Net::Boot, NODE_OF_IPV6), (Net::Bmc, BMC_OF_IPV6)].map(|(net, mac)| {
            let name = format!("s{}", net as u8);
            let namespace = network.add_namespace(&name).unwrap();
            let plugged = network.plug(&namespace, "eth0", &name, net.bridge(), &text(mac), None);
            plugged.unwrap();
            (net, namespace)
        });
        let files = folder.join("files");
        std::fs::create_dir_all(&files).unwrap();
        let world = World {
            members: Members::start(&network, folder, &files, &config()),
            rack,
            of_ipv6,
            askers,
            _rack: relay,
            network,
        };
        world.seed();
        world
    }

    fn seed(&self) {
        let leader = self.members.leader();
        for net in ["10.97.0.0/16", "10.98.0.0/16", "10.101.0.0/16"] {
            let body = format!(r#"{{"network":"{net}"}}"#);
            self.members.post(leader, "/chamois/v1/subnets", &body);
        }
        for (slot, mac, address) in [(0, NODE, "10.97.5.1"), (1, RACK_NODE, "10.101.5.1")] {
            let node = Node {
                xname: format!("x1000c0s{slot}b0n0"),
                nid: slot + 1,
                mac: text(mac),
                address: address.to_owned(),
            };
            self.members.add_node(leader, &node);
            self.members.add_boot(leader, &node.mac, "quiet");
        }
        let bmc = r#"{"Components":[{"ID":"x1000c0s0b0","Type":"NodeBMC","State":"On"}]}"#;
        self.members.post(leader, "/hsm/v2/State/Components", bmc);
        for (mac, component, address) in [
            (BMC, "x1000c0s0b0", "10.98.5.1"),
            (NODE_ON_BMC, "x1000c0s0b0n0", "10.98.5.2"),
            (NODE_OF_IPV6, "x1000c0s0b0n0", "fd00:97::6:1"),
            (BMC_OF_IPV6, "x1000c0s0b0", "fd00:98::6:1"),
        ] {
            let body = format!(
                r#"{{"MACAddress":"{}","ComponentID":"{component}","IPAddresses":[{{"IPAddress":"{address}"}}]}}"#,
                text(mac)
            );
            self.members
                .post(leader, "/hsm/v2/Inventory/EthernetInterfaces", &body);
        }
        self.members.wait_healthy();
    }

    /// Where somebody asks on a network, at 10.X.8.8 on `eth0`.
    pub(crate) fn asker(&self, net: Net) -> &Namespace {
        &self.askers[net as usize - Net::Boot as usize]
    }

    /// The one member that has the network's service address.
    pub(crate) fn holder(&self, net: Net) -> u64 {
        wait("one holder of a service address", || {
            let ids = self.members.ids().into_iter();
            let holders: Vec<u64> = ids.filter(|id| self.has_service_address(net, *id)).collect();
            (holders.len() == 1).then(|| holders[0])
        })
    }

    /// Whoever has it besides `id`.
    pub(crate) fn holder_but(&self, net: Net, id: u64) -> Option<u64> {
        let mut others = self.members.ids().into_iter().filter(|other| *other != id);
        others.find(|other| self.has_service_address(net, *other))
    }

    pub(crate) fn has_service_address(&self, net: Net, id: u64) -> bool {
        let service = net.service().to_string();
        self.network
            .member(id)
            .has_address(net.interface(), &service)
            .unwrap()
    }

    /// Pulls or puts back the cable of a member on one network.
    pub(crate) fn cable(&self, net: Net, id: u64, state: &str) {
        let ports = self.network.bridge();
        ports.ip(&["link", "set", &net.port(id), state]).unwrap();
    }

    /// Takes a member's interface away and makes one of the same name, as `ifdown` and `ifup` do to a VLAN: for the kernel
    /// it is another one.
    pub(crate) fn make_anew(&self, net: Net, id: u64) {
        let member = self.network.member(id);
        member.ip(&["link", "del", net.interface()]).unwrap();
        plug(&self.network, net, id);
    }

    /// Makes the asker send what is for `address` to this member's own address on the asker's network, as a host that
    /// wants to get across does: Linux takes an address as the host's, whichever interface a packet comes in by.
    pub(crate) fn route(&self, from: Net, address: Ipv4Addr, via: u64) {
        let (to, via) = (format!("{address}/32"), from.member(via).to_string());
        self.asker(from)
            .ip(&["route", "replace", &to, "via", &via])
            .unwrap();
    }
}

fn asker(network: &mut Network, name: &str, bridge: &str, address: &str) -> Namespace {
    let namespace = network.add_namespace(name).unwrap();
    let mac = format!("02:aa:00:00:00:{:02x}", name.bytes().fold(0u8, u8::wrapping_add));
    network
        .plug(&namespace, "eth0", name, bridge, &mac, Some(address))
        .unwrap();
    let everyone = ["route", "add", "255.255.255.255/32", "dev", "eth0"];
    namespace.ip(&everyone).unwrap();
    namespace
}

fn config() -> MembersConfig {
    let peers = |net: Net| {
        let peer = |id| format!("{id} = \"{}\"", net.member(id));
        (1..=3).map(peer).collect::<Vec<_>>().join(", ")
    };
    let tables = format!(
        r#"
[[network]]
name = "bmc"
kind = "bmc"
interface = "eth1"
member-address = "10.98.1.{{id}}"
peers = {{ {} }}
service-address = "10.98.0.1"
roles = ["dhcp", "dns"]
prefixes-v6 = ["fd00:98::/64"]
[[network]]
name = "management"
kind = "management"
interface = "eth2"
member-address = "10.99.1.{{id}}"
peers = {{ {} }}
service-address = "10.99.0.1"
"#,
        peers(Net::Bmc),
        peers(Net::Management)
    );
    assert_eq!(member_address(1), Net::Boot.member(1).to_string());
    MembersConfig {
        network_lines: "relayed-subnets = [\"10.101.0.0/16\"]\nrouter-advertisements = true\n\
                        prefixes-v6 = [\"fd00:97::/64\"]\ndns-servers-v6 = [\"fd00:97::53\"]"
            .to_owned(),
        tables,
        helper_allows: vec!["eth1=10.98.0.1".to_owned(), "eth2=10.99.0.1".to_owned()],
        api_network: Some("10.99".to_owned()),
        ..MembersConfig::default()
    }
}

/// As SMD writes it.
pub(crate) fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Gives a member its interface on a network.
fn plug(network: &Network, net: Net, id: u64) {
    let (mac, address) = (member_mac(net, id), format!("{}/16", net.member(id)));
    network
        .plug(
            &network.member(id),
            net.interface(),
            &net.port(id),
            net.bridge(),
            &mac,
            Some(&address),
        )
        .unwrap();
    if net != Net::Management {
        give_ipv6(network, net, id);
    }
}

/// And its address of IPv6 there, at once: no other host could have it.
fn give_ipv6(network: &Network, net: Net, id: u64) {
    let address = format!("{}/64", net.ipv6(&format!("1:{id}")));
    let add = ["addr", "add", &address, "dev", net.interface(), "nodad"];
    network.member(id).ip(&add).unwrap();
}
