//! The routes that OAuth's clients, OPAAL's and tokensmith's use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::common::{chamois, outcome};
use crate::site::{Site, json as body};

/// OPAAL's `/token` gave one to whoever came by; here every way to one is tried without anything.
#[test]
fn nobody_gets_a_token_for_nothing() {
    let site = Site::start(1);
    let ask = |method: &str, path: &str, body: &str| site.as_nobody().send(site.ip(1), method, path, body);
    for (method, path, body) in [
        ("GET", "/token", ""),
        ("POST", "/token", "{}"),
        ("POST", "/oauth/token", "{}"),
        (
            "POST",
            "/oauth2/token",
            r#"{"grant_type":"client_credentials","client_id":"openchami","client_secret":"openchami"}"#,
        ),
    ] {
        let answer = ask(method, path, body);
        assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
    }
    assert!(ask("GET", "/token", "").body.contains("chamois login"));
    for (method, path) in [
        ("POST", "/oauth/exchange"),
        ("POST", "/oauth2/introspect"),
        ("GET", "/chamois/v1/api-tokens"),
    ] {
        assert_eq!(
            ask(method, path, if method == "POST" { "{}" } else { "" }).status,
            401,
            "{path}"
        );
    }
}

/// The way from a machine's secret to a read, as a client that knows nothing but the host finds it.
#[test]
fn a_client_finds_its_way_by_the_metadata() {
    let site = Site::start(1);
    site.give("site", "viewer", "service/prometheus");
    let (_, secret) = site.api_token("service/prometheus", &["smd.read"]);
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let metadata = body(&site.as_nobody().send(site.ip(1), "GET", path, ""));
        assert_eq!(metadata["issuer"], "urn:chamois:test");
        assert_eq!(metadata["jwks_uri"], format!("https://{}:8443/keys", site.ip(1)));
    }
    let basic = STANDARD.encode(format!("prometheus:{secret}"));
    let headers = format!("Authorization: Basic {basic}\r\n");
    let asked = r#"{"grant_type":"client_credentials","scope":"openid smd.read"}"#;
    let answer = site
        .as_nobody()
        .send_with(site.ip(1), "POST", "/oauth2/token", &headers, asked);
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = body(&answer);
    assert_eq!(
        (&answer["scope"], &answer["expires_in"]),
        (&json!("smd.read"), &json!(600))
    );
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(site.status(1, token), 200);
    // whose key is published
    let kid = header_of(token)["kid"].clone();
    for path in ["/keys", "/.well-known/jwks.json"] {
        let keys = body(&site.as_nobody().send(site.ip(1), "GET", path, ""));
        assert!(
            keys["keys"]
                .as_array()
                .unwrap()
                .iter()
                .any(|key| key["kid"] == kid),
            "{keys}"
        );
    }
    let asked = json!({"token": token}).to_string();
    let said = body(
        &site
            .bearing(token)
            .send(site.ip(1), "POST", "/oauth2/introspect", &asked),
    );
    assert_eq!(
        (&said["active"], &said["sub"]),
        (&json!(true), &json!("service/prometheus"))
    );
}

/// Not reads alone: the log looks for what an access token was made of, and an API token is no login.
#[test]
fn an_access_token_of_an_api_token_writes() {
    let site = Site::start(1);
    site.give("site", "operator", "service/cron");
    let (id, api) = site.api_token("service/cron", &["smd.*"]);
    let access = site.access_token(1, &api);
    let make = |token: &str, label: &str| {
        let group = json!({"label": label, "members": {"ids": []}}).to_string();
        site.bearing(token)
            .send(site.ip(1), "POST", "/hsm/v2/groups", &group)
    };
    for (token, label) in [(&api, "by-api-token"), (&access, "by-access-token")] {
        let made = make(token, label);
        assert_eq!(made.status, 201, "{label}: {made:?}");
    }
    let narrower = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": access,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "scope": "smd.write",
    });
    let exchanged = site
        .as_nobody()
        .send(site.ip(1), "POST", "/oauth2/token", &narrower.to_string());
    let exchanged = body(&exchanged)["access_token"].as_str().unwrap().to_owned();
    assert_eq!(make(&exchanged, "by-exchanged").status, 201);
    assert_eq!(site.single.ask(&["token", "delete", &id]).0, 0);
    assert_eq!(make(&access, "by-nobody").status, 401);
    assert_eq!(make(&exchanged, "by-nobody").status, 401);
}

