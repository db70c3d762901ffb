//! HTTP/1.1 as nodes and administrators speak it, one request a connection; bounded in time.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Nothing that is asked here may take longer.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A status with its headers and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// `Retry-After` in seconds.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.header("retry-after")?.parse().ok()
    }
}

/// GET without TLS, as a node does.
pub(crate) fn get(address: impl Into<SocketAddr>, path: &str) -> Answer {
    let address = address.into();
    exchange(connect(address), &format!("GET {path} HTTP/1.1"), address, "", "")
}

/// A request without TLS of the node that has the address `from`; `form` is what it posts, or empty.
pub(crate) fn as_node(
    from: Ipv4Addr,
    address: impl Into<SocketAddr>,
    method: &str,
    path: &str,
    form: &str,
) -> Answer {
    let address = address.into();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
    let line = format!("{method} {path} HTTP/1.1");
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    exchange(stream, &line, address, headers, form)
}

/// The HTTPS API as the administrator calls it.
pub(crate) struct Administrator {
    tls: Arc<ClientConfig>,
    token: String,
}

impl Administrator {
    /// With the CA and the token that `chamois init` wrote into `identities`.
    pub(crate) fn new(identities: &Path) -> Self {
        let ca = CertificateDer::from_pem_file(identities.join("ca.pem")).unwrap();
        Self::trusting(identities, &[ca])
    }

    /// The same, of a cluster whose members present what one of these CAs has signed.
    pub(crate) fn trusting(identities: &Path, ca: &[CertificateDer<'static>]) -> Self {
        let mut tls = rpc::tls::api_client_config(ca, None).unwrap();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            tls: Arc::new(tls),
            token: std::fs::read_to_string(identities.join("admin.token")).unwrap(),
        }
    }

    /// One request; `body` is JSON or empty.
    pub(crate) fn send(&self, ip: impl Into<IpAddr>, method: &str, path: &str, body: &str) -> Answer {
        self.send_with(ip, method, path, "", body)
    }

    /// [`Administrator::send`] with more headers, each with its line's end.
    pub(crate) fn send_with(
        &self,
        ip: impl Into<IpAddr>,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\n{headers}", self.token);
        send_over(&self.tls, ip.into(), method, path, &headers, body)
    }
}

/// One request to the HTTPS API, by whomever `tls` says; `body` is JSON or empty, each header has its line's end.
pub(crate) fn send_over(
    tls: &Arc<ClientConfig>,
    ip: IpAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let address = SocketAddr::new(ip, 8443);
    let name = ServerName::IpAddress(address.ip().into());
    let connection = ClientConnection::new(Arc::clone(tls), name).unwrap();
    let stream = StreamOwned::new(connection, connect(address));
    let line = format!("{method} {path} HTTP/1.1");
    let headers = format!("Content-Type: application/json\r\n{headers}");
    exchange(stream, &line, address, &headers, body)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, ANSWER_MAX).unwrap();
    stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
    stream
}

fn exchange(
    mut stream: impl Read + Write,
    line: &str,
    host: SocketAddr,
    headers: &str,
    body: &str,
) -> Answer {
    write!(
        stream,
        "{line}\r\nHost: {host}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut bytes = Vec::new();
    // a peer that closes without TLS's own farewell has still answered; the status line is judged below
    let ended = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer to {line}: {ended:?}: {text}"));
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
