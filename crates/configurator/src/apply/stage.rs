//! Files of a set as they are to be, in a folder beside their destinations: on the same file system, so that one rename puts each in
//! its place, and where the programs that check them find all of them together.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::file_set::STAGE_PREFIX;
use super::plan::{Change, Place};
use super::{ApplyError, FileSet, Plan};

/// Folders that are made for files.
const FOLDER_MODE: u32 = 0o755;
/// Whose process ended half way does not stage any more.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

/// The folder; removed with what is in it when this is dropped.
pub(crate) struct Stage {
    dir: TempDir,
}

impl Stage {
    /// Writes all files of the plan, those that do not change, too; what changes is on the disk when this returns. `folder` is the
    /// set's, or any other for files that are only to be checked.
    pub(crate) fn of(set: &FileSet, plan: &Plan, folder: &Path) -> Result<Stage, ApplyError> {
        make_folder(folder)?;
        remove_abandoned(folder);
        let dir = tempfile::Builder::new().prefix(STAGE_PREFIX).tempdir_in(folder);
        let dir = dir.map_err(ApplyError::io("make a folder in", folder))?;
        let stage = Stage { dir };
        for sub in [stage.new_dir(), stage.old_dir()] {
            std::fs::create_dir(&sub).map_err(ApplyError::io("make", &sub))?;
        }
        for place in &plan.places {
            let change = plan
                .changes
                .iter()
                .find(|change| change.destination == place.destination);
            stage.write(set, place, change, plan.secret)?;
        }
        Ok(stage)
    }

    /// Where the files are as they are to be, each at its own path.
    pub(crate) fn new_dir(&self) -> PathBuf {
        self.dir.path().join("new")
    }

    /// Where the files are put that are replaced.
    pub(crate) fn old_dir(&self) -> PathBuf {
        self.dir.path().join("old")
    }

    fn write(
        &self,
        set: &FileSet,
        place: &Place,
        change: Option<&Change>,
        secret: bool,
    ) -> Result<(), ApplyError> {
        let path = self.new_dir().join(&place.path);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&path).map_err(ApplyError::io("make", &path))?;
        file.write_all(place.text.as_bytes())
            .map_err(ApplyError::io("write", &path))?;
        let Some(change) = change else {
            return Ok(()); // for checkers only: it goes nowhere
        };
        let present = change.present.as_ref();
        if let Some(present) = present {
            keep_owner(&file, present.owner, present.group)
                .map_err(ApplyError::io("keep the owner of", &change.destination))?;
        }
        // after the owner, as a change of it takes bits away
        let mode = set.mode_of(present.map(|present| present.mode), secret);
        file.set_permissions(Permissions::from_mode(mode))
            .and_then(|()| file.sync_all())
            .map_err(ApplyError::io("write", &path))
    }
}

fn keep_owner(file: &File, owner: u32, group: u32) -> std::io::Result<()> {
    let meta = file.metadata()?;
    if (meta.uid(), meta.gid()) == (owner, group) {
        return Ok(());
    }
    fchown(file, Some(owner), Some(group))
}

/// Makes a folder and those it is in, if they are not there.
pub(crate) fn make_folder(path: &Path) -> Result<(), ApplyError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(FOLDER_MODE);
    builder
        .create(path)
        .map_err(ApplyError::io("make the folder", path))
}

/// Removes what a process left that was killed half way. That this fails is no reason not to go on.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let is_ours = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(STAGE_PREFIX);
    for entry in entries.filter_map(Result::ok).filter(is_ours) {
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|at| {
            let age = SystemTime::now().duration_since(at);
            age.unwrap_or_default()
        });
        if age.is_ok_and(|age| age > ABANDONED_AFTER) {
            tracing::info!(folder = %entry.path().display(), "removing what an apply left that was killed");
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
