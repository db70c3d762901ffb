//! Hardware: which unit is where, what moves it, and what the history says of it.

use model::Rejection;
use proto::smd::v1::hardware_history_record::Type::{self, Detected, Removed};
use proto::smd::v1::smd_command::delete_hardware_history::Of;
use proto::smd::v1::smd_command::{DeleteHardware, DeleteHardwareFrus, DeleteHardwareHistory, PutHardware};
use proto::smd::v1::{HardwareEntry, HardwareFruRecord};
use state::bounds::{
    HARDWARE_EVENT_LAPSE_MS, HARDWARE_EVENTS_PER_PLACE_MAX, HARDWARE_INFO_BYTES_MAX, NAME_BYTES_MAX,
};
use state::{RowKind, State};

use crate::support::{Log, START_MS};

pub const A: &str = "x0c0s0b0n0";
pub const B: &str = "x0c0s1b0n0";

/// A node in `place`, or nothing for an empty name.
pub fn entry(place: &str, fru_id: &str) -> HardwareEntry {
    HardwareEntry {
        id: place.into(),
        info: r#"{"Id":"Self"}"#.into(),
        fru: (!fru_id.is_empty()).then(|| HardwareFruRecord {
            fru_id: fru_id.into(),
            manufacturer: "HPE".into(),
            info: r#"{"Manufacturer":"HPE"}"#.into(),
            ..HardwareFruRecord::default()
        }),
    }
}

pub fn put(entries: &[(&str, &str)]) -> PutHardware {
    let hardware = entries.iter().map(|(place, fru_id)| entry(place, fru_id));
    PutHardware {
        hardware: hardware.collect(),
    }
}

pub fn delete(ids: &[&str]) -> DeleteHardware {
    DeleteHardware {
        ids: texts(ids),
        all: ids.is_empty(),
    }
}

pub fn delete_frus(fru_ids: &[&str]) -> DeleteHardwareFrus {
    DeleteHardwareFrus {
        fru_ids: texts(fru_ids),
        all: fru_ids.is_empty(),
    }
}

