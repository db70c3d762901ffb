//! Replaceable parts: what is in a system and in its enclosure, piece by piece.

use std::collections::{BTreeMap, BTreeSet};

use proto::smd::v1::PayloadPart;
use proto::smd::v1::payload_part::Kind;
use redfish::{Chassis, NetworkInterface, Part, System};
use serde_json::{Map, Value};

use crate::words::{path, told};

/// Longest `info` or `fru_info` of one part, bytes of JSON.
const DETAILS_BYTES_MAX: usize = 1_536;

/// Keys that tell where a part is; the others are of the unit itself and go with it when it is moved.
const OF_THE_PLACE: [&str; 10] = [
    "Description",
    "DeviceLocator",
    "Id",
    "Location",
    "MemberId",
    "MemoryLocation",
    "Name",
    "PhysicalLocation",
    "Slot",
    "Socket",
];

/// Keys of what changes by itself: with them every crawl would be a change of the hardware.
const FLEETING: [&str; 8] = [
    "@odata.etag",
    "FailurePredicted",
    "LineInputVoltage",
    "Metrics",
    "NegotiatedSpeedGbs",
    "PowerState",
    "PredictedMediaLifeLeftPercent",
    "Status",
];

/// Words in the texts of an adapter for the network of the applications.
const HIGH_SPEED: [&str; 7] = [
    "cassini",
    "connectx",
    "hpcnet",
    "hsn",
    "infiniband",
    "omni-path",
    "slingshot",
];

/// The parts of a system, at most `left` of them, from which they are taken. None is left: some may be missing.
pub(crate) fn of_system(system: &System, left: &mut usize) -> Vec<PayloadPart> {
    let processors = placed(Kind::Processor, &system.processors);
    let memory = placed(Kind::Memory, &system.memory);
    let accelerators = placed(Kind::NodeAccel, &system.accelerators);
    let all = processors.chain(memory).chain(drives(&system.drives));
    let all = all
        .chain(accelerators)
        .chain(adapters(&system.network_interfaces));
    taken(all, left)
}

/// The power supplies of all chassis of a BMC, in order.
pub(crate) fn of_enclosure(chassis: &[Chassis], left: &mut usize) -> Vec<PayloadPart> {
    let supplies: Vec<Part> = chassis
        .iter()
        .flat_map(|chassis| &chassis.power_supplies)
        .take(*left)
        .cloned()
        .collect();
    taken(placed(Kind::PowerSupply, &supplies), left)
}

fn taken(parts: impl Iterator<Item = PayloadPart>, left: &mut usize) -> Vec<PayloadPart> {
    let parts: Vec<PayloadPart> = parts.take(*left).collect();
    *left -= parts.len();
    parts
}

/// Those that are there, each at its place among all places.
fn placed(kind: Kind, parts: &[Part]) -> impl Iterator<Item = PayloadPart> + '_ {
    let all = (0_u32..).zip(parts);
    all.filter(|(_, part)| !part.is_absent)
        .map(move |(place, part)| payload_part(kind, place, part))
}

/// A drive's place is counted behind its own controller.
fn drives(drives: &[Part]) -> impl Iterator<Item = PayloadPart> + '_ {
    let mut places: BTreeMap<u32, u32> = BTreeMap::new();
    let with_place = drives.iter().map(move |drive| {
        let next = places.entry(drive.group).or_default();
        let place = *next;
        *next += 1;
        (place, drive)
    });
    with_place
        .filter(|(_, drive)| !drive.is_absent)
        .map(|(place, drive)| payload_part(Kind::Drive, place, drive))
}

fn payload_part(kind: Kind, place: u32, part: &Part) -> PayloadPart {
    let (info, fru_info) = details(&part.details);
    PayloadPart {
        kind: kind.into(),
        place,
        group: part.group,
        uri: path(&part.uri),
        name: told(&part.name),
        location: told(&part.location),
        manufacturer: told(&part.manufacturer),
        model: told(&part.model),
        part_number: told(&part.part_number),
        serial: told(&part.serial),
        info,
        fru_info,
    }
}

