//! OpenCHAMI's `/cloud-init/admin/groups`: what the members of SMD's groups are given.

use auth::Sealer;
use proto::cloud_init::v1::cloud_init_command::{self, Change};
use proto::cloud_init::v1::{
    CloudInitCommand, DeleteGroupRequest, GetGroupRequest, Group, GroupChange, ListGroupsRequest,
    ListGroupsResponse, PatchGroupRequest, PutGroupRequest, group_service_server,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::sealing::{Sealing, check_patch, without_contents};

/// Where a group is found, for `Location`.
const PATH: &str = "/cloud-init/admin/groups/";
/// What OpenCHAMI answers to a group that it does not take.
const UNPROCESSABLE: u16 = 422;

/// Groups of cloud-init.
#[derive(Clone, Debug)]
pub struct GroupService {
    store: Store,
    sealing: Sealing,
}

impl GroupService {
    /// A service that changes and answers from `store`, and seals what is secret with `sealer`.
    #[must_use]
    pub fn new(store: Store, sealer: &Sealer) -> GroupService {
        let sealing = Sealing::new(sealer);
        GroupService { store, sealing }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        let command = Command::CloudInit(CloudInitCommand { change: Some(change) });
        self.store.propose_by(author, command).await
    }

    async fn put(
        &self,
        author: &Author,
        mut group: Group,
        must_be_new: bool,
        if_revision: Option<u64>,
    ) -> Result<Response<GroupChange>, Status> {
        let parts = self.sealing.take_group(&self.store.state(), &mut group);
        let parts = parts.map_err(refused)?;
        let put = cloud_init_command::PutGroup {
            group: Some(group),
            must_be_new,
            if_revision,
            sealed: parts.sealed,
            sealed_meta_data: parts.sealed_meta_data,
            token_key: parts.token_key,
        };
        let committed = self
            .propose(author, Change::PutGroup(put))
            .await
            .map_err(refused)?;
        Ok(stored(&committed))
    }
}

/// What a repeat of the request is recognised by: of what is secret no digest may be kept.
fn asked(group: &Group) -> Group {
    match group.secret {
        true => without_contents(group),
        false => group.clone(),
    }
}

fn refused(error: Error) -> Status {
    match error {
        Error::Invalid { .. } => error.with_http_status(UNPROCESSABLE),
        other => other.into(),
    }
}

fn stored(committed: &Committed) -> Response<GroupChange> {
    let applied = &committed.applied;
    let name = applied.created.iter().chain(&applied.updated).next();
    Response::new(GroupChange {
        revision: committed.revision,
        location: name.map(|name| format!("{PATH}{name}")).unwrap_or_default(),
    })
}

#[tonic::async_trait]
impl group_service_server::GroupService for GroupService {
    #[tracing::instrument(level = "debug", name = "cloud_init.list_groups", skip_all)]
    async fn list_groups(
        &self,
        _: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        let state = self.store.state();
        let groups = state.cloud_init.groups();
        let groups = groups.map(|group| (group.name.clone(), group.as_ref().clone()));
        Ok(Response::new(ListGroupsResponse {
            groups: groups.collect(),
        }))
    }

    #[tracing::instrument(name = "cloud_init.create_group", skip_all, fields(name = ?request.get_ref().name))]
    async fn create_group(&self, request: Request<Group>) -> Result<Response<GroupChange>, Status> {
        let author = rpc::author(&request);
        let group = request.into_inner();
        author.asks(&asked(&group));
        self.put(&author, group, true, None).await
    }

    #[tracing::instrument(level = "debug", name = "cloud_init.get_group", skip_all, fields(name = ?request.get_ref().name))]
    async fn get_group(&self, request: Request<GetGroupRequest>) -> Result<Response<Group>, Status> {
        let name = &request.get_ref().name;
        let group = self.store.state().cloud_init.group(name);
        let group = group.ok_or_else(|| Error::NotFound {
            kind: "cloud-init group".to_owned(),
            id: name.clone(),
        })?;
        Ok(Response::new(group.as_ref().clone()))
    }

    /// The name of the path counts; OpenCHAMI's clients repeat it in the body.
    #[tracing::instrument(name = "cloud_init.put_group", skip_all, fields(name = ?request.get_ref().name))]
    async fn put_group(&self, request: Request<PutGroupRequest>) -> Result<Response<GroupChange>, Status> {
        let author = rpc::author(&request);
        let PutGroupRequest {
            name,
            group,
            if_revision,
        } = request.into_inner();
        author.asks(&PutGroupRequest {
            name: name.clone(),
            group: group.as_ref().map(asked),
            if_revision,
        });
        let group = Group {
            name,
            ..group.unwrap_or_default()
        };
        self.put(&author, group, false, if_revision).await
    }

    #[tracing::instrument(name = "cloud_init.patch_group", skip_all, fields(name = ?request.get_ref().name))]
    async fn patch_group(
        &self,
        request: Request<PatchGroupRequest>,
    ) -> Result<Response<GroupChange>, Status> {
        let author = rpc::author(&request);
        let request = request.into_inner();
        if request.file.is_some() || request.meta_data.is_some() {
            // a member that is behind would put the text of what is secret by now into the log
            self.store.linearize().await?;
        }
        check_patch(&self.store.state(), &request)?;
        let patch = cloud_init_command::PatchGroup {
            name: request.name,
            description: request.description,
            meta_data: request.meta_data,
            file: request.file,
            clear: request.clear,
            if_revision: request.if_revision,
        };
        let committed = self.propose(&author, Change::PatchGroup(patch)).await;
        Ok(stored(&committed.map_err(refused)?))
    }

    #[tracing::instrument(name = "cloud_init.delete_group", skip_all, fields(name = ?request.get_ref().name))]
    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<GroupChange>, Status> {
        let author = rpc::author(&request);
        let DeleteGroupRequest { name, if_revision } = request.into_inner();
        let delete = cloud_init_command::DeleteGroup { name, if_revision };
        let committed = self.propose(&author, Change::DeleteGroup(delete)).await?;
        Ok(Response::new(GroupChange {
            revision: committed.revision,
            location: String::new(),
        }))
    }
}
