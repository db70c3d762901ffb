//! The journal of the log: every entry once, in order, or a gap in its place.

use std::io;

use raft::{Item, Taken};

use crate::names::Names;
use crate::record::{self, Record};
use crate::segments::{Place, Segments};

/// Bytes of lines that are written at once, so that files stay about as large as they should.
const LINES_BYTES: usize = 1 << 20;

/// Its end.
#[derive(Debug)]
pub(crate) struct Journal {
    place: Place,
    segments: Segments,
    /// It says something of every entry up to here.
    upto: u64,
    /// Everything up to here was given back by [`Journal::write`].
    told: u64,
    names: Names,
    /// The disk has refused something: part of a line may be there.
    is_broken: bool,
}

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) records: Vec<Record>,
    pub(crate) gaps: u64,
}

impl Journal {
    /// Goes on with what is in the folder.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn open(place: Place, names: Names) -> io::Result<Journal> {
        let (segments, upto) = Segments::open(place.clone(), revision)?;
        Ok(Journal {
            place,
            segments,
            upto,
            told: upto,
            names,
            is_broken: false,
        })
    }

    /// It says something of every entry up to here.
    pub(crate) fn upto(&self) -> u64 {
        self.upto
    }

    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Brings what was written to the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let synced = self.segments.sync();
        self.is_broken |= synced.is_err();
        synced
    }

    /// Writes what it has not yet. Entries that are applied again after a start are passed over; what was applied before it and
    /// is missing becomes a gap.
    ///
    /// # Errors
    /// What the file system says: then write the same again. What the disk has of it is looked at first, and given back with the rest.
    pub(crate) fn write(&mut self, taken: &Taken, now_ms: u64) -> io::Result<Written> {
        if self.is_broken {
            self.reopen()?;
        }
        let written = self.write_new(taken, now_ms);
        self.is_broken = written.is_err();
        written
    }

    fn write_new(&mut self, taken: &Taken, now_ms: u64) -> io::Result<Written> {
        let (mut written, mut lines) = (Written::default(), Vec::new());
        let (mut first, mut upto, mut told) = (None, self.upto, self.told);
        let before = (taken.after > upto).then(|| Record::of_start(upto, taken.after, now_ms));
        let items = taken.items.iter().map(|item| match item {
            Item::Deed(deed) => Record::of(deed, &self.names),
            Item::Gap(gap) => Record::of_gap(gap, now_ms),
        });
        for mut record in before.into_iter().chain(items) {
            // they differ after an attempt that failed: the disk may have some of it, or have lost what was told
            let (is_new, is_untold) = (record.revision > upto, record.revision > told);
            record.gap_after = record.gap_after.map(|after| after.max(upto.min(told)));
            if is_new {
                upto = record.revision;
                first.get_or_insert(upto);
                lines.extend(record::line(&record));
            }
            if is_untold {
                told = record.revision;
                written.gaps += u64::from(record.is_gap());
                written.records.push(record);
            }
            if lines.len() > LINES_BYTES {
                self.segments.append(first.take().unwrap_or(upto), &lines)?;
                lines.clear();
            }
        }
        if let Some(first) = first {
            self.segments.append(first, &lines)?;
        }
        (self.upto, self.told) = (upto, told);
        Ok(written)
    }

    fn reopen(&mut self) -> io::Result<()> {
        (self.segments, self.upto) = Segments::open(self.place.clone(), revision)?;
        self.is_broken = false;
        Ok(())
    }
}

