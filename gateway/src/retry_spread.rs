//! Nodes that are all told to come back at once would come back at once: each gets a pause of its own.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};

/// Spreads the pauses of one port.
#[derive(Debug, Default)]
pub(crate) struct RetrySpread {
    answers: AtomicU64,
}

impl RetrySpread {
    /// Makes the pause that an answer asks for up to twice as long, by who is asked and how often anybody was. iPXE and cloud-init
    /// count whole seconds.
    pub(crate) fn spread(&self, peer: IpAddr, headers: &mut HeaderMap) {
        let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let Some(seconds) = asked.and_then(|text| text.parse::<u64>().ok()) else {
            return;
        };
        let mut hasher = DefaultHasher::new();
        (peer, self.answers.fetch_add(1, Ordering::Relaxed)).hash(&mut hasher);
        let more = hasher.finish() % seconds.saturating_add(1);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.saturating_add(more)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn pauses(asked: &'static str, peers: u8) -> BTreeMap<String, usize> {
        let spread = RetrySpread::default();
        let mut counts = BTreeMap::new();
        for last in 0..peers {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(asked));
            spread.spread(IpAddr::from([10, 97, 3, last]), &mut headers);
            let pause = headers[RETRY_AFTER].to_str().unwrap().to_owned();
            *counts.entry(pause).or_default() += 1;
        }
        counts
    }

    #[test]
    fn pauses_are_between_one_and_two_times_what_was_asked() {
        let counts = pauses("2", 200);
        assert_eq!(counts.keys().collect::<Vec<_>>(), ["2", "3", "4"]);
        assert!(counts.values().all(|count| *count > 30), "evenly: {counts:?}");
    }

    #[test]
    fn what_is_no_number_of_seconds_stays() {
        assert_eq!(pauses("Wed, 21 Oct 2015 07:28:00 GMT", 3).len(), 1);
        let mut headers = HeaderMap::new();
        RetrySpread::default().spread(IpAddr::from([10, 0, 0, 1]), &mut headers);
        assert!(headers.is_empty());
    }
}
