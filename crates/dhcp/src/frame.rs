//! An IPv4 packet with a UDP datagram, for clients that the system's own stack cannot reach because they have no
//! address yet (RFC 791, RFC 768). Pure.

use std::net::SocketAddrV4;

const IP_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const UDP: u8 = 17;
/// Hops a reply may take; the client is on the link.
const TIME_TO_LIVE: u8 = 64;

/// Writes headers and payload into `packet`, which is cleared first. False if the payload is too long for a datagram;
/// `packet` is empty then.
pub(crate) fn write(packet: &mut Vec<u8>, from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> bool {
    packet.clear();
    let udp_len = UDP_BYTES + payload.len();
    let (Ok(ip_len), Ok(udp_len)) = (u16::try_from(IP_BYTES + udp_len), u16::try_from(udp_len)) else {
        return false;
    };
    let [ip_hi, ip_lo] = ip_len.to_be_bytes();
    // Version and header length, service, length; id, don't fragment; TTL, protocol, checksum below.
    packet.extend_from_slice(&[0x45, 0, ip_hi, ip_lo, 0, 0, 0x40, 0, TIME_TO_LIVE, UDP, 0, 0]);
    packet.extend_from_slice(&from.ip().octets());
    packet.extend_from_slice(&to.ip().octets());
    let header_sum = checksum(0, &packet[..IP_BYTES]);
    packet[10..12].copy_from_slice(&header_sum.to_be_bytes());

    packet.extend_from_slice(&from.port().to_be_bytes());
    packet.extend_from_slice(&to.port().to_be_bytes());
    packet.extend_from_slice(&udp_len.to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    let pseudo_header = u32::from(UDP) + u32::from(udp_len) + sum(&packet[12..IP_BYTES]);
    // 0 would mean "no checksum" (RFC 768).
    let udp_sum = match checksum(pseudo_header, &packet[IP_BYTES..]) {
        0 => 0xffff,
        sum => sum,
    };
    packet[IP_BYTES + 6..IP_BYTES + 8].copy_from_slice(&udp_sum.to_be_bytes());
    true
}

/// The Internet checksum (RFC 1071), with a sum to begin with.
fn checksum(start: u32, bytes: &[u8]) -> u16 {
    let mut total = start + sum(bytes);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

/// 16-bit words added up; at most 65,535 bytes, so 32 bits hold it.
fn sum(bytes: &[u8]) -> u32 {
    let (words, last) = bytes.as_chunks::<2>();
    let words: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    words + last.first().map_or(0, |&byte| u32::from(byte) << 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn at(last: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, last), port)
    }

    /// The example header of RFC 1071's usual illustration: its checksum is b861.
    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0x00, 0x01, 0xc0,
            0xa8, 0x00, 0xc7,
        ];
        assert_eq!(checksum(0, &header), 0xb861);
    }

    #[test]
    fn a_small_packet_is_as_the_rfcs_draw_it() {
        let mut packet = vec![1; 99];
        assert!(write(&mut packet, at(1, 67), at(199, 68), b"abc"));
        assert_eq!(packet.len(), 31);
        assert_eq!(packet[..10], [0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17]);
        assert_eq!(packet[12..20], [192, 168, 0, 1, 192, 168, 0, 199]);
        assert_eq!(packet[20..26], [0, 67, 0, 68, 0, 11]);
        assert_eq!(&packet[28..], b"abc");
    }

    #[test]
    fn a_payload_beyond_a_datagram_is_refused() {
        let mut packet = Vec::new();
        assert!(write(&mut packet, at(1, 67), at(2, 68), &vec![0; 65_507]));
        assert!(!write(&mut packet, at(1, 67), at(2, 68), &vec![0; 65_508]));
        assert!(packet.is_empty());
    }

    proptest! {
        /// A receiver adds everything up, checksum included, and gets all ones.
        #[test]
        fn both_checksums_hold(payload in proptest::collection::vec(any::<u8>(), 0..1500), a: u8, b: u8) {
            let mut packet = Vec::new();
            prop_assert!(write(&mut packet, at(a, 67), at(b, 68), &payload));
            prop_assert_eq!(checksum(0, &packet[..20]), 0);
            let pseudo_header = sum(&packet[12..20]) + 17 + (packet.len() as u32 - 20);
            prop_assert_eq!(checksum(pseudo_header, &packet[20..]), 0);
            prop_assert_ne!(&packet[26..28], &[0, 0]);
        }
    }
}
