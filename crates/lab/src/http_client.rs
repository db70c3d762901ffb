//! HTTP/1.1 as a node's clients speak it, each with its own patience, from the address that DHCP gave.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::outage::Outage;
use crate::pace::Pace;
use crate::url::Url;

/// Largest document (script, cloud-init data), bytes.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Largest boot file, bytes.
const FILE_BYTES_MAX: u64 = 4 << 30;
/// Waits that servers may ask for with Retry-After in a row, before the node's patience is at an end.
const RETRY_AFTER_MAX: u32 = 200;
/// Longest wait that a Retry-After is granted, seconds.
const RETRY_AFTER_S_MAX: u32 = 60;
/// The wait for a Retry-After that is no number, seconds (iPXE's `http_parse_retry_after`).
const RETRY_AFTER_S_DEFAULT: u32 = 5;

/// Length and checksum of a file, to tell whether a node got what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// Length, bytes.
    pub length: u64,
    /// CRC-32 (IEEE).
    pub crc32: u32,
}

impl FileDigest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> FileDigest {
        FileDigest {
            length: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
        }
    }
}

/// How patient a client is, and how it introduces itself. Times in the node's seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    user_agent: &'static str,
    /// Waits between the attempts of one connection, milliseconds; after the last one it is given up.
    connect_waits_ms: &'static [u32],
    /// A transfer without a byte for this long is freed; 0 means never.
    stall_s: u32,
    /// Whether a connection is used again.
    keeps_alive: bool,
    /// Whether Retry-After counts on every answer, or on 503 alone.
    always_retries_after: bool,
    escapes_colons: bool,
}

/// iPXE: SYN retransmissions after 0.25 s, doubling until over 10 s (`retry.c`); a stalled connection is freed when
/// the keepalive after 15 s meets the reset of the address's new holder; Retry-After on any answer (`httpcore.c`).
pub(crate) const IPXE: Manners = Manners {
    user_agent: "iPXE/1.21.1+",
    connect_waits_ms: &[250, 500, 1000, 2000, 4000, 8000],
    stall_s: 15,
    keeps_alive: true,
    always_retries_after: true,
    escapes_colons: true,
};

/// cloud-init: no connect retry of its own, no time-out; Retry-After on 503 (`url_helper.py`).
pub(crate) const CLOUD_INIT: Manners = Manners {
    user_agent: "Cloud-Init/24.4",
    connect_waits_ms: &[],
    stall_s: 0,
    keeps_alive: false,
    always_retries_after: false,
    escapes_colons: false,
};

/// Why a request was not answered in full.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no connection to {server}: {source}")]
    Connect { server: SocketAddrV4, source: io::Error },
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("no byte for {0} s: the transfer is stalled")]
    Stalled(u32),
    #[error("HTTP status {0}")]
    Status(StatusCode),
    #[error("the answer is longer than {0} bytes")]
    TooLong(u64),
    #[error("asked to come back {RETRY_AFTER_MAX} times")]
    SentAway,
}

/// A node's HTTP client.
pub(crate) struct HttpClient {
    source: Ipv4Addr,
    manners: Manners,
    pace: Pace,
    kept: Option<(SocketAddrV4, SendRequest<Full<Bytes>>)>,
}

/// What to send.
pub(crate) enum Ask<'a> {
    Get,
    /// A POST of `application/x-www-form-urlencoded`.
    Form(&'a str),
}

/// A full answer's time, from sending the request (or connecting for it) to its last byte; waits before it do not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took(pub(crate) Duration);

/// An attempt's end that is no full answer.
enum Interrupted {
    /// The server wants the node back after this time.
    ComeBack(Duration),
    /// It failed; the node was content until `content`.
    Failed { error: FetchError, content: Instant },
}

impl HttpClient {
    pub(crate) fn new(source: Ipv4Addr, manners: Manners, pace: Pace) -> HttpClient {
        HttpClient {
            source,
            manners,
            pace,
            kept: None,
        }
    }

