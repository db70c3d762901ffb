//! Logins: who is logged in, and from where.

use proto::auth::v1::{ListSessionsResponse, SessionInfo};
use rpc::{Error, Identity};

use crate::rights::{READ, own_name};
use crate::token_service::TokenService;

impl TokenService {
    /// One's own; with `auth.read` everybody's. Those that have ended and are not forgotten yet are not shown.
    ///
    /// # Errors
    /// If the authority cannot say.
    pub(crate) fn sessions(&self, caller: &Identity) -> Result<ListSessionsResponse, Error> {
        let own = own_name(caller);
        let sees_all = self.rights.has(caller, READ)?;
        let now_ms = self.now_ms();
        let state = self.checks.store().state();
        let shown = state.auth.sessions().filter(|session| {
            session.expires_at_ms > now_ms && (sees_all || own.as_ref() == Some(&session.principal))
        });
        let sessions = shown.map(|session| SessionInfo {
            id: session.id.clone(),
            principal: session.principal.clone(),
            groups: session.groups.clone(),
            client_id: session.client_id.clone(),
            refreshed_at_ms: session.refreshed_at_ms,
            expires_at_ms: session.expires_at_ms,
            provider: session.provider.clone(),
        });
        Ok(ListSessionsResponse {
            sessions: sessions.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_testing::{Bed, FakeAuthority, rights, user};

    #[tokio::test]
    async fn everybody_sees_his_own_and_readers_all() {
        let bed = Bed::new().await;
        let own = bed.session("user/ada", &["hpc"], &[]).await;
        bed.session("user/bob", &[], &[]).await;
        let service = |authority| TokenService::new(bed.checks.clone(), rights(authority));
        let seen = service(FakeAuthority::nobody()).sessions(&user("ada")).unwrap();
        assert_eq!(seen.sessions.len(), 1);
        assert_eq!(
            (&seen.sessions[0].id, &seen.sessions[0].groups[..]),
            (&own.id(), &["hpc".to_owned()][..])
        );
        let seen = service(FakeAuthority::everything(&["auth.read"]))
            .sessions(&user("ada"))
            .unwrap();
        assert_eq!(seen.sessions.len(), 2);
        let nobody = service(FakeAuthority::nobody())
            .sessions(&Identity::Anonymous)
            .unwrap();
        assert!(nobody.sessions.is_empty());
    }
}
