//! What the guard asks of policies: answered from this member's applied state, without a lock and without asking anybody.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use proto::auth::v1::Grant;
use raft::Store;
use rpc::{Access, Authority, Error, Identity, Principal, Rules, Scope};
use state::auth::gives;
use state::cluster::FEATURE_LEVEL_AUTH;
use state::{RowKind, State};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::TokenChecks;
use crate::break_glass::BreakGlass;
use crate::oidc::Oidc;
use crate::page_seal::{PageKey, PageKeys};
use crate::parts::{Parts, Selected};
use crate::rights::proof;
use crate::table::{Table, proof_of};
use crate::token_checks::{accepted, not_ready};

/// How often is looked whether rights have changed: whoever holds a stream asks again so much later.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// A member without a leader for so long cannot know what was taken back: it only lets its own state be read.
const OUT_OF_TOUCH: Duration = Duration::from_secs(5);

/// What roles and policies say.
const POLICIES: [RowKind; 2] = [RowKind::Role, RowKind::Policy];
/// What the places that policies name have in them.
const PLACES: [RowKind; 2] = [RowKind::Group, RowKind::Partition];
/// What proves who somebody is, or takes that back.
const PROOFS: [RowKind; 6] = [
    RowKind::SigningKey,
    RowKind::ApiToken,
    RowKind::LoginSession,
    RowKind::Revocation,
    RowKind::OidcProvider,
    RowKind::CertificateAuthority,
];

/// The rights of everybody who acts by policies; cheap to clone.
#[derive(Clone)]
pub struct Authorities(Arc<Inner>);

struct Inner {
    store: Store,
    /// `None`: no token but the offline key's is accepted.
    tokens: Option<TokenChecks>,
    break_glass: BreakGlass,
    /// `None`: no provider's token is accepted, and nobody logs in.
    oidc: Option<Oidc>,
    /// Sorted; a permission is a bit by its place.
    permissions: Vec<String>,
    view: ArcSwap<View>,
    is_out_of_touch: AtomicBool,
    page_keys: PageKeys,
    changes: watch::Sender<u64>,
}

/// What was made of the state at some revision.
#[derive(Default)]
struct View {
    at: Revisions,
    table: Arc<Table>,
    parts: Parts,
}

/// When that which decides was last changed. Compared for equality only: each is right for its own state and no other.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Revisions {
    policies: Option<u64>,
    places: Option<u64>,
    /// The shipped roles are those of the level, and no row says so.
    feature_level: u32,
}

impl Revisions {
    fn of(state: &State) -> Revisions {
        Revisions {
            policies: state.last_change(POLICIES),
            places: state.last_change(PLACES),
            feature_level: state.feature_level(),
        }
    }
}

impl Authorities {
    /// Answers from `store` for methods with these rules. No token of this cluster's is accepted.
    pub fn new(store: Store, rules: &Rules) -> Authorities {
        Authorities::made(store, rules, None, None)
    }

    /// The same, of a cluster whose tokens `tokens` checks and whose providers `oidc` asks, by the same store.
    pub fn with_providers(store: Store, rules: &Rules, tokens: TokenChecks, oidc: Oidc) -> Authorities {
        Authorities::made(store, rules, Some(tokens), Some(oidc))
    }

    /// The providers.
    pub(crate) fn oidc(&self) -> Option<&Oidc> {
        self.0.oidc.as_ref()
    }

    /// What checks tokens.
    pub(crate) fn tokens(&self) -> Option<&TokenChecks> {
        self.0.tokens.as_ref()
    }

    /// Tokens that this member makes for whoever is root on its host.
    pub fn break_glass(&self) -> &BreakGlass {
        &self.0.break_glass
    }

    fn made(store: Store, rules: &Rules, tokens: Option<TokenChecks>, oidc: Option<Oidc>) -> Authorities {
        Authorities(Arc::new(Inner {
            store,
            tokens,
            break_glass: BreakGlass::default(),
            oidc,
            permissions: rules.permissions().map(str::to_owned).collect(),
            view: ArcSwap::default(),
            is_out_of_touch: AtomicBool::new(false),
            page_keys: PageKeys::default(),
            changes: watch::Sender::new(0),
        }))
    }

    /// Tells streams when rights may have changed, notices when this member is out of touch, and judges components before lists
    /// ask for them; until `stop`.
    pub async fn follow(self, stop: impl Future<Output = ()>) {
        let looking = async {
            let mut seen = Seen::of(&self.0);
            loop {
                tokio::time::sleep(LOOK_PAUSE).await;
                self.look(&mut seen).await;
            }
        };
        tokio::select! {
            () = looking => {}
            () = stop => {}
        }
    }

    async fn look(&self, seen: &mut Seen) {
        let now = Seen {
            without_leader_since: match self.0.store.has_leader() {
                true => None,
                false => seen.without_leader_since.or_else(|| Some(Instant::now())),
            },
            ..Seen::of(&self.0)
        };
        let is_out_of_touch = now
            .without_leader_since
            .is_some_and(|since| since.elapsed() >= OUT_OF_TOUCH);
        let was_out_of_touch = self.0.is_out_of_touch.swap(is_out_of_touch, Ordering::Relaxed);
        let is_same = (now.revision, now.standing) == (seen.revision, seen.standing);
        if !is_same || is_out_of_touch != was_out_of_touch {
            self.0.changes.send_modify(|times| *times += 1);
        }
        *seen = now;
        self.judge().await;
    }

