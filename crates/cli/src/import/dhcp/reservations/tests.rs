use super::super::files::Source;
use super::*;

const A: &str = "02:00:00:00:00:0a";
const B: &str = "02:00:00:00:00:0b";
const C: &str = "02:00:00:00:00:0c";

fn reservation(line: usize, mac: &str, addresses: &[&str], hostname: &str) -> Reservation {
    Reservation {
        at: Place::new("d.conf", line),
        mac: mac.parse().unwrap(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        hostname: hostname.to_owned(),
    }
}

fn interface(mac: &str, component: &str, addresses: &[&str]) -> EthernetInterface {
    let mac: MacAddr = mac.parse().unwrap();
    let mapping = |address: &&str| IpAddressMapping {
        ip_address: (*address).to_owned(),
        network: "NMN".to_owned(),
    };
    EthernetInterface {
        id: mac.id(),
        mac_address: mac.to_string(),
        component_id: component.to_owned(),
        ip_addresses: addresses.iter().map(mapping).collect(),
        ..EthernetInterface::default()
    }
}

fn plan_with(
    reservations: &[Reservation],
    interfaces: &[EthernetInterface],
    components: &[Component],
    names: &str,
    replace: bool,
) -> Plan {
    let networks = ["10.0.0.0/24", "10.1.0.0/24"].map(|text| text.parse().unwrap());
    let here = Here {
        components,
        interfaces,
        networks: &networks,
        names: &Names::read(&Source::of("names", names)).unwrap(),
        replace,
    };
    plan(reservations, &here)
}

fn against(reservations: &[Reservation], interfaces: &[EthernetInterface], replace: bool) -> Plan {
    plan_with(reservations, interfaces, &[], "", replace)
}

fn ips(interface: &EthernetInterface) -> Vec<&str> {
    interface
        .ip_addresses
        .iter()
        .map(|mapping| mapping.ip_address.as_str())
        .collect()
}

fn refusals(plan: &Plan) -> Vec<String> {
    let refused = plan.interfaces.refused.iter().chain(&plan.components.refused);
    refused
        .map(|refused| format!("{} {}", refused.id, refused.reason))
        .collect()
}

/// A name that is no xname is kept where people look: such a MAC has an address, and nothing to boot.
#[test]
fn a_new_mac_becomes_an_interface_and_its_xname_a_component() {
    let given = [
        reservation(1, A, &["10.0.0.1"], "x1000c0s0b0n0.hpc.example"),
        reservation(2, B, &["10.0.0.2"], "login1"),
        reservation(3, C, &[], ""),
    ];
    let plan = against(&given, &[], false);
    let created = &plan.interfaces.create;
    assert_eq!(
        (created[0].component_id.as_str(), created[0].r#type.as_str()),
        ("x1000c0s0b0n0", "Node")
    );
    assert_eq!(
        created[0].description, "",
        "what it is called follows from the component"
    );
    assert_eq!(
        (created[1].component_id.as_str(), created[1].description.as_str()),
        ("", "login1")
    );
    assert_eq!((ips(&created[1]), ips(&created[2])), (vec!["10.0.0.2"], vec![]));
    assert_eq!(
        (plan.components.create.len(), plan.nameless, plan.renamed),
        (1, 2, 0)
    );
    assert_eq!(plan.components.create[0].id, "x1000c0s0b0n0");
}

#[test]
fn reservations_of_one_mac_in_several_subnets_are_one_interface() {
    let given = [
        reservation(1, A, &["10.0.0.1"], ""),
        reservation(2, A, &["10.1.0.1"], "nid1"),
        reservation(3, A, &["10.0.0.1"], "other"),
    ];
    let plan = against(&given, &[], false);
    let created = &plan.interfaces.create[0];
    assert_eq!(
        (ips(created), created.description.as_str()),
        (vec!["10.0.0.1", "10.1.0.1"], "nid1")
    );
    let two = [
        reservation(1, A, &[], "x0c0s0b0n0"),
        reservation(2, A, &[], "x0c0s0b0n1"),
    ];
    let refused = refusals(&against(&two, &[], false));
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].contains("d.conf:2: it is x0c0s0b0n0 at d.conf:1 and x0c0s0b0n1 here"),
        "{refused:?}"
    );
}

#[test]
fn the_same_again_is_the_same_and_other_networks_are_added() {
    let here = [interface(A, "x0c0s0b0n0", &["10.0.0.1"])];
    let same = against(&[reservation(1, A, &["10.0.0.1"], "x0c0s0b0n0")], &here, false);
    assert_eq!((same.interfaces.same, same.interfaces.change.len()), (1, 0));
    let named_otherwise = against(&[reservation(1, A, &["10.0.0.1"], "login1")], &here, false);
    assert_eq!(
        named_otherwise.interfaces.same, 1,
        "SMD knows the component better than the file"
    );
    let added = against(&[reservation(1, A, &["10.1.0.7"], "")], &here, false);
    let after = &added.interfaces.change[0].after;
    assert_eq!(ips(after), ["10.0.0.1", "10.1.0.7"]);
    assert_eq!(
        after.ip_addresses[0].network, "NMN",
        "what is here stays as it is"
    );
}

