//! Nodes in boot-service's envelope: made, changed and taken away with all that belongs to them, or not at all.

use crate::common::{config, group, seeded, xname};
use bss::{BootServiceService, RetryDelay};
use proto::bss::v1::boot_service_service_server::BootServiceService as _;
use proto::bss::v1::{
    CreateNodeResourceRequest, DeleteNodeResourceRequest, NodeInterface, NodeResource, NodeSpec,
    NodeSpecPatch, PatchNodeResourceRequest, ReplaceNodeResourceRequest,
};
use raft::Store;
use tonic::{Code, Request, Response, Status};

const NEW: &str = "x0c0s7b0n0";
const NEW_MAC: &str = "02:00:00:00:00:77";

fn service(store: &Store) -> BootServiceService {
    BootServiceService::new(store.clone(), config(RetryDelay::Growing))
}

fn interface(mac: &str, ip: &str) -> NodeInterface {
    NodeInterface {
        mac: mac.to_owned(),
        ip: ip.to_owned(),
        ..NodeInterface::default()
    }
}

fn new_node() -> NodeSpec {
    NodeSpec {
        xname: NEW.to_owned(),
        nid: 77,
        role: "compute".to_owned(),
        interfaces: vec![interface(NEW_MAC, "10.97.3.77")],
        groups: vec!["rack".to_owned()],
        ..NodeSpec::default()
    }
}

async fn create(store: &Store, spec: NodeSpec) -> Result<NodeResource, Status> {
    let request = CreateNodeResourceRequest {
        metadata: None,
        spec: Some(spec),
    };
    let created = service(store).create_node_resource(Request::new(request)).await;
    created.map(Response::into_inner)
}

async fn patch(store: &Store, uid: &str, patch: NodeSpecPatch) -> Result<NodeResource, Status> {
    let request = PatchNodeResourceRequest {
        uid: uid.to_owned(),
        patch: Some(patch),
        if_revision: None,
    };
    let patched = service(store).patch_node_resource(Request::new(request)).await;
    patched.map(Response::into_inner)
}

async fn replace(
    store: &Store,
    uid: &str,
    spec: NodeSpec,
    if_revision: Option<u64>,
) -> Result<NodeResource, Status> {
    let request = ReplaceNodeResourceRequest {
        uid: uid.to_owned(),
        metadata: None,
        spec: Some(spec),
        if_revision,
    };
    let replaced = service(store).replace_node_resource(Request::new(request)).await;
    replaced.map(Response::into_inner)
}

async fn delete(store: &Store, uid: &str) -> Result<String, Status> {
    let request = DeleteNodeResourceRequest {
        uid: uid.to_owned(),
        if_revision: None,
    };
    let deleted = service(store).delete_node_resource(Request::new(request)).await;
    deleted.map(|deleted| deleted.into_inner().uid)
}

fn spec_of(node: &NodeResource) -> NodeSpec {
    node.spec.clone().unwrap()
}

/// One revision for component, interface and membership: nobody ever sees half a node.
#[tokio::test]
async fn a_node_is_made_in_one_change() {
    let store = seeded().await;
    group(&store, "rack", &[]).await;
    let before = store.state().applied_index();
    let created = create(&store, new_node()).await.unwrap();
    assert_eq!(store.state().applied_index(), before + 1);
    let spec = spec_of(&created);
    assert_eq!(
        (spec.nid, spec.role.as_str(), spec.boot_mac.as_str()),
        (77, "Compute", NEW_MAC)
    );
    assert_eq!(
        (spec.groups.as_slice(), spec.interfaces[0].ip.as_str()),
        (&["rack".to_owned()][..], "10.97.3.77")
    );
    assert!(!spec.hostname.is_empty());
    let state = store.state();
    let interface = state.smd.interface(&NEW_MAC.parse().unwrap()).unwrap();
    assert_eq!(interface.component_id, NEW);
}

/// What is refused at the end takes back what came before it.
#[tokio::test]
async fn a_node_is_made_whole_or_not_at_all() {
    let store = seeded().await;
    let refused = create(&store, new_node()).await.unwrap_err();
    assert!(refused.message().contains("rack"), "{refused}");
    assert_eq!(refused.code(), Code::NotFound);
    let state = store.state();
    assert!(state.smd.component(&NEW.parse().unwrap()).is_none());
    assert!(state.smd.interface(&NEW_MAC.parse().unwrap()).is_none());
}

#[tokio::test]
async fn what_is_another_nodes_is_refused_with_both_names() {
    let store = seeded().await;
    let taken = NodeSpec {
        interfaces: vec![interface("02:00:00:00:00:01", "")],
        groups: vec![],
        ..new_node()
    };
    let refused = create(&store, taken).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(
        refused.message().contains(&xname(0)) && refused.message().contains(NEW),
        "{refused}"
    );
    let there = NodeSpec {
        xname: xname(0),
        ..NodeSpec::default()
    };
    let refused = create(&store, there).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    for (spec, field) in [
        (
            NodeSpec {
                xname: "x0c0s0b0".to_owned(),
                ..new_node()
            },
            "spec.xname",
        ),
        (
            NodeSpec {
                interfaces: vec![interface("nonsense", "")],
                ..new_node()
            },
            "spec.interfaces[0].mac",
        ),
        (
            NodeSpec {
                boot_mac: "02".to_owned(),
                ..new_node()
            },
            "spec.bootMac",
        ),
        (
            NodeSpec {
                interfaces: vec![interface(NEW_MAC, ""), interface(NEW_MAC, "")],
                ..new_node()
            },
            "spec.interfaces[1].mac",
        ),
    ] {
        let refused = create(&store, spec).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert!(refused.message().starts_with(field), "{refused}");
    }
}

