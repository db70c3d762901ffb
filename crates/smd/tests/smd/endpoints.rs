//! HSM's Inventory/ComponentEndpoints, ServiceEndpoints, Discover and DiscoveryStatus, method by method.

use crate::common::{admin, blade, cut_off, endpoints};
use proto::discovery::v1::Crawl;
use proto::job::v1::job_command::{Change as JobChange, ClaimJob, CreateJob, EndJob};
use proto::job::v1::{Job, JobCommand, job};
use proto::raft::v1::entry::Command;
use proto::smd::v1::component_endpoint_service_server::ComponentEndpointService as _;
use proto::smd::v1::discovery_service_server::DiscoveryService as _;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointService as _;
use proto::smd::v1::service_endpoint_service_server::ServiceEndpointService as _;
use proto::smd::v1::{
    DeleteComponentEndpointRequest, DeleteComponentEndpointsRequest, DeleteServiceEndpointRequest,
    DeleteServiceEndpointsRequest, DiscoveryStatus, GetComponentEndpointRequest, GetDiscoveryStatusRequest,
    GetServiceEndpointRequest, ListComponentEndpointsRequest, ListDiscoveryStatusRequest,
    ListEndpointsOfServiceRequest, ListServiceEndpointsRequest, RedfishEndpointPayload,
    RequestDiscoveryRequest, ResourceUris, ServiceEndpoint, component,
};
use raft::{Committed, Store};
use smd::{ComponentEndpointService, DiscoveryService, ServiceEndpointService};
use tonic::{Code, Response, Status};

/// Two blades, each with two services.
async fn two_blades() -> Store {
    let (store, service) = endpoints();
    let with_services = |slot| RedfishEndpointPayload {
        service_endpoints: ["EventService", "UpdateService"]
            .map(|name| ServiceEndpoint {
                redfish_type: name.to_owned(),
                ..ServiceEndpoint::default()
            })
            .to_vec(),
        ..blade(slot)
    };
    for slot in 0..2 {
        service
            .create_redfish_endpoints(admin(with_services(slot)))
            .await
            .unwrap();
    }
    store
}

fn message(answer: Result<Response<proto::smd::v1::DeleteResponse>, Status>) -> String {
    answer.unwrap().into_inner().message
}

#[tokio::test]
async fn component_endpoints_are_listed_and_found() {
    let service = ComponentEndpointService::new(two_blades().await);
    let list = |request| service.list_component_endpoints(admin(request));
    let all = list(ListComponentEndpointsRequest::default())
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<&str> = all
        .component_endpoints
        .iter()
        .map(|endpoint| endpoint.id.as_str())
        .collect();
    assert_eq!(
        ids,
        ["x1000c0s0b0", "x1000c0s0b0n0", "x1000c0s1b0", "x1000c0s1b0n0"]
    );
    assert_eq!(all.revision, 2);
    let nodes = ListComponentEndpointsRequest {
        r#type: vec!["Node".into()],
        redfish_endpoint: vec!["x1000c0s1b0".into()],
        ..Default::default()
    };
    assert_eq!(list(nodes).await.unwrap().get_ref().component_endpoints.len(), 1);
    let bad = ListComponentEndpointsRequest {
        r#type: vec!["foo".into()],
        ..Default::default()
    };
    assert_eq!(list(bad).await.unwrap_err().code(), Code::InvalidArgument);
    let get =
        |id: &str| service.get_component_endpoint(admin(GetComponentEndpointRequest { id: id.to_owned() }));
    let node = get("X1000c0s00b0n0").await.unwrap().into_inner();
    assert_eq!(node.redfish_url, "/redfish/v1/Systems/1");
    let nics = node.redfish_system_info.unwrap().ethernet_nic_info;
    assert_eq!(nics[0].mac_address, "02:00:00:00:00:02");
    for id in ["x1000c0s9b0n0", "nonsense"] {
        assert_eq!(get(id).await.unwrap_err().code(), Code::NotFound, "{id}");
    }
}

