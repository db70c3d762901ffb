//! HSM's partitions and their members.

use std::sync::Arc;

use model::PartitionName;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::Change;
use proto::smd::v1::{
    AddPartitionMemberRequest, DeletePartitionRequest, DeleteResponse, GetPartitionRequest, GroupMembers,
    ListPartitionMembersRequest, ListPartitionNamesRequest, ListPartitionNamesResponse,
    ListPartitionsRequest, ListPartitionsResponse, Partition, PartitionChange, PatchPartitionRequest,
    RemovePartitionMemberRequest, ResourceUris, SmdCommand, partition_service_server, smd_command,
};
use raft::{Committed, Store};
use rpc::{Author, Error};
use tonic::{Request, Response, Status};

use crate::filter::OneOf;
use crate::group_filter::tag;
use crate::groups::{members, named_members, resource_uris};
use crate::{etag, legacy, page};

/// Where the collection is found.
const COLLECTION: &str = "/hsm/v2/partitions";

/// Parts of the system under names of their own.
#[derive(Clone, Debug)]
pub struct PartitionService {
    store: Store,
}

impl PartitionService {
    /// A service that changes and answers from `store`.
    #[must_use]
    pub fn new(store: Store) -> PartitionService {
        PartitionService { store }
    }

    async fn propose(&self, author: &Author, change: Change) -> Result<Committed, Error> {
        self.store
            .propose_by(author, Command::Smd(SmdCommand { change: Some(change) }))
            .await
    }

    fn stored(&self, text: &str) -> Result<Arc<Partition>, Error> {
        let name = name(text)?;
        self.store
            .state()
            .smd
            .partition(&name)
            .ok_or_else(|| legacy::no_such_partition(&name))
    }
}

