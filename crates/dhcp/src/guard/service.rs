//! What this member has seen of other servers, over gRPC: its own view, without a majority.

use proto::dhcp::v1::dhcp_watch_service_server;
use proto::dhcp::v1::{
    ListDhcpServersRequest, ListDhcpServersResponse, ListObservedAnswersRequest, ListObservedAnswersResponse,
    ObservedNetwork,
};
use tonic::{Request, Response, Status};

use super::GuardCount;
use crate::servers::Servers;

/// Tells what the guards have seen.
#[derive(Clone, Debug)]
pub struct WatchService(Servers);

impl WatchService {
    /// Of these servers.
    pub fn new(servers: Servers) -> WatchService {
        WatchService(servers)
    }
}

#[tonic::async_trait]
impl dhcp_watch_service_server::DhcpWatchService for WatchService {
    #[tracing::instrument(level = "debug", name = "dhcp.list_servers", skip_all)]
    async fn list_dhcp_servers(
        &self,
        _request: Request<ListDhcpServersRequest>,
    ) -> Result<Response<ListDhcpServersResponse>, Status> {
        let networks = self.0.all();
        let servers = networks
            .iter()
            .flat_map(|(name, server)| server.0.guard.servers.list(name));
        Ok(Response::new(ListDhcpServersResponse {
            servers: servers.collect(),
        }))
    }

    #[tracing::instrument(level = "debug", name = "dhcp.list_observed_answers", skip_all)]
    async fn list_observed_answers(
        &self,
        _request: Request<ListObservedAnswersRequest>,
    ) -> Result<Response<ListObservedAnswersResponse>, Status> {
        let networks = self.0.all();
        let observing = || networks.iter().filter(|(_, server)| server.0.guard.observes());
        let answers = observing().flat_map(|(name, server)| server.0.guard.observed.list(name));
        let counts = observing().map(|(name, server)| ObservedNetwork {
            network: name.clone(),
            same: server.0.guard.counters.get(GuardCount::ObservedSame),
            different: server.0.guard.counters.get(GuardCount::ObservedDifferent),
        });
        Ok(Response::new(ListObservedAnswersResponse {
            answers: answers.collect(),
            networks: counts.collect(),
        }))
    }
}
