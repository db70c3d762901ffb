//! A member of the cluster behind `Store`: proposals and read indexes, forwarded to the leader when it is another.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use openraft::error::{ClientWriteError, RaftError};
use openraft::{Raft, ReadPolicy};
use prost::Message as _;
use proto::raft::v1 as pb;
use rpc::Error;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::farewell::Farewells;
use crate::fresh_since::FreshSince;
use crate::majority::Majority;
use crate::member_session::{self, MemberSession};
use crate::peers::Peers;
use crate::profile::Profile;
use crate::published::Published;
use crate::read_index::ReadIndexes;
use crate::removed::Removed;
use crate::sources::Sources;
use crate::state_machine::StateMachine;
use crate::type_config::{Command, MemberNode, TypeConfig};

/// Proposals of this member under way at once; the session window of the state is larger.
const PROPOSALS_IN_FLIGHT_MAX: usize = 512;
/// How long a proposal is retried before its outcome is called unknown.
const PROPOSE_DEADLINE: Duration = Duration::from_secs(10);
/// How long one attempt at one leader may take.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(3);
/// Sessions of its own that a member tries for one request, when others have filled the one before or its clock was wrong.
const OWN_SESSIONS_MAX: usize = 3;
/// Pause before a new attempt while no leader is known or the known one does not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// One member's Raft with what `Store` needs around it.
pub(crate) struct Replicated {
    raft: Raft<TypeConfig, StateMachine>,
    peers: Peers,
    profile: Profile,
    lease_reads: bool,
    sources: Sources,
    session: MemberSession,
    in_flight: Semaphore,
    verified: AtomicBool,
    majority: Majority,
    read_indexes: ReadIndexes,
    removed: Removed,
    pub(crate) farewells: Farewells,
    pub(crate) fresh: FreshSince,
    pub(crate) published: Arc<Published>,
}

impl std::fmt::Debug for Replicated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raft member {}", self.peers.member_id)
    }
}

/// What a member goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) profile: Profile,
    pub(crate) lease_reads: bool,
}

/// Why one attempt gave no outcome.
enum Attempt {
    /// Nothing was sent: no leader is known.
    NoLeader,
    /// It may have been appended; the same session may be tried again.
    Unknown(String),
    /// Trying again cannot help.
    Final(Error),
}

impl Replicated {
    pub(crate) fn new(
        raft: Raft<TypeConfig, StateMachine>,
        peers: Peers,
        timing: Timing,
        sources: Sources,
        published: Arc<Published>,
        read_indexes: ReadIndexes,
        removed: Removed,
    ) -> Replicated {
        Replicated {
            raft,
            peers,
            profile: timing.profile,
            lease_reads: timing.lease_reads,
            session: MemberSession::new(sources.clone()),
            sources,
            in_flight: Semaphore::new(PROPOSALS_IN_FLIGHT_MAX),
            verified: AtomicBool::new(false),
            majority: Majority::new(),
            read_indexes,
            removed,
            farewells: Farewells::default(),
            fresh: FreshSince::new(),
            published,
        }
    }

