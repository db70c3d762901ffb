//! Leases of pools: an address has one owner at any log index, and nobody else gets it before that one's lease has ended.

use std::net::Ipv4Addr;

use model::{MacAddr, Rejection};
use proto::dhcp::v1::dhcp_command::{Bind, BindLeases, DeleteLease, EndLease, QuarantineAddress};
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use proto::dhcp::v1::subnet::UnknownClients;
use proto::dhcp::v1::{AddressPool, DhcpLease, Subnet};
use state::cluster::FEATURE_LEVEL_DHCP;
use state::dhcp::{LeaseClient, Pools};

use crate::ethernet_interfaces::create;
use crate::subnets::{put, subnet};
use crate::support::Log;

/// Two clients that SMD does not know.
pub const A: &str = "02:00:00:00:0a:01";
pub const B: &str = "02:00:00:00:0a:02";
/// Pool lease of the subnet below, milliseconds.
const LEASE_MS: u64 = 300_000;
/// What the state waits after the end of a lease, milliseconds.
const MARGIN_MS: u64 = 10_000;

/// `10.97.0.0/16` with the pool `.200.1` to `.200.9`, of which `.200.5` is left out.
pub fn with_pool() -> Subnet {
    Subnet {
        pools: vec![pool("10.97.200.1", "10.97.200.9", &["10.97.200.5"])],
        unknown_clients: UnknownClients::Address.into(),
        ..subnet("10.97.0.0/16")
    }
}

fn pool(first: &str, last: &str, excluded: &[&str]) -> AddressPool {
    AddressPool {
        first: first.into(),
        last: last.into(),
        excluded: excluded.iter().map(ToString::to_string).collect(),
    }
}

fn log() -> Log {
    let mut log = Log::latest();
    log.ok(put(with_pool()));
    log
}

pub fn one(address: &str, mac: &str) -> Bind {
    Bind {
        address: address.into(),
        mac: mac.into(),
        ..Bind::default()
    }
}

pub fn bind(address: &str, mac: &str) -> BindLeases {
    BindLeases {
        leases: vec![one(address, mac)],
    }
}

/// The DHCPACK of the shorter lease may be lost: its client goes on with the longer one.
#[test]
fn a_renewal_does_not_shorten_what_was_granted() {
    let mut log = log();
    log.ok(put(Subnet {
        pool_lease_time_s: 3600,
        ..with_pool()
    }));
    log.ok(bind("10.97.200.1", A));
    let granted = log.now_ms + 3_600_000;
    log.ok(put(with_pool()));
    log.now_ms += 1000;
    log.ok(bind("10.97.200.1", A));
    let ends = |log: &Log| {
        log.state
            .dhcp
            .lease("10.97.200.1".parse().unwrap())
            .unwrap()
            .ends_at_ms
    };
    assert_eq!(ends(&log), granted);
    log.now_ms = granted - 1;
    assert_eq!(log.ok(bind("10.97.200.1", B)).refused_count, 1);
    log.ok(bind("10.97.200.1", A));
    assert_eq!(ends(&log), granted - 1 + LEASE_MS, "then by the new time");
}

fn end(address: &str, mac: &str, declined: bool) -> EndLease {
    EndLease {
        address: address.into(),
        mac: mac.into(),
        declined,
        ..EndLease::default()
    }
}

fn delete(address: &str, force: bool) -> DeleteLease {
    DeleteLease {
        address: address.into(),
        force,
    }
}

fn lease(log: &Log, address: &str) -> DhcpLease {
    let lease = log.state.dhcp.lease(address.parse().unwrap()).unwrap();
    lease.as_ref().clone()
}

fn client(mac: &str) -> LeaseClient {
    LeaseClient::new(mac.parse().unwrap(), &[])
}

/// Lets time pass. The log's client stays known by what it asks for in vain now and then: its session lapses after an hour.
fn pass(log: &mut Log, ms: u64) {
    const STEP_MS: u64 = 1_800_000;
    let end_ms = log.now_ms + ms;
    while log.now_ms < end_ms {
        log.now_ms = end_ms.min(log.now_ms + STEP_MS);
        log.refused(end("10.97.255.1", A, false));
    }
}

/// Why an address could not be bound.
fn refusal(log: &mut Log, bind: BindLeases) -> String {
    let applied = log.ok(bind);
    assert_eq!(applied.refused_count, 1);
    applied.refused[0].reason.clone()
}

