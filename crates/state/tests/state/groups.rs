//! Groups: SMD's checks, who is a member of what, and what the removal of a component does.

use model::Rejection;
use proto::smd::v1::smd_command::{
    AddGroupMember, CreateGroup, DeleteComponents, DeleteGroup, PatchGroup, RemoveGroupMember,
    ReplaceGroupMembers, Tags,
};
use proto::smd::v1::{Group, GroupMembers};
use state::bounds::{GROUPS_MAX, GROUPS_PER_COMPONENT_MAX, MEMBERS_PER_GROUP_MAX, TAGS_PER_GROUP_MAX};

use crate::create_components::{component, create as create_components};
use crate::support::Log;

pub fn group(label: &str, members: &[&str]) -> Group {
    Group {
        label: label.into(),
        members: Some(GroupMembers { ids: texts(members) }),
        ..Default::default()
    }
}

pub fn exclusive(label: &str, exclusive_group: &str, members: &[&str]) -> Group {
    Group {
        exclusive_group: exclusive_group.into(),
        ..group(label, members)
    }
}

pub fn create(group: Group) -> CreateGroup {
    CreateGroup { group: Some(group) }
}

fn add(label: &str, ids: &[&str]) -> AddGroupMember {
    AddGroupMember {
        label: label.into(),
        ids: texts(ids),
        ..Default::default()
    }
}

fn remove(label: &str, ids: &[&str]) -> RemoveGroupMember {
    RemoveGroupMember {
        label: label.into(),
        ids: texts(ids),
        ..Default::default()
    }
}

