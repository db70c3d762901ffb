//! The plain HTTP port of compute nodes: boot script, cloud-init, boot files and what is public; nothing else.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderName;
use prost_reflect::DescriptorPool;
use proto::http::v1::{MethodRule, Permission};
use rpc::{Caller, Identity};
use tokio::net::TcpStream;

use crate::admission::Admission;
use crate::connections::Greeted;
use crate::files::Files;
use crate::loaders::Loaders;
use crate::port::{Counters, Port};
use crate::probes::Probes;
use crate::proxies::Proxies;
use crate::retry_after::Spread;
use crate::routes::RouteTable;
use crate::upstream::Upstream;
use crate::wire::Wire;
use crate::{Alias, Options, StartError, body};

/// No `authorization`: whoever listens on plain HTTP could repeat it.
const PASSED: [&str; 2] = ["traceparent", "tracestate"];

pub(crate) fn port(pool: &DescriptorPool, upstream: Upstream, options: &Options) -> Result<Port, StartError> {
    let serves = |rule: &MethodRule| {
        matches!(rule.permission(), Permission::Node | Permission::Public) && !rule.tls_only
    };
    let files = options
        .files
        .as_ref()
        .map(|files| Files::new(files.clone()))
        .transpose()?;
    Ok(Port {
        routes: RouteTable::new(pool, serves)?,
        upstream,
        aliases: plain_aliases(options),
        cluster_id: Arc::clone(&options.cluster_id),
        passed: PASSED.map(HeaderName::from_static).to_vec(),
        compressor: None,
        kept: None,
        files,
        loaders: Loaders::new(&options.loaders),
        sent_files: Arc::clone(&options.sent_files),
        probes: Probes::of_nodes(options),
        document: None,
        limits: options.nodes,
        bodies: body::Budget::new(options.nodes.bodies_bytes_max),
        admission: Admission::of_nodes(
            &options.nodes,
            &options.shared_addresses,
            &options.trusted_proxies,
        ),
        proxies: Some(Proxies(options.trusted_proxies.clone())),
        counters: Counters::default(),
        spread: Some(Spread::default()),
        access_log: None,
        direct: None,
    })
}

fn plain_aliases(options: &Options) -> Vec<Alias> {
    let aliases = options.aliases.iter().filter(|alias| !alias.tls_only);
    aliases.cloned().collect()
}

/// A node is who its address says; what is forwarded counts from [`Proxies`] only.
pub(crate) async fn greet(stream: TcpStream, peer: SocketAddr) -> Option<Greeted<Wire>> {
    let local = stream.local_addr().ok();
    let identity = Identity::Node {
        address: peer.ip().to_canonical(),
    };
    let wire = Wire::new(stream);
    Some(Greeted {
        caller: Caller {
            identity,
            peer: Some(peer),
            local,
        },
        io: wire.clone(),
        http2: false,
        wire: Some(wire),
    })
}
