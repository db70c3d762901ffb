//! Resets the TCP connections of an address before it goes. Needs CAP_NET_ADMIN.
//!
//! A client in the middle of a transfer waits for bytes that will never come: iPXE for 15 s until its keepalive meets
//! the new holder, cloud-init for ever (it sets no time-out, and its request has been acknowledged by a frozen
//! member's kernel). A reset lets both ask again at once. The kernel sends it for us (`SOCK_DESTROY` of sock_diag(7)),
//! also for a frozen process; for connections whose process was killed since Linux 6.11.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// linux/sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
/// linux/inet_diag.h: `struct inet_diag_req_v2` is 8 bytes and a socket's id; an answer begins with 4 bytes, then the
/// id of 48: ports, source, destination (16 bytes each), interface, cookie.
const ID_BYTES: usize = 48;
const ANSWER_ID_AT: usize = 4;
/// Every state in which the far end waits for something: not LISTEN, TIME_WAIT, CLOSE, and not FIN_WAIT2, in which it
/// has everything, our FIN too, and which the kernel keeps as a kind of TIME_WAIT that cannot be destroyed.
const STATES: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8 | 1 << 9 | 1 << 11;

const HEADER_BYTES: usize = 16;
/// The kernel answers at once; a longer wait is an error, not a hang.
const ANSWER_WAIT_S: i64 = 1;
/// One piece of the kernel's list.
const LIST_BYTES: usize = 64 * 1024;
/// Most connections reset at once: what a node port takes.
const CONNECTIONS_MAX: usize = 65_536;

/// Times that the list is made: a client that was reset may be back on the listener of a frozen process before the
/// address is gone.
const ROUNDS_MAX: usize = 8;

/// What became of the connections of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reset {
    pub(crate) count: usize,
    /// Those that the kernel would not end.
    pub(crate) refused: usize,
}

/// Resets every TCP connection of this host that has `address` at this end.
///
/// # Errors
/// Without CAP_NET_ADMIN, or on a kernel without CONFIG_INET_DIAG_DESTROY.
pub(crate) fn reset(address: Ipv4Addr) -> io::Result<Reset> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let diag = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkSockDiag,
    )?;
    setsockopt(&diag, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_WAIT_S))?;
    reset_with(|| list(&diag, address), |id| destroy(&diag, id))
}

/// Makes the list and ends what is on it until it is empty. A connection that cannot be ended does not keep the others.
fn reset_with(
    mut list: impl FnMut() -> io::Result<Vec<Id>>,
    mut destroy: impl FnMut(&Id) -> io::Result<i32>,
) -> io::Result<Reset> {
    let (mut count, mut refused) = (0, BTreeSet::new());
    for _ in 0..ROUNDS_MAX {
        let mut found = list()?;
        found.retain(|id| !refused.contains(id));
        if found.is_empty() {
            break;
        }
        for id in found {
            match destroy(&id)? {
                0 => count += 1,
                libc::ENOENT | libc::ESTALE => {} // it ended by itself meanwhile
                errno @ (libc::EPERM | libc::EACCES) => return Err(io::Error::from_raw_os_error(errno)),
                errno => {
                    let error = io::Error::from_raw_os_error(errno);
                    tracing::debug!(%error, "a connection could not be reset");
                    refused.insert(id);
                }
            }
        }
    }
    let refused = refused.len();
    Ok(Reset { count, refused })
}

type Id = [u8; ID_BYTES];

fn list(diag: &OwnedFd, address: Ipv4Addr) -> io::Result<Vec<Id>> {
    send(diag, SOCK_DIAG_BY_FAMILY, libc::NLM_F_DUMP, &[0; ID_BYTES])?;
    let mut found = Vec::new();
    let mut piece = vec![0; LIST_BYTES];
    loop {
        let length = recv(diag.as_raw_fd(), &mut piece, MsgFlags::empty())?;
        for (kind, body) in Messages(&piece[..length]) {
            match i32::from(kind) {
                libc::NLMSG_DONE => return Ok(found),
                libc::NLMSG_ERROR => return Err(io::Error::from_raw_os_error(errno(body))),
                _ => found.extend(id_of(body, address).filter(|_| found.len() < CONNECTIONS_MAX)),
            }
        }
    }
}

/// The socket's id, if it is at `address`.
fn id_of(answer: &[u8], address: Ipv4Addr) -> Option<Id> {
    let id: Id = answer
        .get(ANSWER_ID_AT..ANSWER_ID_AT + ID_BYTES)?
        .try_into()
        .ok()?;
    (id[4..8] == address.octets()).then_some(id)
}

