//! What nodes and BMCs are called in a domain, and where they are: pure look-ups in the state, by its indexes.

use std::net::{IpAddr, Ipv4Addr};

use model::{Nid, Xname};
use proto::smd::v1::EthernetInterface;
use state::State;

/// The label of the name servers in every domain; no node has it.
pub(crate) const SERVER_LABEL: &str = "ns";
/// What a NID is behind in the names that every node has: `nid0001`, with any number of zeros.
const NID_PREFIX: &str = "nid";
/// Addresses of one component in one answer: it must fit a message, and a node has a handful.
const ADDRESSES_MAX: usize = 256;

/// Whom a label means in a domain: an xname, what a node calls itself, or `nid` and its NID; in this order, so that no
/// name means two.
pub(crate) fn find(state: &State, label: &str, domain: &str) -> Option<Xname> {
    by_xname(state, label)
        .or_else(|| by_hostname(state, label, domain))
        .or_else(|| by_nid(state, label))
}

fn by_xname(state: &State, label: &str) -> Option<Xname> {
    let xname: Xname = label.parse().ok()?;
    let is_known = xname.as_str() == label && state.smd.interfaces_of(&xname).next().is_some();
    is_known.then_some(xname)
}

/// A node may call itself by the whole name, domain included.
fn by_hostname(state: &State, label: &str, domain: &str) -> Option<Xname> {
    let whole = format!("{label}.{domain}");
    [label, &whole]
        .into_iter()
        .filter_map(|name| state.called(name))
        .min()
}

fn by_nid(state: &State, label: &str) -> Option<Xname> {
    let nid: Nid = label.strip_prefix(NID_PREFIX)?.parse().ok()?;
    state.smd.component_by_nid(nid.0)?.id.parse().ok()
}

/// The one name that an address leads to: what the component is called there, if that is a name of this domain that leads
/// back to it, else its xname.
fn canonical_label(state: &State, component: &Xname, hostname: &str, domain: &str) -> String {
    let label = label_of(hostname, domain);
    let is_a_label = label != SERVER_LABEL && !label.contains('.');
    let leads_back = is_a_label && find(state, &label, domain).as_ref() == Some(component);
    match leads_back {
        true => label,
        false => component.to_string(),
    }
}

/// In lower case, and without the domain.
fn label_of(hostname: &str, domain: &str) -> String {
    let mut label = hostname.to_ascii_lowercase();
    let within = label
        .strip_suffix(domain)
        .and_then(|label| label.strip_suffix('.'));
    if let Some(length) = within.map(str::len) {
        label.truncate(length);
    }
    label
}

/// The addresses of a component in a domain, by MAC and in the order of the interface: those of IPv4 in the domain's
/// subnets, and those of IPv6 on the same interfaces. An interface without any subnet's address goes with the others of its
/// component. Where the component is called `label` at some of its addresses, only these are meant.
pub(crate) fn addresses(state: &State, component: &Xname, label: &str, domain: &str) -> Vec<IpAddr> {
    let interfaces: Vec<_> = state.smd.interfaces_of(component).collect();
    let is_here = |ip: &Ipv4Addr| domain_of(state, *ip).as_deref() == Some(domain);
    let is_called_so = |ip: &Ipv4Addr| label_of(&state.hostname_at(component, *ip), domain) == label;
    // without policies every address has the same name
    let names_differ = state.dhcp.policies().next().is_some();
    let mut here = interfaces.iter().flat_map(|interface| ipv4s(interface));
    let by_name = names_differ && here.any(|ip| is_here(&ip) && is_called_so(&ip));
    let is_meant = |ip: &Ipv4Addr| is_here(ip) && (!by_name || is_called_so(ip));
    let some_are_meant = interfaces
        .iter()
        .any(|interface| ipv4s(interface).any(|ip| is_meant(&ip)));
    let mut found = Vec::new();
    for interface in interfaces {
        let has_no_domain = domains_of(state, interface).next().is_none();
        let with_ipv6 = ipv4s(interface).any(|ip| is_meant(&ip)) || (has_no_domain && some_are_meant);
        found.extend(ips(interface).filter(|ip| match ip {
            IpAddr::V4(ip) => is_meant(ip),
            IpAddr::V6(ip) => with_ipv6 && !ip.is_unicast_link_local(),
        }));
    }
    found.truncate(ADDRESSES_MAX);
    found
}

