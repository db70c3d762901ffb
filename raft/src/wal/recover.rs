//! Opens the log: reads it, decides, repairs what a power cut may leave, refuses everything else.
//!
//! Every step may itself be cut short and is then simply done again by the next start.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::batch::{Position, SECTOR_BYTES};
use super::disk::{Disk, DiskFile};
use super::error::OpenError;
use super::high_water::{self, HighWater, Level};
use super::replay::{Damage, Replay};
use super::segment::{self, Segment};

const LOCK_FILE_NAME: &str = "lock";

/// The log as found on disk, ready for the writer.
pub(super) struct Opened {
    pub(super) replay: Replay,
    /// Oldest first; the last one takes the next batch. Empty if nothing was ever written.
    pub(super) segments: VecDeque<Segment>,
    pub(super) high_water: HighWater,
    pub(super) cut_off_bytes: u64,
    /// Held as long as the log is open.
    pub(super) lock: Box<dyn Send + Sync>,
}

/// Opens the log in `dir`. `new_log_id` is used if there is none yet. A refusal changes nothing.
pub(super) fn open(disk: &dyn Disk, dir: &Path, new_log_id: u64) -> Result<Opened, OpenError> {
    let lock = prepare_dir(disk, dir)?;
    let numbers = segment_numbers(disk, dir)?;
    let high_water = open_high_water(disk, dir, new_log_id, numbers.is_empty())?;
    let opening = Opening {
        disk,
        dir,
        mark: high_water.level(),
    };
    let chain = consecutive_suffix(&numbers);
    let mut replay = Replay::new(opening.mark.log_id);
    let (mut segments, cut_off_bytes) = opening.read(chain, &mut replay)?;
    opening.check(chain, &replay)?;
    opening.cut_torn_tail(&mut segments, cut_off_bytes)?;
    opening.make_durable(&segments, &replay)?;
    let high_water = opening.raise_mark(high_water, &replay)?;
    opening.remove(&numbers[..numbers.len() - chain.len()])?;
    Ok(Opened {
        replay,
        segments,
        high_water,
        cut_off_bytes,
        lock,
    })
}

fn prepare_dir(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Send + Sync>, OpenError> {
    disk.create_dir(dir)
        .map_err(OpenError::io("create the directory", dir))?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent)
            .map_err(OpenError::io("sync the parent directory", dir))?;
    }
    match disk.lock(&dir.join(LOCK_FILE_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(OpenError::InUse {
            dir: dir.to_path_buf(),
        }),
        other => other.map_err(OpenError::io("take the lock", dir)),
    }
}

