//! The applied state as readers see it: one pointer load, no lock, one consistent revision.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use state::State;
use tokio::sync::watch;

use crate::fan_out::FanOut;
use crate::history::{History, Revision};
use crate::ledger::Ledger;

/// Written by whoever applies, read by everyone.
#[derive(Debug)]
pub(crate) struct Published {
    state: ArcSwap<State>,
    applied: watch::Sender<u64>,
    snapshots_installed: AtomicU64,
    history: History,
    ledger: Option<Arc<Ledger>>,
    fan_out: Arc<FanOut>,
}

impl Published {
    pub(crate) fn new(state: State) -> Arc<Published> {
        Published::with_ledger(state, None)
    }

    /// Like [`Published::new`]; what is applied is recorded for a journal.
    pub(crate) fn recording(state: State) -> Arc<Published> {
        let ledger = Arc::new(Ledger::new(state.applied_index()));
        Published::with_ledger(state, Some(ledger))
    }

    fn with_ledger(state: State, ledger: Option<Arc<Ledger>>) -> Arc<Published> {
        let applied = watch::Sender::new(state.applied_index());
        Arc::new(Published {
            history: History::new(state.applied_index()),
            fan_out: FanOut::new(applied.subscribe()),
            state: ArcSwap::from_pointee(state),
            applied,
            ledger,
            snapshots_installed: AtomicU64::new(0),
        })
    }

    pub(crate) fn load(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Readers see `state` from here on, and watches the `revisions` that led to it; those waiting for its index are
    /// woken.
    pub(crate) fn publish(&self, state: State, revisions: Vec<Revision>) {
        // Before the state: a watch that begins at a state must find what follows it in the history.
        self.history.record(revisions, state.applied_index());
        self.show(state);
    }

    fn show(&self, state: State) {
        let index = state.applied_index();
        self.state.store(Arc::new(state));
        self.applied.send_replace(index);
    }

    /// Like [`Published::publish`] for a state that the leader sent as a snapshot.
    pub(crate) fn publish_installed(&self, state: State) {
        self.snapshots_installed.fetch_add(1, Ordering::Relaxed);
        self.history.restart(state.applied_index());
        if let Some(ledger) = &self.ledger {
            ledger.jump(state.applied_index());
        }
        self.show(state);
    }

    /// Up to here readers see what was applied.
    pub(crate) fn applied(&self) -> u64 {
        *self.applied.borrow()
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Where what is applied is recorded for a journal; none if nobody writes one.
    pub(crate) fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.ledger.as_ref()
    }

    /// Changes soon after something was applied.
    pub(crate) fn subscribe_watch(&self) -> watch::Receiver<u64> {
        self.fan_out.subscribe()
    }

    pub(crate) fn snapshots_installed(&self) -> u64 {
        self.snapshots_installed.load(Ordering::Relaxed)
    }

    /// Whether `index` is applied within `at_most`.
    pub(crate) async fn wait_for(&self, index: u64, at_most: Duration) -> bool {
        if *self.applied.borrow() >= index {
            return true; // as nearly always on the leader: nothing to register for
        }
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= index);
        matches!(tokio::time::timeout(at_most, reached).await, Ok(Ok(_)))
    }
}
