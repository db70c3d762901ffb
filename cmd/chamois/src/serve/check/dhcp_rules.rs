//! `dhcp-mode`, `dhcp-answer-only` and `dhcp-other-servers` of a network.

use super::Problems;
use crate::serve::config::{Config, DhcpMode, NetworkConfig, NetworkKind, Role};

pub(super) fn check(config: &Config, network: &NetworkConfig, problems: &mut Problems) {
    let key = |name: &str| format!("network `{}`, {name}", network.name);
    if !network.roles.contains(&Role::Dhcp) {
        for (name, is_set) in [
            ("dhcp-mode", network.dhcp_mode != DhcpMode::Answer),
            ("dhcp-answer-only", !network.dhcp_answer_only.is_empty()),
            ("dhcp-other-servers", !network.dhcp_other_servers.is_empty()),
        ] {
            if is_set {
                problems.add(
                    &key(name),
                    "the network has no role `dhcp`; add it, or remove the key",
                );
            }
        }
    }
    if network.dhcp_mode == DhcpMode::Proxy && network.kind != NetworkKind::Boot {
        problems.add(
            &key("dhcp-mode"),
            format_args!(
                "`proxy` tells nodes what to boot; a {} network has none: remove the key, or use `observe`",
                network.kind
            ),
        );
    }
    if network.dhcp_answer_only.iter().any(String::is_empty) {
        problems.add(
            &key("dhcp-answer-only"),
            "an empty label; accepted are labels of SMD's groups, e.g. `moved`",
        );
    }
    let alternatives = config.alternatives(network);
    let is_ours = |address| config.node_address(network) == Some(address) || alternatives.contains(&address);
    if let Some(own) = network
        .dhcp_other_servers
        .iter()
        .find(|address| is_ours(**address))
    {
        problems.add(
            &key("dhcp-other-servers"),
            format_args!("{own} is this cluster's own; name other servers alone"),
        );
    }
}
