//! What old clients do not ask for, through the guard as every port has it: ETags, conditions, pages and trials.

mod pages;

use std::sync::Arc;

use crate::common::{admin, blade, node};
use prost::Message as _;
use proto::http::v1::{ObjectChange, ObjectMeta, WouldChange};
use proto::smd::v1::component::State;
use proto::smd::v1::component_endpoint_service_client::ComponentEndpointServiceClient;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::hardware_fru_service_client::HardwareFruServiceClient;
use proto::smd::v1::hardware_history_service_client::HardwareHistoryServiceClient;
use proto::smd::v1::hardware_service_client::HardwareServiceClient;
use proto::smd::v1::membership_service_client::MembershipServiceClient;
use proto::smd::v1::node_map_service_client::NodeMapServiceClient;
use proto::smd::v1::partition_service_client::PartitionServiceClient;
use proto::smd::v1::power_map_service_client::PowerMapServiceClient;
use proto::smd::v1::redfish_endpoint_service_client::RedfishEndpointServiceClient;
use proto::smd::v1::service_endpoint_service_client::ServiceEndpointServiceClient;
use proto::smd::v1::{
    AddPartitionMemberRequest, ComponentEndpoint, CreateComponentsRequest, CreateEthernetInterfaceRequest,
    DeleteComponentRequest, DeleteComponentsRequest, DeletePartitionRequest, GetHardwareRequest,
    GetMembershipRequest, Group, GroupMembers, HardwareFru, HardwareHistory, HardwareLocation,
    ListComponentEndpointsRequest, ListComponentsRequest, ListEthernetInterfacesRequest,
    ListFruHistoryRequest, ListGroupMembersRequest, ListGroupsRequest, ListHardwareFrusRequest,
    ListHardwareHistoryRequest, ListHardwareRequest, ListMembershipsRequest, ListNodeMapsRequest,
    ListPartitionMembersRequest, ListPartitionsRequest, ListPowerMapsRequest, ListRedfishEndpointsRequest,
    ListServiceEndpointsRequest, NodeMap, Partition, PatchEthernetInterfaceRequest, PatchGroupRequest,
    PatchPartitionRequest, PatchStateDataRequest, PowerMap, PutComponentRequest, PutHardwareRequest,
    PutNodeMapRequest, PutNodeMapsRequest, PutPowerMapRequest, PutPowerMapsRequest, QueryHardwareRequest,
    RedfishEndpoint, RedfishEndpointPayload, ServiceEndpoint, hardware_location,
};
use raft::Store;
use rpc::{Guard, Guarded, Rules};
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tower::Layer as _;

/// SMD behind the guard, and the store below it.
struct Smd {
    store: Store,
    service: Guarded<Routes>,
}

impl Smd {
    fn new() -> Smd {
        let store = Store::in_memory();
        let mut builder = Routes::builder();
        smd::add_services(&mut builder, &store, &auth::Sealer::generate().unwrap());
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let guard = Guard::new(rules, None, Arc::new(store.clone()));
        Smd {
            service: guard.layer(builder.routes()),
            store,
        }
    }

    fn components(&self) -> ComponentServiceClient<Guarded<Routes>> {
        ComponentServiceClient::new(self.service.clone())
    }

    fn groups(&self) -> GroupServiceClient<Guarded<Routes>> {
        GroupServiceClient::new(self.service.clone())
    }

    fn interfaces(&self) -> EthernetInterfaceServiceClient<Guarded<Routes>> {
        EthernetInterfaceServiceClient::new(self.service.clone())
    }

    fn memberships(&self) -> MembershipServiceClient<Guarded<Routes>> {
        MembershipServiceClient::new(self.service.clone())
    }

    fn partitions(&self) -> PartitionServiceClient<Guarded<Routes>> {
        PartitionServiceClient::new(self.service.clone())
    }

    fn hardware(&self) -> HardwareServiceClient<Guarded<Routes>> {
        HardwareServiceClient::new(self.service.clone())
    }

    async fn put_empty_place(&self, id: &str) {
        let place = HardwareLocation {
            id: id.to_owned(),
            status: hardware_location::Status::Empty.into(),
            ..HardwareLocation::default()
        };
        let request = PutHardwareRequest {
            hardware: vec![place],
        };
        self.hardware().put_hardware(admin(request)).await.unwrap();
    }

    async fn create(&self, slots: std::ops::Range<u32>) {
        let components = slots.map(|slot| node(&format!("x0c0s{slot}b0n0"), State::On));
        let request = CreateComponentsRequest {
            components: components.collect(),
            force: false,
            ..Default::default()
        };
        self.components().create_components(admin(request)).await.unwrap();
    }

