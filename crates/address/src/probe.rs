//! Frees the clients of a holder whose host has vanished. Needs CAP_NET_RAW.
//!
//! Nothing tells such a client that its connection is dead: iPXE asks after 15 s, cloud-init, whose request has been
//! acknowledged, never. So the new holder sends each one TCP segment that its stack must answer with an ACK: one
//! without data whose sequence lies outside the window (RFC 9293, 3.10.7.4). The answer comes to this host's kernel,
//! which has no such connection and resets it, with the very sequence that the client expects. A connection that has
//! ended, or that is this member's own, is not harmed by the segment.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, setsockopt, socket,
    sockopt,
};

use crate::claim::Target;
use crate::client_news::Connection;
use crate::exchange::AdvertCounters;
use crate::held::Held;

/// Pauses before the rounds. The first lets the gratuitous ARP pass, so that the answer comes here and not to the host
/// that has vanished. The second comes after the last announcement, and more than 500 ms after the first, as Linux
/// answers a connection's segments out of the window no more often than that (`tcp_invalid_ratelimit`).
const ROUNDS: [(Duration, u32); 2] = [
    (Duration::from_millis(20), 0),
    // the other half of the sequence space: what was by chance in the window is not so again
    (Duration::from_millis(700), 1 << 31),
];
/// Segments sent in one go, then a pause: 64,000 in a second are no load for a switch or a queue.
const SEGMENTS_AT_ONCE: usize = 64;
const SEGMENTS_PAUSE: Duration = Duration::from_millis(1);

const IP_BYTES: usize = 20;
const TCP_BYTES: usize = 20;
const TIME_TO_LIVE: u8 = 64;
const TCP: u8 = 6;
const ACK: u8 = 0x10;

/// How many segments were sent, and how many could not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sent {
    sent: u64,
    unsent: u64,
}

/// Starts [`free`] unless there is nobody to free; says how it went, once.
pub(crate) fn free_in_background(
    target: Target,
    held: Held,
    connections: Vec<Connection>,
    counters: Arc<AdvertCounters>,
) {
    if connections.is_empty() {
        return;
    }
    let count = connections.len();
    counters.clients_asked.fetch_add(count as u64, Ordering::Relaxed);
    tokio::spawn(async move {
        match free(&target, &held, &connections).await {
            Ok(Sent { sent, unsent }) => {
                counters.probes_sent.fetch_add(sent, Ordering::Relaxed);
                counters.probes_unsent.fetch_add(unsent, Ordering::Relaxed);
                tracing::info!(%target, connections = count, segments = sent, unsent, "asked the clients of the holder before to end their connections");
            }
            Err(error) => {
                tracing::warn!(%target, connections = count, %error, "could not ask the clients of the holder before; they wait for a time-out (CAP_NET_RAW is needed)");
            }
        }
    });
}

/// Asks each connection twice, for as long as this member holds the address.
///
/// # Errors
/// Without CAP_NET_RAW, or if the interface is gone.
async fn free(target: &Target, held: &Held, connections: &[Connection]) -> io::Result<Sent> {
    let socket = raw_socket(&target.interface)?;
    let numbers = RandomState::new();
    let mut sum = Sent::default();
    for (pause, half) in ROUNDS {
        tokio::time::sleep(pause).await;
        for some in connections.chunks(SEGMENTS_AT_ONCE) {
            if !held.is_held() {
                return Ok(sum);
            }
            for connection in some {
                let number = numbers.hash_one(connection);
                let segment = segment(target.address, *connection, number ^ u64::from(half));
                match send(&socket, *connection, &segment) {
                    Ok(()) => sum.sent += 1,
                    Err(_) => sum.unsent += 1, // a full queue or neighbour table; the second round may do better
                }
            }
            tokio::time::sleep(SEGMENTS_PAUSE).await;
        }
    }
    Ok(sum)
}

/// A socket that only sends, whole IPv4 packets, on one interface: as the listener's own packets would go.
fn raw_socket(interface: &str) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Raw)?;
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(interface))?;
    Ok(socket)
}

