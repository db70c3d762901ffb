//! Small trees of our own making, in the shapes that BMCs of different makers have.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(crate) type Tree = BTreeMap<String, Value>;

/// A tree from its resources, each with its URI.
fn tree(resources: Vec<(&str, Value)>) -> Tree {
    let with_uri = |(uri, mut value): (&str, Value)| {
        value["@odata.id"] = json!(uri);
        (uri.to_owned(), value)
    };
    resources.into_iter().map(with_uri).collect()
}

fn link(uri: &str) -> Value {
    json!({"@odata.id": uri})
}

fn members(uris: &[&str]) -> Value {
    json!({
        "Members": uris.iter().map(|uri| link(uri)).collect::<Vec<_>>(),
        "Members@odata.count": uris.len(),
    })
}

fn root(more: &Value) -> Value {
    let mut root = json!({
        "@odata.type": "#ServiceRoot.v1_5_1.ServiceRoot", "Id": "RootService", "RedfishVersion": "1.6.0",
        "Systems": link("/redfish/v1/Systems"), "Managers": link("/redfish/v1/Managers"),
        "Chassis": link("/redfish/v1/Chassis"),
        "Links": {"Sessions": link("/redfish/v1/SessionService/Sessions")},
    });
    for (key, value) in more.as_object().unwrap() {
        root[key] = value.clone();
    }
    root
}

/// One system, one chassis; padded names, addresses that are none, `Bios` in another case and with a slash, actions that list their
/// values, expansion of what is no reference.
pub(crate) fn rack_server() -> Tree {
    let parts = [service(), system(), system_parts(), manager(), chassis()];
    tree(parts.concat())
}

/// What is beside the hardware: the root, updates, events, sessions, accounts.
fn service() -> Vec<(&'static str, Value)> {
    vec![
        (
            "/redfish/v1",
            root(&json!({
                "Vendor": "Maker", "Product": "Rack Server 1", "UUID": "51b90f18-5aa5-5613-a356-809a476c3dd0",
                "ProtocolFeaturesSupported": {"ExpandQuery": {"ExpandAll": false, "Levels": true, "NoLinks": true}},
                "UpdateService": link("/redfish/v1/UpdateService"), "EventService": link("/redfish/v1/EventService"),
                "AccountService": link("/redfish/v1/AccountService"),
            })),
        ),
        (
            "/redfish/v1/UpdateService",
            json!({
                "Id": "UpdateService", "FirmwareInventory": link("/redfish/v1/UpdateService/FirmwareInventory"),
                "Actions": {"#UpdateService.SimpleUpdate": {"target": "/redfish/v1/UpdateService/Actions/SimpleUpdate"}},
            }),
        ),
        (
            "/redfish/v1/UpdateService/FirmwareInventory",
            members(&["/redfish/v1/UpdateService/FirmwareInventory/BMC"]),
        ),
        (
            "/redfish/v1/UpdateService/FirmwareInventory/BMC",
            json!({"Id": "BMC", "Name": "BMC", "Version": "2.46", "Updateable": true}),
        ),
        (
            "/redfish/v1/EventService",
            json!({"Id": "EventService", "ServiceEnabled": true, "ServerSentEventUri": "/redfish/v1/EventService/SSE"}),
        ),
        (
            "/redfish/v1/AccountService",
            json!({"Id": "A", "Accounts": link("/redfish/v1/AccountService/Accounts")}),
        ),
        (
            "/redfish/v1/AccountService/Accounts",
            members(&[
                "/redfish/v1/AccountService/Accounts/1",
                "/redfish/v1/AccountService/Accounts/2",
            ]),
        ),
        (
            "/redfish/v1/AccountService/Accounts/1",
            json!({"Id": "1", "UserName": "guest"}),
        ),
        (
            "/redfish/v1/AccountService/Accounts/2",
            json!({"Id": "2", "UserName": "root"}),
        ),
    ]
}

