//! Three members with their address helpers, and a street of clients on each side of the cut that may come.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Instant;

use chaos_tests::bridge_filter::BridgeFilter;
use chaos_tests::cluster::{Cluster, MEMBERS, Place, Settings};
use chaos_tests::dice::Dice;
use chaos_tests::faults::World;
use chaos_tests::members::{SERVICE_ADDRESS, executable, wait};
use chaos_tests::never_twice::client::Client;
use chaos_tests::never_twice::editor::{self, Editor};
use chaos_tests::never_twice::frame::Mac;
use chaos_tests::never_twice::population::Population;
use chaos_tests::stepped_clock::SteppedClock;
use lab::machine::{Namespace, Network, Process};
use proto::dhcp::v1::subnet::UnknownClients;
use proto::dhcp::v1::subnet_service_client::SubnetServiceClient;
use proto::dhcp::v1::{AddressPool, PutSubnetRequest, Subnet};

/// Ports of the two streets.
pub(crate) const LEFT: &str = "ca";
pub(crate) const RIGHT: &str = "cb";
/// The shortest leases there are, seconds: of nodes and of pools.
const LEASE_S: u32 = 60;
const POOL_LEASE_S: u32 = 20;
/// Far fewer than there are strangers.
const POOL: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(10, 97, 200, 1), Ipv4Addr::new(10, 97, 201, 144));
/// Addresses for nodes, more than there are nodes.
const SPARE: u16 = 50;
/// A snapshot every few hundred writes: members that were away need one.
const SNAPSHOT_ENTRIES: u64 = 500;

/// How many clients there are on both sides together.
#[derive(Clone, Copy)]
pub(crate) struct People {
    pub(crate) nodes: u16,
    pub(crate) strangers: u16,
}

pub(crate) struct Site {
    pub(crate) world: World,
    people: People,
    streets: [(Namespace, Mac); 2],
    epoch: Instant,
    _helpers: Vec<Process>,
}

impl Site {
    pub(crate) fn start(folder: &Path, tag: &str, people: People, mut dice: Dice) -> Site {
        let mut network = Network::create(tag, MEMBERS).unwrap();
        let streets = [LEFT, RIGHT].map(|name| street(&mut network, name));
        let filter = BridgeFilter::new(&network, &["m1", "m2", "m3"]);
        let helpers = (1..=MEMBERS).map(|id| helper(&network, id, folder)).collect();
        let clock = SteppedClock::compile(folder);
        let settings = Settings {
            snapshot_entries: Some(SNAPSHOT_ENTRIES),
            environment: clock.environment(),
            tables: Some(tables(folder)),
            ..Settings::default()
        };
        let cluster = Cluster::start(Place::Namespaces(network), folder, settings);
        put_subnet(&cluster, &mut dice);
        Site {
            world: World {
                cluster,
                filter,
                clock,
            },
            people,
            streets,
            epoch: Instant::now(),
            _helpers: helpers,
        }
    }

    /// Milliseconds since the run began.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap()
    }

    /// DHCPNAKs that a member has sent.
    pub(crate) fn refusals_of(&self, member: u64) -> u64 {
        self.world.filter.counted(&format!("nak-m{member}"))
    }

    pub(crate) fn editor(&self, dice: &mut Dice) -> Editor {
        let site = editor::Site {
            nodes: (0..self.people.nodes).map(node).collect(),
            strangers: (0..self.people.strangers).map(stranger).collect(),
            fixed: (0..self.people.nodes + SPARE).map(fixed).collect(),
            pool: POOL.0..=POOL.1,
        };
        Editor::new(&self.world.cluster, site, Dice::new(dice.bits()), self.epoch)
    }

    /// All clients, half of them in each street, without memory.
    pub(crate) fn switch_on(&self, people: People, dice: &mut Dice) -> Vec<Population> {
        let macs = (0..people.nodes)
            .map(node)
            .chain((0..people.strangers).map(stranger));
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for mac in macs {
            let street = if is_on_the_left(mac) {
                &mut left
            } else {
                &mut right
            };
            street.push(client(mac, Dice::new(dice.bits())));
        }
        let server = SERVICE_ADDRESS.parse().unwrap();
        let start = |((namespace, own), clients): (&(Namespace, Mac), Vec<Client>)| {
            Population::start(namespace, *own, server, clients, self.epoch)
        };
        self.streets.iter().zip([left, right]).map(start).collect()
    }
}

