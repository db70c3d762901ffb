//! Verbs of components, interfaces and Redfish endpoints, and `--dry-run` of verbs that write, against a real member.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use common::{Member, Single};
use serde_json::Value;

fn cluster() -> (Single, Member) {
    let single = Single::prepare();
    let mut member = single.start();
    member.until("the member leads at the newest level", || {
        single.ask(&["component", "list"]).0 == 0
    });
    (single, member)
}

fn done(single: &Single, args: &[&str]) -> String {
    let (code, out, err) = single.ask(args);
    assert_eq!(code, 0, "{args:?}: {out}{err}");
    out
}

fn shown(single: &Single, args: &[&str]) -> Value {
    serde_json::from_str(&done(single, &[args, &["-o", "json"]].concat())).unwrap()
}

#[test]
fn components_are_added_set_shown_and_deleted_by_nodesets() {
    let (single, _member) = cluster();
    let out = done(
        &single,
        &[
            "component",
            "add",
            "x1000c0s[0-2]b0n0",
            "--role",
            "Compute",
            "--nid",
            "7",
            "--state",
            "On",
        ],
    );
    assert!(out.contains("added x1000c0s[0-2]b0n0"), "{out}");
    let (code, _, err) = single.ask(&["component", "add", "x1000c0s[2-3]b0n0"]);
    assert_eq!(code, 4, "one exists, so none is added: {err}");

    let set = [
        "component",
        "set",
        "x1000c0s[0-1]b0n0",
        "--role",
        "Service",
        "--enabled",
        "false",
        "--arch",
        "X86",
    ];
    let out = done(&single, &set);
    assert!(out.contains("role of x1000c0s[0-1]b0n0 set"), "{out}");
    let one = shown(&single, &["component", "show", "x1000c0s1b0n0"]);
    assert_eq!(
        (&one["Role"], &one["Enabled"], &one["NID"]),
        (&"Service".into(), &false.into(), &8.into())
    );
    assert_eq!(one["Arch"], "ARCH_X86");

    let out = done(&single, &["component", "delete", "x1000c0s[0-1]b0n0"]);
    assert!(out.contains("deleted x1000c0s[0-1]b0n0"), "{out}");
    let (code, _, err) = single.ask(&["component", "delete", "x1000c0s[1-2]b0n0"]);
    assert!(code == 7 || code == 3, "one is not there: {code}: {err}");
    assert!(err.contains("x1000c0s1b0n0"), "{err}");
}

/// A transition that SMD does not allow is refused for that one alone.
#[test]
fn a_state_that_does_not_follow_is_refused_and_the_others_are_set() {
    let (single, _member) = cluster();
    done(&single, &["component", "add", "x0c0s0b0n0", "--state", "On"]);
    done(&single, &["component", "add", "x0c0s1b0n0", "--state", "Empty"]);
    let (code, out, err) = single.ask(&["component", "set", "x0c0s[0-1]b0n0", "--state", "Ready"]);
    assert_eq!(code, 7, "{out}{err}");
    assert!(
        out.contains("state of x0c0s0b0n0 set") && err.contains("x0c0s1b0n0"),
        "{out}{err}"
    );
    done(
        &single,
        &["component", "set", "x0c0s1b0n0", "--state", "Ready", "--force"],
    );
}

#[test]
fn interfaces_have_all_their_verbs() {
    let (single, _member) = cluster();
    done(
        &single,
        &[
            "iface",
            "add",
            "02:00:00:00:00:A1",
            "--of",
            "x0c0s0b0n0",
            "--ip",
            "10.97.0.1@NMN",
        ],
    );
    let out = done(&single, &["iface", "list", "--network", "NMN"]);
    assert!(
        out.contains("02:00:00:00:00:a1") && out.contains("10.97.0.1@NMN"),
        "{out}"
    );
    done(
        &single,
        &[
            "iface",
            "set",
            "0200000000a1",
            "--no-ip",
            "--description",
            "moved",
            "--of",
            "x0c0s1b0n0",
        ],
    );
    let one = shown(&single, &["iface", "show", "02-00-00-00-00-a1"]);
    assert_eq!(
        (&one["Description"], &one["ComponentID"]),
        (&"moved".into(), &"x0c0s1b0n0".into())
    );
    assert_eq!(one["IPAddresses"].as_array().unwrap().len(), 0);
    done(&single, &["iface", "delete", "02:00:00:00:00:a1"]);
    assert_eq!(single.ask(&["iface", "show", "02:00:00:00:00:a1"]).0, 3);
}

