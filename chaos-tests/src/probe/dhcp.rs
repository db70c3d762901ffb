//! A DHCPDISCOVER as firmware and iPXE send it, and what is in the offers that come back.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use super::answers;

const BOOTP_BYTES: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const PAD: u8 = 0;
const END: u8 = 255;
const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;

/// Which program asks, by the options it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A BIOS's PXE firmware: class, architecture, machine id.
    Pxe,
    /// iPXE: its user class beside them.
    Ipxe,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who is offered what.
    pub address: Ipv4Addr,
    /// `siaddr`, unspecified if it is not set.
    pub next_server: Ipv4Addr,
    /// Whether `sname` or `file` says anything.
    pub names_a_file: bool,
    /// Options by code.
    pub options: BTreeMap<u8, Vec<u8>>,
}

impl Offer {
    /// Option 54.
    pub fn server(&self) -> Ipv4Addr {
        let octets: [u8; 4] = self.options[&54].as_slice().try_into().unwrap();
        octets.into()
    }

    /// Option 67 as text.
    pub fn boot_file(&self) -> Option<String> {
        let file = self.options.get(&67)?;
        Some(String::from_utf8(file.clone()).unwrap())
    }

    /// Everything in it that makes a machine boot from the network.
    pub fn boot_options(&self) -> Vec<String> {
        let fields = [
            (self.names_a_file, "sname or file"),
            (!self.next_server.is_unspecified(), "siaddr"),
        ];
        let options = [43, 60, 66, 67, 150, 175].into_iter();
        let options = options.filter(|code| self.options.contains_key(code));
        let fields = fields.into_iter().filter(|(set, _)| *set);
        fields
            .map(|(_, name)| name.to_owned())
            .chain(options.map(|code| format!("option {code}")))
            .collect()
    }
}

/// Sends a DHCPDISCOVER of this MAC to `to` and gives every offer. They are asked for by broadcast, as the interface has
/// another address than the one offered.
pub fn discover(mac: [u8; 6], asks: Asks, to: Ipv4Addr) -> Vec<Offer> {
    let socket = UdpSocket::bind(("0.0.0.0", CLIENT_PORT)).unwrap();
    socket.set_broadcast(true).unwrap();
    let packet = packet(mac, asks);
    socket
        .send_to(&packet, SocketAddrV4::new(to, SERVER_PORT))
        .unwrap();
    let answers = answers(&socket).into_iter();
    let own = answers.filter(|(_, bytes)| bytes[4..8] == packet[4..8] && bytes[28..34] == mac);
    own.map(|(_, bytes)| parse(&bytes)).collect()
}

fn packet(mac: [u8; 6], asks: Asks) -> Vec<u8> {
    static XID: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0x9700_0000);
    let xid = XID.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut packet = vec![0; BOOTP_BYTES];
    packet[..4].copy_from_slice(&[1, 1, 6, 0]);
    packet[4..8].copy_from_slice(&xid.to_be_bytes());
    packet[10] = 0x80;
    packet[28..34].copy_from_slice(&mac);
    packet.extend(COOKIE);
    let mut option = |code: u8, value: &[u8]| {
        packet.extend([code, u8::try_from(value.len()).unwrap()]);
        packet.extend(value);
    };
    option(53, &[1]);
    option(55, &[1, 3, 6, 12, 15, 28, 43, 60, 66, 67, 150, 175]);
    option(60, b"PXEClient:Arch:00000:UNDI:002001");
    option(93, &[0, 0]);
    option(94, &[1, 2, 1]);
    option(97, &[0; 17]);
    if asks == Asks::Ipxe {
        option(77, b"iPXE");
    }
    packet.push(END);
    packet
}

fn parse(bytes: &[u8]) -> Offer {
    let address = |at: usize| {
        let octets: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
        Ipv4Addr::from(octets)
    };
    assert_eq!(bytes[BOOTP_BYTES..BOOTP_BYTES + 4], COOKIE);
    let (mut rest, mut options) = (&bytes[BOOTP_BYTES + 4..], BTreeMap::new());
    loop {
        match rest {
            [PAD, more @ ..] => rest = more,
            [END, ..] | [] => break,
            [code, len, more @ ..] => {
                let (value, more) = more.split_at(usize::from(*len));
                options.entry(*code).or_insert_with(Vec::new).extend(value);
                rest = more;
            }
            [_] => panic!("an option without a length: {bytes:?}"),
        }
    }
    assert_eq!(options[&53], [2], "an OFFER");
    Offer {
        address: address(16),
        next_server: address(20),
        names_a_file: bytes[44..BOOTP_BYTES].iter().any(|byte| *byte != 0),
        options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(tail: &[u8]) -> Offer {
        let mut bytes = vec![0; BOOTP_BYTES];
        bytes[16..20].copy_from_slice(&[10, 98, 5, 1]);
        bytes.extend(COOKIE);
        bytes.extend([53, 1, 2, 54, 4, 10, 98, 0, 1]);
        bytes.extend(tail);
        bytes.push(END);
        parse(&bytes)
    }

    /// The check that a BMC gets no boot options must be able to find one.
    #[test]
    fn boot_options_are_found_wherever_they_stand() {
        let none = offer(&[12, 1, b'a']);
        assert_eq!(
            (none.server(), none.boot_options()),
            ([10, 98, 0, 1].into(), vec![])
        );
        let file = offer(&[67, 2, b'h', b'i', PAD, 66, 1, b'x']);
        assert_eq!(file.boot_options(), ["option 66", "option 67"]);
        assert_eq!(file.boot_file().unwrap(), "hi");
        let fields = Offer {
            next_server: [10, 97, 0, 1].into(),
            names_a_file: true,
            ..none
        };
        assert_eq!(fields.boot_options(), ["sname or file", "siaddr"]);
    }

    #[test]
    fn a_discover_is_what_the_parser_of_offers_reads_but_for_its_type() {
        let packet = packet([2, 0, 0, 0, 0, 1], Asks::Ipxe);
        assert!(packet.windows(6).any(|part| part == b"\x4d\x04iPXE"));
        assert_eq!(packet[BOOTP_BYTES + 4..BOOTP_BYTES + 7], [53, 1, 1]);
    }
}
