//! `Store`: what services hold. Propose a change, read the applied state, ask for a read index.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::BootContext;
use proto::auth::v1::Grant;
use proto::bss::v1::bss_command::Change;
use proto::cluster::v1::ClusterStatus;
use proto::raft::v1 as pb;
use proto::raft::v1::entry::Command;
use rpc::{Author, Error, Etag, Trial};
use state::cluster::{FEATURE_LEVEL_AUTH, FEATURE_LEVEL_INVENTORY, FEATURE_LEVEL_REQUESTS};
use state::{Event, RowKind, State};
use tonic::Status;

use crate::in_memory::InMemory;
use crate::ledger::Ledger;
use crate::metrics::{self, Counters};
use crate::past::{self, Past};
use crate::published::Published;
use crate::rank::Rank;
use crate::replicated::Replicated;
use crate::snapshot_pieces::{self, SnapshotPieces};
use crate::trial::{self, Trials};
use crate::type_config::MemberNode;
use crate::watch::Watch;

/// A change's encoded size.
const ENTRY_BYTES_MAX: usize = 8 << 20;
/// How long a member waits to have applied what the leader has acknowledged.
const APPLY_WAIT: Duration = Duration::from_secs(10);

/// How long a member that is behind what a node has seen may take before the node is told to come back.
const CONTEXT_WAIT: Duration = Duration::from_millis(500);

/// The replicated state: a handle, cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Backend,
    trials: Trials,
}

#[derive(Clone, Debug)]
enum Backend {
    InMemory(Arc<InMemory>),
    Replicated(Arc<Replicated>, Arc<Counters>),
}

/// An acknowledged change: on disk on a majority, and applied by this member.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// Log index of the change.
    pub revision: u64,
    /// What it created, updated and left as it was.
    pub applied: pb::outcome::Applied,
}

impl Committed {
    pub(crate) fn new(revision: u64, outcome: pb::Outcome) -> Committed {
        let applied = match outcome.result {
            Some(pb::outcome::Result::Applied(applied)) => applied,
            Some(pb::outcome::Result::Rejected(_)) | None => pb::outcome::Applied::default(),
        };
        Committed { revision, applied }
    }
}

impl Store {
    fn on(backend: Backend) -> Store {
        let trials = Trials::default();
        Store { backend, trials }
    }

    /// A store of this process alone, applied in place: for unit tests and tools.
    pub fn in_memory() -> Store {
        Store::on(Backend::InMemory(Arc::new(InMemory::new(true))))
    }

    /// Like [`Store::in_memory`], with a state to begin with. What led to it is not known, as after a restart.
    pub fn in_memory_with(state: State) -> Store {
        Store::on(Backend::InMemory(Arc::new(InMemory::with_state(state, true))))
    }

    /// Like [`Store::in_memory`] with a state to begin with, but no majority: writes and read indexes fail.
    pub fn in_memory_without_majority(state: State) -> Store {
        Store::on(Backend::InMemory(Arc::new(InMemory::with_state(state, false))))
    }

    /// Like [`Store::in_memory_with`]; what is applied is recorded for a journal.
    pub fn in_memory_recording(state: State) -> Store {
        Store::on(Backend::InMemory(Arc::new(InMemory::recording(state))))
    }

    pub(crate) fn replicated(replicated: Arc<Replicated>, counters: Arc<Counters>) -> Store {
        Store::on(Backend::Replicated(replicated, counters))
    }

    /// The applied state of this member: a pointer load.
    pub fn state(&self) -> Arc<State> {
        self.published().load()
    }

    /// The ETag of an object that was last changed at `revision`.
    pub fn etag(&self, revision: u64) -> Etag {
        let cluster_id = self.state().cluster_id().to_owned();
        Etag { cluster_id, revision }
    }

    /// Proposes a change and waits until it is committed and applied here. A follower forwards it. Without
    /// `session` the member gives it one of its own, so that its retries never apply twice.
    ///
    /// # Errors
    /// A rejection as its own variant, with nothing changed; `NoQuorum` when nothing was sent;
    /// `OutcomeUnknown` when the change may still be applied, or is committed and this member is far behind; `TooLarge`
    /// above 8 MiB; `Invalid` for data that nests too deeply to be read back from the log.
    pub async fn propose(
        &self,
        principal: &str,
        command: Command,
        session: Option<pb::ClientSession>,
    ) -> Result<Committed, Error> {
        let header = pb::Header {
            session,
            principal: principal.to_owned(),
            ..pb::Header::default()
        };
        Box::pin(self.propose_with(header, command)).await
    }

