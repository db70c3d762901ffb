//! A GET that becomes a WebSocket (RFC 6455): each message of the client is one of a method's stream, each answer one for the client.
//! What they mean is the method's business; here are the handshake, the bounds, and how the two ends learn of each other's end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, stream};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{Response, StatusCode, request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use prost::encoding::{WireType, encode_key, encode_varint};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::Error as SocketError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tonic::{Status, Streaming};

use crate::body::{self, Body};
use crate::port::Port;
use crate::problem::Problem;
use crate::response::{bytes_field, text_field};
use crate::routes::{Frames, Route};
use crate::upstream::Call;

/// RFC 6455, 1.3.
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The version of the protocol.
const VERSION: &str = "13";
/// Bytes of a key, decoded.
const KEY_BYTES: usize = 16;
/// Bytes of one message of a client.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Bytes that are read at once, and that are written together.
const BUFFER_BYTES: usize = 16 << 10;
/// Messages of a client on their way to a service that is slow; it waits after that.
const MESSAGES_AHEAD: usize = 8;
/// How often a client is asked whether it is still there: no proxy in front waits longer for a byte than twice this.
const PING_PAUSE: Duration = Duration::from_secs(25);
/// A client that says nothing for so long, not even that, is gone.
const SILENCE_AT_MOST: Duration = Duration::from_secs(80);
/// How long a client may take to read what is sent.
const SEND_AT_MOST: Duration = Duration::from_secs(60);
/// How long the farewell may take.
const FAREWELL_AT_MOST: Duration = Duration::from_secs(3);
/// What a service has to say why it ends, once this member stops.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// What a client is told when a service has not said why it ends.
const STOPS: &str = "this member stops; connect again";
/// Bytes of the reason of a close (RFC 6455, 5.5).
const REASON_BYTES_MAX: usize = 123;

/// What a connection does when it has become a WebSocket. It is the connection's own work, so that it is counted, drained and cut
/// like any other.
#[derive(Clone)]
pub(crate) struct Upgraded {
    work: Arc<Mutex<Option<BoxFuture<'static, ()>>>>,
    draining: watch::Receiver<bool>,
}

impl Upgraded {
    /// Of a connection that is told by `draining` to come to its end.
    pub(crate) fn new(draining: watch::Receiver<bool>) -> Self {
        Self {
            work: Arc::default(),
            draining,
        }
    }

    /// What is to be done after the connection's last request, if it was an upgrade.
    pub(crate) fn take(&self) -> Option<BoxFuture<'static, ()>> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.take()
    }

    fn put(&self, work: BoxFuture<'static, ()>) {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
    }
}

/// Whether this may become a WebSocket: only then a connection needs to be ready for it.
pub(crate) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
}

impl Port {
    /// Opens the stream of a method, and answers that the connection is a WebSocket from now on.
    ///
    /// # Errors
    /// What the service refuses, before anything is upgraded; 426 for a request that asks for no WebSocket, if its caller may;
    /// 400 for a handshake that is none, 403 for one of another site's page.
    pub(crate) async fn attach(
        &self,
        route: &Route,
        frames: Frames,
        first: Bytes,
        parts: &request::Parts,
        caller: rpc::Caller,
    ) -> Result<Response<Body>, Problem> {
        let call = Call {
            path: route.grpc_path.clone(),
            message: Bytes::new(),
            caller,
            headers: &parts.headers,
            passed: &self.passed,
            kept: None,
            validate_only: false,
            seen_as: parts.extensions.get::<rpc::SeenAs>().cloned(),
            deadline: self.limits.long_answer_at_most,
        };
        let (accept, on_upgrade, upgraded) = match handshake(parts) {
            Ok(agreed) => agreed,
            Err(problem) => return Err(self.why_not(call, problem).await),
        };
        let (typed, said) = mpsc::channel(MESSAGES_AHEAD);
        let messages = stream::once(async { first }).chain(ReceiverStream::new(said));
        let answers = self
            .upstream
            .stream(call, messages)
            .await
            .map_err(Problem::from)?;
        let bridge = Bridge {
            frames,
            typed,
            answers: answers.into_inner(),
        };
        let draining = upgraded.draining.clone();
        upgraded.put(bridge.after(on_upgrade, draining).boxed());
        Ok(switching(accept))
    }

