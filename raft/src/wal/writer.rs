//! The storage thread: drains the queue, writes one batch, syncs once, then calls back.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::batch::{self, BatchHeader, Position};
use super::counts::Counts;
use super::disk::Disk;
use super::entry_index::{EntryIndex, Location};
use super::error::Failure;
use super::high_water::{HighWater, Level};
use super::log_state::{Change, LogState};
use super::record::{self, Kind};
use super::segment::Segment;
use super::{Done, Options};

/// Draining stops when a batch has this many bytes. One command is never split.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// The high-water mark is synced at least once in so many batches.
const BATCHES_PER_MARK_SYNC: u64 = 64;
/// When nothing arrives for so long, the mark is synced.
const IDLE: Duration = Duration::from_millis(50);

/// What the log's handle asks of the thread: changes that belong together, and whom to tell.
/// Without a callback the changes wait for the next batch.
pub(super) struct Command {
    pub(super) changes: Vec<Change>,
    pub(super) done: Option<Done>,
}

/// What the thread shares with the log's handle.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) index: RwLock<EntryIndex>,
    pub(super) failure: OnceLock<Failure>,
    pub(super) counts: Arc<Counts>,
}

impl Shared {
    /// The index; a reader that panicked cannot have spoiled it.
    pub(super) fn read_index(&self) -> std::sync::RwLockReadGuard<'_, EntryIndex> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_index(&self) -> std::sync::RwLockWriteGuard<'_, EntryIndex> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The only writer of the log.
pub(super) struct Writer {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) shared: Arc<Shared>,
    pub(super) state: LogState,
    pub(super) segments: VecDeque<Segment>,
    pub(super) high_water: HighWater,
    pub(super) level: Level,
    pub(super) end: Position,
    /// Held until the thread ends.
    pub(super) _lock: Box<dyn Send + Sync>,
}

