//! What monitoring sees of tokens and logins: whether somebody tries them, whether keys are moved on, and whether providers answer.

use access::{Oidc, TokenChecks};
use raft::Store;

use super::exposition::{Exposition, Kind};

/// Where the figures are from.
#[derive(Clone)]
pub(in crate::serve) struct TokenPage {
    pub(in crate::serve) store: Store,
    pub(in crate::serve) checks: TokenChecks,
    pub(in crate::serve) oidc: Oidc,
}

impl TokenPage {
    pub(super) fn add_to(&self, page: &mut Exposition) {
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
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auth::Sealer;

    use super::*;
    use crate::serve::provider_client::ProviderClient;

    /// Before the first key there is no age: zero would look like one that was just made.
    #[test]
    fn a_cluster_without_keys_shows_no_age() {
        let store = Store::in_memory();
        let sealer = Sealer::generate().unwrap();
        let checks = TokenChecks::new(store.clone(), sealer.clone());
        let oidc = Oidc::new(store.clone(), sealer, Arc::new(ProviderClient::new()));
        let mut page = Exposition::default();
        TokenPage { store, checks, oidc }.add_to(&mut page);
        let text = page.into_text();
        assert!(text.contains("chamois_auth_tokens_refused_total 0"), "{text}");
        assert!(!text.contains("signing_key_age"), "{text}");
        assert!(text.contains("chamois_auth_provider_failures_total 0"), "{text}");
        assert!(!text.contains("provider_keys_age"), "{text}");
    }
}
