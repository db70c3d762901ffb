//! The ports for administrators and services: gRPC on 7441, HTTPS with OpenCHAMI's routes on 8443.

use std::net::IpAddr;
use std::sync::Arc;

use gateway::{BootFiles, Gateway, Options, RequestRate, SentFiles};
use model::IpNet;
use raft::Store;
use rpc::server::{Limits, Port, PortKind};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::ServeError;
use super::api_document;
use super::api_port::{self, ApiPort};
use super::api_tls::ApiTls;
use super::boot_files::Source;
use super::config::{Config, Role};
use super::counters::{Counters, Server};
use super::drain::{Drain, Stop};
use super::legacy_ports::{self, LegacyPorts};
use super::loaders;
use super::open_roles::OpenRoles;
use super::readiness;
use super::services::Services;
use super::tasks::Tasks;

/// Where boot files are in a node's URL.
const FILES_PREFIX: &str = "/files/";

/// Both ports, and those of single services, bound but not served yet.
pub(super) struct ApiPorts {
    grpc: Vec<ApiPort>,
    https: Vec<ApiPort>,
    legacy: LegacyPorts,
    grpc_tls: ServerConfig,
    https_tls: ServerConfig,
    limits: Limits,
}

impl ApiPorts {
    /// Binds them.
    pub(super) async fn bind(config: &Config, tls: &ApiTls) -> Result<Self, ServeError> {
        Ok(Self {
            grpc: api_port::listen_on_all("api.grpc-listen", config.api.grpc_listen, config).await?,
            https: api_port::listen_on_all("api.https-listen", config.api.https_listen, config).await?,
            legacy: LegacyPorts::bind(config).await?,
            grpc_tls: tls.grpc_config().map_err(ServeError::setup("TLS of the API"))?,
            https_tls: tls.https_config().map_err(ServeError::setup("TLS of the API"))?,
            limits: grpc_limits(config),
        })
    }

    /// Serves them until the drain. What it gives ends with the last request.
    pub(super) fn serve(
        self,
        services: &Services,
        gateway: &Gateway,
        counters: &Counters,
        drain: &Drain,
        tasks: &mut Tasks,
    ) -> ApiServed {
        let (served, running) = watch::channel(());
        let acceptor = TlsAcceptor::from(Arc::new(self.grpc_tls));
        let grpc = Port::new(acceptor, PortKind::Api, self.limits);
        let counted = grpc.counters();
        counters.add(Server::Grpc, "api", move || counted.all());
        for port in self.grpc {
            let (grpc, services, stop) = (grpc.clone(), services.clone(), drain.finishing());
            let running = running.clone();
            let serve = move |listener, stop: Stop| {
                let (grpc, services) = (grpc.clone(), services.clone());
                async move { grpc.serve(listener, services, stop.reached()).await }
            };
            tasks.spawn("the gRPC port", async move {
                port.serve(&stop, serve).await;
                drop(running);
                Ok(())
            });
        }
        for port in self.https {
            let (gateway, tls, stop) = (gateway.clone(), self.https_tls.clone(), drain.finishing());
            let running = running.clone();
            let serve = move |listener, stop: Stop| {
                let (gateway, tls) = (gateway.clone(), tls.clone());
                async move { gateway.serve_api(listener, tls, stop.reached()).await }
            };
            tasks.spawn("the HTTPS port", async move {
                port.serve(&stop, serve).await;
                drop(running);
                Ok(())
            });
        }
        self.legacy.serve(gateway, counters, drain, &running, tasks);
        drop(running);
        ApiServed(served)
    }
}

/// Tells the end of the API's ports.
pub(super) struct ApiServed(watch::Sender<()>);

impl ApiServed {
    /// Waits until nobody is served any more.
    pub(super) async fn ended(&self) {
        self.0.closed().await;
    }
}

/// The files that nodes fetch over HTTP.
pub(super) struct NodeFiles<'a> {
    pub(super) boot_files: boot_files::BootFiles,
    pub(super) loaders: &'a tftp::Files,
    /// Told of those that a node was sent.
    pub(super) sent: SentFiles,
}

