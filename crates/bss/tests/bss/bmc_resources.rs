//! BMCs in boot-service's envelope: SMD's Redfish endpoints, whichever of the two is asked.

use crate::common::smd;
use bss::BmcResourceService;
use model::Xname;
use proto::bss::v1::bmc_resource_service_server::BmcResourceService as _;
use proto::bss::v1::{
    BmcInterface, BmcInterfacePatch, BmcResource, BmcSpec, BmcSpecPatch, CreateBmcResourceRequest,
    DeleteBmcResourceRequest, GetBmcResourceRequest, GetBootServiceHealthRequest, ListBmcResourcesRequest,
    PatchBmcResourceRequest, ReplaceBmcResourceRequest, ResourceMetadata,
};
use proto::smd::v1::RedfishEndpoint;
use proto::smd::v1::smd_command::{Change, DiscoveredEndpoint, StoreDiscovery};
use raft::Store;
use tonic::{Code, Request, Response, Status};

const BMC: &str = "x0c0s7b0";
const MAC: &str = "02:00:00:00:00:b7";
const IP: &str = "10.97.8.7";

fn service(store: &Store) -> BmcResourceService {
    BmcResourceService::new(store.clone())
}

fn spec(ip: &str) -> BmcSpec {
    BmcSpec {
        xname: BMC.to_owned(),
        description: "rack 3, unit 7".to_owned(),
        interface: Some(BmcInterface {
            mac: MAC.to_ascii_uppercase(),
            ip: ip.to_owned(),
            r#type: "ignored".to_owned(),
        }),
    }
}

async fn create(store: &Store, spec: BmcSpec) -> Result<BmcResource, Status> {
    let request = CreateBmcResourceRequest {
        metadata: None,
        spec: Some(spec),
    };
    let created = service(store).create_bmc_resource(Request::new(request)).await;
    created.map(Response::into_inner)
}

async fn get(store: &Store, uid: &str) -> Result<BmcResource, Status> {
    let request = GetBmcResourceRequest { uid: uid.to_owned() };
    let got = service(store).get_bmc_resource(Request::new(request)).await;
    got.map(Response::into_inner)
}

async fn replace(store: &Store, uid: &str, spec: BmcSpec) -> Result<BmcResource, Status> {
    let request = ReplaceBmcResourceRequest {
        uid: uid.to_owned(),
        metadata: None,
        spec: Some(spec),
        if_revision: None,
    };
    let replaced = service(store).replace_bmc_resource(Request::new(request)).await;
    replaced.map(Response::into_inner)
}

async fn patch(store: &Store, patch: BmcSpecPatch, if_revision: Option<u64>) -> Result<BmcResource, Status> {
    let request = PatchBmcResourceRequest {
        uid: BMC.to_owned(),
        patch: Some(patch),
        if_revision,
    };
    let patched = service(store).patch_bmc_resource(Request::new(request)).await;
    patched.map(Response::into_inner)
}

fn stored(store: &Store) -> RedfishEndpoint {
    let bmc: Xname = BMC.parse().unwrap();
    store.state().smd.redfish_endpoint(&bmc).unwrap().as_ref().clone()
}

#[tokio::test]
async fn a_bmc_that_is_added_is_a_redfish_endpoint_that_nobody_has_discovered() {
    let store = Store::in_memory();
    let created = create(&store, spec(IP)).await.unwrap();
    let endpoint = stored(&store);
    assert_eq!(
        (endpoint.mac_addr.as_str(), endpoint.ip_address.as_str()),
        (MAC, IP)
    );
    assert_eq!(
        (endpoint.fqdn.as_str(), endpoint.name.as_str()),
        (IP, "rack 3, unit 7")
    );
    assert!(endpoint.enabled);
    assert_eq!(created, get(&store, BMC).await.unwrap());
    assert_eq!(
        (created.api_version.as_str(), created.kind.as_str()),
        ("v1", "BMC")
    );
    let metadata = created.metadata.unwrap();
    assert_eq!((metadata.uid.as_str(), metadata.name.as_str()), (BMC, BMC));
    assert!(!metadata.created_at.is_empty());
    let status = created.status.unwrap();
    assert_eq!((status.phase.as_str(), status.ready), ("NotYetQueried", false));
    let interface = created.spec.unwrap().interface.unwrap();
    assert_eq!(interface.r#type, "NodeBMC", "SMD's type, whatever was said");
}

/// `ochami boot bmc add` always names what it adds; the spec may have no xname.
#[tokio::test]
async fn without_an_xname_the_name_is_taken_for_one() {
    let store = Store::in_memory();
    let request = CreateBmcResourceRequest {
        metadata: Some(ResourceMetadata {
            name: BMC.to_owned(),
            ..ResourceMetadata::default()
        }),
        spec: Some(BmcSpec::default()),
    };
    let created = service(&store).create_bmc_resource(Request::new(request)).await;
    assert_eq!(created.unwrap().into_inner().metadata.unwrap().uid, BMC);
    assert_eq!(stored(&store).fqdn, BMC);
}

#[tokio::test]
async fn what_is_no_controller_or_exists_is_refused() {
    let store = Store::in_memory();
    for (xname, code) in [
        ("x0c0s7b0n0", Code::InvalidArgument),
        ("rack-3", Code::InvalidArgument),
        ("", Code::InvalidArgument),
    ] {
        let wrong = BmcSpec {
            xname: xname.to_owned(),
            ..spec(IP)
        };
        assert_eq!(create(&store, wrong).await.unwrap_err().code(), code, "{xname:?}");
    }
    create(&store, spec(IP)).await.unwrap();
    let again = create(&store, spec(IP)).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists, "{again}");
    let same_address = BmcSpec {
        xname: "x0c0s8b0".to_owned(),
        ..spec(IP)
    };
    let taken = create(&store, same_address).await.unwrap_err();
    assert!(taken.message().contains(BMC), "it names the owner: {taken}");
}

