//! The cases of RFC 8415 section 18.3, as a table of questions and answers in words.

use dhcp::{Loaders, UEFI_LOADER};
use dhcproto::v6::{DhcpOption, DhcpOptions, Message};
use dhcproto::{Decodable as _, Decoder};
use raft::Store;

use super::*;
use crate::request::Arrival;
use crate::testing::*;

mod audience;
mod held;

const SOURCE: &str = "fe80::1234:5678:9abc:def0";
const SOLICIT: u8 = 1;
const REQUEST: u8 = 3;
const CONFIRM: u8 = 4;
const RENEW: u8 = 5;
const REBIND: u8 = 6;
const RELEASE: u8 = 8;
const DECLINE: u8 = 9;
const INFORMATION_REQUEST: u8 = 11;

/// A client that sends its identifiers, the server's where its message must have it, and one IA_NA with these addresses.
fn message(kind: u8, mac: MacAddr, addresses: &[&str]) -> RawMessage {
    with_identifiers(kind, mac).options(&[(3, &ia_addresses(7, addresses))])
}

fn with_identifiers(kind: u8, mac: MacAddr) -> RawMessage {
    let raw = RawMessage::new(kind).options(&[(1, &duid_ll(mac))]);
    match kind {
        REQUEST | RENEW | RELEASE | DECLINE => raw.options(&[(2, &server_duid(""))]),
        _ => raw,
    }
}

fn decided(
    store: &Store,
    packet: &[u8],
    arrival: Arrival,
    isolated_lease_s: Option<u32>,
) -> (String, Decision) {
    decided_at(store, packet, arrival, isolated_lease_s, 0)
}

fn decided_at(
    store: &Store,
    packet: &[u8],
    arrival: Arrival,
    isolated_lease_s: Option<u32>,
    now_ms: u64,
) -> (String, Decision) {
    let (network, loaders) = (network(), Loaders::new([UEFI_LOADER]));
    let request = Request::parse(packet, arrival).unwrap();
    let site = Site {
        network: &network,
        loaders: &loaders,
        now_ms,
        isolated_lease_s,
    };
    let decision = decide(&store.state(), &request, &site);
    (in_words(&request, &decision), decision)
}

fn in_words(request: &Request<'_>, decision: &Decision) -> String {
    match decision {
        Decision::Reply(reply) => said(request, reply),
        Decision::Refusal(reply, None) => format!("NO: {}", said(request, reply)),
        Decision::Refusal(reply, Some(partial)) => {
            format!("NO: {} OR {}", said(request, reply), said(request, partial))
        }
        Decision::Silent(why) => format!("silent: {}", why.name()),
    }
}

async fn answer_to(raw: &RawMessage) -> String {
    let arrival = Arrival::multicast(SOURCE.parse().unwrap());
    decided(&world().await, &raw.bytes(), arrival, None).0
}

/// What an answer says of addresses, as an independent reader reads it: identifiers are checked and left out.
fn said(request: &Request<'_>, reply: &Reply) -> String {
    let mut bytes = Vec::new();
    Reply::write(
        reply,
        &Request {
            relays: vec![],
            ..request.clone()
        },
        &mut bytes,
    );
    let message = Message::decode(&mut Decoder::new(&bytes)).unwrap();
    assert_eq!(message.xid(), request.xid);
    let ids = message.opts().iter().filter_map(|option| match option {
        DhcpOption::ClientId(id) => Some((true, id.clone())),
        DhcpOption::ServerId(id) => Some((false, id.clone())),
        _ => None,
    });
    let client = request.client_id.map(|id| (true, id.to_vec()));
    let expected: Vec<_> = client
        .into_iter()
        .chain([(false, server_duid("").to_vec())])
        .collect();
    assert_eq!(ids.collect::<Vec<_>>(), expected);
    let kind = format!("{:?}", message.msg_type()).to_uppercase();
    format!("{kind}{}", options(message.opts()))
}

fn options(options: &DhcpOptions) -> String {
    let texts = options.iter().filter_map(|option| {
        Some(match option {
            DhcpOption::IANA(ia) => format!(" NA{}({}/{}{})", ia.id, ia.t1, ia.t2, self::options(&ia.opts)),
            DhcpOption::IATA(ia) => format!(" TA{}({})", ia.id, self::options(&ia.opts).trim_start()),
            DhcpOption::IAPD(ia) => format!(" PD{}({})", ia.id, self::options(&ia.opts).trim_start()),
            DhcpOption::IAAddr(own) => format!(" {} {}/{}", own.addr, own.preferred_life, own.valid_life),
            DhcpOption::StatusCode(code) => format!(" {:?}", code.status),
            DhcpOption::RapidCommit => " rapid".to_owned(),
            _ => return None,
        })
    });
    texts.collect()
}

