//! Preconditions of SMD's writes: an object that another client has changed since is left alone.

use model::Rejection;
use proto::smd::v1::smd_command;
use proto::smd::v1::smd_command::{
    AddGroupMember, AddIpAddress, AddPartitionMember, Change, CreateComponents, CreateEthernetInterfaces,
    DeleteComponents, DeleteEthernetInterfaces, DeleteGroup, DeleteIpAddress, DeleteNodeMaps,
    DeletePartition, DeletePowerMaps, DeleteRedfishEndpoints, DiscoveredEndpoint, PatchEthernetInterface,
    PatchGroup, PatchIpAddress, PatchPartition, PatchRedfishEndpoint, PutNodeMaps, PutPowerMaps,
    RemoveGroupMember, RemovePartitionMember, ReplaceGroupMembers, Tags,
};

use crate::create_components::{component, create};
use crate::ethernet_interfaces::mapping;
use crate::support::Log;
use crate::{ethernet_interfaces, groups, node_maps, partitions, power_maps, redfish_endpoints};

const NODE: &str = "x0c0s0b0n0";
const OTHER: &str = "x0c0s1b0n0";
const MAC: &str = "02:00:00:00:00:01";
const ID: &str = "020000000001";
const IP: &str = "10.0.0.1";
/// Log index of the interface's and the group's last change in `log`.
const INTERFACE_AT: u64 = 3;
const GROUP_AT: u64 = 4;
const PARTITION_AT: u64 = 5;
const NODE_MAP_AT: u64 = 6;
const POWER_MAP_AT: u64 = 7;
const ENDPOINT_AT: u64 = 8;
const BMC: &str = "x0c0s0b0";

/// A component at 1, an interface at 3, a group at 4, and so on.
fn log() -> Log {
    let mut log = Log::latest();
    log.ok(create(vec![component(NODE), component(OTHER)]));
    log.ok(ethernet_interfaces::create(MAC, NODE, &[]));
    log.ok(AddIpAddress {
        id: ID.into(),
        mapping: Some(mapping(IP, "")),
        ..Default::default()
    });
    log.ok(groups::create(groups::group("g", &[NODE])));
    log.ok(partitions::create(partitions::partition("p1", &[NODE])));
    log.ok(node_maps::put(vec![node_maps::map(NODE, 7)]));
    log.ok(power_maps::put(vec![power_maps::map(NODE, &["x0m0p0v1"])]));
    log.ok(redfish_endpoints::post(vec![redfish_endpoints::bmc(BMC, "bmc0")]));
    log
}

