//! What a change would do: tried out on a copy of the applied state, and nothing is proposed.

use std::sync::Arc;

use proto::http::v1::ObjectChange;
use proto::raft::v1 as pb;
use proto::raft::v1::entry::Command;
use rpc::{Error, Trial};
use state::{Event, Object, State};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::Committed;

/// Changes that a member tries out at once; the others wait. One takes a processor as long as its `apply` does, and more for
/// what it tells.
const TRIALS_AT_ONCE_MAX: usize = 2;

/// Whose turn it is to try a change out.
#[derive(Clone, Debug)]
pub(crate) struct Trials(Arc<Semaphore>);

impl Default for Trials {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TRIALS_AT_ONCE_MAX)))
    }
}

impl Trials {
    /// Waits until a change may be tried out.
    ///
    /// # Errors
    /// None as long as the store is there.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        turn.map_err(|closed| Error::Internal(closed.to_string()))
    }
}

/// The change that an event is, field by field.
pub fn object_change(event: &Event) -> Option<ObjectChange> {
    let id = event.object()?.id();
    let encoded = |object: Option<&Object>| object.map(Object::encode);
    let (before, after) = (encoded(event.before()), encoded(event.after()));
    let kind = event.key().kind() as u32;
    Some(rpc::object_change(kind, id, before.as_deref(), after.as_deref()))
}

/// [`try_out`] on a thread of its own: a runtime's worker has others to serve.
///
/// # Errors
/// As [`try_out`]; `Internal` if it meets a bug.
pub(crate) async fn run(
    turn: OwnedSemaphorePermit,
    trial: Trial,
    applied: Arc<State>,
    header: pb::Header,
    command: Command,
) -> Result<Committed, Error> {
    let work = move || {
        let _until_it_is_done = turn;
        try_out(&trial, &applied, &header, &command)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|bug| {
        tracing::error!(error = %bug, "a change could not be tried out");
        Err(Error::Internal("trying it out met a bug; see the log".to_owned()))
    })
}

/// Tries `command` out on what came before it in the same trial, else on `applied`. The answer is the one that the change
/// would get, but for the revision, which is that of the applied state: nobody must wait for another one.
///
/// # Errors
/// The rejection that the change would get.
fn try_out(
    trial: &Trial,
    applied: &State,
    header: &pb::Header,
    command: &Command,
) -> Result<Committed, Error> {
    let mut state = trial
        .state::<State>()
        .map_or_else(|| applied.clone(), |state| state.as_ref().clone());
    let (outcome, events) = state.try_out(header, command);
    let outcome = outcome?;
    let of_objects = events.iter().filter(|event| event.object().is_some());
    trial.record(Arc::new(state), of_objects, object_change);
    Ok(Committed::new(applied.applied_index(), outcome))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures::FutureExt as _;
    use proto::smd::v1::SmdCommand;
    use proto::smd::v1::smd_command::{Change, DeleteComponents};

    use super::*;
    use crate::Store;

    fn delete_all() -> Command {
        let delete = DeleteComponents {
            all: true,
            ..DeleteComponents::default()
        };
        Command::Smd(SmdCommand {
            change: Some(Change::DeleteComponents(delete)),
        })
    }

    /// The only thread of this runtime goes on while a change is tried out.
    #[tokio::test]
    async fn a_trial_keeps_no_worker_from_others() {
        let mut request = tonic::Request::new(());
        request.extensions_mut().insert(Trial::default());
        let (author, store) = (rpc::author(&request), Store::in_memory());
        let order = RefCell::new(Vec::new());
        let trial = async {
            let refused = store.propose_by(&author, delete_all()).await.unwrap_err();
            assert!(matches!(refused, Error::NotFound { .. }), "{refused}");
            order.borrow_mut().push("trial");
        };
        let other = async { order.borrow_mut().push("other") };
        futures::future::join(trial, other).await;
        assert_eq!(*order.borrow(), ["other", "trial"]);
    }

    #[tokio::test]
    async fn few_are_tried_out_at_once() {
        let trials = Trials::default();
        let mut turns = Vec::new();
        for _ in 0..TRIALS_AT_ONCE_MAX {
            turns.push(trials.turn().await.unwrap());
        }
        assert!(trials.turn().now_or_never().is_none());
        turns.pop();
        assert!(trials.turn().now_or_never().is_some());
    }
}
