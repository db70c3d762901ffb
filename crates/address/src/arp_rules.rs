//! Keeps the kernel from speaking for an address on an interface that does not have it. Needs CAP_NET_ADMIN.
//!
//! Linux takes an address as the host's: by default it answers ARP for one network's service address on every other
//! network too. `arp_ignore` 1 answers only on the interface that has the address; `arp_announce` 2 asks only in the
//! name of an address of the interface (ip-sysctl.rst). Set over rtnetlink, because the helper's unit hides `/proc/sys`.

use std::io;

use nix::libc;
use nix::net::if_::if_nameindex;

use crate::netlink::{Netlink, attribute};

/// `IPV4_DEVCONF_ARP_ANNOUNCE` and `IPV4_DEVCONF_ARP_IGNORE` of linux/ip.h, with the values set. A higher
/// `arp_ignore` (2, 8) does not answer for a /32 at all.
const RULES: [(u16, u32); 2] = [(18, 2), (19, 1)];
/// linux/if_link.h: options of IPv4, within `IFLA_AF_SPEC`.
const IFLA_INET_CONF: u16 = 1;

/// Sets the rules on every Ethernet-like interface that the host has now.
///
/// # Errors
/// What the kernel said, with the names of the interfaces that have no rules; the others have them.
pub(crate) fn apply(netlink: &mut Netlink) -> io::Result<()> {
    let interfaces = if_nameindex()?;
    let named = interfaces
        .iter()
        .map(|interface| (interface.name().to_string_lossy(), interface.index()));
    apply_to(named, |index| {
        netlink.exchange(libc::RTM_SETLINK, 0, &body(index))
    })
}

/// `set` gives the kernel's errno.
fn apply_to<Name: AsRef<str>>(
    interfaces: impl Iterator<Item = (Name, u32)>,
    mut set: impl FnMut(u32) -> io::Result<i32>,
) -> io::Result<()> {
    let mut refused = Vec::new();
    for (name, index) in interfaces {
        let name = name.as_ref();
        if name == "lo" {
            continue; // speaks no ARP
        }
        match set(index) {
            Ok(0 | libc::ENODEV) => {} // gone since the list was made
            Ok(errno) => refused.push(format!("{name}: {}", io::Error::from_raw_os_error(errno))),
            Err(error) => refused.push(format!("{name}: {error}")),
        }
    }
    if refused.is_empty() {
        Ok(())
    } else {
        Err(io::Error::other(refused.join("; ")))
    }
}

/// `struct ifinfomsg`, then IFLA_AF_SPEC { AF_INET { IFLA_INET_CONF { the rules } } } (rtnetlink(7)).
fn body(interface: u32) -> Vec<u8> {
    let mut rules = Vec::new();
    for (rule, value) in RULES {
        attribute(&mut rules, rule, &value.to_ne_bytes());
    }
    let (mut options, mut family) = (Vec::new(), Vec::new());
    attribute(&mut options, IFLA_INET_CONF, &rules);
    attribute(&mut family, libc::AF_INET as u16, &options);
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&interface.to_ne_bytes());
    attribute(&mut body, libc::IFLA_AF_SPEC, &family);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_refuses_does_not_keep_the_others() {
        let mut set = Vec::new();
        let interfaces = [("lo", 1), ("dummy0", 2), ("gone0", 3), ("eth0", 4)];
        let applied = apply_to(interfaces.into_iter(), |index| {
            set.push(index);
            match index {
                2 => Ok(libc::EOPNOTSUPP),
                3 => Ok(libc::ENODEV),
                _ => Ok(0),
            }
        });
        assert_eq!(set, [2, 3, 4]);
        let told = applied.unwrap_err().to_string();
        assert!(told.starts_with("dummy0: ") && !told.contains("gone0"), "{told}");
    }

    /// The kernel skips what it does not know without a word, so the layout is checked byte by byte here and its
    /// effect in `chaos-tests/tests/three_networks`.
    #[test]
    fn the_request_has_the_kernels_layout() {
        let words: Vec<u16> = body(3)
            .chunks_exact(2)
            .map(|pair| u16::from_ne_bytes([pair[0], pair[1]]))
            .collect();
        let (interface, attributes) = words.split_at(8);
        assert_eq!(interface[2], 3);
        let (af_spec, af_inet, inet_conf) = ([28, 26], [24, 2], [20, 1]);
        assert_eq!(attributes[..6], [af_spec, af_inet, inet_conf].concat());
        assert_eq!(attributes[6..].to_vec(), [8, 18, 2, 0, 8, 19, 1, 0]);
    }
}
