//! BSS's `/boot/v1/scn`: state change notifications.

use proto::bss::v1::{NotifyStateChangeRequest, NotifyStateChangeResponse, state_change_service_server};
use tonic::{Request, Response, Status};

/// Takes notifications. BSS reads its inventory again after one; here scripts are made of the state itself.
#[derive(Clone, Debug, Default)]
pub struct StateChangeService;

impl StateChangeService {
    /// The service; it needs nothing.
    #[must_use]
    pub fn new() -> StateChangeService {
        StateChangeService
    }
}

#[tonic::async_trait]
impl state_change_service_server::StateChangeService for StateChangeService {
    async fn notify_state_change(
        &self,
        _: Request<NotifyStateChangeRequest>,
    ) -> Result<Response<NotifyStateChangeResponse>, Status> {
        Ok(Response::new(NotifyStateChangeResponse {}))
    }
}
