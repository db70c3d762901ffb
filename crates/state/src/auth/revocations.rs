//! Access tokens and certificates that are refused though they have not ended. A log entry, so every connected member refuses them
//! as soon as it has applied it.

use std::sync::Arc;

use model::{Rejection, Sha256};
use proto::auth::v1::Revocation;
use proto::auth::v1::auth_command::Revoke;
use proto::raft::v1::outcome::Applied;

use super::api_tokens::{ApiTokens, created_at_ms};
use super::{created, forms, full, malformed, over, remove_all, updated};
use crate::RowKind;
use crate::bounds::{
    ACCESS_TOKEN_MS_MAX, API_TOKEN_MS_MAX, ENDED_FORGOTTEN_MAX, LEEWAY_MS, REVOCATION_MS_MAX,
    REVOCATIONS_MAX, REVOCATIONS_OF_PRINCIPALS_MAX,
};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// Bytes of the id of an access token.
const TOKEN_ID_BYTES_MAX: usize = 128;

/// What a caller has shown, as a `Grant` or `rpc::Principal` names it.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// Whom it proves: `user/<name>`, `service/<name>` or `node/<xname>`.
    pub principal: &'a str,
    /// `jti` of an access token or id of an API token; empty for a certificate.
    pub token_id: &'a str,
    /// Login session of an access token; may be empty.
    pub session_id: &'a str,
    /// When access token or certificate were issued, cluster time; 0 for an API token, which says it itself.
    pub issued_at_ms: u64,
    /// SHA-256 of the certificate (DER); empty for a token.
    pub certificate_sha256: &'a [u8],
}

/// What a revocation has rows of beside its own.
pub(super) enum What {
    /// A login.
    Session(String),
    /// Everything of a principal that was made before a time.
    Principal(String, u64),
    Other,
}

/// A revocation that stands.
pub(super) struct Noted {
    pub(super) what: What,
    pub(super) outcome: Applied,
}

/// By id.
#[derive(Clone, Default)]
pub(super) struct Revocations(Table<Revocation>);

impl Revocations {
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Revocation>> {
        self.0.get(&id.to_owned())
    }