    async fn propose_with(&self, header: pb::Header, command: Command) -> Result<Committed, Error> {
        let entry = pb::Entry {
            header: Some(header),
            command: Some(command),
        };
        // What no member could decode would stop them all; here it is still a request that is refused. Members of an older
        // version, too, must never meet a command that they do not know.
        if let Some(command) = &entry.command {
            self.state().check_level(command)?;
        }
        check_size(state::encode_exact(&entry)?.len())?;
        let outcome = match &self.backend {
            Backend::InMemory(memory) => memory.propose(entry)?,
            Backend::Replicated(member, counters) => {
                let _pending = counters.proposal_begins();
                let outcome = member.propose(entry).await;
                outcome.inspect_err(|_| counters.proposal_failed())?
            }
        };
        if let Some(rejection) = state::rejection(&outcome) {
            return Err(rejection.into());
        }
        self.require_committed(outcome.revision, APPLY_WAIT).await?;
        Ok(Committed::new(outcome.revision, outcome))
    }

    /// Waits until this member has applied a change that is committed. One that stays behind cannot answer as if it had, nor
    /// that nothing was done, and a client that is told to come back would make the change again.
    async fn require_committed(&self, revision: u64, at_most: Duration) -> Result<(), Error> {
        match self.wait_for(revision, at_most).await {
            true => Ok(()),
            false => Err(Error::OutcomeUnknown),
        }
    }

    /// Proposes a change of a request that may say how its repeats are recognised: a repeat gets the outcome of the
    /// first, whichever member took it. Of a request that is only to be validated nothing is proposed: the change is
    /// tried out on a copy of the state, after a read index.
    ///
    /// # Errors
    /// As [`Store::propose`]; `SessionExpired` for a repeat whose first outcome may be forgotten, `RequestDiffers` for
    /// another request under the same number or key, `FeatureLevel` for a key as long as the cluster has members
    /// that do not know keys.
    pub async fn propose_by(&self, author: &Author, command: Command) -> Result<Committed, Error> {
        let mut header = pb::Header {
            principal: author.principal().to_owned(),
            lock_enforcement: self.lock_enforcement(author, &command)?,
            grant: self.grant(author)?,
            ..pb::Header::default()
        };
        if let Some(trial) = author.trial() {
            return self.try_out(trial, header, command).await;
        }
        if let Some(request) = author.session(self.cluster_time_ms()) {
            header.session = Some(request.session);
            if self.state().feature_level() >= FEATURE_LEVEL_REQUESTS {
                (header.request_digest, header.keyed) = (request.digest, request.keyed);
            } else if request.keyed {
                return Err(keys_not_yet(self.state().feature_level()));
            }
        }
        Box::pin(self.propose_with(header, command)).await
    }

    /// What the entry says of locks: nothing where they are not enforced, and as long as the cluster has members that do not
    /// know them.
    fn lock_enforcement(
        &self,
        author: &Author,
        command: &Command,
    ) -> Result<Option<pb::LockEnforcement>, Error> {
        let keys = author.held_keys().filter(|_| changes_components(command));
        let is_known = || self.state().feature_level() >= FEATURE_LEVEL_INVENTORY;
        match keys.filter(|_| is_known()) {
            Some(keys) => Ok(Some(state::smd::lock_enforcement(keys.iter())?)),
            None => Ok(None),
        }
    }

    /// What gives the author the right, for `apply` to judge. Members that could not judge it must not get it, and without it the
    /// change would be made whatever it is about: it is not made.
    fn grant(&self, author: &Author) -> Result<Option<Grant>, Error> {
        let level = self.state().feature_level();
        match author.grant() {
            Some(_) if level < FEATURE_LEVEL_AUTH => Err(Error::FeatureLevel {
                detail: format!(
                    "changes by policies need feature level {FEATURE_LEVEL_AUTH} and this cluster is at {level}; \
                     repeat the request, or send a token of the cluster's own key"
                ),
            }),
            grant => Ok(grant.cloned()),
        }
    }

    async fn try_out(
        &self,
        trial: &Trial,
        mut header: pb::Header,
        command: Command,
    ) -> Result<Committed, Error> {
        self.linearize().await?;
        header.proposed_at_ms = self.cluster_time_ms();
        header.random = match &self.backend {
            Backend::InMemory(memory) => memory.random_16(),
            Backend::Replicated(member, _) => member.random_16(),
        };
        let entry = pb::Entry {
            header: Some(header.clone()),
            command: Some(command.clone()),
        };
        check_size(state::encode_exact(&entry)?.len())?;
        let turn = self.trials.turn().await?;
        trial::run(turn, trial.clone(), self.state(), header, command).await
    }

