//! A part of an image from HTTP or HTTPS, to a file.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use indicatif::{ProgressBar, ProgressStyle};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::parts::shown;
use super::scratch::Scratch;
use crate::error::{CliError, Kind};

/// A connection, TLS included.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Until the answer begins, and between two pieces of it.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Redirections of one download.
const REDIRECTS_MAX: usize = 5;
/// Bytes of one file: what a boot file may have.
const FILE_BYTES_MAX: u64 = 16 << 30;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Whether this is a URL and no path.
pub(super) fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// Downloads `url` to the new file `name` of `into`, and gives its path.
///
/// # Errors
/// A URL that is none, a server that cannot be reached or does not answer with a file.
pub(super) async fn fetch(
    url: &str,
    ca: &[CertificateDer<'static>],
    into: &Scratch,
    name: &str,
) -> Result<PathBuf, CliError> {
    let mut uri = parse(url)?;
    for _ in 0..=REDIRECTS_MAX {
        let failed = |cause: Cause| {
            CliError::new(
                Kind::Unavailable,
                format!("GET {}: {cause}", shown(&uri.to_string())),
            )
        };
        let answer = ask(&uri, ca).await.map_err(failed)?;
        let status = answer.status();
        if status.is_redirection() {
            uri = redirected(&uri, &answer)?;
            continue;
        }
        return match status {
            StatusCode::OK => save(answer, into, name).await.map_err(failed),
            StatusCode::NOT_FOUND => Err(CliError::new(Kind::NotFound, format!("GET {uri}: {status}"))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(CliError::new(Kind::Denied, format!("GET {uri}: {status}")))
            }
            _ => Err(CliError::new(Kind::Unavailable, format!("GET {uri}: {status}"))),
        };
    }
    let text = format!("{} redirects more than {REDIRECTS_MAX} times", shown(url));
    Err(CliError::new(Kind::Unavailable, text))
}

/// A URL that can be asked, without credentials: it is shown.
fn parse(url: &str) -> Result<Uri, CliError> {
    let refused = |problem: &str| {
        CliError::new(
            Kind::Usage,
            format!("{} is no URL of a file: {problem}", shown(url)),
        )
    };
    let uri: Uri = url
        .parse()
        .map_err(|error: http::uri::InvalidUri| refused(&error.to_string()))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => Err(CliError::new(
            Kind::Usage,
            "a URL of an image's part holds credentials; leave them out",
        )),
        (Some("http" | "https"), Some(authority)) if !authority.host().is_empty() => Ok(uri),
        _ => Err(refused("write http://host/path or https://host/path")),
    }
}

/// Where an answer points to. What was asked for under TLS is not taken without it.
fn redirected(from: &Uri, answer: &Response<Incoming>) -> Result<Uri, CliError> {
    let location = answer.headers().get(header::LOCATION);
    let location = location.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let to = match location.strip_prefix('/') {
        Some(_) if !location.starts_with("//") => {
            let authority = from.authority().map_or("", |authority| authority.as_str());
            parse(&format!(
                "{}://{authority}{location}",
                from.scheme_str().unwrap_or("http")
            ))?
        }
        _ => parse(location)?,
    };
    if from.scheme_str() == Some("https") && to.scheme_str() != Some("https") {
        let text = format!("{from} redirects from https to http");
        return Err(CliError::new(Kind::Denied, text));
    }
    Ok(to)
}

async fn ask(uri: &Uri, ca: &[CertificateDer<'static>]) -> Result<Response<Incoming>, Cause> {
    let connecting = tokio::time::timeout(CONNECT_MAX, connect(uri, ca)).await;
    let mut sender = connecting.map_err(|_| "no connection in time")??;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "*/*")
        .body(Empty::<Bytes>::new())?;
    let answer = tokio::time::timeout(SILENCE_MAX, sender.send_request(request)).await;
    Ok(answer.map_err(|_| "no answer in time")??)
}

