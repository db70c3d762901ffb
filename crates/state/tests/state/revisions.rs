//! What nodes boot with, as it was, and the way back.

use model::Rejection;
use prost::Message as _;
use prost_types::{Struct, Value, value::Kind};
use proto::bss::v1::BootParametersEntry;
use proto::bss::v1::bss_command::{Delete, Replace, Rollback};
use proto::cloud_init::v1::cloud_init_command::{
    DeleteGroup, DeleteInstanceInfo, DeleteProfile, PutGroup, PutInstanceInfo, PutProfile,
    UpdateClusterDefaults,
};
use proto::cloud_init::v1::{ClusterDefaults, Group, GroupFile, InstanceInfo, Profile};
use proto::cluster::v1::SealedSecret;
use proto::cluster::v1::cluster_command::SetFeatureLevel;
use state::bounds::REVISIONS_PER_OBJECT_MAX;
use state::cloud_init::{group_meta_data_secret, instance_secret};
use state::cluster::FEATURE_LEVEL_BOOT;
use state::{RowKind, State};

use crate::support::Log;
use crate::{cloud_init_secrets, profiles};

const NODE: &str = "x0c0s0b0n0";

fn replace(keys: &[&str], kernel: &str) -> Replace {
    Replace {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        values: Some(BootParametersEntry {
            kernel: kernel.into(),
            ..BootParametersEntry::default()
        }),
    }
}

fn delete(key: &str) -> Delete {
    Delete {
        keys: vec![key.into()],
        ..Delete::default()
    }
}

fn back(kind: RowKind, id: &str, revision: u64) -> Rollback {
    Rollback {
        kind: kind as u32,
        id: id.into(),
        revision,
        if_revision: None,
    }
}

/// Revisions at which an object was changed, newest first; those at which it was deleted are negative.
fn kept(state: &State, kind: RowKind, id: &str) -> Vec<i64> {
    let sign = |deleted: bool| if deleted { -1 } else { 1 };
    state
        .revisions
        .of(kind, id)
        .map(|row| sign(row.deleted) * i64::try_from(row.change.as_ref().unwrap().revision).unwrap())
        .collect()
}

fn kernel(log: &Log, key: &str) -> Option<String> {
    log.state.bss.entry(key).map(|entry| entry.kernel.clone())
}

#[test]
fn every_version_says_who_made_it_when_and_what_it_was() {
    let mut log = Log::latest();
    log.ok(replace(&["Default", NODE], "http://s/one"));
    log.ok(replace(&["Default"], "http://s/two"));
    log.ok(delete("Default"));
    assert_eq!(kept(&log.state, RowKind::BootParameters, "Default"), [-3, 2, 1]);
    assert_eq!(kept(&log.state, RowKind::BootParameters, NODE), [1]);
    let version = log
        .state
        .revisions
        .get(RowKind::BootParameters, "Default", 1)
        .unwrap();
    let entry = BootParametersEntry::decode(version.object.as_slice()).unwrap();
    assert_eq!(entry.kernel, "http://s/one");
    let change = version.change.as_ref().unwrap();
    assert_eq!(
        (change.principal.as_str(), change.at_ms),
        ("user/admin", log.now_ms)
    );
}

/// Who is refused has changed nothing, so there is no version of it.
#[test]
fn what_is_refused_leaves_no_version() {
    let mut log = Log::latest();
    log.ok(replace(&["Default"], "http://s/one"));
    log.refused(replace(&["Default", "a b"], "http://s/two"));
    assert_eq!(kept(&log.state, RowKind::BootParameters, "Default"), [1]);
}

#[test]
fn the_latest_twenty_are_kept() {
    let mut log = Log::latest();
    for round in 0..REVISIONS_PER_OBJECT_MAX + 5 {
        log.ok(replace(&["Default"], &format!("http://s/{round}")));
    }
    let versions = kept(&log.state, RowKind::BootParameters, "Default");
    assert_eq!(versions.len(), REVISIONS_PER_OBJECT_MAX);
    assert_eq!((versions[0], versions[REVISIONS_PER_OBJECT_MAX - 1]), (25, 6));
}