fn revision(line: &[u8]) -> Option<u64> {
    let record: Record = serde_json::from_slice(line).ok()?;
    Some(record.revision)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use raft::{Gap, GapReason};
    use tempfile::TempDir;

    use super::*;
    use crate::record::tests::deed;

    fn place(folder: &TempDir) -> Place {
        Place::new(folder.path(), "audit")
    }

    fn open(folder: &TempDir) -> Journal {
        Journal::open(place(folder), Names::load().unwrap()).unwrap()
    }

    fn taken(after: u64, upto: u64) -> Taken {
        let deeds = (after + 1..=upto).map(|index| Item::Deed(Box::new(deed(index, "user/ada", "gpu"))));
        Taken {
            after,
            items: deeds.collect(),
        }
    }

    /// Revision of each line, and of gaps the last entry before.
    fn lines(folder: &TempDir) -> Vec<(u64, Option<u64>)> {
        let all = place(folder).list().unwrap();
        let texts = all
            .iter()
            .map(|segment| fs::read_to_string(&segment.path).unwrap());
        let text: String = texts.collect();
        let records = text
            .lines()
            .map(|line| serde_json::from_str::<Record>(line).unwrap());
        records
            .map(|record| (record.revision, record.gap_after))
            .collect()
    }

    /// A member that was killed applies again what its checkpoint had not; the journal may have it already.
    #[test]
    fn a_restart_loses_nothing_and_doubles_nothing() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).write(&taken(0, 6), 1).unwrap();
        for begin in [0, 3, 6] {
            let mut journal = open(&folder);
            assert_eq!(journal.upto(), 6);
            let written = journal.write(&taken(begin, 6), 1).unwrap();
            assert_eq!((written.records.len(), written.gaps), (0, 0), "from {begin}");
        }
        open(&folder).write(&taken(4, 8), 1).unwrap();
        let whole: Vec<_> = (1..=8).map(|revision| (revision, None)).collect();
        assert_eq!(lines(&folder), whole);
    }

    /// The log is purged up to a state that is ahead of the journal: nobody here can say what was before.
    #[test]
    fn what_the_log_has_no_more_is_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).write(&taken(0, 2), 1).unwrap();
        let mut journal = open(&folder);
        let written = journal.write(&taken(10, 11), 1).unwrap();
        assert_eq!(written.gaps, 1);
        assert_eq!(lines(&folder), [(1, None), (2, None), (10, Some(2)), (11, None)]);
        assert_eq!(open(&folder).upto(), 11);
    }

    /// Half of what a snapshot jumps over may be there from before.
    #[test]
    fn a_gap_is_never_wider_than_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(&folder);
        journal.write(&taken(0, 5), 1).unwrap();
        let gap = |after, upto| Taken {
            after,
            items: vec![Item::Gap(Gap {
                after,
                upto,
                reason: GapReason::Snapshot,
            })],
        };
        journal.write(&gap(3, 5), 1).unwrap();
        journal.write(&gap(3, 9), 1).unwrap();
        assert_eq!(lines(&folder)[5..], [(9, Some(5))]);
    }

    #[test]
    fn a_torn_line_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).write(&taken(0, 3), 1).unwrap();
        let path = place(&folder).list().unwrap().remove(0).path;
        let content = fs::read(&path).unwrap();
        fs::write(&path, &content[..content.len() - 9]).unwrap();
        let mut journal = open(&folder);
        assert_eq!(journal.upto(), 2);
        journal.write(&taken(1, 4), 1).unwrap();
        assert_eq!(lines(&folder), [(1, None), (2, None), (3, None), (4, None)]);
    }

    #[test]
    fn after_an_error_the_disk_says_how_far_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(&folder);
        journal.write(&taken(0, 3), 1).unwrap();
        let path = place(&folder).list().unwrap().remove(0).path;
        let content = fs::read(&path).unwrap();
        fs::write(&path, &content[..content.len() - 9]).unwrap();
        journal.is_broken = true;
        assert_eq!(
            journal.write(&taken(2, 4), 1).unwrap().records.len(),
            1,
            "the third was given back before"
        );
        assert_eq!(lines(&folder), [(1, None), (2, None), (3, None), (4, None)]);
    }

    /// The first part is on the disk when the second one fails: whoever is sent each line is to have it.
    #[test]
    fn what_a_failed_attempt_has_written_is_given_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(&folder);
        journal.write(&taken(0, 1), 1).unwrap();
        // as after an error behind the third line
        let told = journal.told;
        journal.write(&taken(1, 3), 1).unwrap();
        (journal.told, journal.is_broken) = (told, true);
        let written = journal.write(&taken(1, 5), 1).unwrap();
        let given: Vec<u64> = written.records.iter().map(|record| record.revision).collect();
        assert_eq!(given, [2, 3, 4, 5]);
        let whole: Vec<_> = (1..=5).map(|revision| (revision, None)).collect();
        assert_eq!(lines(&folder), whole);
    }

    /// Files would grow without end if a long backlog were one piece.
    #[test]
    fn a_long_backlog_is_written_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(&folder);
        journal.write(&taken(0, 50_000), 1).unwrap();
        assert!(place(&folder).list().unwrap().len() > 1);
        assert_eq!(lines(&folder).len(), 50_000);
    }
}
