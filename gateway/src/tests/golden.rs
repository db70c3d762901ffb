//! Golden cases: what a legacy client sends, what the service is asked, what the client sees. One per quirk.

use std::fmt::Debug;

use prost::Message;
use proto::bss::v1 as bss;
use proto::cloud_init::v1 as cloud_init;
use proto::google::api::HttpBody;
use proto::smd::v1::{self as smd, component};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

/// One request in a line: `VERB /path`, then a body.
pub(super) struct Sent(pub(super) &'static str, pub(super) &'static str);

/// Sends `sent` to a service that gives `answered`; the service must be asked `method` with `asked`, and the
/// client must see `status` and `body`.
pub(super) async fn check<M>(sent: Sent, method: &str, asked: M, answered: Answer, status: u16, body: &str)
where
    M: Message + Default + PartialEq + Debug,
{
    check_with(sent, &[], method, asked, answered, status, body).await;
}

pub(super) async fn check_with<M>(
    sent: Sent,
    headers: &[(&str, &str)],
    method: &str,
    asked: M,
    answered: Answer,
    status: u16,
    body: &str,
) -> super::Got
where
    M: Message + Default + PartialEq + Debug,
{
    let Sent(line, sent_body) = sent;
    let (verb, uri) = line.split_once(' ').unwrap();
    let fake = Fake::new();
    fake.will_answer(answered);
    let got = send(&gateway(&fake, Options::default()), verb, uri, headers, sent_body).await;
    let was_asked = fake.take_asked();
    assert_eq!(was_asked.len(), 1, "{line}: {got:?}");
    assert_eq!(was_asked[0].path, format!("/chamois.{method}"), "{line}");
    assert_eq!(M::decode(was_asked[0].message.clone()).unwrap(), asked, "{line}");
    assert_eq!(got.status, status, "{line}: {got:?}");
    assert_eq!(got.text(), body, "{line}");
    got
}

fn node(nid: u64) -> smd::Component {
    smd::Component {
        id: format!("x1000c0s0b0n{nid}"),
        r#type: "Node".into(),
        state: component::State::Ready.into(),
        flag: component::Flag::Ok.into(),
        enabled: Some(false),
        nid: Some(nid),
        arch: component::Arch::X86.into(),
        meta: Some(proto::http::v1::ObjectMeta::default()),
        ..Default::default()
    }
}

const NODE_0: &str = r#"{"ID":"x1000c0s0b0n0","Type":"Node","State":"Ready","Flag":"OK","Enabled":false,"NID":0,"Arch":"X86"}"#;
const CREATE: &str = "smd.v1.ComponentService/CreateComponents";
const LIST: &str = "smd.v1.ComponentService/ListComponents";
const PATCH: &str = "smd.v1.ComponentService/PatchStateData";

/// `optional` zeros are shown, plain empties are not, `native_only` never is, 64-bit numbers are numbers.
#[tokio::test]
async fn a_component_shows_as_hsm_shows_it() {
    let asked = smd::GetComponentRequest {
        id: "x1000c0s0b0n0".into(),
    };
    let get = Sent("GET /hsm/v2/State/Components/x1000c0s0b0n0", "");
    let got = check_with(
        get,
        &[],
        "smd.v1.ComponentService/GetComponent",
        asked,
        answer(&node(0)),
        200,
        NODE_0,
    )
    .await;
    assert_eq!(got.header("content-type"), "application/json");
    let asked = smd::GetComponentByNidRequest { nid: "7".into() };
    let large = smd::Component {
        nid: Some(u64::MAX),
        ..Default::default()
    };
    let sent = Sent("GET /hsm/v2/State/Components/ByNID/7", "");
    let method = "smd.v1.ComponentService/GetComponentByNid";
    check(
        sent,
        method,
        asked,
        answer(&large),
        200,
        r#"{"NID":18446744073709551615}"#,
    )
    .await;
}

