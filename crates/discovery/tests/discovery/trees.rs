//! Small trees of our own, in the shapes that vendors have: one system with everything beside it, two nodes that tell no UUID, and
//! one that has its drives and power supplies where newer versions of Redfish put them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::server::Bodies;

/// Resources by path.
pub(crate) type Tree = BTreeMap<String, Value>;

pub(crate) fn all() -> Vec<Tree> {
    vec![rack_server(), blade(), gpu_server()]
}

pub(crate) fn bodies(tree: &Tree) -> Bodies {
    let body = |(path, value): (&String, &Value)| (path.clone(), value.to_string().into_bytes());
    tree.iter().map(body).collect()
}

fn tree<const N: usize>(resources: [(&str, Value); N]) -> Tree {
    let resource = |(path, mut value): (&str, Value)| {
        let path = format!("/redfish/v1{path}");
        if let Some(object) = value.as_object_mut() {
            object.insert("@odata.id".to_owned(), json!(path));
        }
        (path, value)
    };
    resources.into_iter().map(resource).collect()
}

fn link(path: &str) -> Value {
    json!({ "@odata.id": format!("/redfish/v1{path}") })
}

fn collection(members: &[&str]) -> Value {
    let links: Vec<Value> = members.iter().map(|member| link(member)).collect();
    json!({ "Members": links, "Members@odata.count": links.len() })
}

fn root(product: &str) -> Value {
    json!({
        "@odata.type": "#ServiceRoot.v1_9_0.ServiceRoot", "Id": "RootService", "Name": "Root Service",
        "RedfishVersion": "1.9.0", "UUID": "5f1ab7c2-0000-4000-8000-000000000001", "Product": product,
        "Systems": link("/Systems"), "Chassis": link("/Chassis"), "Managers": link("/Managers"),
        "UpdateService": link("/UpdateService"),
    })
}

fn module(locator: &str, mib: u64) -> Value {
    match mib {
        0 => json!({ "Id": locator, "Name": locator, "Status": { "State": "Absent" } }),
        mib => json!({
            "Id": locator, "Name": locator, "DeviceLocator": locator, "CapacityMiB": mib, "MemoryDeviceType": "DDR4",
            "Manufacturer": "Acme ", "PartNumber": "AC-1  ", "SerialNumber": format!("S{locator}"),
            "Status": { "State": "Enabled", "Health": "OK" },
        }),
    }
}

/// One system, padded texts, `N/A` for an address, an empty memory slot, power supplies of the old kind.
pub(crate) fn rack_server() -> Tree {
    let mut whole = rack_server_system();
    whole.extend(rack_server_beside());
    whole
}

/// What it computes with.
fn rack_server_system() -> Tree {
    tree([
        ("/Systems", collection(&["/Systems/1"])),
        (
            "/Systems/1",
            json!({
                "Id": "1", "Name": "Computer System", "SystemType": "Physical", "UUID": "36383150-0000-584D-5130-313930323042",
                "Manufacturer": "Acme", "Model": "DL1", "SerialNumber": "MXQ1 ", "BiosVersion": "A43 v1.38", "PowerState": "On",
                "ProcessorSummary": { "Count": 1, "Model": "Acme 16-Core Processor               " },
                "MemorySummary": { "TotalSystemMemoryGiB": 32 },
                "Actions": { "#ComputerSystem.Reset": {
                    "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown"],
                } },
                "TrustedModules": [{ "InterfaceType": "TPM2_0", "FirmwareVersion": "73.64" }],
                "Links": { "Chassis": [link("/Chassis/1")], "ManagedBy": [link("/Managers/1")] },
                "EthernetInterfaces": link("/Systems/1/EthernetInterfaces"), "Processors": link("/Systems/1/Processors"),
                "Memory": link("/Systems/1/Memory"), "Bios": link("/Systems/1/Bios"), "SecureBoot": link("/Systems/1/SecureBoot"),
            }),
        ),
        (
            "/Systems/1/EthernetInterfaces",
            collection(&["/Systems/1/EthernetInterfaces/1"]),
        ),
        (
            "/Systems/1/EthernetInterfaces/1",
            json!({ "Id": "1", "Name": "", "MACAddress": "94:40:C9:5C:86:BC", "IPv4Addresses": [], "InterfaceEnabled": null }),
        ),
        ("/Systems/1/Processors", collection(&["/Systems/1/Processors/1"])),
        (
            "/Systems/1/Processors/1",
            json!({ "Id": "1", "Name": "Processors", "ProcessorType": "CPU", "Socket": "Proc 1", "TotalCores": 16, "Model": "Acme 16-Core" }),
        ),
        (
            "/Systems/1/Memory",
            collection(&[
                "/Systems/1/Memory/d1",
                "/Systems/1/Memory/d2",
                "/Systems/1/Memory/d3",
            ]),
        ),
        ("/Systems/1/Memory/d1", module("d1", 16_384)),
        ("/Systems/1/Memory/d2", module("d2", 0)),
        ("/Systems/1/Memory/d3", module("d3", 16_384)),
        (
            "/Systems/1/Bios",
            json!({ "Id": "bios", "Attributes": { "BootMode": "Uefi", "NumaGroupSize": 4, "Sriov": true } }),
        ),
        (
            "/Systems/1/SecureBoot",
            json!({ "Id": "SecureBoot", "SecureBootEnable": false, "SecureBootCurrentBoot": "Disabled" }),
        ),
    ])
}

