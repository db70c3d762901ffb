//! One connection of a gRPC port from accept to close: handshake, who calls, HTTP/2, drain.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use super::{ConnectionLimits, Handshakes, Limits, Permit, PortCounters, PortKind, serve_http2};
use crate::Caller;

/// What all connections of a port share.
pub(super) struct Shared {
    pub(super) kind: PortKind,
    pub(super) limits: Limits,
    pub(super) admission: ConnectionLimits,
    pub(super) handshakes: Handshakes,
    pub(super) counters: Arc<PortCounters>,
}

/// One accepted connection; holds its place until it ends.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: SocketAddr,
    pub(super) permit: Permit,
}

impl Connection {
    /// Serves the connection to its end. Whatever the far end does, only this connection suffers.
    pub(super) async fn run<S>(self, stream: TcpStream, service: S, draining: watch::Receiver<bool>)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        let peer = self.peer;
        let Some((stream, caller)) = self.greet(stream).await else {
            return;
        };
        let answer = move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(caller.clone());
            let answer = service.clone().oneshot(request);
            async move {
                match answer.await {
                    Ok(answer) => answer,
                    Err(never) => match never {},
                }
            }
        };
        let Shared { limits, counters, .. } = &*self.shared;
        if let Err(error) = serve_http2(stream, answer, limits.http2, counters, draining).await {
            tracing::debug!(%peer, %error, "connection ended");
        }
        drop(self.permit);
    }

    async fn greet(&self, stream: TcpStream) -> Option<(TlsStream<TcpStream>, Caller)> {
        let local = stream.local_addr().ok();
        let handshakes = &self.shared.handshakes;
        let stream = handshakes.accept(stream, self.peer).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        match self.shared.kind.identity(certificate) {
            Ok(identity) => {
                let caller = Caller {
                    identity,
                    peer: Some(self.peer),
                    local,
                };
                Some((stream, caller))
            }
            Err(error) => {
                handshakes.refuse(self.peer, &error);
                None
            }
        }
    }
}
