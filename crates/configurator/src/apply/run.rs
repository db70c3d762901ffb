//! One set of files, from rendered to in place and read.

#[cfg(test)]
mod killed;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::index::{Index, KeptFile, Version};
use super::plan::{Change, ChangeKind, Plan, is_ours};
use super::replace::Replaced;
use super::stage::Stage;
use super::state_dir::{Locked, StateDir};
use super::{ApplyError, FileSet, Rendered, diff};

/// How files are applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Files that this program has not written are replaced, too, and kept as revision 0.
    pub adopt: bool,
    /// A set that was rolled back is applied again; without it stays as it is.
    pub release: bool,
}

/// What became of a set.
#[derive(Debug)]
pub struct Applied {
    /// The set.
    pub set: String,
    /// Revision of the state that it was made of.
    pub revision: u64,
    /// What was done.
    pub outcome: Outcome,
    /// The files that changed.
    pub changes: Vec<Changed>,
    /// For people: what was not checked.
    pub notes: Vec<String>,
    /// Whether the reload hook was run, and succeeded.
    pub reloaded: bool,
    /// What failed after the files were in their place.
    pub problem: Option<ApplyError>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All files say already what they are to say.
    Unchanged,
    /// Files were replaced.
    Replaced,
    /// The set was rolled back and is left as it is.
    Held,
}

/// A file that was changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// Where it is.
    pub destination: PathBuf,
    /// What became of it.
    pub kind: ChangeKind,
    /// Lines that were added.
    pub added: usize,
    /// Lines that were taken away.
    pub removed: usize,
}

/// What would change; nothing is written.
///
/// # Errors
/// A destination that is not to be replaced.
pub fn plan(set: &FileSet, rendered: &Rendered, state: &StateDir, adopt: bool) -> Result<Plan, ApplyError> {
    let written = state.index(&set.name)?.written();
    Plan::of(set, rendered, written.as_ref(), adopt)
}

/// Checks the files by the programs that read them, in a temporary folder; what could not be checked.
///
/// # Errors
/// What a checker does not accept.
pub fn check(set: &FileSet, rendered: &Rendered) -> Result<Vec<String>, ApplyError> {
    let plan = Plan::unplaced(set, rendered)?;
    let stage = Stage::of(set, &plan, &std::env::temp_dir())?;
    super::check::all(set, &plan, &stage.new_dir())
}

/// Puts the files in their place, if they say something else than those that are there: staged, checked, all or none. Then the
/// reload hook is run; one that was due and has not succeeded is run even if nothing has changed since.
///
/// # Errors
/// Nothing was changed then, unless it is [`ApplyError::HalfDone`]. A hook that fails is [`Applied::problem`].
pub fn apply(
    set: &FileSet,
    rendered: &Rendered,
    state: &Locked<'_>,
    wish: Wish,
) -> Result<Applied, ApplyError> {
    let mut index = state.index(&set.name)?;
    if index.held && !wish.release {
        return Ok(Applied::new(set, rendered.revision, Outcome::Held));
    }
    let plan = Plan::of(set, rendered, index.written().as_ref(), wish.adopt)?;
    let back_to = None;
    let commit = Commit {
        set,
        plan,
        back_to,
        state,
    };
    commit.run(&mut index)
}

/// A plan that is carried out.
pub(crate) struct Commit<'a> {
    pub(crate) set: &'a FileSet,
    pub(crate) plan: Plan,
    /// The version that the files are of, if they are of one that is kept: the set is held then.
    pub(crate) back_to: Option<&'a str>,
    pub(crate) state: &'a Locked<'a>,
}

