//! Which policies mean a client, what they say together, and what components are called.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::{Ipv4Net, Xname};
use proto::cloud_init::v1::InstanceInfo;
use proto::cloud_init::v1::cloud_init_command::PutInstanceInfo;
use proto::dhcp::v1::DhcpPolicy;
use proto::dhcp::v1::dhcp_policy::DomainAppend;
use proto::smd::v1::Component;
use state::dhcp::PolicyChoice;

use crate::dhcp_policies::{delete, hex, policy, put, texts};
use crate::support::Log;
use crate::{cluster, create_components, ethernet_interfaces, groups, instance_info};

/// A node with the NID 1, two addresses and a group, role and subrole of its own.
const NODE: &str = "x0c0s0b0n0";
/// A node with the NID 2.
const OTHER: &str = "x0c0s1b0n0";
/// A BMC without a NID.
const BMC: &str = "x0c0s0b0";

fn log() -> Log {
    let mut log = Log::latest();
    log.ok(cluster::bootstrap("prod"));
    let node = Component {
        role: "Compute".into(),
        sub_role: "Worker".into(),
        ..create_components::with_nid(NODE, 1)
    };
    let components = vec![
        node,
        create_components::with_nid(OTHER, 2),
        create_components::component(BMC),
    ];
    log.ok(create_components::create(components));
    log.ok(groups::create(groups::group("login", &[NODE])));
    for (mac, xname, ips) in [
        ("02:00:00:00:00:a1", NODE, &["10.97.2.1", "10.98.2.1"][..]),
        ("02:00:00:00:00:a2", OTHER, &["10.97.2.2"]),
        ("02:00:00:00:00:b1", BMC, &["10.97.3.1"]),
    ] {
        log.ok(ethernet_interfaces::create(mac, xname, ips));
    }
    log
}

fn with(policies: &[DhcpPolicy]) -> Log {
    let mut log = log();
    for policy in policies {
        log.ok(put(policy.clone()));
    }
    log
}

fn xname(text: &str) -> Xname {
    text.parse().unwrap()
}

fn net(text: &str) -> Option<Ipv4Net> {
    Some(text.parse().unwrap())
}

fn names(choice: &PolicyChoice<'_>) -> Vec<String> {
    choice.names().map(str::to_owned).collect()
}

/// Whether a policy with these selectors means the client.
fn means(selectors: DhcpPolicy, client: Option<&str>, place: Option<Ipv4Net>) -> bool {
    let log = with(&[DhcpPolicy {
        name: "a".into(),
        mtu: 1500,
        ..selectors
    }]);
    let client = client.map(xname);
    names(&log.state.policies_for(client.as_ref(), place)) == ["a"]
}

#[test]
fn each_kind_of_selector_that_is_given_must_fit() {
    let none = DhcpPolicy::default;
    let here = net("10.97.2.1/32");
    let kinds = |types: &[&str], subnets: &[&str], hosts: &[&str], groups: &[&str]| DhcpPolicy {
        component_types: texts(types),
        subnets: texts(subnets),
        hosts: texts(hosts),
        groups: texts(groups),
        ..none()
    };
    let roles = |roles: &[&str], sub_roles: &[&str]| DhcpPolicy {
        roles: texts(roles),
        sub_roles: texts(sub_roles),
        ..none()
    };
    let cases = [
        (none(), true),
        (kinds(&["Node"], &[], &[], &[]), true),
        (kinds(&["NodeBMC", "Node"], &[], &[], &[]), true),
        (kinds(&["NodeBMC"], &[], &[], &[]), false),
        (kinds(&[], &["10.97.0.0/16"], &[], &[]), true),
        (kinds(&[], &["10.96.0.0/16", "10.97.2.0/24"], &[], &[]), true),
        (kinds(&[], &["10.97.2.1/32"], &[], &[]), true),
        (kinds(&[], &["10.98.0.0/16"], &[], &[]), false),
        (kinds(&[], &[], &[NODE], &[]), true),
        (kinds(&[], &[], &[OTHER, "x[0-3]c*s0b0n0"], &[]), true),
        (kinds(&[], &[], &["x0c0"], &[]), true),
        (kinds(&[], &[], &[OTHER], &[]), false),
        (kinds(&[], &[], &[], &["compute", "login"]), true),
        (kinds(&[], &[], &[], &["compute"]), false),
        (roles(&["Compute"], &[]), true),
        (roles(&["Service", "Compute"], &["Worker"]), true),
        (roles(&["Compute"], &["Master"]), false),
        (roles(&["Service"], &["Worker"]), false),
        (roles(&[], &["Worker"]), true),
        (kinds(&["Node"], &["10.97.0.0/16"], &["x0"], &["login"]), true),
        (kinds(&["NodeBMC"], &["10.97.0.0/16"], &["x0"], &["login"]), false),
        (kinds(&["Node"], &["10.98.0.0/16"], &["x0"], &["login"]), false),
        (kinds(&["Node"], &["10.97.0.0/16"], &["x1"], &["login"]), false),
        (kinds(&["Node"], &["10.97.0.0/16"], &["x0"], &["other"]), false),
    ];
    for (selectors, expected) in cases {
        assert_eq!(
            means(selectors.clone(), Some(NODE), here),
            expected,
            "{selectors:?}"
        );
    }
}

