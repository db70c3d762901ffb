//! A login's next access token. A refresh token is good once; who shows it a second time, however many were given since, has stolen it,
//! or was stolen from.

use auth::{OpaqueKind, OpaqueToken};
use proto::auth::v1::auth_command::{Change, RefreshSession};
use proto::auth::v1::{AuthCommand, LoginSession, TokenRequest};
use proto::raft::v1::entry::Command;
use rpc::Error;
use state::auth::REPLAYED;

use super::error::OauthError;
use super::token::TokenAnswer;
use crate::TokenChecks;
use crate::issued::{Grantee, internal};
use crate::providers::{created, stands_behind};
use crate::scopes::narrowed;
use crate::token_service::warn_of_refused;

/// One answer for a token that is malformed, unknown, or whose login has ended.
const UNKNOWN: &str = "the refresh token is unknown or its login has ended; log in again";

/// # Errors
/// `invalid_grant` for what is no refresh token that is good; `invalid_scope` for more than the login has.
pub(crate) async fn refresh(checks: &TokenChecks, asked: &TokenRequest) -> Result<TokenAnswer, OauthError> {
    let shown = shown(&asked.refresh_token).ok_or(OauthError::grant(UNKNOWN))?;
    let session = login_of(checks, &shown).await?;
    let session = session.ok_or(OauthError::grant(UNKNOWN))?;
    if session.refresh_sha256 != shown.secret_sha256() {
        let replayed = renew(checks, &session, &shown).await;
        return Err(replayed.err().unwrap_or(OauthError::grant(UNKNOWN)));
    }
    let begun = created(session.meta.as_ref());
    if !stands_behind(&checks.store().state(), &session.provider, begun) {
        return Err(OauthError::grant(
            "nobody logs in through this login's provider any more; log in through another one",
        ));
    }
    let is_anothers = !asked.client_id.is_empty() && asked.client_id != session.client_id;
    if is_anothers && !session.client_id.is_empty() {
        return Err(OauthError::grant("the refresh token was given to another client"));
    }
    let have = Some(session.permissions.as_slice()).filter(|permissions| !permissions.is_empty());
    let permissions = narrowed(&asked.scope, have).map_err(|_| OauthError::scope())?;
    // before the refresh token is used up: without a key, or for a scope that no token has room for, the login would be lost
    let issued = checks.issue(&Grantee {
        principal: session.principal.clone(),
        groups: session.groups.clone(),
        permissions,
        client_id: session.client_id.clone(),
        session_id: session.id.clone(),
        ends_at_ms: session.expires_at_ms,
        ..Grantee::default()
    })?;
    let renewed = renew(checks, &session, &shown).await?;
    Ok(TokenAnswer {
        refresh_token: Some(renewed.to_string()),
        ..TokenAnswer::of(issued)
    })
}

pub(crate) fn shown(text: &str) -> Option<OpaqueToken> {
    let shown: OpaqueToken = text.parse().ok()?;
    (shown.kind() == OpaqueKind::Refresh).then_some(shown)
}

/// The login that a refresh token is of, the current one or any that it had before: strangers write nothing to the log.
pub(crate) fn session_of(checks: &TokenChecks, shown: &OpaqueToken) -> Option<LoginSession> {
    let session = checks.store().state().auth.session(&shown.id())?;
    let lasts = session.expires_at_ms > checks.store().cluster_time_ms();
    let is_its = session.family_sha256 == shown.family_sha256();
    (is_its && lasts).then(|| session.as_ref().clone())
}

/// The same behind a read index. A login's family never changes, so whoever shows another one is a stranger, whatever this member has
/// not applied yet, and the others are not asked.
///
/// # Errors
/// If the others cannot be asked.
pub(crate) async fn login_of(
    checks: &TokenChecks,
    shown: &OpaqueToken,
) -> Result<Option<LoginSession>, OauthError> {
    let known = checks.store().state().auth.session(&shown.id());
    if known.is_some_and(|session| session.family_sha256 != shown.family_sha256()) {
        return Ok(None);
    }
    checks.store().linearize().await?;
    Ok(session_of(checks, shown))
}

