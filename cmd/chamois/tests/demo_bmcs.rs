//! `chamois demo --bmcs`: hardware of which nothing is known is scanned, crawled, switched on, and boots, while members die.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use common::{chamois, outcome};

/// Scan, inventory, power-on, DHCP, boot: every step is the cluster's, and a node that nobody switches on does not boot.
#[test]
fn hardware_is_found_read_switched_on_and_boots() {
    let (code, out, err) = outcome(&chamois(&[
        "demo",
        "--bmcs",
        "--nodes",
        "8",
        "--members",
        "3",
        "--json",
    ]));
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(
        out.lines().count(),
        1,
        "people's text is on standard error: {out}"
    );
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let counts = ["booted", "failed", "lost_writes"].map(|key| value[key].as_u64());
    assert_eq!(counts, [Some(8), Some(0), Some(0)], "{out}\n{err}");
    assert_eq!(
        value.as_object().unwrap().len(),
        9,
        "the contract's keys and no other: {out}"
    );
    for step in [
        "for BMCs",
        "found 4 BMCs",
        "read 4 BMCs",
        "switching 8 nodes on",
        "killed member",
    ] {
        assert!(err.contains(step), "{step}: {err}");
    }
    assert!(
        !err.contains("seeding"),
        "the inventory comes from the hardware: {err}"
    );
}

/// The last BMC of an odd fleet has one node, and a single member has nobody to take its jobs over.
#[test]
fn a_single_member_switches_an_odd_fleet_on() {
    let (code, out, err) = outcome(&chamois(&[
        "demo",
        "--bmcs",
        "--nodes",
        "3",
        "--members",
        "1",
        "--json",
    ]));
    assert_eq!(code, 0, "{out}\n{err}");
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&value["booted"], &value["failed"]),
        (&3.into(), &0.into()),
        "{out}\n{err}"
    );
}

#[test]
fn more_nodes_than_there_is_room_for_are_refused_at_once() {
    let (code, _, err) = outcome(&chamois(&["demo", "--bmcs", "--nodes", "6001"]));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("--nodes 6000"), "{err}");
}
