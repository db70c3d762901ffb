//! The Rust client: a gRPC channel to one of several members over TLS, changes that are never made twice, watches that go on,
//! errors that say what happened. The command line and members among themselves use the same; `OVERVIEW.md` says how to.

mod dial;
mod error;
mod exactly_once;
mod follow;
mod pages;
mod send;
mod token_source;
mod trials;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::tls::{self, Material, PinnedKeys, RenewedCertificate, TlsError};
use dial::Endpoint;
pub use dial::{Dialler, EndpointError, Stream, endpoint_host, tcp_dialler};
pub use error::{ClientError, FieldProblem};
pub use exactly_once::ExactlyOnce;
pub use follow::{Follow, MESSAGE_BYTES_MAX, Told};
pub use pages::Pages;
use send::{Authorization, Connections};
use token_source::bearer;
pub use token_source::{TokenError, TokenFile, TokenSource};
pub use trials::{ONLY_TRIED, Treatment, Trials};

/// Time for TCP connect, TLS and HTTP/2 together, to one endpoint.
pub const CONNECT_AT_MOST: Duration = Duration::from_secs(3);
/// Endpoints that one channel knows at most.
pub const ENDPOINTS_MAX: usize = 32;

/// How a client says who it is.
pub enum Credentials {
    /// Not at all.
    None,
    /// A bearer token, sent with every call.
    Token(String),
    /// A file with a bearer token, read again when it is written anew.
    TokenFile(PathBuf),
    /// Whatever gives a bearer token for each call.
    TokenSource(Arc<dyn TokenSource>),
    /// A client certificate chain and its key.
    Certificate(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    /// The same in two PEM files, read again when they are renewed; the next call then makes a connection of its own.
    CertificateFiles {
        /// The chain, own certificate first.
        chain: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// Where to connect, whom to trust, who calls.
pub struct Options {
    /// `host:port` of the API ports, tried in this order.
    pub endpoints: Vec<String>,
    /// CA certificates that may sign the servers' certificates.
    pub ca: Vec<CertificateDer<'static>>,
    /// Who calls.
    pub credentials: Credentials,
}

impl Options {
    /// `endpoints` as in `CHAMOIS_ENDPOINTS`: `host:port`, with commas between them; the CA of the cluster in a PEM file.
    ///
    /// # Errors
    /// If the CA cannot be read.
    pub fn new(endpoints: &str, ca: &Path, credentials: Credentials) -> Result<Self, ConnectError> {
        let endpoints = endpoints.split(',').map(str::trim).map(str::to_owned);
        Ok(Self {
            endpoints: endpoints.collect(),
            ca: tls::ca_file(ca)?,
            credentials,
        })
    }
}

/// Why a channel could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// An endpoint that is not `host:port`, none, or too many.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Certificates or keys that cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A token with characters that no token has.
    #[error("the bearer token holds characters that no token has; is it the right file?")]
    Token,
    /// A token file that cannot be used.
    #[error(transparent)]
    TokenFile(#[from] TokenError),
}

/// A channel that generated clients take: `ClusterServiceClient::new(channel)`. Connects at the first
/// call, stays with a member while it answers, moves on to the next when it does not. Cheap to clone.
///
/// A request that may have reached a member is never sent again by itself, so that nothing is done
/// twice: the error says so (`chamois-outcome: unknown`), and the next call goes to the next member.
#[derive(Clone)]
pub struct Channel(Arc<Connections>);

/// A channel to the API ports of a cluster.
///
/// # Errors
/// If an endpoint, the CA or the credentials cannot be used. Nothing is dialled yet.
pub fn connect(options: Options) -> Result<Channel, ConnectError> {
    let Options {
        endpoints,
        ca,
        credentials,
    } = options;
    let showing = |certificate| -> Result<Channel, ConnectError> {
        Channel::new(
            &endpoints,
            tls::api_client_config(&ca, certificate)?,
            tcp_dialler(),
        )
    };
    match credentials {
        Credentials::None => showing(None),
        Credentials::Token(token) => showing(None)?.with_token(&token),
        Credentials::TokenFile(path) => {
            let file = TokenFile::new(&path)?;
            Ok(showing(None)?.with_token_source(Arc::new(file)))
        }
        Credentials::TokenSource(source) => Ok(showing(None)?.with_token_source(source)),
        Credentials::Certificate(chain, key) => showing(Some((chain, key))),
        Credentials::CertificateFiles { chain, key } => {
            let certificate = RenewedCertificate::new(&chain, &key)?;
            let tls = tls::renewing_client_config(&ca, &certificate)?;
            let channel = Channel::new(&endpoints, tls, tcp_dialler())?;
            Ok(Channel(Arc::new(channel.0.with_certificate(certificate))))
        }
    }
}

/// A channel to the peer port of member `id` at `address` (`host:port`); only that member's key is
/// accepted there.
///
/// # Errors
/// If the address or `material` cannot be used. Nothing is dialled yet.
pub fn connect_to_member(
    address: &str,
    material: &Material,
    pins: &PinnedKeys,
    id: u64,
    dialler: Dialler,
) -> Result<Channel, ConnectError> {
    Channel::new(
        &[address.to_owned()],
        tls::member_client_config(material, pins, id)?,
        dialler,
    )
}

/// A channel to the API port of a member at `endpoint` whose CA is known by its digest only.
///
/// # Errors
/// If the endpoint cannot be used. Nothing is dialled yet.
pub fn connect_to_join(endpoint: &str, is_ca: tls::IsCa) -> Result<Channel, ConnectError> {
    Channel::new(
        &[endpoint.to_owned()],
        tls::joining_client_config(is_ca)?,
        tcp_dialler(),
    )
}

impl Channel {
    /// A channel over any TLS configuration and way of dialling.
    ///
    /// # Errors
    /// If an endpoint is not `host:port`, or there are none or more than [`ENDPOINTS_MAX`].
    pub fn new(endpoints: &[String], tls: ClientConfig, dialler: Dialler) -> Result<Self, ConnectError> {
        let parsed: Result<Vec<Endpoint>, _> = endpoints.iter().map(|text| text.parse()).collect();
        let parsed = parsed?;
        if parsed.is_empty() || parsed.len() > ENDPOINTS_MAX {
            return Err(EndpointError::Count(parsed.len()).into());
        }
        Ok(Self(Arc::new(Connections::new(parsed, tls, dialler))))
    }

    /// The same endpoints, with a bearer token on every call; connections are not shared with `self`.
    ///
    /// # Errors
    /// If the token cannot be an HTTP header.
    pub fn with_token(self, token: &str) -> Result<Self, ConnectError> {
        let value = bearer(token).ok_or(ConnectError::Token)?;
        let authorization = Authorization::Fixed(value);
        Ok(Self(Arc::new(self.0.with_authorization(authorization))))
    }

    /// The same endpoints, with the token that `source` gives for each call; connections are not shared with `self`.
    #[must_use]
    pub fn with_token_source(self, source: Arc<dyn TokenSource>) -> Self {
        let authorization = Authorization::Source(source);
        Self(Arc::new(self.0.with_authorization(authorization)))
    }

    /// The same endpoints, where reads rest on what the member that answers has (`chamois-consistency: local`): they are answered
    /// without a majority too, and may be older than what was acknowledged. Changes are as always.
    #[must_use]
    pub fn with_local_reads(self) -> Self {
        Self(Arc::new(self.0.with_local_reads()))
    }
}

impl Channel {
    /// Which connection the next call takes.
    pub(crate) fn turn(&self) -> usize {
        self.0.turn()
    }

    /// Leaves the connection of `turn`, if it is still in use: the next call asks the next member.
    pub(crate) fn leave(&self, turn: usize) {
        self.0.give_up(turn);
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(())) // waiting for a connection is part of the call
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connections = Arc::clone(&self.0);
        Box::pin(async move { connections.send(request).await })
    }
}
