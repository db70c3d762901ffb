//! What the owner of a gateway chooses, and the bounds on everything that a stranger can send.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rpc::server::{Http2Limits, Rate};

use crate::admission::SharedAddresses;
use crate::direct::DirectPort;
use crate::file_source::FileSource;
use crate::sent::SentFiles;

/// Why nodes should not be sent to a member for the role of this name.
pub type RoleReadiness = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// What a member is checked for before it is sent requests, in the order in which `/readyz?verbose` lists it.
pub type Readiness = Arc<dyn Fn() -> Vec<Check> + Send + Sync>;

/// One thing that a member is checked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// One word: check scripts look for it.
    pub name: &'static str,
    /// Why it failed, for a person, in one line.
    pub result: Result<(), String>,
}

impl Check {
    /// A check and how it went.
    pub fn new(name: &'static str, result: Result<(), String>) -> Self {
        Self { name, result }
    }
}

/// Another beginning of the paths of some routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What a client writes: whole segments, e.g. `/apis/smd/hsm/v2`.
    pub from: String,
    /// What stands for it, e.g. `/hsm/v2`.
    pub to: String,
    /// Not on the plain HTTP port of nodes.
    pub tls_only: bool,
}

impl Alias {
    fn new(from: &str, to: &str, tls_only: bool) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            tls_only,
        }
    }
}

/// The id of the cluster, which is part of ETags; empty before there is one.
pub type ClusterId = Arc<dyn Fn() -> String + Send + Sync>;

/// Makes the OpenAPI document of the API port; why it cannot, otherwise.
pub type ApiDocument = Arc<dyn Fn() -> Result<Bytes, String> + Send + Sync>;

/// What the owner of a gateway chooses.
#[derive(Clone)]
pub struct Options {
    /// The id of the cluster. Default: none.
    pub cluster_id: ClusterId,
    /// Other beginnings of paths, as gateways of today's deployments have them. Default: `/apis/smd/hsm/v2`, `/apis/bss/boot/v1` and,
    /// over TLS, `/cloud-init-secure`.
    pub aliases: Vec<Alias>,
    /// Boot files on the node port. Default: none.
    pub files: Option<BootFiles>,
    /// Whether a caller from this address, without credentials, is a legacy reader on the API port
    /// (`anonymous-legacy-reads`). Default: nobody is.
    pub is_legacy_reader: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// `/readyz` of the API port: it should get no requests while a check fails; without `verbose` the first that
    /// failed is told. Default: always ready.
    pub readiness: Readiness,
    /// `/readyz?role=ROLE` of both ports: why nodes should not be sent to this member for that role now. Default:
    /// always ready.
    pub role_readiness: RoleReadiness,
    /// Boot loaders by name, for UEFI HTTP boot, on the node port below [`crate::LOADERS_PREFIX`]. Default: none.
    pub loaders: BTreeMap<String, Bytes>,
    /// `/openapi.json` of the API port; made when it is first asked for. Default: none.
    pub api_document: Option<ApiDocument>,
    /// Told of each boot file and each loader that a node was sent to its end. Default: nobody.
    pub sent_files: SentFiles,
    /// Whether an address is that of many nodes (behind NAT): no limit per address of the node port holds there. Default: none is.
    pub shared_addresses: SharedAddresses,
    /// Whether an address is that of a proxy of the node port, whose `X-Forwarded-For` says which node asks; its connections are
    /// many nodes'. Default: none is.
    pub trusted_proxies: SharedAddresses,
    /// Whether each request of the API port, and of each direct one, has a line in the log, target `access`. Default: no.
    pub access_log: bool,
    /// Ports that have the routes of one service, in plain HTTP. Default: none.
    pub direct: Vec<DirectPort>,
    /// Bounds of the node port.
    pub nodes: Limits,
    /// Bounds of the API port, and of each direct one.
    pub api: Limits,
}

/// Files that nodes may fetch.
#[derive(Clone)]
pub struct BootFiles {
    /// Where they are in the URL, beginning and ending with `/`, e.g. `/files/`.
    pub prefix: String,
    /// Where their bytes are.
    pub source: Arc<dyn FileSource>,
}

