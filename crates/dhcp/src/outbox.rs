//! Answers that leave together: in a power-on storm one system call sends those to 16 packets, and wakes the relay once.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use crate::batch::{INFO_WORDS, PACKETS_MAX};

/// Answers that wait at most, one for each packet of a batch; then they must leave.
const ANSWERS_MAX: usize = PACKETS_MAX;

/// Answers by unicast over UDP; the buffers are used again.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    answers: Vec<Answer>,
    /// So many of them wait.
    waiting: usize,
}

#[derive(Debug)]
struct Answer {
    to: SocketAddrV4,
    message: Vec<u8>,
}

impl Outbox {
    /// Puts an answer behind the others. There is room: see [`Outbox::is_full`].
    pub(crate) fn put(&mut self, to: SocketAddrV4, message: &[u8]) {
        if self.waiting == self.answers.len() {
            self.answers.push(Answer {
                to,
                message: Vec::new(),
            });
        }
        let answer = &mut self.answers[self.waiting];
        answer.to = to;
        answer.message.clear();
        answer.message.extend_from_slice(message);
        self.waiting += 1;
    }

    /// Whether no more answers may wait.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting == ANSWERS_MAX
    }

    /// Sends all that waits over `socket`, from `source` where one is given and this host has that address. `failed` hears of
    /// each answer that could not be sent. Nothing waits any more then.
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        source: Option<Ipv4Addr>,
        mut failed: impl FnMut(SocketAddrV4, io::Error),
    ) {
        let mut source = source;
        let mut waiting = &self.answers[..std::mem::take(&mut self.waiting)];
        while let Some((first, behind)) = waiting.split_first() {
            match send_many(socket, source, waiting) {
                Ok(sent @ 1..) => waiting = &waiting[sent.min(waiting.len())..],
                Ok(0) => {
                    failed(first.to, io::ErrorKind::WriteZero.into());
                    waiting = behind;
                }
                Err(error) => {
                    let plain = source.and_then(|_| send_many(socket, None, &waiting[..1]).ok());
                    match plain {
                        // another member holds the service address
                        Some(1..) => source = None,
                        Some(0) | None => failed(first.to, error),
                    }
                    waiting = behind;
                }
            }
        }
    }
}

