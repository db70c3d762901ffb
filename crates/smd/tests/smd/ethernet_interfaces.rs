//! HSM's Inventory/EthernetInterfaces, method by method: what changes, what is answered, and with which code.

use crate::common::{admin, cut_off};
use proto::smd::v1::ethernet_interface_service_server::EthernetInterfaceService as _;
use proto::smd::v1::{
    AddIpAddressRequest, CreateEthernetInterfaceRequest, DeleteEthernetInterfaceRequest,
    DeleteEthernetInterfacesRequest, DeleteIpAddressRequest, EthernetInterface, GetEthernetInterfaceRequest,
    IpAddressMapping, ListEthernetInterfacesRequest, ListIpAddressesRequest, PatchEthernetInterfaceRequest,
    PatchIpAddressRequest, ResourceUri,
};
use raft::Store;
use smd::EthernetInterfaceService;
use tonic::{Code, Status};

const ID: &str = "0200000000a1";

fn new(mac: &str, ip: &str) -> CreateEthernetInterfaceRequest {
    CreateEthernetInterfaceRequest {
        mac_address: mac.to_owned(),
        component_id: "X0c0s0b0n0".to_owned(),
        description: "boot NIC".to_owned(),
        ip_addresses: vec![mapping(ip, "NMN")],
    }
}

fn mapping(ip: &str, network: &str) -> IpAddressMapping {
    IpAddressMapping {
        ip_address: ip.to_owned(),
        network: network.to_owned(),
    }
}

async fn create(
    service: &EthernetInterfaceService,
    request: CreateEthernetInterfaceRequest,
) -> Result<ResourceUri, Status> {
    service
        .create_ethernet_interface(admin(request))
        .await
        .map(tonic::Response::into_inner)
}

async fn get(service: &EthernetInterfaceService, id: &str) -> Result<EthernetInterface, Status> {
    let request = GetEthernetInterfaceRequest { id: id.to_owned() };
    service
        .get_ethernet_interface(admin(request))
        .await
        .map(tonic::Response::into_inner)
}

/// Makes a request bad.
type Change = fn(&mut CreateEthernetInterfaceRequest);

/// A service with the interface 02:00:00:00:00:a1 of x0c0s0b0n0 at 10.97.3.4.
async fn with_one() -> EthernetInterfaceService {
    let service = EthernetInterfaceService::new(Store::in_memory());
    create(&service, new("02:00:00:00:00:A1", "10.97.3.4"))
        .await
        .unwrap();
    service
}

#[tokio::test]
async fn a_created_interface_is_found_under_its_uri() {
    let service = EthernetInterfaceService::new(Store::in_memory());
    let answer = create(&service, new("02-00-00-00-00-A1", "10.97.3.4"))
        .await
        .unwrap();
    assert_eq!(answer.uri, "/hsm/v2/Inventory/EthernetInterfaces/0200000000a1");
    for id in [ID, "02:00:00:00:00:a1", "0200000000A1"] {
        let stored = get(&service, id).await.unwrap();
        assert_eq!(
            (stored.id.as_str(), stored.mac_address.as_str()),
            (ID, "02:00:00:00:00:a1")
        );
        assert_eq!(
            (stored.component_id.as_str(), stored.r#type.as_str()),
            ("x0c0s0b0n0", "Node")
        );
        assert_eq!(stored.ip_addresses, [mapping("10.97.3.4", "NMN")]);
        assert!(stored.last_update.ends_with('Z'), "{}", stored.last_update);
    }
}

#[tokio::test]
async fn bad_interfaces_are_refused_by_field() {
    let service = EthernetInterfaceService::new(Store::in_memory());
    let cases: [(&str, Change); 5] = [
        ("MACAddress: ", |r| r.mac_address = "02:00".into()),
        ("ComponentID: ", |r| r.component_id = "nonsense".into()),
        ("IPAddresses: `` is not an IP address", |r| {
            r.ip_addresses = vec![mapping("", "")]
        }),
        ("ip_address: ", |r| {
            r.ip_addresses = vec![mapping("224.0.0.1", "")]
        }),
        ("description: ", |r| r.description = "a\u{1b}[2J".into()),
    ];
    for (text, change) in cases {
        let mut request = new("02:00:00:00:00:a1", "10.97.3.4");
        change(&mut request);
        let refused = create(&service, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(text), "{}", refused.message());
    }
}

/// One MAC, one address per network: a conflict names both owners.
#[tokio::test]
async fn a_mac_and_an_address_have_one_owner() {
    let service = with_one().await;
    let twice = create(&service, new("02:00:00:00:00:a1", "10.97.3.5"))
        .await
        .unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);
    let taken = create(&service, new("02:00:00:00:00:a2", "10.97.3.4"))
        .await
        .unwrap_err();
    assert_eq!(taken.metadata().get(rpc::HTTP_STATUS).unwrap(), "409");
    assert!(
        taken.message().contains("0200000000a1") && taken.message().contains("0200000000a2"),
        "{}",
        taken.message()
    );
}

