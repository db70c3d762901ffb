//! The token endpoint: who may have an access token for what he shows.

use auth::OpaqueToken;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use proto::auth::v1::TokenRequest;
use rpc::Error;
use rpc::token::audience;
use serde::Serialize;

use super::error::{OauthError, USE_INSTEAD};
use super::{exchange, refresh};
use crate::TokenChecks;
use crate::issued::{Grantee, Issued};
use crate::login::{self, Logins};
use crate::token_checks::Checked;

/// RFC 6749 4.4.
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
/// RFC 6749 6.
pub(crate) const REFRESH: &str = "refresh_token";
/// RFC 8693.
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8628 3.4.
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8693 3: what is issued.
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// RFC 6749 5.1.
#[derive(Serialize)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: String,
    pub(crate) token_type: &'static str,
    pub(crate) expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issued_token_type: Option<&'static str>,
}

impl TokenAnswer {
    pub(crate) fn of(issued: Issued) -> TokenAnswer {
        TokenAnswer {
            access_token: issued.token,
            token_type: "Bearer",
            expires_in: issued.expires_in_s,
            scope: issued.scope,
            refresh_token: None,
            issued_token_type: None,
        }
    }
}

/// # Errors
/// As RFC 6749 5.2 names them.
pub(crate) async fn token(checks: &TokenChecks, asked: TokenRequest) -> Result<TokenAnswer, OauthError> {
    check_target(checks, &asked)?;
    match asked.grant_type.as_str() {
        "" => Err(OauthError::client(USE_INSTEAD)),
        CLIENT_CREDENTIALS => client_credentials(checks, &asked),
        REFRESH => refresh::refresh(checks, &asked).await,
        EXCHANGE => exchange::of_token(checks, &asked),
        other => Err(OauthError::grant_type(format!(
            "{other:?} is not supported; use {CLIENT_CREDENTIALS}, {REFRESH}, {DEVICE_CODE} or {EXCHANGE}"
        ))),
    }
}

/// The same for a device that polls.
///
/// # Errors
/// As RFC 8628 3.5 names them.
pub(crate) async fn device(
    checks: &TokenChecks,
    logins: Option<&Logins>,
    asked: &TokenRequest,
) -> Result<TokenAnswer, OauthError> {
    check_target(checks, asked)?;
    let logins = logins.ok_or(OauthError::grant_type("no device logs in here"))?;
    login::poll(logins, asked).await
}

/// RFC 8707: tokens are for this cluster's API and nothing else.
fn check_target(checks: &TokenChecks, asked: &TokenRequest) -> Result<(), OauthError> {
    let own = audience(checks.store().state().cluster_name());
    let is_other = |named: &String| !named.is_empty() && *named != own;
    match [&asked.audience, &asked.resource].into_iter().any(is_other) {
        true => Err(OauthError::target()),
        false => Ok(()),
    }
}

/// An API token is the secret of its client.
fn client_credentials(checks: &TokenChecks, asked: &TokenRequest) -> Result<TokenAnswer, OauthError> {
    let (client_id, secret) = credentials(asked)?.ok_or(OauthError::client(USE_INSTEAD))?;
    if secret.parse::<OpaqueToken>().is_err() {
        return Err(OauthError::client(
            "client_secret is not an API token: it begins with `cht_`",
        ));
    }
    let client = match checks.checked(&secret) {
        Ok(Some(client)) => client,
        Ok(None) => return Err(OauthError::client("client_secret is not an API token")),
        Err(Error::Unauthenticated { reason }) => return Err(OauthError::client(reason)),
        Err(error) => return Err(error.into()),
    };
    if !is_named(&client, &client_id) {
        return Err(OauthError::client(
            "client_id is another's: give the id of the API token, its principal, or none",
        ));
    }
    let issued = checks.issue(&grantee_of(client, &asked.scope)?)?;
    Ok(TokenAnswer::of(issued))
}

/// Whether a client calls itself so: by the token's id, its principal, or the principal's name.
fn is_named(client: &Checked, client_id: &str) -> bool {
    let principal = client.principal.name.as_str();
    let name = principal.split_once('/').map_or(principal, |(_, name)| name);
    client_id.is_empty() || [principal, name, client.client_id.as_str()].contains(&client_id)
}

/// Whom a token is for that is made of one: never for more, and never for longer.
///
/// # Errors
/// `invalid_scope` if nothing of what is asked for is left.
pub(crate) fn grantee_of(shown: Checked, scope: &str) -> Result<Grantee, OauthError> {
    let grantee = exchange::of_principal(&shown.principal, scope)?;
    Ok(Grantee {
        client_id: shown.client_id,
        ..grantee
    })
}

/// Id and secret, from the header (RFC 6749 2.3.1) or the form.
///
/// # Errors
/// If they are there twice, or the header is malformed.
fn credentials(asked: &TokenRequest) -> Result<Option<(String, String)>, OauthError> {
    let form = (asked.client_id.clone(), asked.client_secret.clone());
    let has_form = !form.1.is_empty();
    let basic = asked.authorization.split_once(' ');
    match basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) {
        None => Ok(has_form.then_some(form)),
        Some(_) if has_form => Err(OauthError::request(
            "credentials are in the header and in the form",
        )),
        Some((_, encoded)) => {
            let malformed =
                || OauthError::client("the authorization header is not `Basic <base64 of id:secret>`");
            let text = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
            let text = String::from_utf8(text).map_err(|_| malformed())?;
            let (id, secret) = text.split_once(':').ok_or_else(malformed)?;
            Ok(Some((form_decoded(id), form_decoded(secret))))
        }
    }
}

