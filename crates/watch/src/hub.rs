//! One look at each change for all watches of a member: whom it may concern finds it in his line and is woken, and nobody
//! else. A watch that nothing concerns costs a place in the index.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use raft::{Revision, Store, Watch};
use state::State;
use tokio::task::JoinHandle;

use crate::index::Index;
use crate::interest::Interest;
use crate::line::{Line, Taken};

/// So many woken at once are a crowd: after one the hub rests, so that under load they are told of several revisions at once.
const CROWD: usize = 50;
/// How long it rests. Timers are no finer; `chamois bench watch` shows that a longer rest saves no CPU and costs events their time,
/// and that none at all makes them late by far, because the watches that are told take the time of those that change.
const REST: Duration = Duration::from_millis(1);

/// Where all watches of a member hear of changes. Runs only while somebody watches.
#[derive(Debug)]
pub(crate) struct Hub {
    store: Store,
    /// Everything up to here that concerns a watch is in its line, or has been.
    routed: AtomicU64,
    desk: Mutex<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    index: Index,
    task: Option<JoinHandle<()>>,
}

/// The place of one watch; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    hub: Arc<Hub>,
    line: Arc<Line>,
    number: u64,
    from: u64,
}

impl Hub {
    pub(crate) fn new(store: Store) -> Arc<Hub> {
        Arc::new(Hub {
            store,
            routed: AtomicU64::new(0),
            desk: Mutex::default(),
        })
    }

    /// A place for a watch that reads everything up to [`Place::from`] in the history. Needs a tokio runtime, on which the
    /// hub runs.
    pub(crate) fn enter(self: &Arc<Self>, interest: Interest) -> Place {
        let line = Arc::new(Line::new(interest));
        let mut desk = self.desk();
        if desk.task.as_ref().is_none_or(JoinHandle::is_finished) {
            let (state, changes) = self.store.watch();
            self.begin_at(&mut desk, &state);
            desk.task = Some(tokio::spawn(run(Arc::downgrade(self), changes)));
        }
        // Not behind what was routed: a watch gives out only what readers of the state see.
        let state = self.store.state();
        let number = desk.index.add(&line, &state);
        drop(desk);
        Place {
            hub: Arc::clone(self),
            line,
            number,
            from: state.applied_index(),
        }
    }

    /// Routes revisions that lead up to `upto`; gives how many watches were woken, or none when nobody watches any more.
    fn route(&self, revisions: &[Arc<Revision>], upto: u64) -> Option<usize> {
        let mut woken = Vec::new();
        for revision in revisions {
            self.desk().index.route(revision, &mut woken);
        }
        self.routed.store(upto, Ordering::Release);
        woken.iter().for_each(|line| line.wake());
        let mut desk = self.desk();
        if desk.index.is_empty() {
            // Under the lock, so that whoever comes meanwhile begins anew.
            desk.task = None;
            return None;
        }
        Some(woken.len())
    }

    /// The state was replaced as a whole: goes on with what comes after it.
    fn begin_again(&self) -> Watch {
        let (state, changes) = self.store.watch();
        self.begin_at(&mut self.desk(), &state);
        changes
    }

    fn begin_at(&self, desk: &mut Desk, state: &State) {
        let lines = desk.index.begin_again(state);
        // After the lines: whoever sees this index finds in his line that he missed something.
        self.routed.store(state.applied_index(), Ordering::Release);
        lines.iter().for_each(|line| line.wake());
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(hub: Weak<Hub>, mut changes: Watch) {
    loop {
        let next = changes.next().await;
        let Some(hub) = hub.upgrade() else {
            return;
        };
        let woken = match next {
            Ok(revisions) => hub.route(&revisions, changes.revision()),
            Err(error) => {
                tracing::info!("watches look for themselves what they have missed: {error}");
                changes = hub.begin_again();
                Some(0)
            }
        };
        drop(hub);
        let Some(woken) = woken else {
            return;
        };
        if woken >= CROWD {
            tokio::time::sleep(REST).await;
        }
    }
}

impl Place {
    /// What waits here comes after this revision; what waits of earlier ones may be incomplete.
    pub(crate) fn from(&self) -> u64 {
        self.from
    }

    /// Everything up to here that concerns the watch is here, if it has not been taken yet: to be asked before [`Place::take`].
    pub(crate) fn routed(&self) -> u64 {
        self.hub.routed.load(Ordering::Acquire)
    }

    /// Takes what waits.
    pub(crate) fn take(&self) -> Taken {
        self.line.take()
    }

    /// Completes when something has come since it last did, or at once. Cancelling loses nothing.
    pub(crate) async fn woken(&self) {
        self.line.woken().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.desk().index.remove(self.number);
    }
}
