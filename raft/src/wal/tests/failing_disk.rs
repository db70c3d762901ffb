//! A disk that works until told otherwise, then answers one kind of call with an error.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use crate::wal::{Disk, DiskFile, RealDisk};

/// The calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Write,
    SyncData,
    SyncDir,
    Unlink,
    Preallocate,
}

/// [`RealDisk`] with a fuse.
#[derive(Clone)]
pub(super) struct FailingDisk(Arc<Fuse>);

struct Fuse {
    call: Call,
    error: io::ErrorKind,
    calls_left: AtomicI64,
    failures: AtomicU32,
}

impl FailingDisk {
    /// Fails the call after `calls_left` good ones, once: a disk that seems to have recovered is
    /// the harder case, because a retry would then look like success.
    pub(super) fn new(call: Call, error: io::ErrorKind, calls_left: i64) -> FailingDisk {
        FailingDisk(Arc::new(Fuse {
            call,
            error,
            calls_left: AtomicI64::new(calls_left),
            failures: AtomicU32::new(0),
        }))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.0.failures.load(Ordering::SeqCst) > 0
    }

    fn check(&self, call: Call) -> io::Result<()> {
        if call == self.0.call && self.0.calls_left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.0.failures.fetch_add(1, Ordering::SeqCst);
            return Err(self.0.error.into());
        }
        Ok(())
    }

    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FailingFile {
            disk: self.clone(),
            file,
        })
    }
}

impl Disk for FailingDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.check(Call::Create)?;
        Ok(self.wrap(RealDisk.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(RealDisk.open(path)?))
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.check(Call::Unlink)?;
        RealDisk.unlink(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.check(Call::SyncDir)?;
        RealDisk.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        RealDisk.lock(path)
    }
}

struct FailingFile {
    disk: FailingDisk,
    file: Arc<dyn DiskFile>,
}

impl DiskFile for FailingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(into, offset)
    }
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.disk.check(Call::Write)?;
        self.file.write_at(data, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.disk.check(Call::SyncData)?;
        self.file.sync_data()
    }
    fn preallocate(&self, length: u64) -> io::Result<()> {
        self.disk.check(Call::Preallocate)?;
        self.file.preallocate(length)
    }
}
