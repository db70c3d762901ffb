//! Requests to the CA as it takes them: signed JSON (RFC 8555, 6.2; RFC 7515).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::account_key::AccountKey;
use super::binding::Binding;
use crate::serve::config::AcmeConfig;

/// A request that is signed with the account's key. It names the account, or the key itself where there is no account yet; an empty
/// payload asks for what is at the URL.
pub(super) fn request(
    key: &AccountKey,
    account: Option<&str>,
    nonce: &str,
    url: &str,
    payload: &str,
) -> Result<String, String> {
    let mut protected = json!({ "alg": "ES256", "nonce": nonce, "url": url });
    match account {
        Some(account) => protected["kid"] = account.into(),
        None => protected["jwk"] = key.jwk(),
    }
    let signed = signed(&protected, payload, |message| key.sign(message))?;
    Ok(signed.to_string())
}

/// What asks for an account: RFC 8555, 7.3 and 7.3.4.
pub(super) fn new_account(
    config: &AcmeConfig,
    key: &AccountKey,
    binding: Option<&Binding>,
    url: &str,
) -> Result<Value, String> {
    let mut payload = json!({ "termsOfServiceAgreed": config.agree_to_terms });
    if let Some(contact) = &config.contact {
        payload["contact"] = json!([format!("mailto:{contact}")]);
    }
    if let Some(binding) = binding {
        let protected = json!({ "alg": "HS256", "kid": binding.key_id, "url": url });
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &binding.key);
        let bound = signed(&protected, &key.jwk().to_string(), |message| {
            Ok(hmac::sign(&secret, message).as_ref().to_vec())
        });
        payload["externalAccountBinding"] = bound?;
    }
    Ok(payload)
}

/// The flattened JSON form (RFC 7515, 7.2.2).
fn signed(
    protected: &Value,
    payload: &str,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<Value, String> {
    let protected = BASE64_URL_SAFE_NO_PAD.encode(protected.to_string());
    let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
    let signature = sign(format!("{protected}.{payload}").as_bytes())?;
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    Ok(json!({ "protected": protected, "payload": payload, "signature": signature }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::acme::account_key::tests::key;
    use crate::serve::acme::tests::config;

    const URL: &str = "https://ca.example/new-account";

    fn decoded(part: &Value) -> Value {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part.as_str().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn sent(account: Option<&str>, payload: &str) -> Value {
        let request = request(&key(), account, "n-1", URL, payload).unwrap();
        serde_json::from_str(&request).unwrap()
    }

    /// RFC 8555, 6.2: `jwk` and `kid` are never there together.
    #[test]
    fn a_request_names_its_account_or_its_key() {
        let first = decoded(&sent(None, "{}")["protected"]);
        assert_eq!((&first["nonce"], &first["url"]), (&json!("n-1"), &json!(URL)));
        assert_eq!(first["jwk"], key().jwk());
        assert!(first.get("kid").is_none());
        let later = sent(Some("https://ca.example/account/1"), "");
        assert_eq!(later["payload"], "", "it asks for what is there");
        let later = decoded(&later["protected"]);
        assert_eq!(later["kid"], "https://ca.example/account/1");
        assert!(later.get("jwk").is_none());
    }

    #[test]
    fn an_account_agrees_to_the_terms_and_names_whom_to_warn() {
        let mut config = config("");
        let payload = new_account(&config, &key(), None, URL).unwrap();
        assert_eq!(payload, json!({ "termsOfServiceAgreed": true }));
        config.contact = Some("ops@example.org".to_owned());
        let payload = new_account(&config, &key(), None, URL).unwrap();
        assert_eq!(payload["contact"][0], "mailto:ops@example.org");
    }

    /// RFC 8555, 7.3.4: the bound key is the account's, the MAC that of the key which the CA has given.
    #[test]
    fn an_account_is_bound_by_the_key_that_the_ca_has_given() {
        let binding = Binding {
            key_id: "kid-1".to_owned(),
            key: vec![9; 32],
        };
        let payload = new_account(&config(""), &key(), Some(&binding), URL).unwrap();
        let bound = &payload["externalAccountBinding"];
        assert_eq!(decoded(&bound["payload"]), key().jwk());
        let protected = decoded(&bound["protected"]);
        assert_eq!(protected, json!({ "alg": "HS256", "kid": "kid-1", "url": URL }));
        let text = |part: &str| bound[part].as_str().unwrap().to_owned();
        let message = format!("{}.{}", text("protected"), text("payload"));
        let mac = BASE64_URL_SAFE_NO_PAD.decode(text("signature")).unwrap();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &[9; 32]);
        hmac::verify(&secret, message.as_bytes(), &mac).unwrap();
    }
}
