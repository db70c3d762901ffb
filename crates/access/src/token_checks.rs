//! Whom a bearer token of this cluster speaks for: signature, times and form by its own claims, and whether it still stands by this
//! member's applied state. Readers take no lock and wait for nobody.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use auth::{
    AccessClaims, AccessTokenError, DecodingKey, OpaqueKind, OpaqueToken, Sealer, SigningPair,
    check_access_token, check_times, is_access_token,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::auth::v1::SigningKey;
use proto::auth::v1::signing_key::Stage;
use raft::Store;
use rpc::token::{audience, issuer, p256_point};
use rpc::{Error, KnownTokens, Principal, TokenDigest, token_digest};
use serde::Deserialize;
use state::State;
use state::auth::Proof;
use state::bounds::LEEWAY_MS;

use crate::late::Late;
use crate::rights::{proof, require_level};

/// When a caller may come again who was told that this member is not ready.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Checks tokens, and signs them where the key that signs can be opened. Cheap to clone.
#[derive(Clone)]
pub struct TokenChecks(Arc<Inner>);

struct Inner {
    store: Store,
    sealer: Sealer,
    /// Access tokens whose signature was checked.
    known: KnownTokens<Known>,
    late: Late,
    refused: AtomicU64,
    /// The key that signs, opened.
    signing: ArcSwapOption<SigningPair>,
}

/// An access token whose signature is right.
struct Known {
    kid: String,
    claims: Arc<AccessClaims>,
}

/// A token that stands.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) principal: Principal,
    /// Cluster time.
    pub(crate) expires_at_ms: u64,
    /// Of an access token, its own; of an API token its id.
    pub(crate) client_id: String,
    /// Of an access token.
    pub(crate) claims: Option<Arc<AccessClaims>>,
}

/// Why a token is not accepted.
enum Problem {
    Refused(&'static str),
    /// The state has nothing of this name, maybe not yet.
    Missing(String, &'static str),
}

impl fmt::Debug for TokenChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenChecks").finish_non_exhaustive()
    }
}

impl TokenChecks {
    /// Checks by the state of `store`; `sealer` opens the key that signs.
    #[must_use]
    pub fn new(store: Store, sealer: Sealer) -> TokenChecks {
        TokenChecks(Arc::new(Inner {
            store,
            sealer,
            known: KnownTokens::default(),
            late: Late::default(),
            refused: AtomicU64::new(0),
            signing: ArcSwapOption::empty(),
        }))
    }

    /// Whom a token speaks for; `None` if it is none that this cluster issues itself.
    ///
    /// # Errors
    /// `Unauthenticated` for one that is forged, has ended or was revoked; `NotReady` for one whose key or login this member has
    /// not heard of, until it has asked the others. The text never quotes the token.
    pub fn principal(&self, token: &str) -> Result<Option<Principal>, Error> {
        Ok(self.checked(token)?.map(|checked| checked.principal))
    }

    /// Tokens that were refused since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// As [`TokenChecks::principal`], with all that there is to say.
    pub(crate) fn checked(&self, token: &str) -> Result<Option<Checked>, Error> {
        self.checked_by(token, &self.0.store.state())
    }

    /// `state` may be older than what this member has applied by now.
    fn checked_by(&self, token: &str, state: &State) -> Result<Option<Checked>, Error> {
        let found = match self.found(state, token) {
            Err(Problem::Missing(what, _)) if self.0.late.is_nowhere(&self.0.store, &what) => {
                // the others may have been asked since the state was taken: what has come by then is there now
                self.found(&self.0.store.state(), token)
            }
            Err(Problem::Missing(..)) => {
                return Err(not_ready("it asks the other members about this bearer token"));
            }
            found => found,
        };
        found.map_err(|problem| self.refuse(&problem))
    }

    fn found(&self, state: &State, token: &str) -> Result<Option<Checked>, Problem> {
        if token.starts_with(OpaqueKind::Api.prefix()) {
            self.api_token(state, token).map(Some)
        } else if token.starts_with(OpaqueKind::Refresh.prefix()) {
            Err(Problem::Refused("a refresh token is for the token endpoint only"))
        } else {
            self.access_token(state, token)
        }
    }

