//! From a member as an identity lists it to one as Raft stores it.

use auth::ClusterMember;
use raft::MemberNode;

/// What the others need to know of a member; its kind stands in the state.
pub(crate) fn member_node(member: ClusterMember) -> MemberNode {
    MemberNode {
        peer_address: member.address,
        api_address: member.api_address,
        public_key: member.public_key,
        ..MemberNode::default()
    }
}
