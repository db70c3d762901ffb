//! sled 0.34.7, used so that a power cut leaves as little as possible to rebuild.
//!
//! What it needs from us: its `flush` never syncs the drive, so we do; its directory is never synced; a
//! half-written `snap.*.generating` makes every later open fail; and it panics on some damage, also in a scan
//! after a successful open.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::rows::{self, PLACE_KEY, Place, StoredRow};

/// sled's cache, bytes; users report it using several times what it is told.
const CACHE_BYTES: u64 = 8 << 20;
/// What sled says of a store that somebody has open.
const IS_LOCKED: &str = "could not acquire lock";
/// How long somebody may have it, and how often we look.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// One sled tree and the descriptors that make it durable.
pub(super) struct SledFiles {
    db: sled::Db,
    /// Our own descriptor of sled's data file. A sync acts on the file, whoever opened it.
    data: File,
    dir: File,
}

/// Runs `work`; a panic inside sled is one more error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let caught = catch_unwind(AssertUnwindSafe(work));
    caught.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(format!("sled panicked: {text}"))
    })
}

/// Removes everything in `dir`.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Waits while somebody has the lock: sled gives it back some time after the store is dropped, and a process that is ending
/// when it has ended.
fn open_unlocked(config: &sled::Config) -> Result<sled::Db, String> {
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match config.open().map_err(text) {
            Err(error) if error.contains(IS_LOCKED) && Instant::now() < until => {
                std::thread::sleep(LOCK_PAUSE)
            }
            opened => return opened,
        }
    }
}

impl SledFiles {
    /// Opens the store, creating it if it does not exist, and makes durable what that changed.
    pub(super) fn open(dir: &Path) -> Result<SledFiles, String> {
        fs::create_dir_all(dir).map_err(text)?;
        remove_unfinished(dir).map_err(text)?;
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        let db = open_unlocked(&config)?;
        let data = File::open(dir.join("db")).map_err(text)?;
        let files = SledFiles {
            db,
            data,
            dir: File::open(dir).map_err(text)?,
        };
        files.sync_all_files(dir).map_err(text)?;
        Ok(files)
    }

    fn sync_all_files(&self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            File::open(entry?.path())?.sync_all()?;
        }
        self.dir.sync_all()?;
        dir.parent()
            .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    /// The stored place; `None` while the rows are no whole state.
    pub(super) fn read_place(&self) -> Result<Option<Place>, String> {
        match self.db.get(PLACE_KEY).map_err(text)? {
            Some(bytes) => Ok(Some(
                Place::decode(&bytes).ok_or("its place in the log is malformed")?,
            )),
            None => Ok(None),
        }
    }

    /// Every stored value that belongs to a row.
    pub(super) fn rows(&self) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), String>> {
        self.db.range(rows::range()).map(|row| row.map_err(text))
    }

    /// Stores rows in the place of what has their names; with a place, in the same batch.
    pub(super) fn write(&mut self, new: &[StoredRow], place: Option<&Place>) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        for row in new {
            let old = self.db.get(rows::part_key(&row.name, 0)).map_err(text)?;
            let old_parts = old.and_then(|value| rows::part_count(&value)).unwrap_or(0);
            for part in row.parts.len()..usize::from(old_parts) {
                batch.remove(rows::part_key(&row.name, part as u16));
            }
            for (part, value) in row.parts.iter().enumerate() {
                batch.insert(rows::part_key(&row.name, part as u16), &value[..]);
            }
        }
        if let Some(place) = place {
            batch.insert(&PLACE_KEY, place.encode());
        }
        self.commit(batch)
    }

    /// Removes the place, or sets it.
    pub(super) fn write_place(&mut self, place: Option<&Place>) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        match place {
            Some(place) => batch.insert(&PLACE_KEY, place.encode()),
            None => batch.remove(&PLACE_KEY),
        }
        self.commit(batch)
    }

    /// Removes all rows.
    pub(super) fn clear_rows(&mut self) -> Result<(), String> {
        self.db.clear().map_err(text)?;
        self.sync()
    }

    fn commit(&mut self, batch: sled::Batch) -> Result<(), String> {
        self.db.apply_batch(batch).map_err(text)?;
        self.sync()
    }

    /// Into the drive: sled hands its bytes to the kernel, our descriptor brings them further.
    fn sync(&mut self) -> Result<(), String> {
        self.db.flush().map_err(text)?;
        self.data.sync_data().map_err(text)?;
        self.dir.sync_all().map_err(text)
    }
}

/// A snapshot of sled's own that a power cut left half written: sled would take it for its newest.
fn remove_unfinished(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "generating")
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
