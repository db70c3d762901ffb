//! WebSockets on a real TLS port, in front of a method that shows again what is typed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use proto::console::v1::remote_console_service_server::{RemoteConsoleService, RemoteConsoleServiceServer};
use proto::console::v1::{
    GetRemoteConsoleHealthRequest, ListRemoteConsolesRequest, ListRemoteConsolesResponse,
    ProbeRemoteConsoleRequest, ProbeRemoteConsoleResponse, RemoteConsoleHealth, RemoteConsoleInput,
    RemoteConsoleOutput,
};
use rpc::{Barrier, Guard, Rules};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};
use tonic::{Request, Response, Status, Streaming};
use tower::Layer as _;

use super::sockets::{Pki, Serving, bounded, connect, pki, serve_api};
use crate::{Gateway, Options};

const PATH: &str = "/remote-console/consoles/x0c0s0b0n0?mode=tail&follow=true&lines=7&typed=c2VjcmV0";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

type Socket = WebSocketStream<Box<dyn Io>>;

/// Shows what is typed; `exit` ends it, `deny` is refused, `flood` is shown without an end.
#[derive(Clone, Default)]
struct Echo {
    opened: Arc<Mutex<Vec<RemoteConsoleInput>>>,
    bearer: Arc<Mutex<Option<String>>>,
    left: Arc<Mutex<u64>>,
    /// Messages of floods that were taken.
    flooded: Arc<Mutex<u64>>,
}

impl Echo {
    fn opened(&self) -> Vec<RemoteConsoleInput> {
        self.opened.lock().unwrap().clone()
    }

    async fn talk(
        self,
        mut said: Streaming<RemoteConsoleInput>,
        told: mpsc::Sender<Result<RemoteConsoleOutput, Status>>,
    ) {
        let shown = |shown: Vec<u8>| RemoteConsoleOutput {
            shown,
            ..Default::default()
        };
        while let Ok(Some(message)) = said.message().await {
            match message.typed.as_slice() {
                b"exit" => {
                    let ended = "it was left".to_owned();
                    let last = RemoteConsoleOutput {
                        ended,
                        ..Default::default()
                    };
                    let _ = told.send(Ok(last)).await;
                    return;
                }
                b"deny" => {
                    let _ = told.send(Err(Status::permission_denied("no more"))).await;
                    return;
                }
                b"flood" => {
                    while told.send(Ok(shown(vec![b'x'; 16 << 10]))).await.is_ok() {
                        *self.flooded.lock().unwrap() += 1;
                    }
                }
                _ => {
                    let _ = told.send(Ok(shown(message.typed))).await;
                }
            }
        }
        told.closed().await;
        *self.left.lock().unwrap() += 1;
    }
}

#[tonic::async_trait]
impl RemoteConsoleService for Echo {
    type AttachRemoteConsoleStream = BoxStream<'static, Result<RemoteConsoleOutput, Status>>;

    async fn attach_remote_console(
        &self,
        request: Request<Streaming<RemoteConsoleInput>>,
    ) -> Result<Response<Self::AttachRemoteConsoleStream>, Status> {
        let bearer = request.metadata().get("authorization");
        *self.bearer.lock().unwrap() = bearer.map(|bearer| bearer.to_str().unwrap().to_owned());
        let mut said = request.into_inner();
        let first = said.message().await?;
        let first = first.ok_or_else(|| Status::invalid_argument("node: say which"))?;
        if first.node == "x9" {
            return Err(Status::not_found("no such node: x9"));
        }
        self.opened.lock().unwrap().push(first);
        let (told, receiver) = mpsc::channel(1);
        // what shows nothing is no message of the client
        told.try_send(Ok(RemoteConsoleOutput::default())).unwrap();
        tokio::spawn(self.clone().talk(said, told));
        Ok(Response::new(ReceiverStream::new(receiver).boxed()))
    }

    async fn list_remote_consoles(
        &self,
        _: Request<ListRemoteConsolesRequest>,
    ) -> Result<Response<ListRemoteConsolesResponse>, Status> {
        Ok(Response::new(ListRemoteConsolesResponse::default()))
    }

    async fn get_remote_console_health(
        &self,
        _: Request<GetRemoteConsoleHealthRequest>,
    ) -> Result<Response<RemoteConsoleHealth>, Status> {
        Ok(Response::new(RemoteConsoleHealth::default()))
    }

    async fn probe_remote_console(
        &self,
        _: Request<ProbeRemoteConsoleRequest>,
    ) -> Result<Response<ProbeRemoteConsoleResponse>, Status> {
        Ok(Response::new(ProbeRemoteConsoleResponse {}))
    }
}

async fn serve(echo: &Echo) -> (Serving, Pki) {
    let service = RemoteConsoleServiceServer::new(echo.clone());
    let gateway = Gateway::new(proto::DESCRIPTOR, service, Options::default()).unwrap();
    let pki = pki();
    (serve_api(&gateway, &pki).await, pki)
}

