//! The emulated nodes: what each must be given, how fast they are switched on, how far they are.

use std::net::SocketAddrV4;
use std::time::Duration;

use lab::{Fleet, FleetConfig, FleetReport, NodeSpec, Pace, Phase};
use tokio::sync::{mpsc, watch};

use super::files;
use super::layout::{DHCP_PORT, Layout, mac, nid, xname};
use super::member_config::CLUSTER;
use super::progress::Progress;
use crate::error::CliError;

/// Nodes are switched on over about this long, so that both members die while some boot; a rack's
/// power-on is no quicker.
const POWER_ON_S: u32 = 10;
/// Limits of the rate, nodes per second: two cores carry the members and the nodes.
const STARTS_PER_SECOND_MIN: u32 = 5;
const STARTS_PER_SECOND_MAX: u32 = 150;
/// Nodes that boot at the same time, at most.
const BOOTING_MAX: usize = 400;
/// A real node is given minutes; one that needs this long has failed.
const NODE_TIME_MAX: Duration = Duration::from_secs(120);
/// Failed nodes that are shown one by one; the summary counts them all.
const FAILURES_SHOWN_MAX: usize = 10;
/// Jitter and transaction ids are the same in every demo.
const SEED: u64 = 3;

/// Boots `nodes` nodes and waits for the last; `booted` follows the number of those that are up.
pub(crate) async fn boot(
    layout: &Layout,
    members: usize,
    nodes: u32,
    booted: watch::Sender<u32>,
    progress: &Progress,
) -> Result<FleetReport, CliError> {
    let pace = Storm {
        starts_per_second: rate(nodes as usize),
        booting_max: BOOTING_MAX,
    };
    boot_storm(layout, members, nodes, pace, booted, progress).await
}

/// How many nodes are switched on at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storm {
    /// In a second, at most.
    pub(crate) starts_per_second: u32,
    /// That boot at the same time, at most.
    pub(crate) booting_max: usize,
}

/// As [`boot`], as fast as `storm` says.
pub(crate) async fn boot_storm(
    layout: &Layout,
    members: usize,
    nodes: u32,
    storm: Storm,
    booted: watch::Sender<u32>,
    progress: &Progress,
) -> Result<FleetReport, CliError> {
    let fleet = Fleet::start(config(layout, members, nodes, storm)?)
        .map_err(|e| CliError::other("cannot emulate nodes", e))?;
    until_over(fleet, booted, progress).await
}

/// As [`boot`], but a node boots when its number comes from `switched_on`.
pub(crate) async fn boot_on_demand(
    layout: &Layout,
    members: usize,
    nodes: u32,
    switched_on: mpsc::Receiver<usize>,
    booted: watch::Sender<u32>,
    progress: &Progress,
) -> Result<FleetReport, CliError> {
    let storm = Storm {
        starts_per_second: STARTS_PER_SECOND_MAX,
        booting_max: BOOTING_MAX,
    };
    let fleet = Fleet::start_on_demand(config(layout, members, nodes, storm)?, switched_on)
        .map_err(|e| CliError::other("cannot emulate nodes", e))?;
    until_over(fleet, booted, progress).await
}

async fn until_over(
    fleet: Fleet,
    booted: watch::Sender<u32>,
    progress: &Progress,
) -> Result<FleetReport, CliError> {
    let mut counts = fleet.progress();
    let watching = async {
        while counts.changed().await.is_ok() {
            let now = *counts.borrow_and_update();
            booted.send_replace(u32::try_from(now.booted).unwrap_or(u32::MAX));
            progress.show(now.booted, &busy(&now));
            if now.is_over() {
                break;
            }
        }
    };
    watching.await;
    let report = fleet.finish().await;
    for failure in report.failures.iter().take(FAILURES_SHOWN_MAX) {
        progress.note(format_args!(
            "{} failed at {}: {}",
            failure.xname,
            failure.phase.as_str(),
            failure.reason
        ));
    }
    Ok(report)
}

