//! The datagram in which one member tells another whether it holds a network's service address.
//!
//! Layout, all numbers big-endian; the length is exact, nothing may follow:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | `CHAD` |
//! | 1 | version, 1 |
//! | 8 | cluster tag: the first bytes of SHA-256 of the cluster's name |
//! | 1 + n | network name, n ≤ 64 |
//! | 8, 8 | from, to: member ids |
//! | 8 | sequence of the sender |
//! | 8 | heard: the highest sequence that the sender has seen from the receiver |
//! | 1 | bit 0: the sender holds the address; bit 1: it answers a share of the clients (set when every member knows the bit) |
//! | 32 | HMAC-SHA-256 of everything before it |
//!
//! A receiver that knows another key, cluster or network learns nothing and changes nothing.

use aws_lc_rs::{digest, hmac};

use crate::head::{HEAD_FIXED_BYTES, Head, MAC_BYTES, sign, verified};

/// Longest name of a network that fits an advert, bytes.
pub const NETWORK_NAME_BYTES_MAX: usize = 64;
/// Longest advert, bytes; a longer datagram is refused unread.
pub const ADVERT_BYTES_MAX: usize = FIXED_BYTES + NETWORK_NAME_BYTES_MAX;

const MAGIC: [u8; 4] = *b"CHAD";
const VERSION: u8 = 1;
pub(crate) const TAG_BYTES: usize = 8;
/// Everything but the network's name.
const FIXED_BYTES: usize = HEAD_FIXED_BYTES + 1 + MAC_BYTES;

/// The cluster's key for adverts; equal on every member.
#[derive(Clone)]
pub struct AdvertKey(pub(crate) hmac::Key);

impl AdvertKey {
    /// Makes the key from 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> AdvertKey {
        AdvertKey(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }
}

impl std::fmt::Debug for AdvertKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdvertKey(secret)")
    }
}

/// Tells clusters on one wire apart before any key is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterTag(pub(crate) [u8; TAG_BYTES]);

impl ClusterTag {
    /// The tag of the cluster of this name.
    pub fn of(cluster: &str) -> ClusterTag {
        let hash = digest::digest(&digest::SHA256, cluster.as_bytes());
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&hash.as_ref()[..TAG_BYTES]);
        ClusterTag(tag)
    }
}

/// One statement of one member to another about one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Cluster of the sender.
    pub cluster: ClusterTag,
    /// Name of the network whose service address this is about; at most [`NETWORK_NAME_BYTES_MAX`] bytes.
    pub network: String,
    /// Member id of the sender.
    pub from: u64,
    /// Member id of the receiver.
    pub to: u64,
    /// Rises with every advert of the sender.
    pub sequence: u64,
    /// Highest sequence the sender has seen from the receiver; 0 if none.
    pub heard: u64,
    /// Whether the sender holds the address.
    pub holds: bool,
    /// Whether the sender answers a share of the clients that all members hear.
    pub answers: bool,
}

/// Bits of an advert's last byte.
const HOLDS: u8 = 1;
const ANSWERS: u8 = 2;

/// Why bytes are not an advert for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdvertError {
    /// Not the layout above, or another version of it.
    #[error("not a service-address advert of version {VERSION}")]
    Malformed,
    /// Made with another key, or changed on the way.
    #[error("the advert's HMAC is not made with this cluster's key")]
    Forged,
}

impl Advert {
    /// The datagram.
    pub fn encode(&self, key: &AdvertKey) -> Vec<u8> {
        let head = Head {
            cluster: self.cluster,
            network: self.network.clone(),
            from: self.from,
            to: self.to,
            sequence: self.sequence,
            heard: self.heard,
        };
        let mut bytes = head.encode(MAGIC, VERSION, 1);
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        bytes.push(bit(self.holds, HOLDS) | bit(self.answers, ANSWERS));
        sign(bytes, key)
    }

