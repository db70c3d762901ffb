//! The way back: files as they were in a version that is kept.

use super::plan::Plan;
use super::run::{Applied, Commit};
use super::state_dir::Locked;
use super::{ApplyError, FileSet};

/// Makes the files of a set what they were in the version `to`, without it in the one before the current one, to the byte. They are
/// checked, replaced and reloaded as by an apply. The set stays so, whatever changes, until an apply releases it.
///
/// # Errors
/// No such version; otherwise as an apply.
pub fn roll_back(set: &FileSet, to: Option<&str>, state: &Locked<'_>) -> Result<Applied, ApplyError> {
    let mut index = state.index(&set.name)?;
    let found = match to {
        Some(id) => index.named(id),
        None => index.before_current(),
    };
    let version = found.cloned().ok_or_else(|| ApplyError::NotFound {
        what: "revision",
        name: to.unwrap_or("one before the current one").to_owned(),
        there_are: index.names(),
    })?;
    let texts = state.texts(&set.name, &version)?;
    let plan = Plan::back_to(set, &version, texts, index.written().as_ref())?;
    let commit = Commit {
        set,
        plan,
        back_to: Some(&version.id),
        state,
    };
    commit.run(&mut index)
}
