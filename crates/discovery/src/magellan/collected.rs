//! What `magellan collect` writes, and what its `send` reads.

use proto::smd::v1::payload_serial_console::Port;
use proto::smd::v1::{
    InventoryDetail, PayloadInterface, PayloadLinks, PayloadManager, PayloadNetworkInterface, PayloadPower,
    PayloadSerialConsole, RedfishEndpointPayload,
};
use redfish::Address;
use serde::Serialize;
use serde_json::Value;

use super::format::{Format, read};
use super::go_json::{self, float, is_empty, is_zero};
use crate::Invalid;

/// A BMC. The keys are sorted, as Go writes a map.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint<'a> {
    #[serde(rename = "FQDN")]
    fqdn: &'a str,
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "MACAddr", skip_serializing_if = "is_empty")]
    mac_addr: &'a str,
    #[serde(rename = "MACRequired")]
    mac_required: bool,
    /// `null` if there is none, as Go writes a slice that nothing was put into.
    managers: Option<Vec<Manager<'a>>>,
    name: &'a str,
    rediscover_on_update: bool,
    schema_version: i32,
    systems: Vec<System<'a>>,
    r#type: &'a str,
    user: &'a str,
}

/// In the order of Magellan's `InventoryDetail`; structs in it are written even if they are empty.
#[derive(Serialize)]
struct System<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    uri: String,
    #[serde(skip_serializing_if = "is_empty")]
    uuid: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    manufacturer: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    system_type: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    model: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    serial: &'a str,
    serial_console: Console,
    #[serde(skip_serializing_if = "is_empty")]
    bios_version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ethernet_interfaces: Vec<Nic<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    network_interfaces: Vec<NetworkInterface<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    actions: &'a [String],
    power: Power<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    processor_count: i64,
    #[serde(skip_serializing_if = "is_empty")]
    processor_type: &'a str,
    #[serde(serialize_with = "float", skip_serializing_if = "is_zero")]
    memory_total: f64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    trusted_modules: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    trusted_components: &'a [String],
    #[serde(skip_serializing_if = "is_empty")]
    chassis_sku: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    chassis_serial: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    chassis_asset_tag: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    chassis_manufacturer: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    chassis_model: &'a str,
    links: Links<'a>,
    #[serde(skip_serializing_if = "is_empty")]
    node_id: &'a str,
}

#[derive(Serialize)]
struct Manager<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    uri: String,
    #[serde(skip_serializing_if = "is_empty")]
    uuid: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    model: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    r#type: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    firmware_version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ethernet_interfaces: Vec<Nic<'a>>,
    /// `null` where the manager tells of none.
    serial_console: Option<&'a [String]>,
    command_shell: Option<&'a [String]>,
}

#[derive(Serialize)]
struct Nic<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    uri: String,
    #[serde(skip_serializing_if = "is_empty")]
    mac: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    ip: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    enabled: bool,
}

#[derive(Serialize)]
struct NetworkInterface<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    uri: String,
    #[serde(skip_serializing_if = "is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    description: &'a str,
    adapter: Adapter<'a>,
}

#[derive(Default, Serialize)]
struct Adapter<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    uri: String,
    #[serde(skip_serializing_if = "is_empty")]
    manufacturer: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    model: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    serial: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    description: &'a str,
}

#[derive(Default, Serialize)]
struct Power<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    state: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    mode: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    restore_policy: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    power_control_ids: &'a [String],
}

#[derive(Default, Serialize)]
struct Links<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    chassis: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    managers: &'a [String],
}

#[derive(Default, Serialize)]
struct Console {
    /// Magellan's spelling.
    impi: Way,
    telnet: Way,
    ssh: Way,
}

#[derive(Default, Serialize)]
struct Way {
    #[serde(skip_serializing_if = "is_zero")]
    port: u32,
    #[serde(skip_serializing_if = "is_zero")]
    enabled: bool,
}

