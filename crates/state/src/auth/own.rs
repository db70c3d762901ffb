//! What anybody may change who proves who he is: what is his own. Judged on the state before the entry, as grants of policies are, so
//! that a login that was ended earlier in the log makes nothing any more.

use model::Rejection;
use proto::auth::v1::auth_command::Change;
use proto::auth::v1::{AuthCommand, Grant};
use proto::raft::v1::entry::Command;

use super::Auth;
use super::grants::denied;
use crate::log_position::LogPosition;
use crate::sealed::hex;

/// What changes of others' tokens need.
const ADMIN: &str = "auth.admin";

impl Auth {
    /// That the grant, which names no permission, stands, and that the change is of the author's own.
    ///
    /// # Errors
    /// `Denied` naming `auth.admin`, which who changes what is others' needs; for what is not there, too.
    pub(super) fn check_own(
        &self,
        grant: &Grant,
        command: Option<&Command>,
        at: &LogPosition<'_>,
    ) -> Result<(), Rejection> {
        let is_own = match command {
            Some(Command::Auth(AuthCommand { change: Some(change) })) => {
                self.is_own(change, grant, at.principal)
            }
            _ => false,
        };
        let stands = grant.policies.is_empty() && self.proves(grant, at.principal, "", at.time_ms);
        match stands && is_own {
            true => Ok(()),
            false => Err(denied(ADMIN)),
        }
    }

    fn is_own(&self, change: &Change, grant: &Grant, principal: &str) -> bool {
        match change {
            Change::CreateApiToken(create) => {
                let token = create.token.as_ref();
                token.is_some_and(|token| token.principal == principal) && self.may_make_tokens(grant)
            }
            Change::DeleteApiToken(delete) => self.is_api_token_of(&delete.id, principal),
            Change::EndSession(end) => self.is_login_of(&end.id, principal),
            Change::ApproveDevice(approve) => {
                let approval = approve.approval.as_ref();
                approval.is_some_and(|approval| approval.principal == principal)
            }
            Change::Revoke(revoke) => {
                let revocation = revoke.revocation.as_ref();
                revocation.is_some_and(|revocation| self.is_own_proof(&revocation.id, grant, principal))
            }
            _ => false,
        }
    }

    /// A certificate, or the access token of a login. A token for machines makes no other one, nor does what was made of it: it could
    /// not be ended by ending it.
    fn may_make_tokens(&self, grant: &Grant) -> bool {
        grant.token_id.is_empty() || self.sessions.get(&grant.session_id).is_some()
    }

    fn is_own_proof(&self, id: &str, grant: &Grant, principal: &str) -> bool {
        match id.split_once('/') {
            Some(("jti", token)) => !token.is_empty() && grant.token_id == token,
            Some(("session", id)) => self.is_login_of(id, principal) || self.is_api_token_of(id, principal),
            Some(("principal", named)) => named == principal,
            Some(("certificate", digest)) => {
                let own = hex(&grant.certificate_sha256);
                !own.is_empty() && own.eq_ignore_ascii_case(digest)
            }
            _ => false,
        }
    }

    fn is_login_of(&self, id: &str, principal: &str) -> bool {
        let session = self.sessions.get(id);
        session.is_some_and(|session| session.principal == principal)
    }

    fn is_api_token_of(&self, id: &str, principal: &str) -> bool {
        let token = self.tokens.get(id);
        token.is_some_and(|token| token.principal == principal)
    }
}
