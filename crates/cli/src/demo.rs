//! `chamois demo`: a cluster of real processes on this host, emulated nodes that boot through it, writers
//! that never stop, and members that die meanwhile. `--real` boots a real guest instead.
//!
//! Everything is inside one 127.B.0.0/16 and one directory, so that demos run side by side and without
//! root. The members are children of this process and end with it, however it ends.

mod args;
mod bmc_jobs;
mod bmcs;
mod cluster;
mod faults;
mod files;
mod fleet;
mod identities;
mod keep;
mod layout;
mod ledger;
mod legacy_http;
mod member_config;
mod member_process;
mod progress;
mod read_back;
mod real;
mod seed;
mod state_dir;
mod summary;
mod writers;

use std::path::Path;
use std::time::{Duration, Instant};

use lab::FleetReport;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::args::{DemoArgs, NODES_MAX};
use self::bmcs::Hardware;
pub(crate) use self::cluster::Cluster;
use self::faults::{Faults, Inflicted};
pub(crate) use self::files::{FILE_BYTES, KERNEL, write as write_boot_files};
pub(crate) use self::fleet::{Storm, boot_storm};
pub(crate) use self::layout::{
    DHCP_PORT, GRPC_PORT, HTTP_PORT, HTTPS_PORT, Layout, TFTP_PORT, mac, nid, xname,
};
pub(crate) use self::legacy_http::LegacyClient;
pub(crate) use self::member_config::CLUSTER;
pub(crate) use self::progress::Progress;
pub(crate) use self::seed::subnet_and_nodes;
pub(crate) use self::state_dir::StateDir;
use self::summary::{Summary, rounded};
use self::writers::{SharedLedger, Writers};
use crate::args::GlobalArgs;
use crate::cluster::status;
use crate::error::{CliError, Kind};
use crate::output;

/// Writes that must have been acknowledged before the demo may say anything about them.
const ACKNOWLEDGED_MIN: usize = 1000;
/// After the last boot, the writers get this long to reach that number.
const ACKNOWLEDGED_WAIT_MAX: Duration = Duration::from_secs(60);

/// The configuration of member 1 as the demo writes it into `dir`, for the test that `serve` accepts it.
pub fn member_config_example(net: lab::LoopbackNet, dir: &Path) -> String {
    member_config::render(&Layout::new(net, dir), 1, 3, dir)
}

