//! One system with its parts.

use model::MacAddr;
use serde_json::{Value, json};

use super::{Made, Plan, healthy, link};

/// Its firmware.
pub(super) const BIOS_VERSION: &str = "2.71";

const RESET_TYPES: [&str; 9] = [
    "On",
    "ForceOn",
    "ForceOff",
    "GracefulShutdown",
    "ForceRestart",
    "GracefulRestart",
    "PowerCycle",
    "PushPowerButton",
    "Nmi",
];
/// Of one memory module.
const MODULE_GIB: usize = 32;

/// Adds the system at `place`.
pub(super) fn add(made: &mut Made, plan: &Plan, place: usize) {
    let (id, mac) = &plan.systems[place];
    let uri = format!("/redfish/v1/Systems/{id}");
    made.put(
        &uri,
        "ComputerSystem.v1_16_0",
        "Computer system",
        computer_system(plan, id, &uri),
    );
    processors(made, plan, id, &uri);
    memory(made, plan, id, &uri);
    storage(made, plan, id, &uri);
    interfaces(made, &uri, *mac);
    made.put(
        &format!("{uri}/SecureBoot"),
        "SecureBoot.v1_1_0",
        "Secure boot",
        json!({"SecureBootEnable": true, "SecureBootCurrentBoot": "Enabled", "SecureBootMode": "UserMode"}),
    );
    made.put(
        &format!("{uri}/Bios"),
        "Bios.v1_2_0",
        "BIOS",
        json!({"Attributes": {"BootMode": "Uefi", "ProcHyperthreading": "Enabled", "SriovEnable": true, "PxeRetries": 3}}),
    );
}

fn computer_system(plan: &Plan, id: &str, uri: &str) -> Value {
    let port = |port: u16| json!({"ServiceEnabled": true, "Port": port});
    json!({
        "SystemType": "Physical",
        "Manufacturer": "Lab",
        "Model": plan.model,
        "SKU": "LAB-0001",
        "PartNumber": "LAB-P-0002",
        "AssetTag": "",
        "HostName": "",
        "SerialNumber": plan.serial(&format!("system {id}")),
        "UUID": plan.uuid(&format!("system {id}")),
        "BiosVersion": BIOS_VERSION,
        "PowerState": plan.power.as_str(),
        "PowerRestorePolicy": "LastState",
        "Status": healthy(),
        "ProcessorSummary": {"Count": plan.sockets, "Model": "Lab CPU 64"},
        "MemorySummary": {"TotalSystemMemoryGiB": (plan.modules - 1) * MODULE_GIB},
        "TrustedModules": [{"InterfaceType": "TPM2_0", "FirmwareVersion": "73.64", "Status": healthy()}],
        "SerialConsole": {"MaxConcurrentSessions": 1, "SSH": port(2200), "IPMI": port(623)},
        "Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"},
        "Processors": link(&format!("{uri}/Processors")),
        "Memory": link(&format!("{uri}/Memory")),
        "Storage": link(&format!("{uri}/Storage")),
        "EthernetInterfaces": link(&format!("{uri}/EthernetInterfaces")),
        "SecureBoot": link(&format!("{uri}/SecureBoot")),
        "Bios": link(&format!("{uri}/Bios")),
        "Links": {
            "Chassis": [link("/redfish/v1/Chassis/1")],
            "ManagedBy": [link("/redfish/v1/Managers/BMC")],
        },
        "Actions": {"#ComputerSystem.Reset": {
            "target": format!("{uri}/Actions/ComputerSystem.Reset"),
            "ResetType@Redfish.AllowableValues": RESET_TYPES,
        }},
    })
}