/// The head of the answer to a GET, and what follows it.
async fn ask(serving: &Serving, pki: &Pki, path: &str, headers: &str) -> (String, Box<dyn Io>) {
    let mut stream: Box<dyn Io> = Box::new(connect(serving.address, pki, None, b"http/1.1").await);
    let request = format!("GET {path} HTTP/1.1\r\nHost: chamois.example\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = bounded(stream.read_u8()).await.unwrap();
        head.push(byte);
    }
    (String::from_utf8(head).unwrap(), stream)
}

async fn attach(serving: &Serving, pki: &Pki) -> Socket {
    let headers = format!("Authorization: Bearer t\r\n{UPGRADE}");
    let (head, stream) = ask(serving, pki, PATH, &headers).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert!(
        head.to_ascii_lowercase().contains(&accept.to_ascii_lowercase()),
        "{head}"
    );
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

async fn next(socket: &mut Socket) -> Option<Message> {
    bounded(socket.next()).await.map(|message| message.unwrap())
}

/// Code and reason of the close that must come next.
async fn closed(socket: &mut Socket) -> (u16, String) {
    match next(socket).await {
        Some(Message::Close(Some(CloseFrame { code, reason }))) => (code.into(), reason.as_str().to_owned()),
        other => panic!("{other:?} is no close"),
    }
}

#[tokio::test]
async fn messages_go_both_ways_and_the_reason_of_the_end_is_told() {
    let echo = Echo::default();
    let (serving, pki) = serve(&echo).await;
    let mut socket = attach(&serving, &pki).await;
    for typed in [Message::text("ls\r"), Message::binary(vec![0, 3, 255])] {
        socket.send(typed.clone()).await.unwrap();
        let shown = next(&mut socket).await.unwrap();
        assert!(shown.is_binary(), "{shown:?}");
        assert_eq!(shown.into_data(), typed.into_data());
    }
    socket.send(Message::Ping(vec![7].into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::Pong(vec![7].into())));
    socket.send(Message::text("exit")).await.unwrap();
    assert_eq!(closed(&mut socket).await, (1000, "it was left".to_owned()));
    assert_eq!(next(&mut socket).await, None);
}

/// Path and query make the first message; what is typed is in no URL, because URLs are in logs.
#[tokio::test]
async fn the_first_message_is_made_of_path_and_query_and_the_token_travels_on() {
    let echo = Echo::default();
    let (serving, pki) = serve(&echo).await;
    drop(attach(&serving, &pki).await);
    let first = RemoteConsoleInput {
        node: "x0c0s0b0n0".into(),
        mode: "tail".into(),
        follow: true,
        lines: 7,
        typed: Vec::new(),
    };
    assert_eq!(echo.opened(), [first]);
    assert_eq!(echo.bearer.lock().unwrap().as_deref(), Some("Bearer t"));
}

/// The client must hear 404 where HTTP has it, and not a close of something that it thinks is open.
#[tokio::test]
async fn what_the_service_refuses_is_an_answer_of_http() {
    let echo = Echo::default();
    let (serving, pki) = serve(&echo).await;
    let (head, _) = ask(&serving, &pki, "/remote-console/consoles/x9", UPGRADE).await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert!(head.contains("application/problem+json"), "{head}");
    assert!(echo.opened().is_empty());
}

#[tokio::test]
async fn a_right_that_is_taken_back_and_a_message_without_end_close_with_their_codes() {
    let (serving, pki) = serve(&Echo::default()).await;
    let mut socket = attach(&serving, &pki).await;
    socket.send(Message::text("deny")).await.unwrap();
    assert_eq!(closed(&mut socket).await, (1008, "no more".to_owned()));
    let mut socket = attach(&serving, &pki).await;
    socket.send(Message::binary(vec![b'x'; 64 << 10])).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap().into_data().len(), 64 << 10);
    socket
        .send(Message::binary(vec![b'x'; (64 << 10) + 1]))
        .await
        .unwrap();
    let (code, reason) = closed(&mut socket).await;
    assert_eq!(code, 1009);
    assert!(reason.contains("65536 bytes"), "{reason}");
}

/// A frame that is not masked is what a page makes a browser send through a proxy (RFC 6455, 10.3).
#[tokio::test]
async fn frames_that_are_none_end_the_connection_with_a_word() {
    let (serving, pki) = serve(&Echo::default()).await;
    for frame in [
        &b"\x82\x02ls"[..],
        b"\xf2\x80\x00\x00\x00\x00",
        b"\x83\x80\x00\x00\x00\x00",
    ] {
        let (head, mut stream) = ask(&serving, &pki, PATH, UPGRADE).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream.write_all(frame).await.unwrap();
        let mut answer = Vec::new();
        let _ = bounded(stream.read_to_end(&mut answer)).await;
        // a close frame with code 1002, or an end: never what was typed
        assert!(answer.is_empty() || answer.starts_with(b"\x88"), "{answer:?}");
    }
}

