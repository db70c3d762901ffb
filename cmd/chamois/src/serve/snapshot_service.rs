//! `SnapshotService`: the whole product in one file.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use proto::cluster::v1::snapshot_service_server::SnapshotService;
use proto::cluster::v1::{SaveSnapshotRequest, SaveSnapshotResponse};
use raft::Store;
use tonic::{Request, Response, Status};

/// Streams this member's state.
#[derive(Clone, Debug)]
pub(super) struct Snapshots {
    pub(super) store: Store,
}

#[tonic::async_trait]
impl SnapshotService for Snapshots {
    type SaveSnapshotStream = Pin<Box<dyn Stream<Item = Result<SaveSnapshotResponse, Status>> + Send>>;

    async fn save_snapshot(
        &self,
        _: Request<SaveSnapshotRequest>,
    ) -> Result<Response<Self::SaveSnapshotStream>, Status> {
        let pieces = self.store.save_snapshot()?.map(|piece| match piece {
            Ok(data) => Ok(SaveSnapshotResponse { data: data.into() }),
            Err(error) => Err(Status::internal(format!(
                "the snapshot could not be written: {error}"
            ))),
        });
        Ok(Response::new(Box::pin(pieces)))
    }
}
