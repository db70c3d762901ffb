//! `chamois demo --real`: a real guest boots while the member it uses is killed. Needs root; with CHAMOIS_E2E=1.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use common::{chamois, outcome};

#[test]
fn a_real_guest_boots_while_its_member_is_killed() {
    if std::env::var_os("CHAMOIS_E2E").is_none() {
        eprintln!("NOT RUN: needs root and QEMU; set CHAMOIS_E2E=1");
        return;
    }
    let (code, out, err) = outcome(&chamois(&["demo", "--real"]));
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(out.matches("chamois: killed member").count(), 2, "{out}");
    assert_eq!(out.matches("has taken 10.97.0.1 over").count(), 2, "{out}");
    for of_the_guest in ["/files/vmlinuz", "GUEST phoned home", "GUEST done"] {
        assert!(out.contains(of_the_guest), "{of_the_guest}: {out}");
    }
    assert!(out.contains("PASS"), "{out}");
}
