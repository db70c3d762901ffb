//! A store that applies in place: unit tests of services need no Raft.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::cluster::v1::ClusterStatus;
use proto::raft::v1 as pb;
use rpc::Error;
use state::State;
use state::cluster::FEATURE_LEVEL_KNOWN;

use crate::command_numbers::CommandNumbers;
use crate::deed::{Deed, DeedKind};
use crate::history::Revision;
use crate::member_session::MemberSession;
use crate::published::Published;
use crate::sources::Sources;

/// One process, one state. Without `majority` it behaves as a member cut off from the others.
#[derive(Debug)]
pub(crate) struct InMemory {
    pub(crate) published: Arc<Published>,
    writer: Mutex<State>,
    session: MemberSession,
    sources: Sources,
    majority: bool,
}

impl InMemory {
    pub(crate) fn new(majority: bool) -> InMemory {
        InMemory::with_state(State::at_level(FEATURE_LEVEL_KNOWN), majority)
    }

    pub(crate) fn with_state(state: State, majority: bool) -> InMemory {
        InMemory::on(Published::new(state.clone()), state, majority)
    }

    /// With a majority; what is applied is recorded for a journal.
    pub(crate) fn recording(state: State) -> InMemory {
        InMemory::on(Published::recording(state.clone()), state, true)
    }

    fn on(published: Arc<Published>, state: State, majority: bool) -> InMemory {
        // its sessions are none of those that the state remembers
        let sources = Sources::deterministic(1 + state.applied_index());
        InMemory {
            published,
            writer: Mutex::new(state),
            session: MemberSession::new(sources.clone()),
            sources,
            majority,
        }
    }

    pub(crate) fn propose(&self, mut entry: pb::Entry) -> Result<pb::Outcome, Error> {
        self.linearize()?;
        let now_ms = (self.sources.now_ms)();
        let ticket = self.session.begin(now_ms);
        let header = entry.header.get_or_insert_default();
        header.session.get_or_insert_with(|| ticket.session.clone());
        header.proposed_at_ms = now_ms;
        header.random = self.sources.random_16();
        let mut state = self
            .writer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let index = state.applied_index() + 1;
        let applied = state.apply(index, &entry);
        if let Some(ledger) = self.published.ledger() {
            let mut deed = Deed::of(index, &entry, &state, &applied);
            deed.what = DeedKind::Command(CommandNumbers::of(&state::encode_exact(&entry)?));
            ledger.record(vec![deed]);
        }
        let revision = Revision::of(index, &entry, &state, applied.events);
        self.published
            .publish(state.clone(), revision.into_iter().collect());
        Ok(applied.outcome)
    }

    pub(crate) fn random_16(&self) -> Vec<u8> {
        self.sources.random_16()
    }

    pub(crate) fn cluster_time_ms(&self) -> u64 {
        self.published.load().time_ms().max((self.sources.now_ms)())
    }

    pub(crate) fn linearize(&self) -> Result<(), Error> {
        if self.majority {
            return Ok(());
        }
        Err(Error::NoQuorum {
            retry_after: Duration::from_secs(1),
        })
    }

    pub(crate) fn status(&self) -> ClusterStatus {
        let state = self.published.load();
        ClusterStatus {
            cluster_name: state.cluster_name().to_owned(),
            cluster_id: state.cluster_id().to_owned(),
            member_id: 1,
            leader_id: u64::from(self.majority),
            applied_index: state.applied_index(),
            digest: state.digest(),
            feature_level: state.feature_level(),
            ..ClusterStatus::default()
        }
    }
}
