//! When nodes are answered: not before this member's state is known to be fresh, unless told to.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use common::Single;

/// A member that starts alone may be behind what nodes have seen: it answers administrators with what it
/// may say, and nodes not at all.
#[test]
fn a_member_that_has_not_heard_from_a_leader_answers_no_node() {
    let single = Single::prepare_one_of(3);
    let mut member = single.spawn();
    member.until("the API answers", || {
        single.ask(&["cluster", "status"]).1.contains("no leader")
    });
    assert!(!single.answers_nodes());
    let (code, _, err) = single.ask(&["component", "list"]);
    assert_eq!(code, 6, "a linearizable read needs the majority: {err}");
    assert!(!single.answers_nodes(), "time alone makes no state fresh");
}

/// In a room without a majority the administrator may want old answers; the log says who asked for them.
#[test]
fn a_black_start_answers_nodes_and_says_so() {
    let single = Single::prepare_one_of(3);
    let text = std::fs::read_to_string(single.config()).unwrap();
    std::fs::write(
        single.config(),
        text.replace("[boot]\n", "[boot]\nserve-unverified = true\n"),
    )
    .unwrap();
    let member = single.start();
    assert!(member.log().contains("boot.serve-unverified"), "{}", member.log());
}
