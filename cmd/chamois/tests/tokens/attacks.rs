//! Tokens of attackers. That claims of another form are refused though the signature is right, the units of `auth` show, where a key
//! is at hand to sign them with.

use std::net::TcpListener;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use crate::common::files;
use crate::oauth::header_of;
use crate::site::{COMPONENTS, Site, json as body, with_claim};

fn part(value: &Value) -> String {
    B64.encode(value.to_string())
}

/// The token with another header and, if given, another signature.
fn with_header(token: &str, header: &Value, signature: Option<&[u8]>) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let signature = signature.map_or_else(|| parts[2].to_owned(), |bytes| B64.encode(bytes));
    format!("{}.{}.{signature}", part(header), parts[1])
}

struct Attack {
    site: Site,
    api: String,
    token: String,
}

impl Attack {
    fn prepare() -> Attack {
        let site = Site::start(1);
        site.give("site", "viewer", "service/cron");
        let (_, api) = site.api_token("service/cron", &["smd.read"]);
        let token = site.access_token(1, &api);
        assert_eq!(site.status(1, &token), 200);
        Attack { site, api, token }
    }

    fn refused(&self, what: &str, token: &str) {
        assert_eq!(self.site.final_status(1, token), 401, "{what}: {token}");
    }
}

/// `alg` is what the attacker says; the key says what it is for.
#[test]
fn the_header_decides_nothing() {
    let attack = Attack::prepare();
    let token = &attack.token;
    let right = header_of(token);
    let kid = right["kid"].clone();
    for alg in ["none", "None", "nOnE", "HS256", "RS256", "ES384", "EdDSA", ""] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid});
        attack.refused(alg, &with_header(token, &header, None));
        attack.refused(alg, &with_header(token, &header, Some(b"")));
    }
    // HS256 with what is published as the secret, in each form that a library might take
    let keys = attack
        .site
        .as_nobody()
        .send(attack.site.ip(1), "GET", "/keys", "");
    let key = body(&keys)["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == kid)
        .unwrap()
        .clone();
    let x = B64.decode(key["x"].as_str().unwrap()).unwrap();
    let y = B64.decode(key["y"].as_str().unwrap()).unwrap();
    let point = [&[4][..], &x, &y].concat();
    for secret in [point.as_slice(), &x, key.to_string().as_bytes(), b""] {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": kid});
        let unsigned = with_header(token, &header, Some(b""));
        let message = unsigned.trim_end_matches('.');
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        attack.refused("HS256", &with_header(token, &header, Some(tag.as_ref())));
    }
    for typ in ["JWT", "", "at+jwt;", "dpop+jwt"] {
        let header = json!({"alg": "ES256", "typ": typ, "kid": kid});
        attack.refused(typ, &with_header(token, &header, None));
    }
    attack.refused(
        "no kid",
        &with_header(token, &json!({"alg": "ES256", "typ": "at+jwt"}), None),
    );
    assert_eq!(
        attack.site.status(1, token),
        200,
        "the token itself is good still"
    );
}

