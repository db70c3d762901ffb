//! Certificates as files and the state have them: PEM, and the SHA-256 that a CA is called by.

use rpc::tls::is_authority;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::join_token::sha256;
use crate::key_ring::hex;

/// What is no CA's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOneAuthority {
    /// Not PEM, or not exactly one.
    #[error("it must be one CERTIFICATE block in PEM, and nothing else")]
    NotOne,
    /// A certificate of somebody, not of a CA.
    #[error(
        "it is not a CA's certificate (basic constraints without CA, or a key that signs no certificates): name the root itself"
    )]
    NotAnAuthority,
}

/// The certificates of a PEM text, in its order; `None` if one of them is damaged, or there is none.
pub fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    found.ok().filter(|found| !found.is_empty())
}

/// SHA-256 of a certificate's DER form, lower-case hex.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    hex(&sha256(certificate))
}

/// What the state calls a CA by: the [`fingerprint`] of its one certificate.
///
/// # Errors
/// See [`NotOneAuthority`].
pub fn authority_id(pem: &str) -> Result<String, NotOneAuthority> {
    match certificates(pem).as_deref() {
        Some([one]) if is_authority(one) => Ok(fingerprint(one)),
        Some([_]) => Err(NotOneAuthority::NotAnAuthority),
        _ => Err(NotOneAuthority::NotOne),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::pki::CertificateAuthority;

    #[test]
    fn a_ca_has_one_name_and_a_users_certificate_has_none() {
        let ca = CertificateAuthority::generate("demo", SystemTime::now()).unwrap();
        let pem = ca.certificate_pem();
        let id = authority_id(pem).unwrap();
        assert_eq!(id.len(), 64);
        assert_eq!(authority_id(&format!("\n{pem}\n")), Ok(id));
        let user = ca.issue_user("ada", SystemTime::now()).unwrap();
        assert_eq!(
            authority_id(&user.certificate_pem),
            Err(NotOneAuthority::NotAnAuthority)
        );
        for wrong in ["", "no certificate", &format!("{pem}{pem}")] {
            assert_eq!(authority_id(wrong), Err(NotOneAuthority::NotOne), "{wrong}");
        }
        assert_eq!(certificates(&format!("{pem}{pem}")).unwrap().len(), 2);
    }
}