    /// The state as `author`'s changes have left it: the applied one, or that of what was only tried out.
    pub fn state_after(&self, author: &Author) -> Arc<State> {
        let tried_out = author.trial().and_then(Trial::state);
        tried_out.unwrap_or_else(|| self.state())
    }

    /// Cluster time as far as this member knows it: that of the log, or its own clock if that is ahead. What ends at a time
    /// has ended by it, though nobody may have written since.
    pub fn cluster_time_ms(&self) -> u64 {
        match &self.backend {
            Backend::InMemory(memory) => memory.cluster_time_ms(),
            Backend::Replicated(member, _) => member.cluster_time_ms(),
        }
    }

    /// Waits until the applied state holds every change acknowledged before this call, by a read index
    /// that a majority confirmed.
    ///
    /// # Errors
    /// `NoQuorum` without a majority within the bound of the timer profile.
    pub async fn linearize(&self) -> Result<(), Error> {
        match &self.backend {
            Backend::InMemory(memory) => memory.linearize(),
            Backend::Replicated(member, _) => member.linearize().await,
        }
    }

    /// Whether this member has applied `revision` within `at_most`.
    pub async fn wait_for(&self, revision: u64, at_most: Duration) -> bool {
        self.published().wait_for(revision, at_most).await
    }

    /// [`Store::wait_for`] as a result: what a node has seen at `revision` it must not miss here.
    ///
    /// # Errors
    /// `NotReady` when this member has not applied `revision` within `at_most`.
    pub async fn require_applied(&self, revision: u64, at_most: Duration) -> Result<(), Error> {
        if self.wait_for(revision, at_most).await {
            return Ok(());
        }
        let reason = format!("it has not applied revision {revision} yet");
        Err(Error::NotReady {
            retry_after: Duration::from_secs(1),
            reason,
        })
    }

    /// The applied state of this member, and a watch of every change after it. Needs a tokio runtime.
    pub fn watch(&self) -> (Arc<State>, Watch) {
        let published = self.published();
        loop {
            let state = published.load();
            // Only a state that was replaced or compacted away since it was loaded gives none.
            if let Ok(watch) = Watch::after(state.applied_index(), Arc::clone(published)) {
                return (state, watch);
            }
        }
    }

    /// A watch of every change after `revision`, once this member has applied that: it waits for it for `at_most`.
    ///
    /// # Errors
    /// `NotReady` for a member that stays behind; `Compacted` when some of the changes are not kept here any more.
    pub async fn watch_after(&self, revision: u64, at_most: Duration) -> Result<Watch, Error> {
        self.require_applied(revision, at_most).await?;
        Watch::after(revision, Arc::clone(self.published()))
    }

    /// The remembered changes before `revision` that are meant, the newest first, at most `changes_max`.
    pub async fn past(
        &self,
        revision: u64,
        changes_max: usize,
        is_meant: impl Fn(&Event) -> bool + Send,
    ) -> Past {
        past::before(self.published(), revision, changes_max, is_meant).await
    }

    /// Where what this member applies waits to be written into a journal; `None` if it was not started for one.
    pub fn ledger(&self) -> Option<Arc<Ledger>> {
        self.published().ledger().cloned()
    }

    fn published(&self) -> &Arc<Published> {
        match &self.backend {
            Backend::InMemory(memory) => &memory.published,
            Backend::Replicated(member, _) => &member.published,
        }
    }

