//! Who was promised what: the accounting of the demo's writes. Pure, so that it can be tested without
//! a cluster.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Every write that was acknowledged, and how many ended otherwise.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    acknowledged: BTreeMap<String, Acknowledged>,
    unknown: usize,
}

#[derive(Debug)]
struct Acknowledged {
    value: String,
    started: Instant,
    answered: Instant,
}

impl Ledger {
    /// The cluster said "done" for this write.
    pub(crate) fn acknowledge(&mut self, key: String, value: String, started: Instant, answered: Instant) {
        let fresh = self.acknowledged.insert(
            key,
            Acknowledged {
                value,
                started,
                answered,
            },
        );
        debug_assert!(fresh.is_none(), "each write has its own key");
    }

    /// No answer, or one that leaves the outcome open: neither acknowledged nor lost.
    pub(crate) fn leave_open(&mut self) {
        self.unknown += 1;
    }

    /// Writes acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Writes with an open outcome so far.
    pub(crate) fn unknown(&self) -> usize {
        self.unknown
    }

    /// From a kill to the first acknowledgement of a write that began after it. One that began before
    /// may have been acknowledged by the member that died, so it proves nothing.
    pub(crate) fn recovery(&self, kill: Instant) -> Option<Duration> {
        let after = self.acknowledged.values().filter(|write| write.started >= kill);
        after.map(|write| write.answered.duration_since(kill)).min()
    }

    /// The keys of acknowledged writes that one member's read does not have with their own value.
    pub(crate) fn lost_in<'a>(&'a self, read: &BTreeMap<String, String>) -> Vec<&'a str> {
        let lost = self
            .acknowledged
            .iter()
            .filter(|(key, write)| read.get(*key) != Some(&write.value));
        lost.map(|(key, _)| key.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(writes: &[(&str, &str)]) -> Ledger {
        let mut ledger = Ledger::default();
        let now = Instant::now();
        for (key, value) in writes {
            ledger.acknowledge((*key).into(), (*value).into(), now, now);
        }
        ledger
    }

    fn read(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
        rows.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// Missing and overwritten are both lost; rows that nobody was promised are not counted.
    #[test]
    fn a_write_is_lost_when_it_is_missing_or_has_another_value() {
        let ledger = ledger(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(
            ledger.lost_in(&read(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")])),
            [""; 0]
        );
        assert_eq!(ledger.lost_in(&read(&[("a", "1"), ("b", "9")])), ["b", "c"]);
    }

    /// An unknown outcome may or may not be there: it can be neither counted nor missed.
    #[test]
    fn an_open_outcome_is_neither_acknowledged_nor_lost() {
        let mut ledger = ledger(&[("a", "1")]);
        ledger.leave_open();
        assert_eq!((ledger.acknowledged(), ledger.unknown()), (1, 1));
        assert!(ledger.lost_in(&read(&[("a", "1")])).is_empty());
    }

    /// An acknowledgement on its way when the leader died does not end the time without a leader.
    #[test]
    fn recovery_counts_only_writes_that_began_after_the_kill() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut ledger = Ledger::default();
        ledger.acknowledge("before".into(), "1".into(), at(90), at(101));
        assert_eq!(ledger.recovery(at(100)), None);
        ledger.acknowledge("late".into(), "2".into(), at(110), at(1500));
        ledger.acknowledge("first".into(), "3".into(), at(900), at(1000));
        assert_eq!(ledger.recovery(at(100)), Some(Duration::from_millis(900)));
    }
}