    /// Reads a datagram and checks its HMAC.
    ///
    /// # Errors
    /// `Malformed` for anything but the exact layout, `Forged` for a wrong HMAC.
    pub fn decode(bytes: &[u8], key: &AdvertKey) -> Result<Advert, AdvertError> {
        verified(bytes, key, parse)
    }
}

/// The layout without its HMAC; `None` for anything else.
fn parse(body: &[u8]) -> Option<Advert> {
    let (head, rest) = Head::parse(body, MAGIC, VERSION)?;
    let [bits @ 0..=3] = *rest else {
        return None;
    };
    Some(Advert {
        cluster: head.cluster,
        network: head.network,
        from: head.from,
        to: head.to,
        sequence: head.sequence,
        heard: head.heard,
        holds: bits & HOLDS != 0,
        answers: bits & ANSWERS != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> AdvertKey {
        AdvertKey::new(&[byte; 32])
    }

    fn advert() -> Advert {
        Advert {
            cluster: ClusterTag::of("prod"),
            network: "boot".into(),
            from: 1,
            to: 2,
            sequence: 1_700_000_000_000_000,
            heard: 7,
            holds: true,
            answers: false,
        }
    }

    /// The layout is a contract between members of different versions: any change must be seen here.
    #[test]
    fn the_layout_is_the_documented_one() {
        let bytes = advert().encode(&key(1));
        assert_eq!(bytes.len(), FIXED_BYTES + 4);
        assert_eq!(&bytes[..5], b"CHAD\x01");
        assert_eq!(bytes[13], 4, "length of the network's name");
        assert_eq!(&bytes[14..18], b"boot");
        assert_eq!(&bytes[18..26], &1u64.to_be_bytes());
        assert_eq!(bytes[50], 1, "holds");
        for (holds, answers, bits) in [(false, false, 0), (false, true, 2), (true, true, 3)] {
            let advert = Advert {
                holds,
                answers,
                ..advert()
            };
            let bytes = advert.encode(&key(1));
            assert_eq!(bytes[50], bits);
            assert_eq!(Advert::decode(&bytes, &key(1)), Ok(advert));
        }
        assert_eq!(Advert::decode(&bytes, &key(1)), Ok(advert()));
    }

    /// A key of another cluster must not be able to take an address away.
    #[test]
    fn another_key_is_refused() {
        assert_eq!(
            Advert::decode(&advert().encode(&key(2)), &key(1)),
            Err(AdvertError::Forged)
        );
    }

    /// Every single bit is under the HMAC: no flip may yield an advert.
    #[test]
    fn no_flipped_bit_is_accepted() {
        let bytes = advert().encode(&key(1));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Advert::decode(&changed, &key(1)).is_err(), "bit {bit}");
        }
    }

    /// A shortened or lengthened datagram has no valid HMAC at its end.
    #[test]
    fn no_other_length_is_accepted() {
        let mut bytes = advert().encode(&key(1));
        for len in 0..bytes.len() {
            assert!(Advert::decode(&bytes[..len], &key(1)).is_err(), "{len} bytes");
        }
        bytes.push(0);
        assert!(Advert::decode(&bytes, &key(1)).is_err());
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", key(7)), "AdvertKey(secret)");
    }

    proptest! {
        /// What a stranger sends never panics and never counts.
        #[test]
        fn hostile_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Advert::decode(&bytes, &key(1)).is_err());
        }

        /// Also when they start like ours and only the fields are wild.
        #[test]
        fn hostile_fields_are_an_error(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = b"CHAD\x01".to_vec();
            bytes.extend(tail);
            prop_assert!(Advert::decode(&bytes, &key(1)).is_err());
        }

        #[test]
        fn what_is_encoded_is_decoded(network in "[a-z0-9-]{0,64}", from: u64, to: u64, sequence: u64, heard: u64, holds: bool, answers: bool) {
            let advert = Advert { cluster: ClusterTag::of("x"), network, from, to, sequence, heard, holds, answers };
            prop_assert_eq!(Advert::decode(&advert.encode(&key(3)), &key(3)), Ok(advert));
        }
    }
}
