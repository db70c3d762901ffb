//! The kinds of files in a data folder, and what may become of a member that has lost one.

use std::fs;
use std::path::{Path, PathBuf};

use chaos_tests::dice::Dice;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A segment of the log.
    Log,
    /// The mark of what the log has acknowledged.
    HighWater,
    /// The newest snapshot file.
    Snapshot,
    /// A file of sled's checkpoint.
    Checkpoint,
    /// Whose folder it is.
    Header,
    /// The other members' stores.
    Peers,
}

impl Part {
    pub(crate) const ALL: [Part; 6] = [
        Part::Log,
        Part::HighWater,
        Part::Snapshot,
        Part::Checkpoint,
        Part::Header,
        Part::Peers,
    ];

    /// One of these files in a data folder.
    pub(crate) fn choose(self, data: &Path, dice: &mut Dice) -> PathBuf {
        match self {
            Part::Log => one_of(&data.join("log"), |name| name.ends_with(".wal"), dice),
            Part::HighWater => data.join("log/high-water"),
            Part::Snapshot => {
                let mut all = names(&data.join("snapshots"), |name| {
                    name.starts_with("snap-") && !name.contains('.')
                });
                all.pop().expect("a snapshot is there")
            }
            Part::Checkpoint => {
                let db = data.join("checkpoint/db");
                if dice.chance(70) {
                    db
                } else {
                    data.join("checkpoint/conf")
                }
            }
            Part::Header => data.join("header"),
            Part::Peers => data.join("peers"),
        }
    }

    /// What is rebuilt from the rest, or from the others, is no reason not to start.
    pub(crate) fn may_be_refused(self) -> bool {
        match self {
            Part::Log | Part::HighWater | Part::Header | Part::Peers => true,
            Part::Snapshot | Part::Checkpoint => false,
        }
    }

    /// Whether the line of a refusal names what is wrong and a way out.
    pub(crate) fn says_what_to_do(self, line: &str) -> bool {
        let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
        has(&["under a new id", "remove", "restore", "upgrade"])
            && has(&["damaged", "belongs to another", "header", "peers"])
    }
}

fn one_of(folder: &Path, wanted: impl Fn(&str) -> bool, dice: &mut Dice) -> PathBuf {
    let mut all = names(folder, wanted);
    assert!(!all.is_empty(), "no such file in {}", folder.display());
    all.swap_remove(dice.place(all.len()))
}

fn names(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            wanted(entry.file_name().to_str()?).then(|| entry.path())
        })
        .collect();
    all.sort();
    all
}
