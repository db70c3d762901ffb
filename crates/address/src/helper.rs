//! `chamois address-helper`: the small privileged process that owns the service addresses of this host.
//!
//! A frozen member's kernel goes on completing handshakes for its addresses, so the addresses must not
//! depend on that member: the helper removes one when [`CLAIM_LIFE`](crate::claim::CLAIM_LIFE) passed since
//! the last claim, when the client is gone, when the helper ends, and the kernel does when the helper is killed.
//! It touches only the addresses on its command line. It needs CAP_NET_ADMIN and CAP_NET_RAW and nothing else.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::arp;
use crate::arp_rules;
use crate::claim::{Reply, Request, Target, read_line};
use crate::claim_table::{ClaimTable, Claimed, ClientId};
use crate::connections::{self, Reset};
use crate::netlink::Netlink;

/// Connections at a time; further ones wait. A member needs one for each of its addresses.
pub const CLIENTS_MAX: usize = 32;
/// Announcements per takeover: one may be lost in a switch that just learned a port.
pub const ANNOUNCEMENTS: u32 = 3;
/// Pause between two announcements.
pub const ANNOUNCE_EVERY: Duration = Duration::from_millis(300);
/// Requests waiting for the one task that works on the addresses.
const REQUESTS_WAITING_MAX: usize = 64;

/// The command line of `chamois address-helper`.
#[derive(Clone, Debug)]
pub struct HelperOptions {
    /// `--socket PATH`: where members connect. Made with mode 0660: the group of its folder decides who may claim.
    pub socket: PathBuf,
    /// `--allow INTERFACE=ADDRESS`, once for each address that may be touched.
    pub allowed: Vec<Target>,
}

/// Why the helper could not start.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// Nothing to do.
    #[error("no address is allowed: give --allow INTERFACE=ADDRESS at least once")]
    NothingAllowed,
    /// The socket could not be made.
    #[error("could not listen on {}", .path.display())]
    Listen {
        /// The socket's path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another helper serves this socket.
    #[error("another address helper already listens on {}: stop it first", .0.display())]
    AlreadyRunning(PathBuf),
    /// No netlink, or no permission for it.
    #[error(
        "could not remove {target} left from before; the helper needs CAP_NET_ADMIN and the interface must exist"
    )]
    Unprivileged {
        /// The address.
        target: Target,
        /// The reason.
        source: io::Error,
    },
    /// The kernel gave no netlink socket.
    #[error("could not open an rtnetlink socket")]
    Netlink(#[source] io::Error),
}

/// Runs the helper until `shutdown`, then removes every address it added.
///
/// # Errors
/// Only at start: see [`HelperError`]. Later failures are answers to the client that asked, and log lines.
pub async fn run(options: HelperOptions, shutdown: impl Future<Output = ()>) -> Result<(), HelperError> {
    if options.allowed.is_empty() {
        return Err(HelperError::NothingAllowed);
    }
    let mut addresses = Addresses::new(options.allowed)?;
    let listener = listen(&options.socket).await?;
    let (requests, mut queue) = mpsc::channel(REQUESTS_WAITING_MAX);
    let accepting = tokio::spawn(accept(listener, requests));
    addresses.serve(&mut queue, shutdown).await;
    accepting.abort();
    addresses.remove_all();
    let _ = std::fs::remove_file(&options.socket); // the next start removes a left one too
    Ok(())
}

async fn listen(path: &Path) -> Result<UnixListener, HelperError> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(HelperError::AlreadyRunning(path.to_owned()));
    }
    let bind = || {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(listener)
    };
    bind().map_err(|source| HelperError::Listen {
        path: path.to_owned(),
        source,
    })
}

/// What a connection hands to the task that owns the addresses.
enum Asked {
    Request {
        client: ClientId,
        request: Request,
        reply: oneshot::Sender<Reply>,
    },
    Gone(ClientId),
}

async fn accept(listener: UnixListener, requests: mpsc::Sender<Asked>) {
    let permits = Arc::new(Semaphore::new(CLIENTS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    for client in 1.. {
        let permit = Arc::clone(&permits)
            .acquire_owned()
            .await
            .expect("this semaphore is never closed");
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await; // out of descriptors: others will end
            continue;
        };
        while connections.try_join_next().is_some() {}
        let requests = requests.clone();
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = converse(stream, client, &requests).await {
                tracing::debug!(client, %error, "a client's connection failed");
            }
            let _ = requests.send(Asked::Gone(client)).await; // fails only when the helper ends
        });
    }
}

/// Answers one client's requests in order until it is gone or sends what is no line.
async fn converse(stream: UnixStream, client: ClientId, requests: &mpsc::Sender<Asked>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(line) = read_line(&mut stream).await? {
        let answer = match line.parse::<Request>() {
            Err(invalid) => format!("refused {invalid}"),
            Ok(request) => {
                let target = request.target().clone();
                let (reply, answered) = oneshot::channel();
                if requests
                    .send(Asked::Request {
                        client,
                        request,
                        reply,
                    })
                    .await
                    .is_err()
                {
                    return Ok(());
                }
                let Ok(reply) = answered.await else { return Ok(()) };
                reply.line(&target)
            }
        };
        stream
            .get_mut()
            .write_all(format!("{answer}\n").as_bytes())
            .await?;
    }
    Ok(())
}

