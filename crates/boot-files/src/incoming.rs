//! Bytes on their way to becoming a content: written, hashed, synced, and only then given their name.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use model::Sha256;

use crate::contents::Contents;
use crate::hashing::Hashing;

/// After this many bytes the disk is told to write them and asked for its room: a single sync of gigabytes would
/// make the log of this member wait.
const SYNC_BYTES: u64 = 64 << 20;

/// A content in the making; dropped before it is finished, it leaves nothing behind.
pub(crate) struct Incoming {
    contents: Contents,
    path: PathBuf,
    file: File,
    hashing: Hashing,
    /// Bytes written.
    size: u64,
    /// Of these, told to the disk.
    synced: u64,
}

impl Incoming {
    pub(crate) fn create(contents: Contents, path: PathBuf) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Self {
            contents,
            path,
            file,
            hashing: Hashing::new(),
            size: 0,
            synced: 0,
        })
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hashing.update(bytes);
        self.size += bytes.len() as u64;
        if self.size - self.synced >= SYNC_BYTES {
            self.file.sync_data()?;
            self.synced = self.size;
            self.contents.check_room(0)?;
        }
        Ok(())
    }

    /// Makes a content of what was written if `is_right` says so of its SHA-256 and size; the last value is what it
    /// said.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn finish(
        mut self,
        is_right: impl FnOnce(&Sha256, u64) -> bool,
    ) -> io::Result<(Sha256, u64, bool)> {
        let sha256 = std::mem::replace(&mut self.hashing, Hashing::new()).finish();
        let right = is_right(&sha256, self.size);
        if right {
            self.file.sync_all()?;
            self.contents.publish(&self.path, sha256, self.size)?;
        }
        Ok((sha256, self.size, right))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After `publish` there is nothing of that name.
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "could not remove a partial file");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_that_is_not_the_one_expected_is_thrown_away() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, 0).unwrap();
        let mut incoming = contents.begin(3).unwrap();
        incoming.write(b"ab").unwrap();
        incoming.write(b"c").unwrap();
        assert_eq!(incoming.size(), 3);
        let (sha256, size, right) = incoming.finish(|_, size| size == 4).unwrap();
        assert!(!right && size == 3);
        assert!(!contents.has(&sha256, 3));
        let left = std::fs::read_dir(dir.path().join(crate::CONTENT_FOLDER))
            .unwrap()
            .count();
        assert_eq!(left, 0);
    }
}
