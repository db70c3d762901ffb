//! Addresses that have left their interface: nobody else gets them before the old owner's lease has ended everywhere.

use std::sync::Arc;

use model::Rejection;
use proto::bss::v1::bss_command::{Step, Together, step};
use proto::dhcp::v1::dhcp_command::{ConfirmHeldAddresses, DeleteHeldAddress, DeleteSubnet};
use proto::dhcp::v1::{HeldAddress, Subnet};
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{AddIpAddress, DeleteEthernetInterfaces, DeleteIpAddress};

use crate::dhcp_leases::{A, bind, with_pool};
use crate::ethernet_interfaces::{ID, MAC, create, mapping};
use crate::subnets::{put, subnet};
use crate::support::{IntoCommand, Log};

const ADDRESS: &str = "10.97.200.1";
pub const OTHER_MAC: &str = "02:00:00:00:00:b2";
pub const OTHER_ID: &str = "0200000000b2";
/// Lease of known nodes in the subnet below, milliseconds.
const LEASE_MS: u64 = 600_000;
/// What the state waits after the end of a hold, milliseconds.
pub const MARGIN_MS: u64 = 10_000;

/// A node at an address of the pool.
fn log() -> Log {
    let mut log = Log::latest();
    log.ok(put(Subnet {
        lease_time_s: 600,
        ..with_pool()
    }));
    log.ok(create(MAC, "x0c0s0b0n0", &[ADDRESS]));
    log
}

pub fn delete(ip: &str) -> DeleteIpAddress {
    DeleteIpAddress {
        id: ID.into(),
        ip: ip.into(),
        ..Default::default()
    }
}

pub fn add(id: &str, ip: &str) -> AddIpAddress {
    AddIpAddress {
        id: id.into(),
        mapping: Some(mapping(ip, "")),
        ..Default::default()
    }
}

fn held(log: &Log) -> Option<Arc<HeldAddress>> {
    held_at(log, ADDRESS)
}

pub fn held_at(log: &Log, address: &str) -> Option<Arc<HeldAddress>> {
    log.state.dhcp.held(address.parse().unwrap(), log.now_ms)
}

pub fn confirm(through_revision: u64) -> ConfirmHeldAddresses {
    ConfirmHeldAddresses { through_revision }
}

/// Lets time pass; now and then something is said, so that the client's session does not lapse.
pub fn wait(log: &mut Log, mut ms: u64) {
    const STEP_MS: u64 = 1_800_000;
    while ms > STEP_MS {
        log.now_ms += STEP_MS;
        ms -= STEP_MS;
        log.ok(confirm(0));
    }
    log.now_ms += ms;
}

/// A hold that has begun with the last entry.
pub fn of_node(log: &Log, address: &str, lease_time_s: u32) -> HeldAddress {
    HeldAddress {
        address: address.into(),
        mac: MAC.into(),
        ends_at_ms: 0,
        lease_time_s,
        meta: log.created(),
    }
}

#[test]
fn an_address_that_leaves_its_interface_is_held_for_its_owner() {
    let mut log = log();
    assert_eq!((held(&log), log.state.dhcp.unconfirmed_since()), (None, None));
    log.ok(delete(ADDRESS));
    let expected = of_node(&log, ADDRESS, 600);
    assert_eq!(held(&log).as_deref(), Some(&expected));
    assert_eq!(
        log.state.dhcp.unconfirmed_since(),
        Some(log.last_change().revision)
    );
    let refused = &log.ok(bind(ADDRESS, A)).refused[0].reason;
    assert!(refused.contains(MAC), "{refused}");
}

#[test]
fn every_way_of_losing_an_address_holds_it() {
    let replace = || {
        let mut other = create(MAC, "x0c0s0b0n0", &["10.97.200.2"]).interface.unwrap();
        other.component_id = "x0c0s0b0n0".into();
        proto::smd::v1::smd_command::CreateEthernetInterfaces {
            interfaces: vec![other],
            replace: true,
            ..Default::default()
        }
        .into_command()
    };
    let delete_all = DeleteEthernetInterfaces {
        all: true,
        ..Default::default()
    };
    let together = Together {
        steps: vec![Step {
            change: Some(step::Change::Smd(match delete(ADDRESS).into_command() {
                Command::Smd(command) => command,
                other => panic!("{other:?}"),
            })),
        }],
    };
    for command in [
        delete(ADDRESS).into_command(),
        delete_all.into_command(),
        replace(),
        together.into_command(),
    ] {
        let mut log = log();
        log.ok(command.clone());
        assert_eq!(
            held(&log).map(|held| held.mac.clone()).as_deref(),
            Some(MAC),
            "{command:?}"
        );
    }
}

