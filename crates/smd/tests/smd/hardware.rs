//! HSM's Inventory/Hardware, HardwareByFRU and their histories, method by method.

use crate::common::{admin, cut_off, endpoints};
use proto::raft::v1::snapshot_row::Row;
use proto::smd::v1::hardware_fru_service_server::HardwareFruService as _;
use proto::smd::v1::hardware_history_service_server::HardwareHistoryService as _;
use proto::smd::v1::hardware_location::Status as Filled;
use proto::smd::v1::hardware_service_server::HardwareService as _;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointService as _;
use proto::smd::v1::{
    DeleteAllHardwareHistoryRequest, DeleteAllHardwareRequest, DeleteFruHistoryRequest,
    DeleteHardwareFruRequest, DeleteHardwareFrusRequest, DeleteHardwareHistoryRequest, DeleteHardwareRequest,
    DeleteRedfishEndpointRequest, GetFruHistoryRequest, GetHardwareFruRequest, GetHardwareHistoryRequest,
    GetHardwareRequest, HardwareFru, HardwareHistory, HardwareInventory, HardwareLocation, InventoryDetail,
    ListFruHistoryRequest, ListHardwareFrusRequest, ListHardwareHistoryRequest, ListHardwareRequest,
    PayloadManager, PutHardwareRequest, PutHardwareResponse, QueryHardwareRequest, RedfishEndpointPayload,
    hardware_fru, hardware_location,
};
use raft::Store;
use smd::{HardwareFruService, HardwareHistoryService, HardwareService};
use state::State;
use state::bounds::HARDWARE_EVENT_LAPSE_MS;
use tonic::{Code, Status};

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";