/// The list that `magellan collect` writes, of payloads with where each was read. The keys are those of its JSON in YAML, too.
///
/// Source: Magellan's internal/collect.go and pkg/models; the text was compared with that of v0.5.0.
#[must_use]
pub fn write_collection(found: &[(RedfishEndpointPayload, Address)], format: Format) -> String {
    let scheme = |address: &Address| if address.is_plain() { "http" } else { "https" };
    let base = |(_, address): &(_, Address)| format!("{}://{address}", scheme(address));
    let bases: Vec<String> = found.iter().map(base).collect();
    let endpoints: Vec<Endpoint<'_>> = found
        .iter()
        .zip(&bases)
        .map(|((payload, _), base)| endpoint(payload, base))
        .collect();
    match format {
        Format::Json => go_json::to_string(&endpoints),
        Format::Yaml => {
            serde_yaml_ng::to_string(&endpoints).expect("structs of texts and numbers can be written")
        }
    }
}

/// The objects that `magellan send` posts one by one: those of a list, or a single one.
///
/// # Errors
/// `Invalid` for what is no such file, and naming an entry that has no ID.
pub fn read_collection(text: &str) -> Result<Vec<Value>, Invalid> {
    let entries = match read::<Value>("data", text)? {
        Value::Array(entries) => entries,
        one => vec![one],
    };
    for (place, entry) in entries.iter().enumerate() {
        if entry["ID"].as_str().is_none_or(str::is_empty) {
            let problem = "it has no ID; write what `collect` prints: objects with the xname of a BMC as ID";
            return Err(Invalid::new(format!("data[{place}]"), problem));
        }
    }
    Ok(entries)
}

fn endpoint<'a>(payload: &'a RedfishEndpointPayload, base: &str) -> Endpoint<'a> {
    let managers: Vec<_> = payload.managers.iter().map(|one| manager(one, base)).collect();
    Endpoint {
        fqdn: &payload.fqdn,
        id: &payload.id,
        mac_addr: &payload.mac_addr,
        mac_required: payload.mac_required.unwrap_or(true),
        managers: (!managers.is_empty()).then_some(managers),
        name: &payload.name,
        rediscover_on_update: payload.rediscover_on_update.unwrap_or(false),
        schema_version: payload.schema_version,
        systems: payload.systems.iter().map(|one| system(one, base)).collect(),
        r#type: &payload.r#type,
        user: &payload.user,
    }
}

fn system<'a>(detail: &'a InventoryDetail, base: &str) -> System<'a> {
    System {
        uri: absolute(base, &detail.uri),
        uuid: &detail.uuid,
        manufacturer: &detail.manufacturer,
        system_type: &detail.system_type,
        name: &detail.name,
        model: &detail.model,
        serial: &detail.serial,
        serial_console: console(detail.serial_console.as_ref()),
        bios_version: &detail.bios_version,
        ethernet_interfaces: detail
            .ethernet_interfaces
            .iter()
            .map(|one| nic(one, base))
            .collect(),
        network_interfaces: detail
            .network_interfaces
            .iter()
            .map(|one| network_interface(one, base))
            .collect(),
        actions: &detail.actions,
        power: detail.power.as_ref().map(power).unwrap_or_default(),
        processor_count: detail.processor_count,
        processor_type: &detail.processor_type,
        memory_total: detail.memory_total,
        trusted_modules: &detail.trusted_modules,
        trusted_components: &detail.trusted_components,
        chassis_sku: &detail.chassis_sku,
        chassis_serial: &detail.chassis_serial,
        chassis_asset_tag: &detail.chassis_asset_tag,
        chassis_manufacturer: &detail.chassis_manufacturer,
        chassis_model: &detail.chassis_model,
        links: detail.links.as_ref().map(links).unwrap_or_default(),
        node_id: &detail.node_id,
    }
}

fn manager<'a>(manager: &'a PayloadManager, base: &str) -> Manager<'a> {
    let with_address = manager
        .ethernet_interfaces
        .iter()
        .filter(|nic| !nic.ip.is_empty()); // Magellan leaves out the others
    Manager {
        uri: absolute(base, &manager.uri),
        uuid: &manager.uuid,
        name: &manager.name,
        description: &manager.description,
        model: &manager.model,
        r#type: &manager.r#type,
        firmware_version: &manager.firmware_version,
        ethernet_interfaces: with_address.map(|one| nic(one, base)).collect(),
        serial_console: some(&manager.serial_console),
        command_shell: some(&manager.command_shell),
    }
}

