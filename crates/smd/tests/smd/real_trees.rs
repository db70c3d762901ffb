//! The Redfish trees of real BMCs, sent as Magellan would send them, become correct inventory. The trees are not part of this
//! repository: where they are not beside it, this is skipped, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{admin, endpoints};
use proto::smd::v1::component::State;
use proto::smd::v1::redfish_endpoint_service_server::RedfishEndpointService as _;
use proto::smd::v1::{
    InventoryDetail, PayloadInterface, PayloadLinks, PayloadManager, PayloadPower, RedfishEndpointPayload,
};
use serde_json::Value;

/// Archive, xname of its BMC, nodes, and the MACs with their addresses and carriers, sorted.
type Expected = (
    &'static str,
    &'static str,
    usize,
    &'static [(&'static str, &'static str, &'static str)],
);

const TREES: [Expected; 8] = [
    ("CMM", "x1000c0b0", 0, &[]),
    (
        "DL325",
        "x1000c0s0b0",
        1,
        &[
            ("14:02:ec:d9:3a:a0", "", "x1000c0s0b0n0"),
            ("14:02:ec:d9:3a:a1", "", "x1000c0s0b0n0"),
            ("94:40:c9:37:d3:fc", "10.254.1.15", "x1000c0s0b0"),
            ("94:40:c9:37:d3:fd", "", "x1000c0s0b0"),
            ("94:40:c9:5c:86:bc", "", "x1000c0s0b0n0"),
            ("94:40:c9:5c:86:bd", "", "x1000c0s0b0n0"),
        ],
    ),
    (
        "EX235a",
        "x1000c0s1b0",
        1,
        &[("00:40:a6:83:3a:52", "", "x1000c0s1b0n0")],
    ),
    (
        "EX425",
        "x1000c0s2b0",
        2,
        &[
            ("00:40:a6:83:52:5f", "", "x1000c0s2b0n0"),
            ("00:40:a6:83:52:60", "", "x1000c0s2b0n1"),
        ],
    ),
    (
        "Gigabyte",
        "x1000c0s3b0",
        1,
        &[
            ("b4:2e:99:ba:de:15", "", "x1000c0s3b0n0"),
            ("b4:2e:99:ba:de:16", "", "x1000c0s3b0n0"),
            ("b4:2e:99:ba:de:17", "10.254.1.32", "x1000c0s3b0"),
        ],
    ),
    (
        "Intel",
        "x1000c0s4b0",
        1,
        &[
            ("a4:bf:01:28:90:aa", "", "x1000c0s4b0"),
            ("a4:bf:01:28:90:ab", "", "x1000c0s4b0"),
            ("a4:bf:01:28:90:ac", "10.254.1.23", "x1000c0s4b0"),
        ],
    ),
    (
        "OpenBMC-stock",
        "x1000c0s5b0",
        1,
        &[("ae:0d:e8:39:69:bb", "10.0.2.15", "x1000c0s5b0")],
    ),
    (
        "public-rackmount1",
        "x1000c0s6b0",
        1,
        &[
            ("12:44:6a:3b:04:11", "", "x1000c0s6b0n0"),
            ("23:11:8a:33:cf:ea", "192.168.0.10", "x1000c0s6b0"),
            ("aa:bb:cc:dd:ee:00", "192.168.0.11", "x1000c0s6b0n0"),
        ],
    ),
];

/// A tree, unpacked.
struct Tree(PathBuf);

