//! Several histograms as text, one line each.

use std::fmt;

use crate::Histogram;

/// Named histograms.
#[derive(Clone, Debug)]
pub struct AsciiChart<T = ()>(Vec<(String, Histogram<T>)>);

/// An [`AsciiChart`] as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Detailed<'a, T>(&'a AsciiChart<T>);

impl<T> Default for AsciiChart<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> AsciiChart<T> {
    /// One without histograms.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// The same with one more.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "openraft calls it so")]
    pub fn add(mut self, name: &str, histogram: Histogram<T>) -> Self {
        self.0.push((name.to_owned(), histogram));
        self
    }

    /// All of them, for people.
    pub fn detailed(&self) -> Detailed<'_, T> {
        Detailed(self)
    }
}

impl<T> fmt::Display for Detailed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, histogram) in &self.0.0 {
            writeln!(f, "{name}: {}", histogram.percentile_stats())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_histogram_has_its_line() {
        let mut applied = Histogram::<()>::new();
        applied.record(7);
        let chart = AsciiChart::new()
            .add("proposed", Histogram::new())
            .add("applied", applied);
        let text = chart.detailed().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("applied: [samples: 1, P50: 7"), "{text}");
    }
}
