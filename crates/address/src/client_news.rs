//! The datagram in which a holder tells another member which TCP connections clients have opened and ended on the
//! service address, so that a successor can free them (`probe.rs`).
//!
//! It begins as an advert does ([`crate::advert`]), with `CHAC` and version 1, and shares its sequence. Then, numbers
//! big-endian, the length exact: 2 bytes how many are open, 2 how many have ended, for each 8 bytes (the client's
//! address and port, the port at the service address), and the HMAC. A connection's state is told, not a change of it:
//! a repeated or missing datagram does no harm.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::advert::{AdvertError, AdvertKey};
use crate::head::{Head, sign, verified};

/// Most connections in one datagram: with the longest head, 1,442 bytes, which fit one Ethernet frame.
pub(crate) const CONNECTIONS_PER_DATAGRAM_MAX: usize = 160;
/// Longest datagram of this kind, bytes.
pub(crate) const CLIENT_NEWS_BYTES_MAX: usize = crate::head::HEAD_FIXED_BYTES
    + crate::advert::NETWORK_NAME_BYTES_MAX
    + 4
    + CONNECTIONS_PER_DATAGRAM_MAX * CONNECTION_BYTES
    + crate::head::MAC_BYTES;

const MAGIC: [u8; 4] = *b"CHAC";
const VERSION: u8 = 1;
const CONNECTION_BYTES: usize = 8;

/// A TCP connection on a service address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Connection {
    pub(crate) client: SocketAddrV4,
    /// At the service address.
    pub(crate) port: u16,
}

/// Some connections and whether each is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientNews {
    pub(crate) head: Head,
    pub(crate) open: Vec<Connection>,
    pub(crate) ended: Vec<Connection>,
}

impl ClientNews {
    /// The datagram; of more than [`CONNECTIONS_PER_DATAGRAM_MAX`] connections the rest is left out.
    pub(crate) fn encode(&self, key: &AdvertKey) -> Vec<u8> {
        debug_assert!(self.open.len() + self.ended.len() <= CONNECTIONS_PER_DATAGRAM_MAX);
        let open = &self.open[..self.open.len().min(CONNECTIONS_PER_DATAGRAM_MAX)];
        let ended = &self.ended[..self.ended.len().min(CONNECTIONS_PER_DATAGRAM_MAX - open.len())];
        let connections = (open.len() + ended.len()) * CONNECTION_BYTES;
        let mut bytes = self.head.encode(MAGIC, VERSION, 4 + connections);
        for list in [open, ended] {
            let count = u16::try_from(list.len()).expect("at most 160");
            bytes.extend_from_slice(&count.to_be_bytes());
        }
        for connection in open.iter().chain(ended) {
            bytes.extend_from_slice(&connection.client.ip().octets());
            bytes.extend_from_slice(&connection.client.port().to_be_bytes());
            bytes.extend_from_slice(&connection.port.to_be_bytes());
        }
        sign(bytes, key)
    }