fn send(socket: &OwnedFd, to: Connection, packet: &[u8]) -> io::Result<()> {
    let to = SockaddrIn::from(std::net::SocketAddrV4::new(*to.client.ip(), 0));
    sendto(socket.as_raw_fd(), packet, &to, MsgFlags::empty())?;
    Ok(())
}

/// The packet; `number` gives its sequence (low half) and what it acknowledges (high half), both by chance: no stack
/// looks at the second before it has refused the first, but iPXE, which then does nothing with it.
fn segment(service: Ipv4Addr, to: Connection, number: u64) -> [u8; IP_BYTES + TCP_BYTES] {
    let mut packet = [0; IP_BYTES + TCP_BYTES];
    let (ip, tcp) = packet.split_at_mut(IP_BYTES);
    let [high @ .., _, _, _, _] = number.to_be_bytes();
    let [_, _, _, _, low @ ..] = number.to_be_bytes();

    tcp[0..2].copy_from_slice(&to.port.to_be_bytes());
    tcp[2..4].copy_from_slice(&to.client.port().to_be_bytes());
    tcp[4..8].copy_from_slice(&low);
    tcp[8..12].copy_from_slice(&high);
    tcp[12] = 5 << 4; // words of the header
    tcp[13] = ACK;
    tcp[14..16].copy_from_slice(&u16::MAX.to_be_bytes()); // window
    let mut pseudo = [0; 12];
    pseudo[0..4].copy_from_slice(&service.octets());
    pseudo[4..8].copy_from_slice(&to.client.ip().octets());
    pseudo[9] = TCP;
    pseudo[11] = 20;
    let sum = checksum(pseudo.iter().chain(tcp.iter()).copied());
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());

    // the kernel fills the length, the identification and the checksum (raw(7))
    ip[0] = 0x45;
    ip[8] = TIME_TO_LIVE;
    ip[9] = TCP;
    ip[12..16].copy_from_slice(&service.octets());
    ip[16..20].copy_from_slice(&to.client.ip().octets());
    packet
}

/// RFC 1071, of an even number of bytes.
fn checksum(mut bytes: impl Iterator<Item = u8>) -> u16 {
    let mut sum = 0_u32;
    while let (Some(high), Some(low)) = (bytes.next(), bytes.next()) {
        sum += u32::from(u16::from_be_bytes([high, low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddrV4;

    const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);

    fn connection() -> Connection {
        Connection {
            client: SocketAddrV4::new(Ipv4Addr::new(10, 97, 2, 1), 49_152),
            port: 80,
        }
    }

    #[test]
    fn the_segment_is_an_ack_from_the_service_address() {
        let packet = segment(SERVICE, connection(), 0x0102_0304_0506_0708);
        let hex: String = packet.iter().map(|byte| format!("{byte:02x}")).collect();
        let ip = "45000000 00000000 40060000 0a610001 0a610201";
        let tcp = "0050c000 05060708 01020304 5010ffff c8ac0000";
        assert_eq!(hex, format!("{ip}{tcp}").replace(' ', ""));
    }

    /// A receiver's sum over the pseudo header and the segment is zero.
    #[test]
    fn every_checksum_is_right() {
        for number in [0, 1, u64::MAX, 0xdead_beef_0bad_cafe, 0xffff_0000_ffff_0000] {
            let packet = segment(SERVICE, connection(), number);
            let pseudo = [&packet[12..20], &[0, TCP, 0, 20]].concat();
            let sum = checksum(pseudo.into_iter().chain(packet[IP_BYTES..].iter().copied()));
            assert_eq!(sum, 0, "{number:x}");
        }
    }

    /// Whatever the window (at most 2^30 bytes, RFC 7323), one of the two rounds is outside of it.
    #[test]
    fn the_rounds_are_half_the_sequence_space_apart() {
        let sequence = |half| {
            let packet = segment(SERVICE, connection(), 0xffff_ffff_fff0 ^ u64::from(half));
            u32::from_be_bytes(packet[24..28].try_into().unwrap())
        };
        let [first, second] = ROUNDS.map(|(_, half)| sequence(half));
        assert_eq!(first.wrapping_sub(second), 1 << 31);
    }
}
