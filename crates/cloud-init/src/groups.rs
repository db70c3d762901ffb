//! OpenCHAMI's `/cloud-init/admin/groups`: what the members of SMD's groups are given.

use proto::cloud_init::v1::cloud_init_command::{self, Change};
use proto::cloud_init::v1::{
    CloudInitCommand, DeleteGroupRequest, GetGroupRequest, Group, GroupChange, ListGroupsRequest,
    ListGroupsResponse, PutGroupRequest, group_service_server,
};
use proto::raft::v1::entry::Command;
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

/// Where a group is found, for `Location`.
const PATH: &str = "/cloud-init/admin/groups/";
/// What OpenCHAMI answers to a group that it does not take.
const UNPROCESSABLE: u16 = 422;

/// Groups of cloud-init.
#[derive(Clone, Debug)]
pub struct GroupService {
    store: Store,
}

impl GroupService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> GroupService {
        GroupService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        let command = Command::CloudInit(CloudInitCommand { change: Some(change) });
        self.store.propose_by(author, command).await
    }

    async fn put(
        &self,
        author: &Author,
        group: Group,
        must_be_new: bool,
    ) -> Result<Response<GroupChange>, Status> {
        let put = cloud_init_command::PutGroup {
            group: Some(group),
            must_be_new,
        };
        let committed = self.propose(author, Change::PutGroup(put)).await;
        let committed = committed.map_err(|error| match error {
            Error::Invalid { .. } => error.with_http_status(UNPROCESSABLE),
            other => other.into(),
        })?;
        let applied = &committed.applied;
        let name = applied.created.iter().chain(&applied.updated).next();
        Ok(Response::new(GroupChange {
            revision: committed.revision,
            location: name.map(|name| format!("{PATH}{name}")).unwrap_or_default(),
        }))
    }
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
        self.put(&author, request.into_inner(), true).await
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
        let PutGroupRequest { name, group } = request.into_inner();
        let group = Group {
            name,
            ..group.unwrap_or_default()
        };
        self.put(&author, group, false).await
    }

    #[tracing::instrument(name = "cloud_init.delete_group", skip_all, fields(name = ?request.get_ref().name))]
    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<GroupChange>, Status> {
        let author = rpc::author(&request);
        let delete = cloud_init_command::DeleteGroup {
            name: request.into_inner().name,
        };
        let committed = self.propose(&author, Change::DeleteGroup(delete)).await?;
        Ok(Response::new(GroupChange {
            revision: committed.revision,
            location: String::new(),
        }))
    }
}
