//! openraft's messages to and from their wire form. What a peer sends is checked here: a missing part is an error.

use std::collections::{BTreeMap, BTreeSet};

use openraft::entry::EntryPayload;
use openraft::vote::RaftVote as _;
use proto::cluster::v1::member_kind;
use proto::raft::v1 as pb;

use crate::type_config::{
    Command, Entry, LeaderId, LogId, MemberNode, Membership, SnapshotMeta, StoredMembership, Vote,
};

/// A peer's message or a stored record that does not say what it must.
#[derive(Debug, thiserror::Error)]
#[error("malformed Raft message: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl From<Malformed> for tonic::Status {
    fn from(error: Malformed) -> Self {
        tonic::Status::invalid_argument(error.to_string())
    }
}

impl From<Malformed> for std::io::Error {
    fn from(error: Malformed) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, error)
    }
}

pub(crate) fn vote_to_wire(vote: &Vote) -> pb::RaftVote {
    let leader = vote.leader_id();
    pb::RaftVote {
        term: leader.term,
        member_id: leader.node_id,
        committed: vote.is_committed(),
    }
}

pub(crate) fn vote_from_wire(vote: Option<pb::RaftVote>) -> Result<Vote, Malformed> {
    let vote = vote.ok_or(Malformed("vote is missing"))?;
    Ok(Vote::from_leader_id(
        LeaderId {
            term: vote.term,
            node_id: vote.member_id,
        },
        vote.committed,
    ))
}

pub(crate) fn log_id_to_wire(id: &LogId) -> pb::LogId {
    pb::LogId {
        term: id.leader_id.term,
        member_id: id.leader_id.node_id,
        index: id.index,
    }
}

pub(crate) fn log_id_from_wire(id: pb::LogId) -> LogId {
    LogId::new(
        LeaderId {
            term: id.term,
            node_id: id.member_id,
        },
        id.index,
    )
}

pub(crate) fn entry_to_wire(entry: &Entry) -> pb::LogEntry {
    let payload = match &entry.payload {
        EntryPayload::Blank => pb::log_entry::Payload::Blank(pb::log_entry::Blank {}),
        EntryPayload::Normal(command) => pb::log_entry::Payload::Command(command.0.clone()),
        EntryPayload::Membership(m) => pb::log_entry::Payload::Membership(membership_to_wire(m)),
    };
    pb::LogEntry {
        log_id: Some(log_id_to_wire(&entry.log_id)),
        payload: Some(payload),
    }
}

/// The command's bytes are copied when `entry` came from the network, or one command would pin a whole frame.
pub(crate) fn entry_from_wire(entry: pb::LogEntry) -> Result<Entry, Malformed> {
    let log_id = log_id_from_wire(entry.log_id.ok_or(Malformed("entry without log id"))?);
    let payload = match entry.payload.ok_or(Malformed("entry without payload"))? {
        pb::log_entry::Payload::Blank(_) => EntryPayload::Blank,
        pb::log_entry::Payload::Command(bytes) => EntryPayload::Normal(Command(bytes)),
        pb::log_entry::Payload::Membership(m) => EntryPayload::Membership(membership_from_wire(m)?),
    };
    Ok(Entry { log_id, payload })
}

pub(crate) fn membership_to_wire(membership: &Membership) -> pb::Membership {
    pb::Membership {
        configs: membership
            .get_joint_config()
            .iter()
            .map(|set| pb::membership::VoterSet {
                ids: set.iter().copied().collect(),
            })
            .collect(),
        nodes: membership
            .nodes()
            .map(|(id, node)| node_to_wire(*id, node))
            .collect(),
    }
}

pub(crate) fn node_to_wire(id: u64, node: &MemberNode) -> pb::MemberNode {
    pb::MemberNode {
        id,
        peer_address: node.peer_address.clone(),
        api_address: node.api_address.clone(),
        public_key: node.public_key.clone(),
        kind: node.kind.into(),
    }
}

pub(crate) fn node_from_wire(node: pb::MemberNode) -> Result<MemberNode, Malformed> {
    Ok(MemberNode {
        kind: member_kind::Kind::try_from(node.kind)
            .map_err(|_| Malformed("kind of member that is not known here"))?,
        peer_address: node.peer_address,
        api_address: node.api_address,
        public_key: node.public_key,
    })
}

