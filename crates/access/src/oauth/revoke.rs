//! RFC 7009: whoever has a token may end it. A token that is none, or has ended, is answered as one that was ended just now.

use proto::auth::v1::auth_command::{Change, DeleteApiToken, EndSession, Revoke};
use proto::auth::v1::{AuthCommand, Revocation};
use proto::raft::v1::entry::Command;
use rpc::Error;

use super::error::OauthError;
use super::refresh::{session_of, shown};
use crate::TokenChecks;
use crate::api_tokens::end_of;

/// # Errors
/// `temporarily_unavailable` if it cannot be said or done now.
pub(crate) async fn revoke(checks: &TokenChecks, token: &str) -> Result<(), OauthError> {
    checks.store().linearize().await?;
    let (principal, changes) = match shown(token) {
        Some(refresh) => match session_of(checks, &refresh) {
            Some(session) => {
                let end = Change::EndSession(EndSession { id: session.id });
                (session.principal, vec![end])
            }
            None => return Ok(()),
        },
        None => match checks.checked(token) {
            Ok(Some(checked)) => {
                let id = checked.principal.token_id;
                let changes = match checked.claims {
                    Some(_) => vec![of_access_token(&id)],
                    None => vec![end_of(&id), Change::DeleteApiToken(DeleteApiToken { id })],
                };
                (checked.principal.name, changes)
            }
            Ok(None) | Err(Error::Unauthenticated { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        },
    };
    for change in changes {
        let command = Command::Auth(AuthCommand { change: Some(change) });
        match checks.store().propose(&principal, command, None).await {
            // somebody else was faster
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
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
            revoke(&bed.checks, token)
                .await
                .unwrap_or_else(|error| assert_eq!(error.code(), "temporarily_unavailable"));
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
        let before = bed.store.state().applied_index();
        for token in ["", "x", "a.b.c", &session.renewed().unwrap().to_string()] {
            revoke(&bed.checks, token).await.unwrap();
        }
        assert_eq!(bed.store.state().applied_index(), before);
        assert!(bed.store.state().auth.session(&session.id()).is_some());
    }
}
