//! HTTP/1.1 as nodes and administrators speak it, one request a connection; bounded in time.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

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
    let stream = connect_from(from, address).unwrap();
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
        Self {
            tls: tls(ca, None),
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
    let stream = over_tls(tls, connect(address));
    let line = format!("{method} {path} HTTP/1.1");
    let headers = format!("Content-Type: application/json\r\n{headers}");
    exchange(stream, &line, address, &headers, body)
}

/// TLS for HTTP/1.1, by whoever shows this certificate, or by nobody.
pub(crate) fn tls(
    ca: &[CertificateDer<'static>],
    shown: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Arc<ClientConfig> {
    let mut tls = rpc::tls::api_client_config(ca, shown).unwrap();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(tls)
}

/// TLS with whom the connection leads to.
pub(crate) fn over_tls(tls: &Arc<ClientConfig>, tcp: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::IpAddress(tcp.peer_addr().unwrap().ip().into());
    let connection = ClientConnection::new(Arc::clone(tls), name).unwrap();
    StreamOwned::new(connection, tcp)
}

/// A connection from an address of this host.
pub(crate) fn connect_from(from: Ipv4Addr, to: impl Into<SocketAddr>) -> std::io::Result<TcpStream> {
    let (to, socket): (SocketAddr, _) = (to.into(), Socket::new(Domain::IPV4, Type::STREAM, None)?);
    socket.bind(&SocketAddrV4::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), ANSWER_MAX)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    Ok(stream)
}

/// Says these bytes from an address of this host; what came back until the connection ended, nothing where there was none.
pub(crate) fn say_from(from: Ipv4Addr, to: impl Into<SocketAddr>, bytes: &[u8]) -> String {
    let talk = || {
        let mut stream = connect_from(from, to)?;
        stream.write_all(bytes)?;
        let mut answer = Vec::new();
        // one that has heard enough resets what it has not read; what it said before that counts
        let _ = stream.read_to_end(&mut answer);
        Ok::<_, std::io::Error>(answer)
    };
    String::from_utf8_lossy(&talk().unwrap_or_default()).into_owned()
}

/// A GET from an address of this host with more headers, each with its line's end: the status, 0 without an answer, and the whole
/// answer.
pub(crate) fn get_from(
    from: Ipv4Addr,
    to: impl Into<SocketAddr>,
    path: &str,
    headers: &str,
) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
    let answer = say_from(from, to, request.as_bytes());
    (status_of(&answer).unwrap_or_default(), answer)
}

/// What an answer begins with.
pub(crate) fn status_of(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
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
