//! The controller itself: its component, how it is reached, and its NICs.

use std::net::IpAddr;

use model::Xname;
use proto::smd::v1::smd_command::DiscoveredComponent;
use proto::smd::v1::{
    CommandShell, Component, ComponentEndpoint, ManagerActions, PayloadManager, RedfishEndpointPayload,
    RedfishManagerInfo, ResetAction,
};

use super::interfaces::{self, Reached};
use super::{Claimed, path_of, text, texts};

/// What HSM writes for every manager.
const SESSIONS_MAX: u32 = 65_536;

/// The BMC among the managers: the one that says it is one, because blades also list their microcontrollers.
pub(super) fn bmc(payload: &RedfishEndpointPayload) -> Option<&PayloadManager> {
    payload.managers.iter().min_by_key(|manager| rank(manager))
}

/// The component of the endpoint, with the NICs of all its managers; `None` without managers.
///
/// Source: SMD's parseRedfishEndpointDataV2.
pub(super) fn component(
    id: &Xname,
    payload: &RedfishEndpointPayload,
    claimed: &mut Claimed,
) -> Option<DiscoveredComponent> {
    let manager = bmc(payload)?;
    let nics = payload
        .managers
        .iter()
        .flat_map(|manager| &manager.ethernet_interfaces);
    let nics: Vec<_> = nics.cloned().collect();
    let nics = interfaces::on_networks(&nics, &reached(payload));
    Some(DiscoveredComponent {
        component: Some(Component {
            id: id.to_string(),
            enabled: Some(true),
            ..Component::default()
        }),
        endpoint: Some(endpoint(id, manager)),
        interfaces: interfaces::stored(id, &nics, claimed),
    })
}

/// How much a manager is the BMC; the least is.
fn rank(manager: &PayloadManager) -> u8 {
    match manager.r#type.as_str() {
        "BMC" | "NodeBMC" => 0,
        "EnclosureManager" | "RackManager" | "ManagementController" => 1,
        "AuxiliaryController" => 3,
        _ => 2,
    }
}

fn reached(payload: &RedfishEndpointPayload) -> Reached {
    let names = [&payload.ip_address, &payload.fqdn, &payload.hostname];
    let address = names
        .into_iter()
        .find_map(|text| text.trim().parse::<IpAddr>().ok());
    Reached {
        mac: payload.mac_addr.trim().parse().ok(),
        address: address.map(|ip| ip.to_canonical()),
    }
}

/// Its URL is left to the state, which knows the endpoint's FQDN.
fn endpoint(id: &Xname, manager: &PayloadManager) -> ComponentEndpoint {
    let path = path_of(&manager.uri);
    let shell = texts(&manager.command_shell);
    ComponentEndpoint {
        id: id.to_string(),
        redfish_type: "Manager".to_owned(),
        redfish_subtype: text(&manager.r#type),
        uuid: text(&manager.uuid),
        enabled: true,
        redfish_manager_info: Some(RedfishManagerInfo {
            name: text(&manager.name),
            actions: Some(ManagerActions {
                reset: Some(ResetAction {
                    allowable_values: texts(&manager.actions),
                    action_info: format!("{path}/ResetActionInfo"),
                    target: format!("{path}/Actions/Manager.Reset"),
                    title: String::new(),
                }),
            }),
            ethernet_nic_info: interfaces::listed(&manager.ethernet_interfaces),
            command_shell: Some(CommandShell {
                service_enabled: !shell.is_empty(),
                max_concurrent_sessions: SESSIONS_MAX,
                connect_types_supported: shell,
            }),
        }),
        odata_id: path,
        ..ComponentEndpoint::default()
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::PayloadInterface;

    use super::*;

    fn manager(name: &str, r#type: &str, macs: &[&str]) -> PayloadManager {
        let nic = |mac: &&str| PayloadInterface {
            mac: (*mac).into(),
            ..Default::default()
        };
        PayloadManager {
            uri: format!("https://10.0.0.1/redfish/v1/Managers/{name}"),
            name: name.into(),
            r#type: r#type.into(),
            ethernet_interfaces: macs.iter().map(nic).collect(),
            command_shell: vec!["SSH".into()],
            ..Default::default()
        }
    }

    fn found(managers: Vec<PayloadManager>) -> Option<DiscoveredComponent> {
        let payload = RedfishEndpointPayload {
            managers,
            ..Default::default()
        };
        component(&"x0c0s0b0".parse().unwrap(), &payload, &mut Claimed::default())
    }

    #[test]
    fn a_manager_is_a_component_without_state_and_an_endpoint() {
        let found = found(vec![manager("1", "BMC", &["94:40:c9:37:d3:fc"])]).unwrap();
        let component = found.component.unwrap();
        assert_eq!(
            (component.id.as_str(), component.state, component.enabled),
            ("x0c0s0b0", 0, Some(true))
        );
        let endpoint = found.endpoint.unwrap();
        assert_eq!(
            (endpoint.redfish_type.as_str(), endpoint.odata_id.as_str()),
            ("Manager", "/redfish/v1/Managers/1")
        );
        let info = endpoint.redfish_manager_info.unwrap();
        let target = info.actions.unwrap().reset.unwrap().target;
        assert_eq!(target, "/redfish/v1/Managers/1/Actions/Manager.Reset");
        let shell = info.command_shell.unwrap();
        assert_eq!(
            (shell.service_enabled, shell.max_concurrent_sessions),
            (true, 65_536)
        );
        assert_eq!(found.interfaces[0].id, "9440c937d3fc");
    }

    /// An EX blade lists its microcontrollers before its BMC.
    #[test]
    fn the_bmc_among_several_managers_is_the_endpoint_and_all_nics_are_its_own() {
        let several = vec![
            manager("MCU0", "AuxiliaryController", &["94:40:c9:37:d3:01"]),
            manager("BMC", "EnclosureManager", &["94:40:c9:37:d3:02"]),
        ];
        let found = found(several).unwrap();
        assert_eq!(found.endpoint.unwrap().odata_id, "/redfish/v1/Managers/BMC");
        assert_eq!(found.interfaces.len(), 2);
    }

    #[test]
    fn without_managers_there_is_no_component() {
        assert_eq!(found(Vec::new()), None);
    }
}
