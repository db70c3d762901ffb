//! RFC 2131's table for clients that SMD knows, and what is never said to those it does not.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, MessageType, OptionCode};
use model::MacAddr;
use proto::smd::v1::smd_command::{Change, DeleteIpAddress};
use raft::Store;

use super::*;
use crate::network::{BIOS_LOADER, Loaders, Network, UEFI_LOADER};
use crate::testing::{
    self, BMC, NODE_ELSEWHERE, NODE_ON_THIRD, NODE_ON_TWO, NODE_WITHOUT_ADDRESS, RawPacket, UNASSIGNED,
    network, run,
};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 97, 2, 1);
const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 97, 2, 99);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const RELEASE: u8 = 7;
const INFORM: u8 = 8;

fn world() -> Store {
    run(testing::world(10, 97))
}

fn decide_in(store: &Store, raw: &RawPacket) -> Decision {
    let packet = raw.bytes();
    let loaders = Loaders::new([BIOS_LOADER, UEFI_LOADER]);
    let network = network();
    let site = Site::new(&network, &loaders, store.cluster_time_ms());
    decide(&store.state(), &Request::parse(&packet).unwrap(), &site)
}

fn decision(raw: &RawPacket) -> Decision {
    decide_in(&world(), raw)
}

fn reply(raw: &RawPacket) -> Reply {
    match decision(raw) {
        Decision::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn silence(raw: &RawPacket) -> Count {
    match decision(raw) {
        Decision::Silent(why) => why,
        other => panic!("{other:?}"),
    }
}

fn has(reply: &Reply, code: OptionCode) -> bool {
    reply
        .options
        .iter()
        .any(|option| OptionCode::from(option) == code)
}

/// A DHCPREQUEST with these fields; `NONE` leaves one out.
fn request(server_id: Ipv4Addr, requested: Ipv4Addr, ciaddr: Ipv4Addr) -> RawPacket {
    let mut raw = RawPacket {
        ciaddr,
        ..RawPacket::new(REQUEST)
    };
    for (code, address) in [(54, server_id), (50, requested)] {
        if !address.is_unspecified() {
            raw = raw.options(&[(code, &address.octets())]);
        }
    }
    raw
}

#[test]
fn a_discover_of_a_known_mac_gets_its_reserved_address() {
    let offer = reply(&RawPacket::discover());
    assert_eq!(
        (offer.message_type, offer.yiaddr, offer.ciaddr),
        (MessageType::Offer, ADDRESS, NONE)
    );
    assert_eq!(
        offer.options,
        [
            DhcpOption::ServerIdentifier(SERVER),
            DhcpOption::AddressLeaseTime(3600),
            DhcpOption::Renewal(1800),
            DhcpOption::Rebinding(3150),
            DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 0, 0)),
            DhcpOption::Router(vec![Ipv4Addr::new(10, 97, 0, 254)]),
            DhcpOption::DomainNameServer(vec![Ipv4Addr::new(10, 97, 0, 53), Ipv4Addr::new(10, 97, 0, 54)]),
            DhcpOption::Hostname("nid0001".into()),
            DhcpOption::DomainName("demo.example".into()),
            DhcpOption::BroadcastAddr(Ipv4Addr::new(10, 97, 255, 255)),
            DhcpOption::InterfaceMtu(9000),
        ]
    );
}

/// What a client asks for in a DHCPDISCOVER is a wish; the reservation counts.
#[test]
fn a_wish_for_another_address_changes_no_offer() {
    let offer = reply(&RawPacket::discover().options(&[(50, &OTHER_ADDRESS.octets())]));
    assert_eq!(offer.yiaddr, ADDRESS);
}

