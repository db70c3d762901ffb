//! A URI of the node port -> gateway -> guard -> boot script, cloud-init data, boot file or loader, all of it the real
//! code. The first byte picks where the URI begins, the rest is the stranger's; a second line is a `Range` header.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

use bytes::Bytes;
use gateway::{Gateway, Options};
use http::header::{CONTENT_RANGE, LOCATION, RANGE};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use rpc::{Caller, Guard, Identity, Rules};
use tokio::runtime::Runtime;
use tower::Layer as _;

#[path = "../../crates/bss/tests/bss/common/mod.rs"]
mod common;
#[path = "folder.rs"]
mod folder;

const BEGINNINGS: [&str; 11] = [
    "/boot/v1/bootscript?mac=",
    "/boot/v1/bootscript?",
    "/apis/bss/boot/v1/bootscript?name=",
    "/cloud-init/",
    "/cloud-init/b/",
    "/cloud-init/meta-data?",
    "/",
    "",
    "/files/",
    "/files/far",
    "/loaders/",
];
/// The only node with boot parameters: its NID, name and MAC.
const NID: u64 = 1;
const MAC_DIGITS: &str = "020000000001";
/// In its script and in no other.
const KERNEL: &str = "http://i/020000000001/k";
/// How the lines of a script may begin (crates/bss/src/ipxe.rs); anything else was put in by somebody.
const COMMANDS: [&str; 8] = [
    "#!ipxe",
    "kernel --name kernel ",
    "initrd --name initrd ",
    "boot || goto ",
    ":boot_retry",
    "sleep ",
    "chain http://",
    "exit",
];

struct World {
    runtime: Runtime,
    gateway: Gateway,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let gateway = runtime.block_on(gateway());
        World { runtime, gateway }
    })
}

/// The services of a member behind the guard, over a store in memory.
async fn gateway() -> Gateway {
    let store = common::seeded().await;
    common::put(&store, "02:00:00:00:00:01", "console=ttyS0").await;
    let config = common::config(bss::RetryDelay::from_seconds(0));
    let cloud_init = cloud_init::Config {
        urls: config.urls.clone(),
        timeline: Default::default(),
    };
    let mut routes = tonic::service::RoutesBuilder::default();
    let tokens = common::tokens();
    bss::add_services(&mut routes, &store, &config, &tokens);
    cloud_init::add_services(&mut routes, &store, &cloud_init, &tokens);
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).expect("our own descriptor");
    let mut options = Options {
        files: Some(folder::boot_files(&store)),
        loaders: folder::loaders(),
        ..Options::default()
    };
    // every input is the same node's, and as many as there are in a second are to be looked at
    options.nodes.requests_per_address = None;
    let guard = Guard::new(rules, None, std::sync::Arc::new(store));
    Gateway::new(proto::DESCRIPTOR, guard.layer(routes.routes()), options).expect("our own routes")
}

/// The node at 10.97.3.1, on the service address.
fn caller() -> Caller {
    let at = |address: [u8; 4], port| SocketAddr::new(IpAddr::V4(Ipv4Addr::from(address)), port);
    let peer = at([10, 97, 3, 1], 40_000);
    Caller {
        identity: Identity::Node { address: peer.ip() },
        peer: Some(peer),
        local: Some(at([10, 97, 0, 1], 8081)),
    }
}

