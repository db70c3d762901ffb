//! The DHCP servers of this member by network: for whoever asks what they would say, and what they have seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rpc::HistogramReading;
use tokio::time::Instant;

use crate::counters::Count;
use crate::reply::Reply;
use crate::request::Request;
use crate::server::Server;

/// The servers that run now; clones share them.
#[derive(Clone, Default)]
pub struct Servers(Arc<Mutex<BTreeMap<String, Server>>>);

impl Servers {
    /// A network is answered on from now on, by this server and no other.
    pub fn put(&self, network: &str, server: &Server) {
        self.lock().insert(network.to_owned(), server.clone());
    }

    /// A network is not answered on any more: its interface is gone.
    pub fn remove(&self, network: &str) {
        self.lock().remove(network);
    }

    /// All of them with the names of their networks, sorted by these.
    pub fn all(&self) -> Vec<(String, Server)> {
        let servers = self.lock();
        let all = servers.iter();
        all.map(|(network, server)| (network.clone(), server.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Servers").field(&self.lock().keys()).finish()
    }
}

impl Server {
    /// How long a client has waited for an answer that came to its end as `count` says.
    pub(crate) fn note_wait(&self, request: &Request<'_>, reply: &Reply, count: Count, arrived: Instant) {
        let state = self.0.store.state();
        self.0
            .traffic
            .answered(&state, request, reply, count, arrived.elapsed());
    }

    /// Messages received and sent, by direction and type.
    pub fn messages(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.0.traffic.messages(&self.counters())
    }

    /// How long clients waited for a DHCPOFFER or a DHCPACK, by answer and kind of client: `known` for addresses of SMD, `pool`
    /// for those of the pools, whose leases may have waited for a majority.
    pub fn waits(&self) -> [(&'static str, &'static str, HistogramReading); 4] {
        self.0.traffic.waits()
    }

    /// Addresses of the pools that were offered a moment ago and not asked for yet.
    pub fn offers_outstanding(&self) -> usize {
        self.0.offers.outstanding(Instant::now())
    }
}
