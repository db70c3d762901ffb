//! Locks and reservations that are enforced: who may change what is held, what passes all the same, and what is said.

use model::Rejection;
use proptest::prelude::*;
use proto::raft::v1::LockEnforcement;
use proto::raft::v1::entry::Command;
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::component::{Arch, Class, Flag, State};
use proto::smd::v1::smd_command::set_locks::Action;
use proto::smd::v1::smd_command::{
    Change, ComponentNid, CreateComponents, DeleteComponents, PatchComponents, PatchState,
    ReleaseReservations, RemoveReservations, Reserve, SetNids, StoreDiscovery,
};
use proto::smd::v1::{Component, SmdCommand};
use state::bounds::RESERVATION_KEYS_PER_ENTRY_MAX;
use state::smd::{Grant, ReservationKeys, lock_enforcement};
use state::{Event, State as Whole, rejection};

use crate::create_components::{component, create};
use crate::locks::{refusals, set};
use crate::reservations::reserve;
use crate::support::{IntoCommand, Log};
use crate::{determinism, discoveries};

/// Locked, reserved by a service, reserved by the administrator, free: with NIDs 1 to 4.
const LOCKED: &str = "x0c0s0b0n0";
const RESERVED: &str = "x0c0s1b0n0";
const KEPT: &str = "x0c0s2b0n0";
const FREE: &str = "x0c0s3b0n0";
const ALL: [&str; 4] = [LOCKED, RESERVED, KEPT, FREE];

const LOCKED_TEXT: &str = "locked; unlock it, or reserve it and give the key as chamois-reservation-key";
const RESERVED_TEXT: &str = "reserved by user/admin until 2025-11-25T07:40:44.123Z; \
    give the key of the reservation as chamois-reservation-key, or wait until it has ended";
const KEPT_TEXT: &str = "locked and reserved by user/admin; \
    give the key of the reservation as chamois-reservation-key, or wait until it is released";

struct Machine {
    log: Log,
    of_reserved: ReservationKeys,
    of_kept: ReservationKeys,
}

impl Machine {
    fn new() -> Machine {
        let mut log = Log::latest();
        log.ok(create(ALL.map(component).to_vec()));
        log.ok(set(Action::Lock, &[LOCKED, KEPT]));
        let of_reserved = keys(&log.ok(reserve(&[RESERVED], 5)), RESERVED);
        let of_kept = keys(&log.ok(reserve(&[KEPT], 0)), KEPT);
        Machine {
            log,
            of_reserved,
            of_kept,
        }
    }

    /// Applies what came with `keys` to a member that enforces locks.
    fn apply(&mut self, keys: &[&str], command: impl IntoCommand) -> Result<Applied, Rejection> {
        let enforcement = lock_enforcement(keys.iter().copied()).unwrap();
        self.apply_with(enforcement, command)
    }

    fn apply_with(
        &mut self,
        enforcement: LockEnforcement,
        command: impl IntoCommand,
    ) -> Result<Applied, Rejection> {
        let mut entry = self.log.entry(command);
        entry.header.as_mut().unwrap().lock_enforcement = Some(enforcement);
        let outcome = self.log.apply_entry(&entry).outcome;
        match (rejection(&outcome), outcome.result) {
            (None, Some(proto::raft::v1::outcome::Result::Applied(applied))) => Ok(applied),
            (no, _) => Err(no.unwrap()),
        }
    }

    /// Why a command without keys is refused as a conflict.
    fn conflict(&mut self, command: impl IntoCommand) -> String {
        match self.apply(&[], command) {
            Err(Rejection::Conflict { detail }) => detail,
            other => panic!("no conflict: {other:?}"),
        }
    }

    fn stored(&self, id: &str) -> Component {
        let found = self.log.state.smd.component(&id.parse().unwrap());
        found.unwrap().as_ref().clone()
    }
}

fn keys(applied: &Applied, id: &str) -> ReservationKeys {
    let grant: Grant = applied.value.parse().unwrap();
    grant.keys(&id.parse().unwrap())
}

fn patch(ids: &[&str]) -> PatchComponents {
    PatchComponents {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..PatchComponents::default()
    }
}

fn disable(ids: &[&str]) -> PatchComponents {
    PatchComponents {
        enabled: Some(false),
        ..patch(ids)
    }
}

fn nids(pairs: &[(&str, u64)]) -> SetNids {
    let components = pairs.iter().map(|(id, nid)| ComponentNid {
        id: (*id).to_owned(),
        nid: *nid,
    });
    SetNids {
        components: components.collect(),
        if_revision: None,
    }
}

