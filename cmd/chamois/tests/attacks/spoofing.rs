//! Headers that name somebody. Today's cloud-init server takes the first address of `X-Forwarded-For` for the node that asks,
//! BSS the last, and tokensmith lets `X-Real-IP: 127.0.0.1` at its administration.

use crate::common::routes::routes;
use crate::common::two_nodes::{NODE, SCRIPT};
use crate::site::{CANARY, Site};

/// Every header that some server takes for the caller, with the address or name in its place.
fn spoofed(address: &str) -> Vec<String> {
    let mut headers: Vec<String> = [
        "X-Forwarded-For",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "X-Originating-IP",
        "X-Remote-Addr",
        "X-Remote-IP",
        "X-Host",
        "X-Forwarded-Host",
        "True-Client-IP",
        "CF-Connecting-IP",
        "Fastly-Client-IP",
        "Client-IP",
        "WL-Proxy-Client-IP",
        "X-Forwarded-User",
        "Remote-User",
        "X-Chamois-Peer",
        "Chamois-Peer",
    ]
    .iter()
    .map(|name| format!("{name}: {address}\r\n"))
    .collect();
    headers.push(format!("Forwarded: for={address};proto=https\r\n"));
    headers.push(format!("X-Forwarded-For: {address}, 10.0.0.1\r\n"));
    headers.push(format!("X-Forwarded-For: 10.0.0.1, {address}\r\n"));
    headers.push(format!("X-Forwarded-For: ::ffff:{address}\r\n"));
    headers.push(headers.concat());
    headers
}

/// The PROXY protocol is one more way to name a caller; nobody has asked for it here.
fn in_front(address: &str, path: &str) -> [Vec<u8>; 2] {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    let octets: Vec<u8> = address.split('.').map(|octet| octet.parse().unwrap()).collect();
    binary.extend(octets);
    binary.extend([127, 0, 0, 1, 0x10, 0, 0x1F, 0x91]);
    binary.extend(request.as_bytes());
    [
        format!("PROXY TCP4 {address} 127.0.0.1 4096 8081\r\n{request}").into_bytes(),
        binary,
    ]
}

/// On every route that nodes have, from an address that is nobody's and from that of another node: nothing of the node.
#[test]
fn no_header_makes_a_caller_somebody_else_on_any_boot_route() {
    let site = Site::start(1, false);
    let own = "/cloud-init/own.yaml";
    let (status, answer) = site.get(site.node(1), own, "");
    assert!(
        status == 200 && answer.contains(CANARY),
        "the node itself: {answer}"
    );
    let all = routes().into_iter();
    let of_nodes = all.filter(|route| route.verb == "GET" && route.is_for_nodes());
    let mut routes: Vec<String> = of_nodes.map(|route| route.path_of(NODE)).collect();
    assert!(routes.len() > 5, "{routes:?}: is the descriptor still read?");
    routes.push(own.to_owned());
    routes.push(SCRIPT.to_owned());
    let node = site.node(1).to_string();
    for from in [site.node(2), site.node(7)] {
        for path in &routes {
            for headers in spoofed(&node) {
                let (status, answer) = site.get(from, path, &headers);
                assert_ne!(status, 0, "{path}: no answer");
                assert!(!answer.contains(CANARY), "{path} with {headers}: {answer}");
            }
            for bytes in in_front(&node, path) {
                let answer = site.say(from, &bytes);
                assert!(!answer.contains(CANARY), "{path}: {answer}");
            }
        }
        let (status, _) = site.get(from, own, &format!("X-Forwarded-For: {node}\r\n"));
        assert!((400..500).contains(&status), "{status}");
    }
}

/// Nor does one take from the node what is its own.
#[test]
fn a_node_stays_itself_whatever_its_headers_say() {
    let site = Site::start(1, false);
    let other = site.node(2).to_string();
    for headers in spoofed(&other) {
        let (status, answer) = site.get(site.node(1), "/cloud-init/own.yaml", &headers);
        assert!(status == 200 && answer.contains(CANARY), "{headers}: {answer}");
    }
}

/// What only administrators may do is not to be had from loopback or by a name, on either port.
#[test]
fn no_header_makes_an_administrator() {
    let site = Site::start(1, false);
    for headers in spoofed("127.0.0.1").into_iter().chain(spoofed("admin")) {
        for path in ["/cloud-init/admin/groups", "/hsm/v2/State/Components", "/metrics"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
            let answer = site.say_over_tls(request.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 401"), "{path} {headers}: {answer}");
            let (status, answer) = site.get(site.node(1), path, &headers);
            assert_eq!(status, 404, "{path} {headers}: {answer}");
        }
    }
}
