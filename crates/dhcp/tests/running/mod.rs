//! A server on loopback, and a relay that does not listen on port 67: what the rootless lab and demo do.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use dhcp::{
    BIOS_LOADER, Count, Counters, DhcpSocket, Loaders, Network, Responder, Rules, Server, UEFI_LOADER,
};
use model::MacAddr;
use raft::Store;
use timeline::Timeline;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;

use crate::testing::{self, RawPacket};

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(127, 97, 0, 1);
pub(crate) const RELAY: Ipv4Addr = Ipv4Addr::new(127, 97, 9, 1);
/// Sub-option 1 and, RFC 8357, 19; not in ascending order, as relays may send them.
pub(crate) const RELAY_INFO: [u8; 9] = [19, 0, 1, 5, b'p', b'o', b'r', b't', b'7'];
/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Running {
    address: SocketAddr,
    counters: Arc<Counters>,
    relay: UdpSocket,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start() -> Running {
        Running::start_with(testing::world(127, 97).await, || Responder::Own).await
    }

    pub(crate) async fn start_with(
        store: Store,
        turn: impl Fn() -> Responder + Send + Sync + 'static,
    ) -> Running {
        Running::start_noting(store, turn, Timeline::default()).await
    }

    pub(crate) async fn start_noting(
        store: Store,
        turn: impl Fn() -> Responder + Send + Sync + 'static,
        timeline: Timeline,
    ) -> Running {
        Running::begin(network(), store, turn, timeline).await
    }

    /// On a network that is not [`network`].
    #[allow(dead_code, reason = "for relays only")]
    pub(crate) async fn start_on(network: Network, store: Store) -> Running {
        Running::begin(network, store, || Responder::Own, Timeline::default()).await
    }

    async fn begin(
        network: Network,
        store: Store,
        turn: impl Fn() -> Responder + Send + Sync + 'static,
        timeline: Timeline,
    ) -> Running {
        let loaders = Loaders::new([BIOS_LOADER, UEFI_LOADER]);
        Running::run(Server::new(store, network, loaders, turn, timeline)).await
    }

    /// A server whose turn it always is, with rules.
    pub(crate) async fn start_guarded(store: Store, rules: Rules) -> Running {
        let loaders = Loaders::new([BIOS_LOADER, UEFI_LOADER]);
        let timeline = Timeline::default();
        Running::run(Server::new(store, network(), loaders, || Responder::Own, timeline).guarded(rules)).await
    }

    /// One of several members that share the clients: what it hears is heard by all of them, because it was not sent to the
    /// service address. `turn` says whose turn it is to answer a client.
    #[allow(dead_code, reason = "for shared clients only")]
    pub(crate) async fn start_sharing(
        store: Store,
        turn: impl Fn(MacAddr) -> Responder + Send + Sync + 'static,
    ) -> Running {
        let network = Network {
            service_address: Ipv4Addr::new(127, 97, 0, 9),
            ..network()
        };
        let loaders = Loaders::new([BIOS_LOADER, UEFI_LOADER]);
        let holder = || Responder::Own;
        let server = Server::new(store, network, loaders, holder, Timeline::default());
        Running::run(server.sharing(turn)).await
    }

    async fn run(server: Server) -> Running {
        let socket = DhcpSocket::on_address(SocketAddrV4::new(SERVER, 0)).unwrap();
        let (address, counters) = (socket.local_addr().unwrap(), server.counters());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move { server.run(socket, async { drop(stopped.await) }).await });
        let relay = UdpSocket::bind((RELAY, 0)).await.unwrap();
        Running {
            address,
            counters,
            relay,
            stop,
            task,
        }
    }

    pub(crate) async fn send(&self, packet: &[u8]) {
        self.relay.send_to(packet, self.address).await.unwrap();
    }

    pub(crate) async fn receive(&self) -> Vec<u8> {
        let mut answer = vec![0; 2048];
        let (len, from) = tokio::time::timeout(PATIENCE, self.relay.recv_from(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(from, self.address);
        answer.truncate(len);
        answer
    }

    pub(crate) async fn ask(&self, raw: &RawPacket) -> Vec<u8> {
        self.send(&raw.bytes()).await;
        self.receive().await
    }

    pub(crate) async fn counted(&self, what: Count, n: u64) {
        let reached = async {
            while self.counters.get(what) < n {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        assert!(
            waited.is_ok(),
            "{} stays at {}",
            what.name(),
            self.counters.get(what)
        );
        assert_eq!(self.counters.get(what), n, "{}", what.name());
    }

    /// The packet gets no answer and is counted as `why`.
    pub(crate) async fn ignores(&self, packet: &[u8], why: Count) {
        let before = self.counters.get(why);
        self.send(packet).await;
        self.counted(why, before + 1).await;
    }

    /// Takes away what has come for the relay; says how much.
    #[allow(dead_code, reason = "for floods only")]
    pub(crate) fn drain(&self) -> usize {
        let mut answer = [0; 2048];
        std::iter::from_fn(|| self.relay.try_recv(&mut answer).ok()).count()
    }

    /// Nothing is waiting for the relay. The counter of the last packet was awaited, so nothing is under way either.
    pub(crate) fn assert_silent(&self) {
        let nothing = self.relay.try_recv(&mut [0; 2048]);
        assert_eq!(nothing.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

pub(crate) fn network() -> Network {
    Network {
        service_address: SERVER,
        relayed_subnets: Vec::new(),
        ..testing::network()
    }
}

pub(crate) fn relayed(message_type: u8) -> RawPacket {
    RawPacket {
        giaddr: RELAY,
        ..RawPacket::new(message_type)
    }
}

pub(crate) fn with_info(raw: RawPacket) -> RawPacket {
    raw.options(&[(82, &RELAY_INFO)])
}

pub(crate) fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = &message[240..];
    while rest[0] != 255 {
        let len = usize::from(rest[1]);
        if rest[0] == wanted {
            return Some(&rest[2..2 + len]);
        }
        rest = &rest[2 + len..];
    }
    None
}
