//! Access tokens and certificates that are refused though they have not ended. A log entry, so every connected member refuses them
//! as soon as it has applied it.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use model::{Rejection, Sha256};
use proto::auth::v1::Revocation;
use proto::auth::v1::auth_command::Revoke;
use proto::raft::v1::outcome::{Applied, Refusal};

use super::api_tokens::{ApiTokens, created_at_ms};
use super::{created, forms, full, malformed, updated};
use crate::RowKind;
use crate::bounds::{
    ACCESS_TOKEN_MS_MAX, API_TOKEN_MS_MAX, ENDED_FORGOTTEN_MAX, LEEWAY_MS, REVOCATION_MS_MAX,
    REVOCATIONS_MAX, REVOCATIONS_OF_TOKENS_PER_AUTHOR_MAX, REVOCATIONS_RESERVED_MAX,
};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::sealed::hex;
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

/// By id; by when they are forgotten; and how many single tokens each author has taken back.
#[derive(Clone, Default)]
pub(super) struct Revocations {
    table: Table<Revocation>,
    by_end: OrdSet<(u64, String)>,
    of_tokens: OrdMap<String, usize>,
}

impl Revocations {
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Revocation>> {
        self.table.get(&id.to_owned())
    }

    /// Sorted by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Revocation>> {
        self.table.values()
    }

    /// A few look-ups. `tokens` say when an API token was made, and whether it still is there. An access token that was exchanged for
    /// another one has the id `<that of the first>.<its own>`, so that what was made of a token is revoked with it.
    pub(super) fn revoked(&self, proof: &Proof<'_>, tokens: &ApiTokens) -> Option<&'static str> {
        let has = |kind: &str, id: &str| !id.is_empty() && self.get(&format!("{kind}/{id}")).is_some();
        let first = proof.token_id.split_once('.').map_or("", |(first, _)| first);
        if has("jti", proof.token_id) || has("jti", first) {
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
        if has("certificate", &hex(proof.certificate_sha256)) {
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

    /// The access tokens of a login that has ended are refused. Where there is no room at all, that is what is answered; they end by
    /// themselves, within minutes, and are refused all the same wherever it is applied that the login is gone.
    pub(super) fn note_session(
        &mut self,
        session: &str,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Option<Refusal> {
        let revocation = Revocation {
            id: format!("session/{session}"),
            before_ms: 0,
            forget_at_ms: access_tokens_end(at.time_ms),
            meta: None,
        };
        let id = revocation.id.clone();
        let no_room = self.note(revocation, at, changes).err()?;
        Some(Refusal {
            id,
            reason: no_room.to_string(),
        })
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
            self.make_room(&id, at, changes)?;
            let applied = created(&id);
            let meta = at.created();
            self.put(Revocation { meta, ..new }, changes);
            return Ok(applied);
        };
        let merged = Revocation {
            before_ms: new.before_ms.max(before.before_ms),
            forget_at_ms: new.forget_at_ms.max(before.forget_at_ms),
            meta: at.modified(before.meta.as_ref()),
            id: new.id,
        };
        self.put(merged, changes);
        Ok(updated(&id))
    }

    fn put(&mut self, revocation: Revocation, changes: &mut Changes) {
        if let Some(before) = self.get(&revocation.id).cloned() {
            self.unlist(&before);
        }
        self.by_end
            .insert((revocation.forget_at_ms, revocation.id.clone()));
        if is_of_token(&revocation.id) {
            let author = author_of(&revocation);
            let others = self.of_tokens.get(&author).copied().unwrap_or_default();
            self.of_tokens.insert(author, others + 1);
        }
        self.table.put(revocation.id.clone(), revocation, changes);
    }

    fn remove(&mut self, id: &str, changes: &mut Changes) {
        if let Some(gone) = self.table.remove(&id.to_owned(), changes) {
            self.unlist(&gone);
        }
    }

    /// Out of the indexes.
    fn unlist(&mut self, gone: &Revocation) {
        self.by_end.remove(&(gone.forget_at_ms, gone.id.clone()));
        if !is_of_token(&gone.id) {
            return;
        }
        let author = author_of(gone);
        let left = self.of_tokens.get(&author).copied().unwrap_or_default();
        match left.saturating_sub(1) {
            0 => self.of_tokens.remove(&author),
            left => self.of_tokens.insert(author, left),
        };
    }

    /// When it is full, there still is room for principals, logins and certificates: a whole flood of tokens can be ended by the first
    /// two, and a certificate that is lost by nothing else. And whoever has tokens can make as many as he likes and take each of them
    /// back: nobody fills the table by that. Nothing is forgotten for what is refused.
    fn make_room(&mut self, id: &str, at: &LogPosition<'_>, changes: &mut Changes) -> Result<(), Rejection> {
        let (author, is_of_token) = (at.principal, is_of_token(id));
        let has = self.of_tokens.get(author).copied().unwrap_or_default();
        let has_many = is_of_token && has >= REVOCATIONS_OF_TOKENS_PER_AUTHOR_MAX;
        if self.table.len() < REVOCATIONS_MAX && !has_many {
            return Ok(());
        }
        let over: Vec<String> = self.over(at.time_ms, ENDED_FORGOTTEN_MAX).cloned().collect();
        if has_many && !over.iter().any(|id| self.is_token_by(id, author)) {
            return Err(too_many(author));
        }
        let reserve = if is_of_token { 0 } else { REVOCATIONS_RESERVED_MAX };
        if self.table.len() - over.len() >= REVOCATIONS_MAX + reserve {
            return Err(full(REVOCATIONS_MAX));
        }
        for id in &over {
            self.remove(id, changes);
        }
        Ok(())
    }

    fn is_token_by(&self, id: &str, author: &str) -> bool {
        is_of_token(id) && self.get(id).is_some_and(|row| author_of(row) == author)
    }

    /// Those that mean nothing any more, the first to end first.
    fn over(&self, now_ms: u64, at_most: usize) -> impl Iterator<Item = &String> {
        let over = self
            .by_end
            .iter()
            .take_while(move |(end_ms, _)| *end_ms <= now_ms);
        over.take(at_most).map(|(_, id)| id)
    }

    /// How many of those that mean nothing any more are gone.
    pub(super) fn forget(&mut self, now_ms: u64, at_most: usize, changes: &mut Changes) -> usize {
        let gone: Vec<String> = self.over(now_ms, at_most).cloned().collect();
        for id in &gone {
            self.remove(id, changes);
        }
        gone.len()
    }

    pub(super) fn load(&mut self, row: Revocation, changes: &mut Changes) -> Result<(), SnapshotError> {
        let id = self.table.check_load(&row, RowKind::Revocation)?;
        let (normal, _) = read(&row).map_err(|problem| malformed(RowKind::Revocation, problem))?;
        if normal != id {
            return Err(malformed(
                RowKind::Revocation,
                format!("{id:?} is written {normal:?}"),
            ));
        }
        self.put(row, changes);
        Ok(())
    }
}

/// Whether it takes back one access token.
fn is_of_token(id: &str) -> bool {
    id.starts_with("jti/")
}

fn too_many(author: &str) -> Rejection {
    let detail = format!(
        "{author} has taken back {REVOCATIONS_OF_TOKENS_PER_AUTHOR_MAX} tokens within a quarter of an hour; revoke their \
         principal, or their login"
    );
    Rejection::Conflict { detail }
}

/// Who took it back first.
fn author_of(revocation: &Revocation) -> String {
    let created = revocation.meta.as_ref().and_then(|meta| meta.created.as_ref());
    created.map(|change| change.principal.clone()).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use proto::raft::v1::Header;

    use super::*;

    const NOW_MS: u64 = 1_764_000_000_000;

    fn header(principal: &str) -> Header {
        Header {
            principal: principal.into(),
            ..Header::default()
        }
    }

    /// That of one token, by an author of its own.
    fn of_token(n: usize, forget_at_ms: u64) -> Revocation {
        let header = header(&format!("user/u{n}"));
        Revocation {
            id: format!("jti/t{n}"),
            forget_at_ms,
            meta: LogPosition::new(1, NOW_MS, &header).created(),
            ..Revocation::default()
        }
    }

    fn revoke(id: String, before_ms: u64) -> Revoke {
        let revocation = Some(Revocation {
            id,
            before_ms,
            ..Revocation::default()
        });
        Revoke { revocation }
    }

    fn full() -> Revocations {
        let (mut all, mut changes) = (Revocations::default(), Changes::silent());
        for n in 0..REVOCATIONS_MAX {
            all.put(of_token(n, NOW_MS + 1), &mut changes);
        }
        all
    }

    /// A certificate that is lost can be refused by nothing else, and a flood ends with its principal.
    #[test]
    fn a_full_table_has_room_for_what_ends_a_flood() {
        let (mut all, mut changes) = (full(), Changes::silent());
        let header = header("user/admin");
        let at = LogPosition::new(2, NOW_MS, &header);
        let no_room = all.revoke(&revoke("jti/more".into(), 0), &at, &mut changes);
        assert!(matches!(no_room, Err(Rejection::Conflict { .. })));
        for (id, before_ms) in [
            (format!("certificate/{}", "ab".repeat(32)), 0),
            ("principal/user/ada".to_owned(), NOW_MS),
            ("session/00c0ffee00c0ffee".to_owned(), 0),
        ] {
            assert!(
                all.revoke(&revoke(id.clone(), before_ms), &at, &mut changes)
                    .is_ok(),
                "{id}"
            );
        }
        let mut n = 0;
        while all.table.len() < REVOCATIONS_MAX + REVOCATIONS_RESERVED_MAX {
            n += 1;
            assert_eq!(all.note_session(&format!("{n:016x}"), &at, &mut changes), None);
        }
        let untold = all.note_session("ffffffffffffffff", &at, &mut changes).unwrap();
        assert_eq!(untold.id, "session/ffffffffffffffff");
        assert_eq!(
            all.by_end.len(),
            REVOCATIONS_MAX + REVOCATIONS_RESERVED_MAX,
            "a no changes nothing"
        );
        // and what has ended makes room for all of them
        let later = LogPosition::new(3, NOW_MS + 1, &header);
        for _ in 0..2 {
            all.forget(NOW_MS + 1, ENDED_FORGOTTEN_MAX, &mut changes);
        }
        all.revoke(&revoke("jti/more".into(), 0), &later, &mut changes)
            .map(|noted| noted.outcome.created)
            .unwrap();
    }

    /// Else whoever has one token could make others of it, and take them back, until nobody else's can be.
    #[test]
    fn an_author_takes_back_so_many_tokens_and_no_more() {
        let (mut all, mut changes) = (Revocations::default(), Changes::silent());
        let (one, other) = (header("user/ada"), header("user/bob"));
        let at = LogPosition::new(2, NOW_MS, &one);
        let mut take = |n: usize, at: &LogPosition<'_>| {
            let noted = all.revoke(&revoke(format!("jti/t{n}"), 0), at, &mut changes);
            noted.map(|_| ()).map_err(|no| no.to_string())
        };
        for n in 0..REVOCATIONS_OF_TOKENS_PER_AUTHOR_MAX {
            assert_eq!(take(n, &at), Ok(()));
        }
        let refused = take(REVOCATIONS_OF_TOKENS_PER_AUTHOR_MAX, &at).unwrap_err();
        assert!(refused.contains("revoke their principal"), "{refused}");
        assert_eq!(take(0, &at), Ok(()), "one that is known can be named again");
        assert_eq!(take(999_999, &LogPosition::new(3, NOW_MS, &other)), Ok(()));
        let end_ms = access_tokens_end(NOW_MS);
        assert_eq!(
            take(1_000_000, &LogPosition::new(4, end_ms, &one)),
            Ok(()),
            "they have ended"
        );
        assert_eq!(all.of_tokens.get("user/ada"), Some(&1));
        assert_eq!(all.of_tokens.get("user/bob"), None);
        assert_eq!(all.by_end.len(), all.table.len());
    }
}
