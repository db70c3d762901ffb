//! How often a client may ask: a token bucket for each client, and one for clients that are new and unknown. Pure. A client is
//! its MAC; over IPv6 it may be known by something else (crates/dhcp6).
//!
//! The table has a fixed size and nothing is allocated for a packet. A client that takes another one's place begins with
//! a full bucket, so a flood of invented clients makes nobody wait; it ends at the second bucket, where SMD knows none of them.

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::counters::Count;

/// Clients remembered at a time.
const CLIENTS_MAX: usize = 4096;

/// How often clients may ask; 0 for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Packets of one client, a second.
    pub packets_per_s: u32,
    /// Packets of one client at once, after it has been quiet.
    pub packets_burst: u32,
    /// Clients that SMD does not know and that have not asked lately, a second; as many may come at once.
    pub strangers_per_s: u32,
}

/// Why a packet is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Its client asks more often than a client does.
    Packets,
    /// SMD does not know its client, and too many such have come.
    Strangers,
}

impl From<Excess> for Count {
    fn from(excess: Excess) -> Count {
        match excess {
            Excess::Packets => Count::TooManyPackets,
            Excess::Strangers => Count::TooManyStrangers,
        }
    }
}

/// Tokens, with the time they were counted at.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Time's worth of packets that may still come: each packet takes away `1 / rate`.
    credit: Duration,
    counted_at: Instant,
}

impl Bucket {
    fn full(rate: u32, burst: u32, now: Instant) -> Bucket {
        Bucket {
            credit: Duration::from_secs(burst.into()) / rate,
            counted_at: now,
        }
    }

    /// Takes one packet's worth, if it is there.
    fn take(&mut self, rate: u32, burst: u32, now: Instant) -> bool {
        let full = Duration::from_secs(burst.into()) / rate;
        let earned = now.saturating_duration_since(self.counted_at);
        self.credit = self.credit.saturating_add(earned).min(full);
        self.counted_at = now;
        match self.credit.checked_sub(Duration::from_secs(1) / rate) {
            Some(rest) => {
                self.credit = rest;
                true
            }
            None => false,
        }
    }
}

/// The buckets of clients that are told apart by a `K`.
#[derive(Debug)]
pub struct Limiter<K> {
    limits: Limits,
    clients: Vec<Option<(K, Bucket)>>,
    strangers: Option<Bucket>,
    /// Of this process alone: nobody can choose clients that drive one certain other from its place.
    places: RandomState,
}

impl<K: Copy + Eq + Hash> Limiter<K> {
    /// Full buckets; without limits there are none, and they cost nothing.
    pub fn new(limits: Limits, now: Instant) -> Limiter<K> {
        let is_limited = limits.packets_per_s > 0 || limits.strangers_per_s > 0;
        let strangers = limits.strangers_per_s;
        Limiter {
            limits,
            clients: if is_limited {
                vec![None; CLIENTS_MAX]
            } else {
                Vec::new()
            },
            strangers: (strangers > 0).then(|| Bucket::full(strangers, strangers, now)),
            places: RandomState::new(),
        }
    }

    /// Whether anything is limited.
    pub fn limits(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Takes a packet's worth. `is_known` says whether SMD has the client.
    ///
    /// # Errors
    /// What there is too much of.
    pub fn take(&mut self, client: K, is_known: bool, now: Instant) -> Result<(), Excess> {
        let Limits {
            packets_per_s,
            packets_burst,
            strangers_per_s,
        } = self.limits;
        if !self.limits() {
            return Ok(());
        }
        let place = self.places.hash_one(client) as usize % CLIENTS_MAX;
        let place = &mut self.clients[place];
        if place.is_none_or(|(owner, _)| owner != client) {
            if let (false, Some(strangers)) = (is_known, &mut self.strangers)
                && !strangers.take(strangers_per_s, strangers_per_s, now)
            {
                return Err(Excess::Strangers);
            }
            *place = None;
        }
        let new = || (client, Bucket::full(packets_per_s.max(1), packets_burst, now));
        let (_, bucket) = place.get_or_insert_with(new);
        if packets_per_s == 0 || bucket.take(packets_per_s, packets_burst, now) {
            return Ok(());
        }
        Err(Excess::Packets)
    }
}

#[cfg(test)]
mod tests {
    use model::MacAddr;

