//! The roles of a network over IPv6: on its interface beside those of IPv4, where it has prefixes and answers nodes by itself.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;

use super::roles::{limits, not_bound};
use super::{NodePorts, interface};
use crate::serve::ServeError;
use crate::serve::check::Host;
use crate::serve::config::{DhcpMode, NetworkConfig, Role};
use crate::serve::counters::{Counters, Server};
use crate::serve::drain::Stop;
use crate::serve::loaders;
use crate::serve::tasks::Tasks;

/// The key without which there is no IPv6.
const KEY: &str = "network.prefixes-v6";

/// The DHCPv6 server of a network. `turn` is that of DHCPv4: one member answers both.
pub(super) fn server(
    ports: &NodePorts,
    network: &NetworkConfig,
    turn: impl Fn() -> dhcp::Responder + Send + Sync + 'static,
) -> Result<dhcp6::Server, ServeError> {
    let host = Host::read().map_err(ServeError::setup("this host's addresses"))?;
    let url_host = host.ipv6_for_nodes(network);
    if url_host.is_none() {
        tracing::warn!(
            network = network.name,
            interface = network.interface,
            "no address in `prefixes-v6`: nodes get their addresses over IPv6 and nothing to boot from"
        );
    }
    let about = dhcp6::Network {
        prefixes: network.prefixes_v6.clone(),
        relayed_prefixes: network.relayed_prefixes_v6.clone(),
        dns_servers: network.dns_servers_v6.clone(),
        url_host,
        http_port: network.has(Role::Boot).then_some(ports.config.boot.http_port),
        service_address: ports
            .config
            .node_address(network)
            .expect("checked at start: a network with roles has one"),
        isolated_lease_s: ports.config.dhcp.isolated_lease_s,
        answer_only: network.dhcp_answer_only.clone(),
        limits: limits(&ports.config),
    };
    let offered = loaders::offered(&ports.loaders, network);
    Ok(dhcp6::Server::new(
        ports.store.clone(),
        about,
        offered,
        turn,
        ports.timeline.clone(),
    ))
}

/// Says what is configured and not sent, as long as nodes move here from another server.
pub(super) fn tell_what_is_left_out(network: &NetworkConfig) {
    if let Some(what) = left_out(network) {
        tracing::info!(network = network.name, "{what}");
    }
}

fn left_out(network: &NetworkConfig) -> Option<&'static str> {
    let has_prefixes = !network.prefixes_v6.is_empty();
    let wants_advertisements = network.router_advertisements;
    match network.dhcp_mode {
        DhcpMode::Observe | DhcpMode::Proxy if has_prefixes || wants_advertisements => {
            Some("nothing is sent over IPv6 with this `dhcp-mode`: no DHCPv6, no router advertisements")
        }
        DhcpMode::Answer if wants_advertisements && !network.advertises_no_router() => Some(
            "no router advertisements are sent with `dhcp-answer-only`: they would reach everybody on the link",
        ),
        DhcpMode::Answer | DhcpMode::Observe | DhcpMode::Proxy => None,
    }
}

/// Answers what arrives on the interface.
pub(super) fn serve(
    server: &dhcp6::Server,
    network: &NetworkConfig,
    counters: &Counters,
    stop: &Stop,
    tasks: &mut Tasks,
) -> Result<(), ServeError> {
    let socket = dhcp6::Socket::on_interface(&network.interface).map_err(not_bound(KEY, any(dhcp6::PORT)))?;
    let counted = server.counters();
    counters.add(Server::Dhcp6, &network.name, move || counted.all());
    let (server, stop) = (server.clone(), stop.clone());
    tasks.spawn("DHCPv6", async move {
        server.run(socket, stop.reached()).await;
        Ok(())
    });
    Ok(())
}

/// The socket of TFTP.
pub(super) fn tftp_socket(network: &NetworkConfig, port: u16) -> Result<UdpSocket, ServeError> {
    interface::udp_v6(&network.interface, port).map_err(not_bound("tftp.port", any(port)))
}

/// Where the sockets are bound.
pub(super) fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::serve::config::Config;

    /// The example's network of nodes, with IPv6 and these keys.
    fn network(mode: &str, answer_only: &str, advertisements: bool, prefixes: &str) -> NetworkConfig {
        let text = include_str!("../../../../../deploy/examples/member-1.toml");
        let mut text = text.to_owned();
        for (from, to) in [
            ("dhcp-mode = \"answer\"", format!("dhcp-mode = \"{mode}\"")),
            (
                "dhcp-answer-only = []",
                format!("dhcp-answer-only = [{answer_only}]"),
            ),
            (
                "router-advertisements = true",
                format!("router-advertisements = {advertisements}"),
            ),
            ("\nprefixes-v6 = []", format!("\nprefixes-v6 = [{prefixes}]")),
        ] {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, &to, 1);
        }
        let config = Config::parse(&text, Path::new("member-1.toml")).unwrap();
        config.networks[0].clone()
    }

    const PREFIX: &str = "\"fd00:97::/64\"";
    const GROUP: &str = "\"moved\"";

    /// Who watches another server must not take its nodes away over IPv6.
    #[test]
    fn in_a_mode_without_answers_ipv6_is_silent_and_that_is_said() {
        for mode in ["observe", "proxy"] {
            for (advertisements, prefixes) in [(true, PREFIX), (true, ""), (false, PREFIX)] {
                let network = network(mode, "", advertisements, prefixes);
                assert!(
                    !network.serves_ipv6() && !network.advertises_no_router(),
                    "{mode}"
                );
                let said = left_out(&network).unwrap();
                assert!(said.contains("`dhcp-mode`"), "{said}");
            }
            assert_eq!(
                left_out(&network(mode, "", false, "")),
                None,
                "nothing was asked for"
            );
        }
    }

    /// The nodes of other groups hear no advertisement, so nobody does; DHCPv6 tells them apart.
    #[test]
    fn where_some_groups_are_answered_there_is_dhcpv6_without_advertisements() {
        let some = network("answer", GROUP, true, PREFIX);
        assert!(some.serves_ipv6() && !some.advertises_no_router());
        assert!(left_out(&some).unwrap().contains("`dhcp-answer-only`"));
        assert_eq!(left_out(&network("answer", GROUP, false, PREFIX)), None);
    }

    #[test]
    fn where_everybody_is_answered_nothing_is_left_out() {
        let all = network("answer", "", true, PREFIX);
        assert!(all.serves_ipv6() && all.advertises_no_router());
        assert_eq!(left_out(&all), None);
    }
}