/// One input; panics where the answer is wrong.
pub(crate) fn run(input: &[u8]) {
    let [beginning, rest @ ..] = input else { return };
    let beginning = BEGINNINGS[usize::from(*beginning) % BEGINNINGS.len()];
    let mut lines = rest.splitn(2, |byte| *byte == b'\n');
    let rest = lines.next().unwrap_or_default();
    let Ok(uri) = http::Uri::try_from([beginning.as_bytes(), rest].concat()) else {
        return; // hyper has refused it
    };
    let path = uri.path().to_owned();
    let query = uri.query().unwrap_or_default().to_owned();
    let mut request = http::Request::get(uri)
        .body(Full::<Bytes>::default())
        .expect("a request");
    if let Some(Ok(range)) = lines.next().map(HeaderValue::from_bytes) {
        request.headers_mut().insert(RANGE, range);
    }
    let World { runtime, gateway } = world();
    let (status, headers, body) = runtime.block_on(async {
        let (parts, body) = gateway.answer_node(caller(), request).await.into_parts();
        (
            parts.status.as_u16(),
            parts.headers,
            body.collect().await.expect("a body").to_bytes(),
        )
    });
    assert_ne!(status, 500, "{path}?{query}: {body:?}");
    match headers.get(LOCATION) {
        Some(location) => check_redirect(&path, &query, status, location),
        None => assert!(!(300..400).contains(&status), "{path}: {status} without a place"),
    }
    if path.contains("/files/") || path.contains("/loaders/") {
        check_file(&path, status, &headers, &body);
    }
    if path.ends_with("/boot/v1/bootscript") && status == 200 {
        check_script(&query, &body);
    }
}

/// Only a file is elsewhere, only at another member, under the name that was asked for, and never twice.
fn check_redirect(path: &str, query: &str, status: u16, location: &HeaderValue) {
    let location = location.to_str().expect("a place is text");
    let rest = location
        .strip_prefix(folder::OTHER_MEMBER)
        .expect("another member's port, and nowhere else");
    let to = rest.strip_suffix("?redirected").expect("it says so");
    let path = &ascii(path);
    assert!(
        to.starts_with("/files/") && path.trim_end_matches('/').ends_with(to),
        "{path} -> {location}"
    );
    assert_eq!(status, 307);
    assert_ne!(query, "redirected", "{path} was sent on twice");
}

/// With the bytes encoded that no URI has.
fn ascii(path: &str) -> String {
    let encoded = |byte: u8| match byte.is_ascii() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    path.bytes().map(encoded).collect()
}

/// What is sent are a file's own bytes, or that part of them that the answer says.
fn check_file(path: &str, status: u16, headers: &HeaderMap, body: &[u8]) {
    match status {
        200 => assert!(folder::is_served(body), "{path}: {body:?}"),
        206 => {
            let part = headers[CONTENT_RANGE].to_str().expect("a range is text");
            assert!(folder::is_served_part(part, body), "{path}: {part} {body:?}");
        }
        _ => assert!(status >= 300, "{path}: {status}"),
    }
}

/// A script that iPXE reads as it was meant, for the node that was asked for.
fn check_script(query: &str, body: &[u8]) {
    let script = std::str::from_utf8(body).expect("a script is text");
    if script.starts_with('{') {
        return; // `json=1`
    }
    assert!(
        !script.contains(|c: char| c.is_control() && c != '\n'),
        "{script:?}"
    );
    for line in script.lines().filter(|line| !line.is_empty()) {
        assert!(
            COMMANDS.iter().any(|command| line.starts_with(command)),
            "{query}: {line:?} in {script:?}"
        );
    }
    if script.contains(KERNEL) {
        assert!(
            names_the_node(query),
            "{query} got the script of another node: {script:?}"
        );
    }
}

/// Whether any value of the query is the known node's MAC, name or NID, in any spelling.
fn names_the_node(query: &str) -> bool {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .any(|(_, value)| {
            let text = decoded(value).to_ascii_lowercase();
            let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
            digits == MAC_DIGITS
                || without_leading_zeros(&text).contains(&common::xname(0))
                || text.trim().parse() == Ok(NID)
        })
}

/// `x0c0s0b00n0` is `x0c0s0b0n0`, as SMD has it.
fn without_leading_zeros(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let begins = !kept.ends_with(|before: char| before.is_ascii_digit());
        if c != '0' || !begins || !rest.peek().is_some_and(char::is_ascii_digit) {
            kept.push(c);
        }
    }
    kept
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        (bytes, rest) = match (first, hex) {
            (b'%', Some(byte)) => ([bytes, vec![byte]].concat(), &after[2..]),
            (other, _) => ([bytes, vec![*other]].concat(), after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