fn segment_numbers(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, OpenError> {
    let names = disk.list(dir).map_err(OpenError::io("list the segments", dir))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number_of(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The mark is created, and synced, before the first segment: with segments it must be there.
fn open_high_water(
    disk: &dyn Disk,
    dir: &Path,
    new_log_id: u64,
    fresh: bool,
) -> Result<HighWater, OpenError> {
    let found = HighWater::open(disk, dir).map_err(OpenError::io("read the high-water mark", dir))?;
    match found {
        Some(mark) => Ok(mark),
        None if fresh => {
            HighWater::create(disk, dir, new_log_id).map_err(OpenError::io("create the high-water mark", dir))
        }
        None => Err(OpenError::Damaged {
            dir: dir.to_path_buf(),
            file: high_water::FILE_NAME.into(),
            offset: 0,
            what: "missing, or neither of its slots is readable".into(),
        }),
    }
}

/// The segments that count: those before a gap were purged, and their removal was cut short.
fn consecutive_suffix(numbers: &[u64]) -> &[u64] {
    let gap = (1..numbers.len())
        .rev()
        .find(|at| numbers[*at] != numbers[at - 1] + 1);
    &numbers[gap.unwrap_or(0)..]
}

struct Opening<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    mark: Level,
}

impl Opening<'_> {
    fn damaged(&self, segment: Option<u64>, damage: Damage) -> OpenError {
        let file = segment.map_or("no segment".into(), segment::file_name);
        OpenError::Damaged {
            dir: self.dir.to_path_buf(),
            file,
            offset: damage.offset,
            what: damage.what,
        }
    }

    /// Reads the segments; also returns how many bytes of the newest are a torn tail.
    fn read(&self, chain: &[u64], replay: &mut Replay) -> Result<(VecDeque<Segment>, u64), OpenError> {
        let mut segments = VecDeque::new();
        let mut torn = 0;
        for &number in chain {
            let path = self.dir.join(segment::file_name(number));
            let file = self
                .disk
                .open(&path)
                .map_err(OpenError::io("open a segment", self.dir))?;
            let bytes = read_all(&*file).map_err(OpenError::io("read a segment", self.dir))?;
            let refuse = |damage| self.damaged(Some(number), damage);
            let end = replay.read_segment(number, &bytes).map_err(refuse)?;
            if chain.last() == Some(&number) {
                replay.check_tail(number, &bytes, end).map_err(refuse)?;
                torn = torn_bytes(&bytes, end);
            } else if end == 0 {
                return Err(refuse(Damage {
                    offset: 0,
                    what: "unreadable from its first byte".into(),
                }));
            }
            let mut segment = Segment::existing(number, file, end, bytes.len() as u64);
            segment.last_index = replay.last_index;
            segments.push_back(segment);
        }
        Ok((segments, torn))
    }

    /// The log must be whole and reach at least as far as it was known to be on disk.
    fn check(&self, chain: &[u64], replay: &Replay) -> Result<(), OpenError> {
        if self.mark.batch > replay.batch {
            let Position { segment, offset } = replay.end;
            let what = format!(
                "the log ends with batch {}, but batch {} was on disk",
                replay.batch, self.mark.batch
            );
            return Err(self.damaged((segment > 0).then_some(segment), Damage { offset, what }));
        }
        replay
            .check_complete()
            .map_err(|damage| self.damaged(chain.first().copied(), damage))
    }

    /// Zeros what no sync has covered, or removes the newest segment if that is all it holds.
    fn cut_torn_tail(&self, segments: &mut VecDeque<Segment>, torn: u64) -> Result<(), OpenError> {
        let Some(newest) = segments.back() else {
            return Ok(());
        };
        if newest.end == 0 {
            self.remove(&[newest.number])?;
            segments.pop_back();
        } else if torn > 0 {
            let zeros = vec![0; torn as usize];
            newest
                .file
                .write_at(&zeros, newest.end)
                .map_err(OpenError::io("cut off a torn tail", self.dir))?;
        }
        Ok(())
    }

    /// What was read may have come from the page cache. Only the last batch can be unsynced; if its
    /// sync failed before, the kernel holds its pages for clean, so it is written once more.
    fn make_durable(&self, segments: &VecDeque<Segment>, replay: &Replay) -> Result<(), OpenError> {
        let Some(current) = segments.back() else {
            return Ok(());
        };
        let durable = || -> io::Result<()> {
            if self.mark.batch < replay.batch {
                let start = replay.last_start.offset;
                let mut batch = vec![0; (current.end - start) as usize];
                current.file.read_at(&mut batch, start)?;
                current.file.write_at(&batch, start)?;
            }
            current.file.sync_data()?;
            self.disk.sync_dir(self.dir)
        };
        durable().map_err(OpenError::io("sync what was read", self.dir))
    }

    /// A new generation begins before anything is written in it.
    fn raise_mark(&self, mut high_water: HighWater, replay: &Replay) -> Result<HighWater, OpenError> {
        let generation = self.mark.generation.max(replay.generation) + 1;
        let level = Level {
            log_id: self.mark.log_id,
            generation,
            batch: replay.batch,
        };
        high_water
            .write(level)
            .and_then(|()| high_water.sync())
            .map_err(OpenError::io("write the high-water mark", self.dir))?;
        Ok(high_water)
    }

    fn remove(&self, numbers: &[u64]) -> Result<(), OpenError> {
        for &number in numbers {
            let path = self.dir.join(segment::file_name(number));
            self.disk
                .unlink(&path)
                .and_then(|()| self.disk.sync_dir(self.dir))
                .map_err(OpenError::io("remove a segment", self.dir))?;
        }
        Ok(())
    }
}

fn read_all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let size = usize::try_from(file.size()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; size];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Bytes behind `end` up to the last one that is not zero, in whole sectors.
fn torn_bytes(bytes: &[u8], end: u64) -> u64 {
    let tail = bytes.get(end as usize..).unwrap_or_default();
    let used = tail
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last as u64 + 1);
    used.next_multiple_of(SECTOR_BYTES).min(tail.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_segments_behind_the_last_gap_count() {
        assert!(consecutive_suffix(&[]).is_empty());
        assert_eq!(consecutive_suffix(&[4, 5, 6]), [4, 5, 6]);
        assert_eq!(consecutive_suffix(&[1, 2, 4, 6, 7]), [6, 7]);
    }

    #[test]
    fn a_torn_tail_ends_with_its_last_byte_that_is_not_zero() {
        let mut bytes = vec![0; 4096];
        bytes[100] = 1;
        assert_eq!(torn_bytes(&bytes, 512), 0);
        bytes[1500] = 1;
        assert_eq!(torn_bytes(&bytes, 512), 1024);
        assert_eq!(torn_bytes(&[1; 700], 512), 188);
    }
}