fn delete(ids: &[&str]) -> DeleteComponents {
    DeleteComponents {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        all: ids.is_empty(),
        ..DeleteComponents::default()
    }
}

fn overwrite(components: Vec<Component>) -> CreateComponents {
    CreateComponents {
        components,
        force: true,
        ..CreateComponents::default()
    }
}

fn of_class(id: &str, class: Class) -> Component {
    Component {
        class: class.into(),
        ..component(id)
    }
}

/// Everything that an administrator decides of one component: by a patch of its own, by NID, by PUT, by delete.
fn decisions(id: &str) -> Vec<Command> {
    vec![
        disable(&[id]).into_command(),
        PatchComponents {
            role: Some("Service".into()),
            ..patch(&[id])
        }
        .into_command(),
        PatchComponents {
            sub_role: Some("Worker".into()),
            ..patch(&[id])
        }
        .into_command(),
        // what is observed does not carry the rest through
        PatchComponents {
            state: State::Off.into(),
            enabled: Some(false),
            ..patch(&[id])
        }
        .into_command(),
        nids(&[(id, 77)]).into_command(),
        overwrite(vec![of_class(id, Class::Hill)]).into_command(),
        overwrite(vec![Component {
            arch: Arch::Arm.into(),
            ..component(id)
        }])
        .into_command(),
        overwrite(vec![Component {
            subtype: "s".into(),
            ..component(id)
        }])
        .into_command(),
        delete(&[id]).into_command(),
    ]
}

#[test]
fn what_is_held_is_not_changed_and_the_answer_says_by_whom_and_what_to_do() {
    for (id, text) in [
        (LOCKED, LOCKED_TEXT),
        (RESERVED, RESERVED_TEXT),
        (KEPT, KEPT_TEXT),
    ] {
        for command in decisions(id) {
            let mut machine = Machine::new();
            assert_eq!(
                machine.conflict(command.clone()),
                format!("{id} is {text}"),
                "{command:?}"
            );
        }
    }
    for command in decisions(FREE) {
        let applied = Machine::new().apply(&[], command.clone()).unwrap();
        assert_eq!(applied.updated.len() + applied.deleted.len(), 1, "{command:?}");
        assert_eq!(applied.refused, []);
    }
}

/// As in SMD, where nobody has asked for more.
#[test]
fn without_enforcement_locks_and_reservations_hold_nothing_up() {
    for id in ALL {
        for command in decisions(id) {
            let applied = Machine::new().log.ok(command.clone());
            assert_eq!(applied.updated.len() + applied.deleted.len(), 1, "{command:?}");
        }
    }
}

/// A deputy acts for the holder.
#[test]
fn either_key_of_its_reservation_lets_a_component_be_changed_and_no_other_does() {
    let Machine {
        of_reserved, of_kept, ..
    } = Machine::new();
    let ReservationKeys {
        reservation_key,
        deputy_key,
    } = &of_reserved;
    let (shouted, digest) = (reservation_key.to_uppercase(), "x0c0s1b0n0:rk:0");
    for command in decisions(RESERVED) {
        for good in [
            &[reservation_key.as_str()][..],
            &[deputy_key],
            &[&shouted],
            &[&of_kept.deputy_key, deputy_key],
        ] {
            let applied = Machine::new().apply(good, command.clone()).unwrap();
            assert_eq!(applied.updated.len() + applied.deleted.len(), 1, "{command:?}");
        }
        for bad in [&of_kept.reservation_key, &of_kept.deputy_key, digest] {
            let refused = Machine::new().apply(&[bad], command.clone());
            assert!(matches!(refused, Err(Rejection::Conflict { .. })), "{refused:?}");
        }
    }
    let applied = Machine::new().apply(&[&of_kept.reservation_key], disable(&[KEPT]));
    assert_eq!(
        applied.unwrap().updated,
        [KEPT],
        "locked, and reserved by whoever asks"
    );
}