/// The system itself, and what it has once.
fn system() -> Vec<(&'static str, Value)> {
    vec![
        ("/redfish/v1/Systems", members(&["/redfish/v1/Systems/1"])),
        (
            "/redfish/v1/Systems/1",
            json!({
                "Id": "1", "Name": "Computer System", "UUID": "36383150-3630-584D-5130-313930323042", "PowerState": "On",
                "SerialNumber": "SN1", "Manufacturer": "Maker", "Status": {"Health": "OK"},
                "ProcessorSummary": {"Count": 1, "Model": "CPU 7302P 16-Core Processor               "},
                "MemorySummary": {"TotalSystemMemoryGiB": 64},
                "Actions": {"#ComputerSystem.Reset": {
                    "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown"]}},
                "Bios": link("/redfish/v1/systems/1/bios/"), "SecureBoot": link("/redfish/v1/Systems/1/SecureBoot"),
                "EthernetInterfaces": link("/redfish/v1/Systems/1/EthernetInterfaces"),
                "NetworkInterfaces": link("/redfish/v1/Systems/1/NetworkInterfaces"),
                "Memory": link("/redfish/v1/Systems/1/Memory"), "Processors": link("/redfish/v1/Systems/1/Processors"),
                "Storage": link("/redfish/v1/Systems/1/Storage"),
                "Links": {"Chassis": [link("/redfish/v1/Chassis/1")], "ManagedBy": [link("/redfish/v1/Managers/1")]},
            }),
        ),
        (
            "/redfish/v1/systems/1/bios",
            json!({"Id": "Bios", "Attributes": {"Turbo": "Enabled", "Cores": 0}}),
        ),
        (
            "/redfish/v1/Systems/1/SecureBoot",
            json!({"Id": "SecureBoot", "SecureBootEnable": false}),
        ),
        (
            "/redfish/v1/Systems/1/EthernetInterfaces",
            members(&[
                "/redfish/v1/Systems/1/EthernetInterfaces/1",
                "/redfish/v1/Systems/1/EthernetInterfaces/2",
            ]),
        ),
        (
            "/redfish/v1/Systems/1/EthernetInterfaces/1",
            json!({"Id": "1", "MACAddress": "14:02:ec:d9:3a:a0", "IPv4Addresses": [{"Address": "N/A"}]}),
        ),
        (
            "/redfish/v1/Systems/1/EthernetInterfaces/2",
            json!({"Id": "2", "MACAddress": "14:02:ec:d9:3a:a1", "InterfaceEnabled": false}),
        ),
    ]
}

/// What it has several of.
fn system_parts() -> Vec<(&'static str, Value)> {
    vec![
        (
            "/redfish/v1/Systems/1/NetworkInterfaces",
            members(&["/redfish/v1/Systems/1/NetworkInterfaces/DE1"]),
        ),
        (
            "/redfish/v1/Systems/1/NetworkInterfaces/DE1",
            json!({"Id": "DE1", "Name": "DE1", "Links": {"NetworkAdapter": link("/redfish/v1/Chassis/1/NetworkAdapters/DE1")}}),
        ),
        (
            "/redfish/v1/Systems/1/Memory",
            members(&[
                "/redfish/v1/Systems/1/Memory/d1",
                "/redfish/v1/Systems/1/Memory/d2",
            ]),
        ),
        (
            "/redfish/v1/Systems/1/Memory/d1",
            json!({"Id": "d1", "CapacityMiB": 65536, "SerialNumber": "M1", "DeviceLocator": "DIMM 1"}),
        ),
        (
            "/redfish/v1/Systems/1/Memory/d2",
            json!({"Id": "d2", "Status": {"State": "Absent"}}),
        ),
        (
            "/redfish/v1/Systems/1/Processors",
            members(&["/redfish/v1/Systems/1/Processors/1"]),
        ),
        (
            "/redfish/v1/Systems/1/Processors/1",
            json!({"Id": "1", "ProcessorType": "CPU", "Socket": "Proc 1", "TotalCores": 16}),
        ),
        (
            "/redfish/v1/Systems/1/Storage",
            members(&["/redfish/v1/Systems/1/Storage/A"]),
        ),
        (
            "/redfish/v1/Systems/1/Storage/A",
            json!({"Id": "A", "Drives": [link("/redfish/v1/Systems/1/Storage/A/Drives/1")]}),
        ),
        (
            "/redfish/v1/Systems/1/Storage/A/Drives/1",
            json!({"Id": "1", "SerialNumber": "D1      ", "CapacityBytes": 2_000_000_000_000_u64}),
        ),
    ]
}

