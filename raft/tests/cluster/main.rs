//! What a cluster of three promises, over real sockets, mTLS and disks.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod addresses;
mod alone;
mod bad_snapshot;
mod leader_gone;
mod lost_disk;
mod membership;
mod testbed;
mod watch;
mod wrong_clock;

use raft::{Profile, Snapshots};
use testbed::{Testbed, create, has};

/// A client may talk to any member: a follower forwards, and every member shows the change after a read index.
#[test]
fn a_write_through_a_follower_is_seen_by_all() {
    let bed = Testbed::start();
    let revision = bed.create(bed.follower(), "x0c0s0b0n0");
    for id in 1..=3 {
        bed.block_on(id, bed.store(id).linearize()).unwrap();
        assert!(has(&bed.store(id), "x0c0s0b0n0"), "member {id}");
        assert!(bed.store(id).state().applied_index() >= revision);
    }
    bed.same_everywhere();
    assert!(!bed.store(1).state().cluster_id().is_empty());
}

/// A follower learns what is committed only with the next message; without the read index a read right after
/// an acknowledged write would miss it.
#[test]
fn a_linearizable_read_on_a_follower_sees_every_acknowledged_write() {
    let bed = Testbed::start();
    let (leader, follower) = (bed.leader(), bed.follower());
    for n in 0..200 {
        let xname = format!("x1c0s{n}b0n0");
        bed.create(leader, &xname);
        bed.block_on(follower, bed.store(follower).linearize()).unwrap();
        assert!(
            has(&bed.store(follower), &xname),
            "read {n} missed an acknowledged write"
        );
    }
}

/// By its lease a leader asks nobody, and still a read after a write sees it, on every member, also across a change of
/// leaders.
#[test]
fn reads_by_lease_see_every_acknowledged_write() {
    let mut bed = Testbed::with_lease_reads(Profile::Lan);
    for n in 0..30 {
        let (leader, follower) = (bed.leader(), bed.follower());
        let xname = format!("x4c0s{n}b0n0");
        bed.create(follower, &xname);
        for id in [leader, follower] {
            bed.block_on(id, bed.store(id).linearize()).unwrap();
            assert!(has(&bed.store(id), &xname), "member {id} missed write {n}");
        }
        if n == 15 {
            bed.kill(leader);
            bed.launch(leader);
        }
    }
}

/// After an upgrade nobody has to remember anything: when every member has said that it knows the next level, it rises.
#[test]
fn the_feature_level_rises_when_every_member_knows_the_next() {
    let mut bed = Testbed::with_feature_level(1);
    let down = bed.follower();
    bed.wait("level 2", |bed| {
        (bed.store(1).state().feature_level() == 2).then_some(())
    });
    bed.same_everywhere();
    bed.kill(down);
    bed.launch(down);
    bed.wait("the level at the one that was down", |bed| {
        (bed.store(down).state().feature_level() == 2).then_some(())
    });
}

/// Every member stops at once; what was acknowledged is there when they come back, and the same everywhere.
#[test]
fn a_restart_of_all_members_loses_nothing() {
    let mut bed = Testbed::start();
    for n in 0..50 {
        bed.create(1 + n % 3, &format!("x2c0s{n}b0n0"));
    }
    bed.same_everywhere();
    // all rows but the header: a new leader's first entry moves the index
    let content = |bed: &Testbed| bed.store(1).state().rows().skip(1).collect::<Vec<_>>();
    let before = content(&bed);
    (1..=3).for_each(|id| bed.kill(id));
    (1..=3).for_each(|id| bed.launch(id));
    bed.leader();
    for n in 0..50 {
        let xname = format!("x2c0s{n}b0n0");
        bed.wait("the write after the restart", |bed| {
            has(&bed.store(1), &xname).then_some(())
        });
    }
    bed.same_everywhere();
    assert_eq!(content(&bed), before);
}

/// The survivors go on without the leader, and it catches up when it returns.
#[test]
fn the_cluster_survives_its_leader() {
    let mut bed = Testbed::start();
    let first = bed.leader();
    bed.create(first, "x3c0s0b0n0");
    bed.kill(first);
    let survivor = 1 + first % 3;
    bed.create(survivor, "x3c0s1b0n0");
    bed.launch(first);
    bed.wait("the returned member to catch up", |bed| {
        has(&bed.store(first), "x3c0s1b0n0").then_some(())
    });
    bed.wait("its ports to open", |bed| {
        bed.store(first).is_verified().then_some(())
    });
    bed.same_everywhere();
}

