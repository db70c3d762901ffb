//! The roles of one network on their sockets: on the interface, or on loopback addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use address::{ClientNotes, Held, loopback};
use dhcp::{DhcpSocket, Mode, Network, RouterAdvertCounters, Rules};
use gateway::Gateway;
use model::MacAddr;
use tftp::Limits;
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Handle;

use super::{Holding, NodePorts, dns as dns_ports, interface, ipv6};
use crate::serve::ServeError;
use crate::serve::config::{AddressMode, Config, DhcpMode, NetworkConfig, Role};
use crate::serve::counters::{Counters, Server};
use crate::serve::drain::Stop;
use crate::serve::loaders;
use crate::serve::open_roles::OpenRoles;
use crate::serve::tasks::Tasks;
use crate::serve::timeline::fetched_loaders;

/// The key that opens port 4011.
const PROXY_KEY: &str = "dhcp-mode";

/// Everything that is served on one network.
pub(super) struct Roles {
    config: Arc<Config>,
    for_dhcp: Handle,
    counters: Counters,
    open_roles: OpenRoles,
    dhcp_servers: dhcp::Servers,
    network: NetworkConfig,
    service: Ipv4Addr,
    held: Held,
    clients: Option<ClientNotes>,
    gateway: Gateway,
    dhcp: dhcp::Server,
    /// Where the network is served over IPv6.
    dhcp6: Option<dhcp6::Server>,
    tftp: tftp::Server,
    dns: dns::Server,
}

impl Roles {
    pub(super) fn new(
        ports: &NodePorts,
        network: &NetworkConfig,
        holding: &Holding,
    ) -> Result<Self, ServeError> {
        let held = holding.held();
        let service = ports
            .config
            .node_address(network)
            .expect("checked at start: a network with roles has one");
        let about = Network {
            service_address: service,
            alternatives: ports.config.alternatives(network),
            members: network.member_addresses().collect(),
            http_port: network.has(Role::Boot).then_some(ports.config.boot.http_port),
            relayed_subnets: network.relayed_subnets.clone(),
            isolated_lease_s: ports.config.dhcp.isolated_lease_s,
        };
        let mut files = ports.loaders.clone();
        // Emulated nodes on loopback go straight to their own script.
        if let Some(script) = about.first_script().filter(|_| !network.is_loopback()) {
            files.insert(dhcp::FIRST_SCRIPT, script);
        }
        let offered = loaders::offered(&files, network);
        let name_servers = dns_ports::network(&ports.config, network, service);
        let dns = dns::Server::new(ports.store.clone(), name_servers);
        let (holder, shared) = (held.clone(), held.clone());
        let timeline = ports.timeline.clone();
        let (store, of_holder) = (ports.store.clone(), move || holder.responder());
        let of_client = move |client: MacAddr| shared.responder_of(client.0);
        let dhcp6 = network
            .serves_ipv6()
            .then(|| ipv6::server(ports, network, of_holder.clone()));
        let rules = rules(&ports.config, network);
        let dhcp = dhcp::Server::new(store, about, offered, of_holder, timeline)
            .sharing(of_client)
            .guarded(rules);
        let first_script = files.get(dhcp::FIRST_SCRIPT);
        let fetched = fetched_loaders(&ports.store, &ports.timeline, first_script);
        let tftp = tftp::Server::new(files, Limits::default()).telling(fetched);
        Ok(Self {
            config: Arc::clone(&ports.config),
            for_dhcp: ports.for_dhcp.clone(),
            counters: ports.counters.clone(),
            open_roles: ports.open_roles.clone(),
            dhcp_servers: ports.dhcp.clone(),
            service,
            gateway: ports.gateway.clone(),
            dhcp,
            dhcp6: dhcp6.transpose()?,
            tftp,
            dns,
            network: network.clone(),
            held,
            clients: holding.clients(),
        })
    }

