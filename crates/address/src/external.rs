//! Somebody else moves the address (keepalived, a routing daemon): here it is only seen where it is.
//!
//! The kernel tells of every address that comes or goes (rtnetlink); each word of it only makes this side look again
//! at the interfaces, so that a lost or unknown message can never leave a wrong answer behind. What is seen is good
//! for [`SEEN_LIFE`] and seen again by then: a process that was stopped meanwhile says "no" until it has looked.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::held::{Held, HeldSender, Holding};

/// Pause after an error of the system, so that a lasting one does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// How long a look counts.
const SEEN_LIFE: Duration = Duration::from_secs(1);
/// How often this side looks when nothing is told; some looks may be late.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Sees whether an address is on this host. Dropping it ends that.
#[derive(Debug)]
pub struct ExternalWatch {
    held: Held,
    task: JoinHandle<()>,
}

impl ExternalWatch {
    /// Watches for `address` on any interface of this host: keepalived puts it on the network's own, anycast on `lo`.
    ///
    /// # Errors
    /// The system gives no rtnetlink socket, or does not tell its interfaces.
    pub fn start(address: Ipv4Addr) -> io::Result<ExternalWatch> {
        let (sender, held) = Held::new();
        let events = UdpSocket::from_std(subscribe()?.into())?;
        // after subscribing: a change in between is told
        publish(is_here(address), address, &sender)?;
        Ok(ExternalWatch {
            held,
            task: tokio::spawn(watch(address, events, sender, move || is_here(address))),
        })
    }

    /// The answer to "is it here?".
    pub fn held(&self) -> Held {
        self.held.clone()
    }
}

impl Drop for ExternalWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A socket that becomes readable when an IPv4 address comes or goes.
fn subscribe() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )?;
    let groups = u32::try_from(libc::RTMGRP_IPV4_IFADDR).expect("the group is one bit of 32");
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

/// `events` is an rtnetlink socket: only the calls are those of UDP.
async fn watch(
    address: Ipv4Addr,
    events: UdpSocket,
    held: HeldSender,
    mut is_here: impl FnMut() -> io::Result<bool>,
) {
    let mut failing = false;
    loop {
        let looked = publish(is_here(), address, &held);
        let pause = if looked.is_ok() { LOOK_EVERY } else { ERROR_PAUSE };
        if let Err(error) = &looked
            && !failing
        {
            tracing::warn!(%address, %error, "could not look at this host's addresses; not answering on it until it works");
        }
        failing = looked.is_err();
        match timeout(pause, events.readable()).await {
            Ok(Ok(())) => drain(&events),
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not hear of changes of this host's addresses");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
            Err(_) => {} // nothing was told
        }
    }
}

/// Reads everything that was told. What it says does not matter, nor that something was lost (ENOBUFS).
fn drain(events: &UdpSocket) {
    let mut told = [0; 8192];
    let mut read = || {
        events.try_io(Interest::READABLE, || {
            Ok(recv(events.as_raw_fd(), &mut told, MsgFlags::empty())?)
        })
    };
    while !matches!(read(), Err(error) if error.kind() == io::ErrorKind::WouldBlock) {}
}

fn is_here(address: Ipv4Addr) -> io::Result<bool> {
    let on = |own: &InterfaceAddress| {
        let own = own.address.as_ref().and_then(|own| own.as_sockaddr_in());
        own.is_some_and(|own| own.ip() == address)
    };
    Ok(getifaddrs()?.any(|own| on(&own)))
}

/// Says what a look has shown; one that failed has shown nothing, so the answer is "no".
fn publish(looked: io::Result<bool>, address: Ipv4Addr, held: &HeldSender) -> io::Result<()> {
    let here = *looked.as_ref().unwrap_or(&false);
    let holding = if here {
        Holding::Until(Instant::now() + SEEN_LIFE)
    } else {
        Holding::No
    };
    if held.set(holding) && looked.is_ok() {
        let what = if here {
            "the service address is on this host"
        } else {
            "the service address left this host"
        };
        tracing::info!(%address, what);
    }
    looked.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_of_this_host_is_held_and_another_is_not() {
        let here = ExternalWatch::start(Ipv4Addr::LOCALHOST).unwrap();
        assert!(here.held().is_held());
        let elsewhere = ExternalWatch::start(Ipv4Addr::new(192, 0, 2, 1)).unwrap(); // TEST-NET
        assert!(!elsewhere.held().is_held());
    }

    /// After a look that failed nobody may answer, and nobody tells that the next one would work.
    #[tokio::test]
    async fn a_failed_look_says_no_and_is_repeated() {
        let (sender, held) = Held::new();
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut looks = 0;
        let is_here = move || {
            looks += 1;
            match looks {
                2..5 => Err(io::Error::other("the test says so")),
                _ => Ok(true),
            }
        };
        let task = tokio::spawn(watch(Ipv4Addr::LOCALHOST, silent, sender, is_here));
        let mut changes = held.watch();
        for expected in [true, false, true] {
            let told = timeout(
                Duration::from_secs(10),
                changes.wait_for(|held| *held == expected),
            );
            told.await.expect("in time").unwrap();
        }
        task.abort();
    }

    /// What was seen before a SIGSTOP says nothing after the SIGCONT: the answer ends by the clock.
    #[tokio::test]
    async fn what_was_seen_ends_by_itself() {
        let (sender, held) = Held::new();
        publish(Ok(true), Ipv4Addr::LOCALHOST, &sender).unwrap();
        assert!(held.is_held());
        std::thread::sleep(SEEN_LIFE); // as a stopped process: nobody looks
        assert!(!held.is_held());
    }

    #[tokio::test]
    async fn a_watch_that_is_gone_says_no() {
        let watch = ExternalWatch::start(Ipv4Addr::LOCALHOST).unwrap();
        let held = watch.held();
        drop(watch);
        let mut changes = held.watch();
        let told = tokio::time::timeout(Duration::from_secs(10), changes.wait_for(|held| !held));
        told.await.expect("in time").unwrap();
    }
}
