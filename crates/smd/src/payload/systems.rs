//! The computer systems behind a BMC: which are one, which xname each has, its component and how it is reached.

use std::collections::{BTreeMap, BTreeSet};

use model::Xname;
use proto::smd::v1::component::State;
use proto::smd::v1::smd_command::DiscoveredComponent;
use proto::smd::v1::{
    Component, ComponentEndpoint, ComputerSystemActions, InventoryDetail, PowerControl, RedfishResource,
    RedfishSystemInfo, ResetAction,
};
use rpc::Error;

use super::{Claimed, interfaces, path_of, text, texts};
use crate::uuid::told_uuid;

/// A system of a payload.
pub(super) struct System {
    pub(super) enabled: bool,
    pub(super) detail: InventoryDetail,
}

impl System {
    /// Its UUID in lower case, if it has one.
    fn uuid(&self) -> Option<String> {
        told_uuid(&self.detail.uuid)
    }

    fn path(&self) -> String {
        path_of(&self.detail.uri)
    }

    fn power_controls(&self) -> &[String] {
        let power = self.detail.power.as_ref();
        power.map_or(&[], |power| &power.power_control_ids)
    }
}

/// The systems of a payload with `SchemaVersion` 1.
pub(super) fn from_inventory(details: &[InventoryDetail]) -> Vec<System> {
    let system = |detail: &InventoryDetail| System {
        enabled: true,
        detail: detail.clone(),
    };
    details.iter().map(system).collect()
}

/// The systems behind the BMC `id`, each once, with their xnames.
///
/// # Errors
/// `Invalid` for an ID so long that its nodes have no xnames.
pub(super) fn placed<'a>(
    id: &Xname,
    systems: &'a [System],
    known: &[&ComponentEndpoint],
) -> Result<Vec<(&'a System, Xname)>, Error> {
    places(id, distinct(systems), known)
}

/// The nodes of a BMC, with their NICs.
///
/// Source: SMD's parseRedfishEndpointDataV2.
pub(super) fn components(placed: &[(&System, Xname)], claimed: &mut Claimed) -> Vec<DiscoveredComponent> {
    let one = |(system, node): &(&System, Xname)| DiscoveredComponent {
        component: Some(Component {
            id: node.to_string(),
            state: State::On.into(),
            enabled: Some(system.enabled),
            ..Component::default()
        }),
        endpoint: Some(endpoint(node, system)),
        interfaces: interfaces::stored(node, &system.detail.ethernet_interfaces, claimed),
    };
    placed.iter().map(one).collect()
}

/// Each system once: systems with one UUID are one, and so are those without at one path, because BMCs list a system under its
/// chassis, too. The first stands for all, or the first that tells about its power.
fn distinct(systems: &[System]) -> Vec<&System> {
    let mut found: Vec<&System> = Vec::new();
    let mut places: BTreeMap<(Option<String>, String), usize> = BTreeMap::new();
    for system in systems {
        let key = match (system.uuid(), system.path()) {
            (Some(uuid), _) => (Some(uuid), String::new()),
            (None, path) if path.is_empty() => {
                found.push(system);
                continue;
            }
            (None, path) => (None, path),
        };
        let place = *places.entry(key).or_insert(found.len());
        match found.get_mut(place) {
            None => found.push(system),
            Some(known) if known.power_controls().is_empty() && !system.power_controls().is_empty() => {
                *known = system;
            }
            Some(_) => {}
        }
    }
    found
}

/// The xname of each system: the one that its path names, as `ochami discover static` writes it, or the one it has, by its
/// UUID or else by its path; others get the first free place.
fn places<'a>(
    id: &Xname,
    systems: Vec<&'a System>,
    known: &[&ComponentEndpoint],
) -> Result<Vec<(&'a System, Xname)>, Error> {
    let known = Known::of(known);
    let mut taken: BTreeSet<Xname> = BTreeSet::new();
    let mut nodes: Vec<Option<Xname>> = vec![None; systems.len()];
    for rule in [Known::by_name, Known::by_uuid, Known::by_path] {
        for (system, node) in systems.iter().zip(&mut nodes).filter(|(_, node)| node.is_none()) {
            *node = rule(&known, id, system).filter(|at| !taken.contains(at));
            taken.extend(node.clone());
        }
    }
    let mut numbers = 0..systems.len(); // as many as there are systems: one is left for each that has none
    let mut next = || {
        let found = numbers.by_ref().map(|number| numbered(id, number));
        let mut free = found.filter(|node| node.as_ref().map_or(true, |at| !taken.contains(at)));
        free.next()
            .unwrap_or_else(|| Err(rpc::invalid("ID", format!("no xname is left for a node of {id}"))))
    };
    let nodes = nodes.into_iter().map(|node| node.map_or_else(&mut next, Ok));
    systems
        .into_iter()
        .zip(nodes)
        .map(|(system, node)| Ok((system, node?)))
        .collect()
}

/// The node `number` of a BMC.
fn numbered(id: &Xname, number: usize) -> Result<Xname, Error> {
    let node = format!("{id}n{number}");
    let parsed: Result<Xname, _> = node.parse();
    parsed.map_err(|problem| rpc::invalid("ID", format!("its node would be {node}: {problem}")))
}