    fn refuse(&self, problem: &Problem) -> Error {
        let (Problem::Refused(reason) | Problem::Missing(_, reason)) = problem;
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        Error::Unauthenticated {
            reason: format!("the bearer token is not accepted: {reason}"),
        }
    }

    fn api_token(&self, state: &State, text: &str) -> Result<Checked, Problem> {
        let shown: OpaqueToken = text.parse().map_err(|_| Problem::Refused("it is not whole"))?;
        let id = shown.id();
        let stored = state.auth.api_token(&id);
        // one answer for an unknown id and a wrong secret
        let unknown = "it is unknown or has been deleted";
        let stored = stored.ok_or_else(|| missing(state, &id, unknown))?;
        if stored.secret_sha256 != shown.secret_sha256() {
            return Err(Problem::Refused(unknown));
        }
        if stored.expires_at_ms <= self.0.store.cluster_time_ms() {
            return Err(Problem::Refused("it has expired"));
        }
        let checked = Checked {
            principal: Principal {
                name: stored.principal.clone(),
                permissions: Some(stored.permissions.clone()),
                token_id: id.clone(),
                expires_at_ms: stored.expires_at_ms,
                ..Principal::default()
            },
            expires_at_ms: stored.expires_at_ms,
            client_id: id,
            claims: None,
        };
        stands(state, checked)
    }

    /// `None` for what is no access token, or another issuer's. What is known is ours, so its text is not read again.
    fn access_token(&self, state: &State, token: &str) -> Result<Option<Checked>, Problem> {
        let digest = token_digest(token);
        let now_ms = self.0.store.cluster_time_ms();
        let known = match self.0.known.get(&digest) {
            Some(known) => {
                check_times(&known.claims, now_ms).map_err(problem_of)?;
                if accepted(state, &known.kid).is_none() {
                    return Err(Problem::Refused("the key that signed it is not trusted any more"));
                }
                known
            }
            None if is_access_token(token) && !is_of_another(state, token) => {
                self.remember(digest, signed(state, token, now_ms)?)
            }
            None => return Ok(None),
        };
        let claims = &known.claims;
        let is_person = ["user/", "service/"]
            .iter()
            .any(|kind| claims.sub.starts_with(kind));
        if !is_person || claims.sub.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(Problem::Refused("its `sub` is nobody who has access tokens"));
        }
        let certificate_sha256 = URL_SAFE_NO_PAD.decode(&claims.certificate);
        let checked = Checked {
            principal: Principal {
                name: claims.sub.clone(),
                groups: claims.groups.clone(),
                permissions: claims.scope.as_deref().map(words),
                token_id: claims.jti.clone(),
                session_id: claims.sid.clone(),
                issued_at_ms: claims.iat.saturating_mul(1000),
                certificate_sha256: certificate_sha256.unwrap_or_default(),
                // as long as its next use is accepted
                expires_at_ms: claims.exp.saturating_mul(1000).saturating_add(LEEWAY_MS),
                key_id: known.kid.clone(),
                ..Principal::default()
            },
            expires_at_ms: claims.exp.saturating_mul(1000),
            client_id: claims.client_id.clone(),
            claims: Some(Arc::clone(claims)),
        };
        let checked = stands(state, checked)?;
        check_login(state, claims)?;
        Ok(Some(checked))
    }

    fn remember(&self, digest: TokenDigest, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        self.0.known.remember(digest, &known);
        known
    }

    /// The key that signs, opened: once for each key.
    ///
    /// # Errors
    /// `FeatureLevel` before this cluster has access tokens; `NotReady` as long as the leader has made no key; `NotReady` on a member
    /// that cannot open it.
    pub(crate) fn signing_pair(&self) -> Result<Arc<SigningPair>, Error> {
        let state = self.0.store.state();
        require_level(&state)?;
        let active = state.auth.active_key();
        let active =
            active.ok_or_else(|| not_ready("the leader has made no key yet that signs access tokens"))?;
        if let Some(opened) = self
            .0
            .signing
            .load_full()
            .filter(|opened| opened.id() == active.id)
        {
            return Ok(opened);
        }
        let opened = Arc::new(self.open(&active).map_err(|problem| {
            tracing::warn!(
                key = active.id,
                problem,
                "the key that signs access tokens cannot be opened"
            );
            not_ready("it cannot open the key that signs access tokens; ask another member")
        })?);
        self.0.signing.store(Some(Arc::clone(&opened)));
        Ok(opened)
    }

    fn open(&self, key: &SigningKey) -> Result<SigningPair, String> {
        let sealed = key.private_key.as_ref().ok_or("it has no private half")?;
        let der = self.0.sealer.open(sealed).map_err(|error| error.to_string())?;
        SigningPair::from_pkcs8(der.bytes()).map_err(|error| error.to_string())
    }
}

