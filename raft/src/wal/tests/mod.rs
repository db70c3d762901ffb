//! The log as its owner sees it, on the machine's own disk and on disks that fail.

mod against_model;
mod damage;
mod failing_disk;
mod storage_errors;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;

use super::{Disk, Done, Mark, OpenError, Options, RealDisk, Record, Recovered, Wal};

/// Small segments, so that a test crosses many.
const OPTIONS: Options = Options {
    segment_bytes: 32 << 10,
    new_log_id: 77,
};

fn open(dir: &Path) -> Result<(Wal, Recovered), OpenError> {
    open_on(dir, Arc::new(RealDisk))
}

fn open_on(dir: &Path, disk: Arc<dyn Disk>) -> Result<(Wal, Recovered), OpenError> {
    Wal::open(dir, disk, OPTIONS)
}

/// A callback and the answer it will bring.
fn answer() -> (Done, Receiver<io::Result<()>>) {
    let (send, receive) = channel();
    (Box::new(move |result| drop(send.send(result))), receive)
}

fn wait(answer: &Receiver<io::Result<()>>) -> io::Result<()> {
    answer
        .recv_timeout(Duration::from_secs(20))
        .expect("the log answers")
}

/// Calls and waits.
fn now(call: impl FnOnce(Done)) -> io::Result<()> {
    let (done, receive) = answer();
    call(done);
    wait(&receive)
}

fn record(index: u64, bytes: usize) -> Record {
    Record {
        index,
        payload: Bytes::from(vec![index as u8; bytes]),
    }
}

fn records(range: std::ops::Range<u64>, bytes: usize) -> Vec<Record> {
    range.map(|index| record(index, bytes)).collect()
}

fn mark(index: u64) -> Mark {
    Mark {
        index,
        log_id: Bytes::from(format!("log id {index}")),
    }
}

fn segments(dir: &Path) -> Vec<String> {
    let mut names = RealDisk.list(dir).unwrap();
    names.retain(|name| name.ends_with(".wal"));
    names.sort();
    names
}

#[test]
fn a_new_log_is_empty_and_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let (wal, recovered) = open(&dir.path().join("log")).unwrap();
        assert_eq!(recovered, Recovered::default());
        drop(wal);
    }
}

#[test]
fn everything_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path()).unwrap();
    now(|done| wal.append(records(0..10, 100), done)).unwrap();
    now(|done| wal.save_vote(Bytes::from_static(b"vote"), done)).unwrap();
    now(|done| wal.truncate_after(Some(7), done)).unwrap();
    wal.save_committed(Bytes::from_static(b"committed"));
    now(|done| wal.append(records(8..9, 50), done)).unwrap();
    now(|done| wal.purge(mark(2), done)).unwrap();
    drop(wal);
    let (_wal, recovered) = open(dir.path()).unwrap();
    assert_eq!(recovered.vote.as_deref(), Some(&b"vote"[..]));
    assert_eq!(recovered.committed.as_deref(), Some(&b"committed"[..]));
    assert_eq!(recovered.purged, Some(mark(2)));
    assert_eq!(
        recovered.entries,
        [records(3..8, 100), records(8..9, 50)].concat()
    );
    assert_eq!(recovered.cut_off_bytes, 0);
}

/// The committed mark alone is not worth a sync, but a clean stop keeps it.
#[test]
fn a_clean_stop_keeps_the_committed_mark() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path()).unwrap();
    wal.save_committed(Bytes::from_static(b"5"));
    drop(wal);
    assert_eq!(open(dir.path()).unwrap().1.committed.as_deref(), Some(&b"5"[..]));
}

