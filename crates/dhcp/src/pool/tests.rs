//! RFC 2131's table for clients of pools.

use std::collections::BTreeSet;

use dhcproto::v4::{DhcpOption, OptionCode};
use model::MacAddr;
use proto::dhcp::v1::Subnet;
use proto::dhcp::v1::dhcp_command::{Change, DeleteLease};
use raft::Store;

use super::*;
use crate::network::{BIOS_LOADER, Loaders, Network};
use crate::policy::decide;
use crate::share::Share;
use crate::testing::{self, NODE_WITHOUT_ADDRESS, RawPacket, network, run};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const A: MacAddr = MacAddr([2, 9, 9, 9, 9, 1]);
const B: MacAddr = MacAddr([2, 9, 9, 9, 9, 2]);
/// Pool lease of the subnet, milliseconds.
const LEASE_MS: u64 = 300_000;

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const RELEASE: u8 = 7;
const INFORM: u8 = 8;

fn x(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 97, 200, last)
}

/// A world whose first subnet has a pool.
fn world() -> Store {
    world_with(testing::with_pool(10, 97))
}

fn world_with(subnet: Subnet) -> Store {
    let store = run(testing::world(10, 97));
    run(testing::put_subnet(&store, subnet));
    store
}

fn decide_beside(
    store: &Store,
    raw: &RawPacket,
    offered: &dyn Fn(Ipv4Addr, &LeaseClient) -> bool,
) -> Decision {
    decide_as(store, raw, store.state().time_ms(), offered)
}

fn decide_as(
    store: &Store,
    raw: &RawPacket,
    now_ms: u64,
    is_offered: &dyn Fn(Ipv4Addr, &LeaseClient) -> bool,
) -> Decision {
    let packet = raw.bytes();
    let (network, loaders) = (network(), Loaders::new([BIOS_LOADER]));
    let site = Site {
        is_offered,
        ..Site::new(&network, &loaders, now_ms)
    };
    decide(&store.state(), &Request::parse(&packet).unwrap(), &site)
}

fn decision(store: &Store, raw: &RawPacket) -> Decision {
    decide_beside(store, raw, &|_, _| false)
}

fn decision_at(store: &Store, raw: &RawPacket, now_ms: u64) -> Decision {
    decide_as(store, raw, now_ms, &|_, _| false)
}

fn message(message_type: u8, mac: MacAddr) -> RawPacket {
    RawPacket {
        mac,
        ..RawPacket::new(message_type)
    }
}

/// A DHCPREQUEST with these fields; `NONE` leaves one out.
fn request(mac: MacAddr, server_id: Ipv4Addr, requested: Ipv4Addr, ciaddr: Ipv4Addr) -> RawPacket {
    let mut raw = RawPacket {
        ciaddr,
        ..message(REQUEST, mac)
    };
    for (code, address) in [(54, server_id), (50, requested)] {
        if !address.is_unspecified() {
            raw = raw.options(&[(code, &address.octets())]);
        }
    }
    raw
}

fn selecting(mac: MacAddr, address: Ipv4Addr) -> RawPacket {
    request(mac, SERVER, address, NONE)
}

fn init_reboot(mac: MacAddr, address: Ipv4Addr) -> RawPacket {
    request(mac, NONE, address, NONE)
}

fn renewing(mac: MacAddr, address: Ipv4Addr) -> RawPacket {
    request(mac, NONE, NONE, address)
}

fn offered(decision: Decision) -> Ipv4Addr {
    match decision {
        Decision::Offer(reply, _) => reply.yiaddr,
        other => panic!("{other:?}"),
    }
}

fn binding(decision: Decision) -> Binding {
    match decision {
        Decision::Bind(binding) => *binding,
        other => panic!("{other:?}"),
    }
}

fn lease_time(reply: &Reply) -> u32 {
    let seconds = reply.options.iter().find_map(|option| match option {
        DhcpOption::AddressLeaseTime(seconds) => Some(*seconds),
        _ => None,
    });
    seconds.unwrap()
}

fn has(reply: &Reply, code: OptionCode) -> bool {
    reply
        .options
        .iter()
        .any(|option| OptionCode::from(option) == code)
}

fn bound(store: &Store, address: Ipv4Addr, mac: MacAddr) -> u64 {
    run(testing::bind(store, address, mac));
    store.state().dhcp.lease(address).unwrap().ends_at_ms
}

