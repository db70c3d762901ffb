//! The rootless form: on loopback every 127/8 address exists already, and binding a port on it is the lock.
//!
//! One UDP port on the service address is the lock ([`hold`]); it is bound without SO_REUSEADDR, so that
//! exactly one process has it, and the kernel gives it back when that process dies. The sockets of the roles
//! follow the lock ([`tcp_listener`], [`udp_socket`]). A *frozen* holder would keep it, so it is ended
//! ([`watchdog`](crate::watchdog)).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::held::{Ended, Held, HeldSender, Holding};
use crate::watchdog::{BEAT_EVERY, Watchdog, WatchdogCommand};

/// Pause between two attempts to bind.
pub const BIND_EVERY: Duration = Duration::from_millis(100);
/// Attempts for a socket that follows the lock. The dead holder's sockets close within milliseconds of each
/// other; longer than this means that something else has the port.
pub const FOLLOW_ATTEMPTS_MAX: u32 = 100;
/// Pause before a watchdog that has ended or could not be started is started anew.
const WATCHDOG_PAUSE: Duration = Duration::from_secs(1);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Holds, or waits to hold, a service address on loopback. Dropping it lets go.
#[derive(Debug)]
pub struct LoopbackHolder {
    held: Held,
    task: JoinHandle<()>,
}

impl LoopbackHolder {
    /// The answer to "do I hold it?".
    pub fn held(&self) -> Held {
        self.held.clone()
    }
}

impl Drop for LoopbackHolder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts trying for the lock: a UDP port on the service address that nothing else uses
/// (by custom [`ADVERT_PORT`](crate::holder::ADVERT_PORT)).
///
/// Without a `watchdog`, for tests, a frozen holder keeps the lock.
pub fn hold(lock: SocketAddr, watchdog: Option<WatchdogCommand>) -> LoopbackHolder {
    let (sender, held) = Held::new();
    LoopbackHolder {
        held,
        task: tokio::spawn(keep_lock(lock, watchdog, sender)),
    }
}

async fn keep_lock(lock: SocketAddr, watchdog: Option<WatchdogCommand>, held: HeldSender) {
    let mut refused = false;
    let socket = loop {
        match UdpSocket::bind(lock).await {
            Ok(socket) => break socket,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) if !refused => {
                refused = true; // once: it will not get better by being said each 100 ms
                tracing::error!(%lock, %error, "cannot bind the service address's lock; is it a 127/8 address?");
            }
            Err(_) => {}
        }
        tokio::time::sleep(BIND_EVERY).await;
    };
    tracing::info!(%lock, "holding the service address");
    held.set(Holding::UntilToldOtherwise);
    tokio::join!(drop_what_arrives(&socket), beat(watchdog));
}

/// Nobody has business here: what arrives is dropped, so that the buffer is never full of it.
async fn drop_what_arrives(socket: &UdpSocket) {
    let mut nothing = [0; 1];
    loop {
        if socket.recv(&mut nothing).await.is_err() {
            tokio::time::sleep(BIND_EVERY).await;
        }
    }
}

/// Tells the watchdog that this process lives; one that has ended is started anew.
async fn beat(command: Option<WatchdogCommand>) {
    let Some(command) = command else { return };
    let mut running: Option<Watchdog> = None;
    let mut beats = tokio::time::interval(BEAT_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let beaten = match &mut running {
            Some(watchdog) => watchdog.beat().await,
            None => command.start().map(|watchdog| running = Some(watchdog)),
        };
        if let Err(error) = beaten {
            running = None;
            tracing::warn!(%error, "no watchdog: if this process is frozen, it keeps the service address");
            tokio::time::sleep(WATCHDOG_PAUSE).await;
        }
    }
}

/// Why a socket on the service address could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The lock's task is gone.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The port is taken by another process though this one has the lock, or may not be bound.
    #[error("could not bind {address} on the service address that this member holds")]
    Bind {
        /// Address and port.
        address: SocketAddr,
        /// The reason of the last attempt.
        source: io::Error,
    },
}

/// Waits until this member holds the address, then listens on it.
///
/// # Errors
/// See [`FollowError`]; gives up after [`FOLLOW_ATTEMPTS_MAX`] attempts.
pub async fn tcp_listener(held: &Held, address: SocketAddr) -> Result<TcpListener, FollowError> {
    follow(held, address, || async move { bind_tcp(address) }).await
}

