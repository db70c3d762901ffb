//! Certificates of users, services and nodes, which make their keys themselves: a day at most, and one name.

use std::time::{Duration, SystemTime};

use rcgen::ExtendedKeyUsagePurpose;
use rpc::tls::SpiffeId;

use crate::pki::{CertificateAuthority, P256Key, PkiError, params};

/// Longest validity.
pub const LEAF_VALID_FOR_MAX: Duration = Duration::from_secs(24 * 3600);
/// Shortest validity: its holder must have time to renew it.
pub const LEAF_VALID_FOR_MIN: Duration = Duration::from_secs(300);

/// Why a certificate is not signed.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// A member has its own way, and its key is pinned.
    #[error("{0} is not certified so: accepted are users, services and nodes")]
    Member(SpiffeId),
    /// Somebody of another cluster.
    #[error("{0} is not of cluster {1}")]
    OtherCluster(SpiffeId, String),
    /// It would live too long, or not long enough to be renewed.
    #[error("{} s is not how long a certificate is valid: accepted are 300 s to 86400 s", .0.as_secs())]
    ValidFor(Duration),
    /// Only services are dialled.
    #[error("host names are for services only, not for {0}")]
    Hosts(SpiffeId),
    /// Not a P-256 key, or a name that cannot stand in a certificate.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

impl CertificateAuthority {
    /// A certificate for `name`, whose key has the public half `public_key` (SPKI in DER, P-256): for clients, and of a service
    /// with `hosts` for servers of these host names and addresses, too.
    ///
    /// # Errors
    /// See [`CertifyError`].
    pub fn certify(
        &self,
        name: &SpiffeId,
        hosts: Vec<String>,
        public_key: &[u8],
        valid_for: Duration,
        now: SystemTime,
    ) -> Result<String, CertifyError> {
        let principal = name
            .principal()
            .ok_or_else(|| CertifyError::Member(name.clone()))?;
        if name.cluster() != self.cluster() {
            return Err(CertifyError::OtherCluster(
                name.clone(),
                self.cluster().to_owned(),
            ));
        }
        if !(LEAF_VALID_FOR_MIN..=LEAF_VALID_FOR_MAX).contains(&valid_for) {
            return Err(CertifyError::ValidFor(valid_for));
        }
        if !hosts.is_empty() && !matches!(name, SpiffeId::Service { .. }) {
            return Err(CertifyError::Hosts(name.clone()));
        }
        let key = P256Key::from_spki(public_key)?;
        let mut usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !hosts.is_empty() {
            usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        let mut params = params(&principal, hosts, now, valid_for)?;
        params.extended_key_usages = usages;
        Ok(self.sign(params, name, &key)?)
    }
}

#[cfg(test)]
mod tests {
    use rpc::tls::{BACKDATED_BY, TrustedClients, validity};
    use rustls::server::danger::ClientCertVerifier as _;
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, UnixTime};

    use super::*;
    use crate::pki::new_member_key;

    const HOUR: Duration = Duration::from_secs(3600);

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    fn ca() -> CertificateAuthority {
        CertificateAuthority::generate("demo", SystemTime::now()).unwrap()
    }

    fn certify(
        ca: &CertificateAuthority,
        name: &str,
        hosts: &[&str],
        valid_for: Duration,
    ) -> Result<CertificateDer<'static>, CertifyError> {
        let name: SpiffeId = name.parse().unwrap();
        let hosts = hosts.iter().map(ToString::to_string).collect();
        let (_, public_key) = new_member_key().unwrap();
        let pem = ca.certify(&name, hosts, &public_key, valid_for, SystemTime::now())?;
        Ok(der(&pem))
    }

    /// What members check at the handshake.
    #[test]
    fn users_services_and_nodes_are_let_in_by_one_name_for_a_day() {
        let ca = ca();
        let trusted = TrustedClients::new("demo", &[der(ca.certificate_pem())]).unwrap();
        for name in [
            "spiffe://demo/user/ada",
            "spiffe://demo/svc/coresmd",
            "spiffe://demo/node/x0c0s0b0n0",
        ] {
            let certificate = certify(&ca, name, &[], LEAF_VALID_FOR_MAX).unwrap();
            trusted
                .verify_client_cert(&certificate, &[], UnixTime::now())
                .unwrap();
            assert_eq!(SpiffeId::of(&certificate).unwrap().to_string(), name);
            let (from, to) = validity(&certificate).unwrap();
            let lives = to.duration_since(from).unwrap() - BACKDATED_BY;
            assert!(lives <= LEAF_VALID_FOR_MAX, "{lives:?}");
            let later =
                UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + 25 * HOUR);
            trusted.verify_client_cert(&certificate, &[], later).unwrap_err();
        }
    }

    #[test]
    fn a_service_with_hosts_serves_under_them_and_others_serve_nothing() {
        let ca = ca();
        let anchor = der(ca.certificate_pem());
        let serves = |certificate: &CertificateDer<'_>| {
            let anchor = webpki::anchor_from_trusted_cert(&anchor).unwrap();
            let algorithms = rpc::tls::crypto_provider().signature_verification_algorithms.all;
            let parsed = webpki::EndEntityCert::try_from(certificate).unwrap();
            let usage = webpki::KeyUsage::server_auth();
            parsed
                .verify_for_usage(algorithms, &[anchor], &[], UnixTime::now(), usage, None, None)
                .is_ok()
        };
        let with = certify(&ca, "spiffe://demo/svc/web", &["web.example", "10.0.0.9"], HOUR).unwrap();
        assert!(serves(&with));
        assert_eq!(rpc::tls::host_names(&with), ["web.example", "10.0.0.9"]);
        assert!(!serves(
            &certify(&ca, "spiffe://demo/svc/web", &[], HOUR).unwrap()
        ));
    }

    #[test]
    fn what_must_not_be_signed_is_not() {
        let ca = ca();
        for (name, hosts, valid_for, says) in [
            ("spiffe://demo/member/1", &[][..], HOUR, "accepted are users"),
            ("spiffe://other/user/ada", &[], HOUR, "not of cluster demo"),
            ("spiffe://demo/user/ada", &[], 25 * HOUR, "86400 s"),
            ("spiffe://demo/user/ada", &[], HOUR / 60, "300 s"),
            ("spiffe://demo/user/ada", &["a.example"], HOUR, "services only"),
            (
                "spiffe://demo/node/x0c0s0b0n0",
                &["a.example"],
                HOUR,
                "services only",
            ),
        ] {
            let error = certify(&ca, name, hosts, valid_for).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
        let name = SpiffeId::user("demo", "ada");
        ca.certify(&name, Vec::new(), b"no key", HOUR, SystemTime::now())
            .unwrap_err();
    }
}