#[test]
fn a_lease_is_bound_until_its_end_and_extended_by_its_client() {
    let mut log = log();
    log.ok(BindLeases {
        leases: vec![Bind {
            hostname: "spare".into(),
            vendor_class: "udhcp 1.35".into(),
            ..one("10.97.200.1", A)
        }],
    });
    let bound = DhcpLease {
        address: "10.97.200.1".into(),
        mac: A.into(),
        state: LeaseState::Bound.into(),
        bound_at_ms: log.now_ms,
        ends_at_ms: log.now_ms + LEASE_MS,
        hostname: "spare".into(),
        vendor_class: "udhcp 1.35".into(),
        meta: log.created(),
        ..DhcpLease::default()
    };
    assert_eq!(lease(&log, "10.97.200.1"), bound);
    log.now_ms += 200_000;
    log.ok(bind("10.97.200.1", A));
    let extended = lease(&log, "10.97.200.1");
    assert_eq!(extended.ends_at_ms, log.now_ms + LEASE_MS);
    assert_eq!(extended.bound_at_ms, bound.bound_at_ms);
    assert_eq!(log.state.dhcp.leases().count(), 1);
}

#[test]
fn nobody_else_gets_an_address_before_its_lease_has_ended_for_everyone() {
    let mut log = log();
    log.ok(bind("10.97.200.1", A));
    for passed in [0, LEASE_MS - 1, 1, MARGIN_MS - 1] {
        log.now_ms += passed;
        let why = refusal(&mut log, bind("10.97.200.1", B));
        assert!(why.contains(A), "{why}");
    }
    log.now_ms += 1;
    log.ok(bind("10.97.200.1", B));
    let theirs = lease(&log, "10.97.200.1");
    assert_eq!((theirs.mac.as_str(), theirs.bound_at_ms), (B, log.now_ms));
    assert_eq!(log.state.dhcp.leases_of(&client(A)).count(), 0);
    assert!(refusal(&mut log, bind("10.97.200.1", A)).contains(B));
}

/// Two members offer the same address: the log decides, and one of them is told.
#[test]
fn of_two_that_want_an_address_in_one_entry_the_first_gets_it() {
    let mut log = log();
    let applied = log.ok(BindLeases {
        leases: vec![
            one("10.97.200.1", A),
            one("10.97.200.1", B),
            one("10.97.200.2", B),
        ],
    });
    assert_eq!(
        (applied.refused_count, applied.refused[0].id.as_str()),
        (1, "10.97.200.1")
    );
    assert_eq!(lease(&log, "10.97.200.1").mac, A);
    assert_eq!(lease(&log, "10.97.200.2").mac, B);
}

#[test]
fn a_client_has_one_address_on_a_network() {
    let mut log = log();
    log.ok(bind("10.97.200.1", A));
    log.ok(bind("10.97.200.2", A));
    assert_eq!(lease(&log, "10.97.200.1").state(), LeaseState::Released);
    assert_eq!(lease(&log, "10.97.200.2").state(), LeaseState::Bound);
    assert!(
        refusal(&mut log, bind("10.97.200.1", B)).contains(A),
        "it may use it still"
    );
    log.ok(put(Subnet {
        pools: vec![pool("10.98.0.1", "10.98.0.2", &[])],
        ..subnet("10.98.0.0/16")
    }));
    log.ok(bind("10.98.0.1", A));
    assert_eq!(
        lease(&log, "10.97.200.2").state(),
        LeaseState::Bound,
        "another network"
    );
}

/// A firmware sends its MAC as option 61, iPXE nothing, an operating system a DUID.
#[test]
fn a_client_is_its_identifier_or_its_mac() {
    let mac: MacAddr = A.parse().unwrap();
    let with_mac = [&[1][..], &mac.0].concat();
    assert_eq!(LeaseClient::new(mac, &with_mac), LeaseClient::new(mac, &[]));
    let duid = [255, 0, 0, 0, 1, 0, 2];
    assert_ne!(LeaseClient::new(mac, &duid), LeaseClient::new(mac, &[]));
    let mut log = log();
    log.ok(bind("10.97.200.1", A));
    let with = |client_id: &[u8]| BindLeases {
        leases: vec![Bind {
            client_id: client_id.to_vec(),
            ..one("10.97.200.1", A)
        }],
    };
    assert_eq!(log.ok(with(&with_mac)).refused_count, 0);
    assert!(refusal(&mut log, with(&duid)).contains(A));
}

#[test]
fn an_address_that_belongs_to_somebody_is_never_bound() {
    let mut log = Log::latest();
    log.ok(put(Subnet {
        routers: vec!["10.97.200.2".into()],
        dns_servers: vec!["10.97.200.3".into()],
        ..with_pool()
    }));
    log.ok(create("02:00:00:00:00:a1", "x0c0s0b0n0", &["10.97.200.1"]));
    for (address, why) in [
        ("10.97.200.1", "02:00:00:00:00:a1"),
        ("10.97.200.2", "router"),
        ("10.97.200.3", "server"),
        ("10.97.200.5", "no pool"),
        ("10.97.200.10", "no pool"),
        ("10.97.199.255", "no pool"),
        ("10.98.0.1", "subnet"),
    ] {
        let said = refusal(&mut log, bind(address, A));
        assert!(said.contains(why), "{address}: {said}");
    }
    assert_eq!(log.state.dhcp.leases().count(), 0);
}

