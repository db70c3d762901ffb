//! Whether a place is a PDU that speaks JAWS. One request without a login, over HTTPS with whatever key it shows; a PDU has no
//! Redfish, so the client for that is of no use here.

use std::sync::Arc;
use std::time::Duration;

use redfish::{Address, Connector};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What is read of the answer: enough to tell what it is.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// SHA-256 of the key of the PDU at `address`, empty if its certificate cannot be read; `None` if there is no PDU.
///
/// Source: Magellan asks `/jaws/monitor/outlets` and takes 200 for a PDU.
pub(super) async fn probe(connector: &Connector, address: &Address, timeout: Duration) -> Option<String> {
    tokio::time::timeout(timeout * 2, ask(connector, address))
        .await
        .ok()?
}

async fn ask(connector: &Connector, address: &Address) -> Option<String> {
    let stream = connector.dial(address).await.ok()?;
    let tls = TlsConnector::from(Arc::new(config()?));
    let mut stream = tls.connect(server_name(address)?, stream).await.ok()?;
    let key = key_sha256(&stream).unwrap_or_default();
    stream.write_all(request(address).as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let mut head = stream.take(ANSWER_BYTES_MAX as u64);
    // some close without a goodbye of TLS: what was read by then counts
    let _ = head.read_to_end(&mut answer).await;
    lists_outlets(&answer).then_some(key)
}

/// HTTP/1.0, so that the answer ends with the connection.
fn request(address: &Address) -> String {
    format!(
        "GET /jaws/monitor/outlets HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    )
}

/// Whether an answer is a success with JSON's list in it.
fn lists_outlets(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let mut words = head.split_ascii_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("\r\ntransfer-encoding: chunked");
    let body = match is_chunked {
        true => body.split_once("\r\n").map_or("", |(_, body)| body),
        false => body,
    };
    is_http && words.next() == Some("200") && body.trim_start().starts_with('[')
}

fn server_name(address: &Address) -> Option<ServerName<'static>> {
    match address.ip() {
        Some(ip) => Some(ServerName::IpAddress(ip.into())),
        None => ServerName::try_from(address.host().to_owned()).ok(),
    }
}

fn key_sha256(stream: &TlsStream<TcpStream>) -> Option<String> {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates()?.first()?;
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let key = certificate.subject_public_key_info();
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, key.as_ref());
    Some(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn config() -> Option<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    let verifier = Arc::new(AnyKey(provider));
    Some(
        builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth(),
    )
}

/// Takes every certificate: nothing is told to the other side, and its key is remembered.
#[derive(Debug)]
struct AnyKey(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_a_success_is_a_pdu() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[{\"id\":\"BA1\"}]",
            "HTTP/1.0 200 OK\r\n\r\n \n[]",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n[{\"id\":\"BA1\"",
        ] {
            assert!(lists_outlets(answer.as_bytes()), "{answer}");
        }
    }

    #[test]
    fn everything_else_is_none() {
        for answer in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 401 Unauthorized\r\n\r\n[]",
            "HTTP/1.1 200 OK\r\n\r\n<html>[]</html>",
            "HTTP/1.1 200 OK\r\n\r\n{\"outlets\":[]}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "SSH-2.0-x 200\r\n\r\n[]",
        ] {
            assert!(!lists_outlets(answer.as_bytes()), "{answer}");
        }
        assert!(!lists_outlets(b"\xff\xfe\r\n\r\n["));
    }

    #[test]
    fn the_request_is_one_line_of_http() {
        let address: Address = "[fd00::7]:8443".parse().unwrap();
        let request = request(&address);
        assert!(
            request.starts_with("GET /jaws/monitor/outlets HTTP/1.0\r\nHost: [fd00::7]:8443\r\n"),
            "{request}"
        );
        assert!(matches!(server_name(&address), Some(ServerName::IpAddress(_))));
        assert!(config().is_some());
    }

    /// Nobody listens there: it is none, and no error.
    #[tokio::test]
    async fn a_place_where_nobody_is_has_no_pdu() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::new(free.local_addr().unwrap());
        drop(free);
        assert_eq!(
            probe(&Connector::system(1), &address, Duration::from_secs(1)).await,
            None
        );
    }
}
