//! Groups and partitions: the same changes by two services. Each names the revision that it was decided on, and gives the one
//! that it led to.

use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::partition_service_client::PartitionServiceClient;
use proto::smd::v1::{
    AddGroupMemberRequest, AddPartitionMemberRequest, Group, PatchGroupRequest, PatchPartitionRequest,
    RemoveGroupMemberRequest, RemovePartitionMemberRequest,
};
use rpc::client::ExactlyOnce;
use tonic::Status;

use super::partitions::of_group;

/// One of the two services.
pub(super) enum Sets {
    Groups(GroupServiceClient<ExactlyOnce>),
    Partitions(PartitionServiceClient<ExactlyOnce>),
}

impl Sets {
    pub(super) fn groups(connection: &ExactlyOnce) -> Self {
        Self::Groups(GroupServiceClient::new(connection.clone()))
    }

    pub(super) fn partitions(connection: &ExactlyOnce) -> Self {
        Self::Partitions(PartitionServiceClient::new(connection.clone()))
    }

    pub(super) async fn create(&mut self, group: Group) -> Result<(), Status> {
        match self {
            Self::Groups(client) => client.create_group(group).await.map(drop),
            Self::Partitions(client) => client.create_partition(of_group(group)).await.map(drop),
        }
    }

    /// Description and tags.
    pub(super) async fn patch(&mut self, after: &Group, at: u64) -> Result<u64, Status> {
        let (name, tags) = (after.label.clone(), after.tags.clone());
        let (description, if_revision) = (Some(after.description.clone()), Some(at));
        match self {
            Self::Groups(client) => {
                let request = PatchGroupRequest {
                    label: name,
                    description,
                    tags,
                    replace_tags: true,
                    if_revision,
                };
                Ok(client.patch_group(request).await?.into_inner().revision)
            }
            Self::Partitions(client) => {
                let request = PatchPartitionRequest {
                    name,
                    description,
                    tags,
                    replace_tags: true,
                    if_revision,
                };
                Ok(client.patch_partition(request).await?.into_inner().revision)
            }
        }
    }

    pub(super) async fn add_members(&mut self, name: &str, ids: Vec<String>, at: u64) -> Result<u64, Status> {
        let (name, id, if_revision) = (name.to_owned(), String::new(), Some(at));
        match self {
            Self::Groups(client) => {
                let request = AddGroupMemberRequest {
                    label: name,
                    id,
                    ids,
                    if_revision,
                };
                Ok(client.add_group_member(request).await?.into_inner().revision)
            }
            Self::Partitions(client) => {
                let request = AddPartitionMemberRequest {
                    name,
                    id,
                    ids,
                    if_revision,
                };
                Ok(client.add_partition_member(request).await?.into_inner().revision)
            }
        }
    }

    pub(super) async fn remove_members(
        &mut self,
        name: &str,
        ids: Vec<String>,
        at: u64,
    ) -> Result<u64, Status> {
        let (name, id, if_revision) = (name.to_owned(), String::new(), Some(at));
        match self {
            Self::Groups(client) => {
                let request = RemoveGroupMemberRequest {
                    label: name,
                    id,
                    ids,
                    if_revision,
                };
                Ok(client.remove_group_member(request).await?.into_inner().revision)
            }
            Self::Partitions(client) => {
                let request = RemovePartitionMemberRequest {
                    name,
                    id,
                    ids,
                    if_revision,
                };
                Ok(client
                    .remove_partition_member(request)
                    .await?
                    .into_inner()
                    .revision)
            }
        }
    }
}