#[test]
fn an_address_is_held_until_every_member_knows_and_the_longest_lease_has_ended() {
    let mut log = log();
    log.ok(delete(ADDRESS));
    let revision = log.last_change().revision;
    log.now_ms += 1_000_000;
    log.ok(confirm(revision - 1));
    assert_eq!(held(&log).unwrap().ends_at_ms, 0, "a member has not heard of it");
    log.ok(confirm(revision));
    let confirmed = held(&log).unwrap();
    assert_eq!(confirmed.ends_at_ms, log.now_ms + LEASE_MS);
    assert_eq!(log.state.dhcp.unconfirmed_since(), None);
    log.now_ms += 1000;
    log.ok(confirm(revision + 2));
    assert_eq!(held(&log).unwrap().ends_at_ms, confirmed.ends_at_ms, "once");
    log.now_ms += LEASE_MS - 1000;
    assert_eq!(held(&log), None);
    log.now_ms += MARGIN_MS - 1;
    log.ok(confirm(revision));
    assert_eq!(
        log.state.dhcp.held_addresses().count(),
        1,
        "other members may be a little behind"
    );
    assert_eq!(log.ok(bind(ADDRESS, A)).refused_count, 1);
    log.now_ms += 1;
    assert_eq!(log.ok(bind(ADDRESS, A)).refused_count, 0);
    assert_eq!(log.state.dhcp.held_addresses().count(), 1);
    log.ok(confirm(revision));
    assert_eq!(
        log.state.dhcp.held_addresses().count(),
        0,
        "what has ended is forgotten"
    );
}

/// A member may have granted an hour a moment before the lease time was shortened.
#[test]
fn a_shorter_lease_time_does_not_shorten_what_was_granted_before() {
    let mut log = log();
    log.ok(put(Subnet {
        lease_time_s: 60,
        longest_lease_time_s: 1,
        ..with_pool()
    }));
    log.ok(delete(ADDRESS));
    log.ok(confirm(log.last_change().revision));
    assert_eq!(held(&log).unwrap().ends_at_ms, log.now_ms + LEASE_MS);
    log.ok(put(with_pool()));
    let longest = log.state.dhcp.subnets().next().unwrap().longest_lease_time_s;
    assert_eq!(longest, 3600, "the default lease time");
}

/// The subnet is deleted while its address is held: what was granted lasts all the same.
#[test]
fn a_deleted_subnet_does_not_shorten_a_hold() {
    let mut log = log();
    log.ok(put(Subnet {
        lease_time_s: 86_400,
        ..with_pool()
    }));
    log.ok(delete(ADDRESS));
    let revision = log.last_change().revision;
    log.ok(DeleteSubnet {
        network: "10.97.0.0/16".into(),
    });
    log.ok(confirm(revision));
    assert_eq!(held(&log).unwrap().ends_at_ms, log.now_ms + 86_400_000);
}

#[test]
fn who_had_it_may_have_it_again_at_once() {
    let mut log = log();
    log.ok(delete(ADDRESS));
    log.ok(add(ID, ADDRESS));
    assert_eq!(held(&log), None);
    assert_eq!(log.state.dhcp.held_addresses().count(), 0);
}

/// The new owner waits, and if it goes in turn the first one may use the address still.
#[test]
fn a_reservation_that_moves_stays_held_for_the_first_owner() {
    let mut log = log();
    log.ok(create(OTHER_MAC, "x0c0s1b0n0", &[]));
    log.ok(delete(ADDRESS));
    log.ok(add(OTHER_ID, ADDRESS));
    assert_eq!(held(&log).unwrap().mac, MAC);
    log.ok(DeleteIpAddress {
        id: OTHER_ID.into(),
        ..delete(ADDRESS)
    });
    assert_eq!(held(&log).unwrap().mac, MAC);
}

#[test]
fn an_address_that_dhcp_does_not_serve_is_not_held() {
    let mut log = log();
    log.ok(add(ID, "192.0.2.7"));
    log.ok(delete("192.0.2.7"));
    for of_one_link in ["fe80::7", "::1"] {
        log.ok(add(ID, of_one_link));
        log.ok(delete(of_one_link));
    }
    assert_eq!(log.state.dhcp.held_addresses().count(), 0);
}

#[test]
fn a_held_address_is_let_go_of_by_hand() {
    let mut log = log();
    log.ok(delete(ADDRESS));
    let let_go = |address: &str| DeleteHeldAddress {
        address: address.into(),
    };
    assert_eq!(log.invalid(let_go("x")).0, "address");
    assert!(matches!(
        log.refused(let_go("10.97.200.2")),
        Rejection::NotFound { .. }
    ));
    assert_eq!(log.ok(let_go(ADDRESS)).deleted, [ADDRESS]);
    assert_eq!(log.ok(bind(ADDRESS, A)).refused_count, 0);
}

/// A member of an older version would not hold it, and its state would be another one.
#[test]
fn nothing_is_held_before_every_member_knows_how() {
    let mut log = Log::new();
    log.ok(put(subnet("10.97.0.0/16")));
    log.ok(create(MAC, "x0c0s0b0n0", &[ADDRESS]));
    log.ok(delete(ADDRESS));
    log.ok(add(ID, "fd00::7"));
    log.ok(delete("fd00::7"));
    assert_eq!(log.state.dhcp.held_addresses().count(), 0);
}
