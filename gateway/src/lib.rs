//! HTTP/JSON to gRPC, driven by the descriptor: knows no service by name. `OVERVIEW.md` shows how.

mod access_log;
mod admission;
mod answer;
mod api;
mod api_document;
mod body;
mod compress;
mod conditional;
mod connections;
mod direct;
mod fields;
mod file_range;
mod file_source;
mod files;
mod from_headers;
mod json;
mod kept;
mod loaders;
mod nodes;
mod options;
mod path;
mod port;
mod probes;
mod problem;
mod proxies;
mod request;
mod response;
mod retry_after;
mod routes;
mod schema;
mod send_file;
mod sent;
#[cfg(test)]
mod tests;
mod trial;
mod unchanged;
mod upstream;
mod websocket;
mod wire;

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use prost_reflect::DescriptorPool;
use tokio::net::{TcpListener, TcpStream};
use tower::Service;

pub use admission::SharedAddresses;
pub use direct::{DirectPort, DirectServer};
pub use file_source::{AskedFile, FileSource, FoundFile, OpenedFile};
pub use loaders::LOADERS_PREFIX;
pub use options::{
    Alias, ApiDocument, BootFiles, Check, ClusterId, Limits, Options, Readiness, RoleReadiness,
};
pub use port::Counters;
pub use rpc::server::Rate as RequestRate;
pub use sent::{SentFile, SentFiles};

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct StartError {
    place: String,
    problem: String,
}

/// The HTTP ports of a member; cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    nodes: Arc<port::Port>,
    api: Arc<port::Port>,
    direct: Vec<DirectServer>,
    options: Arc<Options>,
}

impl Gateway {
    /// Compiles the routes of `descriptor` (an encoded `FileDescriptorSet` with options) in front of
    /// `service`, the guarded tonic service that the gRPC port serves too.
    ///
    /// # Errors
    /// A route that cannot be served or is bound twice, or a prefix of boot files that is none.
    pub fn new<S>(descriptor: &[u8], service: S, options: Options) -> Result<Self, StartError>
    where
        S: Service<http::Request<tonic::body::Body>, Response = http::Response<tonic::body::Body>>,
        S: Service<http::Request<tonic::body::Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let pool =
            DescriptorPool::decode(descriptor).map_err(|error| StartError::new("descriptor", error))?;
        let upstream = upstream::Upstream::new(service);
        Ok(Self {
            nodes: Arc::new(nodes::port(&pool, upstream.clone(), &options)?),
            direct: direct_servers(&pool, &upstream, &options)?,
            api: Arc::new(api::port(&pool, upstream, &options)?),
            options: Arc::new(options),
        })
    }

    /// Serves compute nodes on `listener`, plain HTTP/1.1, until `shutdown` completes and requests in
    /// progress have ended. May run for several listeners at once; the limits are common to them.
    pub async fn serve_nodes(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        self.serve_nodes_noting(listener, |_, _| std::future::ready(()), shutdown)
            .await;
    }

    /// The same, and tells `note` of each connection that is accepted: this end's address and the far end's. The
    /// connection is served when what it gives completes; the output is dropped when the connection has ended.
    pub async fn serve_nodes_noting<Noting>(
        &self,
        listener: TcpListener,
        note: impl Fn(SocketAddr, SocketAddr) -> Noting,
        shutdown: impl Future<Output = ()>,
    ) where
        Noting: Future<Output: Send> + Send + 'static,
    {
        let note = |stream: &TcpStream, peer| {
            let noting = stream.local_addr().ok().map(|local| note(local, peer));
            async move { Some(noting?.await) }
        };
        connections::serve(Arc::clone(&self.nodes), listener, shutdown, nodes::greet, note).await;
    }

    /// Serves every route on `listener`, HTTPS with HTTP/1.1 and HTTP/2, until `shutdown` completes and
    /// requests in progress have ended. `tls` comes from `rpc::tls::server_config` with optional client
    /// certificates.
    pub async fn serve_api(
        &self,
        listener: TcpListener,
        tls: rustls::ServerConfig,
        shutdown: impl Future<Output = ()>,
    ) {
        let greeter = api::Greeter::new(tls, &self.options, &self.api.counters.connections);
        let greet = |stream, peer| greeter.clone().greet(stream, peer);
        let note = |_: &TcpStream, _| std::future::ready(());
        connections::serve(Arc::clone(&self.api), listener, shutdown, greet, note).await;
    }

    /// Answers one request of a node without a connection: what fuzzing drives.
    pub async fn answer_node<B>(
        &self,
        caller: rpc::Caller,
        request: http::Request<B>,
    ) -> http::Response<impl http_body::Body<Data = bytes::Bytes, Error = std::io::Error> + use<B>>
    where
        B: http_body::Body<Data = bytes::Bytes, Error: Display> + Unpin,
    {
        self.nodes.answer(caller, request).await
    }

    /// The ports of [`Options::direct`], in its order.
    pub fn direct_ports(&self) -> &[DirectServer] {
        &self.direct
    }

    /// Counters of the node port.
    pub fn node_counters(&self) -> &Counters {
        &self.nodes.counters
    }

    /// Counters of the API port.
    pub fn api_counters(&self) -> &Counters {
        &self.api.counters
    }
}

fn direct_servers(
    pool: &DescriptorPool,
    upstream: &upstream::Upstream,
    options: &Options,
) -> Result<Vec<DirectServer>, StartError> {
    let server = |wanted: &DirectPort| -> Result<DirectServer, StartError> {
        let port = direct::port(pool, upstream.clone(), options, wanted)?;
        Ok(DirectServer::new(wanted.name, port))
    };
    options.direct.iter().map(server).collect()
}

impl StartError {
    fn new(place: &str, problem: impl Display) -> Self {
        Self {
            place: place.to_owned(),
            problem: problem.to_string(),
        }
    }
}
