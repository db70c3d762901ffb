//! A UDP socket that answers from the address that was asked: on an interface with several addresses the system would
//! choose, and resolvers take no answer from another address.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Receive buffer, bytes: nodes that boot ask at the same time.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// Both ends of a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    /// Who sent it.
    pub(crate) peer: SocketAddrV4,
    /// The local address it was sent to.
    pub(crate) local: Ipv4Addr,
}

/// The socket.
#[derive(Debug)]
pub(crate) struct Udp(UdpSocket);

impl Udp {
    /// Wraps a bound IPv4 socket.
    ///
    /// # Errors
    /// When the system does not tell the address that datagrams were sent to.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Udp> {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        // beyond the system's limit with CAP_NET_ADMIN, else up to it
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES)?;
        }
        Ok(Udp(socket))
    }

    /// Waits for the next datagram; its length in the buffer, to which a longer one is cut.
    ///
    /// # Errors
    /// Of the socket, e.g. when its interface goes down; the next call may succeed.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Ends)> {
        self.0
            .async_io(Interest::READABLE, || receive_now(&self.0, buffer))
            .await
    }

    /// Answers from where the question went to. A full send buffer is an error too: the client asks again.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn answer(&self, ends: Ends, message: &[u8]) -> io::Result<()> {
        let info = libc::in_pktinfo {
            ipi_ifindex: 0, // a socket of an interface is bound to it
            ipi_spec_dst: libc::in_addr {
                s_addr: ends.local.to_bits().to_be(),
            },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        let to = SockaddrIn::from(ends.peer);
        // past tokio, which may take a socket it has not polled yet for one that cannot be written
        sendmsg(
            self.0.as_raw_fd(),
            &[IoSlice::new(message)],
            &[ControlMessage::Ipv4PacketInfo(&info)],
            MsgFlags::MSG_DONTWAIT,
            Some(&to),
        )?;
        Ok(())
    }
}

fn receive_now(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Ends)> {
    let mut control = nix::cmsg_space!(libc::in_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::empty(),
    )?;
    let local = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))),
        _ => None,
    });
    let peer = message
        .address
        .map(|address| SocketAddrV4::new(address.ip(), address.port()));
    match (local, peer) {
        (Some(local), Some(peer)) => Ok((message.bytes, Ends { peer, local })),
        _ => Err(io::Error::other("a datagram came without its addresses")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bound to any address, the socket must answer from the one that was asked, not from the first of the interface.
    #[tokio::test]
    async fn an_answer_comes_from_the_address_that_was_asked() {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let udp = Udp::new(socket).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = [0; 16];
        for address in ["127.0.0.1", "127.3.2.1"] {
            client.send_to(b"question", (address, port)).await.unwrap();
            let (len, ends) = udp.receive(&mut buffer).await.unwrap();
            assert_eq!(
                (&buffer[..len], ends.local.to_string()),
                (&b"question"[..], address.to_owned())
            );
            udp.answer(ends, b"answer").unwrap();
            let (len, from) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!(
                (&buffer[..len], from.ip().to_string()),
                (&b"answer"[..], address.to_owned())
            );
        }
    }
}
