//! BSS's `/boot/v1/service/status`.

use proto::bss::v1::{GetStatusRequest, GetStatusResponse, service_status_service_server};
use tonic::{Request, Response, Status};

/// Says that the service runs; whether it can write is told by the writes.
#[derive(Clone, Debug, Default)]
pub struct ServiceStatusService;

impl ServiceStatusService {
    /// The service; it needs nothing.
    #[must_use]
    pub fn new() -> ServiceStatusService {
        ServiceStatusService
    }
}

#[tonic::async_trait]
impl service_status_service_server::ServiceStatusService for ServiceStatusService {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        Ok(Response::new(GetStatusResponse {
            status: "running".to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use service_status_service_server::ServiceStatusService as _;

    use super::*;

    #[tokio::test]
    async fn the_service_says_that_it_runs() {
        let answer = ServiceStatusService::new()
            .get_status(Request::new(GetStatusRequest {}))
            .await
            .unwrap();
        assert_eq!(answer.get_ref().status, "running");
    }
}