/// 1500 and 2400 s are a half and four fifths of the preferred lifetime, 3000 s; 4000 s is the subnet's lease.
const GRANTED: &str = "NA7(1500/2400 fd00:97::2:1 3000/4000)";

#[tokio::test]
async fn a_node_is_offered_and_given_its_address_whatever_it_wishes_for() {
    for wish in [&[][..], &["fd00:97::2:1"], &["fd00:97::99"], &["fd00:99::1"]] {
        assert_eq!(
            answer_to(&message(SOLICIT, NODE, wish)).await,
            format!("ADVERTISE {GRANTED}")
        );
        let rapid = message(SOLICIT, NODE, wish).options(&[(14, &[])]);
        assert_eq!(answer_to(&rapid).await, format!("REPLY {GRANTED} rapid"));
    }
    for wish in [&[][..], &["fd00:97::2:1"], &["fd00:97::99"]] {
        assert_eq!(
            answer_to(&message(REQUEST, NODE, wish)).await,
            format!("REPLY {GRANTED}")
        );
    }
}

#[tokio::test]
async fn a_node_has_all_its_addresses_on_the_link_and_no_other() {
    let granted = "NA7(1500/2400 fd00:97::2:2 3000/4000 fd00:9797::2:2 3000/4000)";
    assert_eq!(
        answer_to(&message(SOLICIT, NODE_ON_TWO, &[])).await,
        format!("ADVERTISE {granted}")
    );
    let relayed = relayed(
        &message(SOLICIT, NODE_ON_TWO, &[]).bytes(),
        0,
        "fd00:98::1",
        SOURCE,
        &[],
    );
    let arrival = Arrival::multicast("fd00:97::7".parse().unwrap());
    let behind = decided(&world().await, &relayed, arrival, None).0;
    assert_eq!(behind, "ADVERTISE NA7(1500/2400 fd00:98::2:2 3000/4000)");
}

#[tokio::test]
async fn an_address_of_another_link_is_not_asked_for_here() {
    let expected = "NO: REPLY NA7(0/0 NotOnLink)";
    assert_eq!(
        answer_to(&message(REQUEST, NODE, &["fd00:99::1"])).await,
        expected
    );
    assert_eq!(
        answer_to(&message(REQUEST, NODE, &["fd00:97::2:1", "fd00:99::1"])).await,
        expected
    );
}

#[tokio::test]
async fn a_node_without_an_address_here_is_told_so_after_the_majority_was_asked() {
    let none = "NA7(0/0 NoAddrsAvail)";
    assert_eq!(
        answer_to(&message(SOLICIT, NODE_OF_IPV4, &[])).await,
        format!("NO: ADVERTISE {none}")
    );
    assert_eq!(
        answer_to(&message(REQUEST, NODE_OF_IPV4, &[])).await,
        format!("NO: REPLY {none}")
    );
    let none = "NO: REPLY NA7(0/0 NoBinding)";
    for kind in [RENEW, REBIND] {
        assert_eq!(
            answer_to(&message(kind, NODE_OF_IPV4, &["fd00:97::2:3"])).await,
            none
        );
    }
}

#[tokio::test]
async fn what_is_the_nodes_is_renewed_and_what_is_not_ends() {
    for kind in [RENEW, REBIND] {
        for own in [&["fd00:97::2:1"][..], &[]] {
            assert_eq!(
                answer_to(&message(kind, NODE, own)).await,
                format!("REPLY {GRANTED}")
            );
        }
        let both = message(kind, NODE, &["fd00:97::99", "fd00:97::2:1"]);
        let expected =
            format!("NO: REPLY NA7(1500/2400 fd00:97::2:1 3000/4000 fd00:97::99 0/0) OR REPLY {GRANTED}");
        assert_eq!(answer_to(&both).await, expected);
    }
}

/// RFC 8415 section 18.3.5: a client that has moved stops using what it had at once.
#[tokio::test]
async fn addresses_of_another_link_end_when_they_are_rebound() {
    let moved = message(REBIND, NODE_OF_IPV4, &["fd00:99::1"]);
    assert_eq!(answer_to(&moved).await, "NO: REPLY NA7(0/0 fd00:99::1 0/0)");
    let renewing = message(RENEW, NODE_OF_IPV4, &["fd00:99::1"]);
    assert_eq!(answer_to(&renewing).await, "NO: REPLY NA7(0/0 NoBinding)");
}

