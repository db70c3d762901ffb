//! A site with three members, real clients on their network, and two racks behind relays.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::Path;

use chaos_tests::bridge_filter::BridgeFilter;
use chaos_tests::dhcp_clients::{Client, Event, History, Kind, Lease, Rack, shared_addresses};
use chaos_tests::members::{Members, MembersConfig, Node, SERVICE_ADDRESS, wait_at_most};
use lab::machine::{Namespace, Network};

/// The shortest that Chamois accepts.
const LEASE_S: u32 = 60;
/// The members' own network.
pub(crate) const NETWORK: (&str, &str) = ("10.97.0.0/16", "10.97.0.254");
/// Those of the racks.
const RACK_1: (&str, &str) = ("10.101.0.0/16", "10.101.0.1");
pub(crate) const RACK_2: (&str, &str) = ("10.102.0.0/16", "10.102.0.1");
/// What plays many nodes answers for them as their relay.
const LOAD_ADDRESS: &str = "10.97.0.240/16";
/// Ports of the members on the bridge.
pub(crate) const MEMBERS: [&str; 3] = ["m1", "m2", "m3"];

/// A client at its place.
pub(crate) struct Seat {
    pub(crate) client: Client,
    /// The port of the members' bridge that its packets pass: its own or its relay's.
    pub(crate) port: String,
    expected: Lease,
}

/// A client that comes without being expected.
pub(crate) struct Newcomer {
    pub(crate) client: Client,
    /// What its MAC follows from.
    pub(crate) number: u8,
    /// The addresses that it may have; none until it is let in.
    may_have: Vec<RangeInclusive<Ipv4Addr>>,
}

/// Where a client sits.
#[derive(Clone, Copy)]
enum Place {
    /// On the members' network.
    Direct,
    /// In rack 1 or 2, behind a relay.
    Behind(u8),
}

use Kind::{Dhclient, Dhcpcd, Udhcpc};
use Place::{Behind, Direct};

/// Two of each on the members' network, one in each rack.
const SEATS: [(Kind, Place); 8] = [
    (Udhcpc, Direct),
    (Dhclient, Direct),
    (Dhcpcd, Direct),
    (Udhcpc, Direct),
    (Dhclient, Direct),
    (Dhcpcd, Direct),
    (Udhcpc, Behind(1)),
    (Dhclient, Behind(2)),
];
/// They bind once and then live through everything.
const RESIDENTS: [(Kind, Place); 2] = [(Dhclient, Direct), (Dhcpcd, Direct)];

pub(crate) struct Site {
    pub(crate) members: Members,
    pub(crate) filter: BridgeFilter,
    pub(crate) seats: Vec<Seat>,
    pub(crate) residents: Vec<Seat>,
    /// Where many nodes are played at once.
    pub(crate) load: Namespace,
    /// Clients whose MACs nobody knows.
    pub(crate) strangers: Vec<Client>,
    /// Likewise, until they are adopted: udhcpc on the members' network, dhclient in rack 2.
    pub(crate) newcomers: Vec<Newcomer>,
    history: History,
    _racks: Vec<Rack>,
    _network: Network,
}

impl Site {
    pub(crate) fn start(folder: &Path) -> Site {
        let mut network = Network::create("d", 3).unwrap();
        let racks = vec![
            // rack 1 knows the service address, rack 2 the members; rack 2 adds option 82
            Rack::add(&mut network, 1, &[SERVICE_ADDRESS]),
            Rack::add(&mut network, 2, &["-a", "10.97.1.1", "10.97.1.2", "10.97.1.3"]),
        ];
        let config = MembersConfig {
            network_lines: r#"relayed-subnets = ["10.101.0.0/16", "10.102.0.0/16"]"#.to_owned(),
            ..MembersConfig::default()
        };
        let files = folder.join("files");
        std::fs::create_dir_all(&files).unwrap();
        let members = Members::start(&network, folder, &files, &config);
        let leader = members.leader();
        for network in [NETWORK, RACK_1, RACK_2] {
            put_subnet(&members, leader, network, "");
        }
        let history = History::new(folder.join("history"));
        let mut nid = 0;
        let mut seat = |&(kind, place): &(Kind, Place)| {
            nid += 1;
            let seat = add_seat(&mut network, nid, kind, place, folder, &history);
            members.add_node(leader, &node(nid, &seat.expected));
            seat
        };
        let seats: Vec<Seat> = SEATS.iter().map(&mut seat).collect();
        let residents: Vec<Seat> = RESIDENTS.iter().map(&mut seat).collect();
        let strangers = [101, 102].map(|number| {
            let namespace = add_client(&mut network, number, "br0");
            Client::new(&format!("c{number}"), Udhcpc, namespace, folder, &history)
        });
        let newcomers = [(104, Udhcpc, "br0"), (105, Dhclient, "rack2")].map(|(number, kind, bridge)| {
            let namespace = add_client(&mut network, number, bridge);
            Newcomer {
                client: Client::new(&format!("c{number}"), kind, namespace, folder, &history),
                number,
                may_have: Vec::new(),
            }
        });
        let load = add_client(&mut network, 103, "br0");
        load.ip(&["address", "add", LOAD_ADDRESS, "dev", "eth0"]).unwrap();
        Site {
            load,
            filter: BridgeFilter::new(&network, &MEMBERS),
            members,
            seats,
            residents,
            strangers: strangers.into(),
            newcomers: newcomers.into(),
            history,
            _racks: racks,
            _network: network,
        }
    }

