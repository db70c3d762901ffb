//! Logins: what refresh tokens belong to. A refresh token is good once; whoever shows an old one has stolen it, or was stolen
//! from, and the login ends.

use std::sync::Arc;

use imbl::OrdSet;
use model::Rejection;
use proto::auth::v1::LoginSession;
use proto::auth::v1::auth_command::{EndSession, OpenSession, RefreshSession};
use proto::raft::v1::outcome::{Applied, Refusal};

use super::api_tokens::created_at_ms;
use super::devices::Devices;
use super::revocations::Revocations;
use super::{created, forms, full, malformed, over, permissions, updated};
use crate::RowKind;
use crate::bounds::{
    ENDED_FORGOTTEN_MAX, LOGIN_SESSIONS_MAX, LOGIN_SESSIONS_PER_PRINCIPAL_MAX, NAME_BYTES_MAX,
    REFRESH_LOST_MS, SESSION_MS_MAX, check_text,
};
use crate::changes::Changes;
use crate::log_position::{LogPosition, created_revision};
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// `value` of the outcome of a refresh that ended the login.
pub const REPLAYED: &str = "replayed";
/// Word for the kind in rejections.
const KIND: &str = "login session";

/// By id, and those of each principal in the order of time.
#[derive(Clone, Default)]
pub(super) struct LoginSessions {
    table: Table<LoginSession>,
    /// Principal, revision at which it was opened, id.
    by_principal: OrdSet<(String, u64, String)>,
}

impl LoginSessions {
    pub(super) fn get(&self, id: &str) -> Option<&Arc<LoginSession>> {
        self.table.get(&id.to_owned())
    }

