//! A running BMC as tests and the demo see it: what became of it, and what is to go wrong next.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::certificate;
use super::faults::{Fault, Faults};
use super::overlay::Bmc;
use super::power::{Callback, Power, PowerChange};
use super::tree::normal;

/// One BMC of a fleet; cheap to clone.
#[derive(Clone, Debug)]
pub struct BmcHandle(Arc<Bmc>);

impl BmcHandle {
    pub(crate) fn new(bmc: Arc<Bmc>) -> BmcHandle {
        BmcHandle(bmc)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// URIs of its systems, in their order.
    pub fn systems(&self) -> Vec<String> {
        self.0.tree().systems().map(str::to_owned).collect()
    }

    /// The power of a system, by its place.
    ///
    /// # Panics
    /// If it has no such system.
    pub fn power(&self, system: usize) -> Power {
        self.0.overlay().power[system].state
    }

    /// Sets the power of a system as if it had been so for long: no event, no callback, and an order that is being carried out
    /// ends.
    ///
    /// # Panics
    /// If it has no such system.
    pub fn set_power(&self, system: usize, state: Power) {
        self.0.overlay().power[system].set(state);
    }

    /// The resets that were asked of a system, in order, by their `ResetType`; also those that were not answered or refused.
    ///
    /// # Panics
    /// If it has no such system.
    pub fn resets(&self, system: usize) -> Vec<String> {
        self.0.overlay().power[system].resets.clone()
    }

    /// `callback` is called for every change of power by a reset, on the BMC's own task: it must not block. For an emulated node
    /// that is to boot when it is switched on.
    pub fn on_power(&self, callback: impl Fn(&PowerChange) + Send + Sync + 'static) {
        self.0.add_callback(Arc::new(callback));
    }

    pub(crate) fn add_callback(&self, callback: Callback) {
        self.0.add_callback(callback);
    }

    /// One fault more, everywhere.
    pub fn set_fault(&self, fault: Fault) {
        self.set_fault_at("", fault);
    }

    /// One fault more, at this URI and below it.
    pub fn set_fault_at(&self, uri: &str, fault: Fault) {
        let mut overlay = self.0.overlay();
        let faults = std::mem::take(&mut overlay.faults);
        overlay.faults = faults.and_at(uri, fault);
    }

    /// Nothing is wrong any more.
    pub fn clear_faults(&self) {
        self.0.overlay().faults = Faults::none();
    }

    /// How long it thinks about each request from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.0.overlay().latency = latency;
    }

    /// Serial numbers, UUIDs and MACs of its own, derived from those of the tree and from `seed`.
    pub fn set_identity(&self, seed: u64) {
        self.0.overlay().identity = Some(seed);
    }

    /// A new key and certificate, which connections see that are opened from now on.
    ///
    /// # Errors
    /// If none can be made.
    pub fn change_key(&self) -> io::Result<()> {
        self.0.set_tls(certificate::server_config(self.address().ip())?);
        Ok(())
    }

    /// The password of an account, if it can log in.
    pub fn password(&self, user: &str) -> Option<String> {
        self.0.overlay().accounts.password(user).map(str::to_owned)
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        self.0.overlay().sessions.len()
    }

    /// Clients that listen to events.
    pub fn event_streams(&self) -> usize {
        let mut overlay = self.0.overlay();
        overlay.streams.retain(|stream| !stream.is_closed());
        overlay.streams.len()
    }

    /// Requests for this URI so far, of any method; query and slash at the end do not count.
    pub fn count(&self, uri: &str) -> u64 {
        self.0.counts().of(&normal(uri))
    }

    /// How often each URI was read (GET), the spelling being the client's.
    pub fn reads(&self) -> BTreeMap<String, u64> {
        self.0.counts().reads()
    }

    /// All requests so far.
    pub fn total(&self) -> u64 {
        self.0.counts().total()
    }

    /// The most requests that were in work at once.
    pub fn in_flight_max(&self) -> usize {
        self.0.counts().in_flight_max()
    }

    /// Begins to count anew.
    pub fn reset_counts(&self) {
        self.0.counts().clear();
    }
}
