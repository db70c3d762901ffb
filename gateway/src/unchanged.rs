//! Whether an open file is still the version that it was: an answer is of one version, or it breaks.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;

/// What the disk said of a file when an answer about it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unchanged {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    links: u64,
}

impl Unchanged {
    pub(crate) fn since(seen: &Metadata) -> Self {
        Self {
            size: seen.size(),
            modified: (seen.mtime(), seen.mtime_nsec()),
            changed: (seen.ctime(), seen.ctime_nsec()),
            links: seen.nlink(),
        }
    }

    /// Looks again. A file that was deleted, or replaced by renaming another one over it, has lost a name and changed
    /// by that alone: its bytes are what they were.
    ///
    /// # Errors
    /// Somebody has written to the file, or may have: the time of writing can be set back, that of any change cannot.
    pub(crate) fn check(&mut self, file: &File) -> io::Result<()> {
        let now = Self::since(&file.metadata()?);
        if now.size < self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let is_same = (now.size, now.modified) == (self.size, self.modified);
        if is_same && (now.changed == self.changed || now.links != self.links) {
            *self = now;
            return Ok(());
        }
        Err(io::Error::other("the file was written while it was sent"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::time::{Duration, SystemTime};

    use super::*;

    /// A folder, a file in it that was written an hour ago, and what the disk says of it.
    fn old_file() -> (tempfile::TempDir, std::path::PathBuf, File, Unchanged) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernel");
        std::fs::write(&path, "first version").unwrap();
        let file = File::open(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(hour_ago())).unwrap();
        let seen = Unchanged::since(&file.metadata().unwrap());
        std::thread::sleep(Duration::from_millis(20)); // the clock of a file system ticks up to every 10 ms
        (folder, path, file, seen)
    }

    fn hour_ago() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    #[test]
    fn a_file_that_was_written_is_another_version() {
        let (_folder, path, file, mut seen) = old_file();
        seen.check(&file).unwrap();
        std::fs::write(&path, "later version").unwrap();
        let error = seen.check(&file).unwrap_err();
        assert!(error.to_string().contains("written"), "{error}");
        std::fs::write(&path, "short").unwrap();
        assert_eq!(
            seen.check(&file).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    /// As `rsync --inplace --times` does.
    #[test]
    fn a_time_of_writing_that_was_set_back_hides_nothing() {
        let (_folder, path, file, mut seen) = old_file();
        std::fs::write(&path, "later version").unwrap();
        file.set_times(FileTimes::new().set_modified(hour_ago())).unwrap();
        seen.check(&file).unwrap_err();
    }

    /// The right way to replace a file must break no download of the old one.
    #[test]
    fn a_file_that_was_replaced_or_deleted_goes_on() {
        let (folder, path, file, mut seen) = old_file();
        let new = folder.path().join("new");
        std::fs::write(&new, "later version").unwrap();
        std::fs::rename(new, path).unwrap();
        seen.check(&file).unwrap();
        seen.check(&file).unwrap();
    }
}
