//! State change notifications (SCN): the leader tells subscribers by POST of every change that they asked for.
//!
//! How far a subscriber has been told is part of the replicated state, so that another leader goes on where this one
//! stopped. Each is told in order, at least once, and waits for nobody else.

mod cursors;
mod notification;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use raft::Store;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use self::cursors::Cursors;
use self::telling::Telling;

/// Notifications under way at once, to all subscribers together.
const DELIVERIES_MAX: usize = 32;

/// One notification on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// JSON, as SMD sends it.
    pub body: Vec<u8>,
    /// Every change up to here has been told once this is accepted; the header `Chamois-Revision`.
    pub revision: u64,
}

/// Brings notifications to subscribers.
pub trait Deliver: Send + Sync {
    /// Sends one and gives the HTTP status of the answer, whose body is of no interest. Bounded in time.
    ///
    /// The error says in one line why there was no answer, without the URL's path.
    fn post(&self, post: Post) -> BoxFuture<'_, Result<u16, String>>;
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at who leads and who is subscribed.
    pub look: Duration,
    /// Between two entries that remember how far subscribers have been told.
    pub remember: Duration,
    /// Before the first repeat of a notification that failed; each further one waits twice as long.
    pub retry_first: Duration,
    /// The longest wait before a repeat.
    pub retry_max: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            look: Duration::from_secs(1),
            remember: Duration::from_secs(5),
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
        }
    }
}

/// Tells subscribers for as long as this member leads, until `stop`. `principal` is who remembers how far.
pub async fn run(
    store: Store,
    deliver: Arc<dyn Deliver>,
    principal: String,
    pace: Pace,
    stop: impl Future<Output = ()>,
) {
    let mut tellers = Tellers {
        cursors: Arc::new(Cursors::default()),
        places: Arc::new(Semaphore::new(DELIVERIES_MAX)),
        tasks: JoinSet::new(),
        running: BTreeMap::new(),
        store,
        deliver,
        pace,
    };
    tokio::select! {
        () = tellers.run(&principal) => {}
        () = stop => {}
    }
}

/// One task for each subscription, while this member leads.
struct Tellers {
    store: Store,
    deliver: Arc<dyn Deliver>,
    pace: Pace,
    cursors: Arc<Cursors>,
    places: Arc<Semaphore>,
    /// Dropping it ends them all.
    tasks: JoinSet<()>,
    running: BTreeMap<u64, AbortHandle>,
}

impl Tellers {
    async fn run(&mut self, principal: &str) {
        let mut look = tokio::time::interval(self.pace.look);
        let mut remember = tokio::time::interval(self.pace.remember);
        loop {
            tokio::select! {
                _ = look.tick() => self.follow(),
                _ = remember.tick() => self.cursors.remember(&self.store, principal).await,
            }
        }
    }

    /// Begins with subscriptions that are new, and ends with those that are gone or when another member leads.
    fn follow(&mut self) {
        let wanted: BTreeSet<u64> = match self.store.leads() {
            true => self.store.state().smd.subscriptions().map(|one| one.id).collect(),
            false => BTreeSet::new(),
        };
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|id, task| {
            let stays = wanted.contains(id) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        self.cursors.keep(&wanted);
        for id in wanted {
            let telling = || Telling {
                id,
                store: self.store.clone(),
                deliver: Arc::clone(&self.deliver),
                cursors: Arc::clone(&self.cursors),
                places: Arc::clone(&self.places),
                pace: self.pace,
            };
            self.running
                .entry(id)
                .or_insert_with(|| self.tasks.spawn(telling().run()));
        }
    }
}
