//! The types of hardware: what HSM calls their info and their lists, and the messages that it is shown in.

use model::{HmsType, Xname};
use proto::smd::v1::hardware_location::Status;
use proto::smd::v1::{
    HardwareFru, HardwareFruRecord, HardwareInventory, HardwareLocation, HardwareLocationRecord,
    hardware_fru, hardware_location,
};
use state::smd::Smd;

/// Messages that hold hardware by type.
pub(crate) trait Lists {
    /// The list for a type; `None` for a type of which no hardware is kept.
    fn list(&mut self, hms_type: HmsType) -> Option<&mut Vec<HardwareLocation>>;

    /// Whether there is anything in one of the lists.
    fn holds_any(&self) -> bool;
}

/// One row per name of HSM's: the types, the stem of the info's key, its variants, the list.
macro_rules! hardware_types {
    ($($hms_type:ident $(| $other:ident)? $stem:literal $location:ident $fru:ident $list:ident)*) => {
        /// What HSM calls the info of this type: `Node` in `NodeLocationInfo`, `HWInvByFRUNode` and so on.
        pub(crate) fn stem(hms_type: HmsType) -> Option<&'static str> {
            match hms_type {
                $(HmsType::$hms_type $(| HmsType::$other)? => Some($stem),)*
                _ => None,
            }
        }

        /// The info of a place as it is shown; `None` when there is none.
        fn location_info(hms_type: HmsType, text: &str) -> Option<hardware_location::Info> {
            match hms_type {
                _ if text.is_empty() => None,
                $(HmsType::$hms_type $(| HmsType::$other)? => {
                    Some(hardware_location::Info::$location(text.to_owned()))
                })*
                _ => None,
            }
        }

        /// The info of a unit as it is shown; `None` when there is none.
        fn fru_info(hms_type: HmsType, text: &str) -> Option<hardware_fru::Info> {
            match hms_type {
                _ if text.is_empty() => None,
                $(HmsType::$hms_type $(| HmsType::$other)? => Some(hardware_fru::Info::$fru(text.to_owned())),)*
                _ => None,
            }
        }

        /// Stem and text of a place's info.
        pub(crate) fn given_location_info(info: &hardware_location::Info) -> (&'static str, &str) {
            match info { $(hardware_location::Info::$location(text) => ($stem, text),)* }
        }

        /// Stem and text of a unit's info.
        pub(crate) fn given_fru_info(info: &hardware_fru::Info) -> (&'static str, &str) {
            match info { $(hardware_fru::Info::$fru(text) => ($stem, text),)* }
        }

        hardware_types!(@lists HardwareLocation $($hms_type $(| $other)? $list)*);
        hardware_types!(@lists HardwareInventory $($hms_type $(| $other)? $list)*);
    };
    (@lists $message:ident $($hms_type:ident $(| $other:ident)? $list:ident)*) => {
        impl Lists for $message {
            fn list(&mut self, hms_type: HmsType) -> Option<&mut Vec<HardwareLocation>> {
                match hms_type {
                    $(HmsType::$hms_type $(| HmsType::$other)? => Some(&mut self.$list),)*
                    _ => None,
                }
            }

            fn holds_any(&self) -> bool {
                $(!self.$list.is_empty())||*
            }
        }
    };
}

hardware_types! {
    Cabinet "Cabinet" CabinetLocationInfo CabinetFruInfo cabinets
    Chassis "Chassis" ChassisLocationInfo ChassisFruInfo chassis
    ComputeModule "ComputeModule" ComputeModuleLocationInfo ComputeModuleFruInfo compute_modules
    RouterModule "RouterModule" RouterModuleLocationInfo RouterModuleFruInfo router_modules
    NodeEnclosure "NodeEnclosure" NodeEnclosureLocationInfo NodeEnclosureFruInfo node_enclosures
    HsnBoard "HSNBoard" HsnBoardLocationInfo HsnBoardFruInfo hsn_boards
    MgmtSwitch "MgmtSwitch" MgmtSwitchLocationInfo MgmtSwitchFruInfo mgmt_switches
    MgmtHlSwitch "MgmtHLSwitch" MgmtHlSwitchLocationInfo MgmtHlSwitchFruInfo mgmt_hl_switches
    CduMgmtSwitch "CDUMgmtSwitch" CduMgmtSwitchLocationInfo CduMgmtSwitchFruInfo cdu_mgmt_switches
    Node "Node" NodeLocationInfo NodeFruInfo nodes
    Processor "Processor" ProcessorLocationInfo ProcessorFruInfo processors
    NodeAccel "NodeAccel" NodeAccelLocationInfo NodeAccelFruInfo node_accels
    Memory "Memory" MemoryLocationInfo MemoryFruInfo memory
    Drive "Drive" DriveLocationInfo DriveFruInfo drives
    NodeHsnNic "NodeHsnNic" NodeHsnNicLocationInfo NodeHsnNicFruInfo node_hsn_nics
    CabinetPdu "PDU" PduLocationInfo PduFruInfo cabinet_pdus
    CabinetPduOutlet | CabinetPduPowerConnector "Outlet" OutletLocationInfo OutletFruInfo cabinet_pdu_power_connectors
    CmmRectifier "CMMRectifier" CmmRectifierLocationInfo CmmRectifierFruInfo cmm_rectifiers
    NodeEnclosurePowerSupply "NodeEnclosurePowerSupply" NodeEnclosurePowerSupplyLocationInfo
        NodeEnclosurePowerSupplyFruInfo node_enclosure_power_supplies
    NodeBmc "NodeBMC" NodeBmcLocationInfo NodeBmcFruInfo node_bmcs
    RouterBmc "RouterBMC" RouterBmcLocationInfo RouterBmcFruInfo router_bmcs
    NodeAccelRiser "NodeAccelRiser" NodeAccelRiserLocationInfo NodeAccelRiserFruInfo node_accel_risers
    ChassisBmc "ChassisBMC" ChassisBmcLocationInfo ChassisBmcFruInfo chassis_bmcs
    CabinetPduController "CabinetPDUController" CabinetPduControllerLocationInfo CabinetPduControllerFruInfo
        cabinet_pdu_controllers
}

