//! Who is answered on a port: connections in all, and connections and requests of one address.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rpc::server::{ConnectionLimits, Permit, Rate, Rates, Refused};

use crate::options::Limits;
use crate::problem::Problem;

/// Whether an address is that of many nodes.
pub type SharedAddresses = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// The limits of a port on connections and requests.
pub(crate) struct Admission {
    connections: ConnectionLimits,
    rates: Option<(Rate, Rates)>,
    is_shared: SharedAddresses,
}

impl Admission {
    /// Of the API port: each address, of IPv6 each /64, has its limits, whoever it is.
    pub(crate) fn of_the_api(limits: &Limits) -> Self {
        let mut admission = Self::new(limits, Arc::new(|_| false));
        admission.connections = admission.connections.by_network();
        admission
    }

    /// Of the nodes' port: addresses of many nodes, and of proxies, have none. A whole rack may be in one /64, so each address of
    /// IPv6 counts.
    pub(crate) fn of_nodes(limits: &Limits, shared: &SharedAddresses, proxies: &SharedAddresses) -> Self {
        let (shared, proxies) = (Arc::clone(shared), Arc::clone(proxies));
        let is_shared = move |address: IpAddr| shared(address) || proxies(address.to_canonical());
        Self::new(limits, Arc::new(is_shared))
    }

    /// Of the port of one service: connections as on the API port, and of who shows no credential as many requests as a node may have.
    pub(crate) fn of_a_service(api: &Limits, nodes: &Limits, shared: &SharedAddresses) -> Self {
        let limits = Limits {
            requests_per_address: nodes.requests_per_address,
            ..*api
        };
        Self::new(&limits, Arc::clone(shared))
    }

    fn new(limits: &Limits, is_shared: SharedAddresses) -> Self {
        let rates = limits
            .requests_per_address
            .map(|rate| (rate, Rates::new(rate, Instant::now())));
        let connections = ConnectionLimits::new(limits.connections_max, limits.connections_per_address_max);
        Self {
            connections: connections.with_rate(limits.connection_rate),
            rates,
            is_shared,
        }
    }

    /// A place for a connection.
    ///
    /// # Errors
    /// There is none: close the socket then.
    pub(crate) fn connection(&self, address: IpAddr) -> Result<Permit, Refused> {
        let own = self.connections.admit(address);
        own.or_else(|refused| match (self.is_shared)(address) {
            true => self.connections.admit_shared(address),
            false => Err(refused),
        })
    }

    /// # Errors
    /// 503 for an address that has asked too often, not 429: nodes' clients take 503 for something that passes.
    pub(crate) fn request(&self, peer: Option<SocketAddr>) -> Result<(), Problem> {
        let (Some((rate, rates)), Some(peer)) = (&self.rates, peer) else {
            return Ok(());
        };
        // the list of shared addresses is only asked by who is over its limit
        if rates.admit(peer.ip(), Instant::now()) || (self.is_shared)(peer.ip()) {
            return Ok(());
        }
        Err(Problem::busy(format!(
            "this address asks too often: it may ask {} times at once and {} times a second (boot.requests-burst-max and \
             boot.requests-per-s-max; if it is the address of many nodes, name it in boot.shared-addresses, if it is a proxy's in \
             boot.trusted-proxies)",
            rate.burst_max, rate.per_second_max
        )))
    }
}
