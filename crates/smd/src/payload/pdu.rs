//! A rack PDU: its controller and its outlets.

use model::{HmsType, NodeState, Xname};
use proto::smd::v1::component::State;
use proto::smd::v1::smd_command::DiscoveredComponent;
use proto::smd::v1::{
    Component, ComponentEndpoint, OutletActions, OutletPowerControl, PduInventory, PduOutlet,
    RedfishManagerInfo, RedfishOutletInfo,
};
use rpc::Error;

use super::{text, texts};

/// What such PDUs speak, and the root of its paths.
const PROTOCOL: &str = "JAWS";
const ROOT: &str = "/jaws";

/// The controller with its outlets; nothing without outlets, as in HSM.
///
/// # Errors
/// `Invalid` for an outlet that has no place or no state.
///
/// Source: SMD's parsePDUData.
pub(super) fn components(
    id: &Xname,
    enabled: bool,
    inventory: &PduInventory,
) -> Result<Vec<DiscoveredComponent>, Error> {
    if inventory.outlets.is_empty() {
        return Ok(Vec::new());
    }
    let outlets = inventory.outlets.iter().enumerate();
    std::iter::once(Ok(controller(id, enabled)))
        .chain(outlets.map(|(place, outlet)| {
            let field = |name: &str| format!("PDUInventory.Outlets[{place}].{name}");
            one(id, outlet, field)
        }))
        .collect()
}

fn controller(id: &Xname, enabled: bool) -> DiscoveredComponent {
    DiscoveredComponent {
        component: Some(Component {
            id: id.to_string(),
            state: State::On.into(),
            enabled: Some(enabled),
            ..Component::default()
        }),
        endpoint: Some(ComponentEndpoint {
            id: id.to_string(),
            redfish_type: "Manager".to_owned(),
            odata_id: ROOT.to_owned(),
            enabled,
            redfish_manager_info: Some(RedfishManagerInfo {
                name: PROTOCOL.to_owned(),
                ..RedfishManagerInfo::default()
            }),
            ..ComponentEndpoint::default()
        }),
        interfaces: Vec::new(),
    }
}

fn one(id: &Xname, outlet: &PduOutlet, field: impl Fn(&str) -> String) -> Result<DiscoveredComponent, Error> {
    let place = place(id, &outlet.id_suffix).map_err(|problem| rpc::invalid(&field("id_suffix"), problem))?;
    let state: NodeState = outlet
        .state
        .parse()
        .map_err(|problem| rpc::invalid(&field("state"), problem))?;
    let enabled = state == NodeState::On;
    let name = text(&outlet.original_id);
    let control = OutletPowerControl {
        allowable_values: texts(&["On".to_owned(), "Off".to_owned()]),
        target: format!("{ROOT}/control/outlets/{name}"),
    };
    Ok(DiscoveredComponent {
        component: Some(Component {
            id: place.to_string(),
            state: state as i32,
            enabled: Some(enabled),
            ..Component::default()
        }),
        endpoint: Some(ComponentEndpoint {
            id: place.to_string(),
            redfish_type: "Outlet".to_owned(),
            redfish_subtype: text(&outlet.socket_type),
            odata_id: format!("{ROOT}/monitor/outlets/{name}"),
            enabled,
            redfish_outlet_info: Some(RedfishOutletInfo {
                name: text(&outlet.name),
                actions: Some(OutletActions {
                    power_control: Some(control),
                }),
            }),
            ..ComponentEndpoint::default()
        }),
        interfaces: Vec::new(),
    })
}

fn place(id: &Xname, suffix: &str) -> Result<Xname, String> {
    let place = format!("{id}{suffix}").parse::<Xname>();
    let is_outlet = |place: &Xname| {
        matches!(
            place.hms_type(),
            HmsType::CabinetPduOutlet | HmsType::CabinetPduPowerConnector
        )
    };
    place
        .ok()
        .filter(is_outlet)
        .ok_or_else(|| format!("write where the outlet is below {id}, e.g. p0v1 or p0j1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlet(suffix: &str, state: &str) -> PduOutlet {
        PduOutlet {
            original_id: "BA35".into(),
            id_suffix: suffix.into(),
            name: "Link1_Outlet_35".into(),
            state: state.into(),
            socket_type: "Cx".into(),
        }
    }

    fn found(outlets: Vec<PduOutlet>) -> Result<Vec<DiscoveredComponent>, Error> {
        let inventory = PduInventory {
            outlets,
            ..Default::default()
        };
        components(&"x3000m0".parse().unwrap(), true, &inventory)
    }

    #[test]
    fn a_pdu_is_its_controller_and_its_outlets() {
        let found = found(vec![outlet("p0v35", "on"), outlet("p0v36", "Off")]).unwrap();
        let shown: Vec<(String, State, Option<bool>)> = found
            .iter()
            .map(|found| found.component.as_ref().unwrap())
            .map(|component| (component.id.clone(), component.state(), component.enabled))
            .collect();
        let expected = [
            ("x3000m0".to_owned(), State::On, Some(true)),
            ("x3000m0p0v35".to_owned(), State::On, Some(true)),
            ("x3000m0p0v36".to_owned(), State::Off, Some(false)),
        ];
        assert_eq!(shown, expected);
        let endpoint = found[1].endpoint.as_ref().unwrap();
        assert_eq!(endpoint.odata_id, "/jaws/monitor/outlets/BA35");
        let info = endpoint.redfish_outlet_info.as_ref().unwrap();
        let control = info.actions.as_ref().unwrap().power_control.as_ref().unwrap();
        assert_eq!(control.target, "/jaws/control/outlets/BA35");
    }

    #[test]
    fn an_outlet_without_a_place_or_a_state_is_refused_by_name() {
        for (wrong, field) in [
            (outlet("", "On"), "PDUInventory.Outlets[1].id_suffix: "),
            (outlet("n0", "On"), "PDUInventory.Outlets[1].id_suffix: "),
            (outlet("p0v1", "flaky"), "PDUInventory.Outlets[1].state: "),
        ] {
            let refused = found(vec![outlet("p0v9", "On"), wrong]).unwrap_err().to_string();
            assert!(refused.starts_with(field), "{refused}");
        }
        assert_eq!(found(Vec::new()).unwrap(), []);
    }
}
