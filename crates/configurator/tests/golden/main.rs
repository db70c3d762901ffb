//! The whole output of every target, with and without its options, for a small cluster with bad data in it. After a wanted
//! change write the files anew with `UPDATE_GOLDEN=1` and read the difference; such a run fails, so that none passes by it.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

#[path = "../common/cases.rs"]
mod cases;
#[path = "../common/inventory.rs"]
mod inventory;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cases::{CASES, Case, view};
use configurator::{Inventory, View, targets};
use inventory::{REVISION, objects};

/// All files of a case as one text.
fn whole(case: &Case, view: &View) -> String {
    let files = case.files(view).into_iter();
    let texts = files.map(|file| format!("==> {} <==\n{}", file.path, file.text(view.revision())));
    texts.collect()
}

fn golden(case: &Case) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/expected");
    folder.join(format!("{}.txt", case.name))
}

#[test]
fn every_target_says_what_its_golden_file_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let view = view();
    let mut wrong = Vec::new();
    for case in CASES {
        let (text, path) = (whole(case, &view), golden(case));
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if text == expected {
            continue;
        }
        wrong.push(case.name);
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        } else {
            eprintln!("--- {}: expected\n{expected}\n--- but it is\n{text}", case.name);
        }
    }
    assert!(
        wrong.is_empty(),
        "differ from tests/golden/expected: {wrong:?}; updated: {update}"
    );
}

/// What no case shows any more must not look as if it were tested.
#[test]
fn there_is_no_golden_file_without_its_case() {
    let folder = golden(&CASES[0]);
    let entries = std::fs::read_dir(folder.parent().unwrap()).unwrap();
    let there: BTreeSet<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let wanted: BTreeSet<PathBuf> = CASES.iter().map(golden).collect();
    assert_eq!(there, wanted);
}

#[test]
fn every_option_of_every_target_is_tried() {
    for target in targets() {
        let cases = || CASES.iter().filter(|case| case.target().name == target.name);
        assert!(cases().count() > 0, "no case of {}", target.name);
        for option in target.options {
            let is_tried = cases().any(|case| case.options.iter().any(|(name, _)| *name == option.name));
            assert!(is_tried, "no case has {}'s option {}", target.name, option.name);
        }
    }
}

/// Whatever the order in which a watch told of them, and whatever was there in between.
#[test]
fn the_same_state_gives_the_same_bytes() {
    let mut backwards = Inventory::new("prod");
    let told = objects();
    for object in told.iter().rev() {
        backwards.put(object.clone());
    }
    // gone and back again
    for object in &told {
        backwards.remove(object.kind(), &object.key);
        backwards.put(object.clone());
    }
    backwards.set_revision(REVISION);
    let backwards = View::of(&backwards);
    let view = view();
    for case in CASES {
        assert_eq!(whole(case, &backwards), whole(case, &view), "{}", case.name);
    }
}

/// A file is replaced when the state behind it changed, not when the cluster's revision did.
#[test]
fn another_revision_is_no_other_file() {
    let mut later = inventory::inventory();
    later.set_revision(REVISION + 1);
    let later = View::of(&later);
    let view = view();
    for case in CASES {
        for (file, now) in case.files(&view).iter().zip(case.files(&later)) {
            assert!(now.says(&file.text(REVISION)), "{}: {}", case.name, file.path);
        }
    }
}

/// A line that someone smuggled into a name, a label or a description would be a line of a file.
#[test]
fn free_text_of_the_state_begins_no_line() {
    let view = view();
    for case in CASES {
        let text = whole(case, &view);
        let smuggled = text
            .lines()
            .find(|line| line.starts_with("10.0.0.1 evil") || line.starts_with("of them"));
        assert_eq!(smuggled, None, "{}", case.name);
    }
}
