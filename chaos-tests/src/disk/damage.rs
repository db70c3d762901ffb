//! What a bad disk, a bad cable or a bad copy does to the files of a member that does not run.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

use std::fs;
use std::path::Path;

use crate::dice::Dice;

/// One kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One bit, anywhere in what is used of the file.
    BitFlip,
    /// Everything behind some byte is gone.
    Truncation,
    /// A page of zeros.
    ZeroedPage,
    /// Nothing is left of it.
    Empty,
}

/// What a disk loses at once.
const PAGE: usize = 4096;

impl Damage {
    /// All of them.
    pub const ALL: [Damage; 4] = [
        Damage::BitFlip,
        Damage::Truncation,
        Damage::ZeroedPage,
        Damage::Empty,
    ];

    /// Does it to the file; says where.
    pub fn inflict(self, path: &Path, dice: &mut Dice) -> String {
        let mut bytes = fs::read(path).unwrap();
        // the zeros that a log has in reserve are nobody's
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let place = dice.place(used);
        let what = match self {
            Damage::BitFlip => {
                let bit = dice.below(8);
                bytes[place] ^= 1 << bit;
                format!("bit {bit} of byte {place} flipped")
            }
            Damage::Truncation => {
                bytes.truncate(place);
                format!("cut off at byte {place}")
            }
            Damage::ZeroedPage => {
                let start = place / PAGE * PAGE;
                let end = (start + PAGE).min(bytes.len());
                bytes[start..end].fill(0);
                format!("bytes {start} to {end} zeroed")
            }
            Damage::Empty => {
                bytes.clear();
                "emptied".to_owned()
            }
        };
        fs::write(path, bytes).unwrap();
        format!("{}: {what} of {used}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_where_something_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let content = [vec![7; 5000], vec![0; 9000]].concat();
        let mut dice = Dice::new(1);
        for damage in Damage::ALL {
            fs::write(&path, &content).unwrap();
            damage.inflict(&path, &mut dice);
            let found = fs::read(&path).unwrap();
            let differ = found.iter().zip(&content).filter(|(a, b)| a != b).count();
            match damage {
                Damage::BitFlip => assert_eq!((differ, found.len()), (1, 14_000)),
                Damage::Truncation => assert!(differ == 0 && found.len() < 5000),
                Damage::ZeroedPage => assert!((904..=4096).contains(&differ)),
                Damage::Empty => assert!(found.is_empty()),
            }
        }
    }
}
