//! What a stranger may send: each gets its clear error, reaches no service, and the gateway lives on.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use proptest::prelude::*;
use tonic::Status;

use super::{Fake, gateway, send, send_to};
use crate::{Limits, Options};

const POST: &str = "/hsm/v2/State/Components";

#[tokio::test]
async fn a_deep_body_is_refused() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for body in [
        "[".repeat(1 << 20),
        "{\"a\":".repeat(1 << 18),
        format!("{}{}", "[".repeat(33), "]".repeat(33)),
    ] {
        let got = send(&gateway, "POST", POST, &[], body).await;
        assert_eq!(got.status, 400, "{got:?}");
        assert!(
            got.detail()
                .contains("more than 32 arrays and objects within each other"),
            "{}",
            got.detail()
        );
    }
    assert!(fake.take_asked().is_empty());
}

/// A body that nobody has read may end the connection: a client that is not told sends its next request into that.
#[tokio::test]
async fn a_body_that_is_not_read_ends_its_connection() {
    let gateway = gateway(&Fake::new(), Options::default());
    for (verb, path, body, expected) in [
        ("POST", "/no/such/route", "{}", "close"),
        ("TRACE", POST, "{}", "close"),
        ("GET", "/hsm/v2/State/Components/x0c0s0b0n0", "{}", "close"),
        ("POST", POST, "{", ""),
        ("POST", POST, r#"{"Components":[]}"#, ""),
        ("POST", "/no/such/route", "", ""),
        ("GET", "/hsm/v2/State/Components/x0c0s0b0n0", "", ""),
    ] {
        let got = send(&gateway, verb, path, &[], body).await;
        assert_eq!(got.header("connection"), expected, "{verb} {path} {body}");
    }
}

/// The text names the limit; with `Expect: 100-continue` the answer comes before the body is asked for.
#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for headers in [&[][..], &[("expect", "100-continue")][..]] {
        let got = send(&gateway, "POST", POST, headers, vec![b' '; 17 << 20]).await;
        assert_eq!(got.status, 413);
        assert_eq!(
            got.detail(),
            "the body is larger than the limit of 16777216 bytes; send it in parts"
        );
    }
    let got = send_to(
        &gateway.nodes,
        "POST",
        "/cloud-init/phone-home/x1",
        &[],
        vec![b'a'; 65_537],
    )
    .await;
    assert!(got.status == 413 && got.detail().contains("65536"), "{got:?}");
    assert!(fake.take_asked().is_empty());
}

/// What is left of a body over the limit is taken off the connection, up to the limit once more: closed at once,
/// it would be reset, and a client that is still sending would never read the answer.
#[tokio::test]
async fn a_client_that_is_still_sending_gets_its_answer() {
    let mut options = Options::default();
    options.api.body_bytes_max = 1000;
    let gateway = gateway(&Fake::new(), options);
    for (frames, taken) in [(4, 4), (100, 6)] {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let body = StreamBody::new(futures::stream::iter((0..frames).map(|_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b' '; 400])))
        })));
        let answered = gateway
            .api
            .answer(rpc::Caller::anonymous(), Request::post(POST).body(body).unwrap());
        assert_eq!(answered.await.status(), 413);
        assert_eq!(count.load(Ordering::Relaxed), taken, "of {frames}");
    }
}

/// What would be a gigabyte is not taken at a megabyte.
#[tokio::test]
async fn a_compressed_body_is_415() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for coding in ["gzip", "deflate", "br", "zstd", "identity, gzip", ""] {
        let got = send(&gateway, "POST", POST, &[("content-encoding", coding)], "{}").await;
        assert_eq!(got.status, 415, "{coding}");
        assert!(got.detail().contains("send it as it is"), "{}", got.detail());
    }
    assert!(fake.take_asked().is_empty());
    let plain = [("content-encoding", "Identity")];
    assert_eq!(send(&gateway, "POST", POST, &plain, "{}").await.status, 204);
}

/// At the limit a body is read; nothing of it is cut off.
#[tokio::test]
async fn a_body_at_the_limit_is_read() {
    let mut options = Options::default();
    options.api.body_bytes_max = 1000;
    let fake = Fake::new();
    let gateway = gateway(&fake, options);
    let mut body = br#"{"Force":true}"#.to_vec();
    body.resize(1000, b' ');
    assert_eq!(send(&gateway, "POST", POST, &[], body.clone()).await.status, 204);
    body.push(b' ');
    assert_eq!(send(&gateway, "POST", POST, &[], body).await.status, 413);
}