/// The name that an address leads to. An address that several interfaces have, in different networks, leads to the first
/// of them that belongs to a component.
pub(crate) fn name_of(state: &State, ip: IpAddr) -> Option<String> {
    let named = |interface: &EthernetInterface| {
        let component: Xname = interface.component_id.parse().ok()?;
        let domain = match ip {
            IpAddr::V4(ip) => domain_of(state, ip),
            IpAddr::V6(_) => domains_of(state, interface)
                .next()
                .or_else(|| first_domain_of(state, &component)),
        }?;
        // an IPv6 address is called as the first one of IPv4 beside it that is in the domain
        let is_there = |ip: &Ipv4Addr| domain_of(state, *ip).as_deref() == Some(domain.as_str());
        let at = match ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => ipv4s(interface).find(is_there),
        };
        let hostname = at.map_or_else(
            || state.hostname(&component),
            |ip| state.hostname_at(&component, ip),
        );
        let label = canonical_label(state, &component, &hostname, &domain);
        Some(format!("{label}.{domain}"))
    };
    let mut interfaces = state.smd.interfaces_by_ip(ip);
    interfaces.find_map(|interface| named(interface))
}

/// The domain of the subnet in which an address lies.
pub(crate) fn domain_of(state: &State, ip: Ipv4Addr) -> Option<String> {
    let subnet = state.dhcp.subnet_of(ip)?;
    (!subnet.domain.is_empty()).then(|| subnet.domain.clone())
}

fn first_domain_of(state: &State, component: &Xname) -> Option<String> {
    let mut interfaces = state.smd.interfaces_of(component);
    interfaces.find_map(|interface| domains_of(state, interface).next())
}

fn domains_of<'a>(state: &'a State, interface: &'a EthernetInterface) -> impl Iterator<Item = String> + 'a {
    ips(interface).filter_map(|ip| match ip {
        IpAddr::V4(ip) => domain_of(state, ip),
        IpAddr::V6(_) => None,
    })
}

fn ipv4s(interface: &EthernetInterface) -> impl Iterator<Item = Ipv4Addr> + '_ {
    ips(interface).filter_map(|ip| match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    })
}

