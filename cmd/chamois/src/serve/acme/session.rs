//! What is said to the CA in the name of the account: nonces, refusals, and the account itself (RFC 8555, 6 and 7.3).

use std::fmt;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{HeaderMap, Method, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::account_key::AccountKey;
use super::binding::Binding;
use super::client::Client;
use super::jws;
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
    new_order: String,
}

/// Why the CA refuses something (RFC 7807).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Problem {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.kind)
    }
}

/// The account, to ask with.
pub(super) struct Session<'k> {
    client: Client,
    key: &'k AccountKey,
    directory: Directory,
    /// Its URL.
    account: Option<String>,
    /// For the next request, if the last answer had one.
    nonce: Option<String>,
}

impl<'k> Session<'k> {
    /// Finds the account of the key, or makes it: there is one, however often this is asked.
    ///
    /// # Errors
    /// The CA is not reached or refuses: its own words.
    pub(super) async fn open(
        client: Client,
        config: &AcmeConfig,
        key: &'k AccountKey,
        binding: Option<&Binding>,
    ) -> Result<Self, String> {
        let nothing = HeaderMap::new();
        let asked = client.send(Method::GET, &config.directory, &nothing, Bytes::new());
        let directory: Directory = parsed(&asked.await?)
            .map_err(|problem| format!("{}: no ACME directory: {problem}", config.directory))?;
        let payload = jws::new_account(config, key, binding, &directory.new_account)?;
        let mut session = Self {
            client,
            key,
            directory,
            account: None,
            nonce: None,
        };
        let url = session.directory.new_account.clone();
        let answer = session.post(&url, &payload).await?;
        session.account = Some(location(&answer)?);
        Ok(session)
    }

    /// Where orders are placed.
    pub(super) fn new_order(&self) -> String {
        self.directory.new_order.clone()
    }

    /// What is at a URL of the CA (POST-as-GET, RFC 8555, 6.3).
    pub(super) async fn get(&mut self, url: &str) -> Result<Response<Bytes>, String> {
        self.send(url, "").await
    }

    /// Sends something to a URL of the CA.
    pub(super) async fn post(&mut self, url: &str, payload: &Value) -> Result<Response<Bytes>, String> {
        self.send(url, &payload.to_string()).await
    }

    async fn send(&mut self, url: &str, payload: &str) -> Result<Response<Bytes>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jose+json"));
        let mut refused = Problem::default();
        for _ in 0..TRIES_MAX {
            let nonce = match self.nonce.take() {
                Some(nonce) => nonce,
                None => self.fresh_nonce().await?,
            };
            let body = jws::request(self.key, self.account.as_deref(), &nonce, url, payload)?;
            let sent = self.client.send(Method::POST, url, &headers, Bytes::from(body));
            let answer = sent.await?;
            self.nonce = nonce_of(&answer);
            if answer.status().is_success() {
                return Ok(answer);
            }
            refused = parsed(&answer).unwrap_or_default();
            if refused.kind != BAD_NONCE {
                break;
            }
        }
        Err(format!("{url}: the CA refuses: {refused}"))
    }

    async fn fresh_nonce(&self) -> Result<String, String> {
        let (url, nothing) = (&self.directory.new_nonce, HeaderMap::new());
        let answer = self
            .client
            .send(Method::HEAD, url, &nothing, Bytes::new())
            .await?;
        nonce_of(&answer).ok_or_else(|| format!("{url}: no nonce was given"))
    }
}

fn nonce_of(answer: &Response<Bytes>) -> Option<String> {
    let nonce = answer.headers().get(NONCE)?;
    nonce.to_str().ok().map(str::to_owned)
}

/// Where the CA has put what was asked for.
pub(super) fn location(answer: &Response<Bytes>) -> Result<String, String> {
    let url = answer.headers().get(LOCATION).and_then(|url| url.to_str().ok());
    url.map(str::to_owned)
        .ok_or_else(|| "the CA does not say where it has put what was asked for".to_owned())
}

/// An answer's JSON.
pub(super) fn parsed<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, String> {
    serde_json::from_slice(answer.body())
        .map_err(|error| format!("the answer is not what ACME says: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static str) -> Response<Bytes> {
        Response::new(Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_refusal_is_told_in_the_cas_own_words() {
        let body = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates","status":429}"#;
        let problem: Problem = parsed(&answer(body)).unwrap();
        let expected = "too many certificates (urn:ietf:params:acme:error:rateLimited)";
        assert_eq!(problem.to_string(), expected);
        assert!(parsed::<Directory>(&answer("<html>")).is_err());
    }

    #[test]
    fn nonces_and_places_are_in_headers() {
        let mut answer = answer("");
        assert_eq!(nonce_of(&answer), None);
        assert!(location(&answer).is_err());
        let headers = answer.headers_mut();
        headers.insert(NONCE, HeaderValue::from_static("n-1"));
        headers.insert(LOCATION, HeaderValue::from_static("https://ca.example/order/1"));
        assert_eq!(nonce_of(&answer).as_deref(), Some("n-1"));
        assert_eq!(location(&answer).unwrap(), "https://ca.example/order/1");
    }
}
