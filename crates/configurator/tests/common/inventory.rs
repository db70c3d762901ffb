//! A small cluster as a watch tells it: objects of the state, and among them what goes wrong in real ones.

use configurator::Inventory;
use proto::bss::v1::BootParametersEntry;
use proto::cloud_init::v1::{ClusterDefaults, InstanceInfo};
use proto::dhcp::v1::{AddressPool, RawOption, Subnet};
use proto::smd::v1::component::{Arch, Class, Flag, State};
use proto::smd::v1::{
    Component, EthernetInterface, Group, GroupMembers, IpAddressMapping, Partition, RedfishEndpoint,
};
use proto::watch::v1::Object;
use proto::watch::v1::object::{Kind, Value};

/// The revision that the files of the tests are made of.
pub(crate) const REVISION: u64 = 4_711;

/// The cluster, whole.
pub(crate) fn inventory() -> Inventory {
    let mut inventory = Inventory::new("prod");
    for object in objects() {
        inventory.put(object);
    }
    inventory.set_revision(REVISION);
    inventory
}

/// Its objects, in the order in which a watch would tell them.
pub(crate) fn objects() -> Vec<Object> {
    let mut objects = vec![object(
        Kind::ClusterDefaults,
        "",
        Value::ClusterDefaults(ClusterDefaults {
            short_name: "nid".to_owned(),
            nid_length: 4,
            ..ClusterDefaults::default()
        }),
    )];
    objects.extend(good_nodes());
    objects.extend(bad_nodes());
    objects.extend(controllers());
    objects.extend(others());
    objects.extend(sets());
    objects.extend(networks());
    objects
}

fn object(kind: Kind, key: &str, value: Value) -> Object {
    Object {
        kind: kind.into(),
        key: key.to_owned(),
        value: Some(value),
    }
}

fn node(xname: &str, nid: Option<u64>, role: &str) -> Object {
    let component = Component {
        id: xname.to_owned(),
        r#type: "Node".to_owned(),
        state: State::Ready.into(),
        flag: Flag::Ok.into(),
        enabled: Some(true),
        role: role.to_owned(),
        nid,
        arch: Arch::X86.into(),
        class: Class::River.into(),
        ..Component::default()
    };
    object(Kind::Component, xname, Value::Component(component))
}

fn component(xname: &str, hms_type: &str) -> Object {
    let component = Component {
        id: xname.to_owned(),
        r#type: hms_type.to_owned(),
        state: State::On.into(),
        enabled: Some(true),
        ..Component::default()
    };
    object(Kind::Component, xname, Value::Component(component))
}

/// `mac` is its last byte.
fn interface(xname: &str, hms_type: &str, mac: u8, addresses: &[(&str, &str)]) -> Object {
    let mac_address = format!("02:00:00:00:00:{mac:02x}");
    let id = mac_address.replace(':', "");
    let ip_addresses = addresses.iter().map(|(address, network)| IpAddressMapping {
        ip_address: (*address).to_owned(),
        network: (*network).to_owned(),
    });
    let interface = EthernetInterface {
        id: id.clone(),
        description: format!("port {mac}"),
        mac_address,
        component_id: xname.to_owned(),
        r#type: hms_type.to_owned(),
        ip_addresses: ip_addresses.collect(),
        ..EthernetInterface::default()
    };
    object(Kind::EthernetInterface, &id, Value::EthernetInterface(interface))
}

