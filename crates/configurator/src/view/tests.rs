//! Names as `State::hostname` gives them, and what becomes of bad data.

use std::time::Instant;

use proto::dhcp::v1::DhcpPolicy;
use proto::watch::v1::object::{Kind, Value};

use super::*;
use crate::testing::*;

fn names(inventory: &Inventory) -> Vec<String> {
    View::of(inventory)
        .nodes
        .into_iter()
        .map(|node| node.name)
        .collect()
}

#[test]
fn nodes_are_named_as_dns_names_them_and_sorted_by_place() {
    let view = small();
    let nodes: Vec<_> = view
        .nodes
        .iter()
        .map(|node| (node.xname.as_str(), node.name.as_str()))
        .collect();
    let expected = [
        ("x1000c0s0b0n0", "de0001"),
        ("x1000c0s0b1n0", "login1"),
        ("x1000c0s10b0n0", "de0002"),
    ];
    assert_eq!(nodes, expected);
    assert_eq!((view.cluster.as_str(), view.revision()), ("demo", 42));
}

#[test]
fn a_node_has_what_smd_knows_of_it() {
    let view = small();
    let node = &view.nodes[0];
    assert_eq!(
        (node.state.as_str(), node.flag.as_str(), node.nid),
        ("Ready", "OK", Some(1))
    );
    assert_eq!(
        (node.arch.as_str(), node.class.as_str(), node.enabled),
        ("X86", "River", true)
    );
    assert_eq!(node.groups, ["blue"]);
    assert_eq!(node.bmc.as_deref(), Some("x1000c0s0b0"));
    assert_eq!(node.address(), Some("10.97.2.1".parse().unwrap()));
    assert_eq!(node.boot_interface().unwrap().mac, "02:00:00:00:00:a1");
    assert_eq!(node.boot.as_ref().unwrap().kernel, "http://boot/vmlinuz");
    assert_eq!(view.nodes[1].bmc, None, "nobody knows of its controller");
    assert_eq!(
        (view.nodes[1].address(), view.nodes[1].boot_interface()),
        (None, None)
    );
}

#[test]
fn controllers_have_address_and_nodes() {
    let view = small();
    let bmcs: Vec<_> = view
        .bmcs
        .iter()
        .map(|bmc| (bmc.name.as_str(), bmc.address, bmc.nodes.len()))
        .collect();
    let expected = [
        ("x1000c0s0b0", Some("10.98.2.1".parse().unwrap()), 1),
        ("x1000c0s10b0", Some("10.98.2.2".parse().unwrap()), 1),
    ];
    assert_eq!(bmcs, expected, "an address is no name");
    assert_eq!(view.bmcs[0].mac.as_deref(), Some("02:00:00:00:00:b1"));
    assert_eq!(
        (view.bmcs[0].kind.as_str(), view.bmcs[0].user.as_str()),
        ("NodeBMC", "root")
    );
    let others: Vec<_> = view
        .others
        .iter()
        .map(|other| (other.xname.as_str(), other.kind.as_str()))
        .collect();
    assert_eq!(others, [("x3000c0w14", "MgmtSwitch")]);
}

#[test]
fn groups_have_their_members_in_natural_order() {
    let view = small();
    let blue = &view.groups[0];
    assert_eq!(blue.members, ["x1000c0s0b0n0", "x1000c0s10b0n0"]);
    assert_eq!(blue.member_names, ["de0001", "de0002"]);
    assert_eq!(view.partitions[0].member_names, ["de0001"]);
}

#[test]
fn a_subnet_has_defaults_and_no_address_that_is_none() {
    let view = small();
    let subnet = &view.subnets[0];
    assert_eq!(
        (subnet.cidr.as_str(), subnet.name.as_str()),
        ("10.97.0.0/16", "10-97-0-0-16")
    );
    assert_eq!(subnet.gateway, Some("10.97.0.1".parse().unwrap()));
    assert_eq!(
        (subnet.dns.len(), subnet.lease_seconds, subnet.pools.len()),
        (1, 3600, 1)
    );
}

/// Each code once, whatever a stored object says, as programs refuse a file that says one twice.
#[test]
fn a_subnet_has_its_mtu_and_its_further_options() {
    let option = |code: u32, hex: &str| proto::dhcp::v1::RawOption {
        code,
        hex: hex.to_owned(),
        ..proto::dhcp::v1::RawOption::default()
    };
    let subnet = |mtu: u32| {
        let mut inventory = small_inventory();
        let subnet = proto::dhcp::v1::Subnet {
            network: "10.97.0.0/16".to_owned(),
            mtu,
            options: vec![
                option(150, "0a010001"),
                option(43, "01"),
                option(43, "02"),
                option(6, "0a010001"),
            ],
            ..proto::dhcp::v1::Subnet::default()
        };
        put(
            &mut inventory,
            Kind::Subnet,
            "10.97.0.0/16",
            Value::Subnet(subnet),
        );
        View::of(&inventory).subnets.remove(0)
    };
    let found = subnet(9000);
    let options: Vec<(u8, &str)> = found
        .options
        .iter()
        .map(|option| (option.code, option.hex.as_str()))
        .collect();
    assert_eq!(options, [(43, "01"), (150, "0a010001")]);
    assert_eq!(found.mtu, Some(9000));
    assert_eq!((subnet(0).mtu, subnet(70_000).mtu), (None, None));
}

