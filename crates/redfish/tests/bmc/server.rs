//! A BMC in this process: serves a tree over HTTPS or HTTP, with logins, counts what it is asked, and misbehaves as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use redfish::{Address, Connector, Limits, Login, Password};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub(crate) const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// How a path misbehaves.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Answers with this status.
    Status(u16),
    /// Answers with this status once, and well from then on.
    Once(u16),
    /// 200 with this text.
    Text(String),
    /// Sends there.
    Redirect(String),
    /// Says nothing.
    Silent,
    /// Promises more than it sends, and closes.
    Truncated,
    /// One byte now and then.
    Drip,
    /// Bytes without end.
    Endless,
    /// What is no HTTP.
    NoHttp,
}

/// What a BMC was asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query, without a slash at the end.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// Status, headers, body.
type Prepared = (u16, Vec<(String, String)>, Value);

#[derive(Default)]
struct Inner {
    tree: BTreeMap<String, Value>,
    faults: BTreeMap<String, Fault>,
    /// Answers to POST and PATCH.
    answers: BTreeMap<String, Prepared>,
    asked: Vec<Asked>,
    sessions: BTreeSet<String>,
    sessions_made: u64,
    /// Status of a POST to the sessions, if they cannot be made.
    no_sessions: Option<u16>,
    expands: bool,
    etags: bool,
    connections: u64,
}

/// The BMC; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) address: Address,
    inner: Arc<Mutex<Inner>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What protects the port.
pub(crate) enum Tls {
    None,
    With(Box<ServerConfig>),
}

