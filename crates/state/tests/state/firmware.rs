//! Firmware behind BMCs, as the last crawl read it.

use proto::discovery::v1::discovery_command::PutFirmware;
use proto::discovery::v1::{BiosAttribute, Firmware, FirmwareInventory, SystemFirmware};
use state::bounds::{BIOS_ATTRIBUTES_MAX, FIRMWARE_PER_BMC_MAX};

use crate::support::Log;

pub fn inventory(bmc: &str) -> FirmwareInventory {
    FirmwareInventory {
        id: bmc.into(),
        firmware: vec![firmware("BIOS", "1.0"), firmware("BMC", "2.0")],
        systems: vec![SystemFirmware {
            id: format!("{bmc}n0"),
            bios_version: "1.0".into(),
            secure_boot: "enabled".into(),
            bios: vec![attribute("BootMode"), attribute("Sriov")],
        }],
        meta: None,
    }
}

fn firmware(id: &str, version: &str) -> Firmware {
    Firmware {
        id: id.into(),
        version: version.into(),
        ..Firmware::default()
    }
}

fn attribute(name: &str) -> BiosAttribute {
    BiosAttribute {
        name: name.into(),
        value: "on".into(),
    }
}

pub fn put(inventories: Vec<FirmwareInventory>) -> PutFirmware {
    PutFirmware { inventories }
}

fn stored(log: &Log) -> FirmwareInventory {
    let found = log.state.discovery.firmware(&"x0c0s0b0".parse().unwrap());
    found.unwrap().as_ref().clone()
}

#[test]
fn what_was_read_replaces_what_was_known() {
    let mut log = Log::latest();
    assert_eq!(log.ok(put(vec![inventory("X0C0S0B0")])).created, ["x0c0s0b0"]);
    let expected = FirmwareInventory {
        meta: log.created(),
        ..inventory("x0c0s0b0")
    };
    assert_eq!(stored(&log), expected);
    assert_eq!(log.ok(put(vec![inventory("x0c0s0b0")])).unchanged, ["x0c0s0b0"]);
    let less = FirmwareInventory {
        firmware: vec![firmware("BIOS", "1.1")],
        ..inventory("x0c0s0b0")
    };
    assert_eq!(log.ok(put(vec![less])).updated, ["x0c0s0b0"]);
    let now: Vec<String> = stored(&log).firmware.into_iter().map(|one| one.version).collect();
    assert_eq!(now, ["1.1"]);
}

#[test]
fn what_a_bmc_says_is_sorted_and_cut() {
    let mut log = Log::latest();
    let mut read = inventory("x0c0s0b0");
    read.firmware = vec![
        firmware("b", &"v".repeat(300)),
        firmware("a", "1\n2"),
        firmware("b", "twice"),
    ];
    read.systems[0].bios = vec![attribute("z"), attribute("a"), attribute("z")];
    log.ok(put(vec![read]));
    let stored = stored(&log);
    let versions: Vec<&str> = stored.firmware.iter().map(|one| one.version.as_str()).collect();
    assert_eq!(versions, ["1 2", "v".repeat(255).as_str()]);
    let names: Vec<&str> = stored.systems[0]
        .bios
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["a", "z"]);
}

#[test]
fn what_is_no_inventory_is_refused_with_all_the_others() {
    let mut log = Log::latest();
    let with = |change: fn(&mut FirmwareInventory)| {
        let mut changed = inventory("x0c0s1b0");
        change(&mut changed);
        put(vec![inventory("x0c0s0b0"), changed])
    };
    for (field, wrong) in [
        ("inventories.id", with(|it| it.id = "x0c0s1b0n0".into())),
        (
            "inventories.firmware",
            with(|it| it.firmware = vec![Firmware::default(); FIRMWARE_PER_BMC_MAX + 1]),
        ),
        (
            "inventories.systems.id",
            with(|it| it.systems[0].id = "x0c0s2b0n0".into()),
        ),
        (
            "inventories.systems.id",
            with(|it| it.systems[0].id = "x0c0s1b0".into()),
        ),
        (
            "inventories.systems.secure_boot",
            with(|it| it.systems[0].secure_boot = "maybe".into()),
        ),
        (
            "inventories.systems.bios",
            with(|it| it.systems[0].bios = vec![BiosAttribute::default(); BIOS_ATTRIBUTES_MAX + 1]),
        ),
    ] {
        assert_eq!(log.invalid(wrong).0, field);
    }
    let mut large = inventory("x0c0s0b0");
    let attribute = |n: usize| BiosAttribute {
        name: format!("{n}"),
        value: "v".repeat(255),
    };
    let system = |n: usize| SystemFirmware {
        id: format!("x0c0s0b0n{n}"),
        bios: (0..BIOS_ATTRIBUTES_MAX).map(attribute).collect(),
        ..SystemFirmware::default()
    };
    large.systems = (0..3).map(system).collect();
    assert_eq!(log.invalid(put(vec![large])).0, "inventories");
    assert_eq!(log.state.discovery.firmwares().count(), 0);
}
