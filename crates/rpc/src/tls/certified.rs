//! Who the holder of a client certificate is on the API's ports. The handshake has checked chain, time and cluster.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;

use super::extensions::host_names;
use super::signers;
use super::spiffe::{NameError, SpiffeId};
use super::validity::{issuer, validity_ms};
use crate::{Identity, Principal};

/// Certificates begin this long before they are made, for clocks that are behind.
pub const BACKDATED_BY: Duration = Duration::from_secs(24 * 3600);

/// Longest life of what the cluster's own CA signs for users, services and nodes, from the moment that it begins with: that of the day
/// that it may have, and [`BACKDATED_BY`]. Whoever has the CA's key can write more; it does not count.
const OWN_LIFE_MAX: Duration = Duration::from_secs(2 * 24 * 3600);

/// What the CA of a cluster is called.
pub fn authority_name(cluster: &str) -> String {
    format!("Chamois CA of {cluster}")
}

/// The identity that a certificate of the cluster's CA gives on the API's ports, both of them. A member's gives none there: its key
/// is not compared with the pins.
///
/// # Errors
/// If the certificate names nobody, or does not say since when and until when it is valid.
pub fn identity_of(certificate: &CertificateDer<'_>) -> Result<Identity, NameError> {
    let id = SpiffeId::of(certificate)?;
    let Some(name) = id.principal() else {
        return Ok(Identity::Anonymous);
    };
    let (not_before, not_after) = validity_ms(certificate).ok_or(NameError::Malformed)?;
    // A site's CA says when it has issued something: taken for later, that would outlive what was taken back before.
    let is_own = issuer(certificate) == Some(authority_name(id.cluster()).as_str());
    let backdated_by = if is_own { BACKDATED_BY } else { Duration::ZERO };
    let backdated_ms = ms(backdated_by);
    let ends_ms = match is_own {
        true => not_after.min(not_before.saturating_add(ms(OWN_LIFE_MAX))),
        false => not_after,
    };
    Ok(Identity::Known(Arc::new(Principal {
        name,
        issued_at_ms: not_before.saturating_add(backdated_ms),
        expires_at_ms: ends_ms,
        authority_id: signers::of(certificate),
        certificate_sha256: digest(&SHA256, certificate).as_ref().to_vec(),
        host_names: host_names(certificate),
        ..Principal::default()
    })))
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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

    /// A certificate with this URI of the cluster's CA, valid from the beginning of 2020 to that of 2030.
    fn with(uri: &str) -> CertificateDer<'static> {
        issued_by(&authority_name("demo"), uri)
    }

    /// As [`with`], of a CA that is called so.
    fn issued_by(name: &str, uri: &str) -> CertificateDer<'static> {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
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

    /// A site's CA does not date back: what it issued before a revocation must not look as if it came after it.
    #[test]
    fn only_the_clusters_own_ca_dates_back() {
        let issued_at_ms = |issuer: &str| {
            let certificate = issued_by(issuer, "spiffe://demo/user/ada");
            match identity_of(&certificate) {
                Ok(Identity::Known(principal)) => principal.issued_at_ms,
                other => panic!("{other:?}"),
            }
        };
        let own = issued_at_ms("Chamois CA of demo");
        for other in ["Site CA", "Chamois CA of other", "chamois ca of demo", ""] {
            assert_eq!(issued_at_ms(other), own - 24 * 3_600_000, "{other:?}");
        }
        assert_eq!(issuer(&[0x30, 0x00]), None);
    }

    /// Whoever has had the cluster's CA for a moment has not had it for twenty years; a site's own CA says itself how long.
    #[test]
    fn what_the_clusters_ca_signs_ends_after_two_days() {
        let ends_ms = |issuer: &str| match identity_of(&issued_by(issuer, "spiffe://demo/user/ada")) {
            Ok(Identity::Known(principal)) => principal.expires_at_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(ends_ms("Chamois CA of demo"), 1_577_836_800_000 + 48 * 3_600_000);
        assert_eq!(ends_ms("Site CA"), 1_893_456_000_000);
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
                (1_577_836_800_000 + 48 * 3_600_000, &["localhost".to_owned()][..])
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