fn replace(label: &str, ids: &[&str]) -> ReplaceGroupMembers {
    ReplaceGroupMembers {
        label: label.into(),
        ids: texts(ids),
        ..Default::default()
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

const A: &str = "x0c0s0b0n0";
const B: &str = "x0c0s1b0n0";
const C: &str = "x0c0s2b0n0";

/// Three nodes and the BMC of the first.
fn machine() -> Log {
    let mut log = Log::new();
    let ids = [A, B, C, "x0c0s0b0"];
    log.ok(create_components(ids.map(component).to_vec()));
    log
}

fn stored(log: &Log, label: &str) -> Group {
    log.state.smd.group(label).unwrap().as_ref().clone()
}

fn members(log: &Log, label: &str) -> Vec<String> {
    stored(log, label).members.unwrap().ids
}

fn labels(log: &Log, id: &str) -> Vec<String> {
    let labels = log.state.smd.group_labels_of(&id.parse().unwrap());
    labels.map(str::to_owned).collect()
}

#[test]
fn a_group_is_stored_in_smds_spelling_with_sorted_members() {
    let mut log = machine();
    let given = Group {
        label: "Compute_1".into(),
        description: "The First Rack".into(),
        exclusive_group: "RACK".into(),
        tags: texts(&["Slurm", "b:1.2"]),
        members: Some(GroupMembers {
            ids: texts(&["X00c0s02b0n0", A]),
        }),
        meta: None,
    };
    assert_eq!(log.ok(create(given)).created, ["compute_1"]);
    let expected = Group {
        label: "compute_1".into(),
        description: "The First Rack".into(),
        exclusive_group: "rack".into(),
        tags: texts(&["slurm", "b:1.2"]),
        members: Some(GroupMembers { ids: texts(&[A, C]) }),
        meta: log.created(),
    };
    assert_eq!(stored(&log, "compute_1"), expected);
    assert_eq!(labels(&log, A), ["compute_1"]);
    assert!(labels(&log, B).is_empty());
}

/// SMD wants `members`, but an absent list is an empty group there, too. BMCs may be members.
#[test]
fn a_group_may_be_empty_or_hold_anything_that_is_a_component() {
    let mut log = machine();
    let bare = Group {
        label: "bare".into(),
        ..Default::default()
    };
    log.ok(create(bare));
    assert!(members(&log, "bare").is_empty());
    log.ok(create(group("bmcs", &["x0c0s0b0"])));
    assert_eq!(labels(&log, "x0c0s0b0"), ["bmcs"]);
}

#[test]
fn what_smd_refuses_in_a_new_group_is_refused() {
    let mut log = machine();
    let tagged = |tag: &str| Group {
        tags: texts(&[tag]),
        ..group("g", &[])
    };
    let described = Group {
        description: "x".repeat(1025),
        ..group("g", &[])
    };
    let cases = [
        (group("", &[]), "label", "letters, digits"),
        (group("a b", &[]), "label", "letters, digits"),
        (group("Labels", &[]), "label", "GET /hsm/v2/groups/labels"),
        (exclusive("g", "a/b", &[]), "exclusiveGroup", "letters, digits"),
        (tagged("a b"), "tags", "letters, digits"),
        (tagged(""), "tags", "letters, digits"),
        (described, "description", "at most 1024"),
        (group("g", &["nowhere"]), "members.ids", "not an xname"),
        (group("g", &[A, "X0c0s00b0n0"]), "members.ids", "given twice"),
        (
            group("g", &[A, "x0c0s9b0n0"]),
            "members.ids",
            "linked component does not exist: x0c0s9b0n0",
        ),
    ];
    for (given, expected_field, expected) in cases {
        let (field, problem) = log.invalid(create(given));
        assert_eq!(field, expected_field, "{problem}");
        assert!(problem.contains(expected), "{problem}");
    }
    let (field, _) = log.invalid(CreateGroup { group: None });
    assert_eq!(field, "group");
    assert_eq!(log.state.smd.groups().count(), 0, "all or nothing");
}

#[test]
fn a_label_is_taken_once() {
    let mut log = machine();
    log.ok(create(group("g", &[A])));
    match log.refused(create(group("G", &[B]))) {
        Rejection::AlreadyExists { kind, id, detail } => {
            assert_eq!((kind.as_str(), id.as_str()), ("group", "g"));
            assert!(
                detail.contains("an existing group that has the same label"),
                "{detail}"
            );
        }
        other => panic!("{other}"),
    }
    assert_eq!(members(&log, "g"), [A]);
}

/// The other group is named, so that whoever reads it knows where to take the component out.
#[test]
fn groups_of_one_exclusive_group_share_no_member() {
    let mut log = machine();
    log.ok(create(exclusive("blue", "colour", &[A])));
    log.ok(create(exclusive("red", "colour", &[B])));
    log.ok(create(exclusive("tall", "size", &[A, B])));
    log.ok(create(group("free", &[A, B])));
    let refused = [
        log.refused(create(exclusive("green", "Colour", &[C, A]))),
        log.refused(add("red", &[A])),
        log.refused(replace("red", &[A, C])),
    ];
    for rejection in refused {
        let Rejection::Conflict { detail } = rejection else {
            panic!("{rejection}");
        };
        for word in ["member in another exclusive group", A, "blue", "colour"] {
            assert!(detail.contains(word), "{detail}");
        }
    }
    assert!(log.state.smd.group("green").is_none());
    assert_eq!(
        members(&log, "red"),
        [B],
        "the change of a list is all or nothing"
    );
    assert_eq!(labels(&log, A), ["blue", "free", "tall"]);
    log.ok(remove("blue", &[A]));
    log.ok(add("red", &[A]));
    assert_eq!(labels(&log, A), ["free", "red", "tall"]);
}

#[test]
fn a_patch_changes_what_it_names() {
    let mut log = machine();
    log.ok(create(exclusive("g", "x", &[A])));
    let created = log.created().unwrap().created;
    log.now_ms += 1000;
    let patch = |description: Option<&str>, tags: Option<&[&str]>| PatchGroup {
        label: "G".into(),
        description: description.map(str::to_owned),
        tags: tags.map(|tags| Tags { items: texts(tags) }),
        ..Default::default()
    };
    assert_eq!(log.ok(patch(Some("new"), None)).updated, ["g"]);
    let after = stored(&log, "g");
    assert_eq!((after.description.as_str(), after.tags.len()), ("new", 0));
    let meta = after.meta.clone().unwrap();
    assert_eq!((meta.created, meta.modified), (created, Some(log.last_change())));
    log.ok(patch(None, Some(&["B", "a"])));
    assert_eq!(
        stored(&log, "g"),
        Group {
            tags: texts(&["b", "a"]),
            meta: stored(&log, "g").meta,
            ..after
        }
    );
    assert_eq!(log.ok(patch(Some("new"), Some(&["b", "a"]))).unchanged, ["g"]);
    assert_ne!(stored(&log, "g").meta.unwrap().modified, Some(log.last_change()));
    log.ok(patch(Some(""), Some(&[])));
    assert_eq!(stored(&log, "g").tags.len(), 0);
    assert_eq!(members(&log, "g"), [A]);
    assert_eq!(log.invalid(patch(None, Some(&["a b"]))).0, "tags");
    let absent = PatchGroup {
        label: "absent".into(),
        ..patch(Some("d"), None)
    };
    assert_eq!(log.refused(absent), Rejection::not_found("group", "absent"));
}

#[test]
fn members_come_and_go_one_by_one() {
    let mut log = machine();
    log.ok(create(group("g", &[B])));
    assert_eq!(log.ok(add("G", &["X0c0s00b0n0"])).created, [A]);
    assert_eq!(members(&log, "g"), [A, B]);
    assert_eq!(stored(&log, "g").meta.unwrap().modified, Some(log.last_change()));
    match log.refused(add("g", &[A])) {
        Rejection::AlreadyExists { kind, id, detail } => {
            assert_eq!((kind.as_str(), id.as_str()), ("member", A));
            assert!(detail.contains("in the same group"), "{detail}");
        }
        other => panic!("{other}"),
    }
    assert_eq!(log.invalid(add("g", &["x0c0s9b0n0"])).0, "id");
    assert_eq!(log.invalid(add("g", &[""])).0, "id");
    assert_eq!(log.refused(add("h", &[A])), Rejection::not_found("group", "h"));
    let gone = log.ok(remove("g", &[A]));
    assert_eq!((gone.deleted_count, gone.deleted), (1, texts(&[A])));
    assert_eq!(members(&log, "g"), [B]);
    assert!(labels(&log, A).is_empty());
    assert_eq!(
        log.refused(remove("g", &[A])),
        Rejection::not_found("member of group g", A)
    );
    assert_eq!(log.refused(remove("h", &[A])), Rejection::not_found("group", "h"));
    assert_eq!(log.invalid(remove("g", &["nowhere"])).0, "id");
}

/// One that is wrong keeps all from being added or removed.
#[test]
fn several_come_and_go_together() {
    let mut log = machine();
    log.ok(create(group("g", &[B])));
    assert_eq!(log.ok(add("g", &[C, A])).created, [A, C]);
    assert_eq!(members(&log, "g"), [A, B, C]);
    let gone = log.ok(remove("g", &[C, A]));
    assert_eq!((gone.deleted_count, gone.deleted), (2, texts(&[A, C])));
    log.refused(add("g", &[A, B]));
    log.refused(remove("g", &[B, C]));
    for ids in [&[][..], &[A, A], &[A, "x0c0s9b0n0"], &[A, "nowhere"]] {
        assert_eq!(log.invalid(add("g", ids)).0, "id", "{ids:?}");
    }
    assert_eq!(log.invalid(remove("g", &[])).0, "id");
    assert_eq!(members(&log, "g"), [B]);
}

#[test]
fn a_list_of_members_replaces_the_old_one() {
    let mut log = machine();
    log.ok(create(exclusive("g", "x", &[A, B])));
    assert_eq!(log.ok(replace("g", &[C, B])).updated, ["g"]);
    assert_eq!(members(&log, "g"), [B, C]);
    assert_eq!((labels(&log, A).len(), labels(&log, C)), (0, texts(&["g"])));
    let modified = stored(&log, "g").meta;
    assert_eq!(log.ok(replace("g", &[B, C])).unchanged, ["g"]);
    assert_eq!(stored(&log, "g").meta, modified, "nothing has changed");
    assert_eq!(log.invalid(replace("g", &[A, "x0c0s9b0n0"])).0, "ids");
    assert_eq!(log.invalid(replace("g", &[A, A])).0, "ids");
    assert_eq!(members(&log, "g"), [B, C]);
    log.ok(replace("g", &[]));
    assert!(members(&log, "g").is_empty() && labels(&log, B).is_empty());
    assert_eq!(log.refused(replace("h", &[])), Rejection::not_found("group", "h"));
}

#[test]
fn a_deleted_group_leaves_its_members() {
    let mut log = machine();
    log.ok(create(exclusive("g", "x", &[A])));
    let gone = log.ok(DeleteGroup {
        label: "G".into(),
        ..Default::default()
    });
    assert_eq!((gone.deleted_count, gone.deleted), (1, texts(&["g"])));
    assert!(labels(&log, A).is_empty() && log.state.smd.group("g").is_none());
    log.ok(create(exclusive("h", "x", &[A])));
    let again = log.refused(DeleteGroup {
        label: "g".into(),
        ..Default::default()
    });
    assert_eq!(again, Rejection::not_found("group", "g"));
}

/// SMD's foreign key: a component that is gone is in no group, and does not come back into one.
#[test]
fn a_deleted_component_leaves_all_its_groups() {
    let mut log = machine();
    log.ok(create(group("a", &[A, B])));
    log.ok(create(group("b", &[A])));
    log.ok(create(group("c", &[C])));
    let untouched = stored(&log, "c");
    let delete = |ids: &[&str]| DeleteComponents {
        ids: texts(ids),
        all: ids.is_empty(),
        ..Default::default()
    };
    assert_eq!(log.ok(delete(&[A])).deleted, [A]);
    assert_eq!(members(&log, "a"), [B]);
    assert!(members(&log, "b").is_empty());
    assert_eq!(stored(&log, "b").meta.unwrap().modified, Some(log.last_change()));
    assert_eq!(stored(&log, "c"), untouched);
    log.ok(create_components(vec![component(A)]));
    assert!(labels(&log, A).is_empty());
    log.refused(delete(&[B, "x0c0s9b0n0"]));
    assert_eq!(members(&log, "a"), [B]);
    assert_eq!(log.ok(delete(&[])).deleted_count, 4);
    assert_eq!(log.state.smd.groups().count(), 3, "the groups stay");
    assert!(
        log.state
            .smd
            .groups()
            .all(|group| group.members.as_ref().unwrap().ids.is_empty())
    );
}

#[test]
fn what_one_cluster_may_hold_is_bounded() {
    let mut log = machine();
    let many_tags = Group {
        tags: vec!["t".into(); TAGS_PER_GROUP_MAX + 1],
        ..group("g", &[])
    };
    assert_eq!(log.invalid(create(many_tags)).0, "tags");
    let ids: Vec<String> = vec![A.into(); MEMBERS_PER_GROUP_MAX + 1];
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (field, problem) = log.invalid(create(group("g", &ids)));
    assert_eq!(field, "members.ids");
    assert!(problem.contains("at most 100000"), "{problem}");
    log.fill((0..GROUPS_PER_COMPONENT_MAX).map(|n| create(group(&format!("g{n}"), &[A]))));
    let (field, problem) = log.invalid(create(group("one-more", &[A])));
    assert_eq!(field, "members.ids");
    assert!(
        problem.contains("is in 64 groups; take it out of one first"),
        "{problem}"
    );
    let rest = GROUPS_PER_COMPONENT_MAX..GROUPS_MAX;
    log.fill(rest.map(|n| create(group(&format!("g{n}"), &[]))));
    let (field, problem) = log.invalid(create(group("one-more", &[])));
    assert_eq!(field, "group");
    assert!(problem.contains("there are 10000 groups"), "{problem}");
}
