//! Which service addresses this member holds now: node ports put the handles in, the cluster's status
//! reads them.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use address::Held;

/// The handles, one per network that is served; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldAddresses(Arc<Mutex<Vec<(Ipv4Addr, Held)>>>);

impl HeldAddresses {
    /// Adds the handle of one network.
    pub(super) fn add(&self, address: Ipv4Addr, held: Held) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((address, held));
    }

    /// The addresses held at this moment, as text.
    pub(super) fn now(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|(_, held)| held.is_held())
            .map(|(address, _)| address.to_string())
            .collect()
    }
}
