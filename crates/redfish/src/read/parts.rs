//! Replaceable parts: processors, memory, drives, devices, power supplies.

use serde_json::{Map, Value};

use crate::read::reading::{Member, Reading};
use crate::{Part, value};

/// Largest [`Part::details`], bytes as text.
const DETAILS_MAX: usize = 4096;

/// Members that are kept of each kind of part, by Redfish's names. Readings that change by themselves are none of them: an inventory
/// that was read twice is the same twice.
pub(crate) const PROCESSOR: &[&str] = &[
    "ProcessorType",
    "ProcessorArchitecture",
    "InstructionSet",
    "Socket",
    "TotalCores",
    "TotalThreads",
    "MaxSpeedMHz",
    "TDPWatts",
    "MaxTDPWatts",
    "ProcessorId",
    "FirmwareVersion",
    "Version",
    "MemorySummary",
    "UUID",
];
/// Of a memory module.
pub(crate) const MEMORY: &[&str] = &[
    "CapacityMiB",
    "MemoryType",
    "MemoryDeviceType",
    "BaseModuleType",
    "OperatingSpeedMhz",
    "AllowedSpeedsMHz",
    "RankCount",
    "DataWidthBits",
    "BusWidthBits",
    "ErrorCorrection",
    "MemoryLocation",
];
/// Of a drive.
pub(crate) const DRIVE: &[&str] = &[
    "CapacityBytes",
    "MediaType",
    "Protocol",
    "Revision",
    "FirmwareVersion",
    "RotationSpeedRPM",
    "BlockSizeBytes",
    "NegotiatedSpeedGbs",
    "FailurePredicted",
];
/// Of a PCIe device.
pub(crate) const DEVICE: &[&str] = &["DeviceType", "FirmwareVersion", "PCIeInterface", "SKU", "UUID"];
/// Of a power supply.
pub(crate) const POWER_SUPPLY: &[&str] = &[
    "PowerSupplyType",
    "PowerCapacityWatts",
    "FirmwareVersion",
    "SparePartNumber",
    "HotPluggable",
];

/// Where a part is, in the order of how well people know the place by it.
const LOCATIONS: [&str; 6] = [
    "DeviceLocator",
    "Location/PartLocation/ServiceLabel",
    "PhysicalLocation/PartLocation/ServiceLabel",
    "Slot/Location/PartLocation/ServiceLabel",
    "Socket",
    "Location/Info",
];

/// Kinds of processors that are accelerators.
const ACCELERATORS: [&str; 5] = ["GPU", "FPGA", "DSP", "Accelerator", "NPU"];

/// The part that `member` is, with the members `details` of it.
pub(crate) fn part(member: &Member, details: &[&str]) -> Part {
    let value = &member.value;
    Part {
        uri: match member.uri.is_empty() {
            // a part inside another resource has a link into that, at best
            true => value::link_of(value).to_owned(),
            false => member.uri.clone(),
        },
        id: value::first_text(value, &["Id", "MemberId"]),
        name: value::text(value, "Name"),
        location: location(value),
        manufacturer: value::text(value, "Manufacturer"),
        model: value::text(value, "Model"),
        part_number: value::text(value, "PartNumber"),
        serial: value::text(value, "SerialNumber"),
        is_absent: value::text(value, "Status/State").eq_ignore_ascii_case("Absent"),
        health: value::text(value, "Status/Health"),
        group: 0,
        details: kept(value, details),
    }
}

fn location(value: &Value) -> String {
    let said = value::first_text(value, &LOCATIONS);
    if !said.is_empty() {
        return said;
    }
    // before Redfish had PartLocation, a drive's location was a list
    let mut old = value::list(value, "Location").iter();
    old.next()
        .map(|first| value::text(first, "Info"))
        .unwrap_or_default()
}

fn kept(value: &Value, keys: &[&str]) -> Value {
    let (mut details, mut bytes) = (Map::new(), 2);
    for key in keys {
        let Some(member) = value.get(*key).filter(|member| !member.is_null()) else {
            continue;
        };
        bytes += key.len() + member.to_string().len() + 4;
        if bytes > DETAILS_MAX {
            break;
        }
        details.insert((*key).to_owned(), member.clone());
    }
    Value::Object(details)
}

/// Processors that are no accelerators, and those that are.
pub(crate) async fn processors(reading: &Reading<'_>, system: &Value) -> (Vec<Part>, Vec<Part>) {
    let members = reading.members(system, "Processors").await;
    let parts = members.iter().map(|member| part(member, PROCESSOR));
    parts.partition(|part| !is_accelerator(part))
}

fn is_accelerator(part: &Part) -> bool {
    let kind = value::text(&part.details, "ProcessorType");
    ACCELERATORS.iter().any(|known| kind.eq_ignore_ascii_case(known))
}

/// Memory modules, and places without one.
pub(crate) async fn memory(reading: &Reading<'_>, system: &Value) -> Vec<Part> {
    let members = reading.members(system, "Memory").await;
    members.iter().map(|member| part(member, MEMORY)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn of(value: Value, details: &[&str]) -> Part {
        let member = Member {
            uri: "/m".to_owned(),
            value: Arc::new(value),
        };
        part(&member, details)
    }

    #[test]
    fn an_empty_place_is_an_absent_part() {
        let part = of(
            json!({"Id": "proc1dimm8", "DeviceLocator": "PROC 1 DIMM 8", "CapacityMiB": 0, "RankCount": null,
                "Status": {"State": "Absent", "Health": "OK"}}),
            MEMORY,
        );
        assert!(part.is_absent);
        assert_eq!(part.location, "PROC 1 DIMM 8");
        assert_eq!(part.details, json!({"CapacityMiB": 0}));
    }

    #[test]
    fn the_place_of_a_part_has_many_spellings() {
        for (value, expected) in [
            (json!({"Socket": "CPU 1"}), "CPU 1"),
            (
                json!({"Location": {"PartLocation": {"ServiceLabel": "Slot 3"}}}),
                "Slot 3",
            ),
            (
                json!({"PhysicalLocation": {"PartLocation": {"ServiceLabel": "Bay 1"}}}),
                "Bay 1",
            ),
            (
                json!({"Location": [{"Info": "1I:1:1", "InfoFormat": "x"}]}),
                "1I:1:1",
            ),
            (json!({"Location": 7}), ""),
            (json!({}), ""),
        ] {
            assert_eq!(of(value, &[]).location, expected);
        }
    }

    #[test]
    fn details_are_bounded_whatever_stands_in_them() {
        let part = of(
            json!({"ProcessorType": "CPU", "ProcessorId": {"x": "y".repeat(10_000)}, "TotalCores": 64}),
            PROCESSOR,
        );
        assert!(part.details.to_string().len() <= DETAILS_MAX);
        assert_eq!(part.details["ProcessorType"], "CPU");
    }

    #[test]
    fn a_gpu_is_told_from_a_cpu() {
        assert!(is_accelerator(&of(json!({"ProcessorType": "GPU"}), PROCESSOR)));
        assert!(!is_accelerator(&of(json!({"ProcessorType": "CPU"}), PROCESSOR)));
        assert!(!is_accelerator(&of(json!({"ProcessorType": 7}), PROCESSOR)));
    }

    #[test]
    fn wrong_types_make_an_empty_part() {
        let part = of(
            json!({"Id": [], "Name": {}, "Status": "OK", "SerialNumber": null}),
            DRIVE,
        );
        assert_eq!(
            part,
            Part {
                uri: "/m".to_owned(),
                details: json!({}),
                ..Part::default()
            }
        );
    }
}
