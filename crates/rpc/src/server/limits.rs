//! Bounds on everything that a stranger can send or hold open, per port.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::http2::Http2Limits;
use super::rates::{Rate, Rates};

/// Limits of one gRPC port.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, from everywhere.
    pub connections_max: usize,
    /// Connections at once from one address.
    pub connections_per_address_max: usize,
    /// How often one address may connect; `None`: as often as it likes.
    pub connection_rate: Option<Rate>,
    /// Time from accept to the end of the TLS handshake.
    pub handshake_at_most: Duration,
    /// What a client may do on its connection.
    pub http2: Http2Limits,
    /// How long calls in progress may take after shutdown began.
    pub drain_at_most: Duration,
}

impl Limits {
    /// Limits of the API port.
    pub fn api() -> Self {
        Self {
            connections_max: 4096,
            connections_per_address_max: 1024, // one host may be a whole site's
            connection_rate: Some(Rate {
                per_second_max: 500, // handshakes: a tenth of one core
                burst_max: 5000,
            }),
            handshake_at_most: Duration::from_secs(5),
            http2: Http2Limits::api(),
            drain_at_most: Duration::from_secs(10),
        }
    }

    /// Limits of the peer port: few connections, and a short drain because a leaving member's streams never end by
    /// themselves.
    pub fn peer() -> Self {
        Self {
            connections_max: 256,
            connections_per_address_max: 64,
            http2: Http2Limits::peer(),
            drain_at_most: Duration::from_secs(1),
            ..Self::api()
        }
    }
}

/// Counts connections, in all and per address, and how often an address makes one; the HTTP ports use it too.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    max: usize,
    per_address_max: usize,
    rates: Option<Arc<Rates>>,
    by_network: bool,
    open: Arc<Mutex<Open>>,
}

/// Bits of an IPv6 address that whoever has one network cannot change.
const NETWORK_BITS: u128 = u128::MAX << 64;

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many as may be are open, in all or from its address.
    #[error("too many are open")]
    TooMany,
    /// Its address opens them too often.
    #[error("its address opens them too often")]
    TooOften,
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
            rates: None,
            by_network: false,
            open: Arc::default(),
        }
    }

    /// The same, and no address may connect more often than `rate`.
    #[must_use]
    pub fn with_rate(self, rate: Option<Rate>) -> Self {
        let rates = rate.map(|rate| Arc::new(Rates::new(rate, Instant::now())));
        Self { rates, ..self }
    }

    /// The same, and addresses of IPv6 count by their network of 64 bits: a host may take as many addresses of its own as it likes.
    #[must_use]
    pub fn by_network(self) -> Self {
        Self {
            by_network: true,
            ..self
        }
    }

    /// What `address` counts as.
    fn counted(&self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V6(address) if self.by_network => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK_BITS))
            }
            address => address,
        }
    }

    /// A place for a connection from `address`.
    ///
    /// # Errors
    /// There is none: close the socket then.
    pub fn admit(&self, address: IpAddr) -> Result<Permit, Refused> {
        let permit = self.admit_up_to(address, self.per_address_max)?;
        match &self.rates {
            Some(rates) if !rates.admit(self.counted(address), Instant::now()) => Err(Refused::TooOften),
            _ => Ok(permit),
        }
    }

    /// The same for an address that many clients share: only the limit of all connections holds.
    ///
    /// # Errors
    /// As `admit`.
    pub fn admit_shared(&self, address: IpAddr) -> Result<Permit, Refused> {
        self.admit_up_to(address, self.max)
    }

    fn admit_up_to(&self, address: IpAddr, per_address_max: usize) -> Result<Permit, Refused> {
        let address = self.counted(address);
        let mut open = lock(&self.open);
        let here = open.by_address.get(&address).copied().unwrap_or(0);
        if open.all >= self.max || here >= per_address_max {
            return Err(Refused::TooMany);
        }
        open.all += 1;
        open.by_address.insert(address, here + 1);
        Ok(Permit {
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
        assert_eq!(
            limits.admit(a).unwrap_err(),
            Refused::TooMany,
            "a third one from one address"
        );
        let _third = limits.admit(b).unwrap();
        assert!(limits.admit(b).is_err(), "a fourth one in all");
        drop(first);
        assert!(limits.admit(b).is_ok());
        assert!(limits.admit(a).is_ok());
    }

    #[test]
    fn a_shared_address_is_only_counted_in_all() {
        let limits = ConnectionLimits::new(3, 1);
        let address = "10.0.0.1".parse().unwrap();
        let _first = limits.admit(address).unwrap();
        assert!(limits.admit(address).is_err());
        let _more = [(); 2].map(|()| limits.admit_shared(address).unwrap());
        assert!(limits.admit_shared(address).is_err(), "a fourth one in all");
    }

    /// One that connects and goes, over and over, never has many open: it costs handshakes all the same. Others, and an
    /// address that many share, are not held to it.
    #[test]
    fn who_connects_too_often_is_refused_and_keeps_no_place() {
        let rate = Rate {
            per_second_max: 1,
            burst_max: 5,
        };
        let limits = ConnectionLimits::new(10, 2).with_rate(Some(rate));
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..5 {
            limits.admit(a).unwrap();
        }
        assert_eq!(limits.admit(a).unwrap_err(), Refused::TooOften);
        assert!(
            lock(&limits.open).by_address.is_empty(),
            "its place is free again"
        );
        assert!(limits.admit_shared(a).is_ok());
        assert!(limits.admit(b).is_ok());
    }

    /// A refusal for want of room costs no turn: whoever waits for a place gets it.
    #[test]
    fn what_finds_no_room_does_not_count_as_a_connection() {
        let rate = Rate {
            per_second_max: 1,
            burst_max: 2,
        };
        let limits = ConnectionLimits::new(1, 1).with_rate(Some(rate));
        let address = "10.0.0.1".parse().unwrap();
        let held = limits.admit(address).unwrap();
        for _ in 0..10 {
            assert_eq!(limits.admit(address).unwrap_err(), Refused::TooMany);
        }
        drop(held);
        assert!(limits.admit(address).is_ok());
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

    /// A host has 2^64 addresses of IPv6, and they must not be as many limits. On a port where hosts of one network are many,
    /// each has its own.
    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let rate = Rate {
            per_second_max: 1,
            burst_max: 2,
        };
        let limits = ConnectionLimits::new(10, 1).with_rate(Some(rate)).by_network();
        let first = limits.admit(address("fd00::1")).unwrap();
        assert_eq!(limits.admit(address("fd00::2")).unwrap_err(), Refused::TooMany);
        drop(first);
        drop(limits.admit(address("fd00::3")).unwrap());
        assert_eq!(limits.admit(address("fd00::4")).unwrap_err(), Refused::TooOften);
        limits.admit(address("fd00:0:0:1::1")).unwrap();
        let _of_four = limits.admit(address("10.0.0.1")).unwrap();
        limits.admit(address("::ffff:10.0.0.2")).unwrap();
        let each = ConnectionLimits::new(10, 1);
        let _first = each.admit(address("fd00::1")).unwrap();
        each.admit(address("fd00::2")).unwrap();
    }

    /// `::ffff:10.0.0.1` and `10.0.0.1` are one address.
    #[test]
    fn mapped_addresses_do_not_double_the_limit() {
        let limits = ConnectionLimits::new(10, 1);
        let _first = limits.admit("10.0.0.1".parse().unwrap()).unwrap();
        assert!(limits.admit("::ffff:10.0.0.1".parse().unwrap()).is_err());
    }
}
