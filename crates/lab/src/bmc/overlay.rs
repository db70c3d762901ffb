//! One BMC: the tree that it shares with others, and everything in which it differs from them by now.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::sync::mpsc;

use super::BmcSpec;
use super::accounts::Accounts;
use super::certificate;
use super::counts::Counts;
use super::faults::Faults;
use super::login::Sessions;
use super::power::{Callback, PowerChange, SystemPower};
use super::tasks::Tasks;
use super::tree::Tree;

/// What a BMC's connections share.
pub(crate) struct Bmc {
    number: usize,
    address: SocketAddr,
    tree: Arc<Tree>,
    overlay: Mutex<Overlay>,
    counts: Mutex<Counts>,
    callbacks: Mutex<Vec<Callback>>,
    tls: Mutex<Arc<ServerConfig>>,
}

/// What has changed since it was started.
#[derive(Debug)]
pub(crate) struct Overlay {
    pub(crate) latency: Duration,
    pub(crate) faults: Faults,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Sessions,
    /// By the systems' places.
    pub(crate) power: Vec<SystemPower>,
    pub(crate) tasks: Tasks,
    /// Those who listen to events.
    pub(crate) streams: Vec<mpsc::Sender<Bytes>>,
    /// From which serial numbers, UUIDs and MACs of its own are derived; `None`: those of the tree.
    pub(crate) identity: Option<u64>,
}

impl Bmc {
    pub(crate) fn new(number: usize, spec: BmcSpec) -> io::Result<Bmc> {
        let places = spec.tree.places();
        let power = places.systems.iter().map(|system| SystemPower::new(system.power));
        let overlay = Overlay {
            latency: spec.latency,
            faults: spec.faults,
            accounts: Accounts::new(&places.accounts, &spec.user, &spec.password),
            sessions: Sessions::new(spec.address),
            power: power.collect(),
            tasks: Tasks::default(),
            streams: Vec::new(),
            identity: None,
        };
        Ok(Bmc {
            number,
            address: spec.address,
            overlay: Mutex::new(overlay),
            counts: Mutex::default(),
            callbacks: Mutex::default(),
            tls: Mutex::new(certificate::server_config(spec.address.ip())?),
            tree: spec.tree,
        })
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(crate) fn overlay(&self) -> MutexGuard<'_, Overlay> {
        lock(&self.overlay)
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }

    pub(crate) fn tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.tls))
    }

    pub(crate) fn set_tls(&self, config: Arc<ServerConfig>) {
        *lock(&self.tls) = config;
    }

    pub(crate) fn add_callback(&self, callback: Callback) {
        lock(&self.callbacks).push(callback);
    }

    /// Tells everybody who asked. No lock is held while they are told, so that they may ask the BMC in turn.
    pub(crate) fn call_back(&self, change: &PowerChange) {
        let callbacks = lock(&self.callbacks).clone();
        callbacks.iter().for_each(|callback| callback(change));
    }
}

impl fmt::Debug for Bmc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bmc")
            .field("number", &self.number)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A connection that panicked left nothing half done that another one could not bear.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