#[test]
fn a_stranger_is_offered_an_address_of_the_pool_and_nothing_is_written() {
    let store = world();
    let before = store.state().applied_index();
    let Decision::Offer(offer, client) = decision(&store, &message(DISCOVER, A)) else {
        panic!("no offer")
    };
    assert_eq!(client, LeaseClient::new(A, &[]));
    assert!((x(1)..=x(100)).contains(&offer.yiaddr), "{}", offer.yiaddr);
    assert_eq!(
        (offer.message_type, lease_time(&offer)),
        (MessageType::Offer, 300)
    );
    assert!(has(&offer, OptionCode::SubnetMask) && !has(&offer, OptionCode::Hostname));
    assert_eq!(store.state().applied_index(), before);
    let again = decision(&store, &message(DISCOVER, A));
    assert_eq!(offered(again), offer.yiaddr, "the same, as long as it is free");
}

#[test]
fn a_subnet_that_has_nothing_for_strangers_is_silent() {
    let store = world_with(Subnet {
        unknown_clients: UnknownClients::Ignore.into(),
        ..testing::with_pool(10, 97)
    });
    for message_type in [DISCOVER, REQUEST, DECLINE, RELEASE, INFORM] {
        let raw = message(message_type, A).options(&[(50, &x(1).octets())]);
        assert_eq!(decision(&store, &raw), Decision::Silent(Count::UnknownMac));
    }
    let known = message(DISCOVER, NODE_WITHOUT_ADDRESS);
    assert_eq!(decision(&store, &known), Decision::Silent(Count::NoAddressHere));
}

/// A node that discovery has found gets an address before anybody has given it one.
#[test]
fn a_mac_that_smd_has_without_an_address_is_offered_one() {
    let store = world();
    let address = offered(decision(&store, &message(DISCOVER, NODE_WITHOUT_ADDRESS)));
    assert!((x(1)..=x(100)).contains(&address), "{address}");
    assert!(matches!(
        decision(&store, &RawPacket::discover()),
        Decision::Reply(reply) if reply.yiaddr == Ipv4Addr::new(10, 97, 2, 1)
    ));
}

#[test]
fn something_to_boot_is_offered_where_the_subnet_says_so() {
    let pxe = message(DISCOVER, A).options(&[(60, b"PXEClient:Arch:00000"), (93, &[0, 0])]);
    for (unknown_clients, file) in [(UnknownClients::Address, ""), (UnknownClients::Boot, BIOS_LOADER)] {
        let store = world_with(Subnet {
            unknown_clients: unknown_clients.into(),
            ..testing::with_pool(10, 97)
        });
        let Decision::Offer(offer, _) = decision(&store, &pxe) else {
            panic!("no offer")
        };
        assert_eq!(offer.file, file);
    }
}

#[test]
fn what_a_client_has_or_had_comes_before_what_it_wishes_for() {
    let store = world();
    let wish = message(DISCOVER, A).options(&[(50, &x(9).octets())]);
    assert_eq!(offered(decision(&store, &wish)), x(9));
    let ends_at_ms = bound(&store, x(5), A);
    assert_eq!(offered(decision(&store, &wish)), x(5));
    assert_eq!(
        offered(decision_at(&store, &wish, ends_at_ms + 1)),
        x(5),
        "ended, and nobody else's"
    );
    let beyond = message(DISCOVER, B).options(&[(50, &[10, 97, 3, 3])]);
    assert_ne!(offered(decision(&store, &beyond)), Ipv4Addr::new(10, 97, 3, 3));
}

#[test]
fn no_address_is_offered_that_somebody_has_or_was_just_offered() {
    let store = world();
    let first = offered(decision(&store, &message(DISCOVER, A)));
    let beside = |address: Ipv4Addr, _: &LeaseClient| address == first;
    let second = offered(decide_beside(&store, &message(DISCOVER, A), &beside));
    assert_ne!(second, first);
    bound(&store, first, B);
    assert_eq!(offered(decision(&store, &message(DISCOVER, A))), second);
    let wish = message(DISCOVER, A).options(&[(50, &first.octets())]);
    assert_eq!(offered(decision(&store, &wish)), second);
    run(testing::add_address(&store, NODE_WITHOUT_ADDRESS, second, ""));
    assert_ne!(offered(decision(&store, &message(DISCOVER, A))), second);
}

