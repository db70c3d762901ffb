//! What became of what was seen; the names are the metric's labels.

use std::sync::atomic::{AtomicU64, Ordering};

/// One thing worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Attempts of nodes that this member saw.
    Seen,
    /// Lost: more came than could be taken in, or kept while there is no majority.
    Dropped,
    /// Entries of the log that tell of them.
    Told,
    /// Entries that could not be proposed now; what they tell is told later.
    Failed,
    /// Entries that the cluster does not take: an older version's, or a bug.
    Refused,
}

impl Count {
    const ALL: [(Count, &str); 5] = [
        (Count::Seen, "seen"),
        (Count::Dropped, "dropped"),
        (Count::Told, "told"),
        (Count::Failed, "failed"),
        (Count::Refused, "refused"),
    ];
}

/// The counters of one member; never reset.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; Count::ALL.len()]);

impl Counters {
    pub(crate) fn add(&self, what: Count, times: u64) {
        self.0[what as usize].fetch_add(times, Ordering::Relaxed);
    }

    /// How often it has happened since the start.
    pub fn get(&self, what: Count) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }

    /// Every counter with its name, for metrics.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        Count::ALL.map(|(what, name)| (name, self.get(what))).into_iter()
    }
}