#[test]
fn a_request_for_the_right_address_is_acknowledged_in_all_four_states() {
    for (state, raw) in [
        ("SELECTING", request(SERVER, ADDRESS, NONE)),
        ("INIT-REBOOT", request(NONE, ADDRESS, NONE)),
        ("RENEWING and REBINDING", request(NONE, NONE, ADDRESS)),
        (
            "RENEWING with 54, as some clients do",
            request(SERVER, NONE, ADDRESS),
        ),
    ] {
        let ack = reply(&raw);
        assert_eq!(
            (ack.message_type, ack.yiaddr, ack.ciaddr),
            (MessageType::Ack, ADDRESS, raw.ciaddr),
            "{state}"
        );
        assert!(has(&ack, OptionCode::AddressLeaseTime), "{state}");
    }
}

#[test]
fn a_request_for_a_wrong_address_is_refused_with_54_and_nothing_else() {
    for (state, raw) in [
        ("SELECTING", request(SERVER, OTHER_ADDRESS, NONE)),
        ("INIT-REBOOT", request(NONE, OTHER_ADDRESS, NONE)),
        (
            "INIT-REBOOT, other network",
            request(NONE, Ipv4Addr::new(172, 16, 0, 9), NONE),
        ),
        ("RENEWING and REBINDING", request(NONE, NONE, OTHER_ADDRESS)),
    ] {
        let Decision::Nak(nak) = decision(&raw) else {
            panic!("{state}: {:?}", decision(&raw))
        };
        let expected = Reply {
            options: vec![DhcpOption::ServerIdentifier(SERVER)],
            ..Reply::new(MessageType::Nak)
        };
        assert_eq!(nak, expected, "{state}");
    }
}

/// coresmd acknowledges these, and two servers answer one client.
#[test]
fn a_client_that_chose_another_server_hears_nothing() {
    let other = Ipv4Addr::new(10, 97, 0, 66);
    assert_eq!(silence(&request(other, ADDRESS, NONE)), Count::OtherServer);
    assert_eq!(silence(&request(other, OTHER_ADDRESS, NONE)), Count::OtherServer);
    for message_type in [DECLINE, RELEASE] {
        let raw = RawPacket::new(message_type).options(&[(54, &other.octets()), (50, &ADDRESS.octets())]);
        assert_eq!(silence(&raw), Count::OtherServer);
    }
}

#[test]
fn an_unknown_mac_hears_nothing_whatever_it_asks() {
    for message_type in [DISCOVER, REQUEST, DECLINE, RELEASE, INFORM] {
        let raw = RawPacket {
            mac: MacAddr([2, 9, 9, 9, 9, 9]),
            ..RawPacket::new(message_type)
        };
        let raw = raw.options(&[(50, &ADDRESS.octets())]);
        assert_eq!(silence(&raw), Count::UnknownMac, "{message_type}");
    }
}

#[test]
fn a_request_that_names_no_address_hears_nothing() {
    assert_eq!(silence(&request(NONE, NONE, NONE)), Count::NoAddressAsked);
}

/// It may have its address from another server, so it is not ours to refuse.
#[test]
fn a_known_mac_without_an_address_of_ours_is_never_refused() {
    for mac in [NODE_WITHOUT_ADDRESS, NODE_ELSEWHERE] {
        assert_eq!(
            silence(&RawPacket {
                mac,
                ..RawPacket::discover()
            }),
            Count::NoAddressHere
        );
        let raw = RawPacket {
            mac,
            ..request(NONE, Ipv4Addr::new(192, 0, 2, 7), NONE)
        };
        assert_eq!(silence(&raw), Count::NoAddressHere);
    }
}

#[test]
fn a_node_whose_address_is_on_another_network_is_refused_here() {
    let mac = NODE_ON_THIRD;
    assert_eq!(
        silence(&RawPacket {
            mac,
            ..RawPacket::discover()
        }),
        Count::NoAddressHere
    );
    let raw = RawPacket {
        mac,
        ..request(NONE, Ipv4Addr::new(10, 99, 2, 5), NONE)
    };
    assert!(
        matches!(decision(&raw), Decision::Nak(_)),
        "RFC 2131 4.3.2: the client is on the wrong network"
    );
}

