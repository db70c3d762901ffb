//! What is taken back before its end: a log entry, so that every connected member refuses it within a second.

use proto::auth::v1::auth_command::{Change, EndSession, Revoke};
use proto::auth::v1::{Revocation, RevokeTokensRequest, RevokeTokensResponse};
use rpc::{Error, Identity, invalid};
use tonic::Request;

use crate::rights::{ADMIN, is_limited, known, own_name};
use crate::token_service::TokenService;

/// A certificate is remembered for longer than any is good, milliseconds: 3,650 days.
const CERTIFICATE_MS: u64 = 3650 * 24 * 60 * 60 * 1000;

/// What a request names, exactly one of them.
enum Named {
    Token(String),
    Session(String),
    Principal(String),
    Certificate(String),
}

impl TokenService {
    /// What is one's own; with `auth.admin` anybody's.
    ///
    /// # Errors
    /// `Invalid` unless exactly one thing is named, `Denied` for what is not the caller's, whether it is there or not.
    pub(crate) async fn revoke(
        &self,
        mut request: Request<RevokeTokensRequest>,
    ) -> Result<RevokeTokensResponse, Error> {
        let caller = rpc::caller(&request).identity.clone();
        let named = Named::of(request.get_ref())?;
        self.checks.store().linearize().await?;
        if !self.is_own(&caller, &named) {
            let grant = self.rights.require(&caller, ADMIN)?;
            if let Some(grant) = grant {
                request.extensions_mut().insert(grant);
            }
        }
        let author = rpc::author(&request);
        let committed = self.propose_by(&author, named.change(self.now_ms())).await?;
        Ok(RevokeTokensResponse {
            revision: committed.revision,
        })
    }

    /// Of a token that is limited only itself and its login are its own.
    fn is_own(&self, caller: &Identity, named: &Named) -> bool {
        let shown = known(caller);
        let is_of_it = match named {
            Named::Token(_) => true,
            Named::Session(id) => shown.is_some_and(|shown| shown.session_id == *id),
            Named::Principal(_) | Named::Certificate(_) => false,
        };
        if is_limited(caller) && !is_of_it {
            return false;
        }
        match named {
            Named::Token(id) => shown.is_some_and(|shown| shown.token_id == *id),
            Named::Session(id) => {
                let session = self.checks.store().state().auth.session(id);
                session.is_some_and(|session| own_name(caller).as_ref() == Some(&session.principal))
            }
            Named::Principal(principal) => own_name(caller).as_ref() == Some(principal),
            Named::Certificate(digest) => {
                shown.is_some_and(|shown| auth::hex(&shown.certificate_sha256) == *digest)
            }
        }
    }

    /// That something is the caller's, or else that he may change what is others'. What is not there is nobody's.
    ///
    /// # Errors
    /// `Denied` naming the permission.
    pub(crate) fn require_own<T>(
        &self,
        caller: &Identity,
        owner: Option<&str>,
        request: &mut Request<T>,
    ) -> Result<(), Error> {
        if owner.is_some() && own_name(caller).as_deref() == owner {
            return Ok(());
        }
        if let Some(grant) = self.rights.require(caller, ADMIN)? {
            request.extensions_mut().insert(grant);
        }
        Ok(())
    }
}

