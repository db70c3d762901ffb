//! Reservations: SMD's Ethernet interfaces, and the components that are not there yet. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{Ipv4Net, MacAddr, Xname};
use proto::smd::v1::{Component, EthernetInterface, IpAddressMapping, component};

use super::found::{Place, Reservation};
use super::names::{Named, Names};
use crate::import::claims::losers;
use crate::import::diff::{Change, Diff, quoted};

/// What there is to do.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) components: Diff<Component>,
    pub(super) interfaces: Diff<EthernetInterface>,
    /// Reservations that name no component: they get an address and nothing to boot.
    pub(super) nameless: usize,
    /// Reservations of a component that the file calls by another name than its xname.
    pub(super) renamed: usize,
}

/// What is here, and what the file says beside reservations.
pub(super) struct Here<'a> {
    pub(super) components: &'a [Component],
    pub(super) interfaces: &'a [EthernetInterface],
    /// Subnets of the file and of this cluster: in each of them an interface has one address.
    pub(super) networks: &'a [Ipv4Net],
    pub(super) names: &'a Names,
    /// Whether the file is right where it says something else.
    pub(super) replace: bool,
}

/// Compares. A MAC that has another address or component here, and an address that is another MAC's, is refused, unless
/// `replace`; what an interface has in other networks stays.
pub(super) fn plan(reservations: &[Reservation], here: &Here<'_>) -> Plan {
    let mut plan = Plan::default();
    let ours: BTreeMap<MacAddr, &EthernetInterface> = here
        .interfaces
        .iter()
        .filter_map(|interface| Some((interface.id.parse().ok()?, interface)))
        .collect();
    let wanted = by_mac(reservations, here.names, &mut plan);
    let mut accepted = BTreeMap::new();
    for (mac, wanted) in &wanted {
        match merged(*mac, wanted, ours.get(mac).copied(), here) {
            Ok(after) => {
                accepted.insert(*mac, after);
            }
            Err(problem) => refuse(&mut plan, *mac, wanted, &problem),
        }
    }
    if here.replace {
        take_from_others(&mut accepted, &ours);
    }
    refuse_losers(&mut accepted, &wanted, &ours, &mut plan);
    let kept = wanted.iter().filter(|(mac, _)| accepted.contains_key(*mac));
    plan.renamed = kept.filter(|(_, wanted)| wanted.has_own_name()).count();
    let components = new_components(&accepted, &wanted, here, &mut plan);
    for (mac, after) in accepted {
        match ours.get(&mac) {
            None => {
                plan.nameless += usize::from(after.component_id.is_empty());
                plan.interfaces.create.push(after);
            }
            Some(before) if **before == after => plan.interfaces.same += 1,
            Some(before) => plan.interfaces.change.push(Change {
                before: (*before).clone(),
                after,
            }),
        }
    }
    plan.components.create = components;
    plan
}

/// What one MAC is to have, of all its reservations.
struct Wanted {
    at: Place,
    addresses: Vec<IpAddr>,
    hostname: String,
    named: Option<Named>,
}

impl Wanted {
    /// A name that is lost: its component is called in another way here.
    fn has_own_name(&self) -> bool {
        let label = self.hostname.split('.').next().unwrap_or_default();
        let is_xname = |named: &Named| label.parse().is_ok_and(|name: Xname| name == named.xname);
        !label.is_empty() && self.named.as_ref().is_some_and(|named| !is_xname(named))
    }
}

fn refuse(plan: &mut Plan, mac: MacAddr, wanted: &Wanted, problem: &str) {
    plan.interfaces
        .refuse(mac.to_string(), format!("{}: {problem}", wanted.at));
}

