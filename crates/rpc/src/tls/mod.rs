//! TLS of the peer and API ports, both ends: whose key counts, and what a certificate may say.

mod certified;
mod der;
mod extensions;
mod material;
mod named;
mod pinned;
mod pinned_ca;
mod renewed;
mod signers;
mod spiffe;
mod swapped;
mod users;
mod validity;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub use certified::{BACKDATED_BY, authority_name, identity_of, validity};
pub use extensions::{host_names, is_authority};
pub use material::Material;
pub use named::{Certificates, NamedCertificate};
pub use pinned::{PeerRefused, PinnedKeys};
pub use pinned_ca::IsCa;
pub use renewed::RenewedCertificate;
pub use spiffe::{NameError, SpiffeId};
pub use swapped::{ServerCertificate, TrustedClients};

/// ALPN name of HTTP/2, the only protocol of the gRPC ports.
const HTTP2: &[u8] = b"h2";

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Bytes that should be PEM.
    #[error("{what} is not a PEM file with at least one {block} block")]
    Pem {
        /// Which of the files.
        what: &'static str,
        /// What should be in it.
        block: &'static str,
    },
    /// A certificate that does not parse, or a key that does not fit it.
    #[error("the certificate or key cannot be used")]
    Rustls(#[from] rustls::Error),
    /// A CA certificate that cannot be a trust anchor.
    #[error("the CA certificate cannot be used to check client certificates")]
    Ca(#[from] rustls::server::VerifierBuilderError),
    /// A CA certificate that does not parse.
    #[error("the CA certificate does not parse")]
    Anchor(#[from] webpki::Error),
    /// A certificate that is named as a CA's and is not.
    #[error(
        "a certificate is not a CA's (basic constraints without CA, or a key that signs no certificates); name the CA's own"
    )]
    NotAnAuthority,
}

/// Which client certificates a server port asks for.
#[derive(Clone, Debug)]
pub enum ClientCerts {
    /// Peer port: a member with its pinned key, nobody else; TLS 1.3.
    RequiredMembers(PinnedKeys),
    /// API port: none, or one that the CA signed for a user or member of `cluster`.
    Optional {
        /// The cluster's name: trust domain of the certificates.
        cluster: String,
    },
}

