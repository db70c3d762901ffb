//! Profiles: what some nodes boot with for a while.

use model::{Rejection, Xname};
use proto::cloud_init::v1::cloud_init_command::{DeleteProfile, PutProfile};
use proto::cloud_init::v1::{ClusterDefaults, Group, InstanceInfo, Profile};
use proto::raft::v1::SnapshotRow;
use proto::raft::v1::snapshot_row::Row;
use state::State;
use state::bounds::{PROFILE_LIFETIME_S_DEFAULT, PROFILE_LIFETIME_S_MAX, PROFILES_MAX};
use state::cloud_init::variant_of_group;

use crate::support::{Log, START_MS};
use crate::{cloud_init_groups, cluster_defaults, instance_info};

const FIRST: &str = "x0c0s0b0n0";
const SECOND: &str = "x0c0s1b0n0";

pub fn profile(name: &str, nodes: &[&str]) -> Profile {
    Profile {
        name: name.into(),
        nodes: nodes.iter().map(ToString::to_string).collect(),
        kernel: "http://10.97.0.1:8081/boot/files/k".into(),
        ..Profile::default()
    }
}

pub fn put(profile: Profile) -> PutProfile {
    PutProfile {
        profile: Some(profile),
        ..PutProfile::default()
    }
}

fn of(log: &Log, node: &str, time_ms: u64) -> Option<String> {
    let node: Xname = node.parse().unwrap();
    let profile = log.state.cloud_init.profile_of(&node, time_ms);
    profile.map(|profile| profile.name.clone())
}

#[test]
fn a_profile_applies_to_its_nodes_until_it_expires() {
    let mut log = Log::latest();
    let applied = log.ok(PutProfile {
        lifetime_s: 60,
        ..put(profile("Test-1", &[SECOND, "X0c0s0b0n00", FIRST]))
    });
    assert_eq!(
        (applied.created, applied.value.as_str()),
        (vec!["test-1".to_owned()], "2025-11-25T07:36:44.123Z")
    );
    let expected = Profile {
        expires_at_ms: START_MS + 60_000,
        expires_at: "2025-11-25T07:36:44.123Z".into(),
        meta: log.created(),
        ..profile("test-1", &[FIRST, SECOND])
    };
    assert_eq!(*log.state.cloud_init.profile("TEST-1").unwrap(), expected);
    for node in [FIRST, SECOND] {
        assert_eq!(of(&log, node, START_MS + 59_999).as_deref(), Some("test-1"));
        assert_eq!(of(&log, node, START_MS + 60_000), None);
    }
    assert_eq!(of(&log, "x0c0s2b0n0", START_MS), None);
    log.ok(put(profile("test-1", &[SECOND])));
    assert_eq!(
        (of(&log, FIRST, START_MS), of(&log, SECOND, START_MS).is_some()),
        (None, true)
    );
    let default = START_MS + PROFILE_LIFETIME_S_DEFAULT * 1000;
    assert_eq!(
        log.state.cloud_init.profile("test-1").unwrap().expires_at_ms,
        default
    );
    let delete = DeleteProfile {
        name: "Test-1".into(),
        if_revision: None,
    };
    assert_eq!(log.ok(delete.clone()).deleted, ["test-1"]);
    assert_eq!(of(&log, SECOND, START_MS), None);
    assert!(matches!(log.refused(delete), Rejection::NotFound { .. }));
}

/// Two profiles of one node would contradict each other; one that has expired stands in nobody's way, and goes.
#[test]
fn a_node_is_in_one_profile_at_a_time() {
    let mut log = Log::latest();
    log.ok(PutProfile {
        lifetime_s: 60,
        ..put(profile("a", &[FIRST]))
    });
    let refused = log.refused(put(profile("b", &[SECOND, FIRST])));
    let Rejection::Conflict { detail } = refused else {
        panic!("{refused}")
    };
    assert!(
        detail.contains(FIRST) && detail.contains("profile a") && detail.contains("for b"),
        "{detail}"
    );
    log.now_ms += 60_000;
    log.ok(put(profile("b", &[SECOND, FIRST])));
    assert_eq!(of(&log, FIRST, log.now_ms).as_deref(), Some("b"));
    assert_eq!(log.state.cloud_init.profile("a"), None);
    assert_eq!(log.state.cloud_init.profiles().count(), 1);
}

