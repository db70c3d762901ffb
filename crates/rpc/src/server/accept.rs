//! The one accept loop of all TCP ports for administrators, members and nodes.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

/// Pause after `accept` failed, e.g. for want of file descriptors: the loop must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts on `listener` until `shutdown` completes, then waits at most `drain_at_most` for what it has begun.
///
/// `begin` makes the work of a connection; `None` closes it at once. The work is told by a `true` that it should come to its
/// end, and is cut when the time is over.
pub async fn accept<Work>(
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    drain_at_most: Duration,
    begin: impl Fn(TcpStream, SocketAddr, watch::Receiver<bool>) -> Option<Work>,
) where
    Work: Future<Output = ()> + Send + 'static,
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
                    if let Some(work) = begin(stream, peer, draining.clone()) {
                        connections.spawn(work);
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
    if tokio::time::timeout(drain_at_most, all_ended).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "connections were cut: what was asked over them did not end in time"
        );
        connections.shutdown().await;
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task panicked");
    }
}
