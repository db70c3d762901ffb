//! What monitoring sees of the journals.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by the thread that writes.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) gaps: AtomicU64,
    pub(crate) write_errors: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// What was counted since the process began, and how things are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountersReading {
    /// The journal says something of every entry up to here.
    pub revision: u64,
    /// Bytes of both journals, about a minute old.
    pub bytes: u64,
    /// Gaps that were written.
    pub gaps: u64,
    /// Writes that the disk has refused; each is tried again.
    pub write_errors: u64,
    /// Calls that were refused.
    pub denials: u64,
    /// Of these, the ones that were only counted.
    pub denials_left_out: u64,
    /// What became of the lines for others, by target.
    pub exports: Vec<ExportReading>,
}

/// One target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportReading {
    /// `syslog` or `json-lines`.
    pub target: &'static str,
    /// Lines that were handed over.
    pub sent: u64,
    /// Lines that it did not take in time.
    pub dropped: u64,
}

pub(crate) fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

pub(crate) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}
