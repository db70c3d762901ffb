//! What a leader knows of the members, and what it requires before it changes them.

use openraft::async_runtime::WatchReceiver as _;
use proto::cluster::v1::member_kind;
use tonic::Status;

use crate::replicated::Replicated;
use crate::status::{Metrics, last_seen_ms, matched_index};
use crate::type_config::MemberNode;

/// Entries that a member may be behind the leader to count as caught up.
pub(crate) const LAG_MAX: u64 = 1000;
/// A member that has answered within this time is there, milliseconds.
pub(crate) const SEEN_MS_MAX: u64 = 3000;

impl Replicated {
    pub(crate) fn view(&self) -> View {
        let receiver = self.raft().metrics();
        let metrics = receiver.borrow_watched().clone();
        View {
            metrics,
            next_member_id: self.published.load().cluster.next_member_id(),
        }
    }
}

/// What a leader knows of the members.
pub(crate) struct View {
    pub(crate) metrics: Metrics,
    pub(crate) next_member_id: u64,
}

impl View {
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (u64, &MemberNode)> {
        self.metrics
            .membership_config
            .nodes()
            .map(|(id, node)| (*id, node))
    }

    pub(crate) fn node(&self, id: u64) -> Option<MemberNode> {
        self.metrics.membership_config.get_node(&id).cloned()
    }

    pub(crate) fn voters(&self) -> impl Iterator<Item = u64> + '_ {
        self.metrics.membership_config.voter_ids()
    }

    pub(crate) fn is_voter(&self, id: u64) -> bool {
        self.voters().any(|voter| voter == id)
    }

    pub(crate) fn known(&self, id: u64) -> Result<MemberNode, Status> {
        self.node(id).ok_or_else(|| not_found(id))
    }

    /// A member that is gone is as good as removed again; one that never was is a mistake.
    pub(crate) fn was_member(&self, id: u64) -> Result<(), Status> {
        match (1..self.next_member_id).contains(&id) {
            true => Ok(()),
            false => Err(not_found(id)),
        }
    }

    /// Entries that a member lacks.
    pub(crate) fn lag(&self, id: u64) -> u64 {
        let last = self.metrics.last_log_index.unwrap_or(0);
        last.saturating_sub(matched_index(&self.metrics, id).unwrap_or(0))
    }

    /// Milliseconds since a member answered; none if it never did.
    pub(crate) fn seen_ms(&self, id: u64) -> Option<u64> {
        last_seen_ms(&self.metrics, id)
    }

    pub(crate) fn is_there(&self, id: u64) -> bool {
        self.seen_ms(id).is_some_and(|ms| ms <= SEEN_MS_MAX)
    }

    pub(crate) fn require_caught_up(&self, id: u64) -> Result<(), Status> {
        if !self.is_there(id) {
            return Err(Status::failed_precondition(format!(
                "member {id} does not answer the leader; is it started?"
            )));
        }
        match self.lag(id) {
            lag if lag > LAG_MAX => Err(Status::failed_precondition(format!(
                "member {id} is {lag} entries behind; try again when it has caught up (`chamois member list`)"
            ))),
            _ => Ok(()),
        }
    }

    /// The voters that would be left must be able to decide without `id`.
    pub(crate) fn require_majority_without(&self, id: u64) -> Result<(), Status> {
        let left: Vec<u64> = self.voters().filter(|voter| *voter != id).collect();
        if self.is_voter(id) && left.is_empty() {
            return Err(Status::failed_precondition(format!(
                "member {id} is the only voter"
            )));
        }
        let silent: Vec<u64> = left
            .iter()
            .copied()
            .filter(|voter| !self.is_there(*voter))
            .collect();
        if (left.len() - silent.len()) * 2 > left.len() || !self.is_voter(id) {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "without member {id} the voters left are {left:?}, of which {silent:?} do not answer: no majority; bring those \
             back or replace them first"
        )))
    }
}

/// Who leads next: the voter that is furthest, a witness only if there is no other.
pub(crate) fn heir(metrics: &Metrics) -> Option<u64> {
    let replication = metrics.replication.as_ref()?;
    let membership = &metrics.membership_config;
    let voters = membership.voter_ids().filter(|id| *id != metrics.id);
    let rank = |id: &u64| {
        let witness = membership
            .get_node(id)
            .is_some_and(|node| node.kind == member_kind::Kind::Witness);
        (
            !witness,
            replication
                .get(id)
                .copied()
                .flatten()
                .map(|matched| matched.index),
        )
    };
    voters.filter(|id| replication.contains_key(id)).max_by_key(rank)
}

fn not_found(id: u64) -> Status {
    Status::not_found(format!("no such member: {id}"))
}
