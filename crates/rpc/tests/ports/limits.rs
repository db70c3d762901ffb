//! What a stranger can hold open, and how a port is closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rpc::server::{Http2Limits, Limits, Rate};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::body::Body;

use crate::support::{BOUND, Cluster, bounded, call, channel, header, principal, who_calls};

/// Reads until the far end closes; `true` if it did so without sending anything but a TLS alert.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut received = Vec::new();
    let _reset_counts_as_closed = bounded(stream.read_to_end(&mut received)).await;
    received.len() < 16
}

/// A client that connects and says nothing must not hold a place for ever.
#[tokio::test]
async fn a_slow_handshake_is_dropped_and_others_are_served_meanwhile() {
    let cluster = Cluster::new();
    let limits = Limits {
        handshake_at_most: Duration::from_millis(300),
        ..Limits::api()
    };
    let port = cluster.api_port(1, who_calls(), limits).await;
    let began = Instant::now();
    let mut silent = TcpStream::connect(port.address).await.unwrap();
    let client = channel(&[port.endpoint()], cluster.api_client(None));
    assert_eq!(principal(&client).await.unwrap(), "anonymous");
    assert!(is_closed(&mut silent).await);
    assert!(
        began.elapsed() >= limits.handshake_at_most,
        "it was closed for another reason"
    );
}

/// TLS done, then silence: not even the HTTP/2 preface. A connection in use is left alone.
#[tokio::test]
async fn a_connection_that_never_calls_is_closed() {
    let cluster = Cluster::new();
    let limits = Limits {
        http2: Http2Limits {
            first_call_at_most: Duration::from_millis(300),
            ..Http2Limits::api()
        },
        ..Limits::api()
    };
    let port = cluster.api_port(1, who_calls(), limits).await;
    let client = channel(&[port.endpoint()], cluster.api_client(None));
    let own_port = async || header(&call(&client, "/any.Service/Method").await.unwrap(), "peer").unwrap();
    let before = own_port().await;
    let began = Instant::now();
    let stream = TcpStream::connect(port.address).await.unwrap();
    let tls = TlsConnector::from(Arc::new(cluster.api_client(None)));
    let mut silent = tls
        .connect("127.0.0.1".try_into().unwrap(), stream)
        .await
        .unwrap();
    let _eof_without_close_notify = bounded(silent.read_to_end(&mut Vec::new())).await;
    assert!(
        began.elapsed() >= limits.http2.first_call_at_most,
        "it was closed for another reason"
    );
    assert_eq!(own_port().await, before, "the connection in use was closed too");
    assert_eq!(port.counted("silent_closed"), 1);
}

/// A client that opens its window for nothing and answers every ping: HTTP/2 takes it for a live one.
#[tokio::test]
async fn a_client_that_reads_no_answer_is_closed_and_counted() {
    let cluster = Cluster::new();
    let unread_at_most = Duration::from_millis(400);
    let limits = Limits {
        http2: Http2Limits {
            unread_at_most,
            ..Http2Limits::api()
        },
        ..Limits::api()
    };
    let long = tower::service_fn(|_: Request<Body>| async {
        let body = http_body_util::Full::new(bytes::Bytes::from(vec![7; 1 << 20]));
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::new(body)))
    });
    let port = cluster.api_port(1, long, limits).await;
    for (window, is_read) in [(0_u32, false), (1, false), (1 << 20, true)] {
        let stream = TcpStream::connect(port.address).await.unwrap();
        let tls = TlsConnector::from(Arc::new(cluster.api_client(None)));
        let tls = tls
            .connect("127.0.0.1".try_into().unwrap(), stream)
            .await
            .unwrap();
        let (mut client, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .initial_connection_window_size(1 << 20)
            .handshake(TokioIo::new(tls))
            .await
            .unwrap();
        let driven = tokio::spawn(connection);
        let request = Request::post("https://x/any.Service/Method")
            .body(Body::empty())
            .unwrap();
        let answer = bounded(client.send_request(request)).await.unwrap();
        if is_read {
            let read = bounded(http_body_util::BodyExt::collect(answer.into_body())).await;
            assert_eq!(read.unwrap().to_bytes().len(), 1 << 20, "window {window}");
            tokio::time::sleep(2 * unread_at_most).await;
            assert!(!driven.is_finished(), "who has read all may stay");
        } else {
            let began = Instant::now();
            let _broken_or_not = bounded(driven).await.unwrap();
            assert!(
                began.elapsed() >= unread_at_most / 2,
                "window {window}: closed for another reason"
            );
        }
    }
    assert_eq!(port.counted("unread_closed"), 2);
}

