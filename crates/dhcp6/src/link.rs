//! The link that a client asks from, and a node's addresses on it.

use std::net::Ipv6Addr;

use model::Ipv6Net;
use proto::smd::v1::EthernetInterface;

use crate::counters::Count;
use crate::network::Network;
use crate::request::Request;

/// The prefixes of one link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link<'a>(&'a [Ipv6Net]);

impl<'a> Link<'a> {
    /// What the relay nearest to the client says of it; one that knows only its interface says nothing, then it is the
    /// next one's (RFC 8415 section 13.1). Without a word the client is on the network's own link.
    pub(crate) fn of(request: &Request<'_>, network: &'a Network) -> Result<Link<'a>, Count> {
        let mut told = request.relays.iter().rev().map(|relay| relay.link);
        let Some(address) = told.find(|address| !address.is_unspecified()) else {
            return Ok(Link(&network.prefixes));
        };
        if network.prefixes.iter().any(|prefix| prefix.contains(address)) {
            return Ok(Link(&network.prefixes));
        }
        let mut relayed = network.relayed_prefixes.iter();
        let behind = relayed.find(|prefix| prefix.contains(address));
        behind
            .map(|prefix| Link(std::slice::from_ref(prefix)))
            .ok_or(Count::RelayNotServed)
    }

    /// Whether the address belongs there.
    pub(crate) fn has(&self, address: Ipv6Addr) -> bool {
        self.0.iter().any(|prefix| prefix.contains(address))
    }

    /// The interface's addresses there, in SMD's order.
    pub(crate) fn addresses_of(&self, interface: &EthernetInterface) -> Vec<Ipv6Addr> {
        let all = interface.ip_addresses.iter();
        let parsed = all.filter_map(|mapping| mapping.ip_address.parse().ok());
        parsed.filter(|address| self.has(*address)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Arrival;
    use crate::testing::{RawMessage, duid_ll, network, relayed};

    fn link_of(links: &[&str]) -> Result<Vec<String>, Count> {
        let solicit = RawMessage::new(1)
            .options(&[(1, &duid_ll(crate::testing::NODE))])
            .bytes();
        let packet = links
            .iter()
            .fold(solicit, |inner, link| relayed(&inner, 0, link, "fe80::1", &[]));
        let request = Request::parse(&packet, Arrival::multicast("fe80::9".parse().unwrap())).unwrap();
        let network = network();
        let link = Link::of(&request, &network)?;
        Ok(link.0.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_client_that_is_not_relayed_is_on_the_networks_own_link() {
        assert_eq!(link_of(&[]).unwrap(), ["fd00:97::/64", "fd00:9797::/64"]);
    }

    #[test]
    fn the_relay_nearest_to_the_client_says_which_link_it_is() {
        assert_eq!(link_of(&["fd00:98::1"]).unwrap(), ["fd00:98::/64"]);
        assert_eq!(link_of(&["fd00:9797::1"]).unwrap().len(), 2);
        assert_eq!(link_of(&["fd00:98::1", "fd00:97::7"]).unwrap(), ["fd00:98::/64"]);
        assert_eq!(link_of(&["::", "fd00:98::1"]).unwrap(), ["fd00:98::/64"]);
        assert_eq!(link_of(&["::"]).unwrap().len(), 2);
    }

    /// coresmd gives such a client any address it has.
    #[test]
    fn a_link_that_is_not_served_is_nobodys() {
        assert_eq!(link_of(&["fd00:99::1"]), Err(Count::RelayNotServed));
        assert_eq!(link_of(&["fe80::1"]), Err(Count::RelayNotServed));
        assert_eq!(link_of(&["fd00:99::1", "fd00:98::1"]), Err(Count::RelayNotServed));
    }
}
