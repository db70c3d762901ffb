//! Access tokens of the provider, as today's OpenCHAMI gives out its own: off unless an audience is named, and closed when the
//! provider has been away for longer than it was said.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::idp::Idp;
use crate::site::{Site, with_claim};

/// A token of the provider for its client `machine`, audience `openchami`, scope `smd.read`.
pub(crate) fn token_of(idp: &Idp) -> String {
    let form = "grant_type=client_credentials&resource=urn:openchami&scope=smd.read";
    let basic = STANDARD.encode("machine:machine");
    let mut stream = TcpStream::connect(idp.address()).unwrap();
    write!(
        stream,
        "POST /token HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {basic}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        idp.address(),
        form.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_providers_tokens_count_where_they_are_named_and_while_it_answers() {
    let site = Site::start(1);
    let test = "a_providers_tokens_count_where_they_are_named_and_while_it_answers";
    let Some(mut idp) = Idp::start(test, &site) else {
        return;
    };
    site.give("machines", "viewer", "user/machine");
    let token = token_of(&idp);
    assert_eq!(site.final_status(1, &token), 401, "nobody knows its issuer");
    // machines have no user name
    let by_sub = ["--user-claim", "sub"];
    idp.put(&site, &by_sub);
    assert_eq!(
        site.final_status(1, &token),
        401,
        "logins are one thing, tokens another"
    );
    idp.put(
        &site,
        &[&by_sub[..], &["--accept-access-tokens-for", "smd"]].concat(),
    );
    assert_eq!(site.final_status(1, &token), 401, "it is for another audience");

    idp.put(
        &site,
        &[
            "--user-claim",
            "sub",
            "--accept-access-tokens-for",
            "openchami",
            "--keys-max-age-s",
            "30",
        ],
    );
    assert_eq!(site.final_status(1, &token), 200);
    let written = site
        .bearing(&token)
        .send(site.ip(1), "POST", "/hsm/v2/groups", r#"{"label":"mine"}"#);
    assert_eq!(written.status, 403, "{written:?}");
    for (name, value) in [
        ("sub", "token/admin"),
        ("sub", "ada"),
        ("scope", "*.*"),
        ("aud", "smd"),
    ] {
        assert_eq!(
            site.final_status(1, &with_claim(&token, name, value.into())),
            401,
            "{name}"
        );
    }

    // its last keys count for thirty seconds, then nothing of it does
    idp.stop();
    assert_eq!(site.status(1, &token), 200);
    let stopped = Instant::now();
    site.until("it is closed", || site.status(1, &token) == 503);
    assert!(
        stopped.elapsed() < Duration::from_secs(45),
        "{:?}",
        stopped.elapsed()
    );
    idp.run();
    site.until("it is open again", || site.status(1, &token) == 200);
}
