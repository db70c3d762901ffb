//! A token for a token (RFC 8693), and what tokensmith's clients call so: only ever for less, and never for longer.

use proto::auth::v1::{ExchangeRequest, TokenRequest};
use rpc::{Error, Identity, Principal};
use state::bounds::LEEWAY_MS;

use super::error::OauthError;
use super::token::{ACCESS_TOKEN, TokenAnswer, grantee_of};
use crate::TokenChecks;
use crate::authority::principal_of;
use crate::issued::Grantee;
use crate::oidc::is_foreign;
use crate::rights::{own_name, stands};
use crate::scopes::narrowed;

/// Types of what may be shown: RFC 8693's two, and what tokensmith calls a service's first token.
const SUBJECTS: [&str; 3] = [
    ACCESS_TOKEN,
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:openchami:params:oauth:token-type:bootstrap-token",
];
/// Types of what may be asked for; they are the same token.
const REQUESTED: [&str; 3] = ["", ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt"];
/// The client of tokens that are asked for by nobody in particular.
const CLIENT: &str = "exchange";

/// The token endpoint's way: the token that is shown is all that is needed.
///
/// # Errors
/// `invalid_request` for a token that is none of ours or not good, as RFC 8693 2.2.2 has it.
pub(crate) fn of_token(checks: &TokenChecks, asked: &TokenRequest) -> Result<TokenAnswer, OauthError> {
    if !SUBJECTS.contains(&asked.subject_token_type.as_str()) {
        return Err(OauthError::request(format!(
            "subject_token_type: use {ACCESS_TOKEN}"
        )));
    }
    if !REQUESTED.contains(&asked.requested_token_type.as_str()) {
        return Err(OauthError::request(format!(
            "requested_token_type: use {ACCESS_TOKEN}"
        )));
    }
    let shown = match checks.checked(&asked.subject_token) {
        Ok(Some(shown)) => shown,
        Ok(None) => {
            return Err(OauthError::request(
                "subject_token is none that this cluster has issued",
            ));
        }
        Err(Error::Unauthenticated { reason }) => return Err(OauthError::request(reason)),
        Err(error) => return Err(error.into()),
    };
    answer(checks, &grantee_of(shown, &asked.scope)?)
}

/// tokensmith's way: whoever calls, by whatever he has proved it, gets a token of ours. What he has shown is asked for behind a read
/// index: a token that was ended a moment ago, at another member, is exchanged for nothing.
///
/// # Errors
/// `access_denied` for who has no tokens: the cluster's offline key, members, nodes; `invalid_grant` for what has ended.
pub(crate) async fn of_caller(
    checks: &TokenChecks,
    caller: &Identity,
    asked: &ExchangeRequest,
) -> Result<TokenAnswer, OauthError> {
    if own_name(caller).is_none() {
        return Err(OauthError::denied(
            "tokens of the cluster's own key and certificates of members are exchanged for nothing",
        ));
    }
    let who = principal_of(caller);
    if who.name.starts_with("node/") {
        return Err(OauthError::denied(
            "nodes show their certificate; they have no tokens",
        ));
    }
    checks.store().linearize().await?;
    if !stands(&checks.store().state(), &who, checks.store().cluster_time_ms()) {
        return Err(OauthError::grant(
            "what this request came with has ended; log in again",
        ));
    }
    answer(checks, &of_principal(&who, &asked.scope.join(" "))?)
}

/// Whom a token is for that is made of what somebody has shown: never for more, and never for longer.
///
/// # Errors
/// `invalid_scope` if nothing of what is asked for is left.
pub(super) fn of_principal(who: &Principal, scope: &str) -> Result<Grantee, OauthError> {
    let is_token = !who.token_id.is_empty();
    // an API token says so by having no time of issue
    let is_api_token = is_token && who.issued_at_ms == 0;
    let is_access_token = is_token && !is_api_token;
    Ok(Grantee {
        principal: who.name.clone(),
        groups: who.groups.clone(),
        permissions: narrowed(scope, who.permissions.as_deref()).map_err(|_| OauthError::scope())?,
        client_id: CLIENT.to_owned(),
        // what is made of an API token ends with it
        session_id: match is_api_token {
            true => who.token_id.clone(),
            false => who.session_id.clone(),
        },
        certificate_sha256: who.certificate_sha256.clone(),
        // a certificate is good for much longer than a token, and a provider's token for hours: what is made of them begins now
        issued_at_ms: match is_access_token && !is_foreign(&who.token_id) {
            true => who.issued_at_ms,
            false => 0,
        },
        origin_token_id: match is_access_token {
            true => who.token_id.clone(),
            false => String::new(),
        },
        ends_at_ms: match who.expires_at_ms {
            0 => u64::MAX,
            // an access token is accepted for a little longer than it says
            end if is_access_token => end.saturating_sub(LEEWAY_MS),
            end => end,
        },
    })
}

fn answer(checks: &TokenChecks, grantee: &Grantee) -> Result<TokenAnswer, OauthError> {
    Ok(TokenAnswer {
        issued_token_type: Some(ACCESS_TOKEN),
        ..TokenAnswer::of(checks.issue(grantee)?)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proto::auth::v1::Revocation;
    use proto::auth::v1::auth_command::{Change, EndSession, Revoke};

    use super::*;
    use crate::token_testing::{Bed, token_of, user};

    fn asked(subject: &str, scope: &str) -> TokenRequest {
        TokenRequest {
            subject_token: subject.into(),
            subject_token_type: ACCESS_TOKEN.into(),
            scope: scope.into(),
            ..TokenRequest::default()
        }
    }

    fn code(result: Result<TokenAnswer, OauthError>) -> &'static str {
        result.map(|answer| answer.token_type).unwrap_err().code()
    }

    #[tokio::test]
    async fn what_is_exchanged_only_narrows() {
        let bed = Bed::new().await;
        let api = bed
            .api_token("service/cron", &["smd.*", "bss.read"])
            .await
            .to_string();
        let first = of_token(&bed.checks, &asked(&api, "smd.read bss.read")).unwrap();
        assert_eq!(first.scope.as_deref(), Some("bss.read smd.read"));
        let second = of_token(&bed.checks, &asked(&first.access_token, "smd.read smd.write")).unwrap();
        assert_eq!(second.scope.as_deref(), Some("smd.read"));
        let third = of_token(&bed.checks, &asked(&second.access_token, "")).unwrap();
        assert_eq!(third.scope.as_deref(), Some("smd.read"));
        assert_eq!(
            code(of_token(&bed.checks, &asked(&third.access_token, "bss.read"))),
            "invalid_scope"
        );
    }

    /// Neither the chain's end nor what it hangs on moves.
    #[tokio::test]
    async fn a_chain_ends_when_its_first_token_does() {
        let bed = Bed::new().await;
        let session = bed.session("user/ada", &[], &[]).await;
        let now_ms = bed.store.cluster_time_ms();
        let first = bed.checks.issue(&Grantee {
            session_id: session.id(),
            certificate_sha256: vec![1; 32],
            issued_at_ms: now_ms - 300_000,
            ..Grantee::of("user/ada")
        });
        let first = bed.checks.checked(&first.unwrap().token).unwrap().unwrap();
        let caller = Identity::Known(Arc::new(first.principal.clone()));
        let by_caller = of_caller(&bed.checks, &caller, &ExchangeRequest::default()).await;
        let grantee = grantee_of(first.clone(), "").unwrap();
        for answer in [by_caller.unwrap(), super::answer(&bed.checks, &grantee).unwrap()] {
            let made = bed.checks.checked(&answer.access_token).unwrap().unwrap();
            assert_eq!(made.expires_at_ms, first.expires_at_ms);
            assert_eq!(made.principal.issued_at_ms, first.principal.issued_at_ms);
            assert_eq!(made.principal.session_id, session.id());
            assert_eq!(made.principal.certificate_sha256, [1; 32]);
            assert_ne!(made.principal.token_id, first.principal.token_id);
        }
    }

    #[tokio::test]
    async fn what_is_none_of_ours_is_exchanged_for_nothing() {
        let bed = Bed::new().await;
        let refresh = bed.session("user/ada", &[], &[]).await.to_string();
        for subject in ["", "x", "a.b.c", &refresh] {
            assert_eq!(
                code(of_token(&bed.checks, &asked(subject, ""))),
                "invalid_request",
                "{subject}"
            );
        }
        let api = bed.api_token("service/cron", &["smd.read"]).await.to_string();
        let id_token = TokenRequest {
            subject_token_type: "urn:ietf:params:oauth:token-type:id_token".into(),
            ..asked(&api, "")
        };
        assert_eq!(code(of_token(&bed.checks, &id_token)), "invalid_request");
        let saml = TokenRequest {
            requested_token_type: "urn:ietf:params:oauth:token-type:saml2".into(),
            ..asked(&api, "")
        };
        assert_eq!(code(of_token(&bed.checks, &saml)), "invalid_request");
    }

    /// tokensmith's clients name what they want; its own answer was whatever they named.
    #[tokio::test]
    async fn a_caller_gets_a_token_of_what_he_has() {
        let bed = Bed::new().await;
        let ask = async |caller: &Identity, scope: &[&str]| {
            let asked = ExchangeRequest {
                scope: scope.iter().map(ToString::to_string).collect(),
                target_service: "smd".into(),
            };
            of_caller(&bed.checks, caller, &asked).await
        };
        let all = ask(&user("ada"), &[]).await.unwrap();
        let checked = bed.checks.checked(&all.access_token).unwrap().unwrap();
        assert_eq!(
            (checked.principal.name.as_str(), checked.principal.permissions),
            ("user/ada", None)
        );
        let narrow = Identity::Known(Arc::new(Principal {
            name: "service/cron".into(),
            permissions: Some(vec!["smd.read".into()]),
            ..Principal::default()
        }));
        assert_eq!(
            ask(&narrow, &["smd.read", "*.*"]).await.unwrap().scope.as_deref(),
            Some("smd.read")
        );
        assert_eq!(code(ask(&narrow, &["admin"]).await), "invalid_scope");
        let offline = Identity::Token {
            subject: "admin".into(),
        };
        for nobody in [
            offline,
            Identity::Member(1),
            Identity::Anonymous,
            token_of("node/x0c0s0b0n0", None),
        ] {
            assert_eq!(code(ask(&nobody, &[]).await), "access_denied", "{nobody:?}");
        }
    }

    #[tokio::test]
    async fn what_is_made_of_an_api_token_hangs_on_it() {
        let bed = Bed::new().await;
        let api = bed.api_token("service/cron", &["smd.read"]).await;
        let principal = bed.checks.principal(&api.to_string()).unwrap().unwrap();
        let caller = Identity::Known(Arc::new(principal));
        let answer = of_caller(&bed.checks, &caller, &ExchangeRequest::default())
            .await
            .unwrap();
        let made = bed.checks.checked(&answer.access_token).unwrap().unwrap();
        assert_eq!(made.principal.session_id, api.id());
    }

    /// It was given for what ends in a minute.
    #[tokio::test]
    async fn what_is_made_of_a_token_ends_when_that_does() {
        let bed = Bed::new().await;
        let soon = Grantee {
            ends_at_ms: bed.store.cluster_time_ms() + 60_000,
            ..Grantee::of("user/ada")
        };
        let first = bed.checks.issue(&soon).unwrap().token;
        let first = bed.checks.checked(&first).unwrap().unwrap();
        let caller = Identity::Known(Arc::new(first.principal.clone()));
        let made = of_caller(&bed.checks, &caller, &ExchangeRequest::default())
            .await
            .unwrap();
        let made = bed.checks.checked(&made.access_token).unwrap().unwrap();
        assert_eq!(made.expires_at_ms, first.expires_at_ms);
    }

    /// By each way that there is, and of each generation.
    #[tokio::test]
    async fn what_is_made_of_a_token_is_revoked_with_it() {
        let bed = Bed::new().await;
        let first = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        let first = bed.checks.principal(&first).unwrap().unwrap();
        let caller = Identity::Known(Arc::new(first.clone()));
        let second = of_caller(&bed.checks, &caller, &ExchangeRequest::default())
            .await
            .unwrap();
        let third = of_token(&bed.checks, &asked(&second.access_token, "")).unwrap();
        let sibling = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        let revoke = |id: &str| {
            let revocation = Some(Revocation {
                id: format!("jti/{id}"),
                ..Revocation::default()
            });
            bed.propose(Change::Revoke(Revoke { revocation }))
        };
        // one of them by itself
        let id = bed
            .checks
            .principal(&third.access_token)
            .unwrap()
            .unwrap()
            .token_id;
        revoke(&id).await.unwrap();
        assert!(bed.checks.principal(&third.access_token).is_err());
        bed.checks.principal(&second.access_token).unwrap().unwrap();
        revoke(&first.token_id).await.unwrap();
        assert!(bed.checks.principal(&second.access_token).is_err());
        bed.checks.principal(&sibling).unwrap().unwrap();
        let again = of_caller(&bed.checks, &caller, &ExchangeRequest::default()).await;
        assert_eq!(code(again), "invalid_grant");
    }

    /// The guard may have let it in by a state that was a moment behind.
    #[tokio::test]
    async fn a_token_whose_login_has_ended_is_exchanged_for_nothing() {
        let bed = Bed::new().await;
        let session = bed.session("user/ada", &[], &[]).await;
        let grantee = Grantee {
            session_id: session.id(),
            ..Grantee::of("user/ada")
        };
        let shown = bed.checks.issue(&grantee).unwrap().token;
        let shown = bed.checks.principal(&shown).unwrap().unwrap();
        let caller = Identity::Known(Arc::new(shown));
        let end = EndSession { id: session.id() };
        bed.propose(Change::EndSession(end)).await.unwrap();
        let refused = of_caller(&bed.checks, &caller, &ExchangeRequest::default()).await;
        assert_eq!(code(refused), "invalid_grant");
    }

    #[tokio::test]
    async fn what_is_made_of_a_certificate_does_not_outlive_it() {
        let bed = Bed::new().await;
        let now_ms = bed.store.cluster_time_ms();
        let shown = Identity::Known(Arc::new(Principal {
            name: "user/ada".into(),
            certificate_sha256: vec![7; 32],
            expires_at_ms: now_ms + 120_000,
            ..Principal::default()
        }));
        let answer = of_caller(&bed.checks, &shown, &ExchangeRequest::default())
            .await
            .unwrap();
        let made = bed.checks.checked(&answer.access_token).unwrap().unwrap();
        assert!(made.expires_at_ms <= now_ms + 120_000, "{}", made.expires_at_ms);
        assert_eq!(made.principal.certificate_sha256, [7; 32]);
    }
}
