//! Requests that are small on the wire and large behind it: compressed, deep, or with headers without end. Each is refused
//! before anybody unpacks it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use tokio_rustls::TlsConnector;

use crate::common::http::{over_tls, status_of};
use crate::site::{BOUND, GRPC, HTTPS, Site};

const LIST: &str = "/chamois.smd.v1.ComponentService/ListComponents";
const COMPONENTS: &str = "/hsm/v2/State/Components";
/// What a bomb would unpack to.
const UNPACKED_BYTES: usize = 256 << 20;
/// A member cuts slow headers off after 30 s, slow bodies after 60 s.
const HEADER_CUT_OFF: Duration = Duration::from_secs(50);
const BODY_CUT_OFF: Duration = Duration::from_secs(80);

/// Zeros as gzip has them: about a megabyte of it.
fn bomb() -> Vec<u8> {
    let made = Command::new("sh")
        .args(["-c", &format!("head -c {UNPACKED_BYTES} /dev/zero | gzip -1")])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(made.status.success() && made.stdout.len() < UNPACKED_BYTES / 100);
    made.stdout
}

/// A message of gRPC, compressed or not.
fn message(is_compressed: bool, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![u8::from(is_compressed)];
    frame.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    frame.extend(bytes);
    frame
}

/// Calls a method as the administrator; the status of HTTP and, where there is one, that of gRPC.
fn call(site: &Site, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tls = rpc::tls::api_client_config(&[site.single.ca()], None).unwrap();
    let address = site.address(GRPC);
    let mut request = Request::post(format!("https://{address}{LIST}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {}", site.single.token()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::IpAddress(address.ip().into());
        let tls = TlsConnector::from(Arc::new(tls))
            .connect(name, stream)
            .await
            .unwrap();
        let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
            .await
            .unwrap();
        tokio::spawn(connection);
        let answer = tokio::time::timeout(BOUND, client.send_request(request))
            .await
            .expect("an answer within the bound")
            .unwrap();
        let (head, body) = answer.into_parts();
        let trailers = body.collect().await.unwrap().trailers().cloned();
        let code = head
            .headers
            .get("grpc-status")
            .cloned()
            .or_else(|| trailers?.get("grpc-status").cloned());
        let code = code.map(|code| code.to_str().unwrap().to_owned());
        (head.status.as_u16(), code)
    })
}

#[test]
fn what_is_compressed_is_not_unpacked() {
    let mut site = Site::start();
    let bomb = bomb();
    site.while_it_serves(|site| {
        for encoding in ["gzip", "deflate", "zstd"] {
            let (status, code) = call(site, &[("grpc-encoding", encoding)], message(true, &bomb));
            let is_refused = code.as_deref().is_some_and(|code| code != "0");
            assert!(status == 200 && is_refused, "{encoding}: {code:?}");
        }
        // compressed, says the message, and no header how
        let (_, code) = call(site, &[], message(true, &bomb));
        assert!(code.is_some_and(|code| code != "0"));
        // short, so that the answer is not lost with what is not read of the body
        let (status, body) = https(site, "POST", "Content-Encoding: gzip\r\n", &bomb[..512]);
        assert_eq!(status, Some(415), "{body}");
    });
}

/// 16 MiB of brackets are allowed to be sent and take no depth of the stack.
#[test]
fn deep_json_is_refused_where_it_becomes_deep() {
    let mut site = Site::start();
    site.while_it_serves(|site| {
        for body in ["[".repeat(10 << 20), "{\"a\":".repeat(2 << 20)] {
            let (status, text) = https(site, "POST", "", body.as_bytes());
            assert_eq!(status, Some(400), "{text}");
            assert!(
                text.contains("more than 32 arrays and objects within each other"),
                "{text}"
            );
        }
    });
}

/// Groups within groups of a field that nobody knows: each level is a call for whoever skips it.
#[test]
fn deep_messages_are_refused_where_they_become_deep() {
    /// Beginning and end of a group of field 1000.
    const GROUP: [[u8; 2]; 2] = [[0xC3, 0x3E], [0xC4, 0x3E]];
    let nested = |depth| [GROUP[0].repeat(depth), GROUP[1].repeat(depth)].concat();
    let mut site = Site::start();
    site.while_it_serves(|site| {
        let (status, code) = call(site, &[], message(false, &nested(10)));
        assert_eq!(
            (status, code.as_deref()),
            (200, Some("0")),
            "it is a field to skip"
        );
        for depth in [200, 1_000_000] {
            let (_, code) = call(site, &[], message(false, &nested(depth)));
            assert!(
                code.as_deref().is_some_and(|code| code != "0"),
                "{depth}: {code:?}"
            );
        }
    });
}