/// Reservations of one MAC in several subnets are one interface.
fn by_mac(reservations: &[Reservation], names: &Names, plan: &mut Plan) -> BTreeMap<MacAddr, Wanted> {
    let mut by_mac: BTreeMap<MacAddr, Wanted> = BTreeMap::new();
    let mut refused = BTreeSet::new();
    for given in reservations {
        let named = names.of(&given.mac, &given.hostname);
        let wanted = by_mac.entry(given.mac).or_insert_with(|| Wanted {
            at: given.at.clone(),
            addresses: Vec::new(),
            hostname: given.hostname.clone(),
            named: named.clone(),
        });
        let is_other = |of: &Named| wanted.named.as_ref().is_some_and(|first| first.xname != of.xname);
        if let Some(other) = named.as_ref().filter(|named| is_other(named)) {
            let problem = format!(
                "it is {} at {} and {} here; an interface has one component, remove one of them",
                wanted
                    .named
                    .as_ref()
                    .map(|named| named.xname.to_string())
                    .unwrap_or_default(),
                wanted.at,
                other.xname
            );
            if refused.insert(given.mac) {
                let reason = format!("{}: {problem}", given.at);
                plan.interfaces.refuse(given.mac.to_string(), reason);
            }
            continue;
        }
        wanted.named = wanted.named.take().or(named);
        if wanted.hostname.is_empty() {
            wanted.hostname.clone_from(&given.hostname);
        }
        let new = given
            .addresses
            .iter()
            .filter(|address| !wanted.addresses.contains(address));
        let new: Vec<IpAddr> = new.copied().collect();
        wanted.addresses.extend(new);
    }
    by_mac.retain(|mac, _| !refused.contains(mac));
    by_mac
}

/// The interface as it is to be.
fn merged(
    mac: MacAddr,
    wanted: &Wanted,
    before: Option<&EthernetInterface>,
    here: &Here<'_>,
) -> Result<EthernetInterface, String> {
    if let Some(wrong) = wanted
        .addresses
        .iter()
        .find(|address| !is_of_one_interface(**address))
    {
        return Err(format!("{wrong} is no address that one interface can have"));
    }
    let mut after = before.cloned().unwrap_or_else(|| EthernetInterface {
        id: mac.id(),
        mac_address: mac.to_string(),
        ..EthernetInterface::default()
    });
    set_component(&mut after, wanted, here.replace)?;
    for address in &wanted.addresses {
        add_address(&mut after, *address, wanted, here)?;
    }
    Ok(after)
}

fn set_component(after: &mut EthernetInterface, wanted: &Wanted, replace: bool) -> Result<(), String> {
    match &wanted.named {
        Some(named) if after.component_id != named.xname.as_str() => {
            if !after.component_id.is_empty() && !replace {
                return Err(format!(
                    "this MAC is {}'s here, and {}'s in the file; --replace takes what the file says",
                    after.component_id, named.xname
                ));
            }
            after.component_id = named.xname.to_string();
            after.r#type = named.xname.hms_type().to_string();
        }
        Some(_) => {}
        // the name is all that people know it by
        None if after.component_id.is_empty() && after.description.is_empty() => {
            after.description.clone_from(&wanted.hostname);
        }
        None => {}
    }
    Ok(())
}

/// In one network an interface keeps its address, unless `replace`.
fn add_address(
    after: &mut EthernetInterface,
    address: IpAddr,
    wanted: &Wanted,
    here: &Here<'_>,
) -> Result<(), String> {
    let ip = |mapping: &IpAddressMapping| mapping.ip_address.parse::<IpAddr>().ok();
    if after
        .ip_addresses
        .iter()
        .any(|mapping| ip(mapping) == Some(address))
    {
        return Ok(());
    }
    let network = network_of(address, here.networks);
    let is_in_the_way = |mapping: &IpAddressMapping| {
        ip(mapping).is_some_and(|old| {
            old.is_ipv4() == address.is_ipv4()
                && network_of(old, here.networks) == network
                && !wanted.addresses.contains(&old)
        })
    };
    if let Some(old) = after.ip_addresses.iter().find(|mapping| is_in_the_way(mapping)) {
        if !here.replace {
            return Err(format!(
                "this MAC has the address {} here, and {address} in the file; --replace takes what the file says",
                old.ip_address
            ));
        }
        after.ip_addresses.retain(|mapping| !is_in_the_way(mapping));
    }
    after.ip_addresses.push(IpAddressMapping {
        ip_address: address.to_string(),
        network: String::new(),
    });
    Ok(())
}

fn network_of(address: IpAddr, networks: &[Ipv4Net]) -> Option<Ipv4Net> {
    match address {
        IpAddr::V4(address) => networks.iter().find(|network| network.contains(address)).copied(),
        IpAddr::V6(_) => None,
    }
}

fn is_of_one_interface(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}

