//! The ports for administrators and services: gRPC on 7441, HTTPS with OpenCHAMI's routes on 8443.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use gateway::{BootFiles, Gateway, Options};
use model::Ipv4Net;
use raft::Store;
use rpc::server::PortKind;
use rpc::tls::{ClientCerts, Material};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::ServeError;
use super::boot_files::Source;
use super::check::Host;
use super::config::{Config, Role};
use super::drain::Drain;
use super::loaders;
use super::node_ports::interface::tcp_at;
use super::open_roles::OpenRoles;
use super::services::Services;
use super::tasks::Tasks;

/// Where boot files are in a node's URL.
const FILES_PREFIX: &str = "/files/";
/// Where a host's packets to itself arrive.
const LOOPBACK: &str = "lo";

/// Both ports, bound but not served yet.
pub(super) struct ApiPorts {
    grpc: Vec<TcpListener>,
    https: Vec<TcpListener>,
    tls: ServerConfig,
}

impl ApiPorts {
    /// Binds both.
    pub(super) async fn bind(config: &Config, material: &Material) -> Result<Self, ServeError> {
        let clients = ClientCerts::Optional {
            cluster: config.cluster.clone(),
        };
        let tls = rpc::tls::server_config(material, clients).map_err(ServeError::setup("TLS of the API"))?;
        Ok(Self {
            grpc: listen("api.grpc-listen", config.api.grpc_listen).await?,
            https: listen("api.https-listen", config.api.https_listen).await?,
            tls,
        })
    }

    /// Serves both until the drain.
    pub(super) fn serve(self, services: &Services, gateway: &Gateway, drain: &Drain, tasks: &mut Tasks) {
        let acceptor = TlsAcceptor::from(Arc::new(self.tls.clone()));
        for listener in self.grpc {
            let (acceptor, services, stop) = (acceptor.clone(), services.clone(), drain.finishing());
            tasks.spawn("the gRPC port", async move {
                rpc::server::serve(listener, acceptor, services, PortKind::Api, stop.reached()).await;
                Ok(())
            });
        }
        for listener in self.https {
            let (gateway, tls, stop) = (gateway.clone(), self.tls.clone(), drain.finishing());
            tasks.spawn("the HTTPS port", async move {
                gateway.serve_api(listener, tls, stop.reached()).await;
                Ok(())
            });
        }
    }
}

/// The gateway in front of the services; it serves the node ports too.
pub(super) fn gateway(
    config: &Config,
    services: &Services,
    store: &Store,
    files: boot_files::BootFiles,
    open_roles: &OpenRoles,
    loaders: &tftp::Files,
) -> Result<Gateway, ServeError> {
    let readers = config.api.anonymous_legacy_reads.clone();
    if !readers.is_empty() {
        tracing::warn!(networks = %list(&readers), "anonymous legacy reads are allowed (`api.anonymous-legacy-reads`)");
    }
    let files = BootFiles {
        prefix: FILES_PREFIX.to_owned(),
        source: Source::new(config, files),
    };
    let (store, open_roles) = (store.clone(), open_roles.clone());
    let options = Options {
        files: config.serves(Role::Boot).then_some(files),
        is_legacy_reader: Arc::new(move |address| contains(&readers, address)),
        readiness: Arc::new(move || ready(&store)),
        role_readiness: Arc::new(move |role| open_roles.ready(role)),
        loaders: loaders::by_name(loaders),
        ..Options::default()
    };
    Gateway::new(proto::DESCRIPTOR, services.clone(), options).map_err(ServeError::setup("the HTTP routes"))
}

/// Binds a TCP port; `key` is where the configuration names it. On an address of this host, only what arrives on that
/// address's interface, or from this host, is listened to: Linux would answer for it on every interface, those of nodes
/// and BMCs included. An unspecified address asks for just that.
pub(super) async fn listen(key: &'static str, address: SocketAddr) -> Result<Vec<TcpListener>, ServeError> {
    let failed = |source| ServeError::Bind { key, address, source };
    if let SocketAddr::V4(v4) = address {
        let host = Host::read().map_err(failed)?;
        if let Some(interface) = host.interface_of(*v4.ip()).filter(|name| *name != LOOPBACK) {
            let both = [interface, LOOPBACK].into_iter();
            return both
                .map(|interface| tcp_at(interface, v4).map_err(failed))
                .collect();
        }
    }
    Ok(vec![TcpListener::bind(address).await.map_err(failed)?])
}

/// Whether this member should be sent requests: `/readyz` and gRPC health say the same.
///
/// # Errors
/// Why not.
pub(super) fn ready(store: &Store) -> Result<(), String> {
    if !store.is_verified() {
        return Err("this member has not heard from a leader since it started".to_owned());
    }
    if !store.has_leader() {
        return Err("no leader is known; only local reads are answered".to_owned());
    }
    Ok(())
}

fn contains(networks: &[Ipv4Net], address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => networks.iter().any(|network| network.contains(address)),
        IpAddr::V6(_) => false,
    }
}

fn list(networks: &[Ipv4Net]) -> String {
    networks
        .iter()
        .map(Ipv4Net::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_readers_are_those_of_the_listed_networks() {
        let networks = ["127.0.0.0/8".parse().unwrap()];
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

    /// A load balancer must not send anybody to a member without a majority.
    #[test]
    fn readiness_needs_a_leader() {
        assert!(ready(&Store::in_memory()).is_ok());
        let cut_off = Store::in_memory_without_majority(state::State::new());
        assert!(ready(&cut_off).unwrap_err().contains("no leader"));
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_key() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let text = listen("api.grpc-listen", address).await.unwrap_err().to_string();
        assert!(
            text.contains("api.grpc-listen") && text.contains(&address.to_string()),
            "{text}"
        );
    }
}
