//! Preconditions of Cloud-Init's writes, its deletes and patches, and renewed instance-ids.

use model::{Rejection, Xname};
use prost_types::{Struct, Value, value::Kind};
use proto::cloud_init::v1::cloud_init_command::{
    Change, DeleteClusterDefaults, DeleteGroup, DeleteInstanceInfo, DeleteProfile, PatchGroup, PutGroup,
    PutInstanceInfo, PutProfile, RenewInstanceId, UpdateClusterDefaults,
};
use proto::cloud_init::v1::{ClusterDefaults, Group, GroupFile, Instance};

use crate::support::Log;
use crate::{cloud_init_groups, cluster_defaults, instance_info, instances, profiles};

const NODE: &str = "x0c0s0b0n0";

/// Defaults at 1, a group at 2, an info at 3, a profile at 4, an instance-id at 5: an info is shown with it.
fn log() -> Log {
    let mut log = Log::latest();
    let region = ClusterDefaults {
        region: "west".into(),
        ..ClusterDefaults::default()
    };
    log.ok(cluster_defaults::update(region, &[]));
    log.ok(cloud_init_groups::put(cloud_init_groups::group("compute")));
    log.ok(PutInstanceInfo {
        info: Some(instance_info::info(NODE)),
        ..PutInstanceInfo::default()
    });
    log.ok(profiles::put(profiles::profile("test", &[NODE])));
    log.ok(instances::assign(NODE));
    log
}

/// Every conditional write, with the revision that its object is at.
fn conditional(if_revision: Option<u64>) -> Vec<(Change, u64)> {
    let name = || "compute".to_owned();
    vec![
        (
            Change::UpdateClusterDefaults(UpdateClusterDefaults {
                if_revision,
                ..cluster_defaults::update(ClusterDefaults::default(), &["region"])
            }),
            1,
        ),
        (
            Change::DeleteClusterDefaults(DeleteClusterDefaults { if_revision }),
            1,
        ),
        (
            Change::PutGroup(PutGroup {
                if_revision,
                ..cloud_init_groups::put(cloud_init_groups::group("compute"))
            }),
            2,
        ),
        (
            Change::PatchGroup(PatchGroup {
                name: name(),
                description: Some("new".into()),
                if_revision,
                ..PatchGroup::default()
            }),
            2,
        ),
        (
            Change::DeleteGroup(DeleteGroup {
                name: name(),
                if_revision,
            }),
            2,
        ),
        (
            Change::PutInstanceInfo(PutInstanceInfo {
                info: Some(instance_info::info(NODE)),
                if_revision,
                ..PutInstanceInfo::default()
            }),
            5,
        ),
        (
            Change::DeleteInstanceInfo(DeleteInstanceInfo {
                id: NODE.into(),
                if_revision,
            }),
            5,
        ),
        (
            Change::PutProfile(PutProfile {
                if_revision,
                ..profiles::put(profiles::profile("test", &[NODE]))
            }),
            4,
        ),
        (
            Change::DeleteProfile(DeleteProfile {
                name: "test".into(),
                if_revision,
            }),
            4,
        ),
        (
            Change::RenewInstanceId(RenewInstanceId {
                node: NODE.into(),
                if_revision,
            }),
            5,
        ),
    ]
}

#[test]
fn an_object_that_another_client_has_changed_since_is_left_alone() {
    for (at, (_, revision)) in conditional(None).into_iter().enumerate() {
        let change = |if_revision| conditional(Some(if_revision)).swap_remove(at).0;
        let refused = log().refused(change(revision + 7));
        let Rejection::RevisionMismatch { expected, actual, .. } = refused else {
            panic!("{at}: {refused}")
        };
        assert_eq!((expected, actual), (revision + 7, revision), "{at}");
        log().ok(change(revision));
    }
}

/// What does not exist is at 0: `If-Match` of something else must not create it.
#[test]
fn what_does_not_exist_is_at_no_revision() {
    for (at, (_, revision)) in conditional(None).into_iter().enumerate() {
        let change = conditional(Some(revision)).swap_remove(at).0;
        let refused = Log::latest().refused(change);
        assert!(
            matches!(
                refused,
                Rejection::RevisionMismatch { actual: 0, .. } | Rejection::NotFound { .. }
            ),
            "{at}: {refused}"
        );
    }
}

