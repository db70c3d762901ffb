//! HSM's partitions, method by method, and what memberships and filters know of them.

use crate::common::{admin, cut_off, node};
use proto::smd::v1::component::State;
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::group_service_server::GroupService as _;
use proto::smd::v1::membership_service_server::MembershipService as _;
use proto::smd::v1::partition_service_server::PartitionService as _;
use proto::smd::v1::{
    AddPartitionMemberRequest, CreateComponentsRequest, DeletePartitionRequest, GetGroupRequest,
    GetMembershipRequest, GetPartitionRequest, Group, GroupMembers, ListComponentsRequest,
    ListMembershipsRequest, ListPartitionMembersRequest, ListPartitionNamesRequest, ListPartitionsRequest,
    Partition, PatchPartitionRequest, RemovePartitionMemberRequest, ResourceUris,
};
use raft::Store;
use smd::{ComponentService, GroupService, MembershipService, PartitionService};
use tonic::{Code, Response, Status};

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";

/// A store with two nodes, and the partitions of it.
async fn machine() -> (Store, PartitionService) {
    let store = Store::in_memory();
    let components = vec![node(A, State::On), node(B, State::On)];
    let create = CreateComponentsRequest {
        components,
        force: false,
        ..Default::default()
    };
    let service = ComponentService::new(store.clone());
    service.create_components(admin(create)).await.unwrap();
    (store.clone(), PartitionService::new(store))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn partition(name: &str, members: &[&str]) -> Partition {
    Partition {
        name: name.into(),
        members: Some(GroupMembers { ids: texts(members) }),
        ..Partition::default()
    }
}

async fn create(service: &PartitionService, partition: Partition) -> Result<ResourceUris, Status> {
    let answer = service.create_partition(admin(partition)).await;
    answer.map(Response::into_inner)
}

async fn get(service: &PartitionService, name: &str) -> Result<Partition, Status> {
    let request = GetPartitionRequest { name: name.into() };
    service
        .get_partition(admin(request))
        .await
        .map(Response::into_inner)
}

fn add(name: &str, id: &str) -> AddPartitionMemberRequest {
    AddPartitionMemberRequest {
        name: name.into(),
        id: id.into(),
        ids: vec![],
        ..Default::default()
    }
}

#[tokio::test]
async fn a_created_partition_is_found_listed_and_named() {
    let (_, service) = machine().await;
    let given = Partition {
        tags: texts(&["Blue"]),
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..partition("P01", &["X0c0s1b0n0", A])
    };
    let answer = create(&service, given).await.unwrap();
    assert_eq!(answer.location, "/hsm/v2/partitions/p1");
    assert_eq!((answer.uris.len(), answer.revision), (1, 2));
    create(&service, partition("p2.1", &[])).await.unwrap();
    let stored = get(&service, "p1").await.unwrap();
    assert_eq!(stored.members.unwrap().ids, [A, B]);
    assert_eq!(stored.meta.unwrap().created.unwrap().principal, "user/admin");
    let names = service
        .list_partition_names(admin(ListPartitionNamesRequest {}))
        .await
        .unwrap();
    assert_eq!(names.into_inner().names, ["p1", "p2.1"]);
    for (partition, tag, expected) in [
        (vec![], vec![], vec!["p1", "p2.1"]),
        (texts(&["P2.1", "p9"]), vec![], vec!["p2.1"]),
        (vec![], texts(&["BLUE"]), vec!["p1"]),
        (texts(&["p2.1"]), texts(&["blue"]), vec![]),
    ] {
        let list = ListPartitionsRequest {
            partition,
            tag,
            ..ListPartitionsRequest::default()
        };
        let found = service.list_partitions(admin(list)).await.unwrap().into_inner();
        let found: Vec<&str> = found.partitions.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn bad_partitions_get_the_texts_of_hsm() {
    let (store, service) = machine().await;
    let revision = store.state().applied_index();
    let refused = create(&service, partition("blue", &[])).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused
            .message()
            .starts_with("couldn't validate partition: Invalid partition name: `blue`"),
        "{refused:?}"
    );
    let refused = create(&service, partition("p1", &["?"])).await.unwrap_err();
    assert!(refused.message().contains("members.ids"), "{refused:?}");
    for refused in [
        get(&service, "blue").await.unwrap_err(),
        service
            .add_partition_member(admin(add("blue", A)))
            .await
            .unwrap_err(),
    ] {
        assert!(
            refused.message().starts_with("Invalid partition name"),
            "{refused:?}"
        );
    }
    assert_eq!(store.state().applied_index(), revision, "nothing reached the log");
    let missing = get(&service, "p7").await.unwrap_err();
    assert_eq!(
        (missing.code(), missing.message()),
        (Code::NotFound, "no such partition: p7")
    );
    create(&service, partition("p1", &[A])).await.unwrap();
    let twice = create(&service, partition("p1", &[])).await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);
    let other = create(&service, partition("p2", &[A])).await.unwrap_err();
    assert!(other.message().contains("x0c0s0b0n0 is in p1"), "{other:?}");
    let conflict = other
        .metadata()
        .get(rpc::HTTP_STATUS)
        .map(|status| status.to_str().unwrap());
    assert!(matches!(conflict, None | Some("409")), "{conflict:?}");
    let nothing = PatchPartitionRequest {
        name: "p1".into(),
        ..PatchPartitionRequest::default()
    };
    let refused = service.patch_partition(admin(nothing)).await.unwrap_err();
    assert_eq!(refused.message(), "Request must have at least one patch field.");
}

#[tokio::test]
async fn partitions_are_patched_filled_emptied_and_deleted() {
    let (_, service) = machine().await;
    create(&service, partition("p1", &[])).await.unwrap();
    let patch = PatchPartitionRequest {
        name: "p1".into(),
        description: Some("West".into()),
        tags: vec![],
        replace_tags: true,
        ..Default::default()
    };
    service.patch_partition(admin(patch)).await.unwrap();
    assert_eq!(get(&service, "p1").await.unwrap().description, "West");
    let added = service.add_partition_member(admin(add("P1", B))).await.unwrap();
    assert_eq!(
        added.into_inner().location,
        "/hsm/v2/partitions/p1/members/x0c0s1b0n0"
    );
    let twice = service
        .add_partition_member(admin(add("p1", B)))
        .await
        .unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);
    let members = ListPartitionMembersRequest { name: "p1".into() };
    let members = service.list_partition_members(admin(members)).await.unwrap();
    assert_eq!(members.into_inner().ids, [B]);
    let remove = |id: &str| RemovePartitionMemberRequest {
        name: "p1".into(),
        id: id.into(),
        ids: vec![],
        ..Default::default()
    };
    let removed = service.remove_partition_member(admin(remove(B))).await.unwrap();
    assert_eq!(removed.into_inner().message, "deleted 1 entry");
    let again = service
        .remove_partition_member(admin(remove(B)))
        .await
        .unwrap_err();
    assert_eq!(again.message(), "no such member of partition p1: x0c0s1b0n0");
    let delete = || DeletePartitionRequest {
        name: "p1".into(),
        ..Default::default()
    };
    let deleted = service.delete_partition(admin(delete())).await.unwrap();
    assert_eq!(deleted.into_inner().message, "deleted 1 entry");
    let again = service.delete_partition(admin(delete())).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
}