/// Nobody's key opens a lock alone.
#[test]
fn a_component_that_is_only_locked_is_opened_by_no_key() {
    let mut machine = Machine::new();
    let all = [
        machine.of_reserved.reservation_key.clone(),
        machine.of_kept.reservation_key.clone(),
    ];
    let all = [all[0].as_str(), all[1].as_str()];
    let refused = machine.apply(&all, disable(&[LOCKED])).unwrap_err();
    assert_eq!(refused.to_string(), format!("{LOCKED} is {LOCKED_TEXT}"));
    // as the answer says: reserve it, or unlock it
    let granted = machine.apply(&[], reserve(&[LOCKED], 0)).unwrap();
    let key = keys(&granted, LOCKED).deputy_key;
    assert_eq!(
        machine.apply(&[&key], disable(&[LOCKED])).unwrap().updated,
        [LOCKED]
    );
    let mut machine = Machine::new();
    machine.apply(&[], set(Action::Unlock, &[LOCKED])).unwrap();
    assert_eq!(machine.apply(&[], disable(&[LOCKED])).unwrap().updated, [LOCKED]);
}

#[test]
fn a_reservation_that_has_ended_holds_nothing() {
    let mut machine = Machine::new();
    machine.log.now_ms += 5 * 60_000 - 1;
    machine.conflict(disable(&[RESERVED]));
    machine.log.now_ms += 1;
    assert_eq!(
        machine.apply(&[], disable(&[RESERVED])).unwrap().updated,
        [RESERVED]
    );
    let mut machine = Machine::new();
    let old_key = machine.of_reserved.reservation_key.clone();
    machine.log.now_ms += 5 * 60_000;
    machine.log.ok(reserve(&[RESERVED], 1));
    let refused = machine.apply(&[&old_key], disable(&[RESERVED]));
    assert!(
        matches!(refused, Err(Rejection::Conflict { .. })),
        "it is another's by now: {refused:?}"
    );
}

/// Discovery, heartbeats and power control say what is, and must be heard whatever is held.
#[test]
fn what_is_observed_passes() {
    let mut machine = Machine::new();
    for id in ALL {
        let state = PatchState {
            id: id.into(),
            state: State::Ready.into(),
            flag: Flag::Warning.into(),
            force: true,
            ..PatchState::default()
        };
        let observations = [
            PatchComponents {
                state: State::Off.into(),
                ..patch(&[id])
            },
            PatchComponents {
                flag: Flag::Alert.into(),
                ..patch(&[id])
            },
            PatchComponents {
                software_status: Some("AdminDown".into()),
                ..patch(&[id])
            },
        ];
        for observation in observations {
            assert_eq!(machine.apply(&[], observation).unwrap().updated, [id]);
        }
        machine.apply(&[], state).unwrap();
        let seen = overwrite(vec![Component {
            state: State::Halt.into(),
            ..component(id)
        }]);
        assert_eq!(machine.apply(&[], seen).unwrap().updated, [id]);
        assert_eq!(machine.stored(id).state(), State::Halt);
    }
    let found = StoreDiscovery {
        endpoints: vec![discoveries::blade(0), discoveries::blade(1)],
        update: true,
    };
    machine.apply(&[], found).unwrap();
}

#[test]
fn a_change_that_changes_nothing_is_no_refusal() {
    let mut machine = Machine::new();
    let as_it_is = PatchComponents {
        enabled: Some(true),
        role: Some("compute".into()),
        ..patch(&[LOCKED])
    };
    assert_eq!(machine.apply(&[], as_it_is).unwrap().unchanged, [LOCKED]);
    assert_eq!(
        machine.apply(&[], nids(&[(LOCKED, 1)])).unwrap().unchanged,
        [LOCKED]
    );
    let posted = create(vec![of_class(LOCKED, Class::Hill)]);
    assert_eq!(
        machine.apply(&[], posted).unwrap().unchanged,
        [LOCKED],
        "a POST leaves what exists alone"
    );
}

#[test]
fn a_bulk_patch_changes_what_it_may_and_tells_the_rest() {
    let mut machine = Machine::new();
    let key = machine.of_kept.deputy_key.clone();
    let before = [LOCKED, RESERVED].map(|id| machine.stored(id));
    let applied = machine
        .apply(&[&key], disable(&[LOCKED, FREE, RESERVED, KEPT]))
        .unwrap();
    assert_eq!(applied.updated, [FREE, KEPT]);
    let (locked, reserved) = (format!("it is {LOCKED_TEXT}"), format!("it is {RESERVED_TEXT}"));
    assert_eq!(
        refusals(&applied),
        [(LOCKED, locked.as_str()), (RESERVED, &reserved)]
    );
    assert_eq!(applied.refused_count, 2);
    assert_eq!([LOCKED, RESERVED].map(|id| machine.stored(id)), before);
}