#[test]
fn members_that_do_not_know_conditions_are_never_told_one() {
    for (change, _) in conditional(Some(1)) {
        let refused = Log::new().refused(change);
        assert!(
            matches!(refused, Rejection::FeatureLevel { needed: 4, .. }),
            "{refused}"
        );
    }
}

#[test]
fn defaults_are_deleted_and_what_was_not_set_is_gone_already() {
    let mut log = log();
    let delete = DeleteClusterDefaults::default;
    assert_eq!(log.ok(delete()).deleted_count, 1);
    assert_eq!(log.state.cloud_init.cluster_defaults(), None);
    assert_eq!(log.ok(delete()).deleted_count, 0);
}

/// cloud-init takes the node for a new one; so it happens on request only, and once.
#[test]
fn an_instance_id_is_renewed_on_request() {
    let mut log = log();
    let node: Xname = NODE.parse().unwrap();
    let before = log.state.cloud_init.instance(&node).unwrap();
    let renew = |node: &str| RenewInstanceId {
        node: node.into(),
        if_revision: None,
    };
    let renewed = log.ok(renew("X0c0s0b0n00"));
    let after = log.state.cloud_init.instance(&node).unwrap();
    assert_eq!(
        (renewed.updated.as_slice(), renewed.value.as_str()),
        (&[NODE.to_owned()][..], after.instance_id.as_str())
    );
    let mut meta = before.meta.clone().unwrap();
    meta.modified = Some(log.last_change());
    let expected = Instance {
        node: NODE.into(),
        instance_id: renewed.value.clone(),
        meta: Some(meta),
    };
    assert_eq!(*after, expected);
    assert_ne!(after.instance_id, before.instance_id);
    assert_eq!(
        log.ok(instances::assign(NODE)).value,
        renewed.value,
        "it stays from now on"
    );
    let first = log.ok(renew("x0c0s1b0n0"));
    assert_eq!(
        (first.created.as_slice(), first.value.len()),
        (&["x0c0s1b0n0".to_owned()][..], 18)
    );
    assert_eq!(log.invalid(renew("x0c0s1b0")).0, "node");
}

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.into())),
    }
}

fn data<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    Struct {
        fields: fields.map(|(key, value)| (key.to_owned(), value)).into(),
    }
}

#[test]
fn meta_data_is_merged_key_by_key_and_cleared() {
    let mut log = Log::latest();
    let file = |content: &str| GroupFile {
        content: content.into(),
        ..GroupFile::default()
    };
    let group = Group {
        meta_data: Some(data([("a", text("1")), ("b", text("2"))])),
        file: Some(file("#cloud-config\n")),
        ..cloud_init_groups::group("compute")
    };
    log.ok(cloud_init_groups::put(group));
    let null = Value {
        kind: Some(Kind::NullValue(0)),
    };
    let patch = PatchGroup {
        name: "Compute".into(),
        meta_data: Some(data([("a", null), ("c", text("3"))])),
        ..PatchGroup::default()
    };
    assert_eq!(log.ok(patch.clone()).updated, ["compute"]);
    let stored = log.state.cloud_init.group("compute").unwrap();
    assert_eq!(stored.meta_data, Some(data([("b", text("2")), ("c", text("3"))])));
    assert!(stored.file.is_some(), "what is not given stays");
    assert_eq!(log.ok(patch).unchanged, ["compute"]);

    let clear = |field: &str| PatchGroup {
        name: "compute".into(),
        clear: vec![field.into()],
        ..PatchGroup::default()
    };
    log.ok(PatchGroup {
        meta_data: Some(data([("d", text("4"))])),
        ..clear("meta-data")
    });
    let stored = log.state.cloud_init.group("compute").unwrap();
    assert_eq!(stored.meta_data, Some(data([("d", text("4"))])));
    log.ok(clear("file"));
    assert_eq!(log.state.cloud_init.group("compute").unwrap().file, None);
    assert_eq!(log.invalid(clear("name")).0, "clear");
    let wrong = PatchGroup {
        name: "compute".into(),
        file: Some(GroupFile {
            encoding: "gzip".into(),
            ..file("x")
        }),
        ..PatchGroup::default()
    };
    assert_eq!(log.invalid(wrong).0, "file.encoding");
    let nobody = PatchGroup {
        name: "io".into(),
        ..PatchGroup::default()
    };
    assert!(matches!(log.refused(nobody), Rejection::NotFound { .. }));
}
