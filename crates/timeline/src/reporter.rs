//! The task that tells the cluster what was seen.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use proto::bss::v1::BootPhase;
use proto::bss::v1::bss_command::BootSeen;
use raft::Store;
use rpc::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::batch;
use crate::counters::{Count, Counters};
use crate::pending::Pending;
use crate::seen::{Seen, Timeline};

/// Entries that are told one after the other before the next pause: 4,096 boots in two seconds.
const ENTRIES_PER_TURN_MAX: usize = 16;
/// How long a member that stops tries to tell what it has seen.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// How often the reporter does what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at what was seen.
    pub take: Duration,
    /// Between two turns of telling.
    pub tell: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            take: Duration::from_millis(100),
            tell: Duration::from_secs(2),
        }
    }
}

/// Merges what servers note and proposes it in bounded entries. Without a majority it keeps a bounded part of it and goes
/// on when there is one.
#[derive(Debug)]
pub struct Reporter {
    store: Store,
    member: u64,
    pace: Pace,
    waiting: mpsc::Receiver<(Seen, Instant)>,
    pending: Pending,
    counters: Arc<Counters>,
}

/// An entry that is being proposed, and what becomes of it.
type Telling = BoxFuture<'static, (Vec<BootSeen>, Result<(), Error>)>;

impl Reporter {
    /// For the member of this id: where servers note what they see, and the task that tells it.
    pub fn new(store: Store, member: u64, pace: Pace) -> (Timeline, Reporter) {
        let counters = Arc::new(Counters::default());
        let (timeline, waiting) = Timeline::new(Arc::clone(&counters));
        let reporter = Reporter {
            store,
            member,
            pace,
            waiting,
            pending: Pending::default(),
            counters,
        };
        (timeline, reporter)
    }

    /// What happened so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Tells until `shutdown` resolves, and then, for a second at most, what is left.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut telling: Option<Telling> = None;
        let mut left = 0;
        let (mut look, mut turn) = (Instant::now(), Instant::now());
        loop {
            let is_idle = self.pending.is_empty() && telling.is_none();
            tokio::select! {
                () = &mut shutdown => break,
                Some((seen, at)) = self.waiting.recv(), if is_idle => {
                    self.add(seen, at);
                    look = Instant::now() + self.pace.take;
                    turn = turn.max(Instant::now() + self.pace.tell.min(self.pace.take));
                }
                () = sleep_until(look), if !is_idle => {
                    self.take();
                    look = Instant::now() + self.pace.take;
                    if telling.is_none() && Instant::now() >= turn {
                        telling = self.tell();
                        left = ENTRIES_PER_TURN_MAX - 1;
                        turn = Instant::now() + self.pace.tell;
                    }
                }
                (boots, result) = told(&mut telling) => {
                    telling = None;
                    let goes_on = self.settle(boots, result) && left > 0;
                    if goes_on {
                        left -= 1;
                        telling = self.tell();
                    }
                }
            }
        }
        let _ = timeout(LAST_WORDS_MAX, self.tell_the_rest(telling)).await;
    }

    async fn tell_the_rest(&mut self, mut telling: Option<Telling>) {
        self.take();
        loop {
            let Some(entry) = telling.take().or_else(|| self.tell()) else {
                return;
            };
            let (boots, result) = entry.await;
            if !self.settle(boots, result) {
                return;
            }
        }
    }

    /// Takes in what servers have noted meanwhile, no more than there is now.
    fn take(&mut self) {
        for _ in 0..self.waiting.len() {
            match self.waiting.try_recv() {
                Ok((seen, at)) => self.add(seen, at),
                Err(_) => return,
            }
        }
    }

    fn add(&mut self, seen: Seen, at: Instant) {
        let ago_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let attempt = BootPhase {
            phase: seen.phase.into(),
            at_ms: self.store.cluster_time_ms().saturating_sub(ago_ms),
            bytes: seen.bytes,
            revision: seen.revision,
            member: self.member,
            told: seen.boot_id.is_some(),
        };
        let boot_id = seen.boot_id.map(|id| format!("{id:016x}")).unwrap_or_default();
        let dropped = self.pending.add(seen.node, boot_id, vec![attempt]);
        self.counters.add_many(Count::Dropped, dropped as u64);
    }

    /// Begins to propose the next entry, if there is anything to tell.
    fn tell(&mut self) -> Option<Telling> {
        let boots = self.pending.take();
        if boots.is_empty() {
            return None;
        }
        let (store, principal) = (self.store.clone(), format!("member/{}", self.member));
        Some(Box::pin(async move {
            let result = store
                .propose(&principal, batch::command(boots.clone()), None)
                .await;
            (boots, result.map(drop))
        }))
    }

    /// What becomes of an entry that was proposed; false if the next one would fare no better now.
    fn settle(&mut self, boots: Vec<BootSeen>, result: Result<(), Error>) -> bool {
        match result {
            Ok(()) => {
                self.counters.add(Count::Told);
                true
            }
            Err(error) if batch::is_final(&error) => {
                tracing::debug!(%error, boots = boots.len(), "the timeline of boots is not taken");
                self.counters.add(Count::Refused);
                true
            }
            Err(error) => {
                tracing::debug!(%error, boots = boots.len(), "the timeline of boots is told later");
                self.counters.add(Count::Failed);
                self.keep(boots);
                false
            }
        }
    }

    /// It may have been applied all the same: telling it twice changes nothing.
    fn keep(&mut self, boots: Vec<BootSeen>) {
        for boot in boots {
            if let Ok(node) = boot.node.parse() {
                let dropped = self.pending.add(node, boot.boot_id, boot.phases);
                self.counters.add_many(Count::Dropped, dropped as u64);
            }
        }
    }
}

