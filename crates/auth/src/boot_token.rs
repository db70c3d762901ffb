//! The token in a node's boot script that opens what is secret of its cloud-init data: a stateless MAC over who boots, from
//! where, and until when. Its key lies in the replicated state, sealed.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::cluster::v1::SealedSecret;

use crate::sealing::{SealError, Sealer};

/// Bytes of the key, as many as the digest has.
const KEY_BYTES: usize = 32;
/// Binds a MAC to this use of the key.
const CONTEXT: &[u8] = b"chamois boot token 1";
/// Longest token, bytes: sixteen hex digits, a dash, and 32 bytes in base64.
const TOKEN_BYTES_MAX: usize = 16 + 1 + 43;

/// Which boot a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot<'a> {
    /// The node.
    pub xname: &'a str,
    /// MAC of the interface that it boots from.
    pub mac: [u8; 6],
    /// Address of that interface, and of the TCP peer.
    pub address: IpAddr,
    /// Random number of the boot.
    pub boot_id: u64,
}

/// Why a token opens nothing. Says nothing about the token.
#[derive(Debug, thiserror::Error)]
pub enum BootTokenError {
    /// Made for another boot, node or address, with another key, or not a token at all.
    #[error("the token is not that of this boot of this node")]
    Other,
    /// It was good, and is not any more.
    #[error("the token has expired; the node must fetch its boot script again")]
    Expired,
    /// This member cannot tell.
    #[error("the key of boot tokens could not be opened")]
    Key(#[source] SealError),
}

/// Makes and checks tokens. Cheap to clone; clones share the opened key.
#[derive(Clone)]
pub struct BootTokens {
    sealer: Sealer,
    opened: Arc<RwLock<Option<Opened>>>,
}

/// Opening costs a hundred times what a MAC does, so the last key is kept.
struct Opened {
    ciphertext: Vec<u8>,
    key: hmac::Key,
}

impl fmt::Debug for BootTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootTokens")
            .field("sealer", &self.sealer)
            .finish_non_exhaustive()
    }
}

impl BootTokens {
    /// Tokens under keys that `sealer` seals and opens.
    #[must_use]
    pub fn new(sealer: Sealer) -> BootTokens {
        BootTokens {
            sealer,
            opened: Arc::default(),
        }
    }