/// A node of HPE with this serial number.
fn node(id: &str, serial: &str) -> HardwareLocation {
    let fru = format!(r#"{{"SerialNumber":"{serial}","Manufacturer":"HPE","BiosVersion":"A43"}}"#);
    HardwareLocation {
        id: id.to_owned(),
        info: Some(hardware_location::Info::NodeLocationInfo(
            r#"{"Id":"Self"}"#.to_owned(),
        )),
        populated_fru: Some(HardwareFru {
            info: Some(hardware_fru::Info::NodeFruInfo(fru)),
            ..HardwareFru::default()
        }),
        ..HardwareLocation::default()
    }
}

/// Something in a node, or a PDU and its outlet, that nothing tells from others.
fn part(id: &str) -> HardwareLocation {
    let text = || "{}".to_owned();
    let (place, fru) = if id.contains('j') {
        (
            hardware_location::Info::OutletLocationInfo(text()),
            hardware_fru::Info::OutletFruInfo(text()),
        )
    } else if id.contains("m0") {
        (
            hardware_location::Info::PduLocationInfo(text()),
            hardware_fru::Info::PduFruInfo(text()),
        )
    } else if id.contains('k') {
        (
            hardware_location::Info::DriveLocationInfo(text()),
            hardware_fru::Info::DriveFruInfo(text()),
        )
    } else if id.contains('p') {
        (
            hardware_location::Info::ProcessorLocationInfo(text()),
            hardware_fru::Info::ProcessorFruInfo(text()),
        )
    } else {
        (
            hardware_location::Info::NodeBmcLocationInfo(text()),
            hardware_fru::Info::NodeBmcFruInfo(text()),
        )
    };
    HardwareLocation {
        id: id.to_owned(),
        info: Some(place),
        populated_fru: Some(HardwareFru {
            info: Some(fru),
            ..HardwareFru::default()
        }),
        ..HardwareLocation::default()
    }
}

async fn put(store: &Store, hardware: Vec<HardwareLocation>) -> Result<PutHardwareResponse, Status> {
    let service = HardwareService::new(store.clone());
    let answer = service
        .put_hardware(admin(PutHardwareRequest { hardware }))
        .await?;
    Ok(answer.into_inner())
}

async fn get(store: &Store, id: &str) -> Result<HardwareLocation, Status> {
    let request = GetHardwareRequest { id: id.to_owned() };
    let answer = HardwareService::new(store.clone())
        .get_hardware(admin(request))
        .await?;
    Ok(answer.into_inner())
}

async fn list(store: &Store, request: ListHardwareRequest) -> Vec<String> {
    let answer = HardwareService::new(store.clone())
        .list_hardware(admin(request))
        .await;
    let answer = answer.unwrap().into_inner();
    assert_eq!(answer.revision, store.state().applied_index());
    answer.hardware.into_iter().map(|place| place.id).collect()
}

async fn query(store: &Store, request: QueryHardwareRequest) -> HardwareInventory {
    let answer = HardwareService::new(store.clone())
        .query_hardware(admin(request))
        .await;
    let answer = answer.unwrap().into_inner();
    assert_eq!(answer.revision, store.state().applied_index());
    answer
}

async fn fru(store: &Store, fru_id: &str) -> Result<HardwareFru, Status> {
    let request = GetHardwareFruRequest {
        fru_id: fru_id.to_owned(),
    };
    let answer = HardwareFruService::new(store.clone())
        .get_hardware_fru(admin(request))
        .await?;
    Ok(answer.into_inner())
}

async fn history(store: &Store, id: &str) -> Result<HardwareHistory, Status> {
    let request = GetHardwareHistoryRequest {
        id: id.to_owned(),
        ..GetHardwareHistoryRequest::default()
    };
    let service = HardwareHistoryService::new(store.clone());
    Ok(service.get_hardware_history(admin(request)).await?.into_inner())
}

/// Type and unit of each event.
fn events(history: &HardwareHistory) -> Vec<(&str, &str)> {
    let events = history.history.iter();
    events
        .map(|event| (event.event_type.as_str(), event.fru_id.as_str()))
        .collect()
}

fn ids(hardware: &[HardwareLocation]) -> Vec<&str> {
    hardware.iter().map(|place| place.id.as_str()).collect()
}

#[tokio::test]
async fn what_is_posted_is_shown_with_what_follows_from_it() {
    let store = Store::in_memory();
    let answer = put(&store, vec![node("X0c0s00b0n0", "S1"), part("x0c0s0b0n0p3")])
        .await
        .unwrap();
    assert_eq!((answer.code, answer.message.as_str()), (0, "Created 2 entries"));
    assert_eq!((answer.revision, answer.created.len()), (1, 2));
    let shown = get(&store, A).await.unwrap();
    assert_eq!(
        (shown.r#type.as_str(), shown.ordinal, shown.status()),
        ("Node", 0, Filled::Populated)
    );
    assert_eq!(shown.hw_inventory_by_location_type, "HWInvByLocNode");
    assert_eq!(
        shown.info,
        Some(hardware_location::Info::NodeLocationInfo(
            r#"{"Id":"Self"}"#.to_owned()
        ))
    );
    let unit = shown.populated_fru.unwrap();
    assert_eq!(
        (unit.fru_id.as_str(), unit.r#type.as_str()),
        ("Node.HPE.S1", "Node")
    );
    assert_eq!(unit.hw_inventory_by_fru_type, "HWInvByFRUNode");
    assert_eq!((unit.serial_number.as_str(), unit.location.as_str()), ("S1", A));
    let info = r#"{"BiosVersion":"A43","Manufacturer":"HPE","SerialNumber":"S1"}"#;
    assert_eq!(unit.info, Some(hardware_fru::Info::NodeFruInfo(info.to_owned())));
    let part = get(&store, "x0c0s0b0n0p3").await.unwrap();
    assert_eq!((part.ordinal, part.r#type.as_str()), (3, "Processor"));
    assert_eq!(part.populated_fru.unwrap().fru_id, "FRUIDforx0c0s0b0n0p3");
}

#[tokio::test]
async fn a_second_post_says_what_it_changed() {
    let store = Store::in_memory();
    put(&store, vec![node(A, "S1"), node(B, "S2")]).await.unwrap();
    let again = put(&store, vec![node(A, "S1"), node(B, "S3")]).await.unwrap();
    assert_eq!(
        (again.unchanged, again.updated, again.created),
        (vec![A.to_owned()], vec![B.to_owned()], vec![])
    );
    assert_eq!(again.message, "Created 2 entries");
    let nothing = put(&store, Vec::new()).await.unwrap();
    assert_eq!(
        (nothing.message.as_str(), nothing.revision),
        ("Created 0 entries", 2)
    );
}

#[tokio::test]
async fn a_wrong_entry_refuses_all_and_is_named() {
    let store = Store::in_memory();
    let mut wrong = node(B, "S2");
    wrong.populated_fru = None;
    let refused = put(&store, vec![node(A, "S1"), wrong]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        refused.message(),
        "Hardware[1].PopulatedFRU: PopulatedFRU must be populated"
    );
    let twice = put(&store, vec![node(A, "S1"), node(B, "S1")]).await.unwrap_err();
    assert_eq!(twice.code(), Code::InvalidArgument, "{twice:?}");
    assert!(
        twice.message().contains("Node.HPE.S1 is in two places"),
        "{twice:?}"
    );
    assert!(list(&store, ListHardwareRequest::default()).await.is_empty());
}

/// Boards without a serial number of their own all say the same.
#[tokio::test]
async fn posted_units_without_a_serial_number_of_their_own_are_told_by_their_places() {
    let store = Store::in_memory();
    put(&store, vec![node(A, "Default string"), node(B, "Default string")])
        .await
        .unwrap();
    for place in [A, B] {
        let unit = get(&store, place).await.unwrap().populated_fru.unwrap();
        assert_eq!(unit.fru_id, format!("FRUIDfor{place}"));
        assert_eq!(unit.serial_number, "Default string");
    }
}

#[tokio::test]
async fn lists_are_sorted_and_filtered() {
    let store = Store::in_memory();
    let empty = HardwareLocation {
        id: "x0c0s2b0n0".to_owned(),
        status: Filled::Empty.into(),
        ..HardwareLocation::default()
    };
    put(
        &store,
        vec![node(B, "S2"), empty, node(A, "S1"), part("x0c0s0b0")],
    )
    .await
    .unwrap();
    let all = list(&store, ListHardwareRequest::default()).await;
    assert_eq!(all, ["x0c0s0b0", A, B, "x0c0s2b0n0"]);
    let of_type = ListHardwareRequest {
        r#type: vec!["node".to_owned()],
        serial_number: vec!["!S2".to_owned()],
        ..ListHardwareRequest::default()
    };
    assert_eq!(list(&store, of_type).await, [A, "x0c0s2b0n0"]);
    let frus = ListHardwareFrusRequest {
        manufacturer: vec!["HPE".to_owned()],
        ..ListHardwareFrusRequest::default()
    };
    let service = HardwareFruService::new(store.clone());
    let answer = service
        .list_hardware_frus(admin(frus))
        .await
        .unwrap()
        .into_inner();
    let frus: Vec<_> = answer
        .frus
        .iter()
        .map(|fru| (fru.fru_id.as_str(), fru.location.as_str()))
        .collect();
    assert_eq!(frus, [("Node.HPE.S1", A), ("Node.HPE.S2", B)]);
    assert_eq!(answer.revision, 1);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_in_the_words_of_hsm() {
    let store = Store::in_memory();
    let missing = |status: Status| (status.code(), status.message().to_owned());
    let no_xname = |id: &str| (Code::NotFound, format!("no such xname: {id}"));
    let no_fru = (Code::NotFound, "no such FRU ID: Node.1".to_owned());
    let none = (Code::NotFound, "no entries to delete".to_owned());
    assert_eq!(missing(get(&store, A).await.unwrap_err()), no_xname(A));
    assert_eq!(missing(get(&store, "zz").await.unwrap_err()), no_xname("zz"));
    assert_eq!(missing(fru(&store, "Node.1").await.unwrap_err()), no_fru);
    let places = HardwareService::new(store.clone());
    for id in [A, "zz"] {
        let request = DeleteHardwareRequest { id: id.to_owned() };
        assert_eq!(
            missing(places.delete_hardware(admin(request)).await.unwrap_err()),
            no_xname(id)
        );
    }
    let all = places
        .delete_all_hardware(admin(DeleteAllHardwareRequest {}))
        .await;
    assert_eq!(missing(all.unwrap_err()), none);
    let units = HardwareFruService::new(store.clone());
    let request = DeleteHardwareFruRequest {
        fru_id: "Node.1".to_owned(),
    };
    assert_eq!(
        missing(units.delete_hardware_fru(admin(request)).await.unwrap_err()),
        no_fru
    );
    let all = units
        .delete_hardware_frus(admin(DeleteHardwareFrusRequest {}))
        .await;
    assert_eq!(missing(all.unwrap_err()), none);
}

#[tokio::test]
async fn deletes_are_counted() {
    let store = Store::in_memory();
    put(&store, vec![node(A, "S1"), node(B, "S2"), part("x0c0s0b0")])
        .await
        .unwrap();
    let places = HardwareService::new(store.clone());
    let units = HardwareFruService::new(store.clone());
    let one = places
        .delete_hardware(admin(DeleteHardwareRequest {
            id: "X0c0s0b0n0".to_owned(),
        }))
        .await;
    assert_eq!(one.unwrap().into_inner().message, "deleted 1 entry");
    let unit = fru(&store, "Node.HPE.S1").await.unwrap();
    assert_eq!(unit.location, "", "a place that is forgotten leaves a spare");
    let request = DeleteHardwareFruRequest {
        fru_id: "Node.HPE.S2".to_owned(),
    };
    let one = units
        .delete_hardware_fru(admin(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(one.message, "deleted 1 entry");
    let left = get(&store, B).await.unwrap();
    assert_eq!((left.status(), left.populated_fru), (Filled::Empty, None));
    let all = units
        .delete_hardware_frus(admin(DeleteHardwareFrusRequest {}))
        .await;
    assert_eq!(all.unwrap().into_inner().message, "deleted 2 entries");
    let all = places
        .delete_all_hardware(admin(DeleteAllHardwareRequest {}))
        .await;
    assert_eq!(all.unwrap().into_inner().message, "deleted 2 entries");
}

/// A node with a processor and a drive, another node, a BMC, a PDU with an outlet, a processor of no known node.
async fn machine() -> Store {
    let store = Store::in_memory();
    let parts = [
        "x0c0s0b0",
        "x0c0s0b0n0p0",
        "x0c0s0b0n0g0k0",
        "x0m0p0",
        "x0m0p0j1",
        "x0c0s9b0n0p0",
    ];
    let mut hardware: Vec<_> = parts.into_iter().map(part).collect();
    hardware.extend([node(A, "S1"), node(B, "S2")]);
    put(&store, hardware).await.unwrap();
    store
}

fn of(id: &str, format: &str) -> QueryHardwareRequest {
    QueryHardwareRequest {
        id: id.to_owned(),
        format: format.to_owned(),
        ..QueryHardwareRequest::default()
    }
}

#[tokio::test]
async fn the_default_format_nests_what_is_in_nodes_and_outlets() {
    let found = query(&machine().await, of("all", "")).await;
    assert_eq!(
        (found.xname.as_str(), found.format.as_str()),
        ("all", "NestNodesOnly")
    );
    assert_eq!(ids(&found.nodes), [A, B]);
    assert_eq!(ids(&found.nodes[0].processors), ["x0c0s0b0n0p0"]);
    assert_eq!(ids(&found.nodes[0].drives), ["x0c0s0b0n0g0k0"]);
    assert!(found.nodes[1].processors.is_empty());
    assert_eq!(
        ids(&found.processors),
        ["x0c0s9b0n0p0"],
        "whose node is not there"
    );
    assert_eq!(
        (ids(&found.node_bmcs), ids(&found.cabinet_pdus)),
        (vec!["x0c0s0b0"], vec!["x0m0p0"])
    );
    assert_eq!(
        ids(&found.cabinet_pdus[0].cabinet_pdu_power_connectors),
        ["x0m0p0j1"]
    );
    assert!(found.drives.is_empty() && found.cabinet_pdu_power_connectors.is_empty());
}

#[tokio::test]
async fn the_other_formats_nest_nothing_or_everything() {
    let store = machine().await;
    let flat = query(&store, of("s0", "FullyFlat")).await;
    assert_eq!(ids(&flat.processors), ["x0c0s0b0n0p0", "x0c0s9b0n0p0"]);
    assert!(
        flat.nodes
            .iter()
            .all(|node| node.processors.is_empty() && node.drives.is_empty())
    );
    assert_eq!(ids(&flat.cabinet_pdu_power_connectors), ["x0m0p0j1"]);
    let tree = query(&store, of("s0", "hierarchical")).await;
    assert_eq!(
        (tree.format.as_str(), ids(&tree.nodes)),
        ("Hierarchical", vec![B])
    );
    let bmc = &tree.node_bmcs[0];
    assert_eq!(
        (ids(&bmc.nodes), ids(&bmc.nodes[0].processors)),
        (vec![A], vec!["x0c0s0b0n0p0"])
    );
}

#[tokio::test]
async fn children_parents_and_types_select() {
    let store = machine().await;
    let select = async |id: &str, types: &[&str], children: &str, parents: &str| {
        let request = QueryHardwareRequest {
            r#type: types.iter().map(|name| (*name).to_owned()).collect(),
            children: children.to_owned(),
            parents: parents.to_owned(),
            ..of(id, "FullyFlat")
        };
        let found = query(&store, request).await;
        let lists = [
            &found.nodes,
            &found.node_bmcs,
            &found.processors,
            &found.drives,
            &found.cabinet_pdus,
        ];
        let mut found: Vec<String> = lists
            .into_iter()
            .flat_map(|list| ids(list))
            .map(str::to_owned)
            .collect();
        found.sort();
        found
    };
    let (bmc, processor, drive) = ("x0c0s0b0", "x0c0s0b0n0p0", "x0c0s0b0n0g0k0");
    assert_eq!(select(bmc, &[], "", "").await, [bmc, A, drive, processor]);
    assert_eq!(select(bmc, &[], "false", "").await, [bmc]);
    assert_eq!(select(processor, &[], "", "true").await, [bmc, A, processor]);
    assert_eq!(select(A, &[], "true", "true").await, [bmc, A, drive, processor]);
    assert_eq!(select(processor, &["Node"], "", "true").await, [A]);
    assert_eq!(
        select("s0", &["Node"], "", "").await,
        [A, drive, processor, B],
        "with what is in the nodes"
    );
    assert_eq!(select("s0", &["Node"], "false", "").await, [A, B]);
    assert_eq!(select("x0c0s7", &[], "", "").await, [""; 0]);
    assert_eq!(
        select("p1", &[], "", "").await,
        [""; 0],
        "nothing is in a partition"
    );
}

#[tokio::test]
async fn the_history_tells_by_place_and_by_unit_where_things_were() {
    let store = Store::in_memory();
    put(&store, vec![node(A, "S1")]).await.unwrap();
    put(&store, vec![node(A, "S1")]).await.unwrap();
    put(&store, vec![node(A, "S2"), node(B, "S1")]).await.unwrap();
    let (one, two) = ("Node.HPE.S1", "Node.HPE.S2");
    let of_a = history(&store, "X0c0s0b0n0").await.unwrap();
    assert_eq!(of_a.id, A);
    assert_eq!(
        events(&of_a),
        [("Detected", one), ("Removed", one), ("Detected", two)]
    );
    assert!(
        of_a.history
            .iter()
            .all(|event| event.id == A && event.timestamp.ends_with('Z'))
    );
    let service = HardwareHistoryService::new(store.clone());
    let request = GetFruHistoryRequest {
        fru_id: one.to_owned(),
        ..GetFruHistoryRequest::default()
    };
    let of_unit = service
        .get_fru_history(admin(request))
        .await
        .unwrap()
        .into_inner();
    let happened: Vec<_> = of_unit
        .history
        .iter()
        .map(|e| (e.event_type.as_str(), e.id.as_str()))
        .collect();
    assert_eq!(happened, [("Detected", A), ("Removed", A), ("Detected", B)]);
    let by_place = service
        .list_hardware_history(admin(ListHardwareHistoryRequest::default()))
        .await;
    let by_place = by_place.unwrap().into_inner();
    let counts: Vec<_> = by_place
        .components
        .iter()
        .map(|c| (c.id.as_str(), c.history.len()))
        .collect();
    assert_eq!((counts, by_place.revision), (vec![(A, 3), (B, 1)], 3));
    let request = ListFruHistoryRequest {
        event_type: vec!["detected".to_owned()],
        ..ListFruHistoryRequest::default()
    };
    let by_unit = service
        .list_fru_history(admin(request))
        .await
        .unwrap()
        .into_inner();
    let counts: Vec<_> = by_unit
        .components
        .iter()
        .map(|c| (c.id.as_str(), c.history.len()))
        .collect();
    assert_eq!(counts, [(one, 2), (two, 1)]);
}

#[tokio::test]
async fn a_history_of_nothing_is_empty_and_nonsense_is_refused() {
    let store = Store::in_memory();
    assert_eq!(history(&store, A).await.unwrap().history, []);
    let refused = history(&store, "zz").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("Invalid xname: "), "{refused:?}");
}

/// What is too old goes with a change; until then it is shown, or the ETag of a history would not tell that it is gone.
#[tokio::test]
async fn a_history_does_not_change_by_time_alone() {
    let store = Store::in_memory();
    put(&store, vec![node(A, "S1")]).await.unwrap();
    let state = store.state();
    let rows = state.rows().map(|mut row| {
        if let Some(Row::Header(header)) = row.row.as_mut() {
            header.time_ms += 2 * HARDWARE_EVENT_LAPSE_MS;
        }
        row
    });
    let years_later = Store::in_memory_with(State::from_rows(rows).unwrap());
    let shown = history(&years_later, A).await.unwrap();
    assert_eq!(events(&shown), [("Detected", "Node.HPE.S1")]);
    assert_eq!(shown, history(&store, A).await.unwrap());
}

#[tokio::test]
async fn histories_are_deleted_by_place_by_unit_and_as_a_whole() {
    let store = Store::in_memory();
    let service = HardwareHistoryService::new(store.clone());
    put(&store, vec![node(A, "S1"), node(B, "S2")]).await.unwrap();
    put(&store, vec![node(A, "S3"), node(B, "S1")]).await.unwrap();
    let request = DeleteFruHistoryRequest {
        fru_id: "Node.HPE.S1".to_owned(),
    };
    let deleted = service
        .delete_fru_history(admin(request.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((deleted.code, deleted.message.as_str()), (0, "deleted 3 entries"));
    let none = service.delete_fru_history(admin(request)).await.unwrap_err();
    assert_eq!(
        (none.code(), none.message()),
        (Code::NotFound, "no entries to delete")
    );
    let request = DeleteHardwareHistoryRequest { id: A.to_owned() };
    let deleted = service
        .delete_hardware_history(admin(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(deleted.message, "deleted 1 entries", "HSM's plural");
    let request = DeleteHardwareHistoryRequest { id: "zz".to_owned() };
    let refused = service.delete_hardware_history(admin(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let all = service
        .delete_all_hardware_history(admin(DeleteAllHardwareHistoryRequest {}))
        .await;
    assert_eq!(all.unwrap().into_inner().message, "deleted 2 entries");
}

#[tokio::test]
async fn without_a_majority_nothing_is_stored() {
    let store = Store::in_memory();
    put(&store, vec![node(A, "S1")]).await.unwrap();
    let lost = cut_off(&store);
    let refused = put(&lost, vec![node(B, "S2")]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(list(&lost, ListHardwareRequest::default()).await, [A]);
}

/// Model, serial number and BIOS of a Magellan's payload come into the inventory with the endpoint, in one change.
#[tokio::test]
async fn a_posted_bmc_brings_its_hardware() {
    let (store, service) = endpoints();
    let system = InventoryDetail {
        uri: "https://10.0.0.1/redfish/v1/Systems/Self".to_owned(),
        serial: "S1".to_owned(),
        manufacturer: "HPE".to_owned(),
        bios_version: "A43".to_owned(),
        chassis_serial: "C1".to_owned(),
        chassis_manufacturer: "\"\\\u{7}".repeat(400),
        ..InventoryDetail::default()
    };
    let payload = RedfishEndpointPayload {
        id: "x0c0s0b0".to_owned(),
        fqdn: "bmc0.lab".to_owned(),
        schema_version: 1,
        managers: vec![PayloadManager::default()],
        systems: vec![system],
        ..RedfishEndpointPayload::default()
    };
    service
        .create_redfish_endpoints(admin(payload.clone()))
        .await
        .unwrap();
    assert_eq!(store.state().applied_index(), 1);
    let all = list(&store, ListHardwareRequest::default()).await;
    assert_eq!(all, ["x0c0s0b0", A, "x0c0s0e0"]);
    let unit = get(&store, A).await.unwrap().populated_fru.unwrap();
    assert_eq!(unit.fru_id, "Node.HPE.S1");
    let Some(hardware_fru::Info::NodeFruInfo(info)) = unit.info else {
        panic!("a node's unit has a node's info");
    };
    assert!(info.contains(r#""BiosVersion":"A43""#), "{info}");
    service.update_redfish_endpoint(admin(payload)).await.unwrap();
    assert_eq!(
        history(&store, A).await.unwrap().history.len(),
        1,
        "found again, nothing happened"
    );
}

/// A BMC of a chassis with one BMC for each node: they share the chassis' serial number.
fn twin(number: u8, uuid: &str) -> RedfishEndpointPayload {
    let system = InventoryDetail {
        uri: format!("https://10.0.0.{number}/redfish/v1/Systems/Self"),
        uuid: uuid.to_owned(),
        serial: "CZ01".to_owned(),
        manufacturer: "X".to_owned(),
        chassis_serial: "CZ01".to_owned(),
        chassis_manufacturer: "X".to_owned(),
        ..InventoryDetail::default()
    };
    RedfishEndpointPayload {
        id: format!("x0c0s0b{number}"),
        fqdn: format!("bmc{number}.lab"),
        schema_version: 1,
        managers: vec![PayloadManager::default()],
        systems: vec![system],
        ..RedfishEndpointPayload::default()
    }
}

/// What is in every place, which one has something in it.
async fn units(store: &Store) -> Vec<(String, String)> {
    let answer = HardwareService::new(store.clone())
        .list_hardware(admin(ListHardwareRequest::default()))
        .await;
    let places = answer.unwrap().into_inner().hardware.into_iter();
    places
        .map(|place| {
            (
                place.id,
                place.populated_fru.map_or_else(String::new, |fru| fru.fru_id),
            )
        })
        .collect()
}

#[tokio::test]
async fn nodes_of_one_chassis_behind_several_bmcs_stay_where_they_are() {
    let (store, service) = endpoints();
    for payload in [twin(0, "aa"), twin(1, "bb")] {
        service.create_redfish_endpoints(admin(payload)).await.unwrap();
    }
    let expected = [
        ("x0c0s0b0", "FRUIDforx0c0s0b0"),
        ("x0c0s0b0n0", "Node.X.CZ01"),
        ("x0c0s0b1", "FRUIDforx0c0s0b1"),
        ("x0c0s0b1n0", "FRUIDforx0c0s0b1n0"),
        ("x0c0s0e0", "NodeEnclosure.X.CZ01"),
        ("x0c0s0e1", "FRUIDforx0c0s0e1"),
    ];
    let expected = expected.map(|(place, unit)| (place.to_owned(), unit.to_owned()));
    assert_eq!(units(&store).await, expected);
    // whatever the order of later discoveries
    for payload in [twin(1, "bb"), twin(0, "aa"), twin(0, "aa"), twin(1, "bb")] {
        service.update_redfish_endpoint(admin(payload)).await.unwrap();
        assert_eq!(units(&store).await, expected);
    }
    for (place, _) in &expected {
        assert_eq!(history(&store, place).await.unwrap().history.len(), 1, "{place}");
    }
}

/// A blade that somebody has carried to another slot has its UUID with it.
#[tokio::test]
async fn a_machine_with_the_same_uuid_has_moved() {
    let (store, service) = endpoints();
    for payload in [twin(0, "aa"), twin(1, "AA")] {
        service.create_redfish_endpoints(admin(payload)).await.unwrap();
    }
    let places = units(&store).await;
    let of = |place: &str| places.iter().find(|(id, _)| id == place).unwrap().1.as_str();
    assert_eq!((of("x0c0s0b0n0"), of("x0c0s0b1n0")), ("", "Node.X.CZ01"));
}

/// Without its old endpoint nothing tells of the place any more: what has its name is the unit.
#[tokio::test]
async fn a_unit_is_found_again_elsewhere_once_its_endpoint_is_deleted() {
    let (store, service) = endpoints();
    service
        .create_redfish_endpoints(admin(twin(0, "")))
        .await
        .unwrap();
    let delete = DeleteRedfishEndpointRequest {
        id: "x0c0s0b0".to_owned(),
        if_revision: None,
    };
    service.delete_redfish_endpoint(admin(delete)).await.unwrap();
    service
        .create_redfish_endpoints(admin(twin(1, "")))
        .await
        .unwrap();
    let places = units(&store).await;
    let of = |place: &str| places.iter().find(|(id, _)| id == place).unwrap().1.as_str();
    assert_eq!((of("x0c0s0b0n0"), of("x0c0s0b1n0")), ("", "Node.X.CZ01"));
    assert_eq!((of("x0c0s0e0"), of("x0c0s0e1")), ("", "NodeEnclosure.X.CZ01"));
}
