//! HSM's groups and their members.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::{
    AddGroupMemberRequest, DeleteGroupRequest, DeleteResponse, GetGroupRequest, Group, GroupChange,
    GroupMembers, ListGroupLabelsRequest, ListGroupLabelsResponse, ListGroupMembersRequest,
    ListGroupsRequest, ListGroupsResponse, PatchGroupRequest, RemoveGroupMemberRequest,
    ReplaceGroupMembersRequest, ResourceUri, ResourceUris, SmdCommand, group_service_server, smd_command,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::group_filter::{GroupFilter, ShownMembers, label};
use crate::{etag, legacy, page};

/// Where the collection is found.
const COLLECTION: &str = "/hsm/v2/groups";

/// Named sets of components.
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

    async fn propose(&self, author: &Author, change: smd_command::Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }

    fn stored(&self, text: &str) -> Result<Arc<Group>, Error> {
        let label = label(text)?;
        self.store
            .state()
            .smd
            .group(&label)
            .ok_or_else(|| legacy::no_such_group(&label))
    }
}

#[tonic::async_trait]
impl group_service_server::GroupService for GroupService {
    #[tracing::instrument(level = "debug", name = "smd.list_groups", skip_all)]
    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let filter = GroupFilter::parse(&request)?;
        let shown = ShownMembers::parse(&request.partition)?;
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let wanted = state
            .smd
            .groups_after(page.after())
            .filter(|group| filter.admits(group));
        let (groups, next_page_token) = page.cut(
            wanted,
            |group| &group.label,
            |group| shown.of_group(group, &state.smd),
        );
        Ok(Response::new(ListGroupsResponse {
            groups,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "smd.create_group", skip_all, fields(label = ?request.get_ref().label))]
    async fn create_group(&self, request: Request<Group>) -> Result<Response<ResourceUris>, Status> {
        let author = rpc::author(&request);
        let group = new_group(request.into_inner())?;
        let uri = format!("{COLLECTION}/{}", group.label);
        let create = smd_command::CreateGroup { group: Some(group) };
        let committed = self
            .propose(&author, smd_command::Change::CreateGroup(create))
            .await?;
        Ok(Response::new(uris(vec![uri], committed.revision)))
    }

    #[tracing::instrument(level = "debug", name = "smd.list_group_labels", skip_all)]
    async fn list_group_labels(
        &self,
        _: Request<ListGroupLabelsRequest>,
    ) -> Result<Response<ListGroupLabelsResponse>, Status> {
        let state = self.store.state();
        let labels = state.smd.groups().map(|group| group.label.clone()).collect();
        Ok(Response::new(ListGroupLabelsResponse { labels }))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_group", skip_all, fields(label = ?request.get_ref().label))]
    async fn get_group(&self, request: Request<GetGroupRequest>) -> Result<Response<Group>, Status> {
        let GetGroupRequest { label, partition } = request.get_ref();
        let shown = ShownMembers::parse(partition)?;
        let group = self.stored(label)?;
        let mut group = shown.of_group(&group, &self.store.state().smd);
        if !partition.is_empty() {
            group.meta = None; // of a part, which changes with its partition, too
        }
        Ok(Response::new(group))
    }

    #[tracing::instrument(name = "smd.patch_group", skip_all, fields(label = ?request.get_ref().label))]
    async fn patch_group(
        &self,
        request: Request<PatchGroupRequest>,
    ) -> Result<Response<GroupChange>, Status> {
        let author = rpc::author(&request);
        let patch = patch_of(request.into_inner())?;
        let committed = self
            .propose(&author, smd_command::Change::PatchGroup(patch))
            .await?;
        Ok(Response::new(GroupChange {
            revision: committed.revision,
        }))
    }

    #[tracing::instrument(name = "smd.delete_group", skip_all, fields(label = ?request.get_ref().label))]
    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let DeleteGroupRequest {
            label: text,
            if_revision,
        } = request.get_ref();
        let delete = smd_command::DeleteGroup {
            label: label(text)?,
            if_revision: *if_revision,
        };
        let committed = self
            .propose(&author, smd_command::Change::DeleteGroup(delete))
            .await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }

    #[tracing::instrument(level = "debug", name = "smd.list_group_members", skip_all, fields(label = ?request.get_ref().label))]
    async fn list_group_members(
        &self,
        request: Request<ListGroupMembersRequest>,
    ) -> Result<Response<GroupMembers>, Status> {
        let ListGroupMembersRequest { label, partition } = request.get_ref();
        let shown = ShownMembers::parse(partition)?;
        let group = self.stored(label)?;
        let mut response = Response::new(shown.of(&group, &self.store.state().smd));
        if partition.is_empty() {
            etag::set(&mut response, &self.store, group.meta.as_ref());
        }
        Ok(response)
    }

    #[tracing::instrument(name = "smd.add_group_member", skip_all, fields(label = ?request.get_ref().label))]
    async fn add_group_member(
        &self,
        request: Request<AddGroupMemberRequest>,
    ) -> Result<Response<ResourceUris>, Status> {
        let author = rpc::author(&request);
        let AddGroupMemberRequest {
            label: text,
            id,
            ids,
            if_revision,
        } = request.into_inner();
        let (label, ids) = (label(&text)?, named_members(id, ids)?);
        let member_uris = ids.iter().map(|id| member_uri(&label, id)).collect();
        let add = smd_command::AddGroupMember {
            label,
            ids,
            if_revision,
        };
        let committed = self
            .propose(&author, smd_command::Change::AddGroupMember(add))
            .await?;
        Ok(Response::new(uris(member_uris, committed.revision)))
    }

    /// HSM lists every member that there is now, and answers 204 when there is none.
    #[tracing::instrument(name = "smd.replace_group_members", skip_all, fields(label = ?request.get_ref().label))]
    async fn replace_group_members(
        &self,
        request: Request<ReplaceGroupMembersRequest>,
    ) -> Result<Response<ResourceUris>, Status> {
        let author = rpc::author(&request);
        let ReplaceGroupMembersRequest {
            label: text,
            ids,
            if_revision,
        } = request.get_ref();
        let (label, ids) = (label(text)?, members("invalid xname IDs", ids)?);
        let sorted: BTreeSet<&String> = ids.iter().collect();
        let member_uris = sorted.into_iter().map(|id| member_uri(&label, id)).collect();
        let replace = smd_command::ReplaceGroupMembers {
            label,
            ids,
            if_revision: *if_revision,
        };
        let committed = self
            .propose(&author, smd_command::Change::ReplaceGroupMembers(replace))
            .await?;
        let answer = uris(member_uris, committed.revision);
        Ok(legacy::created_or_empty(answer))
    }

    #[tracing::instrument(name = "smd.remove_group_member", skip_all, fields(label = ?request.get_ref().label))]
    async fn remove_group_member(
        &self,
        request: Request<RemoveGroupMemberRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let RemoveGroupMemberRequest {
            label: text,
            id,
            ids,
            if_revision,
        } = request.into_inner();
        let (label, ids) = (label(&text)?, named_members(id, ids)?);
        let remove = smd_command::RemoveGroupMember {
            label,
            ids,
            if_revision,
        };
        let committed = self
            .propose(&author, smd_command::Change::RemoveGroupMember(remove))
            .await?;
        Ok(Response::new(legacy::deleted_some(&committed)))
    }
}

/// A group as it stands in the log: label and members in normal form, without a meta of the client's. What depends
/// on other objects is `state`'s to check.
///
/// # Errors
/// `Invalid` with HSM's `couldn't validate group` and the field.
fn new_group(given: Group) -> Result<Group, Error> {
    let within = |error: Error| match error {
        Error::Invalid { field, problem } => Error::Invalid {
            field: "couldn't validate group".to_owned(),
            problem: format!("{field}: {problem}"),
        },
        other => other,
    };
    let ids = given.members.map(|members| members.ids).unwrap_or_default();
    Ok(Group {
        label: label(&given.label).map_err(within)?,
        members: Some(GroupMembers {
            ids: members("members.ids", &ids).map_err(within)?,
        }),
        meta: None,
        ..Group {
            description: given.description,
            exclusive_group: given.exclusive_group,
            tags: given.tags,
            ..Group::default()
        }
    })
}

/// # Errors
/// HSM's text for a patch of nothing, and for a label that is none.
fn patch_of(request: PatchGroupRequest) -> Result<smd_command::PatchGroup, Status> {
    let replaces_tags = request.replace_tags || !request.tags.is_empty();
    if request.description.is_none() && !replaces_tags {
        return Err(Status::invalid_argument(
            "Request must have at least one patch field.",
        ));
    }
    Ok(smd_command::PatchGroup {
        label: label(&request.label)?,
        description: request.description,
        tags: replaces_tags.then_some(smd_command::Tags { items: request.tags }),
        if_revision: request.if_revision,
    })
}

/// HSM's one id, and those that the native API adds to it.
pub(crate) fn named_members(id: String, ids: Vec<String>) -> Result<Vec<String>, Error> {
    let all: Vec<String> = if id.is_empty() && !ids.is_empty() {
        ids
    } else {
        std::iter::once(id).chain(ids).collect()
    };
    members("invalid xname ID", &all)
}

pub(crate) fn members(field: &str, texts: &[String]) -> Result<Vec<String>, Error> {
    let parse = |text: &String| text.parse::<Xname>().map(|id| id.to_string());
    texts
        .iter()
        .map(|text| parse(text).map_err(|problem| rpc::invalid(field, problem)))
        .collect()
}

fn uris(uris: Vec<String>, revision: u64) -> ResourceUris {
    resource_uris(COLLECTION, uris, revision)
}

fn member_uri(label: &str, id: &str) -> String {
    format!("{COLLECTION}/{label}/members/{id}")
}

/// HSM points at the resource if it is one, else at the collection.
pub(crate) fn resource_uris(collection: &str, uris: Vec<String>, revision: u64) -> ResourceUris {
    let location = match uris.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        _ => collection.to_owned(),
    };
    let uris = uris.into_iter().map(|uri| ResourceUri { uri, revision: 0 });
    ResourceUris {
        uris: uris.collect(),
        location,
        revision,
    }
}
