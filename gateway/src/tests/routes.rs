//! The route table: complete, unambiguous, honest about verbs, and strict at start.

use prost_reflect::DescriptorPool;

use super::{Fake, gateway, send, send_to};
use crate::routes::{Body, RouteTable};
use crate::{Check, Gateway, Options};

/// What today's clients and nodes call, written down apart from the protos: nothing may get lost.
const LEGACY: &[&str] = &[
    "GET /hsm/v2/service/ready",
    "GET /hsm/v2/service/liveness",
    "GET /hsm/v2/State/Components",
    "POST /hsm/v2/State/Components",
    "DELETE /hsm/v2/State/Components",
    "GET /hsm/v2/State/Components/x1",
    "DELETE /hsm/v2/State/Components/x1",
    "GET /hsm/v2/State/Components/ByNID/1",
    "PATCH /hsm/v2/State/Components/x1/StateData",
    "GET /hsm/v2/Inventory/EthernetInterfaces",
    "POST /hsm/v2/Inventory/EthernetInterfaces",
    "DELETE /hsm/v2/Inventory/EthernetInterfaces",
    "GET /hsm/v2/Inventory/EthernetInterfaces/02",
    "PATCH /hsm/v2/Inventory/EthernetInterfaces/02",
    "DELETE /hsm/v2/Inventory/EthernetInterfaces/02",
    "GET /hsm/v2/Inventory/EthernetInterfaces/02/IPAddresses",
    "POST /hsm/v2/Inventory/EthernetInterfaces/02/IPAddresses",
    "PATCH /hsm/v2/Inventory/EthernetInterfaces/02/IPAddresses/1",
    "DELETE /hsm/v2/Inventory/EthernetInterfaces/02/IPAddresses/1",
    "GET /hsm/v2/Inventory/Hardware",
    "POST /hsm/v2/Inventory/Hardware",
    "DELETE /hsm/v2/Inventory/Hardware",
    "GET /hsm/v2/Inventory/Hardware/x1",
    "DELETE /hsm/v2/Inventory/Hardware/x1",
    "GET /hsm/v2/Inventory/Hardware/Query/x1",
    "GET /hsm/v2/Inventory/Hardware/Query/all",
    "GET /hsm/v2/Inventory/Hardware/History",
    "DELETE /hsm/v2/Inventory/Hardware/History",
    "GET /hsm/v2/Inventory/Hardware/History/x1",
    "DELETE /hsm/v2/Inventory/Hardware/History/x1",
    "GET /hsm/v2/Inventory/HardwareByFRU",
    "DELETE /hsm/v2/Inventory/HardwareByFRU",
    "GET /hsm/v2/Inventory/HardwareByFRU/1",
    "DELETE /hsm/v2/Inventory/HardwareByFRU/1",
    "GET /hsm/v2/Inventory/HardwareByFRU/History",
    "GET /hsm/v2/Inventory/HardwareByFRU/History/1",
    "DELETE /hsm/v2/Inventory/HardwareByFRU/History/1",
    "POST /hsm/v2/locks/lock",
    "POST /hsm/v2/locks/unlock",
    "POST /hsm/v2/locks/disable",
    "POST /hsm/v2/locks/repair",
    "POST /hsm/v2/locks/status",
    "GET /hsm/v2/locks/status",
    "POST /hsm/v2/locks/reservations",
    "POST /hsm/v2/locks/reservations/remove",
    "POST /hsm/v2/locks/reservations/release",
    "POST /hsm/v2/locks/service/reservations",
    "POST /hsm/v2/locks/service/reservations/renew",
    "POST /hsm/v2/locks/service/reservations/release",
    "POST /hsm/v2/locks/service/reservations/check",
    "GET /hsm/v2/partitions",
    "POST /hsm/v2/partitions",
    "GET /hsm/v2/partitions/names",
    "GET /hsm/v2/partitions/p1",
    "PATCH /hsm/v2/partitions/p1",
    "DELETE /hsm/v2/partitions/p1",
    "GET /hsm/v2/partitions/p1/members",
    "POST /hsm/v2/partitions/p1/members",
    "DELETE /hsm/v2/partitions/p1/members/x1",
    "GET /hsm/v2/Defaults/NodeMaps",
    "POST /hsm/v2/Defaults/NodeMaps",
    "DELETE /hsm/v2/Defaults/NodeMaps",
    "GET /hsm/v2/Defaults/NodeMaps/x1",
    "PUT /hsm/v2/Defaults/NodeMaps/x1",
    "DELETE /hsm/v2/Defaults/NodeMaps/x1",
    "GET /hsm/v2/sysinfo/powermaps",
    "POST /hsm/v2/sysinfo/powermaps",
    "DELETE /hsm/v2/sysinfo/powermaps",
    "GET /hsm/v2/sysinfo/powermaps/x1",
    "PUT /hsm/v2/sysinfo/powermaps/x1",
    "DELETE /hsm/v2/sysinfo/powermaps/x1",
    "GET /hsm/v2/Subscriptions/SCN",
    "POST /hsm/v2/Subscriptions/SCN",
    "DELETE /hsm/v2/Subscriptions/SCN",
    "GET /hsm/v2/Subscriptions/SCN/1",
    "PUT /hsm/v2/Subscriptions/SCN/1",
    "PATCH /hsm/v2/Subscriptions/SCN/1",
    "DELETE /hsm/v2/Subscriptions/SCN/1",
    "GET /boot/v1/bootparameters",
    "POST /boot/v1/bootparameters",
    "PUT /boot/v1/bootparameters",
    "PATCH /boot/v1/bootparameters",
    "DELETE /boot/v1/bootparameters",
    "GET /boot/v1/bootscript",
    "GET /boot/v1/hosts",
    "POST /boot/v1/hosts",
    "GET /boot/v1/dumpstate",
    "GET /boot/v1/endpoint-history",
    "POST /boot/v1/scn",
    "GET /boot/v1/service/status",
    "GET /boot/v1/service/status/all",
    "GET /boot/v1/service/version",
    "GET /boot/v1/service/hsm",
    "GET /boot/v1/service/storage/status",
    "GET /cloud-init/network-config",
    "GET /cloud-init/meta-data",
    "GET /cloud-init/user-data",
    "GET /cloud-init/vendor-data",
    "GET /cloud-init/b/7/meta-data",
    "POST /cloud-init/phone-home/x1",
];

