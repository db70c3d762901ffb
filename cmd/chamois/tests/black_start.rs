//! A room that was dark for a month: clocks that are wrong both ways, no name service, one member that never comes back.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::path::Path;

use common::http::{Administrator, get};
use common::{Member, Single};

/// Where Debian's libfaketime is.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const XNAME: &str = "x1000c0s0b0n0";
const SCRIPT: &str = "/boot/v1/bootscript?mac=02:00:00:00:00:01";

/// One node that can boot.
fn seed(site: &Single) {
    let administrator = Administrator::new(&site.dir.path().join("identities"));
    let address = site.net.node_address(0).unwrap();
    let bodies = [
        (
            "/hsm/v2/State/Components",
            format!(r#"{{"Components":[{{"ID":"{XNAME}","State":"On","NID":1}}]}}"#),
        ),
        (
            "/hsm/v2/Inventory/EthernetInterfaces",
            format!(
                r#"{{"MACAddress":"02:00:00:00:00:01","ComponentID":"{XNAME}","IPAddresses":[{{"IPAddress":"{address}"}}]}}"#
            ),
        ),
        (
            "/boot/v1/bootparameters",
            format!(r#"{{"hosts":["{XNAME}"],"kernel":"http://x/k","initrd":"http://x/i"}}"#),
        ),
    ];
    for (path, body) in bodies {
        let answer = administrator.send(site.own(), "POST", path, &body);
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    }
}

/// By one clock everything is a month old: the administrator's token has ended long ago, the members' certificates, which
/// last ten years, have not. By the other they are not valid for half a century yet. Two of three elect a leader and boot
/// nodes, and nobody does anything.
#[test]
fn two_of_three_boot_nodes_in_the_dark_with_wrong_clocks() {
    if !Path::new(FAKETIME).exists() {
        eprintln!("skipped: {FAKETIME} is not there (Debian: libfaketime)");
        return;
    }
    let site = Single::prepare_one_of(3);
    let mut members: Vec<Member> = (1..=3).map(|id| site.spawn_member(id)).collect();
    members[0].until("nodes are answered", || site.answers_nodes());
    members[0].until("a leader", || site.ask(&["component", "list"]).0 == 0);
    seed(&site);
    members[0].until("the node's script", || get(site.http(), SCRIPT).status == 200);
    drop(members);
    assert!(!site.answers_nodes());

    let in_the_dark = |id, time| {
        let environment = [
            ("LD_PRELOAD", FAKETIME),
            ("FAKETIME", time),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        site.spawn_in(id, &[], &environment)
    };
    let mut late = in_the_dark(2, "+30d");
    let _early = in_the_dark(3, "@1970-01-02 00:00:00");
    late.until("nodes are answered", || site.answers_nodes());
    let script = get(site.http(), SCRIPT);
    assert!(
        script.status == 200 && script.body.starts_with("#!ipxe"),
        "{script:?}"
    );
    // only who has a majority may say that a node is unknown: there is one
    late.until("a definite no", || {
        get(
            site.http(),
            "/boot/v1/bootscript?mac=02:00:00:00:00:99&arch=x86_64",
        )
        .status
            == 404
    });
}
