//! The BMC itself.

use serde_json::{Value, json};

use super::{Made, Plan, healthy, link, mac};

/// Its firmware.
pub(super) const VERSION: &str = "3.14.0";

/// The number of its NIC among those of the hardware.
const NIC: u8 = 0xff;

pub(super) fn add(made: &mut Made, plan: &Plan) {
    let uri = "/redfish/v1/Managers/BMC";
    made.collection("/redfish/v1/Managers", "Manager", ["BMC"]);
    let systems: Vec<Value> = plan
        .systems
        .iter()
        .map(|(id, _)| link(&format!("/redfish/v1/Systems/{id}")))
        .collect();
    made.put(
        uri,
        "Manager.v1_11_0",
        "Manager",
        json!({
            "ManagerType": "BMC",
            "Description": "Board management controller",
            "UUID": plan.uuid("manager"),
            "Model": "Lab BMC",
            "Manufacturer": "Lab",
            "FirmwareVersion": VERSION,
            "DateTime": "2026-01-01T00:00:00+00:00",
            "PowerState": "On",
            "Status": healthy(),
            "CommandShell": {"ServiceEnabled": true, "MaxConcurrentSessions": 4, "ConnectTypesSupported": ["SSH"]},
            "SerialConsole": {"ServiceEnabled": true, "MaxConcurrentSessions": 1, "ConnectTypesSupported": ["SSH", "IPMI"]},
            "EthernetInterfaces": link(&format!("{uri}/EthernetInterfaces")),
            "NetworkProtocol": link(&format!("{uri}/NetworkProtocol")),
            "Links": {"ManagerForServers": systems, "ManagerForChassis": [link("/redfish/v1/Chassis/1")]},
            "Actions": {"#Manager.Reset": {
                "target": format!("{uri}/Actions/Manager.Reset"),
                "ResetType@Redfish.AllowableValues": ["GracefulRestart", "ForceRestart"],
            }},
        }),
    );
    made.put(
        &format!("{uri}/NetworkProtocol"),
        "ManagerNetworkProtocol.v1_8_0",
        "Network protocols",
        json!({
            "HostName": "bmc",
            "HTTPS": {"ProtocolEnabled": true, "Port": 443},
            "SSH": {"ProtocolEnabled": true, "Port": 22},
            "IPMI": {"ProtocolEnabled": true, "Port": 623},
        }),
    );
    let nics = ["eth0".to_owned()];
    made.listed(
        &format!("{uri}/EthernetInterfaces"),
        "EthernetInterface.v1_8_0",
        &nics,
        |_| {
            let nic = json!({
                "Description": "Management network",
                "MACAddress": mac(plan.seed, NIC).to_string(),
                "PermanentMACAddress": mac(plan.seed, NIC).to_string(),
                "InterfaceEnabled": true,
                "SpeedMbps": 1000,
                "IPv4Addresses": [],
                "IPv6Addresses": [],
                "Status": healthy(),
            });
            ("Manager Ethernet interface".to_owned(), nic)
        },
    );
}
