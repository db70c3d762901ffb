//! How often one address may ask, or connect: a token bucket for each, in memory of a fixed size.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Buckets behind one lock. An address has its bucket in one of these places, so a look-up is eight comparisons.
const SHARD_BUCKETS: usize = 8;
/// Shards; with their buckets 16,384 addresses, as many as may have a connection at once, in 640 KiB.
const SHARDS: usize = 2048;

/// How often one address may ask, or connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests, or connections, a second that it may go on with for ever; at least 1.
    pub per_second_max: u32,
    /// As many at once, after it has been quiet; at least 1.
    pub burst_max: u32,
}

/// The buckets of all addresses.
///
/// An address that is new takes the place of the fullest bucket of its shard: one that is full says no more than none at all.
/// So whoever asks too often is remembered longest, a stranger costs what a known node costs, and nothing is ever
/// allocated. Which addresses share a shard is random, so nobody can choose whose place to take.
#[derive(Debug)]
pub struct Rates {
    /// Time in which one request is earned.
    earned_in_ns: u64,
    /// Time in which an empty bucket fills up.
    full_in_ns: u64,
    began: Instant,
    hasher: RandomState,
    shards: Box<[Mutex<[Bucket; SHARD_BUCKETS]>]>,
}

/// What one address may still ask. Kept as the moment at which the bucket is full again, so that nothing fills it.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// As a mapped IPv6 address; 0, which nobody has, for none.
    address: u128,
    /// Nanoseconds since `Rates::began`.
    full_at_ns: u64,
}

impl Rates {
    /// All buckets are full at `now`.
    pub fn new(rate: Rate, now: Instant) -> Self {
        let earned_in_ns = nanoseconds(Duration::from_secs(1)) / u64::from(rate.per_second_max.max(1));
        Self {
            earned_in_ns,
            full_in_ns: earned_in_ns.saturating_mul(u64::from(rate.burst_max.max(1))),
            began: now,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Whether `address` may ask once more now; takes a token if so. What is refused costs no token, so whoever slows
    /// down is answered at once.
    pub fn admit(&self, address: IpAddr, now: Instant) -> bool {
        let address = bits(address);
        let now_ns = nanoseconds(now.saturating_duration_since(self.began));
        let shard = usize::try_from(self.hasher.hash_one(address) % SHARDS as u64).unwrap_or(0);
        let mut buckets = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = bucket_of(&mut buckets, address);
        let full_at_ns = bucket.full_at_ns.max(now_ns) + self.earned_in_ns;
        let admitted = full_at_ns - now_ns <= self.full_in_ns;
        if admitted {
            bucket.full_at_ns = full_at_ns;
        }
        admitted
    }
}

/// The bucket of this address; a new one is full.
fn bucket_of(buckets: &mut [Bucket; SHARD_BUCKETS], address: u128) -> &mut Bucket {
    let own = buckets.iter().position(|bucket| bucket.address == address);
    let place = own.unwrap_or_else(|| {
        let fullest = (0..SHARD_BUCKETS).min_by_key(|place| buckets[*place].full_at_ns);
        let place = fullest.expect("a shard has buckets");
        buckets[place] = Bucket {
            address,
            full_at_ns: 0,
        };
        place
    });
    &mut buckets[place]
}

/// `10.0.0.1` and `::ffff:10.0.0.1` are one address.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2) // 292 years
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const NODE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 97, 3, 1));
    const RATE: Rate = Rate {
        per_second_max: 10,
        burst_max: 30,
    };

    fn rates() -> (Rates, Instant) {
        let now = Instant::now();
        (Rates::new(RATE, now), now)
    }

    /// How many of `tries` requests of this address are admitted.
    fn admitted(rates: &Rates, address: IpAddr, now: Instant, tries: usize) -> usize {
        (0..tries).filter(|_| rates.admit(address, now)).count()
    }

    #[test]
    fn an_address_has_its_burst_and_then_its_rate() {
        let (rates, now) = rates();
        assert_eq!(admitted(&rates, NODE, now, 100), 30);
        assert_eq!(admitted(&rates, NODE, now + Duration::from_millis(99), 5), 0);
        assert_eq!(admitted(&rates, NODE, now + Duration::from_millis(100), 5), 1);
        assert_eq!(
            admitted(&rates, NODE, now + Duration::from_secs(1), 100),
            9,
            "what was refused cost nothing"
        );
        assert_eq!(
            admitted(&rates, NODE, now + Duration::from_secs(3600), 100),
            30,
            "never more than the burst"
        );
    }

    /// One at its limit must not be felt by anybody else.
    #[test]
    fn each_address_has_its_own() {
        let (rates, now) = rates();
        admitted(&rates, NODE, now, 1000);
        for last in 2..=250 {
            let other = IpAddr::from([10, 97, 3, last]);
            assert_eq!(admitted(&rates, other, now, 31), 30, "{other}");
        }
    }

    #[test]
    fn mapped_addresses_do_not_double_the_rate() {
        let (rates, now) = rates();
        assert_eq!(admitted(&rates, NODE, now, 30), 30);
        assert!(!rates.admit("::ffff:10.97.3.1".parse().unwrap(), now));
    }

    /// A hundred thousand strangers, each once: every one is answered, nothing grows, and whoever asked too often before
    /// is not forgotten for it.
    #[test]
    fn strangers_are_answered_and_do_not_make_room_for_who_asks_too_often() {
        let (rates, now) = rates();
        assert_eq!(admitted(&rates, NODE, now, 40), 30);
        for stranger in 0..100_000_u32 {
            let stranger = IpAddr::from((0x0B00_0000 + stranger).to_be_bytes());
            assert!(rates.admit(stranger, now), "{stranger}");
        }
        assert!(!rates.admit(NODE, now), "its bucket is the emptiest of its shard");
        assert_eq!(rates.shards.len() * SHARD_BUCKETS, 16_384);
    }

    /// A full bucket is worth as much as none: that is what makes room.
    #[test]
    fn the_fullest_bucket_makes_room() {
        let mut buckets: [Bucket; SHARD_BUCKETS] = std::array::from_fn(|place| Bucket {
            address: place as u128 + 1,
            full_at_ns: 100 - place as u64,
        });
        assert_eq!(bucket_of(&mut buckets, 3).full_at_ns, 98, "one that is there");
        assert_eq!(bucket_of(&mut buckets, 99).full_at_ns, 0);
        let addresses = buckets.map(|bucket| bucket.address);
        assert_eq!(addresses, [1, 2, 3, 4, 5, 6, 7, 99]);
    }

    /// Numbers that make no sense must neither divide by zero nor shut everybody out.
    #[test]
    fn extreme_rates_work() {
        let now = Instant::now();
        for (per_second_max, burst_max) in [(0, 0), (u32::MAX, u32::MAX), (1, u32::MAX), (u32::MAX, 1)] {
            let rates = Rates::new(
                Rate {
                    per_second_max,
                    burst_max,
                },
                now,
            );
            assert!(rates.admit(NODE, now), "{per_second_max}/{burst_max}");
            assert!(
                rates.admit(NODE, now + Duration::from_secs(2)),
                "{per_second_max}/{burst_max}"
            );
        }
    }
}
