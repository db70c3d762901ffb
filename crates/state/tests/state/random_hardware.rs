//! Random changes of hardware, and what must hold after each of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proto::raft::v1::entry::Command;
use proto::smd::v1::hardware_history_record::Type;
use proto::smd::v1::{HardwareEntry, smd_command};
use state::State;
use state::bounds::HARDWARE_EVENTS_PER_PLACE_MAX;

use crate::hardware;
use crate::support::IntoCommand;

/// Few places and few units, so that units move, change places and are left out.
pub fn commands(xname: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Command> {
    use smd_command::delete_hardware_history::Of;
    let unit = || prop_oneof![4 => (0..4_u8).prop_map(|n| format!("Node.{n}")), 2 => Just(String::new()), 1 => Just("a\n".to_owned())];
    let found = proptest::collection::vec((xname.clone(), unit(), any::<bool>()), 0..4);
    let ids = proptest::collection::vec(xname, 0..3);
    (0..9_u8, found, ids, unit()).prop_map(|(kind, found, ids, unit)| match kind {
        0..=4 => {
            let entry = |(place, unit, more): (String, String, bool)| HardwareEntry {
                info: if more {
                    r#"{"a":[1,{}]}"#.to_owned()
                } else {
                    String::new()
                },
                ..hardware::entry(&place, &unit)
            };
            smd_command::PutHardware {
                hardware: found.into_iter().map(entry).collect(),
            }
            .into_command()
        }
        5 => smd_command::DeleteHardware {
            all: ids.is_empty(),
            ids,
        }
        .into_command(),
        6 => smd_command::DeleteHardwareFrus {
            all: unit.is_empty(),
            fru_ids: vec![unit],
        }
        .into_command(),
        _ => {
            let of = match ids.first() {
                _ if kind == 7 => Of::FruId(unit),
                Some(id) => Of::Id(id.clone()),
                None => Of::All(true),
            };
            hardware::delete_history(of).into_command()
        }
    })
}

/// A unit is where its place says, and nowhere else; histories are found by unit.
pub fn check(state: &State) {
    let mut places = BTreeMap::new();
    for place in state.smd.hardware_locations() {
        let id = place.id.parse().unwrap();
        assert_eq!(state.smd.hardware_location(&id).as_ref(), Some(place));
        let is_alone =
            place.fru_id.is_empty() || places.insert(place.fru_id.as_str(), place.id.as_str()).is_none();
        assert!(is_alone, "{} is in two places", place.fru_id);
    }
    for (unit, place) in &places {
        let found = state.smd.place_of_fru(unit).map(|place| place.as_str());
        assert_eq!(found, Some(*place), "{unit}");
        assert!(state.smd.hardware_fru(unit).is_some(), "{unit}");
    }
    let mut histories: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for history in state.smd.hardware_histories() {
        assert!((1..=HARDWARE_EVENTS_PER_PLACE_MAX).contains(&history.events.len()));
        for event in &history.events {
            histories.entry(&event.fru_id).or_default().insert(&history.id);
        }
        let last = history.events.last().unwrap();
        let here = places
            .get(last.fru_id.as_str())
            .is_some_and(|place| *place == history.id);
        assert_eq!(here, last.r#type() == Type::Detected, "{history:?}");
    }
    let named: BTreeSet<String> = (0..4).map(|n| format!("Node.{n}")).collect();
    let in_histories = histories.keys().map(|unit| (*unit).to_owned());
    for unit in named.into_iter().chain(in_histories).collect::<BTreeSet<_>>() {
        assert_eq!(
            state.smd.place_of_fru(&unit).is_some(),
            places.contains_key(unit.as_str()),
            "{unit}"
        );
        let found: BTreeSet<&str> = state
            .smd
            .hardware_histories_of_fru(&unit)
            .map(|history| history.id.as_str())
            .collect();
        assert_eq!(
            found,
            histories.remove(unit.as_str()).unwrap_or_default(),
            "{unit}"
        );
    }
    assert!(histories.is_empty(), "{histories:?}");
}
