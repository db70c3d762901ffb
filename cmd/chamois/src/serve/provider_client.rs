//! Questions to OIDC providers: one a connection, bounded in time and in what is read; redirects are answers.

use std::io::ErrorKind;
use std::time::Duration;

use access::{Ask, Fetch, Fetched};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, header};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::http_client::{Destination, system_roots, trusting};
use super::outgoing::Outgoing;

/// From the connection to the end of the answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The body of an answer, bytes: discovery documents and sets of keys have a hundredth of it.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Trusts what each question says, or the CAs of the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProviderClient;

impl Fetch for ProviderClient {
    fn fetch(&self, ask: Ask) -> BoxFuture<'static, Result<Fetched, String>> {
        async move {
            match tokio::time::timeout(ANSWER_MAX, send(ask)).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no whole answer within {} s", ANSWER_MAX.as_secs())),
            }
        }
        .boxed()
    }
}

async fn send(ask: Ask) -> Result<Fetched, String> {
    let to = Destination::of(&ask.url, || connector(&ask.ca_pem))?;
    let (name, port) = to.address();
    let tcp = dial(name, port, ask.is_inside).await;
    let tcp = tcp.map_err(|problem| to.unreached(problem))?;
    let request = request(&to, ask)?;
    to.exchange(tcp, request, whole).await
}

/// A name is judged by where it leads when it is dialled: what answers on this host, or tells machines of a cloud their keys, is no
/// provider, unless it was put there.
async fn dial(name: &str, port: u16, is_inside: bool) -> Result<TcpStream, String> {
    if is_inside {
        let connected = TcpStream::connect((name, port)).await;
        return connected.map_err(|error| error.to_string());
    }
    let outgoing = Outgoing {
        allows_loopback: false,
    };
    outgoing.connect(name, port).await.map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => {
            "its name leads to this machine, to its link or to what a cloud tells machines; put a provider of this machine by \
             `localhost` or its loopback address"
                .to_owned()
        }
        _ => error.to_string(),
    })
}

fn connector(ca_pem: &str) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let certificates = match ca_pem {
        "" => system_roots(),
        pem => CertificateDer::pem_slice_iter(pem.as_bytes())
            .filter_map(Result::ok)
            .collect(),
    };
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(
            "there is no CA to trust: put the provider with its own, or install ca-certificates".to_owned(),
        );
    }
    Ok(trusting(roots))
}

async fn whole(answer: Response<Incoming>) -> Result<Fetched, String> {
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await;
    let body =
        body.map_err(|error| format!("its answer is broken or over {BODY_BYTES_MAX} bytes: {error}"))?;
    Ok(Fetched {
        status,
        body: body.to_bytes().to_vec(),
    })
}

fn request(to: &Destination, ask: Ask) -> Result<Request<Full<Bytes>>, String> {
    let method = match ask.form {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    let mut request = to.request(method).header(header::ACCEPT, "application/json");
    if ask.form.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    if !ask.authorization.is_empty() {
        request = request.header(header::AUTHORIZATION, ask.authorization);
    }
    let body = Full::new(Bytes::from(ask.form.unwrap_or_default()));
    request
        .body(body)
        .map_err(|_| "no request can be made of its URL".to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers one request with `head` and then `times` pieces of a kilobyte.
    async fn server(head: String, times: usize) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks?a=b", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut io, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = io.read(&mut request).await.unwrap();
            request.truncate(length);
            let _ = io.write_all(head.as_bytes()).await;
            for _ in 0..times {
                // the other side stops reading when it has enough
                if io.write_all(&[b'x'; 1024]).await.is_err() {
                    break;
                }
            }
            String::from_utf8(request).unwrap()
        });
        (url, served)
    }

    async fn ask(url: &str) -> Result<Fetched, String> {
        rpc::tls::install_crypto_provider();
        let ask = Ask {
            url: url.to_owned(),
            is_inside: true,
            ..Ask::default()
        };
        ProviderClient.fetch(ask).await
    }

    #[tokio::test]
    async fn an_answer_is_read_as_it_is() {
        let (url, served) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".into(), 0).await;
        let answer = ask(&url).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{}"[..]));
        let request = served.await.unwrap().to_ascii_lowercase();
        assert!(request.starts_with("get /jwks?a=b http/1.1\r\n"), "{request}");
        assert!(!request.contains("authorization"), "{request}");
    }

    #[tokio::test]
    async fn a_form_is_posted_with_the_clients_credentials() {
        let (url, served) = server("HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n".into(), 0).await;
        let form = Ask {
            url,
            form: Some("code=x".into()),
            authorization: "Basic eA==".into(),
            is_inside: true,
            ..Ask::default()
        };
        rpc::tls::install_crypto_provider();
        assert_eq!(ProviderClient.fetch(form).await.unwrap().status, 400);
        let request = served.await.unwrap();
        assert!(request.starts_with("POST /jwks"), "{request}");
        assert!(
            request.contains("x-www-form-urlencoded") && request.contains("Basic eA=="),
            "{request}"
        );
    }

    /// A name that is the provider's today may lead here tomorrow: whoever has its DNS must not reach what listens on this host alone.
    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_asked() {
        let (url, served) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into(), 0).await;
        let port = url.split(':').next_back().unwrap().split('/').next().unwrap();
        rpc::tls::install_crypto_provider();
        for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "169.254.169.254"] {
            let ask = Ask {
                url: format!("http://{host}:{port}/"),
                ..Ask::default()
            };
            let problem = ProviderClient.fetch(ask).await.unwrap_err();
            assert!(problem.contains("leads to this machine"), "{host}: {problem}");
        }
        served.abort();
    }

    /// A provider cannot send us elsewhere.
    #[tokio::test]
    async fn a_redirect_is_an_answer() {
        let head = "HTTP/1.1 302 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        let (url, _served) = server(head.into(), 0).await;
        assert_eq!(ask(&url).await.unwrap().status, 302);
    }

    /// Said to be large, or never ending: neither fills the memory.
    #[tokio::test]
    async fn a_megabyte_and_an_endless_answer_are_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        ] {
            let (url, _served) = server(head.into(), 1 << 20).await;
            let problem = ask(&url).await.unwrap_err();
            assert!(problem.contains("262144 bytes"), "{problem}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_told() {
        let closed = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        for (url, begin) in [
            (format!("http://{closed}/"), "no connection to 127.0.0.1:"),
            ("file:///etc/passwd".to_owned(), "its URL"),
            ("/jwks".to_owned(), "its URL names no host"),
        ] {
            let problem = ask(&url).await.unwrap_err();
            assert!(problem.starts_with(begin), "{problem}");
        }
    }

    #[test]
    fn without_a_ca_nothing_is_trusted() {
        rpc::tls::install_crypto_provider();
        assert!(connector("-----BEGIN CERTIFICATE-----\nnone").is_err());
    }
}
