//! The socket of a server: on a real interface with broadcasts and clients that have no address yet, or on an
//! address for relayed traffic only, which needs no privilege.
//!
//! A client without an address answers no ARP, so it is sent a frame to its MAC over an AF_PACKET socket with IP and
//! UDP headers of our own. That needs CAP_NET_RAW only and writes nothing into the system's ARP table.

use std::io::{self, IoSlice};
use std::net::{self, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd};

use model::MacAddr;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::batch::Batch;
use crate::frame;
use crate::outbox::{Outbox, sent_from};
use crate::routing::Destination;

/// Receive buffer, bytes: a power-on storm of 5,000 nodes overflows the usual 208 KiB and costs each loser seconds.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
const CLIENT_PORT: u16 = 68;
const ETHERNET_BROADCAST: MacAddr = MacAddr([255; 6]);

/// Why a reply was not sent.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// The client has no address, and a socket on an address reaches only those who have one.
    Unroutable,
    /// The system refused it.
    Failed(io::Error),
}

/// Where a server listens and answers.
#[derive(Debug)]
pub struct DhcpSocket {
    udp: UdpSocket,
    link: Option<Link>,
}

/// The way to clients without an address.
#[derive(Debug)]
struct Link {
    socket: Socket,
    interface_index: i32,
    /// Port that replies come from.
    port: u16,
}

impl DhcpSocket {
    /// Listens on every address of an interface, broadcasts included, and on no other interface. Call it within a
    /// tokio runtime.
    ///
    /// # Errors
    /// No such interface; the port is in use; CAP_NET_RAW or, below port 1024, CAP_NET_BIND_SERVICE is missing.
    pub fn on_interface(interface: &str, port: u16) -> io::Result<DhcpSocket> {
        let interface_index = i32::try_from(if_nametoindex(interface)?).map_err(io::Error::other)?;
        let udp = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        udp.bind_device(Some(interface.as_bytes()))?;
        udp.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
        // Protocol 0: this socket only sends.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        DhcpSocket::new(
            udp.into(),
            Some(Link {
                socket,
                interface_index,
                port,
            }),
        )
    }

    /// Listens on one address, for relayed requests and renewals. Call it within a tokio runtime.
    ///
    /// # Errors
    /// The address is not there or in use.
    pub fn on_address(address: SocketAddrV4) -> io::Result<DhcpSocket> {
        DhcpSocket::from_udp(net::UdpSocket::bind(address)?)
    }

    /// As [`DhcpSocket::on_address`] with a socket that is bound already.
    ///
    /// # Errors
    /// If the system refuses the socket's options.
    pub fn from_udp(udp: net::UdpSocket) -> io::Result<DhcpSocket> {
        DhcpSocket::new(udp, None)
    }

    fn new(udp: net::UdpSocket, link: Option<Link>) -> io::Result<DhcpSocket> {
        udp.set_nonblocking(true)?;
        // whom a packet was sent to says who answers it
        setsockopt(&udp, sockopt::Ipv4PacketInfo, &true)?;
        // Beyond the system's limit with CAP_NET_ADMIN, else up to it.
        if setsockopt(&udp, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES).is_err() {
            setsockopt(&udp, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES)?;
        }
        Ok(DhcpSocket {
            udp: UdpSocket::from_std(udp)?,
            link,
        })
    }

    /// The local address; unspecified on an interface.
    ///
    /// # Errors
    /// Of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Waits for datagrams and takes those that have come.
    ///
    /// # Errors
    /// Of the socket, e.g. when its interface goes down; the next call may succeed.
    pub(crate) async fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        self.udp
            .async_io(Interest::READABLE, || batch.fill(self.udp.as_fd()))
            .await
    }

    /// Sends a message from `source`, the service address, where the socket can choose; a full send buffer is an
    /// error too, the client asks again. `packet` is scratch space.
    pub(crate) fn send(
        &self,
        to: Destination,
        source: Ipv4Addr,
        message: &[u8],
        packet: &mut Vec<u8>,
    ) -> Result<(), NotSent> {
        match (to, &self.link) {
            (Destination::Unicast(to), None) => self.send_plain(to, message),
            // A member that does not hold the service address may not send from it: then its own does.
            (Destination::Unicast(to), Some(_)) => self
                .send_from(source, to, message)
                .or_else(|_| self.send_plain(to, message)),
            (Destination::Broadcast, Some(link)) => {
                let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT);
                link.send(ETHERNET_BROADCAST, source, to, message, packet)
            }
            (Destination::Link { mac, to }, Some(link)) => link.send(mac, source, to, message, packet),
            (Destination::Broadcast | Destination::Link { .. }, None) => return Err(NotSent::Unroutable),
        }
        .map_err(NotSent::Failed)
    }

    fn send_plain(&self, to: SocketAddrV4, message: &[u8]) -> io::Result<()> {
        self.send_with(&[], to, message)
    }

    fn send_from(&self, source: Ipv4Addr, to: SocketAddrV4, message: &[u8]) -> io::Result<()> {
        self.send_with(&[ControlMessage::Ipv4PacketInfo(&sent_from(source))], to, message)
    }

    /// As [`DhcpSocket::send`], but what goes by UDP to one address waits in `outbox` for [`DhcpSocket::send_waiting`].
    pub(crate) fn send_later(
        &self,
        to: Destination,
        source: Ipv4Addr,
        message: &[u8],
        (packet, outbox): (&mut Vec<u8>, &mut Outbox),
    ) -> Result<(), NotSent> {
        match to {
            Destination::Unicast(to) => {
                outbox.put(to, message);
                Ok(())
            }
            to => self.send(to, source, message, packet),
        }
    }

    /// Sends what waits; `failed` hears of each answer that could not be sent.
    pub(crate) fn send_waiting(
        &self,
        source: Ipv4Addr,
        outbox: &mut Outbox,
        failed: impl FnMut(SocketAddrV4, io::Error),
    ) {
        let source = self.link.as_ref().map(|_| source);
        outbox.send(self.udp.as_fd(), source, failed);
    }

    /// Past tokio, which may take a socket it has not polled yet for one that cannot be written.
    fn send_with(&self, control: &[ControlMessage<'_>], to: SocketAddrV4, message: &[u8]) -> io::Result<()> {
        let to = SockaddrIn::from(to);
        sendmsg(
            self.udp.as_raw_fd(),
            &[IoSlice::new(message)],
            control,
            MsgFlags::MSG_DONTWAIT,
            Some(&to),
        )?;
        Ok(())
    }
}

