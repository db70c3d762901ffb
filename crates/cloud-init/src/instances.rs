//! Instance-ids: read, and renewed because an administrator wants a node to be taken for a new one.

use proto::cloud_init::v1::cloud_init_command::{self, Change};
use proto::cloud_init::v1::{
    CloudInitCommand, GetInstanceRequest, Instance, InstanceChange, RenewInstanceIdRequest,
    instance_service_server,
};
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::Error;
use tonic::{Request, Response, Status};

use crate::node::node_of;

/// What cloud-init knows nodes by.
#[derive(Clone, Debug)]
pub struct InstanceService {
    store: Store,
}

impl InstanceService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> InstanceService {
        InstanceService { store }
    }
}

#[tonic::async_trait]
impl instance_service_server::InstanceService for InstanceService {
    #[tracing::instrument(level = "debug", name = "cloud_init.get_instance", skip_all, fields(node = ?request.get_ref().node))]
    async fn get_instance(&self, request: Request<GetInstanceRequest>) -> Result<Response<Instance>, Status> {
        let node = node_of(&request.get_ref().node)?;
        let instance = self.store.state().cloud_init.instance(&node);
        let instance = instance.ok_or_else(|| Error::NotFound {
            kind: "instance-id of".to_owned(),
            id: format!("{node}; its first request stores one"),
        })?;
        Ok(Response::new(instance.as_ref().clone()))
    }

    #[tracing::instrument(name = "cloud_init.renew_instance_id", skip_all, fields(node = ?request.get_ref().node))]
    async fn renew_instance_id(
        &self,
        request: Request<RenewInstanceIdRequest>,
    ) -> Result<Response<InstanceChange>, Status> {
        let author = rpc::author(&request);
        let RenewInstanceIdRequest { node, if_revision } = request.into_inner();
        let renew = cloud_init_command::RenewInstanceId {
            node: node_of(&node)?.to_string(),
            if_revision,
        };
        let change = Some(Change::RenewInstanceId(renew));
        let command = Command::CloudInit(CloudInitCommand { change });
        let committed = self.store.propose_by(&author, command).await?;
        Ok(Response::new(InstanceChange {
            revision: committed.revision,
            instance_id: committed.applied.value,
        }))
    }
}
