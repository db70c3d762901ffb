//! What this host has: its interfaces and their addresses, read once so that the checks stay pure.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use model::Ipv6Net;

use crate::serve::config::NetworkConfig;

/// Where the kernel has its switches of IPv6, a folder per interface; none with `ipv6.disable=1`.
const IPV6_SWITCHES: &str = "/proc/sys/net/ipv6/conf";

/// This host's interfaces.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// One entry per IPv4 address, and one without address for an interface that has none.
    pub interfaces: Vec<Interface>,
    /// Names of those on which IPv6 is off.
    pub without_ipv6: BTreeSet<String>,
    /// IPv6 addresses with the names of their interfaces, in the system's order.
    pub addresses_v6: Vec<(String, Ipv6Addr)>,
}

/// An interface with one of its IPv4 addresses.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Name, e.g. `eth0`.
    pub name: String,
    /// Address and netmask.
    pub address: Option<(Ipv4Addr, Ipv4Addr)>,
}

impl Host {
    /// Asks the system.
    ///
    /// # Errors
    /// What the system said; it only refuses when it is out of memory or descriptors.
    pub fn read() -> std::io::Result<Self> {
        let entries: Vec<_> = nix::ifaddrs::getifaddrs()?.collect();
        let of_ipv6 = entries.iter().filter_map(|entry| {
            let address = entry.address.as_ref()?.as_sockaddr_in6()?.ip();
            Some((device(&entry.interface_name).to_owned(), address))
        });
        let addresses_v6 = of_ipv6.collect();
        let interfaces: Vec<Interface> = entries
            .iter()
            .map(|entry| Interface {
                address: entry
                    .address
                    .as_ref()
                    .and_then(|address| address.as_sockaddr_in())
                    .zip(entry.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in()))
                    .map(|(address, mask)| (address.ip(), mask.ip())),
                name: device(&entry.interface_name).to_owned(),
            })
            .collect();
        let names = interfaces.iter().map(|interface| interface.name.as_str());
        let without_ipv6 = names.filter(|name| is_without_ipv6(name)).map(str::to_owned);
        Ok(Self {
            without_ipv6: without_ipv6.collect(),
            addresses_v6,
            interfaces,
        })
    }

    /// Whether an interface of that name exists.
    pub(super) fn has(&self, name: &str) -> bool {
        self.interfaces.iter().any(|interface| interface.name == name)
    }

    /// Addresses with netmasks of an interface.
    pub(super) fn addresses_of(&self, name: &str) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let named = self.interfaces.iter().filter(|interface| interface.name == name);
        named.filter_map(|interface| interface.address).collect()
    }

    /// The interface that has an address.
    pub(in crate::serve) fn interface_of(&self, address: Ipv4Addr) -> Option<&str> {
        let has = |interface: &&Interface| interface.address.is_some_and(|(own, _)| own == address);
        self.interfaces
            .iter()
            .find(has)
            .map(|interface| interface.name.as_str())
    }

    /// The address that nodes of a network are told over IPv6; none where they are not answered over it.
    pub(in crate::serve) fn ipv6_for_nodes(&self, network: &NetworkConfig) -> Option<Ipv6Addr> {
        if !network.serves_ipv6() {
            return None;
        }
        let moved_by_others = network.service_address_v6;
        moved_by_others.or_else(|| self.address_in(&network.interface, &network.prefixes_v6))
    }

    /// The first IPv6 address of an interface that lies in one of these prefixes, taken in their order.
    pub(super) fn address_in(&self, name: &str, prefixes: &[Ipv6Net]) -> Option<Ipv6Addr> {
        prefixes.iter().find_map(|prefix| {
            let mut there = self.addresses_v6.iter().filter(|(of, _)| of == name);
            there
                .find(|(_, address)| prefix.contains(*address))
                .map(|(_, address)| *address)
        })
    }

    /// Names of all interfaces, for messages.
    pub(super) fn names(&self) -> String {
        let mut names: Vec<&str> = self.interfaces.iter().map(|i| i.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

/// The interface's own name: of an address with a label (`ip addr add … label eth0:1`) the system tells the label, and
/// nothing can be bound to that.
fn device(label: &str) -> &str {
    label.split(':').next().unwrap_or(label)
}

fn is_without_ipv6(name: &str) -> bool {
    let switch = Path::new(IPV6_SWITCHES).join(name).join("disable_ipv6");
    !std::fs::read_to_string(switch).is_ok_and(|off| off.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_cut_to_the_interfaces_name() {
        assert_eq!(device("eth0:1"), "eth0");
        assert_eq!(device("bond0.97:vip"), "bond0.97");
        assert_eq!(device("eth0"), "eth0");
    }

    #[test]
    fn an_address_belongs_to_its_interface() {
        let host = Host::read().unwrap();
        assert_eq!(host.interface_of(Ipv4Addr::LOCALHOST), Some("lo"));
        assert_eq!(host.interface_of(Ipv4Addr::new(192, 0, 2, 1)), None); // a documentation address
    }
}
