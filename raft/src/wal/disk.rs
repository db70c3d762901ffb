//! The seam between the log and the machine: what the log asks of a disk, and nothing more.
//!
//! The log's promises rest on the words below. A test replaces them by a disk that records every
//! call (crash images), whose sync does nothing, or that answers EIO or ENOSPC.

use std::io;
use std::path::Path;
use std::sync::Arc;

/// A directory tree that survives power cuts as far as it is told to.
///
/// Names are durable only after [`Disk::sync_dir`] of their directory, bytes only after
/// [`DiskFile::sync_data`] of their file; until then any part of them may be lost.
pub trait Disk: Send + Sync {
    /// Creates `dir` and its missing parents; succeeds if it exists. Syncs nothing.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names (not paths) of the files in `dir`, in no particular order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates an empty file for reading and writing; `AlreadyExists` if there is one.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a name. Open files stay readable.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the exclusive lock named `path`, held until the result is dropped; `WouldBlock` if
    /// another process (or another log of this one) has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// One open file. Concurrent reads are allowed; the log has one writer.
pub trait DiskFile: Send + Sync {
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Fills `into` from `offset`; `UnexpectedEof` if the file ends before.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `data` at `offset`, growing the file if it ends before.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// Makes bytes and length durable (fdatasync). After an error the file's content is unknown:
    /// the kernel may have dropped the pages, so a second call proves nothing.
    fn sync_data(&self) -> io::Result<()>;
    /// Reserves room and grows the file to `length` bytes of zeros. `StorageFull` if there is no
    /// room; a file system that cannot reserve is no error.
    fn preallocate(&self, length: u64) -> io::Result<()>;
}
