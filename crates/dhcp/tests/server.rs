//! The server over real UDP sockets on loopback, through a relay that does not listen on port 67: what the rootless lab
//! and demo do.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "../src/testing.rs"]
mod testing;

#[path = "server/guards.rs"]
mod guards;
#[path = "server/pools.rs"]
mod pools;
#[path = "server/rfc2131.rs"]
mod rfc2131;
mod running;
#[path = "server/turns.rs"]
mod turns;

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dhcp::{Count, Network, Responder};
use model::MacAddr;
use proto::bss::v1::boot_phase::Phase;
use raft::Store;
use running::{PATIENCE, RELAY_INFO, Running, SERVER, option, relayed, with_info};
use testing::RawPacket;
use timeline::{Pace, Reporter};

#[tokio::test]
async fn a_node_gets_its_address_through_a_relay_on_a_port_of_its_own() {
    let server = Running::start().await;
    let offer = server.ask(&with_info(relayed(1))).await;
    assert_eq!(option(&offer, 53), Some(&[2][..]));
    assert_eq!(offer[16..20], [127, 97, 2, 1]);
    let options = [(54, &SERVER.octets()[..]), (50, &offer[16..20])];
    let ack = server.ask(&with_info(relayed(3).options(&options))).await;
    assert_eq!(option(&ack, 53), Some(&[5][..]));
    assert_eq!(ack[16..20], [127, 97, 2, 1]);
    server.counted(Count::Offers, 1).await;
    server.counted(Count::Acks, 1).await;
}

/// An operating system asks for its address for as long as it runs; that is no boot.
#[tokio::test]
async fn what_firmware_and_ipxe_are_told_are_phases_of_a_boot() {
    let store = testing::world(127, 97).await;
    let (timeline, reporter) = Reporter::new(store.clone(), 3, Pace::default());
    let server = Running::start_noting(store.clone(), || Responder::Own, timeline).await;
    let address = [127, 97, 2, 1];
    let selecting = [(54, &SERVER.octets()[..]), (50, &address)];
    let pxe: [(u8, &[u8]); 2] = [(60, b"PXEClient"), (93, &[0, 0])];
    let ipxe: [(u8, &[u8]); 1] = [(77, b"iPXE")];
    let informed = RawPacket {
        ciaddr: Ipv4Addr::from(address),
        ..relayed(8).options(&pxe)
    };
    let offered = server.ask(&with_info(relayed(1).options(&pxe))).await;
    server.ask(&with_info(informed)).await;
    for client in [&ipxe[..], &[]] {
        server.ask(&with_info(relayed(1).options(client))).await;
        server
            .ask(&with_info(relayed(3).options(&selecting).options(client)))
            .await;
    }
    let bmc = RawPacket {
        mac: testing::BMC,
        ..relayed(1).options(&pxe)
    };
    server.ask(&with_info(bmc)).await;
    reporter.run(async {}).await;
    let records = store.state().bss.boot_records(&"x1000c0s0b0n0".parse().unwrap());
    let seen: Vec<_> = records[0]
        .phases
        .iter()
        .map(|seen| (seen.phase(), seen.member))
        .collect();
    let expected = [Phase::Offered, Phase::Offered, Phase::Acknowledged].map(|phase| (phase, 3));
    assert_eq!(seen, expected);
    assert_eq!(records[0].phases[0].bytes, offered.len() as u64);
    let bmc = store.state().bss.boot_records(&"x1000c0s0b0".parse().unwrap());
    assert!(bmc.is_empty());
}

/// A relay finds the port of its client in it, so not a byte may change, sub-options that nobody knows included.
#[tokio::test]
async fn option_82_comes_back_byte_for_byte_and_last() {
    let server = Running::start().await;
    for info in [
        &RELAY_INFO[..],
        &[200, 3, 1, 2, 3, 19, 0, 2, 0],
        &[19, 0, 151, 1, 255, 1, 0],
    ] {
        let answer = server
            .ask(&relayed(1).options(&[(82, info), (61, &[0, b'x'])]))
            .await;
        let tail = [&[82, info.len() as u8][..], info, &[255]].concat();
        let end = answer.iter().rposition(|&b| b == 255).unwrap();
        assert!(answer[..=end].ends_with(&tail), "{info:?}");
    }
}

