//! HSM's groups, method by method: what changes, what is answered, and with which code.

use crate::common::{admin, cut_off, node};
use proto::smd::v1::component::State;
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::group_service_server::GroupService as _;
use proto::smd::v1::{
    AddGroupMemberRequest, CreateComponentsRequest, DeleteComponentRequest, DeleteGroupRequest,
    GetGroupRequest, Group, GroupMembers, ListGroupLabelsRequest, ListGroupMembersRequest, ListGroupsRequest,
    PatchGroupRequest, RemoveGroupMemberRequest, ReplaceGroupMembersRequest, ResourceUris,
};
use raft::Store;
use smd::{ComponentService, GroupService};
use tonic::{Code, Response, Status};

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";

/// A store with two nodes, and the groups of it.
async fn machine() -> (Store, GroupService) {
    let store = Store::in_memory();
    let components = vec![node(A, State::On), node(B, State::On)];
    let create = CreateComponentsRequest {
        components,
        force: false,
        ..Default::default()
    };
    let service = ComponentService::new(store.clone());
    service.create_components(admin(create)).await.unwrap();
    (store.clone(), GroupService::new(store))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn group(label: &str, members: &[&str]) -> Group {
    Group {
        label: label.into(),
        members: Some(GroupMembers { ids: texts(members) }),
        ..Group::default()
    }
}

async fn create(service: &GroupService, group: Group) -> Result<ResourceUris, Status> {
    let answer = service.create_group(admin(group)).await;
    answer.map(Response::into_inner)
}

async fn get(service: &GroupService, label: &str) -> Result<Group, Status> {
    let request = GetGroupRequest {
        label: label.into(),
        ..GetGroupRequest::default()
    };
    service.get_group(admin(request)).await.map(Response::into_inner)
}

async fn members(service: &GroupService, label: &str) -> Vec<String> {
    get(service, label).await.unwrap().members.unwrap().ids
}

fn add(label: &str, id: &str) -> AddGroupMemberRequest {
    AddGroupMemberRequest {
        label: label.into(),
        id: id.into(),
        ..AddGroupMemberRequest::default()
    }
}

fn replace(label: &str, ids: &[&str]) -> ReplaceGroupMembersRequest {
    ReplaceGroupMembersRequest {
        label: label.into(),
        ids: texts(ids),
        ..Default::default()
    }
}

fn uris(answer: &ResourceUris) -> Vec<&str> {
    answer.uris.iter().map(|uri| uri.uri.as_str()).collect()
}

/// HTTP status that the gateway is told; none when it is the usual one.
fn http_status(status: &Status) -> Option<&str> {
    status
        .metadata()
        .get(rpc::HTTP_STATUS)
        .map(|status| status.to_str().unwrap())
}

#[tokio::test]
async fn a_created_group_is_found_under_its_uri_in_any_case() {
    let (_, service) = machine().await;
    let given = Group {
        description: "d".into(),
        tags: texts(&["Slurm"]),
        exclusive_group: "Use".into(),
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..group("Compute", &["X0c0s1b0n0", A])
    };
    let answer = create(&service, given).await.unwrap();
    assert_eq!(uris(&answer), ["/hsm/v2/groups/compute"]);
    assert_eq!(
        (answer.location.as_str(), answer.revision),
        ("/hsm/v2/groups/compute", 2)
    );
    for label in ["compute", "COMPUTE"] {
        let stored = get(&service, label).await.unwrap();
        assert_eq!(
            (stored.label.as_str(), stored.tags),
            ("compute", texts(&["slurm"]))
        );
        assert_eq!(stored.exclusive_group, "use");
        assert_eq!(stored.members.unwrap().ids, [A, B]);
        let created = stored.meta.unwrap().created.unwrap();
        assert_eq!((created.revision, created.principal.as_str()), (2, "user/admin"));
    }
}

#[tokio::test]
async fn bad_groups_are_refused_by_field_before_they_reach_the_log() {
    let (store, service) = machine().await;
    let revision = store.state().applied_index();
    for (given, begin) in [
        (group("", &[]), "couldn't validate group: Invalid group label: "),
        (
            group("a b", &[]),
            "couldn't validate group: Invalid group label: `a b`",
        ),
        (
            group("g", &["nowhere"]),
            "couldn't validate group: members.ids: `nowhere` is not an xname",
        ),
    ] {
        let refused = create(&service, given).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(begin), "{}", refused.message());
    }
    assert_eq!(store.state().applied_index(), revision);
}

