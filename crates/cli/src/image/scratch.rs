//! Where the parts of an image lie until they are sent: a folder that ends with the command, and never fills its disk.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes that stay free on the disk: it is other programs' too.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Bytes that are written between two looks at the disk.
const LOOK_BYTES: u64 = 16 << 20;

/// A folder in which as much may be written as leaves the disk some room.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    free_bytes_min: u64,
}

/// A file of it.
#[derive(Debug)]
pub(super) struct ScratchFile {
    file: File,
    scratch: Scratch,
    unlooked_bytes: u64,
}

impl Scratch {
    /// In a folder that is there, and that somebody else removes.
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            free_bytes_min: FREE_BYTES_MIN,
        }
    }

    /// A folder within.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn below(&self, name: &str) -> io::Result<Self> {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder)?;
        Ok(Self {
            folder,
            ..self.clone()
        })
    }

    /// Makes a new file, for so many bytes as far as that is known; and gives where it is.
    ///
    /// # Errors
    /// The disk's; `StorageFull` when too little would stay free.
    pub(super) fn create(&self, name: &str, bytes: u64) -> io::Result<(ScratchFile, PathBuf)> {
        self.check_room(bytes)?;
        let path = self.folder.join(name);
        let file = ScratchFile {
            file: File::create_new(&path)?,
            scratch: self.clone(),
            unlooked_bytes: 0,
        };
        Ok((file, path))
    }

    fn check_room(&self, bytes: u64) -> io::Result<()> {
        let disk = nix::sys::statvfs::statvfs(&self.folder)?;
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        if free.saturating_sub(bytes) >= self.free_bytes_min {
            return Ok(());
        }
        let problem = format!(
            "the disk of {} has {free} bytes free, {} of which stay so; name a folder on another one with --work-dir",
            self.folder.display(),
            self.free_bytes_min
        );
        Err(io::Error::new(io::ErrorKind::StorageFull, problem))
    }
}

impl Write for ScratchFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unlooked_bytes >= LOOK_BYTES {
            self.scratch.check_room(bytes.len() as u64)?;
            self.unlooked_bytes = 0;
        }
        let written = self.file.write(bytes)?;
        self.unlooked_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_and_lies_below() {
        let dir = tempfile::tempdir().unwrap();
        let inner = Scratch::in_folder(dir.path()).below("inner").unwrap();
        let (mut file, path) = inner.create("0", 6).unwrap();
        file.write_all(b"kernel").unwrap();
        file.flush().unwrap();
        assert_eq!(path, dir.path().join("inner/0"));
        assert_eq!(std::fs::read(path).unwrap(), b"kernel");
        assert!(inner.create("0", 0).is_err(), "it is there already");
    }

    /// Whoever adds an image must not be the one who fills /tmp: neither by what is announced, nor by what comes.
    #[test]
    fn the_disk_is_never_filled() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::in_folder(dir.path());
        let refused = scratch.create("0", u64::MAX / 2).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(refused.to_string().contains("--work-dir"), "{refused}");
        assert!(!dir.path().join("0").exists());
        let (mut file, _) = scratch.create("1", 0).unwrap();
        file.scratch.free_bytes_min = u64::MAX; // another program has filled it meanwhile
        let piece = vec![0; 1 << 20];
        let written = (0..64).take_while(|_| file.write_all(&piece).is_ok()).count();
        assert_eq!(written as u64, LOOK_BYTES >> 20);
    }
}
