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
    pub(crate) fn new(limits: &Limits, is_shared: &SharedAddresses) -> Self {
        let rates = limits
            .requests_per_address
            .map(|rate| (rate, Rates::new(rate, Instant::now())));
        let connections = ConnectionLimits::new(limits.connections_max, limits.connections_per_address_max);
        Self {
            connections: connections.with_rate(limits.connection_rate),
            rates,
            is_shared: Arc::clone(is_shared),
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
             boot.requests-per-s-max; if it is the address of many nodes, name it in boot.shared-addresses)",
            rate.burst_max, rate.per_second_max
        )))
    }
}
