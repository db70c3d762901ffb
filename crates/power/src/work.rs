//! A transition as a member does it: BMCs beside each other, the nodes of one in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bmcs::Bmcs;
use futures::StreamExt;
use futures::future::BoxFuture;
use jobs::{JobKind, Outcome, Running, Work};
use model::Xname;
use proto::job::v1::{Job, JobTarget, job};
use proto::power::v1::PowerTransition;
use rpc::Error;
use tokio::sync::mpsc;

use crate::component_states::{self, Verified};
use crate::holds;
use crate::link::{self, Link, Open};
use crate::operation::Operation;
use crate::plan::{Grace, Power};
use crate::stagger::Stagger;
use crate::switch::{self, Node, Turn};
use crate::targets::{ByBmc, Placed, Switchable, busy, is_open, place};
use crate::times::Times;

/// BMCs at once, unless the request says how many.
const CONCURRENCY_DEFAULT: u32 = 64;

/// The work of power transitions.
pub(crate) struct PowerWork {
    pub(crate) bmcs: Bmcs,
    pub(crate) open: Open,
    pub(crate) times: Times,
}

impl Work for PowerWork {
    fn kind(&self) -> JobKind {
        JobKind::PowerTransition
    }

    /// Whoever reaches one BMC of it; what no BMC switches anybody can tell.
    fn can_run(&self, _: &Job, targets: &[JobTarget]) -> bool {
        let mut open = targets.iter().filter(|target| is_open(target)).peekable();
        open.peek().is_none() || open.any(|target| !matches!(place(&self.bmcs, target), Placed::Elsewhere(_)))
    }

    fn run(self: Arc<Self>, job: Running) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let Some(job::Work::PowerTransition(asked)) = job.job().work.clone() else {
                return;
            };
            let by_bmc = ByBmc::of(&self.bmcs, &job.targets());
            for (place, outcome) in by_bmc.nowhere {
                job.report(place, outcome);
            }
            self.switch_all(&job, &asked, by_bmc.here).await;
            let elsewhere = by_bmc.elsewhere.first().filter(|_| !job.is_cancelled());
            if let Some(first) = elsewhere {
                let others = by_bmc.elsewhere.len();
                let reason = format!("a member is needed that reaches {first}: {others} nodes wait for one");
                job.release(&reason).await;
            }
        })
    }
}

impl PowerWork {
    pub(crate) fn new(bmcs: Bmcs) -> PowerWork {
        PowerWork {
            open: link::open(&bmcs),
            bmcs,
            times: Times::default(),
        }
    }

    async fn switch_all(
        &self,
        job: &Running,
        asked: &PowerTransition,
        bmcs: BTreeMap<Xname, Vec<Switchable>>,
    ) {
        let store = self.bmcs.store();
        let (verified, to_write) = mpsc::unbounded_channel();
        let whole = Whole {
            work: self,
            job,
            operation: asked.operation(),
            grace: Grace::of(asked.task_deadline_minutes),
            stagger: Stagger::new(Duration::from_millis(u64::from(asked.stagger_ms))),
            keys: holds::keys(asked),
            busy: busy(&store.state(), job.job()),
            verified,
        };
        let at_once = match asked.concurrency_max {
            0 => CONCURRENCY_DEFAULT,
            at_once => at_once,
        };
        let bmcs = whole.without_those_held(bmcs);
        let switching = async move {
            let whole = &whole;
            futures::stream::iter(bmcs)
                .for_each_concurrent(at_once as usize, |(bmc, nodes)| {
                    Box::pin(async move { whole.one_bmc(&bmc, nodes).await })
                })
                .await;
        };
        let writing = component_states::write(store.clone(), job.author(), to_write);
        futures::future::join(switching, writing).await;
    }
}

