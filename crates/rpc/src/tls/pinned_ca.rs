//! A server whose CA is known by its digest: for a machine that joins with nothing but a token.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::crypto_provider;

/// Whether a certificate is that of the cluster's CA.
pub type IsCa = Arc<dyn Fn(&CertificateDer<'_>) -> bool + Send + Sync>;

/// None of the certificates that the server showed is the CA that is trusted.
#[derive(Debug, thiserror::Error)]
#[error("the server does not belong to the cluster that the token is from: another CA")]
struct AnotherCa;

/// The usual checks of chain, name and date, with the CA that the server shows as anchor if the pin allows it.
pub(super) struct PinnedCa {
    is_ca: IsCa,
    provider: Arc<CryptoProvider>,
}

impl PinnedCa {
    pub(super) fn new(is_ca: IsCa) -> Self {
        Self {
            is_ca,
            provider: crypto_provider(),
        }
    }
}

impl fmt::Debug for PinnedCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinnedCa")
    }
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = intermediates.iter().find(|certificate| (self.is_ca)(certificate));
        let another = || CertificateError::Other(OtherError(Arc::new(AnotherCa)));
        let mut roots = RootCertStore::empty();
        roots.add(shown.ok_or_else(another)?.clone().into_owned())?;
        let usual =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider)).build();
        let usual = usual.map_err(|error| rustls::Error::General(error.to_string()))?;
        usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