#[tonic::async_trait]
impl partition_service_server::PartitionService for PartitionService {
    #[tracing::instrument(level = "debug", name = "smd.list_partitions", skip_all)]
    async fn list_partitions(
        &self,
        request: Request<ListPartitionsRequest>,
    ) -> Result<Response<ListPartitionsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = page::Asked::take(&mut request.page_size, &mut request.page_token);
        let names = OneOf::parse(&request.partition, name)?;
        let tags = OneOf::parse(&request.tag, tag)?;
        let state = self.store.state();
        let page = asked.of(&request, state.cluster_id())?;
        let wanted = state.smd.partitions_after(page.after()).filter(|partition| {
            names.admits(&partition.name) && tags.admits_if(|tag| partition.tags.contains(tag))
        });
        let (partitions, next_page_token) = page.cut(
            wanted,
            |partition| &partition.name,
            |partition| partition.as_ref().clone(),
        );
        Ok(Response::new(ListPartitionsResponse {
            partitions,
            revision: state.applied_index(),
            next_page_token,
        }))
    }

    #[tracing::instrument(name = "smd.create_partition", skip_all, fields(name = ?request.get_ref().name))]
    async fn create_partition(&self, request: Request<Partition>) -> Result<Response<ResourceUris>, Status> {
        let author = rpc::author(&request);
        let partition = new_partition(request.into_inner())?;
        let uri = format!("{COLLECTION}/{}", partition.name);
        let create = smd_command::CreatePartition {
            partition: Some(partition),
        };
        let committed = self.propose(&author, Change::CreatePartition(create)).await?;
        Ok(Response::new(resource_uris(
            COLLECTION,
            vec![uri],
            committed.revision,
        )))
    }

    #[tracing::instrument(level = "debug", name = "smd.list_partition_names", skip_all)]
    async fn list_partition_names(
        &self,
        _: Request<ListPartitionNamesRequest>,
    ) -> Result<Response<ListPartitionNamesResponse>, Status> {
        let state = self.store.state();
        let names = state.smd.partitions().map(|partition| partition.name.clone());
        Ok(Response::new(ListPartitionNamesResponse {
            names: names.collect(),
        }))
    }

    #[tracing::instrument(level = "debug", name = "smd.get_partition", skip_all, fields(name = ?request.get_ref().name))]
    async fn get_partition(
        &self,
        request: Request<GetPartitionRequest>,
    ) -> Result<Response<Partition>, Status> {
        let partition = self.stored(&request.get_ref().name)?;
        Ok(Response::new(partition.as_ref().clone()))
    }

    #[tracing::instrument(name = "smd.patch_partition", skip_all, fields(name = ?request.get_ref().name))]
    async fn patch_partition(
        &self,
        request: Request<PatchPartitionRequest>,
    ) -> Result<Response<PartitionChange>, Status> {
        let author = rpc::author(&request);
        let patch = patch_of(request.into_inner())?;
        let committed = self.propose(&author, Change::PatchPartition(patch)).await?;
        Ok(Response::new(PartitionChange {
            revision: committed.revision,
        }))
    }

    #[tracing::instrument(name = "smd.delete_partition", skip_all, fields(name = ?request.get_ref().name))]
    async fn delete_partition(
        &self,
        request: Request<DeletePartitionRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let DeletePartitionRequest {
            name: text,
            if_revision,
        } = request.get_ref();
        let delete = smd_command::DeletePartition {
            name: name(text)?,
            if_revision: *if_revision,
        };
        let committed = self.propose(&author, Change::DeletePartition(delete)).await?;
        Ok(Response::new(legacy::deleted_one(&committed)))
    }

    #[tracing::instrument(level = "debug", name = "smd.list_partition_members", skip_all, fields(name = ?request.get_ref().name))]
    async fn list_partition_members(
        &self,
        request: Request<ListPartitionMembersRequest>,
    ) -> Result<Response<GroupMembers>, Status> {
        let partition = self.stored(&request.get_ref().name)?;
        let mut response = Response::new(partition.members.clone().unwrap_or_default());
        etag::set(&mut response, &self.store, partition.meta.as_ref());
        Ok(response)
    }

    #[tracing::instrument(name = "smd.add_partition_member", skip_all, fields(name = ?request.get_ref().name))]
    async fn add_partition_member(
        &self,
        request: Request<AddPartitionMemberRequest>,
    ) -> Result<Response<ResourceUris>, Status> {
        let author = rpc::author(&request);
        let AddPartitionMemberRequest {
            name: text,
            id,
            ids,
            if_revision,
        } = request.into_inner();
        let (name, ids) = (name(&text)?, named_members(id, ids)?);
        let uri = |id: &String| format!("{COLLECTION}/{name}/members/{id}");
        let member_uris = ids.iter().map(uri).collect();
        let add = smd_command::AddPartitionMember {
            name: name.clone(),
            ids,
            if_revision,
        };
        let committed = self.propose(&author, Change::AddPartitionMember(add)).await?;
        Ok(Response::new(resource_uris(
            COLLECTION,
            member_uris,
            committed.revision,
        )))
    }

    #[tracing::instrument(name = "smd.remove_partition_member", skip_all, fields(name = ?request.get_ref().name))]
    async fn remove_partition_member(
        &self,
        request: Request<RemovePartitionMemberRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let author = rpc::author(&request);
        let RemovePartitionMemberRequest {
            name: text,
            id,
            ids,
            if_revision,
        } = request.into_inner();
        let remove = smd_command::RemovePartitionMember {
            name: name(&text)?,
            ids: named_members(id, ids)?,
            if_revision,
        };
        let committed = self
            .propose(&author, Change::RemovePartitionMember(remove))
            .await?;
        Ok(Response::new(legacy::deleted_some(&committed)))
    }
}

/// The name that a URL or a query means.
fn name(text: &str) -> Result<String, Error> {
    let parsed: Result<PartitionName, _> = text.parse();
    parsed
        .map(String::from)
        .map_err(|problem| rpc::invalid("Invalid partition name", problem))
}

/// A partition as it stands in the log, without a meta of the client's.
///
/// # Errors
/// `Invalid` with HSM's `couldn't validate partition` and the field.
fn new_partition(given: Partition) -> Result<Partition, Error> {
    let within = |error: Error| match error {
        Error::Invalid { field, problem } => Error::Invalid {
            field: "couldn't validate partition".to_owned(),
            problem: format!("{field}: {problem}"),
        },
        other => other,
    };
    let ids = given.members.map(|members| members.ids).unwrap_or_default();
    Ok(Partition {
        name: name(&given.name).map_err(within)?,
        description: given.description,
        tags: given.tags,
        members: Some(GroupMembers {
            ids: members("members.ids", &ids).map_err(within)?,
        }),
        meta: None,
    })
}

/// # Errors
/// HSM's text for a patch of nothing, and for a name that is none.
fn patch_of(request: PatchPartitionRequest) -> Result<smd_command::PatchPartition, Status> {
    let replaces_tags = request.replace_tags || !request.tags.is_empty();
    if request.description.is_none() && !replaces_tags {
        return Err(Status::invalid_argument(
            "Request must have at least one patch field.",
        ));
    }
    Ok(smd_command::PatchPartition {
        name: name(&request.name)?,
        description: request.description,
        tags: replaces_tags.then_some(smd_command::Tags { items: request.tags }),
        if_revision: request.if_revision,
    })
}
