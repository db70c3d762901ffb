//! Inventory/EthernetInterfaces: what of the source is new here, what differs, and which addresses collide.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{InvalidValue, MacAddr, Xname};
use proto::smd::v1::{EthernetInterface, IpAddressMapping};

use super::claims::losers;
use super::diff::{Change, Diff, quoted};

/// An address in a network.
type Place = (IpAddr, String);

/// Compares; an interface that is here takes over all that the source has.
pub(super) fn diff(source: &[EthernetInterface], ours: &[EthernetInterface]) -> Diff<EthernetInterface> {
    let mut diff = Diff::default();
    let ours: BTreeMap<MacAddr, &EthernetInterface> = ours
        .iter()
        .filter_map(|interface| Some((interface.id.parse().ok()?, interface)))
        .collect();
    let accepted = accept(source, &mut diff);
    let addresses = |interface: &EthernetInterface| interface.ip_addresses.iter().filter_map(place).collect();
    let wanted = accepted
        .iter()
        .map(|(mac, interface)| (*mac, addresses(interface)));
    let held = ours.iter().map(|(mac, interface)| (*mac, addresses(interface)));
    let lost = losers::<Place, MacAddr>(&wanted.collect(), &held.collect());
    for (mac, given) in accepted {
        if let Some(lost) = lost.get(&mac) {
            let network = match lost.key.1.as_str() {
                "" => String::new(),
                network => format!(" in network {}", quoted(network)),
            };
            let reason = format!(
                "address {}{network} is that of {}, too; remove it from one of them",
                lost.key.0, lost.owner
            );
            diff.refuse(mac.id(), reason);
            continue;
        }
        match ours.get(&mac) {
            None => diff.create.push(given),
            Some(before) => {
                let after = EthernetInterface {
                    last_update: before.last_update.clone(),
                    r#type: before.r#type.clone(),
                    meta: before.meta.clone(),
                    ..given
                };
                let moved = after.component_id != before.component_id;
                if after == **before {
                    diff.same += 1;
                } else {
                    let r#type = if moved {
                        type_of(&after.component_id)
                    } else {
                        after.r#type
                    };
                    let before = (*before).clone();
                    let after = EthernetInterface { r#type, ..after };
                    diff.change.push(Change { before, after });
                }
            }
        }
    }
    diff
}

/// The interfaces that can be meant, normalised, by MAC; the others are refused.
fn accept(
    source: &[EthernetInterface],
    diff: &mut Diff<EthernetInterface>,
) -> BTreeMap<MacAddr, EthernetInterface> {
    let mut places: BTreeMap<MacAddr, usize> = BTreeMap::new();
    let mut accepted = BTreeMap::new();
    for (place, given) in source.iter().enumerate() {
        match normalised(given) {
            Err(problem) => {
                let id = if given.mac_address.is_empty() {
                    &given.id
                } else {
                    &given.mac_address
                };
                diff.refuse(quoted(id), format!("EthernetInterfaces[{place}]: {problem}"));
            }
            Ok((mac, interface)) => match places.get(&mac) {
                Some(first) => {
                    let reason =
                        format!("EthernetInterfaces[{place}] has the MAC of EthernetInterfaces[{first}]");
                    diff.refuse(mac.id(), reason);
                }
                None => {
                    places.insert(mac, place);
                    accepted.insert(mac, interface);
                }
            },
        }
    }
    accepted
}

fn normalised(given: &EthernetInterface) -> Result<(MacAddr, EthernetInterface), String> {
    let text = |problem: InvalidValue| problem.to_string();
    // SMD's id is the MAC without separators.
    let mac = if given.mac_address.is_empty() {
        &given.id
    } else {
        &given.mac_address
    };
    let mac: MacAddr = mac.parse().map_err(text)?;
    let component_id = match given.component_id.as_str() {
        "" => String::new(),
        id => id.parse::<Xname>().map_err(text)?.to_string(),
    };
    let interface = EthernetInterface {
        id: mac.id(),
        mac_address: mac.to_string(),
        description: given.description.clone(),
        r#type: type_of(&component_id),
        component_id,
        ip_addresses: mappings(&given.ip_addresses)?,
        last_update: String::new(),
        meta: None,
    };
    Ok((mac, interface))
}

