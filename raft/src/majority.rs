//! Whether a majority has answered this member lately. A leader that lost its majority does not step down, and pre-vote
//! keeps followers naming it, so the leader's name says nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What rounds to the majority have shown. Several are under way at once, and the newest answer counts.
#[derive(Debug)]
pub(crate) struct Majority {
    has: AtomicBool,
    answers: AtomicU64,
}

/// What was known when a round began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before(u64);

impl Majority {
    /// In good faith: a member that has just started has asked nobody.
    pub(crate) fn new() -> Majority {
        Majority {
            has: AtomicBool::new(true),
            answers: AtomicU64::new(0),
        }
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.has.load(Ordering::Acquire)
    }

    /// A round begins.
    pub(crate) fn ask(&self) -> Before {
        Before(self.answers.load(Ordering::Acquire))
    }

    /// A round was answered.
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::AcqRel);
        self.has.store(true, Ordering::Release);
    }

    /// The round that began at `before` was not answered in time: the majority is lost, unless another round was since.
    pub(crate) fn not_answered(&self, before: Before) {
        if self.answers.load(Ordering::Acquire) == before.0 {
            self.has.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One caller that waited in vain must not turn away the others, who are served.
    #[test]
    fn a_round_that_fails_late_does_not_hide_an_answer() {
        let majority = Majority::new();
        let slow = majority.ask();
        majority.answered();
        majority.not_answered(slow);
        assert!(majority.has_answered());
        let lost = majority.ask();
        majority.not_answered(lost);
        assert!(!majority.has_answered());
        majority.answered();
        assert!(majority.has_answered());
    }
}
