//! From `host:port` to an HTTP/2 connection over TLS.

use std::future::Future;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::uri::Authority;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::{CONNECT_AT_MOST, ENDPOINTS_MAX};
use crate::tls::problem_of;

/// Pings while calls are open: a member that has frozen is noticed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Flow-control windows, bytes.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A byte stream to a member, before TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens byte streams to `host:port`; a simulation puts its own network here.
pub type Dialler = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync>;

/// Sends requests over one connection.
pub(super) type Sender = http2::SendRequest<Body>;

/// The dialler of the real network: TCP without Nagle's delay.
pub fn tcp_dialler() -> Dialler {
    Arc::new(|address| {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    })
}

/// One address that a channel may use.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) authority: Authority,
    name: ServerName<'static>,
}

/// Why a list of endpoints cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not `host:port`.
    #[error("{0:?} is not an endpoint: write host:port, without a scheme, e.g. 10.97.1.1:7441")]
    Form(String),
    /// None, or too many.
    #[error("{0} endpoints; give 1 to {ENDPOINTS_MAX}")]
    Count(usize),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let form = || EndpointError::Form(text.to_owned());
        let authority: Authority = text.parse().map_err(|_| form())?;
        if authority.port_u16().is_none() || text.contains('@') {
            return Err(form());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| form())?;
        Ok(Self { authority, name })
    }
}

/// The host of an endpoint `host:port`, without the brackets of an IPv6 address.
///
/// # Errors
/// If `endpoint` is not of that form.
pub fn endpoint_host(endpoint: &str) -> Result<String, EndpointError> {
    let parsed: Endpoint = endpoint.parse()?;
    Ok(parsed.name.to_str().into_owned())
}

/// Why one endpoint could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("{endpoint}: {problem}")]
pub(super) struct DialError {
    endpoint: Authority,
    problem: String,
}

/// Connects to `endpoint` within [`CONNECT_AT_MOST`].
pub(super) async fn dial(
    endpoint: Endpoint,
    tls: TlsConnector,
    dialler: Dialler,
) -> Result<Sender, Arc<DialError>> {
    let authority = endpoint.authority.clone();
    let failed = |problem: String| {
        Arc::new(DialError {
            endpoint: authority,
            problem,
        })
    };
    match tokio::time::timeout(CONNECT_AT_MOST, connect(endpoint, tls, dialler)).await {
        Ok(Ok(sender)) => Ok(sender),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!(
            "no connection within {} s",
            CONNECT_AT_MOST.as_secs()
        ))),
    }
}

async fn connect(
    endpoint: Endpoint,
    tls: TlsConnector,
    dialler: Dialler,
) -> Result<Sender, Box<dyn std::error::Error + Send + Sync>> {
    let stream = dialler(endpoint.authority.to_string()).await?;
    let stream = tls
        .connect(endpoint.name, stream)
        .await
        .map_err(|error| problem_of(&error))?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .handshake(TokioIo::new(stream))
        .await?;
    drive(connection);
    Ok(sender)
}

/// Runs the connection in the background; it ends when all senders are gone.
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a member ended");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_host_and_port() {
        for text in [
            "10.97.1.1:7441",
            "[fd00::1]:7441",
            "admin1.example:7441",
            "localhost:1",
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.authority.as_str(), text);
        }
        assert_eq!(endpoint_host("[fd00::1]:7441").unwrap(), "fd00::1");
        assert_eq!(endpoint_host("admin1.example:7441").unwrap(), "admin1.example");
    }

    #[test]
    fn anything_else_is_refused_with_the_right_form() {
        for text in [
            "",
            "10.97.1.1",
            "https://10.97.1.1:7441",
            "a b:1",
            "host:99999",
            "user@host:1",
            "host:1/x",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains("write host:port"), "{text}: {error}");
        }
    }
}
