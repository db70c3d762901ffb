//! Several rounds of the same measurement: the median counts, the spread says how far to trust it.

/// One figure of each round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds the next round's figure.
    pub fn add(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle figure, of an even number the mean of the two in the middle; `None` without rounds.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
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
        let smallest = self.0.iter().copied().min_by(f64::total_cmp)?;
        let largest = self.0.iter().copied().max_by(f64::total_cmp)?;
        Some((smallest, largest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(figures: &[f64]) -> Rounds {
        Rounds(figures.to_vec())
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

    /// One disturbed round must not move the result.
    #[test]
    fn an_outlier_does_not_move_the_median() {
        let mut figures = rounds(&[10.0, 11.0]);
        figures.add(1000.0);
        assert_eq!(figures.median(), Some(11.0));
    }
}
