//! A member's key encryption keys where they are kept: given more of them, and rid of the ones that are retired.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::init_static::PRIVATE;
use crate::kek_source::{KEK_FILE, KekSource};
use crate::member_identity::LoadError;
use crate::sealing::{KekError, Sealer};

/// A key that was handed here, or found at the start, and that the log has not named: no handing-over lasts so long.
const HANDED_OVER_AT_MOST: Duration = Duration::from_secs(600);
/// More keys than a rotation has: what rotations that failed have left is to go first.
const KEYS_KEPT_MAX: usize = 6;

/// Why keys stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum KekStoreError {
    /// Where keys come from gives none.
    #[error(transparent)]
    Source(#[from] LoadError),
    /// Not a key.
    #[error(transparent)]
    Key(#[from] KekError),
    /// The file cannot be written.
    #[error("{} cannot be written: {source}; let the user that runs `chamois serve` write its identity directory", file.display())]
    Write {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operator has not given it yet.
    #[error("key {id} is not there: this member has its keys from {from}; put it there first")]
    NotGiven {
        /// The id of the key.
        id: String,
        /// Where keys come from.
        from: String,
    },
    /// Rotations have failed again and again.
    #[error(
        "there are {KEYS_KEPT_MAX} keys already, of rotations that did not come to their end; repeat the command with the file of one of them (--out): its key is here"
    )]
    Full,
}

/// The keys of a member. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KekStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: KekSource,
    dir: PathBuf,
    sealer: Sealer,
    /// When keys were handed here, or found, that the log has not named yet. Held while keys are added or forgotten.
    handed: Mutex<BTreeMap<String, Instant>>,
}

impl KekStore {
    /// The keys that `sealer` was read with, from `source` and the identity directory `dir`.
    pub fn new(dir: &Path, source: KekSource, sealer: Sealer) -> KekStore {
        KekStore(Arc::new(Inner {
            source,
            dir: dir.to_owned(),
            sealer,
            handed: Mutex::default(),
        }))
    }

    /// Seals and opens with them.
    pub fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// `file`, `credential <name>` or `command <program>`.
    pub fn source(&self) -> String {
        self.0.source.to_string()
    }

    /// Whether keys lie in a file of the identity directory, and not where the operator gives them.
    pub fn is_file(&self) -> bool {
        self.0.source == KekSource::File
    }

    fn handed(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.0.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps another key: when it returns, the key is on disk. Blocks.
    ///
    /// # Errors
    /// If it is no key, cannot be written, or the operator has to put it where keys come from.
    pub fn keep(&self, pem: &str) -> Result<(), KekStoreError> {
        let given = Sealer::from_pem(pem.as_bytes())?;
        let id = given.sealing_id();
        if !self.is_file() {
            return self.require(&id);
        }
        let mut handed = self.handed();
        let known = self.0.sealer.key_ids();
        if known.contains(&id) {
            handed.insert(id, Instant::now());
            return Ok(());
        }
        if known.len() >= KEYS_KEPT_MAX {
            return Err(KekStoreError::Full);
        }
        let before = self.0.sealer.to_pem().unwrap_or_default();
        let new = given.key_pem(&id).unwrap_or_default();
        self.write(&format!("{before}{new}"))?;
        self.0.sealer.add_pem(new.as_bytes())?;
        handed.insert(id, Instant::now());
        Ok(())
    }

    /// The key of this id must be at hand; what the operator was to give is read again. It stays, as it does after [`Self::keep`].
    /// Blocks.
    ///
    /// # Errors
    /// `NotGiven`, or what the source says.
    pub fn require(&self, id: &str) -> Result<(), KekStoreError> {
        // before it is read, so that nobody forgets it between
        self.handed().insert(id.to_owned(), Instant::now());
        self.reload()?;
        match self.0.sealer.key_ids().iter().any(|known| known == id) {
            true => Ok(()),
            false => Err(KekStoreError::NotGiven {
                id: id.to_owned(),
                from: self.source(),
            }),
        }
    }

    /// Reads what the operator has given since. Blocks.
    ///
    /// # Errors
    /// What the source says; the keys that are at hand stay.
    pub fn reload(&self) -> Result<(), KekStoreError> {
        if self.is_file() {
            return Ok(());
        }
        let read = self.0.source.read(&self.0.dir)?;
        let pem = read.to_pem().unwrap_or_default();
        // who forgets keys must not take the new ones for gone
        let _held = self.handed();
        self.0.sealer.add_pem(pem.as_bytes())?;
        Ok(())
    }

    /// Forgets the keys that the log names as `retired`, and of those in the file the ones that it has not named for long: what
    /// rotations that failed have left. Gives the ids of those that are gone. The one that seals, `active`, stays, and so do those
    /// that are being handed over. Where the operator gives keys, he takes them away, too. Blocks.
    ///
    /// # Errors
    /// If the file cannot be written; then nothing is forgotten.
    pub fn forget(&self, active: &str, retired: &[String]) -> Result<Vec<String>, KekStoreError> {
        let mut handed = self.handed();
        let known = self.0.sealer.key_ids();
        let is_fresh = |since: &Instant| since.elapsed() < HANDED_OVER_AT_MOST;
        handed.retain(|id, since| id != active && (known.contains(id) || is_fresh(since)));
        let is_file = self.is_file();
        let unnamed = known.iter().filter(|id| *id != active && !retired.contains(id));
        for id in unnamed.filter(|_| is_file) {
            // a restart forgets when it was handed here, and may lie between that and the entry that names it
            handed.entry(id.clone()).or_insert_with(Instant::now);
        }
        let is_awaited = |id: &String| handed.get(id).is_some_and(is_fresh);
        let stays = |id: &String| id == active || (!retired.contains(id) && (!is_file || is_awaited(id)));
        let (staying, gone): (Vec<String>, Vec<String>) = known.into_iter().partition(stays);
        if gone.is_empty() || !staying.iter().any(|id| id == active) {
            return Ok(Vec::new());
        }
        if is_file {
            let ids = staying
                .iter()
                .filter(|id| *id == active)
                .chain(staying.iter().filter(|id| *id != active));
            let pem: String = ids.filter_map(|id| self.0.sealer.key_pem(id)).collect();
            self.write(&pem)?;
        }
        self.0.sealer.keep_only(&staying);
        handed.retain(|id, _| !gone.contains(id));
        Ok(gone)
    }

    /// The whole file or the one before, whenever the power fails.
    fn write(&self, pem: &str) -> Result<(), KekStoreError> {
        let file = self.0.dir.join(KEK_FILE);
        let new = self.0.dir.join(format!("{KEK_FILE}.new"));
        let written = write_synced(&new, pem)
            .and_then(|()| std::fs::rename(&new, &file))
            .and_then(|()| std::fs::File::open(&self.0.dir)?.sync_all());
        written.map_err(|source| KekStoreError::Write { file, source })
    }
}

fn write_synced(path: &Path, content: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE)
        .open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::KekCommand;

