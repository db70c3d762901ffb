//! Policies: who has a role, and in which part of the system.

use std::sync::Arc;

use imbl::OrdMap;
use model::{NodeSet, Rejection};
use proto::auth::v1::Policy;
use proto::auth::v1::auth_command::{DeletePolicy, PutPolicy};
use proto::raft::v1::outcome::Applied;

use super::normal_policy::normalised;
use super::{created, full, malformed, updated};
use crate::RowKind;
use crate::bounds::{POLICIES_MAX, POLICY_NODE_SETS_MAX};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// By name.
#[derive(Clone, Default)]
pub(super) struct Policies {
    table: Table<Policy>,
    /// The hosts of each: read once, because every change by a policy asks for them.
    node_sets: OrdMap<String, Arc<[NodeSet]>>,
}

impl Policies {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Policy>> {
        self.table.get(&name.to_owned())
    }

    /// The hosts of a policy, in its order.
    pub(super) fn node_sets(&self, name: &str) -> Arc<[NodeSet]> {
        self.node_sets.get(name).cloned().unwrap_or_default()
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.table.values()
    }

    fn store(&mut self, policy: Policy, changes: &mut Changes) {
        let name = policy.name.clone();
        self.node_sets.insert(name.clone(), node_sets_of(&policy));
        self.table.put(name, policy, changes);
    }

    /// The first that gives a role, also one that has ended.
    pub(super) fn with_role(&self, role: &str) -> Option<&Arc<Policy>> {
        self.iter().find(|policy| policy.role == role)
    }

    pub(super) fn put(
        &mut self,
        put: &PutPolicy,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put
            .policy
            .as_ref()
            .ok_or_else(|| Rejection::invalid("policy", "it is missing"))?;
        let mut policy = normalised(given)?;
        if !stands(&policy, at.time_ms) {
            let problem = "it is over; write a time that is ahead, or 0 for no end";
            return Err(Rejection::invalid("expires_at_ms", problem));
        }
        let before = self.get(&policy.name).cloned();
        self.check_room(&policy, before.is_some())?;
        let name = policy.name.clone();
        let (meta, applied) = match before {
            Some(before) => (at.modified(before.meta.as_ref()), updated(&name)),
            None => (at.created(), created(&name)),
        };
        policy.meta = meta;
        self.store(policy, changes);
        Ok(applied)
    }

    fn check_room(&self, new: &Policy, is_replaced: bool) -> Result<(), Rejection> {
        if !is_replaced && self.table.len() >= POLICIES_MAX {
            return Err(full(POLICIES_MAX));
        }
        let others = self.iter().filter(|other| other.name != new.name);
        let node_sets: usize = others.map(|other| other.hosts.len()).sum();
        if !new.hosts.is_empty() && node_sets + new.hosts.len() > POLICY_NODE_SETS_MAX {
            let problem = format!(
                "all policies together have at most {POLICY_NODE_SETS_MAX} nodesets; make a group of the nodes"
            );
            return Err(Rejection::invalid("hosts", problem));
        }
        Ok(())
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeletePolicy,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        self.table
            .remove(&delete.name, changes)
            .ok_or_else(|| Rejection::not_found("policy", &delete.name))?;
        self.node_sets.remove(&delete.name);
        Ok(deleted(std::iter::once(delete.name.clone())))
    }

    pub(super) fn load(&mut self, row: Policy, changes: &mut Changes) -> Result<(), SnapshotError> {
        self.table.check_load(&row, RowKind::Policy)?;
        let normal = normalised(&row).map_err(|problem| malformed(RowKind::Policy, problem))?;
        let given = Policy {
            meta: None,
            ..row.clone()
        };
        if normal != given {
            return Err(malformed(RowKind::Policy, "it is not in normal form"));
        }
        self.store(row, changes);
        Ok(())
    }
}

/// The hosts of a policy as they are compared; those of one in normal form can all be read.
pub(super) fn node_sets_of(policy: &Policy) -> Arc<[NodeSet]> {
    policy.hosts.iter().filter_map(|host| host.parse().ok()).collect()
}

/// Whether it gives anything at `now_ms`, cluster time.
pub fn stands(policy: &Policy, now_ms: u64) -> bool {
    policy.expires_at_ms == 0 || policy.expires_at_ms > now_ms
}

/// Whether it is for a principal with these groups, which stand without `group/`.
pub fn is_for(policy: &Policy, principal: &str, groups: &[String]) -> bool {
    let everyone = everyone_like(principal);
    policy
        .principals
        .iter()
        .any(|named| match named.strip_prefix("group/") {
            Some(group) => groups.iter().any(|own| own == group),
            None => named == principal || Some(named.as_str()) == everyone,
        })
}

/// How a policy names everybody like this one. There is no such name for nodes.
pub fn everyone_like(principal: &str) -> Option<&'static str> {
    match principal.split_once('/') {
        Some(("user", _)) => Some("user/*"),
        Some(("service", _)) => Some("service/*"),
        _ => None,
    }
}
