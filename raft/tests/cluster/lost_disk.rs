//! A member that comes back with an empty disk under its old number.

use raft::Store;

use crate::testbed::{Testbed, create, has};

/// Waits until each of the three has met both others: what nobody has met cannot be missed.
fn wait_until_all_have_met(bed: &Testbed) {
    let met = |id: u64| std::fs::read_to_string(bed.data_dir(id).join("peers")).unwrap_or_default();
    bed.wait("all members to have met", |_| {
        (1..=3)
            .all(|id| met(id).matches("member-").count() == 2)
            .then_some(())
    });
}

/// It has forgotten its votes and what it acknowledged. With the leader it would make a majority that knows less than
/// the one that acknowledged a write: nothing may be acknowledged, and the leader must live.
#[test]
fn a_member_that_lost_its_disk_is_no_part_of_the_majority() {
    let mut bed = Testbed::start();
    let leader = bed.leader();
    wait_until_all_have_met(&bed);
    bed.create(leader, "x7c0s0b0n0");
    bed.same_everywhere();
    let (lost, down) = (1 + leader % 3, 1 + (leader + 1) % 3);
    bed.kill(lost);
    std::fs::remove_dir_all(bed.data_dir(lost)).unwrap();
    bed.kill(down);
    bed.launch(lost);
    let acknowledged = |store: Store| {
        let proposed = store.propose("user/test", create("x7c0s1b0n0"), None);
        bed.block_on(leader, proposed).is_ok()
    };
    assert!(
        !acknowledged(bed.store(leader)),
        "two members of which one forgot all"
    );
    assert!(!bed.store(lost).is_verified(), "its node ports stay shut");
    assert!(!has(&bed.store(lost), "x7c0s0b0n0"));
    // The leader has lived through it: with the third member there is a majority again.
    bed.launch(down);
    bed.wait("the majority of the two with disks", |bed| {
        bed.store(leader).has_leader().then_some(())
    });
    bed.create(down, "x7c0s2b0n0");
    bed.wait("the write at the leader", |bed| {
        has(&bed.store(leader), "x7c0s2b0n0").then_some(())
    });
    assert!(!has(&bed.store(lost), "x7c0s2b0n0"), "it is sent nothing");
}

/// The leader is gone and with it the only other copy: a follower that had nothing to say to the lost one before must
/// still not elect it, nor be elected by it.
#[test]
fn a_member_that_lost_its_disk_has_no_vote() {
    let mut bed = Testbed::start();
    let leader = bed.leader();
    wait_until_all_have_met(&bed);
    let (lost, left) = (1 + leader % 3, 1 + (leader + 1) % 3);
    bed.kill(lost);
    bed.kill(leader);
    std::fs::remove_dir_all(bed.data_dir(lost)).unwrap();
    bed.launch(lost);
    for id in [left, lost] {
        let store = bed.store(id);
        let proposed = store.propose("user/test", create("x7c0s4b0n0"), None);
        assert!(
            bed.block_on(id, proposed).is_err(),
            "member {id} found a majority"
        );
    }
    bed.launch(leader);
    // asked, not remembered: what was known of the majority may be from before
    bed.wait("the majority of the two with disks", |bed| {
        bed.block_on(left, bed.store(left).linearize()).ok()
    });
    bed.create(left, "x7c0s5b0n0");
}

/// A restart of all is no loss: the ids are on the disks.
#[test]
fn members_with_their_disks_know_each_other_again() {
    let mut bed = Testbed::start();
    wait_until_all_have_met(&bed);
    (1..=3).for_each(|id| bed.kill(id));
    (1..=3).for_each(|id| bed.launch(id));
    bed.leader();
    bed.create(1, "x7c0s3b0n0");
    bed.same_everywhere();
}