#[tokio::test]
async fn a_bmc_moves_to_another_address_and_back_to_none() {
    let store = Store::in_memory();
    create(&store, spec(IP)).await.unwrap();
    let moved = replace(&store, BMC, spec("10.97.8.8")).await.unwrap();
    assert_eq!(moved.spec.unwrap().interface.unwrap().ip, "10.97.8.8");
    assert_eq!(stored(&store).fqdn, "10.97.8.8");
    let to_none = BmcSpecPatch {
        interface: Some(BmcInterfacePatch {
            ip: Some(String::new()),
            ..BmcInterfacePatch::default()
        }),
        ..BmcSpecPatch::default()
    };
    patch(&store, to_none, None).await.unwrap();
    let endpoint = stored(&store);
    assert_eq!((endpoint.ip_address.as_str(), endpoint.fqdn.as_str()), ("", BMC));
    assert_eq!(
        (endpoint.mac_addr.as_str(), endpoint.name.as_str()),
        (MAC, "rack 3, unit 7")
    );
}

/// A spec can say neither user nor discovery: a replace must not lose them.
#[tokio::test]
async fn what_a_spec_cannot_say_stays() {
    let store = Store::in_memory();
    let known = RedfishEndpoint {
        id: BMC.to_owned(),
        user: "root".to_owned(),
        fqdn: "bmc7.example".to_owned(),
        ip_address: IP.to_owned(),
        enabled: true,
        ..RedfishEndpoint::default()
    };
    let found = DiscoveredEndpoint {
        endpoint: Some(known),
        ..DiscoveredEndpoint::default()
    };
    let store_discovery = StoreDiscovery {
        endpoints: vec![found],
        update: false,
    };
    smd(&store, Change::StoreDiscovery(store_discovery)).await;
    replace(&store, BMC, spec("10.97.8.9")).await.unwrap();
    let endpoint = stored(&store);
    assert_eq!(
        (endpoint.user.as_str(), endpoint.fqdn.as_str()),
        ("root", "bmc7.example")
    );
    assert_eq!(endpoint.ip_address, "10.97.8.9");
}

#[tokio::test]
async fn a_stale_revision_is_refused_and_changes_nothing() {
    let store = Store::in_memory();
    let created = create(&store, spec(IP)).await.unwrap();
    let revision = created.meta.unwrap().modified.unwrap().revision;
    let renamed = |text: &str| BmcSpecPatch {
        description: Some(text.to_owned()),
        ..BmcSpecPatch::default()
    };
    patch(&store, renamed("first"), Some(revision)).await.unwrap();
    let lost = patch(&store, renamed("second"), Some(revision))
        .await
        .unwrap_err();
    assert_eq!(lost.code(), Code::Aborted, "{lost}");
    assert_eq!(stored(&store).name, "first");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let store = Store::in_memory();
    for uid in [BMC, "x0c0s7b0n0", "rack-3"] {
        assert_eq!(
            get(&store, uid).await.unwrap_err().code(),
            Code::NotFound,
            "{uid}"
        );
    }
    let put = replace(&store, BMC, spec(IP)).await.unwrap_err();
    assert_eq!(put.code(), Code::NotFound, "PUT does not create: {put}");
    let other = replace(&store, "x0c0s8b0", spec(IP)).await.unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument, "{other}");
}

#[tokio::test]
async fn a_delete_is_one_of_the_endpoint() {
    let store = Store::in_memory();
    create(&store, spec(IP)).await.unwrap();
    let delete = || DeleteBmcResourceRequest {
        uid: BMC.to_ascii_uppercase(),
        if_revision: None,
    };
    let deleted = service(&store).delete_bmc_resource(Request::new(delete())).await;
    assert_eq!(deleted.unwrap().into_inner().uid, BMC);
    assert_eq!(store.state().smd.redfish_endpoints().count(), 0);
    let again = service(&store).delete_bmc_resource(Request::new(delete())).await;
    assert_eq!(again.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn the_list_is_sorted_by_xname_and_health_is_what_ochami_shows() {
    let store = Store::in_memory();
    for (xname, ip) in [("x0c0s9b0", "10.97.8.19"), (BMC, IP)] {
        let one = BmcSpec {
            xname: xname.to_owned(),
            ..spec(ip)
        };
        create(&store, one).await.unwrap();
    }
    let list = service(&store)
        .list_bmc_resources(Request::new(ListBmcResourcesRequest {}))
        .await;
    let items = list.unwrap().into_inner().items;
    let xnames: Vec<String> = items
        .into_iter()
        .filter_map(|item| Some(item.spec?.xname))
        .collect();
    assert_eq!(xnames, [BMC, "x0c0s9b0"]);
    let health = service(&store)
        .get_boot_service_health(Request::new(GetBootServiceHealthRequest {}))
        .await;
    assert_eq!(health.unwrap().into_inner().status, "ok");
}