/// Which street a client lives in.
pub(crate) fn is_on_the_left(mac: Mac) -> bool {
    mac[5].is_multiple_of(2)
}

/// Whether SMD knows the client from the beginning.
pub(crate) fn is_node(mac: Mac) -> bool {
    mac[2] == 1
}

fn node(number: u16) -> Mac {
    let [high, low] = number.to_be_bytes();
    [2, 0x97, 1, 0, high, low]
}

fn stranger(number: u16) -> Mac {
    let [high, low] = number.to_be_bytes();
    [2, 0x97, 2, 0, high, low]
}

fn fixed(number: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 97, 2, 1)) + u32::from(number))
}

/// Every fourth names itself by option 61, every other fourth says its MAC there too; one in twenty strangers finds an address in
/// use once: such an address is nobody's for a day.
fn client(mac: Mac, dice: Dice) -> Client {
    let client_id = match mac[5] % 4 {
        0 => [&[255, 0, 0, 0, 1][..], &mac].concat(),
        1 => [&[1][..], &mac].concat(),
        _ => vec![],
    };
    let declines = u32::from(!is_node(mac) && mac[5] % 20 == 7);
    Client::new(mac, client_id, declines, dice)
}

fn street(network: &mut Network, name: &str) -> (Namespace, Mac) {
    let namespace = network.add_namespace(name).unwrap();
    let own = [2, 0x97, 3, 0, 0, name.as_bytes()[1]];
    let mac = own.map(|byte| format!("{byte:02x}")).join(":");
    network.plug(&namespace, "eth0", name, "br0", &mac, None).unwrap();
    (namespace, own)
}

fn helper(network: &Network, id: u64, folder: &Path) -> Process {
    let socket = folder.join(format!("helper-{id}.sock"));
    let mut helper = network.member(id).command(executable());
    helper.args([
        "address-helper",
        "--allow",
        &format!("eth0={SERVICE_ADDRESS}"),
        "--socket",
    ]);
    helper.arg(&socket).stderr(std::process::Stdio::null());
    let process = Process::new(helper.spawn().unwrap());
    wait("the helper's socket", || socket.exists().then_some(()));
    process
}

fn tables(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"[address]
mode = "helper"
helper-socket = "{folder}/helper-{{id}}.sock"
[dhcp]
isolated-lease-s = {LEASE_S}
[[network]]
name = "boot"
kind = "boot"
interface = "eth0"
member-address = "10.97.1.{{id}}"
peers = {{ 1 = "10.97.1.1", 2 = "10.97.1.2", 3 = "10.97.1.3" }}
service-address = "{SERVICE_ADDRESS}"
roles = ["dhcp"]
"#
    )
}

fn put_subnet(cluster: &Cluster, dice: &mut Dice) {
    let pool = AddressPool {
        first: POOL.0.to_string(),
        last: POOL.1.to_string(),
        excluded: vec![],
    };
    let unknown_clients = if dice.chance(50) {
        UnknownClients::Address
    } else {
        UnknownClients::Boot
    };
    let subnet = Subnet {
        network: "10.97.0.0/16".to_owned(),
        lease_time_s: LEASE_S,
        pools: vec![pool],
        unknown_clients: unknown_clients.into(),
        pool_lease_time_s: POOL_LEASE_S,
        ..Subnet::default()
    };
    let mut client = SubnetServiceClient::new(cluster.caller(&[cluster.leader()]).channel());
    let put = PutSubnetRequest { subnet: Some(subnet) };
    cluster.runtime().block_on(client.put_subnet(put)).unwrap();
}