/// Runs the demo; SIGTERM and SIGINT end it and its members at any time.
pub(crate) async fn run(args: DemoArgs) -> Result<(), CliError> {
    args.check()?;
    let cannot_listen = |error| CliError::other("cannot wait for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot_listen)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot_listen)?;
    let interrupted = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(interrupted);
    if args.real {
        return real::run(args.state_dir.as_deref(), interrupted).await;
    }
    let state_dir = StateDir::make(args.state_dir.as_deref())?;
    let progress = Progress::new(args.nodes, args.json);
    // dropping an unfinished run kills the members: `MemberProcess` does
    let finished = tokio::select! {
        finished = Box::pin(boot_under_fire(&args, state_dir.path(), &progress)) => finished,
        () = &mut interrupted => {
            return Err(CliError::new(Kind::Other, "interrupted; the members were ended"));
        }
    };
    let ended = match finished {
        Ok((cluster, summary, hardware)) => {
            let announce = args.keep.then_some(&progress);
            let ended = conclude(cluster, &summary, announce, &mut interrupted).await;
            drop(hardware); // a cluster that is kept keeps its BMCs
            ended
        }
        Err(error) => Err(error),
    };
    if ended.is_err() {
        eprintln!("The members' data and logs: {}", state_dir.keep().display());
    }
    ended
}

/// Keeps the cluster until `interrupted` if there is somewhere to announce it, ends it in order, and says
/// whether all went well.
async fn conclude(
    mut cluster: Cluster,
    summary: &Summary,
    announce: Option<&Progress>,
    interrupted: impl Future<Output = ()>,
) -> Result<(), CliError> {
    if let Some(progress) = announce {
        keep::announce(&cluster, progress)?;
        tokio::select! {
            () = interrupted => {}
            error = keep::watch(&mut cluster) => return Err(error),
        }
    }
    cluster.stop().await?;
    if summary.is_success() {
        return Ok(());
    }
    let text = format!(
        "{} nodes failed, {} writes were lost",
        summary.failed, summary.lost_writes
    );
    Err(CliError::new(Kind::Other, text))
}

async fn boot_under_fire(
    args: &DemoArgs,
    dir: &Path,
    progress: &Progress,
) -> Result<(Cluster, Summary, Option<Hardware>), CliError> {
    let net = lab::claim_loopback_net().map_err(|e| CliError::other("cannot claim a network", e))?;
    let layout = Layout::new(net, dir).with(args.addresses);
    let executable =
        std::env::current_exe().map_err(|e| CliError::other("cannot find this executable", e))?;
    let (members, network) = (args.members, layout.network());
    progress.note(format_args!("starting {members} members on {network}"));
    let mut cluster = Cluster::start(layout, args.members, &executable).await?;
    progress.note(side_by_side(&cluster.views().await));
    let ledger = SharedLedger::default();
    let (mut summary, mut hardware) = (Summary::default(), None);
    if args.nodes > 0 {
        if args.bmcs {
            let found = hardware.insert(Hardware::start(cluster.layout(), args.nodes)?);
            Box::pin(found.discover(&cluster, progress)).await?;
        } else {
            seed::subnet_and_nodes(&cluster, args.nodes, progress).await?;
        }
        summary = measure(&mut cluster, args, hardware.as_ref(), &ledger, progress).await?;
        progress.finish();
        progress.note(side_by_side(&cluster.views().await));
        progress.note(summary.to_table(ledger.lock().unknown()));
    }
    if args.json {
        output::print(summary.to_json())?;
    }
    Ok((cluster, summary, hardware))
}

fn side_by_side(views: &[status::View]) -> String {
    output::tabulated(&GlobalArgs::default(), views, &status::VIEWS)
}

/// Boots the fleet while writers write and members die, then counts.
async fn measure(
    cluster: &mut Cluster,
    args: &DemoArgs,
    hardware: Option<&Hardware>,
    ledger: &SharedLedger,
    progress: &Progress,
) -> Result<Summary, CliError> {
    let target = cluster.target().clone();
    let mut writers = Writers::start(&target, ledger)?;
    let layout = cluster.layout().clone();
    let (report, booted) = tokio::sync::watch::channel(0);
    let members = cluster.size();
    let fleet = async {
        match hardware {
            Some(hardware) => Box::pin(hardware.boot(&layout, &target, members, report, progress)).await,
            None => fleet::boot(&layout, members, args.nodes, report, progress).await,
        }
    };
    let faults = Faults {
        cluster,
        nodes: args.nodes,
        booted,
        ledger,
        progress,
        freeze: args.freeze,
    };
    let faults = faults.inflict();
    let (boots, inflicted) = tokio::select! {
        ended = async { tokio::try_join!(fleet, faults) } => ended?,
        error = writers.failed() => return Err(error),
    };
    enough_writes(&mut writers, ledger).await?;
    writers.stop().await?;
    progress.note("reading every acknowledged write back from every member");
    let lost_writes = read_back::lost_writes(&target, ledger).await?;
    Ok(summarize(&boots, &inflicted, ledger, lost_writes))
}

async fn enough_writes(writers: &mut Writers, ledger: &SharedLedger) -> Result<(), CliError> {
    let deadline = Instant::now() + ACKNOWLEDGED_WAIT_MAX;
    while ledger.lock().acknowledged() < ACKNOWLEDGED_MIN {
        if Instant::now() > deadline {
            let text = format!(
                "{} writes were acknowledged, too few to count",
                ledger.lock().acknowledged()
            );
            return Err(CliError::new(Kind::Unavailable, text));
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
            error = writers.failed() => return Err(error),
        }
    }
    Ok(())
}

fn summarize(
    boots: &FleetReport,
    inflicted: &Inflicted,
    ledger: &SharedLedger,
    lost_writes: usize,
) -> Summary {
    let ledger = ledger.lock();
    let worst_ms = |faults: &[Instant]| {
        let recoveries = faults.iter().filter_map(|fault| ledger.recovery(*fault));
        recoveries
            .max()
            .map(|worst| u64::try_from(worst.as_millis()).unwrap_or(u64::MAX))
    };
    Summary {
        booted: boots.booted,
        failed: boots.failed,
        seconds: rounded(boots.seconds, 2),
        extra_boot_seconds_max: rounded(boots.extra_boot_seconds_max, 2),
        script_p50_ms: rounded(boots.script_p50_ms, 1),
        script_p99_ms: rounded(boots.script_p99_ms, 1),
        leaderless_ms: worst_ms(&inflicted.kills).unwrap_or_default(),
        acked_writes: ledger.acknowledged(),
        lost_writes,
        frozen: inflicted.freezes.len(),
        frozen_leaderless_ms: worst_ms(&inflicted.freezes),
    }
}
