//! One request in the body of another: where a proxy and the member do not agree on where the first ends, the second is
//! somebody else's (RFC 9112, 11.2).

use crate::common::http::status_of;
use crate::common::two_nodes::{NODE, OTHER};
use crate::site::Site;

/// Over TLS and with the token of an administrator, as a proxy in front would pass it on.
#[test]
fn no_request_is_made_by_the_body_of_another() {
    let site = Site::start(1, false);
    let token = site.single.token();
    let identity = format!("Host: x\r\nAuthorization: Bearer {token}\r\n");
    let smuggled = format!("DELETE /hsm/v2/State/Components/{OTHER} HTTP/1.1\r\n{identity}\r\n");
    let length = smuggled.len() + 5;
    for framing in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: {length}\r\n"),
        format!("Transfer-Encoding: xchunked\r\nContent-Length: {length}\r\n"),
        format!("Transfer-Encoding : chunked\r\nContent-Length: {length}\r\n"),
        format!("Transfer-Encoding:\u{b}chunked\r\nContent-Length: {length}\r\n"),
        format!("X: a\nTransfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: 5\r\nContent-Length: {length}\r\n"),
        "Content-Length: 5, 5\r\n".to_owned(),
        "Content-Length: 0x5\r\n".to_owned(),
    ] {
        let first = format!("POST /hsm/v2/State/Components HTTP/1.1\r\n{identity}{framing}\r\n0\r\n\r\n");
        let answer = site.say_over_tls(format!("{first}{smuggled}").as_bytes());
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{framing:?}: {answer}");
        for node in [NODE, OTHER] {
            let there = site.admin("GET", &format!("/hsm/v2/State/Components/{node}"), "");
            assert_eq!(there.status, 200, "{framing:?}: {there:?}");
        }
    }
}

#[test]
fn a_request_is_for_one_host_on_both_ports() {
    let site = Site::start(1, false);
    let request = "GET /readyz HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n";
    for answer in [
        site.say(site.node(3), request.as_bytes()),
        site.say_over_tls(request.as_bytes()),
    ] {
        assert_eq!(status_of(&answer), Some(400), "{answer}");
        assert!(answer.contains("Host is there twice"), "{answer}");
    }
}