/// The systems that are stored already, by what they are recognised by.
struct Known {
    uuids: BTreeMap<String, Xname>,
    paths: BTreeMap<String, Xname>,
}

impl Known {
    fn of(endpoints: &[&ComponentEndpoint]) -> Known {
        let systems = endpoints
            .iter()
            .filter(|endpoint| endpoint.redfish_type == "ComputerSystem");
        let (mut uuids, mut paths) = (BTreeMap::new(), BTreeMap::new());
        for (endpoint, at) in systems.filter_map(|system| Some((system, system.id.parse::<Xname>().ok()?))) {
            if let Some(uuid) = told_uuid(&endpoint.uuid) {
                uuids.entry(uuid).or_insert_with(|| at.clone());
            }
            if !endpoint.odata_id.is_empty() {
                paths.entry(endpoint.odata_id.clone()).or_insert(at);
            }
        }
        Known { uuids, paths }
    }

    /// The node of this BMC whose xname is the last part of the path.
    fn by_name(&self, id: &Xname, system: &System) -> Option<Xname> {
        let path = system.path();
        let name: Xname = path.rsplit('/').next()?.parse().ok()?;
        (name.is_node() && name.parent().as_ref() == Some(id)).then_some(name)
    }

    fn by_uuid(&self, _: &Xname, system: &System) -> Option<Xname> {
        self.uuids.get(&system.uuid()?).cloned()
    }

    fn by_path(&self, _: &Xname, system: &System) -> Option<Xname> {
        self.paths.get(&system.path()).cloned()
    }
}

fn endpoint(node: &Xname, system: &System) -> ComponentEndpoint {
    let (path, detail) = (system.path(), &system.detail);
    let chassis = detail.links.as_ref().and_then(|links| links.chassis.first());
    let chassis = chassis.map(|link| path_of(link));
    let reset = ResetAction {
        allowable_values: texts(&detail.actions),
        action_info: format!("{path}/ResetActionInfo"),
        target: format!("{path}/Actions/ComputerSystem.Reset"),
        title: String::new(),
    };
    ComponentEndpoint {
        id: node.to_string(),
        redfish_type: "ComputerSystem".to_owned(),
        redfish_subtype: text(&detail.system_type),
        uuid: text(&detail.uuid),
        odata_id: path.clone(),
        redfish_url: path.clone(),
        enabled: system.enabled,
        redfish_system_info: Some(RedfishSystemInfo {
            name: text(&detail.name),
            actions: Some(ComputerSystemActions { reset: Some(reset) }),
            ethernet_nic_info: interfaces::listed(&detail.ethernet_interfaces),
            power_url: chassis.as_deref().map(power_url).unwrap_or_default(),
            power_control: chassis
                .map(|chassis| power_controls(system, &path, &chassis))
                .unwrap_or_default(),
        }),
        ..ComponentEndpoint::default()
    }
}

/// HSM takes the last part of the chassis off first, which is right only where the link ends with a slash.
fn power_url(chassis: &str) -> String {
    format!("{}/Power", chassis.trim_end_matches('/'))
}

