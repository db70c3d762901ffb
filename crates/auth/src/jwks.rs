//! The public keys of access tokens as other programs read them: a JWK set (RFC 7517).

use serde::Serialize;

use rpc::token::KeyError;

use crate::signing_key::{coordinates, thumbprint};

/// Keys that check access tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// Each id once.
    pub keys: Vec<PublicJwk>,
}

/// One key: ECDSA P-256, for signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    r#use: &'static str,
    kid: String,
    x: String,
    y: String,
}

impl PublicJwk {
    /// Of a public key, SPKI (DER); its id is the thumbprint.
    ///
    /// # Errors
    /// For a key of another kind than ECDSA P-256.
    pub fn of(public_key: &[u8]) -> Result<PublicJwk, KeyError> {
        let (x, y) = coordinates(public_key)?;
        Ok(PublicJwk {
            kty: "EC",
            crv: "P-256",
            alg: "ES256",
            r#use: "sig",
            kid: thumbprint(public_key)?,
            x,
            y,
        })
    }
}

impl FromIterator<PublicJwk> for JwkSet {
    /// Of keys with the same id the first is taken: readers differ in which of two they use.
    fn from_iter<I: IntoIterator<Item = PublicJwk>>(keys: I) -> JwkSet {
        let mut set = JwkSet::default();
        for key in keys {
            if set.keys.iter().all(|other| other.kid != key.kid) {
                set.keys.push(key);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jsonwebtoken::DecodingKey;

    use super::*;
    use crate::{AccessClaims, SigningPair, check_access_token};

    /// What counts: a program that knows only the set can check our tokens.
    #[test]
    fn a_token_is_good_by_the_published_key_alone() {
        let pair = SigningPair::generate().unwrap();
        let key = PublicJwk::of(&pair.public_key()).unwrap();
        assert_eq!(key.kid, pair.id());
        let claims = AccessClaims {
            iss: "i".into(),
            sub: "user/ada".into(),
            aud: "a".into(),
            exp: 600,
            ..AccessClaims::default()
        };
        let published = Arc::new(DecodingKey::from_ec_components(&key.x, &key.y).unwrap());
        let keys = |kid: &str| (kid == key.kid).then(|| Arc::clone(&published));
        let token = pair.sign(&claims).unwrap();
        assert_eq!(check_access_token(&token, &keys, "i", "a", 0), Ok(claims));
    }

    #[test]
    fn no_id_is_there_twice_and_no_other_kind_of_key() {
        let pair = SigningPair::generate().unwrap();
        let key = || PublicJwk::of(&pair.public_key()).unwrap();
        let other = PublicJwk::of(&SigningPair::generate().unwrap().public_key()).unwrap();
        let set: JwkSet = [key(), other.clone(), key()].into_iter().collect();
        assert_eq!(set.keys, [key(), other]);
        assert!(matches!(PublicJwk::of(b"x"), Err(KeyError::Kind)));
    }
}
