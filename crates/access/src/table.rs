//! Who is given what, read once for each revision of policies and roles: a decision is a few look-ups and a bit test.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::auth::v1::{Grant, Policy, Role};
use rpc::Principal;
use state::State;
use state::auth::{everyone_like, gives, stands};
use state::bounds::{GRANT_POLICIES_MAX, SESSION_GROUPS_MAX};

/// A policy's place in the order of names; there are 1,024 at most.
pub(crate) type PolicyId = u16;

/// What all policies of one revision give.
#[derive(Debug, Default)]
pub(crate) struct Table {
    policies: Vec<Given>,
    /// By what policies name: `user/ada`, `service/*`, `node/x1000c0s0b0n0`.
    principals: BTreeMap<String, Vec<PolicyId>>,
    /// By the provider's name of a group, without `group/`.
    groups: BTreeMap<String, Vec<PolicyId>>,
}

/// One policy.
#[derive(Debug)]
struct Given {
    policy: Arc<Policy>,
    /// A bit for each permission, by its place.
    permissions: u128,
}

impl Table {
    /// Reads the policies of a state. `permissions` are those of [`rpc::Rules::permissions`], in their order.
    pub(crate) fn of(state: &State, permissions: &[String]) -> Table {
        let (mut table, mut roles) = (Table::default(), BTreeMap::new());
        for (id, policy) in (0..PolicyId::MAX).zip(state.auth.policies()) {
            let bits = roles
                .entry(policy.role.as_str())
                .or_insert_with(|| bits_of(state.auth.role(&policy.role).as_deref(), permissions));
            for principal in &policy.principals {
                let (named, name) = match principal.strip_prefix("group/") {
                    Some(group) => (&mut table.groups, group),
                    None => (&mut table.principals, principal.as_str()),
                };
                named.entry(name.to_owned()).or_default().push(id);
            }
            table.policies.push(Given {
                policy: Arc::clone(policy),
                permissions: *bits,
            });
        }
        table
    }

    /// The policies that give somebody the permission at this place, at `now_ms` of cluster time; sorted. At most as many as an
    /// entry of the log may name: of more, those that hold everywhere come first.
    pub(crate) fn policies_for(&self, who: &Principal, permission: usize, now_ms: u64) -> Vec<PolicyId> {
        let place = u32::try_from(permission).unwrap_or(u32::MAX);
        let wanted = 1_u128.checked_shl(place).unwrap_or(0);
        let is_given = |id: &PolicyId| {
            let given = self.policies.get(usize::from(*id));
            given.is_some_and(|given| given.permissions & wanted != 0 && stands(&given.policy, now_ms))
        };
        let mut ids: Vec<PolicyId> = self.naming(who).copied().filter(is_given).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() > GRANT_POLICIES_MAX {
            ids.sort_by_key(|id| !self.holds_everywhere(*id));
            ids.truncate(GRANT_POLICIES_MAX);
            ids.sort_unstable();
        }
        ids
    }

    /// The policies with these ids.
    pub(crate) fn policies(&self, ids: &[PolicyId]) -> Vec<Arc<Policy>> {
        let given = ids.iter().filter_map(|id| self.policies.get(usize::from(*id)));
        given.map(|given| Arc::clone(&given.policy)).collect()
    }

    /// What an entry of the log says of the right of its author.
    pub(crate) fn grant(&self, who: &Principal, permission: &str, ids: &[PolicyId]) -> Grant {
        let policies = self.policies(ids);
        Grant {
            permission: permission.to_owned(),
            policies: policies.iter().map(|policy| policy.name.clone()).collect(),
            groups: self.told_groups(who, ids),
            ..proof_of(who)
        }
    }

    /// The groups of somebody that any policy names, sorted: what he changes in another area needs other policies. Where there are more
    /// than an entry may name, those that these policies are for come first.
    fn told_groups(&self, who: &Principal, ids: &[PolicyId]) -> Vec<String> {
        let is_named_by_one = |group: &&String| {
            let naming = self.groups.get(*group);
            naming.is_some_and(|naming| naming.iter().any(|id| ids.contains(id)))
        };
        let known = who.groups.iter().filter(|group| self.groups.contains_key(*group));
        let (first, others): (Vec<&String>, Vec<&String>) = known.partition(is_named_by_one);
        let mut told: Vec<String> = first
            .into_iter()
            .chain(others)
            .take(SESSION_GROUPS_MAX)
            .cloned()
            .collect();
        told.sort_unstable();
        told
    }

    /// How many have not ended.
    pub(crate) fn standing(&self, now_ms: u64) -> usize {
        let standing = self.policies.iter().filter(|given| stands(&given.policy, now_ms));
        standing.count()
    }

    /// Those that name somebody, in no particular order, maybe more than once.
    fn naming(&self, who: &Principal) -> impl Iterator<Item = &PolicyId> {
        let own = self.principals.get(&who.name);
        let kind = everyone_like(&who.name).and_then(|kind| self.principals.get(kind));
        let groups = who.groups.iter().filter_map(|group| self.groups.get(group));
        own.into_iter().chain(kind).chain(groups).flatten()
    }

    fn holds_everywhere(&self, id: PolicyId) -> bool {
        let given = self.policies.get(usize::from(id));
        given.is_some_and(|given| is_everywhere(&given.policy) && given.policy.kinds.is_empty())
    }
}

/// What somebody has shown, as an entry of the log says it: a grant of nothing but what is his own.
pub(crate) fn proof_of(who: &Principal) -> Grant {
    Grant {
        token_id: who.token_id.clone(),
        session_id: who.session_id.clone(),
        issued_at_ms: who.issued_at_ms,
        certificate_sha256: who.certificate_sha256.clone(),
        scope: who.permissions.as_ref().map(|permissions| permissions.join(" ")),
        ..Grant::default()
    }
}

/// Whether a policy is for no part of the system, but maybe for some kinds of objects.
pub(crate) fn is_everywhere(policy: &Policy) -> bool {
    policy.hosts.is_empty() && policy.groups.is_empty() && policy.partitions.is_empty()
}

/// A role that is not there gives nothing.
fn bits_of(role: Option<&Role>, permissions: &[String]) -> u128 {
    let given = role.map_or(&[][..], |role| role.permissions.as_slice());
    let places = (0_u32..).zip(permissions);
    places
        .filter(|(_, permission)| gives(given, permission))
        .filter_map(|(place, _)| 1_u128.checked_shl(place))
        .fold(0, |bits, bit| bits | bit)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
