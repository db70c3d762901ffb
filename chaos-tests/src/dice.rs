//! Reproducible randomness: one seed, one run.

/// SplitMix64. Good enough to choose faults, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits().checked_rem(bound).unwrap_or(0)
    }

    /// A position in something of `length` elements.
    pub fn place(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// True in `percent` of the throws.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_sequence_every_time() {
        let sequence = |seed| {
            let mut dice = Dice::new(seed);
            [(); 5].map(|()| dice.bits())
        };
        assert_eq!(sequence(1), sequence(1));
        assert_ne!(sequence(1), sequence(2));
    }

    #[test]
    fn throws_stay_in_bounds_and_reach_them() {
        let mut dice = Dice::new(3);
        let throws: Vec<u64> = (0..1000).map(|_| dice.below(5)).collect();
        assert!((0..5).all(|value| throws.contains(&value)));
        assert!(throws.iter().all(|value| *value < 5));
        assert_eq!(dice.below(0), 0);
        let hits = (0..1000).filter(|_| dice.chance(20)).count();
        assert!((120..280).contains(&hits), "{hits}");
    }
}
