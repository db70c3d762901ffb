//! Reservations: one holder at a time, keys that only it knows, and an end by cluster time.

use model::Rejection;
use proto::raft::v1::outcome::Applied;
use proto::smd::v1::ComponentReservation;
use proto::smd::v1::smd_command::set_locks::Action;
use proto::smd::v1::smd_command::{
    DeleteComponents, HeldReservation, ReleaseReservations, RemoveReservations, RenewReservations, Reserve,
};
use state::bounds::RESERVATIONS_SWEPT_PER_ENTRY_MAX;
use state::smd::{Grant, ReservationKeys, key_sha256};
use state::{RowKey, RowKind};

use crate::create_components::{component, create};
use crate::locks::{flexible, machine, refusals, set};
use crate::support::Log;

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";
const MINUTE_MS: u64 = 60_000;

pub fn reserve(ids: &[&str], minutes: u32) -> Reserve {
    Reserve {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        flexible: false,
        minutes,
    }
}

fn keys(applied: &Applied, id: &str) -> ReservationKeys {
    let grant: Grant = applied.value.parse().unwrap();
    grant.keys(&id.parse().unwrap())
}

fn held(id: &str, key: &str) -> HeldReservation {
    HeldReservation {
        id: id.into(),
        reservation_key_sha256: key_sha256(key),
    }
}

fn release(held: Vec<HeldReservation>, flexible: bool) -> ReleaseReservations {
    ReleaseReservations { held, flexible }
}

fn renew(held: Vec<HeldReservation>, minutes: u32) -> RenewReservations {
    RenewReservations {
        held,
        flexible: false,
        minutes,
    }
}

fn remove(ids: &[&str], flexible: bool) -> RemoveReservations {
    RemoveReservations {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        flexible,
    }
}

fn live(log: &Log, id: &str) -> Option<ComponentReservation> {
    let found = log.state.smd.reservation(&id.parse().unwrap(), log.now_ms);
    found.map(|reservation| reservation.as_ref().clone())
}

fn rows(log: &Log) -> usize {
    log.keys()
        .filter(|key| key.kind() == RowKind::ComponentReservation)
        .count()
}

#[test]
fn a_reservation_has_the_digests_of_the_keys_that_were_granted() {
    let mut log = machine();
    let applied = log.ok(reserve(&["X0c0s00b0n0", B], 5));
    assert_eq!(applied.created, [A, B]);
    let keys_of_a = keys(&applied, A);
    let expected = ComponentReservation {
        id: A.into(),
        reservation_key_sha256: key_sha256(&keys_of_a.reservation_key),
        deputy_key_sha256: key_sha256(&keys_of_a.deputy_key),
        expires_at_ms: log.now_ms + 5 * MINUTE_MS,
        meta: log.created(),
    };
    assert_eq!(live(&log, A), Some(expected));
    assert_ne!(keys_of_a, keys(&applied, B));
}

