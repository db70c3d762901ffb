//! One connection to a BMC: TCP, TLS over it, HTTP/1.1 over that.

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::trust::{Trust, Verifier};
use crate::{Address, Error};

/// Largest head of an answer, bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Opens a TCP connection to a host and port.
pub type Dial = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<TcpStream>> + Send + Sync>;

/// A connection, closed when it is dropped.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // an answer that never ends would keep it open
        self.task.abort();
    }
}

/// Where connections go and which key is believed there.
pub(crate) struct Way {
    address: Address,
    dial: Dial,
    tls: Option<(TlsConnector, Arc<Verifier>)>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Way {
    /// # Errors
    /// [`Error::Tls`] if the trust cannot be used.
    pub(crate) fn new(address: Address, dial: Dial, trust: Trust) -> Result<Way, Error> {
        let tls = match address.is_plain() {
            true => None,
            false => Some(tls(trust).map_err(|problem| Error::Tls {
                address: address.to_string(),
                problem,
            })?),
        };
        Ok(Way { address, dial, tls })
    }

    /// The BMC's address.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// SHA-256 of the key that the BMC showed last; empty: none, or in the clear.
    pub(crate) fn key_sha256(&self) -> String {
        self.tls
            .as_ref()
            .map_or_else(String::new, |(_, verifier)| verifier.shown())
    }

    /// Connects. The bound on time is the caller's.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Tls`], [`Error::KeyChanged`].
    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        let unreachable = |error: &dyn std::error::Error| Error::Unreachable {
            address: self.address.to_string(),
            problem: error.to_string(),
        };
        let tcp = (self.dial)(self.address.host().to_owned(), self.address.port())
            .await
            .map_err(|error| unreachable(&error))?;
        // requests are small and wait for their answers; a connection without it works as well
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some((connector, verifier)) => Box::new(self.over_tls(connector, verifier, tcp).await?),
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(&error))?;
        let task = tokio::spawn(async move {
            // whoever waits for an answer is told by the sender
            let _ = connection.await;
        });
        Ok(Connection { sender, task })
    }

    async fn over_tls(
        &self,
        connector: &TlsConnector,
        verifier: &Verifier,
        tcp: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
        let failed = |problem: String| Error::Tls {
            address: self.address.to_string(),
            problem,
        };
        let name = ServerName::try_from(self.address.host().to_owned())
            .map_err(|error| failed(error.to_string()))?;
        let error = match connector.connect(name, tcp).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        Err(match verifier.take_refused() {
            Some((known, shown)) => Error::KeyChanged { known, shown },
            None => failed(error.to_string()),
        })
    }
}

fn tls(trust: Trust) -> Result<(TlsConnector, Arc<Verifier>), String> {
    let verifier = Verifier::new(trust)?;
    let config = verifier.config()?;
    Ok((TlsConnector::from(Arc::new(config)), verifier))
}
