//! IPv6 addresses that have left their interface: held as IPv4 addresses are, for the longest lease of all subnets.

use model::Rejection;
use proto::dhcp::v1::Subnet;
use proto::dhcp::v1::dhcp_command::DeleteHeldAddress;
use proto::smd::v1::smd_command::{DeleteEthernetInterfaces, DeleteIpAddress};
use state::State;

use crate::ethernet_interfaces::{ID, MAC, create};
use crate::held_addresses::{MARGIN_MS, OTHER_ID, OTHER_MAC, add, confirm, delete, held_at, of_node, wait};
use crate::subnets::{put, subnet};
use crate::support::Log;

const ADDRESS: &str = "fd00:97::2:1";

/// A node at an IPv6 address, and two subnets: which of them is that of its network, the state does not know.
fn log() -> Log {
    let mut log = Log::latest();
    for (network, lease_time_s) in [("10.97.0.0/16", 600), ("10.98.0.0/16", 7200)] {
        log.ok(put(Subnet {
            lease_time_s,
            ..subnet(network)
        }));
    }
    log.ok(create(MAC, "x0c0s0b0n0", &["10.97.2.1", ADDRESS]));
    log
}

#[test]
fn an_address_that_leaves_its_interface_is_held_for_the_longest_lease_of_all() {
    let mut log = log();
    log.ok(delete(ADDRESS));
    let expected = of_node(&log, ADDRESS, 7200);
    assert_eq!(held_at(&log, ADDRESS).as_deref(), Some(&expected));
    let revision = log.last_change().revision;
    assert_eq!(log.state.dhcp.unconfirmed_since(), Some(revision));
    log.ok(confirm(revision - 1));
    assert_eq!(held_at(&log, ADDRESS).unwrap().ends_at_ms, 0);
    log.ok(confirm(revision));
    let ends_at_ms = held_at(&log, ADDRESS).unwrap().ends_at_ms;
    assert_eq!(ends_at_ms, log.now_ms + 7_200_000);
    assert_eq!(log.state.dhcp.unconfirmed_since(), None);
    wait(&mut log, 7_200_000);
    assert_eq!(held_at(&log, ADDRESS), None);
    log.now_ms += MARGIN_MS;
    log.ok(confirm(revision));
    assert_eq!(log.state.dhcp.held_addresses().count(), 0, "it is forgotten");
}

/// Without a subnet DHCPv6 gives the default lease time.
#[test]
fn without_a_subnet_it_is_held_for_an_hour() {
    let mut log = Log::latest();
    log.ok(create(MAC, "x0c0s0b0n0", &[ADDRESS]));
    log.ok(delete(ADDRESS));
    assert_eq!(held_at(&log, ADDRESS).unwrap().lease_time_s, 3600);
}

#[test]
fn a_reservation_that_moves_stays_held_for_the_first_owner_until_that_has_it_again() {
    let mut log = log();
    log.ok(create(OTHER_MAC, "x0c0s1b0n0", &[]));
    log.ok(delete(ADDRESS));
    log.ok(add(OTHER_ID, ADDRESS));
    assert_eq!(held_at(&log, ADDRESS).unwrap().mac, MAC);
    log.ok(DeleteIpAddress {
        id: OTHER_ID.into(),
        ..delete(ADDRESS)
    });
    assert_eq!(held_at(&log, ADDRESS).unwrap().mac, MAC);
    log.ok(add(ID, ADDRESS));
    assert_eq!(log.state.dhcp.held_addresses().count(), 0);
}

/// IPv4 comes first in the list, in the rows and after they were loaded.
#[test]
fn what_a_deleted_interface_had_is_held_and_stays_so_in_a_snapshot() {
    let mut log = log();
    log.ok(DeleteEthernetInterfaces {
        all: true,
        ..Default::default()
    });
    let listed = |state: &State| -> Vec<String> {
        let held = state.dhcp.held_addresses();
        held.map(|held| held.address.clone()).collect()
    };
    assert_eq!(listed(&log.state), ["10.97.2.1", ADDRESS]);
    let restored = State::from_rows(log.state.rows()).unwrap();
    assert_eq!(listed(&restored), listed(&log.state));
    assert_eq!(
        restored.dhcp.held(ADDRESS.parse().unwrap(), log.now_ms),
        held_at(&log, ADDRESS)
    );
    assert_eq!(
        restored.dhcp.unconfirmed_since(),
        log.state.dhcp.unconfirmed_since()
    );
}

#[test]
fn a_held_address_is_let_go_of_by_hand() {
    let mut log = log();
    log.ok(delete(ADDRESS));
    let let_go = |address: &str| DeleteHeldAddress {
        address: address.into(),
    };
    let missing = log.refused(let_go("fd00:97::2:2"));
    assert!(matches!(missing, Rejection::NotFound { .. }), "{missing}");
    assert_eq!(log.ok(let_go(ADDRESS)).deleted, [ADDRESS]);
    assert_eq!(held_at(&log, ADDRESS), None);
}
