//! How far a target is in the journal, beside the journal: what it was not sent before a restart or a crash is sent after it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::segments::Place;
use crate::tail::Tail;

/// While lines are sent all the time it is written so often; a crash repeats what was sent since.
const SAVE_PAUSE: Duration = Duration::from_secs(1);

/// The last revision that a target has taken.
#[derive(Debug)]
pub(super) struct Position {
    file: PathBuf,
    journal: Place,
    /// The journal's end at the start: what comes later is handed over line by line.
    begin: u64,
    sent: u64,
    saved: Option<u64>,
    saved_at: Instant,
}

impl Position {
    /// Of the target `name`, whose file is in `folder`. Without one it begins with what comes from now on, after `begin`.
    pub(super) fn open(folder: &Path, name: &str, journal: Place, begin: u64) -> Position {
        let file = folder.join(format!("export-{name}.position"));
        let saved = fs::read_to_string(&file).ok();
        let saved = saved.and_then(|text| text.trim().parse().ok());
        let mut position = Position {
            file,
            journal,
            begin,
            // a journal that was cut off is behind it
            sent: saved.unwrap_or(begin).min(begin),
            saved,
            saved_at: Instant::now(),
        };
        position.save();
        position
    }

    /// What of the journal it was not sent before the start, and the last revision of that.
    pub(super) fn missed(&self) -> Option<(Tail, u64)> {
        let tail = || Tail::after(self.journal.clone(), self.sent);
        (self.sent < self.begin).then(|| (tail(), self.begin))
    }

    /// The target has taken everything up to `revision`.
    pub(super) fn took(&mut self, revision: u64) {
        self.sent = self.sent.max(revision);
        if self.saved_at.elapsed() >= SAVE_PAUSE {
            self.save();
        }
    }

    /// Writes it if it has changed. Where that fails, lines are sent twice after the next start.
    pub(super) fn save(&mut self) {
        if self.saved == Some(self.sent) {
            return;
        }
        self.saved_at = Instant::now();
        match self.write() {
            Ok(()) => self.saved = Some(self.sent),
            Err(error) => tracing::debug!(%error, "how far audit lines were sent cannot be written"),
        }
    }

    fn write(&self) -> io::Result<()> {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{}\n", self.sent))?;
        fs::rename(new, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir, begin: u64) -> Position {
        let journal = Place::new(folder.path(), "audit");
        Position::open(folder.path(), "syslog", journal, begin)
    }

    fn missed(position: &Position) -> Option<(u64, u64)> {
        position.missed().map(|(_, upto)| (position.sent, upto))
    }

    /// A target that is new in the configuration is not sent a journal of years.
    #[test]
    fn a_target_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut position = open(&folder, 5);
        assert_eq!(missed(&position), None);
        position.took(7);
        position.save();
        assert_eq!(missed(&open(&folder, 9)), Some((7, 9)));
        assert_eq!(missed(&open(&folder, 7)), None);
    }

    /// It was killed before it was sent anything.
    #[test]
    fn where_it_begins_is_written_at_once() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder, 5);
        assert_eq!(missed(&open(&folder, 8)), Some((5, 8)));
    }

    #[test]
    fn a_position_ahead_of_the_journal_or_damaged_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let mut position = open(&folder, 5);
        position.took(100);
        position.save();
        let mut behind = open(&folder, 6);
        assert_eq!((missed(&behind), behind.sent), (None, 6));
        behind.took(7);
        behind.save();
        fs::write(folder.path().join("export-syslog.position"), "x").unwrap();
        assert_eq!(missed(&open(&folder, 9)), None);
    }
}