/// Seven nodes in three cabinets; two share a controller, one is disabled, one has an address of IPv6 alone.
fn good_nodes() -> Vec<Object> {
    let mut disabled = node("x1000c0s2b0n0", Some(4), "Compute");
    if let Some(Value::Component(component)) = &mut disabled.value {
        component.enabled = Some(false);
    }
    vec![
        node("x1000c0s0b0n0", Some(1), "Compute"),
        interface("x1000c0s0b0n0", "Node", 0x01, &[("10.1.0.101", "NMN")]),
        interface(
            "x1000c0s0b0n0",
            "Node",
            0x81,
            &[("10.253.0.101", "HSN"), ("fd00:253::101", "HSN")],
        ),
        node("x1000c0s0b0n1", Some(2), "Compute"),
        interface("x1000c0s0b0n1", "Node", 0x02, &[("10.1.0.102", "NMN")]),
        node("x1000c0s1b0n0", Some(3), "Compute"),
        interface("x1000c0s1b0n0", "Node", 0x03, &[("10.1.0.103", "NMN")]),
        disabled,
        interface("x1000c0s2b0n0", "Node", 0x04, &[("10.1.0.104", "NMN")]),
        node("x1000c1s0b0n0", Some(5), "Compute"),
        interface("x1000c1s0b0n0", "Node", 0x05, &[("fd00:1::105", "NMN")]),
        node("x1001c0s0b0n0", Some(1000), "Compute"),
        interface("x1001c0s0b0n0", "Node", 0x06, &[("10.1.0.106", "NMN")]),
        node("x3000c0s0b0n0", Some(100), "Application"),
        interface("x3000c0s0b0n0", "Node", 0x07, &[("10.1.0.10", "NMN")]),
        hostname("x3000c0s0b0n0", "Login-1"),
    ]
}

fn hostname(xname: &str, local_hostname: &str) -> Object {
    let info = InstanceInfo {
        id: xname.to_owned(),
        local_hostname: local_hostname.to_owned(),
        ..InstanceInfo::default()
    };
    object(Kind::InstanceInfo, xname, Value::InstanceInfo(info))
}

/// What no program can be told, or what it would choke on.
fn bad_nodes() -> Vec<Object> {
    vec![
        // no address
        node("x3000c0s1b0n0", Some(201), "Compute"),
        interface("x3000c0s1b0n0", "Node", 0x11, &[]),
        // no NID
        node("x3000c0s2b0n0", None, "Compute"),
        interface("x3000c0s2b0n0", "Node", 0x12, &[("10.1.0.112", "NMN")]),
        // called as another is
        node("x3000c0s3b0n0", Some(203), "Compute"),
        interface("x3000c0s3b0n0", "Node", 0x13, &[("10.1.0.113", "NMN")]),
        hostname("x3000c0s3b0n0", "login-1"),
        // a name that would be more than one
        node("x3000c0s4b0n0", Some(204), "Compute"),
        interface("x3000c0s4b0n0", "Node", 0x14, &[("10.1.0.114", "NMN")]),
        hostname("x3000c0s4b0n0", "bad name\n10.0.0.1 evil # \";"),
        // an address that is none, and one that another has
        node("x3000c0s5b0n0", Some(205), "Compute"),
        interface(
            "x3000c0s5b0n0",
            "Node",
            0x15,
            &[("10.1.0.1000", "NMN"), ("10.1.0.101", "NMN")],
        ),
        // nothing at all but the node, of a role that is a site's own
        node("x3000c0s6b0n0", Some(206), "site-own"),
        // no place
        node("rack 7", Some(207), "Compute"),
        // an interface of nobody
        interface("", "", 0x18, &[("10.1.0.118", "NMN")]),
        // and one of a node that SMD does not have
        interface("x3000c0s9b0n0", "Node", 0x19, &[("10.1.0.119", "NMN")]),
    ]
}

fn controllers() -> Vec<Object> {
    let endpoint = |xname: &str, fqdn: &str, address: &str, user: &str| {
        let endpoint = RedfishEndpoint {
            id: xname.to_owned(),
            r#type: "NodeBMC".to_owned(),
            fqdn: fqdn.to_owned(),
            enabled: true,
            user: user.to_owned(),
            ip_address: address.to_owned(),
            ..RedfishEndpoint::default()
        };
        object(Kind::RedfishEndpoint, xname, Value::RedfishEndpoint(endpoint))
    };
    vec![
        component("x1000c0s0b0", "NodeBMC"),
        endpoint("x1000c0s0b0", "x1000c0s0b0.bmc.example.org", "10.2.0.101", "root"),
        component("x1000c0s1b0", "NodeBMC"),
        endpoint("x1000c0s1b0", "", "10.2.0.103", ""),
        interface("x1000c0s1b0", "NodeBMC", 0x43, &[("10.2.0.103", "HMN")]),
        component("x1000c1s0b0", "NodeBMC"),
        interface("x1000c1s0b0", "NodeBMC", 0x45, &[("10.2.0.105", "HMN")]),
        // of this one only the name is known
        component("x1001c0s0b0", "NodeBMC"),
        endpoint("x1001c0s0b0", "x1001c0s0b0", "", "admin"),
    ]
}

