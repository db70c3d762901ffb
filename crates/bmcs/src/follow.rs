//! What the leader does for BMCs by itself: it follows those that it reaches, and crawls those that it is told of by DHCP or by
//! clients of HSM.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use model::Xname;
use proto::discovery::v1::Crawl;
use proto::job::v1::job;
use state::cluster::FEATURE_LEVEL_DISCOVERY;
use tokio::task::{AbortHandle, JoinSet};

use crate::events::Follower;
use crate::expand::all_bmcs;
use crate::leases::new_bmcs;
use crate::requests::requested;
use crate::{Bmcs, propose};

/// Between two looks at who leads and which BMCs there are.
const LOOK: Duration = Duration::from_secs(2);
/// Addresses that were crawled because of DHCP are remembered here, beside the state.
const ADOPTED_MAX: usize = 100_000;

/// Follows BMCs for as long as this member leads, until `stopped`: by events where they are offered, by a look every `poll` where
/// not. With `adopt_leases` BMCs that get an address are crawled once.
pub async fn follow(bmcs: Bmcs, poll: Duration, adopt_leases: bool, stopped: impl Future<Output = ()>) {
    let mut leader = Leader {
        bmcs,
        poll,
        adopt_leases,
        adopted: BTreeSet::new(),
        followers: JoinSet::new(),
        running: BTreeMap::new(),
    };
    tokio::select! {
        () = leader.run() => {}
        () = stopped => {}
    }
}

struct Leader {
    bmcs: Bmcs,
    poll: Duration,
    adopt_leases: bool,
    adopted: BTreeSet<String>,
    /// Dropping it ends them all.
    followers: JoinSet<()>,
    running: BTreeMap<Xname, AbortHandle>,
}

impl Leader {
    async fn run(&mut self) {
        loop {
            self.follow();
            if self.leads() {
                self.crawl_requested().await;
                if self.adopt_leases {
                    self.adopt().await;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The changes that this makes need members that know them.
    fn leads(&self) -> bool {
        let store = self.bmcs.store();
        store.leads() && store.state().feature_level() >= FEATURE_LEVEL_DISCOVERY
    }

    /// Begins with BMCs that are new, and ends with those that are gone or when another member leads.
    fn follow(&mut self) {
        let wanted = match self.leads() && self.bmcs.reaches_any() {
            true => followed(&self.bmcs),
            false => BTreeSet::new(),
        };
        while self.followers.try_join_next().is_some() {}
        self.running.retain(|bmc, task| {
            let stays = wanted.contains(bmc) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for bmc in wanted {
            let follower = || Follower::new(self.bmcs.clone(), bmc.clone(), self.poll);
            if !self.running.contains_key(&bmc) {
                let task = self.followers.spawn(follower().run());
                self.running.insert(bmc, task);
            }
        }
    }

    async fn crawl_requested(&self) {
        let targets = requested(&self.bmcs.store().state());
        if !targets.is_empty() {
            self.crawl(targets, "a discovery was requested").await;
        }
    }

    async fn adopt(&mut self) {
        let store = self.bmcs.store();
        let new = new_bmcs(&store.state(), self.bmcs.reach(), store.cluster_time_ms());
        let new: Vec<String> = new.difference(&self.adopted).cloned().collect();
        if new.is_empty() {
            return;
        }
        if self.adopted.len() + new.len() > ADOPTED_MAX {
            // The state knows of those that were crawled meanwhile.
            self.adopted.clear();
        }
        if self.crawl(new.clone(), "BMCs have got addresses").await {
            self.adopted.extend(new);
        }
    }

    async fn crawl(&self, targets: Vec<String>, why: &str) -> bool {
        let count = targets.len();
        let work = job::Work::Crawl(Crawl::default());
        match jobs::create(self.bmcs.store(), &propose::cluster(), work, targets).await {
            Ok(id) => {
                tracing::info!(job = %id, count, "{why}: they are crawled");
                true
            }
            Err(error) => {
                tracing::warn!(count, %error, "{why}: they are not crawled yet");
                false
            }
        }
    }
}

/// Those with systems that this member reaches, and that are enabled.
fn followed(bmcs: &Bmcs) -> BTreeSet<Xname> {
    let state = bmcs.store().state();
    let has_systems = |bmc: &Xname| {
        let mut behind = state.smd.component_endpoints_of(bmc);
        behind.any(|endpoint| endpoint.redfish_type == "ComputerSystem")
    };
    let is_enabled = |bmc: &Xname| {
        let endpoint = state.smd.redfish_endpoint(bmc);
        endpoint.is_some_and(|endpoint| endpoint.enabled)
    };
    let is_in_reach = |bmc: &Xname| bmcs.address_of(bmc).is_ok_and(|address| bmcs.reaches(&address));
    all_bmcs(&state)
        .into_iter()
        .filter(|bmc| is_enabled(bmc) && has_systems(bmc) && is_in_reach(bmc))
        .collect()
}
