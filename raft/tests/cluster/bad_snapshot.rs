//! Snapshots that must not be installed.

use proto::raft::v1::{
    LogId, Membership, PeerHeader, RaftVote, SnapshotChunk, SnapshotMeta, StoredMembership,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::testbed::{Testbed, has};

/// First chunk of a snapshot of 12 bytes that a leader of a term above every other sends: only the file can speak
/// against it.
fn announcement(from: u64, to: u64) -> SnapshotChunk {
    let term = 1_000_000;
    let header = PeerHeader {
        from,
        to,
        cluster_name: "test".to_owned(),
        ..PeerHeader::default()
    };
    let meta = SnapshotMeta {
        last_log_id: Some(LogId {
            term,
            member_id: from,
            index: 1_000_000,
        }),
        last_membership: Some(StoredMembership {
            membership: Some(Membership::default()),
            ..StoredMembership::default()
        }),
    };
    SnapshotChunk {
        header: Some(header),
        vote: Some(RaftVote {
            term,
            member_id: from,
            committed: true,
        }),
        meta: Some(meta),
        total_bytes: 12,
        ..SnapshotChunk::default()
    }
}

/// A rotten file on the leader, or a leader of another version, must not take the followers down: an install that
/// fails ends a member, and the same file is sent again.
#[test]
fn a_snapshot_that_is_not_whole_is_refused_and_the_member_lives() {
    let bed = Testbed::start();
    let (from, to) = (bed.leader(), bed.follower());
    for data in ["CHMSNAP1", "CHMSNAP1torn", "not a snapshot"] {
        let data = SnapshotChunk {
            data: data.as_bytes().into(),
            ..SnapshotChunk::default()
        };
        let chunks = tokio_stream::iter([announcement(from, to), data]);
        let mut client = bed.peer_client(from, to);
        let refused = bed.block_on(from, client.install_snapshot(chunks)).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::DataLoss, "{refused}");
    }
    bed.create(to, "x8c0s0b0n0");
    assert!(has(&bed.store(to), "x8c0s0b0n0"));
    let left = std::fs::read_dir(bed.data_dir(to).join("snapshots")).unwrap();
    assert_eq!(left.count(), 0, "nothing is left of them");
}

/// A leader that is elected anew sends again while the first transfer is still under way; two would fill the disk.
#[test]
fn a_second_transfer_at_once_is_refused() {
    let bed = Testbed::start();
    let (from, to) = (bed.leader(), bed.follower());
    let (hold, held) = tokio::sync::mpsc::channel(1);
    hold.try_send(announcement(from, to)).unwrap();
    let (mut slow, mut second) = (bed.peer_client(from, to), bed.peer_client(from, to));
    let slow = async move { slow.install_snapshot(ReceiverStream::new(held)).await };
    let waiting = bed.spawn(from, slow);
    let folder = bed.data_dir(to).join("snapshots");
    let files = || std::fs::read_dir(&folder).unwrap().count();
    bed.wait("the first transfer to begin", |_| (files() == 1).then_some(()));
    let again = tokio_stream::iter([announcement(from, to)]);
    let refused = bed.block_on(from, second.install_snapshot(again));
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unavailable);
    waiting.abort(); // the sender goes away: its file must not stay
    bed.wait("the unfinished file to go", |_| (files() == 0).then_some(()));
    drop(hold);
}
