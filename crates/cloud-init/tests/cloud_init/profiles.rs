//! Profiles, and instance-ids that are renewed.

use crate::common::{FIRST, SECOND, add_to_group, from, group, put_group, seeded, service, text, urls};
use cloud_init::{ImpersonationService, InstanceService, ProfileService};
use proto::cloud_init::v1::impersonation_service_server::ImpersonationService as _;
use proto::cloud_init::v1::instance_service_server::InstanceService as _;
use proto::cloud_init::v1::node_data_service_server::NodeDataService as _;
use proto::cloud_init::v1::profile_service_server::ProfileService as _;
use proto::cloud_init::v1::*;
use raft::Store;
use tonic::{Code, Request};

const NORMAL: &str = "#cloud-config\nruncmd: [date]\n";
const TRIED: &str = "#cloud-config\nruncmd: [uptime]\n";

/// Tries another file of `compute` and another region on x0c0s0b0n0.
fn profile() -> Profile {
    Profile {
        nodes: vec!["x0c0s0b0n0".to_owned()],
        cluster_defaults: Some(ClusterDefaults {
            region: "east".to_owned(),
            ..ClusterDefaults::default()
        }),
        groups: vec![group("compute", TRIED)],
        ..Profile::default()
    }
}

async fn put(store: &Store, name: &str, profile: Profile) -> Result<ProfileChange, tonic::Status> {
    let request = PutProfileRequest {
        name: name.to_owned(),
        profile: Some(profile),
        ..PutProfileRequest::default()
    };
    let answer = ProfileService::new(store.clone())
        .put_profile(from(FIRST, request))
        .await;
    answer.map(tonic::Response::into_inner)
}

async fn file(store: &Store, peer: &str) -> String {
    let asked = GroupDataRequest {
        file: "compute.yaml".to_owned(),
        ..GroupDataRequest::default()
    };
    text(service(store).get_group_data(from(peer, asked)).await)
}

async fn impersonated(store: &Store, document: &str, profile: &str) -> Result<String, tonic::Status> {
    let asked = GetNodeDataRequest {
        id: "x0c0s0b0n0".to_owned(),
        document: document.to_owned(),
        profile: profile.to_owned(),
    };
    let service = ImpersonationService::new(store.clone(), urls());
    let answer = service.get_node_data(Request::new(asked)).await?;
    Ok(text(Ok(answer)))
}

async fn with_compute() -> Store {
    let store = seeded().await;
    add_to_group(&store, "compute").await;
    put_group(&store, group("compute", NORMAL)).await;
    store
}

#[tokio::test]
async fn a_node_of_a_profile_gets_its_variants_and_nothing_else_differs() {
    let store = with_compute().await;
    assert_eq!(file(&store, FIRST).await, NORMAL);
    let before = text(
        service(&store)
            .get_meta_data(from(FIRST, NodeDataRequest::default()))
            .await,
    );
    let change = put(&store, "Test", profile()).await.unwrap();
    assert_eq!(
        change.expires_at_ms,
        store.state().cloud_init.profile("test").unwrap().expires_at_ms
    );
    assert_eq!(file(&store, FIRST).await, TRIED);
    let after = text(
        service(&store)
            .get_meta_data(from(FIRST, NodeDataRequest::default()))
            .await,
    );
    assert_eq!(after.replace("    region: east\n", ""), before);
    let other = text(
        service(&store)
            .get_meta_data(from(SECOND, NodeDataRequest::default()))
            .await,
    );
    assert!(!other.contains("region"), "{other}");
    let delete = DeleteProfileRequest {
        name: "test".to_owned(),
        if_revision: Some(change.revision),
    };
    let profiles = ProfileService::new(store.clone());
    profiles.delete_profile(from(FIRST, delete)).await.unwrap();
    assert_eq!(file(&store, FIRST).await, NORMAL);
}

/// An administrator looks at a profile before any node is in it, and is refused one that is not there.
#[tokio::test]
async fn a_profile_is_shown_for_any_node() {
    let store = with_compute().await;
    let elsewhere = Profile {
        nodes: vec!["x9c0s0b0n0".to_owned()],
        ..profile()
    };
    put(&store, "test", elsewhere).await.unwrap();
    assert_eq!(impersonated(&store, "compute.yaml", "").await.unwrap(), NORMAL);
    assert_eq!(impersonated(&store, "compute.yaml", "TEST").await.unwrap(), TRIED);
    let no = impersonated(&store, "compute.yaml", "nope").await.unwrap_err();
    assert_eq!(no.code(), Code::NotFound);
}