/// Wrapped here, bare there; an empty list is `[]`, never `null` and never missing.
#[tokio::test]
async fn lists_are_wrapped_or_bare_and_never_null() {
    let all = smd::ListComponentsRequest::default;
    let two = smd::ListComponentsResponse {
        components: vec![node(0), node(0)],
        revision: 9,
        ..Default::default()
    };
    let body = format!(r#"{{"Components":[{NODE_0},{NODE_0}]}}"#);
    check(
        Sent("GET /hsm/v2/State/Components", ""),
        LIST,
        all(),
        answer(&two),
        200,
        &body,
    )
    .await;
    let none = smd::ListComponentsResponse::default();
    check(
        Sent("GET /hsm/v2/State/Components", ""),
        LIST,
        all(),
        answer(&none),
        200,
        r#"{"Components":[]}"#,
    )
    .await;

    let sent = || Sent("GET /hsm/v2/Inventory/EthernetInterfaces", "");
    let method = "smd.v1.EthernetInterfaceService/ListEthernetInterfaces";
    let asked = smd::ListEthernetInterfacesRequest::default;
    let none = smd::ListEthernetInterfacesResponse {
        revision: 3,
        ..Default::default()
    };
    check(sent(), method, asked(), answer(&none), 200, "[]").await;
    let nic = smd::EthernetInterface {
        id: "0200000000a1".into(),
        ..Default::default()
    };
    let one = smd::ListEthernetInterfacesResponse {
        interfaces: vec![nic],
        revision: 3,
        ..Default::default()
    };
    let body = concat!(
        r#"[{"ID":"0200000000a1","Description":"","MACAddress":"","LastUpdate":"","ComponentID":"","#,
        r#""Type":"","IPAddresses":[]}]"#
    );
    check(sent(), method, asked(), answer(&one), 200, body).await;
}

/// Names in any case, repeats, `!`, unknown names, `+` and `%xx`, with today's prefix and a trailing slash.
#[tokio::test]
async fn queries_are_read_as_hsm_reads_them() {
    let asked = smd::ListComponentsRequest {
        r#type: vec!["Node".into(), "!NodeBMC".into()],
        nid_start: "1".into(),
        sub_role: vec!["a b+c".into()],
        state_only: true,
        ..Default::default()
    };
    let line = concat!(
        "GET /apis/smd/hsm/v2/State/Components/?TYPE=Node&type=!NodeBMC&nid_start=1&nid_start=2",
        "&SubRole=a+b%2Bc&bogus=1&stateonly=true&revision=4&&"
    );
    check(
        Sent(line, ""),
        LIST,
        asked,
        answer(&smd::ListComponentsResponse::default()),
        200,
        r#"{"Components":[]}"#,
    )
    .await;
    let asked = smd::ListEthernetInterfacesRequest {
        mac_address: vec!["02:00:00:00:00:a1".into()],
        ..Default::default()
    };
    let method = "smd.v1.EthernetInterfaceService/ListEthernetInterfaces";
    let sent = Sent(
        "GET /hsm/v2/Inventory/EthernetInterfaces?macaddress=02%3A00%3A00%3A00%3A00%3Aa1",
        "",
    );
    check(
        sent,
        method,
        asked,
        answer(&smd::ListEthernetInterfacesResponse::default()),
        200,
        "[]",
    )
    .await;
}

/// Keys and enum values in any case, NID as number or text, unknown keys, `null` and `""` as absent, 204.
#[tokio::test]
async fn bodies_are_read_as_go_reads_them() {
    let component = |nid| smd::Component {
        id: "x0c0s0b0n0".into(),
        state: component::State::On.into(),
        enabled: Some(true),
        nid,
        ..Default::default()
    };
    let asked = smd::CreateComponentsRequest {
        components: vec![component(Some(7)), component(Some(8)), component(None)],
        force: true,
        ..Default::default()
    };
    let body = r#" {"components":[
        {"id":"x0c0s0b0n0","STATE":"on","Enabled":true,"NID":7,"Bogus":{"a":[1]}},
        {"ID":"x0c0s0b0n0","State":"STATE_ON","Enabled":true,"NID":"8","Flag":""},
        {"ID":"x0c0s0b0n0","State":"On","Enabled":true,"NID":null,"Meta":{"created":1}}],
        "FORCE":true} "#;
    let answered = answer(&smd::CreateComponentsResponse {
        revision: 4,
        ..Default::default()
    });
    let sent = Sent("POST /hsm/v2/State/Components", body);
    // curl -d says form and sends JSON; SMD never looks.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let got = check_with(sent, &form, CREATE, asked, answered, 204, "").await;
    assert!(!got.headers.contains_key("content-type"));
}

