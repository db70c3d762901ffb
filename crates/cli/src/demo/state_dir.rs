//! The directory of one demo: named by the user and kept, or temporary and removed.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::mkdtemp;

use crate::error::{CliError, Kind};

/// It holds an administrator's token.
const OWNER_ONLY: u32 = 0o700;

/// Where everything of a demo is written. A temporary one is removed when this is dropped, unless `keep`
/// was called.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    temporary: bool,
}

impl StateDir {
    /// Makes `named`, which must be new or empty, or a temporary directory.
    pub(crate) fn make(named: Option<&Path>) -> Result<Self, CliError> {
        let Some(path) = named else {
            return Self::temporary_in(&std::env::temp_dir());
        };
        let cannot = |error| CliError::other(&format!("cannot use the directory {}", path.display()), error);
        DirBuilder::new()
            .recursive(true)
            .mode(OWNER_ONLY)
            .create(path)
            .map_err(cannot)?;
        if std::fs::read_dir(path).map_err(cannot)?.next().is_some() {
            let text = format!("{} is not empty", path.display());
            return Err(CliError::new(Kind::Usage, text).with_remedy("Name a new or empty --state-dir."));
        }
        Ok(Self {
            path: path.canonicalize().map_err(cannot)?,
            temporary: false,
        })
    }

    /// Makes a temporary directory below `parent`.
    pub(crate) fn temporary_in(parent: &Path) -> Result<Self, CliError> {
        let path = mkdtemp(&parent.join("chamois-demo-XXXXXX"))
            .map_err(|e| CliError::other("cannot make a temporary directory", e))?;
        Ok(Self {
            path,
            temporary: true,
        })
    }

    /// Its absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it where it is, to be looked at.
    pub(crate) fn keep(mut self) -> PathBuf {
        self.temporary = false;
        self.path.clone()
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, dir = %self.path.display(), "could not remove the demo's directory");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The demo must never mix its data with somebody's files.
    #[test]
    fn a_directory_that_is_not_empty_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine"), "").unwrap();
        let error = StateDir::make(Some(dir.path())).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(dir.path().join("mine").exists());
    }

    /// Tokens and keys lie in it.
    #[test]
    fn only_the_owner_may_look_into_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        for made in [
            StateDir::make(None).unwrap(),
            StateDir::make(Some(&dir.path().join("new"))).unwrap(),
        ] {
            let mode = std::fs::metadata(made.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, OWNER_ONLY, "{}", made.path().display());
        }
    }

    #[test]
    fn a_named_directory_stays_and_a_temporary_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        let named = dir.path().join("new/deeper");
        drop(StateDir::make(Some(&named)).unwrap());
        assert!(named.is_dir());
        let temporary = StateDir::make(None).unwrap();
        let path = temporary.path().to_owned();
        drop(temporary);
        assert!(!path.exists());
        let kept = StateDir::make(None).unwrap().keep();
        assert!(kept.is_dir());
        std::fs::remove_dir_all(kept).unwrap();
    }
}