/// The service must learn that nobody is there, or a BMC keeps a console open for nobody.
#[tokio::test]
async fn a_client_that_goes_ends_the_stream() {
    let echo = Echo::default();
    let (serving, pki) = serve(&echo).await;
    let mut polite = attach(&serving, &pki).await;
    polite.close(None).await.unwrap();
    drop(attach(&serving, &pki).await);
    let all_left = async {
        while *echo.left.lock().unwrap() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    bounded(all_left).await;
}

/// What cannot be read is not kept for him: the service waits.
#[tokio::test]
async fn a_client_that_does_not_read_holds_the_service_up() {
    let echo = Echo::default();
    let (serving, pki) = serve(&echo).await;
    let mut socket = attach(&serving, &pki).await;
    socket.send(Message::text("flood")).await.unwrap();
    let service_waits = async {
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = *echo.flooded.lock().unwrap();
            if now > 0 && now == before {
                break;
            }
            before = now;
        }
    };
    bounded(service_waits).await;
    for _ in 0..100 {
        assert_eq!(next(&mut socket).await.unwrap().into_data().len(), 16 << 10);
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_and_opens_nothing() {
    let echo = Echo::default();
    let (serving, pki) = serve(&echo).await;
    let without = |line: &str| UPGRADE.replace(&format!("{line}\r\n"), "");
    for (headers, status) in [
        (String::new(), 426),
        (without("Upgrade: websocket"), 426),
        (without("Connection: Upgrade"), 426),
        (without("Sec-WebSocket-Version: 13"), 426),
        (UPGRADE.replace("websocket", "h2c"), 426),
        (UPGRADE.replace("Version: 13", "Version: 8"), 426),
        (UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), 400),
        (format!("{UPGRADE}Content-Length: 5\r\n"), 400),
        (format!("{UPGRADE}Transfer-Encoding: chunked\r\n"), 400),
        (format!("{UPGRADE}Origin: https://evil.example\r\n"), 403),
    ] {
        let (head, _) = ask(&serving, &pki, PATH, &headers).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{headers}: {head}"
        );
        let says_how = head.to_ascii_lowercase().contains("sec-websocket-version: 13");
        assert_eq!(says_how, status == 426, "{head}");
    }
    let own = format!("{UPGRADE}Origin: https://chamois.example\r\n");
    let (head, _) = ask(&serving, &pki, PATH, &own).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(echo.opened().len(), 1);
}

/// Asking for an upgrade changes nothing for what is no WebSocket.
#[tokio::test]
async fn other_routes_are_answered_as_always() {
    let (serving, pki) = serve(&Echo::default()).await;
    let (head, _) = ask(&serving, &pki, "/remote-console/consoles", UPGRADE).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    for (path, status) in [
        ("/remote-console/liveness", 204),
        ("/remote-console/readiness", 204),
    ] {
        let (head, _) = ask(&serving, &pki, path, "").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
}

/// Nobody is cut off without a word: the service has a moment for its own, then the gateway says it.
#[tokio::test]
async fn a_drain_ends_websockets_with_a_word() {
    let (serving, pki) = serve(&Echo::default()).await;
    let mut socket = attach(&serving, &pki).await;
    let Serving { stop, ended, .. } = serving;
    drop(stop);
    let (code, reason) = closed(&mut socket).await;
    assert_eq!(code, 1012);
    assert!(reason.contains("connect again"), "{reason}");
    drop(socket);
    bounded(ended).await.unwrap();
}

struct NobodyWaits;

impl Barrier for NobodyWaits {
    fn linearize(&self) -> BoxFuture<'_, Result<(), rpc::Error>> {
        async { Ok(()) }.boxed()
    }
}

/// Who may not have it hears that, whether he asks for an upgrade or not: 426 would tell that there is something.
#[tokio::test]
async fn the_guard_is_asked_first() {
    let echo = Echo::default();
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let guard = Guard::new(rules, None, Arc::new(NobodyWaits));
    let service = guard.layer(RemoteConsoleServiceServer::new(echo.clone()));
    let gateway = Gateway::new(proto::DESCRIPTOR, service, Options::default()).unwrap();
    let pki = pki();
    let serving = serve_api(&gateway, &pki).await;
    for headers in ["", UPGRADE] {
        let (head, _) = ask(&serving, &pki, PATH, headers).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    }
    let mut stream = connect(serving.address, &pki, Some(&pki.user), b"http/1.1").await;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 13];
    bounded(stream.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101 ");
    assert_eq!(echo.opened().len(), 1);
}