/// Prometheus scrapes the API port; a node has no business with what other nodes did.
#[tokio::test]
async fn metrics_are_on_the_api_port_only() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    assert_eq!(send(&gateway, "GET", "/metrics", &[], "").await.status, 200);
    assert_eq!(
        fake.one_asked().path,
        "/chamois.cluster.v1.MetricsService/GetMetrics"
    );
    assert_eq!(
        send_to(&gateway.nodes, "GET", "/metrics", &[], "").await.status,
        404
    );
}

#[tokio::test]
async fn every_legacy_route_exists() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for line in LEGACY {
        let (verb, uri) = line.split_once(' ').unwrap();
        // the one body that is a list
        let body = if uri.ends_with("/powermaps") { "[]" } else { "{}" };
        let got = send(&gateway, verb, uri, &[], body).await;
        assert!(got.status < 300, "{line}: {got:?}");
        assert_eq!(fake.take_asked().len(), 1, "{line}");
    }
}

/// Whatever the descriptor says, in whatever service: each binding reaches its own method.
#[tokio::test]
async fn every_route_of_the_descriptor_reaches_its_method() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    let routes = gateway.api.routes.routes();
    assert!(routes.len() >= 40, "{}", routes.len());
    for route in routes {
        let segments = route
            .template
            .split('/')
            .map(|s| if s.starts_with('{') { "1" } else { s }); // a text and a number
        let uri = segments.collect::<Vec<_>>().join("/");
        let is_list = |place: usize| gateway.api.routes.schema.message(route.input).fields[place].repeated;
        let body = match route.body {
            Body::Field(place) if is_list(place) => "[]",
            Body::Field(_) | Body::Whole | Body::None => "{}",
        };
        let got = send(&gateway, route.verb.as_str(), &uri, &[], body).await;
        let expected = match route.websocket {
            None => route.success.as_u16(),
            Some(_) => 426, // asked without a message, whether this caller may
        };
        assert_eq!(got.status, expected, "{route:?}: {got:?}");
        assert_eq!(
            fake.one_asked().path,
            route.grpc_path.as_str(),
            "{}",
            route.template
        );
    }
}

