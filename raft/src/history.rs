//! The latest changes of this member's state, for watches: each revision with its events, within bounds.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::raft::v1 as pb;
use state::{Event, State};

/// Revisions that are kept.
const REVISIONS_MAX: usize = 100_000;
/// Bytes that the kept revisions may cost beside the state itself, roughly.
const BYTES_MAX: usize = 64 << 20;
/// Revisions that one look takes out: a watch that is behind must not hold the lock for long.
const PAGE_REVISIONS_MAX: usize = 256;

/// What one log entry changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Log index of the entry.
    pub index: u64,
    /// Cluster time of the entry, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who made the change.
    pub principal: String,
    /// Its events, sorted by key, at least one.
    pub events: Vec<Event>,
}

impl Revision {
    /// What `entry` has done, which led to `state`; `None` if that is nothing to be watched.
    pub(crate) fn of(index: u64, entry: &pb::Entry, state: &State, events: Vec<Event>) -> Option<Revision> {
        let header = entry.header.as_ref();
        let principal = header.map_or_else(String::new, |header| header.principal.clone());
        (!events.is_empty()).then(|| Revision {
            index,
            at_ms: state.time_ms(),
            principal,
            events,
        })
    }

    fn bytes(&self) -> usize {
        size_of::<Revision>() + self.principal.len() + self.events.iter().map(Event::bytes).sum::<usize>()
    }
}

/// The changes after a revision are not kept any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// The smallest revision that a watch can still go on from.
    pub(crate) oldest: u64,
}

/// What a look at the history gives.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Page {
    /// Revisions with events, oldest first.
    pub(crate) revisions: Vec<Arc<Revision>>,
    /// Everything up to here has been seen with this page.
    pub(crate) upto: u64,
}

/// Written by whoever applies, read by watches. Entries that change nothing to be watched are not kept.
#[derive(Debug)]
pub(crate) struct History(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    /// Changes up to here are not kept.
    begin: u64,
    /// Changes up to here have been recorded.
    upto: u64,
    bytes: usize,
    revisions: VecDeque<(Arc<Revision>, usize)>,
    revisions_max: usize,
    bytes_max: usize,
}

impl History {
    /// The history of a state that starts at index `begin`.
    pub(crate) fn new(begin: u64) -> History {
        History::with_bounds(begin, REVISIONS_MAX, BYTES_MAX)
    }

    fn with_bounds(begin: u64, revisions_max: usize, bytes_max: usize) -> History {
        History(Mutex::new(Ring {
            begin,
            upto: begin,
            bytes: 0,
            revisions: VecDeque::new(),
            revisions_max,
            bytes_max,
        }))
    }

    /// Adds what was applied up to index `upto`.
    pub(crate) fn record(&self, revisions: Vec<Revision>, upto: u64) {
        // Freed after the lock is released.
        let mut dropped = Vec::new();
        let mut ring = self.ring();
        for revision in revisions {
            let bytes = revision.bytes();
            ring.bytes += bytes;
            ring.revisions.push_back((Arc::new(revision), bytes));
            while ring.bytes > ring.bytes_max || ring.revisions.len() > ring.revisions_max {
                let Some((oldest, bytes)) = ring.revisions.pop_front() else {
                    break;
                };
                ring.bytes -= bytes;
                ring.begin = oldest.index;
                dropped.push(oldest);
            }
        }
        ring.upto = ring.upto.max(upto);
        drop(ring);
    }

    /// The state was replaced as a whole by one at `index`: what led to it is not known.
    pub(crate) fn restart(&self, index: u64) {
        let mut ring = self.ring();
        let dropped = std::mem::take(&mut ring.revisions);
        (ring.begin, ring.upto, ring.bytes) = (index, index, 0);
        drop(ring);
        drop(dropped);
    }

    /// The changes after `revision`, or the first of them.
    pub(crate) fn after(&self, revision: u64) -> Result<Page, Compacted> {
        self.after_until(revision, u64::MAX)
    }

