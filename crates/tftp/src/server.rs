//! The server: takes requests from a socket, starts one bounded task per transfer, refuses the rest.

mod dry_run;

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::completed::Completed;
use crate::counters::{Count, Counters};
use crate::files::Files;
use crate::listen::{Arrival, Listener};
use crate::options::Granted;
use crate::packet::{self, ErrorCode, REQUEST_BYTES_MAX, Reply, Request};
use crate::resume::Resumable;
use crate::sender::Sender;
use crate::slots::{Limits, Slot, Slots};
use crate::transfer::{End, Transfer};

/// Time that running transfers get when the server stops.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
/// Pause after an error of the request socket, so that a lasting one does not spin.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(100);

/// A read-only TFTP server; clones share files, limits and counters, so that several sockets form one server.
#[derive(Clone, Debug)]
pub struct Server {
    files: Arc<Files>,
    resumable: Arc<Resumable>,
    counters: Arc<Counters>,
    slots: Arc<Slots>,
    completed: Completed,
}

impl Server {
    /// A server of these files.
    pub fn new(files: Files, limits: Limits) -> Server {
        Server {
            resumable: Arc::new(Resumable::of(&files)),
            files: Arc::new(files),
            counters: Arc::default(),
            slots: Arc::new(Slots::new(limits)),
            completed: Completed::default(),
        }
    }

    /// As it is, and tells `completed` of each client that has a whole file: its address, and the file. It is called on the
    /// task of the transfer and must not block.
    #[must_use]
    pub fn telling(self, completed: impl Fn(IpAddr, &Bytes) + Send + Sync + 'static) -> Server {
        let completed = Completed::new(completed);
        Server { completed, ..self }
    }

    /// What happened so far.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// The files it serves.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Serves requests that arrive on `socket` (bound to an address or, with SO_BINDTODEVICE, to an
    /// interface) until `shutdown` resolves; then running transfers get up to 5 s to finish.
    ///
    /// # Errors
    /// Only if the socket cannot be used at all. Later errors are counted and outlived: an interface may go
    /// down and come back.
    pub async fn serve(&self, socket: UdpSocket, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let decide = |packet: &[u8], arrival| self.decide(packet, arrival);
        self.serve_with(socket, shutdown, decide).await
    }

    /// The ports from which transfers come that another member may carry on. A server that takes over a service
    /// address must be heard there: [`Server::carry_on`].
    pub fn resume_ports(&self) -> Vec<u16> {
        self.resumable.ports().collect()
    }

    /// Carries on transfers that another member began: serves the ACKs that arrive on `socket`, which is bound to
    /// `port`, one of [`Server::resume_ports`], with SO_REUSEADDR. Otherwise as [`Server::serve`].
    ///
    /// # Errors
    /// As [`Server::serve`].
    pub async fn carry_on(
        &self,
        port: u16,
        socket: UdpSocket,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let decide = |packet: &[u8], arrival| self.decide_to_carry_on(port, packet, arrival);
        self.serve_with(socket, shutdown, decide).await
    }

