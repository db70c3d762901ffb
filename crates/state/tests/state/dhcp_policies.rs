//! DHCP policies as objects: what is stored, in which order, and how many.

use model::Rejection;
use proto::dhcp::v1::dhcp_command::{DeletePolicy, DeleteSubnet, PutPolicy};
use proto::dhcp::v1::dhcp_policy::DomainAppend;
use proto::dhcp::v1::{DhcpPolicy, RawOption, Subnet};
use state::cluster::FEATURE_LEVEL_DHCP;
use state::dhcp::option_bytes;

use crate::subnets;
use crate::support::Log;

/// Calls nodes by their NIDs.
pub fn policy(name: &str) -> DhcpPolicy {
    DhcpPolicy {
        name: name.into(),
        hostname: "nid{04d}".into(),
        ..DhcpPolicy::default()
    }
}

pub fn put(policy: DhcpPolicy) -> PutPolicy {
    PutPolicy { policy: Some(policy) }
}

pub fn delete(name: &str) -> DeletePolicy {
    DeletePolicy { name: name.into() }
}

pub fn hex(code: u32, hex: &str) -> RawOption {
    RawOption {
        code,
        hex: hex.into(),
        ..RawOption::default()
    }
}

pub fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn names(log: &Log) -> Vec<String> {
    log.state
        .dhcp
        .policies()
        .map(|policy| policy.name.clone())
        .collect()
}

#[test]
fn a_policy_is_created_in_normal_form_then_replaced_and_deleted() {
    let mut log = Log::latest();
    let given = DhcpPolicy {
        name: "nodes".into(),
        component_types: texts(&["nodebmc", "Node", "node"]),
        subnets: texts(&["10.98.0.0/16", "10.97.0.0/16"]),
        hosts: texts(&["X01000C0,x3", "x[2,1]c0"]),
        groups: texts(&["Login", "compute"]),
        roles: texts(&["compute"]),
        sub_roles: texts(&["worker", "Mine"]),
        continues: true,
        hostname: "nid{4d}".into(),
        domain: "Hpc.Example".into(),
        domain_append: DomainAppend::Either.into(),
        routers: texts(&["10.98.0.1", "10.97.0.1"]),
        dns_servers: texts(&["9.9.9.9"]),
        ntp_servers: texts(&["10.97.0.5"]),
        lease_time_s: 600,
        mtu: 9000,
        options: vec![hex(150, "0A:61 00:01"), hex(43, "0104")],
        ..DhcpPolicy::default()
    };
    assert_eq!(log.ok(put(given.clone())).created, ["nodes"]);
    let stored = DhcpPolicy {
        priority: Some(500),
        component_types: texts(&["Node", "NodeBMC"]),
        subnets: texts(&["10.97.0.0/16", "10.98.0.0/16"]),
        hosts: texts(&["x1000c0", "x3", "x[1-2]c0"]),
        groups: texts(&["compute", "login"]),
        roles: texts(&["Compute"]),
        sub_roles: texts(&["Mine", "Worker"]),
        hostname: "nid{04d}".into(),
        domain: "hpc.example".into(),
        options: vec![hex(43, "0104"), hex(150, "0a610001")],
        meta: log.created(),
        ..given
    };
    assert_eq!(log.state.dhcp.policy("nodes").as_deref(), Some(&stored));
    assert_eq!(log.ok(put(policy("nodes"))).updated, ["nodes"]);
    let replaced = log.state.dhcp.policy("nodes").unwrap();
    assert!(replaced.subnets.is_empty() && replaced.options.is_empty());
    assert_eq!(
        replaced.meta.clone().unwrap().created,
        stored.meta.unwrap().created
    );
    assert_eq!(log.ok(delete("nodes")).deleted, ["nodes"]);
    assert_eq!(names(&log), [""; 0]);
    assert!(matches!(log.refused(delete("nodes")), Rejection::NotFound { .. }));
}

#[test]
fn the_highest_priority_comes_first_then_the_first_name() {
    let mut log = Log::latest();
    let with = |name: &str, priority| DhcpPolicy {
        priority,
        ..policy(name)
    };
    for policy in [
        with("c", None),
        with("b", Some(0)),
        with("a", Some(500)),
        with("d", Some(1000)),
    ] {
        log.ok(put(policy));
    }
    assert_eq!(names(&log), ["d", "a", "c", "b"]);
    log.ok(put(with("b", Some(501))));
    assert_eq!(names(&log), ["d", "b", "a", "c"]);
    let restored = state::State::from_rows(log.state.rows()).unwrap();
    let restored: Vec<_> = restored
        .dhcp
        .policies()
        .map(|policy| &policy.name)
        .cloned()
        .collect();
    assert_eq!(restored, names(&log));
}

/// Places of other types are below the one that is meant.
#[test]
fn a_name_without_a_placeholder_is_one_components() {
    let mut log = Log::latest();
    log.ok(put(DhcpPolicy {
        hostname: "rack1-bmc".into(),
        hosts: texts(&["x0c0s0b0"]),
        ..policy("bmc")
    }));
    assert_eq!(log.state.dhcp.policy("bmc").unwrap().component_types, ["NodeBMC"]);
}

