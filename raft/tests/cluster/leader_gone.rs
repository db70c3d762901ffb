//! The process of a leader ends: the others need not wait for their timers.

use std::time::{Duration, Instant};

use raft::Profile;

use crate::testbed::Testbed;

/// In profile `wan` a silent leader is deposed 3 s after its last heartbeat at the earliest, and a heartbeat is at most
/// 300 ms old.
const TIMERS_AT_LEAST: Duration = Duration::from_millis(2_700);

/// How long after its death another leads.
fn deposed_after(bed: &mut Testbed) -> Duration {
    let leader = bed.leader();
    bed.create(leader, "x9c0s0b0n0");
    bed.kill(leader);
    let killed = Instant::now();
    let next = bed.leader();
    let took = killed.elapsed();
    bed.create(next, "x9c0s1b0n0");
    bed.same_everywhere();
    bed.launch(leader);
    bed.same_everywhere();
    took
}

#[test]
fn a_leader_whose_process_ends_is_replaced_before_any_timer_ends() {
    let mut bed = Testbed::with_profile(Profile::Wan);
    for _ in 0..3 {
        let took = deposed_after(&mut bed);
        assert!(took < TIMERS_AT_LEAST, "only the timers saw it, after {took:?}");
    }
}

/// A leader that answers by its lease is waited for, whatever its port says: it might live behind a firewall.
#[test]
fn with_lease_reads_only_the_timers_count() {
    let mut bed = Testbed::with_lease_reads(Profile::Wan);
    let took = deposed_after(&mut bed);
    assert!(
        took >= TIMERS_AT_LEAST - Duration::from_millis(300),
        "deposed after {took:?}, within its lease"
    );
}
