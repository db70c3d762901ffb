//! Keys that sign access tokens: ECDSA P-256, known by the thumbprint of their public half.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData as _};
use rpc::token::{KeyError, p256_point};
use rustls_pki_types::PrivatePkcs8KeyDer;

use crate::access_token::{AccessClaims, TYPE};
use crate::join_token::secret_digest;
use crate::token_issue::TokenError;

/// Bytes of one coordinate of a point.
const COORDINATE: usize = 32;

/// Both halves of a key.
pub struct SigningPair {
    pair: KeyPair,
    id: String,
    encoding: EncodingKey,
}

impl fmt::Debug for SigningPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningPair({})", self.id)
    }
}

impl SigningPair {
    /// A new key.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn generate() -> Result<Self, TokenError> {
        Self::of(KeyPair::generate()?)
    }

    /// The key of a PKCS#8 document (DER).
    ///
    /// # Errors
    /// If it is something else, or a key of another kind.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, TokenError> {
        let der = PrivatePkcs8KeyDer::from(der);
        Self::of(KeyPair::from_pkcs8_der_and_sign_algo(
            &der,
            &rcgen::PKCS_ECDSA_P256_SHA256,
        )?)
    }

    fn of(pair: KeyPair) -> Result<Self, TokenError> {
        let id = thumbprint(&pair.subject_public_key_info())
            .map_err(|_| TokenError::Key(rcgen::Error::UnsupportedSignatureAlgorithm))?;
        let encoding = EncodingKey::from_ec_der(pair.serialized_der());
        Ok(Self { pair, id, encoding })
    }

    /// RFC 7638 thumbprint of the public key: the `kid` of its tokens.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key, SPKI (DER).
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// The private key, PKCS#8 (DER). It leaves this process only sealed.
    pub fn pkcs8_der(&self) -> &[u8] {
        self.pair.serialized_der()
    }

    /// The access token with these claims.
    ///
    /// # Errors
    /// If signing fails.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, TokenError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.id.clone());
        Ok(jsonwebtoken::encode(&header, claims, &self.encoding)?)
    }
}

/// RFC 7638 thumbprint of an ECDSA P-256 key (SPKI, DER): SHA-256 of its required members in lexical order, base64url.
///
/// # Errors
/// For a key of another kind.
pub(crate) fn thumbprint(public_key: &[u8]) -> Result<String, KeyError> {
    let (x, y) = coordinates(public_key)?;
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Ok(URL_SAFE_NO_PAD.encode(secret_digest(members.as_bytes())))
}

/// The coordinates of the key's point, base64url.
///
/// # Errors
/// For a key of another kind.
pub(crate) fn coordinates(public_key: &[u8]) -> Result<(String, String), KeyError> {
    // the first byte says that the point is not compressed
    let (x, y) = p256_point(public_key)?[1..].split_at(COORDINATE);
    Ok((URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sealed in the state is the key again, on another member and after a restart.
    #[test]
    fn a_key_read_back_is_the_same_key() {
        let key = SigningPair::generate().unwrap();
        let read = SigningPair::from_pkcs8(key.pkcs8_der()).unwrap();
        assert_eq!((read.id(), read.public_key()), (key.id(), key.public_key()));
        assert_ne!(SigningPair::generate().unwrap().id(), key.id());
        SigningPair::from_pkcs8(&key.public_key()).unwrap_err();
    }

    /// Other programs look a key up by it.
    #[test]
    fn the_id_is_the_thumbprint_of_rfc_7638() {
        let key = SigningPair::generate().unwrap();
        assert_eq!(thumbprint(&key.public_key()).unwrap(), key.id());
        assert_eq!(key.id().len(), 43);
        assert!(matches!(thumbprint(b"no key"), Err(KeyError::Kind)));
        let jwk = jsonwebtoken::jwk::Jwk {
            common: jsonwebtoken::jwk::CommonParameters::default(),
            algorithm: jsonwebtoken::jwk::AlgorithmParameters::EllipticCurve(
                jsonwebtoken::jwk::EllipticCurveKeyParameters {
                    key_type: jsonwebtoken::jwk::EllipticCurveKeyType::EC,
                    curve: jsonwebtoken::jwk::EllipticCurve::P256,
                    x: coordinates(&key.public_key()).unwrap().0,
                    y: coordinates(&key.public_key()).unwrap().1,
                },
            ),
        };
        let theirs = jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
        assert_eq!(theirs, key.id());
    }

    #[test]
    fn debug_shows_no_private_key() {
        let key = SigningPair::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningPair({})", key.id()));
    }
}
