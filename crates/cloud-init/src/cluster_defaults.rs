//! OpenCHAMI's `/cloud-init/admin/cluster-defaults`: what is said about every node.

use proto::cloud_init::v1::cloud_init_command::Change;
use proto::cloud_init::v1::{
    CloudInitCommand, ClusterDefaults, ClusterDefaultsChange, DeleteClusterDefaultsRequest,
    GetClusterDefaultsRequest, UpdateClusterDefaultsRequest, cloud_init_command,
    cluster_defaults_service_server,
};
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::Author;
use tonic::{Request, Response, Status};

/// The cluster's defaults.
#[derive(Clone, Debug)]
pub struct ClusterDefaultsService {
    store: Store,
}

impl ClusterDefaultsService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> ClusterDefaultsService {
        ClusterDefaultsService { store }
    }

    async fn propose(
        &self,
        author: &Author,
        change: Change,
    ) -> Result<Response<ClusterDefaultsChange>, Status> {
        let command = Command::CloudInit(CloudInitCommand { change: Some(change) });
        let committed = self.store.propose_by(author, command).await?;
        Ok(Response::new(ClusterDefaultsChange {
            revision: committed.revision,
        }))
    }
}

#[tonic::async_trait]
impl cluster_defaults_service_server::ClusterDefaultsService for ClusterDefaultsService {
    /// Before the first change everything is empty, which is no error.
    #[tracing::instrument(level = "debug", name = "cloud_init.get_cluster_defaults", skip_all)]
    async fn get_cluster_defaults(
        &self,
        _: Request<GetClusterDefaultsRequest>,
    ) -> Result<Response<ClusterDefaults>, Status> {
        let defaults = self.store.state().cloud_init.cluster_defaults();
        Ok(Response::new(defaults.as_deref().cloned().unwrap_or_default()))
    }

    #[tracing::instrument(name = "cloud_init.update_cluster_defaults", skip_all)]
    async fn update_cluster_defaults(
        &self,
        request: Request<UpdateClusterDefaultsRequest>,
    ) -> Result<Response<ClusterDefaultsChange>, Status> {
        let author = rpc::author(&request);
        let UpdateClusterDefaultsRequest {
            defaults,
            clear,
            if_revision,
        } = request.into_inner();
        let update = cloud_init_command::UpdateClusterDefaults {
            defaults,
            clear,
            if_revision,
        };
        self.propose(&author, Change::UpdateClusterDefaults(update)).await
    }

    #[tracing::instrument(name = "cloud_init.delete_cluster_defaults", skip_all)]
    async fn delete_cluster_defaults(
        &self,
        request: Request<DeleteClusterDefaultsRequest>,
    ) -> Result<Response<ClusterDefaultsChange>, Status> {
        let author = rpc::author(&request);
        let delete = cloud_init_command::DeleteClusterDefaults {
            if_revision: request.get_ref().if_revision,
        };
        self.propose(&author, Change::DeleteClusterDefaults(delete)).await
    }
}
