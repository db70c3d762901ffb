//! Somebody else moves the address (keepalived, a routing daemon): here it is only seen where it is.
//!
//! The kernel tells of every address that comes or goes (rtnetlink); each word of it only makes this side look again
//! at the interfaces, so that a lost or unknown message can never leave a wrong answer behind.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::held::{Held, HeldSender, Holding};

/// Pause after an error of the system, so that a lasting one does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

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
        look(address, &sender)?;
        Ok(ExternalWatch {
            held,
            task: tokio::spawn(watch(address, events, sender)),
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
async fn watch(address: Ipv4Addr, events: UdpSocket, held: HeldSender) {
    loop {
        match events.readable().await {
            Ok(()) => drain(&events),
            Err(error) => failed(&error).await,
        }
        if let Err(error) = look(address, &held) {
            failed(&error).await;
        }
    }
}

async fn failed(error: &io::Error) {
    tracing::warn!(%error, "could not look at this host's addresses");
    tokio::time::sleep(ERROR_PAUSE).await;
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

fn look(address: Ipv4Addr, held: &HeldSender) -> io::Result<()> {
    let here = getifaddrs()?.any(|entry| {
        entry
            .address
            .as_ref()
            .and_then(|own| own.as_sockaddr_in())
            .is_some_and(|own| own.ip() == address)
    });
    let holding = if here {
        Holding::UntilToldOtherwise
    } else {
        Holding::No
    };
    if held.set(holding) {
        let what = if here {
            "the service address is on this host"
        } else {
            "the service address left this host"
        };
        tracing::info!(%address, what);
    }
    Ok(())
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
