//! A discovery that says of a node or an enclosure all that there is: what it does not name has left its place.

use model::Rejection;
use proto::smd::v1::hardware_history_record::Type;
use proto::smd::v1::smd_command::DiscoveredEndpoint;
use state::State;

use crate::discoveries::blade;
use crate::hardware;
use crate::redfish_endpoints::{post, put};
use crate::support::Log;

const NODE: &str = "x0c0s0b0n0";

/// The BMC x0c0s0b0 with its node, and what is in which place.
fn found(entries: &[(&str, &str)], complete_below: &[&str]) -> DiscoveredEndpoint {
    let hardware = entries.iter().map(|(place, unit)| hardware::entry(place, unit));
    DiscoveredEndpoint {
        hardware: hardware.collect(),
        complete_below: complete_below.iter().map(|place| (*place).to_owned()).collect(),
        ..blade(0)
    }
}

/// Everything that is in the tests' node and enclosure at first.
const ALL: [(&str, &str); 5] = [
    (NODE, "Node.1"),
    ("x0c0s0b0n0d0", "Memory.0"),
    ("x0c0s0b0n0d1", "Memory.1"),
    ("x0c0s0e0", "NodeEnclosure.1"),
    ("x0c0s0e0t0", "NodeEnclosurePowerSupply.0"),
];

fn unit_in(state: &State, place: &str) -> String {
    let place = state.smd.hardware_location(&place.parse().unwrap());
    place.unwrap().fru_id.clone()
}