/// Many large bodies at once must not take the member's memory: one more is asked to come back.
#[tokio::test]
async fn bodies_share_a_budget() {
    let mut options = Options::default();
    options.api.bodies_bytes_max = 64 * 1024;
    let gateway = gateway(&Fake::new(), options);
    let got = send(&gateway, "POST", POST, &[], vec![b' '; 200 * 1024]).await;
    assert_eq!((got.status, got.header("retry-after")), (503, "1"));
    let got = send(&gateway, "POST", POST, &[], "{}").await;
    assert_eq!(got.status, 204, "the budget is given back");
}

/// A body that never ends.
struct Dripping;

impl http_body::Body for Dripping {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let mut options = Options::default();
    options.api.body_at_most = Duration::from_millis(20);
    let gateway = gateway(&Fake::new(), options);
    let response = gateway
        .api
        .answer(
            rpc::Caller::anonymous(),
            Request::post(POST).body(Dripping).unwrap(),
        )
        .await;
    assert_eq!(response.status(), 408);
}

#[tokio::test]
async fn a_body_that_breaks_off_reaches_no_service() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    let frames = [
        Ok(Frame::data(Bytes::from("{}"))),
        Err(std::io::Error::other("reset")),
    ];
    let body = StreamBody::new(futures::stream::iter(frames));
    let response = gateway
        .api
        .answer(rpc::Caller::anonymous(), Request::post(POST).body(body).unwrap())
        .await;
    assert_eq!(response.status(), 400);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("the body ended early: reset"));
    assert!(fake.take_asked().is_empty());
}

#[tokio::test]
async fn a_long_uri_is_414() {
    let gateway = gateway(&Fake::new(), Options::default());
    let got = send(
        &gateway,
        "GET",
        &format!("{POST}?id={}", "x".repeat(60_000)),
        &[],
        "",
    )
    .await;
    assert_eq!(got.status, 414);
    assert!(got.detail().ends_with("the limit is 60000"), "{}", got.detail());
    let got = send(
        &gateway,
        "GET",
        &format!("{POST}?{}", "id=x1000c0s0b0n0&".repeat(3000)),
        &[],
        "",
    )
    .await;
    assert_eq!(got.status, 200, "power-control asks for thousands of xnames");
}

#[tokio::test]
async fn bad_percent_encoding_is_400_and_quoted() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for (uri, detail) in [
        (
            "/hsm/v2/State/Components/%zz",
            r#""%zz": % must be followed by two hex digits"#,
        ),
        (
            "/hsm/v2/State/Components/x%",
            r#""x%": % must be followed by two hex digits"#,
        ),
        ("/hsm/v2/State/Components/%ff", r#""%ff" is not UTF-8"#),
        (
            "/hsm/v2/State/Components/x%00",
            r#""x\0": control characters are not accepted"#,
        ),
        (
            "/boot/v1/bootscript?mac=x%0areboot",
            r#""x\nreboot": control characters are not accepted"#,
        ),
        (
            "/boot/v1/bootscript?mac=%4",
            r#""%4": % must be followed by two hex digits"#,
        ),
        (
            "/boot/v1/bootscript?%xx=1",
            r#""%xx": % must be followed by two hex digits"#,
        ),
    ] {
        let got = send(&gateway, "GET", uri, &[], "").await;
        assert_eq!((got.status, got.detail().as_str()), (400, detail), "{uri}");
    }
    assert!(fake.take_asked().is_empty());
}

/// A panic in the service's own code, outside the guard, costs its request only.
#[tokio::test]
async fn a_panic_is_one_500_and_counted() {
    let broken = tower::service_fn(|_: Request<tonic::body::Body>| async { panic!("a bug") });
    let gateway = crate::Gateway::new(
        proto::DESCRIPTOR,
        tower::ServiceBuilder::new()
            .map_result(|r: Result<http::Response<tonic::body::Body>, Infallible>| r)
            .service(broken),
        Options::default(),
    )
    .unwrap();
    let got = send(&gateway, "GET", POST, &[], "").await;
    assert_eq!(got.status, 500);
    assert!(got.detail().contains("bug"));
    assert_eq!(gateway.api_counters().panics.load(Ordering::Relaxed), 1);
}