    /// Sorted by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Revocation>> {
        self.0.values()
    }

    /// A few look-ups. `tokens` say when an API token was made, and whether it still is there.
    pub(super) fn revoked(&self, proof: &Proof<'_>, tokens: &ApiTokens) -> Option<&'static str> {
        let has = |kind: &str, id: &str| !id.is_empty() && self.get(&format!("{kind}/{id}")).is_some();
        if has("jti", proof.token_id) {
            return Some("the token was revoked");
        }
        let mut issued_at_ms = proof.issued_at_ms;
        if !proof.token_id.is_empty() && issued_at_ms == 0 {
            let Some(token) = tokens.get(proof.token_id) else {
                return Some("the API token was deleted");
            };
            issued_at_ms = created_at_ms(token.meta.as_ref());
        }
        if has("session", proof.session_id) {
            return Some("the login was ended");
        }
        if has("certificate", &forms::hex(proof.certificate_sha256)) {
            return Some("the certificate was revoked");
        }
        let all = self.get(&format!("principal/{}", proof.principal));
        all.filter(|all| issued_at_ms < all.before_ms)
            .map(|_| "everything that was issued to this principal until then was revoked")
    }

    pub(super) fn revoke(
        &mut self,
        revoke: &Revoke,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Noted, Rejection> {
        let given = revoke
            .revocation
            .as_ref()
            .ok_or_else(|| Rejection::invalid("revocation", "it is missing"))?;
        let (id, what) = read(given)?;
        check_before(&what, given.before_ms, at.time_ms)?;
        let ended_by_ms = match &what {
            What::Principal(_, before_ms) => before_ms.saturating_add(API_TOKEN_MS_MAX),
            What::Session(_) | What::Other => access_tokens_end(at.time_ms),
        };
        if given.forget_at_ms > at.time_ms.saturating_add(REVOCATION_MS_MAX) {
            let problem = "it is ten years ahead at most, in milliseconds of cluster time";
            return Err(Rejection::invalid("revocation.forget_at_ms", problem));
        }
        let revocation = Revocation {
            id,
            before_ms: given.before_ms,
            forget_at_ms: given.forget_at_ms.max(ended_by_ms),
            meta: None,
        };
        let outcome = self.note(revocation, at, changes)?;
        Ok(Noted { what, outcome })
    }

    /// The access tokens of a login that has ended are refused. Where there is no room at all they end by themselves, within
    /// minutes; what the log judges it refuses all the same, because the login is gone.
    pub(super) fn note_session(&mut self, session: &str, at: &LogPosition<'_>, changes: &mut Changes) {
        let revocation = Revocation {
            id: format!("session/{session}"),
            before_ms: 0,
            forget_at_ms: access_tokens_end(at.time_ms),
            meta: None,
        };
        let _no_room = self.note(revocation, at, changes);
    }

    /// With the later of both times, if it is known.
    fn note(
        &mut self,
        new: Revocation,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let id = new.id.clone();
        let Some(before) = self.get(&id).cloned() else {
            self.make_room(&id, at.time_ms, changes)?;
            let applied = created(&id);
            let meta = at.created();
            self.0.put(id, Revocation { meta, ..new }, changes);
            return Ok(applied);
        };
        let merged = Revocation {
            before_ms: new.before_ms.max(before.before_ms),
            forget_at_ms: new.forget_at_ms.max(before.forget_at_ms),
            meta: at.modified(before.meta.as_ref()),
            id: new.id,
        };
        let applied = updated(&id);
        self.0.put(id, merged, changes);
        Ok(applied)
    }

    /// When it is full, there still is room for principals and logins: a whole flood of tokens can be ended by either.
    fn make_room(&mut self, id: &str, now_ms: u64, changes: &mut Changes) -> Result<(), Rejection> {
        let is_of_many = id.starts_with("principal/") || id.starts_with("session/");
        let reserve = if is_of_many {
            REVOCATIONS_OF_PRINCIPALS_MAX
        } else {
            0
        };
        if self.0.len() < REVOCATIONS_MAX {
            return Ok(());
        }
        let forgotten = self.forget(now_ms, ENDED_FORGOTTEN_MAX, changes);
        match forgotten > 0 || self.0.len() < REVOCATIONS_MAX + reserve {
            true => Ok(()),
            false => Err(full(REVOCATIONS_MAX)),
        }
    }

    /// How many of those that mean nothing any more are gone.
    pub(super) fn forget(&mut self, now_ms: u64, at_most: usize, changes: &mut Changes) -> usize {
        let gone = over(&self.0, |revocation| revocation.forget_at_ms <= now_ms, at_most);
        remove_all(&mut self.0, &gone, changes);
        gone.len()
    }

    pub(super) fn load(&mut self, row: Revocation, changes: &mut Changes) -> Result<(), SnapshotError> {
        let id = self.0.check_load(&row, RowKind::Revocation)?;
        let (normal, _) = read(&row).map_err(|problem| malformed(RowKind::Revocation, problem))?;
        if normal != id {
            return Err(malformed(
                RowKind::Revocation,
                format!("{id:?} is written {normal:?}"),
            ));
        }
        self.0.put(id, row, changes);
        Ok(())
    }
}

/// When the last access token that may be issued now has ended.
fn access_tokens_end(now_ms: u64) -> u64 {
    now_ms.saturating_add(ACCESS_TOKEN_MS_MAX + LEEWAY_MS)
}

/// The id in normal form, and what it means.
fn read(given: &Revocation) -> Result<(String, What), Rejection> {
    const FIELD: &str = "revocation.id";
    let refuse = |problem: String| Err(Rejection::invalid(FIELD, problem));
    match given.id.split_once('/') {
        Some(("jti", id)) if is_token_id(id) => Ok((given.id.clone(), What::Other)),
        Some(("session", id)) => {
            forms::check_id(FIELD, id)?;
            Ok((given.id.clone(), What::Session(id.to_owned())))
        }
        Some(("principal", principal)) => {
            let normal = forms::policy_principal(FIELD, principal)?;
            if normal.starts_with("group/") || normal.ends_with("/*") {
                return refuse(format!(
                    "{principal:?} is many; revoke each by itself, or delete the policy"
                ));
            }
            let id = format!("principal/{normal}");
            Ok((id, What::Principal(normal, given.before_ms)))
        }
        Some(("certificate", digest)) => match digest.parse::<Sha256>() {
            Ok(digest) => Ok((format!("certificate/{digest}"), What::Other)),
            Err(problem) => refuse(problem.to_string()),
        },
        _ => refuse(format!(
            "{:?} is none; write jti/<id>, session/<id>, principal/<principal> or certificate/<SHA-256>",
            given.id
        )),
    }
}

fn is_token_id(id: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !id.is_empty() && id.len() <= TOKEN_ID_BYTES_MAX && id.bytes().all(is_part)
}

/// A time belongs to a principal alone, and what is issued from now on is not meant.
fn check_before(what: &What, before_ms: u64, now_ms: u64) -> Result<(), Rejection> {
    let fits = match what {
        What::Principal(..) => before_ms > 0 && before_ms <= now_ms.saturating_add(LEEWAY_MS),
        What::Session(_) | What::Other => before_ms == 0,
    };
    match fits {
        true => Ok(()),
        false => {
            let problem = "of a principal it is the time before which all is revoked, now at the latest; of all else it is 0";
            Err(Rejection::invalid("revocation.before_ms", problem))
        }
    }
}