#[test]
fn addresses_that_were_never_used_come_first_and_a_full_pool_is_silent() {
    let mut small = testing::with_pool(10, 97);
    small.pools[0].last = x(3).to_string();
    let store = world_with(small);
    let ends_at_ms =
        [x(1), x(2)].map(|address| bound(&store, address, MacAddr([2, 8, 0, 0, 0, address.octets()[3]])));
    let later = ends_at_ms[1] + 1_000_000;
    for mac in [A, B] {
        assert_eq!(offered(decision_at(&store, &message(DISCOVER, mac), later)), x(3));
    }
    bound(&store, x(3), B);
    let full = store.state().time_ms();
    assert_eq!(
        decision_at(&store, &message(DISCOVER, A), full),
        Decision::Silent(Count::PoolFull)
    );
    let ended = offered(decision_at(&store, &message(DISCOVER, A), later));
    assert!(
        [x(1), x(2), x(3)].contains(&ended),
        "what others had before is better than nothing"
    );
}

#[test]
fn the_servers_and_relays_own_addresses_are_not_offered() {
    let mut pool = testing::with_pool(10, 97);
    (pool.pools[0].first, pool.pools[0].last) = ("10.97.0.1".into(), "10.97.0.2".into());
    let store = world_with(pool);
    let discover = message(DISCOVER, A);
    assert_eq!(offered(decision(&store, &discover)), Ipv4Addr::new(10, 97, 0, 2));
    let relayed = RawPacket {
        giaddr: Ipv4Addr::new(10, 97, 0, 2),
        ..discover
    };
    assert_eq!(decision(&store, &relayed), Decision::Silent(Count::PoolFull));
}

/// Nobody answers a member's probe for its own address, so that the probe would find it free.
#[test]
fn a_members_own_address_is_not_offered() {
    let mut pool = testing::with_pool(10, 97);
    (pool.pools[0].first, pool.pools[0].last) = ("10.97.1.1".into(), "10.97.1.3".into());
    let store = world_with(pool);
    let packet = message(DISCOVER, A).bytes();
    let (one, three) = (Ipv4Addr::new(10, 97, 1, 1), Ipv4Addr::new(10, 97, 1, 3));
    let network = Network {
        members: vec![one, three],
        ..network()
    };
    let loaders = Loaders::default();
    let site = Site::new(&network, &loaders, store.state().time_ms());
    let request = Request::parse(&packet).unwrap();
    let offer = decide(&store.state(), &request, &site);
    assert_eq!(offered(offer), Ipv4Addr::new(10, 97, 1, 2));
}

/// What others have lies in one piece and is most of the pool: every client finds one of the addresses behind them.
#[test]
fn no_client_is_told_that_a_pool_is_full_while_it_is_not() {
    let mut pool = testing::with_pool(10, 97);
    (pool.pools[0].first, pool.pools[0].last) = ("10.97.200.0".into(), "10.97.219.255".into());
    let (store, first) = (world_with(pool), Ipv4Addr::new(10, 97, 217, 0));
    for n in 0..100 {
        let discover = message(DISCOVER, MacAddr([2, 7, 7, 7, 7, n]));
        let offer = decide_beside(&store, &discover, &|address, _| address < first);
        assert!(offered(offer) >= first);
    }
}

/// The log decides, whatever was offered: an acknowledgement needs the lease in the state.
#[test]
fn a_chosen_address_is_bound_before_it_is_acknowledged() {
    let store = world();
    let raw = selecting(A, x(7)).options(&[(12, b"spa\xffre"), (60, b"udhcp")]);
    let bind = binding(decision(&store, &raw));
    let expected = Bind {
        address: x(7).to_string(),
        mac: A.to_string(),
        client_id: vec![],
        hostname: "spa?re".into(),
        vendor_class: "udhcp".into(),
    };
    assert_eq!((bind.bind, bind.otherwise), (expected, None));
    assert_eq!(bind.lost.message_type, MessageType::Nak);
    bound(&store, x(7), A);
    let Decision::Reply(ack) = decision(&store, &raw) else {
        panic!("no acknowledgement")
    };
    assert_eq!((ack.message_type, ack.yiaddr), (MessageType::Ack, x(7)));
}

#[test]
fn a_chosen_address_that_somebody_else_has_is_refused() {
    let store = world();
    bound(&store, x(7), B);
    for raw in [
        selecting(A, x(7)),
        selecting(A, Ipv4Addr::new(10, 97, 2, 1)),
        selecting(A, Ipv4Addr::new(10, 97, 3, 3)),
        selecting(A, Ipv4Addr::new(172, 16, 0, 1)),
    ] {
        assert!(matches!(decision(&store, &raw), Decision::Nak(_)), "{raw:?}");
    }
}

