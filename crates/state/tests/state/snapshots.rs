//! Rows, snapshots, log position.

use std::collections::BTreeSet;

use model::Rejection;
use proto::bss::v1::BootConfiguration;
use proto::cloud_init::v1::ClusterDefaults;
use proto::cloud_init::v1::cloud_init_command::PutInstanceInfo;
use proto::cluster::v1::cluster_command::SetFeatureLevel;
use proto::raft::v1::snapshot_row::Row;
use proto::raft::v1::{SnapshotRow, StateHeader};
use state::cluster::FEATURE_LEVEL_KNOWN;
use state::{RowKey, RowKind, SnapshotError, State, rejection};

use crate::support::{Log, entry, session};
use crate::{
    auth_support, bmc_credentials, bmcs, boot_configurations, boot_files, boot_parameters, boot_records,
    boot_rollouts, boot_sessions, cloud_init_groups, cluster_defaults, create_components, deleted_subnets,
    dhcp_leases, dhcp_policies, discoveries, ethernet_interfaces, firmware, groups, hardware, held_addresses,
    images, instance_info, instances, jobs, join_tokens, node_maps, partitions, power_maps, profiles,
    redfish_endpoints, reservations, subnets, subscriptions, templates, unknown_clients, xname_rules,
};

/// One object of every kind.
fn full() -> Log {
    let mut log = Log::new();
    log.ok(join_tokens::bootstrap());
    log.ok(create_components::create(vec![create_components::component(
        "x0c0s0b0n0",
    )]));
    log.ok(ethernet_interfaces::create(
        "02:00:00:00:00:a1",
        "x0c0s0b0n0",
        &["10.97.0.17", "10.97.0.18"],
    ));
    log.ok(groups::create(groups::exclusive(
        "compute",
        "rack",
        &["x0c0s0b0n0"],
    )));
    log.ok(boot_parameters::create(&["Default", "x0c0s0b0n0"], "quiet"));
    log.ok(boot_records::command(boot_records::record("x0c0s0b0n0", "b1")));
    log.ok(instances::assign("x0c0s0b0n0"));
    let region = ClusterDefaults {
        region: "west".into(),
        ..Default::default()
    };
    log.ok(cluster_defaults::update(region, &[]));
    log.ok(cloud_init_groups::put(cloud_init_groups::group("compute")));
    let info = Some(instance_info::info("x0c0s0b0n0"));
    log.ok(PutInstanceInfo {
        info,
        ..Default::default()
    });
    log.ok(subnets::put(subnets::subnet("10.97.0.0/16")));
    log.ok(boot_files::put(boot_files::file("debian-12/vmlinuz", "a")));
    for level in log.state.feature_level() + 1..=FEATURE_LEVEL_KNOWN {
        log.ok(SetFeatureLevel { level });
    }
    log.ok(images::put(images::image("debian-12", "debian-12/vmlinuz")));
    log.ok(redfish_endpoints::post(vec![discoveries::blade(1)]));
    log.ok(partitions::create(partitions::partition("p1", &["x0c0s0b0n0"])));
    log.ok(node_maps::put(vec![node_maps::map("x0c0s0b0n0", 1)]));
    log.ok(power_maps::put(vec![power_maps::map(
        "x0c0s0b0n0",
        &["x0m0p0v1"],
    )]));
    log.ok(reservations::reserve(&["x0c0s0b0n0"], 15));
    log.ok(subscriptions::put(subscriptions::subscription("s", &["Off"])));
    log.ok(hardware::put(&[("x0c0s0b0n0", "Node.HPE.1")]));
    log.ok(boot_configurations::put(BootConfiguration {
        hosts: vec!["x0c0s0b0n0".into()],
        priority: Some(60),
        ..boot_configurations::configuration("compute")
    }));
    log.ok(boot_rollouts::start(boot_rollouts::rollout()));
    // of what there was before, and of what it becomes
    log.ok(cluster_defaults::update(ClusterDefaults::default(), &["region"]));
    log.ok(profiles::put(profiles::profile("test", &["x0c0s0b0n0"])));
    log.ok(boot_sessions::open("x0c0s0b0n0", "00000000000000b1"));
    log.ok(subnets::put(dhcp_leases::with_pool()));
    log.ok(dhcp_leases::bind("10.97.200.1", dhcp_leases::A));
    log.ok(held_addresses::delete("10.97.0.18"));
    log.ok(unknown_clients::note(&[unknown_clients::seen(dhcp_leases::B)]));
    log.ok(dhcp_policies::put(dhcp_policies::policy("nodes")));
    log.ok(subnets::put(subnets::subnet("10.98.0.0/16")));
    log.ok(deleted_subnets::delete_subnet("10.98.0.0/16"));
    with_rights(&mut log);
    with_discovery(&mut log);
    log.ok(templates::put(templates::template("motd", "Welcome")));
    log
}