    /// On a thread of its own: for a hundred thousand components it takes long.
    async fn judge(&self) {
        if !self.0.view.load().parts.have_unjudged() {
            return;
        }
        let (view, state) = (self.0.view.load_full(), self.0.store.state());
        let judging = tokio::task::spawn_blocking(move || view.parts.judge(&state));
        if let Err(error) = judging.await {
            tracing::error!(%error, "components could not be judged ahead; lists are slower");
        }
    }
}

/// What [`Authorities::follow`] has seen last.
struct Seen {
    revision: Option<u64>,
    /// Policies that have not ended.
    standing: usize,
    without_leader_since: Option<Instant>,
}

impl Seen {
    fn of(inner: &Inner) -> Seen {
        let state = inner.store.state();
        let kinds = POLICIES.into_iter().chain(PLACES).chain(PROOFS);
        Seen {
            revision: state.last_change(kinds),
            standing: inner.view(&state).table.standing(inner.store.cluster_time_ms()),
            without_leader_since: None,
        }
    }
}

impl Authority for Authorities {
    fn authenticate(&self, token: &str) -> Result<Option<Identity>, Error> {
        if let Some(identity) = self.0.break_glass.identity(token)? {
            return Ok(Some(identity));
        }
        // our own first: most are, and what was seen before is known by its digest
        let own = self.0.tokens.as_ref().map(|tokens| tokens.principal(token));
        let mut principal = own.transpose()?.flatten();
        if principal.is_none() {
            let of_provider = self.0.oidc.as_ref().map(|oidc| oidc.principal(token));
            principal = of_provider.transpose()?.flatten();
        }
        // every other token that there is was signed with the cluster's offline key
        Ok(principal.map(|principal| Identity::Known(Arc::new(principal))))
    }

    fn access(&self, identity: &Identity, permission: &str) -> Result<Access, Error> {
        let state = self.0.store.state();
        match identity {
            Identity::Token { .. } => Ok(everything()),
            Identity::User { .. } | Identity::Known(_) => {
                let who = principal_of(identity);
                check_not_revoked(&state, &who)?;
                check_not_ended(&who, self.0.store.cluster_time_ms())?;
                check_key(&state, &who)?;
                check_authority(&state, &who)?;
                match acts_by_policies(&state, identity) {
                    true => self.0.given(&state, &who, permission),
                    false => Ok(before_policies(&state, &who, permission)),
                }
            }
            Identity::Anonymous | Identity::LegacyReader { .. } => Err(Error::Unauthenticated {
                reason: format!("{permission} is needed: send a bearer token or a client certificate"),
            }),
            Identity::Member(_) | Identity::Node { .. } => Err(not_given(permission, &identity.principal())),
        }
    }

    fn proof(&self, identity: &Identity) -> Option<Arc<Grant>> {
        let has_one = matches!(identity, Identity::User { .. } | Identity::Known(_));
        let is_told = has_one && self.0.store.state().feature_level() >= FEATURE_LEVEL_AUTH;
        is_told.then(|| Arc::new(proof_of(&principal_of(identity))))
    }

    fn seal_page(&self, token: &str) -> Result<String, Error> {
        self.0.page_key()?.seal(token)
    }

    fn open_page(&self, token: &str) -> Result<String, Error> {
        self.0.page_key()?.unseal(token)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn ends_in(&self, identity: &Identity) -> Option<Duration> {
        let Identity::Known(who) = identity else {
            return None;
        };
        let left_ms = who.expires_at_ms.saturating_sub(self.0.store.cluster_time_ms());
        (who.expires_at_ms > 0).then_some(Duration::from_millis(left_ms))
    }
}

impl Inner {
    /// # Errors
    /// `NotReady` where this member has no key to seal with.
    fn page_key(&self) -> Result<Arc<PageKey>, Error> {
        let tokens = self.tokens.as_ref().ok_or_else(|| {
            not_ready("it has no key to seal page tokens with; leave out page_size, or ask another member")
        })?;
        self.page_keys.key(&self.store.state(), tokens.sealer())
    }

    fn given(&self, state: &State, who: &Principal, permission: &str) -> Result<Access, Error> {
        check_token(who, permission)?;
        self.check_in_touch(permission)?;
        let place = self
            .permissions
            .binary_search_by(|known| known.as_str().cmp(permission));
        let place = place.map_err(|_| not_given(permission, &who.name))?;
        let (view, now_ms) = (self.view(state), self.store.cluster_time_ms());
        let ids = view.table.policies_for(who, place, now_ms);
        if ids.is_empty() {
            return Err(not_given(permission, &who.name));
        }
        let make = || Selected::of(&view.table.policies(&ids), &state.smd, now_ms);
        let part = view.parts.of(&ids, make);
        Ok(Access {
            scope: match part.is_everything() {
                true => Scope::Everything,
                false => Scope::Part(part),
            },
            grant: Some(Arc::new(view.table.grant(who, permission, &ids))),
        })
    }

