//! Wakes watches: whoever applies wakes one task, however many watches there are, and that task wakes the watches.

use std::sync::{Arc, Weak};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Pause after waking the watches: under load each is woken for many entries at once. There are few of them, one for all
/// watchers of the API, and what a watcher is told may be no later than this by it.
const PAUSE: Duration = Duration::from_millis(1);

/// Tells watches that something was applied. Runs only while somebody watches.
#[derive(Debug)]
pub(crate) struct FanOut {
    applied: watch::Receiver<u64>,
    told: watch::Sender<u64>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl FanOut {
    /// `applied` is where the applied index is announced.
    pub(crate) fn new(applied: watch::Receiver<u64>) -> Arc<FanOut> {
        let told = watch::Sender::new(*applied.borrow());
        Arc::new(FanOut {
            applied,
            told,
            task: Mutex::default(),
        })
    }

    /// A receiver that changes soon after something was applied. Needs a tokio runtime, on which the task runs.
    pub(crate) fn subscribe(self: &Arc<Self>) -> watch::Receiver<u64> {
        let mut task = self.task();
        let receiver = self.told.subscribe();
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(tokio::spawn(run(Arc::downgrade(self), self.applied.clone())));
        }
        receiver
    }

    /// Whether to go on; decided under the lock, so that whoever subscribes meanwhile starts a new task.
    fn tell(&self, index: u64) -> bool {
        let mut task = self.task();
        if self.told.receiver_count() == 0 {
            *task = None;
            return false;
        }
        self.told.send_replace(index);
        true
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(fan_out: Weak<FanOut>, mut applied: watch::Receiver<u64>) {
    loop {
        let index = *applied.borrow_and_update();
        if !fan_out.upgrade().is_some_and(|fan_out| fan_out.tell(index)) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
        if applied.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(receiver: &mut watch::Receiver<u64>, index: u64) {
        let reached = receiver.wait_for(|told| *told >= index);
        let in_time = tokio::time::timeout(Duration::from_secs(10), reached).await;
        in_time.unwrap().unwrap();
    }

    #[tokio::test]
    async fn every_watch_is_told() {
        let applied = watch::Sender::new(0);
        let fan_out = FanOut::new(applied.subscribe());
        let mut watches: Vec<_> = (0..100).map(|_| fan_out.subscribe()).collect();
        for index in [1, 2] {
            applied.send_replace(index);
            for watch in &mut watches {
                told(watch, index).await;
            }
        }
        assert!(
            applied.receiver_count() <= 2,
            "the 100 are not woken by whoever applies"
        );
    }

    /// Nobody watches any more: nothing runs, and the next watch starts it again.
    #[tokio::test]
    async fn the_task_ends_with_the_last_watch_and_comes_back_with_the_next() {
        let applied = watch::Sender::new(0);
        let fan_out = FanOut::new(applied.subscribe());
        for round in 1..=3 {
            let mut watch = fan_out.subscribe();
            applied.send_replace(10 * round);
            told(&mut watch, 10 * round).await;
            drop(watch);
            let ended = async {
                while applied.receiver_count() > 1 {
                    applied.send_modify(|index| *index += 1);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), ended)
                .await
                .unwrap();
        }
    }
}