/// The gateway in front of the services; it serves the node ports too.
pub(super) fn gateway(
    config: &Config,
    services: &Services,
    store: &Store,
    node_files: NodeFiles<'_>,
    open_roles: &OpenRoles,
    leaving: Stop,
) -> Result<Gateway, ServeError> {
    say_what_is_open(config);
    let readers: Vec<IpNet> = config
        .api
        .anonymous_legacy_reads
        .iter()
        .copied()
        .map(IpNet::V4)
        .collect();
    let files = BootFiles {
        prefix: FILES_PREFIX.to_owned(),
        source: Source::new(config, node_files.boot_files),
    };
    let (store, open_roles) = (store.clone(), open_roles.clone());
    let of_cluster = store.clone();
    let shared = config.boot.shared_addresses.clone();
    let proxies = config.boot.trusted_proxies.clone();
    let mut options = Options {
        cluster_id: Arc::new(move || of_cluster.state().cluster_id().to_owned()),
        files: config.serves(Role::Boot).then_some(files),
        is_legacy_reader: Arc::new(move |address| contains(&readers, address)),
        readiness: Arc::new(move || readiness::checks(&store, &leaving)),
        role_readiness: Arc::new(move |role| open_roles.ready(role)),
        loaders: loaders::by_name(node_files.loaders),
        api_document: Some(Arc::new(api_document::make)),
        sent_files: node_files.sent,
        shared_addresses: Arc::new(move |address| contains(&shared, address)),
        trusted_proxies: Arc::new(move |address| contains(&proxies, address)),
        access_log: config.api.access_log,
        direct: legacy_ports::wanted(&config.api),
        ..Options::default()
    };
    options.nodes.requests_per_address = request_rate(config);
    options.nodes.connection_rate = options.nodes.requests_per_address;
    let grpc = grpc_limits(config);
    options.api.connections_max = grpc.connections_max;
    options.api.connections_per_address_max = grpc.connections_per_address_max;
    options.api.connection_rate = grpc.connection_rate;
    Gateway::new(proto::DESCRIPTOR, services.clone(), options).map_err(ServeError::setup("the HTTP routes"))
}

/// Each switch that opens something is said at the start: SECURITY.md lists them.
fn say_what_is_open(config: &Config) {
    let (api, boot) = (&config.api, &config.boot);
    if !api.anonymous_legacy_reads.is_empty() {
        let networks = list(&api.anonymous_legacy_reads);
        tracing::warn!(%networks, "anonymous legacy reads are allowed (`api.anonymous-legacy-reads`)");
    }
    if !boot.trusted_proxies.is_empty() {
        let networks = list(&boot.trusted_proxies);
        tracing::warn!(%networks, "proxies say which node asks (`boot.trusted-proxies`)");
    }
    for (key, address) in legacy_ports::listens(api) {
        tracing::warn!(%address, "a service has a port of its own without TLS: whoever listens there can repeat a token (`{key}`)");
    }
    if api.allow_tls12 {
        tracing::warn!("TLS 1.2 is spoken beside 1.3 (`api.allow-tls12`)");
    }
    if api.allow_loopback_webhooks {
        tracing::warn!("notifications may go to this host itself (`api.allow-loopback-webhooks`)");
    }
}

/// The limits of the gRPC port; those on connections are the HTTPS port's, too.
fn grpc_limits(config: &Config) -> Limits {
    let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
    Limits {
        connections_max: number(config.api.connections_max),
        connections_per_address_max: number(config.api.connections_per_address_max),
        connection_rate: config.api.connection_rate(),
        ..Limits::api()
    }
}

/// How often one address may ask on the nodes' port.
fn request_rate(config: &Config) -> Option<RequestRate> {
    let boot = &config.boot;
    (boot.requests_per_s_max > 0).then_some(RequestRate {
        per_second_max: boot.requests_per_s_max,
        burst_max: boot.requests_burst_max,
    })
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

fn list(networks: &[impl ToString]) -> String {
    networks
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_readers_are_those_of_the_listed_networks() {
        let networks: [IpNet; 1] = ["127.0.0.0/8".parse().unwrap()];
        assert!(contains(&networks, "127.9.1.1".parse().unwrap()));
        assert!(
            contains(&networks, "::ffff:127.0.0.1".parse().unwrap()),
            "a v4 client on a v6 socket"
        );
        assert!(!contains(&networks, "10.0.0.1".parse().unwrap()));
        assert!(!contains(&networks, "::1".parse().unwrap()));
        assert!(
            !contains(&[], "127.0.0.1".parse().unwrap()),
            "off unless asked for"
        );
    }

    #[test]
    fn proxies_may_have_addresses_of_either_version() {
        let networks: [IpNet; 2] = ["10.0.0.0/30".parse().unwrap(), "fd00:97::/126".parse().unwrap()];
        for proxy in ["10.0.0.1", "fd00:97::2"] {
            assert!(contains(&networks, proxy.parse().unwrap()), "{proxy}");
        }
        assert!(!contains(&networks, "fd00:97::5".parse().unwrap()));
    }
}
