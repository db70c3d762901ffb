//! Whole trees.

use redfish::{Bmc, Inventory, Limits, Trust, read_inventory};
use serde_json::json;

use crate::server::{Server, connector, limits, login};
use crate::trees::{self, Tree};

async fn opened(server: &Server, limits: &Limits) -> Bmc {
    connector()
        .open(&server.address, login(), Trust::FirstUse, limits)
        .await
        .unwrap()
}

async fn read(tree: Tree) -> (Server, Inventory) {
    let server = Server::start(tree).await;
    let bmc = opened(&server, &limits()).await;
    let inventory = read_inventory(&bmc).await.unwrap();
    assert_eq!(bmc.requests(), server.asked().len() as u64);
    bmc.close().await;
    assert_eq!(server.read_twice(), Vec::<String>::new());
    assert_eq!(server.sessions(), 0);
    (server, inventory)
}

#[tokio::test]
async fn a_rack_server_is_read_whole_and_each_resource_once() {
    let (server, inventory) = read(trees::rack_server()).await;
    assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);
    assert_eq!(inventory.root.vendor, "Maker");
    assert!(inventory.root.expands);
    assert_eq!(
        inventory.simple_update,
        "/redfish/v1/UpdateService/Actions/SimpleUpdate"
    );
    assert_eq!(inventory.event_stream, "/redfish/v1/EventService/SSE");
    assert_eq!(inventory.firmware[0].version, "2.46");
    assert!(inventory.firmware[0].updateable);
    // the root, and what it names and names, without accounts and sessions
    assert_eq!(inventory.resources, trees::rack_server().len() - 4);
    assert!(!server.gets().keys().any(|path| path.contains("Account")));
}

#[tokio::test]
async fn the_system_of_a_rack_server_has_all_its_parts() {
    let (_, inventory) = read(trees::rack_server()).await;
    let [system] = inventory.systems.as_slice() else {
        panic!("{:?}", inventory.systems);
    };
    assert_eq!(system.uri, "/redfish/v1/Systems/1");
    assert_eq!(system.processor_model, "CPU 7302P 16-Core Processor");
    assert_eq!((system.processor_count, system.memory_gib), (Some(1), Some(64.0)));
    assert_eq!(
        system.reset_target,
        "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
    );
    assert_eq!(system.reset_types, ["On", "ForceOff", "GracefulShutdown"]);
    assert_eq!(system.secure_boot, Some(false));
    assert_eq!(system.bios[1], ("Turbo".to_owned(), "Enabled".to_owned()));
    assert_eq!(system.interfaces.len(), 2);
    assert_eq!(
        (system.interfaces[0].ipv4.as_str(), system.interfaces[0].enabled),
        ("", true)
    );
    assert!(!system.interfaces[1].enabled);
    assert_eq!(system.network_interfaces[0].adapter_serial, "N1");
    assert_eq!(
        system.network_interfaces[0].adapter_uri,
        "/redfish/v1/Chassis/1/NetworkAdapters/DE1"
    );
    assert_eq!(
        (system.memory[0].serial.as_str(), system.memory[0].is_absent),
        ("M1", false)
    );
    assert!(system.memory[1].is_absent);
    assert_eq!(system.processors[0].details["TotalCores"], 16);
    assert_eq!(system.drives[0].serial, "D1");
    // devices stand in the chassis that only this system is in
    assert_eq!(system.pcie_devices[0].serial, "N1");
    assert!(system.accelerators.is_empty());
    assert_eq!(
        system.power_controls,
        ["/redfish/v1/Chassis/1/Power#PowerControl/0"]
    );
}

#[tokio::test]
async fn manager_and_chassis_of_a_rack_server_are_read() {
    let (_, inventory) = read(trees::rack_server()).await;
    let (manager, chassis) = (&inventory.managers[0], &inventory.chassis[0]);
    assert_eq!((manager.model.as_str(), manager.ssh_port), ("BMC 5", Some(22)));
    assert_eq!(manager.serial_console, ["SSH", "IPMI"]);
    assert_eq!(manager.reset_types, ["ForceRestart"]);
    assert_eq!(manager.interfaces[0].ipv4, "10.1.0.7");
    assert_eq!(chassis.systems, ["/redfish/v1/Systems/1"]);
    assert_eq!(chassis.power_supplies[0].details["PowerCapacityWatts"], 500);
}

#[tokio::test]
async fn two_nodes_behind_one_bmc_keep_their_order_and_their_parts() {
    let (_, inventory) = read(trees::blade()).await;
    assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);
    let ids: Vec<&str> = inventory
        .systems
        .iter()
        .map(|system| system.id.as_str())
        .collect();
    assert_eq!(ids, ["Node0", "Node1"]);
    for system in &inventory.systems {
        assert_eq!(system.reset_types, ["On", "Off", "ForceOff"]);
        assert_eq!(system.bios, [("Boost".to_owned(), "Auto".to_owned())]);
        assert_eq!((system.processors.len(), system.accelerators.len()), (1, 1));
        // it names no chassis and no interfaces: the adapters are those of the chassis that has its id
        assert_eq!(
            system.network_interfaces[0].adapter_serial,
            format!("H-{}", system.id)
        );
    }
    assert_eq!(inventory.chassis.len(), 3);
}