/// One member of three left: it answers from what it has and refuses what it cannot know.
#[test]
fn without_a_majority_nothing_is_acknowledged_and_reads_stay() {
    let mut bed = Testbed::start();
    bed.create(1, "x4c0s0b0n0");
    bed.same_everywhere();
    let left = bed.leader();
    (1..=3).filter(|id| *id != left).for_each(|id| bed.kill(id));
    let store = bed.store(left);
    bed.wait("the loss to be noticed", |bed| {
        (!bed.store(left).has_leader()).then_some(())
    });
    let refused = bed
        .block_on(left, store.propose("user/test", create("x4c0s1b0n0"), None))
        .unwrap_err();
    assert!(matches!(refused, rpc::Error::NoQuorum { .. }), "{refused}");
    assert!(matches!(
        bed.block_on(left, store.linearize()),
        Err(rpc::Error::NoQuorum { .. })
    ));
    assert!(has(&store, "x4c0s0b0n0"));
    assert!(!has(&store, "x4c0s1b0n0"));
    // One member back is a majority again, and it is noticed without a request.
    bed.launch(1 + left % 3);
    bed.wait("the majority to be back", |bed| {
        bed.store(left).has_leader().then_some(())
    });
    bed.create(left, "x4c0s2b0n0");
}

/// A client that saw no answer asks another member with the same session: the change is made once.
#[test]
fn a_retry_through_another_member_applies_once() {
    let bed = Testbed::start();
    let session = proto::raft::v1::ClientSession {
        client_id: vec![7; 16],
        seq: 1,
        ack_below: 1,
        opened_at_ms: bed.store(1).state().time_ms(),
    };
    let propose = |id: u64| {
        let store = bed.store(id);
        bed.block_on(
            id,
            store.propose("user/test", create("x5c0s0b0n0"), Some(session.clone())),
        )
        .unwrap()
    };
    let (first, second) = (propose(1), propose(2));
    assert_eq!(first, second, "the stored outcome is given again");
    assert_eq!(first.applied.created, ["x5c0s0b0n0"]);
}

/// A member away for longer than the log reaches gets a snapshot, and then holds the same state.
#[test]
fn a_member_far_behind_is_caught_up_by_a_snapshot() {
    let mut bed = Testbed::with_snapshots(Snapshots {
        entries: 100,
        entries_kept: 10,
        log_bytes: 1 << 30,
    });
    let behind = bed.follower();
    let reached = bed.store(behind).status().last_log_index;
    bed.kill(behind);
    let writer = bed.leader();
    for n in 0..400 {
        bed.create(writer, &format!("x6c0s{n}b0n0"));
    }
    bed.wait("the log to be purged", |bed| {
        let running = (1..=3).filter(|id| *id != behind);
        running
            .map(|id| bed.store(id).status().purged_index)
            .all(|purged| purged > reached)
            .then_some(())
    });
    bed.launch(behind);
    bed.wait("the snapshot to arrive", |bed| {
        has(&bed.store(behind), "x6c0s399b0n0").then_some(())
    });
    assert!(
        bed.store(behind).snapshots_installed() > 0,
        "the log was replayed instead"
    );
    bed.same_everywhere();
    // What came by snapshot must survive a restart like everything else.
    bed.kill(behind);
    bed.launch(behind);
    bed.wait("the state after a restart", |bed| {
        has(&bed.store(behind), "x6c0s399b0n0").then_some(())
    });
    bed.same_everywhere();
}

/// A message must be for this member, of this cluster, and from the member whose certificate opened the connection.
#[test]
fn a_message_under_a_false_name_is_refused() {
    use proto::raft::v1::{PeerHeader, ReadIndexRequest};
    let bed = Testbed::start();
    let leader = bed.leader();
    let from = bed.follower();
    let ask = |header: Option<PeerHeader>| {
        let mut client = bed.peer_client(from, leader);
        bed.block_on(from, client.read_index(ReadIndexRequest { header }))
            .map_err(|status| status.code())
    };
    let header = PeerHeader {
        from,
        to: leader,
        cluster_name: "test".to_owned(),
        ..PeerHeader::default()
    };
    assert!(ask(Some(header.clone())).is_ok());
    let other = 6 - from - leader;
    let ask = |header| ask(header).map(|_| ());
    assert_eq!(
        ask(Some(PeerHeader {
            from: other,
            ..header.clone()
        })),
        Err(tonic::Code::PermissionDenied)
    );
    assert_eq!(
        ask(Some(PeerHeader {
            to: other,
            ..header.clone()
        })),
        Err(tonic::Code::FailedPrecondition)
    );
    let elsewhere = PeerHeader {
        cluster_name: "prod".to_owned(),
        ..header
    };
    assert_eq!(ask(Some(elsewhere)), Err(tonic::Code::FailedPrecondition));
    assert_eq!(ask(None), Err(tonic::Code::InvalidArgument));
}
