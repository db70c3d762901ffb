//! Snapshots that no `apply` wrote: rows that contradict themselves or each other are refused, and the error names the kind.

use proto::auth::v1::signing_key::Stage;
use proto::auth::v1::{CertificateAuthority, OidcProvider, Policy, SigningKey};
use proto::dhcp::v1::{DeletedSubnet, DhcpLease, DhcpPolicy, HeldAddress};
use proto::raft::v1::snapshot_row::Row;
use proto::raft::v1::{SessionRow, SnapshotRow, StoredOutcome};
use proto::smd::v1::hardware_history_record::Event;
use proto::smd::v1::{
    Component, ComponentReservation, EthernetInterface, Group, HardwareFruRecord, HardwareHistoryRecord,
    HardwareLocationRecord,
};
use state::bounds::HARDWARE_EVENTS_PER_PLACE_MAX;
use state::{RowKind, SnapshotError};

use crate::snapshots::{assert_malformed, header, problem, row};
use crate::{
    auth_support, boot_configurations, boot_records, dhcp_leases, dhcp_policies, ethernet_interfaces, groups,
    node_maps, partitions, power_maps, subnets, subscriptions, unknown_clients,
};

fn component(id: &str, nid: Option<u64>) -> SnapshotRow {
    row(Row::Component(Component {
        id: id.into(),
        nid,
        ..Default::default()
    }))
}

fn interface(id: &str, mac: &str, ip: &str) -> SnapshotRow {
    row(Row::EthernetInterface(EthernetInterface {
        id: id.into(),
        mac_address: mac.into(),
        ip_addresses: vec![ethernet_interfaces::mapping(ip, "")],
        ..Default::default()
    }))
}

fn group(group: Group) -> SnapshotRow {
    row(Row::Group(group))
}

fn session_row(client_id: Vec<u8>, outcomes: Vec<StoredOutcome>) -> SnapshotRow {
    row(Row::Session(SessionRow {
        client_id,
        outcomes,
        ..Default::default()
    }))
}

/// A flipped bit that a checksum missed must not become a state that contradicts itself.
#[test]
fn inventory_that_no_apply_wrote_is_refused() {
    let twice = problem(vec![header(), component("x0", None), component("x0", None)]);
    assert!(matches!(twice, SnapshotError::Duplicate { .. }), "{twice}");
    assert_malformed(
        RowKind::Component,
        [
            vec![component("X0", None)],
            vec![component("x0c0s0b0n0", Some(1)), component("x0c0s1b0n0", Some(1))],
        ],
    );
    assert_malformed(
        RowKind::EthernetInterface,
        [
            vec![interface("0200000000a1", "02:00:00:00:00:a2", "10.0.0.1")],
            vec![
                interface("0200000000a1", "02:00:00:00:00:a1", "10.0.0.1"),
                interface("0200000000a2", "02:00:00:00:00:a2", "10.0.0.1"),
            ],
            vec![interface("0200000000a1", "02:00:00:00:00:a1", "nowhere")],
        ],
    );
    let record = boot_records::record("x0c0s0b0n0", "b");
    assert_malformed(RowKind::BootRecord, [vec![row(Row::BootRecord(record))]]);
    let configuration = boot_configurations::configuration("c"); // selects nothing
    assert_malformed(
        RowKind::BootConfiguration,
        [vec![row(Row::BootConfiguration(configuration))]],
    );
    let subnet = |network| row(Row::Subnet(subnets::subnet(network)));
    assert_malformed(
        RowKind::Subnet,
        [
            vec![subnet("10.97.0.0/16"), subnet("10.97.1.0/24")],
            vec![subnet("here")],
        ],
    );
    let lease = |address: &str, mac: &str| {
        row(Row::DhcpLease(DhcpLease {
            address: address.into(),
            mac: mac.into(),
            ..Default::default()
        }))
    };
    let whose = dhcp_leases::A;
    assert_malformed(
        RowKind::DhcpLease,
        [vec![lease("here", whose)], vec![lease("10.97.200.1", "a")]],
    );
    let held = row(Row::HeldAddress(HeldAddress::default()));
    assert_malformed(RowKind::HeldAddress, [vec![held]]);
    let deleted = row(Row::DeletedSubnet(DeletedSubnet::default()));
    assert_malformed(RowKind::DeletedSubnet, [vec![deleted]]);
    let unknown = row(Row::UnknownClient(unknown_clients::seen("a")));
    assert_malformed(RowKind::UnknownClient, [vec![unknown]]);
    let policy = |name: &str, hostname: &str| {
        row(Row::DhcpPolicy(DhcpPolicy {
            hostname: hostname.into(),
            ..dhcp_policies::policy(name)
        }))
    };
    assert_malformed(
        RowKind::DhcpPolicy,
        [vec![policy("", "{id}")], vec![policy("a", "{d}")]],
    );
}

