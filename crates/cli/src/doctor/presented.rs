//! What a TLS port presents, whether it is to be trusted or not: an expired certificate is what is looked for. Nothing is sent there
//! beyond the handshake.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rpc::tls::crypto_provider;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Connection and handshake.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// A certificate and what a client that trusts these CAs would say to it.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) verified: Result<(), String>,
}

/// Shakes hands with `host:port`; `Err` says why nothing was presented.
pub(super) async fn by(address: &str, authorities: &[CertificateDer<'static>]) -> Result<Presented, String> {
    let seen = tokio::time::timeout(SEEN_WITHIN, shake_hands(address, authorities)).await;
    seen.unwrap_or_else(|_| Err(format!("no handshake within {} s", SEEN_WITHIN.as_secs())))
}

async fn shake_hands(address: &str, authorities: &[CertificateDer<'static>]) -> Result<Presented, String> {
    let (host, _) = address.rsplit_once(':').ok_or("no port in it")?;
    let name =
        ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|error| error.to_string())?;
    let recorder = Arc::new(Recorder::trusting(authorities)?);
    let config = ClientConfig::builder_with_provider(crypto_provider());
    let config = config
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier = Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>;
    let config = config
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let presented = recorder
        .presented
        .lock()
        .ok()
        .and_then(|mut presented| presented.take());
    match (presented, shaken) {
        (Some(presented), _) => Ok(presented),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(_)) => Err("no certificate was presented".to_owned()),
    }
}

/// Asks the usual verifier and remembers its answer, whatever it is.
#[derive(Debug)]
struct Recorder {
    usual: Arc<WebPkiServerVerifier>,
    presented: Mutex<Option<Presented>>,
}

impl Recorder {
    fn trusting(authorities: &[CertificateDer<'static>]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto_provider());
        Ok(Self {
            usual: usual.build().map_err(|error| error.to_string())?,
            presented: Mutex::new(None),
        })
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.usual.verify_server_cert(certificate, chain, name, ocsp, now);
        let presented = Presented {
            certificate: certificate.clone().into_owned(),
            verified: verified.map(|_| ()).map_err(|error| error.to_string()),
        };
        if let Ok(mut kept) = self.presented.lock() {
            *kept = Some(presented);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use auth::pki::CertificateAuthority;
    use rustls_pki_types::PrivateKeyDer;
    use rustls_pki_types::pem::PemObject as _;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn authority() -> CertificateAuthority {
        CertificateAuthority::generate("demo", SystemTime::now() - 4000 * DAY).unwrap()
    }

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    /// A port that presents a certificate for `names`, issued then.
    async fn port(ca: &CertificateAuthority, names: &[&str], issued: SystemTime) -> String {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let issued = ca.issue_member(1, names, issued).unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config
            .with_no_client_auth()
            .with_single_cert(vec![der(&issued.certificate_pem)], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                drop(acceptor.accept(stream).await);
            }
        });
        address
    }

    #[tokio::test]
    async fn a_good_certificate_is_verified_and_shown() {
        let ca = authority();
        let address = port(&ca, &["127.0.0.1"], SystemTime::now()).await;
        let presented = by(&address, &[der(ca.certificate_pem())]).await.unwrap();
        assert_eq!(presented.verified, Ok(()));
        assert!(rpc::tls::validity(&presented.certificate).is_some());
    }

    /// A client only learns that it failed; a doctor says of what.
    #[tokio::test]
    async fn what_is_expired_misnamed_or_of_another_ca_is_still_shown() {
        let ca = authority();
        let expired = port(&ca, &["127.0.0.1"], SystemTime::now() - 3900 * DAY).await;
        let misnamed = port(&ca, &["10.1.1.1"], SystemTime::now()).await;
        for (address, trusted, word) in [
            (&expired, &ca, "expired"),
            (&misnamed, &ca, "name"),
            (&misnamed, &authority(), ""),
        ] {
            let presented = by(address, &[der(trusted.certificate_pem())]).await.unwrap();
            let problem = presented.verified.unwrap_err().to_lowercase();
            assert!(problem.contains(word), "{word}: {problem}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_closed_or_speaks_no_tls_says_why() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let ca = authority();
        assert!(by(&address, &[der(ca.certificate_pem())]).await.is_err());
        assert!(by("nowhere", &[der(ca.certificate_pem())]).await.is_err());
    }
}