/// A self-signed certificate that has expired, of a key of its own.
pub(crate) fn tls(versions: &[&'static rustls::SupportedProtocolVersion]) -> Tls {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["somewhere-else.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2010, 1, 1);
    params.not_after = rcgen::date_time_ymd(2011, 1, 1);
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Tls::With(Box::new(config))
}

impl Server {
    /// Serves `tree` over TLS 1.3 and 1.2.
    pub(crate) async fn start(tree: BTreeMap<String, Value>) -> Server {
        let both = [&rustls::version::TLS13, &rustls::version::TLS12];
        Server::on("127.0.0.1:0", tree, tls(&both)).await
    }

    pub(crate) async fn on(at: &str, tree: BTreeMap<String, Value>, tls: Tls) -> Server {
        let listener = TcpListener::bind(at).await.unwrap();
        let local = listener.local_addr().unwrap();
        let inner = Arc::new(Mutex::new(Inner {
            tree,
            ..Inner::default()
        }));
        let (acceptor, address) = match tls {
            Tls::None => (None, format!("http://{local}").parse().unwrap()),
            Tls::With(config) => (Some(TlsAcceptor::from(Arc::new(*config))), Address::new(local)),
        };
        let shared = inner.clone();
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tcp.set_nodelay(true).unwrap();
                let (inner, acceptor) = (shared.clone(), acceptor.clone());
                tokio::spawn(async move {
                    inner.lock().unwrap().connections += 1;
                    let _ = match acceptor {
                        None => serve(tcp, &inner).await,
                        Some(acceptor) => match acceptor.accept(tcp).await {
                            Ok(stream) => serve(stream, &inner).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Server { address, inner, task }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn put(&self, path: &str, value: Value) {
        self.inner().tree.insert(path.to_owned(), value);
    }

    pub(crate) fn fault(&self, path: &str, fault: Fault) {
        self.inner().faults.insert(path.to_owned(), fault);
    }

    pub(crate) fn answer(&self, path: &str, status: u16, headers: &[(&str, &str)], body: Value) {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let answer = (status, headers.collect(), body);
        self.inner().answers.insert(path.to_owned(), answer);
    }

    pub(crate) fn refuse_sessions(&self, status: u16) {
        self.inner().no_sessions = Some(status);
    }

    pub(crate) fn expand(&self) {
        self.inner().expands = true;
    }

    pub(crate) fn give_etags(&self) {
        self.inner().etags = true;
    }

    /// Ends all sessions, as a BMC does after a while.
    pub(crate) fn end_sessions(&self) {
        self.inner().sessions.clear();
    }

    pub(crate) fn sessions(&self) -> usize {
        self.inner().sessions.len()
    }

    pub(crate) fn sessions_made(&self) -> u64 {
        self.inner().sessions_made
    }

    pub(crate) fn connections(&self) -> u64 {
        self.inner().connections
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    pub(crate) fn forget(&self) {
        self.inner().asked.clear();
    }

    /// How often each path was asked for.
    pub(crate) fn gets(&self) -> BTreeMap<String, u64> {
        let mut gets = BTreeMap::new();
        for asked in self.asked().iter().filter(|asked| asked.method == "GET") {
            *gets.entry(asked.path.clone()).or_default() += 1;
        }
        gets
    }

    /// Paths that were asked for more than once.
    pub(crate) fn read_twice(&self) -> Vec<String> {
        let gets = self.gets().into_iter();
        gets.filter(|(_, count)| *count > 1)
            .map(|(path, _)| path)
            .collect()
    }
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        },
    }
}

async fn serve<S>(mut stream: S, inner: &Mutex<Inner>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut read = Vec::new();
    while let Some(asked) = request(&mut stream, &mut read).await? {
        let path = asked.path.split('?').next().unwrap_or_default().to_owned();
        inner.lock().unwrap().asked.push(asked.clone());
        let fault = fault_of(inner, &path);
        match fault {
            None => send(&mut stream, &respond(inner, &asked, &path)).await?,
            Some(fault) => {
                if !misbehave(&mut stream, fault).await? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

fn fault_of(inner: &Mutex<Inner>, path: &str) -> Option<Fault> {
    let mut inner = inner.lock().unwrap();
    let fault = inner.faults.get(path).cloned();
    if let Some(Fault::Once(_)) = fault {
        inner.faults.remove(path);
    }
    fault
}

/// Whether the connection lives on.
async fn misbehave<S: AsyncWrite + Unpin>(stream: &mut S, fault: Fault) -> io::Result<bool> {
    let error = json!({"error": {"message": "as it was told"}});
    match fault {
        Fault::Status(status) | Fault::Once(status) => send(stream, &reply(status, &error)).await?,
        Fault::Text(text) => {
            let mut reply = reply(200, &Value::Null);
            reply.headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
            reply.body = text.into_bytes();
            send(stream, &reply).await?;
        }
        Fault::Redirect(to) => {
            let mut reply = reply(308, &Value::Null);
            reply.headers.push(("Location".to_owned(), to));
            send(stream, &reply).await?;
        }
        Fault::Silent => tokio::time::sleep(Duration::from_secs(60)).await,
        Fault::Truncated => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"Id\": \"half";
            stream.write_all(head).await?;
            stream.shutdown().await?;
            return Ok(false);
        }
        Fault::Drip => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                .await?;
            for _ in 0..1000 {
                stream.write_all(b" ").await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Fault::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n[").await?;
            loop {
                stream.write_all(&[b' '; 16384]).await?;
            }
        }
        Fault::NoHttp => {
            stream.write_all(b"SSH-2.0-dropbear\r\n").await?;
            stream.shutdown().await?;
            return Ok(false);
        }
    }
    Ok(true)
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, reply: &Reply) -> io::Result<()> {
    let mut text = format!(
        "HTTP/1.1 {} X\r\nContent-Length: {}\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    if matches!(reply.status, 204 | 304) {
        text = text.replace("Content-Length: 0\r\n", "");
    }
    stream.write_all(text.as_bytes()).await?;
    stream.write_all(&reply.body).await?;
    stream.flush().await
}

async fn request<S: AsyncRead + Unpin>(stream: &mut S, read: &mut Vec<u8>) -> io::Result<Option<Asked>> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, path) = (first.next().unwrap(), first.next().unwrap());
    let headers: BTreeMap<String, String> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    read.drain(..end + 4);
    while read.len() < length {
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
    let body: Vec<u8> = read.drain(..length).collect();
    Ok(Some(Asked {
        method: method.to_owned(),
        path: path.trim_end_matches('/').to_owned(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }))
}

fn respond(inner: &Mutex<Inner>, asked: &Asked, path: &str) -> Reply {
    let mut inner = inner.lock().unwrap();
    if asked.method == "POST" && path == SESSIONS {
        return log_in(&mut inner, &asked.body);
    }
    if path != "/redfish/v1" && !is_allowed(&inner, asked) {
        return reply(401, &json!({"error": {"message": "who are you?"}}));
    }
    match asked.method.as_str() {
        "GET" => get(&inner, asked, path),
        "DELETE" => {
            let token = path.rsplit('/').next().unwrap_or_default();
            let status = if inner.sessions.remove(token) { 204 } else { 404 };
            reply(status, &Value::Null)
        }
        _ => match inner.answers.get(path) {
            None => reply(204, &Value::Null),
            Some((status, headers, body)) => {
                let mut reply = reply(*status, body);
                reply.headers.extend(headers.clone());
                reply
            }
        },
    }
}

fn log_in(inner: &mut Inner, body: &Value) -> Reply {
    if let Some(status) = inner.no_sessions {
        return reply(status, &Value::Null);
    }
    if *body != json!({"UserName": "root", "Password": "initial0"}) {
        return reply(401, &json!({"error": {"message": "wrong user or password"}}));
    }
    inner.sessions_made += 1;
    let token = format!("token{}", inner.sessions_made);
    inner.sessions.insert(token.clone());
    let mut reply = reply(201, &json!({"Id": token}));
    reply
        .headers
        .push(("Location".to_owned(), format!("{SESSIONS}/{token}")));
    reply.headers.push(("X-Auth-Token".to_owned(), token));
    reply
}

fn is_allowed(inner: &Inner, asked: &Asked) -> bool {
    let by_session = asked.headers.get("x-auth-token");
    let by_session = by_session.is_some_and(|token| inner.sessions.contains(token));
    let basic = asked.headers.get("authorization");
    by_session || basic.is_some_and(|value| value == "Basic cm9vdDppbml0aWFsMA==")
}

fn get(inner: &Inner, asked: &Asked, path: &str) -> Reply {
    let exact = inner.tree.get(path);
    let found = exact.or_else(|| {
        let mut all = inner.tree.iter();
        all.find(|(key, _)| key.eq_ignore_ascii_case(path))
            .map(|(_, value)| value)
    });
    let Some(value) = found else {
        return reply(404, &json!({"error": {"message": "no such resource"}}));
    };
    let mut value = value.clone();
    if asked.path.contains("$expand") && inner.expands {
        expand(inner, &mut value);
    }
    let mut reply = reply(200, &value);
    if inner.etags {
        let sum = reply.body.iter().fold(0_u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
        });
        let etag = format!("W/\"{sum}\"");
        if asked.headers.get("if-none-match") == Some(&etag) {
            reply.status = 304;
            reply.body.clear();
        }
        reply.headers.push(("ETag".to_owned(), etag));
    }
    reply
}

fn expand(inner: &Inner, collection: &mut Value) {
    let Some(members) = collection["Members"].as_array_mut() else {
        return;
    };
    for member in members {
        let uri = member["@odata.id"].as_str().unwrap_or_default();
        if let Some(whole) = inner.tree.get(uri) {
            *member = whole.clone();
        }
    }
}

pub(crate) fn login() -> Option<Login> {
    Some(Login {
        user: "root".to_owned(),
        password: Password::new("initial0"),
    })
}

pub(crate) fn connector() -> Connector {
    Connector::system(64)
}

/// Bounds that a test can wait for.
pub(crate) fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        answer: Duration::from_secs(2),
        total: Duration::from_secs(20),
        ..Limits::default()
    }
}
