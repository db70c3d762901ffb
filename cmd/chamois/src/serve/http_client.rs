//! One request over HTTP/1.1 a connection, as members ask subscribers and OIDC providers: bounded in headers, redirects are answers.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// All headers of an answer, bytes.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Where systems keep the certificates that they trust, in the order in which they are looked for.
const SYSTEM_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];
const USER_AGENT: &str = concat!("Chamois/", env!("CARGO_PKG_VERSION"));

/// Where a URL leads.
pub(super) struct Destination {
    uri: Uri,
    /// As the URL has it: an IPv6 address is in brackets.
    host: String,
    port: u16,
    /// Of `https`.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Destination {
    /// `connector` is asked for if the URL is one of `https`.
    ///
    /// # Errors
    /// The URL is none, or neither of `http` nor of `https`; or what `connector` says.
    pub(super) fn of(
        url: &str,
        connector: impl FnOnce() -> Result<TlsConnector, String>,
    ) -> Result<Destination, String> {
        let uri: Uri = url.parse().map_err(|_| "its URL is none".to_owned())?;
        let host = uri.host().ok_or("its URL names no host")?.to_owned();
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => Some((connector()?, server_name(&host)?)),
            _ => return Err("its URL is neither http nor https".to_owned()),
        };
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        Ok(Destination { uri, host, port, tls })
    }

    /// Name or address, and port, to connect to.
    pub(super) fn address(&self) -> (&str, u16) {
        (without_brackets(&self.host), self.port)
    }

    /// That there is no connection.
    pub(super) fn unreached(&self, problem: impl Display) -> String {
        format!("no connection to {}:{}: {problem}", self.host, self.port)
    }

    /// The beginning of a request that ends its connection.
    pub(super) fn request(&self, method: Method) -> Builder {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, authority)
            .header(header::CONNECTION, "close")
            .header(header::USER_AGENT, USER_AGENT)
    }

    /// Sends a request over a connection to here; what `read` makes of the answer.
    ///
    /// # Errors
    /// There is no TLS, or the connection broke; or what `read` says.
    pub(super) async fn exchange<T, R>(
        self,
        tcp: TcpStream,
        request: Request<Full<Bytes>>,
        read: impl FnOnce(Response<Incoming>) -> R,
    ) -> Result<T, String>
    where
        R: Future<Output = Result<T, String>>,
    {
        let (host, port) = (self.host, self.port);
        match self.tls {
            None => exchange(tcp, request, read).await,
            Some((connector, name)) => {
                let tls = connector.connect(name, tcp).await;
                let tls = tls.map_err(|error| format!("no TLS with {host}:{port}: {error}"))?;
                exchange(tls, request, read).await
            }
        }
    }
}

/// An IPv6 address stands in brackets in a URL, and nowhere else.
fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    let name = without_brackets(host).to_owned();
    ServerName::try_from(name).map_err(|_| "its URL names no host".to_owned())
}

async fn exchange<T, R>(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
    read: impl FnOnce(Response<Incoming>) -> R,
) -> Result<T, String>
where
    R: Future<Output = Result<T, String>>,
{
    let broken = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEADER_BYTES_MAX)
        .handshake(TokioIo::new(io))
        .await
        .map_err(broken)?;
    let answer = async { read(sender.send_request(request).await.map_err(broken)?).await };
    tokio::pin!(answer);
    // the connection is driven only until the answer is there, and dropped with this function; it may end before the answer is
    // looked at, because it is asked to close
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

/// Trusts what these CAs have signed.
pub(super) fn trusting(roots: RootCertStore) -> TlsConnector {
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// None on a system without any: then `https` works with what a CA of our own has signed.
pub(super) fn system_roots() -> Vec<CertificateDer<'static>> {
    let pem = SYSTEM_ROOTS.iter().find_map(|path| std::fs::read(path).ok());
    let pem = pem.unwrap_or_default();
    CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(url: &str) -> Result<Destination, String> {
        rpc::tls::install_crypto_provider();
        Destination::of(url, || Ok(trusting(RootCertStore::empty())))
    }

    #[test]
    fn a_url_says_where_to_connect_and_how() {
        for (url, address, is_tls) in [
            ("http://a/b", ("a", 80), false),
            ("https://a/b", ("a", 443), true),
            ("https://[fd00::1]:8443/", ("fd00::1", 8443), true),
        ] {
            let to = to(url).unwrap();
            assert_eq!((to.address(), to.tls.is_some()), (address, is_tls), "{url}");
        }
        for wrong in ["/b", "ftp://a/", "http://", "a b"] {
            assert!(to(wrong).is_err(), "{wrong}");
        }
        let refused = Destination::of("https://a/", || Err("no CA".to_owned()));
        assert_eq!(refused.err().as_deref(), Some("no CA"));
        assert!(Destination::of("http://a/", || Err("no CA".to_owned())).is_ok());
    }

    #[test]
    fn a_request_names_its_host_and_ends_its_connection() {
        let to = to("http://a:81/b?c=d").unwrap();
        let request = to.request(Method::GET).body(()).unwrap();
        assert_eq!(request.uri(), "/b?c=d");
        assert_eq!(request.headers()[header::HOST], "a:81");
        assert_eq!(request.headers()[header::CONNECTION], "close");
    }
}
