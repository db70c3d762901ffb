//! What would be replaced: files as they are beside files as they are to be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::index::Version;
use super::present::Present;
use super::{ApplyError, FileSet, Rendered};
use crate::file::revision_of;

/// What becomes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// There was none.
    Created,
    /// It says something else.
    Changed,
    /// The set has it no more.
    Removed,
}

/// One file that is to change.
pub struct Change {
    /// Where it is.
    pub destination: PathBuf,
    /// What becomes of it.
    pub kind: ChangeKind,
    pub(crate) present: Option<Present>,
    /// As it is to be; `None` for one that is removed.
    pub(crate) wanted: Option<Wanted>,
}

/// A file as it is to be.
pub(crate) struct Wanted {
    /// Where it is staged.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A file of the set as it will be after the plan.
pub(crate) struct Place {
    pub(crate) destination: PathBuf,
    /// Its path as its program is used to, where it is staged.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All changes of a set.
pub struct Plan {
    /// Revision of the state that the files are made of.
    pub revision: u64,
    /// Files that change, by destination.
    pub changes: Vec<Change>,
    /// All files of the set, those that stay as they are, too.
    pub(crate) places: Vec<Place>,
    /// Whether there are secrets in the files as they are to be.
    pub secret: bool,
    /// Whether nobody may see what changes: there are secrets in the files as they are to be, or in those before.
    pub(crate) hidden: bool,
}

impl Plan {
    /// Compares what is to be with what is there. Only files that say something else change: a new revision in the header alone
    /// is no change.
    ///
    /// # Errors
    /// A destination that is not to be replaced: a link, or a file that this program has not written, unless `adopt`.
    pub(crate) fn of(
        set: &FileSet,
        rendered: &Rendered,
        last: Option<&Version>,
        adopt: bool,
    ) -> Result<Plan, ApplyError> {
        let (mut changes, mut places) = (Vec::new(), Vec::new());
        for file in &rendered.files {
            let destination = set.destination(&file.path, rendered.files.len())?;
            let present = Present::at(&destination, set.folder())?;
            let said = present.as_ref().map(Present::text);
            let text = match said {
                Some(said) if file.says(&said) => said.into_owned(),
                _ => {
                    let text = file.text(rendered.revision);
                    let change = change(&destination, present, Some(wanted(&file.path, &text)));
                    changes.push(refuse_foreign(change, last, adopt)?);
                    text
                }
            };
            places.push(Place::new(destination, &file.path, text));
        }
        let mut plan = Plan {
            revision: rendered.revision,
            changes,
            places,
            secret: rendered.secret,
            hidden: rendered.secret || had_secrets(last),
        };
        plan.remove_others(set, last)?;
        Ok(plan)
    }

    /// All files as if they were in place: to be checked, and not to be put anywhere.
    pub(crate) fn unplaced(set: &FileSet, rendered: &Rendered) -> Result<Plan, ApplyError> {
        let place = |file: &crate::File| {
            let destination = set.destination(&file.path, rendered.files.len())?;
            Ok(Place::new(destination, &file.path, file.text(rendered.revision)))
        };
        Ok(Plan {
            revision: rendered.revision,
            changes: Vec::new(),
            places: rendered
                .files
                .iter()
                .map(place)
                .collect::<Result<_, ApplyError>>()?,
            secret: rendered.secret,
            hidden: rendered.secret,
        })
    }

    /// Makes the files what they were in a version, to the byte.
    ///
    /// # Errors
    /// As [`Plan::of`], where what is there is none of ours.
    pub(crate) fn back_to(
        set: &FileSet,
        version: &Version,
        texts: Vec<String>,
        last: Option<&Version>,
    ) -> Result<Plan, ApplyError> {
        let (mut changes, mut places) = (Vec::new(), Vec::new());
        for (file, text) in version.files.iter().zip(texts) {
            let present = Present::at(&file.destination, set.folder())?;
            if present.as_ref().map(|present| present.bytes.as_slice()) != Some(text.as_bytes()) {
                let change = change(&file.destination, present, Some(wanted(&file.path, &text)));
                changes.push(refuse_foreign(change, last, false)?);
            }
            places.push(Place::new(file.destination.clone(), &file.path, text));
        }
        let mut plan = Plan {
            revision: version.revision,
            changes,
            places,
            secret: version.secret,
            hidden: version.secret || had_secrets(last),
        };
        plan.remove_others(set, last)?;
        Ok(plan)
    }

    /// Files of the version before that are none of these, and are still ours.
    fn remove_others(&mut self, set: &FileSet, last: Option<&Version>) -> Result<(), ApplyError> {
        let stay: BTreeSet<&Path> = self
            .places
            .iter()
            .map(|place| place.destination.as_path())
            .collect();
        let gone = last.into_iter().flat_map(|last| &last.files);
        let gone: BTreeSet<PathBuf> = gone
            .map(|file| file.destination.clone())
            .filter(|destination| !stay.contains(destination.as_path()))
            // the configuration names another place now: what is there is nobody's business any more
            .filter(|destination| destination.starts_with(set.folder()))
            .collect();
        for destination in gone {
            let present = Present::at(&destination, set.folder())?;
            if present
                .as_ref()
                .is_some_and(|present| is_ours(&destination, present, last))
            {
                self.changes.push(change(&destination, present, None));
            }
        }
        Ok(())
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Place {
    fn new(destination: PathBuf, path: &str, text: String) -> Place {
        Place {
            destination,
            path: path.to_owned(),
            text,
        }
    }
}

fn had_secrets(last: Option<&Version>) -> bool {
    last.is_some_and(|last| last.secret)
}

fn wanted(path: &str, text: &str) -> Wanted {
    Wanted {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn change(destination: &Path, present: Option<Present>, wanted: Option<Wanted>) -> Change {
    let kind = match (&present, &wanted) {
        (_, None) => ChangeKind::Removed,
        (None, Some(_)) => ChangeKind::Created,
        (Some(_), Some(_)) => ChangeKind::Changed,
    };
    Change {
        destination: destination.to_owned(),
        kind,
        present,
        wanted,
    }
}

fn refuse_foreign(change: Change, last: Option<&Version>, adopt: bool) -> Result<Change, ApplyError> {
    match &change.present {
        Some(present) if !adopt && !is_ours(&change.destination, present, last) => Err(ApplyError::refused(
            &change.destination,
            "the file there was not written by this program; `chamois configure diff` shows what would change, and \
             `chamois configure apply --adopt` replaces it and keeps it as revision 0",
        )),
        _ => Ok(change),
    }
}

/// Whether a file was written by this program: it has the header, or is to the byte what was written last (JSON has no place for a
/// header).
pub(crate) fn is_ours(destination: &Path, present: &Present, last: Option<&Version>) -> bool {
    revision_of(&present.text()).is_some() || last.is_some_and(|last| last.wrote(destination, &present.bytes))
}
