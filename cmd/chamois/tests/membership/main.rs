//! Members come, go and are replaced: real processes, from `chamois init` on.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "../common/mod.rs"]
mod common;
mod grown;
mod load;
mod lost_majority;
mod rolling_restart;
mod snapshots;

use std::time::Duration;

use grown::Grown;
use load::Load;

/// From one member to five and back to three, while somebody writes all the time: no write needs more than one repeat.
#[test]
fn a_cluster_grows_to_five_and_shrinks_to_three_without_a_failed_write() {
    let mut cluster = Grown::init();
    let load = Load::start(&cluster, 2);
    for slot in [2, 3] {
        assert_eq!(cluster.join(slot, &[]), slot);
    }
    cluster.until("three voters", |cluster| cluster.voters() == [1, 2, 3]);
    for slot in [4, 5] {
        assert_eq!(cluster.join(slot, &[]), slot);
    }
    cluster.until("five voters", |cluster| cluster.voters() == [1, 2, 3, 4, 5]);
    let safe = cluster.ask(&["cluster", "failover-safe", "--wait", "30"]);
    assert_eq!(safe.0, 0, "{safe:?}");
    // the first of them leads: it hands over before it goes
    assert_eq!(cluster.leader(), 1);
    for (id, slot) in [(1, 1), (5, 5)] {
        let removed = cluster.ask(&["member", "remove", &id.to_string()]);
        assert_eq!(removed.0, 0, "{removed:?}");
        let code = cluster
            .running
            .get_mut(&slot)
            .unwrap()
            .exit_code(Duration::from_secs(20));
        assert!(code.is_some(), "member {id} was told and ends");
        cluster.kill(slot);
    }
    assert_eq!(cluster.voters(), [2, 3, 4]);
    let so_far = load.count();
    assert!(so_far > 0);
    cluster.until("writes by the three that are left", |_| load.count() > so_far + 5);
    let written = load.stop();
    let there = cluster.groups();
    assert!(
        written.groups.iter().all(|group| there.contains(group)),
        "an acknowledged write is lost"
    );

    // what was removed does not come back as what it was
    cluster.start(5);
    let code = cluster
        .running
        .get_mut(&5)
        .unwrap()
        .exit_code(Duration::from_secs(20));
    assert_eq!(code, Some(1));
    assert!(
        cluster.running[&5].log().contains("chamois join"),
        "{}",
        cluster.running[&5].log()
    );
}

/// An id that was ever given is never given again, and a dead voter is replaced by one command.
#[test]
fn a_dead_voter_is_replaced_by_one_command() {
    let mut cluster = Grown::init();
    for slot in [2, 3] {
        cluster.join(slot, &[]);
    }
    cluster.until("three voters", |cluster| cluster.voters() == [1, 2, 3]);
    cluster.kill(3);
    let early = cluster.ask(&["member", "replace", "3", "--with", "4"]);
    assert_eq!(early.0, 3, "nobody has joined yet: {early:?}");
    assert_eq!(cluster.join(4, &[]), 4);
    cluster.until("the new one in place of the dead one", |cluster| {
        cluster.ask(&["member", "replace", "3", "--with", "4"]).0 == 0
    });
    assert_eq!(cluster.voters(), [1, 2, 4]);
    let again = cluster.ask(&["member", "replace", "3", "--with", "4"]);
    assert_eq!(again.0, 0, "a repeat is as good: {again:?}");
    assert_eq!(cluster.join(5, &["--learner"]), 5, "3 is not given again");
    let refused = cluster.ask(&["member", "promote", "5"]);
    assert_eq!(refused.0, 4, "{refused:?}");
    // the dead one's disk comes back
    cluster.start(3);
    cluster.ask(&["group", "create", "after"]);
    cluster.until("the write everywhere", |cluster| {
        cluster.groups().contains(&"after".to_owned())
    });
    assert_eq!(cluster.voters(), [1, 2, 4]);
}

/// The host that is taken out is the one that joins next: same folder, same token.
#[test]
fn a_host_that_left_joins_anew_from_the_same_folder() {
    let mut cluster = Grown::init();
    let (address, token) = cluster.token(&["--uses", "2"]);
    assert_eq!(cluster.join_with(2, &address, &token), 2);
    cluster.start(2);
    cluster.until("two members", |cluster| cluster.ids() == [1, 2]);
    let removed = cluster.ask(&["member", "remove", "2"]);
    assert_eq!(removed.0, 0, "{removed:?}");
    cluster.kill(2);
    std::fs::remove_dir_all(cluster.folder(2).join("identity")).unwrap();
    std::fs::remove_dir_all(cluster.data(2)).unwrap();
    assert_eq!(cluster.join_with(2, &address, &token), 3, "it is another member");

    // its configuration was left as it was, and the refusal says what to change in it
    cluster.start(2);
    let code = cluster
        .running
        .get_mut(&2)
        .unwrap()
        .exit_code(Duration::from_secs(20));
    let log = cluster.running[&2].log();
    assert!(code.is_some() && log.contains("set `member.id = 3`"), "{log}");
    cluster.edit_config(2, "id = 2", "id = 3");
    cluster.start(2);
    cluster.until("the new member to answer", |cluster| {
        cluster
            .member(3)
            .is_some_and(|member| !member["lastSeenMs"].is_null())
    });
    assert_eq!(cluster.ids(), [1, 3]);
}

