//! Three disjoint networks on each member: what is served on one is not to be had on another, though Linux takes every
//! address as the host's. Real members in namespaces; on each network somebody tries every port of every address.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod ipv6;
mod world;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Instant;

use address::AdvertKey;
use address::advert::{Advert, ClusterTag};
use chaos_tests::members::wait;
use chaos_tests::probe::dhcp::{Asks, Offer, discover};
use chaos_tests::probe::{arp_owners, dns_refuses, inside, tcp_is_open, tftp_serves, udp_answers};
use lab::machine::run;

use world::{BMC, NETS, NODE, NODE_ON_BMC, Net, RACK_NODE, World, member_mac, text};

const HTTP_FOR_NODES: u16 = 8081;
const DNS: u16 = 53;
const HTTPS: u16 = 8443;
const GRPC: u16 = 7441;
const PEERS: u16 = 7440;
const ADVERTS: u16 = 7442;
/// Forged adverts per member and network.
const FORGED: u64 = 50;
const METRICS: &str = "/metrics";

#[test]
fn privileged_nothing_answers_where_it_should_not() {
    if !chaos_tests::privileged::is_wanted("three networks") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::start(folder.path());
    let mut started = Instant::now();
    let mut said = |part: &str| {
        println!("{:5.1} s  {part}", started.elapsed().as_secs_f32());
        started = Instant::now();
    };

    only_its_own_interface_speaks_for_an_address(&world);
    said("ARP");
    ports_are_open_only_on_their_networks(&world);
    said("TCP, TFTP and DNS");
    dhcp_answers_only_its_own_network(&world);
    said("DHCP");
    a_rack_is_sent_to_the_network_its_relay_reaches(&world);
    said("a relayed rack");
    ipv6::is_served_beside_ipv4_on_both_networks(&world, folder.path());
    said("IPv6 on two networks");
    forged_adverts_change_nothing(&world);
    said("forged adverts");
    each_network_fails_over_by_itself(&world);
    said("failover of one network at a time");
    an_interface_that_is_made_anew_is_served_again(&world);
    said("interfaces made anew");
    the_apis_address_moves(&mut world);
    said("failover of the API's address");
}

