//! What waits for one watch: revisions that may concern it, put there by the hub.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use raft::Revision;
use tokio::sync::Notify;

use crate::interest::Interest;

/// Revisions that wait for one watch at most. One that has more goes on in the history.
const WAITING_MAX: usize = 1024;

/// The place between the hub and one watch. It costs nothing while nothing waits, and keeps no revision in memory that the
/// history has dropped.
#[derive(Debug, Default)]
pub(crate) struct Line {
    interest: Interest,
    waiting: Mutex<Waiting>,
    woken: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Oldest first.
    revisions: Vec<Weak<Revision>>,
    /// Index of the first of them.
    first: u64,
    /// Index of the last that was put here; several of its events may concern the watch.
    last: u64,
    /// There were too many: what concerns the watch after this index is only in the history.
    behind: Option<u64>,
}

/// What a watch finds.
#[derive(Debug)]
pub(crate) enum Taken {
    /// All that concerns it of what has been routed since it looked last, oldest first.
    Revisions(Vec<Weak<Revision>>),
    /// Nothing up to this index has been missed; what comes after it is in the history. From here on everything waits again.
    Behind(u64),
}

impl Line {
    pub(crate) fn new(interest: Interest) -> Line {
        Line {
            interest,
            ..Line::default()
        }
    }

    pub(crate) fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Puts a revision here, unless it is here already. Whether the watch is to be woken for it: those that wait with it
    /// have woken it.
    pub(crate) fn put(&self, revision: &Arc<Revision>) -> bool {
        let mut waiting = self.waiting();
        if waiting.last == revision.index || waiting.behind.is_some() {
            return false;
        }
        waiting.last = revision.index;
        match waiting.revisions.len() {
            0 => waiting.first = revision.index,
            WAITING_MAX => {
                waiting.behind = Some(waiting.first.saturating_sub(1));
                waiting.revisions = Vec::new();
                return false;
            }
            _ => {}
        }
        waiting.revisions.push(Arc::downgrade(revision));
        waiting.revisions.len() == 1
    }

    /// What was put here counts no more: the watch goes on in the history from where it is.
    pub(crate) fn lose(&self) {
        let mut waiting = self.waiting();
        waiting.behind = Some(0);
        waiting.revisions = Vec::new();
    }

    /// Takes what waits.
    pub(crate) fn take(&self) -> Taken {
        let mut waiting = self.waiting();
        match waiting.behind.take() {
            Some(from) => Taken::Behind(from),
            None => Taken::Revisions(std::mem::take(&mut waiting.revisions)),
        }
    }

    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Completes when the watch was woken since it last asked. Cancelling loses nothing.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(index: u64) -> Arc<Revision> {
        Arc::new(Revision {
            index,
            at_ms: 0,
            principal: String::new(),
            events: Vec::new(),
        })
    }

    fn indexes(taken: Taken) -> Vec<u64> {
        match taken {
            Taken::Revisions(revisions) => revisions
                .iter()
                .map(|revision| revision.upgrade().unwrap().index)
                .collect(),
            Taken::Behind(from) => panic!("behind {from}"),
        }
    }

    /// The second of two revisions that wait wakes nobody, nor does the second event of one.
    #[test]
    fn a_revision_waits_once_and_the_first_wakes() {
        let line = Line::default();
        let (one, two) = (revision(4), revision(6));
        assert!(line.put(&one));
        assert!(!line.put(&one) && !line.put(&two));
        assert_eq!(indexes(line.take()), [4, 6]);
        assert!(indexes(line.take()).is_empty());
        assert!(line.put(&revision(7)), "it may sleep again");
    }

    /// A watch that does not look has a bound, and learns from where on it has to read for itself.
    #[test]
    fn too_many_are_left_to_the_history() {
        let line = Line::default();
        let kept: Vec<_> = (0..=WAITING_MAX as u64).map(|n| revision(10 + n)).collect();
        for revision in &kept {
            line.put(revision);
        }
        assert!(!line.put(&revision(5000)), "what waits no more is not counted");
        assert!(matches!(line.take(), Taken::Behind(9)));
        let next = revision(5001);
        assert!(line.put(&next));
        assert_eq!(indexes(line.take()), [5001]);
    }

    #[test]
    fn what_is_lost_is_lost_until_it_is_looked_at() {
        let line = Line::default();
        line.put(&revision(1));
        line.lose();
        assert!(!line.put(&revision(2)));
        assert!(matches!(line.take(), Taken::Behind(0)));
        assert!(line.put(&revision(3)));
    }

    /// A watch that sleeps must not keep in memory what the history has dropped.
    #[test]
    fn what_waits_is_not_kept() {
        let line = Line::default();
        line.put(&revision(1));
        match line.take() {
            Taken::Revisions(revisions) => assert!(revisions[0].upgrade().is_none()),
            Taken::Behind(from) => panic!("behind {from}"),
        }
    }

    #[tokio::test]
    async fn who_was_woken_before_he_slept_does_not_sleep() {
        let line = Line::default();
        line.wake();
        line.wake();
        line.woken().await;
        let second = tokio::time::timeout(std::time::Duration::from_millis(10), line.woken()).await;
        assert!(second.is_err(), "twice before is once");
    }
}
