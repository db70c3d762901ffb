//! Histograms over `u64` with buckets of a power of two, each in four parts: what openraft uses of the crate of this name.
//!
//! It takes that crate's place (`[patch.crates-io]`), because that one computes tables of 26 MiB for scales that nobody
//! uses, at a member's start and for good.

mod ascii_chart;
mod percentile_stats;

pub use ascii_chart::{AsciiChart, Detailed};
pub use percentile_stats::PercentileStats;

use std::marker::PhantomData;

/// Bits of a value that decide on its bucket: the first one and two more.
const WIDTH: u32 = 3;
/// Buckets of one power of two, and of the values that have one each.
const GROUP: usize = 1 << (WIDTH - 1);
const BUCKETS: usize = GROUP * (u64::BITS - WIDTH + 2) as usize;

/// How often which values were recorded. Values below 8 are exact, larger ones to an eighth.
///
/// `T` is there because openraft writes `Histogram::<()>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    buckets: Box<[u64]>,
    total: u64,
    metadata: PhantomData<T>,
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Histogram<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            buckets: vec![0; BUCKETS].into(),
            total: 0,
            metadata: PhantomData,
        }
    }

    /// Counts `value` once.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts `value` so many times.
    pub fn record_n(&mut self, value: u64, count: u64) {
        let bucket = &mut self.buckets[bucket_of(value)];
        *bucket = bucket.saturating_add(count);
        self.total = self.total.saturating_add(count);
    }

    /// How many values were recorded.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The middle of the bucket below or in which a part `p` (0 to 1) of the values lie; 0 if there are none.
    pub fn percentile(&self, p: f64) -> u64 {
        let rank = ((self.total as f64 * p).ceil() as u64).max(1);
        let mut seen = 0_u64;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if *count > 0 && seen >= rank {
                let (first, width) = span_of(bucket);
                return first + width / 2;
            }
        }
        0
    }

    /// The percentiles that openraft shows.
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.total,
            p0_1: self.percentile(0.001),
            p1: self.percentile(0.01),
            p5: self.percentile(0.05),
            p10: self.percentile(0.10),
            p50: self.percentile(0.50),
            p90: self.percentile(0.90),
            p99: self.percentile(0.99),
            p99_9: self.percentile(0.999),
        }
    }
}

fn bucket_of(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    if bits < WIDTH {
        return value as usize;
    }
    let group = bits - WIDTH;
    let part = (value >> group) as usize & (GROUP - 1);
    GROUP + group as usize * GROUP + part
}

/// The first value of a bucket, and how many it has.
fn span_of(bucket: usize) -> (u64, u64) {
    if bucket < GROUP {
        return (bucket as u64, 1);
    }
    let group = bucket / GROUP - 1;
    let first = (GROUP + bucket % GROUP) as u64;
    (first << group, 1 << group)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hole or an overlap would put values into a bucket that is shown as another.
    #[test]
    fn buckets_follow_one_another_and_have_every_value() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            let (first, width) = span_of(bucket);
            assert_eq!(first, next, "{bucket}");
            assert_eq!(bucket_of(first), bucket);
            assert_eq!(bucket_of(first + (width - 1)), bucket);
            next = first.wrapping_add(width);
        }
        assert_eq!(next, 0, "the last one ends with u64::MAX");
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_the_values_to_an_eighth() {
        let mut histogram = Histogram::<()>::new();
        assert_eq!(
            (histogram.percentile(0.5), histogram.percentile_stats().samples),
            (0, 0)
        );
        (1..=1000).for_each(|value| histogram.record(value));
        let stats = histogram.percentile_stats();
        assert_eq!(stats.samples, 1000);
        for (shown, value) in [
            (stats.p1, 10),
            (stats.p50, 500),
            (stats.p90, 900),
            (stats.p99, 990),
        ] {
            assert!(shown.abs_diff(value) * 8 <= value, "{shown} for {value}");
        }
    }

    #[test]
    fn a_value_recorded_many_times_counts_as_often() {
        let mut histogram = Histogram::<()>::new();
        histogram.record_n(3, 9);
        histogram.record(1000);
        assert_eq!((histogram.total(), histogram.percentile(0.9)), (10, 3));
        histogram.record_n(3, u64::MAX);
        assert_eq!(histogram.total(), u64::MAX, "it stays at the end");
    }
}
