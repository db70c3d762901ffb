//! What a change would do: tried out on a copy of the applied state, and nothing is proposed.

use std::sync::Arc;

use proto::http::v1::ObjectChange;
use proto::raft::v1 as pb;
use proto::raft::v1::entry::Command;
use rpc::{Error, Trial};
use state::{Event, Object, State};

use crate::store::Committed;

/// The change that an event is, field by field.
pub fn object_change(event: &Event) -> Option<ObjectChange> {
    let id = event.object()?.id();
    let encoded = |object: Option<&Object>| object.map(Object::encode);
    let (before, after) = (encoded(event.before()), encoded(event.after()));
    let kind = event.key().kind() as u32;
    Some(rpc::object_change(kind, id, before.as_deref(), after.as_deref()))
}

/// Tries `command` out on what came before it in the same trial, else on `applied`. The answer is the one that the change
/// would get, but for the revision, which is that of the applied state: nobody must wait for another one.
///
/// # Errors
/// The rejection that the change would get.
pub(crate) fn run(
    trial: &Trial,
    applied: &State,
    header: &pb::Header,
    command: &Command,
) -> Result<Committed, Error> {
    let mut state = trial
        .state::<State>()
        .map_or_else(|| applied.clone(), |state| state.as_ref().clone());
    let (outcome, events) = state.try_out(header, command);
    if let Some(rejection) = state::rejection(&outcome) {
        return Err(rejection.into());
    }
    trial.record(Arc::new(state), events.iter().filter_map(object_change));
    Ok(Committed::new(applied.applied_index(), outcome))
}
