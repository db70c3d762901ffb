//! Service addresses in real network namespaces: members and helpers are killed and stopped, the address moves.
//!
//! Needs root and `ip`; runs when CHAMOIS_E2E=1. Every process is this test binary again (see `roles`).

#![allow(clippy::unwrap_used)] // a test's helpers are tests

mod roles;
mod world;

use std::io::Write;
use std::net::SocketAddr;
use std::time::Instant;

use roles::{SERVICE, TALK_PORT, member_address};
use world::World;

/// True if privileged tests are asked for; otherwise says, past the capture of output, that this one did not run.
fn e2e(test: &str) -> bool {
    let asked = std::env::var("CHAMOIS_E2E").is_ok_and(|value| value == "1");
    if !asked {
        let notice = format!("\n*** NOT RUN: {test} (needs root; set CHAMOIS_E2E=1) ***\n");
        std::io::stderr().write_all(notice.as_bytes()).unwrap();
    }
    asked
}

/// The whole life of an address: taken, moved by a death, by a freeze, by the death of a helper.
/// Each takeover is announced three times and only by the new holder, and nobody ever takes it uncalled.
#[test]
fn the_address_moves_when_its_holder_dies_or_freezes() {
    if !e2e("the_address_moves_when_its_holder_dies_or_freezes") {
        return;
    }
    let mut world = World::new(3);
    let first = world.next_taker();
    world.wait_announced(first, 3);
    assert_eq!(world.ask_who_answers(), first);

    world.kill_member(first);
    let second = world.next_taker();
    world.wait_announced(second, 3);
    assert_eq!(world.ask_who_answers(), second);
    world.wait_address_absent(first);

    world.stop_member(second);
    let third = world.next_taker();
    world.wait_announced(third, 3);
    assert_eq!(world.ask_who_answers(), third);
    world.wait_address_absent(second); // though its process, and its kernel, are still there
    world.continue_member(second);
    world.wait_lost(second);

    world.kill_helper(third);
    world.wait_lost(third);
    let fourth = world.next_taker();
    assert_eq!(fourth, second, "the only one left with a helper");
    world.wait_announced(second, 6);
    world.wait_address_absent(third); // the kernel removed it: its lifetime was not renewed
    assert_eq!(world.ask_who_answers(), second);

    assert_eq!(world.takers(), vec![first, second, third, second]);
    let mut announcers = world.announcers();
    announcers.dedup(); // a holder repeats its announcements when another member comes back
    assert_eq!(announcers, vec![first, second, third, second]);
}

/// Both sides of a cut serve their nodes; after the heal there is one holder again, and a returning member
/// leaves the address where it is.
#[test]
fn a_cut_makes_two_holders_and_the_heal_one() {
    if !e2e("a_cut_makes_two_holders_and_the_heal_one") {
        return;
    }
    let mut world = World::new(2);
    let first = world.next_taker();
    world.wait_announced(first, 3);
    world.cut(first);
    let second = world.next_taker();
    assert_ne!(first, second);
    world.wait_announced(second, 3);
    assert_eq!(world.ask_who_answers(), second);
    world.heal(first);
    let loser = world.next_loser();
    let winner = if loser == first { second } else { first };
    world.wait_address_absent(loser);
    world.wait_announced(winner, 6); // the node may have learned the loser's MAC last
    assert_eq!(world.ask_who_answers(), winner);

    world.kill_member(loser);
    world.start_member(loser);
    world.wait_listening(loser);
    assert_eq!(world.ask_who_answers(), winner);
    assert_eq!(world.takers(), vec![first, second], "nobody took it again");
}

/// A holder whose host has vanished cannot reset its connections: its successor does. A client that waits in read()
/// without any time-out hears of it, one that talks to another address does not.
#[test]
fn the_successor_of_a_vanished_holder_frees_its_clients() {
    if !e2e("the_successor_of_a_vanished_holder_frees_its_clients") {
        return;
    }
    let mut world = World::new(2);
    let holder = world.next_taker();
    let other = 3 - holder;
    world.wait_announced(holder, 3);
    world.wait_listening(other);
    let at_service = SocketAddr::from((SERVICE, TALK_PORT));
    let at_member = SocketAddr::from((member_address(other), TALK_PORT));
    world.start_client("waiting", &format!("wait-in-read {at_service}"));
    world.start_client("talking", &format!("talk {at_member}"));
    world.wait_client("waiting", "waiting", 1);
    world.wait_client("talking", "answered", 1);

    let cut = Instant::now();
    world.link_down(holder);
    assert_eq!(world.next_taker(), other);
    let taken = cut.elapsed();
    world.wait_client("waiting", "reset", 1);
    println!(
        "the address was taken after {} ms, the client was free after {} ms",
        taken.as_millis(),
        cut.elapsed().as_millis()
    );
    let answered = world.count_client("talking", "answered");
    world.wait_client("talking", "answered", answered + 10); // both rounds of probes are over
}

/// A drain: the helper removes the address at its end, and only ever touches what it was started with.
#[test]
fn the_helper_keeps_to_its_list_and_cleans_up() {
    if !e2e("the_helper_keeps_to_its_list_and_cleans_up") {
        return;
    }
    let mut world = World::new(1);
    let holder = world.next_taker();
    let refusal = world.claim_from_helper(holder, "claim eth0 10.97.0.99");
    assert!(
        refusal.starts_with("refused eth0 10.97.0.99 is not one of the addresses"),
        "{refusal}"
    );
    let refusal = world.claim_from_helper(holder, "claim eth0 10.97.0.1");
    assert!(refusal.contains("claimed by another client"), "{refusal}");
    let refusal = world.claim_from_helper(holder, "claim lo 10.97.0.1");
    assert!(refusal.starts_with("refused"), "{refusal}");
    assert_eq!(world.addresses(holder), vec!["10.97.0.1/32", "10.97.1.1/16"]);
    world.end_helper(holder);
    assert_eq!(world.addresses(holder), vec!["10.97.1.1/16"]);
}