    pub(crate) fn raft(&self) -> &Raft<TypeConfig, StateMachine> {
        &self.raft
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Whether this member was removed.
    pub(crate) fn removed(&self) -> &Removed {
        &self.removed
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }

    pub(crate) fn set_verified(&self) {
        self.verified.store(true, Ordering::Release);
    }

    /// Whether a majority has answered this member lately.
    pub(crate) fn has_majority(&self) -> bool {
        self.majority.has_answered()
    }

    pub(crate) fn leads(&self) -> bool {
        self.leader() == Some(self.peers.member_id) && self.has_majority()
    }

    /// What every member has applied, as far as the leader has heard; none at others, or as long as a member has said nothing.
    pub(crate) fn applied_by_all(&self) -> Option<u64> {
        if !self.leads() {
            return None;
        }
        let own = (self.peers.member_id, self.published.load().applied_index());
        let view = self.view();
        let applied = view.nodes().map(|(id, _)| match id == own.0 {
            true => Some(own.1),
            false => self.peers.applied_by(id),
        });
        applied.collect::<Option<Vec<u64>>>()?.into_iter().min()
    }

    /// The leader, if one is named.
    pub(crate) fn leader(&self) -> Option<u64> {
        self.raft.server_metrics().borrow_watched().current_leader
    }

    pub(crate) fn node(&self, id: u64) -> Option<MemberNode> {
        let membership = Arc::clone(&self.raft.server_metrics().borrow_watched().membership_config);
        membership.get_node(&id).cloned()
    }

    pub(crate) fn random_16(&self) -> Vec<u8> {
        self.sources.random_16()
    }

    /// Cluster time; a leader's own is what it stamps.
    pub(crate) fn cluster_time_ms(&self) -> u64 {
        let applied_ms = self.published.load().time_ms();
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let own = self.peers.member_id;
        if metrics.current_leader != Some(own) {
            return self.peers.clock.as_member(applied_ms);
        }
        let voters = || metrics.membership_config.voter_ids().collect();
        self.peers.clock.as_leader(own, voters, applied_ms)
    }

    /// Proposes here or at the leader until an outcome is known or the deadline has passed.
    pub(crate) async fn propose(&self, mut entry: pb::Entry) -> Result<pb::Outcome, Error> {
        let permit = tokio::time::timeout(ATTEMPT_DEADLINE, self.in_flight.acquire()).await;
        let _permit = permit.map_err(|_| Error::Overloaded {
            what: "changes under way on this member".to_owned(),
            retry_after: ATTEMPT_DEADLINE,
        })?;
        let own_session = entry.header.get_or_insert_default().session.is_none();
        if !own_session {
            return Box::pin(self.settle(&entry)).await;
        }
        for _ in 0..OWN_SESSIONS_MAX {
            let ticket = self.session.begin(self.cluster_time_ms());
            entry.header.get_or_insert_default().session = Some(ticket.session.clone());
            let outcome = Box::pin(self.settle(&entry)).await?;
            // nothing was applied: safe under a new id
            if member_session::is_full(&outcome) {
                self.session.renew(&ticket, self.cluster_time_ms());
            } else if member_session::is_ahead(&outcome) {
                self.session.renew(&ticket, self.published.load().time_ms());
            } else {
                return Ok(outcome);
            }
        }
        Err(Error::Internal("this member's sessions are refused".to_owned()))
    }

    /// Tries until the outcome of `entry` is known.
    async fn settle(&self, entry: &pb::Entry) -> Result<pb::Outcome, Error> {
        let started = Instant::now();
        let mut last_failure = None;
        loop {
            match self.attempt(entry).await {
                Ok(outcome) => return Ok(outcome),
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::NoLeader) => {}
                Err(Attempt::Unknown(reason)) => last_failure = Some(reason),
            }
            if self.removed.is_declared() {
                return Err(last_failure.map_or_else(was_removed, |_| Error::OutcomeUnknown));
            }
            let waited = started.elapsed();
            let leaderless = waited > self.profile.leaderless_max() || !self.has_majority();
            match &last_failure {
                None if leaderless => return Err(self.no_quorum()),
                Some(reason) if waited > PROPOSE_DEADLINE || !self.has_majority() => {
                    tracing::warn!(reason, "the outcome of a proposal stays unknown");
                    return Err(Error::OutcomeUnknown);
                }
                Some(_) | None => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }

    async fn attempt(&self, entry: &pb::Entry) -> Result<pb::Outcome, Attempt> {
        let leader = self
            .leader()
            .filter(|_| self.has_majority())
            .ok_or(Attempt::NoLeader)?;
        if leader == self.peers.member_id {
            // `Store::propose` has made sure that every member can decode it
            return self.append(self.stamped(entry.clone()).encode_to_vec()).await;
        }
        let node = self.node(leader).ok_or(Attempt::NoLeader)?;
        let request = pb::ProposeRequest {
            header: Some(self.peers.header(leader)),
            entry: Some(entry.clone()),
        };
        let mut client = self.peers.shared(leader, &node).ok_or(Attempt::NoLeader)?;
        match self.while_leading(leader, client.propose(request)).await {
            Some(Ok(response)) => Ok(response.into_inner()),
            Some(Err(status)) => Err(forward_failure(&status)),
            None => Err(Attempt::Unknown(format!("member {leader} did not answer"))),
        }
    }

    /// The answer of `leader`, unless it takes too long or another member leads meanwhile: a frozen leader
    /// would never answer.
    pub(crate) async fn while_leading<T>(&self, leader: u64, answer: impl Future<Output = T>) -> Option<T> {
        let mut metrics = self.raft.server_metrics();
        let deposed = async {
            while metrics.borrow_watched().current_leader == Some(leader) {
                if metrics.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = deposed => None,
            () = tokio::time::sleep(ATTEMPT_DEADLINE) => None,
        }
    }

    /// A forwarded proposal: appended here or refused, never forwarded again.
    pub(crate) async fn propose_as_leader(&self, entry: pb::Entry) -> Result<pb::Outcome, Error> {
        let bytes = state::encode_exact(&self.stamped(entry))?;
        self.append(bytes).await.map_err(|attempt| match attempt {
            Attempt::NoLeader => self.no_quorum(),
            Attempt::Unknown(_) => Error::OutcomeUnknown,
            Attempt::Final(error) => error,
        })
    }

    /// The entry with what only the leader may stamp.
    fn stamped(&self, mut entry: pb::Entry) -> pb::Entry {
        let header = entry.header.get_or_insert_default();
        header.proposed_at_ms = self.cluster_time_ms();
        header.random = self.sources.random_16();
        entry
    }

    /// Appends an encoded entry and waits for its outcome.
    async fn append(&self, bytes: Vec<u8>) -> Result<pb::Outcome, Attempt> {
        let write = self.raft.client_write(Command(bytes.into()));
        match self.while_leading(self.peers.member_id, write).await {
            Some(Ok(response)) => Ok(response.data.0),
            Some(Err(error)) => Err(append_failure(error)),
            None => Err(Attempt::Unknown("no majority answered".to_owned())),
        }
    }

    /// A read index from the leader, then the wait until this member has applied it.
    pub(crate) async fn linearize(&self) -> Result<(), Error> {
        if self.removed.is_declared() {
            return Err(was_removed());
        }
        if !self.has_majority() {
            return Err(self.no_quorum());
        }
        self.reach_read_index().await
    }

    /// [`Replicated::linearize`] whatever was known of the majority before; the answer is remembered.
    pub(crate) async fn reach_read_index(&self) -> Result<(), Error> {
        let deadline = Instant::now() + self.profile.leaderless_max();
        let before = self.majority.ask();
        loop {
            let asked = Instant::now();
            if let Ok(Some(index)) = tokio::time::timeout_at(deadline, self.read_indexes.next()).await {
                self.majority.answered();
                let left = deadline.saturating_duration_since(Instant::now());
                return match self.published.wait_for(index, left).await {
                    true => {
                        self.fresh.since(asked);
                        Ok(())
                    }
                    false => Err(Error::NotReady {
                        retry_after: Duration::from_secs(1),
                        reason: "it is behind the leader".to_owned(),
                    }),
                };
            }
            if Instant::now() >= deadline {
                self.majority.not_answered(before);
                return Err(self.no_quorum());
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Asks for a read index again and again, so that [`Replicated::has_majority`] stays true to the facts.
    pub(crate) async fn watch_majority(&self) {
        loop {
            let had = self.has_majority();
            let has = !matches!(self.reach_read_index().await, Err(Error::NoQuorum { .. }));
            if had != has {
                tracing::warn!(has_majority = has, "the majority of members");
            }
            let pause = if has {
                self.profile.leaderless_max() / 2
            } else {
                RETRY_PAUSE
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One round: the index that the leader confirms, asked of it if it is another member.
    pub(crate) async fn read_index(&self) -> Option<u64> {
        let leader = self.leader()?;
        if leader == self.peers.member_id {
            let confirmed = self.while_leading(leader, self.read_index_as_leader()).await;
            return confirmed?.ok();
        }
        let node = self.node(leader)?;
        let mut client = self.peers.shared(leader, &node)?;
        let request = pb::ReadIndexRequest {
            header: Some(self.peers.header(leader)),
        };
        let answer = self.while_leading(leader, client.read_index(request)).await;
        Some(answer?.ok()?.into_inner().index)
    }

    /// The index that a majority confirms as committed now; or that the lease says is, if that is allowed and the lease
    /// lasts.
    pub(crate) async fn read_index_as_leader(&self) -> Result<u64, Error> {
        if self.lease_reads
            && let Ok(confirmed) = self.raft.get_read_linearizer(ReadPolicy::LeaseRead).await
        {
            return Ok(confirmed.read_log_id().index());
        }
        let confirmed = self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await;
        Ok(confirmed.map_err(|_| self.no_quorum())?.read_log_id().index())
    }

    pub(crate) fn no_quorum(&self) -> Error {
        Error::NoQuorum {
            retry_after: self.profile.leaderless_max(),
        }
    }
}

/// For the moment between a member's removal and its end: another one can be asked.
fn was_removed() -> Error {
    Error::NotReady {
        retry_after: RETRY_PAUSE,
        reason: "it was removed from its cluster; ask another member".to_owned(),
    }
}

/// What a leader's refusal of a forwarded proposal means. What it did not append carries no word of an unknown
/// outcome, and may simply be tried again.
fn forward_failure(status: &tonic::Status) -> Attempt {
    let outcome_unknown = status.metadata().contains_key(rpc::OUTCOME);
    match status.code() {
        tonic::Code::Unavailable | tonic::Code::ResourceExhausted if !outcome_unknown => Attempt::NoLeader,
        // to a member that was removed and has not heard of it yet
        tonic::Code::PermissionDenied => Attempt::NoLeader,
        tonic::Code::InvalidArgument | tonic::Code::FailedPrecondition => Attempt::Final(Error::Internal(
            format!("the leader refused: {}", status.message()),
        )),
        _ => Attempt::Unknown(status.to_string()),
    }
}

fn append_failure(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> Attempt {
    match error {
        // Said before anything is appended.
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => Attempt::NoLeader,
        // Another leader's log replaced ours: it may hold the entry all the same.
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(to)) => Attempt::Unknown(to.to_string()),
        RaftError::APIError(error) => Attempt::Final(Error::Internal(error.to_string())),
        RaftError::Fatal(fatal) => {
            tracing::error!(%fatal, "Raft has stopped on this member");
            Attempt::Final(Error::OutcomeUnknown)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Try again" and "may have happened" must not be confused: the one is safe, the other needs the same session.
    #[test]
    fn a_leaders_refusal_is_read_as_it_is_meant() {
        let no_quorum = Error::NoQuorum {
            retry_after: Duration::from_secs(1),
        };
        assert!(matches!(forward_failure(&no_quorum.into()), Attempt::NoLeader));
        assert!(matches!(
            forward_failure(&Error::OutcomeUnknown.into()),
            Attempt::Unknown(_)
        ));
        assert!(matches!(
            forward_failure(&tonic::Status::deadline_exceeded("late")),
            Attempt::Unknown(_)
        ));
        assert!(matches!(
            forward_failure(&tonic::Status::permission_denied("not a member")),
            Attempt::NoLeader
        ));
        assert!(matches!(
            forward_failure(&tonic::Status::failed_precondition("another cluster")),
            Attempt::Final(_)
        ));
    }
}
