//! Checks bearer tokens: JWTs signed with ES256 by one of the cluster's token keys.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;

use crate::Error;
use crate::known_tokens::{KnownTokens, token_digest};

/// Tokens longer than this are refused before anything is decoded, bytes.
pub const TOKEN_LENGTH_MAX: usize = 8 * 1024;
/// How far this member's clock may be off from the issuer's, seconds.
pub const LEEWAY_S: u64 = 60;
/// Public keys that one verifier holds at most.
pub const KEYS_MAX: usize = 16;

/// The `iss` of tokens that the cluster itself issues. Of the cluster and not of an address: members are found by several names, and a
/// token must be good at each of them, also after the site has renamed one. A client that insists on an `https` issuer under which it finds
/// the metadata (OpenID Connect Discovery 4.3) is told `issuer` and `jwks_uri` by hand; RFC 8414's clients take any name that is the same
/// in both places.
pub fn issuer(cluster: &str) -> String {
    format!("urn:chamois:{cluster}")
}

/// The `aud` that a token for the cluster's API must name.
pub fn audience(cluster: &str) -> String {
    format!("urn:chamois:{cluster}:api")
}

/// The claims of a token that has passed every check.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// Whom the token speaks for; becomes the principal.
    pub sub: String,
    /// Who issued it; checked to be the issuer that the verifier knows, and one text, not a list.
    pub iss: String,
    /// End of validity, seconds since the Unix epoch.
    pub exp: u64,
    /// Start of validity, if the token has one.
    #[serde(default)]
    pub nbf: Option<u64>,
    /// The token's own id, if it has one.
    #[serde(default)]
    pub jti: Option<String>,
}

/// Why the keys for checking tokens could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not PEM, or no `PUBLIC KEY` block in it.
    #[error("not a PEM file of `PUBLIC KEY` blocks (ECDSA P-256)")]
    Pem,
    /// A key of another kind than ECDSA P-256.
    #[error("a public key is not ECDSA P-256, the only kind that is accepted")]
    Kind,
    /// More keys than [`KEYS_MAX`].
    #[error("more than {KEYS_MAX} public keys; remove those that no valid token uses")]
    TooMany,
}

