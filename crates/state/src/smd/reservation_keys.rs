//! The keys of reservations: made from the random bytes of the entry, told to whoever reserves, stored as digests.

use std::fmt;
use std::str::FromStr;

use model::Xname;
use sha2::{Digest, Sha256};

use crate::sealed::uuid;

/// Bytes of a SHA-256.
pub(crate) const KEY_DIGEST_BYTES: usize = 32;

/// What an entry granted: everything that whoever reserved must be told, also by a repeat of the request. It stands in
/// the outcome of the entry, which goes with its session; the reservations have digests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    seed: [u8; 16],
    /// When the reservations end, cluster time in milliseconds since the Unix epoch; 0: they do not.
    pub expires_at_ms: u64,
}

/// The keys of one reservation.
#[derive(Clone, PartialEq, Eq)]
pub struct ReservationKeys {
    /// `<xname>:rk:<uuid>`: renews and releases.
    pub reservation_key: String,
    /// `<xname>:dk:<uuid>`: proves the reservation to others, and tells nothing of the other key.
    pub deputy_key: String,
}

impl Grant {
    pub(crate) fn new(seed: [u8; 16], expires_at_ms: u64) -> Grant {
        Grant { seed, expires_at_ms }
    }

    /// The keys of one of the components that were granted.
    pub fn keys(&self, id: &Xname) -> ReservationKeys {
        ReservationKeys {
            reservation_key: self.key(id, "rk"),
            deputy_key: self.key(id, "dk"),
        }
    }

    /// Whoever has one key cannot find another by it.
    fn key(&self, id: &Xname, kind: &str) -> String {
        let hash = Sha256::new()
            .chain_update(b"chamois reservation key")
            .chain_update(self.seed)
            .chain_update(kind)
            .chain_update(id.as_str())
            .finalize();
        format!("{id}:{kind}:{}", uuid(&hash))
    }
}

/// What the state has of a key. SMD takes keys in any case.
pub fn key_sha256(key: &str) -> Vec<u8> {
    Sha256::digest(key.to_ascii_lowercase()).to_vec()
}

impl fmt::Display for Grant {
    /// As it stands in an outcome.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seed.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "/{}", self.expires_at_ms)
    }
}

impl FromStr for Grant {
    type Err = ();

    fn from_str(text: &str) -> Result<Grant, ()> {
        let (digits, expires) = text.split_once('/').ok_or(())?;
        if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(());
        }
        let seed = u128::from_str_radix(digits, 16).map_err(|_| ())?;
        let expires_at_ms = expires.parse().map_err(|_| ())?;
        Ok(Grant::new(seed.to_be_bytes(), expires_at_ms))
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a grant until {}", self.expires_at_ms)
    }
}

impl fmt::Debug for ReservationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys of a reservation")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant::new(*b"0123456789abcdef", 77)
    }

    fn keys(id: &str) -> ReservationKeys {
        grant().keys(&id.parse().unwrap())
    }

    #[test]
    fn keys_are_written_as_those_of_smd() {
        let keys = keys("x0c0s0b0n0");
        for (key, begin) in [
            (&keys.reservation_key, "x0c0s0b0n0:rk:"),
            (&keys.deputy_key, "x0c0s0b0n0:dk:"),
        ] {
            let uuid = key.strip_prefix(begin).unwrap();
            let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{key}");
            assert!(
                uuid.as_bytes()[14] == b'4' && b"89ab".contains(&uuid.as_bytes()[19]),
                "{key}"
            );
        }
    }

    #[test]
    fn every_component_and_kind_has_a_key_of_its_own() {
        let (one, other) = (keys("x0c0s0b0n0"), keys("x0c0s1b0n0"));
        let uuid = |key: &str| key.rsplit(':').next().unwrap().to_owned();
        let all: std::collections::BTreeSet<String> = [
            &one.reservation_key,
            &one.deputy_key,
            &other.reservation_key,
            &other.deputy_key,
        ]
        .map(|key| uuid(key))
        .into();
        assert_eq!(all.len(), 4);
    }

    /// Members of every version must make the same keys of the same entry: their digests are in the state.
    #[test]
    fn the_keys_are_fixed() {
        assert_eq!(
            keys("x0c0s0b0n0").deputy_key,
            "x0c0s0b0n0:dk:59577b4e-4b5f-4624-a6b1-4782eb1643e8"
        );
    }

    #[test]
    fn a_grant_is_read_back_and_shows_nothing_by_accident() {
        let text = grant().to_string();
        assert_eq!(text.parse(), Ok(grant()));
        for wrong in ["", "/", "00/1", "zz23456789abcdef0123456789abcdef/1", &text[..32]] {
            assert!(wrong.parse::<Grant>().is_err(), "{wrong}");
        }
        let shown = format!("{:?} {:?}", grant(), keys("x0c0s0b0n0"));
        assert!(!shown.contains("3031") && !shown.contains(":rk:"), "{shown}");
    }

    #[test]
    fn keys_are_compared_in_any_case() {
        assert_eq!(key_sha256("X0C0S0B0N0:RK:AB"), key_sha256("x0c0s0b0n0:rk:ab"));
        assert_eq!(key_sha256("a").len(), KEY_DIGEST_BYTES);
    }
}