/// The root, its chassis, its BMC and its firmware.
fn rack_server_beside() -> Tree {
    tree([
        ("", root("Acme Lights-Out")),
        ("/Chassis", collection(&["/Chassis/1"])),
        (
            "/Chassis/1",
            json!({
                "Id": "1", "ChassisType": "RackMount", "SerialNumber": "CH1", "SKU": "P1", "Power": link("/Chassis/1/Power"),
                "Links": { "ComputerSystems": [link("/Systems/1")] },
            }),
        ),
        (
            "/Chassis/1/Power",
            json!({
                "PowerControl": [{ "@odata.id": "/redfish/v1/Chassis/1/Power#PowerControl/0", "MemberId": "0" }],
                "PowerSupplies": [
                    { "MemberId": "0", "Name": "PSU 1", "SerialNumber": "P0", "Status": { "State": "Enabled" } },
                    { "MemberId": "1", "Name": "PSU 2", "SerialNumber": "P1", "Status": { "State": "Enabled" } },
                ],
            }),
        ),
        ("/Managers", collection(&["/Managers/1"])),
        (
            "/Managers/1",
            json!({
                "Id": "1", "ManagerType": "BMC", "Model": "LO 5", "FirmwareVersion": "2.46", "UUID": "5f1ab7c2-0000-4000-8000-000000000001",
                "EthernetInterfaces": link("/Managers/1/EthernetInterfaces"),
                "CommandShell": { "ServiceEnabled": true, "ConnectTypesSupported": ["SSH"] },
            }),
        ),
        (
            "/Managers/1/EthernetInterfaces",
            collection(&[
                "/Managers/1/EthernetInterfaces/1",
                "/Managers/1/EthernetInterfaces/2",
            ]),
        ),
        (
            "/Managers/1/EthernetInterfaces/1",
            json!({ "Id": "1", "MACAddress": "94:40:C9:37:D3:FC", "IPv4Addresses": [{ "Address": "127.0.0.1" }] }),
        ),
        (
            "/Managers/1/EthernetInterfaces/2",
            json!({ "Id": "2", "MACAddress": "94:40:C9:37:D3:FD", "IPv4Addresses": [{ "Address": "N/A" }] }),
        ),
        (
            "/UpdateService",
            json!({ "FirmwareInventory": link("/UpdateService/FirmwareInventory") }),
        ),
        (
            "/UpdateService/FirmwareInventory",
            collection(&["/UpdateService/FirmwareInventory/1"]),
        ),
        (
            "/UpdateService/FirmwareInventory/1",
            json!({ "Id": "1", "Name": "LO 5", "Version": "2.46", "Updateable": true }),
        ),
    ])
}

/// Two nodes without a UUID behind one BMC, accelerators among the processors, texts for what is not there.
pub(crate) fn blade() -> Tree {
    let node = |number: u32| {
        json!({
            "Id": format!("Node{number}"), "Name": format!("Node{number}"), "UUID": null, "Model": "EX1", "PowerState": "On",
            "Processors": link(&format!("/Systems/Node{number}/Processors")),
            "EthernetInterfaces": link(&format!("/Systems/Node{number}/EthernetInterfaces")),
            "Links": { "Chassis": [link("/Chassis/Enclosure")] },
        })
    };
    let nic = |mac: &str| json!({ "Id": "ManagementEthernet", "MACAddress": mac });
    tree([
        ("", root("Blade")),
        (
            "/Systems",
            collection(&["/Systems/Node0", "/Systems/Node1", "/Systems/Node0"]),
        ),
        ("/Systems/Node0", node(0)),
        ("/Systems/Node1", node(1)),
        (
            "/Systems/Node0/Processors",
            collection(&["/Systems/Node0/Processors/CPU0", "/Systems/Node0/Processors/GPU0"]),
        ),
        (
            "/Systems/Node0/Processors/CPU0",
            json!({ "Id": "CPU0", "ProcessorType": "CPU", "Model": "Acme 64-Core" }),
        ),
        (
            "/Systems/Node0/Processors/GPU0",
            json!({ "Id": "GPU0", "ProcessorType": "GPU", "Model": "Instinct" }),
        ),
        (
            "/Systems/Node1/Processors",
            collection(&["/Systems/Node1/Processors/CPU0"]),
        ),
        (
            "/Systems/Node1/Processors/CPU0",
            json!({ "Id": "CPU0", "ProcessorType": "CPU", "Model": "Acme 64-Core" }),
        ),
        (
            "/Systems/Node0/EthernetInterfaces",
            collection(&["/Systems/Node0/EthernetInterfaces/M"]),
        ),
        ("/Systems/Node0/EthernetInterfaces/M", nic("00:40:a6:83:52:5f")),
        (
            "/Systems/Node1/EthernetInterfaces",
            collection(&["/Systems/Node1/EthernetInterfaces/M"]),
        ),
        ("/Systems/Node1/EthernetInterfaces/M", nic("Not Available")),
        ("/Chassis", collection(&["/Chassis/Enclosure"])),
        (
            "/Chassis/Enclosure",
            json!({ "Id": "Enclosure", "ChassisType": "Enclosure", "Model": "EX1 BLADE" }),
        ),
        ("/Managers", collection(&["/Managers/BMC"])),
        (
            "/Managers/BMC",
            json!({ "Id": "BMC", "ManagerType": "EnclosureManager", "FirmwareVersion": "nc.1" }),
        ),
        (
            "/UpdateService",
            json!({ "FirmwareInventory": link("/UpdateService/FirmwareInventory") }),
        ),
        ("/UpdateService/FirmwareInventory", collection(&[])),
    ])
}

