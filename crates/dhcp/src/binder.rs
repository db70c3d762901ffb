//! Leases on their way into the log: those that come while an entry is under way share the next one.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::dhcp::v1::DhcpCommand;
use proto::dhcp::v1::dhcp_command::{Bind, BindLeases, Change};
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::Error;
use tokio::sync::oneshot;

/// Leases of one entry: more would keep the first of them waiting for the last.
const LEASES_PER_ENTRY_MAX: usize = 256;

/// How long leases gather where they come several at a time: fewer entries are synced to fewer disks.
const GATHER: Duration = Duration::from_millis(2);

/// Proposes leases, as many in one entry as have come meanwhile.
#[derive(Debug)]
pub(crate) struct Binder {
    store: Store,
    queued: Mutex<Vec<(Bind, oneshot::Sender<()>)>>,
    under_way: Arc<tokio::sync::Mutex<()>>,
    /// Leases of the last entry.
    last: AtomicUsize,
    gather: Duration,
}

impl Binder {
    pub(crate) fn new(store: Store) -> Arc<Binder> {
        Arc::new(Binder {
            store,
            queued: Mutex::default(),
            under_way: Arc::default(),
            last: AtomicUsize::new(0),
            gather: GATHER,
        })
    }

    /// Returns when the log has decided about the lease and this member has applied it, whatever it decided.
    ///
    /// # Errors
    /// `Uncommitted`: nothing is known of it, and it may still come to pass.
    pub(crate) async fn bind(self: &Arc<Self>, bind: Bind) -> Result<(), Uncommitted> {
        let (tell, mut told) = oneshot::channel();
        self.lock().push((bind, tell));
        loop {
            tokio::select! {
                biased;
                outcome = &mut told => return outcome.map_err(|_| Uncommitted),
                turn = Arc::clone(&self.under_way).lock_owned() => {
                    let binder = Arc::clone(self);
                    // in a task of its own: who gives up waiting must not end it for the others
                    tokio::spawn(async move {
                        let _turn = turn;
                        binder.gather().await;
                        binder.commit(binder.take()).await;
                    });
                }
            }
        }
    }

    /// A lease that is alone does not wait.
    async fn gather(&self) {
        let waiting = self.lock().len();
        if self.last.load(Relaxed) > 1 && (1..LEASES_PER_ENTRY_MAX).contains(&waiting) {
            tokio::time::sleep(self.gather).await;
        }
    }

    async fn commit(&self, batch: Vec<(Bind, oneshot::Sender<()>)>) {
        self.last.store(batch.len(), Relaxed);
        if batch.is_empty() {
            return; // whoever waited has given up
        }
        let (leases, waiting): (Vec<Bind>, Vec<_>) = batch.into_iter().unzip();
        match propose(&self.store, Change::BindLeases(BindLeases { leases })).await {
            // whoever has stopped waiting needs no answer
            Ok(()) => {
                for tell in waiting {
                    let _gone = tell.send(());
                }
            }
            Err(error) => tracing::warn!(%error, leases = waiting.len(), "dhcp: leases were not committed"),
        }
    }

