//! openraft's state machine: runs committed entries through `state::State::apply` and publishes the result.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use openraft::entry::{EntryPayload, RaftEntry as _};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use proto::raft::v1 as pb;
use state::{RowKey, State};

use crate::apply_chunk::{ApplyChunk, Touched};
use crate::command_numbers::CommandNumbers;
use crate::deed::{Deed, DeedKind};
use crate::log_store::LogStore;
use crate::metrics::Counters;
use crate::published::Published;
use crate::snapshot_file::{self, SnapshotFile};
use crate::snapshot_folder;
use crate::type_config::{Entry, LogId, Reply, SnapshotMeta, StoredMembership, TypeConfig};

/// Entries applied under one publication.
pub(crate) const APPLY_CHUNK_MAX: usize = 512;
/// How long what lets a start skip entries of the log waits for the audit journal to have them.
pub(crate) const JOURNAL_WAIT_MAX: Duration = Duration::from_secs(2);
/// Bytes of commands that are kept decoded until their chunk has been applied; one command more may be above it.
const APPLY_CHUNK_BYTES_MAX: usize = 8 << 20;

type Snapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>;

/// What the checkpoint has not stored yet.
#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    /// The newest applied state with its place in the log.
    pub(crate) newest: Option<(State, LogId, StoredMembership)>,
    /// Rows that differ from the stored ones.
    pub(crate) changed: BTreeSet<RowKey>,
    /// The state was replaced as a whole by a snapshot.
    pub(crate) replaced: bool,
}

/// The state with its place in the log.
#[derive(Debug)]
pub(crate) struct StateMachine {
    state: State,
    last_applied: Option<LogId>,
    membership: StoredMembership,
    published: Arc<Published>,
    unsaved: Arc<Mutex<Unsaved>>,
    folder: PathBuf,
    current: Arc<Mutex<Option<(SnapshotMeta, SnapshotFile)>>>,
    log: LogStore,
    counters: Arc<Counters>,
}

/// Where a state machine begins: an empty state, a snapshot, or a checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Start {
    pub(crate) state: State,
    pub(crate) last_applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
    pub(crate) snapshot: Option<(SnapshotMeta, SnapshotFile)>,
}

impl StateMachine {
    pub(crate) fn new(
        start: Start,
        folder: PathBuf,
        log: LogStore,
        published: Arc<Published>,
        unsaved: Arc<Mutex<Unsaved>>,
        counters: Arc<Counters>,
    ) -> StateMachine {
        StateMachine {
            state: start.state,
            last_applied: start.last_applied,
            membership: start.membership,
            published,
            unsaved,
            folder,
            current: Arc::new(Mutex::new(start.snapshot)),
            log,
            counters,
        }
    }

    fn apply_one(
        &mut self,
        entry: &Entry,
        chunk: &mut ApplyChunk,
        touched: &mut Touched,
    ) -> io::Result<Reply> {
        let index = entry.index();
        let outcome = match &entry.payload {
            EntryPayload::Normal(command) => {
                let decoded =
                    state::decode_exact(&command.0).map_err(|error| unknown_entry(index, &error))?;
                let outcome = chunk.apply(&mut self.state, index, decoded, touched);
                if let Some(deed) = touched.deeds.as_mut().and_then(|deeds| deeds.last_mut()) {
                    deed.what = DeedKind::Command(CommandNumbers::of(&command.0));
                }
                outcome
            }
            EntryPayload::Blank => {
                chunk.skip(&mut self.state, index);
                touched.tell(|| Deed::of_raft(index, DeedKind::Blank, &self.state));
                pb::Outcome {
                    revision: index,
                    result: None,
                }
            }
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                chunk.skip(&mut self.state, index);
                touched.tell(|| Deed::of_raft(index, DeedKind::Membership, &self.state));
                pb::Outcome {
                    revision: index,
                    result: None,
                }
            }
        };
        if self.state.feature_level() > state::cluster::FEATURE_LEVEL_KNOWN {
            let level = format!("feature level {} is not known here", self.state.feature_level());
            return Err(unknown_entry(index, &level));
        }
        self.last_applied = Some(entry.log_id);
        Ok(Reply(outcome))
    }

    /// Hands the newest state to the checkpoint.
    fn remember(&self, changed: Vec<RowKey>, replaced: bool) {
        if let Some(last) = self.last_applied {
            let mut unsaved = lock(&self.unsaved);
            unsaved.changed.extend(changed);
            unsaved.replaced |= replaced;
            unsaved.newest = Some((self.state.clone(), last, self.membership.clone()));
        }
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.last_applied,
            last_membership: self.membership.clone(),
        }
    }
}