/// The crypto provider of everything in this process.
pub fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Makes aws-lc-rs the process's crypto provider; the first thing in `main`. Repeats do nothing.
pub fn install_crypto_provider() {
    // An error says that one is installed already, which is what was asked for.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The TLS configuration of a server port that presents `material`: TLS 1.3.
///
/// Speaks HTTP/2 only; a port that speaks HTTP/1.1 too sets `alpn_protocols` itself. No session is ever
/// resumed: a resumed one would not be checked against the pins or the CA again.
///
/// # Errors
/// If the certificate and key do not fit, or the CA cannot be used.
pub fn server_config(material: &Material, clients: ClientCerts) -> Result<ServerConfig, TlsError> {
    match clients {
        ClientCerts::RequiredMembers(pins) => {
            let builder = ServerConfig::builder_with_provider(crypto_provider())
                .with_protocol_versions(&[&TLS13])?
                .with_client_cert_verifier(Arc::new(pinned::MembersOnly::new(pins, &material.ca)?));
            let config = builder.with_single_cert(material.chain.clone(), material.key.clone_key())?;
            Ok(of_our_ports(config))
        }
        ClientCerts::Optional { cluster } => {
            let mut chain = material.chain.clone();
            // for whoever knows the CA by a digest only: a machine that is about to join
            chain.extend(material.ca.iter().cloned());
            let shown = ServerCertificate::new(chain, material.key.clone_key())?;
            api_server_config(&shown.into(), &TrustedClients::new(&cluster, &material.ca)?)
        }
    }
}

/// The TLS configuration of a port of the API that presents and trusts whatever is set by the time of a handshake. As
/// [`server_config`] otherwise.
///
/// # Errors
/// If the provider lacks a protocol version.
pub fn api_server_config(shown: &Certificates, clients: &TrustedClients) -> Result<ServerConfig, TlsError> {
    config_of_versions(shown, clients, &[&TLS13])
}

/// The same for clients that are too old for TLS 1.3.
///
/// # Errors
/// As [`api_server_config`].
pub fn api_server_config_allowing_tls12(
    shown: &Certificates,
    clients: &TrustedClients,
) -> Result<ServerConfig, TlsError> {
    config_of_versions(shown, clients, &[&TLS13, &TLS12])
}

fn config_of_versions(
    shown: &Certificates,
    clients: &TrustedClients,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ServerConfig, TlsError> {
    let config = ServerConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(Arc::new(clients.clone()))
        .with_cert_resolver(Arc::new(shown.clone()));
    Ok(of_our_ports(config))
}

fn of_our_ports(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

/// The TLS configuration for dialling member `id` on its peer port as the member that `material` names.
///
/// # Errors
/// If the certificate and key do not fit, or the CA cannot be used.
pub fn member_client_config(
    material: &Material,
    pins: &PinnedKeys,
    id: u64,
) -> Result<ClientConfig, TlsError> {
    let verifier = pinned::ThisMember::new(pins.clone(), id, &material.ca)?;
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous() // the verifier is stricter than the usual one: one key, one name
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(material.chain.clone(), material.key.clone_key())?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The TLS configuration for dialling an API port: the server's certificate must be signed by one of `ca`
/// for the name or address dialled; `certificate` is what the client shows, if anything.
///
/// # Errors
/// If `ca` is empty or unusable, or the certificate and key do not fit.
pub fn api_client_config(
    ca: &[CertificateDer<'static>],
    certificate: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, TlsError> {
    let builder = trusting(ca)?;
    let mut config = match certificate {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

/// The same, showing what `certificate`'s files hold by the time of a handshake.
///
/// # Errors
/// If `ca` is empty or unusable.
pub fn renewing_client_config(
    ca: &[CertificateDer<'static>],
    certificate: &RenewedCertificate,
) -> Result<ClientConfig, TlsError> {
    let mut config = trusting(ca)?.with_client_cert_resolver(Arc::new(certificate.clone()));
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

fn trusting(
    ca: &[CertificateDer<'static>],
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    Ok(ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots(ca)?))
}

/// The CA certificates of a PEM file, e.g. `ca.pem`.
///
/// # Errors
/// If it cannot be read, or holds none.
pub fn ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = std::fs::read(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    found.ok().filter(|ca| !ca.is_empty()).ok_or(TlsError::Pem {
        what: "the CA file",
        block: "CERTIFICATE",
    })
}

/// The TLS configuration of a machine that is about to join: it knows the cluster's CA by a digest, which `is_ca` checks.
///
/// # Errors
/// If the provider lacks a protocol version.
pub fn joining_client_config(is_ca: pinned_ca::IsCa) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous() // the usual verifier, with the one anchor that the pin allows
        .with_custom_certificate_verifier(Arc::new(pinned_ca::PinnedCa::new(is_ca)))
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

/// What went wrong in a handshake, in words: rustls shows what our verifiers say only as `Debug`.
pub(crate) fn problem_of(error: &std::io::Error) -> String {
    use rustls::{CertificateError, Error, OtherError};
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(ours)))) => ours.to_string(),
        Some(Error::AlertReceived(alert)) if is_about_certificates(*alert) => format!(
            "received fatal alert: {alert:?}: the other end does not accept this certificate; a member knows this one by \
             another key or is of another CA, or a client trusts another CA: compare `ca.pem` and `identity-dir` on both"
        ),
        _ => error.to_string(),
    }
}

fn is_about_certificates(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate | Alert::UnknownCA | Alert::CertificateUnknown | Alert::UnsupportedCertificate
    )
}

fn roots(ca: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in ca {
        store.add(certificate.clone())?;
    }
    Ok(store)
}