#[tokio::test]
async fn profiles_are_listed_read_and_hold_nothing_secret() {
    let store = seeded().await;
    put(&store, "b", profile()).await.unwrap();
    let service = ProfileService::new(store.clone());
    let list = service
        .list_profiles(Request::new(ListProfilesRequest {}))
        .await
        .unwrap();
    let one = GetProfileRequest { name: "B".to_owned() };
    let one = service.get_profile(Request::new(one)).await.unwrap().into_inner();
    assert_eq!(list.into_inner().profiles, [one]);
    let nobody = GetProfileRequest { name: "c".to_owned() };
    assert_eq!(
        service
            .get_profile(Request::new(nobody))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    let mut secret = profile();
    secret.groups[0].secret = true;
    assert_eq!(
        put(&store, "c", secret).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let taken = put(&store, "c", profile()).await.unwrap_err();
    assert_eq!(taken.code(), Code::FailedPrecondition);
    assert!(taken.message().contains("profile b"), "{}", taken.message());
}

#[tokio::test]
async fn an_instance_id_is_read_and_renewed() {
    let store = seeded().await;
    let instances = InstanceService::new(store.clone());
    let get = || {
        Request::new(GetInstanceRequest {
            node: "x0c0s0b0n0".to_owned(),
        })
    };
    assert_eq!(
        instances.get_instance(get()).await.unwrap_err().code(),
        Code::NotFound
    );
    let first = text(
        service(&store)
            .get_meta_data(from(FIRST, NodeDataRequest::default()))
            .await,
    );
    let before = instances.get_instance(get()).await.unwrap().into_inner();
    let renew = RenewInstanceIdRequest {
        node: "X0c0s0b0n0".to_owned(),
        if_revision: before
            .meta
            .and_then(|meta| meta.modified)
            .map(|change| change.revision),
    };
    let renewed = instances
        .renew_instance_id(from(FIRST, renew.clone()))
        .await
        .unwrap()
        .into_inner();
    let second = text(
        service(&store)
            .get_meta_data(from(FIRST, NodeDataRequest::default()))
            .await,
    );
    assert_eq!(second, first.replace(&before.instance_id, &renewed.instance_id));
    assert_ne!(first, second);
    let stale = instances.renew_instance_id(from(FIRST, renew)).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
}

/// What an explanation shows is what the node is served, under its profile too, in a boot with the id 0.
#[tokio::test]
async fn all_documents_at_once_are_those_that_the_node_gets() {
    let store = with_compute().await;
    put(&store, "test", profile()).await.unwrap();
    let before = store.state().applied_index();
    let node = "x0c0s0b0n0".parse().unwrap();
    let shown = cloud_init::documents(&store.state(), &urls(), &node, store.cluster_time_ms());
    assert_eq!(store.state().applied_index(), before);
    let names: Vec<&str> = shown.iter().map(|one| one.name.as_str()).collect();
    let expected = [
        "network-config",
        "meta-data",
        "user-data",
        "vendor-data",
        "compute.yaml",
    ];
    assert_eq!(names, expected);
    assert!(shown.iter().all(|one| one.problem.is_empty()), "{shown:?}");
    assert!(
        shown[1].text.starts_with("# x0c0s0b0n0 has no instance-id yet"),
        "{}",
        shown[1].text
    );
    let context = model::BootContext {
        revision: before,
        boot_id: 0,
    };
    let asked = || {
        from(
            FIRST,
            NodeDataRequest {
                ctx: context.to_string(),
                ..NodeDataRequest::default()
            },
        )
    };
    let service = service(&store);
    assert_eq!(shown[0].text, text(service.get_network_config(asked()).await));
    assert_eq!(shown[2].text, text(service.get_user_data(asked()).await));
    assert_eq!(shown[3].text, text(service.get_vendor_data(asked()).await));
    assert_eq!(shown[4].text, TRIED);
    let stranger = "x9c0s0b0n0".parse().unwrap();
    assert!(cloud_init::documents(&store.state(), &urls(), &stranger, 0).is_empty());
}