/// An object of an earlier release has no version yet: its first change keeps what it was.
#[test]
fn what_was_there_before_versions_were_kept_can_be_gone_back_to() {
    let mut log = Log::new();
    log.ok(replace(&["Default"], "http://s/old"));
    assert_eq!(
        kept(&log.state, RowKind::BootParameters, "Default"),
        [] as [i64; 0]
    );
    for level in 2..=FEATURE_LEVEL_BOOT {
        log.ok(SetFeatureLevel { level });
    }
    log.ok(replace(&["Default"], "http://s/new"));
    assert_eq!(kept(&log.state, RowKind::BootParameters, "Default"), [5, 1]);
    log.ok(back(RowKind::BootParameters, "Default", 1));
    assert_eq!(kernel(&log, "Default").as_deref(), Some("http://s/old"));
}

#[test]
fn going_back_is_a_change_like_any_other() {
    let mut log = Log::latest();
    log.ok(replace(&["Default"], "http://s/one"));
    log.ok(replace(&["Default"], "http://s/two"));
    log.ok(back(RowKind::BootParameters, "Default", 1));
    assert_eq!(kernel(&log, "Default").as_deref(), Some("http://s/one"));
    assert_eq!(kept(&log.state, RowKind::BootParameters, "Default"), [3, 2, 1]);
    log.ok(delete("Default"));
    log.ok(back(RowKind::BootParameters, "Default", 2));
    assert_eq!(kernel(&log, "Default").as_deref(), Some("http://s/two"));
    log.ok(back(RowKind::BootParameters, "Default", 4));
    assert_eq!(kernel(&log, "Default"), None, "it was deleted then");
}

#[test]
fn a_version_that_is_not_kept_is_refused_with_those_that_are() {
    let mut log = Log::latest();
    log.ok(replace(&["Default"], "http://s/one"));
    log.ok(replace(&["Default"], "http://s/two"));
    let refused = log.refused(back(RowKind::BootParameters, "Default", 7));
    assert!(
        matches!(&refused, Rejection::NotFound { .. }) && refused.to_string().contains("kept are 2, 1"),
        "{refused}"
    );
    let (field, _) = log.invalid(back(RowKind::Component, NODE, 1));
    assert_eq!(field, "kind");
}

#[test]
fn going_back_can_be_made_conditional() {
    let mut log = Log::latest();
    log.ok(replace(&["Default"], "http://s/one"));
    log.ok(replace(&["Default"], "http://s/two"));
    let seen = |revision| Rollback {
        if_revision: Some(revision),
        ..back(RowKind::BootParameters, "Default", 1)
    };
    assert!(matches!(
        log.refused(seen(1)),
        Rejection::RevisionMismatch {
            expected: 1,
            actual: 2,
            ..
        }
    ));
    log.ok(seen(2));
    assert_eq!(kernel(&log, "Default").as_deref(), Some("http://s/one"));
}

#[test]
fn what_cloud_init_was_told_comes_back_too() {
    let mut log = Log::latest();
    let group = |description: &str| PutGroup {
        group: Some(Group {
            name: "compute".into(),
            description: description.into(),
            ..Group::default()
        }),
        ..PutGroup::default()
    };
    let info = |hostname: &str| PutInstanceInfo {
        info: Some(InstanceInfo {
            id: NODE.into(),
            hostname: hostname.into(),
            ..InstanceInfo::default()
        }),
        ..PutInstanceInfo::default()
    };
    let defaults = |region: &str, zone: &str| UpdateClusterDefaults {
        defaults: Some(ClusterDefaults {
            region: region.into(),
            availability_zone: zone.into(),
            ..ClusterDefaults::default()
        }),
        ..UpdateClusterDefaults::default()
    };
    log.ok(group("first")); // 1
    log.ok(info("first")); // 2
    log.ok(defaults("first", "")); // 3
    log.ok(group("second"));
    log.ok(info("second"));
    log.ok(defaults("second", "a"));
    log.ok(back(RowKind::CloudInitGroup, "compute", 1));
    log.ok(back(RowKind::InstanceInfo, NODE, 2));
    log.ok(back(RowKind::ClusterDefaults, "", 3));
    let cloud_init = &log.state.cloud_init;
    assert_eq!(cloud_init.group("compute").unwrap().description, "first");
    assert_eq!(
        cloud_init.instance_info(&NODE.parse().unwrap()).unwrap().hostname,
        "first"
    );
    let now = cloud_init.cluster_defaults().unwrap();
    assert_eq!(
        (now.region.as_str(), now.availability_zone.as_str()),
        ("first", "")
    );
    log.ok(DeleteGroup {
        name: "compute".into(),
        ..DeleteGroup::default()
    });
    log.ok(DeleteInstanceInfo {
        id: NODE.into(),
        ..DeleteInstanceInfo::default()
    });
    assert_eq!(
        kept(&log.state, RowKind::CloudInitGroup, "compute"),
        [-10, 7, 4, 1]
    );
    log.ok(back(RowKind::CloudInitGroup, "compute", 4));
    assert_eq!(
        log.state.cloud_init.group("compute").unwrap().description,
        "second"
    );
}