/// The one claim that says who is to check a token.
#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

/// Whether an access token says that somebody else has issued it: a provider of the site may have. One that does not say who is ours to
/// refuse.
fn is_of_another(state: &State, token: &str) -> bool {
    let claims = token.split('.').nth(1);
    let claims = claims.and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let named = claims.and_then(|claims| serde_json::from_slice::<Issuer>(&claims).ok());
    named.is_some_and(|named| named.iss != issuer(state.cluster_name()))
}

pub(crate) fn not_ready(reason: &str) -> Error {
    Error::NotReady {
        retry_after: RETRY_AFTER,
        reason: reason.to_owned(),
    }
}

/// The signature of a token that was not seen before, and all that its claims say by themselves.
fn signed(state: &State, token: &str, now_ms: u64) -> Result<Known, Problem> {
    let used = RefCell::new(String::new());
    let keys = |kid: &str| {
        let key = accepted(state, kid)?;
        let point = p256_point(&key.public_key).ok()?;
        kid.clone_into(&mut used.borrow_mut());
        Some(Arc::new(DecodingKey::from_ec_der(point)))
    };
    let name = state.cluster_name();
    let claims = check_access_token(token, &keys, &issuer(name), &audience(name), now_ms);
    let claims = claims.map_err(problem_of)?;
    Ok(Known {
        kid: used.take(),
        claims: Arc::new(claims),
    })
}

fn problem_of(error: AccessTokenError) -> Problem {
    match error {
        AccessTokenError::UnknownKey { kid } => Problem::Missing(
            format!("key/{kid}"),
            "its `kid` names no key that signs or has just signed",
        ),
        AccessTokenError::Refused(reason) => Problem::Refused(reason),
    }
}

/// An API token that is not there. With one that is deleted goes what was made of it, which is in the log for as long as that could
/// be shown: then nobody need be asked.
fn missing(state: &State, id: &str, reason: &'static str) -> Problem {
    let of_its_login = Proof {
        principal: "",
        token_id: "",
        session_id: id,
        issued_at_ms: 1,
        certificate_sha256: &[],
    };
    match state.auth.revoked(&of_its_login) {
        Some(_) => Problem::Refused(reason),
        None => Problem::Missing(format!("token/{id}"), reason),
    }
}

/// A key whose tokens are accepted: one that will sign, signs, or did a moment ago.
pub(crate) fn accepted<'s>(state: &'s State, kid: &str) -> Option<&'s Arc<SigningKey>> {
    let mut keys = state.auth.signing_keys().filter(|key| key.id == kid);
    keys.find(|key| matches!(key.stage(), Stage::Next | Stage::Active | Stage::Retiring))
}

/// An access token ends with the login or the API token that it comes from.
fn check_login(state: &State, claims: &AccessClaims) -> Result<(), Problem> {
    let sid = &claims.sid;
    if sid.is_empty() {
        return Ok(());
    }
    let session = state.auth.session(sid);
    let is_its = match session.map(|session| session.principal == claims.sub) {
        Some(is_its) => Some(is_its),
        None => {
            let token = state.auth.api_token(sid);
            token.map(|token| token.principal == claims.sub)
        }
    };
    match is_its {
        Some(true) => Ok(()),
        Some(false) => Err(Problem::Refused("its login is another's")),
        None => {
            let reason = "the login or API token that it comes from has ended";
            Err(Problem::Missing(format!("login/{sid}"), reason))
        }
    }
}

/// Whether it was taken back.
fn stands(state: &State, checked: Checked) -> Result<Checked, Problem> {
    match state.auth.revoked(&proof(&checked.principal)) {
        None => Ok(checked),
        Some(reason) => Err(Problem::Refused(reason)),
    }
}

