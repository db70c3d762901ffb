//! The single addresses of an interface.

use model::Rejection;
use proto::smd::v1::smd_command::{AddIpAddress, DeleteIpAddress, PatchIpAddress};

use crate::ethernet_interfaces::{ID, MAC, create, interface, mapping};
use crate::support::Log;

fn log() -> Log {
    let mut log = Log::new();
    log.ok(create(MAC, "x0c0s0b0n0", &["10.97.0.17"]));
    log.ok(create("02:00:00:00:00:b2", "x0c0s1b0n0", &["10.97.0.18"]));
    log.now_ms += 60_000;
    log
}

fn add(ip: &str, network: &str) -> AddIpAddress {
    AddIpAddress {
        id: ID.into(),
        mapping: Some(mapping(ip, network)),
        ..Default::default()
    }
}

fn patch(ip: &str, network: &str) -> PatchIpAddress {
    PatchIpAddress {
        id: ID.into(),
        ip: ip.into(),
        network: network.into(),
        ..Default::default()
    }
}

fn delete(ip: &str) -> DeleteIpAddress {
    DeleteIpAddress {
        id: ID.into(),
        ip: ip.into(),
        ..Default::default()
    }
}

const LATER: &str = "2025-11-25T07:36:44.123Z";

#[test]
fn an_address_is_added_behind_the_others() {
    let mut log = log();
    assert_eq!(log.ok(add("FD00::0011", "blue")).created, ["fd00::11"]);
    let stored = interface(&log, MAC);
    assert_eq!(
        stored.ip_addresses,
        [mapping("10.97.0.17", ""), mapping("fd00::11", "blue")]
    );
    assert_eq!(stored.last_update, LATER);
    assert_eq!(
        log.state
            .smd
            .interface_by_ip("fd00::11".parse().unwrap())
            .unwrap()
            .id,
        ID
    );
}

#[test]
fn an_address_is_added_once_and_not_taken_from_others() {
    let mut log = log();
    let twice = log.refused(add("10.97.0.17", "blue"));
    assert!(
        matches!(&twice, Rejection::AlreadyExists { id, .. } if id == "10.97.0.17"),
        "{twice}"
    );
    assert!(matches!(
        log.refused(add("10.97.0.18", "")),
        Rejection::Conflict { .. }
    ));
    log.ok(add("10.97.0.18", "blue"));
    assert_eq!(log.invalid(add("10.97.0.300", "")).0, "ip_address");
    assert_eq!(
        log.invalid(AddIpAddress {
            id: ID.into(),
            mapping: None,
            ..Default::default()
        })
        .0,
        "mapping"
    );
    for n in 2..64 {
        log.ok(add(&format!("10.97.1.{n}"), ""));
    }
    assert_eq!(
        log.invalid(add("10.97.1.64", "")).0,
        "ip_addresses",
        "64 are the bound"
    );
}

#[test]
fn an_address_moves_to_another_network() {
    let mut log = log();
    assert_eq!(log.ok(patch("10.97.0.17", "blue")).updated, ["10.97.0.17"]);
    assert_eq!(interface(&log, MAC).ip_addresses, [mapping("10.97.0.17", "blue")]);
    assert_eq!(interface(&log, MAC).last_update, LATER);
    assert_eq!(log.ok(patch("10.97.0.17", "blue")).unchanged, ["10.97.0.17"]);
    log.ok(add("10.97.0.18", "blue"));
    assert!(
        matches!(log.refused(patch("10.97.0.18", "")), Rejection::Conflict { .. }),
        "taken there"
    );
    let missing = log.refused(patch("10.97.0.99", ""));
    assert_eq!(
        missing,
        Rejection::NotFound {
            kind: "IP address".into(),
            id: "10.97.0.99".into()
        }
    );
    assert_eq!(log.invalid(patch("10.97.0.17", "a\nb")).0, "network");
}

#[test]
fn a_removed_address_is_free_again() {
    let mut log = log();
    assert_eq!(log.ok(delete("10.97.0.17")).deleted, ["10.97.0.17"]);
    assert!(interface(&log, MAC).ip_addresses.is_empty());
    assert_eq!(log.state.smd.interface_by_ip("10.97.0.17".parse().unwrap()), None);
    let missing = log.refused(delete("10.97.0.17"));
    assert_eq!(
        missing,
        Rejection::NotFound {
            kind: "IP address".into(),
            id: "10.97.0.17".into()
        }
    );
    log.ok(AddIpAddress {
        id: "0200000000b2".into(),
        mapping: Some(mapping("10.97.0.17", "")),
        ..Default::default()
    });
}

#[test]
fn an_unknown_interface_is_not_found() {
    let mut log = Log::new();
    let expected = Rejection::NotFound {
        kind: "ethernet interface".into(),
        id: ID.into(),
    };
    assert_eq!(log.refused(add("10.97.0.17", "")), expected);
    assert_eq!(log.refused(patch("10.97.0.17", "")), expected);
    assert_eq!(log.refused(delete("10.97.0.17")), expected);
}