/// A place as HSM shows it, with the unit that is there.
pub(crate) fn shown_location(record: &HardwareLocationRecord, smd: &Smd) -> HardwareLocation {
    let hms_type = type_of_place(record);
    let fru = smd.hardware_fru(&record.fru_id);
    let status = match fru {
        Some(_) => Status::Populated,
        None => Status::Empty,
    };
    HardwareLocation {
        id: record.id.clone(),
        r#type: hms_type.to_string(),
        ordinal: ordinal(&record.id),
        status: status.into(),
        hw_inventory_by_location_type: discriminator("HWInvByLoc", hms_type),
        info: location_info(hms_type, &record.info),
        populated_fru: fru.map(|fru| shown_fru(&fru, &record.id)),
        meta: record.meta.clone(),
        ..HardwareLocation::default()
    }
}

/// A unit as HSM shows it; `location` is the place that it is in.
pub(crate) fn shown_fru(record: &HardwareFruRecord, location: &str) -> HardwareFru {
    let hms_type = record.r#type.parse().unwrap_or(HmsType::Invalid);
    HardwareFru {
        fru_id: record.fru_id.clone(),
        r#type: record.r#type.clone(),
        subtype: record.subtype.clone(),
        hw_inventory_by_fru_type: discriminator("HWInvByFRU", hms_type),
        info: fru_info(hms_type, &record.info),
        manufacturer: record.manufacturer.clone(),
        part_number: record.part_number.clone(),
        serial_number: record.serial_number.clone(),
        location: location.to_owned(),
        meta: record.meta.clone(),
    }
}

/// The type of a place; what is stored has one.
pub(crate) fn type_of_place(record: &HardwareLocationRecord) -> HmsType {
    let id: Result<Xname, _> = record.id.parse();
    id.map_or(HmsType::Invalid, |id| id.hms_type())
}

/// The xnames of what `id` is in, the nearest first: the text up to each number of it.
pub(crate) fn above(id: &str) -> impl Iterator<Item = &str> {
    let bytes = id.as_bytes();
    let ends = (1..bytes.len()).rev();
    ends.filter(|end| bytes[end - 1].is_ascii_digit() && bytes[*end].is_ascii_alphabetic())
        .map(|end| &id[..end])
}

/// The partition that a place is in: that of the component there, or of the nearest that it is in and that has one.
pub(crate) fn partition_of<'a>(id: &str, smd: &'a Smd) -> Option<&'a str> {
    std::iter::once(id)
        .chain(above(id))
        .find_map(|id| smd.partition_of(id))
}

fn discriminator(prefix: &str, hms_type: HmsType) -> String {
    format!("{prefix}{}", stem(hms_type).unwrap_or_default())
}

/// The last number of an xname; 0, as in HSM, where it is too large for a number.
fn ordinal(id: &str) -> u64 {
    let digits = id.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    id[digits..].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What state takes can be shown, and nothing else has a name here.
    #[test]
    fn every_type_of_hardware_has_a_name_an_info_and_a_list() {
        for hms_type in HmsType::ALL.iter().copied() {
            let kept = hms_type.has_hardware();
            assert_eq!(stem(hms_type).is_some(), kept, "{hms_type}");
            assert_eq!(
                HardwareLocation::default().list(hms_type).is_some(),
                kept,
                "{hms_type}"
            );
            assert_eq!(
                HardwareInventory::default().list(hms_type).is_some(),
                kept,
                "{hms_type}"
            );
            let location = location_info(hms_type, "{}");
            assert_eq!(
                location.as_ref().map(given_location_info),
                stem(hms_type).map(|stem| (stem, "{}"))
            );
            let fru = fru_info(hms_type, "{}");
            assert_eq!(
                fru.as_ref().map(given_fru_info),
                stem(hms_type).map(|stem| (stem, "{}"))
            );
        }
        assert_eq!(stem(HmsType::CabinetPduPowerConnector), Some("Outlet"));
    }

    #[test]
    fn a_message_with_one_list_filled_holds_something() {
        for hms_type in HmsType::ALL
            .iter()
            .copied()
            .filter(|hms_type| hms_type.has_hardware())
        {
            let mut inventory = HardwareInventory::default();
            assert!(!inventory.holds_any());
            inventory
                .list(hms_type)
                .unwrap()
                .push(HardwareLocation::default());
            assert!(inventory.holds_any(), "{hms_type}");
        }
    }

    #[test]
    fn what_something_is_in_is_named_from_the_inside_out() {
        let names: Vec<&str> = above("x1000c0s12b0n1g0k3").collect();
        assert_eq!(
            names,
            [
                "x1000c0s12b0n1g0",
                "x1000c0s12b0n1",
                "x1000c0s12b0",
                "x1000c0s12",
                "x1000c0",
                "x1000"
            ]
        );
        assert_eq!(above("x1000").count(), 0);
    }

    #[test]
    fn the_ordinal_is_the_last_number() {
        assert_eq!(ordinal("x1000c0s0b0n12"), 12);
        assert_eq!(ordinal("x1000c0s0b0n0g0k7"), 7);
        assert_eq!(ordinal("x0c0s0b0n99999999999999999999"), 0);
    }
}
