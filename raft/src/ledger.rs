//! What this member has applied and the audit journal has not written yet. Whoever applies never waits for it: what does not fit
//! is a gap that the journal will name. Only what brings a member past its log (checkpoint, snapshot) waits for a moment, so that
//! a start applies again what the journal lacks.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::deed::Deed;

/// Bytes that waiting deeds may take, roughly.
const BYTES_MAX: usize = 32 << 20;

/// What waits to be written: filled by `apply`, emptied by the journal.
#[derive(Debug)]
pub struct Ledger {
    inner: Mutex<Inner>,
    told: Condvar,
    bytes_max: usize,
}

#[derive(Debug)]
struct Inner {
    items: VecDeque<Item>,
    bytes: usize,
    /// What was thrown away of the oldest.
    lost: Option<Gap>,
    /// Everything up to here was taken.
    after: u64,
    /// Everything up to here was recorded.
    upto: u64,
    /// Everything up to here is safe in the journal.
    kept: u64,
    /// For each who waits: what `kept` is to come to.
    wanted: Vec<u64>,
    is_woken: bool,
}

/// One thing for the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An entry.
    Deed(Box<Deed>),
    /// Entries that this member knows nothing of.
    Gap(Gap),
}

/// Entries that this member knows nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last one before them.
    pub after: u64,
    /// The last of them.
    pub upto: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why a member knows nothing of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// A snapshot of the leader jumped over them.
    Snapshot,
    /// The journal was too slow, or could not be written, and they were too many to wait.
    Overflow,
}

/// Some of what waits.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// They follow the entry of this index.
    pub after: u64,
    /// In the order of the log, without a hole.
    pub items: Vec<Item>,
}

impl Ledger {
    /// Of a state at index `begin`.
    pub(crate) fn new(begin: u64) -> Ledger {
        Ledger::with_bound(begin, BYTES_MAX)
    }

    fn with_bound(begin: u64, bytes_max: usize) -> Ledger {
        let inner = Inner {
            items: VecDeque::new(),
            bytes: 0,
            lost: None,
            after: begin,
            upto: begin,
            kept: begin,
            wanted: Vec::new(),
            is_woken: false,
        };
        Ledger {
            inner: Mutex::new(inner),
            told: Condvar::new(),
            bytes_max,
        }
    }

    /// Adds what was applied.
    pub(crate) fn record(&self, deeds: Vec<Deed>) {
        if deeds.is_empty() {
            return;
        }
        let mut inner = self.lock();
        for deed in deeds {
            inner.upto = deed.index;
            inner.bytes += deed.bytes();
            inner.items.push_back(Item::Deed(Box::new(deed)));
        }
        let dropped = inner.shrink(self.bytes_max);
        drop(inner);
        drop(dropped); // freed after the lock is released
        self.told.notify_all();
    }

    /// The state was replaced by one at `index`.
    pub(crate) fn jump(&self, index: u64) {
        let mut inner = self.lock();
        let gap = Gap {
            after: inner.upto,
            upto: index,
            reason: GapReason::Snapshot,
        };
        if gap.after < gap.upto {
            inner.upto = index;
            inner.items.push_back(Item::Gap(gap));
        }
        drop(inner);
        self.told.notify_all();
    }

    /// Everything that waits. Comes back without anything when somebody waits for the journal, after [`Ledger::wake`], and after
    /// `at_most`.
    pub fn take(&self, at_most: Duration) -> Taken {
        let nothing_to_do =
            |inner: &mut Inner| inner.items.is_empty() && !inner.is_awaited() && !inner.is_woken;
        let waited = self.told.wait_timeout_while(self.lock(), at_most, nothing_to_do);
        let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        inner.is_woken = false;
        let after = inner.after;
        let lost = inner.lost.take().map(Item::Gap);
        let items = lost.into_iter().chain(std::mem::take(&mut inner.items)).collect();
        (inner.after, inner.bytes) = (inner.upto, 0);
        Taken { after, items }
    }

    /// Ends a [`Ledger::take`] that waits.
    pub fn wake(&self) {
        self.lock().is_woken = true;
        self.told.notify_all();
    }

    /// Everything up to `index` is in the journal, and on its disk.
    pub fn keep(&self, index: u64) {
        let mut inner = self.lock();
        inner.kept = inner.kept.max(index);
        drop(inner);
        self.told.notify_all();
    }

    /// Whether somebody waits until what is written is on its disk.
    pub fn is_awaited(&self) -> bool {
        self.lock().is_awaited()
    }

