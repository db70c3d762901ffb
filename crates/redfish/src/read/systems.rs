//! Computer systems.

use futures::FutureExt;
use serde_json::Value;

use crate::read::chassis::Place;
use crate::read::reading::{Member, Reading};
use crate::read::{devices, network, parts, reset, storage};
use crate::{ConsolePort, SerialConsole, System, value};

/// UUIDs that makers leave on boards which were never given one.
const NO_UUIDS: [&str; 4] = [
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "03000200-0400-0500-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
];

/// `members` without those that are there before under the same UUID; two with different serial numbers are two, whatever their
/// UUIDs say.
pub(crate) fn distinct(members: Vec<Member>) -> Vec<Member> {
    let mut kept: Vec<Member> = Vec::new();
    for member in members {
        if !kept.iter().any(|known| is_same(known, &member)) {
            kept.push(member);
        }
    }
    kept
}

fn is_same(one: &Member, other: &Member) -> bool {
    let uuid = |member: &Member| value::text(&member.value, "UUID").to_ascii_lowercase();
    let serial = |member: &Member| value::text(&member.value, "SerialNumber");
    let (first, second) = (serial(one), serial(other));
    let serials_agree = first.is_empty() || second.is_empty() || first == second;
    let id = uuid(one);
    !id.is_empty() && !NO_UUIDS.contains(&id.as_str()) && id == uuid(other) && serials_agree
}

/// Reads one system, which is in the chassis `own`.
pub(crate) async fn read(reading: &Reading<'_>, member: &Member, own: &[Place<'_>]) -> System {
    let value = &*member.value;
    let (interfaces, network_interfaces, processors, memory, drives, devices, secure_boot, bios, resets) = tokio::join!(
        network::nics(reading, value).boxed(),
        network::interfaces(reading, value, own).boxed(),
        parts::processors(reading, value).boxed(),
        parts::memory(reading, value).boxed(),
        storage::drives(reading, value).boxed(),
        devices::devices(reading, value, own).boxed(),
        reading.linked(value, "SecureBoot").boxed(),
        reading.linked(value, "Bios").boxed(),
        reset::types(reading, value, "#ComputerSystem.Reset").boxed(),
    );
    let (processors, accelerators) = processors;
    let (pcie_devices, gpus) = devices;
    System {
        interfaces,
        network_interfaces,
        processors,
        memory,
        drives,
        accelerators: devices::joined(accelerators, gpus),
        pcie_devices,
        secure_boot: secure_boot.and_then(|resource| is_secure_boot(&resource)),
        bios: bios.map(|resource| attributes(&resource)).unwrap_or_default(),
        reset_target: reset::target(reading, value, "#ComputerSystem.Reset"),
        reset_types: resets,
        chassis: reading.links(value, "Chassis"),
        managed_by: reading.links(value, "ManagedBy"),
        ..said(member)
    }
}

/// What the resource itself says.
fn said(member: &Member) -> System {
    let value = &*member.value;
    System {
        uri: member.uri.clone(),
        id: value::text(value, "Id"),
        name: value::text(value, "Name"),
        uuid: value::text(value, "UUID"),
        system_type: value::text(value, "SystemType"),
        manufacturer: value::text(value, "Manufacturer"),
        model: value::text(value, "Model"),
        serial: value::text(value, "SerialNumber"),
        part_number: value::text(value, "PartNumber"),
        sku: value::text(value, "SKU"),
        asset_tag: value::text(value, "AssetTag"),
        host_name: value::text(value, "HostName"),
        bios_version: value::text(value, "BiosVersion"),
        power_state: value::text(value, "PowerState"),
        power_mode: value::text(value, "PowerMode"),
        power_restore_policy: value::text(value, "PowerRestorePolicy"),
        health: value::text(value, "Status/Health"),
        processor_count: value::count(value, "ProcessorSummary/Count"),
        processor_model: value::text(value, "ProcessorSummary/Model"),
        memory_gib: value::number(value, "MemorySummary/TotalSystemMemoryGiB"),
        trusted_modules: trusted_modules(value),
        console: console(value),
        ..System::default()
    }
}

fn trusted_modules(system: &Value) -> Vec<String> {
    let modules = value::list(system, "TrustedModules").iter();
    let texts = modules.map(|module| {
        let kind = value::text(module, "InterfaceType");
        format!("{kind} {}", value::text(module, "FirmwareVersion"))
            .trim()
            .to_owned()
    });
    texts.filter(|text| !text.is_empty()).collect()
}

