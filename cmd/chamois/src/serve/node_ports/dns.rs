//! The role `dns` on its sockets: UDP and TCP side by side, since what is too long for one is fetched over the other.

use std::net::{Ipv4Addr, SocketAddr};

use address::{Held, loopback};
use tokio::net::{TcpListener, UdpSocket};

use super::interface;
use super::roles::{followed, not_bound};
use crate::serve::ServeError;
use crate::serve::config::{Config, NetworkConfig};
use crate::serve::drain::Stop;
use crate::serve::tasks::Tasks;

/// The key of the port.
pub(super) const KEY: &str = "dns.port";

/// What DNS tells of its own servers on a network: every member's own address in address mode `list`, else the service
/// address. In one order, so that every member says the same.
pub(super) fn network(config: &Config, network: &NetworkConfig, node_address: Ipv4Addr) -> dns::Network {
    let mut name_servers = config.alternatives(network);
    name_servers.push(node_address);
    name_servers.sort_unstable();
    dns::Network { name_servers }
}

/// Answers what arrives on the interface.
pub(super) fn on_interface(
    server: &dns::Server,
    name: &str,
    port: u16,
    stop: &Stop,
    tasks: &mut Tasks,
) -> Result<(), ServeError> {
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let socket = interface::udp(name, port).map_err(not_bound(KEY, any))?;
    let listener = interface::tcp(name, port).map_err(not_bound(KEY, any))?;
    serve(server, socket, listener, stop, tasks);
    Ok(())
}

/// Answers on the member's own address.
pub(super) fn on_address(
    server: &dns::Server,
    at: SocketAddr,
    stop: &Stop,
    tasks: &mut Tasks,
) -> Result<(), ServeError> {
    let bound = std::net::UdpSocket::bind(at).and_then(|socket| {
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    });
    let socket = bound.map_err(not_bound(KEY, at))?;
    let listener = loopback::bind_tcp(at).map_err(not_bound(KEY, at))?;
    serve(server, socket, listener, stop, tasks);
    Ok(())
}

/// Answers on the service address on loopback, once this member holds it.
pub(super) fn on_held_address(
    server: &dns::Server,
    held: &Held,
    at: SocketAddr,
    stop: &Stop,
    tasks: &mut Tasks,
) {
    let (over_udp, holding, ends) = (server.clone(), held.clone(), stop.clone());
    tasks.spawn("DNS over UDP on the service address", async move {
        let socket = ends.unless(loopback::udp_socket(&holding, at)).await;
        let Some(socket) = socket else { return Ok(()) };
        udp(over_udp, socket.map_err(followed)?, ends).await
    });
    let (over_tcp, holding, ends) = (server.clone(), held.clone(), stop.clone());
    tasks.spawn("DNS over TCP on the service address", async move {
        let listener = ends.unless(loopback::tcp_listener(&holding, at)).await;
        let Some(listener) = listener else { return Ok(()) };
        over_tcp
            .serve_tcp(listener.map_err(followed)?, ends.reached())
            .await;
        Ok(())
    });
}

fn serve(server: &dns::Server, socket: UdpSocket, listener: TcpListener, stop: &Stop, tasks: &mut Tasks) {
    tasks.spawn("DNS over UDP", udp(server.clone(), socket, stop.clone()));
    let (server, stop) = (server.clone(), stop.clone());
    tasks.spawn("DNS over TCP", async move {
        server.serve_tcp(listener, stop.reached()).await;
        Ok(())
    });
}

async fn udp(server: dns::Server, socket: UdpSocket, stop: Stop) -> Result<(), ServeError> {
    let served = server.serve_udp(socket, stop.reached()).await;
    served.map_err(ServeError::setup("DNS"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Whichever member is asked, a resolver must be told the same name servers.
    #[test]
    fn the_name_servers_are_the_service_address_or_in_mode_list_all_members() {
        let example = include_str!("../../../../../deploy/examples/member-1.toml");
        let servers = |text: &str| {
            let config = Config::parse(text, Path::new("member.toml")).unwrap();
            let boot = &config.networks[0];
            network(&config, boot, config.node_address(boot).unwrap()).name_servers
        };
        assert_eq!(servers(example), [Ipv4Addr::new(10, 97, 0, 1)]);
        let list = example
            .replace("mode = \"helper\"", "mode = \"list\"")
            .replace("\nservice-address = \"10.97.0.1\"", "");
        let all = [1, 2, 3].map(|last| Ipv4Addr::new(10, 97, 1, last));
        assert_eq!(servers(&list), all);
        let second = list
            .replace("\nid = 1", "\nid = 2")
            .replace("member-address = \"10.97.1.1\"", "member-address = \"10.97.1.2\"");
        assert_eq!(servers(&second), all);
    }
}
