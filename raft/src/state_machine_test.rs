//! What a state machine does with entries that it must not apply, and with snapshots that cross.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use openraft::entry::EntryPayload;
use openraft::storage::{RaftSnapshotBuilder as _, RaftStateMachine as _};
use prost::Message as _;
use proto::cluster::v1::{ClusterCommand, cluster_command};
use proto::raft::v1 as pb;
use tempfile::TempDir;

use crate::deed::DeedKind;
use crate::ledger::{Gap, GapReason, Item};
use crate::log_store::LogStore;
use crate::published::Published;
use crate::snapshot_file::{self, SnapshotFile};
use crate::snapshot_file_test::{meta, state_at};
use crate::snapshot_folder::file_name;
use crate::state_machine::{Start, StateMachine, Unsaved};
use crate::type_config::{Command, Entry, LeaderId, LogId};
use crate::wal::{Options, RealDisk, Wal};

struct Bench {
    machine: StateMachine,
    published: Arc<Published>,
    folder: TempDir,
}

fn bench() -> Bench {
    bench_on(Published::new(state::State::new()))
}

fn bench_on(published: Arc<Published>) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let (wal, recovered) =
        Wal::open(&folder.path().join("log"), Arc::new(RealDisk), Options::new(1)).unwrap();
    let log = LogStore::new(wal, recovered).unwrap();
    let unsaved = Arc::new(Mutex::new(Unsaved::default()));
    let machine = StateMachine::new(
        Start::default(),
        folder.path().to_owned(),
        log,
        Arc::clone(&published),
        unsaved,
        Arc::default(),
    );
    Bench {
        machine,
        published,
        folder,
    }
}

impl Bench {
    async fn apply(&mut self, index: u64, command: impl Into<Bytes>) -> std::io::Result<()> {
        let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, index);
        let entry = Entry {
            log_id,
            payload: EntryPayload::Normal(Command(command.into())),
        };
        self.machine.apply(stream::iter([Ok((entry, None))])).await
    }

    /// A snapshot at `index` under a name that a received file has.
    fn received(&self, index: u64) -> SnapshotFile {
        let file = snapshot_file::write(self.folder.path(), &meta(index), &state_at(index)).unwrap();
        let path = self.folder.path().join(format!("from-2-{index}.incoming"));
        std::fs::rename(file.path, &path).unwrap();
        SnapshotFile::open(path).unwrap()
    }

    /// The finished snapshot files, oldest first.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with("snap-")).collect();
        names.sort();
        names
    }
}

fn raise_to(level: u32, seq: u64) -> Vec<u8> {
    let session = pb::ClientSession {
        client_id: vec![1; 16],
        seq,
        ack_below: 1,
        opened_at_ms: 0,
    };
    let raise = cluster_command::SetFeatureLevel { level };
    let command = ClusterCommand {
        change: Some(cluster_command::Change::SetFeatureLevel(raise)),
    };
    let header = pb::Header {
        session: Some(session),
        random: vec![0; 16],
        ..pb::Header::default()
    };
    pb::Entry {
        header: Some(header),
        command: Some(pb::entry::Command::Cluster(command)),
    }
    .encode_to_vec()
}

/// A newer version's field, dropped silently, would make this member's state differ from the others'.
#[tokio::test]
async fn an_entry_with_an_unknown_field_stops_the_member() {
    let mut bench = bench();
    let mut bytes = raise_to(1, 1);
    bytes.extend([0xfa, 0x3f, 0x01, 0x07]); // field 1023, length-delimited, one byte
    let error = bench.apply(1, bytes).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("entry 1 was written by a newer version"),
        "{error}"
    );
    assert_eq!(bench.published.load().applied_index(), 0, "nothing was published");
}

#[tokio::test]
async fn bytes_that_are_no_entry_stop_the_member() {
    let mut bench = bench();
    assert!(bench.apply(1, vec![0xff; 32]).await.is_err());
}

/// Above the level it knows, a member cannot tell what an entry means.
#[tokio::test]
async fn a_feature_level_above_the_known_one_stops_the_member() {
    let mut bench = bench();
    for level in 1..=state::cluster::FEATURE_LEVEL_KNOWN {
        bench
            .apply(u64::from(level), raise_to(level, u64::from(level)))
            .await
            .unwrap();
    }
    let level = state::cluster::FEATURE_LEVEL_KNOWN + 1;
    let error = bench
        .apply(u64::from(level), raise_to(level, u64::from(level)))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("feature level"), "{error}");
}

