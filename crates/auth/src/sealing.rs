//! Seals secrets before they reach the log: HPKE (X25519, HKDF-SHA256, AES-256-GCM). Sealing needs the
//! public key only; opening needs the key encryption key (KEK), which no log or snapshot ever holds. Each secret has a data key
//! of its own, derived from a fresh encapsulated key: to seal it anew is to give it another one.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use proto::cluster::v1::SealedSecret;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePublicKey};

use crate::key_ring::{ID_LENGTH, KEY_LENGTH, Kek, KeyId, Ring, hex, id_of};

/// First byte of a ciphertext that does not say which key opens it: the encapsulated key follows.
const FORMAT_UNNAMED: u8 = 1;
/// First byte of a ciphertext after which the id of its key stands. As soon as the cluster has named its key.
const FORMAT_NAMED: u8 = 2;
/// Longest secret, bytes.
pub const SECRET_LENGTH_MAX: usize = 64 * 1024;
/// Binds a ciphertext to this use of the key.
const INFO: &[u8] = b"chamois sealed secret 1";

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
    /// The key is not here.
    #[error(
        "secret {name} was sealed for key {key}, which is not here: this member is behind or was away during a rotation; \
         `chamois secrets status` says who has it"
    )]
    KeyMissing {
        /// The secret's name.
        name: String,
        /// The id of the key.
        key: String,
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
    /// More keys than any rotation has.
    #[error("more than 8 keys; give the one that seals and those that older secrets need")]
    Many,
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

/// Seals with the cluster's public key, and opens where the private one is at hand. Cheap to clone; clones share the keys.
#[derive(Clone)]
pub struct Sealer {
    ring: Arc<RwLock<Ring>>,
    opens: bool,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("can_open", &self.opens)
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
        Ok(Self::of(Ring::of(Kek::new(public, private))))
    }

    /// The keys in a `kek.key` file (X25519, PKCS#8 PEM); the first one seals until [`Sealer::seal_for`] says otherwise.
    ///
    /// # Errors
    /// If `pem` is something else.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KekError> {
        Ring::from_pem(pem).map(Self::of)
    }

    fn of(ring: Ring) -> Self {
        Self {
            ring: Arc::new(RwLock::new(ring)),
            opens: true,
        }
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring_mut(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The private keys for a `kek.key` file, the one that seals first; `None` if this sealer may not open.
    pub fn to_pem(&self) -> Option<String> {
        self.opens.then(|| self.ring().to_pem())
    }

    /// One private key; `None` if it is not here, or this sealer may not open.
    pub fn key_pem(&self, id: &str) -> Option<String> {
        let ring = self.ring();
        let key = ring.keys.iter().find(|key| hex(&key.id) == id)?;
        self.opens.then(|| key.to_pem())
    }

    /// Ids of the keys that this sealer opens with.
    pub fn key_ids(&self) -> Vec<String> {
        let ring = self.ring();
        let keys = ring.keys.iter().filter(|_| self.opens);
        keys.map(|key| hex(&key.id)).collect()
    }

    /// The id of the key that seals.
    pub fn sealing_id(&self) -> String {
        hex(&id_of(&self.ring().sealing.0))
    }

    /// The public key that seals, 32 bytes.
    pub fn sealing_key(&self) -> Vec<u8> {
        self.ring().sealing.0.clone()
    }

    /// The public half of a key that is at hand, 32 bytes.
    pub fn public_key(&self, id: &str) -> Option<Vec<u8>> {
        let ring = self.ring();
        let key = ring.keys.iter().find(|key| hex(&key.id) == id)?;
        Some(key.public.0.clone())
    }

    /// Seals for this public key from now on, and says so in what is sealed: the cluster has named it.
    ///
    /// # Errors
    /// `Form` if it has not 32 bytes.
    pub fn seal_for(&self, public_key: &[u8]) -> Result<(), KekError> {
        if public_key.len() != KEY_LENGTH {
            return Err(KekError::Form);
        }
        let mut ring = self.ring_mut();
        ring.sealing = HpkePublicKey(public_key.to_vec());
        ring.is_named = true;
        Ok(())
    }

    /// Opens with these keys, too; says whether there was any that it had not.
    ///
    /// # Errors
    /// If `pem` is something else.
    pub fn add_pem(&self, pem: &[u8]) -> Result<bool, KekError> {
        let others = Ring::from_pem(pem)?;
        Ok(self.ring_mut().add(others))
    }

    /// Forgets all keys but these.
    pub fn keep_only(&self, ids: &[String]) {
        self.ring_mut().keys.retain(|key| ids.contains(&hex(&key.id)));
    }

    /// The id of the key that opens a secret, if it says so: what was sealed before the first rotation does not.
    pub fn sealed_for(sealed: &SealedSecret) -> Option<String> {
        match sealed.ciphertext.split_first() {
            Some((&FORMAT_NAMED, rest)) => rest.get(..ID_LENGTH).map(hex),
            _ => None,
        }
    }

    /// The same sealer without the private key: for members that may seal but not open.
    #[must_use]
    pub fn seal_only(&self) -> Self {
        Self {
            ring: Arc::clone(&self.ring),
            opens: false,
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
        let (public, is_named) = {
            let ring = self.ring();
            (ring.sealing.clone(), ring.is_named)
        };
        let (encapsulated, sealed) = SUITE
            .seal(INFO, &associated_data(name, version), secret, &public)
            .map_err(|source| SealError::Sealing {
                name: name.to_owned(),
                source,
            })?;
        let mut ciphertext = match is_named {
            true => [&[FORMAT_NAMED], id_of(&public.0).as_slice()].concat(),
            false => vec![FORMAT_UNNAMED],
        };
        ciphertext.extend_from_slice(&encapsulated.0);
        ciphertext.extend_from_slice(&sealed);
        Ok(SealedSecret {
            name: name.to_owned(),
            version,
            ciphertext,
        })
    }

    /// Opens a sealed secret.
    ///
    /// # Errors
    /// `KeyMissing` if it names a key that is not here; if it was sealed for another key or under another name or version,
    /// was changed, or this member has no private key.
    pub fn open(&self, sealed: &SealedSecret) -> Result<Secret, SealError> {
        let SealedSecret {
            name,
            version,
            ciphertext,
        } = sealed;
        if !self.opens {
            return Err(SealError::NoPrivateKey);
        }
        let failed = || SealError::Opening {
            name: name.clone(),
            version: *version,
        };
        let (&format, rest) = ciphertext.split_first().ok_or_else(failed)?;
        let (keys, rest) = match format {
            FORMAT_UNNAMED => (self.ring().keys.clone(), rest),
            FORMAT_NAMED => {
                let (id, rest) = rest.split_first_chunk::<ID_LENGTH>().ok_or_else(failed)?;
                (vec![self.key_of(name, id)?], rest)
            }
            _ => return Err(SealError::Format { name: name.clone() }),
        };
        let (encapsulated, sealed) = rest.split_at_checked(KEY_LENGTH).ok_or_else(failed)?;
        let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
        let associated = associated_data(name, *version);
        let mut opened = keys.iter().filter_map(|key| {
            let opened = SUITE.open(&encapsulated, INFO, &associated, sealed, &key.private);
            opened.ok()
        });
        opened.next().map(Secret).ok_or_else(failed)
    }

    fn key_of(&self, name: &str, id: &KeyId) -> Result<Arc<Kek>, SealError> {
        let missing = || SealError::KeyMissing {
            name: name.to_owned(),
            key: hex(id),
        };
        self.ring().key(id).cloned().ok_or_else(missing)
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
                // no single bit makes format 2 of format 1
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

    /// What was sealed before a rotation, and what is sealed during one, opens until the old key is dropped.
    #[test]
    fn a_named_key_seals_and_older_secrets_still_open() {
        let (sealer, new) = (Sealer::generate().unwrap(), Sealer::generate().unwrap());
        let clone = sealer.seal_only();
        let old_id = sealer.sealing_id();
        let before = sealer.seal("a", 1, PLAINTEXT).unwrap();
        assert_eq!(Sealer::sealed_for(&before), None);
        assert!(sealer.add_pem(new.to_pem().unwrap().as_bytes()).unwrap());
        assert_eq!(
            Sealer::sealed_for(&sealer.seal("a", 1, PLAINTEXT).unwrap()),
            None,
            "it opens with the new key, it does not seal for it yet"
        );
        sealer.seal_for(&new.sealing_key()).unwrap();
        let after = clone.seal("a", 1, PLAINTEXT).unwrap();
        assert_eq!(
            Sealer::sealed_for(&after),
            Some(new.sealing_id()),
            "clones follow"
        );
        for sealed in [&before, &after] {
            assert_eq!(sealer.open(sealed).unwrap().bytes(), PLAINTEXT);
        }
        assert_eq!(sealer.key_ids(), [old_id.clone(), new.sealing_id()]);
        assert_eq!(sealer.public_key(&new.sealing_id()), Some(new.sealing_key()));
        assert!(sealer.key_pem(&old_id).is_some() && clone.key_pem(&old_id).is_none());
        sealer.keep_only(&[new.sealing_id()]);
        assert!(matches!(sealer.open(&before), Err(SealError::Opening { .. })));
        assert_eq!(sealer.open(&after).unwrap().bytes(), PLAINTEXT);
        assert!(sealer.key_pem(&old_id).is_none());
    }

    /// A member that was away must say what it lacks, not that something is damaged.
    #[test]
    fn a_key_that_is_missing_is_named() {
        let (sealer, new) = (Sealer::generate().unwrap(), Sealer::generate().unwrap());
        new.seal_for(&new.sealing_key()).unwrap();
        let error = sealer.open(&new.seal("a", 1, PLAINTEXT).unwrap()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, SealError::KeyMissing { .. }));
        assert!(
            text.contains(&new.sealing_id()) && text.contains("chamois secrets status"),
            "{text}"
        );
        assert!(matches!(sealer.seal_for(b"short"), Err(KekError::Form)));
    }

    /// The id only says where to look: with another one nothing opens.
    #[test]
    fn any_changed_byte_of_a_named_secret_is_noticed() {
        let sealer = Sealer::generate().unwrap();
        sealer.seal_for(&sealer.sealing_key()).unwrap();
        let sealed = sealer.seal("a", 1, b"secret").unwrap();
        for at in 0..sealed.ciphertext.len() {
            let mut changed = sealed.clone();
            changed.ciphertext[at] ^= 0x40;
            sealer.open(&changed).unwrap_err();
            let mut cut = sealed.clone();
            cut.ciphertext.truncate(at);
            sealer.open(&cut).unwrap_err();
        }
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
