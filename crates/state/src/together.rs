//! Several changes in one entry: all of them are made, or none.

use model::Rejection;
use proto::bss::v1::bss_command::{Step, Together, step};
use proto::raft::v1::entry::Command;
use proto::raft::v1::outcome::Applied;

use crate::State;
use crate::apply::no_command;
use crate::bounds::{STEPS_TOGETHER_MAX, check_count};
use crate::changes::Changes;
use crate::log_position::LogPosition;

impl State {
    /// Makes the changes one after the other, on a clone, which costs nothing: whatever is refused leaves no trace.
    ///
    /// # Errors
    /// Those of the steps; what a step may leave out and tell of (`refused`) refuses everything here.
    pub(crate) fn together(
        &mut self,
        together: &Together,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_count("steps", together.steps.len(), STEPS_TOGETHER_MAX)?;
        if together.steps.is_empty() {
            return Err(no_command());
        }
        let (mut next, mut part, mut applied) = (self.clone(), Changes::default(), Applied::default());
        for step in &together.steps {
            let command = command_of(step).ok_or_else(no_command)?;
            let made = next.dispatch(Some(&command), at, &mut part)?;
            if let Some(refusal) = made.refused.first() {
                let detail = format!("{}: {}", refusal.id, refusal.reason);
                return Err(Rejection::Conflict { detail });
            }
            applied.created.extend(made.created);
            applied.updated.extend(made.updated);
            applied.unchanged.extend(made.unchanged);
            applied.deleted.extend(made.deleted);
            applied.deleted_count += made.deleted_count;
        }
        *self = next;
        changes.append(part);
        Ok(applied)
    }
}

/// A step as a command of its own.
pub(crate) fn command_of(step: &Step) -> Option<Command> {
    Some(match step.change.as_ref()? {
        step::Change::Smd(command) => Command::Smd(command.clone()),
        step::Change::CloudInit(command) => Command::CloudInit(command.clone()),
    })
}
