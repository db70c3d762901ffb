//! Tokens that say nothing: an id that the state knows, and a secret of which it knows only the digest.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::join_token::secret_digest;
use crate::key_ring::hex;
use crate::token_issue::{TokenError, random};

/// Bytes of an id.
const ID: usize = 8;
/// Hex digits of an id.
const ID_DIGITS: usize = 2 * ID;
/// Random bytes that only the holder knows.
const SECRET: usize = 32;
/// So many of them, the first, are the same in all refresh tokens of a login: 128 bits of each half.
const FAMILY: usize = SECRET / 2;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpaqueKind {
    /// A machine's, good until it ends or is deleted.
    Api,
    /// A login's, good once.
    Refresh,
}

impl OpaqueKind {
    /// What every token of the kind begins with: scanners for leaked secrets look for it.
    pub const fn prefix(self) -> &'static str {
        match self {
            OpaqueKind::Api => "cht_",
            OpaqueKind::Refresh => "chr_",
        }
    }
}

/// Not a token of ours: another prefix, length or alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token of this kind: it begins with `cht_` or `chr_` and is copied whole")]
pub struct NotAToken;

/// A token in the clear. `{}` is the secret text, `{:?}` is not.
#[derive(Clone, PartialEq, Eq)]
pub struct OpaqueToken {
    kind: OpaqueKind,
    id: [u8; ID],
    secret: [u8; SECRET],
}

impl OpaqueToken {
    /// A new token with a new id.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn generate(kind: OpaqueKind) -> Result<Self, TokenError> {
        Ok(Self {
            kind,
            id: random()?,
            secret: random()?,
        })
    }

    /// A token of the same id with a new secret; of a refresh token its family stays, so that whoever shows any earlier one of the
    /// login is known for what he is.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn renewed(&self) -> Result<Self, TokenError> {
        let mut secret: [u8; SECRET] = random()?;
        if self.kind == OpaqueKind::Refresh {
            secret[..FAMILY].copy_from_slice(&self.secret[..FAMILY]);
        }
        Ok(Self {
            secret,
            ..self.clone()
        })
    }

    /// What it is for.
    pub fn kind(&self) -> OpaqueKind {
        self.kind
    }

    /// What the state knows it by: 16 hex digits.
    pub fn id(&self) -> String {
        hex(&self.id)
    }

    /// SHA-256 of its secret: what is compared, so that the time which that takes says nothing about the secret.
    pub fn secret_sha256(&self) -> [u8; SECRET] {
        secret_digest(&self.secret)
    }

    /// SHA-256 of the half of the secret that all refresh tokens of a login have.
    pub fn family_sha256(&self) -> [u8; SECRET] {
        secret_digest(&self.secret[..FAMILY])
    }
}

impl fmt::Display for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = URL_SAFE_NO_PAD.encode(self.secret);
        write!(f, "{}{}_{secret}", self.kind.prefix(), self.id())
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpaqueToken({}{}_…)", self.kind.prefix(), self.id())
    }
}

impl FromStr for OpaqueToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let kinds = [OpaqueKind::Api, OpaqueKind::Refresh];
        let found = kinds
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)));
        let (kind, rest) = found.ok_or(NotAToken)?;
        // the secret's alphabet has the separator, too
        let (id, secret) = rest.split_at_checked(ID_DIGITS).ok_or(NotAToken)?;
        let secret = secret.strip_prefix('_').ok_or(NotAToken)?;
        let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_| NotAToken)?;
        Ok(Self {
            kind,
            id: id_bytes(id).ok_or(NotAToken)?,
            secret: secret.try_into().map_err(|_| NotAToken)?,
        })
    }
}

fn id_bytes(text: &str) -> Option<[u8; ID]> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let number = u64::from_str_radix(text, 16).ok()?;
    text.bytes().all(is_digit).then(|| number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_read_back_whatever_its_bytes_are() {
        for kind in [OpaqueKind::Api, OpaqueKind::Refresh] {
            for byte in [0, 0xff, 0xfb] {
                let token = OpaqueToken {
                    kind,
                    id: [byte; ID],
                    secret: [byte; SECRET],
                };
                assert_eq!(token.to_string().parse(), Ok(token));
            }
            let token = OpaqueToken::generate(kind).unwrap();
            let text = token.to_string();
            assert!(
                text.starts_with(kind.prefix()) && text.len() == 4 + 16 + 1 + 43,
                "{text}"
            );
            assert_eq!(text[4..20], token.id());
            assert_eq!(text.parse(), Ok(token));
        }
    }

    #[test]
    fn a_renewed_token_has_its_id_and_another_secret() {
        let token = OpaqueToken::generate(OpaqueKind::Refresh).unwrap();
        let renewed = token.renewed().unwrap();
        assert_eq!((renewed.id(), renewed.kind()), (token.id(), token.kind()));
        assert_ne!(renewed.secret_sha256(), token.secret_sha256());
        assert_ne!(OpaqueToken::generate(OpaqueKind::Api).unwrap().id(), token.id());
    }

    /// Any of them tells its login from a stranger's guess, and none tells the next one.
    #[test]
    fn refresh_tokens_of_a_login_are_of_one_family() {
        let first = OpaqueToken::generate(OpaqueKind::Refresh).unwrap();
        let third = first.renewed().unwrap().renewed().unwrap();
        assert_eq!(third.family_sha256(), first.family_sha256());
        assert_ne!(third.secret[FAMILY..], first.secret[FAMILY..]);
        assert_ne!(first.secret[..FAMILY], first.secret[FAMILY..]);
        let other = OpaqueToken::generate(OpaqueKind::Refresh).unwrap();
        assert_ne!(other.family_sha256(), first.family_sha256());
        let api = OpaqueToken::generate(OpaqueKind::Api).unwrap();
        assert_ne!(api.renewed().unwrap().family_sha256(), api.family_sha256());
    }

    /// Two spellings of one token would be two entries of every list of refused ones.
    #[test]
    fn there_is_one_spelling() {
        let token = OpaqueToken {
            kind: OpaqueKind::Api,
            id: [0xab; ID],
            secret: [1; SECRET],
        };
        let text = token.to_string();
        for wrong in [
            text.to_uppercase(),
            text.replace("abab", "ABab"),
            text.replace("cht_", "chx_"),
            format!(" {text}"),
            format!("{text}="),
            format!("{text}A"),
            text[..text.len() - 1].to_owned(),
            text.replacen("_", "", 1),
            text.replace("abab", "+bab"),
            format!("cht_{}", "é".repeat(30)),
            String::new(),
        ] {
            assert_eq!(wrong.parse::<OpaqueToken>(), Err(NotAToken), "{wrong}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = OpaqueToken::generate(OpaqueKind::Api).unwrap();
        assert_eq!(format!("{token:?}"), format!("OpaqueToken(cht_{}_…)", token.id()));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "ch[trx]_[0-9a-g]{15,17}_[A-Za-z0-9_-]{42,44}") {
            if let Ok(token) = text.parse::<OpaqueToken>() {
                prop_assert_eq!(token.to_string(), text);
            }
        }
    }
}
