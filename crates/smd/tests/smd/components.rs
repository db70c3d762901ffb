//! HSM's State/Components, method by method: what changes, what is answered, and with which code.

use crate::common::{admin, cut_off, node};
use proto::smd::v1::component::{Flag, State};
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::{
    Component, CreateComponentsRequest, CreateComponentsResponse, DeleteComponentRequest,
    DeleteComponentsRequest, GetComponentByNidRequest, GetComponentRequest, ListComponentsRequest,
    PatchStateDataRequest, PutComponentRequest,
};
use raft::Store;
use smd::ComponentService;
use tonic::{Code, Status};

fn service() -> ComponentService {
    ComponentService::new(Store::in_memory())
}

async fn create(
    service: &ComponentService,
    components: Vec<Component>,
    force: bool,
) -> Result<CreateComponentsResponse, Status> {
    let request = CreateComponentsRequest {
        components,
        force,
        ..Default::default()
    };
    service
        .create_components(admin(request))
        .await
        .map(tonic::Response::into_inner)
}

async fn get(service: &ComponentService, id: &str) -> Result<Component, Status> {
    let request = GetComponentRequest { id: id.to_owned() };
    service
        .get_component(admin(request))
        .await
        .map(tonic::Response::into_inner)
}

async fn ids(service: &ComponentService, request: ListComponentsRequest) -> Vec<String> {
    let listed = service
        .list_components(admin(request))
        .await
        .unwrap()
        .into_inner();
    listed
        .components
        .into_iter()
        .map(|component| component.id)
        .collect()
}

fn patch(id: &str, state: State) -> PatchStateDataRequest {
    PatchStateDataRequest {
        id: id.to_owned(),
        state: state.into(),
        ..PatchStateDataRequest::default()
    }
}

#[tokio::test]
async fn a_created_component_is_read_back_in_its_normal_form() {
    let service = service();
    let given = Component {
        role: "compute".into(),
        ..node("X0c0s0b0n00", State::On)
    };
    let answer = create(&service, vec![given], false).await.unwrap();
    assert_eq!(
        (answer.revision, answer.created),
        (1, vec!["x0c0s0b0n0".to_owned()])
    );
    let stored = get(&service, "x0c0s0b0n0").await.unwrap();
    assert_eq!(
        (stored.r#type.as_str(), stored.role.as_str(), stored.nid),
        ("Node", "Compute", Some(1))
    );
    assert_eq!(stored.flag(), Flag::Ok);
    let created = stored.meta.unwrap().created.unwrap();
    assert_eq!((created.revision, created.principal.as_str()), (1, "user/admin"));
    assert_eq!(get(&service, "X0C0S0B0N0").await.unwrap().id, "x0c0s0b0n0");
}

/// HSM answers 204 to all three; only the native answer tells them apart.
#[tokio::test]
async fn what_exists_is_left_alone_unless_forced() {
    let service = service();
    create(&service, vec![node("x0c0s0b0n0", State::On)], false)
        .await
        .unwrap();
    let again = create(
        &service,
        vec![node("x0c0s0b0n0", State::Off), node("x0c0s0b0n1", State::On)],
        false,
    )
    .await
    .unwrap();
    assert_eq!(
        (again.unchanged, again.created),
        (vec!["x0c0s0b0n0".into()], vec!["x0c0s0b0n1".into()])
    );
    assert_eq!(get(&service, "x0c0s0b0n0").await.unwrap().state(), State::On);
    let forced = create(&service, vec![node("x0c0s0b0n0", State::Off)], true)
        .await
        .unwrap();
    assert_eq!(forced.updated, ["x0c0s0b0n0"]);
    assert_eq!(get(&service, "x0c0s0b0n0").await.unwrap().state(), State::Off);
}

#[tokio::test]
async fn bad_components_are_refused_by_their_place_and_nothing_is_created() {
    let service = service();
    let cases = [
        (
            node("nonsense", State::On),
            "couldn't validate components: Components[1].ID: `nonsense` is not",
        ),
        (
            node("x0c0s0b0n1", State::Unspecified),
            "couldn't validate components: Components[1].State: it is missing",
        ),
        (
            Component {
                r#type: "NodeBMC".into(),
                ..node("x0c0s0b0n1", State::On)
            },
            "components[1].type: ",
        ),
        (
            Component {
                role: "a\nb".into(),
                ..node("x0c0s0b0n1", State::On)
            },
            "components[1].role: ",
        ),
    ];
    for (bad, text) in cases {
        let refused = create(&service, vec![node("x0c0s0b0n0", State::On), bad], false)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(text), "{}", refused.message());
    }
    let empty = create(&service, Vec::new(), false).await.unwrap_err();
    assert_eq!(
        (empty.code(), empty.message()),
        (Code::InvalidArgument, "Missing Components")
    );
    assert!(ids(&service, ListComponentsRequest::default()).await.is_empty());
}