/// A row of each kind of identities and rights.
fn with_rights(log: &mut Log) {
    log.ok(auth_support::put_role("reader", &["smd.read"]));
    log.ok(auth_support::put(auth_support::policy(
        "readers",
        "reader",
        &["user/ada"],
    )));
    log.ok(auth_support::first_keys('a', 'b'));
    log.ok(auth_support::create_token(auth_support::api_token(
        auth_support::ID,
        "service/x",
    )));
    log.ok(auth_support::open(auth_support::login(
        auth_support::ID,
        "user/ada",
    )));
    log.ok(auth_support::approve("BCDFGHJK", "user/ada"));
    log.ok(auth_support::revoke("jti/a", 0));
    log.ok(auth_support::put_provider(auth_support::provider("site")));
    log.ok(auth_support::add(auth_support::authority()));
}

/// A row of each kind of what was found, and of jobs.
fn with_discovery(log: &mut Log) {
    log.ok(bmcs::put(vec![bmcs::seen(bmcs::ADDRESS, "ab", "x0c0s1b0")]));
    log.ok(xname_rules::put(xname_rules::rule("dhcp", None)));
    log.ok(bmc_credentials::put("default", "root"));
    log.ok(firmware::put(vec![firmware::inventory("x0c0s1b0")]));
    log.ok(jobs::power(&["x0c0s1b0n0"]));
}

pub(crate) fn row(row: Row) -> SnapshotRow {
    SnapshotRow { row: Some(row) }
}

pub(crate) fn header() -> SnapshotRow {
    row(Row::Header(StateHeader {
        format: 1,
        feature_level: 1,
        ..Default::default()
    }))
}

fn restore(rows: Vec<SnapshotRow>) -> Result<State, SnapshotError> {
    State::from_rows(rows.into_iter())
}

pub(crate) fn problem(rows: Vec<SnapshotRow>) -> SnapshotError {
    match restore(rows) {
        Ok(_) => panic!("the rows were taken"),
        Err(error) => error,
    }
}

