//! The extra time that failures cost a node.

use std::time::Duration;

use tokio::time::Instant;

/// Sums, over one node's boot, the time from a first failed request to the next answer.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    since: Option<Instant>,
    total: Duration,
}

impl Outage {
    /// A request failed. `asked` is when the node last had reason to be content: when it sent the request, or when
    /// the last byte of a transfer came that broke off. Later failures belong to the same outage.
    pub(crate) fn failed(&mut self, asked: Instant) {
        self.since.get_or_insert(asked);
    }

    /// A request was answered in full.
    pub(crate) fn answered(&mut self) {
        if let Some(since) = self.since.take() {
            self.total += since.elapsed();
        }
    }

    /// The sum; an outage that no answer ended counts up to now.
    pub(crate) fn total(&self) -> Duration {
        self.total + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ago(seconds: u32) -> Instant {
        Instant::now().checked_sub(SECOND * seconds).unwrap()
    }

    #[test]
    fn answers_without_failures_cost_nothing() {
        let mut outage = Outage::default();
        outage.answered();
        assert_eq!(outage.total(), Duration::ZERO);
    }

    #[test]
    fn an_outage_runs_from_the_first_failure_to_the_answer() {
        let mut outage = Outage::default();
        outage.failed(ago(5));
        outage.failed(ago(2));
        outage.answered();
        let total = outage.total();
        assert!(total >= SECOND * 5 && total < SECOND * 6, "{total:?}");
        outage.answered();
        assert_eq!(outage.total(), total, "an answer ends it once");
    }

    #[test]
    fn outages_add_up_and_an_open_one_counts() {
        let mut outage = Outage::default();
        outage.failed(ago(5));
        outage.answered();
        outage.failed(ago(3));
        let total = outage.total();
        assert!(total >= SECOND * 8 && total < SECOND * 9, "{total:?}");
    }
}
