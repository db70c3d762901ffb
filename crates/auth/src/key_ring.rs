//! The key encryption keys that a member has, and which of them seals.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::{agreement, digest};
use rustls::crypto::hpke::{HpkePrivateKey, HpkePublicKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::pem;
use crate::sealing::KekError;

/// Bytes of a key's id, as sealed secrets carry it.
pub(crate) const ID_LENGTH: usize = 8;
/// Length of an X25519 key, private, public or encapsulated, bytes.
pub(crate) const KEY_LENGTH: usize = 32;
/// A rotation has two keys, one that is being tried a third; more are a file of something else.
const KEYS_MAX: usize = 8;
/// PKCS#8 of an X25519 key up to the key itself, RFC 8410.
const PKCS8_PREFIX: &[u8] = &[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
];

/// The first bytes of the SHA-256 of a public key.
pub(crate) type KeyId = [u8; ID_LENGTH];

/// A public key and the private one that opens what was sealed for it.
pub(crate) struct Kek {
    pub(crate) id: KeyId,
    pub(crate) public: HpkePublicKey,
    pub(crate) private: HpkePrivateKey,
}

impl Kek {
    pub(crate) fn new(public: HpkePublicKey, private: HpkePrivateKey) -> Kek {
        Kek {
            id: id_of(&public.0),
            public,
            private,
        }
    }

    /// # Errors
    /// `Form` if it is no X25519 key.
    fn from_der(der: &[u8]) -> Result<Kek, KekError> {
        let private = der.strip_prefix(PKCS8_PREFIX).ok_or(KekError::Form)?;
        let key = agreement::PrivateKey::from_private_key(&agreement::X25519, private)
            .map_err(|_| KekError::Form)?;
        let public = key.compute_public_key().map_err(|_| KekError::Form)?;
        Ok(Kek::new(
            HpkePublicKey(public.as_ref().to_vec()),
            HpkePrivateKey::from(private.to_vec()),
        ))
    }

    pub(crate) fn to_pem(&self) -> String {
        let der = [PKCS8_PREFIX, self.private.secret_bytes()].concat();
        pem::encode("PRIVATE KEY", &der)
    }
}

/// The keys at hand, and the one that seals; its private half need not be at hand.
#[derive(Clone)]
pub(crate) struct Ring {
    pub(crate) sealing: HpkePublicKey,
    /// The cluster has named the key that seals: what is sealed names it, too, which members of version 0.7 cannot read.
    pub(crate) is_named: bool,
    pub(crate) keys: Vec<Arc<Kek>>,
}

impl Ring {
    pub(crate) fn of(key: Kek) -> Ring {
        Ring {
            sealing: key.public.clone(),
            is_named: false,
            keys: vec![Arc::new(key)],
        }
    }

    /// The keys of a `kek.key` file; the first one seals.
    ///
    /// # Errors
    /// `Form` if there is none, or something else beside them; `Many`.
    pub(crate) fn from_pem(text: &[u8]) -> Result<Ring, KekError> {
        let mut keys = Vec::new();
        for der in PrivatePkcs8KeyDer::pem_slice_iter(text) {
            let der = der.map_err(|_| KekError::Form)?;
            if keys.len() == KEYS_MAX {
                return Err(KekError::Many);
            }
            keys.push(Arc::new(Kek::from_der(der.secret_pkcs8_der())?));
        }
        let first = keys.first().ok_or(KekError::Form)?;
        Ok(Ring {
            sealing: first.public.clone(),
            is_named: false,
            keys,
        })
    }

    pub(crate) fn key(&self, id: &KeyId) -> Option<&Arc<Kek>> {
        self.keys.iter().find(|key| key.id == *id)
    }

    /// Adds those that are not there; says whether there were any.
    pub(crate) fn add(&mut self, others: Ring) -> bool {
        let before = self.keys.len();
        for key in others.keys {
            if self.key(&key.id).is_none() {
                self.keys.push(key);
            }
        }
        self.keys.len() > before
    }

    /// Every key, the one that seals first: members of version 0.7 read the first.
    pub(crate) fn to_pem(&self) -> String {
        let sealing = id_of(&self.sealing.0);
        let (first, others): (Vec<_>, Vec<_>) = self.keys.iter().partition(|key| key.id == sealing);
        first.into_iter().chain(others).map(|key| key.to_pem()).collect()
    }
}

/// The id of a public key.
pub(crate) fn id_of(public_key: &[u8]) -> KeyId {
    let digest = digest::digest(&digest::SHA256, public_key);
    let mut id = KeyId::default();
    id.copy_from_slice(&digest.as_ref()[..ID_LENGTH]);
    id
}

/// Lower-case hex digits, two a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sealer;

    fn pem() -> String {
        Sealer::generate().unwrap().to_pem().unwrap()
    }

    #[test]
    fn a_file_of_several_keys_is_read_and_written_in_its_order() {
        let text = format!("{}{}", pem(), pem());
        let ring = Ring::from_pem(text.as_bytes()).unwrap();
        assert_eq!((ring.keys.len(), ring.is_named), (2, false));
        assert_eq!(ring.sealing.0, ring.keys[0].public.0);
        assert_eq!(ring.to_pem(), text);
    }

    /// Members of version 0.7 read the first key of the file, and joiners what they are given.
    #[test]
    fn the_key_that_seals_is_written_first() {
        let (first, second) = (pem(), pem());
        let mut ring = Ring::from_pem(first.as_bytes()).unwrap();
        let other = Ring::from_pem(second.as_bytes()).unwrap();
        ring.sealing = other.sealing.clone();
        assert!(ring.add(other.clone()));
        assert!(!ring.add(other), "nothing is there twice");
        assert_eq!(ring.to_pem(), format!("{second}{first}"));
    }

    #[test]
    fn a_file_without_keys_or_with_too_many_is_refused() {
        assert!(matches!(Ring::from_pem(b"").err(), Some(KekError::Form)));
        let many: String = (0..=KEYS_MAX).map(|_| pem()).collect();
        assert!(matches!(
            Ring::from_pem(many.as_bytes()).err(),
            Some(KekError::Many)
        ));
    }

    #[test]
    fn an_id_is_that_of_the_public_key() {
        assert_eq!(hex(&id_of(b"")), "e3b0c44298fc1c14", "SHA-256 of nothing");
    }
}
