//! Hundreds of thousands of mutated packets through everything between socket and socket: nothing panics, and no answer
//! says what it must not.

use dhcp::{Loaders, UEFI_LOADER};
use dhcp6::{Arrival, Decision, Request, Site, decide, server_duid};
use dhcproto::v6::{DhcpOption, Message};
use dhcproto::{Decodable, Decoder};

use crate::random::Random;
use crate::testing::{
    BMC, NODE, NODE_OF_IPV4, NODE_ON_TWO, RawMessage, duid_ll, duid_llt, ia_addresses, network, relayed,
    vendor_class, world,
};

const PACKETS: usize = 200_000;

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 0..=13 {
        for mac in [NODE, NODE_ON_TWO, NODE_OF_IPV4, BMC] {
            let plain = RawMessage::new(kind).options(&[(1, &duid_ll(mac))]);
            seeds.push(plain.clone().bytes());
            let rich = plain.options(&[
                (6, &[0, 23, 0, 24, 0, 32, 0, 39, 0, 59]),
                (15, b"\0\x04iPXE"),
                (16, &vendor_class(343, b"HTTPClient:Arch:00016:UNDI:003016")),
                (61, &[0, 16, 0, 7]),
                (62, &[1, 3, 16]),
                (39, b"\x01\x04host\0"),
            ]);
            let addresses = ia_addresses(1, &["fd00:97::2:1", "fd00:99::1"]);
            seeds.push(rich.clone().options(&[(3, &addresses), (14, &[])]).bytes());
            let chosen = rich.options(&[(2, &server_duid("")), (3, &addresses), (25, &[0; 12])]);
            seeds.push(relayed(
                &chosen.bytes(),
                0,
                "fd00:98::1",
                "fe80::1",
                &[(18, b"port 1")],
            ));
            seeds.push(chosen.bytes());
        }
    }
    let solicit = RawMessage::new(1)
        .options(&[(1, &duid_llt(NODE)), (3, &ia_addresses(1, &[]))])
        .bytes();
    let deep = (0..8).fold(solicit, |inner, hops| {
        relayed(
            &inner,
            hops,
            "fd00:97::7",
            "fe80::1",
            &[(79, &[0, 1, 2, 0, 0, 0, 0, 0xa1])],
        )
    });
    seeds.push(deep);
    seeds
}

/// A few bytes changed, cut, repeated or put in; most changes spare the header so that the options are reached.
fn mutate(packet: &mut Vec<u8>, random: &mut Random) {
    let from = if random.below(4) == 0 { 0 } else { 4 };
    for _ in 0..=random.below(4) {
        let at = from.min(packet.len()) + random.below(packet.len().saturating_sub(from));
        let byte = random.next() as u8;
        match random.below(6) {
            0 if at < packet.len() => packet[at] = byte,
            1 if at < packet.len() => packet[at] ^= 1 << (byte & 7),
            2 => packet.truncate(at),
            3 => packet.insert(at.min(packet.len()), byte),
            4 if at < packet.len() => {
                let piece = packet[at..(at + usize::from(byte)).min(packet.len())].to_vec();
                packet.extend(piece);
            }
            _ => packet.extend_from_slice(&[0, byte & 63, 0, 0]),
        }
    }
    packet.truncate(2000);
}

/// The client's message out of the relays around it.
fn innermost(mut message: &[u8]) -> &[u8] {
    while message[0] == 13 {
        let mut rest = &message[34..];
        loop {
            let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            if rest[..2] == [0, 9] {
                message = &rest[4..4 + len];
                break;
            }
            rest = &rest[4 + len..];
        }
    }
    message
}