fn console(system: &Value) -> SerialConsole {
    let port = |kind: &str| {
        let service = value::at(system, &format!("SerialConsole/{kind}"));
        ConsolePort {
            enabled: value::flag(service, "ServiceEnabled").unwrap_or(false),
            port: value::port(service, "Port"),
            entry_command: value::text(service, "ConsoleEntryCommand"),
        }
    };
    SerialConsole {
        ssh: port("SSH"),
        telnet: port("Telnet"),
        ipmi: port("IPMI"),
    }
}

fn is_secure_boot(resource: &Value) -> Option<bool> {
    value::flag(resource, "SecureBootEnable").or_else(|| value::flag(resource, "SecureBootCurrentBoot"))
}

/// `Attributes`, sorted by name. Some BMCs describe each one by an object that has the value in it.
fn attributes(bios: &Value) -> Vec<(String, String)> {
    let Some(attributes) = value::at(bios, "Attributes").as_object() else {
        return Vec::new();
    };
    let mut pairs: Vec<(String, String)> = attributes
        .iter()
        .map(|(name, value)| {
            let text = match value {
                Value::Object(_) => value::first_text(value, &["current_value", "CurrentValue", "Value"]),
                value => value::text_of(value),
            };
            (value::cut(name, 256).to_owned(), text)
        })
        .collect();
    pairs.sort();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn member(uri: &str, uuid: &str, serial: &str) -> Member {
        Member {
            uri: uri.to_owned(),
            value: Arc::new(json!({"UUID": uuid, "SerialNumber": serial})),
        }
    }

    fn uris(members: Vec<Member>) -> Vec<String> {
        distinct(members).into_iter().map(|member| member.uri).collect()
    }

    const UUID: &str = "36383150-3630-584D-5130-313930323042";

    #[test]
    fn one_system_under_two_uris_is_one_and_the_first_counts() {
        let twice = vec![
            member("/a", UUID, "S1"),
            member("/b", &UUID.to_ascii_lowercase(), ""),
            member("/c", "", "S1"),
        ];
        assert_eq!(uris(twice), ["/a", "/c"]);
    }

    /// Two nodes behind one BMC whose boards were never given a UUID are two nodes.
    #[test]
    fn a_uuid_that_means_nothing_joins_nothing() {
        for uuid in NO_UUIDS {
            let two = vec![member("/a", uuid, ""), member("/b", uuid, "")];
            assert_eq!(uris(two), ["/a", "/b"], "{uuid}");
        }
        let two = vec![member("/a", UUID, "S1"), member("/b", UUID, "S2")];
        assert_eq!(uris(two), ["/a", "/b"]);
    }

    #[test]
    fn what_a_system_says_is_kept_and_null_is_nothing() {
        let system = said(&Member {
            uri: "/s".to_owned(),
            value: Arc::new(json!({
                "Id": "1", "PowerState": "On", "Status": {"Health": "OK"},
                "ProcessorSummary": {"Count": null, "Model": "AMD EPYC   "},
                "MemorySummary": {"TotalSystemMemoryGiB": "64"},
                "TrustedModules": [{"InterfaceType": "TPM2_0", "FirmwareVersion": "73.64"}, {}, null],
                "SerialConsole": {"SSH": {"ServiceEnabled": true, "Port": 2200}, "IPMI": {"ServiceEnabled": true}},
            })),
        });
        assert_eq!(system.processor_count, None);
        assert_eq!(system.processor_model, "AMD EPYC");
        assert_eq!(system.memory_gib, Some(64.0));
        assert_eq!(system.trusted_modules, ["TPM2_0 73.64"]);
        assert_eq!(
            (system.console.ssh.enabled, system.console.ssh.port),
            (true, Some(2200))
        );
        assert_eq!(
            (system.console.ipmi.enabled, system.console.ipmi.port),
            (true, None)
        );
        assert!(!system.console.telnet.enabled);
    }

    #[test]
    fn attributes_are_values_or_objects_with_one() {
        let bios = json!({"Attributes": {
            "Turbo": "Enabled", "Cores": 0, "Boost": {"current_value": "Auto", "DataType": "string"}, "Odd": [1],
        }});
        let expected = [
            ("Boost", "Auto"),
            ("Cores", "0"),
            ("Odd", ""),
            ("Turbo", "Enabled"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(attributes(&bios), expected);
        assert!(attributes(&json!({"Attributes": "none"})).is_empty());
    }

    #[test]
    fn secure_boot_is_on_off_or_not_said() {
        assert_eq!(is_secure_boot(&json!({"SecureBootEnable": true})), Some(true));
        let current = json!({"SecureBootEnable": null, "SecureBootCurrentBoot": "Disabled"});
        assert_eq!(is_secure_boot(&current), Some(false));
        assert_eq!(is_secure_boot(&json!({})), None);
    }
}
