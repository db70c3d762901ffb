//! What cloud-init is told about one node, and the instance-id that it keeps.

use model::Xname;
use proto::cloud_init::v1::cloud_init_command::{DeleteInstanceInfo, PutInstanceInfo};
use proto::cloud_init::v1::{Instance, InstanceInfo};
use proto::raft::v1::SnapshotRow;
use proto::raft::v1::entry::Command;
use proto::raft::v1::snapshot_row::Row;
use state::State;

use crate::instances::assign;
use crate::support::{IntoCommand, Log};

pub fn info(id: &str) -> InstanceInfo {
    InstanceInfo {
        id: id.into(),
        ..Default::default()
    }
}

fn put(info: InstanceInfo) -> PutInstanceInfo {
    PutInstanceInfo {
        info: Some(info),
        ..Default::default()
    }
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
        ..Default::default()
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
        ..Default::default()
    });
    assert_eq!(
        instance_id(&log).unwrap(),
        "i-mine",
        "it stays when the info goes"
    );
}

/// DHCP and cloud-init tell a node its name; two nodes of one name would take each other's place.
#[test]
fn a_local_hostname_belongs_to_one_node() {
    let mut log = Log::new();
    let called = |id: &str, name: &str| InstanceInfo {
        local_hostname: name.into(),
        ..info(id)
    };
    log.ok(put(called("x0c0s0b0n0", "login1")));
    log.ok(put(called("x0c0s0b0n0", "Login1")));
    let refused = log.refused(put(called("x0c0s1b0n0", "LOGIN1"))).to_string();
    for word in ["LOGIN1", "x0c0s0b0n0", "x0c0s1b0n0"] {
        assert!(refused.contains(word), "{refused}");
    }
    log.ok(put(called("x0c0s1b0n0", "login10")));
    log.state = State::from_rows(log.state.rows()).unwrap();
    log.refused(put(called("x0c0s1b0n0", "login1")));
    log.ok(put(called("x0c0s0b0n0", "login2")));
    log.ok(put(called("x0c0s1b0n0", "login1")));
    log.ok(DeleteInstanceInfo {
        id: "x0c0s1b0n0".into(),
        ..Default::default()
    });
    log.ok(put(called("x0c0s0b0n0", "login1")));
}

/// An instance-id outlives the info that it came with, so infos that come and go could fill the memory.
#[test]
fn the_number_of_instance_ids_is_bounded() {
    let full = |instances: usize| {
        let rows = (0..instances).map(|n| SnapshotRow {
            row: Some(Row::Instance(Instance {
                node: format!("x{}c{}s{}b0n0", 1000 + n / 512, n / 64 % 8, n % 64),
                instance_id: "i-1".into(),
                meta: None,
            })),
        });
        let header = State::new().rows().next().unwrap();
        State::from_rows(std::iter::once(header).chain(rows)).unwrap()
    };
    let mut log = Log::new();
    let mut refusal = |state: &mut State, command: Command| {
        let (index, entry) = (state.applied_index() + 1, log.entry(command));
        state::rejection(&state.apply(index, &entry).outcome).map(|rejection| rejection.to_string())
    };
    let given = |slot: u8| {
        let info = InstanceInfo {
            id: format!("x0c0s{slot}b0n0"),
            ..with_instance_id("i-mine")
        };
        put(info).into_command()
    };
    let mut state = full(state::bounds::INSTANCES_GIVEN_MAX - 1);
    assert_eq!(refusal(&mut state, given(0)), None);
    assert_eq!(refusal(&mut state, given(0)), None, "it has one");
    let refused = refusal(&mut state, given(1)).unwrap();
    assert!(refused.starts_with("instance-id: "), "{refused}");
    assert_eq!(refusal(&mut state, put(info("x0c0s1b0n0")).into_command()), None);
    let mut state = full(state::bounds::INSTANCES_MAX - 1);
    assert_eq!(refusal(&mut state, assign("x0c0s0b0n0").into_command()), None);
    assert_eq!(refusal(&mut state, assign("x0c0s0b0n0").into_command()), None);
    assert!(refusal(&mut state, assign("x0c0s1b0n0").into_command()).is_some());
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
    let (field, _) = Log::new().invalid(PutInstanceInfo {
        info: None,
        ..Default::default()
    });
    assert_eq!(field, "info");
}