    /// Gets a document.
    pub(crate) async fn document(
        &mut self,
        url: &Url,
        outage: &mut Outage,
    ) -> Result<(Bytes, Took), FetchError> {
        let mut document = Vec::new();
        let took = self
            .fetch(url, &Ask::Get, &mut Sink::Document(&mut document), outage)
            .await?;
        Ok((document.into(), took))
    }

    /// Gets a file of which only the digest is kept.
    pub(crate) async fn file(&mut self, url: &Url, outage: &mut Outage) -> Result<FileDigest, FetchError> {
        let mut digest = (crc32fast::Hasher::new(), 0);
        self.fetch(url, &Ask::Get, &mut Sink::File(&mut digest), outage)
            .await?;
        Ok(FileDigest {
            length: digest.1,
            crc32: digest.0.finalize(),
        })
    }

    /// Posts a form; the answer's content does not matter.
    pub(crate) async fn post(
        &mut self,
        url: &Url,
        form: &str,
        outage: &mut Outage,
    ) -> Result<(), FetchError> {
        let mut nothing = Vec::new();
        self.fetch(url, &Ask::Form(form), &mut Sink::Document(&mut nothing), outage)
            .await
            .map(drop)
    }

    /// Asks until there is an answer other than "come back later".
    async fn fetch(
        &mut self,
        url: &Url,
        ask: &Ask<'_>,
        sink: &mut Sink<'_>,
        outage: &mut Outage,
    ) -> Result<Took, FetchError> {
        for _ in 0..RETRY_AFTER_MAX {
            let asked = Instant::now();
            sink.clear();
            match self.attempt(url, ask, sink, outage).await {
                Ok(took) => {
                    outage.answered();
                    return Ok(took);
                }
                Err(Interrupted::ComeBack(wait)) => {
                    outage.failed(asked);
                    sleep(wait).await;
                }
                Err(Interrupted::Failed { error, content }) => {
                    outage.failed(content);
                    return Err(error);
                }
            }
        }
        Err(FetchError::SentAway)
    }

    async fn attempt(
        &mut self,
        url: &Url,
        ask: &Ask<'_>,
        sink: &mut Sink<'_>,
        outage: &mut Outage,
    ) -> Result<Took, Interrupted> {
        if let Some((_, mut sender)) = self.kept.take().filter(|(server, _)| *server == url.server) {
            let asked = Instant::now();
            if sender.ready().await.is_ok() {
                match self.answer(&mut sender, url, ask, asked).await {
                    Ok(response) => return self.receive(url, sender, response, asked, sink).await,
                    // closed meanwhile, which is no failure: iPXE opens another connection
                    Err(Interrupted::Failed {
                        error: FetchError::Broken(_),
                        ..
                    }) => {}
                    Err(other) => return Err(other),
                }
            }
        }
        let (asked, mut sender) = self.connect(url.server, outage).await?;
        let response = self.answer(&mut sender, url, ask, asked).await?;
        self.receive(url, sender, response, asked, sink).await
    }

    /// Connects, trying again as the client's TCP does; also says when the attempt that went through began.
    async fn connect(
        &self,
        server: SocketAddrV4,
        outage: &mut Outage,
    ) -> Result<(Instant, SendRequest<Full<Bytes>>), Interrupted> {
        let first = Instant::now();
        let mut waits = self.manners.connect_waits_ms.iter();
        loop {
            let began = Instant::now();
            match connect_once(self.source, server).await {
                Ok(sender) => return Ok((began, sender)),
                Err(source) => {
                    outage.failed(first);
                    let Some(wait) = waits.next() else {
                        let error = FetchError::Connect { server, source };
                        return Err(Interrupted::Failed {
                            error,
                            content: first,
                        });
                    };
                    sleep(self.pace.millis(*wait)).await;
                }
            }
        }
    }

    async fn answer(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        url: &Url,
        ask: &Ask<'_>,
        asked: Instant,
    ) -> Result<Response<Incoming>, Interrupted> {
        let request = self.request(url, ask);
        match self.patiently(sender.send_request(request)).await {
            Ok(response) => Ok(response),
            Err(error) => Err(Interrupted::Failed {
                error,
                content: asked,
            }),
        }
    }

