//! Accepting connections and driving HTTP on them, the same on both ports: limits, time-outs, drain.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::port::Port;
use crate::wire::Wire;

/// Pause after `accept` failed, e.g. for want of file descriptors: the loop must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A peer that is silent for this long is asked whether it lives, and every `PROBE_PAUSE_S` then.
const SILENCE_S: u32 = 30;
const PROBE_PAUSE_S: u32 = 10;
/// Sent data that is not acknowledged for this long means a dead peer.
const UNACKNOWLEDGED_MS_MAX: u32 = 60_000;
/// HTTP/2: pause between pings, and how long one may stay unanswered.
const PING_PAUSE: Duration = Duration::from_secs(15);
const PING_ANSWER_AT_MOST: Duration = Duration::from_secs(20);

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
    let (drain, draining) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(permit) = port.admission.connection(peer.ip()) {
                        notice_dead_peers(&stream);
                        let noting = note(&stream, peer);
                        let (port, greeting, draining) = (Arc::clone(&port), greet(stream, peer), draining.clone());
                        connections.spawn(async move {
                            let noted = noting.await;
                            if let Some(greeted) = greeting.await {
                                drive(port, greeted, draining).await;
                            }
                            drop((noted, permit));
                        });
                    } else {
                        port.counters.connections_refused.fetch_add(1, Ordering::Relaxed);
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
    if tokio::time::timeout(port.limits.drain_at_most, all_ended)
        .await
        .is_err()
    {
        tracing::warn!(
            open = connections.len(),
            "connections were cut: their requests did not end in time"
        );
        connections.shutdown().await;
    }
}

/// Speaks HTTP on one connection to its end. Whatever the far end does, only this connection suffers.
async fn drive<Io>(port: Arc<Port>, greeted: Greeted<Io>, mut draining: watch::Receiver<bool>)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Greeted {
        io,
        caller,
        http2,
        wire,
    } = greeted;
    let peer = caller.peer;
    let builder = builder(&port, http2);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (port, caller) = (Arc::clone(&port), caller.clone());
        if let Some(wire) = &wire {
            request.extensions_mut().insert(wire.clone());
        }
        async move { Ok::<_, Infallible>(port.answer(caller, request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = draining.wait_for(|draining| *draining) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(?peer, error, "connection ended");
    }
}

/// The version is known before the first byte, so that nobody can be slow at saying it.
fn builder(port: &Port, http2: bool) -> auto::Builder<TokioExecutor> {
    let limits = &port.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_at_most)
        .max_buf_size(limits.header_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.concurrent_streams_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_PAUSE)
        .keep_alive_timeout(PING_ANSWER_AT_MOST);
    if http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    }
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

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task panicked");
    }
}
