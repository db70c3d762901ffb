//! Tasks of a running member: a panic in one is the member's failure, and none outlives the member.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The tasks and the first failure among them.
#[derive(Debug)]
pub(crate) struct Background {
    handles: Vec<AbortHandle>,
    failure: watch::Sender<Option<String>>,
}

impl Background {
    pub(crate) fn new() -> Background {
        Background {
            handles: Vec::new(),
            failure: watch::Sender::new(None),
        }
    }

    /// Runs `task` until it ends or the member stops.
    pub(crate) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let failure = self.failure.clone();
        let guarded = async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                failure.send_replace(Some(format!("the task {name:?} panicked")));
            }
        };
        self.handles.push(tokio::spawn(guarded).abort_handle());
    }

    /// Returns when a task has panicked.
    pub(crate) async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await, // cannot be: this holds the sender
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.handles.iter().for_each(AbortHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A member whose verification had died in silence would keep its node ports shut for ever.
    #[tokio::test]
    async fn a_panic_is_a_failure_with_the_tasks_name() {
        let mut background = Background::new();
        background.spawn("quiet", async {});
        background.spawn("loud", async { panic!("on purpose") });
        assert!(background.failed().await.contains("loud"));
    }

    #[tokio::test]
    async fn tasks_end_with_the_member() {
        let mut background = Background::new();
        let (held, released) = tokio::sync::oneshot::channel::<()>();
        background.spawn("holder", async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(background);
        assert!(released.await.is_err(), "the task was dropped");
    }
}