/// As [`conditional`], of what came after groups.
fn conditional_too(if_revision: Option<u64>) -> Vec<(Change, &'static str, u64)> {
    let if_revisions: Vec<u64> = if_revision.into_iter().collect();
    let name = || "p1".to_owned();
    let patch = PatchPartition {
        name: name(),
        description: Some("new".into()),
        if_revision,
        ..Default::default()
    };
    let add = AddPartitionMember {
        name: name(),
        ids: vec![OTHER.into()],
        if_revision,
    };
    let remove = RemovePartitionMember {
        name: name(),
        ids: vec![NODE.into()],
        if_revision,
    };
    let delete = DeletePartition {
        name: name(),
        if_revision,
    };
    let put_map = PutNodeMaps {
        maps: vec![node_maps::map(NODE, 8)],
        if_revisions: if_revisions.clone(),
    };
    let delete_map = DeleteNodeMaps {
        ids: vec![NODE.into()],
        all: false,
        if_revision,
    };
    let put_power = PutPowerMaps {
        maps: vec![power_maps::map(NODE, &["x0m0p0v2"])],
        if_revisions: if_revisions.clone(),
    };
    let delete_power = DeletePowerMaps {
        ids: vec![NODE.into()],
        all: false,
        if_revision,
    };
    let put_endpoint = redfish_endpoints::put(DiscoveredEndpoint {
        if_revision,
        ..redfish_endpoints::bmc(BMC, "bmc1")
    });
    let patch_endpoint = PatchRedfishEndpoint {
        id: BMC.into(),
        user: Some("admin".into()),
        if_revision,
        ..Default::default()
    };
    let delete_endpoint = DeleteRedfishEndpoints {
        ids: vec![BMC.into()],
        all: false,
        if_revision,
    };
    let overwrite = CreateComponents {
        force: true,
        if_revisions: if_revisions.clone(),
        ..create(vec![component(NODE)])
    };
    let replace = CreateEthernetInterfaces {
        interfaces: ethernet_interfaces::create(MAC, OTHER, &[])
            .interface
            .into_iter()
            .collect(),
        replace: true,
        if_revisions,
    };
    vec![
        (Change::PatchPartition(patch), "p1", PARTITION_AT),
        (Change::AddPartitionMember(add), "p1", PARTITION_AT),
        (Change::RemovePartitionMember(remove), "p1", PARTITION_AT),
        (Change::DeletePartition(delete), "p1", PARTITION_AT),
        (Change::PutNodeMaps(put_map), NODE, NODE_MAP_AT),
        (Change::DeleteNodeMaps(delete_map), NODE, NODE_MAP_AT),
        (Change::PutPowerMaps(put_power), NODE, POWER_MAP_AT),
        (Change::DeletePowerMaps(delete_power), NODE, POWER_MAP_AT),
        (Change::StoreDiscovery(put_endpoint), BMC, ENDPOINT_AT),
        (Change::PatchRedfishEndpoint(patch_endpoint), BMC, ENDPOINT_AT),
        (Change::DeleteRedfishEndpoints(delete_endpoint), BMC, ENDPOINT_AT),
        (Change::CreateComponents(overwrite), NODE, 1),
        (Change::CreateEthernetInterfaces(replace), ID, INTERFACE_AT),
    ]
}

/// Every write of one object under a condition, with the revision that it is at.
fn conditional(if_revision: Option<u64>) -> Vec<(Change, &'static str, u64)> {
    let (id, label) = (|| ID.to_owned(), || "g".to_owned());
    let patch = PatchEthernetInterface {
        id: id(),
        description: Some("new".into()),
        if_revision,
        ..Default::default()
    };
    let add_ip = AddIpAddress {
        id: id(),
        mapping: Some(mapping("10.0.0.2", "")),
        if_revision,
    };
    let patch_ip = PatchIpAddress {
        id: id(),
        ip: IP.into(),
        network: "blue".into(),
        if_revision,
    };
    let delete_ip = DeleteIpAddress {
        id: id(),
        ip: IP.into(),
        if_revision,
    };
    let patch_group = PatchGroup {
        label: label(),
        tags: Some(Tags {
            items: vec!["t".into()],
        }),
        if_revision,
        ..Default::default()
    };
    let add = AddGroupMember {
        label: label(),
        ids: vec![OTHER.into()],
        if_revision,
    };
    let replace = ReplaceGroupMembers {
        label: label(),
        ids: vec![OTHER.into()],
        if_revision,
    };
    let remove = RemoveGroupMember {
        label: label(),
        ids: vec![NODE.into()],
        if_revision,
    };
    let delete = DeleteComponents {
        ids: vec![NODE.into()],
        all: false,
        if_revision,
    };
    let delete_interface = DeleteEthernetInterfaces {
        ids: vec![ID.into()],
        all: false,
        if_revision,
    };
    let delete_group = DeleteGroup {
        label: label(),
        if_revision,
    };
    let mut all = vec![
        (Change::PatchEthernetInterface(patch), ID, INTERFACE_AT),
        (Change::AddIpAddress(add_ip), ID, INTERFACE_AT),
        (Change::PatchIpAddress(patch_ip), ID, INTERFACE_AT),
        (Change::DeleteIpAddress(delete_ip), ID, INTERFACE_AT),
        (
            Change::DeleteEthernetInterfaces(delete_interface),
            ID,
            INTERFACE_AT,
        ),
        (Change::PatchGroup(patch_group), "g", GROUP_AT),
        (Change::AddGroupMember(add), "g", GROUP_AT),
        (Change::ReplaceGroupMembers(replace), "g", GROUP_AT),
        (Change::RemoveGroupMember(remove), "g", GROUP_AT),
        (Change::DeleteGroup(delete_group), "g", GROUP_AT),
        (Change::DeleteComponents(delete), NODE, 1),
    ];
    all.extend(conditional_too(if_revision));
    all
}