/// Another server's offer was taken: what it says is not ours to judge.
#[test]
fn who_chose_another_server_hears_nothing() {
    let store = world();
    bound(&store, x(7), A);
    let other = Ipv4Addr::new(10, 97, 0, 66);
    let raw = request(A, other, x(7), NONE);
    assert_eq!(decision(&store, &raw), Decision::Silent(Count::OtherServer));
}

#[test]
fn a_lease_is_extended_in_the_log_only_when_less_than_half_is_left() {
    let store = world();
    let ends_at_ms = bound(&store, x(7), A);
    for raw in [init_reboot(A, x(7)), renewing(A, x(7)), selecting(A, x(7))] {
        let Decision::Reply(ack) = decision_at(&store, &raw, ends_at_ms - LEASE_MS / 2) else {
            panic!("{raw:?}")
        };
        assert_eq!(
            (ack.yiaddr, ack.ciaddr, lease_time(&ack)),
            (x(7), raw.ciaddr, 150)
        );
        let bind = binding(decision_at(&store, &raw, ends_at_ms - LEASE_MS / 2 + 1));
        let left = bind.otherwise.expect("an answer without a majority");
        assert_eq!(
            (left.yiaddr, lease_time(&left)),
            (x(7), 139),
            "less a margin for the clocks"
        );
    }
}

/// Never longer than what is committed, and nothing at the very end.
#[test]
fn without_a_majority_a_lease_lasts_to_its_committed_end() {
    let store = world();
    let ends_at_ms = bound(&store, x(7), A);
    let otherwise =
        |left_ms: u64| binding(decision_at(&store, &renewing(A, x(7)), ends_at_ms - left_ms)).otherwise;
    assert_eq!(
        otherwise(CLOCK_MARGIN_MS + 1000).map(|ack| lease_time(&ack)),
        Some(1)
    );
    for left_ms in [CLOCK_MARGIN_MS + 999, CLOCK_MARGIN_MS, 1, 0] {
        assert_eq!(otherwise(left_ms), None, "{left_ms}");
    }
}

#[test]
fn a_lease_that_has_ended_is_bound_again_or_refused() {
    let store = world();
    let ends_at_ms = bound(&store, x(7), A);
    let later = ends_at_ms + CLOCK_MARGIN_MS;
    for raw in [init_reboot(A, x(7)), renewing(A, x(7))] {
        assert_eq!(binding(decision_at(&store, &raw, later)).otherwise, None);
    }
    run(testing::add_address(&store, NODE_WITHOUT_ADDRESS, x(7), ""));
    for raw in [init_reboot(A, x(7)), renewing(A, x(7))] {
        assert!(
            matches!(decision_at(&store, &raw, later), Decision::Nak(_)),
            "SMD gave it to a node"
        );
    }
}

/// RFC 2131 4.3.2: without a record of the client a server must be silent after INIT-REBOOT.
#[test]
fn who_is_not_on_record_hears_nothing_after_a_restart() {
    let store = world();
    bound(&store, x(8), B);
    for address in [
        x(7),
        x(8),
        Ipv4Addr::new(10, 97, 3, 3),
        Ipv4Addr::new(172, 16, 0, 1),
    ] {
        assert_eq!(
            decision(&store, &init_reboot(A, address)),
            Decision::Silent(Count::NoLease),
            "{address}"
        );
    }
    assert_eq!(
        decision(&store, &renewing(A, x(7))),
        Decision::Silent(Count::NoLease)
    );
    let nothing = request(A, NONE, NONE, NONE);
    assert_eq!(
        decision(&store, &nothing),
        Decision::Silent(Count::NoAddressAsked)
    );
}

#[test]
fn who_uses_an_address_of_somebody_else_is_refused() {
    let store = world();
    bound(&store, x(8), B);
    for address in [x(8), Ipv4Addr::new(10, 97, 2, 1)] {
        assert!(
            matches!(decision(&store, &renewing(A, address)), Decision::Nak(_)),
            "{address}"
        );
    }
}

#[test]
fn who_has_another_address_here_is_refused() {
    let store = world();
    bound(&store, x(7), A);
    for raw in [
        init_reboot(A, x(9)),
        renewing(A, x(9)),
        init_reboot(A, Ipv4Addr::new(172, 16, 0, 1)),
    ] {
        assert!(matches!(decision(&store, &raw), Decision::Nak(_)), "{raw:?}");
    }
}

