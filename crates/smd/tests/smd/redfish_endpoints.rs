//! HSM's Inventory/RedfishEndpoints, method by method: what changes, what is answered, and with which code.

use crate::common::{admin, blade, cut_off, endpoints};
use auth::Sealer;
use proto::smd::v1::component::State;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointService as _;
use proto::smd::v1::{
    DeleteRedfishEndpointRequest, DeleteRedfishEndpointsRequest, GetRedfishEndpointRequest,
    ListRedfishEndpointsRequest, PatchRedfishEndpointRequest, PduInventory, PduOutlet,
    QueryRedfishEndpointsRequest, RedfishEndpoint, RedfishEndpointPayload, ResourceUris, ServiceEndpoint,
};
use raft::Store;
use smd::RedfishEndpointService;
use tonic::{Code, Status};

async fn create(
    service: &RedfishEndpointService,
    payload: RedfishEndpointPayload,
) -> Result<ResourceUris, Status> {
    let answer = service.create_redfish_endpoints(admin(payload)).await;
    answer.map(tonic::Response::into_inner)
}

async fn update(
    service: &RedfishEndpointService,
    payload: RedfishEndpointPayload,
) -> Result<RedfishEndpoint, Status> {
    let answer = service.update_redfish_endpoint(admin(payload)).await;
    answer.map(tonic::Response::into_inner)
}

async fn get(service: &RedfishEndpointService, id: &str) -> Result<RedfishEndpoint, Status> {
    let request = GetRedfishEndpointRequest { id: id.to_owned() };
    let answer = service.get_redfish_endpoint(admin(request)).await;
    answer.map(tonic::Response::into_inner)
}

async fn ids(service: &RedfishEndpointService, request: ListRedfishEndpointsRequest) -> Vec<String> {
    let listed = service.list_redfish_endpoints(admin(request)).await.unwrap();
    let listed = listed.into_inner().redfish_endpoints.into_iter();
    listed.map(|endpoint| endpoint.id).collect()
}

fn several(payloads: Vec<RedfishEndpointPayload>) -> RedfishEndpointPayload {
    RedfishEndpointPayload {
        redfish_endpoints: payloads,
        ..RedfishEndpointPayload::default()
    }
}

fn xnames(store: &Store) -> Vec<(String, State, Option<u64>)> {
    let shown = |component: &std::sync::Arc<proto::smd::v1::Component>| {
        (component.id.clone(), component.state(), component.nid)
    };
    store.state().smd.components().map(shown).collect()
}

/// What `magellan send` posts becomes everything that HSM makes of it, in one revision.
#[tokio::test]
async fn a_posted_bmc_is_one_change_with_all_that_is_behind_it() {
    let (store, service) = endpoints();
    let answer = create(&service, blade(0)).await.unwrap();
    let uri = "/hsm/v2/Inventory/RedfishEndpoints/x1000c0s0b0";
    assert_eq!((answer.uris.len(), answer.uris[0].uri.as_str()), (1, uri));
    assert_eq!((answer.location.as_str(), answer.revision), (uri, 1));
    let state = store.state();
    assert_eq!(state.applied_index(), 1);
    let expected = [
        ("x1000c0s0b0".to_owned(), State::Unspecified, None),
        ("x1000c0s0b0n0".to_owned(), State::On, Some(1)),
    ];
    assert_eq!(xnames(&store), expected);
    assert_eq!(state.smd.component_endpoints().count(), 2);
    let macs: Vec<(&str, &str)> = state
        .smd
        .interfaces()
        .map(|nic| (nic.mac_address.as_str(), nic.component_id.as_str()))
        .collect();
    let expected = [
        ("02:00:00:00:00:01", "x1000c0s0b0"),
        ("02:00:00:00:00:02", "x1000c0s0b0n0"),
    ];
    assert_eq!(macs, expected, "also those without an address");
    let stored = get(&service, "X1000c0s00b0").await.unwrap();
    assert_eq!(
        (stored.fqdn.as_str(), stored.ip_address.as_str()),
        ("10.1.0.1", "10.1.0.1")
    );
    assert_eq!(
        stored.discovery_info.unwrap().last_discovery_status,
        "NotYetQueried"
    );
    assert!(stored.enabled);
}

