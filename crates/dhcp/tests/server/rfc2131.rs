//! RFC 2131 section 4.3 as one table over a socket: each message in each state of a client, of a node that SMD knows and of a
//! client that has an address of a pool, with what is heard.

use std::net::Ipv4Addr;

use dhcp::{Count, Responder};
use model::MacAddr;

use crate::running::{Running, SERVER, option, relayed, with_info};
use crate::testing::{self, RawPacket};

const STRANGER: MacAddr = MacAddr([2, 9, 9, 9, 9, 1]);
const NEWCOMER: MacAddr = MacAddr([2, 9, 9, 9, 9, 2]);
/// Of the node, of the stranger, of another node, of nobody, on another network.
const RESERVED: [u8; 4] = [127, 97, 2, 1];
const LEASED: [u8; 4] = [127, 97, 200, 7];
const ANOTHERS: [u8; 4] = [127, 97, 2, 2];
const NOBODYS: [u8; 4] = [127, 97, 200, 9];
const ELSEWHERE: [u8; 4] = [192, 0, 2, 7];

/// What the client hears.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hears {
    Ack([u8; 4]),
    /// An acknowledgement of everything but an address.
    Options,
    Nak,
    Nothing(Count),
}

/// Where a client stands when it sends its DHCPREQUEST, told by what it sends.
#[derive(Clone, Copy, Debug)]
enum State {
    /// 54 and 50.
    Selecting,
    /// 54 of another server, and 50.
    SelectingAnother,
    /// 50 alone.
    InitReboot,
    /// `ciaddr`; by unicast in RENEWING, by broadcast in REBINDING, which the packet does not tell.
    Renewing,
}

fn request(mac: MacAddr, state: State, address: [u8; 4]) -> RawPacket {
    let other = [127, 97, 0, 66];
    let raw = RawPacket { mac, ..relayed(3) };
    let raw = match state {
        State::Selecting => raw.options(&[(54, &SERVER.octets()), (50, &address)]),
        State::SelectingAnother => raw.options(&[(54, &other), (50, &address)]),
        State::InitReboot => raw.options(&[(50, &address)]),
        State::Renewing => RawPacket {
            ciaddr: Ipv4Addr::from(address),
            ..raw
        },
    };
    with_info(raw)
}

async fn server() -> Running {
    let store = testing::world(127, 97).await;
    testing::put_subnet(&store, testing::with_pool(127, 97)).await;
    testing::bind(&store, Ipv4Addr::from(LEASED), STRANGER).await;
    Running::start_with(store, || Responder::Own).await
}

async fn check(server: &Running, raw: &RawPacket, hears: Hears, case: &str) {
    let (kind, yiaddr) = match hears {
        Hears::Nothing(why) => {
            server.ignores(&raw.bytes(), why).await;
            return server.assert_silent();
        }
        Hears::Ack(address) => (5, address),
        Hears::Options => (5, [0; 4]),
        Hears::Nak => (6, [0; 4]),
    };
    let answer = server.ask(raw).await;
    assert_eq!(
        (option(&answer, 53), &answer[16..20]),
        (Some(&[kind][..]), &yiaddr[..]),
        "{case}"
    );
    assert_eq!(option(&answer, 54), Some(&SERVER.octets()[..]), "{case}");
    let has_times = [51, 58, 59].map(|code| option(&answer, code).is_some());
    assert_eq!(has_times, [matches!(hears, Hears::Ack(_)); 3], "{case}");
}

