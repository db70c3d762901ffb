//! Datagrams taken from a socket many at a time: in a power-on storm a system call brings 16 packets, not one.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Longest packet read, bytes; what fills it is dropped. An Ethernet frame carries 1,472.
pub(crate) const PACKET_BYTES_MAX: usize = 2048;
/// Packets taken at once. More bring nothing: what waits longer is found by the next call.
pub(crate) const PACKETS_MAX: usize = 16;
/// Room for one IP_PKTINFO, 32 bytes with its header, aligned as the system wants it.
pub(crate) const INFO_WORDS: usize = 8;

/// Room for what comes at once; reused.
pub(crate) struct Batch {
    packets: Box<[[u8; PACKET_BYTES_MAX]; PACKETS_MAX]>,
    arrivals: [Option<Arrival>; PACKETS_MAX],
    taken: usize,
}

/// A datagram as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    /// A longer one is cut to [`PACKET_BYTES_MAX`].
    pub(crate) bytes: &'a [u8],
    pub(crate) sender: SocketAddrV4,
    /// The address it was sent to; unspecified if the system does not say.
    pub(crate) to: Ipv4Addr,
}

/// What is known of the bytes in one of the places of the batch.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    len: usize,
    sender: SocketAddrV4,
    to: Ipv4Addr,
}

impl Batch {
    pub(crate) fn new() -> Batch {
        Batch {
            packets: Box::new([[0; PACKET_BYTES_MAX]; PACKETS_MAX]),
            arrivals: [None; PACKETS_MAX],
            taken: 0,
        }
    }

    /// How many packets the last [`Batch::fill`] took.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Whether there may be more where they came from.
    pub(crate) fn is_full(&self) -> bool {
        self.taken == PACKETS_MAX
    }

    /// The packets of the last [`Batch::fill`], in the order in which they came.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let places = self.packets.iter().zip(&self.arrivals);
        places.filter_map(|(bytes, arrival)| {
            let arrival = arrival.as_ref()?;
            Some(Datagram {
                bytes: &bytes[..arrival.len],
                sender: arrival.sender,
                to: arrival.to,
            })
        })
    }

    /// Takes what has come, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing has; else of the socket. Then the batch is empty.
    pub(crate) fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        (self.arrivals, self.taken) = ([None; PACKETS_MAX], 0);
        // SAFETY: sockaddr_in, iovec and mmsghdr are plain data of the system, for which all zeroes are valid.
        #[allow(
            unsafe_code,
            reason = "nix's headers cannot be kept across an await, and are allocated anew else"
        )]
        let (mut infos, mut names, mut parts, mut headers) = unsafe {
            (
                std::mem::zeroed::<[[u64; INFO_WORDS]; PACKETS_MAX]>(),
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
            header.msg_control = infos[place].as_mut_ptr().cast();
            header.msg_controllen = size_of_val(&infos[place]) as _;
            header.msg_name = (&raw mut names[place]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        }
        // SAFETY: every header names one buffer of `packets`, one address of `names` and one place of `infos`, with their
        // true lengths; all of them outlive the call, and nothing else looks at them meanwhile.
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
        self.taken = taken;
        for (place, header) in headers.iter().enumerate().take(taken) {
            self.arrivals[place] = arrival(header, &names[place]);
        }
        Ok(())
    }
}

/// `None` for a sender that is no IPv4 address: there is none on a socket of IPv4.
fn arrival(header: &libc::mmsghdr, name: &libc::sockaddr_in) -> Option<Arrival> {
    let address = u32::from_be(name.sin_addr.s_addr);
    (libc::c_int::from(name.sin_family) == libc::AF_INET).then(|| Arrival {
        len: (header.msg_len as usize).min(PACKET_BYTES_MAX),
        sender: SocketAddrV4::new(address.into(), u16::from_be(name.sin_port)),
        to: sent_to(&header.msg_hdr).unwrap_or(Ipv4Addr::UNSPECIFIED),
    })
}

/// The destination in the header of the packet: IP_PKTINFO, as the socket was told to give it.
fn sent_to(header: &libc::msghdr) -> Option<Ipv4Addr> {
    // SAFETY: the kernel has filled `msg_control` and set `msg_controllen` to what it wrote; the macros stay within it, and a
    // message of this level and type carries an in_pktinfo, which is read without regard to its alignment.
    #[allow(unsafe_code, reason = "ancillary data is read through the system's macros")]
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(info) = message.as_ref() {
            if (info.cmsg_level, info.cmsg_type) == (libc::IPPROTO_IP, libc::IP_PKTINFO) {
                let info: libc::in_pktinfo = std::ptr::read_unaligned(libc::CMSG_DATA(message).cast());
                return Some(u32::from_be(info.ipi_addr.s_addr).into());
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsFd as _;

    use nix::sys::socket::{setsockopt, sockopt};

    use super::*;

    const TO: Ipv4Addr = Ipv4Addr::new(127, 3, 2, 1);

    fn pair() -> (UdpSocket, UdpSocket) {
        let server = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        setsockopt(&server, sockopt::Ipv4PacketInfo, &true).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.connect((TO, server.local_addr().unwrap().port())).unwrap();
        (server, client)
    }

    fn names(batch: &Batch) -> Vec<u8> {
        batch
            .datagrams()
            .map(|datagram| datagram.bytes[datagram.bytes.len() - 1])
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
        let is_whole = |datagram: Datagram<'_>| SocketAddr::V4(datagram.sender) == from && datagram.to == TO;
        assert!(batch.datagrams().all(is_whole));
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
        let lengths: Vec<_> = batch.datagrams().map(|datagram| datagram.bytes.len()).collect();
        assert_eq!(lengths, [PACKET_BYTES_MAX, 0]);
    }
}
