//! What PCS says of itself.

use std::time::Duration;

use proto::power::v1::{
    GetHealthRequest, GetHealthResponse, GetLivenessRequest, GetLivenessResponse, GetReadinessRequest,
    GetReadinessResponse, power_health_service_server,
};
use raft::Store;
use rpc::Error;
use tonic::{Request, Response, Status};

/// When a caller may ask again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// PCS's word for what it needs and has.
const CONNECTED: &str = "connected, responsive";

/// Whether this member takes transitions.
#[derive(Clone, Debug)]
pub struct PowerHealthService {
    store: Store,
}

impl PowerHealthService {
    /// A service that reports on `store`.
    #[must_use]
    pub fn new(store: Store) -> PowerHealthService {
        PowerHealthService { store }
    }

    /// Whether a majority confirms what this member has.
    async fn ready(&self) -> Result<(), Error> {
        if !self.store.is_verified() {
            let reason = "it has not caught up with a leader since it started".to_owned();
            return Err(Error::NotReady {
                retry_after: RETRY_AFTER,
                reason,
            });
        }
        self.store.linearize().await
    }
}

#[tonic::async_trait]
impl power_health_service_server::PowerHealthService for PowerHealthService {
    async fn get_liveness(
        &self,
        _: Request<GetLivenessRequest>,
    ) -> Result<Response<GetLivenessResponse>, Status> {
        Ok(Response::new(GetLivenessResponse {}))
    }

    async fn get_readiness(
        &self,
        _: Request<GetReadinessRequest>,
    ) -> Result<Response<GetReadinessResponse>, Status> {
        self.ready().await?;
        Ok(Response::new(GetReadinessResponse {}))
    }

    /// The log is what PCS has etcd and Vault for, the state is SMD, and claims of jobs are its distributed locks.
    async fn get_health(&self, _: Request<GetHealthRequest>) -> Result<Response<GetHealthResponse>, Status> {
        let written = match self.ready().await {
            Ok(()) => CONNECTED.to_owned(),
            Err(error) => error.to_string(),
        };
        Ok(Response::new(GetHealthResponse {
            kv_store: written.clone(),
            state_manager: CONNECTED.to_owned(),
            vault: written.clone(),
            distributed_locking: written,
        }))
    }
}

#[cfg(test)]
mod tests {
    use power_health_service_server::PowerHealthService as _;

    use super::*;

    fn cut_off() -> PowerHealthService {
        PowerHealthService::new(Store::in_memory_without_majority(state::State::new()))
    }

    async fn health(service: &PowerHealthService) -> GetHealthResponse {
        let answer = service.get_health(Request::new(GetHealthRequest {})).await;
        answer.unwrap().into_inner()
    }

    #[tokio::test]
    async fn with_a_majority_all_is_well() {
        let service = PowerHealthService::new(Store::in_memory());
        service
            .get_liveness(Request::new(GetLivenessRequest {}))
            .await
            .unwrap();
        service
            .get_readiness(Request::new(GetReadinessRequest {}))
            .await
            .unwrap();
        let health = health(&service).await;
        for told in [
            health.kv_store,
            health.state_manager,
            health.vault,
            health.distributed_locking,
        ] {
            assert_eq!(told, CONNECTED);
        }
    }

    /// PCS's clients ask for readiness before they start transitions.
    #[tokio::test]
    async fn without_a_majority_it_is_alive_and_not_ready() {
        let service = cut_off();
        service
            .get_liveness(Request::new(GetLivenessRequest {}))
            .await
            .unwrap();
        let refused = service
            .get_readiness(Request::new(GetReadinessRequest {}))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable);
        let health = health(&service).await;
        assert!(health.kv_store.contains("majority"), "{}", health.kv_store);
        assert_eq!(health.state_manager, CONNECTED);
    }
}
