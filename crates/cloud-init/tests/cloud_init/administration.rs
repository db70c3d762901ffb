//! What administrators set and read: the services, and the documents of a node as they are shown.

use crate::common::{
    FIRST, add_to_group, cut_off, from, group, put_group, seeded, service, text, tokens, urls,
};
use cloud_init::{ClusterDefaultsService, GroupService, ImpersonationService, InstanceInfoService};
use proto::cloud_init::v1::cluster_defaults_service_server::ClusterDefaultsService as _;
use proto::cloud_init::v1::group_service_server::GroupService as _;
use proto::cloud_init::v1::impersonation_service_server::ImpersonationService as _;
use proto::cloud_init::v1::instance_info_service_server::InstanceInfoService as _;
use proto::cloud_init::v1::node_data_service_server::NodeDataService as _;
use proto::cloud_init::v1::*;
use proto::google::api::HttpBody;
use raft::Store;
use tonic::{Code, Request, Response, Status};

const CONFIG: &str = "#cloud-config\nruncmd: [date]\n";

/// The HTTP status that an error asks for.
fn http_status(status: &Status) -> Option<&str> {
    status.metadata().get(rpc::HTTP_STATUS)?.to_str().ok()
}

#[tokio::test]
async fn defaults_are_merged_cleared_and_read() {
    let service = ClusterDefaultsService::new(seeded().await);
    let get = async || {
        let answer = service
            .get_cluster_defaults(Request::new(GetClusterDefaultsRequest {}))
            .await;
        answer.unwrap().into_inner()
    };
    assert_eq!(get().await, ClusterDefaults::default());
    let update = async |defaults, clear: &[&str]| {
        let request = UpdateClusterDefaultsRequest {
            defaults: Some(defaults),
            clear: clear.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        service.update_cluster_defaults(from(FIRST, request)).await
    };
    let west = ClusterDefaults {
        region: "west".to_owned(),
        nid_length: 3,
        ..ClusterDefaults::default()
    };
    let revision = update(west, &[]).await.unwrap().into_inner().revision;
    assert_eq!(get().await.meta.unwrap().modified.unwrap().revision, revision);
    update(ClusterDefaults::default(), &["nid-length"]).await.unwrap();
    assert_eq!((get().await.region.as_str(), get().await.nid_length), ("west", 0));
    let no = update(ClusterDefaults::default(), &["nope"]).await.unwrap_err();
    assert_eq!((no.code(), http_status(&no)), (Code::InvalidArgument, None));
}

/// OpenCHAMI's codes: 409 for a name that exists, 422 for what is no group, 404, and 200 for a delete of nothing.
#[tokio::test]
async fn groups_are_created_replaced_listed_and_deleted() {
    let service = GroupService::new(seeded().await, tokens().sealer());
    let created = service
        .create_group(from(FIRST, group("Compute", CONFIG)))
        .await
        .unwrap();
    assert_eq!(created.get_ref().location, "/cloud-init/admin/groups/compute");
    let again = service
        .create_group(from(FIRST, group("compute", CONFIG)))
        .await
        .unwrap_err();
    assert_eq!((again.code(), http_status(&again)), (Code::AlreadyExists, None));
    let put = PutGroupRequest {
        name: "io".to_owned(),
        group: Some(group("another", CONFIG)),
        ..Default::default()
    };
    let put = service.put_group(from(FIRST, put)).await.unwrap();
    assert_eq!(
        put.get_ref().location,
        "/cloud-init/admin/groups/io",
        "the path's name counts"
    );
    for bad in [group("", CONFIG), group("a b", CONFIG)] {
        let no = service.create_group(from(FIRST, bad)).await.unwrap_err();
        assert_eq!(
            (no.code(), http_status(&no)),
            (Code::InvalidArgument, Some("422"))
        );
    }
    let all = service
        .list_groups(Request::new(ListGroupsRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(all.groups.keys().collect::<Vec<_>>(), ["compute", "io"]);
    let get = async |name: &str| {
        service
            .get_group(Request::new(GetGroupRequest {
                name: name.to_owned(),
            }))
            .await
    };
    assert_eq!(get("compute").await.unwrap().get_ref(), &all.groups["compute"]);
    for _ in 0..2 {
        let delete = DeleteGroupRequest {
            name: "compute".to_owned(),
            ..Default::default()
        };
        service.delete_group(from(FIRST, delete)).await.unwrap();
        assert_eq!(get("compute").await.unwrap_err().code(), Code::NotFound);
    }
}

/// The id that the node has been told stays, and the answer says which one that is.
#[tokio::test]
async fn instance_info_shows_the_instance_id_in_force() {
    let store = seeded().await;
    let service = InstanceInfoService::new(store.clone(), tokens().sealer());
    let put = async |id: &str, instance_id: &str| {
        let info = InstanceInfo {
            id: "x9".to_owned(),
            instance_id: instance_id.to_owned(),
            region: "west".to_owned(),
            ..InstanceInfo::default()
        };
        let request = PutInstanceInfoRequest {
            id: id.to_owned(),
            info: Some(info),
            ..Default::default()
        };
        service.put_instance_info(from(FIRST, request)).await
    };
    assert_eq!(put("X0c0s0b0n0", "").await.unwrap().get_ref().instance_id, "");
    assert_eq!(
        put("x0c0s0b0n0", "i-mine").await.unwrap().get_ref().instance_id,
        "i-mine"
    );
    assert_eq!(
        put("x0c0s0b0n0", "i-other").await.unwrap().get_ref().instance_id,
        "i-mine"
    );
    assert_eq!(
        put("x0c0s0b0", "").await.unwrap_err().code(),
        Code::InvalidArgument
    );

    let get = GetInstanceInfoRequest {
        id: "x0c0s0b0n0".to_owned(),
    };
    let one = service
        .get_instance_info(Request::new(get.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (one.id.as_str(), one.instance_id.as_str(), one.region.as_str()),
        ("x0c0s0b0n0", "i-mine", "west")
    );
    let all = service
        .list_instance_info(Request::new(ListInstanceInfoRequest::default()))
        .await;
    assert_eq!(all.unwrap().into_inner().items, [one]);
    put("x0c0s0b0n1", "").await.unwrap();
    let page = async |page_token: String| {
        let request = ListInstanceInfoRequest {
            page_size: 1,
            page_token,
        };
        let answer = service.list_instance_info(Request::new(request)).await;
        let answer = answer.unwrap().into_inner();
        (answer.items[0].id.clone(), answer.next_page_token)
    };
    let (first, token) = page(String::new()).await;
    let (second, end) = page(token).await;
    assert_eq!(
        (first.as_str(), second.as_str(), end.as_str()),
        ("x0c0s0b0n0", "x0c0s0b0n1", "")
    );
    let delete = || DeleteInstanceInfoRequest {
        id: "x0c0s0b0n0".to_owned(),
        ..Default::default()
    };
    let gone = service.delete_instance_info(from(FIRST, delete())).await.unwrap();
    assert_eq!(gone.get_ref().instance_id, "i-mine");
    assert_eq!(
        service
            .get_instance_info(Request::new(get))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    assert_eq!(
        service
            .delete_instance_info(from(FIRST, delete()))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn without_a_majority_nothing_is_changed() {
    let store = cut_off(&seeded().await);
    let groups = GroupService::new(store.clone(), tokens().sealer());
    let no = groups
        .create_group(from(FIRST, group("compute", CONFIG)))
        .await
        .unwrap_err();
    assert_eq!(no.code(), Code::Unavailable);
    let defaults = ClusterDefaultsService::new(store);
    let no = defaults
        .update_cluster_defaults(from(FIRST, UpdateClusterDefaultsRequest::default()))
        .await;
    assert_eq!(no.unwrap_err().code(), Code::Unavailable);
}

async fn impersonate(store: &Store, id: &str, document: &str) -> Result<Response<HttpBody>, Status> {
    let request = GetNodeDataRequest {
        id: id.to_owned(),
        document: document.to_owned(),
        ..Default::default()
    };
    ImpersonationService::new(store.clone(), urls())
        .get_node_data(Request::new(request))
        .await
}

/// An administrator who looks must see what the node gets, to the byte.
#[tokio::test]
async fn what_is_shown_is_what_the_node_gets() {
    let store = seeded().await;
    add_to_group(&store, "compute").await;
    put_group(&store, group("compute", CONFIG)).await;
    let node = service(&store);
    let ask = || from(FIRST, NodeDataRequest::default());
    let file = GroupDataRequest {
        file: "compute.yaml".to_owned(),
        ..GroupDataRequest::default()
    };
    for (document, given) in [
        ("network-config", node.get_network_config(ask()).await),
        ("meta-data", node.get_meta_data(ask()).await),
        ("user-data", node.get_user_data(ask()).await),
        ("vendor-data", node.get_vendor_data(ask()).await),
        ("compute.yaml", node.get_group_data(from(FIRST, file)).await),
    ] {
        let shown = impersonate(&store, "X0c0s0b0n0", document).await.unwrap();
        assert_eq!(shown.into_inner(), given.unwrap().into_inner(), "{document}");
    }
}

/// Looking must not be the node's first request.
#[tokio::test]
async fn looking_changes_nothing() {
    let store = seeded().await;
    let before = store.state().applied_index();
    let shown = text(impersonate(&store, "x0c0s0b0n0", "meta-data").await);
    assert!(
        shown.starts_with(
            "# x0c0s0b0n0 has no instance-id yet: its first request stores one\ninstance-id: \"\"\n"
        ),
        "{shown}"
    );
    assert_eq!(store.state().applied_index(), before);
    assert_eq!(
        store.state().cloud_init.instance(&"x0c0s0b0n0".parse().unwrap()),
        None
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_by_name() {
    let store = seeded().await;
    for (id, document, code, words) in [
        ("x0c0s7b0n0", "meta-data", Code::NotFound, "component: x0c0s7b0n0"),
        ("x0c0s0b0", "meta-data", Code::InvalidArgument, "NodeBMC"),
        ("nobody", "meta-data", Code::InvalidArgument, "nobody"),
        (
            "x0c0s0b0n0",
            "compute.yaml",
            Code::NotFound,
            "group of x0c0s0b0n0: compute",
        ),
        (
            "x0c0s0b0n0",
            "metadata",
            Code::NotFound,
            "vendor-data and <group>.yaml",
        ),
    ] {
        let no = impersonate(&store, id, document).await.unwrap_err();
        assert_eq!(no.code(), code, "{id} {document}");
        assert!(no.message().contains(words), "{}", no.message());
    }
}
