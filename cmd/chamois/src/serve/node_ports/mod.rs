//! What compute nodes reach: HTTP, DHCP, TFTP and DNS, per network and role. Opened only when this member's
//! state is known to be fresh, and on the addresses that it may answer on.

mod dns;
mod holding;
pub(super) mod interface;
mod ipv6;
mod roles;

use std::sync::Arc;
use std::time::Duration;

use address::{Answers, Held};
use auth::Sealer;
use gateway::Gateway;
use raft::Store;
use state::cluster::FEATURE_LEVEL_DHCP;
use timeline::Timeline;
use tokio::runtime::Handle;

use self::holding::Holding;
use self::roles::Roles;
use super::ServeError;
use super::api_ports::ApiServed;
use super::config::{AddressMode, Config, NetworkConfig, Role};
use super::counters::{Counters, Server};
use super::device::{self, Device};
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
    pub(super) dhcp: dhcp::Servers,
    pub(super) timeline: Timeline,
    pub(super) sealer: Sealer,
    pub(super) api: ApiServed,
    /// The runtime of DHCP's sockets.
    pub(super) for_dhcp: Handle,
    /// Reached when this member begins to drain.
    pub(super) leaving: Stop,
}

/// What is open on one network.
struct Opened {
    device: Device,
    holding: Holding,
    ports: Tasks,
}

impl NodePorts {
    /// Waits until this member may answer nodes, then serves every network that has roles, and takes part in who has the
    /// service addresses, until `stop`.
    ///
    /// # Errors
    /// A port that cannot be opened, or a part that ended by itself.
    pub(super) async fn run(self: Arc<Self>, stop: Stop) -> Result<(), ServeError> {
        tokio::select! {
            () = stop.clone().reached() => return Ok(()),
            () = self.until_allowed() => {}
        }
        let mut tasks = Tasks::default();
        let of_the_api = self.config.api_addresses().map(|(network, _)| network);
        let with_roles = self
            .config
            .networks
            .iter()
            .filter(|network| network.answers_nodes());
        for network in with_roles.chain(of_the_api).cloned() {
            // at start an error ends the member: it is the configuration's
            let opened = self.open(&network, &stop).await?;
            let (ports, stop) = (Arc::clone(&self), stop.clone());
            tasks.spawn("a network's ports", async move {
                ports.serve(network, opened, stop).await
            });
        }
        tasks.failed_before(&stop).await?;
        tasks.wait_until_left(0, FINISH_MAX).await.map(drop)
    }

    async fn open(&self, network: &NetworkConfig, stop: &Stop) -> Result<Opened, ServeError> {
        let device = Device::now(&network.interface).map_err(ServeError::setup("a network's interface"))?;
        let holding = self.hold(network)?;
        let ports = if !network.answers_nodes() {
            Tasks::default()
        } else {
            Roles::new(self, network, &holding)?.open(stop)?
        };
        if let Some(counted) = holding.counters() {
            let read = move || holding::counts(&counted);
            self.counters.add(Server::Adverts, &network.name, read);
        }
        Ok(Opened {
            device,
            holding,
            ports,
        })
    }

    /// Serves one network until `stop`, then to the end of what was begun; on whatever its interface's name means.
    async fn serve(
        self: Arc<Self>,
        network: NetworkConfig,
        mut opened: Opened,
        stop: Stop,
    ) -> Result<(), ServeError> {
        let served = loop {
            tokio::select! {
                served = opened.ports.failed_before(&stop) => break served,
                () = opened.device.replaced() => {}
            }
            self.open_roles.remove(&network.name);
            self.dhcp.remove(&network.name);
            drop(opened);
            match device::again(&stop, || self.open(&network, &stop)).await {
                Some(again) => opened = again,
                None => return Ok(()),
            }
        };
        let finished = opened.ports.wait_until_left(0, FINISH_MAX).await.map(drop);
        if !network.answers_nodes() {
            self.api.ended().await;
        }
        // last: whoever still fetches from the address has finished
        opened.holding.leave().await;
        served.and(finished)
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
        self.config.boot.serve_unverified || (self.store.is_verified() && self.store.knows_time())
    }

    /// Adverts are signed with a key from the log; the modes `helper` and `external` have any.
    fn has_advert_key(&self) -> bool {
        match self.config.address.mode {
            AddressMode::Helper | AddressMode::External => holding::has_advert_key(&self.store, &self.sealer),
            AddressMode::Loopback | AddressMode::List => true,
        }
    }

    fn hold(&self, network: &NetworkConfig) -> Result<Holding, ServeError> {
        let service = self
            .config
            .node_address(network)
            .expect("checked at start: a network that is held has one");
        let holding = match self.config.address.mode {
            AddressMode::Loopback => Holding::on_loopback(service, &self.config)?,
            AddressMode::External => {
                let key = holding::advert_key(&self.store, &self.sealer)?;
                Holding::seen(service, network, &self.config, key)?
            }
            AddressMode::List => Holding::Own(Held::always()),
            AddressMode::Helper => {
                let key = holding::advert_key(&self.store, &self.sealer)?;
                Holding::with_helper(service, network, &self.config, key, self.answers(network))?
            }
        };
        self.held.put(service, holding.held());
        Ok(holding)
    }

    /// Whether this member answers a share of DHCP's clients: where it has the role, until it drains, and as soon as every
    /// member of the cluster knows of sharing.
    fn answers(&self, network: &NetworkConfig) -> Answers {
        let (store, leaving) = (self.store.clone(), self.leaving.clone());
        let has_role = network.has(Role::Dhcp);
        Answers::when(move || {
            has_role && !leaving.is_reached() && store.state().feature_level() >= FEATURE_LEVEL_DHCP
        })
    }
}

impl NetworkConfig {
    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