    /// Replaces a network and its router; `more` are further fields in JSON, each with a comma before it.
    pub(crate) fn put_subnet(&self, member: u64, network: (&str, &str), more: &str) {
        put_subnet(&self.members, member, network, more);
    }

    /// From now on a newcomer may have these addresses.
    pub(crate) fn let_in(&mut self, newcomer: usize, may_have: &[RangeInclusive<Ipv4Addr>]) {
        self.newcomers[newcomer].may_have = may_have.to_vec();
    }

    /// Everything the clients wrote down from event `since` on.
    pub(crate) fn events(&self, since: usize) -> Vec<Event> {
        self.history.events().split_off(since)
    }

    pub(crate) fn now(&self) -> usize {
        self.history.events().len()
    }

    /// Switches the seats on, all at once and without memory.
    pub(crate) fn power_on(&mut self, seats: &[usize]) -> usize {
        let since = self.now();
        for seat in seats {
            self.seats[*seat].client.start();
        }
        since
    }

    pub(crate) fn power_off(&mut self) {
        for seat in &mut self.seats {
            seat.client.power_off();
        }
    }

    /// Waits until each of the seats has written down one of these events after `since`; then judges the whole history.
    pub(crate) fn wait_for(&self, seats: &[usize], whats: &[&str], since: usize) {
        let waiting = || {
            let events = self.events(since);
            let heard = |name: &str| {
                let mut own = events.iter().filter(|event| event.client == name);
                own.any(|event| whats.contains(&event.what.as_str()))
            };
            let missing = seats
                .iter()
                .filter(|seat| !heard(self.seats[**seat].client.name()));
            missing.copied().collect::<Vec<usize>>()
        };
        wait_at_most(chaos_tests::members::AT_MOST, || {
            waiting().is_empty().then_some(())
        });
        if let Some(missing) = waiting().first().copied() {
            let client = &self.seats[missing].client;
            panic!(
                "{:?} {} is without {whats:?}; it said:\n{}",
                client.kind(),
                client.name(),
                client.said()
            );
        }
        self.judge();
    }

    /// Whatever any client was ever given was its own, whole, and nobody else's at the time.
    pub(crate) fn judge(&self) {
        let events = self.history.events();
        for event in &events {
            let Some(lease) = &event.lease else { continue };
            let mut newcomers = self.newcomers.iter();
            if let Some(newcomer) = newcomers.find(|newcomer| newcomer.client.name() == event.client) {
                let mut may_have = newcomer.may_have.iter();
                assert!(may_have.any(|range| range.contains(&lease.address)), "{event:?}");
                continue;
            }
            let mut all = self.seats.iter().chain(&self.residents);
            let seat = all.find(|seat| seat.client.name() == event.client);
            assert_eq!(Some(lease), seat.map(|seat| &seat.expected), "{event:?}");
        }
        assert_eq!(shared_addresses(&events), []);
    }
}

fn put_subnet(members: &Members, member: u64, (network, router): (&str, &str), more: &str) {
    let body = format!(r#"{{"network":"{network}","routers":["{router}"],"leaseTimeS":{LEASE_S}{more}}}"#);
    members.post(member, "/chamois/v1/subnets", &body);
}

fn add_seat(
    network: &mut Network,
    nid: u8,
    kind: Kind,
    place: Place,
    folder: &Path,
    history: &History,
) -> Seat {
    let name = format!("c{nid}");
    let (bridge, port, net, router) = match place {
        Direct => ("br0".to_owned(), name.clone(), 97, Ipv4Addr::new(10, 97, 0, 254)),
        Behind(rack) => (
            format!("rack{rack}"),
            format!("r{rack}"),
            100 + rack,
            Ipv4Addr::new(10, 100 + rack, 0, 1),
        ),
    };
    let namespace = add_client(network, nid, &bridge);
    let expected = Lease {
        address: Ipv4Addr::new(10, net, 5, nid),
        mask: Ipv4Addr::new(255, 255, 0, 0),
        router,
        hostname: format!("bo{nid:04}"),
        server: SERVICE_ADDRESS.parse().unwrap(),
        lease_s: LEASE_S,
    };
    Seat {
        client: Client::new(&name, kind, namespace, folder, history),
        port,
        expected,
    }
}

pub(crate) fn add_client(network: &mut Network, number: u8, bridge: &str) -> Namespace {
    let name = format!("c{number}");
    let namespace = network.add_namespace(&name).unwrap();
    network
        .plug(&namespace, "eth0", &name, bridge, &mac(number), None)
        .unwrap();
    namespace
}

pub(crate) fn mac(number: u8) -> String {
    format!("02:97:00:00:05:{number:02x}")
}

fn node(nid: u8, lease: &Lease) -> Node {
    Node {
        xname: format!("x1000c0s{nid}b0n0"),
        nid: nid.into(),
        mac: mac(nid),
        address: lease.address.to_string(),
    }
}
