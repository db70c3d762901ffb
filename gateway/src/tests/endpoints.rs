//! Golden cases of SMD's component endpoints, service endpoints and discovery, as BSS and power control read them.

use proto::smd::v1 as smd;

use super::golden::{Sent, check};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

fn components(name: &str) -> String {
    format!("smd.v1.ComponentEndpointService/{name}")
}

fn services(name: &str) -> String {
    format!("smd.v1.ServiceEndpointService/{name}")
}

fn discovery(name: &str) -> String {
    format!("smd.v1.DiscoveryService/{name}")
}

fn deleted(message: &str) -> Answer {
    answer(&smd::DeleteResponse {
        message: message.into(),
        ..Default::default()
    })
}

fn node() -> smd::ComponentEndpoint {
    let reset = smd::ResetAction {
        allowable_values: vec!["On".into()],
        action_info: "/s/1/ResetActionInfo".into(),
        target: "/s/1/Actions/ComputerSystem.Reset".into(),
        title: String::new(),
    };
    let nic = smd::EthernetNicInfo {
        redfish_id: "/s/1/e/1".into(),
        odata_id: "/s/1/e/1".into(),
        interface_enabled: Some(true),
        mac_address: "02:00:00:00:00:01".into(),
        ..Default::default()
    };
    let control = smd::PowerControl {
        odata_id: "/c/1/Power#/PowerControl/0".into(),
        member_id: "0".into(),
        name: "System Power Control".into(),
        related_item: vec![smd::RedfishResource {
            odata_id: "/s/1".into(),
        }],
        ..Default::default()
    };
    smd::ComponentEndpoint {
        id: "x0c0s0b0n0".into(),
        r#type: "Node".into(),
        redfish_type: "ComputerSystem".into(),
        redfish_subtype: "Physical".into(),
        uuid: "aa".into(),
        odata_id: "/s/1".into(),
        redfish_endpoint_id: "x0c0s0b0".into(),
        enabled: true,
        redfish_endpoint_fqdn: "bmc.lab".into(),
        redfish_url: "/s/1".into(),
        component_endpoint_type: "ComponentEndpointComputerSystem".into(),
        redfish_system_info: Some(smd::RedfishSystemInfo {
            name: "System".into(),
            actions: Some(smd::ComputerSystemActions { reset: Some(reset) }),
            ethernet_nic_info: vec![nic],
            power_url: "/c/1/Power".into(),
            power_control: vec![control],
        }),
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..Default::default()
    }
}

const NODE: &str = concat!(
    r#"{"ID":"x0c0s0b0n0","Type":"Node","RedfishType":"ComputerSystem","RedfishSubtype":"Physical","UUID":"aa","#,
    r#""OdataID":"/s/1","RedfishEndpointID":"x0c0s0b0","Enabled":true,"RedfishEndpointFQDN":"bmc.lab","#,
    r#""RedfishURL":"/s/1","ComponentEndpointType":"ComponentEndpointComputerSystem","RedfishSystemInfo":{"#,
    r##""Name":"System","Actions":{"#ComputerSystem.Reset":{"ResetType@Redfish.AllowableValues":["On"],"##,
    r#""@Redfish.ActionInfo":"/s/1/ResetActionInfo","target":"/s/1/Actions/ComputerSystem.Reset"}},"#,
    r#""EthernetNICInfo":[{"RedfishId":"/s/1/e/1","@odata.id":"/s/1/e/1","InterfaceEnabled":true,"#,
    r#""MACAddress":"02:00:00:00:00:01"}],"PowerURL":"/c/1/Power","PowerControl":[{"#,
    r##""@odata.id":"/c/1/Power#/PowerControl/0","MemberId":"0","Name":"System Power Control","##,
    r#""RelatedItem":[{"@odata.id":"/s/1"}]}]}}"#
);

