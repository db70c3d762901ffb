//! What compute nodes reach: HTTP, DHCP and TFTP, per network and role. Opened only when this member's
//! state is known to be fresh, and on the addresses that it may answer on.

mod holding;
pub(super) mod interface;
mod roles;

use std::sync::Arc;
use std::time::Duration;

use address::Held;
use auth::Sealer;
use gateway::Gateway;
use raft::Store;

use self::holding::Holding;
use self::roles::Roles;
use super::ServeError;
use super::config::{AddressMode, Config, NetworkConfig, Role};
use super::counters::Counters;
use super::drain::Stop;
use super::held_addresses::HeldAddresses;
use super::open_roles::OpenRoles;
use super::tasks::Tasks;

/// How often a member that may not answer nodes yet looks whether it may.
const VERIFIED_LOOK: Duration = Duration::from_millis(20);
/// Boot files in progress get this long at the end; the gateway's own bound is shorter.
const FINISH_MAX: Duration = Duration::from_secs(11);

/// Everything that the node ports are made of.
pub(super) struct NodePorts {
    pub(super) config: Arc<Config>,
    pub(super) store: Store,
    pub(super) gateway: Gateway,
    pub(super) loaders: tftp::Files,
    pub(super) held: HeldAddresses,
    pub(super) open_roles: OpenRoles,
    pub(super) counters: Counters,
    pub(super) sealer: Sealer,
}

impl NodePorts {
    /// Waits until this member may answer nodes, then serves every network that has roles until `stop`.
    ///
    /// # Errors
    /// A port that cannot be opened, or a part that ended by itself.
    pub(super) async fn run(self, stop: Stop) -> Result<(), ServeError> {
        tokio::select! {
            () = stop.clone().reached() => return Ok(()),
            () = self.until_allowed() => {}
        }
        let mut tasks = Tasks::default();
        for network in self
            .config
            .networks
            .iter()
            .filter(|network| !network.roles.is_empty())
        {
            let holding = self.hold(network)?;
            let roles = Roles::new(&self, network, &holding);
            let stop = stop.clone();
            tasks.spawn("a network's ports", async move {
                let served = roles.serve(stop).await;
                // last: whoever still fetches from the address has finished
                holding.leave().await;
                served
            });
        }
        tasks.failed_before(&stop).await?;
        tasks.wait_until_left(0, FINISH_MAX).await.map(drop)
    }

    /// The state is as new as the majority's was after this start, or the administrator wants old answers.
    async fn until_allowed(&self) {
        if self.config.boot.serve_unverified {
            tracing::warn!(
                applied_index = self.store.state().applied_index(),
                "answering nodes without having heard from a leader (`boot.serve-unverified`): the data may be old"
            );
        }
        while !(self.is_fresh() && self.has_advert_key()) {
            tokio::time::sleep(VERIFIED_LOOK).await;
        }
        tracing::info!("opening the node ports");
    }

    fn is_fresh(&self) -> bool {
        self.config.boot.serve_unverified || self.store.is_verified()
    }

    /// Adverts are signed with a key from the log; the modes `helper` and `external` have any.
    fn has_advert_key(&self) -> bool {
        match self.config.address.mode {
            AddressMode::Helper | AddressMode::External => holding::sealed_key(&self.store).is_some(),
            AddressMode::Loopback | AddressMode::List => true,
        }
    }

    fn hold(&self, network: &NetworkConfig) -> Result<Holding, ServeError> {
        let service = self
            .config
            .node_address(network)
            .expect("checked at start: a network with roles has one");
        let holding = match self.config.address.mode {
            AddressMode::Loopback => Holding::on_loopback(service, &self.config)?,
            AddressMode::External => {
                let key = holding::advert_key(&self.store, &self.sealer)?;
                Holding::seen(service, network, &self.config, key)?
            }
            AddressMode::List => Holding::Own(Held::always()),
            AddressMode::Helper => {
                let key = holding::advert_key(&self.store, &self.sealer)?;
                Holding::with_helper(service, network, &self.config, key)?
            }
        };
        self.held.add(service, holding.held());
        Ok(holding)
    }
}

impl NetworkConfig {
    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
