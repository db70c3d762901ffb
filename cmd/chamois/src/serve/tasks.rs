//! The infrastructure tasks of a member, in one set: when one ends that should not, the process does.

use std::any::Any;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use super::ServeError;
use super::drain::Stop;

type Ended = (&'static str, Result<(), ServeError>);

/// The set. Dropping it aborts what is left.
#[derive(Default)]
pub(super) struct Tasks(JoinSet<Ended>);

impl Tasks {
    /// Runs a task on the current runtime. `part` is how messages call it.
    pub(super) fn spawn(
        &mut self,
        part: &'static str,
        task: impl Future<Output = Result<(), ServeError>> + Send + 'static,
    ) {
        self.spawn_on(&Handle::current(), part, task);
    }

    /// Runs a task on another runtime.
    pub(super) fn spawn_on(
        &mut self,
        runtime: &Handle,
        part: &'static str,
        task: impl Future<Output = Result<(), ServeError>> + Send + 'static,
    ) {
        self.0.spawn_on(async move { (part, task.await) }, runtime);
    }

    /// Waits until a task ends, which before the drain is a failure whatever it says.
    pub(super) async fn failed(&mut self) -> ServeError {
        match self.0.join_next().await {
            Some(Ok((_, Err(error)))) => error,
            Some(Ok((part, Ok(())))) => ServeError::Ended {
                part,
                reason: "nobody asked it to".to_owned(),
            },
            Some(Err(error)) => ServeError::Ended {
                part: "an infrastructure task",
                reason: panic_text(error),
            },
            // nothing runs, so nothing can fail
            None => std::future::pending().await,
        }
    }

    /// Completes at the stop; before it, with the first task that ends. A task that the stop ended is no failure,
    /// even when it is seen first.
    ///
    /// # Errors
    /// See [`Tasks::failed`].
    pub(super) async fn failed_before(&mut self, stop: &Stop) -> Result<(), ServeError> {
        match stop.unless(self.failed()).await {
            Some(error) if !stop.is_reached() => Err(error),
            Some(error) => {
                tracing::debug!(%error, "ended by the stop");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Waits until at most `left` tasks run, or `at_most` is over; false if it was.
    ///
    /// # Errors
    /// The first failure of a task that ended.
    pub(super) async fn wait_until_left(
        &mut self,
        left: usize,
        at_most: Duration,
    ) -> Result<bool, ServeError> {
        let all = async {
            while self.0.len() > left {
                match self.0.join_next().await {
                    Some(Ok((_, Err(error)))) => return Err(error),
                    Some(Err(error)) => {
                        let reason = panic_text(error);
                        return Err(ServeError::Ended {
                            part: "an infrastructure task",
                            reason,
                        });
                    }
                    Some(Ok((_, Ok(())))) | None => {}
                }
            }
            Ok(())
        };
        match tokio::time::timeout(at_most, all).await {
            Ok(ended) => ended.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

fn panic_text(error: JoinError) -> String {
    let text = |panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "without a text".to_owned())
    };
    match error.try_into_panic() {
        Ok(panic) => format!("it panicked: {}", text(panic)),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A member that goes on without, say, its peer port would look alive and be useless.
    #[tokio::test]
    async fn a_task_that_panics_or_just_ends_is_a_failure_with_its_name() {
        let mut tasks = Tasks::default();
        tasks.spawn("the API", std::future::pending());
        tasks.spawn("the peer port", async { Ok(()) });
        let text = tasks.failed().await.to_string();
        assert!(text.contains("the peer port"), "{text}");
        tasks.spawn("the peer port", async { panic!("no more descriptors") });
        let text = tasks.failed().await.to_string();
        assert!(text.contains("panicked: no more descriptors"), "{text}");
    }

    /// At the stop every part ends, and one of them may be seen to end before the stop itself is.
    #[tokio::test]
    async fn a_task_that_the_stop_ended_is_no_failure() {
        let drain = crate::serve::drain::Drain::default();
        let stop = drain.finishing();
        let mut tasks = Tasks::default();
        tasks.spawn("HTTP for nodes", async { Ok(()) });
        drain.finish();
        tasks.failed_before(&stop).await.unwrap();
        let running = crate::serve::drain::Drain::default();
        tasks.spawn("HTTP for nodes", async { Ok(()) });
        tasks.failed_before(&running.finishing()).await.unwrap_err();
    }

    #[tokio::test]
    async fn waiting_is_bounded() {
        let mut tasks = Tasks::default();
        tasks.spawn("one", async { Ok(()) });
        tasks.spawn("two", std::future::pending());
        assert!(tasks.wait_until_left(1, Duration::from_secs(5)).await.unwrap());
        let soon = Duration::from_millis(10);
        assert!(
            !tasks.wait_until_left(0, soon).await.unwrap(),
            "the second never ends"
        );
    }
}
