//! What a leader knows of the members, and what it requires before it changes them.

use std::collections::BTreeSet;

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
        let known = metrics.membership_config.nodes().map(|(id, _)| *id).max();
        let met = self.peers().stores.highest().max(self.farewells.highest());
        let next = self.published.load().cluster.next_member_id();
        View {
            next_member_id: next.max(known.unwrap_or(0).max(met) + 1),
            metrics,
        }
    }
}

/// What a leader knows of the members.
pub(crate) struct View {
    pub(crate) metrics: Metrics,
    /// Ids from here on were never a member's as far as this one knows: a cluster that began with version 0.3.0 has counted
    /// none.
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

    /// The voters of the newest configuration: those that count when a change under way is through.
    pub(crate) fn target(&self) -> BTreeSet<u64> {
        let configs = self.metrics.membership_config.get_joint_config();
        configs.last().cloned().unwrap_or_default()
    }

    /// Whether a change of the voters is half done: the old ones and the new ones must agree until it is through.
    pub(crate) fn is_joint(&self) -> bool {
        self.metrics.membership_config.get_joint_config().len() > 1
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
        if !self.is_voter(id) {
            return Ok(());
        }
        let left: BTreeSet<u64> = self.target().into_iter().filter(|voter| *voter != id).collect();
        if left.is_empty() {
            return Err(Status::failed_precondition(format!(
                "member {id} is the only voter"
            )));
        }
        self.require_majority_of(&left, id)
    }

    fn require_majority_of(&self, left: &BTreeSet<u64>, without: u64) -> Result<(), Status> {
        let silent: Vec<u64> = left
            .iter()
            .copied()
            .filter(|voter| !self.is_there(*voter))
            .collect();
        if (left.len() - silent.len()) * 2 > left.len() {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "without member {without} the voters are {left:?}, of which {silent:?} do not answer: no majority; bring those \
             back or replace them first"
        )))
    }

    /// The voters with `new` in place of `old`. A change like it that was begun is gone on with.
    ///
    /// # Errors
    /// `FailedPrecondition` and `InvalidArgument` for what is no replacement of one voter by another that may vote, or would
    /// leave no majority that answers.
    pub(crate) fn replaced(&self, old: u64, new: u64) -> Result<BTreeSet<u64>, Status> {
        let refused = |text: String| Err(Status::failed_precondition(text));
        if old == new {
            let text =
                format!("member {old} cannot replace itself; name the one that has joined in its place");
            return Err(Status::invalid_argument(text));
        }
        if !self.is_voter(old) {
            return refused(format!("member {old} is no voter; `chamois member remove {old}`"));
        }
        self.require_may_vote(new)?;
        let mut voters = self.target();
        let had_old = voters.remove(&old);
        if !voters.insert(new) && had_old {
            return refused(format!(
                "member {new} votes already and can take nobody's place; `chamois member remove {old}`, or name one that does \
                 not vote"
            ));
        }
        self.require_caught_up(new)?;
        self.require_majority_of(&voters, old)?;
        Ok(voters)
    }

    /// Whether it was let in as one that may vote.
    pub(crate) fn require_may_vote(&self, id: u64) -> Result<(), Status> {
        match self.known(id)?.kind {
            member_kind::Kind::Learner => Err(Status::failed_precondition(format!(
                "member {id} joined as a learner for good; `chamois member add` lets one join that votes"
            ))),
            member_kind::Kind::Unspecified | member_kind::Kind::Voter | member_kind::Kind::Witness => Ok(()),
        }
    }
}

/// Who leads next: of the voters that answer the one that is furthest, a witness only if there is no other.
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
    let is_there = |id: &u64| last_seen_ms(metrics, *id).is_some_and(|ms| ms <= SEEN_MS_MAX);
    voters
        .filter(|id| replication.contains_key(id) && is_there(id))
        .max_by_key(rank)
}