fn nic<'a>(nic: &'a PayloadInterface, base: &str) -> Nic<'a> {
    Nic {
        uri: absolute(base, &nic.uri),
        mac: &nic.mac,
        ip: &nic.ip,
        name: &nic.name,
        description: &nic.description,
        enabled: nic.enabled,
    }
}

fn network_interface<'a>(interface: &'a PayloadNetworkInterface, base: &str) -> NetworkInterface<'a> {
    let adapter = interface.adapter.as_ref().map(|adapter| Adapter {
        uri: absolute(base, &adapter.uri),
        manufacturer: &adapter.manufacturer,
        name: &adapter.name,
        model: &adapter.model,
        serial: &adapter.serial,
        description: &adapter.description,
    });
    NetworkInterface {
        uri: absolute(base, &interface.uri),
        name: &interface.name,
        description: &interface.description,
        adapter: adapter.unwrap_or_default(),
    }
}

fn power(power: &PayloadPower) -> Power<'_> {
    Power {
        state: &power.state,
        mode: &power.mode,
        restore_policy: &power.restore_policy,
        power_control_ids: &power.power_control_ids,
    }
}

fn links(links: &PayloadLinks) -> Links<'_> {
    Links {
        chassis: &links.chassis,
        managers: &links.managers,
    }
}

fn console(console: Option<&PayloadSerialConsole>) -> Console {
    let way = |port: Option<&Port>| Way {
        port: port.map_or(0, |port| port.port),
        enabled: port.is_some_and(|port| port.enabled),
    };
    console.map_or_else(Console::default, |console| Console {
        impi: way(console.ipmi.as_ref()),
        telnet: way(console.telnet.as_ref()),
        ssh: way(console.ssh.as_ref()),
    })
}

fn some(list: &[String]) -> Option<&[String]> {
    (!list.is_empty()).then_some(list)
}