#[test]
fn options_have_their_bytes() {
    let option = |hex: &str, text: &str, addresses: &[&str]| RawOption {
        code: 43,
        hex: hex.into(),
        text: text.into(),
        addresses: texts(addresses),
    };
    for (option, bytes) in [
        (option("0104ff", "", &[]), Some(vec![1, 4, 255])),
        (option("", "a b", &[]), Some(b"a b".to_vec())),
        (
            option("", "", &["10.97.0.1", "10.97.0.2"]),
            Some(vec![10, 97, 0, 1, 10, 97, 0, 2]),
        ),
        (option("", "", &[]), None),
        (option("", "", &["here"]), None),
    ] {
        assert_eq!(option_bytes(&option), bytes, "{option:?}");
    }
}

#[test]
fn there_are_so_many_policies_and_nodesets() {
    let mut log = Log::latest();
    let numbered = |n: usize| policy(&format!("p{n}"));
    log.fill((0..256).map(|n| put(numbered(n))));
    assert_eq!(log.invalid(put(numbered(256))).0, "policy");
    log.ok(put(numbered(255)));
    let hosts = |from: usize, count| (from..from + count).map(|n| format!("x{n}")).collect();
    for n in 0..16 {
        log.ok(put(DhcpPolicy {
            hosts: hosts(64 * n, 64),
            ..numbered(n)
        }));
    }
    let one_more = DhcpPolicy {
        hosts: hosts(0, 1),
        ..numbered(16)
    };
    assert_eq!(log.invalid(put(one_more)).0, "hosts");
    let one_less = DhcpPolicy {
        hosts: hosts(0, 63),
        ..numbered(0)
    };
    log.ok(put(one_less));
}

/// A node may use its address for as long as a policy has granted, and so long nobody else gets it.
#[test]
fn subnets_remember_the_longest_lease_that_a_policy_gives() {
    let mut log = Log::latest();
    let longest = |log: &Log| -> Vec<u32> {
        log.state
            .dhcp
            .subnets()
            .map(|subnet| subnet.longest_lease_time_s)
            .collect()
    };
    let lease = |name: &str, subnets: &[&str], lease_time_s| {
        put(DhcpPolicy {
            subnets: texts(subnets),
            lease_time_s,
            ..policy(name)
        })
    };
    log.ok(subnets::put(subnets::subnet("10.97.0.0/16")));
    log.ok(subnets::put(subnets::subnet("10.98.0.0/16")));
    log.ok(lease("part", &["10.97.3.0/24"], 7200));
    assert_eq!(longest(&log), [7200, 3600]);
    let meta = log.state.dhcp.subnets().next().unwrap().meta.clone().unwrap();
    assert_eq!(meta.modified.unwrap(), log.last_change());
    log.ok(lease("all", &[], 5000));
    assert_eq!(longest(&log), [7200, 5000]);
    log.ok(delete("part"));
    log.ok(delete("all"));
    log.ok(subnets::put(subnets::subnet("10.97.0.0/16")));
    assert_eq!(longest(&log), [7200, 5000], "what was granted lasts");
    // a subnet that comes later is told, too
    log.ok(DeleteSubnet {
        network: "10.97.0.0/16".into(),
    });
    log.ok(lease("part", &["10.97.3.0/24"], 7200));
    log.ok(lease("other", &["10.99.0.0/16"], 9000));
    log.ok(subnets::put(subnets::subnet("10.97.0.0/16")));
    assert_eq!(longest(&log), [7200, 5000]);
}

#[test]
fn a_subnet_has_options_too() {
    let mut log = Log::latest();
    let given = Subnet {
        ntp_servers: texts(&["10.97.0.5"]),
        options: vec![hex(150, "0A610001"), hex(43, "01")],
        ..subnets::subnet("10.97.0.0/16")
    };
    log.ok(subnets::put(given.clone()));
    let stored = log.state.dhcp.subnets().next().unwrap().clone();
    assert_eq!(stored.ntp_servers, given.ntp_servers);
    assert_eq!(stored.options, [hex(43, "01"), hex(150, "0a610001")]);
    let wrong = |ntp: &[&str], options| Subnet {
        ntp_servers: texts(ntp),
        options,
        ..subnets::subnet("10.97.0.0/16")
    };
    assert_eq!(log.invalid(subnets::put(wrong(&["x"], vec![]))).0, "ntp_servers");
    assert_eq!(
        log.invalid(subnets::put(wrong(&[], vec![hex(54, "01")]))).0,
        "options[54]"
    );
}

/// A member of an older version would stop at such an entry.
#[test]
fn policies_and_options_need_members_that_know_them() {
    let mut log = Log::new();
    let ntp = Subnet {
        ntp_servers: texts(&["10.97.0.5"]),
        ..subnets::subnet("10.97.0.0/16")
    };
    let option = Subnet {
        options: vec![hex(43, "01")],
        ..subnets::subnet("10.97.0.0/16")
    };
    for refused in [
        log.refused(put(policy("a"))),
        log.refused(delete("a")),
        log.refused(subnets::put(ntp)),
        log.refused(subnets::put(option)),
    ] {
        let Rejection::FeatureLevel { needed, .. } = refused else {
            panic!("{refused}")
        };
        assert_eq!(needed, FEATURE_LEVEL_DHCP);
    }
}