impl Commit<'_> {
    /// Carries it out.
    pub(crate) fn run(&self, index: &mut Index) -> Result<Applied, ApplyError> {
        let outcome = match self.plan.is_empty() {
            true => Outcome::Unchanged,
            false => Outcome::Replaced,
        };
        let mut applied = Applied::new(self.set, self.plan.revision, outcome);
        if outcome == Outcome::Replaced {
            applied.notes = self.replace(index)?;
            let changes = self.plan.changes.iter();
            applied.changes = changes.map(|change| changed(change, self.plan.hidden)).collect();
        } else {
            self.note(index)?;
        }
        self.reload(index, &mut applied)?;
        Ok(applied)
    }

    fn replace(&self, index: &mut Index) -> Result<Vec<String>, ApplyError> {
        let stage = Stage::of(self.set, &self.plan, self.set.folder())?;
        let notes = super::check::all(self.set, &self.plan, &stage.new_dir())?;
        let before = index.clone();
        self.announce(index)?;
        let replaced = Replaced::all(self.set, &self.plan, &stage);
        let replaced = replaced.inspect_err(|error| self.call_off(&before, index, error))?;
        match self.settle(index) {
            Ok(()) => Ok(notes),
            Err(error) => {
                let error = replaced.undo(error);
                self.call_off(&before, index, &error);
                Err(error)
            }
        }
    }

    /// Writes down what is about to happen, before anything is replaced: whoever is killed half way owes the hook, knows which files
    /// are ours, and can have back what was there before.
    fn announce(&self, index: &mut Index) -> Result<(), ApplyError> {
        let before = index.clone();
        self.keep_foreign(index)?;
        index.reload_pending |= self.set.reload.is_some();
        index.replacing = Some(self.planned(index));
        let written = self.state.write_index(&self.set.name, index);
        written.inspect_err(|_| self.forget_new(&before, index))
    }

    /// Nothing is replaced, so nothing was announced. Where files could not be put back it stays: what was there before is wanted then.
    fn call_off(&self, before: &Index, index: &Index, error: &ApplyError) {
        if matches!(error, ApplyError::HalfDone { .. }) {
            return;
        }
        // an index that says too much does no harm: a hook that is not due, a version that is in place anyway
        if self.state.write_index(&self.set.name, before).is_ok() {
            self.forget_new(before, index);
        }
    }

    /// Forgets the versions that were not there before.
    fn forget_new(&self, before: &Index, index: &Index) {
        let versions = index.versions.iter().map(|version| &version.id);
        let new: Vec<String> = versions
            .filter(|id| before.named(id).is_none())
            .cloned()
            .collect();
        self.state.forget(&self.set.name, &new);
    }

    /// Remembers what is in place now.
    fn settle(&self, index: &mut Index) -> Result<(), ApplyError> {
        let old = match self.back_to {
            Some(id) => {
                index.current = Some(id.to_owned());
                Vec::new()
            }
            None => self.remember(index)?,
        };
        index.held = self.back_to.is_some();
        index.replacing = None;
        self.state.write_index(&self.set.name, index)?;
        // not before: an index that names what is gone could bring none of it back
        self.state.forget(&self.set.name, &old);
        Ok(())
    }

    /// The same where no file had to be replaced: they were there already, the configuration has moved them, or a set is held or
    /// released.
    fn note(&self, index: &mut Index) -> Result<(), ApplyError> {
        let known = match self.back_to {
            Some(id) => index.current.as_deref() == Some(id),
            None => self.is_current(index),
        };
        match known {
            false => self.settle(index),
            true if index.held != self.back_to.is_some() || index.replacing.is_some() => {
                index.held = self.back_to.is_some();
                index.replacing = None;
                self.state.write_index(&self.set.name, index)
            }
            true => Ok(()),
        }
    }

    /// Before a file is replaced that this program has not written, the whole set is kept as it is: whoever goes back to that wants
    /// the files beside it, too.
    fn keep_foreign(&self, index: &mut Index) -> Result<(), ApplyError> {
        let written = index.written();
        let last = written.as_ref();
        // an adoption that was killed has kept it: what it has replaced since is no file of before
        let half_adopted = index.half_adopted();
        let is_unkept = |change: &Change| {
            let present = change.present.as_ref();
            present.is_some_and(|present| {
                !is_ours(&change.destination, present, last)
                    && !half_adopted.is_some_and(|kept| kept.wrote(&change.destination, &present.bytes))
            })
        };
        if !self.plan.changes.iter().any(is_unkept) {
            return Ok(());
        }
        let (mut files, mut texts) = (Vec::new(), Vec::new());
        for (destination, path, bytes) in self.present_files(last) {
            if std::str::from_utf8(bytes).is_err() {
                let problem = "the file there is no UTF-8 text and could not be had back; move it away";
                return Err(ApplyError::refused(destination, problem));
            }
            files.push(KeptFile::new(destination, path, bytes));
            texts.push(bytes);
        }
        let version = Self::version(index.new_id(0), 0, self.plan.hidden, files);
        self.state
            .keep_texts(&self.set.name, &version, texts.into_iter(), None)?;
        index.versions.push(version);
        Ok(())
    }

    /// The files of the set that are there now, with their staged paths: those that change, stay, or go.
    fn present_files<'a>(&'a self, last: Option<&'a Version>) -> Vec<(&'a Path, &'a str, &'a [u8])> {
        let mut files: Vec<(&Path, &str, &[u8])> = Vec::new();
        for place in &self.plan.places {
            let mut changes = self.plan.changes.iter();
            let bytes = match changes.find(|change| change.destination == place.destination) {
                Some(change) => change.present.as_ref().map(|present| present.bytes.as_slice()),
                None => Some(place.text.as_bytes()),
            };
            if let Some(bytes) = bytes {
                files.push((&place.destination, &place.path, bytes));
            }
        }
        for change in self.plan.changes.iter().filter(|change| change.wanted.is_none()) {
            let mut known = last.into_iter().flat_map(|last| &last.files);
            let known = known.find(|file| file.destination == change.destination);
            let (Some(present), Some(file)) = (&change.present, known) else {
                continue;
            };
            // two cannot be staged under one path: the configuration has moved this file, and the version before has it
            if files.iter().all(|(_, path, _)| *path != file.path) {
                files.push((&change.destination, &file.path, &present.bytes));
            }
        }
        files
    }

    /// Keeps the files of the plan as the current version; the names of those that are not kept any more.
    fn remember(&self, index: &mut Index) -> Result<Vec<String>, ApplyError> {
        let version = self.planned(index);
        self.state
            .keep(&self.set.name, &version, &self.plan, index.current())?;
        Ok(index.add(version, self.state.keeps()))
    }

    /// The files of the plan as a version.
    fn planned(&self, index: &Index) -> Version {
        let files = self.plan.places.iter();
        let files = files.map(|place| KeptFile::new(&place.destination, &place.path, place.text.as_bytes()));
        Self::version(
            index.new_id(self.plan.revision),
            self.plan.revision,
            self.plan.secret,
            files.collect(),
        )
    }

    fn version(id: String, revision: u64, secret: bool, files: Vec<KeptFile>) -> Version {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Version {
            id,
            revision,
            at_s: since_epoch.map_or(0, |since| since.as_secs()),
            secret,
            files,
        }
    }

    /// Whether the current version has the files of the plan.
    fn is_current(&self, index: &Index) -> bool {
        let planned = self.plan.places.iter().map(|place| &place.destination);
        index
            .current()
            .is_some_and(|version| version.files.iter().map(|file| &file.destination).eq(planned))
    }

    fn reload(&self, index: &mut Index, applied: &mut Applied) -> Result<(), ApplyError> {
        let Some(reload) = self.set.reload.as_ref().filter(|_| index.reload_pending) else {
            return Ok(());
        };
        let changed: Vec<String> = applied
            .changes
            .iter()
            .map(|change| change.destination.display().to_string())
            .collect();
        let (changed, revision) = (changed.join("\n"), applied.revision.to_string());
        let environment = [
            ("CHAMOIS_FILE_SET", self.set.name.as_str()),
            ("CHAMOIS_REVISION", &revision),
            ("CHAMOIS_CHANGED", &changed),
        ];
        match reload.run(&[], &environment) {
            Ok(()) => {
                applied.reloaded = true;
                index.reload_pending = false;
                self.state.write_index(&self.set.name, index)
            }
            Err(problem) => {
                applied.problem = Some(ApplyError::Reload {
                    program: reload.program().to_owned(),
                    problem,
                });
                Ok(())
            }
        }
    }
}

impl Applied {
    fn new(set: &FileSet, revision: u64, outcome: Outcome) -> Applied {
        Applied {
            set: set.name.clone(),
            revision,
            outcome,
            changes: Vec::new(),
            notes: Vec::new(),
            reloaded: false,
            problem: None,
        }
    }
}

fn changed(change: &Change, hidden: bool) -> Changed {
    // how many lines a file with secrets has is nobody's business either
    let (added, removed) = if hidden { (0, 0) } else { diff::counts(change) };
    Changed {
        destination: change.destination.clone(),
        kind: change.kind,
        added,
        removed,
    }
}