/// What a row is of.
fn kind_name(row: Row) -> &'static str {
    match row {
        Row::Header(header) => {
            assert_eq!(
                (header.format, header.applied_index, header.cluster_name.as_str()),
                (1, 53, "prod")
            );
            "header"
        }
        Row::Session(_) => "session",
        Row::Secret(_) => "secret",
        Row::JoinToken(_) => "join token",
        Row::Component(_) => "component",
        Row::EthernetInterface(_) => "interface",
        Row::Group(_) => "group",
        Row::RedfishEndpoint(_) => "redfish endpoint",
        Row::ComponentEndpoint(_) => "component endpoint",
        Row::ServiceEndpoint(_) => "service endpoint",
        Row::HardwareLocation(_) => "place",
        Row::HardwareFru(_) => "unit",
        Row::BootParameters(_) => "parameters",
        Row::BootRecord(_) => "record",
        Row::BootConfiguration(_) => "boot configuration",
        Row::BootRollout(_) => "rollout",
        Row::BootRolloutNode(_) => "rollout node",
        Row::ObjectRevision(_) => "version",
        Row::Instance(_) => "instance",
        Row::ClusterDefaults(_) => "defaults",
        Row::CloudInitGroup(_) => "cloud-init group",
        Row::InstanceInfo(_) => "instance info",
        Row::Profile(_) => "profile",
        Row::BootSession(_) => "boot session",
        Row::Subnet(_) => "subnet",
        Row::DhcpLease(_) => "lease",
        Row::HeldAddress(_) => "held address",
        Row::UnknownClient(_) => "unknown client",
        Row::DhcpPolicy(_) => "policy",
        Row::DeletedSubnet(_) => "deleted subnet",
        Row::BootFile(_) => "boot file",
        Row::Image(_) => "image",
        Row::Partition(_) => "partition",
        Row::NodeMap(_) => "node map",
        Row::PowerMap(_) => "power map",
        Row::ComponentReservation(_) => "reservation",
        Row::ScnSubscription(_) => "subscription",
        Row::HardwareHistory(_) => "hardware history",
        Row::Role(_) => "role",
        Row::Policy(_) => "who has a role",
        Row::SigningKey(_) => "signing key",
        Row::ApiToken(_) => "token",
        Row::LoginSession(_) => "login",
        Row::DeviceApproval(_) => "device",
        Row::Revocation(_) => "revocation",
        Row::OidcProvider(_) => "provider",
        Row::CertificateAuthority(_) => "CA",
        Row::Bmc(_) => "BMC",
        Row::XnameRule(_) => "xname rule",
        Row::BmcCredential(_) => "BMC credential",
        Row::FirmwareInventory(_) => "firmware",
        Row::Job(_) => "job",
        Row::JobTarget(_) => "job target",
        Row::Template(_) => "template",
    }
}

#[test]
fn rows_come_by_kind_and_key_with_the_header_first() {
    let state = full().state;
    let kinds: Vec<&str> = state.rows().map(|row| kind_name(row.row.unwrap())).collect();
    let expected = [
        "header",
        "session",
        "secret",
        "secret",
        "join token",
        "component",
        "component",
        "component",
        "interface",
        "interface",
        "interface",
        "group",
        "redfish endpoint",
        "component endpoint",
        "component endpoint",
        "service endpoint",
        "place",
        "unit",
        "partition",
        "node map",
        "parameters",
        "parameters",
        "record",
        "boot configuration",
        "rollout",
        "version",
        "version",
        "version",
        "version",
        "version",
        "rollout node",
        "instance",
        "defaults",
        "cloud-init group",
        "instance info",
        "profile",
        "boot session",
        "subnet",
        "lease",
        "held address",
        "unknown client",
        "policy",
        "deleted subnet",
        "boot file",
        "image",
        "power map",
        "reservation",
        "subscription",
        "hardware history",
        "role",
        "who has a role",
        "signing key",
        "signing key",
        "token",
        "login",
        "device",
        "revocation",
        "provider",
        "CA",
        "BMC",
        "xname rule",
        "BMC credential",
        "firmware",
        "job",
        "job target",
        "template",
    ];
    assert_eq!(kinds, expected);
}

/// Every test of snapshots that begins with all there is must mean all.
#[test]
fn nothing_is_left_out_of_what_is_full() {
    let log = full();
    let kinds: BTreeSet<RowKind> = log.keys().map(RowKey::kind).collect();
    assert_eq!(kinds, BTreeSet::from(RowKind::ALL));
}

