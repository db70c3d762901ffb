//! Locks: what may be locked, unlocked, disabled and repaired, all or nothing or what can be done.

use model::Rejection;
use proto::smd::v1::Component;
use proto::smd::v1::smd_command::SetLocks;
use proto::smd::v1::smd_command::set_locks::Action;

use crate::create_components::{component, create};
use crate::reservations::reserve;
use crate::support::Log;

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";
const NOBODY: &str = "x9c0s0b0n0";

pub fn set(action: Action, ids: &[&str]) -> SetLocks {
    SetLocks {
        action: action.into(),
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        flexible: false,
    }
}

pub fn flexible(action: Action, ids: &[&str]) -> SetLocks {
    SetLocks {
        flexible: true,
        ..set(action, ids)
    }
}

/// A log with two nodes.
pub fn machine() -> Log {
    let mut log = Log::latest();
    log.ok(create(vec![component(A), component(B)]));
    log
}

fn stored(log: &Log, id: &str) -> Component {
    let found = log.state.smd.component(&id.parse().unwrap());
    found.unwrap().as_ref().clone()
}

pub fn refusals(applied: &proto::raft::v1::outcome::Applied) -> Vec<(&str, &str)> {
    applied
        .refused
        .iter()
        .map(|refusal| (refusal.id.as_str(), refusal.reason.as_str()))
        .collect()
}

#[test]
fn a_lock_is_set_once_and_taken_away_once() {
    let mut log = machine();
    let applied = log.ok(set(Action::Lock, &["X0c0s00b0n0", A]));
    assert_eq!(applied.updated, [A]);
    let locked = stored(&log, A);
    assert!(locked.locked && !locked.reservation_disabled);
    assert_eq!(locked.meta.unwrap().modified, Some(log.last_change()));
    assert_eq!(
        log.invalid(set(Action::Lock, &[B, A])),
        ("Component is Locked".into(), A.into())
    );
    assert!(!stored(&log, B).locked, "rigid: all or nothing");
    log.ok(set(Action::Unlock, &[A]));
    assert!(!stored(&log, A).locked);
    assert_eq!(log.invalid(set(Action::Unlock, &[A])).0, "Component is Unlocked");
}

/// PCS relies on it: a lock never takes a component from whoever has it reserved.
#[test]
fn what_is_reserved_or_disabled_is_neither_locked_nor_unlocked() {
    let mut log = machine();
    log.ok(reserve(&[A], 1));
    let (text, who) = log.invalid(set(Action::Lock, &[A]));
    assert_eq!(text, "Component is Reserved");
    assert!(
        who.starts_with("x0c0s0b0n0, by user/admin until 2025-11-25T07:36:44"),
        "{who}"
    );
    log.ok(set(Action::Disable, &[B]));
    assert_eq!(
        log.invalid(set(Action::Lock, &[B])).0,
        "Component reservations are disabled"
    );
    let applied = log.ok(flexible(Action::Lock, &[A, NOBODY, B]));
    assert_eq!(
        refusals(&applied),
        [(A, "Reserved"), (NOBODY, "NotFound"), (B, "Disabled")]
    );
    assert!(applied.updated.is_empty() && applied.unchanged.is_empty());
}

#[test]
fn flexible_does_what_can_be_done() {
    let mut log = machine();
    log.ok(set(Action::Lock, &[B]));
    let applied = log.ok(flexible(Action::Lock, &[B, A, NOBODY]));
    assert_eq!(applied.updated, [A]);
    assert_eq!(refusals(&applied), [(B, "Locked"), (NOBODY, "NotFound")]);
    assert!(stored(&log, A).locked);
}

/// What is so already is a success, as in SMD, and leaves no trace.
#[test]
fn disabling_ends_reservations_and_repairing_allows_them_again() {
    let mut log = machine();
    log.ok(reserve(&[A], 1));
    let applied = log.ok(set(Action::Disable, &[A, B]));
    assert_eq!(applied.updated, [A, B]);
    assert!(
        log.state
            .smd
            .reservation(&A.parse().unwrap(), log.now_ms)
            .is_none()
    );
    assert_eq!(
        log.invalid(reserve(&[A], 1)).0,
        "Component reservations are disabled"
    );
    let before = stored(&log, A);
    let again = log.ok(set(Action::Disable, &[A]));
    assert_eq!(
        (again.updated.len(), again.unchanged.as_slice()),
        (0, &[A.to_owned()][..])
    );
    assert_eq!(stored(&log, A), before);
    log.ok(set(Action::Repair, &[A]));
    log.ok(reserve(&[A], 1));
}

#[test]
fn nothing_unknown_is_locked_and_nothing_is_not_asked_for() {
    let mut log = machine();
    assert_eq!(
        log.invalid(set(Action::Lock, &[A, NOBODY])),
        ("Component not found".into(), NOBODY.into())
    );
    assert!(!stored(&log, A).locked);
    assert_eq!(log.invalid(set(Action::Lock, &[])).0, "ids");
    assert_eq!(log.invalid(set(Action::Lock, &["nowhere"])).0, "ids");
    assert_eq!(log.invalid(set(Action::Unspecified, &[A])).0, "action");
}

/// Members of an older version would not understand the command.
#[test]
fn locks_wait_for_their_feature_level() {
    let mut log = Log::new();
    log.ok(create(vec![component(A)]));
    let refused = log.refused(set(Action::Lock, &[A]));
    assert!(
        matches!(
            refused,
            Rejection::FeatureLevel {
                needed: 3,
                current: 1
            }
        ),
        "{refused}"
    );
}
