//! How long nobody is served: tries at a steady pace, the next one without waiting for the one before, until the first
//! is answered.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::BenchError;

/// Pause between two tries.
pub const TRY_PAUSE: Duration = Duration::from_millis(20);
/// Without an answer for so long the measurement is given up.
pub const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Starts `attempt(0)`, `attempt(1)` and so on, [`TRY_PAUSE`] apart, until one succeeds; the time from `since` to that
/// answer.
///
/// # Errors
/// `TimedOut` after [`ANSWER_MAX`].
pub async fn first_answer<F>(
    what: &str,
    since: Instant,
    attempt: impl FnMut(usize) -> F,
) -> Result<Duration, BenchError>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    within(ANSWER_MAX, what, since, attempt).await
}

async fn within<F>(
    at_most: Duration,
    what: &str,
    since: Instant,
    mut attempt: impl FnMut(usize) -> F,
) -> Result<Duration, BenchError>
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let mut tries = JoinSet::new();
    let mut begun = 0;
    let mut last_error = "no answer".to_owned();
    let mut pace = tokio::time::interval(TRY_PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let gives_up = tokio::time::sleep(at_most);
    tokio::pin!(gives_up);
    loop {
        tokio::select! {
            biased;
            Some(ended) = tries.join_next() => match ended {
                Ok(Ok(())) => return Ok(since.elapsed()),
                Ok(Err(error)) => last_error = error,
                Err(panic) => last_error = panic.to_string(),
            },
            _ = pace.tick() => {
                tries.spawn(attempt(begun));
                begun += 1;
            }
            () = &mut gives_up => {
                return Err(BenchError::TimedOut {
                    what: format!("{what}; the last of {begun} tries: {last_error}"),
                    seconds: at_most.as_secs(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A member that hangs must not hide that the other one answers already.
    #[tokio::test]
    async fn a_try_that_hangs_does_not_hold_up_the_next() {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let took = first_answer("an answer", Instant::now(), move |number| {
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                match number {
                    0 => std::future::pending().await,
                    1 | 2 => Err("not yet".to_owned()),
                    _ => Ok(()),
                }
            }
        });
        let took = took.await.unwrap();
        assert!(
            took >= 3 * TRY_PAUSE,
            "the fourth try is the first that is answered: {took:?}"
        );
        assert!(begun.load(Ordering::Relaxed) >= 4);
    }

    /// Time before the first try counts: nobody was served then either.
    #[tokio::test]
    async fn the_time_counts_from_the_fault() {
        let since = Instant::now() - Duration::from_secs(5);
        let took = first_answer("an answer", since, |_| async { Ok(()) })
            .await
            .unwrap();
        assert!(took >= Duration::from_secs(5), "{took:?}");
    }

    #[tokio::test]
    async fn whoever_never_answers_is_given_up_with_the_last_reason() {
        let at_most = Duration::from_millis(70);
        let never = within(at_most, "a leader", Instant::now(), |_| async {
            Err("connection refused".to_owned())
        });
        let text = never.await.unwrap_err().to_string();
        assert!(
            text.contains("a leader") && text.contains("connection refused"),
            "{text}"
        );
    }
}
