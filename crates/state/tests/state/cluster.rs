//! Bootstrap and feature level.

use proto::cluster::v1::SealedSecret;
use proto::cluster::v1::cluster_command::{Bootstrap, SetFeatureLevel};

use crate::support::Log;

pub fn bootstrap(name: &str) -> Bootstrap {
    let advert_key = SealedSecret {
        name: "advert-key".into(),
        version: 1,
        ciphertext: vec![1, 2, 3],
    };
    Bootstrap {
        cluster_name: name.into(),
        advert_key: Some(advert_key),
        ..Default::default()
    }
}

#[test]
fn the_first_bootstrap_counts() {
    let mut log = Log::new();
    assert_eq!((log.state.cluster_id(), log.state.cluster_name()), ("", ""));
    assert_eq!(log.state.feature_level(), 1);
    let first = log.ok(bootstrap("prod-1"));
    assert!(
        first.value.len() == 16 && first.value.bytes().all(|b| b.is_ascii_hexdigit()),
        "{}",
        first.value
    );
    assert_eq!(
        (log.state.cluster_id(), log.state.cluster_name()),
        (first.value.as_str(), "prod-1")
    );
    let mut other = bootstrap("other");
    other.advert_key.as_mut().unwrap().ciphertext = vec![9];
    let second = log.ok(other);
    assert_eq!(
        (second.value, second.unchanged),
        (first.value, vec!["prod-1".to_owned()])
    );
    assert_eq!(log.state.cluster_name(), "prod-1");
    let secret = log.state.cluster.secret("advert-key").unwrap();
    assert_eq!(
        (secret.version, secret.ciphertext.as_slice()),
        (1, &[1, 2, 3][..])
    );
    assert_eq!(log.state.cluster.secret("other"), None);
}

#[test]
fn wrong_bootstraps_name_their_field_and_leave_the_cluster_unborn() {
    let mut log = Log::new();
    for name in ["", "Prod", "a b", "-a", "a-", "a/b", &"a".repeat(64)] {
        assert_eq!(log.invalid(bootstrap(name)).0, "cluster_name", "{name}");
    }
    let mut nameless = bootstrap("prod");
    nameless.advert_key.as_mut().unwrap().name.clear();
    assert_eq!(log.invalid(nameless).0, "advert_key.name");
    let mut empty = bootstrap("prod");
    empty.advert_key.as_mut().unwrap().ciphertext.clear();
    assert_eq!(log.invalid(empty).0, "advert_key.ciphertext");
    assert_eq!(log.state.cluster_id(), "");
}

#[test]
fn the_feature_level_rises_one_by_one_and_never_falls() {
    let mut log = Log::new();
    let (field, problem) = log.invalid(SetFeatureLevel { level: 3 });
    assert_eq!(
        (field.as_str(), problem.as_str()),
        ("level", "it is raised one by one; the next is 2")
    );
    log.ok(SetFeatureLevel { level: 2 });
    assert_eq!(log.state.feature_level(), 2);
    let lower = log.ok(SetFeatureLevel { level: 1 });
    assert_eq!((lower.unchanged.len(), lower.value.as_str()), (1, "2"));
    assert_eq!(log.state.feature_level(), 2);
}
