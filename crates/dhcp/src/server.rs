//! The server: one packet in, at most one out. Nothing on its way touches a disk or another host; what needs the majority
//! waits for it in a task of its own (`pending.rs`).

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use dhcproto::v4::MessageType;
use model::MacAddr;
use proto::bss::v1::boot_phase::Phase;
use raft::Store;
use state::State;
use state::dhcp::LeaseClient;
use timeline::Timeline;
use tokio::time::Instant;

use crate::batch::{Batch, Datagram, PACKET_BYTES_MAX};
use crate::binder::Binder;
use crate::counters::{Count, Counters};
use crate::guard::Guard;
use crate::missing_loader::MissingLoaderLog;
use crate::network::{Loaders, Network, Site};
use crate::offers::Offers;
use crate::outbox::Outbox;
use crate::pace::{GATHER, Pace};
use crate::pending::{Pending, PendingTasks};
use crate::policy::Decision;
use crate::repeats::Repeats;
use crate::reply::Reply;
use crate::request::{Client, Request};
use crate::routing::{Destination, destination};
use crate::share::Share;
use crate::socket::{DhcpSocket, NotSent};
use crate::strangers::Strangers;
use crate::traffic::Traffic;
use crate::waiting::{self, Kept, Responder, Waiting};

/// Pause after an error of the socket, so that a lasting one does not spin.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(100);
/// `secs` of a client that nobody answers: firmware asks again after 4 s at the latest. Far more is no count of seconds (some
/// write its bytes in the wrong order).
const SECS_IN_VAIN: RangeInclusive<u16> = 4..=255;

/// The DHCP server of one network; clones share everything, so that it can run on several sockets.
#[derive(Clone)]
pub struct Server(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) binder: Arc<Binder>,
    pub(crate) strangers: Strangers,
    pub(crate) guard: Guard,
    pub(crate) offers: Offers,
    pub(crate) network: Network,
    loaders: Loaders,
    pub(crate) turn: Box<dyn Fn() -> Responder + Send + Sync>,
    shared_turn: Option<SharedTurn>,
    timeline: Timeline,
    pub(crate) counters: Arc<Counters>,
    pub(crate) traffic: Traffic,
    missing_loaders: MissingLoaderLog,
}

/// Whose turn it is to answer a client that every member has heard.
type SharedTurn = Box<dyn Fn(MacAddr) -> Responder + Send + Sync>;

impl Server {
    /// A server that reads `store`. `turn` says whether it is this member's turn to answer now: then it answers at
    /// once, else what comes a second time, and what it has kept when its turn comes within two seconds. Answers to nodes
    /// that boot are noted in `timeline`.
    pub fn new(
        store: Store,
        network: Network,
        loaders: Loaders,
        turn: impl Fn() -> Responder + Send + Sync + 'static,
        timeline: Timeline,
    ) -> Server {
        let counters = Arc::default();
        Server(Arc::new(Inner {
            binder: Binder::new(store.clone()),
            store,
            strangers: Strangers::default(),
            guard: Guard::default(),
            offers: Offers::default(),
            network,
            loaders,
            turn: Box::new(turn),
            shared_turn: None,
            timeline,
            counters,
            traffic: Traffic::default(),
            missing_loaders: MissingLoaderLog::new(Instant::now()),
        }))
    }

    /// Members share the clients: `turn` says whose turn it is to answer what this client has sent to all of them. What is
    /// sent to the service address is its holder's, as ever.
    ///
    /// # Panics
    /// If the server has been cloned already: a mistake of the caller's.
    #[must_use]
    pub fn sharing(mut self, turn: impl Fn(MacAddr) -> Responder + Send + Sync + 'static) -> Server {
        Arc::get_mut(&mut self.0)
            .expect("it is said before the server is cloned")
            .shared_turn = Some(Box::new(turn));
        self
    }

    /// What happened so far.
    pub fn counters(&self) -> Arc<Counters> {
        self.0.counters.clone()
    }

