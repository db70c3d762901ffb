//! What changes the contents: a content gets its name, is read again, and goes when it is wrong or nobody names it.
//!
//! All of this waits for the disk, so it runs where it delays nobody; what is here is never locked meanwhile.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use model::Sha256;
use tokio::time::Instant;

use crate::contents::{Contents, Held};
use crate::hashing;

/// What reading a content has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is here, and what its name says.
    Right,
    /// It was not what its name says, and is gone.
    Wrong,
    /// It is not here.
    Missing,
}

impl Contents {
    /// Gives a complete file, which is on disk, its name.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn publish(&self, partial: &Path, sha256: Sha256, size: u64) -> io::Result<()> {
        // Nothing that was just published is removed as unnamed or as wrong.
        let _changing = self.changing();
        std::fs::rename(partial, self.path(&sha256))?;
        File::open(self.folder())?.sync_all()?;
        let published = Held {
            size,
            wanted: Instant::now(),
            is_verified: true,
        };
        self.held().insert(sha256, published);
        Ok(())
    }

    /// Whether the content is here, and if so keeps it for a while even without a name. It is opened, and read if it
    /// has not been since this member started: others count on it.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn keep(&self, sha256: &Sha256, size: u64) -> io::Result<bool> {
        let is_verified = match self.held().get_mut(sha256) {
            Some(here) if here.size == size => {
                here.wanted = Instant::now();
                here.is_verified
            }
            Some(_) | None => return Ok(false),
        };
        if is_verified {
            return Ok(self.file(sha256, size)?.is_some());
        }
        Ok(self.check(sha256)? == Checked::Right)
    }

    /// Reads the content and says whether it is here and right; one that is not what its name says goes.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn check(&self, sha256: &Sha256) -> io::Result<Checked> {
        let Some((file, meta)) = self.look(sha256)? else {
            self.drop_wrong(sha256, None, "gone from the disk")?;
            return Ok(Checked::Missing);
        };
        let found = match hashing::of_file(&file, meta.len()) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        if found != Some(*sha256) {
            self.drop_wrong(sha256, Some(&meta), "not what its name says")?;
            return Ok(Checked::Wrong);
        }
        match self.held().get_mut(sha256) {
            Some(here) => {
                here.size = meta.len();
                here.is_verified = true;
                Ok(Checked::Right)
            }
            None => Ok(Checked::Missing), // removed meanwhile
        }
    }

    /// Takes away a content that is wrong on disk, unless it has been replaced since it was `seen` there (`None`: it
    /// was not there).
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn drop_wrong(&self, sha256: &Sha256, seen: Option<&Metadata>, why: &str) -> io::Result<()> {
        let _changing = self.changing();
        let file = |meta: &Metadata| (meta.dev(), meta.ino());
        let now = self.look(sha256)?.map(|(_, meta)| file(&meta));
        if now != seen.map(file) {
            return Ok(());
        }
        if self.held().remove(sha256).is_some() {
            tracing::error!(%sha256, "a content is {why}; it is fetched again");
        }
        if now.is_some() {
            std::fs::remove_file(self.path(sha256))?;
        }
        Ok(())
    }

    /// Removes the contents that nobody has wanted for [`UNNAMED_AT_MOST`] at `now`; `named` are wanted now. Returns how
    /// many are gone.
    ///
    /// # Errors
    /// The disk's; what could be removed is.
    ///
    /// [`UNNAMED_AT_MOST`]: crate::UNNAMED_AT_MOST
    pub(crate) fn remove_unnamed(&self, named: &BTreeSet<Sha256>, now: Instant) -> io::Result<usize> {
        let _changing = self.changing();
        self.want(named, now);
        let unwanted: Vec<(Sha256, Held)> = {
            let mut held = self.held();
            let unwanted = held.iter().filter(|(_, here)| here.is_unwanted(now));
            let unwanted: Vec<_> = unwanted.map(|(sha256, here)| (*sha256, *here)).collect();
            for (sha256, _) in &unwanted {
                held.remove(sha256);
            }
            unwanted
        };
        let (mut removed, mut failed) = (0, None);
        for (sha256, here) in unwanted {
            match std::fs::remove_file(self.path(&sha256)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.held().insert(sha256, here);
                    failed = Some(error);
                }
                Ok(()) | Err(_) => removed += 1,
            }
        }
        failed.map_or(Ok(removed), Err)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{CONTENT_FOLDER, Room, UNNAMED_AT_MOST};

    pub(crate) fn stored(contents: &Contents, bytes: &[u8]) -> Sha256 {
        let mut incoming = contents.begin(bytes.len() as u64).unwrap();
        incoming.write(bytes).unwrap();
        incoming.finish(|_, _| true).unwrap().0
    }

    pub(crate) fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir.join(CONTENT_FOLDER)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A disk may give back other bytes than it took, and the length says nothing about that.
    #[test]
    fn bytes_that_have_rotted_are_found_by_reading_them() {
        let dir = tempfile::tempdir().unwrap();
        let first = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let (rotten, sound) = (stored(&first, b"kernel"), stored(&first, b"initrd"));
        assert!(first.unverified().is_empty(), "read while it was written");
        std::fs::write(first.path(&rotten), "kernal").unwrap();
        let again = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        assert_eq!(again.unverified().len(), 2);
        assert_eq!(again.check(&rotten).unwrap(), Checked::Wrong);
        assert_eq!(again.check(&rotten).unwrap(), Checked::Missing);
        assert_eq!(again.check(&sound).unwrap(), Checked::Right);
        assert!(again.unverified().is_empty() && !again.has(&rotten, 6));
        assert_eq!(names(dir.path()), [sound.to_string()]);
    }

    /// What is counted towards a majority must be on the disk, not only in this member's memory.
    #[test]
    fn what_is_kept_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let first = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let [gone, cut, rotten] = [&b"abc"[..], b"def", b"ghi"].map(|bytes| stored(&first, bytes));
        std::fs::write(first.path(&rotten), "gih").unwrap();
        let again = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        std::fs::remove_file(again.path(&gone)).unwrap();
        std::fs::write(again.path(&cut), "d").unwrap();
        for sha256 in [gone, cut, rotten] {
            assert!(again.has(&sha256, 3) && !again.keep(&sha256, 3).unwrap());
        }
        for sha256 in [gone, cut] {
            assert!(
                !first.keep(&sha256, 3).unwrap(),
                "it was right when it was written"
            );
        }
        assert!(names(dir.path()).is_empty());
    }

    /// The good copy comes while the bad one is being read.
    #[test]
    fn a_content_that_was_replaced_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let sha256 = stored(&contents, b"kernel");
        let (_open, seen) = contents.look(&sha256).unwrap().unwrap();
        stored(&contents, b"kernel");
        contents.drop_wrong(&sha256, Some(&seen), "wrong").unwrap();
        contents.drop_wrong(&sha256, None, "gone").unwrap();
        assert!(contents.keep(&sha256, 6).unwrap());
    }

    #[test]
    fn unnamed_contents_go_after_the_grace_time_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let [named, kept, unnamed] = [&b"a"[..], b"b", b"c"].map(|bytes| stored(&contents, bytes));
        let (catalogue, all_stored) = (BTreeSet::from([named]), Instant::now());
        assert!(contents.keep(&kept, 1).unwrap(), "an upload needs it again");
        assert!(!contents.keep(&kept, 2).unwrap(), "another content");
        assert!(!contents.want(&catalogue, all_stored));
        assert_eq!(contents.remove_unnamed(&catalogue, all_stored).unwrap(), 0);
        assert!(contents.want(&catalogue, all_stored + UNNAMED_AT_MOST));
        assert_eq!(
            contents
                .remove_unnamed(&catalogue, all_stored + UNNAMED_AT_MOST)
                .unwrap(),
            1
        );
        let here = contents.among([named, kept, unnamed].into_iter(), &BTreeMap::new());
        assert_eq!(here, [named, kept]);
        let mut expected = [named.to_string(), kept.to_string()];
        expected.sort();
        assert_eq!(names(dir.path()), expected);
    }

    /// Raft's threads ask what is here; a disk that hangs must not hold them.
    #[test]
    fn what_is_here_can_be_asked_while_the_disk_works() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::open(dir.path(), 1, Room::leaving(0)).unwrap();
        let sha256 = stored(&contents, b"kernel");
        let _disk = contents.changing();
        let (asked, answers) = (contents.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || answers.0.send(asked.has(&sha256, 6)));
        assert_eq!(
            answers.1.recv_timeout(std::time::Duration::from_secs(5)),
            Ok(true)
        );
    }
}
