//! What a process did to its files, in the order it did it.

use std::path::{Path, PathBuf};

/// Names one file through renames and removals.
pub type FileId = u64;

/// One call that changes files or makes a change durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new, empty file.
    Create {
        /// Its name.
        path: PathBuf,
        /// The file.
        file: FileId,
    },
    /// Bytes written.
    Write {
        /// Into which file.
        file: FileId,
        /// From which byte on.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// The file's length set, by preallocation or truncation.
    SetLength {
        /// Of which file.
        file: FileId,
        /// Bytes.
        length: u64,
    },
    /// A name moved, replacing what had the new one.
    Rename {
        /// The old name.
        from: PathBuf,
        /// The new one.
        to: PathBuf,
    },
    /// A name removed.
    Unlink {
        /// The name.
        path: PathBuf,
    },
    /// The file's bytes and length made durable.
    SyncFile {
        /// Which file.
        file: FileId,
    },
    /// A sync that failed: the kernel reports it once, keeps showing the bytes and never writes them.
    FailedSync {
        /// Which file.
        file: FileId,
    },
    /// The names in a directory made durable.
    SyncDir {
        /// Which directory.
        dir: PathBuf,
    },
    /// A remark of the test: so many commands were given to the log.
    Issued(u64),
    /// A remark of the test: so many commands were acknowledged.
    Acknowledged(u64),
}

impl Operation {
    /// The directory whose names it changes.
    pub fn changed_dir(&self) -> Option<&Path> {
        match self {
            Operation::Create { path, .. } | Operation::Unlink { path } => path.parent(),
            Operation::Rename { to, .. } => to.parent(),
            _ => None,
        }
    }
}
