//! The firmware behind BMCs, and how their systems boot, as the last crawl read it.

use std::sync::Arc;

use model::{Rejection, Xname};
use prost::Message;
use proto::discovery::v1::discovery_command::PutFirmware;
use proto::discovery::v1::{BiosAttribute, Firmware, FirmwareInventory, SystemFirmware};
use proto::raft::v1::outcome::Applied;

use super::{forms, malformed};
use crate::RowKind;
use crate::bounds::{
    BIOS_ATTRIBUTES_MAX, BMCS_MAX, BMCS_PER_COMMAND_MAX, FIRMWARE_INVENTORY_BYTES_MAX, FIRMWARE_PER_BMC_MAX,
    NAME_BYTES_MAX, SYSTEMS_PER_BMC_MAX, URL_BYTES_MAX, check_count, line,
};
use crate::changes::Changes;
use crate::log_position::LogPosition;
use crate::smd;
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// What a BMC may say of secure boot.
const SECURE_BOOT: [&str; 3] = ["", "enabled", "disabled"];

/// By the xname of the BMC.
#[derive(Clone, Default)]
pub(super) struct Firmwares(Table<FirmwareInventory>);

impl Firmwares {
    pub(super) fn get(&self, bmc: &str) -> Option<&Arc<FirmwareInventory>> {
        self.0.get(&bmc.to_owned())
    }

    /// Sorted by xname.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<FirmwareInventory>> {
        self.0.values()
    }

    /// Replaces what was known of these BMCs.
    pub(super) fn put(
        &mut self,
        put: &PutFirmware,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        check_count("inventories", put.inventories.len(), BMCS_PER_COMMAND_MAX)?;
        let read: Result<Vec<FirmwareInventory>, Rejection> =
            put.inventories.iter().map(normalised).collect();
        let read = read?;
        let new = read.iter().filter(|one| self.get(&one.id).is_none()).count();
        if self.0.len() + new > BMCS_MAX {
            let detail =
                format!("there are {BMCS_MAX} firmware inventories; delete Redfish endpoints that are gone");
            return Err(Rejection::Conflict { detail });
        }
        let mut applied = Applied::default();
        for inventory in read {
            self.store(inventory, at, changes, &mut applied);
        }
        Ok(applied)
    }

    fn store(
        &mut self,
        inventory: FirmwareInventory,
        at: &LogPosition<'_>,
        changes: &mut Changes,
        applied: &mut Applied,
    ) {
        let id = inventory.id.clone();
        let before = self.get(&id).cloned();
        let meta = match &before {
            Some(before) => {
                let meta = before.meta.clone();
                if (FirmwareInventory {
                    meta,
                    ..inventory.clone()
                }) == **before
                {
                    applied.unchanged.push(id);
                    return;
                }
                applied.updated.push(id.clone());
                at.modified(before.meta.as_ref())
            }
            None => {
                applied.created.push(id.clone());
                at.created()
            }
        };
        self.0.put(id, FirmwareInventory { meta, ..inventory }, changes);
    }

    /// The BMC is gone.
    pub(super) fn forget(&mut self, bmc: &str, changes: &mut Changes) {
        self.0.remove(&bmc.to_owned(), changes);
    }

    pub(super) fn load(
        &mut self,
        row: FirmwareInventory,
        changes: &mut Changes,
    ) -> Result<(), SnapshotError> {
        let key = self.0.check_load(&row, RowKind::FirmwareInventory)?;
        let normal = normalised(&row).map_err(|problem| malformed(RowKind::FirmwareInventory, problem))?;
        let given = FirmwareInventory {
            meta: None,
            ..row.clone()
        };
        if normal != given {
            return Err(malformed(RowKind::FirmwareInventory, "it is not in normal form"));
        }
        self.0.put(key, row, changes);
        Ok(())
    }
}

/// Sorted, each once. What the BMC says is cut to what is kept; meta is not the client's to give.
fn normalised(given: &FirmwareInventory) -> Result<FirmwareInventory, Rejection> {
    let id = forms::controller("inventories.id", &given.id)?;
    check_count("inventories.firmware", given.firmware.len(), FIRMWARE_PER_BMC_MAX)?;
    check_count("inventories.systems", given.systems.len(), SYSTEMS_PER_BMC_MAX)?;
    let mut firmware: Vec<Firmware> = given.firmware.iter().map(normal_firmware).collect();
    firmware.sort_by(|one, other| one.id.cmp(&other.id));
    firmware.dedup_by(|later, earlier| later.id == earlier.id);
    let systems: Result<Vec<SystemFirmware>, Rejection> = given
        .systems
        .iter()
        .map(|system| normal_system(&id, system))
        .collect();
    let mut systems = systems?;
    systems.sort_by(|one, other| one.id.cmp(&other.id));
    systems.dedup_by(|later, earlier| later.id == earlier.id);
    let normal = FirmwareInventory {
        id: id.to_string(),
        firmware,
        systems,
        meta: None,
    };
    let has = normal.encoded_len();
    if has > FIRMWARE_INVENTORY_BYTES_MAX {
        let problem =
            format!("that of {id} has {has} bytes, at most {FIRMWARE_INVENTORY_BYTES_MAX} are accepted");
        return Err(Rejection::invalid("inventories", problem));
    }
    Ok(normal)
}

fn normal_firmware(given: &Firmware) -> Firmware {
    Firmware {
        id: line(&given.id, NAME_BYTES_MAX),
        name: line(&given.name, NAME_BYTES_MAX),
        version: line(&given.version, NAME_BYTES_MAX),
        updateable: given.updateable,
        uri: line(&given.uri, URL_BYTES_MAX),
    }
}

/// A system of another BMC would be told where somebody may see this one only.
fn normal_system(bmc: &Xname, given: &SystemFirmware) -> Result<SystemFirmware, Rejection> {
    let node = smd::node("inventories.systems.id", &given.id)?;
    if !node.is_within(bmc) {
        let problem = format!("{node} is not behind {bmc}");
        return Err(Rejection::invalid("inventories.systems.id", problem));
    }
    if !SECURE_BOOT.contains(&given.secure_boot.as_str()) {
        let problem = format!(
            "{:?} is none; write enabled, disabled or nothing",
            given.secure_boot
        );
        return Err(Rejection::invalid("inventories.systems.secure_boot", problem));
    }
    check_count("inventories.systems.bios", given.bios.len(), BIOS_ATTRIBUTES_MAX)?;
    let attribute = |given: &BiosAttribute| BiosAttribute {
        name: line(&given.name, NAME_BYTES_MAX),
        value: line(&given.value, NAME_BYTES_MAX),
    };
    let mut bios: Vec<BiosAttribute> = given.bios.iter().map(attribute).collect();
    bios.sort_by(|one, other| one.name.cmp(&other.name));
    bios.dedup_by(|later, earlier| later.name == earlier.name);
    Ok(SystemFirmware {
        id: node.to_string(),
        bios_version: line(&given.bios_version, NAME_BYTES_MAX),
        secure_boot: given.secure_boot.clone(),
        bios,
    })
}
