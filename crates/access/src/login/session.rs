//! What a login ends in: a session in the log, and its tokens.

use auth::{OpaqueKind, OpaqueToken};
use proto::auth::v1::auth_command::{Change, OpenSession};
use proto::auth::v1::{AuthCommand, LoginSession};
use proto::raft::v1::entry::Command;
use raft::Committed;
use rpc::Error;

use super::Logins;
use crate::issued::{CLOCKS_MS, Grantee, Issued, internal};
use crate::oidc::Person;

/// A login that is about to be one.
pub(super) struct Opening {
    pub(super) person: Person,
    pub(super) provider: String,
    pub(super) client_id: String,
    /// `None`: all that policies give.
    pub(super) permissions: Option<Vec<String>>,
    pub(super) lasts_ms: u64,
    /// The device's whose approval it uses up; empty for a browser.
    pub(super) user_code: String,
}

/// Tokens of a login.
pub(super) struct Opened {
    pub(super) access: Issued,
    pub(super) refresh: OpaqueToken,
}

impl Logins {
    /// # Errors
    /// `NotFound` if the approval is not there any more; as [`crate::TokenChecks::issue`].
    pub(super) async fn open(&self, opening: Opening) -> Result<Opened, Error> {
        // before anything is written: without a key the login would be lost
        self.0.checks.signing_pair()?;
        let refresh = OpaqueToken::generate(OpaqueKind::Refresh).map_err(|error| internal(&error))?;
        let session = LoginSession {
            id: refresh.id(),
            principal: opening.person.principal,
            groups: opening.person.groups,
            client_id: opening.client_id,
            permissions: opening.permissions.clone().unwrap_or_default(),
            refresh_sha256: refresh.secret_sha256().to_vec(),
            family_sha256: refresh.family_sha256().to_vec(),
            expires_at_ms: self.now_ms() + opening.lasts_ms - CLOCKS_MS,
            provider: opening.provider,
            ..LoginSession::default()
        };
        let grantee = Grantee {
            principal: session.principal.clone(),
            groups: session.groups.clone(),
            permissions: opening.permissions,
            client_id: session.client_id.clone(),
            session_id: session.id.clone(),
            ends_at_ms: session.expires_at_ms,
            ..Grantee::default()
        };
        let open = OpenSession {
            session: Some(session),
            user_code: opening.user_code,
        };
        self.propose(&grantee.principal, Change::OpenSession(open))
            .await?;
        tracing::info!(
            principal = grantee.principal,
            session = grantee.session_id,
            client = grantee.client_id,
            "a login through the provider"
        );
        Ok(Opened {
            access: self.0.checks.issue(&grantee)?,
            refresh,
        })
    }

    pub(super) async fn propose(&self, principal: &str, change: Change) -> Result<Committed, Error> {
        let command = Command::Auth(AuthCommand { change: Some(change) });
        self.0.checks.store().propose(principal, command, None).await
    }
}