#[tokio::test]
async fn deleted_component_endpoints_leave_empty_components() {
    let store = two_blades().await;
    let service = ComponentEndpointService::new(store.clone());
    let delete = |id: &str| {
        service.delete_component_endpoint(admin(DeleteComponentEndpointRequest { id: id.to_owned() }))
    };
    assert_eq!(message(delete("x1000c0s0b0n0").await), "deleted 1 entry");
    let node = store
        .state()
        .smd
        .component(&"x1000c0s0b0n0".parse().unwrap())
        .unwrap();
    assert_eq!(
        (node.state(), node.flag()),
        (component::State::Empty, component::Flag::Ok)
    );
    for id in ["x1000c0s0b0n0", "nonsense"] {
        assert_eq!(delete(id).await.unwrap_err().code(), Code::NotFound, "{id}");
    }
    let all = || service.delete_component_endpoints(admin(DeleteComponentEndpointsRequest {}));
    assert_eq!(message(all().await), "deleted 3 entries");
    assert_eq!(all().await.unwrap_err().message(), "no entries to delete");
    assert_eq!(store.state().smd.redfish_endpoints().count(), 2);
}

#[tokio::test]
async fn service_endpoints_are_listed_found_and_deleted() {
    let service = ServiceEndpointService::new(two_blades().await);
    let list = |request| service.list_service_endpoints(admin(request));
    let all = list(ListServiceEndpointsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(all.service_endpoints.len(), 4);
    let of_one = ListServiceEndpointsRequest {
        service: vec!["updateservice".into()],
        redfish_endpoint: vec!["x1000c0s1b0".into()],
        ..Default::default()
    };
    assert_eq!(list(of_one).await.unwrap().get_ref().service_endpoints.len(), 1);
    let by_service = ListEndpointsOfServiceRequest {
        service: "UpdateService".into(),
        redfish_endpoint: Vec::new(),
        ..Default::default()
    };
    let by_service = service
        .list_endpoints_of_service(admin(by_service))
        .await
        .unwrap();
    assert_eq!(by_service.get_ref().service_endpoints.len(), 2);
    let get = |service_name: &str, id: &str| {
        let request = GetServiceEndpointRequest {
            service: service_name.to_owned(),
            id: id.to_owned(),
        };
        service.get_service_endpoint(admin(request))
    };
    let found = get("EventService", "X1000c0s0b0").await.unwrap().into_inner();
    assert_eq!(found.redfish_endpoint_fqdn, "10.1.0.1");
    for (name, id) in [
        ("TaskService", "x1000c0s0b0"),
        ("EventService", "x1000c0s9b0"),
        ("EventService", "no"),
    ] {
        assert_eq!(
            get(name, id).await.unwrap_err().code(),
            Code::NotFound,
            "{name} {id}"
        );
    }
    let delete = |id: &str| {
        let request = DeleteServiceEndpointRequest {
            service: "EventService".to_owned(),
            id: id.to_owned(),
        };
        service.delete_service_endpoint(admin(request))
    };
    assert_eq!(message(delete("x1000c0s0b0").await), "deleted 1 entry");
    for id in ["x1000c0s0b0", "nonsense"] {
        assert_eq!(delete(id).await.unwrap_err().code(), Code::NotFound, "{id}");
    }
    let all = || service.delete_service_endpoints(admin(DeleteServiceEndpointsRequest {}));
    assert_eq!(message(all().await), "deleted 3 entries");
    assert_eq!(all().await.unwrap_err().message(), "no entries to delete");
}

async fn discover(service: &DiscoveryService, xnames: &[&str]) -> Result<ResourceUris, Status> {
    let request = RequestDiscoveryRequest {
        xnames: xnames.iter().map(|xname| (*xname).to_owned()).collect(),
        force: true,
    };
    service
        .request_discovery(admin(request))
        .await
        .map(Response::into_inner)
}

async fn status(service: &DiscoveryService) -> DiscoveryStatus {
    let request = GetDiscoveryStatusRequest { id: "0".to_owned() };
    service
        .get_discovery_status(admin(request))
        .await
        .unwrap()
        .into_inner()
}

/// SMD asks no BMC, and does not say that it did.
#[tokio::test]
async fn a_request_to_discover_is_pending_until_a_discovery_is_stored() {
    let store = two_blades().await;
    let service = DiscoveryService::new(store.clone());
    let idle = status(&service).await;
    assert_eq!(
        (idle.id, idle.status.as_str(), idle.last_update_time.as_str()),
        (0, "NotStarted", "")
    );
    let answer = discover(&service, &["X1000c0s1b0"]).await.unwrap();
    assert_eq!(answer.uris.len(), 1);
    assert_eq!(answer.uris[0].uri, "/hsm/v2/Inventory/DiscoveryStatus/0");
    let pending = status(&service).await;
    assert_eq!(
        (pending.status.as_str(), pending.pending),
        ("Pending", vec!["x1000c0s1b0".to_owned()])
    );
    assert!(
        pending.last_update_time.ends_with('Z'),
        "{}",
        pending.last_update_time
    );
    discover(&service, &[]).await.unwrap();
    assert_eq!(status(&service).await.pending.len(), 2);
    let endpoints = smd::RedfishEndpointService::new(store, &auth::Sealer::generate().unwrap());
    for slot in 0..2 {
        endpoints
            .update_redfish_endpoint(admin(blade(slot)))
            .await
            .unwrap();
    }
    assert_eq!(status(&service).await, idle);
    let list = service
        .list_discovery_status(admin(ListDiscoveryStatusRequest {}))
        .await;
    assert_eq!(list.unwrap().into_inner().statuses, [idle]);
}

async fn change_job(store: &Store, change: JobChange) -> Committed {
    let command = Command::Job(JobCommand { change: Some(change) });
    store.propose("cluster/jobs", command, None).await.unwrap()
}

/// The cluster's own crawls answer requests.
#[tokio::test]
async fn a_crawl_of_what_was_requested_is_in_progress_and_then_complete() {
    let store = two_blades().await;
    let service = DiscoveryService::new(store.clone());
    discover(&service, &["x1000c0s1b0"]).await.unwrap();
    let create = CreateJob {
        job: Some(Job {
            work: Some(job::Work::Crawl(Crawl::default())),
            principal: "user/admin".to_owned(),
            ..Job::default()
        }),
        targets: vec!["x1000c0s1b0".to_owned()],
    };
    let id = change_job(&store, JobChange::CreateJob(create))
        .await
        .applied
        .value;
    assert_eq!(status(&service).await.status, "Pending", "nobody does it yet");
    let claim = ClaimJob {
        id: id.clone(),
        member_id: 1,
        lapse_s: 30,
    };
    let fence = change_job(&store, JobChange::ClaimJob(claim)).await.revision;
    let crawled = status(&service).await;
    assert_eq!(
        (crawled.status.as_str(), crawled.pending),
        ("InProgress", vec!["x1000c0s1b0".to_owned()])
    );
    let endpoints = smd::RedfishEndpointService::new(store.clone(), &auth::Sealer::generate().unwrap());
    let stored = endpoints.update_redfish_endpoint(admin(blade(1))).await;
    stored.unwrap();
    let end = EndJob {
        id,
        fence,
        ..EndJob::default()
    };
    change_job(&store, JobChange::EndJob(end)).await;
    let complete = status(&service).await;
    assert_eq!(
        (complete.status.as_str(), complete.pending.len()),
        ("Complete", 0)
    );
    assert!(complete.last_update_time.ends_with('Z'), "{complete:?}");
}

#[tokio::test]
async fn requests_that_cannot_be_meant_are_refused() {
    let store = two_blades().await;
    let service = DiscoveryService::new(store.clone());
    for xname in ["x1000c0s9b0", "nonsense"] {
        let refused = discover(&service, &["x1000c0s0b0", xname]).await.unwrap_err();
        let text = format!("no such RedfishEndpoint: {xname}");
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::NotFound, text.as_str())
        );
    }
    assert_eq!(status(&service).await.pending, Vec::<String>::new());
    for (id, code) in [
        ("1", Code::NotFound),
        ("-1", Code::InvalidArgument),
        ("zero", Code::InvalidArgument),
    ] {
        let request = GetDiscoveryStatusRequest { id: id.to_owned() };
        assert_eq!(
            service
                .get_discovery_status(admin(request))
                .await
                .unwrap_err()
                .code(),
            code,
            "{id}"
        );
    }
    let empty = discover(&DiscoveryService::new(Store::in_memory()), &[])
        .await
        .unwrap_err();
    assert_eq!(empty.message(), "RedfishEndpoints collection is empty");
    let cut_off = DiscoveryService::new(cut_off(&store));
    assert_eq!(
        discover(&cut_off, &[]).await.unwrap_err().code(),
        Code::Unavailable
    );
}
