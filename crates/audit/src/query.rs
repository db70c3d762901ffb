//! Reading journals from their end: whole lines, file by file, bounded in how much one question may look at.

use std::fs;
use std::io;
use std::ops::ControlFlow;

use serde::de::DeserializeOwned;

use crate::clean::clean;
use crate::record::{Denial, Outcome, Record, Touched};
use crate::segments::{Place, whole_lines};

/// Files that one question looks at; the answer then says where to go on.
const FILES_MAX: usize = 16;
/// Bytes of lines that one answer has; one line more may be in it.
pub(crate) const ANSWER_BYTES: usize = 1 << 20;

/// Which records are meant. Empty texts and absent bounds select all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    pub(crate) author: String,
    pub(crate) command: String,
    pub(crate) kind: String,
    pub(crate) object: String,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) after: u64,
    pub(crate) upto: Option<u64>,
    pub(crate) since_ms: u64,
    pub(crate) until_ms: Option<u64>,
}

/// A part of an answer, the newest first.
#[derive(Debug, PartialEq)]
pub(crate) struct Found<T> {
    pub(crate) lines: Vec<T>,
    /// Gaps among what was looked at.
    pub(crate) gaps: Vec<Record>,
    /// Where to go on: before this number.
    pub(crate) next: Option<u64>,
    pub(crate) damaged: u64,
    /// The number of the first line that there is.
    pub(crate) oldest: Option<u64>,
}

impl Filter {
    /// Names as journals have them.
    pub(crate) fn cleaned(self) -> Filter {
        Filter {
            author: clean(&self.author),
            command: clean(&self.command),
            kind: clean(&self.kind),
            object: clean(&self.object),
            ..self
        }
    }

    /// Whether a record is meant; of gaps, whether it may hide one that is.
    pub(crate) fn is_for(&self, record: &Record) -> bool {
        if record.revision <= self.after {
            return false;
        }
        if let Some(after) = record.gap_after {
            return self.upto.is_none_or(|upto| after < upto);
        }
        self.upto.is_none_or(|upto| record.revision <= upto)
            && record.at_ms >= self.since_ms
            && self.until_ms.is_none_or(|until_ms| record.at_ms < until_ms)
            && self.outcome.is_none_or(|outcome| record.outcome == outcome)
            && fits(&self.author, &record.author)
            && fits(&self.command, &record.command)
            && self.is_for_objects(record)
    }

    fn is_for_objects(&self, record: &Record) -> bool {
        let is_any = self.kind.is_empty() && self.object.is_empty();
        is_any || record.objects.iter().any(|touched| self.is_for_object(touched))
    }

    pub(crate) fn is_for_object(&self, touched: &Touched) -> bool {
        fits(&self.kind, &touched.kind) && fits(&self.object, &touched.object)
    }

    /// Whether nothing before this record can be meant. Gaps have the time at which they were found.
    fn is_over(&self, record: &Record) -> bool {
        record.revision <= self.after || (!record.is_gap() && record.at_ms < self.since_ms)
    }
}

/// Whether a text is that of the filter; a `*` at its end stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => pattern.is_empty() || pattern == text,
    }
}

/// The records before `before` that are meant, at most `size`.
///
/// # Errors
/// What the file system says.
pub(crate) fn records(
    place: &Place,
    filter: &Filter,
    before: Option<u64>,
    size: usize,
) -> io::Result<Found<Record>> {
    let mut bytes = 0;
    newest_first(place, before, |record: Record, length, found: &mut Found<_>| {
        if filter.is_over(&record) {
            return ControlFlow::Break(None);
        }
        if !filter.is_for(&record) {
            return ControlFlow::Continue(());
        }
        let revision = record.revision;
        if record.is_gap() {
            found.gaps.push(record);
            return ControlFlow::Continue(());
        }
        bytes += length;
        found.lines.push(record);
        match found.lines.len() >= size || bytes >= ANSWER_BYTES {
            true => ControlFlow::Break(Some(revision)),
            false => ControlFlow::Continue(()),
        }
    })
}

/// The denials before `before` of authors that are meant, at most `size`.
///
/// # Errors
/// What the file system says.
pub(crate) fn denials(
    place: &Place,
    filter: &Filter,
    before: Option<u64>,
    size: usize,
) -> io::Result<Found<Denial>> {
    newest_first(place, before, |denial: Denial, _, found: &mut Found<Denial>| {
        if denial.at_ms < filter.since_ms {
            return ControlFlow::Break(None);
        }
        let is_early = filter.until_ms.is_none_or(|until_ms| denial.at_ms < until_ms);
        if !is_early || !fits(&filter.author, &denial.author) {
            return ControlFlow::Continue(());
        }
        let number = denial.number;
        found.lines.push(denial);
        match found.lines.len() >= size {
            true => ControlFlow::Break(Some(number)),
            false => ControlFlow::Continue(()),
        }
    })
}

