//! Tokens for machines: opaque, good until they end or are taken back.

use std::sync::Arc;

use imbl::OrdSet;
use model::Rejection;
use proto::auth::v1::ApiToken;
use proto::auth::v1::auth_command::{CreateApiToken, DeleteApiToken};
use proto::http::v1::ObjectMeta;
use proto::raft::v1::outcome::Applied;

use super::{created, forms, full, malformed, over, permissions};
use crate::RowKind;
use crate::bounds::{
    API_TOKEN_MS_MAX, API_TOKENS_MAX, API_TOKENS_PER_PRINCIPAL_MAX, DESCRIPTION_BYTES_MAX,
    ENDED_FORGOTTEN_MAX, check_text,
};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// By id, and those of each principal.
#[derive(Clone, Default)]
pub(super) struct ApiTokens {
    table: Table<ApiToken>,
    /// Principal, id.
    by_principal: OrdSet<(String, String)>,
}

impl ApiTokens {
    pub(super) fn get(&self, id: &str) -> Option<&Arc<ApiToken>> {
        self.table.get(&id.to_owned())
    }

    /// Sorted by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<ApiToken>> {
        self.table.values()
    }

    pub(super) fn create(
        &mut self,
        create: &CreateApiToken,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = create
            .token
            .as_ref()
            .ok_or_else(|| Rejection::invalid("token", "it is missing"))?;
        forms::check_end(
            "token.expires_at_ms",
            given.expires_at_ms,
            at.time_ms,
            API_TOKEN_MS_MAX,
        )?;
        let token = ApiToken {
            meta: at.created(),
            ..normalised(given)?
        };
        if self.get(&token.id).is_some() {
            let problem = "there is a token of this id already";
            return Err(Rejection::invalid("token.id", problem));
        }
        self.make_room_of(&token.principal, at.time_ms, changes)?;
        self.make_room(at.time_ms, changes)?;
        let applied = created(&token.id);
        self.put(token, changes);
        Ok(applied)
    }

    /// Room for one more of a principal: where there is none, those of his that have ended go.
    fn make_room_of(&mut self, principal: &str, now_ms: u64, changes: &mut Changes) -> Result<(), Rejection> {
        let own = self.ids_of(principal);
        if own.len() < API_TOKENS_PER_PRINCIPAL_MAX {
            return Ok(());
        }
        let has_ended = |id: &&String| self.get(id).is_some_and(|token| is_over(token, now_ms));
        let gone: Vec<String> = own.iter().filter(has_ended).cloned().collect();
        if gone.is_empty() {
            let detail = format!(
                "{principal} has {API_TOKENS_PER_PRINCIPAL_MAX} API tokens already, more are not kept; delete one first"
            );
            return Err(Rejection::Conflict { detail });
        }
        self.remove_all(&gone, changes);
        Ok(())
    }

    fn make_room(&mut self, now_ms: u64, changes: &mut Changes) -> Result<(), Rejection> {
        if self.table.len() < API_TOKENS_MAX {
            return Ok(());
        }
        match self.forget(now_ms, ENDED_FORGOTTEN_MAX, changes) {
            0 => Err(full(API_TOKENS_MAX)),
            _ => Ok(()),
        }
    }

    /// Sorted.
    fn ids_of(&self, principal: &str) -> Vec<String> {
        let first = (principal.to_owned(), String::new());
        // no principal holds a zero, so that nothing lies between
        let end = (format!("{principal}\0"), String::new());
        self.by_principal
            .range(first..end)
            .map(|(_, id)| id.clone())
            .collect()
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteApiToken,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        if self.get(&delete.id).is_none() {
            return Err(Rejection::not_found("API token", &delete.id));
        }
        self.remove(&delete.id, changes);
        Ok(deleted(std::iter::once(delete.id.clone())))
    }

    /// Those of a principal that were made before.
    pub(super) fn drop_of(&mut self, principal: &str, before_ms: u64, changes: &mut Changes) {
        let is_before = |token: &Arc<ApiToken>| created_at_ms(token.meta.as_ref()) < before_ms;
        let mut gone = self.ids_of(principal);
        gone.retain(|id| self.get(id).is_some_and(is_before));
        self.remove_all(&gone, changes);
    }

    /// How many of those that have ended are gone.
    pub(super) fn forget(&mut self, now_ms: u64, at_most: usize, changes: &mut Changes) -> usize {
        let gone = over(&self.table, |token| is_over(token, now_ms), at_most);
        self.remove_all(&gone, changes);
        gone.len()
    }

    pub(super) fn clear(&mut self, changes: &mut Changes) {
        let all = over(&self.table, |_| true, usize::MAX);
        self.remove_all(&all, changes);
    }

    fn put(&mut self, token: ApiToken, changes: &mut Changes) {
        let (principal, id) = (token.principal.clone(), token.id.clone());
        self.by_principal.insert((principal, id.clone()));
        self.table.put(id, token, changes);
    }

    fn remove(&mut self, id: &str, changes: &mut Changes) {
        if let Some(gone) = self.table.remove(&id.to_owned(), changes) {
            self.by_principal
                .remove(&(gone.principal.clone(), gone.id.clone()));
        }
    }

    fn remove_all(&mut self, ids: &[String], changes: &mut Changes) {
        for id in ids {
            self.remove(id, changes);
        }
    }

    pub(super) fn load(&mut self, row: ApiToken, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::ApiToken)?;
        normalised(&row).map_err(|problem| malformed(RowKind::ApiToken, problem))?;
        self.put(row, changes);
        Ok(())
    }
}

/// When something was made, cluster time.
pub(super) fn created_at_ms(meta: Option<&ObjectMeta>) -> u64 {
    let created = meta.and_then(|meta| meta.created.as_ref());
    created.map_or(0, |change| change.at_ms)
}

fn is_over(token: &ApiToken, now_ms: u64) -> bool {
    token.expires_at_ms <= now_ms
}

/// Permissions sorted, each once.
fn normalised(given: &ApiToken) -> Result<ApiToken, Rejection> {
    forms::check_id("token.id", &given.id)?;
    forms::check_digest("token.secret_sha256", &given.secret_sha256)?;
    forms::check_person("token.principal", &given.principal)?;
    check_text("token.description", &given.description, DESCRIPTION_BYTES_MAX)?;
    Ok(ApiToken {
        permissions: permissions::some("token.permissions", &given.permissions)?,
        ..given.clone()
    })
}
