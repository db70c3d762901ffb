//! Strangers who are slow: to ask, to send, to read. A member waits for them for a while, and nobody else does.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::{BIG_FILE_BYTES, CONNECTIONS_PER_ADDRESS, Target, status_of};

/// A member cuts slow headers off after 30 s, slow bodies and readers after 60 s: not before the first, and before the
/// second.
const HEADER_CUT_OFF: [Duration; 2] = [Duration::from_secs(25), Duration::from_secs(50)];
const BODY_CUT_OFF: [Duration; 2] = [Duration::from_secs(55), Duration::from_secs(80)];
const READER_CUT_OFF: [Duration; 2] = [Duration::from_secs(55), Duration::from_secs(90)];
/// What the stranger who never reads gives the kernel for what it does not read.
const UNREAD_BYTES: usize = 4096;

/// Slow by the byte: after 30 s the member has waited long enough, whether or not a byte comes now and then.
#[test]
fn a_header_that_drips_is_cut_off_in_time() {
    if !is_wanted("a_header_that_drips_is_cut_off_in_time") {
        return;
    }
    let mut target = Target::start();
    drip(&target, "GET /readyz HTTP/1.1\r\nX-Slow: ", HEADER_CUT_OFF);
    target.assert_unharmed();
}

/// As slow, in a body of a length that is allowed; the stranger is told why.
#[test]
fn a_body_that_drips_is_cut_off_in_time() {
    if !is_wanted("a_body_that_drips_is_cut_off_in_time") {
        return;
    }
    let mut target = Target::start();
    let begun =
        "POST /cloud-init/phone-home/x1000c0s0b0n0 HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nid=";
    let answer = drip(&target, begun, BODY_CUT_OFF);
    assert_eq!(status_of(&answer), Some(408), "{answer}");
    target.assert_unharmed();
}

/// Says `begun`, then a byte now and then, until the member has heard enough: after the first time and before the second.
/// Gives the answer.
fn drip(target: &Target, begun: &str, [after, before]: [Duration; 2]) -> String {
    let mut stream = target.connect_from(1);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let began = Instant::now();
    stream.write_all(begun.as_bytes()).unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 512]);
    while stream.write_all(b"a").is_ok() {
        assert!(began.elapsed() < before, "it is still being listened to");
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&chunk[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let took = began.elapsed();
    assert!(took >= after, "it was cut off after {took:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

/// One stranger asks for a big file over all the connections an address may have, and reads none of it. Others get the
/// file meanwhile, and in bounded time its connections are ended: then it is answered again itself.
#[test]
fn who_never_reads_holds_nobody_up_and_is_cut_off_in_time() {
    if !is_wanted("who_never_reads_holds_nobody_up_and_is_cut_off_in_time") {
        return;
    }
    let mut target = Target::start();
    let get = "GET /files/big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let began = Instant::now();
    let held: Vec<TcpStream> = (0..CONNECTIONS_PER_ADDRESS)
        .map(|_| {
            let mut stream = target.connect(1, Some(UNREAD_BYTES));
            stream.write_all(get.as_bytes()).unwrap();
            // the answer has begun
            stream.peek(&mut [0]).unwrap();
            stream
        })
        .collect();
    assert!(
        !target.is_answered_from(1),
        "beyond its limit an address is not answered"
    );
    let file = target.say_from(2, get.as_bytes());
    assert!(file.len() as u64 > BIG_FILE_BYTES, "{} bytes", file.len());
    while !target.is_answered_from(1) {
        assert!(
            began.elapsed() < READER_CUT_OFF[1],
            "its connections are still open"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    let took = began.elapsed();
    assert!(took >= READER_CUT_OFF[0], "it was cut off after {took:?}");
    drop(held);
    target.assert_unharmed();
}

/// Whether the tests that wait for a member's time-outs are to run.
fn is_wanted(test: &str) -> bool {
    let wanted = std::env::var_os("CHAMOIS_E2E").is_some_and(|value| value == "1");
    if !wanted {
        // past the test runner, which keeps the output of a passing test to itself
        let text =
            format!("\n*** NOT RUN: {test} (it waits for half a minute or more; set CHAMOIS_E2E=1) ***\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    wanted
}