    /// Answers what arrives on `socket` until `shutdown` resolves. Errors of the socket are counted and outlived: an
    /// interface may go down and come back.
    pub async fn run(&self, socket: DhcpSocket, shutdown: impl Future<Output = ()>) {
        let mut worker = Worker {
            server: self.clone(),
            socket: Arc::new(socket),
            repeats: Repeats::default(),
            waiting: Waiting::default(),
            buffers: Buffers {
                outbox: Some(Outbox::default()),
                ..Buffers::default()
            },
            pending: PendingTasks::new(self.counters()),
            arrived: Instant::now(),
        };
        let mut batch = Batch::new();
        let mut shutdown = std::pin::pin!(shutdown);
        let (mut look, mut pace) = (Instant::now(), Pace::new(Instant::now()));
        loop {
            let arrival = tokio::select! {
                () = &mut shutdown => return,
                arrival = worker.socket.receive(&mut batch) => arrival,
                () = tokio::time::sleep_until(look), if !worker.waiting.is_empty() => {
                    worker.look_at_waiting();
                    look = Instant::now() + waiting::LOOK_EVERY;
                    continue;
                }
            };
            match arrival {
                Ok(()) => {
                    worker.arrived = Instant::now();
                    batch.datagrams().for_each(|datagram| worker.take(datagram));
                    worker.send_waiting();
                    if pace.gathers(batch.taken(), batch.is_full(), worker.arrived) {
                        tokio::time::sleep(GATHER).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "dhcp: the socket failed");
                    self.0.counters.add(Count::ReceiveFailed);
                    tokio::time::sleep(SOCKET_ERROR_PAUSE).await;
                }
            }
        }
    }
}

/// Reused for every reply.
#[derive(Default)]
pub(crate) struct Buffers {
    message: Vec<u8>,
    packet: Vec<u8>,
    /// Answers to the packets of one batch leave together; alone where there is no batch.
    outbox: Option<Outbox>,
}

/// Where a packet came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) sender: SocketAddrV4,
    /// The other members have it too: it was no unicast to the service address.
    pub(crate) is_shared: bool,
    /// It was sent to everybody on the link.
    pub(crate) is_broadcast: bool,
}

impl Origin {
    /// Reads a packet that came from here.
    ///
    /// # Errors
    /// Those of [`Request::parse`].
    pub(crate) fn request(self, packet: &[u8]) -> Result<Request<'_>, Count> {
        let request = Request::parse(packet)?;
        Ok(Request {
            is_broadcast: self.is_broadcast,
            ..request
        })
    }
}

/// The server at work on one socket.
struct Worker {
    server: Server,
    socket: Arc<DhcpSocket>,
    repeats: Repeats,
    waiting: Waiting<Origin>,
    buffers: Buffers,
    pending: PendingTasks,
    /// When the packet came that is dealt with: it has waited for those before it in its batch.
    arrived: Instant,
}

impl Worker {
    /// Deals with one packet; a panic costs that packet only.
    fn take(&mut self, datagram: Datagram<'_>) {
        self.server.0.counters.add(Count::Received);
        let origin = Origin {
            sender: datagram.sender,
            is_shared: datagram.to != self.server.0.network.service_address,
            is_broadcast: datagram.to == Ipv4Addr::BROADCAST,
        };
        self.guarded(|worker| worker.answer(datagram.bytes, origin));
    }

    /// Answers what has waited for this member's turn, and lets go of what the holder has had time to answer.
    fn look_at_waiting(&mut self) {
        let turn = |mac, kept: &Kept<Origin>| self.server.turn(mac, kept.sender.is_shared);
        let settled = self.waiting.settle(turn, Instant::now());
        (0..settled.left).for_each(|_| self.server.0.counters.add(Count::NotHolder));
        for Kept {
            packet,
            sender: origin,
            arrived,
        } in settled.due
        {
            self.arrived = arrived;
            self.guarded(|worker| worker.answer_in_place_of_another(&packet, origin));
        }
        self.send_waiting();
    }

    /// An answer that could not be sent has been counted as one, too.
    fn send_waiting(&mut self) {
        if let Some(outbox) = &mut self.buffers.outbox {
            let source = self.server.0.network.service_address;
            let counters = &self.server.0.counters;
            self.socket.send_waiting(source, outbox, |to, error| {
                tracing::debug!(%error, %to, "dhcp: a reply could not be sent");
                counters.add(Count::SendFailed);
            });
        }
    }

    /// Counts what became of a packet; `None` if that is not known yet.
    fn guarded(&mut self, deal: impl FnOnce(&mut Self) -> Option<Count>) {
        let counters = self.server.counters();
        // The state behind `self` is whole whatever happens: tables of fixed size, and buffers that are cleared before use.
        match catch_unwind(AssertUnwindSafe(|| deal(self))) {
            Ok(Some(count)) => counters.add(count),
            Ok(None) => {}
            Err(_) => counters.add(Count::Panicked),
        }
    }

