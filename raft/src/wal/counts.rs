//! What a log has written since it was opened: for monitoring, and to tell what a write costs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rpc::{Histogram, HistogramReading};

use crate::metrics::DISK_SECONDS;

/// Counted by the storage thread, read by anyone.
#[derive(Debug)]
pub struct Counts {
    sync: Histogram,
    syncs: AtomicU64,
    batches: AtomicU64,
    records: AtomicU64,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            sync: Histogram::new(DISK_SECONDS),
            syncs: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            records: AtomicU64::new(0),
        }
    }
}

impl Counts {
    /// A file of the log, or its high-water mark, was brought to disk.
    pub(super) fn synced(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch of `records` changes was written, and the disk took so long to have it.
    pub(super) fn wrote(&self, records: usize, sync: Duration) {
        self.sync.observe(sync);
        self.synced();
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// How long the disk took to have each batch.
    pub fn sync_seconds(&self) -> HistogramReading {
        self.sync.read()
    }

    /// Each count with its name.
    pub fn all(&self) -> [(&'static str, u64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("syncs", read(&self.syncs)),
            ("batches", read(&self.batches)),
            ("records", read(&self.records)),
        ]
    }
}
