//! Watches across members: a revision means the same on each of them.

use std::collections::BTreeSet;
use std::time::Duration;

use raft::{Snapshots, Watch};
use rpc::Error;

use crate::testbed::{Testbed, has};

/// Bound of a wait for what is on its way.
const AT_MOST: Duration = Duration::from_secs(20);

/// Revision and id of every component that `watch` tells of, up to revision `upto`.
async fn told(watch: &mut Watch, upto: u64) -> Vec<(u64, String)> {
    let mut told = Vec::new();
    while watch.revision() < upto {
        let revisions = tokio::time::timeout(AT_MOST, watch.next())
            .await
            .unwrap()
            .unwrap();
        for revision in revisions {
            let ids = revision
                .events
                .iter()
                .filter_map(|event| Some(event.after()?.id()));
            told.extend(ids.map(|id| (revision.index, id)));
        }
    }
    told
}

/// The member that a watch was at is gone; another one tells the rest, nothing twice and nothing left out.
#[test]
fn a_watch_goes_on_at_another_member_where_it_was() {
    let mut bed = Testbed::start();
    let mut made = Vec::new();
    let mut make = |bed: &Testbed, through: u64, n: u64| {
        let xname = format!("x7c0s{n}b0n0");
        made.push((bed.create(through, &xname), xname));
        made[made.len() - 1].0
    };
    let (first, mut seen) = (bed.leader(), Vec::new());
    let store = bed.store(first);
    let begin = bed.block_on(first, async { store.watch().1.revision() });
    let half = (0..30).map(|n| make(&bed, 1 + n % 3, n)).max().unwrap();
    seen.extend(bed.block_on(first, async {
        let mut watch = store.watch_after(begin, AT_MOST).await.unwrap();
        let seen = told(&mut watch, half - 10).await;
        assert!(watch.revision() >= half - 10);
        seen
    }));
    let revision = seen.last().map_or(begin, |(revision, _)| *revision);
    drop(store);
    bed.kill(first);
    let second = 1 + first % 3;
    let last = (30..60).map(|n| make(&bed, second, n)).max().unwrap();
    for id in (1..=3).filter(|id| *id != first) {
        let store = bed.store(id);
        let rest = bed.block_on(id, async {
            let mut watch = store.watch_after(revision, AT_MOST).await.unwrap();
            told(&mut watch, last).await
        });
        let all: Vec<_> = seen.iter().cloned().chain(rest).collect();
        assert_eq!(all, made, "member {id}");
    }
    // The one that comes back replays what it missed, and serves whoever was up to date when it went.
    bed.launch(first);
    bed.wait("the returned member to catch up", |bed| {
        has(&bed.store(first), "x7c0s59b0n0").then_some(())
    });
    let store = bed.store(first);
    let ahead = bed.create(second, "x7c0s60b0n0");
    let rest = bed.block_on(first, async {
        let mut watch = store.watch_after(last, AT_MOST).await.unwrap();
        told(&mut watch, ahead).await
    });
    assert_eq!(rest, [(ahead, "x7c0s60b0n0".to_owned())]);
}

/// A member of a cluster that was off as a whole: a watch that had seen everything goes on, wherever it comes back.
#[test]
fn a_watch_goes_on_after_a_restart_of_all_members() {
    let mut bed = Testbed::start();
    let last = (0..20)
        .map(|n| bed.create(1 + n % 3, &format!("x7c1s{n}b0n0")))
        .max()
        .unwrap();
    bed.same_everywhere();
    (1..=3).for_each(|id| bed.kill(id));
    (1..=3).for_each(|id| bed.launch(id));
    bed.leader();
    let next = bed.create(1, "x7c1s20b0n0");
    for id in 1..=3 {
        let store = bed.store(id);
        let rest = bed.block_on(id, async {
            let mut watch = store.watch_after(last, AT_MOST).await.unwrap();
            told(&mut watch, next).await
        });
        assert_eq!(rest, [(next, "x7c1s20b0n0".to_owned())], "member {id}");
    }
}

/// What a snapshot jumps over was never seen here: a watch that needs it is told to begin again.
#[test]
fn a_member_that_got_a_snapshot_says_what_it_cannot_tell() {
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
        bed.create(writer, &format!("x7c2s{n}b0n0"));
    }
    bed.wait("the log to be purged", |bed| {
        let mut running = (1..=3).filter(|id| *id != behind);
        running
            .all(|id| bed.store(id).status().purged_index > reached)
            .then_some(())
    });
    bed.launch(behind);
    bed.wait("the snapshot to arrive", |bed| {
        has(&bed.store(behind), "x7c2s399b0n0").then_some(())
    });
    let store = bed.store(behind);
    assert!(store.snapshots_installed() > 0, "the log was replayed instead");
    bed.block_on(behind, async {
        let refused = store.watch_after(reached, AT_MOST).await.unwrap_err();
        let Error::Compacted { oldest } = refused else {
            panic!("{refused}");
        };
        assert!(oldest > reached, "{oldest}");
        assert!(store.watch_after(oldest, AT_MOST).await.is_ok());
        let (state, watch) = store.watch();
        assert_eq!(state.applied_index(), watch.revision());
    });
}

/// Whoever is behind gives nobody a hole: it says that it is, or waits.
#[test]
fn a_watch_ahead_of_its_member_waits_for_it() {
    let bed = Testbed::start();
    let (leader, follower) = (bed.leader(), bed.follower());
    for n in 0..50 {
        let xname = format!("x7c3s{n}b0n0");
        let revision = bed.create(leader, &xname);
        let store = bed.store(follower);
        let mut watch = bed
            .block_on(follower, store.watch_after(revision - 1, AT_MOST))
            .unwrap();
        let seen = bed.block_on(follower, told(&mut watch, revision));
        assert_eq!(seen, [(revision, xname)]);
    }
    let store = bed.store(follower);
    let never = bed.block_on(follower, store.watch_after(u64::MAX, Duration::from_millis(50)));
    assert!(matches!(never, Err(Error::NotReady { .. })), "{never:?}");
}

/// 1,000 watches at one member while another writes: each is told of every change once, in order.
#[test]
fn a_thousand_watches_of_a_follower_are_told_everything() {
    let bed = Testbed::start();
    let (leader, follower) = (bed.leader(), bed.follower());
    let store = bed.store(follower);
    let watches = bed.block_on(follower, async {
        (0..1000).map(|_| store.watch().1).collect::<Vec<_>>()
    });
    let made: Vec<_> = (0..50)
        .map(|n| {
            (
                bed.create(leader, &format!("x7c4s{n}b0n0")),
                format!("x7c4s{n}b0n0"),
            )
        })
        .collect();
    let last = made[49].0;
    let all = bed.block_on(follower, async {
        let follow = watches
            .into_iter()
            .map(|mut watch| async move { told(&mut watch, last).await });
        futures::future::join_all(follow).await
    });
    let distinct: BTreeSet<_> = all.into_iter().collect();
    assert_eq!(distinct, BTreeSet::from([made]));
}
