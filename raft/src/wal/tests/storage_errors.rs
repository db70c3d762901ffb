//! The first storage error stops the log for good; what was acknowledged before is there later.

use super::failing_disk::{Call, FailingDisk};
use super::*;

/// Writes until the disk fails; returns the acknowledged entries and the error.
fn append_until_failure(dir: &Path, disk: &FailingDisk) -> (u64, io::Error) {
    let (wal, _) = match open_on(dir, Arc::new(disk.clone())) {
        Ok(opened) => opened,
        Err(OpenError::Io { source, .. }) => return (0, source),
        Err(other) => panic!("{other}"),
    };
    for index in 0..1000u64 {
        let step =
            now(|done| wal.append(records(index..index + 1, 1500), done)).and_then(|()| match index % 7 {
                3 => now(|done| wal.save_vote(Bytes::from(index.to_string()), done)),
                _ => Ok(()),
            });
        if let Err(error) = step {
            assert!(disk.has_failed(), "failed without a cause: {error}");
            let later = now(|done| wal.save_vote(Bytes::from_static(b"late"), done)).unwrap_err();
            assert_eq!(later.kind(), error.kind(), "a later call must fail the same way");
            assert_eq!(wal.failure().unwrap().kind(), error.kind());
            return (index, error);
        }
    }
    panic!("the disk never failed");
}

/// The disk works again right after its error: a log that retried would acknowledge on a lie.
#[test]
fn a_failed_call_is_never_retried_and_loses_nothing() {
    let full = io::ErrorKind::StorageFull;
    let broken = io::ErrorKind::Other;
    for (call, error, calls_left) in [
        (Call::Write, broken, 0),
        (Call::Write, full, 5), // among the zeros after the first batch
        (Call::Write, broken, 6),
        (Call::Write, full, 20),
        (Call::Write, full, 21),
        (Call::SyncData, broken, 1),
        (Call::SyncData, broken, 30),
        (Call::SyncData, broken, 31),
        (Call::SyncDir, broken, 2),
        (Call::SyncDir, broken, 4),
        (Call::Create, full, 1),
        (Call::Create, full, 3),
        (Call::Preallocate, full, 2),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let disk = FailingDisk::new(call, error, calls_left);
        let (acknowledged, failure) = append_until_failure(dir.path(), &disk);
        assert_eq!(failure.kind(), error, "{call:?} {calls_left}");
        let (_wal, recovered) =
            open(dir.path()).unwrap_or_else(|error| panic!("{call:?} {calls_left}: {error}"));
        let found = recovered.entries.len() as u64;
        assert!(
            (acknowledged..=acknowledged + 1).contains(&found),
            "{call:?}: {found} of {acknowledged}"
        );
        assert_eq!(recovered.entries, records(0..found, 1500));
    }
}

/// A full disk is left by a purge: its record finds room in the segment's reserve, also after the
/// restart that the error forces.
#[test]
fn a_purge_finds_room_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let full = FailingDisk::new(Call::Create, io::ErrorKind::StorageFull, 4);
    let (acknowledged, _) = append_until_failure(dir.path(), &full);
    let still_full = FailingDisk::new(Call::Create, io::ErrorKind::StorageFull, 0);
    let (wal, _) = open_on(dir.path(), Arc::new(still_full.clone())).unwrap();
    let before = segments(dir.path()).len();
    now(|done| wal.save_vote(Bytes::from_static(b"vote"), done)).unwrap();
    now(|done| wal.purge(mark(acknowledged - 2), done)).unwrap();
    drop(wal);
    assert!(!still_full.has_failed());
    assert!(segments(dir.path()).len() < before);
    let (_wal, recovered) = open(dir.path()).unwrap();
    assert_eq!(
        recovered.entries.first().map(|record| record.index),
        Some(acknowledged - 1)
    );
}

/// The answer to a purge says that it is durable; a segment that then cannot be removed stops the
/// log, and the next start goes on with the removal.
#[test]
fn a_failed_removal_stops_the_log_after_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FailingDisk::new(Call::Unlink, io::ErrorKind::Other, 1);
    let (wal, _) = open_on(dir.path(), Arc::new(disk)).unwrap();
    for index in 0..100 {
        now(|done| wal.append(records(index..index + 1, 2000), done)).unwrap();
    }
    now(|done| wal.purge(mark(90), done)).unwrap();
    assert!(now(|done| wal.append(records(100..101, 10), done)).is_err());
    drop(wal);
    let (wal, recovered) = open(dir.path()).unwrap();
    assert_eq!(recovered.entries, records(91..100, 2000));
    now(|done| wal.purge(mark(91), done)).unwrap();
    drop(wal);
    assert!(segments(dir.path()).len() <= 3);
}
