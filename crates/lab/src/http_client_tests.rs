//! The client against sockets that the test scripts, byte by byte: no server library would die in mid-transfer on purpose.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const QUICK: Pace = Pace::with_second(Duration::from_millis(20));
const BOUND: Duration = Duration::from_secs(20);
const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 16, 3);

/// What the server does with one connection, request by request.
#[derive(Clone, Debug)]
enum Act {
    /// Write this answer.
    Say(String),
    /// Write this, then close.
    Break(String),
    /// Write this, then nothing more, and keep the connection.
    Stall(String),
}

fn ok(body: &str) -> Act {
    Act::Say(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A request, with the number of its connection and its peer.
type Seen = (usize, Ipv4Addr, String);

/// Serves one connection per list of acts; returns the requests, and the connections that are to stay open.
async fn serve(listener: TcpListener, connections: Vec<Vec<Act>>) -> (Vec<Seen>, Vec<TcpStream>) {
    let mut requests = Vec::new();
    let mut open = Vec::new();
    'connections: for (number, acts) in connections.into_iter().enumerate() {
        let (mut stream, peer) = listener.accept().await.unwrap();
        let SocketAddr::V4(peer) = peer else {
            unreachable!()
        };
        for act in acts {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            requests.push((number, *peer.ip(), String::from_utf8(request).unwrap()));
            let (Act::Say(answer) | Act::Break(answer) | Act::Stall(answer)) = &act;
            stream.write_all(answer.as_bytes()).await.unwrap();
            if let Act::Break(_) = act {
                continue 'connections;
            }
        }
        open.push(stream); // as a frozen holder's kernel does
    }
    (requests, open)
}

async fn server(connections: Vec<Vec<Act>>) -> (Url, JoinHandle<(Vec<Seen>, Vec<TcpStream>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/file?mac=02:03", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    (url, tokio::spawn(serve(listener, connections)))
}

async fn get(manners: Manners, connections: Vec<Vec<Act>>) -> (Result<Bytes, FetchError>, Duration) {
    let (url, serving) = server(connections).await;
    let mut outage = Outage::default();
    let mut client = HttpClient::new(SOURCE, manners, QUICK);
    let document = timeout(BOUND, client.document(&url, &mut outage))
        .await
        .expect("an end in time");
    serving.abort();
    (document.map(|(document, _)| document), outage.total())
}

#[tokio::test]
async fn ipxe_asks_from_its_own_address_in_its_own_words_and_keeps_the_connection() {
    let (url, serving) = server(vec![vec![ok("one"), ok("two")]]).await;
    let mut client = HttpClient::new(SOURCE, IPXE, QUICK);
    let mut outage = Outage::default();
    assert_eq!(client.document(&url, &mut outage).await.unwrap().0, "one");
    assert_eq!(client.document(&url, &mut outage).await.unwrap().0, "two");
    assert_eq!(outage.total(), Duration::ZERO);
    let (requests, _) = serving.await.unwrap();
    assert_eq!(requests.len(), 2);
    assert!(
        requests
            .iter()
            .all(|(connection, peer, _)| *connection == 0 && *peer == SOURCE),
        "{requests:?}"
    );
    let request = requests[0].2.to_lowercase();
    assert!(
        request.starts_with("get /file?mac=02%3a03 http/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("user-agent: ipxe/") && request.contains("connection: keep-alive"),
        "{request}"
    );
}

/// Between two requests the server may die; that the old connection is gone is not yet a failure.
#[tokio::test]
async fn a_kept_connection_that_was_closed_is_opened_again() {
    let close = Act::Break("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none".into());
    let (url, _serving) = server(vec![vec![close], vec![ok("two")]]).await;
    let mut client = HttpClient::new(SOURCE, IPXE, QUICK);
    let mut outage = Outage::default();
    client.document(&url, &mut outage).await.unwrap();
    assert_eq!(client.document(&url, &mut outage).await.unwrap().0, "two");
    assert_eq!(outage.total(), Duration::ZERO);
}

#[tokio::test]
async fn cloud_init_opens_a_connection_for_each_request() {
    let (url, serving) = server(vec![vec![ok("one")], vec![ok("two")]]).await;
    let mut client = HttpClient::new(SOURCE, CLOUD_INIT, QUICK);
    let mut outage = Outage::default();
    client.document(&url, &mut outage).await.unwrap();
    client.document(&url, &mut outage).await.unwrap();
    let (requests, _) = serving.await.unwrap();
    assert!(
        requests[1].2.contains("mac=02:03"),
        "it escapes no colon: {requests:?}"
    );
}

/// The server dies while it sends: half a file must never pass for a file.
#[tokio::test]
async fn a_transfer_that_breaks_off_is_a_failure_and_costs_from_its_last_byte() {
    let half = Act::Break("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".into());
    let (result, _) = get(IPXE, vec![vec![half]]).await;
    assert!(matches!(result, Err(FetchError::Broken(_))), "{result:?}");
}

#[tokio::test]
async fn a_stalled_transfer_is_freed_after_fifteen_seconds_without_a_byte() {
    for stall in [
        String::new(),
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".into(),
    ] {
        let (result, lost) = get(IPXE, vec![vec![Act::Stall(stall)]]).await;
        assert!(matches!(result, Err(FetchError::Stalled(15))), "{result:?}");
        assert!(lost >= QUICK.seconds(15), "{lost:?}");
    }
}

/// cloud-init has no read time-out: it waits for ever, and only the node's own bound ends that.
#[tokio::test]
async fn cloud_init_waits_for_ever() {
    let (url, _serving) = server(vec![vec![Act::Stall(String::new())]]).await;
    let mut client = HttpClient::new(SOURCE, CLOUD_INIT, Pace::with_second(Duration::from_millis(1)));
    let mut outage = Outage::default();
    let waited = timeout(Duration::from_millis(300), client.document(&url, &mut outage)).await;
    assert!(waited.is_err(), "300 of its seconds without an answer");
}

/// The address has no holder for a moment: the node's SYNs go on until it has one again.
#[tokio::test]
async fn a_connection_is_tried_until_somebody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url: Url = format!("http://{address}/").parse().unwrap();
    let fetching = tokio::spawn(async move {
        let mut outage = Outage::default();
        let result = HttpClient::new(SOURCE, IPXE, QUICK)
            .document(&url, &mut outage)
            .await;
        (result.map(|(document, took)| (document, took.0)), outage.total())
    });
    tokio::time::sleep(QUICK.millis(300)).await; // at least the first attempt is refused
    assert!(!fetching.is_finished());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    let serving = tokio::spawn(serve(socket.listen(8).unwrap(), vec![vec![ok("at last")]]));
    let (result, lost) = fetching.await.unwrap();
    let (document, took) = result.unwrap();
    assert_eq!(document, "at last");
    assert!(lost >= QUICK.millis(250), "{lost:?}");
    assert!(
        took < lost,
        "the waits before the answer do not count as its latency"
    );
    serving.await.unwrap();
}

#[tokio::test]
async fn a_server_that_never_comes_back_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(listener);
    let mut outage = Outage::default();
    let result = HttpClient::new(SOURCE, IPXE, QUICK)
        .document(&url, &mut outage)
        .await;
    assert!(matches!(result, Err(FetchError::Connect { .. })));
    assert!(
        outage.total() >= QUICK.millis(15_750),
        "0.25 + 0.5 + 1 + 2 + 4 + 8 s: {:?}",
        outage.total()
    );
    let result = HttpClient::new(SOURCE, CLOUD_INIT, QUICK)
        .document(&url, &mut outage)
        .await;
    assert!(
        matches!(result, Err(FetchError::Connect { .. })),
        "cloud-init tries once"
    );
}

fn later(status: &str, value: &str) -> Act {
    Act::Say(format!(
        "HTTP/1.1 {status}\r\nretry-after: {value}\r\ncontent-length: 0\r\n\r\n"
    ))
}

#[tokio::test]
async fn retry_after_is_waited_for_and_counts_as_lost_time() {
    let acts = vec![
        vec![later("503 Service Unavailable", "2")],
        vec![later("503 Service Unavailable", "soon")],
        vec![ok("x")],
    ];
    let (result, lost) = get(IPXE, acts).await;
    assert_eq!(result.unwrap(), "x");
    assert!(lost >= QUICK.seconds(2 + 5), "{lost:?}");
}

/// iPXE comes back whatever the status is, cloud-init only on 503.
#[tokio::test]
async fn retry_after_on_other_answers_counts_for_ipxe_alone() {
    let acts = || vec![vec![later("200 OK", "1")], vec![ok("x")]];
    assert_eq!(get(IPXE, acts()).await.0.unwrap(), "x");
    assert_eq!(get(CLOUD_INIT, acts()).await.0.unwrap(), "");
    let not_found = vec![vec![later("404 Not Found", "1")]];
    assert!(matches!(
        get(CLOUD_INIT, not_found).await.0,
        Err(FetchError::Status(StatusCode::NOT_FOUND))
    ));
}

#[tokio::test]
async fn another_status_is_a_failure() {
    let acts = vec![vec![Act::Say(
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into(),
    )]];
    assert!(matches!(
        get(IPXE, acts).await.0,
        Err(FetchError::Status(StatusCode::NOT_FOUND))
    ));
}

#[tokio::test]
async fn a_document_without_end_is_cut_off() {
    let huge = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n{}",
        "x".repeat(1_100_000)
    );
    assert!(matches!(
        get(IPXE, vec![vec![Act::Stall(huge)]]).await.0,
        Err(FetchError::TooLong(_))
    ));
}

#[tokio::test]
async fn a_file_is_known_by_length_and_checksum() {
    let (url, _serving) = server(vec![vec![ok("kernel")]]).await;
    let mut outage = Outage::default();
    let digest = HttpClient::new(SOURCE, IPXE, QUICK)
        .file(&url, &mut outage)
        .await
        .unwrap();
    assert_eq!(digest, FileDigest::of(b"kernel"));
    assert_ne!(digest, FileDigest::of(b"Kernel"));
}

#[tokio::test]
async fn a_form_is_posted() {
    let (url, serving) = server(vec![vec![ok("")]]).await;
    let mut outage = Outage::default();
    HttpClient::new(SOURCE, CLOUD_INIT, QUICK)
        .post(&url, "hostname=a", &mut outage)
        .await
        .unwrap();
    let request = &serving.await.unwrap().0[0].2;
    assert!(
        request.starts_with("POST ") && request.contains("application/x-www-form-urlencoded"),
        "{request}"
    );
    assert!(request.contains("content-length: 10"), "{request}");
}