    /// Who may not call the method hears that first. A method does nothing before it has a message, and here it gets none.
    async fn why_not(&self, call: Call<'_>, problem: Problem) -> Problem {
        match self.upstream.stream(call, stream::empty()).await {
            Err(status) => match Problem::from(status) {
                refused if is_about_the_caller(refused.status) => refused,
                _ => problem,
            },
            Ok(_) => problem,
        }
    }
}

fn is_about_the_caller(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// What a handshake has agreed on: the answer to its key, the connection to come, and where its work is put.
type Agreed = (HeaderValue, OnUpgrade, Upgraded);

/// RFC 6455, 4.2.1.
///
/// # Errors
/// 426, 400 or 403.
fn handshake(parts: &request::Parts) -> Result<Agreed, Problem> {
    let headers = &parts.headers;
    let upgrade = parts.extensions.get::<OnUpgrade>().cloned();
    let upgraded = parts.extensions.get::<Upgraded>().cloned();
    let asks = has_word(headers, UPGRADE, "websocket") && has_word(headers, CONNECTION, "upgrade");
    let (Some(upgrade), Some(upgraded), true) = (upgrade, upgraded, asks) else {
        return Err(upgrade_required());
    };
    if headers
        .get(SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != VERSION)
    {
        return Err(upgrade_required());
    }
    if headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
    {
        return Err(bad("a handshake has no body"));
    }
    check_origin(headers)?;
    Ok((accept_of(headers)?, upgrade, upgraded))
}

/// The answer to the key, which proves that this is no cache.
fn accept_of(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let key = key.filter(|key| {
        STANDARD
            .decode(key)
            .is_ok_and(|decoded| decoded.len() == KEY_BYTES)
    });
    let key = key.ok_or_else(|| bad("Sec-WebSocket-Key must be 16 bytes in base64"))?;
    let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, ACCEPT_SUFFIX].concat());
    let accept = STANDARD.encode(accept.as_ref());
    Ok(HeaderValue::from_str(&accept).expect("base64 is visible ASCII"))
}

/// A browser shows its certificate whatever page asks it to connect; where that page is from, only this header says.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = host.map(|host| format!("https://{host}"));
    let is_own = own.is_some_and(|own| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()));
    is_own.then_some(()).ok_or_else(|| {
        let problem = "Origin names another site; only pages of this host may connect";
        Problem::new(StatusCode::FORBIDDEN, problem)
    })
}

fn has_word(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    words.any(|found| found.trim().eq_ignore_ascii_case(word))
}

fn bad(problem: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, problem)
}

fn upgrade_required() -> Problem {
    let problem =
        "this is a WebSocket: connect with HTTP/1.1, Upgrade: websocket and Sec-WebSocket-Version: 13";
    let mut problem = Problem::new(StatusCode::UPGRADE_REQUIRED, problem);
    problem.headers.extend([
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION)),
    ]);
    problem
}

fn switching(accept: HeaderValue) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().extend([
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ]);
    response
}

/// Between a method's stream and a client.
struct Bridge {
    frames: Frames,
    /// To the method.
    typed: mpsc::Sender<Bytes>,
    /// Of the method.
    answers: Streaming<Bytes>,
}

/// How it ends.
enum End {
    /// The client is told.
    Said(CloseCode, String),
    /// There is nobody to tell.
    Gone,
}