/// What only the state knows: HSM's codes, and texts that say more than HSM's.
#[tokio::test]
async fn what_contradicts_the_state_is_refused_with_the_codes_of_hsm() {
    let (_, service) = machine().await;
    let colour = |label: &str, members: &[&str]| Group {
        exclusive_group: "colour".into(),
        ..group(label, members)
    };
    create(&service, colour("blue", &[A])).await.unwrap();
    create(&service, colour("red", &[])).await.unwrap();
    let missing = create(&service, group("g", &["x0c0s9b0n0"])).await.unwrap_err();
    assert_eq!(
        (missing.code(), http_status(&missing)),
        (Code::InvalidArgument, None)
    );
    assert!(
        missing
            .message()
            .contains("linked component does not exist: x0c0s9b0n0")
    );
    let twice = create(&service, group("Blue", &[])).await.unwrap_err();
    assert_eq!((twice.code(), http_status(&twice)), (Code::AlreadyExists, None));
    assert!(
        twice
            .message()
            .contains("an existing group that has the same label")
    );
    let exclusive = [
        create(&service, colour("green", &[A])).await.unwrap_err(),
        service.add_group_member(admin(add("red", A))).await.unwrap_err(),
        service
            .replace_group_members(admin(replace("red", &[A, B])))
            .await
            .unwrap_err(),
    ];
    for refused in exclusive {
        assert_eq!(http_status(&refused), Some("409"), "{refused:?}");
        for word in ["existing member in another exclusive group", A, "blue"] {
            assert!(refused.message().contains(word), "{}", refused.message());
        }
    }
    assert!(members(&service, "red").await.is_empty());
}

#[tokio::test]
async fn a_group_that_is_not_there_is_not_found_and_a_bad_label_is_bad() {
    let (_, service) = machine().await;
    for (label, code, text) in [
        ("none", Code::NotFound, "no such group: none"),
        ("a b", Code::InvalidArgument, "Invalid group label: `a b`"),
    ] {
        let list = ListGroupMembersRequest {
            label: label.into(),
            ..Default::default()
        };
        let patch = PatchGroupRequest {
            label: label.into(),
            description: Some("d".into()),
            ..Default::default()
        };
        let delete = DeleteGroupRequest {
            label: label.into(),
            ..Default::default()
        };
        let remove = RemoveGroupMemberRequest {
            label: label.into(),
            id: A.into(),
            ..Default::default()
        };
        let refused = [
            get(&service, label).await.unwrap_err(),
            service.list_group_members(admin(list)).await.unwrap_err(),
            service.patch_group(admin(patch)).await.unwrap_err(),
            service.delete_group(admin(delete)).await.unwrap_err(),
            service.add_group_member(admin(add(label, A))).await.unwrap_err(),
            service
                .replace_group_members(admin(replace(label, &[A])))
                .await
                .unwrap_err(),
            service.remove_group_member(admin(remove)).await.unwrap_err(),
        ];
        for refused in refused {
            assert_eq!(refused.code(), code, "{refused:?}");
            assert!(refused.message().starts_with(text), "{}", refused.message());
        }
    }
}

