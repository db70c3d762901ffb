//! Where each live entry lies on disk, shared between the storage thread and readers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::Record;
use super::disk::DiskFile;
use super::log_state::Change;

/// Where the payload of an entry lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) check: u32,
}

/// Index of an entry to its place, for all live entries, and the files they lie in.
#[derive(Default)]
pub(super) struct EntryIndex {
    pub(super) entries: BTreeMap<u64, Location>,
    pub(super) files: BTreeMap<u64, Arc<dyn DiskFile>>,
}

impl EntryIndex {
    /// Takes in a synced change; `location` is where its payload lies.
    pub(super) fn apply(&mut self, change: &Change, location: Location) {
        match change {
            Change::Entry(record) => {
                self.entries.insert(record.index, location);
            }
            Change::Truncate(from) => {
                self.entries.split_off(from);
            }
            Change::Purge(mark) => self.entries = self.entries.split_off(&mark.index.saturating_add(1)),
            Change::Vote(_) | Change::Committed(_) => {}
        }
    }

    /// Where the entry lies, and in which file.
    ///
    /// # Errors
    /// `NotFound` if it is not in the log.
    pub(super) fn find(&self, index: u64) -> io::Result<(Location, Arc<dyn DiskFile>)> {
        let location = self.entries.get(&index).copied();
        let file = location.and_then(|location| self.files.get(&location.segment).cloned());
        let missing = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("entry {index} is not in the log"),
            )
        };
        location.zip(file).ok_or_else(missing)
    }
}

/// Reads one entry and checks it.
///
/// # Errors
/// `InvalidData` if the bytes are not those that were written.
pub(super) fn read_entry(index: u64, location: Location, file: &dyn DiskFile) -> io::Result<Record> {
    let mut payload = vec![0; location.length as usize];
    file.read_at(&mut payload, location.offset)?;
    if crc32fast::hash(&payload) != location.check {
        let text = format!(
            "entry {index} is damaged on disk (segment {}, byte {})",
            location.segment, location.offset
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Record {
        index,
        payload: Bytes::from(payload),
    })
}