    /// The same without what comes after `last`.
    pub(crate) fn after_until(&self, revision: u64, last: u64) -> Result<Page, Compacted> {
        let ring = self.ring();
        if revision < ring.begin {
            return Err(Compacted { oldest: ring.begin });
        }
        let from = ring.revisions.partition_point(|(kept, _)| kept.index <= revision);
        let end = match last {
            u64::MAX => ring.revisions.len(),
            _ => ring.revisions.partition_point(|(kept, _)| kept.index <= last),
        };
        let to = end.min(from + PAGE_REVISIONS_MAX).max(from);
        let revisions: Vec<_> = ring
            .revisions
            .range(from..to)
            .map(|(kept, _)| Arc::clone(kept))
            .collect();
        let upto = match revisions.last() {
            Some(newest) if to < end => newest.index,
            _ => ring.upto.min(last),
        };
        Ok(Page { revisions, upto })
    }

    /// Revisions before `revision`, the newest first, or the first of them; and up to where changes are not kept.
    pub(crate) fn before(&self, revision: u64) -> (Vec<Arc<Revision>>, u64) {
        let ring = self.ring();
        let to = ring.revisions.partition_point(|(kept, _)| kept.index < revision);
        let from = to.saturating_sub(PAGE_REVISIONS_MAX);
        let page = ring.revisions.range(from..to).rev();
        (page.map(|(kept, _)| Arc::clone(kept)).collect(), ring.begin)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::smd_command::CreateComponents;
    use proto::smd::v1::{Component, SmdCommand, component, smd_command};

    use super::*;

    fn header(seq: u64) -> pb::Header {
        let session = pb::ClientSession {
            client_id: vec![1; 16],
            seq,
            ack_below: seq,
            opened_at_ms: 1,
        };
        pb::Header {
            session: Some(session),
            proposed_at_ms: 1,
            ..pb::Header::default()
        }
    }

    /// The events of a log in which each entry overwrites one component.
    fn revisions(indexes: std::ops::RangeInclusive<u64>) -> Vec<Revision> {
        let mut state = State::new();
        let mut made = Vec::new();
        for index in 1..=*indexes.end() {
            let component = Component {
                id: "x0c0s0b0n0".into(),
                state: component::State::On.into(),
                subtype: format!("{index:0100}"),
                ..Component::default()
            };
            let create = CreateComponents {
                components: vec![component],
                force: true,
                ..Default::default()
            };
            let change = Some(smd_command::Change::CreateComponents(create));
            let entry = pb::Entry {
                header: Some(header(index)),
                command: Some(pb::entry::Command::Smd(SmdCommand { change })),
            };
            let events = state.apply(index, &entry).events;
            assert_eq!(events.len(), 1);
            made.extend(Revision::of(index, &entry, &state, events));
        }
        made.split_off(usize::try_from(*indexes.start()).unwrap() - 1)
    }

    fn indexes(page: &Page) -> Vec<u64> {
        page.revisions.iter().map(|revision| revision.index).collect()
    }

    #[test]
    fn what_comes_after_a_revision_is_found_in_order() {
        let history = History::new(0);
        history.record(revisions(1..=3), 5);
        history.record(Vec::new(), 9);
        let page = history.after(0).unwrap();
        assert_eq!((indexes(&page), page.upto), (vec![1, 2, 3], 9));
        assert_eq!(indexes(&history.after(2).unwrap()), [3]);
        for seen in [3, 4, 9] {
            let page = history.after(seen).unwrap();
            assert_eq!((indexes(&page), page.upto), (Vec::new(), 9));
        }
    }

    /// What is recorded and not shown yet is for later, and no page says that it has been seen.
    #[test]
    fn a_page_ends_where_it_is_told_to() {
        let history = History::new(0);
        history.record(revisions(1..=4), 6);
        for (seen, last, found, upto) in [
            (0, 2, vec![1, 2], 2),
            (2, 2, vec![], 2),
            (3, 2, vec![], 2),
            (1, 5, vec![2, 3, 4], 5),
            (1, 9, vec![2, 3, 4], 6),
        ] {
            let page = history.after_until(seen, last).unwrap();
            assert_eq!(
                (indexes(&page), page.upto),
                (found, upto),
                "after {seen} until {last}"
            );
        }
    }

    /// A watch that is far behind is served in parts, and each part says how far it reaches.
    #[test]
    fn a_long_history_is_read_in_pages() {
        let history = History::new(0);
        let last = 2 * PAGE_REVISIONS_MAX as u64 + 10;
        history.record(revisions(1..=last), last + 1);
        let (mut seen, mut pages) = (Vec::new(), 0);
        let mut upto = 0;
        while upto <= last {
            let page = history.after(upto).unwrap();
            seen.extend(indexes(&page));
            (upto, pages) = (page.upto, pages + 1);
        }
        assert_eq!(seen, (1..=last).collect::<Vec<_>>());
        assert_eq!((pages, upto), (3, last + 1));
    }

    /// Whoever asks what has become of an object begins at the end.
    #[test]
    fn the_newest_come_first_in_pages_and_say_how_far_back_they_reach() {
        let history = History::with_bounds(0, 2 * PAGE_REVISIONS_MAX, usize::MAX);
        let last = 2 * PAGE_REVISIONS_MAX as u64 + 10;
        history.record(revisions(1..=last), last);
        let (mut seen, mut before) = (Vec::new(), u64::MAX);
        loop {
            let (page, begin) = history.before(before);
            assert_eq!(begin, 10);
            let Some(oldest) = page.last() else { break };
            before = oldest.index;
            seen.extend(page.iter().map(|revision| revision.index));
        }
        assert_eq!(seen, (11..=last).rev().collect::<Vec<_>>());
        assert_eq!(history.before(12).0.len(), 1);
    }

    /// The oldest go first, whole revisions at a time, and whoever needs them is told what is left.
    #[test]
    fn the_number_of_revisions_is_bounded() {
        let history = History::with_bounds(0, 3, usize::MAX);
        history.record(revisions(1..=5), 5);
        assert_eq!(history.after(1), Err(Compacted { oldest: 2 }));
        assert_eq!(indexes(&history.after(2).unwrap()), [3, 4, 5]);
    }

    #[test]
    fn the_bytes_are_bounded_and_counted_down_again() {
        let all = revisions(1..=100);
        let each = all[50].bytes();
        assert!(each > 400, "the object before is counted: {each}");
        let history = History::with_bounds(0, usize::MAX, 10 * each);
        history.record(all, 100);
        assert_eq!(history.after(89), Err(Compacted { oldest: 90 }));
        assert_eq!(history.after(90).unwrap().revisions.len(), 10);
        assert!(history.ring().bytes <= 10 * each);
        history.record(revisions(101..=101), 101);
        assert_eq!(history.after(91).unwrap().revisions.len(), 10);
    }

    /// An entry that is larger than the whole bound must not stay, whatever it is.
    #[test]
    fn a_revision_beyond_the_bound_is_not_kept() {
        let history = History::with_bounds(0, usize::MAX, 8);
        history.record(revisions(1..=1), 1);
        assert_eq!(history.after(0), Err(Compacted { oldest: 1 }));
        assert_eq!(
            history.after(1).unwrap(),
            Page {
                revisions: Vec::new(),
                upto: 1
            }
        );
        assert_eq!(history.ring().bytes, 0);
    }

    /// A snapshot of the leader jumps over changes that this member never saw.
    #[test]
    fn after_a_snapshot_only_what_follows_is_known() {
        let history = History::new(0);
        history.record(revisions(1..=3), 3);
        history.restart(50);
        assert_eq!(history.after(3), Err(Compacted { oldest: 50 }));
        assert_eq!(history.after(50).unwrap().upto, 50);
        assert_eq!(history.ring().bytes, 0);
    }
}