#[test]
fn a_restored_state_answers_and_goes_on_as_the_first_one() {
    let mut log = full();
    let mut rows: Vec<_> = log.state.rows().collect();
    rows.reverse(); // the order does not matter
    let mut restored = restore(rows).unwrap();
    assert_eq!(restored.digest(), log.state.digest());
    assert_eq!(
        (restored.applied_index(), restored.time_ms()),
        (log.state.applied_index(), log.state.time_ms())
    );
    assert_eq!(restored.cluster_id(), log.state.cluster_id());
    assert_eq!(restored.smd.component_by_nid(1).unwrap().id, "x0c0s0b0n0");
    assert_eq!(
        restored
            .smd
            .interface_by_ip("10.97.0.17".parse().unwrap())
            .unwrap()
            .component_id,
        "x0c0s0b0n0"
    );
    assert_eq!(
        restored.smd.interfaces_of(&"x0c0s0b0n0".parse().unwrap()).count(),
        1
    );
    assert!(
        restored
            .smd
            .group_labels_of(&"x0c0s0b0n0".parse().unwrap())
            .eq(["compute"])
    );
    let next = log.entry(create_components::create(vec![create_components::component(
        "x0c0s1b0n0",
    )]));
    let index = log.next_index();
    assert_eq!(
        restored.apply(index, &next).outcome,
        log.apply_entry(&next).outcome
    );
    assert_eq!(restored.digest(), log.state.digest());
    assert!(restored.apply(index + 1, &next).replayed, "sessions come along");
}

/// `Log::apply_entry` checks that each row is found by its key.
#[test]
fn a_key_of_nothing_finds_nothing() {
    let log = full();
    let unknown = [
        [RowKind::Session as u8, 1, 2, 3].to_vec(),
        [&[RowKind::Component as u8][..], b"x0c0s9b0n0"].concat(),
        [&[RowKind::Component as u8][..], b"\xff\xfe"].concat(),
        [&[RowKind::EthernetInterface as u8][..], b"zz"].concat(),
        [&[RowKind::Group as u8][..], b"Compute"].concat(),
        [&[RowKind::Group as u8][..], b"\xff"].concat(),
        [&[RowKind::RedfishEndpoint as u8][..], b"x0c0s9b0"].concat(),
        [&[RowKind::ComponentEndpoint as u8][..], b"x0c0s9b0n0"].concat(),
        [&[RowKind::ServiceEndpoint as u8][..], b"x0c0s1b0"].concat(),
        [&[RowKind::ServiceEndpoint as u8][..], b"x0c0s1b0\0EventService"].concat(),
        [&[RowKind::BootParameters as u8][..], b"Compute"].concat(),
        [&[RowKind::BootRecord as u8][..], b"x0"].concat(),
        [
            &[RowKind::BootRecord as u8][..],
            b"x0c0s0b0n0\0\0\0\0\0\0\0\0\x09",
        ]
        .concat(),
        [&[RowKind::Partition as u8][..], b"p9"].concat(),
        [&[RowKind::NodeMap as u8][..], b"x9c0s0b0n0"].concat(),
        [&[RowKind::Image as u8][..], b"debian-12/vmlinuz"].concat(),
        [&[RowKind::PowerMap as u8][..], b"\xff"].concat(),
        [&[RowKind::ComponentReservation as u8][..], b"x9c0s0b0n0"].concat(),
        [&[RowKind::ScnSubscription as u8][..], b"1"].concat(),
        [&[RowKind::Subnet as u8][..], b"\x0a"].concat(),
        [&[RowKind::DhcpLease as u8][..], b"\x0a"].concat(),
        [&[RowKind::HeldAddress as u8][..], b"\x0a\x61\0\x12\0"].concat(),
        [&[RowKind::HeldAddress as u8][..], b"\x06\x0a\x61\0\x12"].concat(),
        [&[RowKind::DeletedSubnet as u8][..], b"\x0a"].concat(),
        [&[RowKind::UnknownClient as u8][..], b"\xff"].concat(),
        [&[RowKind::DhcpPolicy as u8][..], b"none"].concat(),
        [&[RowKind::DhcpPolicy as u8][..], b"\xff"].concat(),
        [&[RowKind::Secret as u8][..], b"none"].concat(),
        [&[RowKind::Role as u8][..], b"viewer"].concat(),
        [&[RowKind::Policy as u8][..], b"none"].concat(),
        [&[RowKind::SigningKey as u8][..], b"\xff"].concat(),
        [&[RowKind::ApiToken as u8][..], b"0000000000000000"].concat(),
        [&[RowKind::LoginSession as u8][..], b""].concat(),
        [&[RowKind::DeviceApproval as u8][..], b"ZZZZZZZZ"].concat(),
        [&[RowKind::Revocation as u8][..], b"jti/b"].concat(),
        [&[RowKind::OidcProvider as u8][..], b"none"].concat(),
        [&[RowKind::CertificateAuthority as u8][..], b"00"].concat(),
        [&[RowKind::Bmc as u8][..], b"10.1.0.9:443"].concat(),
        [&[RowKind::Bmc as u8][..], b"\xff"].concat(),
        [&[RowKind::XnameRule as u8][..], b"none"].concat(),
        [&[RowKind::BmcCredential as u8][..], b"group:none"].concat(),
        [&[RowKind::FirmwareInventory as u8][..], b"x0c0s9b0"].concat(),
        [&[RowKind::Job as u8][..], b"none"].concat(),
        [&[RowKind::JobTarget as u8][..], b"\0\0\x01"].concat(),
        [&[RowKind::JobTarget as u8][..], b"none\0\0\0\0\x01"].concat(),
        [&[RowKind::Template as u8][..], b"none"].concat(),
        [&[RowKind::Template as u8][..], b"\xff"].concat(),
    ];
    for bytes in unknown {
        assert_eq!(
            log.state.row(&RowKey::from_bytes(&bytes).unwrap()),
            None,
            "{bytes:?}"
        );
    }
}

