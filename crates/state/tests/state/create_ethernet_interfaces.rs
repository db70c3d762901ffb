//! Many Ethernet interfaces in one command: all or nothing, unchanged where nothing differs, addresses that change hands.

use model::Rejection;
use proto::smd::v1::EthernetInterface;
use proto::smd::v1::smd_command::CreateEthernetInterfaces;
use state::bounds::{DESCRIPTION_BYTES_MAX, IDS_PER_COMMAND_MAX};

use crate::ethernet_interfaces::{create, interface, mapping};
use crate::support::Log;

const A: &str = "02:00:00:00:00:0a";
const B: &str = "02:00:00:00:00:0b";
const C: &str = "02:00:00:00:00:0c";

fn of(mac: &str, component: &str, ips: &[&str]) -> EthernetInterface {
    EthernetInterface {
        mac_address: mac.into(),
        component_id: component.into(),
        ip_addresses: ips.iter().map(|ip| mapping(ip, "")).collect(),
        ..Default::default()
    }
}

fn batch(interfaces: &[EthernetInterface]) -> CreateEthernetInterfaces {
    CreateEthernetInterfaces {
        interfaces: interfaces.to_vec(),
        replace: false,
        ..Default::default()
    }
}

fn replacing(interfaces: &[EthernetInterface]) -> CreateEthernetInterfaces {
    CreateEthernetInterfaces {
        replace: true,
        ..batch(interfaces)
    }
}

fn owner(log: &Log, ip: &str) -> Option<String> {
    let found = log.state.smd.interface_by_ip(ip.parse().unwrap());
    found.map(|interface| interface.mac_address.clone())
}