    /// Binds the ports of all roles and serves them until `stop`.
    pub(super) fn open(self, stop: &Stop) -> Result<Tasks, ServeError> {
        let mut tasks = Tasks::default();
        match self.config.address.mode {
            AddressMode::List if self.network.is_loopback() => self.on_member_address(stop, &mut tasks)?,
            AddressMode::Helper | AddressMode::External | AddressMode::List => {
                self.on_interface(stop, &mut tasks)?;
            }
            AddressMode::Loopback => {
                self.on_member_address(stop, &mut tasks)?;
                self.on_service_address(stop, &mut tasks);
            }
        }
        self.count();
        self.open_roles.add(&self.network.name, &self.network.roles);
        Ok(tasks)
    }

    fn count(&self) {
        let name = &self.network.name;
        if self.network.has(Role::Dhcp) {
            self.dhcp_servers.put(name, &self.dhcp);
            let counted = self.dhcp.counters();
            self.counters.add(Server::Dhcp, name, move || counted.all());
            let counted = self.dhcp.guard_counters();
            self.counters.add(Server::DhcpGuard, name, move || counted.all());
        }
        if self.network.has(Role::Tftp) {
            let counted = self.tftp.counters();
            self.counters.add(Server::Tftp, name, move || counted.all());
        }
        if self.network.has(Role::Dns) {
            let counted = self.dns.counters();
            self.counters.add(Server::Dns, name, move || counted.all());
        }
    }

    fn on_interface(&self, stop: &Stop, tasks: &mut Tasks) -> Result<(), ServeError> {
        let name = &self.network.interface;
        let any = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        if let Some((key, port)) = self.port_of(Role::Boot) {
            let listener = interface::tcp(name, port).map_err(not_bound(key, any(port)))?;
            tasks.spawn(
                "HTTP for nodes",
                http(self.gateway.clone(), listener, self.clients.clone(), stop.clone()),
            );
        }
        if let Some((key, port)) = self.port_of(Role::Dhcp) {
            let _its_sockets = self.for_dhcp.enter();
            let socket = DhcpSocket::on_interface(name, port).map_err(not_bound(key, any(port)))?;
            tasks.spawn("DHCP", dhcp(self.dhcp.clone(), socket, stop.clone()));
            if let Some(port) = self.proxy_port() {
                let socket = DhcpSocket::on_interface(name, port).map_err(not_bound(PROXY_KEY, any(port)))?;
                tasks.spawn("proxyDHCP", proxy(self.dhcp.clone(), socket, stop.clone()));
            }
            self.watch_wire(stop, tasks);
        }
        if let Some((key, port)) = self.port_of(Role::Tftp) {
            let socket = interface::udp(name, port).map_err(not_bound(key, any(port)))?;
            tasks.spawn("TFTP", tftp(self.tftp.clone(), socket, stop.clone()));
            self.carry_transfers_on(stop, tasks);
        }
        if let Some((_, port)) = self.port_of(Role::Dns) {
            dns_ports::on_interface(&self.dns, name, port, stop, tasks)?;
        }
        ipv6::tell_what_is_left_out(&self.network);
        if self.network.advertises_no_router() {
            self.advertise_no_router(stop, tasks);
        }
        match &self.dhcp6 {
            Some(server) => self.over_ipv6(server, stop, tasks),
            None => Ok(()),
        }
    }

    /// What DHCPv6 sends nodes to is there over IPv6 too.
    fn over_ipv6(&self, server: &dhcp6::Server, stop: &Stop, tasks: &mut Tasks) -> Result<(), ServeError> {
        ipv6::serve(server, &self.network, &self.counters, stop, tasks)?;
        if let Some((key, port)) = self.port_of(Role::Boot) {
            let listener = interface::tcp_v6(&self.network.interface, port);
            let listener = listener.map_err(not_bound(key, ipv6::any(port)))?;
            tasks.spawn(
                "HTTP for nodes over IPv6",
                http(self.gateway.clone(), listener, None, stop.clone()),
            );
        }
        if let Some((_, port)) = self.port_of(Role::Tftp) {
            let socket = ipv6::tftp_socket(&self.network, port)?;
            tasks.spawn("TFTP over IPv6", tftp(self.tftp.clone(), socket, stop.clone()));
        }
        Ok(())
    }

