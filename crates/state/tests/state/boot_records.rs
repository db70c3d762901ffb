//! Boot records: what phone-home leaves.

use model::Xname;
use proto::bss::v1::bss_command::RecordBoot;
use proto::bss::v1::{BootRecord, HostKey};

use crate::support::Log;

pub fn record(node: &str, boot_id: &str) -> BootRecord {
    BootRecord {
        node: node.into(),
        boot_id: boot_id.into(),
        address: "10.97.0.17".into(),
        ..Default::default()
    }
}

pub fn command(record: BootRecord) -> RecordBoot {
    RecordBoot { record: Some(record) }
}

const NODE: &str = "x0c0s0b0n0";

fn boot_ids(log: &Log, node: &str) -> Vec<String> {
    let node: Xname = node.parse().unwrap();
    log.state
        .bss
        .boot_records(&node)
        .iter()
        .map(|record| record.boot_id.clone())
        .collect()
}

#[test]
fn a_record_carries_the_clusters_time_and_one_line_keys() {
    let mut log = Log::new();
    // cloud-init posts the file /etc/ssh/ssh_host_…_key.pub as it is.
    let host_keys = vec![HostKey {
        name: "pub_key_ed25519".into(),
        key: "ssh-ed25519 AAAA root@n0\n".into(),
    }];
    let given = BootRecord {
        host_keys,
        phoned_home_at_ms: 1,
        ..record(NODE, "b1")
    };
    assert_eq!(log.ok(command(given.clone())).created, [NODE]);
    let host_keys = vec![HostKey {
        name: "pub_key_ed25519".into(),
        key: "ssh-ed25519 AAAA root@n0".into(),
    }];
    let expected = BootRecord {
        host_keys,
        phoned_home_at_ms: log.now_ms,
        meta: log.created(),
        ..given
    };
    assert_eq!(*log.state.bss.boot_records(&NODE.parse().unwrap())[0], expected);
}

/// cloud-init's phone-home retries ten times; a lost answer must not become two boots.
#[test]
fn the_same_boot_is_one_record_and_completes() {
    let mut log = Log::new();
    log.ok(command(BootRecord {
        hostname: "n0".into(),
        ..record(NODE, "b1")
    }));
    log.ok(command(record(NODE, "b2")));
    log.now_ms += 5000;
    let again = BootRecord {
        instance_id: "i-1".into(),
        ..record(NODE, "b1")
    };
    assert_eq!(log.ok(command(again)).updated, [NODE]);
    assert_eq!(boot_ids(&log, NODE), ["b2", "b1"], "a boot keeps its place");
    let stored = &log.state.bss.boot_records(&NODE.parse().unwrap())[1];
    assert_eq!(
        (stored.hostname.as_str(), stored.instance_id.as_str()),
        ("n0", "i-1")
    );
    assert_eq!(stored.phoned_home_at_ms, log.now_ms);
}

#[test]
fn boots_without_an_id_are_boots_of_their_own() {
    let mut log = Log::new();
    log.ok(command(record(NODE, "")));
    log.ok(command(record(NODE, "")));
    assert_eq!(boot_ids(&log, NODE).len(), 2);
}

#[test]
fn eight_boots_a_node_are_kept_newest_first() {
    let mut log = Log::new();
    for boot in 0..11 {
        log.ok(command(record(NODE, &format!("b{boot}"))));
        log.ok(command(record("x0c0s0b0n1", "other")));
    }
    assert_eq!(
        boot_ids(&log, NODE),
        ["b10", "b9", "b8", "b7", "b6", "b5", "b4", "b3"]
    );
    assert_eq!(boot_ids(&log, "x0c0s0b0n1"), ["other"]);
    assert_eq!(boot_ids(&log, "x0c0s0b0n10"), [""; 0]);
}

/// A node's words come from a stranger.
#[test]
fn hostile_records_are_refused_by_field() {
    let key = |name: &str, key: &str| {
        vec![HostKey {
            name: name.into(),
            key: key.into(),
        }]
    };
    let cases = [
        (record("x0c0s0b0", "b"), "node"),
        (record("", "b"), "node"),
        (
            BootRecord {
                hostname: "a\u{1b}[2J".into(),
                ..record(NODE, "b")
            },
            "hostname",
        ),
        (
            BootRecord {
                fqdn: "x".repeat(256),
                ..record(NODE, "b")
            },
            "fqdn",
        ),
        (
            BootRecord {
                instance_id: "a\nb".into(),
                ..record(NODE, "b")
            },
            "instance_id",
        ),
        (record(NODE, "b\r"), "boot_id"),
        (
            BootRecord {
                address: "here".into(),
                ..record(NODE, "b")
            },
            "address",
        ),
        (
            BootRecord {
                host_keys: key("pub_key_rsa", "a\nb"),
                ..record(NODE, "b")
            },
            "pub_key_rsa",
        ),
        (
            BootRecord {
                host_keys: key("pub_key_rsa", &"x".repeat(8193)),
                ..record(NODE, "b")
            },
            "pub_key_rsa",
        ),
        (
            BootRecord {
                host_keys: key("", "a"),
                ..record(NODE, "b")
            },
            "host_keys.name",
        ),
        (
            BootRecord {
                host_keys: vec![key("k", "a")[0].clone(); 17],
                ..record(NODE, "b")
            },
            "host_keys",
        ),
    ];
    let mut log = Log::new();
    for (record, field) in cases {
        assert_eq!(log.invalid(command(record)).0, field);
    }
    assert_eq!(log.invalid(RecordBoot { record: None }).0, "record");
}
