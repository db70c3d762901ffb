//! The accept loop of the gRPC ports: TLS, who calls, limits, graceful drain.
//!
//! tonic's own server takes no certificate verifier of ours and has neither a handshake time-out nor a
//! limit of connections, so hyper is driven from here. The HTTP ports of `gateway` are made of the same parts.

mod accept;
mod connection;
mod counters;
mod handshake;
mod http2;
mod limits;
mod rates;
mod unread;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tower::Service;

use crate::Identity;
use crate::tls::{PeerRefused, PinnedKeys, identity_of};
pub use accept::accept;
use connection::{Connection, Shared};
pub use counters::PortCounters;
pub use handshake::Handshakes;
pub use http2::{Http2Limits, serve_http2};
pub use limits::{ConnectionLimits, Limits, Permit, Refused};
pub use rates::{Rate, Rates};

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

/// A gRPC port, on however many listeners: they share its limits and counters. Cheap to clone.
#[derive(Clone)]
pub struct Port(Arc<Shared>);

impl Port {
    /// A port of this kind.
    pub fn new(tls: TlsAcceptor, kind: PortKind, limits: Limits) -> Self {
        let counters = Arc::new(PortCounters::default());
        let admission = ConnectionLimits::new(limits.connections_max, limits.connections_per_address_max);
        let admission = match &kind {
            PortKind::Api => admission.by_network(),
            PortKind::Peer(_) => admission, // members may well be of one network
        };
        Self(Arc::new(Shared {
            kind,
            limits,
            admission: admission.with_rate(limits.connection_rate),
            handshakes: Handshakes::new(tls, limits.handshake_at_most, Arc::clone(&counters)),
            counters,
        }))
    }

    /// What it has refused.
    pub fn counters(&self) -> Arc<PortCounters> {
        Arc::clone(&self.0.counters)
    }

    /// Serves `service` on `listener` until `shutdown` completes, then lets calls in progress end.
    ///
    /// Every request carries its [`crate::Caller`]. `service` is a [`crate::Guarded`] one in all but tests.
    pub async fn serve<S>(&self, listener: TcpListener, service: S, shutdown: impl Future<Output = ()>)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        let shared = Arc::clone(&self.0);
        let drain_at_most = shared.limits.drain_at_most;
        accept(
            listener,
            shutdown,
            drain_at_most,
            move |stream, peer, draining| {
                let permit = match shared.admission.admit(peer.ip()) {
                    Ok(permit) => permit,
                    Err(refused) => {
                        shared.counters.count_refused(refused);
                        tracing::debug!(%peer, "connection refused: {refused}");
                        return None;
                    }
                };
                let connection = Connection {
                    shared: Arc::clone(&shared),
                    peer,
                    permit,
                };
                Some(connection.run(stream, service.clone(), draining))
            },
        )
        .await;
    }
}

/// Serves `service` on `listener` with the usual limits of such a port.
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
    Port::new(tls, kind, limits)
        .serve(listener, service, shutdown)
        .await;
}