impl Bridge {
    async fn after(self, on_upgrade: OnUpgrade, draining: watch::Receiver<bool>) {
        match on_upgrade.await {
            Ok(io) => {
                let socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, Some(config()));
                self.run(socket.await, draining).await;
            }
            Err(error) => tracing::debug!(%error, "no WebSocket came of an upgrade"),
        }
    }

    /// Passes messages until one end does not go on; both learn why.
    async fn run<Io>(self, mut socket: WebSocketStream<Io>, draining: watch::Receiver<bool>)
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        if let End::Said(code, why) = self.pass(&mut socket, draining).await {
            tracing::debug!(%code, %why, "a WebSocket ends");
            let farewell = farewell(&mut socket, code, &why);
            // who does not read does not hear it
            let _ = timeout(FAREWELL_AT_MOST, farewell).await;
        }
    }

    async fn pass<Io>(mut self, socket: &mut WebSocketStream<Io>, draining: watch::Receiver<bool>) -> End
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let mut pings = interval_at(Instant::now() + PING_PAUSE, PING_PAUSE);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopped = stopped(draining);
        tokio::pin!(stopped);
        let mut heard = Instant::now();
        // a message of the client that the method has no room for yet: nothing more is read then
        let mut waiting: Option<Bytes> = None;
        loop {
            let end = tokio::select! {
                () = &mut stopped => Some(End::Said(CloseCode::Restart, STOPS.to_owned())),
                answer = self.answers.next() => show(self.frames, socket, answer).await,
                room = self.typed.reserve(), if waiting.is_some() => match (room, waiting.take()) {
                    (Ok(room), Some(message)) => {
                        heard = Instant::now();
                        room.send(message);
                        None
                    }
                    // the method reads no more, and says why in its answers
                    _ => None,
                },
                said = socket.next(), if waiting.is_none() => {
                    heard = Instant::now();
                    match heard_of(said) {
                        Ok(message) => {
                            waiting = message.map(|message| framed(self.frames.asked, &message));
                            None
                        }
                        Err(end) => Some(end),
                    }
                }
                _ = pings.tick() => match heard.elapsed() > SILENCE_AT_MOST && waiting.is_none() {
                    true => Some(End::Gone),
                    false => send(socket, Message::Ping(Bytes::new())).await,
                },
            };
            if let Some(end) = end {
                return end;
            }
        }
    }
}

/// Shows the client an answer of the method, or its end.
async fn show<Io>(
    frames: Frames,
    socket: &mut WebSocketStream<Io>,
    answer: Option<Result<Bytes, Status>>,
) -> Option<End>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let wire = match answer {
        None => return Some(End::Said(CloseCode::Normal, String::new())),
        Some(Err(status)) => return Some(end_of(status)),
        Some(Ok(wire)) => wire,
    };
    let reason = frames.reason.and_then(|number| text_field(&wire, number));
    if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
        return Some(End::Said(CloseCode::Normal, reason.to_owned()));
    }
    let bytes = bytes_field(&wire, frames.answered).filter(|bytes| !bytes.is_empty())?;
    send(socket, Message::Binary(wire.slice_ref(bytes))).await
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0) // a key that is echoed must not wait for others
        .max_write_buffer_size(4 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

async fn stopped(mut draining: watch::Receiver<bool>) {
    // whoever stops this member may be gone: that is a stop, too
    let _ = draining.wait_for(|draining| *draining).await;
    sleep(STOP_GRACE).await;
}

async fn send<Io>(socket: &mut WebSocketStream<Io>, message: Message) -> Option<End>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    match timeout(SEND_AT_MOST, socket.send(message)).await {
        Ok(Ok(())) => None,
        Ok(Err(_)) | Err(_) => Some(End::Gone),
    }
}

/// What a client has said: a message for the method, or none.
fn heard_of(said: Option<Result<Message, SocketError>>) -> Result<Option<Bytes>, End> {
    match said {
        Some(Ok(Message::Binary(bytes))) => Ok(Some(bytes)),
        Some(Ok(Message::Text(text))) => Ok(Some(text.into())),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(_))) => Err(End::Said(CloseCode::Normal, String::new())),
        Some(Err(SocketError::Capacity(_))) => Err(End::Said(
            CloseCode::Size,
            format!("a message has {MESSAGE_BYTES_MAX} bytes at most"),
        )),
        Some(Err(SocketError::Protocol(error))) => Err(End::Said(CloseCode::Protocol, error.to_string())),
        Some(Err(SocketError::Utf8(_))) => Err(End::Said(
            CloseCode::Invalid,
            "a text is UTF-8; send other bytes as binary messages".to_owned(),
        )),
        Some(Err(_)) | None => Err(End::Gone),
    }
}

/// As HTTP would have said it.
fn end_of(status: Status) -> End {
    let problem = Problem::from(status);
    let code = match problem.status {
        StatusCode::PAYLOAD_TOO_LARGE => CloseCode::Size,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            CloseCode::Again
        }
        status if status.is_client_error() => CloseCode::Policy,
        _ => CloseCode::Error,
    };
    End::Said(code, problem.detail)
}