fn words(scope: &str) -> Vec<String> {
    scope.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::Revocation;
    use proto::auth::v1::auth_command::{Change, DeleteApiToken, EndSession, Revoke};

    use super::*;
    use crate::issued::Grantee;
    use crate::token_testing::Bed;

    fn refused(bed: &Bed, token: &str) -> String {
        match bed.checks.principal(token) {
            Err(Error::Unauthenticated { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Comes again as often as it is told to.
    async fn finally_refused(bed: &Bed, token: &str) -> String {
        for _ in 0..100 {
            match bed.checks.principal(token) {
                Err(Error::NotReady { .. }) => tokio::task::yield_now().await,
                _ => return refused(bed, token), // the same again
            }
        }
        panic!("it was never said");
    }

    #[tokio::test]
    async fn an_api_token_speaks_for_its_principal_within_its_permissions() {
        let bed = Bed::new().await;
        let token = bed.api_token("service/prometheus", &["cluster.read"]).await;
        let principal = bed.checks.principal(&token.to_string()).unwrap().unwrap();
        assert_eq!(principal.name, "service/prometheus");
        assert_eq!(principal.permissions, Some(vec!["cluster.read".to_owned()]));
        assert_eq!((principal.token_id, principal.issued_at_ms), (token.id(), 0));
    }

    /// One text for both: whether an id is known is nobody's business.
    #[tokio::test]
    async fn a_wrong_secret_and_a_deleted_token_read_alike() {
        let bed = Bed::new().await;
        let token = bed.api_token("user/ada", &["smd.read"]).await;
        let wrong = refused(&bed, &token.renewed().unwrap().to_string());
        let delete = DeleteApiToken { id: token.id() };
        bed.propose(Change::DeleteApiToken(delete)).await.unwrap();
        assert_eq!(finally_refused(&bed, &token.to_string()).await, wrong);
        let another = bed.api_token("user/ada", &["smd.read"]).await;
        let delete = DeleteApiToken { id: another.id() };
        bed.propose(Change::DeleteApiToken(delete)).await.unwrap();
        assert_eq!(refused(&bed, &another.to_string()), wrong, "nobody need be asked");
        assert!(refused(&bed, "cht_x").contains("it is not whole"));
        assert!(bed.checks.refused() >= 3);
    }

    #[tokio::test]
    async fn an_access_token_says_what_it_was_given() {
        let bed = Bed::new().await;
        let session = bed.session("user/ada", &["hpc", "unnamed"], &[]).await;
        bed.policy("site", "viewer", &["group/hpc"]).await;
        let issued = bed.checks.issue(&Grantee {
            principal: "user/ada".into(),
            groups: vec!["hpc".into(), "unnamed".into()],
            permissions: Some(vec!["bss.*".into(), "smd.read".into()]),
            client_id: "cli".into(),
            session_id: session.id(),
            certificate_sha256: vec![7; 32],
            ends_at_ms: u64::MAX,
            ..Grantee::default()
        });
        let issued = issued.unwrap();
        assert_eq!(issued.scope.as_deref(), Some("bss.* smd.read"));
        // the second time it is known
        for _ in 0..2 {
            let checked = bed.checks.checked(&issued.token).unwrap().unwrap();
            let principal = checked.principal;
            assert_eq!(principal.name, "user/ada");
            assert_eq!(principal.groups, ["hpc"], "no policy names the other");
            assert_eq!(principal.permissions.unwrap(), ["bss.*", "smd.read"]);
            assert_eq!(principal.session_id, session.id());
            assert_eq!(principal.certificate_sha256, [7; 32]);
            assert_eq!(principal.token_id.len(), 32);
            assert!(principal.issued_at_ms > 0);
        }
    }

    /// Each of them at the next request: nothing that was checked before is believed again.
    #[tokio::test]
    async fn what_was_taken_back_is_refused_though_its_signature_is_known() {
        let bed = Bed::new().await;
        let session = bed.session("user/ada", &[], &[]).await;
        let grantee = Grantee {
            session_id: session.id(),
            ..Grantee::of("user/ada")
        };
        let of_login = bed.checks.issue(&grantee).unwrap().token;
        let alone = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        for token in [&of_login, &alone] {
            bed.checks.principal(token).unwrap().unwrap();
        }
        let end = EndSession { id: session.id() };
        bed.propose(Change::EndSession(end)).await.unwrap();
        assert!(refused(&bed, &of_login).contains("ended"));
        let checked = bed.checks.checked(&alone).unwrap().unwrap();
        let revocation = Some(Revocation {
            id: format!("jti/{}", checked.principal.token_id),
            ..Revocation::default()
        });
        bed.propose(Change::Revoke(Revoke { revocation })).await.unwrap();
        assert!(refused(&bed, &alone).contains("revoked"));
    }

    #[tokio::test]
    async fn what_a_distrusted_key_has_signed_is_refused_at_once() {
        let bed = Bed::new().await;
        let token = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        bed.checks.principal(&token).unwrap().unwrap();
        bed.rotate(true, false).await;
        bed.checks.principal(&token).unwrap().unwrap();
        let token = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        bed.checks.principal(&token).unwrap().unwrap();
        bed.rotate(true, true).await;
        assert!(refused(&bed, &token).contains("not trusted any more"));
        // and the key that signs now is another one, already opened
        let token = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        bed.checks.principal(&token).unwrap().unwrap();
    }

    /// A member that has not applied the key yet must not refuse a valid token for it.
    #[tokio::test]
    async fn an_unknown_key_is_asked_for_before_it_is_refused() {
        let bed = Bed::new().await;
        let stranger = Bed::new().await;
        let token = stranger.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        let first = bed.checks.principal(&token);
        assert!(matches!(first, Err(Error::NotReady { .. })), "{first:?}");
        let text = finally_refused(&bed, &token).await;
        assert!(text.contains("`kid`") && !text.contains(&token), "{text}");
    }

    /// The member has applied the key between its look at the state and its question whether the others know it: they do.
    #[tokio::test]
    async fn what_arrives_while_the_others_are_asked_is_found() {
        let bed = Bed::without_keys();
        let before = bed.store.state();
        bed.rotate(false, false).await;
        let token = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        for _ in 0..100 {
            match bed.checks.checked_by(&token, &before) {
                Err(Error::NotReady { .. }) => tokio::task::yield_now().await,
                Ok(Some(checked)) => return assert_eq!(checked.principal.name, "user/ada"),
                other => panic!("{other:?}"),
            }
        }
        panic!("it was never said");
    }

    /// Others may issue such tokens as well; whether one is believed, their providers say.
    #[tokio::test]
    async fn an_access_token_of_another_issuer_is_left_to_others() {
        let bed = Bed::new().await;
        let token = bed.checks.issue(&Grantee::of("user/ada")).unwrap().token;
        let parts: Vec<&str> = token.split('.').collect();
        let with = |iss: &str| {
            let claims = URL_SAFE_NO_PAD.encode(format!("{{\"iss\":{iss}}}"));
            format!("{}.{claims}.{}", parts[0], parts[2])
        };
        for other in ["\"https://sso.example\"", "\"urn:chamois:\\u0000\"", "\"\""] {
            assert_eq!(bed.checks.principal(&with(other)).unwrap(), None, "{other}");
        }
        for ours in ["\"urn:chamois:\"", "[\"https://sso.example\"]", "7", "null"] {
            refused(&bed, &with(ours));
        }
        refused(&bed, &format!("{}.!.{}", parts[0], parts[2]));
    }

    /// Whoever would be named so needs no policy: no claim can make one of them.
    #[tokio::test]
    async fn nobody_can_be_named_who_has_no_access_tokens() {
        let bed = Bed::new().await;
        for sub in ["token/admin", "member/1", "user/a\nb", "", "ada", "group/hpc"] {
            let token = bed.checks.issue(&Grantee::of(sub)).unwrap().token;
            assert!(refused(&bed, &token).contains("`sub`"), "{sub:?}");
        }
    }

    #[tokio::test]
    async fn what_is_none_of_ours_is_left_to_others() {
        let bed = Bed::new().await;
        let verifiers = auth::TokenKey::generate().unwrap();
        let now = std::time::SystemTime::now();
        let offline = verifiers.issue("", "admin", now).unwrap();
        for token in ["", "x", "a.b.c", &offline] {
            assert_eq!(bed.checks.principal(token).unwrap(), None, "{token}");
        }
        assert!(refused(&bed, "chr_x").contains("token endpoint"));
        assert_eq!(format!("{:?}", bed.checks), "TokenChecks { .. }");
    }
}