pub fn delete_history(of: Of) -> DeleteHardwareHistory {
    DeleteHardwareHistory { of: Some(of) }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Places, and what is in each.
fn places(state: &State) -> Vec<(&str, &str)> {
    let places = state.smd.hardware_locations();
    places
        .map(|place| (place.id.as_str(), place.fru_id.as_str()))
        .collect()
}

fn units(state: &State) -> Vec<&str> {
    state.smd.hardware_frus().map(|fru| fru.fru_id.as_str()).collect()
}

/// What happened in a place.
fn history(state: &State, place: &str) -> Vec<(Type, String)> {
    let record = state.smd.hardware_history(&place.parse().unwrap());
    let events = record.map_or_else(Vec::new, |record| record.events.clone());
    events
        .into_iter()
        .map(|event| (event.r#type(), event.fru_id))
        .collect()
}

fn happened(events: &[(Type, &str)]) -> Vec<(Type, String)> {
    events
        .iter()
        .map(|(event_type, unit)| (*event_type, (*unit).to_owned()))
        .collect()
}

#[test]
fn a_place_and_its_unit_are_stored_with_what_follows_from_the_xname() {
    let mut log = Log::latest();
    let applied = log.ok(put(&[("X0c0s00b0n0", "Node.1")]));
    assert_eq!(applied.created, [A]);
    let place = log.state.smd.hardware_location(&A.parse().unwrap()).unwrap();
    assert_eq!((place.id.as_str(), place.info.as_str()), (A, r#"{"Id":"Self"}"#));
    assert_eq!(place.meta, log.created());
    let unit = log.state.smd.hardware_fru("Node.1").unwrap();
    assert_eq!(
        (unit.r#type.as_str(), unit.manufacturer.as_str()),
        ("Node", "HPE")
    );
    assert_eq!(unit.meta, log.created());
    assert_eq!(log.state.smd.place_of_fru("Node.1").unwrap().as_str(), A);
    let record = log.state.smd.hardware_history(&A.parse().unwrap()).unwrap();
    assert_eq!((record.events[0].at_ms, record.events[0].revision), (START_MS, 1));
    assert_eq!(history(&log.state, A), happened(&[(Detected, "Node.1")]));
}

/// A rediscovery that finds what was there is no event; nor is new firmware.
#[test]
fn what_is_found_again_changes_nothing_and_what_is_known_of_it_is_no_event() {
    let mut log = Log::latest();
    log.ok(put(&[(A, "Node.1")]));
    let again = log.apply(put(&[(A, "Node.1")]));
    assert!(again.events.is_empty(), "{again:?}");
    assert_eq!(log.ok(put(&[(A, "Node.1")])).unchanged, [A]);
    let mut known = put(&[(A, "Node.1")]);
    known.hardware[0].info = r#"{"Id":"1"}"#.into();
    assert_eq!(log.ok(known.clone()).updated, [A]);
    known.hardware[0].fru.as_mut().unwrap().info = r#"{"BiosVersion":"2"}"#.into();
    assert_eq!(log.ok(known).updated, [A]);
    assert_eq!(
        log.state.smd.hardware_fru("Node.1").unwrap().info,
        r#"{"BiosVersion":"2"}"#
    );
    assert_eq!(history(&log.state, A), happened(&[(Detected, "Node.1")]));
}

#[test]
fn a_unit_that_moves_leaves_its_place_empty() {
    let mut log = Log::latest();
    log.ok(put(&[(A, "Node.1")]));
    let before = log.state.smd.hardware_location(&A.parse().unwrap()).unwrap();
    let moved = log.ok(put(&[(B, "Node.1")]));
    assert_eq!(moved.created, [B]);
    assert_eq!(places(&log.state), [(A, ""), (B, "Node.1")]);
    let left = log.state.smd.hardware_location(&A.parse().unwrap()).unwrap();
    assert_eq!(left.info, before.info, "what is known of the place stays");
    assert_eq!(left.meta.clone().unwrap().modified, Some(log.last_change()));
    assert_eq!(
        history(&log.state, A),
        happened(&[(Detected, "Node.1"), (Removed, "Node.1")])
    );
    assert_eq!(history(&log.state, B), happened(&[(Detected, "Node.1")]));
    let of_unit: Vec<&str> = log
        .state
        .smd
        .hardware_histories_of_fru("Node.1")
        .map(|record| record.id.as_str())
        .collect();
    assert_eq!(of_unit, [A, B]);
}

#[test]
fn a_unit_that_is_replaced_is_kept_as_a_spare() {
    let mut log = Log::latest();
    log.ok(put(&[(A, "Node.1")]));
    log.ok(put(&[(A, "Node.2")]));
    assert_eq!(
        (places(&log.state), units(&log.state)),
        (vec![(A, "Node.2")], vec!["Node.1", "Node.2"])
    );
    assert_eq!(log.state.smd.place_of_fru("Node.1"), None);
    let events = [(Detected, "Node.1"), (Removed, "Node.1"), (Detected, "Node.2")];
    assert_eq!(history(&log.state, A), happened(&events));
    log.ok(put(&[(A, "")]));
    assert_eq!(places(&log.state), [(A, "")]);
    assert_eq!(
        history(&log.state, A).last().unwrap(),
        &(Removed, "Node.2".to_owned())
    );
}

/// Whatever the order in which the command names the places.
#[test]
fn two_units_change_places_in_one_command() {
    for order in [[(A, "Node.2"), (B, "Node.1")], [(B, "Node.1"), (A, "Node.2")]] {
        let mut log = Log::latest();
        log.ok(put(&[(A, "Node.1"), (B, "Node.2")]));
        log.ok(put(&order));
        assert_eq!(places(&log.state), [(A, "Node.2"), (B, "Node.1")]);
        let events = [(Detected, "Node.1"), (Removed, "Node.1"), (Detected, "Node.2")];
        assert_eq!(history(&log.state, A), happened(&events), "{order:?}");
        let events = [(Detected, "Node.2"), (Removed, "Node.2"), (Detected, "Node.1")];
        assert_eq!(history(&log.state, B), happened(&events), "{order:?}");
    }
}

#[test]
fn deleted_places_leave_units_and_deleted_units_leave_places() {
    let mut log = Log::latest();
    log.ok(put(&[(A, "Node.1"), (B, "Node.2")]));
    let deleted = log.ok(delete(&[A]));
    assert_eq!((deleted.deleted, deleted.deleted_count), (texts(&[A]), 1));
    assert_eq!(
        (places(&log.state), units(&log.state)),
        (vec![(B, "Node.2")], vec!["Node.1", "Node.2"])
    );
    assert_eq!(
        history(&log.state, A).last().unwrap(),
        &(Removed, "Node.1".to_owned())
    );
    log.ok(delete_frus(&["Node.2"]));
    assert_eq!(
        (places(&log.state), units(&log.state)),
        (vec![(B, "")], vec!["Node.1"])
    );
    assert_eq!(
        history(&log.state, B).last().unwrap(),
        &(Removed, "Node.2".to_owned())
    );
    assert_eq!(log.ok(delete(&[])).deleted, [B]);
    assert_eq!(log.ok(delete_frus(&[])).deleted, ["Node.1"]);
    let missing = |rejection: Rejection| matches!(rejection, Rejection::NotFound { .. });
    assert!(missing(log.refused(delete(&[]))) && missing(log.refused(delete_frus(&[]))));
}

#[test]
fn one_missing_name_refuses_a_delete() {
    let mut log = Log::latest();
    log.ok(put(&[(A, "Node.1")]));
    assert_eq!(log.refused(delete(&[A, B])), Rejection::not_found("xname", B));
    assert_eq!(
        log.refused(delete_frus(&["Node.1", "Node.9"])),
        Rejection::not_found("FRU ID", "Node.9")
    );
    assert_eq!(log.invalid(delete(&["zz"])).0, "ids");
    assert_eq!(places(&log.state), [(A, "Node.1")]);
}

type Spoil = fn(&mut HardwareEntry);

/// The second of two entries is wrong: the first is not stored either.
#[test]
fn what_cannot_be_stored_is_refused_as_a_whole() {
    fn unit(entry: &mut HardwareEntry) -> &mut HardwareFruRecord {
        entry.fru.as_mut().unwrap()
    }
    let cases: [(Spoil, &str); 12] = [
        (|entry| entry.id = "zz".into(), "hardware[1].id"),
        (|entry| entry.id = "x0c0s1b0n0v1".into(), "hardware[1].id"),
        (|entry| entry.id = A.into(), "hardware"),
        (|entry| entry.info = "1".into(), "hardware[1].info"),
        (
            |entry| entry.info = format!(r#"{{"a":"{}"}}"#, "x".repeat(HARDWARE_INFO_BYTES_MAX)),
            "hardware[1].info",
        ),
        (|entry| unit(entry).fru_id.clear(), "hardware[1].fru.fru_id"),
        (
            |entry| unit(entry).fru_id = "a\nb".into(),
            "hardware[1].fru.fru_id",
        ),
        (|entry| unit(entry).fru_id = "Node.1".into(), "hardware"),
        (|entry| unit(entry).info = "{} ".into(), "hardware[1].fru.info"),
        (
            |entry| unit(entry).subtype = "a\u{1b}".into(),
            "hardware[1].fru.subtype",
        ),
        (
            |entry| unit(entry).manufacturer = "x".repeat(NAME_BYTES_MAX + 1),
            "hardware[1].fru.manufacturer",
        ),
        (
            |entry| unit(entry).serial_number = "x".repeat(NAME_BYTES_MAX + 1),
            "hardware[1].fru.serial_number",
        ),
    ];
    let mut log = Log::latest();
    for (spoil, field) in cases {
        let mut command = put(&[(A, "Node.1"), (B, "Node.2")]);
        spoil(&mut command.hardware[1]);
        assert_eq!(log.invalid(command).0, field);
    }
    assert_eq!(log.invalid(put(&[])).0, "hardware");
    assert_eq!(places(&log.state), []);
}

#[test]
fn a_place_keeps_its_newest_events() {
    let mut log = Log::latest();
    for n in 0..=HARDWARE_EVENTS_PER_PLACE_MAX {
        log.ok(put(&[(A, &format!("Node.{n}"))]));
    }
    let events = history(&log.state, A);
    assert_eq!(events.len(), HARDWARE_EVENTS_PER_PLACE_MAX);
    let newest = format!("Node.{HARDWARE_EVENTS_PER_PLACE_MAX}");
    assert_eq!(events.last().unwrap(), &(Detected, newest));
    assert_eq!(
        log.state.smd.hardware_histories_of_fru("Node.0").count(),
        0,
        "its events are gone"
    );
}

/// By a session that was opened just now.
fn put_later(log: &mut Log, put: PutHardware) {
    let mut entry = log.entry(put);
    let session = entry.header.as_mut().unwrap().session.as_mut().unwrap();
    session.opened_at_ms = log.now_ms;
    assert_eq!(state::rejection(&log.apply_entry(&entry).outcome), None);
}

/// With the first event that comes later than a year, wherever it is.
#[test]
fn events_of_more_than_a_year_ago_are_gone() {
    let mut log = Log::latest();
    log.ok(put(&[(A, "Node.1"), (B, "Node.2")]));
    log.now_ms += HARDWARE_EVENT_LAPSE_MS;
    put_later(&mut log, put(&[(B, "Node.3")]));
    assert_eq!(history(&log.state, A).len(), 1, "a year is not more than a year");
    log.now_ms += 1;
    put_later(&mut log, put(&[(B, "Node.4")]));
    assert_eq!(history(&log.state, A), []);
    let events = [
        (Removed, "Node.2"),
        (Detected, "Node.3"),
        (Removed, "Node.3"),
        (Detected, "Node.4"),
    ];
    assert_eq!(history(&log.state, B), happened(&events));
    assert_eq!(
        places(&log.state),
        [(A, "Node.1"), (B, "Node.4")],
        "hardware does not lapse"
    );
}

#[test]
fn history_is_forgotten_by_place_by_unit_and_as_a_whole() {
    let begin = || {
        let mut log = Log::latest();
        log.ok(put(&[(A, "Node.1"), (B, "Node.2")]));
        log.ok(put(&[(B, "Node.1")]));
        log
    };
    let mut log = begin();
    let of_place = log.ok(delete_history(Of::Id("X0c0s00b0n0".into())));
    assert_eq!((of_place.deleted, of_place.deleted_count), (texts(&[A]), 2));
    assert_eq!(
        (history(&log.state, A).len(), history(&log.state, B).len()),
        (0, 3)
    );

    let mut log = begin();
    let of_unit = log.ok(delete_history(Of::FruId("Node.1".into())));
    assert_eq!((of_unit.deleted, of_unit.deleted_count), (texts(&[A, B]), 3));
    assert_eq!(
        history(&log.state, B),
        happened(&[(Detected, "Node.2"), (Removed, "Node.2")])
    );

    let mut log = begin();
    assert_eq!(log.ok(delete_history(Of::All(true))).deleted_count, 5);
    assert_eq!(log.state.smd.hardware_histories().count(), 0);
    let none = Rejection::not_found("hardware history", "there is none");
    assert_eq!(log.refused(delete_history(Of::All(true))), none);
    assert_eq!(log.refused(delete_history(Of::Id(A.into()))), none);
    assert_eq!(log.refused(delete_history(Of::FruId("Node.1".into()))), none);
    assert_eq!(log.invalid(delete_history(Of::All(false))).0, "of");
    assert_eq!(log.invalid(delete_history(Of::Id("zz".into()))).0, "id");
    assert_eq!(log.invalid(DeleteHardwareHistory { of: None }).0, "of");
}

/// Text order puts `x0c0s1b0` behind `x0c0s10`, and `x0c0s1` is not within `x0c0s10`.
#[test]
fn what_is_within_a_place_is_found_by_its_name() {
    let mut log = Log::latest();
    let all = [
        "x0c0",
        "x0c0s1",
        "x0c0s1b0",
        "x0c0s1b0n0",
        "x0c0s1e0",
        "x0c0s10b0",
        "x0c0s2b0",
    ];
    let units: Vec<String> = all.iter().map(|place| format!("FRUIDfor{place}")).collect();
    let entries: Vec<(&str, &str)> = all
        .iter()
        .copied()
        .zip(units.iter().map(String::as_str))
        .collect();
    log.ok(put(&entries));
    let within = |place: &str| -> Vec<String> {
        let place = place.parse().unwrap();
        log.state
            .smd
            .hardware_within(&place)
            .map(|found| found.id.clone())
            .collect()
    };
    assert_eq!(within("x0c0s1"), ["x0c0s1", "x0c0s1b0", "x0c0s1b0n0", "x0c0s1e0"]);
    assert_eq!(within("x0c0s1b0n0"), ["x0c0s1b0n0"]);
    assert_eq!(
        within("x0").len(),
        all.len(),
        "the cabinet itself need not be there"
    );
    assert_eq!(within("x0c0s3"), [""; 0]);
}

#[test]
fn members_that_do_not_know_hardware_are_not_told_of_it() {
    let mut log = Log::new();
    for refused in [
        log.refused(put(&[(A, "Node.1")])),
        log.refused(delete(&[])),
        log.refused(delete_frus(&[])),
        log.refused(delete_history(Of::All(true))),
    ] {
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
}

/// Watchers see places and units; the history is what they have seen.
#[test]
fn watchers_are_told_of_places_and_units_but_not_of_history() {
    let mut log = Log::latest();
    let applied = log.apply(put(&[(A, "Node.1")]));
    let kinds: Vec<RowKind> = applied.events.iter().map(|event| event.key().kind()).collect();
    assert_eq!(kinds, [RowKind::HardwareLocation, RowKind::HardwareFru]);
    let place = applied.events[0].after().unwrap();
    assert_eq!((place.id().as_str(), place.component()), (A, Some(A)));
    let unit = applied.events[1].after().unwrap();
    assert_eq!((unit.id().as_str(), unit.component()), ("Node.1", None));
    assert_eq!(
        applied
            .changed
            .iter()
            .filter(|key| key.kind() == RowKind::HardwareHistory)
            .count(),
        1
    );
}
