//! Who was promised what. Pure.
//!
//! A register of the ledger has one writer, which writes the numbers 1, 2, 3, … in order: what is found there later must
//! be the last number that was acknowledged, or one issued after it.

use std::collections::BTreeMap;

/// Promises by register.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    registers: BTreeMap<String, Promise>,
    acknowledged: u64,
    open: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Promise {
    acknowledged: u64,
    issued: u64,
}

impl Ledger {
    /// The next number of a register is on its way.
    pub fn issue(&mut self, register: &str) -> u64 {
        let promise = self.registers.entry(register.to_owned()).or_default();
        promise.issued += 1;
        promise.issued
    }

    /// The number that was issued last is acknowledged.
    pub fn acknowledge(&mut self, register: &str) {
        if let Some(promise) = self.registers.get_mut(register) {
            promise.acknowledged = promise.issued;
            self.acknowledged += 1;
        }
    }

    /// The number that was issued last is promised not to have been written: it is issued again.
    pub fn refuse(&mut self, register: &str) {
        if let Some(promise) = self.registers.get_mut(register) {
            promise.issued -= 1;
        }
    }

    /// The number that was issued last may be written at any time: its register must not be written any more.
    pub fn leave_open(&mut self) {
        self.open += 1;
    }

    /// Acknowledgements so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Writes with an open outcome so far.
    pub fn open(&self) -> u64 {
        self.open
    }

    /// What `found` breaks of the promises; values of other registers are not looked at.
    pub fn broken_in(&self, found: &BTreeMap<String, String>) -> Vec<String> {
        let broken = self.registers.iter().filter_map(|(register, promise)| {
            let number = found.get(register).map_or(Some(0), |value| number(value));
            let kept = number.is_some_and(|n| (promise.acknowledged..=promise.issued).contains(&n));
            (!kept).then(|| {
                format!(
                    "{register}: {number:?} is there, {} was acknowledged and {} issued last",
                    promise.acknowledged, promise.issued
                )
            })
        });
        broken.collect()
    }
}

/// The value that stands for a number, with as many bytes more.
pub(super) fn value(number: u64, filling: usize) -> String {
    format!("number={number} {}", "x".repeat(filling))
}

fn number(value: &str) -> Option<u64> {
    value.strip_prefix("number=")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[(&str, u64)]) -> BTreeMap<String, String> {
        rows.iter()
            .map(|(register, n)| ((*register).to_owned(), value(*n, 3)))
            .collect()
    }

    fn ledger_of(register: &str, acknowledged: u64) -> Ledger {
        let mut ledger = Ledger::default();
        for _ in 0..acknowledged {
            ledger.issue(register);
            ledger.acknowledge(register);
        }
        ledger
    }

    #[test]
    fn a_missing_and_an_older_number_are_broken_promises() {
        let ledger = ledger_of("a", 2);
        assert_eq!(ledger.broken_in(&found(&[("a", 2), ("b", 9)])), [""; 0]);
        for lost in [found(&[]), found(&[("a", 1)])] {
            assert_eq!(ledger.broken_in(&lost).len(), 1, "{lost:?}");
        }
        let garbage = BTreeMap::from([("a".to_owned(), "garbage".to_owned())]);
        assert_eq!(ledger.broken_in(&garbage).len(), 1);
    }

    /// What is open may be there or not; what was never issued, or was refused, may not.
    #[test]
    fn an_open_number_may_be_there_and_a_refused_one_may_not() {
        let mut ledger = ledger_of("a", 2);
        ledger.issue("a");
        for kept in [2, 3] {
            assert_eq!(ledger.broken_in(&found(&[("a", kept)])), [""; 0]);
        }
        assert_eq!(ledger.broken_in(&found(&[("a", 4)])).len(), 1);
        ledger.refuse("a");
        assert_eq!(ledger.broken_in(&found(&[("a", 3)])).len(), 1);
        assert_eq!(ledger.issue("a"), 3, "the number is used again");
    }
}