#[test]
fn a_decline_of_a_reservation_is_an_alarm_and_keeps_it() {
    let raw = |address: Ipv4Addr| {
        RawPacket::new(DECLINE).options(&[(50, &address.octets()), (54, &SERVER.octets())])
    };
    assert_eq!(silence(&raw(ADDRESS)), Count::DeclinedReservation);
    assert_eq!(silence(&raw(OTHER_ADDRESS)), Count::DeclineByOther);
    assert_eq!(silence(&RawPacket::new(DECLINE)), Count::DeclineByOther);
}

#[test]
fn a_release_counts_only_from_the_owner() {
    let raw = |ciaddr| {
        RawPacket {
            ciaddr,
            ..RawPacket::new(RELEASE)
        }
        .options(&[(54, &SERVER.octets())])
    };
    assert_eq!(silence(&raw(ADDRESS)), Count::Released);
    assert_eq!(silence(&raw(OTHER_ADDRESS)), Count::ReleaseByOther);
    assert_eq!(
        silence(&RawPacket {
            mac: BMC,
            ..raw(ADDRESS)
        }),
        Count::ReleaseByOther
    );
}

#[test]
fn an_inform_gets_options_but_no_address_and_no_times() {
    let ack = reply(&RawPacket {
        ciaddr: OTHER_ADDRESS,
        ..RawPacket::new(INFORM)
    });
    assert_eq!(
        (ack.message_type, ack.yiaddr, ack.ciaddr),
        (MessageType::Ack, NONE, OTHER_ADDRESS)
    );
    assert!(has(&ack, OptionCode::SubnetMask) && has(&ack, OptionCode::Hostname));
    for code in [
        OptionCode::AddressLeaseTime,
        OptionCode::Renewal,
        OptionCode::Rebinding,
    ] {
        assert!(!has(&ack, code), "{code:?}");
    }
}

/// Else anyone could have the answer sent to a host of his choice.
#[test]
fn an_inform_with_an_address_beyond_the_link_hears_nothing() {
    for ciaddr in [NONE, Ipv4Addr::new(203, 0, 113, 9), Ipv4Addr::new(10, 99, 2, 5)] {
        assert_eq!(
            silence(&RawPacket {
                ciaddr,
                ..RawPacket::new(INFORM)
            }),
            Count::NoAddressAsked,
            "{ciaddr}"
        );
    }
}

#[test]
fn messages_of_servers_and_unknown_types_hear_nothing() {
    for message_type in [0, 2, 5, 6, 9, 10, 13, 200, 255] {
        assert_eq!(
            silence(&RawPacket::new(message_type)),
            Count::UnsupportedMessageType,
            "{message_type}"
        );
    }
}

#[test]
fn the_relay_decides_which_of_two_addresses_is_meant() {
    let direct = RawPacket {
        mac: NODE_ON_TWO,
        ..RawPacket::discover()
    };
    let relayed = RawPacket {
        giaddr: Ipv4Addr::new(10, 98, 0, 1),
        ..direct.clone()
    };
    assert_eq!(reply(&direct).yiaddr, Ipv4Addr::new(10, 97, 2, 2));
    let offer = reply(&relayed);
    assert_eq!(offer.yiaddr, Ipv4Addr::new(10, 98, 2, 2));
    assert!(
        offer.options.contains(&DhcpOption::AddressLeaseTime(600)),
        "options of the relay's subnet"
    );
    assert!(!has(&offer, OptionCode::Router) && !has(&offer, OptionCode::InterfaceMtu));
    let near = RawPacket {
        giaddr: Ipv4Addr::new(10, 97, 255, 1),
        ..direct
    };
    assert_eq!(
        reply(&near).yiaddr,
        Ipv4Addr::new(10, 97, 2, 2),
        "a relay within the server's own subnet"
    );
}

/// coresmd picks any address for a relay it does not know.
#[test]
fn a_relay_of_a_subnet_that_is_not_served_hears_nothing() {
    for giaddr in [Ipv4Addr::new(10, 99, 0, 1), Ipv4Addr::new(192, 0, 2, 1)] {
        let raw = RawPacket {
            giaddr,
            mac: NODE_ON_THIRD,
            ..RawPacket::discover()
        };
        assert_eq!(silence(&raw), Count::RelayNotServed, "{giaddr}");
    }
}