#[test]
fn an_address_that_was_given_back_is_kept_for_its_client_until_the_lease_ends() {
    let mut log = log();
    log.ok(bind("10.97.200.1", A));
    let other = log.refused(end("10.97.200.1", B, false));
    assert!(matches!(other, Rejection::NotFound { .. }), "{other}");
    assert_eq!(lease(&log, "10.97.200.1").state(), LeaseState::Bound);
    let ends_at_ms = lease(&log, "10.97.200.1").ends_at_ms;
    assert_eq!(log.ok(end("10.97.200.1", A, false)).updated, ["10.97.200.1"]);
    let released = lease(&log, "10.97.200.1");
    assert_eq!(
        (released.state(), released.ends_at_ms),
        (LeaseState::Released, ends_at_ms)
    );
    assert_eq!(log.ok(end("10.97.200.1", A, false)).unchanged, ["10.97.200.1"]);
    assert!(refusal(&mut log, bind("10.97.200.1", B)).contains(A));
    log.ok(bind("10.97.200.1", A));
    assert_eq!(lease(&log, "10.97.200.1").state(), LeaseState::Bound);
}

/// Somebody has it whom the cluster does not know.
#[test]
fn an_address_that_was_declined_is_nobodys_for_a_day() {
    let mut log = log();
    log.ok(bind("10.97.200.1", A));
    log.ok(end("10.97.200.1", A, true));
    pass(&mut log, 24 * 60 * 60 * 1000 - 1);
    for mac in [A, B] {
        refusal(&mut log, bind("10.97.200.1", mac));
    }
    log.now_ms += MARGIN_MS + 1;
    log.ok(bind("10.97.200.1", B));
    assert_eq!(lease(&log, "10.97.200.1").mac, B);
}

#[test]
fn a_lease_that_is_deleted_keeps_the_address_until_its_end_unless_forced() {
    let mut log = log();
    log.ok(bind("10.97.200.1", A));
    assert_eq!(log.ok(delete("10.97.200.1", false)).updated, ["10.97.200.1"]);
    refusal(&mut log, bind("10.97.200.1", B));
    assert_eq!(log.ok(delete("10.97.200.1", true)).deleted, ["10.97.200.1"]);
    log.ok(bind("10.97.200.1", B));
    assert_eq!(lease(&log, "10.97.200.1").mac, B);
    let missing = log.refused(delete("10.97.200.2", true));
    assert!(matches!(missing, Rejection::NotFound { .. }), "{missing}");
    log.now_ms += LEASE_MS + MARGIN_MS - 1;
    assert_eq!(log.ok(delete("10.97.200.1", false)).deleted, [""; 0]);
    refusal(&mut log, bind("10.97.200.1", A)); // B may believe that it has it still
    log.now_ms += 1;
    assert_eq!(
        log.ok(delete("10.97.200.1", false)).deleted,
        ["10.97.200.1"],
        "it has ended"
    );
}

/// The reservation waits: its node is not answered as long as the lease lives (crates/dhcp).
#[test]
fn a_lease_is_not_extended_when_smd_has_given_the_address_to_a_node() {
    let mut log = log();
    log.ok(bind("10.97.200.1", A));
    log.ok(create("02:00:00:00:00:a1", "x0c0s0b0n0", &["10.97.200.1"]));
    refusal(&mut log, bind("10.97.200.1", A));
    assert_eq!(lease(&log, "10.97.200.1").state(), LeaseState::Bound);
}

#[test]
fn wrong_pools_and_commands_name_their_field() {
    let mut log = Log::latest();
    let with = |pools: Vec<AddressPool>| put(Subnet { pools, ..with_pool() });
    for (pools, field) in [
        (vec![pool("10.98.0.1", "10.97.0.9", &[])], "pools[0].first"),
        (vec![pool("10.97.0.0", "10.97.0.9", &[])], "pools[0].first"),
        (vec![pool("10.97.0.1", "10.97.255.255", &[])], "pools[0].last"),
        (vec![pool("10.97.0.9", "10.97.0.1", &[])], "pools[0].last"),
        (vec![pool("10.97.0.1", "x", &[])], "pools[0].last"),
        (
            vec![pool("10.97.0.1", "10.97.0.9", &["10.97.0.10"])],
            "pools[0].excluded",
        ),
        (vec![pool("10.97.0.1", "10.97.0.9", &["x"])], "pools[0].excluded"),
        (
            vec![
                pool("10.97.0.5", "10.97.0.9", &[]),
                pool("10.97.0.1", "10.97.0.5", &[]),
            ],
            "pools",
        ),
        (vec![pool("10.97.0.1", "10.97.0.1", &[]); 17], "pools"),
    ] {
        assert_eq!(log.invalid(with(pools.clone())).0, field, "{pools:?}");
    }
    let unknown_clients = 9;
    assert_eq!(
        log.invalid(put(Subnet {
            unknown_clients,
            ..with_pool()
        }))
        .0,
        "unknown_clients"
    );
    let pool_lease_time_s = 19;
    assert_eq!(
        log.invalid(put(Subnet {
            pool_lease_time_s,
            ..with_pool()
        }))
        .0,
        "pool_lease_time_s"
    );
    log.ok(put(with_pool()));
    assert!(refusal(&mut log, bind("10.97.200", A)).contains("address"));
    assert!(refusal(&mut log, bind("10.97.200.1", "a")).contains("mac"));
    let leases = vec![one("10.97.200.1", A); 1025];
    assert_eq!(log.invalid(BindLeases { leases }).0, "leases");
}