/// HSM throws it away; a discovery is one entry, so there is no inventory without it.
#[tokio::test]
async fn hardware_detail_is_kept_in_the_same_change() {
    let (store, service) = endpoints();
    let mut payload = blade(0);
    payload.systems[0].model = "ProLiant DL325".into();
    payload.systems[0].serial = "MXQ1".into();
    payload.managers[0].firmware_version = "2.46".into();
    let answer = create(&service, payload).await.unwrap();
    let state = store.state();
    let place = |id: &str| state.smd.hardware_location(&id.parse().unwrap()).unwrap();
    let node = state.smd.hardware_fru(&place("x1000c0s0b0n0").fru_id).unwrap();
    assert!(
        node.info.contains("ProLiant DL325") && node.serial_number == "MXQ1",
        "{node:?}"
    );
    assert!(place("x1000c0s0b0").info.contains("2.46"));
    assert_eq!(
        node.meta.clone().unwrap().created.unwrap().revision,
        answer.revision
    );
}

/// HSM answers such a repeat with two or more documents at once; here it is one 409.
#[tokio::test]
async fn a_repeated_post_is_one_conflict_and_changes_nothing() {
    let (store, service) = endpoints();
    create(&service, blade(0)).await.unwrap();
    let again = create(&service, blade(0)).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    assert!(again.message().contains("x1000c0s0b0"), "{again:?}");
    let mixed = create(&service, several(vec![blade(1), blade(0)]))
        .await
        .unwrap_err();
    assert_eq!(mixed.code(), Code::AlreadyExists);
    assert_eq!(xnames(&store).len(), 2);
}

/// In HSM each of these nodes would be NID 1, and none of them would be made, because they are not at the top.
#[tokio::test]
async fn several_in_a_body_get_all_that_is_behind_them_and_nids_of_the_cluster() {
    let (store, service) = endpoints();
    let answer = create(&service, several((0..3).map(blade).collect()))
        .await
        .unwrap();
    assert_eq!(answer.uris.len(), 3);
    assert_eq!(answer.location, "/hsm/v2/Inventory/RedfishEndpoints");
    let nids: Vec<u64> = xnames(&store).into_iter().filter_map(|(_, _, nid)| nid).collect();
    assert_eq!(nids, [1, 2, 3]);
}

#[tokio::test]
async fn an_update_creates_and_repeats_without_a_change() {
    let (store, service) = endpoints();
    let made = update(&service, blade(0)).await.unwrap();
    assert_eq!(
        (made.id.as_str(), made.fqdn.as_str()),
        ("x1000c0s0b0", "10.1.0.1")
    );
    let before: Vec<_> = store.state().objects().collect();
    update(&service, blade(0)).await.unwrap();
    assert_eq!(store.state().objects().collect::<Vec<_>>(), before);
    let listed = update(&service, several(vec![blade(0)])).await.unwrap_err();
    assert_eq!(listed.code(), Code::InvalidArgument);
}

/// A BMC that lists its systems in another order has not swapped its nodes.
#[tokio::test]
async fn systems_keep_their_xnames_whatever_their_order() {
    let (store, service) = endpoints();
    let mut payload = blade(0);
    let mut second = payload.systems[0].clone();
    second.uuid = "bb".into();
    second.uri = "/redfish/v1/Systems/2".into();
    second.ethernet_interfaces[0].mac = "02:00:00:00:00:03".into();
    payload.systems.push(second);
    update(&service, payload.clone()).await.unwrap();
    let before: Vec<_> = store.state().objects().collect();
    payload.systems.reverse();
    update(&service, payload).await.unwrap();
    assert_eq!(store.state().objects().collect::<Vec<_>>(), before);
}

#[tokio::test]
async fn bad_payloads_are_refused_by_field_and_nothing_is_stored() {
    type Change = fn(&mut RedfishEndpointPayload);
    let cases: [(&str, Change); 8] = [
        ("ID: ", |p| p.id = "nonsense".into()),
        ("ID: x1000c0s0b0n0 is a Node", |p| p.id = "x1000c0s0b0n0".into()),
        ("IPAddress: hostname IP address conflicts", |p| {
            p.ip_address = "10.9.9.9".into()
        }),
        ("FQDN: host/domain conflicts", |p| p.hostname = "other".into()),
        ("MACAddr: ", |p| p.mac_addr = "N/A".into()),
        ("SchemaVersion: ", |p| p.schema_version = 0),
        ("ID: x1000c0b0 is a ChassisBMC", |p| p.id = "x1000c0b0".into()),
        ("Password: ", |p| p.password = "x".repeat(1025)),
    ];
    let (store, service) = endpoints();
    for (text, change) in cases {
        let mut payload = blade(0);
        change(&mut payload);
        for refused in [
            create(&service, payload.clone()).await.unwrap_err(),
            update(&service, payload.clone()).await.unwrap_err(),
        ] {
            assert_eq!(refused.code(), Code::InvalidArgument, "{text}");
            assert!(refused.message().starts_with(text), "{}", refused.message());
        }
    }
    assert_eq!(store.state().objects().count(), 0);
}