    fn pem(sealer: &Sealer) -> String {
        sealer.to_pem().unwrap()
    }

    fn store() -> (tempfile::TempDir, KekStore) {
        let (dir, sealer) = (tempfile::tempdir().unwrap(), Sealer::generate().unwrap());
        write_synced(&dir.path().join(KEK_FILE), &pem(&sealer)).unwrap();
        let store = KekStore::new(dir.path(), KekSource::File, sealer);
        (dir, store)
    }

    /// What a member would have after a crash.
    fn on_disk(dir: &tempfile::TempDir) -> Vec<String> {
        KekSource::File.read(dir.path()).unwrap().key_ids()
    }

    #[test]
    fn a_key_that_is_handed_over_is_on_disk_and_the_old_one_still_seals() {
        let (dir, store) = store();
        let (old, new) = (store.sealer().sealing_id(), Sealer::generate().unwrap());
        for _ in 0..2 {
            store.keep(&pem(&new)).unwrap();
            assert_eq!(on_disk(&dir), [old.clone(), new.sealing_id()]);
        }
        let read = KekSource::File.read(dir.path()).unwrap();
        assert_eq!(
            (read.sealing_id(), store.sealer().sealing_id()),
            (old.clone(), old)
        );
        let mode = dir.path().join(KEK_FILE).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(store.keep("nothing"), Err(KekStoreError::Key(_))));
    }

    /// At each step what is sealed opens with what is on disk.
    #[test]
    fn a_retired_key_is_forgotten_when_another_one_seals() {
        let (dir, store) = store();
        let (old, new) = (store.sealer().sealing_id(), Sealer::generate().unwrap());
        let sealed = store.sealer().seal("a", 1, b"x").unwrap();
        store.keep(&pem(&new)).unwrap();
        assert!(
            store.forget(&old, &[]).unwrap().is_empty(),
            "a key that is being handed over stays"
        );
        store.sealer().seal_for(&new.sealing_key()).unwrap();
        KekSource::File.read(dir.path()).unwrap().open(&sealed).unwrap();
        let active = new.sealing_id();
        assert!(
            store.forget(&active, &[]).unwrap().is_empty(),
            "nobody has named it as retired"
        );
        assert_eq!(store.forget(&active, std::slice::from_ref(&old)).unwrap(), [old]);
        assert_eq!(on_disk(&dir), [new.sealing_id()]);
        assert_eq!(store.sealer().key_ids(), [new.sealing_id()]);
        store.sealer().open(&sealed).unwrap_err();
    }

    /// A state that is behind names a key that is gone: that must not cost the one that is there.
    #[test]
    fn nothing_is_forgotten_for_a_key_that_is_not_there() {
        let (dir, store) = store();
        let own = store.sealer().key_ids();
        assert!(store.forget("00112233445566ff", &own).unwrap().is_empty());
        assert_eq!(on_disk(&dir).len(), 1);
    }

    /// The member was killed between the key and the entry that names it.
    #[test]
    fn a_key_that_was_handed_over_before_a_restart_stays() {
        let (dir, store) = store();
        let (old, new) = (store.sealer().sealing_id(), Sealer::generate().unwrap());
        store.keep(&pem(&new)).unwrap();
        let read = KekSource::File.read(dir.path()).unwrap();
        let store = KekStore::new(dir.path(), KekSource::File, read);
        assert!(store.forget(&old, &[]).unwrap().is_empty());
        assert_eq!(on_disk(&dir), [old, new.sealing_id()]);
    }

    /// What failed rotations have left goes when no handing-over can last any more.
    #[test]
    fn a_key_that_nobody_names_is_forgotten_at_last() {
        let (dir, store) = store();
        let (own, left) = (store.sealer().sealing_id(), Sealer::generate().unwrap());
        store.keep(&pem(&left)).unwrap();
        let Some(long_ago) = Instant::now().checked_sub(HANDED_OVER_AT_MOST) else {
            return; // this machine was started only now
        };
        store.handed().insert(left.sealing_id(), long_ago);
        assert_eq!(store.forget(&own, &[]).unwrap(), [left.sealing_id()]);
        assert_eq!(on_disk(&dir), [own]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_no_key() {
        let (dir, store) = store();
        let old = store.sealer().sealing_id();
        std::fs::create_dir(dir.path().join(format!("{KEK_FILE}.new"))).unwrap();
        let refused = store.keep(&pem(&Sealer::generate().unwrap())).unwrap_err();
        assert!(
            refused.to_string().contains("kek.key cannot be written"),
            "{refused}"
        );
        assert_eq!(
            (on_disk(&dir), store.sealer().key_ids()),
            (vec![old.clone()], vec![old])
        );
    }

    #[test]
    fn rotations_that_fail_do_not_fill_the_file() {
        let (dir, store) = store();
        for _ in 1..KEYS_KEPT_MAX {
            store.keep(&pem(&Sealer::generate().unwrap())).unwrap();
        }
        let refused = store.keep(&pem(&Sealer::generate().unwrap()));
        assert!(matches!(refused, Err(KekStoreError::Full)));
        assert_eq!(on_disk(&dir).len(), KEYS_KEPT_MAX);
    }

    /// A member with the keys of the file that is named, which a command prints.
    fn by_command(dir: &Path, first: &Sealer) -> (PathBuf, KekStore) {
        let given = dir.join("given.pem");
        std::fs::write(&given, pem(first)).unwrap();
        let source = KekSource::Command(KekCommand {
            argv: vec!["/bin/cat".into(), given.to_str().unwrap().into()],
            timeout: Duration::from_secs(5),
        });
        let store = KekStore::new(dir, source.clone(), source.read(dir).unwrap());
        (given, store)
    }

    /// It is looked every second for keys to forget, and a rotation may last longer between its steps; the second one, too.
    #[test]
    fn a_key_from_a_command_is_not_forgotten_before_it_is_named() {
        let (dir, first) = (tempfile::tempdir().unwrap(), Sealer::generate().unwrap());
        let (given, store) = by_command(dir.path(), &first);
        let (mut active, mut retired) = (first, Vec::new());
        for _ in 0..2 {
            let next = Sealer::generate().unwrap();
            std::fs::write(&given, format!("{}{}", pem(&active), pem(&next))).unwrap();
            store.require(&next.sealing_id()).unwrap();
            assert!(store.forget(&active.sealing_id(), &retired).unwrap().is_empty());
            assert!(store.sealer().public_key(&next.sealing_id()).is_some());
            let old = std::mem::replace(&mut active, next);
            retired.push(old.sealing_id());
            let gone = store.forget(&active.sealing_id(), &retired).unwrap();
            assert_eq!(gone, [old.sealing_id()]);
        }
    }

    /// Where the operator gives keys, nothing is written, and status says what is missing.
    #[test]
    fn a_key_from_a_command_must_be_put_there_by_the_operator() {
        let (dir, old) = (tempfile::tempdir().unwrap(), Sealer::generate().unwrap());
        let (given, store) = by_command(dir.path(), &old);
        let new = Sealer::generate().unwrap();
        let refused = store.keep(&pem(&new)).unwrap_err().to_string();
        assert!(
            refused.contains(&new.sealing_id()) && refused.contains("command /bin/cat"),
            "{refused}"
        );
        std::fs::write(&given, format!("{}{}", pem(&old), pem(&new))).unwrap();
        store.require(&new.sealing_id()).unwrap();
        assert_eq!(store.sealer().key_ids(), [old.sealing_id(), new.sealing_id()]);
        assert!(!dir.path().join(KEK_FILE).exists());
    }
}
