//! Ethernet interfaces: creation, changes, and the rule that an address has one owner.

use std::net::IpAddr;

use model::{MacAddr, Rejection, Xname};
use proto::smd::v1::smd_command::{
    CreateEthernetInterface, DeleteEthernetInterfaces, IpAddresses, PatchEthernetInterface,
};
use proto::smd::v1::{EthernetInterface, IpAddressMapping};

use crate::support::{Log, START_TEXT};

pub const MAC: &str = "02:00:00:00:00:a1";
pub const ID: &str = "0200000000a1";

pub fn mapping(ip: &str, network: &str) -> IpAddressMapping {
    IpAddressMapping {
        ip_address: ip.into(),
        network: network.into(),
    }
}

pub fn create(mac: &str, component: &str, ips: &[&str]) -> CreateEthernetInterface {
    let interface = EthernetInterface {
        mac_address: mac.into(),
        component_id: component.into(),
        ip_addresses: ips.iter().map(|ip| mapping(ip, "")).collect(),
        ..Default::default()
    };
    CreateEthernetInterface {
        interface: Some(interface),
    }
}

pub fn interface(log: &Log, mac: &str) -> EthernetInterface {
    log.state
        .smd
        .interface(&mac.parse::<MacAddr>().unwrap())
        .unwrap()
        .as_ref()
        .clone()
}