#[test]
fn only_what_it_names_differs() {
    let mut log = Log::latest();
    let set = ClusterDefaults {
        region: "west".into(),
        cloud_provider: "openchami".into(),
        ..ClusterDefaults::default()
    };
    log.ok(cluster_defaults::update(set, &[]));
    let own = InstanceInfo {
        region: "own".into(),
        ..instance_info::info(SECOND)
    };
    let variant = Profile {
        cluster_defaults: Some(ClusterDefaults {
            region: "east".into(),
            ..ClusterDefaults::default()
        }),
        groups: vec![
            cloud_init_groups::group("IO"),
            cloud_init_groups::group("compute"),
        ],
        instance_infos: vec![own],
        ..profile("test", &[FIRST, SECOND])
    };
    log.ok(put(variant));
    let profile = log.state.cloud_init.profile("test").unwrap();
    let effective = |node: &str, profile| log.state.cloud_init.effective(&node.parse().unwrap(), profile);
    let (defaults, info) = effective(SECOND, Some(profile.as_ref()));
    assert_eq!(
        (defaults.region.as_str(), defaults.cloud_provider.as_str()),
        ("east", "openchami")
    );
    assert_eq!(info.region, "own");
    let (defaults, info) = effective(FIRST, Some(profile.as_ref()));
    assert_eq!((defaults.region.as_str(), info.region.as_str()), ("east", ""));
    assert_eq!(effective(FIRST, None).0.region, "west");
    let names: Vec<&str> = profile.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["compute", "io"]);
    assert!(variant_of_group(&profile, "io").is_some() && variant_of_group(&profile, "login").is_none());
}

#[test]
fn what_a_profile_must_not_hold_is_refused_by_name() {
    let changed = |change: fn(&mut Profile)| {
        let mut given = profile("test", &[FIRST]);
        change(&mut given);
        put(given)
    };
    let info = |change: fn(&mut InstanceInfo)| {
        let mut info = instance_info::info(FIRST);
        change(&mut info);
        put(Profile {
            instance_infos: vec![info],
            ..profile("test", &[FIRST])
        })
    };
    let cases = [
        ("name", changed(|given| given.name = "a b".into())),
        ("nodes", changed(|given| given.nodes.clear())),
        ("nodes", changed(|given| given.nodes = vec!["x0c0s0b0".into()])),
        (
            "kernel",
            changed(|given| given.kernel = "http://k\nreboot".into()),
        ),
        ("kernel", changed(|given| given.kernel = "http://k a".into())),
        ("params", changed(|given| given.params = "quiet || reboot".into())),
        ("params", changed(|given| given.params = "a #b".into())),
        (
            "groups.secret",
            changed(|given| {
                given.groups = vec![Group {
                    name: "a".into(),
                    secret: true,
                    ..Group::default()
                }]
            }),
        ),
        (
            "groups",
            changed(|given| {
                given.groups = vec![cloud_init_groups::group("a"), cloud_init_groups::group("A")]
            }),
        ),
        (
            "cluster_defaults.short-name",
            changed(|given| given.cluster_defaults.get_or_insert_default().nid_length = 3),
        ),
        (
            "base-url",
            changed(|given| given.cluster_defaults.get_or_insert_default().base_url = "x".into()),
        ),
        ("instance_infos.secret", info(|info| info.secret = true)),
        (
            "instance_infos.local-hostname",
            info(|info| info.local_hostname = "a".into()),
        ),
        (
            "instance_infos.instance-id",
            info(|info| info.instance_id = "i-1".into()),
        ),
        (
            "lifetime_s",
            PutProfile {
                lifetime_s: PROFILE_LIFETIME_S_MAX + 1,
                ..put(profile("test", &[FIRST]))
            },
        ),
    ];
    for (field, wrong) in cases {
        let (named, problem) = Log::latest().invalid(wrong);
        assert_eq!(named, field, "{problem}");
    }
    Log::latest().ok(PutProfile {
        lifetime_s: PROFILE_LIFETIME_S_MAX,
        ..put(profile("test", &[FIRST]))
    });
}

#[test]
fn their_number_is_bounded_and_expired_ones_do_not_count() {
    let mut log = Log::latest();
    let many = |n: usize| PutProfile {
        lifetime_s: 60,
        ..put(profile(&format!("p{n}"), &[&format!("x0c0s{n}b0n0")]))
    };
    log.fill((0..PROFILES_MAX).map(many));
    assert_eq!(log.invalid(many(PROFILES_MAX)).0, "name");
    log.ok(many(0));
    log.now_ms += 60_000;
    log.ok(many(PROFILES_MAX));
    assert_eq!(log.state.cloud_init.profiles().count(), 1);
}

#[test]
fn rows_that_give_a_node_two_profiles_are_refused() {
    let mut log = Log::latest();
    log.ok(put(profile("a", &[FIRST])));
    let mut rows: Vec<SnapshotRow> = log.state.rows().collect();
    rows.push(SnapshotRow {
        row: Some(Row::Profile(profile("b", &[FIRST]))),
    });
    let problem = State::from_rows(rows.into_iter())
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(problem.contains("x0c0s0b0n0 is in b and a"), "{problem}");
}