/// Its BMC.
fn manager() -> Vec<(&'static str, Value)> {
    vec![
        ("/redfish/v1/Managers", members(&["/redfish/v1/Managers/1"])),
        (
            "/redfish/v1/Managers/1",
            json!({
                "Id": "1", "ManagerType": "BMC", "Model": "BMC 5", "FirmwareVersion": "2.46",
                "Actions": {"#Manager.Reset": {"ResetType@Redfish.AllowableValues": ["ForceRestart"], "target": "/x"}},
                "SerialConsole": {"ServiceEnabled": true, "ConnectTypesSupported": ["SSH", "IPMI"]},
                "NetworkProtocol": link("/redfish/v1/Managers/1/NetworkProtocol"),
                "EthernetInterfaces": link("/redfish/v1/Managers/1/EthernetInterfaces"),
            }),
        ),
        (
            "/redfish/v1/Managers/1/NetworkProtocol",
            json!({"Id": "NetworkProtocol", "SSH": {"Port": 22, "ProtocolEnabled": true}}),
        ),
        (
            "/redfish/v1/Managers/1/EthernetInterfaces",
            members(&["/redfish/v1/Managers/1/EthernetInterfaces/1"]),
        ),
        (
            "/redfish/v1/Managers/1/EthernetInterfaces/1",
            json!({"Id": "1", "MACAddress": "14:02:EC:D9:3A:B0", "IPv4Addresses": [{"Address": "10.1.0.7"}]}),
        ),
    ]
}

/// What it stands in.
fn chassis() -> Vec<(&'static str, Value)> {
    vec![
        (
            "/redfish/v1/Chassis/1/NetworkAdapters/DE1",
            json!({"Id": "DE1", "Name": "HSN", "Manufacturer": "Nicmaker", "SerialNumber": "N1"}),
        ),
        ("/redfish/v1/Chassis", members(&["/redfish/v1/Chassis/1"])),
        (
            "/redfish/v1/Chassis/1",
            json!({
                "Id": "1", "ChassisType": "RackMount", "SerialNumber": "C1", "Power": link("/redfish/v1/Chassis/1/Power"),
                "PCIeDevices": link("/redfish/v1/Chassis/1/PCIeDevices"),
                "Links": {"ComputerSystems": [link("/redfish/v1/Systems/1")]},
            }),
        ),
        (
            "/redfish/v1/Chassis/1/Power",
            json!({
                "Id": "Power", "PowerControl": [link("/redfish/v1/Chassis/1/Power#PowerControl/0")],
                "PowerSupplies": [{"MemberId": "0", "SerialNumber": "P1", "PowerCapacityWatts": 500}],
            }),
        ),
        (
            "/redfish/v1/Chassis/1/PCIeDevices",
            members(&["/redfish/v1/Chassis/1/PCIeDevices/1"]),
        ),
        (
            "/redfish/v1/Chassis/1/PCIeDevices/1",
            json!({"Id": "1", "Name": "NIC", "SerialNumber": "N1"}),
        ),
    ]
}

/// Two nodes behind one BMC, the root's links as bare texts, no `Links` in the systems, resets by ActionInfo, GPUs among the
/// processors, adapters only in the chassis, attributes as objects, a shared enclosure.
pub(crate) fn blade() -> Tree {
    let mut resources = vec![
        (
            "/redfish/v1".to_owned(),
            root(&json!({
                "Systems": "/redfish/v1/Systems", "Managers": "/redfish/v1/Managers", "Chassis": "/redfish/v1/Chassis",
            })),
        ),
        (
            "/redfish/v1/Systems".to_owned(),
            members(&["/redfish/v1/Systems/Node0", "/redfish/v1/Systems/Node1"]),
        ),
        (
            "/redfish/v1/Managers".to_owned(),
            members(&["/redfish/v1/Managers/BMC"]),
        ),
        (
            "/redfish/v1/Managers/BMC".to_owned(),
            json!({"Id": "BMC", "ManagerType": "EnclosureManager"}),
        ),
        (
            "/redfish/v1/Chassis".to_owned(),
            members(&[
                "/redfish/v1/Chassis/Enclosure",
                "/redfish/v1/Chassis/Node0",
                "/redfish/v1/Chassis/Node1",
            ]),
        ),
        (
            "/redfish/v1/Chassis/Enclosure".to_owned(),
            json!({"Id": "Enclosure", "ChassisType": "Enclosure"}),
        ),
    ];
    for node in ["Node0", "Node1"] {
        let system = format!("/redfish/v1/Systems/{node}");
        let chassis = format!("/redfish/v1/Chassis/{node}");
        resources.extend([
            (
                system.clone(),
                json!({
                    "Id": node, "SerialNumber": format!("S-{node}"), "UUID": "00000000-0000-0000-0000-000000000000",
                    "Actions": {"#ComputerSystem.Reset": {
                        "target": format!("{system}/Actions/ComputerSystem.Reset"),
                        "@Redfish.ActionInfo": format!("{system}/ResetActionInfo")}},
                    "Processors": link(&format!("{system}/Processors")), "Bios": link(&format!("{system}/Bios")),
                }),
            ),
            (
                format!("{system}/ResetActionInfo"),
                json!({"Id": "R", "Parameters": [{"Name": "ResetType", "AllowableValues": ["On", "Off", "ForceOff"]}]}),
            ),
            (
                format!("{system}/Processors"),
                members(&[&format!("{system}/Processors/CPU0"), &format!("{system}/Processors/GPU0")]),
            ),
            (format!("{system}/Processors/CPU0"), json!({"Id": "CPU0", "ProcessorType": "CPU"})),
            (format!("{system}/Processors/GPU0"), json!({"Id": "GPU0", "ProcessorType": "GPU"})),
            (
                format!("{system}/Bios"),
                json!({"Id": "Bios", "Attributes": {"Boost": {"current_value": "Auto", "default_value": "Off"}}}),
            ),
            (
                chassis.clone(),
                json!({"Id": node, "ChassisType": "Card", "NetworkAdapters": link(&format!("{chassis}/NetworkAdapters"))}),
            ),
            (
                format!("{chassis}/NetworkAdapters"),
                members(&[&format!("{chassis}/NetworkAdapters/HSN0")]),
            ),
            (
                format!("{chassis}/NetworkAdapters/HSN0"),
                json!({"Id": "HSN0", "Name": "HSN 0", "SerialNumber": format!("H-{node}")}),
            ),
        ]);
    }
    tree(
        resources
            .iter()
            .map(|(uri, value)| (uri.as_str(), value.clone()))
            .collect(),
    )
}

