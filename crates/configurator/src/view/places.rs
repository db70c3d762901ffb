//! Which subnet an address lies in, by a look-up for each length of a prefix: no walk through all of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use model::Ipv4Net;

use super::Subnet;

/// Subnets by network.
pub(crate) struct Places<'a> {
    by_network: HashMap<(Ipv4Addr, u8), &'a Subnet>,
    /// Lengths that occur, the longest first.
    lengths: Vec<u8>,
}

impl<'a> Places<'a> {
    pub(crate) fn of(subnets: &'a [Subnet]) -> Places<'a> {
        let nets = subnets.iter().filter_map(|subnet| {
            let net: Ipv4Net = subnet.cidr.parse().ok()?;
            Some(((net.network(), net.prefix_len()), subnet))
        });
        let by_network: HashMap<_, _> = nets.collect();
        let mut lengths: Vec<u8> = by_network.keys().map(|(_, length)| *length).collect();
        lengths.sort_unstable_by(|one, other| other.cmp(one));
        lengths.dedup();
        Places { by_network, lengths }
    }

    /// The smallest subnet that an address lies in. There are none of IPv6.
    pub(crate) fn subnet(&self, address: IpAddr) -> Option<&'a Subnet> {
        let IpAddr::V4(address) = address else {
            return None;
        };
        let mut lengths = self.lengths.iter();
        lengths.find_map(|length| {
            let network = Ipv4Net::around(address, *length).network();
            self.by_network.get(&(network, *length)).copied()
        })
    }

    /// The domain there; empty: none.
    pub(crate) fn domain(&self, address: IpAddr) -> &'a str {
        self.subnet(address).map_or("", |subnet| subnet.domain.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_lies_in_the_smallest_subnet_around_it() {
        let subnet = |cidr: &str, domain: &str| Subnet {
            cidr: cidr.to_owned(),
            domain: domain.to_owned(),
            ..Subnet::default()
        };
        let subnets = [
            subnet("10.97.0.0/16", "demo.example"),
            subnet("10.97.4.0/24", "login.example"),
            subnet("nonsense", "none.example"),
            subnet("10.98.0.0/16", ""),
        ];
        let places = Places::of(&subnets);
        for (address, domain) in [
            ("10.97.2.1", "demo.example"),
            ("10.97.4.1", "login.example"),
            ("10.98.1.1", ""),
            ("192.0.2.1", ""),
            ("fd00::1", ""),
        ] {
            assert_eq!(places.domain(address.parse().unwrap()), domain, "{address}");
        }
        assert!(places.subnet("10.98.1.1".parse().unwrap()).is_some());
        assert!(places.subnet("10.99.1.1".parse().unwrap()).is_none());
    }
}
