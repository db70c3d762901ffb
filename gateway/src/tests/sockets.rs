//! Both ports on real sockets: who calls, what is passed on, time-outs, limits and drain.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rpc::Identity;
use rpc::tls::{ClientCerts, Material, api_client_config, install_crypto_provider, server_config};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Fake, gateway};
use crate::{Gateway, Options};

/// Nothing here takes longer, or the test fails.
const BOUND: Duration = Duration::from_secs(20);

pub(super) async fn bounded<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, what).await.expect("took too long")
}

/// A port that is being served; dropping `stop` begins the drain.
pub(super) struct Serving {
    pub(super) address: SocketAddr,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) ended: JoinHandle<()>,
}

pub(super) async fn serve_nodes(gateway: &Gateway) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let gateway = gateway.clone();
    let ended = tokio::spawn(async move {
        gateway
            .serve_nodes(listener, async { stopped.await.unwrap_or(()) })
            .await
    });
    Serving { address, stop, ended }
}

/// Writes `request` and reads until the other end closes.
async fn talk(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    bounded(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Others learn from it which connections are open on a service address; one is told at once and to its end.
#[tokio::test]
async fn each_connection_is_noted_until_it_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, mut noted) = tokio::sync::mpsc::unbounded_channel();
    let gateway = gateway(&Fake::new(), Options::default());
    tokio::spawn(async move {
        let note = move |local, peer| {
            let (alive, ended) = oneshot::channel::<()>();
            told.send((local, peer, ended)).unwrap();
            std::future::ready(alive)
        };
        gateway
            .serve_nodes_noting(listener, note, std::future::pending())
            .await;
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let (local, peer, mut ended) = bounded(noted.recv()).await.unwrap();
    assert_eq!((local, peer), (address, stream.local_addr().unwrap()));
    assert_eq!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    drop(stream);
    bounded(ended).await.unwrap_err();
}

/// A client that is answered before others know of it would be lost with this host.
#[tokio::test]
async fn nothing_is_answered_before_a_connection_is_noted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    let (told, mut noted) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let note = move |_, _| {
            let (go_on, wait) = oneshot::channel::<()>();
            told.send(go_on).unwrap();
            wait
        };
        gateway
            .serve_nodes_noting(listener, note, std::future::pending())
            .await;
    });
    let request = b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let talking = tokio::spawn(async move { talk(address, request).await });
    let go_on = bounded(noted.recv()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(fake.take_asked().is_empty(), "nobody has been asked");
    go_on.send(()).unwrap();
    let answer = bounded(talking).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

/// Who calls is the address of the connection, whatever headers say, and no credential travels on.
#[tokio::test]
async fn a_node_is_known_by_its_address_alone() {
    let fake = Fake::new();
    let serving = serve_nodes(&gateway(&fake, Options::default())).await;
    let request = b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 10.9.9.9\r\n\
        Forwarded: for=10.9.9.9\r\nX-Real-IP: 10.9.9.9\r\nAuthorization: Bearer t\r\nTraceparent: 00-1-2-01\r\n\r\n";
    let answer = talk(serving.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let asked = fake.one_asked();
    assert_eq!(
        asked.caller.identity,
        Identity::Node {
            address: "127.0.0.1".parse().unwrap()
        }
    );
    assert_eq!(asked.caller.local, Some(serving.address));
    assert!(!asked.metadata.contains_key("authorization"));
    assert!(!asked.metadata.contains_key("x-forwarded-for"));
    assert_eq!(asked.metadata["traceparent"], "00-1-2-01");
    assert_eq!(asked.metadata["grpc-timeout"], "30000000u");
}

/// Where a proxy in front and the gateway do not agree on where a request ends, the rest of its body would be somebody
/// else's request (RFC 9112, 11.2). Each ends its connection with one answer, or none.
#[tokio::test]
async fn no_request_is_smuggled_in_another_ones_body() {
    const SMUGGLED: &str = "GET /boot/v1/bootscript?mac=smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let fake = Fake::new();
    let serving = serve_nodes(&gateway(&fake, Options::default())).await;
    let post = "POST /cloud-init/phone-home/x1 HTTP/1.1\r\nHost: x\r\n";
    let length = SMUGGLED.len() + 5;
    for framing in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n"),
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Content-Length: 0\r\nContent-Length: 5\r\n\r\n".to_owned(),
        "Content-Length: +0\r\n\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(serving.address).await.unwrap();
        let said = format!("{post}{framing}{SMUGGLED}");
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _reset_with_what_is_not_read = bounded(stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{framing:?}: {answer}");
        let smuggled = fake.take_asked().into_iter().filter(|asked| {
            asked
                .message
                .windows(b"smuggled".len())
                .any(|part| part == b"smuggled")
        });
        assert_eq!(smuggled.count(), 0, "{framing:?}: {answer}");
    }
}

/// Which of two would count is a matter of taste; a proxy may have another one.
#[tokio::test]
async fn a_request_is_for_one_host() {
    let fake = Fake::new();
    let serving = serve_nodes(&gateway(&fake, Options::default())).await;
    let request =
        b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n";
    let answer = talk(serving.address, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("Host is there twice"),
        "{answer}"
    );
    assert!(fake.take_asked().is_empty());
}

/// Behind a proxy of the list it is whom that names, on each request of a connection anew.
#[tokio::test]
async fn a_node_behind_a_listed_proxy_is_known_by_what_that_says() {
    let fake = Fake::new();
    let options = Options {
        trusted_proxies: Arc::new(|address| address == std::net::Ipv4Addr::LOCALHOST),
        ..Options::default()
    };
    let serving = serve_nodes(&gateway(&fake, options)).await;
    let request = b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
        X-Forwarded-For: 10.8.8.8, 10.9.9.9\r\nX-Real-IP: 10.8.8.8\r\nForwarded: for=10.8.8.8\r\n\r\n";
    let answer = talk(serving.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let asked = fake.one_asked();
    assert_eq!(
        asked.caller.identity,
        Identity::Node {
            address: "10.9.9.9".parse().unwrap()
        }
    );
    assert!(!asked.metadata.contains_key("x-forwarded-for"));
}

/// iPXE keeps its connection for kernel and initrd.
#[tokio::test]
async fn the_node_port_keeps_connections_alive() {
    let fake = Fake::new();
    let serving = serve_nodes(&gateway(&fake, Options::default())).await;
    let one = "GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = talk(serving.address, format!("{one}{one}{last}").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    assert_eq!(fake.take_asked().len(), 3);
}

/// HEAD of a boot file over the wire: the length of GET, no body, and the connection stays usable.
#[tokio::test]
async fn boot_files_go_over_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("initrd"), vec![b'i'; 1 << 20]).unwrap();
    let serving = serve_nodes(&gateway(&Fake::new(), super::files::options(folder.path()))).await;
    let request = b"HEAD /files/initrd HTTP/1.1\r\nHost: x\r\n\r\n\
        GET /files/initrd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = talk(serving.address, request).await;
    assert_eq!(answer.matches("content-length: 1048576").count(), 2);
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(!answer.contains("transfer-encoding"));
    let body = answer.rsplit("\r\n\r\n").next().unwrap();
    assert!(
        body.len() == 1 << 20 && body.bytes().all(|byte| byte == b'i'),
        "{}",
        body.len()
    );
}

/// A client that says its headers byte by byte is cut off; one that says nothing, too.
#[tokio::test]
async fn slow_headers_are_cut_off() {
    let mut options = Options::default();
    options.nodes.headers_at_most = Duration::from_millis(100);
    let fake = Fake::new();
    let serving = serve_nodes(&gateway(&fake, options)).await;
    for request in [&b""[..], b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nX-A: b\r\n"] {
        let answer = talk(serving.address, request).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
    }
    let whole = b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(talk(serving.address, whole).await.starts_with("HTTP/1.1 200"));
}

/// A client that sends all of a body that is too large must be able to read why it was refused.
#[tokio::test]
async fn a_large_body_is_refused_readably() {
    let serving = serve_nodes(&gateway(&Fake::new(), Options::default())).await;
    let mut request = b"POST /cloud-init/phone-home/x1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n".to_vec();
    request.resize(request.len() + 100_000, b'a');
    let answer = talk(serving.address, &request).await;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("65536"),
        "{answer}"
    );
}