/// Says why, and reads until the client has heard it.
async fn farewell<Io>(socket: &mut WebSocketStream<Io>, code: CloseCode, why: &str)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let frame = CloseFrame {
        code,
        reason: cut(why).into(),
    };
    if socket.close(Some(frame)).await.is_err() {
        return;
    }
    while let Some(Ok(_)) = socket.next().await {}
    // what is left unread of a message that was refused would reset the connection, and with it go what was just said
    if matches!(code, CloseCode::Size | CloseCode::Protocol | CloseCode::Invalid) {
        let mut unread = vec![0; BUFFER_BYTES];
        while let Ok(1..) = socket.get_mut().read(&mut unread).await {}
    }
    // TLS says goodbye, too: without that a client cannot tell an end from a cut, and some report one
    let _ = socket.get_mut().shutdown().await;
}

/// As many whole characters as a close has room for.
fn cut(why: &str) -> &str {
    let ends = why
        .char_indices()
        .map(|(at, character)| at + character.len_utf8());
    let end = ends.take_while(|end| *end <= REASON_BYTES_MAX).last();
    &why[..end.unwrap_or(0)]
}

/// A message whose only field is this one.
fn framed(number: u32, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(bytes.len() + 12);
    encode_key(number, WireType::LengthDelimited, &mut message);
    encode_varint(bytes.len() as u64, &mut message);
    message.extend_from_slice(bytes);
    message.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = of.iter().map(|&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        pairs.collect()
    }

    /// The example of RFC 6455, 1.3.
    #[test]
    fn the_key_is_answered_as_the_rfc_says() {
        let of = |key: &str| accept_of(&headers(&[("sec-websocket-key", key)]));
        assert_eq!(
            of("dGhlIHNhbXBsZSBub25jZQ==").unwrap(),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        for wrong in ["", "dGhl", "no base64 at all!!!!!!!!"] {
            assert_eq!(of(wrong).unwrap_err().status, 400, "{wrong:?}");
        }
        assert!(accept_of(&HeaderMap::new()).is_err());
    }

    #[test]
    fn words_of_a_header_are_found_in_any_case_and_place() {
        for value in ["upgrade", "keep-alive, Upgrade", "UPGRADE , x"] {
            assert!(
                has_word(&headers(&[("connection", value)]), CONNECTION, "upgrade"),
                "{value}"
            );
        }
        for value in ["", "upgraded", "keep-alive", "up grade"] {
            assert!(
                !has_word(&headers(&[("connection", value)]), CONNECTION, "upgrade"),
                "{value}"
            );
        }
    }

    /// A page of another site may make a browser connect, and the browser shows its user's certificate.
    #[test]
    fn only_pages_of_this_host_may_connect() {
        let of =
            |origin: &str| check_origin(&headers(&[("host", "chamois.example:8443"), ("origin", origin)]));
        of("https://chamois.example:8443").unwrap();
        of("https://Chamois.example:8443").unwrap();
        check_origin(&headers(&[("host", "chamois.example:8443")])).unwrap();
        for other in [
            "https://evil.example",
            "https://chamois.example",
            "https://chamois.example:8443.evil.example",
            "http://chamois.example:8443",
            "null",
            "",
        ] {
            assert_eq!(of(other).unwrap_err().status, 403, "{other}");
        }
        assert!(
            check_origin(&headers(&[("origin", "https://x")])).is_err(),
            "no host"
        );
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(cut("over"), "over");
        assert_eq!(cut(""), "");
        let long = "ä".repeat(100);
        assert_eq!(cut(&long), "ä".repeat(61));
        assert_eq!(cut(&"a".repeat(200)).len(), REASON_BYTES_MAX);
    }

    #[test]
    fn why_a_method_ended_is_a_code_that_clients_know() {
        for (status, expected) in [
            (Status::permission_denied("x"), 1008_u16),
            (Status::unauthenticated("x"), 1008),
            (Status::invalid_argument("x"), 1008),
            (Status::unavailable("x"), 1013),
            (Status::deadline_exceeded("x"), 1013),
            (Status::resource_exhausted("x"), 1013),
            (Status::internal("x"), 1011),
        ] {
            let End::Said(code, why) = end_of(status.clone()) else {
                panic!("{status} is said")
            };
            assert_eq!((u16::from(code), why.as_str()), (expected, "x"), "{status}");
        }
    }

    #[test]
    fn a_message_of_the_client_is_one_field() {
        assert_eq!(framed(5, b"ls").as_ref(), b"\x2a\x02ls");
        assert_eq!(bytes_field(&framed(5, b"ls"), 5), Some(&b"ls"[..]));
        let large = vec![7; MESSAGE_BYTES_MAX];
        assert_eq!(bytes_field(&framed(1, &large), 1), Some(large.as_slice()));
    }
}
