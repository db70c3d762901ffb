//! A rollout as a member does it: step by step, BMCs of one step beside each other, no further one when too many failed.

use std::sync::Arc;
use std::time::Duration;

use bmcs::Bmcs;
use futures::StreamExt;
use futures::future::BoxFuture;
use jobs::{JobKind, Outcome, Running, Work};
use model::{NodeUrls, Xname};
use proto::discovery::v1::discovery_command::{Change, PutFirmware};
use proto::discovery::v1::{DiscoveryCommand, FirmwareInventory};
use proto::firmware::v1::FirmwareUpdate;
use proto::job::v1::job_target::State as TargetState;
use proto::job::v1::{Job, JobTarget, job};
use proto::raft::v1::entry::Command;
use rpc::Error;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::follow;
use crate::image::Image;
use crate::link::{self, Link, Open};
use crate::stages::{Failures, step_of};
use crate::times::Times;
use crate::update::{self, Turn};
use crate::versions::{self, Versions};

/// BMCs at once, unless the request says how many.
const CONCURRENCY_DEFAULT: u32 = 16;

/// The work of firmware updates.
pub(crate) struct FirmwareWork {
    pub(crate) bmcs: Bmcs,
    pub(crate) urls: NodeUrls,
    pub(crate) open: Open,
    pub(crate) times: Times,
}

/// What became of one step of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Done,
    /// Some of its BMCs are reached by others only.
    Elsewhere(usize),
}

impl Work for FirmwareWork {
    fn kind(&self) -> JobKind {
        JobKind::FirmwareUpdate
    }

    /// Whoever reaches a BMC of the step that is next; what has no address anybody can tell.
    fn can_run(&self, job: &Job, targets: &[JobTarget]) -> bool {
        let open: Vec<&JobTarget> = targets.iter().filter(|target| is_open(target)).collect();
        let steps = asked(job).map_or(&[][..], |asked| asked.steps.as_slice());
        let next = open.iter().map(|target| step_of(steps, target.place)).min();
        match next {
            Some(next) => open
                .iter()
                .any(|target| step_of(steps, target.place) == next && !self.is_elsewhere(&target.target)),
            None => true,
        }
    }

    fn run(self: Arc<Self>, job: Running) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let Some(asked) = asked(job.job()).cloned() else {
                return;
            };
            let (read, to_write) = mpsc::unbounded_channel();
            let rolling = self.roll_out(&job, &asked, read);
            let writing = write(&self.bmcs, &job, to_write);
            let (step, ()) = futures::future::join(rolling, writing).await;
            if let Step::Elsewhere(others) = step {
                let reason = format!("a member is needed that reaches {others} more BMCs of this step");
                job.release(&reason).await;
            }
        })
    }
}

fn asked(job: &Job) -> Option<&FirmwareUpdate> {
    match &job.work {
        Some(job::Work::FirmwareUpdate(asked)) => Some(asked),
        Some(_) | None => None,
    }
}

fn is_open(target: &JobTarget) -> bool {
    matches!(target.state(), TargetState::Waiting | TargetState::Running)
}

fn has_failed(target: &JobTarget) -> bool {
    matches!(
        target.state(),
        TargetState::Failed | TargetState::Unknown | TargetState::Unsupported
    )
}

impl FirmwareWork {
    pub(crate) fn new(bmcs: Bmcs, urls: NodeUrls) -> FirmwareWork {
        FirmwareWork {
            open: link::open(&bmcs),
            bmcs,
            urls,
            times: Times::default(),
        }
    }

    fn is_elsewhere(&self, target: &str) -> bool {
        let bmc = target.parse::<Xname>();
        let address = bmc.ok().and_then(|bmc| self.bmcs.address_of(&bmc).ok());
        address.is_some_and(|address| !self.bmcs.reaches(&address))
    }

    /// Step by step; the next begins when the one before is over.
    async fn roll_out(
        &self,
        job: &Running,
        asked: &FirmwareUpdate,
        read: mpsc::UnboundedSender<FirmwareInventory>,
    ) -> Step {
        let mut targets = job.targets();
        targets.sort_by_key(|target| target.place);
        let rollout = Rollout {
            work: self,
            job,
            asked,
            failures: Failures::new(self.failed_before(job.job()), asked.failures_max),
            read,
        };
        for step in targets
            .chunk_by(|one, next| step_of(&asked.steps, one.place) == step_of(&asked.steps, next.place))
        {
            let outcome = Box::pin(rollout.step(step)).await;
            if outcome != Step::Done {
                return outcome;
            }
        }
        Step::Done
    }

    /// Those that another member has seen fail.
    fn failed_before(&self, job: &Job) -> u32 {
        let state = self.bmcs.store().state();
        let failed = state.jobs.targets(&job.id).filter(|target| has_failed(target));
        u32::try_from(failed.count()).unwrap_or(u32::MAX)
    }
}

/// A rollout at work.
struct Rollout<'a> {
    work: &'a FirmwareWork,
    job: &'a Running,
    asked: &'a FirmwareUpdate,
    failures: Failures,
    read: mpsc::UnboundedSender<FirmwareInventory>,
}