    /// Hears the ACKs of TFTP transfers that another member began. A port that is taken costs its takeover only.
    fn carry_transfers_on(&self, stop: &Stop, tasks: &mut Tasks) {
        for port in self.tftp.resume_ports() {
            match interface::shared_udp(&self.network.interface, port) {
                Ok(socket) => {
                    let (server, stop) = (self.tftp.clone(), stop.clone());
                    tasks.spawn("TFTP of other members", async move {
                        let carried = server.carry_on(port, socket, stop.reached()).await;
                        carried.map_err(ServeError::setup("TFTP of other members"))
                    });
                }
                Err(error) => {
                    tracing::warn!(port, %error, "transfers from this UDP port cannot be taken over")
                }
            }
        }
    }

    fn watch_wire(&self, stop: &Stop, tasks: &mut Tasks) {
        let (server, interface, stop) = (self.dhcp.clone(), self.network.interface.clone(), stop.clone());
        tasks.spawn("what DHCP hears", async move {
            server.watch_wire(&interface, stop.reached()).await;
            Ok(())
        });
    }

    /// The port where nodes ask a proxy, where this network's server is one.
    fn proxy_port(&self) -> Option<u16> {
        (self.network.dhcp_mode == DhcpMode::Proxy).then_some(dhcp::PROXY_PORT)
    }

    fn advertise_no_router(&self, stop: &Stop, tasks: &mut Tasks) {
        let counters = Arc::new(RouterAdvertCounters::default());
        let counted = Arc::clone(&counters);
        self.counters
            .add(Server::RouterAdverts, &self.network.name, move || counted.all());
        let (network, stop) = (self.network.clone(), stop.clone());
        tasks.spawn("router advertisements", async move {
            let (interface, prefixes) = (&network.interface, &network.prefixes_v6);
            dhcp::advertise_no_router(interface, prefixes, counters, stop.reached()).await;
            Ok(())
        });
    }

    fn on_member_address(&self, stop: &Stop, tasks: &mut Tasks) -> Result<(), ServeError> {
        let own = self.network.member_address;
        let at = |port| SocketAddrV4::new(own, port);
        if let Some((key, port)) = self.port_of(Role::Boot) {
            let listener = loopback::bind_tcp(at(port).into()).map_err(not_bound(key, at(port).into()))?;
            tasks.spawn(
                "HTTP for nodes",
                http(self.gateway.clone(), listener, None, stop.clone()),
            );
        }
        if let Some((key, port)) = self.port_of(Role::Dhcp) {
            let _its_sockets = self.for_dhcp.enter();
            let socket = DhcpSocket::on_address(at(port)).map_err(not_bound(key, at(port).into()))?;
            tasks.spawn("DHCP", dhcp(self.dhcp.clone(), socket, stop.clone()));
            if let Some(port) = self.proxy_port() {
                let socket = DhcpSocket::on_address(at(port));
                let socket = socket.map_err(not_bound(PROXY_KEY, at(port).into()))?;
                tasks.spawn("proxyDHCP", proxy(self.dhcp.clone(), socket, stop.clone()));
            }
        }
        if let Some((key, port)) = self.port_of(Role::Tftp) {
            let bound = std::net::UdpSocket::bind(at(port)).and_then(|socket| {
                socket.set_nonblocking(true)?;
                UdpSocket::from_std(socket)
            });
            let socket = bound.map_err(not_bound(key, at(port).into()))?;
            tasks.spawn("TFTP", tftp(self.tftp.clone(), socket, stop.clone()));
        }
        if let Some((_, port)) = self.port_of(Role::Dns) {
            dns_ports::on_address(&self.dns, at(port).into(), stop, tasks)?;
        }
        Ok(())
    }

