//! What a server knows of the network it answers on.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use dhcp::{Limits, Loaders};
use model::Ipv6Net;

/// One `[[network]]` of the configuration, as DHCPv6 sees it.
#[derive(Clone, Debug)]
pub struct Network {
    /// Prefixes of the link itself: addresses of nodes in them are given here.
    pub prefixes: Vec<Ipv6Net>,
    /// Prefixes of links behind relays, one link each.
    pub relayed_prefixes: Vec<Ipv6Net>,
    /// Option 23.
    pub dns_servers: Vec<Ipv6Addr>,
    /// Host of all URLs: the network's own service address, or this member's address; none if it has none there.
    pub url_host: Option<Ipv6Addr>,
    /// Port of the nodes' HTTP server; `None` where nobody serves it.
    pub http_port: Option<u16>,
    /// The service address of IPv4: lease time and domain are those of its subnet.
    pub service_address: Ipv4Addr,
    /// Longest valid lifetime as long as this member hears no leader, seconds: what SMD says may have changed meanwhile.
    pub isolated_lease_s: u32,
    /// Labels of SMD's groups whose components alone are answered; none: everybody is.
    pub answer_only: Vec<String>,
    /// How often clients may ask.
    pub limits: Limits,
}

/// What a decision depends on besides the state and the packet.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The network.
    pub network: &'a Network,
    /// What can be booted over IPv6.
    pub loaders: &'a Loaders,
    /// Cluster time, milliseconds.
    pub now_ms: u64,
    /// Longest valid lifetime, where this member hears no leader.
    pub isolated_lease_s: Option<u32>,
}

impl Network {
    /// URL of the boot script for the node with this MAC.
    pub(crate) fn script_url(&self, mac: impl fmt::Display) -> Option<String> {
        let (host, port) = (self.url_host?, self.http_port?);
        Some(format!("http://[{host}]:{port}/boot/v1/bootscript?mac={mac}"))
    }

    /// URL of a loader for UEFI HTTP boot; the node port has them below `/loaders/` (`gateway::LOADERS_PREFIX`).
    pub(crate) fn loader_url(&self, loader: &str) -> Option<String> {
        let (host, port) = (self.url_host?, self.http_port?);
        Some(format!("http://[{host}]:{port}/loaders/{loader}"))
    }

    /// URL of a loader for PXE.
    pub(crate) fn tftp_url(&self, loader: &str) -> Option<String> {
        Some(format!("tftp://[{}]/{loader}", self.url_host?))
    }

    /// Whether an address lies in any prefix that is served.
    pub(crate) fn serves(&self, address: Ipv6Addr) -> bool {
        let mut all = self.prefixes.iter().chain(&self.relayed_prefixes);
        all.any(|prefix| prefix.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NODE, network};

    /// An IPv6 address without brackets is no host of a URL.
    #[test]
    fn urls_name_the_host_in_brackets() {
        let network = network();
        let script = network.script_url(NODE).unwrap();
        assert_eq!(
            script,
            "http://[fd00:97::1:1]:8081/boot/v1/bootscript?mac=02:00:00:00:00:a1"
        );
        let loader = network.loader_url("snponly.efi").unwrap();
        assert_eq!(loader, "http://[fd00:97::1:1]:8081/loaders/snponly.efi");
        assert_eq!(network.tftp_url("a.efi").unwrap(), "tftp://[fd00:97::1:1]/a.efi");
    }

    #[test]
    fn without_a_host_or_a_server_there_is_no_url() {
        let homeless = Network {
            url_host: None,
            ..network()
        };
        assert!(homeless.script_url(NODE).is_none() && homeless.tftp_url("a").is_none());
        let alone = Network {
            http_port: None,
            ..network()
        };
        assert!(alone.script_url(NODE).is_none() && alone.loader_url("a").is_none());
    }
}
