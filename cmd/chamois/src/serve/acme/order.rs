//! One order: prove to the CA that the names lead here, and fetch the certificate (RFC 8555, 7.4).
//!
//! No client of crates.io is used: `instant-acme` makes accounts with keys of its own where they are bound to others, and brings a second
//! HTTP client with `ring` into the lock file.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::account_key::AccountKey;
use super::binding;
use super::client::Client;
use super::session::{Problem, Session, location, parsed};
use crate::serve::config::AcmeConfig;

/// How often the CA is asked whether it is done: after 1 s, 2 s and so on, but never after more than [`POLL_PAUSE_S_MAX`]. Together 90 s.
const POLLS_MAX: u64 = 20;
const POLL_PAUSE_S_MAX: u64 = 5;
const HTTP_01: &str = "http-01";

/// What a CA has given, PEM.
pub(super) struct Ordered {
    /// Own certificate first.
    pub(super) chain: String,
    pub(super) key: String,
}

/// RFC 8555, 7.1.3.
#[derive(Debug, Deserialize)]
struct Order {
    status: String,
    authorizations: Vec<String>,
    finalize: String,
    certificate: Option<String>,
    error: Option<Problem>,
}

/// RFC 8555, 7.1.4.
#[derive(Debug, Deserialize)]
struct Authorization {
    status: String,
    challenges: Vec<Challenge>,
}

/// RFC 8555, 7.1.5. The token is in what the CA asks for.
#[derive(Debug, Deserialize)]
struct Challenge {
    #[serde(rename = "type")]
    kind: String,
    url: String,
    error: Option<Problem>,
}

/// Orders a certificate with a new key for the names of the configuration.
///
/// # Errors
/// The step that failed, with the CA's own words.
pub(super) async fn order(config: &AcmeConfig, key: &AccountKey) -> Result<Ordered, String> {
    let client = Client::new(config.ca.as_deref())?;
    let binding = binding::load(config).map_err(|problem| format!("api.acme.{problem}"))?;
    let mut session = Session::open(client, config, key, binding.as_ref()).await?;
    let placed = session
        .post(&session.new_order(), &identifiers(&config.names))
        .await?;
    let (url, order): (String, Order) = (location(&placed)?, parsed(&placed)?);
    for authorization in &order.authorizations {
        prove(&mut session, authorization).await?;
    }
    let order: Order = poll(&mut session, &url, |order: &Order| order.status != "pending").await?;
    if order.status != "ready" {
        return Err(not_ready(&order));
    }
    let (request, key) = certificate_request(&config.names)?;
    let request = json!({ "csr": BASE64_URL_SAFE_NO_PAD.encode(request) });
    session.post(&order.finalize, &request).await?;
    let done = |order: &Order| order.status == "valid" || order.status == "invalid";
    let order: Order = poll(&mut session, &url, done).await?;
    let Some(place) = order.certificate else {
        let why = order
            .error
            .map_or_else(|| "it does not say why".to_owned(), |why| why.to_string());
        return Err(format!("the CA gives no certificate: {why}"));
    };
    let chain = session.get(&place).await?.into_body();
    let chain = String::from_utf8(chain.to_vec()).map_err(|_| "the certificate is no PEM".to_owned())?;
    Ok(Ordered { chain, key })
}

fn identifiers(names: &[String]) -> Value {
    let identifier = |name: &String| json!({ "type": "dns", "value": name });
    json!({ "identifiers": names.iter().map(identifier).collect::<Vec<Value>>() })
}

/// Lets the CA ask for a name, unless it knows the name to be ours; every member answers that at once.
async fn prove(session: &mut Session<'_>, url: &str) -> Result<(), String> {
    let authorization: Authorization = parsed(&session.get(url).await?)?;
    if authorization.status == "valid" {
        return Ok(());
    }
    let challenge = authorization
        .challenges
        .iter()
        .find(|challenge| challenge.kind == HTTP_01);
    let challenge =
        challenge.ok_or("the CA offers no challenge by HTTP-01, the only one that is answered here")?;
    session.post(&challenge.url, &json!({})).await?;
    let done = |authorization: &Authorization| authorization.status != "pending";
    let authorization: Authorization = poll(session, url, done).await?;
    if authorization.status == "valid" {
        return Ok(());
    }
    Err(format!(
        "the CA could not see that the names lead here: {}",
        why(&authorization)
    ))
}

fn why(authorization: &Authorization) -> String {
    let mut errors = authorization
        .challenges
        .iter()
        .filter_map(|challenge| challenge.error.as_ref());
    let said = errors.next().map(Problem::to_string);
    said.unwrap_or_else(|| format!("the authorization is {}", authorization.status))
}

