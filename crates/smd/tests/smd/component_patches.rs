//! HSM's patches of single properties: what changes, what is answered, and with which code.

use crate::common::{admin, cut_off, node};
use proto::smd::v1::bulk_patch_nid_request::ComponentNid;
use proto::smd::v1::component::{Flag, State};
use proto::smd::v1::component_patch_service_server::ComponentPatchService as _;
use proto::smd::v1::component_service_server::ComponentService as _;
use proto::smd::v1::{
    BulkPatchEnabledRequest, BulkPatchFlagOnlyRequest, BulkPatchNidRequest, BulkPatchRoleRequest,
    BulkPatchSoftwareStatusRequest, BulkPatchStateDataRequest, Component, CreateComponentsRequest,
    PatchComponentsResponse, PatchEnabledRequest, PatchFlagOnlyRequest, PatchNidRequest, PatchRoleRequest,
    PatchSoftwareStatusRequest,
};
use raft::Store;
use smd::{ComponentPatchService, ComponentService};
use tonic::{Code, Response, Status};

const NODES: [&str; 2] = ["x0c0s0b0n0", "x0c0s1b0n0"];

/// Two nodes that are on, with NIDs 1 and 2.
async fn service() -> (ComponentPatchService, Store) {
    let store = Store::in_memory();
    let create = CreateComponentsRequest {
        components: NODES.map(|id| node(id, State::On)).to_vec(),
        force: false,
        ..Default::default()
    };
    let components = ComponentService::new(store.clone());
    components.create_components(admin(create)).await.unwrap();
    (ComponentPatchService::new(store.clone()), store)
}

