//! Why files are not in their place.

use std::path::{Path, PathBuf};

use crate::Error;

/// Why files of a set were not put in their place, or not all that belongs to it was done.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The configuration file says what is not accepted.
    #[error("{}:{line}: {problem}", file.display())]
    Settings {
        /// The configuration file.
        file: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// The key, what is wrong with it, and what is accepted.
        problem: String,
    },
    /// The files could not be made: nothing was changed.
    #[error(transparent)]
    Render(#[from] Error),
    /// What is at a destination is not to be replaced: nothing was changed.
    #[error("{}: {problem}", path.display())]
    Refused {
        /// The destination.
        path: PathBuf,
        /// Why, and what to do about it.
        problem: String,
    },
    /// A checker does not accept the files: nothing was changed.
    #[error("`{program}` does not accept the new files, and nothing was changed: {problem}")]
    Check {
        /// The checker.
        program: String,
        /// What it said.
        problem: String,
    },
    /// The files are in their place, but the program that reads them was not told. The hook is run again by the next apply.
    #[error("the new files are in their place, but the reload hook `{program}` failed: {problem}")]
    Reload {
        /// The hook.
        program: String,
        /// What it said.
        problem: String,
    },
    /// A step failed, and everything is as it was.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A step failed half way, and what was done could not be undone: these files are new, all others are as they were.
    #[error("replaced half of the files, and could not restore {}", shown(paths))]
    HalfDone {
        /// Files that are new.
        paths: Vec<PathBuf>,
        /// Why it stopped.
        source: Box<ApplyError>,
    },
    /// Somebody else writes.
    #[error("another process is writing files of {}; try again", dir.display())]
    Locked {
        /// The state's folder.
        dir: PathBuf,
    },
    /// No such set, or no such version of it.
    #[error("no such {what}: {name}; there are {}", or_none(there_are))]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// The name that was given.
        name: String,
        /// Those that there are, with commas.
        there_are: String,
    },
}

impl ApplyError {
    pub(crate) fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ApplyError {
        move |source| ApplyError::Io {
            step,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn refused(path: &Path, problem: impl Into<String>) -> ApplyError {
        ApplyError::Refused {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

fn shown(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

fn or_none(names: &str) -> &str {
    if names.is_empty() { "none" } else { names }
}
