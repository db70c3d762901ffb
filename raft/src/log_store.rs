//! openraft's log storage: the tail in memory for reads, the write-ahead log for what must not be lost.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use openraft::entry::RaftEntry as _;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use prost::Message as _;
use proto::raft::v1 as pb;
use tokio::sync::{oneshot, watch};

use crate::log_tail::{LogTail, command_bytes};
use crate::type_config::{Entry, LogId, TypeConfig, Vote};
use crate::wal::{Counts, Mark, Record, Recovered, Wal};
use crate::wire;

/// A handle on the log of this member; clones share it.
#[derive(Clone)]
pub(crate) struct LogStore {
    shared: Arc<Shared>,
}

impl Debug for LogStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "log up to {:?}", self.tail().last())
    }
}

struct Shared {
    tail: Mutex<LogTail>,
    wal: Wal,
    bytes_since_snapshot: AtomicU64,
    /// Index of the last entry.
    appended: watch::Sender<u64>,
}

impl LogStore {
    /// # Errors
    /// A recovered record that does not decode: the log is not ours, or of a newer version.
    pub(crate) fn new(wal: Wal, recovered: Recovered) -> io::Result<LogStore> {
        let mut tail = LogTail::default();
        tail.vote = recovered.vote.map(|bytes| decode_vote(&bytes)).transpose()?;
        tail.committed = recovered
            .committed
            .map(|bytes| decode_log_id(&bytes))
            .transpose()?;
        tail.purged = recovered
            .purged
            .map(|mark| decode_log_id(&mark.log_id))
            .transpose()?;
        for record in recovered.entries {
            tail.push(wire::entry_from_wire(pb::LogEntry::decode(record.payload)?)?)?;
        }
        let bytes_since_snapshot = AtomicU64::new(tail.bytes());
        let appended = watch::Sender::new(tail.last().map_or(0, |id| id.index));
        let shared = Shared {
            tail: Mutex::new(tail),
            wal,
            bytes_since_snapshot,
            appended,
        };
        Ok(LogStore {
            shared: Arc::new(shared),
        })
    }

    /// Whether the log holds nothing at all: a member that never voted and never stored an entry.
    pub(crate) fn is_pristine(&self) -> bool {
        let tail = self.tail();
        tail.vote.is_none() && tail.last().is_none()
    }

    /// Whether `id` stands in the log or below its purge point: a checkpoint at `id` fits this log.
    pub(crate) fn covers(&self, id: &LogId) -> bool {
        let tail = self.tail();
        if tail.purged.is_some_and(|purged| id.index <= purged.index) {
            return tail.purged.is_some_and(|purged| purged == *id);
        }
        tail.range(id.index..=id.index)
            .first()
            .is_some_and(|entry| entry.log_id == *id)
    }

    /// Index of the last entry that is purged, 0 if none is: an older state cannot be brought up to date.
    pub(crate) fn purged_index(&self) -> u64 {
        self.tail().purged.map_or(0, |purged| purged.index)
    }

    /// The index of the last entry, whenever it changes.
    pub(crate) fn appended(&self) -> watch::Receiver<u64> {
        self.shared.appended.subscribe()
    }

    /// Bytes of commands appended since the last call of [`LogStore::snapshot_taken`].
    pub(crate) fn bytes_since_snapshot(&self) -> u64 {
        self.shared.bytes_since_snapshot.load(Ordering::Relaxed)
    }

    /// Bytes of commands in the log, those below the last snapshot included.
    pub(crate) fn bytes(&self) -> u64 {
        self.tail().bytes()
    }

    /// What the write-ahead log has written since it was opened.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        self.shared.wal.counts()
    }

    /// What a snapshot up to `index` already holds does not count towards the next one.
    pub(crate) fn snapshot_reaches(&self, index: u64) {
        let bytes = self.tail().bytes_after(index);
        self.shared.bytes_since_snapshot.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn snapshot_taken(&self) {
        self.shared.bytes_since_snapshot.store(0, Ordering::Relaxed);
    }

    fn tail(&self) -> MutexGuard<'_, LogTail> {
        self.shared.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `send` with a completion and waits until the storage thread has called it.
    async fn durable(
        &self,
        send: impl FnOnce(&Wal, Box<dyn FnOnce(io::Result<()>) + Send>),
    ) -> io::Result<()> {
        let (tx, rx) = oneshot::channel();
        send(
            &self.shared.wal,
            Box::new(move |result| {
                tx.send(result).ok(); // nobody waits any more: the member is stopping
            }),
        );
        rx.await
            .map_err(|_| io::Error::other("the storage thread has ended"))?
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        Ok(self.tail().range(range))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.tail().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let entries = self.tail().limited_range(start, end);
        // Later entries in place of purged ones would be a hole in a follower's log, and an error would stop the
        // leader; nothing at all is a heartbeat, and the follower gets the snapshot.
        let whole = entries.first().is_none_or(|first| first.index() == start);
        Ok(if whole { entries } else { Vec::new() })
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let tail = self.tail();
        Ok(LogState {
            last_purged_log_id: tail.purged,
            last_log_id: tail.last(),
        })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.tail().vote = Some(*vote);
        let bytes = Bytes::from(wire::vote_to_wire(vote).encode_to_vec());
        self.durable(|wal, done| wal.save_vote(bytes, done)).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.tail().committed = committed;
        if let Some(committed) = committed {
            self.shared.wal.save_committed(encode_log_id(&committed));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.tail().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut records = Vec::new();
        let last = {
            let mut tail = self.tail();
            for entry in entries {
                let payload = Bytes::from(wire::entry_to_wire(&entry).encode_to_vec());
                records.push(Record {
                    index: entry.index(),
                    payload,
                });
                let bytes = command_bytes(&entry) as u64;
                self.shared
                    .bytes_since_snapshot
                    .fetch_add(bytes, Ordering::Relaxed);
                tail.push(entry)?;
            }
            tail.last().map_or(0, |id| id.index)
        };
        self.shared
            .wal
            .append(records, Box::new(move |result| callback.io_completed(result)));
        self.shared.appended.send_replace(last);
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let last = last_log_id.map(|id| id.index);
        self.tail().truncate_after(last);
        self.durable(|wal, done| wal.truncate_after(last, done)).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        self.tail().purge(log_id);
        let mark = Mark {
            index: log_id.index,
            log_id: encode_log_id(&log_id),
        };
        self.durable(|wal, done| wal.purge(mark, done)).await
    }
}

fn encode_log_id(id: &LogId) -> Bytes {
    Bytes::from(wire::log_id_to_wire(id).encode_to_vec())
}

fn decode_log_id(bytes: &[u8]) -> io::Result<LogId> {
    Ok(wire::log_id_from_wire(pb::LogId::decode(bytes)?))
}

fn decode_vote(bytes: &[u8]) -> io::Result<Vote> {
    Ok(wire::vote_from_wire(Some(pb::RaftVote::decode(bytes)?))?)
}
