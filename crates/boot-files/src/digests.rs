//! The SHA-256 of hand-dropped files: computed once per version in the background, so that their ETag is the same on
//! every member that has the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Sha256;

use crate::dropped::DroppedFile;
use crate::hashing;

/// Files that are hashed; the others are served with a weak ETag.
const FILES_MAX: usize = 10_000;
/// Folders below folders that are looked into.
const DEPTH_MAX: usize = 16;

/// What tells one version of a file from another on this member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// Text for a weak ETag.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = self.modified;
        write!(f, "{:x}-{:x}-{seconds:x}-{nanoseconds:x}", self.inode, self.size)
    }
}

/// What is known; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Versions that the last look saw.
    seen: BTreeSet<Version>,
    /// Of these, the digests.
    digests: BTreeMap<Version, Sha256>,
}

impl Digests {
    pub(crate) fn get(&self, version: &Version) -> Option<Sha256> {
        self.known().digests.get(version).copied()
    }

    /// Hashes every file below `folder` whose version the look before has seen too: one that is being written right
    /// now changes its version between two looks. Forgets what is gone.
    ///
    /// # Errors
    /// `folder` cannot be read. A file that cannot be read is left out.
    pub(crate) fn scan(
        &self,
        folder: &Path,
        open: impl Fn(&str) -> io::Result<Option<DroppedFile>>,
    ) -> io::Result<()> {
        let mut now = BTreeSet::new();
        for name in names_below(folder)? {
            let Ok(Some(found)) = open(&name) else { continue };
            let version = found.version;
            let settled = self.known().seen.contains(&version);
            if now.insert(version) && settled && self.get(&version).is_none() {
                self.hash(&name, &found);
            }
        }
        let mut known = self.known();
        known.digests.retain(|version, _| now.contains(version));
        known.seen = now;
        Ok(())
    }

    fn hash(&self, name: &str, found: &DroppedFile) {
        let hashed = hashing::of_file(&found.file, found.meta.len());
        let after = found.file.metadata().map(|meta| Version::of(&meta));
        match (hashed, after) {
            (Ok(sha256), Ok(after)) if after == found.version => {
                tracing::debug!(name, %sha256, "hashed");
                self.known().digests.insert(after, sha256);
            }
            (Ok(_), Ok(_)) => {} // it changed meanwhile; the look after the next one hashes it
            (Err(error), _) | (_, Err(error)) => tracing::debug!(name, %error, "could not be hashed"),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Relative paths of what is in `folder`, hidden ones left out; at most [`FILES_MAX`].
fn names_below(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders = vec![(PathBuf::new(), 0)];
    while let Some((below, depth)) = folders.pop() {
        let entries = match std::fs::read_dir(folder.join(&below)) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error),
            Err(_) => continue, // gone, or not for us: not served either
        };
        for entry in entries.flatten() {
            let Some(name) = below.join(entry.file_name()).to_str().map(str::to_owned) else {
                continue;
            };
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_hidden && depth < DEPTH_MAX => {
                    folders.push((name.into(), depth + 1))
                }
                Ok(kind) if !kind.is_dir() && !is_hidden && names.len() < FILES_MAX => names.push(name),
                Ok(_) | Err(_) => {}
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_below_is_found_and_nothing_hidden() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b/c", "b/d/e", ".content/x", "b/.f/g", ".h", "b/.i"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let mut names = names_below(dir.path()).unwrap();
        names.sort();
        assert_eq!(names, ["a", "b/c", "b/d/e"]);
        assert!(names_below(&dir.path().join("nothing")).is_err());
    }

    /// A link to a folder above would make the walk endless.
    #[test]
    fn links_to_folders_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a/up")).unwrap();
        assert_eq!(names_below(dir.path()).unwrap(), ["a/up"]);
    }
}
