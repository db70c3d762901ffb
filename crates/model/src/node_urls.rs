//! Which URL a node is given: always one on the service address of the network it is on, so that a dead member is
//! never named.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::Ipv4Net;

/// A network with nodes, as the URLs of this member's answers need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeNetwork {
    /// Scheme, service address and port, without a trailing slash, e.g. `http://10.97.0.1:8081`.
    pub base: String,
    /// Addresses that are on this network for certain: the service address and the member's own.
    pub addresses: Vec<IpAddr>,
    /// Subnets whose nodes ask here, e.g. through a relay.
    pub subnets: Vec<Ipv4Net>,
}

/// The networks with nodes that this member serves, in the order of its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeUrls {
    networks: Vec<NodeNetwork>,
    alternatives: BTreeMap<String, Vec<String>>,
}

impl NodeUrls {
    /// From the networks of the configuration; the first one counts for callers that are on none of them.
    pub fn new(networks: Vec<NodeNetwork>) -> Self {
        Self {
            networks,
            alternatives: BTreeMap::new(),
        }
    }

    /// Where no service address moves: who is given `base` is also told `others`, the other members', to try in turn.
    #[must_use]
    pub fn and_alternatives(mut self, base: &str, others: Vec<String>) -> Self {
        self.alternatives.insert(base.to_owned(), others);
        self
    }

    /// The base URLs of the other members for a node that is given `base`; none where `base` is a service address,
    /// which always leads to a living member.
    pub fn alternatives(&self, base: &str) -> &[String] {
        self.alternatives.get(base).map_or(&[], Vec::as_slice)
    }

    /// The base URL of every network with nodes.
    pub fn bases(&self) -> impl Iterator<Item = &str> {
        self.networks.iter().map(|network| network.base.as_str())
    }

    /// The base URL for a node that is known by `addresses`, the most telling first: this member's end of the
    /// connection, the node's end, addresses of the node's interfaces.
    ///
    /// An administrator's connection comes over another network; then the first network is meant. `None` only if
    /// this member serves no network with nodes.
    pub fn base_for(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Option<&str> {
        addresses
            .into_iter()
            .find_map(|address| self.network_of(address.to_canonical()))
            .or_else(|| self.networks.first())
            .map(|network| network.base.as_str())
    }

    fn network_of(&self, address: IpAddr) -> Option<&NodeNetwork> {
        let holds = |network: &&NodeNetwork| match address {
            IpAddr::V4(v4) => network.subnets.iter().any(|subnet| subnet.contains(v4)),
            IpAddr::V6(_) => false,
        };
        self.networks
            .iter()
            .find(|network| network.addresses.contains(&address))
            .or_else(|| self.networks.iter().find(holds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(base: &str, addresses: &[&str], subnets: &[&str]) -> NodeNetwork {
        NodeNetwork {
            base: base.to_owned(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            subnets: subnets.iter().map(|s| s.parse().unwrap()).collect(),
        }
    }

    fn urls() -> NodeUrls {
        NodeUrls::new(vec![
            network(
                "http://10.97.0.1:8081",
                &["10.97.0.1", "10.97.1.1"],
                &["10.98.0.0/16"],
            ),
            network(
                "http://10.99.0.1:8081",
                &["10.99.0.1", "10.99.1.1"],
                &["10.100.0.0/16"],
            ),
        ])
    }

    #[test]
    fn the_network_is_that_of_the_first_address_that_tells_one() {
        let cases: [(&[&str], &str); 6] = [
            (&["10.99.0.1", "10.97.0.1"], "http://10.99.0.1:8081"),
            (&["10.99.1.1"], "http://10.99.0.1:8081"),
            (&["192.0.2.1", "10.100.3.4"], "http://10.99.0.1:8081"),
            (&["10.98.3.4"], "http://10.97.0.1:8081"),
            (&["::ffff:10.99.0.1"], "http://10.99.0.1:8081"),
            (&["192.0.2.1", "2001:db8::1"], "http://10.97.0.1:8081"),
        ];
        for (addresses, base) in cases {
            let addresses = addresses.iter().map(|a| a.parse().unwrap());
            assert_eq!(urls().base_for(addresses), Some(base));
        }
    }

    #[test]
    fn alternatives_belong_to_the_base_they_were_given_for() {
        let others = vec!["http://10.97.1.2:8081".to_owned()];
        let urls = urls().and_alternatives("http://10.97.1.1:8081", others.clone());
        assert_eq!(urls.alternatives("http://10.97.1.1:8081"), others);
        assert!(urls.alternatives("http://10.99.0.1:8081").is_empty());
    }

    /// A member without such a network must not invent a URL.
    #[test]
    fn without_a_network_there_is_no_url() {
        assert_eq!(NodeUrls::default().base_for(["10.97.0.1".parse().unwrap()]), None);
    }
}
