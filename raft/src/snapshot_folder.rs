//! The folder of the snapshot files: which one counts, what is kept, what is moved out of the way.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::snapshot_file::{ReadError, SnapshotFile};
use crate::type_config::SnapshotMeta;

/// Snapshot files kept: the newest, and the one before in case the newest rots.
const FILES_KEPT: usize = 2;

/// `snap-<index of the last entry, 20 digits>`: names sort as indexes do.
pub(crate) fn file_name(meta: &SnapshotMeta) -> String {
    format!("snap-{:020}", meta.last_log_id.map_or(0, |id| id.index))
}

/// Gives a finished file its final name, durably.
pub(crate) fn adopt(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    let folder = to
        .parent()
        .ok_or_else(|| io::Error::other("a snapshot file needs a folder"))?;
    File::open(folder)?.sync_all()
}

/// The newest snapshot in `folder` that can be used, and what `read` makes of it. What a crash left unfinished is removed.
/// A damaged file is renamed to
/// `<name>.damaged`, with a warning, and the one before is used.
///
/// # Errors
/// A file that cannot be read or that a newer version wrote: it may be the only copy of what the log no longer
/// has, so it stays and the member must not start without it.
pub(crate) fn newest<T>(
    folder: &Path,
    read: impl Fn(&Path) -> Result<T, ReadError>,
) -> io::Result<Option<(SnapshotFile, T)>> {
    for path in paths(folder, |name| {
        name.ends_with(".tmp") || name.ends_with(".incoming")
    })? {
        fs::remove_file(&path)?;
    }
    let mut names = paths(folder, is_finished)?;
    while let Some(path) = names.pop() {
        match read(&path) {
            Ok(found) => return Ok(Some((SnapshotFile::open(path)?, found))),
            Err(error @ ReadError::Damaged(_)) => set_aside(folder, &path, &error)?,
            Err(error @ (ReadError::Io(_) | ReadError::Newer(_))) => {
                let error = io::Error::from(error);
                let text = format!("{}: {error}", path.display());
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Ok(None)
}

/// Keeps a damaged file for whoever looks into it, and no older one: they are large.
fn set_aside(folder: &Path, path: &Path, error: &ReadError) -> io::Result<()> {
    for older in paths(folder, |name| name.ends_with(".damaged"))? {
        fs::remove_file(&older)?;
    }
    let aside = path.with_extension("damaged");
    tracing::warn!(path = %aside.display(), %error, "set aside; the snapshot before it or the log is used");
    adopt(path, &aside)
}

/// When the newest file was written, and its bytes; for monitoring.
pub(crate) fn newest_file(folder: &Path) -> Option<(Option<SystemTime>, u64)> {
    let newest = fs::metadata(paths(folder, is_finished).ok()?.pop()?).ok()?;
    Some((newest.modified().ok(), newest.len()))
}

/// Removes all but the newest files.
pub(crate) fn remove_older(folder: &Path) -> io::Result<()> {
    for path in paths(folder, is_finished)?.into_iter().rev().skip(FILES_KEPT) {
        fs::remove_file(&path)?;
    }
    Ok(())
}

fn is_finished(name: &str) -> bool {
    name.starts_with("snap-") && !name.contains('.')
}

/// Sorted by name.
fn paths(folder: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().and_then(|n| n.to_str()).is_some_and(&wanted) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot_file::{check, write};
    use crate::snapshot_file_test::{meta, state_at};

    fn names(folder: &Path) -> Vec<String> {
        let paths = paths(folder, |_| true).unwrap();
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        paths.iter().map(name).collect()
    }

    fn snap(index: u64) -> String {
        file_name(&meta(index))
    }

    /// What a crash left half-written goes; what rotted stays for a look, once, and the one before is used.
    #[test]
    fn a_damaged_newest_file_gives_way_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        for index in [5, 7, 9] {
            write(folder.path(), &meta(index), &state_at(index)).unwrap();
        }
        for index in [7, 9] {
            fs::write(folder.path().join(snap(index)), b"CHMSNAP1 torn").unwrap();
        }
        fs::write(folder.path().join("snap-1.tmp"), b"half").unwrap();
        fs::write(folder.path().join("from-2-0.incoming"), b"half").unwrap();
        let (_, found) = newest(folder.path(), check).unwrap().expect("the oldest one");
        assert_eq!(found, meta(5));
        assert_eq!(names(folder.path()), [snap(5), format!("{}.damaged", snap(7))]);
    }

    /// After a downgrade the newest file is the state; the one before may lie below the log.
    #[test]
    fn a_file_of_a_newer_version_stops_the_start_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &meta(5), &state_at(5)).unwrap();
        write(folder.path(), &meta(9), &state_at(9)).unwrap();
        let path = folder.path().join(snap(9));
        let mut bytes = fs::read(&path).unwrap();
        bytes[7] = b'2';
        fs::write(&path, bytes).unwrap();
        let error = newest(folder.path(), check).unwrap_err().to_string();
        assert!(error.contains("upgrade") && error.contains(&snap(9)), "{error}");
        assert_eq!(names(folder.path()), [snap(5), snap(9)]);
    }

    /// A disk that stutters once must not cost the state. A folder cannot be read as a file: `EISDIR`.
    #[test]
    fn a_file_that_cannot_be_read_stops_the_start_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &meta(5), &state_at(5)).unwrap();
        fs::create_dir(folder.path().join(snap(9))).unwrap();
        let error = newest(folder.path(), check).unwrap_err().to_string();
        assert!(
            error.contains("cannot be read") && error.contains(&snap(9)),
            "{error}"
        );
        assert_eq!(names(folder.path()), [snap(5), snap(9)]);
    }

    #[test]
    fn the_newest_two_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for index in [5, 10, 20] {
            write(folder.path(), &meta(index), &state_at(index)).unwrap();
        }
        remove_older(folder.path()).unwrap();
        assert_eq!(names(folder.path()), [snap(10), snap(20)]);
    }
}
