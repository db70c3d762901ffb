//! Adds and removes one IPv4 address of an interface through rtnetlink. Needs CAP_NET_ADMIN.
//!
//! Every address carries a lifetime of [`ADDRESS_LIFE_S`], renewed with the claims: if the helper itself is
//! killed, the kernel removes the address. Addresses are /32: no route comes or goes with them.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::claim::Target;

/// Lifetime the kernel gives an address that is not renewed, seconds (its own resolution).
pub(crate) const ADDRESS_LIFE_S: u32 = 3;
/// The kernel answers at once; a longer wait is an error, not a hang.
const ANSWER_WAIT_S: i64 = 1;

const HEADER_BYTES: usize = 16;
const ACK_BYTES: usize = HEADER_BYTES + 4;

/// A conversation with the kernel about addresses.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Netlink> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            SockProtocol::NetlinkRoute,
        )?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_WAIT_S))?;
        Ok(Netlink { socket, sequence: 0 })
    }

    /// Adds the address, or renews its lifetime if it is there.
    pub(crate) fn add(&mut self, target: &Target) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        let error = self.ask(libc::RTM_NEWADDR, flags, target, Some(ADDRESS_LIFE_S))?;
        if error == 0 {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(error))
        }
    }

    /// Removes the address; one that is not there is removed already.
    pub(crate) fn remove(&mut self, target: &Target) -> io::Result<()> {
        match self.ask(libc::RTM_DELADDR, 0, target, None)? {
            0 | libc::EADDRNOTAVAIL => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Sends one request and returns the kernel's errno for it, 0 for success.
    fn ask(&mut self, kind: u16, flags: i32, target: &Target, life_s: Option<u32>) -> io::Result<i32> {
        let interface = if_nametoindex(target.interface.as_str())?;
        self.exchange(kind, flags, &address_body(interface, target, life_s))
    }

    /// Sends one message with this body and returns the kernel's errno for it, 0 for success.
    pub(crate) fn exchange(&mut self, kind: u16, flags: i32, body: &[u8]) -> io::Result<i32> {
        self.sequence = self.sequence.wrapping_add(1);
        sendto(
            self.socket.as_raw_fd(),
            &message(kind, flags, self.sequence, body),
            &NetlinkAddr::new(0, 0),
            MsgFlags::empty(),
        )?;
        let mut answer = [0; 1024];
        loop {
            let len = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            match acknowledgement(&answer[..len]) {
                // an answer to an earlier request that was given up waiting for is skipped
                Some((sequence, errno)) if sequence == self.sequence => return Ok(errno),
                Some(_) => {}
                None => {
                    return Err(io::Error::other(
                        "the kernel's rtnetlink answer is not an acknowledgement",
                    ));
                }
            }
        }
    }
}

/// `struct ifaddrmsg`, then attributes (linux/if_addr.h; rtnetlink(7)).
fn address_body(interface: u32, target: &Target, life_s: Option<u32>) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    body.extend_from_slice(&[libc::AF_INET as u8, 32, 0, libc::RT_SCOPE_UNIVERSE]);
    body.extend_from_slice(&interface.to_ne_bytes());
    attribute(&mut body, libc::IFA_LOCAL, &target.address.octets());
    attribute(&mut body, libc::IFA_ADDRESS, &target.address.octets());
    if let Some(life_s) = life_s {
        // struct ifa_cacheinfo: preferred, valid, and two stamps that the kernel sets
        let info: Vec<u8> = [life_s, life_s, 0, 0]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        attribute(&mut body, libc::IFA_CACHEINFO, &info);
    }
    body
}

/// `struct nlmsghdr` (linux/netlink.h), then the body.
fn message(kind: u16, flags: i32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags;
    let length = u32::try_from(HEADER_BYTES + body.len()).expect("a request has some 60 bytes");
    let flags = u16::try_from(flags).expect("netlink flags fit 16 bits");
    let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&sequence.to_ne_bytes());
    message.extend_from_slice(&0u32.to_ne_bytes()); // port: the kernel fills it
    message.extend_from_slice(body);
    message
}

/// Our attributes all have a multiple of four bytes, so none needs padding.
pub(crate) fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).expect("an attribute has at most 20 bytes");
    body.extend_from_slice(&length.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
}

/// Sequence and errno of an NLMSG_ERROR message (which an acknowledgement is, with errno 0).
fn acknowledgement(answer: &[u8]) -> Option<(u32, i32)> {
    let answer = answer.get(..ACK_BYTES)?;
    let kind = u16::from_ne_bytes(answer[4..6].try_into().ok()?);
    let sequence = u32::from_ne_bytes(answer[8..12].try_into().ok()?);
    let negative_errno = i32::from_ne_bytes(answer[16..20].try_into().ok()?);
    (i32::from(kind) == libc::NLMSG_ERROR).then_some((sequence, negative_errno.checked_neg()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        "lo=10.97.0.1".parse().unwrap()
    }

    /// As `ip addr add 10.97.0.1/32 dev <3> valid_lft 3 preferred_lft 3` sends it (seen with strace).
    #[test]
    fn the_request_has_the_kernels_layout() {
        let message = message(
            libc::RTM_NEWADDR,
            libc::NLM_F_CREATE,
            7,
            &address_body(3, &target(), Some(3)),
        );
        assert_eq!(message.len(), 16 + 8 + 8 + 8 + 20);
        assert_eq!(message[..4], 60u32.to_ne_bytes());
        assert_eq!(message[4..6], 20u16.to_ne_bytes());
        assert_eq!(message[16..20], [2, 32, 0, 0]);
        assert_eq!(message[20..24], 3u32.to_ne_bytes());
        assert_eq!(message[28..32], [10, 97, 0, 1]);
        assert_eq!(message[44..48], 3u32.to_ne_bytes());
    }

    #[test]
    fn answers_are_read_and_others_refused() {
        let mut answer = vec![0; 36];
        answer[4..6].copy_from_slice(&2u16.to_ne_bytes());
        answer[8..12].copy_from_slice(&7u32.to_ne_bytes());
        answer[16..20].copy_from_slice(&(-libc::EPERM).to_ne_bytes());
        assert_eq!(acknowledgement(&answer), Some((7, libc::EPERM)));
        assert_eq!(acknowledgement(&answer[..19]), None);
        answer[4] = 9;
        assert_eq!(acknowledgement(&answer), None);
    }

    /// The error names what is wrong with the configuration, before the kernel is asked.
    #[test]
    fn an_unknown_interface_is_an_error() {
        let target = "nosuchif0=10.97.0.1".parse().unwrap();
        let error = Netlink::open().unwrap().add(&target).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
