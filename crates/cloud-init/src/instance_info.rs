//! OpenCHAMI's `/cloud-init/admin/instance-info`: what is said about one node.

use auth::Sealer;
use model::Xname;
use proto::cloud_init::v1::cloud_init_command::{self, Change};
use proto::cloud_init::v1::{
    CloudInitCommand, DeleteInstanceInfoRequest, GetInstanceInfoRequest, InstanceInfo, InstanceInfoChange,
    ListInstanceInfoRequest, ListInstanceInfoResponse, PutInstanceInfoRequest, instance_info_service_server,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error, page};
use state::State;
use tonic::{Request, Response, Status};

use crate::node::node_of;
use crate::sealing::Sealing;

/// What is said about single nodes.
#[derive(Clone, Debug)]
pub struct InstanceInfoService {
    store: Store,
    sealing: Sealing,
}

impl InstanceInfoService {
    /// A service that changes and answers from `store`, and seals what is secret with `sealer`.
    #[must_use]
    pub fn new(store: Store, sealer: &Sealer) -> InstanceInfoService {
        let sealing = Sealing::new(sealer);
        InstanceInfoService { store, sealing }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        let command = Command::CloudInit(CloudInitCommand { change: Some(change) });
        self.store.propose_by(author, command).await
    }
}

/// An info with the node's instance-id, which is kept beside it, and at the later revision of the two.
fn shown(state: &State, info: &InstanceInfo) -> InstanceInfo {
    let node = info.id.parse().ok();
    let instance = node.as_ref().and_then(|node| state.cloud_init.instance(node));
    InstanceInfo {
        instance_id: instance
            .map(|instance| instance.instance_id.clone())
            .unwrap_or_default(),
        meta: node.and_then(|node| state.cloud_init.instance_info_meta(&node)),
        ..info.clone()
    }
}

/// What a repeat of the request is recognised by: of what is secret no digest may be kept.
fn asked(info: &InstanceInfo) -> InstanceInfo {
    let meta_data = info.meta_data.clone().filter(|_| !info.secret);
    InstanceInfo {
        meta_data,
        ..info.clone()
    }
}

#[tonic::async_trait]
impl instance_info_service_server::InstanceInfoService for InstanceInfoService {
    #[tracing::instrument(level = "debug", name = "cloud_init.list_instance_info", skip_all)]
    async fn list_instance_info(
        &self,
        request: Request<ListInstanceInfoRequest>,
    ) -> Result<Response<ListInstanceInfoResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let infos = state.cloud_init.instance_infos().filter(|info| {
            page.after()
                .is_none_or(|after: &Xname| info.id.parse().is_ok_and(|id: Xname| id > *after))
        });
        let (items, next_page_token) = page.cut(infos, |info| &info.id, |info| shown(&state, info));
        Ok(Response::new(ListInstanceInfoResponse {
            items,
            next_page_token,
        }))
    }

    #[tracing::instrument(level = "debug", name = "cloud_init.get_instance_info", skip_all, fields(id = ?request.get_ref().id))]
    async fn get_instance_info(
        &self,
        request: Request<GetInstanceInfoRequest>,
    ) -> Result<Response<InstanceInfo>, Status> {
        let node = node_of(&request.get_ref().id)?;
        let state = self.store.state();
        let info = state.cloud_init.instance_info(&node);
        let info = info.ok_or_else(|| Error::NotFound {
            kind: "instance-info".to_owned(),
            id: node.to_string(),
        })?;
        Ok(Response::new(shown(&state, &info)))
    }

    /// The node of the path counts. An instance-id that differs from the one the node has been told is not taken,
    /// as by OpenCHAMI's; the answer and the log say which one counts.
    #[tracing::instrument(name = "cloud_init.put_instance_info", skip_all, fields(id = ?request.get_ref().id))]
    async fn put_instance_info(
        &self,
        request: Request<PutInstanceInfoRequest>,
    ) -> Result<Response<InstanceInfoChange>, Status> {
        let author = rpc::author(&request);
        let PutInstanceInfoRequest {
            id,
            info,
            if_revision,
        } = request.into_inner();
        let mut info = InstanceInfo {
            id,
            ..info.unwrap_or_default()
        };
        author.asks(&PutInstanceInfoRequest {
            id: String::new(),
            info: Some(asked(&info)),
            if_revision,
        });
        let parts = self.sealing.take_info(&self.store.state(), &mut info)?;
        let given = info.instance_id.clone();
        let put = cloud_init_command::PutInstanceInfo {
            info: Some(info),
            if_revision,
            sealed: parts.sealed,
            token_key: parts.token_key,
        };
        let committed = self.propose(&author, Change::PutInstanceInfo(put)).await?;
        let in_force = &committed.applied.value;
        if !given.is_empty() && given != *in_force {
            tracing::warn!(given, in_force, "the node keeps the instance-id that it has");
        }
        Ok(Response::new(InstanceInfoChange {
            revision: committed.revision,
            instance_id: in_force.clone(),
        }))
    }

    #[tracing::instrument(name = "cloud_init.delete_instance_info", skip_all, fields(id = ?request.get_ref().id))]
    async fn delete_instance_info(
        &self,
        request: Request<DeleteInstanceInfoRequest>,
    ) -> Result<Response<InstanceInfoChange>, Status> {
        let author = rpc::author(&request);
        let node = node_of(&request.get_ref().id)?;
        let delete = cloud_init_command::DeleteInstanceInfo {
            id: node.to_string(),
            if_revision: request.get_ref().if_revision,
        };
        let committed = self.propose(&author, Change::DeleteInstanceInfo(delete)).await?;
        let instance = self.store.state_after(&author).cloud_init.instance(&node);
        Ok(Response::new(InstanceInfoChange {
            revision: committed.revision,
            instance_id: instance
                .map(|instance| instance.instance_id.clone())
                .unwrap_or_default(),
        }))
    }
}
