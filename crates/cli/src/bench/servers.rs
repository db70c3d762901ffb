//! Our side of every benchmark: a cluster of three member processes, and nodes in it.

use std::path::Path;
use std::time::Duration;

use bench::Meter;
use proto::cluster::v1::GetMetricsRequest;
use proto::cluster::v1::metrics_service_client::MetricsServiceClient;

use crate::demo::{Cluster, Layout, Progress as DemoProgress, StateDir, subnet_and_nodes};
use crate::error::{CliError, Kind};

/// Members of the cluster.
pub(crate) const MEMBERS: u64 = 3;
/// A disk, where /tmp may be memory.
pub(crate) const DATA_PARENT: &str = "/var/tmp";
/// From the start of a cluster to a holder of its service address.
const HOLDER_MAX: Duration = Duration::from_secs(20);
/// Metric and series of the syncs of a member's log.
const LOG_SYNCS: &str = "chamois_raft_events_total{part=\"log\",reason=\"syncs\"}";

/// A running cluster with its directory.
pub(crate) struct Servers {
    pub(crate) cluster: Cluster,
    /// Removed when this is dropped, if it is a temporary one.
    _dir: StateDir,
}

/// What the members have counted since they started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Syncs of all members' logs.
    pub(crate) log_syncs: u64,
    /// The newest term: an election raises it.
    pub(crate) term: u64,
}

impl Servers {
    /// Starts it, with its data in `named` or in a temporary directory.
    pub(crate) async fn start(named: Option<&Path>) -> Result<Self, CliError> {
        Self::start_as(named, Ok).await
    }

    /// The same with the timers of `profile`.
    pub(crate) async fn start_in_profile(
        named: Option<&Path>,
        profile: &'static str,
    ) -> Result<Self, CliError> {
        Self::start_as(named, |layout| Ok(layout.in_profile(profile))).await
    }

    /// The same with what `shape` makes of its layout; the directory is there.
    pub(crate) async fn start_as(
        named: Option<&Path>,
        shape: impl FnOnce(Layout) -> Result<Layout, CliError>,
    ) -> Result<Self, CliError> {
        let dir = match named {
            Some(_) => StateDir::make(named)?,
            None => StateDir::temporary_in(Path::new(DATA_PARENT))?,
        };
        let net = lab::claim_loopback_net().map_err(|e| CliError::other("cannot claim a network", e))?;
        let layout = shape(Layout::new(net, dir.path()))?;
        let executable =
            std::env::current_exe().map_err(|e| CliError::other("cannot find this executable", e))?;
        let mut cluster = Cluster::start(layout, MEMBERS, &executable).await?;
        cluster.holder(HOLDER_MAX).await?;
        Ok(Self { cluster, _dir: dir })
    }

    /// Puts `nodes` nodes with addresses and boot parameters in.
    pub(crate) async fn seed(&self, nodes: u32) -> Result<(), CliError> {
        let for_people = DemoProgress::new(nodes, true);
        subnet_and_nodes(&self.cluster, nodes, &for_people).await
    }

    /// Measures all members.
    ///
    /// # Errors
    /// If one runs no more.
    pub(crate) fn meter(&self) -> Result<Meter, CliError> {
        let pids: Vec<u32> = self.cluster.processes().into_iter().map(|(_, pid)| pid).collect();
        if pids.len() as u64 != MEMBERS {
            let text = format!("only {} of {MEMBERS} members run", pids.len());
            return Err(CliError::new(Kind::Other, text));
        }
        Ok(Meter::new(pids))
    }

    /// What all members have counted.
    pub(crate) async fn counts(&self) -> Result<Counts, CliError> {
        let mut counts = Counts::default();
        let target = self.cluster.target();
        for endpoint in &target.endpoints {
            let mut metrics = MetricsServiceClient::new(target.connect_one(endpoint)?);
            let page = metrics.get_metrics(GetMetricsRequest {}).await?.into_inner().data;
            counts.log_syncs += log_syncs_in(&String::from_utf8_lossy(&page))?;
        }
        for view in self.cluster.views().await {
            counts.term = counts.term.max(view.answer?.term);
        }
        Ok(counts)
    }

    /// Ends the members in order.
    pub(crate) async fn stop(mut self) -> Result<(), CliError> {
        self.cluster.stop().await
    }
}

fn log_syncs_in(page: &str) -> Result<u64, CliError> {
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(LOG_SYNCS)?.trim().parse().ok());
    value.ok_or_else(|| CliError::new(Kind::Other, format!("a member's metrics have no {LOG_SYNCS}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_syncs_of_the_log_are_found_on_the_page() {
        let page = format!("# TYPE chamois_raft_events_total counter\n{LOG_SYNCS} 42\n");
        assert_eq!(log_syncs_in(&page).unwrap(), 42);
        assert!(
            log_syncs_in("")
                .unwrap_err()
                .to_string()
                .contains("chamois_raft_events_total")
        );
    }
}
