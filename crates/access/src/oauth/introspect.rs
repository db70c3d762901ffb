//! RFC 7662: whether a token is good, and what it says. What is none, or nobody's any more, is inactive and nothing else.

use auth::OpaqueToken;
use rpc::Error;
use rpc::token::{audience, issuer};
use serde::Serialize;

use super::error::OauthError;
use super::refresh::{session_of, shown};
use crate::TokenChecks;

/// RFC 7662 2.2.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Introspection {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// Seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
}

/// # Errors
/// `temporarily_unavailable` while this member cannot say.
pub(crate) fn introspect(checks: &TokenChecks, token: &str) -> Result<Introspection, OauthError> {
    if let Some(refresh) = shown(token) {
        return Ok(of_refresh(checks, &refresh));
    }
    let checked = match checks.checked(token) {
        Ok(Some(checked)) => checked,
        Ok(None) | Err(Error::Unauthenticated { .. }) => return Ok(Introspection::default()),
        Err(error) => return Err(error.into()),
    };
    let state = checks.store().state();
    let name = state.cluster_name();
    Ok(Introspection {
        active: true,
        token_type: Some("Bearer"),
        sub: Some(checked.principal.name),
        scope: checked
            .principal
            .permissions
            .map(|permissions| permissions.join(" ")),
        client_id: Some(checked.client_id),
        exp: Some(checked.expires_at_ms / 1000),
        iat: checked.claims.as_ref().map(|claims| claims.iat),
        jti: Some(checked.principal.token_id),
        iss: Some(issuer(name)),
        aud: Some(audience(name)),
    })
}

fn of_refresh(checks: &TokenChecks, shown: &OpaqueToken) -> Introspection {
    let session = session_of(checks, shown);
    // the one before is good for nothing
    let Some(session) = session.filter(|session| session.refresh_sha256 == shown.secret_sha256()) else {
        return Introspection::default();
    };
    Introspection {
        active: true,
        token_type: Some("refresh_token"),
        sub: Some(session.principal),
        client_id: Some(session.client_id),
        exp: Some(session.expires_at_ms / 1000),
        ..Introspection::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issued::Grantee;
    use crate::token_testing::Bed;

    #[tokio::test]
    async fn what_is_good_says_whose_it_is() {
        let bed = Bed::new().await;
        let access = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        let said = introspect(&bed.checks, &access).unwrap();
        assert!(said.active && said.sub.as_deref() == Some("user/ada") && said.scope.is_none());
        assert_eq!(said.exp.unwrap() - said.iat.unwrap(), 600);
        let api = bed.api_token("service/cron", &["smd.read"]).await;
        let said = introspect(&bed.checks, &api.to_string()).unwrap();
        assert_eq!(
            (said.jti, said.scope.as_deref()),
            (Some(api.id()), Some("smd.read"))
        );
        let refresh = bed.session("user/ada", &[], &[]).await;
        let said = introspect(&bed.checks, &refresh.to_string()).unwrap();
        assert_eq!((said.active, said.token_type), (true, Some("refresh_token")));
    }

    /// Not even why: RFC 7662 2.2.
    #[tokio::test]
    async fn what_is_not_good_says_nothing() {
        let bed = Bed::new().await;
        let api = bed.api_token("service/cron", &["smd.read"]).await;
        let refresh = bed.session("user/ada", &[], &[]).await;
        for token in [
            String::new(),
            "x".into(),
            api.renewed().unwrap().to_string(),
            refresh.renewed().unwrap().to_string(),
        ] {
            let said = introspect(&bed.checks, &token).unwrap();
            assert_eq!(
                serde_json::to_string(&said).unwrap(),
                r#"{"active":false}"#,
                "{token}"
            );
        }
    }
}
