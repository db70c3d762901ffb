//! Computer systems and managers, as Magellan's schema has them.

use proto::smd::v1::payload_serial_console::Port;
use proto::smd::v1::{InventoryDetail, PayloadLinks, PayloadManager, PayloadPower, PayloadSerialConsole};
use redfish::{Chassis, ConsolePort, Manager, Part, SerialConsole, System};

use crate::interfaces::{network_interfaces, nics};
use crate::parts;
use crate::words::{is_same, path, paths, told, told_all};

/// Entries of each list of texts: reset types, links, modules.
const TEXTS_MAX: usize = 32;

/// What may still be listed of one BMC; lists take from it what they use.
pub(crate) struct Left {
    pub(crate) nics: usize,
    pub(crate) network_interfaces: usize,
    pub(crate) parts: usize,
}

/// One system, with the chassis that it is in.
pub(crate) fn detail(system: &System, chassis: &[Chassis], left: &mut Left) -> InventoryDetail {
    let home = home(system, chassis);
    let of_home = |text: fn(&Chassis) -> &String| home.map(|home| told(text(home))).unwrap_or_default();
    InventoryDetail {
        uri: path(&system.uri),
        uuid: told(&system.uuid),
        manufacturer: told(&system.manufacturer),
        system_type: told(&system.system_type),
        name: told(&system.name),
        model: told(&system.model),
        serial: told(&system.serial),
        bios_version: told(&system.bios_version),
        ethernet_interfaces: nics(&system.interfaces, &mut left.nics),
        network_interfaces: network_interfaces(&system.network_interfaces, &mut left.network_interfaces),
        power: Some(power(system)),
        processor_count: processor_count(system),
        processor_type: processor_type(system),
        memory_total: memory_total(system),
        trusted_modules: told_all(&system.trusted_modules, TEXTS_MAX),
        chassis_sku: of_home(|home| &home.sku),
        chassis_serial: of_home(|home| &home.serial),
        chassis_asset_tag: of_home(|home| &home.asset_tag),
        chassis_manufacturer: of_home(|home| &home.manufacturer),
        chassis_model: of_home(|home| &home.model),
        actions: told_all(&system.reset_types, TEXTS_MAX),
        links: Some(links(system, home)),
        serial_console: serial_console(&system.console),
        node_id: told(&system.id),
        parts: parts::of_system(system, &mut left.parts),
        ..InventoryDetail::default()
    }
}

/// The chassis that the system names, or else the first that names the system.
fn home<'a>(system: &System, chassis: &'a [Chassis]) -> Option<&'a Chassis> {
    let by_uri = |uri: &String| chassis.iter().find(|one| is_same(&one.uri, uri));
    let names_it = |one: &&Chassis| one.systems.iter().any(|uri| is_same(uri, &system.uri));
    system
        .chassis
        .iter()
        .take(TEXTS_MAX)
        .find_map(by_uri)
        .or_else(|| chassis.iter().find(names_it))
}

fn links(system: &System, home: Option<&Chassis>) -> PayloadLinks {
    let mut chassis = paths(&system.chassis, TEXTS_MAX);
    if let Some(home) = home.filter(|_| chassis.is_empty()) {
        chassis.extend(Some(path(&home.uri)).filter(|uri| !uri.is_empty()));
    }
    PayloadLinks {
        chassis,
        managers: paths(&system.managed_by, TEXTS_MAX),
    }
}

fn power(system: &System) -> PayloadPower {
    PayloadPower {
        state: told(&system.power_state),
        mode: told(&system.power_mode),
        restore_policy: told(&system.power_restore_policy),
        power_control_ids: paths(&system.power_controls, TEXTS_MAX),
    }
}

