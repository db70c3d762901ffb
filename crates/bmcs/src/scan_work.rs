//! Scans: what answers is remembered as a BMC, and how far the scan came stands in the log with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use discovery::Found;
use discovery::scan::{ScanPlan, Step, scan};
use futures::future::BoxFuture;
use jobs::{JobKind, Running, Work};
use proto::discovery::v1::{Bmc, Crawl, Scan};
use proto::job::v1::{Job, JobTarget, job, job_target};
use tokio::sync::mpsc;

use crate::Bmcs;
use crate::bmcs::is_redfish;
use crate::propose::put_bmcs;

/// What was found goes into the log together: so many at once, and at least so long apart.
const STEPS_TOGETHER_MAX: usize = 500;
const STEPS_PAUSE: Duration = Duration::from_millis(200);

/// A million places are looked through, and others have something to do, too.
const PLACES_PER_TURN: u64 = 10_000;

/// Does scans.
#[derive(Debug)]
pub struct ScanWork {
    bmcs: Bmcs,
}

impl ScanWork {
    /// Scans of the networks that `bmcs` reaches.
    #[must_use]
    pub fn new(bmcs: Bmcs) -> ScanWork {
        ScanWork { bmcs }
    }
}

impl Work for ScanWork {
    fn kind(&self) -> JobKind {
        JobKind::Scan
    }

    /// It goes on where the scan stands, so that place must be in reach.
    fn can_run(&self, job: &Job, _: &[JobTarget]) -> bool {
        let plan = scan_of(job).and_then(|scan| ScanPlan::of(scan).ok());
        self.bmcs.reaches_any() && plan.is_none_or(|plan| is_in_reach(&self.bmcs, &plan, job.cursor))
    }

    fn run(self: Arc<Self>, job: Running) -> BoxFuture<'static, ()> {
        Box::pin(async move { scan_all(&self.bmcs, &job).await })
    }
}

fn scan_of(job: &Job) -> Option<&Scan> {
    match &job.work {
        Some(job::Work::Scan(scan)) => Some(scan),
        _ => None,
    }
}

/// Whether this member can ask the place; a scan that is through needs none.
fn is_in_reach(bmcs: &Bmcs, plan: &ScanPlan, place: u64) -> bool {
    plan.nth(place).is_none_or(|address| bmcs.reaches(&address))
}

/// The first place from `from` on that is not this member's: another one asks it, and nobody takes it for empty.
async fn end_of_reach(bmcs: &Bmcs, plan: &ScanPlan, from: u64) -> u64 {
    for place in from..plan.len() {
        if !is_in_reach(bmcs, plan, place) {
            return place;
        }
        if place.is_multiple_of(PLACES_PER_TURN) {
            tokio::task::yield_now().await;
        }
    }
    plan.len()
}

async fn scan_all(bmcs: &Bmcs, running: &Running) {
    let Some(asked) = scan_of(running.job()) else {
        return;
    };
    let plan = match ScanPlan::of(asked) {
        Ok(plan) => plan,
        Err(invalid) => {
            tracing::error!(job = ?running, %invalid, "a scan cannot be meant");
            return;
        }
    };
    let cursor = running.job().cursor;
    let end = end_of_reach(bmcs, &plan, cursor).await;
    let beyond = plan.nth(end).map(|next| next.to_string());
    let plan = plan.up_to(end);
    let (steps, mut taken) = mpsc::unbounded_channel();
    let (connector, of_plan) = (bmcs.connector(), &plan);
    let asking = async move {
        {
            let mut sink = move |step: Step| {
                // Nobody takes it any more once the scan is to end.
                let _ = steps.send(step);
            };
            scan(connector, of_plan, cursor, &mut sink).await;
        }
        // The last step decides.
        std::future::pending::<Ended>().await
    };
    let mut noting = Noting {
        bmcs,
        running,
        end,
        beyond,
        below: cursor,
        found: BTreeSet::new(),
    };
    let ended = tokio::select! {
        ended = noting.follow(&mut taken) => ended,
        () = running.cancelled() => Ended::Cancelled,
        ended = asking => ended,
    };
    match ended {
        Ended::Through if asked.then_crawl => crawl_found(bmcs, running, noting.found).await,
        Ended::Through | Ended::Cancelled => {}
        Ended::OutOfReach(at) => {
            running
                .release(&format!("{at} is out of the reach of this member"))
                .await;
        }
    }
}

/// How a scan came to its end here.
enum Ended {
    Through,
    Cancelled,
    /// The next place is not this member's.
    OutOfReach(String),
}

