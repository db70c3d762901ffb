//! Which key a BMC may show. Names, dates and issuers of its certificate are not looked at, except with [`Trust::Roots`]; that it
//! holds the key is proven in every handshake, whatever is trusted.

use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, PeerMisbehaved, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

use crate::spki;

/// TLS sessions of one BMC that are kept for resumption.
const SESSIONS: usize = 8;

/// What is believed of the key that a BMC shows.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Only this one: SHA-256 of the public key (SPKI), 64 hex digits.
    Pinned(String),
    /// The one of the first connection, for as long as the BMC is open; whoever asks remembers it.
    FirstUse,
    /// Any whose certificate these roots vouch for, with the right name.
    Roots(Arc<RootCertStore>),
    /// Any at all.
    InsecureAny,
}

/// Checks the keys of one BMC.
#[derive(Debug)]
pub(crate) struct Verifier {
    rule: Rule,
    provider: Arc<CryptoProvider>,
    shown: Mutex<String>,
    refused: Mutex<Option<(String, String)>>,
}

#[derive(Debug)]
enum Rule {
    /// The key is this one once it is known.
    Key(OnceLock<String>),
    Roots(Arc<dyn ServerCertVerifier>),
    Any,
}

/// The same for every BMC: a scan makes a verifier for each address.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

impl Verifier {
    /// # Errors
    /// A text, if the roots cannot be used.
    pub(crate) fn new(trust: Trust) -> Result<Arc<Verifier>, String> {
        let provider = Arc::clone(&PROVIDER);
        let rule = match trust {
            Trust::Pinned(key) => Rule::Key(OnceLock::from(key.to_ascii_lowercase())),
            Trust::FirstUse => Rule::Key(OnceLock::new()),
            Trust::InsecureAny => Rule::Any,
            Trust::Roots(roots) => {
                let builder =
                    rustls::client::WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
                Rule::Roots(builder.build().map_err(|error| error.to_string())?)
            }
        };
        Ok(Arc::new(Verifier {
            rule,
            provider,
            shown: Mutex::default(),
            refused: Mutex::default(),
        }))
    }

    /// TLS 1.2 and 1.3 with this verifier.
    ///
    /// # Errors
    /// A text, if the library offers neither.
    pub(crate) fn config(self: &Arc<Verifier>) -> Result<ClientConfig, String> {
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| error.to_string())?
            .dangerous() // certificates of BMCs are self-signed: the key counts, see above
            .with_custom_certificate_verifier(self.clone())
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(config)
    }

    /// The key of the latest handshake; empty: there was none.
    pub(crate) fn shown(&self) -> String {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The known key and the other one that was refused, if that is why a handshake failed.
    pub(crate) fn take_refused(&self) -> Option<(String, String)> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn check_key(&self, known: &OnceLock<String>, shown: &str) -> Result<(), rustls::Error> {
        let known = known.get_or_init(|| shown.to_owned());
        if known == shown {
            return Ok(());
        }
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((known.clone(), shown.to_owned()));
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    /// Whether `dss` signs `message` with the key of `certificate`. TLS 1.2 leaves several algorithms possible for one scheme.
    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = SubjectPublicKeyInfoDer::from(key_of(certificate)?);
        let key = webpki::RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        let (_, algorithms) = self
            .provider
            .signature_verification_algorithms
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == dss.scheme)
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let is_signed = |algorithm: &&dyn rustls_pki_types::SignatureVerificationAlgorithm| {
            key.verify_signature(*algorithm, message, dss.signature()).is_ok()
        };
        match algorithms.iter().any(is_signed) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }
}

fn key_of<'a>(certificate: &'a CertificateDer<'_>) -> Result<&'a [u8], rustls::Error> {
    spki::of(certificate.as_ref()).ok_or_else(|| CertificateError::BadEncoding.into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = spki::sha256_hex(key_of(certificate)?);
        match &self.rule {
            Rule::Key(known) => self.check_key(known, &shown)?,
            Rule::Roots(roots) => {
                roots.verify_server_cert(certificate, intermediates, name, ocsp, now)?;
            }
            Rule::Any => {}
        }
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, certificate, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, certificate, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn certificate() -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["bmc".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn shows(verifier: &Verifier, certificate: &CertificateDer<'_>) -> bool {
        let name = ServerName::try_from("elsewhere.example").unwrap();
        verifier
            .verify_server_cert(certificate, &[], &name, &[], UnixTime::now())
            .is_ok()
    }

    #[test]
    fn the_first_key_is_believed_and_then_only_that_one() {
        let verifier = Verifier::new(Trust::FirstUse).unwrap();
        let (first, second) = (certificate(), certificate());
        assert!(shows(&verifier, &first) && shows(&verifier, &first));
        assert!(!shows(&verifier, &second));
        let (known, shown) = verifier.take_refused().unwrap();
        assert_eq!(known, verifier.shown());
        assert_ne!(known, shown);
        assert_eq!(verifier.take_refused(), None);
    }

    #[test]
    fn a_pinned_key_is_the_only_one_in_either_case_of_letters() {
        let certificate = certificate();
        let key = spki::sha256_hex(spki::of(&certificate).unwrap());
        for pin in [key.clone(), key.to_ascii_uppercase()] {
            assert!(shows(&Verifier::new(Trust::Pinned(pin)).unwrap(), &certificate));
        }
        let other = Verifier::new(Trust::Pinned("0".repeat(64))).unwrap();
        assert!(!shows(&other, &certificate));
        assert_eq!(other.take_refused(), Some(("0".repeat(64), key)));
    }

    #[test]
    fn roots_vouch_or_not_and_any_key_is_any() {
        let mut roots = RootCertStore::empty();
        roots.add(certificate()).unwrap();
        let by_roots = Verifier::new(Trust::Roots(Arc::new(roots))).unwrap();
        assert!(!shows(&by_roots, &certificate()));
        let any = Verifier::new(Trust::InsecureAny).unwrap();
        assert!(shows(&any, &certificate()) && shows(&any, &certificate()));
        assert!(Verifier::new(Trust::Roots(Arc::new(RootCertStore::empty()))).is_err());
    }

    #[test]
    fn what_is_no_certificate_is_refused_even_by_any() {
        let any = Verifier::new(Trust::InsecureAny).unwrap();
        assert!(!shows(&any, &CertificateDer::from(b"nonsense".to_vec())));
        assert!(any.config().is_ok());
    }
}
