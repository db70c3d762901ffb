//! Reads segments from front to back and says where the log ends and whether it is whole.
//!
//! Only this file decides between a torn tail, which a power cut may leave, and damage.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::batch::{self, BatchHeader, Position, SECTOR_BYTES};
use super::entry_index::Location;
use super::log_state::{Change, LogState};
use super::record::{self, RawRecord};

/// What is wrong, and at which byte of the segment.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) offset: u64,
    pub(super) what: String,
}

fn damage<T>(offset: u64, what: impl Into<String>) -> Result<T, Damage> {
    Err(Damage {
        offset,
        what: what.into(),
    })
}

/// The log as read so far.
pub(super) struct Replay {
    log_id: u64,
    /// `None` before the first checkpoint.
    pub(super) state: Option<LogState>,
    /// Live entries that were read: place and payload.
    pub(super) entries: BTreeMap<u64, (Location, Bytes)>,
    /// Number of the last whole batch, 0 before the first.
    pub(super) batch: u64,
    pub(super) generation: u64,
    /// Where the last whole batch begins and ends.
    pub(super) last_start: Position,
    pub(super) end: Position,
    /// Highest index of an entry in the segment read last.
    pub(super) last_index: Option<u64>,
}

impl Replay {
    pub(super) fn new(log_id: u64) -> Replay {
        Replay {
            log_id,
            state: None,
            entries: BTreeMap::new(),
            batch: 0,
            generation: 0,
            last_start: Position::default(),
            end: Position::default(),
            last_index: None,
        }
    }

    /// Takes in the whole batches of `segment` and returns the byte where they end.
    ///
    /// # Errors
    /// A batch that is whole and does not belong there.
    pub(super) fn read_segment(&mut self, segment: u64, bytes: &[u8]) -> Result<u64, Damage> {
        self.last_index = None;
        let mut offset = 0;
        while let Some(rest) = bytes.get(offset as usize..) {
            let Some((header, check)) = self.own_header(segment, rest) else {
                break;
            };
            self.check_follows(&header, offset)?;
            let Some(records) = batch::decode_records(rest, &header, check) else {
                break;
            };
            for (place, record) in records {
                self.take(Position { segment, offset }, place, &record)?;
            }
            self.batch = header.number;
            self.generation = header.generation;
            self.last_start = Position { segment, offset };
            offset += header.total_bytes();
            self.end = Position { segment, offset };
        }
        Ok(offset)
    }

    /// A whole header of this log and segment; anything else may be the remains of a torn write.
    fn own_header(&self, segment: u64, bytes: &[u8]) -> Option<(BatchHeader, u32)> {
        BatchHeader::decode(bytes).filter(|(header, _)| {
            header.log_id == self.log_id && header.segment == segment && header.number > 0
        })
    }

    fn check_follows(&self, header: &BatchHeader, offset: u64) -> Result<(), Damage> {
        if self.batch == 0 {
            return Ok(()); // the oldest segment: what was before it has been purged
        }
        let follows = header.number == self.batch + 1
            && header.previous_end == self.end
            && header.generation >= self.generation;
        if follows {
            return Ok(());
        }
        let (end, previous) = (self.end, header.previous_end);
        let what = format!(
            "batch {} follows segment {} byte {}, but the log was read up to batch {}, segment {} byte {}",
            header.number, previous.segment, previous.offset, self.batch, end.segment, end.offset
        );
        damage(offset, what)
    }

    fn take(&mut self, start: Position, place: usize, record: &RawRecord<'_>) -> Result<(), Damage> {
        let at = start.offset + place as u64;
        let first = start.offset == 0 && place == batch::HEADER_BYTES;
        let change = Change::from_record(record.kind, record.index, record.payload);
        match (first, change, &mut self.state) {
            (true, None, state) => {
                let Some(read) = LogState::decode(record.payload) else {
                    return damage(at, "the segment's checkpoint is malformed");
                };
                match state {
                    Some(known) if *known != read => {
                        return damage(at, "the segment's checkpoint disagrees with the log");
                    }
                    Some(_) => {}
                    None => *state = Some(read),
                }
            }
            (false, Some(change), Some(state)) => {
                state.apply(&change).or_else(|problem| damage(at, problem))?;
                self.keep(&change, start, place, record);
            }
            _ => {
                return damage(
                    at,
                    "the segment does not begin with its checkpoint, or has another one",
                );
            }
        }
        Ok(())
    }

    fn keep(&mut self, change: &Change, start: Position, place: usize, raw: &RawRecord<'_>) {
        match change {
            Change::Entry(entry) => {
                let location = Location {
                    segment: start.segment,
                    offset: start.offset + (place + record::HEADER_BYTES) as u64,
                    length: raw.payload.len() as u32,
                    check: raw.payload_check,
                };
                self.last_index = self.last_index.max(Some(entry.index));
                self.entries
                    .insert(entry.index, (location, entry.payload.clone()));
            }
            Change::Truncate(from) => {
                self.entries.split_off(from);
            }
            Change::Purge(mark) => self.entries = self.entries.split_off(&mark.index.saturating_add(1)),
            Change::Vote(_) | Change::Committed(_) => {}
        }
    }

    /// Whether what lies behind the end of the newest segment can be a torn tail: nothing in it may
    /// show that a later write was begun, because a write begins only when all before it is synced.
    pub(super) fn check_tail(&self, segment: u64, bytes: &[u8], end: u64) -> Result<(), Damage> {
        for offset in (end..bytes.len() as u64).step_by(SECTOR_BYTES as usize) {
            let Some((header, _)) = self.own_header(segment, &bytes[offset as usize..]) else {
                continue;
            };
            if header.number > self.batch + 1 || (header.number == self.batch + 1 && offset != end) {
                let what = format!("unreadable, though batch {} was written after it", header.number);
                return damage(end, what);
            }
        }
        Ok(())
    }

    /// Whether the whole segments give the whole log.
    pub(super) fn check_complete(&self) -> Result<(), Damage> {
        let live = self.state.as_ref().map_or(0..0, |state| state.live.clone());
        let first = self.entries.keys().next().copied();
        let count = self.entries.len() as u64;
        if count != live.end - live.start || first.is_some_and(|first| first != live.start) {
            let what = format!(
                "entries {}..{} should be in the log, {count} of them are",
                live.start, live.end
            );
            return damage(0, what);
        }
        Ok(())
    }
}