/// Adapters of a high-speed network, each once, however many interfaces it has.
fn adapters(interfaces: &[NetworkInterface]) -> impl Iterator<Item = PayloadPart> + '_ {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let adapters = interfaces
        .iter()
        .filter(|interface| is_high_speed(interface))
        .filter(move |interface| !interface.adapter_uri.is_empty() && seen.insert(&interface.adapter_uri));
    (0_u32..).zip(adapters).map(|(place, adapter)| PayloadPart {
        kind: Kind::NodeHsnNic.into(),
        place,
        uri: path(&adapter.adapter_uri),
        name: told(&adapter.adapter_name),
        manufacturer: told(&adapter.adapter_manufacturer),
        model: told(&adapter.adapter_model),
        part_number: told(&adapter.adapter_part_number),
        serial: told(&adapter.adapter_serial),
        ..PayloadPart::default()
    })
}

fn is_high_speed(interface: &NetworkInterface) -> bool {
    let texts = [
        &interface.adapter_name,
        &interface.adapter_model,
        &interface.adapter_description,
        &interface.name,
    ];
    texts.into_iter().any(|text| {
        let text = text.to_ascii_lowercase();
        HIGH_SPEED.iter().any(|word| text.contains(word))
    })
}

/// What is of the place and what of the unit, as texts of JSON with sorted keys; empty: nothing.
fn details(details: &Value) -> (String, String) {
    let Value::Object(all) = details else {
        return (String::new(), String::new());
    };
    let lasting = all.iter().filter(|(key, _)| !FLEETING.contains(&key.as_str()));
    let (place, unit): (Vec<_>, Vec<_>) = lasting.partition(|(key, _)| OF_THE_PLACE.contains(&key.as_str()));
    (bounded(place), bounded(unit))
}

/// An object of those members that fit in.
fn bounded(mut members: Vec<(&String, &Value)>) -> String {
    members.sort_unstable_by_key(|(key, _)| *key);
    let mut object = Map::new();
    let mut bytes = "{}".len();
    for (key, value) in members {
        let value = without_padding(value);
        let quoted = Value::from(key.as_str()).to_string();
        let more = quoted.len() + value.to_string().len() + ":,".len();
        if bytes + more <= DETAILS_BYTES_MAX && !value.is_null() {
            bytes += more;
            object.insert(key.clone(), value);
        }
    }
    match object.is_empty() {
        true => String::new(),
        false => Value::Object(object).to_string(),
    }
}