/// The node port has what nodes need and what is public; the rest is as if it did not exist.
#[tokio::test]
async fn the_node_port_has_node_routes_only() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for uri in [
        "/boot/v1/bootscript?mac=1",
        "/cloud-init/b/1/meta-data",
        "/hsm/v2/service/ready",
    ] {
        assert_eq!(
            send_to(&gateway.nodes, "GET", uri, &[], "").await.status,
            200,
            "{uri}"
        );
    }
    fake.take_asked();
    for (verb, uri) in [
        ("GET", "/hsm/v2/State/Components"),
        ("PUT", "/boot/v1/bootparameters"),
        ("GET", "/chamois/v1/cluster"),
        ("GET", "/apis/smd/hsm/v2/State/Components"),
        ("GET", "/livez"),
        // public, but whoever listens could repeat what is shown
        ("POST", "/oauth2/token"),
        ("GET", "/token"),
        ("GET", "/keys"),
        ("GET", "/login"),
        ("GET", "/oauth2/authorize"),
        ("GET", "/oidc/callback"),
        ("POST", "/oauth2/device_authorization"),
        ("POST", "/device"),
    ] {
        assert_eq!(
            send_to(&gateway.nodes, verb, uri, &[], "{}").await.status,
            404,
            "{uri}"
        );
    }
    assert!(fake.take_asked().is_empty());
    let rules = rpc::Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    use proto::http::v1::Permission;
    for route in gateway.nodes.routes.routes() {
        let permission = rules.get(route.grpc_path.as_str()).unwrap().permission;
        assert!(
            matches!(permission, Permission::Node | Permission::Public),
            "{route:?}"
        );
    }
}

