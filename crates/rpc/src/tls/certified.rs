//! Who the holder of a client certificate is on the API's ports. The handshake has checked chain, time and cluster.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;

use super::not_before::not_before_ms;
use super::spiffe::{NameError, SpiffeId};
use crate::{Identity, Principal};

/// Certificates begin this long before they are made, for clocks that are behind.
pub const BACKDATED_BY: Duration = Duration::from_secs(24 * 3600);

/// The identity that a certificate of the cluster's CA gives on the API's ports, both of them. A member's gives none there: its key
/// is not compared with the pins.
///
/// # Errors
/// If the certificate names nobody, or does not say since when it is valid.
pub fn identity_of(certificate: &CertificateDer<'_>) -> Result<Identity, NameError> {
    let id = SpiffeId::of(certificate)?;
    match (id.principal(), id) {
        (_, SpiffeId::User { name, .. }) => Ok(Identity::User { name }),
        (None, _) => Ok(Identity::Anonymous),
        (Some(name), _) => {
            let not_before = not_before_ms(certificate).ok_or(NameError::Malformed)?;
            let backdated_ms = u64::try_from(BACKDATED_BY.as_millis()).unwrap_or(0);
            Ok(Identity::Known(Arc::new(Principal {
                name,
                issued_at_ms: not_before.saturating_add(backdated_ms),
                certificate_sha256: digest(&SHA256, certificate).as_ref().to_vec(),
                ..Principal::default()
            })))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate with this URI, valid from the beginning of 2020.
    fn with(uri: &str) -> CertificateDer<'static> {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params
            .subject_alt_names
            .push(rcgen::SanType::URI(uri.try_into().unwrap()));
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn users_are_told_by_name_and_members_are_nobody() {
        let user = identity_of(&with("spiffe://demo/user/ada"));
        assert_eq!(user, Ok(Identity::User { name: "ada".into() }));
        let member = identity_of(&with("spiffe://demo/member/2"));
        assert_eq!(member, Ok(Identity::Anonymous));
        identity_of(&with("spiffe://demo/else/x")).unwrap_err();
    }

    /// What revocations name: the certificate itself, and all of a principal's that were made before some time.
    #[test]
    fn a_service_is_known_with_what_proves_it() {
        for (uri, name) in [
            ("spiffe://demo/svc/coresmd", "service/coresmd"),
            ("spiffe://demo/node/x0c0s0b0n0", "node/x0c0s0b0n0"),
        ] {
            let certificate = with(uri);
            let Ok(Identity::Known(principal)) = identity_of(&certificate) else {
                panic!("{uri} is nobody");
            };
            assert_eq!(principal.name, name);
            assert_eq!(principal.issued_at_ms, 1_577_836_800_000 + 24 * 3_600_000);
            let sha256 = digest(&SHA256, &certificate);
            assert_eq!(principal.certificate_sha256, sha256.as_ref());
            assert_eq!(
                (principal.groups.len(), principal.permissions.as_ref()),
                (0, None)
            );
        }
    }
}
