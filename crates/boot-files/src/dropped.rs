//! Files that an administrator put into the folder by hand: served by this member alone, never a byte from outside.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Sha256;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use crate::digests::{Digests, Version};

/// The kernel asks to try again when a rename races with the look-up; this often it is believed.
const RACES_MAX: usize = 16;

/// The folder; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dropped {
    path: PathBuf,
    folder: Arc<OwnedFd>,
    digests: Digests,
}

/// A file of the folder, open.
#[derive(Debug)]
pub(crate) struct DroppedFile {
    pub(crate) file: File,
    /// What the disk said of it when it was opened.
    pub(crate) meta: Metadata,
    /// Which version of the file it is.
    pub(crate) version: Version,
    /// Its content's SHA-256, if it has been computed.
    pub(crate) sha256: Option<Sha256>,
}

impl Dropped {
    /// Opens the folder; it is held open, so that replacing it needs a restart.
    ///
    /// # Errors
    /// It is no folder, cannot be read, or the kernel has no `openat2` (Linux 5.6).
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = nix::fcntl::open(path, flags, Mode::empty())?;
        let dropped = Self {
            path: path.to_owned(),
            folder: Arc::new(folder),
            digests: Digests::default(),
        };
        match dropped.look_up(Path::new(".")) {
            Err(Errno::ENOSYS) => Err(io::Error::other(
                "openat2 is missing; Linux 5.6 or later is needed",
            )),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(dropped),
        }
    }

    /// The file of a relative path; `None` when there is none that may be served.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn file(&self, name: &str) -> io::Result<Option<DroppedFile>> {
        if is_hidden(name) {
            return Ok(None);
        }
        let opened = match self.look_up(Path::new(name)) {
            Ok(opened) => File::from(opened),
            Err(errno) if is_absent(errno) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let meta = opened.metadata()?;
        if !meta.is_file() {
            return Ok(None);
        }
        let version = Version::of(&meta);
        Ok(Some(DroppedFile {
            sha256: self.digests.get(&version),
            meta,
            version,
            file: opened,
        }))
    }

    /// Looks through the folder and hashes what has not changed since the look before.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn scan(&self) -> io::Result<()> {
        self.digests.scan(&self.path, |name| self.file(name))
    }

    /// The kernel itself refuses `..`, absolute symlinks and anything else that would leave the folder.
    fn look_up(&self, path: &Path) -> nix::Result<OwnedFd> {
        // Without O_NONBLOCK a FIFO in the folder would hold the thread.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        for _ in 1..RACES_MAX {
            match openat2(&*self.folder, path, how) {
                Err(Errno::EAGAIN) => {}
                other => return other,
            }
        }
        openat2(&*self.folder, path, how)
    }
}

/// Whether a part of the path begins with a dot: such files are the administrator's own, or this member's contents.
fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.'))
}

/// To a stranger a link out of the folder (EXDEV) is as good as nothing there.
fn is_absent(errno: Errno) -> bool {
    use Errno::{EACCES, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENXIO, EXDEV};
    [ENOENT, ENOTDIR, EXDEV, ELOOP, EACCES, ENAMETOOLONG, ENXIO, EINVAL].contains(&errno)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, Dropped) {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("files");
        std::fs::create_dir_all(folder.join("images")).unwrap();
        std::fs::create_dir(folder.join(crate::CONTENT_FOLDER)).unwrap();
        std::fs::write(folder.join(crate::CONTENT_FOLDER).join("partial-1-0"), "half").unwrap();
        std::fs::write(folder.join("vmlinuz"), "kernel").unwrap();
        std::fs::create_dir(folder.join("images/.old")).unwrap();
        for hidden in [".secret", "images/.key", "images/.old/vmlinuz"] {
            std::fs::write(folder.join(hidden), "hidden").unwrap();
        }
        std::fs::write(parent.path().join("secret"), "secret").unwrap();
        symlink("vmlinuz", folder.join("kernel")).unwrap();
        symlink("../secret", folder.join("out")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        nix::unistd::mkfifo(&folder.join("fifo"), Mode::S_IRWXU).unwrap();
        let dropped = Dropped::open(&folder).unwrap();
        (parent, dropped)
    }

    #[test]
    fn nothing_but_files_of_the_folder_is_opened() {
        let (_parent, dropped) = folder();
        for name in ["vmlinuz", "kernel"] {
            let found = dropped.file(name).unwrap().unwrap();
            assert_eq!(io::read_to_string(found.file).unwrap(), "kernel");
        }
        let long = "a".repeat(300);
        let refused = [
            "",
            ".",
            "..",
            "../secret",
            "/etc/passwd",
            "out",
            "up/secret",
            "up/files/vmlinuz",
            "loop",
            "fifo",
            "images",
            "vmlinuz/x",
            "nothing",
            "a\0b",
            long.as_str(),
            ".content/partial-1-0",
            ".content",
            ".secret",
            "images/.key",
            "images/.old/vmlinuz",
        ];
        for name in refused {
            assert!(matches!(dropped.file(name), Ok(None)), "{name:?}");
        }
    }

    /// The second look hashes: a file that is still being copied changes between two looks.
    #[test]
    fn a_file_has_its_digest_after_two_looks_and_loses_it_when_it_changes() {
        let (parent, dropped) = folder();
        let sha256 = |name: &str| dropped.file(name).unwrap().unwrap().sha256;
        dropped.scan().unwrap();
        assert_eq!(sha256("vmlinuz"), None);
        dropped.scan().unwrap();
        let digest = sha256("vmlinuz").unwrap().to_string();
        assert_eq!(
            digest,
            "6923dd1bc0460082c5d55a831908c24a282860b7f1cd6c2b79cf1bc8857c639c"
        );
        assert_eq!(sha256("kernel"), sha256("vmlinuz"), "a link is the file");
        let before = dropped.file("vmlinuz").unwrap().unwrap().version;
        std::fs::write(parent.path().join("files/vmlinuz"), "newker").unwrap();
        let after = dropped.file("vmlinuz").unwrap().unwrap();
        assert_ne!(after.version, before, "even of the same length");
        assert_eq!(after.sha256, None);
    }
}
