//! Seals secrets before they reach the log: HPKE (X25519, HKDF-SHA256, AES-256-GCM). Sealing needs the
//! public key only; opening needs the key encryption key (KEK), which no log or snapshot ever holds.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement;
use proto::cluster::v1::SealedSecret;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use crate::pem;

/// First byte of every ciphertext: says how the rest is made.
const FORMAT: u8 = 1;
/// Length of an X25519 key, private, public or encapsulated, bytes.
const KEY_LENGTH: usize = 32;
/// Longest secret, bytes.
pub const SECRET_LENGTH_MAX: usize = 64 * 1024;
/// Binds a ciphertext to this use of the key.
const INFO: &[u8] = b"chamois sealed secret 1";
/// PKCS#8 of an X25519 key up to the key itself, RFC 8410.
const PKCS8_PREFIX: &[u8] = &[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
];

/// Why a secret was not sealed or opened. Says nothing about its content.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Longer than [`SECRET_LENGTH_MAX`].
    #[error("secret {name} is longer than 64 KiB")]
    TooLong {
        /// The secret's name.
        name: String,
    },
    /// Made by a later version, or damaged.
    #[error("secret {name} has a format that this version does not know; upgrade this member")]
    Format {
        /// The secret's name.
        name: String,
    },
    /// Another key, another name or version, or changed bytes.
    #[error("secret {name} version {version} does not open: it was sealed for another key, or changed since")]
    Opening {
        /// The secret's name.
        name: String,
        /// Its version.
        version: u32,
    },
    /// Sealing failed.
    #[error("secret {name} could not be sealed")]
    Sealing {
        /// The secret's name.
        name: String,
        /// Why.
        source: rustls::Error,
    },
    /// This member only has the public key.
    #[error("this member may seal secrets but not open them: it has no kek.key")]
    NoPrivateKey,
}

/// Why a KEK could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// Not the right file.
    #[error("not an X25519 private key in PKCS#8 PEM")]
    Form,
    /// No new key.
    #[error("a key encryption key could not be made")]
    Generate(#[from] rustls::Error),
}

/// A secret in the clear. Never shown, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The secret's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Seals with the cluster's public key, and opens where the private one is at hand. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    public: HpkePublicKey,
    private: Option<Arc<HpkePrivateKey>>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("can_open", &self.private.is_some())
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// A new key encryption key.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn generate() -> Result<Self, KekError> {
        let (public, private) = SUITE.generate_key_pair()?;
        Ok(Self {
            public,
            private: Some(Arc::new(private)),
        })
    }

    /// The key in a `kek.key` file (X25519, PKCS#8 PEM).
    ///
    /// # Errors
    /// If `pem` is something else.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KekError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KekError::Form)?;
        let private = der
            .secret_pkcs8_der()
            .strip_prefix(PKCS8_PREFIX)
            .ok_or(KekError::Form)?;
        let key = agreement::PrivateKey::from_private_key(&agreement::X25519, private)
            .map_err(|_| KekError::Form)?;
        let public = key.compute_public_key().map_err(|_| KekError::Form)?;
        Ok(Self {
            public: HpkePublicKey(public.as_ref().to_vec()),
            private: Some(Arc::new(HpkePrivateKey::from(private.to_vec()))),
        })
    }

    /// The private key for a `kek.key` file; `None` if only the public one is at hand.
    pub fn to_pem(&self) -> Option<String> {
        let private = self.private.as_ref()?;
        Some(pem::encode(
            "PRIVATE KEY",
            &[PKCS8_PREFIX, private.secret_bytes()].concat(),
        ))
    }

    /// The same sealer without the private key: for members that may seal but not open.
    #[must_use]
    pub fn seal_only(&self) -> Self {
        Self {
            public: self.public.clone(),
            private: None,
        }
    }

    /// Seals `secret` under `name` and `version`; it opens under no other ones.
    ///
    /// # Errors
    /// If the secret is too long, or there are no random bytes.
    pub fn seal(&self, name: &str, version: u32, secret: &[u8]) -> Result<SealedSecret, SealError> {
        if secret.len() > SECRET_LENGTH_MAX {
            return Err(SealError::TooLong {
                name: name.to_owned(),
            });
        }
        let (encapsulated, sealed) = SUITE
            .seal(INFO, &associated_data(name, version), secret, &self.public)
            .map_err(|source| SealError::Sealing {
                name: name.to_owned(),
                source,
            })?;
        let ciphertext = [&[FORMAT], encapsulated.0.as_slice(), &sealed].concat();
        Ok(SealedSecret {
            name: name.to_owned(),
            version,
            ciphertext,
        })
    }

    /// Opens a sealed secret.
    ///
    /// # Errors
    /// If it was sealed for another key or under another name or version, was changed, or this member has
    /// no private key.
    pub fn open(&self, sealed: &SealedSecret) -> Result<Secret, SealError> {
        let SealedSecret {
            name,
            version,
            ciphertext,
        } = sealed;
        let private = self.private.as_ref().ok_or(SealError::NoPrivateKey)?;
        let failed = || SealError::Opening {
            name: name.clone(),
            version: *version,
        };
        let (&format, rest) = ciphertext.split_first().ok_or_else(failed)?;
        if format != FORMAT {
            return Err(SealError::Format { name: name.clone() });
        }
        let (encapsulated, sealed) = rest.split_at_checked(KEY_LENGTH).ok_or_else(failed)?;
        let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
        SUITE
            .open(
                &encapsulated,
                INFO,
                &associated_data(name, *version),
                sealed,
                private,
            )
            .map(Secret)
            .map_err(|_| failed())
    }
}

