//! Staged files into their place: all of them, or none.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::plan::Change;
use super::present::Present;
use super::stage::{Stage, make_folder};
use super::{ApplyError, FileSet, Plan};

/// Files that have been replaced and can be had back, as long as the stage is there.
pub(crate) struct Replaced {
    steps: Vec<Step>,
}

/// One file that was replaced.
struct Step {
    destination: PathBuf,
    /// The file before, if there was one.
    old: Option<PathBuf>,
}

impl Replaced {
    /// Replaces the files, each by a rename: a reader sees the old file or the new one, whole.
    ///
    /// # Errors
    /// Everything is as it was then, or [`ApplyError::HalfDone`] says what is not.
    pub(crate) fn all(set: &FileSet, plan: &Plan, stage: &Stage) -> Result<Replaced, ApplyError> {
        for change in &plan.changes {
            let now = Present::at(&change.destination, set.folder())?;
            if now != change.present {
                let problem = "it was changed by somebody else meanwhile; nothing was changed";
                return Err(ApplyError::refused(&change.destination, problem));
            }
        }
        let mut replaced = Replaced { steps: Vec::new() };
        for (number, change) in plan.changes.iter().enumerate() {
            match replaced.one(change, stage, number) {
                Ok(()) => {}
                Err(error) => return Err(replaced.undo(error)),
            }
        }
        match sync_folders(&plan.changes) {
            Ok(()) => Ok(replaced),
            Err(error) => Err(replaced.undo(error)),
        }
    }

    fn one(&mut self, change: &Change, stage: &Stage, number: usize) -> Result<(), ApplyError> {
        let destination = &change.destination;
        let old = match &change.present {
            Some(present) => Some(keep(
                destination,
                present,
                &stage.old_dir().join(number.to_string()),
            )?),
            None => None,
        };
        match &change.wanted {
            Some(wanted) => {
                if let Some(folder) = destination.parent() {
                    make_folder(folder)?;
                }
                let staged = stage.new_dir().join(&wanted.path);
                std::fs::rename(&staged, destination).map_err(ApplyError::io("replace", destination))?;
            }
            None => std::fs::remove_file(destination).map_err(ApplyError::io("remove", destination))?,
        }
        self.steps.push(Step {
            destination: destination.clone(),
            old,
        });
        Ok(())
    }

    /// Puts everything back, the newest first; the error to give.
    pub(crate) fn undo(self, error: ApplyError) -> ApplyError {
        let mut left = Vec::new();
        for step in self.steps.into_iter().rev() {
            let restored = match &step.old {
                Some(old) => std::fs::rename(old, &step.destination),
                None => std::fs::remove_file(&step.destination),
            };
            if restored.is_err() {
                left.push(step.destination);
            }
        }
        match left.is_empty() {
            true => error,
            false => ApplyError::HalfDone {
                paths: left,
                source: Box::new(error),
            },
        }
    }
}

/// A second name for the file that is replaced, or a copy where the file system has no such thing.
fn keep(destination: &Path, present: &Present, old: &Path) -> Result<PathBuf, ApplyError> {
    let kept = std::fs::hard_link(destination, old).or_else(|_| {
        std::fs::write(old, &present.bytes)?;
        // with its mode: this is what would be put back
        std::fs::set_permissions(old, std::fs::metadata(destination)?.permissions())
    });
    kept.map_err(ApplyError::io("keep", destination))?;
    Ok(old.to_owned())
}

/// What was renamed is so after a loss of power, too.
fn sync_folders(changes: &[Change]) -> Result<(), ApplyError> {
    let folders: BTreeSet<&Path> = changes
        .iter()
        .filter_map(|change| change.destination.parent())
        .collect();
    for folder in folders {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(ApplyError::io("write", folder))?;
    }
    Ok(())
}