/// An import takes the way of a single POST: what it stores must not differ from that.
#[test]
fn a_batch_stores_what_single_commands_store() {
    let (mut many, mut single) = (Log::latest(), Log::latest());
    let applied = many.ok(batch(&[
        of("02-00-00-00-00-0B", "X0c0s01b0n0", &["::ffff:10.0.0.2"]),
        of(A, "x0c0s0b0n0", &["10.0.0.1", "fd00::1"]),
        of(C, "", &[]),
    ]));
    assert_eq!(applied.created, ["02000000000b", "02000000000a", "02000000000c"]);
    assert_eq!((applied.updated.len(), applied.unchanged.len()), (0, 0));
    single.ok(create(B, "x0c0s1b0n0", &["10.0.0.2"]));
    for mac in [A, B] {
        let stored = interface(&many, mac);
        assert_eq!(stored.meta, many.created());
        assert_eq!(stored.r#type, "Node");
    }
    let without_meta = |log: &Log| EthernetInterface {
        meta: None,
        ..interface(log, B)
    };
    assert_eq!(without_meta(&many), without_meta(&single));
    assert_eq!(owner(&many, "fd00::1").as_deref(), Some(A));
}

/// The same import twice changes nothing, not even who changed it last.
#[test]
fn what_is_there_with_the_same_values_is_left_alone() {
    let mut log = Log::latest();
    let given = [of(A, "x0c0s0b0n0", &["10.0.0.1"]), of(B, "x0c0s1b0n0", &[])];
    log.ok(batch(&given[..1]));
    let before = interface(&log, A);
    for command in [batch(&given), replacing(&given)] {
        log.now_ms += 1000;
        let applied = log.ok(command);
        assert_eq!(applied.created.len() + applied.unchanged.len(), 2, "{applied:?}");
        assert_eq!(applied.updated, Vec::<String>::new());
        assert_eq!(interface(&log, A), before);
    }
}

#[test]
fn one_with_other_values_refuses_the_batch_unless_it_replaces() {
    let mut log = Log::latest();
    log.ok(batch(&[of(A, "x0c0s0b0n0", &["10.0.0.1"])]));
    let created_at = interface(&log, A).last_update;
    let changed = [of(B, "x0c0s1b0n0", &["10.0.0.2"]), of(A, "x0c0s5b0n0", &[])];
    let rejection = log.refused(batch(&changed));
    assert!(
        matches!(&rejection, Rejection::AlreadyExists { id, detail, .. }
            if id == "02000000000a" && detail.contains("x0c0s0b0n0") && detail.contains("other values")),
        "{rejection}"
    );
    assert_eq!(log.state.smd.interfaces().count(), 1, "all or nothing");

    log.now_ms += 1000;
    let applied = log.ok(replacing(&changed));
    assert_eq!(
        (applied.created, applied.updated),
        (vec!["02000000000b".to_owned()], vec!["02000000000a".to_owned()])
    );
    let stored = interface(&log, A);
    assert_eq!(stored.component_id, "x0c0s5b0n0");
    assert!(stored.last_update > created_at, "component and addresses changed");
    assert_eq!(owner(&log, "10.0.0.1"), None, "it was given up");
    let meta = stored.meta.unwrap();
    assert!(meta.created.unwrap().revision < meta.modified.unwrap().revision);
}

/// As in a patch: `LastUpdate` tells of addresses and component only.
#[test]
fn another_description_alone_is_no_update_for_smds_clients() {
    let mut log = Log::latest();
    log.ok(batch(&[of(A, "x0c0s0b0n0", &["10.0.0.1"])]));
    let before = interface(&log, A);
    log.now_ms += 1000;
    let described = EthernetInterface {
        description: "boot".into(),
        ..of(A, "x0c0s0b0n0", &["10.0.0.1"])
    };
    log.ok(replacing(&[described]));
    let after = interface(&log, A);
    assert_eq!(
        (after.description.as_str(), &after.last_update),
        ("boot", &before.last_update)
    );
}

/// Two interfaces of a batch may swap addresses, in whichever order they stand; the index must follow.
#[test]
fn addresses_change_hands_within_a_batch() {
    for reversed in [false, true] {
        let mut log = Log::latest();
        log.ok(batch(&[of(A, "", &["10.0.0.1"]), of(B, "", &["10.0.0.2"])]));
        let mut swapped = vec![of(A, "", &["10.0.0.2"]), of(B, "", &["10.0.0.1"])];
        if reversed {
            swapped.reverse();
        }
        log.ok(replacing(&swapped));
        assert_eq!(owner(&log, "10.0.0.1").as_deref(), Some(B));
        assert_eq!(owner(&log, "10.0.0.2").as_deref(), Some(A));
        log.ok(replacing(&[of(A, "", &[]), of(C, "", &["10.0.0.2"])]));
        assert_eq!(owner(&log, "10.0.0.2").as_deref(), Some(C));
    }
}

#[test]
fn an_address_of_another_refuses_the_batch_and_names_both() {
    let mut log = Log::latest();
    log.ok(batch(&[of(A, "x0c0s0b0n0", &["10.0.0.1"])]));
    let outside = log.refused(replacing(&[
        of(B, "x0c0s1b0n0", &[]),
        of(C, "x0c0s2b0n0", &["10.0.0.1"]),
    ]));
    let within = log.refused(batch(&[
        of(B, "x0c0s0b0n0", &["10.0.0.3"]),
        of(C, "x0c0s2b0n0", &["10.0.0.3"]),
    ]));
    let kept = log.refused(batch(&[
        of(A, "x0c0s0b0n0", &["10.0.0.1"]),
        of(C, "x0c0s2b0n0", &["10.0.0.1"]),
    ]));
    for rejection in [outside, within, kept] {
        let Rejection::Conflict { detail } = &rejection else {
            panic!("{rejection}")
        };
        assert!(
            detail.contains("x0c0s0b0n0") && detail.contains("x0c0s2b0n0"),
            "{detail}"
        );
    }
    let in_two_networks = [of(B, "", &["10.0.0.9"]), {
        let mut blue = of(C, "", &["10.0.0.9"]);
        blue.ip_addresses[0].network = "blue".into();
        blue
    }];
    log.ok(batch(&in_two_networks));
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    let mut log = Log::latest();
    let good = of(A, "x0c0s0b0n0", &["10.0.0.1"]);
    let long = EthernetInterface {
        description: "x".repeat(DESCRIPTION_BYTES_MAX + 1),
        ..of(B, "", &[])
    };
    for (wrong, field) in [
        (of("02:00", "", &[]), "interfaces[1].mac_address"),
        (of(B, "nowhere", &[]), "interfaces[1].component_id"),
        (of(B, "", &["10.0.0"]), "interfaces[1].ip_address"),
        (of(B, "", &["10.0.0.7", "10.0.0.7"]), "interfaces[1].ip_addresses"),
        (long, "interfaces[1].description"),
        (of("02-00-00-00-00-0A", "", &[]), "interfaces[1].mac_address"),
    ] {
        let (named, _) = log.invalid(batch(&[good.clone(), wrong]));
        assert_eq!(named, field);
    }
    let (named, _) = log.invalid(batch(&[]));
    assert_eq!(named, "interfaces");
    let (_, problem) = log.invalid(batch(&vec![of(A, "", &[]); IDS_PER_COMMAND_MAX + 1]));
    assert!(problem.contains("100000"), "{problem}");
    assert_eq!(log.state.smd.interfaces().count(), 0);
}

/// A member of 0.4 would stop at the command.
#[test]
fn members_of_before_get_no_batch() {
    let rejection = Log::new().refused(batch(&[of(A, "", &[])]));
    assert!(matches!(rejection, Rejection::FeatureLevel { .. }), "{rejection}");
}
