//! What servers note is in the boot records of the cluster a moment later.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use model::Xname;
use proto::bss::v1::boot_phase::Phase;
use raft::Store;
use timeline::{Count, Pace, Reporter, Seen};

/// Looks until the record is as it should be.
const LOOKS_MAX: usize = 1000;

fn node(number: usize) -> Xname {
    format!("x0c0s{number}b0n0").parse().unwrap()
}

/// Phases of the newest boot of a node, once it has `count`.
async fn phases(store: &Store, node: &Xname, count: usize) -> Vec<(Phase, u64, u64)> {
    for _ in 0..LOOKS_MAX {
        let records = store.state().bss.boot_records(node);
        let phases = records.first().map_or(&[][..], |newest| &newest.phases);
        if phases.len() >= count {
            return phases
                .iter()
                .map(|attempt| (attempt.phase(), attempt.bytes, attempt.member))
                .collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{node}: {:?}", store.state().bss.boot_records(node));
}

/// More nodes than one entry may name, and more entries than one for each node.
#[tokio::test]
async fn hundreds_of_boots_are_told_in_a_few_entries() {
    const NODES: usize = 700;
    let store = Store::in_memory();
    let pace = Pace {
        take: Duration::from_millis(1),
        tell: Duration::from_millis(1),
    };
    let (timeline, reporter) = Reporter::new(store.clone(), 2, pace);
    let counters = reporter.counters();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(reporter.run(async { drop(stopped.await) }));
    for (step, phase) in [Phase::Offered, Phase::Script, Phase::Kernel]
        .into_iter()
        .enumerate()
    {
        for number in 0..NODES {
            timeline.note(Seen {
                node: node(number),
                boot_id: (phase == Phase::Script).then_some(number as u64 + 1),
                phase,
                bytes: 10 * step as u64,
                revision: 1,
            });
        }
        for number in [0, NODES - 1] {
            let told = phases(&store, &node(number), step + 1).await;
            assert_eq!(told[step], (phase, 10 * step as u64, 2));
        }
        // attempts of the next phase are later, by the cluster's clock
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stop.send(()).unwrap();
    running.await.unwrap();
    for number in 0..NODES {
        let records = store.state().bss.boot_records(&node(number));
        assert_eq!((records.len(), records[0].phases.len()), (1, 3), "{number}");
        assert_eq!(records[0].boot_id, format!("{:016x}", number + 1));
    }
    assert_eq!(counters.get(Count::Dropped), 0);
    assert!(
        counters.get(Count::Told) < NODES as u64,
        "entries are shared: {}",
        counters.get(Count::Told)
    );
}
