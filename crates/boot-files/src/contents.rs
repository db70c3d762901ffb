//! The contents on this member's disk: one file per content, named by its SHA-256, in a folder inside the boot files'.
//!
//! A content is visible under its name only when it is complete, checked and on disk. What lies there when the member
//! starts is believed by its length, which the catalogue knows, and read again in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Sha256;
use tokio::time::Instant;

use crate::incoming::Incoming;
use crate::limits::Room;

/// The folder of contents inside the folder of boot files. No name under `/files/` begins with a dot.
pub const CONTENT_FOLDER: &str = ".content";
/// How long a content stays that no name of the catalogue needs any more, or none needs yet: an upload that is
/// repeated after a failure finds it, and one that is about to be named does not lose it.
pub const UNNAMED_AT_MOST: Duration = Duration::from_secs(600);

/// The contents; cheap to clone. What waits for the disk says so; the rest may be asked on Raft's threads.
#[derive(Clone, Debug)]
pub(crate) struct Contents(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    member: u64,
    room: Room,
    partial: AtomicU64,
    /// What is here. Never locked while the disk works.
    held: Mutex<BTreeMap<Sha256, Held>>,
    /// Bytes that are on their way and have their room.
    coming: Mutex<u64>,
    /// Whoever gives a content its name or takes it away has this, on a thread that may wait for the disk.
    changing: Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) size: u64,
    /// When it was last named by the catalogue, or asked to be kept.
    pub(crate) wanted: Instant,
    /// Whether its bytes have been hashed since this member started.
    pub(crate) is_verified: bool,
}