/// The kernel's errno, 0 for success.
fn destroy(diag: &OwnedFd, id: &Id) -> io::Result<i32> {
    send(diag, SOCK_DESTROY, libc::NLM_F_ACK, id)?;
    let mut answer = [0; 1024];
    let length = recv(diag.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let first = Messages(&answer[..length]).next();
    match first {
        Some((kind, body)) if i32::from(kind) == libc::NLMSG_ERROR => Ok(errno(body)),
        _ => Err(io::Error::other(
            "the kernel's sock_diag answer is not an acknowledgement",
        )),
    }
}

fn send(diag: &OwnedFd, kind: u16, flags: i32, id: &Id) -> io::Result<()> {
    let to_kernel = NetlinkAddr::new(0, 0);
    let message = request(kind, flags, id);
    sendto(diag.as_raw_fd(), &message, &to_kernel, MsgFlags::empty()).map(drop)?;
    Ok(())
}

/// `struct nlmsghdr` (linux/netlink.h), then `struct inet_diag_req_v2`.
fn request(kind: u16, flags: i32, id: &Id) -> Vec<u8> {
    let flags = u16::try_from(libc::NLM_F_REQUEST | flags).expect("netlink flags fit 16 bits");
    let length = u32::try_from(HEADER_BYTES + 8 + ID_BYTES).expect("72 bytes");
    let mut message = Vec::with_capacity(HEADER_BYTES + 8 + ID_BYTES);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&[0; 8]); // sequence and port: one question at a time, and the kernel fills it
    message.extend_from_slice(&[libc::AF_INET as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    message.extend_from_slice(&STATES.to_ne_bytes());
    message.extend_from_slice(id);
    message
}

fn errno(body: &[u8]) -> i32 {
    let code = body.first_chunk().map(|code| i32::from_ne_bytes(*code));
    code.and_then(i32::checked_neg).unwrap_or(libc::EPROTO)
}

/// The messages of one datagram: kind and body each.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = u32::from_ne_bytes(*self.0.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(self.0.get(4..6)?.try_into().ok()?);
        let body = self.0.get(HEADER_BYTES..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(address: [u8; 4]) -> Vec<u8> {
        let mut body = vec![0; ANSWER_ID_AT + ID_BYTES + 20];
        body[ANSWER_ID_AT + 4..ANSWER_ID_AT + 8].copy_from_slice(&address);
        let mut message = (u32::try_from(HEADER_BYTES + body.len()).unwrap())
            .to_ne_bytes()
            .to_vec();
        message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message
    }

    #[test]
    fn only_connections_of_the_address_are_picked() {
        let mut datagram = answer([10, 97, 0, 1]);
        datagram.extend(answer([10, 97, 1, 1]));
        let service = Ipv4Addr::new(10, 97, 0, 1);
        let picked: Vec<_> = Messages(&datagram)
            .map(|(_, body)| id_of(body, service).is_some())
            .collect();
        assert_eq!(picked, [true, false]);
    }

    /// One that the kernel keeps must not cost the others their reset, nor one that comes late.
    #[test]
    fn all_are_reset_but_what_cannot_be() {
        let (kept, stale, first, late) = ([1; ID_BYTES], [2; ID_BYTES], [3; ID_BYTES], [4; ID_BYTES]);
        let mut lists = [vec![kept, stale, first], vec![kept, late], vec![kept]].into_iter();
        let mut asked = Vec::new();
        let reset = reset_with(
            || Ok(lists.next().expect("not asked again after the last")),
            |id| {
                asked.push(*id);
                Ok(match *id {
                    id if id == kept => libc::EOPNOTSUPP,
                    id if id == stale => libc::ESTALE,
                    _ => 0,
                })
            },
        );
        let expected = Reset { count: 2, refused: 1 };
        assert_eq!(reset.unwrap(), expected);
        assert_eq!(asked, [kept, stale, first, late]);
    }

    /// Clients that come back faster than they are reset do not keep the address.
    #[test]
    fn the_rounds_are_bounded() {
        let reset = reset_with(|| Ok(vec![[1; ID_BYTES]]), |_| Ok(0)).unwrap();
        assert_eq!(reset.count, ROUNDS_MAX);
    }

    #[test]
    fn a_missing_permission_is_an_error() {
        reset_with(|| Ok(vec![[1; ID_BYTES]]), |_| Ok(libc::EPERM)).unwrap_err();
    }

    #[test]
    fn what_is_cut_off_ends_the_list() {
        let datagram = answer([10, 97, 0, 1]);
        for length in 0..datagram.len() {
            assert_eq!(Messages(&datagram[..length]).count(), 0, "{length} bytes");
        }
    }

    /// The layout of linux/inet_diag.h, 72 bytes with its header.
    #[test]
    fn the_request_has_the_kernels_layout() {
        let message = request(SOCK_DESTROY, libc::NLM_F_ACK, &[7; ID_BYTES]);
        assert_eq!(message.len(), 72);
        assert_eq!(message[..4], 72_u32.to_ne_bytes());
        assert_eq!(message[4..6], 21_u16.to_ne_bytes());
        assert_eq!(message[16..20], [2, 6, 0, 0]);
        assert_eq!(message[24..], [7; ID_BYTES]);
    }
}
