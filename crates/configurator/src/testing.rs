//! Inventories for tests: a small faithful one, one of bad data, and a large one.

use proto::bss::v1::BootParametersEntry;
use proto::cloud_init::v1::{ClusterDefaults, InstanceInfo};
use proto::dhcp::v1::{AddressPool, DhcpPolicy, Subnet};
use proto::smd::v1::component::{Arch, Class, Flag, State};
use proto::smd::v1::{
    Component, EthernetInterface, Group, GroupMembers, IpAddressMapping, Partition, RedfishEndpoint,
};
use proto::watch::v1::Object;
use proto::watch::v1::object::{Kind, Value};

use crate::{Inventory, View};

pub(crate) fn put(inventory: &mut Inventory, kind: Kind, key: &str, value: Value) {
    inventory.put(Object {
        kind: kind.into(),
        key: key.to_owned(),
        value: Some(value),
    });
}

pub(crate) fn put_node(inventory: &mut Inventory, xname: &str, nid: Option<u64>, role: &str) {
    let component = Component {
        id: xname.to_owned(),
        nid,
        role: role.to_owned(),
        state: State::Ready.into(),
        flag: Flag::Ok.into(),
        arch: Arch::X86.into(),
        class: Class::River.into(),
        enabled: Some(true),
        ..Component::default()
    };
    put(inventory, Kind::Component, xname, Value::Component(component));
}

/// `id` is the MAC without separators.
pub(crate) fn put_interface(inventory: &mut Inventory, id: &str, carrier: &str, addresses: &[&str]) {
    let pairs: Vec<&str> = (0..id.len() / 2)
        .filter_map(|at| id.get(2 * at..2 * at + 2))
        .collect();
    let mapping = |address: &&str| IpAddressMapping {
        ip_address: (*address).to_owned(),
        network: "HMN".to_owned(),
    };
    let interface = EthernetInterface {
        id: id.to_owned(),
        mac_address: pairs.join(":"),
        component_id: carrier.to_owned(),
        ip_addresses: addresses.iter().map(mapping).collect(),
        ..EthernetInterface::default()
    };
    put(
        inventory,
        Kind::EthernetInterface,
        id,
        Value::EthernetInterface(interface),
    );
}

pub(crate) fn put_group(inventory: &mut Inventory, label: &str, members: &[&str]) {
    let group = Group {
        label: label.to_owned(),
        description: format!("group {label}"),
        members: Some(GroupMembers {
            ids: members.iter().map(|id| (*id).to_owned()).collect(),
        }),
        ..Group::default()
    };
    put(inventory, Kind::Group, label, Value::Group(group));
}

pub(crate) fn put_subnet(inventory: &mut Inventory, network: &str, domain: &str) {
    let subnet = Subnet {
        network: network.to_owned(),
        domain: domain.to_owned(),
        routers: vec![network.replace(".0.0/16", ".0.1")],
        dns_servers: vec!["10.97.0.2".to_owned(), "no address".to_owned()],
        pools: vec![AddressPool {
            first: network.replace(".0.0/16", ".250.1"),
            last: network.replace(".0.0/16", ".250.99"),
            ..AddressPool::default()
        }],
        ..Subnet::default()
    };
    put(inventory, Kind::Subnet, network, Value::Subnet(subnet));
}

pub(crate) fn put_endpoint(inventory: &mut Inventory, xname: &str, fqdn: &str, address: &str) {
    let endpoint = RedfishEndpoint {
        id: xname.to_owned(),
        fqdn: fqdn.to_owned(),
        ip_address: address.to_owned(),
        user: "root".to_owned(),
        ..RedfishEndpoint::default()
    };
    put(
        inventory,
        Kind::RedfishEndpoint,
        xname,
        Value::RedfishEndpoint(endpoint),
    );
}

pub(crate) fn call(inventory: &mut Inventory, xname: &str, hostname: &str) {
    let info = InstanceInfo {
        id: xname.to_owned(),
        local_hostname: hostname.to_owned(),
        ..InstanceInfo::default()
    };
    put(inventory, Kind::InstanceInfo, xname, Value::InstanceInfo(info));
}

pub(crate) fn put_policy(inventory: &mut Inventory, policy: DhcpPolicy) {
    let name = policy.name.clone();
    put(inventory, Kind::DhcpPolicy, &name, Value::DhcpPolicy(policy));
}

pub(crate) fn put_boot(inventory: &mut Inventory, key: &str, kernel: &str) {
    let entry = BootParametersEntry {
        key: key.to_owned(),
        kernel: kernel.to_owned(),
        params: "console=ttyS0 quiet".to_owned(),
        ..BootParametersEntry::default()
    };
    put(inventory, Kind::BootParameters, key, Value::BootParameters(entry));
}

