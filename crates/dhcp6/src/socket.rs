//! The socket of a server: on an interface, where clients and relays write to all servers, or on an address for relays
//! that know it, which needs no privilege. And where an answer goes.

use std::io::{self, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendto, setsockopt, sockopt};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::request::{Arrival, Request};

/// UDP port of servers and relays; there is no other (RFC 8415 section 7.2).
pub const PORT: u16 = 547;
const CLIENT_PORT: u16 = 546;
/// All servers and relays of a link; and all servers of a site, which relays write to that know none.
const ALL_SERVERS: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2),
    Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3),
];
/// Receive buffer, bytes: a power-on storm of 5,000 nodes overflows the usual 208 KiB and costs each loser seconds.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// Who sent a packet, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Address and port, with the interface where the address needs one.
    pub address: SocketAddrV6,
    /// Whether it was sent to this host alone.
    pub is_unicast: bool,
}

impl Sender {
    /// What of it a decision depends on.
    pub fn arrival(&self) -> Arrival {
        Arrival {
            source: *self.address.ip(),
            is_unicast: self.is_unicast,
        }
    }
}

/// Where the answer to a packet goes: back to who sent it, at the port of its kind (RFC 8415 sections 18.3.10 and 19.3;
/// RFC 8357 for relays that listen on another one).
pub fn destination(request: &Request<'_>, sender: &Sender) -> SocketAddrV6 {
    let port = match request.relays.first() {
        Some(relay) if relay.source_port.is_some() => sender.address.port(),
        Some(_) => PORT,
        None => CLIENT_PORT,
    };
    SocketAddrV6::new(*sender.address.ip(), port, 0, sender.address.scope_id())
}

/// Where a server listens and answers.
#[derive(Debug)]
pub struct Socket(UdpSocket);

impl Socket {
    /// Listens on every IPv6 address of an interface, and to what is sent to all servers there; on no other interface.
    /// Call it within a tokio runtime.
    ///
    /// # Errors
    /// No such interface, no IPv6 on it, the port is in use, or CAP_NET_BIND_SERVICE or CAP_NET_RAW is missing.
    pub fn on_interface(interface: &str) -> io::Result<Socket> {
        let index = if_nametoindex(interface)?;
        let socket = socket2::Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_only_v6(true)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.bind(&SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, PORT, 0, 0).into())?;
        for group in ALL_SERVERS {
            socket.join_multicast_v6(&group, index)?;
        }
        Socket::new(socket.into())
    }

    /// Listens on one address, for relays. Call it within a tokio runtime.
    ///
    /// # Errors
    /// The address is not there or in use.
    pub fn on_address(address: SocketAddrV6) -> io::Result<Socket> {
        Socket::new(std::net::UdpSocket::bind(address)?)
    }

    fn new(udp: std::net::UdpSocket) -> io::Result<Socket> {
        udp.set_nonblocking(true)?;
        setsockopt(&udp, sockopt::Ipv6RecvPacketInfo, &true)?;
        // Beyond the system's limit with CAP_NET_ADMIN, else up to it.
        if setsockopt(&udp, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES).is_err() {
            setsockopt(&udp, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES)?;
        }
        Ok(Socket(UdpSocket::from_std(udp)?))
    }

    /// The local address; unspecified on an interface.
    ///
    /// # Errors
    /// Of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Waits for the next datagram; a longer one is cut to the buffer.
    ///
    /// # Errors
    /// Of the socket, e.g. when its interface goes down; the next call may succeed.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
        let receive = || receive_now(&self.0, buffer);
        self.0.async_io(Interest::READABLE, receive).await
    }

    /// Sends a message. A full send buffer is an error too, the client asks again. Past tokio, which may take a socket it
    /// has not polled yet for one that cannot be written.
    pub(crate) fn send(&self, to: SocketAddrV6, message: &[u8]) -> io::Result<()> {
        let to = SockaddrIn6::from(to);
        sendto(self.0.as_raw_fd(), message, &to, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }
}

fn receive_now(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
    let mut control = nix::cmsg_space!(nix::libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let to = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    });
    let from = message
        .address
        .map(|from| SocketAddrV6::new(from.ip(), from.port(), from.flowinfo(), from.scope_id()));
    match (from, to) {
        (Some(address), Some(to)) => Ok((
            message.bytes,
            Sender {
                address,
                is_unicast: !to.is_multicast(),
            },
        )),
        _ => Err(io::Error::other("a datagram came without its addresses")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NODE, RawMessage, duid_ll, relayed};

    fn loopback() -> SocketAddrV6 {
        SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0)
    }

    #[tokio::test]
    async fn a_socket_on_an_address_receives_and_answers() {
        let socket = Socket::on_address(loopback()).unwrap();
        let client = std::net::UdpSocket::bind(loopback()).unwrap();
        client.send_to(b"question", socket.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 64];
        let (len, sender) = socket.receive(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..len], b"question");
        assert!(sender.is_unicast);
        socket.send(sender.address, b"answer").unwrap();
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"answer");
    }

    #[tokio::test]
    async fn an_interface_that_does_not_exist_is_an_error() {
        assert!(Socket::on_interface("chamois-none").is_err());
    }

    #[test]
    fn an_answer_goes_back_to_who_sent_it_at_the_port_of_its_kind() {
        let sender = Sender {
            address: SocketAddrV6::new("fe80::1".parse().unwrap(), 40_000, 7, 3),
            is_unicast: false,
        };
        let to = |packet: &[u8]| {
            let to = destination(&Request::parse(packet, sender.arrival()).unwrap(), &sender);
            (*to.ip(), to.port(), to.scope_id())
        };
        let solicit = RawMessage::new(1).options(&[(1, &duid_ll(NODE))]).bytes();
        let ip = *sender.address.ip();
        assert_eq!(to(&solicit), (ip, 546, 3));
        let plain = relayed(&solicit, 0, "fd00:98::1", "fe80::2", &[]);
        assert_eq!(to(&plain), (ip, 547, 3));
        let elsewhere = relayed(&solicit, 0, "fd00:98::1", "fe80::2", &[(135, &[0, 0])]);
        assert_eq!(to(&elsewhere), (ip, 40_000, 3));
        assert_eq!(to(&relayed(&elsewhere, 1, "::", "fe80::3", &[])), (ip, 547, 3));
    }
}
