//! A member of the cluster behind `Store`: proposals and read indexes, forwarded to the leader when it is another.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use openraft::error::{ClientWriteError, RaftError};
use openraft::{Raft, ReadPolicy};
use proto::raft::v1 as pb;
use rpc::Error;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::member_session::MemberSession;
use crate::peers::Peers;
use crate::profile::Profile;
use crate::published::Published;
use crate::sources::Sources;
use crate::state_machine::StateMachine;
use crate::type_config::{Command, MemberNode, TypeConfig};

/// An entry's encoded size.
const ENTRY_BYTES_MAX: usize = 8 << 20;
const ENTRY_LIMIT: &str = "8 MiB";
/// Proposals of this member under way at once; the session window of the state is larger.
const PROPOSALS_IN_FLIGHT_MAX: usize = 512;
/// How long a proposal is retried before its outcome is called unknown.
const PROPOSE_DEADLINE: Duration = Duration::from_secs(10);
/// How long one attempt at one leader may take.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(3);
/// Pause before a new attempt while no leader is known or the known one does not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// One member's Raft with what `Store` needs around it.
pub(crate) struct Replicated {
    raft: Raft<TypeConfig, StateMachine>,
    peers: Peers,
    profile: Profile,
    sources: Sources,
    session: MemberSession,
    in_flight: Semaphore,
    verified: AtomicBool,
    pub(crate) published: Arc<Published>,
}

