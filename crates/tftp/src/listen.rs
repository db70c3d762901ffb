//! The request port: each request with the local address it was sent to. A socket bound to a whole interface
//! must answer from the address that was asked (the service address): PXE ROMs drop other senders.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A datagram in the caller's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Bytes in the buffer; a longer datagram is cut to it.
    pub(crate) len: usize,
    /// Who sent it.
    pub(crate) peer: SocketAddr,
    /// The local address it was sent to.
    pub(crate) local: IpAddr,
}

/// The request socket.
#[derive(Debug)]
pub(crate) struct Listener(UdpSocket);

impl Listener {
    /// Wraps a bound socket of either family.
    ///
    /// # Errors
    /// When the system does not tell the address that datagrams were sent to.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Listener> {
        match socket.local_addr()? {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
        Ok(Listener(socket))
    }

    /// Waits for the next datagram.
    ///
    /// # Errors
    /// Of the socket, e.g. when its interface goes down; the next call may succeed.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        self.0
            .async_io(Interest::READABLE, || receive_now(&self.0, buffer))
            .await
    }
}

fn receive_now(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Arrival> {
    // that of IPv6 is the larger one
    let mut control = nix::cmsg_space!(nix::libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::empty(),
    )?;
    let local = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
        _ => None,
    });
    let peer = message.address.as_ref().and_then(peer_of);
    match (local, peer) {
        (Some(local), Some(peer)) => Ok(Arrival {
            len: message.bytes,
            peer,
            local,
        }),
        _ => Err(io::Error::other("a datagram came without its addresses")),
    }
}

fn peer_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}