impl Rollout<'_> {
    async fn step(&self, targets: &[JobTarget]) -> Step {
        let at_once = match self.asked.concurrency_max {
            0 => CONCURRENCY_DEFAULT,
            at_once => at_once,
        };
        let (elsewhere, here): (Vec<JobTarget>, Vec<JobTarget>) = targets
            .iter()
            .cloned()
            .partition(|target| self.work.is_elsewhere(&target.target));
        futures::stream::iter(here)
            .for_each_concurrent(at_once as usize, |target| {
                Box::pin(async move { self.one_bmc(&target).await })
            })
            .await;
        let stop = self.failures.stop();
        for target in &elsewhere {
            if let (Some(reason), TargetState::Waiting) = (&stop, target.state()) {
                self.job.report(target.place, Outcome::Skipped(reason.clone()));
            }
        }
        let is_left = |target: &&JobTarget| stop.is_none() || target.state() == TargetState::Running;
        let left = elsewhere.iter().filter(is_left).count();
        match left {
            0 => Step::Done,
            _ if self.job.is_cancelled() => Step::Done,
            left => Step::Elsewhere(left),
        }
    }

    async fn one_bmc(&self, target: &JobTarget) {
        let is_begun = target.state() == TargetState::Running;
        if !is_begun {
            if self.job.is_cancelled() {
                return;
            }
            if let Some(reason) = self.failures.stop() {
                self.job.report(target.place, Outcome::Skipped(reason));
                return;
            }
        }
        let outcome = Box::pin(self.update(target, is_begun)).await;
        if !matches!(outcome, Outcome::Succeeded(_) | Outcome::Skipped(_)) {
            self.failures.count();
        }
        self.job.report(target.place, outcome);
    }

    async fn update(&self, target: &JobTarget, is_begun: bool) -> Outcome {
        let bmc = match target.target.parse::<Xname>() {
            Ok(bmc) => bmc,
            Err(problem) => return Outcome::failed(problem.to_string(), "name BMCs by their xnames"),
        };
        let image_uri = match self.image_uri(&bmc) {
            Ok(uri) => uri,
            Err(problem) => return Outcome::failed(problem, "give a URL that its BMC reaches"),
        };
        let inventory = self.work.bmcs.store().state().discovery.firmware(&bmc).cloned();
        let inventory = inventory.unwrap_or_default();
        let (job, place, again) = (self.job.clone(), target.place, self.work.times.log_again);
        let turn = Turn {
            times: &self.work.times,
            until: Instant::now() + follow::deadline(self.asked.deadline_s),
            image_uri: &image_uri,
            ids: &self.asked.firmware_ids,
            inventory: &inventory,
            begin: &move |note: String| -> BoxFuture<'static, Result<(), Outcome>> {
                Box::pin(begin(job.clone(), place, note, again))
            },
            read: &|read: Versions| {
                // Nobody listens any more only when the rollout itself is gone.
                let _ = self.read.send(versions::with(&inventory, &read));
            },
        };
        let mut link = Link::new(&self.work.open, &bmc);
        let outcome = match is_begun {
            true => update::take_over(&mut link, &turn, &target.note).await,
            false => update::update(&mut link, &turn).await,
        };
        link.close().await;
        outcome
    }

    /// A boot file is fetched from the network that the BMC is on, if it is on one with nodes, or else from the first.
    fn image_uri(&self, bmc: &Xname) -> Result<String, String> {
        let image = Image::parse(&self.asked.image_uri)?;
        let address = self.work.bmcs.address_of(bmc).ok();
        let base = self.work.urls.base_for(address.and_then(|address| address.ip()));
        image.uri(base)
    }
}

/// What was read before and after updates becomes the inventory, by the author of the rollout.
async fn write(bmcs: &Bmcs, job: &Running, mut read: mpsc::UnboundedReceiver<FirmwareInventory>) {
    while let Some(inventory) = read.recv().await {
        if inventory.firmware.is_empty() {
            continue; // it was never crawled, and the next crawl finds it
        }
        let inventories = vec![inventory];
        let change = Change::PutFirmware(PutFirmware { inventories });
        let command = Command::Discovery(DiscoveryCommand { change: Some(change) });
        if let Err(error) = bmcs.store().propose_by(&job.author(), command).await {
            tracing::warn!(%error, "versions of firmware were not written; the next crawl will");
        }
    }
}

/// Waits until the log says so. Without a majority that takes as long as it takes; when the claim is lost meanwhile, this is
/// dropped. What was cancelled before the log took it is not told.
pub(crate) async fn begin(job: Running, place: u32, note: String, again: Duration) -> Result<(), Outcome> {
    loop {
        match job.begin(place, &note).await {
            Ok(()) if note == update::TOLD && job.is_cancelled() => {
                let reason = "the update was cancelled before its BMC was told";
                return Err(Outcome::Skipped(reason.to_owned()));
            }
            Ok(()) => return Ok(()),
            Err(
                Error::NoQuorum { .. }
                | Error::OutcomeUnknown
                | Error::NotReady { .. }
                | Error::Overloaded { .. }
                | Error::DeadlineExceeded { .. },
            ) => tokio::time::sleep(again).await,
            Err(error) if note == update::TOLD => {
                let reason = format!("it could not be noted in the log, so nothing was told: {error}");
                return Err(Outcome::failed(reason, "start the update again"));
            }
            Err(error) => {
                let reason = format!("its task {note} could not be noted in the log: {error}");
                return Err(Outcome::unknown(reason, "look at the task on the BMC"));
            }
        }
    }
}
