//! Hosts with an address of their own, as DHCP servers are told of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use proto::watch::v1::object::Kind;

use crate::{Interface, View};

/// What the files of DHCP servers with such hosts are made of: who is where, in which subnet, and what it is called.
pub(crate) const FIXED_HOSTS_READ: &[Kind] = &[
    Kind::Component,
    Kind::EthernetInterface,
    Kind::RedfishEndpoint,
    Kind::Subnet,
    Kind::DhcpPolicy,
    Kind::InstanceInfo,
    Kind::ClusterDefaults,
];

/// What a DHCP server is to give to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FixedHost<'a> {
    /// Lower case with colons.
    pub(crate) mac: &'a str,
    pub(crate) address: Ipv4Addr,
    /// Without domain; a host with several interfaces has it at the first of them.
    pub(crate) name: Option<&'a str>,
}

/// Nodes, controllers and others with MAC and IPv4 address, in this order. DHCP servers refuse to start with a MAC, an address
/// or a name that is there twice, so that the first has it.
pub(crate) fn fixed_hosts(view: &View) -> Vec<FixedHost<'_>> {
    let mut hosts = Hosts::default();
    for node in &view.nodes {
        hosts.add(&node.name, pairs(&node.interfaces));
    }
    for bmc in &view.bmcs {
        let endpoint = bmc.mac.as_deref().zip(bmc.address);
        hosts.add(&bmc.name, endpoint.into_iter().chain(pairs(&bmc.interfaces)));
    }
    for other in &view.others {
        hosts.add(&other.name, pairs(&other.interfaces));
    }
    hosts.all
}

/// Each interface's MAC with its first IPv4 address.
fn pairs(interfaces: &[Interface]) -> impl Iterator<Item = (&str, IpAddr)> {
    interfaces.iter().filter_map(|interface| {
        let address = interface.addresses.iter().find(|address| address.is_ipv4());
        address.map(|address| (interface.mac.as_str(), *address))
    })
}

#[derive(Default)]
struct Hosts<'a> {
    all: Vec<FixedHost<'a>>,
    macs: BTreeSet<&'a str>,
    addresses: BTreeSet<Ipv4Addr>,
    names: BTreeSet<&'a str>,
}

impl<'a> Hosts<'a> {
    fn add(&mut self, name: &'a str, pairs: impl Iterator<Item = (&'a str, IpAddr)>) {
        let short = name.split('.').next().unwrap_or_default();
        for (mac, address) in pairs {
            let IpAddr::V4(address) = address else { continue };
            if mac.is_empty() || self.macs.contains(mac) || !self.addresses.insert(address) {
                continue;
            }
            self.macs.insert(mac);
            let name = (!short.is_empty() && self.names.insert(short)).then_some(short);
            self.all.push(FixedHost { mac, address, name });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bmc, Node, Other};

    fn interface(mac: &str, addresses: &[&str]) -> Interface {
        Interface {
            mac: mac.to_owned(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            ..Interface::default()
        }
    }

    fn node(name: &str, interfaces: Vec<Interface>) -> Node {
        Node {
            name: name.to_owned(),
            interfaces,
            ..Node::default()
        }
    }

    fn texts(view: &View) -> Vec<String> {
        let hosts = fixed_hosts(view);
        let text =
            |host: &FixedHost<'_>| format!("{} {} {}", host.mac, host.address, host.name.unwrap_or("-"));
        hosts.iter().map(text).collect()
    }

    #[test]
    fn a_host_has_its_name_at_its_first_interface() {
        let interfaces = vec![
            interface("", &["10.1.0.9"]),
            interface("02:00:00:00:00:01", &["fd00::1", "10.1.0.1"]),
            interface("02:00:00:00:00:02", &["10.2.0.1"]),
            interface("02:00:00:00:00:03", &["fd00::2"]),
            interface("02:00:00:00:00:04", &[]),
        ];
        let view = View {
            nodes: vec![node("nid1", interfaces)],
            ..View::default()
        };
        assert_eq!(
            texts(&view),
            ["02:00:00:00:00:01 10.1.0.1 nid1", "02:00:00:00:00:02 10.2.0.1 -"]
        );
    }

    #[test]
    fn what_is_there_twice_is_the_firsts() {
        let view = View {
            nodes: vec![
                node("nid1", vec![interface("02:00:00:00:00:01", &["10.1.0.1"])]),
                node("nid2", vec![interface("02:00:00:00:00:01", &["10.1.0.2"])]),
                node("nid3", vec![interface("02:00:00:00:00:03", &["10.1.0.1"])]),
                node("nid4", vec![interface("02:00:00:00:00:03", &["10.1.0.4"])]),
            ],
            bmcs: vec![Bmc {
                name: "nid1.bmc.example".to_owned(),
                mac: Some("02:00:00:00:01:01".to_owned()),
                address: Some("10.2.0.1".parse().unwrap()),
                interfaces: vec![interface("02:00:00:00:01:01", &["10.2.0.1"])],
                ..Bmc::default()
            }],
            others: vec![Other {
                name: "switch1".to_owned(),
                interfaces: vec![interface("02:00:00:00:02:01", &["10.2.0.2"])],
                ..Other::default()
            }],
            ..View::default()
        };
        let expected = [
            "02:00:00:00:00:01 10.1.0.1 nid1",
            "02:00:00:00:00:03 10.1.0.4 nid4",
            "02:00:00:00:01:01 10.2.0.1 -",
            "02:00:00:00:02:01 10.2.0.2 switch1",
        ];
        assert_eq!(texts(&view), expected);
    }
}
