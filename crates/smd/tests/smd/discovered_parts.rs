//! The parts that a crawl finds, as the hardware inventory shows them, and what its history says when one is gone.

use proto::smd::v1::hardware_history_service_server::HardwareHistoryService as _;
use proto::smd::v1::hardware_location::Status as Filled;
use proto::smd::v1::hardware_service_server::HardwareService as _;
use proto::smd::v1::payload_part::Kind;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointService as _;
use proto::smd::v1::{
    GetHardwareHistoryRequest, GetHardwareRequest, HardwareInventory, HardwareLocation, PayloadPart,
    QueryHardwareRequest, RedfishEndpointPayload,
};
use raft::Store;
use smd::{HardwareHistoryService, HardwareService, RedfishEndpointService};
use tonic::Code;

use crate::common::{admin, blade, endpoints};

fn part(kind: Kind, place: u32, serial: &str) -> PayloadPart {
    PayloadPart {
        kind: kind.into(),
        place,
        uri: format!("/redfish/v1/Systems/1/Parts/{serial}"),
        manufacturer: "HPE".to_owned(),
        serial: serial.to_owned(),
        ..PayloadPart::default()
    }
}

/// The BMC x1000c0s0b0 with two memory modules, a processor, a GPU and a power supply; nothing else is there.
fn crawled() -> RedfishEndpointPayload {
    let mut payload = blade(0);
    payload.systems[0].parts = vec![
        part(Kind::Processor, 0, "P0"),
        part(Kind::Memory, 0, "M0"),
        part(Kind::Memory, 1, "M1"),
        part(Kind::NodeAccel, 0, "A0"),
    ];
    RedfishEndpointPayload {
        parts: vec![part(Kind::PowerSupply, 1, "T1")],
        parts_are_complete: true,
        ..payload
    }
}

async fn update(service: &RedfishEndpointService, payload: RedfishEndpointPayload) {
    service.update_redfish_endpoint(admin(payload)).await.unwrap();
}

async fn place(store: &Store, id: &str) -> HardwareLocation {
    let request = GetHardwareRequest { id: id.to_owned() };
    let answer = HardwareService::new(store.clone())
        .get_hardware(admin(request))
        .await;
    answer.unwrap().into_inner()
}

async fn node(store: &Store) -> HardwareInventory {
    let request = QueryHardwareRequest {
        id: "x1000c0s0b0n0".to_owned(),
        ..QueryHardwareRequest::default()
    };
    let answer = HardwareService::new(store.clone())
        .query_hardware(admin(request))
        .await;
    answer.unwrap().into_inner()
}

/// Type and unit of each event in a place.
async fn history(store: &Store, id: &str) -> Vec<(String, String)> {
    let request = GetHardwareHistoryRequest {
        id: id.to_owned(),
        ..GetHardwareHistoryRequest::default()
    };
    let service = HardwareHistoryService::new(store.clone());
    let answer = service.get_hardware_history(admin(request)).await.unwrap();
    let events = answer.into_inner().history.into_iter();
    events.map(|event| (event.event_type, event.fru_id)).collect()
}

#[tokio::test]
async fn parts_are_shown_below_their_node_and_enclosure() {
    let (store, service) = endpoints();
    service.create_redfish_endpoints(admin(crawled())).await.unwrap();
    let inventory = node(&store).await;
    let within = &inventory.nodes[0];
    let ids = |places: &[HardwareLocation]| -> Vec<String> {
        places.iter().map(|place| place.id.clone()).collect()
    };
    assert_eq!(ids(&within.memory), ["x1000c0s0b0n0d0", "x1000c0s0b0n0d1"]);
    assert_eq!(ids(&within.processors), ["x1000c0s0b0n0p0"]);
    assert_eq!(ids(&within.node_accels), ["x1000c0s0b0n0a0"]);
    let module = place(&store, "x1000c0s0b0n0d1").await;
    assert_eq!(module.populated_fru.unwrap().fru_id, "Memory.HPE.M1");
    let supply = place(&store, "x1000c0s0e0t1").await;
    assert_eq!(supply.r#type, "NodeEnclosurePowerSupply");
}

#[tokio::test]
async fn a_module_that_vanished_is_in_the_history() {
    let (store, service) = endpoints();
    service.create_redfish_endpoints(admin(crawled())).await.unwrap();
    let mut without = crawled();
    without.systems[0].parts.remove(2);
    update(&service, without).await;
    let gone = place(&store, "x1000c0s0b0n0d1").await;
    assert_eq!((gone.status(), gone.populated_fru), (Filled::Empty, None));
    let event = |event_type: &str, unit: &str| (event_type.to_owned(), unit.to_owned());
    assert_eq!(
        history(&store, "x1000c0s0b0n0d1").await,
        [
            event("Detected", "Memory.HPE.M1"),
            event("Removed", "Memory.HPE.M1")
        ]
    );
    assert_eq!(
        history(&store, "x1000c0s0b0n0d0").await,
        [event("Detected", "Memory.HPE.M0")]
    );
}

/// A crawl that has met a broken resource does not know what it has not seen, and Magellan knows of no parts at all.
#[tokio::test]
async fn half_a_tree_empties_nothing() {
    let (store, service) = endpoints();
    service.create_redfish_endpoints(admin(crawled())).await.unwrap();
    let mut half = crawled();
    half.systems[0].parts.truncate(1);
    half.parts.clear();
    half.parts_are_complete = false;
    for payload in [half, blade(0)] {
        update(&service, payload).await;
        for (id, unit) in [
            ("x1000c0s0b0n0d1", "Memory.HPE.M1"),
            ("x1000c0s0e0t1", "NodeEnclosurePowerSupply.HPE.T1"),
        ] {
            let place = place(&store, id).await;
            assert_eq!(place.populated_fru.unwrap().fru_id, unit);
        }
    }
}

/// Four processors are all that HSM has names for. The fifth must be seen to be missing.
#[tokio::test]
async fn a_part_without_an_xname_is_counted_at_its_node() {
    let (store, service) = endpoints();
    let mut payload = crawled();
    payload.systems[0].parts.push(part(Kind::Processor, 4, "P4"));
    service.create_redfish_endpoints(admin(payload)).await.unwrap();
    let state = store.state();
    let stored = state.smd.hardware_location(&"x1000c0s0b0n0".parse().unwrap());
    let stored = stored.unwrap();
    assert!(
        stored.info.contains(r#""PartsWithoutXname":1"#),
        "{}",
        stored.info
    );
}

#[tokio::test]
async fn a_part_that_cannot_be_meant_is_named_and_nothing_is_stored() {
    let (store, service) = endpoints();
    let mut payload = crawled();
    payload.systems[0].parts[1].info = "[]".to_owned();
    let refused = service
        .create_redfish_endpoints(admin(payload))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let field = "Systems[x1000c0s0b0n0].parts[1].info";
    assert!(refused.message().contains(field), "{}", refused.message());
    let mut many = crawled();
    many.parts = vec![part(Kind::PowerSupply, 0, "T"); 3072];
    let refused = service.create_redfish_endpoints(admin(many)).await.unwrap_err();
    assert!(refused.message().contains("parts"), "{}", refused.message());
    assert_eq!(store.state().applied_index(), 0);
}
