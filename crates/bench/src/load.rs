//! The load: clients that each wait for an answer before they ask again, over a stated time after a warm-up.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::BenchError;

/// What is under way when the measured time ends is waited for so long; after that its client counts as failed.
pub const LATE_MAX: Duration = Duration::from_secs(10);

/// How long a load lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Asked but not counted.
    pub warm_up: Duration,
    /// Counted.
    pub measured: Duration,
}

/// One client: asks once and waits for the answer.
pub trait Operation: Send + 'static {
    /// Asks once.
    ///
    /// # Errors
    /// What went wrong, for a person; the client goes on with its next operation.
    fn run(&mut self) -> impl Future<Output = Result<(), String>> + Send;
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Operations answered within the measured time: the rate.
    pub answered: u64,
    /// Operations answered at any time, warm-up and what was late included: what the servers' cost is for.
    pub answered_at_all: u64,
    /// Operations that failed after the warm-up, those that were never answered included.
    pub errors: u64,
    /// The first failure of all.
    pub first_error: Option<String>,
    /// The measured time.
    pub seconds: f64,
    /// How long each operation took that was answered after the warm-up, microseconds, sorted. One that was under way at
    /// the end is among them: a starving client has few answers, but they are the slowest.
    micros: Vec<u32>,
}

/// Runs `clients` for `span`; `at_edge` is called when the measured time begins and again when it ends, and its two
/// answers are returned with the load. What is under way at the end is waited for, up to [`LATE_MAX`].
///
/// # Errors
/// `NothingAnswered` if not one operation succeeded.
pub async fn drive<O: Operation, T>(
    clients: Vec<O>,
    span: Span,
    at_edge: impl AsyncFnMut() -> T,
) -> Result<(Load, T, T), BenchError> {
    drive_until(clients, span, LATE_MAX, at_edge).await
}

async fn drive_until<O: Operation, T>(
    clients: Vec<O>,
    span: Span,
    late_max: Duration,
    mut at_edge: impl AsyncFnMut() -> T,
) -> Result<(Load, T, T), BenchError> {
    let from = Instant::now() + span.warm_up;
    let to = from + span.measured;
    let times = Times { from, to, late_max };
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(repeat(client, times));
    }
    tokio::time::sleep_until(from.into()).await;
    let before = at_edge().await;
    tokio::time::sleep_until(to.into()).await;
    let after = at_edge().await;
    let mut load = Load {
        seconds: span.measured.as_secs_f64(),
        ..Load::default()
    };
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(of_one) => load.add(of_one),
            Err(panic) => load.fail(panic.to_string()),
        }
    }
    load.micros.sort_unstable();
    match load.answered {
        0 => Err(BenchError::NothingAnswered {
            first: load.first_error.unwrap_or_else(|| "no answer in time".to_owned()),
        }),
        _ => Ok((load, before, after)),
    }
}

/// When what is counted.
#[derive(Clone, Copy)]
struct Times {
    from: Instant,
    to: Instant,
    late_max: Duration,
}

/// One client until `to`, and the operation that is under way then.
async fn repeat(mut client: impl Operation, Times { from, to, late_max }: Times) -> Load {
    let mut load = Load::default();
    let mut started = Instant::now();
    while started < to {
        let Ok(outcome) = tokio::time::timeout_at((to + late_max).into(), client.run()).await else {
            let waited = started.elapsed().as_secs_f64();
            load.fail(format!("no answer within {waited:.1} s, when the load had ended"));
            break;
        };
        let ended = Instant::now();
        load.answered_at_all += u64::from(outcome.is_ok());
        match outcome {
            _ if ended < from => {}
            Ok(()) => {
                load.answered += u64::from(ended < to);
                let took = ended.duration_since(started).as_micros();
                load.micros.push(u32::try_from(took).unwrap_or(u32::MAX));
            }
            Err(error) => load.fail(error),
        }
        started = ended;
    }
    load
}