/// Every address that a member has, with the member that has it now and the network it belongs to.
fn addresses(world: &World) -> Vec<(Net, u64, Ipv4Addr)> {
    let mut all = Vec::new();
    for net in NETS {
        let own = world.members.ids().into_iter();
        all.extend(own.map(|id| (net, id, net.member(id))));
        all.push((net, world.holder(net), net.service()));
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

/// What is open where, port by port. The ports of boot and BMC network answer on their interface whatever address is asked (the
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
    let with_dns = matches!(from, Net::Boot | Net::Bmc);
    let management = from == Net::Management && net == Net::Management;
    let is_a_members = address != net.service();
    let expected = [
        (HTTP_FOR_NODES, boot),
        (DNS, with_dns),
        (HTTPS, management),
        (GRPC, management),
        (PEERS, management && is_a_members),
    ];
    let found = expected.map(|(port, _)| (port, tcp_is_open(SocketAddrV4::new(address, port))));
    assert_eq!(found, expected, "TCP ports of {address} from {from:?}");
    let tftp = tftp_serves(address, "undionly.kpxe");
    assert_eq!(tftp, boot, "TFTP at {address} from {from:?}");
    assert_eq!(dns_refuses(address), with_dns, "DNS at {address} from {from:?}");
}

/// A question on a network is answered once, by what is reserved there, in the name of its service address; by nobody if
/// nothing is reserved there, wherever it is sent.
fn dhcp_answers_only_its_own_network(world: &World) {
    let services = [Net::Boot, Net::Bmc].map(|net| (net, net.service()));
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
                    let own = |host| (Ipv4Addr::new(10, from as u8, 5, host), from.service());
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
        let given = given(&ask(Asks::Pxe, net.service()));
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

/// Adverts as another cluster of this name would make them, on every network to every address: only the key is wrong.
/// Nobody answers them, nothing moves, and those that reach an advert port are counted as what they are.
fn forged_adverts_change_nothing(world: &World) {
    let holders = || NETS.map(|net| world.holder(net));
    let counted = || NETS.map(|net| forged(world, net));
    let (before, counted_before, addresses) = (holders(), counted(), addresses(world));
    std::thread::scope(|scope| {
        for from in NETS {
            for (net, id, address) in &addresses {
                if *net != from {
                    world.route(from, *address, *id);
                }
                scope.spawn(move || {
                    let answers = inside(world.asker(from), || forge(*net, *id, *address));
                    assert_eq!(answers, [], "adverts to {address} from {from:?}");
                });
            }
        }
    });
    wait("forged adverts counted on every network", || {
        let mut counts = counted().into_iter().zip(counted_before);
        counts.all(|(now, before)| now > before).then_some(())
    });
    assert_eq!(holders(), before);
}

/// How many adverts with a wrong HMAC the members have counted on a network.
fn forged(world: &World, net: Net) -> u64 {
    let ids = world.members.ids().into_iter();
    ids.map(|id| forged_at(world, net, id)).sum()
}

fn forged_at(world: &World, net: Net, id: u64) -> u64 {
    let metrics = world.members.request(id, "GET", METRICS, "").unwrap();
    let name = net.name();
    let series = format!("chamois_address_adverts_total{{network=\"{name}\",reason=\"forged\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("no {series} in {metrics}"))
        .parse()
        .unwrap()
}

/// Sends forged adverts that take the address for another member, and gives what comes back for one more.
fn forge(net: Net, id: u64, address: Ipv4Addr) -> Vec<(SocketAddr, Vec<u8>)> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let to = SocketAddrV4::new(address, ADVERTS);
    let key = AdvertKey::new(&[7; 32]);
    let advert = |sequence| Advert {
        cluster: ClusterTag::of("boot"),
        network: net.name().to_owned(),
        from: id % 3 + 1,
        to: id,
        // ahead of all that members have said, whose count began at the microseconds of their start
        sequence: u64::MAX / 2 + sequence,
        heard: u64::MAX / 2,
        holds: true,
        answers: false,
    };
    for sequence in 1..=FORGED {
        // refused where nobody listens
        socket.send_to(&advert(sequence).encode(&key), to).ok();
    }
    udp_answers(to, &advert(FORGED + 1).encode(&key))
}

/// The holder's cable of one network is pulled: that network's address moves and is served; those of the others stay,
/// though the same member may hold them; the cluster keeps its leader, who talks on the third.
fn each_network_fails_over_by_itself(world: &World) {
    let leader = world.members.leader();
    for (net, mac) in [(Net::Boot, NODE), (Net::Bmc, BMC)] {
        let others = NETS.into_iter().filter(|other| *other != net);
        let stay: Vec<(Net, u64)> = others.map(|other| (other, world.holder(other))).collect();
        let holder = world.holder(net);
        world.cable(net, holder, "down");
        let next = wait("another holder", || {
            for (other, id) in &stay {
                let stays = world.has_service_address(*other, *id);
                assert!(stays, "the address of {other:?} moved too");
            }
            world.holder_but(net, holder)
        });
        let offers = wait("an offer of the new holder", || {
            let offers = inside(world.asker(net), || discover(mac, Asks::Pxe, Ipv4Addr::BROADCAST));
            (!offers.is_empty()).then_some(offers)
        });
        assert_eq!(offers[0].server(), net.service());
        let owners = arp_owners(world.asker(net), net.service());
        assert_eq!(owners, [member_mac(net, next)].into());
        world.cable(net, holder, "up");
        world.holder(net);
        for (other, id) in stay {
            assert_eq!(world.holder(other), id);
        }
    }
    assert_eq!(world.members.leader(), leader);
}

/// Sockets are bound to an interface, not to its name: they are bound again when the name means another one.
fn an_interface_that_is_made_anew_is_served_again(world: &World) {
    for net in NETS {
        let id = world.holder(net);
        world.make_anew(net, id);
        let port = match net {
            Net::Boot => Some(HTTP_FOR_NODES),
            Net::Bmc => None,
            Net::Management => Some(HTTPS),
        };
        if let Some(port) = port {
            let at = SocketAddrV4::new(net.member(id), port);
            wait("the port on the new interface", || {
                inside(world.asker(net), || tcp_is_open(at)).then_some(())
            });
        }
        if net != Net::Management {
            // whoever holds the address: only one that hears the others' adverts leaves it to them
            world.holder(net);
            let mac = if net == Net::Boot { NODE } else { BMC };
            wait("an offer", || {
                let offers = inside(world.asker(net), || discover(mac, Asks::Pxe, Ipv4Addr::BROADCAST));
                (!offers.is_empty()).then_some(())
            });
        }
        world.members.wait_healthy();
    }
}

/// Administrators know one address too: the API answers on it, and on a living member when its holder dies.
fn the_apis_address_moves(world: &mut World) {
    let ask = |world: &World| {
        let ca = world.members.file_named("identities/ca.pem");
        // the certificates name the boot network's service address; the packets go to the API's
        let named = format!("{}:{HTTPS}", Net::Boot.service());
        let to = format!("{named}:{}:{HTTPS}", Net::Management.service());
        let mut curl = world.asker(Net::Management).command("curl");
        curl.args(["-sSf", "--max-time", "2", "--connect-to", &to, "--cacert"]);
        curl.arg(ca).arg(format!("https://{named}/readyz"));
        run(&mut curl).is_ok()
    };
    wait("an answer on the API's address", || ask(world).then_some(()));
    let holder = world.holder(Net::Management);
    world.members.kill(holder);
    wait("another holder of the API's address", || {
        world.holder_but(Net::Management, holder)
    });
    wait("an answer of the new holder", || ask(world).then_some(()));
}
