//! How often a BMC was asked for what.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;

use super::overlay::Bmc;

/// The counters of one BMC.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    by_uri: BTreeMap<String, Count>,
    total: u64,
    in_flight: usize,
    in_flight_max: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    reads: u64,
    others: u64,
}

impl Counts {
    pub(crate) fn of(&self, uri: &str) -> u64 {
        self.by_uri.get(uri).map_or(0, |count| count.reads + count.others)
    }

    pub(crate) fn reads(&self) -> BTreeMap<String, u64> {
        let read = self.by_uri.iter().filter(|(_, count)| count.reads > 0);
        read.map(|(uri, count)| (uri.clone(), count.reads)).collect()
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn in_flight_max(&self) -> usize {
        self.in_flight_max
    }

    /// Requests that are in work stay so.
    pub(crate) fn clear(&mut self) {
        *self = Counts {
            in_flight: self.in_flight,
            in_flight_max: self.in_flight,
            ..Counts::default()
        };
    }

    fn begin(&mut self, method: &Method, uri: &str) {
        self.total += 1;
        self.in_flight += 1;
        self.in_flight_max = self.in_flight_max.max(self.in_flight);
        let count = self.by_uri.entry(uri.to_owned()).or_default();
        match *method {
            Method::GET => count.reads += 1,
            _ => count.others += 1,
        }
    }
}

/// A request in work, until it is dropped.
pub(crate) struct InFlight(Arc<Bmc>);

impl InFlight {
    pub(crate) fn begin(bmc: &Arc<Bmc>, method: &Method, uri: &str) -> InFlight {
        bmc.counts().begin(method, uri);
        InFlight(Arc::clone(bmc))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counts().in_flight -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_other_requests_are_told_apart() {
        let mut counts = Counts::default();
        counts.begin(&Method::GET, "/redfish/v1");
        counts.begin(&Method::PATCH, "/redfish/v1");
        counts.begin(&Method::POST, "/redfish/v1/x");
        assert_eq!(
            (
                counts.of("/redfish/v1"),
                counts.of("/redfish/v1/x"),
                counts.of("/")
            ),
            (2, 1, 0)
        );
        assert_eq!(counts.reads(), BTreeMap::from([("/redfish/v1".to_owned(), 1)]));
        assert_eq!((counts.total(), counts.in_flight_max()), (3, 3));
    }

    /// A count that began in the middle of a request must not go below nothing at its end.
    #[test]
    fn requests_in_work_outlive_the_counters() {
        let mut counts = Counts::default();
        counts.begin(&Method::GET, "/redfish/v1");
        counts.clear();
        assert_eq!(
            (counts.total(), counts.in_flight, counts.in_flight_max()),
            (0, 1, 1)
        );
    }
}
