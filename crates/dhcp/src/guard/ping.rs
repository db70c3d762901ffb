//! ICMP echo (RFC 792): the one question that reaches an address behind a relay. Pure.

use std::net::Ipv4Addr;

use socket2::SockFilter;

/// ICMP type 0, behind the IP header.
pub(super) const ECHO_REPLIES: [SockFilter; 5] = [
    SockFilter::new(0xb1, 0, 0, 0),
    SockFilter::new(0x50, 0, 0, 0),
    SockFilter::new(0x15, 0, 1, 0),
    SockFilter::new(0x06, 0, 0, 0xffff),
    SockFilter::new(0x06, 0, 0, 0),
];

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
/// Tells ours from those of others on this host, as `ping` has its process id there; their addresses are asked for too seldom
/// for more.
const IDENTIFIER: [u8; 2] = *b"Ch";

/// A request without payload.
pub(super) fn request() -> [u8; 8] {
    let [a, b] = IDENTIFIER;
    let sum = (u32::from(ECHO_REQUEST) << 8) + u32::from(u16::from_be_bytes(IDENTIFIER));
    let [hi, lo] = (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes();
    [ECHO_REQUEST, 0, hi, lo, a, b, 0, 0]
}

/// Who answers one of our requests, in an IPv4 packet.
pub(super) fn reply(packet: &[u8]) -> Option<Ipv4Addr> {
    let header_bytes = usize::from(packet.first()? & 0xf) * 4;
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let icmp = packet.get(header_bytes..)?.first_chunk::<8>()?;
    let is_ours = icmp[0] == ECHO_REPLY && icmp[4..6] == IDENTIFIER;
    is_ours.then(|| Ipv4Addr::from(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The receiver adds up all words and gets all ones.
    #[test]
    fn the_checksum_holds() {
        let words = request();
        let sum: u32 = words
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }

    #[test]
    fn only_answers_to_our_own_requests_count() {
        let mut packet = vec![0x45; 20];
        packet[12..16].copy_from_slice(&[10, 98, 200, 1]);
        packet.extend(request());
        assert_eq!(reply(&packet), None, "a request");
        packet[20] = ECHO_REPLY;
        assert_eq!(reply(&packet), Some(Ipv4Addr::new(10, 98, 200, 1)));
        packet[24] ^= 1;
        assert_eq!(reply(&packet), None, "somebody else's");
        for len in 0..28 {
            assert_eq!(reply(&packet[..len]), None);
        }
    }
}
