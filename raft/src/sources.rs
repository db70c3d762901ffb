//! Where time and randomness come from: handed in at start, so that a simulation can replace both.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, never going back.
pub type NowMs = Arc<dyn Fn() -> u64 + Send + Sync>;
/// Fills the slice with unpredictable bytes.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Time and randomness of one member.
#[derive(Clone)]
pub struct Sources {
    /// Milliseconds since the Unix epoch, never going back.
    pub now_ms: NowMs,
    /// Fills the slice with unpredictable bytes.
    pub random: Random,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sources")
    }
}

impl Sources {
    /// The wall clock read once, then the monotonic clock; randomness as given.
    pub fn system(random: Random) -> Sources {
        let (started, at_start) = (Instant::now(), wall_clock_ms());
        let elapsed = move || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Sources {
            now_ms: Arc::new(move || at_start.saturating_add(elapsed())),
            random,
        }
    }

    /// Counts up from fixed values: the same in every run.
    pub fn deterministic(seed: u64) -> Sources {
        let ticks = Arc::new(std::sync::atomic::AtomicU64::new(1_700_000_000_000));
        let word = Arc::new(std::sync::atomic::AtomicU64::new(seed));
        let order = std::sync::atomic::Ordering::Relaxed;
        Sources {
            now_ms: Arc::new(move || ticks.fetch_add(1, order)),
            random: Arc::new(move |bytes| {
                for byte in bytes {
                    let next = word.fetch_add(0x9e37_79b9_7f4a_7c15, order);
                    *byte = (splitmix(next) >> 56) as u8;
                }
            }),
        }
    }

    pub(crate) fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    pub(crate) fn random_16(&self) -> Vec<u8> {
        let mut bytes = vec![0; 16];
        (self.random)(&mut bytes);
        bytes
    }
}

fn wall_clock_ms() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

fn splitmix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
