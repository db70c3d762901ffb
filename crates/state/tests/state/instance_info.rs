//! What cloud-init is told about one node, and the instance-id that it keeps.

use model::Xname;
use proto::cloud_init::v1::InstanceInfo;
use proto::cloud_init::v1::cloud_init_command::{DeleteInstanceInfo, PutInstanceInfo};

use crate::instances::assign;
use crate::support::Log;

pub fn info(id: &str) -> InstanceInfo {
    InstanceInfo {
        id: id.into(),
        ..Default::default()
    }
}

fn put(info: InstanceInfo) -> PutInstanceInfo {
    PutInstanceInfo { info: Some(info) }
}

fn node() -> Xname {
    "x0c0s0b0n0".parse().unwrap()
}

fn with_instance_id(id: &str) -> InstanceInfo {
    InstanceInfo {
        instance_id: id.into(),
        ..info("x0c0s0b0n0")
    }
}

fn instance_id(log: &Log) -> Option<String> {
    log.state
        .cloud_init
        .instance(&node())
        .map(|instance| instance.instance_id.clone())
}

#[test]
fn an_info_is_created_replaced_and_deleted() {
    let mut log = Log::new();
    let given = InstanceInfo {
        local_hostname: "login1".into(),
        hostname: "login1.demo.example".into(),
        public_keys: vec!["ssh-ed25519 AAAA a@b".into()],
        ..info("X0c0s0b0n00")
    };
    assert_eq!(
        log.ok(put(given.clone())).created,
        ["x0c0s0b0n0"],
        "the xname is normalised"
    );
    let expected = InstanceInfo {
        id: "x0c0s0b0n0".into(),
        meta: log.created(),
        ..given
    };
    assert_eq!(*log.state.cloud_init.instance_info(&node()).unwrap(), expected);
    let region = InstanceInfo {
        region: "west".into(),
        ..info("x0c0s0b0n0")
    };
    assert_eq!(log.ok(put(region)).updated, ["x0c0s0b0n0"]);
    let stored = log.state.cloud_init.instance_info(&node()).unwrap();
    assert_eq!(
        (stored.region.as_str(), stored.hostname.as_str()),
        ("west", ""),
        "all is replaced"
    );
    let delete = DeleteInstanceInfo {
        id: "x0c0s0b0n0".into(),
    };
    assert_eq!(log.ok(delete.clone()).deleted, ["x0c0s0b0n0"]);
    assert_eq!(
        log.refused(delete).to_string(),
        "no such instance-info: x0c0s0b0n0"
    );
}

/// Another id would make cloud-init take a node for a new one, so only a node that has none can be given one.
#[test]
fn an_instance_id_is_given_once() {
    let mut log = Log::new();
    assert_eq!(log.ok(put(info("x0c0s0b0n0"))).value, "", "none is given");
    assert_eq!(instance_id(&log), None);
    assert_eq!(log.ok(put(with_instance_id("i-mine"))).value, "i-mine");
    assert_eq!(instance_id(&log).unwrap(), "i-mine");
    assert_eq!(
        log.state.cloud_init.instance_info(&node()).unwrap().instance_id,
        "",
        "kept in one place"
    );
    assert_eq!(
        log.ok(assign("x0c0s0b0n0")).value,
        "i-mine",
        "its first meta-data"
    );
    assert_eq!(
        log.ok(put(with_instance_id("i-other"))).value,
        "i-mine",
        "the outcome says which one counts"
    );
    log.ok(DeleteInstanceInfo {
        id: "x0c0s0b0n0".into(),
    });
    assert_eq!(
        instance_id(&log).unwrap(),
        "i-mine",
        "it stays when the info goes"
    );
}

#[test]
fn an_assigned_instance_id_stays() {
    let mut log = Log::new();
    let assigned = log.ok(assign("x0c0s0b0n0")).value;
    assert_eq!(log.ok(put(with_instance_id("i-mine"))).value, assigned);
}

#[test]
fn what_no_node_could_use_is_refused_by_name() {
    type Change = fn(&mut InstanceInfo);
    let cases: [(&str, Change); 12] = [
        ("id", |i| i.id = "x0c0s0b0".into()),
        ("id", |i| i.id = "n1".into()),
        ("instance-id", |i| i.instance_id = "a/../b".into()),
        ("instance-id", |i| i.instance_id = ".".into()),
        ("instance-id", |i| i.instance_id = "i".repeat(129)),
        ("local-hostname", |i| i.local_hostname = "a b".into()),
        ("local-hostname", |i| i.local_hostname = "-a".into()),
        ("hostname", |i| i.hostname = "a..b".into()),
        ("hostname", |i| i.hostname = "a\nreboot".into()),
        ("instance-type", |i| i.instance_type = "\u{1b}[2J".into()),
        ("cloud-init-base-url", |i| {
            i.cloud_init_base_url = "ftp://a".into()
        }),
        ("public-keys[0]", |i| i.public_keys = vec![String::new()]),
    ];
    for (field, change) in cases {
        let mut info = info("x0c0s0b0n0");
        change(&mut info);
        let (named, problem) = Log::new().invalid(put(info));
        assert_eq!(named, field, "{problem}");
    }
    let (field, _) = Log::new().invalid(PutInstanceInfo { info: None });
    assert_eq!(field, "info");
}