#[test]
fn a_node_behind_a_relay_renews_without_it() {
    let ciaddr = Ipv4Addr::new(10, 98, 2, 2);
    let ack = reply(&RawPacket {
        mac: NODE_ON_TWO,
        ..request(NONE, NONE, ciaddr)
    });
    assert_eq!((ack.message_type, ack.yiaddr), (MessageType::Ack, ciaddr));
    assert!(ack.options.contains(&DhcpOption::AddressLeaseTime(600)));
}

/// A broadcast tells which link the client is on now: there its old address is worth nothing.
#[test]
fn a_node_that_rebinds_on_another_link_is_not_confirmed() {
    let (store, ciaddr) = (world(), Ipv4Addr::new(10, 98, 2, 2));
    let rebinding = RawPacket {
        mac: NODE_ON_TWO,
        ..request(NONE, NONE, ciaddr)
    };
    let packet = rebinding.bytes();
    let decided = |is_broadcast, message_type| {
        let request = Request {
            is_broadcast,
            message_type,
            ..Request::parse(&packet).unwrap()
        };
        let (network, loaders) = (network(), Loaders::default());
        decide(&store.state(), &request, &Site::new(&network, &loaders, 0))
    };
    let Decision::Reply(renewed) = decided(false, MessageType::Request) else {
        panic!("RENEWING is a unicast, from wherever the client is")
    };
    assert_eq!(renewed.yiaddr, ciaddr);
    assert!(matches!(decided(true, MessageType::Request), Decision::Nak(_)));
    let informed = decided(true, MessageType::Inform);
    assert!(
        matches!(informed, Decision::Reply(_)),
        "{informed:?}: it says where it is"
    );
}

#[test]
fn without_a_subnet_nobody_is_answered() {
    let raw = RawPacket::discover();
    let packet = raw.bytes();
    let elsewhere = Network {
        service_address: Ipv4Addr::new(172, 16, 0, 1),
        ..network()
    };
    let (request, loaders) = (Request::parse(&packet).unwrap(), Loaders::default());
    let decision = decide(&world().state(), &request, &Site::new(&elsewhere, &loaders, 0));
    assert_eq!(decision, Decision::Silent(Count::NoSubnet));
}

#[test]
fn only_nodes_get_boot_options() {
    let pxe: [(u8, &[u8]); 2] = [(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0])];
    assert_eq!(reply(&RawPacket::discover().options(&pxe)).file, BIOS_LOADER);
    for mac in [BMC, UNASSIGNED] {
        for options in [&pxe[..], &[(77, b"iPXE")]] {
            let offer = reply(
                &RawPacket {
                    mac,
                    ..RawPacket::discover()
                }
                .options(options),
            );
            assert!(offer.file.is_empty() && offer.siaddr.is_unspecified(), "{mac}");
            assert!(!has(&offer, OptionCode::BootfileName) && !has(&offer, OptionCode::ClassIdentifier));
        }
    }
}

#[test]
fn a_component_without_nid_is_called_by_its_xname_and_an_unassigned_interface_not_at_all() {
    let bmc = reply(&RawPacket {
        mac: BMC,
        ..RawPacket::discover()
    });
    assert!(bmc.options.contains(&DhcpOption::Hostname("x1000c0s0b0".into())));
    assert!(!has(
        &reply(&RawPacket {
            mac: UNASSIGNED,
            ..RawPacket::discover()
        }),
        OptionCode::Hostname
    ));
}

/// A change in SMD is seen by the next packet; there is no cache between.
#[test]
fn a_deleted_interface_is_unknown_at_once() {
    use proto::smd::v1::smd_command::{Change, DeleteEthernetInterfaces};
    let store = world();
    assert!(matches!(
        decide_in(&store, &RawPacket::discover()),
        Decision::Reply(_)
    ));
    let delete = DeleteEthernetInterfaces {
        ids: vec![RawPacket::MAC.id()],
        all: false,
        ..Default::default()
    };
    run(testing::smd(&store, Change::DeleteEthernetInterfaces(delete)));
    assert_eq!(
        decide_in(&store, &RawPacket::discover()),
        Decision::Silent(Count::UnknownMac)
    );
}

