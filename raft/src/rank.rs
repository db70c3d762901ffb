//! Where a member stands among those that serve nodes.

use std::sync::Arc;

use openraft::async_runtime::WatchReceiver as _;
use proto::cluster::v1::member_kind::Kind;

use crate::replicated::Replicated;

/// A member's place, by id, among those that serve nodes. Members that know the same membership agree on it, whether they
/// hear each other or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// Others with a lower id.
    pub before: u64,
    /// All of them, this one counted.
    pub of: u64,
}

impl Rank {
    /// The only one.
    pub(crate) const ALONE: Rank = Rank { before: 0, of: 1 };

    /// Witnesses serve nothing. Of the others all count: which roles they have stands in their own configuration only.
    fn among(own: u64, members: impl Iterator<Item = (u64, Kind)>) -> Rank {
        let others = members.filter(|(id, kind)| *id != own && *kind != Kind::Witness);
        others.fold(Rank::ALONE, |rank, (id, _)| Rank {
            before: rank.before + u64::from(id < own),
            of: rank.of + 1,
        })
    }
}

impl Replicated {
    /// As far as this member knows who the members are.
    pub(crate) fn rank(&self) -> Rank {
        let membership = Arc::clone(&self.raft().server_metrics().borrow_watched().membership_config);
        Rank::among(
            self.peers().member_id,
            membership.nodes().map(|(id, node)| (*id, node.kind)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(own: u64, members: &[(u64, Kind)]) -> (u64, u64) {
        let rank = Rank::among(own, members.iter().copied());
        (rank.before, rank.of)
    }

    /// Each has another place, and the places are without gaps, though ids are not.
    #[test]
    fn members_stand_in_the_order_of_their_ids() {
        let members = [(2, Kind::Voter), (3, Kind::Unspecified), (7, Kind::Learner)];
        let places = [2, 3, 7].map(|own| rank(own, &members));
        assert_eq!(places, [(0, 3), (1, 3), (2, 3)]);
    }

    #[test]
    fn a_witness_takes_no_place() {
        let members = [(1, Kind::Witness), (2, Kind::Voter), (3, Kind::Voter)];
        assert_eq!([rank(2, &members), rank(3, &members)], [(0, 2), (1, 2)]);
    }

    /// It has just joined, or was removed and has not heard of it.
    #[test]
    fn who_is_no_member_counts_itself() {
        assert_eq!(rank(5, &[]), (0, 1));
        assert_eq!(rank(5, &[(4, Kind::Voter), (6, Kind::Voter)]), (1, 3));
    }
}