fn power_controls(system: &System, path: &str, chassis: &str) -> Vec<PowerControl> {
    let resource = |path: &str| RedfishResource {
        odata_id: path.to_owned(),
    };
    let one = |id: &String| {
        let id = path_of(id);
        PowerControl {
            member_id: id.rsplit('/').next().unwrap_or_default().to_owned(),
            odata_id: id,
            name: "System Power Control".to_owned(),
            related_item: vec![resource(path), resource(chassis)],
            ..PowerControl::default()
        }
    };
    system.power_controls().iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::{PayloadLinks, PayloadPower};

    use super::*;

    fn detail(uuid: &str, uri: &str) -> InventoryDetail {
        InventoryDetail {
            uuid: uuid.into(),
            uri: uri.into(),
            ..Default::default()
        }
    }

    fn bmc() -> Xname {
        "x0c0s0b0".parse().unwrap()
    }

    fn found(details: &[InventoryDetail], known: &[&ComponentEndpoint]) -> Vec<DiscoveredComponent> {
        let systems = from_inventory(details);
        components(&placed(&bmc(), &systems, known).unwrap(), &mut Claimed::default())
    }

    /// Xname and UUID of each node.
    fn nodes(details: &[InventoryDetail], known: &[&ComponentEndpoint]) -> Vec<(String, String)> {
        let shown = |found: DiscoveredComponent| {
            let endpoint = found.endpoint.unwrap();
            (endpoint.id, endpoint.uuid)
        };
        found(details, known).into_iter().map(shown).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(id, uuid): &(&str, &str)| ((*id).to_owned(), (*uuid).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_system_that_is_listed_twice_is_one_node_and_those_without_a_uuid_stay_apart() {
        let details = [
            detail("aa", "/redfish/v1/Systems/1"),
            detail("AA", "/redfish/v1/Chassis/1/Systems/1"),
            detail("", "/redfish/v1/Systems/Node0"),
            detail(
                "00000000-0000-0000-0000-000000000000",
                "/redfish/v1/Systems/Node1",
            ),
            detail("", "https://10.0.0.1/redfish/v1/Systems/Node0"),
            detail("", ""),
            detail("", ""),
        ];
        let ids: Vec<String> = nodes(&details, &[]).into_iter().map(|(id, _)| id).collect();
        assert_eq!(
            ids,
            [
                "x0c0s0b0n0",
                "x0c0s0b0n1",
                "x0c0s0b0n2",
                "x0c0s0b0n3",
                "x0c0s0b0n4"
            ]
        );
    }

    /// The order of a BMC's list is not the order of its nodes.
    #[test]
    fn a_known_system_keeps_its_xname() {
        let known: Vec<ComponentEndpoint> = found(
            &[
                detail("aa", "/redfish/v1/Systems/1"),
                detail("bb", "/redfish/v1/Systems/2"),
            ],
            &[],
        )
        .into_iter()
        .filter_map(|found| found.endpoint)
        .collect();
        let known: Vec<&ComponentEndpoint> = known.iter().collect();
        let swapped = [
            detail("bb", "/redfish/v1/Systems/2"),
            detail("aa", "/redfish/v1/Systems/1"),
        ];
        assert_eq!(
            nodes(&swapped, &known),
            pairs(&[("x0c0s0b0n1", "bb"), ("x0c0s0b0n0", "aa")])
        );
        // `ochami discover static` makes new UUIDs each time.
        let renamed = [
            detail("cc", "/redfish/v1/Systems/2"),
            detail("dd", "/redfish/v1/Systems/3"),
        ];
        assert_eq!(
            nodes(&renamed, &known),
            pairs(&[("x0c0s0b0n1", "cc"), ("x0c0s0b0n0", "dd")])
        );
    }

    /// `ochami discover static` sends one PUT for each node of a BMC, with a new UUID.
    #[test]
    fn a_path_that_ends_in_the_xname_of_a_node_of_this_bmc_names_it() {
        let second = [detail("cc", "/redfish/v1/Systems/x0c0s0b0n1")];
        assert_eq!(nodes(&second, &[]), pairs(&[("x0c0s0b0n1", "cc")]));
        let another_bmc = [detail("dd", "/redfish/v1/Systems/x0c0s9b0n1")];
        assert_eq!(nodes(&another_bmc, &[]), pairs(&[("x0c0s0b0n0", "dd")]));
    }

    /// An xname has at most 63 bytes, and a BMC's may have as many digits as fit.
    #[test]
    fn a_bmc_whose_nodes_would_have_no_xname_is_refused() {
        let place = |digits: usize, nodes: usize| {
            let id: Xname = format!("x0c0s{}b0", "1".repeat(digits)).parse().unwrap();
            let details: Vec<_> = (0..nodes)
                .map(|number| detail(&format!("u{number}"), ""))
                .collect();
            let systems = from_inventory(&details);
            placed(&id, &systems, &[]).map(|placed| placed.len())
        };
        assert_eq!(place(54, 10).unwrap(), 10);
        for (digits, nodes) in [(55, 1), (54, 11)] {
            let refused = place(digits, nodes).unwrap_err().to_string();
            assert!(refused.starts_with("ID: its node would be x0c0s1"), "{refused}");
        }
    }

    #[test]
    fn a_node_is_on_and_has_neither_role_nor_flag() {
        let found = found(&[detail("aa", "https://10.0.0.1/redfish/v1/Systems/1")], &[]);
        let component = found[0].component.clone().unwrap();
        assert_eq!((component.state(), component.enabled), (State::On, Some(true)));
        assert_eq!(
            (component.role.as_str(), component.flag, component.nid),
            ("", 0, None)
        );
        let endpoint = found[0].endpoint.clone().unwrap();
        assert_eq!(endpoint.redfish_url, "/redfish/v1/Systems/1");
        let reset = endpoint
            .redfish_system_info
            .unwrap()
            .actions
            .unwrap()
            .reset
            .unwrap();
        assert_eq!(reset.target, "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset");
        assert_eq!(reset.action_info, "/redfish/v1/Systems/1/ResetActionInfo");
    }

    /// The listing under the chassis knows the power controls, the one under Systems does not.
    #[test]
    fn the_listing_that_tells_about_power_stands_for_the_system() {
        let mut with_power = detail("aa", "/redfish/v1/Systems/1");
        with_power.links = Some(PayloadLinks {
            chassis: vec!["/redfish/v1/Chassis/Self".into()],
            managers: Vec::new(),
        });
        with_power.power = Some(PayloadPower {
            power_control_ids: vec!["/redfish/v1/Chassis/Self/Power#/PowerControl/0".into()],
            ..Default::default()
        });
        let found = found(&[detail("aa", "/redfish/v1/Systems/1"), with_power], &[]);
        assert_eq!(found.len(), 1);
        let info = found[0].endpoint.clone().unwrap().redfish_system_info.unwrap();
        assert_eq!(info.power_url, "/redfish/v1/Chassis/Self/Power");
        let control = &info.power_control[0];
        assert_eq!((control.member_id.as_str(), control.related_item.len()), ("0", 2));
    }
}