/// Decides at another time than now, or on a member without a leader.
fn decide_at(store: &Store, raw: &RawPacket, now_ms: u64, isolated_lease_s: Option<u32>) -> Decision {
    let packet = raw.bytes();
    let (network, loaders) = (network(), Loaders::default());
    let site = Site {
        isolated_lease_s,
        ..Site::new(&network, &loaders, now_ms)
    };
    decide(&store.state(), &Request::parse(&packet).unwrap(), &site)
}

fn lease_time(decision: &Decision) -> u32 {
    let Decision::Reply(reply) = decision else {
        panic!("{decision:?}")
    };
    let seconds = reply.options.iter().find_map(|option| match option {
        DhcpOption::AddressLeaseTime(seconds) => Some(*seconds),
        _ => None,
    });
    seconds.unwrap()
}

/// What SMD says may have changed where this member does not hear of it.
#[test]
fn without_a_leader_leases_are_short() {
    let store = world();
    let discover = RawPacket::discover();
    assert_eq!(lease_time(&decide_at(&store, &discover, 0, Some(300))), 300);
    assert_eq!(
        lease_time(&decide_at(&store, &request(SERVER, ADDRESS, NONE), 0, Some(300))),
        300
    );
    assert_eq!(
        lease_time(&decide_at(&store, &discover, 0, Some(7200))),
        3600,
        "never longer than else"
    );
    assert_eq!(lease_time(&decide_at(&store, &discover, 0, None)), 3600);
}

/// The address of the world's first node moves to the node without one.
fn moved() -> Store {
    let store = world();
    let delete = DeleteIpAddress {
        id: RawPacket::MAC.id(),
        ip: ADDRESS.to_string(),
        ..DeleteIpAddress::default()
    };
    run(testing::smd(&store, Change::DeleteIpAddress(delete)));
    run(testing::add_address(&store, NODE_WITHOUT_ADDRESS, ADDRESS, ""));
    store
}

#[test]
fn a_node_whose_address_was_anothers_waits_until_that_ones_lease_has_ended() {
    use proto::dhcp::v1::dhcp_command::{Change, ConfirmHeldAddresses};
    let store = moved();
    let discover = RawPacket {
        mac: NODE_WITHOUT_ADDRESS,
        ..RawPacket::discover()
    };
    let ask = RawPacket {
        mac: NODE_WITHOUT_ADDRESS,
        ..request(SERVER, ADDRESS, NONE)
    };
    let far = u64::MAX / 2;
    for raw in [&discover, &ask] {
        assert_eq!(
            decide_at(&store, raw, far, None),
            Decision::Silent(Count::AddressHeld)
        );
    }
    let through_revision = store.state().applied_index();
    let confirm = Change::ConfirmHeldAddresses(ConfirmHeldAddresses { through_revision });
    run(testing::dhcp(&store, confirm));
    let ends_at_ms = store.state().dhcp.held(ADDRESS.into(), 0).unwrap().ends_at_ms;
    for raw in [&discover, &ask] {
        let before = decide_at(&store, raw, ends_at_ms + CLOCK_MARGIN_MS - 1, None);
        assert_eq!(before, Decision::Silent(Count::AddressHeld));
        let after = decide_at(&store, raw, ends_at_ms + CLOCK_MARGIN_MS, None);
        assert!(matches!(after, Decision::Reply(_)), "{after:?}");
    }
}

#[test]
fn a_node_whose_address_has_moved_away_is_refused_it() {
    let store = moved();
    run(testing::add_address(&store, RawPacket::MAC, OTHER_ADDRESS, ""));
    let renewing = request(NONE, NONE, ADDRESS);
    assert!(matches!(decide_at(&store, &renewing, 0, None), Decision::Nak(_)));
}

