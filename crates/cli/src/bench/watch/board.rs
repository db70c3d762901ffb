//! When each change was asked for and acknowledged, and how often it was told: one clock, one process, both sides alike.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Changes by number, from 0.
#[derive(Debug)]
pub(super) struct Board {
    began: Instant,
    changes: Vec<Slot>,
}

/// Times are microseconds since the board began, plus one; 0: not yet.
#[derive(Debug, Default)]
struct Slot {
    asked: AtomicU64,
    acknowledged: AtomicU64,
    told: AtomicU32,
}

/// One watcher was told of one change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    change: u32,
    at: u64,
}

/// What came of all changes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sum {
    /// Changes that count and were acknowledged.
    pub(super) changes: u64,
    /// From the first of them that was asked for to the last acknowledgement.
    pub(super) seconds: f64,
    /// Times that they were told.
    pub(super) events: u64,
    /// How long after its acknowledgement each was told, microseconds, sorted; 0: before it.
    pub(super) behind: Vec<u64>,
    /// How long after it was asked for.
    pub(super) after_request: Vec<u64>,
    /// Of all changes that were acknowledged: watchers that were not told.
    pub(super) lost: u64,
    /// Told more often than there are watchers who want to know.
    pub(super) twice: u64,
}

impl Board {
    pub(super) fn new(changes: u32) -> Board {
        Board {
            began: Instant::now(),
            changes: (0..changes).map(|_| Slot::default()).collect(),
        }
    }

    pub(super) fn changes(&self) -> u32 {
        u32::try_from(self.changes.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn asked(&self, change: u32) {
        self.changes[change as usize]
            .asked
            .store(self.now(), Ordering::Relaxed);
    }

    pub(super) fn acknowledged(&self, change: u32) {
        self.changes[change as usize]
            .acknowledged
            .store(self.now(), Ordering::Relaxed);
    }

    /// Notes that somebody was told of a change; `None` for one that is not of this board.
    pub(super) fn told(&self, change: u32) -> Option<Told> {
        let at = self.now();
        self.changes
            .get(change as usize)?
            .told
            .fetch_add(1, Ordering::Relaxed);
        Some(Told { change, at })
    }

    /// Whether all that was acknowledged was told to as many as `wanted` says.
    pub(super) fn is_complete(&self, wanted: impl Fn(u32) -> u32) -> bool {
        let acknowledged = (0..)
            .zip(&self.changes)
            .filter(|(_, slot)| slot.acknowledged.load(Ordering::Relaxed) > 0);
        let mut told = acknowledged.map(|(change, slot)| (change, slot.told.load(Ordering::Relaxed)));
        told.all(|(change, told)| told >= wanted(change))
    }

    /// Adds up. Times count from change `first` on, what was lost or told twice from the beginning.
    pub(super) fn sum(&self, first: u32, told: &[Told], wanted: impl Fn(u32) -> u32) -> Sum {
        let mut sum = Sum::default();
        let (mut from, mut to) = (u64::MAX, 0);
        for (change, slot) in (0..).zip(&self.changes) {
            let acknowledged = slot.acknowledged.load(Ordering::Relaxed);
            let (told, wanted) = (slot.told.load(Ordering::Relaxed), wanted(change));
            sum.twice += u64::from(told.saturating_sub(wanted));
            if acknowledged == 0 {
                continue;
            }
            sum.lost += u64::from(wanted.saturating_sub(told));
            if change >= first {
                sum.changes += 1;
                from = from.min(slot.asked.load(Ordering::Relaxed));
                to = to.max(acknowledged);
            }
        }
        sum.seconds = Duration::from_micros(to.saturating_sub(from)).as_secs_f64();
        for told in told.iter().filter(|told| told.change >= first) {
            let slot = &self.changes[told.change as usize];
            let acknowledged = slot.acknowledged.load(Ordering::Relaxed);
            if acknowledged > 0 {
                sum.events += 1;
                sum.behind.push(told.at.saturating_sub(acknowledged));
                sum.after_request
                    .push(told.at.saturating_sub(slot.asked.load(Ordering::Relaxed)));
            }
        }
        sum.behind.sort_unstable();
        sum.after_request.sort_unstable();
        sum
    }

    fn now(&self) -> u64 {
        let micros = self.began.elapsed().as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// The nearest-rank percentile of sorted microseconds, in milliseconds; 0 of none.
pub(super) fn percentile_ms(sorted: &[u64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    let micros = sorted.get(rank.saturating_sub(1)).copied();
    micros.unwrap_or(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three changes, each wanted by two; the first is warm-up.
    #[test]
    fn what_is_lost_and_what_comes_twice_is_counted() {
        let board = Board::new(3);
        let mut told = Vec::new();
        for change in 0..3 {
            board.asked(change);
            board.acknowledged(change);
        }
        assert!(!board.is_complete(|_| 2));
        for change in [0, 0, 1, 1, 1, 2] {
            told.extend(board.told(change));
        }
        let sum = board.sum(1, &told, |_| 2);
        assert_eq!((sum.changes, sum.events, sum.lost, sum.twice), (2, 4, 1, 1));
        assert_eq!((sum.behind.len(), sum.after_request.len()), (4, 4));
        assert!(!board.is_complete(|_| 2));
        told.extend(board.told(2));
        assert!(board.is_complete(|_| 2) && board.sum(0, &told, |_| 2).lost == 0);
        assert!(board.told(3).is_none(), "of another round");
    }

    /// A write that failed may have been made or not: nobody is blamed for telling of it, or for not doing so.
    #[test]
    fn what_was_not_acknowledged_is_not_missed() {
        let board = Board::new(2);
        board.asked(0);
        let told: Vec<_> = board.told(0).into_iter().collect();
        let sum = board.sum(0, &told, |_| 1);
        assert_eq!(sum, Sum::default());
        assert!(board.is_complete(|_| 1));
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let sorted: Vec<u64> = (1..=200).map(|n| n * 1000).collect();
        assert_eq!(
            (percentile_ms(&sorted, 50), percentile_ms(&sorted, 99)),
            (100.0, 198.0)
        );
        assert_eq!(percentile_ms(&[], 99), 0.0);
    }
}
