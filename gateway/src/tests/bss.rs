//! BSS v1, one transcript per route and status code: what a client sends, what the service is asked, what the client
//! sees.

use prost::Message as _;
use proto::bss::v1 as bss;
use proto::google::api::HttpBody;
use proto::http::v1::{Change, ObjectMeta};
use proto::smd::v1::component;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::golden::{Sent, check, check_with};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

const HOSTS: &str = "bss.v1.HostService/ListHosts";
const LIST: &str = "bss.v1.BootParametersService/ListBootParameters";

/// What `legacy.rs` of BSS says with this status.
fn refused(code: Code, http_status: u16, text: &str) -> Answer {
    let mut status = Status::new(code, text);
    if http_status != 0 {
        rpc::set_http_status(status.metadata_mut(), http_status);
    }
    Err(status)
}

fn problem(title: &str, detail: &str, status: u16) -> String {
    format!(r#"{{"type":"about:blank","title":"{title}","detail":"{detail}","status":{status}}}"#)
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn host() -> bss::Host {
    bss::Host {
        id: "x0c0s0b0n0".into(),
        r#type: "Node".into(),
        state: component::State::Ready.into(),
        flag: component::Flag::Ok.into(),
        enabled: Some(true),
        role: "Compute".into(),
        nid: Some(1),
        net_type: component::NetType::Sling.into(),
        arch: component::Arch::X86.into(),
        macs: owned(&["02:00:00:00:00:01"]),
        endpoint_enabled: true,
        ..Default::default()
    }
}

const HOST: &str = concat!(
    r#"{"ID":"x0c0s0b0n0","Type":"Node","State":"Ready","Flag":"OK","Enabled":true,"Role":"Compute","NID":1,"#,
    r#""NetType":"Sling","Arch":"X86","FQDN":"","MAC":["02:00:00:00:00:01"],"EndpointEnabled":true}"#
);

#[tokio::test]
async fn hosts_are_a_bare_list_of_components_with_their_macs() {
    let all = bss::ListHostsResponse { hosts: vec![host()] };
    let asked = bss::ListHostsRequest::default();
    check(
        Sent("GET /apis/bss/boot/v1/hosts/", ""),
        HOSTS,
        asked,
        answer(&all),
        200,
        &format!("[{HOST}]"),
    )
    .await;
    let bare = bss::ListHostsResponse {
        hosts: vec![bss::Host::default()],
    };
    let asked = bss::ListHostsRequest {
        mac: owned(&["02:00:00:00:00:01,02:00:00:00:00:02"]),
        name: owned(&["x0c0s0b0n0", "x0c0s0b0n1"]),
        nid: owned(&["1,2"]),
    };
    let line =
        "GET /boot/v1/hosts?mac=02:00:00:00:00:01,02:00:00:00:00:02&name=x0c0s0b0n0&name=x0c0s0b0n1&nid=1,2";
    check(
        Sent(line, ""),
        HOSTS,
        asked,
        answer(&bare),
        200,
        r#"[{"FQDN":"","MAC":[],"EndpointEnabled":false}]"#,
    )
    .await;
    check(
        Sent("GET /boot/v1/hosts", ""),
        HOSTS,
        bss::ListHostsRequest::default(),
        answer(&bss::ListHostsResponse::default()),
        200,
        "[]",
    )
    .await;
}

#[tokio::test]
async fn a_host_that_is_not_there_is_a_problem() {
    for (text, code, status, title) in [
        (
            "Not Found - Unknown MAC address 'x'",
            Code::NotFound,
            404,
            "Not Found",
        ),
        (
            "Bad Request - Invalid nid 'x'",
            Code::InvalidArgument,
            400,
            "Bad Request",
        ),
    ] {
        check(
            Sent("GET /boot/v1/hosts?mac=x", ""),
            HOSTS,
            bss::ListHostsRequest {
                mac: owned(&["x"]),
                ..Default::default()
            },
            refused(code, 0, text),
            status,
            &problem(title, text, status),
        )
        .await;
    }
}

/// BSS reads no body there.
#[tokio::test]
async fn a_refresh_of_the_hosts_is_204_without_a_body() {
    for body in ["", "{}", "not JSON"] {
        let got = check_with(
            Sent("POST /boot/v1/hosts", body),
            &[],
            "bss.v1.HostService/RefreshHosts",
            bss::RefreshHostsRequest {},
            answer(&bss::RefreshHostsResponse {}),
            204,
            "",
        )
        .await;
        assert!(!got.headers.contains_key("content-type"), "{got:?}");
    }
}

#[tokio::test]
async fn a_dump_has_both_lists_even_when_they_are_empty() {
    let method = "bss.v1.HostService/DumpState";
    let sent = || Sent("GET /boot/v1/dumpstate", "");
    check(
        sent(),
        method,
        bss::DumpStateRequest {},
        answer(&bss::DumpStateResponse::default()),
        200,
        r#"{"Components":[],"Params":[]}"#,
    )
    .await;
    let full = bss::DumpStateResponse {
        components: vec![host()],
        params: vec![entry()],
    };
    check(
        sent(),
        method,
        bss::DumpStateRequest {},
        answer(&full),
        200,
        &format!(r#"{{"Components":[{HOST}],"Params":[{ENTRY}]}}"#),
    )
    .await;
}

#[tokio::test]
async fn the_history_has_the_keys_of_bss() {
    let method = "bss.v1.EndpointHistoryService/ListEndpointAccesses";
    let asked = bss::ListEndpointAccessesRequest {
        name: "x0c0s0b0n0".into(),
        endpoint: "bootscript".into(),
    };
    let access = bss::EndpointAccess {
        name: "x0c0s0b0n0".into(),
        endpoint: "bootscript".into(),
        last_epoch: 1_700_000_000,
    };
    let accesses = bss::ListEndpointAccessesResponse {
        accesses: vec![access],
    };
    check(
        Sent(
            "GET /boot/v1/endpoint-history?name=x0c0s0b0n0&endpoint=bootscript",
            "",
        ),
        method,
        asked,
        answer(&accesses),
        200,
        r#"[{"name":"x0c0s0b0n0","endpoint":"bootscript","last_epoch":1700000000}]"#,
    )
    .await;
    check(
        Sent("GET /boot/v1/endpoint-history", ""),
        method,
        bss::ListEndpointAccessesRequest::default(),
        answer(&bss::ListEndpointAccessesResponse::default()),
        200,
        "[]",
    )
    .await;
}

/// Plain text, as Go guesses it; 500 where a part is out of order.
#[tokio::test]
async fn the_service_routes_are_lines_of_plain_text() {
    for (uri, method) in [
        ("/boot/v1/service/status", "GetStatus"),
        ("/boot/v1/service/status/all", "GetStatusOfAll"),
        ("/boot/v1/service/all", "GetStatusOfAll"),
        ("/boot/v1/service/version", "GetVersion"),
        ("/boot/v1/service/hsm", "GetHsmStatus"),
        ("/boot/v1/service/storage/status", "GetStorageStatus"),
    ] {
        for status in [200, 500] {
            let line = "{\"bss-status\":\"running\"}\n";
            let body = HttpBody {
                content_type: "text/plain; charset=utf-8".into(),
                data: line.into(),
                ..Default::default()
            };
            let mut metadata = MetadataMap::new();
            rpc::set_http_status(&mut metadata, status);
            let got = check_with(
                Sent(format!("GET {uri}").leak(), ""),
                &[],
                &format!("bss.v1.ServiceStatusService/{method}"),
                bss::GetStatusRequest {},
                Ok((body.encode_to_vec().into(), metadata)),
                status,
                line,
            )
            .await;
            assert_eq!(got.header("content-type"), "text/plain; charset=utf-8", "{uri}");
        }
    }
}

/// What HMNFD posts; keys that nobody knows are ignored.
#[tokio::test]
async fn a_state_change_is_accepted_without_a_body() {
    let method = "bss.v1.StateChangeService/NotifyStateChange";
    let asked = bss::NotifyStateChangeRequest {
        components: owned(&["x0c0s0b0n0"]),
        state: "Ready".into(),
        ..Default::default()
    };
    check(
        Sent(
            "POST /boot/v1/scn",
            r#"{"Components":["x0c0s0b0n0"],"State":"Ready","Flag":"OK"}"#,
        ),
        method,
        asked,
        answer(&bss::NotifyStateChangeResponse {}),
        200,
        "",
    )
    .await;
    let fake = Fake::new();
    let got = send(
        &gateway(&fake, Options::default()),
        "POST",
        "/boot/v1/scn",
        &[],
        "{",
    )
    .await;
    assert_eq!(got.status, 400, "{got:?}");
    assert!(fake.take_asked().is_empty());
}

#[tokio::test]
async fn another_verb_is_405_with_the_allowed_ones() {
    let gateway = gateway(&Fake::new(), Options::default());
    for (verb, uri, allow) in [
        ("TRACE", "/boot/v1/bootparameters", "GET,PUT,POST,PATCH,DELETE"),
        ("POST", "/boot/v1/bootscript", "GET"),
        ("DELETE", "/boot/v1/hosts", "GET,POST"),
        ("PUT", "/boot/v1/dumpstate", "GET"),
        ("POST", "/boot/v1/endpoint-history", "GET"),
        ("GET", "/boot/v1/scn", "POST"),
        ("POST", "/boot/v1/service/status", "GET"),
        ("POST", "/boot/v1/service/storage/status", "GET"),
    ] {
        let got = send(&gateway, verb, uri, &[], "").await;
        assert_eq!(got.status, 405, "{uri}: {got:?}");
        // the same verbs; the order is that of the routes
        let sorted = |list: &str| {
            let mut verbs: Vec<String> = list.split(',').map(str::to_owned).collect();
            verbs.sort();
            verbs
        };
        assert_eq!(sorted(got.header("allow")), sorted(allow), "{uri}");
        assert_eq!(got.detail(), format!("allow {}", got.header("allow")));
    }
}

fn entry() -> bss::BootParameters {
    let change = Change {
        revision: 7,
        ..Default::default()
    };
    bss::BootParameters {
        hosts: owned(&["x0c0s0b0n0"]),
        params: "quiet a=b&c".into(),
        kernel: "http://i/k".into(),
        initrd: "http://i/i".into(),
        meta: Some(ObjectMeta {
            created: Some(change.clone()),
            modified: Some(change),
        }),
        if_revision: Some(7),
        ..Default::default()
    }
}

/// Revisions are not in the JSON of BSS.
const ENTRY: &str =
    r#"{"hosts":["x0c0s0b0n0"],"params":"quiet a=b&c","kernel":"http://i/k","initrd":"http://i/i"}"#;

#[tokio::test]
async fn boot_parameters_are_a_bare_list() {
    let found = bss::ListBootParametersResponse {
        items: vec![entry()],
        ..Default::default()
    };
    let asked = bss::ListBootParametersRequest {
        name: owned(&["x0c0s0b0n0,x0c0s0b0n1"]),
        ..Default::default()
    };
    check(
        Sent("GET /boot/v1/bootparameters?name=x0c0s0b0n0,x0c0s0b0n1", ""),
        LIST,
        asked,
        answer(&found),
        200,
        &format!("[{ENTRY}]"),
    )
    .await;
    let text = "Cannot find boot parameters for requested Hosts, MACs or NIDs";
    check(
        Sent("GET /boot/v1/bootparameters?mac=m&name=n&nid=1", ""),
        LIST,
        bss::ListBootParametersRequest {
            mac: owned(&["m"]),
            name: owned(&["n"]),
            nid: owned(&["1"]),
            ..Default::default()
        },
        refused(Code::NotFound, 0, text),
        404,
        &problem("Not Found", text, 404),
    )
    .await;
    let text = "No specified data requested";
    check(
        Sent("GET /boot/v1/bootparameters", "{}"),
        LIST,
        bss::ListBootParametersRequest {
            filter: Some(bss::BootParameters::default()),
            ..Default::default()
        },
        refused(Code::InvalidArgument, 0, text),
        400,
        &problem("Bad Request", text, 400),
    )
    .await;
}

/// Status codes that are BSS's and nobody else's.
#[tokio::test]
async fn refused_changes_have_the_status_codes_of_bss() {
    for (verb, method, code, own, text, status, title) in [
        (
            "POST",
            "Create",
            Code::AlreadyExists,
            400,
            "Bad Request: Already exists: x0c0s0b0n0",
            400,
            "Bad Request",
        ),
        (
            "PATCH",
            "Update",
            Code::NotFound,
            0,
            "Not Found: Error looking up nid7: Key /params/nid7 does not exist",
            404,
            "Not Found",
        ),
        (
            "DELETE",
            "Delete",
            Code::NotFound,
            400,
            "Key nid7 deletion: Key /params/nid7 does not exist",
            400,
            "Bad Request",
        ),
        (
            "PUT",
            "Replace",
            Code::InvalidArgument,
            0,
            "Bad Request: params: holds a line break",
            400,
            "Bad Request",
        ),
    ] {
        let asked = bss::BootParameters {
            hosts: owned(&["x0c0s0b0n0"]),
            ..Default::default()
        };
        check(
            Sent(
                format!("{verb} /boot/v1/bootparameters").leak(),
                r#"{"hosts":["x0c0s0b0n0"]}"#,
            ),
            &format!("bss.v1.BootParametersService/{method}BootParameters"),
            asked,
            refused(code, own, text),
            status,
            &problem(title, text, status),
        )
        .await;
    }
}

/// The ETag that a GET of one entry shows is what a change of it may name.
#[tokio::test]
async fn one_entry_has_an_etag_and_changes_take_it() {
    let options = || Options {
        cluster_id: std::sync::Arc::new(|| "c".to_owned()),
        ..Options::default()
    };
    let fake = Fake::new();
    fake.will_answer(answer(&entry()));
    let gateway = gateway(&fake, options());
    let uri = "/chamois/v1/boot-parameters/x0c0s0b0n0";
    let got = send(&gateway, "GET", uri, &[], "").await;
    assert_eq!((got.status, got.text()), (200, ENTRY));
    assert_eq!(got.header("etag"), "\"c-7\"");
    let seen = send(&gateway, "GET", uri, &[("if-none-match", "\"c-7\"")], "").await;
    assert_eq!(seen.status, 304);
    fake.take_asked();
    fake.will_answer(answer(&bss::BootParametersChange::default()));
    for verb in ["PUT", "PATCH", "DELETE"] {
        let body = r#"{"hosts":["x0c0s0b0n0"]}"#;
        let headers = [("if-match", "\"c-7\"")];
        let got = send(&gateway, verb, "/boot/v1/bootparameters", &headers, body).await;
        assert_eq!(got.status, 200, "{got:?}");
        let asked = bss::BootParameters::decode(fake.one_asked().message).unwrap();
        assert_eq!(asked.if_revision, Some(7), "{verb}");
    }
    fake.will_answer(Err(rpc::Error::RevisionMismatch {
        id: "x0c0s0b0n0".into(),
        expected: 7,
        actual: 9,
    }
    .into()));
    let headers = [("if-match", "\"c-7\"")];
    let stale = send(&gateway, "PUT", "/boot/v1/bootparameters", &headers, "{}").await;
    assert_eq!((stale.status, stale.header("etag")), (412, "\"c-9\""));
}

#[tokio::test]
async fn many_entries_are_put_in_one_request() {
    let asked = bss::PutBootParametersRequest {
        entries: vec![
            bss::BootParameters {
                hosts: owned(&["x0c0s0b0n0"]),
                params: "a".into(),
                ..Default::default()
            },
            bss::BootParameters {
                nids: vec![7],
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    let told = bss::PutBootParametersResponse {
        revision: 9,
        created: owned(&["nid7"]),
        unchanged: owned(&["x0c0s0b0n0"]),
        ..Default::default()
    };
    check(
        Sent(
            "PUT /chamois/v1/boot-parameters",
            r#"{"entries":[{"hosts":["x0c0s0b0n0"],"params":"a"},{"nids":[7],"meta":{}}]}"#,
        ),
        "bss.v1.BootParametersService/PutBootParameters",
        asked,
        answer(&told),
        200,
        r#"{"revision":9,"created":["nid7"],"unchanged":["x0c0s0b0n0"]}"#,
    )
    .await;
}

/// A script, its JSON and the two problems that today's nodes meet.
#[tokio::test]
async fn a_boot_script_is_text_and_its_problems_are_json() {
    let method = "bss.v1.BootScriptService/GetBootScript";
    let asked = |mac: &str, arch: &str, json: &str| bss::GetBootScriptRequest {
        mac: mac.into(),
        arch: arch.into(),
        json: json.into(),
        ..Default::default()
    };
    let body = |content_type: &str, text: &str| {
        answer(&HttpBody {
            content_type: content_type.into(),
            data: text.into(),
            ..Default::default()
        })
    };
    let script = "#!ipxe\nboot || goto boot_retry\n\n";
    let got = check_with(
        Sent("GET /apis/bss/boot/v1/bootscript?mac=m&arch=arm64", ""),
        &[],
        method,
        asked("m", "arm64", ""),
        body("text/plain; charset=UTF-8", script),
        200,
        script,
    )
    .await;
    assert_eq!(got.header("content-type"), "text/plain; charset=UTF-8");
    let json = "{\"params\":\"kernel\",\"kernel\":{\"path\":\"\"},\"initrd\":{\"path\":\"\"}}\n";
    check(
        Sent("GET /boot/v1/bootscript?mac=m&json=1", ""),
        method,
        asked("m", "", "1"),
        body("application/json; charset=UTF-8", json),
        200,
        json,
    )
    .await;
    let text = "Need a mac=, name=, or nid= parameter";
    check(
        Sent("GET /boot/v1/bootscript", ""),
        method,
        asked("", "", ""),
        refused(Code::InvalidArgument, 0, text),
        400,
        &problem("Bad Request", text, 400),
    )
    .await;
    let text = "Unknown MAC m architecture arm64: this host not configured for booting.";
    check(
        Sent("GET /boot/v1/bootscript?mac=m&arch=arm64", ""),
        method,
        asked("m", "arm64", ""),
        refused(Code::NotFound, 0, text),
        404,
        &problem("Not Found", text, 404),
    )
    .await;
}