/// Name and version in a form that no other pair has.
fn associated_data(name: &str, version: u32) -> Vec<u8> {
    [&version.to_be_bytes(), name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAINTEXT: &[u8] = b"the advert key of the cluster";

    #[test]
    fn what_was_sealed_opens_under_its_name_and_version() {
        let sealer = Sealer::generate().unwrap();
        let sealed = sealer.seal_only().seal("advert-key", 3, PLAINTEXT).unwrap();
        assert_eq!((sealed.name.as_str(), sealed.version), ("advert-key", 3));
        assert_eq!(sealer.open(&sealed).unwrap().bytes(), PLAINTEXT);
    }

    /// Sealed bytes lie in the log and in every snapshot of every member.
    #[test]
    fn the_plaintext_is_nowhere_in_the_sealed_form() {
        let sealer = Sealer::generate().unwrap();
        let sealed = sealer.seal("advert-key", 1, PLAINTEXT).unwrap();
        assert!(
            !sealed
                .ciphertext
                .windows(8)
                .any(|window| PLAINTEXT.windows(8).any(|part| part == window))
        );
        let again = sealer.seal("advert-key", 1, PLAINTEXT).unwrap();
        assert_ne!(
            sealed.ciphertext, again.ciphertext,
            "equal secrets must not look equal"
        );
    }

    /// A sealed BMC password must not open as another one's, nor an old one as the current one.
    #[test]
    fn another_name_or_version_does_not_open() {
        let sealer = Sealer::generate().unwrap();
        let sealed = sealer.seal("bmc/x0", 1, PLAINTEXT).unwrap();
        for (name, version) in [("bmc/x1", 1), ("bmc/x0", 2), ("", 1), ("bmc/x0\0", 1)] {
            let other = SealedSecret {
                name: name.to_owned(),
                version,
                ..sealed.clone()
            };
            assert!(
                matches!(sealer.open(&other), Err(SealError::Opening { .. })),
                "{name} {version}"
            );
        }
    }

    #[test]
    fn another_key_does_not_open() {
        let sealed = Sealer::generate().unwrap().seal("a", 1, PLAINTEXT).unwrap();
        assert!(matches!(
            Sealer::generate().unwrap().open(&sealed),
            Err(SealError::Opening { .. })
        ));
    }

    #[test]
    fn the_public_key_alone_seals_and_does_not_open() {
        let sealer = Sealer::generate().unwrap();
        let sealed = sealer.seal("a", 1, PLAINTEXT).unwrap();
        assert!(matches!(
            sealer.seal_only().open(&sealed),
            Err(SealError::NoPrivateKey)
        ));
        assert_eq!(sealer.seal_only().to_pem(), None);
    }

    /// Every single bit counts; a flipped format byte is told apart from damage.
    #[test]
    fn any_flipped_bit_is_noticed() {
        let sealer = Sealer::generate().unwrap();
        let sealed = sealer.seal("a", 1, b"secret").unwrap();
        for bit in 0..sealed.ciphertext.len() * 8 {
            let mut changed = sealed.clone();
            changed.ciphertext[bit / 8] ^= 1 << (bit % 8);
            let error = sealer.open(&changed).expect_err("a changed secret was opened");
            // X25519 ignores the top bit of a public key, so the KDF must have caught that one
            assert_eq!(
                matches!(error, SealError::Format { .. }),
                bit < 8,
                "bit {bit}: {error}"
            );
        }
    }

    #[test]
    fn truncated_and_empty_ciphertexts_are_errors() {
        let sealer = Sealer::generate().unwrap();
        let sealed = sealer.seal("a", 1, b"secret").unwrap();
        for length in 0..sealed.ciphertext.len() {
            let mut cut = sealed.clone();
            cut.ciphertext.truncate(length);
            sealer.open(&cut).unwrap_err();
        }
    }

    #[test]
    fn a_secret_over_the_limit_is_refused() {
        let sealer = Sealer::generate().unwrap();
        sealer.seal("a", 1, &vec![0; SECRET_LENGTH_MAX]).unwrap();
        let error = sealer.seal("a", 1, &vec![0; SECRET_LENGTH_MAX + 1]).unwrap_err();
        assert!(matches!(error, SealError::TooLong { .. }));
    }

    /// Members read `kek.key` at start; all must have the same key, and the file must be what it seems.
    #[test]
    fn a_kek_read_back_from_its_file_opens_what_the_first_one_sealed() {
        let sealer = Sealer::generate().unwrap();
        let read = Sealer::from_pem(sealer.to_pem().unwrap().as_bytes()).unwrap();
        assert_eq!(
            read.open(&sealer.seal("a", 1, PLAINTEXT).unwrap())
                .unwrap()
                .bytes(),
            PLAINTEXT
        );
        assert_eq!(
            sealer
                .open(&read.seal("a", 1, PLAINTEXT).unwrap())
                .unwrap()
                .bytes(),
            PLAINTEXT
        );
        for wrong in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(matches!(Sealer::from_pem(wrong.as_bytes()), Err(KekError::Form)));
        }
        let ecdsa = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert!(matches!(Sealer::from_pem(ecdsa.as_bytes()), Err(KekError::Form)));
    }

    #[test]
    fn debug_and_errors_show_nothing_secret() {
        let sealer = Sealer::generate().unwrap();
        let sealed = sealer.seal("a", 1, PLAINTEXT).unwrap();
        let shown = format!("{:?} {:?}", sealer, sealer.open(&sealed).unwrap());
        assert_eq!(shown, "Sealer { can_open: true, .. } Secret(…)");
    }

    proptest! {
        /// A member opens what others have written into the log: bytes of any kind must only be errors.
        #[test]
        fn arbitrary_bytes_never_open_or_panic(ciphertext in proptest::collection::vec(any::<u8>(), 0..200)) {
            let sealer = Sealer::generate().unwrap();
            let sealed = SealedSecret { name: "a".into(), version: 1, ciphertext };
            prop_assert!(sealer.open(&sealed).is_err());
        }
    }
}