/// `chamois dhcp adopt`: SMD knows the MAC from now on, and the client moves at its next renewal.
#[test]
fn a_client_that_was_adopted_is_refused_its_address_of_the_pool_and_gets_its_own() {
    let store = world();
    bound(&store, x(7), A);
    let own = Ipv4Addr::new(10, 97, 2, 77);
    run(testing::put_interface(
        &store,
        A,
        "x1000c0s0b0n7",
        vec![own.to_string()],
    ));
    assert!(matches!(decision(&store, &renewing(A, x(7))), Decision::Nak(_)));
    let Decision::Reply(offer) = decision(&store, &message(DISCOVER, A)) else {
        panic!("no offer")
    };
    assert_eq!(offer.yiaddr, own);
}

#[test]
fn a_client_that_was_adopted_with_the_address_it_has_keeps_it() {
    let store = world();
    bound(&store, x(7), A);
    run(testing::put_interface(
        &store,
        A,
        "x1000c0s0b0n7",
        vec![x(7).to_string()],
    ));
    assert!(matches!(decision(&store, &renewing(A, x(7))), Decision::Reply(ack) if ack.yiaddr == x(7)));
}

#[test]
fn only_its_client_gives_an_address_back() {
    let store = world();
    bound(&store, x(7), A);
    let release = |mac| RawPacket {
        ciaddr: x(7),
        ..message(RELEASE, mac).options(&[(54, &SERVER.octets())])
    };
    let decline = |mac| message(DECLINE, mac).options(&[(54, &SERVER.octets()), (50, &x(7).octets())]);
    for (raw, declined) in [(release(A), false), (decline(A), true)] {
        let Decision::End(end) = decision(&store, &raw) else {
            panic!("{raw:?}")
        };
        assert_eq!(
            (end.address, end.mac, end.declined),
            (x(7).to_string(), A.to_string(), declined)
        );
    }
    assert_eq!(
        decision(&store, &release(B)),
        Decision::Silent(Count::ReleaseByOther)
    );
    assert_eq!(
        decision(&store, &decline(B)),
        Decision::Silent(Count::DeclineByOther)
    );
    assert_eq!(
        decision(&store, &message(DECLINE, A)),
        Decision::Silent(Count::DeclineByOther)
    );
}

#[test]
fn a_lease_that_was_taken_away_is_refused_to_its_client() {
    let store = world();
    bound(&store, x(7), A);
    let force = true;
    let delete = DeleteLease {
        address: x(7).to_string(),
        force,
    };
    run(testing::dhcp(&store, Change::DeleteLease(delete)));
    bound(&store, x(7), B);
    assert!(matches!(decision(&store, &renewing(A, x(7))), Decision::Nak(_)));
}

#[test]
fn an_inform_of_a_stranger_gets_options_only() {
    let raw = RawPacket {
        ciaddr: x(7),
        ..message(INFORM, A)
    };
    let Decision::Reply(ack) = decision(&world(), &raw) else {
        panic!("no answer")
    };
    assert_eq!((ack.yiaddr, ack.ciaddr), (NONE, x(7)));
    assert!(!has(&ack, OptionCode::AddressLeaseTime));
}

/// A client's identifier has one byte for its length; joined pieces may be longer.
#[test]
fn an_identifier_that_is_too_long_is_dropped() {
    let raw = message(DISCOVER, A).options(&[(61, &[7; 200]), (61, &[7; 56])]);
    assert_eq!(decision(&world(), &raw), Decision::Silent(Count::MalformedOption));
}

/// The stages of one boot name themselves differently; an operating system with a DUID is another client.
#[test]
fn the_stages_of_a_boot_are_one_client() {
    let store = world();
    bound(&store, x(7), A);
    let with_mac = message(DISCOVER, A).options(&[(61, &[&[1][..], &A.0].concat())]);
    assert_eq!(offered(decision(&store, &with_mac)), x(7));
    let with_duid = message(DISCOVER, A).options(&[(61, &[255, 0, 0, 0, 1])]);
    assert_ne!(offered(decision(&store, &with_duid)), x(7));
}

/// One of the members that answer at the same time: none knows what the others have offered.
struct Offering {
    share: Share,
    offered: BTreeSet<Ipv4Addr>,
}

