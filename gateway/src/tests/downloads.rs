//! Boot files over real sockets, where the kernel sends them past HTTP's buffers: every byte once, in order, whatever
//! the client does.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Waker};

use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::sockets::{Serving, bounded, serve_nodes};
use super::{Fake, files, gateway};

/// Larger than what both ends' sockets hold, so that the sender has to wait.
const LARGE_BYTES: usize = 24 << 20;
const CLIENTS: usize = 16;

/// Bytes that differ along the file, so that one sent twice or left out shows.
fn content(bytes: usize) -> Vec<u8> {
    let mut word = 1_u64;
    let words = (0..bytes.div_ceil(8)).flat_map(|_| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        word.to_le_bytes()
    });
    words.take(bytes).collect()
}

async fn serving(folder: &Path) -> Serving {
    serve_nodes(&gateway(&Fake::new(), files::options(folder))).await
}

/// One connection; answers are read by their lengths.
struct Client(TcpStream);

impl Client {
    async fn connect(serving: &Serving) -> Self {
        Self(TcpStream::connect(serving.address).await.unwrap())
    }

    async fn send(&mut self, requests: &str) {
        self.0.write_all(requests.as_bytes()).await.unwrap();
    }

    /// The head of the next answer, in lower case.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(bounded(self.0.read_u8()).await.unwrap());
        }
        String::from_utf8(head).unwrap().to_lowercase()
    }

    async fn body(&mut self, bytes: usize) -> Vec<u8> {
        let mut body = vec![0; bytes];
        bounded(self.0.read_exact(&mut body)).await.unwrap();
        body
    }
}

fn get(name: &str, more: &str) -> String {
    format!("GET /files/{name} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
}

/// HTTP's own bytes (heads, problems) and the kernel's must alternate on one connection without mixing.
#[tokio::test]
async fn answers_of_every_kind_follow_each_other_on_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (large, small) = (content(LARGE_BYTES), content(10));
    for (name, bytes) in [("large", &large), ("small", &small), ("empty", &Vec::new())] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let serving = serving(folder.path()).await;
    let mut client = Client::connect(&serving).await;
    let requests = [
        get("small", ""),
        get("large", "Range: bytes=1000000-20000000\r\n"),
        get("nothing", ""),
        get("empty", ""),
        get("small", "").replace("GET", "HEAD"),
        get("large", ""),
        get("small", "Range: bytes=3-4\r\n"),
    ];
    client.send(&requests.concat()).await;
    assert!(client.head().await.starts_with("http/1.1 200"));
    assert!(client.body(10).await == small);
    assert!(client.head().await.starts_with("http/1.1 206"));
    assert!(client.body(19_000_001).await == large[1_000_000..=20_000_000]);
    let refused = client.head().await;
    let length = refused.split("content-length: ").nth(1).unwrap();
    let length = length.split('\r').next().unwrap().parse().unwrap();
    assert!(refused.starts_with("http/1.1 404"), "{refused}");
    assert!(client.body(length).await.starts_with(b"{"));
    assert!(client.head().await.contains("content-length: 0\r\n"));
    assert!(client.head().await.contains("content-length: 10\r\n"));
    assert!(
        client
            .head()
            .await
            .contains(&format!("content-length: {LARGE_BYTES}\r\n"))
    );
    assert!(client.body(LARGE_BYTES).await == large);
    assert!(client.head().await.contains("content-range: bytes 3-4/10\r\n"));
    assert!(client.body(2).await == small[3..5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_get_the_same_bytes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let large = std::sync::Arc::new(content(LARGE_BYTES / 4));
    std::fs::write(folder.path().join("large"), large.as_slice()).unwrap();
    let serving = serving(folder.path()).await;
    let mut clients = tokio::task::JoinSet::new();
    for first in 0..CLIENTS {
        let (mut client, large) = (Client::connect(&serving).await, large.clone());
        clients.spawn(async move {
            client
                .send(&get("large", &format!("Range: bytes={first}-\r\n")))
                .await;
            assert!(client.head().await.starts_with("http/1.1 206"));
            assert!(
                client.body(large.len() - first).await == large[first..],
                "{first}"
            );
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

/// A short answer must not look like a whole one, nor the next answer like the rest of this one.
#[tokio::test]
async fn a_file_that_shrinks_while_it_is_sent_breaks_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    let large = content(LARGE_BYTES);
    std::fs::write(&path, &large).unwrap();
    let serving = serving(folder.path()).await;
    let mut client = Client::connect(&serving).await;
    client.send(&(get("large", "") + &get("large", ""))).await;
    client.head().await;
    assert!(client.body(1000).await == large[..1000]);
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(100_000)
        .unwrap();
    let mut rest = Vec::new();
    // a reset is as good an end as a close
    let _ = bounded(client.0.read_to_end(&mut rest)).await;
    assert!(rest.len() < LARGE_BYTES - 1000, "{}", rest.len());
    let sound = rest.len().min(99_000);
    assert!(
        rest[..sound] == large[1000..1000 + sound],
        "what the file still has"
    );
    let heads = rest.windows(9).filter(|bytes| *bytes == b"HTTP/1.1 ");
    assert_eq!(
        heads.count(),
        0,
        "no answer follows in the place of the missing bytes"
    );
}

/// Half a kernel of each of two versions boots nobody, and its length and ETag say nothing.
#[tokio::test]
async fn a_file_that_is_written_while_it_is_sent_breaks_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    std::fs::write(&path, content(LARGE_BYTES)).unwrap();
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let serving = serving(folder.path()).await;
    let mut client = Client::connect(&serving).await;
    client.send(&get("large", "")).await;
    client.head().await;
    client.body(1000).await;
    std::io::Write::write_all(&mut file, &vec![7; LARGE_BYTES]).unwrap();
    let mut rest = Vec::new();
    // a reset is as good an end as a close
    let _ = bounded(client.0.read_to_end(&mut rest)).await;
    assert!(
        rest.len() < LARGE_BYTES - 1000,
        "its last bytes are never sent: {}",
        rest.len()
    );
}

/// Bytes of a file before the head of its answer would be garbage; and HTTP's count of them must send none twice.
#[tokio::test]
async fn a_body_waits_for_its_head_and_its_bytes_go_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut wire = crate::wire::Wire::new(listener.accept().await.unwrap().0);
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&path, "_file_").unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let seen = file.metadata().unwrap();
    let mut body = crate::send_file::body(file, &seen, 1..5, Some(&wire));

    let mut poll_now = || Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
    assert!(
        poll_now().is_pending() && poll_now().is_pending(),
        "the head is not out"
    );
    wire.write_all(b"head ").await.unwrap();
    assert!(poll_now().is_pending(), "written, but more of it may come");
    wire.flush().await.unwrap();
    let frame = bounded(body.frame()).await.unwrap().unwrap();
    assert!(body.is_end_stream());
    wire.write_all(&frame.into_data().unwrap()).await.unwrap();
    wire.write_all(b" next").await.unwrap();
    wire.shutdown().await.unwrap();
    let mut received = String::new();
    bounded(client.read_to_string(&mut received)).await.unwrap();
    assert_eq!(received, "head file next");
}
