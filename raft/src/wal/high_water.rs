//! The high-water mark: a small file that names the last batch known to be on disk.
//!
//! Without it, damage to the very last acknowledged batch would look like a torn tail. It is
//! written after every batch and synced with a vote, every few batches and when the log is idle,
//! so after a power cut it may be some batches behind, never ahead. It counts batches, not
//! entries: a truncation is one more batch, so the mark never has to be lowered.
//!
//! Two slots, 4 KiB apart; a slot is written again only while the other one is safe on disk.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::batch::FieldReader;
use super::disk::{Disk, DiskFile};

/// The file's name in the log's directory.
pub(super) const FILE_NAME: &str = "high-water";
const MAGIC: [u8; 4] = *b"CHW1";
const SLOT_SPACING_BYTES: u64 = 4096;
const SLOT_BYTES: usize = 32;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// The log's id: drawn once, part of every batch.
    pub(super) log_id: u64,
    /// Openings so far.
    pub(super) generation: u64,
    /// Number of the last batch that a sync has covered; 0 before the first.
    pub(super) batch: u64,
}

/// The open file.
pub(super) struct HighWater {
    file: Arc<dyn DiskFile>,
    level: Level,
    slot: u64,
    synced: bool,
}

impl HighWater {
    /// Creates the file, or takes over one whose creation a power cut interrupted.
    pub(super) fn create(disk: &dyn Disk, dir: &Path, log_id: u64) -> io::Result<HighWater> {
        let path = dir.join(FILE_NAME);
        let file = match disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(&path)?,
            other => other?,
        };
        file.write_at(&[0; 2 * SLOT_SPACING_BYTES as usize], 0)?;
        let level = Level {
            log_id,
            generation: 0,
            batch: 0,
        };
        let mut created = HighWater {
            file,
            level,
            slot: 1,
            synced: true,
        };
        created.write(level)?;
        created.sync()?;
        disk.sync_dir(dir)?;
        Ok(created)
    }

    /// Opens the file; `None` if it is missing or neither slot holds.
    pub(super) fn open(disk: &dyn Disk, dir: &Path) -> io::Result<Option<HighWater>> {
        let file = match disk.open(&dir.join(FILE_NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut found: Option<(Level, u64)> = None;
        for slot in 0..2 {
            let mut bytes = [0; SLOT_BYTES];
            match file.read_at(&mut bytes, slot * SLOT_SPACING_BYTES) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                other => other?,
            }
            let newer = |level: &Level| found.is_none_or(|(best, _)| level.order() > best.order());
            if let Some(level) = decode(&bytes).filter(newer) {
                found = Some((level, slot));
            }
        }
        if found.is_some() {
            file.sync_data()?; // it may have been read from the page cache; the next write needs it safe
        }
        Ok(found.map(|(level, slot)| HighWater {
            file,
            level,
            slot,
            synced: true,
        }))
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// Writes `level` without syncing it.
    pub(super) fn write(&mut self, level: Level) -> io::Result<()> {
        let slot = if self.synced { 1 - self.slot } else { self.slot };
        self.file.write_at(&encode(&level), slot * SLOT_SPACING_BYTES)?;
        self.slot = slot;
        self.synced = false;
        self.level = level;
        Ok(())
    }

    /// Whether [`HighWater::sync`] has something to do.
    pub(super) fn needs_sync(&self) -> bool {
        !self.synced
    }

    /// Makes the last written level durable; free if it is.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.synced {
            self.file.sync_data()?;
            self.synced = true;
        }
        Ok(())
    }
}

impl Level {
    fn order(&self) -> (u64, u64) {
        (self.generation, self.batch)
    }
}

fn encode(level: &Level) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[0..4].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&level.log_id.to_le_bytes());
    bytes[16..24].copy_from_slice(&level.generation.to_le_bytes());
    bytes[24..32].copy_from_slice(&level.batch.to_le_bytes());
    let check = crc32fast::hash(&bytes[8..]);
    bytes[4..8].copy_from_slice(&check.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<Level> {
    let mut fields = FieldReader(&bytes[4..]);
    let check = fields.u32()?;
    if bytes[..4] != MAGIC || check != crc32fast::hash(&bytes[8..]) {
        return None;
    }
    Some(Level {
        log_id: fields.u64()?,
        generation: fields.u64()?,
        batch: fields.u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::real_disk::RealDisk;

    fn level(batch: u64) -> Level {
        Level {
            log_id: 5,
            generation: 1,
            batch,
        }
    }

    fn flip(dir: &Path, slot: u64) {
        let file = RealDisk.open(&dir.join(FILE_NAME)).unwrap();
        let mut byte = [0];
        file.read_at(&mut byte, slot * SLOT_SPACING_BYTES + 25).unwrap();
        file.write_at(&[byte[0] ^ 4], slot * SLOT_SPACING_BYTES + 25)
            .unwrap();
    }

    fn reopened(dir: &Path) -> Option<Level> {
        HighWater::open(&RealDisk, dir).unwrap().map(|mark| mark.level())
    }

    #[test]
    fn the_last_written_level_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(reopened(dir.path()), None);
        let mut mark = HighWater::create(&RealDisk, dir.path(), 5).unwrap();
        for batch in 1..6 {
            mark.write(level(batch)).unwrap();
            if batch % 2 == 0 {
                mark.sync().unwrap();
            }
            assert_eq!(reopened(dir.path()), Some(level(batch)));
        }
    }

    /// A power cut may spoil what is being written; what was synced before must still stand.
    #[test]
    fn spoiling_the_slot_in_use_leaves_the_one_synced_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut mark = HighWater::create(&RealDisk, dir.path(), 5).unwrap();
        mark.write(level(1)).unwrap();
        mark.sync().unwrap();
        mark.write(level(2)).unwrap();
        mark.write(level(3)).unwrap();
        flip(dir.path(), mark.slot);
        assert_eq!(reopened(dir.path()), Some(level(1)));
        flip(dir.path(), 1 - mark.slot);
        assert_eq!(reopened(dir.path()), None);
    }

    #[test]
    fn creation_takes_over_an_unfinished_file() {
        let dir = tempfile::tempdir().unwrap();
        RealDisk.create(&dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(reopened(dir.path()), None);
        HighWater::create(&RealDisk, dir.path(), 5).unwrap();
        assert_eq!(
            reopened(dir.path()),
            Some(Level {
                log_id: 5,
                generation: 0,
                batch: 0
            })
        );
    }
}