#[test]
fn the_addresses_of_pools_are_found_by_their_place() {
    let two = Subnet {
        pools: vec![
            pool("10.97.200.1", "10.97.200.3", &["10.97.200.2"]),
            pool("10.97.201.255", "10.97.202.0", &[]),
        ],
        ..subnet("10.97.0.0/16")
    };
    let pools = Pools::of(&two);
    assert_eq!(pools.size(), 5);
    let places: Vec<Option<Ipv4Addr>> = (0..6).map(|place| pools.at(place)).collect();
    let address = |c, d| Some(Ipv4Addr::new(10, 97, c, d));
    let expected = [
        address(200, 1),
        None,
        address(200, 3),
        address(201, 255),
        address(202, 0),
        None,
    ];
    assert_eq!(places, expected);
    for found in expected.into_iter().flatten() {
        assert!(pools.contains(found));
    }
    assert!(!pools.contains(Ipv4Addr::new(10, 97, 200, 2)) && !pools.contains(Ipv4Addr::new(10, 97, 200, 4)));
}

/// A member of an older version would stop at such an entry.
#[test]
fn pools_and_leases_need_members_that_know_them() {
    let mut log = Log::new();
    log.ok(put(subnet("10.97.0.0/16")));
    assert_eq!(log.state.dhcp.subnets().next().unwrap().longest_lease_time_s, 0);
    for refused in [log.refused(put(with_pool())), log.refused(bind("10.97.200.1", A))] {
        let Rejection::FeatureLevel { needed, .. } = refused else {
            panic!("{refused}")
        };
        assert_eq!(needed, FEATURE_LEVEL_DHCP);
    }
}

fn quarantine(address: &str, mac: &str) -> QuarantineAddress {
    QuarantineAddress {
        address: address.into(),
        mac: mac.into(),
    }
}

/// Somebody answers for it who has no lease: the pool must not hand it out, to that one neither, for a day.
#[test]
fn an_address_that_answers_is_out_of_use_for_a_day() {
    let mut log = log();
    log.ok(quarantine("10.97.200.1", B));
    log.ok(quarantine("10.97.200.2", ""));
    let found = lease(&log, "10.97.200.1");
    assert_eq!((found.state(), found.mac.as_str()), (LeaseState::Declined, B));
    assert_eq!(found.ends_at_ms, log.now_ms + 24 * 3_600_000);
    assert_eq!(lease(&log, "10.97.200.2").mac, "00:00:00:00:00:00");
    for (address, mac) in [("10.97.200.1", A), ("10.97.200.1", B), ("10.97.200.2", A)] {
        refusal(&mut log, bind(address, mac));
    }
    pass(&mut log, 24 * 3_600_000 + MARGIN_MS);
    log.ok(bind("10.97.200.1", A));
    assert_eq!(lease(&log, "10.97.200.1").state(), LeaseState::Bound);
}

/// What answers there may be its owner, and nobody loses an address to an answer.
#[test]
fn an_address_that_somebody_has_is_not_put_out_of_use() {
    let mut log = log();
    log.ok(bind("10.97.200.1", A));
    let before = lease(&log, "10.97.200.1");
    log.ok(create("02:00:00:00:00:a1", "x1000c0s0b0n0", &["10.97.200.3"]));
    for address in [
        "10.97.200.1",
        "10.97.200.3",
        "10.97.200.5",
        "10.97.0.7",
        "192.0.2.1",
        "x",
    ] {
        log.refused(quarantine(address, B));
    }
    assert_eq!(lease(&log, "10.97.200.1"), before);
    log.refused(quarantine("10.97.200.2", "x"));
    pass(&mut log, LEASE_MS + MARGIN_MS);
    log.ok(quarantine("10.97.200.1", B));
    assert_eq!(lease(&log, "10.97.200.1").state(), LeaseState::Declined);
}
