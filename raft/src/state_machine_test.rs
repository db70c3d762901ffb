//! What a state machine does with entries that it must not apply.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream;
use openraft::entry::EntryPayload;
use openraft::storage::RaftStateMachine as _;
use prost::Message as _;
use proto::cluster::v1::{ClusterCommand, cluster_command};
use proto::raft::v1 as pb;
use tempfile::TempDir;

use crate::log_store::LogStore;
use crate::published::Published;
use crate::state_machine::{Start, StateMachine, Unsaved};
use crate::type_config::{Command, Entry, LeaderId, LogId};
use crate::wal::{Options, RealDisk, Wal};

struct Bench {
    machine: StateMachine,
    published: Arc<Published>,
    _folder: TempDir,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let (wal, recovered) =
        Wal::open(&folder.path().join("log"), Arc::new(RealDisk), Options::new(1)).unwrap();
    let log = LogStore::new(wal, recovered).unwrap();
    let published = Published::new(state::State::new());
    let unsaved = Arc::new(Mutex::new(Unsaved::default()));
    let machine = StateMachine::new(
        Start::default(),
        folder.path().to_owned(),
        log,
        Arc::clone(&published),
        unsaved,
    );
    Bench {
        machine,
        published,
        _folder: folder,
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
