//! Why a log did not open, and why an open one stopped.

use std::io;
use std::path::{Path, PathBuf};

/// Why [`super::Wal::open`] gave no log. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused a call that opening needs.
    #[error("could not {step} in the log directory {}", dir.display())]
    Io {
        /// What was tried: "list the segments".
        step: &'static str,
        /// The log's directory.
        dir: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Another process has this log open.
    #[error("the log in {} is in use by another process; stop that process first", dir.display())]
    InUse {
        /// The log's directory.
        dir: PathBuf,
    },
    /// What this member acknowledged (entries, or its vote) is missing or altered. No power cut
    /// does that to a disk that keeps its promises, so it is never repaired by guessing.
    #[error(
        "the log in {} is damaged before its acknowledged end ({file}, byte {offset}: {what}). \
         This member may have promised what it no longer knows, so it must not come back under its id: \
         check the disk, move the data directory aside, remove the member from the cluster and let it \
         join again under a new id",
        dir.display()
    )]
    Damaged {
        /// The log's directory.
        dir: PathBuf,
        /// Name of the damaged file.
        file: String,
        /// Where in the file reading stopped, bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
}

impl OpenError {
    /// For `map_err`: wraps a system error with the step that failed.
    pub(super) fn io(step: &'static str, dir: &Path) -> impl FnOnce(io::Error) -> OpenError {
        let dir = dir.to_path_buf();
        move |source| OpenError::Io { step, dir, source }
    }
}

/// The first error of an open log, kept so that every later call fails with it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    kind: io::ErrorKind,
    text: String,
}

impl Failure {
    pub(super) fn new(step: &str, source: &io::Error) -> Failure {
        let to_do = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on it",
            _ => "check the disk",
        };
        Failure {
            kind: source.kind(),
            text: format!("the log stopped: could not {step}: {source}; {to_do}"),
        }
    }

    /// The caller broke the log's rules (a gap between entries, say): as final as a disk error,
    /// because memory and log no longer agree.
    pub(super) fn misuse(problem: &str) -> Failure {
        Failure {
            kind: io::ErrorKind::InvalidInput,
            text: format!("the log stopped: {problem}"),
        }
    }

    /// The storage thread is gone, which only a panic of a completion callback can cause.
    pub(super) fn thread_gone() -> Failure {
        Failure {
            kind: io::ErrorKind::BrokenPipe,
            text: "the log stopped: its storage thread ended".into(),
        }
    }

    pub(super) fn to_error(&self) -> io::Error {
        io::Error::new(self.kind, self.text.clone())
    }
}