/// Null for a text that says nothing.
fn without_padding(value: &Value) -> Value {
    match value {
        Value::String(text) => match told(text) {
            told if told.is_empty() => Value::Null,
            told => Value::String(told),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(id: &str, group: u32) -> Part {
        Part {
            uri: format!("/redfish/v1/Systems/1/Things/{id}/"),
            id: id.into(),
            name: format!("Thing {id}"),
            serial: format!("S-{id}"),
            group,
            details: json!({}),
            ..Part::default()
        }
    }

    fn absent(id: &str, group: u32) -> Part {
        Part {
            is_absent: true,
            ..part(id, group)
        }
    }

    fn adapter(uri: &str, model: &str) -> NetworkInterface {
        NetworkInterface {
            adapter_uri: uri.into(),
            adapter_model: model.into(),
            ..NetworkInterface::default()
        }
    }

    /// Kind, group, place and name of each.
    fn shown(parts: &[PayloadPart]) -> Vec<(Kind, u32, u32, &str)> {
        let mut shown = Vec::new();
        for part in parts {
            shown.push((part.kind(), part.group, part.place, part.name.as_str()));
        }
        shown
    }

    #[test]
    fn an_empty_place_is_counted_and_not_listed() {
        let system = System {
            processors: vec![part("P1", 0), absent("P2", 0)],
            memory: vec![absent("D1", 0), part("D2", 0), absent("D3", 0), part("D4", 0)],
            accelerators: vec![part("G1", 0)],
            ..System::default()
        };
        let parts = of_system(&system, &mut 100);
        assert_eq!(
            shown(&parts),
            [
                (Kind::Processor, 0, 0, "Thing P1"),
                (Kind::Memory, 0, 1, "Thing D2"),
                (Kind::Memory, 0, 3, "Thing D4"),
                (Kind::NodeAccel, 0, 0, "Thing G1"),
            ]
        );
        assert_eq!(parts[0].uri, "/redfish/v1/Systems/1/Things/P1");
    }

    #[test]
    fn drives_are_counted_behind_their_controller() {
        let system = System {
            drives: vec![
                part("0", 0),
                absent("1", 0),
                part("2", 0),
                part("3", 1),
                part("4", 1),
            ],
            ..System::default()
        };
        let parts = of_system(&system, &mut 100);
        let places: Vec<_> = parts.iter().map(|part| (part.group, part.place)).collect();
        assert_eq!(places, [(0, 0), (0, 2), (1, 0), (1, 1)]);
    }

    #[test]
    fn adapters_of_the_fast_network_are_listed_once() {
        let system = System {
            network_interfaces: vec![
                adapter("/redfish/v1/Chassis/1/NetworkAdapters/1", "I350 Gigabit"),
                adapter(
                    "/redfish/v1/Chassis/1/NetworkAdapters/2",
                    "MT27800 Family [ConnectX-5]",
                ),
                adapter(
                    "/redfish/v1/Chassis/1/NetworkAdapters/2",
                    "MT27800 Family [ConnectX-5]",
                ),
                adapter(
                    "/redfish/v1/Chassis/1/NetworkAdapters/HPCNet0",
                    "HPE Slingshot SA210S",
                ),
                adapter("", "HPE Slingshot SA210S"),
            ],
            ..System::default()
        };
        let parts = of_system(&system, &mut 100);
        let found: Vec<_> = parts.iter().map(|part| (part.place, part.uri.as_str())).collect();
        assert_eq!(
            found,
            [
                (0, "/redfish/v1/Chassis/1/NetworkAdapters/2"),
                (1, "/redfish/v1/Chassis/1/NetworkAdapters/HPCNet0")
            ]
        );
        assert!(parts.iter().all(|part| part.kind() == Kind::NodeHsnNic));
    }

    #[test]
    fn power_supplies_of_all_chassis_are_of_the_enclosure() {
        let chassis = |supplies: &[&str]| Chassis {
            power_supplies: supplies.iter().map(|id| part(id, 0)).collect(),
            ..Chassis::default()
        };
        let parts = of_enclosure(&[chassis(&["A", "B"]), chassis(&[]), chassis(&["C"])], &mut 100);
        let places: Vec<_> = parts
            .iter()
            .map(|part| (part.place, part.name.as_str()))
            .collect();
        assert_eq!(places, [(0, "Thing A"), (1, "Thing B"), (2, "Thing C")]);
    }

    #[test]
    fn no_more_are_taken_than_are_left() {
        let system = System {
            memory: (0..10).map(|id| part(&id.to_string(), 0)).collect(),
            ..System::default()
        };
        let mut left = 12;
        assert_eq!(of_system(&system, &mut left).len(), 10);
        assert_eq!(of_system(&system, &mut left).len(), 2);
        assert_eq!((of_system(&system, &mut left).len(), left), (0, 0));
        assert_eq!(of_enclosure(&[Chassis::default()], &mut left).len(), 0);
    }

    #[test]
    fn details_are_split_sorted_and_without_what_changes_by_itself() {
        let given = json!({
            "Status": { "Health": "OK" },
            "Socket": "P1 ",
            "CapacityMiB": 16384,
            "AllowedSpeedsMHz": [2933],
            "BaseModuleType": "N/A",
            "MemoryLocation": { "Slot": 3, "Channel": 1 },
        });
        let (place, unit) = details(&given);
        assert_eq!(
            place,
            r#"{"MemoryLocation":{"Channel":1,"Slot":3},"Socket":"P1"}"#
        );
        assert_eq!(unit, r#"{"AllowedSpeedsMHz":[2933],"CapacityMiB":16384}"#);
        for nothing in [json!({}), json!(null), json!([1]), json!("text")] {
            assert_eq!(details(&nothing), (String::new(), String::new()));
        }
    }

    #[test]
    fn details_are_bounded_and_stay_json() {
        let mut members: Map<String, Value> = (0..1_000).map(|n| (format!("Key{n}"), json!(n))).collect();
        members.insert("A".into(), json!(vec![0; 10_000]));
        members.insert("\u{1}".repeat(2_000), json!(1));
        members.insert("Z".into(), json!("x".repeat(10_000)));
        let (place, unit) = details(&Value::Object(members));
        assert_eq!(place, "");
        assert!(unit.len() <= DETAILS_BYTES_MAX, "{}", unit.len());
        let read: Map<String, Value> = serde_json::from_str(&unit).unwrap();
        assert!(read.len() > 50 && !read.contains_key("A"), "{read:?}");
    }
}