    fn answer(&mut self, packet: &[u8], origin: Origin) -> Option<Count> {
        if packet.len() == PACKET_BYTES_MAX {
            return Some(Count::TooLong);
        }
        let mut request = match origin.request(packet) {
            Ok(request) => request,
            Err(why) => return Some(why),
        };
        self.server.0.traffic.received(request.message_type);
        if let Err(why) = self.server.admit(&request) {
            return Some(why);
        }
        let turn = self.server.turn(request.mac, origin.is_shared);
        let decision = self.server.decide(&request);
        if !matches!(turn, Responder::Other { .. }) {
            self.note_stranger(&request, &decision);
        }
        if self.server.0.guard.observes() {
            return Some(self.server.observe(&mut request));
        }
        match decision {
            Decision::Silent(why) => {
                self.server.let_offer_go(&request, why);
                Some(why)
            }
            decision => match turn {
                Responder::Own => self.say(decision, &request, packet, origin),
                Responder::StandIn => self.answer_in_place_of_another(packet, origin),
                Responder::Other { .. } if self.asks_in_vain(&request) => {
                    self.no_longer_waits(&request);
                    self.say(decision, &request, packet, origin)
                }
                Responder::Other { .. } => self.keep(&request, packet, origin),
            },
        }
    }

    /// Nobody answers the client: it sends the same again, or says that it has been trying for a while.
    fn asks_in_vain(&mut self, request: &Request<'_>) -> bool {
        let message_type = request.message_type.into();
        let is_repeated = self.repeats.note(request.mac, request.xid, message_type);
        is_repeated || SECS_IN_VAIN.contains(&request.secs)
    }

    /// A MAC that SMD does not know is news.
    fn note_stranger(&mut self, request: &Request<'_>, decision: &Decision) {
        let may_be = matches!(
            decision,
            Decision::Silent(Count::UnknownMac) | Decision::Offer(..) | Decision::Bind(_)
        );
        let Inner {
            store,
            network,
            strangers,
            ..
        } = self.server.0.as_ref();
        if may_be && strangers.note(&store.state(), request, network, store.cluster_time_ms()) {
            self.pending.tell_of_strangers(&self.server);
        }
    }

    /// Decides anew: the state may be another one than when the packet came.
    fn answer_in_place_of_another(&mut self, packet: &[u8], origin: Origin) -> Option<Count> {
        let request = match origin.request(packet) {
            Ok(request) => request,
            Err(why) => return Some(why),
        };
        match self.server.decide(&request) {
            Decision::Silent(why) => Some(why),
            decision => {
                self.server.0.counters.add(Count::StoodIn);
                self.say(decision, &request, packet, origin)
            }
        }
    }

    fn say(
        &mut self,
        decision: Decision,
        request: &Request<'_>,
        packet: &[u8],
        origin: Origin,
    ) -> Option<Count> {
        if self.server.to_be_probed(request, &decision).is_some() {
            return self.pending.probe(self.pending_packet(packet, origin));
        }
        match decision {
            Decision::Silent(why) => Some(why),
            Decision::Reply(reply) => Some(self.send(request, &reply, origin.sender)),
            Decision::Offer(reply, client) => {
                self.server.0.offers.note(reply.yiaddr, &client, Instant::now());
                Some(self.send(request, &reply, origin.sender))
            }
            Decision::Nak(_) => self.pending.nak(self.pending_packet(packet, origin)),
            Decision::Bind(_) => self.pending.bind(self.pending_packet(packet, origin)),
            Decision::End(end) => self.pending.end(&self.server, end),
        }
    }

    fn send(&mut self, request: &Request<'_>, reply: &Reply, sender: SocketAddrV4) -> Count {
        if self.buffers.outbox.as_ref().is_some_and(Outbox::is_full) {
            self.send_waiting();
        }
        let count = self
            .server
            .send(&self.socket, &mut self.buffers, request, reply, sender);
        self.server.note_wait(request, reply, count, self.arrived);
        count
    }

    fn pending_packet(&self, packet: &[u8], origin: Origin) -> Pending {
        Pending {
            server: self.server.clone(),
            socket: Arc::clone(&self.socket),
            packet: packet.to_vec(),
            origin,
            arrived: self.arrived,
        }
    }

    /// Another member should answer; should it turn out that it cannot, the packet is still here.
    fn keep(&mut self, request: &Request<'_>, packet: &[u8], origin: Origin) -> Option<Count> {
        let kept = Kept {
            packet: packet.to_vec(),
            sender: origin,
            arrived: self.arrived,
        };
        match self.waiting.keep(request.mac, kept) {
            Ok(earlier) => earlier.map(|_| Count::NotHolder),
            Err(_) => Some(Count::NotHolder),
        }
    }

    fn no_longer_waits(&mut self, request: &Request<'_>) {
        if self.waiting.forget(request.mac).is_some() {
            self.server.0.counters.add(Count::NotHolder);
        }
    }
}

impl Server {
    /// Whose turn it is to answer a client, as this member sees it now.
    pub(crate) fn turn(&self, client: MacAddr, is_shared: bool) -> Responder {
        match &self.0.shared_turn {
            Some(turn) if is_shared => turn(client),
            _ => (self.0.turn)(),
        }
    }

