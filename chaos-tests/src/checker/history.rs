//! What was asked when, and answered when.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What an operation did. Values are numbers; 0 is a register that was never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Wrote this value, or was to.
    Write(u64),
    /// Read this value.
    Read(u64),
}

/// One operation on one register, as its caller saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it did.
    pub kind: Kind,
    /// When it began, nanoseconds on the history's clock.
    pub called: u64,
    /// When it was answered; `None` for a write whose outcome is open: it may take effect at any later time, or never.
    pub returned: Option<u64>,
}

/// The operations of a run, by register. One clock for all callers: they are in one process.
#[derive(Debug)]
pub struct History {
    began: Instant,
    operations: Mutex<BTreeMap<String, Vec<Operation>>>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            operations: Mutex::default(),
        }
    }
}

impl History {
    /// The history's clock, nanoseconds.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Adds an operation. One that is known not to have happened is not added.
    pub fn add(&self, register: &str, operation: Operation) {
        self.lock()
            .entry(register.to_owned())
            .or_default()
            .push(operation);
    }

    /// The operations by register.
    pub fn registers(&self) -> BTreeMap<String, Vec<Operation>> {
        self.lock().clone()
    }

    /// Operations that were answered, and writes left open.
    pub fn counts(&self) -> (usize, usize) {
        let operations = self.lock();
        let all = operations.values().flatten();
        let open = all
            .clone()
            .filter(|operation| operation.returned.is_none())
            .count();
        (all.count() - open, open)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Operation>>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_writes_are_counted_apart() {
        let history = History::default();
        let called = history.now();
        let operation = |kind, returned| Operation {
            kind,
            called,
            returned,
        };
        history.add("a", operation(Kind::Write(1), Some(history.now())));
        history.add("a", operation(Kind::Write(2), None));
        history.add("b", operation(Kind::Read(0), Some(history.now())));
        assert_eq!(history.counts(), (2, 1));
        assert_eq!(history.registers()["a"].len(), 2);
    }
}
