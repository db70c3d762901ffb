//! A whole tree as `magellan collect` would write it, byte by byte.

use discovery::magellan::{Format, read_collection, write_collection};
use discovery::{crawl, payload};
use redfish::{Address, Connector, Limits, Trust};

use crate::server::Server;
use crate::trees;

const GOLDEN: &str = include_str!("golden/rack_server.json");

#[tokio::test]
async fn a_rack_server_is_collected_as_magellan_does() {
    let server = Server::start(trees::bodies(&trees::rack_server())).await;
    let crawled = crawl(
        &Connector::system(8),
        &server.address,
        None,
        Trust::FirstUse,
        &Limits::default(),
    )
    .await;
    let mut inventory = crawled.unwrap().inventory;
    // the server's port is another one each time: the tree is told to be elsewhere
    inventory.managers[0].interfaces[0].ipv4 = "10.254.1.15".to_owned();
    let address: Address = "10.254.1.15".parse().unwrap();
    let told = payload(&inventory, &"x1000c0s0b0".parse().unwrap(), &address, "root");
    let written = write_collection(&[(told, address)], Format::Json);
    assert_eq!(written, GOLDEN.trim_end(), "{written}");
    assert_eq!(read_collection(GOLDEN).unwrap().len(), 1);
}
