//! A provider's keys. What a key may check follows from its kind, never from what a token's header says.

use std::collections::BTreeMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rpc::token::TOKEN_LENGTH_MAX;
use serde_json::{Map, Value};

use super::fetch::{Fetched, body};

/// Keys of one provider, at most.
const KEYS_MAX: usize = 64;
/// Longest id of a key, bytes.
const KID_BYTES_MAX: usize = 256;

/// By `kid`; the key of a provider that names none has an empty one.
#[derive(Clone, Default)]
pub(crate) struct Keys(BTreeMap<String, Key>);

#[derive(Clone)]
struct Key {
    decoding: DecodingKey,
    algorithms: Vec<Algorithm>,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyProblem {
    /// The provider may have a new key.
    UnknownKey,
    Refused(&'static str),
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Keys").field(&self.0.keys()).finish()
    }
}

impl Keys {
    /// # Errors
    /// If it is no JWK set, has too many keys, none that can be used, or two of one id.
    pub(super) fn read(answer: &Fetched) -> Result<Keys, String> {
        let set: Value = serde_json::from_slice(body(answer)?)
            .map_err(|error| format!("its keys cannot be read: {error}"))?;
        let listed = set.get("keys").and_then(Value::as_array);
        let listed = listed.ok_or("its keys are no JWK set")?;
        if listed.len() > KEYS_MAX {
            return Err(format!(
                "it has {} keys, and {KEYS_MAX} are accepted",
                listed.len()
            ));
        }
        let mut keys = BTreeMap::new();
        // a key that this program cannot use is another program's
        for (kid, key) in listed.iter().filter_map(usable) {
            if keys.insert(kid.clone(), key).is_some() {
                return Err(format!("it has two keys of the id {kid:?}"));
            }
        }
        match keys.is_empty() {
            true => Err("it has no key for RS, PS, ES or EdDSA signatures".to_owned()),
            false => Ok(Keys(keys)),
        }
    }

