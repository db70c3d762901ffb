//! Read indexes, batched: whoever asks while a round is under way shares the next one, so that a thousand reads
//! cost two rounds and not a thousand. When many ask, a round waits a moment for more of them: a round costs every member
//! as much as several reads do.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::metrics::Counters;

/// Callers that may wait for the next round; one beyond waits in its call.
const CALLERS_MAX: usize = 16_384;
/// Callers of one round that are many: the next one waits for more. Below, nobody waits.
const MANY: usize = 16;
/// How long a member's rounds wait.
const GATHERING: Duration = Duration::from_millis(1);

/// Hands requests to the one task that runs the rounds.
#[derive(Clone, Debug)]
pub(crate) struct ReadIndexes {
    callers: mpsc::Sender<oneshot::Sender<Option<u64>>>,
}

/// The requests, for [`run`].
pub(crate) type Requests = mpsc::Receiver<oneshot::Sender<Option<u64>>>;

impl ReadIndexes {
    pub(crate) fn new() -> (ReadIndexes, Requests) {
        let (callers, requests) = mpsc::channel(CALLERS_MAX);
        (ReadIndexes { callers }, requests)
    }

    /// A read index of a round that begins after this call; `None` if the round fails.
    pub(crate) async fn next(&self) -> Option<u64> {
        let (answer, answered) = oneshot::channel();
        self.callers.send(answer).await.ok()?;
        answered.await.ok()?
    }
}

/// The wait of a member's rounds.
pub(crate) async fn gather() {
    tokio::time::sleep(GATHERING).await;
}

/// Runs one `round` after another for as long as anybody asks; `gather` is how a round waits for more.
pub(crate) async fn run<G: Future<Output = ()>, F: Future<Output = Option<u64>>>(
    mut requests: Requests,
    counters: &Counters,
    gather: impl Fn() -> G,
    round: impl Fn() -> F,
) {
    let mut waiting = Vec::new();
    let mut many = false;
    while requests.recv_many(&mut waiting, CALLERS_MAX).await > 0 {
        if many {
            gather().await;
            let more = std::iter::from_fn(|| requests.try_recv().ok());
            waiting.extend(more.take(CALLERS_MAX));
        }
        let index = round().await;
        many = waiting.len() >= MANY;
        counters.read_round(waiting.len(), index.is_some());
        for caller in waiting.drain(..) {
            caller.send(index).ok(); // the caller's deadline has passed
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A hundred readers at once: those that come during the first round share the second.
    #[tokio::test]
    async fn readers_share_rounds() {
        let (indexes, requests) = ReadIndexes::new();
        let rounds = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&rounds);
        tokio::spawn(async move {
            let round = || {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                async move {
                    tokio::task::yield_now().await;
                    Some(number)
                }
            };
            run(requests, &Counters::default(), tokio::task::yield_now, round).await;
        });
        let readers = (0..100).map(|_| indexes.next());
        let answers = futures::future::join_all(readers).await;
        assert!(answers.iter().all(Option::is_some));
        assert!(
            rounds.load(Ordering::Relaxed) <= 2,
            "{rounds:?} rounds for a hundred readers"
        );
    }

    /// An index from a round that began before the call might miss a write acknowledged in between.
    #[tokio::test]
    async fn no_reader_gets_the_index_of_a_round_that_began_before_it_asked() {
        let (indexes, requests) = ReadIndexes::new();
        let clock = Arc::new(AtomicU64::new(1));
        let now = Arc::clone(&clock);
        tokio::spawn(async move {
            let round = || {
                let index = now.load(Ordering::SeqCst); // read when the round begins
                async move {
                    tokio::task::yield_now().await;
                    Some(index)
                }
            };
            run(requests, &Counters::default(), tokio::task::yield_now, round).await;
        });
        let first = tokio::spawn({
            let indexes = indexes.clone();
            async move { indexes.next().await }
        });
        tokio::task::yield_now().await;
        clock.store(2, Ordering::SeqCst);
        assert_eq!(indexes.next().await, Some(2));
        assert!(first.await.unwrap().is_some());
    }

    /// How often a round waited for more, when `callers` ask at once and then one by itself.
    async fn waits_after(callers: usize) -> u64 {
        let (indexes, requests) = ReadIndexes::new();
        let waits = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&waits);
        tokio::spawn(async move {
            let gather = || {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now()
            };
            run(requests, &Counters::default(), gather, || async { Some(1) }).await;
        });
        let readers = (0..callers).map(|_| indexes.next());
        futures::future::join_all(readers).await;
        indexes.next().await;
        indexes.next().await;
        waits.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_round_waits_for_more_readers_only_after_one_of_many() {
        assert_eq!(waits_after(MANY).await, 1);
        assert_eq!(waits_after(MANY - 1).await, 0);
    }

    /// Readers that come while the round waits are in it: none waits twice.
    #[tokio::test]
    async fn whoever_comes_while_a_round_waits_is_in_it() {
        let (indexes, requests) = ReadIndexes::new();
        let rounds = Arc::new(AtomicU64::new(0));
        let (count, late) = (Arc::clone(&rounds), indexes.clone());
        tokio::spawn(async move {
            let gather = || {
                let late = late.clone();
                let asked = tokio::spawn(async move { late.next().await });
                async move {
                    tokio::task::yield_now().await;
                    drop(asked); // it goes on by itself
                }
            };
            let round = || {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                async move { Some(number) }
            };
            run(requests, &Counters::default(), gather, round).await;
        });
        futures::future::join_all((0..MANY).map(|_| indexes.next())).await;
        assert_eq!(indexes.next().await, Some(2));
        assert_eq!(
            indexes.next().await,
            Some(3),
            "the late one had no round of its own"
        );
    }

    #[tokio::test]
    async fn a_failed_round_is_told_to_all_who_waited_for_it() {
        let (indexes, requests) = ReadIndexes::new();
        tokio::spawn(async move {
            run(requests, &Counters::default(), tokio::task::yield_now, || async {
                None
            })
            .await
        });
        assert_eq!(
            futures::future::join(indexes.next(), indexes.next()).await,
            (None, None)
        );
    }
}
