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

/// DNS asks for domains with every question, so they are found without a look at every subnet; also after changes, and
/// in what a snapshot gives.
#[test]
fn domains_are_those_of_the_subnets_and_no_others() {
    let mut log = Log::new();
    let domains = |state: &state::State| state.dhcp.domains().map(str::to_owned).collect::<Vec<_>>();
    let of = |network: &str, domain: &str| {
        put(Subnet {
            domain: domain.into(),
            ..subnet(network)
        })
    };
    log.ok(of("0.0.0.0/8", "B.example"));
    log.ok(of("10.97.0.0/16", "a.example"));
    log.ok(of("10.98.0.0/16", "b.example"));
    log.ok(put(subnet("10.99.0.0/16")));
    assert_eq!(domains(&log.state), ["a.example", "b.example"]);
    for (domain, is_there) in [
        ("a.example", true),
        ("b.example", true),
        ("example", false),
        ("a.exampl", false),
        ("", false),
    ] {
        assert_eq!(log.state.dhcp.has_domain(domain), is_there, "{domain}");
    }
    let loaded = state::State::from_rows(log.state.rows()).unwrap();
    assert_eq!(domains(&loaded), domains(&log.state));
    log.ok(of("10.97.0.0/16", "c.example"));
    log.ok(DeleteSubnet {
        network: "0.0.0.0/8".into(),
    });
    assert_eq!(
        domains(&log.state),
        ["b.example", "c.example"],
        "a domain of two subnets ends with the last"
    );
    log.ok(put(subnet("10.98.0.0/16")));
    assert!(!log.state.dhcp.has_domain("b.example"));
}

#[test]
fn subnets_that_overlap_a_network_are_found_around_and_inside() {
    let mut log = Log::new();
    for network in ["10.0.0.0/9", "10.200.0.0/25", "10.200.0.128/25"] {
        log.ok(put(subnet(network)));
    }
    let overlapping = |network: &str| {
        let network = network.parse().unwrap();
        let found = log.state.dhcp.overlapping(&network);
        found.map(|subnet| subnet.network.clone()).collect::<Vec<_>>()
    };
    assert_eq!(overlapping("10.3.0.0/16"), ["10.0.0.0/9"]);
    assert_eq!(overlapping("10.0.0.0/9"), ["10.0.0.0/9"]);
    assert_eq!(overlapping("10.200.0.0/24"), ["10.200.0.0/25", "10.200.0.128/25"]);
    assert_eq!(overlapping("10.0.0.0/8").len(), 3);
    assert!(overlapping("10.200.1.0/24").is_empty());
}