#[tokio::test]
async fn a_component_endpoint_shows_as_hsm_shows_it() {
    let get = smd::GetComponentEndpointRequest {
        id: "x0c0s0b0n0".into(),
    };
    let sent = Sent("GET /hsm/v2/Inventory/ComponentEndpoints/x0c0s0b0n0", "");
    check(
        sent,
        &components("GetComponentEndpoint"),
        get,
        answer(&node()),
        200,
        NODE,
    )
    .await;
    let list = smd::ListComponentEndpointsRequest {
        id: vec!["x0".into()],
        redfish_endpoint: vec!["x1".into()],
        r#type: vec!["Node".into()],
        redfish_type: vec!["!Manager".into()],
        ..Default::default()
    };
    let one = answer(&smd::ListComponentEndpointsResponse {
        component_endpoints: vec![node()],
        revision: 3,
        ..Default::default()
    });
    let line = "GET /hsm/v2/Inventory/ComponentEndpoints?id=x0&redfish_ep=x1&Type=Node&redfish_type=!Manager";
    let body = format!(r#"{{"ComponentEndpoints":[{NODE}]}}"#);
    check(
        Sent(line, ""),
        &components("ListComponentEndpoints"),
        list,
        one,
        200,
        &body,
    )
    .await;
    let none = answer(&smd::ListComponentEndpointsResponse::default());
    let sent = Sent("GET /hsm/v2/Inventory/ComponentEndpoints", "");
    let list = smd::ListComponentEndpointsRequest::default();
    check(
        sent,
        &components("ListComponentEndpoints"),
        list,
        none,
        200,
        r#"{"ComponentEndpoints":[]}"#,
    )
    .await;
}

/// Managers, chassis and outlets each have an info of their own.
#[tokio::test]
async fn the_infos_of_other_types_have_the_keys_of_redfish() {
    let bare = |redfish_type: &str| smd::ComponentEndpoint {
        redfish_type: redfish_type.into(),
        ..Default::default()
    };
    let shell = smd::CommandShell {
        service_enabled: false,
        max_concurrent_sessions: 65_536,
        connect_types_supported: Vec::new(),
    };
    let manager = smd::ComponentEndpoint {
        redfish_manager_info: Some(smd::RedfishManagerInfo {
            name: "BMC".into(),
            actions: Some(smd::ManagerActions::default()),
            command_shell: Some(shell),
            ..Default::default()
        }),
        ..bare("Manager")
    };
    let outlet = smd::ComponentEndpoint {
        redfish_outlet_info: Some(smd::RedfishOutletInfo {
            name: "1".into(),
            actions: Some(smd::OutletActions {
                power_control: Some(smd::OutletPowerControl {
                    allowable_values: vec!["On".into(), "Off".into()],
                    target: "/t".into(),
                }),
            }),
        }),
        ..bare("Outlet")
    };
    let empty = |redfish_type: &str, info: &str| {
        format!(
            concat!(
                r#"{{"ID":"","Type":"","RedfishType":"{}","RedfishSubtype":"","OdataID":"","RedfishEndpointID":"","#,
                r#""Enabled":false,"RedfishEndpointFQDN":"","RedfishURL":"","ComponentEndpointType":"",{}}}"#
            ),
            redfish_type, info
        )
    };
    let manager_info = concat!(
        r##""RedfishManagerInfo":{"Name":"BMC","Actions":{"#Manager.Reset":{}},"##,
        r#""CommandShell":{"ServiceEnabled":false,"MaxConcurrentSessions":65536,"ConnectTypesSupported":[]}}"#
    );
    let outlet_info = concat!(
        r##""RedfishOutletInfo":{"Name":"1","Actions":{"#Outlet.PowerControl":{"##,
        r#""PowerState@Redfish.AllowableValues":["On","Off"],"target":"/t"}}}"#
    );
    for (endpoint, body) in [
        (manager, empty("Manager", manager_info)),
        (outlet, empty("Outlet", outlet_info)),
    ] {
        let get = smd::GetComponentEndpointRequest { id: "x0".into() };
        let sent = Sent("GET /hsm/v2/Inventory/ComponentEndpoints/x0", "");
        check(
            sent,
            &components("GetComponentEndpoint"),
            get,
            answer(&endpoint),
            200,
            &body,
        )
        .await;
    }
}

#[tokio::test]
async fn service_endpoints_are_read_by_three_routes() {
    let endpoint = smd::ServiceEndpoint {
        redfish_endpoint_id: "x0c0s0b0".into(),
        redfish_type: "UpdateService".into(),
        odata_id: "/u".into(),
        redfish_url: "bmc.lab/u".into(),
        redfish_endpoint_fqdn: "bmc.lab".into(),
        ..Default::default()
    };
    let shown = concat!(
        r#"{"RedfishEndpointID":"x0c0s0b0","RedfishType":"UpdateService","UUID":"","OdataID":"/u","#,
        r#""RedfishEndpointFQDN":"bmc.lab","RedfishURL":"bmc.lab/u"}"#
    );
    let one = || {
        answer(&smd::ListServiceEndpointsResponse {
            service_endpoints: vec![endpoint.clone()],
            revision: 3,
            ..Default::default()
        })
    };
    let body = format!(r#"{{"ServiceEndpoints":[{shown}]}}"#);
    let list = smd::ListServiceEndpointsRequest {
        service: vec!["UpdateService".into()],
        redfish_endpoint: vec!["x0c0s0b0".into()],
        ..Default::default()
    };
    let line = "GET /hsm/v2/Inventory/ServiceEndpoints?service=UpdateService&redfish_ep=x0c0s0b0";
    check(
        Sent(line, ""),
        &services("ListServiceEndpoints"),
        list,
        one(),
        200,
        &body,
    )
    .await;
    let none = answer(&smd::ListServiceEndpointsResponse::default());
    let sent = Sent("GET /hsm/v2/Inventory/ServiceEndpoints", "");
    let list = smd::ListServiceEndpointsRequest::default();
    check(
        sent,
        &services("ListServiceEndpoints"),
        list,
        none,
        200,
        r#"{"ServiceEndpoints":[]}"#,
    )
    .await;
    let of_service = smd::ListEndpointsOfServiceRequest {
        service: "UpdateService".into(),
        redfish_endpoint: vec!["x0c0s0b0".into()],
        ..Default::default()
    };
    let line = "GET /hsm/v2/Inventory/ServiceEndpoints/UpdateService?redfish_ep=x0c0s0b0";
    check(
        Sent(line, ""),
        &services("ListEndpointsOfService"),
        of_service,
        one(),
        200,
        &body,
    )
    .await;
    let get = smd::GetServiceEndpointRequest {
        service: "UpdateService".into(),
        id: "x0c0s0b0".into(),
    };
    let sent = Sent(
        "GET /hsm/v2/Inventory/ServiceEndpoints/UpdateService/RedfishEndpoints/x0c0s0b0",
        "",
    );
    check(
        sent,
        &services("GetServiceEndpoint"),
        get,
        answer(&endpoint),
        200,
        shown,
    )
    .await;
}

#[tokio::test]
async fn service_endpoints_are_deleted_by_two_routes() {
    let delete = smd::DeleteServiceEndpointRequest {
        service: "UpdateService".into(),
        id: "x0c0s0b0".into(),
    };
    let sent = Sent(
        "DELETE /hsm/v2/Inventory/ServiceEndpoints/UpdateService/RedfishEndpoints/x0c0s0b0",
        "",
    );
    let body = r#"{"code":0,"message":"deleted 1 entry"}"#;
    check(
        sent,
        &services("DeleteServiceEndpoint"),
        delete,
        deleted("deleted 1 entry"),
        200,
        body,
    )
    .await;
    let all = smd::DeleteServiceEndpointsRequest {};
    let sent = Sent("DELETE /hsm/v2/Inventory/ServiceEndpoints", "");
    let body = r#"{"code":0,"message":"deleted 4 entries"}"#;
    check(
        sent,
        &services("DeleteServiceEndpoints"),
        all,
        deleted("deleted 4 entries"),
        200,
        body,
    )
    .await;
}

#[tokio::test]
async fn component_endpoints_are_deleted_with_a_count_and_never_posted() {
    let one = smd::DeleteComponentEndpointRequest {
        id: "x0c0s0b0n0".into(),
    };
    let sent = Sent("DELETE /hsm/v2/Inventory/ComponentEndpoints/x0c0s0b0n0", "");
    let body = r#"{"code":0,"message":"deleted 1 entry"}"#;
    check(
        sent,
        &components("DeleteComponentEndpoint"),
        one,
        deleted("deleted 1 entry"),
        200,
        body,
    )
    .await;
    let all = smd::DeleteComponentEndpointsRequest {};
    let sent = Sent("DELETE /hsm/v2/Inventory/ComponentEndpoints", "");
    let body = r#"{"code":0,"message":"deleted 2 entries"}"#;
    check(
        sent,
        &components("DeleteComponentEndpoints"),
        all,
        deleted("deleted 2 entries"),
        200,
        body,
    )
    .await;
    let uri = "/hsm/v2/Inventory/ComponentEndpoints";
    let got = send(&gateway(&Fake::new(), Options::default()), "POST", uri, &[], "{}").await;
    assert_eq!((got.status, got.header("allow")), (405, "GET,DELETE"));
}

#[tokio::test]
async fn discovery_is_answered_with_its_only_status() {
    let asked = smd::RequestDiscoveryRequest {
        xnames: vec!["x0c0s0b0".into()],
        force: true,
    };
    let uris = answer(&smd::ResourceUris {
        uris: vec![smd::ResourceUri {
            uri: "/hsm/v2/Inventory/DiscoveryStatus/0".into(),
            revision: 0,
        }],
        revision: 7,
        ..Default::default()
    });
    let sent = Sent(
        "POST /hsm/v2/Inventory/Discover",
        r#"{"xnames":["x0c0s0b0"],"force":true}"#,
    );
    let body = r#"[{"URI":"/hsm/v2/Inventory/DiscoveryStatus/0"}]"#;
    check(sent, &discovery("RequestDiscovery"), asked, uris, 200, body).await;
    let status = smd::DiscoveryStatus {
        status: "NotStarted".into(),
        pending: vec!["x0c0s0b0".into()],
        ..Default::default()
    };
    let shown = r#"{"ID":0,"Status":"NotStarted","LastUpdateTime":""}"#;
    let get = smd::GetDiscoveryStatusRequest { id: "0".into() };
    let sent = Sent("GET /hsm/v2/Inventory/DiscoveryStatus/0", "");
    check(
        sent,
        &discovery("GetDiscoveryStatus"),
        get,
        answer(&status),
        200,
        shown,
    )
    .await;
    let list = smd::ListDiscoveryStatusRequest {};
    let statuses = answer(&smd::ListDiscoveryStatusResponse {
        statuses: vec![status],
    });
    let sent = Sent("GET /hsm/v2/Inventory/DiscoveryStatus", "");
    let body = format!("[{shown}]");
    check(
        sent,
        &discovery("ListDiscoveryStatus"),
        list,
        statuses,
        200,
        &body,
    )
    .await;
}

/// What the services refuse, on every route.
#[tokio::test]
async fn refusals_have_the_statuses_of_hsm() {
    let missing = || {
        tonic::Status::from(rpc::Error::NotFound {
            kind: "xname".into(),
            id: "x9".into(),
        })
    };
    let none = || tonic::Status::not_found("no entries to delete");
    let bad = || {
        tonic::Status::from(rpc::invalid(
            "bad query param",
            "Argument was not a valid HMS Type",
        ))
    };
    let service = "/hsm/v2/Inventory/ServiceEndpoints/UpdateService/RedfishEndpoints/x9";
    let cases = [
        ("GET", "/hsm/v2/Inventory/ComponentEndpoints?type=foo", bad(), 400),
        ("GET", "/hsm/v2/Inventory/ComponentEndpoints/x9", missing(), 404),
        (
            "DELETE",
            "/hsm/v2/Inventory/ComponentEndpoints/x9",
            missing(),
            404,
        ),
        ("DELETE", "/hsm/v2/Inventory/ComponentEndpoints", none(), 404),
        (
            "GET",
            "/hsm/v2/Inventory/ServiceEndpoints?redfish_ep=foo",
            bad(),
            400,
        ),
        ("GET", service, missing(), 404),
        ("DELETE", service, missing(), 404),
        ("DELETE", "/hsm/v2/Inventory/ServiceEndpoints", none(), 404),
        ("POST", "/hsm/v2/Inventory/Discover", missing(), 404),
        ("GET", "/hsm/v2/Inventory/DiscoveryStatus/1", missing(), 404),
        ("GET", "/hsm/v2/Inventory/DiscoveryStatus/one", bad(), 400),
    ];
    for (verb, uri, status, expected) in cases {
        let fake = Fake::new();
        fake.will_answer(Err(status));
        let body = if verb == "POST" { "{}" } else { "" };
        let got = send(&gateway(&fake, Options::default()), verb, uri, &[], body).await;
        assert_eq!(got.status, expected, "{verb} {uri}");
        got.detail();
    }
    let fake = Fake::new();
    let got = send(
        &gateway(&fake, Options::default()),
        "POST",
        "/hsm/v2/Inventory/Discover",
        &[],
        "{",
    )
    .await;
    assert_eq!((got.status, fake.take_asked().len()), (400, 0));
}
