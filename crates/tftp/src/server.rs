//! The server: takes requests from a socket, starts one bounded task per transfer, refuses the rest.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::counters::{Count, Counters};
use crate::files::Files;
use crate::listen::{Arrival, Listener};
use crate::options::Granted;
use crate::packet::{self, ErrorCode, REQUEST_BYTES_MAX, Request};
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
    counters: Arc<Counters>,
    slots: Arc<Slots>,
}

impl Server {
    /// A server of these files.
    pub fn new(files: Files, limits: Limits) -> Server {
        Server {
            files: Arc::new(files),
            counters: Arc::default(),
            slots: Arc::new(Slots::new(limits)),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// The files it serves.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Serves requests that arrive on `socket` (IPv4, bound to an address or, with SO_BINDTODEVICE, to an
    /// interface) until `shutdown` resolves; then running transfers get up to 5 s to finish.
    ///
    /// # Errors
    /// Only if the socket cannot be used at all. Later errors are counted and outlived: an interface may go
    /// down and come back.
    pub async fn serve(&self, socket: UdpSocket, shutdown: impl Future<Output = ()>) -> io::Result<()> {
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
                    Ok(arrival) => self.take_request(&buffer[..arrival.len], arrival, &mut transfers),
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

    /// Decides about one packet of the request port; a panic in here costs that packet only.
    fn take_request(&self, packet: &[u8], arrival: Arrival, transfers: &mut JoinSet<()>) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.decide(packet, arrival)));
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
        let granted = wanted.grant(data.len() as u64);
        Ok(Accepted {
            slot,
            data,
            granted,
            local: arrival.local,
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
        let sent = std::net::UdpSocket::bind((arrival.local, 0)).and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to(&answer, arrival.peer)
        });
        if sent.is_err() {
            self.counters.add(Count::SocketError);
        }
    }

    async fn transfer(self, accepted: Accepted) {
        let peer = accepted.slot.peer();
        match accepted.run().await {
            Ok((end, bytes)) => {
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
    data: Bytes,
    granted: Granted,
    local: Ipv4Addr,
}

impl Accepted {
    async fn run(self) -> io::Result<(End, u64)> {
        let socket = UdpSocket::bind((self.local, 0)).await?;
        // Connected: the kernel drops packets of any other sender.
        socket.connect(self.slot.peer()).await?;
        Transfer::new(&socket, self.granted).run(self.data).await
    }
}
