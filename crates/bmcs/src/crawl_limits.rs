//! The bounds of a crawl, as its request writes them.

use std::ops::RangeInclusive;
use std::time::Duration;

use proto::discovery::v1::Crawl;
use redfish::Limits;
use rpc::Error;

/// BMCs at once, unless the request says otherwise.
const CONCURRENCY_DEFAULT: usize = 64;

/// How much of a BMC is read, and of how many at once.
#[derive(Clone, Debug)]
pub(crate) struct CrawlLimits {
    pub(crate) concurrency: usize,
    pub(crate) of_bmc: Limits,
}

impl CrawlLimits {
    /// What the request says, and the usual where it says nothing.
    ///
    /// # Errors
    /// `Invalid` naming a field and what is accepted.
    pub(crate) fn of(crawl: &Crawl) -> Result<CrawlLimits, Error> {
        let usual = Limits::default();
        let concurrency = given("concurrency_max", crawl.concurrency_max, 1..=1024)?;
        let requests = given("requests_per_bmc_max", crawl.requests_per_bmc_max, 1..=16)?;
        let timeout = given("timeout_ms", crawl.timeout_ms, 100..=120_000)?;
        let timeout = timeout.map(|ms| Duration::from_millis(ms.into()));
        let total = given("bmc_timeout_s", crawl.bmc_timeout_s, 1..=3600)?;
        Ok(CrawlLimits {
            concurrency: concurrency.map_or(CONCURRENCY_DEFAULT, |count| count as usize),
            of_bmc: Limits {
                requests_in_flight: requests.map_or(usual.requests_in_flight, |count| count as usize),
                connect: timeout.unwrap_or(usual.connect),
                answer: timeout.unwrap_or(usual.answer),
                total: total.map_or(usual.total, |s| Duration::from_secs(s.into())),
                ..usual
            },
        })
    }
}

/// `None` for 0.
fn given(field: &str, value: u32, accepted: RangeInclusive<u32>) -> Result<Option<u32>, Error> {
    match value {
        0 => Ok(None),
        value if accepted.contains(&value) => Ok(Some(value)),
        value => {
            let (least, most) = accepted.into_inner();
            let problem = format!("{value} is given; {least} to {most} are accepted, or 0 for the usual");
            Err(rpc::invalid(field, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_the_usual() {
        let limits = CrawlLimits::of(&Crawl::default()).unwrap();
        assert_eq!(limits.concurrency, CONCURRENCY_DEFAULT);
        assert_eq!(
            limits.of_bmc.requests_in_flight,
            Limits::default().requests_in_flight
        );
        assert_eq!(limits.of_bmc.total, Limits::default().total);
    }

    #[test]
    fn what_is_said_counts() {
        let crawl = Crawl {
            concurrency_max: 3,
            requests_per_bmc_max: 2,
            timeout_ms: 250,
            bmc_timeout_s: 9,
            ..Crawl::default()
        };
        let limits = CrawlLimits::of(&crawl).unwrap();
        assert_eq!((limits.concurrency, limits.of_bmc.requests_in_flight), (3, 2));
        assert_eq!(limits.of_bmc.connect, Duration::from_millis(250));
        assert_eq!(limits.of_bmc.answer, Duration::from_millis(250));
        assert_eq!(limits.of_bmc.total, Duration::from_secs(9));
    }

    #[test]
    fn what_is_beyond_a_bound_is_refused_by_name() {
        let wrong = Crawl {
            timeout_ms: 99,
            ..Crawl::default()
        };
        let refused = CrawlLimits::of(&wrong).unwrap_err().to_string();
        assert_eq!(
            refused,
            "timeout_ms: 99 is given; 100 to 120000 are accepted, or 0 for the usual"
        );
    }
}
