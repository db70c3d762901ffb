//! Following the journal: each whole line after a revision, once, from one file to the next.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use crate::query::ANSWER_BYTES;
use crate::record::Record;
use crate::segments::{Place, Segment, whole_lines};

/// A place in the journal.
#[derive(Debug)]
pub(crate) struct Tail {
    place: Place,
    /// Everything up to here was given.
    revision: u64,
    /// The file that is being read, and how much of it was.
    file: Option<(Segment, u64)>,
}

impl Tail {
    pub(crate) fn after(place: Place, revision: u64) -> Tail {
        Tail {
            place,
            revision,
            file: None,
        }
    }

    /// The next records; none if nothing more is written. What was removed before it was read, and lines that cannot be read, are gaps
    /// of their own.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Record>> {
        loop {
            let Some((segment, offset)) = self.current()? else {
                return Ok(Vec::new());
            };
            let (lines, end) = lines_from(&segment, offset)?;
            let is_at_its_end = lines.is_empty();
            self.file = Some((segment.clone(), end));
            let records: Vec<Record> = lines
                .split(|byte| *byte == b'\n')
                .filter_map(|line| serde_json::from_slice(line).ok())
                .filter(|record: &Record| record.revision > self.revision)
                .collect();
            if !records.is_empty() {
                return Ok(self.without_holes(records, &segment));
            }
            if is_at_its_end && !self.go_on(&segment)? {
                return Ok(Vec::new());
            }
        }
    }

    /// Puts a gap into each hole before a record; `segment` is the file that they are from.
    fn without_holes(&mut self, records: Vec<Record>, segment: &Segment) -> Vec<Record> {
        let mut whole = Vec::with_capacity(records.len());
        for record in records {
            let before = record.gap_after.unwrap_or(record.revision.saturating_sub(1));
            if before > self.revision {
                // its file begins with it, so the ones before are gone
                let reason = match record.revision == segment.first {
                    true => "removed",
                    false => "damaged",
                };
                whole.push(Record::missing(self.revision, before, reason, record.at_ms));
            }
            self.revision = record.revision;
            whole.push(record);
        }
        whole
    }

    /// The file to read on in: at the beginning, the one that has the first line that is asked for.
    fn current(&mut self) -> io::Result<Option<(Segment, u64)>> {
        if self.file.is_none() {
            let all = self.place.list()?;
            let begun = all
                .iter()
                .rev()
                .find(|segment| segment.first <= self.revision + 1);
            self.file = begun.or(all.first()).map(|segment| (segment.clone(), 0));
        }
        Ok(self.file.clone())
    }

    /// Goes to the file after `segment`; false if there is none yet.
    fn go_on(&mut self, segment: &Segment) -> io::Result<bool> {
        let all = self.place.list()?;
        let next = all.into_iter().find(|found| found.first > segment.first);
        let Some(next) = next else {
            return Ok(false);
        };
        // the last lines may have come between the look at its end and the look at the files
        if !lines_from(segment, self.file.as_ref().map_or(0, |(_, offset)| *offset))?
            .0
            .is_empty()
        {
            return Ok(true);
        }
        self.file = Some((next, 0));
        Ok(true)
    }
}

