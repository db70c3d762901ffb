//! Many Ethernet interfaces in one request: what an import sends.

use crate::common::{admin, cut_off};
use proto::smd::v1::ethernet_interface_service_server::EthernetInterfaceService as _;
use proto::smd::v1::{
    CreateEthernetInterfaceRequest, CreateEthernetInterfacesRequest, CreateEthernetInterfacesResponse,
    IpAddressMapping,
};
use raft::Store;
use smd::EthernetInterfaceService;
use tonic::{Code, Status};

fn new(mac: &str, ip: &str) -> CreateEthernetInterfaceRequest {
    CreateEthernetInterfaceRequest {
        mac_address: mac.to_owned(),
        component_id: "X0c0s00b0n0".to_owned(),
        description: "boot NIC".to_owned(),
        ip_addresses: vec![IpAddressMapping {
            ip_address: ip.to_owned(),
            network: "NMN".to_owned(),
        }],
    }
}

async fn create(
    service: &EthernetInterfaceService,
    interfaces: &[CreateEthernetInterfaceRequest],
    replace: bool,
) -> Result<CreateEthernetInterfacesResponse, Status> {
    let request = CreateEthernetInterfacesRequest {
        interfaces: interfaces.to_vec(),
        replace,
        ..Default::default()
    };
    service
        .create_ethernet_interfaces(admin(request))
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn each_interface_is_told_what_became_of_it() {
    let store = Store::in_memory();
    let service = EthernetInterfaceService::new(store.clone());
    let first = new("02-00-00-00-00-A1", "10.97.3.4");
    let answer = create(&service, std::slice::from_ref(&first), false)
        .await
        .unwrap();
    assert_eq!(answer.created, ["0200000000a1"]);
    assert_eq!(answer.revision, store.state().applied_index());
    let second = new("02:00:00:00:00:a2", "10.97.3.5");
    let answer = create(&service, &[second.clone(), first.clone()], false)
        .await
        .unwrap();
    assert_eq!(
        (answer.created, answer.unchanged),
        (vec!["0200000000a2".to_owned()], vec!["0200000000a1".to_owned()])
    );
    let moved = new("02:00:00:00:00:a1", "10.97.3.6");
    let refused = create(&service, std::slice::from_ref(&moved), false)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let answer = create(&service, &[moved], true).await.unwrap();
    assert_eq!(answer.updated, ["0200000000a1"]);
    let stored = store
        .state()
        .smd
        .interface(&"0200000000a1".parse().unwrap())
        .unwrap();
    assert_eq!(stored.ip_addresses[0].ip_address, "10.97.3.6");
    assert_eq!(stored.component_id, "x0c0s0b0n0");
}

/// Makes a request bad.
type Change = fn(&mut CreateEthernetInterfaceRequest);

/// An import of thousands says which one is wrong.
#[tokio::test]
async fn what_is_wrong_is_named_by_its_place_and_nothing_is_stored() {
    let store = Store::in_memory();
    let service = EthernetInterfaceService::new(store.clone());
    let cases: [(&str, Change); 4] = [
        ("interfaces[1].MACAddress: ", |r| r.mac_address = "02:00".into()),
        ("interfaces[1].ComponentID: ", |r| {
            r.component_id = "nonsense".into()
        }),
        ("interfaces[1].IPAddresses: ", |r| {
            r.ip_addresses[0].ip_address = "10.97".into()
        }),
        ("interfaces[1].ip_address: ", |r| {
            r.ip_addresses[0].ip_address = "224.0.0.1".into()
        }),
    ];
    for (text, change) in cases {
        let mut wrong = new("02:00:00:00:00:a2", "10.97.3.5");
        change(&mut wrong);
        let refused = create(&service, &[new("02:00:00:00:00:a1", "10.97.3.4"), wrong], false).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(text), "{}", refused.message());
    }
    let none = create(&service, &[], false).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument, "{none:?}");
    let refused = create(
        &service,
        &[
            new("02:00:00:00:00:a1", "10.97.3.4"),
            new("02:00:00:00:00:a2", "10.97.3.4"),
        ],
        false,
    )
    .await
    .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("0200000000a1") && refused.message().contains("0200000000a2"),
        "{refused:?}"
    );
    assert_eq!(store.state().smd.interfaces().count(), 0);
}

#[tokio::test]
async fn without_a_majority_nothing_is_created() {
    let service = EthernetInterfaceService::new(cut_off(&Store::in_memory()));
    let refused = create(&service, &[new("02:00:00:00:00:a1", "10.97.3.4")], false).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
}
