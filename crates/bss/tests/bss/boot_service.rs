//! OpenCHAMI's boot-service in front of the same boot configurations.

use crate::common::{config, configuration, configure, group, seeded, xname};
use bss::{BootServiceService, RetryDelay};
use proto::bss::v1::boot_service_service_server::BootServiceService as _;
use proto::bss::v1::{
    BootConfiguration, BootConfigurationResource, BootConfigurationSpec, BootConfigurationSpecPatch,
    CreateBootConfigurationResourceRequest, DeleteBootConfigurationResourceRequest,
    GetBootConfigurationResourceRequest, GetNodeResourceRequest, ListNodeResourcesRequest,
    PatchBootConfigurationResourceRequest, ReplaceBootConfigurationResourceRequest, ResourceMetadata,
};
use raft::Store;
use tonic::{Code, Request, Response, Status};

fn service(store: &Store) -> BootServiceService {
    BootServiceService::new(store.clone(), config(RetryDelay::Growing))
}

fn spec(hosts: &[&str]) -> BootConfigurationSpec {
    BootConfigurationSpec {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        kernel: "http://i/k".to_owned(),
        ..BootConfigurationSpec::default()
    }
}

fn named(name: &str) -> Option<ResourceMetadata> {
    Some(ResourceMetadata {
        name: name.to_owned(),
        ..ResourceMetadata::default()
    })
}

async fn create(
    store: &Store,
    name: &str,
    spec: BootConfigurationSpec,
) -> Result<BootConfigurationResource, Status> {
    let request = CreateBootConfigurationResourceRequest {
        metadata: named(name),
        spec: Some(spec),
    };
    let created = service(store)
        .create_boot_configuration_resource(Request::new(request))
        .await;
    created.map(Response::into_inner)
}

async fn patch(
    store: &Store,
    uid: &str,
    patch: BootConfigurationSpecPatch,
) -> Result<BootConfigurationResource, Status> {
    let request = PatchBootConfigurationResourceRequest {
        uid: uid.to_owned(),
        patch: Some(patch),
        if_revision: None,
    };
    let patched = service(store)
        .patch_boot_configuration_resource(Request::new(request))
        .await;
    patched.map(Response::into_inner)
}

async fn replace(
    store: &Store,
    uid: &str,
    request: ReplaceBootConfigurationResourceRequest,
) -> Result<BootConfigurationResource, Status> {
    let request = ReplaceBootConfigurationResourceRequest {
        uid: uid.to_owned(),
        ..request
    };
    let replaced = service(store)
        .replace_boot_configuration_resource(Request::new(request))
        .await;
    replaced.map(Response::into_inner)
}

fn stored(store: &Store, name: &str) -> BootConfiguration {
    store.state().bss.configuration(name).unwrap().as_ref().clone()
}

#[tokio::test]
async fn a_resource_is_the_configuration_in_an_envelope() {
    let store = seeded().await;
    let created = create(&store, "c", spec(&["x0c0s0b0n0", "*"])).await.unwrap();
    assert_eq!(
        (created.api_version.as_str(), created.kind.as_str()),
        ("v1", "BootConfiguration")
    );
    let metadata = created.metadata.clone().unwrap();
    assert_eq!((metadata.name.as_str(), metadata.uid.as_str()), ("c", "c"));
    assert!(metadata.created_at.ends_with('Z') && metadata.created_at == metadata.updated_at);
    let shown = created.spec.clone().unwrap();
    assert_eq!(shown.hosts, ["x0c0s0b0n0", "default"]);
    assert_eq!(shown.priority, Some(50));
    assert!(stored(&store, "c").is_default);
    let request = GetBootConfigurationResourceRequest { uid: "c".to_owned() };
    let got = service(&store)
        .get_boot_configuration_resource(Request::new(request))
        .await;
    assert_eq!(got.unwrap().into_inner(), created);
    let listed = service(&store)
        .list_boot_configuration_resources(Request::new(Default::default()))
        .await;
    assert_eq!(listed.unwrap().into_inner().items, [created]);
}