fn processors(made: &mut Made, plan: &Plan, id: &str, uri: &str) {
    let ids: Vec<String> = (0..plan.sockets).map(|socket| format!("CPU{socket}")).collect();
    made.listed(
        &format!("{uri}/Processors"),
        "Processor.v1_13_0",
        &ids,
        |socket| {
            let processor = json!({
                "Socket": format!("CPU {socket}"),
                "ProcessorType": "CPU",
                "ProcessorArchitecture": "x86",
                "InstructionSet": "x86-64",
                "Manufacturer": "Lab",
                "Model": "Lab CPU 64",
                "MaxSpeedMHz": 3400,
                "TotalCores": 64,
                "TotalThreads": 128,
                "SerialNumber": plan.serial(&format!("cpu {id} {socket}")),
                "PartNumber": "LAB-P-0064",
                "Status": healthy(),
            });
            ("Processor".to_owned(), processor)
        },
    );
}

/// The last place is empty, as in most servers.
fn memory(made: &mut Made, plan: &Plan, id: &str, uri: &str) {
    let ids: Vec<String> = (0..plan.modules).map(|slot| format!("DIMM{slot}")).collect();
    made.listed(&format!("{uri}/Memory"), "Memory.v1_14_0", &ids, |slot| {
        let place = format!("DIMM {slot}");
        let module = if slot + 1 == plan.modules {
            json!({"DeviceLocator": place, "Status": {"State": "Absent"}})
        } else {
            json!({
                "DeviceLocator": place,
                "MemoryDeviceType": "DDR5",
                "CapacityMiB": MODULE_GIB * 1024,
                "OperatingSpeedMhz": 4800,
                "Manufacturer": "Lab",
                "PartNumber": "LAB-P-0032",
                "SerialNumber": plan.serial(&format!("dimm {id} {slot}")),
                "Status": healthy(),
            })
        };
        ("Memory module".to_owned(), module)
    });
}

fn storage(made: &mut Made, plan: &Plan, id: &str, uri: &str) {
    let controllers = ["1".to_owned()];
    let drives: Vec<String> = (0..plan.drives).map(|bay| format!("Bay{bay}")).collect();
    let below = format!("{uri}/Storage/1/Drives");
    made.listed(&format!("{uri}/Storage"), "Storage.v1_12_0", &controllers, |_| {
        let linked: Vec<Value> = drives.iter().map(|bay| link(&format!("{below}/{bay}"))).collect();
        let controller = json!({
            "StorageControllers": [{"MemberId": "0", "Name": "NVMe controller", "Model": "Lab HBA"}],
            "Drives": linked,
            "Drives@odata.count": linked.len(),
            "Status": healthy(),
        });
        ("Storage".to_owned(), controller)
    });
    for (bay, name) in drives.iter().enumerate() {
        let drive = json!({
            "Manufacturer": "Lab",
            "Model": "Lab SSD 1T9",
            "MediaType": "SSD",
            "Protocol": "NVMe",
            "CapacityBytes": 1_920_383_410_176_u64,
            "PartNumber": "LAB-P-1920",
            "SerialNumber": plan.serial(&format!("drive {id} {bay}")),
            "PhysicalLocation": {"PartLocation": {"ServiceLabel": format!("Bay {bay}")}},
            "Status": healthy(),
        });
        made.put(&format!("{below}/{name}"), "Drive.v1_14_0", "Drive", drive);
    }
}

/// The boot NIC, and one without a cable.
fn interfaces(made: &mut Made, uri: &str, boot: MacAddr) {
    let ids = ["1".to_owned(), "2".to_owned()];
    made.listed(
        &format!("{uri}/EthernetInterfaces"),
        "EthernetInterface.v1_8_0",
        &ids,
        |place| {
            let mut mac = boot;
            mac.0[1] |= if place == 0 { 0 } else { 0x80 };
            let nic = json!({
                "Description": if place == 0 { "Boot NIC" } else { "Second NIC" },
                "MACAddress": mac.to_string(),
                "PermanentMACAddress": mac.to_string(),
                "InterfaceEnabled": place == 0,
                "LinkStatus": if place == 0 { "LinkUp" } else { "NoLink" },
                "SpeedMbps": 25_000,
                "IPv4Addresses": [],
                "IPv6Addresses": [],
                "Status": healthy(),
            });
            (format!("Ethernet interface {}", place + 1), nic)
        },
    );
}
