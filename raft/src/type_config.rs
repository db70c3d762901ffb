//! The types openraft is generic over, bound to ours. Only this crate names them.

use std::fmt;

use bytes::Bytes;
use proto::cluster::v1::member_kind;
use proto::raft::v1 as pb;

openraft::declare_raft_types!(
    /// Chamois's binding of openraft.
    pub(crate) TypeConfig:
        D = Command,
        R = Reply,
        NodeId = u64,
        Node = MemberNode,
        Term = u64,
);

pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type LeaderId = openraft::alias::LeaderIdOf<TypeConfig>;
pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, MemberNode>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;

/// An encoded `chamois.raft.v1.Entry`: encoded once by the proposer, so that a copy is a reference count.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) Bytes);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} bytes", self.0.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What `apply` said about an entry; the default for entries that are no command.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reply(pub(crate) pb::Outcome);

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outcome at revision {}", self.0.revision)
    }
}

/// How to reach a member, and the key it must show. Part of the membership, so it is replicated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberNode {
    /// host:port of the peer port.
    pub peer_address: String,
    /// host:port of the gRPC API.
    pub api_address: String,
    /// SubjectPublicKeyInfo (DER) that the member's certificate must carry.
    pub public_key: Vec<u8>,
    /// What it is for.
    pub kind: member_kind::Kind,
}

impl fmt::Display for MemberNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.peer_address)
    }
}