#[tokio::test]
async fn a_request_is_answered_by_the_state_that_it_is_sent_in() {
    use Hears::{Ack, Nak, Nothing};
    use State::{InitReboot, Renewing, Selecting, SelectingAnother};
    let server = server().await;
    let node = testing::NODE;
    let cases = [
        (node, Selecting, RESERVED, Ack(RESERVED)),
        (node, InitReboot, RESERVED, Ack(RESERVED)),
        (node, Renewing, RESERVED, Ack(RESERVED)),
        (node, Selecting, ANOTHERS, Nak),
        (node, InitReboot, NOBODYS, Nak),
        (node, InitReboot, ELSEWHERE, Nak),
        (node, Renewing, NOBODYS, Nak),
        (node, SelectingAnother, RESERVED, Nothing(Count::OtherServer)),
        (STRANGER, Selecting, LEASED, Ack(LEASED)),
        (STRANGER, InitReboot, LEASED, Ack(LEASED)),
        (STRANGER, Renewing, LEASED, Ack(LEASED)),
        (STRANGER, InitReboot, NOBODYS, Nak),
        (STRANGER, Renewing, RESERVED, Nak),
        (STRANGER, SelectingAnother, LEASED, Nothing(Count::OtherServer)),
        // of whom there is no record: what it has may be another server's, but not what is somebody's here
        (NEWCOMER, InitReboot, NOBODYS, Nothing(Count::NoLease)),
        (NEWCOMER, InitReboot, ELSEWHERE, Nothing(Count::NoLease)),
        (NEWCOMER, Renewing, NOBODYS, Nothing(Count::NoLease)),
        (NEWCOMER, Renewing, LEASED, Nak),
        (NEWCOMER, Renewing, RESERVED, Nak),
        (NEWCOMER, Selecting, LEASED, Nak),
        (NEWCOMER, Selecting, RESERVED, Nak),
        (NEWCOMER, Selecting, NOBODYS, Ack(NOBODYS)),
    ];
    for (mac, state, address, hears) in cases {
        let case = format!("{mac} {state:?} {address:?}");
        check(&server, &request(mac, state, address), hears, &case).await;
    }
    server.counted(Count::Panicked, 0).await;
}

#[tokio::test]
async fn the_other_messages_are_heard_from_the_owner_only() {
    use Hears::{Nothing, Options};
    let server = server().await;
    let message = |kind: u8, mac: MacAddr, ciaddr: [u8; 4], requested: &[u8]| {
        let raw = RawPacket {
            mac,
            ciaddr: Ipv4Addr::from(ciaddr),
            ..relayed(kind)
        };
        let raw = raw.options(&[(54, &SERVER.octets())]);
        with_info(match requested {
            [] => raw,
            address => raw.options(&[(50, address)]),
        })
    };
    let decline = |mac, address: [u8; 4]| message(4, mac, [0; 4], &address);
    let release = |mac, address| message(7, mac, address, &[]);
    let inform = |mac, address| {
        with_info(RawPacket {
            mac,
            ciaddr: Ipv4Addr::from(address),
            ..relayed(8)
        })
    };
    let node = testing::NODE;
    let cases = [
        (inform(node, RESERVED), Options),
        (inform(NEWCOMER, NOBODYS), Options),
        (inform(node, ELSEWHERE), Nothing(Count::NoAddressAsked)),
        (release(node, RESERVED), Nothing(Count::Released)),
        (release(node, ANOTHERS), Nothing(Count::ReleaseByOther)),
        (release(NEWCOMER, LEASED), Nothing(Count::ReleaseByOther)),
        (decline(node, RESERVED), Nothing(Count::DeclinedReservation)),
        (decline(node, ANOTHERS), Nothing(Count::DeclineByOther)),
        (decline(NEWCOMER, LEASED), Nothing(Count::DeclineByOther)),
        (release(STRANGER, LEASED), Nothing(Count::LeaseReleased)),
        // it is its own no more
        (decline(STRANGER, LEASED), Nothing(Count::DeclineByOther)),
    ];
    for (raw, hears) in cases {
        check(&server, &raw, hears, &format!("{raw:?}")).await;
    }
    for (kind, mac) in [(2, node), (5, node), (6, STRANGER), (9, node), (13, node)] {
        let raw = message(kind, mac, [0; 4], &[]);
        check(
            &server,
            &raw,
            Nothing(Count::UnsupportedMessageType),
            "of servers",
        )
        .await;
    }
}
