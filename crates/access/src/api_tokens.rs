//! Tokens for machines: made once, shown once, and never for more than their maker has.

use auth::{OpaqueKind, OpaqueToken};
use proto::auth::v1::auth_command::{Change, CreateApiToken, DeleteApiToken};
use proto::auth::v1::{
    ApiToken, ApiTokenInfo, CreateApiTokenRequest, CreateApiTokenResponse, DeleteApiTokenRequest,
    DeleteApiTokenResponse, ListApiTokensRequest, ListApiTokensResponse,
};
use rpc::{Error, Identity, invalid, page};
use tonic::Request;

use crate::issued::{CLOCKS_MS, internal};
use crate::rights::{ADMIN, READ, is_limited, known, login_stands, own_name, require_within_own, stands};
use crate::scopes::is_pattern;
use crate::token_service::TokenService;

/// How long a token is good if nobody says, seconds: 30 days.
const VALID_S_DEFAULT: u32 = 30 * 24 * 3600;
/// Shortest life that can be asked for, seconds.
const VALID_S_MIN: u32 = 60;
/// Longest life that can be asked for, seconds: 90 days.
const VALID_S_MAX: u32 = 90 * 24 * 3600;
/// Hex digits of an API token's id.
const ID_DIGITS: usize = 16;

impl TokenService {
    /// Of oneself within what one's own token may do, by a certificate or a login; of another one, or by a token for machines, what the
    /// maker has himself. Asked for behind a read index, and judged once more by the log.
    ///
    /// # Errors
    /// `Invalid` for what cannot be meant, `Denied` for more than the caller has.
    pub(crate) async fn create(
        &self,
        mut request: Request<CreateApiTokenRequest>,
    ) -> Result<CreateApiTokenResponse, Error> {
        let caller = rpc::caller(&request).identity.clone();
        let asked = request.get_ref().clone();
        let valid_s = valid_for_s(asked.valid_for_s)?;
        check_patterns(&asked.permissions)?;
        self.checks.store().linearize().await?;
        let principal = self.admit(&caller, &asked, &mut request)?;
        let author = rpc::author(&request);
        let token = OpaqueToken::generate(OpaqueKind::Api).map_err(|error| internal(&error))?;
        let stored = ApiToken {
            id: token.id(),
            secret_sha256: token.secret_sha256().to_vec(),
            principal,
            description: asked.description,
            permissions: asked.permissions,
            expires_at_ms: self.now_ms() + u64::from(valid_s) * 1000 - CLOCKS_MS,
            meta: None,
        };
        let expires_at_ms = stored.expires_at_ms;
        let create = CreateApiToken { token: Some(stored) };
        let committed = self.propose_by(&author, Change::CreateApiToken(create)).await?;
        match committed.applied.created.first() {
            Some(id) if *id == token.id() => Ok(CreateApiTokenResponse {
                id: token.id(),
                token: token.to_string(),
                expires_at_ms,
            }),
            // the outcome of an earlier request under the same key, and nobody has that secret any more
            earlier => Err(Error::Conflict {
                detail: format!(
                    "this request was made before and its token was shown then; delete API token {} and make another one",
                    earlier.map_or("", String::as_str)
                ),
            }),
        }
    }

    /// Whom the token is for, if the caller may make it.
    fn admit(
        &self,
        caller: &Identity,
        asked: &CreateApiTokenRequest,
        request: &mut Request<CreateApiTokenRequest>,
    ) -> Result<String, Error> {
        require_within_own(caller, &asked.permissions)?;
        let own = own_name(caller);
        let principal = match (asked.principal.as_str(), &own) {
            ("", Some(own)) => own.clone(),
            ("", None) => {
                let problem =
                    "name whom it is for, user/<name> or service/<name>: the cluster's own key is nobody";
                return Err(invalid("principal", problem));
            }
            (named, _) => named.to_owned(),
        };
        let is_own = own.as_ref() == Some(&principal);
        if !is_own || !self.makes_own(caller)? {
            let grant = self.rights.require(caller, ADMIN)?;
            self.rights.require_all(caller, &asked.permissions)?;
            if let Some(grant) = grant {
                request.extensions_mut().insert(grant);
            }
        }
        Ok(principal)
    }

