//! HSM's service/ready and service/liveness.

use std::time::Duration;

use proto::smd::v1::{
    GetLivenessRequest, GetLivenessResponse, GetReadyRequest, GetReadyResponse, service_status_service_server,
};
use raft::Store;
use rpc::Error;
use tonic::{Request, Response, Status};

/// When a caller may ask again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whether this member answers, and whether its answers are up to date.
#[derive(Clone, Debug)]
pub struct ServiceStatusService {
    store: Store,
}

impl ServiceStatusService {
    /// A service that reports on `store`.
    #[must_use]
    pub fn new(store: Store) -> ServiceStatusService {
        ServiceStatusService { store }
    }
}

#[tonic::async_trait]
impl service_status_service_server::ServiceStatusService for ServiceStatusService {
    /// The read barrier before this method has already failed without a majority.
    async fn get_ready(&self, _: Request<GetReadyRequest>) -> Result<Response<GetReadyResponse>, Status> {
        if !self.store.is_verified() {
            let reason = "it has not caught up with a leader since it started".to_owned();
            return Err(Error::NotReady {
                retry_after: RETRY_AFTER,
                reason,
            }
            .into());
        }
        Ok(Response::new(GetReadyResponse {
            code: 0,
            message: "HSM is healthy".to_owned(),
        }))
    }

    async fn get_liveness(
        &self,
        _: Request<GetLivenessRequest>,
    ) -> Result<Response<GetLivenessResponse>, Status> {
        Ok(Response::new(GetLivenessResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use service_status_service_server::ServiceStatusService as _;

    use super::*;

    #[tokio::test]
    async fn a_verified_member_is_ready_and_alive() {
        let service = ServiceStatusService::new(Store::in_memory());
        let ready = service
            .get_ready(Request::new(GetReadyRequest {}))
            .await
            .unwrap()
            .into_inner();
        assert_eq!((ready.code, ready.message.as_str()), (0, "HSM is healthy"));
        service
            .get_liveness(Request::new(GetLivenessRequest {}))
            .await
            .unwrap();
    }
}