#[test]
fn a_node_whose_address_is_in_a_lease_of_another_waits_for_its_end() {
    let store = world();
    run(testing::put_subnet(&store, testing::with_pool(10, 97)));
    let leased = Ipv4Addr::new(10, 97, 200, 7);
    run(testing::bind(&store, leased, MacAddr([2, 9, 9, 9, 9, 9])));
    run(testing::add_address(&store, NODE_WITHOUT_ADDRESS, leased, ""));
    let discover = RawPacket {
        mac: NODE_WITHOUT_ADDRESS,
        ..RawPacket::discover()
    };
    let ends_at_ms = store.state().dhcp.lease(leased).unwrap().ends_at_ms;
    let held = Decision::Silent(Count::AddressHeld);
    assert_eq!(
        decide_at(&store, &discover, ends_at_ms + CLOCK_MARGIN_MS - 1, None),
        held
    );
    let after = decide_at(&store, &discover, ends_at_ms + CLOCK_MARGIN_MS, None);
    assert!(matches!(after, Decision::Reply(_)), "{after:?}");
}

/// SMD lets two interfaces have one address if it calls their networks by other names; here they are on one.
#[test]
fn an_address_that_two_nodes_have_is_given_to_neither() {
    let store = world();
    run(testing::add_address(
        &store,
        NODE_WITHOUT_ADDRESS,
        ADDRESS,
        "other",
    ));
    for mac in [RawPacket::MAC, NODE_WITHOUT_ADDRESS] {
        let raw = RawPacket {
            mac,
            ..RawPacket::discover()
        };
        assert_eq!(decide_in(&store, &raw), Decision::Silent(Count::AddressOfTwo));
    }
}

/// RFC 3527: the relay's own address is on a management network, its clients are elsewhere.
#[test]
fn the_subnet_that_a_relay_names_comes_before_its_address() {
    let relayed = |giaddr: Ipv4Addr, info: &[u8]| RawPacket {
        mac: NODE_ON_TWO,
        giaddr,
        ..RawPacket::discover().options(&[(82, info)])
    };
    let offer = reply(&relayed(Ipv4Addr::new(10, 97, 255, 1), &[5, 4, 10, 98, 0, 0]));
    assert_eq!(offer.yiaddr, Ipv4Addr::new(10, 98, 2, 2));
    let beyond = relayed(Ipv4Addr::new(10, 97, 255, 1), &[5, 4, 10, 99, 0, 0]);
    assert_eq!(silence(&beyond), Count::RelayNotServed);
    let direct = RawPacket {
        mac: NODE_ON_TWO,
        ..RawPacket::discover().options(&[(118, &[10, 98, 0, 0])])
    };
    assert_eq!(reply(&direct).yiaddr, Ipv4Addr::new(10, 98, 2, 2), "RFC 3011");
}

/// RFC 5107: renewals come through the relay, because the client takes it for the server.
#[test]
fn a_relay_that_stands_for_the_server_is_named_as_such_and_recognised() {
    let relay = Ipv4Addr::new(10, 97, 255, 1);
    let through = |raw: RawPacket| RawPacket {
        giaddr: relay,
        ..raw.options(&[(82, &[11, 4, 10, 97, 255, 1])])
    };
    let offer = reply(&through(RawPacket::discover()));
    assert_eq!(offer.options[0], DhcpOption::ServerIdentifier(relay));
    let ack = reply(&through(request(relay, ADDRESS, NONE)));
    assert_eq!(
        (ack.yiaddr, &ack.options[0]),
        (ADDRESS, &DhcpOption::ServerIdentifier(relay))
    );
    assert_eq!(
        silence(&request(relay, ADDRESS, NONE)),
        Count::OtherServer,
        "without the relay"
    );
    let elsewhere = through(request(Ipv4Addr::new(10, 97, 0, 66), ADDRESS, NONE));
    assert_eq!(silence(&elsewhere), Count::OtherServer);
}
