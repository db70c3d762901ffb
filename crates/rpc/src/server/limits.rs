//! Bounds on everything that a stranger can send or hold open, per port.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Limits of one gRPC port.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, from everywhere.
    pub connections_max: usize,
    /// Connections at once from one address.
    pub connections_per_address_max: usize,
    /// Time from accept to the end of the TLS handshake.
    pub handshake_at_most: Duration,
    /// Time from the handshake to the first call: a connection that never asks anything is closed.
    pub first_call_at_most: Duration,
    /// Calls at once on one connection.
    pub concurrent_streams_max: u32,
    /// Streams that the client reset before they were accepted (rapid reset, CVE-2023-44487).
    pub pending_accept_reset_streams_max: usize,
    /// Streams that we reset because of the client's errors.
    pub local_error_reset_streams_max: usize,
    /// All headers of one request, bytes.
    pub header_list_bytes_max: u32,
    /// Flow-control window of one stream, bytes.
    pub stream_window_bytes: u32,
    /// Flow-control window of one connection, bytes.
    pub connection_window_bytes: u32,
    /// Pause between HTTP/2 pings.
    pub keep_alive_interval: Duration,
    /// A connection whose ping is not answered for this long is closed.
    pub keep_alive_timeout: Duration,
    /// How long calls in progress may take after shutdown began.
    pub drain_at_most: Duration,
}

impl Limits {
    /// Limits of the API port.
    pub fn api() -> Self {
        Self {
            connections_max: 4096,
            connections_per_address_max: 512,
            handshake_at_most: Duration::from_secs(5),
            first_call_at_most: Duration::from_secs(30),
            concurrent_streams_max: 256,
            pending_accept_reset_streams_max: 20,
            local_error_reset_streams_max: 256,
            header_list_bytes_max: 16 * 1024,
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 4 << 20,
            keep_alive_interval: Duration::from_secs(15),
            keep_alive_timeout: Duration::from_secs(20),
            drain_at_most: Duration::from_secs(10),
        }
    }

    /// Limits of the peer port: few connections, wide windows for snapshots, a short drain because a
    /// leaving member's streams never end by themselves.
    pub fn peer() -> Self {
        Self {
            connections_max: 256,
            connections_per_address_max: 64,
            concurrent_streams_max: 1024,
            stream_window_bytes: 4 << 20,
            connection_window_bytes: 16 << 20,
            keep_alive_interval: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            drain_at_most: Duration::from_secs(1),
            ..Self::api()
        }
    }
}

/// Counts connections, in all and per address; the plain HTTP ports use it too.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    max: usize,
    per_address_max: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to hold one connection open; dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    address: IpAddr,
    open: Arc<Mutex<Open>>,
}

impl ConnectionLimits {
    /// At most `max` connections, and `per_address_max` from any one address.
    pub fn new(max: usize, per_address_max: usize) -> Self {
        Self {
            max,
            per_address_max,
            open: Arc::default(),
        }
    }

    /// A place for a connection from `address`, or `None` if there is none: close the socket then.
    pub fn admit(&self, address: IpAddr) -> Option<Permit> {
        self.admit_up_to(address, self.per_address_max)
    }

    /// The same for an address that many clients share: only the limit of all connections holds.
    pub fn admit_shared(&self, address: IpAddr) -> Option<Permit> {
        self.admit_up_to(address, self.max)
    }

    fn admit_up_to(&self, address: IpAddr, per_address_max: usize) -> Option<Permit> {
        let address = address.to_canonical();
        let mut open = lock(&self.open);
        let here = open.by_address.get(&address).copied().unwrap_or(0);
        if open.all >= self.max || here >= per_address_max {
            return None;
        }
        open.all += 1;
        open.by_address.insert(address, here + 1);
        Some(Permit {
            address,
            open: Arc::clone(&self.open),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.all -= 1;
        if let Some(here) = open.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One address must not use up all places, and places come back.
    #[test]
    fn places_are_counted_per_address_and_in_all() {
        let limits = ConnectionLimits::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = limits.admit(a).unwrap();
        let _second = limits.admit(a).unwrap();
        assert!(limits.admit(a).is_none(), "a third one from one address");
        let _third = limits.admit(b).unwrap();
        assert!(limits.admit(b).is_none(), "a fourth one in all");
        drop(first);
        assert!(limits.admit(b).is_some());
        assert!(limits.admit(a).is_some());
    }

    #[test]
    fn a_shared_address_is_only_counted_in_all() {
        let limits = ConnectionLimits::new(3, 1);
        let address = "10.0.0.1".parse().unwrap();
        let _first = limits.admit(address).unwrap();
        assert!(limits.admit(address).is_none());
        let _more = [(); 2].map(|()| limits.admit_shared(address).unwrap());
        assert!(limits.admit_shared(address).is_none(), "a fourth one in all");
    }

    /// The table must not grow with every address ever seen.
    #[test]
    fn an_address_that_has_gone_is_forgotten() {
        let limits = ConnectionLimits::new(10, 2);
        for last in 0..=255 {
            limits.admit(IpAddr::from([10, 0, 0, last])).unwrap();
        }
        assert!(lock(&limits.open).by_address.is_empty());
    }

    /// `::ffff:10.0.0.1` and `10.0.0.1` are one address.
    #[test]
    fn mapped_addresses_do_not_double_the_limit() {
        let limits = ConnectionLimits::new(10, 1);
        let _first = limits.admit("10.0.0.1".parse().unwrap()).unwrap();
        assert!(limits.admit("::ffff:10.0.0.1".parse().unwrap()).is_none());
    }
}