fn patch(change: PatchEthernetInterface) -> PatchEthernetInterface {
    PatchEthernetInterface {
        id: ID.into(),
        ..change
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_interface_is_normalised_and_derives_what_it_can() {
    let mut log = Log::new();
    let applied = log.ok(create("02-00-00-00-00-A1", "X0c0s00b0n0", &["::ffff:10.97.0.17"]));
    assert_eq!(applied.created, [ID]);
    let expected = EthernetInterface {
        id: ID.into(),
        description: String::new(),
        mac_address: MAC.into(),
        last_update: START_TEXT.into(),
        component_id: "x0c0s0b0n0".into(),
        r#type: "Node".into(),
        ip_addresses: vec![mapping("10.97.0.17", "")],
        meta: log.created(),
    };
    assert_eq!(interface(&log, MAC), expected);
}

/// ochami posts interfaces before components, and some of no component at all.
#[test]
fn neither_component_nor_address_is_needed() {
    let mut log = Log::new();
    log.ok(create(MAC, "", &[]));
    let stored = interface(&log, MAC);
    assert_eq!((stored.component_id.as_str(), stored.r#type.as_str()), ("", ""));
}

#[test]
fn interfaces_are_found_by_mac_address_and_component() {
    let mut log = Log::new();
    log.ok(create(
        "02:00:00:00:00:b2",
        "x0c0s0b0n0",
        &["10.97.0.18", "fd00::12"],
    ));
    log.ok(create(MAC, "x0c0s0b0n0", &["10.97.0.17"]));
    log.ok(create("02:00:00:00:00:c3", "x0c0s1b0n0", &[]));
    let smd = &log.state.smd;
    assert_eq!(smd.interface_by_ip(ip("10.97.0.17")).unwrap().id, ID);
    assert_eq!(
        smd.interface_by_ip(ip("::ffff:10.97.0.17")).unwrap().id,
        ID,
        "a dual-stack socket sees it so"
    );
    assert_eq!(smd.interface_by_ip(ip("fd00::12")).unwrap().id, "0200000000b2");
    assert_eq!(smd.interface_by_ip(ip("10.97.0.19")), None);
    let of: Vec<_> = smd
        .interfaces_of(&"x0c0s0b0n0".parse::<Xname>().unwrap())
        .map(|i| i.id.as_str())
        .collect();
    assert_eq!(of, [ID, "0200000000b2"]);
    assert_eq!(smd.interfaces_of(&"x0c0s9b0n0".parse().unwrap()).count(), 0);
    assert_eq!(smd.interfaces().count(), 3);
}

#[test]
fn a_mac_has_one_owner() {
    let mut log = Log::new();
    log.ok(create(MAC, "x0c0s0b0n0", &[]));
    let rejection = log.refused(create("0200000000A1", "x0c0s1b0n0", &[]));
    assert!(
        matches!(&rejection, Rejection::AlreadyExists { id, .. } if id == ID),
        "{rejection}"
    );
    assert!(rejection.to_string().contains("x0c0s0b0n0"), "{rejection}");
}

#[test]
fn an_address_has_one_owner_per_network_and_a_conflict_names_both() {
    let mut log = Log::new();
    log.ok(create(MAC, "x0c0s0b0n0", &["10.97.0.17"]));
    let rejection = log.refused(create(
        "02:00:00:00:00:b2",
        "x0c0s1b0n0",
        &["10.97.0.18", "10.97.0.17"],
    ));
    let Rejection::Conflict { detail } = &rejection else {
        panic!("{rejection}")
    };
    for name in ["10.97.0.17", ID, "x0c0s0b0n0", "0200000000b2", "x0c0s1b0n0"] {
        assert!(detail.contains(name), "{name} is missing in: {detail}");
    }
    assert_eq!(
        log.state.smd.interface_by_ip(ip("10.97.0.18")),
        None,
        "all or nothing"
    );
}

/// Two networks may use the same addresses. Then an address alone names nobody: no node may be given another's data.
#[test]
fn an_address_in_two_networks_identifies_nobody() {
    let mut log = Log::new();
    let create = |mac: &str, network| CreateEthernetInterface {
        interface: Some(EthernetInterface {
            mac_address: mac.into(),
            ip_addresses: vec![mapping("10.97.0.17", network)],
            ..Default::default()
        }),
    };
    log.ok(create(MAC, "blue"));
    assert_eq!(log.state.smd.interface_by_ip(ip("10.97.0.17")).unwrap().id, ID);
    log.ok(create("02:00:00:00:00:b2", "green"));
    assert_eq!(log.state.smd.interface_by_ip(ip("10.97.0.17")), None);
    log.ok(DeleteEthernetInterfaces {
        ids: vec![ID.into()],
        all: false,
        ..Default::default()
    });
    assert_eq!(
        log.state.smd.interface_by_ip(ip("10.97.0.17")).unwrap().id,
        "0200000000b2"
    );
}

#[test]
fn a_patch_changes_what_it_names() {
    let mut log = Log::new();
    log.ok(create(MAC, "x0c0s0b0n0", &["10.97.0.17"]));
    let before = interface(&log, MAC);
    log.now_ms += 60_000;
    let change = PatchEthernetInterface {
        description: Some("boot NIC".into()),
        ..Default::default()
    };
    assert_eq!(log.ok(patch(change)).updated, [ID]);
    let described = interface(&log, MAC);
    assert_eq!(
        (described.description.as_str(), &described.ip_addresses),
        ("boot NIC", &before.ip_addresses)
    );
    assert_eq!(
        described.last_update, before.last_update,
        "it tells of addresses and components only"
    );
    assert_eq!(described.meta.unwrap().modified, Some(log.last_change()));

    let change = PatchEthernetInterface {
        component_id: Some("x0c0s1b0".into()),
        ..Default::default()
    };
    log.ok(patch(change));
    let moved = interface(&log, MAC);
    assert_eq!(
        (moved.component_id.as_str(), moved.r#type.as_str()),
        ("x0c0s1b0", "NodeBMC")
    );
    assert_eq!(moved.last_update, "2025-11-25T07:36:44.123Z");
    assert_eq!(
        log.state
            .smd
            .interfaces_of(&"x0c0s0b0n0".parse().unwrap())
            .count(),
        0
    );

    let addresses = Some(IpAddresses {
        items: vec![mapping("10.97.0.18", "blue")],
    });
    log.ok(patch(PatchEthernetInterface {
        ip_addresses: addresses,
        ..Default::default()
    }));
    assert_eq!(log.state.smd.interface_by_ip(ip("10.97.0.17")), None);
    assert_eq!(log.state.smd.interface_by_ip(ip("10.97.0.18")).unwrap().id, ID);
}

#[test]
fn a_patch_that_changes_nothing_leaves_the_revision() {
    let mut log = Log::new();
    log.ok(create(MAC, "x0c0s0b0n0", &["10.97.0.17"]));
    let before = interface(&log, MAC);
    log.now_ms += 1;
    let same = PatchEthernetInterface {
        component_id: Some("x0c0s0b0n0".into()),
        description: Some(String::new()),
        ip_addresses: Some(IpAddresses {
            items: vec![mapping("10.97.0.17", "")],
        }),
        ..Default::default()
    };
    assert_eq!(log.ok(patch(same)).unchanged, [ID]);
    assert_eq!(log.ok(patch(PatchEthernetInterface::default())).unchanged, [ID]);
    assert_eq!(interface(&log, MAC), before);
}

/// An interface may keep its own address when its list is replaced, but not take another's.
#[test]
fn a_patch_may_not_take_anothers_address() {
    let mut log = Log::new();
    log.ok(create(MAC, "x0c0s0b0n0", &["10.97.0.17"]));
    log.ok(create("02:00:00:00:00:b2", "x0c0s1b0n0", &["10.97.0.18"]));
    let list = |ips: &[&str]| {
        let items = ips.iter().map(|ip| mapping(ip, "")).collect();
        patch(PatchEthernetInterface {
            ip_addresses: Some(IpAddresses { items }),
            ..Default::default()
        })
    };
    log.ok(list(&["10.97.0.17", "10.97.0.19"]));
    assert!(matches!(
        log.refused(list(&["10.97.0.18"])),
        Rejection::Conflict { .. }
    ));
    assert_eq!(interface(&log, MAC).ip_addresses.len(), 2);
}

#[test]
fn deletion_is_all_or_nothing() {
    let mut log = Log::new();
    log.ok(create(MAC, "x0c0s0b0n0", &["10.97.0.17"]));
    log.ok(create("02:00:00:00:00:b2", "", &[]));
    let ids = |ids: &[&str]| DeleteEthernetInterfaces {
        ids: ids.iter().map(|&id| id.into()).collect(),
        all: false,
        ..Default::default()
    };
    let rejection = log.refused(ids(&[ID, "0200000000ff"]));
    assert_eq!(
        rejection,
        Rejection::NotFound {
            kind: "ethernet interface".into(),
            id: "0200000000ff".into()
        }
    );
    assert_eq!(log.ok(ids(&[MAC])).deleted, [ID]);
    assert_eq!(log.state.smd.interface_by_ip(ip("10.97.0.17")), None);
    assert_eq!(
        log.state
            .smd
            .interfaces_of(&"x0c0s0b0n0".parse().unwrap())
            .count(),
        0
    );
    let all = DeleteEthernetInterfaces {
        all: true,
        ..Default::default()
    };
    assert_eq!(log.ok(all.clone()).deleted, ["0200000000b2"]);
    assert!(matches!(log.refused(all), Rejection::NotFound { .. }));
}

#[test]
fn wrong_interfaces_name_their_field() {
    let mut log = Log::new();
    let many: Vec<String> = (0..65).map(|n| format!("10.97.1.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut described = create(MAC, "", &[]);
    described.interface.as_mut().unwrap().description = "x".repeat(1025);
    let cases = [
        (create("02:00", "", &[]), "mac_address"),
        (create(MAC, "node1", &[]), "component_id"),
        (create(MAC, "", &["10.97.0"]), "ip_address"),
        (create(MAC, "", &[""]), "ip_address"),
        (create(MAC, "", &["10.97.0.1", "10.97.0.1"]), "ip_addresses"),
        (create(MAC, "", &many), "ip_addresses"),
        (described, "description"),
        (CreateEthernetInterface { interface: None }, "interface"),
    ];
    for (command, field) in cases {
        assert_eq!(log.invalid(command).0, field);
    }
    let unknown = log.refused(patch(PatchEthernetInterface::default()));
    assert_eq!(
        unknown,
        Rejection::NotFound {
            kind: "ethernet interface".into(),
            id: ID.into()
        }
    );
}

/// Two networks may have the same address; it is one address all the same.
#[test]
fn the_addresses_of_a_range_are_found_once_and_in_order() {
    let mut log = Log::new();
    log.ok(create(
        MAC,
        "x0c0s0b0n0",
        &["fd00::11", "10.97.0.17", "10.98.0.17"],
    ));
    let mut twin = create("02:00:00:00:00:a2", "x0c0s1b0n0", &["10.97.0.2"]);
    let elsewhere = mapping("10.97.0.17", "management");
    twin.interface.as_mut().unwrap().ip_addresses.push(elsewhere);
    log.ok(twin);
    let between = |first: &str, last: &str| {
        let found = log.state.smd.ips(ip(first)..=ip(last));
        found.map(|ip| ip.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(between("10.97.0.0", "10.97.255.255"), ["10.97.0.2", "10.97.0.17"]);
    assert_eq!(between("10.97.0.17", "10.97.0.17"), ["10.97.0.17"]);
    assert_eq!(between("fd00::", "fd00::ffff:ffff:ffff:ffff"), ["fd00::11"]);
    assert!(between("10.99.0.0", "10.99.255.255").is_empty());
}
