//! Several rounds of the same measurement: the median counts, the spread says how far to trust it.

/// One figure of each round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rounds {
    figures: Vec<f64>,
    /// Figures from here on are not known: the measurement was broken off there.
    broken_off_at: Option<f64>,
}

impl Rounds {
    /// Adds the next round's figure.
    pub fn add(&mut self, figure: f64) {
        self.figures.push(figure);
    }

    /// Adds a round that was broken off at `limit`: its figure is above that.
    pub fn add_above(&mut self, limit: f64) {
        self.broken_off_at = Some(self.broken_off_at.map_or(limit, |known| known.min(limit)));
        self.figures.push(limit);
    }

    /// Whether `figure`, one of these, only says "above this".
    pub fn is_above(&self, figure: f64) -> bool {
        self.broken_off_at.is_some_and(|limit| figure >= limit)
    }

    /// How many rounds were broken off.
    pub fn broken_off(&self) -> usize {
        self.figures
            .iter()
            .filter(|figure| self.is_above(**figure))
            .count()
    }

    /// How many rounds there were.
    pub fn count(&self) -> usize {
        self.figures.len()
    }

    /// The middle figure, of an even number the mean of the two in the middle; `None` without rounds.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            n if n % 2 == 1 => Some(sorted[middle]),
            _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        }
    }

    /// Smallest and largest figure.
    pub fn spread(&self) -> Option<(f64, f64)> {
        let smallest = self.figures.iter().copied().min_by(f64::total_cmp)?;
        let largest = self.figures.iter().copied().max_by(f64::total_cmp)?;
        Some((smallest, largest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(figures: &[f64]) -> Rounds {
        let mut rounds = Rounds::default();
        figures.iter().for_each(|figure| rounds.add(*figure));
        rounds
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(rounds(&[9.0, 1.0, 5.0]).median(), Some(5.0));
        assert_eq!(rounds(&[4.0, 1.0, 2.0, 9.0]).median(), Some(3.0));
        assert_eq!(rounds(&[7.0]).median(), Some(7.0));
        assert_eq!(rounds(&[]).median(), None);
    }

    #[test]
    fn the_spread_is_from_the_smallest_to_the_largest() {
        assert_eq!(rounds(&[9.0, 1.0, 5.0]).spread(), Some((1.0, 9.0)));
        assert_eq!(rounds(&[]).spread(), None);
    }

    /// A round that took too long is the slowest of all, and no reason to forget the others.
    #[test]
    fn a_round_that_was_broken_off_counts_as_above_its_limit() {
        let mut figures = rounds(&[2.0, 3.0]);
        figures.add_above(60.0);
        assert_eq!(
            (figures.median(), figures.count(), figures.broken_off()),
            (Some(3.0), 3, 1)
        );
        assert!(!figures.is_above(3.0) && figures.is_above(60.0));
        figures.add_above(60.0);
        figures.add_above(60.0);
        assert_eq!((figures.median(), figures.broken_off()), (Some(60.0), 3));
        assert!(!rounds(&[60.0]).is_above(60.0));
    }

    /// One disturbed round must not move the result.
    #[test]
    fn an_outlier_does_not_move_the_median() {
        let mut figures = rounds(&[10.0, 11.0]);
        figures.add(1000.0);
        assert_eq!(figures.median(), Some(11.0));
    }
}