/// The addresses that an interface can have. SMD keeps mappings without one, and what BMCs write that have none (`0.0.0.0`):
/// they say nothing, as in a discovery.
fn mappings(given: &[IpAddressMapping]) -> Result<Vec<IpAddressMapping>, String> {
    let (mut seen, mut mappings) = (BTreeSet::new(), Vec::new());
    for mapping in given.iter().filter(|mapping| !mapping.ip_address.is_empty()) {
        let ip = address(&mapping.ip_address)?;
        if !is_of_one_interface(ip) {
            continue;
        }
        if !seen.insert(ip) {
            return Err(format!("it has the address {ip} twice; remove one of them"));
        }
        mappings.push(IpAddressMapping {
            ip_address: ip.to_string(),
            network: mapping.network.clone(),
        });
    }
    Ok(mappings)
}

fn address(text: &str) -> Result<IpAddr, String> {
    let parsed: Result<IpAddr, _> = text.parse();
    let wrong = |_| {
        let shown = quoted(text);
        format!("`{shown}` is not an IP address, e.g. 10.97.0.17 or fd00::11")
    };
    parsed.map(|ip| ip.to_canonical()).map_err(wrong)
}

fn is_of_one_interface(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

fn place(mapping: &IpAddressMapping) -> Option<Place> {
    Some((mapping.ip_address.parse().ok()?, mapping.network.clone()))
}

fn type_of(component: &str) -> String {
    let id: Result<Xname, _> = component.parse();
    id.map_or_else(|_| String::new(), |id| id.hms_type().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(mac: &str, component: &str, ips: &[&str]) -> EthernetInterface {
        let mapping = |ip: &&str| IpAddressMapping {
            ip_address: (*ip).to_owned(),
            network: String::new(),
        };
        EthernetInterface {
            mac_address: mac.into(),
            component_id: component.into(),
            ip_addresses: ips.iter().map(mapping).collect(),
            ..EthernetInterface::default()
        }
    }

    /// As our cluster stores what was created.
    fn stored(mac: &str, component: &str, ips: &[&str]) -> EthernetInterface {
        let (_, normalised) = normalised(&interface(mac, component, ips)).unwrap();
        EthernetInterface {
            last_update: "2026-11-29T10:00:00.000Z".into(),
            meta: Some(proto::http::v1::ObjectMeta::default()),
            ..normalised
        }
    }

    const A: &str = "02:00:00:00:00:0a";
    const B: &str = "02:00:00:00:00:0b";
    const C: &str = "02:00:00:00:00:0c";

    /// The times of two systems differ, and SMD writes what has no address.
    #[test]
    fn only_what_administrators_set_is_compared() {
        let given = EthernetInterface {
            last_update: "2020-01-01T00:00:00Z".into(),
            ip_addresses: interface("", "", &["10.0.0.1", ""]).ip_addresses,
            ..interface("02-00-00-00-00-0A", "X0c0s00b0n0", &[])
        };
        let ours = [stored(A, "x0c0s0b0n0", &["10.0.0.1"])];
        let diff = diff(&[given], &ours);
        assert_eq!((diff.same, diff.change.len(), diff.create.len()), (1, 0, 0));
    }

    #[test]
    fn new_and_changed_ones_are_told_apart() {
        let source = [interface(A, "x0c0s0b0", &["10.0.0.2"]), interface(B, "", &[])];
        let diff = diff(&source, &[stored(A, "x0c0s0b0n0", &["10.0.0.1"])]);
        assert_eq!(diff.create[0].id, "02000000000b");
        let after = &diff.change[0].after;
        assert_eq!(
            (after.component_id.as_str(), after.r#type.as_str()),
            ("x0c0s0b0", "NodeBMC")
        );
        assert_eq!(after.ip_addresses[0].ip_address, "10.0.0.2");
    }

    #[test]
    fn an_address_of_two_is_told_with_both_owners() {
        let source = [
            interface(A, "", &["10.0.0.1"]),
            interface(B, "", &["10.0.0.1"]),
            interface(C, "", &["10.0.0.9"]),
        ];
        let diff = diff(&source, &[stored("02:00:00:00:00:ff", "", &["10.0.0.9"])]);
        assert_eq!(diff.create.len(), 1);
        let reasons: Vec<_> = diff
            .refused
            .iter()
            .map(|refused| refused.reason.as_str())
            .collect();
        assert!(
            reasons[0].contains("10.0.0.1 is that of 02:00:00:00:00:0a"),
            "{reasons:?}"
        );
        assert!(
            reasons[1].contains("10.0.0.9 is that of 02:00:00:00:00:ff"),
            "{reasons:?}"
        );
    }

    #[test]
    fn addresses_may_change_hands() {
        let source = [interface(A, "", &["10.0.0.2"]), interface(B, "", &["10.0.0.1"])];
        let ours = [stored(A, "", &["10.0.0.1"]), stored(B, "", &["10.0.0.2"])];
        assert_eq!(diff(&source, &ours).change.len(), 2);
    }

    /// What BMCs write that have no address; the cluster would refuse it, and with it a whole request of others.
    #[test]
    fn what_is_no_address_of_one_interface_counts_as_none() {
        let none = [
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "::ffff:0.0.0.0",
        ];
        let source = [
            interface(A, "", &none),
            interface(B, "", &["0.0.0.0", "10.0.0.1"]),
        ];
        let diff = diff(&source, &[]);
        let ips = |place: usize| {
            let mappings = &diff.create[place].ip_addresses;
            mappings
                .iter()
                .map(|mapping| mapping.ip_address.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (diff.refused.len(), ips(0), ips(1)),
            (0, vec![], vec!["10.0.0.1"])
        );
        let again = super::diff(&source, &[stored(A, "", &[]), stored(B, "", &["10.0.0.1"])]);
        assert_eq!((again.same, again.change.len()), (2, 0));
    }

    #[test]
    fn an_address_that_one_interface_has_twice_is_refused() {
        let other_network = IpAddressMapping {
            ip_address: "::ffff:10.0.0.1".into(),
            network: "blue".into(),
        };
        let mut twice = interface(A, "", &["10.0.0.1"]);
        twice.ip_addresses.push(other_network);
        let diff = diff(&[twice], &[]);
        assert_eq!(diff.create.len(), 0);
        let reason = &diff.refused[0].reason;
        assert!(
            reason.contains("EthernetInterfaces[0]: it has the address 10.0.0.1 twice"),
            "{reason}"
        );
    }

    #[test]
    fn what_can_be_no_interface_is_refused_by_its_place() {
        let source = [
            interface("02:00", "", &[]),
            interface(A, "nowhere", &[]),
            interface(A, "", &["10.0.0"]),
            interface(A, "", &[]),
            interface("02000000000A", "", &[]),
        ];
        let diff = diff(&source, &[]);
        assert_eq!(diff.create.len(), 1);
        for (refused, text) in diff.refused.iter().zip([
            "EthernetInterfaces[0]: ",
            "EthernetInterfaces[1]: ",
            "EthernetInterfaces[2]: `10.0.0` is not an IP address",
            "EthernetInterfaces[4] has the MAC of EthernetInterfaces[3]",
        ]) {
            assert!(refused.reason.starts_with(text), "{refused:?}");
        }
        let by_id = EthernetInterface {
            id: "02000000000a".into(),
            ..EthernetInterface::default()
        };
        assert_eq!(normalised(&by_id).unwrap().1.mac_address, A);
    }
}
