//! Logins: who is logged in, and from where.

use proto::auth::v1::{ListSessionsRequest, ListSessionsResponse, LoginSession, SessionInfo};
use rpc::{Error, Identity, page};

use crate::rights::{READ, own_name};
use crate::token_service::TokenService;

impl TokenService {
    /// One's own; with `auth.read` everybody's. Those that have ended and are not forgotten yet are not shown.
    ///
    /// # Errors
    /// If the authority cannot say; `Invalid` for a page that cannot be meant.
    pub(crate) fn sessions(
        &self,
        caller: &Identity,
        mut request: ListSessionsRequest,
    ) -> Result<ListSessionsResponse, Error> {
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let own = own_name(caller);
        let sees_all = self.rights.has(caller, READ)?;
        let now_ms = self.now_ms();
        let state = self.checks.store().state();
        let page = asked.of(&request, state.cluster_id())?;
        let ahead = state.auth.sessions().filter(|session| {
            let after = page.after();
            after.is_none_or(|after: &String| session.id > *after)
        });
        let shown = ahead.filter(|session| {
            session.expires_at_ms > now_ms && (sees_all || own.as_ref() == Some(&session.principal))
        });
        let (sessions, next_page_token) = page.cut(shown, |session| &session.id, |session| info(session));
        Ok(ListSessionsResponse {
            sessions,
            next_page_token,
        })
    }
}

/// A login without what proves it.
fn info(session: &LoginSession) -> SessionInfo {
    SessionInfo {
        id: session.id.clone(),
        principal: session.principal.clone(),
        groups: session.groups.clone(),
        client_id: session.client_id.clone(),
        refreshed_at_ms: session.refreshed_at_ms,
        expires_at_ms: session.expires_at_ms,
        provider: session.provider.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_testing::{Bed, FakeAuthority, rights, user};

    fn all() -> ListSessionsRequest {
        ListSessionsRequest::default()
    }

    /// Each login once, by id, whatever the pages.
    #[tokio::test]
    async fn logins_come_in_pages() {
        let bed = Bed::new().await;
        for name in ["user/ada", "user/bob", "user/eve"] {
            bed.session(name, &[], &[]).await;
        }
        let authority = FakeAuthority::everything(&["auth.read"]);
        let service = TokenService::new(bed.checks.clone(), rights(authority));
        let whole = service.sessions(&user("ada"), all()).unwrap();
        let mut request = ListSessionsRequest {
            page_size: 2,
            ..all()
        };
        let first = service.sessions(&user("ada"), request.clone()).unwrap();
        request.page_token = first.next_page_token;
        let second = service.sessions(&user("ada"), request).unwrap();
        assert_eq!((first.sessions.len(), second.next_page_token.as_str()), (2, ""));
        assert_eq!([first.sessions, second.sessions].concat(), whole.sessions);
    }

    #[tokio::test]
    async fn everybody_sees_his_own_and_readers_all() {
        let bed = Bed::new().await;
        let own = bed.session("user/ada", &["hpc"], &[]).await;
        bed.session("user/bob", &[], &[]).await;
        let service = |authority| TokenService::new(bed.checks.clone(), rights(authority));
        let seen = service(FakeAuthority::nobody())
            .sessions(&user("ada"), all())
            .unwrap();
        assert_eq!(seen.sessions.len(), 1);
        assert_eq!(
            (&seen.sessions[0].id, &seen.sessions[0].groups[..]),
            (&own.id(), &["hpc".to_owned()][..])
        );
        let seen = service(FakeAuthority::everything(&["auth.read"]))
            .sessions(&user("ada"), all())
            .unwrap();
        assert_eq!(seen.sessions.len(), 2);
        let nobody = service(FakeAuthority::nobody())
            .sessions(&Identity::Anonymous, all())
            .unwrap();
        assert!(nobody.sessions.is_empty());
    }
}
