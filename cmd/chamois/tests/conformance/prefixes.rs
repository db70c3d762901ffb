//! Prefixes of today's gateways, WebSockets, and paths that are written in another way: on a real port, byte by byte.

use crate::site::Site;

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Source: haproxy.cfg of OpenCHAMI's release, its recipes, and where `ochami` looks by default.
const PREFIXES: [(&str, u16); 25] = [
    ("/hsm/v2/State/Components", 200),
    ("/apis/smd/hsm/v2/State/Components", 200),
    ("/apis/smd/hsm/v2/State/Components/", 200),
    ("/boot/v1/bootparameters", 200),
    ("/apis/bss/boot/v1/bootparameters", 200),
    ("/cloud-init/admin/groups", 200),
    ("/cloud-init-secure/admin/groups", 200),
    ("/power-control/v1/power-status", 200),
    ("/power-control/v1/transitions", 200),
    ("/power-control/v1/readiness", 204),
    ("/power-status", 200),
    ("/transitions", 200),
    ("/readiness", 204),
    ("/boot-service/nodes", 200),
    ("/boot-service/bootconfigurations", 200),
    ("/boot-service/bmcs", 200),
    ("/remote-console/consoles", 200),
    ("/remote-console/liveness", 204),
    ("/remote-console/readiness", 204),
    ("/.well-known/openid-configuration", 200),
    ("/.well-known/jwks.json", 200),
    ("/boot-service/health", 200),
    ("/configurator/status", 200),
    ("/generate?target=hosts", 200),
    ("/generate?target=nothing", 404),
];

/// Each of these reached something on some gateway that was in front of something else.
const OTHER_WAYS: [&str; 20] = [
    "//hsm/v2/State/Components",
    "/hsm/v2//State/Components",
    "/hsm/v2/./State/Components",
    "/hsm/v2/x/../State/Components",
    "/boot/v1/../../hsm/v2/State/Components",
    "/boot/v1/%2e%2e/%2e%2e/hsm/v2/State/Components",
    "/boot/v1/..%2f..%2fhsm/v2/State/Components",
    "/boot/v1/..;/..;/hsm/v2/State/Components",
    "/hsm%2Fv2/State/Components",
    "/%68sm/v2/State/Components",
    "/%2568sm/v2/State/Components",
    "/HSM/V2/State/Components",
    "/hsm/v2/state/components",
    "/hsm/v2/State;a=1/Components",
    "/hsm/v2/State/Components;a=1",
    "/hsm/v2/State/Components%00",
    "/apis/bss/hsm/v2/State/Components",
    "/apis/smd/boot/v1/bootparameters",
    "/apis/smd/apis/smd/hsm/v2/State/Components",
    "/livez/../hsm/v2/State/Components",
];

#[test]
fn todays_prefixes_are_answered_and_other_ways_to_write_them_are_not() {
    let site = Site::start();
    let (administrator, stranger) = (site.administrator(), site.stranger());
    for (path, status) in PREFIXES {
        let answer = administrator.send(&format!("GET {path}"), "");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    for path in OTHER_WAYS {
        for (client, who) in [(&administrator, "the administrator"), (&stranger, "a stranger")] {
            let answer = client.send(&format!("GET {path}"), "");
            assert!([400, 404].contains(&answer.status), "{path} by {who}: {answer:?}");
        }
    }
}

/// The configurator takes any method, and answers an error with an empty 200, which a script takes for a file.
#[test]
fn todays_configurator_is_answered_by_any_method_and_errors_say_what_is_wrong() {
    let site = Site::start();
    let (administrator, stranger) = (site.administrator(), site.stranger());
    for verb in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let line = format!("{verb} /generate?target=hosts");
        let answer = administrator.send(&line, "");
        assert_eq!(answer.status, 200, "{line}: {answer:?}");
        assert!(answer.body.starts_with(r#"{"hosts":""#), "{line}: {answer:?}");
        assert_eq!(stranger.send(&line, "").status, 401, "{line}");
    }
    for line in ["GET /generate", "GET /generate?target=hots"] {
        let answer = administrator.send(line, "");
        assert!([400, 404].contains(&answer.status), "{line}: {answer:?}");
        assert!(
            answer.body.contains("hosts"),
            "{line} says what there is: {answer:?}"
        );
    }
    let status = stranger.send("GET /configurator/status", "");
    assert_eq!(status.body, r#"{"code":200,"message":"Configurator is healthy"}"#);
    let target = r#"{"name":"motd","templates":[{"contents":"V2VsY29tZQ=="}]}"#;
    assert_eq!(stranger.send("POST /targets", target).status, 401);
    let stored = administrator.send("POST /targets", target);
    assert_eq!(stored.status, 200, "{stored:?}");
    let made = administrator.send("GET /generate?target=motd", "");
    assert!(made.body.contains("Welcome"), "{made:?}");
    let plugin = administrator.send("POST /targets", r#"{"name":"x","plugin":"lib/x.so"}"#);
    assert_eq!(plugin.status, 400, "{plugin:?}");
}

/// A proxy sends the absolute form (RFC 9112, 3.2.2): its path counts, and who asks is judged as always.
#[test]
fn the_absolute_form_is_the_same_path() {
    let site = Site::start();
    let (administrator, stranger) = (site.administrator(), site.stranger());
    let line = |path: &str| format!("GET https://{}{path}", administrator.to);
    let components = line("/hsm/v2/State/Components");
    assert_eq!(administrator.send(&components, "").status, 200);
    assert_eq!(stranger.send(&components, "").status, 401);
    let dots = administrator.send(&line("/hsm/v2/../v2/State/Components"), "");
    assert_eq!(dots.status, 400, "{dots:?}");
}

/// Consoles are refused before anything is upgraded: without a token, for what is no node, and for one without a BMC.
#[test]
fn a_console_is_refused_as_http_refuses() {
    let site = Site::start();
    let (administrator, stranger) = (site.administrator(), site.stranger());
    let line = |node: &str, query: &str| format!("GET /remote-console/consoles/{node}?{query}");
    let node = line("x1000c0s0b0n0", "mode=interactive");
    assert_eq!(stranger.send_with(&node, UPGRADE, "").status, 401);
    assert_eq!(
        stranger.send(&node, "").status,
        401,
        "426 would say that there is something"
    );
    assert_eq!(administrator.send(&node, "").status, 426);
    assert_eq!(administrator.send_with(&node, UPGRADE, "").status, 404);
    let no_node = line("x1000c0s0b0", "mode=interactive");
    assert_eq!(administrator.send_with(&no_node, UPGRADE, "").status, 400);
    let tail = administrator.send_with(
        &line("x1000c0s0b0n0", "mode=tail&follow=false&lines=100"),
        UPGRADE,
        "",
    );
    assert_eq!(tail.status, 400);
    assert!(tail.body.contains("follow=true"), "it says what to do: {tail:?}");
    let elsewhere = format!("{UPGRADE}Origin: https://evil.example\r\n");
    assert_eq!(administrator.send_with(&node, &elsewhere, "").status, 403);
}