#[tokio::test]
async fn lists_are_filtered_and_sorted() {
    let (_, service) = machine().await;
    let tagged = Group {
        tags: texts(&["slurm"]),
        ..group("b", &[A])
    };
    create(&service, tagged).await.unwrap();
    create(&service, group("a", &[A])).await.unwrap();
    let found = async |group: &[&str], tag: &[&str], partition: &str| {
        let request = ListGroupsRequest {
            group: texts(group),
            tag: texts(tag),
            partition: partition.into(),
            ..Default::default()
        };
        let answer = service.list_groups(admin(request)).await.unwrap().into_inner();
        assert_eq!(answer.revision, 3);
        let shown = |group: Group| (group.label, group.members.unwrap().ids.len());
        answer.groups.into_iter().map(shown).collect::<Vec<_>>()
    };
    let (a, b) = (("a".to_owned(), 1), ("b".to_owned(), 1));
    assert_eq!(found(&[], &[], "").await, [a.clone(), b.clone()]);
    assert_eq!(found(&["B", "c"], &[], "NULL").await, std::slice::from_ref(&b));
    assert_eq!(found(&[], &["SLURM"], "").await, [b]);
    assert_eq!(found(&["a"], &["slurm"], "").await, []);
    assert_eq!(found(&["a"], &[], "p1").await, [("a".to_owned(), 0)]);
    let bad = ListGroupsRequest {
        tag: texts(&["a b"]),
        ..Default::default()
    };
    let refused = service.list_groups(admin(bad)).await.unwrap_err();
    assert!(
        refused.message().starts_with("Invalid tag"),
        "{}",
        refused.message()
    );
    let labels = service
        .list_group_labels(admin(ListGroupLabelsRequest {}))
        .await
        .unwrap();
    assert_eq!(labels.into_inner().labels, ["a", "b"]);
}

#[tokio::test]
async fn a_patch_changes_what_it_has_and_an_empty_one_is_refused() {
    let (_, service) = machine().await;
    let given = Group {
        description: "old".into(),
        tags: texts(&["t"]),
        ..group("g", &[A])
    };
    create(&service, given).await.unwrap();
    let patch = async |description: Option<&str>, tags: &[&str], replace_tags| {
        let request = PatchGroupRequest {
            label: "G".into(),
            description: description.map(str::to_owned),
            tags: texts(tags),
            replace_tags,
            ..Default::default()
        };
        service
            .patch_group(admin(request))
            .await
            .map(|answer| answer.into_inner().revision)
    };
    assert_eq!(patch(Some("new"), &[], false).await.unwrap(), 3);
    let stored = get(&service, "g").await.unwrap();
    assert_eq!((stored.description.as_str(), stored.tags), ("new", texts(&["t"])));
    patch(None, &["U"], false).await.unwrap();
    assert_eq!(get(&service, "g").await.unwrap().tags, ["u"]);
    patch(None, &[], true).await.unwrap();
    let stored = get(&service, "g").await.unwrap();
    assert_eq!((stored.description.as_str(), stored.tags.len()), ("new", 0));
    let refused = patch(None, &[], false).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (
            Code::InvalidArgument,
            "Request must have at least one patch field."
        )
    );
}

#[tokio::test]
async fn members_are_added_replaced_and_removed() {
    let (_, service) = machine().await;
    create(&service, group("g", &[])).await.unwrap();
    let added = service.add_group_member(admin(add("G", "X0c0s0b0n0"))).await;
    let added = added.unwrap().into_inner();
    assert_eq!(uris(&added), ["/hsm/v2/groups/g/members/x0c0s0b0n0"]);
    assert_eq!(added.location, "/hsm/v2/groups/g/members/x0c0s0b0n0");
    let twice = service.add_group_member(admin(add("g", A))).await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);
    let bad = service.add_group_member(admin(add("g", "?"))).await.unwrap_err();
    assert!(
        bad.message().starts_with("invalid xname ID: "),
        "{}",
        bad.message()
    );

    let replaced = service
        .replace_group_members(admin(replace("g", &[B, "X0c0s0b0n0"])))
        .await
        .unwrap();
    assert!(replaced.metadata().get(rpc::HTTP_STATUS).is_none());
    let replaced = replaced.into_inner();
    assert_eq!(
        uris(&replaced),
        [
            "/hsm/v2/groups/g/members/x0c0s0b0n0",
            "/hsm/v2/groups/g/members/x0c0s1b0n0"
        ]
    );
    assert_eq!(replaced.location, "/hsm/v2/groups");
    let bad = service
        .replace_group_members(admin(replace("g", &[A, "?"])))
        .await;
    let bad = bad.unwrap_err();
    assert!(
        bad.message().starts_with("invalid xname IDs: "),
        "{}",
        bad.message()
    );
    assert_eq!(members(&service, "g").await, [A, B]);

    let remove = |id: &str| RemoveGroupMemberRequest {
        label: "g".into(),
        id: id.into(),
        ..Default::default()
    };
    let removed = service.remove_group_member(admin(remove(A))).await.unwrap();
    assert_eq!(removed.into_inner().message, "deleted 1 entry");
    let again = service.remove_group_member(admin(remove(A))).await.unwrap_err();
    assert_eq!(
        (again.code(), again.message()),
        (Code::NotFound, "no such member of group g: x0c0s0b0n0")
    );
    let emptied = service
        .replace_group_members(admin(replace("g", &[])))
        .await
        .unwrap();
    assert_eq!(emptied.metadata().get(rpc::HTTP_STATUS).unwrap(), "204");
    assert!(members(&service, "g").await.is_empty());
}

