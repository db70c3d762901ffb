//! HSM's node maps and power maps, method by method.

use crate::common::{admin, cut_off, node};
use proto::smd::v1::component::State;
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::node_map_service_server::NodeMapService as _;
use proto::smd::v1::power_map_service_server::PowerMapService as _;
use proto::smd::v1::{
    CreateComponentsRequest, DeleteNodeMapRequest, DeleteNodeMapsRequest, DeletePowerMapRequest,
    DeletePowerMapsRequest, GetComponentRequest, GetNodeMapRequest, GetPowerMapRequest, ListNodeMapsRequest,
    ListPowerMapsRequest, NodeMap, PowerMap, PutNodeMapRequest, PutNodeMapsRequest, PutPowerMapRequest,
    PutPowerMapsRequest,
};
use raft::Store;
use smd::{ComponentService, NodeMapService, PowerMapService};
use tonic::{Code, Response, Status};

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";

fn map(id: &str, nid: u64) -> NodeMap {
    NodeMap {
        id: id.into(),
        nid,
        ..NodeMap::default()
    }
}

fn one_map(id: &str, nid: u64) -> PutNodeMapRequest {
    PutNodeMapRequest {
        id: id.into(),
        nid,
        ..PutNodeMapRequest::default()
    }
}

fn list(node_maps: Vec<NodeMap>) -> PutNodeMapsRequest {
    PutNodeMapsRequest {
        node_maps,
        ..PutNodeMapsRequest::default()
    }
}

async fn put(service: &NodeMapService, request: PutNodeMapsRequest) -> Result<String, Status> {
    let answer = service.put_node_maps(admin(request)).await;
    answer.map(|answer| answer.into_inner().message)
}

async fn put_supplies(service: &PowerMapService, maps: &[(&str, &[&str])]) -> Result<String, Status> {
    let map = |(id, supplies): &(&str, &[&str])| PowerMap {
        id: (*id).to_owned(),
        powered_by: supplies.iter().map(|supply| (*supply).to_owned()).collect(),
        meta: None,
    };
    let request = PutPowerMapsRequest {
        power_maps: maps.iter().map(map).collect(),
        ..Default::default()
    };
    let answer = service.put_power_maps(admin(request)).await;
    answer.map(|answer| answer.into_inner().message)
}

#[tokio::test]
async fn node_maps_are_put_shown_and_deleted() {
    let service = NodeMapService::new(Store::in_memory());
    let two = list(vec![map("X0c0s00b0n0", 1), map(B, 2)]);
    assert_eq!(put(&service, two).await.unwrap(), "Created or modified 2 entries");
    let one = PutNodeMapsRequest {
        id: A.into(),
        nid: 3,
        role: "service".into(),
        ..PutNodeMapsRequest::default()
    };
    assert_eq!(put(&service, one).await.unwrap(), "Created or modified 1 entries");
    let get = |id: &str| GetNodeMapRequest { id: id.into() };
    let stored = service
        .get_node_map(admin(get("X0c0s0b0n0")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((stored.nid, stored.role.as_str()), (3, "Service"));
    assert_eq!(stored.meta.unwrap().created.unwrap().revision, 1);
    let replaced = service
        .put_node_map(admin(one_map(B, 5)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((replaced.id.as_str(), replaced.nid), (B, 5));
    let all = service
        .list_node_maps(admin(ListNodeMapsRequest::default()))
        .await
        .unwrap();
    assert_eq!(all.into_inner().node_maps.len(), 2);
    let delete = |id: &str| DeleteNodeMapRequest {
        id: id.into(),
        ..Default::default()
    };
    let deleted = service.delete_node_map(admin(delete(B))).await.unwrap();
    assert_eq!(deleted.into_inner().message, "deleted 1 entry");
    for refused in [
        service
            .delete_node_map(admin(delete(B)))
            .await
            .map(|_| ())
            .unwrap_err(),
        service.get_node_map(admin(get(B))).await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::NotFound);
    }
    let deleted = service
        .delete_node_maps(admin(DeleteNodeMapsRequest {}))
        .await
        .unwrap();
    assert_eq!(deleted.into_inner().message, "deleted 1 entries");
    let none = service
        .delete_node_maps(admin(DeleteNodeMapsRequest {}))
        .await
        .unwrap_err();
    assert_eq!(
        (none.code(), none.message()),
        (Code::NotFound, "no entries to delete")
    );
}

#[tokio::test]
async fn bad_node_maps_get_the_texts_of_hsm() {
    let store = Store::in_memory();
    let service = NodeMapService::new(store.clone());
    for (request, text) in [
        (
            list(vec![map(A, 1), map("x0c0s0b0", 2)]),
            "couldn't validate map data at idx 1: xname ID 'x0c0s0b0' is invalid or not a node",
        ),
        (
            list(vec![map(A, 0)]),
            "couldn't validate map data at idx 0: NID '0' is out of range",
        ),
        (
            list(vec![]),
            "couldn't validate mapping data: xname ID '' is invalid or not a node",
        ),
    ] {
        let refused = put(&service, request).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, text));
    }
    let refused = service.put_node_map(admin(one_map(A, 0))).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "couldn't validate endpoint data: NID '0' is out of range"
    );
    let bad = GetNodeMapRequest { id: "?".into() };
    let refused = service.get_node_map(admin(bad)).await.unwrap_err();
    assert!(refused.message().starts_with("invalid xname: "), "{refused:?}");
    assert_eq!(store.state().applied_index(), 0, "nothing reached the log");
    put(&service, list(vec![map(A, 1)])).await.unwrap();
    let taken = put(&service, list(vec![map(B, 1)])).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    assert!(
        taken.message().contains(A) && taken.message().contains(B),
        "{taken:?}"
    );
}