impl Named {
    fn of(asked: &RevokeTokensRequest) -> Result<Named, Error> {
        let RevokeTokensRequest {
            jti,
            session_id,
            principal,
            certificate_sha256,
        } = asked.clone();
        let all = [
            (!jti.is_empty()).then_some(Named::Token(jti)),
            (!session_id.is_empty()).then_some(Named::Session(session_id)),
            (!principal.is_empty()).then_some(Named::Principal(principal)),
            (!certificate_sha256.is_empty())
                .then_some(Named::Certificate(certificate_sha256.to_ascii_lowercase())),
        ];
        let mut named = all.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(invalid(
                "jti, session_id, principal, certificate_sha256",
                "name exactly one of them",
            )),
        }
    }

    fn change(self, now_ms: u64) -> Change {
        let revocation = match self {
            Named::Session(id) => return Change::EndSession(EndSession { id }),
            Named::Token(id) => Revocation {
                id: format!("jti/{id}"),
                ..Revocation::default()
            },
            Named::Principal(principal) => Revocation {
                id: format!("principal/{principal}"),
                // what was issued in this very millisecond is meant, too
                before_ms: now_ms + 1,
                ..Revocation::default()
            },
            Named::Certificate(digest) => Revocation {
                id: format!("certificate/{digest}"),
                forget_at_ms: now_ms + CERTIFICATE_MS,
                ..Revocation::default()
            },
        };
        Change::Revoke(Revoke {
            revocation: Some(revocation),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rpc::Principal;

    use super::*;
    use crate::issued::Grantee;
    use crate::token_testing::{Bed, FakeAuthority, request_of, rights, user};

    fn service(bed: &Bed, authority: FakeAuthority) -> TokenService {
        TokenService::new(bed.checks.clone(), rights(authority))
    }

    fn by_certificate(name: &str) -> Identity {
        Identity::Known(Arc::new(Principal {
            name: name.into(),
            certificate_sha256: vec![0xab; 32],
            ..Principal::default()
        }))
    }

    fn is_refused(bed: &Bed, token: &str) -> bool {
        matches!(bed.checks.principal(token), Err(Error::Unauthenticated { .. }))
    }

    #[tokio::test]
    async fn exactly_one_thing_is_named() {
        let bed = Bed::new().await;
        let service = service(&bed, FakeAuthority::everything(&["auth.admin"]));
        let both = RevokeTokensRequest {
            jti: "a".into(),
            principal: "user/ada".into(),
            ..RevokeTokensRequest::default()
        };
        for wrong in [RevokeTokensRequest::default(), both] {
            let error = service.revoke(request_of(&user("ada"), wrong)).await.unwrap_err();
            assert!(error.to_string().contains("exactly one"), "{error}");
        }
    }

    /// Log out everywhere: nothing that was issued before is good any more.
    #[tokio::test]
    async fn a_person_takes_back_all_that_is_his() {
        let bed = Bed::new().await;
        let session = bed.session("user/ada", &[], &[]).await;
        let grantee = Grantee {
            session_id: session.id(),
            ..Grantee::of("user/ada")
        };
        let of_ada = bed.checks.issue(&grantee).unwrap().token;
        let of_bob = bed.checks.issue(&Grantee::of("user/bob")).unwrap().token;
        let service = service(&bed, FakeAuthority::nobody());
        let asked = RevokeTokensRequest {
            principal: "user/ada".into(),
            ..RevokeTokensRequest::default()
        };
        service
            .revoke(request_of(&user("bob"), asked.clone()))
            .await
            .unwrap_err();
        bed.checks.principal(&of_ada).unwrap().unwrap();
        service.revoke(request_of(&user("ada"), asked)).await.unwrap();
        assert!(is_refused(&bed, &of_ada));
        assert!(!is_refused(&bed, &of_bob));
        assert!(bed.store.state().auth.session(&session.id()).is_none());
    }

    #[tokio::test]
    async fn another_ones_login_and_none_at_all_read_alike() {
        let bed = Bed::new().await;
        let session = bed.session("user/ada", &[], &[]).await;
        let ask = async |authority, caller: &str, id: String| {
            let asked = RevokeTokensRequest {
                session_id: id,
                ..RevokeTokensRequest::default()
            };
            service(&bed, authority)
                .revoke(request_of(&user(caller), asked))
                .await
        };
        let anothers = ask(FakeAuthority::nobody(), "bob", session.id())
            .await
            .unwrap_err();
        let none = ask(FakeAuthority::nobody(), "bob", "0123456789abcdef".into())
            .await
            .unwrap_err();
        assert_eq!(anothers.to_string(), none.to_string());
        ask(FakeAuthority::nobody(), "ada", session.id()).await.unwrap();
        let admin = FakeAuthority::everything(&["auth.admin"]);
        let gone = ask(admin, "bob", session.id()).await.unwrap_err();
        assert!(matches!(gone, Error::NotFound { .. }), "{gone:?}");
    }

    #[tokio::test]
    async fn a_certificate_takes_what_was_issued_for_it_along() {
        let bed = Bed::new().await;
        let grantee = Grantee {
            certificate_sha256: vec![0xab; 32],
            ..Grantee::of("service/cron")
        };
        let token = bed.checks.issue(&grantee).unwrap().token;
        let asked = |byte: &str| RevokeTokensRequest {
            certificate_sha256: byte.repeat(32),
            ..RevokeTokensRequest::default()
        };
        let service = service(&bed, FakeAuthority::nobody());
        let own = by_certificate("service/cron");
        service.revoke(request_of(&own, asked("cd"))).await.unwrap_err();
        service.revoke(request_of(&own, asked("AB"))).await.unwrap();
        assert!(is_refused(&bed, &token));
    }

    /// What was made for a read must not log its owner out everywhere.
    #[tokio::test]
    async fn a_limited_token_ends_itself_and_nothing_else() {
        let bed = Bed::new().await;
        let (own, other) = (
            bed.session("user/ada", &[], &[]).await,
            bed.session("user/ada", &[], &[]).await,
        );
        let grantee = |permissions: &[&str]| Grantee {
            session_id: own.id(),
            permissions: Some(permissions.iter().map(ToString::to_string).collect()),
            ..Grantee::of("user/ada")
        };
        let service = service(&bed, FakeAuthority::nobody());
        let ask = async |permissions: &[&str], asked: RevokeTokensRequest| {
            let token = bed.checks.issue(&grantee(permissions)).unwrap().token;
            let principal = bed.checks.principal(&token).unwrap().unwrap();
            let shown = Identity::Known(Arc::new(principal));
            service.revoke(request_of(&shown, asked)).await
        };
        let all = || RevokeTokensRequest {
            principal: "user/ada".into(),
            ..RevokeTokensRequest::default()
        };
        let login = |id: String| RevokeTokensRequest {
            session_id: id,
            ..RevokeTokensRequest::default()
        };
        for beyond in [all(), login(other.id())] {
            let denied = ask(&["smd.read"], beyond).await;
            assert!(matches!(denied, Err(Error::Denied { .. })));
        }
        ask(&["smd.read", "auth.write"], login(other.id())).await.unwrap();
        ask(&["smd.read"], login(own.id())).await.unwrap();
        assert_eq!(bed.store.state().auth.sessions().count(), 0);
    }

    #[tokio::test]
    async fn one_access_token_is_taken_back_by_whoever_shows_it() {
        let bed = Bed::new().await;
        let token = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        let principal = bed.checks.principal(&token).unwrap().unwrap();
        let asked = RevokeTokensRequest {
            jti: principal.token_id.clone(),
            ..RevokeTokensRequest::default()
        };
        let service = service(&bed, FakeAuthority::nobody());
        service
            .revoke(request_of(&user("ada"), asked.clone()))
            .await
            .unwrap_err();
        let shown = Identity::Known(Arc::new(principal));
        service.revoke(request_of(&shown, asked)).await.unwrap();
        assert!(is_refused(&bed, &token));
    }
}
