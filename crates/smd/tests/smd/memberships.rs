//! HSM's memberships, and the filters of State/Components that look into groups.

use crate::common::{admin, node};
use proto::smd::v1::component::State;
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::group_service_server::GroupService as _;
use proto::smd::v1::membership_service_server::MembershipService as _;
use proto::smd::v1::{
    CreateComponentsRequest, GetMembershipRequest, Group, GroupMembers, ListComponentsRequest,
    ListMembershipsRequest, Membership,
};
use raft::Store;
use smd::{ComponentService, GroupService, MembershipService};
use tonic::{Code, Status};

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";
const BMC: &str = "x0c0s0b0";

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Two nodes, A in red and tall, B in tall, and a BMC in no group.
async fn machine() -> Store {
    let store = Store::in_memory();
    let create = CreateComponentsRequest {
        components: vec![node(B, State::Ready), node(A, State::On), node(BMC, State::On)],
        force: false,
        ..Default::default()
    };
    let components = ComponentService::new(store.clone());
    components.create_components(admin(create)).await.unwrap();
    let groups = GroupService::new(store.clone());
    for (label, ids) in [("tall", texts(&[A, B])), ("red", texts(&[A]))] {
        let group = Group {
            label: label.into(),
            members: Some(GroupMembers { ids }),
            ..Group::default()
        };
        groups.create_group(admin(group)).await.unwrap();
    }
    store
}

fn membership(id: &str, labels: &[&str]) -> Membership {
    Membership {
        id: id.into(),
        group_labels: texts(labels),
        partition_name: String::new(),
    }
}

async fn list(store: &Store, request: ListMembershipsRequest) -> Result<Vec<Membership>, Status> {
    let service = MembershipService::new(store.clone());
    let answer = service.list_memberships(admin(request)).await?.into_inner();
    assert_eq!(answer.revision, store.state().applied_index());
    Ok(answer.memberships)
}

/// HSM lists those without groups, too.
#[tokio::test]
async fn every_component_has_a_membership() {
    let store = machine().await;
    let all = list(&store, ListMembershipsRequest::default()).await.unwrap();
    let expected = [
        membership(BMC, &[]),
        membership(A, &["red", "tall"]),
        membership(B, &["tall"]),
    ];
    assert_eq!(all, expected);
}

#[tokio::test]
async fn one_membership_is_found_by_xname() {
    let store = machine().await;
    let service = MembershipService::new(store);
    let get = async |id: &str| {
        let request = GetMembershipRequest { id: id.into() };
        service.get_membership(admin(request)).await
    };
    assert_eq!(
        get("X0c0s0b0n0").await.unwrap().into_inner(),
        membership(A, &["red", "tall"])
    );
    assert_eq!(get(BMC).await.unwrap().into_inner(), membership(BMC, &[]));
    for missing in ["x0c0s9b0n0", "nonsense"] {
        let refused = get(missing).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        assert_eq!(refused.message(), format!("no such xname: {missing}"));
    }
}

type Ask = fn(&mut ListMembershipsRequest);

/// One line per key: each must reach the filter of State/Components.
#[tokio::test]
async fn memberships_take_the_filters_of_components() {
    let store = machine().await;
    let cases: [(Ask, &[&str]); 19] = [
        (|r| r.id = texts(&["X0c0s0b0n0"]), &[A]),
        (|r| r.r#type = texts(&["!node"]), &[BMC]),
        (|r| r.state = texts(&["ready"]), &[B]),
        (|r| r.flag = texts(&["!ok"]), &[]),
        (|r| r.role = texts(&["Compute"]), &[A, B]),
        (|r| r.sub_role = texts(&["Worker"]), &[]),
        (|r| r.subtype = texts(&["S"]), &[]),
        (|r| r.arch = texts(&["X86"]), &[]),
        (|r| r.class = texts(&["River"]), &[]),
        (|r| r.nid = texts(&["1"]), &[B]),
        (|r| r.nid_start = "2".into(), &[A]),
        (|r| r.nid_end = "1".into(), &[B]),
        (|r| r.enabled = texts(&["false"]), &[]),
        (|r| r.software_status = texts(&["s"]), &[]),
        (|r| r.group = texts(&["red", "tall"]), &[A, B]),
        (|r| r.group = texts(&["NULL"]), &[BMC]),
        (|r| r.partition = texts(&["p1"]), &[]),
        (|r| r.locked = texts(&["true"]), &[]),
        (|r| r.reservation_disabled = texts(&["true"]), &[]),
    ];
    for (place, (ask, expected)) in cases.into_iter().enumerate() {
        let mut request = ListMembershipsRequest::default();
        ask(&mut request);
        let found = list(&store, request).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|membership| membership.id.as_str()).collect();
        assert_eq!(ids, expected, "case {place}");
    }
    let bad = ListMembershipsRequest {
        r#type: texts(&["foo"]),
        ..Default::default()
    };
    let refused = list(&store, bad).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "bad query param: Argument was not a valid HMS Type"
    );
}

#[tokio::test]
async fn components_are_found_by_group_and_partition() {
    let store = machine().await;
    let service = ComponentService::new(store);
    let find = async |group: &[&str], partition: &[&str]| {
        let request = ListComponentsRequest {
            group: texts(group),
            partition: texts(partition),
            ..Default::default()
        };
        let answer = service.list_components(admin(request)).await?.into_inner();
        let ids = answer.components.into_iter().map(|component| component.id);
        Ok::<Vec<String>, Status>(ids.collect())
    };
    assert_eq!(find(&["red"], &[]).await.unwrap(), [A]);
    assert_eq!(find(&["RED", "none"], &[]).await.unwrap(), [A]);
    assert_eq!(find(&["!red"], &[]).await.unwrap(), [BMC, B]);
    assert_eq!(find(&["tall", "!red"], &[]).await.unwrap(), [B]);
    assert_eq!(find(&["NULL"], &["NULL"]).await.unwrap(), [BMC]);
    assert_eq!(find(&[], &["NULL"]).await.unwrap(), [BMC, A, B]);
    assert!(find(&["red"], &["p1"]).await.unwrap().is_empty());
    let refused = find(&["red"], &["NULL"]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        refused.message(),
        "bad query param: NULL partition and non-NULL group arg not permitted"
    );
}
