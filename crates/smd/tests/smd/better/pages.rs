//! Lists in pages: together they are the list, whatever comes or goes between them.

use super::*;

/// Reads a list two objects at a time, and says what it has: as many as are told here, each once, in the order of the whole.
macro_rules! assert_pages {
    ($client:expr, $method:ident, $request:ident, $list:ident, $key:expr, $count:expr) => {{
        let mut request = $request::default();
        let whole = $client
            .$method(admin(request.clone()))
            .await
            .unwrap()
            .into_inner();
        let whole: Vec<String> = whole.$list.iter().map($key).collect();
        request.page_size = 2;
        let mut pages: Vec<Vec<String>> = Vec::new();
        loop {
            let page = $client
                .$method(admin(request.clone()))
                .await
                .unwrap()
                .into_inner();
            pages.push(page.$list.iter().map($key).collect());
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(pages.concat(), whole, stringify!($method));
        let full = vec![2; $count / 2]
            .into_iter()
            .chain(($count % 2 == 1).then_some(1));
        let sizes = pages.iter().map(Vec::len);
        assert!(sizes.eq(full), "{}: {pages:?}", stringify!($method));
    }};
}

#[tokio::test]
async fn pages_together_are_the_list_also_when_it_changes_between_them() {
    let smd = Smd::new();
    smd.create(0..5).await;
    let mut request = ListComponentsRequest {
        r#type: vec!["Node".into()],
        page_size: 2,
        ..Default::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = smd
            .components()
            .list_components(admin(request.clone()))
            .await
            .unwrap()
            .into_inner();
        pages.push(
            page.components
                .iter()
                .map(|component| component.id.clone())
                .collect::<Vec<_>>(),
        );
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
        let last = DeleteComponentRequest {
            id: "x0c0s1b0n0".into(),
            ..Default::default()
        };
        // where the first page ended
        let _gone_already = smd.components().delete_component(admin(last)).await;
    }
    let expected = [
        vec!["x0c0s0b0n0", "x0c0s1b0n0"],
        vec!["x0c0s2b0n0", "x0c0s3b0n0"],
        vec!["x0c0s4b0n0"],
    ];
    assert_eq!(pages, expected);
    request.r#type = vec!["NodeBMC".into()];
    let other = smd
        .components()
        .list_components(admin(request))
        .await
        .unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument);
    assert!(other.message().starts_with("page_token: "), "{other}");
}

/// Three BMCs, each with a node behind it; the first has three services.
async fn discovered() -> Smd {
    let smd = Smd::new();
    for slot in 0..3_u8 {
        let services = ["AccountService", "EventService", "UpdateService"].into_iter();
        let services = services.take(if slot == 0 { 3 } else { 1 });
        let payload = RedfishEndpointPayload {
            service_endpoints: services
                .map(|service| ServiceEndpoint {
                    redfish_type: service.into(),
                    redfish_url: format!("10.1.{slot}.1/redfish/v1/{service}"),
                    ..Default::default()
                })
                .collect(),
            ..blade(slot)
        };
        let mut client = RedfishEndpointServiceClient::new(smd.service.clone());
        client.create_redfish_endpoints(admin(payload)).await.unwrap();
    }
    smd
}

#[tokio::test]
async fn what_discoveries_bring_has_pages_too() {
    let smd = discovered().await;
    let mut client = RedfishEndpointServiceClient::new(smd.service.clone());
    let id = |one: &RedfishEndpoint| one.id.clone();
    assert_pages!(
        client,
        list_redfish_endpoints,
        ListRedfishEndpointsRequest,
        redfish_endpoints,
        id,
        3
    );
    let mut client = ComponentEndpointServiceClient::new(smd.service.clone());
    let id = |one: &ComponentEndpoint| one.id.clone();
    assert_pages!(
        client,
        list_component_endpoints,
        ListComponentEndpointsRequest,
        component_endpoints,
        id,
        6
    );
    let mut client = ServiceEndpointServiceClient::new(smd.service.clone());
    let id = |one: &ServiceEndpoint| format!("{} {}", one.redfish_endpoint_id, one.redfish_type);
    assert_pages!(
        client,
        list_service_endpoints,
        ListServiceEndpointsRequest,
        service_endpoints,
        id,
        5
    );
    let id = |one: &HardwareLocation| one.id.clone();
    assert_pages!(
        smd.hardware(),
        list_hardware,
        ListHardwareRequest,
        hardware,
        id,
        6
    );
    let mut client = HardwareFruServiceClient::new(smd.service.clone());
    let id = |one: &HardwareFru| one.fru_id.clone();
    assert_pages!(client, list_hardware_frus, ListHardwareFrusRequest, frus, id, 6);
    let mut client = HardwareHistoryServiceClient::new(smd.service.clone());
    let id = |one: &HardwareHistory| format!("{} {}", one.id, one.history.len());
    assert_pages!(
        client,
        list_hardware_history,
        ListHardwareHistoryRequest,
        components,
        id,
        6
    );
    assert_pages!(client, list_fru_history, ListFruHistoryRequest, components, id, 6);
}

