//! What waits for the majority, each in a task of its own, so that nobody waits behind it: refusals, leases of pools and
//! their ends, and what is told of strangers.

use std::sync::Arc;
use std::time::Duration;

use proto::dhcp::v1::dhcp_command::{Change, EndLease};
use rpc::Error;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::binder::propose;
use crate::counters::{Count, Counters};
use crate::policy::Decision;
use crate::request::Request;
use crate::server::{Buffers, Origin, Server};
use crate::socket::DhcpSocket;
use crate::strangers;

/// Refusals that may wait for the majority at a time, per socket.
const NAKS_MAX: usize = 64;
/// Leases that may wait to be committed or ended at a time, per socket.
const LEASES_MAX: usize = 1024;
/// Clients whose new address may be asked for at a time, per socket; a few more than addresses are, for those that wait for
/// another try.
const PROBES_MAX: usize = 1280;
/// Longest wait: after that the client has asked again.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// A packet that waits, with what its answer needs.
pub(crate) struct Pending {
    pub(crate) server: Server,
    pub(crate) socket: Arc<DhcpSocket>,
    pub(crate) packet: Vec<u8>,
    pub(crate) origin: Origin,
    pub(crate) arrived: Instant,
}

/// The tasks of one socket.
pub(crate) struct PendingTasks {
    counters: Arc<Counters>,
    naks: JoinSet<()>,
    leases: JoinSet<()>,
    probes: JoinSet<()>,
    strangers: JoinSet<()>,
}

impl PendingTasks {
    pub(crate) fn new(counters: Arc<Counters>) -> PendingTasks {
        PendingTasks {
            counters,
            naks: JoinSet::new(),
            leases: JoinSet::new(),
            probes: JoinSet::new(),
            strangers: JoinSet::new(),
        }
    }

    /// Refuses, if the majority agrees. `None`: it is counted when that is known.
    pub(crate) fn nak(&mut self, pending: Pending) -> Option<Count> {
        reap(&mut self.naks, &self.counters);
        if self.naks.len() >= NAKS_MAX {
            return Some(Count::TooManyNaks);
        }
        self.naks
            .spawn(async move { pending.counted(pending.refuse().await) });
        None
    }

    /// Binds a lease, then answers.
    pub(crate) fn bind(&mut self, pending: Pending) -> Option<Count> {
        reap(&mut self.leases, &self.counters);
        if self.leases.len() >= LEASES_MAX {
            return Some(Count::TooManyBinds);
        }
        self.leases
            .spawn(async move { pending.counted(pending.bind().await) });
        None
    }

    /// Asks whether somebody uses the address, then answers.
    pub(crate) fn probe(&mut self, pending: Pending) -> Option<Count> {
        reap(&mut self.probes, &self.counters);
        if self.probes.len() >= PROBES_MAX {
            return Some(Count::TooManyBinds);
        }
        self.probes
            .spawn(async move { pending.counted(pending.probe().await) });
        None
    }

    /// Ends a lease; there is no answer.
    pub(crate) fn end(&mut self, server: &Server, end: EndLease) -> Option<Count> {
        reap(&mut self.leases, &self.counters);
        if self.leases.len() >= LEASES_MAX {
            return Some(Count::TooManyBinds);
        }
        let server = server.clone();
        self.leases.spawn(async move {
            let count = server.end(end).await;
            server.counters().add(count);
        });
        None
    }

    /// Tells the cluster of the strangers that are collected from now on.
    pub(crate) fn tell_of_strangers(&mut self, server: &Server) {
        reap(&mut self.strangers, &self.counters);
        let server = server.clone();
        self.strangers.spawn(async move {
            tokio::time::sleep(strangers::COLLECTED_FOR).await;
            server.0.strangers.tell(&server.0.store).await;
        });
    }
}

fn reap(tasks: &mut JoinSet<()>, counters: &Counters) {
    while let Some(ended) = tasks.try_join_next() {
        if ended.is_err() {
            counters.add(Count::Panicked);
        }
    }
}

impl Pending {
    fn counted(&self, count: Count) {
        self.server.counters().add(count);
    }

    /// The packet as it is read; it has been read before.
    ///
    /// # Errors
    /// Why it gets no answer.
    pub(crate) fn request(&self) -> Result<Request<'_>, Count> {
        self.origin.request(&self.packet)
    }

    /// Asks the majority, then decides again: by now the answer may be another one.
    pub(crate) async fn refuse(&self) -> Count {
        match self.request() {
            Ok(request) => self.refuse_now(&request).await,
            Err(why) => why,
        }
    }

    async fn refuse_now(&self, request: &Request<'_>) -> Count {
        let Server(inner) = &self.server;
        match tokio::time::timeout(WAIT_MAX, inner.store.linearize()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Count::NoMajority,
        }
        match self.server.decide(request) {
            Decision::Bind(_) => Box::pin(self.bind()).await,
            Decision::Reply(reply) | Decision::Offer(reply, _) | Decision::Nak(reply) => {
                self.send(request, &reply)
            }
            Decision::End(end) => self.server.end(end).await,
            Decision::Silent(why) => why,
        }
    }

    /// Commits the lease and looks at the state again: only what stands there is acknowledged.
    pub(crate) async fn bind(&self) -> Count {
        let Server(inner) = &self.server;
        let request = match self.request() {
            Ok(request) => request,
            Err(why) => return why,
        };
        let is_committed = match self.server.decide(&request) {
            // who has no leader knows at once that nothing can be committed
            _ if !inner.store.has_leader() => false,
            Decision::Bind(binding) => {
                let bound = tokio::time::timeout(WAIT_MAX, inner.binder.bind(binding.bind)).await;
                bound == Ok(Ok(()))
            }
            _ => false,
        };
        let reply = match (self.server.decide(&request), is_committed) {
            (Decision::Reply(reply) | Decision::Offer(reply, _), _) => reply,
            (Decision::Bind(binding), true) => binding.lost,
            (Decision::Bind(binding), false) => match binding.otherwise {
                Some(reply) => reply,
                None => return Count::NoMajority,
            },
            (Decision::Nak(reply), true) => reply,
            // another was faster since the packet came
            (Decision::Nak(_), false) => return self.refuse_now(&request).await,
            (Decision::End(end), _) => return self.server.end(end).await,
            (Decision::Silent(why), _) => return why,
        };
        self.send(&request, &reply)
    }

    pub(crate) fn send(&self, request: &Request<'_>, reply: &crate::reply::Reply) -> Count {
        let buffers = &mut Buffers::default();
        let count = self
            .server
            .send(&self.socket, buffers, request, reply, self.origin.sender);
        self.server.note_wait(request, reply, count, self.arrived);
        count
    }
}

impl Server {
    pub(crate) async fn end(&self, end: EndLease) -> Count {
        let (declined, address, mac) = (end.declined, end.address.clone(), end.mac.clone());
        let ended = tokio::time::timeout(WAIT_MAX, propose(&self.0.store, Change::EndLease(end))).await;
        match (ended, declined) {
            (Ok(Ok(())), false) => Count::LeaseReleased,
            (Ok(Ok(())), true) => {
                tracing::warn!(%mac, %address, "dhcp: a client found its address of a pool in use; find the other owner");
                Count::LeaseDeclined
            }
            // it has ended, or somebody else's has begun, since the packet came
            (Ok(Err(Error::NotFound { .. } | Error::Conflict { .. })), false) => Count::ReleaseByOther,
            (Ok(Err(Error::NotFound { .. } | Error::Conflict { .. })), true) => Count::DeclineByOther,
            (Ok(Err(_)) | Err(_), _) => Count::NoMajority,
        }
    }
}