    /// The boot context in a node's URL, after this member has applied the revision that it names: a node must
    /// never meet older data than it has seen in the same boot. An empty text is no context.
    ///
    /// # Errors
    /// `Invalid` for a text that is no context, `NotReady` for a member that stays behind for 500 ms.
    pub async fn boot_context(&self, text: &str) -> Result<Option<BootContext>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        let context: BootContext = text.parse().map_err(|problem| rpc::invalid("ctx", problem))?;
        self.require_applied(context.revision, CONTEXT_WAIT).await?;
        Ok(Some(context))
    }

    /// Whether this member has applied up to a commit index learned from a leader since it started:
    /// before that its state may be older than what nodes have seen, so node ports stay shut.
    pub fn is_verified(&self) -> bool {
        match &self.backend {
            Backend::InMemory(_) => true,
            Backend::Replicated(member, _) => member.is_verified(),
        }
    }

    /// Whether this member has heard from a leader what time it is for the cluster, or tells it. Before that what ends at a time
    /// may seem to last longer than it does.
    pub fn knows_time(&self) -> bool {
        match &self.backend {
            Backend::InMemory(_) => true,
            Backend::Replicated(member, _) => member.peers().clock.known_ms().is_some(),
        }
    }

    /// How often this member was caught up by a snapshot of the leader since it started.
    pub fn snapshots_installed(&self) -> u64 {
        self.published().snapshots_installed()
    }

    /// Whether a leader with a majority behind it has answered lately: within 2 to 3 times the bound of the profile.
    pub fn has_leader(&self) -> bool {
        match &self.backend {
            Backend::InMemory(memory) => memory.linearize().is_ok(),
            Backend::Replicated(member, _) => member.has_majority(),
        }
    }

    /// Whether this member leads, and a majority has answered it lately. Another may lead by now: what only one member may do
    /// must be done by the log.
    pub fn leads(&self) -> bool {
        match &self.backend {
            Backend::InMemory(memory) => memory.linearize().is_ok(),
            Backend::Replicated(member, _) => member.leads(),
        }
    }

    /// What every member has applied, learners and silent ones included; `None` on a member that does not lead, and as long as
    /// one of them has said nothing. May be older than what is so by now.
    pub fn applied_by_all(&self) -> Option<u64> {
        match &self.backend {
            Backend::InMemory(memory) => {
                let has_majority = memory.linearize().is_ok();
                has_majority.then(|| memory.published.load().applied_index())
            }
            Backend::Replicated(member, _) => member.applied_by_all(),
        }
    }

    /// Changes who is a member, or what is known of one; a follower hands it to the leader.
    ///
    /// # Errors
    /// `FailedPrecondition` for what would endanger the majority, `NotFound` for an unknown member, `InvalidArgument`,
    /// `Unavailable` without a leader.
    pub async fn change_membership(&self, change: pb::membership_change::Change) -> Result<(), Status> {
        match &self.backend {
            Backend::InMemory(_) => Err(Status::failed_precondition("a store without members")),
            Backend::Replicated(member, _) => {
                let change = Some(change);
                member.change_membership(&pb::MembershipChange { change }).await
            }
        }
    }

    /// The members with their keys, as this member knows them.
    pub fn members(&self) -> BTreeMap<u64, MemberNode> {
        match &self.backend {
            Backend::InMemory(_) => BTreeMap::new(),
            Backend::Replicated(member, _) => {
                let view = member.view();
                view.nodes().map(|(id, node)| (id, node.clone())).collect()
            }
        }
    }

    /// This member's place among those that serve nodes, as far as it knows who the members are. Cheap; needs no majority.
    pub fn rank(&self) -> Rank {
        match &self.backend {
            Backend::InMemory(_) => Rank::ALONE,
            Backend::Replicated(member, _) => member.rank(),
        }
    }

    /// The state and the membership at one log index, as a snapshot file's bytes, in pieces; after a read index it holds
    /// every acknowledged write.
    ///
    /// # Errors
    /// `Internal` for a store without a log.
    pub fn save_snapshot(&self) -> Result<SnapshotPieces, Error> {
        match &self.backend {
            Backend::InMemory(_) => Err(Error::Internal("a store without a log".to_owned())),
            Backend::Replicated(member, _) => Ok(snapshot_pieces::of(member)),
        }
    }

    /// Entries that this member knows to be committed and has not applied yet.
    pub fn entries_behind(&self) -> u64 {
        match &self.backend {
            Backend::InMemory(_) => 0,
            Backend::Replicated(member, _) => metrics::entries_behind(member),
        }
    }

    /// This member's own view of the cluster; needs no majority.
    pub fn status(&self) -> ClusterStatus {
        match &self.backend {
            Backend::InMemory(memory) => memory.status(),
            Backend::Replicated(member, _) => member.status(),
        }
    }
}

fn keys_not_yet(current: u32) -> Error {
    let needed = FEATURE_LEVEL_REQUESTS;
    model::Rejection::FeatureLevel { needed, current }.into()
}

/// The header that the leader completes takes some of the room.
fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes <= ENTRY_BYTES_MAX {
        return Ok(());
    }
    Err(Error::TooLarge {
        what: format!("a change of {bytes} bytes (send it in several requests)"),
        limit: "8 MiB".to_owned(),
    })
}