/// What one node asks, and connects.
const ONE_NODE: Rate = Rate {
    per_second_max: 100, // a 250th of what a member answers
    burst_max: 1000,     // a boot has some thirty
};

/// Bounds of one port.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, from everywhere.
    pub connections_max: usize,
    /// Connections at once from one address.
    pub connections_per_address_max: usize,
    /// How often one address may connect; `None`: as often as it likes.
    pub connection_rate: Option<Rate>,
    /// Requests from one address; `None`: as many as it likes.
    pub requests_per_address: Option<Rate>,
    /// Time from accept to the end of the TLS handshake.
    pub handshake_at_most: Duration,
    /// Time for the headers of a request, and how long an HTTP/1.1 connection may be idle before it.
    pub headers_at_most: Duration,
    /// All headers of one request, bytes; over HTTP/1.1 also what is buffered of an answer.
    pub header_bytes_max: usize,
    /// Path and query of one request, bytes.
    pub uri_bytes_max: usize,
    /// Body of one request, bytes.
    pub body_bytes_max: usize,
    /// Time for the body of one request.
    pub body_at_most: Duration,
    /// Bodies of all requests together, bytes.
    pub bodies_bytes_max: usize,
    /// Time for a service to answer.
    pub answer_at_most: Duration,
    /// The same for a method that says of itself that it `takes_long`.
    pub long_answer_at_most: Duration,
    /// HTTP/2: requests at once on one connection.
    pub concurrent_streams_max: u32,
    /// How long requests in progress may take after shutdown began.
    pub drain_at_most: Duration,
}

impl Limits {
    /// Bounds of the node port: many nodes, small requests.
    pub fn nodes() -> Self {
        Self {
            connections_max: 16_384,
            connections_per_address_max: 64, // a node uses a few; no node may take the others' places
            connection_rate: Some(ONE_NODE),
            requests_per_address: Some(ONE_NODE),
            header_bytes_max: 32 * 1024,
            uri_bytes_max: 8 * 1024,
            body_bytes_max: 64 * 1024, // phone-home with four host keys is 4 KiB
            bodies_bytes_max: 64 << 20,
            ..Self::api()
        }
    }

    /// Bounds of the API port: imports of 10,000 nodes in one request.
    pub fn api() -> Self {
        let connections = rpc::server::Limits::api();
        Self {
            connections_max: connections.connections_max,
            connections_per_address_max: connections.connections_per_address_max,
            connection_rate: connections.connection_rate,
            requests_per_address: None, // callers have names there, and one host may be a whole site's
            handshake_at_most: connections.handshake_at_most,
            headers_at_most: Duration::from_secs(30),
            header_bytes_max: 128 * 1024,
            uri_bytes_max: 60_000, // power-control asks for thousands of xnames in one query
            body_bytes_max: 16 << 20,
            body_at_most: Duration::from_secs(60),
            bodies_bytes_max: 256 << 20,
            answer_at_most: Duration::from_secs(30),
            long_answer_at_most: Duration::from_secs(300), // no call has a longer deadline
            concurrent_streams_max: 128,
            drain_at_most: Duration::from_secs(10),
        }
    }

    /// Of one connection that speaks HTTP/2.
    pub(crate) fn http2(&self) -> Http2Limits {
        Http2Limits {
            concurrent_streams_max: self.concurrent_streams_max,
            header_list_bytes_max: u32::try_from(self.header_bytes_max).unwrap_or(u32::MAX),
            ..Http2Limits::api()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cluster_id: Arc::new(String::new),
            aliases: vec![
                Alias::new("/apis/smd/hsm/v2", "/hsm/v2", false),
                Alias::new("/apis/bss/boot/v1", "/boot/v1", false),
                Alias::new("/cloud-init-secure", "/cloud-init", true),
            ],
            files: None,
            is_legacy_reader: Arc::new(|_| false),
            readiness: Arc::new(Vec::new),
            role_readiness: Arc::new(|_| Ok(())),
            loaders: BTreeMap::new(),
            api_document: None,
            sent_files: Arc::new(|_| {}),
            shared_addresses: Arc::new(|_| false),
            trusted_proxies: Arc::new(|_| false),
            access_log: false,
            direct: Vec::new(),
            nodes: Limits::nodes(),
            api: Limits::api(),
        }
    }
}