/// Checks tokens against the cluster's token keys; cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    keys: Arc<BTreeMap<String, DecodingKey>>,
    validation: Arc<Validation>,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    known: KnownTokens<Claims>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("keys", &self.keys.keys())
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier that accepts tokens of `issuer` for `audience`, signed by a key of `pem`
    /// (`token.pem`: one or more `PUBLIC KEY` blocks, so that keys can be rotated).
    ///
    /// # Errors
    /// If `pem` holds no key, too many, or one that is not ECDSA P-256.
    pub fn new(pem: &[u8], issuer: &str, audience: &str) -> Result<Self, KeyError> {
        let mut keys = BTreeMap::new();
        for key in SubjectPublicKeyInfoDer::pem_slice_iter(pem) {
            let key = key.map_err(|_| KeyError::Pem)?;
            keys.insert(key_id(&key), DecodingKey::from_ec_der(p256_point(&key)?));
        }
        match keys.len() {
            0 => return Err(KeyError::Pem),
            n if n > KEYS_MAX => return Err(KeyError::TooMany),
            _ => {}
        }
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_required_spec_claims(&["sub", "iss", "aud", "exp"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        // Time is checked below against the clock that the caller gave, and on integers only.
        validation.validate_exp = false;
        Ok(Self {
            keys: Arc::new(keys),
            validation: Arc::new(validation),
            now: Arc::new(SystemTime::now),
            known: KnownTokens::default(),
        })
    }

    /// The same verifier on another clock than the system's.
    #[must_use]
    pub fn with_clock(self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            now: Arc::new(now),
            ..self
        }
    }

    /// The claims of `token`, if every check passes.
    ///
    /// # Errors
    /// `Unauthenticated` with the first check that failed; the text never quotes the token.
    pub fn verify(&self, token: &str) -> Result<Claims, Error> {
        if token.len() > TOKEN_LENGTH_MAX {
            return Err(refused("it is longer than 8 KiB"));
        }
        let digest = token_digest(token);
        if let Some(claims) = self.known.get(&digest) {
            self.check_time(&claims)?;
            return Ok(Claims::clone(&claims));
        }
        let claims = Arc::new(self.signed_claims(token)?);
        self.check_time(&claims)?;
        self.known.remember(digest, &claims);
        Ok(Arc::unwrap_or_clone(claims))
    }

    /// How long a token with these claims is accepted still.
    pub(crate) fn ends_in(&self, claims: &Claims) -> Duration {
        let now = (self.now)().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_secs(claims.exp.saturating_add(LEEWAY_S)).saturating_sub(now)
    }

    /// The claims of a token that one of the keys has signed, for this cluster.
    fn signed_claims(&self, token: &str) -> Result<Claims, Error> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| refused("it is not an ES256 JWT"))?;
        // Only the key id of our own keys counts; `jku`, `jwk`, `x5u` and `x5c` are never looked at.
        let key = header.kid.and_then(|kid| self.keys.get(&kid));
        let key = key.ok_or_else(|| refused("its `kid` names none of this cluster's token keys"))?;
        let decoded = jsonwebtoken::decode::<Claims>(token, key, &self.validation);
        Ok(decoded.map_err(|e| refused(problem_of(e.kind())))?.claims)
    }

    fn check_time(&self, claims: &Claims) -> Result<(), Error> {
        let now = (self.now)()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if claims.exp.saturating_add(LEEWAY_S) <= now {
            return Err(refused("it has expired"));
        }
        if claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(LEEWAY_S)) {
            return Err(refused("it is not valid yet; compare the clocks"));
        }
        Ok(())
    }
}

/// The key id (`kid`) of a token key: the first 16 hex digits of the SHA-256 of its public key (SPKI, DER).
pub fn key_id(public_key: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public_key);
    digest.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// SPKI of an ECDSA P-256 key up to the point: RFC 5480, uncompressed form.
const P256_SPKI_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of a point: [`P256_UNCOMPRESSED`], then both coordinates.
const P256_POINT_LENGTH: usize = 65;
const P256_UNCOMPRESSED: u8 = 4;

/// The point of a P-256 public key (SPKI, DER), uncompressed: `04 || x || y`.
///
/// # Errors
/// For any other kind or form of key.
pub fn p256_point(public_key: &[u8]) -> Result<&[u8], KeyError> {
    match public_key.strip_prefix(P256_SPKI_PREFIX) {
        Some(point) if point.len() == P256_POINT_LENGTH && point[0] == P256_UNCOMPRESSED => Ok(point),
        _ => Err(KeyError::Kind),
    }
}

fn refused(problem: &str) -> Error {
    Error::Unauthenticated {
        reason: format!("the bearer token is not accepted: {problem}"),
    }
}

fn problem_of(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::InvalidAlgorithm => "it is not signed with ES256",
        ErrorKind::InvalidIssuer => "it was issued by someone else",
        ErrorKind::InvalidAudience => "it was issued for something else",
        _ => "it is malformed, or lacks a string `sub`, `iss`, `aud` or an integer `exp`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Certificates are signed for keys of strangers by this form, and tokens are checked by it.
    #[test]
    fn only_a_whole_uncompressed_point_is_one() {
        let key = |first: u8, length: usize| {
            let mut key = P256_SPKI_PREFIX.to_vec();
            key.push(first);
            key.resize(P256_SPKI_PREFIX.len() + length, 7);
            key
        };
        assert_eq!(p256_point(&key(4, 65)).unwrap().len(), 65);
        for wrong in [key(2, 65), key(4, 64), key(4, 66), key(4, 65)[1..].to_vec()] {
            assert!(matches!(p256_point(&wrong), Err(KeyError::Kind)));
        }
    }
}