impl Writer {
    /// Works until the log's handle is dropped and the queue is empty.
    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        let mut waiting = Vec::new();
        loop {
            let first = match queue.recv_timeout(IDLE) {
                Ok(command) => command,
                Err(RecvTimeoutError::Timeout) => {
                    self.settle();
                    match queue.recv() {
                        Ok(command) => command,
                        Err(_) => break,
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let done = drain(first, queue, &mut waiting);
            if !done.is_empty() {
                self.commit(&waiting, done);
                waiting.clear();
            }
        }
        if !waiting.is_empty() {
            self.commit(&waiting, Vec::new());
        }
        self.settle();
    }

    fn commit(&mut self, changes: &[Change], done: Vec<Done>) {
        let result = match self.shared.failure.get() {
            Some(failure) => Err(failure.clone()),
            None => self.write(changes),
        };
        // the failure is known to all before the first caller hears of it
        if let Err(failure) = &result {
            let _ = self.shared.failure.set(failure.clone());
        }
        for done in done {
            done(result.as_ref().copied().map_err(Failure::to_error));
        }
        if result.is_ok() {
            self.guard("remove a purged segment", Writer::remove_purged);
        }
    }

    /// Brings the mark to disk when there is time for it.
    fn settle(&mut self) {
        if self.shared.failure.get().is_none() {
            self.guard("sync the high-water mark", Writer::sync_mark);
        }
    }

    fn guard(&mut self, step: &str, work: impl FnOnce(&mut Writer) -> io::Result<()>) {
        if let Err(error) = work(self) {
            let _ = self.shared.failure.set(Failure::new(step, &error));
        }
    }

    /// Writes and syncs one batch; afterwards its changes are durable.
    fn write(&mut self, changes: &[Change]) -> Result<(), Failure> {
        let before = self.state.clone();
        for change in changes {
            self.state
                .apply(change)
                .map_err(|problem| Failure::misuse(&problem))?;
        }
        let rolled = self
            .make_room(changes, &before)
            .map_err(|error| Failure::new("create a segment", &error))?;
        let segment = self.segments.back_mut().expect("make_room leaves a segment");
        let number = self.level.batch + 1;
        let header = BatchHeader {
            log_id: self.level.log_id,
            segment: segment.number,
            number,
            generation: self.level.generation,
            previous_end: self.end,
            records_bytes: 0,
            records: 0,
        };
        let (bytes, locations) = encode(header, rolled.as_deref(), changes, segment.end);
        let sync = segment
            .write_batch(bytes)
            .map_err(|error| Failure::new("write and sync a batch", &error))?;
        self.shared.counts.wrote(changes.len(), sync);
        for change in changes {
            if let Change::Entry(record) = change {
                segment.note_entry(record.index);
            }
        }
        self.end = Position {
            segment: segment.number,
            offset: segment.end,
        };
        self.level.batch = number;
        if rolled.is_some() {
            self.disk
                .sync_dir(&self.dir)
                .map_err(|error| Failure::new("sync the directory", &error))?;
        }
        self.note_durable(changes)
            .map_err(|error| Failure::new("write the high-water mark", &error))?;
        self.publish(changes, &locations);
        Ok(())
    }

    /// Begins a new segment if the batch does not fit; returns the checkpoint it must begin with.
    fn make_room(&mut self, changes: &[Change], before: &LogState) -> io::Result<Option<Vec<u8>>> {
        let with_entries = changes.iter().any(|change| matches!(change, Change::Entry(_)));
        let total = batch_bytes(changes, None);
        if self
            .segments
            .back()
            .is_some_and(|segment| segment.has_room(total, with_entries))
        {
            return Ok(None);
        }
        let checkpoint = before.encode();
        let room = batch_bytes(changes, Some(&checkpoint));
        let number = self.end.segment + 1;
        let segment = Segment::create(&*self.disk, &self.dir, number, self.options.segment_bytes, room)?;
        self.segments.push_back(segment);
        Ok(Some(checkpoint))
    }

    /// Raises the mark; with a vote it is durable at once, because a vote may never go back.
    fn note_durable(&mut self, changes: &[Change]) -> io::Result<()> {
        self.high_water.write(self.level)?;
        let vote = changes.iter().any(|change| matches!(change, Change::Vote(_)));
        if vote || self.level.batch.is_multiple_of(BATCHES_PER_MARK_SYNC) {
            self.sync_mark()?;
        }
        Ok(())
    }

    fn sync_mark(&mut self) -> io::Result<()> {
        if self.high_water.needs_sync() {
            self.high_water.sync()?;
            self.shared.counts.synced();
        }
        Ok(())
    }

    fn publish(&self, changes: &[Change], locations: &[Location]) {
        let mut index = self.shared.write_index();
        if let Some(segment) = self.segments.back() {
            index
                .files
                .entry(segment.number)
                .or_insert_with(|| Arc::clone(&segment.file));
        }
        for (change, location) in changes.iter().zip(locations) {
            index.apply(change, *location);
        }
    }

    /// Unlinks the oldest segments while all their entries are purged, one per directory sync, so
    /// that a power cut cannot leave a gap between segments.
    fn remove_purged(&mut self) -> io::Result<()> {
        let purged = self.state.purged.as_ref().map(|mark| mark.index);
        while self.segments.len() > 1 && self.segments[0].last_index <= purged {
            let number = self.segments[0].number;
            self.disk
                .unlink(&self.dir.join(super::segment::file_name(number)))?;
            self.disk.sync_dir(&self.dir)?;
            self.segments.pop_front();
            self.shared.write_index().files.remove(&number);
        }
        Ok(())
    }
}

/// Moves what is queued into `waiting`, up to one batch, and returns whom to tell.
fn drain(first: Command, queue: &Receiver<Command>, waiting: &mut Vec<Change>) -> Vec<Done> {
    let mut done = Vec::new();
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(command) = next {
        bytes += command.changes.iter().map(record_bytes).sum::<usize>();
        waiting.extend(command.changes);
        done.extend(command.done);
        next = if bytes < BATCH_BYTES_MAX {
            queue.try_recv().ok()
        } else {
            None
        };
    }
    done
}

fn record_bytes(change: &Change) -> usize {
    record::HEADER_BYTES + change.as_record().2.len()
}

/// Bytes of a batch before padding.
fn batch_bytes(changes: &[Change], checkpoint: Option<&[u8]>) -> u64 {
    let checkpoint = checkpoint.map_or(0, |payload| record::HEADER_BYTES + payload.len());
    let records: usize = changes.iter().map(record_bytes).sum();
    ((batch::HEADER_BYTES + checkpoint + records) as u64).next_multiple_of(batch::SECTOR_BYTES)
}

/// The bytes of a batch that begins at `start` of its segment, and where each change's payload lies.
fn encode(
    mut header: BatchHeader,
    checkpoint: Option<&[u8]>,
    changes: &[Change],
    start: u64,
) -> (Vec<u8>, Vec<Location>) {
    let checkpoint_bytes = checkpoint.map_or(0, |payload| record::HEADER_BYTES + payload.len());
    let records_bytes = checkpoint_bytes + changes.iter().map(record_bytes).sum::<usize>();
    header.records_bytes =
        u32::try_from(records_bytes).expect("the handle bounds every command, the drain bounds a batch");
    header.records = (changes.len() + usize::from(checkpoint.is_some())) as u32;
    let (head, check) = header.encode();
    let mut bytes = Vec::with_capacity(header.total_bytes() as usize);
    bytes.extend_from_slice(&head);
    if let Some(payload) = checkpoint {
        record::encode(&mut bytes, check, Kind::Checkpoint, 0, payload);
    }
    let locations = changes.iter().map(|change| {
        let (kind, index, payload) = change.as_record();
        let payload_check = record::encode(&mut bytes, check, kind, index, payload);
        let offset = start + (bytes.len() - payload.len()) as u64;
        Location {
            segment: header.segment,
            offset,
            length: payload.len() as u32,
            check: payload_check,
        }
    });
    let locations = locations.collect();
    (bytes, locations)
}
