//! Wall clocks of members that step while they run, by a library preloaded into them.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::recorder::compile;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorder/stepped_clock.c");

/// The compiled library and each member's step.
#[derive(Debug)]
pub struct SteppedClock {
    library: PathBuf,
    folder: PathBuf,
}

impl SteppedClock {
    /// Compiles the library into `folder`. All clocks are right.
    pub fn compile(folder: &Path) -> SteppedClock {
        let library = folder.join("libstepped_clock.so");
        compile(SOURCE, &library).unwrap();
        SteppedClock {
            library,
            folder: folder.to_owned(),
        }
    }

    /// The environment of the members, `{id}` standing for each one's own.
    pub fn environment(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("LD_PRELOAD".to_owned(), self.library.display().to_string()),
            (
                "STEPPED_CLOCK".to_owned(),
                self.file("{id}").display().to_string(),
            ),
        ])
    }

    /// The clock of member `id` is so many seconds off from now on.
    pub fn step(&self, id: u64, seconds: i64) {
        // in one step: a reader of a file that is half written would see another time
        let fresh = self.folder.join("clock.new");
        fs::write(&fresh, seconds.to_string()).unwrap();
        fs::rename(fresh, self.file(&id.to_string())).unwrap();
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("clock-{id}"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    /// How far the clock of a program is off, seconds.
    fn off_by(clock: &SteppedClock, id: u64) -> i64 {
        let mut date = Command::new("date");
        date.arg("+%s");
        for (name, value) in clock.environment() {
            date.env(name, value.replace("{id}", &id.to_string()));
        }
        let output = String::from_utf8(date.output().unwrap().stdout).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        output.trim().parse::<i64>().unwrap() - i64::try_from(now).unwrap()
    }

    #[test]
    fn one_members_clock_steps_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SteppedClock::compile(folder.path());
        assert!(off_by(&clock, 1).abs() < 30);
        clock.step(1, 3600);
        assert!((off_by(&clock, 1) - 3600).abs() < 30);
        assert!(off_by(&clock, 2).abs() < 30);
        clock.step(1, 0);
        assert!(off_by(&clock, 1).abs() < 30);
    }
}