#[test]
fn a_client_without_a_component_is_meant_by_its_network_alone() {
    let subnet = DhcpPolicy {
        subnets: texts(&["10.97.0.0/16"]),
        ..DhcpPolicy::default()
    };
    assert!(means(DhcpPolicy::default(), None, None));
    assert!(means(subnet.clone(), None, net("10.97.0.0/16")));
    assert!(means(subnet.clone(), None, net("10.97.4.0/24")));
    assert!(
        !means(subnet.clone(), None, net("10.96.0.0/15")),
        "a part of it only"
    );
    assert!(!means(subnet, None, None));
    for selectors in [
        DhcpPolicy {
            component_types: texts(&["Node"]),
            ..DhcpPolicy::default()
        },
        DhcpPolicy {
            hosts: texts(&["x0"]),
            ..DhcpPolicy::default()
        },
        DhcpPolicy {
            groups: texts(&["login"]),
            ..DhcpPolicy::default()
        },
        DhcpPolicy {
            roles: texts(&["Compute"]),
            ..DhcpPolicy::default()
        },
        DhcpPolicy {
            sub_roles: texts(&["Worker"]),
            ..DhcpPolicy::default()
        },
    ] {
        assert!(
            !means(selectors.clone(), None, net("10.97.0.0/16")),
            "{selectors:?}"
        );
    }
}

/// A step of a table: name, priority, whether the next one is looked at, MTU (0 for none).
fn step(name: &str, priority: u32, continues: bool, mtu: u32) -> DhcpPolicy {
    DhcpPolicy {
        name: name.into(),
        priority: Some(priority),
        continues,
        mtu,
        lease_time_s: if mtu == 0 { 600 } else { 0 },
        ..DhcpPolicy::default()
    }
}

#[test]
fn the_first_that_fits_is_taken_and_those_after_it_where_it_says_so() {
    let miss = DhcpPolicy {
        groups: texts(&["nobody"]),
        ..step("miss", 900, false, 1400)
    };
    let choose = |policies: &[DhcpPolicy]| {
        let log = with(policies);
        let choice = log.state.policies_for(Some(&xname(NODE)), None);
        (names(&choice), choice.mtu(), choice.lease_time_s())
    };
    let stop = choose(&[
        miss.clone(),
        step("b", 500, false, 1500),
        step("c", 400, false, 9000),
    ]);
    assert_eq!(stop, (texts(&["b"]), Some(1500), None));
    let on = choose(&[
        miss.clone(),
        step("b", 500, true, 1500),
        step("c", 400, false, 9000),
    ]);
    assert_eq!(
        on,
        (texts(&["b", "c"]), Some(9000), None),
        "the later one counts, as in coresmd"
    );
    let apart = choose(&[miss, step("b", 500, true, 1500), step("c", 400, true, 0)]);
    assert_eq!(
        apart,
        (texts(&["b", "c"]), Some(1500), Some(600)),
        "what it does not say stays"
    );
}

