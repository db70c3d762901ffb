//! The relying party: what an OIDC provider says of itself, whose keys sign for it, and what its tokens claim. Providers are
//! resources of the state; what they answer is kept by each member for itself, with its age.

mod claims;
mod code;
mod discovery;
mod fetch;
mod foreign;
mod id_token;
mod keys;
mod lanes;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use auth::Sealer;
use proto::auth::v1::OidcProvider;
use raft::Store;
use rpc::Error;

pub(crate) use self::claims::Person;
pub(crate) use self::code::Code;
pub(crate) use self::discovery::Metadata;
pub use self::fetch::{Ask, Fetch, Fetched};
pub(crate) use self::foreign::is_foreign;
use self::keys::Keys;
use self::lanes::Lanes;

/// Keys are asked for again when they are so old, or half as old as they may become, milliseconds.
const REFRESH_MS: u64 = 60 * 60 * 1000;
/// Whatever happens, a provider is not asked more often, milliseconds.
const PAUSE_MS: u64 = 10_000;
/// Age that keys may have when the provider does not answer, if it says none, seconds.
const KEYS_AGE_S_DEFAULT: u32 = 3600;
/// When to come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The providers of the state and what is known of them. Cheap to clone.
#[derive(Clone)]
pub struct Oidc(Arc<Inner>);

struct Inner {
    store: Store,
    sealer: Sealer,
    fetch: Arc<dyn Fetch>,
    /// By name of the provider.
    known: ArcSwap<BTreeMap<String, Arc<Known>>>,
    lanes: Lanes,
    failures: AtomicU64,
    refused: AtomicU64,
}

/// What a provider has said.
#[derive(Debug)]
pub(crate) struct Known {
    /// Of the resource that it was asked by: another one is asked again.
    revision: u64,
    pub(crate) metadata: Metadata,
    pub(crate) keys: Keys,
    fetched_at_ms: u64,
}

/// How old what is known is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Fresh,
    /// It counts, and it is time to ask again.
    Due,
    /// It counts no more.
    Over,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").finish_non_exhaustive()
    }
}