fn form_decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::auth_command::{Change, DeleteApiToken};

    use super::*;
    use crate::token_testing::Bed;

    fn by_form(secret: &OpaqueToken) -> TokenRequest {
        TokenRequest {
            grant_type: CLIENT_CREDENTIALS.into(),
            client_secret: secret.to_string(),
            ..TokenRequest::default()
        }
    }

    fn by_header(id: &str, secret: &str) -> TokenRequest {
        TokenRequest {
            grant_type: CLIENT_CREDENTIALS.into(),
            authorization: format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))),
            ..TokenRequest::default()
        }
    }

    async fn refused(bed: &Bed, asked: TokenRequest) -> &'static str {
        token(&bed.checks, asked)
            .await
            .map(|answer| answer.token_type)
            .unwrap_err()
            .code()
    }

    #[tokio::test]
    async fn an_api_token_is_a_clients_secret() {
        let bed = Bed::new().await;
        let secret = bed.api_token("service/cron", &["bss.*", "smd.read"]).await;
        let ids = ["", "cron", "service%2Fcron", "service/cron", &secret.id()];
        for id in ids {
            let answer = token(&bed.checks, by_header(id, &secret.to_string()))
                .await
                .unwrap_or_else(|error| panic!("{id}: {error:?}"));
            let checked = bed.checks.checked(&answer.access_token).unwrap().unwrap();
            assert_eq!(checked.principal.name, "service/cron");
            assert_eq!(answer.scope.as_deref(), Some("bss.* smd.read"));
            assert_eq!((answer.expires_in, answer.refresh_token), (600, None));
        }
        let narrow = TokenRequest {
            scope: "openid smd.read dhcp.write".into(),
            ..by_form(&secret)
        };
        assert_eq!(
            token(&bed.checks, narrow).await.unwrap().scope.as_deref(),
            Some("smd.read")
        );
        let wider = TokenRequest {
            scope: "*.*".into(),
            ..by_form(&secret)
        };
        assert_eq!(refused(&bed, wider).await, "invalid_scope");
    }

    /// Not even for ten minutes.
    #[tokio::test]
    async fn what_was_given_for_an_api_token_ends_with_it() {
        let bed = Bed::new().await;
        let secret = bed.api_token("service/cron", &["smd.read"]).await;
        let answer = token(&bed.checks, by_form(&secret)).await.unwrap();
        let delete = DeleteApiToken { id: secret.id() };
        bed.propose(Change::DeleteApiToken(delete)).await.unwrap();
        let refused = bed.checks.principal(&answer.access_token);
        assert!(
            matches!(refused, Err(Error::Unauthenticated { .. })),
            "{refused:?}"
        );
    }

    /// OPAAL gave a token to whoever asked.
    #[tokio::test]
    async fn nobody_gets_a_token_for_nothing() {
        let bed = Bed::new().await;
        let secret = bed.api_token("service/cron", &["smd.read"]).await;
        let wrong = secret.renewed().unwrap();
        let header = |authorization: &str| TokenRequest {
            grant_type: CLIENT_CREDENTIALS.into(),
            authorization: authorization.into(),
            ..TokenRequest::default()
        };
        for asked in [
            TokenRequest::default(),
            header(""),
            header("Basic"),
            header("Basic !"),
            header("Basic YQ=="),
            header("Bearer x"),
            by_form(&wrong),
            by_header("cron", "openchami"),
            by_header("another", &secret.to_string()),
            by_header("cron", &bed.session("user/ada", &[], &[]).await.to_string()),
        ] {
            assert_eq!(refused(&bed, asked.clone()).await, "invalid_client", "{asked:?}");
        }
        let twice = TokenRequest {
            client_secret: secret.to_string(),
            ..by_header("cron", &secret.to_string())
        };
        assert_eq!(refused(&bed, twice).await, "invalid_request");
    }

    #[tokio::test]
    async fn no_token_is_for_something_else() {
        let bed = Bed::new().await;
        let secret = bed.api_token("service/cron", &["smd.read"]).await;
        let own = audience("");
        for (named, fits) in [
            (own.as_str(), true),
            ("urn:chamois:other:api", false),
            ("https://x", false),
        ] {
            let by_audience = TokenRequest {
                audience: named.into(),
                ..by_form(&secret)
            };
            let by_resource = TokenRequest {
                resource: named.into(),
                ..by_form(&secret)
            };
            for asked in [by_audience, by_resource] {
                match fits {
                    true => assert!(token(&bed.checks, asked).await.is_ok()),
                    false => assert_eq!(refused(&bed, asked).await, "invalid_target"),
                }
            }
        }
    }

    #[tokio::test]
    async fn an_unknown_way_names_those_that_there_are() {
        let bed = Bed::new().await;
        for grant_type in [
            "password",
            "implicit",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ] {
            let asked = TokenRequest {
                grant_type: grant_type.into(),
                ..TokenRequest::default()
            };
            assert_eq!(refused(&bed, asked).await, "unsupported_grant_type");
        }
    }
}
