//! Page tokens that tell nobody what they lead to: sealed with a key that comes from the cluster's login key, so every member opens what
//! another one gave, before and after the keys of secrets are rotated.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use auth::{SealError, Sealer};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::cluster::v1::SealedSecret;
use rpc::{Error, invalid};
use state::State;
use state::auth::LOGIN_KEY;

use crate::login::LoginKey;
use crate::token_checks::not_ready;

/// What the key is derived for: no purpose of a login has this name.
const PURPOSE: &str = "page-token";
/// Tokens are as long as the next multiple of this: how long the name is that they lead to is not told either.
const PADDED_TO: usize = 128;

/// The key of this member's cluster, once it was opened.
#[derive(Default)]
pub(crate) struct PageKeys(ArcSwapOption<PageKey>);

pub(crate) struct PageKey {
    key: LessSafeKey,
    /// What it was opened from.
    sealed: SealedSecret,
}

impl PageKeys {
    /// # Errors
    /// `NotReady` as long as the leader has made no key, and on a member that cannot open it.
    pub(crate) fn key(&self, state: &State, sealer: &Sealer) -> Result<Arc<PageKey>, Error> {
        let sealed = state.cluster.secret(LOGIN_KEY);
        let sealed = sealed.ok_or_else(|| {
            not_ready("the leader has made no key yet for page tokens; leave out page_size")
        })?;
        if let Some(key) = self.0.load_full().filter(|key| key.sealed == *sealed) {
            return Ok(key);
        }
        let key = PageKey::open(sealer, &sealed).map_err(|error| {
            tracing::warn!(%error, "the key for page tokens cannot be opened");
            not_ready("it cannot open the key for page tokens; leave out page_size, or ask another member")
        })?;
        let key = Arc::new(key);
        self.0.store(Some(Arc::clone(&key)));
        Ok(key)
    }
}

impl PageKey {
    fn open(sealer: &Sealer, sealed: &SealedSecret) -> Result<PageKey, SealError> {
        let derived = LoginKey::open(sealer, sealed)?.mac(PURPOSE, &[]);
        let key = UnboundKey::new(&AES_256_GCM, &derived).expect("a MAC has 32 bytes, as the key");
        Ok(PageKey {
            key: LessSafeKey::new(key),
            sealed: sealed.clone(),
        })
    }

    /// # Errors
    /// `Internal` if there are no random bytes.
    pub(crate) fn seal(&self, token: &str) -> Result<String, Error> {
        let sealed = self.sealed(token);
        sealed.map_err(|_| Error::Internal("a page token could not be sealed".to_owned()))
    }

    fn sealed(&self, token: &str) -> Result<String, Unspecified> {
        let width = token.len().next_multiple_of(PADDED_TO);
        let mut sealed = format!("{token:<width$}").into_bytes();
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce)?;
        let once = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(once, Aad::empty(), &mut sealed)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// # Errors
    /// `Invalid` naming `page_token` for what [`PageKey::seal`] did not make.
    pub(crate) fn unseal(&self, sealed: &str) -> Result<String, Error> {
        self.unsealed(sealed).ok_or_else(|| {
            let problem =
                "it is no page token of this list; begin again without it, or send next_page_token as it is";
            invalid("page_token", problem)
        })
    }

    fn unsealed(&self, sealed: &str) -> Option<String> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let token = self.key.open_in_place(nonce, Aad::empty(), sealed).ok()?;
        let text = std::str::from_utf8(token).ok()?;
        Some(text.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::new_login_key;

    fn login_key(sealer: &Sealer) -> SealedSecret {
        new_login_key(sealer).unwrap().secret.unwrap()
    }

    fn key() -> PageKey {
        let sealer = Sealer::generate().unwrap();
        PageKey::open(&sealer, &login_key(&sealer)).unwrap()
    }

    /// A list goes on while its keys change: the member that is asked next may have the login key sealed anew already.
    #[test]
    fn what_one_member_seals_another_one_opens_after_a_rotation() {
        let (old, new) = (Sealer::generate().unwrap(), Sealer::generate().unwrap());
        let sealed = login_key(&old);
        let secret = old.open(&sealed).unwrap();
        let anew = new.seal(&sealed.name, sealed.version, secret.bytes()).unwrap();
        let one = PageKey::open(&old, &sealed).unwrap();
        let other = PageKey::open(&new, &anew).unwrap();
        let token = "0011223344556677786330";
        let given = one.seal(token).unwrap();
        assert_eq!(other.unseal(&given).unwrap(), token);
        assert!(!given.contains(token) && !given.contains("78633"), "{given}");
    }

    /// Neither what it is nor how long: two lists that go on behind different objects look alike.
    #[test]
    fn a_sealed_token_says_nothing_of_where_it_leads() {
        let key = key();
        let short = key.seal("aa").unwrap();
        let long = key.seal(&"b".repeat(100)).unwrap();
        assert_eq!(short.len(), long.len());
        assert_ne!(
            short,
            key.seal("aa").unwrap(),
            "the same place is not known again"
        );
    }

    /// Another cluster's, or what somebody has changed: no place of a list is chosen by whoever asks.
    #[test]
    fn nothing_else_is_opened() {
        let key = key();
        let own = key.seal("aa").unwrap();
        let mut changed = URL_SAFE_NO_PAD.decode(&own).unwrap();
        changed[NONCE_LEN] ^= 1;
        for wrong in [
            URL_SAFE_NO_PAD.encode(&changed),
            self::key().seal("aa").unwrap(),
            own[..20].to_owned(),
            own[..8].to_owned(),
            String::new(),
            "!".to_owned(),
            "0011".to_owned(),
        ] {
            let refused = key.unseal(&wrong).unwrap_err().to_string();
            assert!(refused.starts_with("page_token: "), "{refused}");
        }
    }
}