    async fn serve_with(
        &self,
        socket: UdpSocket,
        shutdown: impl Future<Output = ()>,
        decide: impl Fn(&[u8], Arrival) -> Result<Accepted, Count>,
    ) -> io::Result<()> {
        let listener = Listener::new(socket)?;
        let mut transfers = JoinSet::new();
        // One byte more than a request may have, so that a longer one is seen to be too long.
        let mut buffer = [0; REQUEST_BYTES_MAX + 1];
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = transfers.join_next() => self.note_ended(&ended),
                arrival = listener.receive(&mut buffer) => match arrival {
                    Ok(arrival) => {
                        let outcome = catch_unwind(AssertUnwindSafe(|| decide(&buffer[..arrival.len], arrival)));
                        self.act(outcome, arrival, &mut transfers);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "tftp: the request socket failed");
                        self.counters.add(Count::SocketError);
                        tokio::time::sleep(SOCKET_ERROR_PAUSE).await;
                    }
                },
            }
        }
        let drained = async {
            while let Some(ended) = transfers.join_next().await {
                self.note_ended(&ended);
            }
        };
        // What is not done by then is cut off: the client goes on with another member.
        let _ = tokio::time::timeout(DRAIN_TIME_MAX, drained).await;
        Ok(())
    }

    /// Starts what was decided; a panic in the decision costs that packet only.
    fn act(
        &self,
        outcome: std::thread::Result<Result<Accepted, Count>>,
        arrival: Arrival,
        transfers: &mut JoinSet<()>,
    ) {
        match outcome {
            Ok(Ok(accepted)) => drop(transfers.spawn(self.clone().transfer(accepted))),
            Ok(Err(refused)) => self.refuse(refused, arrival),
            Err(_) => self.counters.add(Count::Panicked),
        }
    }

    fn decide(&self, packet: &[u8], arrival: Arrival) -> Result<Accepted, Count> {
        let (name, wanted) = match packet::parse_request(packet) {
            Request::Read { name, wanted } => (name, wanted),
            Request::OtherMode => return Err(Count::ModeRefused),
            Request::Write => return Err(Count::WriteRefused),
            Request::Stray => return Err(Count::Unexpected),
            Request::Malformed => return Err(Count::Malformed),
        };
        self.counters.add(Count::Requests);
        let Some(data) = self.files.get(name) else {
            tracing::debug!(name, peer = %arrival.peer, "tftp: no such file");
            return Err(Count::NotFound);
        };
        let slot = Slots::claim(&self.slots, arrival.peer)?;
        let mut granted = wanted.grant(data.len() as u64);
        let port = self.resumable.port(&data, granted.blksize());
        if port.is_some() {
            // Whoever carries it on does not know the window, and boots are not won by it.
            granted = granted.without_window();
        }
        Ok(Accepted {
            slot,
            work: Work::Begin(data),
            granted,
            local: arrival.local,
            port,
        })
    }

    /// An ACK of a transfer that nobody here runs: the kernel hands those that run to their own sockets.
    fn decide_to_carry_on(&self, port: u16, packet: &[u8], arrival: Arrival) -> Result<Accepted, Count> {
        let Reply::Ack(block) = packet::parse_reply(packet) else {
            return Err(Count::Unexpected);
        };
        let (data, blksize) = self.resumable.transfer(port).ok_or(Count::Unexpected)?;
        let sender = Sender::behind(data, blksize, block).ok_or(Count::Unexpected)?;
        let slot = Slots::claim(&self.slots, arrival.peer)?;
        self.counters.add(Count::CarriedOn);
        tracing::debug!(peer = %arrival.peer, block, port, "tftp: a transfer is carried on");
        Ok(Accepted {
            slot,
            work: Work::CarryOn(sender),
            granted: Granted::carried_on(blksize),
            local: arrival.local,
            port: Some(port),
        })
    }

    /// Counts a refusal and, where the client can do something with it, says why.
    fn refuse(&self, why: Count, arrival: Arrival) {
        self.counters.add(why);
        let (code, text) = match why {
            Count::NotFound => (ErrorCode::NotFound, "File not found"),
            Count::WriteRefused => (ErrorCode::AccessViolation, "This server is read-only"),
            Count::ModeRefused => (ErrorCode::IllegalOperation, "Only octet mode is served"),
            _ => return,
        };
        let mut answer = Vec::with_capacity(64);
        packet::write_error(&mut answer, code, text);
        // From a fresh port, like the first packet of a transfer. The kernel's buffer takes it at once.
        let sent = std::net::UdpSocket::bind(own_end(arrival.local, 0, arrival.peer)).and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to(&answer, arrival.peer)
        });
        if sent.is_err() {
            self.counters.add(Count::SocketError);
        }
    }

    async fn transfer(self, accepted: Accepted) {
        let (peer, file) = (accepted.slot.peer(), accepted.work.file().clone());
        match accepted.run().await {
            Ok((end, bytes)) => {
                if end == End::Completed {
                    self.completed.tell(peer.ip(), &file);
                }
                self.counters.add_many(Count::Bytes, bytes);
                self.counters.add(match end {
                    End::Completed => Count::Completed,
                    End::SizeProbe => Count::SizeProbes,
                    End::AbortedByClient => Count::AbortedByClient,
                    End::TimedOut => Count::TimedOut,
                });
                tracing::debug!(%peer, ?end, bytes, "tftp: transfer ended");
            }
            Err(error) => {
                self.counters.add(Count::SocketError);
                tracing::warn!(%peer, %error, "tftp: transfer failed");
            }
        }
    }

    fn note_ended(&self, ended: &Result<(), tokio::task::JoinError>) {
        if ended.is_err() {
            self.counters.add(Count::Panicked);
        }
    }
}

