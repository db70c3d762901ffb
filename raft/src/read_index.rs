//! Read indexes, batched: whoever asks while a round is under way shares the next one, so that a thousand reads
//! cost two rounds and not a thousand.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

use crate::metrics::Counters;

/// Callers that may wait for the next round; one beyond waits in its call.
const CALLERS_MAX: usize = 16_384;

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

/// Runs one `round` after another for as long as anybody asks.
pub(crate) async fn run<F: Future<Output = Option<u64>>>(
    mut requests: Requests,
    counters: &Counters,
    round: impl Fn() -> F,
) {
    let mut waiting = Vec::new();
    while requests.recv_many(&mut waiting, CALLERS_MAX).await > 0 {
        let index = round().await;
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
            run(requests, &Counters::default(), round).await;
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
            run(requests, &Counters::default(), round).await;
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

    #[tokio::test]
    async fn a_failed_round_is_told_to_all_who_waited_for_it() {
        let (indexes, requests) = ReadIndexes::new();
        tokio::spawn(async move { run(requests, &Counters::default(), || async { None }).await });
        assert_eq!(
            futures::future::join(indexes.next(), indexes.next()).await,
            (None, None)
        );
    }
}
