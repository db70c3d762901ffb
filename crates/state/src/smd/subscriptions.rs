//! Who is told of state changes, and how far each has been told.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{NodeState, Rejection, canonical_role, canonical_sub_role};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::ScnSubscription;
use proto::smd::v1::smd_command::patch_scn_subscription::Op;
use proto::smd::v1::smd_command::{
    AdvanceScnCursors, DeleteScnSubscriptions, PatchScnSubscription, PutScnSubscription,
};

use crate::bounds::{
    NAME_BYTES_MAX, SUBSCRIPTIONS_MAX, TRIGGERS_PER_KEY_MAX, URL_BYTES_MAX, check_count, check_name,
    check_text,
};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Word for the kind in rejections.
const KIND: &str = "subscription";

/// Subscriptions by id: the revision that created them.
#[derive(Clone, Default)]
pub(super) struct Subscriptions {
    table: Table<ScnSubscription>,
}

impl Subscriptions {
    pub(super) fn get(&self, id: u64) -> Option<&Arc<ScnSubscription>> {
        self.table.get(&id)
    }

    /// Sorted by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<ScnSubscription>> {
        self.table.values()
    }

    /// Creates one, which is told of what comes after this entry, or replaces the one that is meant, which goes on where
    /// it was. `value` of the outcome is its id.
    ///
    /// Source: SMD `POST /Subscriptions/SCN`, `PUT /Subscriptions/SCN/{id}`.
    pub(super) fn put(
        &mut self,
        put: &PutScnSubscription,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = given(put.subscription.as_ref())?;
        let mut after = normalised(given)?;
        check_triggers(&after)?;
        let same = self
            .iter()
            .find(|other| other.subscriber == after.subscriber && other.url == after.url)
            .cloned();
        let before = match (put.id, same) {
            (0, same) => same,
            (id, Some(other)) if other.id != id => {
                let detail =
                    format!("it has the same Subscriber and Url; change or delete that one, not {id}");
                return Err(Rejection::AlreadyExists {
                    kind: KIND.into(),
                    id: other.id.to_string(),
                    detail,
                });
            }
            (id, _) => Some(self.existing(id)?),
        };
        if before.is_none() && self.table.len() >= SUBSCRIPTIONS_MAX {
            let problem = format!("there are {SUBSCRIPTIONS_MAX} subscriptions; delete one first");
            return Err(Rejection::invalid(KIND, problem));
        }
        (after.id, after.told_revision, after.meta) = match &before {
            Some(before) => (before.id, before.told_revision, at.modified(before.meta.as_ref())),
            None => (at.index, at.index, at.created()),
        };
        let mut applied = Applied {
            value: after.id.to_string(),
            ..Applied::default()
        };
        let list = if before.is_some() {
            &mut applied.updated
        } else {
            &mut applied.created
        };
        list.push(after.id.to_string());
        self.table.put(after.id, after, changes);
        Ok(applied)
    }

    /// Adds triggers, removes them, or puts others in the place of those of the same key. Source: SMD
    /// `PATCH /Subscriptions/SCN/{id}`.
    pub(super) fn patch(
        &mut self,
        patch: &PatchScnSubscription,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let op = patch.op();
        if op == Op::Unspecified {
            return Err(Rejection::invalid("op", "write add, remove or replace"));
        }
        let given = with_canonical_triggers(given(patch.triggers.as_ref())?)?;
        check_triggers(&given)?;
        let before = self.existing(patch.id)?;
        let mut after = before.as_ref().clone();
        for (list, changed) in [
            (&mut after.roles, &given.roles),
            (&mut after.sub_roles, &given.sub_roles),
            (&mut after.software_status, &given.software_status),
            (&mut after.states, &given.states),
        ] {
            patch_list(op, list, changed);
            check_count("triggers", list.len(), TRIGGERS_PER_KEY_MAX)?;
        }
        after.enabled = match (op, given.enabled) {
            (Op::Remove, Some(true)) => after.enabled.map(|_| false),
            (Op::Remove, _) | (_, None) => after.enabled,
            (_, enabled) => enabled,
        };
        let id = vec![after.id.to_string()];
        if after == *before {
            return Ok(Applied {
                unchanged: id,
                ..Applied::default()
            });
        }
        after.meta = at.modified(before.meta.as_ref());
        self.table.put(after.id, after, changes);
        Ok(Applied {
            updated: id,
            ..Applied::default()
        })
    }

    /// Source: SMD `DELETE /Subscriptions/SCN[/{id}]`. All of none is no error.
    pub(super) fn delete(
        &mut self,
        delete: &DeleteScnSubscriptions,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_count("ids", delete.ids.len(), SUBSCRIPTIONS_MAX)?;
        let ids: BTreeSet<u64> = if delete.all {
            self.table.keys().copied().collect()
        } else {
            delete.ids.iter().copied().collect()
        };
        for id in &ids {
            self.existing(*id)?;
        }
        for id in &ids {
            self.table.remove(id, changes);
        }
        Ok(deleted(ids.iter().map(u64::to_string)))
    }

    /// Remembers what subscribers were told. A subscription that is gone meanwhile is none of this entry's business, and
    /// a cursor never goes back or ahead of the log.
    pub(super) fn advance(
        &mut self,
        advance: &AdvanceScnCursors,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_count("cursors", advance.cursors.len(), SUBSCRIPTIONS_MAX)?;
        let mut applied = Applied::default();
        for cursor in &advance.cursors {
            let told_revision = cursor.told_revision.min(at.index);
            let behind = |before: &&Arc<ScnSubscription>| before.told_revision < told_revision;
            if let Some(before) = self.get(cursor.id).filter(behind) {
                let after = ScnSubscription {
                    told_revision,
                    ..before.as_ref().clone()
                };
                self.table.put(cursor.id, after, changes);
                applied.updated.push(cursor.id.to_string());
            }
        }
        Ok(applied)
    }

    fn existing(&self, id: u64) -> Result<Arc<ScnSubscription>, Rejection> {
        self.get(id)
            .cloned()
            .ok_or_else(|| Rejection::not_found(KIND, id))
    }

    pub(super) fn load(&mut self, row: ScnSubscription, changes: &mut Changes) -> Result<(), SnapshotError> {
        let id = self.table.check_load(&row, RowKind::ScnSubscription)?;
        self.table.put(id, row, changes);
        Ok(())
    }
}