/// What this version does not understand it must not drop: the member stops.
fn unknown_entry(index: u64, error: &dyn std::fmt::Display) -> io::Error {
    let text =
        format!("entry {index} was written by a newer version and cannot be applied: {error}; upgrade");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn command_bytes(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(command) => command.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + Send,
    {
        let mut chunks = entries.ready_chunks(APPLY_CHUNK_MAX);
        while let Some(chunk) = chunks.next().await {
            let began = Instant::now();
            let ledger = self.published.ledger().cloned();
            let (mut touched, mut replies) = (Touched::with_deeds(ledger.is_some()), Vec::new());
            let mut applying = ApplyChunk::new(&self.state);
            let mut bytes = 0;
            for item in chunk {
                let (entry, responder) = item?;
                if bytes > APPLY_CHUNK_BYTES_MAX {
                    (applying, bytes) = (ApplyChunk::new(&self.state), 0);
                }
                bytes += command_bytes(&entry);
                let reply = self.apply_one(&entry, &mut applying, &mut touched)?;
                replies.extend(responder.map(|responder| (responder, reply)));
            }
            if let (Some(ledger), Some(deeds)) = (ledger, touched.deeds.take()) {
                ledger.record(deeds); // before anybody is told that it is done
            }
            self.remember(touched.rows, false);
            self.published.publish(self.state.clone(), touched.revisions);
            self.counters.apply.observe(began.elapsed());
            for (responder, reply) in replies {
                responder.send(reply);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            state: self.state.clone(),
            meta: self.meta(),
            folder: self.folder.clone(),
            current: Arc::clone(&self.current),
            log: self.log.clone(),
            published: Arc::clone(&self.published),
            counters: Arc::clone(&self.counters),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotFile) -> io::Result<()> {
        let (folder, announced) = (self.folder.clone(), meta.clone());
        let (file, state) = blocking(move || adopted(&folder, &announced, snapshot)).await?;
        self.state = state;
        self.last_applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.remember(Vec::new(), true);
        self.published.publish_installed(self.state.clone());
        offer(&self.current, meta, &file);
        self.log.snapshot_taken();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let current = lock(&self.current).clone();
        Ok(current.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

/// Gives a snapshot its final name. One that a peer sent was read on its way in; what it held counts, and it is
/// not read again.
fn adopted(folder: &Path, meta: &SnapshotMeta, snapshot: SnapshotFile) -> io::Result<(SnapshotFile, State)> {
    let state = match &snapshot.verified {
        Some(state) => state.clone(),
        None => snapshot_file::verify(&snapshot.path, meta)?,
    };
    let path = folder.join(snapshot_folder::file_name(meta));
    if snapshot.path != path {
        snapshot_folder::adopt(&snapshot.path, &path)?;
        snapshot_folder::remove_older(folder)?;
    }
    let file = SnapshotFile {
        path,
        file: snapshot.file,
        verified: None,
        _incoming: None,
    };
    Ok((file, state))
}

/// A build that took longer than an install must not bring an older snapshot back: the log below the newer one is
/// purged, and a follower that is sent the older one could never go on from it.
fn offer(current: &Mutex<Option<(SnapshotMeta, SnapshotFile)>>, meta: &SnapshotMeta, file: &SnapshotFile) {
    let mut current = lock(current);
    if current
        .as_ref()
        .is_none_or(|(have, _)| have.last_log_id < meta.last_log_id)
    {
        *current = Some((meta.clone(), file.clone()));
    }
}

/// Writes a snapshot file from an O(1) copy of the state, beside `apply`.
#[derive(Debug)]
pub(crate) struct Builder {
    state: State,
    meta: SnapshotMeta,
    folder: PathBuf,
    current: Arc<Mutex<Option<(SnapshotMeta, SnapshotFile)>>>,
    log: LogStore,
    published: Arc<Published>,
    counters: Arc<Counters>,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let (folder, meta, state) = (self.folder.clone(), self.meta.clone(), self.state.clone());
        let began = Instant::now();
        let ledger = self.published.ledger().cloned();
        let snapshot = blocking(move || {
            if let Some(ledger) = ledger {
                ledger.wait_kept(state.applied_index(), JOURNAL_WAIT_MAX);
            }
            let file = snapshot_file::write(&folder, &meta, &state)?;
            snapshot_folder::remove_older(&folder)?;
            Ok(file)
        })
        .await?;
        self.counters.snapshot_save.observe(began.elapsed());
        offer(&self.current, &self.meta, &snapshot);
        self.log.snapshot_taken();
        tracing::info!(path = %snapshot.path.display(), "snapshot written");
        Ok(Snapshot {
            meta: self.meta.clone(),
            snapshot,
        })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
