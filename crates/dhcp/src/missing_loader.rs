//! Says in the log that nodes get no boot file, and which one is missing: once a minute, not once a packet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::boot;
use crate::counters::Count;
use crate::request::Request;

/// Pause between two lines of the log; the counters have them all.
const PAUSE: Duration = Duration::from_secs(60);

/// When the next line may be written.
#[derive(Debug)]
pub(crate) struct MissingLoaderLog {
    origin: Instant,
    /// Milliseconds since `origin`.
    next_ms: AtomicU64,
}

impl MissingLoaderLog {
    pub(crate) fn new(now: Instant) -> MissingLoaderLog {
        MissingLoaderLog {
            origin: now,
            next_ms: AtomicU64::new(0),
        }
    }

    /// Takes note of an answer without a boot file.
    pub(crate) fn note(&self, request: &Request<'_>, note: Count, now: Instant) {
        if !matches!(note, Count::LoaderMissing | Count::ArchitectureUnknown) || !self.is_due(now) {
            return;
        }
        let (mac, architectures) = (request.mac, &request.architectures);
        match boot::wanted_loader(request) {
            Some(loader) => tracing::warn!(
                %mac, ?architectures, loader,
                "dhcp: a node gets no boot file: put this loader into `dhcp.loaders-dir` and restart the member"
            ),
            None => tracing::warn!(
                %mac, ?architectures,
                "dhcp: a node gets no boot file: there is no loader for its architecture (option 93)"
            ),
        }
    }

    /// Whether a line may be written at `now`; if so, the next one waits.
    fn is_due(&self, now: Instant) -> bool {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let since = millis(now.saturating_duration_since(self.origin));
        let next = self.next_ms.load(Ordering::Relaxed);
        let won = |next| {
            let later = since.saturating_add(millis(PAUSE));
            let swapped = self
                .next_ms
                .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed);
            swapped.is_ok()
        };
        since >= next && won(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rack_of_nodes_without_a_loader_is_one_line_a_minute() {
        let start = Instant::now();
        let log = MissingLoaderLog::new(start);
        let lines = |at: Duration| (0..100).filter(|_| log.is_due(start + at)).count();
        assert_eq!(lines(Duration::ZERO), 1);
        assert_eq!(lines(PAUSE - Duration::from_millis(1)), 0);
        assert_eq!(lines(PAUSE), 1);
        assert_eq!(lines(PAUSE * 5), 1);
    }
}
