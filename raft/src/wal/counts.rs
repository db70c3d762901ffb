//! What a log has written since it was opened: for monitoring, and to tell what a write costs.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by the storage thread, read by anyone.
#[derive(Debug, Default)]
pub struct Counts {
    syncs: AtomicU64,
    batches: AtomicU64,
    records: AtomicU64,
}

impl Counts {
    /// A file of the log, or its high-water mark, was brought to disk.
    pub(super) fn synced(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch of `records` changes was written.
    pub(super) fn wrote(&self, records: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
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