impl Oidc {
    /// Providers of the state of `store`, asked by `fetch`; `sealer` opens their client secrets.
    #[must_use]
    pub fn new(store: Store, sealer: Sealer, fetch: Arc<dyn Fetch>) -> Oidc {
        Oidc(Arc::new(Inner {
            store,
            sealer,
            fetch,
            known: ArcSwap::default(),
            lanes: Lanes::default(),
            failures: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    /// Times that a provider was asked and gave no answer that could be used, since the start.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// Access tokens of providers that were refused since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Name of each provider that has answered, and how old its keys are, milliseconds.
    #[must_use]
    pub fn key_ages_ms(&self) -> Vec<(String, u64)> {
        let now_ms = self.0.store.cluster_time_ms();
        let state = self.0.store.state();
        let ages = state.auth.providers().filter_map(|provider| {
            let known = self.current(provider)?;
            Some((provider.name.clone(), now_ms.saturating_sub(known.fetched_at_ms)))
        });
        ages.collect()
    }

    /// What is known of a provider, asked anew where it is old.
    ///
    /// # Errors
    /// `NotReady` if it does not answer and what was known is older than the provider's resource lets it become.
    pub(crate) async fn known(&self, provider: &OidcProvider) -> Result<Arc<Known>, Error> {
        let now_ms = self.0.store.cluster_time_ms();
        let have = self.current(provider);
        if let Some(known) = have.filter(|known| known.age(provider, now_ms) == Age::Fresh) {
            return Ok(known);
        }
        self.ask(provider, now_ms).await;
        // what this call, or another one meanwhile, was answered; or what was known before and is good for a while yet
        let have = self.current(provider);
        have.filter(|known| known.age(provider, now_ms) != Age::Over)
            .ok_or_else(|| closed(&provider.name))
    }

    /// What is known of the resource as it is now.
    fn current(&self, provider: &OidcProvider) -> Option<Arc<Known>> {
        let known = self.0.known.load().get(&provider.name).cloned();
        known.filter(|known| known.revision == revision(provider))
    }

    /// Asks the provider, unless somebody else has since `since_ms`, or a moment ago. [`Oidc::current`] has the answer.
    async fn ask(&self, provider: &OidcProvider, since_ms: u64) {
        let lane = self.0.lanes.of(provider);
        let mut tried_at_ms = lane.lock_owned().await;
        let known = self.current(provider);
        let now_ms = self.0.store.cluster_time_ms();
        let is_answered = known.is_some_and(|known| known.fetched_at_ms >= since_ms);
        if is_answered || tried_at_ms.is_some_and(|tried| now_ms < tried + PAUSE_MS) {
            return;
        }
        *tried_at_ms = Some(now_ms);
        if let Err(problem) = self.load(provider, now_ms).await {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                provider = provider.name,
                problem,
                "an OIDC provider gives no answer that can be used"
            );
        }
    }

    /// The same behind the back of whoever cannot wait; one at a time.
    fn ask_in_background(&self, provider: &Arc<OidcProvider>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return; // nobody could ask
        };
        let now_ms = self.0.store.cluster_time_ms();
        if self.0.lanes.is_busy(provider, now_ms, PAUSE_MS) {
            return;
        }
        let (oidc, provider) = (self.clone(), Arc::clone(provider));
        runtime.spawn(async move { oidc.ask(&provider, now_ms).await });
    }

    async fn load(&self, provider: &OidcProvider, now_ms: u64) -> Result<(), String> {
        let get = |url: String| {
            self.0.fetch.fetch(Ask {
                is_inside: discovery::is_inside(&url, &provider.issuer),
                url,
                ca_pem: provider.ca_pem.clone(),
                ..Ask::default()
            })
        };
        let answer = get(discovery::url(&provider.issuer)).await?;
        let metadata = Metadata::read(&answer, &provider.issuer)?;
        let keys = Keys::read(&get(metadata.jwks_uri.clone()).await?)?;
        let known = Arc::new(Known {
            revision: revision(provider),
            metadata,
            keys,
            fetched_at_ms: now_ms,
        });
        self.0.known.rcu(|before| {
            let mut after = BTreeMap::clone(before);
            // of providers that were deleted nothing is kept
            let state = self.0.store.state();
            after.retain(|name, _| state.auth.provider(name).is_some());
            after.insert(provider.name.clone(), Arc::clone(&known));
            after
        });
        Ok(())
    }
}

impl Known {
    fn age(&self, provider: &OidcProvider, now_ms: u64) -> Age {
        let max_s = match provider.keys_max_age_s {
            0 => KEYS_AGE_S_DEFAULT,
            said => said,
        };
        let max_ms = u64::from(max_s) * 1000;
        match now_ms.saturating_sub(self.fetched_at_ms) {
            age if age > max_ms => Age::Over,
            age if age > REFRESH_MS.min(max_ms / 2) => Age::Due,
            _ => Age::Fresh,
        }
    }
}

fn revision(provider: &OidcProvider) -> u64 {
    let modified = provider.meta.as_ref().and_then(|meta| meta.modified.as_ref());
    modified.map_or(0, |change| change.revision)
}

fn closed(name: &str) -> Error {
    Error::NotReady {
        retry_after: RETRY_AFTER,
        reason: format!(
            "the OIDC provider {name} does not answer, and its keys are not known or too old; its log says why"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{Site, provider};
    use super::*;

    fn known(fetched_at_ms: u64) -> Known {
        let metadata = testing::metadata("https://idp.example.org");
        Known {
            revision: 1,
            metadata: Metadata::read(&testing::ok(&metadata), "https://idp.example.org").unwrap(),
            keys: Keys::default(),
            fetched_at_ms,
        }
    }

    #[test]
    fn keys_are_asked_for_again_before_they_are_too_old() {
        let hour = OidcProvider::default();
        let known = known(1_000_000);
        for (age_ms, expected) in [
            (0, Age::Fresh),
            (1_800_000, Age::Fresh),
            (1_800_001, Age::Due),
            (3_600_000, Age::Due),
            (3_600_001, Age::Over),
        ] {
            assert_eq!(known.age(&hour, 1_000_000 + age_ms), expected, "{age_ms}");
        }
        let day = OidcProvider {
            keys_max_age_s: 86_400,
            ..OidcProvider::default()
        };
        assert_eq!(known.age(&day, 1_000_000 + REFRESH_MS + 1), Age::Due);
        assert_eq!(known.age(&day, 1_000_000 + 86_400_001), Age::Over);
        assert_eq!(known.age(&day, 0), Age::Fresh, "a clock that is behind");
    }

    #[tokio::test]
    async fn a_provider_is_asked_once_for_many() {
        let site = Site::new().await;
        let provider = site.put(provider()).await;
        site.oidc.known(&provider).await.unwrap();
        site.oidc.known(&provider).await.unwrap();
        assert_eq!(site.idp.asked(), ["/.well-known/openid-configuration", "/jwks"]);
        assert_eq!(site.oidc.key_ages_ms().len(), 1);
    }

    /// Each of them waits for the one that asks.
    #[tokio::test]
    async fn many_at_once_ask_once() {
        let site = Site::new().await;
        let provider = site.put(provider()).await;
        let ask = || site.oidc.known(&provider);
        let (first, second, third) = tokio::join!(ask(), ask(), ask());
        for known in [first, second, third] {
            known.unwrap();
        }
        assert_eq!(site.idp.asked().len(), 2);
    }

    /// Down from the first moment: no login, and not a request for each that tries.
    #[tokio::test]
    async fn a_provider_that_is_down_is_told_and_not_hammered() {
        let site = Site::new().await;
        let provider = site.put(provider()).await;
        site.idp.is_down(true);
        for _ in 0..3 {
            let error = site.oidc.known(&provider).await.unwrap_err();
            assert!(matches!(error, Error::NotReady { .. }), "{error:?}");
        }
        assert_eq!((site.idp.asked().len(), site.oidc.failures()), (1, 1));
        site.idp.is_down(false);
        site.pass_ms(PAUSE_MS);
        site.oidc.known(&provider).await.unwrap();
    }

    /// What was known of the old issuer says nothing of the new one.
    #[tokio::test]
    async fn a_provider_that_was_changed_is_asked_anew() {
        let site = Site::new().await;
        let first = site.put(provider()).await;
        site.oidc.known(&first).await.unwrap();
        let changed = OidcProvider {
            client_id: "other".into(),
            ..provider()
        };
        let changed = site.put(changed).await;
        assert!(site.oidc.current(&changed).is_none());
        site.oidc.known(&changed).await.unwrap();
        assert_eq!(site.idp.asked().len(), 4);
    }
}