impl Link {
    fn send(
        &self,
        mac: MacAddr,
        source: Ipv4Addr,
        to: SocketAddrV4,
        message: &[u8],
        packet: &mut Vec<u8>,
    ) -> io::Result<()> {
        if !frame::write(packet, SocketAddrV4::new(source, self.port), to, message) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.socket.send_to(packet, &self.link_address(mac)).map(drop)
    }

    fn link_address(&self, mac: MacAddr) -> SockAddr {
        let mut storage = SockAddrStorage::zeroed();
        // SAFETY: sockaddr_ll is a socket address type of the system: plain integers, valid for all bit patterns, and
        // not larger than the storage, whose zeroes are its initial value.
        #[allow(unsafe_code, reason = "neither std nor nix builds a sockaddr_ll")]
        let address: &mut libc::sockaddr_ll = unsafe { storage.view_as() };
        address.sll_family = libc::AF_PACKET as libc::sa_family_t;
        address.sll_protocol = (libc::ETH_P_IP as u16).to_be();
        address.sll_ifindex = self.interface_index;
        address.sll_halen = mac.0.len() as u8;
        address.sll_addr[..mac.0.len()].copy_from_slice(&mac.0);
        let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the storage holds the sockaddr_ll written above, family included, of exactly this length.
        #[allow(unsafe_code, reason = "neither std nor nix builds a sockaddr_ll")]
        unsafe {
            SockAddr::new(storage, len)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)
    }

    #[tokio::test]
    async fn a_socket_on_an_address_receives_and_answers() {
        let socket = DhcpSocket::on_address(loopback()).unwrap();
        let client = net::UdpSocket::bind(loopback()).unwrap();
        client.send_to(b"question", socket.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new();
        socket.receive(&mut batch).await.unwrap();
        let datagram = batch.datagrams().next().unwrap();
        assert_eq!(
            (datagram.bytes, datagram.to),
            (&b"question"[..], Ipv4Addr::LOCALHOST)
        );
        let to = Destination::Unicast(datagram.sender);
        socket
            .send(to, Ipv4Addr::LOCALHOST, b"answer", &mut Vec::new())
            .unwrap();
        let mut buffer = [0; 64];
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"answer");
    }

    #[tokio::test]
    async fn a_socket_on_an_address_reaches_nobody_without_one() {
        let socket = DhcpSocket::on_address(loopback()).unwrap();
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 68);
        for destination in [
            Destination::Broadcast,
            Destination::Link {
                mac: MacAddr([2; 6]),
                to,
            },
        ] {
            let sent = socket.send(destination, Ipv4Addr::LOCALHOST, b"x", &mut Vec::new());
            assert!(matches!(sent, Err(NotSent::Unroutable)), "{destination:?}");
        }
    }

    #[tokio::test]
    async fn an_interface_that_does_not_exist_is_an_error() {
        let error = DhcpSocket::on_interface("chamois-none", 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error() {
        let taken = net::UdpSocket::bind(loopback()).unwrap();
        let SocketAddr::V4(address) = taken.local_addr().unwrap() else {
            panic!()
        };
        assert!(DhcpSocket::on_address(address).is_err());
    }
}
