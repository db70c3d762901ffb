//! Golden cases of SMD's Redfish endpoints, as `magellan send` and `ochami discover static` send them.

use proto::smd::v1 as smd;

use super::golden::{Sent, check, check_with};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

const COLLECTION: &str = "/hsm/v2/Inventory/RedfishEndpoints";

/// As `magellan send` posts it: every key that it has.
const MAGELLAN: &str = r#"{"ID":"x3000c0s1b0","Type":"","Name":"","FQDN":"10.254.1.15","User":"root",
"MACRequired":true,"RediscoverOnUpdate":false,"SchemaVersion":1,"MACAddr":"94:40:C9:37:D3:FC",
"Systems":[{"uri":"https://10.254.1.15/redfish/v1/Systems/1","uuid":"3638","manufacturer":"HPE",
"system_type":"Physical","name":"Computer System","model":"ProLiant DL325","serial":"CZ1","bios_version":"A43",
"ethernet_interfaces":[{"uri":"/redfish/v1/Systems/1/EthernetInterfaces/1","mac":"94:40:c9:5c:86:bc","ip":"N/A",
"name":"eth0","description":"NIC","enabled":true}],
"network_interfaces":[{"uri":"/n/1","name":"n1","description":"d","adapter":{"uri":"/a/1","manufacturer":"m",
"name":"a1","model":"mo","serial":"se","description":"ad"}}],
"power":{"state":"On","mode":"Static","restore_policy":"LastState","power_control_ids":["/p/0"]},
"processor_count":1,"processor_type":"EPYC","memory_total":512.5,"trusted_modules":["TPM2_0 1.2"],
"trusted_components":["tc"],"chassis_sku":"sku","chassis_serial":"cs","chassis_asset_tag":"tag",
"chassis_manufacturer":"cm","chassis_model":"cmo","actions":["On","ForceOff"],
"links":{"chassis":["/redfish/v1/Chassis/1"],"managers":["/redfish/v1/Managers/1"]},
"serial_console":{"impi":{"port":623,"enabled":true},"telnet":{},"ssh":{"enabled":true}},"node_id":"1"}],
"Managers":[{"uri":"https://10.254.1.15/redfish/v1/Managers/1","uuid":"1668","name":"Manager","description":"BMC",
"model":"iLO 5","type":"BMC","firmware_version":"2.46","actions":["ForceRestart"],"command_shell":["SSH"],
"serial_console":null,"ethernet_interfaces":[{"mac":"94:40:C9:37:D3:FC","ip":"10.254.1.15"}]}]}"#;

fn system() -> smd::InventoryDetail {
    let nic = smd::PayloadInterface {
        uri: "/redfish/v1/Systems/1/EthernetInterfaces/1".into(),
        mac: "94:40:c9:5c:86:bc".into(),
        ip: "N/A".into(),
        name: "eth0".into(),
        description: "NIC".into(),
        enabled: true,
    };
    let adapter = smd::PayloadNetworkAdapter {
        uri: "/a/1".into(),
        manufacturer: "m".into(),
        name: "a1".into(),
        model: "mo".into(),
        serial: "se".into(),
        description: "ad".into(),
    };
    let port = |port, enabled| Some(smd::payload_serial_console::Port { port, enabled });
    smd::InventoryDetail {
        uri: "https://10.254.1.15/redfish/v1/Systems/1".into(),
        uuid: "3638".into(),
        manufacturer: "HPE".into(),
        system_type: "Physical".into(),
        name: "Computer System".into(),
        model: "ProLiant DL325".into(),
        serial: "CZ1".into(),
        bios_version: "A43".into(),
        ethernet_interfaces: vec![nic],
        network_interfaces: vec![smd::PayloadNetworkInterface {
            uri: "/n/1".into(),
            name: "n1".into(),
            description: "d".into(),
            adapter: Some(adapter),
        }],
        power: Some(smd::PayloadPower {
            state: "On".into(),
            mode: "Static".into(),
            restore_policy: "LastState".into(),
            power_control_ids: vec!["/p/0".into()],
        }),
        processor_count: 1,
        processor_type: "EPYC".into(),
        memory_total: 512.5,
        trusted_modules: vec!["TPM2_0 1.2".into()],
        trusted_components: vec!["tc".into()],
        chassis_sku: "sku".into(),
        chassis_serial: "cs".into(),
        chassis_asset_tag: "tag".into(),
        chassis_manufacturer: "cm".into(),
        chassis_model: "cmo".into(),
        actions: vec!["On".into(), "ForceOff".into()],
        links: Some(smd::PayloadLinks {
            chassis: vec!["/redfish/v1/Chassis/1".into()],
            managers: vec!["/redfish/v1/Managers/1".into()],
        }),
        serial_console: Some(smd::PayloadSerialConsole {
            ipmi: port(623, true),
            telnet: port(0, false),
            ssh: port(0, true),
        }),
        node_id: "1".into(),
        ..Default::default()
    }
}