    /// Waits until the journal has everything up to `index`. False if that takes longer than `at_most`: then what is missing may be
    /// missing for good.
    pub(crate) fn wait_kept(&self, index: u64, at_most: Duration) -> bool {
        let mut inner = self.lock();
        inner.wanted.push(index);
        self.told.notify_all();
        let end = Instant::now() + at_most;
        while inner.kept < index {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.told.wait_timeout(inner, left);
            (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        // of this one alone: others may still wait, and if none does the journal may pause
        if let Some(own) = inner.wanted.iter().position(|wanted| *wanted == index) {
            inner.wanted.swap_remove(own);
        }
        inner.kept >= index
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_awaited(&self) -> bool {
        self.wanted.iter().any(|wanted| *wanted > self.kept)
    }

    /// Throws the oldest away until the rest fits, and remembers that.
    fn shrink(&mut self, bytes_max: usize) -> Vec<Item> {
        let mut dropped = Vec::new();
        while self.bytes > bytes_max {
            let Some(item) = self.items.pop_front() else {
                break;
            };
            let upto = match &item {
                Item::Deed(deed) => {
                    self.bytes = self.bytes.saturating_sub(deed.bytes());
                    deed.index
                }
                Item::Gap(gap) => gap.upto,
            };
            let after = self.lost.map_or(self.after, |lost| lost.after);
            let reason = GapReason::Overflow;
            self.lost = Some(Gap { after, upto, reason });
            dropped.push(item);
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use state::State;

    use super::*;
    use crate::deed::DeedKind;

    const SOON: Duration = Duration::from_millis(20);

    fn deeds(indexes: impl IntoIterator<Item = u64>) -> Vec<Deed> {
        let state = State::new();
        let blank = |index| Deed::of_raft(index, DeedKind::Blank, &state);
        indexes.into_iter().map(blank).collect()
    }

    fn indexes(taken: &Taken) -> Vec<u64> {
        let index = |item: &Item| match item {
            Item::Deed(deed) => deed.index,
            Item::Gap(gap) => gap.upto,
        };
        taken.items.iter().map(index).collect()
    }

    #[test]
    fn everything_is_taken_once_and_in_order() {
        let ledger = Ledger::new(4);
        ledger.record(deeds(5..=6));
        ledger.record(deeds([7]));
        let taken = ledger.take(SOON);
        assert_eq!((taken.after, indexes(&taken)), (4, vec![5, 6, 7]));
        let taken = ledger.take(SOON);
        assert_eq!((taken.after, indexes(&taken)), (7, Vec::<u64>::new()));
    }

    /// What came before the snapshot is known, what it jumped over is not.
    #[test]
    fn a_snapshot_leaves_a_gap_behind_what_was_applied() {
        let ledger = Ledger::new(0);
        ledger.record(deeds(1..=2));
        ledger.jump(50);
        ledger.record(deeds([51]));
        let taken = ledger.take(SOON);
        assert_eq!(indexes(&taken), [1, 2, 50, 51]);
        let gap = Gap {
            after: 2,
            upto: 50,
            reason: GapReason::Snapshot,
        };
        assert_eq!(taken.items[2], Item::Gap(gap));
    }

    /// A journal that stands still must not take the member's memory.
    #[test]
    fn what_does_not_fit_is_a_gap_at_the_front() {
        let each = deeds([1])[0].bytes();
        let ledger = Ledger::with_bound(0, 3 * each);
        ledger.record(deeds(1..=10));
        ledger.record(deeds([11]));
        let taken = ledger.take(SOON);
        let gap = Gap {
            after: 0,
            upto: 8,
            reason: GapReason::Overflow,
        };
        assert_eq!(taken.items[0], Item::Gap(gap));
        assert_eq!(indexes(&taken), [8, 9, 10, 11]);
        ledger.record(deeds([12]));
        assert_eq!(
            indexes(&ledger.take(SOON)),
            [12],
            "after that there is room again"
        );
    }

    #[test]
    fn a_checkpoint_waits_for_the_journal_and_not_for_ever() {
        let ledger = Arc::new(Ledger::new(3));
        assert!(
            ledger.wait_kept(3, SOON),
            "what was loaded is no work of this journal"
        );
        assert!(!ledger.wait_kept(4, SOON));
        assert!(!ledger.is_awaited(), "nobody waits any more");
        let journal = Arc::clone(&ledger);
        let writing = std::thread::spawn(move || {
            while !journal.is_awaited() {
                journal.take(SOON);
            }
            journal.keep(5);
        });
        assert!(ledger.wait_kept(5, Duration::from_secs(20)));
        writing.join().unwrap();
    }

    /// A checkpoint and a snapshot may wait at once; the one that gives up must not take the other's turn away.
    #[test]
    fn who_gives_up_leaves_the_others_waiting() {
        let ledger = Arc::new(Ledger::new(3));
        let patient = Arc::clone(&ledger);
        let waiting = std::thread::spawn(move || patient.wait_kept(5, Duration::from_secs(20)));
        while !ledger.is_awaited() {
            std::thread::yield_now();
        }
        assert!(!ledger.wait_kept(6, SOON));
        assert!(!ledger.wait_kept(5, SOON));
        assert!(ledger.is_awaited(), "the first one waits still");
        ledger.keep(5);
        assert!(waiting.join().unwrap());
        assert!(!ledger.is_awaited());
    }

    #[test]
    fn whoever_takes_can_be_woken() {
        let ledger = Ledger::new(0);
        ledger.wake();
        let began = Instant::now();
        assert_eq!(ledger.take(Duration::from_secs(20)), Taken::default());
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}