    /// What else is sealed is opened with this.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// A new random key, sealed as `name`.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn new_key(&self, name: &str) -> Result<SealedSecret, SealError> {
        let mut key = [0; KEY_BYTES];
        rand::fill(&mut key).map_err(|_| SealError::Sealing {
            name: name.to_owned(),
            source: rustls::Error::FailedToGetRandomBytes,
        })?;
        self.sealer.seal(name, 1, &key)
    }

    /// The token of `boot`, good until `expires_at_ms`, cluster time: one URL segment that needs no escaping.
    ///
    /// # Errors
    /// If this member cannot open the key.
    pub fn mint(&self, key: &SealedSecret, boot: &Boot<'_>, expires_at_ms: u64) -> Result<String, SealError> {
        let mac = hmac::sign(&self.key(key)?, &message(boot, expires_at_ms));
        Ok(format!("{expires_at_ms:x}-{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// Whether `token` is that of `boot` and still good at `now_ms`, cluster time; gives the end of it.
    ///
    /// # Errors
    /// See [`BootTokenError`].
    pub fn verify(
        &self,
        key: &SealedSecret,
        boot: &Boot<'_>,
        token: &str,
        now_ms: u64,
    ) -> Result<u64, BootTokenError> {
        let (expires_at_ms, mac) = parts(token).ok_or(BootTokenError::Other)?;
        let key = self.key(key).map_err(BootTokenError::Key)?;
        // in constant time
        hmac::verify(&key, &message(boot, expires_at_ms), &mac).map_err(|_| BootTokenError::Other)?;
        match expires_at_ms > now_ms {
            true => Ok(expires_at_ms),
            false => Err(BootTokenError::Expired),
        }
    }

    fn key(&self, sealed: &SealedSecret) -> Result<hmac::Key, SealError> {
        let known = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = known
            .as_ref()
            .filter(|opened| opened.ciphertext == sealed.ciphertext)
        {
            return Ok(opened.key.clone());
        }
        drop(known);
        let key = hmac::Key::new(HMAC_SHA256, self.sealer.open(sealed)?.bytes());
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        *opened = Some(Opened {
            ciphertext: sealed.ciphertext.clone(),
            key: key.clone(),
        });
        Ok(key)
    }
}

/// What is signed, in a form that no other boot has: fields of fixed length, and the name last.
fn message(boot: &Boot<'_>, expires_at_ms: u64) -> Vec<u8> {
    let address = match boot.address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    [
        CONTEXT,
        &expires_at_ms.to_be_bytes(),
        &boot.boot_id.to_be_bytes(),
        &boot.mac,
        &address.octets(),
        boot.xname.as_bytes(),
    ]
    .concat()
}

fn parts(token: &str) -> Option<(u64, Vec<u8>)> {
    let (expires_at_ms, mac) = token.split_once('-').filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if !expires_at_ms.bytes().all(is_hex) {
        return None;
    }
    let expires_at_ms = u64::from_str_radix(expires_at_ms, 16).ok()?;
    Some((expires_at_ms, URL_SAFE_NO_PAD.decode(mac).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "boot-token-key";
    const UNTIL: u64 = 1_764_056_144_123;

    fn boot<'a>() -> Boot<'a> {
        Boot {
            xname: "x0c0s0b0n0",
            mac: [2, 0, 0, 0, 0, 1],
            address: IpAddr::from([10, 97, 3, 1]),
            boot_id: 0xbeef,
        }
    }

    fn tokens() -> (BootTokens, SealedSecret) {
        let tokens = BootTokens::new(Sealer::generate().unwrap());
        let key = tokens.new_key(NAME).unwrap();
        (tokens, key)
    }

    #[test]
    fn a_token_is_good_for_its_boot_until_it_expires() {
        let (tokens, key) = tokens();
        let token = tokens.mint(&key, &boot(), UNTIL).unwrap();
        let of_url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert!(
            token.bytes().all(of_url) && token.len() <= TOKEN_BYTES_MAX,
            "{token}"
        );
        assert_eq!(tokens.verify(&key, &boot(), &token, UNTIL - 1).unwrap(), UNTIL);
        assert!(matches!(
            tokens.verify(&key, &boot(), &token, UNTIL),
            Err(BootTokenError::Expired)
        ));
        // a dual-stack socket tells the same peer otherwise
        let mapped = Boot {
            address: "::ffff:10.97.3.1".parse().unwrap(),
            ..boot()
        };
        assert_eq!(tokens.verify(&key, &mapped, &token, 0).unwrap(), UNTIL);
    }

    #[test]
    fn no_other_boot_node_address_or_interface_can_use_it() {
        let (tokens, key) = tokens();
        let token = tokens.mint(&key, &boot(), UNTIL).unwrap();
        let others = [
            Boot {
                xname: "x0c0s0b0n1",
                ..boot()
            },
            Boot {
                mac: [2, 0, 0, 0, 0, 2],
                ..boot()
            },
            Boot {
                address: IpAddr::from([10, 97, 3, 2]),
                ..boot()
            },
            Boot {
                boot_id: 0xbef0,
                ..boot()
            },
        ];
        for other in others {
            let refused = tokens.verify(&key, &other, &token, 0);
            assert!(matches!(refused, Err(BootTokenError::Other)), "{other:?}");
        }
        let later = token.replacen("19a", "19b", 1);
        assert_ne!(later, token, "its end is changed");
        for forged in [
            later.as_str(),
            "",
            "-",
            &token[..token.len() - 1],
            &format!("{token}A"),
            &format!("+{token}"),
        ] {
            let refused = tokens.verify(&key, &boot(), forged, 0);
            assert!(matches!(refused, Err(BootTokenError::Other)), "{forged}");
        }
    }

    /// Every member makes and checks them with the one key of the state; after a change of the key the kept one is not used.
    #[test]
    fn the_key_is_that_of_the_state() {
        let (tokens, key) = tokens();
        let token = tokens.mint(&key, &boot(), UNTIL).unwrap();
        let member = BootTokens::new(Sealer::from_pem(tokens.sealer().to_pem().unwrap().as_bytes()).unwrap());
        assert_eq!(member.mint(&key, &boot(), UNTIL).unwrap(), token);
        assert_eq!(member.verify(&key, &boot(), &token, 0).unwrap(), UNTIL);
        let another = tokens.new_key(NAME).unwrap();
        assert!(matches!(
            member.verify(&another, &boot(), &token, 0),
            Err(BootTokenError::Other)
        ));
    }

    #[test]
    fn a_member_without_the_private_key_makes_and_checks_none() {
        let (tokens, key) = tokens();
        let token = tokens.mint(&key, &boot(), UNTIL).unwrap();
        let without = BootTokens::new(tokens.sealer().seal_only());
        assert!(matches!(
            without.mint(&key, &boot(), UNTIL),
            Err(SealError::NoPrivateKey)
        ));
        let unknown = without.verify(&key, &boot(), &token, 0);
        assert!(matches!(
            unknown,
            Err(BootTokenError::Key(SealError::NoPrivateKey))
        ));
    }

    #[test]
    fn no_debug_output_or_error_shows_key_or_token() {
        let (tokens, key) = tokens();
        let token = tokens.mint(&key, &boot(), UNTIL).unwrap();
        let shown = format!(
            "{tokens:?} {}",
            tokens.verify(&key, &boot(), "1-AAAA", 0).unwrap_err()
        );
        assert_eq!(
            shown,
            "BootTokens { sealer: Sealer { can_open: true, .. }, .. } the token is not that of this boot of this node"
        );
        assert!(!shown.contains(&token));
    }

    proptest! {
        #[test]
        fn any_text_is_only_refused(text in ".{0,80}") {
            let (tokens, key) = tokens();
            prop_assert!(tokens.verify(&key, &boot(), &text, 0).is_err());
        }
    }
}