/// A transition at work: what its BMCs have in common.
struct Whole<'a> {
    work: &'a PowerWork,
    job: &'a Running,
    operation: Operation,
    grace: Grace,
    stagger: Stagger,
    keys: BTreeSet<&'a [u8]>,
    /// Components that an earlier transition is at work on, with its id.
    busy: BTreeMap<String, String>,
    verified: mpsc::UnboundedSender<Verified>,
}

impl Whole<'_> {
    /// Why a node may not be switched now.
    fn hold(&self, node: &Xname) -> Option<String> {
        let store = self.work.bmcs.store();
        holds::hold(&store.state(), node, &self.keys, store.cluster_time_ms())
    }

    /// What waits and is held fails at once, before anybody waits for its turn; it is looked at again before it is told.
    fn without_those_held(
        &self,
        mut bmcs: BTreeMap<Xname, Vec<Switchable>>,
    ) -> BTreeMap<Xname, Vec<Switchable>> {
        for nodes in bmcs.values_mut() {
            nodes.retain(|node| match self.obstacle(node) {
                Some(outcome) => {
                    self.job.report(node.place, outcome);
                    false
                }
                None => true,
            });
        }
        bmcs.retain(|_, nodes| !nodes.is_empty());
        bmcs
    }

    fn obstacle(&self, node: &Switchable) -> Option<Outcome> {
        if node.begun.is_some() {
            return None; // it is only read back
        }
        if let Some(transition) = self.busy.get(node.node.as_str()) {
            let reason = format!("transition {transition} is at work on it");
            return Some(Outcome::failed(reason, "wait for it, or abort it"));
        }
        let reason = self.hold(&node.node)?;
        Some(Outcome::failed(reason, holds::REMEDY))
    }

    /// In order, over one connection. What another member began is read back first, and also when the transition is aborted.
    async fn one_bmc(&self, bmc: &Xname, mut nodes: Vec<Switchable>) {
        let mut link = Link::new(&self.work.open, bmc);
        nodes.sort_by_key(|node| (node.begun.is_none(), node.place));
        for node in &nodes {
            if node.begun.is_none() && self.job.is_cancelled() {
                break;
            }
            let outcome = Box::pin(self.one_node(&mut link, node)).await;
            self.job.report(node.place, outcome);
        }
        link.close().await;
    }

    async fn one_node(&self, link: &mut Link, switchable: &Switchable) -> Outcome {
        let node = Node {
            operation: self.operation,
            grace: self.grace,
            system: &switchable.system,
            known_resets: &switchable.known_resets,
        };
        let (job, place, again) = (self.job.clone(), switchable.place, self.work.times.log_again);
        let turn = Turn {
            times: &self.work.times,
            stagger: &self.stagger,
            begin: &move |note: String| -> BoxFuture<'static, Result<(), Outcome>> {
                Box::pin(begin(job.clone(), place, note, again))
            },
            hold: &|| self.hold(&switchable.node),
            is_aborted: &|| self.job.is_cancelled(),
            verified: &|power: Power| {
                // Nobody listens any more only when the transition itself is gone.
                let _ = self.verified.send((switchable.node.clone(), power));
            },
        };
        match &switchable.begun {
            Some(note) => switch::take_over(link, &node, note, &turn).await,
            None => switch::switch(link, &node, &turn).await,
        }
    }
}

/// Waits until the log says that the node is begun. Without a majority that takes as long as it takes: nothing has been told yet,
/// and when the claim is lost meanwhile, this is dropped.
async fn begin(job: Running, place: u32, note: String, again: Duration) -> Result<(), Outcome> {
    loop {
        match job.begin(place, &note).await {
            Ok(()) => return Ok(()),
            Err(
                Error::NoQuorum { .. }
                | Error::OutcomeUnknown
                | Error::NotReady { .. }
                | Error::Overloaded { .. }
                | Error::DeadlineExceeded { .. },
            ) => tokio::time::sleep(again).await,
            Err(error) => {
                let reason = format!("it could not be noted in the log, so nothing was told: {error}");
                return Err(Outcome::failed(reason, "start the transition again"));
            }
        }
    }
}