/// Scheme, host and port in front of a path; links and power controls stay paths, as in Magellan.
fn absolute(base: &str, path: &str) -> String {
    match path.is_empty() {
        true => String::new(),
        false => format!("{base}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::PayloadNetworkAdapter;

    use super::*;

    fn nic_of(mac: &str, ip: &str) -> PayloadInterface {
        PayloadInterface {
            uri: "/redfish/v1/Managers/1/EthernetInterfaces/1".into(),
            mac: mac.into(),
            ip: ip.into(),
            enabled: true,
            ..PayloadInterface::default()
        }
    }

    fn full() -> RedfishEndpointPayload {
        let adapter = PayloadNetworkAdapter {
            model: "R&D <1>".into(),
            ..PayloadNetworkAdapter::default()
        };
        let system = InventoryDetail {
            uri: "/redfish/v1/Systems/1".into(),
            system_type: "Physical".into(),
            serial_console: Some(PayloadSerialConsole {
                ipmi: Some(Port {
                    port: 623,
                    enabled: true,
                }),
                ..PayloadSerialConsole::default()
            }),
            network_interfaces: vec![PayloadNetworkInterface {
                name: "slot 1".into(),
                adapter: Some(adapter),
                ..PayloadNetworkInterface::default()
            }],
            actions: vec!["On".into()],
            power: Some(PayloadPower {
                state: "On".into(),
                power_control_ids: vec!["/redfish/v1/Chassis/1/Power#PowerControl/0".into()],
                ..PayloadPower::default()
            }),
            processor_count: 1,
            memory_total: 64.0,
            ..InventoryDetail::default()
        };
        let manager = PayloadManager {
            uri: "/redfish/v1/Managers/1".into(),
            r#type: "BMC".into(),
            ethernet_interfaces: vec![
                nic_of("94:40:c9:37:d3:fc", "10.0.0.1"),
                nic_of("94:40:c9:37:d3:fd", ""),
            ],
            command_shell: vec!["SSH".into()],
            ..PayloadManager::default()
        };
        RedfishEndpointPayload {
            id: "x4064c0s127b1".into(),
            fqdn: "10.0.0.1".into(),
            ip_address: "10.0.0.1".into(),
            user: "root".into(),
            mac_addr: "94:40:c9:37:d3:fc".into(),
            mac_required: Some(true),
            rediscover_on_update: Some(false),
            schema_version: 1,
            systems: vec![system],
            managers: vec![manager],
            parts_are_complete: true,
            ..RedfishEndpointPayload::default()
        }
    }

    fn at(address: &str) -> Address {
        address.parse().unwrap()
    }

    /// Golden: keys, their order, what is left out and what is not, signs and numbers.
    const GOLDEN: &str = r#"[
  {
    "FQDN": "10.0.0.1",
    "ID": "x4064c0s127b1",
    "MACAddr": "94:40:c9:37:d3:fc",
    "MACRequired": true,
    "Managers": [
      {
        "uri": "https://10.0.0.1:443/redfish/v1/Managers/1",
        "type": "BMC",
        "ethernet_interfaces": [
          {
            "uri": "https://10.0.0.1:443/redfish/v1/Managers/1/EthernetInterfaces/1",
            "mac": "94:40:c9:37:d3:fc",
            "ip": "10.0.0.1",
            "enabled": true
          }
        ],
        "serial_console": null,
        "command_shell": [
          "SSH"
        ]
      }
    ],
    "Name": "",
    "RediscoverOnUpdate": false,
    "SchemaVersion": 1,
    "Systems": [
      {
        "uri": "https://10.0.0.1:443/redfish/v1/Systems/1",
        "system_type": "Physical",
        "serial_console": {
          "impi": {
            "port": 623,
            "enabled": true
          },
          "telnet": {},
          "ssh": {}
        },
        "network_interfaces": [
          {
            "name": "slot 1",
            "adapter": {
              "model": "R\u0026D \u003c1\u003e"
            }
          }
        ],
        "actions": [
          "On"
        ],
        "power": {
          "state": "On",
          "power_control_ids": [
            "/redfish/v1/Chassis/1/Power#PowerControl/0"
          ]
        },
        "processor_count": 1,
        "memory_total": 64,
        "links": {}
      }
    ],
    "Type": "",
    "User": "root"
  }
]"#;

    #[test]
    fn a_collection_is_written_as_magellan_does() {
        assert_eq!(
            write_collection(&[(full(), at("10.0.0.1"))], Format::Json),
            GOLDEN
        );
        assert_eq!(write_collection(&[], Format::Json), "[]");
    }

    #[test]
    fn a_bmc_of_which_little_is_known_has_what_send_needs() {
        let bare = RedfishEndpointPayload {
            id: "x0c0s0b0".into(),
            schema_version: 1,
            ..RedfishEndpointPayload::default()
        };
        let written = write_collection(&[(bare, at("bmc-1.lab:8443"))], Format::Json);
        let read = &read_collection(&written).unwrap()[0];
        assert_eq!(
            (&read["Managers"], &read["Systems"]),
            (&Value::Null, &Value::Array(Vec::new()))
        );
        assert_eq!(read["MACRequired"], Value::Bool(true));
        assert!(read.get("MACAddr").is_none());
    }

    #[test]
    fn what_is_written_is_read_in_both_formats() {
        let found = [(full(), at("10.0.0.1")), (full(), at("[fd00::7]:8443"))];
        let json = read_collection(&write_collection(&found, Format::Json)).unwrap();
        let yaml = read_collection(&write_collection(&found, Format::Yaml)).unwrap();
        assert_eq!(json.len(), 2);
        assert_eq!(json, yaml);
        assert_eq!(
            json[1]["Systems"][0]["uri"],
            "https://[fd00::7]:8443/redfish/v1/Systems/1"
        );
        let single = serde_json::to_string(&json[0]).unwrap();
        assert_eq!(read_collection(&single).unwrap(), json[..1]);
    }

    #[test]
    fn what_is_no_collection_is_refused() {
        for (text, expected) in [
            ("[", "data: "),
            ("[{\"ID\":\"x0c0s0b0\"},{}]", "data[1]: it has no ID"),
            ("{\"ID\":\"\"}", "data[0]: "),
            ("[7]", "data[0]: "),
            ("text", "data[0]: "),
        ] {
            let refused = read_collection(text).unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{text}: {refused}");
        }
    }
}