/// More than the limit of a message, by what its length says and by what is sent.
#[test]
fn what_is_longer_than_a_message_may_be_is_refused() {
    let mut site = Site::start();
    site.while_it_serves(|site| {
        let mut endless = vec![0];
        endless.extend(u32::MAX.to_be_bytes());
        endless.resize(1 << 20, 0);
        let (_, code) = call(site, &[], endless);
        assert!(code.as_deref().is_some_and(|code| code != "0"), "{code:?}");
        let (status, text) = https(site, "POST", "", &vec![b' '; 17 << 20]);
        assert_eq!(status, Some(413), "{text}");
    });
}

/// Over HTTP/1.1 and by token: nothing of a megabyte of them is looked at.
#[test]
fn headers_over_the_limit_are_refused() {
    let mut site = Site::start();
    site.while_it_serves(|site| {
        for (what, headers) in [
            ("one of a megabyte", format!("X: {}\r\n", "a".repeat(1 << 20))),
            (
                "a token of a megabyte",
                format!("Authorization: Bearer {}\r\n", "a".repeat(1 << 20)),
            ),
            ("ten thousand", "X: a\r\n".repeat(10_000)),
        ] {
            let (status, text) = https(site, "GET", &headers, b"");
            // who is cut off in the middle of a megabyte may not read why
            assert!(
                status.is_none_or(|status| status == 431),
                "{what}: {status:?} {text}"
            );
        }
        let long = format!("Bearer {}", "a".repeat(9 * 1024));
        let (_, code) = call(site, &[("x-filler", &long)], message(false, &[]));
        assert_eq!(
            code.as_deref(),
            Some("0"),
            "beside its limit it is a header as any other"
        );
    });
}

/// A byte now and then, in the headers and in the body: after its time the member has heard enough.
#[test]
fn who_sends_a_byte_now_and_then_is_cut_off() {
    if !is_wanted("who_sends_a_byte_now_and_then_is_cut_off") {
        return;
    }
    let mut site = Site::start();
    site.while_it_serves(|site| {
        let headers = format!("POST {COMPONENTS} HTTP/1.1\r\nHost: x\r\nX-Slow: ");
        let token = site.single.token();
        let body = format!(
            "POST {COMPONENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 60000\r\n\r\n{{"
        );
        for (begun, cut_off) in [(headers, HEADER_CUT_OFF), (body, BODY_CUT_OFF)] {
            let mut stream = tls(site);
            stream
                .sock
                .set_read_timeout(Some(Duration::from_millis(200)))
                .unwrap();
            stream.write_all(begun.as_bytes()).unwrap();
            let began = Instant::now();
            while stream.write_all(b" ").is_ok() && stream.flush().is_ok() {
                assert!(began.elapsed() < cut_off, "it is still being listened to");
                match stream.read(&mut [0; 512]) {
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        }
    });
}

fn tls(site: &Site) -> StreamOwned<ClientConnection, std::net::TcpStream> {
    let config = crate::common::http::tls(&[site.single.ca()], None);
    over_tls(&config, site.tcp(1, HTTPS).unwrap())
}

/// One request of the administrator over HTTP/1.1, unless the headers name somebody; the status, if there was an answer.
fn https(site: &Site, verb: &str, headers: &str, body: &[u8]) -> (Option<u16>, String) {
    let token = match headers.contains("Authorization") {
        true => String::new(),
        false => format!("Authorization: Bearer {}\r\n", site.single.token()),
    };
    let head = format!(
        "{verb} {COMPONENTS} HTTP/1.1\r\nHost: x\r\n{token}{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = tls(site);
    // a member that has heard enough closes before it has read all
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
    let _ = stream.flush();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    (status_of(&text), text)
}

/// Whether the tests that wait for a member's time-outs are to run.
fn is_wanted(test: &str) -> bool {
    let wanted = std::env::var_os("CHAMOIS_E2E").is_some_and(|value| value == "1");
    if !wanted {
        // past the test runner, which keeps the output of a passing test to itself
        let text = format!("\n*** NOT RUN: {test} (it waits for two minutes; set CHAMOIS_E2E=1) ***\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    wanted
}