/// What is no HTTP, or too much of it, ends its own connection only.
#[tokio::test]
async fn garbage_ends_its_own_connection() {
    let fake = Fake::new();
    let serving = serve_nodes(&gateway(&fake, Options::default())).await;
    let huge_header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
    for request in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\0/\0\r\n\r\n",
        huge_header.as_bytes(),
    ] {
        let mut stream = TcpStream::connect(serving.address).await.unwrap();
        // The answer may come, and the connection close, before all is written.
        let _cut_short = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _reset = bounded(stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let whole = b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(talk(serving.address, whole).await.starts_with("HTTP/1.1 200"));
}

/// One address gets so many connections and no more; the others wait for nothing.
#[tokio::test]
async fn connections_per_address_are_limited_and_counted() {
    let mut options = Options::default();
    options.nodes.connections_per_address_max = 2;
    let gateway = gateway(&Fake::new(), options);
    let serving = serve_nodes(&gateway).await;
    let _first = TcpStream::connect(serving.address).await.unwrap();
    let second = TcpStream::connect(serving.address).await.unwrap();
    assert_eq!(
        talk(serving.address, b"").await,
        "",
        "the third is closed without a word"
    );
    assert_eq!(
        gateway
            .node_counters()
            .connections
            .connections_refused
            .load(Ordering::Relaxed),
        1
    );
    drop(second);
    let whole = b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    bounded(async {
        loop {
            let mut stream = TcpStream::connect(serving.address).await.unwrap();
            let mut answer = Vec::new();
            if stream.write_all(whole).await.is_ok()
                && stream.read_to_end(&mut answer).await.is_ok()
                && !answer.is_empty()
            {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Sixteen nodes gone mad must not take the places of thousands.
#[tokio::test]
async fn a_node_gets_64_connections_by_default() {
    let gateway = gateway(&Fake::new(), Options::default());
    let serving = serve_nodes(&gateway).await;
    let refused = || {
        let counters = gateway.node_counters();
        counters.connections.connections_refused.load(Ordering::Relaxed)
    };
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(TcpStream::connect(serving.address).await.unwrap());
    }
    assert_eq!(talk(serving.address, b"").await, "", "the 65th is closed");
    assert_eq!(refused(), 1);
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(serving.address).await.unwrap();
    let whole = b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    other.write_all(whole).await.unwrap();
    let mut answer = Vec::new();
    bounded(other.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "another node is served");
}

/// A connection from another loopback address than the others'.
async fn connect_from(own: &str, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// The statuses, and each `Retry-After`, of so many requests on one connection.
async fn ask_often(stream: TcpStream, times: usize) -> Vec<(u16, Option<u64>)> {
    let request = "GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(times - 1)
        + "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (mut reading, mut writing) = stream.into_split();
    let mut answers = Vec::new();
    // at the same time: neither end may wait for the other to read
    let (written, read) = bounded(async {
        tokio::join!(
            writing.write_all(request.as_bytes()),
            reading.read_to_end(&mut answers)
        )
    })
    .await;
    written.and(read).unwrap();
    let answers = String::from_utf8(answers).unwrap().to_lowercase();
    let heads = answers.split("http/1.1 ").skip(1);
    heads
        .map(|head| {
            let pause = head.split("retry-after: ").nth(1);
            let pause = pause.map(|rest| rest.lines().next().unwrap().parse().unwrap());
            (head[..3].parse().unwrap(), pause)
        })
        .collect()
}

/// How many were refused, and by how many of the pauses that they were told they come apart.
fn refused(answers: &[(u16, Option<u64>)]) -> (usize, usize) {
    let refused: Vec<u64> = answers
        .iter()
        .filter(|(status, _)| *status == 503)
        .map(|(_, pause)| pause.expect("without it iPXE gives up"))
        .collect();
    let pauses: std::collections::BTreeSet<&u64> = refused.iter().collect();
    (refused.len(), pauses.len())
}

/// One node gone mad gets its share; a node beside it does not notice, and neither do many behind one address.
#[tokio::test]
async fn requests_per_address_are_limited_and_counted() {
    let mut options = Options::default();
    options.nodes.requests_per_address = Some(crate::RequestRate {
        per_second_max: 1,
        burst_max: 50,
    });
    options.shared_addresses = Arc::new(|address| address == std::net::Ipv4Addr::new(127, 0, 0, 9));
    options.nodes.connections_per_address_max = 1;
    let gateway = gateway(&Fake::new(), options);
    let serving = serve_nodes(&gateway).await;
    let counted = || {
        let counters = gateway.node_counters();
        counters.requests_refused.load(Ordering::Relaxed)
    };
    let mad = ask_often(connect_from("127.0.0.7", serving.address).await, 150).await;
    assert_eq!(mad.len(), 150, "each is answered");
    assert!(mad[..50].iter().all(|(status, _)| *status == 200), "{mad:?}");
    let (often, pauses) = refused(&mad);
    // one is earned in each second that this takes
    assert!((80..=100).contains(&often), "{often} of 150");
    assert_eq!(pauses, 4, "they come back one after the other: {mad:?}");
    assert_eq!(counted(), often as u64);

    let beside = ask_often(connect_from("127.0.0.8", serving.address).await, 50).await;
    assert_eq!(refused(&beside), (0, 0));
    let _another = connect_from("127.0.0.9", serving.address).await;
    let many = ask_often(connect_from("127.0.0.9", serving.address).await, 200).await;
    assert_eq!((many.len(), refused(&many)), (200, (0, 0)), "a shared address");
    assert_eq!(counted(), often as u64);
}

/// A proxy in front of a rack has more connections than a node may have; each node behind it has its own limit of requests.
#[tokio::test]
async fn a_listed_proxy_is_not_held_to_the_limits_of_one_node() {
    let mut options = Options {
        trusted_proxies: Arc::new(|address| address == std::net::Ipv4Addr::new(127, 0, 0, 9)),
        ..Options::default()
    };
    options.nodes.requests_per_address = Some(crate::RequestRate {
        per_second_max: 1,
        burst_max: 2,
    });
    options.nodes.connections_per_address_max = 1;
    let gateway = gateway(&Fake::new(), options);
    let serving = serve_nodes(&gateway).await;
    let mut answers = Vec::new();
    let mut held = Vec::new();
    for node in ["10.9.9.1", "10.9.9.2", "10.9.9.3"] {
        held.push(connect_from("127.0.0.9", serving.address).await);
        let mut connection = connect_from("127.0.0.9", serving.address).await;
        let request = format!(
            "GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {node}\r\nConnection: close\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answers.push(answer);
    }
    assert!(
        answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200")),
        "{answers:?}"
    );
}

/// The list is the node port's: a site that names its NAT there has not opened the API port to floods from it.
#[tokio::test]
async fn shared_addresses_are_limited_on_the_api_port() {
    let options = Options {
        shared_addresses: Arc::new(|_| true),
        ..Options::default()
    };
    let mut limits = options.api;
    limits.connections_per_address_max = 1;
    let address = "127.0.0.9".parse().unwrap();
    let api = crate::admission::Admission::of_the_api(&limits);
    let _first = api.connection(address).unwrap();
    assert!(api.connection(address).is_err());
    let nodes =
        crate::admission::Admission::of_nodes(&limits, &options.shared_addresses, &options.trusted_proxies);
    let _first = nodes.connection(address).unwrap();
    assert!(nodes.connection(address).is_ok());
}

/// What a boot asks for, many times over, is below what an address may ask by default.
#[tokio::test]
async fn an_honest_node_never_meets_the_default_limit() {
    const BOOT: usize = 30;
    let gateway = gateway(&Fake::new(), Options::default());
    let serving = serve_nodes(&gateway).await;
    let boots = ask_often(connect_from("127.0.0.7", serving.address).await, 20 * BOOT).await;
    assert_eq!(refused(&boots), (0, 0));
    let mad = ask_often(connect_from("127.0.0.7", serving.address).await, 2000).await;
    assert!(refused(&mad).0 > 1000, "a limit there is");
}

/// Shutdown closes the port and idle connections, and lets an answer in progress reach its client.
#[tokio::test]
async fn drain_lets_requests_end() {
    let (entered, mut enters) = tokio::sync::mpsc::unbounded_channel();
    let release = Arc::new(tokio::sync::Notify::new());
    let waiting = Arc::clone(&release);
    let service = tower::service_fn(move |_: http::Request<tonic::body::Body>| {
        let (entered, waiting) = (entered.clone(), Arc::clone(&waiting));
        async move {
            entered.send(()).unwrap();
            waiting.notified().await;
            Ok::<_, std::convert::Infallible>(tonic::Status::not_found("gone").into_http())
        }
    });
    let gateway = Gateway::new(proto::DESCRIPTOR, service, Options::default()).unwrap();
    let Serving { address, stop, ended } = serve_nodes(&gateway).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let request = b"GET /boot/v1/bootscript?mac=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = tokio::spawn(talk(address, request));
    bounded(enters.recv()).await.unwrap();
    drop(stop);
    bounded(idle.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
    release.notify_one();
    assert!(bounded(answer).await.unwrap().starts_with("HTTP/1.1 404"));
    bounded(ended).await.unwrap();
}

/// A CA, the server's material and a user's certificate.
pub(super) struct Pki {
    server: Material,
    pub(super) user: (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    member: (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
}

pub(super) fn pki() -> Pki {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let issue = |names: Vec<SanType>| {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        (
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
    };
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let (chain, key) = issue(vec![SanType::IpAddress("127.0.0.1".parse().unwrap())]);
    Pki {
        server: Material {
            ca: vec![ca.der().clone()],
            chain,
            key,
        },
        user: issue(vec![uri("spiffe://demo/user/ada")]),
        member: issue(vec![uri("spiffe://demo/member/1")]),
    }
}

pub(super) async fn serve_api(gateway: &Gateway, pki: &Pki) -> Serving {
    install_crypto_provider();
    let tls = server_config(
        &pki.server,
        ClientCerts::Optional {
            cluster: "demo".into(),
        },
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let gateway = gateway.clone();
    let ended = tokio::spawn(async move {
        gateway
            .serve_api(listener, tls, async { stopped.await.unwrap_or(()) })
            .await
    });
    Serving { address, stop, ended }
}

pub(super) async fn connect(
    address: SocketAddr,
    pki: &Pki,
    certificate: Option<&(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    alpn: &[u8],
) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static {
    let certificate = certificate.map(|(chain, key)| (chain.clone(), key.clone_key()));
    let mut config = api_client_config(&pki.server.ca, certificate).unwrap();
    config.alpn_protocols = if alpn.is_empty() {
        vec![]
    } else {
        vec![alpn.to_vec()]
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::from(address.ip());
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

const GET: &[u8] = b"GET /apis/smd/hsm/v2/State/Components HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
    Authorization: Bearer t\r\nChamois-Consistency: local\r\nX-Forwarded-For: 10.9.9.9\r\n\r\n";

async fn get_over_http1(
    address: SocketAddr,
    pki: &Pki,
    user: Option<&(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> String {
    let mut stream = connect(address, pki, user, b"").await;
    stream.write_all(GET).await.unwrap();
    let mut answer = Vec::new();
    bounded(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Certificate, nothing, or an address from the list: and the bearer token travels on for the guard.
#[tokio::test]
async fn the_api_port_knows_callers_by_certificate_or_list() {
    let fake = Fake::new();
    let pki = pki();
    let strict = serve_api(&gateway(&fake, Options::default()), &pki).await;
    let listed = Options {
        is_legacy_reader: Arc::new(|address| address.is_loopback()),
        ..Options::default()
    };
    let lenient = serve_api(&gateway(&fake, listed), &pki).await;
    let address = "127.0.0.1".parse().unwrap();
    let nobody = |identity: &Identity| *identity == Identity::Anonymous;
    let ada = |identity: &Identity| identity.is_users_certificate() && identity.principal() == "user/ada";
    let reader = |identity: &Identity| *identity == Identity::LegacyReader { address };
    let expected = [
        (&strict, None, &nobody as &dyn Fn(&Identity) -> bool),
        (&strict, Some(&pki.user), &ada),
        (&strict, Some(&pki.member), &nobody),
        (&lenient, None, &reader),
        (&lenient, Some(&pki.user), &ada),
    ];
    for (port, certificate, is_expected) in expected {
        let answer = bounded(get_over_http1(port.address, &pki, certificate)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let asked = fake.one_asked();
        assert!(is_expected(&asked.caller.identity), "{:?}", asked.caller);
        assert_eq!(asked.metadata["authorization"], "Bearer t");
        assert_eq!(asked.metadata["chamois-consistency"], "local");
        assert!(!asked.metadata.contains_key("x-forwarded-for"));
    }
}

#[tokio::test]
async fn the_api_port_speaks_http2() {
    let fake = Fake::new();
    let pki = pki();
    let serving = serve_api(&gateway(&fake, Options::default()), &pki).await;
    let io = connect(serving.address, &pki, None, b"h2").await;
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .unwrap();
    let driven = tokio::spawn(connection);
    for uri in [
        "https://x/hsm/v2/State/Components?id=x1",
        "https://x/hsm/v2/State/Components?id=x2",
    ] {
        let request = http::Request::get(uri)
            .body(Full::<bytes::Bytes>::default())
            .unwrap();
        let response = bounded(client.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            r#"{"Components":[]}"#
        );
    }
    assert_eq!(fake.take_asked().len(), 2);
    drop(client);
    bounded(driven).await.unwrap().unwrap();
    drop(serving.stop);
    bounded(serving.ended).await.unwrap();
}

/// A body after HEAD is a protocol error on HTTP/2: the client would see a broken stream instead of the status.
#[tokio::test]
async fn head_has_the_length_and_no_body_on_http2() {
    let pki = pki();
    let serving = serve_api(&gateway(&Fake::new(), Options::default()), &pki).await;
    let io = connect(serving.address, &pki, None, b"h2").await;
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .unwrap();
    tokio::spawn(connection);
    for (uri, status) in [
        ("https://x/no/such/route", 404),
        ("https://x/hsm/v2/State/Components", 405),
        ("https://x/livez", 200),
    ] {
        let request = http::Request::head(uri).body(Full::<bytes::Bytes>::default());
        let response = bounded(client.send_request(request.unwrap())).await.unwrap();
        assert_eq!(response.status(), status, "{uri}");
        let length = response.headers()["content-length"].to_str().unwrap().to_owned();
        assert_ne!(length, "0", "{uri}");
        let body = bounded(response.into_body().collect()).await;
        assert!(body.expect("the stream ends well").to_bytes().is_empty(), "{uri}");
    }
}

/// A client that connects and never greets must not hold its place.
#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut_off() {
    let pki = pki();
    let mut options = Options::default();
    options.api.handshake_at_most = Duration::from_millis(50);
    let serving = serve_api(&gateway(&Fake::new(), options), &pki).await;
    assert_eq!(talk(serving.address, b"").await, "");
    let plain = b"GET / HTTP/1.1\r\n\r\n";
    let answer = talk(serving.address, plain).await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
}