    /// Whether somebody makes tokens of his own: not by one, nor by what was made of one. Else the end of a token that has leaked would
    /// end nothing.
    ///
    /// # Errors
    /// `Unauthenticated` if what he has shown was taken back meanwhile.
    fn makes_own(&self, caller: &Identity) -> Result<bool, Error> {
        let Some(who) = known(caller) else {
            return Ok(true);
        };
        let (state, now_ms) = (self.checks.store().state(), self.now_ms());
        if !stands(&state, who, now_ms) {
            return Err(Error::Unauthenticated {
                reason: "what this request came with has ended; log in again".to_owned(),
            });
        }
        Ok(who.token_id.is_empty() || login_stands(&state, who, now_ms))
    }

    /// One's own; with `auth.read` everybody's.
    ///
    /// # Errors
    /// If the authority cannot say; `Invalid` for a page that cannot be meant.
    pub(crate) fn api_tokens(
        &self,
        caller: &Identity,
        mut request: ListApiTokensRequest,
    ) -> Result<ListApiTokensResponse, Error> {
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let own = own_name(caller);
        let sees_all = self.rights.has(caller, READ)?;
        let state = self.checks.store().state();
        let page = asked.of(&request, state.cluster_id())?;
        let ahead = state.auth.api_tokens().filter(|token| {
            let after = page.after();
            after.is_none_or(|after: &String| token.id > *after)
        });
        let (tokens, next_page_token) = page.cut(
            ahead.filter(|token| sees_all || own.as_ref() == Some(&token.principal)),
            |token| &token.id,
            |token| info(token),
        );
        Ok(ListApiTokensResponse {
            tokens,
            next_page_token,
        })
    }

    /// And what was made with it: its access tokens are refused, too, where they are in use as well.
    ///
    /// # Errors
    /// `Invalid` for what is no id, `Denied` for one that is not the caller's, whether it is there or not; `NotFound`.
    pub(crate) async fn delete_api_token(
        &self,
        mut request: Request<DeleteApiTokenRequest>,
    ) -> Result<DeleteApiTokenResponse, Error> {
        let caller = rpc::caller(&request).identity.clone();
        let id = request.get_ref().id.clone();
        check_id(&id)?;
        self.checks.store().linearize().await?;
        let stored = self.checks.store().state().auth.api_token(&id);
        let is_shown = known(&caller).is_some_and(|who| who.token_id == id);
        let owner = stored.map(|token| token.principal.clone());
        let owner = owner.filter(|_| is_shown || !is_limited(&caller));
        self.require_own(&caller, owner.as_deref(), &mut request)?;
        let delete = Change::DeleteApiToken(DeleteApiToken { id });
        let committed = self.propose_by(&rpc::author(&request), delete).await?;
        Ok(DeleteApiTokenResponse {
            revision: committed.revision,
        })
    }
}

