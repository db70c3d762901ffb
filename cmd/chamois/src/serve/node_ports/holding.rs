//! Taking part in who holds a network's service address.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use address::claim::Target;
use address::election::Timing;
use address::external::ExternalWatch;
use address::loopback::{self, LoopbackHolder};
use address::watchdog::WatchdogCommand;
use address::{
    AdvertCounters, AdvertKey, Answers, ClientNotes, Held, Holder, HolderConfig, Neighbours, client,
};
use auth::{SealError, Sealer};
use proto::cluster::v1::SealedSecret;
use raft::Store;
use tokio::net::UdpSocket;

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
    /// Something else moves the address; this member sees whether it is here, and the members free each other's clients.
    External(ExternalWatch, Neighbours),
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
    pub(super) fn seen(
        service: Ipv4Addr,
        network: &NetworkConfig,
        config: &Config,
        key: AdvertKey,
    ) -> Result<Self, ServeError> {
        let watch =
            ExternalWatch::start(service).map_err(ServeError::setup("the watch for the service address"))?;
        let socket = advert_socket(network, config)?;
        let part = part(service, network, config, key, Answers::never());
        let neighbours = Neighbours::start(&part, socket, watch.held())
            .map_err(ServeError::setup("the service address"))?;
        Ok(Self::External(watch, neighbours))
    }

    /// Adverts from and to the members' own addresses.
    pub(super) fn with_helper(
        service: Ipv4Addr,
        network: &NetworkConfig,
        config: &Config,
        key: AdvertKey,
        answers: Answers,
    ) -> Result<Self, ServeError> {
        let socket = advert_socket(network, config)?;
        let part = part(service, network, config, key, answers);
        let claims = client::start(config.address.helper_socket.clone(), part.service.clone());
        let holder = Holder::start(part, socket, claims).map_err(ServeError::setup("the service address"))?;
        Ok(Self::Helper(holder))
    }

    /// The answer to "do I hold it?".
    pub(super) fn held(&self) -> Held {
        match self {
            Self::Loopback(holder) => holder.held(),
            Self::Helper(holder) => holder.held(),
            Self::External(watch, _) => watch.held(),
            Self::Own(held) => held.clone(),
        }
    }

    /// Where to note the connections that clients open on the address, if another member can inherit it.
    pub(super) fn clients(&self) -> Option<ClientNotes> {
        match self {
            Self::Helper(holder) => Some(holder.clients()),
            Self::External(_, neighbours) => Some(neighbours.clients()),
            Self::Loopback(_) | Self::Own(_) => None,
        }
    }

    /// What was heard of other members.
    pub(super) fn counters(&self) -> Option<Arc<AdvertCounters>> {
        match self {
            Self::Helper(holder) => Some(holder.counters()),
            Self::External(_, neighbours) => Some(neighbours.counters()),
            Self::Loopback(_) | Self::Own(_) => None,
        }
    }

    /// Lets another member have it at once.
    pub(super) async fn leave(self) {
        match self {
            Self::Loopback(holder) => drop(holder),
            // whoever moves it learned from `/readyz` that this member stops
            Self::External(..) | Self::Own(_) => {}
            Self::Helper(holder) => holder.leave().await,
        }
    }
}

/// The counters by name, for metrics.
pub(super) fn counts(counters: &AdvertCounters) -> [(&'static str, u64); 12] {
    [
        ("accepted", &counters.accepted),
        ("malformed", &counters.malformed),
        ("forged", &counters.forged),
        ("misdirected", &counters.misdirected),
        ("stale", &counters.stale),
        ("unsent", &counters.unsent),
        ("clients_untold", &counters.clients_untold),
        ("clients_noted", &counters.clients_noted),
        ("clients_unknown", &counters.clients_unknown),
        ("clients_asked", &counters.clients_asked),
        ("probes_sent", &counters.probes_sent),
        ("probes_unsent", &counters.probes_unsent),
    ]
    .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
}

/// Where adverts go out from and come in to.
fn advert_socket(network: &NetworkConfig, config: &Config) -> Result<UdpSocket, ServeError> {
    let own = SocketAddrV4::new(network.member_address, config.address.advert_port);
    interface::udp_at(&network.interface, own).map_err(|source| ServeError::Bind {
        key: "address.advert-port",
        address: own.into(),
        source,
    })
}

/// This member's part on a network whose members hear each other.
fn part(
    service: Ipv4Addr,
    network: &NetworkConfig,
    config: &Config,
    key: AdvertKey,
    answers: Answers,
) -> HolderConfig {
    let port = config.address.advert_port;
    let peers: BTreeMap<u64, SocketAddr> = network
        .peers
        .iter()
        .map(|(id, address)| (*id, SocketAddr::new((*address).into(), port)))
        .collect();
    HolderConfig {
        cluster: config.cluster.clone(),
        network: network.name.clone(),
        member: config.member.id,
        peers,
        key,
        timing: Timing::default(),
        initial_sequence: micros_since_epoch(),
        service: Target {
            interface: network.interface.clone(),
            address: service,
        },
        answers,
    }
}

/// The key of the adverts as it lies in the state; absent before the cluster's first entry is applied.
pub(super) fn sealed_key(store: &Store) -> Option<Arc<SealedSecret>> {
    store.state().cluster.secret(ADVERT_KEY)
}

/// Whether the key of the adverts is there, and no key of secrets is missing that would open it: a member that was away during a
/// rotation is given that one in a moment. One that does not open is for [`advert_key`] to say.
pub(super) fn has_advert_key(store: &Store, sealer: &Sealer) -> bool {
    let opened = sealed_key(store).map(|sealed| sealer.open(&sealed));
    !matches!(opened, None | Some(Err(SealError::KeyMissing { .. })))
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