/// RFC 3527: the relay's own address is on the network of the relays, its clients are on another one.
#[tokio::test]
async fn the_link_that_a_relay_names_comes_before_its_address() {
    let network = Network {
        relayed_subnets: vec!["127.98.0.0/16".parse().unwrap()],
        ..running::network()
    };
    let server = Running::start_on(network, testing::world(127, 97).await).await;
    let of_two = |info: &[u8]| {
        let raw = RawPacket {
            mac: testing::NODE_ON_TWO,
            ..relayed(1)
        };
        raw.options(&[(82, info)])
    };
    let named = [19, 0, 5, 4, 127, 98, 7, 7];
    for (info, address) in [(&named[..], [127, 98, 2, 2]), (&named[..2], [127, 97, 2, 2])] {
        let offer = server.ask(&of_two(info)).await;
        assert_eq!((&offer[16..20], option(&offer, 82)), (&address[..], Some(info)));
    }
    let elsewhere = of_two(&[19, 0, 5, 4, 203, 0, 113, 7]);
    server.ignores(&elsewhere.bytes(), Count::RelayNotServed).await;
    server.assert_silent();
}

#[tokio::test]
async fn the_script_url_names_the_service_address() {
    let server = Running::start().await;
    let offer = server.ask(&with_info(relayed(1).options(&[(77, b"iPXE")]))).await;
    let url = b"http://127.97.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:a1";
    assert_eq!(option(&offer, 67), Some(&url[..]));
}

/// The packets that are known to kill or mislead other servers (coresmd, dhcproto), and their relatives.
#[tokio::test]
async fn killer_packets_are_dropped_with_their_reason_and_the_server_lives() {
    let server = Running::start().await;
    let good = with_info(relayed(1));
    let with = |code: u8, value: &[u8]| with_info(relayed(1).options(&[(code, value)])).bytes();
    let changed = |at: usize, value: u8| {
        let mut packet = good.bytes();
        packet[at] = value;
        packet
    };
    let cut = |len: usize| good.bytes()[..len].to_vec();
    let cases: Vec<(Vec<u8>, Count)> = vec![
        (with(93, &[0]), Count::MalformedOption),
        (with(93, &[]), Count::MalformedOption),
        (with(93, &[0, 7, 0]), Count::MalformedOption),
        (with(50, &[1, 2, 3]), Count::MalformedOption),
        (with(54, &[10]), Count::MalformedOption),
        (with(57, &[1]), Count::MalformedOption),
        (with(52, &[4]), Count::WrongOverload),
        (changed(2, 255), Count::HardwareAddressTooLong),
        (changed(2, 17), Count::HardwareAddressTooLong),
        (changed(2, 16), Count::NotEthernet),
        (changed(0, 2), Count::NotARequest),
        (changed(236, 0), Count::WrongCookie),
        (changed(242, 99), Count::UnsupportedMessageType),
        (changed(241, 200), Count::TruncatedOption),
        (cut(0), Count::TooShort),
        (cut(239), Count::TooShort),
        (cut(240), Count::NoMessageType),
        (cut(241), Count::TruncatedOption),
        ([good.bytes(), vec![0; 4000]].concat(), Count::TooLong),
        ([cut(240), [12, 0].repeat(200)].concat(), Count::TooManyOptions),
        (
            RawPacket {
                giaddr: Ipv4Addr::new(203, 0, 113, 1),
                ..good.clone()
            }
            .bytes(),
            Count::RelayNotServed,
        ),
    ];
    let n = cases.len();
    for (packet, why) in cases {
        server.ignores(&packet, why).await;
    }
    server.assert_silent();
    server.counted(Count::Received, n as u64).await;
    // Rubbish in what is only echoed or ignored draws an answer all the same.
    for (code, value) in [
        (12, &b"\xff\xfe"[..]),
        (94, &[1]),
        (81, &[0, 0]),
        (124, &[0, 0, 1]),
        (43, &[255; 9]),
    ] {
        server.send(&with(code, value)).await;
        assert_eq!(server.receive().await[16..20], [127, 97, 2, 1], "{code}");
    }
    server.counted(Count::Panicked, 0).await;
}

/// Whose turn it is, in the test's hand.
#[derive(Clone)]
struct Turns(Arc<Mutex<Responder>>);

impl Turns {
    fn new(turn: Responder) -> Turns {
        Turns(Arc::new(Mutex::new(turn)))
    }

    fn set(&self, turn: Responder) {
        *self.0.lock().unwrap() = turn;
    }

    async fn server(&self) -> Running {
        let turn = self.0.clone();
        Running::start_with(testing::world(127, 97).await, move || *turn.lock().unwrap()).await
    }
}

/// A holder that was heard after every packet of the test.
fn a_living_holder() -> Responder {
    Responder::Other {
        member: None,
        heard: Some(tokio::time::Instant::now() + Duration::from_secs(600)),
    }
}