    /// Whether a datagram says that it is of this kind.
    pub(crate) fn is_named(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Reads a datagram and checks its HMAC.
    ///
    /// # Errors
    /// `Malformed` for anything but the exact layout, `Forged` for a wrong HMAC.
    pub(crate) fn decode(bytes: &[u8], key: &AdvertKey) -> Result<ClientNews, AdvertError> {
        verified(bytes, key, parse)
    }
}

fn parse(body: &[u8]) -> Option<ClientNews> {
    let (head, rest) = Head::parse(body, MAGIC, VERSION)?;
    let (open, rest) = rest.split_first_chunk::<2>()?;
    let (ended, rest) = rest.split_first_chunk::<2>()?;
    let (open, ended) = (
        usize::from(u16::from_be_bytes(*open)),
        usize::from(u16::from_be_bytes(*ended)),
    );
    if open + ended > CONNECTIONS_PER_DATAGRAM_MAX || rest.len() != (open + ended) * CONNECTION_BYTES {
        return None;
    }
    let (open, ended) = rest.split_at(open * CONNECTION_BYTES);
    Some(ClientNews {
        head,
        open: connections(open),
        ended: connections(ended),
    })
}

fn connections(bytes: &[u8]) -> Vec<Connection> {
    let (connections, _) = bytes.as_chunks::<CONNECTION_BYTES>();
    let read = |[a, b, c, d, client_high, client_low, high, low]: &[u8; CONNECTION_BYTES]| Connection {
        client: SocketAddrV4::new(
            Ipv4Addr::new(*a, *b, *c, *d),
            u16::from_be_bytes([*client_high, *client_low]),
        ),
        port: u16::from_be_bytes([*high, *low]),
    };
    connections.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advert::ClusterTag;
    use proptest::prelude::*;

    fn key(byte: u8) -> AdvertKey {
        AdvertKey::new(&[byte; 32])
    }

    fn connection(number: u16) -> Connection {
        Connection {
            client: SocketAddrV4::new(Ipv4Addr::new(10, 97, 2, 1), number),
            port: 80,
        }
    }

    fn news(network: &str, open: u16, ended: u16) -> ClientNews {
        ClientNews {
            head: Head {
                cluster: ClusterTag::of("prod"),
                network: network.into(),
                from: 1,
                to: 2,
                sequence: 9,
                heard: 7,
            },
            open: (0..open).map(connection).collect(),
            ended: (1000..1000 + ended).map(connection).collect(),
        }
    }

    /// The layout is a contract between members of different versions: any change must be seen here.
    #[test]
    fn the_layout_is_the_documented_one() {
        let bytes = news("boot", 1, 1).encode(&key(1));
        assert_eq!(&bytes[..5], b"CHAC\x01");
        assert_eq!(&bytes[14..18], b"boot");
        assert_eq!(bytes[50..54], [0, 1, 0, 1], "one open, one ended");
        assert_eq!(bytes[54..62], [10, 97, 2, 1, 0, 0, 0, 80]);
        assert_eq!(bytes.len(), 54 + 2 * 8 + 32);
        assert_eq!(ClientNews::decode(&bytes, &key(1)), Ok(news("boot", 1, 1)));
    }

    #[test]
    fn the_longest_fits_an_ethernet_frame() {
        let longest = news(&"n".repeat(64), 100, 60).encode(&key(1));
        assert_eq!(longest.len(), CLIENT_NEWS_BYTES_MAX);
        const { assert!(CLIENT_NEWS_BYTES_MAX <= 1500 - 20 - 8) }
    }

    /// A stranger must not be able to make a successor ask connections of its choice.
    #[test]
    fn no_flipped_bit_and_no_other_key_is_accepted() {
        let bytes = news("boot", 2, 1).encode(&key(1));
        assert_eq!(ClientNews::decode(&bytes, &key(2)), Err(AdvertError::Forged));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(ClientNews::decode(&changed, &key(1)).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(
                ClientNews::decode(&bytes[..length], &key(1)).is_err(),
                "{length} bytes"
            );
        }
    }

    /// Both kinds are signed with one key: neither may be taken for the other.
    #[test]
    fn an_advert_is_no_news() {
        let bytes = news("boot", 0, 0).encode(&key(1));
        assert!(crate::advert::Advert::decode(&bytes, &key(1)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(network in "[a-z0-9-]{0,64}", open in 0u16..80, ended in 0u16..=80) {
            let news = news(&network, open, ended);
            prop_assert_eq!(ClientNews::decode(&news.encode(&key(3)), &key(3)), Ok(news));
        }

        #[test]
        fn hostile_fields_are_an_error(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = b"CHAC\x01".to_vec();
            bytes.extend(tail);
            prop_assert!(ClientNews::decode(&bytes, &key(1)).is_err());
        }
    }
}