/// Everything as a list or inside another resource: devices as a list of links, simple storage, a collection with whole members, a
/// system that says little.
pub(crate) fn small_board() -> Tree {
    tree(vec![
        ("/redfish/v1", root(&json!({}))),
        ("/redfish/v1/Systems", members(&["/redfish/v1/Systems/Self"])),
        (
            "/redfish/v1/Systems/Self",
            json!({
                "Id": "Self", "ProcessorSummary": {"Count": null}, "SerialNumber": 42, "PowerState": null,
                "PCIeDevices": [link("/redfish/v1/Chassis/Self/PCIeDevices/1"), link("/redfish/v1/Chassis/Self/PCIeDevices/2")],
                "SimpleStorage": link("/redfish/v1/Systems/Self/SimpleStorage"),
                "Memory": {"@odata.id": "/redfish/v1/Systems/Self/Memory", "Members": [
                    {"@odata.id": "/redfish/v1/Systems/Self/Memory/1", "Id": "1", "SerialNumber": "M1"}]},
                "SerialConsole": {"SSH": {"ServiceEnabled": true, "Port": 2200}},
            }),
        ),
        (
            "/redfish/v1/Chassis/Self/PCIeDevices/1",
            json!({"Id": "1", "Manufacturer": "NVIDIA", "Name": "GPU", "SerialNumber": "G1",
                "Links": {"PCIeFunctions": [link("/redfish/v1/Chassis/Self/PCIeDevices/1/Functions/1")]}}),
        ),
        (
            "/redfish/v1/Chassis/Self/PCIeDevices/1/Functions/1",
            json!({"Id": "1", "DeviceClass": "ProcessingAccelerators"}),
        ),
        (
            "/redfish/v1/Chassis/Self/PCIeDevices/2",
            json!({"Id": "2", "Manufacturer": "NVIDIA", "Name": "ConnectX",
                "PCIeFunctions": [{"Id": "1", "DeviceClass": "NetworkController"}]}),
        ),
        (
            "/redfish/v1/Systems/Self/SimpleStorage",
            members(&["/redfish/v1/Systems/Self/SimpleStorage/1"]),
        ),
        (
            "/redfish/v1/Systems/Self/SimpleStorage/1",
            json!({"Id": "1", "Devices": [{"Name": "Bay 1", "Model": "X"}, {"Name": "Bay 2", "Status": {"State": "Absent"}}]}),
        ),
        ("/redfish/v1/Managers", members(&[])),
        ("/redfish/v1/Chassis", members(&[])),
    ])
}

/// A chassis manager: no systems at all.
pub(crate) fn chassis_manager() -> Tree {
    let mut tree = blade();
    tree.retain(|uri, _| !uri.starts_with("/redfish/v1/Systems"));
    tree.get_mut("/redfish/v1")
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove("Systems");
    tree
}
