//! The HTTPS port of today's OpenCHAMI clients: every route; who calls is in the certificate or the bearer token.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderName;
use prost_reflect::DescriptorPool;
use rpc::server::{Handshakes, PortCounters};
use rpc::tls::identity_of;
use rpc::{Caller, Identity};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access_log::AccessLog;
use crate::admission::Admission;
use crate::api_document::Document;
use crate::compress::Compressor;
use crate::connections::Greeted;
use crate::kept::KeptLists;
use crate::loaders::Loaders;
use crate::port::{Counters, Port};
use crate::probes::Probes;
use crate::routes::RouteTable;
use crate::upstream::Upstream;
use crate::{Options, StartError, body};

/// Headers that travel on where callers have names.
pub(crate) const PASSED: [&str; 7] = [
    "authorization",
    rpc::IF_NONE_MATCH,
    rpc::CONSISTENCY,
    rpc::IDEMPOTENCY_KEY,
    rpc::RESERVATION_KEY,
    "traceparent",
    "tracestate",
];
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

pub(crate) fn port(pool: &DescriptorPool, upstream: Upstream, options: &Options) -> Result<Port, StartError> {
    Ok(Port {
        routes: RouteTable::new(pool, |_| true)?,
        upstream,
        aliases: options.aliases.clone(),
        cluster_id: Arc::clone(&options.cluster_id),
        passed: PASSED.map(HeaderName::from_static).to_vec(),
        compressor: Some(Compressor::new()),
        kept: Some(KeptLists::new()),
        files: None,
        loaders: Loaders::none(),
        sent_files: Arc::clone(&options.sent_files),
        probes: Probes::of_the_api(options),
        document: options.api_document.clone().map(Document::new),
        limits: options.api,
        bodies: body::Budget::new(options.api.bodies_bytes_max),
        admission: Admission::of_the_api(&options.api),
        proxies: None,
        counters: Counters::default(),
        spread: None,
        access_log: options.access_log.then(|| AccessLog::new("api")),
        direct: None,
    })
}

/// The TLS half of the port.
#[derive(Clone)]
pub(crate) struct Greeter {
    handshakes: Arc<Handshakes>,
    is_legacy_reader: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

impl Greeter {
    /// `config` comes from `rpc::tls::server_config`, which checks client certificates.
    pub(crate) fn new(
        mut config: rustls::ServerConfig,
        options: &Options,
        counters: &Arc<PortCounters>,
    ) -> Self {
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        let tls = TlsAcceptor::from(Arc::new(config));
        let handshakes = Handshakes::new(tls, options.api.handshake_at_most, Arc::clone(counters));
        Self {
            handshakes: Arc::new(handshakes),
            is_legacy_reader: Arc::clone(&options.is_legacy_reader),
        }
    }

    pub(crate) async fn greet(
        self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<Greeted<TlsStream<TcpStream>>> {
        let local = stream.local_addr().ok();
        let io = self.handshakes.accept(stream, peer).await?;
        let http2 = io.get_ref().1.alpn_protocol() == Some(HTTP2);
        let caller = Caller {
            identity: self.identity(&io, peer.ip().to_canonical()),
            peer: Some(peer),
            local,
        };
        Some(Greeted {
            io,
            caller,
            http2,
            wire: None,
        })
    }

    /// The handshake has checked the certificate's chain and cluster. A member's certificate gives no rights
    /// here: its key is not checked against the pins. A bearer token is the guard's business.
    fn identity(&self, io: &TlsStream<TcpStream>, address: IpAddr) -> Identity {
        let certificate = io.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certified = certificate.and_then(|certificate| identity_of(certificate).ok());
        match certified {
            Some(identity) if identity != Identity::Anonymous => identity,
            _ if (self.is_legacy_reader)(address) => Identity::LegacyReader { address },
            _ => Identity::Anonymous,
        }
    }
}