/// Why an order cannot be finalised. CAs give one account the same order again while that is open (Boulder does), and all members are
/// one account: who is second must not fetch a certificate that is of the first one's key.
fn not_ready(order: &Order) -> String {
    match (order.status.as_str(), &order.error) {
        (_, Some(why)) => format!("the CA gives no certificate: {why}"),
        ("processing" | "valid", None) => {
            "another member was given the same order and was faster; the next try has one of its own"
                .to_owned()
        }
        (status, None) => format!("the CA gives no certificate: the order is {status}"),
    }
}

/// What is at a URL of the CA once it is done.
async fn poll<T: DeserializeOwned>(
    session: &mut Session<'_>,
    url: &str,
    is_done: impl Fn(&T) -> bool,
) -> Result<T, String> {
    for turn in 1..=POLLS_MAX {
        let found: T = parsed(&session.get(url).await?)?;
        if is_done(&found) {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_secs(turn.min(POLL_PAUSE_S_MAX))).await;
    }
    Err(format!("{url}: the CA does not come to an end"))
}

/// A request for a certificate of these names in DER, and its new key in PEM.
fn certificate_request(names: &[String]) -> Result<(Vec<u8>, String), String> {
    let failed = |error: rcgen::Error| format!("no request for a certificate can be made: {error}");
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new(); // the names are all that a CA looks at
    let request = params.serialize_request(&key).map_err(failed)?;
    Ok((request.der().to_vec(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in RFC 8555, 7.1.4, with what Let's Encrypt says of a name that leads elsewhere.
    #[test]
    fn a_refused_name_is_told_with_what_the_ca_has_seen() {
        let text = r#"{"status":"invalid","identifier":{"type":"dns","value":"a.example"},"challenges":[
            {"type":"dns-01","url":"https://ca.example/1","status":"pending","token":"t"},
            {"type":"http-01","url":"https://ca.example/2","status":"invalid","token":"t",
             "error":{"type":"urn:ietf:params:acme:error:connection","detail":"Connection refused","status":400}}]}"#;
        let authorization: Authorization = serde_json::from_str(text).unwrap();
        let expected = "Connection refused (urn:ietf:params:acme:error:connection)";
        assert_eq!(why(&authorization), expected);
        let silent = r#"{"status":"expired","challenges":[]}"#;
        let authorization: Authorization = serde_json::from_str(silent).unwrap();
        assert_eq!(why(&authorization), "the authorization is expired");
    }

    /// RFC 8555, 7.1.3: an order has its certificate when it is valid, and not before.
    #[test]
    fn an_order_is_read_with_and_without_its_certificate() {
        let pending = r#"{"status":"pending","identifiers":[],"authorizations":["https://ca.example/a"],
            "finalize":"https://ca.example/f"}"#;
        let order: Order = serde_json::from_str(pending).unwrap();
        assert_eq!((order.authorizations.len(), order.certificate), (1, None));
        let valid =
            r#"{"status":"valid","authorizations":[],"finalize":"f","certificate":"https://ca.example/c"}"#;
        let order: Order = serde_json::from_str(valid).unwrap();
        assert_eq!(order.certificate.as_deref(), Some("https://ca.example/c"));
    }

    /// The certificate of an order that another member has finalised is of that one's key.
    #[test]
    fn an_order_that_is_not_ready_is_not_gone_on_with() {
        let why = |more: &str| {
            let order = format!(r#"{{"authorizations":[],"finalize":"f",{more}}}"#);
            not_ready(&serde_json::from_str(&order).unwrap())
        };
        for taken in [
            r#""status":"processing""#,
            r#""status":"valid","certificate":"https://ca.example/c""#,
        ] {
            assert!(why(taken).contains("another member"), "{}", why(taken));
        }
        let refused = r#""status":"invalid","error":{"type":"t","detail":"no more today"}"#;
        assert_eq!(why(refused), "the CA gives no certificate: no more today (t)");
        let silent = why(r#""status":"invalid""#);
        assert_eq!(silent, "the CA gives no certificate: the order is invalid");
    }

    #[test]
    fn a_request_has_all_names_and_a_key_of_its_own() {
        let names = ["a.example".to_owned(), "b.example".to_owned()];
        let ordered = identifiers(&names);
        assert_eq!(
            ordered["identifiers"][1],
            json!({ "type": "dns", "value": "b.example" })
        );
        let (request, key) = certificate_request(&names).unwrap();
        let has = |name: &str| request.windows(name.len()).any(|part| part == name.as_bytes());
        assert!(names.iter().all(|name| has(name)), "they are there as they are");
        let (_, another) = certificate_request(&names).unwrap();
        assert_ne!(key, another);
    }
}