#[test]
fn a_mac_that_has_another_address_or_component_here_is_refused_unless_it_is_replaced() {
    let here = [interface(A, "x0c0s0b0n0", &["10.0.0.1", "10.1.0.1"])];
    let given = [reservation(7, A, &["10.0.0.2"], "")];
    let refused = refusals(&against(&given, &here, false));
    assert_eq!(
        refused,
        [format!(
            "{A} d.conf:7: this MAC has the address 10.0.0.1 here, and 10.0.0.2 in the file; --replace takes what the file says"
        )]
    );
    let replaced = against(&given, &here, true);
    assert_eq!(
        ips(&replaced.interfaces.change[0].after),
        ["10.1.0.1", "10.0.0.2"]
    );
    let given = [reservation(8, A, &["10.0.0.1"], "x0c0s9b0n0")];
    let refused = refusals(&against(&given, &here, false));
    assert!(
        refused[0].contains("this MAC is x0c0s0b0n0's here, and x0c0s9b0n0's in the file"),
        "{refused:?}"
    );
    let replaced = against(&given, &here, true);
    assert_eq!(replaced.interfaces.change[0].after.component_id, "x0c0s9b0n0");
}

#[test]
fn an_address_of_another_mac_is_refused_with_its_owner_unless_it_is_replaced() {
    let here = [interface(B, "x0c0s1b0n0", &["10.0.0.1", "10.1.0.1"])];
    let given = [reservation(7, A, &["10.0.0.1"], "")];
    let refused = refusals(&against(&given, &here, false));
    assert_eq!(
        refused,
        [format!(
            "{A} d.conf:7: address 10.0.0.1 is that of {B} (x0c0s1b0n0) here; --replace takes it from there"
        )]
    );
    let replaced = against(&given, &here, true);
    assert_eq!(replaced.interfaces.create.len(), 1);
    assert_eq!(
        ips(&replaced.interfaces.change[0].after),
        ["10.1.0.1"],
        "the owner gives it up"
    );
}

#[test]
fn an_address_of_two_in_the_file_is_told_with_both_places() {
    let given = [
        reservation(1, A, &["10.0.0.1"], "a"),
        reservation(2, B, &["10.0.0.1"], "b"),
    ];
    for replace in [false, true] {
        let plan = against(&given, &[], replace);
        assert_eq!(plan.interfaces.create.len(), 1);
        let refused = refusals(&plan);
        assert!(
            refused[0].contains(&format!(
                "d.conf:2: address 10.0.0.1 is that of {A} at d.conf:1, too"
            )),
            "{refused:?}"
        );
    }
}

/// A board was swapped: two nodes have each other's addresses in the file.
#[test]
fn addresses_may_change_hands() {
    let here = [interface(A, "", &["10.0.0.1"]), interface(B, "", &["10.0.0.2"])];
    let given = [
        reservation(1, A, &["10.0.0.2"], ""),
        reservation(2, B, &["10.0.0.1"], ""),
    ];
    assert_eq!(refusals(&against(&given, &here, false)).len(), 2);
    assert_eq!(against(&given, &here, true).interfaces.change.len(), 2);
}

#[test]
fn addresses_that_nothing_can_have_are_refused() {
    for address in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"] {
        let refused = refusals(&against(&[reservation(1, A, &[address], "")], &[], false));
        assert!(
            refused[0].contains("is no address that one interface can have"),
            "{address}"
        );
    }
}

#[test]
fn the_list_of_xnames_names_components_and_nids() {
    let given = [
        reservation(1, A, &[], "nid1"),
        reservation(2, B, &[], "nid2"),
        reservation(3, C, &[], "nid3"),
    ];
    let component = |id: &str, nid| Component {
        id: id.to_owned(),
        nid: Some(nid),
        ..Component::default()
    };
    let known = [component("x0c0s2b0n0", 3), component("x0c0s3b0n0", 4)];
    let names = "nid1 x0c0s1b0n0 1\nnid2 x0c0s2b0n0 3\nnid3 x0c0s3b0n0 9\n";
    let plan = plan_with(&given, &[], &known, names, false);
    assert_eq!(plan.components.create[0].nid, Some(1));
    assert_eq!(plan.renamed, 3, "none is called by its xname in the file");
    assert_eq!(plan.components.same, 1);
    let refused = refusals(&plan);
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].starts_with("x0c0s3b0n0 it is here and has NID 4"),
        "{refused:?}"
    );
}