#[test]
fn a_stale_revision_is_refused_with_the_one_that_counts() {
    let log = log();
    for stale in [0, 2, u64::MAX] {
        for (change, id, actual) in conditional(Some(stale)) {
            let rejection = log.clone().refused(change.clone());
            let expected = Rejection::RevisionMismatch {
                id: id.to_owned(),
                expected: stale,
                actual,
            };
            assert_eq!(rejection, expected, "{change:?}");
        }
    }
}

#[test]
fn the_revision_that_the_client_has_seen_lets_its_change_pass() {
    let log = log();
    for (place, (_, _, actual)) in conditional(None).into_iter().enumerate() {
        let (change, ..) = conditional(Some(actual)).swap_remove(place);
        log.clone().ok(change);
    }
}

/// Members that do not know the condition would make the change regardless.
#[test]
fn a_condition_needs_members_that_know_it() {
    for (change, ..) in conditional(Some(1)) {
        let rejection = Log::new().refused(change.clone());
        let expected = Rejection::FeatureLevel {
            needed: 3,
            current: 1,
        };
        assert_eq!(rejection, expected, "{change:?}");
    }
    let unconditional = smd_command::Change::DeleteGroup(DeleteGroup {
        label: "g".into(),
        if_revision: None,
    });
    assert!(matches!(
        Log::new().refused(unconditional),
        Rejection::NotFound { .. }
    ));
}

/// Whoever has seen that there is none must not overwrite what somebody else has made since.
#[test]
fn revision_0_is_that_of_what_does_not_exist() {
    let maps = |if_revisions: &[u64]| PutNodeMaps {
        maps: vec![node_maps::map(NODE, 7), node_maps::map(OTHER, 8)],
        if_revisions: if_revisions.to_vec(),
    };
    let mut log = log();
    let made_since = log.refused(maps(&[0, 0]));
    assert!(
        matches!(
            made_since,
            Rejection::RevisionMismatch {
                expected: 0,
                actual: NODE_MAP_AT,
                ..
            }
        ),
        "{made_since}"
    );
    let gone_since = log.refused(maps(&[NODE_MAP_AT, 3]));
    assert!(
        matches!(
            gone_since,
            Rejection::RevisionMismatch {
                expected: 3,
                actual: 0,
                ..
            }
        ),
        "{gone_since}"
    );
    assert_eq!(
        log.invalid(maps(&[NODE_MAP_AT])).0,
        "if_revisions",
        "one for each"
    );
    let applied = log.ok(maps(&[NODE_MAP_AT, 0]));
    assert_eq!(
        (applied.unchanged, applied.created),
        (vec![NODE.to_owned()], vec![OTHER.to_owned()])
    );
}

/// One revision cannot be that of two objects.
#[test]
fn a_condition_is_of_one_object() {
    let mut log = log();
    let two = DeleteComponents {
        ids: vec![NODE.into(), OTHER.into()],
        all: false,
        if_revision: Some(1),
    };
    assert_eq!(log.invalid(two).0, "if_revision");
    let all = DeleteComponents {
        all: true,
        if_revision: Some(1),
        ..Default::default()
    };
    assert_eq!(log.invalid(all).0, "if_revision");
}
