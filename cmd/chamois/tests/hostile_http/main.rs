//! What a stranger on the boot network can do to the node port of a real member: slow, oversized and malformed HTTP,
//! and every route that is not for nodes.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "../common/mod.rs"]
mod common;
mod slow;
mod strangers;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use common::http::status_of;
use common::{Member, Single};
use socket2::{Domain, Socket, Type};

/// Nothing here takes longer, but what waits for a member's own time-out.
const BOUND: Duration = Duration::from_secs(20);
/// Longer than what the kernels of both ends buffer of an answer (4 MiB of Linux's `tcp_wmem`, and little here).
const BIG_FILE_BYTES: u64 = 16 << 20;
/// Connections that one address may have.
const CONNECTIONS_PER_ADDRESS: usize = 64;
const READY: &str = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";

/// A running member, and whom its attackers sit beside.
struct Target {
    member: Member,
    single: Single,
    /// Requests that [`Target::status`] has made.
    asked: AtomicU8,
}

impl Target {
    fn start() -> Target {
        let single = Single::prepare();
        let big = std::fs::File::create(single.files_dir(1).join("big")).unwrap();
        big.set_len(BIG_FILE_BYTES).unwrap();
        let member = single.start();
        Target {
            member,
            single,
            asked: AtomicU8::new(0),
        }
    }

    /// A connection from a loopback address of its own, so that one stranger's limit is not another's.
    fn connect_from(&self, last: u8) -> TcpStream {
        self.connect(last, None)
    }