#[tokio::test]
async fn lists_are_filtered_and_bad_values_refused() {
    let service = with_one().await;
    create(&service, new("02:00:00:00:00:a0", "10.97.3.5"))
        .await
        .unwrap();
    let list = |request| service.list_ethernet_interfaces(admin(request));
    let all = list(ListEthernetInterfacesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<_> = all
        .interfaces
        .iter()
        .map(|interface| interface.id.as_str())
        .collect();
    assert_eq!((ids, all.revision), (vec!["0200000000a0", ID], 2));
    let by_mac = ListEthernetInterfacesRequest {
        mac_address: vec!["02-00-00-00-00-A1".into()],
        ..Default::default()
    };
    assert_eq!(list(by_mac).await.unwrap().get_ref().interfaces.len(), 1);
    let bad = ListEthernetInterfacesRequest {
        r#type: vec!["foo".into()],
        ..Default::default()
    };
    assert_eq!(list(bad).await.unwrap_err().code(), Code::InvalidArgument);
}

/// HSM answers a patch with the object as it is afterwards.
#[tokio::test]
async fn a_patch_changes_what_it_has_and_answers_with_the_object() {
    let service = with_one().await;
    let request = PatchEthernetInterfaceRequest {
        id: ID.to_owned(),
        description: Some("other".into()),
        ..Default::default()
    };
    let patched = service
        .patch_ethernet_interface(admin(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (patched.description.as_str(), patched.component_id.as_str()),
        ("other", "x0c0s0b0n0")
    );
    assert_eq!(patched.ip_addresses, [mapping("10.97.3.4", "NMN")]);
    let request = PatchEthernetInterfaceRequest {
        id: "02:00:00:00:00:A1".to_owned(),
        component_id: Some(String::new()),
        ip_addresses: vec![mapping("10.97.3.9", "")],
        ..Default::default()
    };
    let patched = service
        .patch_ethernet_interface(admin(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((patched.component_id.as_str(), patched.r#type.as_str()), ("", ""));
    assert_eq!(patched.ip_addresses, [mapping("10.97.3.9", "")]);
    assert_eq!(get(&service, ID).await.unwrap(), patched);
}

/// HSM: a list that is there and empty takes all addresses away.
#[tokio::test]
async fn a_patch_with_an_empty_list_clears_the_addresses() {
    let service = with_one().await;
    let request = PatchEthernetInterfaceRequest {
        id: ID.to_owned(),
        replace_ip_addresses: true,
        ..Default::default()
    };
    let patched = service.patch_ethernet_interface(admin(request)).await;
    assert_eq!(patched.unwrap().into_inner().ip_addresses, []);
    assert_eq!(get(&service, ID).await.unwrap().ip_addresses, []);
}

#[tokio::test]
async fn a_patch_of_nothing_is_refused() {
    let service = with_one().await;
    let patch = |request| service.patch_ethernet_interface(admin(request));
    let empty = patch(PatchEthernetInterfaceRequest {
        id: ID.to_owned(),
        ..Default::default()
    })
    .await
    .unwrap_err();
    assert_eq!(
        (empty.code(), empty.message()),
        (
            Code::InvalidArgument,
            "Request must have at least one patch field."
        )
    );
    for id in ["0200000000ff", "nonsense"] {
        let request = PatchEthernetInterfaceRequest {
            id: id.to_owned(),
            description: Some("x".into()),
            ..Default::default()
        };
        assert_eq!(patch(request).await.unwrap_err().code(), Code::NotFound, "{id}");
    }
}

#[tokio::test]
async fn deletes_are_counted_and_missing_ones_not_found() {
    let service = with_one().await;
    create(&service, new("02:00:00:00:00:a2", "10.97.3.5"))
        .await
        .unwrap();
    let delete = |id: &str| {
        service.delete_ethernet_interface(admin(DeleteEthernetInterfaceRequest {
            id: id.to_owned(),
            ..Default::default()
        }))
    };
    assert_eq!(
        delete("02:00:00:00:00:A1").await.unwrap().get_ref().message,
        "deleted 1 entry"
    );
    for id in [ID, "nonsense"] {
        assert_eq!(delete(id).await.unwrap_err().code(), Code::NotFound);
    }
    let all = || service.delete_ethernet_interfaces(admin(DeleteEthernetInterfacesRequest {}));
    assert_eq!(all().await.unwrap().get_ref().message, "deleted 1 entries");
    assert_eq!(all().await.unwrap_err().message(), "no entries to delete");
}

#[tokio::test]
async fn single_addresses_come_move_and_go() {
    let service = with_one().await;
    let add = AddIpAddressRequest {
        id: ID.to_owned(),
        ip_address: "10.98.3.4".into(),
        network: "HSN".into(),
        ..Default::default()
    };
    let uri = service
        .add_ip_address(admin(add.clone()))
        .await
        .unwrap()
        .into_inner()
        .uri;
    assert_eq!(
        uri,
        "/hsm/v2/Inventory/EthernetInterfaces/0200000000a1/IPAddresses/10.98.3.4"
    );
    assert_eq!(
        service.add_ip_address(admin(add)).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    let patch = PatchIpAddressRequest {
        id: ID.to_owned(),
        ip: "10.98.3.4".into(),
        network: "CAN".into(),
        ..Default::default()
    };
    let patched = service.patch_ip_address(admin(patch)).await.unwrap().into_inner();
    assert_eq!(patched, mapping("10.98.3.4", "CAN"));
    let list = service
        .list_ip_addresses(admin(ListIpAddressesRequest { id: ID.to_owned() }))
        .await
        .unwrap();
    assert_eq!(
        list.get_ref().ip_addresses,
        [mapping("10.97.3.4", "NMN"), mapping("10.98.3.4", "CAN")]
    );
    let delete = DeleteIpAddressRequest {
        id: ID.to_owned(),
        ip: "10.97.3.4".into(),
        ..Default::default()
    };
    assert_eq!(
        service
            .delete_ip_address(admin(delete.clone()))
            .await
            .unwrap()
            .get_ref()
            .message,
        "deleted 1 entry"
    );
    assert_eq!(
        service.delete_ip_address(admin(delete)).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        get(&service, ID).await.unwrap().ip_addresses,
        [mapping("10.98.3.4", "CAN")]
    );
}

#[tokio::test]
async fn bad_and_missing_single_addresses_are_refused() {
    let service = with_one().await;
    let add = |id: &str, ip: &str| {
        let request = AddIpAddressRequest {
            id: id.to_owned(),
            ip_address: ip.to_owned(),
            network: String::new(),
            ..Default::default()
        };
        service.add_ip_address(admin(request))
    };
    assert_eq!(
        add(ID, "10.98.3").await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(
        add("0200000000ff", "10.98.3.4").await.unwrap_err().code(),
        Code::NotFound
    );
    let patch = PatchIpAddressRequest {
        id: ID.to_owned(),
        ip: "10.98.3.9".into(),
        network: "CAN".into(),
        ..Default::default()
    };
    assert_eq!(
        service.patch_ip_address(admin(patch)).await.unwrap_err().code(),
        Code::NotFound
    );
    let list = ListIpAddressesRequest {
        id: "0200000000ff".to_owned(),
    };
    assert_eq!(
        service.list_ip_addresses(admin(list)).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn without_a_majority_writes_are_unavailable() {
    let store = Store::in_memory();
    create(
        &EthernetInterfaceService::new(store.clone()),
        new("02:00:00:00:00:a1", "10.97.3.4"),
    )
    .await
    .unwrap();
    let service = EthernetInterfaceService::new(cut_off(&store));
    let refused = create(&service, new("02:00:00:00:00:a2", "10.97.3.5"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let all = service
        .delete_ethernet_interfaces(admin(DeleteEthernetInterfacesRequest {}))
        .await
        .unwrap_err();
    assert_eq!(all.code(), Code::Unavailable);
    assert_eq!(get(&service, ID).await.unwrap().id, ID);
}
