//! The firmware of a BMC that was read in part: what it did not tell this time stays as it was known.

use proto::discovery::v1::{FirmwareInventory, SystemFirmware};
use state::bounds::{FIRMWARE_PER_BMC_MAX, SYSTEMS_PER_BMC_MAX};

/// What was read, and of `known` what is missing in it.
pub(crate) fn with_known(mut read: FirmwareInventory, known: &FirmwareInventory) -> FirmwareInventory {
    for item in &known.firmware {
        if read.firmware.len() < FIRMWARE_PER_BMC_MAX
            && !read.firmware.iter().any(|other| other.id == item.id)
        {
            read.firmware.push(item.clone());
        }
    }
    for before in &known.systems {
        let has_room = read.systems.len() < SYSTEMS_PER_BMC_MAX;
        match read.systems.iter_mut().find(|system| system.id == before.id) {
            Some(system) => fill(system, before),
            None if has_room => read.systems.push(before.clone()),
            None => {}
        }
    }
    read
}

fn fill(system: &mut SystemFirmware, before: &SystemFirmware) {
    if system.bios_version.is_empty() {
        system.bios_version.clone_from(&before.bios_version);
    }
    if system.secure_boot.is_empty() {
        system.secure_boot.clone_from(&before.secure_boot);
    }
    if system.bios.is_empty() {
        system.bios.clone_from(&before.bios);
    }
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::{BiosAttribute, Firmware};

    use super::*;

    fn item(id: &str, version: &str) -> Firmware {
        Firmware {
            id: id.to_owned(),
            version: version.to_owned(),
            ..Firmware::default()
        }
    }

    fn system(id: &str, bios_version: &str, bios: &[&str]) -> SystemFirmware {
        let attribute = |name: &&str| BiosAttribute {
            name: (*name).to_owned(),
            value: "1".to_owned(),
        };
        SystemFirmware {
            id: id.to_owned(),
            bios_version: bios_version.to_owned(),
            bios: bios.iter().map(attribute).collect(),
            ..SystemFirmware::default()
        }
    }

    fn inventory(firmware: Vec<Firmware>, systems: Vec<SystemFirmware>) -> FirmwareInventory {
        FirmwareInventory {
            firmware,
            systems,
            ..FirmwareInventory::default()
        }
    }

    #[test]
    fn what_was_not_told_stays_and_what_was_told_counts() {
        let known = inventory(
            vec![item("BMC", "1"), item("CPLD", "7")],
            vec![system("n0", "2.1", &["Boot"]), system("n1", "2.1", &[])],
        );
        let read = inventory(vec![item("BMC", "2")], vec![system("n0", "2.2", &[])]);
        let expected = inventory(
            vec![item("BMC", "2"), item("CPLD", "7")],
            vec![system("n0", "2.2", &["Boot"]), system("n1", "2.1", &[])],
        );
        assert_eq!(with_known(read, &known), expected);
        assert_eq!(with_known(FirmwareInventory::default(), &known), known);
    }

    /// The state refuses more: then nothing of what was read would be stored.
    #[test]
    fn there_is_never_more_than_the_state_takes() {
        let items = |from: usize| (from..from + 200).map(|n| item(&n.to_string(), "1")).collect();
        let merged = with_known(
            inventory(items(0), Vec::new()),
            &inventory(items(1_000), Vec::new()),
        );
        assert_eq!(merged.firmware.len(), FIRMWARE_PER_BMC_MAX);
    }
}
