//! Sockets on an interface: every address of it, the service address included while it is there, or one. What
//! arrives on another interface does not reach them, though Linux takes an address as the host's and not the interface's.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

/// Connections that may wait to be accepted: a rack that powers on connects within one second.
const BACKLOG: i32 = 4096;

/// Listens for TCP connections on a port of an interface.
pub(super) fn tcp(interface: &str, port: u16) -> io::Result<TcpListener> {
    tcp_at(interface, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))
}

/// Listens for TCP connections over IPv6 on a port of an interface.
pub(super) fn tcp_v6(interface: &str, port: u16) -> io::Result<TcpListener> {
    let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
    listening(bound(interface, any.into(), Type::STREAM, Protocol::TCP, true)?)
}

/// Receives datagrams over IPv6 on a port of an interface.
pub(super) fn udp_v6(interface: &str, port: u16) -> io::Result<UdpSocket> {
    let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
    UdpSocket::from_std(bound(interface, any.into(), Type::DGRAM, Protocol::UDP, false)?.into())
}

/// Listens for TCP connections to an address that arrive on an interface; the address may be elsewhere until it comes.
pub(in crate::serve) fn tcp_at(interface: &str, address: SocketAddrV4) -> io::Result<TcpListener> {
    // after a restart, connections of the life before are still in TIME_WAIT
    listening(bound(
        interface,
        address.into(),
        Type::STREAM,
        Protocol::TCP,
        true,
    )?)
}

fn listening(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    // A request that the kernel has acknowledged is never sent again, so the other members should know its connection by
    // then, or nobody frees the client if this host vanishes now (crates/address/src/clients.rs). The connections inherit
    // this: an acknowledgement waits 40 ms for an answer to ride on. Only after `listen`, which resets it.
    socket.set_tcp_quickack(false)?;
    TcpListener::from_std(socket.into())
}

/// Receives datagrams on a port of an interface.
pub(super) fn udp(interface: &str, port: u16) -> io::Result<UdpSocket> {
    udp_at(interface, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))
}

/// Receives datagrams to an address that arrive on an interface.
pub(super) fn udp_at(interface: &str, address: SocketAddrV4) -> io::Result<UdpSocket> {
    UdpSocket::from_std(bound(interface, address.into(), Type::DGRAM, Protocol::UDP, false)?.into())
}

/// Receives datagrams on a port of an interface beside sockets that are connected to one client each: those hear
/// their clients, this one the rest.
pub(super) fn shared_udp(interface: &str, port: u16) -> io::Result<UdpSocket> {
    let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
    UdpSocket::from_std(bound(interface, any.into(), Type::DGRAM, Protocol::UDP, true)?.into())
}

fn bound(
    interface: &str,
    address: SocketAddr,
    kind: Type,
    protocol: Protocol,
    reuse_address: bool,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(reuse_address)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(kind == Type::STREAM)?,
        // beside the socket of IPv4 on the same port
        SocketAddr::V6(_) => socket.set_only_v6(true)?,
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One port on two networks is the usual case, and two listeners on one network a mistake.
    #[tokio::test]
    async fn a_port_is_taken_once_per_interface() {
        let first = tcp("lo", 0).unwrap();
        let port = first.local_addr().unwrap().port();
        let again = tcp("lo", port);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(tcp("no-such-interface", 0).is_err());
    }

    /// Where the kernel acknowledges at once, a client may wait for ever for a member that had not taken note of it.
    #[tokio::test]
    async fn requests_are_not_acknowledged_before_they_are_read() {
        let listener = tcp("lo", 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert!(!socket2::SockRef::from(&listener).tcp_quickack().unwrap());
        assert!(
            !socket2::SockRef::from(&accepted).tcp_quickack().unwrap(),
            "it is inherited"
        );
    }

    /// Both families on one port of one interface are the usual case.
    #[tokio::test]
    async fn a_port_has_room_for_both_families() {
        let port = tcp("lo", 0).unwrap().local_addr().unwrap().port();
        let both = (tcp("lo", port).unwrap(), tcp_v6("lo", port).unwrap());
        tokio::net::TcpStream::connect(("::1", port)).await.unwrap();
        drop(both);
        let _udp = udp("lo", port).unwrap();
        let socket = udp_v6("lo", port).unwrap();
        let sender = UdpSocket::bind("[::1]:0").await.unwrap();
        sender.send_to(b"hello", ("::1", port)).await.unwrap();
        let received =
            tokio::time::timeout(std::time::Duration::from_secs(5), socket.recv(&mut [0; 8])).await;
        assert_eq!(received.unwrap().unwrap(), 5);
    }

    #[tokio::test]
    async fn datagrams_to_any_address_of_the_interface_arrive() {
        let socket = udp("lo", 0).unwrap();
        let port = socket.local_addr().unwrap().port();
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = [0; 8];
        for address in ["127.0.0.1", "127.3.2.1"] {
            sender.send_to(b"hello", (address, port)).await.unwrap();
            let received = tokio::time::timeout(std::time::Duration::from_secs(5), socket.recv(&mut buffer));
            assert!(received.await.unwrap().unwrap() > 0, "{address}");
        }
    }
}