    async fn create_group(&self, label: &str) {
        let group = Group {
            label: label.to_owned(),
            ..Group::default()
        };
        self.groups().create_group(admin(group)).await.unwrap();
    }
}

fn with<T>(message: T, name: &'static str, value: &str) -> Request<T> {
    let mut request = admin(message);
    request.metadata_mut().insert(name, value.parse().unwrap());
    request
}

fn etag_of(metadata: &MetadataMap) -> String {
    metadata.get(rpc::ETAG).unwrap().to_str().unwrap().to_owned()
}

fn is_not_modified<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> bool {
    let status = answer.unwrap_err();
    let http_status = status.metadata().get(rpc::HTTP_STATUS).unwrap();
    status.code() == Code::FailedPrecondition && http_status == "304"
}

/// What coresmd and BSS do twice a minute.
#[tokio::test]
async fn a_poll_of_unchanged_lists_is_not_answered_again_until_something_changes() {
    let smd = Smd::new();
    smd.create(0..3).await;
    let listed = smd
        .components()
        .list_components(admin(ListComponentsRequest::default()))
        .await
        .unwrap();
    let seen = etag_of(listed.metadata());
    assert_eq!(seen, smd.store.etag(1).to_string());
    let poll = || {
        let request = with(ListComponentsRequest::default(), rpc::IF_NONE_MATCH, &seen);
        let mut client = smd.components();
        async move { client.list_components(request).await }
    };
    assert!(is_not_modified(poll().await));
    // another kind of object, and a state that the component has already
    let interface = CreateEthernetInterfaceRequest {
        mac_address: "02:00:00:00:00:01".into(),
        ..Default::default()
    };
    smd.interfaces()
        .create_ethernet_interface(admin(interface))
        .await
        .unwrap();
    smd.create(0..3).await;
    assert!(is_not_modified(poll().await));
    let gone = DeleteComponentRequest {
        id: "x0c0s2b0n0".into(),
        ..Default::default()
    };
    smd.components().delete_component(admin(gone)).await.unwrap();
    let changed = poll().await.unwrap();
    assert_eq!(changed.get_ref().components.len(), 2);
    assert_ne!(etag_of(changed.metadata()), seen);
}

/// A list of components may be one of a group's, and memberships are made of both.
#[tokio::test]
async fn what_is_derived_changes_with_all_that_it_is_made_of() {
    let smd = Smd::new();
    smd.create(0..1).await;
    let mut seen = Vec::new();
    for label in ["a", "b"] {
        smd.create_group(label).await;
        let id = || "x0c0s0b0n0".to_owned();
        let one = smd
            .memberships()
            .get_membership(admin(GetMembershipRequest { id: id() }))
            .await
            .unwrap();
        let all = smd
            .memberships()
            .list_memberships(admin(ListMembershipsRequest::default()))
            .await
            .unwrap();
        let of_group = ListComponentsRequest {
            group: vec![label.into()],
            ..Default::default()
        };
        let of_group = smd.components().list_components(admin(of_group)).await.unwrap();
        let etags = [one.metadata(), all.metadata(), of_group.metadata()].map(etag_of);
        assert!(etags.iter().all(|etag| *etag == etags[0]), "{etags:?}");
        seen.push(etags[0].clone());
    }
    assert_ne!(seen[0], seen[1]);
}

/// Hardware may be asked for by partition, so its lists change with what is in one.
#[tokio::test]
async fn lists_of_hardware_change_with_partitions() {
    let smd = Smd::new();
    smd.create(0..1).await;
    smd.put_empty_place("x0c0s0b0n0").await;
    let list = ListHardwareRequest {
        partition: vec!["p1".into()],
        ..Default::default()
    };
    let query = QueryHardwareRequest {
        id: "p1".into(),
        ..Default::default()
    };
    let listed = smd.hardware().list_hardware(admin(list.clone())).await.unwrap();
    let queried = smd.hardware().query_hardware(admin(query.clone())).await.unwrap();
    assert!(listed.get_ref().hardware.is_empty() && queried.get_ref().nodes.is_empty());
    let partition = Partition {
        name: "p1".into(),
        members: Some(GroupMembers {
            ids: vec!["x0c0s0b0n0".into()],
        }),
        ..Default::default()
    };
    smd.partitions().create_partition(admin(partition)).await.unwrap();
    let again = with(list, rpc::IF_NONE_MATCH, &etag_of(listed.metadata()));
    let listed = smd.hardware().list_hardware(again).await.unwrap();
    assert_eq!(listed.get_ref().hardware.len(), 1);
    let again = with(query, rpc::IF_NONE_MATCH, &etag_of(queried.metadata()));
    let queried = smd.hardware().query_hardware(again).await.unwrap();
    assert_eq!(queried.get_ref().nodes.len(), 1);
}

