//! Issues the administrator's bearer token; `rpc::token` checks it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData};
use rpc::token::{audience, issuer, key_id};
use serde::Serialize;

use crate::key_ring::hex;

/// How long an administrator's token is good for.
pub const TOKEN_VALID_FOR: Duration = Duration::from_secs(24 * 3600);
/// Random bytes of a token's id.
const TOKEN_ID_BYTES: usize = 16;

/// A token or its key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No key.
    #[error("could not make or read a token key (ECDSA P-256, PKCS#8 PEM)")]
    Key(#[from] rcgen::Error),
    /// No signature.
    #[error("could not sign a token")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// No random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

/// Bytes that nobody can guess.
///
/// # Errors
/// If the system gives no random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], TokenError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| TokenError::Random)?;
    Ok(bytes)
}

/// The private key that signs tokens; who has it is every administrator.
pub struct TokenKey(KeyPair);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", key_id(&self.0.subject_public_key_info()))
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
    jti: String,
}

impl TokenKey {
    /// A new key.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn generate() -> Result<Self, TokenError> {
        Ok(Self(KeyPair::generate()?))
    }

    /// The key in a `token.key` file.
    ///
    /// # Errors
    /// If `pem` is not such a key.
    pub fn from_pem(pem: &str) -> Result<Self, TokenError> {
        Ok(Self(KeyPair::from_pkcs8_pem_and_sign_algo(
            pem,
            &rcgen::PKCS_ECDSA_P256_SHA256,
        )?))
    }

    /// The private key, PKCS#8 PEM.
    pub fn to_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// The public key that checks its tokens (`token.pem`).
    pub fn public_pem(&self) -> String {
        self.0.public_key_pem()
    }

    /// A token that makes its bearer the administrator `subject` of `cluster` from `now` on for
    /// [`TOKEN_VALID_FOR`].
    ///
    /// # Errors
    /// If there are no random bytes, or signing fails.
    pub fn issue(&self, cluster: &str, subject: &str, now: SystemTime) -> Result<String, TokenError> {
        let id: [u8; TOKEN_ID_BYTES] = random()?;
        let iat = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let claims = Claims {
            sub: subject,
            iss: issuer(cluster),
            aud: audience(cluster),
            iat,
            exp: iat + TOKEN_VALID_FOR.as_secs(),
            jti: hex(&id),
        };
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key_id(&self.0.subject_public_key_info()));
        Ok(jsonwebtoken::encode(
            &header,
            &claims,
            &EncodingKey::from_ec_der(self.0.serialized_der()),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use rpc::token::Verifier;

    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_790_000_000)
    }

    fn verifier(key: &TokenKey, cluster: &str, at: SystemTime) -> Verifier {
        let (issuer, audience) = (issuer(cluster), audience(cluster));
        Verifier::new(key.public_pem().as_bytes(), &issuer, &audience)
            .unwrap()
            .with_clock(move || at)
    }

    #[test]
    fn a_token_is_accepted_for_its_cluster_and_its_day() {
        let key = TokenKey::generate().unwrap();
        let token = key.issue("demo", "admin", now()).unwrap();
        let claims = verifier(&key, "demo", now()).verify(&token).unwrap();
        assert_eq!(claims.sub, "admin");
        assert_eq!(claims.exp, 1_790_000_000 + 24 * 3600);
        assert_eq!(claims.jti.map(|id| id.len()), Some(32));
        verifier(&key, "other", now()).verify(&token).unwrap_err();
        verifier(&key, "demo", now() + TOKEN_VALID_FOR + Duration::from_secs(61))
            .verify(&token)
            .unwrap_err();
    }

    /// Audit tells tokens apart by their id.
    #[test]
    fn two_tokens_never_share_an_id() {
        let key = TokenKey::generate().unwrap();
        let id = || {
            let token = key.issue("demo", "admin", now()).unwrap();
            verifier(&key, "demo", now()).verify(&token).unwrap().jti.unwrap()
        };
        assert_ne!(id(), id());
    }

    /// `token.key` signs what `token.pem` checks, after a restart too.
    #[test]
    fn a_key_read_back_from_its_file_is_the_same_key() {
        let key = TokenKey::generate().unwrap();
        let read = TokenKey::from_pem(&key.to_pem()).unwrap();
        verifier(&key, "demo", now())
            .verify(&read.issue("demo", "admin", now()).unwrap())
            .unwrap();
        TokenKey::from_pem(&key.public_pem()).unwrap_err();
    }

    #[test]
    fn debug_shows_no_private_key() {
        let key = TokenKey::generate().unwrap();
        let shown = format!("{key:?}");
        assert!(
            shown.len() == "TokenKey()".len() + 16 && !shown.contains("PRIVATE"),
            "{shown}"
        );
    }
}
