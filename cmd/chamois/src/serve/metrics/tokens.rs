//! What monitoring sees of tokens: whether somebody tries them, and whether keys are moved on.

use access::TokenChecks;
use raft::Store;

use super::exposition::Exposition;

/// Where the figures are from.
#[derive(Clone)]
pub(in crate::serve) struct TokenPage {
    pub(in crate::serve) store: Store,
    pub(in crate::serve) checks: TokenChecks,
}

impl TokenPage {
    pub(super) fn add_to(&self, page: &mut Exposition) {
        let help = "Bearer tokens of this cluster that were refused: forged, ended or taken back.";
        page.counter("chamois_auth_tokens_refused_total", help, self.checks.refused());
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
    }
}

#[cfg(test)]
mod tests {
    use auth::Sealer;

    use super::*;

    /// Before the first key there is no age: zero would look like one that was just made.
    #[test]
    fn a_cluster_without_keys_shows_no_age() {
        let store = Store::in_memory();
        let checks = TokenChecks::new(store.clone(), Sealer::generate().unwrap());
        let mut page = Exposition::default();
        TokenPage { store, checks }.add_to(&mut page);
        let text = page.into_text();
        assert!(text.contains("chamois_auth_tokens_refused_total 0"), "{text}");
        assert!(!text.contains("signing_key_age"), "{text}");
    }
}