/// Waits until this member holds the address, then binds a UDP socket on it.
///
/// # Errors
/// See [`FollowError`]; gives up after [`FOLLOW_ATTEMPTS_MAX`] attempts.
pub async fn udp_socket(held: &Held, address: SocketAddr) -> Result<UdpSocket, FollowError> {
    follow(held, address, || UdpSocket::bind(address)).await
}

/// Listens at once, with SO_REUSEADDR: connections of the dead holder in TIME_WAIT do not keep the port.
/// Two *listeners* on one port the kernel still refuses.
pub fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn follow<S, F: Future<Output = io::Result<S>>>(
    held: &Held,
    address: SocketAddr,
    bind: impl Fn() -> F,
) -> Result<S, FollowError> {
    held.held().await?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match bind().await {
            Ok(socket) => return Ok(socket),
            Err(source) if source.kind() != io::ErrorKind::AddrInUse || attempts >= FOLLOW_ATTEMPTS_MAX => {
                return Err(FollowError::Bind { address, source });
            }
            Err(_) => tokio::time::sleep(BIND_EVERY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::time::timeout;

    const BOUND: Duration = Duration::from_secs(10);

    /// An address of this test alone, on a port that no client is given: nothing but the test ever has it.
    fn own_address() -> SocketAddr {
        static GIVEN: AtomicU32 = AtomicU32::new(1);
        let offset = (std::process::id() % 0x4000) << 8 | GIVEN.fetch_add(1, Ordering::Relaxed) & 0xff;
        SocketAddr::from((
            Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 128, 0, 0)) + offset),
            7410,
        ))
    }

    async fn wait_held(held: &Held) {
        timeout(BOUND, held.held()).await.expect("held in time").unwrap();
    }

    #[tokio::test]
    async fn one_holds_and_the_next_follows_when_it_lets_go() {
        let lock = own_address();
        let first = hold(lock, None);
        wait_held(&first.held()).await;
        let second = hold(lock, None);
        let refused = timeout(BIND_EVERY * 5, second.held().held()).await;
        assert!(refused.is_err(), "while one holds, another must not");
        let first_held = first.held();
        drop(first);
        wait_held(&second.held()).await;
        assert!(!first_held.is_held());
    }

    #[tokio::test]
    async fn roles_follow_the_lock() {
        let (lock, http) = (own_address(), own_address());
        let taken = UdpSocket::bind(lock).await.unwrap();
        let holder = hold(lock, None);
        let held = holder.held();
        let listener = tokio::spawn(async move { tcp_listener(&held, http).await });
        tokio::time::sleep(BIND_EVERY * 2).await; // gives a wrong order the chance to show
        assert!(!listener.is_finished(), "no role listens before the lock is held");
        drop(taken);
        let listener = timeout(BOUND, listener).await.expect("in time").unwrap().unwrap();
        assert_eq!(listener.local_addr().unwrap(), http);
    }

    /// The old holder's other sockets may close a moment after its lock.
    #[tokio::test]
    async fn a_follower_waits_for_a_port_that_is_still_closing() {
        let (lock, port) = (own_address(), own_address());
        let holder = hold(lock, None);
        let held = holder.held();
        wait_held(&held).await;
        let closing = UdpSocket::bind(port).await.unwrap();
        let follower = tokio::spawn(async move { udp_socket(&held, port).await });
        tokio::time::sleep(BIND_EVERY * 2).await; // at least one attempt is refused
        drop(closing);
        timeout(BOUND, follower).await.expect("in time").unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_address_that_can_not_be_bound_is_an_error_that_names_it() {
        let holder = hold(own_address(), None);
        let elsewhere: SocketAddr = "192.0.2.1:9".parse().unwrap(); // TEST-NET, on no interface
        let error = timeout(BOUND, udp_socket(&holder.held(), elsewhere))
            .await
            .expect("in time")
            .unwrap_err();
        assert!(error.to_string().contains("192.0.2.1:9"), "{error}");
    }

    /// A restart right after a kill must get its port although old connections are in TIME_WAIT.
    #[tokio::test]
    async fn connections_of_the_dead_do_not_keep_the_port() {
        let listener = bind_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let client = tokio::net::TcpStream::connect(address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        drop((server, listener)); // the server closes first: the TIME_WAIT is on its side
        drop(client);
        bind_tcp(address).unwrap();
    }
}
