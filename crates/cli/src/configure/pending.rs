//! Sets whose files are to be made anew, and when: changes that come together are one.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

/// Silence after which a burst of changes is over.
const QUIET: Duration = Duration::from_millis(5);
/// A burst is not waited for any longer.
const BURST_MAX: Duration = Duration::from_millis(50);
/// Pause before what has failed is tried again without a change: a full disk, a checker that was not there.
const RETRY: Duration = Duration::from_secs(30);

/// Sets by their number.
#[derive(Debug, Default)]
pub(super) struct Pending {
    due: BTreeSet<usize>,
    /// First and last change of the burst.
    burst: Option<(Instant, Instant)>,
    failed: BTreeSet<usize>,
    retry_at: Option<Instant>,
}

impl Pending {
    /// These have changed at `now`.
    pub(super) fn add(&mut self, sets: impl IntoIterator<Item = usize>, now: Instant) {
        let before = self.due.len();
        self.due.extend(sets);
        let first = self.burst.map(|(first, _)| first);
        if self.due.len() > before || first.is_some() {
            self.burst = Some((first.unwrap_or(now), now));
        }
    }

    /// This one has failed at `now`, and is tried again later.
    pub(super) fn failed(&mut self, set: usize, now: Instant) {
        self.failed.insert(set);
        self.retry_at = Some(now + RETRY);
    }

    /// When there is something to do.
    pub(super) fn at(&self) -> Option<Instant> {
        let over = self
            .burst
            .map(|(first, last)| (last + QUIET).min(first + BURST_MAX));
        [over, self.retry_at].into_iter().flatten().min()
    }

    /// What is to be done at `now`; with it, what has failed before.
    pub(super) fn take(&mut self) -> BTreeSet<usize> {
        self.burst = None;
        self.retry_at = None;
        let mut sets = std::mem::take(&mut self.due);
        sets.append(&mut self.failed);
        sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_alone_waits_for_a_moment_only() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        assert_eq!(pending.at(), None);
        pending.add([2], now);
        assert_eq!(pending.at(), Some(now + QUIET));
        assert_eq!(pending.take(), [2].into());
        assert_eq!(pending.at(), None);
    }

    /// A node that boots changes many objects, and a bulk change thousands; somebody who changes one each millisecond holds nobody up.
    #[test]
    fn a_burst_is_one_change_and_has_an_end() {
        let (mut pending, begin) = (Pending::default(), Instant::now());
        for ms in 0..200 {
            pending.add([1, ms % 3], begin + Duration::from_millis(ms as u64));
        }
        assert_eq!(pending.at(), Some(begin + BURST_MAX));
        assert_eq!(pending.take(), [0, 1, 2].into());
    }

    #[test]
    fn what_concerns_no_set_begins_no_burst() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        pending.add([], now);
        assert_eq!(pending.at(), None);
    }

    #[test]
    fn what_failed_is_tried_again_with_the_next_change_or_later() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        pending.failed(3, now);
        assert_eq!(pending.at(), Some(now + RETRY));
        pending.add([1], now);
        assert_eq!(pending.at(), Some(now + QUIET));
        assert_eq!(pending.take(), [1, 3].into());
    }
}