/// What a line is numbered by.
trait Numbered {
    fn number(&self) -> u64;
}

impl Numbered for Record {
    fn number(&self) -> u64 {
        self.revision
    }
}

impl Numbered for Denial {
    fn number(&self) -> u64 {
        self.number
    }
}

/// Shows `look` one line after the other, with its bytes, until it breaks, with where to go on.
fn newest_first<T: DeserializeOwned + Numbered>(
    place: &Place,
    before: Option<u64>,
    mut look: impl FnMut(T, usize, &mut Found<T>) -> ControlFlow<Option<u64>>,
) -> io::Result<Found<T>> {
    let all = place.list()?;
    let mut found = Found {
        lines: Vec::new(),
        gaps: Vec::new(),
        next: None,
        damaged: 0,
        oldest: all.first().map(|segment| segment.first),
    };
    let is_before = |number: u64| before.is_none_or(|before| number < before);
    let files = all.iter().rev().filter(|segment| is_before(segment.first));
    for (looked_at, segment) in files.enumerate() {
        if looked_at == FILES_MAX {
            return Ok(found);
        }
        let content = match fs::read(&segment.path) {
            Ok(content) => content,
            // the oldest are removed meanwhile
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        };
        let lines = whole_lines(&content).split(|byte| *byte == b'\n');
        for line in lines.rev().filter(|line| !line.is_empty()) {
            let Ok(read) = serde_json::from_slice::<T>(line) else {
                found.damaged += 1;
                continue;
            };
            if is_before(read.number())
                && let ControlFlow::Break(next) = look(read, line.len(), &mut found)
            {
                found.next = next;
                return Ok(found);
            }
        }
        found.next = Some(segment.first);
    }
    found.next = None;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::line;
    use crate::record::tests::record;
    use crate::segments::Segments;

    const NONE: [u64; 0] = [];

    fn place(folder: &Path) -> Place {
        Place::new(folder, "audit")
    }

    /// Records 1 to `upto`, three to a file; every other one is Ada's.
    fn written(folder: &Path, upto: u64) {
        let template = record(1, "user/ada", "gpu");
        let each = line(&template).len() as u64;
        let (segments, _) = Segments::open(place(folder), |_| None).unwrap();
        let mut segments = segments.with_file_bytes(3 * each + each / 2);
        for revision in 1..=upto {
            let author = if revision % 2 == 0 { "user/ada" } else { "user/bob" };
            let written = Record {
                revision,
                at_ms: 1000 * revision,
                author: author.to_owned(),
                ..template.clone()
            };
            segments.append(revision, &line(&written)).unwrap();
        }
    }

    fn revisions(found: &Found<Record>) -> Vec<u64> {
        found.lines.iter().map(|record| record.revision).collect()
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a value is made where it is asked about"
    )]
    fn ask(folder: &Path, filter: Filter, before: Option<u64>, size: usize) -> Found<Record> {
        records(&place(folder), &filter, before, size).unwrap()
    }

    #[test]
    fn pages_together_are_everything_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), 20);
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let found = ask(folder.path(), Filter::default(), before, 3);
            seen.extend(revisions(&found));
            assert_eq!((found.damaged, found.oldest), (0, Some(1)));
            before = found.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=20).rev().collect::<Vec<_>>());
    }

    #[test]
    fn each_filter_selects_what_it_names() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), 8);
        let text = |set: fn(&mut Filter, String), value: &str| {
            let mut filter = Filter::default();
            set(&mut filter, value.to_owned());
            revisions(&ask(folder.path(), filter, None, 100))
        };
        assert_eq!(
            text(|filter, value| filter.author = value, "user/ada"),
            [8, 6, 4, 2]
        );
        assert_eq!(text(|filter, value| filter.author = value, "user/*").len(), 8);
        assert_eq!(text(|filter, value| filter.author = value, "user"), NONE);
        assert_eq!(text(|filter, value| filter.object = value, "gpu").len(), 8);
        assert_eq!(text(|filter, value| filter.object = value, "gp"), NONE);
        assert_eq!(text(|filter, value| filter.kind = value, "component"), NONE);
        assert_eq!(text(|filter, value| filter.command = value, "raft.*").len(), 8);
        let bounds = Filter {
            after: 2,
            upto: Some(7),
            since_ms: 4000,
            until_ms: Some(7000),
            ..Filter::default()
        };
        assert_eq!(revisions(&ask(folder.path(), bounds, None, 100)), [6, 5, 4]);
        let outcome = Some(Outcome::Denied);
        let denied = Filter {
            outcome,
            ..Filter::default()
        };
        assert_eq!(revisions(&ask(folder.path(), denied, None, 100)), NONE);
    }

    /// Kind and name must be those of one object: a change of group gpu and node x1 is none of a group x1.
    #[test]
    fn kind_and_object_are_of_the_same_object() {
        let mut both = record(1, "user/ada", "gpu");
        both.objects.push(crate::record::Touched {
            kind: "component".into(),
            object: "x1".into(),
            change: "updated".into(),
        });
        let filter = |kind: &str, object: &str| Filter {
            kind: kind.into(),
            object: object.into(),
            ..Filter::default()
        };
        assert!(filter("component", "x1").is_for(&both));
        assert!(filter("boot-configuration", "gpu").is_for(&both));
        assert!(!filter("boot-configuration", "x1").is_for(&both));
    }

    /// An answer that left out a gap would say that nobody did it.
    #[test]
    fn gaps_are_part_of_every_answer_that_they_may_matter_to() {
        let folder = tempfile::tempdir().unwrap();
        let (mut segments, _) = Segments::open(place(folder.path()), |_| None).unwrap();
        segments.append(1, &line(&record(1, "user/ada", "gpu"))).unwrap();
        segments
            .append(9, &line(&Record::of_start(1, 9, 1_000_000)))
            .unwrap();
        segments
            .append(10, &line(&record(10, "user/bob", "gpu")))
            .unwrap();
        let ada = Filter {
            author: "user/ada".into(),
            since_ms: 500,
            until_ms: Some(2000),
            ..Filter::default()
        };
        let found = ask(folder.path(), ada, None, 100);
        assert_eq!(revisions(&found), [1]);
        assert_eq!(found.gaps.len(), 1);
        for (after, upto, gaps) in [(9, None, 0), (0, Some(1), 0), (0, Some(2), 1), (8, None, 1)] {
            let filter = Filter {
                after,
                upto,
                ..Filter::default()
            };
            assert_eq!(
                ask(folder.path(), filter, None, 100).gaps.len(),
                gaps,
                "{after} to {upto:?}"
            );
        }
    }

    #[test]
    fn a_damaged_line_is_counted_and_one_that_is_being_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (mut segments, _) = Segments::open(place(folder.path()), |_| None).unwrap();
        segments.append(1, &line(&record(1, "user/ada", "gpu"))).unwrap();
        segments.append(2, b"{\"revision\":2,\n").unwrap();
        segments.append(3, &line(&record(3, "user/ada", "gpu"))).unwrap();
        segments.append(4, b"{\"revision\":4").unwrap();
        let found = ask(folder.path(), Filter::default(), None, 100);
        assert_eq!((revisions(&found), found.damaged), (vec![3, 1], 1));
    }

    /// One question must not read a journal of years; whoever wants more asks on.
    #[test]
    fn a_question_looks_at_a_bounded_number_of_files() {
        let folder = tempfile::tempdir().unwrap();
        let count = 3 * (FILES_MAX as u64 + 2);
        written(folder.path(), count);
        let nobody = Filter {
            author: "nobody".into(),
            ..Filter::default()
        };
        let found = ask(folder.path(), nobody.clone(), None, 10);
        assert_eq!((revisions(&found), found.next), (NONE.to_vec(), Some(7)));
        let found = ask(folder.path(), nobody, Some(7), 10);
        assert_eq!(found.next, None);
    }

    #[test]
    fn denials_are_found_by_author_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path(), "denials");
        let (mut segments, _) = Segments::open(place.clone(), |_| None).unwrap();
        for number in 1..=6 {
            let denial = Denial {
                number,
                at_ms: 1000 * number,
                author: if number == 4 { "user/eve" } else { "anonymous" }.into(),
                ..Denial::default()
            };
            segments.append(number, &line(&denial)).unwrap();
        }
        let numbers = |filter: &Filter, before, size| {
            let found = denials(&place, filter, before, size).unwrap();
            let numbers: Vec<u64> = found.lines.iter().map(|denial| denial.number).collect();
            (numbers, found.next)
        };
        assert_eq!(numbers(&Filter::default(), None, 4), (vec![6, 5, 4, 3], Some(3)));
        assert_eq!(numbers(&Filter::default(), Some(3), 4), (vec![2, 1], None));
        let eve = Filter {
            author: "user/*".into(),
            since_ms: 2000,
            ..Filter::default()
        };
        assert_eq!(numbers(&eve, None, 4), (vec![4], None));
    }
}