#[tokio::test]
async fn another_verb_is_405_and_says_which_are_allowed() {
    let gateway = gateway(&Fake::new(), Options::default());
    for (verb, uri, allow) in [
        ("PUT", "/hsm/v2/State/Components", "GET,POST,DELETE"),
        ("HEAD", "/hsm/v2/State/Components/x1", "GET,PUT,DELETE"),
        ("OPTIONS", "/boot/v1/bootscript/", "GET"),
        ("GET", "/hsm/v2/State/Components/x1/StateData", "PATCH"),
    ] {
        let got = send(&gateway, verb, uri, &[], "").await;
        assert_eq!((got.status, got.header("allow")), (405, allow), "{uri}");
        if verb == "HEAD" {
            assert_eq!(got.body, "", "{uri}");
        } else {
            assert_eq!(got.detail(), format!("allow {allow}"));
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_404() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for uri in [
        "/",
        "/hsm",
        "/hsm/v2/State",
        "/hsm/v2//State/Components",
        "/hsm/v2/State/Components//StateData",
        "/hsm/v2/State/Components/x1/StateData/more",
        "/HSM/v2/State/Components",
        "/apis/smd",
        "/apis/smdhsm/v2/State/Components",
        "/apis/other/hsm/v2/State/Components",
        "/boot/v1/",
    ] {
        let got = send(&gateway, "GET", uri, &[], "").await;
        assert_eq!(got.status, 404, "{uri}: {got:?}");
        assert!(got.detail().starts_with("no such route"), "{uri}");
    }
    assert!(fake.take_asked().is_empty());
}

/// A literal goes before a variable, and falls back to it when it leads nowhere.
#[tokio::test]
async fn literals_go_before_variables() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for (uri, method) in [
        ("/hsm/v2/State/Components/ByNID/5", "GetComponentByNid"),
        ("/hsm/v2/State/Components/ByNID", "GetComponent"),
        ("/hsm/v2/State/Components/x%2Fy", "GetComponent"),
    ] {
        send(&gateway, "GET", uri, &[], "").await;
        assert!(fake.one_asked().path.ends_with(&format!("/{method}")), "{uri}");
    }
}

fn without_a_leader() -> Vec<Check> {
    vec![
        Check::new("running", Ok(())),
        Check::new("leader", Err("no leader since 9 s".to_owned())),
        Check::new("applied", Ok(())),
    ]
}

/// Whoever looks at a member that is not ready must see at once which part is not, and which are.
#[tokio::test]
async fn a_verbose_probe_lists_every_check() {
    let options = Options {
        readiness: std::sync::Arc::new(without_a_leader),
        role_readiness: std::sync::Arc::new(|role| match role {
            "boot" => Ok(()),
            other => Err(format!("{other} is closed")),
        }),
        ..Options::default()
    };
    let gateway = gateway(&Fake::new(), options);
    let unready =
        "[+]running ok\n[-]leader failed: no leader since 9 s\n[+]applied ok\nreadyz check failed\n";
    for (uri, status, text) in [
        ("/livez?verbose", 200, "[+]ping ok\nlivez check passed\n"),
        ("/readyz?verbose", 503, unready),
        ("/readyz?x=1&verbose=true", 503, unready),
        (
            "/readyz?role=boot&verbose",
            200,
            "[+]role ok\nreadyz check passed\n",
        ),
        (
            "/readyz?verbose&role=dhcp",
            503,
            "[-]role failed: dhcp is closed\nreadyz check failed\n",
        ),
    ] {
        let got = send(&gateway, "GET", uri, &[], "").await;
        assert_eq!((got.status, got.text()), (status, text), "{uri}");
        assert_eq!(got.header("retry-after") == "1", status == 503, "{uri}");
        assert_eq!(got.header("content-type"), "text/plain; charset=utf-8", "{uri}");
    }
    let got = send(&gateway, "GET", "/readyz?verbosely", &[], "").await;
    assert_eq!(got.detail(), "no leader since 9 s", "another word is not verbose");
}

#[tokio::test]
async fn probes_answer_on_the_api_port() {
    let mut options = Options {
        readiness: std::sync::Arc::new(without_a_leader),
        ..Options::default()
    };
    let unready = gateway(&Fake::new(), options.clone());
    assert_eq!(send(&unready, "GET", "/livez", &[], "").await.text(), "ok\n");
    let got = send(&unready, "GET", "/readyz", &[], "").await;
    assert_eq!(
        (got.status, got.header("retry-after"), got.detail().as_str()),
        (503, "1", "no leader since 9 s")
    );
    options.readiness = std::sync::Arc::new(Vec::new);
    assert_eq!(
        send(&gateway(&Fake::new(), options), "GET", "/readyz", &[], "")
            .await
            .status,
        200
    );
}

/// keepalived asks the one, a load balancer on the nodes' network may only reach the other; both say the same.
#[tokio::test]
async fn the_readiness_of_a_role_is_asked_on_both_ports() {
    let options = Options {
        readiness: std::sync::Arc::new(without_a_leader),
        role_readiness: std::sync::Arc::new(|role| match role {
            "boot" => Ok(()),
            other => Err(format!("{other} is closed")),
        }),
        ..Options::default()
    };
    let gateway = gateway(&Fake::new(), options);
    for (uri, status) in [("/readyz?role=boot", 200), ("/readyz?x=1&role=dhcp", 503)] {
        assert_eq!(send(&gateway, "GET", uri, &[], "").await.status, status, "{uri}");
        assert_eq!(
            send_to(&gateway.nodes, "GET", uri, &[], "").await.status,
            status,
            "{uri}"
        );
    }
    assert_eq!(
        send(&gateway, "GET", "/readyz?role=dhcp", &[], "").await.detail(),
        "dhcp is closed"
    );
    assert_eq!(
        send_to(&gateway.nodes, "GET", "/readyz", &[], "").await.status,
        200,
        "the port of role boot"
    );
    assert_eq!(
        send_to(&gateway.nodes, "GET", "/livez", &[], "").await.status,
        404
    );
}

/// Starts a gateway with one service that has `methods` beside two messages.
fn start(methods: &str) -> Result<Gateway, String> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r#"syntax = "proto3"; package t;
        import "google/api/annotations.proto"; import "google/protobuf/timestamp.proto";
        import "chamois/http/v1/http.proto";
        message Ask {{ string id = 1; string sub = 2; map<string, string> labels = 3 [(chamois.http.v1.field).native_only = true]; }}
        message Map {{ map<string, string> labels = 1; }}
        message Numbers {{ map<int32, string> names = 1; }}
        message Time {{ google.protobuf.Timestamp at = 1; }}
        message Fixed {{ repeated Nested nested = 1; message Nested {{ fixed32 number = 1; }} }}
        message Twice {{ string a_b = 1 [json_name = "ID"]; string c = 2 [json_name = "id"]; }}
        message Raw {{ uint32 text = 1 [(chamois.http.v1.field).raw_json = true]; }}
        message Flag {{ repeated string ids = 1 [(chamois.http.v1.field).presence_field = "has"]; string has = 2; }}
        message Seen {{ string id = 1; uint64 at = 2 [(chamois.http.v1.field).if_match = true]; }}
        message From {{ string id = 1 [(chamois.http.v1.field).from_header = "x-id"]; }}
        message Bad {{ string id = 1 [(chamois.http.v1.field) = {{ native_only: true from_header: "x id" }}]; }}
        message Head {{ uint64 at = 1 [(chamois.http.v1.field).header = "x-at"]; }}
        message Name {{ string at = 1 [(chamois.http.v1.field).header = "x at"]; }}
        message Loop {{ Loop next = 1; string id = 2; }}
        message Typed {{ string id = 1; bytes typed = 2 [(chamois.http.v1.field) = {{ native_only: true frame: true }}]; }}
        message Shown {{ bytes shown = 1 [(chamois.http.v1.field) = {{ native_only: true frame: true }}]; }}
        message Open {{ bytes typed = 1 [(chamois.http.v1.field).frame = true]; }}
        service S {{ {methods} }}"#
    );
    std::fs::write(folder.path().join("t.proto"), text).unwrap();
    let protos = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let includes = [
        folder.path().to_owned(),
        protos.clone(),
        protos.join("third_party"),
    ];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file("t.proto").unwrap();
    let started = Gateway::new(
        &compiler.encode_file_descriptor_set(),
        Fake::new(),
        Options::default(),
    );
    started.map_err(|error| error.to_string())
}

