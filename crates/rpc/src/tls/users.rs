//! Client certificates on the API port: none, or one of the cluster's CA with one name of this cluster.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::spiffe::SpiffeId;
use super::{TlsError, crypto_provider, roots, signers};

/// The certificate names a cluster that is not ours.
#[derive(Debug, thiserror::Error)]
#[error("{name} is not of cluster {cluster}")]
struct OtherCluster {
    name: SpiffeId,
    cluster: String,
}

/// The usual check of chain and validity, then that of the single name.
#[derive(Debug)]
pub(super) struct OptionalUsers {
    cluster: String,
    chain: Arc<dyn ClientCertVerifier>,
    /// Each of the cluster's CAs by itself, by its id.
    each: Vec<(String, Arc<dyn ClientCertVerifier>)>,
}

impl OptionalUsers {
    /// Trusts the CAs that the cluster keeps, and others of the site.
    pub(super) fn new(
        cluster: String,
        own: &[CertificateDer<'static>],
        site: &[CertificateDer<'static>],
    ) -> Result<Self, TlsError> {
        let all: Vec<_> = own.iter().chain(site).cloned().collect();
        let alone = |ca: &CertificateDer<'static>| -> Result<_, TlsError> {
            Ok((signers::id_of(ca), trusting(std::slice::from_ref(ca))?))
        };
        Ok(Self {
            cluster,
            chain: trusting(&all)?,
            each: own.iter().map(alone).collect::<Result<_, TlsError>>()?,
        })
    }

    /// For whoever asks later whether that CA is still trusted.
    fn note_signer(&self, certificate: &CertificateDer<'_>, more: &[CertificateDer<'_>], now: UnixTime) {
        let mut each = self.each.iter();
        let signer = each.find(|(_, ca)| ca.verify_client_cert(certificate, more, now).is_ok());
        signers::remember(certificate, signer.map_or("", |(id, _)| id.as_str()));
    }

    fn check_name(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        match SpiffeId::of(certificate) {
            Ok(name) if name.cluster() == self.cluster => Ok(()),
            Ok(name) => Err(other(OtherCluster {
                name,
                cluster: self.cluster.clone(),
            })),
            Err(error) => Err(other(error)),
        }
    }
}

fn trusting(ca: &[CertificateDer<'static>]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), crypto_provider());
    Ok(builder.allow_unauthenticated().build()?)
}

fn other(problem: impl std::error::Error + Send + Sync + 'static) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(problem))).into()
}

impl ClientCertVerifier for OptionalUsers {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        self.check_name(end_entity)?;
        self.note_signer(end_entity, intermediates, now);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
