//! The firmware behind a BMC, and how its systems boot.

use std::collections::BTreeMap;

use model::Xname;
use proto::discovery::v1::{BiosAttribute, Firmware, FirmwareInventory, SystemFirmware};
use redfish::{FirmwareItem, Inventory, System};

use crate::words::{is_same, path, told};

/// Items of one BMC.
const FIRMWARE_MAX: usize = 256;
/// Systems of one BMC, as the state takes them.
const SYSTEMS_MAX: usize = 64;
/// BIOS attributes of one system, and of all systems of a BMC.
const BIOS_MAX: usize = 2_000;
const BIOS_OF_ALL_MAX: usize = 8_000;

/// What the BMC `bmc` says of firmware. `nodes` are its systems by URI, with the xnames that SMD gave them; a system that is
/// not among them is left out.
#[must_use]
pub fn firmware(inventory: &Inventory, bmc: &Xname, nodes: &[(String, Xname)]) -> FirmwareInventory {
    let mut attributes_left = BIOS_OF_ALL_MAX;
    let mut systems: Vec<SystemFirmware> = nodes
        .iter()
        .filter_map(|(uri, node)| Some((system_at(inventory, uri)?, node)))
        .map(|(system, node)| system_firmware(system, node, &mut attributes_left))
        .collect();
    systems.sort_by(|a, b| a.id.cmp(&b.id));
    systems.dedup_by(|a, b| a.id == b.id);
    systems.truncate(SYSTEMS_MAX);
    FirmwareInventory {
        id: bmc.to_string(),
        firmware: items(&inventory.firmware),
        systems,
        meta: None,
    }
}

fn system_at<'a>(inventory: &'a Inventory, uri: &str) -> Option<&'a System> {
    inventory.systems.iter().find(|system| is_same(&system.uri, uri))
}

fn system_firmware(system: &System, node: &Xname, left: &mut usize) -> SystemFirmware {
    let mut bios: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in system.bios.iter().take(BIOS_MAX.min(*left)) {
        let name = told(name);
        if !name.is_empty() {
            bios.entry(name).or_insert_with(|| line(value));
        }
    }
    *left -= bios.len();
    let secure_boot = match system.secure_boot {
        Some(true) => "enabled",
        Some(false) => "disabled",
        None => "",
    };
    SystemFirmware {
        id: node.to_string(),
        bios_version: told(&system.bios_version),
        secure_boot: secure_boot.to_owned(),
        bios: bios
            .into_iter()
            .map(|(name, value)| BiosAttribute { name, value })
            .collect(),
    }
}

/// A setting's value is kept even if it is a word such as `None`: there it means something.
fn line(value: &str) -> String {
    match told(value) {
        told if told.is_empty() && value.len() <= 32 && !value.contains(char::is_control) => {
            value.trim().to_owned()
        }
        told => told,
    }
}