    /// Whether a packet is looked at any further.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(&self, request: &Request<'_>) -> Result<(), Count> {
        let Inner {
            store,
            network,
            guard,
            ..
        } = self.0.as_ref();
        guard.admit(&store.state(), request, network, store.cluster_time_ms())
    }

    pub(crate) fn decide(&self, request: &Request<'_>) -> Decision {
        let decision = self.decide_on(&self.0.store.state(), request);
        if decision == Decision::Silent(Count::DeclinedReservation) {
            tracing::warn!(
                mac = %request.mac, address = ?request.requested,
                "dhcp: the client found its reserved address in use; the reservation stays, find the other owner"
            );
        }
        decision
    }

    /// What is decided from `state`; nothing is said of it.
    pub(crate) fn decide_on(&self, state: &State, request: &Request<'_>) -> Decision {
        self.with_site_on(state, |state, site| self.0.guard.decide(state, request, site))
    }

    /// What a decision is made from, as it is now.
    pub(crate) fn with_site<T>(&self, decide: impl FnOnce(&State, &Site<'_>) -> T) -> T {
        self.with_site_on(&self.0.store.state(), decide)
    }

    fn with_site_on<T>(&self, state: &State, decide: impl FnOnce(&State, &Site<'_>) -> T) -> T {
        let Inner {
            store,
            network,
            loaders,
            offers,
            ..
        } = self.0.as_ref();
        let now = Instant::now();
        let site = Site {
            network,
            loaders,
            now_ms: store.cluster_time_ms(),
            isolated_lease_s: (!store.has_leader()).then_some(network.isolated_lease_s),
            is_offered: &|address, client| offers.is_anothers(address, client, now),
            share: &|| {
                let rank = store.rank();
                Share::new(rank.before, rank.of)
            },
        };
        decide(state, &site)
    }

    /// A client that has chosen another server needs no address of ours.
    fn let_offer_go(&self, request: &Request<'_>, why: Count) {
        if why == Count::OtherServer {
            let client_id = request.client_id.as_deref().unwrap_or_default();
            self.0.offers.forget(&LeaseClient::new(request.mac, client_id));
        }
    }

    pub(crate) fn send(
        &self,
        socket: &DhcpSocket,
        buffers: &mut Buffers,
        request: &Request<'_>,
        reply: &Reply,
        sender: SocketAddrV4,
    ) -> Count {
        self.send_to(
            socket,
            buffers,
            request,
            reply,
            destination(request, reply, sender),
        )
    }

    pub(crate) fn send_to(
        &self,
        socket: &DhcpSocket,
        buffers: &mut Buffers,
        request: &Request<'_>,
        reply: &Reply,
        to: Destination,
    ) -> Count {
        let complete = reply.write(request, &mut buffers.message);
        let source = self.0.network.service_address;
        let Buffers {
            message,
            packet,
            outbox,
        } = buffers;
        let sent = match outbox {
            Some(outbox) => socket.send_later(to, source, message, (packet, outbox)),
            None => socket.send(to, source, message, packet),
        };
        match sent {
            Ok(()) => {}
            Err(NotSent::Unroutable) => return Count::Unroutable,
            Err(NotSent::Failed(error)) => {
                tracing::debug!(%error, ?to, "dhcp: a reply could not be sent");
                return Count::SendFailed;
            }
        }
        tracing::debug!(mac = %request.mac, kind = ?reply.message_type, yiaddr = %reply.yiaddr, ?to, "dhcp: answered");
        self.note_phase(request, reply, buffers.message.len());
        if let Some(note) = reply.note {
            self.0.missing_loaders.note(request, note, Instant::now());
        }
        let left_out = (!complete).then_some(Count::OptionsLeftOut);
        reply
            .note
            .into_iter()
            .chain(left_out)
            .for_each(|note| self.0.counters.add(note));
        match (reply.message_type, request.message_type) {
            (MessageType::Offer, _) => Count::Offers,
            (MessageType::Nak, _) => Count::Naks,
            (_, MessageType::Inform) => Count::InformAcks,
            _ => Count::Acks,
        }
    }

    /// Firmware and iPXE come to a phase of a boot; an operating system that asks for its address does not.
    fn note_phase(&self, request: &Request<'_>, reply: &Reply, bytes: usize) {
        let phase = match (reply.message_type, request.message_type) {
            _ if request.client == Client::Other => return,
            (MessageType::Offer, _) => Phase::Offered,
            (MessageType::Ack, MessageType::Request) => Phase::Acknowledged,
            _ => return,
        };
        let state = self.0.store.state();
        self.0.timeline.note_sent(&state, request.mac, phase, bytes);
    }
}
