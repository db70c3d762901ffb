//! Bytes on their way to becoming a content: written, hashed, synced, and only then given their name.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use model::Sha256;
use tokio::runtime::Handle;

use crate::contents::{Contents, Reserved};
use crate::hashing::Hashing;

/// After this many bytes the disk is told to write them and asked for its room: a single sync of gigabytes would
/// make the log of this member wait.
const SYNC_BYTES: u64 = 64 << 20;

/// A content in the making; dropped before it is finished, it leaves nothing behind a moment later.
pub(crate) struct Incoming {
    contents: Contents,
    path: PathBuf,
    file: File,
    hashing: Hashing,
    /// Bytes written.
    size: u64,
    /// Of these, told to the disk.
    synced: u64,
    /// Room for them, and for what is announced.
    reserved: Reserved,
    /// Whether there is a partial file to remove.
    is_partial: bool,
}

impl Incoming {
    pub(crate) fn create(contents: Contents, path: PathBuf, reserved: Reserved) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Self {
            contents,
            path,
            file,
            hashing: Hashing::new(),
            size: 0,
            synced: 0,
            reserved,
            is_partial: true,
        })
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// The disk's; `QuotaExceeded` for more than was announced and boot files may take.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let unannounced = (self.size + bytes.len() as u64).saturating_sub(self.reserved.bytes());
        if unannounced > 0 {
            self.reserved.grow(unannounced)?;
        }
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
            self.is_partial = false;
        }
        let size = self.size;
        self.discard();
        Ok((sha256, size, right))
    }

    /// Leaves nothing behind, at once: waits for the disk.
    pub(crate) fn discard(mut self) {
        if std::mem::take(&mut self.is_partial) {
            remove(&self.path);
        }
    }
}

/// Whoever gives up on an upload does so anywhere; the disk is asked where that delays nobody.
impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_partial {
            return;
        }
        let path = std::mem::take(&mut self.path);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove(&path))),
            Err(_) => remove(&path),
        }
    }
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "could not remove a partial file");
        }
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Room;

    #[test]
    fn a_content_that_is_not_the_one_expected_is_thrown_away() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let mut incoming = contents.begin(3).unwrap();
        incoming.write(b"ab").unwrap();
        incoming.write(b"c").unwrap();
        assert_eq!(incoming.size(), 3);
        let (sha256, size, right) = incoming.finish(|_, size| size == 4).unwrap();
        assert!(!right && size == 3);
        assert!(!contents.has(&sha256, 3));
        let left = || {
            std::fs::read_dir(dir.path().join(crate::CONTENT_FOLDER))
                .unwrap()
                .count()
        };
        assert_eq!(left(), 0);
    }

    /// A call that is given up is dropped on a thread that serves others, and must not hold it.
    #[test]
    fn a_partial_file_is_removed_where_that_delays_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let left = || {
            std::fs::read_dir(dir.path().join(crate::CONTENT_FOLDER))
                .unwrap()
                .count()
        };
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            contents.begin(3).unwrap().discard();
            assert_eq!(left(), 0);
            let (free, busy) = std::sync::mpsc::channel::<()>();
            let disk = tokio::task::spawn_blocking(move || busy.recv());
            drop(contents.begin(3).unwrap());
            assert_eq!(left(), 1, "the disk's thread is busy");
            drop(free);
            let _ended = disk.await.unwrap();
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            assert_eq!(left(), 0, "next in its queue");
        });
    }
}
