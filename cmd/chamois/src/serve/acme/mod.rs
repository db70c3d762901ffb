//! A certificate for the HTTPS port that a CA gives by itself (RFC 8555): ordered, renewed at two thirds of its life, and presented from
//! the next handshake on, while open connections go on. `[api.acme]` of the configuration says from whom and for which names.
//!
//! Each member orders its own, so none waits for another that may be dead. All of them have one account, whose key each derives from the
//! cluster's secrets: whichever member the CA asks answers for every order.

mod account_key;
pub(in crate::serve) mod binding;
mod challenges;
mod client;
mod jws;
mod kept;
mod order;
mod renewal;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use raft::Store;
use rpc::tls::NamedCertificate;

use self::account_key::AccountKeys;
use self::kept::{Keeper, Kept};
use super::ServeError;
use super::api_port::{self, ApiPort};
use super::api_tls::ApiTls;
use super::config::{AcmeConfig, Config};
use super::counters::{Counters, Server};
use super::drain::{Drain, Stop};
use super::identity::Identity;
use super::tasks::Tasks;

/// How often is looked whether a certificate is due.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// The port for the CA's questions, bound but not served yet; none where no certificate is ordered.
pub(super) struct ChallengePort(Vec<ApiPort>);

impl ChallengePort {
    /// Binds it.
    pub(super) async fn bind(config: &Config) -> Result<Self, ServeError> {
        let Some(acme) = &config.api.acme else {
            return Ok(Self(Vec::new()));
        };
        let ports = api_port::listen_on_all("api.acme.http-listen", acme.http_listen, config).await?;
        Ok(Self(ports))
    }
}

/// What orders need of a member.
pub(super) struct Source {
    acme: Option<AcmeConfig>,
    keeper: Keeper,
    keys: AccountKeys,
    certificate: NamedCertificate,
}

impl Source {
    /// The HTTPS port of `api_tls` presents what is ordered.
    pub(super) fn new(config: &Config, api_tls: &ApiTls, store: &Store, identity: &Identity) -> Self {
        Self {
            acme: config.api.acme.clone(),
            keeper: Keeper::new(&config.data_dir),
            keys: AccountKeys::new(store.clone(), identity.sealer.clone()),
            certificate: api_tls.ordered(),
        }
    }
}

/// Answers the CA, orders and renews until the drain.
pub(super) fn start(
    port: ChallengePort,
    source: Source,
    counters: &Counters,
    drain: &Drain,
    tasks: &mut Tasks,
) {
    let Some(acme) = source.acme else { return };
    for port in port.0 {
        let (keys, stop) = (source.keys.clone(), drain.finishing());
        let serve = move |listener, stop: Stop| challenges::serve(listener, keys.clone(), stop);
        tasks.spawn("the port for the CA's questions", async move {
            port.serve(&stop, serve).await;
            Ok(())
        });
    }
    let counts = Arc::new(Counts::default());
    let counted = Arc::clone(&counts);
    counters.add(Server::Acme, "https", move || counted.all());
    let orders = Orders {
        acme,
        keys: source.keys,
        keeper: source.keeper,
        certificate: source.certificate,
        counts,
        due: None,
        failures: 0,
        not_before: Instant::now(),
        said: String::new(),
    };
    let stop = drain.finishing();
    tasks.spawn("certificates by ACME", async move {
        stop.unless(orders.run()).await;
        Ok(())
    });
}

/// What has become of orders since the start.
#[derive(Debug, Default)]
struct Counts {
    ordered: AtomicU64,
    failures: AtomicU64,
}

impl Counts {
    fn all(&self) -> [(&'static str, u64); 2] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("ordered", read(&self.ordered)),
            ("failures", read(&self.failures)),
        ]
    }
}

/// The orders of this member, one after the other.
struct Orders {
    acme: AcmeConfig,
    keys: AccountKeys,
    keeper: Keeper,
    certificate: NamedCertificate,
    counts: Arc<Counts>,
    /// When the certificate that there is is to be renewed; none without one.
    due: Option<SystemTime>,
    /// In a row.
    failures: u32,
    /// No order before this.
    not_before: Instant,
    /// What was said last of the account's key, so that it is said once.
    said: String,
}

