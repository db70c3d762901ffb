//! What became of a fleet.

use std::time::Duration;

use serde::Serialize;

use crate::phase::Phase;

/// A node that did not come up, or was given something that is not its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeFailure {
    /// The node.
    pub xname: String,
    /// What it was busy with.
    pub phase: Phase,
    /// What went wrong, for a person to read.
    pub reason: String,
}

/// One node's boot.
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// The node.
    pub xname: String,
    /// From power-on to the end, seconds.
    pub seconds: f64,
    /// Seconds from a first failed request to the next answer, all such times of this boot together.
    pub extra_seconds: f64,
    /// When each phase (in the order of [`Phase::ALL`]) was first completed, seconds from power-on.
    pub phase_end_seconds: [Option<f64>; 6],
    /// How long each answered request for a script took.
    #[serde(skip)]
    pub script_latencies: Vec<Duration>,
    /// Why it is not up, if it is not.
    pub failure: Option<NodeFailure>,
}

/// A fleet's boot.
#[derive(Clone, Debug, Serialize)]
pub struct FleetReport {
    /// Nodes that came up with everything that is theirs.
    pub booted: usize,
    /// Nodes that did not.
    pub failed: usize,
    /// Why, one entry for each failed node.
    pub failures: Vec<NodeFailure>,
    /// From the first power-on to the last node's end, seconds.
    pub seconds: f64,
    /// The largest [`NodeReport::extra_seconds`].
    pub extra_boot_seconds_max: f64,
    /// Median time of an answered request for a script, milliseconds; 0 if there was none.
    pub script_p50_ms: f64,
    /// The same of the slowest hundredth.
    pub script_p99_ms: f64,
    /// Every node.
    pub nodes: Vec<NodeReport>,
}

impl FleetReport {
    pub(crate) fn new(nodes: Vec<NodeReport>, took: Duration) -> FleetReport {
        let failures: Vec<NodeFailure> = nodes.iter().filter_map(|node| node.failure.clone()).collect();
        let mut latencies: Vec<Duration> = nodes
            .iter()
            .flat_map(|node| node.script_latencies.iter().copied())
            .collect();
        latencies.sort_unstable();
        FleetReport {
            booted: nodes.len() - failures.len(),
            failed: failures.len(),
            failures,
            seconds: took.as_secs_f64(),
            extra_boot_seconds_max: nodes.iter().map(|node| node.extra_seconds).fold(0.0, f64::max),
            script_p50_ms: percentile_ms(&latencies, 50),
            script_p99_ms: percentile_ms(&latencies, 99),
            nodes,
        }
    }
}

/// The nearest-rank percentile of sorted times.
fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(extra_seconds: f64, latencies_ms: &[u64], failed: bool) -> NodeReport {
        let failure = NodeFailure {
            xname: "x0c0s0b0n0".into(),
            phase: Phase::Kernel,
            reason: "a reason".into(),
        };
        NodeReport {
            xname: "x0c0s0b0n0".into(),
            seconds: 1.0,
            extra_seconds,
            phase_end_seconds: [None; 6],
            script_latencies: latencies_ms.iter().map(|ms| Duration::from_millis(*ms)).collect(),
            failure: failed.then_some(failure),
        }
    }

    #[test]
    fn a_fleet_is_summed_up() {
        let nodes = vec![
            node(0.5, &[10], false),
            node(2.5, &[30, 20], true),
            node(0.0, &[], false),
        ];
        let report = FleetReport::new(nodes, Duration::from_secs(9));
        assert_eq!((report.booted, report.failed, report.failures.len()), (2, 1, 1));
        assert_eq!(report.extra_boot_seconds_max, 2.5);
        assert_eq!((report.script_p50_ms, report.script_p99_ms), (20.0, 30.0));
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(
            (percentile_ms(&times, 50), percentile_ms(&times, 99)),
            (100.0, 198.0)
        );
        assert_eq!(percentile_ms(&times[..1], 99), 1.0);
        assert_eq!(percentile_ms(&[], 99), 0.0);
    }
}
