//! Notifications on their way to subscribers: one POST a connection, bounded in time, no redirects, answers unread.

use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::{Method, header};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use smd::scn::{Deliver, Post};
use tokio_rustls::TlsConnector;

use super::http_client::{Destination, system_roots, trusting};
use super::outgoing::Outgoing;

/// From the connection to the head of the answer.
const POST_MAX: Duration = Duration::from_secs(10);
/// Every change up to this revision has been told once the notification is accepted: it lets a subscriber tell repeats.
const REVISION: &str = "chamois-revision";

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
        Webhooks {
            tls: trusting(roots),
            outgoing,
        }
    }

    /// The status of the answer; the rest of it goes with the connection.
    async fn send(&self, post: Post) -> Result<u16, String> {
        let to = Destination::of(&post.url, || Ok(self.tls.clone()))?;
        let (name, port) = to.address();
        let tcp = self.outgoing.connect(name, port).await;
        let tcp = tcp.map_err(|error| to.unreached(error))?;
        let request = to
            .request(Method::POST)
            .header(header::CONTENT_TYPE, "application/json")
            .header(REVISION, post.revision)
            .body(Full::new(Bytes::from(post.body)))
            .map_err(|error| format!("no request can be made of its URL: {error}"))?;
        to.exchange(tcp, request, |answer| ready(Ok(answer.status().as_u16())))
            .await
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
