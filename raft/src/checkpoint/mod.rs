//! sled's checkpoint of the applied state, so that a restart need not load a snapshot and replay the log.
//!
//! It holds nothing that must not be lost. Whatever is in doubt at [`Checkpoint::open`] (a panic inside sled,
//! a missing row, a digest that disagrees) is thrown away, and the state is rebuilt from snapshot and log.
//! A checkpoint may be older than the last one stored: the owner replays the log from its place on.

mod rows;
mod sled_files;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;

use state::{RowKey, State};

use rows::{Place, RowReader, StoredRow};
use sled_files::SledFiles;

use crate::row_pipeline;

/// Rows, and their bytes, in one sled batch. Above some hundreds of rows one sync window crosses several of sled's
/// 512 KiB segments, and a power cut in it can leave a store that does not open: harmless, but a slow start.
const ROWS_PER_BATCH_MAX: usize = 50;
const BATCH_BYTES_MAX: usize = 256 << 10;

/// The open checkpoint. One owner, one thread.
pub struct Checkpoint {
    files: SledFiles,
    /// Whether what is stored is a whole state, which changed rows can be added to.
    whole: bool,
}

/// The state that a checkpoint held.
pub struct Loaded {
    /// The state; its digest was checked.
    pub state: State,
    /// What the owner stored with it: Raft's last applied log id and membership, encoded.
    pub place: Vec<u8>,
}

impl fmt::Debug for Checkpoint {
    /// sled would print every row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} checkpoint",
            if self.whole { "whole" } else { "unfinished" }
        )
    }
}

impl Checkpoint {
    /// Opens the checkpoint in `dir`, or begins a new one if there is none or it is in doubt.
    ///
    /// # Errors
    /// Those of the file system when a new one cannot be begun.
    pub fn open(dir: &Path) -> io::Result<(Checkpoint, Option<Loaded>)> {
        if dir.exists() {
            match sled_files::guarded(|| load(dir)) {
                Ok((files, loaded)) => return Ok((Checkpoint { files, whole: true }, Some(loaded))),
                Err(doubt) => {
                    tracing::warn!(dir = %dir.display(), doubt, "the checkpoint is thrown away and rebuilt");
                }
            }
        }
        sled_files::remove(dir)?;
        let files = sled_files::guarded(|| SledFiles::open(dir)).map_err(io::Error::other)?;
        Ok((Checkpoint { files, whole: false }, None))
    }

    /// What is stored does not fit the log: the next [`Checkpoint::update`] replaces it as a whole.
    pub fn discard(&mut self) {
        self.whole = false;
    }

    /// Stores `state`, which differs from the state stored last in the rows `changed`, and `place` with it.
    /// Without a whole stored state this is [`Checkpoint::replace`].
    ///
    /// # Errors
    /// sled's, or the disk's; the checkpoint is then not to be used again: the next open decides about it.
    pub fn update(&mut self, state: &State, changed: &BTreeSet<RowKey>, place: &[u8]) -> io::Result<()> {
        if !self.whole {
            return self.replace(state, place);
        }
        self.guarded(|files| {
            let header = RowKey::header();
            let rows = changed.iter().filter(|key| **key != header).chain([&header]);
            let mut batches = Batches::new(rows.map(|key| Ok(StoredRow::new(key, state.row(key).as_ref()))));
            let mut batch = batches.next().transpose()?.unwrap_or_default();
            for next in batches {
                // not one batch any more: without its place it is no whole state, whenever the power goes
                files.write_place(None)?;
                files.write(&std::mem::replace(&mut batch, next?), None)?;
            }
            files.write(&batch, Some(&Place::of(state, place)))
        })
    }

    /// Stores `state` and `place` in the place of everything stored before.
    ///
    /// # Errors
    /// As [`Checkpoint::update`].
    pub fn replace(&mut self, state: &State, place: &[u8]) -> io::Result<()> {
        self.whole = false;
        self.guarded(|files| {
            files.write_place(None)?;
            files.clear_rows()?;
            let rows = state.rows().map(|row| {
                let key = RowKey::of(&row).map_err(|error| error.to_string())?;
                Ok(StoredRow::new(&key, Some(&row)))
            });
            for batch in Batches::new(rows) {
                files.write(&batch?, None)?;
            }
            files.write_place(Some(&Place::of(state, place)))
        })?;
        self.whole = true;
        Ok(())
    }

    fn guarded(&mut self, work: impl FnOnce(&mut SledFiles) -> Result<(), String>) -> io::Result<()> {
        let files = &mut self.files;
        sled_files::guarded(|| work(files)).map_err(io::Error::other)
    }
}

/// Groups rows into batches of bounded size.
struct Batches<I> {
    rows: I,
}

impl<I: Iterator<Item = Result<StoredRow, String>>> Batches<I> {
    fn new(rows: I) -> Batches<I> {
        Batches { rows }
    }
}

impl<I: Iterator<Item = Result<StoredRow, String>>> Iterator for Batches<I> {
    type Item = Result<Vec<StoredRow>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < ROWS_PER_BATCH_MAX && bytes < BATCH_BYTES_MAX {
            match self.rows.next() {
                Some(Ok(row)) => {
                    bytes += row.bytes();
                    batch.push(row);
                }
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            }
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}

/// Opens and checks everything: all rows read, indexes rebuilt, digest and index compared.
fn load(dir: &Path) -> Result<(SledFiles, Loaded), String> {
    let files = SledFiles::open(dir)?;
    let place = files.read_place()?.ok_or("it was not finished")?;
    let rows = RowReader::new(files.rows());
    let state =
        row_pipeline::build(rows, |rows| State::from_rows(rows))?.map_err(|error| error.to_string())?;
    if state.applied_index() != place.applied_index || state.digest() != place.digest {
        return Err(format!(
            "its rows are not the state at index {}",
            place.applied_index
        ));
    }
    Ok((
        files,
        Loaded {
            state,
            place: place.owner,
        },
    ))
}