/// A NID that is not given up is not free.
#[test]
fn what_is_held_keeps_its_nid_among_others() {
    let mut machine = Machine::new();
    let applied = machine
        .apply(&[], nids(&[(LOCKED, 10), (FREE, 11), (RESERVED, 2)]))
        .unwrap();
    assert_eq!(
        (applied.updated, applied.unchanged),
        (vec![FREE.to_owned()], vec![RESERVED.to_owned()])
    );
    assert_eq!(applied.refused[0].id, LOCKED);
    assert_eq!(machine.stored(LOCKED).nid, Some(1));
    let swap = nids(&[(LOCKED, 11), (FREE, 1)]);
    let refused = machine.apply(&[], swap).unwrap_err();
    assert!(
        matches!(&refused, Rejection::AlreadyExists { detail, .. } if detail.contains(LOCKED)),
        "{refused}"
    );
    let key = machine.of_reserved.reservation_key.clone();
    let swap = nids(&[(RESERVED, 11), (FREE, 2)]);
    assert_eq!(machine.apply(&[&key], swap).unwrap().updated, [RESERVED, FREE]);
    assert_eq!(machine.stored(FREE).nid, Some(2));
}

/// HSM's PUT and forced POST are all or nothing.
#[test]
fn one_that_is_held_keeps_all_from_being_overwritten() {
    let mut machine = Machine::new();
    let all = overwrite(vec![
        of_class(FREE, Class::Hill),
        of_class(KEPT, Class::Hill),
        component("x0c0s9b0n0"),
    ]);
    assert_eq!(machine.conflict(all.clone()), format!("{KEPT} is {KEPT_TEXT}"));
    assert_eq!(machine.stored(FREE).class, 0);
    let key = machine.of_kept.reservation_key.clone();
    let applied = machine.apply(&[&key], all).unwrap();
    assert_eq!((applied.updated.len(), applied.created.len()), (2, 1));
}

#[test]
fn one_that_is_held_keeps_all_from_being_deleted() {
    let mut machine = Machine::new();
    for ids in [&[][..], &[FREE, LOCKED]] {
        assert_eq!(
            machine.conflict(delete(ids)),
            format!("{LOCKED} is {LOCKED_TEXT}")
        );
    }
    assert_eq!(machine.log.state.smd.components().count(), 4);
    machine.log.ok(set(Action::Unlock, &[LOCKED]));
    let both = [
        machine.of_reserved.deputy_key.clone(),
        machine.of_kept.reservation_key.clone(),
    ];
    assert!(machine.apply(&[&both[0]], delete(&[])).is_err());
    let applied = machine.apply(&[&both[0], &both[1]], delete(&[])).unwrap();
    assert_eq!(applied.deleted, ALL);
}

/// Else nobody could let go of anything.
#[test]
fn commands_of_locks_and_reservations_are_not_held_up() {
    let mut machine = Machine::new();
    machine.apply(&[], set(Action::Unlock, &[LOCKED])).unwrap();
    machine.apply(&[], set(Action::Disable, &[RESERVED])).unwrap();
    machine.apply(&[], set(Action::Repair, &[RESERVED])).unwrap();
    let remove = RemoveReservations {
        ids: vec![KEPT.into()],
        flexible: false,
    };
    machine.apply(&[], remove).unwrap();
    let again: Reserve = reserve(&[KEPT], 0);
    machine.apply(&[], again).unwrap();
    let none = ReleaseReservations {
        held: Vec::new(),
        flexible: true,
    };
    assert!(matches!(machine.apply(&[], none), Err(Rejection::Invalid { field, .. }) if field == "held"));
}

/// A condition on the revision is looked at first: whoever reads again must not be told of locks that are gone.
#[test]
fn a_stale_revision_is_said_before_the_lock() {
    let mut machine = Machine::new();
    let stale = PatchComponents {
        if_revision: Some(99),
        ..disable(&[LOCKED])
    };
    let refused = machine.apply(&[], stale);
    assert!(
        matches!(refused, Err(Rejection::RevisionMismatch { .. })),
        "{refused:?}"
    );
}

