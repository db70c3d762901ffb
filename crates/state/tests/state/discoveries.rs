//! What is found behind Redfish endpoints: components, how they are reached, services, NICs; and what deletes leave.

use model::Rejection;
use proto::smd::v1::component::{Flag, State};
use proto::smd::v1::smd_command::{
    DeleteComponentEndpoints, DeleteRedfishEndpoints, DeleteServiceEndpoints, DiscoveredComponent,
    DiscoveredEndpoint,
};
use proto::smd::v1::{
    Component, ComponentEndpoint, EthernetInterface, IpAddressMapping, RedfishEndpoint, ServiceEndpoint,
};

use state::RowKind;

use crate::create_components;
use crate::ethernet_interfaces;
use crate::hardware;
use crate::redfish_endpoints::{bmc, post, put};
use crate::support::Log;

/// A component with its endpoint and NICs, each a MAC and perhaps an address.
pub fn found(id: &str, redfish_type: &str, state: State, nics: &[(&str, &str)]) -> DiscoveredComponent {
    let nic = |(mac, ip): &(&str, &str)| EthernetInterface {
        mac_address: (*mac).into(),
        description: "found".into(),
        ip_addresses: if ip.is_empty() {
            vec![]
        } else {
            vec![mapping(ip, "")]
        },
        ..Default::default()
    };
    DiscoveredComponent {
        component: Some(Component {
            id: id.into(),
            state: state.into(),
            enabled: Some(true),
            ..Default::default()
        }),
        endpoint: Some(ComponentEndpoint {
            id: id.into(),
            redfish_type: redfish_type.into(),
            odata_id: format!("/redfish/v1/{id}"),
            enabled: true,
            ..Default::default()
        }),
        interfaces: nics.iter().map(nic).collect(),
    }
}

/// A BMC with a manager and a node, two NICs and a service.
pub fn blade(slot: u8) -> DiscoveredEndpoint {
    let id = format!("x0c0s{slot}b0");
    let (bmc_mac, node_mac) = (
        format!("02:00:00:00:0{slot}:01"),
        format!("02:00:00:00:0{slot}:02"),
    );
    DiscoveredEndpoint {
        components: vec![
            found(
                &id,
                "Manager",
                State::Unspecified,
                &[(&bmc_mac, &format!("10.0.{slot}.1"))],
            ),
            found(
                &format!("{id}n0"),
                "ComputerSystem",
                State::On,
                &[(&node_mac, "")],
            ),
        ],
        service_endpoints: vec![ServiceEndpoint {
            redfish_type: "UpdateService".into(),
            redfish_url: format!("bmc{slot}.lab/redfish/v1/UpdateService"),
            ..Default::default()
        }],
        ..bmc(&id, &format!("bmc{slot}.lab"))
    }
}

fn mapping(ip: &str, network: &str) -> IpAddressMapping {
    ethernet_interfaces::mapping(ip, network)
}

fn component(log: &Log, id: &str) -> Component {
    let component = log.state.smd.component(&id.parse().unwrap());
    component.unwrap().as_ref().clone()
}

fn endpoint(log: &Log, id: &str) -> ComponentEndpoint {
    let endpoint = log.state.smd.component_endpoint(&id.parse().unwrap());
    endpoint.unwrap().as_ref().clone()
}

fn delete(id: &str) -> DeleteRedfishEndpoints {
    DeleteRedfishEndpoints {
        ids: vec![id.into()],
        all: false,
        ..Default::default()
    }
}