#[tokio::test]
async fn what_stands_inside_other_resources_is_found_there() {
    let (server, inventory) = read(trees::small_board()).await;
    assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);
    let system = &inventory.systems[0];
    assert_eq!((system.serial.as_str(), system.power_state.as_str()), ("42", ""));
    assert_eq!(system.memory[0].serial, "M1");
    assert!(!server.gets().contains_key("/redfish/v1/Systems/Self/Memory"));
    assert_eq!((system.drives.len(), system.drives[1].is_absent), (2, true));
    assert_eq!(system.pcie_devices.len(), 2);
    assert_eq!(system.accelerators[0].serial, "G1");
    assert_eq!(system.accelerators.len(), 1);
    assert_eq!(
        (system.console.ssh.enabled, system.console.ssh.port),
        (true, Some(2200))
    );
}

#[tokio::test]
async fn a_chassis_manager_has_no_systems_and_no_problems() {
    let (_, inventory) = read(trees::chassis_manager()).await;
    assert_eq!((inventory.systems.len(), inventory.problems.len()), (0, 0));
    assert_eq!((inventory.managers.len(), inventory.chassis.len()), (1, 3));
}

/// Such parts have the path of the resource that they stand in, all of them, and some have no id of their own.
#[tokio::test]
async fn parts_that_are_told_apart_by_a_fragment_are_several() {
    let mut tree = trees::rack_server();
    let power = tree
        .iter_mut()
        .find(|(_, value)| value.get("PowerSupplies").is_some());
    let (uri, power) = power.unwrap();
    let link = |place: u32| format!("{uri}#/PowerSupplies/{place}");
    power["PowerSupplies"] = json!([
        {"@odata.id": link(300), "Name": "Rectifier 1", "SerialNumber": "P1"},
        {"@odata.id": link(500), "Name": "Rectifier 3", "SerialNumber": "P3"},
        {"@odata.id": link(300), "Name": "Rectifier 1", "SerialNumber": "P1"},
    ]);
    let (_, inventory) = read(tree).await;
    assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);
    let supplies = inventory
        .chassis
        .iter()
        .flat_map(|chassis| &chassis.power_supplies);
    let serials: Vec<&str> = supplies.map(|supply| supply.serial.as_str()).collect();
    assert_eq!(serials, ["P1", "P3"]);
}

#[tokio::test]
async fn one_reading_is_as_the_other() {
    let (_, first) = read(trees::rack_server()).await;
    let (_, second) = read(trees::rack_server()).await;
    assert_eq!(first, second);
}

/// Members that come along with their collection are not asked for again.
#[tokio::test]
async fn expansion_saves_requests_and_changes_nothing() {
    let (plain_server, plain) = read(trees::rack_server()).await;
    let server = Server::start(trees::rack_server()).await;
    server.expand();
    let bmc = opened(&server, &limits()).await;
    let expanded = read_inventory(&bmc).await.unwrap();
    assert_eq!(expanded, plain);
    let (few, many) = (server.gets().len(), plain_server.gets().len());
    assert!(few + 8 <= many, "{few} requests instead of {many}");
    assert_eq!(server.read_twice(), Vec::<String>::new());
}

/// A BMC that offers expansion and cannot do it is asked without from then on.
#[tokio::test]
async fn expansion_that_fails_is_given_up() {
    let mut tree = trees::rack_server();
    tree.get_mut("/redfish/v1").unwrap()["ProtocolFeaturesSupported"]["ExpandQuery"]["ExpandAll"] =
        json!(true);
    let server = Server::start(tree).await;
    let bmc = opened(&server, &limits()).await;
    let inventory = read_inventory(&bmc).await.unwrap();
    assert_eq!((inventory.systems.len(), inventory.problems.len()), (1, 0));
    let queries = server
        .gets()
        .keys()
        .filter(|path| path.contains("$expand=*"))
        .count();
    assert!((1..=5).contains(&queries), "{queries}");
}

#[tokio::test]
async fn a_collection_in_pages_is_read_through_them() {
    let mut tree = trees::rack_server();
    let memory = "/redfish/v1/Systems/1/Memory";
    let page =
        |uri: &str, next: &str| json!({"Members": [{"@odata.id": uri}], "Members@odata.nextLink": next});
    tree.insert(
        memory.to_owned(),
        page("/redfish/v1/Systems/1/Memory/d1", "/redfish/v1/Systems/1/More"),
    );
    tree.insert(
        "/redfish/v1/Systems/1/More".to_owned(),
        // the last page leads back to the first
        page("/redfish/v1/Systems/1/Memory/d2", memory),
    );
    let (_, inventory) = read(tree).await;
    assert_eq!(inventory.systems[0].memory.len(), 2);
    assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);
}

#[tokio::test]
async fn one_system_under_two_uris_is_one() {
    let mut tree = trees::rack_server();
    let twin = tree["/redfish/v1/Systems/1"].clone();
    tree.insert("/redfish/v1/Systems/Self".to_owned(), twin);
    tree.get_mut("/redfish/v1/Systems").unwrap()["Members"] = json!([
        {"@odata.id": "/redfish/v1/Systems/1"}, {"@odata.id": "/redfish/v1/Systems/1/"},
        {"@odata.id": "/redfish/v1/Systems/Self"},
    ]);
    let (_, inventory) = read(tree).await;
    assert_eq!(inventory.systems.len(), 1);
    assert_eq!(inventory.systems[0].uri, "/redfish/v1/Systems/1");
}

#[tokio::test]
async fn no_more_connections_than_requests_in_flight() {
    let server = Server::start(trees::rack_server()).await;
    let limits = Limits {
        requests_in_flight: 3,
        ..limits()
    };
    let bmc = opened(&server, &limits).await;
    read_inventory(&bmc).await.unwrap();
    assert!(server.connections() <= 3, "{}", server.connections());
}