/// A body may repeat what the path says, in any case, but not contradict it.
#[tokio::test]
async fn the_path_wins_over_the_body() {
    let asked = || smd::PatchStateDataRequest {
        id: "x0c0s0b0n0".into(),
        state: 8,
        ..Default::default()
    };
    let answered = || answer(&smd::PatchStateDataResponse::default());
    for body in [
        r#"{"State":"Ready"}"#,
        r#"{"ID":"X0C0S0B0N0","state":"ready"}"#,
        r#"{"id":null,"State":"Ready"}"#,
    ] {
        check(
            Sent("PATCH /hsm/v2/State/Components/x0c0s0b0n0/StateData", body),
            PATCH,
            asked(),
            answered(),
            204,
            "",
        )
        .await;
    }
    let fake = Fake::new();
    let uri = "/hsm/v2/State/Components/x0c0s0b0n0/StateData";
    let got = send(
        &gateway(&fake, Options::default()),
        "PATCH",
        uri,
        &[],
        r#"{"ID":"x9","State":"On"}"#,
    )
    .await;
    assert_eq!(
        (got.status, got.detail()),
        (
            400,
            "ID: differs from \"x0c0s0b0n0\" in the path; leave it out".into()
        )
    );
    assert!(fake.take_asked().is_empty());
}