/// A token is for what its principal has and for what it names, both.
#[test]
fn neither_policies_nor_scopes_give_more_than_both() {
    let site = Site::start(1);
    site.give("site", "viewer", "service/cron");
    let (_, all) = site.api_token("service/cron", &["*.*"]);
    let (_, other) = site.api_token("service/cron", &["bss.read"]);
    let (_, nobodys) = site.api_token("service/nobody", &["*.*"]);
    assert_eq!(site.status(1, &all), 200);
    let write = site.bearing(&all).send(
        site.ip(1),
        "POST",
        "/hsm/v2/groups",
        r#"{"label":"g","members":{"ids":[]}}"#,
    );
    assert_eq!(write.status, 403, "{write:?}");
    assert_eq!((site.status(1, &other), site.status(1, &nobodys)), (403, 403));
    // tokensmith's exchange gave whatever scope was named
    let asked = r#"{"scope":["*.*","smd.write"],"target_service":"smd"}"#;
    let wider = site
        .bearing(&other)
        .send(site.ip(1), "POST", "/oauth/exchange", asked);
    assert_eq!(
        (wider.status, body(&wider)["error"].clone()),
        (400, json!("invalid_scope"))
    );
    let same = site
        .bearing(&other)
        .send(site.ip(1), "POST", "/oauth/exchange", "{}");
    assert_eq!(body(&same)["scope"], "bss.read");
    // nor does a token make another one that is wider
    let asked = r#"{"permissions":["smd.read"]}"#;
    let made = site
        .bearing(&other)
        .send(site.ip(1), "POST", "/chamois/v1/api-tokens", asked);
    assert_eq!(made.status, 403, "{made:?}");
}

/// The commands of people and scripts.
#[test]
fn the_command_line_makes_lists_exports_and_deletes() {
    let site = Site::start(1);
    site.give("site", "viewer", "service/cron");
    let file = site.single.dir.path().join("cron.token");
    let file = file.to_str().unwrap();
    let (code, out, err) = site.single.ask(&[
        "token",
        "create",
        "smd.read",
        "--for",
        "service/cron",
        "--out",
        file,
    ]);
    assert_eq!(code, 0, "{err}");
    let token = std::fs::read_to_string(file).unwrap();
    assert!(token.starts_with("cht_") && !out.contains(&token), "{out}");
    let id = &token[4..20];
    let (_, out, _) = site.single.ask(&["token", "list"]);
    assert!(
        out.contains(id) && out.contains("service/cron") && !out.contains(&token),
        "{out}"
    );
    let mut target = site.single.client_args();
    file.clone_into(&mut target[5]);
    let mut export: Vec<&str> = vec!["token", "--export", "my-site"];
    export.extend(target.iter().map(String::as_str));
    let (code, out, err) = outcome(&chamois(&export));
    assert_eq!(code, 0, "{err}");
    let exported = out.trim().strip_prefix("export MY_SITE_ACCESS_TOKEN=").unwrap();
    assert_eq!(site.status(1, exported), 200);
    let (code, out, _) = site.single.ask(&["token", "keys"]);
    assert!(
        code == 0 && out.contains("active") && out.contains("next"),
        "{out}"
    );
    assert_eq!(site.single.ask(&["token", "delete", id]).0, 0);
    assert_eq!(site.single.ask(&["token", "delete", id]).0, 3);
    assert_eq!(
        (site.final_status(1, &token), site.final_status(1, exported)),
        (401, 401)
    );
}

/// What a JWT's header says.
pub(crate) fn header_of(token: &str) -> Value {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&header).unwrap()
}