impl std::fmt::Debug for Replicated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raft member {}", self.peers.member_id)
    }
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
        profile: Profile,
        sources: Sources,
        published: Arc<Published>,
    ) -> Replicated {
        Replicated {
            raft,
            peers,
            profile,
            session: MemberSession::new(sources.clone()),
            sources,
            in_flight: Semaphore::new(PROPOSALS_IN_FLIGHT_MAX),
            verified: AtomicBool::new(false),
            published,
        }
    }

    pub(crate) fn raft(&self) -> &Raft<TypeConfig, StateMachine> {
        &self.raft
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }

    pub(crate) fn set_verified(&self) {
        self.verified.store(true, Ordering::Release);
    }

    /// The leader, if one is known.
    pub(crate) fn leader(&self) -> Option<u64> {
        self.raft.metrics().borrow_watched().current_leader
    }

    fn node(&self, id: u64) -> Option<MemberNode> {
        self.raft
            .metrics()
            .borrow_watched()
            .membership_config
            .get_node(&id)
            .cloned()
    }

    /// Proposes here or at the leader until an outcome is known or the deadline has passed.
    pub(crate) async fn propose(&self, mut entry: pb::Entry) -> Result<pb::Outcome, Error> {
        let _permit = self
            .in_flight
            .acquire()
            .await
            .map_err(|_| Error::Internal("stopping".to_owned()))?;
        let ticket = self
            .session
            .begin(self.published.load().time_ms().max((self.sources.now_ms)()));
        let header = entry.header.get_or_insert_default();
        header.session.get_or_insert_with(|| ticket.session.clone());
        let started = Instant::now();
        let mut last_failure = None;
        loop {
            match self.attempt(&entry).await {
                Ok(outcome) => return Ok(outcome),
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::NoLeader) => {}
                Err(Attempt::Unknown(reason)) => last_failure = Some(reason),
            }
            let waited = started.elapsed();
            if last_failure.is_none() && waited > self.profile.leaderless_max() {
                return Err(self.no_quorum());
            }
            if waited > PROPOSE_DEADLINE {
                tracing::warn!(reason = last_failure, "the outcome of a proposal stays unknown");
                return Err(Error::OutcomeUnknown);
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn attempt(&self, entry: &pb::Entry) -> Result<pb::Outcome, Attempt> {
        let leader = self.leader().ok_or(Attempt::NoLeader)?;
        if leader == self.peers.member_id {
            return self.append(entry.clone()).await;
        }
        let node = self.node(leader).ok_or(Attempt::NoLeader)?;
        let request = pb::ProposeRequest {
            header: Some(self.peers.header(leader)),
            entry: Some(entry.clone()),
        };
        let mut client = self.peers.shared(leader, &node).ok_or(Attempt::NoLeader)?;
        match self.while_leading(leader, client.propose(request)).await {
            Some(Ok(response)) => Ok(response.into_inner()),
            Some(Err(status)) if is_final(&status) => Err(Attempt::Final(rejected_by_leader(&status))),
            Some(Err(status)) => Err(Attempt::Unknown(status.to_string())),
            None => Err(Attempt::Unknown(format!("member {leader} did not answer"))),
        }
    }

    /// The answer of `leader`, unless it takes too long or another member leads meanwhile: a frozen leader
    /// would never answer.
    async fn while_leading<T>(&self, leader: u64, answer: impl Future<Output = T>) -> Option<T> {
        let mut metrics = self.raft.metrics();
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
        self.append(entry).await.map_err(|attempt| match attempt {
            Attempt::NoLeader => self.no_quorum(),
            Attempt::Unknown(_) => Error::OutcomeUnknown,
            Attempt::Final(error) => error,
        })
    }

    /// Stamps what only the leader may stamp, and appends.
    async fn append(&self, mut entry: pb::Entry) -> Result<pb::Outcome, Attempt> {
        let header = entry.header.get_or_insert_default();
        header.proposed_at_ms = self.published.load().time_ms().max((self.sources.now_ms)());
        header.random = self.sources.random_16();
        let bytes = state::encode_exact(&entry).map_err(|rejection| Attempt::Final(rejection.into()))?;
        if bytes.len() > ENTRY_BYTES_MAX {
            let what = format!("a change of {} bytes (send it in several requests)", bytes.len());
            return Err(Attempt::Final(Error::TooLarge {
                what,
                limit: ENTRY_LIMIT.to_owned(),
            }));
        }
        let write = self.raft.client_write(Command(bytes.into()));
        match self.while_leading(self.peers.member_id, write).await {
            Some(Ok(response)) => Ok(response.data.0),
            Some(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to)))) => {
                Err(Attempt::Unknown(format!("this member does not lead: {to}")))
            }
            Some(Err(error)) => Err(Attempt::Final(Error::Internal(error.to_string()))),
            None => Err(Attempt::Unknown("no majority answered".to_owned())),
        }
    }

    /// A read index from the leader, then the wait until this member has applied it.
    pub(crate) async fn linearize(&self) -> Result<(), Error> {
        let deadline = Instant::now() + self.profile.leaderless_max();
        loop {
            if let Ok(Ok(index)) = tokio::time::timeout_at(deadline, self.read_index()).await {
                let left = deadline.saturating_duration_since(Instant::now());
                return match self.published.wait_for(index, left).await {
                    true => Ok(()),
                    false => Err(self.no_quorum()),
                };
            }
            if Instant::now() >= deadline {
                return Err(self.no_quorum());
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn read_index(&self) -> Result<u64, Error> {
        let leader = self.leader().ok_or_else(|| self.no_quorum())?;
        if leader == self.peers.member_id {
            return self.read_index_as_leader().await;
        }
        let node = self.node(leader).ok_or_else(|| self.no_quorum())?;
        let mut client = self.peers.shared(leader, &node).ok_or_else(|| self.no_quorum())?;
        let request = pb::ReadIndexRequest {
            header: Some(self.peers.header(leader)),
        };
        match self.while_leading(leader, client.read_index(request)).await {
            Some(Ok(answer)) => Ok(answer.into_inner().index),
            Some(Err(_)) | None => Err(self.no_quorum()),
        }
    }

    /// The index that a majority confirms as committed now.
    pub(crate) async fn read_index_as_leader(&self) -> Result<u64, Error> {
        let confirmed = self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await;
        Ok(confirmed.map_err(|_| self.no_quorum())?.read_log_id().index())
    }

    fn no_quorum(&self) -> Error {
        Error::NoQuorum {
            retry_after: self.profile.leaderless_max(),
        }
    }
}

/// Errors of the leader that another attempt would meet again.
fn is_final(status: &tonic::Status) -> bool {
    matches!(
        status.code(),
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted | tonic::Code::InvalidArgument
    )
}

fn rejected_by_leader(status: &tonic::Status) -> Error {
    Error::TooLarge {
        what: status.message().to_owned(),
        limit: ENTRY_LIMIT.to_owned(),
    }
}
