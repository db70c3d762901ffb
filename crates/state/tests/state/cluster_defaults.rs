//! What cloud-init is told about every node, and the host names that follow from it.

use model::Xname;
use proto::cloud_init::v1::ClusterDefaults;
use proto::cloud_init::v1::cloud_init_command::{PutInstanceInfo, UpdateClusterDefaults};
use proto::http::v1::ObjectMeta;
use proto::smd::v1::{Component, component, smd_command::CreateComponents};

use crate::cluster;
use crate::instance_info::info;
use crate::support::Log;

pub fn update(defaults: ClusterDefaults, clear: &[&str]) -> UpdateClusterDefaults {
    UpdateClusterDefaults {
        defaults: Some(defaults),
        clear: clear.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

/// With every field set.
fn full() -> ClusterDefaults {
    ClusterDefaults {
        cloud_provider: "openchami".into(),
        region: "west".into(),
        availability_zone: "a".into(),
        cluster_name: "demo".into(),
        public_keys: vec!["ssh-ed25519 AAAA a@b".into()],
        base_url: "http://10.97.0.1:8081/cloud-init".into(),
        boot_subnet: "10.97.0.0/16".into(),
        wg_subnet: "10.98.0.0/16".into(),
        short_name: "nid".into(),
        nid_length: 3,
        meta: None,
    }
}

fn stored(log: &Log) -> ClusterDefaults {
    log.state.cloud_init.cluster_defaults().unwrap().as_ref().clone()
}

/// `ochami cloud-init defaults set` sends only what it was given: the rest must stay.
#[test]
fn what_is_not_given_stays() {
    let mut log = Log::new();
    assert_eq!(log.state.cloud_init.cluster_defaults(), None);
    assert_eq!(log.ok(update(full(), &[])).created, ["cluster-defaults"]);
    let created = log.created();
    assert_eq!(
        stored(&log),
        ClusterDefaults {
            meta: created.clone(),
            ..full()
        }
    );
    let region = ClusterDefaults {
        region: "east".into(),
        ..Default::default()
    };
    assert_eq!(log.ok(update(region, &[])).updated, ["cluster-defaults"]);
    let meta = Some(ObjectMeta {
        created: created.unwrap().created,
        modified: Some(log.last_change()),
    });
    let expected = ClusterDefaults {
        region: "east".into(),
        meta,
        ..full()
    };
    assert_eq!(stored(&log), expected);
}

/// The service it replaces cannot empty a field; a name that is wrong must not pass for done.
#[test]
fn fields_are_emptied_by_name_and_may_be_set_in_the_same_change() {
    let mut log = Log::new();
    log.ok(update(full(), &[]));
    let keys = ClusterDefaults {
        public_keys: vec!["ssh-rsa BBBB".into()],
        ..Default::default()
    };
    log.ok(update(keys, &["public-keys", "nid-length", "base-url"]));
    let defaults = stored(&log);
    assert_eq!(defaults.public_keys, ["ssh-rsa BBBB"]);
    assert_eq!((defaults.nid_length, defaults.base_url.as_str()), (0, ""));
    assert_eq!(defaults.region, "west");
    let (field, problem) = log.invalid(update(ClusterDefaults::default(), &["region", "cloud-provider"]));
    assert_eq!(field, "clear");
    assert!(
        problem.contains("`cloud-provider`") && problem.contains("cloud_provider"),
        "{problem}"
    );
    assert_eq!(stored(&log).region, "west", "a refusal changes nothing");
    let many = vec!["region"; 11];
    assert_eq!(log.invalid(update(ClusterDefaults::default(), &many)).0, "clear");
}

/// Each of these reaches a URL, a host name or a file of every node.
#[test]
fn what_no_node_could_use_is_refused_by_name() {
    type Change = fn(&mut ClusterDefaults);
    let cases: [(&str, Change); 12] = [
        ("region", |d| d.region = "a\nb".into()),
        ("cluster-name", |d| d.cluster_name = "c".repeat(256)),
        ("base-url", |d| d.base_url = "10.97.0.1:8081".into()),
        ("base-url", |d| d.base_url = "http://".into()),
        ("base-url", |d| d.base_url = "http://a/b c".into()),
        ("base-url", |d| d.base_url = "http://a/?x=1".into()),
        ("short-name", |d| d.short_name = "4u".into()),
        ("short-name", |d| d.short_name = "a.b".into()),
        ("short-name", |d| d.short_name = "n".repeat(33)),
        ("nid-length", |d| d.nid_length = 21),
        ("public-keys[1]", |d| d.public_keys.push("AAAA".into())),
        ("public-keys", |d| d.public_keys = vec!["ssh-rsa A".into(); 257]),
    ];
    for (field, change) in cases {
        let mut defaults = full();
        change(&mut defaults);
        let (named, problem) = Log::new().invalid(update(defaults, &[]));
        assert_eq!(named, field, "{problem}");
    }
    let mut forged = full();
    forged.public_keys[0] += "\nssh-rsa EVIL";
    assert_eq!(Log::new().invalid(update(forged, &[])).0, "public-keys[0]");
}

/// The longest of all must still be a label of DNS (63 bytes).
#[test]
fn host_names_follow_the_defaults_and_the_node_s_own_goes_first() {
    let mut log = Log::new();
    let node: Xname = "x0c0s0b0n0".parse().unwrap();
    let name = |log: &Log| log.state.hostname(&node);
    log.ok(cluster::bootstrap("prod"));
    assert_eq!(name(&log), "x0c0s0b0n0", "no component, no NID");
    let component = |id: &str, nid| Component {
        id: id.into(),
        state: component::State::On.into(),
        nid,
        ..Default::default()
    };
    let components = vec![
        component("x0c0s0b0n0", Some(7)),
        component("x0c0s1b0n0", Some(u64::MAX)),
    ];
    log.ok(CreateComponents {
        components,
        force: false,
        ..Default::default()
    });
    assert_eq!(name(&log), "pr0007");
    let demo = ClusterDefaults {
        cluster_name: "demo".into(),
        ..Default::default()
    };
    log.ok(update(demo, &[]));
    assert_eq!(name(&log), "de0007");
    let long = ClusterDefaults {
        short_name: "n".repeat(32),
        nid_length: 20,
        ..Default::default()
    };
    log.ok(update(long, &[]));
    let other = log.state.hostname(&"x0c0s1b0n0".parse().unwrap());
    assert_eq!((other.len(), name(&log).len()), (52, 52), "{other}");
    let own = proto::cloud_init::v1::InstanceInfo {
        local_hostname: "login1".into(),
        ..info("x0c0s0b0n0")
    };
    log.ok(PutInstanceInfo {
        info: Some(own),
        ..Default::default()
    });
    assert_eq!(name(&log), "login1");
}

/// DNS answers for the names that nodes call themselves by; no name leads to two nodes, and none to the wrong one.
#[test]
fn who_is_called_so_is_found_by_the_name() {
    let mut log = Log::new();
    log.ok(cluster::bootstrap("prod"));
    let component = |id: &str, nid| Component {
        id: id.into(),
        state: component::State::On.into(),
        nid: Some(nid),
        ..Default::default()
    };
    let components = vec![component("x0c0s0b0n0", 7), component("x0c0s1b0n0", 8)];
    log.ok(CreateComponents {
        components,
        force: false,
        ..Default::default()
    });
    let called = |log: &Log, name: &str| log.state.called(name).map(|node| node.to_string());
    assert_eq!(called(&log, "pr0007").as_deref(), Some("x0c0s0b0n0"));
    assert_eq!(called(&log, "PR0008").as_deref(), Some("x0c0s1b0n0"));
    for nobody in ["pr0009", "pr7", "nid0007", "login1", ""] {
        assert_eq!(called(&log, nobody), None, "{nobody}");
    }
    let named = |id: &str, name: &str| PutInstanceInfo {
        info: Some(proto::cloud_init::v1::InstanceInfo {
            local_hostname: name.into(),
            ..info(id)
        }),
        ..Default::default()
    };
    log.ok(named("x0c0s0b0n0", "Login1"));
    assert_eq!(called(&log, "login1").as_deref(), Some("x0c0s0b0n0"));
    assert_eq!(called(&log, "pr0007"), None, "it calls itself otherwise now");
    // a name that the pattern gives to another: the first of both has it, on every member
    log.ok(named("x0c0s0b0n0", "pr0008"));
    assert_eq!(called(&log, "pr0008").as_deref(), Some("x0c0s0b0n0"));
}
