//! What was captured of the undisturbed boots is compared with text files, one for each path and side. After a wanted
//! change, or another firmware, write them anew with `UPDATE_GOLDEN=1` and read the difference; such a run fails, so that
//! none passes by it.

use std::fs;
use std::path::Path;

use crate::report::Results;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boot_matrix/golden");
const UPDATE: &str = "UPDATE_GOLDEN";

/// What a test must fail for: each side of an undisturbed boot that is not what its file says.
pub(crate) fn differences(results: &Results) -> Vec<String> {
    let is_update = std::env::var_os(UPDATE).is_some();
    let work: FileWork = if is_update { write } else { compare };
    each_side(results, Path::new(FOLDER), work)
}

/// What is done with a side: its file and its text.
type FileWork = fn(&Path, &str) -> Result<(), String>;

/// Faults change how often a client asks and who answers, so disturbed boots are left out.
fn each_side(results: &Results, folder: &Path, work: FileWork) -> Vec<String> {
    let mut differences = Vec::new();
    for (cell, boot) in results.iter().filter(|(cell, _)| cell.fault.is_none()) {
        let Ok(boot) = boot else { continue }; // a boot that failed is told of elsewhere
        for (side, text) in [
            ("asked", &boot.captured.asked),
            ("answered", &boot.captured.answered),
        ] {
            let file = folder.join(format!("{}-{side}.txt", cell.firmware.name()));
            differences.extend(work(&file, text).err());
        }
    }
    differences
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    let shown = file.display();
    if text.is_empty() {
        return Err(format!("{shown} was not written: nothing of it was captured"));
    }
    let folder = file.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::write(file, text).unwrap();
    Err(format!(
        "{shown} was written: read the difference, then run without {UPDATE}"
    ))
}

fn compare(file: &Path, text: &str) -> Result<(), String> {
    let shown = file.display();
    let golden = fs::read_to_string(file)
        .map_err(|error| format!("{shown}: {error}; a run with {UPDATE}=1 writes it"))?;
    if golden == text {
        return Ok(());
    }
    let same = golden.lines().zip(text.lines()).take_while(|(a, b)| a == b);
    let line = same.count() + 1;
    Err(format!(
        "{shown} differs from line {line} on. Captured was:\n{text}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Boot;
    use crate::captured::Captured;
    use crate::cell::{Cell, Fault, Phase};
    use crate::report::Lost;
    use lab::machine::Firmware;

    fn results(fault: Option<(Phase, Fault)>, asked: &str) -> Results {
        let firmware = Firmware::UefiPxe;
        let captured = Captured {
            asked: asked.to_owned(),
            answered: "OFFER\n53\n".to_owned(),
        };
        let boot = Boot {
            captured,
            ..Boot::default()
        };
        let lost = Err(Lost::Wrong("it was reset".to_owned()));
        vec![
            (Cell { firmware, fault }, Ok(boot)),
            (Cell { firmware, fault }, lost),
        ]
    }

    #[test]
    fn what_was_written_is_what_the_next_boot_is_compared_with() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("golden");
        let undisturbed = results(None, "DISCOVER\n53\n60 a\n");
        let missing = each_side(&undisturbed, &folder, compare);
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(missing[0].ends_with("; a run with UPDATE_GOLDEN=1 writes it"));

        let written = each_side(&undisturbed, &folder, write);
        assert_eq!(written.len(), 2, "a run that writes fails: {written:?}");
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["uefi-pxe-answered.txt", "uefi-pxe-asked.txt"]);
        assert!(each_side(&undisturbed, &folder, compare).is_empty());
    }

    #[test]
    fn a_difference_names_the_file_and_the_line_and_shows_what_was_captured() {
        let folder = tempfile::tempdir().unwrap();
        each_side(&results(None, "DISCOVER\n53\n60 a\n"), folder.path(), write);
        for (asked, line) in [
            ("DISCOVER\n53\n60 b\n", 3),
            ("DISCOVER\n53\n60 a\n77\n", 4),
            ("", 1),
        ] {
            let found = each_side(&results(None, asked), folder.path(), compare);
            let [found] = &found[..] else { panic!("{found:?}") };
            let wanted = format!("uefi-pxe-asked.txt differs from line {line} on. Captured was:\n{asked}");
            assert!(found.ends_with(&wanted), "{found}");
        }
    }

    #[test]
    fn nothing_is_no_golden_file() {
        let folder = tempfile::tempdir().unwrap();
        let found = each_side(&results(None, ""), folder.path(), write);
        assert!(found[0].ends_with("nothing of it was captured"), "{found:?}");
        assert!(!folder.path().join("uefi-pxe-asked.txt").exists());
    }

    #[test]
    fn disturbed_boots_are_left_out() {
        let disturbed = results(Some((Phase::Offer, Fault::Kill)), "DISCOVER\n");
        assert!(each_side(&disturbed, Path::new("/nonexistent"), compare).is_empty());
    }
}
