//! Changes of the membership that meet failures half way.

use std::time::Duration;

use proto::raft::v1::membership_change::Change;

use crate::testbed::Testbed;

/// openraft writes the second half for the one who asked, and that one has gone: without anybody to finish it, the old
/// voters and the new ones would have to agree for ever.
#[test]
fn a_change_of_voters_that_nobody_waits_for_is_finished() {
    let mut bed = Testbed::start();
    let leader = bed.leader();
    let (removed, down) = (1 + leader % 3, 1 + (leader + 1) % 3);
    bed.kill(down); // unnoticed yet: a member counts as there for 3 s
    let store = bed.store(leader);
    bed.block_on(leader, async move {
        let change = store.change_membership(Change::Remove(removed));
        let changed = tokio::time::timeout(Duration::from_secs(5), change).await;
        assert!(
            !matches!(changed, Ok(Ok(()))),
            "of the two voters left one is down"
        );
    });
    let members = |bed: &Testbed, id: u64| bed.store(id).members().into_keys().collect::<Vec<_>>();
    assert_eq!(members(&bed, leader), [1, 2, 3], "the first half of the change");
    bed.launch(down);
    bed.wait("the second half", |bed| {
        let left = members(bed, down);
        (left.len() == 2 && !left.contains(&removed)).then_some(())
    });
}

/// It is told once it is back, and does not start again; a removal that is repeated is as good.
#[test]
fn a_member_that_was_down_when_it_was_removed_hears_of_it() {
    let mut bed = Testbed::start();
    let leader = bed.leader();
    let removed = 1 + leader % 3;
    bed.wait("the leader to know the store of the other", |bed| {
        let met = std::fs::read_to_string(bed.data_dir(leader).join("peers")).unwrap_or_default();
        met.contains(&format!("member-{removed} =")).then_some(())
    });
    bed.kill(removed);
    let remove = |bed: &Testbed| {
        let store = bed.store(leader);
        bed.block_on(leader, async move {
            store.change_membership(Change::Remove(removed)).await
        })
    };
    remove(&bed).unwrap();
    remove(&bed).unwrap(); // the state of this cluster has counted no ids, as one of version 0.3.0
    bed.launch(removed);
    let told = bed.data_dir(removed).join("removed");
    bed.wait("the farewell", |_| told.exists().then_some(()));
    bed.kill(removed);
    assert!(bed.refusal(removed).contains("was removed"));
}

/// It was given for this key, and the join is repeated with it: under its old id it would be taken for who it was.
#[test]
fn the_id_of_a_removed_member_is_not_given_again() {
    let bed = Testbed::start();
    let leader = bed.leader();
    let removed = 1 + leader % 3;
    let node = bed.store(leader).members()[&removed].clone();
    let again = proto::raft::v1::MemberNode {
        id: removed,
        peer_address: node.peer_address,
        api_address: node.api_address,
        public_key: node.public_key,
        ..Default::default()
    };
    let change = |change: Change| {
        let store = bed.store(leader);
        bed.block_on(leader, async move { store.change_membership(change).await })
    };
    change(Change::AddLearner(again.clone())).unwrap(); // it is one: a repeat is as good
    change(Change::Remove(removed)).unwrap();
    let refused = change(Change::AddLearner(again)).unwrap_err();
    assert!(refused.message().contains("never given again"), "{refused}");
    assert!(!bed.store(leader).members().contains_key(&removed));
}