    /// On loopback the sockets follow the lock: each role waits until this member holds the address.
    fn on_service_address(&self, stop: &Stop, tasks: &mut Tasks) {
        let service = self.service;
        let at = move |port| SocketAddr::new(service.into(), port);
        if let Some((_, port)) = self.port_of(Role::Boot) {
            let (held, gateway, stop) = (self.held.clone(), self.gateway.clone(), stop.clone());
            tasks.spawn("HTTP on the service address", async move {
                let listener = stop.unless(loopback::tcp_listener(&held, at(port))).await;
                let Some(listener) = listener else { return Ok(()) };
                http(gateway, listener.map_err(followed)?, None, stop).await
            });
        }
        if let Some((key, port)) = self.port_of(Role::Dhcp) {
            let (held, server, stop) = (self.held.clone(), self.dhcp.clone(), stop.clone());
            tasks.spawn_on(&self.for_dhcp, "DHCP on the service address", async move {
                let socket = stop.unless(loopback::udp_socket(&held, at(port))).await;
                let Some(socket) = socket else { return Ok(()) };
                let socket = socket
                    .map_err(followed)?
                    .into_std()
                    .and_then(DhcpSocket::from_udp);
                dhcp(server, socket.map_err(not_bound(key, at(port)))?, stop).await
            });
        }
        if let Some((_, port)) = self.port_of(Role::Tftp) {
            let (held, server, stop) = (self.held.clone(), self.tftp.clone(), stop.clone());
            tasks.spawn("TFTP on the service address", async move {
                let socket = stop.unless(loopback::udp_socket(&held, at(port))).await;
                let Some(socket) = socket else { return Ok(()) };
                tftp(server, socket.map_err(followed)?, stop).await
            });
        }
        if let Some((_, port)) = self.port_of(Role::Dns) {
            dns_ports::on_held_address(&self.dns, &self.held, at(port), stop, tasks);
        }
    }

    /// Key and value of a role's port, if the network has the role.
    fn port_of(&self, role: Role) -> Option<(&'static str, u16)> {
        let port = match role {
            Role::Boot => ("boot.http-port", self.config.boot.http_port),
            Role::Dhcp => ("dhcp.port", self.config.dhcp.port),
            Role::Tftp => ("tftp.port", self.config.tftp.port),
            Role::Dns => (dns_ports::KEY, self.config.dns.port),
            Role::Discovery => return None,
        };
        self.network.has(role).then_some(port)
    }
}

async fn http(
    gateway: Gateway,
    listener: TcpListener,
    clients: Option<ClientNotes>,
    stop: Stop,
) -> Result<(), ServeError> {
    let note = |local, peer| {
        let opening = clients.as_ref().map(|clients| clients.opened(local, peer));
        async move { opening?.await }
    };
    gateway.serve_nodes_noting(listener, note, stop.reached()).await;
    Ok(())
}

async fn dhcp(server: dhcp::Server, socket: DhcpSocket, stop: Stop) -> Result<(), ServeError> {
    server.run(socket, stop.reached()).await;
    Ok(())
}

async fn proxy(server: dhcp::Server, socket: DhcpSocket, stop: Stop) -> Result<(), ServeError> {
    server.run_proxy_port(socket, stop.reached()).await;
    Ok(())
}

/// What a network's DHCP server does besides answering.
fn rules(config: &Config, network: &NetworkConfig) -> Rules {
    Rules {
        mode: match network.dhcp_mode {
            DhcpMode::Answer => Mode::Answer,
            DhcpMode::Observe => Mode::Observe,
            DhcpMode::Proxy => Mode::Proxy,
        },
        answer_only: network.dhcp_answer_only.clone(),
        other_servers: network.dhcp_other_servers.clone(),
        limits: limits(config),
        probe: Duration::from_millis(config.dhcp.probe_ms),
    }
}

/// How often clients may ask, over IPv4 and over IPv6.
pub(super) fn limits(config: &Config) -> dhcp::Limits {
    dhcp::Limits {
        packets_per_s: config.dhcp.client_packets_per_s_max,
        packets_burst: config.dhcp.client_packets_burst_max,
        strangers_per_s: config.dhcp.unknown_clients_per_s_max,
    }
}

async fn tftp(server: tftp::Server, socket: UdpSocket, stop: Stop) -> Result<(), ServeError> {
    server
        .serve(socket, stop.reached())
        .await
        .map_err(ServeError::setup("TFTP"))
}

pub(super) fn not_bound(key: &'static str, address: SocketAddr) -> impl FnOnce(io::Error) -> ServeError {
    move |source| ServeError::Bind { key, address, source }
}

pub(super) fn followed(error: loopback::FollowError) -> ServeError {
    ServeError::Setup {
        part: "a port on the service address",
        source: error.into(),
    }
}