#[tokio::test]
async fn one_of_several_associations_gets_the_address() {
    let other = ia_addresses(8, &["fd00:97::2:1"]);
    let two = message(SOLICIT, NODE, &[]).options(&[(3, &other)]);
    let granted = "NA8(1500/2400 fd00:97::2:1 3000/4000)";
    let expected = format!("NO: ADVERTISE NA7(0/0 NoAddrsAvail) {granted} OR ADVERTISE {granted}");
    assert_eq!(answer_to(&two).await, expected, "it names the address");
}

#[tokio::test]
async fn temporary_addresses_and_prefixes_there_are_none() {
    let (temporary, prefixes) = ([0, 0, 0, 8], [&[0, 0, 0, 9][..], &[0; 8]].concat());
    let options = [(4, &temporary[..]), (25, &prefixes)];
    let with = |kind| message(kind, NODE, &[]).options(&options);
    let none = "TA8(NoAddrsAvail) PD9(NoPrefixAvail)";
    assert_eq!(
        answer_to(&with(SOLICIT)).await,
        format!("ADVERTISE {GRANTED} {none}")
    );
    assert_eq!(answer_to(&with(REQUEST)).await, format!("REPLY {GRANTED} {none}"));
    let none = "TA8(NoBinding) PD9(NoBinding)";
    assert_eq!(answer_to(&with(RENEW)).await, format!("REPLY {GRANTED} {none}"));
    let only = with_identifiers(SOLICIT, NODE).options(&options[1..]);
    assert_eq!(answer_to(&only).await, "ADVERTISE PD9(NoPrefixAvail)");
}

/// Without a word of the majority nothing is left to say if only prefixes could be spoken of.
#[tokio::test]
async fn what_there_is_for_nobody_is_no_reason_to_answer() {
    let prefixes = [&[0, 0, 0, 9][..], &[0; 8]].concat();
    let raw = message(SOLICIT, NODE_OF_IPV4, &[]).options(&[(25, &prefixes)]);
    let expected = "NO: ADVERTISE NA7(0/0 NoAddrsAvail) PD9(NoPrefixAvail)";
    assert_eq!(answer_to(&raw).await, expected);
}

#[tokio::test]
async fn only_the_nodes_own_addresses_are_confirmed() {
    assert_eq!(
        answer_to(&message(CONFIRM, NODE, &["fd00:97::2:1"])).await,
        "REPLY Success"
    );
    for wrong in [
        &["fd00:99::1"][..],
        &["fd00:97::99"],
        &["fd00:97::2:1", "fd00:99::1"],
    ] {
        assert_eq!(
            answer_to(&message(CONFIRM, NODE, wrong)).await,
            "NO: REPLY NotOnLink",
            "{wrong:?}"
        );
    }
    let nothing = "silent: nothing_to_confirm";
    assert_eq!(answer_to(&message(CONFIRM, NODE, &[])).await, nothing);
    assert_eq!(answer_to(&with_identifiers(CONFIRM, NODE)).await, nothing);
}

#[tokio::test]
async fn what_is_given_back_stays_reserved() {
    for (kind, note) in [(RELEASE, Count::Released), (DECLINE, Count::DeclinedReservation)] {
        let arrival = Arrival::multicast(SOURCE.parse().unwrap());
        let own = message(kind, NODE, &["fd00:97::2:1"]).bytes();
        let (text, decision) = decided(&world().await, &own, arrival, None);
        assert_eq!(text, "REPLY Success");
        assert!(matches!(decision, Decision::Reply(reply) if reply.note == Some(note)));
        let anothers = message(kind, NODE, &["fd00:97::2:2"]).bytes();
        let (text, decision) = decided(&world().await, &anothers, arrival, None);
        assert_eq!(text, "NO: REPLY NA7(0/0 NoBinding) Success");
        assert!(matches!(decision, Decision::Refusal(reply, None) if reply.note.is_none()));
    }
}

#[tokio::test]
async fn who_writes_to_one_server_alone_is_told_to_write_to_all() {
    let arrival = Arrival {
        source: "fd00:97::2:1".parse().unwrap(),
        is_unicast: true,
    };
    for kind in [REQUEST, RENEW, RELEASE, DECLINE] {
        let packet = message(kind, NODE, &["fd00:97::2:1"]).bytes();
        assert_eq!(
            decided(&world().await, &packet, arrival, None).0,
            "REPLY UseMulticast",
            "{kind}"
        );
    }
}

