//! Hundreds of thousands of mutated packets through everything between socket and socket: nothing panics, and no answer
//! says what it must not.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "../src/testing.rs"]
mod testing;

use std::net::{Ipv4Addr, SocketAddrV4};

use dhcp::{BIOS_LOADER, Decision, Destination, Loaders, Network, Request, UEFI_LOADER, decide, destination};
use dhcproto::v4::{Message, MessageType};
use dhcproto::{Decodable, Decoder};
use testing::{NODE_ON_TWO, RawPacket};

const PACKETS: usize = 300_000;

/// A small generator of its own, so that a failure can be repeated from the seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let rich = |message_type| {
        RawPacket::new(message_type).options(&[
            (61, &[1, 2, 0, 0, 0, 0, 0xa1]),
            (93, &[0, 7, 0, 16]),
            (60, b"PXEClient:Arch:00007:UNDI:003016"),
            (97, &[0; 17]),
            (57, &[5, 192]),
            (82, &[1, 4, b'e', b't', b'h', b'0', 19, 0]),
        ])
    };
    let mut seeds: Vec<Vec<u8>> = (0..=9).map(|message_type| rich(message_type).bytes()).collect();
    let relay = Ipv4Addr::new(10, 98, 0, 1);
    seeds.push(
        RawPacket {
            giaddr: relay,
            mac: NODE_ON_TWO,
            ..rich(1)
        }
        .bytes(),
    );
    seeds.push(
        rich(3)
            .options(&[(50, &[10, 97, 2, 1]), (54, &[10, 97, 0, 1])])
            .bytes(),
    );
    seeds.push(rich(3).options(&[(50, &[10, 97, 2, 99])]).bytes());
    seeds.push(
        RawPacket {
            ciaddr: Ipv4Addr::new(10, 97, 2, 1),
            ..rich(8)
        }
        .bytes(),
    );
    seeds.push(
        RawPacket::discover()
            .options(&[(77, b"\x04iPXE"), (52, &[3])])
            .bytes(),
    );
    seeds
}

/// A few bytes changed, cut, repeated or put in; now and then the fixed part is spared so that the options are reached.
fn mutate(packet: &mut Vec<u8>, random: &mut Random) {
    let from = if random.below(4) == 0 { 0 } else { 240 };
    for _ in 0..=random.below(6) {
        let at = from.min(packet.len()) + random.below(packet.len().saturating_sub(from));
        let byte = random.next() as u8;
        match random.below(6) {
            0 if at < packet.len() => packet[at] = byte,
            1 if at < packet.len() => packet[at] ^= 1 << (byte & 7),
            2 => packet.truncate(at.max(230)),
            3 => packet.insert(at.min(packet.len()), byte),
            4 if at < packet.len() => {
                let piece = packet[at..(at + usize::from(byte)).min(packet.len())].to_vec();
                packet.extend(piece);
            }
            _ => packet.extend_from_slice(&[byte, random.below(9) as u8, 0, 1]),
        }
    }
    packet.truncate(2000);
}

#[tokio::test]
async fn no_mutated_packet_panics_or_draws_a_wrong_answer() {
    let state = testing::world(10, 97).await.state();
    let network = Network {
        service_address: Ipv4Addr::new(10, 97, 0, 1),
        alternatives: vec![],
        http_port: Some(8081),
        relayed_subnets: vec!["10.98.0.0/16".parse().unwrap()],
    };
    let loaders = Loaders::new([BIOS_LOADER, UEFI_LOADER]).and_over_http([UEFI_LOADER]);
    let sender = SocketAddrV4::new(Ipv4Addr::new(10, 97, 5, 5), 1067);
    let (seeds, mut random, mut message) = (seeds(), Random(0x5eed_cafe), Vec::new());
    let (mut parsed, mut answered, mut refused) = (0, 0, 0);
    for _ in 0..PACKETS {
        let mut packet = seeds[random.below(seeds.len())].clone();
        mutate(&mut packet, &mut random);
        if dhcp::check(&packet).is_ok() {
            // What passes the check is safe for dhcproto too: its chaddr() panics on hlen above 16.
            let _ = Message::decode(&mut Decoder::new(&packet)).map(|message| message.chaddr().len());
        }
        let Ok(request) = Request::parse(&packet) else {
            continue;
        };
        parsed += 1;
        let (reply, is_nak) = match decide(&state, &request, &network, &loaders) {
            Decision::Reply(reply) => (reply, false),
            Decision::Nak(reply) => (reply, true),
            Decision::Silent(_) => continue,
        };
        answered += usize::from(!is_nak);
        refused += usize::from(is_nak);
        reply.write(&request, &mut message);
        let read = Message::decode(&mut Decoder::new(&message)).unwrap();
        let interface = state
            .smd
            .interface(&request.mac)
            .expect("only known clients are answered");
        assert_eq!(read.opts().msg_type() == Some(MessageType::Nak), is_nak);
        assert_eq!(read.chaddr(), request.mac.0);
        let own = |address: Ipv4Addr| {
            interface
                .ip_addresses
                .iter()
                .any(|own| own.ip_address == address.to_string())
        };
        assert!(read.yiaddr().is_unspecified() || own(read.yiaddr()), "{read:?}");
        if let Destination::Unicast(to) = destination(&request, &reply, sender) {
            assert!(*to.ip() == request.giaddr || *to.ip() == request.ciaddr);
        }
    }
    // Mutations that reach nothing would prove nothing.
    assert!(parsed > PACKETS / 10, "{parsed}");
    assert!(answered > PACKETS / 20, "{answered}");
    assert!(refused > PACKETS / 200, "{refused}");
}
