//! Boot parameters: create, replace, update, delete.

use model::Rejection;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::bss::v1::bss_command::{Create, Delete, Replace, Update};
use proto::bss::v1::{BootParametersEntry, CloudInit};

use crate::support::Log;

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|&key| key.into()).collect()
}

fn values(params: &str, kernel: &str, initrd: &str) -> Option<BootParametersEntry> {
    let (params, kernel, initrd) = (params.into(), kernel.into(), initrd.into());
    Some(BootParametersEntry {
        params,
        kernel,
        initrd,
        ..Default::default()
    })
}

pub fn create(given: &[&str], params: &str) -> Create {
    Create {
        keys: keys(given),
        values: values(params, "http://i/k", "http://i/i"),
    }
}

fn entry(log: &Log, key: &str) -> BootParametersEntry {
    log.state
        .bss
        .entry(key)
        .unwrap_or_else(|| panic!("no entry {key}"))
        .as_ref()
        .clone()
}

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.into())),
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    Struct {
        fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

fn with_meta_data(meta_data: Struct) -> Option<BootParametersEntry> {
    let cloud_init = Some(CloudInit {
        meta_data: Some(meta_data),
        ..Default::default()
    });
    Some(BootParametersEntry {
        cloud_init,
        ..Default::default()
    })
}

#[test]
fn all_keys_of_a_request_get_the_same_values_and_token() {
    let mut log = Log::new();
    let applied = log.ok(create(
        &["X0c0s00b0n0", "02-00-00-00-00-A1", "nid007", "Compute", "Default"],
        "quiet",
    ));
    let expected = ["x0c0s0b0n0", "02:00:00:00:00:a1", "nid7", "Compute", "Default"];
    assert_eq!(applied.created, expected);
    for key in expected {
        let expected = BootParametersEntry {
            key: key.into(),
            referral_token: applied.value.clone(),
            meta: log.created(),
            ..values("quiet", "http://i/k", "http://i/i").unwrap()
        };
        assert_eq!(entry(&log, key), expected);
    }
    let token = &applied.value;
    assert_eq!(
        (token.len(), token.as_bytes()[14], token.matches('-').count()),
        (36, b'4', 4),
        "a UUID: {token}"
    );
    let listed: Vec<_> = log.state.bss.entries().map(|entry| entry.key.as_str()).collect();
    assert_eq!(
        listed,
        ["02:00:00:00:00:a1", "Compute", "Default", "nid7", "x0c0s0b0n0"]
    );
}

/// Key, token and meta are ours to give.
#[test]
fn what_a_client_may_not_choose_is_not_taken_from_it() {
    let mut log = Log::new();
    let forged = BootParametersEntry {
        key: "x9".into(),
        referral_token: "mine".into(),
        ..Default::default()
    };
    log.ok(Create {
        keys: keys(&["Default"]),
        values: Some(forged),
    });
    let stored = entry(&log, "Default");
    assert_ne!(stored.referral_token, "mine");
    assert_eq!(log.state.bss.entry("x9"), None);
}

#[test]
fn one_key_that_exists_refuses_them_all() {
    let mut log = Log::new();
    log.ok(create(&["x0c0s0b0n0"], "a"));
    let rejection = log.refused(create(&["x0c0s1b0n0", "X0c0s0b0n0"], "b"));
    assert!(
        matches!(&rejection, Rejection::AlreadyExists { id, .. } if id == "x0c0s0b0n0"),
        "{rejection}"
    );
    assert!(
        rejection.to_string().contains("PUT"),
        "it says what to do instead: {rejection}"
    );
    assert_eq!(log.state.bss.entries().count(), 1);
    assert_eq!(
        log.ok(create(&["x0c0s1b0n0", "x0c0s1b0n0"], "b")).created,
        ["x0c0s1b0n0"],
        "named twice: once"
    );
}

#[test]
fn replace_leaves_nothing_of_the_old_values() {
    let mut log = Log::new();
    let first = log.ok(create(&["Default"], "quiet"));
    let created = log.created().unwrap().created;
    let applied = log.ok(Replace {
        keys: keys(&["Default", "Compute"]),
        values: values("", "http://i/k2", ""),
    });
    assert_eq!(
        (applied.created, applied.updated),
        (keys(&["Compute"]), keys(&["Default"]))
    );
    assert_ne!(applied.value, first.value, "a new token");
    let expected = BootParametersEntry {
        key: "Default".into(),
        referral_token: applied.value,
        meta: Some(proto::http::v1::ObjectMeta {
            created,
            modified: Some(log.last_change()),
        }),
        ..values("", "http://i/k2", "").unwrap()
    };
    assert_eq!(entry(&log, "Default"), expected);
}

#[test]
fn update_overwrites_what_is_given_and_keeps_the_token() {
    let mut log = Log::new();
    let token = log.ok(create(&["Default"], "quiet")).value;
    let applied = log.ok(Update {
        keys: keys(&["Default"]),
        values: values("debug", "", ""),
    });
    assert_eq!(
        (applied.updated, applied.value),
        (keys(&["Default"]), String::new())
    );
    let stored = entry(&log, "Default");
    assert_eq!(
        (stored.params.as_str(), stored.kernel.as_str()),
        ("debug", "http://i/k")
    );
    assert_eq!(stored.referral_token, token);
    let rejection = log.refused(Update {
        keys: keys(&["Default", "Compute"]),
        values: values("c", "", ""),
    });
    assert_eq!(
        rejection,
        Rejection::NotFound {
            kind: "boot parameters".into(),
            id: "Compute".into()
        }
    );
    assert_eq!(entry(&log, "Default").params, "debug", "all or nothing");
}

#[test]
fn update_merges_cloud_init_data() {
    let mut log = Log::new();
    let before = object([
        ("kept", text("1")),
        ("changed", text("2")),
        ("removed", text("3")),
    ]);
    log.ok(Create {
        keys: keys(&["Default"]),
        values: with_meta_data(before),
    });
    let null = Value {
        kind: Some(Kind::NullValue(0)),
    };
    let patch = object([("changed", text("4")), ("removed", null), ("added", text("5"))]);
    log.ok(Update {
        keys: keys(&["Default"]),
        values: with_meta_data(patch),
    });
    let expected = object([("added", text("5")), ("changed", text("4")), ("kept", text("1"))]);
    assert_eq!(
        entry(&log, "Default").cloud_init.unwrap().meta_data,
        Some(expected)
    );
}

#[test]
fn delete_removes_keys_all_or_nothing() {
    let mut log = Log::new();
    log.ok(create(&["x0c0s0b0n0", "nid7"], "a"));
    let delete = |given: &[&str]| Delete {
        keys: keys(given),
        ..Default::default()
    };
    let rejection = log.refused(delete(&["nid7", "nid8"]));
    assert_eq!(
        rejection,
        Rejection::NotFound {
            kind: "boot parameters".into(),
            id: "nid8".into()
        }
    );
    assert_eq!(log.ok(delete(&["nid07", "nid7"])).deleted, ["nid7"]);
    assert_eq!(log.invalid(delete(&[])).0, "keys");
    assert_eq!(log.state.bss.entries().count(), 1);
}

/// BSS: deleting a kernel clears it from every host.
#[test]
fn deleting_a_kernel_clears_it_from_every_entry() {
    let mut log = Log::new();
    log.ok(create(&["a", "b", "gone"], "p"));
    log.ok(Create {
        keys: keys(&["other"]),
        values: values("p", "http://i/other", "http://i/i"),
    });
    let delete = Delete {
        keys: keys(&["gone"]),
        kernel: "http://i/k".into(),
        ..Default::default()
    };
    let applied = log.ok(delete.clone());
    assert_eq!(
        (applied.deleted, applied.updated),
        (keys(&["gone"]), keys(&["a", "b"]))
    );
    assert_eq!(
        (entry(&log, "a").kernel.as_str(), entry(&log, "a").initrd.as_str()),
        ("", "http://i/i")
    );
    assert_eq!(entry(&log, "other").kernel, "http://i/other");
    let missing = log.refused(Delete {
        keys: vec![],
        ..delete
    });
    assert_eq!(
        missing,
        Rejection::NotFound {
            kind: "kernel".into(),
            id: "http://i/k".into()
        }
    );
    let applied = log.ok(Delete {
        initrd: "http://i/i".into(),
        ..Default::default()
    });
    assert_eq!(applied.updated, ["a", "b", "other"]);
    let missing = log.refused(Delete {
        initrd: "http://i/i".into(),
        ..Default::default()
    });
    assert_eq!(
        missing,
        Rejection::NotFound {
            kind: "initrd".into(),
            id: "http://i/i".into()
        }
    );
}

/// A newline in them would be a line of the boot script: whoever writes parameters could run any iPXE command.
#[test]
fn control_characters_and_sizes_are_refused_by_field() {
    let cases = [
        (values("quiet\nreboot", "", ""), "params"),
        (values("a\rb", "", ""), "params"),
        (values("", "http://i/k\nshell", ""), "kernel"),
        (values("", "", "http://i/i\u{0}"), "initrd"),
        (values(&"x".repeat(16_385), "", ""), "params"),
        (values("", &"x".repeat(2049), ""), "kernel"),
        (
            with_meta_data(object([("a", text(&"x".repeat(256 * 1024)))])),
            "cloud-init",
        ),
        (
            with_meta_data((0..25).fold(Struct::default(), |inner, _| {
                object([(
                    "a",
                    Value {
                        kind: Some(Kind::StructValue(inner)),
                    },
                )])
            })),
            "cloud-init",
        ),
        (None, "values"),
    ];
    let mut log = Log::new();
    log.ok(create(&["here"], "p"));
    for (values, field) in cases {
        assert_eq!(
            log.invalid(Create {
                keys: keys(&["new"]),
                values: values.clone()
            })
            .0,
            field
        );
        assert_eq!(
            log.invalid(Replace {
                keys: keys(&["new"]),
                values: values.clone()
            })
            .0,
            field
        );
        assert_eq!(
            log.invalid(Update {
                keys: keys(&["here"]),
                values
            })
            .0,
            field
        );
    }
    assert_eq!(log.invalid(create(&["a b"], "p")).0, "key");
    assert_eq!(log.invalid(create(&[], "p")).0, "keys");
}

/// Many small updates must not grow an entry beyond its bound either.
#[test]
fn merged_cloud_init_data_is_bounded_too() {
    let mut log = Log::new();
    let part = |name: &str| with_meta_data(object([(name, text(&"x".repeat(150 * 1024)))]));
    log.ok(Create {
        keys: keys(&["Default"]),
        values: part("a"),
    });
    assert_eq!(
        log.invalid(Update {
            keys: keys(&["Default"]),
            values: part("b")
        })
        .0,
        "cloud-init"
    );
}

/// A request of 1.3 MB that would store 2 GB.
#[test]
fn a_small_request_does_not_become_a_large_state() {
    let mut log = Log::new();
    let many: Vec<String> = (0..10_000).map(|nid| format!("nid{nid}")).collect();
    let values = with_meta_data(object([("a", text(&"x".repeat(200 * 1024)))]));
    let (field, problem) = log.invalid(Replace { keys: many, values });
    assert_eq!(field, "keys");
    assert!(
        problem.contains("Default"),
        "it says what to do instead: {problem}"
    );
}

#[test]
fn ten_thousand_hosts_are_one_change() {
    let mut log = Log::new();
    let many: Vec<String> = (0..10_000)
        .map(|n| format!("x{}c0s{}b0n0", n / 100, n % 100))
        .collect();
    let applied = log.ok(Replace {
        keys: many,
        values: values("console=ttyS0", "http://i/k", "http://i/i"),
    });
    assert_eq!(applied.created.len(), 10_000);
    assert_eq!(entry(&log, "x99c0s99b0n0").params, "console=ttyS0");
}
