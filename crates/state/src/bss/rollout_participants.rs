//! Who takes part in a rollout.

use model::{GroupLabel, NodeSet, Rejection};
use proto::bss::v1::BootRollout;

use crate::State;
use crate::bounds::{IDS_PER_COMMAND_MAX, check_count};

impl State {
    /// The nodes of the inventory that `rollout` names.
    ///
    /// # Errors
    /// `Invalid` for a group and hosts at once, or none of both, and for names that are none; `NotFound` for the group.
    pub(crate) fn participants(&self, rollout: Option<&BootRollout>) -> Result<Vec<String>, Rejection> {
        let rollout = rollout.ok_or_else(|| Rejection::invalid("rollout", "it is missing"))?;
        match (rollout.group.is_empty(), rollout.hosts.is_empty()) {
            (false, true) => {
                let label: GroupLabel = rollout
                    .group
                    .parse()
                    .map_err(|e| Rejection::invalid("group", e))?;
                let group = self.smd.group(label.as_str());
                let group = group.ok_or_else(|| Rejection::not_found("group", &rollout.group))?;
                let members = group
                    .members
                    .as_ref()
                    .map(|members| members.ids.clone())
                    .unwrap_or_default();
                Ok(self.nodes_among(members.into_iter()))
            }
            (true, false) => {
                check_count("hosts", rollout.hosts.len(), IDS_PER_COMMAND_MAX)?;
                let parse = |text: &String| {
                    text.parse::<NodeSet>()
                        .map_err(|e| Rejection::invalid("hosts", e))
                };
                let sets: Vec<NodeSet> = rollout.hosts.iter().map(parse).collect::<Result<_, _>>()?;
                let all = self.smd.components().map(|component| component.id.clone());
                let named = all.filter(|id| {
                    id.parse()
                        .is_ok_and(|id| sets.iter().any(|set| set.contains(&id)))
                });
                Ok(self.nodes_among(named))
            }
            (true, true) => Err(Rejection::invalid("group", "name a group, or hosts")),
            (false, false) => Err(Rejection::invalid("hosts", "name a group or hosts, not both")),
        }
    }

    fn nodes_among(&self, ids: impl Iterator<Item = String>) -> Vec<String> {
        ids.filter(|id| {
            let parsed = id.parse::<model::Xname>();
            parsed.is_ok_and(|id| id.is_node() && self.smd.component(&id).is_some())
        })
        .collect()
    }
}