    /// Sorted by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<LoginSession>> {
        self.table.values()
    }

    pub(super) fn open(
        &mut self,
        open: &OpenSession,
        devices: &mut Devices,
        revocations: &mut Revocations,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = open
            .session
            .as_ref()
            .ok_or_else(|| Rejection::invalid("session", "it is missing"))?;
        forms::check_end(
            "session.expires_at_ms",
            given.expires_at_ms,
            at.time_ms,
            SESSION_MS_MAX,
        )?;
        let session = LoginSession {
            previous_refresh_sha256: Vec::new(),
            refreshed_at_ms: at.time_ms,
            meta: at.created(),
            ..normalised(given)?
        };
        if self.get(&session.id).is_some() {
            let problem = "there is a login of this id already";
            return Err(Rejection::invalid("session.id", problem));
        }
        if !open.user_code.is_empty() {
            devices.check_approved(&open.user_code, &session.principal, at.time_ms)?;
        }
        self.make_room(at.time_ms, changes)?;
        devices.use_up(&open.user_code, changes);
        let refused = self.push_out(&session.principal, revocations, at, changes);
        let applied = Applied {
            refused_count: refused.len() as u64,
            refused,
            ..created(&session.id)
        };
        self.put(session, changes);
        Ok(applied)
    }

    /// Where there is no room for one more, those that have ended go.
    fn make_room(&mut self, now_ms: u64, changes: &mut Changes) -> Result<(), Rejection> {
        if self.table.len() < LOGIN_SESSIONS_MAX {
            return Ok(());
        }
        match self.forget(now_ms, ENDED_FORGOTTEN_MAX, changes) {
            0 => Err(full(LOGIN_SESSIONS_MAX)),
            _ => Ok(()),
        }
    }

    /// The principal's oldest logins end, so that there is room for one more; which of them could not be noted.
    fn push_out(
        &mut self,
        principal: &str,
        revocations: &mut Revocations,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Vec<Refusal> {
        let own = self.ids_of(principal);
        let surplus = (own.len() + 1).saturating_sub(LOGIN_SESSIONS_PER_PRINCIPAL_MAX);
        let mut refused = Vec::new();
        for id in own.into_iter().take(surplus) {
            refused.extend(self.end_one(id, revocations, at, changes).refused);
        }
        refused
    }

    /// The logins of a principal, the oldest first.
    fn ids_of(&self, principal: &str) -> Vec<String> {
        let first = (principal.to_owned(), 0_u64, String::new());
        // no principal holds a zero, so that nothing lies between
        let end = (format!("{principal}\0"), 0_u64, String::new());
        let own = self.by_principal.range(first..end);
        own.map(|(_, _, id)| id.clone()).collect()
    }

    pub(super) fn refresh(
        &mut self,
        refresh: &RefreshSession,
        revocations: &mut Revocations,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        forms::check_digest("shown_sha256", &refresh.shown_sha256)?;
        forms::check_digest("new_sha256", &refresh.new_sha256)?;
        forms::check_digest("family_sha256", &refresh.family_sha256)?;
        if refresh.new_sha256 == refresh.shown_sha256 {
            let problem = "it is the one that was shown; a refresh token is good once";
            return Err(Rejection::invalid("new_sha256", problem));
        }
        let unknown = || Rejection::not_found(KIND, &refresh.id);
        let session = self.get(&refresh.id).filter(|session| {
            !is_over(session, at.time_ms) && session.family_sha256 == refresh.family_sha256
        });
        let session = session.ok_or_else(unknown)?.as_ref().clone();
        if refresh.shown_sha256 == session.refresh_sha256 {
            let applied = updated(&session.id);
            self.put(renewed(session, refresh, at), changes);
            return Ok(applied);
        }
        let is_previous = refresh.shown_sha256 == session.previous_refresh_sha256;
        if is_previous && at.time_ms.saturating_sub(session.refreshed_at_ms) <= REFRESH_LOST_MS {
            let detail = format!(
                "the refresh token was used less than {} s ago; use the one that it was answered with, or log in again",
                REFRESH_LOST_MS / 1000
            );
            return Err(Rejection::Conflict { detail });
        }
        Ok(Applied {
            value: REPLAYED.to_owned(),
            ..self.end_one(session.id, revocations, at, changes)
        })
    }

    /// Ends a login. Where its access tokens cannot be noted as revoked, that is said; they are refused all the same wherever its end
    /// is applied, because their login is not there.
    fn end_one(
        &mut self,
        id: String,
        revocations: &mut Revocations,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Applied {
        self.drop(&id, changes);
        let refused = revocations.note_session(&id, at, changes);
        Applied {
            refused_count: u64::from(refused.is_some()),
            refused: refused.into_iter().collect(),
            ..deleted(std::iter::once(id))
        }
    }

    pub(super) fn end(
        &mut self,
        end: &EndSession,
        revocations: &mut Revocations,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        if self.get(&end.id).is_none() {
            return Err(Rejection::not_found(KIND, &end.id));
        }
        Ok(self.end_one(end.id.clone(), revocations, at, changes))
    }

    /// Those of a principal that were opened before.
    pub(super) fn drop_of(&mut self, principal: &str, before_ms: u64, changes: &mut Changes) {
        for id in self.ids_of(principal) {
            let is_before = |session: &Arc<LoginSession>| created_at_ms(session.meta.as_ref()) < before_ms;
            if self.get(&id).is_some_and(is_before) {
                self.drop(&id, changes);
            }
        }
    }

    pub(super) fn drop(&mut self, id: &str, changes: &mut Changes) {
        if let Some(gone) = self.table.remove(&id.to_owned(), changes) {
            self.by_principal.remove(&place(&gone));
        }
    }

    fn put(&mut self, session: LoginSession, changes: &mut Changes) {
        self.by_principal.insert(place(&session));
        self.table.put(session.id.clone(), session, changes);
    }

    /// How many of those that have ended are gone.
    pub(super) fn forget(&mut self, now_ms: u64, at_most: usize, changes: &mut Changes) -> usize {
        let gone = over(&self.table, |session| is_over(session, now_ms), at_most);
        for id in &gone {
            self.drop(id, changes);
        }
        gone.len()
    }

    pub(super) fn clear(&mut self, changes: &mut Changes) {
        for id in over(&self.table, |_| true, usize::MAX) {
            self.drop(&id, changes);
        }
    }

    pub(super) fn load(&mut self, row: LoginSession, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::LoginSession)?;
        normalised(&row).map_err(|problem| malformed(RowKind::LoginSession, problem))?;
        self.put(row, changes);
        Ok(())
    }
}

fn is_over(session: &LoginSession, now_ms: u64) -> bool {
    session.expires_at_ms <= now_ms
}

fn place(session: &LoginSession) -> (String, u64, String) {
    let opened = created_revision(session.meta.as_ref());
    (session.principal.clone(), opened, session.id.clone())
}

fn renewed(session: LoginSession, refresh: &RefreshSession, at: &LogPosition<'_>) -> LoginSession {
    LoginSession {
        refresh_sha256: refresh.new_sha256.clone(),
        previous_refresh_sha256: refresh.shown_sha256.clone(),
        refreshed_at_ms: at.time_ms,
        meta: at.modified(session.meta.as_ref()),
        ..session
    }
}

/// Groups and permissions sorted, each once.
fn normalised(given: &LoginSession) -> Result<LoginSession, Rejection> {
    forms::check_id("session.id", &given.id)?;
    forms::check_person("session.principal", &given.principal)?;
    forms::check_digest("session.refresh_sha256", &given.refresh_sha256)?;
    forms::check_digest("session.family_sha256", &given.family_sha256)?;
    check_text("session.client_id", &given.client_id, NAME_BYTES_MAX)?;
    if !given.provider.is_empty() {
        forms::check_label("session.provider", &given.provider)?;
    }
    Ok(LoginSession {
        groups: forms::groups("session.groups", &given.groups)?,
        permissions: permissions::normalised("session.permissions", &given.permissions)?,
        ..given.clone()
    })
}