impl Load {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 {
            self.answered as f64 / self.seconds
        } else {
            0.0
        }
    }

    /// The nearest-rank percentile of the operations that were answered after the warm-up, milliseconds.
    pub fn percentile_ms(&self, percent: usize) -> f64 {
        let rank = (self.micros.len() * percent).div_ceil(100);
        let micros = self.micros.get(rank.saturating_sub(1)).copied();
        f64::from(micros.unwrap_or(0)) / 1000.0
    }

    fn add(&mut self, other: Load) {
        self.answered += other.answered;
        self.answered_at_all += other.answered_at_all;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.micros.extend(other.micros);
    }

    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Span = Span {
        warm_up: Duration::from_millis(10),
        measured: Duration::from_millis(50),
    };

    /// Answers at once; every `fails`-th operation fails.
    struct Counting {
        done: u32,
        fails: u32,
    }

    impl Operation for Counting {
        async fn run(&mut self) -> Result<(), String> {
            tokio::task::yield_now().await;
            self.done += 1;
            if self.done.is_multiple_of(self.fails) {
                return Err(format!("operation {}", self.done));
            }
            Ok(())
        }
    }

    /// Answers so many times at once, then after `then`, which may be never.
    struct Slow {
        quick: u32,
        then: Duration,
    }

    impl Operation for Slow {
        async fn run(&mut self) -> Result<(), String> {
            match self.quick.checked_sub(1) {
                Some(left) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    self.quick = left;
                }
                None => tokio::time::sleep(self.then).await,
            }
            Ok(())
        }
    }

    const NEVER: Duration = Duration::MAX;
    const ALWAYS_QUICK: u32 = u32::MAX;

    /// A failure is no answer: it adds to neither the rate nor the times.
    #[tokio::test]
    async fn answers_and_errors_are_told_apart() {
        let clients = (0..4).map(|_| Counting { done: 0, fails: 3 }).collect();
        let mut edges = 0;
        let (load, before, after) = drive(clients, SHORT, async || {
            edges += 1;
            edges
        })
        .await
        .unwrap();
        assert_eq!(
            (before, after),
            (1, 2),
            "asked once at the beginning and once at the end"
        );
        assert!(load.answered > load.errors && load.errors > 0, "{load:?}");
        assert!(load.micros.len() as u64 >= load.answered && load.answered_at_all >= load.answered);
        assert!(load.first_error.as_deref().unwrap().starts_with("operation "));
        assert_eq!(load.rate(), load.answered as f64 / load.seconds);
    }

    /// A dead server must not look like a slow one, nor hang the benchmark.
    #[tokio::test]
    async fn a_server_that_never_answers_is_an_error() {
        let silent = || Slow {
            quick: 0,
            then: NEVER,
        };
        let error = drive_until(vec![silent(), silent()], SHORT, SHORT.measured, async || ()).await;
        let error = error.unwrap_err();
        assert!(matches!(error, BenchError::NothingAnswered { .. }), "{error}");
        let error = drive(vec![Counting { done: 0, fails: 1 }], SHORT, async || ())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("operation "),
            "the first failure is shown: {error}"
        );
    }

    /// Whom the server forgets must not vanish from the figures because others are served well.
    #[tokio::test]
    async fn one_silent_client_among_good_ones_is_an_error() {
        let good = (0..3).map(|_| Slow {
            quick: ALWAYS_QUICK,
            then: NEVER,
        });
        let clients = good
            .chain([Slow {
                quick: 1,
                then: NEVER,
            }])
            .collect();
        let load = drive_until(clients, SHORT, SHORT.measured, async || ())
            .await
            .unwrap()
            .0;
        assert_eq!(load.errors, 1, "{load:?}");
        assert!(load.answered > 0 && load.first_error.unwrap().starts_with("no answer within"));
    }

    /// A late answer makes no rate, but whoever waited for it did wait.
    #[tokio::test]
    async fn a_late_answer_is_among_the_times_and_not_in_the_rate() {
        let late = Duration::from_millis(80);
        let clients = vec![Slow {
            quick: 20,
            then: late,
        }];
        let load = drive_until(clients, SHORT, LATE_MAX, async || ())
            .await
            .unwrap()
            .0;
        assert_eq!(load.errors, 0, "{load:?}");
        assert_eq!(load.micros.len() as u64, load.answered + 1);
        assert!(load.percentile_ms(100) >= 80.0, "{load:?}");
        assert!(load.answered_at_all > load.answered, "{load:?}");
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let load = Load {
            micros: (1..=200).map(|ms| ms * 1000).collect(),
            ..Load::default()
        };
        assert_eq!((load.percentile_ms(50), load.percentile_ms(99)), (100.0, 198.0));
        assert_eq!(Load::default().percentile_ms(99), 0.0);
        assert_eq!(Load::default().rate(), 0.0);
    }
}