#[tokio::test]
async fn no_mutated_packet_panics_or_draws_a_wrong_answer() {
    let (store, network) = (world().await, network());
    let state = store.state();
    let loaders = Loaders::new([UEFI_LOADER]).and_over_http([UEFI_LOADER]);
    let site = Site {
        network: &network,
        loaders: &loaders,
        now_ms: 0,
        isolated_lease_s: None,
    };
    let (seeds, mut random, mut message) = (seeds(), Random(0x5eed_cafe), Vec::new());
    let (mut parsed, mut answered, mut refused, mut granted) = (0, 0, 0, 0);
    for round in 0..PACKETS {
        let mut packet = seeds[random.below(seeds.len())].clone();
        mutate(&mut packet, &mut random);
        let source = "fe80::1234:5678:9abc:def0".parse().unwrap();
        let arrival = Arrival {
            source,
            is_unicast: round % 8 == 0,
        };
        let Ok(request) = Request::parse(&packet, arrival) else {
            continue;
        };
        parsed += 1;
        let reply = match decide(&state, &request, &site) {
            Decision::Reply(reply) => reply,
            Decision::Refusal(reply, _) => {
                refused += 1;
                reply
            }
            Decision::Silent(_) => continue,
        };
        answered += 1;
        reply.write(&request, &mut message);
        let read = Message::decode(&mut Decoder::new(innermost(&message))).unwrap();
        assert_eq!(read.xid(), request.xid);
        for option in read.opts().iter() {
            let DhcpOption::IANA(ia) = option else { continue };
            for inside in ia.opts.iter() {
                if let DhcpOption::IAAddr(address) = inside
                    && address.valid_life > 0
                {
                    granted += 1;
                    let owner = state.smd.interface_by_ip(address.addr.into());
                    assert!(owner.is_some(), "{read:?}");
                }
            }
        }
    }
    // Mutations that reach nothing would prove nothing.
    assert!(parsed > PACKETS / 40, "{parsed}");
    assert!(answered > PACKETS / 400, "{answered}");
    assert!(refused > PACKETS / 4000, "{refused}");
    assert!(granted > PACKETS / 4000, "{granted}");
}

/// The packets that kill others, and their relatives: each is dropped, and with its reason.
#[test]
fn the_known_killers_are_dropped_with_their_reason() {
    use dhcp6::Count::{
        MalformedOption, RelayWithoutMessage, TooManyOptions, TooManyRelays, TooShort, TruncatedOption,
        WrongIdentifiers,
    };
    let with = |code: u16, value: &[u8]| {
        RawMessage::new(1)
            .options(&[(1, &duid_ll(NODE)), (code, value)])
            .bytes()
    };
    let good = with(3, &ia_addresses(1, &[]));
    let nested = |n: usize| {
        (0..n).fold(good.clone(), |inner, _| {
            relayed(&inner, 0, "fd00:97::1", "fe80::1", &[])
        })
    };
    let cases = [
        (vec![], TooShort),
        (vec![1], TooShort),
        (vec![12; 33], TooShort),
        ([&[12][..], &[0; 33]].concat(), RelayWithoutMessage),
        (vec![1, 0, 0, 0], WrongIdentifiers),
        ([&[1, 0, 0, 0][..], &[0xff; 400]].concat(), TruncatedOption),
        ([&[1, 0, 0, 0][..], &[0; 400]].concat(), TooManyOptions),
        (with(61, &[0]), MalformedOption),
        (with(61, &[0, 7, 0]), MalformedOption),
        (with(62, &[]), MalformedOption),
        (with(3, &[]), MalformedOption),
        (with(4, &[0; 3]), MalformedOption),
        (with(25, &[0; 11]), MalformedOption),
        (
            with(3, &[&[0; 12][..], &[0, 5, 0, 1, 0]].concat()),
            MalformedOption,
        ),
        (
            with(3, &[&[0; 12][..], &[0, 5, 0xff, 0xff]].concat()),
            TruncatedOption,
        ),
        (with(6, &[1]), MalformedOption),
        (
            RawMessage::new(1).options(&[(1, &[0; 131])]).bytes(),
            MalformedOption,
        ),
        (nested(9), TooManyRelays),
        (nested(40), TooManyRelays),
    ];
    for (packet, why) in cases {
        let arrival = Arrival::multicast("fe80::1".parse().unwrap());
        assert_eq!(Request::parse(&packet, arrival).unwrap_err(), why, "{packet:?}");
    }
    assert!(Request::parse(&nested(8), Arrival::multicast("fe80::1".parse().unwrap())).is_ok());
}