/// `[]` is a value of its own where a patch has a list; absence and null are not.
#[tokio::test]
async fn an_empty_list_is_told_from_none() {
    let mapping = smd::IpAddressMapping {
        ip_address: "10.97.3.4".into(),
        ..Default::default()
    };
    for (body, items, present) in [
        (r#"{"IPAddresses":[]}"#, vec![], true),
        (
            r#"{"ipaddresses":[{"IPAddress":"10.97.3.4"}]}"#,
            vec![mapping],
            true,
        ),
        (r#"{"IPAddresses":null}"#, vec![], false),
        (r#"{"replace_ip_addresses":true}"#, vec![], false),
        ("{}", vec![], false),
    ] {
        let fake = Fake::new();
        let uri = "/hsm/v2/Inventory/EthernetInterfaces/0200000000a1";
        let got = send(&gateway(&fake, Options::default()), "PATCH", uri, &[], body).await;
        assert_eq!(got.status, 200, "{body}: {got:?}");
        let asked = smd::PatchEthernetInterfaceRequest::decode(fake.one_asked().message).unwrap();
        assert_eq!(
            (asked.ip_addresses, asked.replace_ip_addresses),
            (items, present),
            "{body}"
        );
    }
}

/// A GET may have the body that its route names, and hardly ever has it.
#[tokio::test]
async fn the_body_of_a_get_may_be_absent() {
    let filter = bss::BootParameters {
        hosts: vec!["x1".into()],
        nids: vec![7],
        ..Default::default()
    };
    for (body, filter) in [
        ("", None),
        (" \r\n", None),
        ("{}", Some(bss::BootParameters::default())),
        (r#"{"hosts":["x1"],"nids":[7]}"#, Some(filter)),
    ] {
        let fake = Fake::new();
        let uri = "/boot/v1/bootparameters?mac=02:00:00:00:00:01";
        let got = send(&gateway(&fake, Options::default()), "GET", uri, &[], body).await;
        assert_eq!(got.status, 200, "{body}: {got:?}");
        let asked = bss::ListBootParametersRequest::decode(fake.one_asked().message).unwrap();
        assert_eq!((asked.mac.len(), asked.filter), (1, filter), "{body}");
    }
    let got = send(
        &gateway(&Fake::new(), Options::default()),
        "GET",
        "/boot/v1/bootparameters",
        &[],
        "hosts",
    )
    .await;
    assert_eq!(got.status, 400, "{got:?}");
}

/// `native_only` fields are not read from legacy JSON either.
#[tokio::test]
async fn native_fields_are_not_read_from_legacy_bodies() {
    let asked = smd::PatchStateDataRequest {
        id: "x0".into(),
        state: 5,
        ..Default::default()
    };
    let sent = Sent(
        "PATCH /hsm/v2/State/Components/x0/StateData",
        r#"{"State":"On","ifRevision":3,"if_revision":3}"#,
    );
    check(
        sent,
        PATCH,
        asked,
        answer(&smd::PatchStateDataResponse::default()),
        204,
        "",
    )
    .await;
}

/// 201 with the URI in the body and in `Location`.
#[tokio::test]
async fn a_created_resource_is_located() {
    let asked = smd::CreateEthernetInterfaceRequest {
        mac_address: "02:00:00:00:00:A1".into(),
        ip_addresses: vec![smd::IpAddressMapping {
            ip_address: "10.0.0.1".into(),
            network: String::new(),
        }],
        ..Default::default()
    };
    let uri = "/hsm/v2/Inventory/EthernetInterfaces/0200000000a1";
    let body = r#"{"macaddress":"02:00:00:00:00:A1","ipaddresses":[{"ipaddress":"10.0.0.1"}]}"#;
    let got = check_with(
        Sent("POST /apis/smd/hsm/v2/Inventory/EthernetInterfaces", body),
        &[],
        "smd.v1.EthernetInterfaceService/CreateEthernetInterface",
        asked,
        answer(&smd::ResourceUri {
            uri: uri.into(),
            revision: 5,
        }),
        201,
        r#"{"URI":"/hsm/v2/Inventory/EthernetInterfaces/0200000000a1"}"#,
    )
    .await;
    assert_eq!(got.header("location"), uri);
}

/// DELETE answers 200 with `code` even when it is zero; two variables in one path, `%3A` decoded.
#[tokio::test]
async fn a_delete_says_how_many() {
    let asked = smd::DeleteIpAddressRequest {
        id: "0200000000a1".into(),
        ip: "fd97::1".into(),
        ..Default::default()
    };
    let answered = answer(&smd::DeleteResponse {
        code: 0,
        message: "deleted 1 entry".into(),
        revision: 3,
    });
    let sent = Sent(
        "DELETE /hsm/v2/Inventory/EthernetInterfaces/0200000000a1/IPAddresses/fd97%3A%3A1",
        "",
    );
    let method = "smd.v1.EthernetInterfaceService/DeleteIpAddress";
    check(
        sent,
        method,
        asked,
        answered,
        200,
        r#"{"code":0,"message":"deleted 1 entry"}"#,
    )
    .await;
}

/// Liveness is 204 without a body, readiness a small object.
#[tokio::test]
async fn service_routes_answer_as_hsm() {
    let method = "smd.v1.ServiceStatusService/GetLiveness";
    let answered = answer(&smd::GetLivenessResponse {});
    check(
        Sent("GET /hsm/v2/service/liveness", ""),
        method,
        smd::GetLivenessRequest {},
        answered,
        204,
        "",
    )
    .await;
    let method = "smd.v1.ServiceStatusService/GetReady";
    let answered = answer(&smd::GetReadyResponse {
        code: 0,
        message: "HSM is healthy".into(),
    });
    let body = r#"{"code":0,"message":"HSM is healthy"}"#;
    check(
        Sent("GET /hsm/v2/service/ready", ""),
        method,
        smd::GetReadyRequest {},
        answered,
        200,
        body,
    )
    .await;
}

/// Changes of boot parameters have no body, and the referral token is a header. DELETE has a body.
#[tokio::test]
async fn bss_changes_answer_with_a_header_and_no_body() {
    let asked = || bss::BootParameters {
        hosts: vec!["x0c0s0b0n0".into()],
        nids: vec![3, -1],
        ..Default::default()
    };
    let body = r#"{"hosts":["x0c0s0b0n0"],"nids":[3,-1],"bogus":1}"#;
    for (verb, method, status) in [
        ("POST", "Create", 201),
        ("PUT", "Replace", 200),
        ("PATCH", "Update", 200),
        ("DELETE", "Delete", 200),
    ] {
        let mut metadata = MetadataMap::new();
        rpc::set_http_header(&mut metadata, "bss-referral-token", "t-1");
        let change = bss::BootParametersChange {
            revision: 4,
            referral_token: "t-1".into(),
        };
        let line = format!("{verb} /apis/bss/boot/v1/bootparameters").leak();
        let method = format!("bss.v1.BootParametersService/{method}BootParameters");
        let answered = Ok((change.encode_to_vec().into(), metadata));
        let got = check_with(Sent(line, body), &[], &method, asked(), answered, status, "").await;
        assert_eq!(got.header("bss-referral-token"), "t-1");
        assert!(!got.headers.contains_key("content-type"), "{got:?}");
    }
}

/// A free-form struct goes in and comes out as it was; keys with hyphens; whole numbers stay whole.
#[tokio::test]
async fn free_form_json_survives_both_ways() {
    let text = r#"{"a":1,"b":[true,null,1.5,-2],"c":{"d":"x\"y"}}"#;
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    let body = format!(r#"{{"macs":["m"],"cloud-init":{{"meta-data":{text},"phone-home":{{}}}}}}"#);
    send(&gateway, "PUT", "/boot/v1/bootparameters", &[], body.clone()).await;
    let asked = bss::BootParameters::decode(fake.one_asked().message).unwrap();
    assert!(asked.cloud_init.as_ref().unwrap().user_data.is_none());
    fake.will_answer(answer(&bss::ListBootParametersResponse {
        items: vec![asked],
        ..Default::default()
    }));
    let got = send(&gateway, "GET", "/boot/v1/bootparameters", &[], "").await;
    assert_eq!(got.text(), format!("[{body}]"));
}

/// Raw bodies keep their bytes and type; `optional` nothing is parsed on the way.
#[tokio::test]
async fn a_boot_script_is_sent_as_it_is() {
    let asked = bss::GetBootScriptRequest {
        mac: "52:54:00:00:00:01".into(),
        retry: "2".into(),
        ..Default::default()
    };
    let script = HttpBody {
        content_type: "text/plain".into(),
        data: b"#!ipxe\n\xff".to_vec(),
        ..Default::default()
    };
    let fake = Fake::new();
    fake.will_answer(answer(&script));
    let uri = "/boot/v1/bootscript?mac=52%3A54%3A00%3A00%3A00%3A01&retry=2&arch=";
    let got = super::send_to(&gateway(&fake, Options::default()).nodes, "GET", uri, &[], "").await;
    assert_eq!(
        bss::GetBootScriptRequest::decode(fake.one_asked().message).unwrap(),
        asked
    );
    assert_eq!(
        (got.status, &got.body[..], got.header("content-type")),
        (200, &b"#!ipxe\n\xff"[..], "text/plain")
    );
}

/// cloud-init posts a form; the second binding of a method fills the variable that the first has not.
#[tokio::test]
async fn phone_home_takes_a_form_on_both_of_its_routes() {
    let form = "pub_key_ed25519=ssh-ed25519+AAAA%2B%2F+root%40n&instance_id=i-1&hostname=n1&fqdn=N%2FA&id=evil&pub_key_rsa=";
    let asked = |ctx: &str| cloud_init::PhoneHomeRequest {
        ctx: ctx.into(),
        id: "x0c0s0b0n0".into(),
        instance_id: "i-1".into(),
        hostname: "n1".into(),
        fqdn: "N/A".into(),
        pub_key_ed25519: "ssh-ed25519 AAAA+/ root@n".into(),
        ..Default::default()
    };
    let method = "cloud_init.v1.NodeDataService/PhoneHome";
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let answered = || answer(&cloud_init::PhoneHomeResponse {});
    let plain = Sent("POST /cloud-init/phone-home/x0c0s0b0n0", form);
    check_with(plain, &headers, method, asked(""), answered(), 200, "").await;
    let bound = Sent("POST /cloud-init/b/7-9/phone-home/x0c0s0b0n0", form);
    check_with(bound, &headers, method, asked("7-9"), answered(), 200, "").await;
}

/// A native route: `body` names one field, proto names are keys too, the query fills the rest.
#[tokio::test]
async fn native_routes_come_by_the_same_descriptor() {
    let subnet = proto::dhcp::v1::Subnet {
        network: "10.97.0.0/16".into(),
        lease_time_s: 60,
        ..Default::default()
    };
    let asked = proto::dhcp::v1::PutSubnetRequest {
        subnet: Some(subnet.clone()),
    };
    let sent = Sent(
        "POST /chamois/v1/subnets",
        r#"{"network":"10.97.0.0/16","lease_time_s":60}"#,
    );
    let body = r#"{"network":"10.97.0.0/16","leaseTimeS":60}"#;
    check(
        sent,
        "dhcp.v1.SubnetService/PutSubnet",
        asked,
        answer(&subnet),
        200,
        body,
    )
    .await;
    let asked = proto::dhcp::v1::DeleteSubnetRequest {
        network: "10.97.0.0/16".into(),
    };
    let sent = Sent("DELETE /chamois/v1/subnets?network=10.97.0.0/16", "");
    let answered = answer(&proto::dhcp::v1::DeleteSubnetResponse { revision: 7 });
    check(
        sent,
        "dhcp.v1.SubnetService/DeleteSubnet",
        asked,
        answered,
        200,
        r#"{"revision":7}"#,
    )
    .await;
}

const HSM: &str = "POST /hsm/v2/State/Components";

/// Request line and body, status and detail of the answer.
#[rustfmt::skip]
const BAD: &[(&str, &str, u16, &str)] = &[
    (HSM, "", 500, "error decoding JSON: the body is empty"),
    (HSM, "{", 500, "error decoding JSON: EOF while parsing an object at line 1 column 1"),
    (HSM, "[]", 500, "expected a JSON object, got an array"),
    (HSM, r#"{"Components":{}}"#, 500, "Components: expected an array, got an object"),
    (HSM, r#"{"Components":[{},{"Enabled":"fake"}]}"#, 500, "Components[1].Enabled: expected true or false, got a string"),
    (HSM, r#"{"Components":[{"NID":1.5}]}"#, 500, "Components[0].NID: expected a whole number, or one as a string, got a number"),
    (HSM, r#"{"Components":[null]}"#, 500, "Components[0]: expected an object, got null"),
    (HSM, r#"{"Components":[{"NID":"seven"}]}"#, 400, r#"Components[0].NID: "seven" is not accepted; use a whole number"#),
    (HSM, r#"{"Components":[{"NID":-1}]}"#, 400, "Components[0].NID: -1 is not between 0 and 18446744073709551615"),
    (HSM, r#"{"Components":[{"Class":"Valley"}]}"#, 400, r#"Components[0].Class: "Valley" is not accepted; use River, Mountain, Hill"#),
    (HSM, r#"{"Force":true,"force":false}"#, 400, "Force: the key stands twice, in different case"),
    (HSM, r#"{"Force":true,"Force":true}"#, 400, "JSON refused: the key \"Force\" stands twice in one object at line 1 column 27"),
    ("POST /boot/v1/bootparameters", "{", 400, "error decoding JSON: EOF while parsing an object at line 1 column 1"),
    ("DELETE /boot/v1/bootparameters", "", 400, "error decoding JSON: the body is empty"),
    ("PUT /boot/v1/bootparameters", r#"{"nids":["6"]}"#, 400, "nids[0]: expected a whole number, got a string"),
    ("GET /hsm/v2/State/Components?stateonly=maybe", "", 400, r#"stateonly: "maybe" is not accepted; use true or false"#),
];

/// A body that is no JSON, or has a wrong JSON type, is 500 under `/hsm/v2` (clients rely on it), 400 elsewhere;
/// JSON with a value that is not accepted is 400 everywhere.
#[tokio::test]
async fn a_bad_body_is_answered_with_the_routes_status_and_says_what_is_wrong() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for (line, body, status, detail) in BAD {
        let (verb, uri) = line.split_once(' ').unwrap();
        let got = send(&gateway, verb, uri, &[], *body).await;
        assert_eq!(
            (got.status, got.detail().as_str()),
            (*status, *detail),
            "{line} {body}"
        );
    }
    assert!(
        fake.take_asked().is_empty(),
        "nothing of this may reach a service"
    );
}

/// A service's error arrives as problem, with the status and headers that it asks for.
#[tokio::test]
async fn errors_of_services_are_problems() {
    let quorum = rpc::Error::NoQuorum {
        retry_after: std::time::Duration::from_secs(2),
    };
    let exists = rpc::Error::AlreadyExists {
        kind: "boot parameters".into(),
        id: "x1".into(),
        detail: "PUT replaces".into(),
    };
    let missing = rpc::Error::NotFound {
        kind: "component".into(),
        id: "x1".into(),
    };
    let cases: [(Status, u16, &str, &str); 4] = [
        (
            quorum.into(),
            503,
            "2",
            "no majority of members can be reached; nothing was changed",
        ),
        (
            exists.with_http_status(400),
            400,
            "",
            "boot parameters x1 exists already: PUT replaces",
        ),
        (missing.into(), 404, "", "no such component: x1"),
        (Status::unauthenticated("who are you?"), 401, "", "who are you?"),
    ];
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for (status, http, retry_after, detail) in cases {
        fake.will_answer(Err(status));
        let got = send(&gateway, "GET", "/hsm/v2/State/Components/x1", &[], "").await;
        assert_eq!(
            (got.status, got.header("retry-after"), got.detail().as_str()),
            (http, retry_after, detail)
        );
    }
}

/// A service may choose another success status than the route's.
#[tokio::test]
async fn a_service_may_override_the_success_status() {
    let mut metadata = MetadataMap::new();
    rpc::set_http_status(&mut metadata, 202);
    let fake = Fake::new();
    fake.will_answer(Ok((node(0).encode_to_vec().into(), metadata)));
    let got = send(
        &gateway(&fake, Options::default()),
        "GET",
        "/hsm/v2/State/Components/x1",
        &[],
        "",
    )
    .await;
    assert_eq!((got.status, got.text()), (202, NODE_0));
}