/// A holder that is not heard, as on loopback, and long dead on a network.
const UNHEARD: Responder = Responder::Other {
    member: None,
    heard: None,
};

impl Running {
    /// Returns when everything that was sent before has been dealt with.
    async fn has_read_everything(&self) {
        let stranger = RawPacket {
            mac: MacAddr([2, 0, 0, 0, 7, 7]),
            ..relayed(1)
        };
        self.ignores(&with_info(stranger).bytes(), Count::UnknownMac)
            .await;
    }
}

#[tokio::test]
async fn a_member_without_the_service_address_answers_the_repetition_only() {
    let turns = Turns::new(a_living_holder());
    let server = turns.server().await;
    let discover = with_info(relayed(1));
    server.ignores(&discover.bytes(), Count::NotHolder).await;
    let other_attempt = RawPacket {
        xid: 7,
        ..discover.clone()
    };
    server.ignores(&other_attempt.bytes(), Count::NotHolder).await;
    server.assert_silent();
    assert_eq!(server.ask(&discover).await[16..20], [127, 97, 2, 1]);
    turns.set(Responder::Own);
    let first = RawPacket { xid: 8, ..discover };
    assert_eq!(server.ask(&first).await[16..20], [127, 97, 2, 1]);
    server.counted(Count::StoodIn, 0).await;
}

/// What came between the death of the holder and the takeover needs no repetition, which would cost its client seconds.
#[tokio::test]
async fn what_waited_is_answered_when_the_turn_comes() {
    for turn in [Responder::Own, Responder::StandIn] {
        let turns = Turns::new(UNHEARD);
        let server = turns.server().await;
        let options = [(54, &SERVER.octets()[..]), (50, &[127, 97, 2, 1])];
        server
            .send(&with_info(relayed(3).options(&options)).bytes())
            .await;
        server.has_read_everything().await;
        server.assert_silent();
        turns.set(turn);
        let ack = server.receive().await;
        assert_eq!(option(&ack, 53), Some(&[5][..]));
        assert_eq!(ack[16..20], [127, 97, 2, 1]);
        server.counted(Count::StoodIn, 1).await;
    }
}

#[tokio::test]
async fn a_member_that_stands_in_answers_at_once() {
    let server = Turns::new(Responder::StandIn).server().await;
    assert_eq!(server.ask(&with_info(relayed(1))).await[16..20], [127, 97, 2, 1]);
    server.counted(Count::StoodIn, 1).await;
    server.counted(Count::Offers, 1).await;
}

/// A DHCPREQUEST is the sign that its DHCPDISCOVER was answered.
#[tokio::test]
async fn a_client_that_went_on_is_not_answered_about_what_lies_behind_it() {
    let turns = Turns::new(UNHEARD);
    let server = turns.server().await;
    server.send(&with_info(relayed(1)).bytes()).await;
    let options = [(54, &SERVER.octets()[..]), (50, &[127, 97, 2, 1])];
    server
        .send(&with_info(relayed(3).options(&options)).bytes())
        .await;
    server.counted(Count::NotHolder, 1).await;
    turns.set(Responder::Own);
    assert_eq!(option(&server.receive().await, 53), Some(&[5][..]));
    server.counted(Count::Acks, 1).await;
    server.counted(Count::Offers, 0).await;
}

#[tokio::test]
async fn a_repetition_is_answered_once_whatever_waited() {
    let turns = Turns::new(UNHEARD);
    let server = turns.server().await;
    server.send(&with_info(relayed(1)).bytes()).await;
    assert_eq!(server.ask(&with_info(relayed(1))).await[16..20], [127, 97, 2, 1]);
    server.counted(Count::NotHolder, 1).await;
    turns.set(Responder::Own);
    let other = RawPacket {
        mac: testing::NODE_ON_TWO,
        ..relayed(1)
    };
    assert_eq!(server.ask(&with_info(other)).await[16..20], [127, 97, 2, 2]);
    server.counted(Count::Offers, 2).await;
    server.counted(Count::StoodIn, 0).await;
}

/// Standing in changes who speaks, not what may be said without a majority.
#[tokio::test]
async fn who_stands_in_refuses_only_with_a_majority() {
    let turns = Turns::new(UNHEARD);
    let server = turns.server().await;
    server.send(&wrong_address().bytes()).await;
    server.has_read_everything().await;
    server.assert_silent();
    turns.set(Responder::StandIn);
    assert_eq!(option(&server.receive().await, 53), Some(&[6][..]));

    let state = testing::world(127, 97).await.state();
    let store = Store::in_memory_without_majority(state.as_ref().clone());
    let server = Running::start_with(store, || Responder::StandIn).await;
    server.ignores(&wrong_address().bytes(), Count::NoMajority).await;
    server.assert_silent();
}