/// Sorted by id, each once: the first of several counts.
fn items(items: &[FirmwareItem]) -> Vec<Firmware> {
    let mut by_id: BTreeMap<String, Firmware> = BTreeMap::new();
    for item in items {
        let id = match told(&item.id) {
            id if id.is_empty() => path(&item.uri).rsplit('/').next().unwrap_or_default().to_owned(),
            id => id,
        };
        if id.is_empty() || by_id.len() >= FIRMWARE_MAX {
            continue;
        }
        by_id.entry(id.clone()).or_insert_with(|| Firmware {
            id,
            name: told(&item.name),
            version: told(&item.version),
            updateable: item.updateable,
            uri: path(&item.uri),
        });
    }
    by_id.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, version: &str) -> FirmwareItem {
        FirmwareItem {
            uri: format!("/redfish/v1/UpdateService/FirmwareInventory/{id}/"),
            id: id.into(),
            name: format!("{id} "),
            version: version.into(),
            updateable: true,
        }
    }

    fn system(uri: &str, bios: &[(&str, &str)]) -> System {
        System {
            uri: uri.into(),
            bios_version: "A43 v1.38 ".into(),
            secure_boot: Some(false),
            bios: bios
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..System::default()
        }
    }

    fn xname(text: &str) -> Xname {
        text.parse().unwrap()
    }

    fn at(uri: &str, node: &str) -> (String, Xname) {
        (uri.to_owned(), xname(node))
    }

    #[test]
    fn items_are_sorted_and_each_is_there_once() {
        let inventory = Inventory {
            firmware: vec![
                item("BMC", "2.46"),
                item("BIOS", "A43"),
                item("BIOS", "other"),
                item("", "no id"),
            ],
            ..Inventory::default()
        };
        let told = firmware(&inventory, &xname("x0c0s0b0"), &[]);
        assert_eq!(told.id, "x0c0s0b0");
        let shown: Vec<_> = told
            .firmware
            .iter()
            .map(|one| (one.id.as_str(), one.version.as_str()))
            .collect();
        assert_eq!(
            shown,
            [("BIOS", "A43"), ("BMC", "2.46"), ("FirmwareInventory", "no id")]
        );
        assert_eq!(
            told.firmware[0].uri,
            "/redfish/v1/UpdateService/FirmwareInventory/BIOS"
        );
        assert_eq!(told.firmware[0].name, "BIOS");
    }

    #[test]
    fn a_system_is_found_by_its_uri_and_named_by_its_node() {
        let inventory = Inventory {
            systems: vec![
                system(
                    "/redfish/v1/Systems/Node1",
                    &[("NumaPerSocket", "4"), ("Boot", "None")],
                ),
                system("/redfish/v1/Systems/Node0/", &[]),
            ],
            ..Inventory::default()
        };
        let nodes = [
            at("/redfish/v1/Systems/Node1", "x0c0s0b0n1"),
            at("/redfish/v1/Systems/Node0", "x0c0s0b0n0"),
            at("/redfish/v1/Systems/Node7", "x0c0s0b0n7"),
            at("", "x0c0s0b0n8"),
        ];
        let told = firmware(&inventory, &xname("x0c0s0b0"), &nodes);
        let ids: Vec<_> = told.systems.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["x0c0s0b0n0", "x0c0s0b0n1"]);
        let second = &told.systems[1];
        assert_eq!(
            (second.bios_version.as_str(), second.secure_boot.as_str()),
            ("A43 v1.38", "disabled")
        );
        let bios: Vec<_> = second
            .bios
            .iter()
            .map(|one| (one.name.as_str(), one.value.as_str()))
            .collect();
        assert_eq!(bios, [("Boot", "None"), ("NumaPerSocket", "4")]);
    }

    #[test]
    fn it_is_bounded() {
        let many: Vec<(String, String)> = (0..3_000)
            .map(|n| (format!("Attribute{n:04}"), "x".repeat(1_000)))
            .collect();
        let mut inventory = Inventory {
            firmware: (0..1_000).map(|n| item(&format!("F{n}"), "1")).collect(),
            ..Inventory::default()
        };
        let mut nodes = Vec::new();
        for n in 0..10 {
            let uri = format!("/redfish/v1/Systems/{n}");
            inventory.systems.push(System {
                bios: many.clone(),
                ..system(&uri, &[])
            });
            nodes.push(at(&uri, &format!("x0c0s0b0n{n}")));
        }
        let told = firmware(&inventory, &xname("x0c0s0b0"), &nodes);
        assert_eq!((told.firmware.len(), told.systems.len()), (FIRMWARE_MAX, 10));
        let attributes: Vec<usize> = told.systems.iter().map(|one| one.bios.len()).collect();
        assert_eq!(attributes.iter().sum::<usize>(), BIOS_OF_ALL_MAX);
        assert_eq!(attributes[0], BIOS_MAX);
        assert!(told.systems[0].bios.iter().all(|one| one.value.len() <= 255));
    }
}