impl Tree {
    fn get(&self, uri: &str) -> Option<Value> {
        let path = uri.trim_start_matches("/redfish/v1").trim_matches('/');
        let text = std::fs::read(self.0.join(path).join("index.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn members(&self, collection: &str) -> Vec<Value> {
        let collection = self.get(collection).unwrap_or_default();
        let members = collection["Members"].as_array().cloned().unwrap_or_default();
        members
            .iter()
            .filter_map(|member| self.get(&text(&member["@odata.id"])))
            .collect()
    }

    fn interfaces(&self, of: &Value) -> Vec<PayloadInterface> {
        let one = |nic: &Value| PayloadInterface {
            uri: format!("https://bmc{}", text(&nic["@odata.id"])),
            mac: text(&nic["MACAddress"]),
            ip: text(&nic["IPv4Addresses"][0]["Address"]),
            name: text(&nic["Name"]),
            description: text(&nic["Description"]),
            enabled: nic["InterfaceEnabled"].as_bool().unwrap_or_default(),
        };
        let collection = text(&of["EthernetInterfaces"]["@odata.id"]);
        self.members(&collection).iter().map(one).collect()
    }

    /// What `magellan collect` makes of the tree: systems are found under their chassis and under Systems.
    fn payload(&self, id: &str) -> RedfishEndpointPayload {
        let chassis = self.members("/redfish/v1/Chassis");
        let below_chassis = chassis.iter().flat_map(|chassis| {
            let systems = chassis["Links"]["ComputerSystems"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let systems = systems
                .into_iter()
                .filter_map(|link| self.get(&text(&link["@odata.id"])));
            systems
                .map(|system| self.system(&system, Some(chassis)))
                .collect::<Vec<_>>()
        });
        let systems = self.members("/redfish/v1/Systems");
        let systems = below_chassis.chain(systems.iter().map(|system| self.system(system, None)));
        let managers = self.members("/redfish/v1/Managers");
        RedfishEndpointPayload {
            id: id.to_owned(),
            fqdn: format!("{id}.lab"),
            user: "root".to_owned(),
            mac_required: Some(true),
            schema_version: 1,
            systems: systems.collect(),
            managers: managers.iter().map(|manager| self.manager(manager)).collect(),
            ..RedfishEndpointPayload::default()
        }
    }

    fn system(&self, system: &Value, chassis: Option<&Value>) -> InventoryDetail {
        let chassis_path = chassis.map(|chassis| text(&chassis["@odata.id"]));
        let power = chassis.and_then(|chassis| self.get(&text(&chassis["Power"]["@odata.id"])));
        let controls = power
            .map(|power| power["PowerControl"].clone())
            .unwrap_or_default();
        let controls = controls.as_array().cloned().unwrap_or_default();
        let reset = &system["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"];
        InventoryDetail {
            uri: format!("https://bmc/redfish/v1/Systems/{}", text(&system["Id"])),
            uuid: text(&system["UUID"]),
            name: text(&system["Name"]),
            system_type: text(&system["SystemType"]),
            manufacturer: text(&system["Manufacturer"]),
            model: text(&system["Model"]),
            serial: text(&system["SerialNumber"]),
            actions: texts(reset),
            power: Some(PayloadPower {
                state: text(&system["PowerState"]),
                power_control_ids: controls
                    .iter()
                    .map(|control| text(&control["@odata.id"]))
                    .collect(),
                ..PayloadPower::default()
            }),
            links: chassis_path.map(|path| PayloadLinks {
                chassis: vec![path],
                managers: Vec::new(),
            }),
            ethernet_interfaces: self.interfaces(system),
            ..InventoryDetail::default()
        }
    }

    fn manager(&self, manager: &Value) -> PayloadManager {
        let mut ethernet_interfaces = self.interfaces(manager);
        ethernet_interfaces.retain(|nic| !nic.ip.is_empty()); // Magellan leaves them out
        PayloadManager {
            uri: format!("https://bmc/redfish/v1/Managers/{}", text(&manager["Id"])),
            uuid: text(&manager["UUID"]),
            name: text(&manager["Name"]),
            r#type: text(&manager["ManagerType"]),
            firmware_version: text(&manager["FirmwareVersion"]),
            actions: texts(&manager["Actions"]["#Manager.Reset"]["ResetType@Redfish.AllowableValues"]),
            ethernet_interfaces,
            ..PayloadManager::default()
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map_or_else(Vec::new, |values| values.iter().map(text).collect())
}

/// The trees, unpacked below `into`; `None` where they are not.
fn trees(into: &Path) -> Option<Vec<(Expected, Tree)>> {
    let archives = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/redfish");
    if !archives.is_dir() {
        eprintln!("SKIPPED: there are no Redfish trees in {}", archives.display());
        return None;
    }
    let unpack = |expected: Expected| {
        let archive = archives.join(format!("{}.tar.gz", expected.0));
        let tar = Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(into)
            .status();
        assert!(tar.unwrap().success(), "{}", archive.display());
        (expected, Tree(into.join(expected.0)))
    };
    Some(TREES.map(unpack).into())
}

/// Model and serial number of each node below `id`, as the hardware inventory has them.
fn hardware(state: &state::State, id: &str) -> BTreeSet<(String, String)> {
    let nodes = state.smd.components().filter(|found| found.r#type == "Node");
    let nodes = nodes.filter(|node| node.id.starts_with(id));
    let unit = |node: &std::sync::Arc<proto::smd::v1::Component>| {
        let place = state.smd.hardware_location(&node.id.parse().unwrap()).unwrap();
        let unit = state.smd.hardware_fru(&place.fru_id).unwrap();
        let info: Value = serde_json::from_str(&unit.info).unwrap();
        (text(&info["Model"]), text(&info["SerialNumber"]))
    };
    nodes.map(unit).collect()
}

/// The same as the payload tells them.
fn told(payload: &RedfishEndpointPayload) -> BTreeSet<(String, String)> {
    let systems = payload.systems.iter();
    systems
        .map(|system| (system.model.clone(), system.serial.clone()))
        .collect()
}

#[tokio::test]
async fn real_trees_become_correct_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let Some(trees) = trees(folder.path()) else { return };
    let (store, service) = endpoints();
    for ((name, id, nodes, macs), tree) in &trees {
        let posted = service.create_redfish_endpoints(admin(tree.payload(id))).await;
        assert_eq!(posted.unwrap().get_ref().uris.len(), 1, "{name}");
        let state = store.state();
        let below = |id_of: &str, id: &str| {
            id_of
                .strip_prefix(id)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('n'))
        };
        let found: Vec<_> = state
            .smd
            .components()
            .filter(|found| below(&found.id, id))
            .collect();
        assert_eq!(found.len(), nodes + 1, "{name}: {found:?}");
        for node in found.iter().filter(|found| found.r#type == "Node") {
            assert_eq!(
                (node.state(), node.enabled, node.role.as_str()),
                (State::On, Some(true), ""),
                "{name}"
            );
        }
        assert_eq!(hardware(&state, id), told(&tree.payload(id)), "{name}");
        let behind = state.smd.component_endpoints_of(&id.parse().unwrap()).count();
        assert_eq!(behind, nodes + 1, "{name}");
        let nics: Vec<(String, String, String)> = state
            .smd
            .interfaces()
            .filter(|nic| below(&nic.component_id, id))
            .map(|nic| {
                let address = nic.ip_addresses.first().map(|mapping| mapping.ip_address.clone());
                (
                    nic.mac_address.clone(),
                    address.unwrap_or_default(),
                    nic.component_id.clone(),
                )
            })
            .collect();
        let expected: Vec<_> = macs
            .iter()
            .map(|(mac, ip, owner)| ((*mac).to_owned(), (*ip).to_owned(), (*owner).to_owned()))
            .collect();
        assert_eq!(nics, expected, "{name}");
    }
    let nids: Vec<u64> = store
        .state()
        .smd
        .components()
        .filter_map(|component| component.nid)
        .collect();
    assert_eq!(nids.iter().collect::<BTreeSet<_>>().len(), 8, "{nids:?}");
}

/// What is sent again changes nothing, in whatever order a BMC lists its systems.
#[tokio::test]
async fn real_trees_that_are_sent_again_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(trees) = trees(folder.path()) else { return };
    let (store, service) = endpoints();
    let mut before = BTreeMap::new();
    for round in 0..3 {
        for ((name, id, ..), tree) in &trees {
            let mut payload = tree.payload(id);
            if round == 2 {
                payload.systems.reverse();
            }
            service.update_redfish_endpoint(admin(payload)).await.unwrap();
            let place = id.parse().unwrap();
            let behind = store
                .state()
                .smd
                .component_endpoints_of(&place)
                .cloned()
                .collect::<Vec<_>>();
            let known = before.entry(*name).or_insert_with(|| behind.clone());
            assert_eq!(*known, behind, "{name}, round {round}");
        }
    }
}
