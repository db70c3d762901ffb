//! The hardware of `--bmcs`: emulated BMCs with two nodes each. The cluster finds them, reads them, and switches their nodes on;
//! a node boots because its BMC was told so, and for no other reason.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lab::bmc::Blade;
use lab::{BmcFleet, BmcSpec, Faults, FleetReport, Power, Tree};
use tokio::sync::{mpsc, watch};

use super::bmc_jobs::Admin;
use super::cluster::Cluster;
use super::layout::{BMC_PORT, Layout, NODES_PER_BMC, bmc_xname, mac, xname};
use super::progress::Progress;
use super::{fleet, seed};
use crate::connect::Target;
use crate::error::{CliError, Kind};

/// Login of all BMCs.
const USER: &str = "admin";
const PASSWORD: &str = "emulated-bmc";
/// A BMC that answers at once is none.
const LATENCY: Duration = Duration::from_millis(5);
/// Orders to switch on what is still off: the member that carried one out may have died, and what it had begun is never repeated
/// by itself.
const ORDERS_MAX: u32 = 5;

/// The emulated hardware of one demo. Dropping it ends it.
pub(crate) struct Hardware {
    fleet: BmcFleet,
    nodes: u32,
}

impl Hardware {
    /// Starts a BMC for every two nodes; all nodes are off.
    pub(crate) fn start(layout: &Layout, nodes: u32) -> Result<Hardware, CliError> {
        let specs = (0..nodes.div_ceil(NODES_PER_BMC)).map(|index| spec(layout, index, nodes));
        let fleet =
            BmcFleet::start(specs.collect()).map_err(|e| CliError::other("cannot emulate BMCs", e))?;
        Ok(Hardware { fleet, nodes })
    }

    /// From nothing to an inventory: rules and plans first, then a scan and a crawl.
    pub(crate) async fn discover(&self, cluster: &Cluster, progress: &Progress) -> Result<(), CliError> {
        let bmcs = self.fleet.bmcs().len();
        let layout = cluster.layout();
        let admin = Admin::new(cluster.target())?;
        seed::plans(cluster, self.nodes).await?;
        admin.put_login(USER, PASSWORD).await?;
        admin
            .put_rule(&layout.bmc_network(), &layout.bmc(0).to_string())
            .await?;
        let (first, last) = (
            layout.bmc(0),
            layout.bmc(u32::try_from(bmcs - 1).unwrap_or(u32::MAX)),
        );
        progress.note(format_args!("scanning {first}-{last} for BMCs"));
        admin.scan(format!("{first}-{last}"), BMC_PORT).await?;
        let found = admin.bmcs().await?;
        progress.note(format_args!("found {} BMCs, crawling them", found.len()));
        admin.crawl().await?;
        self.check_found(&admin.bmcs().await?)?;
        seed::addresses(cluster, self.nodes).await?;
        let requests: u64 = self.fleet.bmcs().iter().map(lab::BmcHandle::total).sum();
        progress.note(format_args!("read {bmcs} BMCs with {requests} requests"));
        Ok(())
    }

    /// Every BMC was found, and has the xname that its nodes' names begin with.
    fn check_found(&self, found: &[(String, String)]) -> Result<(), CliError> {
        for (bmc, index) in self.fleet.bmcs().iter().zip(0..) {
            let (address, expected) = (bmc.address().to_string(), bmc_xname(index));
            let assigned = found.iter().find(|(found, _)| *found == address);
            match assigned {
                Some((_, assigned)) if *assigned == expected => {}
                Some((_, assigned)) => {
                    let text = format!("the BMC at {address} was given {assigned:?} and not {expected}");
                    return Err(CliError::new(Kind::Other, text));
                }
                None => {
                    let text = format!("the scan did not find the BMC at {address}");
                    return Err(CliError::new(Kind::NotFound, text));
                }
            }
        }
        Ok(())
    }