fn method(name: &str, ask: &str, answer: &str, http: &str, rule: &str) -> String {
    format!(
        "rpc {name}({ask}) returns ({answer}) {{ option (google.api.http) = {{ {http} }};
         option (chamois.http.v1.method) = {{ permission: PERMISSION_PUBLIC {rule} }}; }}"
    )
}

/// A method `Get` with this request, this answer and this route.
fn one_get(ask: &str, answer: &str, http: &str) -> String {
    method("Get", ask, answer, http, "")
}

/// A .proto that cannot be served is refused at start, with the method's or field's name and the reason.
fn check_refused(cases: impl IntoIterator<Item = (String, &'static str)>) {
    for (methods, expected) in cases {
        let refused = start(&methods)
            .err()
            .unwrap_or_else(|| panic!("started with {methods}"));
        assert_eq!(refused, expected);
    }
}

#[test]
fn a_route_that_cannot_be_served_is_an_error_at_start() {
    check_refused([
        (
            one_get("Ask", "Ask", r#"get: "/a/{id}""#)
                + &method("Other", "Ask", "Ask", r#"get: "/a/{sub}""#, ""),
            "t.S.Other: GET /a/{sub} is bound to /t.S/Get already (/a/{id})",
        ),
        (
            one_get("Ask", "Ask", r#"get: "/a" additional_bindings { get: "/a" }"#),
            "t.S.Get: GET /a is bound to /t.S/Get already (/a)",
        ),
        (
            one_get("Ask", "Ask", r#"get: "/a/{nope}""#),
            "t.S.Get: /a/{nope}: no field nope in the request",
        ),
        (
            one_get("Ask", "Ask", r#"get: "/a/{labels}""#),
            "t.S.Get: /a/{labels}: no field labels in the request",
        ),
        (
            one_get("Ask", "Ask", r#"get: "a""#),
            "t.S.Get: a: must begin with /",
        ),
        (
            one_get("Ask", "Ask", r#"get: "/a/{id=**}""#),
            "t.S.Get: /a/{id=**}: no field id=** in the request",
        ),
        (
            one_get("Ask", "Ask", r#"get: "/a/x{id}""#),
            "t.S.Get: /a/x{id}: a segment is a literal or one whole {field}",
        ),
        (
            one_get("Ask", "Ask", r#"post: "/a" body: "nope""#),
            "t.S.Get: body: no field nope in the request",
        ),
        (
            one_get("Ask", "Ask", r#"get: "/a" response_body: "no""#),
            "t.S.Get: response_body: no field no in the response",
        ),
        (
            one_get("Ask", "Ask", ""),
            "t.S.Get: google.api.http names no verb",
        ),
        (
            method("Get", "Ask", "Ask", r#"get: "/a""#, "location_field: \"uri\""),
            "t.S.Get: location_field: no field uri in the response",
        ),
        (
            method("Get", "Ask", "Ask", r#"get: "/a""#, "success_status: 99"),
            "t.S.Get: status 99: invalid status code",
        ),
    ]);
    let twice = r#"get: "/a/{id}" additional_bindings { put: "/a/{id}" body: "*" }"#;
    assert!(start(&one_get("Loop", "Loop", twice)).is_ok());
}

#[test]
fn a_message_that_cannot_be_served_is_an_error_at_start() {
    check_refused([
        (
            one_get("stream Ask", "Ask", r#"get: "/a""#),
            "t.S.Get: a streaming method has no HTTP route",
        ),
        (
            one_get("Map", "Ask", r#"get: "/a""#),
            "t.S.Get: labels: a request cannot have a map; use a list of key and value",
        ),
        (
            one_get("Ask", "Numbers", r#"get: "/a""#),
            "t.S.Get: t.Numbers.names: a map needs text keys to have a JSON form",
        ),
        (
            one_get("Ask", "Time", r#"get: "/a""#),
            "t.S.Get: t.Time.at: this well-known type has no JSON form here; use text or a number with its unit",
        ),
        (
            one_get("Ask", "Fixed", r#"get: "/a""#),
            "t.S.Get: t.Fixed.Nested.number: use int32, int64, uint32, uint64 or double; other numbers have no JSON form here",
        ),
        (
            one_get("Flag", "Ask", r#"get: "/a""#),
            "t.S.Get: t.Flag.ids: presence_field needs a list, and a bool field of its message",
        ),
        (
            one_get("Seen", "Ask", r#"put: "/a" body: "*""#),
            "t.S.Get: at: if_match needs a native-only uint64",
        ),
        (
            one_get("From", "Ask", r#"get: "/a""#),
            "t.S.Get: id: from_header needs a native-only string",
        ),
        (
            one_get("Bad", "Ask", r#"get: "/a""#),
            "t.S.Get: from_header: invalid HTTP header name",
        ),
        (
            one_get("Ask", "Head", r#"get: "/a""#),
            "t.S.Get: at: a header shows a text",
        ),
        (
            one_get("Ask", "Name", r#"get: "/a""#),
            "t.S.Get: header: invalid HTTP header name",
        ),
        (
            one_get("Ask", "Twice", r#"get: "/a""#),
            "t.S.Get: t.Twice: two fields are named id",
        ),
        (
            r#"rpc Get(Ask) returns (Ask) { option (google.api.http) = { get: "/a" }; }"#.into(),
            "t.S.Get: has a route but no (chamois.http.v1.method) option",
        ),
    ]);
}

/// A WebSocket that cannot be one must not wait for its first client to be noticed.
#[test]
fn a_websocket_that_cannot_be_one_is_an_error_at_start() {
    const PROBLEM: &str = "t.S.Get: websocket: needs a GET, streams both ways, native-only bytes marked `frame` in each, and a text as \
         `close_reason` if there is one";
    let socket = |ask: &str, answer: &str, http: &str| method("Get", ask, answer, http, "websocket: true");
    check_refused([
        (socket("Typed", "stream Shown", r#"get: "/a""#), PROBLEM),
        (socket("stream Typed", "Shown", r#"get: "/a""#), PROBLEM),
        (socket("stream Typed", "stream Ask", r#"get: "/a""#), PROBLEM),
        (socket("stream Ask", "stream Shown", r#"get: "/a""#), PROBLEM),
        (socket("stream Open", "stream Shown", r#"get: "/a""#), PROBLEM),
        (
            socket("stream Typed", "stream Shown", r#"post: "/a" body: "*""#),
            PROBLEM,
        ),
        (
            one_get("stream Typed", "stream Shown", r#"get: "/a""#),
            "t.S.Get: a streaming method has no HTTP route",
        ),
    ]);
    start(&socket("stream Typed", "stream Shown", r#"get: "/a/{id}""#)).unwrap();
}

/// One template, two verbs, two methods: no conflict.
#[test]
fn verbs_share_a_path() {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
    let table = RouteTable::new(&pool, |_| true).unwrap();
    let path = "/hsm/v2/State/Components";
    assert_eq!(
        table
            .routes()
            .iter()
            .filter(|route| route.template == path)
            .count(),
        3
    );
}