/// Each unit that is in a place is known and in no other place; a history has its events in order.
#[test]
fn hardware_that_no_apply_wrote_is_refused() {
    let place = |id: &str, fru_id: &str| {
        row(Row::HardwareLocation(HardwareLocationRecord {
            id: id.into(),
            fru_id: fru_id.into(),
            ..Default::default()
        }))
    };
    let unit = |fru_id: &str| {
        row(Row::HardwareFru(HardwareFruRecord {
            fru_id: fru_id.into(),
            ..Default::default()
        }))
    };
    assert_malformed(
        RowKind::HardwareLocation,
        [
            vec![place("X0", "")],
            vec![place("x0c0s0b0n0v1", "")],
            vec![place("x0c0s0b0n0", "a")],
            vec![unit("a"), place("x0c0s0b0n0", "a"), place("x0c0s1b0n0", "a")],
        ],
    );
    assert_malformed(RowKind::HardwareFru, [vec![unit("")], vec![unit("a\n")]]);
    let history = |revisions: &[u64], fru_id: &str| {
        let event = |revision: &u64| Event {
            fru_id: fru_id.into(),
            revision: *revision,
            ..Default::default()
        };
        row(Row::HardwareHistory(HardwareHistoryRecord {
            id: "x0c0s0b0n0".into(),
            events: revisions.iter().map(event).collect(),
        }))
    };
    let many: Vec<u64> = (0..=HARDWARE_EVENTS_PER_PLACE_MAX as u64).collect();
    assert_malformed(
        RowKind::HardwareHistory,
        [
            vec![history(&[], "a")],
            vec![history(&many, "a")],
            vec![history(&[2, 1], "a")],
            vec![history(&[1], "")],
        ],
    );
}

/// A group never names a member that is not there, nor is a node in two groups that exclude each other.
#[test]
fn groups_that_no_apply_wrote_are_refused() {
    let node = || component("x0c0s0b0n0", None);
    let members = |ids: &[&str]| group(groups::group("g", ids));
    assert_malformed(
        RowKind::Group,
        [
            vec![group(groups::group("G", &[]))],
            vec![members(&["x0c0s0b0n0"])],
            vec![node(), members(&["X0c0s0b0n0"])],
            vec![node(), members(&["x0c0s0b0n0", "x0c0s0b0n0"])],
            vec![
                node(),
                group(groups::exclusive("a", "x", &["x0c0s0b0n0"])),
                group(groups::exclusive("b", "x", &["x0c0s0b0n0"])),
            ],
        ],
    );
}

/// A node is in one partition, a NID has one map, and what is reserved is there.
#[test]
fn what_is_known_of_components_that_no_apply_wrote_is_refused() {
    let node = || component("x0c0s0b0n0", None);
    let partition = |name: &str, ids: &[&str]| row(Row::Partition(partitions::partition(name, ids)));
    assert_malformed(
        RowKind::Partition,
        [
            vec![partition("P1", &[])],
            vec![partition("p1", &["x0c0s0b0n0"])],
            vec![node(), partition("p1", &["x0c0s0b0n0", "x0c0s0b0n0"])],
            vec![
                node(),
                partition("p1", &["x0c0s0b0n0"]),
                partition("p2", &["x0c0s0b0n0"]),
            ],
        ],
    );
    let map = |id| row(Row::NodeMap(node_maps::map(id, 1)));
    assert_malformed(
        RowKind::NodeMap,
        [vec![map("x0c0s0b0n0"), map("x0c0s1b0n0")], vec![map("X0")]],
    );
    assert_malformed(
        RowKind::PowerMap,
        [vec![row(Row::PowerMap(power_maps::map("X0", &[])))]],
    );
    let reservation = |length: usize| {
        row(Row::ComponentReservation(ComponentReservation {
            id: "x0c0s0b0n0".into(),
            reservation_key_sha256: vec![1; length],
            deputy_key_sha256: vec![1; 32],
            ..Default::default()
        }))
    };
    assert_malformed(
        RowKind::ComponentReservation,
        [vec![node(), reservation(31)], vec![reservation(32)]],
    );
    let nameless = row(Row::ScnSubscription(subscriptions::subscription("s", &["Off"])));
    assert_malformed(RowKind::ScnSubscription, [vec![nameless]]);
}

