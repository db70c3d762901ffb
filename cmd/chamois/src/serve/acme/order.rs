//! One order: prove to the CA that the names lead here, and fetch the certificate (RFC 8555, 7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};

use super::account::register;
use super::account_key::AccountKey;
use super::binding;
use super::client::Client;
use crate::serve::config::AcmeConfig;

/// How the CA is asked whether it is done: after a second, then less and less often.
const ASKING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_secs(1))
    .timeout(Duration::from_secs(90));

/// What a CA has given, PEM.
pub(super) struct Ordered {
    /// Own certificate first.
    pub(super) chain: String,
    pub(super) key: String,
}

/// Orders a certificate with a new key for the names of the configuration.
///
/// # Errors
/// The step that failed, with the CA's own words.
pub(super) async fn order(config: &AcmeConfig, key: &AccountKey) -> Result<Ordered, String> {
    let client = Client::new(config.ca.as_deref())?;
    let binding = binding::load(config).map_err(|problem| format!("api.acme.{problem}"))?;
    let id = register(&client, config, key, binding.as_ref()).await?;
    let account = Account::builder_with_http(Box::new(client))
        .from_parts(id, key.pkcs8()?, config.directory.clone())
        .await
        .map_err(at("the account"))?;
    let names: Vec<Identifier> = config.names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account
        .new_order(&NewOrder::new(&names))
        .await
        .map_err(at("the order"))?;
    prove(&mut order).await?;
    let status = order.poll_ready(&ASKING).await;
    if !matches!(status, Ok(OrderStatus::Ready)) {
        let why = why_refused(&mut order).await;
        let said = status.err().map_or_else(|| "it is refused".to_owned(), words);
        return Err(format!(
            "the CA could not see that the names lead here: {}",
            why.unwrap_or(said)
        ));
    }
    let key = order.finalize().await.map_err(at("the certificate's key"))?;
    let chain = order
        .poll_certificate(&ASKING)
        .await
        .map_err(at("the certificate"))?;
    Ok(Ordered { chain, key })
}

/// Lets the CA ask for each name that it does not know to be ours: every member answers that at once.
async fn prove(order: &mut Order) -> Result<(), String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(at("an authorization"))?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => {
                return Err(format!(
                    "an authorization is {status:?}, so this order comes to nothing"
                ));
            }
        }
        let challenge = authorization.challenge(ChallengeType::Http01);
        let mut challenge =
            challenge.ok_or("the CA offers no HTTP-01 challenge, the only one that is answered here")?;
        challenge.set_ready().await.map_err(at("a challenge"))?;
    }
    Ok(())
}

/// What the CA has seen when it asked; the order itself says it seldom.
async fn why_refused(order: &mut Order) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        let problem = state
            .challenges
            .iter()
            .find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = problem {
            return Some(problem.to_string());
        }
    }
    None
}

fn at(step: &'static str) -> impl FnOnce(Error) -> String {
    move |error| format!("{step}: {}", words(error))
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn words(error: Error) -> String {
    error.to_string()
}