    /// Has the cluster switch the nodes on, and waits for the last to boot.
    pub(crate) async fn boot(
        &self,
        layout: &Layout,
        target: &Target,
        members: usize,
        booted: watch::Sender<u32>,
        progress: &Progress,
    ) -> Result<FleetReport, CliError> {
        let (switch, switched_on) = mpsc::channel(self.nodes.max(1) as usize * 2);
        let weak = switch.downgrade(); // a node that stays off must not keep the fleet waiting
        self.fleet.on_power(move |change| {
            let place = change.bmc * NODES_PER_BMC as usize + change.system;
            if let (Power::On, Some(switch)) = (change.state, weak.upgrade()) {
                // one that is full has been told of every node already
                let _ = switch.try_send(place);
            }
        });
        let boots = fleet::boot_on_demand(layout, members, self.nodes, switched_on, booted, progress);
        let orders = async {
            let all_on = self.switch_on(target, progress).await?;
            Ok::<_, CliError>(all_on.then_some(switch))
        };
        let (report, _switch) = tokio::try_join!(boots, orders)?;
        Ok(report)
    }

    /// Orders what is off to be switched on, until nothing is. Whether it came to that.
    async fn switch_on(&self, target: &Target, progress: &Progress) -> Result<bool, CliError> {
        let admin = Admin::new(target)?;
        let stagger_ms = 1000 / fleet::rate(self.nodes as usize);
        for _ in 0..ORDERS_MAX {
            let off = self.off();
            if off.is_empty() {
                return Ok(true);
            }
            progress.note(format_args!("switching {} nodes on", off.len()));
            let failed = admin.power_on(off, stagger_ms).await?;
            for (xname, why) in failed {
                progress.note(format_args!("{xname} was not switched on: {why}"));
            }
        }
        Ok(self.off().is_empty())
    }

    /// Xnames of the nodes that are off, as the hardware itself knows.
    fn off(&self) -> Vec<String> {
        let power = |index: &u32| {
            let bmc = self.fleet.bmc((index / NODES_PER_BMC) as usize);
            bmc.power((index % NODES_PER_BMC) as usize)
        };
        let off = (0..self.nodes).filter(|index| matches!(power(index), Power::Off | Power::PoweringOff));
        off.map(xname).collect()
    }
}

/// The BMC of the `index`-th pair of nodes; behind the last one there may be a single node.
fn spec(layout: &Layout, index: u32, nodes: u32) -> BmcSpec {
    let first = index * NODES_PER_BMC;
    let blade = Blade {
        seed: u64::from(index) + 1,
        macs: (first..nodes.min(first + NODES_PER_BMC)).map(mac).collect(),
        power: Power::Off,
    };
    BmcSpec {
        address: SocketAddr::from((layout.bmc(index), BMC_PORT)),
        tree: Arc::new(Tree::of_blade(&blade)),
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
        latency: LATENCY,
        faults: Faults::none(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn layout() -> Layout {
        Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp/demo"))
    }

    #[tokio::test]
    async fn every_node_is_behind_a_bmc_and_off() {
        let hardware = Hardware::start(&layout(), 5).unwrap();
        assert_eq!(hardware.fleet.bmcs().len(), 3);
        assert_eq!(hardware.fleet.bmc(2).systems().len(), 1);
        assert_eq!(hardware.off(), (0..5).map(xname).collect::<Vec<_>>());
        hardware.fleet.bmc(1).set_power(1, Power::On);
        assert!(!hardware.off().contains(&xname(3)));
    }

    /// The judge knows nodes by their MACs: a BMC must name the same.
    #[test]
    fn a_bmc_names_the_macs_of_its_nodes() {
        let layout = layout();
        let spec = spec(&layout, 3, 8);
        assert_eq!(spec.address.ip(), layout.bmc(3));
        for place in 0..2 {
            let nic = format!("/redfish/v1/Systems/Node{place}/EthernetInterfaces/1");
            assert_eq!(
                spec.tree.get(&nic).unwrap()["MACAddress"],
                mac(6 + place).to_string()
            );
        }
    }

    #[tokio::test]
    async fn a_bmc_that_is_missing_or_misnamed_is_told() {
        let layout = layout();
        let hardware = Hardware::start(&layout, 4).unwrap();
        let at = |index: u32| SocketAddr::from((layout.bmc(index), BMC_PORT)).to_string();
        let mut found = vec![(at(0), bmc_xname(0)), (at(1), bmc_xname(1))];
        assert!(hardware.check_found(&found).is_ok());
        found[1].1 = String::new();
        assert!(
            hardware
                .check_found(&found)
                .unwrap_err()
                .to_string()
                .contains("x1000c0s0b1")
        );
        found.pop();
        assert!(
            hardware
                .check_found(&found)
                .unwrap_err()
                .to_string()
                .contains("did not find")
        );
    }
}