impl rpc::Barrier for Store {
    fn linearize(&self) -> futures::future::BoxFuture<'_, Result<(), Error>> {
        Box::pin(Store::linearize(self))
    }

    fn freshness(&self) -> Option<rpc::Freshness> {
        let age = match &self.backend {
            Backend::InMemory(_) => Duration::ZERO,
            // before the state is looked at: it may only get fresher
            Backend::Replicated(member, _) => member.fresh.age(),
        };
        let revision = self.state().applied_index();
        Some(rpc::Freshness { revision, age })
    }

    fn last_change(&self, kinds: rpc::Kinds) -> Option<Etag> {
        let state = self.state();
        let kinds: Option<Vec<RowKind>> = kinds.numbers().map(RowKind::of_number).collect();
        let revision = state.last_change(kinds?)?;
        let cluster_id = state.cluster_id().to_owned();
        Some(Etag { cluster_id, revision })
    }
}

/// Whether components may change by it: they are SMD's, and part of changes that are made together.
fn changes_components(command: &Command) -> bool {
    match command {
        Command::Smd(_) => true,
        Command::Bss(command) => matches!(command.change, Some(Change::Together(_))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use prost_types::value::Kind;
    use prost_types::{Struct, Value};
    use proto::bss::v1::{BootParametersEntry, BssCommand, CloudInit, bss_command};
    use proto::smd::v1::smd_command::DeleteComponents;
    use proto::smd::v1::{SmdCommand, smd_command};

    use super::*;

    /// A lock that one way of changing a component does not see is none.
    #[test]
    fn locks_count_wherever_components_may_change() {
        let smd = Command::Smd(SmdCommand::default());
        let bss = |change| Command::Bss(BssCommand { change: Some(change) });
        assert!(changes_components(&smd));
        assert!(changes_components(&bss(Change::Together(Default::default()))));
        assert!(!changes_components(&bss(Change::Delete(Default::default()))));
    }

    fn nested(levels: usize) -> Command {
        let user_data = (0..levels).fold(Struct::default(), |inner, _| {
            let value = Value {
                kind: Some(Kind::StructValue(inner)),
            };
            Struct {
                fields: [("a".to_owned(), value)].into(),
            }
        });
        let cloud_init = Some(CloudInit {
            user_data: Some(user_data),
            ..Default::default()
        });
        let values = Some(BootParametersEntry {
            cloud_init,
            ..Default::default()
        });
        let change = bss_command::Change::Create(bss_command::Create {
            keys: vec!["Default".into()],
            values,
        });
        Command::Bss(BssCommand { change: Some(change) })
    }

    /// `NotReady` would say that nothing was done.
    #[tokio::test]
    async fn a_committed_change_is_never_called_undone() {
        let store = Store::in_memory();
        let behind = store.require_committed(7, Duration::ZERO).await;
        assert!(matches!(behind, Err(Error::OutcomeUnknown)), "{behind:?}");
        let read = store.require_applied(7, Duration::ZERO).await;
        assert!(matches!(read, Err(Error::NotReady { .. })), "{read:?}");
        store.propose("user/admin", nested(1), None).await.unwrap();
        store.require_committed(1, Duration::ZERO).await.unwrap();
    }

    /// A member of an older version would drop what it does not know of such a command, or stop at it.
    #[tokio::test]
    async fn a_command_that_not_every_member_knows_is_refused_before_the_log() {
        let delete = DeleteComponents {
            ids: vec!["x0".into()],
            if_revision: Some(7),
            ..DeleteComponents::default()
        };
        let change = Some(smd_command::Change::DeleteComponents(delete));
        let command = Command::Smd(SmdCommand { change });
        for (level, expected) in [(FEATURE_LEVEL_INVENTORY - 1, 0), (FEATURE_LEVEL_INVENTORY, 1)] {
            let store = Store::in_memory_with(State::at_level(level));
            store
                .propose("user/admin", command.clone(), None)
                .await
                .unwrap_err();
            assert_eq!(store.state().applied_index(), expected, "level {level}");
        }
    }

    /// protobuf encodes any depth but decodes a hundred levels: once in the log, such an entry would end every
    /// member, at each start again.
    #[tokio::test]
    async fn data_that_nests_too_deeply_is_refused_before_the_log() {
        let store = Store::in_memory();
        for levels in [33, 60, 1000] {
            let refused = store.propose("user/admin", nested(levels), None).await;
            assert!(
                matches!(&refused, Err(Error::Invalid { field, .. }) if field == "command"),
                "{refused:?}"
            );
        }
        assert_eq!(store.state().applied_index(), 0, "nothing was appended");
        store.propose("user/admin", nested(20), None).await.unwrap();
    }
}