/// Whole lines from `offset` on, about as many as an answer may have, and where they end. Of a file that was removed: none.
fn lines_from(segment: &Segment, offset: u64) -> io::Result<(Vec<u8>, u64)> {
    let mut file = match File::open(&segment.path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), offset)),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(offset))?;
    let (mut lines, mut part) = (Vec::new(), ANSWER_BYTES as u64);
    loop {
        let read = file.by_ref().take(part).read_to_end(&mut lines)?;
        let end = whole_lines(&lines).len();
        if end > 0 || (read as u64) < part {
            lines.truncate(end);
            return Ok((lines, offset + end as u64));
        }
        part *= 2; // a line that is longer than that
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::line;
    use crate::record::tests::record;
    use crate::segments::Segments;

    fn place(folder: &Path) -> Place {
        Place::new(folder, "audit")
    }

    fn segments(folder: &Path) -> Segments {
        let each = line(&record(1, "user/ada", "gpu")).len() as u64;
        let (segments, _) = Segments::open(place(folder), |_| None).unwrap();
        segments.with_file_bytes(3 * each)
    }

    fn write(segments: &mut Segments, revisions: impl IntoIterator<Item = u64>) {
        for revision in revisions {
            let lines = line(&record(revision, "user/ada", "gpu"));
            segments.append(revision, &lines).unwrap();
        }
    }

    fn all(tail: &mut Tail) -> Vec<u64> {
        let mut seen = Vec::new();
        loop {
            let records = tail.read().unwrap();
            if records.is_empty() {
                return seen;
            }
            seen.extend(records.iter().map(|record| record.revision));
        }
    }

    #[test]
    fn every_line_is_given_once_across_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = segments(folder.path());
        let mut tail = Tail::after(place(folder.path()), 0);
        assert!(all(&mut tail).is_empty());
        write(&mut segments, 1..=7);
        assert_eq!(all(&mut tail), (1..=7).collect::<Vec<_>>());
        assert!(all(&mut tail).is_empty());
        write(&mut segments, 8..=9);
        assert_eq!(all(&mut tail), [8, 9]);
        let mut later = Tail::after(place(folder.path()), 5);
        assert_eq!(all(&mut later), [6, 7, 8, 9]);
        let mut ahead = Tail::after(place(folder.path()), 9);
        write(&mut segments, 10..=13);
        assert_eq!(all(&mut ahead), [10, 11, 12, 13]);
    }

    /// Half a line would be taken for a damaged one, and its other half, too.
    #[test]
    fn a_line_that_is_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = segments(folder.path());
        write(&mut segments, [1]);
        let mut tail = Tail::after(place(folder.path()), 0);
        let second = line(&record(2, "user/ada", "gpu"));
        segments.append(2, &second[..20]).unwrap();
        assert_eq!(all(&mut tail), [1]);
        segments.append(2, &second[20..]).unwrap();
        assert_eq!(all(&mut tail), [2]);
    }

    #[test]
    fn a_line_may_be_longer_than_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = segments(folder.path());
        let mut long = record(1, "user/ada", "gpu");
        let object = long.objects[0].clone();
        long.objects = vec![object; 2 * ANSWER_BYTES / 40];
        segments.append(1, &line(&long)).unwrap();
        write(&mut segments, [2]);
        assert_eq!(all(&mut Tail::after(place(folder.path()), 0)), [1, 2]);
    }

    /// From where to where, and why.
    fn gaps(records: &[Record]) -> Vec<(Option<u64>, u64, &str)> {
        let gaps = records.iter().filter(|record| record.is_gap());
        gaps.map(|gap| (gap.gap_after, gap.revision, gap.reason.as_str()))
            .collect()
    }

    /// What retention has removed cannot be followed, and whoever follows must be told; the rest is.
    #[test]
    fn files_that_were_removed_are_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = segments(folder.path());
        write(&mut segments, 1..=7);
        let mut tail = Tail::after(place(folder.path()), 0);
        assert_eq!(tail.read().unwrap().len(), 3);
        for gone in place(folder.path()).list().unwrap().iter().take(2) {
            std::fs::remove_file(&gone.path).unwrap();
        }
        let records = tail.read().unwrap();
        assert_eq!(gaps(&records), [(Some(3), 6, "removed")]);
        assert_eq!((records.len(), records[1].revision), (2, 7));
        let late = Tail::after(place(folder.path()), 0).read().unwrap();
        assert_eq!(gaps(&late), [(Some(0), 6, "removed")], "who begins late");
        let on = Tail::after(place(folder.path()), 6).read().unwrap();
        assert!(gaps(&on).is_empty(), "who has the rest misses nothing");
    }

    #[test]
    fn a_line_that_cannot_be_read_is_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = segments(folder.path());
        write(&mut segments, [1]);
        segments.append(2, b"{\n").unwrap();
        write(&mut segments, [3]);
        let records = Tail::after(place(folder.path()), 0).read().unwrap();
        assert_eq!(gaps(&records), [(Some(1), 2, "damaged")]);
        let revisions: Vec<u64> = records.iter().map(|record| record.revision).collect();
        assert_eq!(revisions, [1, 2, 3]);
    }

    /// A gap that the journal has itself is told as it is.
    #[test]
    fn a_gap_of_the_journal_leaves_no_hole() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = segments(folder.path());
        write(&mut segments, [1]);
        segments.append(9, &line(&Record::of_start(1, 9, 5))).unwrap();
        write(&mut segments, [10]);
        let mut tail = Tail::after(place(folder.path()), 0);
        let mut seen = Vec::new();
        loop {
            let records = tail.read().unwrap();
            if records.is_empty() {
                break;
            }
            seen.extend(records);
        }
        assert_eq!(gaps(&seen), [(Some(1), 9, "start")]);
    }
}