#[tokio::test]
async fn a_second_owner_of_a_nid_is_refused_and_both_are_named() {
    let service = service();
    create(
        &service,
        vec![Component {
            nid: Some(7),
            ..node("x0c0s0b0n0", State::On)
        }],
        false,
    )
    .await
    .unwrap();
    let second = Component {
        nid: Some(7),
        ..node("x0c0s0b0n1", State::On)
    };
    let refused = create(&service, vec![second], false).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(
        refused.message().contains("x0c0s0b0n0") && refused.message().contains("x0c0s0b0n1"),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn lists_are_sorted_filtered_and_carry_the_revision() {
    let service = service();
    let components = vec![
        node("x0c0s1b0n0", State::Ready),
        node("x0c0s0b0n0", State::On),
        node("x0c0s0b0", State::On),
    ];
    create(&service, components, false).await.unwrap();
    assert_eq!(
        ids(&service, ListComponentsRequest::default()).await,
        ["x0c0s0b0", "x0c0s0b0n0", "x0c0s1b0n0"]
    );
    let filter = ListComponentsRequest {
        r#type: vec!["node".into()],
        state: vec!["!ready".into()],
        ..Default::default()
    };
    assert_eq!(ids(&service, filter).await, ["x0c0s0b0n0"]);
    let only = ListComponentsRequest {
        id: vec!["x0c0s1b0n0".into()],
        state_only: true,
        ..Default::default()
    };
    let listed = service.list_components(admin(only)).await.unwrap().into_inner();
    assert_eq!(listed.revision, 1);
    assert_eq!(
        (listed.components[0].state(), listed.components[0].nid),
        (State::Ready, None)
    );
    let bad = ListComponentsRequest {
        r#type: vec!["foo".into()],
        ..Default::default()
    };
    let refused = service.list_components(admin(bad)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        refused.message(),
        "bad query param: Argument was not a valid HMS Type"
    );
}

#[tokio::test]
async fn a_get_of_nothing_or_nonsense_is_not_found() {
    let service = service();
    for id in ["x0c0s0b0n0", "nonsense", ""] {
        assert_eq!(
            get(&service, id).await.unwrap_err().code(),
            Code::NotFound,
            "{id}"
        );
    }
}

#[tokio::test]
async fn nids_are_looked_up_and_bad_ones_refused() {
    let service = service();
    create(
        &service,
        vec![Component {
            nid: Some(7),
            ..node("x0c0s0b0n0", State::On)
        }],
        false,
    )
    .await
    .unwrap();
    let by_nid =
        |nid: &str| service.get_component_by_nid(admin(GetComponentByNidRequest { nid: nid.to_owned() }));
    assert_eq!(by_nid("7").await.unwrap().get_ref().id, "x0c0s0b0n0");
    assert_eq!(by_nid("8").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(by_nid("seven").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_patch_sets_state_and_flag_and_the_flag_defaults_to_ok() {
    let service = service();
    create(
        &service,
        vec![Component {
            flag: Flag::Alert.into(),
            ..node("x0c0s0b0n0", State::On)
        }],
        false,
    )
    .await
    .unwrap();
    let answer = service
        .patch_state_data(admin(patch("X0c0s0b0n0", State::Ready)))
        .await
        .unwrap()
        .into_inner();
    assert!(answer.applied);
    assert_eq!(answer.revision, 2);
    let stored = get(&service, "x0c0s0b0n0").await.unwrap();
    assert_eq!((stored.state(), stored.flag()), (State::Ready, Flag::Ok));
}

/// HSM's silent no-op stays a success on the wire; `applied` and a header say the truth.
#[tokio::test]
async fn a_transition_that_is_not_allowed_succeeds_and_says_so() {
    let service = service();
    create(&service, vec![node("x0c0s0b0n0", State::Ready)], false)
        .await
        .unwrap();
    let answer = service
        .patch_state_data(admin(patch("x0c0s0b0n0", State::On)))
        .await
        .unwrap();
    let header = answer
        .metadata()
        .get(format!("{}chamois-refused", rpc::HTTP_HEADER_PREFIX))
        .unwrap();
    assert!(
        header.to_str().unwrap().starts_with("1 (x0c0s0b0n0: "),
        "{header:?}"
    );
    assert!(!answer.get_ref().applied);
    let unknown = service
        .patch_state_data(admin(patch("x0c0s9b0n0", State::On)))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound, "{unknown:?}");
    assert_eq!(get(&service, "x0c0s0b0n0").await.unwrap().state(), State::Ready);
    let forced = PatchStateDataRequest {
        force: true,
        ..patch("x0c0s0b0n0", State::On)
    };
    assert!(
        service
            .patch_state_data(admin(forced))
            .await
            .unwrap()
            .get_ref()
            .applied
    );
}

#[tokio::test]
async fn bad_patches_are_refused() {
    let service = service();
    create(&service, vec![node("x0c0s0b0n0", State::Ready)], false)
        .await
        .unwrap();
    let cases = [
        (patch("nonsense", State::On), "ID: "),
        (
            patch("x0c0s0b0n0", State::Unspecified),
            "State: it is missing; write one of Unknown, Empty",
        ),
        (
            patch("x0c0s0b0n0", State::Empty),
            "state: operation not allowed and not forced.",
        ),
    ];
    for (request, text) in cases {
        let refused = service.patch_state_data(admin(request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(text), "{}", refused.message());
    }
    let stale = PatchStateDataRequest {
        if_revision: Some(99),
        ..patch("x0c0s0b0n0", State::Off)
    };
    assert_eq!(
        service.patch_state_data(admin(stale)).await.unwrap_err().code(),
        Code::Aborted
    );
}

#[tokio::test]
async fn deletes_are_counted_and_missing_ones_not_found() {
    let service = service();
    let all = vec![
        node("x0c0s0b0n0", State::On),
        node("x0c0s0b0n1", State::On),
        node("x0c0s0b0n2", State::On),
    ];
    create(&service, all, false).await.unwrap();
    let delete = |id: &str| {
        service.delete_component(admin(DeleteComponentRequest {
            id: id.to_owned(),
            ..Default::default()
        }))
    };
    let answer = delete("X0c0s0b0n0").await.unwrap().into_inner();
    assert_eq!((answer.code, answer.message.as_str()), (0, "deleted 1 entry"));
    assert_eq!(delete("x0c0s0b0n0").await.unwrap_err().code(), Code::NotFound);
    let invalid = delete("nonsense").await.unwrap_err();
    assert_eq!(invalid.code(), Code::InvalidArgument);
    assert!(
        invalid.message().starts_with("invalid xname"),
        "{}",
        invalid.message()
    );
    let rest = service
        .delete_components(admin(DeleteComponentsRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(rest.message, "deleted 2 entries");
    let none = service
        .delete_components(admin(DeleteComponentsRequest {}))
        .await
        .unwrap_err();
    assert_eq!(
        (none.code(), none.message()),
        (Code::NotFound, "no entries to delete")
    );
}

/// Nothing is said to be done that a majority has not stored.
#[tokio::test]
async fn without_a_majority_writes_are_unavailable() {
    let store = Store::in_memory();
    create(
        &ComponentService::new(store.clone()),
        vec![node("x0c0s0b0n0", State::On)],
        false,
    )
    .await
    .unwrap();
    let service = ComponentService::new(cut_off(&store));
    let refused = [
        create(&service, vec![node("x0c0s0b0n1", State::On)], false)
            .await
            .unwrap_err(),
        service
            .patch_state_data(admin(patch("x0c0s0b0n0", State::Off)))
            .await
            .unwrap_err(),
        service
            .delete_component(admin(DeleteComponentRequest {
                id: "x0c0s0b0n0".into(),
                ..Default::default()
            }))
            .await
            .unwrap_err(),
        service
            .delete_components(admin(DeleteComponentsRequest {}))
            .await
            .unwrap_err(),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.metadata().get(rpc::RETRY_AFTER_S).is_some());
    }
    assert_eq!(get(&service, "x0c0s0b0n0").await.unwrap().state(), State::On);
}

/// PUT takes the place from the path; what exists is overwritten by `force` only.
#[tokio::test]
async fn a_put_component_is_created_or_overwritten() {
    let service = service();
    let put = |id: &str, component: Component, force: bool| {
        let request = PutComponentRequest {
            id: id.to_owned(),
            component: Some(component),
            force,
            ..Default::default()
        };
        service.put_component(admin(request))
    };
    let without_id = Component {
        id: String::new(),
        ..node("x0c0s0b0n0", State::On)
    };
    let created = put("X0c0s0b0n0", without_id, false).await.unwrap().into_inner();
    assert_eq!(created.created, ["x0c0s0b0n0"]);
    let left = put("x0c0s0b0n0", node("X0c0s0b0n00", State::Off), false)
        .await
        .unwrap();
    let header = left
        .metadata()
        .get(format!("{}chamois-unchanged", rpc::HTTP_HEADER_PREFIX));
    assert_eq!(header.unwrap(), "1");
    assert_eq!(get(&service, "x0c0s0b0n0").await.unwrap().state(), State::On);
    put("x0c0s0b0n0", node("x0c0s0b0n0", State::Off), true)
        .await
        .unwrap();
    assert_eq!(get(&service, "x0c0s0b0n0").await.unwrap().state(), State::Off);
    let other = put("x0c0s0b0n0", node("x0c0s1b0n0", State::Off), true)
        .await
        .unwrap_err();
    assert!(
        other
            .message()
            .starts_with("component.ID: it is not that of the path"),
        "{other:?}"
    );
    let wrong = put("nonsense", node("x0c0s1b0n0", State::Off), true)
        .await
        .unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let empty = PutComponentRequest {
        id: "x0c0s0b0n0".into(),
        ..PutComponentRequest::default()
    };
    let refused = service.put_component(admin(empty)).await.unwrap_err();
    assert_eq!(refused.message(), "component: it is missing");
}
