//! What monitoring sees of tokens, logins and certificates: whether somebody tries them, whether keys and certificates are moved on, and
//! whether providers answer.

use std::time::SystemTime;

use access::{Oidc, TokenChecks};
use raft::Store;
use rpc::tls::{NamedCertificate, ServerCertificate, validity};
use rustls_pki_types::CertificateDer;

use super::exposition::{Exposition, Kind};

/// Where the figures are from.
#[derive(Clone)]
pub(in crate::serve) struct TokenPage {
    pub(in crate::serve) store: Store,
    pub(in crate::serve) checks: TokenChecks,
    pub(in crate::serve) oidc: Oidc,
    /// What the gRPC port presents.
    pub(in crate::serve) presented: ServerCertificate,
    /// What the HTTPS port presents by ACME.
    pub(in crate::serve) ordered: NamedCertificate,
}

impl TokenPage {
    pub(super) fn add_to(&self, page: &mut Exposition) {
        self.add_certificate(page);
        let help = "Bearer tokens of this cluster and of OIDC providers that were refused: forged, ended or taken back.";
        page.counter(
            "chamois_auth_tokens_refused_total",
            help,
            self.checks.refused() + self.oidc.refused(),
        );
        let state = self.store.state();
        if let Some(active) = state.auth.active_key() {
            let age_ms = self.store.cluster_time_ms().saturating_sub(active.stage_since_ms);
            let help = "How long the key has signed access tokens that signs now, seconds; after 30 days the leader moves on.";
            page.gauge("chamois_auth_signing_key_age_seconds", help, age_ms / 1000);
        }
        let help = "API tokens that have not been deleted or forgotten.";
        page.gauge("chamois_auth_api_tokens", help, state.auth.api_tokens().count());
        let help = "Logins that have not ended or been forgotten.";
        page.gauge("chamois_auth_login_sessions", help, state.auth.sessions().count());
        let help = "Times that an OIDC provider was asked and gave no answer that can be used.";
        page.counter("chamois_auth_provider_failures_total", help, self.oidc.failures());
        let ages = self.oidc.key_ages_ms();
        if !ages.is_empty() {
            let help = "Age of what this member knows of an OIDC provider, seconds; older than its keys_max_age_s nothing of it counts.";
            let mut family = page.family("chamois_auth_provider_keys_age_seconds", Kind::Gauge, help);
            for (provider, age_ms) in ages {
                family.sample(&[("provider", &provider)], age_ms / 1000);
            }
        }
    }

    /// A member signs its own anew at half its life; where no CA signs here, an administrator does.
    fn add_certificate(&self, page: &mut Exposition) {
        if let Some(ends_s) = self.presented.presented().and_then(ends_s) {
            let help = "When the certificate ends that this member presents on its gRPC port, seconds since the Unix epoch.";
            page.gauge("chamois_api_certificate_ends_timestamp_seconds", help, ends_s);
        }
        if let Some(ends_s) = self.ordered.presented().and_then(ends_s) {
            let help = "When the certificate ends that this member presents on its HTTPS port by ACME, seconds since the Unix epoch.";
            page.gauge("chamois_acme_certificate_ends_timestamp_seconds", help, ends_s);
        }
    }
}

/// When a certificate ends, seconds since the Unix epoch.
#[allow(clippy::needless_pass_by_value, reason = "for `and_then`")]
fn ends_s(certificate: CertificateDer<'static>) -> Option<u64> {
    let (_, ends) = validity(&certificate)?;
    let since = ends.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auth::Sealer;
    use auth::pki::CertificateAuthority;
    use rustls_pki_types::PrivateKeyDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::*;
    use crate::serve::provider_client::ProviderClient;

    /// Before the first key there is no age: zero would look like one that was just made.
    #[test]
    fn a_cluster_without_keys_shows_no_age() {
        let store = Store::in_memory();
        let sealer = Sealer::generate().unwrap();
        let checks = TokenChecks::new(store.clone(), sealer.clone());
        let oidc = Oidc::new(store.clone(), sealer, Arc::new(ProviderClient));
        rpc::tls::install_crypto_provider();
        let ca = CertificateAuthority::generate("demo", SystemTime::now()).unwrap();
        let issued = ca.issue_member(1, vec!["10.97.1.1".into()], SystemTime::now());
        let issued = issued.unwrap();
        let chain = auth::certificates(&issued.certificate_pem).unwrap();
        let (_, ends) = validity(&chain[0]).unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        let page = TokenPage {
            store,
            checks,
            oidc,
            presented: ServerCertificate::new(chain.clone(), key.clone_key()).unwrap(),
            ordered: NamedCertificate::default(),
        };
        let mut shown = Exposition::default();
        page.add_to(&mut shown);
        let text = shown.into_text();
        let ends_s = ends.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let line = format!("chamois_api_certificate_ends_timestamp_seconds {ends_s}");
        assert!(text.contains(&line), "{text}");
        assert!(!text.contains("chamois_acme_certificate_ends"), "{text}");
        assert!(text.contains("chamois_auth_tokens_refused_total 0"), "{text}");
        assert!(!text.contains("signing_key_age"), "{text}");
        assert!(text.contains("chamois_auth_provider_failures_total 0"), "{text}");
        assert!(!text.contains("provider_keys_age"), "{text}");
        page.ordered.replace(chain, key).unwrap();
        let mut shown = Exposition::default();
        page.add_to(&mut shown);
        let line = format!("chamois_acme_certificate_ends_timestamp_seconds {ends_s}");
        assert!(shown.into_text().contains(&line));
    }
}