/// A conflict of FQDNs names both owners.
#[tokio::test]
async fn an_fqdn_has_one_owner() {
    let (_, service) = endpoints();
    create(&service, blade(0)).await.unwrap();
    let mut other = blade(1);
    other.fqdn = "10.1.0.1".into();
    let refused = create(&service, other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    for owner in ["x1000c0s0b0", "x1000c0s1b0", "10.1.0.1"] {
        assert!(refused.message().contains(owner), "{}", refused.message());
    }
}

#[tokio::test]
async fn a_pdu_is_posted_with_its_outlets() {
    let (store, service) = endpoints();
    let outlet = |suffix: &str, state: &str| PduOutlet {
        original_id: "BA35".into(),
        id_suffix: suffix.into(),
        state: state.into(),
        ..PduOutlet::default()
    };
    let payload = RedfishEndpointPayload {
        id: "x3000m0".into(),
        r#type: "Node".into(), // what Magellan writes
        fqdn: "x3000m0".into(),
        hostname: "x3000m0".into(),
        pdu_inventory: Some(PduInventory {
            outlets: vec![outlet("p0v35", "On"), outlet("p0v36", "Off")],
            ..PduInventory::default()
        }),
        ..RedfishEndpointPayload::default()
    };
    create(&service, payload).await.unwrap();
    let expected = [
        ("x3000m0".to_owned(), State::On, None),
        ("x3000m0p0v35".to_owned(), State::On, None),
        ("x3000m0p0v36".to_owned(), State::Off, None),
    ];
    assert_eq!(xnames(&store), expected);
    let outlet = store
        .state()
        .smd
        .component_endpoint(&"x3000m0p0v36".parse().unwrap())
        .unwrap();
    assert_eq!(outlet.redfish_url, "x3000m0/jaws/monitor/outlets/BA35");
    assert_eq!(outlet.component_endpoint_type, "ComponentEndpointOutlet");
    assert_eq!(
        get(&service, "x3000m0").await.unwrap().r#type,
        "CabinetPDUController"
    );
}

/// What a discovery of ours, or a copy of another SMD, knows in its final form.
#[tokio::test]
async fn service_endpoints_come_natively() {
    let (store, service) = endpoints();
    let payload = RedfishEndpointPayload {
        service_endpoints: vec![ServiceEndpoint {
            redfish_type: "UpdateService".into(),
            ..ServiceEndpoint::default()
        }],
        component_endpoints: vec![proto::smd::v1::ComponentEndpoint {
            id: "x1000c0s0e0".into(),
            redfish_type: "Chassis".into(),
            odata_id: "/redfish/v1/Chassis/1".into(),
            ..Default::default()
        }],
        ..blade(0)
    };
    create(&service, payload).await.unwrap();
    let state = store.state();
    assert_eq!(state.smd.service_endpoints().count(), 1);
    let chassis = state
        .smd
        .component_endpoint(&"x1000c0s0e0".parse().unwrap())
        .unwrap();
    assert_eq!(chassis.redfish_url, "10.1.0.1/redfish/v1/Chassis/1");
}

#[tokio::test]
async fn lists_are_filtered_and_queries_go_by_place() {
    let (_, service) = endpoints();
    create(&service, several((0..3).map(blade).collect()))
        .await
        .unwrap();
    let all = ["x1000c0s0b0", "x1000c0s1b0", "x1000c0s2b0"];
    assert_eq!(ids(&service, ListRedfishEndpointsRequest::default()).await, all);
    let by_address = ListRedfishEndpointsRequest {
        ip_address: vec!["10.1.1.1".into(), "10.1.2.1".into()],
        ..Default::default()
    };
    assert_eq!(ids(&service, by_address).await, ["x1000c0s1b0", "x1000c0s2b0"]);
    let bad = ListRedfishEndpointsRequest {
        r#type: vec!["foo".into()],
        ..Default::default()
    };
    let refused = service.list_redfish_endpoints(admin(bad)).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "bad query param: Argument was not a valid HMS Type"
    );
    for (place, found) in [("all", 3), ("s0", 3), ("x1000", 3), ("x1000c0s1", 1), ("x1", 0)] {
        let request = QueryRedfishEndpointsRequest { id: place.to_owned() };
        let answer = service.query_redfish_endpoints(admin(request)).await.unwrap();
        assert_eq!(answer.get_ref().redfish_endpoints.len(), found, "{place}");
    }
    let request = QueryRedfishEndpointsRequest { id: "foo".to_owned() };
    let refused = service.query_redfish_endpoints(admin(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_patch_answers_with_the_endpoint() {
    let (_, service) = endpoints();
    create(&service, blade(0)).await.unwrap();
    let patch = |id: &str, enabled| PatchRedfishEndpointRequest {
        id: id.to_owned(),
        enabled,
        ..Default::default()
    };
    let answer = service
        .patch_redfish_endpoint(admin(patch("X1000c0s0b0", Some(false))))
        .await
        .unwrap();
    assert!(!answer.get_ref().enabled);
    assert_eq!(answer.get_ref().user, "root");
    for (id, code) in [
        ("x1000c0s9b0", Code::NotFound),
        ("nonsense", Code::InvalidArgument),
    ] {
        let refused = service
            .patch_redfish_endpoint(admin(patch(id, None)))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), code, "{id}");
    }
}

/// Components stay, Empty; Ethernet interfaces stay as they are.
#[tokio::test]
async fn deletes_are_counted_and_leave_what_hsm_leaves() {
    let (store, service) = endpoints();
    create(&service, several((0..3).map(blade).collect()))
        .await
        .unwrap();
    let delete = |id: &str| {
        service.delete_redfish_endpoint(admin(DeleteRedfishEndpointRequest {
            id: id.to_owned(),
            ..Default::default()
        }))
    };
    assert_eq!(
        delete("X1000c0s0b0").await.unwrap().get_ref().message,
        "deleted 1 entry"
    );
    for id in ["x1000c0s0b0", "nonsense"] {
        assert_eq!(delete(id).await.unwrap_err().code(), Code::NotFound, "{id}");
        assert_eq!(
            get(&service, id).await.unwrap_err().code(),
            Code::NotFound,
            "{id}"
        );
    }
    let node = store
        .state()
        .smd
        .component(&"x1000c0s0b0n0".parse().unwrap())
        .unwrap();
    assert_eq!(node.state(), State::Empty);
    assert_eq!(store.state().smd.interfaces().count(), 6);
    let all = || service.delete_redfish_endpoints(admin(DeleteRedfishEndpointsRequest {}));
    assert_eq!(all().await.unwrap().get_ref().message, "deleted 2 entries");
    assert_eq!(all().await.unwrap_err().message(), "no entries to delete");
}

#[tokio::test]
async fn without_a_majority_nothing_is_taken() {
    let (store, service) = endpoints();
    create(&service, blade(0)).await.unwrap();
    let service = RedfishEndpointService::new(cut_off(&store), &Sealer::generate().unwrap());
    assert_eq!(
        create(&service, blade(1)).await.unwrap_err().code(),
        Code::Unavailable
    );
    assert_eq!(
        update(&service, blade(0)).await.unwrap_err().code(),
        Code::Unavailable
    );
    assert_eq!(get(&service, "x1000c0s0b0").await.unwrap().id, "x1000c0s0b0");
}

/// Discovery stores as `PUT` does: once created, then updated, and what is told apart is only the first time.
#[tokio::test]
async fn what_the_cluster_discovers_is_stored_as_an_update() {
    let (store, sealer) = (raft::Store::in_memory(), auth::Sealer::generate().unwrap());
    let author = rpc::Author::of("user/ada", None);
    let first = smd::store_discovered(&store, &sealer, &author, &blade(3))
        .await
        .unwrap();
    assert_eq!((first.id.as_str(), first.is_new), ("x1000c0s3b0", true));
    let again = smd::store_discovered(&store, &sealer, &author, &blade(3))
        .await
        .unwrap();
    assert!(!again.is_new && again.revision > first.revision);
    let node = "x1000c0s3b0n0".parse().unwrap();
    let meta = store.state().smd.component(&node).unwrap().meta.clone().unwrap();
    assert_eq!(meta.created.unwrap().principal, "user/ada");
}

/// A plan shows what would come, and nothing of it is there afterwards.
#[tokio::test]
async fn what_is_only_tried_out_is_told_and_not_stored() {
    let (store, sealer) = (raft::Store::in_memory(), auth::Sealer::generate().unwrap());
    let (author, trial) = rpc::Author::of("user/ada", None).trying_out();
    smd::store_discovered(&store, &sealer, &author, &blade(3))
        .await
        .unwrap();
    let changes = trial.would_change().changes;
    let is_node = |change: &&proto::http::v1::ObjectChange| change.id == "x1000c0s3b0n0";
    assert!(changes.iter().any(|change| is_node(&change)), "{changes:?}");
    assert_eq!(store.state().applied_index(), 0);
}
