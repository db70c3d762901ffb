//! The server: one question, at most one answer. Nothing on its way touches a disk or another host, except "there is no
//! such name", which waits for the majority in a task of its own.

use std::future::Future;
use std::hash::RandomState;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use raft::Store;
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::answer::{Decision, decide};
use crate::counters::{Count, Counters};
use crate::network::Network;
use crate::question::{Question, Refusal};
use crate::rate_limit::{RateLimit, Verdict};
use crate::reply::{BYTES_OVER_UDP_MAX, Reply, Written};
use crate::udp::Udp;

/// Longest question read, bytes; what fills the buffer is dropped. One with padding has some hundred.
pub(crate) const QUESTION_BYTES_MAX: usize = 4096;
/// Questions that may wait for the majority at a time, over UDP and TCP together.
const WAITING_MAX: usize = 256;
/// Longest wait: glibc gives up a server after 5 s, and is to hear the failure of this one before.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Pause after an error of the socket, so that a lasting one does not spin.
const SOCKET_ERROR_PAUSE: Duration = Duration::from_millis(100);

/// The DNS server of one network; clones share everything, so that it can run on several sockets.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    store: Store,
    network: Network,
    counters: Arc<Counters>,
    limit: Mutex<RateLimit>,
    waiting: Arc<Semaphore>,
}

/// What comes of a question at first sight.
pub(crate) enum Look {
    /// Nothing is sent.
    Silent(Count),
    /// The answer.
    Answer(Written),
    /// The majority has to be asked.
    Wait(Question, OwnedSemaphorePermit),
}

impl Server {
    /// A server that reads `store`.
    pub fn new(store: Store, network: Network) -> Server {
        Server(Arc::new(Inner {
            store,
            network,
            counters: Arc::default(),
            limit: Mutex::new(RateLimit::new(Instant::now(), RandomState::new())),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
        }))
    }

    /// What happened so far.
    pub fn counters(&self) -> Arc<Counters> {
        self.0.counters.clone()
    }

    /// Answers what arrives on `socket` until `shutdown` resolves. Errors of the socket are counted and outlived: an
    /// interface may go down and come back.
    ///
    /// # Errors
    /// When the socket cannot be prepared.
    pub async fn serve_udp(&self, socket: UdpSocket, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let socket = Arc::new(Udp::new(socket)?);
        let mut waiting = JoinSet::new();
        let mut message = vec![0; QUESTION_BYTES_MAX];
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let arrival = tokio::select! {
                () = &mut shutdown => return Ok(()),
                arrival = socket.receive(&mut message) => arrival,
            };
            while waiting.try_join_next().is_some() {}
            match arrival {
                Ok((len, ends)) => match self.look_at_datagram(&message[..len], *ends.peer.ip()) {
                    Look::Silent(count) => self.count(count),
                    Look::Answer(written) => self.send(&socket, ends, &written),
                    Look::Wait(question, permit) => {
                        let (server, socket) = (self.clone(), Arc::clone(&socket));
                        waiting.spawn(async move {
                            let written = server.after_majority(&question, permit, BYTES_OVER_UDP_MAX).await;
                            server.send(&socket, ends, &written);
                        });
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "dns: the socket failed");
                    self.count(Count::ReceiveFailed);
                    tokio::time::sleep(SOCKET_ERROR_PAUSE).await;
                }
            }
        }
    }

    pub(crate) fn count(&self, what: Count) {
        self.0.counters.add(what);
    }

    fn send(&self, socket: &Udp, ends: crate::udp::Ends, written: &Written) {
        let sent = socket.answer(ends, &written.bytes);
        if let Err(error) = &sent {
            tracing::debug!(%error, to = %ends.peer, "dns: an answer could not be sent");
        }
        self.count(sent.map_or(Count::SendFailed, |()| written.count));
    }

    fn look_at_datagram(&self, message: &[u8], client: Ipv4Addr) -> Look {
        let client = IpAddr::V4(client);
        self.look(message, BYTES_OVER_UDP_MAX, |question| {
            let name = question.query.name().to_lowercase();
            let asked = (name, question.query.query_type());
            let mut limit = self.0.limit.lock().unwrap_or_else(PoisonError::into_inner);
            limit.judge(client, asked, Instant::now())
        })
    }

    /// Deals with one message; a panic costs that message only. `judge` says whether the client may ask now.
    pub(crate) fn look(
        &self,
        message: &[u8],
        bytes_max: u16,
        judge: impl FnOnce(&Question) -> Verdict,
    ) -> Look {
        self.count(Count::Received);
        // what is behind `self` is whole whatever happens: counters, and a table that is changed in one step
        let looked = catch_unwind(AssertUnwindSafe(|| self.first_look(message, bytes_max, judge)));
        looked.unwrap_or(Look::Silent(Count::Panicked))
    }

    fn first_look(&self, message: &[u8], bytes_max: u16, judge: impl FnOnce(&Question) -> Verdict) -> Look {
        if message.len() >= QUESTION_BYTES_MAX {
            return Look::Silent(Count::TooLong);
        }
        let question = match Question::parse(message) {
            Ok(question) => question,
            Err(Refusal::Silent(why)) => return Look::Silent(why),
            // as long as the question's head, so that nobody is flooded with it
            Err(Refusal::Answer(count, bytes)) => {
                let bytes = bytes.to_vec();
                return Look::Answer(Written { bytes, count });
            }
        };
        match judge(&question) {
            Verdict::Answer => {}
            Verdict::Slip => return Look::Answer(question.slip()),
            Verdict::Drop => return Look::Silent(Count::RateLimited),
        }
        let write = |reply: Reply| Look::Answer(reply.write(&question, bytes_max));
        match decide(&self.0.store.state(), &question, &self.0.network) {
            Decision::Reply(reply) => write(reply),
            Decision::NoSuchName(_) => match Arc::clone(&self.0.waiting).try_acquire_owned() {
                Ok(permit) => Look::Wait(question, permit),
                Err(_) => write(Reply::server_failure(Count::TooManyWaiting)),
            },
        }
    }

    /// Asks the majority, then decides again: by now there may be such a name.
    pub(crate) async fn after_majority(
        &self,
        question: &Question,
        permit: OwnedSemaphorePermit,
        bytes_max: u16,
    ) -> Written {
        let confirmed = tokio::time::timeout(WAIT_MAX, self.0.store.linearize()).await;
        drop(permit);
        let reply = match confirmed {
            Ok(Ok(())) => {
                let decide = || decide(&self.0.store.state(), question, &self.0.network);
                match catch_unwind(AssertUnwindSafe(decide)) {
                    Ok(Decision::Reply(reply) | Decision::NoSuchName(reply)) => reply,
                    Err(_) => Reply::server_failure(Count::Panicked),
                }
            }
            Ok(Err(_)) | Err(_) => Reply::server_failure(Count::NoMajority),
        };
        reply.write(question, bytes_max)
    }
}
