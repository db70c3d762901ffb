//! Versions of firmware before and after: what an update has changed.

use std::collections::BTreeMap;

use proto::discovery::v1::{Firmware, FirmwareInventory};

use crate::link::Link;

/// Changes that a reason tells.
const TOLD_MAX: usize = 8;

/// Version by id.
pub(crate) type Versions = BTreeMap<String, String>;

/// The firmware of the inventory that an update is for: that of these ids, or all of it.
pub(crate) fn meant<'a>(inventory: &'a FirmwareInventory, ids: &[String]) -> Vec<&'a Firmware> {
    let is_meant = |firmware: &&Firmware| ids.is_empty() || ids.contains(&firmware.id);
    inventory.firmware.iter().filter(is_meant).collect()
}

/// As the inventory has them.
pub(crate) fn known(firmware: &[&Firmware]) -> Versions {
    let pairs = firmware.iter().map(|one| (one.id.clone(), one.version.clone()));
    pairs.collect()
}

/// As the BMC tells them now.
///
/// # Errors
/// Of the first that it does not tell.
pub(crate) async fn read(link: &mut Link, firmware: &[&Firmware]) -> Result<Versions, redfish::Error> {
    let mut versions = Versions::new();
    for one in firmware.iter().filter(|one| !one.uri.is_empty()) {
        versions.insert(one.id.clone(), link.version(&one.uri).await?);
    }
    Ok(versions)
}

/// What differs, for a person; empty: nothing does.
pub(crate) fn changes(before: &Versions, after: &Versions) -> String {
    let differs = |(id, version): &(&String, &String)| before.get(*id) != Some(*version);
    let changed: Vec<String> = after
        .iter()
        .filter(differs)
        .map(|(id, version)| {
            let before = before.get(id).map_or("", String::as_str);
            format!("{id} {} -> {}", shown(before), shown(version))
        })
        .collect();
    match changed.len().checked_sub(TOLD_MAX) {
        Some(more @ 1..) => format!("{}, and {more} more", changed[..TOLD_MAX].join(", ")),
        Some(0) | None => changed.join(", "),
    }
}

fn shown(version: &str) -> &str {
    match version {
        "" => "(not told)",
        version => version,
    }
}

/// The inventory with what was read.
pub(crate) fn with(inventory: &FirmwareInventory, versions: &Versions) -> FirmwareInventory {
    let mut inventory = inventory.clone();
    inventory.meta = None;
    for firmware in &mut inventory.firmware {
        if let Some(version) = versions.get(&firmware.id) {
            firmware.version.clone_from(version);
        }
    }
    inventory
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(pairs: &[(&str, &str)]) -> FirmwareInventory {
        let firmware = |(id, version): &(&str, &str)| Firmware {
            id: (*id).to_owned(),
            version: (*version).to_owned(),
            ..Firmware::default()
        };
        FirmwareInventory {
            id: "x0c0s0b0".to_owned(),
            firmware: pairs.iter().map(firmware).collect(),
            ..FirmwareInventory::default()
        }
    }

    fn versions(pairs: &[(&str, &str)]) -> Versions {
        known(&meant(&inventory(pairs), &[]))
    }

    #[test]
    fn what_is_meant_is_named_or_all_of_it() {
        let inventory = inventory(&[("BIOS", "1"), ("BMC", "2")]);
        assert_eq!(meant(&inventory, &[]).len(), 2);
        let bios = ["BIOS".to_owned()];
        assert_eq!(known(&meant(&inventory, &bios)), versions(&[("BIOS", "1")]));
    }

    #[test]
    fn only_what_differs_is_told() {
        let before = versions(&[("BIOS", "1.0"), ("BMC", "2.0"), ("CPLD", "")]);
        let after = versions(&[("BIOS", "1.1"), ("BMC", "2.0"), ("CPLD", "7"), ("NIC", "3")]);
        let told = "BIOS 1.0 -> 1.1, CPLD (not told) -> 7, NIC (not told) -> 3";
        assert_eq!(changes(&before, &after), told);
        assert_eq!(changes(&before, &before), "");
    }

    #[test]
    fn many_changes_are_counted() {
        let ids: Vec<String> = (0..11).map(|number| format!("DIMM{number:02}")).collect();
        let of = |version: &'static str| -> Versions {
            ids.iter().map(|id| (id.clone(), version.to_owned())).collect()
        };
        let told = changes(&of("1"), &of("2"));
        assert!(told.ends_with("DIMM07 1 -> 2, and 3 more"), "{told}");
    }

    #[test]
    fn what_was_read_becomes_the_inventory_and_the_rest_stays() {
        let before = inventory(&[("BIOS", "1.0"), ("BMC", "2.0")]);
        let after = with(&before, &versions(&[("BIOS", "1.1"), ("unheard of", "9")]));
        assert_eq!(after, inventory(&[("BIOS", "1.1"), ("BMC", "2.0")]));
    }
}
