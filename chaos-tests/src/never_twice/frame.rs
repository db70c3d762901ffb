//! Ethernet frames of DHCP clients that have no address yet, and the ARP of those that have one. By hand, because the system
//! would take a thousand clients behind one port for one.

use std::net::Ipv4Addr;

/// A MAC address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [255; 6];
const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
const ETHERNET: usize = 14;
const UDP: usize = 8;
const IPV4_TYPE: [u8; 2] = [0x08, 0x00];
const ARP_TYPE: [u8; 2] = [0x08, 0x06];
/// Ethernet, IPv4, lengths of both.
const ARP_KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_REQUEST: u8 = 1;
const ARP_REPLY: u8 = 2;

/// What a client's port hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Somebody's message to DHCP clients.
    ToClients(&'a [u8]),
    /// Somebody asks who has an address.
    WhoHas {
        /// Who asks.
        mac: Mac,
        /// The address of who asks; 0.0.0.0 in a probe.
        sender: Ipv4Addr,
        /// The address in question.
        target: Ipv4Addr,
    },
    /// Somebody says that it has an address.
    Has {
        /// Who says it.
        mac: Mac,
        /// Which one.
        address: Ipv4Addr,
    },
}

/// Reads a frame; `None` for anything else, and for what is cut off.
pub fn read(frame: &[u8]) -> Option<Heard<'_>> {
    let body = frame.get(ETHERNET..)?;
    match <[u8; 2]>::try_from(frame.get(12..ETHERNET)?).ok()? {
        IPV4_TYPE => read_udp(body).map(Heard::ToClients),
        ARP_TYPE => read_arp(body),
        _ => None,
    }
}

fn read_udp(packet: &[u8]) -> Option<&[u8]> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    // Ethernet pads short packets, so the IP header says where this one ends
    let length = u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]);
    let packet = packet.get(..usize::from(length))?;
    let udp = packet.get(header..)?;
    let is_to_clients = packet.get(9) == Some(&17) && udp.get(2..4)? == CLIENT_PORT.to_be_bytes();
    is_to_clients.then(|| udp.get(UDP..)).flatten()
}

fn read_arp(packet: &[u8]) -> Option<Heard<'_>> {
    let packet: &[u8; 28] = packet.first_chunk()?;
    if packet[..6] != ARP_KIND {
        return None;
    }
    let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    let mac: Mac = packet[8..14].try_into().ok()?;
    let (sender, target) = (address(14), address(24));
    Some(match packet[7] {
        // who announces an address asks for it himself
        ARP_REQUEST if sender != target => Heard::WhoHas { mac, sender, target },
        _ => Heard::Has { mac, address: sender },
    })
}

fn ethernet(to: Mac, from: Mac, kind: [u8; 2]) -> Vec<u8> {
    [&to[..], &from, &kind].concat()
}

/// `payload` from a client to a server; without a MAC to everybody on the link.
pub fn to_server(from: (Mac, Ipv4Addr), to: Option<(Mac, Ipv4Addr)>, payload: &[u8]) -> Vec<u8> {
    let (to_mac, to_address) = to.unwrap_or((BROADCAST, Ipv4Addr::BROADCAST));
    let udp_length = u16::try_from(UDP + payload.len()).unwrap_or(u16::MAX);
    let mut ip = vec![0x45, 0];
    ip.extend((20 + udp_length).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(from.1.octets());
    ip.extend(to_address.octets());
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    let mut frame = ethernet(to_mac, from.0, IPV4_TYPE);
    frame.extend(ip);
    for word in [CLIENT_PORT, SERVER_PORT, udp_length, 0] {
        frame.extend(word.to_be_bytes()); // the last is the checksum: none (RFC 768)
    }
    frame.extend(payload);
    frame
}

/// Asks everybody who has `target`, without an address of one's own.
pub fn who_has(from: Mac, target: Ipv4Addr) -> Vec<u8> {
    arp(ARP_REQUEST, (from, Ipv4Addr::UNSPECIFIED), (BROADCAST, target))
}

/// Tells `to` that `from` has its address.
pub fn has(from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr)) -> Vec<u8> {
    arp(ARP_REPLY, from, to)
}

fn arp(operation: u8, from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut frame = ethernet(to.0, from.0, ARP_TYPE);
    frame.extend(ARP_KIND);
    frame.extend([0, operation]);
    for (mac, address) in [from, to] {
        frame.extend(mac);
        frame.extend(address.octets());
    }
    frame
}

fn checksum(header: &[u8]) -> u16 {
    let words = header
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: (Mac, Ipv4Addr) = ([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 97, 0, 1));
    const OTHER: (Mac, Ipv4Addr) = ([2, 0, 0, 0, 0, 2], Ipv4Addr::new(10, 97, 2, 1));

    #[test]
    fn a_question_and_its_answer_are_read() {
        let frame = who_has(OTHER.0, ONE.1);
        let asked = Heard::WhoHas {
            mac: OTHER.0,
            sender: Ipv4Addr::UNSPECIFIED,
            target: ONE.1,
        };
        assert_eq!(read(&frame), Some(asked));
        let (mac, address) = ONE;
        assert_eq!(read(&has(ONE, OTHER)), Some(Heard::Has { mac, address }));
        assert_eq!(
            read(&arp(ARP_REQUEST, ONE, (BROADCAST, ONE.1))),
            Some(Heard::Has { mac, address }),
            "an announcement"
        );
    }

    /// The header's sum with its checksum is 0 (RFC 1071); what clients send is not for clients.
    #[test]
    fn a_message_to_the_server_is_whole() {
        let frame = to_server(OTHER, Some(ONE), b"hello");
        assert_eq!(checksum(&frame[ETHERNET..ETHERNET + 20]), 0);
        assert_eq!(&frame[frame.len() - 5..], b"hello");
        assert_eq!(frame[..6], ONE.0);
        assert_eq!(read(&frame), None);
        assert_eq!(to_server(OTHER, None, b"")[..6], BROADCAST);
    }

    #[test]
    fn a_message_to_clients_is_read_without_padding() {
        let mut frame = to_server(OTHER, Some(ONE), b"hello");
        let ports = ETHERNET + 20;
        frame[ports..ports + 4].copy_from_slice(&[0, 67, 0, 68]);
        frame.extend([0; 18]);
        assert_eq!(read(&frame), Some(Heard::ToClients(b"hello")));
        assert_eq!(read(&frame[..30]), None, "cut off");
        assert_eq!(read(&[]), None);
    }
}