/// The command of a profile with this kernel, for `lifetime_s`.
fn profile(kernel: &str, lifetime_s: u64) -> PutProfile {
    PutProfile {
        lifetime_s,
        ..profiles::put(Profile {
            kernel: kernel.into(),
            ..profiles::profile("test", &[NODE])
        })
    }
}

#[test]
fn a_profile_comes_back_for_as_long_as_it_was_to_apply() {
    let mut log = Log::latest();
    log.ok(profile("http://s/one", 60)); // 1
    log.ok(profile("http://s/two", 7200));
    log.now_ms += 1_000_000;
    log.ok(back(RowKind::Profile, "test", 1));
    let now = log.state.cloud_init.profile("test").unwrap();
    assert_eq!(now.kernel, "http://s/one");
    assert_eq!(now.expires_at_ms, log.now_ms + 60_000);
    log.ok(DeleteProfile {
        name: "test".into(),
        if_revision: None,
    });
    assert_eq!(kept(&log.state, RowKind::Profile, "test"), [-4, 3, 2, 1]);
    let seen = |if_revision| Rollback {
        if_revision,
        ..back(RowKind::Profile, "test", 2)
    };
    assert!(matches!(
        log.refused(seen(Some(3))),
        Rejection::RevisionMismatch { actual: 0, .. }
    ));
    log.ok(seen(Some(0)));
    assert_eq!(
        log.state.cloud_init.profile("test").unwrap().kernel,
        "http://s/two"
    );
    log.ok(back(RowKind::Profile, "test", 4));
    assert!(
        log.state.cloud_init.profile("test").is_none(),
        "it was deleted then"
    );
}

/// What is looked for in all rows.
const CANARY: &str = "c4n4ry";

fn has_canary(state: &State) -> bool {
    let shows = |row: &[u8]| row.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
    state.rows().any(|row| shows(&row.encode_to_vec()))
}

fn canary() -> Option<Struct> {
    let kind = Some(Kind::StringValue(CANARY.into()));
    Some(Struct {
        fields: [("k".to_owned(), Value { kind })].into(),
    })
}

fn public_group(description: &str) -> PutGroup {
    PutGroup {
        group: Some(Group {
            name: "munge".into(),
            description: description.into(),
            meta_data: canary(),
            file: Some(GroupFile {
                content: format!("#cloud-config\n# {CANARY}\n"),
                filename: "c.yaml".into(),
                ..GroupFile::default()
            }),
            ..Group::default()
        }),
        ..PutGroup::default()
    }
}

fn secret_group(description: &str) -> PutGroup {
    let sealed = SealedSecret {
        name: group_meta_data_secret("munge"),
        version: 1,
        ciphertext: "x".into(),
    };
    let mut put = PutGroup {
        sealed_meta_data: Some(sealed),
        ..cloud_init_secrets::put("munge", "x")
    };
    put.group.as_mut().unwrap().description = description.into();
    put
}

