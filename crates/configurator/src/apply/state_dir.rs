//! The folder in which versions of files are kept, and the lock on all that is written.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::index::{Index, Version};
use super::{ApplyError, Plan};

/// How long another process is waited for, and how often it is looked at.
const LOCK_AT_MOST: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// `state-dir` of the configuration.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Versions that are kept of each set.
    keep: usize,
}

/// The same while nobody else writes.
#[derive(Debug)]
pub struct Locked<'a> {
    dir: &'a StateDir,
    _lock: Flock<File>,
}

impl StateDir {
    /// Nothing is made yet. `keep` versions of each set stay, at least one.
    pub fn new(path: impl Into<PathBuf>, keep: usize) -> StateDir {
        StateDir {
            path: path.into(),
            keep: keep.max(1),
        }
    }

    /// Waits until nobody else writes.
    ///
    /// # Errors
    /// [`ApplyError::Locked`] after ten seconds.
    pub fn lock(&self) -> Result<Locked<'_>, ApplyError> {
        self.lock_within(LOCK_AT_MOST)
    }

    fn lock_within(&self, at_most: Duration) -> Result<Locked<'_>, ApplyError> {
        private_folder(&self.path)?;
        let path = self.path.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(ApplyError::io("open", &path))?;
        let began = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => {
                    return Ok(Locked {
                        dir: self,
                        _lock: lock,
                    });
                }
                Err((back, Errno::EWOULDBLOCK)) if began.elapsed() < at_most => file = back,
                Err((_, Errno::EWOULDBLOCK)) => {
                    return Err(ApplyError::Locked {
                        dir: self.path.clone(),
                    });
                }
                Err((_, errno)) => return Err(ApplyError::io("lock", &path)(errno.into())),
            }
            std::thread::sleep(LOCK_PAUSE);
        }
    }

    /// The versions of a set, the oldest first, and the name of the one in place.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn versions(&self, set: &str) -> Result<(Vec<Version>, Option<String>), ApplyError> {
        let index = self.index(set)?;
        Ok((index.versions, index.current))
    }

    /// Whether a set was rolled back and stays so.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn is_held(&self, set: &str) -> Result<bool, ApplyError> {
        Ok(self.index(set)?.held)
    }

    pub(crate) fn index(&self, set: &str) -> Result<Index, ApplyError> {
        let path = self.index_path(set);
        match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| ApplyError::io("read", &path)(error.into()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Index::default()),
            Err(error) => Err(ApplyError::io("read", &path)(error)),
        }
    }

    fn set_dir(&self, set: &str) -> PathBuf {
        self.path.join("sets").join(set)
    }

    fn index_path(&self, set: &str) -> PathBuf {
        self.set_dir(set).join("index.json")
    }

    fn version_dir(&self, set: &str, id: &str) -> PathBuf {
        self.set_dir(set).join("revisions").join(id)
    }
}

impl Locked<'_> {
    pub(crate) fn index(&self, set: &str) -> Result<Index, ApplyError> {
        self.dir.index(set)
    }

    pub(crate) fn write_index(&self, set: &str, index: &Index) -> Result<(), ApplyError> {
        let folder = self.dir.set_dir(set);
        private_folder(&folder)?;
        let (path, new) = (self.dir.index_path(set), folder.join("index.new"));
        let bytes =
            serde_json::to_vec(index).map_err(|error| ApplyError::io("write", &path)(error.into()))?;
        write_private(&new, &bytes)?;
        std::fs::rename(&new, &path).map_err(ApplyError::io("write", &path))?;
        sync_folder(&folder)
    }

    /// Keeps the files of a version before they are put in their place; they are on the disk when this returns. Those that were in the version before, too, are the same
    /// files of the disk.
    pub(crate) fn keep(
        &self,
        set: &str,
        version: &Version,
        plan: &Plan,
        last: Option<&Version>,
    ) -> Result<(), ApplyError> {
        let texts = plan.places.iter().map(|place| place.text.as_bytes());
        self.keep_texts(set, version, texts, last)
    }

    pub(crate) fn keep_texts<'a>(
        &self,
        set: &str,
        version: &Version,
        texts: impl Iterator<Item = &'a [u8]>,
        last: Option<&Version>,
    ) -> Result<(), ApplyError> {
        let folder = self.dir.version_dir(set, &version.id);
        // of a process that was killed before it was in the index
        let _ = std::fs::remove_dir_all(&folder);
        private_folder(&folder)?;
        for (number, (file, text)) in version.files.iter().zip(texts).enumerate() {
            let path = folder.join(number.to_string());
            let same = last.and_then(|last| {
                let at = last.files.iter().position(|old| old == file)?;
                Some(self.dir.version_dir(set, &last.id).join(at.to_string()))
            });
            let linked = same.is_some_and(|same| std::fs::hard_link(same, &path).is_ok());
            if !linked {
                write_private(&path, text)?;
            }
        }
        // and the folders it is in, which may be new, too
        let state = self.dir.path.as_path();
        let mut folders = folder.ancestors().take_while(|above| above.starts_with(state));
        folders.try_for_each(sync_folder)
    }

    /// The texts of a version.
    ///
    /// # Errors
    /// A copy that is not whole.
    pub(crate) fn texts(&self, set: &str, version: &Version) -> Result<Vec<String>, ApplyError> {
        let folder = self.dir.version_dir(set, &version.id);
        let read = |(number, file): (usize, &super::index::KeptFile)| {
            let path = folder.join(number.to_string());
            let bytes = std::fs::read(&path).map_err(ApplyError::io("read", &path))?;
            if !file.is(&bytes) {
                return Err(ApplyError::refused(
                    &path,
                    "the copy is not what was kept, and is not used",
                ));
            }
            String::from_utf8(bytes).map_err(|_| ApplyError::refused(&path, "the copy is no text"))
        };
        version.files.iter().enumerate().map(read).collect()
    }

    /// Forgets versions. What cannot be removed takes room, and nothing else.
    pub(crate) fn forget(&self, set: &str, ids: &[String]) {
        for id in ids {
            let _ = std::fs::remove_dir_all(self.dir.version_dir(set, id));
        }
    }

    pub(crate) fn keeps(&self) -> usize {
        self.dir.keep
    }
}

/// There may be secrets in files.
fn private_folder(path: &Path) -> Result<(), ApplyError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(path)
        .map_err(ApplyError::io("make the folder", path))
}

/// On the disk when this returns.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), ApplyError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(ApplyError::io("write", path))
}

/// What was made or renamed in it is so after a loss of power, too.
fn sync_folder(path: &Path) -> Result<(), ApplyError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(ApplyError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The watch and an administrator's apply may come at the same time.
    #[test]
    fn only_one_writes_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"), 3);
        let locked = state.lock().unwrap();
        let refused = state.lock_within(Duration::from_millis(50)).unwrap_err();
        assert!(matches!(refused, ApplyError::Locked { .. }), "{refused}");
        drop(locked);
        state.lock_within(Duration::from_millis(50)).unwrap();
    }

    #[test]
    fn a_set_that_was_never_applied_has_no_versions() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path(), 3);
        assert_eq!(state.versions("hosts").unwrap(), (Vec::new(), None));
        assert!(!state.is_held("hosts").unwrap());
    }

    #[test]
    fn an_index_that_is_no_json_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path(), 3);
        std::fs::create_dir_all(dir.path().join("sets/hosts")).unwrap();
        std::fs::write(dir.path().join("sets/hosts/index.json"), "{").unwrap();
        let refused = state.versions("hosts").unwrap_err().to_string();
        assert!(refused.contains("index.json"), "{refused}");
    }
}
