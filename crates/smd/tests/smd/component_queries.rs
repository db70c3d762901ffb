//! HSM's queries by place and by NID.

use crate::common::{admin, node};
use proto::smd::v1::component::State;
use proto::smd::v1::component_query_service_server::ComponentQueryService as _;
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::group_service_server::GroupService as _;
use proto::smd::v1::{
    Component, CreateComponentsRequest, Group, GroupMembers, ListComponentsResponse, QueryComponentRequest,
    QueryComponentsByNidRequest, QueryComponentsRequest,
};
use raft::Store;
use smd::{ComponentQueryService, ComponentService, GroupService};
use tonic::{Code, Response, Status};

/// A BMC with two nodes, a node in the slot whose number begins alike, and one in another cabinet; NIDs 1 to 4.
const IDS: [&str; 5] = [
    "x1c0s1b0",
    "x1c0s1b0n0",
    "x1c0s1b0n1",
    "x1c0s10b0n0",
    "x2c0s1b0n0",
];

async fn service() -> ComponentQueryService {
    let store = Store::in_memory();
    let mut components: Vec<Component> = IDS.map(|id| node(id, State::On)).to_vec();
    components[4].state = State::Off.into();
    let create = CreateComponentsRequest {
        components,
        force: false,
        ..Default::default()
    };
    ComponentService::new(store.clone())
        .create_components(admin(create))
        .await
        .unwrap();
    let group = Group {
        label: "blue".into(),
        members: Some(GroupMembers {
            ids: vec![IDS[1].into()],
        }),
        ..Group::default()
    };
    GroupService::new(store.clone())
        .create_group(admin(group))
        .await
        .unwrap();
    ComponentQueryService::new(store)
}

fn ids(answer: Result<Response<ListComponentsResponse>, Status>) -> Vec<String> {
    let components = answer.unwrap().into_inner().components;
    components.into_iter().map(|component| component.id).collect()
}

fn query(places: &[&str]) -> QueryComponentsRequest {
    QueryComponentsRequest {
        component_ids: places.iter().map(|place| (*place).to_owned()).collect(),
        ..QueryComponentsRequest::default()
    }
}

#[tokio::test]
async fn a_query_tells_what_is_below_each_place_once() {
    let service = service().await;
    let below = async |places: &[&str]| ids(service.query_components(admin(query(places))).await);
    assert_eq!(below(&["x1c0s1"]).await, IDS[..3]);
    assert_eq!(below(&["X1c0s01b0n0", "x1c0s1b0", "x1c0s1"]).await, IDS[..3]);
    assert_eq!(below(&["x2", "x1c0s1b0n1"]).await, [IDS[2], IDS[4]]);
    let sorted = [
        "x1c0s10b0n0",
        "x1c0s1b0",
        "x1c0s1b0n0",
        "x1c0s1b0n1",
        "x2c0s1b0n0",
    ];
    for everything in ["all", "s0", "ALL"] {
        assert_eq!(below(&[everything]).await, sorted, "{everything}");
    }
    assert!(below(&["x7"]).await.is_empty());
}

#[tokio::test]
async fn filters_and_projections_count_in_queries() {
    let service = service().await;
    let nodes = QueryComponentsRequest {
        r#type: vec!["node".into()],
        state: vec!["on".into()],
        ..query(&["all"])
    };
    assert_eq!(
        ids(service.query_components(admin(nodes)).await),
        ["x1c0s10b0n0", "x1c0s1b0n0", "x1c0s1b0n1"]
    );
    let blue = QueryComponentsRequest {
        group: vec!["blue".into()],
        ..query(&["x1"])
    };
    assert_eq!(ids(service.query_components(admin(blue)).await), [IDS[1]]);
    let states = QueryComponentRequest {
        xname: "x2".into(),
        state_only: true,
        ..QueryComponentRequest::default()
    };
    let answer = service.query_component(admin(states)).await.unwrap().into_inner();
    let expected = Component {
        id: IDS[4].into(),
        r#type: "Node".into(),
        state: State::Off.into(),
        flag: proto::smd::v1::component::Flag::Ok.into(),
        ..Component::default()
    };
    assert_eq!(answer.components, [expected]);
    assert!(answer.revision > 0);
}

#[tokio::test]
async fn nids_are_found_by_ranges() {
    let service = service().await;
    let by_nid = async |ranges: &[&str]| {
        let request = QueryComponentsByNidRequest {
            nid_ranges: ranges.iter().map(|range| (*range).to_owned()).collect(),
            nid_only: true,
            ..QueryComponentsByNidRequest::default()
        };
        service.query_components_by_nid(admin(request)).await
    };
    assert_eq!(
        ids(by_nid(&["3-9", "1", "1-1", "4-4", "2-1000000"]).await),
        [IDS[1], IDS[2], IDS[3], IDS[4]]
    );
    assert_eq!(ids(by_nid(&["3-9", "1", "1-1"]).await), [IDS[1], IDS[3], IDS[4]]);
    assert!(ids(by_nid(&["40-50"]).await).is_empty());
    for wrong in [&["2-1"][..], &["a"], &["1-"], &["-1"], &[]] {
        let status = by_nid(wrong).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("NIDRanges: "), "{status:?}");
    }
}

#[tokio::test]
async fn wrong_places_and_filters_are_refused() {
    let service = service().await;
    let status = service.query_components(admin(query(&[]))).await.unwrap_err();
    assert!(
        status.message().starts_with("ComponentIDs: it is missing"),
        "{status:?}"
    );
    let status = service
        .query_components(admin(query(&["x1", "nonsense"])))
        .await
        .unwrap_err();
    assert!(
        status.message().starts_with("ComponentIDs: `nonsense`"),
        "{status:?}"
    );
    let wrong = QueryComponentsRequest {
        state: vec!["tired".into()],
        ..query(&["x1"])
    };
    let status = service.query_components(admin(wrong)).await.unwrap_err();
    assert_eq!(
        status.message(),
        "bad query param: Argument was not a valid HMS State"
    );
}