#[test]
fn redfish_endpoints_have_all_their_verbs() {
    let (single, _member) = cluster();
    done(
        &single,
        &["rfe", "add", "x0c0s0b0", "--fqdn", "bmc1.site", "--user", "root"],
    );
    done(&single, &["rfe", "set", "x0c0s0b0", "--enabled", "false"]);
    let out = done(&single, &["rfe", "list"]);
    assert!(out.contains("x0c0s0b0") && out.contains("false"), "{out}");
    let one = shown(&single, &["rfe", "show", "x0c0s0b0"]);
    assert_eq!(
        (&one["FQDN"], &one["Enabled"]),
        (&"bmc1.site".into(), &false.into())
    );
    done(&single, &["rfe", "delete", "x0c0s0b0"]);
    assert_eq!(single.ask(&["rfe", "show", "x0c0s0b0"]).0, 3);
}

/// What it says is what the write would do, and nothing is written.
#[test]
fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let (single, _member) = cluster();
    let objects = || {
        [
            done(&single, &["component", "list", "-o", "jsonl"]),
            done(&single, &["group", "list", "-o", "jsonl"]),
        ]
    };
    let before = objects();
    let out = done(&single, &["component", "add", "x0c0s0b0n0", "--dry-run"]);
    assert!(
        out.contains("would be created: component x0c0s0b0n0") && out.contains("nothing was changed"),
        "{out}"
    );
    let told = shown(
        &single,
        &["group", "create", "blue", "--description", "d", "--dry-run"],
    );
    assert_eq!(
        (&told["validate_only"], &told["changes"][0]["id"]),
        (&true.into(), &"blue".into())
    );
    let (code, _, err) = single.ask(&["group", "delete", "blue", "--dry-run"]);
    assert_eq!(code, 3, "it is not there, and a dry run says so: {err}");
    assert_eq!(objects(), before);

    done(&single, &["component", "add", "x0c0s0b0n0", "--nid", "7"]);
    let set = [
        "component",
        "set",
        "x0c0s0b0n0",
        "--role",
        "Service",
        "--nid",
        "8",
        "--dry-run",
    ];
    let out = done(&single, &set);
    assert!(
        out.contains("Role: ") && out.contains("NID: "),
        "every property is tried: {out}"
    );
    let one = shown(&single, &["component", "show", "x0c0s0b0n0"]);
    assert_eq!(one["NID"], 7);
}

/// Whoever mistypes a name at night is told the one that there is.
#[test]
fn a_name_that_does_not_exist_is_answered_with_the_nearest() {
    let (single, _member) = cluster();
    done(&single, &["component", "add", "x1000c0s[0-2]b0n0"]);
    done(&single, &["group", "create", "compute"]);
    for (args, meant) in [
        (
            &["component", "show", "x1000c0s11b0n0"][..],
            "Is it x1000c0s1b0n0?",
        ),
        (&["group", "show", "comptue"], "Is it compute?"),
        (&["group", "add", "copmute", "x1000c0s0b0n0"], "Is it compute?"),
        (
            &["policy", "role", "delete", "amdin", "--dry-run"],
            "Is it admin?",
        ),
    ] {
        let (code, out, err) = single.ask(args);
        assert_eq!(code, 3, "{args:?}: {out}{err}");
        assert!(err.contains(meant), "{args:?}: {err}");
    }
    let (code, _, err) = single.ask(&["group", "show", "storage"]);
    assert!(code == 3 && !err.contains("Is it"), "nothing is near: {err}");
}