#[test]
fn a_discovery_is_one_entry_with_everything_in_it() {
    let mut log = Log::latest();
    let applied = log.ok(post(vec![blade(0), blade(1)]));
    assert_eq!(applied.created, ["x0c0s0b0", "x0c0s1b0"]);
    assert_eq!(log.next_index(), 2);
    let node = component(&log, "x0c0s1b0n0");
    let expected = Component {
        id: "x0c0s1b0n0".into(),
        r#type: "Node".into(),
        state: State::On.into(),
        enabled: Some(true),
        nid: Some(2),
        meta: log.created(),
        ..Default::default()
    };
    assert_eq!(node, expected, "On, no flag, no role, the next free NID");
    let manager = component(&log, "x0c0s0b0");
    assert_eq!(
        (manager.state, manager.nid, manager.r#type.as_str()),
        (0, None, "NodeBMC")
    );
    let reached = endpoint(&log, "x0c0s0b0");
    assert_eq!(reached.redfish_url, "bmc0.lab/redfish/v1/x0c0s0b0");
    assert_eq!(reached.component_endpoint_type, "ComponentEndpointManager");
    assert_eq!(
        (
            reached.redfish_endpoint_id.as_str(),
            reached.redfish_endpoint_fqdn.as_str()
        ),
        ("x0c0s0b0", "bmc0.lab")
    );
    let nic = ethernet_interfaces::interface(&log, "02:00:00:00:00:02");
    assert_eq!(
        (
            nic.component_id.as_str(),
            nic.r#type.as_str(),
            nic.ip_addresses.len()
        ),
        ("x0c0s0b0n0", "Node", 0)
    );
    let behind: Vec<String> = log
        .state
        .smd
        .component_endpoints_of(&"x0c0s0b0".parse().unwrap())
        .map(|found| found.id.clone())
        .collect();
    assert_eq!(behind, ["x0c0s0b0", "x0c0s0b0n0"]);
    let service = log
        .state
        .smd
        .service_endpoint(&"x0c0s1b0".parse().unwrap(), "UpdateService");
    assert_eq!(service.unwrap().redfish_endpoint_fqdn, "bmc1.lab");
}

/// Each BMC numbers its nodes from 0; NIDs are of the cluster.
#[test]
fn nids_are_unique_and_explicit_ones_are_kept() {
    let mut log = Log::latest();
    let mut explicit = create_components::component("x0c0s1b0n0");
    explicit.nid = Some(1);
    log.ok(create_components::create(vec![explicit]));
    log.ok(post(vec![blade(0), blade(1), blade(2)]));
    let nids: Vec<Option<u64>> = (0..3)
        .map(|slot| component(&log, &format!("x0c0s{slot}b0n0")).nid)
        .collect();
    assert_eq!(nids, [Some(2), Some(1), Some(3)]);
}

/// What was posted before, by `ochami discover static` for one, is not touched.
#[test]
fn a_component_that_exists_keeps_what_it_has() {
    let mut log = Log::latest();
    log.ok(create_components::create(vec![create_components::component(
        "x0c0s0b0n0",
    )]));
    let before = component(&log, "x0c0s0b0n0");
    log.ok(post(vec![blade(0)]));
    log.ok(put(blade(0)));
    assert_eq!(component(&log, "x0c0s0b0n0"), before);
}

#[test]
fn nothing_is_stored_of_what_is_refused_anywhere() {
    let mut log = Log::latest();
    log.ok(ethernet_interfaces::create(
        "02:00:00:00:01:02",
        "x9c0s0b0n0",
        &[],
    ));
    let stored = |log: &Log| log.keys().filter(|key| key.kind() != RowKind::Session).count();
    let rows = stored(&log);
    match log.refused(post(vec![blade(0), blade(1)])) {
        Rejection::AlreadyExists { id, detail, .. } => {
            assert_eq!(id, "020000000102");
            assert!(
                detail.contains("x9c0s0b0n0") && detail.contains("x0c0s1b0n0"),
                "{detail}"
            );
        }
        other => panic!("{other}"),
    }
    assert_eq!(stored(&log), rows);
    assert_eq!(log.state.smd.component_by_nid(1), None);
}

#[test]
fn an_address_has_one_owner_whoever_found_it() {
    let mut log = Log::latest();
    log.ok(ethernet_interfaces::create(
        "02:00:00:00:00:99",
        "x9c0s0b0n0",
        &["10.0.0.1"],
    ));
    for command in [post(vec![blade(0)]), put(blade(0))] {
        match log.refused(command) {
            Rejection::Conflict { detail } => {
                assert!(
                    detail.contains("020000000099") && detail.contains("020000000001"),
                    "{detail}"
                );
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(log.state.smd.redfish_endpoints().count(), 0);
}

#[test]
fn wrong_findings_name_their_field() {
    type Change = fn(&mut DiscoveredEndpoint);
    let cases: [(&str, Change); 10] = [
        ("component", |e| e.components[0] = DiscoveredComponent::default()),
        ("component", |e| {
            e.components[0].component.as_mut().unwrap().id = "x0c0s0b0n1".into()
        }),
        ("component", |e| {
            e.components[0].component.as_mut().unwrap().id = "nowhere".into()
        }),
        ("State", |e| {
            e.components[0].component.as_mut().unwrap().state = 99
        }),
        ("component_endpoint.redfish_type", |e| {
            e.components[0].endpoint.as_mut().unwrap().redfish_type = "Fridge".into();
        }),
        ("component_endpoint.uuid", |e| {
            e.components[0].endpoint.as_mut().unwrap().uuid = "a\u{1b}".into();
        }),
        ("MACAddress", |e| {
            e.components[0].interfaces[0].mac_address = "N/A".into()
        }),
        ("ip_address", |e| {
            e.components[0].interfaces[0].ip_addresses = vec![mapping("0.0.0.0", "")]
        }),
        ("service_endpoint.redfish_type", |e| {
            e.service_endpoints[0].redfish_type = "a/b".into()
        }),
        ("components", |e| {
            e.components = vec![found("x0c0s0b0n0", "ComputerSystem", State::On, &[]); 1025]
        }),
    ];
    let mut log = Log::latest();
    for (field, change) in cases {
        let mut wrong = blade(0);
        change(&mut wrong);
        assert_eq!(log.invalid(post(vec![wrong])).0, field);
    }
    let mut large = blade(0);
    let info = proto::smd::v1::RedfishSystemInfo {
        name: "x".repeat(64 * 1024),
        ..Default::default()
    };
    large.components[1].endpoint.as_mut().unwrap().redfish_system_info = Some(info);
    assert_eq!(log.invalid(post(vec![large])).0, "component_endpoint");
}

/// Administrators' addresses have a network, those of a discovery have none.
#[test]
fn a_nic_that_is_known_keeps_what_administrators_have_set() {
    let mut log = Log::latest();
    let mut known = ethernet_interfaces::create("02:00:00:00:00:01", "", &[]);
    let interface = known.interface.as_mut().unwrap();
    interface.description = "the first".into();
    interface.ip_addresses = vec![mapping("10.9.9.9", "NMN")];
    log.ok(known);
    let posted = ethernet_interfaces::interface(&log, "02:00:00:00:00:01");
    log.ok(post(vec![blade(0)]));
    let nic = ethernet_interfaces::interface(&log, "02:00:00:00:00:01");
    assert_eq!(
        (nic.component_id.as_str(), &nic.description),
        ("x0c0s0b0", &posted.description)
    );
    assert_eq!(
        nic.ip_addresses,
        [posted.ip_addresses[0].clone(), mapping("10.0.0.1", "")]
    );
    // The BMC has moved; nobody else has.
    let mut moved = blade(0);
    moved.components[0].interfaces[0].ip_addresses = vec![mapping("10.0.0.77", "")];
    moved.components[0].interfaces[0].description = "anew".into();
    log.ok(put(moved));
    let nic = ethernet_interfaces::interface(&log, "02:00:00:00:00:01");
    assert_eq!(
        nic.ip_addresses,
        [posted.ip_addresses[0].clone(), mapping("10.0.0.77", "")]
    );
    assert_eq!(nic.description, "anew");
    // A discovery that has found no address takes none away.
    let mut silent = blade(0);
    silent.components[0].interfaces[0].ip_addresses.clear();
    log.ok(put(silent));
    assert_eq!(
        ethernet_interfaces::interface(&log, "02:00:00:00:00:01")
            .ip_addresses
            .len(),
        2
    );
}

#[test]
fn an_update_moves_a_nic_and_an_endpoint_to_where_they_were_found() {
    let mut log = Log::latest();
    log.ok(post(vec![blade(0)]));
    let mut other = bmc("x0c0s1b0", "bmc1.lab");
    other.components = vec![found(
        "x0c0s1b0n0",
        "ComputerSystem",
        State::On,
        &[("02:00:00:00:00:02", "")],
    )];
    assert!(matches!(
        log.refused(post(vec![other.clone()])),
        Rejection::AlreadyExists { .. }
    ));
    log.ok(put(other));
    assert_eq!(
        ethernet_interfaces::interface(&log, "02:00:00:00:00:02").component_id,
        "x0c0s1b0n0"
    );
    let mut enclosure = bmc("x0c0s2b0", "bmc2.lab");
    enclosure.components = vec![found("x0c0s0b0n0", "ComputerSystem", State::On, &[])];
    match log.refused(post(vec![enclosure.clone()])) {
        Rejection::AlreadyExists { detail, .. } => {
            assert!(
                detail.contains("x0c0s0b0") && detail.contains("x0c0s2b0"),
                "{detail}"
            );
        }
        other => panic!("{other}"),
    }
    log.ok(put(enclosure));
    assert_eq!(endpoint(&log, "x0c0s0b0n0").redfish_endpoint_id, "x0c0s2b0");
}

/// A repeated update costs no revision of anything.
#[test]
fn an_update_with_what_is_known_changes_nothing() {
    let mut log = Log::latest();
    log.ok(post(vec![blade(0)]));
    let applied = log.apply(put(blade(0)));
    assert!(applied.events.is_empty(), "{:?}", applied.events);
}

#[test]
fn a_new_fqdn_is_followed_by_what_is_behind_it() {
    let mut log = Log::latest();
    log.ok(post(vec![blade(0)]));
    let renamed = RedfishEndpoint {
        fqdn: "new.lab".into(),
        ..bmc("x0c0s0b0", "").endpoint.unwrap()
    };
    log.ok(put(DiscoveredEndpoint {
        endpoint: Some(renamed),
        ..Default::default()
    }));
    let reached = endpoint(&log, "x0c0s0b0");
    assert_eq!(
        (
            reached.redfish_endpoint_fqdn.as_str(),
            reached.redfish_url.as_str()
        ),
        ("new.lab", "new.lab/redfish/v1/x0c0s0b0")
    );
    let service = log
        .state
        .smd
        .service_endpoint(&"x0c0s0b0".parse().unwrap(), "UpdateService")
        .unwrap();
    assert_eq!(service.redfish_url, "new.lab/redfish/v1/UpdateService");
}

/// Components stay and are Empty, NICs stay as they are: that is HSM's cascade.
#[test]
fn a_deleted_endpoint_leaves_empty_components_and_its_nics() {
    let mut log = Log::latest();
    log.ok(post(vec![blade(0), blade(1)]));
    let missing = DeleteRedfishEndpoints {
        ids: vec!["x0c0s0b0".into(), "x0c0s9b0".into()],
        all: false,
        ..Default::default()
    };
    assert_eq!(
        log.refused(missing),
        Rejection::not_found("redfish endpoint", "x0c0s9b0")
    );
    let applied = log.ok(delete("x0c0s0b0"));
    assert_eq!(
        (applied.deleted_count, applied.deleted),
        (1, vec!["x0c0s0b0".to_owned()])
    );
    for id in ["x0c0s0b0", "x0c0s0b0n0"] {
        let left = component(&log, id);
        assert_eq!((left.state(), left.flag()), (State::Empty, Flag::Ok), "{id}");
        assert_eq!(log.state.smd.component_endpoint(&id.parse().unwrap()), None);
    }
    assert_eq!(component(&log, "x0c0s0b0n0").nid, Some(1));
    assert_eq!(component(&log, "x0c0s1b0n0").state(), State::On);
    assert_eq!(log.state.smd.interfaces().count(), 4);
    assert_eq!(log.state.smd.service_endpoints().count(), 1);
    // What is found again is there again, under the NID it had.
    log.ok(post(vec![blade(0)]));
    let again = component(&log, "x0c0s0b0n0");
    assert_eq!((again.state(), again.nid), (State::On, Some(1)));
    let all = DeleteRedfishEndpoints {
        ids: Vec::new(),
        all: true,
        ..Default::default()
    };
    assert_eq!(log.ok(all.clone()).deleted_count, 2);
    assert_eq!(
        log.refused(all),
        Rejection::not_found("redfish endpoint", "there are none")
    );
    assert_eq!(log.state.smd.component_endpoints().count(), 0);
}

#[test]
fn component_and_service_endpoints_are_deleted_alone() {
    let mut log = Log::latest();
    log.ok(post(vec![blade(0)]));
    let one = |id: &str| DeleteComponentEndpoints {
        ids: vec![id.into()],
        all: false,
    };
    assert_eq!(log.ok(one("x0c0s0b0n0")).deleted_count, 1);
    assert_eq!(component(&log, "x0c0s0b0n0").state(), State::Empty);
    let missing = Rejection::not_found("component endpoint", "x0c0s0b0n0");
    assert_eq!(log.refused(one("x0c0s0b0n0")), missing);
    let all = DeleteComponentEndpoints {
        ids: Vec::new(),
        all: true,
    };
    assert_eq!(log.ok(all).deleted, ["x0c0s0b0"]);
    let service = |service: &str, all| DeleteServiceEndpoints {
        service: service.into(),
        id: "x0c0s0b0".into(),
        all,
    };
    let missing = Rejection::not_found("service endpoint", "EventService of x0c0s0b0");
    assert_eq!(log.refused(service("EventService", false)), missing);
    assert_eq!(
        log.ok(service("UpdateService", false)).deleted,
        ["x0c0s0b0/UpdateService"]
    );
    let none = Rejection::not_found("service endpoint", "there are none");
    assert_eq!(log.refused(service("", true)), none);
}

/// A cable that was moved, or two leases that changed hands: an update tells where each address is now.
#[test]
fn two_nics_that_have_swapped_addresses_are_updated() {
    let mut log = Log::latest();
    let (one, two) = ("02:00:00:00:00:11", "02:00:00:00:00:12");
    let at = |first: &str, second: &str| DiscoveredEndpoint {
        components: vec![found(
            "x0c0s0b0",
            "Manager",
            State::Unspecified,
            &[(one, first), (two, second)],
        )],
        ..bmc("x0c0s0b0", "bmc0.lab")
    };
    log.ok(post(vec![at("10.0.0.1", "10.0.0.2")]));
    log.ok(put(at("10.0.0.2", "10.0.0.1")));
    let address = |log: &Log, mac: &str| {
        let interface = log.state.smd.interface(&mac.parse().unwrap()).unwrap();
        interface.ip_addresses[0].ip_address.clone()
    };
    assert_eq!(
        (address(&log, one), address(&log, two)),
        ("10.0.0.2".into(), "10.0.0.1".into())
    );
    let before = log.state.smd.interface(&one.parse().unwrap()).unwrap();
    log.ok(put(at("10.0.0.2", "10.0.0.1")));
    let after = log.state.smd.interface(&one.parse().unwrap()).unwrap();
    assert_eq!(before.meta, after.meta, "nothing has moved since");
}

/// A BMC with a node, whose unit has a name that others may have, too.
fn with_unit(slot: u8, fru_id: &str, uuid: &str) -> DiscoveredEndpoint {
    let mut found = blade(slot);
    let mut entry = hardware::entry(&format!("x0c0s{slot}b0n0"), fru_id);
    entry.fru.as_mut().unwrap().uuid = uuid.into();
    found.hardware = vec![entry];
    found
}

fn unit_in(log: &Log, place: &str) -> String {
    let place = log.state.smd.hardware_location(&place.parse().unwrap());
    place.unwrap().fru_id.clone()
}

/// In one command as in several; a discovery must settle.
#[test]
fn a_unit_that_another_endpoint_tells_of_stays_there() {
    let mut log = Log::latest();
    log.ok(post(vec![
        with_unit(0, "Node.1", "aa"),
        with_unit(1, "Node.1", "bb"),
    ]));
    for slot in [1, 0, 2, 1] {
        let uuid = ["aa", "bb", ""][usize::from(slot)];
        log.ok(put(with_unit(slot, "Node.1", uuid)));
        assert_eq!(unit_in(&log, "x0c0s0b0n0"), "Node.1");
        assert_eq!(unit_in(&log, "x0c0s1b0n0"), "FRUIDforx0c0s1b0n0");
    }
    assert_eq!(unit_in(&log, "x0c0s2b0n0"), "FRUIDforx0c0s2b0n0");
    log.ok(put(with_unit(3, "Node.1", "aa")));
    assert_eq!(
        (unit_in(&log, "x0c0s0b0n0"), unit_in(&log, "x0c0s3b0n0")),
        (String::new(), "Node.1".into())
    );
}

/// Whoever posts hardware says where it is; and what is behind one endpoint may change places.
#[test]
fn what_is_posted_or_found_behind_the_same_endpoint_moves() {
    let mut log = Log::latest();
    log.ok(post(vec![with_unit(0, "Node.1", "aa"), blade(1)]));
    let mut found = with_unit(0, "Node.1", "");
    found.hardware[0].id = "x0c0s0b0n1".into();
    log.ok(put(found));
    assert_eq!(
        (unit_in(&log, "x0c0s0b0n0"), unit_in(&log, "x0c0s0b0n1")),
        (String::new(), "Node.1".into())
    );
    log.ok(hardware::put(&[("x0c0s1b0n0", "Node.1")]));
    assert_eq!(
        (unit_in(&log, "x0c0s0b0n1"), unit_in(&log, "x0c0s1b0n0")),
        (String::new(), "Node.1".into())
    );
}
