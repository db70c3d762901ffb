//! What a network says of IPv6: with prefixes its nodes are answered over it.

use std::net::Ipv6Addr;

use model::Ipv6Net;

use super::{Host, Problems};
use crate::serve::config::{AddressMode, Config, NetworkConfig, Role};

pub(super) fn check(config: &Config, network: &NetworkConfig, host: &Host, problems: &mut Problems) {
    let key = |name: &str| format!("network `{}`, {name}", network.name);
    if network.prefixes_v6.is_empty() {
        for (name, is_there) in [
            ("relayed-prefixes-v6", !network.relayed_prefixes_v6.is_empty()),
            ("dns-servers-v6", !network.dns_servers_v6.is_empty()),
            ("service-address-v6", network.service_address_v6.is_some()),
        ] {
            if is_there {
                problems.add(
                    &key(name),
                    "nothing is served over IPv6 without `prefixes-v6`; name the link's prefixes, or remove it",
                );
            }
        }
        return;
    }
    if !network.roles.contains(&Role::Dhcp) {
        problems.add(
            &key("prefixes-v6"),
            "they are for DHCPv6; give the network the role `dhcp`, or remove them",
        );
    }
    for prefix in network.prefixes_v6.iter().chain(&network.relayed_prefixes_v6) {
        check_prefix(&key("prefixes-v6"), prefix, problems);
    }
    check_service_address(config, network, &key("service-address-v6"), problems);
    check_link(config, network, host, &key("prefixes-v6"), problems);
}

/// DHCPv6 needs a real link with IPv6, and URLs an address on it.
fn check_link(config: &Config, network: &NetworkConfig, host: &Host, key: &str, problems: &mut Problems) {
    let interface = &network.interface;
    if config.address.mode == AddressMode::Loopback || network.is_loopback() {
        problems.add(
            key,
            "loopback has no IPv6 link; remove them, or use an interface and `address.mode = \"helper\"`",
        );
    } else if host.without_ipv6.contains(interface) {
        problems.add(
            key,
            format_args!(
                "IPv6 is off on `{interface}` (ipv6.disable or disable_ipv6); switch it on, or remove them"
            ),
        );
    } else if network.service_address_v6.is_none()
        && host.address_in(interface, &network.prefixes_v6).is_none()
    {
        problems.add(
            key,
            format_args!(
                "`{interface}` has no address in {}, so that nodes could be sent nowhere; give it one, or remove them",
                list(&network.prefixes_v6)
            ),
        );
    }
}

fn check_prefix(key: &str, prefix: &Ipv6Net, problems: &mut Problems) {
    let first = prefix.network();
    if first.is_unicast_link_local() || first.is_multicast() || prefix.prefix_len() == 0 {
        problems.add(
            key,
            format_args!(
                "nodes have no addresses of their own in {prefix}; name the link's, e.g. fd00:97::/64"
            ),
        );
    }
}

fn check_service_address(config: &Config, network: &NetworkConfig, key: &str, problems: &mut Problems) {
    let Some(address) = network.service_address_v6 else {
        return;
    };
    if config.address.mode != AddressMode::External {
        problems.add(
            key,
            format_args!(
                "{address} would be on no member: only with `address.mode = \"external\"` something moves it; remove it, \
                 and each member tells its own address"
            ),
        );
    }
    if is_nobodys(address) {
        problems.add(
            key,
            format_args!("{address} is no address that a node could call; name a unicast address"),
        );
    }
}

fn is_nobodys(address: Ipv6Addr) -> bool {
    address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unicast_link_local()
}

/// A prefix says which network its nodes are of, so it may stand in one place only.
pub(super) fn check_overlaps(config: &Config, problems: &mut Problems) {
    let of = |network: &'_ NetworkConfig| {
        let both = [network.prefixes_v6.clone(), network.relayed_prefixes_v6.clone()];
        both.concat()
    };
    let all: Vec<(&str, Ipv6Net)> = config
        .networks
        .iter()
        .flat_map(|network| {
            of(network)
                .into_iter()
                .map(|prefix| (network.name.as_str(), prefix))
        })
        .collect();
    for (index, (name, prefix)) in all.iter().enumerate() {
        for (other, earlier) in all[..index]
            .iter()
            .filter(|(_, earlier)| earlier.overlaps(prefix))
        {
            problems.add(
                &format!("network `{name}`, prefixes-v6"),
                format_args!(
                    "{prefix} overlaps {earlier} of network `{other}`; each link has prefixes of its own"
                ),
            );
        }
    }
}

fn list(prefixes: &[Ipv6Net]) -> String {
    let texts: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