/// Blank entries move the index, so that a wait for a read index at one ends.
#[tokio::test]
async fn a_blank_entry_moves_the_applied_index() {
    let mut bench = bench();
    let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, 1);
    let blank = Entry {
        log_id,
        payload: EntryPayload::Blank,
    };
    bench
        .machine
        .apply(stream::iter([Ok((blank, None))]))
        .await
        .unwrap();
    assert_eq!(bench.published.load().applied_index(), 1);
}

/// A build runs beside the rest; an install that overtakes it has purged the log that follows on the built one.
#[tokio::test]
async fn a_build_that_ends_after_an_install_does_not_bring_its_snapshot_back() {
    let mut bench = bench();
    bench.apply(1, raise_to(1, 1)).await.unwrap();
    let mut slow = bench.machine.get_snapshot_builder().await;
    let received = bench.received(9);
    bench.machine.install_snapshot(&meta(9), received).await.unwrap();
    slow.build_snapshot().await.unwrap();
    let current = bench.machine.get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(current.meta, meta(9));
    assert_eq!(
        current.snapshot.path,
        bench.folder.path().join(file_name(&meta(9)))
    );
}

/// A member that only installs would fill its disk otherwise.
#[tokio::test]
async fn installs_keep_the_newest_two_files() {
    let mut bench = bench();
    for index in [5, 7, 9] {
        let received = bench.received(index);
        bench
            .machine
            .install_snapshot(&meta(index), received)
            .await
            .unwrap();
    }
    assert_eq!(bench.files(), [file_name(&meta(7)), file_name(&meta(9))]);
    assert_eq!(bench.published.load().applied_index(), 9);
}

/// A refused file must not get the name that the next start trusts.
#[tokio::test]
async fn another_snapshot_than_announced_is_not_installed() {
    let mut bench = bench();
    let received = bench.received(9);
    assert!(bench.machine.install_snapshot(&meta(10), received).await.is_err());
    assert_eq!(
        (bench.files().len(), bench.published.load().applied_index()),
        (0, 0)
    );
}

/// What was read on its way in is not read again: the file may be large.
#[tokio::test]
async fn a_verified_snapshot_is_not_read_twice() {
    let mut bench = bench();
    let mut received = bench.received(9);
    received.verified = Some(state_at(9));
    std::fs::write(&received.path, b"not looked at").unwrap();
    bench.machine.install_snapshot(&meta(9), received).await.unwrap();
    assert_eq!(bench.published.load().digest(), state_at(9).digest());
}

/// A journal has a line for every entry, also for those that change nothing, and names what a snapshot jumped over.
#[tokio::test]
async fn a_ledger_has_every_entry_and_the_jump_of_a_snapshot() {
    let mut bench = bench_on(Published::recording(state::State::new()));
    bench.apply(1, raise_to(1, 1)).await.unwrap();
    let blank = Entry {
        log_id: LogId::new(LeaderId { term: 1, node_id: 1 }, 2),
        payload: EntryPayload::Blank,
    };
    let blank = stream::iter([Ok((blank, None))]);
    bench.machine.apply(blank).await.unwrap();
    let received = bench.received(9);
    bench.machine.install_snapshot(&meta(9), received).await.unwrap();
    let taken = bench.published.ledger().unwrap().take(Duration::ZERO);
    let [Item::Deed(raise), Item::Deed(blank), Item::Gap(jump)] = &taken.items[..] else {
        panic!("{taken:?}");
    };
    assert!(matches!(raise.what, DeedKind::Command(numbers) if numbers.family == 15 && numbers.change > 0));
    assert_eq!((raise.index, blank.index, blank.what), (1, 2, DeedKind::Blank));
    let gap = Gap {
        after: 2,
        upto: 9,
        reason: GapReason::Snapshot,
    };
    assert_eq!(*jump, gap);
}

/// A snapshot file ahead of the journal would let a start skip entries that nobody has written down.
#[tokio::test]
async fn a_snapshot_file_waits_for_the_journal_and_not_for_ever() {
    let mut bench = bench_on(Published::recording(state::State::new()));
    bench.apply(1, raise_to(1, 1)).await.unwrap();
    let ledger = Arc::clone(bench.published.ledger().unwrap());
    let journal = std::thread::spawn(move || {
        while !ledger.is_awaited() {
            ledger.take(Duration::from_millis(10));
        }
        ledger.keep(1);
    });
    let mut builder = bench.machine.get_snapshot_builder().await;
    builder.build_snapshot().await.unwrap();
    journal.join().unwrap();
    bench.apply(2, raise_to(2, 2)).await.unwrap();
    let mut without = bench.machine.get_snapshot_builder().await;
    without.build_snapshot().await.unwrap();
    assert_eq!(bench.files().len(), 2);
}
