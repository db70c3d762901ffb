//! The catalogue of boot files.

use model::Rejection;
use proto::boot_file::v1::BootFile;
use proto::boot_file::v1::boot_file_command::{DeleteBootFile, PutBootFile};
use proto::raft::v1::SnapshotRow;
use proto::raft::v1::snapshot_row::Row;
use state::State;

use crate::support::Log;

const NAME: &str = "debian-12/vmlinuz";

pub fn file(name: &str, digit: &str) -> BootFile {
    BootFile {
        name: name.into(),
        size: 7,
        sha256: digit.repeat(64),
        meta: None,
    }
}

pub fn put(file: BootFile) -> PutBootFile {
    PutBootFile {
        file: Some(file),
        if_revision: None,
    }
}

fn delete(name: &str) -> DeleteBootFile {
    DeleteBootFile {
        name: name.into(),
        if_revision: None,
    }
}

fn names(log: &Log) -> Vec<String> {
    log.state
        .boot_files
        .iter()
        .map(|file| file.name.clone())
        .collect()
}

/// Members compare digests as text, so there is one form of it.
#[test]
fn a_file_is_created_then_replaced() {
    let mut log = Log::new();
    assert_eq!(log.ok(put(file(NAME, "A"))).created, [NAME]);
    let stored = BootFile {
        meta: log.created(),
        ..file(NAME, "a")
    };
    assert_eq!(*log.state.boot_files.get(NAME).unwrap(), stored);
    let created = log.last_change();
    assert_eq!(log.ok(put(file(NAME, "b"))).updated, [NAME]);
    let replaced = log.state.boot_files.get(NAME).unwrap();
    assert_eq!(replaced.sha256, "b".repeat(64));
    let meta = replaced.meta.clone().unwrap();
    assert_eq!(
        (meta.created, meta.modified),
        (Some(created), Some(log.last_change()))
    );
}

/// A script that puts the same files every night must not touch their revisions.
#[test]
fn the_same_content_again_changes_nothing() {
    let mut log = Log::new();
    log.ok(put(file(NAME, "a")));
    let before = log.state.boot_files.get(NAME).unwrap();
    assert_eq!(log.ok(put(file(NAME, "a"))).unchanged, [NAME]);
    assert_eq!(log.state.boot_files.get(NAME).unwrap(), before);
}

#[test]
fn a_deleted_file_is_gone() {
    let mut log = Log::new();
    log.ok(put(file(NAME, "a")));
    log.ok(put(file("initrd", "a")));
    assert_eq!(names(&log), [NAME, "initrd"], "sorted by name");
    assert_eq!(log.ok(delete(NAME)).deleted, [NAME]);
    assert_eq!(names(&log), ["initrd"]);
    let missing = Rejection::NotFound {
        kind: "boot file".into(),
        id: NAME.into(),
    };
    assert_eq!(log.refused(delete(NAME)), missing);
}

/// Two administrators replace one file; the second must learn of the first.
#[test]
fn a_revision_that_is_not_the_files_is_refused() {
    let mut log = Log::new();
    let put_if = |digit, if_revision| PutBootFile {
        if_revision: Some(if_revision),
        ..put(file(NAME, digit))
    };
    let mismatch = |expected, actual| Rejection::RevisionMismatch {
        id: NAME.into(),
        expected,
        actual,
    };
    assert_eq!(log.refused(put_if("a", 9)), mismatch(9, 0), "there is none yet");
    log.ok(put_if("a", 0));
    let revision = log.last_change().revision;
    assert_eq!(
        log.refused(put_if("b", 0)),
        mismatch(0, revision),
        "there must be none"
    );
    let delete_if = |if_revision| DeleteBootFile {
        if_revision: Some(if_revision),
        ..delete(NAME)
    };
    assert_eq!(
        log.refused(delete_if(revision + 1)),
        mismatch(revision + 1, revision)
    );
    log.ok(put_if("b", revision));
    let revision = log.last_change().revision;
    log.ok(delete_if(revision));
    assert!(names(&log).is_empty());
}

#[test]
fn wrong_files_name_their_field() {
    let mut log = Log::new();
    let missing = PutBootFile {
        file: None,
        if_revision: None,
    };
    assert_eq!(log.invalid(missing).0, "file");
    for name in ["", "/x", "a/../b", ".content/x", "a\nb", &"x".repeat(256)] {
        assert_eq!(log.invalid(put(file(name, "a"))).0, "file.name", "{name:?}");
    }
    for digit in ["", "g", "aa"] {
        assert_eq!(log.invalid(put(file(NAME, digit))).0, "file.sha256", "{digit}");
    }
    let huge = BootFile {
        size: state::bounds::BOOT_FILE_BYTES_MAX + 1,
        ..file(NAME, "a")
    };
    assert_eq!(log.invalid(put(huge)).0, "file.size");
    assert!(names(&log).is_empty());
}

/// The catalogue is asked for as a whole by every member every few seconds.
#[test]
fn the_number_of_files_is_bounded() {
    let rows = (0..state::bounds::BOOT_FILES_MAX).map(|n| SnapshotRow {
        row: Some(Row::BootFile(file(&format!("{n:05}"), "a"))),
    });
    let mut log = Log::new();
    let header = log.state.rows().next().unwrap();
    log.state = State::from_rows(std::iter::once(header).chain(rows)).unwrap();
    let outcome = log
        .clone()
        .state
        .apply(1, &log.entry(put(file("one-more", "a"))))
        .outcome;
    let rejection = state::rejection(&outcome).unwrap().to_string();
    assert!(rejection.contains("10000 boot files"), "{rejection}");
    let replaced = log
        .clone()
        .state
        .apply(1, &log.entry(put(file("00000", "b"))))
        .outcome;
    assert_eq!(state::rejection(&replaced), None);
}

/// What no `apply` wrote is not taken from a snapshot either.
#[test]
fn a_row_with_a_bad_name_is_refused() {
    let mut log = Log::new();
    let header = log.state.rows().next().unwrap();
    log.ok(put(file(NAME, "a")));
    for bad in [file("../x", "a"), file(NAME, "A"), file(NAME, "zz")] {
        let row = SnapshotRow {
            row: Some(Row::BootFile(bad)),
        };
        assert!(State::from_rows([header.clone(), row].into_iter()).is_err());
    }
}