#[tokio::test]
async fn partitions_and_maps_have_pages_too() {
    let smd = Smd::new();
    let nodes = ["x0c0s0b0n0", "x0c0s1b0n0", "x0c0s2b0n0"];
    for number in 1..=3 {
        let partition = Partition {
            name: format!("p{number}"),
            ..Default::default()
        };
        smd.partitions().create_partition(admin(partition)).await.unwrap();
    }
    let node_maps = nodes.iter().zip(1..).map(|(id, nid)| NodeMap {
        id: (*id).into(),
        nid,
        ..Default::default()
    });
    let request = PutNodeMapsRequest {
        node_maps: node_maps.collect(),
        ..Default::default()
    };
    let mut maps = NodeMapServiceClient::new(smd.service.clone());
    maps.put_node_maps(admin(request)).await.unwrap();
    let power_maps = nodes.iter().map(|id| PowerMap {
        id: (*id).into(),
        powered_by: vec!["x0m0p0v1".into()],
        ..Default::default()
    });
    let request = PutPowerMapsRequest {
        power_maps: power_maps.collect(),
        ..PutPowerMapsRequest::default()
    };
    let mut supplies = PowerMapServiceClient::new(smd.service.clone());
    supplies.put_power_maps(admin(request)).await.unwrap();
    let name = |one: &Partition| one.name.clone();
    assert_pages!(
        smd.partitions(),
        list_partitions,
        ListPartitionsRequest,
        partitions,
        name,
        3
    );
    let id = |one: &NodeMap| one.id.clone();
    assert_pages!(maps, list_node_maps, ListNodeMapsRequest, node_maps, id, 3);
    let id = |one: &PowerMap| one.id.clone();
    assert_pages!(supplies, list_power_maps, ListPowerMapsRequest, power_maps, id, 3);
}

/// Each list has pages of its own key.
#[tokio::test]
async fn interfaces_groups_and_memberships_have_pages_too() {
    let smd = Smd::new();
    smd.create(0..3).await;
    for n in 0..3 {
        smd.create_group(&format!("g{n}")).await;
        let interface = CreateEthernetInterfaceRequest {
            mac_address: format!("02:00:00:00:00:0{n}"),
            ..Default::default()
        };
        smd.interfaces()
            .create_ethernet_interface(admin(interface))
            .await
            .unwrap();
    }
    let first = ListEthernetInterfacesRequest {
        page_size: 2,
        ..Default::default()
    };
    let page = smd
        .interfaces()
        .list_ethernet_interfaces(admin(first.clone()))
        .await
        .unwrap()
        .into_inner();
    let next = ListEthernetInterfacesRequest {
        page_token: page.next_page_token,
        ..first
    };
    let page = smd
        .interfaces()
        .list_ethernet_interfaces(admin(next))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (page.interfaces.len(), page.interfaces[0].id.as_str()),
        (1, "020000000002")
    );
    let first = ListGroupsRequest {
        page_size: 2,
        ..Default::default()
    };
    let page = smd
        .groups()
        .list_groups(admin(first.clone()))
        .await
        .unwrap()
        .into_inner();
    let token = page.next_page_token;
    let next = ListGroupsRequest {
        page_token: token.clone(),
        ..first
    };
    let page = smd.groups().list_groups(admin(next)).await.unwrap().into_inner();
    assert_eq!((page.groups.len(), page.groups[0].label.as_str()), (1, "g2"));
    let first = ListMembershipsRequest {
        page_size: 2,
        ..Default::default()
    };
    let page = smd
        .memberships()
        .list_memberships(admin(first.clone()))
        .await
        .unwrap()
        .into_inner();
    let next = ListMembershipsRequest {
        page_token: page.next_page_token,
        ..first.clone()
    };
    let page = smd
        .memberships()
        .list_memberships(admin(next))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (page.memberships.len(), page.memberships[0].id.as_str()),
        (1, "x0c0s2b0n0")
    );
    let wrong = ListMembershipsRequest {
        page_token: token,
        ..first
    };
    let wrong = smd
        .memberships()
        .list_memberships(admin(wrong))
        .await
        .unwrap_err();
    assert!(wrong.message().starts_with("page_token: "), "{wrong}");
}
