//! Jitter and transaction ids from a seed, so that a run can be repeated.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): one word of state, good enough to spread timers.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `middle`, moved by at most `spread` either way; never below zero.
    pub(crate) fn around(&mut self, middle: Duration, spread: Duration) -> Duration {
        let width = u64::try_from(spread.as_nanos() * 2).unwrap_or(u64::MAX).max(1);
        (middle + Duration::from_nanos(self.next() % width)).saturating_sub(spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| {
            (0..5)
                .scan(Rng::new(seed), |rng, _| Some(rng.next()))
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }

    #[test]
    fn jitter_stays_in_its_bounds_and_uses_them() {
        let (middle, spread) = (Duration::from_secs(4), Duration::from_secs(1));
        let mut rng = Rng::new(9);
        let all: Vec<Duration> = (0..1000).map(|_| rng.around(middle, spread)).collect();
        assert!(
            all.iter()
                .all(|wait| *wait >= middle - spread && *wait <= middle + spread)
        );
        assert!(all.iter().any(|wait| *wait < middle - spread / 2));
        assert!(all.iter().any(|wait| *wait > middle + spread / 2));
    }
}
