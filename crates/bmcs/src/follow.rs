//! What a member does for BMCs by itself: the leader follows those that it reaches, and crawls those that it is told of by DHCP or by
//! clients of HSM. Crawls that it does not see to, as it has not the role or not the network, another member begins.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use model::Xname;
use proto::discovery::v1::Crawl;
use proto::job::v1::job;
use state::State;
use state::cluster::FEATURE_LEVEL_DISCOVERY;
use tokio::task::{AbortHandle, JoinSet};

use crate::events::Follower;
use crate::expand::all_bmcs;
use crate::leases::new_bmcs;
use crate::requests::{begun, left_alone, requested};
use crate::{Bmcs, propose};

/// Between two looks at who leads and which BMCs there are.
const LOOK: Duration = Duration::from_secs(2);
/// Looks that a member leaves to the leader, and once more to each that stands before it.
const PATIENCE: u32 = 5;
/// Addresses that were crawled because of DHCP are remembered here, beside the state.
const ADOPTED_MAX: usize = 100_000;

/// Follows BMCs for as long as this member leads, until `stopped`: by events where they are offered, by a look every `poll` where
/// not. With `adopt_leases` BMCs that get an address are crawled once. A member that does not lead only begins crawls, and only
/// those that the leader leaves.
pub async fn follow(bmcs: Bmcs, poll: Duration, adopt_leases: bool, stopped: impl Future<Output = ()>) {
    let mut follower = Following {
        bmcs,
        poll,
        adopt_leases,
        adopted: BTreeSet::new(),
        waiting: BTreeMap::new(),
        new: BTreeMap::new(),
        followers: JoinSet::new(),
        running: BTreeMap::new(),
    };
    tokio::select! {
        () = follower.run() => {}
        () = stopped => {}
    }
}

struct Following {
    bmcs: Bmcs,
    poll: Duration,
    adopt_leases: bool,
    adopted: BTreeSet<String>,
    /// Endpoints of which a discovery was requested, and addresses that are new, each with the looks that it has been so.
    waiting: BTreeMap<String, u32>,
    new: BTreeMap<String, u32>,
    /// Dropping it ends them all.
    followers: JoinSet<()>,
    running: BTreeMap<Xname, AbortHandle>,
}

impl Following {
    async fn run(&mut self) {
        loop {
            self.follow();
            if self.knows_crawls() {
                self.crawl_requested().await;
                if self.adopt_leases {
                    self.adopt().await;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The changes that this makes need members that know them.
    fn knows_crawls(&self) -> bool {
        self.bmcs.store().state().feature_level() >= FEATURE_LEVEL_DISCOVERY
    }

    fn leads(&self) -> bool {
        self.bmcs.store().leads() && self.knows_crawls()
    }

    /// How many looks this member waits for others to begin a crawl. Two that begin one all the same only read twice.
    fn patience(&self) -> u32 {
        if self.leads() {
            return 0;
        }
        let before = u32::try_from(self.bmcs.store().rank().before).unwrap_or(u32::MAX);
        before.saturating_add(1).saturating_mul(PATIENCE)
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
            if !self.running.contains_key(&bmc) {
                let follower = Follower::new(self.bmcs.clone(), bmc.clone(), self.poll);
                let task = self.followers.spawn(follower.run());
                self.running.insert(bmc, task);
            }
        }
    }

    async fn crawl_requested(&mut self) {
        let patience = self.patience();
        let targets = requested(&self.bmcs.store().state());
        let targets = left_alone(&mut self.waiting, targets, patience);
        if !targets.is_empty() && !self.crawl(targets, "a discovery was requested").await {
            // who does not lead has the patience again
            self.waiting.clear();
        }
    }

    async fn adopt(&mut self) {
        let store = self.bmcs.store();
        let new = new_bmcs(&store.state(), self.bmcs.reach(), store.cluster_time_ms());
        let new: Vec<String> = new.difference(&self.adopted).cloned().collect();
        let new = match new.is_empty() {
            true => new,
            false => without_begun(&store.state(), new),
        };
        let patience = self.patience();
        let new = left_alone(&mut self.new, new, patience);
        if new.is_empty() {
            return;
        }
        if self.adopted.len() + new.len() > ADOPTED_MAX {
            // The state knows of those that were crawled meanwhile.
            self.adopted.clear();
        }
        match self.crawl(new.clone(), "BMCs have got addresses").await {
            true => self.adopted.extend(new),
            false => self.new.clear(),
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

/// Those that no member has begun to crawl.
fn without_begun(state: &State, mut addresses: Vec<String>) -> Vec<String> {
    let begun = begun(state);
    addresses.retain(|address| !begun.contains_key(address));
    addresses
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
