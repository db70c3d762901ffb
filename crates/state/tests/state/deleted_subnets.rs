//! A deleted subnet: its nodes may use their leases still, so that what they lose meanwhile is held.

use model::Rejection;
use proto::dhcp::v1::Subnet;
use proto::dhcp::v1::dhcp_command::DeleteSubnet;
use state::bounds::DELETED_SUBNETS_MAX;
use state::{RowKind, State};

use crate::ethernet_interfaces::{ID, MAC, create};
use crate::held_addresses::{MARGIN_MS, add, confirm, delete, held_at, wait};
use crate::subnets::{put, subnet};
use crate::support::{IntoCommand, Log};

const ADDRESS: &str = "10.97.2.1";
/// Lease of the nodes, seconds.
const LEASE_S: u32 = 7200;
const LEASE_MS: u64 = 7_200_000;

pub fn delete_subnet(network: &str) -> DeleteSubnet {
    DeleteSubnet {
        network: network.into(),
    }
}

fn with_lease(network: &str, lease_time_s: u32) -> Subnet {
    Subnet {
        lease_time_s,
        ..subnet(network)
    }
}

/// A node whose subnet was deleted with the last entry.
fn log() -> Log {
    let mut log = Log::latest();
    log.ok(put(with_lease("10.97.0.0/16", LEASE_S)));
    log.ok(create(MAC, "x0c0s0b0n0", &[ADDRESS]));
    log.ok(delete_subnet("10.97.0.0/16"));
    log
}

fn remembered(log: &Log) -> usize {
    let kinds = log.keys().map(state::RowKey::kind);
    kinds.filter(|kind| *kind == RowKind::DeletedSubnet).count()
}

#[test]
fn an_address_that_moves_after_its_subnet_was_deleted_is_held() {
    let mut log = log();
    let deleted = log.last_change().revision;
    assert_eq!(log.state.dhcp.unconfirmed_since(), Some(deleted));
    log.ok(delete(ADDRESS));
    assert_eq!(held_at(&log, ADDRESS).unwrap().lease_time_s, LEASE_S);
    log.ok(confirm(deleted));
    assert_eq!(held_at(&log, ADDRESS).unwrap().ends_at_ms, 0);
    log.ok(confirm(log.last_change().revision));
    let ends_at_ms = held_at(&log, ADDRESS).unwrap().ends_at_ms;
    assert_eq!(ends_at_ms, log.now_ms + LEASE_MS);
    log.ok(add(ID, "10.98.2.1"));
    log.ok(delete("10.98.2.1"));
    assert_eq!(held_at(&log, "10.98.2.1"), None, "it was in no subnet");
}

/// What was granted by the deleted subnet lasts, whatever is put in its place.
#[test]
fn a_subnet_that_is_put_again_with_a_shorter_lease_does_not_shorten_a_hold() {
    for network in ["10.97.0.0/16", "10.97.0.0/20"] {
        let mut log = log();
        log.ok(put(with_lease(network, 60)));
        log.ok(delete(ADDRESS));
        log.ok(confirm(log.last_change().revision));
        let ends_at_ms = held_at(&log, ADDRESS).unwrap().ends_at_ms;
        assert_eq!(ends_at_ms, log.now_ms + LEASE_MS, "{network}");
    }
}

/// The members' configuration says whose lease time an IPv6 address has.
#[test]
fn an_ipv6_address_is_held_for_the_lease_of_a_deleted_subnet_too() {
    let mut log = log();
    log.ok(add(ID, "fd00::1"));
    log.ok(delete("fd00::1"));
    assert_eq!(held_at(&log, "fd00::1").unwrap().lease_time_s, LEASE_S);
}

#[test]
fn a_deleted_subnet_is_remembered_until_every_member_knows_and_its_leases_have_ended() {
    let mut log = log();
    let deleted = log.last_change().revision;
    wait(&mut log, 2 * LEASE_MS);
    log.ok(confirm(deleted - 1));
    assert_eq!(
        log.state.dhcp.unconfirmed_since(),
        Some(deleted),
        "one grants it still"
    );
    log.ok(confirm(deleted));
    assert_eq!((log.state.dhcp.unconfirmed_since(), remembered(&log)), (None, 1));
    let restored = State::from_rows(log.state.rows()).unwrap();
    assert_eq!(restored.digest(), log.state.digest());
    wait(&mut log, LEASE_MS + MARGIN_MS - 1);
    log.ok(confirm(deleted));
    assert_eq!(remembered(&log), 1, "other members may be a little behind");
    log.now_ms += 1;
    log.ok(delete(ADDRESS));
    assert_eq!(held_at(&log, ADDRESS), None);
    log.ok(confirm(deleted));
    assert_eq!(remembered(&log), 0);
}

/// The second deletion is news again, and what the first one left may run still.
#[test]
fn a_subnet_that_is_deleted_twice_keeps_its_longest_lease() {
    let mut log = log();
    log.ok(confirm(log.last_change().revision));
    log.ok(put(with_lease("10.97.0.0/16", 60)));
    log.ok(delete_subnet("10.97.0.0/16"));
    let again = log.last_change().revision;
    assert_eq!(log.state.dhcp.unconfirmed_since(), Some(again));
    log.ok(delete(ADDRESS));
    assert_eq!(held_at(&log, ADDRESS).unwrap().lease_time_s, LEASE_S);
}

#[test]
fn no_more_subnets_are_deleted_than_can_be_remembered() {
    let mut log = Log::latest();
    let network = |n: usize| format!("10.{}.{}.0/24", n / 256, n % 256);
    log.fill((0..DELETED_SUBNETS_MAX).flat_map(|n| {
        let put = put(subnet(&network(n))).into_command();
        [put, delete_subnet(&network(n)).into_command()]
    }));
    let revision = log.next_index() - 1;
    log.ok(put(subnet("10.97.0.0/16")));
    let full = log.refused(delete_subnet("10.97.0.0/16"));
    assert!(matches!(full, Rejection::Conflict { .. }), "{full}");
    log.ok(confirm(revision));
    wait(&mut log, 3_600_000 + MARGIN_MS);
    log.ok(delete_subnet("10.97.0.0/16"));
    assert_eq!(remembered(&log), 1);
}

/// A member of an older version would not remember it, and its state would be another one.
#[test]
fn nothing_is_remembered_before_every_member_knows_how() {
    let mut log = Log::new();
    log.ok(put(subnet("10.97.0.0/16")));
    log.ok(delete_subnet("10.97.0.0/16"));
    assert_eq!((log.state.dhcp.unconfirmed_since(), remembered(&log)), (None, 0));
}
