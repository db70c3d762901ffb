//! A member comes back with a clock that is an hour ahead.

use crate::testbed::{Testbed, create};

const HOUR_MS: u64 = 3_600_000;

/// Sessions and leases live by cluster time: the hour of one host must not end them.
#[test]
fn a_leader_whose_clock_is_an_hour_ahead_moves_no_time_and_steps_down() {
    let mut bed = Testbed::start();
    bed.create(1, "x6c0s0b0n0");
    let before = bed.store(1).state().time_ms();
    let wrong = bed.leader();
    bed.kill(wrong);
    bed.set_clock_ahead(wrong, HOUR_MS);
    bed.launch(wrong);
    bed.wait("the member to come back", |bed| {
        bed.store(wrong).is_verified().then_some(())
    });
    let lead = |bed: &Testbed| {
        let change = proto::raft::v1::membership_change::Change::TransferLeader(wrong);
        bed.block_on(wrong, bed.store(wrong).change_membership(change))
    };
    bed.wait("the one with the wrong clock to lead", |bed| {
        lead(bed).is_ok().then_some(())
    });
    for n in 0..20 {
        let store = bed.store(wrong);
        let written = bed.block_on(
            wrong,
            store.propose("user/test", create(&format!("x6c0s1b{n}n0")), None),
        );
        assert!(written.is_ok(), "its own session goes on: {written:?}");
    }
    bed.wait("another leader", |bed| {
        let leader = bed.store(1 + wrong % 3).status().leader_id;
        (leader != wrong && leader != 0).then_some(())
    });
    bed.create(wrong, "x6c0s2b0n0");
    bed.same_everywhere();
    let passed = bed.store(wrong).state().time_ms() - before;
    assert!(passed < HOUR_MS / 2, "cluster time went {passed} ms on");
}
