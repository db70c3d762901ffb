//! How old this member's applied state may be: since when it is known to have held everything that was acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The newest moment at which a read index was asked for that this member has applied since; before the first, the
/// member's start.
#[derive(Debug)]
pub(crate) struct FreshSince {
    started: Instant,
    /// Microseconds after the start.
    micros: AtomicU64,
}

impl FreshSince {
    pub(crate) fn new() -> FreshSince {
        FreshSince {
            started: Instant::now(),
            micros: AtomicU64::new(0),
        }
    }

    /// A read index asked for at `asked` was confirmed and is applied.
    pub(crate) fn since(&self, asked: Instant) {
        let micros = asked.saturating_duration_since(self.started).as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        // rounds end in any order; the newest counts
        self.micros.fetch_max(micros, Ordering::Relaxed);
    }

    /// What was acknowledged longer ago than this is applied here. A member that was never confirmed since its start
    /// only knows that it is older than that.
    pub(crate) fn age(&self) -> Duration {
        self.age_at(Instant::now())
    }

    fn age_at(&self, now: Instant) -> Duration {
        let since = Duration::from_micros(self.micros.load(Ordering::Relaxed));
        now.saturating_duration_since(self.started).saturating_sub(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bound that is too small would call old data fresh.
    #[test]
    fn the_age_counts_from_the_question_not_from_the_answer() {
        let fresh = FreshSince::new();
        let at = |seconds| fresh.started + Duration::from_secs(seconds);
        let age_at = |seconds| fresh.age_at(at(seconds)).as_secs();
        assert_eq!(age_at(5), 5, "nothing was confirmed yet");
        fresh.since(at(5));
        assert_eq!(age_at(7), 2);
        fresh.since(at(2));
        assert_eq!(age_at(7), 2, "a slower round does not make it older");
    }
}
