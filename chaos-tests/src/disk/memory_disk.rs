//! A disk in memory that records every call, for crash images.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft::wal::{Disk, DiskFile};

use super::crash_image::{Image, apply, rename};
use super::operation::{FileId, Operation};

/// The disk; clones share it. Directories exist as soon as they are named.
#[derive(Clone)]
pub struct MemoryDisk(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    names: BTreeMap<PathBuf, FileId>,
    files: HashMap<FileId, Vec<u8>>,
    locked: BTreeSet<PathBuf>,
    recorded: Vec<Operation>,
    next_file: FileId,
    syncs: bool,
    next_sync_fails: bool,
}

impl MemoryDisk {
    /// A disk that holds `image`, all of it durable, and keeps its promises.
    pub fn new(image: &Image) -> MemoryDisk {
        let mut contents = Contents {
            syncs: true,
            ..Contents::default()
        };
        for (path, bytes) in &image.files {
            contents.next_file += 1;
            contents.names.insert(path.clone(), contents.next_file);
            contents.files.insert(contents.next_file, bytes.clone());
        }
        MemoryDisk(Arc::new(Mutex::new(contents)))
    }

    /// The same, but every sync answers without having done anything.
    pub fn without_syncs(image: &Image) -> MemoryDisk {
        let disk = MemoryDisk::new(image);
        disk.contents().syncs = false;
        disk
    }

    /// The disk as the next process sees it when the one that did `operations`, from `start` on, was
    /// killed: nothing is lost, and nothing more is durable than before.
    pub fn after_kill(start: &Image, operations: &[Operation]) -> MemoryDisk {
        let disk = MemoryDisk::new(start);
        let mut contents = disk.contents();
        for operation in operations {
            match operation {
                Operation::Write { file, .. } | Operation::SetLength { file, .. } => {
                    apply(contents.files.entry(*file).or_default(), operation, usize::MAX);
                }
                Operation::Create { file, .. } => {
                    rename(&mut contents.names, operation, None);
                    contents.files.insert(*file, Vec::new());
                    contents.next_file = contents.next_file.max(*file);
                }
                other => {
                    rename(&mut contents.names, other, None);
                }
            }
        }
        contents.recorded = operations.to_vec();
        drop(contents);
        disk
    }

    /// Makes the next sync of a file fail, as a drive with a bad block does: once, and for good.
    pub fn fail_next_sync(&self) {
        self.contents().next_sync_fails = true;
    }

    /// Adds a remark to what is recorded.
    pub fn remark(&self, remark: Operation) {
        self.contents().recorded.push(remark);
    }

    /// Everything done so far.
    pub fn recorded(&self) -> Vec<Operation> {
        self.contents().recorded.clone()
    }

    /// What a reader sees now: the disk after a clean stop.
    pub fn image(&self) -> Image {
        let contents = self.contents();
        let files = contents
            .names
            .iter()
            .map(|(path, file)| (path.clone(), contents.files[file].clone()));
        Image {
            files: files.collect(),
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, file: FileId) -> Arc<dyn DiskFile> {
        Arc::new(MemoryFile {
            disk: self.clone(),
            file,
        })
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let contents = self.contents();
        let names = contents.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(names
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut contents = self.contents();
        if contents.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        contents.next_file += 1;
        let file = contents.next_file;
        contents.names.insert(path.to_path_buf(), file);
        contents.files.insert(file, Vec::new());
        contents.recorded.push(Operation::Create {
            path: path.to_path_buf(),
            file,
        });
        drop(contents);
        Ok(self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.contents().names.get(path).copied();
        file.map(|file| self.file(file))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut contents = self.contents();
        contents.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        contents.recorded.push(Operation::Unlink {
            path: path.to_path_buf(),
        });
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut contents = self.contents();
        if contents.syncs {
            contents.recorded.push(Operation::SyncDir {
                dir: dir.to_path_buf(),
            });
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        if !self.contents().locked.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(HeldLock {
            disk: self.clone(),
            path: path.to_path_buf(),
        }))
    }
}

struct HeldLock {
    disk: MemoryDisk,
    path: PathBuf,
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        self.disk.contents().locked.remove(&self.path);
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    file: FileId,
}

impl DiskFile for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.contents().files[&self.file].len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let contents = self.disk.contents();
        let bytes = &contents.files[&self.file];
        let start = offset as usize;
        let part = bytes
            .get(start..start + into.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(part);
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut contents = self.disk.contents();
        let bytes = contents.files.entry(self.file).or_default();
        let end = offset as usize + data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(data);
        contents.recorded.push(Operation::Write {
            file: self.file,
            offset,
            data: data.to_vec(),
        });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut contents = self.disk.contents();
        if std::mem::take(&mut contents.next_sync_fails) {
            contents.recorded.push(Operation::FailedSync { file: self.file });
            return Err(io::Error::other("the drive reports an error"));
        }
        if contents.syncs {
            contents.recorded.push(Operation::SyncFile { file: self.file });
        }
        Ok(())
    }

    fn preallocate(&self, length: u64) -> io::Result<()> {
        let mut contents = self.disk.contents();
        let bytes = contents.files.entry(self.file).or_default();
        if (bytes.len() as u64) < length {
            bytes.resize(length as usize, 0);
            contents.recorded.push(Operation::SetLength {
                file: self.file,
                length,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A killed process loses nothing that it wrote, and makes nothing durable.
    #[test]
    fn the_next_process_sees_what_a_killed_one_wrote() {
        let disk = MemoryDisk::new(&Image::default());
        let file = disk.create(Path::new("/dir/a")).unwrap();
        file.preallocate(10).unwrap();
        file.write_at(b"abc", 2).unwrap();
        disk.create(Path::new("/dir/b")).unwrap();
        disk.unlink(Path::new("/dir/b")).unwrap();
        let recorded = disk.recorded();
        let next = MemoryDisk::after_kill(&Image::default(), &recorded);
        assert_eq!(next.image(), disk.image());
        assert_eq!(next.image().files[Path::new("/dir/a")], b"\0\0abc\0\0\0\0\0");
        assert_eq!(next.recorded().len(), recorded.len());
        next.create(Path::new("/dir/c"))
            .unwrap()
            .write_at(b"c", 0)
            .unwrap();
        assert_eq!(
            next.image().files[Path::new("/dir/c")],
            b"c",
            "a new file is a file of its own"
        );
    }

    #[test]
    fn it_answers_as_a_disk_does() {
        let disk = MemoryDisk::new(&Image::default());
        let missing = disk.open(Path::new("/dir/a")).err().unwrap();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let file = disk.create(Path::new("/dir/a")).unwrap();
        let twice = disk.create(Path::new("/dir/a")).err().unwrap();
        assert_eq!(twice.kind(), io::ErrorKind::AlreadyExists);
        file.write_at(b"abc", 0).unwrap();
        let short = file.read_at(&mut [0; 4], 0).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        let lock = disk.lock(Path::new("/dir/lock")).unwrap();
        assert_eq!(
            disk.lock(Path::new("/dir/lock")).err().unwrap().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(lock);
        disk.lock(Path::new("/dir/lock")).unwrap();
        disk.fail_next_sync();
        assert!(file.sync_data().is_err());
        assert!(file.sync_data().is_ok());
    }
}
