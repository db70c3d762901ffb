//! A histogram of durations with fixed buckets: one atomic addition for each observation and one for the sum, no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations by the bucket that they fall into; shared by reference.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and the last for what is above all of them.
    buckets: Box<[AtomicU64]>,
    sum_nanos: AtomicU64,
}

/// What a histogram has counted, as Prometheus wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramReading {
    /// Upper bound in seconds and the observations up to it, those of the buckets before included; the last bound is
    /// infinite and has all of them.
    pub buckets: Vec<(f64, u64)>,
    /// Seconds of all observations together.
    pub sum: f64,
}

impl Histogram {
    /// A histogram with buckets up to each of `bounds`, seconds, rising.
    pub fn new(bounds: &'static [f64]) -> Histogram {
        Histogram {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_nanos: AtomicU64::new(0),
        }
    }

    /// Counts one observation.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Observations so far.
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .sum()
    }

    /// What was counted so far. The buckets never contradict each other; the sum may be an observation ahead or behind.
    pub fn read(&self) -> HistogramReading {
        let mut below = 0;
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets = bounds.zip(&self.buckets).map(|(bound, bucket)| {
            below += bucket.load(Ordering::Relaxed);
            (bound, below)
        });
        HistogramReading {
            buckets: buckets.collect(),
            sum: self.sum_nanos.load(Ordering::Relaxed) as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[f64] = &[0.001, 0.01, 0.1];

    /// Prometheus' buckets hold what is at most their bound, and each holds those before it.
    #[test]
    fn an_observation_is_in_every_bucket_from_its_own_on() {
        let histogram = Histogram::new(BOUNDS);
        for micros in [0, 1_000, 1_001, 50_000, 2_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let reading = histogram.read();
        let expected = [(0.001, 2), (0.01, 3), (0.1, 4), (f64::INFINITY, 5)];
        assert_eq!(reading.buckets, expected);
        assert!((reading.sum - 2.052_001).abs() < 1e-9, "{}", reading.sum);
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn nothing_is_lost_among_threads() {
        let histogram = Histogram::new(BOUNDS);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| histogram.observe(Duration::from_millis(5))));
            }
        });
        assert_eq!(histogram.read().buckets[1], (0.01, 4000));
    }
}