/// What its summary says, or else how many there are.
fn processor_count(system: &System) -> i64 {
    let there = system.processors.iter().filter(|part| !part.is_absent).count() as u64;
    let count = system.processor_count.unwrap_or(there);
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn processor_type(system: &System) -> String {
    let of_summary = told(&system.processor_model);
    if !of_summary.is_empty() {
        return of_summary;
    }
    let mut models = system.processors.iter().map(|part| told(&part.model));
    models.find(|model| !model.is_empty()).unwrap_or_default()
}

/// GiB: what its summary says, or else the sum of its modules.
fn memory_total(system: &System) -> f64 {
    let of_summary = system.memory_gib.filter(|gib| gib.is_finite() && *gib >= 0.0);
    let mib = |part: &Part| part.details["CapacityMiB"].as_u64().unwrap_or(0);
    let modules = system.memory.iter().filter(|part| !part.is_absent);
    let sum = modules.fold(0_u64, |sum, part| sum.saturating_add(mib(part)));
    of_summary.unwrap_or(sum as f64 / 1024.0)
}

/// `None` where the system tells of no console.
fn serial_console(console: &SerialConsole) -> Option<PayloadSerialConsole> {
    let told = PayloadSerialConsole {
        ipmi: port(&console.ipmi),
        telnet: port(&console.telnet),
        ssh: port(&console.ssh),
    };
    (told != PayloadSerialConsole::default()).then_some(told)
}

fn port(port: &ConsolePort) -> Option<Port> {
    let told = Port {
        port: port.port.map_or(0, u32::from),
        enabled: port.enabled,
    };
    (told != Port::default()).then_some(told)
}

/// One manager.
pub(crate) fn manager(manager: &Manager, left: &mut Left) -> PayloadManager {
    PayloadManager {
        uri: path(&manager.uri),
        uuid: told(&manager.uuid),
        name: told(&manager.name),
        description: told(&manager.description),
        model: told(&manager.model),
        r#type: told(&manager.manager_type),
        firmware_version: told(&manager.firmware_version),
        ethernet_interfaces: nics(&manager.interfaces, &mut left.nics),
        actions: told_all(&manager.reset_types, TEXTS_MAX),
        command_shell: told_all(&manager.command_shell, TEXTS_MAX),
        serial_console: told_all(&manager.serial_console, TEXTS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left() -> Left {
        Left {
            nics: 100,
            network_interfaces: 100,
            parts: 100,
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn processor(model: &str, is_absent: bool) -> Part {
        Part {
            model: model.into(),
            is_absent,
            ..Part::default()
        }
    }

    fn module(mib: u64) -> Part {
        Part {
            details: json!({ "CapacityMiB": mib }),
            ..Part::default()
        }
    }

    #[test]
    fn a_summary_is_believed_before_the_parts_are_counted() {
        let mut system = System {
            processor_count: Some(1),
            processor_model: "AMD EPYC 7302P 16-Core Processor               ".into(),
            memory_gib: Some(64.0),
            processors: vec![processor("other", false), processor("other", false)],
            memory: vec![module(8_192)],
            ..System::default()
        };
        let told = detail(&system, &[], &mut left());
        assert_eq!((told.processor_count, told.memory_total), (1, 64.0));
        assert_eq!(told.processor_type, "AMD EPYC 7302P 16-Core Processor");
        system.processor_count = None;
        system.processor_model = "N/A".into();
        system.memory_gib = None;
        system.processors = vec![
            processor("", false),
            processor("EPYC", false),
            processor("x", true),
        ];
        system.memory = vec![
            module(16_384),
            module(512),
            Part {
                is_absent: true,
                ..module(4_096)
            },
        ];
        let told = detail(&system, &[], &mut left());
        assert_eq!((told.processor_count, told.memory_total), (2, 16.5));
        assert_eq!(told.processor_type, "EPYC");
    }

    #[test]
    fn numbers_that_cannot_be_are_bounded() {
        let system = System {
            processor_count: Some(u64::MAX),
            memory_gib: Some(f64::NAN),
            memory: vec![module(u64::MAX), module(u64::MAX)],
            ..System::default()
        };
        let told = detail(&system, &[], &mut left());
        assert_eq!(told.processor_count, i64::MAX);
        assert!(told.memory_total.is_finite());
        let negative = System {
            memory_gib: Some(-1.0),
            ..System::default()
        };
        assert_eq!(detail(&negative, &[], &mut left()).memory_total, 0.0);
    }

    #[test]
    fn a_system_is_in_the_chassis_that_it_names_or_that_names_it() {
        let chassis = |uri: &str, serial: &str, systems: &[&str]| Chassis {
            uri: uri.into(),
            serial: serial.into(),
            systems: texts(systems),
            ..Chassis::default()
        };
        let all = [
            chassis("/redfish/v1/Chassis/Rack", "R", &[]),
            chassis("/redfish/v1/Chassis/A/", "A", &["/redfish/v1/Systems/1/"]),
            chassis("/redfish/v1/Chassis/B", "B", &["/redfish/v1/Systems/1"]),
        ];
        let mut system = System {
            uri: "/redfish/v1/Systems/1".into(),
            ..System::default()
        };
        let told = detail(&system, &all, &mut left());
        assert_eq!(told.chassis_serial, "A");
        assert_eq!(told.links.unwrap().chassis, ["/redfish/v1/Chassis/A"]);
        system.chassis = texts(&["/redfish/v1/Chassis/None", "/redfish/v1/Chassis/B"]);
        assert_eq!(detail(&system, &all, &mut left()).chassis_serial, "B");
        system.uri = String::new();
        system.chassis.clear();
        let told = detail(&system, &all, &mut left());
        assert_eq!(
            (told.chassis_serial.as_str(), told.links),
            ("", Some(PayloadLinks::default()))
        );
    }

    #[test]
    fn a_console_that_is_not_told_of_is_not_there() {
        let mut system = System::default();
        assert_eq!(detail(&system, &[], &mut left()).serial_console, None);
        system.console.ssh = ConsolePort {
            enabled: true,
            port: Some(2_200),
            ..ConsolePort::default()
        };
        let console = detail(&system, &[], &mut left()).serial_console.unwrap();
        let ssh = Port {
            port: 2_200,
            enabled: true,
        };
        assert_eq!(
            (console.ssh, console.ipmi, console.telnet),
            (Some(ssh), None, None)
        );
    }

    #[test]
    fn a_manager_tells_its_ways() {
        let given = Manager {
            uri: "/redfish/v1/Managers/1/".into(),
            manager_type: "BMC".into(),
            firmware_version: "iLO 5 v2.46 ".into(),
            reset_types: texts(&["GracefulRestart", "ForceRestart"]),
            command_shell: texts(&["SSH", "Oem"]),
            ..Manager::default()
        };
        let told = manager(&given, &mut left());
        assert_eq!(
            (told.uri.as_str(), told.r#type.as_str()),
            ("/redfish/v1/Managers/1", "BMC")
        );
        assert_eq!(told.firmware_version, "iLO 5 v2.46");
        assert_eq!((told.actions.len(), told.command_shell.len()), (2, 2));
    }

    #[test]
    fn lists_are_bounded() {
        let many = texts(&["/redfish/v1/Chassis/1"; 1_000]);
        let system = System {
            chassis: many.clone(),
            managed_by: many.clone(),
            power_controls: many.clone(),
            reset_types: many.clone(),
            trusted_modules: many,
            ..System::default()
        };
        let told = detail(&system, &[], &mut left());
        let (links, power) = (told.links.unwrap(), told.power.unwrap());
        for list in [
            &links.chassis,
            &links.managers,
            &power.power_control_ids,
            &told.actions,
            &told.trusted_modules,
        ] {
            assert_eq!(list.len(), TEXTS_MAX);
        }
    }
}