#[test]
fn evicted_entries_are_read_back_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path()).unwrap();
    now(|done| wal.append(records(1..200, 900), done)).unwrap();
    now(|done| wal.truncate_after(Some(150), done)).unwrap();
    now(|done| wal.append(records(151..160, 10), done)).unwrap();
    let check = |wal: &Wal| {
        assert_eq!(
            wal.read(140..160).unwrap(),
            [records(140..151, 900), records(151..160, 10)].concat()
        );
        assert_eq!(wal.read(155..161).unwrap_err().kind(), io::ErrorKind::NotFound);
    };
    check(&wal);
    drop(wal);
    let (wal, _) = open(dir.path()).unwrap();
    check(&wal);
    now(|done| wal.purge(mark(145), done)).unwrap();
    assert!(wal.read(145..146).is_err());
    assert_eq!(wal.read(146..147).unwrap(), records(146..147, 900));
}

/// Segments go when all their entries are purged, and their vote lives on in the next one.
#[test]
fn a_purge_frees_segments_and_keeps_the_vote() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path()).unwrap();
    now(|done| wal.save_vote(Bytes::from_static(b"vote"), done)).unwrap();
    for index in 0..100 {
        now(|done| wal.append(records(index..index + 1, 2000), done)).unwrap();
    }
    let before = segments(dir.path()).len();
    assert!(before > 5, "{before} segments");
    now(|done| wal.purge(mark(97), done)).unwrap();
    drop(wal); // the segments go after the purge is answered
    assert!(segments(dir.path()).len() <= 2, "{:?}", segments(dir.path()));
    let (_wal, recovered) = open(dir.path()).unwrap();
    assert_eq!(recovered.entries, records(98..100, 2000));
    assert_eq!(recovered.vote.as_deref(), Some(&b"vote"[..]));
}

/// One write and one sync carry all that waits, and the answers come in order.
#[test]
fn queued_commands_share_batches_and_are_answered_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path()).unwrap();
    let (send, receive) = channel();
    for index in 0..2000u64 {
        let send = send.clone();
        wal.append(
            records(index..index + 1, 20),
            Box::new(move |result| drop(send.send(result.map(|()| index)))),
        );
    }
    for index in 0..2000 {
        assert_eq!(
            receive.recv_timeout(Duration::from_secs(20)).unwrap().unwrap(),
            index
        );
    }
    drop(wal);
    assert_eq!(open(dir.path()).unwrap().1.entries.len(), 2000);
}

#[test]
fn an_entry_larger_than_a_segment_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path()).unwrap();
    now(|done| wal.append(records(0..3, 1 << 20), done)).unwrap();
    now(|done| wal.append(records(3..4, 10), done)).unwrap();
    drop(wal);
    assert_eq!(
        open(dir.path()).unwrap().1.entries,
        [records(0..3, 1 << 20), records(3..4, 10)].concat()
    );
}

#[test]
fn a_log_is_opened_once_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path()).unwrap();
    let refused = open(dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    drop(wal);
    open(dir.path()).unwrap();
}

/// A gap would make memory and disk disagree for good, so the log stops instead.
#[test]
fn a_gap_stops_the_log_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path()).unwrap();
    now(|done| wal.append(records(0..3, 10), done)).unwrap();
    let refused = now(|done| wal.append(records(4..5, 10), done)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{refused}");
    assert!(refused.to_string().contains("the next index is 3"), "{refused}");
    assert!(now(|done| wal.append(records(3..4, 10), done)).is_err());
    assert!(wal.failure().is_some());
    drop(wal);
    assert_eq!(open(dir.path()).unwrap().1.entries, records(0..3, 10));
}

/// Group commit must show in the counts: an append of many entries costs one sync, two appends that are waited for
/// cost two.
#[test]
fn syncs_are_counted_by_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = open(dir.path()).unwrap();
    let batches = |wal: &Wal| wal.counts().all().map(|(_, count)| count);
    let [opened, ..] = batches(&wal);
    now(|done| wal.append(records(0..10, 100), done)).unwrap();
    let [syncs, written, changes] = batches(&wal);
    assert_eq!((written, changes), (1, 10));
    assert_eq!(syncs - opened, 1);
    now(|done| wal.append(records(10..11, 100), done)).unwrap();
    let [more_syncs, written, changes] = batches(&wal);
    assert_eq!((written, changes), (2, 11));
    assert_eq!(more_syncs - syncs, 1);
}
