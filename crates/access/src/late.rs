//! Before a member says that it knows no such key, login or token, it asks the others: it may not have applied yet what another
//! one has acknowledged a moment ago.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft::Store;

/// What is waited for at once; whoever shows more is to come again. Strangers can fill it, and it does not grow.
const WAITING_MAX: usize = 256;
/// The others are asked once in so long, whoever shows what, milliseconds.
const PAUSE_MS: u64 = 1000;

/// What was asked for and is not there. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Late(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// By what is missing: how many times the others had been asked before it was.
    missing: BTreeMap<String, u64>,
    /// How many times the others were asked.
    begun: u64,
    begun_at_ms: u64,
    is_running: bool,
    /// Which of these times was the last that was answered.
    done: u64,
}

/// Whether what is not here is nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Nowhere,
    /// Nobody knows yet.
    Later,
    /// As `Later`; and it is time to ask the others.
    Ask,
}

impl Late {
    /// Whether what is missing in the applied state is nowhere: the others were asked since it was first missed. If not, they are
    /// being asked, and the caller is to come again.
    pub(crate) fn is_nowhere(&self, store: &Store, what: &str) -> bool {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return true; // nobody could ask
        };
        match self.lock().look(what, store.cluster_time_ms()) {
            Answer::Nowhere => return true,
            Answer::Later => return false,
            Answer::Ask => {}
        }
        let (late, store) = (self.clone(), store.clone());
        runtime.spawn(async move {
            let answered = store.linearize().await.is_ok();
            late.lock().told(answered);
        });
        false
    }

    /// Nothing is left half done under it.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn look(&mut self, what: &str, now_ms: u64) -> Answer {
        let asked_before = self.missing.get(what).copied();
        if asked_before.is_some_and(|before| self.done > before) {
            return Answer::Nowhere;
        }
        if asked_before.is_none() {
            self.wait_for(what);
        }
        let may_ask = self.begun == 0 || now_ms >= self.begun_at_ms.saturating_add(PAUSE_MS);
        if may_ask && !self.is_running {
            (self.begun, self.begun_at_ms, self.is_running) = (self.begun + 1, now_ms, true);
            return Answer::Ask;
        }
        // also for what there is no room for: nobody was asked about it
        Answer::Later
    }

    /// Where there is room, or some by those whose answer is there.
    fn wait_for(&mut self, what: &str) {
        if self.missing.len() >= WAITING_MAX {
            let done = self.done;
            self.missing.retain(|_, asked_before| *asked_before >= done);
        }
        if self.missing.len() < WAITING_MAX {
            self.missing.insert(what.to_owned(), self.begun);
        }
    }

    fn told(&mut self, answered: bool) {
        self.is_running = false;
        if answered {
            self.done = self.begun;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_no_only_after_the_others_were_asked() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.look("kid/a", 1000), Answer::Ask);
        assert_eq!(waiting.look("kid/a", 1001), Answer::Later, "they are being asked");
        // missed after they were asked: this answer does not count for it
        assert_eq!(waiting.look("kid/b", 1002), Answer::Later);
        waiting.told(true);
        assert_eq!(waiting.look("kid/a", 1003), Answer::Nowhere);
        assert_eq!(waiting.look("kid/b", 1004), Answer::Later, "once a second");
        assert_eq!(waiting.look("kid/b", 2000), Answer::Ask);
        waiting.told(true);
        assert_eq!(waiting.look("kid/b", 2001), Answer::Nowhere);
    }

    #[test]
    fn no_answer_is_no_answer() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.look("kid/a", 0), Answer::Ask);
        waiting.told(false);
        assert_eq!(waiting.look("kid/a", 999), Answer::Later);
        assert_eq!(waiting.look("kid/a", 1000), Answer::Ask);
    }

    #[test]
    fn strangers_fill_a_bounded_room_that_empties_again() {
        let mut waiting = Waiting::default();
        for number in 0..2 * WAITING_MAX {
            waiting.look(&format!("kid/{number}"), 0);
        }
        assert_eq!(waiting.missing.len(), WAITING_MAX);
        // a member that lags meets a valid token while strangers fill the room
        assert_eq!(waiting.look("kid/x", 0), Answer::Later);
        waiting.told(true);
        assert_eq!(waiting.look("kid/0", 1), Answer::Nowhere, "it was asked for");
        assert_eq!(waiting.look("kid/x", 5000), Answer::Ask);
        waiting.told(true);
        assert_eq!(
            waiting.look("kid/y", 5001),
            Answer::Later,
            "all others were answered"
        );
        assert_eq!(waiting.missing.len(), 1);
    }

    #[tokio::test]
    async fn a_store_with_a_majority_answers() {
        let (late, store) = (Late::default(), Store::in_memory());
        assert!(!late.is_nowhere(&store, "kid/a"));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(late.is_nowhere(&store, "kid/a"));
    }

    #[test]
    fn without_a_runtime_nobody_can_ask() {
        assert!(Late::default().is_nowhere(&Store::in_memory(), "kid/a"));
    }
}