#[tokio::test]
async fn information_is_given_to_nodes_with_and_without_an_address_or_an_identifier() {
    for mac in [NODE, NODE_OF_IPV4, BMC] {
        assert_eq!(
            answer_to(&with_identifiers(INFORMATION_REQUEST, mac)).await,
            "REPLY"
        );
    }
    let nameless = RawMessage::new(INFORMATION_REQUEST).bytes();
    let arrival = Arrival::multicast("fe80::ff:fe00:a1".parse().unwrap());
    assert_eq!(decided(&world().await, &nameless, arrival, None).0, "REPLY");
}

#[tokio::test]
async fn who_is_not_known_hears_nothing() {
    for kind in [SOLICIT, REQUEST, CONFIRM, RENEW, REBIND, RELEASE, DECLINE] {
        let of_stranger = message(kind, STRANGER, &["fd00:97::2:1"]);
        assert_eq!(answer_to(&of_stranger).await, "silent: unknown_mac", "{kind}");
    }
    assert_eq!(
        answer_to(&with_identifiers(INFORMATION_REQUEST, STRANGER)).await,
        "silent: unknown_mac"
    );
    let nameless = RawMessage::new(SOLICIT).options(&[(1, &[0, 4, 1, 2])]);
    assert_eq!(answer_to(&nameless).await, "silent: no_mac");
    let other = RawMessage::new(REQUEST).options(&[(1, &duid_ll(NODE)), (2, &[0, 4, 9])]);
    assert_eq!(answer_to(&other).await, "silent: other_server");
}

/// Which of them has it, nobody here can say.
#[tokio::test]
async fn an_address_that_smd_gives_to_two_is_nobodys() {
    for mac in [ONE_OF_TWO, OTHER_OF_TWO] {
        assert_eq!(
            answer_to(&message(SOLICIT, mac, &[])).await,
            "silent: address_of_two"
        );
    }
}

/// A node whose interface has a MAC of its own (a bridge, a bond) is found by the DUID of its NIC.
#[tokio::test]
async fn the_first_mac_that_smd_knows_counts() {
    let store = world().await;
    let text = |source: &str, duid| {
        let packet = RawMessage::new(SOLICIT).options(&[(1, &duid_ll(duid)), (3, &ia_addresses(7, &[]))]);
        let arrival = Arrival::multicast(source.parse().unwrap());
        decided(&store, &packet.bytes(), arrival, None).0
    };
    assert_eq!(
        text("fe80::ff:fe00:a1", BMC),
        format!("ADVERTISE {GRANTED}"),
        "it asks from this NIC"
    );
    assert_eq!(text("fe80::ff:fe99:99", NODE), format!("ADVERTISE {GRANTED}"));
    let seen = [&[0, 1][..], &STRANGER.0].concat();
    let behind = relayed(
        &message(SOLICIT, NODE, &[]).bytes(),
        0,
        "fd00:97::7",
        SOURCE,
        &[(79, &seen)],
    );
    let arrival = Arrival::multicast("fd00:97::7".parse().unwrap());
    assert_eq!(
        decided(&store, &behind, arrival, None).0,
        "silent: unknown_mac",
        "the relay has seen it"
    );
}

/// An answer of some hundred bytes to a forged address would be a weapon.
#[tokio::test]
async fn nothing_is_sent_beyond_the_links_that_are_served() {
    let store = world().await;
    let direct = message(SOLICIT, NODE, &[]).bytes();
    let behind = relayed(&direct, 0, "fd00:98::1", SOURCE, &[]);
    for packet in [&direct, &behind] {
        let from = |source: &str| {
            let arrival = Arrival::multicast(source.parse().unwrap());
            decided(&store, packet, arrival, None).0
        };
        for far in ["2001:db8::1", "fd00:99::1", "::", "ff02::1"] {
            assert_eq!(from(far), "silent: source_not_served", "{far}");
        }
    }
    let elsewhere = relayed(&direct, 0, "fd00:99::1", SOURCE, &[]);
    let arrival = Arrival::multicast(SOURCE.parse().unwrap());
    assert_eq!(
        decided(&store, &elsewhere, arrival, None).0,
        "silent: relay_not_served"
    );
}

#[tokio::test]
async fn a_member_without_a_leader_grants_a_short_time() {
    let packet = message(SOLICIT, NODE, &[]).bytes();
    let arrival = Arrival::multicast(SOURCE.parse().unwrap());
    let short = decided(&world().await, &packet, arrival, Some(300)).0;
    assert_eq!(short, "ADVERTISE NA7(112/180 fd00:97::2:1 225/300)");
    let no_longer = decided(&world().await, &packet, arrival, Some(9000)).0;
    assert_eq!(no_longer, format!("ADVERTISE {GRANTED}"));
}