/// cloud-init and administrators read it in the membership; every list filters by it.
#[tokio::test]
async fn partitions_show_in_memberships_filters_and_groups() {
    let (store, service) = machine().await;
    create(&service, partition("p1", &[A])).await.unwrap();
    let memberships = MembershipService::new(store.clone());
    let get = GetMembershipRequest { id: A.into() };
    let membership = memberships.get_membership(admin(get)).await.unwrap().into_inner();
    assert_eq!(membership.partition_name, "p1");
    let components = ComponentService::new(store.clone());
    for (value, expected) in [("p1", A), ("!p1", B), ("NULL", B), ("!NULL", A)] {
        let list = ListMembershipsRequest {
            partition: texts(&[value]),
            ..ListMembershipsRequest::default()
        };
        let found = memberships
            .list_memberships(admin(list))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(found.memberships.len(), 1, "{value}");
        assert_eq!(found.memberships[0].id, expected, "{value}");
        let list = ListComponentsRequest {
            partition: texts(&[value]),
            ..ListComponentsRequest::default()
        };
        let found = components
            .list_components(admin(list))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (found.components.len(), found.components[0].id.as_str()),
            (1, expected),
            "{value}"
        );
    }
    let groups = GroupService::new(store);
    let group = Group {
        label: "g".into(),
        members: Some(GroupMembers { ids: texts(&[A, B]) }),
        ..Group::default()
    };
    groups.create_group(admin(group)).await.unwrap();
    for (partition, expected) in [
        ("", vec![A, B]),
        ("p1", vec![A]),
        ("NULL", vec![B]),
        ("p2", vec![]),
    ] {
        let get = GetGroupRequest {
            label: "g".into(),
            partition: partition.into(),
        };
        let shown = groups.get_group(admin(get)).await.unwrap().into_inner();
        assert_eq!(shown.members.unwrap().ids, expected, "{partition}");
    }
}

#[tokio::test]
async fn without_a_majority_nothing_is_changed_and_the_answer_says_so() {
    let (store, service) = machine().await;
    create(&service, partition("p1", &[])).await.unwrap();
    let alone = PartitionService::new(cut_off(&store));
    let delete = DeletePartitionRequest {
        name: "p1".into(),
        ..Default::default()
    };
    for refused in [
        create(&alone, partition("p2", &[])).await.unwrap_err(),
        alone.add_partition_member(admin(add("p1", A))).await.unwrap_err(),
        alone.delete_partition(admin(delete)).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    }
    get(&alone, "p1").await.unwrap();
}