    /// The claims of a token that one of these keys has signed, and nothing else checked.
    pub(crate) fn verified(&self, token: &str) -> Result<Map<String, Value>, KeyProblem> {
        use KeyProblem::{Refused, UnknownKey};
        if token.len() > TOKEN_LENGTH_MAX {
            return Err(Refused("it is longer than 8 KiB"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused("it is no signed JWT"))?;
        if header.crit.is_some() {
            return Err(Refused("its header has `crit`"));
        }
        // only the id of the key counts: `jku`, `jwk`, `x5u` and `x5c` are never looked at
        let key = match &header.kid {
            Some(kid) if kid.len() > KID_BYTES_MAX => return Err(Refused("its `kid` is too long")),
            Some(kid) => self.0.get(kid).ok_or(UnknownKey)?,
            None if self.0.len() == 1 => self.0.values().next().ok_or(UnknownKey)?,
            None => return Err(Refused("it has no `kid`, and its issuer has several keys")),
        };
        if !key.algorithms.contains(&header.alg) {
            return Err(Refused("its `alg` is not one of its key's kind"));
        }
        let mut validation = Validation::new(header.alg);
        // who it is from, whom it is for and when it is good are checked by whoever knows
        validation.set_required_spec_claims::<&str>(&[]);
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation);
        Ok(decoded.map_err(|_| Refused("its signature is wrong"))?.claims)
    }
}

/// The id of a key and what it checks; `None` for keys of another use or kind.
fn usable(listed: &Value) -> Option<(String, Key)> {
    let jwk: Jwk = serde_json::from_value(listed.clone()).ok()?;
    if matches!(
        jwk.common.public_key_use,
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
    ) {
        return None;
    }
    let of_its_kind: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        _ => return None,
    };
    // a key that says what it is for is for that only
    let said = listed.get("alg").and_then(Value::as_str);
    let algorithms = of_its_kind
        .iter()
        .filter(|algorithm| said.is_none_or(|said| said == format!("{algorithm:?}")));
    let key = Key {
        decoding: DecodingKey::from_jwk(&jwk).ok()?,
        algorithms: algorithms.copied().collect(),
    };
    let kid = jwk.common.key_id.unwrap_or_default();
    (!key.algorithms.is_empty() && kid.len() <= KID_BYTES_MAX).then_some((kid, key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Idp, RSA_JWK, ok};
    use super::*;

    fn refused(keys: &Keys, token: &str) -> &'static str {
        match keys.verified(token) {
            Err(KeyProblem::Refused(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_signature_counts_by_the_key_that_is_named() {
        let idp = Idp::new();
        let keys = Keys::read(&ok(&idp.jwks())).unwrap();
        let token = idp.signed(&json!({"sub": "ada"}));
        assert_eq!(keys.verified(&token).unwrap()["sub"], "ada");
        let changed = token.replace('.', ".e");
        assert!(keys.verified(&changed).is_err());
        let stranger = Idp::new();
        let forged = stranger.signed(&json!({"sub": "ada"}));
        assert_eq!(keys.verified(&forged), Err(KeyProblem::UnknownKey));
    }

    /// RFC 8725 3.1: an `alg` that another kind of key has would let the public key be taken for a secret.
    #[test]
    fn what_a_header_says_is_not_believed() {
        let idp = Idp::new();
        let keys = Keys::read(&ok(&idp.jwks())).unwrap();
        for alg in [
            "none", "None", "nOnE", "HS256", "RS256", "PS256", "ES384", "EdDSA",
        ] {
            let forged = idp.forged(&json!({"alg": alg, "kid": idp.kid()}), &json!({"sub": "ada"}));
            let reason = refused(&keys, &forged);
            assert!(
                ["it is no signed JWT", "its `alg` is not one of its key's kind"].contains(&reason),
                "{alg}: {reason}"
            );
        }
        let pointing = json!({
            "alg": "ES256", "kid": idp.kid(), "jku": "https://evil/jwks", "x5u": "https://evil/x", "crit": ["exp"],
        });
        assert!(refused(&keys, &idp.forged(&pointing, &json!({}))).contains("crit"));
        for kid in ["../../etc/passwd", "' or 1=1 --", "https://evil/jwks"] {
            let forged = idp.forged(&json!({"alg": "ES256", "kid": kid}), &json!({}));
            assert_eq!(keys.verified(&forged), Err(KeyProblem::UnknownKey));
        }
        let long = idp.forged(&json!({"alg": "ES256", "kid": "k".repeat(300)}), &json!({}));
        assert!(refused(&keys, &long).contains("too long"));
        assert!(refused(&keys, &"a".repeat(1 << 20)).contains("8 KiB"));
        assert!(refused(&keys, "a.b.c").contains("no signed JWT"));
    }

    #[test]
    fn without_a_kid_there_must_be_one_key() {
        let idp = Idp::new();
        let token = idp.signed_as(&json!({"alg": "ES256"}), &json!({"sub": "ada"}));
        let one = Keys::read(&ok(&idp.jwks())).unwrap();
        one.verified(&token).unwrap();
        let mut both = idp.jwks();
        let rsa: Value = serde_json::from_str(RSA_JWK).unwrap();
        both["keys"].as_array_mut().unwrap().push(rsa);
        let two = Keys::read(&ok(&both)).unwrap();
        assert!(refused(&two, &token).contains("several keys"));
    }

    #[test]
    fn what_is_no_set_of_keys_is_refused() {
        let idp = Idp::new();
        let own = idp.jwks()["keys"][0].clone();
        let other_use = {
            let mut key = own.clone();
            key["use"] = json!("enc");
            key
        };
        let secret = json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0"});
        for (set, text) in [
            (json!({}), "no JWK set"),
            (json!({"keys": []}), "no key for"),
            (json!({"keys": [secret, other_use]}), "no key for"),
            (json!({"keys": [own, own]}), "two keys"),
            (json!({"keys": vec![own.clone(); 65]}), "65 keys"),
        ] {
            let error = Keys::read(&ok(&set)).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
        let strange = json!({"keys": [own, {"kty": "AKP", "kid": "pq"}, "x"]});
        Keys::read(&ok(&strange)).unwrap();
    }
}
