//! One load: changes at a steady rate, and what the watchers are told of them.

use std::sync::Arc;
use std::time::Duration;

use bench::{LATE_MAX, Span};
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::board::{Board, Sum, Told};
use super::plan::Plan;
use super::side::{Feed, Writer};
use crate::error::CliError;

/// Changes that may be under way at once.
pub(super) const LANES: u32 = 64;
/// How often it is looked whether all were told.
const LOOK: Duration = Duration::from_millis(20);

/// What came of a load.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) sum: Sum,
    /// Changes that failed, and connections whose watches ended.
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
}

impl Outcome {
    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

/// The watchers of one side, each connection in a task of its own.
pub(super) struct Watchers {
    tasks: JoinSet<Heard>,
    stop: watch::Sender<bool>,
    board: watch::Sender<Arc<Board>>,
}

/// What one connection heard.
struct Heard {
    told: Vec<Told>,
    error: Option<String>,
}

impl Watchers {
    /// They listen from now on; what they hear is noted from [`Watchers::load`] on.
    pub(super) fn listen(feeds: Vec<Feed>) -> Watchers {
        let (stop, board) = (
            watch::Sender::new(false),
            watch::Sender::new(Arc::new(Board::new(0))),
        );
        let mut tasks = JoinSet::new();
        for feed in feeds {
            tasks.spawn(listen(feed, board.subscribe(), stop.subscribe()));
        }
        Watchers { tasks, stop, board }
    }

    /// Makes `rate` changes a second for `span`, and waits until all of them were told, for [`LATE_MAX`] at most.
    ///
    /// # Errors
    /// If a task of the load ends unexpectedly.
    pub(super) async fn load(
        mut self,
        writers: Vec<Writer>,
        plan: &Plan,
        rate: u32,
        span: Span,
    ) -> Result<Outcome, CliError> {
        let of = |time: Duration| (time.as_secs_f64() * f64::from(rate)) as u32;
        let warm_up = of(span.warm_up);
        let board = Arc::new(Board::new(warm_up + of(span.measured)));
        self.board.send_replace(Arc::clone(&board));
        let mut outcome = Outcome::default();
        for failed in change_all(writers, plan, rate, &board).await? {
            outcome.fail(failed);
        }
        let told_by_node = plan.told_by_node();
        let wanted = |change| told_by_node[plan.node_of(change) as usize];
        let deadline = Instant::now() + LATE_MAX;
        while !board.is_complete(wanted) && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
        self.stop.send_replace(true);
        let mut told = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            let heard = ended.map_err(|panic| CliError::other("a watcher ended", panic))?;
            told.extend(heard.told);
            heard.error.into_iter().for_each(|error| outcome.fail(error));
        }
        outcome.sum = board.sum(warm_up, &told, wanted);
        Ok(outcome)
    }
}

/// One connection, until it is told to stop or breaks.
async fn listen(
    mut feed: Feed,
    board: watch::Receiver<Arc<Board>>,
    mut stop: watch::Receiver<bool>,
) -> Heard {
    let mut heard = Heard {
        told: Vec::new(),
        error: None,
    };
    loop {
        let next = tokio::select! {
            biased;
            next = feed.next() => next,
            _ = stop.changed() => return heard,
        };
        match next {
            Some(Ok(changes)) => {
                let board = Arc::clone(&board.borrow());
                heard
                    .told
                    .extend(changes.into_iter().filter_map(|change| board.told(change)));
            }
            Some(Err(status)) => heard.error = Some(status.to_string()),
            None => heard.error = Some("the watches of a connection ended".to_owned()),
        }
        if heard.error.is_some() {
            return heard;
        }
    }
}

/// Makes all changes of a board, each at its time or as soon after as a lane is free; gives what failed.
async fn change_all(
    writers: Vec<Writer>,
    plan: &Plan,
    rate: u32,
    board: &Arc<Board>,
) -> Result<Vec<String>, CliError> {
    let begin = Instant::now();
    let stride = u32::try_from(writers.len()).unwrap_or(u32::MAX).max(1);
    let mut lanes = JoinSet::new();
    for (lane, mut writer) in (0..).zip(writers) {
        let (plan, board) = (plan.clone(), Arc::clone(board));
        lanes.spawn(async move {
            let mut failed = Vec::new();
            let mut change: u32 = lane;
            while change < board.changes() {
                let at = Duration::from_secs_f64(f64::from(change) / f64::from(rate));
                tokio::time::sleep_until(begin + at).await;
                board.asked(change);
                match writer.write(plan.node_of(change), change).await {
                    Ok(()) => board.acknowledged(change),
                    Err(status) => failed.push(format!("change {change}: {status}")),
                }
                change += stride;
            }
            failed
        });
    }
    let mut failed = Vec::new();
    while let Some(ended) = lanes.join_next().await {
        failed.extend(ended.map_err(|panic| CliError::other("a client ended", panic))?);
    }
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::super::super::args::{Common, Place, WatchArgs};
    use super::*;

    fn plan() -> Plan {
        Plan::of(&WatchArgs {
            common: Common {
                seconds: 1,
                rounds: 1,
                place: Place {
                    json: false,
                    state_dir: None,
                },
            },
            watchers: 1,
            everything: 1,
            changes: 1000,
            nodes: 10,
            groups: 1,
        })
    }

    fn span() -> Span {
        Span {
            warm_up: Duration::ZERO,
            measured: Duration::from_millis(10),
        }
    }

    /// A server that ends its watches must not look as if it were quick.
    #[tokio::test]
    async fn a_connection_that_breaks_is_an_error() {
        let broken = stream::iter([Ok(vec![1]), Err(tonic::Status::unavailable("gone"))]).boxed();
        let ended = stream::iter([]).boxed();
        let watchers = Watchers::listen(vec![broken, ended]);
        let outcome = watchers.load(Vec::new(), &plan(), 1000, span()).await.unwrap();
        assert_eq!((outcome.errors, outcome.sum.changes), (2, 0));
        assert!(outcome.first_error.is_some());
    }
}
