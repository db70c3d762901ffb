//! What was read of a BMC, as the payload that SMD makes inventory of: Magellan's, and the parts that Magellan does not read.

use model::Xname;
use prost::Message as _;
use proto::smd::v1::{DiscoveryInfo, RedfishEndpointPayload};
use redfish::{Address, Inventory};

use crate::words::told;
use crate::{interfaces, parts, systems};

/// Most bytes of one payload as protobuf: one BMC is one change of the log, and that has room for 8 MiB.
pub const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;

/// Systems of one BMC, and managers: a rack's controller has some dozens.
const SYSTEMS_MAX: usize = 256;
const MANAGERS_MAX: usize = 64;
/// NICs, network interfaces and parts of all of them together; SMD refuses a payload with more parts.
const NICS_MAX: usize = 2_048;
const NETWORK_INTERFACES_MAX: usize = 1_024;
const PARTS_MAX: usize = 3_072;

/// The payload for the BMC that is called `xname` and was read at `address` with the account `user`.
///
/// Its password, whether it is enabled, and when it was discovered is not in it: that is of whoever stores it. The parts are
/// complete only if all that there is could be read, and listed.
///
/// Source: the fields and their order in Magellan v0.5 (pkg/crawler, internal/collect.go).
#[must_use]
pub fn payload(
    inventory: &Inventory,
    xname: &Xname,
    address: &Address,
    user: &str,
) -> RedfishEndpointPayload {
    let mut left = systems::Left {
        nics: NICS_MAX,
        network_interfaces: NETWORK_INTERFACES_MAX,
        parts: PARTS_MAX,
    };
    let managers = inventory.managers.iter().take(MANAGERS_MAX);
    let managers = managers
        .map(|manager| systems::manager(manager, &mut left))
        .collect();
    let listed = inventory.systems.iter().take(SYSTEMS_MAX);
    let systems = listed
        .map(|system| systems::detail(system, &inventory.chassis, &mut left))
        .collect();
    let parts = parts::of_enclosure(&inventory.chassis, &mut left.parts);
    let all_is_there =
        inventory.problems.is_empty() && inventory.systems.len() <= SYSTEMS_MAX && left.parts > 0;
    fitting(RedfishEndpointPayload {
        id: xname.to_string(),
        fqdn: address.host().to_owned(),
        ip_address: address
            .ip()
            .map(|ip| ip.to_canonical().to_string())
            .unwrap_or_default(),
        user: user.to_owned(),
        uuid: told(&inventory.root.uuid),
        mac_required: Some(true),
        mac_addr: interfaces::mac_of(&inventory.managers, address.ip()),
        rediscover_on_update: Some(false),
        schema_version: 1,
        systems,
        managers,
        parts,
        parts_are_complete: all_is_there,
        discovery_info: Some(DiscoveryInfo {
            last_discovery_status: "DiscoverOK".to_owned(),
            redfish_version: told(&inventory.root.redfish_version),
            ..DiscoveryInfo::default()
        }),
        ..RedfishEndpointPayload::default()
    })
}

/// No BMC has this much; one that says so keeps what counts. What is left out makes the parts incomplete.
fn fitting(mut payload: RedfishEndpointPayload) -> RedfishEndpointPayload {
    if payload.encoded_len() <= PAYLOAD_BYTES_MAX {
        return payload;
    }
    payload.parts_are_complete = false;
    for part in payload.systems.iter_mut().flat_map(|system| &mut system.parts) {
        part.info.clear();
        part.fru_info.clear();
    }
    if payload.encoded_len() > PAYLOAD_BYTES_MAX {
        payload.parts.clear();
        for system in &mut payload.systems {
            system.parts.clear();
            system.network_interfaces.clear();
        }
    }
    while payload.encoded_len() > PAYLOAD_BYTES_MAX && !payload.systems.is_empty() {
        payload.systems.truncate(payload.systems.len() / 2);
    }
    payload
}

#[cfg(test)]
mod tests {
    use redfish::{Chassis, Manager, NetworkInterface, Nic, Part, Problem, ServiceRoot, System};
    use serde_json::json;

    use super::*;

    fn of(inventory: &Inventory, address: &str) -> RedfishEndpointPayload {
        let xname = "x1000c0s0b0".parse().unwrap();
        payload(inventory, &xname, &address.parse().unwrap(), "root")
    }