/// A program finds the field, the limit and the reason without reading the text.
#[tokio::test]
async fn what_the_gateway_refuses_is_said_to_programs_too() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    let problem = async |verb: &str, uri: &str, body: String| {
        let got = send(&gateway, verb, uri, &[], body).await;
        serde_json::from_str::<serde_json::Value>(got.text()).unwrap()
    };
    let partition = "/hsm/v2/partitions/p1";
    let wrong_type = problem("PATCH", partition, r#"{"description":7}"#.to_owned()).await;
    assert_eq!(wrong_type["reason"], "INVALID_FIELD");
    assert_eq!(wrong_type["errors"][0]["field"], "description");
    let no_json = problem("PATCH", partition, "{".to_owned()).await;
    assert_eq!(no_json["errors"][0]["field"], "request");
    let large = problem("POST", POST, " ".repeat(17 << 20)).await;
    assert_eq!(large["reason"], "TOO_LARGE");
    assert!(fake.take_asked().is_empty());
}

/// A service that hangs is given up: the client is told so in time.
#[tokio::test]
async fn a_service_that_hangs_is_504() {
    let hanging = tower::service_fn(|_: Request<tonic::body::Body>| {
        std::future::pending::<Result<http::Response<tonic::body::Body>, Infallible>>()
    });
    let options = Options {
        api: Limits {
            answer_at_most: Duration::from_millis(10),
            ..Limits::api()
        },
        ..Options::default()
    };
    let gateway = crate::Gateway::new(proto::DESCRIPTOR, hanging, options).unwrap();
    let got = send(&gateway, "GET", POST, &[], "").await;
    assert_eq!((got.status, got.header("retry-after")), (504, "1"));
}

/// Reading gigabytes again takes longer than any other call, and must not be given up like one.
#[tokio::test]
async fn a_method_that_takes_long_is_given_its_time() {
    let slow = tower::service_fn(|_: Request<tonic::body::Body>| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer: http::Response<tonic::body::Body> = Status::not_found("in the end").into_http();
        Ok::<_, Infallible>(answer)
    });
    let options = Options {
        api: Limits {
            answer_at_most: Duration::ZERO,
            ..Limits::api()
        },
        ..Options::default()
    };
    let gateway = crate::Gateway::new(proto::DESCRIPTOR, slow, options).unwrap();
    let got = send(&gateway, "POST", "/chamois/v1/images/a/verify", &[], "{}").await;
    assert_eq!((got.status, got.detail()), (404, "in the end".to_owned()));
}

/// A service that answers bytes of another message is an error of ours, not a half-written body.
#[tokio::test]
async fn an_answer_that_does_not_decode_is_500() {
    let fake = Fake::new();
    fake.will_answer(Ok((
        Bytes::from_static(b"\x0a\xff\xff"),
        tonic::metadata::MetadataMap::new(),
    )));
    let got = send(&gateway(&fake, Options::default()), "GET", POST, &[], "").await;
    assert_eq!(got.status, 500);
    assert!(
        got.detail().starts_with("the service's answer does not decode"),
        "{got:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Any path, query, header and body: an answer with a status, no panic; errors are problems.
    #[test]
    fn any_request_is_answered(
        path in prop::collection::vec(any::<u8>(), 0..40),
        start in prop::sample::select(vec!["/", POST, "/boot/v1/", "/cloud-init/b/", "/apis/smd/hsm/v2/", "/files/"]),
        query in prop::collection::vec(any::<u8>(), 0..60),
        encoded: bool,
        verb in prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "PURGE"]),
        content_type in prop::collection::vec(32u8..127, 0..30),
        body in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let text = |bytes: &[u8]| bytes.iter().map(|byte| if encoded || !(33..127).contains(byte) || b"?#<>\"{}|\\^`".contains(byte) {
            format!("%{byte:02x}")
        } else {
            char::from(*byte).to_string()
        }).collect::<String>();
        let uri = format!("{start}{}?{}", text(&path), text(&query));
        let content_type = String::from_utf8(content_type).unwrap();
        let headers = [("content-type", content_type.as_str())];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let gateway = gateway(&Fake::new(), Options::default());
        for port in [&gateway.nodes, &gateway.api] {
            let got = runtime.block_on(send_to(port, verb, &uri, &headers, body.clone()));
            if verb == "HEAD" {
                prop_assert_eq!(&got.body, "");
            } else if got.status >= 400 {
                prop_assert!(!got.detail().is_empty());
            }
            prop_assert_eq!(port.counters.panics.load(Ordering::Relaxed), 0);
        }
    }
}