/// An error shows nothing: a client that takes it for the list would go on with an error for the list.
#[tokio::test]
async fn an_error_has_no_etag_and_is_not_a_304_when_it_is_asked_for_again() {
    let smd = Smd::new();
    smd.create(0..1).await;
    let bad = || ListComponentsRequest {
        r#type: vec!["Foo".into()],
        ..Default::default()
    };
    for request in [admin(bad()), with(bad(), rpc::IF_NONE_MATCH, "*")] {
        let refused = smd.components().list_components(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(refused.metadata().get(rpc::ETAG), None);
    }
    let good = with(ListComponentsRequest::default(), rpc::IF_NONE_MATCH, "*");
    assert!(is_not_modified(smd.components().list_components(good).await));
}

/// Its ETag is that of all places: the one that another place came with says nothing of whether this one is there.
#[tokio::test]
async fn what_is_not_there_is_not_found_whatever_the_caller_has_seen() {
    let smd = Smd::new();
    smd.put_empty_place("x0c0s0b0n0").await;
    let get = |id: &str| GetHardwareRequest { id: id.to_owned() };
    let shown = smd
        .hardware()
        .get_hardware(admin(get("x0c0s0b0n0")))
        .await
        .unwrap();
    let seen = etag_of(shown.metadata());
    for seen in [seen.as_str(), "*"] {
        let request = |id: &str| with(get(id), rpc::IF_NONE_MATCH, seen);
        assert!(is_not_modified(
            smd.hardware().get_hardware(request("x0c0s0b0n0")).await
        ));
        let missing = smd
            .hardware()
            .get_hardware(request("x0c0s9b0n0"))
            .await
            .unwrap_err();
        assert_eq!(missing.code(), Code::NotFound, "{seen}");
        assert_eq!(missing.metadata().get(rpc::ETAG), None);
    }
}

/// A group's members are written under the condition of the group.
#[tokio::test]
async fn a_part_has_the_etag_of_its_object() {
    let smd = Smd::new();
    smd.create_group("a").await;
    smd.create_group("b").await;
    let request = ListGroupMembersRequest {
        label: "a".into(),
        ..Default::default()
    };
    let members = smd.groups().list_group_members(admin(request)).await.unwrap();
    assert_eq!(etag_of(members.metadata()), smd.store.etag(1).to_string());
}

#[tokio::test]
async fn a_write_under_a_stale_condition_changes_nothing_and_names_the_current_revision() {
    let smd = Smd::new();
    smd.create(0..1).await;
    smd.create_group("a").await;
    let patch = |if_revision| PatchGroupRequest {
        label: "a".into(),
        description: Some("new".into()),
        if_revision,
        ..Default::default()
    };
    let stale = smd.groups().patch_group(admin(patch(Some(1)))).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    assert_eq!(stale.metadata().get(rpc::REVISION).unwrap(), "2");
    assert_eq!(smd.store.state().smd.group("a").unwrap().description, "");
    smd.groups().patch_group(admin(patch(Some(2)))).await.unwrap();
    assert_eq!(smd.store.state().smd.group("a").unwrap().description, "new");
    // HSM's silent 204 for a component that is gone is not for those who name a revision.
    let gone = PatchStateDataRequest {
        id: "x9c0s0b0n0".into(),
        state: State::On.into(),
        if_revision: Some(1),
        ..Default::default()
    };
    let gone = smd.components().patch_state_data(admin(gone)).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

fn tried<T>(message: T) -> Request<T> {
    with(message, rpc::VALIDATE_ONLY, "true")
}

fn would_change(metadata: &MetadataMap) -> WouldChange {
    let bytes = metadata.get_bin(rpc::WOULD_CHANGE).unwrap().to_bytes().unwrap();
    WouldChange::decode(bytes).unwrap()
}

fn named(changes: &[ObjectChange]) -> Vec<(&str, &str, &str)> {
    let named = changes.iter();
    named
        .map(|change| (change.change.as_str(), change.kind.as_str(), change.id.as_str()))
        .collect()
}

/// The answer is the real one, the diff is whole, and nothing has happened.
#[tokio::test]
async fn a_trial_answers_as_the_write_and_leaves_everything_as_it_was() {
    let smd = Smd::new();
    smd.create(0..2).await;
    let group = Group {
        label: "a".into(),
        members: Some(proto::smd::v1::GroupMembers {
            ids: vec!["x0c0s0b0n0".into()],
        }),
        ..Group::default()
    };
    smd.groups().create_group(admin(group)).await.unwrap();
    let (digest, index) = (smd.store.state().digest(), smd.store.state().applied_index());

    let patch = PatchStateDataRequest {
        id: "x0c0s0b0n0".into(),
        state: State::Off.into(),
        ..Default::default()
    };
    let answer = smd.components().patch_state_data(tried(patch)).await.unwrap();
    assert!(answer.get_ref().applied);
    assert_eq!(answer.get_ref().revision, index, "nothing to wait for");
    let told = would_change(answer.metadata());
    assert_eq!(named(&told.changes), [("updated", "component", "x0c0s0b0n0")]);
    let fields: Vec<_> = told.changes[0]
        .fields
        .iter()
        .map(|field| field.field.as_str())
        .collect();
    assert_eq!(fields, ["State"]);

    let all = smd
        .components()
        .delete_components(tried(DeleteComponentsRequest {}))
        .await
        .unwrap();
    assert_eq!(all.get_ref().message, "deleted 2 entries");
    let told = would_change(all.metadata());
    let expected = [
        ("deleted", "component", "x0c0s0b0n0"),
        ("deleted", "component", "x0c0s1b0n0"),
        ("updated", "group", "a"),
    ];
    assert_eq!(
        named(&told.changes),
        expected,
        "what follows from it is told, too"
    );

    let state = smd.store.state();
    assert_eq!((state.digest(), state.applied_index()), (digest, index));
}

/// HSM answers a patch with the object: as it would be.
#[tokio::test]
async fn a_trial_shows_the_object_as_it_would_be() {
    let smd = Smd::new();
    let interface = CreateEthernetInterfaceRequest {
        mac_address: "02:00:00:00:00:01".into(),
        ..Default::default()
    };
    smd.interfaces()
        .create_ethernet_interface(admin(interface))
        .await
        .unwrap();
    let patch = PatchEthernetInterfaceRequest {
        id: "020000000001".into(),
        description: Some("new".into()),
        ..Default::default()
    };
    let patched = smd
        .interfaces()
        .patch_ethernet_interface(tried(patch))
        .await
        .unwrap();
    assert_eq!(patched.get_ref().description, "new");
    assert_eq!(modified(patched.get_ref().meta.as_ref()), (true, false));
    let mac = "02:00:00:00:00:01".parse().unwrap();
    assert_eq!(smd.store.state().smd.interface(&mac).unwrap().description, "");
}

/// Whether it says when the object was created, and when it was changed last.
fn modified(meta: Option<&ObjectMeta>) -> (bool, bool) {
    let meta = meta.unwrap();
    (meta.created.is_some(), meta.modified.is_some())
}

/// The revision after the applied one will be that of a real change: who named it would overwrite that.
#[tokio::test]
async fn a_trial_gives_no_revision_away() {
    let smd = Smd::new();
    let map = || PutNodeMapRequest {
        id: "x0c0s0b0n0".into(),
        nid: 7,
        ..Default::default()
    };
    let power = || PutPowerMapRequest {
        id: "x0c0s0b0n0".into(),
        powered_by: vec!["x0m0p0v1".into()],
        ..Default::default()
    };
    let endpoint = || RedfishEndpointPayload {
        id: "x0c0s0b0".into(),
        ..Default::default()
    };
    let mut maps = NodeMapServiceClient::new(smd.service.clone());
    let mut powers = PowerMapServiceClient::new(smd.service.clone());
    let mut endpoints = RedfishEndpointServiceClient::new(smd.service.clone());
    let tried_out = [
        maps.put_node_map(tried(map())).await.unwrap().into_inner().meta,
        powers
            .put_power_map(tried(power()))
            .await
            .unwrap()
            .into_inner()
            .meta,
        endpoints
            .update_redfish_endpoint(tried(endpoint()))
            .await
            .unwrap()
            .into_inner()
            .meta,
    ];
    for meta in tried_out {
        assert_eq!(modified(meta.as_ref()), (true, false));
    }
    let real = maps.put_node_map(admin(map())).await.unwrap().into_inner().meta;
    assert_eq!(modified(real.as_ref()), (true, true));
}

/// HTTP sends the ETag of a GET; each service must hand it on.
#[tokio::test]
async fn a_stale_condition_reaches_the_state_by_every_service() {
    let smd = Smd::new();
    smd.create(0..1).await;
    let (node, if_revision) = (|| "x0c0s0b0n0".to_owned(), Some(77));
    let mut partitions = PartitionServiceClient::new(smd.service.clone());
    let partition = Partition {
        name: "p1".into(),
        ..Default::default()
    };
    partitions.create_partition(admin(partition)).await.unwrap();
    let mut maps = NodeMapServiceClient::new(smd.service.clone());
    let mut powers = PowerMapServiceClient::new(smd.service.clone());
    let mut endpoints = RedfishEndpointServiceClient::new(smd.service.clone());
    let put = PutComponentRequest {
        id: node(),
        component: Some(crate::common::node("x0c0s0b0n0", State::On)),
        force: true,
        if_revision,
    };
    let map = PutNodeMapRequest {
        id: node(),
        nid: 7,
        if_revision,
        ..Default::default()
    };
    let power = PutPowerMapRequest {
        id: node(),
        powered_by: vec!["x0m0p0v1".into()],
        if_revision,
    };
    let endpoint = RedfishEndpointPayload {
        id: "x0c0s0b0".into(),
        if_revision,
        ..Default::default()
    };
    let patch = PatchPartitionRequest {
        name: "p1".into(),
        description: Some("new".into()),
        if_revision,
        ..Default::default()
    };
    let add = AddPartitionMemberRequest {
        name: "p1".into(),
        id: node(),
        if_revision,
        ..Default::default()
    };
    let delete = DeletePartitionRequest {
        name: "p1".into(),
        if_revision,
    };
    let refused = [
        smd.components().put_component(admin(put)).await.unwrap_err(),
        maps.put_node_map(admin(map)).await.unwrap_err(),
        powers.put_power_map(admin(power)).await.unwrap_err(),
        endpoints
            .update_redfish_endpoint(admin(endpoint.clone()))
            .await
            .unwrap_err(),
        partitions.patch_partition(admin(patch)).await.unwrap_err(),
        partitions.add_partition_member(admin(add)).await.unwrap_err(),
        partitions.delete_partition(admin(delete)).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::Aborted, "{status}");
    }
    let created = endpoints
        .create_redfish_endpoints(admin(endpoint))
        .await
        .unwrap_err();
    assert!(
        created.message().starts_with("if_revision: "),
        "a POST checks none: {created}"
    );
}

/// Members are written under the condition of their partition.
#[tokio::test]
async fn members_of_a_partition_have_its_etag() {
    let smd = Smd::new();
    let mut partitions = PartitionServiceClient::new(smd.service.clone());
    for name in ["p1", "p2"] {
        let partition = Partition {
            name: name.into(),
            ..Default::default()
        };
        partitions.create_partition(admin(partition)).await.unwrap();
    }
    let request = ListPartitionMembersRequest { name: "p1".into() };
    let members = partitions.list_partition_members(admin(request)).await.unwrap();
    assert_eq!(etag_of(members.metadata()), smd.store.etag(1).to_string());
}

#[tokio::test]
async fn a_trial_of_what_is_refused_is_refused_alike() {
    let smd = Smd::new();
    smd.create_group("a").await;
    let again = || Group {
        label: "a".into(),
        ..Group::default()
    };
    let real = smd.groups().create_group(admin(again())).await.unwrap_err();
    let trial = smd.groups().create_group(tried(again())).await.unwrap_err();
    assert_eq!((trial.code(), trial.message()), (real.code(), real.message()));
}

/// A route that lists or changes something and knows none of this would be an oversight.
#[test]
fn every_list_has_an_etag_and_every_write_can_be_tried_out() {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let methods = rules.iter().filter_map(|(path, rule)| {
        let (service, method) = path.strip_prefix("/chamois.smd.v1.")?.split_once('/')?;
        // what depends on the time, and what hands out keys: a key of a trial would open nothing
        let left_out = ["ServiceStatusService", "DiscoveryService", "ReservationService"];
        let left_out =
            left_out.contains(&service) || ["ListLockStatus", "ListScnSubscriptions"].contains(&method);
        (!left_out).then_some((path, method, rule))
    });
    let (mut lists, mut writes) = (0, 0);
    for (path, method, rule) in methods {
        if rule.linearizable {
            // what is a part of one object has that object's
            let part = ["ListGroupMembers", "ListIpAddresses", "ListPartitionMembers"].contains(&method);
            let has_list = method.starts_with("List") && !part;
            assert!(!has_list || !rule.made_of.is_empty(), "{path}: made_of");
            lists += usize::from(has_list);
        } else {
            assert!(rule.can_validate_only, "{path}: can_validate_only");
            writes += 1;
        }
    }
    assert!(lists >= 5 && writes >= 17, "{lists} {writes}");
}