fn stored(store: &Store, id: &str) -> Component {
    store
        .state()
        .smd
        .component(&id.parse().unwrap())
        .unwrap()
        .as_ref()
        .clone()
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn header(answer: &Response<PatchComponentsResponse>, name: &str) -> Option<String> {
    let value = answer
        .metadata()
        .get(format!("{}{name}", rpc::HTTP_HEADER_PREFIX))?;
    Some(value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn each_property_of_one_component_has_its_method() {
    let (service, store) = service().await;
    let id = || "X0c0s0b0n00".to_owned();
    let flag = PatchFlagOnlyRequest {
        id: id(),
        flag: Flag::Alert.into(),
        ..Default::default()
    };
    let answer = service.patch_flag_only(admin(flag)).await.unwrap();
    assert_eq!(header(&answer, "chamois-applied").as_deref(), Some("1"));
    assert_eq!(answer.into_inner().applied, [NODES[0]]);
    let enabled = PatchEnabledRequest {
        id: id(),
        enabled: Some(false),
        ..Default::default()
    };
    service.patch_enabled(admin(enabled)).await.unwrap();
    let status = PatchSoftwareStatusRequest {
        id: id(),
        software_status: Some("Drained".into()),
        ..Default::default()
    };
    service.patch_software_status(admin(status)).await.unwrap();
    let role = PatchRoleRequest {
        id: id(),
        role: "service".into(),
        sub_role: "Worker".into(),
        ..Default::default()
    };
    service.patch_role(admin(role)).await.unwrap();
    let nid = PatchNidRequest {
        id: id(),
        nid: Some(40),
        ..Default::default()
    };
    service.patch_nid(admin(nid)).await.unwrap();
    let patched = stored(&store, NODES[0]);
    assert_eq!(patched.flag(), Flag::Alert);
    assert_eq!((patched.enabled, patched.nid), (Some(false), Some(40)));
    assert_eq!(
        (patched.role.as_str(), patched.sub_role.as_str()),
        ("Service", "Worker")
    );
    assert_eq!(patched.software_status, "Drained");
    assert_eq!(
        stored(&store, NODES[1]).nid,
        Some(2),
        "the other one is as it was"
    );
}

#[tokio::test]
async fn each_property_of_many_has_its_method() {
    let (service, store) = service().await;
    let component_ids = || ids(&NODES);
    let state = BulkPatchStateDataRequest {
        component_ids: component_ids(),
        state: State::Ready.into(),
        ..Default::default()
    };
    let flag = BulkPatchFlagOnlyRequest {
        component_ids: component_ids(),
        flag: Flag::Warning.into(),
    };
    let enabled = BulkPatchEnabledRequest {
        component_ids: component_ids(),
        enabled: Some(false),
    };
    let status = BulkPatchSoftwareStatusRequest {
        component_ids: component_ids(),
        software_status: Some("Up".into()),
    };
    let role = BulkPatchRoleRequest {
        component_ids: component_ids(),
        role: "Own".into(),
        sub_role: String::new(),
    };
    let swap = |id: &str, nid| ComponentNid {
        id: id.to_owned(),
        nid: Some(nid),
    };
    let nids = BulkPatchNidRequest {
        components: vec![swap(NODES[0], 2), swap(NODES[1], 1)],
    };
    let answers = [
        service.bulk_patch_state_data(admin(state)).await,
        service.bulk_patch_flag_only(admin(flag)).await,
        service.bulk_patch_enabled(admin(enabled)).await,
        service.bulk_patch_software_status(admin(status)).await,
        service.bulk_patch_role(admin(role)).await,
        service.bulk_patch_nid(admin(nids)).await,
    ];
    for answer in answers {
        assert_eq!(answer.unwrap().into_inner().applied, NODES);
    }
    for (id, nid) in [(NODES[0], 2), (NODES[1], 1)] {
        let patched = stored(&store, id);
        assert_eq!((patched.state(), patched.flag()), (State::Ready, Flag::Warning));
        assert_eq!((patched.enabled, patched.nid), (Some(false), Some(nid)));
        assert_eq!(
            (patched.software_status.as_str(), patched.role.as_str()),
            ("Up", "Own")
        );
    }
}

/// HSM answers 204 and says nothing.
#[tokio::test]
async fn a_bulk_patch_tells_what_became_of_each() {
    let (service, store) = service().await;
    let off = BulkPatchStateDataRequest {
        component_ids: ids(&NODES[..1]),
        state: State::Ready.into(),
        ..Default::default()
    };
    service.bulk_patch_state_data(admin(off)).await.unwrap();
    let on = BulkPatchStateDataRequest {
        component_ids: ids(&[NODES[0], NODES[1], "x9c0s0b0n0"]),
        state: State::On.into(),
        ..Default::default()
    };
    let answer = service.bulk_patch_state_data(admin(on.clone())).await.unwrap();
    assert_eq!(
        header(&answer, "chamois-refused").as_deref(),
        Some("2 (x0c0s0b0n0: it is Ready; On follows Off, On, Standby, Halt or takes force)")
    );
    assert_eq!(header(&answer, "chamois-unchanged").as_deref(), Some("1"));
    let answer = answer.into_inner();
    assert_eq!(answer.unchanged, [NODES[1]]);
    let refused: Vec<&str> = answer.refused.iter().map(|refusal| refusal.id.as_str()).collect();
    assert_eq!(refused, [NODES[0], "x9c0s0b0n0"]);
    let forced = BulkPatchStateDataRequest { force: true, ..on };
    let answer = service
        .bulk_patch_state_data(admin(forced))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((answer.applied.len(), answer.refused.len()), (1, 1));
    assert_eq!(stored(&store, NODES[0]).state(), State::On);
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named() {
    let (service, _) = service().await;
    let refused = |answer: Result<_, Status>| {
        let status = answer.map(|_: Response<PatchComponentsResponse>| ()).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        status.message().to_owned()
    };
    let one = || NODES[0].to_owned();
    let flag = PatchFlagOnlyRequest {
        id: one(),
        ..Default::default()
    };
    assert!(refused(service.patch_flag_only(admin(flag)).await).starts_with("Flag: it is missing"));
    let enabled = PatchEnabledRequest {
        id: one(),
        ..Default::default()
    };
    assert!(refused(service.patch_enabled(admin(enabled)).await).starts_with("Enabled: it is missing"));
    let status = PatchSoftwareStatusRequest {
        id: one(),
        ..Default::default()
    };
    let text = refused(service.patch_software_status(admin(status)).await);
    assert!(text.starts_with("SoftwareStatus: it is missing"), "{text}");
    let role = PatchRoleRequest {
        id: one(),
        ..Default::default()
    };
    let text = refused(service.patch_role(admin(role)).await);
    assert!(
        text.starts_with("Role: it is missing") && text.contains("Compute"),
        "{text}"
    );
    let nid = PatchNidRequest {
        id: one(),
        ..Default::default()
    };
    assert!(refused(service.patch_nid(admin(nid)).await).starts_with("NID: it is missing"));
    let wrong = PatchEnabledRequest {
        id: "nonsense".into(),
        enabled: Some(true),
        ..Default::default()
    };
    assert!(refused(service.patch_enabled(admin(wrong)).await).starts_with("ID: `nonsense`"));
    let none = BulkPatchEnabledRequest {
        enabled: Some(true),
        ..Default::default()
    };
    let text = refused(service.bulk_patch_enabled(admin(none)).await);
    assert!(text.starts_with("ComponentIDs: it is missing"), "{text}");
    let stateless = BulkPatchStateDataRequest {
        component_ids: ids(&NODES),
        ..Default::default()
    };
    let text = refused(service.bulk_patch_state_data(admin(stateless)).await);
    assert!(
        text.starts_with("State: it is missing; write one of Unknown, Empty"),
        "{text}"
    );
    let second = BulkPatchEnabledRequest {
        component_ids: ids(&[NODES[0], "x0!"]),
        enabled: Some(true),
    };
    let text = refused(service.bulk_patch_enabled(admin(second)).await);
    assert!(text.starts_with("ComponentIDs[1]: `x0!`"), "{text}");
    let no_nids = BulkPatchNidRequest::default();
    assert!(refused(service.bulk_patch_nid(admin(no_nids)).await).starts_with("Components: it is missing"));
    let components = vec![ComponentNid { id: one(), nid: None }];
    let text = refused(
        service
            .bulk_patch_nid(admin(BulkPatchNidRequest { components }))
            .await,
    );
    assert!(text.starts_with("Components[0].NID: it is missing"), "{text}");
}

#[tokio::test]
async fn unknown_components_taken_nids_and_other_revisions_have_their_codes() {
    let (service, store) = service().await;
    let unknown = PatchEnabledRequest {
        id: "x9c0s0b0n0".into(),
        enabled: Some(true),
        ..Default::default()
    };
    let status = service.patch_enabled(admin(unknown)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let taken = PatchNidRequest {
        id: NODES[0].into(),
        nid: Some(2),
        ..Default::default()
    };
    let status = service.patch_nid(admin(taken)).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(status.message().contains(NODES[1]), "{status:?}");
    let stale = PatchEnabledRequest {
        id: NODES[0].into(),
        enabled: Some(false),
        if_revision: Some(99),
    };
    assert_eq!(
        service.patch_enabled(admin(stale)).await.unwrap_err().code(),
        Code::Aborted
    );
    assert_eq!(stored(&store, NODES[0]).enabled, Some(true));
    let alone = ComponentPatchService::new(cut_off(&store));
    let patch = PatchEnabledRequest {
        id: NODES[0].into(),
        enabled: Some(false),
        ..Default::default()
    };
    assert_eq!(
        alone.patch_enabled(admin(patch)).await.unwrap_err().code(),
        Code::Unavailable
    );
}
