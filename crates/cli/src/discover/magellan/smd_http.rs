//! An SMD that BMCs are sent to, over HTTP or HTTPS: one request after the other.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::connect::read_ca;
use crate::error::{CliError, Kind};

/// What this host trusts, where distributions keep it.
const HOSTS_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// An SMD takes seconds for a BMC under load; a connection has the time of the options.
const ANSWER_AT_MOST: Duration = Duration::from_secs(60);
/// An answer is an error object, or a list of one URI.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Characters of an SMD's words that are shown.
const DETAIL_CHARS_MAX: usize = 300;

type Cause = Box<dyn std::error::Error + Send + Sync>;
type Sender = SendRequest<Full<Bytes>>;

/// An SMD; nothing is dialled before the first request.
pub(super) struct Smd {
    secure: bool,
    host: String,
    port: u16,
    /// In front of the API's own; without a slash at the end.
    path: String,
    ca: Vec<CertificateDer<'static>>,
    authorization: Option<HeaderValue>,
    connect_at_most: Duration,
    sender: Option<Sender>,
}

/// What it said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `detail` of its error object, or the text itself.
    pub(super) detail: String,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        self.status.is_success()
    }
}

impl Smd {
    /// # Errors
    /// `Usage` for a URL that is none, CAs that cannot be read, and a token that would go in clear to another host.
    pub(super) fn new(
        url: &str,
        cacert: Option<&Path>,
        token: Option<&str>,
        timeout_s: u32,
    ) -> Result<Smd, CliError> {
        let refused = |problem: &str| {
            let text = format!("the URL of the SMD is not accepted: {problem}");
            CliError::new(Kind::Usage, text).with_remedy("Write e.g. https://smd.example:27779.")
        };
        let uri: Uri = url.parse().map_err(|_| refused("it is none"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refused("it begins with neither https:// nor http://")),
        };
        // a password may stand before it
        let authority = uri
            .authority()
            .filter(|authority| !authority.as_str().contains('@'));
        let host = authority
            .ok_or_else(|| refused("it names no host, or a user"))?
            .host();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_own = host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback());
        if token.is_some() && !secure && !is_own {
            return Err(refused("a token would go there in clear; write https://"));
        }
        let ca = match secure {
            true => read_ca(cacert.unwrap_or(Path::new(HOSTS_CAS))).map_err(|error| {
                error.with_remedy("Name the certificate that signs the SMD's with --cacert.")
            })?,
            false => Vec::new(),
        };
        Ok(Smd {
            secure,
            host,
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
            ca,
            authorization: token.map(bearer).transpose()?,
            connect_at_most: Duration::from_secs(timeout_s.into()),
            sender: None,
        })
    }

    /// Sends JSON; the path begins with a slash.
    ///
    /// # Errors
    /// `Unavailable` without an answer.
    pub(super) async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<Answer, CliError> {
        let what = format!("{method} {}{path} at {}", self.path, self.authority());
        let failed = |cause: Cause| CliError::new(Kind::Unavailable, format!("{what}: {cause}"));
        let sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => match tokio::time::timeout(self.connect_at_most, self.dial()).await {
                Ok(sender) => sender.map_err(failed)?,
                Err(_elapsed) => return Err(failed("no connection in time".into())),
            },
        };
        match tokio::time::timeout(ANSWER_AT_MOST, self.exchange(sender, method, path, body)).await {
            Ok(answer) => answer.map_err(failed),
            Err(_elapsed) => Err(failed("no answer in time".into())),
        }
    }

    async fn exchange(
        &mut self,
        mut sender: Sender,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<Answer, Cause> {
        sender.ready().await?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.path))
            .header(header::HOST, self.authority())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
        if let Some(authorization) = &self.authorization {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, authorization.clone());
        }
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await?
            .to_bytes();
        self.sender = Some(sender);
        Ok(Answer {
            status,
            detail: detail(&body),
        })
    }

    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    async fn dial(&self) -> Result<Sender, Cause> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        if !self.secure {
            return open(stream).await;
        }
        let mut tls = rpc::tls::api_client_config(&self.ca, None)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(self.host.clone())?;
        open(TlsConnector::from(Arc::new(tls)).connect(name, stream).await?).await
    }
}

async fn open(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, Cause> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the SMD ended");
        }
    });
    Ok(sender)
}

fn bearer(token: &str) -> Result<HeaderValue, CliError> {
    let bad = |_| CliError::new(Kind::Usage, "the access token holds characters that no token has");
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(bad)?;
    value.set_sensitive(true);
    Ok(value)
}

/// What an error says, on one line.
fn detail(body: &[u8]) -> String {
    let said: Option<Value> = serde_json::from_slice(body).ok();
    let said = said
        .as_ref()
        .and_then(|said| said["detail"].as_str().map(str::to_owned));
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let line = said.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(DETAIL_CHARS_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each request of one connection in turn (`STATUS|BODY`), and gives what was asked.
    pub(in super::super) async fn serve(
        answers: &'static [&'static str],
    ) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            for answer in answers {
                let mut request = String::new();
                while !request.contains("\r\n\r\n") || !request.ends_with('}') {
                    let mut piece = vec![0; 4096];
                    let read = stream.read(&mut piece).await.unwrap();
                    assert!(read > 0, "the whole request comes: {request}");
                    request.push_str(std::str::from_utf8(&piece[..read]).unwrap());
                }
                asked.push(request);
                let (head, body) = answer.split_once('|').unwrap();
                let text = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(text.as_bytes()).await.unwrap();
            }
            asked
        });
        (format!("http://{address}"), serving)
    }

    fn refused(url: &str, token: Option<&str>) -> String {
        let error = Smd::new(url, Some(Path::new("/none/ca.pem")), token, 1)
            .err()
            .unwrap();
        assert_eq!(error.kind(), Kind::Usage);
        error.to_string()
    }

    #[test]
    fn a_url_is_checked_before_anything_is_sent() {
        for wrong in ["", "smd:27779", "ftp://smd", "/hsm/v2"] {
            assert!(refused(wrong, None).contains("https://smd.example"), "{wrong}");
        }
        let with_password = refused("http://root:c4n4ry@smd", None);
        assert!(!with_password.contains("c4n4ry"), "{with_password}");
        assert!(refused("https://smd", None).contains("/none/ca.pem"));
    }

    #[test]
    fn a_token_goes_in_clear_to_this_host_only() {
        assert!(refused("http://smd", Some("t")).contains("in clear"));
        assert!(refused("http://127.0.0.1", Some("a\nb")).contains("no token has"));
        for own in ["http://127.0.0.1:27779", "http://[::1]:27779"] {
            Smd::new(own, None, Some("t"), 1).unwrap();
        }
        Smd::new("http://smd", None, None, 1).unwrap();
    }

    #[tokio::test]
    async fn who_does_not_answer_is_unavailable() {
        let mut smd = Smd::new("http://127.0.0.1:1/", None, None, 1).unwrap();
        let error = smd.request(Method::POST, "/hsm", "{}").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.to_string().contains("POST /hsm at 127.0.0.1:1"), "{error}");
    }

    #[test]
    fn what_an_smd_says_is_one_line() {
        assert_eq!(
            detail(br#"{"title":"Conflict","detail":"it is\nthere"}"#),
            "it is there"
        );
        assert_eq!(detail(b"<html>\x1b[2J"), "<html> [2J");
        assert_eq!(detail(b""), "");
        assert_eq!(detail(&[b'a'; 1000]).len(), DETAIL_CHARS_MAX);
    }
}