/// Two of three: the third vote is a witness, which neither leads for long nor is counted as one that serves.
#[test]
fn a_witness_votes_and_hands_leadership_on() {
    let mut cluster = Grown::init();
    cluster.join(2, &[]);
    cluster.join(3, &["--witness"]);
    cluster.until("three voters", |cluster| cluster.voters() == [1, 2, 3]);
    let moved = cluster.ask(&["member", "transfer-leader", "3"]);
    assert_eq!(moved.0, 0, "{moved:?}");
    cluster.until("another leader than the witness", |cluster| {
        cluster
            .status()
            .is_some_and(|status| [1, 2].contains(&status["leaderId"].as_u64().unwrap()))
    });
    let safe = cluster.ask(&["cluster", "failover-safe", "--wait", "20"]);
    assert_eq!(safe.0, 0, "one of two that serve may go: {safe:?}");
}

/// Whoever is asked, the answer names the member that leads now.
#[test]
fn leadership_moves_by_one_and_the_answer_names_who_leads() {
    let mut cluster = Grown::init();
    for slot in [2, 3] {
        cluster.join(slot, &[]);
    }
    cluster.until("three voters", |cluster| cluster.voters() == [1, 2, 3]);
    let safe = cluster.ask(&["cluster", "failover-safe", "--wait", "30"]);
    assert_eq!(safe.0, 0, "{safe:?}");
    for through in ["a follower", "the leader"] {
        let leader = cluster.leader();
        let asked = match through {
            "the leader" => leader,
            _ => leader % 3 + 1,
        };
        let endpoint = format!("{}:7441", cluster.net.member_address(asked));
        let moved = cluster.ask_at(&endpoint, &["member", "transfer-leader", "-o", "json"]);
        assert_eq!(moved.0, 0, "{through}: {moved:?}");
        let answer: serde_json::Value = serde_json::from_str(&moved.1).unwrap();
        let now = cluster.leader();
        assert_ne!(now, leader, "{through}");
        assert_eq!(answer["leader_id"], now, "{through}");
    }
}

/// A host gets another port (or address): the others are told, then its own configuration, then it starts there.
#[test]
fn a_member_moves_to_another_port() {
    let mut cluster = Grown::init();
    for slot in [2, 3] {
        cluster.join(slot, &[]);
    }
    cluster.until("three voters", |cluster| cluster.voters() == [1, 2, 3]);
    let peer = format!("{}:7540", cluster.net.member_address(3));
    let moved = cluster.ask(&["member", "set-address", "3", "--peer", &peer]);
    assert_eq!(moved.0, 0, "{moved:?}");
    cluster.kill(3);
    cluster.edit_config(3, ":7440", ":7540");
    cluster.start(3);
    cluster.until("member 3 at its new port", |cluster| {
        cluster.ask(&["cluster", "failover-safe", "--wait", "5"]).0 == 0
    });
    assert_eq!(cluster.member(3).unwrap()["peerAddress"], peer.as_str());
    assert_eq!(cluster.voters(), [1, 2, 3]);
}

/// What would cost the majority is refused, and so is what makes no sense.
#[test]
fn changes_that_would_stop_the_cluster_are_refused() {
    let mut cluster = Grown::init();
    let only = cluster.ask(&["member", "remove", "1"]);
    assert!(only.0 == 4 && only.2.contains("the only voter"), "{only:?}");
    let unknown = cluster.ask(&["member", "remove", "9"]);
    assert_eq!(unknown.0, 3, "{unknown:?}");
    for slot in [2, 3] {
        cluster.join(slot, &[]);
    }
    cluster.until("three voters", |cluster| cluster.voters() == [1, 2, 3]);
    cluster.kill(3);
    cluster.until("member 3 to count as down", |cluster| {
        cluster
            .ask(&["member", "list"])
            .1
            .lines()
            .any(|line| line.starts_with("3 ") && line.contains(" down "))
    });
    let without = cluster.ask(&["member", "remove", "2"]);
    assert!(without.0 == 4 && without.2.contains("no majority"), "{without:?}");
    assert_eq!(cluster.voters(), [1, 2, 3]);
    let (code, _, error) = grown::run(&[
        "join",
        "127.0.0.1:1",
        "--token",
        "nonsense",
        "--address",
        "127.0.0.1",
    ]);
    assert!(code == 2 && error.contains("chamois member add"), "{error}");
}

/// A token is for the cluster that printed it, for as many members as it says.
#[test]
fn a_token_opens_one_cluster_and_so_often() {
    let (mut one, two) = (Grown::init(), Grown::init());
    let (at, token) = two.token(&[]);
    let (at, token) = (at.as_str(), token.as_str());
    let host = one.host_args(2);
    let host: Vec<&str> = host.iter().map(String::as_str).collect();
    let own = format!("{}:7441", one.net.member_address(1));
    let wrong = grown::run(&[&["join", &own, "--token", token][..], &host].concat());
    assert!(wrong.0 != 0 && wrong.2.contains("another CA"), "{wrong:?}");
    assert!(!one.folder(2).join("identity").exists());
    let first = grown::run(&[&["join", at, "--token", token][..], &host].concat());
    assert_eq!(first.0, 0, "{first:?}");
    let host = one.host_args(3);
    let host: Vec<&str> = host.iter().map(String::as_str).collect();
    let used_up = grown::run(&[&["join", at, "--token", token][..], &host].concat());
    assert!(
        used_up.0 == 2 && used_up.2.contains("chamois member add"),
        "{used_up:?}"
    );
    one.kill(1);
}