impl Orders {
    async fn run(mut self) {
        self.load().await;
        loop {
            if self.is_due(SystemTime::now(), Instant::now()) && self.has_key() {
                self.turn().await;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// What was ordered before this start.
    async fn load(&mut self) {
        let keeper = self.keeper.clone();
        let loaded = tokio::task::spawn_blocking(move || keeper.load()).await;
        let wanted = |kept: &Kept| kept.is_of(&self.acme.directory, &self.acme.names);
        if let Some(kept) = loaded.ok().flatten().filter(wanted) {
            self.present(kept)
                .unwrap_or_else(|problem| tracing::warn!(problem, "the stored certificate is ordered anew"));
        }
    }

    fn is_due(&self, now: SystemTime, clock: Instant) -> bool {
        self.due.is_none_or(|due| now >= due) && clock >= self.not_before
    }

    /// Not before the cluster has begun; on a member without the key of secrets not at all. Neither is a failure of the CA's.
    fn has_key(&mut self) -> bool {
        let problem = self.keys.get().err().unwrap_or_default();
        if !problem.is_empty() && problem != self.said {
            tracing::info!(problem, "certificates by ACME wait for the cluster's secrets");
        }
        self.said = problem;
        self.said.is_empty()
    }

    /// One order. Whatever fails, what is presented stays, and it is tried again later.
    async fn turn(&mut self) {
        let began = Instant::now();
        match self.order().await {
            Ok(()) => {
                self.counts.ordered.fetch_add(1, Ordering::Relaxed);
                let (names, took_s) = (self.acme.names.join(", "), began.elapsed().as_secs());
                tracing::info!(names, took_s, "the HTTPS port presents a new certificate by ACME");
                self.failures = 0;
            }
            Err(problem) => {
                self.counts.failures.fetch_add(1, Ordering::Relaxed);
                self.failures = self.failures.saturating_add(1);
                let pause = renewal::pause(self.failures, crate::random::number());
                self.not_before = Instant::now() + pause;
                let again_in_s = pause.as_secs();
                tracing::warn!(
                    problem,
                    again_in_s,
                    "no certificate by ACME; what is presented stays"
                );
            }
        }
    }

    async fn order(&mut self) -> Result<(), String> {
        let ordered = Box::pin(order::order(&self.acme, self.keys.get()?)).await?;
        let (keeper, directory) = (self.keeper.clone(), self.acme.directory.clone());
        let storing = tokio::task::spawn_blocking(move || keeper.store(&directory, &ordered));
        let kept = storing.await.map_err(|error| error.to_string())??;
        self.present(kept)
    }

    fn present(&mut self, kept: Kept) -> Result<(), String> {
        let due = renewal::due(kept.good, crate::random::number());
        let replaced = self.certificate.replace(kept.chain, kept.key);
        replaced.map_err(|error| error.to_string())?;
        self.due = Some(due);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with more lines.
    pub(super) fn config(more: &str) -> AcmeConfig {
        let text = format!(
            "directory = \"https://127.0.0.1:9/dir\"\nnames = [\"a.example\"]\nhttp-listen = \"127.0.0.1:80\"\n\
             agree-to-terms = true\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    fn orders(data_dir: &std::path::Path) -> Orders {
        Orders {
            acme: config(""),
            keys: account_key::tests::keys(),
            keeper: Keeper::new(data_dir),
            certificate: NamedCertificate::default(),
            counts: Arc::default(),
            due: None,
            failures: 0,
            not_before: Instant::now(),
            said: String::new(),
        }
    }

    fn ordered(name: &str) -> order::Ordered {
        let ca = auth::pki::CertificateAuthority::generate("ca", SystemTime::now()).unwrap();
        let issued = ca
            .issue_member(1, vec![name.to_owned()], SystemTime::now())
            .unwrap();
        order::Ordered {
            chain: issued.certificate_pem,
            key: issued.key_pem,
        }
    }

    /// A start must not order what is there: CAs give a name few certificates a week.
    #[tokio::test]
    async fn what_was_ordered_before_is_presented_and_not_ordered_again() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let mut orders = orders(dir.path());
        assert!(orders.is_due(SystemTime::now(), Instant::now()), "there is none");
        orders
            .keeper
            .store(&orders.acme.directory, &ordered("a.example"))
            .unwrap();
        orders.load().await;
        assert!(orders.certificate.presented().is_some());
        let now = SystemTime::now();
        assert!(!orders.is_due(now, Instant::now()));
        let in_ten_years = now + Duration::from_secs(10 * 365 * 24 * 3600);
        assert!(orders.is_due(in_ten_years, Instant::now()));
    }

    /// A start before the cluster has begun must not cost a minute's pause.
    #[tokio::test]
    async fn an_order_waits_for_the_clusters_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let mut orders = orders(dir.path());
        assert!(orders.has_key());
        let sealer = auth::Sealer::generate().unwrap();
        orders.keys = AccountKeys::new(Store::in_memory(), sealer);
        assert!(!orders.has_key());
        assert!(orders.said.contains("first entry"), "{}", orders.said);
        assert_eq!(orders.counts.all(), [("ordered", 0), ("failures", 0)]);
    }

    #[tokio::test]
    async fn one_for_other_names_is_ordered_anew() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let mut orders = orders(dir.path());
        orders
            .keeper
            .store(&orders.acme.directory, &ordered("b.example"))
            .unwrap();
        orders.load().await;
        assert!(orders.certificate.presented().is_none());
        assert!(orders.is_due(SystemTime::now(), Instant::now()));
    }

    /// Nothing listens on port 9: what is presented stays, and the CA is not asked again at once.
    #[tokio::test]
    async fn a_failure_is_counted_and_changes_nothing() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let mut orders = orders(dir.path());
        let ca = auth::pki::CertificateAuthority::generate("site", SystemTime::now()).unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, ca.certificate_pem()).unwrap();
        orders.acme.ca = Some(file);
        let stored = orders.keeper.store("x", &ordered("a.example")).unwrap();
        let presented = stored.chain.first().cloned();
        orders.present(stored).unwrap();
        orders.turn().await;
        assert_eq!(orders.certificate.presented(), presented);
        assert_eq!(orders.counts.all(), [("ordered", 0), ("failures", 1)]);
        let in_ten_years = SystemTime::now() + Duration::from_secs(10 * 365 * 24 * 3600);
        assert!(!orders.is_due(in_ten_years, Instant::now()), "it pauses");
        assert!(orders.is_due(in_ten_years, Instant::now() + Duration::from_secs(600)));
    }
}