#[test]
fn whoever_is_ignored_is_ignored_where_the_policy_is_met() {
    let ignore = |priority| DhcpPolicy {
        name: "dark".into(),
        priority: Some(priority),
        groups: texts(&["login"]),
        ignore: true,
        ..DhcpPolicy::default()
    };
    let ignores = |policies: &[DhcpPolicy], client: &str| {
        let log = with(policies);
        log.state.policies_for(Some(&xname(client)), None).ignores()
    };
    let log = with(&[ignore(900), step("a", 950, true, 1500)]);
    let met = log.state.policies_for(Some(&xname(NODE)), None);
    assert_eq!(met.ignoring().map(|policy| policy.name.as_str()), Some("dark"));
    let passed = log.state.policies_for(Some(&xname(OTHER)), None);
    assert_eq!(passed.ignoring(), None, "`a` says something to it");
    assert!(ignores(&[ignore(900)], NODE));
    assert!(!ignores(&[ignore(900)], OTHER));
    assert!(ignores(&[ignore(900), step("a", 950, true, 1500)], NODE));
    assert!(!ignores(&[ignore(900), step("a", 950, false, 1500)], NODE));
}

#[test]
fn everything_that_a_policy_says_can_be_asked() {
    let full = DhcpPolicy {
        domain: "own.example".into(),
        routers: texts(&["10.97.0.1"]),
        prefix_length: 22,
        dns_servers: texts(&["10.97.0.2"]),
        ntp_servers: texts(&["10.97.0.3"]),
        lease_time_s: 600,
        mtu: 9000,
        options: vec![hex(43, "01"), hex(150, "02")],
        continues: true,
        ..policy("a")
    };
    let second = DhcpPolicy {
        options: vec![hex(43, "03"), hex(67, "04")],
        ..policy("b")
    };
    let log = with(&[full, second]);
    let choice = log.state.policies_for(None, None);
    let address = |d| Ipv4Addr::new(10, 97, 0, d);
    assert_eq!(choice.domain(), Some("own.example"));
    assert_eq!(choice.routers(), Some(&[address(1)][..]));
    assert_eq!(choice.prefix_length(), Some(22));
    assert_eq!(choice.dns_servers(), Some(&[address(2)][..]));
    assert_eq!(choice.ntp_servers(), Some(&[address(3)][..]));
    assert_eq!((choice.lease_time_s(), choice.mtu()), (Some(600), Some(9000)));
    let options = [(43, &[3][..]), (67, &[4]), (150, &[2])];
    assert_eq!(choice.options(), BTreeMap::from(options));
    // nobody says anything
    let log = with(&[]);
    let choice = log.state.policies_for(None, None);
    assert!(!choice.ignores() && choice.names().next().is_none() && choice.options().is_empty());
    assert_eq!(
        (choice.domain(), choice.routers(), choice.prefix_length()),
        (None, None, None)
    );
    assert_eq!((choice.dns_servers(), choice.ntp_servers()), (None, None));
    assert_eq!((choice.lease_time_s(), choice.mtu()), (None, None));
}

/// Source: coresmd's `lookupHostname`; without anything said a name stands alone here, `Either` is its default.
#[test]
fn domains_follow_the_name_as_in_coresmd() {
    use DomainAppend::{Either, None, Policy, PolicySubnet, Subnet, SubnetPolicy, Unspecified};
    let whole = |append: DomainAppend, own: &str, subnet: &str, name: &str| {
        let log = with(&[DhcpPolicy {
            domain: own.into(),
            domain_append: append.into(),
            ..policy("a")
        }]);
        let choice = log.state.policies_for(Option::None, Option::None);
        choice.whole_name(name.to_owned(), subnet)
    };
    for (append, own, subnet, expected) in [
        (Unspecified, "own", "sub", "n1"),
        (None, "own", "sub", "n1"),
        (Either, "own", "sub", "n1.own"),
        (Either, "", "sub", "n1.sub"),
        (Either, "", "", "n1"),
        (Either, "own", "", "n1.own"),
        (Subnet, "own", "sub", "n1.sub"),
        (Subnet, "own", "", "n1"),
        (Policy, "own", "sub", "n1.own"),
        (SubnetPolicy, "own", "sub", "n1.sub.own"),
        (SubnetPolicy, "own", "", "n1.own"),
        (PolicySubnet, "own", "sub", "n1.own.sub"),
    ] {
        assert_eq!(
            whole(append, own, subnet, "n1"),
            expected,
            "{append:?} {own} {subnet}"
        );
    }
    assert_eq!(
        whole(Subnet, "", "sub", "n1.sub"),
        "n1.sub",
        "it is whole already"
    );
}

