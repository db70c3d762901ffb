//! Networks against each other, the member list and this host's interfaces.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Host, Listed, Problems, dhcp_rules, discovery, ipv6};
use crate::serve::config::{AddressMode, Config, NetworkConfig, NetworkKind, Role};

pub(super) fn check(config: &Config, listed: &Listed, host: &Host, problems: &mut Problems) {
    let mut names: BTreeMap<&str, ()> = BTreeMap::new();
    let mut services: BTreeMap<Ipv4Addr, &str> = BTreeMap::new();
    for network in &config.networks {
        let key = |name: &str| format!("network `{}`, {name}", network.name);
        if names.insert(&network.name, ()).is_some() {
            problems.add(&key("name"), "used twice; each network has its own name");
        }
        if let Some(address) = network.service_address
            && let Some(other) = services.insert(address, &network.name)
        {
            problems.add(
                &key("service-address"),
                format_args!("{address} is also that of network `{other}`; each has its own"),
            );
        }
        check_roles(config, network, problems);
        check_address_of_the_api(config, network, problems);
        check_router_advertisements(config, network, host, problems);
        ipv6::check(config, network, host, problems);
        dhcp_rules::check(config, network, problems);
        check_peers(config, network, listed, problems);
        match config.address.mode {
            AddressMode::Loopback => check_loopback(network, problems),
            AddressMode::List => check_list(network, host, problems),
            AddressMode::External => check_external(network, host, problems),
            AddressMode::Helper => {
                check_interface(network, host, problems);
                check_reachable(network, host, problems);
            }
        }
    }
    check_relayed(config, problems);
    ipv6::check_overlaps(config, problems);
}

fn check_roles(config: &Config, network: &NetworkConfig, problems: &mut Problems) {
    let key = format!("network `{}`, roles", network.name);
    for (index, role) in network.roles.iter().enumerate() {
        let allowed = match (role, network.kind) {
            (Role::Discovery, _) => discovery::may_have_role(network),
            (_, NetworkKind::Boot) => true,
            (_, NetworkKind::Bmc) => matches!(role, Role::Dhcp | Role::Dns),
            (_, NetworkKind::Management | NetworkKind::Peer) => false,
        };
        if !allowed {
            problems.add(
                &key,
                format_args!("`{role}` is not given to a {} network; remove it", network.kind),
            );
        }
        if network.roles[..index].contains(role) {
            problems.add(&key, format_args!("`{role}` is named twice; once is enough"));
        }
    }
    if network.answers_nodes() && config.node_address(network).is_none() {
        problems.add(
            &format!("network `{}`, service-address", network.name),
            "missing; with any role but `discovery`, name the address that nodes are to know, one that no host has",
        );
    }
}

/// They help firmware that boots, and need a real link.
fn check_router_advertisements(
    config: &Config,
    network: &NetworkConfig,
    host: &Host,
    problems: &mut Problems,
) {
    if !network.router_advertisements {
        return;
    }
    let key = format!("network `{}`, router-advertisements", network.name);
    if network.kind != NetworkKind::Boot || !network.answers_nodes() {
        problems.add(
            &key,
            format_args!(
                "only for a boot network where nodes are answered; this one is of kind {}: remove it",
                network.kind
            ),
        );
    }
    if config.address.mode == AddressMode::Loopback || network.is_loopback() {
        problems.add(
            &key,
            "loopback has no IPv6 link; remove it, or use an interface and `address.mode = \"helper\"`",
        );
    } else if host.without_ipv6.contains(&network.interface) {
        problems.add(
            &key,
            format_args!(
                "IPv6 is off on `{}` (ipv6.disable or disable_ipv6), so none could be sent; switch it on, or remove \
                 the key",
                network.interface
            ),
        );
    }
}

fn check_peers(config: &Config, network: &NetworkConfig, listed: &Listed, problems: &mut Problems) {
    let key = format!("network `{}`, peers", network.name);
    if let Some(address) = network.service_address
        && (address == network.member_address || network.peers.values().any(|own| *own == address))
    {
        problems.add(
            &format!("network `{}`, service-address", network.name),
            format_args!("{address} is a member's own address; name one that no host has"),
        );
    }
    if !needs_peers(config, network) && network.peers.is_empty() {
        return;
    }
    // Of the others `cluster.toml` knows who was there once: some may have left.
    if !network.peers.contains_key(&config.member.id) {
        problems.add(
            &key,
            format_args!(
                "member {} is missing, this one; name the own address of every member there",
                config.member.id
            ),
        );
    }
    // higher ids are those of members that joined after this one
    let last = listed.ids.iter().max().copied().unwrap_or(0);
    let unknown = network
        .peers
        .keys()
        .filter(|id| **id <= last && !listed.ids.contains(id));
    for id in unknown {
        problems.add(
            &key,
            format_args!("member {id} is not in cluster.toml; remove it"),
        );
    }
    let own = network.peers.get(&config.member.id);
    if own.is_some_and(|own| *own != network.member_address) {
        problems.add(
            &key,
            format_args!(
                "member {} is this one, but its address differs from member-address {}",
                config.member.id, network.member_address
            ),
        );
    }
}

