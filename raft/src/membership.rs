//! Changes of the membership: at the leader, whichever member was asked. What would cost the cluster its majority is
//! refused, and every change may be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver as _;
use openraft::error::{ClientWriteError, RaftError};
use proto::cluster::v1::member_kind;
use proto::raft::v1 as pb;
use proto::raft::v1::membership_change::{Change, Replace};
use rpc::Error;
use tokio::time::Instant;
use tonic::Status;

use crate::replicated::Replicated;
use crate::status::{Metrics, last_seen_ms, matched_index};
use crate::type_config::{MemberNode, TypeConfig};
use crate::wire;

/// How long a change may take, an election in between included.
const CHANGE_AT_MOST: Duration = Duration::from_secs(20);
/// Pause before a new attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Entries that a member may be behind the leader to count as caught up.
pub(crate) const LAG_MAX: u64 = 1000;
/// A member that has answered within this time is there, milliseconds.
pub(crate) const SEEN_MS_MAX: u64 = 3000;
/// How long a removed member may take to hear of it.
const FAREWELL_AT_MOST: Duration = Duration::from_secs(3);

impl Replicated {
    /// Makes the change here or at the leader.
    ///
    /// # Errors
    /// `FailedPrecondition` for what would endanger the majority, `NotFound` for an unknown member, `InvalidArgument`;
    /// `Unavailable` without a leader for 20 s.
    pub(crate) async fn change_membership(&self, change: &pb::MembershipChange) -> Result<(), Status> {
        let deadline = Instant::now() + CHANGE_AT_MOST;
        loop {
            let failure = match self.change_once(change).await {
                Ok(()) => return Ok(()),
                Err(status) if status.code() != tonic::Code::Unavailable => return Err(status),
                Err(status) => status,
            };
            if Instant::now() >= deadline {
                return Err(failure);
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn change_once(&self, change: &pb::MembershipChange) -> Result<(), Status> {
        let leader = self.leader().ok_or_else(|| Status::from(self.no_quorum()))?;
        if leader == self.peers().member_id {
            return self.change_membership_as_leader(change).await;
        }
        let unreachable = || Status::from(self.no_quorum());
        let node = self.node(leader).ok_or_else(unreachable)?;
        let mut client = self.peers().shared(leader, &node).ok_or_else(unreachable)?;
        let request = pb::ChangeMembershipRequest {
            header: Some(self.peers().header(leader)),
            change: Some(change.clone()),
        };
        let answer = self
            .while_leading(leader, client.change_membership(request))
            .await;
        answer.ok_or_else(unreachable)?.map(|_| ())
    }

    /// The change, made here or refused: hop limit 1.
    pub(crate) async fn change_membership_as_leader(
        &self,
        change: &pb::MembershipChange,
    ) -> Result<(), Status> {
        let view = self.view();
        if view.metrics.current_leader != Some(view.metrics.id) {
            return Err(self.no_quorum().into());
        }
        match change
            .change
            .as_ref()
            .ok_or_else(|| Status::invalid_argument("no change"))?
        {
            Change::AddLearner(node) => self.add_learner(&view, node).await,
            Change::Promote(id) => self.promote(&view, BTreeSet::from([*id])).await,
            Change::Remove(id) => self.remove(&view, *id).await,
            Change::Replace(replace) => self.replace(&view, *replace).await,
            Change::SetAddress(node) => self.set_address(&view, node).await,
            Change::TransferLeader(to) => self.transfer_leader(&view, *to).await,
        }
    }

    pub(crate) fn view(&self) -> View {
        let receiver = self.raft().metrics();
        let metrics = receiver.borrow_watched().clone();
        View {
            metrics,
            next_member_id: self.published.load().cluster.next_member_id(),
        }
    }

    async fn add_learner(&self, view: &View, node: &pb::MemberNode) -> Result<(), Status> {
        let id = node.id;
        let node = wire::node_from_wire(node.clone())?;
        if let Some(known) = view.node(id) {
            return match known.public_key == node.public_key {
                true => Ok(()),
                false => Err(Status::already_exists(format!(
                    "member {id} exists, with another key"
                ))),
            };
        }
        if let Some((other, _)) = view
            .nodes()
            .find(|(_, other)| other.public_key == node.public_key)
        {
            return Err(Status::already_exists(format!(
                "member {other} has this key already"
            )));
        }
        // Before the entry is there: the new member may call back at once.
        self.peers().pins.add(id, node.public_key.clone());
        self.change(ChangeMembers::AddNodes(BTreeMap::from([(id, node)])))
            .await
    }

    pub(crate) async fn promote(&self, view: &View, ids: BTreeSet<u64>) -> Result<(), Status> {
        for id in &ids {
            let node = view.known(*id)?;
            if node.kind == member_kind::Kind::Learner {
                let text = format!(
                    "member {id} joined as a learner for good; `chamois member add` lets one join that votes"
                );
                return Err(Status::failed_precondition(text));
            }
            view.require_caught_up(*id)?;
        }
        if ids.iter().all(|id| view.is_voter(*id)) {
            return Ok(());
        }
        tracing::info!(?ids, "become voters");
        self.change(ChangeMembers::AddVoterIds(ids)).await
    }

    async fn remove(&self, view: &View, id: u64) -> Result<(), Status> {
        let Some(node) = view.node(id) else {
            return view.was_member(id);
        };
        view.require_majority_without(id)?;
        if id == view.metrics.id {
            return self.step_aside(view).await;
        }
        let change = match view.is_voter(id) {
            true => ChangeMembers::RemoveVoters(BTreeSet::from([id])),
            false => ChangeMembers::RemoveNodes(BTreeSet::from([id])),
        };
        self.change(change).await?;
        self.say_farewell(id, &node);
        Ok(())
    }

    async fn replace(&self, view: &View, replace: Replace) -> Result<(), Status> {
        let Replace { old, new } = replace;
        let Some(node) = view.node(old) else {
            return view.was_member(old);
        };
        view.known(new)?;
        if !view.is_voter(old) {
            return Err(Status::failed_precondition(format!(
                "member {old} is no voter; `chamois member remove {old}`"
            )));
        }
        view.require_caught_up(new)?;
        if old == view.metrics.id {
            return self.step_aside(view).await;
        }
        tracing::info!(old, new, "one voter in place of another");
        let voters: BTreeSet<u64> = view.voters().filter(|id| *id != old).chain([new]).collect();
        self.change(ChangeMembers::ReplaceAllVoters(voters)).await?;
        self.say_farewell(old, &node);
        Ok(())
    }

    async fn set_address(&self, view: &View, node: &pb::MemberNode) -> Result<(), Status> {
        let known = view.known(node.id)?;
        let moved = MemberNode {
            peer_address: node.peer_address.clone(),
            api_address: node.api_address.clone(),
            ..known.clone()
        };
        if moved == known {
            return Ok(());
        }
        self.change(ChangeMembers::SetNodes(BTreeMap::from([(node.id, moved)])))
            .await
    }

    async fn transfer_leader(&self, view: &View, to: u64) -> Result<(), Status> {
        let to = match to {
            0 => heir(&view.metrics).ok_or_else(|| Status::failed_precondition("no other voter can lead"))?,
            id if id == view.metrics.id => return Ok(()),
            id => {
                view.known(id)?;
                view.require_caught_up(id)?;
                if !view.is_voter(id) {
                    return Err(Status::failed_precondition(format!("member {id} is no voter")));
                }
                id
            }
        };
        let stopped = |fatal| Status::unavailable(format!("Raft has stopped on this member: {fatal}"));
        self.raft().trigger().transfer_leader(to).await.map_err(stopped)?;
        let mut metrics = self.raft().server_metrics();
        let moved = async {
            while metrics.borrow_watched().current_leader != Some(to) {
                if metrics.changed().await.is_err() {
                    return;
                }
            }
        };
        match tokio::time::timeout(CHANGE_AT_MOST / 4, moved).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Status::aborted(format!(
                "member {to} has not taken over; ask `chamois cluster status`"
            ))),
        }
    }

    /// A leader that is to leave hands over first; the attempt is repeated at the next one.
    async fn step_aside(&self, view: &View) -> Result<(), Status> {
        self.transfer_leader(view, 0).await?;
        Err(self.no_quorum().into())
    }

    /// Tells a removed member, which hears of its removal from nobody else.
    fn say_farewell(&self, id: u64, node: &MemberNode) {
        let Some(mut client) = self.peers().shared(id, node) else {
            return;
        };
        let request = pb::FarewellRequest {
            header: Some(self.peers().header(id)),
        };
        tokio::spawn(async move {
            let told = tokio::time::timeout(FAREWELL_AT_MOST, client.farewell(request)).await;
            tracing::info!(
                member = id,
                told = matches!(told, Ok(Ok(_))),
                "removed from the cluster"
            );
        });
    }

    async fn change(&self, change: ChangeMembers<u64, MemberNode>) -> Result<(), Status> {
        let changed = self.raft().change_membership(change, false);
        match self.while_leading(self.peers().member_id, changed).await {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(self.failure(error)),
            None => Err(self.no_quorum().into()),
        }
    }

    /// Another change that is under way, or a leader that is new, is worth another attempt.
    fn failure(&self, error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> Status {
        match error {
            RaftError::APIError(
                ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
            ) => self.no_quorum().into(),
            RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => {
                use openraft::error::ChangeMembershipError as Why;
                match error {
                    Why::InProgress(_) | Why::UncommittedLeaderLog(_) => Error::NotReady {
                        retry_after: RETRY_PAUSE,
                        reason: "another change of the membership is under way".to_owned(),
                    }
                    .into(),
                    error => Status::failed_precondition(error.to_string()),
                }
            }
            RaftError::APIError(error) => Status::internal(error.to_string()),
            RaftError::Fatal(fatal) => {
                Status::unavailable(format!("Raft has stopped on this member: {fatal}"))
            }
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

    fn node(&self, id: u64) -> Option<MemberNode> {
        self.metrics.membership_config.get_node(&id).cloned()
    }

    pub(crate) fn voters(&self) -> impl Iterator<Item = u64> + '_ {
        self.metrics.membership_config.voter_ids()
    }

    pub(crate) fn is_voter(&self, id: u64) -> bool {
        self.voters().any(|voter| voter == id)
    }

    fn known(&self, id: u64) -> Result<MemberNode, Status> {
        self.node(id).ok_or_else(|| not_found(id))
    }

    /// A member that is gone is as good as removed again; one that never was is a mistake.
    fn was_member(&self, id: u64) -> Result<(), Status> {
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

    fn require_caught_up(&self, id: u64) -> Result<(), Status> {
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
    fn require_majority_without(&self, id: u64) -> Result<(), Status> {
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