/// Roles and merging are ours; a client of boot-service must not lose them by not knowing them.
#[tokio::test]
async fn a_replaced_spec_leaves_what_it_cannot_say() {
    let store = seeded().await;
    let ours = BootConfiguration {
        roles: vec!["Compute".to_owned()],
        merge_params: true,
        ..configuration("c")
    };
    configure(&store, ours).await;
    let request = ReplaceBootConfigurationResourceRequest {
        spec: Some(BootConfigurationSpec {
            nids: vec![3],
            priority: Some(7),
            ..spec(&[])
        }),
        ..Default::default()
    };
    replace(&store, "c", request).await.unwrap();
    let now = stored(&store, "c");
    assert_eq!(
        (now.roles.len(), now.merge_params, now.priority),
        (1, true, Some(7))
    );
    assert_eq!(
        (now.nids, now.params.as_str(), now.kernel.as_str()),
        (vec![3], "", "http://i/k")
    );
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names() {
    let store = seeded().await;
    let before = BootConfigurationSpec {
        params: "quiet".to_owned(),
        macs: vec!["02:00:00:00:00:01".to_owned()],
        priority: Some(7),
        ..spec(&["x0c0s0b0n0"])
    };
    create(&store, "c", before).await.unwrap();
    let change = BootConfigurationSpecPatch {
        kernel: Some("http://i/new".to_owned()),
        replace_macs: true,
        ..Default::default()
    };
    let patched = patch(&store, "c", change).await.unwrap().spec.unwrap();
    assert_eq!(
        (patched.kernel.as_str(), patched.params.as_str()),
        ("http://i/new", "quiet")
    );
    assert_eq!(
        (patched.macs.len(), patched.hosts.len(), patched.priority),
        (0, 1, Some(7))
    );
    let clear = BootConfigurationSpecPatch {
        params: Some(String::new()),
        hosts: vec!["x1".to_owned()],
        ..Default::default()
    };
    let patched = patch(&store, "c", clear).await.unwrap().spec.unwrap();
    assert_eq!(
        (patched.params.as_str(), &patched.hosts[..]),
        ("", &["x1".to_owned()][..])
    );
}

#[tokio::test]
async fn errors_name_the_field_and_change_nothing() {
    let store = seeded().await;
    create(&store, "c", spec(&["x0c0s0b0n0"])).await.unwrap();
    let before = stored(&store, "c");
    let cases = [
        (
            "spec.profile",
            BootConfigurationSpec {
                profile: "test".to_owned(),
                ..spec(&["x1"])
            },
        ),
        (
            "spec.nids",
            BootConfigurationSpec {
                nids: vec![-1],
                ..spec(&["x1"])
            },
        ),
        (
            "spec.priority",
            BootConfigurationSpec {
                priority: Some(-1),
                ..spec(&["x1"])
            },
        ),
        ("hosts", spec(&[])),
        (
            "kernel",
            BootConfigurationSpec {
                kernel: String::new(),
                ..spec(&["x1"])
            },
        ),
    ];
    for (field, wrong) in cases {
        let request = ReplaceBootConfigurationResourceRequest {
            spec: Some(wrong),
            ..Default::default()
        };
        let refused = replace(&store, "c", request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert!(
            refused.message().starts_with(&format!("{field}: ")),
            "{field}: {refused}"
        );
    }
    let renamed = ReplaceBootConfigurationResourceRequest {
        metadata: named("d"),
        spec: Some(spec(&["x1"])),
        ..Default::default()
    };
    assert!(
        replace(&store, "c", renamed)
            .await
            .unwrap_err()
            .message()
            .starts_with("metadata.name: ")
    );
    let stale = ReplaceBootConfigurationResourceRequest {
        spec: Some(spec(&["x1"])),
        if_revision: Some(1),
        ..Default::default()
    };
    assert_eq!(
        replace(&store, "c", stale).await.unwrap_err().code(),
        Code::Aborted
    );
    assert_eq!(
        create(&store, "c", spec(&["x1"])).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    assert_eq!(
        patch(&store, "d", Default::default()).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(stored(&store, "c"), before);
}

#[tokio::test]
async fn a_delete_says_what_boot_service_says() {
    let store = seeded().await;
    create(&store, "c", spec(&["x0c0s0b0n0"])).await.unwrap();
    let request = || {
        Request::new(DeleteBootConfigurationResourceRequest {
            uid: "c".to_owned(),
            if_revision: None,
        })
    };
    let deleted = service(&store)
        .delete_boot_configuration_resource(request())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (deleted.message.as_str(), deleted.uid.as_str()),
        ("BootConfiguration deleted successfully", "c")
    );
    let again = service(&store)
        .delete_boot_configuration_resource(request())
        .await
        .unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
}

#[tokio::test]
async fn nodes_are_smds_with_what_they_would_boot() {
    let store = seeded().await;
    group(&store, "rack", &[&xname(0)]).await;
    configure(
        &store,
        BootConfiguration {
            groups: vec!["rack".to_owned()],
            ..configuration("c")
        },
    )
    .await;
    let listed = service(&store)
        .list_node_resources(Request::new(ListNodeResourcesRequest {}))
        .await;
    let listed = listed.unwrap().into_inner().items;
    assert_eq!(listed.len(), 5);
    let node = &listed[0];
    assert_eq!(
        (node.kind.as_str(), node.metadata.as_ref().unwrap().uid.as_str()),
        ("Node", "x0c0s0b0n0")
    );
    let spec = node.spec.as_ref().unwrap();
    assert_eq!(
        (spec.nid, spec.boot_mac.as_str(), spec.role.as_str()),
        (1, "02:00:00:00:00:01", "Compute")
    );
    assert_eq!(
        (spec.groups.as_slice(), spec.interfaces[0].ip.as_str()),
        (&["rack".to_owned()][..], "10.97.3.1")
    );
    let status = node.status.as_ref().unwrap();
    assert_eq!(
        (
            status.boot_configuration.as_str(),
            status.state.as_str(),
            status.last_boot.as_str()
        ),
        ("c", "On", "")
    );
    assert_eq!(listed[1].status.as_ref().unwrap().boot_configuration, "");
    let get = |uid: &str| Request::new(GetNodeResourceRequest { uid: uid.to_owned() });
    let got = service(&store)
        .get_node_resource(get("X0C0S0B0N0"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(&got, node);
    for nobody in ["x0c0s0b0", "x9c0s0b0n0", "node-1234"] {
        let refused = service(&store).get_node_resource(get(nobody)).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{nobody}");
    }
}
