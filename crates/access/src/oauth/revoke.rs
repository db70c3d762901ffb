//! RFC 7009: whoever has a token may end it. A token that is none, or has ended, is answered as one that was ended just now.

use proto::auth::v1::auth_command::{Change, DeleteApiToken, EndSession, Revoke};
use proto::auth::v1::{AuthCommand, LoginSession, Revocation};
use proto::raft::v1::entry::Command;
use rpc::Error;

use super::error::OauthError;
use super::refresh::{login_of, session_of, shown};
use crate::TokenChecks;
use crate::token_checks::Checked;
use crate::token_service::warn_of_refused;

/// # Errors
/// `invalid_request` if no token is named; `temporarily_unavailable` if it cannot be said or done now.
pub(crate) async fn revoke(checks: &TokenChecks, token: &str) -> Result<(), OauthError> {
    if token.is_empty() {
        return Err(OauthError::request("token is missing: name the one to be ended"));
    }
    let ended = match shown(token) {
        Some(refresh) => login_of(checks, &refresh).await?.map(end_of_login),
        None => checked(checks, token).await?.map(end_of_token),
    };
    let Some((principal, change)) = ended else {
        return Ok(());
    };
    let command = Command::Auth(AuthCommand { change: Some(change) });
    match checks.store().propose(&principal, command, None).await {
        Ok(committed) => warn_of_refused(&committed),
        // somebody else was faster
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// A token that stands. What is none, or was ended by what this member has applied, is none; of everything else the others are asked.
async fn checked(checks: &TokenChecks, token: &str) -> Result<Option<Checked>, OauthError> {
    match checks.checked(token) {
        Ok(None) | Err(Error::Unauthenticated { .. }) => return Ok(None),
        Ok(Some(_)) | Err(Error::NotReady { .. }) => checks.store().linearize().await?,
        Err(error) => return Err(error.into()),
    }
    match checks.checked(token) {
        Ok(found) => Ok(found),
        // what is not known now is nobody's
        Err(Error::Unauthenticated { .. } | Error::NotReady { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Who ends something, and what that is.
type End = (String, Change);

fn end_of_login(session: LoginSession) -> End {
    let end = Change::EndSession(EndSession { id: session.id });
    (session.principal, end)
}

fn end_of_token(checked: Checked) -> End {
    let id = checked.principal.token_id;
    let change = match checked.claims {
        Some(_) => of_access_token(&id),
        None => Change::DeleteApiToken(DeleteApiToken { id }),
    };
    (checked.principal.name, change)
}

/// Whether something is, or may be, a token of this cluster.
pub(crate) fn is_known(checks: &TokenChecks, token: &str) -> bool {
    match shown(token) {
        Some(refresh) => session_of(checks, &refresh).is_some(),
        None => !matches!(
            checks.checked(token),
            Ok(None) | Err(Error::Unauthenticated { .. })
        ),
    }
}

fn of_access_token(id: &str) -> Change {
    let revocation = Some(Revocation {
        id: format!("jti/{id}"),
        ..Revocation::default()
    });
    Change::Revoke(Revoke { revocation })
}

#[cfg(test)]
mod tests {
    use auth::{OpaqueKind, OpaqueToken};

    use super::*;
    use crate::issued::Grantee;
    use crate::token_testing::Bed;

    #[tokio::test]
    async fn each_kind_of_token_can_be_ended_and_ended_again() {
        let bed = Bed::new().await;
        let session = bed.session("user/ada", &[], &[]).await;
        let of_login = bed.checks.issue(&Grantee {
            session_id: session.id(),
            ..Grantee::of("user/ada")
        });
        let access = bed.checks.issue(&Grantee::of("user/bob")).unwrap().token;
        let api = bed.api_token("service/cron", &["smd.read"]).await;
        for token in [&session.to_string(), &access, &api.to_string()] {
            revoke(&bed.checks, token).await.unwrap();
            let ended = bed.store.state().applied_index();
            revoke(&bed.checks, token).await.unwrap();
            assert_eq!(
                bed.store.state().applied_index(),
                ended,
                "there is nothing left to end"
            );
        }
        let state = bed.store.state();
        assert!(state.auth.session(&session.id()).is_none() && state.auth.api_token(&api.id()).is_none());
        for token in [access, of_login.unwrap().token] {
            let refused = bed.checks.principal(&token);
            assert!(
                matches!(refused, Err(Error::Unauthenticated { .. })),
                "{refused:?}"
            );
        }
    }

    #[tokio::test]
    async fn strangers_write_nothing() {
        let bed = Bed::new().await;
        let session = bed.session("user/ada", &[], &[]).await;
        let other = OpaqueToken::generate(OpaqueKind::Refresh).unwrap();
        let guessed = other.to_string().replace(&other.id(), &session.id());
        let api = OpaqueToken::generate(OpaqueKind::Api).unwrap().to_string();
        let before = bed.store.state().applied_index();
        for token in ["x", "a.b.c", &guessed, &api] {
            revoke(&bed.checks, token).await.unwrap();
        }
        assert_eq!(
            revoke(&bed.checks, "").await.unwrap_err().code(),
            "invalid_request"
        );
        assert_eq!(bed.store.state().applied_index(), before);
        assert!(bed.store.state().auth.session(&session.id()).is_some());
    }
}
