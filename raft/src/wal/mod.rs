//! Raft's write-ahead log: entries, vote, committed and purge marks, durable before anyone is told.
//!
//! It knows nothing of Raft beyond indexes; payloads are bytes. Format, paths and failures are
//! described in `OVERVIEW.md` beside this file.

mod batch;
mod counts;
mod disk;
mod entry_index;
mod error;
mod high_water;
mod log_state;
mod real_disk;
mod record;
mod recover;
mod replay;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use bytes::Bytes;

pub use counts::Counts;
pub use disk::{Disk, DiskFile};
pub use error::OpenError;
pub use real_disk::RealDisk;

use error::Failure;
use log_state::Change;
use writer::{Command, Shared, Writer};

/// Commands that may wait for the storage thread; a caller beyond that waits in the call.
const COMMANDS_QUEUED_MAX: usize = 4096;
/// Payload bytes of one command, all entries together.
const COMMAND_BYTES_MAX: usize = 256 << 20;

/// Called by the storage thread when the command is durable, or with the error that stopped the
/// log. Must not block and must not call the log.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its index; entries have no gaps.
    pub index: u64,
    /// Its bytes, at most 16 MiB.
    pub payload: Bytes,
}

/// Up to where the log was purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The last purged index.
    pub index: u64,
    /// Raft's log id of it, encoded by the owner.
    pub log_id: Bytes,
}

/// What the log held when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last saved vote.
    pub vote: Option<Bytes>,
    /// A saved committed mark; the last ones may be missing.
    pub committed: Option<Bytes>,
    /// The purge mark.
    pub purged: Option<Mark>,
    /// All live entries, in order and without gaps.
    pub entries: Vec<Record>,
    /// Bytes of a torn, never acknowledged tail that were cut off, in whole sectors.
    pub cut_off_bytes: u64,
}

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Size of a segment, bytes; a batch that needs more gets a segment of its own size.
    pub segment_bytes: u64,
    /// Random number that a new log is marked with, so that bytes of another log never pass for
    /// its own. Ignored when the log exists.
    pub new_log_id: u64,
}

impl Options {
    /// 16 MiB segments.
    pub fn new(new_log_id: u64) -> Options {
        Options {
            segment_bytes: 16 << 20,
            new_log_id,
        }
    }
}

/// An open log. Commands take effect in the order of the calls; dropping it waits until they are
/// done.
pub struct Wal {
    queue: Option<SyncSender<Command>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Wal {
    /// Opens the log in `dir`, creating both if there is none, and starts its storage thread.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] if something acknowledged is missing or altered: never after an
    /// honest power cut. The text says how to rejoin.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>, options: Options) -> Result<(Wal, Recovered), OpenError> {
        let opened = recover::open(&*disk, dir, options.new_log_id)?;
        let state = opened.replay.state.unwrap_or_default();
        let shared = Arc::new(Shared::default());
        let mut entries = Vec::with_capacity(opened.replay.entries.len());
        {
            let mut index = shared.index.write().expect("no other thread knows it yet");
            index.files = opened
                .segments
                .iter()
                .map(|segment| (segment.number, Arc::clone(&segment.file)))
                .collect();
            for (at, (location, payload)) in opened.replay.entries {
                index.entries.insert(at, location);
                entries.push(Record { index: at, payload });
            }
        }
        let recovered = Recovered {
            vote: state.vote.clone(),
            committed: state.committed.clone(),
            purged: state.purged.clone(),
            entries,
            cut_off_bytes: opened.cut_off_bytes,
        };
        let writer = Writer {
            disk,
            dir: dir.to_path_buf(),
            options,
            shared: Arc::clone(&shared),
            state,
            segments: opened.segments,
            level: opened.high_water.level(),
            high_water: opened.high_water,
            end: opened.replay.end,
            _lock: opened.lock,
        };
        let (queue, commands) = sync_channel(COMMANDS_QUEUED_MAX);
        let thread = std::thread::Builder::new()
            .name("wal".into())
            .spawn(move || writer.run(&commands))
            .map_err(OpenError::io("start the storage thread", dir))?;
        Ok((
            Wal {
                queue: Some(queue),
                shared,
                thread: Some(thread),
            },
            recovered,
        ))
    }

    /// Appends entries; the first must follow the last one in the log. An empty log that was never
    /// purged may start at any index.
    pub fn append(&self, records: Vec<Record>, done: Done) {
        let total: usize = records.iter().map(|record| record.payload.len()).sum();
        let longest = records
            .iter()
            .map(|record| record.payload.len())
            .max()
            .unwrap_or(0);
        if longest > record::PAYLOAD_BYTES_MAX || total > COMMAND_BYTES_MAX {
            let failure = Failure::misuse(&format!(
                "an append of {total} bytes (one entry: {longest}) is too large"
            ));
            return done(Err(self.shared.failure.get_or_init(|| failure).to_error()));
        }
        self.send(records.into_iter().map(Change::Entry).collect(), Some(done));
    }

    /// Saves the vote.
    pub fn save_vote(&self, vote: Bytes, done: Done) {
        self.send(vec![Change::Vote(vote)], Some(done));
    }

    /// Saves the committed mark with the next batch; alone it causes no write.
    pub fn save_committed(&self, committed: Bytes) {
        self.send(vec![Change::Committed(committed)], None);
    }

    /// Removes all entries after `index`; all of them without one.
    pub fn truncate_after(&self, index: Option<u64>, done: Done) {
        let from = index.map_or(0, |index| index.saturating_add(1));
        self.send(vec![Change::Truncate(from)], Some(done));
    }

    /// Forgets all entries up to the mark, which may lie beyond the last one: the log then goes on
    /// behind the mark. A mark below an earlier one changes nothing.
    pub fn purge(&self, mark: Mark, done: Done) {
        self.send(vec![Change::Purge(mark)], Some(done));
    }

    /// Reads durable entries back from disk and checks them.
    ///
    /// # Errors
    /// `NotFound` if one is not in the log (or not durable yet), `InvalidData` if one is damaged.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<Record>> {
        let read = |index| {
            let (location, file) = self.shared.read_index().find(index)?;
            entry_index::read_entry(index, location, &*file)
        };
        range.map(read).collect()
    }

    /// What was written since the log was opened.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.shared.counts)
    }

    /// The error that stopped the log, if one did. Every later call fails with it.
    pub fn failure(&self) -> Option<io::Error> {
        self.shared.failure.get().map(Failure::to_error)
    }

    fn send(&self, changes: Vec<Change>, done: Option<Done>) {
        let queue = self.queue.as_ref().expect("only drop takes the queue");
        if let Err(refused) = queue.send(Command { changes, done }) {
            let failure = self.shared.failure.get_or_init(Failure::thread_gone);
            if let Some(done) = refused.0.done {
                done(Err(failure.to_error()));
            }
        }
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        self.queue = None; // the thread ends when the queue is empty and has no sender
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in it was already reported by the panic hook
        }
    }
}
