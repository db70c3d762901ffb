//! Packets for tests, byte by byte.

use std::net::Ipv4Addr;

use model::MacAddr;

/// A client's packet, built without the code under test.
#[derive(Clone, Debug)]
pub(crate) struct RawPacket {
    pub(crate) xid: u32,
    pub(crate) flags: u16,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) mac: MacAddr,
    pub(crate) options: Vec<u8>,
}

impl RawPacket {
    /// The MAC of every packet that does not set another.
    pub(crate) const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa1]);

    /// A message of this type (option 53) without other options.
    pub(crate) fn new(message_type: u8) -> RawPacket {
        RawPacket {
            xid: 0x1234_5678,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            mac: RawPacket::MAC,
            options: vec![53, 1, message_type],
        }
    }

    /// A DHCPDISCOVER.
    pub(crate) fn discover() -> RawPacket {
        RawPacket::new(1)
    }

    /// Adds options, code and value.
    pub(crate) fn options(mut self, options: &[(u8, &[u8])]) -> RawPacket {
        for (code, value) in options {
            self.options.push(*code);
            self.options.push(value.len() as u8);
            self.options.extend_from_slice(value);
        }
        self
    }

    /// The packet.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut packet = vec![0; 240];
        packet[..4].copy_from_slice(&[1, 1, 6, 0]);
        packet[4..8].copy_from_slice(&self.xid.to_be_bytes());
        packet[10..12].copy_from_slice(&self.flags.to_be_bytes());
        packet[12..16].copy_from_slice(&self.ciaddr.octets());
        packet[24..28].copy_from_slice(&self.giaddr.octets());
        packet[28..34].copy_from_slice(&self.mac.0);
        packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
        packet.extend_from_slice(&self.options);
        packet.push(255);
        packet
    }
}