async fn connect(uri: &Uri, ca: &[CertificateDer<'static>]) -> Result<SendRequest<Empty<Bytes>>, Cause> {
    let is_secure = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    if is_secure && ca.is_empty() {
        return Err("name the certificates that it is checked by with --source-ca".into());
    }
    let stream = TcpStream::connect((host, port)).await?;
    if !is_secure {
        return open(stream).await;
    }
    let mut tls = rpc::tls::api_client_config(ca, None)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(host.to_owned())?;
    open(TlsConnector::from(Arc::new(tls)).connect(name, stream).await?).await
}

async fn open(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Empty<Bytes>>, Cause> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection); // ends with the sender; its error is the sender's too
    Ok(sender)
}

/// The body to the file, whole.
async fn save(answer: Response<Incoming>, into: &Scratch, name: &str) -> Result<PathBuf, Cause> {
    let announced = answer.headers().get(header::CONTENT_LENGTH);
    let announced: Option<u64> = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    let progress = ProgressBar::new(announced.unwrap_or(0));
    if let Ok(style) = ProgressStyle::with_template("download {bar:40} {bytes}/{total_bytes} {bytes_per_sec}")
    {
        progress.set_style(style);
    }
    let (mut file, path) = into.create(name, announced.unwrap_or(0))?;
    let (mut body, mut size) = (answer.into_body(), 0_u64);
    loop {
        let frame = tokio::time::timeout(SILENCE_MAX, body.frame()).await;
        let Some(frame) = frame.map_err(|_| "it fell silent")? else {
            break;
        };
        let Ok(data) = frame?.into_data() else { continue };
        size += data.len() as u64;
        if size > FILE_BYTES_MAX {
            return Err(format!("it has more than {FILE_BYTES_MAX} bytes").into());
        }
        // pieces of some 100 KiB into the page cache: nobody else runs on this thread
        file.write_all(&data)?;
        progress.set_position(size);
    }
    progress.finish_and_clear();
    match announced {
        Some(announced) if announced != size => Err(format!("{size} of {announced} bytes came").into()),
        Some(_) | None => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers every connection's first request by its path.
    async fn server(answer: fn(&str, SocketAddr) -> String) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap() == 0 {
                        break;
                    }
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap_or_default();
                stream.write_all(answer(path, own).as_bytes()).await.unwrap();
            }
        });
        own
    }

    fn answers(path: &str, own: SocketAddr) -> String {
        let redirect =
            |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        match path {
            "/vmlinuz" => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nkernel".to_owned(),
            "/huge" => "HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\nkernel".to_owned(),
            "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\nkernel".to_owned(),
            "/here" => redirect("/vmlinuz"),
            "/there" => redirect(&format!("http://{own}/vmlinuz")),
            "/loop" => redirect("/loop"),
            "/odd" => redirect("file:///etc/passwd"),
            _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_file_is_fetched_whole_wherever_it_has_moved_to() {
        let server = server(answers).await;
        let dir = tempfile::tempdir().unwrap();
        let into = Scratch::in_folder(dir.path());
        for path in ["vmlinuz", "here", "there"] {
            let url = format!("http://{server}/{path}");
            let to = fetch(&url, &[], &into, path).await.unwrap();
            assert_eq!(std::fs::read_to_string(to).unwrap(), "kernel", "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_no_file_says_why() {
        let server = server(answers).await;
        let dir = tempfile::tempdir().unwrap();
        let into = Scratch::in_folder(dir.path());
        let cases = [
            ("huge", Kind::Unavailable, "--work-dir"),
            ("cut", Kind::Unavailable, ""),
            ("nothing", Kind::NotFound, "404"),
            ("loop", Kind::Unavailable, "redirects more than 5 times"),
            ("odd", Kind::Usage, "no URL"),
        ];
        for (path, kind, expected) in cases {
            let error = fetch(&format!("http://{server}/{path}"), &[], &into, path)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        let secure = fetch(&format!("https://{server}/vmlinuz"), &[], &into, "s")
            .await
            .unwrap_err();
        assert!(secure.to_string().contains("--source-ca"), "{secure}");
    }

    #[test]
    fn a_url_is_one_and_holds_no_secret() {
        assert!(
            is_url("https://h/x") && is_url("http://h") && !is_url("boot/vmlinuz") && !is_url("ftp://h/x")
        );
        for url in [
            "http://",
            "http:///x",
            "http://user:secret@host/x",
            "http://h/a b",
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(parse("https://h:8/x?y=1").unwrap().port_u16(), Some(8));
    }
}
