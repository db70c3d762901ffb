//! How far a scan is: places end in any order, and a scan that is taken over goes on where nothing is missing.

use std::collections::BTreeSet;

/// It is told after so many places.
const TOLD_EACH: u64 = 64;

pub(super) struct Progress {
    /// All below are done.
    low: u64,
    told: u64,
    /// Those above that are done, too.
    done: BTreeSet<u64>,
}

impl Progress {
    pub(super) fn from(place: u64) -> Progress {
        Progress {
            low: place,
            told: place,
            done: BTreeSet::new(),
        }
    }

    /// `place` is done. What is to be told: all below are.
    pub(super) fn done(&mut self, place: u64) -> Option<u64> {
        self.done.insert(place);
        while self.done.remove(&self.low) {
            self.low += 1;
        }
        let is_news = self.low >= self.told + TOLD_EACH;
        is_news.then(|| {
            self.told = self.low;
            self.low
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_place_holds_it_back() {
        let mut progress = Progress::from(1_000);
        for place in 1_001..2_000 {
            assert_eq!(progress.done(place), None, "{place}");
        }
        assert_eq!(progress.done(1_000), Some(2_000));
        assert!(progress.done.is_empty());
    }

    #[test]
    fn it_is_told_now_and_then() {
        let mut progress = Progress::from(0);
        let told: Vec<u64> = (0..200).filter_map(|place| progress.done(place)).collect();
        assert_eq!(told, [64, 128, 192]);
    }
}