/// A key that the token brings along, or names, is nobody's.
#[test]
fn no_key_is_fetched_or_believed() {
    let attack = Attack::prepare();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let own = auth::SigningPair::generate().unwrap();
    let kid = header_of(&attack.token)["kid"].clone();
    let claims = auth::AccessClaims {
        iss: "urn:chamois:test".into(),
        sub: "service/cron".into(),
        aud: "urn:chamois:test:api".into(),
        exp: 4_000_000_000,
        ..auth::AccessClaims::default()
    };
    let forged = own.sign(&claims).unwrap();
    attack.refused("a stranger's key", &forged);
    let jwk = auth::PublicJwk::of(&own.public_key()).unwrap();
    let jwk = serde_json::to_value(&jwk).unwrap();
    for (name, value) in [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("jwk", jwk),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["b64"])),
    ] {
        for kid in [json!(own.id()), kid.clone(), json!(url)] {
            let mut header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
            header[name] = value.clone();
            attack.refused(name, &with_header(&forged, &header, None));
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(
        listener.accept().is_err(),
        "a member has asked the attacker for a key"
    );
}

#[test]
fn ids_of_keys_are_texts_and_nothing_else() {
    let attack = Attack::prepare();
    for kid in [
        json!("../../../etc/passwd"),
        json!("/dev/null"),
        json!("' OR '1'='1"),
        json!("http://169.254.169.254/latest"),
        json!("k".repeat(5000)),
        json!(""),
        json!(["a"]),
        json!(null),
        json!(1),
    ] {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
        attack.refused("kid", &with_header(&attack.token, &header, None));
    }
}

#[test]
fn no_claim_can_be_changed_and_nothing_be_cut_or_added() {
    let attack = Attack::prepare();
    let token = &attack.token;
    for (name, value) in [
        ("sub", json!("token/admin")),
        ("sub", json!("user/../admin")),
        ("exp", json!(4_000_000_000_u64)),
        ("exp", json!("4000000000")),
        ("scope", json!("*.*")),
        ("aud", json!(["urn:chamois:test:api"])),
        ("groups", json!(["admins"])),
    ] {
        attack.refused(name, &with_claim(token, name, value));
    }
    let (message, signature) = token.rsplit_once('.').unwrap();
    for wrong in [
        format!("{message}."),
        message.to_owned(),
        format!("{message}.{}", &signature[1..]),
        format!("{token}."),
        format!("{token}=="),
        format!("{message}.{}", B64.encode([0; 64])),
        format!("cht_{}", "0".repeat(60)),
        attack.api.replace("cht_", "chr_"),
        attack.api[..attack.api.len() - 2].to_owned(),
    ] {
        attack.refused("cut", &wrong);
    }
}

/// One of two may be what a proxy passes on and an attacker has set.
#[test]
fn headers_that_name_somebody_are_read_by_nobody() {
    let attack = Attack::prepare();
    let site = &attack.site;
    for headers in [
        "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n",
        "X-Forwarded-User: admin\r\nX-Remote-User: admin\r\nRemote-User: admin\r\n",
        "Cookie: access_token=x; session=y\r\n",
        "Authorization: Basic YWRtaW46YWRtaW4=\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: bearer \r\n",
    ] {
        let answer = site
            .as_nobody()
            .send_with(site.ip(1), "GET", COMPONENTS, headers, "");
        assert_eq!(answer.status, 401, "{headers}: {answer:?}");
    }
    let in_query = format!("{COMPONENTS}?access_token={}", attack.token);
    assert_eq!(
        site.as_nobody().send(site.ip(1), "GET", &in_query, "").status,
        401
    );
}

/// It is refused before anybody decodes it, and the member goes on. A megabyte does not get past the limit of headers.
#[test]
fn tokens_that_are_too_long_cost_nothing() {
    let attack = Attack::prepare();
    let long = format!("{}.{}", attack.token, "A".repeat(9 * 1024));
    assert_eq!(attack.site.status(1, &long), 401);
    assert_eq!(attack.site.status(1, &attack.token), 200);
}

/// Another cluster's key has signed what another cluster's members accept.
#[test]
fn a_token_of_another_cluster_is_a_strangers() {
    let attack = Attack::prepare();
    let other = Site::start(1);
    other.give("site", "viewer", "service/cron");
    let (_, api) = other.api_token("service/cron", &["smd.read"]);
    let token = other.access_token(1, &api);
    attack.refused("access token", &token);
    attack.refused("API token", &api);
    assert_eq!(other.status(1, &token), 200);
}

/// What opens something is in no log line, whatever became of it.
#[test]
fn no_log_has_a_token() {
    let attack = Attack::prepare();
    attack.refused("cut", &attack.token[..attack.token.len() - 4]);
    let asked = json!({"grant_type": "refresh_token", "refresh_token": "chr_0123456789abcdef_c4n4ry"});
    let site = &attack.site;
    site.as_nobody()
        .send(site.ip(1), "POST", "/oauth2/token", &asked.to_string());
    let log = site.members[0].as_ref().unwrap().log();
    let signature = attack.token.rsplit_once('.').unwrap().1;
    for secret in [&attack.api[21..], signature, "c4n4ry"] {
        assert!(!log.contains(secret), "{secret}");
    }
}

/// Who reads a member's disk or a snapshot has nothing to show.
#[test]
fn no_file_has_a_token() {
    let attack = Attack::prepare();
    let folder = attack.site.single.dir.path();
    let snapshot = folder.join("all.snap");
    let saved = attack
        .site
        .single
        .ask(&["snapshot", "save", snapshot.to_str().unwrap()]);
    assert_eq!(saved.0, 0, "{saved:?}");
    let text = attack.api.as_bytes()[21..].to_vec();
    let bytes = B64.decode(&text).unwrap();
    let digest = auth::secret_digest(&bytes).to_vec();
    let mut has_digest = false;
    for file in [files(&folder.join("data-1")), vec![snapshot]].concat() {
        let content = std::fs::read(&file).unwrap_or_default();
        let has = |wanted: &[u8]| content.windows(wanted.len()).any(|part| part == wanted);
        assert!(!has(&text) && !has(&bytes), "{}", file.display());
        has_digest |= has(&digest);
    }
    assert!(has_digest, "nothing that was looked at knows of the token");
}