fn name(log: &Log, node: &str) -> String {
    log.state.hostname(&xname(node))
}

fn name_at(log: &Log, node: &str, address: &str) -> String {
    log.state.hostname_at(&xname(node), address.parse().unwrap())
}

#[test]
fn a_policy_names_its_components_and_others_keep_their_names() {
    let mut log = with(&[
        DhcpPolicy {
            component_types: texts(&["NodeBMC"]),
            hostname: "{id}-bmc".into(),
            ..policy("bmcs")
        },
        DhcpPolicy {
            groups: texts(&["login"]),
            hostname: "login{02d}".into(),
            ..policy("logins")
        },
    ]);
    assert_eq!(name(&log, NODE), "login01");
    assert_eq!(name(&log, OTHER), "pr0002");
    assert_eq!(name(&log, BMC), "x0c0s0b0-bmc");
    let own = InstanceInfo {
        local_hostname: "gate".into(),
        ..instance_info::info(NODE)
    };
    log.ok(PutInstanceInfo {
        info: Some(own),
        ..PutInstanceInfo::default()
    });
    assert_eq!(name(&log, NODE), "gate", "a node's own name counts more");
    assert_eq!(name_at(&log, NODE, "10.98.2.1"), "gate");
}

#[test]
fn a_pattern_that_a_component_cannot_fill_is_passed_over() {
    let first = DhcpPolicy {
        hostname: "{id}-x".into(),
        continues: true,
        ..policy("a")
    };
    let log = with(&[first, policy("b")]);
    assert_eq!(
        (name(&log, NODE), name(&log, BMC)),
        ("nid0001".into(), "x0c0s0b0-x".into())
    );
    let log = with(&[policy("b")]);
    assert_eq!(name(&log, BMC), "x0c0s0b0", "no NID");
}

#[test]
fn a_name_may_be_for_one_network_only() {
    let hsn = DhcpPolicy {
        subnets: texts(&["10.98.0.0/16"]),
        hostname: "nid{04d}-hsn".into(),
        priority: Some(600),
        ..policy("hsn")
    };
    let log = with(&[hsn, policy("nodes")]);
    assert_eq!(name(&log, NODE), "nid0001", "that of its first address");
    assert_eq!(name_at(&log, NODE, "10.97.2.1"), "nid0001");
    assert_eq!(name_at(&log, NODE, "10.98.2.1"), "nid0001-hsn");
    let called = |name: &str| log.state.called(name).map(|node| node.to_string());
    assert_eq!(called("NID0001-hsn").as_deref(), Some(NODE));
    assert_eq!(called("nid0002-hsn"), None, "it has no address there");
}

#[test]
fn who_is_called_so_by_a_policy_is_found_by_the_name() {
    let constant = DhcpPolicy {
        hostname: "rack-bmc".into(),
        hosts: texts(&[BMC]),
        ..policy("one")
    };
    let nodes = DhcpPolicy {
        component_types: texts(&["Node"]),
        hostname: "n{03d}x".into(),
        ..policy("nodes")
    };
    let mut log = with(&[constant, nodes]);
    let called = |log: &Log, name: &str| log.state.called(name).map(|node| node.to_string());
    assert_eq!(called(&log, "rack-bmc").as_deref(), Some(BMC));
    assert_eq!(called(&log, "N002X").as_deref(), Some(OTHER));
    for nobody in ["n2x", "n009x", "n002", "pr0002", "x0c0s0b0-bmc", "rack"] {
        assert_eq!(called(&log, nobody), None, "{nobody}");
    }
    log.ok(delete("nodes"));
    assert_eq!(called(&log, "n002x"), None);
    assert_eq!(called(&log, "pr0002").as_deref(), Some(OTHER));
    // two that would be called the same: the first by xname, on every member
    log.ok(put(DhcpPolicy {
        hosts: texts(&[OTHER]),
        hostname: "pr0001".into(),
        ..policy("twin")
    }));
    assert_eq!(called(&log, "pr0001").as_deref(), Some(NODE));
}
