//! The port for the other members: mTLS with pinned keys, on Raft's runtime.

use std::sync::Arc;

use boot_files::BootFiles;
use raft::Member;
use rpc::server::PortKind;
use rpc::tls::{ClientCerts, Material, PinnedKeys};
use rpc::{Guard, Rules};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;
use tower::Layer as _;

use super::ServeError;
use super::drain::Drain;
use super::services::Services;
use super::tasks::Tasks;

/// What the other members may call.
///
/// # Errors
/// The built-in descriptor has a method without a permission.
pub(super) fn services(member: &Member, files: &BootFiles) -> Result<Services, ServeError> {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).map_err(ServeError::setup("the permissions"))?;
    let routes = Routes::new(member.peer_service()).add_service(files.peer_service());
    // no tokens here: nothing but a pinned key opens this port
    Ok(Guard::new(rules, None, Arc::new(member.store())).layer(routes))
}

/// Serves the other members until the drain's end.
pub(super) fn serve(
    listeners: Vec<TcpListener>,
    material: &Material,
    pins: &PinnedKeys,
    services: &Services,
    raft: &Handle,
    drain: &Drain,
    tasks: &mut Tasks,
) -> Result<(), ServeError> {
    let tls = rpc::tls::server_config(material, ClientCerts::RequiredMembers(pins.clone()))
        .map_err(ServeError::setup("TLS of the peer port"))?;
    let tls = TlsAcceptor::from(Arc::new(tls));
    for listener in listeners {
        let (tls, services, stop) = (tls.clone(), services.clone(), drain.ending());
        let kind = PortKind::Peer(pins.clone());
        tasks.spawn_on(raft, "the peer port", async move {
            rpc::server::serve(listener, tls, services, kind, stop.reached()).await;
            Ok(())
        });
    }
    Ok(())
}