    fn take(&self) -> Vec<(Bind, oneshot::Sender<()>)> {
        let mut queued = self.lock();
        // whoever has stopped waiting will not hear of its lease: the address stays free
        queued.retain(|(_, tell)| !tell.is_closed());
        let some = queued.len().min(LEASES_PER_ENTRY_MAX);
        queued.drain(..some).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Bind, oneshot::Sender<()>)>> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log has not said what became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uncommitted;

/// Commits a change that a client of DHCP has brought about.
///
/// # Errors
/// Those of [`Store::propose`].
pub(crate) async fn propose(store: &Store, change: Change) -> Result<(), Error> {
    let principal = format!("member/{}", store.status().member_id);
    let command = Command::Dhcp(DhcpCommand { change: Some(change) });
    store.propose(&principal, command, None).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn one(n: u8) -> Bind {
        Bind {
            address: format!("10.97.200.{n}"),
            mac: format!("02:00:00:00:0b:{n:02x}"),
            ..Bind::default()
        }
    }

    #[tokio::test]
    async fn what_comes_together_is_committed_together() {
        let store = testing::world(10, 97).await;
        testing::put_subnet(&store, testing::with_pool(10, 97)).await;
        let before = store.state().applied_index();
        let binder = Binder::new(store.clone());
        let turn = Arc::clone(&binder.under_way).lock_owned().await;
        let mut waiting = tokio::task::JoinSet::new();
        for n in 1..=50 {
            let binder = Arc::clone(&binder);
            waiting.spawn(async move { binder.bind(one(n)).await });
        }
        while binder.lock().len() < 50 {
            tokio::task::yield_now().await;
        }
        drop(turn);
        let outcomes = waiting.join_all().await;
        assert_eq!(outcomes, [Ok(()); 50]);
        assert_eq!(store.state().dhcp.leases().count(), 50);
        assert_eq!(store.state().applied_index(), before + 1);
    }

    /// Where several come at once, the next ones wait a moment for each other.
    #[tokio::test]
    async fn where_several_come_the_next_ones_gather() {
        let store = testing::world(10, 97).await;
        testing::put_subnet(&store, testing::with_pool(10, 97)).await;
        let before = store.state().applied_index();
        let mut binder = Binder::new(store.clone());
        Arc::get_mut(&mut binder).unwrap().gather = Duration::from_secs(1);
        let mut waiting = tokio::task::JoinSet::new();
        let bind = |n| {
            let binder = Arc::clone(&binder);
            async move { binder.bind(one(n)).await }
        };
        let turn = Arc::clone(&binder.under_way).lock_owned().await;
        (1..=2).for_each(|n| drop(waiting.spawn(bind(n))));
        while binder.lock().len() < 2 {
            tokio::task::yield_now().await;
        }
        drop(turn);
        while store.state().applied_index() == before {
            tokio::task::yield_now().await;
        }
        waiting.spawn(bind(3));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(binder.lock().len(), 1, "it waits for others");
        waiting.spawn(bind(4));
        assert_eq!(waiting.join_all().await, [Ok(()); 4]);
        assert_eq!(store.state().applied_index(), before + 2);
    }

    #[tokio::test]
    async fn more_than_an_entry_takes_come_to_their_turn() {
        let store = testing::world(10, 97).await;
        testing::put_subnet(&store, testing::with_pool(10, 97)).await;
        let before = store.state().applied_index();
        let binder = Binder::new(store.clone());
        let turn = Arc::clone(&binder.under_way).lock_owned().await;
        let mut waiting = tokio::task::JoinSet::new();
        for n in 0..=LEASES_PER_ENTRY_MAX {
            let binder = Arc::clone(&binder);
            waiting.spawn(async move { binder.bind(one(u8::try_from(n % 100).unwrap())).await });
        }
        while binder.lock().len() <= LEASES_PER_ENTRY_MAX {
            tokio::task::yield_now().await;
        }
        drop(turn);
        assert!(
            waiting
                .join_all()
                .await
                .into_iter()
                .all(|outcome| outcome.is_ok())
        );
        assert_eq!(store.state().applied_index(), before + 2);
    }

    #[tokio::test]
    async fn who_gives_up_ends_it_for_nobody_else() {
        let store = testing::world(10, 97).await;
        testing::put_subnet(&store, testing::with_pool(10, 97)).await;
        let binder = Binder::new(store.clone());
        let turn = Arc::clone(&binder.under_way).lock_owned().await;
        let impatient = tokio::spawn({
            let binder = Arc::clone(&binder);
            async move { binder.bind(one(1)).await }
        });
        while binder.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        impatient.abort();
        drop(turn);
        binder.bind(one(2)).await.unwrap();
        assert_eq!(store.state().dhcp.leases().count(), 1, "and takes no address");
    }

    #[tokio::test]
    async fn without_a_majority_nothing_is_said_to_be_bound() {
        let state = testing::world(10, 97).await.state();
        let store = Store::in_memory_without_majority(state.as_ref().clone());
        assert_eq!(Binder::new(store).bind(one(1)).await, Err(Uncommitted));
    }
}
