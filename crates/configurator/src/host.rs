//! Everything that has a name and an address, in one list: for files that tell names.

use std::net::{IpAddr, Ipv6Addr};

use crate::view::{Interface, Places};
use crate::{Error, Options, View};

/// A node, a controller or something else.
pub(crate) struct Host<'a> {
    pub(crate) xname: &'a str,
    /// Without the domain that its address is in.
    pub(crate) name: &'a str,
    /// Each once, with the domain there; link-local ones are left out.
    pub(crate) addresses: Vec<(IpAddr, &'a str)>,
}

impl Host<'_> {
    /// The name as a label of a domain: the xname where it is a name of another one.
    pub(crate) fn label(&self, domain: &str) -> &str {
        let within = self.name.strip_suffix(domain);
        match within.and_then(|label| label.strip_suffix('.')) {
            Some(label) => label,
            None if self.name.contains('.') => self.xname,
            None => self.name,
        }
    }
}

/// Nodes, then controllers, then the rest. `domain` is where addresses are that no subnet gives one; empty: in none.
pub(crate) fn hosts<'a>(view: &'a View, domain: &'a str) -> Vec<Host<'a>> {
    let places = Places::of(&view.subnets);
    let host = |xname: &'a str, name: &'a str, interfaces: &'a [Interface]| Host {
        xname,
        name,
        addresses: addresses(interfaces, &places, domain),
    };
    let nodes = view.nodes.iter();
    let nodes = nodes.map(|node| host(&node.xname, &node.name, &node.interfaces));
    let bmcs = view.bmcs.iter().map(|bmc| {
        let mut host = host(&bmc.xname, &bmc.name, &bmc.interfaces);
        if let Some(address) = bmc.address {
            let own = places.domain(address);
            host.addresses.retain(|(other, _)| *other != address);
            host.addresses
                .insert(0, (address, if own.is_empty() { domain } else { own }));
        }
        host
    });
    let others = view.others.iter();
    let others = others.map(|other| host(&other.xname, &other.name, &other.interfaces));
    nodes.chain(bmcs).chain(others).collect()
}

/// An address of IPv6 is in the domain of the IPv4 address beside it, else in the first of its owner, as in DNS.
fn addresses<'a>(
    interfaces: &'a [Interface],
    places: &Places<'a>,
    domain: &'a str,
) -> Vec<(IpAddr, &'a str)> {
    let of = |interface: &Interface| {
        let domains = interface.addresses.iter().map(|address| places.domain(*address));
        domains.into_iter().find(|domain| !domain.is_empty())
    };
    let first = interfaces.iter().find_map(of).unwrap_or(domain);
    let mut found: Vec<(IpAddr, &str)> = Vec::new();
    for interface in interfaces {
        let beside = of(interface).unwrap_or(first);
        for address in interface
            .addresses
            .iter()
            .filter(|address| !is_link_local(**address))
        {
            let own = match (address, places.domain(*address)) {
                (IpAddr::V4(_), "") => domain,
                (IpAddr::V4(_), own) => own,
                (IpAddr::V6(_), _) => beside,
            };
            if found.iter().all(|(other, _)| other != address) {
                found.push((*address, own));
            }
        }
    }
    found
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if Ipv6Addr::is_unicast_link_local(&address))
}

/// The option `domain`: lower case, without a dot at its end; empty: not given.
///
/// # Errors
/// `Option` for what is no domain.
pub(crate) fn domain_option(options: &Options) -> Result<String, Error> {
    let Some(given) = options.get("domain") else {
        return Ok(String::new());
    };
    let domain = given.trim_end_matches('.').to_ascii_lowercase();
    match crate::host_name::is_host_name(&domain) {
        true => Ok(domain),
        false => Err(Error::option("domain", format!("`{given}` is no domain"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::small;

    #[test]
    fn a_name_of_another_domain_is_no_label() {
        let host = |name| Host {
            xname: "x0c0s0b0",
            name,
            addresses: vec![],
        };
        assert_eq!(host("bmc1").label("demo.example"), "bmc1");
        assert_eq!(host("bmc1.demo.example").label("demo.example"), "bmc1");
        assert_eq!(host("bmc1.other.example").label("demo.example"), "x0c0s0b0");
    }

    #[test]
    fn addresses_of_ipv6_are_in_the_domain_beside_them() {
        let view = small();
        let hosts = hosts(&view, "");
        let of = |xname: &str| {
            let host = hosts.iter().find(|host| host.xname == xname).unwrap();
            host.addresses
                .iter()
                .map(|(ip, domain)| format!("{ip} {domain}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of("x1000c0s0b0n0"),
            ["10.97.2.1 demo.example", "fd00::a1 demo.example"]
        );
        assert_eq!(of("x1000c0s0b0"), ["10.98.2.1 bmc.example"]);
        assert!(of("x1000c0s0b1n0").is_empty(), "a node without an address");
    }

    #[test]
    fn a_domain_is_checked() {
        let option = |value: &str| Options::new([("domain".to_owned(), value.to_owned())]);
        assert_eq!(
            domain_option(&option("Demo.Example.")),
            Ok("demo.example".to_owned())
        );
        assert_eq!(domain_option(&Options::default()), Ok(String::new()));
        let refused = domain_option(&option("a b")).unwrap_err().to_string();
        assert_eq!(refused, "option domain: `a b` is no domain");
    }
}