fn ips(interface: &EthernetInterface) -> impl Iterator<Item = IpAddr> + '_ {
    let addresses = interface.ip_addresses.iter();
    addresses.filter_map(|mapping| mapping.ip_address.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, put_interface, put_policy, world};

    async fn found(world: &World, label: &str, domain: &str) -> Option<String> {
        find(&world.store.state(), label, domain).map(|xname| xname.to_string())
    }

    /// Everything that today's deployment answers to (xname, pattern of NIDs), and what a node calls itself.
    #[tokio::test]
    async fn a_node_is_found_by_xname_hostname_and_nid() {
        let world = world().await;
        let node = Some("x1000c0s0b0n0".to_owned());
        for label in ["x1000c0s0b0n0", "de0001", "nid0001", "nid1", "nid000001"] {
            assert_eq!(found(&world, label, "demo.example").await, node, "{label}");
        }
        for nobody in [
            "x1000c0s0b0n9",
            "x01000c0s0b0n0",
            "de1",
            "nid",
            "nid+1",
            "nid0099",
            "ns",
            "?",
        ] {
            assert_eq!(found(&world, nobody, "demo.example").await, None, "{nobody}");
        }
        let bmc = found(&world, "x1000c0s0b0", "bmc.example").await;
        assert_eq!(bmc.as_deref(), Some("x1000c0s0b0"));
    }

    #[tokio::test]
    async fn a_node_that_calls_itself_by_a_whole_name_is_found_in_that_domain_only() {
        let world = world().await;
        world.call("x1000c0s0b0n0", "Login1.demo.example").await;
        let node = Some("x1000c0s0b0n0".to_owned());
        assert_eq!(found(&world, "login1", "demo.example").await, node);
        assert_eq!(found(&world, "login1", "bmc.example").await, None);
        let state = world.store.state();
        let named = |ip: &str| name_of(&state, ip.parse().unwrap());
        assert_eq!(named("10.97.2.1").as_deref(), Some("login1.demo.example"));
        // in the other domain that is no name of its own
        world.call("x1000c0s0b0n1", "far.away.example").await;
        let state = world.store.state();
        let named = name_of(&state, "10.97.2.2".parse().unwrap());
        assert_eq!(named.as_deref(), Some("x1000c0s0b0n1.demo.example"));
    }

    /// What an address leads to must lead back: else every check of both ways fails.
    #[tokio::test]
    async fn a_name_of_two_nodes_is_the_first_ones_and_the_other_goes_by_its_xname() {
        let world = world().await;
        world.call("x1000c0s0b0n0", "de0002").await; // what the second is called by its NID
        assert_eq!(
            found(&world, "de0002", "demo.example").await.as_deref(),
            Some("x1000c0s0b0n0")
        );
        let state = world.store.state();
        let named = |ip: &str| name_of(&state, ip.parse().unwrap()).unwrap();
        assert_eq!(named("10.97.2.1"), "de0002.demo.example");
        assert_eq!(named("10.97.2.2"), "x1000c0s0b0n1.demo.example");
        world.call("x1000c0s0b0n0", "ns").await;
        let state = world.store.state();
        let named = name_of(&state, "10.97.2.1".parse().unwrap()).unwrap();
        assert_eq!(named, "x1000c0s0b0n0.demo.example", "`ns` is the servers' own");
    }

    #[tokio::test]
    async fn addresses_are_those_of_the_domain() {
        let world = world().await;
        let state = world.store.state();
        let of = |xname: &str, domain: &str| {
            let found = addresses(&state, &xname.parse().unwrap(), xname, domain);
            found.iter().map(IpAddr::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("x1000c0s0b0n0", "demo.example"), ["10.97.2.1", "fd00::a1"]);
        assert!(of("x1000c0s0b0n0", "bmc.example").is_empty());
        // two interfaces: one in each domain, IPv6 on the second; a third with IPv6 alone goes with both
        assert_eq!(of("x1000c0s0b0n1", "demo.example"), ["10.97.2.2", "fd00::3"]);
        assert_eq!(
            of("x1000c0s0b0n1", "bmc.example"),
            ["10.98.2.2", "fd00::2", "fd00::3"]
        );
        assert!(of("x1000c0s0b0n3", "demo.example").is_empty(), "in no subnet");
    }

    #[tokio::test]
    async fn an_address_leads_to_one_name() {
        let world = world().await;
        let state = world.store.state();
        let named = |ip: &str| name_of(&state, ip.parse().unwrap());
        for (ip, name) in [
            ("10.97.2.1", "de0001.demo.example"),
            ("fd00::a1", "de0001.demo.example"),
            ("10.97.2.2", "de0002.demo.example"),
            ("10.98.2.2", "de0002.bmc.example"),
            ("fd00::2", "de0002.bmc.example"),
            ("fd00::3", "de0002.demo.example"),
            ("10.98.3.1", "x1000c0s0b0.bmc.example"),
        ] {
            assert_eq!(named(ip).as_deref(), Some(name), "{ip}");
        }
        for nobody in ["10.97.4.1", "10.99.2.5", "192.0.2.7", "10.97.9.9", "fd00::9"] {
            assert_eq!(named(nobody), None, "{nobody}");
        }
    }

    /// What DHCP tells a node in option 12 is what others find it by; its xname and its NID stay.
    #[tokio::test]
    async fn a_policys_name_is_the_name_both_ways() {
        let world = world().await;
        put_policy(&world.store, "nodes", "c{03d}", "").await;
        put_policy(&world.store, "a-bmcs", "{id}-bmc", "10.98.3.0/24").await;
        for (label, domain, owner) in [
            ("c001", "demo.example", Some("x1000c0s0b0n0")),
            ("x1000c0s0b0n0", "demo.example", Some("x1000c0s0b0n0")),
            ("nid0001", "demo.example", Some("x1000c0s0b0n0")),
            ("x1000c0s0b0-bmc", "bmc.example", Some("x1000c0s0b0")),
            ("de0001", "demo.example", None),
            ("c1", "demo.example", None),
            ("c003", "demo.example", None),
        ] {
            assert_eq!(found(&world, label, domain).await.as_deref(), owner, "{label}");
        }
        let state = world.store.state();
        for (ip, name) in [
            ("10.97.2.1", "c001.demo.example"),
            ("fd00::a1", "c001.demo.example"),
            ("10.98.3.1", "x1000c0s0b0-bmc.bmc.example"),
        ] {
            assert_eq!(
                name_of(&state, ip.parse().unwrap()).as_deref(),
                Some(name),
                "{ip}"
            );
        }
    }

    #[tokio::test]
    async fn an_address_with_a_name_of_its_own_is_found_by_that_name_alone() {
        let world = world().await;
        let mac = model::MacAddr([2, 0, 0, 0, 0, 0xa9]);
        put_interface(&world.store, "x1000c0s0b0n0", mac, &["10.97.9.1", "fd00::9"]).await;
        put_policy(&world.store, "a-hsn", "c{03d}-hsn", "10.97.9.0/24").await;
        put_policy(&world.store, "nodes", "c{03d}", "").await;
        let state = world.store.state();
        let at = |label: &str| -> Vec<String> {
            let component = find(&state, label, "demo.example").unwrap();
            let found = addresses(&state, &component, label, "demo.example");
            found.iter().map(IpAddr::to_string).collect()
        };
        assert_eq!(at("c001"), ["10.97.2.1", "fd00::a1"]);
        assert_eq!(at("c001-hsn"), ["10.97.9.1", "fd00::9"]);
        let all = ["10.97.2.1", "fd00::a1", "10.97.9.1", "fd00::9"];
        assert_eq!(at("x1000c0s0b0n0"), all);
        assert_eq!(at("nid1"), all);
        let named = |ip: &str| name_of(&state, ip.parse().unwrap());
        assert_eq!(named("10.97.9.1").as_deref(), Some("c001-hsn.demo.example"));
        assert_eq!(named("fd00::9").as_deref(), Some("c001-hsn.demo.example"));
        assert_eq!(named("fd00::a1").as_deref(), Some("c001.demo.example"));
        assert_eq!(named("10.97.2.1").as_deref(), Some("c001.demo.example"));
    }
}
