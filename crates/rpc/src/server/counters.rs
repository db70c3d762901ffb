//! What a port has refused, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Refused;

/// What a port has refused or ended since it was made.
#[derive(Debug, Default)]
pub struct PortCounters {
    /// Connections closed at once because too many were open, in all or from one address.
    pub connections_refused: AtomicU64,
    /// Connections closed at once because their address opened them too often.
    pub connections_too_often: AtomicU64,
    /// TLS handshakes that failed, or showed a certificate that may not speak here.
    pub handshakes_failed: AtomicU64,
    /// TLS handshakes that took too long.
    pub handshakes_too_slow: AtomicU64,
    /// HTTP/2 connections that never asked anything.
    pub silent_closed: AtomicU64,
    /// HTTP/2 connections whose client did not read an answer.
    pub unread_closed: AtomicU64,
}

impl PortCounters {
    /// Every counter with its name, for metrics.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("connections_refused", &self.connections_refused),
            ("connections_too_often", &self.connections_too_often),
            ("handshakes_failed", &self.handshakes_failed),
            ("handshakes_too_slow", &self.handshakes_too_slow),
            ("silent_closed", &self.silent_closed),
            ("unread_closed", &self.unread_closed),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
        .into_iter()
    }

    /// Counts a connection that was given no place.
    pub fn count_refused(&self, why: Refused) {
        match why {
            Refused::TooMany => count(&self.connections_refused),
            Refused::TooOften => count(&self.connections_too_often),
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter that is not on the page is one that nobody sees.
    #[test]
    fn every_reason_is_counted_under_its_own_name() {
        let counters = PortCounters::default();
        counters.count_refused(Refused::TooMany);
        counters.count_refused(Refused::TooOften);
        counters.count_refused(Refused::TooOften);
        for counter in [
            &counters.handshakes_failed,
            &counters.handshakes_too_slow,
            &counters.silent_closed,
            &counters.unread_closed,
        ] {
            count(counter);
        }
        let all: Vec<_> = counters.all().collect();
        assert_eq!(
            all,
            [
                ("connections_refused", 1),
                ("connections_too_often", 2),
                ("handshakes_failed", 1),
                ("handshakes_too_slow", 1),
                ("silent_closed", 1),
                ("unread_closed", 1),
            ]
        );
    }
}