/// The native API takes several at once, with HSM's `id` or without it.
#[tokio::test]
async fn several_members_come_and_go_in_one_request() {
    let (_, service) = machine().await;
    create(&service, group("g", &[])).await.unwrap();
    let several = AddGroupMemberRequest {
        label: "g".into(),
        id: A.into(),
        ids: texts(&[B]),
        ..Default::default()
    };
    let added = service
        .add_group_member(admin(several))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((added.uris.len(), added.location.as_str()), (2, "/hsm/v2/groups"));
    assert_eq!(members(&service, "g").await, [A, B]);
    let several = RemoveGroupMemberRequest {
        label: "g".into(),
        id: String::new(),
        ids: texts(&[B, A]),
        ..Default::default()
    };
    let removed = service.remove_group_member(admin(several)).await.unwrap();
    assert_eq!(removed.into_inner().message, "deleted 2 entries");
    assert!(members(&service, "g").await.is_empty());
}

#[tokio::test]
async fn a_deleted_group_is_gone_and_a_deleted_component_is_in_none() {
    let (store, service) = machine().await;
    create(&service, group("g", &[A, B])).await.unwrap();
    create(&service, group("h", &[A])).await.unwrap();
    let delete = DeleteGroupRequest {
        label: "H".into(),
        ..Default::default()
    };
    let answer = service.delete_group(admin(delete)).await.unwrap().into_inner();
    assert_eq!((answer.code, answer.message.as_str()), (0, "deleted 1 entry"));
    assert_eq!(get(&service, "h").await.unwrap_err().code(), Code::NotFound);
    let delete = DeleteComponentRequest {
        id: A.into(),
        ..Default::default()
    };
    ComponentService::new(store)
        .delete_component(admin(delete))
        .await
        .unwrap();
    assert_eq!(members(&service, "g").await, [B]);
}

#[tokio::test]
async fn without_a_majority_nothing_is_changed_and_the_answer_says_so() {
    let (store, service) = machine().await;
    create(&service, group("g", &[A])).await.unwrap();
    let alone = GroupService::new(cut_off(&store));
    let patch = PatchGroupRequest {
        label: "g".into(),
        description: Some("d".into()),
        ..Default::default()
    };
    let delete = DeleteGroupRequest {
        label: "g".into(),
        ..Default::default()
    };
    let remove = RemoveGroupMemberRequest {
        label: "g".into(),
        id: A.into(),
        ..Default::default()
    };
    let refused = [
        create(&alone, group("h", &[])).await.unwrap_err(),
        alone.patch_group(admin(patch)).await.unwrap_err(),
        alone.delete_group(admin(delete)).await.unwrap_err(),
        alone.add_group_member(admin(add("g", B))).await.unwrap_err(),
        alone
            .replace_group_members(admin(replace("g", &[B])))
            .await
            .unwrap_err(),
        alone.remove_group_member(admin(remove)).await.unwrap_err(),
    ];
    for refused in refused {
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    }
    assert_eq!(
        members(&alone, "g").await,
        [A],
        "reads answer from the applied state"
    );
}
