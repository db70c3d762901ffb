//! Three disjoint networks on each member: what is served on one is not to be had on another, though Linux takes every
//! address as the host's. Real members in namespaces; on each network somebody tries every port of every address.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod world;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Instant;

use chaos_tests::members::wait;
use chaos_tests::probe::dhcp::{Asks, Offer, discover};
use chaos_tests::probe::{arp_owners, inside, tcp_is_open, tftp_serves, udp_answers};
use lab::machine::run;

use world::{BMC, NETS, NODE, NODE_ON_BMC, Net, RACK_NODE, World, member_mac, text};

const HTTP_FOR_NODES: u16 = 8081;
const HTTPS: u16 = 8443;
const GRPC: u16 = 7441;
const PEERS: u16 = 7440;
const ADVERTS: u16 = 7442;
/// Forged adverts per member and network.
const FORGED: u8 = 50;

#[test]
fn privileged_nothing_answers_where_it_should_not() {
    if !chaos_tests::privileged::is_wanted("three networks") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(folder.path());
    let mut started = Instant::now();
    let mut said = |part: &str| {
        println!("{:5.1} s  {part}", started.elapsed().as_secs_f32());
        started = Instant::now();
    };

    only_its_own_interface_speaks_for_an_address(&world);
    said("ARP");
    ports_are_open_only_on_their_networks(&world);
    said("TCP and TFTP");
    dhcp_answers_only_its_own_network(&world);
    said("DHCP");
    a_rack_is_sent_to_the_network_its_relay_reaches(&world);
    said("a relayed rack");
    forged_adverts_change_nothing(&world);
    said("forged adverts");
    each_network_fails_over_by_itself(&world);
    said("failover of one network at a time");
}

/// Every address that a member has, with the member that has it now and the network it belongs to.
fn addresses(world: &World) -> Vec<(Net, u64, Ipv4Addr)> {
    let mut all = Vec::new();
    for net in NETS {
        let own = world.members.ids().into_iter();
        all.extend(own.map(|id| (net, id, net.member(id))));
        all.extend(net.service().map(|service| (net, world.holder(net), service)));
    }
    all
}

/// Asked by ARP on the wrong network, nobody says that an address is his: else hosts there would send him what is meant
/// for another network.
fn only_its_own_interface_speaks_for_an_address(world: &World) {
    let addresses = addresses(world);
    std::thread::scope(|scope| {
        for from in NETS {
            for (net, id, address) in &addresses {
                scope.spawn(move || {
                    let owners = arp_owners(world.asker(from), *address);
                    let own = (*net == from).then(|| member_mac(*net, *id));
                    let expected: BTreeSet<String> = own.into_iter().collect();
                    assert_eq!(owners, expected, "ARP for {address} on {from:?}");
                });
            }
        }
    });
}

/// What is open where, port by port. The boot network's ports answer on its interface whatever address is asked (the
/// answer is that network's own in any case); everything else only at its address on its network.
fn ports_are_open_only_on_their_networks(world: &World) {
    let addresses = addresses(world);
    std::thread::scope(|scope| {
        for from in NETS {
            for (net, id, address) in &addresses {
                if *net != from {
                    world.route(from, *address, *id);
                }
                scope.spawn(move || inside(world.asker(from), || try_ports(from, *net, *address)));
            }
        }
    });
}

fn try_ports(from: Net, net: Net, address: Ipv4Addr) {
    let boot = from == Net::Boot;
    let management = from == Net::Management && net == Net::Management;
    let expected = [
        (HTTP_FOR_NODES, boot),
        (HTTPS, management),
        (GRPC, management),
        (PEERS, management),
    ];
    let found = expected.map(|(port, _)| (port, tcp_is_open(SocketAddrV4::new(address, port))));
    assert_eq!(found, expected, "TCP ports of {address} from {from:?}");
    let tftp = tftp_serves(address, "undionly.kpxe");
    assert_eq!(tftp, boot, "TFTP at {address} from {from:?}");
}

/// A question on a network is answered once, by what is reserved there, in the name of its service address; by nobody if
/// nothing is reserved there, wherever it is sent.
fn dhcp_answers_only_its_own_network(world: &World) {
    let services = [Net::Boot, Net::Bmc].map(|net| (net, net.service().unwrap()));
    for (net, service) in services {
        for from in NETS.into_iter().filter(|from| *from != net) {
            world.route(from, service, world.holder(net));
        }
    }
    // the asker's MAC, and the last byte of what is reserved for it there
    let questions = [
        (Net::Boot, vec![(NODE, Some(1)), (NODE_ON_BMC, None), (BMC, None)]),
        (
            Net::Bmc,
            vec![(BMC, Some(1)), (NODE_ON_BMC, Some(2)), (NODE, None)],
        ),
        (Net::Management, vec![(NODE, None), (BMC, None)]),
    ];
    std::thread::scope(|scope| {
        for (from, questions) in questions {
            scope.spawn(move || {
                for (mac, host) in questions {
                    let own = |host| (Ipv4Addr::new(10, from as u8, 5, host), from.service().unwrap());
                    ask_everywhere(world, from, mac, host.map(own));
                }
            });
        }
    });
}

