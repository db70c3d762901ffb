//! Driving HTTP on accepted connections, the same on both ports: limits, time-outs, drain.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::body::Body;
use crate::options::Limits;
use crate::port::Port;
use crate::websocket::{self, Upgraded};
use crate::wire::Wire;

/// A peer that is silent for this long is asked whether it lives, and every `PROBE_PAUSE_S` then.
const SILENCE_S: u32 = 30;
const PROBE_PAUSE_S: u32 = 10;
/// Sent data that is not acknowledged for this long means a dead peer.
const UNACKNOWLEDGED_MS_MAX: u32 = 60_000;

/// A connection that is ready for HTTP.
pub(crate) struct Greeted<Io> {
    pub(crate) io: Io,
    pub(crate) caller: rpc::Caller,
    pub(crate) http2: bool,
    /// The socket itself, where files may be sent past HTTP's buffers.
    pub(crate) wire: Option<Wire>,
}

/// Serves `listener` until `shutdown` completes, then lets requests in progress end.
///
/// `greet` makes a connection of a socket: it finds out who calls, or gives `None` to close it. `note` is told of each
/// that is accepted; what it gives is awaited before anything is answered, and kept until the connection ends.
pub(crate) async fn serve<Greet, Greeting, Io, Noting>(
    port: Arc<Port>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    greet: Greet,
    note: impl Fn(&TcpStream, SocketAddr) -> Noting,
) where
    Noting: Future<Output: Send> + Send + 'static,
    Greet: Fn(TcpStream, SocketAddr) -> Greeting,
    Greeting: Future<Output = Option<Greeted<Io>>> + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let drain_at_most = port.limits.drain_at_most;
    rpc::server::accept(
        listener,
        shutdown,
        drain_at_most,
        move |stream, peer, draining| {
            let permit = match port.admission.connection(peer.ip()) {
                Ok(permit) => permit,
                Err(refused) => {
                    port.counters.connections.count_refused(refused);
                    tracing::debug!(%peer, "connection refused: {refused}");
                    return None;
                }
            };
            notice_dead_peers(&stream);
            let noting = note(&stream, peer);
            let (port, greeting) = (Arc::clone(&port), greet(stream, peer));
            Some(async move {
                let noted = noting.await;
                if let Some(greeted) = greeting.await {
                    drive(port, greeted, draining).await;
                }
                drop((noted, permit));
            })
        },
    )
    .await;
}

/// Speaks HTTP on one connection to its end. Whatever the far end does, only this connection suffers. The version is known
/// before the first byte, so that nobody can be slow at saying it.
async fn drive<Io>(port: Arc<Port>, greeted: Greeted<Io>, draining: watch::Receiver<bool>)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Greeted {
        io,
        caller,
        http2,
        wire,
    } = greeted;
    let (peer, answering) = (caller.peer, Arc::clone(&port));
    let upgraded = Upgraded::new(draining.clone());
    let upgrading = upgraded.clone();
    let answer = move |mut request: Request<Incoming>| {
        let (port, caller) = (Arc::clone(&answering), caller.clone());
        if websocket::asks_for_upgrade(request.headers()) {
            request.extensions_mut().insert(upgrading.clone());
        }
        if let Some(wire) = &wire {
            request.extensions_mut().insert(wire.clone());
        }
        async move { port.answer(caller, request).await }
    };
    let ended = if http2 {
        let (limits, counters) = (port.limits.http2(), &port.counters.connections);
        rpc::server::serve_http2(io, answer, limits, counters, draining).await
    } else {
        serve_http1(io, answer, &port.limits, draining).await
    };
    match ended {
        Err(error) => tracing::debug!(?peer, %error, "connection ended"),
        Ok(()) => {
            if let Some(work) = upgraded.take() {
                work.await;
            }
        }
    }
}

/// Answers what is asked over HTTP/1.1. A request has hyper's 100 headers at most; a client that does not read is the
/// kernel's to notice, see [`notice_dead_peers`].
async fn serve_http1<Io, Answering>(
    io: Io,
    answer: impl Fn(Request<Incoming>) -> Answering,
    limits: &Limits,
    mut draining: watch::Receiver<bool>,
) -> Result<(), hyper::Error>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Answering: Future<Output = Response<Body>>,
{
    let service = service_fn(move |request| {
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_at_most)
        .max_buf_size(limits.header_bytes_max);
    let connection = builder
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        _ = draining.wait_for(|draining| *draining) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// A node that lost power in the middle of a download must not hold its place for ever.
fn notice_dead_peers(stream: &TcpStream) {
    let set = stream.set_nodelay(true).is_ok()
        && setsockopt(stream, sockopt::KeepAlive, &true).is_ok()
        && setsockopt(stream, sockopt::TcpKeepIdle, &SILENCE_S).is_ok()
        && setsockopt(stream, sockopt::TcpKeepInterval, &PROBE_PAUSE_S).is_ok()
        && setsockopt(stream, sockopt::TcpUserTimeout, &UNACKNOWLEDGED_MS_MAX).is_ok();
    if !set {
        tracing::debug!("could not set all TCP options of a connection");
    }
}
