//! What a server says when it has answered a node: it waits for nobody and holds no lock.

use std::sync::Arc;

use model::{MacAddr, Xname};
use proto::bss::v1::boot_phase::Phase;
use state::State;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::counters::{Count, Counters};

/// Attempts that wait to be taken in, a tenth of a second's worth at a hundred thousand answers a second.
const WAITING_MAX: usize = 16_384;

/// A node has come to a phase of its boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The node.
    pub node: Xname,
    /// Which boot it is, if the node has said so.
    pub boot_id: Option<u64>,
    /// What it has come to; a phone-home is a change of its own.
    pub phase: Phase,
    /// Sent to the node.
    pub bytes: u64,
    /// Of the state that the answer was made of; 0 for what is no part of the state.
    pub revision: u64,
}

/// Where servers say what they have seen; cheap to clone. The default tells nobody.
#[derive(Clone, Debug, Default)]
pub struct Timeline(Option<Arc<Told>>);

#[derive(Debug)]
struct Told {
    to: mpsc::Sender<(Seen, Instant)>,
    counters: Arc<Counters>,
}

impl Timeline {
    pub(crate) fn new(counters: Arc<Counters>) -> (Timeline, mpsc::Receiver<(Seen, Instant)>) {
        let (to, waiting) = mpsc::channel(WAITING_MAX);
        (Timeline(Some(Arc::new(Told { to, counters }))), waiting)
    }

    /// Notes what was sent just now to the node that has this MAC; nothing where it is no node's.
    pub fn note_sent(&self, state: &State, mac: MacAddr, phase: Phase, bytes: usize) {
        let interface = state.smd.interface(&mac);
        let node = interface.and_then(|interface| interface.component_id.parse::<Xname>().ok());
        if let Some(node) = node.filter(Xname::is_node) {
            self.note(Seen {
                node,
                boot_id: None,
                phase,
                bytes: bytes as u64,
                revision: state.applied_index(),
            });
        }
    }

    /// Notes what was seen just now. What there is no room for is counted and lost: no node waits for its timeline.
    pub fn note(&self, seen: Seen) {
        let Some(told) = &self.0 else { return };
        told.counters.add(Count::Seen);
        if told.to.try_send((seen, Instant::now())).is_err() {
            told.counters.add(Count::Dropped);
        }
    }
}
