//! The roles of a network over IPv6: on its interface beside those of IPv4, where it has prefixes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;

use super::roles::not_bound;
use super::{NodePorts, interface};
use crate::serve::ServeError;
use crate::serve::check::Host;
use crate::serve::config::{NetworkConfig, Role};
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
