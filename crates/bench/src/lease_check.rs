//! Which address a DHCP server offers to a client behind a relay: one DHCPDISCOVER on the wire and its answer. A load
//! generator counts answers, whatever they say.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::BenchError;
use crate::perfdhcp::Server;

/// Port of a relay, RFC 2131.
const RELAY_PORT: u16 = 67;
/// An answer is waited for so long, and the question asked so often.
const ANSWER_MAX: Duration = Duration::from_secs(1);
const TRIES: u32 = 3;
/// RFC 951: `op` to `file`, and the magic cookie after it.
const HEADER_BYTES: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Places in the header.
const XID: std::ops::Range<usize> = 4..8;
const YIADDR: std::ops::Range<usize> = 16..20;
const GIADDR: std::ops::Range<usize> = 24..28;
const CHADDR: std::ops::Range<usize> = 28..34;
/// Message types of option 53.
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;

/// The address that `server` offers to `mac`, asked by the relay `relay`, an address of this host.
///
/// # Errors
/// `TimedOut` without an offer; those of the system.
pub async fn offered_address(relay: Ipv4Addr, server: Server, mac: [u8; 6]) -> Result<Ipv4Addr, BenchError> {
    let socket = UdpSocket::bind(SocketAddrV4::new(relay, RELAY_PORT)).await;
    let socket = socket.map_err(BenchError::step(format!("cannot be the relay {relay}")))?;
    let to = SocketAddrV4::new(server.address, server.port);
    offer(&socket, to, &discover(relay, mac)).await
}

async fn offer(socket: &UdpSocket, to: SocketAddrV4, question: &[u8]) -> Result<Ipv4Addr, BenchError> {
    for _ in 0..TRIES {
        let sent = socket.send_to(question, to).await;
        sent.map_err(BenchError::step(format!("cannot send to {to}")))?;
        match tokio::time::timeout(ANSWER_MAX, answer(socket, question)).await {
            Ok(address) => return address.map_err(BenchError::step("cannot receive a DHCPOFFER")),
            Err(_) => continue,
        }
    }
    Err(BenchError::TimedOut {
        what: format!("a DHCPOFFER of {to}"),
        seconds: u64::from(TRIES) * ANSWER_MAX.as_secs(),
    })
}

/// The offer that answers `question`; anything else on the socket is passed over.
async fn answer(socket: &UdpSocket, question: &[u8]) -> io::Result<Ipv4Addr> {
    let mut packet = [0; 1500];
    loop {
        let length = socket.recv(&mut packet).await?;
        if let Some(address) = offered_in(&packet[..length], question) {
            return Ok(address);
        }
    }
}

fn discover(relay: Ipv4Addr, mac: [u8; 6]) -> Vec<u8> {
    let mut packet = vec![0; HEADER_BYTES];
    packet[..4].copy_from_slice(&[1, 1, 6, 1]); // a request, Ethernet, 6 bytes of MAC, one hop
    packet[XID].copy_from_slice(&[mac[2], mac[3], mac[4], mac[5]]);
    packet[GIADDR].copy_from_slice(&relay.octets());
    packet[CHADDR].copy_from_slice(&mac);
    packet.extend(COOKIE);
    packet.extend([53, 1, DISCOVER, 55, 2, 1, 3, 255]); // asks for netmask and router
    packet
}

fn offered_in(packet: &[u8], question: &[u8]) -> Option<Ipv4Addr> {
    let is_answer = packet.first() == Some(&2)
        && packet.get(XID) == question.get(XID)
        && packet.get(CHADDR) == question.get(CHADDR)
        && packet.get(HEADER_BYTES..HEADER_BYTES + COOKIE.len()) == Some(&COOKIE);
    let options = packet.get(HEADER_BYTES + COOKIE.len()..)?;
    if !is_answer || message_type(options) != Some(OFFER) {
        return None;
    }
    let address: [u8; 4] = packet.get(YIADDR)?.try_into().ok()?;
    Some(address.into())
}

fn message_type(mut options: &[u8]) -> Option<u8> {
    loop {
        match options {
            [0, rest @ ..] => options = rest,
            [53, 1, kind, ..] => return Some(*kind),
            [255, ..] | [] | [_] => return None,
            [_, length, rest @ ..] => options = rest.get(usize::from(*length)..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: Ipv4Addr = Ipv4Addr::new(127, 9, 2, 1);
    const MAC: [u8; 6] = [2, 0, 0, 0, 1, 7];

    fn offer_of(address: Ipv4Addr, question: &[u8]) -> Vec<u8> {
        let mut packet = question[..HEADER_BYTES].to_vec();
        packet[0] = 2;
        packet[YIADDR].copy_from_slice(&address.octets());
        packet.extend(COOKIE);
        packet.extend([54, 4, 127, 9, 0, 1, 0, 53, 1, OFFER, 255]);
        packet
    }

    #[test]
    fn the_address_is_that_of_the_own_offer() {
        let question = discover(RELAY, MAC);
        let address = Ipv4Addr::new(127, 9, 16, 8);
        let offer = offer_of(address, &question);
        assert_eq!(offered_in(&offer, &question), Some(address));
        let others = discover(RELAY, [2, 0, 0, 0, 1, 8]);
        assert_eq!(offered_in(&offer, &others), None, "another client's");
        let mut nak = offer.clone();
        let kind = nak.len() - 2;
        nak[kind] = 6;
        assert_eq!(offered_in(&nak, &question), None);
        for length in 0..offer.len() - 2 {
            assert_eq!(offered_in(&offer[..length], &question), None, "cut at {length}");
        }
    }

    /// The wrong packets on the way must not end the wait.
    #[tokio::test]
    async fn an_offer_is_awaited_among_other_packets() {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to: SocketAddrV4 = server.local_addr().unwrap().to_string().parse().unwrap();
        let question = discover(RELAY, MAC);
        let address = Ipv4Addr::new(127, 9, 16, 8);
        let answer = async {
            let mut packet = [0; 1500];
            let (length, from) = server.recv_from(&mut packet).await.unwrap();
            server.send_to(b"noise", from).await.unwrap();
            let offer = offer_of(address, &packet[..length]);
            server.send_to(&offer, from).await.unwrap();
        };
        let (got, ()) = tokio::join!(offer(&client, to, &question), answer);
        assert_eq!(got.unwrap(), address);
    }
}
