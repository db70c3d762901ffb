//! How long a second of the emulated clients is.

use std::time::Duration;

/// The length of a node's second. Every timer of a node (retransmission, retry, `sleep`, `Retry-After`, keepalive)
/// counts in these, so that a test runs a minute of patience in a moment and keeps all proportions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    second: Duration,
}

impl Pace {
    /// As real nodes: what every measurement uses.
    pub const REAL: Pace = Pace {
        second: Duration::from_secs(1),
    };

    /// A second of this length.
    pub const fn with_second(second: Duration) -> Pace {
        Pace { second }
    }

    /// This many of the node's seconds.
    pub fn seconds(self, count: u32) -> Duration {
        self.second * count
    }

    /// This many thousandths of the node's second.
    pub fn millis(self, count: u32) -> Duration {
        self.second * count / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_kept() {
        assert_eq!(Pace::REAL.seconds(15), Duration::from_secs(15));
        assert_eq!(Pace::REAL.millis(250), Duration::from_millis(250));
        let quick = Pace::with_second(Duration::from_millis(10));
        assert_eq!(quick.seconds(4), Duration::from_millis(40));
        assert_eq!(quick.millis(250), Duration::from_micros(2500));
    }
}
