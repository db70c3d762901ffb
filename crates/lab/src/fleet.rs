//! Boots many nodes at once, tells how far they are, and sums up.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::http_client::FileDigest;
use crate::node::{self, NodeSpec, Site};
use crate::pace::Pace;
use crate::phase::Progress;
use crate::relay::Relay;
use crate::report::{FleetReport, NodeFailure, NodeReport};

/// What to boot, and how.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// The nodes, in the order in which they are switched on.
    pub nodes: Vec<NodeSpec>,
    /// The identity of the DHCP server: the service address, or each member's own where there is none. All URLs that
    /// nodes are given must use one of these addresses.
    pub dhcp_servers: Vec<Ipv4Addr>,
    /// Where the relay passes each question on: every member's own address, as a broadcast on one link reaches all.
    pub relayed_to: Vec<SocketAddrV4>,
    /// Where the relay sits (`giaddr`).
    pub relay_address: Ipv4Addr,
    /// The kernel that every node must get.
    pub kernel: FileDigest,
    /// The initramfs that every node must get.
    pub initrd: FileDigest,
    /// Nodes that boot at the same time, at most.
    pub booting_max: usize,
    /// Nodes that are switched on per second, at most.
    pub starts_per_second: u32,
    /// A node that is not up after this has failed.
    pub node_time_max: Duration,
    /// Seed of jitter and transaction ids.
    pub seed: u64,
    /// How long a second of the nodes is; [`Pace::REAL`] but in tests.
    pub pace: Pace,
}

/// Why a fleet cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A bound that lets nothing happen.
    #[error("booting_max and starts_per_second must be at least 1")]
    NothingMayStart,
    /// The relay's socket.
    #[error("could not open the relay's socket on {address}")]
    Relay {
        /// The relay's address.
        address: Ipv4Addr,
        /// The reason.
        source: io::Error,
    },
}

/// A fleet being booted. Dropping it switches everything off.
#[derive(Debug)]
pub struct Fleet {
    progress: watch::Receiver<Progress>,
    task: JoinHandle<FleetReport>,
}

impl Fleet {
    /// Starts to switch nodes on, on the current runtime.
    ///
    /// # Errors
    /// See [`FleetError`].
    pub fn start(config: FleetConfig) -> Result<Fleet, FleetError> {
        let order = PowerOn::InTurn(0..config.nodes.len());
        Fleet::begin(config, order)
    }

    /// As [`Fleet::start`], but each node is switched on by somebody else, e.g. through its BMC: `switched_on` has its place in
    /// `config.nodes`. A node boots once; when the channel closes, the nodes that were never switched on have failed.
    ///
    /// # Errors
    /// See [`FleetError`].
    pub fn start_on_demand(
        config: FleetConfig,
        switched_on: mpsc::Receiver<usize>,
    ) -> Result<Fleet, FleetError> {
        Fleet::begin(config, PowerOn::OnDemand(switched_on))
    }

    fn begin(config: FleetConfig, order: PowerOn) -> Result<Fleet, FleetError> {
        if config.booting_max == 0 || config.starts_per_second == 0 {
            return Err(FleetError::NothingMayStart);
        }
        let address = config.relay_address;
        let (servers, passed_to) = (config.dhcp_servers.clone(), config.relayed_to.clone());
        let relay = Relay::open(address, servers, passed_to, config.seed)
            .map_err(|source| FleetError::Relay { address, source })?;
        let (progress, receiver) = watch::channel(Progress {
            total: config.nodes.len(),
            ..Progress::default()
        });
        let site = Arc::new(Site {
            config,
            relay,
            progress,
        });
        Ok(Fleet {
            progress: receiver,
            task: tokio::spawn(boot_all(site, order)),
        })
    }

    /// How far the fleet is.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits for the last node. Bounded by the configuration's times and counts.
    pub async fn finish(mut self) -> FleetReport {
        match (&mut self.task).await {
            Ok(report) => report,
            Err(error) => std::panic::resume_unwind(error.into_panic()), // it is aborted by `drop` alone
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Which node is switched on next.
enum PowerOn {
    /// One after the other.
    InTurn(std::ops::Range<usize>),
    /// As somebody says.
    OnDemand(mpsc::Receiver<usize>),
}

impl PowerOn {
    /// The place of the next node that is off; `None`: no other one will be switched on.
    async fn next(&mut self, ramp: &mut Interval, off: &mut BTreeSet<usize>) -> Option<usize> {
        loop {
            let place = match self {
                PowerOn::InTurn(places) => places.next(),
                PowerOn::OnDemand(_) if off.is_empty() => None,
                PowerOn::OnDemand(switched_on) => switched_on.recv().await,
            }?;
            if off.remove(&place) {
                ramp.tick().await;
                return Some(place);
            }
        }
    }
}

async fn boot_all(site: Arc<Site>, mut order: PowerOn) -> FleetReport {
    let began = Instant::now();
    let places = Arc::new(Semaphore::new(site.config.booting_max));
    let mut ramp = tokio::time::interval(Duration::from_secs(1) / site.config.starts_per_second);
    ramp.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut off: BTreeSet<usize> = (0..site.config.nodes.len()).collect();
    let mut nodes = JoinSet::new();
    loop {
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .expect("this semaphore is never closed");
        let Some(number) = order.next(&mut ramp, &mut off).await else {
            break;
        };
        site.progress.send_modify(|progress| progress.started += 1);
        let seed = site.config.seed.wrapping_add(number as u64 + 1);
        let (site, node) = (Arc::clone(&site), site.config.nodes[number].clone());
        nodes.spawn(async move {
            let report = boot_one(&site, node, seed).await;
            drop(place);
            report
        });
    }
    let mut reports: Vec<NodeReport> = off.iter().map(|number| never_on(&site, *number)).collect();
    reports.extend(nodes.join_all().await);
    FleetReport::new(reports, began.elapsed())
}

fn never_on(site: &Site, number: usize) -> NodeReport {
    site.progress.send_modify(|progress| progress.failed += 1);
    failed_before_it_began(
        site.config.nodes[number].xname.to_string(),
        "it was never switched on",
    )
}

/// A node whose own code panics is a failed node, not the end of the fleet.
async fn boot_one(site: &Arc<Site>, node: NodeSpec, seed: u64) -> NodeReport {
    let xname = node.xname.to_string();
    let life = AssertUnwindSafe(node::live(Arc::clone(site), node, seed)); // what it shares is counters and channels
    let report = life.catch_unwind().await.unwrap_or_else(|_| panicked(xname));
    if let Some(NodeFailure { xname, phase, reason }) = &report.failure {
        tracing::warn!(%xname, phase = phase.as_str(), %reason, "a node failed");
    }
    site.progress.send_modify(|progress| match report.failure {
        None => progress.booted += 1,
        Some(_) => progress.failed += 1,
    });
    report
}

fn panicked(xname: String) -> NodeReport {
    failed_before_it_began(
        xname,
        "the emulated node itself panicked: a mistake in crates/lab, see its message on stderr",
    )
}

fn failed_before_it_began(xname: String, reason: &str) -> NodeReport {
    NodeReport {
        failure: Some(NodeFailure {
            xname: xname.clone(),
            phase: crate::Phase::Dhcp,
            reason: reason.to_owned(),
        }),
        xname,
        seconds: 0.0,
        extra_seconds: 0.0,
        phase_end_seconds: [None; 6],
        script_latencies: Vec::new(),
    }
}