/// Type and unit of each event in a place.
fn events(state: &State, place: &str) -> Vec<(Type, String)> {
    let history = state.smd.hardware_history(&place.parse().unwrap());
    let events = history.map_or_else(Vec::new, |history| history.events.clone());
    events
        .into_iter()
        .map(|event| (event.r#type(), event.fru_id))
        .collect()
}

fn event(event_type: Type, unit: &str) -> (Type, String) {
    (event_type, unit.to_owned())
}

#[test]
fn a_module_that_vanished_leaves_its_place_and_the_history_says_so() {
    let mut log = Log::latest();
    log.ok(post(vec![found(&ALL, &[NODE, "x0c0s0e0"])]));
    log.ok(put(found(&ALL[..2], &[NODE])));
    assert_eq!(unit_in(&log.state, "x0c0s0b0n0d0"), "Memory.0");
    assert_eq!(unit_in(&log.state, "x0c0s0b0n0d1"), "");
    assert_eq!(
        events(&log.state, "x0c0s0b0n0d1"),
        [
            event(Type::Detected, "Memory.1"),
            event(Type::Removed, "Memory.1")
        ]
    );
    assert!(log.state.smd.hardware_fru("Memory.1").is_some(), "it is a spare");
    assert_eq!(
        unit_in(&log.state, "x0c0s0e0t0"),
        "NodeEnclosurePowerSupply.0",
        "nothing was said of the enclosure"
    );
    log.ok(put(found(&ALL[..4], &[NODE, "x0c0s0e0"])));
    assert_eq!(unit_in(&log.state, "x0c0s0e0t0"), "");
    assert_eq!(unit_in(&log.state, "x0c0s0e0"), "NodeEnclosure.1");
    let back = events(&log.state, "x0c0s0b0n0d1");
    assert_eq!(back.last(), Some(&event(Type::Detected, "Memory.1")));
}

/// Half a tree must not empty a node.
#[test]
fn without_a_word_that_it_is_all_nothing_leaves() {
    let mut log = Log::latest();
    log.ok(post(vec![found(&ALL, &[NODE])]));
    log.ok(put(found(&ALL[..1], &[])));
    for (place, unit) in ALL {
        assert_eq!(unit_in(&log.state, place), unit);
        assert_eq!(events(&log.state, place).len(), 1, "{place}");
    }
}

/// What changes its place is no unit that left: it is removed once and detected once.
#[test]
fn a_module_in_another_slot_has_moved() {
    let mut log = Log::latest();
    log.ok(post(vec![found(&ALL[..2], &[NODE])]));
    log.ok(put(found(&[ALL[0], ("x0c0s0b0n0d7", "Memory.0")], &[NODE])));
    assert_eq!(unit_in(&log.state, "x0c0s0b0n0d7"), "Memory.0");
    assert_eq!(
        events(&log.state, "x0c0s0b0n0d0"),
        [
            event(Type::Detected, "Memory.0"),
            event(Type::Removed, "Memory.0")
        ]
    );
    assert_eq!(
        events(&log.state, "x0c0s0b0n0d7"),
        [event(Type::Detected, "Memory.0")]
    );
}

/// No crawl finds a riser; who posted it says when it is gone. And n1 begins as n10 does.
#[test]
fn only_what_a_crawl_finds_leaves_and_only_below_that_node() {
    let mut log = Log::latest();
    log.ok(post(vec![blade(0)]));
    let posted = [
        ("x0c0s0b0n1", "Node.9"),
        ("x0c0s0b0n1r0", "NodeAccelRiser.1"),
        ("x0c0s0b0n1d0", "Memory.5"),
        ("x0c0s0b0n10d0", "Memory.6"),
    ];
    log.ok(hardware::put(&posted));
    log.ok(put(found(&[], &["x0c0s0b0n1"])));
    for (place, unit) in posted {
        let expected = if place == "x0c0s0b0n1d0" { "" } else { unit };
        assert_eq!(unit_in(&log.state, place), expected, "{place}");
    }
}

#[test]
fn an_endpoint_speaks_of_its_own_places_only() {
    for (place, problem) in [
        (
            "x0c0s1b0n0",
            "x0c0s1b0n0 is neither a node nor the enclosure of x0c0s0b0",
        ),
        (
            "x0c0s0e1",
            "x0c0s0e1 is neither a node nor the enclosure of x0c0s0b0",
        ),
        (
            "x0c0s0b0",
            "x0c0s0b0 is neither a node nor the enclosure of x0c0s0b0",
        ),
    ] {
        let (field, text) = Log::latest().invalid(post(vec![found(&ALL, &[place])]));
        assert_eq!((field.as_str(), text.as_str()), ("complete_below", problem));
    }
    let (field, _) = Log::latest().invalid(post(vec![found(&ALL, &["zz"])]));
    assert_eq!(field, "complete_below");
}

/// Power supplies often have one serial number, or none. A member of the release before lets such a unit move to whoever found it
/// last, and all members must say the same of where it is.
#[test]
fn supplies_of_two_enclosures_are_told_apart_from_level_7_on() {
    let (first, second) = ("x0c0s0e0t0", "x0c0s1e0t0");
    for level in [6, 7] {
        let mut log = Log::new();
        log.state = State::at_level(level);
        let supply = |slot: u8, place: &str| DiscoveredEndpoint {
            hardware: vec![hardware::entry(place, "NodeEnclosurePowerSupply.0")],
            ..blade(slot)
        };
        log.ok(post(vec![supply(0, first)]));
        log.ok(post(vec![supply(1, second)]));
        let stays = unit_in(&log.state, first) == "NodeEnclosurePowerSupply.0";
        let moved = unit_in(&log.state, second) == "NodeEnclosurePowerSupply.0";
        assert_eq!((stays, moved), (level == 7, level == 6), "level {level}");
    }
}

/// Members that do not know the word would keep what has left.
#[test]
fn it_needs_members_that_know_it() {
    let mut log = Log::new();
    log.state = State::at_level(6);
    let expected = Rejection::FeatureLevel {
        needed: 7,
        current: 6,
    };
    assert_eq!(log.refused(post(vec![found(&ALL, &[NODE])])), expected);
    log.ok(post(vec![found(&ALL, &[])]));
}
