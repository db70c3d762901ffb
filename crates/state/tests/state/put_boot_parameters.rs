//! Boot parameters with values of their own in one entry, and changes that respect what somebody else has done.

use model::Rejection;
use proto::bss::v1::BootParametersEntry;
use proto::bss::v1::bss_command::{Conditional, Delete, Put, Replace, Update, conditional};

use crate::boot_parameters::create;
use crate::support::Log;

const NODE: &str = "x0c0s0b0n0";
const OTHER: &str = "x0c0s1b0n0";

fn entry(key: &str, params: &str) -> BootParametersEntry {
    BootParametersEntry {
        key: key.into(),
        params: params.into(),
        kernel: "http://i/k".into(),
        ..Default::default()
    }
}

pub fn put(entries: Vec<BootParametersEntry>, if_revisions: Vec<u64>) -> Put {
    Put {
        entries,
        if_revisions,
    }
}

fn params(log: &Log, key: &str) -> String {
    log.state.bss.entry(key).unwrap().params.clone()
}

fn values(params: &str) -> Option<BootParametersEntry> {
    Some(BootParametersEntry {
        key: String::new(),
        ..entry("", params)
    })
}

fn replace(key: &str, params: &str) -> conditional::Change {
    conditional::Change::Replace(Replace {
        keys: vec![key.into()],
        values: values(params),
    })
}

pub fn at(if_revision: u64, change: conditional::Change) -> Conditional {
    Conditional {
        if_revision,
        change: Some(change),
    }
}

/// What has the values already keeps its token and its revision.
#[test]
fn the_same_entries_again_change_nothing() {
    let mut log = Log::latest();
    let entries = || {
        vec![
            entry("X0c0s00b0n0", "a"),
            entry("nid07", "b"),
            entry("Default", "c"),
        ]
    };
    let applied = log.ok(put(entries(), Vec::new()));
    assert_eq!(applied.created, ["Default", "nid7", NODE]);
    let before: Vec<_> = log.state.bss.entries().cloned().collect();
    assert!(before.iter().all(|entry| entry.referral_token == applied.value));
    let again = log.ok(put(entries(), Vec::new()));
    assert_eq!(again.unchanged, ["Default", "nid7", NODE]);
    assert!(log.state.bss.entries().eq(before.iter()));
    let changed = log.ok(put(vec![entry(NODE, "new"), entry("Default", "c")], Vec::new()));
    assert_eq!((changed.updated.len(), changed.unchanged.len()), (1, 1));
    let meta = log.state.bss.entry(NODE).unwrap().meta.clone().unwrap();
    assert_eq!(meta.modified, Some(log.last_change()));
    assert_ne!(meta.created, meta.modified);
}

/// Key, token and meta are ours to give.
#[test]
fn token_and_meta_are_not_taken_from_the_client() {
    let mut log = Log::latest();
    let forged = BootParametersEntry {
        referral_token: "mine".into(),
        meta: Some(Default::default()),
        ..entry(NODE, "a")
    };
    let applied = log.ok(put(vec![forged], Vec::new()));
    let stored = log.state.bss.entry(NODE).unwrap();
    assert_eq!(stored.referral_token, applied.value);
    assert_eq!(stored.meta, log.created());
}

#[test]
fn one_bad_entry_refuses_them_all() {
    let mut log = Log::latest();
    let long = "x".repeat(100_000);
    for bad in [
        entry("a b", "x"),
        entry("", "x"),
        entry(OTHER, "a\nreboot"),
        entry(OTHER, &long),
        entry("X0c0s00b0n0", "the same key in another spelling"),
    ] {
        log.invalid(put(vec![entry(NODE, "a"), bad], Vec::new()));
        assert_eq!(log.state.bss.entries().count(), 0);
    }
    let (field, _) = log.invalid(put(Vec::new(), Vec::new()));
    assert_eq!(field, "entries");
    let (field, _) = log.invalid(put(vec![entry(NODE, "a")], vec![0, 0]));
    assert_eq!(field, "if_revisions");
}

/// 0 is the revision of what does not exist.
#[test]
fn each_condition_is_that_of_its_own_entry() {
    let mut log = Log::latest();
    log.ok(put(vec![entry(NODE, "a")], vec![0]));
    let seen = log.last_change().revision;
    for (revisions, actual) in [(vec![0, 0], seen), (vec![seen, 7], 0)] {
        let refused = log.refused(put(vec![entry(NODE, "b"), entry(OTHER, "b")], revisions));
        assert!(
            matches!(refused, Rejection::RevisionMismatch { actual: at, .. } if at == actual),
            "{refused}"
        );
        assert_eq!(params(&log, NODE), "a");
    }
    log.ok(put(vec![entry(OTHER, "b"), entry(NODE, "b")], vec![0, seen]));
    assert_eq!(
        (params(&log, NODE), params(&log, OTHER)),
        ("b".into(), "b".into())
    );
}

/// The second of two writers that read the same revision loses, whatever it wants to do.
#[test]
fn a_stale_revision_refuses_every_change() {
    let mut log = Log::latest();
    log.ok(create(&[NODE], "a"));
    let seen = log.last_change().revision;
    log.ok(at(seen, replace(NODE, "b")));
    let now = log.last_change().revision;
    let update = || {
        conditional::Change::Update(Update {
            keys: vec![NODE.into()],
            values: values("c"),
        })
    };
    let delete = || {
        conditional::Change::Delete(Delete {
            keys: vec![NODE.into()],
            ..Default::default()
        })
    };
    for change in [replace(NODE, "c"), update(), delete()] {
        let refused = log.refused(at(seen, change));
        assert!(
            matches!(refused, Rejection::RevisionMismatch { expected, actual, .. } if (expected, actual) == (seen, now)),
            "{refused}"
        );
    }
    log.ok(at(now, update()));
    assert_eq!(params(&log, NODE), "c");
    let now = log.last_change().revision;
    assert_eq!(log.ok(at(now, delete())).deleted, [NODE]);
}

#[test]
fn a_condition_is_for_one_entry_and_needs_a_change() {
    let mut log = Log::latest();
    log.ok(create(&[NODE, OTHER], "a"));
    let seen = log.last_change().revision;
    let both = conditional::Change::Replace(Replace {
        keys: vec![NODE.into(), OTHER.into()],
        values: values("b"),
    });
    assert_eq!(log.invalid(at(seen, both)).0, "if_revision");
    let kernel = conditional::Change::Delete(Delete {
        keys: vec![NODE.into()],
        kernel: "http://i/k".into(),
        ..Default::default()
    });
    assert_eq!(log.invalid(at(seen, kernel)).0, "if_revision");
    let none = Conditional {
        if_revision: seen,
        change: None,
    };
    assert_eq!(log.invalid(none).0, "command");
}

/// A member of the version before would stop at it.
#[test]
fn the_new_commands_need_the_level_of_the_boot_path() {
    let mut log = Log::new();
    assert!(matches!(
        log.refused(put(vec![entry(NODE, "a")], Vec::new())),
        Rejection::FeatureLevel { .. }
    ));
    assert!(matches!(
        log.refused(at(1, replace(NODE, "a"))),
        Rejection::FeatureLevel { .. }
    ));
}