/// A snapshot is copied around and kept: it must not let anybody take a node over. The outcome, which lets a repeat be
/// answered, leaves with its session.
#[test]
fn no_row_but_the_session_holds_what_keys_are_made_of() {
    let mut log = machine();
    let applied = log.ok(reserve(&[A], 5));
    let keys = keys(&applied, A);
    let (seed, _) = applied.value.split_once('/').unwrap();
    let seed_bytes: Vec<u8> = (0..16)
        .map(|at| u8::from_str_radix(&seed[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    for row in log.state.rows() {
        let kind = RowKey::of(&row).unwrap().kind();
        if kind == RowKind::Session {
            continue;
        }
        let bytes = prost::Message::encode_to_vec(&row);
        for secret in [
            keys.reservation_key.as_bytes(),
            keys.deputy_key.as_bytes(),
            &seed_bytes,
        ] {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{kind:?}");
        }
    }
}

/// A client that has lost the answer asks again, and must be able to release what it has.
#[test]
fn a_repeat_is_told_the_same_keys() {
    let mut log = machine();
    let entry = log.entry(reserve(&[A], 5));
    let first = log.apply_entry(&entry).outcome;
    let again = log.apply_entry(&entry);
    assert!(again.replayed);
    assert_eq!(again.outcome, first);
}

#[test]
fn what_is_reserved_is_not_reserved_again() {
    let mut log = machine();
    log.ok(reserve(&[A], 15));
    let (text, who) = log.invalid(reserve(&[B, A], 1));
    assert_eq!(text, "Component is Reserved");
    assert!(who.contains("by user/admin until"), "{who}");
    assert_eq!(live(&log, B), None, "rigid: all or nothing");
    let applied = log.ok(Reserve {
        flexible: true,
        ..reserve(&[A, B, "x9c0s0b0n0"], 1)
    });
    assert_eq!(applied.created, [B]);
    assert_eq!(refusals(&applied), [(A, "Reserved"), ("x9c0s0b0n0", "NotFound")]);
    let none = log.ok(Reserve {
        flexible: true,
        ..reserve(&[A], 1)
    });
    assert_eq!(
        (none.created.len(), none.value.as_str()),
        (0, ""),
        "nothing granted, nothing told"
    );
}

/// Services reserve what is not locked, administrators what is.
#[test]
fn locks_and_reservations_exclude_each_other_as_in_smd() {
    let mut log = machine();
    assert_eq!(log.invalid(reserve(&[A], 0)).0, "Component is Unlocked");
    log.ok(set(Action::Lock, &[A]));
    assert_eq!(log.invalid(reserve(&[A], 1)).0, "Component is Locked");
    let applied = log.ok(reserve(&[A], 0));
    assert_eq!(live(&log, A).unwrap().expires_at_ms, 0);
    let years_later = log.now_ms + 10 * 365 * 24 * 60 * MINUTE_MS;
    let reserved = log.state.smd.reservation(&A.parse().unwrap(), years_later);
    assert!(reserved.is_some(), "it has no end");
    let (_, who) = log.invalid(reserve(&[A], 0));
    assert_eq!(who, "x0c0s0b0n0, by user/admin");
    let refused = log.ok(flexible(Action::Unlock, &[A]));
    assert_eq!(refusals(&refused), [(A, "Reserved")]);
    let key = keys(&applied, A).reservation_key;
    assert_eq!(
        log.ok(renew(vec![held(A, &key)], 1)).unchanged,
        [A],
        "it stays without an end"
    );
    assert_eq!(live(&log, A).unwrap().expires_at_ms, 0);
    log.ok(release(vec![held(A, &key)], false));
    log.ok(set(Action::Unlock, &[A]));
}

/// It counts as absent at once, for whoever reads and whoever reserves; its row goes with a later entry.
#[test]
fn a_reservation_ends_by_cluster_time() {
    let mut log = machine();
    let first = log.ok(reserve(&[A], 1));
    log.now_ms += MINUTE_MS - 1;
    assert!(live(&log, A).is_some());
    log.now_ms += 1;
    assert_eq!(
        (live(&log, A), rows(&log)),
        (None, 1),
        "absent, and not swept yet"
    );
    let old_key = keys(&first, A).reservation_key;
    assert_eq!(
        log.invalid(renew(vec![held(A, &old_key)], 1)),
        ("Component not found".into(), A.into())
    );
    assert_eq!(rows(&log), 1, "a rejection changes nothing");
    let second = log.ok(reserve(&[A], 1));
    assert_ne!(keys(&first, A), keys(&second, A));
    assert_eq!(
        log.invalid(release(vec![held(A, &old_key)], false)).0,
        "Component not found"
    );
    log.now_ms += MINUTE_MS;
    log.ok(create(vec![component("x0c0s2b0n0")]));
    assert_eq!(rows(&log), 0, "swept by the next entry that does something");
}

#[test]
fn sweeping_is_bounded_for_one_entry() {
    let mut log = Log::latest();
    let ids: Vec<String> = (0..RESERVATIONS_SWEPT_PER_ENTRY_MAX + 5)
        .map(|slot| format!("x{}c0s{}b0n0", slot / 100, slot % 100))
        .collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    log.ok(create(ids.iter().map(|id| component(id)).collect()));
    log.ok(reserve(&ids, 1));
    log.now_ms += MINUTE_MS;
    log.ok(set(Action::Lock, &[ids[0]]));
    assert_eq!(rows(&log), 5);
    log.ok(set(Action::Unlock, &[ids[0]]));
    assert_eq!(rows(&log), 0);
}

#[test]
fn only_who_has_the_key_renews_and_releases() {
    let mut log = machine();
    let applied = log.ok(reserve(&[A, B], 1));
    let (of_a, of_b) = (keys(&applied, A), keys(&applied, B));
    for wrong in [&of_a.deputy_key, &of_b.reservation_key, ""] {
        let refused = log.invalid(release(vec![held(A, wrong)], false));
        assert_eq!(refused, ("Component not found".into(), A.into()), "{wrong}");
        assert_eq!(
            log.invalid(renew(vec![held(A, wrong)], 1)).0,
            "Component not found"
        );
    }
    log.now_ms += MINUTE_MS / 2;
    let renewed = log.ok(renew(vec![held(A, &of_a.reservation_key)], 15));
    assert_eq!(renewed.updated, [A]);
    let stored = live(&log, A).unwrap();
    assert_eq!(stored.expires_at_ms, log.now_ms + 15 * MINUTE_MS);
    assert_ne!(
        stored.meta.as_ref().unwrap().created,
        stored.meta.as_ref().unwrap().modified
    );
    let both = vec![
        held(B, &of_a.reservation_key),
        held(A, &of_a.reservation_key.to_uppercase()),
    ];
    let applied = log.ok(release(both, true));
    assert_eq!(
        (applied.deleted.as_slice(), applied.deleted_count),
        (&[A.to_owned()][..], 1)
    );
    assert_eq!(refusals(&applied), [(B, "NotFound")]);
    assert!(live(&log, A).is_none() && live(&log, B).is_some());
}

#[test]
fn the_administrator_ends_any_reservation() {
    let mut log = machine();
    log.ok(reserve(&[A], 1));
    assert_eq!(
        log.invalid(remove(&[A, B], false)),
        ("Component not found".into(), B.into())
    );
    let applied = log.ok(remove(&[B, A], true));
    assert_eq!(applied.deleted, [A]);
    assert_eq!(refusals(&applied), [(B, "NotFound")]);
    assert_eq!(rows(&log), 0);
}

#[test]
fn a_component_that_is_gone_is_not_reserved() {
    let mut log = machine();
    log.ok(reserve(&[A], 15));
    log.ok(DeleteComponents {
        ids: vec![A.into()],
        all: false,
        ..Default::default()
    });
    assert_eq!(rows(&log), 0);
    log.ok(create(vec![component(A)]));
    assert_eq!(live(&log, A), None);
}

#[test]
fn minutes_and_lists_are_bounded() {
    let mut log = machine();
    assert_eq!(log.invalid(reserve(&[A], 16)).0, "Invalid Reservation Duration");
    assert_eq!(
        log.invalid(renew(vec![held(A, "x")], 0)).0,
        "Invalid Reservation Duration"
    );
    assert_eq!(log.invalid(reserve(&[], 1)).0, "ids");
    assert_eq!(log.invalid(release(vec![], true)).0, "held");
    assert_eq!(
        log.invalid(release(vec![held("nowhere", "x")], true)).0,
        "held.id"
    );
}

/// The entry's random bytes are all that tells two grants apart.
#[test]
fn an_entry_without_random_bytes_grants_nothing() {
    let mut log = machine();
    let mut entry = log.entry(reserve(&[A], 1));
    entry.header.as_mut().unwrap().random.clear();
    let outcome = log.apply_entry(&entry).outcome;
    let refused = state::rejection(&outcome);
    assert!(
        matches!(&refused, Some(Rejection::Invalid { field, .. }) if field == "header.random"),
        "{refused:?}"
    );
}
