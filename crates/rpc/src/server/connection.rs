//! One connection from accept to close: handshake, who calls, HTTP/2, drain.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use super::{Limits, Permit, PortKind};
use crate::Caller;
use crate::log_limit::LogLimit;
use crate::tls::problem_of;

/// What all connections of a port share.
pub(super) struct Shared {
    pub(super) tls: TlsAcceptor,
    pub(super) kind: PortKind,
    pub(super) limits: Limits,
    pub(super) refusals: LogLimit,
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
        let Some((stream, caller)) = self.handshake(stream).await else {
            return;
        };
        if let Err(error) = serve_http2(stream, caller, service, self.shared.limits, draining).await {
            tracing::debug!(%peer, %error, "connection ended");
        }
        drop(self.permit);
    }

    async fn handshake(&self, stream: TcpStream) -> Option<(TlsStream<TcpStream>, Caller)> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(peer = %self.peer, %error, "could not set TCP_NODELAY");
        }
        let local = stream.local_addr().ok();
        let handshake = self.shared.tls.accept(stream);
        let stream = match tokio::time::timeout(self.shared.limits.handshake_at_most, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.refuse(&problem_of(&error)),
            Err(_) => return self.refuse("the TLS handshake took too long"),
        };
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
            Err(error) => self.refuse(&error),
        }
    }

    fn refuse<T>(&self, problem: &(impl Display + ?Sized)) -> Option<T> {
        if let Some(left_out) = self.shared.refusals.admit(Instant::now()) {
            tracing::warn!(peer = %self.peer, left_out, "connection refused: {problem}");
        }
        None
    }
}

async fn serve_http2<S>(
    stream: TlsStream<TcpStream>,
    caller: Caller,
    service: S,
    limits: Limits,
    mut draining: watch::Receiver<bool>,
) -> Result<(), hyper::Error>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let called = Arc::new(AtomicBool::new(false));
    let service = {
        let called = Arc::clone(&called);
        service_fn(move |request: Request<Incoming>| {
            called.store(true, Ordering::Relaxed);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(caller.clone());
            service.clone().oneshot(request)
        })
    };
    let connection = builder(limits).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // Even one that sends no HTTP/2 preface, which hyper would wait for without end.
    let silent_too_long = async {
        tokio::time::sleep(limits.first_call_at_most).await;
        if called.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = silent_too_long => return Ok(()),
        _ = draining.wait_for(|draining| *draining) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

fn builder(limits: Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.concurrent_streams_max)
        .max_pending_accept_reset_streams(limits.pending_accept_reset_streams_max)
        .max_local_error_reset_streams(limits.local_error_reset_streams_max)
        .max_header_list_size(limits.header_list_bytes_max)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .keep_alive_interval(limits.keep_alive_interval)
        .keep_alive_timeout(limits.keep_alive_timeout);
    builder
}