    /// With this much room for what is not read.
    fn connect(&self, last: u8, unread_bytes: Option<usize>) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if let Some(bytes) = unread_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let source = SocketAddrV4::new(Ipv4Addr::new(127, 1, 1, last), 0);
        socket.bind(&source.into()).unwrap();
        socket.connect_timeout(&self.single.http().into(), BOUND).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_write_timeout(Some(BOUND)).unwrap();
        stream
    }

    /// Sends bytes that end the connection, one way or another, and reads to its end; what was answered.
    fn say(&self, bytes: &[u8]) -> String {
        self.say_from(1, bytes)
    }

    fn say_from(&self, last: u8, bytes: &[u8]) -> String {
        let mut stream = self.connect_from(last);
        // a member that has heard enough closes before it has read all
        let _ = stream.write_all(bytes);
        if bytes.is_empty() {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        rest_of(&mut stream)
    }

    /// One request on a connection of its own; the status. Each comes from another address: one alone may not ask so often.
    fn status(&self, verb: &str, path: &str) -> u16 {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.say_from(
            100 + asked % 100,
            format!("{verb} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                .as_bytes(),
        );
        status_of(&answer).unwrap_or_else(|| panic!("{verb} {path}: {answer:?}"))
    }

    /// Whether a request from this address is answered, and not turned away.
    fn is_answered_from(&self, last: u8) -> bool {
        let mut stream = self.connect_from(last);
        // who is turned away may learn it before or after it has said anything
        let said = stream.write_all(READY.as_bytes());
        let mut head = [0; 12];
        said.is_ok() && stream.read_exact(&mut head).is_ok() && &head == b"HTTP/1.1 200"
    }

    /// The member serves others as before, and nothing of it broke.
    fn assert_unharmed(&mut self) {
        assert!(self.is_answered_from(99));
        assert_eq!(self.member.child.try_wait().unwrap(), None);
        assert!(!self.member.log().contains("panic"), "{}", self.member.log());
    }
}

fn rest_of(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the member neither answers nor closes: {error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Every route of the descriptor: verb, path with its variables filled in, and whether nodes may use it.
fn routes() -> Vec<(&'static str, String, bool)> {
    let all = common::routes::routes();
    all.iter()
        .map(|route| (route.verb, route.path_of("x1000c0s0b0n0"), route.is_for_nodes()))
        .collect()
}

/// The port is open to every compute node and whoever sits beside it.
#[test]
fn the_node_port_offers_nothing_but_node_routes() {
    let mut target = Target::start();
    let routes = routes();
    let of_nodes: Vec<&str> = routes
        .iter()
        .filter(|(_, _, is_for_nodes)| *is_for_nodes)
        .map(|(_, path, _)| path.as_str())
        .collect();
    let mut refused = 0;
    for (verb, path, _) in routes.iter().filter(|(_, _, is_for_nodes)| !is_for_nodes) {
        for (prefix, begin) in [("", "/"), ("/apis/smd", "/hsm/v2/"), ("/apis/bss", "/boot/v1/")] {
            let status = target.status(verb, &format!("{prefix}{path}"));
            // another verb of a path that nodes have, by a name that it has: its being there is no secret
            let expected = if of_nodes.contains(&path.as_str()) && path.starts_with(begin) {
                405
            } else {
                404
            };
            assert_eq!(status, expected, "{verb} {prefix}{path}");
            refused += 1;
        }
    }
    assert!(
        refused > 150,
        "only {refused} requests: is the descriptor still read?"
    );
    for path in [
        "/metrics",
        "/livez",
        "/openapi.json",
        "/ui/",
        "/debug",
        "/",
        "/files",
        "/loaders",
    ] {
        assert_eq!(target.status("GET", path), 404, "{path}");
    }
    for path in [
        "/chamois.smd.v1.ComponentService/ListComponents",
        "/grpc.health.v1.Health/Check",
    ] {
        assert_eq!(
            target.status("POST", path),
            404,
            "{path}: gRPC is on another port"
        );
    }
    assert!(of_nodes.len() > 5, "{of_nodes:?}");
    target.assert_unharmed();
}

#[test]
fn what_is_too_large_is_refused_and_said() {
    let mut target = Target::start();
    let ended = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let cases = [
        (
            "a header of 100 KB",
            431,
            format!("GET /readyz {ended}X: {}\r\n\r\n", "a".repeat(100_000)),
        ),
        (
            "1,000 headers",
            431,
            format!("GET /readyz {ended}{}\r\n", "X: a\r\n".repeat(1000)),
        ),
        (
            "a query of 9 KB",
            414,
            format!("GET /boot/v1/bootscript?mac={} {ended}\r\n", "a".repeat(9000)),
        ),
        (
            "a body of 100 KB",
            413,
            format!(
                "POST /cloud-init/phone-home/x1000c0s0b0n0 {ended}Content-Length: 100000\r\n\r\n{}",
                "a".repeat(100_000)
            ),
        ),
        (
            "a length that no body has",
            413,
            format!("POST /cloud-init/phone-home/x1000c0s0b0n0 {ended}Content-Length: 99999999999\r\n\r\n"),
        ),
        (
            "a length that is no number",
            400,
            format!("GET /readyz {ended}Content-Length: -1\r\n\r\n"),
        ),
        ("no HTTP", 400, "\0\0\0\0 \x01\x02\r\n\r\n".to_owned()),
    ];
    for (what, expected, request) in cases {
        let answer = target.say(request.as_bytes());
        assert_eq!(status_of(&answer), Some(expected), "{what}: {answer}");
    }
    target.assert_unharmed();
}

/// A header without end: the member must not collect it, and says goodbye long before the stranger is tired.
#[test]
fn an_endless_header_is_cut_off() {
    let mut target = Target::start();
    let mut stream = target.connect_from(1);
    stream.write_all(b"GET /readyz HTTP/1.1\r\nX: ").unwrap();
    let chunk = [b'a'; 4096];
    let mut sent = 0;
    while sent < 64 << 20 && stream.write_all(&chunk).is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 64 << 20, "64 MB of one header were taken");
    target.assert_unharmed();
}

/// iPXE pipelines nothing, but whoever does gets its answers, in order, and one at a time.
#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let mut target = Target::start();
    let request = |n: usize| {
        if n.is_multiple_of(2) {
            READY.to_owned()
        } else {
            READY.replace("/readyz", "/no-such-route")
        }
    };
    let all: String = (0..200).map(request).collect();
    let last = READY.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let answer = target.say((all + &last).as_bytes());
    let statuses: Vec<u16> = answer
        .match_indices("HTTP/1.1 ")
        .filter_map(|(at, _)| status_of(&answer[at..]))
        .collect();
    let expected: Vec<u16> = (0..=200)
        .map(|n: usize| if n.is_multiple_of(2) { 200 } else { 404 })
        .collect();
    assert_eq!(statuses, expected);
    target.assert_unharmed();
}

/// Bytes of another protocol, or of no protocol.
#[test]
fn what_is_not_http_1_ends_its_connection_only() {
    let mut target = Target::start();
    let client_hello = [&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3][..], &[7; 190]].concat();
    let others: [&[u8]; 4] = [
        &client_hello,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"GET /readyz HTTP/9.9\r\n\r\n",
        b"",
    ];
    for bytes in others {
        let answer = target.say(bytes);
        let status = status_of(&answer);
        assert!(status.is_none_or(|status| status >= 400), "{bytes:?}: {answer}");
    }
    target.assert_unharmed();
}

/// One stranger takes all the connections an address may have and leaves them open: nobody else notices.
#[test]
fn who_opens_and_says_nothing_takes_nobodys_place() {
    let mut target = Target::start();
    let mut held: Vec<TcpStream> = (0..CONNECTIONS_PER_ADDRESS)
        .map(|_| target.connect_from(1))
        .collect();
    // half of them in the middle of a header, and of a body
    for (n, stream) in held.iter_mut().enumerate() {
        let begun: &[u8] = match n % 3 {
            0 => b"",
            1 => b"GET /boot/v1/bootscript?mac=02:00:00:00:00:01 HTTP/1.1\r\nHost: x\r\nX-Slow: a",
            _ => b"POST /cloud-init/phone-home/x1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nid=",
        };
        stream.write_all(begun).unwrap();
    }
    let mut one_more = target.connect_from(1);
    let _ = one_more.write_all(READY.as_bytes());
    assert_eq!(
        rest_of(&mut one_more),
        "",
        "beyond its limit an address is not answered"
    );
    for other in 2..40 {
        assert!(target.is_answered_from(other), "from 127.1.1.{other}");
    }
    drop(held);
    target.assert_unharmed();
}