/// The connection over the limit is closed at once, and its place is free again after one has gone.
#[tokio::test]
async fn connections_from_one_address_are_limited() {
    let cluster = Cluster::new();
    let limits = Limits {
        connections_per_address_max: 2,
        ..Limits::api()
    };
    let port = cluster.api_port(1, who_calls(), limits).await;
    let first = TcpStream::connect(port.address).await.unwrap();
    let _second = TcpStream::connect(port.address).await.unwrap();
    let mut third = TcpStream::connect(port.address).await.unwrap();
    assert!(is_closed(&mut third).await);
    assert_eq!(port.counted("connections_refused"), 1);
    drop(first);
    let client = channel(&[port.endpoint()], cluster.api_client(None));
    let served = async { while principal(&client).await.is_err() {} };
    bounded(served).await;
}

/// One that comes and goes costs a handshake each time, and never has many connections open.
#[tokio::test]
async fn connections_that_come_too_often_are_refused_and_counted() {
    let cluster = Cluster::new();
    let limits = Limits {
        connection_rate: Some(Rate {
            per_second_max: 1,
            burst_max: 3,
        }),
        ..Limits::api()
    };
    let port = cluster.api_port(1, who_calls(), limits).await;
    for _ in 0..3 {
        drop(TcpStream::connect(port.address).await.unwrap());
    }
    let mut fourth = TcpStream::connect(port.address).await.unwrap();
    assert!(is_closed(&mut fourth).await);
    assert_eq!(port.counted("connections_too_often"), 1);
}

/// Bytes that are no TLS end that connection and nothing else.
#[tokio::test]
async fn garbage_instead_of_tls_is_refused() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    stream.try_write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(is_closed(&mut stream).await);
    assert_eq!(port.counted("handshakes_failed"), 1);
    let client = channel(&[port.endpoint()], cluster.api_client(None));
    assert_eq!(principal(&client).await.unwrap(), "anonymous");
}

/// More headers than the limit: refused by the HTTP/2 layer, not buffered.
#[tokio::test]
async fn a_header_list_over_the_limit_is_refused() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let send = |bytes: usize| {
        let client = channel(&[port.endpoint()], cluster.api_client(None));
        let request = Request::post("/any.Service/Method")
            .header("x-filler", "a".repeat(bytes))
            .body(Body::empty())
            .unwrap();
        bounded(tower::ServiceExt::oneshot(client, request))
    };
    assert_eq!(send(8 * 1024).await.unwrap().status(), 200);
    let over = send(32 * 1024).await;
    assert!(
        over.as_ref().map_or(true, |response| response.status() == 431),
        "{over:?}"
    );
}

/// Calls in progress end well when a member shuts down; new connections are not taken, and a client that
/// keeps its connection does not hold the member up.
#[tokio::test]
async fn shutdown_lets_a_call_in_progress_end() {
    let cluster = Cluster::new();
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = {
        let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
        tower::service_fn(move |_request: Request<Body>| {
            let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
            async move {
                entered.notify_one();
                release.notified().await;
                Ok::<Response<Body>, _>(Status::new(tonic::Code::Ok, "").into_http())
            }
        })
    };
    let limits = Limits {
        drain_at_most: 3 * BOUND,
        ..Limits::api()
    };
    let mut port = cluster.api_port(1, service, limits).await;
    let client = channel(&[port.endpoint()], cluster.api_client(None));
    let kept = client.clone();
    let call = tokio::spawn(async move { call(&client, "/any.Service/Method").await });
    bounded(entered.notified()).await;
    port.begin_stop();
    let refused = async { while TcpStream::connect(port.address).await.is_ok() {} };
    bounded(refused).await;
    release.notify_one();
    assert_eq!(bounded(call).await.unwrap().unwrap().status(), 200);
    bounded(port.task).await.unwrap();
    drop(kept);
}

/// A call that never ends must not keep a member from stopping.
#[tokio::test]
async fn shutdown_cuts_a_call_that_does_not_end() {
    let cluster = Cluster::new();
    let entered = Arc::new(Notify::new());
    let service = {
        let entered = Arc::clone(&entered);
        tower::service_fn(move |_request: Request<Body>| {
            entered.notify_one();
            std::future::pending::<Result<Response<Body>, std::convert::Infallible>>()
        })
    };
    let limits = Limits {
        drain_at_most: Duration::from_millis(200),
        ..Limits::api()
    };
    let mut port = cluster.api_port(1, service, limits).await;
    let client = channel(&[port.endpoint()], cluster.api_client(None));
    let call = tokio::spawn(async move { call(&client, "/any.Service/Method").await });
    bounded(entered.notified()).await;
    port.begin_stop();
    bounded(port.task).await.unwrap();
    let lost = bounded(call).await.unwrap().unwrap_err();
    assert_eq!(
        lost.metadata().get(rpc::OUTCOME).unwrap(),
        rpc::OUTCOME_UNKNOWN,
        "{lost:?}"
    );
}