/// Asks by broadcast and at each service address, those of other networks by way of their holders' addresses here.
fn ask_everywhere(world: &World, from: Net, mac: [u8; 6], expected: Option<(Ipv4Addr, Ipv4Addr)>) {
    let ask = |asks, to| inside(world.asker(from), || discover(mac, asks, to));
    let given = |offers: &[Offer]| offers.iter().map(|o| (o.address, o.server())).collect::<Vec<_>>();
    let (who, expected) = (text(mac), Vec::from_iter(expected));
    for asks in [Asks::Pxe, Asks::Ipxe] {
        let offers = ask(asks, Ipv4Addr::BROADCAST);
        assert_eq!(given(&offers), expected, "{who} asks on {from:?}");
        // nobody serves boot files on the BMC network, so nobody is sent to fetch one there
        let boots: Vec<String> = offers.iter().flat_map(Offer::boot_options).collect();
        let is_booted = from == Net::Boot && mac == NODE;
        assert_eq!(
            !boots.is_empty(),
            is_booted,
            "{who} on {from:?} as {asks:?}: {boots:?}"
        );
    }
    for net in [Net::Boot, Net::Bmc] {
        let given = given(&ask(Asks::Pxe, net.service().unwrap()));
        if net == from {
            assert_eq!(given, expected, "{who} asks the service address of {from:?}");
        }
        let is_own = given.iter().all(|offer| expected.contains(offer));
        assert!(is_own, "{who} asks that of {net:?} on {from:?}: {given:?}");
    }
}

/// The relay reaches the boot network: the rack's nodes are told its service address, and get everything from there.
fn a_rack_is_sent_to_the_network_its_relay_reaches(world: &World) {
    let offers = inside(&world.rack, || {
        discover(RACK_NODE, Asks::Ipxe, Ipv4Addr::BROADCAST)
    });
    let [offer] = offers.as_slice() else {
        panic!("one offer, not {offers:?}")
    };
    assert_eq!(
        (offer.address, offer.server()),
        ([10, 101, 5, 1].into(), [10, 97, 0, 1].into())
    );
    let own = ["addr", "add", "10.101.5.1/16", "dev", "eth0"];
    world.rack.ip(&own).unwrap();
    let first = fetch_in_rack(world, &offer.boot_file().unwrap());
    let (_, chained) = first.split_once("chain ").unwrap();
    let url = chained.split_whitespace().next().unwrap();
    let script = fetch_in_rack(world, &url.replace("${netX/mac}", &text(RACK_NODE)));
    assert!(script.contains("\nkernel "), "{script}");
}

/// As iPXE in the rack fetches it; a script names no server but the boot network's service address.
fn fetch_in_rack(world: &World, url: &str) -> String {
    let mut curl = world.rack.command("curl");
    curl.args(["-sSf", "--max-time", "20", "--interface", "10.101.5.1", url]);
    let fetched = run(&mut curl).unwrap();
    let script = String::from_utf8(fetched.stdout).unwrap();
    for named in [url, &script] {
        let servers = named.split("://").skip(1).map(|rest| &rest[..9]);
        assert_eq!(BTreeSet::from_iter(servers), ["10.97.0.1"].into(), "{named}");
    }
    script
}

/// Adverts that no member made, on every network to every address: nobody answers them, nothing moves.
fn forged_adverts_change_nothing(world: &World) {
    let holders = || [Net::Boot, Net::Bmc].map(|net| world.holder(net));
    let (before, addresses) = (holders(), addresses(world));
    std::thread::scope(|scope| {
        for from in NETS {
            for (net, id, address) in &addresses {
                if *net != from {
                    world.route(from, *address, *id);
                }
                scope.spawn(move || {
                    let answers = inside(world.asker(from), || forge(*address));
                    assert_eq!(answers, [], "adverts to {address} from {from:?}");
                });
            }
        }
    });
    assert_eq!(holders(), before);
}

/// Sends forged adverts and gives what comes back for one more.
fn forge(address: Ipv4Addr) -> Vec<(SocketAddr, Vec<u8>)> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let to = SocketAddrV4::new(address, ADVERTS);
    for seed in 1..=FORGED {
        let forged: Vec<u8> = (0..120).map(|at: u8| at.wrapping_mul(seed)).collect();
        socket.send_to(&forged, to).ok(); // refused where nobody listens
    }
    udp_answers(to, b"chamois")
}

/// The holder's cable of one network is pulled: that network's address moves and is served; the other's stays, though the
/// same member may hold it; the cluster keeps its leader, who talks on the third.
fn each_network_fails_over_by_itself(world: &World) {
    let leader = world.members.leader();
    for (net, other, mac) in [(Net::Boot, Net::Bmc, NODE), (Net::Bmc, Net::Boot, BMC)] {
        let (holder, stays) = (world.holder(net), world.holder(other));
        world.cable(net, holder, "down");
        let next = wait("another holder", || {
            assert!(
                world.has_service_address(other, stays),
                "the address of {other:?} moved too"
            );
            let ids = world.members.ids().into_iter();
            ids.filter(|id| *id != holder)
                .find(|id| world.has_service_address(net, *id))
        });
        let offers = wait("an offer of the new holder", || {
            let offers = inside(world.asker(net), || discover(mac, Asks::Pxe, Ipv4Addr::BROADCAST));
            (!offers.is_empty()).then_some(offers)
        });
        assert_eq!(offers[0].server(), net.service().unwrap());
        let owners = arp_owners(world.asker(net), net.service().unwrap());
        assert_eq!(owners, [member_mac(net, next)].into());
        assert_eq!(world.holder(other), stays);
        world.cable(net, holder, "up");
        world.holder(net);
        assert_eq!(world.holder(other), stays);
    }
    assert_eq!(world.members.leader(), leader);
}
