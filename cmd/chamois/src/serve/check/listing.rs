//! What nodes are answered on, and which BMCs are worked on: `chamois serve --check` says it before anything is opened.

use std::fmt::Write as _;

use model::IpNet;

use crate::serve::config::{Config, NetworkConfig, Role};

/// A line for each network with roles.
pub fn answers_on(config: &Config) -> String {
    let mut text = String::new();
    for network in config.networks.iter().filter(|network| !network.roles.is_empty()) {
        let ports = ports(config, network).join(", ");
        let _infallible = writeln!(text, "  {} on {}: {ports}", network.name, network.interface);
    }
    text
}

fn ports(config: &Config, network: &NetworkConfig) -> Vec<String> {
    let mut ports: Vec<String> = network
        .roles
        .iter()
        .map(|role| match role {
            Role::Boot => format!("HTTP TCP {}", config.boot.http_port),
            Role::Dhcp => format!("DHCP UDP {}", config.dhcp.port),
            Role::Tftp => format!("TFTP UDP {}", config.tftp.port),
            Role::Dns => format!("DNS UDP and TCP {}", config.dns.port),
            Role::Discovery => asked(network),
        })
        .collect();
    if network.serves_ipv6() {
        ports.push(format!("DHCPv6 UDP {}", dhcp6::PORT));
    }
    if network.advertises_no_router() {
        ports.push("router advertisements ICMPv6".to_owned());
    }
    ports
}

/// The only thing on a network that is asked and does not answer.
fn asked(network: &NetworkConfig) -> String {
    let subnets: Vec<String> = network.bmc_subnets.iter().map(IpNet::to_string).collect();
    format!("asks BMCs in {}", subnets.join(" and "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_port_of_every_role_is_named() {
        let text = include_str!("../../../../../deploy/examples/member-1.toml");
        let said = |text: &str| answers_on(&Config::parse(text, Path::new("member-1.toml")).unwrap());
        let plain = "  boot on eth1: HTTP TCP 8081, DHCP UDP 67, TFTP UDP 69, DNS UDP and TCP 53";
        let bmcs = "  bmc on eth2: asks BMCs in 10.99.0.0/16\n";
        assert_eq!(
            said(text),
            format!("{plain}, router advertisements ICMPv6\n{bmcs}")
        );
        let with_v6 = text.replace("\nprefixes-v6 = []", "\nprefixes-v6 = [\"fd00:97::/64\"]");
        let expected = format!("{plain}, DHCPv6 UDP 547, router advertisements ICMPv6\n{bmcs}");
        assert_eq!(said(&with_v6), expected);
        let some = with_v6.replacen("dhcp-answer-only = []", "dhcp-answer-only = [\"moved\"]", 1);
        assert_eq!(said(&some), format!("{plain}, DHCPv6 UDP 547\n{bmcs}"));
        for mode in ["observe", "proxy"] {
            let mode = format!("dhcp-mode = \"{mode}\"");
            let moving = with_v6.replacen("dhcp-mode = \"answer\"", &mode, 1);
            assert_eq!(
                said(&moving),
                format!("{plain}\n{bmcs}"),
                "{mode}: nothing over IPv6"
            );
        }
    }
}
