//! Who asks a provider: one at a time, and when it was asked last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};

use proto::auth::v1::OidcProvider;
use tokio::sync::Mutex;

use super::revision;

/// Lanes kept at once; of more all are forgotten, which lets a provider be asked a little sooner.
const LANES_MAX: usize = 64;

/// When the provider was asked last, cluster time.
type Lane = Arc<Mutex<Option<u64>>>;

/// By name and revision of the provider: one that was changed need not wait.
#[derive(Default)]
pub(super) struct Lanes(Lock<BTreeMap<(String, u64), Lane>>);

impl Lanes {
    pub(super) fn of(&self, provider: &OidcProvider) -> Lane {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider.name.clone(), revision(provider));
        if lanes.len() >= LANES_MAX && !lanes.contains_key(&key) {
            lanes.clear();
        }
        Arc::clone(lanes.entry(key).or_default())
    }

    /// Whether the provider is being asked, or was within `pause_ms`.
    pub(super) fn is_busy(&self, provider: &OidcProvider, now_ms: u64, pause_ms: u64) -> bool {
        match self.of(provider).try_lock() {
            Ok(tried_at_ms) => tried_at_ms.is_some_and(|tried| now_ms < tried + pause_ms),
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> OidcProvider {
        OidcProvider {
            name: name.into(),
            ..OidcProvider::default()
        }
    }

    #[tokio::test]
    async fn a_provider_that_is_asked_or_was_is_busy() {
        let lanes = Lanes::default();
        assert!(!lanes.is_busy(&named("a"), 100, 10));
        let mut asking = lanes.of(&named("a")).lock_owned().await;
        assert!(lanes.is_busy(&named("a"), 100, 10));
        assert!(!lanes.is_busy(&named("b"), 100, 10));
        *asking = Some(100);
        drop(asking);
        assert!(lanes.is_busy(&named("a"), 109, 10));
        assert!(!lanes.is_busy(&named("a"), 110, 10));
    }

    #[test]
    fn lanes_do_not_pile_up() {
        let lanes = Lanes::default();
        for number in 0..1000 {
            lanes.of(&named(&format!("p{number}")));
        }
        assert!(lanes.0.lock().unwrap().len() <= LANES_MAX);
    }
}
