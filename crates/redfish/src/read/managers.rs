//! Managers.

use futures::FutureExt;
use futures::future::join_all;
use serde_json::Value;

use crate::read::network;
use crate::read::reading::{Member, Reading};
use crate::read::reset;
use crate::{Manager, value};

/// All managers.
pub(crate) async fn read(reading: &Reading<'_>, root: &Value) -> Vec<Manager> {
    let members = reading.members(root, "Managers").await;
    join_all(members.iter().map(|member| manager(reading, member).boxed())).await
}

async fn manager(reading: &Reading<'_>, member: &Member) -> Manager {
    let value = &*member.value;
    let (interfaces, protocols, reset_types) = tokio::join!(
        network::nics(reading, value),
        reading.linked(value, "NetworkProtocol"),
        reset::types(reading, value, "#Manager.Reset"),
    );
    Manager {
        uri: member.uri.clone(),
        id: value::text(value, "Id"),
        name: value::text(value, "Name"),
        description: value::text(value, "Description"),
        uuid: value::text(value, "UUID"),
        manager_type: value::text(value, "ManagerType"),
        model: value::text(value, "Model"),
        manufacturer: value::text(value, "Manufacturer"),
        serial: value::text(value, "SerialNumber"),
        part_number: value::text(value, "PartNumber"),
        firmware_version: value::text(value, "FirmwareVersion"),
        health: value::text(value, "Status/Health"),
        date_time: value::text(value, "DateTime"),
        reset_types,
        interfaces,
        command_shell: connect_types(value, "CommandShell"),
        serial_console: connect_types(value, "SerialConsole"),
        ssh_port: protocols.and_then(|protocols| ssh_port(&protocols)),
    }
}

/// How one connects to a shell or console that is enabled.
fn connect_types(manager: &Value, key: &str) -> Vec<String> {
    let service = value::at(manager, key);
    match value::flag(service, "ServiceEnabled") {
        Some(false) => Vec::new(),
        _ => value::texts(service, "ConnectTypesSupported"),
    }
}

fn ssh_port(protocols: &Value) -> Option<u16> {
    match value::flag(protocols, "SSH/ProtocolEnabled") {
        Some(true) => value::port(protocols, "SSH/Port"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_console_that_is_off_connects_nobody() {
        let manager = json!({
            "SerialConsole": {"ServiceEnabled": false, "ConnectTypesSupported": ["SSH"]},
            "CommandShell": {"ConnectTypesSupported": ["SSH", "Oem"]},
        });
        assert!(connect_types(&manager, "SerialConsole").is_empty());
        assert_eq!(connect_types(&manager, "CommandShell"), ["SSH", "Oem"]);
        assert!(connect_types(&json!({"CommandShell": null}), "CommandShell").is_empty());
    }

    #[test]
    fn ssh_has_a_port_only_while_it_is_on() {
        assert_eq!(
            ssh_port(&json!({"SSH": {"ProtocolEnabled": true, "Port": 22}})),
            Some(22)
        );
        assert_eq!(
            ssh_port(&json!({"SSH": {"ProtocolEnabled": false, "Port": 66}})),
            None
        );
        assert_eq!(
            ssh_port(&json!({"SSH": {"ProtocolEnabled": true, "Port": null}})),
            None
        );
        assert_eq!(ssh_port(&json!({"SSH": 22})), None);
    }
}