#[test]
fn keys_are_digests_and_bounded_and_wait_for_their_feature_level() {
    let many: Vec<String> = (0..=RESERVATION_KEYS_PER_ENTRY_MAX)
        .map(|n| format!("x0:rk:{n}"))
        .collect();
    let texts = || many.iter().map(String::as_str);
    let refused = lock_enforcement(texts()).unwrap_err().to_string();
    assert!(
        refused.starts_with("chamois-reservation-key: 1001 items"),
        "{refused}"
    );
    let most = lock_enforcement(texts().take(RESERVATION_KEYS_PER_ENTRY_MAX)).unwrap();
    assert_eq!(most.reservation_key_sha256.len(), RESERVATION_KEYS_PER_ENTRY_MAX);
    let twice = lock_enforcement(["x0:rk:A", "X0:RK:a"]).unwrap();
    assert_eq!(
        twice.reservation_key_sha256.len(),
        1,
        "keys are compared in any case"
    );
    let mut machine = Machine::new();
    machine.apply_with(most.clone(), disable(&[FREE])).unwrap();
    let mut too_many = most;
    too_many.reservation_key_sha256.push(vec![0; 32]);
    let short = LockEnforcement {
        reservation_key_sha256: vec![vec![0; 31]],
    };
    for wrong in [too_many, short] {
        let refused = machine.apply_with(wrong, disable(&[FREE])).unwrap_err();
        assert!(
            matches!(&refused, Rejection::Invalid { field, .. } if field == "chamois-reservation-key"),
            "{refused}"
        );
    }
    machine.log = Log::new();
    let refused = machine.apply(&[], create(vec![component(FREE)]));
    assert!(
        matches!(
            refused,
            Err(Rejection::FeatureLevel {
                needed: 3,
                current: 1
            })
        ),
        "{refused:?}"
    );
}

/// What is tried out is refused alike.
#[test]
fn a_trial_respects_locks() {
    let mut machine = Machine::new();
    let mut header = machine.log.entry(disable(&[LOCKED])).header.unwrap();
    let try_out = |header: &_| -> (Option<Rejection>, Vec<Event>) {
        let (outcome, events) = machine
            .log
            .state
            .clone()
            .try_out(header, &disable(&[LOCKED]).into_command());
        (outcome.err(), events)
    };
    assert_eq!(try_out(&header).0, None);
    header.lock_enforcement = Some(LockEnforcement::default());
    let (refused, events) = try_out(&header);
    assert!(matches!(refused, Some(Rejection::Conflict { .. })), "{refused:?}");
    assert_eq!(events, []);
}

/// What an administrator decides of a component.
fn decided(component: &Component) -> Component {
    Component {
        state: 0,
        flag: 0,
        software_status: String::new(),
        locked: false,
        reservation_disabled: false,
        meta: None,
        ..component.clone()
    }
}

/// Components that are locked or reserved, with the digest of a key that opens them, if there is one.
fn held(state: &Whole, now_ms: u64) -> Vec<(Component, Option<Vec<u8>>)> {
    let all = state.smd.components().filter_map(|component| {
        let reservation = state.smd.reservation(&component.id.parse().unwrap(), now_ms);
        let key = reservation.map(|reservation| reservation.deputy_key_sha256.clone());
        (component.locked || key.is_some()).then(|| (component.as_ref().clone(), key))
    });
    all.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever comes, in whatever order: what is held against an entry is as it was, but for what discovery finds. An entry
    /// with all keys and without locks in its way does what it does where nothing is enforced.
    #[test]
    fn nothing_that_is_held_is_ever_changed(entries in determinism::log(), has_keys in any::<bool>()) {
        let mut state = Whole::at_level(state::cluster::FEATURE_LEVEL_KNOWN);
        for (index, mut entry) in (1..).zip(entries) {
            let now_ms = state.time_ms().max(entry.header.as_ref().unwrap().proposed_at_ms);
            let before = held(&state, now_ms);
            let keys = before.iter().filter(|_| has_keys).filter_map(|(_, key)| key.clone());
            let enforcement = LockEnforcement { reservation_key_sha256: keys.collect() };
            entry.header.as_mut().unwrap().lock_enforcement = None;
            let mut free = state.clone();
            let as_advice = free.apply(index, &entry);
            entry.header.as_mut().unwrap().lock_enforcement = Some(enforcement);
            let applied = state.apply(index, &entry);
            let closed = || before.iter().filter(|(_, key)| key.is_none() || !has_keys);
            let is_found = matches!(
                &entry.command,
                Some(Command::Smd(SmdCommand { change: Some(Change::StoreDiscovery(_)) }))
            );
            for (component, _) in closed().filter(|_| !is_found) {
                let after = state.smd.component(&component.id.parse().unwrap());
                prop_assert_eq!(after.map(|after| decided(&after)), Some(decided(component)), "{:?}", entry);
            }
            if closed().next().is_none() {
                prop_assert_eq!(applied.outcome, as_advice.outcome);
                prop_assert_eq!(state.digest(), free.digest());
            }
        }
    }
}
