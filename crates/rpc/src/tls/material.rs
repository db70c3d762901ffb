//! What one end of a TLS connection presents and trusts, read from PEM.

use std::fmt;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// The CA that is trusted, and the certificate chain and private key that are presented.
pub struct Material {
    /// The cluster's CA certificates.
    pub ca: Vec<CertificateDer<'static>>,
    /// Own certificate first, then intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// Private key of the first certificate of `chain`.
    pub key: PrivateKeyDer<'static>,
}

impl Material {
    /// Reads `ca.pem`, `member.pem` and `member.key` (any PEM private key).
    ///
    /// # Errors
    /// Names the file that is not PEM or holds nothing of use.
    pub fn from_pem(ca: &[u8], chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self {
            ca: certificates("the CA file", ca)?,
            chain: certificates("the certificate file", chain)?,
            key: PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Pem {
                what: "the key file",
                block: "PRIVATE KEY",
            })?,
        })
    }
}

impl Clone for Material {
    fn clone(&self) -> Self {
        Self {
            ca: self.ca.clone(),
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material")
            .field("ca", &self.ca.len())
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::Pem {
            what,
            block: "CERTIFICATE",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_wrong_is_named() {
        let error = Material::from_pem(b"", b"", b"").unwrap_err().to_string();
        assert_eq!(
            error,
            "the CA file is not a PEM file with at least one CERTIFICATE block"
        );
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let cert = pair.cert.pem();
        let error = Material::from_pem(cert.as_bytes(), cert.as_bytes(), b"?")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("the key file is not"), "{error}");
    }

    /// `{:?}` of a configuration ends up in logs.
    #[test]
    fn debug_shows_no_key() {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        let material = Material::from_pem(cert.as_bytes(), cert.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(format!("{material:?}"), "Material { ca: 1, chain: 1, .. }");
    }
}
