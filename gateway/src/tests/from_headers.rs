//! Credentials that OAuth's clients send as a header.

use prost::Message as _;
use proto::auth::v1::{ApproveDeviceRequest, CallbackRequest, GetMetadataRequest, TokenRequest};
use proto::google::api::HttpBody;

use super::{Fake, Got, answer, gateway, send};
use crate::Options;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BASIC: &str = "Basic YTpi";

async fn ask(verb: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> (Got, Fake) {
    let fake = Fake::new();
    fake.will_answer(answer(&HttpBody::default()));
    let got = send(
        &gateway(&fake, Options::default()),
        verb,
        uri,
        headers,
        body.to_owned(),
    )
    .await;
    (got, fake)
}

async fn token_request(uri: &str, headers: &[(&str, &str)], body: &str) -> TokenRequest {
    let (got, fake) = ask("POST", uri, headers, body).await;
    assert_eq!(got.status, 200, "{got:?}");
    TokenRequest::decode(fake.one_asked().message).unwrap()
}

#[tokio::test]
async fn the_header_fills_its_field_on_each_of_the_routes() {
    let headers = [FORM, ("authorization", BASIC)];
    for uri in ["/oauth2/token", "/oauth/token", "/token"] {
        let asked = token_request(
            uri,
            &headers,
            "grant_type=client_credentials&scope=smd.read+bss.read",
        )
        .await;
        assert_eq!(asked.authorization, BASIC, "{uri}");
        assert_eq!(
            (asked.grant_type.as_str(), asked.scope.as_str()),
            ("client_credentials", "smd.read bss.read")
        );
    }
}

/// A query ends up in logs of proxies, a body in what a page may post: only the header is the header.
#[tokio::test]
async fn nothing_else_fills_it() {
    let asked = token_request(
        "/oauth2/token?authorization=Basic+x",
        &[FORM],
        "authorization=Basic+x&scope=a",
    )
    .await;
    assert_eq!((asked.authorization.as_str(), asked.scope.as_str()), ("", "a"));
    let json = r#"{"authorization": "Basic x", "scope": "a"}"#;
    let asked = token_request("/oauth2/token", &[("content-type", "application/json")], json).await;
    assert_eq!((asked.authorization.as_str(), asked.scope.as_str()), ("", "a"));
}

/// Of two, one may be what a proxy or an attacker has added.
#[tokio::test]
async fn two_headers_are_refused() {
    let twice = [FORM, ("authorization", BASIC), ("authorization", "Basic x")];
    let (got, fake) = ask("POST", "/oauth2/token", &twice, "scope=a").await;
    assert_eq!(got.status, 400);
    assert!(got.detail().starts_with("authorization: one header"), "{got:?}");
    assert!(fake.take_asked().is_empty());
}

/// HTTP/1.1 says it as a header, HTTP/2 in the URI.
#[tokio::test]
async fn the_host_is_that_of_the_request() {
    let path = "/.well-known/openid-configuration";
    let host = async |uri: &str, headers: &[(&str, &str)]| {
        let (got, fake) = ask("GET", uri, headers, "").await;
        assert_eq!(got.status, 200, "{got:?}");
        GetMetadataRequest::decode(fake.one_asked().message).unwrap().host
    };
    assert_eq!(host(path, &[("host", "admin1:8443")]).await, "admin1:8443");
    assert_eq!(
        host(&format!("https://admin2:8443{path}"), &[]).await,
        "admin2:8443"
    );
    assert_eq!(host(&format!("{path}?host=evil"), &[]).await, "");
}

/// Browsers send each cookie in a header of its own over HTTP/2; there is still one `Cookie`.
#[tokio::test]
async fn cookies_in_several_headers_are_one() {
    let cookies = [("cookie", "a=b"), ("cookie", "chamois-login=x")];
    let (got, fake) = ask("GET", "/oidc/callback?code=c&state=s&cookie=evil", &cookies, "").await;
    assert_eq!(got.status, 200, "{got:?}");
    let asked = CallbackRequest::decode(fake.one_asked().message).unwrap();
    assert_eq!(
        (asked.code.as_str(), asked.cookie.as_str()),
        ("c", "a=b; chamois-login=x")
    );
}

/// A browser's form says whose page it is on; a form cannot say so itself.
#[tokio::test]
async fn the_origin_is_the_browsers_to_say() {
    let form = "user_code=BCDF-GHJK&origin=https%3A%2F%2Fevil&host=evil";
    let (got, fake) = ask("POST", "/device", &[FORM, ("origin", "https://m1:8443")], form).await;
    assert_eq!(got.status, 200, "{got:?}");
    let asked = ApproveDeviceRequest::decode(fake.one_asked().message).unwrap();
    assert_eq!(
        (
            asked.user_code.as_str(),
            asked.origin.as_str(),
            asked.host.as_str()
        ),
        ("BCDF-GHJK", "https://m1:8443", "")
    );
}
