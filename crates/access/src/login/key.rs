//! The login key: what members authenticate the steps of a login with, each for its purpose.

use auth::{SealError, Sealer};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::auth::v1::auth_command::PutAuthSecret;
use proto::cluster::v1::SealedSecret;
use rpc::Error;
use state::auth::LOGIN_KEY;

use crate::issued::internal;

/// Bytes of it.
const KEY_BYTES: usize = 32;
/// Its version: it is made once.
const VERSION: u32 = 1;
/// Bytes of a MAC.
const MAC_BYTES: usize = 32;
/// Longest text that is looked at, bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// The entry that gives a cluster its key; of several the first one counts.
///
/// # Errors
/// If there are no random bytes, or it cannot be sealed.
pub(crate) fn new_login_key(sealer: &Sealer) -> Result<PutAuthSecret, Error> {
    let key: [u8; KEY_BYTES] = auth::random().map_err(|error| internal(&error))?;
    let sealed = sealer.seal(LOGIN_KEY, VERSION, &key);
    Ok(PutAuthSecret {
        secret: Some(sealed.map_err(|error| Error::Internal(error.to_string()))?),
    })
}

/// The key, opened.
pub(crate) struct LoginKey {
    key: hmac::Key,
    sealed: SealedSecret,
}

impl LoginKey {
    /// # Errors
    /// If this member cannot open it.
    pub(crate) fn open(sealer: &Sealer, sealed: &SealedSecret) -> Result<LoginKey, SealError> {
        let secret = sealer.open(sealed)?;
        Ok(LoginKey {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.bytes()),
            sealed: sealed.clone(),
        })
    }

    pub(super) fn is_of(&self, sealed: &SealedSecret) -> bool {
        self.sealed == *sealed
    }

    /// 32 bytes that nobody without the key can tell.
    pub(crate) fn mac(&self, purpose: &str, data: &[u8]) -> [u8; MAC_BYTES] {
        let tag = hmac::sign(&self.key, &labelled(purpose, data));
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(tag.as_ref());
        mac
    }

    /// The same as a text of 43 characters.
    pub(super) fn text(&self, purpose: &str, data: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(purpose, data))
    }

    /// Whether somebody shows [`LoginKey::text`]; how long that takes says nothing.
    pub(super) fn is_text(&self, purpose: &str, data: &[u8], shown: &str) -> bool {
        let shown = URL_SAFE_NO_PAD.decode(shown).unwrap_or_default();
        hmac::verify(&self.key, &labelled(purpose, data), &shown).is_ok()
    }

    /// A text that [`LoginKey::opened`] gives the bytes of.
    pub(super) fn sealed(&self, purpose: &str, data: &[u8]) -> String {
        let mac = self.mac(purpose, data);
        URL_SAFE_NO_PAD.encode([data, &mac[..]].concat())
    }

    /// The bytes of a text that a member has made for this purpose.
    pub(super) fn opened(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let mut data = URL_SAFE_NO_PAD.decode(text).ok()?;
        let mac = data.split_off(data.len().checked_sub(MAC_BYTES)?);
        hmac::verify(&self.key, &labelled(purpose, &data), &mac).ok()?;
        Some(data)
    }
}

/// No purpose holds a zero, so that none is the beginning of another.
fn labelled(purpose: &str, data: &[u8]) -> Vec<u8> {
    [purpose.as_bytes(), &[0], data].concat()
}

#[cfg(test)]
impl LoginKey {
    pub(super) fn for_test() -> LoginKey {
        let sealer = Sealer::generate().unwrap();
        let sealed = new_login_key(&sealer).unwrap().secret.unwrap();
        LoginKey::open(&sealer, &sealed).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_for_its_purpose_and_with_its_key_only() {
        let key = LoginKey::for_test();
        let text = key.sealed("state", b"abc");
        assert_eq!(key.opened("state", &text).unwrap(), b"abc");
        assert_eq!(key.opened("device", &text), None);
        assert_eq!(LoginKey::for_test().opened("state", &text), None);
        for wrong in [
            "",
            "AAAA",
            "!",
            &text[1..],
            &format!("{text}A"),
            &"A".repeat(5000),
        ] {
            assert_eq!(key.opened("state", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_is_compared_as_a_whole() {
        let key = LoginKey::for_test();
        let text = key.text("cookie", b"r");
        assert_eq!(text.len(), 43);
        assert!(key.is_text("cookie", b"r", &text));
        let text = text.as_str();
        for (purpose, data, shown) in [
            ("nonce", b"r", text),
            ("cookie", b"s", text),
            ("cookie", b"r", ""),
            ("cookie", b"r", &text[..42]),
        ] {
            assert!(!key.is_text(purpose, data, shown), "{purpose}");
        }
    }
}
