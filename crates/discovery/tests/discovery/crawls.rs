//! Whole trees, from the connection to the payload.

use std::collections::BTreeMap;

use discovery::{Crawled, crawl, firmware, payload};
use model::Xname;
use proto::smd::v1::RedfishEndpointPayload;
use proto::smd::v1::payload_part::Kind;
use redfish::{Connector, Error, Limits, Trust};

use crate::server::Server;
use crate::trees::{self, Tree};

fn bmc() -> Xname {
    "x1000c0s0b0".parse().unwrap()
}

/// What became of a tree, and how often each resource was asked for.
async fn read(tree: &Tree) -> (Crawled, RedfishEndpointPayload, BTreeMap<String, usize>) {
    let server = Server::start(trees::bodies(tree)).await;
    let crawled = crawl(
        &Connector::system(8),
        &server.address,
        None,
        Trust::FirstUse,
        &Limits::default(),
    )
    .await;
    let crawled = crawled.unwrap();
    assert!(
        crawled.inventory.problems.is_empty(),
        "{:?}",
        crawled.inventory.problems
    );
    let told = payload(&crawled.inventory, &bmc(), &server.address, "root");
    assert!(told.parts_are_complete);
    (crawled, told, server.asked())
}

/// Kind, group, place and serial number of each part.
fn parts(told: &RedfishEndpointPayload) -> Vec<(Kind, u32, u32, &str)> {
    let of_systems = told.systems.iter().flat_map(|system| &system.parts);
    of_systems
        .chain(&told.parts)
        .map(|part| (part.kind(), part.group, part.place, part.serial.as_str()))
        .collect()
}

#[tokio::test]
async fn a_rack_server_is_read_whole() {
    let (crawled, told, _) = read(&trees::rack_server()).await;
    let system = &told.systems[0];
    assert_eq!(
        (
            system.serial.as_str(),
            system.processor_count,
            system.memory_total
        ),
        ("MXQ1", 1, 32.0)
    );
    assert_eq!(system.processor_type, "Acme 16-Core Processor");
    assert_eq!(system.actions, ["On", "ForceOff", "GracefulShutdown"]);
    assert_eq!(
        (system.chassis_serial.as_str(), system.chassis_sku.as_str()),
        ("CH1", "P1")
    );
    assert_eq!(system.trusted_modules, ["TPM2_0 73.64"]);
    assert_eq!(
        told.mac_addr, "94:40:c9:37:d3:fc",
        "the manager's NIC at the address"
    );
    assert_eq!(
        parts(&told),
        [
            (Kind::Processor, 0, 0, ""),
            (Kind::Memory, 0, 0, "Sd1"),
            (Kind::Memory, 0, 2, "Sd3"),
            (Kind::PowerSupply, 0, 0, "P0"),
            (Kind::PowerSupply, 0, 1, "P1"),
        ]
    );
    let nodes = [(
        "/redfish/v1/Systems/1".to_owned(),
        "x1000c0s0b0n0".parse().unwrap(),
    )];
    let firmware = firmware(&crawled.inventory, &bmc(), &nodes);
    assert_eq!(
        (firmware.firmware.len(), firmware.systems[0].secure_boot.as_str()),
        (1, "disabled")
    );
    let bios: Vec<&str> = firmware.systems[0]
        .bios
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(bios, ["BootMode", "NumaGroupSize", "Sriov"]);
}

#[tokio::test]
async fn nodes_without_a_uuid_stay_apart_and_one_that_is_listed_twice_is_one() {
    let (_, told, _) = read(&trees::blade()).await;
    let uris: Vec<&str> = told.systems.iter().map(|system| system.uri.as_str()).collect();
    assert_eq!(uris, ["/redfish/v1/Systems/Node0", "/redfish/v1/Systems/Node1"]);
    let nics: Vec<usize> = told
        .systems
        .iter()
        .map(|system| system.ethernet_interfaces.len())
        .collect();
    assert_eq!(nics, [1, 0]);
    let kinds: Vec<Kind> = told.systems[0]
        .parts
        .iter()
        .map(proto::smd::v1::PayloadPart::kind)
        .collect();
    assert_eq!(kinds, [Kind::Processor, Kind::NodeAccel]);
}

#[tokio::test]
async fn newer_places_for_drives_and_power_supplies_are_read() {
    let (_, told, _) = read(&trees::gpu_server()).await;
    assert_eq!(
        parts(&told),
        [
            (Kind::Drive, 0, 1, "B"),
            (Kind::Drive, 1, 0, "C"),
            (Kind::NodeHsnNic, 0, 0, "N1"),
            (Kind::PowerSupply, 0, 0, "W1"),
        ]
    );
}

#[tokio::test]
async fn no_resource_is_read_twice() {
    for tree in trees::all() {
        let (crawled, _, asked) = read(&tree).await;
        let twice: Vec<_> = asked.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        assert_eq!(crawled.requests, asked.values().sum::<usize>() as u64);
    }
}

#[tokio::test]
async fn half_a_tree_is_told_to_be_half() {
    let mut half = trees::rack_server();
    half.remove("/redfish/v1/Systems/1/Memory/d3");
    let server = Server::start(trees::bodies(&half)).await;
    let crawled = crawl(
        &Connector::system(8),
        &server.address,
        None,
        Trust::FirstUse,
        &Limits::default(),
    )
    .await;
    let inventory = crawled.unwrap().inventory;
    assert!(!inventory.problems.is_empty());
    let told = payload(&inventory, &bmc(), &server.address, "root");
    assert!(!told.parts_are_complete && told.systems.len() == 1);
}

#[tokio::test]
async fn what_is_no_bmc_is_an_error_with_a_reason() {
    let page = [("/index.html".to_owned(), b"<html>".to_vec())];
    let server = Server::start(page.into()).await;
    let read = |address: redfish::Address| async move {
        crawl(
            &Connector::system(8),
            &address,
            None,
            Trust::FirstUse,
            &Limits::default(),
        )
        .await
    };
    let error = read(server.address.clone()).await.err().unwrap();
    assert!(matches!(error, Error::NotRedfish { .. }), "{error}");
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let error = read(nobody.parse().unwrap()).await.err().unwrap();
    assert_eq!(error.word(), "unreachable", "{error}");
}