    use super::*;

    const LIMITS: Limits = Limits {
        packets_per_s: 5,
        packets_burst: 20,
        strangers_per_s: 100,
    };

    fn mac(n: u32) -> MacAddr {
        let [a, b, c, d] = n.to_be_bytes();
        MacAddr([2, 0, a, b, c, d])
    }

    fn passed(limiter: &mut Limiter<MacAddr>, mac: MacAddr, packets: usize, now: Instant) -> usize {
        (0..packets)
            .filter(|_| limiter.take(mac, true, now).is_ok())
            .count()
    }

    #[test]
    fn a_client_may_ask_so_often_at_once_and_then_so_often_a_second() {
        let now = Instant::now();
        let mut limiter = Limiter::new(LIMITS, now);
        assert_eq!(passed(&mut limiter, mac(1), 100, now), 20);
        assert_eq!(limiter.take(mac(1), true, now), Err(Excess::Packets));
        let later = |millis| now + Duration::from_millis(millis);
        assert_eq!(passed(&mut limiter, mac(1), 100, later(199)), 0);
        assert_eq!(passed(&mut limiter, mac(1), 100, later(200)), 1);
        assert_eq!(passed(&mut limiter, mac(1), 100, later(1200)), 5);
        assert_eq!(
            passed(&mut limiter, mac(1), 100, later(3_600_000)),
            20,
            "it saves no more than that"
        );
    }

    #[test]
    fn a_hostile_client_takes_nothing_from_others() {
        let now = Instant::now();
        let mut limiter = Limiter::new(LIMITS, now);
        passed(&mut limiter, mac(1), 100_000, now);
        for n in 2..2000 {
            assert_eq!(passed(&mut limiter, mac(n), 20, now), 20, "{n}");
        }
    }

    /// Nodes whose MACs SMD has are not kept waiting by a flood of those that it has not.
    #[test]
    fn invented_macs_end_at_a_bound_and_known_ones_do_not_feel_it() {
        let now = Instant::now();
        let mut limiter = Limiter::new(LIMITS, now);
        let flood = |limiter: &mut Limiter<MacAddr>, from: u32, now| {
            (from..from + 10_000)
                .filter(|n| limiter.take(mac(*n), false, now).is_ok())
                .count()
        };
        assert_eq!(flood(&mut limiter, 0, now), 100);
        assert_eq!(limiter.take(mac(7_000_000), false, now), Err(Excess::Strangers));
        assert_eq!(passed(&mut limiter, mac(9_000_000), 20, now), 20);
        let later = now + Duration::from_millis(500);
        assert_eq!(flood(&mut limiter, 20_000, later), 50);
        assert_eq!(limiter.clients.len(), CLIENTS_MAX, "no more memory");
    }

    /// It has been counted when it came: its DHCPREQUEST must not be the one too many.
    #[test]
    fn a_stranger_that_was_let_in_may_go_on() {
        let now = Instant::now();
        let one = Limits {
            strangers_per_s: 1,
            ..LIMITS
        };
        let mut limiter = Limiter::new(one, now);
        assert_eq!(limiter.take(mac(1), false, now), Ok(()));
        assert_eq!(limiter.take(mac(2), false, now), Err(Excess::Strangers));
        assert_eq!(limiter.take(mac(1), false, now), Ok(()));
    }

    #[test]
    fn each_limit_may_be_left_out() {
        let now = Instant::now();
        let mut none = Limiter::new(Limits::default(), now);
        assert!(none.clients.is_empty(), "and costs nothing");
        assert_eq!(passed(&mut none, mac(1), 1000, now), 1000);
        let strangers_only = Limits {
            packets_per_s: 0,
            ..LIMITS
        };
        let mut limiter = Limiter::new(strangers_only, now);
        assert_eq!(passed(&mut limiter, mac(1), 1000, now), 1000);
        let packets_only = Limits {
            strangers_per_s: 0,
            ..LIMITS
        };
        let mut limiter = Limiter::new(packets_only, now);
        assert!((0..1000).all(|n| limiter.take(mac(n), false, now).is_ok()));
        // its place may have been taken by another of the thousand
        assert!([19, 20].contains(&passed(&mut limiter, mac(1), 1000, now)));
    }
}