fn payload() -> smd::RedfishEndpointPayload {
    let nic = smd::PayloadInterface {
        mac: "94:40:C9:37:D3:FC".into(),
        ip: "10.254.1.15".into(),
        ..Default::default()
    };
    smd::RedfishEndpointPayload {
        id: "x3000c0s1b0".into(),
        fqdn: "10.254.1.15".into(),
        user: "root".into(),
        mac_required: Some(true),
        rediscover_on_update: Some(false),
        schema_version: 1,
        mac_addr: "94:40:C9:37:D3:FC".into(),
        systems: vec![system()],
        managers: vec![smd::PayloadManager {
            uri: "https://10.254.1.15/redfish/v1/Managers/1".into(),
            uuid: "1668".into(),
            name: "Manager".into(),
            description: "BMC".into(),
            model: "iLO 5".into(),
            r#type: "BMC".into(),
            firmware_version: "2.46".into(),
            ethernet_interfaces: vec![nic],
            actions: vec!["ForceRestart".into()],
            command_shell: vec!["SSH".into()],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn endpoint() -> smd::RedfishEndpoint {
    smd::RedfishEndpoint {
        id: "x3000c0s1b0".into(),
        r#type: "NodeBMC".into(),
        hostname: "10.254.1.15".into(),
        fqdn: "10.254.1.15".into(),
        user: "root".into(),
        enabled: true,
        mac_required: true,
        ip_address: "10.254.1.15".into(),
        discovery_info: Some(smd::DiscoveryInfo {
            last_discovery_status: "NotYetQueried".into(),
            ..Default::default()
        }),
        discovery_requested: Some(proto::http::v1::Change::default()),
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..Default::default()
    }
}

/// In the order of HSM's Go structs; there is no password to show.
const SHOWN: &str = concat!(
    r#"{"ID":"x3000c0s1b0","Type":"NodeBMC","Hostname":"10.254.1.15","Domain":"","FQDN":"10.254.1.15","Enabled":true,"#,
    r#""User":"root","MACRequired":true,"IPAddress":"10.254.1.15","RediscoverOnUpdate":false,"#,
    r#""DiscoveryInfo":{"LastDiscoveryStatus":"NotYetQueried"}}"#
);

fn method(name: &str) -> String {
    format!("smd.v1.RedfishEndpointService/{name}")
}

fn uris(ids: &[&str], location: &str) -> Answer {
    let uri = |id: &&str| smd::ResourceUri {
        uri: format!("{COLLECTION}/{id}"),
        revision: 0,
    };
    answer(&smd::ResourceUris {
        uris: ids.iter().map(uri).collect(),
        location: location.into(),
        revision: 7,
    })
}

fn deleted(message: &str) -> Answer {
    answer(&smd::DeleteResponse {
        message: message.into(),
        ..Default::default()
    })
}

#[tokio::test]
async fn what_magellan_posts_arrives_key_by_key_and_is_answered_with_an_array() {
    let location = "/hsm/v2/Inventory/RedfishEndpoints/x3000c0s1b0";
    let got = check_with(
        Sent("POST /apis/smd/hsm/v2/Inventory/RedfishEndpoints", MAGELLAN),
        &[],
        &method("CreateRedfishEndpoints"),
        payload(),
        uris(&["x3000c0s1b0"], location),
        201,
        r#"[{"URI":"/hsm/v2/Inventory/RedfishEndpoints/x3000c0s1b0"}]"#,
    )
    .await;
    assert_eq!(got.header("location"), location);
}

/// Keys match in any case; several endpoints, a PDU and Redfish's own documents have keys of their own.
#[tokio::test]
async fn other_payloads_arrive_too() {
    let one = |id: &str| smd::RedfishEndpointPayload {
        id: id.into(),
        password: "p".into(),
        ..Default::default()
    };
    let asked = smd::RedfishEndpointPayload {
        redfish_endpoints: vec![one("x0c0s0b0"), one("x0c0s1b0")],
        ..Default::default()
    };
    check(
        Sent(
            "POST /hsm/v2/Inventory/RedfishEndpoints/",
            r#"{"redfishendpoints":[{"id":"x0c0s0b0","password":"p"},{"ID":"x0c0s1b0","PASSWORD":"p","x":1}]}"#,
        ),
        &method("CreateRedfishEndpoints"),
        asked,
        uris(&["x0c0s0b0", "x0c0s1b0"], COLLECTION),
        201,
        r#"[{"URI":"/hsm/v2/Inventory/RedfishEndpoints/x0c0s0b0"},{"URI":"/hsm/v2/Inventory/RedfishEndpoints/x0c0s1b0"}]"#,
    )
    .await;
    let outlet = smd::PduOutlet {
        original_id: "BA35".into(),
        id_suffix: "p0v35".into(),
        name: "n".into(),
        state: "On".into(),
        socket_type: "Cx".into(),
    };
    let pdu = smd::RedfishEndpointPayload {
        id: "x3000m0".into(),
        pdu_inventory: Some(smd::PduInventory {
            model: "m".into(),
            serial_number: "s".into(),
            firmware_version: "f".into(),
            outlets: vec![outlet],
        }),
        ..Default::default()
    };
    let body = concat!(
        r#"{"ID":"x3000m0","PDUInventory":{"Model":"m","SerialNumber":"s","FirmwareVersion":"f","Outlets":[{"#,
        r#""original_id":"BA35","id_suffix":"p0v35","name":"n","state":"On","socket_type":"Cx"}]}}"#
    );
    let create = method("CreateRedfishEndpoints");
    let sent = || Sent("POST /hsm/v2/Inventory/RedfishEndpoints", body);
    check(sent(), &create, pdu, uris(&[], COLLECTION), 201, "[]").await;
    let text = |text: &str| prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue(text.into())),
    };
    let object = |key: &str| prost_types::Struct {
        fields: [(key.to_owned(), text("v"))].into(),
    };
    let documents = smd::RedfishEndpointPayload {
        systems: vec![smd::InventoryDetail {
            data: Some(object("UUID")),
            redfish_interfaces: vec![object("MACAddress")],
            ..Default::default()
        }],
        ..Default::default()
    };
    let body = r#"{"Systems":[{"Data":{"UUID":"v"},"EthernetInterfaces":[{"MACAddress":"v"}]}]}"#;
    let sent = Sent("POST /hsm/v2/Inventory/RedfishEndpoints", body);
    check(sent, &create, documents, uris(&[], COLLECTION), 201, "[]").await;
}

/// HSM panics at the second of these, with the endpoint stored; here the service is not even asked.
#[tokio::test]
async fn bodies_that_do_not_decode_are_500_and_store_nothing() {
    let cases = [
        ("POST", COLLECTION, "{"),
        ("POST", COLLECTION, r#"{"ID":"x0c0s0b0","SchemaVersion":"1"}"#),
        ("POST", COLLECTION, r#"{"ID":"x0c0s0b0","Enabled":"fake"}"#),
        ("POST", COLLECTION, r#"{"ID":"x0c0s0b0","Systems":{}}"#),
        ("POST", COLLECTION, r#"{"ID":"x0c0s0b0","Password":["c4n4ry"]}"#),
        ("POST", COLLECTION, ""),
        (
            "PUT",
            "/hsm/v2/Inventory/RedfishEndpoints/x0c0s0b0",
            r#"{"Systems":[1]}"#,
        ),
        (
            "PATCH",
            "/hsm/v2/Inventory/RedfishEndpoints/x0c0s0b0",
            r#"{"Enabled":"fake"}"#,
        ),
    ];
    let fake = Fake::new();
    for (verb, uri, body) in cases {
        let got = send(&gateway(&fake, Options::default()), verb, uri, &[], body).await;
        assert_eq!(got.status, 500, "{body}");
        assert!(!got.detail().contains("c4n4ry"), "{got:?}");
    }
    assert_eq!(fake.take_asked().len(), 0);
}

/// One document, whatever goes wrong.
#[tokio::test]
async fn a_conflict_is_one_problem() {
    let fake = Fake::new();
    let exists = rpc::Error::AlreadyExists {
        kind: "redfish endpoint".into(),
        id: "x3000c0s1b0".into(),
        detail: "its FQDN is 10.254.1.15".into(),
    };
    fake.will_answer(Err(exists.into()));
    let got = send(
        &gateway(&fake, Options::default()),
        "POST",
        COLLECTION,
        &[],
        MAGELLAN,
    )
    .await;
    assert_eq!(got.status, 409);
    assert!(got.detail().contains("x3000c0s1b0 exists already"), "{got:?}");
}

#[tokio::test]
async fn endpoints_show_as_hsm_shows_them() {
    let get = smd::GetRedfishEndpointRequest {
        id: "x3000c0s1b0".into(),
    };
    let sent = Sent("GET /hsm/v2/Inventory/RedfishEndpoints/x3000c0s1b0", "");
    check(
        sent,
        &method("GetRedfishEndpoint"),
        get,
        answer(&endpoint()),
        200,
        SHOWN,
    )
    .await;
    let list = smd::ListRedfishEndpointsRequest {
        id: vec!["x1".into(), "!x2".into()],
        fqdn: vec!["f".into()],
        r#type: vec!["NodeBMC".into()],
        uuid: vec!["u".into()],
        mac_addr: vec!["m".into()],
        ip_address: vec!["i".into()],
        last_status: vec!["DiscoverOK".into()],
        ..Default::default()
    };
    let one = smd::RedfishEndpoints {
        redfish_endpoints: vec![endpoint()],
        revision: 3,
        ..Default::default()
    };
    let line = "GET /hsm/v2/Inventory/RedfishEndpoints?id=x1&ID=!x2&fqdn=f&type=NodeBMC&uuid=u&MACAddr=m&IPAddress=i&laststatus=DiscoverOK";
    let body = format!(r#"{{"RedfishEndpoints":[{SHOWN}]}}"#);
    check(
        Sent(line, ""),
        &method("ListRedfishEndpoints"),
        list,
        answer(&one),
        200,
        &body,
    )
    .await;
    let none = answer(&smd::RedfishEndpoints::default());
    let sent = Sent("GET /hsm/v2/Inventory/RedfishEndpoints", "");
    let list = smd::ListRedfishEndpointsRequest::default();
    check(
        sent,
        &method("ListRedfishEndpoints"),
        list,
        none,
        200,
        r#"{"RedfishEndpoints":[]}"#,
    )
    .await;
    let query = smd::QueryRedfishEndpointsRequest { id: "x3000".into() };
    let sent = Sent("GET /hsm/v2/Inventory/RedfishEndpoints/Query/x3000", "");
    check(
        sent,
        &method("QueryRedfishEndpoints"),
        query,
        answer(&one),
        200,
        &body,
    )
    .await;
}

/// `magellan send --force-update` puts what it has posted.
#[tokio::test]
async fn a_put_and_a_patch_are_answered_with_the_endpoint() {
    let sent = Sent("PUT /hsm/v2/Inventory/RedfishEndpoints/x3000c0s1b0", MAGELLAN);
    check(
        sent,
        &method("UpdateRedfishEndpoint"),
        payload(),
        answer(&endpoint()),
        200,
        SHOWN,
    )
    .await;
    let patch = smd::PatchRedfishEndpointRequest {
        id: "x3000c0s1b0".into(),
        fqdn: Some("f".into()),
        enabled: Some(false),
        user: Some(String::new()),
        password: "p".into(),
        ..Default::default()
    };
    let body = r#"{"ID":"x3000c0s1b0","FQDN":"f","Enabled":false,"User":"","Password":"p","Name":null}"#;
    let sent = Sent("PATCH /hsm/v2/Inventory/RedfishEndpoints/x3000c0s1b0", body);
    check(
        sent,
        &method("PatchRedfishEndpoint"),
        patch,
        answer(&endpoint()),
        200,
        SHOWN,
    )
    .await;
    let fake = Fake::new();
    let uri = "/hsm/v2/Inventory/RedfishEndpoints/x3000c0s2b0";
    let got = send(&gateway(&fake, Options::default()), "PUT", uri, &[], MAGELLAN).await;
    assert_eq!(
        (got.status, fake.take_asked().len()),
        (400, 0),
        "the ID must be that of the path"
    );
}

#[tokio::test]
async fn deletes_are_answered_with_a_count() {
    let one = smd::DeleteRedfishEndpointRequest {
        id: "x3000c0s1b0".into(),
        ..Default::default()
    };
    let body = r#"{"code":0,"message":"deleted 1 entry"}"#;
    let sent = Sent("DELETE /hsm/v2/Inventory/RedfishEndpoints/x3000c0s1b0", "");
    check(
        sent,
        &method("DeleteRedfishEndpoint"),
        one,
        deleted("deleted 1 entry"),
        200,
        body,
    )
    .await;
    let all = smd::DeleteRedfishEndpointsRequest {};
    let body = r#"{"code":0,"message":"deleted 2 entries"}"#;
    let sent = Sent("DELETE /hsm/v2/Inventory/RedfishEndpoints", "");
    check(
        sent,
        &method("DeleteRedfishEndpoints"),
        all,
        deleted("deleted 2 entries"),
        200,
        body,
    )
    .await;
}

/// What the service refuses, on every route.
#[tokio::test]
async fn refusals_have_the_statuses_of_hsm() {
    let missing = || {
        tonic::Status::from(rpc::Error::NotFound {
            kind: "xname".into(),
            id: "x9".into(),
        })
    };
    let bad = || tonic::Status::from(rpc::invalid("xname", "write an xname"));
    let one = "/hsm/v2/Inventory/RedfishEndpoints/x9";
    let cases = [
        ("GET", one, missing(), 404),
        ("DELETE", one, missing(), 404),
        (
            "DELETE",
            COLLECTION,
            tonic::Status::not_found("no entries to delete"),
            404,
        ),
        ("PATCH", one, missing(), 404),
        ("PATCH", one, bad(), 400),
        ("PUT", one, bad(), 400),
        ("POST", COLLECTION, bad(), 400),
        ("GET", COLLECTION, bad(), 400),
        ("GET", "/hsm/v2/Inventory/RedfishEndpoints/Query/foo", bad(), 400),
    ];
    for (verb, uri, status, expected) in cases {
        let fake = Fake::new();
        fake.will_answer(Err(status));
        let body = if verb == "GET" || verb == "DELETE" {
            ""
        } else {
            "{}"
        };
        let got = send(&gateway(&fake, Options::default()), verb, uri, &[], body).await;
        assert_eq!(got.status, expected, "{verb} {uri}");
        got.detail();
    }
    let got = send(
        &gateway(&Fake::new(), Options::default()),
        "PATCH",
        COLLECTION,
        &[],
        "{}",
    )
    .await;
    assert_eq!((got.status, got.header("allow")), (405, "GET,POST,DELETE"));
}