    /// What is right for this state. Two callers may make it at once; then one of the two is thrown away.
    fn view(&self, state: &State) -> Arc<View> {
        let (known, at) = (self.view.load_full(), Revisions::of(state));
        if known.at == at {
            return known;
        }
        let decides = |at: Revisions| (at.policies, at.feature_level);
        let table = match decides(known.at) == decides(at) {
            true => Arc::clone(&known.table),
            false => Arc::new(Table::of(state, &self.permissions)),
        };
        let view = Arc::new(View {
            at,
            table,
            parts: Parts::default(),
        });
        self.view.store(Arc::clone(&view));
        view
    }

    /// Reads that ask the majority fail by themselves, so what is left are those of this member's own state.
    fn check_in_touch(&self, permission: &str) -> Result<(), Error> {
        if permission.ends_with(".read") || !self.is_out_of_touch.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(not_ready(
            "it has had no leader for too long to know who may do this",
        ))
    }
}

/// Whether policies say what somebody may do: not yet for users while there is no policy, or while the cluster has members of a
/// version that does not know any. Until then a user's certificate is an administrator's.
pub(crate) fn acts_by_policies(state: &State, identity: &Identity) -> bool {
    !identity.is_users_certificate() || has_policies(state)
}

/// Whether users act by policies.
pub(crate) fn has_policies(state: &State) -> bool {
    state.feature_level() >= FEATURE_LEVEL_AUTH && state.auth.has_policies()
}

/// As policies name an identity; a user's certificate says nothing of groups.
pub(crate) fn principal_of(identity: &Identity) -> Arc<Principal> {
    match identity {
        Identity::Known(who) => Arc::clone(who),
        other => Arc::new(Principal {
            name: other.principal(),
            ..Principal::default()
        }),
    }
}

fn everything() -> Access {
    Access {
        scope: Scope::Everything,
        grant: None,
    }
}

/// What a user has by his certificate until the first policy is stored. The log is told that it is by nothing else, so that what comes
/// behind that policy, or behind a revocation, is refused there, whichever member took it.
fn before_policies(state: &State, who: &Principal, permission: &str) -> Access {
    let grant = Grant {
        permission: permission.to_owned(),
        ..proof_of(who)
    };
    let is_told = state.feature_level() >= FEATURE_LEVEL_AUTH;
    Access {
        scope: Scope::Everything,
        grant: is_told.then(|| Arc::new(grant)),
    }
}

fn check_not_revoked(state: &State, who: &Principal) -> Result<(), Error> {
    match state.auth.revoked(&proof(who)) {
        None => Ok(()),
        Some(reason) => Err(Error::Unauthenticated {
            reason: reason.to_owned(),
        }),
    }
}

/// Streams live longer than the token, and connections than the certificate, that was shown when they began.
fn check_not_ended(who: &Principal, now_ms: u64) -> Result<(), Error> {
    if who.expires_at_ms == 0 || now_ms < who.expires_at_ms {
        return Ok(());
    }
    let reason = match who.token_id.is_empty() {
        true => {
            "the certificate of this connection has ended; renew it (`chamois certificate renew`) and connect anew"
        }
        false => "the bearer token has expired; send a new one",
    };
    Err(Error::Unauthenticated {
        reason: reason.to_owned(),
    })
}

/// What a key has signed is good for as long as the key is trusted.
fn check_key(state: &State, who: &Principal) -> Result<(), Error> {
    match who.key_id.is_empty() || accepted(state, &who.key_id).is_some() {
        true => Ok(()),
        false => Err(Error::Unauthenticated {
            reason: "the key that signed the bearer token is not trusted any more".to_owned(),
        }),
    }
}

/// What a CA has signed is good for as long as the CA is trusted, also on a connection that goes on. Until the cluster has recorded any,
/// there is only the one that it began with.
fn check_authority(state: &State, who: &Principal) -> Result<(), Error> {
    let mut trusted = state.auth.authorities().peekable();
    let is_asked = !who.authority_id.is_empty() && trusted.peek().is_some();
    match !is_asked || trusted.any(|authority| authority.id == who.authority_id) {
        true => Ok(()),
        false => Err(Error::Unauthenticated {
            reason: "the CA that signed the certificate of this connection is not trusted any more; have one issued by another"
                .to_owned(),
        }),
    }
}

/// A token may be for less than its principal.
fn check_token(who: &Principal, permission: &str) -> Result<(), Error> {
    let permissions = who.permissions.as_ref();
    match permissions.is_none_or(|own| gives(own, permission)) {
        true => Ok(()),
        false => Err(Error::Denied {
            reason: format!("{permission} is needed, and this token is not for it"),
        }),
    }
}

fn not_given(permission: &str, principal: &str) -> Error {
    let reason = format!(
        "{permission} is needed, and no policy gives it to {principal}; \
         `chamois policy explain {principal} {permission}` says why"
    );
    Error::Denied { reason }
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
