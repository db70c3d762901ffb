//! Tokens for machines: opaque, good until they end or are taken back.

use std::sync::Arc;

use model::Rejection;
use proto::auth::v1::ApiToken;
use proto::auth::v1::auth_command::{CreateApiToken, DeleteApiToken};
use proto::http::v1::ObjectMeta;
use proto::raft::v1::outcome::Applied;

use super::{created, forms, make_room, malformed, over, permissions, remove_all};
use crate::RowKind;
use crate::bounds::{API_TOKEN_MS_MAX, API_TOKENS_MAX, DESCRIPTION_BYTES_MAX, check_text};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// By id.
#[derive(Clone, Default)]
pub(super) struct ApiTokens(Table<ApiToken>);

impl ApiTokens {
    pub(super) fn get(&self, id: &str) -> Option<&Arc<ApiToken>> {
        self.0.get(&id.to_owned())
    }

    /// Sorted by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<ApiToken>> {
        self.0.values()
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
        make_room(
            &mut self.0,
            API_TOKENS_MAX,
            |token| is_over(token, at.time_ms),
            changes,
        )?;
        let id = token.id.clone();
        let applied = created(&id);
        self.0.put(id, token, changes);
        Ok(applied)
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteApiToken,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        self.0
            .remove(&delete.id, changes)
            .ok_or_else(|| Rejection::not_found("API token", &delete.id))?;
        Ok(deleted(std::iter::once(delete.id.clone())))
    }

    /// Those of a principal that were made before.
    pub(super) fn drop_of(&mut self, principal: &str, before_ms: u64, changes: &mut Changes) {
        let is_meant =
            |token: &ApiToken| token.principal == principal && created_at_ms(token.meta.as_ref()) < before_ms;
        let gone = over(&self.0, is_meant, usize::MAX);
        remove_all(&mut self.0, &gone, changes);
    }

    /// How many of those that have ended are gone.
    pub(super) fn forget(&mut self, now_ms: u64, at_most: usize, changes: &mut Changes) -> usize {
        let gone = over(&self.0, |token| is_over(token, now_ms), at_most);
        remove_all(&mut self.0, &gone, changes);
        gone.len()
    }

    pub(super) fn clear(&mut self, changes: &mut Changes) {
        let all = over(&self.0, |_| true, usize::MAX);
        remove_all(&mut self.0, &all, changes);
    }

    pub(super) fn load(&mut self, row: ApiToken, changes: &mut Changes) -> Result<(), SnapshotError> {
        let id = self.0.check_load(&row, RowKind::ApiToken)?;
        normalised(&row).map_err(|problem| malformed(RowKind::ApiToken, problem))?;
        self.0.put(id, row, changes);
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