/// A request that gets its file.
struct Accepted {
    slot: Slot,
    work: Work,
    granted: Granted,
    local: IpAddr,
    /// Where another member would go on.
    port: Option<u16>,
}

/// What there is to send.
enum Work {
    /// All of it.
    Begin(Bytes),
    /// The rest.
    CarryOn(Sender),
}

impl Work {
    fn file(&self) -> &Bytes {
        match self {
            Work::Begin(file) => file,
            Work::CarryOn(sender) => sender.file(),
        }
    }
}

impl Accepted {
    async fn run(self) -> io::Result<(End, u64)> {
        let peer = self.slot.peer();
        let socket = match self.port {
            // A port that someone else has makes a transfer that nobody can carry on.
            Some(port) => connected(self.local, port, peer).or_else(|_| connected(self.local, 0, peer)),
            None => connected(self.local, 0, peer),
        }?;
        let transfer = Transfer::new(&socket, self.granted);
        match self.work {
            Work::Begin(data) => transfer.run(data).await,
            Work::CarryOn(sender) => transfer.carry_on(sender).await,
        }
    }
}

/// A socket that hears this client only: the kernel drops packets of any other sender, and prefers it to the
/// socket that listens on the same port.
fn connected(local: IpAddr, port: u16, peer: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(port != 0)?;
    socket.bind(&own_end(local, port, peer).into())?;
    hear_only(&socket, peer)?;
    UdpSocket::from_std(socket.into())
}

/// The address that was asked; a link-local one means something on the client's interface only.
fn own_end(local: IpAddr, port: u16, peer: SocketAddr) -> SocketAddr {
    match (local, peer) {
        (IpAddr::V6(local), SocketAddr::V6(peer)) if local.is_unicast_link_local() => {
            SocketAddrV6::new(local, port, 0, peer.scope_id()).into()
        }
        _ => SocketAddr::new(local, port),
    }
}

/// Connects a bound socket, and forgets what came before: it may be another client's.
fn hear_only(socket: &Socket, peer: SocketAddr) -> io::Result<()> {
    socket.connect(&peer.into())?;
    // the system is asked: tokio's own `try_recv` says "nothing" of a socket that it has not waited for yet
    while socket.recv(&mut [MaybeUninit::uninit(); 1]).is_ok() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between binding and connecting anybody's packet gets in; it must not be taken for the client's.
    #[test]
    fn what_came_before_the_connection_is_not_heard() {
        let bind = |last| std::net::UdpSocket::bind(SocketAddr::from(([127, 97, 2, last], 0))).unwrap();
        let (socket, stranger, client) = (bind(1), bind(2), bind(3));
        let (own, peer) = (socket.local_addr().unwrap(), client.local_addr().unwrap());
        for _ in 0..3 {
            stranger.send_to(b"ACK", own).unwrap();
        }
        socket.peek(&mut [0; 4]).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = Socket::from(socket);
        hear_only(&socket, peer).unwrap();
        stranger.send_to(b"ACK", own).unwrap();
        let left = socket.recv(&mut [MaybeUninit::uninit(); 4]);
        assert_eq!(left.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.send_to(b"mine", own).unwrap();
        socket.set_nonblocking(false).unwrap();
        assert_eq!(socket.recv(&mut [MaybeUninit::uninit(); 8]).unwrap(), 4);
    }
}