fn wrong_address() -> RawPacket {
    with_info(relayed(3).options(&[(50, &[127, 97, 2, 99])]))
}

#[tokio::test]
async fn a_wrong_address_is_refused_when_a_majority_agrees() {
    let server = Running::start().await;
    let nak = server.ask(&wrong_address()).await;
    assert_eq!(option(&nak, 53), Some(&[6][..]));
    assert_eq!(option(&nak, 54), Some(&SERVER.octets()[..]));
    assert_eq!(
        option(&nak, 82),
        Some(&RELAY_INFO[..]),
        "else the relay cannot deliver it"
    );
    assert_eq!(option(&nak, 51), None);
    assert_eq!(nak[10] & 0x80, 0x80, "the relay is asked to broadcast");
    assert_eq!(nak[12..20], [0; 8], "neither ciaddr nor yiaddr");
    server.counted(Count::Naks, 1).await;
}

/// Design section 5: what a member has it may say at once, what it has not only after asking the majority.
#[tokio::test]
async fn without_a_majority_known_nodes_boot_and_nobody_is_refused() {
    let state = testing::world(127, 97).await.state();
    let store = Store::in_memory_without_majority(state.as_ref().clone());
    let server = Running::start_with(store, || Responder::Own).await;
    server.ignores(&wrong_address().bytes(), Count::NoMajority).await;
    server.assert_silent();
    assert_eq!(server.ask(&with_info(relayed(1))).await[16..20], [127, 97, 2, 1]);
    let right = with_info(relayed(3).options(&[(50, &[127, 97, 2, 1])]));
    assert_eq!(option(&server.ask(&right).await, 53), Some(&[5][..]));
}

#[tokio::test]
async fn unknown_macs_hear_nothing_until_smd_knows_them() {
    let store = testing::world(127, 97).await;
    let server = Running::start_with(store.clone(), || Responder::Own).await;
    let mac = MacAddr([2, 0, 0, 0, 7, 7]);
    let raw = with_info(RawPacket { mac, ..relayed(1) });
    server.ignores(&raw.bytes(), Count::UnknownMac).await;
    server.assert_silent();
    testing::put_interface(&store, mac, "x1000c0s0b0n7", vec!["127.97.7.7".into()]).await;
    assert_eq!(server.ask(&raw).await[16..20], [127, 97, 7, 7]);
}

#[tokio::test]
async fn a_client_without_address_or_relay_cannot_be_reached_over_loopback() {
    let server = Running::start().await;
    server
        .ignores(&RawPacket::discover().bytes(), Count::Unroutable)
        .await;
}

/// Only the packet is lost that meets the bug.
#[tokio::test]
async fn a_panic_costs_one_packet() {
    let panics = Arc::new(AtomicBool::new(true));
    let once = panics.clone();
    let store = testing::world(127, 97).await;
    let server = Running::start_with(store, move || {
        assert!(!once.swap(false, Ordering::Relaxed), "a bug, put in by this test");
        Responder::Own
    })
    .await;
    server
        .ignores(&with_info(relayed(1)).bytes(), Count::Panicked)
        .await;
    assert_eq!(server.ask(&with_info(relayed(1))).await[16..20], [127, 97, 2, 1]);
}

/// A power-on storm arrives faster than it is read; the socket's buffer must hold it.
#[tokio::test]
async fn a_storm_of_requests_is_answered_in_full() {
    // No more, because the relay of this test has the system's small buffer and reads after it has sent.
    const NODES: u16 = 100;
    let server = Running::start().await;
    let packets: Vec<Vec<u8>> = (0..NODES)
        .map(|n| {
            with_info(RawPacket {
                xid: n.into(),
                ..relayed(1)
            })
            .bytes()
        })
        .collect();
    for packet in &packets {
        server.send(packet).await;
    }
    let mut xids = std::collections::BTreeSet::new();
    while xids.len() < usize::from(NODES) {
        let answer = server.receive().await;
        xids.insert(u32::from_be_bytes(answer[4..8].try_into().unwrap()));
    }
    server.counted(Count::Offers, NODES.into()).await;
}

#[tokio::test]
async fn the_server_ends_when_it_is_told() {
    let server = Running::start().await;
    server.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, server.task)
        .await
        .expect("it ends")
        .unwrap();
}