fn others() -> Vec<Object> {
    vec![
        component("x3000c0w14", "MgmtSwitch"),
        interface("x3000c0w14", "MgmtSwitch", 0x61, &[("10.2.0.14", "HMN")]),
        component("x3000m0", "CabinetPDUController"),
        interface("x3000m0", "CabinetPDUController", 0x62, &[("10.2.0.15", "HMN")]),
    ]
}

fn sets() -> Vec<Object> {
    let members = |ids: &[&str]| {
        Some(GroupMembers {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        })
    };
    let group = |label: &str, description: &str, ids: &[&str]| {
        let group = Group {
            label: label.to_owned(),
            description: description.to_owned(),
            tags: vec!["tested".to_owned()],
            members: members(ids),
            ..Group::default()
        };
        object(Kind::Group, label, Value::Group(group))
    };
    let partition = Partition {
        name: "p1".to_owned(),
        description: "half of it".to_owned(),
        members: members(&["x1000c0s0b0n0", "x1000c0s0b0n1", "x1000c0s0b0"]),
        ..Partition::default()
    };
    let boot = BootParametersEntry {
        key: "x1000c0s0b0n0".to_owned(),
        kernel: "http://10.1.0.1:8081/boot-files/vmlinuz".to_owned(),
        initrd: "http://10.1.0.1:8081/boot-files/initrd".to_owned(),
        params: "quiet console=ttyS0,115200 note=\"a: b\"".to_owned(),
        ..BootParametersEntry::default()
    };
    vec![
        group(
            "gpu",
            "with GPUs: \"four\"\nof them",
            &["x1000c0s1b0n0", "x1000c0s2b0n0", "x9999c0s0b0n0", "x3000c0w14"],
        ),
        group("rack:1", "", &["x1000c0s0b0n0", "x1000c0s0b0n1", "x1000c0s1b0n0"]),
        group("empty", "nobody", &[]),
        object(Kind::Partition, "p1", Value::Partition(partition)),
        object(Kind::BootParameters, "x1000c0s0b0n0", Value::BootParameters(boot)),
    ]
}

fn networks() -> Vec<Object> {
    let subnet = |network: &str, router: &str, pool: Option<(&str, &str)>| {
        let subnet = Subnet {
            network: network.to_owned(),
            routers: vec![router.to_owned()],
            dns_servers: vec!["10.1.0.1".to_owned(), "10.1.0.2".to_owned()],
            ntp_servers: vec!["10.1.0.3".to_owned()],
            domain: "prod.example.org".to_owned(),
            lease_time_s: 7_200,
            pools: pool
                .into_iter()
                .map(|(first, last)| AddressPool {
                    first: first.to_owned(),
                    last: last.to_owned(),
                    ..AddressPool::default()
                })
                .collect(),
            mtu: if pool.is_some() { 9_000 } else { 0 },
            options: if pool.is_some() {
                further_options()
            } else {
                Vec::new()
            },
            ..Subnet::default()
        };
        object(Kind::Subnet, network, Value::Subnet(subnet))
    };
    vec![
        subnet("10.1.0.0/16", "10.1.0.1", Some(("10.1.200.1", "10.1.200.250"))),
        subnet("10.2.0.0/16", "10.2.0.1", None),
    ]
}

/// One of each form that programs tell apart: addresses, a text, bytes, one byte, and what a network boot needs.
fn further_options() -> Vec<RawOption> {
    let hex = |code: u32, hex: &str| RawOption {
        code,
        hex: hex.to_owned(),
        ..RawOption::default()
    };
    vec![
        RawOption {
            code: 7,
            addresses: vec!["10.1.0.4".to_owned(), "10.1.0.5".to_owned()],
            ..RawOption::default()
        },
        RawOption {
            code: 17,
            text: "10.1.0.1:/srv/nfs \"root\"".to_owned(),
            ..RawOption::default()
        },
        hex(43, "0101ff"),
        hex(46, "08"),
        hex(119, "0470726f64076578616d706c65036f726700"),
        hex(224, "c0ffee"),
    ]
}
