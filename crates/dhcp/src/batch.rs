//! Datagrams taken from a socket many at a time: in a power-on storm a system call brings 16 packets, not one.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Longest packet read, bytes; what fills it is dropped. An Ethernet frame carries 1,472.
pub(crate) const PACKET_BYTES_MAX: usize = 2048;
/// Packets taken at once. More bring nothing: what waits longer is found by the next call.
const PACKETS_MAX: usize = 16;
/// Room for what comes at once; reused.
pub(crate) struct Batch {
    packets: Box<[[u8; PACKET_BYTES_MAX]; PACKETS_MAX]>,
    arrivals: [Option<Arrival>; PACKETS_MAX],
}

/// A datagram in one of the places of the batch.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// Bytes of it; a longer datagram is cut.
    len: usize,
    sender: SocketAddrV4,
}

impl Batch {
    pub(crate) fn new() -> Batch {
        Batch {
            packets: Box::new([[0; PACKET_BYTES_MAX]; PACKETS_MAX]),
            arrivals: [None; PACKETS_MAX],
        }
    }

    /// The packets of the last [`Batch::fill`], in the order in which they came.
    pub(crate) fn packets(&self) -> impl Iterator<Item = (&[u8], SocketAddrV4)> {
        let places = self.packets.iter().zip(&self.arrivals);
        places.filter_map(|(bytes, arrival)| {
            let arrival = arrival.as_ref()?;
            Some((&bytes[..arrival.len], arrival.sender))
        })
    }

    /// Takes what has come, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing has; else of the socket. Then the batch is empty.
    pub(crate) fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.arrivals = [None; PACKETS_MAX];
        // SAFETY: sockaddr_in, iovec and mmsghdr are plain data of the system, for which all zeroes are valid.
        #[allow(
            unsafe_code,
            reason = "nix's headers cannot be kept across an await, and are allocated anew else"
        )]
        let (mut names, mut parts, mut headers) = unsafe {
            (
                std::mem::zeroed::<[libc::sockaddr_in; PACKETS_MAX]>(),
                std::mem::zeroed::<[libc::iovec; PACKETS_MAX]>(),
                std::mem::zeroed::<[libc::mmsghdr; PACKETS_MAX]>(),
            )
        };
        for (place, packet) in self.packets.iter_mut().enumerate() {
            parts[place].iov_base = packet.as_mut_ptr().cast();
            parts[place].iov_len = packet.len();
            let header = &mut headers[place].msg_hdr;
            header.msg_iov = &raw mut parts[place];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut names[place]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        }
        // SAFETY: every header names one buffer of `packets` and one address of `names`, with their true lengths; all of
        // them outlive the call, and nothing else looks at them meanwhile.
        #[allow(unsafe_code, reason = "see above")]
        let taken = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                PACKETS_MAX as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let taken = usize::try_from(taken).map_err(|_| io::Error::last_os_error())?;
        for (place, header) in headers.iter().enumerate().take(taken) {
            self.arrivals[place] = arrival(header, &names[place]);
        }
        Ok(())
    }
}

/// `None` for a sender that is no IPv4 address: there is none on a socket of IPv4.
fn arrival(header: &libc::mmsghdr, name: &libc::sockaddr_in) -> Option<Arrival> {
    let address = u32::from_be(name.sin_addr.s_addr);
    (libc::c_int::from(name.sin_family) == libc::AF_INET).then_some(Arrival {
        len: (header.msg_len as usize).min(PACKET_BYTES_MAX),
        sender: SocketAddrV4::new(address.into(), u16::from_be(name.sin_port)),
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::os::fd::AsFd as _;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        (server, client)
    }

    fn names(batch: &Batch) -> Vec<u8> {
        batch
            .packets()
            .map(|(packet, _)| packet[packet.len() - 1])
            .collect()
    }

    #[test]
    fn what_has_come_is_taken_at_once_in_its_order() {
        let (server, client) = pair();
        for name in 1..=5 {
            client.send(&[0, name]).unwrap();
        }
        let mut batch = Batch::new();
        batch.fill(server.as_fd()).unwrap();
        assert_eq!(names(&batch), [1, 2, 3, 4, 5]);
        let from = client.local_addr().unwrap();
        assert!(
            batch
                .packets()
                .all(|(_, sender)| std::net::SocketAddr::V4(sender) == from)
        );
        let error = batch.fill(server.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(names(&batch).is_empty(), "what was taken is not taken twice");
    }

    #[test]
    fn more_than_a_batch_is_left_for_the_next() {
        let (server, client) = pair();
        for name in 0..PACKETS_MAX as u8 + 3 {
            client.send(&[name]).unwrap();
        }
        let mut batch = Batch::new();
        batch.fill(server.as_fd()).unwrap();
        assert_eq!(names(&batch), (0..PACKETS_MAX as u8).collect::<Vec<_>>());
        batch.fill(server.as_fd()).unwrap();
        assert_eq!(names(&batch), [16, 17, 18]);
    }

    #[test]
    fn a_long_datagram_is_cut_and_an_empty_one_is_a_packet() {
        let (server, client) = pair();
        client.send(&[7; PACKET_BYTES_MAX + 1]).unwrap();
        client.send(&[]).unwrap();
        let mut batch = Batch::new();
        batch.fill(server.as_fd()).unwrap();
        let lengths: Vec<_> = batch.packets().map(|(packet, _)| packet.len()).collect();
        assert_eq!(lengths, [PACKET_BYTES_MAX, 0]);
    }
}
