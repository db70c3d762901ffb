//! The service of firmware updates.

use bmcs::Bmcs;
use proto::firmware::v1::{
    StartFirmwareUpdateRequest, StartFirmwareUpdateResponse, firmware_update_service_server,
};
use proto::job::v1::job;
use tonic::{Request, Response, Status};

use crate::start;

/// Begins firmware updates, which are jobs of the cluster.
#[derive(Clone)]
pub struct FirmwareUpdateService {
    bmcs: Bmcs,
}

impl FirmwareUpdateService {
    /// A service whose updates are jobs of the store of `bmcs`.
    #[must_use]
    pub fn new(bmcs: Bmcs) -> FirmwareUpdateService {
        FirmwareUpdateService { bmcs }
    }
}

#[tonic::async_trait]
impl firmware_update_service_server::FirmwareUpdateService for FirmwareUpdateService {
    #[tracing::instrument(name = "firmware.start_update", skip_all)]
    async fn start_firmware_update(
        &self,
        request: Request<StartFirmwareUpdateRequest>,
    ) -> Result<Response<StartFirmwareUpdateResponse>, Status> {
        let author = rpc::author(&request);
        let update = request.into_inner().update.unwrap_or_default();
        let targets = start::targets(&self.bmcs, &update)?;
        let work = job::Work::FirmwareUpdate(update);
        let job = jobs::create(self.bmcs.store(), &author, work, targets).await?;
        Ok(Response::new(StartFirmwareUpdateResponse { job }))
    }
}

#[cfg(test)]
mod tests {
    use firmware_update_service_server::FirmwareUpdateService as _;
    use proto::firmware::v1::FirmwareUpdate;
    use raft::Store;

    use super::*;
    use crate::fake_bmc::{BMC, bmcs, inventory};

    fn request(image_uri: &str) -> Request<StartFirmwareUpdateRequest> {
        Request::new(StartFirmwareUpdateRequest {
            update: Some(FirmwareUpdate {
                image_uri: image_uri.to_owned(),
                targets: vec![BMC.to_owned()],
                ..FirmwareUpdate::default()
            }),
        })
    }

    #[tokio::test]
    async fn an_update_is_a_job_with_a_target_for_each_bmc() {
        let store = Store::in_memory();
        inventory(&store, BMC, "127.0.0.1:443").await;
        let service = FirmwareUpdateService::new(bmcs(store.clone()));
        let begun = service
            .start_firmware_update(request("http://10.1.0.1/bios.bin"))
            .await;
        let id = begun.unwrap().into_inner().job;
        let state = store.state();
        let targets: Vec<&str> = state
            .jobs
            .targets(&id)
            .map(|target| target.target.as_str())
            .collect();
        assert_eq!(targets, [BMC]);
    }

    #[tokio::test]
    async fn what_is_wrong_or_empty_makes_no_job() {
        let store = Store::in_memory();
        let service = FirmwareUpdateService::new(bmcs(store.clone()));
        for wrong in [
            request("bios.bin"),
            Request::new(StartFirmwareUpdateRequest::default()),
        ] {
            let refused = service.start_firmware_update(wrong).await.unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        }
        assert_eq!(store.state().jobs.iter().count(), 0);
    }
}
