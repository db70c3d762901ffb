//! What this member has seen of other servers, over gRPC: its own view, without a majority.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::dhcp::v1::dhcp_watch_service_server::{self, DhcpWatchServiceServer};
use proto::dhcp::v1::{
    ListDhcpServersRequest, ListDhcpServersResponse, ListObservedAnswersRequest, ListObservedAnswersResponse,
    ObservedNetwork,
};
use tonic::service::RoutesBuilder;
use tonic::{Request, Response, Status};

use super::GuardCount;
use crate::server::Server;

/// The servers of a member's networks, as far as they are open; cheap to clone.
#[derive(Clone, Default)]
pub struct Guards(Arc<Mutex<BTreeMap<String, Server>>>);

impl Guards {
    /// The server of a network, in the place of an earlier one.
    pub fn put(&self, network: &str, server: &Server) {
        self.lock().insert(network.to_owned(), server.clone());
    }

    /// The service that tells of them.
    pub fn service(&self) -> WatchService {
        WatchService(self.clone())
    }

    /// Adds the service that tells of them.
    pub fn add_service(&self, routes: &mut RoutesBuilder) {
        routes.add_service(DhcpWatchServiceServer::new(self.service()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Guards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Guards")
            .field(&self.lock().keys().collect::<Vec<_>>())
            .finish()
    }
}

/// Tells what the guards have seen.
#[derive(Clone, Debug)]
pub struct WatchService(Guards);

#[tonic::async_trait]
impl dhcp_watch_service_server::DhcpWatchService for WatchService {
    #[tracing::instrument(level = "debug", name = "dhcp.list_servers", skip_all)]
    async fn list_dhcp_servers(
        &self,
        _request: Request<ListDhcpServersRequest>,
    ) -> Result<Response<ListDhcpServersResponse>, Status> {
        let networks = self.0.lock();
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
        let networks = self.0.lock();
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