pub(crate) fn membership_from_wire(membership: pb::Membership) -> Result<Membership, Malformed> {
    let configs: Vec<BTreeSet<u64>> = membership
        .configs
        .into_iter()
        .map(|set| set.ids.into_iter().collect())
        .collect();
    let nodes = membership.nodes.into_iter();
    let nodes: BTreeMap<u64, MemberNode> = nodes
        .map(|node| Ok((node.id, node_from_wire(node)?)))
        .collect::<Result<_, Malformed>>()?;
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|_| Malformed("membership names a voter without a node"))
}

pub(crate) fn stored_membership_to_wire(stored: &StoredMembership) -> pb::StoredMembership {
    pb::StoredMembership {
        log_id: stored.log_id().as_ref().map(log_id_to_wire),
        membership: Some(membership_to_wire(stored.membership())),
    }
}

pub(crate) fn stored_membership_from_wire(
    stored: pb::StoredMembership,
) -> Result<StoredMembership, Malformed> {
    let membership = membership_from_wire(stored.membership.ok_or(Malformed("membership is missing"))?)?;
    Ok(StoredMembership::new(
        stored.log_id.map(log_id_from_wire),
        membership,
    ))
}

pub(crate) fn snapshot_meta_to_wire(meta: &SnapshotMeta) -> pb::SnapshotMeta {
    pb::SnapshotMeta {
        last_log_id: meta.last_log_id.as_ref().map(log_id_to_wire),
        last_membership: Some(stored_membership_to_wire(&meta.last_membership)),
    }
}

pub(crate) fn snapshot_meta_from_wire(meta: pb::SnapshotMeta) -> Result<SnapshotMeta, Malformed> {
    let membership = meta
        .last_membership
        .ok_or(Malformed("snapshot without membership"))?;
    Ok(SnapshotMeta {
        last_log_id: meta.last_log_id.map(log_id_from_wire),
        last_membership: stored_membership_from_wire(membership)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_id(term: u64, index: u64) -> LogId {
        LogId::new(LeaderId { term, node_id: 2 }, index)
    }

    fn membership() -> Membership {
        let node = |n: u64| MemberNode {
            peer_address: format!("10.0.0.{n}:7440"),
            api_address: format!("10.0.0.{n}:7441"),
            public_key: vec![n as u8; 4],
            kind: member_kind::Kind::Witness,
        };
        let nodes: BTreeMap<u64, MemberNode> = (1..=3).map(|n| (n, node(n))).collect();
        Membership::new(vec![BTreeSet::from([1, 2]), BTreeSet::from([1, 2, 3])], nodes).unwrap()
    }

    /// Every kind of entry must come back as it went, or followers would store another log than the leader's.
    #[test]
    fn entries_survive_the_wire() {
        for payload in [
            EntryPayload::Blank,
            EntryPayload::Normal(Command("abc".into())),
            EntryPayload::Membership(membership()),
        ] {
            let entry = Entry {
                log_id: log_id(3, 7),
                payload,
            };
            assert_eq!(entry_from_wire(entry_to_wire(&entry)).unwrap(), entry);
        }
    }

    /// A vote's `committed` bit decides who leads; losing it would elect two.
    #[test]
    fn votes_survive_the_wire() {
        for vote in [Vote::new(4, 2), Vote::new_committed(4, 2)] {
            assert_eq!(vote_from_wire(Some(vote_to_wire(&vote))).unwrap(), vote);
        }
    }

    #[test]
    fn snapshot_meta_survives_the_wire() {
        let meta = SnapshotMeta {
            last_log_id: Some(log_id(5, 90)),
            last_membership: StoredMembership::new(Some(log_id(1, 1)), membership()),
        };
        assert_eq!(
            snapshot_meta_from_wire(snapshot_meta_to_wire(&meta)).unwrap(),
            meta
        );
        let empty = SnapshotMeta::default();
        assert_eq!(
            snapshot_meta_from_wire(snapshot_meta_to_wire(&empty)).unwrap(),
            empty
        );
    }

    /// A stranger's bytes may decode as a message with parts missing; that is an error, never a default.
    #[test]
    fn missing_parts_are_refused() {
        assert!(vote_from_wire(None).is_err());
        assert!(
            entry_from_wire(pb::LogEntry {
                log_id: None,
                payload: None
            })
            .is_err()
        );
        let no_payload = pb::LogEntry {
            log_id: Some(log_id_to_wire(&log_id(1, 1))),
            payload: None,
        };
        assert!(entry_from_wire(no_payload).is_err());
        let voter_without_node = pb::Membership {
            configs: vec![pb::membership::VoterSet { ids: vec![9] }],
            nodes: vec![],
        };
        assert!(membership_from_wire(voter_without_node).is_err());
    }
}