#[tokio::test]
async fn a_component_is_created_with_what_its_map_says() {
    let store = Store::in_memory();
    let mapped = NodeMap {
        role: "Service".into(),
        ..map(B, 77)
    };
    put(&NodeMapService::new(store.clone()), list(vec![mapped]))
        .await
        .unwrap();
    let components = ComponentService::new(store);
    let create = CreateComponentsRequest {
        components: vec![node(B, State::On)],
        force: false,
        ..Default::default()
    };
    components.create_components(admin(create)).await.unwrap();
    let get = GetComponentRequest { id: B.into() };
    let stored = components.get_component(admin(get)).await.unwrap().into_inner();
    assert_eq!((stored.nid, stored.role.as_str()), (Some(77), "Service"));
}

/// Power control reads these.
#[tokio::test]
async fn power_maps_are_put_shown_and_deleted() {
    let service = PowerMapService::new(Store::in_memory());
    let supplies: &[&str] = &["x0m0p0v1", "X0m0p0v02"];
    let done = put_supplies(&service, &[(A, supplies), (B, supplies)]).await;
    assert_eq!(done.unwrap(), "Created or modified 2 entries");
    let get = |id: &str| GetPowerMapRequest { id: id.into() };
    let stored = service.get_power_map(admin(get(A))).await.unwrap().into_inner();
    assert_eq!(stored.powered_by, ["x0m0p0v1", "x0m0p0v2"]);
    let one = PutPowerMapRequest {
        id: A.into(),
        powered_by: vec!["x0m1p0v1".into()],
        if_revision: None,
    };
    let replaced = service.put_power_map(admin(one)).await.unwrap().into_inner();
    assert_eq!(replaced.powered_by, ["x0m1p0v1"]);
    let all = service
        .list_power_maps(admin(ListPowerMapsRequest::default()))
        .await;
    assert_eq!(all.map(Response::into_inner).unwrap().power_maps.len(), 2);
    let delete = || DeletePowerMapRequest {
        id: A.into(),
        ..Default::default()
    };
    service.delete_power_map(admin(delete())).await.unwrap();
    let gone = service.delete_power_map(admin(delete())).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    assert_eq!(
        service.get_power_map(admin(get(A))).await.unwrap_err().code(),
        Code::NotFound
    );
    let deleted = service
        .delete_power_maps(admin(DeletePowerMapsRequest {}))
        .await
        .unwrap();
    assert_eq!(deleted.into_inner().message, "deleted 1 entries");
    for (id, supplies, text) in [
        (
            "?",
            &["x0m0p0v1"][..],
            "couldn't validate map data at idx 0: xname ID '?' is invalid",
        ),
        (
            A,
            &[][..],
            "couldn't validate map data at idx 0: poweredby is required for PowerMaps",
        ),
        (
            A,
            &["?"][..],
            "couldn't validate map data at idx 0: Power supply xname ID '?' is invalid",
        ),
    ] {
        let refused = put_supplies(&service, &[(id, supplies)]).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, text));
    }
}

#[tokio::test]
async fn without_a_majority_nothing_is_changed_and_the_answer_says_so() {
    let alone = cut_off(&Store::in_memory());
    let refused = put(&NodeMapService::new(alone.clone()), list(vec![map(A, 1)]))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let refused = put_supplies(&PowerMapService::new(alone), &[(A, &["x0m0p0v1"])])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}