/// Adverts go to them, and nodes are sent to them: in mode `list` for all, in every mode for a boot file that this
/// member has not.
fn needs_peers(config: &Config, network: &NetworkConfig) -> bool {
    match config.address.mode {
        AddressMode::External => network.roles.contains(&Role::Boot),
        AddressMode::Helper => network.answers_nodes() || network.service_address.is_some(),
        AddressMode::Loopback | AddressMode::List => network.answers_nodes(),
    }
}

/// A service address without roles is the API's; it must not be claimed for nothing.
fn check_address_of_the_api(config: &Config, network: &NetworkConfig, problems: &mut Problems) {
    let is_of_the_api = !network.answers_nodes() && network.service_address.is_some();
    if !is_of_the_api || config.address.mode == AddressMode::List {
        return; // in mode `list` any service address is refused
    }
    let key = format!("network `{}`, service-address", network.name);
    if network.kind != NetworkKind::Management {
        problems.add(
            &key,
            format_args!(
                "nothing would answer on it: this {} network has no role for nodes; give it one, or remove the address",
                network.kind
            ),
        );
    } else if config.address.mode == AddressMode::Loopback {
        problems.add(
            &key,
            "with `address.mode = \"loopback\"` the API has none; remove it, or use mode `helper` or `external`",
        );
    }
}

fn check_loopback(network: &NetworkConfig, problems: &mut Problems) {
    let addresses = [
        ("member-address", Some(network.member_address)),
        ("service-address", network.service_address),
    ];
    for (name, address) in addresses {
        if let Some(address) = address.filter(|address| !address.is_loopback()) {
            problems.add(
                &format!("network `{}`, {name}", network.name),
                format_args!(
                    "{address} is outside 127.0.0.0/8, which `address.mode = \"loopback\"` needs; \
                     use an address of it, or mode `helper`"
                ),
            );
        }
    }
    if network.interface != "lo" {
        problems.add(
            &format!("network `{}`, interface", network.name),
            format_args!(
                "`{}`; with `address.mode = \"loopback\"` it is `lo`",
                network.interface
            ),
        );
    }
}

fn check_interface(network: &NetworkConfig, host: &Host, problems: &mut Problems) {
    let key = |name: &str| format!("network `{}`, {name}", network.name);
    if !host.has(&network.interface) {
        problems.add(
            &key("interface"),
            format_args!(
                "`{}` does not exist; this host has {}",
                network.interface,
                host.names()
            ),
        );
        return;
    }
    let addresses = host.addresses_of(&network.interface);
    if !addresses.iter().any(|(own, _)| *own == network.member_address) {
        let own: Vec<String> = addresses.iter().map(|(own, _)| own.to_string()).collect();
        problems.add(
            &key("member-address"),
            format_args!(
                "{} is not an address of `{}`, which has {}",
                network.member_address,
                network.interface,
                if own.is_empty() {
                    "none".to_owned()
                } else {
                    own.join(", ")
                }
            ),
        );
    }
}

/// The helper adds the address without a route, so nodes must find it on the link.
fn check_reachable(network: &NetworkConfig, host: &Host, problems: &mut Problems) {
    let addresses = host.addresses_of(&network.interface);
    let own = addresses.iter().find(|(own, _)| *own == network.member_address);
    let (Some((_, mask)), Some(address)) = (own, network.service_address) else {
        return;
    };
    let network_of = |address: Ipv4Addr| address.to_bits() & mask.to_bits();
    if network_of(address) != network_of(network.member_address) {
        problems.add(
            &format!("network `{}`, service-address", network.name),
            format_args!(
                "{address} is outside the network of {} (netmask {mask}) on `{}`; nodes could not reach it",
                network.member_address, network.interface
            ),
        );
    }
}

/// The address may be on another interface (anycast on `lo`) or on none (a load balancer's): that is the mover's.
fn check_external(network: &NetworkConfig, host: &Host, problems: &mut Problems) {
    if network.is_loopback() {
        problems.add(
            &format!("network `{}`, interface", network.name),
            "`lo`; with `address.mode = \"external\"` name the interface that nodes are on, even if the address itself \
             is put on `lo` (anycast)",
        );
        return;
    }
    check_interface(network, host, problems);
}

fn check_list(network: &NetworkConfig, host: &Host, problems: &mut Problems) {
    if let Some(address) = network.service_address {
        problems.add(
            &format!("network `{}`, service-address", network.name),
            format_args!(
                "{address} would never be used: with `address.mode = \"list\"` nodes are told the addresses in `peers`; \
                 remove it, or use mode `helper` or `external`"
            ),
        );
    }
    if network.is_loopback() {
        check_loopback(network, problems);
    } else {
        check_interface(network, host, problems);
    }
}

/// A relay's network says which service address its nodes get, so it may stand in one place only.
fn check_relayed(config: &Config, problems: &mut Problems) {
    let all: Vec<_> = config
        .networks
        .iter()
        .flat_map(|network| {
            network
                .relayed_subnets
                .iter()
                .map(move |subnet| (network, subnet))
        })
        .collect();
    for (index, (network, subnet)) in all.iter().enumerate() {
        for (other, overlapped) in all[..index]
            .iter()
            .filter(|(_, earlier)| earlier.overlaps(subnet))
        {
            problems.add(
                &format!("network `{}`, relayed-subnets", network.name),
                format_args!("{subnet} overlaps {overlapped} of network `{}`", other.name),
            );
        }
    }
}
