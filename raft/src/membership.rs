//! Changes of the membership: at the leader, whichever member was asked. What would cost the cluster its majority is
//! refused, and every change may be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver as _;
use openraft::error::{ClientWriteError, RaftError};
use proto::raft::v1 as pb;
use proto::raft::v1::membership_change::{Change, Replace};
use rpc::Error;
use tokio::time::Instant;
use tonic::Status;

use crate::membership_view::{View, heir};
use crate::replicated::Replicated;
use crate::type_config::{MemberNode, TypeConfig};
use crate::wire;

/// How long a change may take, an election in between included.
const CHANGE_AT_MOST: Duration = Duration::from_secs(20);
/// Pause before a new attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

impl Replicated {
    /// Makes the change here or at the leader.
    ///
    /// # Errors
    /// `FailedPrecondition` for what would endanger the majority, `NotFound` for an unknown member, `InvalidArgument`;
    /// `Unavailable` without a leader for 20 s.
    pub(crate) async fn change_membership(&self, change: &pb::MembershipChange) -> Result<(), Status> {
        let deadline = Instant::now() + CHANGE_AT_MOST;
        let mut led = None;
        loop {
            if change.change == Some(Change::TransferLeader(0)) && has_moved(&mut led, self.leader()) {
                return Ok(()); // an attempt whose answer was lost
            }
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
        if self.farewells.knows(id) || !self.peers().stores.of(id).is_empty() {
            return Err(Status::failed_precondition(format!(
                "member {id} was removed, and its id is never given again: `chamois join` with a new token and an empty \
                 directory makes a new key, which gets a new id"
            )));
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
            view.require_may_vote(*id)?;
            view.require_caught_up(*id)?;
        }
        if !view.is_joint() && ids.is_subset(&view.target()) {
            return Ok(());
        }
        tracing::info!(?ids, "become voters");
        self.change(ChangeMembers::AddVoterIds(ids)).await
    }

    /// The second half of a change of voters for which nobody waits any more: openraft writes it for the one who asked, and
    /// only for as long as that one waits.
    pub(crate) async fn finish_change(&self) -> Result<(), Status> {
        tracing::info!("a change of the voters was half done; it is finished");
        self.change(ChangeMembers::AddVoterIds(BTreeSet::new())).await
    }

    async fn remove(&self, view: &View, id: u64) -> Result<(), Status> {
        let Some(node) = view.node(id) else {
            return self.remove_again(view, id);
        };
        view.require_majority_without(id)?;
        if id == view.metrics.id {
            return self.step_aside(view).await;
        }
        let change = match view.is_voter(id) {
            true => ChangeMembers::RemoveVoters(BTreeSet::from([id])),
            false => ChangeMembers::RemoveNodes(BTreeSet::from([id])),
        };
        self.farewells.begin(id, Some(node));
        self.change(change).await?;
        self.say_farewells();
        Ok(())
    }

    async fn replace(&self, view: &View, replace: Replace) -> Result<(), Status> {
        let Replace { old, new } = replace;
        let Some(node) = view.node(old) else {
            return self.remove_again(view, old);
        };
        let voters = view.replaced(old, new)?;
        if old == view.metrics.id {
            return self.step_aside(view).await;
        }
        tracing::info!(old, new, "one voter in place of another");
        self.farewells.begin(old, Some(node));
        self.change(ChangeMembers::ReplaceAllVoters(voters)).await?;
        self.say_farewells();
        Ok(())
    }

    /// A member that is gone may not have heard of it.
    fn remove_again(&self, view: &View, id: u64) -> Result<(), Status> {
        view.was_member(id)?;
        self.farewells.begin(id, None);
        self.say_farewells();
        Ok(())
    }

    /// Tells the removed members that have not heard of it yet.
    pub(crate) fn say_farewells(&self) {
        self.farewells.say(self.peers(), &self.view());
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

/// Whether another member `leads` than the one that led when leadership was to leave it.
fn has_moved(led: &mut Option<u64>, leads: Option<u64>) -> bool {
    let before = *led;
    *led = before.or(leads);
    before.zip(leads).is_some_and(|(before, leads)| before != leads)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer that was lost must not move leadership once more.
    #[test]
    fn leadership_has_moved_once_another_member_leads() {
        let mut led = None;
        let looks = [None, Some(1), None, Some(1), Some(2), Some(1)];
        let moved = looks.map(|leads| has_moved(&mut led, leads));
        assert_eq!(moved, [false, false, false, false, true, false]);
    }
}