impl Contents {
    /// Opens the folder, makes it if it is missing, and removes what this member had begun and not completed.
    /// They take no more than `room`.
    ///
    /// # Errors
    /// It cannot be made, read or written.
    pub(crate) fn open(files_dir: &Path, member: u64, room: Room) -> io::Result<Self> {
        let folder = files_dir.join(CONTENT_FOLDER);
        DirBuilder::new().recursive(true).mode(0o750).create(&folder)?;
        File::open(files_dir)?.sync_all()?;
        let (mut held, wanted) = (BTreeMap::new(), Instant::now());
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            // The folder may be shared: another member's partial file is that member's.
            if name.starts_with(&partial_prefix(member)) {
                std::fs::remove_file(entry.path())?;
            } else if let Ok(sha256) = name.parse::<Sha256>() {
                let found = Held {
                    size: entry.metadata()?.len(),
                    wanted,
                    is_verified: false,
                };
                held.insert(sha256, found);
            }
        }
        Ok(Self(Arc::new(Shared {
            folder,
            member,
            room,
            partial: AtomicU64::new(0),
            held: Mutex::new(held),
            coming: Mutex::new(0),
            changing: Mutex::new(()),
        })))
    }

    /// Whether the content is here, as long as the catalogue says.
    pub(crate) fn has(&self, sha256: &Sha256, size: u64) -> bool {
        self.held().get(sha256).is_some_and(|held| held.size == size)
    }

    /// Bytes of a content that is here.
    pub(crate) fn size(&self, sha256: &Sha256) -> Option<u64> {
        self.held().get(sha256).map(|held| held.size)
    }

    /// Those of `asked` that are here: as long as `named` says, or, if it does not name them, read since the start.
    pub(crate) fn among(
        &self,
        asked: impl Iterator<Item = Sha256>,
        named: &BTreeMap<Sha256, u64>,
    ) -> Vec<Sha256> {
        let held = self.held();
        let is_here = |sha256: &Sha256| {
            held.get(sha256).is_some_and(|here| match named.get(sha256) {
                Some(size) => here.size == *size,
                None => here.is_verified,
            })
        };
        asked.filter(is_here).collect()
    }

    /// Those that have not been read since this member started.
    pub(crate) fn unverified(&self) -> Vec<Sha256> {
        let held = self.held();
        let unverified = held.iter().filter(|(_, here)| !here.is_verified);
        unverified.map(|(sha256, _)| *sha256).collect()
    }

    /// Notes that these are wanted at `now`, and says whether nobody has wanted some other for [`UNNAMED_AT_MOST`].
    pub(crate) fn want(&self, named: &BTreeSet<Sha256>, now: Instant) -> bool {
        let mut held = self.held();
        for sha256 in named {
            if let Some(here) = held.get_mut(sha256) {
                here.wanted = now;
            }
        }
        held.values().any(|here| here.is_unwanted(now))
    }

    /// Opens a content of `size` bytes for reading, which waits for the disk; `None` when it is not here. One that is
    /// gone, or of another length, is not here any more.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn file(&self, sha256: &Sha256, size: u64) -> io::Result<Option<(File, Metadata)>> {
        if self.size(sha256).is_none() {
            return Ok(None);
        }
        let Some((file, meta)) = self.look(sha256)? else {
            self.drop_wrong(sha256, None, "gone from the disk")?;
            return Ok(None);
        };
        if meta.len() == size {
            return Ok(Some((file, meta)));
        }
        self.drop_wrong(sha256, Some(&meta), "of another length than it should be")?;
        Ok(None)
    }

    /// The file of that name and what the disk says of it; `None` when there is none.
    pub(crate) fn look(&self, sha256: &Sha256) -> io::Result<Option<(File, Metadata)>> {
        match File::open(self.path(sha256)) {
            Ok(file) => {
                let meta = file.metadata()?;
                Ok(Some((file, meta)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A place for bytes that are to become a content.
    ///
    /// # Errors
    /// The disk's; `StorageFull` when `size` more bytes would leave too little free, `QuotaExceeded` when they are more than
    /// boot files may take.
    pub(crate) fn begin(&self, size: u64) -> io::Result<Incoming> {
        self.check_room(size)?;
        let reserved = self.reserve(size)?;
        let number = self.0.partial.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}", partial_prefix(self.0.member));
        Incoming::create(self.clone(), self.0.folder.join(name), reserved)
    }

    /// Whether `more` bytes would leave enough free.
    ///
    /// # Errors
    /// `StorageFull` if not.
    pub(crate) fn check_room(&self, more: u64) -> io::Result<()> {
        let disk = nix::sys::statvfs::statvfs(&self.0.folder)?;
        let free = disk.blocks_available() * disk.fragment_size();
        let usable = free.saturating_sub(self.0.room.free_bytes_min);
        // An upload of unknown size asks for nothing yet and still needs some.
        if more.max(1) <= usable {
            return Ok(());
        }
        let text = format!(
            "{} of member {} has room for {usable} more bytes ({} stay free); free some, or delete boot files",
            self.0.folder.display(),
            self.0.member,
            self.0.room.free_bytes_min
        );
        Err(io::Error::new(io::ErrorKind::StorageFull, text))
    }

    /// Room for `more` bytes of what boot files may take, until the answer is dropped.
    ///
    /// # Errors
    /// `QuotaExceeded` with what is used, free and needed.
    pub(crate) fn reserve(&self, more: u64) -> io::Result<Reserved> {
        let mut reserved = Reserved {
            contents: self.clone(),
            bytes: 0,
        };
        reserved.grow(more)?;
        Ok(reserved)
    }

    fn check_quota(&self, coming: u64, more: u64) -> io::Result<()> {
        let Some(bytes_max) = self.0.room.bytes_max else {
            return Ok(());
        };
        let held: u64 = self.held().values().map(|held| held.size).sum();
        let used = held.saturating_add(coming);
        let free = bytes_max.saturating_sub(used);
        // An upload of unknown size asks for nothing yet and still needs some.
        if more.max(1) <= free {
            return Ok(());
        }
        let text = format!(
            "boot files of member {} may take {bytes_max} bytes (boot.files-bytes-max): {used} are used, {free} are free \
             and {more} are needed; delete images or boot files, whose bytes go ten minutes later",
            self.0.member
        );
        Err(io::Error::new(io::ErrorKind::QuotaExceeded, text))
    }

    fn coming(&self) -> MutexGuard<'_, u64> {
        self.0.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0.folder
    }

    pub(crate) fn path(&self, sha256: &Sha256) -> PathBuf {
        self.0.folder.join(sha256.to_string())
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, BTreeMap<Sha256, Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changing(&self) -> MutexGuard<'_, ()> {
        self.0.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room that bytes on their way have; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    contents: Contents,
    bytes: u64,
}

impl Reserved {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes `more`.
    ///
    /// # Errors
    /// As [`Contents::reserve`].
    pub(crate) fn grow(&mut self, more: u64) -> io::Result<()> {
        let mut coming = self.contents.coming();
        self.contents.check_quota(*coming, more)?;
        *coming += more;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        *self.contents.coming() -= self.bytes;
    }
}

impl Held {
    /// Whether nobody has wanted it for [`UNNAMED_AT_MOST`] at `now`.
    pub(crate) fn is_unwanted(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.wanted) >= UNNAMED_AT_MOST
    }
}

fn partial_prefix(member: u64) -> String {
    format!("partial-{member}-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content_changes::tests::{names, stored};

    #[test]
    fn a_content_is_there_when_it_is_complete_and_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let sha256 = stored(&contents, b"kernel");
        assert_eq!(
            names(dir.path()),
            [sha256.to_string()],
            "and no partial file is left"
        );
        let again = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        assert!(again.has(&sha256, 6) && !again.has(&sha256, 7));
        let (file, meta) = again.file(&sha256, 6).unwrap().unwrap();
        assert_eq!(
            (io::read_to_string(file).unwrap().as_str(), meta.len()),
            ("kernel", 6)
        );
    }

    /// Half a kernel under a kernel's name would boot nobody.
    #[test]
    fn what_was_begun_and_not_completed_is_never_visible() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let mut incoming = contents.begin(6).unwrap();
        incoming.write(b"ker").unwrap();
        assert_eq!(names(dir.path()), ["partial-1-0"]);
        drop(incoming);
        assert!(names(dir.path()).is_empty(), "given up");
        for name in ["partial-1-7", "partial-2-0", "partial-11-0"] {
            std::fs::write(dir.path().join(CONTENT_FOLDER).join(name), "ker").unwrap();
        }
        Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        assert_eq!(
            names(dir.path()),
            ["partial-11-0", "partial-2-0"],
            "only its own after a crash"
        );
    }

    #[test]
    fn a_content_that_somebody_removed_or_cut_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let (cut, gone) = (stored(&contents, b"kernel"), stored(&contents, b"initrd"));
        std::fs::write(contents.path(&cut), "ker").unwrap();
        std::fs::remove_file(contents.path(&gone)).unwrap();
        for sha256 in [cut, gone] {
            assert!(contents.has(&sha256, 6), "not looked at yet");
            assert!(contents.file(&sha256, 6).unwrap().is_none());
            assert!(!contents.has(&sha256, 6));
        }
        assert!(names(dir.path()).is_empty(), "the cut one takes no room");
    }

    /// The length on disk is what was found, not what should be there.
    #[test]
    fn a_content_that_was_cut_while_the_member_was_down_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let sha256 = stored(
            &Contents::open(dir.path(), 1, Room::leaving(0)).unwrap(),
            b"kernel",
        );
        std::fs::write(dir.path().join(CONTENT_FOLDER).join(sha256.to_string()), "ker").unwrap();
        let again = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let among = |named: &BTreeMap<Sha256, u64>| again.among(std::iter::once(sha256), named).len();
        assert_eq!(among(&BTreeMap::from([(sha256, 6)])), 0);
        assert_eq!(among(&BTreeMap::new()), 0, "nobody knows how long it should be");
        assert!(again.file(&sha256, 6).unwrap().is_none());
    }

    /// What is on its way counts as much as what is here, and whoever is refused learns what there is.
    #[test]
    fn no_more_is_taken_than_boot_files_may_have() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room {
            bytes_max: Some(10),
            ..Room::leaving(0)
        };
        let contents = Contents::open(dir.path(), 3, room).unwrap();
        let kernel = stored(&contents, b"kernel");
        let refused = |size| {
            contents
                .begin(size)
                .err()
                .map(|error| (error.kind(), error.to_string()))
        };
        let (kind, text) = refused(5).unwrap();
        assert_eq!(kind, io::ErrorKind::QuotaExceeded);
        for word in [
            "member 3 may take 10 bytes",
            "6 are used, 4 are free and 5 are needed",
        ] {
            assert!(text.contains(word), "{text}");
        }
        let coming = contents.begin(3).unwrap();
        assert!(refused(2).unwrap().1.contains("9 are used, 1 are free"));
        let mut unknown = contents.begin(0).unwrap();
        unknown.write(b"a").unwrap();
        assert_eq!(
            unknown.write(b"b").unwrap_err().kind(),
            io::ErrorKind::QuotaExceeded
        );
        assert!(refused(0).is_some(), "nothing is left for one of unknown size");
        drop((coming, unknown));
        assert_eq!(refused(4), None, "what was given up takes nothing");
        stored(&contents, b"init");
        assert!(refused(1).is_some());
        contents
            .drop_wrong(
                &kernel,
                contents.look(&kernel).unwrap().map(|(_, meta)| meta).as_ref(),
                "wrong",
            )
            .unwrap();
        assert_eq!(refused(6), None);
    }

    /// The log of this member may be on the same disk.
    #[test]
    fn a_disk_is_never_filled() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 3, Room::leaving(u64::MAX)).unwrap();
        let error = contents.begin(1).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let text = error.to_string();
        assert!(text.contains("member 3 has room for 0 more bytes"), "{text}");
        assert!(names(dir.path()).is_empty());
    }
}
