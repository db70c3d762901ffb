//! Groups, partitions, subnets and interfaces, each read by itself.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use model::{IpNet, MacAddr, Xname};
use proto::smd::v1::{EthernetInterface, GroupMembers};

use super::words::one_line;
use super::{Group, Interface, Subnet};
use crate::host_name::is_host_name;
use crate::{Inventory, RawOption, natural_order};

/// Lease of a subnet that says none, seconds.
const LEASE_SECONDS: u32 = 3600;

/// By carrier, each by MAC; what carries none is left out.
pub(super) fn interfaces(inventory: &Inventory) -> BTreeMap<Xname, Vec<Interface>> {
    let mut carried: BTreeMap<Xname, Vec<Interface>> = BTreeMap::new();
    for interface in inventory.interfaces.values() {
        if let Ok(xname) = interface.component_id.parse() {
            carried.entry(xname).or_default().push(interface_of(interface));
        }
    }
    carried
}

fn interface_of(interface: &EthernetInterface) -> Interface {
    let mappings = &interface.ip_addresses;
    let mut networks = mappings.iter().map(|mapping| &mapping.network);
    let network = networks.find(|name| !name.is_empty());
    let mut addresses: Vec<IpAddr> = Vec::with_capacity(mappings.len());
    let parsed = mappings
        .iter()
        .filter_map(|mapping| mapping.ip_address.parse().ok());
    for address in parsed {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let mac = mac(&interface.mac_address).or_else(|| mac(&interface.id));
    Interface {
        mac: mac.unwrap_or_default(),
        description: one_line(&interface.description),
        network: network.map_or_else(String::new, |name| one_line(name)),
        addresses,
    }
}

/// Lower case with colons; `None` for what is no MAC.
pub(super) fn mac(text: &str) -> Option<String> {
    text.parse::<MacAddr>().ok().map(|mac| mac.to_string())
}

/// The labels of the groups of each member, sorted.
pub(super) fn groups_of(inventory: &Inventory) -> HashMap<&str, Vec<String>> {
    let mut labels: HashMap<&str, Vec<String>> = HashMap::new();
    for group in inventory.groups.values() {
        for member in ids(group.members.as_ref()) {
            labels.entry(member).or_default().push(group.label.clone());
        }
    }
    labels
}

/// `names` are those of nodes by xname.
pub(super) fn groups(inventory: &Inventory, names: &HashMap<&str, &str>) -> Vec<Group> {
    let groups = inventory.groups.values().map(|group| {
        let members = ids(group.members.as_ref());
        group_of(&group.label, &group.description, &group.tags, members, names)
    });
    groups.collect()
}

pub(super) fn partitions(inventory: &Inventory, names: &HashMap<&str, &str>) -> Vec<Group> {
    let partitions = inventory.partitions.values().map(|partition| {
        let members = ids(partition.members.as_ref());
        let (name, description) = (&partition.name, &partition.description);
        group_of(name, description, &partition.tags, members, names)
    });
    partitions.collect()
}

fn ids(members: Option<&GroupMembers>) -> &[String] {
    members.map_or(&[], |members| &members.ids)
}

fn group_of(
    label: &str,
    description: &str,
    tags: &[String],
    ids: &[String],
    names: &HashMap<&str, &str>,
) -> Group {
    let known = ids.iter().filter(|id| id.parse::<Xname>().is_ok());
    let mut members: Vec<String> = known.cloned().collect();
    members.sort_by(|one, other| natural_order(one, other));
    members.dedup();
    let member_names = members.iter().filter_map(|member| names.get(member.as_str()));
    Group {
        label: one_line(label),
        description: one_line(description),
        tags: tags.iter().map(|tag| one_line(tag)).collect(),
        member_names: member_names.map(|name| (*name).to_owned()).collect(),
        members,
    }
}

/// In natural order of the networks.
pub(super) fn subnets(inventory: &Inventory) -> Vec<Subnet> {
    let nets = inventory.subnets.values().filter_map(|subnet| {
        let net: IpNet = subnet.network.parse().ok()?;
        Some(subnet_of(&net.to_string(), subnet))
    });
    let mut subnets: Vec<Subnet> = nets.collect();
    subnets.sort_by(|one, other| natural_order(&one.cidr, &other.cidr));
    subnets
}

fn raw_options(options: &[proto::dhcp::v1::RawOption]) -> Vec<RawOption> {
    let mut options: Vec<RawOption> = options.iter().filter_map(RawOption::of).collect();
    options.sort_by_key(|option| option.code);
    options.dedup_by_key(|option| option.code);
    options
}

fn subnet_of(cidr: &str, subnet: &proto::dhcp::v1::Subnet) -> Subnet {
    let addresses = |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect();
    let routers: Vec<IpAddr> = addresses(&subnet.routers);
    let pools = subnet.pools.iter().filter_map(|pool| {
        let range: (IpAddr, IpAddr) = (pool.first.parse().ok()?, pool.last.parse().ok()?);
        (range.0 <= range.1).then_some(range)
    });
    let domain = subnet.domain.trim_end_matches('.').to_ascii_lowercase();
    Subnet {
        name: cidr.replace(['.', '/', ':'], "-"),
        gateway: routers.first().copied(),
        dns: addresses(&subnet.dns_servers),
        ntp: addresses(&subnet.ntp_servers),
        domain: Some(domain)
            .filter(|domain| is_host_name(domain))
            .unwrap_or_default(),
        pools: pools.collect(),
        lease_seconds: match subnet.lease_time_s {
            0 => LEASE_SECONDS,
            seconds => seconds,
        },
        mtu: u16::try_from(subnet.mtu).ok().filter(|mtu| *mtu > 0),
        options: raw_options(&subnet.options),
        boot_server: None,
        cidr: cidr.to_owned(),
    }
}