/// The addresses and their claims; owned by one task, so nothing is ever half done.
struct Addresses {
    table: ClaimTable,
    netlink: Netlink,
    announcements: BTreeMap<Target, AbortHandle>,
}

impl Addresses {
    /// Starts from a known state: what an earlier helper left is removed (and the privilege is proved).
    fn new(allowed: Vec<Target>) -> Result<Addresses, HelperError> {
        let mut netlink = Netlink::open().map_err(HelperError::Netlink)?;
        for target in &allowed {
            let removed = netlink.remove(target);
            removed.map_err(|source| HelperError::Unprivileged {
                target: target.clone(),
                source,
            })?;
        }
        let mut addresses = Addresses {
            table: ClaimTable::new(allowed),
            netlink,
            announcements: BTreeMap::new(),
        };
        addresses.bind_arp();
        Ok(addresses)
    }

    /// Without it the addresses work all the same, but other networks of this host hear of them.
    fn bind_arp(&mut self) {
        if self.table.targets().all(|target| target.interface == "lo") {
            return; // nobody hears of them anyway
        }
        if let Err(error) = arp_rules::apply(&mut self.netlink) {
            tracing::warn!(%error, "could not keep ARP to each address's interface; set net.ipv4.conf.all.arp_ignore = 1 and arp_announce = 2");
        }
    }

    async fn serve(&mut self, queue: &mut mpsc::Receiver<Asked>, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            let lapse = self.table.next_lapse();
            let asked = tokio::select! {
                biased; // a lapsed claim first: a late renewal must find the address gone
                () = &mut shutdown => return,
                () = sleep_until(lapse) => None,
                asked = queue.recv() => asked,
            };
            for target in self.table.lapse(Instant::now()) {
                tracing::warn!(%target, "no claim for a second: the member is frozen or too slow; address removed");
                self.remove(&target);
            }
            match asked {
                Some(Asked::Request {
                    client,
                    request,
                    reply,
                }) => {
                    let _ = reply.send(self.answer(client, &request)); // a gone client is told by `Gone`
                }
                Some(Asked::Gone(client)) => self.forget(client),
                None => {}
            }
        }
    }

    fn answer(&mut self, client: ClientId, request: &Request) -> Reply {
        match request {
            Request::Claim(target) => match self.claim(client, target) {
                Ok(()) => Reply::Held,
                Err(reason) => Reply::Refused(reason),
            },
            Request::Announce(target) if self.table.is_claimed_by(client, target) => {
                self.announce(target);
                Reply::Announced
            }
            Request::Announce(target) => Reply::Refused(format!("{target} is not claimed by this client")),
            Request::Release(target) => {
                if self.table.release(client, target) {
                    tracing::info!(%target, "address released");
                    self.remove(target);
                }
                Reply::Released
            }
        }
    }

    fn claim(&mut self, client: ClientId, target: &Target) -> Result<(), String> {
        let claimed = self
            .table
            .claim(client, target, Instant::now())
            .map_err(|refusal| refusal.to_string())?;
        if let Err(error) = self.netlink.add(target) {
            self.table.release(client, target);
            tracing::error!(%target, %error, "could not add the address");
            return Err(format!("could not add the address: {error}"));
        }
        if claimed == Claimed::Added {
            tracing::info!(%target, "address added");
            self.bind_arp(); // interfaces may have come since the start
            self.announce(target);
        }
        Ok(())
    }

    fn announce(&mut self, target: &Target) {
        let announcing = tokio::spawn(announce(target.clone()));
        if let Some(earlier) = self
            .announcements
            .insert(target.clone(), announcing.abort_handle())
        {
            earlier.abort();
        }
    }

    fn forget(&mut self, client: ClientId) {
        for target in self.table.forget(client) {
            tracing::warn!(%target, "the member that claimed the address is gone; address removed");
            self.remove(&target);
        }
    }

    /// Removes the address. If that fails the kernel still does it, [`ADDRESS_LIFE_S`](crate::netlink::ADDRESS_LIFE_S) after the last claim.
    fn remove(&mut self, target: &Target) {
        if let Some(announcing) = self.announcements.remove(target) {
            announcing.abort();
        }
        // First: a reset is sent from the address.
        match connections::reset(target.address) {
            Ok(Reset { count: 0, refused: 0 }) => {}
            Ok(Reset { count, refused }) => {
                tracing::warn!(%target, count, refused, "connections reset, so that their nodes ask again at once")
            }
            Err(error) => {
                tracing::warn!(%target, %error, "could not reset connections: their nodes wait for a time-out")
            }
        }
        if let Err(error) = self.netlink.remove(target) {
            tracing::error!(%target, %error, "could not remove the address; its lifetime in the kernel will");
        }
    }

    fn remove_all(&mut self) {
        for target in self.table.targets().cloned().collect::<Vec<_>>() {
            self.remove(&target);
        }
    }
}

/// Tells the wire who has the address now, as often as [`ANNOUNCEMENTS`] says.
async fn announce(target: Target) {
    for _ in 0..ANNOUNCEMENTS {
        if let Err(error) = arp::announce(&target) {
            tracing::warn!(%target, %error, "could not send a gratuitous ARP");
        }
        tokio::time::sleep(ANNOUNCE_EVERY).await;
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "helper_tests.rs"]
mod tests;
