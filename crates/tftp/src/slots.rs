//! Places for running transfers: one per client port, bounded per address and in all.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::counters::Count;

/// Bounds on what strangers can make the server do. Beyond them a request is dropped in silence: firmware asks
/// again a second later, while an error would end its boot.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Transfers at a time, all clients together.
    pub transfers_max: usize,
    /// Transfers at a time from one address.
    pub transfers_per_peer_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            transfers_max: 1024,
            transfers_per_peer_max: 8,
        }
    }
}

/// The transfers that run now.
#[derive(Debug)]
pub(crate) struct Slots {
    limits: Limits,
    transfers: Mutex<Transfers>,
}

#[derive(Debug, Default)]
struct Transfers {
    clients: HashSet<SocketAddr>,
    by_address: HashMap<IpAddr, usize>,
}

impl Slots {
    /// An empty table.
    pub(crate) fn new(limits: Limits) -> Slots {
        Slots {
            limits,
            transfers: Mutex::default(),
        }
    }

    /// A place for `peer`, or why it gets none.
    pub(crate) fn claim(slots: &Arc<Slots>, peer: SocketAddr) -> Result<Slot, Count> {
        let mut transfers = slots.lock();
        if transfers.clients.contains(&peer) {
            return Err(Count::Repeated);
        }
        if transfers.clients.len() >= slots.limits.transfers_max {
            return Err(Count::TooManyInAll);
        }
        let of_peer = transfers.by_address.entry(peer.ip()).or_default();
        if *of_peer >= slots.limits.transfers_per_peer_max {
            return Err(Count::TooManyOfPeer);
        }
        *of_peer += 1;
        transfers.clients.insert(peer);
        drop(transfers);
        Ok(Slot {
            slots: slots.clone(),
            peer,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Transfers> {
        // The map is whole after every statement under the lock, so a panic elsewhere does not spoil it.
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the running transfers; given back when dropped.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    peer: SocketAddr,
}

impl Slot {
    /// The client it belongs to.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut transfers = self.slots.lock();
        transfers.clients.remove(&self.peer);
        if let Some(of_peer) = transfers.by_address.get_mut(&self.peer.ip()) {
            *of_peer -= 1;
            if *of_peer == 0 {
                transfers.by_address.remove(&self.peer.ip());
            }
        }
    }
}
