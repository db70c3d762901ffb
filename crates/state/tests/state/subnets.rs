//! Subnets.

use std::net::Ipv4Addr;

use model::Rejection;
use proto::dhcp::v1::Subnet;
use proto::dhcp::v1::dhcp_command::{DeleteSubnet, PutSubnet};

use crate::support::Log;

pub fn subnet(network: &str) -> Subnet {
    Subnet {
        network: network.into(),
        ..Default::default()
    }
}

pub fn put(subnet: Subnet) -> PutSubnet {
    PutSubnet { subnet: Some(subnet) }
}

fn network_of(log: &Log, address: &str) -> Option<String> {
    let address: Ipv4Addr = address.parse().unwrap();
    log.state
        .dhcp
        .subnet_of(address)
        .map(|subnet| subnet.network.clone())
}

#[test]
fn a_subnet_is_created_then_replaced() {
    let mut log = Log::new();
    let given = Subnet {
        routers: vec!["10.97.0.1".into()],
        dns_servers: vec!["9.9.9.9".into()],
        domain: "Cluster.Example.org".into(),
        lease_time_s: 600,
        mtu: 9000,
        ..subnet("10.97.0.0/16")
    };
    assert_eq!(log.ok(put(given.clone())).created, ["10.97.0.0/16"]);
    let stored = Subnet {
        domain: "cluster.example.org".into(),
        meta: log.created(),
        ..given
    };
    assert_eq!(*log.state.dhcp.subnets().next().unwrap().as_ref(), stored);
    assert_eq!(log.ok(put(subnet("10.97.0.0/16"))).updated, ["10.97.0.0/16"]);
    let replaced = log.state.dhcp.subnet_of(Ipv4Addr::new(10, 97, 3, 4)).unwrap();
    assert!(
        replaced.routers.is_empty(),
        "what the new one does not say is gone"
    );
    assert_eq!(
        replaced.meta.clone().unwrap().created,
        stored.meta.unwrap().created
    );
}

#[test]
fn an_address_finds_its_subnet() {
    let mut log = Log::new();
    for network in ["10.96.0.0/16", "10.97.0.0/24", "10.97.1.0/24", "0.0.0.0/8"] {
        log.ok(put(subnet(network)));
    }
    assert_eq!(network_of(&log, "10.97.0.255").as_deref(), Some("10.97.0.0/24"));
    assert_eq!(network_of(&log, "10.97.1.0").as_deref(), Some("10.97.1.0/24"));
    assert_eq!(network_of(&log, "10.96.255.255").as_deref(), Some("10.96.0.0/16"));
    assert_eq!(network_of(&log, "0.1.2.3").as_deref(), Some("0.0.0.0/8"));
    for outside in ["10.97.2.0", "10.95.255.255", "9.0.0.1", "255.255.255.255"] {
        assert_eq!(network_of(&log, outside), None, "{outside}");
    }
}

#[test]
fn networks_must_not_overlap() {
    let mut log = Log::new();
    log.ok(put(subnet("10.97.0.0/16")));
    log.ok(put(subnet("10.99.0.0/16")));
    for other in [
        "10.97.0.0/24",
        "10.97.255.0/24",
        "10.96.0.0/15",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "10.99.255.255/32",
    ] {
        let rejection = log.refused(put(subnet(other)));
        let Rejection::Conflict { detail } = &rejection else {
            panic!("{rejection}")
        };
        assert!(
            detail.contains(other) && (detail.contains("10.97.0.0/16") || detail.contains("10.99.0.0/16")),
            "{detail}"
        );
    }
    log.ok(put(subnet("10.98.0.0/16")));
}

#[test]
fn a_deleted_subnet_is_gone() {
    let mut log = Log::new();
    log.ok(put(subnet("10.97.0.0/16")));
    let delete = |network: &str| DeleteSubnet {
        network: network.into(),
    };
    assert_eq!(log.ok(delete("10.97.0.0/16")).deleted, ["10.97.0.0/16"]);
    assert_eq!(network_of(&log, "10.97.0.1"), None);
    let missing = log.refused(delete("10.97.0.0/16"));
    assert_eq!(
        missing,
        Rejection::NotFound {
            kind: "subnet".into(),
            id: "10.97.0.0/16".into()
        }
    );
    assert_eq!(log.invalid(delete("10.97.0.1/16")).0, "network");
}

#[test]
fn wrong_subnets_name_their_field() {
    let base = || subnet("10.97.0.0/16");
    let cases = [
        (subnet("10.97.0.1/16"), "network"),
        (subnet(""), "network"),
        (
            Subnet {
                routers: vec!["10.98.0.1".into()],
                ..base()
            },
            "routers",
        ),
        (
            Subnet {
                routers: vec!["gw".into()],
                ..base()
            },
            "routers",
        ),
        (
            Subnet {
                dns_servers: vec!["9.9.9".into()],
                ..base()
            },
            "dns_servers",
        ),
        (
            Subnet {
                dns_servers: vec!["9.9.9.9".into(); 17],
                ..base()
            },
            "dns_servers",
        ),
        (
            Subnet {
                domain: "a..b".into(),
                ..base()
            },
            "domain",
        ),
        (
            Subnet {
                domain: "a b".into(),
                ..base()
            },
            "domain",
        ),
        (
            Subnet {
                domain: format!("{}x", "a.".repeat(127)),
                ..base()
            },
            "domain",
        ),
        (Subnet { mtu: 67, ..base() }, "mtu"),
        (
            Subnet {
                mtu: 65_536,
                ..base()
            },
            "mtu",
        ),
        (
            Subnet {
                lease_time_s: 59,
                ..base()
            },
            "lease_time_s",
        ),
    ];
    let mut log = Log::new();
    for (subnet, field) in cases {
        assert_eq!(log.invalid(put(subnet)).0, field);
    }
    assert_eq!(log.invalid(PutSubnet { subnet: None }).0, "subnet");
}