    fn small() -> Inventory {
        Inventory {
            root: ServiceRoot {
                redfish_version: "1.6.0".into(),
                uuid: "4c4c4544-0000-1000-8000-000000000001".into(),
                ..ServiceRoot::default()
            },
            systems: vec![System {
                uri: "/redfish/v1/Systems/1".into(),
                memory: vec![Part::default()],
                ..System::default()
            }],
            managers: vec![Manager {
                interfaces: vec![Nic {
                    mac: "94:40:C9:37:D3:FC".into(),
                    ipv4: "10.254.1.15".into(),
                    ..Nic::default()
                }],
                ..Manager::default()
            }],
            chassis: vec![Chassis {
                power_supplies: vec![Part::default(), Part::default()],
                ..Chassis::default()
            }],
            ..Inventory::default()
        }
    }

    #[test]
    fn the_endpoint_is_where_it_was_found() {
        let told = of(&small(), "10.254.1.15:8443");
        assert_eq!(
            (told.id.as_str(), told.fqdn.as_str(), told.user.as_str()),
            ("x1000c0s0b0", "10.254.1.15", "root")
        );
        assert_eq!(
            (told.ip_address.as_str(), told.mac_addr.as_str()),
            ("10.254.1.15", "94:40:c9:37:d3:fc")
        );
        assert_eq!(
            (told.schema_version, told.mac_required, told.enabled),
            (1, Some(true), None)
        );
        assert_eq!(told.discovery_info.clone().unwrap().redfish_version, "1.6.0");
        assert_eq!(
            (told.systems.len(), told.managers.len(), told.parts.len()),
            (1, 1, 2)
        );
        assert!(told.parts_are_complete && told.password.is_empty());
        let by_name = of(&small(), "bmc-1.lab");
        assert_eq!(
            (
                by_name.fqdn.as_str(),
                by_name.ip_address.as_str(),
                by_name.mac_addr.as_str()
            ),
            ("bmc-1.lab", "", "")
        );
    }

    #[test]
    fn half_a_tree_is_not_complete() {
        let mut half = small();
        half.problems = vec![Problem {
            uri: "/redfish/v1/Systems/1/Memory".into(),
            problem: "no answer".into(),
        }];
        let told = of(&half, "10.254.1.15");
        assert!(!told.parts_are_complete);
        assert_eq!(told.systems.len(), 1);
    }

    #[test]
    fn parts_that_are_not_listed_make_it_incomplete() {
        let mut many = small();
        many.systems[0].memory = vec![Part::default(); PARTS_MAX + 1];
        let told = of(&many, "10.254.1.15");
        assert_eq!(told.systems[0].parts.len(), PARTS_MAX);
        assert!(!told.parts_are_complete);
        let mut many = small();
        many.systems = vec![System::default(); SYSTEMS_MAX + 1];
        assert!(!of(&many, "10.254.1.15").parts_are_complete);
    }

    /// As much of everything as a BMC can be read to have, and each text as long as it can be.
    fn huge() -> Inventory {
        let text = "x".repeat(300);
        let uri = format!("/{}", "x".repeat(250));
        let part = Part {
            uri: uri.clone(),
            name: text.clone(),
            location: text.clone(),
            manufacturer: text.clone(),
            model: text.clone(),
            part_number: text.clone(),
            serial: text.clone(),
            details: json!({ "Socket": text, "Location": [text, text, text, text], "A": [text, text, text, text] }),
            ..Part::default()
        };
        let nic = Nic {
            uri: uri.clone(),
            mac: "94:40:c9:37:d3:fc".into(),
            name: text.clone(),
            description: text.clone(),
            ..Nic::default()
        };
        let adapter = NetworkInterface {
            uri: uri.clone(),
            name: text.clone(),
            adapter_uri: uri.clone(),
            adapter_name: text.clone(),
            adapter_model: text.clone(),
            ..NetworkInterface::default()
        };
        let system = System {
            uri: uri.clone(),
            manufacturer: text.clone(),
            model: text.clone(),
            reset_types: vec![text.clone(); 40],
            chassis: vec![uri.clone(); 40],
            managed_by: vec![uri.clone(); 40],
            power_controls: vec![uri; 40],
            trusted_modules: vec![text; 40],
            interfaces: vec![nic; 100],
            network_interfaces: vec![adapter; 10],
            memory: vec![part; 20],
            ..System::default()
        };
        Inventory {
            systems: vec![system; SYSTEMS_MAX],
            ..Inventory::default()
        }
    }

    #[test]
    fn however_much_a_bmc_says_the_payload_is_bounded() {
        let told = of(&huge(), "10.254.1.15");
        assert!(told.encoded_len() <= PAYLOAD_BYTES_MAX, "{}", told.encoded_len());
        assert!(!told.systems.is_empty() && !told.parts_are_complete);
    }
}