impl Offering {
    fn new(rank: u64, of: u64) -> Offering {
        Offering {
            share: Share::new(rank, of),
            offered: BTreeSet::new(),
        }
    }

    fn decision(&self, store: &Store, raw: &RawPacket) -> Decision {
        let packet = raw.bytes();
        let (network, loaders) = (network(), Loaders::new([BIOS_LOADER]));
        let site = Site {
            is_offered: &|address, _| self.offered.contains(&address),
            share: &|| self.share,
            ..Site::new(&network, &loaders, store.state().time_ms())
        };
        decide(&store.state(), &Request::parse(&packet).unwrap(), &site)
    }

    fn offers(&mut self, store: &Store, mac: MacAddr) -> Ipv4Addr {
        let address = offered(self.decision(store, &message(DISCOVER, mac)));
        self.offered.insert(address);
        address
    }
}

fn client(n: u8) -> MacAddr {
    MacAddr([2, 7, 7, 7, 7, n])
}

/// Under a partition, or when all answer what a client repeats: nobody is offered what another client is offered elsewhere.
#[test]
fn members_that_do_not_hear_each_other_offer_no_address_twice() {
    let store = world();
    for count in [2_u8, 3] {
        let of = u64::from(count);
        let mut members: Vec<Offering> = (0..of).map(|rank| Offering::new(rank, of)).collect();
        let mut all = BTreeSet::new();
        // 100 addresses: the last of the members has the fewest
        for n in 0..100 / count * count {
            let member = &mut members[usize::from(n % count)];
            let address = member.offers(&store, client(n));
            assert!(
                all.insert(address),
                "{address} to client {n}, too, of {count} members"
            );
        }
    }
}

#[test]
fn what_a_client_has_or_wishes_for_is_offered_in_whosever_share_it_is() {
    let store = world();
    bound(&store, x(5), A);
    for rank in 0..3 {
        let member = Offering::new(rank, 3);
        let wish = message(DISCOVER, B).options(&[(50, &x(9).octets())]);
        assert_eq!(offered(member.decision(&store, &wish)), x(9));
        assert_eq!(offered(member.decision(&store, &message(DISCOVER, A))), x(5));
    }
}

/// Shares are no fences: as long as the pool has an address, a client gets one, and of its own share's first.
#[test]
fn a_member_whose_share_is_full_offers_what_is_left_of_the_others() {
    let store = world();
    let place = |address: Ipv4Addr| u64::from(address.octets()[3] - 1);
    let mut member = Offering::new(1, 3);
    let offers: Vec<Ipv4Addr> = (0..100).map(|n| member.offers(&store, client(n))).collect();
    let (own, rest) = offers.split_at(33);
    assert!(own.iter().all(|address| place(*address) % 3 == 1), "{own:?}");
    assert!(rest.iter().all(|address| place(*address) % 3 != 1), "{rest:?}");
    assert_eq!(member.offered.len(), 100, "each once, and all of them");
    let next = member.decision(&store, &message(DISCOVER, client(100)));
    assert_eq!(next, Decision::Silent(Count::PoolFull));
}

/// An address of the own share that somebody had is taken before one of another share: there it may be offered to somebody else
/// right now.
#[test]
fn a_used_address_of_the_own_share_comes_before_an_unused_one_of_another() {
    let mut small = testing::with_pool(10, 97);
    small.pools[0].last = x(4).to_string();
    let store = world_with(small);
    let ends_at_ms = [1, 3].map(|last| bound(&store, x(last), client(last)));
    let later = ends_at_ms[1] + 1_000_000;
    let (network, loaders) = (network(), Loaders::new([BIOS_LOADER]));
    for (rank, expected) in [(0, [x(1), x(3)]), (1, [x(2), x(4)])] {
        let site = Site {
            share: &|| Share::new(rank, 2),
            ..Site::new(&network, &loaders, later)
        };
        let packet = message(DISCOVER, A).bytes();
        let address = offered(decide(&store.state(), &Request::parse(&packet).unwrap(), &site));
        assert!(expected.contains(&address), "{address}");
    }
}

#[test]
fn who_is_alone_offers_the_whole_pool() {
    let store = world();
    let mut alone = Offering::new(0, 1);
    for n in 0..100 {
        alone.offers(&store, client(n));
    }
    assert_eq!(alone.offered.len(), 100);
    let next = alone.decision(&store, &message(DISCOVER, client(100)));
    assert_eq!(next, Decision::Silent(Count::PoolFull));
}
