//! Preconditions of SMD's writes: an object that another client has changed since is left alone.

use model::Rejection;
use proto::smd::v1::smd_command;
use proto::smd::v1::smd_command::{
    AddGroupMember, AddIpAddress, Change, DeleteComponents, DeleteEthernetInterfaces, DeleteGroup,
    DeleteIpAddress, PatchEthernetInterface, PatchGroup, PatchIpAddress, RemoveGroupMember,
    ReplaceGroupMembers, Tags,
};

use crate::create_components::{component, create};
use crate::ethernet_interfaces::mapping;
use crate::support::Log;
use crate::{ethernet_interfaces, groups};

const NODE: &str = "x0c0s0b0n0";
const OTHER: &str = "x0c0s1b0n0";
const MAC: &str = "02:00:00:00:00:01";
const ID: &str = "020000000001";
const IP: &str = "10.0.0.1";
/// Log index of the interface's and the group's last change in `log`.
const INTERFACE_AT: u64 = 3;
const GROUP_AT: u64 = 4;

/// A component at 1, an interface at 3, a group at 4.
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
    log
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
    vec![
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
    ]
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
