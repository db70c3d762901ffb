//! TLS of the ports for administrators and members: bounded in time, and what fails is counted and said.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::PortCounters;
use super::counters::count;
use crate::log_limit::LogLimit;
use crate::tls::problem_of;

/// Makes TLS connections of TCP connections.
pub struct Handshakes {
    tls: TlsAcceptor,
    at_most: Duration,
    counters: Arc<PortCounters>,
    refusals: LogLimit,
}

impl Handshakes {
    /// With `tls`, each within `at_most`.
    pub fn new(tls: TlsAcceptor, at_most: Duration, counters: Arc<PortCounters>) -> Self {
        Self {
            tls,
            at_most,
            counters,
            refusals: LogLimit::default(),
        }
    }

    /// The connection after its handshake; nothing if there is none, which has been said then.
    pub async fn accept(&self, stream: TcpStream, peer: SocketAddr) -> Option<TlsStream<TcpStream>> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "could not set TCP_NODELAY");
        }
        match tokio::time::timeout(self.at_most, self.tls.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                self.refuse(peer, &problem_of(&error));
                None
            }
            Err(_) => {
                count(&self.counters.handshakes_too_slow);
                self.log(peer, &"the TLS handshake took too long");
                None
            }
        }
    }

    /// Counts and says that a connection is refused for what it has shown.
    pub(super) fn refuse(&self, peer: SocketAddr, problem: &impl Display) {
        count(&self.counters.handshakes_failed);
        self.log(peer, problem);
    }

    fn log(&self, peer: SocketAddr, problem: &impl Display) {
        if let Some(left_out) = self.refusals.admit(Instant::now()) {
            tracing::warn!(%peer, left_out, "connection refused: {problem}");
        }
    }
}