/// Two at once: the log orders them, and the second is told that the first has the next token.
async fn renew(
    checks: &TokenChecks,
    session: &LoginSession,
    shown: &OpaqueToken,
) -> Result<OpaqueToken, OauthError> {
    let renewed = shown.renewed().map_err(|error| internal(&error))?;
    let change = Change::RefreshSession(RefreshSession {
        id: session.id.clone(),
        shown_sha256: shown.secret_sha256().to_vec(),
        new_sha256: renewed.secret_sha256().to_vec(),
        family_sha256: shown.family_sha256().to_vec(),
    });
    let command = Command::Auth(AuthCommand { change: Some(change) });
    match checks.store().propose(&session.principal, command, None).await {
        Ok(committed) if committed.applied.value == REPLAYED => {
            warn_of_refused(&committed);
            tracing::warn!(
                principal = session.principal,
                session = session.id,
                "a refresh token was shown a second time: its login is ended, everywhere"
            );
            Err(OauthError::grant(
                "the refresh token was used before: its login has ended; log in again",
            ))
        }
        Ok(_) => Ok(renewed),
        Err(Error::Conflict { detail }) => Err(OauthError::grant(detail)),
        Err(Error::NotFound { .. }) => Err(OauthError::grant(UNKNOWN)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::OidcProvider;
    use proto::auth::v1::auth_command::{DeleteProvider, PutProvider};

    use super::*;
    use crate::oauth::token::{REFRESH, token};
    use crate::oidc::testing::provider;
    use crate::token_testing::Bed;

    fn asked(refresh_token: &str) -> TokenRequest {
        TokenRequest {
            grant_type: REFRESH.into(),
            refresh_token: refresh_token.into(),
            ..TokenRequest::default()
        }
    }

    async fn refused(bed: &Bed, asked: TokenRequest) -> OauthError {
        match token(&bed.checks, asked).await {
            Err(error) => error,
            Ok(_) => panic!("a token was given"),
        }
    }

    #[tokio::test]
    async fn a_login_goes_on_with_the_next_token() {
        let bed = Bed::new().await;
        let first = bed.session("user/ada", &["hpc"], &["smd.*"]).await.to_string();
        let answer = token(&bed.checks, asked(&first)).await.unwrap();
        let checked = bed.checks.checked(&answer.access_token).unwrap().unwrap();
        assert_eq!(checked.principal.name, "user/ada");
        assert_eq!(answer.scope.as_deref(), Some("smd.*"));
        let next = answer.refresh_token.unwrap();
        assert_ne!(next, first);
        let narrow = TokenRequest {
            scope: "smd.read".into(),
            client_id: "cli".into(),
            ..asked(&next)
        };
        assert_eq!(
            token(&bed.checks, narrow).await.unwrap().scope.as_deref(),
            Some("smd.read")
        );
    }

    /// The answer may have been lost on its way, or two programs share the login: within ten seconds nobody is thrown out.
    #[tokio::test]
    async fn a_token_that_was_just_used_is_refused_and_the_login_goes_on() {
        let bed = Bed::new().await;
        let first = bed.session("user/ada", &[], &[]).await.to_string();
        let next = token(&bed.checks, asked(&first))
            .await
            .unwrap()
            .refresh_token
            .unwrap();
        let error = refused(&bed, asked(&first)).await;
        assert_eq!(error.code(), "invalid_grant");
        assert!(format!("{error:?}").contains("less than 10 s ago"), "{error:?}");
        token(&bed.checks, asked(&next))
            .await
            .map(|answer| answer.expires_in)
            .unwrap();
    }

    /// A provider that is taken away, or has no logins any more, keeps nobody in.
    #[tokio::test]
    async fn a_login_ends_with_its_provider() {
        for is_deleted in [true, false] {
            let bed = Bed::new().await;
            let put = |logins| {
                let provider = OidcProvider { logins, ..provider() };
                Change::PutProvider(PutProvider {
                    provider: Some(provider),
                    keep_client_secret: false,
                })
            };
            bed.propose(put(true)).await.unwrap();
            let first = bed.session_by("idp", "user/ada").await.to_string();
            let next = token(&bed.checks, asked(&first)).await.unwrap();
            let next = next.refresh_token.unwrap();
            let gone = match is_deleted {
                true => Change::DeleteProvider(DeleteProvider { name: "idp".into() }),
                false => put(false),
            };
            bed.propose(gone).await.unwrap();
            let error = refused(&bed, asked(&next)).await;
            assert_eq!(error.code(), "invalid_grant");
            assert!(format!("{error:?}").contains("provider"), "{error:?}");
            // it was not used up, and is good again when the provider is; one that is put anew is another one
            bed.propose(put(true)).await.unwrap();
            assert_eq!(token(&bed.checks, asked(&next)).await.is_err(), is_deleted);
        }
    }

    /// A thief and the owner both have it: neither keeps the login, whichever came first.
    #[tokio::test]
    async fn a_token_that_is_shown_again_later_ends_the_login() {
        let bed = Bed::new().await;
        let first = bed.session("user/ada", &[], &[]).await.to_string();
        let answer = token(&bed.checks, asked(&first)).await.unwrap();
        let started_ms = bed.store.cluster_time_ms();
        // each look at this store's clock is a millisecond
        while bed.store.cluster_time_ms() < started_ms + 11_000 {}
        let error = refused(&bed, asked(&first)).await;
        assert!(format!("{error:?}").contains("used before"), "{error:?}");
        let next = answer.refresh_token.unwrap();
        assert_eq!(refused(&bed, asked(&next)).await, OauthError::grant(UNKNOWN));
        let access = bed.checks.principal(&answer.access_token);
        assert!(matches!(access, Err(Error::Unauthenticated { .. })), "{access:?}");
    }

    /// The owner may come back long after the thief, who has gone on with what he had stolen.
    #[tokio::test]
    async fn any_earlier_token_ends_the_login() {
        for generations in [2, 5] {
            let bed = Bed::new().await;
            let first = bed.session("user/ada", &[], &[]).await;
            let mut last = first.to_string();
            for _ in 0..generations {
                let answer = token(&bed.checks, asked(&last)).await;
                last = answer
                    .unwrap_or_else(|error| panic!("{error:?}"))
                    .refresh_token
                    .unwrap();
            }
            // whatever else is wrong with the request
            let stolen = TokenRequest {
                client_id: "another".into(),
                ..asked(&first.to_string())
            };
            let error = refused(&bed, stolen).await;
            assert!(format!("{error:?}").contains("used before"), "{error:?}");
            assert_eq!(refused(&bed, asked(&last)).await, OauthError::grant(UNKNOWN));
        }
    }

    /// The id of a login is no secret: it stands in lists and logs.
    #[tokio::test]
    async fn strangers_get_one_answer_and_write_nothing() {
        let bed = Bed::new().await;
        let own = bed.session("user/ada", &[], &[]).await;
        let other = OpaqueToken::generate(OpaqueKind::Refresh).unwrap();
        let guessed = other.to_string().replace(&other.id(), &own.id());
        assert_eq!(guessed.parse::<OpaqueToken>().unwrap().id(), own.id());
        let api = bed.api_token("user/ada", &["smd.read"]).await;
        let before = bed.store.state().applied_index();
        for wrong in ["", "chr_x", &guessed, &other.to_string(), &api.to_string()] {
            assert_eq!(
                refused(&bed, asked(wrong)).await,
                OauthError::grant(UNKNOWN),
                "{wrong}"
            );
        }
        assert_eq!(bed.store.state().applied_index(), before);
        token(&bed.checks, asked(&own.to_string()))
            .await
            .map(|answer| answer.expires_in)
            .unwrap();
    }

    /// A scope that has no room in a token is the login's own to narrow.
    #[tokio::test]
    async fn a_token_that_is_too_long_uses_nothing_up() {
        let bed = Bed::new().await;
        let long: Vec<String> = (100..228)
            .map(|n| format!("a{}{n}.read", "x".repeat(60)))
            .collect();
        let permissions: Vec<&str> = long.iter().map(String::as_str).collect();
        let first = bed.session("user/ada", &[], &permissions).await.to_string();
        assert_eq!(refused(&bed, asked(&first)).await.code(), "invalid_request");
        let narrow = TokenRequest {
            scope: long[0].clone(),
            ..asked(&first)
        };
        token(&bed.checks, narrow)
            .await
            .map(|answer| answer.expires_in)
            .unwrap();
    }

    /// A login that cannot have its token now can have it later.
    #[tokio::test]
    async fn nothing_is_used_up_for_nothing() {
        let bed = Bed::without_keys();
        let first = bed.session("user/ada", &[], &["smd.read"]).await.to_string();
        assert_eq!(
            refused(&bed, asked(&first)).await.code(),
            "temporarily_unavailable"
        );
        bed.rotate(false, false).await;
        let wider = TokenRequest {
            scope: "bss.read".into(),
            ..asked(&first)
        };
        assert_eq!(refused(&bed, wider).await.code(), "invalid_scope");
        let other = TokenRequest {
            client_id: "other".into(),
            ..asked(&first)
        };
        assert_eq!(refused(&bed, other).await.code(), "invalid_grant");
        token(&bed.checks, asked(&first))
            .await
            .map(|answer| answer.expires_in)
            .unwrap();
    }
}
