//! DHCP packets as iPXE and a relay write them, and the part of a server's answer that they read.
//!
//! By hand and not with the server's codec, so that the two are independent judges of the format (RFC 2131, 2132).

use std::net::Ipv4Addr;

use model::MacAddr;

/// Option 60 of a real iPXE.
const CLASS: &[u8] = b"PXEClient:Arch:00000:UNDI:002001";
/// Option 175 of a real iPXE, shortened: a few features of the encapsulated list.
const IPXE_FEATURES: &[u8] = &[177, 5, 1, 0x1a, 0xf4, 0x10, 0x00, 19, 1, 1, 24, 1, 1];
/// Option 55 of a real iPXE.
const PARAMETERS: &[u8] = &[
    1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203,
];
/// Option 82: a relay whose port is not 67 asks for answers to the port it sent from (RFC 8357: sub-option 19, empty).
pub(crate) const RELAY_INFORMATION: &[u8] = &[19, 0];

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const FIXED_BYTES: usize = 240;
/// Options lie within this; relays and servers expect at least it.
const PACKET_BYTES_MIN: usize = 300;

/// The messages of one acquisition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Ack = 5,
    Nak = 6,
}

/// What a node asks through its relay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) kind: Kind,
    pub(crate) xid: u32,
    /// Seconds since the node began, as it tells in `secs`.
    pub(crate) secs: u16,
    pub(crate) mac: MacAddr,
    /// The relay's address (`giaddr`).
    pub(crate) relay: Ipv4Addr,
    /// Server and address that a REQUEST takes.
    pub(crate) selected: Option<(Ipv4Addr, Ipv4Addr)>,
}

impl Question {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut packet = vec![0; FIXED_BYTES];
        packet[..4].copy_from_slice(&[1, 1, 6, 1]); // BOOTREQUEST, Ethernet, its length, one hop
        packet[4..8].copy_from_slice(&self.xid.to_be_bytes());
        packet[8..10].copy_from_slice(&self.secs.to_be_bytes());
        packet[24..28].copy_from_slice(&self.relay.octets());
        packet[28..34].copy_from_slice(&self.mac.0);
        packet[236..].copy_from_slice(&COOKIE);
        let mut option = |code: u8, value: &[u8]| {
            packet.push(code);
            packet.push(u8::try_from(value.len()).expect("our options are short"));
            packet.extend_from_slice(value);
        };
        option(53, &[self.kind as u8]);
        option(57, &1472u16.to_be_bytes());
        option(93, &[0, 0]);
        option(94, &[1, 2, 1]);
        option(60, CLASS);
        option(77, b"iPXE");
        option(55, PARAMETERS);
        option(175, IPXE_FEATURES);
        let mut client_id = vec![1];
        client_id.extend_from_slice(&self.mac.0);
        option(61, &client_id);
        if let Some((server, address)) = self.selected {
            option(54, &server.octets());
            option(50, &address.octets());
        }
        option(82, RELAY_INFORMATION);
        packet.push(255);
        packet.resize(packet.len().max(PACKET_BYTES_MIN), 0);
        packet
    }
}

/// The part of a server's answer that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) kind: Kind,
    pub(crate) xid: u32,
    pub(crate) address: Ipv4Addr,
    pub(crate) relay: Ipv4Addr,
    pub(crate) mac: MacAddr,
    /// Option 54.
    pub(crate) server: Option<Ipv4Addr>,
    /// Option 67.
    pub(crate) bootfile: Option<String>,
    /// Option 51, seconds.
    pub(crate) lease_s: Option<u32>,
    /// Option 82, as it came back.
    pub(crate) relay_information: Option<Vec<u8>>,
}

/// The xid of anything long enough to have one, for the relay.
pub(crate) fn xid(packet: &[u8]) -> Option<u32> {
    (packet.len() >= FIXED_BYTES).then(|| u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]))
}

impl Answer {
    /// Reads a BOOTREPLY for an Ethernet client; `None` for anything else.
    pub(crate) fn decode(packet: &[u8]) -> Option<Answer> {
        let fixed: &[u8; FIXED_BYTES] = packet.first_chunk()?;
        let right_kind = fixed[..3] == [2, 1, 6] && fixed[236..] == COOKIE;
        if !right_kind {
            return None;
        }
        let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        let mut answer = Answer {
            kind: Kind::Nak,
            xid: xid(packet)?,
            address: address(16),
            relay: address(24),
            mac: MacAddr([fixed[28], fixed[29], fixed[30], fixed[31], fixed[32], fixed[33]]),
            server: None,
            bootfile: None,
            lease_s: None,
            relay_information: None,
        };
        let mut kind = None;
        for (code, value) in options(&packet[FIXED_BYTES..])? {
            match code {
                53 => kind = Some(message_kind(value)?),
                51 => answer.lease_s = Some(u32::from_be_bytes(value.try_into().ok()?)),
                54 => answer.server = Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?)),
                67 => answer.bootfile = Some(String::from_utf8(value.to_vec()).ok()?),
                82 => answer.relay_information = Some(value.to_vec()),
                _ => {}
            }
        }
        answer.kind = kind?;
        Some(answer)
    }
}