#[test]
fn a_policys_name_goes_before_the_clusters() {
    let mut inventory = small_inventory();
    put_defaults(&mut inventory, "nid", 6);
    assert_eq!(names(&inventory), ["nid000001", "login1", "nid000002"]);
    let policy = |name: &str, hostname: &str| DhcpPolicy {
        name: name.to_owned(),
        hostname: hostname.to_owned(),
        ..DhcpPolicy::default()
    };
    put_policy(&mut inventory, policy("b", "c{03d}"));
    assert_eq!(names(&inventory), ["c001", "login1", "c002"]);
    let of_blue = DhcpPolicy {
        groups: vec!["blue".to_owned()],
        subnets: vec!["10.97.2.2/32".to_owned()],
        priority: Some(900),
        ..policy("a", "blue-{id}")
    };
    put_policy(&mut inventory, of_blue.clone());
    assert_eq!(names(&inventory), ["c001", "login1", "blue-x1000c0s10b0n0"]);
    put_policy(
        &mut inventory,
        DhcpPolicy {
            continues: true,
            ..of_blue
        },
    );
    assert_eq!(
        names(&inventory),
        ["c001", "login1", "c002"],
        "the last that says something"
    );
    put_policy(
        &mut inventory,
        DhcpPolicy {
            roles: vec!["Service".to_owned()],
            ..policy("b", "s")
        },
    );
    assert_eq!(names(&inventory)[0], "nid000001");
}

#[test]
fn a_name_of_two_nodes_is_the_first_ones_and_the_other_goes_by_its_xname() {
    let mut inventory = small_inventory();
    call(&mut inventory, "x1000c0s0b0n0", "DE0002");
    assert_eq!(names(&inventory), ["de0002", "login1", "x1000c0s10b0n0"]);
    call(&mut inventory, "x1000c0s0b0n0", "x1000c0s10b0n0");
    assert_eq!(names(&inventory), ["x1000c0s0b0n0", "login1", "de0002"]);
    call(&mut inventory, "x1000c0s0b0n0", "ns");
    assert_eq!(names(&inventory)[0], "x1000c0s0b0n0", "`ns` is the servers' own");
}

#[test]
fn a_whole_name_is_cut_to_what_is_before_its_own_domain() {
    let mut inventory = small_inventory();
    call(&mut inventory, "x1000c0s0b0n0", "Head.demo.example");
    call(&mut inventory, "x1000c0s10b0n0", "far.away.example");
    assert_eq!(names(&inventory), ["head", "login1", "far.away.example"]);
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let mut inventory = Inventory::new("bad\nname");
    put_node(&mut inventory, "nonsense", Some(1), "Compute");
    put_node(&mut inventory, "x0c0s0b0n0", None, "a\nb");
    put_interface(
        &mut inventory,
        "zz",
        "x0c0s0b0n0",
        &["", "10.1.2", "10.1.2.3", "10.1.2.3"],
    );
    put_interface(&mut inventory, "020000000001", "", &["10.1.2.4"]);
    put_interface(&mut inventory, "020000000002", "x9c1s9b0n9", &["10.1.2.5"]);
    put_endpoint(&mut inventory, "also nonsense", "a", "b");
    put_group(&mut inventory, "g", &["nonsense", "x0c0s0b0n0", "x0c0s0b0n0"]);
    put_subnet(&mut inventory, "no network", "a b");
    call(&mut inventory, "x0c0s0b0n0", "$(rm -rf /)");
    let view = View::of(&inventory);
    assert_eq!((view.nodes.len(), view.bmcs.len(), view.subnets.len()), (1, 0, 0));
    assert_eq!(view.cluster, "bad name");
    let node = &view.nodes[0];
    assert_eq!((node.name.as_str(), node.role.as_str()), ("x0c0s0b0n0", "a b"));
    assert_eq!(node.interfaces[0].mac, "");
    assert_eq!(node.interfaces[0].addresses.len(), 1);
    assert_eq!(view.groups[0].members, ["x0c0s0b0n0"]);
    assert_eq!(
        (view.others[0].xname.as_str(), view.others[0].kind.as_str()),
        ("x9c1s9b0n9", "Node")
    );
}

#[test]
fn boot_parameters_are_those_that_name_the_node_most_closely() {
    let mut inventory = small_inventory();
    let kernel = |inventory: &Inventory| View::of(inventory).nodes[0].boot.clone().unwrap().kernel;
    for key in ["Default", "Compute", "nid1", "02:00:00:00:00:a1", "x1000c0s0b0n0"] {
        put_boot(&mut inventory, key, key);
        assert_eq!(kernel(&inventory), key);
    }
}

#[test]
fn what_is_removed_is_gone() {
    let mut inventory = small_inventory();
    for kind in Inventory::KINDS {
        for key in [
            "x1000c0s0b0n0",
            "0200000000a1",
            "blue",
            "p1",
            "x1000c0s0b0",
            "Default",
            "10.97.0.0/16",
        ] {
            inventory.remove(*kind, key);
        }
    }
    let view = View::of(&inventory);
    assert_eq!((view.nodes.len(), view.bmcs.len(), view.groups.len()), (2, 2, 1));
    assert_eq!((view.subnets.len(), view.partitions.len()), (1, 0));
    inventory.clear();
    let view = View::of(&inventory);
    assert_eq!(
        (view.nodes.len(), view.revision(), view.cluster.as_str()),
        (0, 0, "demo")
    );
}

/// A bound that a look-up through all of a list would break many times over, in a debug build and on a busy machine, too.
#[test]
fn ten_thousand_nodes_take_no_longer_than_their_number() {
    let inventory = large(10_000);
    let started = Instant::now();
    let view = View::of(&inventory);
    for target in crate::targets() {
        let rendered = crate::render(target, &view, &crate::Options::default());
        assert!(rendered.is_ok() || target.name != "hosts", "{rendered:?}");
    }
    let took = started.elapsed();
    assert_eq!((view.nodes.len(), view.bmcs.len()), (10_000, 10_000));
    assert!(took.as_secs() < 20, "{took:?}");
}