/// Drives behind two controllers, an adapter, a PCIe device, power supplies of the new kind.
pub(crate) fn gpu_server() -> Tree {
    let drive = |serial: &str, state: &str| {
        json!({
            "Id": serial, "Name": "SSD", "SerialNumber": serial, "CapacityBytes": 1_920_383_410_176_u64, "MediaType": "SSD",
            "Status": { "State": state },
        })
    };
    tree([
        ("", root("OpenBMC")),
        ("/Systems", collection(&["/Systems/system"])),
        (
            "/Systems/system",
            json!({
                "Id": "system", "Name": "system", "SerialNumber": "G1", "PowerState": "Off", "Storage": link("/Systems/system/Storage"),
                "NetworkInterfaces": link("/Systems/system/NetworkInterfaces"), "PCIeDevices": [link("/Chassis/c/PCIeDevices/1")],
                "Links": { "Chassis": [link("/Chassis/c")] },
            }),
        ),
        (
            "/Systems/system/Storage",
            collection(&["/Systems/system/Storage/1", "/Systems/system/Storage/2"]),
        ),
        (
            "/Systems/system/Storage/1",
            json!({ "Id": "1", "Drives": [link("/Systems/system/Storage/1/Drives/a"), link("/Systems/system/Storage/1/Drives/b")] }),
        ),
        (
            "/Systems/system/Storage/2",
            json!({ "Id": "2", "Drives": [link("/Systems/system/Storage/2/Drives/c")] }),
        ),
        ("/Systems/system/Storage/1/Drives/a", drive("A", "Absent")),
        ("/Systems/system/Storage/1/Drives/b", drive("B", "Enabled")),
        ("/Systems/system/Storage/2/Drives/c", drive("C", "Enabled")),
        (
            "/Systems/system/NetworkInterfaces",
            collection(&["/Systems/system/NetworkInterfaces/1"]),
        ),
        (
            "/Systems/system/NetworkInterfaces/1",
            json!({ "Id": "1", "Name": "slot 1", "Links": { "NetworkAdapter": link("/Chassis/c/NetworkAdapters/1") } }),
        ),
        (
            "/Chassis/c/NetworkAdapters/1",
            json!({ "Id": "1", "Name": "adapter", "Manufacturer": "Acme", "Model": "ConnectX-6", "SerialNumber": "N1" }),
        ),
        (
            "/Chassis/c/PCIeDevices/1",
            json!({ "Id": "1", "Name": "Video Controller", "DeviceType": "SingleFunction" }),
        ),
        ("/Chassis", collection(&["/Chassis/c"])),
        (
            "/Chassis/c",
            json!({ "Id": "c", "ChassisType": "RackMount", "PowerSubsystem": link("/Chassis/c/PowerSubsystem") }),
        ),
        (
            "/Chassis/c/PowerSubsystem",
            json!({ "PowerSupplies": link("/Chassis/c/PowerSubsystem/PowerSupplies") }),
        ),
        (
            "/Chassis/c/PowerSubsystem/PowerSupplies",
            collection(&["/Chassis/c/PowerSubsystem/PowerSupplies/0"]),
        ),
        (
            "/Chassis/c/PowerSubsystem/PowerSupplies/0",
            json!({ "Id": "0", "Name": "PSU0", "SerialNumber": "W1", "PowerCapacityWatts": 2_000 }),
        ),
        ("/Managers", collection(&["/Managers/bmc"])),
        ("/Managers/bmc", json!({ "Id": "bmc", "ManagerType": "BMC" })),
        ("/UpdateService", json!({})),
    ])
}
