//! The contents on this member's disk: one file per content, named by its SHA-256, in a folder inside the boot files'.
//!
//! A content is visible under its name only when it is complete, checked and on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Sha256;
use tokio::time::Instant;

use crate::incoming::Incoming;

/// The folder of contents inside the folder of boot files. No name under `/files/` begins with a dot.
pub const CONTENT_FOLDER: &str = ".content";
/// How long a content stays that no name of the catalogue needs any more, or none needs yet: an upload that is
/// repeated after a failure finds it, and one that is about to be named does not lose it.
pub const UNNAMED_AT_MOST: Duration = Duration::from_secs(600);

/// The contents; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Contents(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    member: u64,
    free_bytes_min: u64,
    partial: AtomicU64,
    held: Mutex<BTreeMap<Sha256, Held>>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    size: u64,
    /// When it was last named by the catalogue, or asked to be kept.
    wanted: Instant,
}

impl Contents {
    /// Opens the folder, makes it if it is missing, and removes what this member had begun and not completed.
    /// At least `free_bytes_min` stay free on its disk.
    ///
    /// # Errors
    /// It cannot be made, read or written.
    pub(crate) fn open(files_dir: &Path, member: u64, free_bytes_min: u64) -> io::Result<Self> {
        let folder = files_dir.join(CONTENT_FOLDER);
        DirBuilder::new().recursive(true).mode(0o750).create(&folder)?;
        File::open(files_dir)?.sync_all()?;
        let (mut held, now) = (BTreeMap::new(), Instant::now());
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            // The folder may be shared: another member's partial file is that member's.
            if name.starts_with(&partial_prefix(member)) {
                std::fs::remove_file(entry.path())?;
            } else if let Ok(sha256) = name.parse::<Sha256>() {
                let size = entry.metadata()?.len();
                held.insert(sha256, Held { size, wanted: now });
            }
        }
        Ok(Self(Arc::new(Shared {
            folder,
            member,
            free_bytes_min,
            partial: AtomicU64::new(0),
            held: Mutex::new(held),
        })))
    }

    /// Whether the content is here, whole.
    pub(crate) fn has(&self, sha256: &Sha256, size: u64) -> bool {
        self.held().get(sha256).is_some_and(|held| held.size == size)
    }

    /// Those of `asked` that are here.
    pub(crate) fn among(&self, asked: impl Iterator<Item = Sha256>) -> Vec<Sha256> {
        let held = self.held();
        asked.filter(|sha256| held.contains_key(sha256)).collect()
    }

    /// Whether the content is here, and if so keeps it for a while even without a name.
    pub(crate) fn keep(&self, sha256: &Sha256, size: u64) -> bool {
        let mut held = self.held();
        match held.get_mut(sha256) {
            Some(here) if here.size == size => {
                here.wanted = Instant::now();
                true
            }
            Some(_) | None => false,
        }
    }

    /// Opens a content for reading; `None` when it is not here.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn file(&self, sha256: &Sha256) -> io::Result<Option<(File, u64)>> {
        let Some(Held { size, .. }) = self.held().get(sha256).copied() else {
            return Ok(None);
        };
        let forget = |why: &str| {
            tracing::error!(%sha256, "a content is {why}; it is fetched again");
            self.held().remove(sha256);
        };
        match File::open(self.path(sha256)) {
            Ok(file) if file.metadata()?.len() == size => Ok(Some((file, size))),
            Ok(_) => {
                forget("of another length than it was");
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                forget("gone from the disk");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A place for bytes that are to become a content.
    ///
    /// # Errors
    /// The disk's; `StorageFull` when `size` more bytes would leave too little free.
    pub(crate) fn begin(&self, size: u64) -> io::Result<Incoming> {
        self.check_room(size)?;
        let number = self.0.partial.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}", partial_prefix(self.0.member));
        Incoming::create(self.clone(), self.0.folder.join(name))
    }

    /// Whether `more` bytes would leave enough free.
    ///
    /// # Errors
    /// `StorageFull` if not.
    pub(crate) fn check_room(&self, more: u64) -> io::Result<()> {
        let disk = nix::sys::statvfs::statvfs(&self.0.folder)?;
        let free = disk.blocks_available() * disk.fragment_size();
        let usable = free.saturating_sub(self.0.free_bytes_min);
        // An upload of unknown size asks for nothing yet and still needs some.
        if more.max(1) <= usable {
            return Ok(());
        }
        let text = format!(
            "{} of member {} has room for {usable} more bytes ({} stay free); free some, or delete boot files",
            self.0.folder.display(),
            self.0.member,
            self.0.free_bytes_min
        );
        Err(io::Error::new(io::ErrorKind::StorageFull, text))
    }

    /// Gives a complete file, which is on disk, its name.
    pub(crate) fn publish(&self, partial: &Path, sha256: Sha256, size: u64) -> io::Result<()> {
        // Under the lock, so that nothing that was just published is removed as unnamed.
        let mut held = self.held();
        std::fs::rename(partial, self.path(&sha256))?;
        File::open(&self.0.folder)?.sync_all()?;
        let wanted = Instant::now();
        held.insert(sha256, Held { size, wanted });
        Ok(())
    }

    /// Removes the contents that nobody has wanted for [`UNNAMED_AT_MOST`] at `now`; `named` are wanted now. Returns how
    /// many are gone.
    ///
    /// # Errors
    /// The disk's; what could be removed is.
    pub(crate) fn remove_unnamed(&self, named: &BTreeSet<Sha256>, now: Instant) -> io::Result<usize> {
        let mut held = self.held();
        for sha256 in named {
            if let Some(here) = held.get_mut(sha256) {
                here.wanted = now;
            }
        }
        let unwanted = held
            .iter()
            .filter(|(_, here)| now.saturating_duration_since(here.wanted) >= UNNAMED_AT_MOST);
        let unwanted: Vec<Sha256> = unwanted.map(|(sha256, _)| *sha256).collect();
        for sha256 in &unwanted {
            match std::fs::remove_file(self.path(sha256)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => held.remove(sha256),
            };
        }
        Ok(unwanted.len())
    }

    fn path(&self, sha256: &Sha256) -> PathBuf {
        self.0.folder.join(sha256.to_string())
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Sha256, Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn partial_prefix(member: u64) -> String {
    format!("partial-{member}-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(contents: &Contents, bytes: &[u8]) -> Sha256 {
        let mut incoming = contents.begin(bytes.len() as u64).unwrap();
        incoming.write(bytes).unwrap();
        incoming.finish(|_, _| true).unwrap().0
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir.join(CONTENT_FOLDER)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_content_is_there_when_it_is_complete_and_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, 0).unwrap();
        let sha256 = stored(&contents, b"kernel");
        assert_eq!(
            names(dir.path()),
            [sha256.to_string()],
            "and no partial file is left"
        );
        let again = Contents::open(dir.path(), 1, 0).unwrap();
        assert!(again.has(&sha256, 6) && !again.has(&sha256, 7));
        let (file, size) = again.file(&sha256).unwrap().unwrap();
        assert_eq!((io::read_to_string(file).unwrap().as_str(), size), ("kernel", 6));
    }

    /// Half a kernel under a kernel's name would boot nobody.
    #[test]
    fn what_was_begun_and_not_completed_is_never_visible() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, 0).unwrap();
        let mut incoming = contents.begin(6).unwrap();
        incoming.write(b"ker").unwrap();
        assert_eq!(names(dir.path()), ["partial-1-0"]);
        drop(incoming);
        assert!(names(dir.path()).is_empty(), "given up");
        for name in ["partial-1-7", "partial-2-0", "partial-11-0"] {
            std::fs::write(dir.path().join(CONTENT_FOLDER).join(name), "ker").unwrap();
        }
        Contents::open(dir.path(), 1, 0).unwrap();
        assert_eq!(
            names(dir.path()),
            ["partial-11-0", "partial-2-0"],
            "only its own after a crash"
        );
    }

    #[test]
    fn a_content_that_somebody_removed_or_cut_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, 0).unwrap();
        let (cut, gone) = (stored(&contents, b"kernel"), stored(&contents, b"initrd"));
        std::fs::write(contents.path(&cut), "ker").unwrap();
        std::fs::remove_file(contents.path(&gone)).unwrap();
        for sha256 in [cut, gone] {
            assert!(contents.has(&sha256, 6), "not looked at yet");
            assert!(contents.file(&sha256).unwrap().is_none());
            assert!(!contents.has(&sha256, 6));
        }
    }

    /// The log of this member may be on the same disk.
    #[test]
    fn a_disk_is_never_filled() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 3, u64::MAX).unwrap();
        let error = contents.begin(1).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let text = error.to_string();
        assert!(text.contains("member 3 has room for 0 more bytes"), "{text}");
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn unnamed_contents_go_after_the_grace_time_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, 0).unwrap();
        let [named, kept, unnamed] = [&b"a"[..], b"b", b"c"].map(|bytes| stored(&contents, bytes));
        let (catalogue, all_stored) = (BTreeSet::from([named]), Instant::now());
        assert!(contents.keep(&kept, 1), "an upload needs it again");
        assert!(!contents.keep(&kept, 2), "another content");
        assert_eq!(contents.remove_unnamed(&catalogue, all_stored).unwrap(), 0);
        assert_eq!(
            contents
                .remove_unnamed(&catalogue, all_stored + UNNAMED_AT_MOST)
                .unwrap(),
            1
        );
        let here = contents.among([named, kept, unnamed].into_iter());
        assert_eq!(here, [named, kept]);
        let mut expected = [named.to_string(), kept.to_string()];
        expected.sort();
        assert_eq!(names(dir.path()), expected);
    }
}
