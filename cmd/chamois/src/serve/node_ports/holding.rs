//! Taking part in who holds a network's service address.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{SystemTime, UNIX_EPOCH};

use address::claim::Target;
use address::election::Timing;
use address::external::ExternalWatch;
use address::loopback::{self, LoopbackHolder};
use address::watchdog::WatchdogCommand;
use address::{AdvertKey, Held, Holder, HolderConfig, client};
use auth::Sealer;
use proto::cluster::v1::SealedSecret;
use raft::Store;

use super::interface;
use crate::serve::ServeError;
use crate::serve::config::{Config, NetworkConfig};
use crate::serve::identity::ADVERT_KEY;

/// This member's part on one network.
pub(super) enum Holding {
    /// Whoever has the port bound holds the address.
    Loopback(LoopbackHolder),
    /// Adverts between the members, the address helper on this host.
    Helper(Holder),
    /// Something else moves the address; this member sees whether it is here.
    External(ExternalWatch),
    /// The member's own address, which nobody else can have.
    Own(Held),
}

impl Holding {
    /// Binding the advert port on the service address is holding it.
    pub(super) fn on_loopback(service: Ipv4Addr, config: &Config) -> Result<Self, ServeError> {
        let executable = std::env::current_exe().map_err(ServeError::setup("the address watchdog"))?;
        let lock = SocketAddr::new(service.into(), config.address.advert_port);
        let watchdog = WatchdogCommand::new(executable);
        Ok(Self::Loopback(loopback::hold(lock, Some(watchdog))))
    }

    /// Looks where the address is, and leaves it there.
    pub(super) fn seen(service: Ipv4Addr) -> Result<Self, ServeError> {
        ExternalWatch::start(service)
            .map(Self::External)
            .map_err(ServeError::setup("the watch for the service address"))
    }

    /// Adverts from and to the members' own addresses.
    pub(super) async fn with_helper(
        service: Ipv4Addr,
        network: &NetworkConfig,
        config: &Config,
        key: AdvertKey,
    ) -> Result<Self, ServeError> {
        let port = config.address.advert_port;
        let own = SocketAddrV4::new(network.member_address, port);
        let socket = interface::udp_at(&network.interface, own).map_err(|source| ServeError::Bind {
            key: "address.advert-port",
            address: own.into(),
            source,
        })?;
        let target = Target {
            interface: network.interface.clone(),
            address: service,
        };
        let claims = client::start(config.address.helper_socket.clone(), target);
        let peers: BTreeMap<u64, SocketAddr> = network
            .peers
            .iter()
            .map(|(id, address)| (*id, SocketAddr::new((*address).into(), port)))
            .collect();
        let config = HolderConfig {
            cluster: config.cluster.clone(),
            network: network.name.clone(),
            member: config.member.id,
            peers,
            key,
            timing: Timing::default(),
            initial_sequence: micros_since_epoch(),
        };
        let holder =
            Holder::start(config, socket, claims).map_err(ServeError::setup("the service address"))?;
        Ok(Self::Helper(holder))
    }

    /// The answer to "do I hold it?".
    pub(super) fn held(&self) -> Held {
        match self {
            Self::Loopback(holder) => holder.held(),
            Self::Helper(holder) => holder.held(),
            Self::External(watch) => watch.held(),
            Self::Own(held) => held.clone(),
        }
    }

    /// Lets another member have it at once.
    pub(super) async fn leave(self) {
        match self {
            Self::Loopback(holder) => drop(holder),
            // whoever moves it learned from `/readyz` that this member stops
            Self::External(_) | Self::Own(_) => {}
            Self::Helper(holder) => holder.leave().await,
        }
    }
}

/// The key of the adverts as it lies in the state; absent before the cluster's first entry is applied.
pub(super) fn sealed_key(store: &Store) -> Option<std::sync::Arc<SealedSecret>> {
    store.state().cluster.secret(ADVERT_KEY)
}

/// The key of the adverts, opened.
pub(super) fn advert_key(store: &Store, sealer: &Sealer) -> Result<AdvertKey, ServeError> {
    const PART: &str = "the key of the address adverts";
    let sealed = sealed_key(store).ok_or_else(|| ServeError::Setup {
        part: PART,
        source: "it is missing".into(),
    })?;
    let secret = sealer.open(&sealed).map_err(ServeError::setup(PART))?;
    let bytes: &[u8; 32] = secret.bytes().try_into().map_err(ServeError::setup(PART))?;
    Ok(AdvertKey::new(bytes))
}

/// Where the sequence of adverts begins: higher than in the life before, on any clock that works at all.
fn micros_since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