/// What became of the entry that is being proposed; never, if there is none.
async fn told(telling: &mut Option<Telling>) -> (Vec<BootSeen>, Result<(), Error>) {
    match telling {
        Some(entry) => entry.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::boot_phase::Phase;
    use state::State;
    use state::cluster::FEATURE_LEVEL_INVENTORY;

    use super::*;

    fn seen(boot_id: Option<u64>, phase: Phase) -> Seen {
        Seen {
            node: "x0c0s0b0n0".parse().unwrap(),
            boot_id,
            phase,
            bytes: 100,
            revision: 5,
        }
    }

    fn reporter(store: &Store) -> (Timeline, Reporter) {
        Reporter::new(store.clone(), 3, Pace::default())
    }

    async fn tell_once(reporter: &mut Reporter) -> bool {
        reporter.take();
        let (boots, result) = reporter.tell().expect("something to tell").await;
        reporter.settle(boots, result)
    }

    fn phases(store: &Store) -> Vec<(Phase, u64)> {
        let records = store.state().bss.boot_records(&"x0c0s0b0n0".parse().unwrap());
        let phases = records.iter().flat_map(|record| record.phases.clone());
        phases.map(|attempt| (attempt.phase(), attempt.member)).collect()
    }

    /// Cut off for an hour, a member must not fill its memory, and must not forget what it saw first.
    #[tokio::test]
    async fn without_a_majority_it_is_told_later() {
        let cut_off = Store::in_memory_without_majority(Store::in_memory().state().as_ref().clone());
        let (timeline, mut reporter) = reporter(&cut_off);
        timeline.note(seen(Some(1), Phase::Script));
        for _ in 0..3 {
            assert!(!tell_once(&mut reporter).await);
        }
        timeline.note(seen(Some(1), Phase::MetaData));
        reporter.store = Store::in_memory();
        assert!(tell_once(&mut reporter).await);
        assert_eq!(
            phases(&reporter.store),
            [(Phase::Script, 3), (Phase::MetaData, 3)]
        );
        assert!(reporter.tell().is_none(), "told once");
        let counters = reporter.counters();
        let count = |what| counters.get(what);
        assert_eq!((count(Count::Failed), count(Count::Told)), (3, 1));
        assert_eq!((count(Count::Seen), count(Count::Dropped)), (2, 0));
    }

    /// Members of an older version would stop at the entry.
    #[tokio::test]
    async fn what_the_cluster_does_not_know_is_not_told_again() {
        let store = Store::in_memory_with(State::at_level(FEATURE_LEVEL_INVENTORY));
        let (timeline, mut reporter) = reporter(&store);
        timeline.note(seen(Some(1), Phase::Script));
        assert!(tell_once(&mut reporter).await);
        assert!(reporter.tell().is_none());
        assert_eq!(reporter.counters().get(Count::Refused), 1);
        assert!(phases(&store).is_empty());
    }

    /// A node never waits for its timeline.
    #[tokio::test]
    async fn what_there_is_no_room_for_is_counted() {
        let (timeline, reporter) = reporter(&Store::in_memory());
        let room = reporter.waiting.max_capacity();
        for _ in 0..room + 5 {
            timeline.note(seen(Some(1), Phase::Script));
        }
        let counters = reporter.counters();
        assert_eq!(counters.get(Count::Seen), room as u64 + 5);
        assert_eq!(counters.get(Count::Dropped), 5);
        Timeline::default().note(seen(None, Phase::Kernel));
    }

    #[tokio::test]
    async fn what_is_left_at_the_end_is_told() {
        let store = Store::in_memory();
        let (timeline, reporter) = reporter(&store);
        for boot in 1..=2 {
            timeline.note(seen(Some(boot), Phase::Script));
        }
        timeline.note(seen(None, Phase::Offered));
        reporter.run(async {}).await;
        assert_eq!(phases(&store).len(), 3);
    }
}
