//! Gratuitous ARP: tells everyone on the wire that an address now has this interface's MAC. Needs CAP_NET_RAW.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::claim::Target;

/// Bytes of an Ethernet frame with an ARP packet in it.
const FRAME_BYTES: usize = 14 + 28;

/// Sends one announcement of the address. An interface without Ethernet addresses (`lo`) needs none.
pub(crate) fn announce(target: &Target) -> io::Result<()> {
    let Some(link) = ethernet_address(&target.interface)? else {
        return Ok(());
    };
    let mac = link
        .addr()
        .ok_or_else(|| io::Error::other("the interface has no MAC address"))?;
    // protocol 0: this socket only sends, no frame is ever queued on it
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    // the kernel takes the interface from the link address, and everything else from the frame
    sendto(
        socket.as_raw_fd(),
        &frame(mac, target.address),
        &link,
        MsgFlags::empty(),
    )?;
    Ok(())
}

/// The link address of an interface; `None` for a loopback one.
fn ethernet_address(interface: &str) -> io::Result<Option<LinkAddr>> {
    for entry in getifaddrs()?.filter(|entry| entry.interface_name == interface) {
        if entry.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            return Ok(None);
        }
        if let Some(link) = entry.address.as_ref().and_then(|address| address.as_link_addr()) {
            return Ok(Some(*link));
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENODEV))
}

/// An ARP announcement (RFC 5227, 3): a broadcast request in which sender and target are the address itself.
/// Every stack updates an entry it has from a request; some ignore unasked replies.
fn frame(mac: [u8; 6], address: Ipv4Addr) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    // Ethernet, IPv4, their address lengths, operation 1 (request)
    frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&address.octets());
    // 32..38: the target's MAC, unknown in a request
    frame[38..42].copy_from_slice(&address.octets());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_an_announcement() {
        let frame = frame([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 97, 0, 1));
        let expected =
            "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a610001 000000000000 0a610001";
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected.replace(' ', ""));
    }

    #[test]
    fn loopback_needs_no_announcement() {
        announce(&"lo=127.0.0.9".parse().unwrap()).unwrap();
    }

    #[test]
    fn an_unknown_interface_is_an_error() {
        assert!(announce(&"nosuchif0=10.0.0.1".parse().unwrap()).is_err());
    }
}
