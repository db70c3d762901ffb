//! What a snapshot file keeps, and what it refuses.

use std::path::Path;

use prost::Message as _;
use proto::raft::v1 as pb;
use state::State;

use crate::snapshot_file::{ReadError, read, write, write_rows};
use crate::type_config::{LeaderId, LogId, SnapshotMeta};

pub(crate) fn meta(index: u64) -> SnapshotMeta {
    let last = LogId::new(LeaderId { term: 1, node_id: 1 }, index);
    SnapshotMeta {
        last_log_id: Some(last),
        ..SnapshotMeta::default()
    }
}

/// A state with a subnet in it, so that there is more than the header row.
pub(crate) fn state_at(index: u64) -> State {
    use pb::entry::Command;
    use proto::dhcp::v1::{DhcpCommand, Subnet, dhcp_command};
    let mut state = State::new();
    (1..index).for_each(|index| state.skip(index));
    let subnet = Subnet {
        network: "10.0.0.0/16".to_owned(),
        ..Subnet::default()
    };
    let put = dhcp_command::PutSubnet { subnet: Some(subnet) };
    let session = pb::ClientSession {
        client_id: vec![1; 16],
        seq: 1,
        ack_below: 1,
        opened_at_ms: 0,
    };
    let entry = pb::Entry {
        header: Some(pb::Header {
            session: Some(session),
            random: vec![0; 16],
            ..pb::Header::default()
        }),
        command: Some(Command::Dhcp(DhcpCommand {
            change: Some(dhcp_command::Change::PutSubnet(put)),
        })),
    };
    assert!(state::rejection(&state.apply(index, &entry).outcome).is_none());
    state
}

#[test]
fn a_snapshot_reads_back_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let written = state_at(5);
    let file = write(folder.path(), &meta(5), &written).unwrap();
    let (read_meta, read_state) = read(&file.path).unwrap();
    assert_eq!((read_meta, read_state.digest()), (meta(5), written.digest()));
}

/// Disks rot: whatever single bit flips, the file is refused, never read as another state.
#[test]
fn no_flipped_bit_passes() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &meta(5), &state_at(5)).unwrap();
    let good = std::fs::read(&file.path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&file.path, &bad).unwrap();
        assert!(read(&file.path).is_err(), "byte {at}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), &meta(5), &state_at(5)).unwrap();
    let good = std::fs::read(&file.path).unwrap();
    for length in 0..good.len() {
        std::fs::write(&file.path, &good[..length]).unwrap();
        assert!(read(&file.path).is_err(), "{length} bytes");
    }
}

fn header(state: &State) -> pb::SnapshotRow {
    state.rows().next().expect("the header row")
}

fn read_error(folder: &Path, rows: Vec<Vec<u8>>) -> ReadError {
    let file = write_rows(folder, &meta(5), rows.into_iter()).unwrap();
    read(&file.path).unwrap_err()
}

/// A newer version's field, dropped silently, would make this member's state differ from the others'.
#[test]
fn a_row_with_an_unknown_field_is_refused_and_says_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let state = state_at(5);
    let mut rows: Vec<Vec<u8>> = state.rows().map(|row| row.encode_to_vec()).collect();
    rows.last_mut().unwrap().extend([0xfa, 0x3f, 0x01, 0x07]); // field 1023, length-delimited, one byte
    let error = read_error(folder.path(), rows);
    assert!(matches!(error, ReadError::Newer(_)), "{error}");
    assert!(error.to_string().contains("upgrade"), "{error}");
}

/// Above the level it knows, a member cannot tell what a row means.
#[test]
fn a_feature_level_above_the_known_one_is_refused_and_says_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let mut row = header(&state_at(5));
    let Some(pb::snapshot_row::Row::Header(header)) = &mut row.row else {
        panic!("no header: {row:?}");
    };
    header.feature_level = state::cluster::FEATURE_LEVEL_KNOWN + 1;
    let error = read_error(folder.path(), vec![row.encode_to_vec()]).to_string();
    assert!(
        error.contains("feature level") && error.contains("upgrade"),
        "{error}"
    );
}

/// A session's window may be full of large outcomes; a file that could not be read back would be the end of the
/// state, since the log below it is purged.
#[test]
fn the_largest_session_row_is_read_back_and_a_larger_row_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let session_of = |bytes: usize| {
        let outcome = pb::Outcome {
            revision: 3,
            result: Some(pb::outcome::Result::Applied(pb::outcome::Applied {
                value: "x".repeat(bytes),
                ..Default::default()
            })),
        };
        let session = pb::SessionRow {
            client_id: vec![1; 16],
            outcomes: vec![pb::StoredOutcome {
                seq: 1,
                outcome: Some(outcome),
                ..Default::default()
            }],
            ..Default::default()
        };
        let row = Some(pb::snapshot_row::Row::Session(session));
        State::from_rows([header(&state_at(5)), pb::SnapshotRow { row }].into_iter()).unwrap()
    };
    let largest = session_of(17 << 20);
    let file = write(folder.path(), &meta(5), &largest).unwrap();
    assert_eq!(read(&file.path).unwrap().1.digest(), largest.digest());
    let error = write(folder.path(), &meta(6), &session_of(65 << 20)).unwrap_err();
    assert!(error.to_string().contains("could not be read back"), "{error}");
}