#[test]
fn a_snapshot_needs_exactly_one_header_of_a_known_format() {
    assert_eq!(problem(vec![]), SnapshotError::Header { found: 0 });
    assert_eq!(
        problem(vec![header(), header()]),
        SnapshotError::Header { found: 2 }
    );
    let newer = row(Row::Header(StateHeader {
        format: 2,
        ..Default::default()
    }));
    assert_eq!(problem(vec![newer]), SnapshotError::Format { found: 2 });
    assert_eq!(
        problem(vec![header(), SnapshotRow { row: None }]),
        SnapshotError::UnknownRow
    );
}

/// Each of `cases` together with a good header is refused, and the error names the kind.
pub(crate) fn assert_malformed(kind: RowKind, cases: impl IntoIterator<Item = Vec<SnapshotRow>>) {
    for rows in cases {
        let error = problem([vec![header()], rows].concat());
        assert!(
            matches!(&error, SnapshotError::Malformed { kind: found, .. } if *found == kind),
            "{error}"
        );
    }
}

#[test]
fn time_never_goes_back_and_skipped_entries_count() {
    let mut log = Log::new();
    log.ok(subnets::put(subnets::subnet("10.97.0.0/16")));
    let (time, digest) = (log.state.time_ms(), log.state.digest());
    let early = entry(
        2,
        time - 5000,
        session(7, 2, 0),
        subnets::put(subnets::subnet("10.98.0.0/16")),
    );
    log.apply_entry(&early);
    let stored = log.state.dhcp.subnet_of("10.98.0.1".parse().unwrap()).unwrap();
    assert_eq!(
        stored.meta.as_ref().unwrap().created.as_ref().unwrap().at_ms,
        time
    );
    assert_eq!(log.state.time_ms(), time);
    log.state.skip(9);
    assert_eq!(log.state.applied_index(), 9);
    assert_ne!(log.state.digest(), digest);
}

/// After a restart a member may be handed entries that its checkpoint holds already.
#[test]
fn an_entry_that_was_applied_is_not_applied_again() {
    let mut log = Log::new();
    let request = log.entry(subnets::put(subnets::subnet("10.97.0.0/16")));
    log.apply_entry(&request);
    let digest = log.state.digest();
    for index in [0, 1] {
        let applied = log.state.apply(index, &request);
        assert!(matches!(rejection(&applied.outcome), Some(Rejection::Bug { .. })));
        assert!(applied.changed.is_empty());
    }
    assert_eq!(log.state.digest(), digest);
}