pub(crate) fn put_defaults(inventory: &mut Inventory, short_name: &str, digits: u32) {
    let defaults = ClusterDefaults {
        short_name: short_name.to_owned(),
        nid_length: digits,
        ..ClusterDefaults::default()
    };
    put(
        inventory,
        Kind::ClusterDefaults,
        "",
        Value::ClusterDefaults(defaults),
    );
}

/// Two computes and a login node with a controller each but the last; the login node calls itself so and has no address.
pub(crate) fn small_inventory() -> Inventory {
    let mut inventory = Inventory::new("demo");
    inventory.set_revision(42);
    put_node(&mut inventory, "x1000c0s0b0n0", Some(1), "Compute");
    put_node(&mut inventory, "x1000c0s10b0n0", Some(2), "Compute");
    put_node(&mut inventory, "x1000c0s0b1n0", Some(3), "Application");
    put_interface(
        &mut inventory,
        "0200000000a1",
        "x1000c0s0b0n0",
        &["10.97.2.1", "fd00::a1", "fe80::1"],
    );
    put_interface(&mut inventory, "0200000000a2", "x1000c0s10b0n0", &["10.97.2.2"]);
    put_interface(&mut inventory, "0200000000b1", "x1000c0s0b0", &["10.98.2.1"]);
    put_interface(&mut inventory, "0200000000c1", "x3000c0w14", &["10.98.9.1"]);
    put_endpoint(&mut inventory, "x1000c0s0b0", "x1000c0s0b0.bmc.example", "");
    put_endpoint(&mut inventory, "x1000c0s10b0", "10.98.2.2", "");
    put_group(&mut inventory, "blue", &["x1000c0s10b0n0", "x1000c0s0b0n0"]);
    put_group(&mut inventory, "login-nodes", &["x1000c0s0b1n0"]);
    put_subnet(&mut inventory, "10.97.0.0/16", "demo.example");
    put_subnet(&mut inventory, "10.98.0.0/16", "bmc.example");
    call(&mut inventory, "x1000c0s0b1n0", "login1");
    put_boot(&mut inventory, "Default", "http://boot/vmlinuz");
    let partition = Partition {
        name: "p1".to_owned(),
        members: Some(GroupMembers {
            ids: vec!["x1000c0s0b0n0".to_owned()],
        }),
        ..Partition::default()
    };
    put(&mut inventory, Kind::Partition, "p1", Value::Partition(partition));
    inventory
}

pub(crate) fn small() -> View {
    View::of(&small_inventory())
}

/// So many nodes with two interfaces each, a controller, a group of all and groups of 100.
pub(crate) fn large(nodes: usize) -> Inventory {
    let mut inventory = Inventory::new("large");
    put_subnet(&mut inventory, "10.97.0.0/16", "demo.example");
    put_subnet(&mut inventory, "10.98.0.0/16", "bmc.example");
    let mut all = Vec::new();
    for number in 0..nodes {
        let (chassis, slot, low, high) = (number / 8 % 8, number % 8, number % 250 + 1, number / 250);
        let bmc = format!("x{}c{chassis}s{slot}b0", 1000 + number / 64);
        let node = format!("{bmc}n0");
        put_node(&mut inventory, &node, Some(number as u64 + 1), "Compute");
        put_interface(
            &mut inventory,
            &format!("0200{number:08x}"),
            &node,
            &[&format!("10.97.{high}.{low}")],
        );
        put_interface(
            &mut inventory,
            &format!("0201{number:08x}"),
            &node,
            &[&format!("fd00::{number:x}")],
        );
        put_endpoint(&mut inventory, &bmc, &bmc, &format!("10.98.{high}.{low}"));
        all.push(node);
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    put_group(&mut inventory, "everyone", &all);
    for (at, part) in all.chunks(100).enumerate() {
        put_group(&mut inventory, &format!("rack{at}"), part);
    }
    inventory
}

/// The body of the only file of a target.
pub(crate) fn body(target: &str, view: &View, options: &[(&str, &str)]) -> String {
    let files = files(target, view, options).unwrap();
    assert_eq!(files.len(), 1, "{target}");
    files[0].text(view.revision())
}

/// The same without its header, or why there is none.
pub(crate) fn rendered(target: &str, view: &View, options: &[(&str, &str)]) -> Result<String, crate::Error> {
    let files = files(target, view, options)?;
    assert_eq!(files.len(), 1, "{target}");
    Ok(behind_header(&files[0]).to_owned())
}

/// What stands in a file behind its first line.
pub(crate) fn behind_header(file: &crate::File) -> &str {
    let (header, behind) = file.body.split_once('\n').unwrap();
    assert!(header.contains("chamois: cluster "), "{header}");
    behind
}

pub(crate) fn files(
    target: &str,
    view: &View,
    options: &[(&str, &str)],
) -> Result<Vec<crate::File>, crate::Error> {
    let options = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    crate::render(
        crate::target(target).unwrap(),
        view,
        &crate::Options::new(options),
    )
}
