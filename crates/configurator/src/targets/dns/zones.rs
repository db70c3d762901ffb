//! Which records are in which zone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use super::NAME;
use crate::Error;
use crate::host::Host;
use crate::reverse_name::{reverse_name, v4_zone, v6_zone};

/// Digits of a network of 64 bits.
const V6_DIGITS: usize = 16;
/// The name servers' label, which nobody else may have.
const SERVER_LABEL: &str = "ns";

/// A zone and what is in it, but for what every zone has.
pub(super) struct Zone {
    /// Without a dot at the end.
    pub(super) name: String,
    pub(super) is_forward: bool,
    /// Domain in which its name server and its mailbox are; its own, of a forward zone.
    pub(super) domain: String,
    /// Label, type and data.
    pub(super) records: Vec<(String, &'static str, String)>,
}

/// Forward zones by domain, then reverse zones. Addresses without a domain are left out.
///
/// # Errors
/// `NotPossible` for a host that is called as the name servers are.
pub(super) fn zones(hosts: &[Host<'_>]) -> Result<Vec<Zone>, Error> {
    let mut zones: BTreeMap<(bool, String), Zone> = BTreeMap::new();
    let mut taken: HashMap<String, &str> = HashMap::new();
    let mut pointed: HashSet<IpAddr> = HashSet::new();
    for host in hosts {
        let mut domains: Vec<&str> = Vec::new();
        for (address, domain) in host.addresses.iter().filter(|(_, domain)| !domain.is_empty()) {
            let label = label_of(host, domain, &mut taken)?;
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            let zone = zone(&mut zones, true, domain, domain);
            zone.records.push((label.clone(), kind, address.to_string()));
            if !domains.contains(domain) {
                domains.push(domain);
            }
            // an address that two have leads to the first, as in DNS
            if pointed.insert(*address) {
                let (name, digits) = reverse_zone(*address);
                let zone = self::zone(&mut zones, false, &name, domain);
                zone.records.push((digits, "PTR", format!("{label}.{domain}.")));
            }
        }
        for domain in domains {
            let label = label_of(host, domain, &mut taken)?;
            if label != host.xname {
                let zone = zone(&mut zones, true, domain, domain);
                zone.records.push((host.xname.to_owned(), "CNAME", label));
            }
        }
    }
    let forward_first = zones.into_values();
    Ok(forward_first.collect())
}

fn zone<'z>(
    zones: &'z mut BTreeMap<(bool, String), Zone>,
    is_forward: bool,
    name: &str,
    domain: &str,
) -> &'z mut Zone {
    zones
        .entry((!is_forward, name.to_owned()))
        .or_insert_with(|| Zone {
            name: name.to_owned(),
            is_forward,
            domain: domain.to_owned(),
            records: Vec::new(),
        })
}

/// The xname where somebody else has the name already in the domain.
fn label_of<'h>(
    host: &Host<'h>,
    domain: &str,
    taken: &mut HashMap<String, &'h str>,
) -> Result<String, Error> {
    let label = host.label(domain);
    if label == SERVER_LABEL {
        let problem = format!(
            "{} is called {SERVER_LABEL} in {domain}, as the name servers are",
            host.xname
        );
        return Err(Error::not_possible(NAME, problem));
    }
    let owner = *taken.entry(format!("{label}.{domain}")).or_insert(host.xname);
    Ok(if owner == host.xname { label } else { host.xname }.to_owned())
}

/// The zone that an address is in, and its name there.
fn reverse_zone(address: IpAddr) -> (String, String) {
    let zone = match address {
        IpAddr::V4(address) => v4_zone(address, 3),
        IpAddr::V6(address) => v6_zone(address, V6_DIGITS),
    };
    let whole = reverse_name(address);
    let label = whole.strip_suffix(&zone).map(|label| label.trim_end_matches('.'));
    (zone.clone(), label.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host<'a>(xname: &'a str, name: &'a str, address: &str) -> Host<'a> {
        Host {
            xname,
            name,
            addresses: vec![(address.parse().unwrap(), "demo.example")],
        }
    }

    #[test]
    fn an_address_that_two_have_leads_to_the_first() {
        let hosts = [
            host("x0c0s0b0n0", "a", "10.1.2.3"),
            host("x0c0s1b0n0", "b", "10.1.2.3"),
        ];
        let zones = zones(&hosts).unwrap();
        assert_eq!(zones[0].records.len(), 4, "both are found by their names");
        assert_eq!(
            zones[1].records,
            [("3".to_owned(), "PTR", "a.demo.example.".to_owned())]
        );
    }

    #[test]
    fn a_name_that_two_have_is_the_first_ones() {
        let hosts = [
            host("x0c0s0b0n0", "a", "10.1.2.3"),
            host("x0c0s1b0", "a.demo.example", "10.1.2.4"),
        ];
        let zones = zones(&hosts).unwrap();
        let labels: Vec<&str> = zones[0]
            .records
            .iter()
            .map(|(label, ..)| label.as_str())
            .collect();
        assert_eq!(labels, ["a", "x0c0s0b0n0", "x0c0s1b0"]);
    }

    #[test]
    fn the_name_servers_name_is_nobody_elses() {
        let refused = zones(&[host("x0c0s0b0", "ns.demo.example", "10.1.2.3")]);
        let text = refused.err().unwrap().to_string();
        assert!(text.contains("x0c0s0b0 is called ns in demo.example"), "{text}");
    }

    #[test]
    fn an_address_is_split_into_zone_and_name() {
        let split = |text: &str| reverse_zone(text.parse().unwrap());
        assert_eq!(
            split("10.97.2.1"),
            ("2.97.10.in-addr.arpa".to_owned(), "1".to_owned())
        );
        let (zone, label) = split("fd00::a1");
        assert_eq!(zone, format!("{}d.f.ip6.arpa", "0.".repeat(14)));
        assert_eq!(label, format!("1.a{}", ".0".repeat(14)));
    }
}
