//! Notifications on their way to subscribers: one POST a connection, bounded in time, no redirects, answers unread.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use smd::scn::{Deliver, Post};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::outgoing::Outgoing;

/// From the connection to the head of the answer.
const POST_MAX: Duration = Duration::from_secs(10);
/// All headers of an answer, bytes.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Where systems keep the certificates that they trust, in the order in which they are looked for.
const SYSTEM_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];
/// Every change up to this revision has been told once the notification is accepted: it lets a subscriber tell repeats.
const REVISION: &str = "chamois-revision";
const USER_AGENT: &str = concat!("Chamois/", env!("CARGO_PKG_VERSION"));

/// Sends notifications. For `https` it trusts the cluster's CA and those that the system trusts.
pub(super) struct Webhooks {
    tls: TlsConnector,
    outgoing: Outgoing,
}

impl Webhooks {
    /// `ca` is the cluster's; nothing is sent where `outgoing` does not allow it.
    pub(super) fn new(ca: &[CertificateDer<'static>], outgoing: Outgoing) -> Webhooks {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(ca.iter().cloned());
        roots.add_parsable_certificates(system_roots());
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Webhooks {
            tls: TlsConnector::from(Arc::new(config)),
            outgoing,
        }
    }

    async fn send(&self, post: Post) -> Result<u16, String> {
        let uri: Uri = post.url.parse().map_err(|_| "its URL is none".to_owned())?;
        let host = uri.host().ok_or("its URL names no host")?.to_owned();
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("its URL is neither http nor https".to_owned()),
        };
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        // an IPv6 address stands in brackets in a URL, and nowhere else
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let tcp = self.outgoing.connect(name, port).await;
        let tcp = tcp.map_err(|error| format!("no connection to {host}:{port}: {error}"))?;
        if !is_tls {
            return exchange(tcp, &uri, post).await;
        }
        let name = ServerName::try_from(name.to_owned()).map_err(|_| "its URL names no host".to_owned())?;
        let tls = self.tls.connect(name, tcp).await;
        let tls = tls.map_err(|error| format!("no TLS with {host}:{port}: {error}"))?;
        exchange(tls, &uri, post).await
    }
}

impl Deliver for Webhooks {
    fn post(&self, post: Post) -> BoxFuture<'_, Result<u16, String>> {
        async move {
            match tokio::time::timeout(POST_MAX, self.send(post)).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {} s", POST_MAX.as_secs())),
            }
        }
        .boxed()
    }
}

/// One request and the head of its answer; the rest goes with the connection.
async fn exchange(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    uri: &Uri,
    post: Post,
) -> Result<u16, String> {
    let broken = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEADER_BYTES_MAX)
        .handshake(TokioIo::new(io))
        .await
        .map_err(broken)?;
    let head = sender.send_request(request(uri, post)?);
    tokio::pin!(head);
    // the connection is driven only until the head is there, and dropped with this function; it may end with the head,
    // because it is asked to close, or break after it, which is no matter of ours
    let head = tokio::select! {
        head = &mut head => head,
        _ = connection => head.await,
    };
    Ok(head.map_err(broken)?.status().as_u16())
}

fn request(uri: &Uri, post: Post) -> Result<Request<Full<Bytes>>, String> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Request::post(path)
        .header(header::HOST, authority)
        .header(header::CONNECTION, "close")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, USER_AGENT)
        .header(REVISION, post.revision)
        .body(Full::new(post.body.into()))
        .map_err(|error| format!("no request can be made of its URL: {error}"))
}

/// None on a system without any: then `https` works with what the cluster's CA has signed.
pub(super) fn system_roots() -> Vec<CertificateDer<'static>> {
    let pem = SYSTEM_ROOTS.iter().find_map(|path| std::fs::read(path).ok());
    let pem = pem.unwrap_or_default();
    CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        .collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers one request with `answer`; gives its URL and, when it is asked, the request.
    async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/scn?a=b", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                let mut piece = [0; 1024];
                let length = io.read(&mut piece).await.unwrap();
                assert_ne!(length, 0);
                request.extend_from_slice(&piece[..length]);
            }
            io.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        (url, served)
    }

    async fn post_to(url: &str) -> Result<u16, String> {
        let here = Outgoing {
            allows_loopback: true,
        };
        post(url, here).await
    }

    async fn post(url: &str, outgoing: Outgoing) -> Result<u16, String> {
        rpc::tls::install_crypto_provider();
        let post = Post {
            url: url.to_owned(),
            body: b"{}".to_vec(),
            revision: 77,
        };
        Webhooks::new(&[], outgoing).post(post).await
    }

    #[tokio::test]
    async fn a_notification_is_posted_as_json_with_its_revision() {
        let (url, served) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(post_to(&url).await, Ok(200));
        let request = served.await.unwrap().to_ascii_lowercase();
        assert!(request.starts_with("post /scn?a=b http/1.1\r\n"), "{request}");
        for line in [
            "content-type: application/json",
            "content-length: 2",
            "chamois-revision: 77",
            "host: 127.0.0.1:",
        ] {
            assert!(request.contains(&format!("\r\n{line}")), "{line}: {request}");
        }
    }

    /// A subscriber cannot send us elsewhere, nor make us read for ever.
    #[tokio::test]
    async fn redirects_are_answers_and_bodies_are_not_read() {
        let (url, _served) = server("HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\n\r\n").await;
        assert_eq!(post_to(&url).await, Ok(307));
        let (url, _served) = server("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx").await;
        assert_eq!(post_to(&url).await, Ok(200));
    }

    #[tokio::test]
    async fn what_cannot_be_reached_is_told_without_the_path() {
        let closed = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        for (url, begin) in [
            (format!("http://{closed}/secret"), "no connection to 127.0.0.1:"),
            ("ftp://127.0.0.1/secret".to_owned(), "its URL is neither"),
            ("/secret".to_owned(), "its URL names no host"),
        ] {
            let problem = post_to(&url).await.unwrap_err();
            assert!(
                problem.starts_with(begin) && !problem.contains("secret"),
                "{problem}"
            );
        }
        let (url, served) = server("").await;
        let problem = post_to(&url).await.unwrap_err();
        assert!(problem.contains("connection"), "{problem}");
        drop(served);
    }

    /// Whoever may write a subscription may not have members ask for him what only they can reach.
    #[tokio::test]
    async fn what_is_out_of_bounds_is_not_connected_to() {
        let strict = Outgoing {
            allows_loopback: false,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for url in [
            format!("http://127.0.0.1:{port}/"),
            format!("https://localhost:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://0.0.0.0:{port}/"),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "http://[fe80::1]/".to_owned(),
        ] {
            let problem = post(&url, strict).await.unwrap_err();
            assert!(problem.contains("members send nothing"), "{url}: {problem}");
        }
        for url in [
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "file://127.0.0.1/etc/passwd",
        ] {
            assert!(post(url, strict).await.is_err(), "{url}");
        }
        let asked = tokio::time::timeout(Duration::from_millis(100), listener.accept());
        assert!(asked.await.is_err(), "nobody was connected to");
    }

    #[tokio::test]
    async fn tls_with_a_stranger_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut piece = [0; 64];
            let _ = io.read(&mut piece).await;
            let _ = io.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        });
        let problem = post_to(&url).await.unwrap_err();
        assert!(problem.starts_with("no TLS with 127.0.0.1:"), "{problem}");
        served.await.unwrap();
    }
}