/// Whoever could put a role that gives everything into a snapshot would have everything.
#[test]
fn rights_that_no_apply_wrote_are_refused() {
    let policy = |policy: Policy| row(Row::Policy(policy));
    let role = |name: &str, permissions: &[&str]| {
        row(Row::Role(auth_support::put_role(name, permissions).role.unwrap()))
    };
    assert_malformed(
        RowKind::Role,
        [
            vec![role("reader", &["smd"])],
            vec![role("reader", &["smd.read", "bss.read"])],
        ],
    );
    let base = || auth_support::policy("p", "viewer", &["user/ada"]);
    let of = |hosts: &[&str], kinds: &[&str]| Policy {
        hosts: auth_support::texts(hosts),
        kinds: auth_support::texts(kinds),
        ..base()
    };
    assert_malformed(
        RowKind::Policy,
        [
            vec![policy(of(&["nowhere"], &[]))],
            vec![policy(of(&["X1"], &[]))],
            vec![policy(of(&[], &["planet"]))],
            vec![policy(auth_support::policy("p", "viewer", &["token/admin"]))],
        ],
    );
    let key = |key: SigningKey| row(Row::SigningKey(key));
    let retired = || auth_support::key('a', Stage::Retired);
    assert_malformed(
        RowKind::SigningKey,
        [
            vec![key(retired())],
            vec![key(SigningKey {
                private_key: None,
                ..auth_support::key('a', Stage::Active)
            })],
            vec![
                key(auth_support::key('a', Stage::Active)),
                key(auth_support::key('b', Stage::Active)),
            ],
            vec![key(auth_support::key('a', Stage::Unspecified))],
        ],
    );
}

/// Of what opens something, too.
#[test]
fn tokens_that_no_apply_wrote_are_refused() {
    let token = row(Row::ApiToken(auth_support::api_token("x", "user/ada")));
    assert_malformed(RowKind::ApiToken, [vec![token]]);
    let login = row(Row::LoginSession(auth_support::login(
        auth_support::ID,
        "token/admin",
    )));
    assert_malformed(RowKind::LoginSession, [vec![login]]);
    let device = auth_support::approve("AEIOU", "user/ada").approval.unwrap();
    assert_malformed(RowKind::DeviceApproval, [vec![row(Row::DeviceApproval(device))]]);
    let revocation = |id: &str| row(Row::Revocation(auth_support::revoke(id, 0).revocation.unwrap()));
    let certificate = format!("certificate/{}", "AB".repeat(32));
    assert_malformed(
        RowKind::Revocation,
        [vec![revocation("all")], vec![revocation(&certificate)]],
    );
    let provider = |name: &str, issuer: &str| {
        row(Row::OidcProvider(OidcProvider {
            issuer: issuer.into(),
            ..auth_support::provider(name)
        }))
    };
    assert_malformed(
        RowKind::OidcProvider,
        [
            vec![provider("a", "http://a.example.org")],
            vec![provider("a", "https://a"), provider("b", "https://a")],
        ],
    );
    let authority = |id: &str| {
        row(Row::CertificateAuthority(CertificateAuthority {
            id: id.into(),
            ..auth_support::authority()
        }))
    };
    assert_malformed(RowKind::CertificateAuthority, [vec![authority("00")]]);
}

#[test]
fn sessions_that_no_apply_wrote_are_refused() {
    let outcome = || StoredOutcome {
        seq: 1,
        outcome: Some(Default::default()),
        ..Default::default()
    };
    let without = StoredOutcome {
        seq: 1,
        outcome: None,
        ..Default::default()
    };
    assert_malformed(
        RowKind::Session,
        [
            vec![session_row(vec![1; 15], vec![])],
            vec![session_row(vec![1; 16], vec![outcome(), outcome()])],
            vec![session_row(vec![1; 16], vec![without])],
        ],
    );
}
