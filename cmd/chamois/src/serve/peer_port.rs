//! The port for the other members: mTLS with pinned keys, on Raft's runtime.

use std::net::SocketAddr;
use std::sync::Arc;

use boot_files::BootFiles;
use proto::cluster::v1::secret_peer_service_server::SecretPeerServiceServer;
use raft::Member;
use rpc::server::{Port, PortKind};
use rpc::tls::{ClientCerts, Material, PinnedKeys};
use rpc::{Guard, Rules};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;
use tower::Layer as _;

use super::ServeError;
use super::api_port::{self, ApiPort};
use super::counters::{Counters, Server};
use super::drain::{Drain, Stop};
use super::secrets::PeerKeks;
use super::services::Services;
use super::tasks::Tasks;

/// What the other members may call.
///
/// # Errors
/// The built-in descriptor has a method without a permission.
pub(super) fn services(member: &Member, files: &BootFiles, keks: PeerKeks) -> Result<Services, ServeError> {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).map_err(ServeError::setup("the permissions"))?;
    let routes = Routes::new(member.peer_service())
        .add_service(files.peer_service())
        .add_service(SecretPeerServiceServer::new(keks));
    // no tokens here: nothing but a pinned key opens this port
    Ok(Guard::new(rules, None, Arc::new(member.store())).layer(routes))
}

/// Binds the port on the runtime that serves it: a socket belongs to the runtime it was made on.
pub(super) async fn listen(address: SocketAddr, raft: &Handle) -> Result<Vec<ApiPort>, ServeError> {
    let listeners = raft.spawn(api_port::listen("raft.peer-listen", address));
    listeners.await.map_err(ServeError::setup("the peer port"))?
}

/// Who may speak there, and how often.
pub(super) fn port(material: &Material, pins: &PinnedKeys, counters: &Counters) -> Result<Port, ServeError> {
    let tls = rpc::tls::server_config(material, ClientCerts::RequiredMembers(pins.clone()))
        .map_err(ServeError::setup("TLS of the peer port"))?;
    let kind = PortKind::Peer(pins.clone());
    let limits = kind.limits();
    let port = Port::new(TlsAcceptor::from(Arc::new(tls)), kind, limits);
    let counted = port.counters();
    counters.add(Server::Grpc, "peer", move || counted.all());
    Ok(port)
}

/// Serves the other members until the drain's end.
pub(super) fn serve(
    ports: Vec<ApiPort>,
    peer: &Port,
    services: &Services,
    raft: &Handle,
    drain: &Drain,
    tasks: &mut Tasks,
) {
    let (peer, services, stop) = (peer.clone(), services.clone(), drain.ending());
    let serve = move |listener, stop: Stop| {
        let (peer, services) = (peer.clone(), services.clone());
        async move { peer.serve(listener, services, stop.reached()).await }
    };
    // one task, however many listeners: the drain waits for all tasks but this one
    tasks.spawn_on(raft, "the peer port", async move {
        let all = ports.into_iter().map(|port| port.serve(&stop, serve.clone()));
        futures::future::join_all(all).await;
        Ok(())
    });
}
