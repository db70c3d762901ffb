//! When nodes that cannot be answered now come back: not all at once.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use http::header::{HeaderValue, RETRY_AFTER};

/// Seconds over which those are spread that are told to come back at the same time: ten thousand nodes are then no more
/// than a tenth of what a member answers in a second.
const SPREAD_S: u64 = 4;

/// Adds 0 to 3 s to each `Retry-After`, evenly over those that are sent away one after the other. iPXE and cloud-init both
/// count in whole seconds.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    sent_away: AtomicU64,
}

impl Spread {
    /// Of an answer that has one; every other is left as it is.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        let seconds = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if let Some(seconds) = seconds {
            let turn = self.sent_away.fetch_add(1, Ordering::Relaxed);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds + turn % SPREAD_S));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(spread: &Spread, asked: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(asked).unwrap());
        spread.apply(&mut headers);
        headers[RETRY_AFTER].to_str().unwrap().to_owned()
    }

    #[test]
    fn those_that_are_sent_away_come_back_one_after_the_other() {
        let spread = Spread::default();
        let told: Vec<String> = (0..8).map(|_| told(&spread, "1")).collect();
        assert_eq!(told, ["1", "2", "3", "4", "1", "2", "3", "4"]);
    }

    #[test]
    fn no_one_is_told_to_come_back_earlier_than_it_makes_sense() {
        let spread = Spread::default();
        for _ in 0..4 {
            assert!(told(&spread, "30").parse::<u64>().unwrap() >= 30);
        }
    }

    #[test]
    fn what_has_none_or_a_date_is_left_alone() {
        let spread = Spread::default();
        let mut headers = HeaderMap::new();
        spread.apply(&mut headers);
        assert!(headers.is_empty());
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        assert_eq!(told(&spread, date), date);
        assert_eq!(told(&spread, "1"), "1", "no turn was used up");
    }
}
