//! A segment: one preallocated file of batches. Segments are numbered from 1 and never reused.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::SECTOR_BYTES;
use super::disk::{Disk, DiskFile};

/// At the end of each segment, room that entries may not take: a vote, and the purge that frees
/// space, still find room when the disk is full.
pub(super) const RESERVE_BYTES: u64 = 16 << 10;
/// How far ahead of the batches zeros are written. Writing to blocks that already hold bytes needs
/// no change of the file system's own records, which makes the sync of a batch twice as fast.
const ZEROS_AHEAD_BYTES: u64 = 256 << 10;
/// A page of the page cache.
const PAGE_BYTES: u64 = 4096;
const ZEROS: [u8; PAGE_BYTES as usize] = [0; PAGE_BYTES as usize];

/// The file's name in the log's directory.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:020}.wal")
}

/// The inverse of [`file_name`]; `None` for other files.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".wal")?.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

/// One segment in use.
#[derive(Clone)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) file: Arc<dyn DiskFile>,
    /// Highest index of an entry in it, live or not: it may go once that is purged.
    pub(super) last_index: Option<u64>,
    /// Where the next batch goes.
    pub(super) end: u64,
    capacity: u64,
    zeroed_to: u64,
}

impl Segment {
    /// Creates a segment with room for `room` bytes and the reserve, or `segment_bytes` if that is
    /// more. The name is durable only after a sync of the directory.
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        number: u64,
        segment_bytes: u64,
        room: u64,
    ) -> io::Result<Segment> {
        let file = disk.create(&dir.join(file_name(number)))?;
        let capacity = segment_bytes
            .max(room + RESERVE_BYTES)
            .next_multiple_of(SECTOR_BYTES);
        file.preallocate(capacity)?;
        Ok(Segment {
            number,
            file,
            last_index: None,
            end: 0,
            capacity,
            zeroed_to: 0,
        })
    }

    /// An existing segment of `capacity` bytes whose batches end at `end`.
    pub(super) fn existing(number: u64, file: Arc<dyn DiskFile>, end: u64, capacity: u64) -> Segment {
        Segment {
            number,
            file,
            last_index: None,
            end,
            capacity,
            zeroed_to: end,
        }
    }

    /// Whether `total` more bytes fit; only batches without entries may use the reserve.
    pub(super) fn has_room(&self, total: u64, with_entries: bool) -> bool {
        let reserve = if with_entries { RESERVE_BYTES } else { 0 };
        self.end + total + reserve <= self.capacity
    }

    /// Writes one batch, padded to sectors, and now and then zeros after it; then syncs, and says how long that took.
    pub(super) fn write_batch(&mut self, mut batch: Vec<u8>) -> io::Result<Duration> {
        batch.resize(batch.len().next_multiple_of(SECTOR_BYTES as usize), 0);
        let end = self.end + batch.len() as u64;
        self.file.write_at(&batch, self.end)?;
        if end > self.zeroed_to {
            self.zeroed_to = end.max(self.capacity.min(end + ZEROS_AHEAD_BYTES));
            self.write_zeros(end)?;
        }
        let began = Instant::now();
        self.file.sync_data()?;
        self.end = end;
        Ok(began.elapsed())
    }

    /// Zeros from `from` on, a page at a time: what one call brings into the page cache may be one piece there, and every
    /// later batch would then count as the whole piece in what the system says this process has written.
    fn write_zeros(&self, mut from: u64) -> io::Result<()> {
        while from < self.zeroed_to {
            let to = self.zeroed_to.min((from + 1).next_multiple_of(PAGE_BYTES));
            self.file.write_at(&ZEROS[..(to - from) as usize], from)?;
            from = to;
        }
        Ok(())
    }

    /// Notes that an entry was written here.
    pub(super) fn note_entry(&mut self, index: u64) {
        self.last_index = self.last_index.max(Some(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::real_disk::RealDisk;

    #[test]
    fn names_and_numbers_agree_and_other_files_are_left_alone() {
        assert_eq!(number_of(&file_name(42)), Some(42));
        for name in [
            "high-water",
            "42.wal",
            "00000000000000000042.wal.old",
            "-0000000000000000042.wal",
        ] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }

    #[test]
    fn the_reserve_is_kept_for_batches_without_entries() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = Segment::create(&RealDisk, dir.path(), 1, 64 << 10, 0).unwrap();
        while segment.has_room(4096, true) {
            segment.write_batch(vec![1; 4000]).unwrap();
        }
        assert_eq!(segment.end, (64 << 10) - RESERVE_BYTES);
        assert!(segment.has_room(RESERVE_BYTES, false));
        assert!(!segment.has_room(RESERVE_BYTES + 1, false));
    }

    #[test]
    fn a_batch_larger_than_a_segment_gets_one_that_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment::create(&RealDisk, dir.path(), 1, 64 << 10, 1 << 20).unwrap();
        assert!(segment.has_room(1 << 20, true));
        assert_eq!(segment.file.size().unwrap(), (1 << 20) + RESERVE_BYTES);
    }

    /// Zeros ahead never reach over a batch, and the file never outgrows what was reserved.
    #[test]
    fn batches_lie_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = Segment::create(&RealDisk, dir.path(), 1, 1 << 20, 0).unwrap();
        let fills = || (0..1024_u64).map(|batch| (batch, 1 + (batch % 250) as u8));
        for (batch, fill) in fills() {
            assert_eq!(segment.end, batch * 1024);
            segment.write_batch(vec![fill; 700]).unwrap();
            assert!(segment.zeroed_to <= 1 << 20, "batch {batch}");
        }
        for (batch, fill) in fills() {
            let mut bytes = [0; 1024];
            segment.file.read_at(&mut bytes, batch * 1024).unwrap();
            let (record, padding) = bytes.split_at(700);
            assert!(record.iter().all(|byte| *byte == fill), "batch {batch}");
            assert!(padding.iter().all(|byte| *byte == 0), "batch {batch}");
        }
        assert_eq!(segment.file.size().unwrap(), 1 << 20);
    }
}
