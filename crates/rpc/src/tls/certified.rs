//! Who the holder of a client certificate is on the API's ports. The handshake has checked chain, time and cluster.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;

use super::extensions::host_names;
use super::spiffe::{NameError, SpiffeId};
use super::validity::validity_ms;
use crate::{Identity, Principal};

/// Certificates begin this long before they are made, for clocks that are behind.
pub const BACKDATED_BY: Duration = Duration::from_secs(24 * 3600);

/// The identity that a certificate of the cluster's CA gives on the API's ports, both of them. A member's gives none there: its key
/// is not compared with the pins.
///
/// # Errors
/// If the certificate names nobody, or does not say since when and until when it is valid.
pub fn identity_of(certificate: &CertificateDer<'_>) -> Result<Identity, NameError> {
    let Some(name) = SpiffeId::of(certificate)?.principal() else {
        return Ok(Identity::Anonymous);
    };
    let (not_before, not_after) = validity_ms(certificate).ok_or(NameError::Malformed)?;
    let backdated_ms = u64::try_from(BACKDATED_BY.as_millis()).unwrap_or(0);
    Ok(Identity::Known(Arc::new(Principal {
        name,
        issued_at_ms: not_before.saturating_add(backdated_ms),
        expires_at_ms: not_after,
        certificate_sha256: digest(&SHA256, certificate).as_ref().to_vec(),
        host_names: host_names(certificate),
        ..Principal::default()
    })))
}

/// The first and the last moment at which a certificate is valid; `None` for what is no certificate.
pub fn validity(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let (not_before, not_after) = validity_ms(certificate)?;
    let at = |ms| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    Some((at(not_before)?, at(not_after)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate with this URI, valid from the beginning of 2020 to that of 2030.
    fn with(uri: &str) -> CertificateDer<'static> {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params
            .subject_alt_names
            .push(rcgen::SanType::URI(uri.try_into().unwrap()));
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn members_are_nobody_and_strange_names_are_refused() {
        let member = identity_of(&with("spiffe://demo/member/2"));
        assert_eq!(member, Ok(Identity::Anonymous));
        identity_of(&with("spiffe://demo/else/x")).unwrap_err();
    }

    #[test]
    fn a_user_is_an_administrator_by_certificate_where_there_are_no_policies() {
        let user = identity_of(&with("spiffe://demo/user/ada")).unwrap();
        assert_eq!(user.principal(), "user/ada");
        assert!(user.is_administrator() && user.is_users_certificate());
        let service = identity_of(&with("spiffe://demo/svc/coresmd")).unwrap();
        assert!(!service.is_administrator());
    }

    #[test]
    fn validity_is_read_from_the_certificate() {
        let (from, to) = validity(&with("spiffe://demo/user/ada")).unwrap();
        let since_epoch = from.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(since_epoch.as_millis(), 1_577_836_800_000);
        assert!(to > from);
        assert_eq!(validity(&CertificateDer::from(vec![0x30, 0x00])), None);
    }

    /// What revocations name: the certificate itself, and all of a principal's that were made before some time.
    #[test]
    fn everybody_else_is_known_with_what_proves_it() {
        for (uri, name) in [
            ("spiffe://demo/user/ada", "user/ada"),
            ("spiffe://demo/svc/coresmd", "service/coresmd"),
            ("spiffe://demo/node/x0c0s0b0n0", "node/x0c0s0b0n0"),
        ] {
            let certificate = with(uri);
            let Ok(Identity::Known(principal)) = identity_of(&certificate) else {
                panic!("{uri} is nobody");
            };
            assert_eq!(principal.name, name);
            assert_eq!(principal.issued_at_ms, 1_577_836_800_000 + 24 * 3_600_000);
            assert_eq!(
                (principal.expires_at_ms, principal.host_names.as_slice()),
                (1_893_456_000_000, &["localhost".to_owned()][..])
            );
            let sha256 = digest(&SHA256, &certificate);
            assert_eq!(principal.certificate_sha256, sha256.as_ref());
            assert_eq!(
                (principal.groups.len(), principal.permissions.as_ref()),
                (0, None)
            );
        }
    }
}
