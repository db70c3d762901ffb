//! HTTPS to the CA: one request a connection, bounded in time and in what is read.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Response};
use rustls::RootCertStore;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::serve::http_client::{Destination, system_roots, trusting};

/// From the connection to the end of the answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The body of an answer, bytes: a chain of certificates has a hundredth of it.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Trusts the CAs of a file, or those of the system.
pub(super) struct Client {
    tls: TlsConnector,
}

impl Client {
    /// # Errors
    /// The file cannot be read or has no certificate; or the system trusts nobody.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, String> {
        let certificates = match ca {
            None => system_roots(),
            Some(file) => {
                let named = |problem: String| format!("api.acme.ca: {}: {problem}", file.display());
                let pem = std::fs::read_to_string(file).map_err(|error| named(error.to_string()))?;
                let found = auth::certificates(&pem);
                found.ok_or_else(|| named("no CERTIFICATE block in PEM".to_owned()))?
            }
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        if roots.is_empty() {
            return Err(
                "no CA is trusted: name the CA's own in api.acme.ca, or install ca-certificates".to_owned(),
            );
        }
        Ok(Self { tls: trusting(roots) })
    }

    /// The whole answer to one request.
    ///
    /// # Errors
    /// There is none in time, it is too large, or the URL is not one of `https`.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, String> {
        let sent = self.exchange(method, url, headers, body);
        let answer = tokio::time::timeout(ANSWER_MAX, sent).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_MAX.as_secs())));
        answer.map_err(|problem| format!("{url}: {problem}"))
    }

    async fn exchange(
        &self,
        method: Method,
        url: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, String> {
        if !url.starts_with("https://") {
            return Err("ACME is spoken over https only".to_owned());
        }
        let to = Destination::of(url, || Ok(self.tls.clone()))?;
        let tcp = TcpStream::connect(to.address()).await;
        let tcp = tcp.map_err(|error| to.unreached(error))?;
        let mut request = to.request(method);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| format!("no request can be made of it: {error}"))?;
        to.exchange(tcp, request, whole).await
    }
}

async fn whole(answer: Response<Incoming>) -> Result<Response<Bytes>, String> {
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body =
        body.map_err(|error| format!("the answer is broken or over {BODY_BYTES_MAX} bytes: {error}"))?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_asked_without_tls() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let ca = auth::pki::CertificateAuthority::generate("site", std::time::SystemTime::now()).unwrap();
        std::fs::write(&file, ca.certificate_pem()).unwrap();
        let client = Client::new(Some(&file)).unwrap();
        let answer = client
            .send(
                Method::GET,
                "http://127.0.0.1:9/dir",
                &HeaderMap::new(),
                Bytes::new(),
            )
            .await;
        let problem = answer.unwrap_err();
        assert!(problem.contains("over https only"), "{problem}");
    }

    #[test]
    fn a_file_without_a_ca_is_named_with_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let problem = |file: &Path| Client::new(Some(file)).err().unwrap();
        assert!(problem(&file).starts_with("api.acme.ca: "), "it is missing");
        std::fs::write(&file, "no certificate").unwrap();
        assert!(problem(&file).contains("no CERTIFICATE block"));
    }
}
