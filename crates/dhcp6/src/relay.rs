//! Relays around a client's message: read from outside in, written around the answer from inside out.
//! Source: RFC 8415 section 19; RFC 6939 (the client's MAC), RFC 8357 (relays on other ports).

use std::net::Ipv6Addr;

use model::MacAddr;

use crate::counters::Count;
use crate::precheck::{Left, Options};

/// Most relays around a message, and the highest hop count that is taken (RFC 8415: HOP_COUNT_LIMIT).
pub const RELAYS_MAX: usize = 8;

/// Type, hop count, link address and peer address.
const HEADER_BYTES: usize = 34;
const RELAY_REPL: u8 = 13;
const RELAY_MESSAGE: u16 = 9;
const INTERFACE_ID: u16 = 18;
const CLIENT_LINK_LAYER_ADDRESS: u16 = 79;
const RELAY_SOURCE_PORT: u16 = 135;
const ETHERNET: [u8; 2] = [0, 1];

/// One RELAY-FORW without the message in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay<'a> {
    /// How many relays the message had passed before this one.
    pub hop_count: u8,
    /// An address on the link that the message came to the relay from; unspecified where it only knows the interface.
    pub link: Ipv6Addr,
    /// Who the relay had the message from: the client or the next relay inside.
    pub peer: Ipv6Addr,
    /// What the relay finds the interface by; comes back byte for byte.
    pub interface_id: Option<&'a [u8]>,
    /// The MAC of the client, as the relay saw it in the frame.
    pub client_mac: Option<MacAddr>,
    /// The relay listens on the port that it has sent from; the value comes back as it is.
    pub source_port: Option<&'a [u8]>,
}

impl<'a> Relay<'a> {
    /// The relay's part of a RELAY-FORW, and the message in it.
    pub(crate) fn parse(packet: &'a [u8], left: &mut Left) -> Result<(Relay<'a>, &'a [u8]), Count> {
        let (header, options) = packet
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Count::TooShort)?;
        let hop_count = header[1];
        if usize::from(hop_count) > RELAYS_MAX {
            return Err(Count::TooManyRelays);
        }
        let options = Options::walk(options, left)?;
        let inner = options.single(RELAY_MESSAGE)?.ok_or(Count::RelayWithoutMessage)?;
        let relay = Relay {
            hop_count,
            link: address(&header[2..18])?,
            peer: address(&header[18..34])?,
            interface_id: options.single(INTERFACE_ID)?,
            client_mac: options
                .single(CLIENT_LINK_LAYER_ADDRESS)?
                .map(client_mac)
                .transpose()?
                .flatten(),
            source_port: options.single(RELAY_SOURCE_PORT)?,
        };
        match relay.source_port {
            Some(port) if port.len() != 2 => Err(Count::MalformedOption),
            _ => Ok((relay, inner)),
        }
    }

    fn wrap(&self, message: &[u8]) -> Vec<u8> {
        let mut around = Vec::with_capacity(HEADER_BYTES + 64 + message.len());
        around.extend_from_slice(&[RELAY_REPL, self.hop_count]);
        around.extend_from_slice(&self.link.octets());
        around.extend_from_slice(&self.peer.octets());
        put(&mut around, INTERFACE_ID, self.interface_id);
        put(&mut around, RELAY_SOURCE_PORT, self.source_port);
        put(&mut around, RELAY_MESSAGE, Some(message));
        around
    }
}

/// The answer for the outermost relay: each gets its own RELAY-REPL with the rest in it.
pub(crate) fn wrap(relays: &[Relay<'_>], message: Vec<u8>) -> Vec<u8> {
    relays
        .iter()
        .rev()
        .fold(message, |inner, relay| relay.wrap(&inner))
}

fn put(message: &mut Vec<u8>, code: u16, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    // what is echoed came in one datagram and what we write is shorter than 64 KiB by far
    let len = u16::try_from(value.len()).expect("a value fits its option");
    message.extend_from_slice(&code.to_be_bytes());
    message.extend_from_slice(&len.to_be_bytes());
    message.extend_from_slice(value);
}

fn address(bytes: &[u8]) -> Result<Ipv6Addr, Count> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| Count::TooShort)?;
    Ok(bytes.into())
}

