//! `/metrics`: one page of everything that this member counts, for Prometheus.

mod audit;
mod dhcp;
mod discovery;
mod exposition;
mod process;
mod raft;
mod tokens;

use std::time::SystemTime;

use proto::cluster::v1::GetMetricsRequest;
use proto::cluster::v1::metrics_service_server::MetricsService;
use proto::google::api::HttpBody;
use rpc::Calls;
use tonic::{Request, Response, Status};

use super::counters::Counters;
use super::peer_traffic::PeerTraffic;

pub(super) use self::audit::AuditPage;
pub(super) use self::dhcp::DhcpPage;
pub(super) use self::discovery::DiscoveryPage;
pub(super) use self::exposition::{Exposition, Kind};
pub(super) use self::tokens::TokenPage;

/// Everything that is on the page.
#[derive(Clone)]
pub(super) struct MetricsPage {
    /// Raft, under etcd's names.
    pub(super) raft: ::raft::Metrics,
    /// Bytes to and from the other members.
    pub(super) peers: PeerTraffic,
    /// Calls of the API by method and code.
    pub(super) calls: Calls,
    /// The servers' events.
    pub(super) counters: Counters,
    /// Waits, messages and addresses of DHCP.
    pub(super) dhcp: DhcpPage,
    /// Tokens and the keys that sign them.
    pub(super) tokens: TokenPage,
    /// BMCs and jobs.
    pub(super) discovery: DiscoveryPage,
    /// The journal of who did what.
    pub(super) audit: AuditPage,
}

impl MetricsPage {
    fn text(&self) -> String {
        let mut page = Exposition::default();
        raft::add_to(&mut page, &self.raft.read(), SystemTime::now());
        self.peers.add_to(&mut page);
        self.counters.add_to(&mut page);
        self.dhcp.add_to(&mut page);
        self.tokens.add_to(&mut page);
        self.discovery.add_to(&mut page);
        self.audit.add_to(&mut page);
        add_calls(&mut page, &self.calls);
        process::add_to(&mut page);
        page.into_text()
    }
}

fn add_calls(page: &mut Exposition, calls: &Calls) {
    let help = "Calls of the API, over gRPC and HTTPS, by the code that they ended with.";
    let mut family = page.family("grpc_server_handled_total", Kind::Counter, help);
    for handled in calls.handled() {
        let labels = [
            ("grpc_service", handled.service),
            ("grpc_method", handled.method),
            ("grpc_code", handled.code),
        ];
        family.sample(&labels, handled.calls);
    }
}

#[tonic::async_trait]
impl MetricsService for MetricsPage {
    async fn get_metrics(&self, _: Request<GetMetricsRequest>) -> Result<Response<HttpBody>, Status> {
        Ok(Response::new(HttpBody {
            content_type: exposition::CONTENT_TYPE.to_owned(),
            data: self.text().into_bytes(),
            ..HttpBody::default()
        }))
    }
}
