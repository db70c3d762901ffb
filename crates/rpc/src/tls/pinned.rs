//! Members know each other by public key, not by who signed what: the certificate only says which id
//! the key claims, and the key pinned for that id decides.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};

use super::spiffe::{NameError, SpiffeId};
use super::{TlsError, crypto_provider};

/// The public keys of a cluster's members, by id; cheap to clone, and all clones change together when members come
/// and go.
#[derive(Clone, Debug)]
pub struct PinnedKeys {
    cluster: Arc<str>,
    keys: Arc<RwLock<BTreeMap<u64, Vec<u8>>>>,
}

/// Why a certificate is not that of a member.
#[derive(Debug, thiserror::Error)]
pub enum PeerRefused {
    /// It names nobody.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It names a user, or a member of another cluster.
    #[error("{name} is not a member of cluster {cluster}")]
    NotAMember {
        /// Whom the certificate names.
        name: SpiffeId,
        /// Our cluster.
        cluster: String,
    },
    /// The cluster has no such member.
    #[error("cluster has no member {0}")]
    Unknown(u64),
    /// Another key than the one pinned for that member.
    #[error("the key is not the one pinned for member {0}")]
    WrongKey(u64),
    /// Somebody else answers at that address.
    #[error("member {actual} answered where member {dialled} was dialled")]
    WrongMember {
        /// Whom we wanted.
        dialled: u64,
        /// Who answered.
        actual: u64,
    },
}

impl PinnedKeys {
    /// Pins one public key (SPKI, DER) for each member id of `cluster`.
    pub fn new(cluster: &str, keys: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Self {
        Self {
            cluster: cluster.into(),
            keys: Arc::new(RwLock::new(keys.into_iter().collect())),
        }
    }

    /// The cluster whose members these are.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// From now on these keys count and no others.
    pub fn replace(&self, keys: impl IntoIterator<Item = (u64, Vec<u8>)>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into_iter().collect();
    }

    /// One more member, before the others have heard of it.
    pub fn add(&self, id: u64, key: Vec<u8>) {
        self.keys
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, key);
    }

    /// The key pinned for a member.
    pub fn key(&self, id: u64) -> Option<Vec<u8>> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// All keys by id.
    pub fn all(&self) -> BTreeMap<u64, Vec<u8>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether `id` is a member now: its connections outlive its membership.
    pub fn knows(&self, id: u64) -> bool {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&id)
    }

    /// The member that `certificate` belongs to, if its key is the one pinned for the id it names.
    ///
    /// Proves nothing by itself: the handshake proves that the peer has the private key.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn member(&self, certificate: &CertificateDer<'_>) -> Result<u64, PeerRefused> {
        let id = match SpiffeId::of(certificate)? {
            SpiffeId::Member { cluster, id } if *cluster == *self.cluster => id,
            name => {
                return Err(PeerRefused::NotAMember {
                    name,
                    cluster: self.cluster.to_string(),
                });
            }
        };
        let pinned = self.key(id).ok_or(PeerRefused::Unknown(id))?;
        let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| NameError::Malformed)?;
        if parsed.subject_public_key_info().as_ref() != pinned.as_slice() {
            return Err(PeerRefused::WrongKey(id));
        }
        Ok(id)
    }
}

/// What both ends of a peer connection do with the certificate of the other one.
#[derive(Debug)]
struct Checker {
    pins: PinnedKeys,
    anchors: Vec<TrustAnchor<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Checker {
    fn new(pins: PinnedKeys, ca: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        let anchors: Result<_, webpki::Error> = ca
            .iter()
            .map(|ca| Ok(webpki::anchor_from_trusted_cert(ca)?.to_owned()))
            .collect();
        Ok(Self {
            pins,
            anchors: anchors?,
            provider: crypto_provider(),
        })
    }

    fn member(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: webpki::KeyUsage,
        now: UnixTime,
    ) -> Result<u64, PeerRefused> {
        let id = self.pins.member(certificate)?;
        match self.chain(certificate, intermediates, usage, now) {
            Ok(()) => {}
            // of members that have joined since another CA signs: the key decides, not the issuer
            Err(webpki::Error::UnknownIssuer) => {
                tracing::debug!(
                    member = id,
                    "the certificate of a member with the pinned key is another CA's"
                );
            }
            // A room that was dark for a month must come up by itself, so this is only said, not enforced.
            Err(problem) => {
                tracing::warn!(member = id, %problem, "the certificate of a member with the pinned key is not valid")
            }
        }
        Ok(id)
    }

    fn chain(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: webpki::KeyUsage,
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = webpki::EndEntityCert::try_from(certificate)?;
        parsed.verify_for_usage(algorithms, &self.anchors, intermediates, now, usage, None, None)?;
        Ok(())
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Server end of the peer port: members with their pinned keys, nobody else.
#[derive(Debug)]
pub(super) struct MembersOnly(Checker);

impl MembersOnly {
    pub(super) fn new(pins: PinnedKeys, ca: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        Checker::new(pins, ca).map(Self)
    }
}

impl ClientCertVerifier for MembersOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[] // the key decides, not the issuer
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.0
            .member(end_entity, intermediates, webpki::KeyUsage::client_auth(), now)
            .map(|_| ClientCertVerified::assertion())
            .map_err(refused)
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
            &self.0.provider.signature_verification_algorithms,
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
            &self.0.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }
}

/// Client end: the one member that was dialled, whatever name or address it was dialled by.
#[derive(Debug)]
pub(super) struct ThisMember {
    checker: Checker,
    dialled: u64,
}

impl ThisMember {
    pub(super) fn new(
        pins: PinnedKeys,
        dialled: u64,
        ca: &[CertificateDer<'static>],
    ) -> Result<Self, TlsError> {
        Ok(Self {
            checker: Checker::new(pins, ca)?,
            dialled,
        })
    }
}

impl ServerCertVerifier for ThisMember {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let actual = self
            .checker
            .member(end_entity, intermediates, webpki::KeyUsage::server_auth(), now)
            .map_err(refused)?;
        if actual != self.dialled {
            return Err(refused(PeerRefused::WrongMember {
                dialled: self.dialled,
                actual,
            }));
        }
        Ok(ServerCertVerified::assertion())
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
            &self.checker.provider.signature_verification_algorithms,
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
            &self.checker.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.checker.schemes()
    }
}

fn refused(problem: PeerRefused) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(problem))).into()
}