fn given(subscription: Option<&ScnSubscription>) -> Result<&ScnSubscription, Rejection> {
    subscription.ok_or_else(|| Rejection::invalid(KIND, "it is missing"))
}

/// The subscription as it is stored, without id, cursor and meta.
fn normalised(given: &ScnSubscription) -> Result<ScnSubscription, Rejection> {
    check_name("Subscriber", &given.subscriber)?;
    check_url(&given.url)?;
    with_canonical_triggers(given)
}

/// What can be told over HTTP; a URL is shown, so that it must hold no password.
fn check_url(url: &str) -> Result<(), Rejection> {
    check_text("Url", url, URL_BYTES_MAX)?;
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match host {
        None | Some("") => Err(Rejection::invalid("Url", "write http:// or https:// and a host")),
        Some(host) if host.contains('@') => Err(Rejection::invalid(
            "Url",
            "a user or password in it would be shown; leave it out",
        )),
        Some(_) if url.contains(char::is_whitespace) => Err(Rejection::invalid("Url", "it has blanks")),
        Some(_) => Ok(()),
    }
}

/// The triggers alone in SMD's spelling, with subscriber and URL as they are given.
fn with_canonical_triggers(given: &ScnSubscription) -> Result<ScnSubscription, Rejection> {
    let own = |text: &String| Ok(text.clone());
    let state = |text: &String| {
        let parsed: Result<NodeState, _> = text.parse();
        parsed
            .map(|state| state.as_str().to_owned())
            .map_err(|e| Rejection::invalid("States", e))
    };
    Ok(ScnSubscription {
        subscriber: given.subscriber.clone(),
        url: given.url.clone(),
        enabled: given.enabled,
        roles: words("Roles", &given.roles, |text| {
            Ok(canonical_role(text).unwrap_or(text).to_owned())
        })?,
        sub_roles: words("SubRoles", &given.sub_roles, |text| {
            Ok(canonical_sub_role(text).unwrap_or(text).to_owned())
        })?,
        software_status: words("SoftwareStatus", &given.software_status, own)?,
        states: words("States", &given.states, state)?,
        ..ScnSubscription::default()
    })
}

/// In the order given, each once, none empty.
fn words(
    field: &str,
    given: &[String],
    spelt: impl Fn(&String) -> Result<String, Rejection>,
) -> Result<Vec<String>, Rejection> {
    check_count(field, given.len(), TRIGGERS_PER_KEY_MAX)?;
    let mut list = Vec::with_capacity(given.len());
    for text in given {
        check_name(field, text)?;
        let word = spelt(text)?;
        check_text(field, &word, NAME_BYTES_MAX)?;
        if !list.contains(&word) {
            list.push(word);
        }
    }
    Ok(list)
}

/// SMD's rule and text.
fn check_triggers(given: &ScnSubscription) -> Result<(), Rejection> {
    let lists = [
        &given.roles,
        &given.sub_roles,
        &given.software_status,
        &given.states,
    ];
    if given.enabled == Some(true) || lists.iter().any(|list| !list.is_empty()) {
        return Ok(());
    }
    Err(Rejection::invalid(
        "Missing trigger",
        "Must subscribe to atleast one Enabled, Role, SubRole, SoftwareStatus, or State trigger.",
    ))
}

fn patch_list(op: Op, list: &mut Vec<String>, given: &[String]) {
    match op {
        Op::Add => {
            for word in given {
                if !list.contains(word) {
                    list.push(word.clone());
                }
            }
        }
        Op::Remove => list.retain(|word| !given.contains(word)),
        Op::Replace if !given.is_empty() => *list = given.to_vec(),
        Op::Replace | Op::Unspecified => {}
    }
}

impl Record for ScnSubscription {
    type Key = u64;

    fn row_key(id: &u64) -> RowKey {
        RowKey::scn_subscription(*id)
    }

    fn key(&self) -> Result<u64, String> {
        match self.id {
            0 => Err("a subscription has no id".into()),
            id => Ok(id),
        }
    }

    fn into_row(self) -> Row {
        Row::ScnSubscription(self)
    }

    /// Its row changes with each notification; whoever wants to know asks.
    fn object(self: Arc<Self>) -> Option<Object> {
        None
    }
}
