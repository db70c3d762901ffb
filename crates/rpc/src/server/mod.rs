//! The accept loop of the gRPC ports: TLS, who calls, limits, graceful drain.
//!
//! tonic's own server takes no certificate verifier of ours and has neither a handshake time-out nor a
//! limit of connections, so hyper is driven from here.

mod connection;
mod limits;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tower::Service;

use crate::Identity;
use crate::log_limit::LogLimit;
use crate::tls::{PeerRefused, PinnedKeys, identity_of};
use connection::Connection;
pub use limits::{ConnectionLimits, Limits, Permit};

/// Pause after `accept` failed, e.g. for want of file descriptors: the loop must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Which port a loop serves: how a certificate becomes an identity.
#[derive(Clone, Debug)]
pub enum PortKind {
    /// 7440: members with pinned keys only.
    Peer(PinnedKeys),
    /// 7441: certificates of users, services and nodes, or none (then a bearer token in the request may say who calls).
    Api,
}

impl PortKind {
    /// The usual limits of such a port.
    pub fn limits(&self) -> Limits {
        match self {
            Self::Peer(_) => Limits::peer(),
            Self::Api => Limits::api(),
        }
    }

    /// Who the holder of `certificate` is on this port.
    ///
    /// A member's certificate gives no rights on the API port: its key is not checked against the pins there.
    fn identity(&self, certificate: Option<&CertificateDer<'_>>) -> Result<Identity, PeerRefused> {
        match (self, certificate) {
            (Self::Peer(pins), Some(certificate)) => Ok(Identity::Member(pins.member(certificate)?)),
            (Self::Api, Some(certificate)) => Ok(identity_of(certificate)?),
            (_, None) => Ok(Identity::Anonymous),
        }
    }
}

/// Serves `service` on `listener` until `shutdown` completes, then lets calls in progress end.
///
/// Every request carries its [`crate::Caller`]. `service` is a [`crate::Guarded`] one in all but tests.
pub async fn serve<S>(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: S,
    kind: PortKind,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let limits = kind.limits();
    serve_with_limits(listener, tls, service, kind, limits, shutdown).await;
}

/// [`serve`] with other limits than the port's usual ones.
pub async fn serve_with_limits<S>(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: S,
    kind: PortKind,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let (drain, draining) = watch::channel(false);
    let admission = ConnectionLimits::new(limits.connections_max, limits.connections_per_address_max);
    let shared = Arc::new(connection::Shared {
        tls,
        kind,
        limits,
        refusals: LogLimit::default(),
    });
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(permit) = admission.admit(peer.ip()) {
                        let connection = Connection { shared: Arc::clone(&shared), peer, permit };
                        connections.spawn(connection.run(stream, service.clone(), draining.clone()));
                    } else {
                        tracing::debug!(%peer, "connection refused: too many are open");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    drain.send_replace(true);
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report(ended)
        }
    };
    if tokio::time::timeout(shared.limits.drain_at_most, all_ended)
        .await
        .is_err()
    {
        tracing::warn!(
            open = connections.len(),
            "connections were cut: their calls did not end in time"
        );
        connections.shutdown().await;
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task panicked");
    }
}
