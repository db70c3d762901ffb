//! What monitoring sees of BMCs: how their last crawls went, and the jobs about them. The same on every member that has applied the
//! same log.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::raft::Store;
use jobs::JobKind;
use proto::discovery::v1::Bmc;
use proto::job::v1::Job;
use proto::job::v1::job::State;

use super::exposition::{Exposition, Kind};

/// `crawl` of a BMC that was never crawled.
const NEVER: &str = "never";

/// Where the figures are from.
#[derive(Clone)]
pub(in crate::serve) struct DiscoveryPage(pub(in crate::serve) Store);

impl DiscoveryPage {
    pub(super) fn add_to(&self, page: &mut Exposition) {
        let state = self.0.state();
        add_bmcs(page, state.discovery.bmcs());
        add_jobs(page, state.jobs.iter());
    }
}

/// A family without a sample would be none: without BMCs there is no line.
fn add_bmcs<'a>(page: &mut Exposition, bmcs: impl Iterator<Item = &'a Arc<Bmc>>) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for bmc in bmcs {
        let crawl = match bmc.crawl_status.as_str() {
            "" => NEVER,
            status => status,
        };
        *counts.entry(crawl).or_default() += 1;
    }
    if counts.is_empty() {
        return;
    }
    let help = "BMCs that are known, by how their last crawl went: `ok`, `never`, or why it failed.";
    let mut family = page.family("chamois_bmcs", Kind::Gauge, help);
    for (crawl, count) in counts {
        family.sample(&[("crawl", crawl)], count);
    }
}

fn add_jobs<'a>(page: &mut Exposition, jobs: impl Iterator<Item = &'a Arc<Job>>) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for job in jobs {
        let kind = JobKind::of(job).map_or("unknown", JobKind::as_str);
        *counts.entry((kind, word(job.state()))).or_default() += 1;
    }
    if counts.is_empty() {
        return;
    }
    let help = "Jobs that are kept, those that are over among them, by kind and state.";
    let mut family = page.family("chamois_jobs", Kind::Gauge, help);
    for ((kind, state), count) in counts {
        family.sample(&[("kind", kind), ("state", state)], count);
    }
}

/// A state as the API names it.
fn word(state: State) -> &'static str {
    match state {
        State::Unspecified | State::Waiting => "waiting",
        State::Running => "running",
        State::Cancelling => "cancelling",
        State::Succeeded => "succeeded",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::{Crawl, Scan};
    use proto::job::v1::job::Work;

    use super::*;

    #[test]
    fn bmcs_are_counted_by_how_their_crawls_went() {
        let bmc = |status: &str| {
            Arc::new(Bmc {
                crawl_status: status.to_owned(),
                ..Bmc::default()
            })
        };
        let bmcs = ["ok", "", "credentials", "ok"].map(bmc);
        let mut page = Exposition::default();
        add_bmcs(&mut page, bmcs.iter());
        let text = page.into_text();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            r#"chamois_bmcs{crawl="credentials"} 1"#,
            r#"chamois_bmcs{crawl="never"} 1"#,
            r#"chamois_bmcs{crawl="ok"} 2"#,
        ];
        assert_eq!(samples, expected);
    }

    #[test]
    fn jobs_are_counted_by_kind_and_state() {
        let job = |work: Work, state: State| {
            Arc::new(Job {
                work: Some(work),
                state: state.into(),
                ..Job::default()
            })
        };
        let jobs = [
            job(Work::Scan(Scan::default()), State::Running),
            job(Work::Crawl(Crawl::default()), State::Failed),
            job(Work::Crawl(Crawl::default()), State::Failed),
        ];
        let mut page = Exposition::default();
        add_jobs(&mut page, jobs.iter());
        let text = page.into_text();
        assert!(
            text.contains(r#"chamois_jobs{kind="crawl",state="failed"} 2"#),
            "{text}"
        );
        assert!(
            text.contains(r#"chamois_jobs{kind="scan",state="running"} 1"#),
            "{text}"
        );
    }

    /// Prometheus refuses a page with a family that has no sample.
    #[test]
    fn where_there_is_nothing_no_line_is_written() {
        let mut page = Exposition::default();
        DiscoveryPage(Store::in_memory()).add_to(&mut page);
        assert_eq!(page.into_text(), "");
    }
}
