//! The server: one packet in, at most one out. Nothing on its way touches a disk or another host; what needs the majority
//! waits for it in a task of its own (`pending.rs`).

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use dhcp::{Kept, LOOK_EVERY, Loaders, Repeats, Responder, Waiting};
use dhcproto::v6::MessageType;
use model::MacAddr;
use proto::bss::v1::boot_phase::Phase;
use raft::Store;
use state::State;
use timeline::Timeline;
use tokio::time::Instant;

use crate::counters::{Count, Counters};
use crate::limits::ClientLimiter;
use crate::network::{Network, Site};
use crate::pending::{Pending, PendingTasks};
use crate::policy::{Decision, decide};
use crate::reply::Reply;
use crate::request::{Client, Request};
use crate::socket::{Sender, Socket, destination};

/// Longest packet read, bytes; what fills it is dropped. An Ethernet frame carries 1,452.
const PACKET_BYTES_MAX: usize = 2048;
/// Pause after an error of the socket, so that a lasting one does not spin.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(100);

/// The DHCPv6 server of one network; clones share everything.
#[derive(Clone)]
pub struct Server(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    network: Network,
    loaders: Loaders,
    turn: Box<dyn Fn() -> Responder + Send + Sync>,
    timeline: Timeline,
    counters: Arc<Counters>,
}

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
        Server(Arc::new(Inner {
            store,
            network,
            loaders,
            turn: Box::new(turn),
            timeline,
            counters: Arc::default(),
        }))
    }

    /// What happened so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.0.counters)
    }

    /// Answers what arrives on `socket` until `shutdown` resolves. Errors of the socket are counted and outlived: an
    /// interface may go down and come back.
    pub async fn run(&self, socket: Socket, shutdown: impl Future<Output = ()>) {
        let mut worker = Worker {
            server: self.clone(),
            socket: Arc::new(socket),
            limiter: ClientLimiter::new(self.0.network.limits, Instant::now()),
            repeats: Repeats::default(),
            waiting: Waiting::default(),
            pending: PendingTasks::new(self.counters()),
        };
        let mut packet = [0; PACKET_BYTES_MAX];
        let mut shutdown = std::pin::pin!(shutdown);
        let mut look = Instant::now();
        loop {
            let arrival = tokio::select! {
                () = &mut shutdown => return,
                arrival = worker.socket.receive(&mut packet) => arrival,
                () = tokio::time::sleep_until(look), if !worker.waiting.is_empty() => {
                    worker.look_at_waiting();
                    look = Instant::now() + LOOK_EVERY;
                    continue;
                }
            };
            match arrival {
                Ok((len, sender)) => worker.take(&packet[..len], sender),
                Err(error) => {
                    tracing::warn!(%error, "dhcpv6: the socket failed");
                    self.0.counters.add(Count::ReceiveFailed);
                    tokio::time::sleep(SOCKET_ERROR_PAUSE).await;
                }
            }
        }
    }

    pub(crate) fn decide(&self, request: &Request<'_>) -> Decision {
        self.decide_on(&self.0.store.state(), request)
    }

    fn decide_on(&self, state: &State, request: &Request<'_>) -> Decision {
        let Inner {
            store,
            network,
            loaders,
            ..
        } = self.0.as_ref();
        let site = Site {
            network,
            loaders,
            now_ms: store.cluster_time_ms(),
            isolated_lease_s: (!store.has_leader()).then_some(network.isolated_lease_s),
        };
        decide(state, request, &site)
    }

    pub(crate) fn send(
        &self,
        socket: &Socket,
        request: &Request<'_>,
        reply: &Reply,
        sender: &Sender,
    ) -> Count {
        let mut message = Vec::new();
        reply.write(request, &mut message);
        let to = destination(request, sender);
        if let Err(error) = socket.send(to, &message) {
            tracing::debug!(%error, %to, "dhcpv6: an answer could not be sent");
            return Count::SendFailed;
        }
        tracing::debug!(kind = ?reply.message_type, %to, "dhcpv6: answered");
        if let Ok(mac) = request.mac_in(&self.0.store.state()) {
            self.note_phase(mac, request, reply, message.len());
            if reply.note == Some(Count::DeclinedReservation) {
                tracing::warn!(
                    %mac,
                    "dhcpv6: the client found its reserved address in use; the reservation stays, find the other owner"
                );
            }
        }
        reply.note.into_iter().for_each(|note| self.0.counters.add(note));
        match reply.message_type {
            MessageType::Advertise => Count::Advertises,
            _ => Count::Replies,
        }
    }

    /// Firmware and iPXE come to a phase of a boot; an operating system that asks for its address does not.
    fn note_phase(&self, mac: MacAddr, request: &Request<'_>, reply: &Reply, bytes: usize) {
        let phase = match (reply.message_type, request.message_type) {
            _ if request.client == Client::Other => return,
            (MessageType::Advertise, _) => Phase::Offered,
            (_, MessageType::Solicit | MessageType::Request) => Phase::Acknowledged,
            _ => return,
        };
        let state = self.0.store.state();
        self.0.timeline.note_sent(&state, mac, phase, bytes);
    }
}

