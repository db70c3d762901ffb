//! The revision of a list: when anything of its kinds last changed, also by going away, and on every member alike.

use proto::cluster::v1::cluster_command::SetFeatureLevel;
use proto::raft::v1::entry::Command;
use proto::raft::v1::snapshot_row::Row;
use proto::raft::v1::{LastChange, SnapshotRow, StateHeader};
use proto::smd::v1::component;
use proto::smd::v1::smd_command::{DeleteComponents, PatchState};
use state::cluster::FEATURE_LEVEL_INVENTORY;
use state::{RowKind, SnapshotError, State};

use crate::cluster::bootstrap;
use crate::create_components::{component, create};
use crate::ethernet_interfaces;
use crate::support::{IntoCommand, Log};

const NODE: &str = "x0c0s0b0n0";
const OTHER: &str = "x0c0s1b0n0";

fn of(log: &Log, kind: RowKind) -> u64 {
    log.state.last_change([kind]).unwrap()
}

/// A list of components that has lost its newest one must not look like the one before that came.
#[test]
fn what_is_deleted_is_a_change_too() {
    let mut log = Log::latest();
    log.ok(create(vec![component(NODE)]));
    log.ok(create(vec![component(OTHER)]));
    assert_eq!(of(&log, RowKind::Component), 2);
    log.ok(DeleteComponents {
        ids: vec![OTHER.into()],
        ..Default::default()
    });
    assert_eq!(of(&log, RowKind::Component), 3);
}

#[test]
fn each_kind_has_its_own_and_several_have_the_latest() {
    let mut log = Log::latest();
    log.ok(create(vec![component(NODE)]));
    log.ok(ethernet_interfaces::create("02:00:00:00:00:01", NODE, &[]));
    assert_eq!(of(&log, RowKind::Component), 1);
    assert_eq!(of(&log, RowKind::EthernetInterface), 2);
    assert_eq!(of(&log, RowKind::Group), 0);
    let both = [RowKind::Component, RowKind::EthernetInterface];
    assert_eq!(log.state.last_change(both), Some(2));
}

/// Whoever polls is not sent a list again for what changed nothing in it.
#[test]
fn what_changes_nothing_is_no_change() {
    let mut log = Log::latest();
    log.ok(create(vec![component(NODE)]));
    log.refused(PatchState {
        id: OTHER.into(),
        state: component::State::On.into(),
        ..Default::default()
    });
    log.ok(create(vec![component(NODE)])); // exists
    log.state.skip(9);
    assert_eq!(of(&log, RowKind::Component), 1);
}

/// Before the level is raised a member may have begun at any snapshot, so members would not agree.
#[test]
fn it_begins_for_all_members_with_the_feature_level() {
    let mut log = Log::new();
    log.ok(bootstrap("prod"));
    log.ok(create(vec![component(NODE)]));
    assert_eq!(log.state.last_change([RowKind::Component]), None);
    // A member that is started from a snapshot of the old level.
    let mut late = State::from_rows(log.state.rows()).unwrap();
    let mut both = |command: Command| {
        let (index, entry) = (log.next_index(), log.entry(command));
        late.apply(index, &entry);
        log.apply_entry(&entry);
        assert_eq!(late.digest(), log.state.digest());
        let of = |kind| log.state.last_change([kind]);
        assert!(
            RowKind::ALL
                .into_iter()
                .all(|kind| late.last_change([kind]) == of(kind))
        );
        (of(RowKind::Component), of(RowKind::Group))
    };
    assert_eq!(both(SetFeatureLevel { level: 2 }.into_command()), (None, None));
    let level = FEATURE_LEVEL_INVENTORY;
    let raised = both(SetFeatureLevel { level }.into_command());
    assert_eq!(raised, (Some(4), Some(4)), "then or before");
    let created = both(create(vec![component(OTHER)]).into_command());
    assert_eq!(created, (Some(5), Some(4)));
}

/// `Log` restores every state from its rows and compares digests; this is the value itself.
#[test]
fn it_survives_a_snapshot() {
    let mut log = Log::latest();
    log.ok(create(vec![component(NODE), component(OTHER)]));
    log.ok(DeleteComponents {
        ids: vec![OTHER.into()],
        ..Default::default()
    });
    let restored = State::from_rows(log.state.rows()).unwrap();
    assert_eq!(restored.last_change([RowKind::Component]), Some(2));
    assert_eq!(restored.digest(), log.state.digest());
}

#[test]
fn a_header_that_no_apply_wrote_is_refused() {
    let change = |kind: RowKind, revision| LastChange {
        kind: kind as u32,
        revision,
    };
    let header = |last_changes: Vec<LastChange>, since| StateHeader {
        format: 1,
        feature_level: FEATURE_LEVEL_INVENTORY,
        applied_index: 9,
        last_changes_since: since,
        last_changes,
        ..StateHeader::default()
    };
    let read = |header: StateHeader| {
        let row = SnapshotRow {
            row: Some(Row::Header(header)),
        };
        State::from_rows(std::iter::once(row)).map(|_| ())
    };
    let fine = vec![change(RowKind::Component, 9), change(RowKind::Group, 3)];
    assert_eq!(read(header(fine.clone(), 2)), Ok(()));
    let unknown = LastChange {
        kind: 200,
        revision: 1,
    };
    for wrong in [
        header(vec![change(RowKind::Component, 10)], 0),
        header(Vec::new(), 10),
        header(fine.iter().rev().cloned().collect(), 0),
        header([fine.clone(), fine.clone()].concat(), 0),
        header(vec![change(RowKind::Session, 3)], 0),
        header(vec![change(RowKind::Component, 0)], 0),
        header(vec![unknown], 0),
        StateHeader {
            feature_level: FEATURE_LEVEL_INVENTORY - 1,
            ..header(fine, 2)
        },
    ] {
        let refused = read(wrong.clone());
        let expected = matches!(
            refused,
            Err(SnapshotError::Malformed {
                kind: RowKind::Header,
                ..
            })
        );
        assert!(expected, "{wrong:?}: {refused:?}");
    }
}