/// `None` for hardware that has no MAC.
fn client_mac(value: &[u8]) -> Result<Option<MacAddr>, Count> {
    let (kind, hardware) = value.split_first_chunk::<2>().ok_or(Count::MalformedOption)?;
    if *kind != ETHERNET {
        return Ok(None);
    }
    let mac = hardware.try_into().map_err(|_| Count::MalformedOption)?;
    Ok(Some(MacAddr(mac)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::precheck::check;
    use crate::testing::{NODE, RawMessage, relayed};

    const LINK: &str = "fd00:98::1";
    const PEER: &str = "fe80::a1";

    fn solicit() -> Vec<u8> {
        RawMessage::new(1).bytes()
    }

    /// `n` relays, each with the number of those inside it as its hop count.
    fn nested(n: usize) -> Vec<u8> {
        (0..n).fold(solicit(), |inner, hops| {
            relayed(&inner, hops as u8, LINK, PEER, &[(18, &[hops as u8; 3])])
        })
    }

    #[test]
    fn a_relay_is_read_with_what_it_knows_of_the_client() {
        let mac = [&[0, 1][..], &NODE.0].concat();
        let packet = relayed(
            &solicit(),
            0,
            LINK,
            PEER,
            &[(18, b"eth0"), (79, &mac), (135, &[0, 0])],
        );
        let relays = check(&packet).unwrap().relays;
        let expected = Relay {
            hop_count: 0,
            link: LINK.parse().unwrap(),
            peer: PEER.parse().unwrap(),
            interface_id: Some(b"eth0"),
            client_mac: Some(NODE),
            source_port: Some(&[0, 0]),
        };
        assert_eq!(relays, [expected]);
    }

    #[test]
    fn nesting_has_a_bound() {
        assert_eq!(check(&nested(RELAYS_MAX)).unwrap().relays.len(), RELAYS_MAX);
        let deeper = (0..2000).fold(nested(RELAYS_MAX), |inner, _| {
            if inner.len() > 60_000 {
                return inner;
            }
            relayed(&inner, 0, LINK, PEER, &[])
        });
        assert_eq!(check(&deeper).unwrap_err(), Count::TooManyRelays);
        let far = relayed(&solicit(), 9, LINK, PEER, &[]);
        assert_eq!(
            check(&far).unwrap_err(),
            Count::TooManyRelays,
            "it says so itself"
        );
    }

    #[test]
    fn a_relay_without_one_message_is_dropped() {
        let mut header = vec![12, 0];
        header.extend_from_slice(&[0; 32]);
        assert_eq!(check(&header).unwrap_err(), Count::RelayWithoutMessage);
        assert_eq!(check(&header[..33]).unwrap_err(), Count::TooShort);
        let twice = relayed(&solicit(), 0, LINK, PEER, &[(9, &solicit())]);
        assert_eq!(check(&twice).unwrap_err(), Count::DuplicateOption);
        let empty = [&header[..], &[0, 9, 0, 0]].concat();
        assert_eq!(check(&empty).unwrap_err(), Count::TooShort);
    }

    #[test]
    fn what_a_relay_says_of_the_client_is_a_mac_or_nothing() {
        let with = |value: &[u8]| relayed(&solicit(), 0, LINK, PEER, &[(79, value)]);
        for malformed in [
            &[][..],
            &[0],
            &[0, 1],
            &[0, 1, 2, 0, 0],
            &[0, 1, 2, 0, 0, 0, 0, 1, 1],
        ] {
            assert_eq!(
                check(&with(malformed)).unwrap_err(),
                Count::MalformedOption,
                "{malformed:?}"
            );
        }
        let infiniband = with(&[0, 32, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(check(&infiniband).unwrap().relays[0].client_mac, None);
    }

    /// A relay finds the port of its client in it, so not a byte may change.
    #[test]
    fn each_relay_gets_back_what_it_sent() {
        let packet = nested(3);
        let relays = check(&packet).unwrap().relays;
        let mut rest = &wrap(&relays, b"answer".to_vec())[..];
        for hops in [2_u8, 1, 0] {
            assert_eq!(rest[..2], [13, hops]);
            assert_eq!(rest[2..34], packet[2..34]);
            assert_eq!(rest[34..41], [0, 18, 0, 3, hops, hops, hops]);
            assert_eq!(rest[41..43], [0, 9]);
            let len = usize::from(u16::from_be_bytes([rest[43], rest[44]]));
            rest = &rest[45..];
            assert_eq!(rest.len(), len);
        }
        assert_eq!(rest, b"answer");
    }

    #[test]
    fn an_odd_interface_id_comes_back_byte_for_byte() {
        for id in [&[][..], &[0], &[0, 18, 0, 1, 0xff], &[0xff; 300]] {
            let packet = relayed(&solicit(), 0, LINK, PEER, &[(18, id)]);
            let answer = wrap(&check(&packet).unwrap().relays, Vec::new());
            let expected = [&[0, 18][..], &(id.len() as u16).to_be_bytes(), id, &[0, 9, 0, 0]].concat();
            assert_eq!(answer[34..], expected);
        }
    }
}
