//! The account at the CA: made with the cluster's key, or found if it is there (RFC 8555, 7.3).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{HeaderMap, Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account_key::AccountKey;
use super::binding::Binding;
use super::client::Client;
use crate::serve::config::AcmeConfig;

/// A CA may refuse a nonce that it has just given (RFC 8555, 6.5).
const TRIES_MAX: u32 = 5;
const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";
const NONCE: &str = "replay-nonce";

/// What is needed of the CA's directory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Directory {
    new_nonce: String,
    new_account: String,
}

/// RFC 7807, as CAs send it.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    detail: String,
}

/// The account's URL; there is one account for the key, however often this is asked.
///
/// `instant-acme` makes accounts only with keys of its own when they are bound to others, so the one request is made here.
///
/// # Errors
/// The CA is not reached or refuses: its own words.
pub(super) async fn register(
    client: &Client,
    config: &AcmeConfig,
    key: &AccountKey,
    binding: Option<&Binding>,
) -> Result<String, String> {
    let nothing = HeaderMap::new();
    let asked = client.send(Method::GET, &config.directory, &nothing, Bytes::new());
    let directory: Directory = serde_json::from_slice(asked.await?.body())
        .map_err(|error| format!("{}: no ACME directory: {error}", config.directory))?;
    let payload = payload(config, key, binding, &directory.new_account)?;
    let mut problem = Problem::default();
    for _ in 0..TRIES_MAX {
        let nonce = nonce(client, &directory.new_nonce).await?;
        let body = request(key, &directory.new_account, &nonce, &payload)?;
        let answer = post(client, &directory.new_account, &body).await?;
        if answer.status().is_success() {
            return location(&answer);
        }
        problem = serde_json::from_slice(answer.body()).unwrap_or_default();
        if problem.kind != BAD_NONCE {
            break;
        }
    }
    Err(format!(
        "the CA gives no account: {} ({})",
        problem.detail, problem.kind
    ))
}

async fn nonce(client: &Client, url: &str) -> Result<String, String> {
    let answer = client
        .send(Method::HEAD, url, &HeaderMap::new(), Bytes::new())
        .await?;
    let nonce = answer.headers().get(NONCE).and_then(|nonce| nonce.to_str().ok());
    nonce
        .map(str::to_owned)
        .ok_or_else(|| format!("{url}: no nonce was given"))
}

async fn post(client: &Client, url: &str, body: &Value) -> Result<Response<Bytes>, String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jose+json"));
    let body = Bytes::from(body.to_string());
    client.send(Method::POST, url, &headers, body).await
}

fn location(answer: &Response<Bytes>) -> Result<String, String> {
    let url = answer.headers().get(LOCATION).and_then(|url| url.to_str().ok());
    url.map(str::to_owned)
        .ok_or_else(|| "the CA does not say where the account is".to_owned())
}

/// The new account: RFC 8555, 7.3 and 7.3.4.
fn payload(
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
        let sign = |message: &[u8]| Ok(hmac::sign(&secret, message).as_ref().to_vec());
        payload["externalAccountBinding"] = signed(&protected, &key.jwk(), sign)?;
    }
    Ok(payload)
}

fn request(key: &AccountKey, url: &str, nonce: &str, payload: &Value) -> Result<Value, String> {
    let protected = json!({ "alg": "ES256", "jwk": key.jwk(), "nonce": nonce, "url": url });
    signed(&protected, payload, |message| key.sign(message))
}

/// JWS in its flattened JSON form (RFC 7515, 7.2.2).
fn signed(
    protected: &Value,
    payload: &Value,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<Value, String> {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let (protected, payload) = (encode(protected), encode(payload));
    let signature = sign(format!("{protected}.{payload}").as_bytes())?;
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    Ok(json!({ "protected": protected, "payload": payload, "signature": signature }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::acme::account_key::tests::key;
    use crate::serve::acme::tests::config;

    fn decoded(part: &Value) -> Value {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part.as_str().unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    const URL: &str = "https://ca.example/new-account";

    #[test]
    fn a_request_says_which_key_asks_and_for_what() {
        let key = key();
        let mut config = config("");
        config.contact = Some("ops@example.org".to_owned());
        let payload = payload(&config, &key, None, URL).unwrap();
        let request = request(&key, URL, "n-1", &payload).unwrap();
        let protected = decoded(&request["protected"]);
        assert_eq!(protected["nonce"], "n-1");
        assert_eq!(protected["url"], URL);
        assert_eq!(protected["jwk"], key.jwk());
        let sent = decoded(&request["payload"]);
        assert_eq!(sent["termsOfServiceAgreed"], true);
        assert_eq!(sent["contact"][0], "mailto:ops@example.org");
        assert!(sent.get("externalAccountBinding").is_none());
    }

    /// RFC 8555, 7.3.4: the bound key is the account's, the MAC that of the key which the CA has given.
    #[test]
    fn an_account_is_bound_by_the_key_that_the_ca_has_given() {
        let key = key();
        let binding = Binding {
            key_id: "kid-1".to_owned(),
            key: vec![9; 32],
        };
        let payload = payload(&config(""), &key, Some(&binding), URL).unwrap();
        let bound = &payload["externalAccountBinding"];
        assert_eq!(decoded(&bound["payload"]), key.jwk());
        let protected = decoded(&bound["protected"]);
        assert_eq!(protected, json!({ "alg": "HS256", "kid": "kid-1", "url": URL }));
        let text = |part: &str| bound[part].as_str().unwrap().to_owned();
        let message = format!("{}.{}", text("protected"), text("payload"));
        let mac = BASE64_URL_SAFE_NO_PAD.decode(text("signature")).unwrap();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &[9; 32]);
        hmac::verify(&secret, message.as_bytes(), &mac).unwrap();
    }
}