fn message_kind(value: &[u8]) -> Option<Kind> {
    match value {
        [2] => Some(Kind::Offer),
        [5] => Some(Kind::Ack),
        [6] => Some(Kind::Nak),
        _ => None,
    }
}

/// Code and value of each option up to the end mark; `None` if one is cut off or there is no end.
fn options(mut rest: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut options = Vec::new();
    loop {
        let (&code, after) = rest.split_first()?;
        match code {
            0 => rest = after,
            255 => return Some(options),
            code => {
                let (&length, after) = after.split_first()?;
                let (value, after) = after.split_at_checked(usize::from(length))?;
                options.push((code, value));
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
    const RELAY: Ipv4Addr = Ipv4Addr::new(127, 9, 2, 1);

    fn question(kind: Kind) -> Question {
        Question {
            kind,
            xid: 0x0102_0304,
            secs: 7,
            mac: MAC,
            relay: RELAY,
            selected: None,
        }
    }

    /// What a server would make of it: the same bytes with the direction turned round.
    fn turned(mut packet: Vec<u8>, kind: u8) -> Vec<u8> {
        packet[0] = 2;
        packet[242] = kind;
        packet
    }

    #[test]
    fn a_discover_says_what_a_real_ipxe_behind_a_relay_says() {
        let packet = question(Kind::Discover).encode();
        let options = options(&packet[FIXED_BYTES..]).unwrap();
        let option = |code| {
            options
                .iter()
                .find(|(found, _)| *found == code)
                .map(|(_, value)| *value)
        };
        assert_eq!(option(53), Some(&[1][..]));
        assert_eq!(option(77), Some(&b"iPXE"[..]));
        assert_eq!(option(93), Some(&[0, 0][..]));
        assert_eq!(option(61), Some(&[1, 2, 0, 0, 0, 0, 9][..]));
        assert!(option(60).unwrap().starts_with(b"PXEClient:"));
        assert!(option(175).is_some());
        assert_eq!(
            options.last(),
            Some(&(82, &[19, 0][..])),
            "relay information comes last (RFC 3046)"
        );
        assert_eq!(packet[24..28], RELAY.octets());
        assert!(packet.len() >= PACKET_BYTES_MIN);
    }

    #[test]
    fn a_request_names_server_and_address() {
        let (server, address) = (Ipv4Addr::new(127, 9, 0, 1), Ipv4Addr::new(127, 9, 16, 1));
        let packet = Question {
            selected: Some((server, address)),
            ..question(Kind::Request)
        }
        .encode();
        let options = options(&packet[FIXED_BYTES..]).unwrap();
        assert!(options.contains(&(54, &server.octets()[..])));
        assert!(options.contains(&(50, &address.octets()[..])));
    }

    #[test]
    fn an_answer_is_read() {
        let mut packet = turned(question(Kind::Discover).encode(), 5);
        packet[16..20].copy_from_slice(&[127, 9, 16, 1]);
        let answer = Answer::decode(&packet).unwrap();
        assert_eq!(
            (answer.kind, answer.xid, answer.mac, answer.relay),
            (Kind::Ack, 0x0102_0304, MAC, RELAY)
        );
        assert_eq!(answer.address, Ipv4Addr::new(127, 9, 16, 1));
        assert_eq!(answer.relay_information.as_deref(), Some(RELAY_INFORMATION));
        assert_eq!(answer.server, None);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let packet = turned(question(Kind::Discover).encode(), 2);
        assert!(Answer::decode(&packet).is_some());
        assert!(
            Answer::decode(&question(Kind::Discover).encode()).is_none(),
            "a request"
        );
        let end = packet.iter().rposition(|byte| *byte == 255).unwrap();
        for length in [0, 239, 240, 250, end] {
            assert!(Answer::decode(&packet[..length]).is_none(), "{length} bytes");
        }
        let mut cookie = packet.clone();
        cookie[236] = 0;
        assert!(Answer::decode(&cookie).is_none());
        assert!(
            Answer::decode(&turned(packet, 9)).is_none(),
            "an unknown message type"
        );
    }
}
