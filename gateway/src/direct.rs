//! The ports that today's services have each for itself, plain HTTP: the routes of one service, at the paths where that one has them.
//! Who has a bearer token is known by it; without one a route of nodes is answered as on their own port, and no other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use prost_reflect::DescriptorPool;
use proto::http::v1::MethodRule;
use rpc::{Caller, Identity};
use tokio::net::{TcpListener, TcpStream};

use crate::access_log::AccessLog;
use crate::admission::Admission;
use crate::api::PASSED;
use crate::compress::Compressor;
use crate::connections::{self, Greeted};
use crate::kept::KeptLists;
use crate::loaders::Loaders;
use crate::port::{Counters, Port};
use crate::probes::Probes;
use crate::problem::Problem;
use crate::routes::{Route, RouteTable};
use crate::upstream::Upstream;
use crate::{Options, StartError, body};

/// One such port, as the owner of a gateway wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectPort {
    /// As metrics and the log name it.
    pub name: &'static str,
    /// The only paths that it has are below this one, e.g. `/hsm/v2`.
    pub prefix: &'static str,
    /// The service has its routes at the root, too: a path without the prefix is taken as if it had it.
    pub is_at_root: bool,
}

/// What is special about requests on such a port.
pub(crate) struct Direct {
    port: DirectPort,
    is_legacy_reader: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

impl Direct {
    /// The path with the prefix, where it may be left out. One that is none then has no route anyway.
    pub(crate) fn uri(&self, uri: Uri) -> Uri {
        if !self.port.is_at_root || self.has(uri.path()) {
            return uri;
        }
        let rest = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let whole = PathAndQuery::try_from(format!("{}{rest}", self.port.prefix));
        whole.map_or(uri, Uri::from)
    }

    /// # Errors
    /// 404 for a path of another service, as that service would say.
    pub(crate) fn check(&self, path: &str) -> Result<(), Problem> {
        match self.has(path) {
            true => Ok(()),
            false => Err(Problem::new(
                StatusCode::NOT_FOUND,
                format!("this port has only what is below {}", self.port.prefix),
            )),
        }
    }

    fn has(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.port.prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Who asks for a route, where the connection proves nothing but an address.
    pub(crate) fn caller(&self, caller: Caller, headers: &HeaderMap, route: &Route) -> Caller {
        let Some(peer) = caller
            .peer
            .filter(|_| !headers.contains_key(header::AUTHORIZATION))
        else {
            return caller;
        };
        let address = peer.ip().to_canonical();
        let identity = match route.is_for_nodes {
            true => Identity::Node { address },
            false if (self.is_legacy_reader)(address) => Identity::LegacyReader { address },
            false => Identity::Anonymous,
        };
        Caller { identity, ..caller }
    }
}

pub(crate) fn port(
    pool: &DescriptorPool,
    upstream: Upstream,
    options: &Options,
    direct: &DirectPort,
) -> Result<Port, StartError> {
    Ok(Port {
        // what opens something is not shown on plain HTTP, as on the nodes' port
        routes: RouteTable::new(pool, |rule: &MethodRule| !rule.tls_only)?,
        upstream,
        aliases: Vec::new(),
        document: None,
        cluster_id: Arc::clone(&options.cluster_id),
        passed: PASSED.map(HeaderName::from_static).to_vec(),
        compressor: Some(Compressor::new()),
        kept: Some(KeptLists::new()),
        files: None,
        loaders: Loaders::none(),
        sent_files: Arc::clone(&options.sent_files),
        probes: Probes::of_nodes(options),
        limits: options.api,
        bodies: body::Budget::new(options.api.bodies_bytes_max),
        admission: Admission::of_a_service(&options.api, &options.nodes, &options.shared_addresses),
        proxies: None,
        counters: Counters::default(),
        spread: None,
        access_log: options.access_log.then(|| AccessLog::new(direct.name)),
        direct: Some(Direct {
            port: direct.clone(),
            is_legacy_reader: Arc::clone(&options.is_legacy_reader),
        }),
    })
}

/// One such port of a gateway; cheap to clone.
#[derive(Clone)]
pub struct DirectServer {
    name: &'static str,
    pub(crate) port: Arc<Port>,
}

impl DirectServer {
    pub(crate) fn new(name: &'static str, port: Port) -> Self {
        let port = Arc::new(port);
        Self { name, port }
    }

    /// [`DirectPort::name`].
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it has refused or survived.
    pub fn counters(&self) -> &Counters {
        &self.port.counters
    }

    /// Serves `listener`, plain HTTP/1.1, until `shutdown` completes and requests in progress have ended. May run for several
    /// listeners at once; the limits are common to them.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let note = |_: &TcpStream, _| std::future::ready(());
        connections::serve(Arc::clone(&self.port), listener, shutdown, greet, note).await;
    }
}

async fn greet(stream: TcpStream, peer: SocketAddr) -> Option<Greeted<TcpStream>> {
    Some(Greeted {
        caller: Caller {
            identity: Identity::Anonymous,
            peer: Some(peer),
            local: stream.local_addr().ok(),
        },
        io: stream,
        http2: false,
        wire: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(prefix: &'static str, is_at_root: bool) -> Direct {
        Direct {
            port: DirectPort {
                name: "x",
                prefix,
                is_at_root,
            },
            is_legacy_reader: Arc::new(|_| false),
        }
    }

    #[test]
    fn a_path_without_the_prefix_is_taken_with_it_only_where_the_service_has_it_so() {
        let at_root = direct("/cloud-init", true);
        for (asked, taken) in [
            ("/meta-data?a=/b", "/cloud-init/meta-data?a=/b"),
            ("/cloud-init/meta-data", "/cloud-init/meta-data"),
            ("/cloud-initial", "/cloud-init/cloud-initial"),
            ("/", "/cloud-init/"),
            ("/hsm/v2/State/Components", "/cloud-init/hsm/v2/State/Components"),
        ] {
            let uri = at_root.uri(asked.parse().unwrap());
            assert_eq!(uri.to_string(), taken);
            at_root.check(uri.path()).unwrap();
        }
        let asked: Uri = "/State/Components".parse().unwrap();
        assert_eq!(direct("/hsm/v2", false).uri(asked.clone()), asked);
    }

    /// Encoded or not, no path leads to another service.
    #[test]
    fn a_path_of_another_service_is_not_there() {
        let smd = direct("/hsm/v2", false);
        for path in [
            "/boot/v1/bootparameters",
            "/hsm/v2x",
            "/hsm",
            "/",
            "",
            "//hsm/v2/State",
            "/hsm%2Fv2/State",
            "/apis/smd/hsm/v2/State",
        ] {
            assert_eq!(
                smd.check(path).unwrap_err().status,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        for path in ["/hsm/v2", "/hsm/v2/State/Components"] {
            smd.check(path).unwrap();
        }
    }
}