fn addresses(interface: &EthernetInterface) -> Vec<IpAddr> {
    let mappings = interface.ip_addresses.iter();
    mappings
        .filter_map(|mapping| mapping.ip_address.parse().ok())
        .collect()
}

/// Interfaces that the file does not name give up the addresses that it gives to others.
fn take_from_others(
    accepted: &mut BTreeMap<MacAddr, EthernetInterface>,
    ours: &BTreeMap<MacAddr, &EthernetInterface>,
) {
    let taken: BTreeSet<IpAddr> = accepted.values().flat_map(addresses).collect();
    for (mac, interface) in ours
        .iter()
        .filter(|(mac, _)| !accepted.contains_key(*mac))
        .collect::<Vec<_>>()
    {
        if addresses(interface).iter().any(|address| taken.contains(address)) {
            let mut after = (*interface).clone();
            let is_taken =
                |mapping: &IpAddressMapping| mapping.ip_address.parse().is_ok_and(|ip| taken.contains(&ip));
            after.ip_addresses.retain(|mapping| !is_taken(mapping));
            accepted.insert(*mac, after);
        }
    }
}

/// An address has one owner, whatever network it is written with: two hosts would answer to it.
fn refuse_losers(
    accepted: &mut BTreeMap<MacAddr, EthernetInterface>,
    wanted: &BTreeMap<MacAddr, Wanted>,
    ours: &BTreeMap<MacAddr, &EthernetInterface>,
    plan: &mut Plan,
) {
    let after = accepted
        .iter()
        .map(|(mac, interface)| (*mac, addresses(interface)));
    let held = ours.iter().map(|(mac, interface)| (*mac, addresses(interface)));
    for (mac, lost) in losers::<IpAddr, MacAddr>(&after.collect(), &held.collect()) {
        accepted.remove(&mac);
        let holder = ours
            .get(&lost.owner)
            .filter(|holder| addresses(holder).contains(&lost.key));
        let problem = match (holder, wanted.get(&lost.owner)) {
            (Some(holder), _) => {
                let of = match holder.component_id.as_str() {
                    "" => quoted(&holder.description),
                    component => component.to_owned(),
                };
                format!(
                    "address {} is that of {} ({of}) here; --replace takes it from there",
                    lost.key, lost.owner
                )
            }
            (None, Some(other)) => format!(
                "address {} is that of {} at {}, too; remove it from one of them",
                lost.key, lost.owner, other.at
            ),
            (None, None) => format!("address {} is that of {}, too", lost.key, lost.owner),
        };
        match wanted.get(&mac) {
            Some(wanted) => refuse(plan, mac, wanted, &problem),
            None => plan.interfaces.refuse(mac.to_string(), problem),
        }
    }
}

/// Components of accepted reservations that are not here yet, sorted.
fn new_components(
    accepted: &BTreeMap<MacAddr, EthernetInterface>,
    wanted: &BTreeMap<MacAddr, Wanted>,
    here: &Here<'_>,
    plan: &mut Plan,
) -> Vec<Component> {
    let known: BTreeMap<&str, &Component> = here
        .components
        .iter()
        .map(|component| (component.id.as_str(), component))
        .collect();
    let mut new: BTreeMap<String, Component> = BTreeMap::new();
    let mut same = BTreeSet::new();
    let named = wanted.iter().filter(|(mac, _)| accepted.contains_key(*mac));
    for named in named.filter_map(|(_, wanted)| wanted.named.as_ref()) {
        let id = named.xname.to_string();
        match known.get(id.as_str()) {
            Some(component) if named.nid.is_some() && component.nid != named.nid => {
                let has = component
                    .nid
                    .map_or_else(|| "no NID".to_owned(), |nid| format!("NID {nid}"));
                let reason = format!("it is here and has {has}; leave the NID out of the list of xnames");
                if !plan.components.refused.iter().any(|refused| refused.id == id) {
                    plan.components.refuse(id, reason);
                }
            }
            Some(_) => {
                same.insert(id);
            }
            None => {
                let component = new.entry(id.clone()).or_insert_with(|| Component {
                    id,
                    // nobody has looked yet
                    state: component::State::Unknown.into(),
                    enabled: Some(true),
                    ..Component::default()
                });
                component.nid = component.nid.or(named.nid);
            }
        }
    }
    plan.components.same = same.len();
    new.into_values().collect()
}

#[cfg(test)]
mod tests;
