//! SIGTERM: no new requests, but whoever is being served is served to the end, and the end is bounded.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::Single;

/// Larger than the socket buffers on both sides, so that most of it is sent after the signal.
const FILE_BYTES: usize = 48 << 20;
const READ_BYTES: usize = 256 << 10;

fn get(single: &Single, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(single.http()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        single.http()
    )
    .unwrap();
    stream
}

/// A kernel that is half transferred when the member is told to stop must arrive whole.
#[test]
fn a_boot_file_in_progress_is_finished() {
    let single = Single::prepare();
    std::fs::write(single.dir.path().join("files/vmlinuz"), vec![7; FILE_BYTES]).unwrap();
    let mut member = single.start();
    let mut stream = get(&single, "/files/vmlinuz");
    let mut received = vec![0; READ_BYTES];
    stream.read_exact(&mut received).unwrap();
    assert!(
        received.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&received[..64])
    );

    member.terminate();
    member.until("new connections are refused", || {
        TcpStream::connect(single.http()).is_err()
    });
    stream.read_to_end(&mut received).unwrap();
    let head = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    assert_eq!(received.len() - head, FILE_BYTES);
    assert_eq!(
        member.exit_code(Duration::from_secs(20)),
        Some(0),
        "{}",
        member.log()
    );
}

/// A client that never reads on must not keep a member from ending.
#[test]
fn the_end_is_bounded_whatever_clients_do() {
    let single = Single::prepare();
    std::fs::write(single.dir.path().join("files/vmlinuz"), vec![7; FILE_BYTES]).unwrap();
    let mut member = single.start();
    let mut stuck = get(&single, "/files/vmlinuz");
    let mut first = [0; 12];
    stuck.read_exact(&mut first).unwrap();
    let told = Instant::now();
    member.terminate();
    assert_eq!(
        member.exit_code(Duration::from_secs(25)),
        Some(0),
        "{}",
        member.log()
    );
    assert!(told.elapsed() > Duration::from_secs(1), "it was given time");
}

/// What was acknowledged before the end is there after the next start, and the port can be bound again.
#[test]
fn a_stopped_member_starts_again_with_what_it_had() {
    let single = Single::prepare();
    let network = single.net.subnet().to_string();
    let mut member = single.start();
    assert_eq!(single.ask(&["subnet", "put", &network]).0, 0);
    member.terminate();
    assert_eq!(
        member.exit_code(Duration::from_secs(20)),
        Some(0),
        "{}",
        member.log()
    );
    for line in member.log().lines() {
        let entry: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(
            entry["level"].is_string() && entry["message"].is_string(),
            "{line}"
        );
    }
    let _again = single.start();
    let (code, out, err) = single.ask(&["subnet", "list"]);
    assert!(code == 0 && out.contains(&network), "{out}{err}");
}