/// The server at work on one socket.
struct Worker {
    server: Server,
    socket: Arc<Socket>,
    limiter: ClientLimiter,
    repeats: Repeats,
    waiting: Waiting<Sender>,
    pending: PendingTasks,
}

impl Worker {
    /// Deals with one packet; a panic costs that packet only.
    fn take(&mut self, packet: &[u8], sender: Sender) {
        self.count(Count::Received);
        self.guarded(|worker| worker.answer(packet, sender));
    }

    /// Answers what has waited for this member's turn, and lets go of what the holder has had time to answer.
    fn look_at_waiting(&mut self) {
        let turn = (self.server.0.turn)();
        let settled = self.waiting.settle(|_, _| turn, Instant::now());
        (0..settled.left).for_each(|_| self.count(Count::NotHolder));
        for Kept { packet, sender, .. } in settled.due {
            self.guarded(|worker| worker.answer_in_place_of_the_holder(&packet, sender));
        }
    }

    /// Counts what became of a packet, unless that is not known yet.
    fn guarded(&mut self, deal: impl FnOnce(&mut Self) -> Option<Count>) {
        let counters = self.server.counters();
        // The state behind `self` is whole whatever happens: tables of fixed size.
        match catch_unwind(AssertUnwindSafe(|| deal(self))) {
            Ok(Some(count)) => counters.add(count),
            Ok(None) => {}
            Err(_) => counters.add(Count::Panicked),
        }
    }

    fn answer(&mut self, packet: &[u8], sender: Sender) -> Option<Count> {
        if packet.len() == PACKET_BYTES_MAX {
            return Some(Count::TooLong);
        }
        let request = match Request::parse(packet, sender.arrival()) {
            Ok(request) => request,
            Err(why) => return Some(why),
        };
        self.count_type(&request);
        let state = self.server.0.store.state();
        if let Err(why) = self.limiter.take(&state, &request, Instant::now()) {
            return Some(why);
        }
        let decision = self.server.decide_on(&state, &request);
        if let Decision::Silent(why) = decision {
            return Some(why);
        }
        match (self.server.0.turn)() {
            Responder::Own => self.say(decision, &request, packet, sender),
            Responder::StandIn => self.answer_in_place_of_the_holder(packet, sender),
            Responder::Other { .. } => self.leave_or_answer(decision, &request, packet, sender),
        }
    }

    /// Another member's turn: it is left to that one, unless the client has asked in vain.
    fn leave_or_answer(
        &mut self,
        decision: Decision,
        request: &Request<'_>,
        packet: &[u8],
        sender: Sender,
    ) -> Option<Count> {
        let mac = match request.mac_in(&self.server.0.store.state()) {
            Ok(mac) => mac,
            Err(why) => return Some(why),
        };
        let [a, b, c] = request.xid;
        let xid = u32::from_be_bytes([0, a, b, c]);
        if !self.repeats.note(mac, xid, request.message_type.into()) {
            return self.keep(mac, packet, sender);
        }
        if self.waiting.forget(mac).is_some() {
            self.count(Count::NotHolder);
        }
        self.say(decision, request, packet, sender)
    }

    /// Decides anew: the state may be another one than when the packet came.
    fn answer_in_place_of_the_holder(&mut self, packet: &[u8], sender: Sender) -> Option<Count> {
        let request = match Request::parse(packet, sender.arrival()) {
            Ok(request) => request,
            Err(why) => return Some(why),
        };
        match self.server.decide(&request) {
            Decision::Silent(why) => Some(why),
            decision => {
                self.count(Count::StoodIn);
                self.say(decision, &request, packet, sender)
            }
        }
    }

    fn say(
        &mut self,
        decision: Decision,
        request: &Request<'_>,
        packet: &[u8],
        sender: Sender,
    ) -> Option<Count> {
        match decision {
            Decision::Silent(why) => Some(why),
            Decision::Reply(reply) => Some(self.server.send(&self.socket, request, &reply, &sender)),
            Decision::Refusal(..) => self.pending.refuse(Pending {
                server: self.server.clone(),
                socket: Arc::clone(&self.socket),
                packet: packet.to_vec(),
                sender,
            }),
        }
    }

    /// Another member should answer; should it turn out that it cannot, the packet is still here.
    fn keep(&mut self, mac: MacAddr, packet: &[u8], sender: Sender) -> Option<Count> {
        let kept = Kept {
            packet: packet.to_vec(),
            sender,
            arrived: Instant::now(),
        };
        match self.waiting.keep(mac, kept) {
            Ok(earlier) => earlier.map(|_| Count::NotHolder),
            Err(_) => Some(Count::NotHolder),
        }
    }

    fn count_type(&self, request: &Request<'_>) {
        let kind = Count::of_type(request.message_type);
        let relayed = (!request.relays.is_empty()).then_some(Count::Relayed);
        kind.into_iter()
            .chain(relayed)
            .for_each(|count| self.count(count));
    }

    fn count(&self, what: Count) {
        self.server.0.counters.add(what);
    }
}
