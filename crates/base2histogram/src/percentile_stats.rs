//! The percentiles of one histogram, as openraft logs them.

use std::fmt;

/// Values below which a part of all lies: `p0_1` is that of 0.1 %, `p50` of half of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name says which percentile it is")]
pub struct PercentileStats {
    /// How many values there are.
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            samples,
            p50,
            p90,
            p99,
            p99_9,
            ..
        } = self;
        write!(
            f,
            "[samples: {samples}, P50: {p50}, P90: {p90}, P99: {p99}, P99.9: {p99_9}]"
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::Histogram;

    #[test]
    fn it_is_one_line() {
        let mut histogram = Histogram::<()>::new();
        histogram.record_n(5, 2);
        let line = histogram.percentile_stats().to_string();
        assert_eq!(line, "[samples: 2, P50: 5, P90: 5, P99: 5, P99.9: 5]");
    }
}
