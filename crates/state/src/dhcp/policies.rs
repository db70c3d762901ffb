//! What DHCP tells some clients beside what their subnet says, and what these are called.

use std::cmp::Reverse;
use std::sync::Arc;

use model::{Ipv4Net, Rejection};
use proto::dhcp::v1::DhcpPolicy;
use proto::dhcp::v1::dhcp_command::{DeletePolicy, PutPolicy};
use proto::raft::v1::outcome::Applied;
use proto::raft::v1::snapshot_row::Row;

use super::normal_policy::{normalised, priority};
use super::rules::Rule;
use super::subnets::Subnets;
use crate::bounds::{DHCP_POLICIES_MAX, DHCP_POLICY_NODE_SETS_MAX};
use crate::changes::Changes;
use crate::event::Object;
use crate::log_position::LogPosition;
use crate::outcome::deleted;
use crate::snapshot::SnapshotError;
use crate::table::{Record, Table};
use crate::{RowKey, RowKind};

/// Policies by name.
#[derive(Clone, Default)]
pub(super) struct Policies {
    table: Table<DhcpPolicy>,
    /// The same, read, in the order in which they are looked at.
    rules: Arc<[Arc<Rule>]>,
}

impl Policies {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<DhcpPolicy>> {
        self.table.get(&name.to_owned())
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<DhcpPolicy>> {
        self.table.values()
    }

    /// In the order in which they are looked at.
    pub(super) fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The longest lease that any policy gives to somebody in a network, seconds; 0 for none.
    pub(super) fn longest_lease_time_s(&self, network: &Ipv4Net) -> u32 {
        let here = self.rules.iter().filter(|rule| {
            rule.subnets.is_empty() || rule.subnets.iter().any(|subnet| subnet.overlaps(network))
        });
        here.map(|rule| rule.policy.lease_time_s)
            .max()
            .unwrap_or_default()
    }

    /// `subnets` hear of a lease that is longer than theirs.
    pub(super) fn put(
        &mut self,
        put: &PutPolicy,
        subnets: &mut Subnets,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let policy = put
            .policy
            .as_ref()
            .ok_or_else(|| Rejection::invalid("policy", "it is missing"))?;
        let mut policy = normalised(policy)?;
        let before = self.table.get(&policy.name).cloned();
        self.check_room(&policy, before.is_some())?;
        let keys = vec![policy.name.clone()];
        let applied = match &before {
            Some(before) => {
                policy.meta = at.modified(before.meta.as_ref());
                Applied {
                    updated: keys,
                    ..Default::default()
                }
            }
            None => {
                policy.meta = at.created();
                Applied {
                    created: keys,
                    ..Default::default()
                }
            }
        };
        let rule =
            Rule::of(Arc::new(policy.clone())).map_err(|problem| Rejection::invalid("policy", problem))?;
        subnets.expect_leases(policy.lease_time_s, &rule.subnets, at, changes);
        self.table.put(policy.name.clone(), policy, changes);
        self.insert(rule);
        Ok(applied)
    }

    fn check_room(&self, new: &DhcpPolicy, is_replaced: bool) -> Result<(), Rejection> {
        if !is_replaced && self.table.len() >= DHCP_POLICIES_MAX {
            let problem = format!("there are {DHCP_POLICIES_MAX} DHCP policies; delete one first");
            return Err(Rejection::invalid("policy", problem));
        }
        let others = self.iter().filter(|other| other.name != new.name);
        let node_sets: usize = others.map(|other| other.hosts.len()).sum();
        if !new.hosts.is_empty() && node_sets + new.hosts.len() > DHCP_POLICY_NODE_SETS_MAX {
            let problem = format!(
                "all DHCP policies together have at most {DHCP_POLICY_NODE_SETS_MAX} nodesets; make a group of the nodes"
            );
            return Err(Rejection::invalid("hosts", problem));
        }
        Ok(())
    }

    fn insert(&mut self, rule: Rule) {
        let mut rules = self.rules_without(&rule.policy.name);
        rules.push(Arc::new(rule));
        rules.sort_by(|one, other| {
            let order = |rule: &Rule| Reverse(priority(&rule.policy));
            order(one)
                .cmp(&order(other))
                .then_with(|| one.policy.name.cmp(&other.policy.name))
        });
        self.rules = rules.into();
    }

    fn rules_without(&self, name: &str) -> Vec<Arc<Rule>> {
        let rest = self.rules.iter().filter(|rule| rule.policy.name != name);
        rest.cloned().collect()
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeletePolicy,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        self.table
            .remove(&delete.name, changes)
            .ok_or_else(|| Rejection::not_found("DHCP policy", &delete.name))?;
        self.rules = self.rules_without(&delete.name).into();
        Ok(deleted(std::iter::once(delete.name.clone())))
    }

    pub(super) fn load(&mut self, row: DhcpPolicy, changes: &mut Changes) -> Result<(), SnapshotError> {
        let name = self.table.check_load(&row, RowKind::DhcpPolicy)?;
        let rule = Rule::of(Arc::new(row.clone())).map_err(|problem| SnapshotError::Malformed {
            kind: RowKind::DhcpPolicy,
            problem,
        })?;
        self.table.put(name, row, changes);
        self.insert(rule);
        Ok(())
    }
}

impl Record for DhcpPolicy {
    type Key = String;

    fn row_key(name: &String) -> RowKey {
        RowKey::dhcp_policy(name)
    }

    fn key(&self) -> Result<String, String> {
        match self.name.as_str() {
            "" => Err("it has no name".to_owned()),
            name => Ok(name.to_owned()),
        }
    }

    fn into_row(self) -> Row {
        Row::DhcpPolicy(self)
    }

    fn object(self: Arc<Self>) -> Option<Object> {
        Some(Object::DhcpPolicy(self))
    }
}
