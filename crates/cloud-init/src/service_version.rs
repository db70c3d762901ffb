//! OpenCHAMI's `/cloud-init/version`.

use proto::cloud_init::v1::{GetVersionRequest, GetVersionResponse, service_version_service_server};
use tonic::{Request, Response, Status};

/// Which version answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServiceVersionService;

#[tonic::async_trait]
impl service_version_service_server::ServiceVersionService for ServiceVersionService {
    async fn get_version(
        &self,
        _: Request<GetVersionRequest>,
    ) -> Result<Response<GetVersionResponse>, Status> {
        Ok(Response::new(GetVersionResponse {
            process_name: "chamois".to_owned(),
            build_info: concat!("Version: ", env!("CARGO_PKG_VERSION")).to_owned(),
        }))
    }
}