    fn request(&self, url: &Url, ask: &Ask<'_>) -> Request<Full<Bytes>> {
        let path = if self.manners.escapes_colons {
            url.ipxe_path()
        } else {
            url.path.clone()
        };
        let request = Request::builder()
            .uri(path)
            .header(header::CONNECTION, "keep-alive")
            .header(header::USER_AGENT, self.manners.user_agent)
            .header(header::HOST, url.server.to_string());
        let request = match ask {
            Ask::Get => request.method(Method::GET).body(Full::default()),
            Ask::Form(form) => request
                .method(Method::POST)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Full::from(Bytes::copy_from_slice(form.as_bytes()))),
        };
        request.expect("a checked URL and fixed headers make a request")
    }

    async fn receive(
        &mut self,
        url: &Url,
        sender: SendRequest<Full<Bytes>>,
        response: Response<Incoming>,
        asked: Instant,
        sink: &mut Sink<'_>,
    ) -> Result<Took, Interrupted> {
        if let Some(wait) = self.retry_after(&response) {
            return Err(Interrupted::ComeBack(wait));
        }
        if !response.status().is_success() {
            let error = FetchError::Status(response.status());
            return Err(Interrupted::Failed {
                error,
                content: asked,
            });
        }
        let mut content = Instant::now();
        let mut body = response.into_body();
        while let Some(frame) = self
            .next_frame(&mut body)
            .await
            .map_err(|error| failed(error, content))?
        {
            content = Instant::now();
            sink.take(&frame).map_err(|error| failed(error, content))?;
        }
        if self.manners.keeps_alive {
            self.kept = Some((url.server, sender));
        }
        Ok(Took(asked.elapsed()))
    }

    fn retry_after(&self, response: &Response<Incoming>) -> Option<Duration> {
        let value = response.headers().get(header::RETRY_AFTER)?;
        if !self.manners.always_retries_after && response.status() != StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        let seconds = value
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(RETRY_AFTER_S_DEFAULT);
        Some(self.pace.seconds(seconds.min(RETRY_AFTER_S_MAX)))
    }

    async fn next_frame(&self, body: &mut Incoming) -> Result<Option<Bytes>, FetchError> {
        let frame = self.patiently(async { body.frame().await.transpose() }).await?;
        Ok(frame.map(|frame| frame.into_data().unwrap_or_default())) // trailers are nothing to a node
    }

    /// Waits as long as this client does.
    async fn patiently<T>(
        &self,
        work: impl Future<Output = Result<T, hyper::Error>>,
    ) -> Result<T, FetchError> {
        if self.manners.stall_s == 0 {
            return Ok(work.await?);
        }
        match timeout(self.pace.seconds(self.manners.stall_s), work).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(FetchError::Stalled(self.manners.stall_s)),
        }
    }
}

fn failed(error: FetchError, content: Instant) -> Interrupted {
    Interrupted::Failed { error, content }
}

/// Opens a connection from the node's own address.
async fn connect_once(source: Ipv4Addr, server: SocketAddrV4) -> io::Result<SendRequest<Full<Bytes>>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let stream: TcpStream = socket.connect(server.into()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection); // ends with the sender or the connection; errors reach the request
    Ok(sender)
}

/// Where an answer's bytes go.
enum Sink<'a> {
    Document(&'a mut Vec<u8>),
    File(&'a mut (crc32fast::Hasher, u64)),
}

impl Sink<'_> {
    /// Forgets what an interrupted attempt left.
    fn clear(&mut self) {
        match self {
            Sink::Document(document) => document.clear(),
            Sink::File(digest) => **digest = (crc32fast::Hasher::new(), 0),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        match self {
            Sink::Document(document) if document.len() + bytes.len() > DOCUMENT_BYTES_MAX => {
                Err(FetchError::TooLong(DOCUMENT_BYTES_MAX as u64))
            }
            Sink::Document(document) => {
                document.extend_from_slice(bytes);
                Ok(())
            }
            Sink::File(digest) => {
                digest.0.update(bytes);
                digest.1 += bytes.len() as u64;
                if digest.1 > FILE_BYTES_MAX {
                    Err(FetchError::TooLong(FILE_BYTES_MAX))
                } else {
                    Ok(())
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "http_client_tests.rs"]
mod tests;