/// How many of the first answers have left; an error is about the first of them.
fn send_many(socket: BorrowedFd<'_>, source: Option<Ipv4Addr>, answers: &[Answer]) -> io::Result<usize> {
    let count = answers.len().min(ANSWERS_MAX);
    // SAFETY: sockaddr_in, iovec and mmsghdr are plain data of the system, for which all zeroes are valid.
    #[allow(unsafe_code, reason = "nix's headers are allocated for each call")]
    let (mut names, mut parts, mut headers) = unsafe {
        (
            std::mem::zeroed::<[libc::sockaddr_in; ANSWERS_MAX]>(),
            std::mem::zeroed::<[libc::iovec; ANSWERS_MAX]>(),
            std::mem::zeroed::<[libc::mmsghdr; ANSWERS_MAX]>(),
        )
    };
    let mut info = [0_u64; INFO_WORDS];
    let info_bytes = source.map_or(0, |source| write_info(&mut info, source));
    for (place, answer) in answers.iter().take(count).enumerate() {
        names[place].sin_family = libc::AF_INET as libc::sa_family_t;
        names[place].sin_port = answer.to.port().to_be();
        names[place].sin_addr.s_addr = u32::from(*answer.to.ip()).to_be();
        // the system only reads from there
        parts[place].iov_base = answer.message.as_ptr().cast_mut().cast();
        parts[place].iov_len = answer.message.len();
        let header = &mut headers[place].msg_hdr;
        header.msg_name = (&raw mut names[place]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        header.msg_iov = &raw mut parts[place];
        header.msg_iovlen = 1;
        if info_bytes > 0 {
            header.msg_control = info.as_mut_ptr().cast();
            header.msg_controllen = info_bytes as _;
        }
    }
    // SAFETY: each of the first `count` headers names an address, a message and maybe the control message of this function,
    // with their true lengths; all of them outlive the call, which writes nothing but the headers' lengths.
    #[allow(unsafe_code, reason = "see above")]
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// The IP_PKTINFO of what is sent from an address of this host.
pub(crate) fn sent_from(source: Ipv4Addr) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: 0, // the socket is bound to its interface
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from(source).to_be(),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

/// Writes an IP_PKTINFO that names the source, and gives its bytes.
fn write_info(room: &mut [u64; INFO_WORDS], source: Ipv4Addr) -> usize {
    let info = sent_from(source);
    let bytes = size_of::<libc::in_pktinfo>() as libc::c_uint;
    // SAFETY: the room is aligned for a cmsghdr and longer than CMSG_SPACE of an in_pktinfo (32 bytes), which is all that is
    // written; the value behind the header is written without regard to its alignment.
    #[allow(unsafe_code, reason = "ancillary data is laid out by the system's macros")]
    unsafe {
        let header = room.as_mut_ptr().cast::<libc::cmsghdr>();
        (*header).cmsg_level = libc::IPPROTO_IP;
        (*header).cmsg_type = libc::IP_PKTINFO;
        (*header).cmsg_len = libc::CMSG_LEN(bytes) as _;
        std::ptr::write_unaligned(libc::CMSG_DATA(header).cast(), info);
        libc::CMSG_SPACE(bytes) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsFd as _;

    use super::*;

    fn socket(address: Ipv4Addr) -> (UdpSocket, SocketAddrV4) {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket
            .set_read_timeout(Some(std::time::Duration::from_secs(10)))
            .unwrap();
        match socket.local_addr().unwrap() {
            SocketAddr::V4(own) => (socket, own),
            SocketAddr::V6(_) => unreachable!(),
        }
    }

    fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut bytes = [0; 64];
        let (len, from) = socket.recv_from(&mut bytes).unwrap();
        (bytes[..len].to_vec(), from)
    }

    #[test]
    fn all_that_waits_leaves_in_its_order_to_its_own_address() {
        let (server, own) = socket(Ipv4Addr::LOCALHOST);
        let (one, two) = (socket(Ipv4Addr::LOCALHOST), socket(Ipv4Addr::LOCALHOST));
        let mut outbox = Outbox::default();
        for round in 0..2 {
            for number in 0..ANSWERS_MAX as u8 {
                assert!(!outbox.is_full());
                let to = if number % 2 == 0 { one.1 } else { two.1 };
                outbox.put(to, &[round, number]);
            }
            assert!(outbox.is_full());
            outbox.send(server.as_fd(), None, |to, _| panic!("{to}"));
            for number in 0..ANSWERS_MAX as u8 {
                let client = if number % 2 == 0 { &one.0 } else { &two.0 };
                assert_eq!(received(client), (vec![round, number], SocketAddr::V4(own)));
            }
            outbox.send(server.as_fd(), None, |to, _| panic!("{to}: it has left"));
        }
    }

    #[test]
    fn answers_come_from_the_address_that_is_asked_for() {
        let (server, own) = socket(Ipv4Addr::UNSPECIFIED);
        let (client, to) = socket(Ipv4Addr::LOCALHOST);
        let mut outbox = Outbox::default();
        outbox.put(to, b"answer");
        let service = Ipv4Addr::new(127, 4, 3, 2);
        outbox.send(server.as_fd(), Some(service), |to, _| panic!("{to}"));
        let from = SocketAddr::V4(SocketAddrV4::new(service, own.port()));
        assert_eq!(received(&client), (b"answer".to_vec(), from));
    }

    /// A member that does not hold the service address may not send from it; and one client that cannot be reached keeps no
    /// answer from the others.
    #[test]
    fn what_cannot_leave_is_told_and_the_rest_leaves() {
        let (server, own) = socket(Ipv4Addr::LOCALHOST);
        let (client, to) = socket(Ipv4Addr::LOCALHOST);
        let beyond = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 67);
        let mut outbox = Outbox::default();
        for (to, message) in [(to, b"1"), (beyond, b"2"), (to, b"3")] {
            outbox.put(to, message);
        }
        let mut back = Vec::new();
        outbox.send(server.as_fd(), None, |to, _| back.push(to));
        assert_eq!(back, [beyond], "127.0.0.1 reaches no other network");
        assert_eq!(
            (received(&client).0, received(&client).0),
            (b"1".to_vec(), b"3".to_vec())
        );
        outbox.put(to, b"4");
        outbox.put(to, b"5");
        let elsewhere = Ipv4Addr::new(192, 0, 2, 9);
        outbox.send(server.as_fd(), Some(elsewhere), |to, error| {
            panic!("{to}: {error}")
        });
        assert_eq!(
            (received(&client), received(&client)),
            ((b"4".to_vec(), own.into()), (b"5".to_vec(), own.into())),
            "from its own address where it has not the one that is asked for"
        );
    }
}
