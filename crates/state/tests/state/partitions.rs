//! Partitions: SMD's checks, one partition for each component, and what the removal of a component does.

use model::Rejection;
use proto::smd::v1::smd_command::{
    AddPartitionMember, CreatePartition, DeleteComponents, DeletePartition, PatchPartition,
    RemovePartitionMember, Tags,
};
use proto::smd::v1::{GroupMembers, Partition};
use state::bounds::PARTITIONS_MAX;

use crate::locks::machine;
use crate::support::Log;

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";

pub fn partition(name: &str, members: &[&str]) -> Partition {
    Partition {
        name: name.into(),
        members: Some(GroupMembers { ids: texts(members) }),
        ..Default::default()
    }
}

pub fn create(partition: Partition) -> CreatePartition {
    CreatePartition {
        partition: Some(partition),
    }
}

fn add(name: &str, ids: &[&str]) -> AddPartitionMember {
    AddPartitionMember {
        name: name.into(),
        ids: texts(ids),
        ..Default::default()
    }
}

fn remove(name: &str, ids: &[&str]) -> RemovePartitionMember {
    RemovePartitionMember {
        name: name.into(),
        ids: texts(ids),
        ..Default::default()
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn members(log: &Log, name: &str) -> Vec<String> {
    log.state
        .smd
        .partition(name)
        .unwrap()
        .members
        .clone()
        .unwrap()
        .ids
}

#[test]
fn a_partition_is_stored_in_normal_form_and_found_by_member() {
    let mut log = machine();
    let given = Partition {
        description: "d".into(),
        tags: texts(&["Blue"]),
        ..partition("P01.2", &[B, "X0c0s00b0n0"])
    };
    assert_eq!(log.ok(create(given)).created, ["p1.2"]);
    let expected = Partition {
        name: "p1.2".into(),
        description: "d".into(),
        tags: texts(&["blue"]),
        members: Some(GroupMembers { ids: texts(&[A, B]) }),
        meta: log.created(),
    };
    assert_eq!(*log.state.smd.partition("p1.2").unwrap(), expected);
    assert_eq!(log.state.smd.partition_of(A), Some("p1.2"));
    assert_eq!(log.state.smd.partition_of("x9"), None);
}

#[test]
fn a_component_is_in_one_partition_at_most() {
    let mut log = machine();
    log.ok(create(partition("p1", &[A])));
    for refused in [log.refused(create(partition("p2", &[B, A]))), {
        log.ok(create(partition("p3", &[])));
        log.refused(add("p3", &[A]))
    }] {
        let Rejection::Conflict { detail } = &refused else {
            panic!("{refused}");
        };
        assert!(
            detail.contains("another partition: x0c0s0b0n0 is in p1;"),
            "{detail}"
        );
    }
    assert_eq!(log.state.smd.partition_of(B), None, "all or nothing");
    let twice = log.refused(add("p1", &[A]));
    assert!(
        matches!(&twice, Rejection::AlreadyExists { id, .. } if id == A),
        "{twice}"
    );
    log.ok(remove("p1", &[A]));
    log.ok(add("p3", &[B, A]));
    assert_eq!(members(&log, "p3"), [A, B]);
    assert_eq!(members(&log, "p1"), [""; 0]);
}

#[test]
fn names_are_unique_and_members_exist() {
    let mut log = machine();
    log.ok(create(partition("p1", &[])));
    let twice = log.refused(create(partition("P1", &[])));
    assert!(
        matches!(&twice, Rejection::AlreadyExists { kind, id, .. } if kind == "partition" && id == "p1"),
        "{twice}"
    );
    for (given, field) in [
        (partition("blue", &[]), "name"),
        (partition("p2", &["x9c0s0b0n0"]), "members.ids"),
        (partition("p2", &["nowhere"]), "members.ids"),
        (partition("p2", &[A, "X0c0s0b0n0"]), "members.ids"),
    ] {
        assert_eq!(log.invalid(create(given)).0, field);
    }
    assert_eq!(log.invalid(add("p1", &[])).0, "id");
    let missing = log.refused(remove("p1", &[A]));
    assert_eq!(missing.to_string(), "no such member of partition p1: x0c0s0b0n0");
    let missing = log.refused(DeletePartition {
        name: "p7".into(),
        ..Default::default()
    });
    assert_eq!(missing, Rejection::not_found("partition", "p7"));
}

#[test]
fn a_patch_changes_what_it_has() {
    let mut log = machine();
    log.ok(create(partition("p1", &[A])));
    let patch = |description: Option<&str>, tags: Option<&[&str]>| PatchPartition {
        name: "P1".into(),
        description: description.map(str::to_owned),
        tags: tags.map(|tags| Tags { items: texts(tags) }),
        ..Default::default()
    };
    assert_eq!(log.ok(patch(Some("new"), None)).updated, ["p1"]);
    assert_eq!(log.ok(patch(None, Some(&["T"]))).updated, ["p1"]);
    assert_eq!(log.ok(patch(Some("new"), Some(&["t"]))).unchanged, ["p1"]);
    let stored = log.state.smd.partition("p1").unwrap();
    assert_eq!(
        (stored.description.as_str(), stored.tags.as_slice()),
        ("new", &["t".to_owned()][..])
    );
    assert_eq!(members(&log, "p1"), [A]);
}

#[test]
fn what_is_gone_is_in_no_partition() {
    let mut log = machine();
    log.ok(create(partition("p1", &[A, B])));
    log.ok(DeleteComponents {
        ids: vec![A.into()],
        all: false,
        ..Default::default()
    });
    assert_eq!(members(&log, "p1"), [B]);
    assert_eq!(
        log.ok(DeletePartition {
            name: "p1".into(),
            ..Default::default()
        })
        .deleted,
        ["p1"]
    );
    assert_eq!(log.state.smd.partition_of(B), None);
    log.ok(create(partition("p2", &[B])));
}

#[test]
fn the_number_of_partitions_is_bounded() {
    let mut log = machine();
    log.fill((0..PARTITIONS_MAX).map(|n| create(partition(&format!("p{n}"), &[]))));
    assert_eq!(log.invalid(create(partition("p9999", &[]))).0, "partition");
}
