//! The ACME account of the cluster: one key for all members, derived from a secret that each of them has, so that any member can answer
//! for an order of any other and nothing of it need be stored or shared.

use std::sync::{Arc, OnceLock};

use auth::Sealer;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use raft::Store;
use serde_json::{Value, json};

use crate::serve::identity::ADVERT_KEY;

/// What tells this use of the secret apart from others.
const LABEL: &[u8] = b"chamois acme account 1";
/// One number in 2^32 is no private key of P-256; so many in a row are none ever.
const TRIES_MAX: u8 = 8;
/// Bytes of a coordinate of P-256.
const COORDINATE: usize = 32;

/// The account's key pair.
pub(super) struct AccountKey {
    pair: EcdsaKeyPair,
    thumbprint: String,
}

impl AccountKey {
    /// The key that belongs to a secret: the same on every member.
    fn derive(secret: &[u8]) -> Option<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let pair = (0..TRIES_MAX).find_map(|turn| {
            let mut context = hmac::Context::with_key(&key);
            context.update(LABEL);
            context.update(&[turn]);
            key_pair(context.sign().as_ref())
        })?;
        let thumbprint = thumbprint(&pair);
        Some(Self { pair, thumbprint })
    }

    /// What the CA expects after a challenge's token (RFC 8555, 8.1): the digest of the public key (RFC 7638).
    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The public key as JSON (RFC 7517).
    pub(super) fn jwk(&self) -> Value {
        let (x, y) = coordinates(&self.pair);
        json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y })
    }

    /// A signature for JWS, `ES256` (RFC 7518, 3.4).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signed = self.pair.sign(&SystemRandom::new(), message);
        let signed = signed.map_err(|_| "the account's key cannot sign".to_owned())?;
        Ok(signed.as_ref().to_vec())
    }
}

fn key_pair(scalar: &[u8]) -> Option<EcdsaKeyPair> {
    let private = PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
    let public = private.compute_public_key().ok()?;
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, public.as_ref()).ok()
}

/// The public point in base64url; it begins with a byte that says that it is not compressed.
fn coordinates(pair: &EcdsaKeyPair) -> (String, String) {
    let point = pair.public_key().as_ref();
    let (x, y) = point[1..].split_at(COORDINATE);
    (BASE64_URL_SAFE_NO_PAD.encode(x), BASE64_URL_SAFE_NO_PAD.encode(y))
}

/// RFC 7638, 3: the members in this order, without blanks.
fn thumbprint(pair: &EcdsaKeyPair) -> String {
    let (x, y) = coordinates(pair);
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}

/// The key once the state has the secret and this member opens it; derived once. Cheap to clone.
#[derive(Clone)]
pub(super) struct AccountKeys {
    store: Store,
    sealer: Sealer,
    derived: Arc<OnceLock<AccountKey>>,
}

impl AccountKeys {
    pub(super) fn new(store: Store, sealer: Sealer) -> Self {
        Self {
            store,
            sealer,
            derived: Arc::default(),
        }
    }

    /// # Errors
    /// The cluster is not begun yet, or this member was not given the key of secrets.
    pub(super) fn get(&self) -> Result<&AccountKey, String> {
        if let Some(key) = self.derived.get() {
            return Ok(key);
        }
        let sealed = self.store.state().cluster.secret(ADVERT_KEY);
        let sealed = sealed.ok_or("the cluster's first entry is not here yet")?;
        let secret = self.sealer.open(&sealed).map_err(|error| error.to_string())?;
        let key = AccountKey::derive(secret.bytes()).ok_or("no account key can be derived")?;
        Ok(self.derived.get_or_init(|| key))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    pub(in crate::serve::acme) fn key() -> AccountKey {
        AccountKey::derive(&[7; 32]).unwrap()
    }

    /// Keys that are there already, of a cluster that has begun.
    pub(in crate::serve::acme) fn keys() -> AccountKeys {
        let keys = AccountKeys::new(Store::in_memory(), Sealer::generate().unwrap());
        assert!(keys.derived.set(key()).is_ok());
        keys
    }

    /// Members derive it each by itself, after every start.
    #[test]
    fn a_secret_has_one_key_and_another_secret_another() {
        assert_eq!(key().thumbprint(), key().thumbprint());
        assert_eq!(key().jwk(), key().jwk());
        let other = AccountKey::derive(&[8; 32]).unwrap();
        assert_ne!(other.thumbprint(), key().thumbprint());
    }

    #[test]
    fn what_it_signs_its_public_key_verifies() {
        let key = key();
        let signature = key.sign(b"message").unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.pair.public_key().as_ref());
        public.verify(b"message", &signature).unwrap();
        public.verify(b"another", &signature).unwrap_err();
    }

    /// RFC 7638's digest is over what `jwk` has, and nothing else.
    #[test]
    fn the_thumbprint_is_that_of_the_json_key() {
        let key = key();
        let text = serde_json::to_string(&key.jwk()).unwrap(); // keys of serde_json's maps are sorted
        let digested = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()));
        assert_eq!(digested, key.thumbprint());
    }

    #[test]
    fn before_the_cluster_has_begun_there_is_none() {
        let keys = AccountKeys::new(Store::in_memory(), Sealer::generate().unwrap());
        let problem = keys.get().err().unwrap();
        assert!(problem.contains("first entry"), "{problem}");
    }
}