fn not_found(id: u64) -> Status {
    Status::not_found(format!("no such member: {id}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use openraft::RaftMetrics;
    use openraft::type_config::TypeConfigExt as _;

    use super::*;
    use crate::type_config::{LeaderId, LogId, Membership, StoredMembership, TypeConfig};

    /// Member 1 leads; its log ends at 5000, and all have it and have just answered.
    fn view(configs: &[&[u64]], nodes: &[u64]) -> View {
        let configs = configs.iter().map(|ids| ids.iter().copied().collect());
        let nodes: BTreeMap<u64, MemberNode> = nodes.iter().map(|id| (*id, MemberNode::default())).collect();
        let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, 5000);
        let others = || nodes.keys().copied().filter(|id| *id != 1);
        let now = TypeConfig::now();
        let mut metrics = RaftMetrics::new_initial(1);
        metrics.last_log_index = Some(5000);
        metrics.heartbeat = Some(others().map(|id| (id, Some(now.into()))).collect());
        metrics.replication = Some(others().map(|id| (id, Some(log_id))).collect());
        let membership = Membership::new(configs.collect(), nodes.clone()).unwrap();
        metrics.membership_config = Arc::new(StoredMembership::new(Some(log_id), membership));
        View {
            metrics,
            next_member_id: 9,
        }
    }

    impl View {
        fn with_silent(mut self, id: u64) -> View {
            let long_ago = TypeConfig::now() - std::time::Duration::from_millis(SEEN_MS_MAX + 1000);
            let heartbeat = self.metrics.heartbeat.as_mut().unwrap();
            heartbeat.insert(id, Some(long_ago.into()));
            self
        }

        fn with_learner(mut self, id: u64) -> View {
            let membership = &self.metrics.membership_config;
            let mut nodes: BTreeMap<u64, MemberNode> =
                membership.nodes().map(|(id, node)| (*id, node.clone())).collect();
            nodes.get_mut(&id).unwrap().kind = member_kind::Kind::Learner;
            let changed = Membership::new(membership.get_joint_config().clone(), nodes).unwrap();
            self.metrics.membership_config = Arc::new(StoredMembership::new(*membership.log_id(), changed));
            self
        }
    }

    fn refusal(view: &View, old: u64, new: u64) -> String {
        view.replaced(old, new).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_voter_is_replaced_by_one_that_does_not_vote() {
        let view = view(&[&[1, 2, 3]], &[1, 2, 3, 4]).with_silent(3);
        assert_eq!(view.replaced(3, 4).unwrap(), BTreeSet::from([1, 2, 4]));
    }

    /// Three voters would become two without a word, and one by itself none.
    #[test]
    fn a_replacement_leaves_as_many_voters_as_there_were() {
        let view = view(&[&[1, 2, 3]], &[1, 2, 3, 4]);
        assert!(refusal(&view, 3, 2).contains("votes already"));
        assert!(refusal(&view, 3, 3).contains("cannot replace itself"));
        assert!(refusal(&view, 4, 2).contains("is no voter"));
        assert!(refusal(&view, 3, 8).contains("no such member"));
    }

    #[test]
    fn a_learner_for_good_replaces_nobody() {
        let view = view(&[&[1, 2, 3]], &[1, 2, 3, 4]).with_learner(4);
        assert!(refusal(&view, 3, 4).contains("learner for good"));
    }

    /// Of three voters two are silent: with one of them replaced there is still no majority to spare.
    #[test]
    fn a_replacement_needs_a_majority_that_answers() {
        let view = view(&[&[1, 2, 3, 5]], &[1, 2, 3, 4, 5])
            .with_silent(2)
            .with_silent(5);
        let refused = refusal(&view, 3, 4);
        assert!(
            refused.contains("{1, 2, 4, 5}") && refused.contains("[2, 5]"),
            "{refused}"
        );
        let silent = self::view(&[&[1, 2, 3]], &[1, 2, 3, 4]).with_silent(4);
        assert!(refusal(&silent, 3, 4).contains("does not answer"));
    }

    /// In an idle cluster all have the same log, the dead ones too.
    #[test]
    fn the_heir_is_a_voter_that_answers() {
        let idle = || view(&[&[1, 2, 3]], &[1, 2, 3, 4]);
        assert_eq!(heir(&idle().metrics), Some(3));
        assert_eq!(heir(&idle().with_silent(3).metrics), Some(2));
        assert_eq!(heir(&idle().with_silent(3).with_silent(2).metrics), None);
    }

    /// Who votes by the half that is to go is no voter of the other one.
    #[test]
    fn a_change_that_is_half_done_is_seen() {
        assert!(!view(&[&[1, 2, 3]], &[1, 2, 3]).is_joint());
        let half = view(&[&[1, 2, 3], &[1, 2]], &[1, 2, 3]);
        assert!(half.is_joint() && half.is_voter(3));
        assert_eq!(half.target(), BTreeSet::from([1, 2]));
    }

    /// The first half of it stands in the log: the repeat is the other half.
    #[test]
    fn a_replacement_that_was_begun_is_finished() {
        let view = view(&[&[1, 2, 3], &[1, 2, 4]], &[1, 2, 3, 4]);
        assert_eq!(view.replaced(3, 4).unwrap(), BTreeSet::from([1, 2, 4]));
    }
}