/// The lists of a replacement are meant as they stand; what it does not say stays.
#[tokio::test]
async fn a_replaced_node_has_the_interfaces_and_groups_of_the_spec() {
    let store = seeded().await;
    for label in ["rack", "row"] {
        group(&store, label, &[&xname(0)]).await;
    }
    let spec = NodeSpec {
        nid: 100,
        boot_mac: "02:00:00:00:00:aa".to_owned(),
        interfaces: vec![interface("02:00:00:00:00:bb", "10.97.3.1")],
        groups: vec!["row".to_owned()],
        ..NodeSpec::default()
    };
    let replaced = replace(&store, &xname(0), spec, None).await.unwrap();
    let spec = spec_of(&replaced);
    let macs: Vec<&str> = spec
        .interfaces
        .iter()
        .map(|interface| interface.mac.as_str())
        .collect();
    assert_eq!(macs, ["02:00:00:00:00:aa", "02:00:00:00:00:bb"]);
    assert_eq!(
        (spec.nid, spec.role.as_str(), spec.groups),
        (100, "Compute", vec!["row".to_owned()])
    );
    assert!(
        store
            .state()
            .smd
            .interface(&"02:00:00:00:00:01".parse().unwrap())
            .is_none()
    );
}

/// A MAC alone says nothing of the address that the interface has.
#[tokio::test]
async fn a_boot_mac_keeps_the_address_of_its_interface() {
    let store = seeded().await;
    let spec = NodeSpec {
        boot_mac: "02:00:00:00:00:01".to_owned(),
        ..NodeSpec::default()
    };
    let replaced = spec_of(&replace(&store, &xname(0), spec, None).await.unwrap());
    assert_eq!(replaced.interfaces[0].ip, "10.97.3.1");
}

/// Whoever repeats what was done hears of the node that is there, and one that is gone is none.
#[tokio::test]
async fn a_node_that_is_there_is_not_made_again() {
    let store = seeded().await;
    let alone = || NodeSpec {
        groups: vec![],
        ..new_node()
    };
    create(&store, alone()).await.unwrap();
    let again = create(&store, alone()).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    assert!(again.message().contains("PUT /boot-service/nodes/"), "{again}");
    delete(&store, NEW).await.unwrap();
    assert_eq!(delete(&store, NEW).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_patch_leaves_what_it_does_not_name() {
    let store = seeded().await;
    group(&store, "rack", &[&xname(0)]).await;
    let named = NodeSpecPatch {
        role: Some("Service".to_owned()),
        hostname: Some("login1".to_owned()),
        ..NodeSpecPatch::default()
    };
    let patched = spec_of(&patch(&store, &xname(0), named).await.unwrap());
    assert_eq!(
        (patched.role.as_str(), patched.hostname.as_str()),
        ("Service", "login1")
    );
    assert_eq!(
        (patched.groups.len(), patched.interfaces.len(), patched.nid),
        (1, 1, 1)
    );
    let cleared = NodeSpecPatch {
        replace_groups: true,
        replace_interfaces: true,
        ..NodeSpecPatch::default()
    };
    let patched = spec_of(&patch(&store, &xname(0), cleared).await.unwrap());
    assert_eq!((patched.groups.len(), patched.interfaces.len()), (0, 0));
    assert_eq!(
        (patched.role.as_str(), patched.hostname.as_str()),
        ("Service", "login1")
    );
    let another = NodeSpecPatch {
        xname: xname(1),
        ..NodeSpecPatch::default()
    };
    assert_eq!(
        patch(&store, &xname(0), another).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let missing = patch(&store, NEW, NodeSpecPatch::default()).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

/// If-Match is that of the component, and guards all of the change.
#[tokio::test]
async fn a_stale_revision_changes_nothing() {
    let store = seeded().await;
    let spec = NodeSpec {
        interfaces: vec![interface("02:00:00:00:00:cc", "")],
        ..NodeSpec::default()
    };
    let refused = replace(&store, &xname(0), spec.clone(), Some(999))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    assert!(
        store
            .state()
            .smd
            .interface(&"02:00:00:00:00:01".parse().unwrap())
            .is_some()
    );
    let component = store.state().smd.component(&xname(0).parse().unwrap()).unwrap();
    let revision = component
        .meta
        .as_ref()
        .unwrap()
        .modified
        .as_ref()
        .unwrap()
        .revision;
    assert!(replace(&store, &xname(0), spec, Some(revision)).await.is_ok());
}

#[tokio::test]
async fn a_deleted_node_takes_its_interfaces_along() {
    let store = seeded().await;
    group(&store, "rack", &[&xname(0), &xname(1)]).await;
    assert_eq!(delete(&store, "X0C0S0B0N0").await.unwrap(), xname(0));
    let state = store.state();
    assert!(state.smd.component(&xname(0).parse().unwrap()).is_none());
    assert!(
        state
            .smd
            .interface(&"02:00:00:00:00:01".parse().unwrap())
            .is_none()
    );
    assert_eq!(
        state.smd.group("rack").unwrap().members.as_ref().unwrap().ids,
        [xname(1)]
    );
    assert_eq!(
        delete(&store, &xname(0)).await.unwrap_err().code(),
        Code::NotFound
    );
    // one without interfaces goes as well
    assert!(delete(&store, &xname(4)).await.is_ok());
}