/// A token without what proves it.
fn info(token: &ApiToken) -> ApiTokenInfo {
    ApiTokenInfo {
        id: token.id.clone(),
        principal: token.principal.clone(),
        description: token.description.clone(),
        permissions: token.permissions.clone(),
        expires_at_ms: token.expires_at_ms,
        meta: token.meta.clone(),
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match id.len() == ID_DIGITS && id.bytes().all(is_digit) {
        true => Ok(()),
        false => Err(invalid(
            "id",
            format!("{ID_DIGITS} lower-case hex digits are accepted, as the list of API tokens shows them"),
        )),
    }
}

fn valid_for_s(asked: u32) -> Result<u32, Error> {
    match asked {
        0 => Ok(VALID_S_DEFAULT),
        VALID_S_MIN..=VALID_S_MAX => Ok(asked),
        _ => Err(invalid(
            "valid_for_s",
            format!("{VALID_S_MIN} to {VALID_S_MAX} seconds (90 days) are accepted, or 0 for 30 days"),
        )),
    }
}

fn check_patterns(patterns: &[String]) -> Result<(), Error> {
    let accepted = "write <area>.<access>, e.g. smd.read, bss.* or *.read";
    if patterns.is_empty() {
        return Err(invalid(
            "permissions",
            format!("at least one is needed; {accepted}"),
        ));
    }
    match patterns.iter().find(|pattern| !is_pattern(pattern)) {
        Some(wrong) => Err(invalid("permissions", format!("{wrong:?} is none; {accepted}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::auth_command::EndSession;

    use super::*;
    use crate::issued::Grantee;
    use crate::token_testing::{Bed, FakeAuthority, request_of, rights, token_of, user};

    fn service(bed: &Bed, authority: FakeAuthority) -> TokenService {
        TokenService::new(bed.checks.clone(), rights(authority))
    }

    fn asked(principal: &str, permissions: &[&str]) -> CreateApiTokenRequest {
        CreateApiTokenRequest {
            principal: principal.into(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            ..CreateApiTokenRequest::default()
        }
    }

    #[tokio::test]
    async fn what_is_made_for_oneself_opens_the_api() {
        let bed = Bed::new().await;
        let service = service(&bed, FakeAuthority::nobody());
        let made = service
            .create(request_of(&user("ada"), asked("", &["smd.read"])))
            .await
            .unwrap();
        let principal = bed.checks.principal(&made.token).unwrap().unwrap();
        assert_eq!(
            (principal.name.as_str(), principal.token_id),
            ("user/ada", made.id)
        );
        let days = (made.expires_at_ms - bed.store.cluster_time_ms()) / 86_400_000;
        assert_eq!(days, 29, "a little less than 30 days");
        assert!(!format!("{:?}", bed.store.state().auth.api_tokens().next()).contains(&made.token));
    }

    #[tokio::test]
    async fn for_another_one_the_maker_needs_the_right_and_all_that_he_gives() {
        let bed = Bed::new().await;
        let ask = async |authority, permissions: &[&str]| {
            let service = service(&bed, authority);
            service
                .create(request_of(&user("ada"), asked("service/cron", permissions)))
                .await
        };
        let denied = ask(FakeAuthority::nobody(), &["smd.read"]).await.unwrap_err();
        assert_eq!(
            denied.to_string(),
            "auth.admin is needed for what this request names"
        );
        let only_admin = FakeAuthority::everything(&["auth.admin"]);
        let denied = ask(only_admin, &["smd.read"]).await.unwrap_err();
        assert_eq!(
            denied.to_string(),
            "smd.read is needed for what this request names"
        );
        let both = FakeAuthority::everything(&["auth.admin", "smd.read"]);
        ask(both, &["smd.read"]).await.unwrap();
    }

    /// A token that leaks must not be worth more than it was.
    #[tokio::test]
    async fn a_token_makes_none_that_is_wider() {
        let bed = Bed::new().await;
        let service = service(
            &bed,
            FakeAuthority::everything(&["auth.admin", "smd.read", "bss.read"]),
        );
        let narrow = token_of("user/ada", Some(&["smd.read", "auth.admin"]));
        for wider in [
            ["smd.read", "bss.read"],
            ["smd.read", "*.*"],
            ["smd.read", "smd.*"],
        ] {
            let denied = service.create(request_of(&narrow, asked("", &wider))).await;
            assert!(matches!(denied, Err(Error::Denied { .. })), "{wider:?}");
            let denied = service
                .create(request_of(&narrow, asked("user/bob", &wider)))
                .await;
            assert!(matches!(denied, Err(Error::Denied { .. })), "{wider:?}");
        }
        service
            .create(request_of(&narrow, asked("", &["smd.read"])))
            .await
            .unwrap();
    }

    /// Whoever has stolen one could otherwise make himself others, and keep them when it is deleted.
    #[tokio::test]
    async fn a_token_for_machines_makes_no_other_one() {
        let bed = Bed::new().await;
        let shown = |token: &str| {
            let principal = bed.checks.principal(token).unwrap().unwrap();
            Identity::Known(std::sync::Arc::new(principal))
        };
        let api = bed.api_token("user/ada", &["smd.read", "auth.admin"]).await;
        let of = |session_id: String| Grantee {
            session_id,
            ..Grantee::of("user/ada")
        };
        let issue = |session_id: String| bed.checks.issue(&of(session_id)).unwrap().token;
        let by_token = [
            shown(&api.to_string()),
            shown(&issue(api.id())),
            shown(&issue(String::new())),
        ];
        for caller in &by_token {
            let make = async |authority| {
                let service = service(&bed, authority);
                service.create(request_of(caller, asked("", &["smd.read"]))).await
            };
            let denied = make(FakeAuthority::nobody()).await;
            assert!(matches!(denied, Err(Error::Denied { .. })), "{caller:?}");
            make(FakeAuthority::everything(&["auth.admin", "smd.read"]))
                .await
                .unwrap();
        }
        let session = bed.session("user/ada", &[], &[]).await;
        let by_login = shown(&issue(session.id()));
        let service = service(&bed, FakeAuthority::nobody());
        let make = || service.create(request_of(&by_login, asked("", &["smd.read"])));
        make().await.unwrap();
        let end = Change::EndSession(EndSession { id: session.id() });
        bed.propose(end).await.unwrap();
        let ended = make().await;
        assert!(matches!(ended, Err(Error::Unauthenticated { .. })));
    }

    /// It may be in a script that anybody reads; its principal's other tokens are not.
    #[tokio::test]
    async fn a_limited_token_deletes_itself_and_no_other_one() {
        let bed = Bed::new().await;
        let own = bed.api_token("user/ada", &["smd.read"]).await;
        let other = bed.api_token("user/ada", &["smd.read"]).await;
        let principal = bed.checks.principal(&own.to_string()).unwrap().unwrap();
        let caller = Identity::Known(std::sync::Arc::new(principal));
        let service = service(&bed, FakeAuthority::nobody());
        let delete = |id: String| service.delete_api_token(request_of(&caller, DeleteApiTokenRequest { id }));
        let denied = delete(other.id()).await.unwrap_err();
        assert!(matches!(denied, Error::Denied { .. }), "{denied:?}");
        delete(own.id()).await.unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_meant_is_named() {
        let bed = Bed::new().await;
        let service = service(&bed, FakeAuthority::nobody());
        let offline = Identity::Token {
            subject: "admin".into(),
        };
        for (caller, asked, field) in [
            (user("ada"), asked("", &[]), "permissions: "),
            (user("ada"), asked("", &["smd"]), "permissions: "),
            (offline.clone(), asked("", &["smd.read"]), "principal: "),
            (
                offline.clone(),
                asked("token/admin", &["smd.read"]),
                "token.principal: ",
            ),
            (
                user("ada"),
                CreateApiTokenRequest {
                    valid_for_s: 59,
                    ..asked("", &["smd.read"])
                },
                "valid_for_s: ",
            ),
            (
                user("ada"),
                CreateApiTokenRequest {
                    valid_for_s: 7_776_001,
                    ..asked("", &["smd.read"])
                },
                "valid_for_s: ",
            ),
        ] {
            let error = service
                .create(request_of(&caller, asked))
                .await
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(field), "{error}");
        }
        let longest = CreateApiTokenRequest {
            valid_for_s: VALID_S_MAX,
            ..asked("service/cron", &["smd.read"])
        };
        service.create(request_of(&offline, longest)).await.unwrap();
    }

    #[tokio::test]
    async fn everybody_sees_his_own_and_readers_all() {
        let bed = Bed::new().await;
        bed.api_token("user/ada", &["smd.read"]).await;
        bed.api_token("user/bob", &["smd.read"]).await;
        let own = service(&bed, FakeAuthority::nobody())
            .api_tokens(&user("ada"), ListApiTokensRequest::default())
            .unwrap();
        assert_eq!(
            own.tokens
                .iter()
                .map(|token| token.principal.as_str())
                .collect::<Vec<_>>(),
            ["user/ada"]
        );
        let all = service(&bed, FakeAuthority::everything(&["auth.read"]))
            .api_tokens(&user("ada"), ListApiTokensRequest::default());
        assert_eq!(all.unwrap().tokens.len(), 2);
    }

    /// Another's and none at all read alike; and what was made with it ends, too.
    #[tokio::test]
    async fn a_deleted_token_takes_its_access_tokens_along() {
        let bed = Bed::new().await;
        let token = bed.api_token("user/ada", &["smd.read"]).await;
        let derived = Grantee {
            session_id: token.id(),
            ..Grantee::of("user/ada")
        };
        let derived = bed.checks.issue(&derived).unwrap().token;
        bed.checks.principal(&derived).unwrap().unwrap();
        let service = service(&bed, FakeAuthority::nobody());
        let delete = |caller: &str, id: &str| {
            service.delete_api_token(request_of(
                &user(caller),
                DeleteApiTokenRequest { id: id.to_owned() },
            ))
        };
        let anothers = delete("bob", &token.id()).await.unwrap_err();
        let none = delete("bob", "0123456789abcdef").await.unwrap_err();
        assert_eq!(anothers.to_string(), none.to_string());
        let malformed = delete("ada", "x").await.unwrap_err();
        assert!(matches!(malformed, Error::Invalid { .. }), "{malformed:?}");
        delete("ada", &token.id()).await.unwrap();
        let refused = bed.checks.principal(&derived);
        assert!(
            matches!(refused, Err(Error::Unauthenticated { .. })),
            "{refused:?}"
        );
    }
}