/// A password that was public by mistake would be in the history for another nineteen changes.
#[test]
fn what_becomes_secret_is_in_no_earlier_version_either() {
    let mut log = Log::latest();
    log.ok(public_group("an earlier life")); // 1
    log.ok(DeleteGroup {
        name: "munge".into(),
        ..DeleteGroup::default()
    });
    log.ok(public_group("first")); // 3
    log.ok(public_group("second"));
    assert!(has_canary(&log.state));
    log.ok(secret_group("third"));
    assert!(!has_canary(&log.state));
    assert_eq!(
        kept(&log.state, RowKind::CloudInitGroup, "munge"),
        [5, 4, 3, -2, 1]
    );
    let version = log
        .state
        .revisions
        .get(RowKind::CloudInitGroup, "munge", 3)
        .unwrap();
    let version = Group::decode(version.object.as_slice()).unwrap();
    assert_eq!((version.description.as_str(), version.secret), ("first", true));
    assert_eq!(version.file.unwrap().filename, "c.yaml");
    // the way back makes nothing public, and loses nothing
    log.ok(back(RowKind::CloudInitGroup, "munge", 3));
    let group = log.state.cloud_init.group("munge").unwrap();
    assert_eq!((group.description.as_str(), group.secret), ("first", true));
    assert_eq!(group.sealed, ["meta-data", "file"]);
    assert!(log.state.cluster.secret("cloud-init/group/munge").is_some());
}

/// The version before is made when it is first changed, and would bring what is taken out of the others.
#[test]
fn a_group_that_becomes_secret_with_its_first_version_leaves_none_in_the_clear() {
    let mut log = Log::new();
    log.ok(public_group("old"));
    for level in 2..=FEATURE_LEVEL_BOOT {
        log.ok(SetFeatureLevel { level });
    }
    log.ok(secret_group("new"));
    assert_eq!(kept(&log.state, RowKind::CloudInitGroup, "munge"), [5, 1]);
    assert!(!has_canary(&log.state));
}

#[test]
fn meta_data_of_a_node_that_becomes_secret_is_in_no_earlier_version_either() {
    let mut log = Log::latest();
    let info = |meta_data, secret| InstanceInfo {
        id: NODE.into(),
        hostname: "lh".into(),
        meta_data,
        secret,
        ..InstanceInfo::default()
    };
    log.ok(PutInstanceInfo {
        info: Some(info(canary(), false)),
        ..PutInstanceInfo::default()
    });
    let sealed = SealedSecret {
        name: instance_secret(&NODE.parse().unwrap()),
        version: 1,
        ciphertext: "x".into(),
    };
    log.ok(PutInstanceInfo {
        info: Some(info(None, true)),
        sealed: Some(sealed),
        ..PutInstanceInfo::default()
    });
    assert!(!has_canary(&log.state));
    log.ok(back(RowKind::InstanceInfo, NODE, 1));
    let now = log
        .state
        .cloud_init
        .instance_info(&NODE.parse().unwrap())
        .unwrap();
    assert_eq!((now.hostname.as_str(), now.secret), ("lh", true));
}

/// Bulk changes of everything else must not take the way back from what nobody touches.
#[test]
fn what_is_quiet_keeps_its_way_back() {
    let mut log = Log::latest();
    log.ok(replace(&["Default"], "http://s/one"));
    log.ok(replace(&["Default"], "http://s/two"));
    let keys: Vec<String> = (0..10_000)
        .map(|place| format!("x{}c0s{}b0n0", place / 100, place % 100))
        .collect();
    let many = |round: usize| Replace {
        keys: keys.clone(),
        values: Some(BootParametersEntry {
            params: format!("round={round}"),
            ..BootParametersEntry::default()
        }),
    };
    log.fill((0..22).map(many));
    assert_eq!(kept(&log.state, RowKind::BootParameters, "Default"), [2, 1]);
    assert!(kept(&log.state, RowKind::BootParameters, &keys[0]).len() >= 2);
    log.fill([back(RowKind::BootParameters, "Default", 1)]);
    assert_eq!(kernel(&log, "Default").as_deref(), Some("http://s/one"));
    let restored = State::from_rows(log.state.rows()).unwrap();
    assert_eq!(restored.digest(), log.state.digest());
}

/// The condition goes by the object that is there, not by what is kept of it.
#[test]
fn an_object_without_versions_has_its_revision_all_the_same() {
    let mut log = Log::new();
    log.ok(replace(&["Default"], "http://s/old"));
    assert_eq!(log.state.live_revision(RowKind::BootParameters, "Default"), 1);
    assert_eq!(log.state.live_revision(RowKind::BootParameters, "None"), 0);
    assert_eq!(log.state.live_revision(RowKind::Component, "Default"), 0);
}