fn config(layout: &Layout, members: usize, nodes: u32, storm: Storm) -> Result<FleetConfig, CliError> {
    let nodes: Result<Vec<NodeSpec>, CliError> = (0..nodes).map(|index| node(layout, index)).collect();
    let nodes = nodes?;
    Ok(FleetConfig {
        starts_per_second: storm.starts_per_second,
        nodes,
        dhcp_servers: layout.told_to_nodes(members as u64),
        relayed_to: (1..)
            .take(members)
            .map(|id| SocketAddrV4::new(layout.member(id), DHCP_PORT))
            .collect(),
        relay_address: layout.relay(),
        kernel: files::kernel(),
        initrd: files::initrd(),
        booting_max: storm.booting_max,
        node_time_max: NODE_TIME_MAX,
        seed: SEED,
        pace: Pace::REAL,
    })
}

fn node(layout: &Layout, index: u32) -> Result<NodeSpec, CliError> {
    let invalid = |error: model::InvalidValue| CliError::other("cannot name a node", error);
    let xname: model::Xname = xname(index).parse().map_err(invalid)?;
    let nid = nid(index);
    Ok(NodeSpec {
        hostname: model::hostname(CLUSTER, Some(model::Nid(nid)), &xname),
        xname,
        nid,
        mac: mac(index),
        address: layout.node(index),
    })
}

/// Nodes to switch on per second.
pub(crate) fn rate(nodes: usize) -> u32 {
    let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
    (nodes / POWER_ON_S).clamp(STARTS_PER_SECOND_MIN, STARTS_PER_SECOND_MAX)
}

/// Nodes that are busy with each phase: those that completed the one before and not this one.
fn busy(now: &lab::Progress) -> Vec<(&'static str, usize)> {
    let before = std::iter::once(now.started).chain(now.completed);
    before
        .zip(Phase::ALL)
        .map(|(before, phase)| (phase.as_str(), before.saturating_sub(now.completed(phase))))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const STORM: Storm = Storm {
        starts_per_second: 5,
        booting_max: 10,
    };

    #[test]
    fn nodes_are_busy_with_what_they_have_not_completed() {
        let now = lab::Progress {
            total: 10,
            started: 8,
            completed: [6, 6, 3, 2, 1, 0],
            ..Default::default()
        };
        let expected = [
            ("dhcp", 2),
            ("script", 0),
            ("kernel", 3),
            ("initrd", 1),
            ("cloud-init", 1),
            ("phone-home", 1),
        ];
        assert_eq!(busy(&now), expected);
    }

    /// A small fleet lasts long enough to be shot at, a large one does not take for ever.
    #[test]
    fn the_rate_follows_the_number_of_nodes_within_limits() {
        assert_eq!(
            [rate(0), rate(30), rate(320), rate(1000), rate(20_000)],
            [5, 5, 32, 100, 150]
        );
    }

    /// Seeds and judge must agree on who is who.
    #[test]
    fn every_node_expects_what_was_seeded() {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp/demo"));
        let config = config(&layout, 3, 40, STORM).unwrap();
        assert_eq!(config.nodes.len(), 40);
        assert_eq!(config.nodes[7].xname.as_str(), xname(7));
        assert_eq!(config.nodes[7].nid, 8);
        assert_eq!(config.nodes[7].address, layout.node(7));
    }

    /// What the judge lets nodes be told: one address that moves, or all that do not.
    #[test]
    fn nodes_know_the_service_address_or_every_member() {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp/demo"));
        let known = |layout: &Layout| config(layout, 3, 1, STORM).unwrap().dhcp_servers;
        assert_eq!(known(&layout), [layout.service()]);
        let list = layout.clone().with(crate::demo::args::Addresses::List);
        assert_eq!(known(&list), [1, 2, 3].map(|id| layout.member(id)));
    }
}