/// What a scan tells, on its way into the log.
struct Noting<'a> {
    bmcs: &'a Bmcs,
    running: &'a Running,
    /// Where this member's part of the scan ends, and what comes then, if anything does.
    end: u64,
    beyond: Option<String>,
    /// All places before this one were asked.
    below: u64,
    /// Addresses.
    found: BTreeSet<String>,
}

impl Noting<'_> {
    /// Until the scan is through, or comes to where this member has no network.
    async fn follow(&mut self, taken: &mut mpsc::UnboundedReceiver<Step>) -> Ended {
        let mut steps = Vec::new();
        while taken.recv_many(&mut steps, STEPS_TOGETHER_MAX).await > 0 {
            let mut found = Vec::new();
            for step in steps.drain(..) {
                match step {
                    Step::Found(one) => found.push(one),
                    Step::Asked(place) => self.below = place,
                }
            }
            self.note(&found).await;
            self.running.cursor(self.below);
            if let Some(next) = self.beyond.take_if(|_| self.below >= self.end) {
                return Ended::OutOfReach(next);
            }
            tokio::time::sleep(STEPS_PAUSE).await;
        }
        Ended::Through
    }

    /// BMCs first: a target without one would say more than is known.
    async fn note(&mut self, found: &[Found]) {
        if found.is_empty() {
            return;
        }
        let rows = found.iter().map(row).collect();
        let author = self.running.author();
        let put = put_bmcs(self.bmcs.store(), &author, rows).await;
        for one in found {
            let target = match &put {
                Ok(_) => JobTarget {
                    state: job_target::State::Succeeded.into(),
                    reason: described(one),
                    ..JobTarget::default()
                },
                Err(error) => JobTarget {
                    state: job_target::State::Failed.into(),
                    reason: format!("it was found and not remembered: {error}"),
                    remedy: "scan it again when the cause is gone".to_owned(),
                    ..JobTarget::default()
                },
            };
            let address = one.address.to_string();
            self.running.found(JobTarget {
                target: address.clone(),
                ..target
            });
            self.found.insert(address);
        }
    }
}

fn row(found: &Found) -> Bmc {
    Bmc {
        address: found.address.to_string(),
        service: found.service.clone(),
        redfish_version: found.root.redfish_version.clone(),
        uuid: found.root.uuid.to_lowercase(),
        vendor: found.root.vendor.clone(),
        product: found.root.product.clone(),
        key_sha256: found.key_sha256.clone(),
        ..Bmc::default()
    }
}

/// For a person: what answers there.
fn described(found: &Found) -> String {
    let root = &found.root;
    let words = [&found.service, &root.redfish_version, &root.vendor, &root.product];
    let words = words.into_iter().filter(|word| !word.is_empty());
    words.map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// A crawl of all that this scan found, before another member took it over, too.
async fn crawl_found(bmcs: &Bmcs, running: &Running, mut found: BTreeSet<String>) {
    let store = bmcs.store();
    {
        let state = store.state();
        let earlier = state.jobs.targets(&running.job().id);
        let succeeded = earlier.filter(|target| target.state() == job_target::State::Succeeded);
        found.extend(succeeded.map(|target| target.target.clone()));
        found.retain(|address| is_redfish(&state, address));
    }
    if found.is_empty() {
        return;
    }
    let targets: Vec<String> = found.into_iter().collect();
    let work = job::Work::Crawl(Crawl::default());
    match jobs::create(store, &running.author(), work, targets).await {
        Ok(id) => tracing::info!(job = ?running, crawl = %id, "what a scan found is crawled"),
        Err(error) => tracing::warn!(job = ?running, %error, "what a scan found is not crawled"),
    }
}

#[cfg(test)]
mod tests {
    use redfish::ServiceRoot;

    use super::*;

    fn found() -> Found {
        Found {
            address: "10.1.0.7:8443".parse().unwrap(),
            service: "redfish".to_owned(),
            root: ServiceRoot {
                redfish_version: "1.17.0".to_owned(),
                uuid: "ABCD".to_owned(),
                vendor: "HPE".to_owned(),
                ..ServiceRoot::default()
            },
            key_sha256: "ab".repeat(32),
        }
    }

    #[test]
    fn what_answers_is_described_as_far_as_it_says() {
        assert_eq!(described(&found()), "redfish 1.17.0 HPE");
    }

    /// A scan sends no login: it knows no xname and no crawl.
    #[test]
    fn a_found_bmc_has_what_its_root_says_and_no_more() {
        let row = row(&found());
        assert_eq!(
            (row.address.as_str(), row.uuid.as_str()),
            ("10.1.0.7:8443", "abcd")
        );
        assert!(row.xname.is_empty() && row.crawl_status.is_empty());
    }
}
